//! When a seal or signature was first accepted.
//!
//! The answer stands in the log. To find it without reading all of it, sorted files of postings (a digest, and the number of the
//! entry that holds it) are kept beside it: each covers a range of entries and never changes; small ones are merged into larger
//! ones, so that there are few.

use std::cell::RefCell;
use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::io::{BufReader, BufWriter, Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::rc::Rc;

use super::entry::{Entry, GrantUse, Outcome, Receipt, UpdateRecord, Work};
use super::error::LedgerError;
use super::known::CurrentRefs;
use super::state::{IN_FLIGHT, State};
use super::store::Ledger;
use crate::core::canonical::RefName;
use crate::core::decide::Timestamp;
use crate::core::digest::Digest;
use crate::core::oid::Oid;

/// Entries that are not indexed before a new file is written. Looking through so many takes less than a millisecond.
const BACKLOG: u64 = 64;

/// Bytes of such entries: one may hold what is known of thousands of commits.
const BACKLOG_BYTES: u64 = 256 << 10;

/// Bytes of such entries that say that whatever writes the files has not run: then whoever looks for something does.
const MISSED_BYTES: u64 = BACKLOG_BYTES * 16;

/// Postings that are sorted at once: an entry can hold some hundreds. Few in tests, which would take long to make more.
const POSTINGS: usize = if cfg!(test) { 1 << 12 } else { 1 << 16 };

/// Bytes of a posting: 32 of the key, 8 of the entry's number.
const POSTING: usize = 40;

/// A file is merged with the one before it unless that one is so many times larger.
const RATIO: u64 = 4;

/// The bit of a posting's number that says that its entry is not a decision's first. All others are that decision's own number, so
/// that one which came to nothing is passed over unread.
const CONTINUED: u64 = 1 << 63;

type Posting = [u8; POSTING];

fn posting(key: &Digest, number: u64) -> Posting {
    let mut posting = [0; POSTING];
    let (front, back) = posting.split_at_mut(32);
    front.copy_from_slice(key.as_bytes());
    back.copy_from_slice(&number.to_be_bytes());
    posting
}

/// The key under which the entries that commit a decision are found.
fn committed_key(decision: u64) -> Digest {
    Digest::of(&[&b"countersign-committed\0"[..], &decision.to_be_bytes()].concat())
}

/// The key under which the entries are found that hold work under a certificate.
fn grant_key(certificate: &Digest) -> Digest {
    Digest::of(&[&b"countersign-grant\0"[..], certificate.as_bytes()].concat())
}

fn postings_of(entry: &Entry, number: u64, found: &mut Vec<Posting>) {
    let updates: &[UpdateRecord] = match entry {
        Entry::Decided(decided) if decided.outcome == Outcome::Accepted => &decided.updates,
        Entry::Continued(continued) => &continued.updates,
        Entry::Committed(settled) => return found.push(posting(&committed_key(settled.decision), number)),
        Entry::Carried(carried) => {
            let uses = carried.uses.iter().map(|GrantUse(certificate, _)| grant_key(&certificate.0));
            found.extend(uses.map(|key| posting(&key, number | CONTINUED)));
            let digests = carried.receipts.iter().map(|Receipt(digest, ..)| digest);
            return found.extend(digests.map(|digest| posting(&digest.0, number | CONTINUED)));
        }
        Entry::Spent(presumed) | Entry::Unspent(presumed) => {
            return found.extend(presumed.approvals.iter().map(|digest| posting(&digest.0, number | CONTINUED)));
        }
        Entry::Opened(_)
        | Entry::Raised(_)
        | Entry::Placed(_)
        | Entry::Rekeyed(_)
        | Entry::Continues(_)
        | Entry::Clock(_)
        | Entry::Refs(_)
        | Entry::Decided(_)
        | Entry::Aborted(_)
        | Entry::Unexplained(_)
        | Entry::Suppressed(_)
        | Entry::Recovered(_)
        | Entry::Ordered(_)
        | Entry::Overrode(_) => return,
    };
    let work = updates.iter().flat_map(|update| &update.work).flat_map(|work| &work.commits);
    let landed = updates.iter().flat_map(|update| &update.approvals).map(|approval| &approval.digest);
    let spent = updates.iter().flat_map(|update| &update.overrides).map(|one| &one.digest);
    let number = if matches!(entry, Entry::Continued(_)) { number | CONTINUED } else { number };
    let grants = updates.iter().flat_map(|update| &update.work).flat_map(|work| &work.grant);
    let used: BTreeSet<Digest> = grants.map(|link| grant_key(&link.certificate.0)).collect();
    found.extend(used.iter().map(|key| posting(key, number)));
    found.extend(work.map(|(_, digest)| digest).chain(landed).chain(spent).map(|digest| posting(&digest.0, number)));
}

/// One file of postings over the entries from `from` up to, and without, `to`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Segment {
    from: u64,
    to: u64,
    path: PathBuf,
}

/// When seals, signatures and approvals were first accepted, as the ledger stood when it was asked for this.
pub struct Receipts {
    /// Those that are kept, and, where much is not indexed, some without a name.
    segments: Vec<(Segment, File)>,
    backlog: Vec<Posting>,
    /// The entries read last: what is asked for in one push often stands in one entry.
    entries: RefCell<VecDeque<(u64, Rc<Entry>)>>,
}

/// Who asks for the commits of a grant, and when.
pub struct Asked<'a> {
    /// The ledger.
    pub ledger: &'a Ledger,
    /// Its state.
    pub state: &'a State,
    /// The refs as they are.
    pub refs: &'a dyn CurrentRefs,
    /// Whether the push that asks moves a ref: then no other can, from the same value.
    pub moves: &'a dyn Fn(&RefName) -> bool,
    /// What the clock says.
    pub clock: Timestamp,
}

impl Asked<'_> {
    /// Whether a decision of which nobody has said what became of it may have moved a ref, or may yet.
    fn may_land(&self, decision: u64, update: &UpdateRecord) -> Result<bool, LedgerError> {
        let failed = |error| self.ledger.moves_failed(error);
        let Some(decided) = self.state.awaits(decision, &update.name).map_err(failed)? else { return Ok(false) };
        let is_there = self.refs.value(&update.name.0)? == update.new.map(|id| id.0);
        let overdue = self.clock.0.abs_diff(decided.0) >= IN_FLIGHT;
        Ok(is_there || !(overdue || (self.moves)(&update.name)))
    }
}

/// Where something was first accepted.
struct First {
    time: Option<Timestamp>,
    /// The value to which its ref moved.
    value: Option<Oid>,
}

/// Entries that are kept while they are asked for. One may hold what is known of thousands of commits.
const ENTRIES: usize = 4;

impl Receipts {
    /// The time at which a seal or signature, by the digest of its SSHSIG blob, was first accepted under an enforcing rule on a
    /// ref that then moved, or at which an approval, by the digest of its statement, landed. `None` if it never was.
    ///
    /// # Errors
    /// [`LedgerError`] if the ledger cannot be read.
    pub fn find(&self, ledger: &Ledger, digest: Digest) -> Result<Option<Timestamp>, LedgerError> {
        Ok(self.first(ledger, digest)?.and_then(|first| first.time))
    }

    /// The value to which the ref moved that an approval, by the digest of its statement, landed on. `None` if it never landed;
    /// `Some(None)` where the ref went away.
    ///
    /// # Errors
    /// As [`Receipts::find`].
    pub fn landing(&self, ledger: &Ledger, digest: Digest) -> Result<Option<Option<Oid>>, LedgerError> {
        Ok(self.first(ledger, digest)?.map(|first| first.value))
    }

    fn first(&self, ledger: &Ledger, digest: Digest) -> Result<Option<First>, LedgerError> {
        let mut presumed = None;
        for posted in self.numbers(&digest)? {
            let number = posted & !CONTINUED;
            if posted == number && self.numbers(&committed_key(number))?.is_empty() {
                continue;
            }
            let Some(entry) = self.entry(ledger, number)? else { continue };
            let (decision, updates) = match entry.as_ref() {
                Entry::Decided(decided) => (number, &decided.updates),
                Entry::Continued(continued) => (continued.decision, &continued.updates),
                Entry::Carried(carried) => {
                    if let Some(Receipt(_, time, value)) = carried.receipts.iter().find(|own| own.0.0 == digest) {
                        return Ok(Some(First { time: Some(time.0), value: value.map(|id| id.0) }));
                    }
                    continue;
                }
                Entry::Spent(_) => {
                    presumed.get_or_insert(First { time: entry.time(), value: None });
                    continue;
                }
                Entry::Unspent(_) => {
                    presumed = None;
                    continue;
                }
                Entry::Opened(_)
                | Entry::Raised(_)
                | Entry::Placed(_)
                | Entry::Rekeyed(_)
                | Entry::Continues(_)
                | Entry::Clock(_)
                | Entry::Refs(_)
                | Entry::Committed(_)
                | Entry::Aborted(_)
                | Entry::Unexplained(_)
                | Entry::Suppressed(_)
                | Entry::Recovered(_)
                | Entry::Ordered(_)
                | Entry::Overrode(_) => continue,
            };
            let holds = |update: &&UpdateRecord| {
                update.work.iter().any(|work| work.commits.iter().any(|(_, accepted)| accepted.0 == digest))
                    || update.approvals.iter().any(|approval| approval.digest.0 == digest)
                    || update.overrides.iter().any(|one| one.digest.0 == digest)
            };
            let refs: Vec<&RefName> = updates.iter().filter(holds).map(|update| &update.name).collect();
            if self.is_committed(ledger, decision, &refs)? {
                let value = updates.iter().find(holds).and_then(|update| update.new).map(|id| id.0);
                let time = self.entry(ledger, decision)?.and_then(|entry| entry.time());
                return Ok(Some(First { time, value }));
            }
        }
        Ok(presumed)
    }

    /// The commits that were received under a certificate or one below it: those of which the ref moved, and those of which it may yet.
    ///
    /// # Errors
    /// As [`Receipts::find`].
    pub fn uses(&self, certificate: Digest, asked: &Asked<'_>) -> Result<BTreeSet<Oid>, LedgerError> {
        let ledger = asked.ledger;
        let mut commits = BTreeSet::new();
        for posted in self.numbers(&grant_key(&certificate))? {
            let Some(entry) = self.entry(ledger, posted & !CONTINUED)? else { continue };
            let (decision, updates) = match entry.as_ref() {
                Entry::Decided(decided) => (posted, &decided.updates),
                Entry::Continued(continued) => (continued.decision, &continued.updates),
                Entry::Carried(carried) => {
                    let own = carried.uses.iter().filter(|GrantUse(own, _)| own.0 == certificate);
                    commits.extend(own.map(|GrantUse(_, commit)| commit.0));
                    continue;
                }
                _ => continue,
            };
            let under = |work: &&Work| work.grant.iter().any(|link| link.certificate.0 == certificate);
            for update in updates.iter().filter(|update| update.work.iter().any(|work| under(&work))) {
                if asked.may_land(decision, update)? || self.is_committed(ledger, decision, &[&update.name])? {
                    let work = update.work.iter().filter(under).flat_map(|work| &work.commits);
                    commits.extend(work.map(|(commit, _)| commit.0));
                }
            }
        }
        Ok(commits)
    }

    fn is_committed(&self, ledger: &Ledger, decision: u64, refs: &[&RefName]) -> Result<bool, LedgerError> {
        for number in self.numbers(&committed_key(decision))? {
            if let Some(entry) = self.entry(ledger, number)?
                && let Entry::Committed(settled) = entry.as_ref()
                && settled.decision == decision
                && settled.refs.iter().any(|name| refs.contains(&name))
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn entry(&self, ledger: &Ledger, number: u64) -> Result<Option<Rc<Entry>>, LedgerError> {
        let known = self.entries.borrow().iter().find(|(own, _)| *own == number).map(|(_, entry)| Rc::clone(entry));
        if known.is_some() {
            return Ok(known);
        }
        let read = match ledger.entry(number) {
            Ok(Some(entry)) => Some(entry),
            // What tells where it lies is derived from the log, and can be of another.
            Ok(None) | Err(LedgerError::Corrupt { .. }) => {
                ledger.rebuild_offsets()?;
                ledger.entry(number)?
            }
            Err(error) => return Err(error),
        };
        let Some(entry) = read.map(Rc::new) else { return Ok(None) };
        let mut entries = self.entries.borrow_mut();
        entries.truncate(ENTRIES - 1);
        entries.push_front((number, Rc::clone(&entry)));
        Ok(Some(entry))
    }

    #[cfg(test)]
    pub(super) fn in_memory(&self) -> usize {
        self.backlog.len()
    }

    /// The entries that hold a key, the first one first.
    fn numbers(&self, key: &Digest) -> Result<Vec<u64>, LedgerError> {
        let mut numbers = Vec::new();
        for (segment, file) in &self.segments {
            segment.search(file, key, &mut numbers)?;
        }
        let first = self.backlog.partition_point(|posting| *posting < posting_of(key));
        let matching = self.backlog.get(first..).unwrap_or_default();
        numbers.extend(matching.iter().take_while(|posting| posting.starts_with(key.as_bytes())).map(number_of));
        numbers.sort_unstable();
        numbers.dedup();
        Ok(numbers)
    }
}

/// The least posting of a key.
fn posting_of(key: &Digest) -> Posting {
    posting(key, 0)
}

impl Segment {
    fn search(&self, file: &File, key: &Digest, numbers: &mut Vec<u64>) -> Result<(), LedgerError> {
        let failed = |error| LedgerError::Io(self.path.clone(), error);
        let size = u64::try_from(POSTING).unwrap_or(1);
        let count = file.metadata().map_err(failed)?.len() / size;
        let read = |index: u64| -> Result<Posting, LedgerError> {
            let mut posting = [0; POSTING];
            file.read_exact_at(&mut posting, index.saturating_mul(size)).map_err(failed)?;
            Ok(posting)
        };
        let first = posting_of(key);
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = low + (high - low) / 2;
            if read(middle)? < first {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        while low < count {
            let posting = read(low)?;
            if !posting.starts_with(key.as_bytes()) {
                break;
            }
            numbers.push(number_of(&posting));
            low += 1;
        }
        Ok(())
    }
}

impl Ledger {
    /// What the ledger knows of receipts now.
    ///
    /// # Errors
    /// [`LedgerError`] if the ledger cannot be read.
    pub fn receipts(&self) -> Result<Receipts, LedgerError> {
        // A file that was merged into another after it was listed is looked for again. One that is open stays readable.
        let mut attempts = 0..3;
        if self.unindexed_bytes(&self.state()?)? > MISSED_BYTES {
            // Where it fails, what is not indexed is read below, this time and the next.
            let _ = self.compact();
        }
        loop {
            let state = self.state()?;
            let open = |segment: Segment| match File::open(&segment.path) {
                Ok(file) => Ok((segment, file)),
                Err(error) => Err(LedgerError::Io(segment.path, error)),
            };
            match self.segments(state.indexed)?.into_iter().map(open).collect::<Result<Vec<_>, _>>() {
                Ok(mut segments) => {
                    let backlog = self.backlog(&state, &mut segments)?;
                    return Ok(Receipts { segments, backlog, entries: RefCell::default() });
                }
                Err(LedgerError::Io(_, error))
                    if error.kind() == std::io::ErrorKind::NotFound && attempts.next().is_some() => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The last postings of entries that no file covers, in order. Those before them go to files without a name.
    fn backlog(&self, state: &State, files: &mut Vec<(Segment, File)>) -> Result<Vec<Posting>, LedgerError> {
        let failed = |error| LedgerError::Io(self.directory.clone(), error);
        let (mut from, mut last) = (state.indexed, Vec::new());
        while from < state.size {
            let (to, found) = self.next_postings(from, state.size)?;
            if to == state.size {
                last = found;
            } else {
                let mut file = tempfile::tempfile_in(&self.directory).map_err(failed)?;
                file.write_all(found.as_flattened()).map_err(failed)?;
                files.push((Segment { from, to, path: self.directory.clone() }, file));
            }
            from = to;
        }
        Ok(last)
    }

    /// Postings of the entries from one on, in order, and where they end: as many as are sorted at once.
    fn next_postings(&self, from: u64, size: u64) -> Result<(u64, Vec<Posting>), LedgerError> {
        let (mut to, mut found) = (from, Vec::new());
        while to < size && found.len() < POSTINGS {
            let next = size.min(to.saturating_add(BACKLOG));
            self.read_entries(to, next, &mut |number, entry| postings_of(entry, number, &mut found))?;
            to = next;
        }
        found.sort_unstable();
        Ok((to, found))
    }

    /// Bytes of the entries that no file covers.
    fn unindexed_bytes(&self, state: &State) -> Result<u64, LedgerError> {
        let begin = self.offset(state.indexed)?.unwrap_or(state.bytes);
        Ok(state.bytes.saturating_sub(begin))
    }

    /// The files that cover the entries before `indexed`, without overlap.
    fn segments(&self, indexed: u64) -> Result<Vec<Segment>, LedgerError> {
        let mut all = Vec::new();
        let failed = |error| LedgerError::Io(self.directory.clone(), error);
        for entry in std::fs::read_dir(&self.directory).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let range = path.file_name().and_then(|name| name.to_str()?.strip_prefix("receipts-")?.split_once('-'));
            if let Some((from, to)) = range
                && let (Ok(from), Ok(to)) = (from.parse(), to.parse())
            {
                all.push(Segment { from, to, path });
            }
        }
        all.sort_by_key(|segment| (segment.from, std::cmp::Reverse(segment.to)));
        let mut chosen = Vec::new();
        let mut next = 0;
        for segment in all {
            if segment.from == next && segment.to <= indexed {
                next = segment.to;
                chosen.push(segment);
            }
        }
        if next == indexed {
            return Ok(chosen);
        }
        let error =
            std::io::Error::other("a file of receipts is missing; remove state.0 and state.1, and they are made again");
        Err(failed(error))
    }

    /// Writes a file for entries that none covers, if they are many, and merges small files.
    pub(super) fn compact_receipts(&self) -> Result<(), LedgerError> {
        let state = self.state()?;
        if state.size.saturating_sub(state.indexed) < BACKLOG && self.unindexed_bytes(&state)? < BACKLOG_BYTES {
            return Ok(());
        }
        let mut segments = self.segments(state.indexed)?;
        // A chunk at a time, so that a first index over a long log needs no more memory than a small one.
        let mut from = state.indexed;
        while from < state.size {
            let (to, found) = self.next_postings(from, state.size)?;
            let segment = Segment { from, to, path: self.path(&format!("receipts-{from}-{to}")) };
            self.renew_postings(&segment, &mut found.into_iter().map(Ok))?;
            segments.push(segment);
            segments = self.merge(segments)?;
            from = to;
        }
        let indexed = state.size;
        self.change_state(&mut |state| state.indexed = indexed)?;
        self.remove_superseded(&segments)
    }

    fn merge(&self, mut segments: Vec<Segment>) -> Result<Vec<Segment>, LedgerError> {
        while let [.., before, last] = segments.as_slice() {
            if before.to - before.from >= RATIO.saturating_mul(last.to - last.from) {
                break;
            }
            let path = self.path(&format!("receipts-{}-{}", before.from, last.to));
            let merged = Segment { from: before.from, to: last.to, path };
            let (mut a, mut b) = (read_postings(before)?.peekable(), read_postings(last)?.peekable());
            let mut both = std::iter::from_fn(|| match (a.peek(), b.peek()) {
                (Some(Ok(left)), Some(Ok(right))) if right < left => b.next(),
                (None, _) => b.next(),
                _ => a.next(),
            });
            self.renew_postings(&merged, &mut both)?;
            segments.truncate(segments.len() - 2);
            segments.push(merged);
        }
        Ok(segments)
    }

    fn renew_postings(
        &self,
        segment: &Segment,
        postings: &mut dyn Iterator<Item = std::io::Result<Posting>>,
    ) -> Result<(), LedgerError> {
        let failed = |error| LedgerError::Io(segment.path.clone(), error);
        let mut file = tempfile::NamedTempFile::new_in(&self.directory).map_err(failed)?;
        let mut writer = BufWriter::new(&mut file);
        for posting in postings {
            writer.write_all(&posting.map_err(failed)?).map_err(failed)?;
        }
        writer.flush().map_err(failed)?;
        drop(writer);
        file.persist(&segment.path).map(drop).map_err(|error| failed(error.error))
    }

    /// Removes files that a merged one covers. A reader that has listed them tries again with what is there.
    fn remove_superseded(&self, kept: &[Segment]) -> Result<(), LedgerError> {
        let failed = |error| LedgerError::Io(self.directory.clone(), error);
        for entry in std::fs::read_dir(&self.directory).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let is_segment =
                path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("receipts-"));
            if is_segment && !kept.iter().any(|segment| segment.path == path) {
                std::fs::remove_file(&path).map_err(failed)?;
            }
        }
        Ok(())
    }
}

fn read_postings(segment: &Segment) -> Result<impl Iterator<Item = std::io::Result<Posting>> + use<>, LedgerError> {
    let file = File::open(&segment.path).map_err(|error| LedgerError::Io(segment.path.clone(), error))?;
    let mut reader = BufReader::new(file);
    Ok(std::iter::from_fn(move || {
        let mut posting = [0; POSTING];
        match reader.read_exact(&mut posting) {
            Ok(()) => Some(Ok(posting)),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => None,
            Err(error) => Some(Err(error)),
        }
    }))
}

fn number_of(posting: &Posting) -> u64 {
    posting.last_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}
