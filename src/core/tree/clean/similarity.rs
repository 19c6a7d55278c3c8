//! How much of one file another holds, as git counts it to find renames (diffcore-delta.c, diffcore-rename.c).
//!
//! A file is cut into pieces, each a line or 64 bytes of one; what both files have of the same pieces is what was kept.

use std::collections::HashMap;
use std::rc::Rc;

use super::Stop;
use super::scratch::Scratch;
use crate::core::limits;
use crate::core::objects::{Contents as _, ReadError};
use crate::core::oid::Oid;

/// The score of equal files.
pub(super) const WHOLE: u64 = 60_000;
/// What is alike enough to be a rename.
pub(super) const RENAME: u64 = WHOLE / 2;
/// What is alike enough to be a rename where the file kept its name, so that nothing else is looked at.
pub(super) const RENAME_BY_NAME: u64 = RENAME + (WHOLE - RENAME) / 2;

/// Files of one merge that were compared with others.
pub(super) struct Likeness<'s, 'o> {
    scratch: &'s Scratch<'o>,
    pieces: HashMap<Oid, Rc<Pieces>>,
    sizes: HashMap<Oid, u64>,
    kept: usize,
}

impl<'s, 'o> Likeness<'s, 'o> {
    pub(super) fn new(scratch: &'s Scratch<'o>) -> Self {
        Self { scratch, pieces: HashMap::new(), sizes: HashMap::new(), kept: 0 }
    }

    /// How alike two files are: 0 where their sizes alone say that they are less so than [`RENAME`].
    pub(super) fn score(&mut self, old: Oid, new: Oid) -> Result<u64, Stop> {
        let (old_size, new_size) = (self.size(old)?, self.size(new)?);
        let largest = old_size.max(new_size);
        let difference = old_size.abs_diff(new_size);
        if largest.saturating_mul(WHOLE - RENAME) < difference.saturating_mul(WHOLE) || new_size == 0 {
            return Ok(0);
        }
        let (old, new) = (self.pieces(old)?, self.pieces(new)?);
        let steps = old.counts.len().saturating_add(new.counts.len());
        self.charge(steps / limits::MERGE_STEPS_A_BYTE)?;
        Ok(old.kept_in(&new).saturating_mul(WHOLE) / largest)
    }

    fn size(&mut self, id: Oid) -> Result<u64, Stop> {
        if let Some(size) = self.sizes.get(&id) {
            return Ok(*size);
        }
        let size = self.scratch.size(id)?;
        self.sizes.insert(id, size);
        Ok(size)
    }

    fn pieces(&mut self, id: Oid) -> Result<Rc<Pieces>, Stop> {
        if let Some(pieces) = self.pieces.get(&id) {
            return Ok(Rc::clone(pieces));
        }
        let content = match self.scratch.content(id, limits::MERGED_BYTES) {
            Err(ReadError::TooLarge { .. }) => return Err(Stop::Unclean),
            content => content?,
        };
        self.charge(content.len())?;
        let pieces = Rc::new(Pieces::of(&content));
        self.kept = self.kept.saturating_add(pieces.counts.len());
        if self.kept > limits::RENAME_PIECES {
            return Err(Stop::Unclean);
        }
        self.pieces.insert(id, Rc::clone(&pieces));
        Ok(pieces)
    }

    fn charge(&self, cost: usize) -> Result<(), Stop> {
        let cost = u64::try_from(cost).unwrap_or(u64::MAX);
        if self.scratch.within_merge_budget(cost) { Ok(()) } else { Err(Stop::Unclean) }
    }
}

/// How many bytes a file has of each piece, in the order of their hashes.
struct Pieces {
    counts: Vec<(u32, u32)>,
}

impl Pieces {
    /// The longest piece.
    const BYTES: u32 = 64;
    /// Git tells no more pieces apart than this.
    const HASHES: u32 = 107_927;

    fn of(content: &[u8]) -> Self {
        let is_text = !super::text::is_binary(content);
        let mut all: Vec<(u32, u32)> = Vec::new();
        let (mut one, mut other, mut length) = (0_u32, 0_u32, 0_u32);
        let mut bytes = content.iter().peekable();
        while let Some(byte) = bytes.next() {
            if is_text && *byte == b'\r' && bytes.peek() == Some(&&b'\n') {
                continue;
            }
            (one, other) = ((one << 7) ^ (other >> 25), (other << 7) ^ (one >> 25));
            one = one.wrapping_add(u32::from(*byte));
            length = length.saturating_add(1);
            if length == Self::BYTES || *byte == b'\n' {
                all.push((Self::hash(one, other), length));
                (one, other, length) = (0, 0, 0);
            }
        }
        if length > 0 {
            all.push((Self::hash(one, other), length));
        }
        all.sort_unstable();
        let mut counts: Vec<(u32, u32)> = Vec::new();
        for (hash, length) in all {
            match counts.last_mut() {
                Some((last, count)) if *last == hash => *count = count.saturating_add(length),
                _ => counts.push((hash, length)),
            }
        }
        counts.shrink_to_fit();
        Self { counts }
    }

    fn hash(one: u32, other: u32) -> u32 {
        one.wrapping_add(other.wrapping_mul(0x61)) % Self::HASHES
    }

    /// The bytes of pieces that the other file has too.
    fn kept_in(&self, other: &Self) -> u64 {
        let mut kept = 0_u64;
        let mut theirs = other.counts.iter().peekable();
        for (hash, count) in &self.counts {
            while theirs.next_if(|(other, _)| other < hash).is_some() {}
            if let Some((_, there)) = theirs.next_if(|(other, _)| other == hash) {
                kept = kept.saturating_add(u64::from(*count.min(there)));
            }
        }
        kept
    }
}
