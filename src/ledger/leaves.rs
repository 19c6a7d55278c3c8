//! The log as others see it: leaves of a tree, and its signed heads.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use super::error::LedgerError;
use super::merkle::{Frontier, consistency, inclusion, leaf, root};
use super::note::Checkpoint;
use super::record::{Record, RecordError, origin};
use super::store::{LOG, Line, is_torn, opened, read_line};
use super::tail::generation_of;
use crate::core::digest::Digest;

/// The leaves of a log, whose roots are those that it says. Whether its key signed them is asked of [`Checkpoint::verify`] about the last.
#[derive(Debug)]
pub struct Leaves {
    /// The repository whose ledger it is.
    pub repository: String,
    generation: u64,
    hashes: Vec<Digest>,
    /// The last head, where the log holds the signature of a note over it.
    head: Option<Checkpoint>,
}

impl Leaves {
    /// Reads a log, and hands each entry to `each` with its number, as the bytes that the tree is over.
    ///
    /// # Errors
    /// [`LedgerError`] at the first record that is not the next one.
    pub fn read(directory: &Path, each: &mut dyn FnMut(u64, &str)) -> Result<Self, LedgerError> {
        let repository = opened(directory)?.repository;
        let path = directory.join(LOG);
        let failed = |error| LedgerError::Io(path.clone(), error);
        let mut reader = BufReader::with_capacity(1 << 18, File::open(&path).map_err(failed)?);
        let (mut line, mut offset, mut frontier) = (Vec::new(), 0, Frontier::default());
        let generation = generation_of(directory)?;
        let mut leaves = Self { repository, generation, hashes: Vec::new(), head: None };
        loop {
            let number = frontier.size();
            let corrupt = |reason| LedgerError::Corrupt { number, offset, reason };
            match read_line(&mut reader, &mut line).map_err(failed)? {
                Line::Whole => {}
                Line::End => return Ok(leaves),
                Line::Cut if is_torn(&line) => return Ok(leaves),
                Line::Cut => return Err(corrupt(RecordError::Form)),
            }
            let record = Record::parse(line.strip_suffix(b"\n").unwrap_or(&line)).map_err(corrupt)?;
            let hash = leaf(record.json.as_bytes());
            frontier.push(hash);
            let (size, own) = (frontier.size(), frontier.root());
            if record.head.size != size {
                return Err(corrupt(RecordError::Size(record.head.size)));
            }
            if record.head.root != own {
                return Err(corrupt(RecordError::Root));
            }
            each(number, record.json);
            leaves.hashes.push(hash);
            let origin = origin(&leaves.repository);
            let signed = |note| vec![(origin.clone(), note)];
            let signatures = record.head.note.map(signed);
            leaves.head =
                signatures.map(|signatures| Checkpoint { origin: origin.clone(), size, root: own, signatures });
            offset += u64::try_from(line.len()).unwrap_or(u64::MAX);
        }
    }

    /// The number of the generation that the log is.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The number of entries.
    pub fn size(&self) -> u64 {
        u64::try_from(self.hashes.len()).unwrap_or(u64::MAX)
    }

    /// The hashes of the entries.
    pub fn hashes(&self) -> &[Digest] {
        &self.hashes
    }

    /// The last head, where the log holds the signature of a note over it: one of version 1 does not.
    pub fn head(&self) -> Option<&Checkpoint> {
        self.head.as_ref()
    }

    /// The leaves of the tree when it had so many.
    fn first(&self, size: u64) -> Option<&[Digest]> {
        self.hashes.get(..usize::try_from(size).ok()?)
    }

    /// The root over the first entries. `None` where there are not as many.
    pub fn root_at(&self, size: u64) -> Option<Digest> {
        self.first(size).map(root)
    }

    /// What proves that the entry of this number is in the tree over the first entries, `size` of them.
    pub fn inclusion(&self, index: u64, size: u64) -> Option<Vec<Digest>> {
        inclusion(self.first(size)?, index)
    }

    /// What proves that the tree over the first `size` entries began with `old` of them.
    pub fn consistency(&self, old: u64, size: u64) -> Option<Vec<Digest>> {
        consistency(self.first(size)?, old)
    }
}

/// The tree hash over a part of the leaves that is a whole subtree.
pub fn subtree(leaves: &[Digest]) -> Digest {
    root(leaves)
}
