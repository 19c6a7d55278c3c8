//! Reading the log from its beginning: for people who look, for proof that nothing was changed, and to make again what is kept
//! beside it.

use std::fs::File;
use std::io::{BufReader, Seek as _, SeekFrom};
use std::path::Path;

use base64ct::{Base64, Encoding as _};

use super::entry::{Continues, Entry, Opened, Rekeyed};
use super::error::LedgerError;
use super::merkle::Frontier;
use super::record::{REKEY_NAMESPACE, Record, RecordError, SignedHead};
use super::state::State;
use super::store::{LOG, Ledger, Line, check, is_torn, opened, read_line};
use crate::core::digest::Digest;
use crate::core::ssh::{ClaimedSignature, PublicKey};

/// What reading a whole log found.
#[derive(Debug)]
pub struct Verified {
    /// The repository whose ledger it is.
    pub repository: String,
    /// The key that signs it first.
    pub first_key: PublicKey,
    /// The key that signs it now.
    pub key: PublicKey,
    /// The log that it goes on from, if any.
    pub continues: Option<Continues>,
    /// Entries.
    pub size: u64,
    /// The root over them.
    pub root: Digest,
    /// Bytes at the end that a crash left of an entry.
    pub torn: usize,
    /// The state after the last entry.
    pub state: State,
}

/// How thoroughly signatures are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signatures {
    /// Each record's.
    All,
    /// The last one's, which is over everything before it.
    Last,
}

/// Records whose signatures are verified together, by as many threads as there are cores.
const BATCH: usize = 4096;

struct Head {
    number: u64,
    offset: u64,
    signed: SignedHead,
    key: PublicKey,
}

/// Reads a log from its first record, checking form, numbers, roots and signatures, and hands each entry to `each`
/// with its number and the bytes of its record. It reads the log only, and neither locks nor writes, so it works on a copy too.
///
/// # Errors
/// [`LedgerError`] at the first record that does not verify.
pub fn read(
    directory: &Path,
    signatures: Signatures,
    each: &mut dyn FnMut(u64, u64, &Entry),
) -> Result<Verified, LedgerError> {
    let Opened { repository, key, .. } = opened(directory)?;
    let corrupt = |number, offset, reason| LedgerError::Corrupt { number, offset, reason };
    let mut key = key_of_line(&key).map_err(|reason| corrupt(0, 0, reason))?;
    let path = directory.join(LOG);
    let failed = |error| LedgerError::Io(path.clone(), error);
    let mut reader = BufReader::with_capacity(1 << 18, File::open(&path).map_err(failed)?);
    let (mut state, mut frontier, mut line, mut torn) = (State::empty(), Frontier::default(), Vec::new(), 0);
    let (first_key, mut continues) = (key.clone(), None);
    let mut batch: Vec<Head> = Vec::new();
    loop {
        let (number, offset) = (state.size, state.bytes);
        match read_line(&mut reader, &mut line).map_err(failed)? {
            Line::End => break,
            Line::Cut if is_torn(&line) => {
                torn = line.len();
                break;
            }
            Line::Cut => return Err(corrupt(number, offset, RecordError::Form)),
            Line::Whole => {}
        }
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let record = Record::parse(text).map_err(|reason| corrupt(number, offset, reason))?;
        let (entry, leaf) =
            check(&record, &mut frontier, state.version).map_err(|reason| corrupt(number, offset, reason))?;
        if let Entry::Rekeyed(rekeyed) = &entry {
            key = successor(&key, rekeyed).map_err(|reason| corrupt(number, offset, reason))?;
        }
        if let Entry::Continues(own) = &entry {
            continues = Some(own.clone());
        }
        let length = u64::try_from(line.len()).unwrap_or(u64::MAX);
        state.apply(&entry, leaf, length, &frontier);
        if signatures == Signatures::Last {
            batch.clear();
        }
        batch.push(Head { number, offset, signed: record.head, key: key.clone() });
        if batch.len() >= BATCH {
            verify_all(&batch, &repository)?;
            batch.clear();
        }
        each(number, length, &entry);
    }
    verify_all(&batch, &repository)?;
    Ok(Verified { repository, first_key, key, continues, size: frontier.size(), root: frontier.root(), torn, state })
}

pub(super) fn key_of_line(line: &str) -> Result<PublicKey, RecordError> {
    let parsed = PublicKey::parse_line(line);
    parsed.map(|(key, _)| key).map_err(|error| RecordError::Entry(format!("the ledger's key: {error}")))
}

/// The key that takes over, if the one before signed it.
pub(super) fn successor(key: &PublicKey, rekeyed: &Rekeyed) -> Result<PublicKey, RecordError> {
    let blob = Base64::decode_vec(&rekeyed.signature).map_err(|_| RecordError::Form)?;
    let verified = ClaimedSignature::from_blob(&blob)
        .and_then(|claimed| claimed.verify(REKEY_NAMESPACE, rekeyed.key.as_bytes()))
        .map_err(RecordError::Signature)?;
    if verified.key() == key { key_of_line(&rekeyed.key) } else { Err(RecordError::Key) }
}

fn verify_all(batch: &[Head], repository: &str) -> Result<(), LedgerError> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let share = batch.len().div_ceil(threads).max(1);
    let verify = |heads: &[Head]| {
        heads.iter().try_for_each(|head| {
            head.signed.verify(repository, &head.key).map_err(|reason| LedgerError::Corrupt {
                number: head.number,
                offset: head.offset,
                reason,
            })
        })
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = batch.chunks(share).map(|heads| scope.spawn(move || verify(heads))).collect();
        // The first failure in the order of the log, whichever thread was first.
        workers.into_iter().try_for_each(|worker| {
            worker.join().unwrap_or_else(|_| {
                let reason = RecordError::Entry("a thread that verified it failed".into());
                Err(LedgerError::Corrupt { number: 0, offset: 0, reason })
            })
        })
    })
}

impl Ledger {
    /// Hands the entries from `from` up to, and without, `to` to `each`.
    pub(super) fn read_entries(
        &self,
        from: u64,
        to: u64,
        each: &mut dyn FnMut(u64, &Entry),
    ) -> Result<(), LedgerError> {
        if from >= to {
            return Ok(());
        }
        let start = match self.offset(from)? {
            Some(start) => start,
            None => {
                self.rebuild_offsets()?;
                let gone = || LedgerError::Corrupt { number: from, offset: 0, reason: RecordError::Form };
                self.offset(from)?.ok_or_else(gone)?
            }
        };
        let path = self.path(LOG);
        let failed = |error| LedgerError::Io(path.clone(), error);
        let mut file = File::open(&path).map_err(failed)?;
        self.check_log(&file)?;
        file.seek(SeekFrom::Start(start)).map_err(failed)?;
        let mut reader = BufReader::with_capacity(1 << 16, file);
        let (mut line, mut offset) = (Vec::new(), start);
        for number in from..to {
            let corrupt = |reason| LedgerError::Corrupt { number, offset, reason };
            match read_line(&mut reader, &mut line).map_err(failed)? {
                Line::Whole => {}
                Line::End | Line::Cut => return Err(corrupt(RecordError::Form)),
            }
            let record = Record::parse(line.strip_suffix(b"\n").unwrap_or(&line)).map_err(corrupt)?;
            if record.head.size != number.saturating_add(1) {
                return Err(corrupt(RecordError::Size(record.head.size)));
            }
            each(number, &record.entry().map_err(corrupt)?);
            offset = offset.saturating_add(u64::try_from(line.len()).unwrap_or(u64::MAX));
        }
        Ok(())
    }
}
