//! One signature over a document: what it claims, and whether it is so.

use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureConfig, SignatureType, SignatureVersion, Subpacket, SubpacketData};
use pgp::types::Tag;
use thiserror::Error;

use super::armor::{self, ArmorError};
use super::certificate::Certificate;
use super::packet::{PacketError, RawPacket};
use super::{Fingerprint, KeyId};
use crate::core::decide::Timestamp;
use crate::core::digest::Digest;
use crate::core::limits;

/// Why a signature is none, or does not verify.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SignatureError {
    /// Its text form has no reading.
    #[error(transparent)]
    Armor(#[from] ArmorError),
    /// Its packet has no reading.
    #[error(transparent)]
    Packet(#[from] PacketError),
    /// Something else than one signature.
    #[error("it holds more, or something else, than one signature")]
    NotOne,
    /// An older version, or a newer one.
    #[error("its version is neither 4 nor 6")]
    Version,
    /// A signature over something else than a document's bytes.
    #[error("it is not a signature over a document as it stands (type 0x{0:02x})")]
    Type(u8),
    /// A hash that is broken, or that nothing here reads.
    #[error("it is made with {0}; SHA-256, SHA-384, SHA-512 and SHA-224 are accepted")]
    Hash(String),
    /// It says what must be understood and is not.
    #[error("it holds something marked critical that is not understood here (subpacket {0})")]
    Critical(u8),
    /// No date, or several.
    #[error("it does not say once when it was made")]
    Date,
    /// It names no key, or several.
    #[error("it does not name one key")]
    Issuer,
    /// The certificate does not hold the key that it names.
    #[error("the certificate does not hold the key that it names")]
    Key,
    /// The mathematics say no.
    #[error("it does not match the content")]
    Mismatch,
}

/// The key that a signature names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Issuer {
    /// By its fingerprint.
    Fingerprint(Fingerprint),
    /// By eight bytes of it, as older signatures do.
    KeyId(KeyId),
}

impl Issuer {
    /// Whether it may be this key.
    pub fn names(&self, key: &Fingerprint) -> bool {
        match self {
            Self::Fingerprint(own) => own == key,
            Self::KeyId(own) => *own == key.key_id(),
        }
    }
}

impl std::fmt::Display for Issuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fingerprint(own) => own.fmt(f),
            Self::KeyId(own) => own.fmt(f),
        }
    }
}

/// A signature as it stands: nothing it says is proven.
#[derive(Clone, Debug)]
pub struct ClaimedSignature {
    packet: Signature,
    digest: Digest,
    issuer: Issuer,
    expires: Option<Timestamp>,
}

/// A signature that has been verified. There is no other way to make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedSignature {
    key: Fingerprint,
    digest: Digest,
    expires: Option<Timestamp>,
}

impl VerifiedSignature {
    /// The fingerprint of the key that made it, which is the primary one of a certificate or another of it.
    pub fn key(&self) -> &Fingerprint {
        &self.key
    }

    /// The digest of its binary form, by which the signature is known. What is not signed in it can be changed by whoever has
    /// it, so another digest does not mean that the key signed again.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// When it ceases to count, by its own word.
    pub fn expires(&self) -> Option<Timestamp> {
        self.expires
    }
}

impl ClaimedSignature {
    /// Reads the text form.
    ///
    /// # Errors
    /// [`SignatureError`] for everything but one signature over a document, with a hash that holds and nothing in it that is
    /// critical and unknown.
    pub fn from_armor(text: &[u8]) -> Result<Self, SignatureError> {
        Self::from_packet(&armor::dearmor(text, armor::SIGNATURE, limits::SIGNATURE_BYTES * 2)?)
    }

    /// Reads the binary form.
    ///
    /// # Errors
    /// As [`ClaimedSignature::from_armor`].
    pub fn from_packet(bytes: &[u8]) -> Result<Self, SignatureError> {
        let (raw, rest) = RawPacket::split(bytes)?;
        if raw.tag() != Tag::Signature || !rest.is_empty() {
            return Err(SignatureError::NotOne);
        }
        let packet = raw.read_signature()?;
        let config = config(&packet)?;
        if config.typ != SignatureType::Binary {
            return Err(SignatureError::Type(config.typ.into()));
        }
        let made = dates(config)?;
        let lifetime = once(config, |data| match data {
            SubpacketData::SignatureExpirationTime(lifetime) => Some(lifetime.as_secs()),
            _ => None,
        })?;
        let expires = lifetime.filter(|seconds| *seconds > 0).map(|seconds| Timestamp(made.0 + i64::from(seconds)));
        let issuer = issuer(config)?;
        Ok(Self { issuer, expires, digest: Digest::of(bytes), packet })
    }

    /// The key that it says to be made with: proof of nothing.
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Verifies it over `signed` with the key of `certificate` that it names. Whether that key may sign at all is asked of
    /// [`Certificate::status`].
    ///
    /// # Errors
    /// [`SignatureError::Key`] and [`SignatureError::Mismatch`].
    pub fn verify(&self, certificate: &Certificate, signed: &[u8]) -> Result<VerifiedSignature, SignatureError> {
        let named = certificate.keys().filter(|key| self.issuer.names(key));
        let mut tried = false;
        for key in named {
            tried = true;
            if certificate.verifies(key, &self.packet, signed) {
                return Ok(VerifiedSignature { key: key.clone(), digest: self.digest, expires: self.expires });
            }
        }
        Err(if tried { SignatureError::Mismatch } else { SignatureError::Key })
    }
}

/// What a signature says of itself, where it is one of which something can count: version, hash, and nothing critical that is
/// unknown.
pub(super) fn config(packet: &Signature) -> Result<&SignatureConfig, SignatureError> {
    let config = packet.config().ok_or(SignatureError::Version)?;
    if !matches!(packet.version(), SignatureVersion::V4 | SignatureVersion::V6) {
        return Err(SignatureError::Version);
    }
    if !is_strong(config.hash_alg) {
        return Err(SignatureError::Hash(config.hash_alg.to_string()));
    }
    let mut all = config.hashed_subpackets.iter().chain(&config.unhashed_subpackets);
    let unknown = all.find(|one| one.is_critical && !is_understood(one));
    unknown.map_or(Ok(config), |one| Err(SignatureError::Critical(one.typ().as_u8(false))))
}

/// SHA-2 alone.
fn is_strong(hash: HashAlgorithm) -> bool {
    matches!(hash, HashAlgorithm::Sha224 | HashAlgorithm::Sha256 | HashAlgorithm::Sha384 | HashAlgorithm::Sha512)
}

/// Whether a critical subpacket has a meaning here, or none that could make a signature count for less.
fn is_understood(subpacket: &Subpacket) -> bool {
    use SubpacketData::{
        EmbeddedSignature, ExportableCertification, Features, IsPrimary, IssuerFingerprint, IssuerKeyId,
        KeyExpirationTime, KeyFlags, KeyServerPreferences, PolicyURI, PreferredAeadAlgorithms,
        PreferredCompressionAlgorithms, PreferredEncryptionModes, PreferredHashAlgorithms, PreferredKeyServer,
        PreferredSymmetricAlgorithms, Revocable, RevocationKey, RevocationReason, SignatureCreationTime,
        SignatureExpirationTime, SignersUserID,
    };
    matches!(
        subpacket.data,
        EmbeddedSignature(_)
            | ExportableCertification(_)
            | Features(_)
            | IsPrimary(_)
            | IssuerFingerprint(_)
            | IssuerKeyId(_)
            | KeyExpirationTime(_)
            | KeyFlags(_)
            | KeyServerPreferences(_)
            | PolicyURI(_)
            | PreferredAeadAlgorithms(_)
            | PreferredCompressionAlgorithms(_)
            | PreferredEncryptionModes(_)
            | PreferredHashAlgorithms(_)
            | PreferredKeyServer(_)
            | PreferredSymmetricAlgorithms(_)
            | Revocable(_)
            | RevocationKey(_)
            | RevocationReason(..)
            | SignatureCreationTime(_)
            | SignatureExpirationTime(_)
            | SignersUserID(_)
    )
}

/// When it was made, by its own word.
pub(super) fn dates(config: &SignatureConfig) -> Result<Timestamp, SignatureError> {
    let made = once(config, |data| match data {
        SubpacketData::SignatureCreationTime(made) => Some(made.as_secs()),
        _ => None,
    })?;
    made.map(|seconds| Timestamp(i64::from(seconds))).ok_or(SignatureError::Date)
}

/// What stands at most once in what is signed.
pub(super) fn once<T>(
    config: &SignatureConfig,
    of: impl Fn(&SubpacketData) -> Option<T>,
) -> Result<Option<T>, SignatureError> {
    let mut found = config.hashed_subpackets.iter().filter_map(|one| of(&one.data));
    let first = found.next();
    if found.next().is_some() { Err(SignatureError::Date) } else { Ok(first) }
}

/// The key that it names, signed or not: naming another only makes it not verify. Several names must be of one key.
fn issuer(config: &SignatureConfig) -> Result<Issuer, SignatureError> {
    let (mut fingerprint, mut key_id) = (None, None);
    for one in config.hashed_subpackets.iter().chain(&config.unhashed_subpackets) {
        let agrees = match &one.data {
            SubpacketData::IssuerFingerprint(own) => {
                let own = Fingerprint(own.as_bytes().into());
                fingerprint.get_or_insert_with(|| own.clone()) == &own
            }
            SubpacketData::IssuerKeyId(own) => {
                let own = KeyId(own.as_ref().try_into().map_err(|_| SignatureError::Issuer)?);
                *key_id.get_or_insert(own) == own
            }
            _ => true,
        };
        if !agrees {
            return Err(SignatureError::Issuer);
        }
    }
    match (fingerprint, key_id) {
        (Some(fingerprint), Some(key_id)) if fingerprint.key_id() != key_id => Err(SignatureError::Issuer),
        (Some(fingerprint), _) => Ok(Issuer::Fingerprint(fingerprint)),
        (None, Some(key_id)) => Ok(Issuer::KeyId(key_id)),
        (None, None) => Err(SignatureError::Issuer),
    }
}
