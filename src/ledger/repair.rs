//! Putting records right that a disk has changed. Nothing of the log is given up for it: a record is proved by the tree over those before
//! it and by what the ledger's key signs, which is the same whenever it signs the same. So one changed byte can be told, and more with a
//! copy of the log.

use std::fs::{File, OpenOptions};
use std::io::{BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::error::LedgerError;
use super::merkle::{Frontier, leaf};
use super::record::{self, Record, RecordError, Signer};
use super::state::State;
use super::store::{LOCK, LOG, Ledger, Line, check, is_torn, log_of, read_line};
use crate::core::limits;

/// Records that one run puts right. Where more are damaged, so is the disk.
const AT_MOST: usize = 64;

/// Bytes of an entry in which any change of a byte is tried, in a second or two; in a longer one, any of a bit.
const ANY_BYTE: usize = 4096;

/// What every line begins with.
const START: &[u8] = b"{\"entry\":";

/// The first record that does not verify.
struct Damage {
    state: State,
    reason: RecordError,
}

impl Ledger {
    /// Puts right every record that does not verify: from a copy of the log, and where there is none, or it does not have the record, by
    /// finding the one byte that was changed. Records that were cut off at the end come from the copy. What stood there is kept in a file beside the log. Returns the numbers of the records.
    ///
    /// # Errors
    /// [`LedgerError::Corrupt`] for a record that cannot be put right; those before it have been.
    pub fn repair(&self, copy: Option<&Path>) -> Result<Vec<u64>, LedgerError> {
        let _lock = self.lock(LOCK)?;
        let log = self.path(LOG);
        let failed = |error| LedgerError::Io(log.clone(), error);
        let mut repaired = Vec::new();
        while let Some(Damage { state, reason }) = self.first_damage()? {
            let (number, offset) = (state.size(), state.bytes);
            let corrupt = || LedgerError::Corrupt { number, offset, reason: reason.clone() };
            if reason == RecordError::Newer || repaired.len() == AT_MOST {
                return Err(corrupt());
            }
            let found = read_at(&log, offset).map_err(failed)?;
            let copied = || self.copied_line(copy?, &state);
            let line = copied().or_else(|| self.mended(&found, &state)).ok_or_else(corrupt)?;
            let (damaged, rest) = found.split_at_checked(line.len()).ok_or_else(corrupt)?;
            // Where bytes are missing, or too many, what follows does not stand where it would.
            if rest.iter().zip(START).filter(|(one, other)| one != other).count() > 1 {
                return Err(corrupt());
            }
            self.replace(&format!("damaged-{number}"), 0o600, damaged)?;
            let file = OpenOptions::new().write(true).open(&log).map_err(failed)?;
            file.write_all_at(&line, offset).and_then(|()| file.sync_data()).map_err(failed)?;
            repaired.push(number);
        }
        if let Some(copy) = copy {
            repaired.extend(self.restore_end(copy)?);
        }
        Ok(repaired)
    }

    /// Appends the records that a copy of the log has after its last one: somebody has cut it short. Returns their numbers.
    fn restore_end(&self, copy: &Path) -> Result<Vec<u64>, LedgerError> {
        let log = self.path(LOG);
        let failed = |error| LedgerError::Io(log.clone(), error);
        let mut state = self.end()?;
        let mut file = OpenOptions::new().write(true).open(&log).map_err(failed)?;
        let torn = file.metadata().map_err(failed)?.len() > state.bytes;
        let mut frontier = state.frontier().unwrap_or_default();
        let (mut restored, mut line) = (Vec::new(), Vec::new());
        let from = log_of(copy);
        let unread = |error| LedgerError::Io(from.clone(), error);
        let mut source = File::open(&from).map_err(unread)?;
        source.seek(SeekFrom::Start(state.bytes)).map_err(unread)?;
        let mut reader = BufReader::with_capacity(1 << 18, source);
        while let Line::Whole = read_line(&mut reader, &mut line).map_err(unread)? {
            let (number, offset) = (state.size(), state.bytes);
            let (entry, leaf) = self.next(&line, &state, &mut frontier).map_err(|reason| LedgerError::Corrupt {
                number,
                offset,
                reason,
            })?;
            if restored.is_empty() && torn {
                file.set_len(offset).map_err(failed)?;
            }
            file.seek(SeekFrom::Start(offset)).and_then(|_| file.write_all(&line)).map_err(failed)?;
            state.apply(&entry, leaf, u64::try_from(line.len()).unwrap_or(u64::MAX), &frontier);
            restored.push(number);
        }
        file.sync_data().map_err(failed)?;
        Ok(restored)
    }

    /// The state after the last record of a log that verifies.
    fn end(&self) -> Result<State, LedgerError> {
        match self.walk()? {
            (state, None) => Ok(state),
            (state, Some(reason)) => Err(LedgerError::Corrupt { number: state.size(), offset: state.bytes, reason }),
        }
    }

    fn first_damage(&self) -> Result<Option<Damage>, LedgerError> {
        let (state, reason) = self.walk()?;
        Ok(reason.map(|reason| Damage { state, reason }))
    }

    /// Reads the log as far as it verifies, and says what does not.
    fn walk(&self) -> Result<(State, Option<RecordError>), LedgerError> {
        let log = self.path(LOG);
        let failed = |error| LedgerError::Io(log.clone(), error);
        let mut reader = BufReader::with_capacity(1 << 18, File::open(&log).map_err(failed)?);
        let (mut state, mut frontier, mut line) = (State::empty(), Frontier::default(), Vec::new());
        loop {
            match read_line(&mut reader, &mut line).map_err(failed)? {
                Line::End => return Ok((state, None)),
                Line::Cut if is_torn(&line) => return Ok((state, None)),
                Line::Cut => return Ok((state, Some(RecordError::Form))),
                Line::Whole => {}
            }
            match self.next(&line, &state, &mut frontier) {
                Ok((entry, leaf)) => {
                    state.apply(&entry, leaf, u64::try_from(line.len()).unwrap_or(u64::MAX), &frontier);
                }
                Err(reason) => return Ok((state, Some(reason))),
            }
        }
    }

    /// The entry of a line that is the next record, and its hash. That its signatures verify as they stand, only the current key tells;
    /// what a key before signed is told by the tree.
    fn next(
        &self,
        line: &[u8],
        state: &State,
        frontier: &mut Frontier,
    ) -> Result<(super::Entry, crate::core::digest::Digest), RecordError> {
        let record = Record::parse(line.strip_suffix(b"\n").unwrap_or(line))?;
        let found = check(&record, frontier, state.version)?;
        match record.head.verify(&self.repository, self.key.public()) {
            Ok(()) | Err(RecordError::Key) => Ok(found),
            Err(reason) => Err(reason),
        }
    }

    /// The record that a copy of the log has in this place.
    fn copied_line(&self, copy: &Path, state: &State) -> Option<Vec<u8>> {
        let found = read_at(&log_of(copy), state.bytes).ok()?;
        let end = found.iter().position(|byte| *byte == b'\n')?;
        let line = found.get(..=end)?.to_vec();
        self.next(&line, state, &mut state.frontier()?).ok().map(|_| line)
    }

    /// The record that one changed byte has made of what was found in its place.
    fn mended(&self, found: &[u8], state: &State) -> Option<Vec<u8>> {
        let is_end =
            |place: &usize| found.get(place + 1..).is_some_and(|rest| rest.is_empty() || rest.starts_with(START));
        // A line feed may have become another byte, or another byte a line feed.
        let ends = (0..found.len()).filter(|place| found.get(*place) == Some(&b'\n') || is_end(place));
        ends.take(4).find_map(|end| self.mended_line(found.get(..=end)?, state))
    }

    fn mended_line(&self, found: &[u8], state: &State) -> Option<Vec<u8>> {
        let frontier = state.frontier()?;
        let signer = Signer { repository: &self.repository, key: &self.key };
        let line = |json: &[u8]| {
            let mut frontier = frontier.clone();
            frontier.push(leaf(json));
            let json = std::str::from_utf8(json).ok()?;
            Some(record::write(json, &frontier, signer, state.version).into_bytes())
        };
        let is_near = |line: &Vec<u8>| {
            line.len() == found.len() && line.iter().zip(found).filter(|(one, other)| one != other).count() <= 1
        };
        let beside = line(b"")?.len();
        let json = found.get(START.len()..START.len() + found.len().checked_sub(beside)?)?;
        if let Some(line) = line(json).filter(is_near) {
            return Some(line);
        }
        // The byte is one of the entry: all that follows is as it was, the root among it.
        let root = Record::parse(&[START, b"0", found.get(START.len() + json.len()..)?.strip_suffix(b"\n")?].concat())
            .ok()?
            .head
            .root;
        let mut changed = json.to_vec();
        let is_change = |change: &u8| json.len() <= ANY_BYTE || change.is_power_of_two();
        let changes: Vec<u8> = (1..=u8::MAX).filter(is_change).collect();
        for place in 0..json.len() {
            for change in &changes {
                let byte = changed.get_mut(place)?;
                *byte ^= change;
                let mut with = frontier.clone();
                with.push(leaf(&changed));
                if with.root() == root {
                    return line(&changed).filter(is_near);
                }
                *changed.get_mut(place)? ^= change;
            }
        }
        None
    }
}

/// What stands from `offset` on, as far as two records can reach.
fn read_at(path: &Path, offset: u64) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.take(u64::try_from(limits::RECORD_BYTES).unwrap_or(u64::MAX).saturating_mul(2)).read_to_end(&mut bytes)?;
    Ok(bytes)
}
