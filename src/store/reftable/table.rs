//! One table: a file of refs by name, with an index where it is large.

use std::cell::RefCell;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::rc::Rc;

use super::Fault;
use super::block::{Block, INDEX, Position, REFS, Value};
use crate::core::oid::ObjectFormat;

const CUT: &str = "it is cut off";
const OTHER_KIND: &str = "its index leads to a block of another kind";
const MAGIC: &[u8] = b"REFT";
/// What is read of a block before its length is known, where the table says no size of its blocks.
const GUESS: usize = 4096;
/// Levels of an index: one that points to 100 blocks each time needs four for any file.
const LEVELS: usize = 16;
/// Blocks that are kept for the next look-up, and how large they may be.
const KEPT: usize = 2;
const KEPT_BYTES: usize = 64 << 10;

/// Where the bytes of a table are.
pub(super) enum Source {
    Memory(Vec<u8>),
    File(File, u64),
}

impl Source {
    fn size(&self) -> Result<u64, Fault> {
        match self {
            Self::Memory(bytes) => u64::try_from(bytes.len()).map_err(|_| Fault::Malformed("it is too large")),
            Self::File(_, size) => Ok(*size),
        }
    }

    fn read(&self, at: u64, length: usize) -> Result<Vec<u8>, Fault> {
        match self {
            Self::Memory(bytes) => {
                let at = usize::try_from(at).ok();
                let part = at.and_then(|at| bytes.get(at..at.checked_add(length)?));
                part.map(<[u8]>::to_vec).ok_or(Fault::Malformed(CUT))
            }
            Self::File(file, _) => {
                let mut part = vec![0; length];
                file.read_exact_at(&mut part, at)?;
                Ok(part)
            }
        }
    }
}

/// A table whose header and footer have been checked.
pub(super) struct Table {
    source: Source,
    header: usize,
    format: ObjectFormat,
    block_size: usize,
    /// Where the blocks of refs, which begin with the file, and lower levels of their index end; zero where there are none.
    refs_end: u64,
    /// Where the highest level of the index begins and ends; empty where there is none.
    index: std::ops::Range<u64>,
    /// The blocks last read, by where they are.
    kept: RefCell<Vec<Kept>>,
}

impl Table {
    pub(super) fn open(source: Source) -> Result<Self, Fault> {
        let size = source.size()?;
        let version = source.read(4, 1)?;
        let (header, footer) = match version.as_slice() {
            [1] => (24, 68),
            [2] => (28, 72),
            _ => return Err(Fault::Malformed("it is of a version that is not known")),
        };
        let body = size.checked_sub(footer).ok_or(Fault::Malformed(CUT))?;
        let footer = source.read(body, usize::try_from(footer).unwrap_or(usize::MAX))?;
        let (head, rest) = footer.split_at_checked(header).ok_or(Fault::Malformed(CUT))?;
        if !head.starts_with(MAGIC) || source.read(0, header)? != head {
            return Err(Fault::Malformed("header and footer are not alike"));
        }
        let (summed, sum) = footer.split_last_chunk::<4>().ok_or(Fault::Malformed(CUT))?;
        if crc32fast::hash(summed) != u32::from_be_bytes(*sum) {
            return Err(Fault::Malformed("the checksum of its footer is wrong"));
        }
        let format = match head.get(24..) {
            Some(b"" | b"sha1") => ObjectFormat::Sha1,
            Some(b"s256") => ObjectFormat::Sha256,
            _ => return Err(Fault::Malformed("its ids are of a kind that is not known")),
        };
        let block_size = number(head.get(5..8).unwrap_or_default());
        let begins = u64::try_from(header).unwrap_or(u64::MAX);
        let has_refs = body > begins && source.read(begins, 1)? == [REFS];
        let sections = Sections::parse(rest, body)?;
        let refs_end = if has_refs { sections.after(0) } else { 0 };
        let index = if has_refs && sections.index != 0 { sections.index..sections.after(sections.index) } else { 0..0 };
        Ok(Self { source, header, format, block_size, refs_end, index, kept: RefCell::default() })
    }

    pub(super) fn format(&self) -> ObjectFormat {
        self.format
    }

    /// Whether refs are looked up through an index.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn has_index(&self) -> bool {
        !self.index.is_empty()
    }

    /// What it says of one ref.
    pub(super) fn find(&self, name: &[u8]) -> Result<Option<Value>, Fault> {
        let Some(mut cursor) = self.seek(name, usize::MAX)? else { return Ok(None) };
        Ok(cursor.next(self)?.filter(|_| cursor.name() == name))
    }

    /// A cursor at the first ref whose name is not before this one; `None` where it is plain that there is none. No block of more than
    /// `limit` bytes is read.
    pub(super) fn seek(&self, name: &[u8], limit: usize) -> Result<Option<Cursor>, Fault> {
        let at =
            if self.index.is_empty() { self.block_by_first_names(name, limit)? } else { self.block_by_index(name)? };
        let Some(at) = at else { return Ok(None) };
        let (block, next) = self.block(at, self.refs_end, limit)?;
        if block.kind != REFS {
            return Err(Fault::Malformed(OTHER_KIND));
        }
        let mut cursor = Cursor { position: block.seek(name)?, block, next, last: Vec::new(), limit, ahead: None };
        while let Some(value) = cursor.next(self)? {
            if cursor.name() >= name {
                cursor.ahead = Some(value);
                return Ok(Some(cursor));
            }
        }
        Ok(None)
    }

    /// The last block whose first name is not behind this one. Only a small table has no index.
    fn block_by_first_names(&self, name: &[u8], limit: usize) -> Result<Option<u64>, Fault> {
        let (mut found, mut at) = (None, 0);
        while at < self.refs_end {
            let (block, next) = self.block(at, self.refs_end, limit)?;
            if block.kind != REFS || found.is_some() && block.first_key()?.as_slice() > name {
                break;
            }
            (found, at) = (Some(at), next);
        }
        Ok(found)
    }

    /// The block that holds a name, if any does.
    fn block_by_index(&self, name: &[u8]) -> Result<Option<u64>, Fault> {
        let mut at = self.index.start;
        for _ in 0..LEVELS {
            let is_highest = self.index.contains(&at);
            let end = if is_highest { self.index.end } else { self.refs_end };
            let (block, next) = self.block(at, end, usize::MAX)?;
            match block.kind {
                REFS if !is_highest => return Ok(Some(at)),
                INDEX => {}
                _ => return Err(Fault::Malformed(OTHER_KIND)),
            }
            let mut position = block.seek(name)?;
            let child = loop {
                match block.next_child(&mut position)? {
                    Some(child) if position.key.as_slice() >= name => break Some(child),
                    Some(_) => {}
                    None => break None,
                }
            };
            match child {
                // Each level lies before the one above it.
                Some(child) if child < at && child < self.refs_end => at = child,
                Some(_) => return Err(Fault::Malformed("its index leads in a circle")),
                // The highest level may have several blocks.
                None if is_highest && next < end => at = next,
                None => return Ok(None),
            }
        }
        Err(Fault::Malformed("its index has too many levels"))
    }

    /// The names of refs that it calls symbolic, of those that begin so.
    pub(super) fn symbolic_names(&self, prefix: &[u8], found: &mut dyn FnMut(&[u8])) -> Result<(), Fault> {
        let start = if self.index.is_empty() {
            self.block_by_first_names(prefix, usize::MAX)?
        } else {
            self.block_by_index(prefix)?
        };
        let Some(mut at) = start else { return Ok(()) };
        while at < self.refs_end {
            let (block, next) = self.block(at, self.refs_end, usize::MAX)?;
            if block.kind != REFS {
                return Ok(());
            }
            let first = block.first_key()?;
            if first.as_slice() > prefix && !first.starts_with(prefix) {
                return Ok(());
            }
            if block.has_symbolic() {
                let mut position = block.start();
                while let Some(value) = block.next_ref(&mut position, self.format)? {
                    if matches!(value, Value::Symbolic(_)) && position.key.starts_with(prefix) {
                        found(&position.key);
                    }
                }
            }
            at = next;
        }
        Ok(())
    }

    /// The block at a place of a section that ends at `end`, and where the next one begins.
    fn block(&self, at: u64, end: u64, limit: usize) -> Result<(Rc<Block>, u64), Fault> {
        if let Some(kept) = self.kept.borrow().iter().find(|kept| kept.at == at) {
            return Ok((kept.block.clone(), kept.next));
        }
        let room = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX);
        let header = if at == 0 { self.header } else { 0 };
        let mut bytes = self.source.read(at, GUESS.min(room))?;
        let length = Block::length(&bytes, header)?;
        if length > room {
            return Err(Fault::Malformed("a block ends behind its section"));
        }
        if length > limit {
            return Err(Fault::TooLarge);
        }
        // One byte more tells whether the block is filled up with zeros.
        if length >= bytes.len() && bytes.len() < room {
            bytes = self.source.read(at, length.saturating_add(1).min(room))?;
        }
        let is_filled_up = bytes.get(length).is_none_or(|byte| *byte == 0);
        let whole = if is_filled_up { length.max(self.block_size) } else { length };
        bytes.truncate(length);
        let block = Rc::new(Block::parse(bytes, header, self.format)?);
        let next = at.saturating_add(u64::try_from(whole).unwrap_or(u64::MAX));
        if block.size() <= KEPT_BYTES {
            let mut kept = self.kept.borrow_mut();
            kept.truncate(KEPT - 1);
            kept.insert(0, Kept { at, block: block.clone(), next });
        }
        Ok((block, next))
    }
}

/// A block that has been read.
struct Kept {
    at: u64,
    block: Rc<Block>,
    next: u64,
}

/// Where the sections of a table begin, as its footer says; zero where there is none.
struct Sections {
    index: u64,
    /// All of them.
    places: [u64; 5],
    /// Where the last one ends.
    end: u64,
}

impl Sections {
    /// Reads what of the footer follows the header's copy.
    fn parse(footer: &[u8], end: u64) -> Result<Self, Fault> {
        let mut places = [0; 5];
        for (place, bytes) in places.iter_mut().zip(footer.chunks_exact(8)) {
            *place = bytes.iter().fold(0, |place, byte| place << 8 | u64::from(*byte));
        }
        // Five bits of this one say how long the ids of objects are there.
        let [index, objects, objects_index, logs, logs_index] = places;
        let places = [index, objects >> 5, objects_index, logs, logs_index];
        if places.iter().any(|place| *place >= end && *place != 0) {
            return Err(Fault::Malformed("a section begins behind its end"));
        }
        Ok(Self { index, places, end })
    }

    /// Where a section ends that begins here.
    fn after(&self, begin: u64) -> u64 {
        self.places.iter().copied().filter(|place| *place > begin).min().unwrap_or(self.end)
    }
}

/// A place between two refs of a table.
pub(super) struct Cursor {
    block: Rc<Block>,
    position: Position,
    /// Where the next block begins.
    next: u64,
    /// The name before.
    last: Vec<u8>,
    /// Larger blocks are not read.
    limit: usize,
    /// A ref that has been read ahead.
    ahead: Option<Value>,
}

impl Cursor {
    /// The name of the ref that was read last.
    pub(super) fn name(&self) -> &[u8] {
        &self.position.key
    }

    /// Reads on to the next ref.
    pub(super) fn next(&mut self, table: &Table) -> Result<Option<Value>, Fault> {
        if let Some(value) = self.ahead.take() {
            return Ok(Some(value));
        }
        self.last.clone_from(&self.position.key);
        loop {
            if let Some(value) = self.block.next_ref(&mut self.position, table.format)? {
                if self.position.key.as_slice() <= self.last.as_slice() && !self.last.is_empty() {
                    return Err(Fault::Malformed("its refs are out of order"));
                }
                return Ok(Some(value));
            }
            if self.next >= table.refs_end {
                return Ok(None);
            }
            let (block, next) = table.block(self.next, table.refs_end, self.limit)?;
            if block.kind != REFS {
                // The lower levels of the index follow.
                return Ok(None);
            }
            (self.block, self.next, self.position) = (block.clone(), next, block.start());
        }
    }
}

fn number(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte))
}
