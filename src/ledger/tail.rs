//! Reading on from where a reader was: each record's own number and signature are checked, which is over all before it.

use std::fs::File;
use std::io::{BufReader, Seek as _, SeekFrom};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::entry::{Entry, Opened};
use super::error::LedgerError;
use super::record::{Record, RecordError};
use super::store::{LOG, Line, opened, read_line};
use crate::core::digest::Digest;
use crate::core::ssh::PublicKey;

/// How far a log was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Entries.
    pub entries: u64,
    /// Bytes of the file.
    pub bytes: u64,
}

/// Reads the records after a position, up to the last whole one, and hands each to `each` with the name of the repository and its
/// number until that says to stop. It reads the log only, and neither locks nor writes. Returns how far it came.
///
/// # Errors
/// [`LedgerError`] at the first record that is not the next one, or that the ledger's key has not signed: among them every log that is
/// another than the one that was read before.
pub fn read_on(
    directory: &Path,
    from: Position,
    each: &mut dyn FnMut(&str, u64, &Entry) -> bool,
) -> Result<Position, LedgerError> {
    let Opened { repository, key, .. } = opened(directory)?;
    let mut at = from;
    let corrupt = |at: Position, reason| LedgerError::Corrupt { number: at.entries, offset: at.bytes, reason };
    let (key, _) = PublicKey::parse_line(&key)
        .map_err(|error| corrupt(at, RecordError::Entry(format!("the ledger's key: {error}"))))?;
    let path = directory.join(LOG);
    let failed = |error| LedgerError::Io(path.clone(), error);
    let mut file = File::open(&path).map_err(failed)?;
    if file.metadata().map_err(failed)?.len() < from.bytes {
        return Err(corrupt(at, RecordError::Size(from.entries)));
    }
    file.seek(SeekFrom::Start(from.bytes)).map_err(failed)?;
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let mut line = Vec::new();
    // What has no line feed yet is being written, or is what a crash left, which the next push cuts off.
    while let Line::Whole = read_line(&mut reader, &mut line).map_err(failed)? {
        let record = Record::parse(line.strip_suffix(b"\n").unwrap_or(&line)).map_err(|reason| corrupt(at, reason))?;
        if record.size != at.entries + 1 {
            return Err(corrupt(at, RecordError::Size(record.size)));
        }
        let entry = record.verify(&repository, &key).and_then(|()| record.entry());
        let entry = entry.map_err(|reason| corrupt(at, reason))?;
        if !each(&repository, at.entries, &entry) {
            break;
        }
        at.entries += 1;
        at.bytes += u64::try_from(line.len()).unwrap_or(u64::MAX);
    }
    Ok(at)
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
        let record = record.map_err(|reason| LedgerError::Corrupt { number: at.entries, offset: at.bytes, reason })?;
        if record.size == size {
            return Ok(Some(record.root));
        }
        at.entries += 1;
        at.bytes += u64::try_from(line.len()).unwrap_or(u64::MAX);
    }
    Ok(None)
}
