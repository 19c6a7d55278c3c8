//! Signed notes and checkpoints, as C2SP's signed-note and tlog-checkpoint have them.

use std::path::Path;

use base64ct::{Base64, Encoding as _};
use thiserror::Error;

use super::error::LedgerError;
use super::leaves::Leaves;
use super::record::origin;
use super::store::Ledger;
use crate::core::decide::Timestamp;
use crate::core::digest::Digest;
use crate::core::ssh::{PrivateKey, PublicKey, SignatureError, WitnessKey, is_name};

/// Bytes of a note: three lines, and the signatures of a log and of its witnesses.
const NOTE_BYTES: usize = 64 << 10;

/// Signatures of a note. Signed-note asks for at least 16.
const SIGNATURES: usize = 64;

/// What a line of a signature begins with: an em dash and a space.
const DASH: &str = "\u{2014} ";

/// Why bytes are no checkpoint of a log, or not that of the one that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NoteError {
    /// It is no text of three lines, an empty one, and lines of signatures.
    #[error("it is no signed checkpoint: an origin, a size, a root, an empty line, and signatures")]
    Form,
    /// The key that is asked for has not signed it.
    #[error("{0} has not signed it under the name of its origin")]
    Unsigned(String),
    /// A signature of that key does not verify.
    #[error("the signature of the log does not verify: {0}")]
    Signature(SignatureError),
}

/// The head of a log, with signatures that nobody has verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name, which is also that of its key.
    pub origin: String,
    /// The number of entries.
    pub size: u64,
    /// The root over them.
    pub root: Digest,
    /// Who says that they signed it, and the bytes that stand there in base64: a key's id and a signature.
    pub signatures: Vec<(String, Vec<u8>)>,
}

impl Checkpoint {
    /// Parses a signed note, in its one encoding. Checkpoints with lines of extensions are refused: no reader of a log would know them.
    ///
    /// # Errors
    /// [`NoteError::Form`].
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        Self::parts(bytes).filter(|checkpoint| checkpoint.to_note().as_bytes() == bytes).ok_or(NoteError::Form)
    }

    fn parts(bytes: &[u8]) -> Option<Self> {
        let note = std::str::from_utf8(bytes).ok().filter(|note| note.len() <= NOTE_BYTES)?;
        let (text, signatures) = note.split_once("\n\n")?;
        let mut lines = text.split('\n');
        let (origin, size, root) = (lines.next()?, lines.next()?, lines.next()?);
        let root: [u8; 32] = Base64::decode_vec(root).ok()?.try_into().ok()?;
        let signatures: Option<Vec<_>> = signatures.lines().map(signature_line).collect();
        let signatures = signatures.filter(|signatures| signatures.len() <= SIGNATURES)?;
        let is_whole = lines.next().is_none() && is_name(origin) && !signatures.is_empty();
        let size = size.parse().ok()?;
        is_whole.then(|| Self { origin: origin.to_owned(), size, root: Digest::from_bytes(root), signatures })
    }

    /// A head with the signature of the log's key.
    pub fn signed(origin: String, size: u64, root: Digest, key: &PrivateKey) -> Self {
        let mut checkpoint = Self { origin, size, root, signatures: Vec::new() };
        let signature = key.sign_note(&checkpoint.origin, &checkpoint.text());
        checkpoint.signatures.push((checkpoint.origin.clone(), signature));
        checkpoint
    }

    /// What is signed.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, Base64::encode_string(self.root.as_bytes()))
    }

    /// The signed note.
    pub fn to_note(&self) -> String {
        let line = |(name, bytes): &(String, Vec<u8>)| format!("{DASH}{name} {}\n", Base64::encode_string(bytes));
        format!("{}\n{}", self.text(), self.signatures.iter().map(line).collect::<String>())
    }

    /// Whether a log's key signed it.
    ///
    /// # Errors
    /// [`NoteError`] where it did not.
    pub fn verify(&self, key: &PublicKey) -> Result<(), NoteError> {
        let text = self.text();
        let own = self.signatures.iter().filter(|(name, _)| *name == self.origin);
        let tried = own.map(|(name, bytes)| key.verify_note(name, &text, bytes));
        // Of several, one holds; else the first says what is wrong.
        let mut failed = None;
        for outcome in tried {
            match outcome {
                Ok(()) => return Ok(()),
                Err(error) => drop(failed.get_or_insert(error)),
            }
        }
        Err(match failed {
            Some(error) => NoteError::Signature(error),
            None => NoteError::Unsigned(key.fingerprint().to_string()),
        })
    }

    /// When a witness cosigned it, if it did.
    pub fn cosigned(&self, witness: &WitnessKey) -> Option<Timestamp> {
        let text = self.text();
        let own = self.signatures.iter().filter(|(name, _)| name == witness.name());
        own.filter_map(|(_, bytes)| witness.cosigned(&text, bytes).ok()).max()
    }

    /// Adds lines of signatures, as a witness answers with them.
    ///
    /// # Errors
    /// [`NoteError::Form`] for anything else, and for more than a note may have.
    pub fn add(&mut self, lines: &[u8]) -> Result<(), NoteError> {
        let lines = std::str::from_utf8(lines).map_err(|_| NoteError::Form)?;
        let added: Option<Vec<_>> = lines.lines().map(signature_line).collect();
        let added = added.filter(|added| !added.is_empty()).ok_or(NoteError::Form)?;
        let is_new = |line: &(String, Vec<u8>)| !self.signatures.contains(line);
        let added: Vec<_> = added.into_iter().filter(is_new).collect();
        self.signatures.extend(added);
        if self.to_note().len() > NOTE_BYTES || self.signatures.len() > SIGNATURES {
            return Err(NoteError::Form);
        }
        Ok(())
    }
}

/// The signed head of a log of version 1, whose records have no note; see [`Ledger::checkpoint`].
pub const CHECKPOINT: &str = "checkpoint";

/// By which name a head is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// That of the repository.
    Repository,
    /// One that says nothing of it: for a witness that is somebody else's.
    Opaque,
}

impl Ledger {
    /// Signs the head of a log of this ledger, the one of today or a closed one.
    ///
    /// # Errors
    /// [`LedgerError::Io`] where the head that is signed for the repository's own name cannot be kept beside the log.
    pub fn checkpoint(&self, directory: &Path, leaves: &Leaves, name: Name) -> Result<Checkpoint, LedgerError> {
        let origin = match name {
            Name::Repository => origin(&leaves.repository),
            Name::Opaque => opaque(self.key.public(), leaves.generation()),
        };
        let size = leaves.size();
        let checkpoint = Checkpoint::signed(origin, size, leaves.root_at(size).unwrap_or(Digest::of(b"")), &self.key);
        if name == Name::Repository {
            let path = directory.join(CHECKPOINT);
            let written = std::fs::write(&path, checkpoint.to_note());
            written.map_err(|error| LedgerError::Io(path, error))?;
        }
        Ok(checkpoint)
    }
}

/// A name that whoever knows the key can make, and that says nothing else. Each generation has a tree of its own, and so a name.
fn opaque(key: &PublicKey, generation: u64) -> String {
    let digest = Digest::of(format!("countersign-origin-v1\n{}\n{generation}\n", key.to_line()).as_bytes()).to_string();
    format!("countersign/{}", digest.get(..32).unwrap_or_default())
}

fn signature_line(line: &str) -> Option<(String, Vec<u8>)> {
    let (name, bytes) = line.strip_prefix(DASH)?.split_once(' ')?;
    let bytes = Base64::decode_vec(bytes).ok().filter(|bytes| bytes.len() > 4)?;
    is_name(name).then(|| (name.to_owned(), bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint() -> (Checkpoint, PrivateKey) {
        let key = PrivateKey::from_seed(&[7; 32]).unwrap();
        (Checkpoint::signed("countersign/acme".to_owned(), 5, Digest::of(b"root"), &key), key)
    }

    /// Cloudflare's reader of signed notes takes ours, and knows who signed.
    #[test]
    fn a_checkpoint_is_a_signed_note_to_others() {
        let (checkpoint, key) = checkpoint();
        let bytes = checkpoint.to_note();
        assert_eq!(Checkpoint::parse(bytes.as_bytes()).unwrap(), checkpoint);
        assert_eq!(checkpoint.verify(key.public()), Ok(()));
        let point: [u8; 32] = key.public().blob()[19..].try_into().unwrap();
        let id = checkpoint.signatures[0].1[..4].iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let vkey = format!("countersign/acme+{id}+{}", Base64::encode_string(&[&[1][..], &point].concat()));
        let verifier = signed_note::StandardVerifier::new(&vkey).unwrap();
        let note = signed_note::Note::from_bytes(bytes.as_bytes()).unwrap();
        let (verified, unknown) = note.verify(&signed_note::VerifierList::new(vec![Box::new(verifier)])).unwrap();
        assert_eq!((verified.len(), unknown.len()), (1, 0));
        let theirs = tlog_tiles::Checkpoint::from_bytes(note.text()).unwrap();
        assert_eq!((theirs.origin(), theirs.size()), ("countersign/acme", 5));
    }

    #[test]
    fn no_byte_of_it_can_change() {
        let (checkpoint, key) = checkpoint();
        let bytes = checkpoint.to_note().into_bytes();
        for place in 0..bytes.len() {
            let mut broken = bytes.clone();
            broken[place] ^= 1;
            assert!(
                Checkpoint::parse(&broken).is_err_and(|_| true)
                    || Checkpoint::parse(&broken).unwrap().verify(key.public()).is_err()
            );
        }
        let other = PrivateKey::from_seed(&[8; 32]).unwrap();
        assert!(matches!(checkpoint.verify(other.public()), Err(NoteError::Signature(_))));
        for bad in ["", "a\n5\nAAAA\n", "\n\n", "a\n5\n\n"] {
            assert_eq!(Checkpoint::parse(bad.as_bytes()), Err(NoteError::Form), "{bad:?}");
        }
    }
}
