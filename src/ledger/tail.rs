//! Reading on from where a reader was: each record's own number and signature are checked, which is over all before it.

use std::fs::File;
use std::io::{BufReader, Seek as _, SeekFrom};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::entry::{Entry, Opened};
use super::error::LedgerError;
use super::record::{Record, RecordError};
use super::rotate::generation;
use super::scan::{key_of_line, successor};
use super::store::{LOG, Line, opened, read_line};
use crate::core::digest::Digest;

/// How far a log was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The number of the generation.
    #[serde(default, skip_serializing_if = "is_first")]
    pub generation: u64,
    /// Entries.
    pub entries: u64,
    /// Bytes of the file.
    pub bytes: u64,
    /// The key that signs what follows, as a line of a `.pub` file, where it is not the one that the log begins with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

fn is_first(generation: &u64) -> bool {
    *generation == 0
}

/// The number of the generation of the log in a directory.
pub(super) fn generation_of(directory: &Path) -> Result<u64, LedgerError> {
    let path = directory.join(LOG);
    let failed = |error| LedgerError::Io(path.clone(), error);
    let mut reader = BufReader::new(File::open(&path).map_err(failed)?);
    let (mut line, mut at) = (Vec::new(), Position::default());
    // It stands in the third record, after the first and the version.
    while at.entries < 3
        && let Line::Whole = read_line(&mut reader, &mut line).map_err(failed)?
    {
        let record = Record::parse(line.strip_suffix(b"\n").unwrap_or(&line));
        let entry = record.and_then(|record| record.entry()).map_err(|reason| corrupt(&at, reason))?;
        if let Entry::Continues(continues) = entry {
            return Ok(continues.generation);
        }
        at.entries += 1;
        at.bytes += u64::try_from(line.len()).unwrap_or(u64::MAX);
    }
    Ok(0)
}

/// Reads the records after a position, up to the last whole one of the log of today and first of those before it, and hands each to `each` with
/// the name of the repository and its number until that says to stop. It reads logs only, and neither locks nor writes. Returns how far it came.
///
/// # Errors
/// [`LedgerError`] at the first record that is not the next one, or that the ledger's key has not signed, and where a generation has gone
/// that was not read to its end.
pub fn read_on_over(
    directory: &Path,
    from: Position,
    each: &mut dyn FnMut(&str, u64, &Entry) -> bool,
) -> Result<Position, LedgerError> {
    opened(directory)?;
    let (now, mut at, mut goes_on) = (generation_of(directory)?, from, true);
    while at.generation < now && goes_on {
        let before = generation(directory, at.generation);
        let number = at.generation;
        at = read_on(&before, at, &mut |repository, number, entry| {
            goes_on = each(repository, number, entry);
            goes_on
        })?;
        if goes_on {
            at = Position { generation: number + 1, ..Position::default() };
        }
    }
    if goes_on { read_on(directory, at, each) } else { Ok(at) }
}

/// Reads the records after a position, up to the last whole one, and hands each to `each` with the name of the repository and its
/// number until that says to stop. It reads the log only, and neither locks nor writes. Returns how far it came.
///
/// # Errors
/// [`LedgerError`] at the first record that is not the next one, or that the ledger's key has not signed: among them every log that is
/// another than the one that was read before.
fn read_on(
    directory: &Path,
    from: Position,
    each: &mut dyn FnMut(&str, u64, &Entry) -> bool,
) -> Result<Position, LedgerError> {
    let Opened { repository, key, .. } = opened(directory)?;
    let mut at = from;
    let mut key = key_of_line(at.key.as_deref().unwrap_or(&key)).map_err(|reason| corrupt(&at, reason))?;
    let path = directory.join(LOG);
    let failed = |error| LedgerError::Io(path.clone(), error);
    let mut file = File::open(&path).map_err(failed)?;
    if file.metadata().map_err(failed)?.len() < at.bytes {
        return Err(corrupt(&at, RecordError::Size(at.entries)));
    }
    file.seek(SeekFrom::Start(at.bytes)).map_err(failed)?;
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let mut line = Vec::new();
    // What has no line feed yet is being written, or is what a crash left, which the next push cuts off.
    while let Line::Whole = read_line(&mut reader, &mut line).map_err(failed)? {
        let record = Record::parse(line.strip_suffix(b"\n").unwrap_or(&line)).map_err(|reason| corrupt(&at, reason))?;
        if record.head.size != at.entries + 1 {
            return Err(corrupt(&at, RecordError::Size(record.head.size)));
        }
        let entry = record.entry().map_err(|reason| corrupt(&at, reason))?;
        if let Entry::Rekeyed(rekeyed) = &entry {
            key = successor(&key, rekeyed).map_err(|reason| corrupt(&at, reason))?;
        }
        record.head.verify(&repository, &key).map_err(|reason| corrupt(&at, reason))?;
        if !each(&repository, at.entries, &entry) {
            break;
        }
        if let Entry::Rekeyed(rekeyed) = entry {
            at.key = Some(rekeyed.key);
        }
        at.entries += 1;
        at.bytes += u64::try_from(line.len()).unwrap_or(u64::MAX);
    }
    Ok(at)
}

fn corrupt(at: &Position, reason: RecordError) -> LedgerError {
    LedgerError::Corrupt { number: at.entries, offset: at.bytes, reason }
}

/// The root over the first entries of a log, as its record says it; [`super::read`] checks that it is. `None` where there are not as many.
///
/// # Errors
/// [`LedgerError`] where the log cannot be read as far.
pub fn root_at(directory: &Path, size: u64) -> Result<Option<Digest>, LedgerError> {
    let path = directory.join(LOG);
    let failed = |error| LedgerError::Io(path.clone(), error);
    let mut reader = BufReader::with_capacity(1 << 18, File::open(&path).map_err(failed)?);
    let (mut line, mut at) = (Vec::new(), Position::default());
    while let Line::Whole = read_line(&mut reader, &mut line).map_err(failed)? {
        let record = Record::parse(line.strip_suffix(b"\n").unwrap_or(&line));
        let record = record.map_err(|reason| corrupt(&at, reason))?;
        if record.head.size == size {
            return Ok(Some(record.head.root));
        }
        at.entries += 1;
        at.bytes += u64::try_from(line.len()).unwrap_or(u64::MAX);
    }
    Ok(None)
}
