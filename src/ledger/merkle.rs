//! The Merkle tree of RFC 6962 section 2.1 over the entries, as far as appending needs it.

use sha2::{Digest as _, Sha256};

use crate::core::digest::Digest;

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
}
