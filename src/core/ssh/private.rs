//! Signing with an agent's key file, in this process: ed25519, OpenSSH format, no passphrase.

use std::fmt;

use ed25519_dalek::Signer as _;
use sha2::{Digest as _, Sha512};
use ssh_key::private::{Ed25519Keypair, KeypairData};
use thiserror::Error;

use super::key::{KeyError, PublicKey};
use super::sshsig::{blob, signed_data};
use super::wire::put_string;
use crate::core::limits;

/// Why a key file cannot be used here.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PrivateKeyError {
    /// It is not an OpenSSH private key.
    #[error("it is not an OpenSSH private key: {0}")]
    Format(String),
    /// It is over [`limits::KEY_LINE_BYTES`].
    #[error("it is longer than {} bytes", limits::KEY_LINE_BYTES)]
    TooLong,
    /// Its public half is not that of its private half.
    #[error("its two halves do not belong together")]
    Halves,
    /// It has a passphrase.
    #[error("it has a passphrase")]
    Encrypted,
    /// It is not ed25519.
    #[error("it is not an ed25519 key")]
    OtherType,
    /// Its public half is not accepted.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// An ed25519 key that can sign. Its secret is wiped from memory when it is dropped.
pub struct PrivateKey {
    signing: ed25519_dalek::SigningKey,
    public: PublicKey,
}

impl PrivateKey {
    /// The key that this secret seed makes. The caller draws it from the operating system's generator.
    ///
    /// # Errors
    /// [`PrivateKeyError::Key`] for a seed whose public point is not accepted; no random seed is.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, PrivateKeyError> {
        let signing = ed25519_dalek::SigningKey::from_bytes(seed);
        let mut key = Vec::new();
        put_string(&mut key, b"ssh-ed25519");
        put_string(&mut key, signing.verifying_key().as_bytes());
        Ok(Self { signing, public: PublicKey::from_blob(&key)? })
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// [`PrivateKeyError`] for any other kind of key, and for one with a passphrase.
    pub fn parse_openssh(pem: &[u8]) -> Result<Self, PrivateKeyError> {
        if pem.len() > limits::KEY_LINE_BYTES {
            return Err(PrivateKeyError::TooLong);
        }
        let key = ssh_key::PrivateKey::from_openssh(pem).map_err(|error| match error {
            // The library is built without ECDSA and does not know such keys.
            ssh_key::Error::AlgorithmUnknown => PrivateKeyError::OtherType,
            error => PrivateKeyError::Format(error.to_string()),
        })?;
        match key.key_data() {
            KeypairData::Ed25519(pair) => {
                let key = Self::from_seed(pair.private.as_ref())?;
                let same = key.signing.verifying_key().as_bytes() == pair.public.as_ref();
                if same { Ok(key) } else { Err(PrivateKeyError::Halves) }
            }
            KeypairData::Encrypted(_) => Err(PrivateKeyError::Encrypted),
            _ => Err(PrivateKeyError::OtherType),
        }
    }

    /// Writes a key file that ssh-keygen and [`PrivateKey::parse_openssh`] read.
    ///
    /// # Errors
    /// [`PrivateKeyError::Format`] if the comment cannot be encoded.
    pub fn to_openssh(&self, comment: &str) -> Result<String, PrivateKeyError> {
        let format = |error: ssh_key::Error| PrivateKeyError::Format(error.to_string());
        let pair = Ed25519Keypair {
            public: ssh_key::public::Ed25519PublicKey(self.signing.verifying_key().to_bytes()),
            private: ssh_key::private::Ed25519PrivateKey::from_bytes(&self.signing.to_bytes()),
        };
        let key = ssh_key::PrivateKey::new(KeypairData::Ed25519(pair), comment).map_err(format)?;
        key.to_openssh(ssh_key::LineEnding::LF).map(|pem| pem.to_string()).map_err(format)
    }

    /// The public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs bytes as they stand. Returns the public key and the signature. What calls it signs text that no SSHSIG begins with.
    pub(super) fn sign_bytes(&self, bytes: &[u8]) -> ([u8; 32], [u8; 64]) {
        (self.signing.verifying_key().to_bytes(), self.signing.sign(bytes).to_bytes())
    }

    /// Signs `message` for one purpose, as `ssh-keygen -Y sign -n NAMESPACE` does. Returns the binary form.
    pub fn sign(&self, namespace: &str, message: &[u8]) -> Vec<u8> {
        self.sign_under(self.public.blob(), namespace, message)
    }

    /// The same, with something in the place of the key: the key, or a certificate over it.
    pub(super) fn sign_under(&self, key: &[u8], namespace: &str, message: &[u8]) -> Vec<u8> {
        let signed = signed_data(namespace, "sha512", &Sha512::digest(message));
        let mut inner = Vec::new();
        put_string(&mut inner, b"ssh-ed25519");
        put_string(&mut inner, &self.signing.sign(&signed).to_bytes());
        blob(key, namespace, &inner)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "private key of {:?}", self.public)
    }
}
