//! OpenPGP certificates and signatures of people and services (RFC 9580, and RFC 4880 as GnuPG writes it): strict decoding, strict
//! verification.
//!
//! The `pgp` crate reads packets and does the mathematics, but for Ed25519, which is verified as everywhere here. What of it counts
//! is decided here: one signature packet over a document, hashes of the SHA-2 family, keys as strong as those that are taken from
//! SSH, and a certificate whose own signatures say that the key may sign. A date that a signer wrote proves nothing: whether a key
//! was good is asked for the time at which its signature was first received ([`Certificate::status`]).

mod armor;
mod certificate;
mod key;
mod packet;
mod signature;
mod validity;

#[cfg(test)]
mod tests;

use std::fmt;

use pgp::types::KeyDetails;

pub use armor::ArmorError;
pub use certificate::{Certificate, CertificateError};
pub use key::KeyFault;
pub use packet::PacketError;
pub use signature::{ClaimedSignature, Issuer, SignatureError, VerifiedSignature};
pub use validity::Unusable;

/// The fingerprint of a key, primary or not (RFC 9580, 5.5.4): 20 bytes for version 4, 32 for version 6.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fingerprint(Box<[u8]>);

impl Fingerprint {
    /// Reads 40 or 64 hexadecimal digits of either case, in groups as GnuPG prints them or in one.
    pub fn parse(text: &str) -> Option<Self> {
        let digits: Vec<u8> = text
            .chars()
            .filter(|one| *one != ' ')
            .map(|one| one.to_digit(16)?.try_into().ok())
            .collect::<Option<_>>()?;
        let bytes = |pair: &[u8]| pair.iter().fold(0_u8, |byte, digit| byte << 4 | digit);
        matches!(digits.len(), 40 | 64).then(|| Self(digits.chunks(2).map(bytes).collect()))
    }

    fn of(key: &impl KeyDetails) -> Self {
        Self(key.fingerprint().as_bytes().into())
    }

    /// The key id: the last eight bytes of a fingerprint of version 4, the first eight of one of version 6.
    fn key_id(&self) -> KeyId {
        let id = if self.0.len() == 20 { self.0.last_chunk() } else { self.0.first_chunk() };
        KeyId(id.copied().unwrap_or_default())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Eight bytes by which older signatures name a key. Several keys can have the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyId([u8; 8]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
