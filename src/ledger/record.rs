//! One line of the file: an entry, and the signed head of the tree that it completes.

use base64ct::{Base64, Encoding as _};
use thiserror::Error;

use super::entry::Entry;
use crate::core::digest::Digest;
use crate::core::limits;
use crate::core::ssh::{ClaimedSignature, PrivateKey, PublicKey, SignatureError};

/// The SSHSIG namespace of tree heads.
pub const NAMESPACE: &str = "countersign-ledger-v1";

/// Why a line is not a record of this ledger.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RecordError {
    /// It is not `{"entry":...,"size":...,"root":...,"signature":...}`.
    #[error("it is not a record")]
    Form,
    /// It is over [`limits::RECORD_BYTES`].
    #[error("it is longer than {} bytes", limits::RECORD_BYTES)]
    TooLong,
    /// Its entry is not one that this version knows, in its one encoding.
    #[error("its entry is not one: {0}")]
    Entry(String),
    /// It says another number than its place.
    #[error("it says that the ledger has {0} entries with it")]
    Size(u64),
    /// The root is not that of the entries so far: something before it or in it is not as it was.
    #[error("the tree over the entries up to it is not the one that was signed")]
    Root,
    /// The signature does not verify.
    #[error("its signature does not verify: {0}")]
    Signature(SignatureError),
    /// Another key than the ledger's signed it.
    #[error("it is signed with another key than the ledger's")]
    Key,
}

/// The parts of one line. Nothing is verified by parsing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    /// The bytes that the tree is over.
    pub(super) json: &'a str,
    /// The number of entries with this one.
    pub(super) size: u64,
    /// The root over them.
    pub(super) root: Digest,
    /// The SSHSIG blob.
    pub(super) signature: Vec<u8>,
}

/// What is signed: the text of a checkpoint as C2SP tlog-checkpoint has it, so that later proofs can use it as it stands.
pub(super) fn checkpoint(repository: &str, size: u64, root: Digest) -> String {
    format!("countersign/{repository}\n{size}\n{}\n", Base64::encode_string(root.as_bytes()))
}

/// Writes one line, with its line feed.
pub(super) fn write(json: &str, size: u64, root: Digest, repository: &str, key: &PrivateKey) -> String {
    let signature = key.sign(NAMESPACE, checkpoint(repository, size, root).as_bytes());
    format!(
        "{{\"entry\":{json},\"size\":{size},\"root\":\"{}\",\"signature\":\"{}\"}}\n",
        Base64::encode_string(root.as_bytes()),
        Base64::encode_string(&signature)
    )
}

impl<'a> Record<'a> {
    /// Takes a line apart, without its line feed.
    pub(super) fn parse(line: &'a [u8]) -> Result<Self, RecordError> {
        if line.len() >= limits::RECORD_BYTES {
            return Err(RecordError::TooLong);
        }
        Self::parts(line).ok_or(RecordError::Form)
    }

    fn parts(line: &'a [u8]) -> Option<Self> {
        let line = std::str::from_utf8(line).ok()?.strip_prefix("{\"entry\":")?.strip_suffix("\"}")?;
        // What follows the entry holds digits and base64 only, so the last of each key is the right one.
        let (line, signature) = line.rsplit_once("\",\"signature\":\"")?;
        let (line, root) = line.rsplit_once(",\"root\":\"")?;
        let (json, size) = line.rsplit_once(",\"size\":")?;
        let number: u64 = size.parse().ok().filter(|number: &u64| number.to_string() == size)?;
        let root: [u8; 32] = Base64::decode_vec(root).ok()?.try_into().ok()?;
        let signature = Base64::decode_vec(signature).ok()?;
        Some(Self { json, size: number, root: Digest::from_bytes(root), signature })
    }

    /// The entry, if it is in its one encoding.
    pub(super) fn entry(&self) -> Result<Entry, RecordError> {
        let entry: Entry = serde_json::from_str(self.json).map_err(|error| RecordError::Entry(error.to_string()))?;
        let again = entry.to_json().map_err(|error| RecordError::Entry(error.to_string()))?;
        if again == self.json { Ok(entry) } else { Err(RecordError::Entry("it is not canonical".into())) }
    }

    /// Whether the ledger's key signed this head.
    pub(super) fn verify(&self, repository: &str, key: &PublicKey) -> Result<(), RecordError> {
        let message = checkpoint(repository, self.size, self.root);
        let verified = ClaimedSignature::from_blob(&self.signature)
            .and_then(|claimed| claimed.verify(NAMESPACE, message.as_bytes()))
            .map_err(RecordError::Signature)?;
        if verified.key() == key { Ok(()) } else { Err(RecordError::Key) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_back_and_verifies_for_its_own_ledger_only() {
        let key = PrivateKey::from_seed(&[7; 32]).unwrap();
        let json = r#"{"kind":"x","size":9,"root":"","signature":""}"#;
        let line = write(json, 3, Digest::of(b"root"), "acme/payments", &key);
        let record = Record::parse(line.trim_end().as_bytes()).unwrap();
        assert_eq!((record.json, record.size, record.root), (json, 3, Digest::of(b"root")));
        assert_eq!(record.verify("acme/payments", key.public()), Ok(()));
        assert!(record.verify("acme/other", key.public()).is_err());
        let other = PrivateKey::from_seed(&[8; 32]).unwrap();
        assert_eq!(record.verify("acme/payments", other.public()), Err(RecordError::Key));
        for cut in 0..line.len() - 1 {
            assert!(Record::parse(&line.as_bytes()[..cut]).is_err(), "{cut}");
        }
        for bad in [line.replace("\"size\":3", "\"size\":03"), line.replace("{\"entry\"", "{\"other\"")] {
            assert_eq!(Record::parse(bad.trim_end().as_bytes()), Err(RecordError::Form));
        }
    }
}
