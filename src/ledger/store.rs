//! The directory: the log, its key, its lock, and files that can be made again from the log.

use std::cell::Cell;
use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, BufWriter, Read as _, Seek as _, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base64ct::{Base64, Encoding as _};

use super::entry::{Entry, How, Opened, Placed, Raised, Recovered, Rekeyed, VERSION};
use super::error::LedgerError;
use super::fault;
use super::kept;
use super::locks;
use super::merkle::{Frontier, leaf};
use super::place::{Place, Serves, Standing};
use super::record::{self, REKEY_NAMESPACE, Record, RecordError, SignedHead, Signer};
use super::state::State;
use crate::core::canonical::{Sha256, Time};
use crate::core::decide::Timestamp;
use crate::core::digest::Digest;
use crate::core::id::RepositoryName;
use crate::core::limits;
use crate::core::ssh::PrivateKey;

/// Seconds to wait for the lock. An append takes milliseconds; a hundred of them in a row take less than this.
const LOCK_SECONDS: u64 = 10;

/// One repository's ledger, open.
pub struct Ledger {
    pub(super) directory: PathBuf,
    pub(super) repository: String,
    pub(super) key: PrivateKey,
    /// The key that signs what is appended, where another takes over.
    pub(super) successor: Option<PrivateKey>,
    /// The repository that it serves, where it is asked to serve one.
    pub(super) serves: Option<Serves>,
    /// The last tree head that this process has signed or verified.
    head: Cell<Option<(u64, Digest)>>,
    /// The number of the log's file, as this process first saw it.
    log: Cell<Option<u64>>,
}

/// What an append writes.
pub struct Plan<'e> {
    /// The entries, each made when it is its turn.
    pub(super) entries: Box<dyn Iterator<Item = Entry> + 'e>,
    /// What becomes of a state that was changed without an entry.
    pub(super) keeps: Keep,
}

/// Whether the state is kept where there is no entry.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// It is as it was.
    Nothing,
    /// It was changed.
    State,
}

impl<'e> Plan<'e> {
    /// Entries, and no other change.
    pub fn of(entries: impl IntoIterator<Item = Entry, IntoIter: 'e>) -> Self {
        Self { entries: Box::new(entries.into_iter()), keeps: Keep::Nothing }
    }
}

/// The log's end, as one process sees it.
struct Tail {
    state: State,
    /// Where the records lie that the kept state did not cover, from the first on.
    offsets: Vec<u64>,
    /// What stands after the last whole record.
    rest: Vec<u8>,
}

impl Ledger {
    /// Makes a ledger with its first entry. The directory appears whole or not at all.
    ///
    /// # Errors
    /// [`LedgerError`], also where there is one already, and on a file system whose locks do not hold.
    pub fn create(
        directory: &Path,
        repository: &RepositoryName,
        key: PrivateKey,
        now: Timestamp,
    ) -> Result<Self, LedgerError> {
        if directory.join(LOG).exists() {
            return Err(match directory.join(KEY).exists() {
                true => LedgerError::Present(directory.to_owned()),
                false => LedgerError::Remains(directory.to_owned(), KEY),
            });
        }
        // What is kept beside a log is written after it, so there was one.
        if had_log(directory) {
            return Err(LedgerError::Remains(directory.to_owned(), LOG));
        }
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(|error| LedgerError::Io(directory.to_owned(), error))?;
        locks::check(directory)?;
        let ledger = Self {
            directory: directory.to_owned(),
            repository: repository.as_str().to_owned(),
            key,
            successor: None,
            serves: None,
            head: Cell::default(),
            log: Cell::default(),
        };
        ledger.put_key(KEY, &ledger.key)?;
        ledger.put_public(&ledger.key)?;
        let public = ledger.key.public().to_line();
        ledger.replace(LOCK, 0o600, b"")?;
        let opened = Opened { time: Time(now), version: 1, repository: ledger.repository.clone(), key: public };
        let mut state = State::empty();
        let raised = Entry::Raised(Raised { time: Time(now), version: VERSION });
        let lines = [ledger.line(&Entry::Opened(opened), &mut state)?, ledger.line(&raised, &mut state)?];
        // The log comes last: without it there is no ledger.
        ledger.replace(LOG, 0o600, lines.concat().as_bytes())?;
        ledger.keep_state(&mut state)?;
        Ok(ledger)
    }

    /// Puts a private key in place.
    pub(super) fn put_key(&self, name: &str, key: &PrivateKey) -> Result<(), LedgerError> {
        let pem = key.to_openssh("countersign ledger").map_err(|error| LedgerError::Key(self.path(name), error))?;
        self.replace(name, 0o600, pem.as_bytes())
    }

    pub(super) fn put_public(&self, key: &PrivateKey) -> Result<(), LedgerError> {
        let line = format!("{} countersign ledger {}\n", key.public().to_line(), self.repository);
        self.replace(PUBLIC, 0o644, line.as_bytes())
    }

    /// Opens a ledger.
    ///
    /// # Errors
    /// [`LedgerError`] where there is none, or its key cannot be used, or it is on a file system whose locks do not hold.
    pub fn open(directory: &Path) -> Result<Self, LedgerError> {
        Self::open_as(directory, directory)
    }

    /// As [`Ledger::open`], where the log's beginning is read from a copy.
    ///
    /// # Errors
    /// As [`Ledger::open`].
    pub fn open_as(directory: &Path, copy: &Path) -> Result<Self, LedgerError> {
        locks::check(directory)?;
        let path = directory.join(KEY);
        let failed = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound if directory.join(LOG).exists() => {
                LedgerError::Remains(directory.to_owned(), KEY)
            }
            std::io::ErrorKind::NotFound => LedgerError::Absent(directory.to_owned()),
            _ => LedgerError::Io(path.clone(), error),
        };
        let metadata = std::fs::metadata(&path).map_err(failed)?;
        if metadata.mode() & 0o077 != 0 {
            return Err(LedgerError::OpenKey(path));
        }
        let pem = std::fs::read(&path).map_err(failed)?;
        let key = PrivateKey::parse_openssh(&pem).map_err(|error| LedgerError::Key(path.clone(), error))?;
        let repository = opened(copy)?.repository;
        Ok(Self {
            directory: directory.to_owned(),
            repository,
            key,
            successor: None,
            serves: None,
            head: Cell::default(),
            log: Cell::default(),
        })
    }

    /// The same to serve a repository, whose directory the log names from its next entry on. `installed_at` is where that lay when its
    /// hooks were installed, as far as they say so. Whatever is asked of the ledger then fails with [`LedgerError::Moved`] or
    /// [`LedgerError::Copied`] where it is kept for another directory.
    #[must_use]
    pub fn serving(self, place: Place, installed_at: Option<PathBuf>) -> Self {
        Self { serves: Some(Serves { place, how: How::Seen, installed_at }), ..self }
    }

    /// Whether the ledger is kept for a directory, and says so.
    pub fn is_kept_for(&self, place: &Place) -> bool {
        let known = self.state().ok().and_then(|state| state.place);
        known
            .is_some_and(|known| matches!(place.standing(&known, &self.directory), Standing::Known | Standing::ToLearn))
    }

    /// Where it lies.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What the repository was called when the ledger was made.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// What the ledger knows, read without its lock: entries that another process is writing are in it or are not.
    ///
    /// # Errors
    /// [`LedgerError`] if it cannot be read or its end does not verify.
    pub fn state(&self) -> Result<State, LedgerError> {
        self.tail().map(|tail| tail.state)
    }

    /// Appends the entries that `build` makes of the state, all of them before the lock is given back, and makes sure that they
    /// are on disk. Entries that `build` returns are numbered from [`State::size`] on, and each is written before the next one is
    /// made. No entry is no write.
    ///
    /// # Errors
    /// [`LedgerError`] if anything fails; then nothing was appended, or what was is cut off by whoever appends next.
    pub fn append<'e>(
        &self,
        now: Timestamp,
        build: &mut dyn FnMut(&mut State) -> Result<Plan<'e>, LedgerError>,
    ) -> Result<State, LedgerError> {
        let _lock = self.lock(LOCK)?;
        fault::point("locked");
        let tail = match self.tail() {
            // Another log has begun since, and says all that counts. What was asked of the one before was asked of that one alone.
            Err(LedgerError::Rotated) if self.has_its_key() => {
                self.forget();
                self.tail()?
            }
            tail => tail?,
        };
        let log = self.path(LOG);
        let failed = |error| LedgerError::Io(log.clone(), error);
        let mut file = OpenOptions::new().read(true).write(true).open(&log).map_err(failed)?;
        let mut state = tail.state;
        let mut offsets = tail.offsets;
        let had_moves = state.stored_moves().any(|(.., moves)| moves.file().is_some());
        let (first_offset, end) = (state.size - u64::try_from(offsets.len()).unwrap_or(0), state.bytes);
        let mut first = Vec::new();
        for entry in self.entries_before(&state, &tail.rest, now) {
            first.push((state.bytes, self.line(&entry, &mut state)?));
        }
        let Plan { mut entries, keeps } = build(&mut state)?;
        if !tail.rest.is_empty() {
            file.set_len(end).map_err(failed)?;
            fault::point("cut");
        }
        file.seek(SeekFrom::Start(end)).map_err(failed)?;
        let known = offsets.len();
        let write = || -> Result<(), LedgerError> {
            for (offset, line) in first {
                offsets.push(offset);
                write_halves(&mut file, line.as_bytes()).map_err(failed)?;
            }
            for entry in &mut entries {
                offsets.push(state.bytes);
                write_halves(&mut file, self.line(&entry, &mut state)?.as_bytes()).map_err(failed)?;
            }
            Ok(())
        };
        if let Err(error) = write() {
            // A full disk has taken a part. What cannot be cut off now is recognised as cut later.
            let _ = file.set_len(end);
            return Err(error);
        }
        if offsets.len() > known {
            fault::point("written");
            file.sync_data().map_err(failed)?;
            fault::point("synced");
        }
        // From here on the entries stand. What follows is only kept to be fast.
        self.keep_offsets(first_offset, &offsets)?;
        fault::point("offsets");
        if keeps == Keep::State || !offsets.is_empty() {
            self.keep_state(&mut state)?;
        }
        // Where all was read again, files may lie there that nobody names.
        if had_moves || first_offset == 0 {
            self.remove_moves(&mut state)?;
        }
        fault::point("state");
        Ok(state)
    }

    /// What is written before anything else: what a crash left, and what this program adds to a log of an earlier one.
    fn entries_before(&self, state: &State, rest: &[u8], now: Timestamp) -> Vec<Entry> {
        let time = Time(now.max(state.time()));
        let recovered = (!rest.is_empty()).then(|| {
            let cut = u64::try_from(rest.len()).unwrap_or(u64::MAX);
            Entry::Recovered(Recovered { time, cut, digest: Sha256(Digest::of(rest)) })
        });
        let raised = (state.version < VERSION).then_some(Entry::Raised(Raised { time, version: VERSION }));
        let rekeyed = self.successor.as_ref().map(|key| self.rekeyed(key.public().to_line(), time));
        let placed = self.serves.as_ref().filter(|serves| state.place.as_ref() != Some(&serves.place));
        let placed = placed.map(|Serves { place, how, .. }| Placed { time, how: *how, place: place.clone() });
        recovered.into_iter().chain(raised).chain(rekeyed).chain(placed.map(Entry::Placed)).collect()
    }

    /// Puts a key in place that signs from the next record on.
    pub(super) fn take_over(&mut self, key: PrivateKey) -> Result<(), LedgerError> {
        self.put_key(super::adopt::NEXT, &key)?;
        self.successor = Some(key);
        Ok(())
    }

    /// Makes sure that a log is the one that this process saw first.
    pub(super) fn check_log(&self, file: &File) -> Result<(), LedgerError> {
        let number = file.metadata().map_err(|error| LedgerError::Io(self.path(LOG), error))?.ino();
        let known = self.log.get().unwrap_or(number);
        self.log.set(Some(known));
        if known == number { Ok(()) } else { Err(LedgerError::Rotated) }
    }

    /// Whether the key that this process holds is still the ledger's.
    fn has_its_key(&self) -> bool {
        Self::open(&self.directory).is_ok_and(|now| now.key.public() == self.key.public())
    }

    /// Forgets what this process has seen of the log.
    pub(super) fn forget(&self) {
        self.log.set(None);
        self.head.set(None);
    }

    /// The signature of the record that lies between these bytes of the log.
    pub(super) fn record_at(&self, from: u64, to: u64) -> Result<Option<Vec<u8>>, LedgerError> {
        let failed = |error| LedgerError::Io(self.path(LOG), error);
        let mut line = vec![0; usize::try_from(to.saturating_sub(from)).unwrap_or(0).min(limits::RECORD_BYTES)];
        File::open(self.path(LOG)).and_then(|file| file.read_exact_at(&mut line, from)).map_err(failed)?;
        Ok(Record::parse(line.strip_suffix(b"\n").unwrap_or(&line)).ok().map(|record| record.head.signature))
    }

    /// Removes what was derived from the log.
    pub(super) fn remove_derived(&self) -> Result<(), LedgerError> {
        let failed = |error| LedgerError::Io(self.directory.clone(), error);
        for entry in std::fs::read_dir(&self.directory).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let derived = ["state.", "seen.", "receipts-", "moves-"]
                .iter()
                .any(|start| name.to_str().is_some_and(|name| name.starts_with(start)));
            if derived || name == OFFSETS || name == "refs" {
                std::fs::remove_file(self.path(&name.to_string_lossy())).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// The entry by which another key takes over.
    fn rekeyed(&self, key: String, time: Time) -> Entry {
        let signature = Base64::encode_string(&self.key.sign(REKEY_NAMESPACE, key.as_bytes()));
        Entry::Rekeyed(Rekeyed { time, key, signature })
    }

    /// Where the record of this number begins. `None` where the list of offsets does not say.
    pub(super) fn offset(&self, number: u64) -> Result<Option<u64>, LedgerError> {
        let path = self.path(OFFSETS);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(LedgerError::Io(path, error)),
        };
        let mut bytes = [0; 8];
        match file.read_exact_at(&mut bytes, number.saturating_mul(8)) {
            Ok(()) => Ok(Some(u64::from_be_bytes(bytes))),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(LedgerError::Io(path, error)),
        }
    }

    /// The entry of this number. `None` where the list of offsets does not say where it is.
    pub(super) fn entry(&self, number: u64) -> Result<Option<Entry>, LedgerError> {
        let Some(offset) = self.offset(number)? else { return Ok(None) };
        let log = self.path(LOG);
        let failed = |error| LedgerError::Io(log.clone(), error);
        let mut file = File::open(&log).map_err(failed)?;
        self.check_log(&file)?;
        file.seek(SeekFrom::Start(offset)).map_err(failed)?;
        let mut line = Vec::new();
        BufReader::new(file.take(u64::try_from(limits::RECORD_BYTES).unwrap_or(u64::MAX)))
            .read_until(b'\n', &mut line)
            .map_err(failed)?;
        let record = Record::parse(line.strip_suffix(b"\n").unwrap_or(&line));
        let record = record.map_err(|reason| LedgerError::Corrupt { number, offset, reason })?;
        if record.head.size != number.saturating_add(1) {
            return Err(LedgerError::Corrupt { number, offset, reason: RecordError::Size(record.head.size) });
        }
        record.entry().map(Some).map_err(|reason| LedgerError::Corrupt { number, offset, reason })
    }

    /// Writes an entry's line and takes it into the state.
    pub(super) fn line(&self, entry: &Entry, state: &mut State) -> Result<String, LedgerError> {
        let number = state.size;
        let corrupt = |reason| LedgerError::Corrupt { number, offset: state.bytes, reason };
        let json = entry.to_json().map_err(|error| corrupt(RecordError::Entry(error.to_string())))?;
        let mut frontier = state.frontier().ok_or_else(|| corrupt(RecordError::Root))?;
        let leaf = leaf(json.as_bytes());
        frontier.push(leaf);
        let key = self.successor.as_ref().unwrap_or(&self.key);
        let signer = Signer { repository: &self.repository, key };
        let line = record::write(&json, &frontier, signer, state.version);
        if json.len() > limits::ENTRY_BYTES {
            return Err(LedgerError::TooLarge(json.len()));
        }
        state.prepare(entry).map_err(|error| self.moves_failed(error))?;
        state.apply(entry, leaf, u64::try_from(line.len()).unwrap_or(u64::MAX), &frontier);
        Ok(line)
    }

    /// The state at the end of the log: that which was kept, if the log agrees with it, and what came since.
    fn tail(&self) -> Result<Tail, LedgerError> {
        let tail = self.tail_of_any()?;
        match &self.serves {
            Some(serves) => serves.check(tail.state.place.as_ref(), &self.directory).map(|()| tail),
            None => Ok(tail),
        }
    }

    fn tail_of_any(&self) -> Result<Tail, LedgerError> {
        let path = self.path(LOG);
        let failed = |error| LedgerError::Io(path.clone(), error);
        let mut file = File::open(&path).map_err(failed)?;
        self.check_log(&file)?;
        let kept = self.kept_state();
        if let Some(state) = kept.filter(|state| state.size > 0) {
            let length = file.metadata().map_err(failed)?.len();
            if length < state.bytes {
                return Err(LedgerError::Shorter { found: length, known: state.bytes });
            }
            if self.is_at_end_of(&mut file, &state)? {
                return self.read_from(file, state);
            }
        }
        self.read_from(file, State::empty())
    }

    /// The state that was kept, with the files that it names. Another process may just have replaced both.
    fn kept_state(&self) -> Option<State> {
        let read = || {
            let mut state = kept::read_with(&self.path(STATE), parse_state)?;
            let opened = state.stored_moves().try_for_each(|(.., moves)| moves.open(&self.directory));
            Some(opened.map(|()| state))
        };
        (0..3).find_map(|_| read()?.ok())
    }

    pub(super) fn moves_failed(&self, error: std::io::Error) -> LedgerError {
        LedgerError::Io(self.path(MOVES), error)
    }

    /// Whether the log's record before the state's end is the one that the state was kept after, signed by the ledger's key.
    fn is_at_end_of(&self, file: &mut File, state: &State) -> Result<bool, LedgerError> {
        let Some(frontier) = state.frontier() else { return Ok(false) };
        let Some(length) = state.bytes.checked_sub(state.last).filter(|length| *length > 0) else { return Ok(false) };
        let Some(length) = usize::try_from(length).ok().filter(|length| *length <= limits::RECORD_BYTES) else {
            return Ok(false);
        };
        let mut line = vec![0; length];
        file.read_exact_at(&mut line, state.last).map_err(|error| LedgerError::Io(self.path(LOG), error))?;
        let Some(line) = line.strip_suffix(b"\n") else { return Ok(false) };
        let Ok(record) = Record::parse(line) else { return Ok(false) };
        Ok(record.head.size == state.size
            && leaf(record.json.as_bytes()) == state.leaf.0
            && record.head.root == frontier.root()
            && self.is_signed(&record.head).is_ok())
    }

    /// Whether the ledger's key signed a head. One process asks several times about the same.
    fn is_signed(&self, signed: &SignedHead) -> Result<(), RecordError> {
        let head = Some((signed.size, signed.root));
        if self.head.get() != head {
            signed.verify(&self.repository, self.key.public())?;
            self.head.set(head);
        }
        Ok(())
    }

    /// Reads on from a state to the end of the log. Roots are checked for each record, the signature for the last: it is over
    /// all of them.
    fn read_from(&self, mut file: File, mut state: State) -> Result<Tail, LedgerError> {
        let path = self.path(LOG);
        let failed = |error| LedgerError::Io(path.clone(), error);
        file.seek(SeekFrom::Start(state.bytes)).map_err(failed)?;
        let mut reader = BufReader::with_capacity(1 << 16, file);
        let mut tail = Tail { state: State::empty(), offsets: Vec::new(), rest: Vec::new() };
        let mut line = Vec::new();
        let mut last = None;
        loop {
            let (number, offset) = (state.size, state.bytes);
            let corrupt = |reason| LedgerError::Corrupt { number, offset, reason };
            match read_line(&mut reader, &mut line).map_err(failed)? {
                Line::End => break,
                Line::Cut => {
                    if !is_torn(&line) {
                        return Err(corrupt(RecordError::Form));
                    }
                    tail.rest = line;
                    break;
                }
                Line::Whole => {}
            }
            let text = line.strip_suffix(b"\n").unwrap_or(&line);
            let record = Record::parse(text).map_err(corrupt)?;
            let mut frontier = state.frontier().ok_or_else(|| corrupt(RecordError::Root))?;
            let (entry, leaf) = check(&record, &mut frontier, state.version).map_err(corrupt)?;
            tail.offsets.push(offset);
            state.prepare(&entry).map_err(|error| self.moves_failed(error))?;
            state.apply(&entry, leaf, u64::try_from(line.len()).unwrap_or(u64::MAX), &frontier);
            last = Some((number, offset, record.head));
        }
        if let Some((number, offset, head)) = last {
            self.is_signed(&head).map_err(|reason| LedgerError::Corrupt { number, offset, reason })?;
        }
        tail.state = state;
        Ok(tail)
    }

    fn lock_file(&self, name: &str) -> Result<File, LedgerError> {
        let path = self.path(name);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        options.open(&path).map_err(|error| LedgerError::Io(path, error))
    }

    /// Takes a lock if nobody has it.
    pub(super) fn try_lock(&self, name: &str) -> Result<Option<File>, LedgerError> {
        let file = self.lock_file(name)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(std::fs::TryLockError::WouldBlock) => Ok(None),
            Err(std::fs::TryLockError::Error(error)) => Err(LedgerError::Io(self.path(name), error)),
        }
    }

    pub(super) fn lock(&self, name: &str) -> Result<File, LedgerError> {
        let path = self.path(name);
        let failed = |error| LedgerError::Io(path.clone(), error);
        let file = self.lock_file(name)?;
        let start = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(std::fs::TryLockError::WouldBlock) if start.elapsed() < Duration::from_secs(LOCK_SECONDS) => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(std::fs::TryLockError::WouldBlock) => return Err(LedgerError::Locked(LOCK_SECONDS)),
                Err(std::fs::TryLockError::Error(error)) => return Err(failed(error)),
            }
        }
    }

    /// Keeps the state. What of it is large is put into files of its own before, and those that it names no more are removed after.
    fn keep_state(&self, state: &mut State) -> Result<(), LedgerError> {
        let failed = |error| LedgerError::Io(self.path(STATE), error);
        let size = state.size;
        for (decision, what, moves) in state.stored_moves() {
            if moves.are_many() {
                let file = format!("{MOVES}-{decision}-{what}-{size}");
                self.renew(&file, &mut |out| moves.write(&file, out))?;
                moves.store(file);
                moves.open(&self.directory).map_err(|error| self.moves_failed(error))?;
            }
        }
        kept::write(&self.path(STATE), &mut |out| Ok(serde_json::to_writer(out, &*state)?)).map_err(failed)
    }

    /// Removes files of refs that the state does not name, under the lock.
    fn remove_moves(&self, state: &mut State) -> Result<(), LedgerError> {
        let failed = |error| LedgerError::Io(self.directory.clone(), error);
        let named: HashSet<String> =
            state.stored_moves().filter_map(|(.., moves)| moves.file().map(str::to_owned)).collect();
        for entry in std::fs::read_dir(&self.directory).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let stale = name.to_str().filter(|name| name.starts_with(MOVES) && !named.contains(*name));
            if let Some(stale) = stale {
                std::fs::remove_file(self.path(stale)).map_err(failed)?;
            }
        }
        Ok(())
    }

    pub(super) fn keep_offsets(&self, first: u64, offsets: &[u64]) -> Result<(), LedgerError> {
        if offsets.is_empty() {
            return Ok(());
        }
        let path = self.path(OFFSETS);
        let failed = |error| LedgerError::Io(path.clone(), error);
        let bytes: Vec<u8> = offsets.iter().flat_map(|offset| offset.to_be_bytes()).collect();
        let file =
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(failed)?;
        file.write_all_at(&bytes, first.saturating_mul(8)).map_err(failed)
    }

    /// Puts a file of the ledger's in place, durably.
    pub(super) fn replace(&self, name: &str, mode: u32, bytes: &[u8]) -> Result<(), LedgerError> {
        let path = self.path(name);
        let failed = |error| LedgerError::Io(path.clone(), error);
        let mut file = tempfile::Builder::new()
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(mode))
            .tempfile_in(&self.directory)
            .map_err(failed)?;
        file.write_all(bytes).map_err(failed)?;
        file.as_file().sync_all().map_err(failed)?;
        file.persist(&path).map_err(|error| failed(error.error))?;
        File::open(&self.directory).and_then(|directory| directory.sync_all()).map_err(failed)
    }

    /// What was kept for finding approvals, as [`Ledger::keep_approvals`] was given it. `None` where nothing whole is.
    pub fn kept_approvals(&self) -> Option<Vec<u8>> {
        kept::read(&self.path(APPROVALS))
    }

    /// Keeps what finding approvals needs. It can be made again from the records themselves.
    ///
    /// # Errors
    /// [`LedgerError`] if it cannot be written.
    pub fn keep_approvals(&self, bytes: &[u8]) -> Result<(), LedgerError> {
        let write = kept::write(&self.path(APPROVALS), &mut |out| out.write_all(bytes));
        write.map_err(|error| LedgerError::Io(self.path(APPROVALS), error))
    }

    /// Keeps a record that has landed, by the digest of its statement, when it leaves the refs.
    ///
    /// # Errors
    /// [`LedgerError`] if it cannot be written.
    pub fn keep_landed(&self, statement: Digest, json: &[u8]) -> Result<(), LedgerError> {
        let directory = self.path(LANDED);
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory);
        made.map_err(|error| LedgerError::Io(directory, error))?;
        self.replace(&format!("{LANDED}/{statement}.json"), 0o600, json)
    }

    /// Puts a file in place that can be made again: whole, but not durably.
    pub(super) fn renew(
        &self,
        name: &str,
        content: &mut dyn FnMut(&mut dyn Write) -> std::io::Result<()>,
    ) -> Result<(), LedgerError> {
        let path = self.path(name);
        let failed = |error| LedgerError::Io(path.clone(), error);
        let file = tempfile::NamedTempFile::new_in(&self.directory).map_err(failed)?;
        let mut out = BufWriter::new(file.as_file());
        content(&mut out).and_then(|()| out.flush()).map_err(failed)?;
        drop(out);
        file.persist(&path).map(drop).map_err(|error| failed(error.error))
    }

    /// Removes files that processes which were killed had begun to write beside the log.
    pub(super) fn remove_leftovers(&self) -> Result<(), LedgerError> {
        let failed = |error| LedgerError::Io(self.directory.clone(), error);
        for entry in std::fs::read_dir(&self.directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let begun = entry.file_name().as_encoded_bytes().starts_with(b".tmp");
            // One that is being written now is younger, and may be renamed before it is looked at.
            let modified = if begun { entry.metadata().and_then(|file| file.modified()).ok() } else { None };
            if modified.is_some_and(|time| time.elapsed().is_ok_and(|age| age > Duration::from_secs(3600))) {
                std::fs::remove_file(entry.path()).map_err(failed)?;
            }
        }
        Ok(())
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

/// Bytes of a state that are read before they are parsed, which is some times as fast. Few have more.
const WHOLE: u64 = 64 << 10;

fn parse_state(input: &mut dyn std::io::Read) -> Option<State> {
    let mut begun = Vec::new();
    let length = (&mut *input).take(WHOLE).read_to_end(&mut begun).ok()?;
    if u64::try_from(length).is_ok_and(|length| length < WHOLE) {
        return serde_json::from_slice(&begun).ok();
    }
    serde_json::from_reader(begun.as_slice().chain(input)).ok()
}

/// The entries.
pub(super) const LOG: &str = "log";
/// The private key.
pub(super) const KEY: &str = "key";
/// Its public half, for whoever verifies elsewhere.
pub(super) const PUBLIC: &str = "key.pub";
/// Locked for an append.
pub(super) const LOCK: &str = "lock";
/// See [`State`].
const STATE: &str = "state";
/// What the files begin with that hold the refs of a large decision; see [`super::moves`].
const MOVES: &str = "moves";
/// Records of approvals that have landed and left the refs.
pub(super) const LANDED: &str = "landed";
/// What tells which approvals can cover what lands, in two slots.
const APPROVALS: &str = "approvals";
/// Where each record begins, eight bytes each.
const OFFSETS: &str = "offsets";

/// Whether a log was once kept in the directory: what is kept beside one is written after it.
fn had_log(directory: &Path) -> bool {
    ["state.0", "state.1", OFFSETS].iter().any(|kept| directory.join(kept).exists())
}

/// The log in a directory, or the log itself.
pub(super) fn log_of(path: &Path) -> PathBuf {
    if path.is_file() { path.to_owned() } else { path.join(LOG) }
}

/// The first entry of the log in a directory. It is as trustworthy as the directory is.
pub(super) fn opened(directory: &Path) -> Result<Opened, LedgerError> {
    let path = log_of(directory);
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound if had_log(directory) => LedgerError::Remains(directory.to_owned(), LOG),
        std::io::ErrorKind::NotFound => LedgerError::Absent(directory.to_owned()),
        _ => LedgerError::Io(path.clone(), error),
    };
    let corrupt = |reason| LedgerError::Corrupt { number: 0, offset: 0, reason };
    let mut line = Vec::new();
    let mut reader = BufReader::new(File::open(&path).map_err(failed)?);
    match read_line(&mut reader, &mut line).map_err(failed)? {
        Line::Whole => {}
        Line::End if had_log(directory) => {
            let kept = kept::read_with(&directory.join(STATE), |input| serde_json::from_reader::<_, State>(input).ok());
            return Err(LedgerError::Shorter { found: 0, known: kept.map_or(1, |state| state.bytes) });
        }
        Line::End | Line::Cut => return Err(corrupt(RecordError::Form)),
    }
    let record = Record::parse(line.strip_suffix(b"\n").unwrap_or(&line)).map_err(corrupt)?;
    match record.entry().map_err(corrupt)? {
        Entry::Opened(opened) => Ok(opened),
        _ => Err(corrupt(RecordError::Entry("the first entry opens the ledger".into()))),
    }
}

/// How a line ended.
pub(super) enum Line {
    /// With a line feed.
    Whole,
    /// With the file, or after as many bytes as a record may have.
    Cut,
    /// There was none.
    End,
}

pub(super) fn read_line(reader: &mut BufReader<File>, line: &mut Vec<u8>) -> std::io::Result<Line> {
    line.clear();
    let limit = u64::try_from(limits::RECORD_BYTES).unwrap_or(u64::MAX);
    reader.take(limit).read_until(b'\n', line)?;
    Ok(match line.last() {
        None => Line::End,
        Some(b'\n') => Line::Whole,
        Some(_) => Line::Cut,
    })
}

/// Whether bytes without a line feed can be what a crash left of a record: the beginning of one, perhaps followed by blocks that
/// were never written and read as zeros. A whole record with another byte where its line feed was is no such thing.
pub(super) fn is_torn(rest: &[u8]) -> bool {
    let begins = |prefix: &[u8]| rest.iter().zip(prefix).all(|(byte, expected)| byte == expected || *byte == 0);
    let whole = rest.split_last().is_some_and(|(_, before)| Record::parse(before).is_ok());
    rest.len() < limits::RECORD_BYTES && begins(b"{\"entry\":{\"kind\":\"") && !whole
}

/// Checks that a record of this version is the next one after `frontier`, and adds it there. Returns its entry and the hash of it.
pub(super) fn check(
    record: &Record<'_>,
    frontier: &mut Frontier,
    version: u32,
) -> Result<(Entry, Digest), RecordError> {
    record.is_of(version)?;
    let leaf = leaf(record.json.as_bytes());
    frontier.push(leaf);
    if record.head.size != frontier.size() {
        return Err(RecordError::Size(record.head.size));
    }
    if record.head.root != frontier.root() {
        return Err(RecordError::Root);
    }
    Ok((record.entry()?, leaf))
}

/// Writes in two parts, so that tests can crash between them.
fn write_halves(file: &mut File, bytes: &[u8]) -> std::io::Result<()> {
    let (first, second) = bytes.split_at(bytes.len() / 2);
    file.write_all(first)?;
    fault::point("half-written");
    file.write_all(second)
}
