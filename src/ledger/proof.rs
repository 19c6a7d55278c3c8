//! The proof of an entry: a file of C2SP's tlog-proof, whose extra data holds the entry itself, and what stands with it. PROOF.md is its
//! specification.
//!
//! Whoever holds the log's public key checks it with nothing else at hand. Bytes become a [`ClaimedProof`] by strict parsing, and that a
//! [`ProvenEntries`] by its hashes and signatures.

use std::collections::BTreeMap;

use base64ct::{Base64, Encoding as _};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::entry::{Continues, Entry};
use super::merkle::{leaf, root_by_inclusion};
use super::note::{Checkpoint, NoteError};
use crate::core::approval::{ApprovalError, ClaimedApproval, VerifiedApproval};
use crate::core::digest::Digest;
use crate::core::ssh::PublicKey;

/// The first line of a proof.
pub const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// The version of the extra data.
const SCHEMA: u32 = 1;

/// Bytes of a proof: that of the largest decision there is, with the approvals of it.
pub const PROOF_BYTES: usize = 64 << 20;

/// Why a file proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProofError {
    /// It is no proof in its one encoding.
    #[error("it is no proof: {0}")]
    Form(&'static str),
    /// Its checkpoint is not signed by the key that is asked for.
    #[error("its checkpoint: {0}")]
    Checkpoint(#[from] NoteError),
    /// The tree that was signed does not have the entry.
    #[error("the tree whose root was signed does not have its entry {0}")]
    Inclusion(u64),
    /// An entry is none that this version knows, in its one encoding.
    #[error("its entry {0} is none that this version of countersign knows")]
    Entry(u64),
    /// The log that goes on from another does not go on from this one.
    #[error("generation {0} does not go on from the log that holds the entry")]
    Generation(u64),
    /// A record of an approval is none, or none that its entries name.
    #[error("a record of an approval in it: {0}")]
    Approval(ApprovalError),
    /// It holds the record of an approval that its entries do not name.
    #[error("it holds a record of an approval that its entries do not name")]
    Stray,
}

/// An entry, and what proves that a tree has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Included {
    /// The number of the entry.
    pub index: u64,
    /// Its bytes.
    pub entry: String,
    /// The hashes of the proof in base64, from the entry's sibling up.
    pub proof: Vec<String>,
}

/// A log that goes on from another: what proves that it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Later {
    /// Its first entry, which names the key that signed the end of the log before.
    pub opened: Included,
    /// The entry that names the root of the log before.
    pub continues: Included,
    /// The signed note over a head of it.
    pub checkpoint: String,
}

/// The extra data of a proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extra {
    /// The version, 1.
    pub schema: u32,
    /// The bytes of the entry.
    pub entry: String,
    /// What belongs to it: the entries that continue a decision, and those that say what became of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more: Vec<Included>,
    /// The records of the approvals that it names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<String>,
    /// The commit that it is about, as git stores it, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The generations after the one of the entry, the next one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub later: Vec<Later>,
}

impl Extra {
    /// Of one entry, with nothing beside it.
    pub fn of(entry: String) -> Self {
        Self { schema: SCHEMA, entry, more: Vec::new(), approvals: Vec::new(), commit: None, later: Vec::new() }
    }
}

/// A proof in the right form. Nothing of it is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimedProof {
    /// The number of the entry.
    pub index: u64,
    /// What proves that the tree has it.
    pub hashes: Vec<Digest>,
    /// The entry and what belongs to it.
    pub extra: Extra,
    /// The head of the log.
    pub checkpoint: Checkpoint,
}

impl ClaimedProof {
    /// Parses a file.
    ///
    /// # Errors
    /// [`ProofError::Form`] for anything but a proof in its one encoding.
    pub fn parse(bytes: &[u8]) -> Result<Self, ProofError> {
        if bytes.len() > PROOF_BYTES {
            return Err(ProofError::Form("it is too large"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| ProofError::Form("it is not UTF-8"))?;
        let claimed = Self::parts(text)?;
        if claimed.to_text()? == text { Ok(claimed) } else { Err(ProofError::Form("it is not in its one encoding")) }
    }

    fn parts(text: &str) -> Result<Self, ProofError> {
        let form = ProofError::Form;
        let (head, checkpoint) = text.split_once("\n\n").ok_or(form("it has no checkpoint"))?;
        let mut lines = head.lines();
        if lines.next() != Some(HEADER) {
            return Err(form("its first line is another"));
        }
        let extra = lines.next().and_then(|line| line.strip_prefix("extra "));
        let extra = extra.ok_or(form("it does not hold its entry"))?;
        let extra = Base64::decode_vec(extra).map_err(|_| form("its extra data is no base64"))?;
        let extra =
            serde_json::from_slice(&extra).map_err(|_| form("its extra data is not what countersign writes"))?;
        let index = lines.next().and_then(|line| line.strip_prefix("index ")?.parse().ok());
        let index = index.ok_or(form("it does not say the number of its entry"))?;
        let hashes: Option<Vec<Digest>> = lines.map(hash).collect();
        let hashes = hashes.ok_or(form("a hash of it is none"))?;
        Ok(Self { index, hashes, extra, checkpoint: Checkpoint::parse(checkpoint.as_bytes())? })
    }

    /// The file.
    ///
    /// # Errors
    /// [`ProofError::Form`] where it is too large.
    pub fn to_text(&self) -> Result<String, ProofError> {
        let json = serde_json::to_string(&self.extra).map_err(|_| ProofError::Form("it cannot be written"))?;
        let hashes: String = self.hashes.iter().map(|hash| encoded(hash) + "\n").collect();
        let (extra, note) = (Base64::encode_string(json.as_bytes()), self.checkpoint.to_note());
        let text = format!("{HEADER}\nextra {extra}\nindex {}\n{hashes}\n{note}", self.index);
        if text.len() > PROOF_BYTES { Err(ProofError::Form("it is too large")) } else { Ok(text) }
    }

    /// Holds every part of it against the key that signs the log, or the last generation of it.
    ///
    /// # Errors
    /// [`ProofError`] at the first that does not hold.
    pub fn verify(self, key: &PublicKey) -> Result<ProvenEntries, ProofError> {
        if self.extra.schema != SCHEMA {
            return Err(ProofError::Form("its schema is one of a newer version"));
        }
        self.verify_signatures(key)?;
        let Self { index, hashes, extra: Extra { entry, more, approvals, commit, later, .. }, checkpoint } = self;
        let first = included(index, &entry, &hashes, &checkpoint)?;
        let mut entries = BTreeMap::from([(index, first)]);
        for one in &more {
            if entries.insert(one.index, one.verified(&checkpoint)?).is_some() {
                return Err(ProofError::Form("it has an entry twice"));
            }
        }
        let landed: Vec<Digest> = entries.values().flat_map(landed_by).collect();
        let records = approvals.iter().map(|json| {
            let record = ClaimedApproval::parse(json.as_bytes()).and_then(ClaimedApproval::verify);
            let record = record.map_err(ProofError::Approval)?;
            if landed.contains(&record.digest()) { Ok(record) } else { Err(ProofError::Stray) }
        });
        let approvals = records.collect::<Result<_, _>>()?;
        let commit = commit.map(|commit| Base64::decode_vec(&commit)).transpose();
        let commit = commit.map_err(|_| ProofError::Form("its commit is no base64"))?;
        let generations = u64::try_from(later.len()).unwrap_or(u64::MAX);
        Ok(ProvenEntries { index, entries, approvals, commit, checkpoint, generations, key: key.clone() })
    }

    /// Whether the key signed the checkpoint; or the last of the generations after it, each of which names the log before it.
    fn verify_signatures(&self, key: &PublicKey) -> Result<(), ProofError> {
        let mut signer = key.clone();
        let mut before = None;
        for (number, later) in self.extra.later.iter().enumerate().rev() {
            let head = Checkpoint::parse(later.checkpoint.as_bytes())?;
            let generation = u64::try_from(number).unwrap_or(u64::MAX).saturating_add(1);
            let other = || ProofError::Generation(generation);
            head.verify(&signer)?;
            goes_on(before.as_ref(), &head).then_some(()).ok_or_else(other)?;
            let Entry::Opened(opened) = later.opened.verified(&head)? else { return Err(other()) };
            let Entry::Continues(continues) = later.continues.verified(&head)? else { return Err(other()) };
            if (later.opened.index, later.continues.index) != (0, 2) {
                return Err(other());
            }
            signer = PublicKey::parse_line(&opened.key).map_err(|_| other())?.0;
            before = Some(continues);
        }
        self.checkpoint.verify(&signer)?;
        if goes_on(before.as_ref(), &self.checkpoint) { Ok(()) } else { Err(ProofError::Generation(1)) }
    }
}

/// Whether a log that says what it goes on from means this head.
fn goes_on(continues: Option<&Continues>, head: &Checkpoint) -> bool {
    continues.is_none_or(|continues| (continues.size, continues.root.0) == (head.size, head.root))
}

/// The digests of the approvals that an entry says have landed.
fn landed_by(entry: &Entry) -> Vec<Digest> {
    entry.updates().iter().flat_map(|update| &update.approvals).map(|approval| approval.digest.0).collect()
}

impl Included {
    /// Of an entry with the hashes that prove it.
    pub fn new(index: u64, entry: String, hashes: &[Digest]) -> Self {
        Self { index, entry, proof: hashes.iter().map(encoded).collect() }
    }

    fn verified(&self, head: &Checkpoint) -> Result<Entry, ProofError> {
        let hashes: Option<Vec<Digest>> = self.proof.iter().map(|text| hash(text)).collect();
        let hashes = hashes.ok_or(ProofError::Form("a hash of it is none"))?;
        included(self.index, &self.entry, &hashes, head)
    }
}

fn included(index: u64, json: &str, hashes: &[Digest], head: &Checkpoint) -> Result<Entry, ProofError> {
    let root = root_by_inclusion(leaf(json.as_bytes()), index, head.size, hashes);
    if root != Some(head.root) {
        return Err(ProofError::Inclusion(index));
    }
    serde_json::from_str(json).map_err(|_| ProofError::Entry(index))
}

fn encoded(hash: &Digest) -> String {
    Base64::encode_string(hash.as_bytes())
}

fn hash(text: &str) -> Option<Digest> {
    Base64::decode_vec(text).ok()?.try_into().ok().map(Digest::from_bytes)
}

/// Entries that a log holds, whoever says so. Only [`ClaimedProof::verify`] makes them.
#[derive(Debug)]
pub struct ProvenEntries {
    index: u64,
    entries: BTreeMap<u64, Entry>,
    approvals: Vec<VerifiedApproval>,
    commit: Option<Vec<u8>>,
    checkpoint: Checkpoint,
    generations: u64,
    key: PublicKey,
}

impl ProvenEntries {
    /// The number of the entry that the proof is of.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// The entries by their numbers.
    pub fn entries(&self) -> &BTreeMap<u64, Entry> {
        &self.entries
    }

    /// The records of approvals that the entries name, as far as they are there.
    pub fn approvals(&self) -> &[VerifiedApproval] {
        &self.approvals
    }

    /// A commit's bytes: whether they are those of a commit that the entries name is for the caller to hold against its id.
    pub fn commit(&self) -> Option<&[u8]> {
        self.commit.as_deref()
    }

    /// The head that was signed, with what witnesses added.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// How many generations after the one of the entry vouch for it.
    pub fn generations(&self) -> u64 {
        self.generations
    }

    /// The key that it was held against.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }
}
