//! Signatures of notes as C2SP's signed-note has them, by ed25519 keys: what witnesses and readers of transparency logs verify.

use ed25519_dalek::Signature;
use sha2::{Digest as _, Sha256};

use super::key::{Algorithm, PublicKey};
use super::private::PrivateKey;
use super::sshsig::SignatureError;

/// The type of a signature by ed25519 over the text itself (signed-note, "Signature types").
const ED25519: u8 = 0x01;

/// Bytes that say which key signed.
const KEY_ID: usize = 4;

/// The id of a key of this name (signed-note, "Signatures").
fn key_id(name: &str, key: &[u8; 32]) -> [u8; KEY_ID] {
    let digest: [u8; 32] =
        Sha256::new().chain_update(name).chain_update([b'\n', ED25519]).chain_update(key).finalize().into();
    let [a, b, c, d, ..] = digest;
    [a, b, c, d]
}

impl PrivateKey {
    /// Signs the text of a note, which ends with a line feed. Returns what stands in base64 on the note's line after the key's name:
    /// its id and the signature.
    pub fn sign_note(&self, name: &str, text: &str) -> Vec<u8> {
        let (key, signature) = self.sign_bytes(text.as_bytes());
        [&key_id(name, &key)[..], &signature].concat()
    }
}

impl PublicKey {
    /// Whether this key, under this name, signed the text of a note.
    ///
    /// # Errors
    /// [`SignatureError`] if not, and for keys that are not ed25519.
    pub fn verify_note(&self, name: &str, text: &str, signature: &[u8]) -> Result<(), SignatureError> {
        let point = self.point().filter(|_| self.algorithm() == Algorithm::Ed25519).ok_or(SignatureError::Label)?;
        let (id, signature) = signature.split_first_chunk::<KEY_ID>().ok_or(SignatureError::Encoding)?;
        let signature: &[u8; 64] = signature.try_into().map_err(|_| SignatureError::Encoding)?;
        if *id != key_id(name, point.as_bytes()) {
            return Err(SignatureError::Mismatch);
        }
        let verified = point.verify_strict(text.as_bytes(), &Signature::from_bytes(signature));
        verified.map_err(|_| SignatureError::Mismatch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_signed_by_one_key_under_one_name() {
        let key = PrivateKey::from_seed(&[7; 32]).unwrap();
        let signature = key.sign_note("countersign/acme", "text\n");
        let public = key.public();
        assert_eq!(public.verify_note("countersign/acme", "text\n", &signature), Ok(()));
        assert_eq!(public.verify_note("countersign/other", "text\n", &signature), Err(SignatureError::Mismatch));
        assert_eq!(public.verify_note("countersign/acme", "other\n", &signature), Err(SignatureError::Mismatch));
        let other = PrivateKey::from_seed(&[8; 32]).unwrap();
        assert!(other.public().verify_note("countersign/acme", "text\n", &signature).is_err());
        for place in 0..signature.len() {
            let mut broken = signature.clone();
            broken[place] ^= 1;
            assert!(public.verify_note("countersign/acme", "text\n", &broken).is_err(), "byte {place}");
        }
        assert!(public.verify_note("countersign/acme", "text\n", &signature[..67]).is_err());
    }

    /// The example of the specification of Go's checksum database, whose notes C2SP's are (pkg.go.dev/golang.org/x/mod/sumdb/note).
    #[test]
    fn the_id_is_that_of_known_keys() {
        use base64ct::{Base64, Encoding as _};
        let encoded = Base64::decode_vec("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW").unwrap();
        let key: &[u8; 32] = encoded[1..].try_into().unwrap();
        assert_eq!(key_id("PeterNeumann", key), [0xc7, 0x4f, 0x20, 0xa3]);
    }
}
