//! Signatures over whole objects, of either format that git makes (git-config(1), `gpg.format`).

use std::fmt;

use thiserror::Error;

use crate::core::decide::Timestamp;
use crate::core::digest::Digest;
use crate::core::{openpgp, ssh};

/// The name of a key, by which policies and reports call it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyName {
    /// `SHA256:` and 43 characters, as `ssh-keygen -l` prints it.
    Ssh(ssh::Fingerprint),
    /// 40 or 64 hexadecimal digits, as `gpg --fingerprint` prints it.
    OpenPgp(openpgp::Fingerprint),
}

impl KeyName {
    /// Reads either form.
    pub fn parse(text: &str) -> Option<Self> {
        ssh::Fingerprint::parse(text).map(Self::Ssh).or_else(|| openpgp::Fingerprint::parse(text).map(Self::OpenPgp))
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ssh(fingerprint) => fingerprint.fmt(out),
            Self::OpenPgp(fingerprint) => fingerprint.fmt(out),
        }
    }
}

/// A signature over a commit or tag that has been verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectSignature {
    /// SSHSIG, in the namespace `git`.
    Ssh(ssh::VerifiedSignature),
    /// OpenPGP, by a key of a registered certificate.
    OpenPgp(openpgp::VerifiedSignature),
}

impl ObjectSignature {
    /// The key that made it.
    pub fn key(&self) -> SigningKey<'_> {
        match self {
            Self::Ssh(signature) => SigningKey::of(signature),
            Self::OpenPgp(signature) => SigningKey::OpenPgp(signature.key()),
        }
    }

    /// The digest by which the signature is known.
    pub fn digest(&self) -> Digest {
        match self {
            Self::Ssh(signature) => signature.digest(),
            Self::OpenPgp(signature) => signature.digest(),
        }
    }

    /// What a FIDO token said of the moment it signed; `None` for all other keys.
    pub fn presence(&self) -> Option<ssh::Presence> {
        match self {
            Self::Ssh(signature) => signature.presence(),
            Self::OpenPgp(_) => None,
        }
    }

    /// When it ceases to count, by its own word.
    pub fn expires(&self) -> Option<Timestamp> {
        match self {
            Self::Ssh(_) => None,
            Self::OpenPgp(signature) => signature.expires(),
        }
    }
}

/// A key that signed an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigningKey<'a> {
    /// An SSH key.
    Ssh(&'a ssh::PublicKey),
    /// An SSH key that came in a certificate.
    Certified(&'a ssh::VerifiedCertificate),
    /// A key of an OpenPGP certificate.
    OpenPgp(&'a openpgp::Fingerprint),
}

impl<'a> SigningKey<'a> {
    /// The key of an SSH signature, with the certificate that it came in.
    pub fn of(signature: &'a ssh::VerifiedSignature) -> Self {
        signature.certificate().map_or_else(|| Self::Ssh(signature.key()), Self::Certified)
    }

    /// What it is called.
    pub fn name(self) -> KeyName {
        match self {
            Self::Ssh(key) => KeyName::Ssh(key.fingerprint()),
            Self::Certified(certificate) => KeyName::Ssh(certificate.key().fingerprint()),
            Self::OpenPgp(key) => KeyName::OpenPgp(key.clone()),
        }
    }
}

/// Why a signature over an object does not verify.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SignatureFault {
    /// It is SSH.
    #[error(transparent)]
    Ssh(#[from] ssh::SignatureError),
    /// It is OpenPGP.
    #[error(transparent)]
    OpenPgp(#[from] openpgp::SignatureError),
}
