//! One line of the file: an entry, and the signed head of the tree that it completes.

use base64ct::{Base64, Encoding as _};
use thiserror::Error;

use super::entry::{Entry, RAISED, VERSION};
use super::merkle::Frontier;
use crate::core::digest::Digest;
use crate::core::limits;
use crate::core::ssh::{ClaimedSignature, PrivateKey, PublicKey, SignatureError};

/// The SSHSIG namespace of tree heads.
pub const NAMESPACE: &str = "countersign-ledger-v1";

/// The SSHSIG namespace in which a key signs the one that takes over from it.
pub const REKEY_NAMESPACE: &str = "countersign-ledger-key-v1";

/// Why a line is not a record of this ledger.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RecordError {
    /// It is not `{"entry":...,"size":...,"root":...,"signature":...,"note":...}`, or without `note` before version 2.
    #[error("it is not a record")]
    Form,
    /// It is over [`limits::RECORD_BYTES`].
    #[error("it is longer than {} bytes", limits::RECORD_BYTES)]
    TooLong,
    /// Its entry is over [`limits::ENTRY_BYTES`].
    #[error("its entry is longer than {} bytes", limits::ENTRY_BYTES)]
    EntryTooLong,
    /// A version of the program wrote it that knows more than this one.
    #[error("it was written by a newer version of countersign than this one, {}", env!("CARGO_PKG_VERSION"))]
    Newer,
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
    /// The head of the tree with this entry.
    pub(super) head: SignedHead,
}

/// The head of a tree, and what signs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SignedHead {
    /// The number of entries.
    pub(super) size: u64,
    /// The root over them.
    pub(super) root: Digest,
    /// The SSHSIG blob.
    pub(super) signature: Vec<u8>,
    /// The signature of the note, which records of version 2 have.
    pub(super) note: Option<Vec<u8>>,
}

/// Who signs heads.
#[derive(Clone, Copy)]
pub(super) struct Signer<'a> {
    pub(super) repository: &'a str,
    pub(super) key: &'a PrivateKey,
}

/// The log's name, which is also that of its key in a note.
pub(super) fn origin(repository: &str) -> String {
    format!("countersign/{repository}")
}

/// What is signed: the text of a checkpoint as C2SP tlog-checkpoint has it, so that later proofs can use it as it stands.
pub(super) fn checkpoint(repository: &str, size: u64, root: Digest) -> String {
    format!("{}\n{size}\n{}\n", origin(repository), Base64::encode_string(root.as_bytes()))
}

/// Writes one line of this version, with its line feed: an entry that completes the tree to `frontier`.
pub(super) fn write(json: &str, frontier: &Frontier, signer: Signer<'_>, version: u32) -> String {
    let (size, root) = (frontier.size(), frontier.root());
    let text = checkpoint(signer.repository, size, root);
    let signature = signer.key.sign(NAMESPACE, text.as_bytes());
    let note = (version > 1).then(|| signer.key.sign_note(&origin(signer.repository), &text));
    line(json, &SignedHead { size, root, signature, note })
}

fn line(json: &str, head: &SignedHead) -> String {
    let SignedHead { size, root, signature, note } = head;
    let (root, signature) = (Base64::encode_string(root.as_bytes()), Base64::encode_string(signature));
    let note = note.as_ref().map(|note| format!(",\"note\":\"{}\"", Base64::encode_string(note))).unwrap_or_default();
    format!("{{\"entry\":{json},\"size\":{size},\"root\":\"{root}\",\"signature\":\"{signature}\"{note}}}\n")
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
        let (line, signatures) = line.rsplit_once("\",\"signature\":\"")?;
        let (signature, note) = match signatures.split_once("\",\"note\":\"") {
            Some((signature, note)) => (signature, Some(Base64::decode_vec(note).ok()?)),
            None => (signatures, None),
        };
        let (line, root) = line.rsplit_once(",\"root\":\"")?;
        let (json, size) = line.rsplit_once(",\"size\":")?;
        let size = size.parse().ok().filter(|number: &u64| number.to_string() == size)?;
        let root: [u8; 32] = Base64::decode_vec(root).ok()?.try_into().ok()?;
        let signature = Base64::decode_vec(signature).ok()?;
        Some(Self { json, head: SignedHead { size, root: Digest::from_bytes(root), signature, note } })
    }

    /// Whether it has the form of this version.
    pub(super) fn is_of(&self, version: u32) -> Result<(), RecordError> {
        if self.head.note.is_some() != (version > 1) {
            return Err(RecordError::Form);
        }
        if version > 1 && self.json.len() > limits::ENTRY_BYTES {
            return Err(RecordError::EntryTooLong);
        }
        Ok(())
    }

    /// The entry, if it is in its one encoding.
    pub(super) fn entry(&self) -> Result<Entry, RecordError> {
        let is_raised = || self.json.strip_prefix("{\"kind\":\"").is_some_and(|rest| rest.starts_with(RAISED));
        let entry: Entry = serde_json::from_str(self.json)
            .map_err(|error| if is_raised() { RecordError::Newer } else { RecordError::Entry(error.to_string()) })?;
        if let Entry::Raised(raised) = &entry
            && raised.version > VERSION
        {
            return Err(RecordError::Newer);
        }
        let again = entry.to_json().map_err(|error| RecordError::Entry(error.to_string()))?;
        if again == self.json { Ok(entry) } else { Err(RecordError::Entry("it is not canonical".into())) }
    }

    /// The line again, without its line feed.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn written(&self) -> String {
        line(self.json, &self.head).trim_end().to_owned()
    }
}

impl SignedHead {
    /// Whether the ledger's key signed this head, in each way that it is signed.
    pub(super) fn verify(&self, repository: &str, key: &PublicKey) -> Result<(), RecordError> {
        let text = checkpoint(repository, self.size, self.root);
        let verified = ClaimedSignature::from_blob(&self.signature)
            .and_then(|claimed| claimed.verify(NAMESPACE, text.as_bytes()))
            .map_err(RecordError::Signature)?;
        if verified.key() != key {
            return Err(RecordError::Key);
        }
        let Some(note) = &self.note else { return Ok(()) };
        key.verify_note(&origin(repository), &text, note).map_err(RecordError::Signature)
    }
}

#[cfg(test)]
mod tests {
    use super::super::merkle::leaf;
    use super::*;

    #[test]
    fn a_line_reads_back_and_verifies_for_its_own_ledger_only() {
        let key = PrivateKey::from_seed(&[7; 32]).unwrap();
        let json = r#"{"kind":"x","size":9,"root":"","signature":"","note":""}"#;
        let mut frontier = Frontier::default();
        frontier.push(leaf(json.as_bytes()));
        for version in [1, 2] {
            let line = write(json, &frontier, Signer { repository: "acme/payments", key: &key }, version);
            let record = Record::parse(line.trim_end().as_bytes()).unwrap();
            assert_eq!((record.json, record.head.size, record.head.root), (json, 1, frontier.root()));
            assert_eq!(record.written() + "\n", line);
            assert_eq!(record.is_of(version), Ok(()));
            assert_eq!(record.is_of(3 - version), Err(RecordError::Form));
            let verify = |repository: &str, key: &PrivateKey| record.head.verify(repository, key.public());
            assert_eq!(verify("acme/payments", &key), Ok(()));
            assert!(verify("acme/other", &key).is_err());
            assert_eq!(verify("acme/payments", &PrivateKey::from_seed(&[8; 32]).unwrap()), Err(RecordError::Key));
            for cut in 0..line.len() - 1 {
                assert!(Record::parse(&line.as_bytes()[..cut]).is_err(), "{cut}");
            }
            for bad in [line.replace("\"size\":1", "\"size\":01"), line.replace("{\"entry\"", "{\"other\"")] {
                assert_eq!(Record::parse(bad.trim_end().as_bytes()), Err(RecordError::Form));
            }
        }
    }

    #[test]
    fn what_a_newer_version_wrote_is_said_to_be_its() {
        let head = SignedHead { size: 1, root: Digest::of(b""), signature: Vec::new(), note: None };
        let entry = |json: &str| Record { json, head: head.clone() }.entry();
        for json in [
            r#"{"kind":"written by a newer version","time":"2026-11-24T03:11:04Z","version":4}"#,
            r#"{"kind":"written by a newer version","time":"2026-11-24T03:11:04Z","version":4,"more":1}"#,
        ] {
            assert_eq!(entry(json), Err(RecordError::Newer));
        }
        assert!(entry(r#"{"kind":"written by a newer version","time":"2026-11-24T03:11:04Z","version":3}"#).is_ok());
        // What a program says that does not know the kind.
        let unknown = entry(r#"{"kind":"unheard of","time":"2026-11-24T03:11:04Z"}"#).unwrap_err().to_string();
        assert!(unknown.contains("unknown variant `unheard of`"), "{unknown}");
    }
}
