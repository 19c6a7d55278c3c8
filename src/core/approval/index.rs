//! What tells, without reading a record, whether it can be about what lands: its combined change, and its last commit.
//!
//! A record that covers anything by id, rebase or merge has a last commit that lands too, and one that covers a squash has the
//! squash's change. So most records need no reading. A record is a blob, so what is known of it by the blob's id
//! stays true; a copy of the index that is wrong or lost costs time and hides nothing, because a push that would be refused is
//! looked at with every record read.

use std::collections::{BTreeMap, HashSet};

use super::statement::{Approval, Decision};
use crate::core::digest::Digest;
use crate::core::landing::Landing;
use crate::core::oid::Oid;

/// What is known of a record: the beginnings of ids and digests, which are enough to tell that a record is about something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexedApproval {
    last: u64,
    content: u64,
    combined: u64,
    /// Whether it takes approvals back: which ones, only reading it tells.
    withdraws: bool,
}

impl IndexedApproval {
    /// What is to be known of an approval.
    pub fn of(approval: &Approval) -> Option<Self> {
        let last = approval.commits.last()?;
        Some(Self {
            last: beginning(last.id.0.as_bytes()),
            content: content(&last.change.0, &last.message.0),
            combined: beginning(approval.change.0.as_bytes()),
            withdraws: approval.decision == Decision::Withdraw,
        })
    }
}

fn beginning(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// A change and a message as one.
fn content(change: &Digest, message: &Digest) -> u64 {
    beginning(change.as_bytes()) ^ beginning(message.as_bytes()).rotate_left(1)
}

/// Records that have been read, by the ids of their blobs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApprovalIndex(BTreeMap<Oid, IndexedApproval>);

/// The first bytes of an index's encoding. An index of another version is made anew.
const MAGIC: &[u8] = b"countersign-approvals-v2\n";

impl ApprovalIndex {
    /// What is known of the record in a blob.
    pub fn get(&self, blob: Oid) -> Option<&IndexedApproval> {
        self.0.get(&blob)
    }

    /// Keeps what is known of a record.
    pub fn insert(&mut self, blob: Oid, indexed: IndexedApproval) {
        self.0.insert(blob, indexed);
    }

    /// How many records are known.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets the records that `keep` does not want.
    pub fn retain(&mut self, keep: impl Fn(&Oid) -> bool) {
        self.0.retain(|blob, _| keep(blob));
    }

    /// Its bytes: for each record the blob's id after its length in a byte, the three numbers, and a byte that says
    /// whether it withdraws.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        for (blob, indexed) in &self.0 {
            bytes.push(u8::try_from(blob.as_bytes().len()).unwrap_or(0));
            bytes.extend_from_slice(blob.as_bytes());
            for number in [indexed.last, indexed.content, indexed.combined] {
                bytes.extend_from_slice(&number.to_be_bytes());
            }
            bytes.push(u8::from(indexed.withdraws));
        }
        bytes
    }

    /// Reads what [`ApprovalIndex::to_bytes`] wrote. `None` for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes.strip_prefix(MAGIC)?;
        let mut known = Vec::with_capacity(rest.len() / 46);
        while !rest.is_empty() {
            let blob = id(&mut rest)?;
            let (last, content, combined) = (number(&mut rest)?, number(&mut rest)?, number(&mut rest)?);
            let withdraws = flag(&mut rest)?;
            known.push((blob, IndexedApproval { last, content, combined, withdraws }));
        }
        // They are sorted, so that the map is built at once.
        Some(Self(known.into_iter().collect()))
    }
}

fn id(rest: &mut &[u8]) -> Option<Oid> {
    let (length, after) = rest.split_first()?;
    let (id, after) = after.split_at_checked(usize::from(*length))?;
    *rest = after;
    Oid::from_bytes(id)
}

fn number(rest: &mut &[u8]) -> Option<u64> {
    let (number, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(u64::from_be_bytes(*number))
}

fn flag(rest: &mut &[u8]) -> Option<bool> {
    let (byte, after) = rest.split_first()?;
    *rest = after;
    match byte {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

/// Tells which records can cover something that lands, or take back what does, by what is known of them without reading.
pub fn can_cover(landing: &Landing) -> impl Fn(&IndexedApproval) -> bool + use<> {
    let ids: HashSet<u64> = landing.new.keys().map(|id| beginning(id.as_bytes())).collect();
    let contents = landing.new.values().filter_map(|new| Some(content(&new.change?, &new.message)));
    let contents: HashSet<u64> = contents.collect();
    let steps: HashSet<u64> =
        landing.steps.iter().filter_map(|step| Some(beginning(step.change?.as_bytes()))).collect();
    move |indexed| {
        let about = || ids.contains(&indexed.last) || contents.contains(&indexed.content);
        indexed.withdraws || steps.contains(&indexed.combined) || about()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oid(byte: &str, length: usize) -> Oid {
        Oid::parse(byte.repeat(length).as_bytes()).unwrap()
    }

    #[test]
    fn an_index_reads_back_and_nothing_else_does() {
        let indexed = IndexedApproval { last: 1, content: u64::MAX, combined: 3, withdraws: false };
        let mut index = ApprovalIndex::default();
        index.insert(oid("1", 40), indexed);
        index.insert(oid("2", 64), IndexedApproval { last: 4, withdraws: true, ..indexed });
        let bytes = index.to_bytes();
        assert_eq!(ApprovalIndex::from_bytes(&bytes), Some(index.clone()));
        assert_eq!(ApprovalIndex::from_bytes(&ApprovalIndex::default().to_bytes()), Some(ApprovalIndex::default()));
        for end in 0..bytes.len() {
            let cut = ApprovalIndex::from_bytes(&bytes[..end]);
            assert!(cut.is_none_or(
                |cut| cut.len() < 2 && cut.0.iter().all(|(blob, indexed)| index.get(*blob) == Some(indexed))
            ));
        }
    }
}
