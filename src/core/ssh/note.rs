//! Signatures of notes as C2SP's signed-note has them, by ed25519 keys: what witnesses and readers of transparency logs verify.

use base64ct::{Base64, Encoding as _};
use ed25519_dalek::Signature;
use sha2::{Digest as _, Sha256};

use super::key::{Algorithm, PublicKey};
use super::private::PrivateKey;
use super::sshsig::SignatureError;
use crate::core::decide::Timestamp;

/// The type of a signature by ed25519 over the text itself (signed-note, "Signature types").
const ED25519: u8 = 0x01;

/// The type of a witness's cosignature by ed25519, with its time (tlog-cosignature, "Format").
const COSIGNATURE: u8 = 0x04;

/// Bytes that say which key signed.
const KEY_ID: usize = 4;

/// The id of a key of this name and type (signed-note, "Signatures").
fn key_id(name: &str, kind: u8, key: &[u8; 32]) -> [u8; KEY_ID] {
    let digest: [u8; 32] =
        Sha256::new().chain_update(name).chain_update([b'\n', kind]).chain_update(key).finalize().into();
    let [a, b, c, d, ..] = digest;
    [a, b, c, d]
}

impl PrivateKey {
    /// Signs the text of a note, which ends with a line feed. Returns what stands in base64 on the note's line after the key's name:
    /// its id and the signature.
    pub fn sign_note(&self, name: &str, text: &str) -> Vec<u8> {
        let (key, signature) = self.sign_bytes(text.as_bytes());
        [&key_id(name, ED25519, &key)[..], &signature].concat()
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
        if *id != key_id(name, ED25519, point.as_bytes()) {
            return Err(SignatureError::Mismatch);
        }
        let verified = point.verify_strict(text.as_bytes(), &Signature::from_bytes(signature));
        verified.map_err(|_| SignatureError::Mismatch)
    }
}

/// The key of a witness and the name that it signs under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessKey {
    name: String,
    id: [u8; KEY_ID],
    point: ed25519_dalek::VerifyingKey,
}

impl WitnessKey {
    /// Parses a verifier key of signed-note, `name+id+base64`, of the type of cosignatures by ed25519. `None` for any other.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '+');
        let (name, id, key) = (parts.next()?, parts.next()?, parts.next()?);
        let bytes = Base64::decode_vec(key).ok()?;
        let (_, key) = bytes.split_first().filter(|(kind, _)| **kind == COSIGNATURE)?;
        let key: &[u8; 32] = key.try_into().ok()?;
        let point = ed25519_dalek::VerifyingKey::from_bytes(key).ok().filter(|point| !point.is_weak())?;
        let own = key_id(name, COSIGNATURE, key);
        let hex: String = own.iter().map(|byte| format!("{byte:02x}")).collect();
        (is_name(name) && hex == id).then(|| Self { name: name.to_owned(), id: own, point })
    }

    /// The name under which it signs.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// When this witness signed the text of a checkpoint, by what stands in base64 on a line of its name.
    ///
    /// # Errors
    /// [`SignatureError`] where it did not.
    pub fn cosigned(&self, text: &str, signature: &[u8]) -> Result<Timestamp, SignatureError> {
        let (id, rest) = signature.split_first_chunk::<KEY_ID>().ok_or(SignatureError::Encoding)?;
        let (time, signature) = rest.split_first_chunk::<8>().ok_or(SignatureError::Encoding)?;
        let signature: &[u8; 64] = signature.try_into().map_err(|_| SignatureError::Encoding)?;
        let time = i64::try_from(u64::from_be_bytes(*time)).map_err(|_| SignatureError::Encoding)?;
        let message = format!("cosignature/v1\ntime {time}\n{text}");
        let verified = self.point.verify_strict(message.as_bytes(), &Signature::from_bytes(signature));
        verified.ok().filter(|()| *id == self.id).map(|()| Timestamp(time)).ok_or(SignatureError::Mismatch)
    }
}

/// Whether a key of a note can have this name (signed-note, "Format").
pub fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|character: char| character.is_whitespace() || character == '+')
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
        let encoded = Base64::decode_vec("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW").unwrap();
        let key: &[u8; 32] = encoded[1..].try_into().unwrap();
        assert_eq!(key_id("PeterNeumann", ED25519, key), [0xc7, 0x4f, 0x20, 0xa3]);
    }

    /// The example of tlog-cosignature, with a witness of ours: its time is part of what is signed, and so is its name's key.
    #[test]
    fn a_witness_says_when() {
        let key = PrivateKey::from_seed(&[9; 32]).unwrap();
        let (point, _) = key.sign_bytes(b"");
        let id = key_id("w.example/1", COSIGNATURE, &point);
        let hex: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
        let encoded = Base64::encode_string(&[&[COSIGNATURE][..], &point].concat());
        let witness = WitnessKey::parse(&format!("w.example/1+{hex}+{encoded}")).unwrap();
        let text = "countersign/acme\n1\nAAAA\n";
        let (_, signed) = key.sign_bytes(format!("cosignature/v1\ntime 1700000000\n{text}").as_bytes());
        let signature = [&id[..], &1_700_000_000_u64.to_be_bytes(), &signed].concat();
        assert_eq!(witness.cosigned(text, &signature), Ok(Timestamp(1_700_000_000)));
        for place in 0..signature.len() {
            let mut broken = signature.clone();
            broken[place] ^= 1;
            assert!(witness.cosigned(text, &broken).is_err(), "byte {place}");
        }
        assert!(witness.cosigned("countersign/acme\n2\nAAAA\n", &signature).is_err());
        for wrong in
            [format!("w.example/2+{hex}+{encoded}"), format!("w.example/1+{hex}"), format!("a b+{hex}+{encoded}")]
        {
            assert_eq!(WitnessKey::parse(&wrong), None, "{wrong}");
        }
        // A log's own key is none of a witness.
        let log = Base64::encode_string(&[&[ED25519][..], &point].concat());
        assert_eq!(WitnessKey::parse(&format!("w.example/1+{hex}+{log}")), None);
    }
}
