//! The SSHSIG container (OpenSSH's PROTOCOL.sshsig), decoded strictly and verified by nobody yet.

use sha2::{Digest as _, Sha256, Sha512};
use thiserror::Error;

use super::armor::dearmor;
use super::key::{Algorithm, KeyError, PublicKey};
use super::verify::VerifiedSignature;
use super::wire::{Reader, put_string};
use crate::limits;

/// Why a signature does not count.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SignatureError {
    /// Longer than [`limits::SIGNATURE_BYTES`].
    #[error("the signature is larger than {} bytes", limits::SIGNATURE_BYTES)]
    TooLarge,
    /// The armor is not as ssh-keygen writes it.
    #[error("its armor is not as ssh-keygen writes it")]
    Armor,
    /// The fields are not exactly those of the format.
    #[error("its encoding is not canonical")]
    Encoding,
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
    key: PublicKey,
    namespace: Vec<u8>,
    hash: Hash,
    label: Vec<u8>,
    /// What follows the label in the inner signature.
    rest: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
enum Hash {
    Sha256,
    Sha512,
}

impl ClaimedSignature {
    /// Decodes the text form.
    ///
    /// # Errors
    /// [`SignatureError`] for anything but the one encoding.
    pub fn from_armor(text: &[u8]) -> Result<Self, SignatureError> {
        Self::from_blob(&dearmor(text).ok_or(SignatureError::Armor)?)
    }

    /// Decodes the binary form.
    ///
    /// # Errors
    /// [`SignatureError`] for anything but the one encoding.
    pub fn from_blob(blob: &[u8]) -> Result<Self, SignatureError> {
        if blob.len() > limits::SIGNATURE_BYTES {
            return Err(SignatureError::TooLarge);
        }
        let encoding = SignatureError::Encoding;
        let mut reader = Reader(blob);
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
        let key = PublicKey::from_blob(key)?;
        let mut inner = Reader(inner);
        let label = inner.string().ok_or(encoding)?;
        let fits = match key.algorithm() {
            Algorithm::Rsa => label == b"rsa-sha2-256" || label == b"rsa-sha2-512",
            other => label == other.name().as_bytes(),
        };
        if !fits {
            return Err(SignatureError::Label);
        }
        Ok(Self { key, namespace: namespace.to_vec(), hash, label: label.to_vec(), rest: inner.0.to_vec() })
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
        VerifiedSignature::verify(&self.key, &self.label, &self.rest, &signed)
    }
}

/// What the key signs: the preamble again, and the message by its digest.
pub(super) fn signed_data(namespace: &str, hash: &str, digest: &[u8]) -> Vec<u8> {
    let mut signed = b"SSHSIG".to_vec();
    for field in [namespace.as_bytes(), b"", hash.as_bytes(), digest] {
        put_string(&mut signed, field);
    }
    signed
}

#[cfg(test)]
mod tests {
    use super::super::armor::armor;
    use super::super::private::PrivateKey;
    use super::*;

    const NAMESPACE: &str = "file";
    const MESSAGE: &[u8] = b"hello\n";

    fn key() -> PrivateKey {
        PrivateKey::from_seed(&[7; 32]).unwrap()
    }

    /// The fields of an honest signature, for a test to change before they are written.
    struct Fields {
        magic: Vec<u8>,
        version: u32,
        key: Vec<u8>,
        namespace: Vec<u8>,
        reserved: Vec<u8>,
        hash: Vec<u8>,
        label: Vec<u8>,
        signature: Vec<u8>,
        after_signature: Vec<u8>,
        after_inner: Vec<u8>,
    }

    impl Fields {
        fn honest() -> Self {
            let blob = key().sign(NAMESPACE, MESSAGE);
            let mut reader = Reader(&blob);
            reader.tag(b"SSHSIG").unwrap();
            let version = reader.uint32().unwrap();
            let mut field = || reader.string().unwrap().to_vec();
            let (key, namespace, reserved, hash, inner) = (field(), field(), field(), field(), field());
            let mut inner = Reader(&inner);
            let (label, signature) = (inner.string().unwrap().to_vec(), inner.string().unwrap().to_vec());
            Self {
                magic: b"SSHSIG".to_vec(),
                version,
                key,
                namespace,
                reserved,
                hash,
                label,
                signature,
                after_signature: Vec::new(),
                after_inner: Vec::new(),
            }
        }

        fn write(&self) -> Vec<u8> {
            let mut inner = Vec::new();
            put_string(&mut inner, &self.label);
            put_string(&mut inner, &self.signature);
            inner.extend_from_slice(&self.after_signature);
            let mut blob = self.magic.clone();
            blob.extend_from_slice(&self.version.to_be_bytes());
            for field in [&self.key, &self.namespace, &self.reserved, &self.hash, &inner] {
                put_string(&mut blob, field);
            }
            blob.extend_from_slice(&self.after_inner);
            blob
        }

        /// Signs these fields with the honest key, as somebody does who holds it.
        fn sign_again(&mut self) {
            use ed25519_dalek::Signer as _;
            let digest = if self.hash == b"sha256" {
                Sha256::digest(MESSAGE).to_vec()
            } else {
                Sha512::digest(MESSAGE).to_vec()
            };
            let mut signed = b"SSHSIG".to_vec();
            for field in [&self.namespace, &self.reserved, &self.hash, &digest] {
                put_string(&mut signed, field);
            }
            self.signature = ed25519_dalek::SigningKey::from_bytes(&[7; 32]).sign(&signed).to_bytes().to_vec();
        }
    }

    fn judge(blob: &[u8]) -> Result<(), SignatureError> {
        let verified = ClaimedSignature::from_blob(blob)?.verify(NAMESPACE, MESSAGE)?;
        assert_eq!(verified.key(), key().public());
        assert_eq!(verified.presence(), None);
        Ok(())
    }

    #[test]
    fn both_hashes_are_accepted() {
        assert_eq!(judge(&Fields::honest().write()), Ok(()));
        let mut sha256 = Fields::honest();
        sha256.hash = b"sha256".to_vec();
        assert_eq!(judge(&sha256.write()), Err(SignatureError::Mismatch), "the hash's name is signed");
        sha256.sign_again();
        assert_eq!(judge(&sha256.write()), Ok(()));
    }

    #[test]
    fn every_trick_is_refused_even_by_the_holder_of_the_key() {
        use SignatureError::{Encoding, Hash, Label, Mismatch, Namespace, Reserved, Version};
        type Trick = fn(&mut Fields);
        let certificate = || {
            let mut key = Vec::new();
            put_string(&mut key, b"ssh-ed25519-cert-v01@openssh.com");
            key
        };
        let tricks: [(&str, Trick, SignatureError); 24] = [
            ("magic", |fields| fields.magic = b"SSHSIH".to_vec(), Encoding),
            ("version 0", |fields| fields.version = 0, Version(0)),
            ("version 2", |fields| fields.version = 2, Version(2)),
            ("reserved", |fields| fields.reserved = b"x".to_vec(), Reserved),
            ("no namespace", |fields| fields.namespace.clear(), Encoding),
            ("namespace", |fields| fields.namespace = b"git".to_vec(), Namespace("file".into())),
            ("longer namespace", |fields| fields.namespace = b"file\0".to_vec(), Namespace("file".into())),
            ("namespace case", |fields| fields.namespace = b"File".to_vec(), Namespace("file".into())),
            ("sha1", |fields| fields.hash = b"sha1".to_vec(), Hash),
            ("sha384", |fields| fields.hash = b"sha384".to_vec(), Hash),
            ("hash case", |fields| fields.hash = b"SHA512".to_vec(), Hash),
            ("no hash", |fields| fields.hash.clear(), Hash),
            ("no label", |fields| fields.label.clear(), Label),
            ("label of rsa", |fields| fields.label = b"rsa-sha2-512".to_vec(), Label),
            ("label of a token", |fields| fields.label = b"sk-ssh-ed25519@openssh.com".to_vec(), Label),
            ("label of a certificate", |fields| fields.label = b"ssh-ed25519-cert-v01@openssh.com".to_vec(), Label),
            ("bytes after the signature", |fields| fields.after_signature = vec![0], Encoding),
            ("flags after the signature", |fields| fields.after_signature = vec![1, 0, 0, 0, 1], Encoding),
            ("bytes after the inner blob", |fields| fields.after_inner = vec![0], Encoding),
            ("short signature", |fields| fields.signature.truncate(63), Encoding),
            ("long signature", |fields| fields.signature.push(0), Encoding),
            ("S + L", add_the_order, Mismatch),
            ("another key", |fields| fields.key = other_key(), Mismatch),
            ("bytes after the key", |fields| fields.key.push(0), SignatureError::Key(KeyError::Encoding)),
        ];
        for (name, trick, why) in tricks {
            let mut fields = Fields::honest();
            trick(&mut fields);
            assert_eq!(judge(&fields.write()), Err(why.clone()), "{name}");
            // Also with a signature over just these fields, where that changes anything.
            if !matches!(name, "short signature" | "long signature" | "S + L" | "another key") {
                fields.sign_again();
                assert_eq!(judge(&fields.write()), Err(why), "{name}, signed");
            }
        }
        let mut fields = Fields::honest();
        fields.key = certificate();
        assert_eq!(judge(&fields.write()), Err(SignatureError::Key(KeyError::Certificate)));
    }

    /// The signature's second form, S + L: equal for a verifier that does not check the range (RFC 8032, section 8.4).
    fn add_the_order(fields: &mut Fields) {
        const ORDER: [u8; 32] = [
            0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0,
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
        ];
        let mut carry = 0;
        for (byte, order) in fields.signature[32..].iter_mut().zip(ORDER) {
            let sum = u16::from(*byte) + u16::from(order) + carry;
            let [high, low] = sum.to_be_bytes();
            (*byte, carry) = (low, u16::from(high));
        }
        assert_eq!(carry, 0);
    }

    fn other_key() -> Vec<u8> {
        PrivateKey::from_seed(&[8; 32]).unwrap().public().blob().to_vec()
    }

    #[test]
    fn no_bit_can_be_flipped_and_no_byte_cut() {
        let blob = Fields::honest().write();
        for bit in 0..blob.len() * 8 {
            let mut flipped = blob.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(judge(&flipped).is_err(), "bit {bit}");
        }
        for end in 0..blob.len() {
            assert!(judge(&blob[..end]).is_err(), "{end}");
        }
        let claimed = ClaimedSignature::from_blob(&blob).unwrap();
        assert_eq!(claimed.verify(NAMESPACE, b"hello").unwrap_err(), SignatureError::Mismatch);
        assert_eq!((claimed.namespace(), claimed.key()), (&b"file"[..], key().public()));
    }

    #[test]
    fn a_length_beyond_the_end_is_an_error_and_not_an_allocation() {
        for position in [10, 10 + 4 + 51] {
            let mut blob = Fields::honest().write();
            blob[position..position + 4].fill(0xff);
            assert_eq!(judge(&blob), Err(SignatureError::Encoding));
        }
    }

    #[test]
    fn what_is_huge_is_not_decoded() {
        let mut fields = Fields::honest();
        fields.namespace = vec![b'x'; limits::SIGNATURE_BYTES];
        assert_eq!(judge(&fields.write()), Err(SignatureError::TooLarge));
        let text = armor(&fields.write());
        assert_eq!(ClaimedSignature::from_armor(text.as_bytes()).unwrap_err(), SignatureError::TooLarge);
        let text = armor(&vec![0; limits::SIGNATURE_BYTES * 4]);
        assert_eq!(ClaimedSignature::from_armor(text.as_bytes()).unwrap_err(), SignatureError::Armor);
    }
}
