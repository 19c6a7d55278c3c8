//! Blocks of a table and the records in them.

use super::Fault;
use crate::core::limits;
use crate::core::oid::{ObjectFormat, Oid};

/// A block of refs.
pub(super) const REFS: u8 = b'r';
/// A block of an index.
pub(super) const INDEX: u8 = b'i';

/// Before the records: the type, and how long the block is.
const HEAD: usize = 4;
/// Behind the records: how many restarts there are.
const TAIL: usize = 2;
/// What tells where a restart is.
const RESTART: usize = 3;

/// A block whose lengths have been checked.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) kind: u8,
    /// From its beginning up to the restarts.
    bytes: Vec<u8>,
    /// Where the records begin: the first block of a table holds the table's header too.
    records: usize,
    restarts: Vec<usize>,
    has_symbolic: bool,
}

impl Block {
    /// How long a block says that it is, from its first bytes. `header` is the table's in the first block, and nothing in others.
    pub(super) fn length(bytes: &[u8], header: usize) -> Result<usize, Fault> {
        let head = bytes.get(header..).and_then(<[u8]>::first_chunk::<HEAD>);
        let [_, high, middle, low] = *head.ok_or(Fault::Malformed("a block is cut off"))?;
        Ok(number(&[high, middle, low]))
    }

    /// Takes a block of exactly the length that it says.
    pub(super) fn parse(mut bytes: Vec<u8>, header: usize, format: ObjectFormat) -> Result<Self, Fault> {
        let kind = *bytes.get(header).ok_or(Fault::Malformed("a block is cut off"))?;
        let records = header.saturating_add(HEAD);
        let within = || {
            let end = bytes.len().checked_sub(TAIL)?;
            let begin = end.checked_sub(number(bytes.get(end..)?).checked_mul(RESTART)?)?;
            Some((begin, bytes.get(begin..end).filter(|_| begin >= records)?))
        };
        let (begin, restarts) = within().ok_or(Fault::Malformed("the restarts of a block are not within it"))?;
        let restarts: Vec<usize> = restarts.chunks_exact(RESTART).map(number).collect();
        bytes.truncate(begin);
        let mut block = Self { kind, bytes, records, restarts, has_symbolic: false };
        block.walk(format)?;
        Ok(block)
    }

    /// Makes sure that every restart is at a record that takes nothing from the name before, and looks for symbolic refs, without putting
    /// names together.
    fn walk(&mut self, format: ObjectFormat) -> Result<(), Fault> {
        let mut restarts = self.restarts.iter().peekable();
        let mut has_symbolic = false;
        let mut reader = self.reader(self.records)?;
        while !reader.rest.is_empty() {
            let at = self.bytes.len().saturating_sub(reader.rest.len());
            let (prefix, suffix, kind) = reader.key_lengths()?;
            if restarts.next_if_eq(&&at).is_some() && prefix != 0 {
                return Err(Fault::Malformed("a restart takes from the name before"));
            }
            reader.take(suffix)?;
            reader.varint()?;
            let value = match (self.kind, kind) {
                (REFS, 1) => format.id_len(),
                (REFS, 2) => format.id_len().saturating_mul(2),
                (REFS, 3) => {
                    has_symbolic = true;
                    reader.length()?
                }
                (REFS | INDEX, 0) => 0,
                _ => return Err(Fault::Malformed("a record has a value of a kind that is not known")),
            };
            reader.take(value)?;
        }
        if restarts.next().is_some() || self.restarts.first() != Some(&self.records) {
            return Err(Fault::Malformed("the restarts of a block are not those of its records"));
        }
        self.has_symbolic = has_symbolic;
        Ok(())
    }

    /// Whether a ref of this block is symbolic.
    pub(super) fn has_symbolic(&self) -> bool {
        self.has_symbolic
    }

    /// The bytes that it takes in memory.
    pub(super) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Its records from the first on.
    pub(super) fn start(&self) -> Position {
        Position { at: self.records, key: Vec::new() }
    }

    /// The name that it begins with.
    pub(super) fn first_key(&self) -> Result<Vec<u8>, Fault> {
        let mut position = self.start();
        self.next_key(&mut position)?.ok_or(Fault::Malformed("a block is empty"))?;
        Ok(position.key)
    }

    /// Where to look for a name: no record before this has it or one behind it.
    pub(super) fn seek(&self, name: &[u8]) -> Result<Position, Fault> {
        let (mut low, mut high) = (0, self.restarts.len());
        let mut found = self.start();
        while low < high {
            let middle = low.midpoint(high);
            let at = *self.restarts.get(middle).ok_or(Fault::Malformed("a restart is missing"))?;
            let mut position = Position { at, key: Vec::new() };
            self.next_key(&mut position)?.ok_or(Fault::Malformed("a restart is at no record"))?;
            if position.key.as_slice() < name {
                (low, found.at) = (middle.saturating_add(1), at);
            } else {
                high = middle;
            }
        }
        Ok(found)
    }

    /// Reads the key of the record at a position, which goes on to what follows the key. Returns what the key's length says of the kind of
    /// value; `None` where there are no more records.
    fn next_key(&self, position: &mut Position) -> Result<Option<u8>, Fault> {
        if position.at >= self.bytes.len() {
            return Ok(None);
        }
        let mut reader = self.reader(position.at)?;
        let (prefix, suffix, kind) = reader.key_lengths()?;
        if prefix > position.key.len() {
            return Err(Fault::Malformed("a name takes more from the one before than that has"));
        }
        let suffix = reader.take(suffix)?;
        if prefix.saturating_add(suffix.len()) > limits::REF_BYTES {
            return Err(Fault::Malformed("a name is longer than any that git makes files of"));
        }
        position.key.truncate(prefix);
        position.key.extend_from_slice(suffix);
        position.at = self.bytes.len().saturating_sub(reader.rest.len());
        Ok(Some(kind))
    }

    /// The next ref, whose name is then the position's key.
    pub(super) fn next_ref(&self, position: &mut Position, format: ObjectFormat) -> Result<Option<Value>, Fault> {
        let Some(kind) = self.next_key(position)? else { return Ok(None) };
        let mut reader = self.reader(position.at)?;
        reader.varint()?;
        let value = match kind {
            0 => Value::Deletion,
            1 => Value::Id { id: reader.id(format)?, peeled: None },
            2 => Value::Id { id: reader.id(format)?, peeled: Some(reader.id(format)?) },
            3 => {
                let length = reader.length()?;
                Value::Symbolic(reader.take(length)?.to_vec())
            }
            _ => return Err(Fault::Malformed("a ref has a value of a kind that is not known")),
        };
        position.at = self.bytes.len().saturating_sub(reader.rest.len());
        Ok(Some(value))
    }

    /// The next line of an index: where the block is whose last name is then the position's key.
    pub(super) fn next_child(&self, position: &mut Position) -> Result<Option<u64>, Fault> {
        if self.next_key(position)?.is_none() {
            return Ok(None);
        }
        let mut reader = self.reader(position.at)?;
        let child = reader.varint()?;
        position.at = self.bytes.len().saturating_sub(reader.rest.len());
        Ok(Some(child))
    }

    fn reader(&self, at: usize) -> Result<Reader<'_>, Fault> {
        self.bytes.get(at..).map(|rest| Reader { rest }).ok_or(Fault::Malformed("a record is not within its block"))
    }
}

/// A place between two records of a block.
#[derive(Clone, Debug, Default)]
pub(super) struct Position {
    at: usize,
    /// The name of the record before it.
    pub(super) key: Vec<u8>,
}

/// What a table says of a ref.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// It is gone, whatever older tables say.
    Deletion,
    Id {
        id: Oid,
        /// What an annotated tag leads to.
        peeled: Option<Oid>,
    },
    /// It stands for this ref.
    Symbolic(Vec<u8>),
}

const TOO_LARGE: &str = "a number is too large";

struct Reader<'b> {
    rest: &'b [u8],
}

impl<'b> Reader<'b> {
    fn take(&mut self, length: usize) -> Result<&'b [u8], Fault> {
        let (taken, rest) =
            self.rest.split_at_checked(length).ok_or(Fault::Malformed("a record ends behind its block"))?;
        self.rest = rest;
        Ok(taken)
    }

    /// A number as packs write offsets: each byte but the last has its highest bit set, and adds one.
    fn varint(&mut self) -> Result<u64, Fault> {
        let mut value: u64 = 0;
        loop {
            let byte = self.take(1)?.first().copied().unwrap_or_default();
            let longer = value.checked_mul(128).and_then(|value| value.checked_add(u64::from(byte & 0x7f)));
            value = longer.ok_or(Fault::Malformed(TOO_LARGE))?;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
            value = value.checked_add(1).ok_or(Fault::Malformed(TOO_LARGE))?;
        }
    }

    fn length(&mut self) -> Result<usize, Fault> {
        usize::try_from(self.varint()?).map_err(|_| Fault::Malformed(TOO_LARGE))
    }

    /// How much of the name before, how much of its own, and the kind of value.
    fn key_lengths(&mut self) -> Result<(usize, usize, u8), Fault> {
        let prefix = self.length()?;
        let suffix = self.length()?;
        let kind = u8::try_from(suffix & 7).map_err(|_| Fault::Malformed(TOO_LARGE))?;
        Ok((prefix, suffix >> 3, kind))
    }

    fn id(&mut self, format: ObjectFormat) -> Result<Oid, Fault> {
        let raw = self.take(format.id_len())?;
        let id = Oid::from_bytes(raw).filter(|_| raw.iter().any(|byte| *byte != 0));
        id.ok_or(Fault::Malformed("a ref has the null id"))
    }
}

/// A number of at most three bytes, the highest first.
fn number(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_numbers_as_packs_write_them() {
        for (bytes, value) in [
            (&[0][..], Some(0)),
            (&[0x7f], Some(127)),
            (&[0x80, 0], Some(128)),
            (&[0x80, 0x7f], Some(255)),
            (&[0x81, 0], Some(256)),
            (&[0xff, 0x7f], Some(16511)),
            (&[0x80, 0x80, 0], Some(16512)),
            (&[0x80], None),
            (&[], None),
            (&[0xff; 12], None),
        ] {
            assert_eq!(Reader { rest: bytes }.varint().ok(), value, "{bytes:?}");
        }
    }
}
