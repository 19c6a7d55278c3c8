//! Generations: the log is closed as it stands, and another begins with its signed root and all that is still to be known. What was closed
//! lies beside, and can be taken away: nothing is asked of it any more but proof.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use base64ct::{Base64, Encoding as _};

use super::entry::{
    Carried, Continued, Continues, Decided, Entry, Found, GrantLink, GrantUse, How, Moved, Opened, Outcome, Overrode,
    Placed, Presumed, Raised, Receipt, Settled, Suppressed, Unexplained, UpdateRecord, VERSION, Witness, Work,
};
use super::error::LedgerError;
use super::scan::{self, Signatures, Verified};
use super::settle::{in_entries, parts};
use super::state::{Open, State};
use super::store::{LOCK, LOG, Ledger, PUBLIC, Plan};
use crate::core::canonical::{CanonicalOid, RefName, Sha256, Time};
use crate::core::decide::Timestamp;
use crate::core::digest::Digest;
use crate::core::oid::Oid;
use crate::core::ssh::PrivateKey;

/// Where the logs of generations before lie, by their numbers.
const GENERATIONS: &str = "generations";

/// What was closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The number of the generation, from 0.
    pub generation: u64,
    /// Its entries.
    pub size: u64,
    /// The root over them.
    pub root: Digest,
    /// Where its log lies.
    pub directory: PathBuf,
}

/// The directory of a generation before the one whose log is in `directory`, whether it is there or not.
pub fn generation(directory: &Path, number: u64) -> PathBuf {
    let beside = directory.parent().filter(|parent| parent.file_name().is_some_and(|name| name == GENERATIONS));
    match beside {
        Some(generations) => generations.join(number.to_string()),
        None => directory.join(GENERATIONS).join(number.to_string()),
    }
}

/// The directory of the ledger that a log is of: of a closed one, that which holds its generations.
pub fn home(directory: &Path) -> &Path {
    let generations = directory.parent().filter(|parent| parent.file_name().is_some_and(|name| name == GENERATIONS));
    generations.and_then(Path::parent).unwrap_or(directory)
}

/// The directories of the generations before the one whose log is in `directory`, as far as they are there, the first one first.
pub fn generations(directory: &Path) -> Vec<PathBuf> {
    let numbers = std::fs::read_dir(directory.join(GENERATIONS)).into_iter().flatten().flatten();
    let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let numbers: BTreeSet<u64> = numbers.filter(|number| generation(directory, *number).join(LOG).exists()).collect();
    numbers.into_iter().map(|number| generation(directory, number)).collect()
}

impl Ledger {
    /// Closes the log and begins another on it. A push that asks the log before for something after that is refused.
    ///
    /// # Errors
    /// [`LedgerError`], among them [`LedgerError::Corrupt`] where a record of the log does not verify: nothing is changed then.
    pub fn rotate(&self, now: Timestamp) -> Result<Closed, LedgerError> {
        // What an earlier program or a crash left is written down first.
        self.append(now, &mut |_| Ok(Plan::of([])))?;
        let _compacting = self.lock("compacting")?;
        let _lock = self.lock(LOCK)?;
        let mut known = Known::default();
        let verified = scan::read(&self.directory, Signatures::All, &mut |number, _, entry| known.take(number, entry))?;
        let closed = Closed {
            generation: verified.state.generation,
            size: verified.size,
            root: verified.root,
            directory: self.path(GENERATIONS).join(verified.state.generation.to_string()),
        };
        let mut opens = Vec::new();
        let time = Time(now.max(verified.state.time()));
        for (number, open) in &verified.state.open {
            opens.extend(self.again(*number, open, time)?);
        }
        let entries = self.beginning(&verified, &closed, known, now)?;
        self.begin_again(&closed, entries.into_iter(), opens)?;
        Ok(closed)
    }

    /// Lets another key sign from here on.
    ///
    /// # Errors
    /// [`LedgerError`] if it cannot be recorded. Called again it does what is left to do.
    pub fn change_key(directory: &Path, key: PrivateKey, now: Timestamp) -> Result<(), LedgerError> {
        let mut ledger = Self::open(directory)?;
        if ledger.finish_rekeying()? {
            return Ok(());
        }
        ledger.append(now, &mut |_| Ok(Plan::of([])))?;
        ledger.take_over(key)?;
        ledger.append(now, &mut |_| Ok(Plan::of([])))?;
        Self::open(directory)?.finish_rekeying().map(drop)
    }

    /// What the next log begins with.
    fn beginning(
        &self,
        verified: &Verified,
        closed: &Closed,
        known: Known,
        now: Timestamp,
    ) -> Result<Vec<Entry>, LedgerError> {
        let state = &verified.state;
        let time = Time(now.max(state.time()));
        let opened = Opened { time, version: 1, repository: self.repository.clone(), key: self.key.public().to_line() };
        let continues = Continues {
            time,
            generation: closed.generation + 1,
            size: closed.size,
            root: Sha256(closed.root),
            signature: Base64::encode_string(&self.last_signature(state)?),
        };
        let mut entries =
            vec![Entry::Opened(opened), Entry::Raised(Raised { time, version: VERSION }), Entry::Continues(continues)];
        let placed = |place: &super::Place| Entry::Placed(Placed { time, how: How::Seen, place: place.clone() });
        entries.extend(state.place.as_ref().map(placed));
        let refs = state.replayed().into_iter();
        let refs = refs.map(|(name, id)| (RefName(name.as_slice().into()), Some(CanonicalOid(id))));
        entries.extend(in_entries(refs).map(|refs| Entry::Refs(Found { time, refs })));
        let value = |name: &RefName| state.recent.get(name).and_then(|recent| recent.value);
        let moved =
            state.unexplained.iter().map(|name| Moved { name: name.clone(), from: value(name), to: value(name) });
        let by = Witness::Refs;
        entries.extend(in_entries(moved).map(|refs| Entry::Unexplained(Unexplained { time, refs, by })));
        let overridden = state.overridden.values().cloned();
        entries.extend(in_entries(overridden).map(|moves| Entry::Overrode(Overrode { time, moves })));
        let Known { received, presumed, uses, .. } = known;
        let spent = presumed.into_iter().filter(|digest| !received.contains_key(digest)).map(Sha256);
        entries.extend(in_entries(spent).map(|approvals| Entry::Spent(Presumed { time, approvals })));
        let receipts = received.into_iter().map(|(digest, first)| Receipt(Sha256(digest), first.time, first.value));
        let carried = |receipts, uses| Entry::Carried(Carried { time, receipts, uses });
        entries.extend(in_entries(receipts).map(|receipts| carried(receipts, Vec::new())));
        let uses = uses.into_iter().map(|(certificate, commit)| GrantUse(Sha256(certificate), CanonicalOid(commit)));
        entries.extend(in_entries(uses).map(|uses| carried(Vec::new(), uses)));
        let counted = state.refused.iter().filter(|(_, refused)| refused.suppressed > 0);
        entries.extend(counted.map(|(submitter, refused)| {
            let submitter = (!submitter.is_empty()).then(|| submitter.clone());
            Entry::Suppressed(Suppressed { time, submitter, hour: refused.hour, refused: refused.suppressed })
        }));
        Ok(entries)
    }

    /// A decision of which refs may still move, as it is written again: with these refs, and those of them that were given up.
    fn again(&self, number: u64, open: &Open, time: Time) -> Result<Option<Again>, LedgerError> {
        if open.missing > 0 {
            return Ok(None);
        }
        let mut aborted = Vec::new();
        let failed = |error| self.moves_failed(error);
        open.aborted.each(&mut |name, _| aborted.push(name.clone())).map_err(failed)?;
        let mut names: BTreeSet<RefName> = aborted.iter().cloned().collect();
        open.pending.each(&mut |name, _| names.extend([name.clone()])).map_err(failed)?;
        let mut first = None;
        self.read_entries(number, number + 1, &mut |_, entry| {
            if let Entry::Decided(decided) = entry {
                first = Some(decided.clone());
            }
        })?;
        let Some(mut decided) = first else { return Ok(None) };
        let mut updates = std::mem::take(&mut decided.updates);
        let end = number + 1 + u64::from(decided.continued);
        self.read_entries(number + 1, end, &mut |_, entry| {
            if let Entry::Continued(continued) = entry {
                updates.extend(continued.updates.iter().cloned());
            }
        })?;
        updates.retain(|update| names.contains(&update.name));
        // A decision of the generation before that one is known by the number that it had there.
        decided.again = decided.again.or(Some(number));
        Ok(Some(Again { decided, updates, aborted, time }))
    }

    /// The signature of the last record.
    fn last_signature(&self, state: &State) -> Result<Vec<u8>, LedgerError> {
        let signed = self.record_at(state.last, state.bytes)?;
        Ok(signed.unwrap_or_default())
    }

    /// Writes the next log, lays the one before aside, and puts the next in its place.
    fn begin_again(
        &self,
        closed: &Closed,
        entries: impl Iterator<Item = Entry>,
        opens: Vec<Again>,
    ) -> Result<(), LedgerError> {
        let log = self.path(LOG);
        let failed = |error| LedgerError::Io(log.clone(), error);
        let mut file = tempfile::Builder::new()
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .tempfile_in(&self.directory)
            .map_err(failed)?;
        let mut state = State::empty();
        let mut out = BufWriter::new(file.as_file_mut());
        let mut write = |entry: &Entry, state: &mut State| {
            let line = self.line(entry, state)?;
            out.write_all(line.as_bytes()).map_err(failed)
        };
        for entry in entries {
            write(&entry, &mut state)?;
        }
        for open in opens {
            for entry in open.entries(state.size) {
                write(&entry, &mut state)?;
            }
        }
        out.flush().map_err(failed)?;
        drop(out);
        file.as_file().sync_all().map_err(failed)?;
        self.lay_aside(closed)?;
        // What was derived from the log before goes first: with none of it, either log is read whole.
        self.remove_derived()?;
        file.persist(&log).map_err(|error| failed(error.error))?;
        File::open(&self.directory).and_then(|directory| directory.sync_all()).map_err(failed)?;
        self.forget();
        Ok(())
    }

    /// Keeps the log under its generation's number, too.
    fn lay_aside(&self, closed: &Closed) -> Result<(), LedgerError> {
        let failed = |error| LedgerError::Io(closed.directory.clone(), error);
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&closed.directory).map_err(failed)?;
        for name in [LOG, PUBLIC] {
            let there = closed.directory.join(name);
            match std::fs::remove_file(&there) {
                // A rotation that was cut off has left it.
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed(error)),
            }
            if name == LOG {
                std::fs::hard_link(self.path(name), &there).map_err(failed)?;
            } else {
                std::fs::copy(self.path(name), &there).map_err(failed)?;
            }
        }
        let synced = [closed.directory.as_path(), &self.path(GENERATIONS), &self.directory];
        synced.iter().try_for_each(|directory| File::open(directory)?.sync_all()).map_err(failed)
    }
}

/// What a log says that the next one has to know.
#[derive(Default)]
struct Known {
    /// What decisions would have received, until it is known whether their refs moved.
    decided: HashMap<u64, Decision>,
    received: BTreeMap<Digest, First>,
    /// Approvals that count as landed though no decision says so.
    presumed: BTreeSet<Digest>,
    /// Commits that were received under certificates, by the digests of these.
    uses: BTreeSet<(Digest, Oid)>,
}

struct Decision {
    time: Time,
    updates: Vec<Update>,
}

struct Update {
    name: RefName,
    value: Option<CanonicalOid>,
    signed: Vec<Digest>,
    approvals: Vec<Digest>,
    uses: Vec<(Digest, Oid)>,
}

/// Where something was received first.
struct First {
    decision: u64,
    time: Time,
    /// The value to which its ref moved, of an approval or override.
    value: Option<CanonicalOid>,
}

impl Known {
    fn take(&mut self, number: u64, entry: &Entry) {
        match entry {
            Entry::Decided(decided) if decided.outcome == Outcome::Accepted => {
                self.decided.insert(number, Decision { time: decided.time, updates: Vec::new() });
                self.await_updates(number, &decided.updates);
            }
            Entry::Continued(continued) => self.await_updates(continued.decision, &continued.updates),
            Entry::Committed(settled) => self.commit(settled),
            Entry::Spent(presumed) => self.presumed.extend(presumed.approvals.iter().map(|digest| digest.0)),
            Entry::Unspent(presumed) => {
                let unspent: BTreeSet<Digest> = presumed.approvals.iter().map(|digest| digest.0).collect();
                self.presumed.retain(|digest| !unspent.contains(digest));
            }
            Entry::Carried(carried) => {
                self.uses.extend(carried.uses.iter().map(|GrantUse(certificate, commit)| (certificate.0, commit.0)));
                for Receipt(digest, time, value) in &carried.receipts {
                    self.received.insert(digest.0, First { decision: 0, time: *time, value: *value });
                }
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
            | Entry::Overrode(_) => {}
        }
    }

    fn await_updates(&mut self, number: u64, updates: &[UpdateRecord]) {
        let Some(decision) = self.decided.get_mut(&number) else { return };
        let receives = |update: &&UpdateRecord| {
            !(update.work.is_empty() && update.approvals.is_empty() && update.overrides.is_empty())
        };
        for update in updates.iter().filter(receives) {
            let signed = update.work.iter().flat_map(|work| &work.commits).map(|(_, digest)| digest.0).collect();
            let approvals = update.approvals.iter().map(|approval| approval.digest.0);
            let approvals = approvals.chain(update.overrides.iter().map(|one| one.digest.0)).collect();
            let under = |work: &Work| -> Vec<(Digest, Oid)> {
                let of = |link: &GrantLink| {
                    let digest = link.certificate.0;
                    work.commits.iter().map(move |(commit, _)| (digest, commit.0)).collect::<Vec<_>>()
                };
                work.grant.iter().flat_map(of).collect()
            };
            let uses = update.work.iter().flat_map(under).collect();
            decision.updates.push(Update { name: update.name.clone(), value: update.new, signed, approvals, uses });
        }
    }

    fn commit(&mut self, settled: &Settled) {
        let Some(Decision { time, updates }) = self.decided.get_mut(&settled.decision) else { return };
        let names: BTreeSet<&RefName> = settled.refs.iter().collect();
        let (time, number) = (*time, settled.decision);
        for update in updates.extract_if(.., |update| names.contains(&update.name)) {
            self.uses.extend(update.uses);
            let signed = update.signed.into_iter().map(|digest| (digest, None));
            for (digest, value) in signed.chain(update.approvals.into_iter().map(|digest| (digest, update.value))) {
                let first = First { decision: number, time, value };
                let known = self.received.get(&digest);
                if known.is_none_or(|known| known.decision > number) {
                    self.received.insert(digest, first);
                }
            }
        }
    }
}

/// A decision that is written again.
struct Again {
    decided: Decided,
    updates: Vec<UpdateRecord>,
    aborted: Vec<RefName>,
    time: Time,
}

impl Again {
    fn entries(self, number: u64) -> impl Iterator<Item = Entry> {
        let Self { decided, updates, aborted, time } = self;
        let mut parts: Vec<Vec<UpdateRecord>> = parts(&updates).collect();
        let first = if parts.is_empty() { Vec::new() } else { parts.remove(0) };
        let continued = u32::try_from(parts.len()).unwrap_or(u32::MAX);
        let decided = Decided { updates: first, continued, ..decided };
        let more = parts.into_iter().map(move |updates| Entry::Continued(Continued { decision: number, updates }));
        let by = Witness::Refs;
        let aborted = in_entries(aborted).map(move |refs| Entry::Aborted(Settled { time, decision: number, refs, by }));
        std::iter::once(Entry::Decided(decided)).chain(more).chain(aborted.collect::<Vec<_>>())
    }
}
