//! The Merkle tree of RFC 6962 section 2.1 over the entries, and the proofs of its sections 2.1.1 and 2.1.2.

use sha2::{Digest as _, Sha256};

use crate::core::digest::Digest;

/// Hashes of a proof: a tree of 2^63 entries is as deep, and C2SP's tlog-witness takes no more.
const PROOF_HASHES: usize = 63;

/// The hash of one entry.
pub(super) fn leaf(entry: &[u8]) -> Digest {
    hash(&[&[0], entry])
}

fn node(left: Digest, right: Digest) -> Digest {
    hash(&[&[1], left.as_bytes(), right.as_bytes()])
}

fn hash(parts: &[&[u8]]) -> Digest {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    Digest::from_bytes(hash.finalize().into())
}

/// The roots of the full subtrees that a tree of some size consists of, the largest first: all that appending needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    subtrees: Vec<Digest>,
}

impl Frontier {
    /// A frontier that was kept. `None` where the number of subtrees is not that of a tree of this size.
    pub(super) fn from_parts(size: u64, subtrees: Vec<Digest>) -> Option<Self> {
        (u32::try_from(subtrees.len()).ok()? == size.count_ones()).then_some(Self { size, subtrees })
    }

    /// The number of entries.
    pub fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn subtrees(&self) -> &[Digest] {
        &self.subtrees
    }

    /// Adds the hash of the next entry.
    pub(super) fn push(&mut self, leaf: Digest) {
        let mut carried = leaf;
        // Each trailing one of the size is a full subtree that the new entry completes to one twice as large.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.subtrees.pop() {
                carried = node(left, carried);
            }
        }
        self.subtrees.push(carried);
        self.size = self.size.saturating_add(1);
    }

    /// The root over all entries.
    pub(super) fn root(&self) -> Digest {
        let mut subtrees = self.subtrees.iter().rev().copied();
        let Some(last) = subtrees.next() else { return Digest::of(b"") };
        subtrees.fold(last, |right, left| node(left, right))
    }
}

/// The root over leaves.
pub(super) fn root(leaves: &[Digest]) -> Digest {
    let mut frontier = Frontier::default();
    leaves.iter().for_each(|leaf| frontier.push(*leaf));
    frontier.root()
}

/// The leaves of the largest full subtree that is smaller than the tree, and the others.
fn halves(leaves: &[Digest]) -> Option<(&[Digest], &[Digest])> {
    let last = leaves.len().checked_sub(1).filter(|last| *last > 0)?;
    leaves.split_at_checked(1 << last.ilog2())
}

/// What proves that a leaf is the one of this number, from its sibling up (RFC 6962, 2.1.1). `None` where there are not as many.
pub(super) fn inclusion(leaves: &[Digest], index: u64) -> Option<Vec<Digest>> {
    let mut index = usize::try_from(index).ok().filter(|index| *index < leaves.len())?;
    let (mut within, mut proof) = (leaves, Vec::new());
    while let Some((left, right)) = halves(within) {
        if index < left.len() {
            proof.push(root(right));
            within = left;
        } else {
            proof.push(root(left));
            index -= left.len();
            within = right;
        }
    }
    proof.reverse();
    Some(proof)
}

/// The root of the tree of so many entries in which this leaf has this number. `None` where the proof has another length.
pub(super) fn root_by_inclusion(leaf: Digest, index: u64, size: u64, proof: &[Digest]) -> Option<Digest> {
    // At each level: where the path stands, and where the last subtree of the tree does (RFC 9162, 2.1.3.2).
    let (mut at, mut last, mut hash) = (index, size.checked_sub(1).filter(|last| index <= *last)?, leaf);
    for sibling in proof {
        if last == 0 {
            return None;
        }
        if at & 1 == 1 || at == last {
            hash = node(*sibling, hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            hash = node(hash, *sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    (last == 0 && proof.len() <= PROOF_HASHES).then_some(hash)
}

/// What proves that the tree began with the first leaves, so many (RFC 6962, 2.1.2). Nothing for none, and for all.
pub(super) fn consistency(leaves: &[Digest], old: u64) -> Option<Vec<Digest>> {
    let mut old = usize::try_from(old).ok().filter(|old| *old <= leaves.len())?;
    let (mut within, mut proof, mut is_known) = (leaves, Vec::new(), true);
    if old == 0 || old == leaves.len() {
        return Some(proof);
    }
    while old != within.len() {
        let (left, right) = halves(within)?;
        if old <= left.len() {
            proof.push(root(right));
            within = left;
        } else {
            proof.push(root(left));
            old -= left.len();
            within = right;
            is_known = false;
        }
    }
    if !is_known {
        proof.push(root(within));
    }
    proof.reverse();
    Some(proof)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition of RFC 6962, word for word.
    fn root_of(entries: &[Vec<u8>]) -> Digest {
        match entries {
            [] => Digest::of(b""),
            [one] => leaf(one),
            many => {
                let split = 1 << (usize::BITS - 1 - (many.len() - 1).leading_zeros());
                node(root_of(&many[..split]), root_of(&many[split..]))
            }
        }
    }

    #[test]
    fn appending_gives_the_roots_of_the_definition() {
        let entries: Vec<Vec<u8>> = (0..130_u8).map(|number| vec![number; usize::from(number)]).collect();
        let mut frontier = Frontier::default();
        for (count, entry) in entries.iter().enumerate() {
            assert_eq!(frontier.root(), root_of(&entries[..count]));
            frontier.push(leaf(entry));
            let kept = Frontier::from_parts(frontier.size(), frontier.subtrees().to_vec());
            assert_eq!(kept, Some(frontier.clone()));
        }
        assert_eq!(Frontier::from_parts(3, vec![leaf(b"")]), None);
    }

    #[test]
    fn known_roots() {
        // From RFC 6962's own test data in Certificate Transparency implementations: no entry, and one empty entry.
        assert_eq!(
            Frontier::default().root().to_string(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        let mut one = Frontier::default();
        one.push(leaf(b""));
        assert_eq!(one.root().to_string(), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
    }

    /// Each proof of our own holds in Cloudflare's implementation, and ours takes none but the one.
    #[test]
    fn proofs_are_those_that_others_make_and_check() {
        use tlog_tiles::tlog::{Hash, check_record, check_tree};
        let other = |digest: &Digest| Hash(*digest.as_bytes());
        let leaves: Vec<Digest> = (0..70_u8).map(|number| leaf(&[number])).collect();
        for size in 1..leaves.len() {
            let (leaves, count) = (&leaves[..size], u64::try_from(size).unwrap());
            let whole = root(leaves);
            assert_eq!(inclusion(leaves, count), None);
            for index in 0..count {
                let own = leaves[usize::try_from(index).unwrap()];
                let proof = inclusion(leaves, index).unwrap();
                assert_eq!(root_by_inclusion(own, index, count, &proof), Some(whole));
                let foreign = proof.iter().map(other).collect();
                check_record(&foreign, count, other(&whole), index, other(&own)).unwrap();
                assert_ne!(root_by_inclusion(own, index, count, &[&proof[..], &[own]].concat()), Some(whole));
                assert!(proof.is_empty() || root_by_inclusion(own, index, count, &proof[1..]) != Some(whole));
                for wrong in [index ^ 1, index + 64, count] {
                    assert_ne!(root_by_inclusion(own, wrong, count, &proof), Some(whole), "{index} of {count}");
                }
            }
            for old in 1..=count {
                let before = root(&leaves[..usize::try_from(old).unwrap()]);
                let foreign = consistency(leaves, old).unwrap().iter().map(other).collect();
                check_tree(&foreign, count, other(&whole), old, other(&before)).unwrap();
            }
        }
    }
}
