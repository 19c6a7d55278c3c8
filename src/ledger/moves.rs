//! The refs of one decision, as they would move. Those of a large one lie in a file of their own beside the state, where one is found
//! without reading the others: git starts a hook for each ref of a push, and a push that was killed may leave a hundred thousand.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::sync::Arc;

use serde::de::{MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::lines::SortedLines;
use crate::core::canonical::{CanonicalOid, RefName};
use crate::core::oid::Oid;

/// Refs that are kept in the state itself; of more, each in a file of their own.
const INLINE: usize = 256;

/// What every file of refs begins with; its name, and the bytes of its lines follow.
const HEADER: &str = "countersign-moves ";

/// Where a ref would move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ends {
    pub(super) old: Option<CanonicalOid>,
    pub(super) new: Option<CanonicalOid>,
}

/// Refs of a decision, found by name.
#[derive(Clone, Debug)]
pub(super) enum Moves {
    /// In memory. In the state's file they are a list, as earlier versions read and wrote it.
    Here(BTreeMap<RefName, Ends>),
    /// In a file of their own.
    Stored(Stored),
}

/// Refs in a file of their own.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stored {
    /// Its name, which no other content of this ledger's has.
    file: String,
    refs: usize,
    #[serde(skip)]
    lines: Option<Arc<SortedLines>>,
}

impl Default for Moves {
    fn default() -> Self {
        Self::Here(BTreeMap::new())
    }
}

impl PartialEq for Moves {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Here(one), Self::Here(other)) => one == other,
            (Self::Stored(one), Self::Stored(other)) => (&one.file, one.refs) == (&other.file, other.refs),
            (Self::Here(_), Self::Stored(_)) | (Self::Stored(_), Self::Here(_)) => false,
        }
    }
}

impl Eq for Moves {}

impl Moves {
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Here(moves) => moves.is_empty(),
            Self::Stored(stored) => stored.refs == 0,
        }
    }

    pub(super) fn find(&self, name: &RefName) -> io::Result<Option<Ends>> {
        match self {
            Self::Here(moves) => Ok(moves.get(name).copied()),
            Self::Stored(stored) => stored.lines()?.find(&name.0, parse),
        }
    }

    /// All of them, by name.
    pub(super) fn each(&self, each: &mut dyn FnMut(&RefName, &Ends)) -> io::Result<()> {
        match self {
            Self::Here(moves) => moves.iter().for_each(|(name, ends)| each(name, ends)),
            Self::Stored(stored) => {
                for line in stored.lines()?.iter() {
                    let (name, ends) = parse(&line?).ok_or(ErrorKind::InvalidData)?;
                    each(&RefName(name.as_slice().into()), &ends);
                }
            }
        }
        Ok(())
    }

    /// Takes them into memory.
    pub(super) fn load(&mut self) -> io::Result<()> {
        if let Self::Stored(_) = self {
            let mut moves = BTreeMap::new();
            self.each(&mut |name, ends| {
                moves.insert(name.clone(), *ends);
            })?;
            *self = Self::Here(moves);
        }
        Ok(())
    }

    /// Adds one to those that have been taken into memory.
    pub(super) fn insert(&mut self, name: RefName, ends: Ends) {
        if let Self::Here(moves) = self {
            moves.insert(name, ends);
        }
    }

    /// Takes one out of those that have been taken into memory.
    pub(super) fn remove(&mut self, name: &RefName) -> Option<(RefName, Ends)> {
        match self {
            Self::Here(moves) => moves.remove_entry(name),
            Self::Stored(_) => None,
        }
    }

    /// The name of their file, if they have one.
    pub(super) fn file(&self) -> Option<&str> {
        match self {
            Self::Here(_) => None,
            Self::Stored(stored) => Some(&stored.file),
        }
    }

    /// Whether they are to be put into a file of their own.
    pub(super) fn are_many(&self) -> bool {
        matches!(self, Self::Here(moves) if moves.len() > INLINE)
    }

    /// Writes the content of a file of this name.
    pub(super) fn write(&self, file: &str, out: &mut dyn Write) -> io::Result<()> {
        let Self::Here(moves) = self else { return Ok(()) };
        let mut bytes = 0;
        for one in moves {
            bytes += line(one).len();
        }
        writeln!(out, "{HEADER}{file} {bytes}")?;
        moves.iter().try_for_each(|one| out.write_all(&line(one)))
    }

    /// Says that they are in a file that was written.
    pub(super) fn store(&mut self, file: String) {
        if let Self::Here(moves) = self {
            *self = Self::Stored(Stored { file, refs: moves.len(), lines: None });
        }
    }

    /// Opens their file, if they have one.
    pub(super) fn open(&mut self, directory: &Path) -> io::Result<()> {
        let Self::Stored(stored) = self else { return Ok(()) };
        if stored.file.contains('/') {
            return Err(ErrorKind::InvalidData.into());
        }
        let (header, lines) =
            SortedLines::open(File::open(directory.join(&stored.file))?)?.ok_or(ErrorKind::InvalidData)?;
        if header != format!("{HEADER}{} {}", stored.file, lines.length()).as_bytes() {
            return Err(ErrorKind::InvalidData.into());
        }
        stored.lines = Some(Arc::new(lines));
        Ok(())
    }
}

impl Stored {
    fn lines(&self) -> io::Result<&SortedLines> {
        self.lines.as_deref().ok_or_else(|| ErrorKind::NotFound.into())
    }
}

/// `OLD SP NEW SP NAME`, with a dash for no value.
fn line((name, ends): (&RefName, &Ends)) -> Vec<u8> {
    let id = |id: Option<CanonicalOid>| id.map_or_else(|| "-".to_owned(), |id| id.0.to_string());
    [format!("{} {} ", id(ends.old), id(ends.new)).as_bytes(), &name.0, b"\n"].concat()
}

fn parse(line: &[u8]) -> Option<(Vec<u8>, Ends)> {
    let mut words = line.splitn(3, |byte| *byte == b' ');
    let mut id = || match words.next()? {
        b"-" => Some(None),
        hex => Oid::parse(hex).map(|id| Some(CanonicalOid(id))),
    };
    let (old, new) = (id()?, id()?);
    Some((words.next()?.to_vec(), Ends { old, new }))
}

/// One of them in the state's file.
#[derive(Serialize, Deserialize)]
struct Move {
    name: RefName,
    old: Option<CanonicalOid>,
    new: Option<CanonicalOid>,
}

impl Serialize for Moves {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let one = |(name, ends): (&RefName, &Ends)| Move { name: name.clone(), old: ends.old, new: ends.new };
        match self {
            Self::Here(moves) => serializer.collect_seq(moves.iter().map(one)),
            Self::Stored(stored) => stored.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Moves {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MovesVisitor)
    }
}

/// Takes one after the other into the map.
struct MovesVisitor;

impl<'de> Visitor<'de> for MovesVisitor {
    type Value = Moves;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a list of refs with their values, or the name of their file")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Moves, A::Error> {
        let mut moves = BTreeMap::new();
        while let Some(Move { name, old, new }) = list.next_element()? {
            moves.insert(name, Ends { old, new });
        }
        Ok(Moves::Here(moves))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Moves, A::Error> {
        Stored::deserialize(MapAccessDeserializer::new(map)).map(Moves::Stored)
    }
}
