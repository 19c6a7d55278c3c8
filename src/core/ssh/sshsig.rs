//! The SSHSIG container (OpenSSH's PROTOCOL.sshsig), decoded strictly and verified by nobody yet.

use sha2::{Digest as _, Sha256, Sha512};
use thiserror::Error;

use super::armor::{ArmorError, dearmor, split};
use super::certificate::{CertificateError, ClaimedCertificate};
use super::key::{Algorithm, KeyError, PublicKey};
use super::verify::VerifiedSignature;
use super::wire::{WireReader, put_string};
use crate::core::digest::Digest;
use crate::core::limits;

/// Why a signature does not count.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SignatureError {
    /// Longer than [`limits::SIGNATURE_BYTES`].
    #[error("the signature is larger than {} bytes", limits::SIGNATURE_BYTES)]
    TooLarge,
    /// The text is not that of a signature.
    #[error(transparent)]
    Armor(#[from] ArmorError),
    /// The fields are not exactly those of the format.
    #[error("its encoding is not canonical")]
    Encoding,
    /// An ECDSA number has a zero before it that is not needed.
    #[error(
        "one of its two numbers has a superfluous zero before it, so that there would be several encodings of one signature"
    )]
    Padded,
    /// Another version than 1.
    #[error("it has version {0}, not 1")]
    Version(u32),
    /// Bytes in the reserved field.
    #[error("its reserved field is not empty")]
    Reserved,
    /// A hash other than sha256 and sha512.
    #[error("its hash is neither sha256 nor sha512")]
    Hash,
    /// The key is not accepted.
    #[error("its key is not accepted: {0}")]
    Key(#[from] KeyError),
    /// The certificate in the place of its key is not accepted.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The label of the inner signature is not that of the key.
    #[error("its algorithm is not the one of its key")]
    Label,
    /// It was made for another purpose.
    #[error("it was made for another purpose than {0}")]
    Namespace(String),
    /// The mathematics says no.
    #[error("the signature does not match")]
    Mismatch,
}

/// A decoded signature: what it says, none of it verified.
#[derive(Clone, Debug)]
pub struct ClaimedSignature {
    pub(super) key: PublicKey,
    /// What stands in the place of the key, where it is a certificate.
    pub(super) certificate: Option<ClaimedCertificate>,
    /// Of the whole binary form.
    pub(super) digest: Digest,
    namespace: Vec<u8>,
    hash: Hash,
    pub(super) label: Vec<u8>,
    /// What follows the label in the inner signature.
    pub(super) rest: Vec<u8>,
}

/// What may stand in the place of a signature's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Accepts {
    Keys,
    Certificates,
}

#[derive(Clone, Copy, Debug)]
enum Hash {
    Sha256,
    Sha512,
}

impl ClaimedSignature {
    /// Decodes the text form of a signature by a bare key.
    ///
    /// # Errors
    /// [`SignatureError`] for anything but the one encoding, and for a certificate.
    pub fn from_armor(text: &[u8]) -> Result<Self, SignatureError> {
        Self::from_blob(&dearmor(text)?)
    }

    /// Decodes the binary form of a signature by a bare key.
    ///
    /// # Errors
    /// [`SignatureError`] for anything but the one encoding, and for a certificate.
    pub fn from_blob(blob: &[u8]) -> Result<Self, SignatureError> {
        Self::decode(blob, Accepts::Keys)
    }

    /// Decodes the text form of a signature by a key that may come in a certificate, as `ssh-keygen -Y sign -f KEY-cert.pub` makes it.
    ///
    /// # Errors
    /// [`SignatureError`] for anything but the one encoding.
    pub fn certified_from_armor(text: &[u8]) -> Result<Self, SignatureError> {
        Self::certified_from_blob(&dearmor(text)?)
    }

    /// Decodes the binary form of a signature by a key that may come in a certificate.
    ///
    /// # Errors
    /// [`SignatureError`] for anything but the one encoding.
    pub fn certified_from_blob(blob: &[u8]) -> Result<Self, SignatureError> {
        Self::decode(blob, Accepts::Certificates)
    }

    fn decode(blob: &[u8], accepts: Accepts) -> Result<Self, SignatureError> {
        if blob.len() > limits::SIGNATURE_BYTES {
            return Err(SignatureError::TooLarge);
        }
        let encoding = SignatureError::Encoding;
        let mut reader = WireReader(blob);
        reader.tag(b"SSHSIG").ok_or(encoding.clone())?;
        match reader.uint32().ok_or(encoding.clone())? {
            1 => {}
            version => return Err(SignatureError::Version(version)),
        }
        let mut field = || reader.string().ok_or(SignatureError::Encoding);
        let (key, namespace, reserved, hash, inner) = (field()?, field()?, field()?, field()?, field()?);
        reader.end().ok_or(encoding.clone())?;
        if namespace.is_empty() {
            return Err(encoding);
        }
        if !reserved.is_empty() {
            return Err(SignatureError::Reserved);
        }
        let hash = match hash {
            b"sha256" => Hash::Sha256,
            b"sha512" => Hash::Sha512,
            _ => return Err(SignatureError::Hash),
        };
        let certificate = match PublicKey::from_blob(key) {
            Err(KeyError::Certificate) if accepts == Accepts::Certificates => Some(ClaimedCertificate::from_blob(key)?),
            _ => None,
        };
        let key = certificate.as_ref().map_or_else(|| PublicKey::from_blob(key), |own| Ok(own.key().clone()))?;
        let mut inner = WireReader(inner);
        let label = inner.string().ok_or(encoding)?.to_vec();
        if !label_fits(&key, &label) {
            return Err(SignatureError::Label);
        }
        let (digest, rest) = (Digest::of(blob), inner.0.to_vec());
        Ok(Self { key, certificate, digest, namespace: namespace.to_vec(), hash, label, rest })
    }

    /// The key that it claims to be made with.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The purpose that it claims to be made for.
    pub fn namespace(&self) -> &[u8] {
        &self.namespace
    }

    /// Verifies it over `message` for one purpose. It proves that the key's holder signed, not who that is.
    ///
    /// # Errors
    /// [`SignatureError::Namespace`] or [`SignatureError::Mismatch`], or [`SignatureError::Encoding`] where the inner
    /// signature is not exact.
    pub fn verify(&self, namespace: &str, message: &[u8]) -> Result<VerifiedSignature, SignatureError> {
        if self.namespace != namespace.as_bytes() {
            return Err(SignatureError::Namespace(namespace.to_owned()));
        }
        let (hash, digest) = match self.hash {
            Hash::Sha256 => ("sha256", Sha256::digest(message).to_vec()),
            Hash::Sha512 => ("sha512", Sha512::digest(message).to_vec()),
        };
        let signed = signed_data(namespace, hash, &digest);
        VerifiedSignature::verify(self, &signed)
    }
}

/// Whether a signature of this label is one that the key makes.
pub(super) fn label_fits(key: &PublicKey, label: &[u8]) -> bool {
    match key.algorithm() {
        Algorithm::Rsa => label == b"rsa-sha2-256" || label == b"rsa-sha2-512",
        other => label == other.name().as_bytes(),
    }
}

/// The key that a signature says to be made with, where nothing else of it can be relied on: neither its version nor what follows,
/// nor text after its armor. It tells whose a broken signature claims to be, and proves nothing.
pub fn claimed_key(text: &[u8]) -> Option<PublicKey> {
    let (blob, _) = split(text).ok()?;
    let mut reader = WireReader(&blob);
    reader.tag(b"SSHSIG")?;
    reader.uint32()?;
    let key = reader.string()?;
    PublicKey::from_blob(key).or_else(|_| ClaimedCertificate::from_blob(key).map(|own| own.key().clone())).ok()
}

/// The key id of the certificate that a signature says to be made under, as [`claimed_key`].
pub fn claimed_key_id(text: &[u8]) -> Option<String> {
    let (blob, _) = split(text).ok()?;
    let mut reader = WireReader(&blob);
    reader.tag(b"SSHSIG")?;
    reader.uint32()?;
    ClaimedCertificate::from_blob(reader.string()?).ok().map(|own| own.key_id().to_owned())
}

/// The binary form of a signature by SHA-512, by a key or under a certificate, of which `inner` is the algorithm's label and its numbers.
pub(super) fn blob(key: &[u8], namespace: &str, inner: &[u8]) -> Vec<u8> {
    let mut blob = b"SSHSIG".to_vec();
    blob.extend_from_slice(&1_u32.to_be_bytes());
    for field in [key, namespace.as_bytes(), b"", b"sha512", inner] {
        put_string(&mut blob, field);
    }
    blob
}

/// What the key signs: the preamble again, and the message by its digest.
pub(super) fn signed_data(namespace: &str, hash: &str, digest: &[u8]) -> Vec<u8> {
    let mut signed = b"SSHSIG".to_vec();
    for field in [namespace.as_bytes(), b"", hash.as_bytes(), digest] {
        put_string(&mut signed, field);
    }
    signed
}
