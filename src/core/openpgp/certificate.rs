//! A certificate: one primary key, who it says to be, and further keys, with the signatures that bind them.

use std::sync::OnceLock;

use pgp::packet::{PublicKey, PublicSubkey, Signature, UserAttribute, UserId};
use pgp::types::Tag;
use thiserror::Error;

use super::Fingerprint;
use super::armor::{self, ArmorError};
use super::key::{self, KeyFault, StrictKey};
use super::packet::{PacketError, RawPacket};
use super::validity::{Unusable, Validity};
use crate::core::decide::Timestamp;
use crate::core::digest::Digest;
use crate::core::limits;

/// Why a text is not one certificate.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CertificateError {
    /// Its text form has no reading.
    #[error(transparent)]
    Armor(#[from] ArmorError),
    /// A packet has no reading.
    #[error(transparent)]
    Packet(#[from] PacketError),
    /// It holds a secret key.
    #[error("it holds a secret key, which nobody else may have")]
    Secret,
    /// It holds several certificates.
    #[error("it holds more than one certificate")]
    Several,
    /// It holds something that has no place there, or a primary key is not the first.
    #[error("it holds something that is no part of a certificate")]
    Foreign,
    /// The primary key is too weak.
    #[error("its primary key cannot be used: {0}")]
    Key(#[from] KeyFault),
}

/// Who a certificate says to be.
#[derive(Clone, Debug)]
pub(super) enum Identity {
    Name(UserId),
    /// A picture or the like.
    Attribute(UserAttribute),
}

/// A part of a certificate, and the signatures that follow it.
#[derive(Clone, Debug)]
pub(super) struct Bound<T> {
    pub(super) part: T,
    pub(super) signatures: Vec<Signature>,
}

/// One certificate as it stands in a policy.
#[derive(Clone, Debug)]
pub struct Certificate {
    pub(super) primary: Bound<PublicKey>,
    pub(super) identities: Vec<Bound<Identity>>,
    pub(super) subkeys: Vec<(Fingerprint, Bound<PublicSubkey>)>,
    digest: Digest,
    fingerprint: Fingerprint,
    /// What its own signatures say, verified when it is first asked for: most pushes ask for few certificates.
    validity: OnceLock<Validity>,
}

impl Certificate {
    /// Reads one certificate from its text form, as `gpg --armor --export` writes it.
    ///
    /// # Errors
    /// [`CertificateError`] for everything that has no reading as one certificate. Whether its keys may sign, and until when, is
    /// asked of [`Certificate::status`].
    pub fn parse(text: &[u8]) -> Result<Self, CertificateError> {
        Self::from_packets(&armor::dearmor(text, armor::PUBLIC_KEY, limits::CERTIFICATE_BYTES)?)
    }

    /// Reads one certificate from its binary form.
    ///
    /// # Errors
    /// As [`Certificate::parse`].
    pub fn from_packets(bytes: &[u8]) -> Result<Self, CertificateError> {
        let (raw, mut rest) = RawPacket::split(bytes)?;
        let primary = match raw.tag() {
            Tag::PublicKey => raw.read(|header, body| PublicKey::try_from_reader(header, body))?,
            Tag::SecretKey => return Err(CertificateError::Secret),
            _ => return Err(CertificateError::Foreign),
        };
        key::check(&primary)?;
        let primary = Bound { part: primary, signatures: Vec::new() };
        let mut parsed = Self {
            fingerprint: Fingerprint::of(&primary.part),
            primary,
            identities: Vec::new(),
            subkeys: Vec::new(),
            digest: Digest::of(bytes),
            validity: OnceLock::new(),
        };
        while !rest.is_empty() {
            let (raw, after) = RawPacket::split(rest)?;
            parsed.add(&raw)?;
            rest = after;
        }
        Ok(parsed)
    }

    fn add(&mut self, raw: &RawPacket<'_>) -> Result<(), CertificateError> {
        let signatures = Vec::new();
        match raw.tag() {
            Tag::Signature => {
                let signature = raw.read_signature()?;
                let place = match (self.subkeys.last_mut(), self.identities.last_mut()) {
                    (Some((_, subkey)), _) => &mut subkey.signatures,
                    (None, Some(identity)) => &mut identity.signatures,
                    (None, None) => &mut self.primary.signatures,
                };
                place.push(signature);
            }
            Tag::UserId if self.subkeys.is_empty() => {
                let part = Identity::Name(raw.read(|header, body| UserId::try_from_reader(header, body))?);
                self.identities.push(Bound { part, signatures });
            }
            Tag::UserAttribute if self.subkeys.is_empty() => {
                let part = Identity::Attribute(raw.read(|header, body| UserAttribute::try_from_reader(header, body))?);
                self.identities.push(Bound { part, signatures });
            }
            Tag::PublicSubkey => {
                let part = raw.read(|header, body| PublicSubkey::try_from_reader(header, body))?;
                self.subkeys.push((Fingerprint::of(&part), Bound { part, signatures }));
            }
            Tag::PublicKey => return Err(CertificateError::Several),
            Tag::SecretKey | Tag::SecretSubkey => return Err(CertificateError::Secret),
            // Nothing but filling (RFC 9580, 5.14).
            Tag::Padding => {}
            _ => return Err(CertificateError::Foreign),
        }
        Ok(())
    }

    /// The digest of its binary form.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The fingerprint of the primary key, by which the certificate is known.
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// The fingerprints of all its keys, the primary one first.
    pub fn keys(&self) -> impl Iterator<Item = &Fingerprint> {
        std::iter::once(&self.fingerprint).chain(self.subkeys.iter().map(|(fingerprint, _)| fingerprint))
    }

    /// Who it says to be, as text; pictures are left out.
    pub fn names(&self) -> impl Iterator<Item = String> {
        self.identities.iter().filter_map(|identity| match &identity.part {
            Identity::Name(name) => Some(String::from_utf8_lossy(name.id()).into_owned()),
            Identity::Attribute(_) => None,
        })
    }

    /// Whether what one of its keys signed counts, if it was first received at `received`: the key may sign, is bound to the
    /// primary key, and neither had expired or been revoked then.
    ///
    /// # Errors
    /// [`Unusable`] says why not.
    pub fn status(&self, key: &Fingerprint, received: Timestamp) -> Result<(), Unusable> {
        self.validity().status(key, received)
    }

    /// The keys that may sign at `now`.
    pub fn signers(&self, now: Timestamp) -> impl Iterator<Item = &Fingerprint> {
        self.keys().filter(move |key| self.status(key, now).is_ok())
    }

    /// Whether any of its keys ceases to count at some time, so that it matters when a signature was received.
    pub fn ends(&self) -> bool {
        self.validity().ends()
    }

    fn validity(&self) -> &Validity {
        self.validity.get_or_init(|| Validity::of(self))
    }

    /// Whether a signature over a document is that of one of its keys.
    pub(super) fn verifies(&self, key: &Fingerprint, signature: &Signature, signed: &[u8]) -> bool {
        let by_primary = *key == self.fingerprint && signature.verify(&StrictKey(&self.primary.part), signed).is_ok();
        let by_subkey = |(own, subkey): &(Fingerprint, Bound<PublicSubkey>)| {
            own == key && key::check(&subkey.part).is_ok() && signature.verify(&StrictKey(&subkey.part), signed).is_ok()
        };
        by_primary || self.subkeys.iter().any(by_subkey)
    }
}
