//! What is written when: a decision with what is left over from earlier ones, and later what became of it.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde::Serialize;

use super::entry::{
    Continued, Decided, Entry, Found, Moved, Outcome, Settled, Suppressed, Unexplained, UpdateRecord, Witness, Work,
};
use super::error::LedgerError;
use super::known::CurrentRefs;
use super::moves::{Ends, Moves};
use super::receipts::Asked;
use super::scan::{self, Signatures};
use super::state::{IN_FLIGHT, State};
use super::store::{Keep, Ledger, Plan};
use crate::core::canonical::{CanonicalOid, RefName, Sha256, Time};
use crate::core::decide::Timestamp;
use crate::core::digest::Digest;
use crate::core::oid::Oid;

/// The ref updates of a decision. A push can have a hundred thousand, so that what is recorded of each is made when it is written.
pub trait Updates {
    /// Where refs would move: names, values before and after.
    fn moves(&self) -> Box<dyn Iterator<Item = (RefName, Option<CanonicalOid>, Option<CanonicalOid>)> + '_>;
    /// What is recorded of each, in the same order whenever it is asked for.
    fn records(&self) -> Box<dyn Iterator<Item = UpdateRecord> + '_>;
}

impl Updates for Vec<UpdateRecord> {
    fn moves(&self) -> Box<dyn Iterator<Item = (RefName, Option<CanonicalOid>, Option<CanonicalOid>)> + '_> {
        Box::new(self.iter().map(|update| (update.name.clone(), update.old, update.new)))
    }

    fn records(&self) -> Box<dyn Iterator<Item = UpdateRecord> + '_> {
        Box::new(self.iter().cloned())
    }
}

/// A decision that is to be recorded.
pub struct Attempt<'a> {
    /// What the clock says.
    pub now: Timestamp,
    /// What became of the push.
    pub outcome: Outcome,
    /// The digest of the policy in force.
    pub policy: Option<Digest>,
    /// Who pushed, as far as the server says.
    pub submitter: Option<String>,
    /// Why nothing could be decided at all.
    pub error: Option<String>,
    /// The digest of the freezes that were in force, where there were any.
    pub freezes: Option<Digest>,
    /// The ref updates.
    pub updates: Box<dyn Updates + 'a>,
    /// Refs that may have moved with no decision.
    pub suspects: Vec<RefName>,
    /// What an accepted push takes of grants that are for so many commits.
    pub counted: Vec<Counted>,
}

/// What a push takes of one certificate that is for so many commits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// What the grant is called.
    pub name: String,
    /// The digest of the certificate.
    pub certificate: Digest,
    /// How many commits it is for.
    pub most: u64,
    /// Those of the push that are under it.
    pub commits: BTreeSet<Oid>,
}

/// What was recorded.
#[derive(Debug)]
pub struct Recorded {
    /// The state after it.
    pub state: State,
    /// Refs that moved with no decision and were not known to have.
    pub unexplained: Vec<Moved>,
}

/// Refs that are looked for one by one in the files of large decisions; for more of them, these are read.
const FEW: usize = 64;

/// Bytes of JSON after which an entry is full, so that with what it says beside it stays within [`crate::core::limits::ENTRY_BYTES`].
const FULL: usize = 48_000;

impl Ledger {
    /// Records a decision, all in one write: what became of earlier decisions, refs that moved unexplained, and the decision.
    ///
    /// # Errors
    /// [`LedgerError`] if it cannot be recorded; then the push must be refused. [`LedgerError::RefMoved`] where a ref that an
    /// accepted push would move is not where it was judged from.
    pub fn decide(&self, attempt: Attempt<'_>, refs: &dyn CurrentRefs) -> Result<Recorded, LedgerError> {
        let mut unexplained = Vec::new();
        let state = self.append(attempt.now, &mut |state| {
            let time = Time(attempt.now.max(state.time()));
            let clock = Time(attempt.now);
            let mut entries = overdue_counts(state, time, clock);
            if !state.open.is_empty() {
                let names = attempt.updates.moves().map(|(name, ..)| name);
                let touched: HashSet<RefName> = names.chain(attempt.suspects.iter().cloned()).collect();
                entries.extend(self.settle_open(state, (time, clock), refs, &touched)?);
            }
            let (news, moved) = self.partition_news(state, self.unexplained(state, &attempt.suspects, refs)?)?;
            entries.extend(found(&news, time));
            entries.extend(reports(&moved, time, Witness::Refs));
            unexplained = moved;
            if attempt.outcome == Outcome::Accepted {
                for (name, old, new) in attempt.updates.moves() {
                    let value = refs.value(&name.0)?.map(CanonicalOid);
                    // Git takes the deletion of a ref that is gone already.
                    let is_gone = value.is_none() && new.is_none();
                    if value != old && !is_gone {
                        return Err(LedgerError::RefMoved(name.to_string()));
                    }
                }
                self.check_counts(state, &attempt, refs)?;
            } else {
                let refused = state.refusals(attempt.submitter.as_deref(), clock);
                if refused.is_full() {
                    refused.suppressed = refused.suppressed.saturating_add(1);
                    return Ok(Plan { keeps: Keep::State, ..Plan::of(entries) });
                }
            }
            let number = state.size() + u64::try_from(entries.len()).unwrap_or(u64::MAX);
            Ok(Plan::of(entries.into_iter().chain(decision(&attempt, time, number))))
        })?;
        Ok(Recorded { state, unexplained })
    }

    /// Whether grants have commits left, with what every push before this one took: nothing is recorded meanwhile.
    fn check_counts(&self, state: &State, attempt: &Attempt<'_>, refs: &dyn CurrentRefs) -> Result<(), LedgerError> {
        if attempt.counted.is_empty() {
            return Ok(());
        }
        let moved: HashSet<RefName> = attempt.updates.moves().map(|(name, ..)| name).collect();
        let moves = |name: &RefName| moved.contains(name);
        let (receipts, asked) =
            (self.receipts()?, Asked { ledger: self, state, refs, moves: &moves, clock: attempt.now });
        for Counted { name, certificate, most, commits } in &attempt.counted {
            let used = receipts.uses(*certificate, &asked)?;
            let all = u64::try_from(used.union(commits).count()).unwrap_or(u64::MAX);
            if all > *most {
                return Err(LedgerError::UsedUp { grant: name.clone(), most: *most });
            }
        }
        Ok(())
    }

    /// What became of decisions whose push did not come back: the refs themselves tell. A recent one may still be on its way,
    /// unless this push is about the same ref; and one that was given up may have landed all the same, which a ref shows that has moved.
    fn settle_open(
        &self,
        state: &State,
        (time, clock): (Time, Time),
        refs: &dyn CurrentRefs,
        touched: &HashSet<RefName>,
    ) -> Result<Vec<Entry>, LedgerError> {
        let known = self.known(state)?;
        let mut entries = Vec::new();
        let failed = |error| self.moves_failed(error);
        for (decision, open) in &state.open {
            // What was decided long from now was so while the clock was wrong.
            let overdue = clock.0.0.abs_diff(open.time.0.0) >= IN_FLIGHT;
            let mut pending: Vec<(RefName, Ends)> = Vec::new();
            if overdue {
                open.pending.each(&mut |name, ends| pending.push((name.clone(), *ends))).map_err(failed)?;
            }
            let mut aborted: Vec<(RefName, Ends)> = Vec::new();
            for name in touched {
                let of = |moves: &Moves| moves.find(name).map(|ends| ends.map(|ends| (name.clone(), ends)));
                if !overdue {
                    pending.extend(of(&open.pending).map_err(failed)?);
                }
                if open.missing == 0 {
                    aborted.extend(of(&open.aborted).map_err(failed)?);
                }
            }
            pending.sort_by(|(one, _), (other, _)| one.cmp(other));
            aborted.sort_by(|(one, _), (other, _)| one.cmp(other));
            let (mut landed, mut lost) = (Vec::new(), Vec::new());
            for (name, ends) in pending {
                let is_there = open.missing == 0 && refs.value(&name.0)?.map(CanonicalOid) == ends.new;
                if is_there { landed.push(name) } else { lost.push(name) }
            }
            for (name, ends) in aborted {
                let value = refs.value(&name.0)?;
                if value.map(CanonicalOid) == ends.new && known.value(&name)? != value {
                    landed.push(name);
                }
            }
            entries.extend(settled(&landed, time, *decision, Witness::Refs).map(Entry::Committed));
            entries.extend(settled(&lost, time, *decision, Witness::Refs).map(Entry::Aborted));
        }
        Ok(entries)
    }

    /// Records that git moved these refs, for the decision that they belong to. Those of its refs that are not named did not move.
    /// Refs that belong to no decision are returned.
    ///
    /// # Errors
    /// [`LedgerError`] if it cannot be recorded. The decision stays open then, and a later push settles it.
    pub fn committed(
        &self,
        now: Timestamp,
        moves: &[(RefName, Option<CanonicalOid>, Option<CanonicalOid>)],
        by: Witness,
    ) -> Result<Vec<RefName>, LedgerError> {
        let mut strangers = Vec::new();
        self.append(now, &mut |state| {
            let time = Time(now.max(state.time()));
            strangers.clear();
            let failed = |error| self.moves_failed(error);
            if moves.len() > FEW {
                state.load_moves().map_err(failed)?;
            }
            let known = self.known(state)?;
            let mut committed: BTreeMap<u64, Vec<RefName>> = BTreeMap::new();
            for (name, old, new) in moves {
                let mut decision = None;
                for (number, open) in state.open.iter().rev() {
                    if open.moves_of(name).map_err(failed)?.any(|ends| (ends.old, ends.new) == (*old, *new)) {
                        decision = Some(*number);
                        break;
                    }
                }
                match decision {
                    Some(number) => committed.entry(number).or_default().push(name.clone()),
                    // A later push has settled it already, or nothing decided it.
                    None if known.explains(name, new.map(|id| id.0))? => {}
                    None => strangers.push(name.clone()),
                }
            }
            let mut entries = Vec::new();
            for (decision, names) in committed {
                entries.extend(settled(&names, time, decision, by).map(Entry::Committed));
                // Reference-transaction tells of one ref at a time: the others may still move.
                if by == Witness::PostReceive {
                    let named: HashSet<&RefName> = names.iter().collect();
                    let mut left = Vec::new();
                    if let Some(open) = state.open.get(&decision) {
                        let each =
                            &mut |name: &RefName, _: &Ends| left.extend((!named.contains(name)).then(|| name.clone()));
                        open.pending.each(each).map_err(failed)?;
                    }
                    entries.extend(settled(&left, time, decision, by).map(Entry::Aborted));
                }
            }
            Ok(Plan::of(entries))
        })?;
        Ok(strangers)
    }

    /// Records refs that moved with no decision, as a hook sees it happen.
    ///
    /// # Errors
    /// [`LedgerError`] if it cannot be recorded.
    pub fn moved(
        &self,
        now: Timestamp,
        names: &[RefName],
        refs: &dyn CurrentRefs,
        by: Witness,
    ) -> Result<Vec<Moved>, LedgerError> {
        let mut unexplained = Vec::new();
        self.append(now, &mut |state| {
            let time = Time(now.max(state.time()));
            let (news, moved) = self.partition_news(state, self.unexplained(state, names, refs)?)?;
            unexplained = moved;
            let entries: Vec<Entry> = found(&news, time).chain(reports(&unexplained, time, by)).collect();
            Ok(Plan::of(entries))
        })?;
        Ok(unexplained)
    }

    /// Records refs that moved with no decision and are right all the same: a mirror has fetched them.
    ///
    /// # Errors
    /// [`LedgerError`] if it cannot be recorded.
    pub fn mirrored(&self, now: Timestamp, names: &[RefName], refs: &dyn CurrentRefs) -> Result<(), LedgerError> {
        self.append(now, &mut |state| {
            let time = Time(now.max(state.time()));
            let moved = self.unexplained(state, names, refs)?;
            Ok(Plan::of(found(&moved, time).collect::<Vec<_>>()))
        })
        .map(drop)
    }

    /// Divides refs that moved with no decision: those that a forge keeps for itself, at a value that some decision accepted, are news
    /// and nothing to explain. Returns the news first.
    ///
    /// # Errors
    /// [`LedgerError`] if the ledger cannot be read.
    pub fn partition_news(&self, state: &State, moved: Vec<Moved>) -> Result<(Vec<Moved>, Vec<Moved>), LedgerError> {
        let (own, others): (Vec<Moved>, Vec<Moved>) = moved.into_iter().partition(|one| is_forge_s(&one.name.0));
        if own.is_empty() {
            return Ok((own, others));
        }
        let mut accepted: HashSet<CanonicalOid> = HashSet::new();
        for moves in state.open.values().flat_map(|open| [&open.pending, &open.aborted]) {
            moves.each(&mut |_, ends| accepted.extend(ends.new)).map_err(|error| self.moves_failed(error))?;
        }
        accepted.extend(self.known_refs(state)?.into_values().map(CanonicalOid));
        let (news, mut strange): (Vec<Moved>, Vec<Moved>) =
            own.into_iter().partition(|one| one.to.is_none_or(|to| accepted.contains(&to)));
        strange.extend(others);
        Ok((news, strange))
    }

    /// Takes the refs as they are for right: at the start, and where an admin says so. How many differ from what was known.
    ///
    /// # Errors
    /// [`LedgerError`] if the refs cannot be read or it cannot be recorded.
    pub fn take_as_found(&self, now: Timestamp, refs: &dyn CurrentRefs) -> Result<usize, LedgerError> {
        let mut count = 0;
        self.append(now, &mut |state| {
            let time = Time(now.max(state.time()));
            let mut changed: BTreeMap<RefName, Option<CanonicalOid>> = BTreeMap::new();
            for (name, id) in self.differences(state, refs)? {
                changed.insert(name, id.map(CanonicalOid));
            }
            // So are those that hold what people passed findings over for.
            for name in state.unexplained.iter().chain(state.overridden.keys()) {
                if !changed.contains_key(name) {
                    changed.insert(name.clone(), refs.value(&name.0)?.map(CanonicalOid));
                }
            }
            count = changed.len();
            Ok(Plan::of(in_entries(changed).map(move |refs| Entry::Refs(Found { time, refs }))))
        })?;
        self.compact()?;
        Ok(count)
    }

    /// Writes down what is kept to be fast: not needed for anything to be right, so it waits for nobody.
    ///
    /// # Errors
    /// [`LedgerError`] if a file cannot be written.
    pub fn compact(&self) -> Result<(), LedgerError> {
        let Some(_lock) = self.try_lock("compacting")? else { return Ok(()) };
        self.compact_refs()?;
        self.compact_receipts()?;
        self.remove_leftovers()
    }

    /// Changes what is kept of the state, without an entry.
    pub(super) fn change_state(&self, change: &mut dyn FnMut(&mut State)) -> Result<(), LedgerError> {
        self.append(Timestamp(0), &mut |state| {
            change(state);
            Ok(Plan { keeps: Keep::State, ..Plan::of([]) })
        })
        .map(drop)
    }

    /// Makes the list of where records lie again.
    pub(super) fn rebuild_offsets(&self) -> Result<(), LedgerError> {
        let mut offsets = Vec::new();
        let mut next = 0;
        let verified = scan::read(&self.directory, Signatures::Last, &mut |_, bytes, _| {
            offsets.push(next);
            next += bytes;
        })?;
        debug_assert_eq!(verified.state.bytes, next);
        self.keep_offsets(0, &offsets)
    }
}

/// Bytes of the JSON of something, and of a comma.
fn bytes_of(item: &impl Serialize) -> usize {
    serde_json::to_string(item).map_or(FULL, |json| json.len() + 1)
}

/// What each entry takes of a list. Any one of it fits into an entry.
pub(super) fn in_entries<T: Serialize>(items: impl IntoIterator<Item = T>) -> impl Iterator<Item = Vec<T>> {
    let mut items = items.into_iter().map(|item| (bytes_of(&item), item)).peekable();
    std::iter::from_fn(move || {
        let (first, item) = items.next()?;
        let mut room = FULL.saturating_sub(first);
        let mut some = vec![item];
        while let Some((needed, item)) = items.next_if(|(needed, _)| *needed <= room) {
            room -= needed;
            some.push(item);
        }
        Some(some)
    })
}

/// Where forges keep refs of their own: the heads of requests, and what they want to keep.
const FORGE_S: [&[u8]; 6] = [
    b"refs/pull/",
    b"refs/merge-requests/",
    b"refs/changes/",
    b"refs/keep-around/",
    b"refs/pipelines/",
    b"refs/environments/",
];

fn is_forge_s(name: &[u8]) -> bool {
    FORGE_S.iter().any(|start| name.starts_with(start))
}

fn found(news: &[Moved], time: Time) -> impl Iterator<Item = Entry> {
    let refs = news.iter().map(|one| (one.name.clone(), one.to));
    in_entries(refs).map(move |refs| Entry::Refs(Found { time, refs }))
}

fn reports(moved: &[Moved], time: Time, by: Witness) -> impl Iterator<Item = Entry> {
    in_entries(moved.iter().cloned()).map(move |refs| Entry::Unexplained(Unexplained { time, refs, by }))
}

/// As many entries as the names take.
fn settled(refs: &[RefName], time: Time, decision: u64, by: Witness) -> impl Iterator<Item = Settled> {
    in_entries(refs.iter().cloned()).map(move |refs| Settled { time, decision, refs, by })
}

/// Refusals of hours that are over and were only counted.
fn overdue_counts(state: &State, time: Time, clock: Time) -> Vec<Entry> {
    let hour = super::state::hour_of(clock);
    let overdue = state.refused.iter().filter(|(_, refused)| refused.suppressed > 0 && refused.hour != hour);
    overdue
        .map(|(submitter, refused)| {
            let submitter = (!submitter.is_empty()).then(|| submitter.clone());
            Entry::Suppressed(Suppressed { time, submitter, hour: refused.hour, refused: refused.suppressed })
        })
        .collect()
}

/// The entries of one decision.
fn decision<'a>(attempt: &'a Attempt<'_>, time: Time, number: u64) -> impl Iterator<Item = Entry> + 'a {
    // The first entry says how many continue it.
    let continued = u32::try_from(parts(&*attempt.updates).count().saturating_sub(1)).unwrap_or(u32::MAX);
    let mut parts = parts(&*attempt.updates);
    let first = Entry::Decided(Decided {
        time,
        clock: (attempt.now < time.0).then_some(Time(attempt.now)),
        again: None,
        outcome: attempt.outcome,
        policy: attempt.policy.map(Sha256),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        submitter: attempt.submitter.clone(),
        error: attempt.error.clone(),
        freezes: attempt.freezes.map(Sha256),
        updates: parts.next().unwrap_or_default(),
        continued,
    });
    std::iter::once(first).chain(parts.map(move |updates| Entry::Continued(Continued { decision: number, updates })))
}

/// Splits updates so that each part fits into an entry.
pub(super) fn parts(updates: &dyn Updates) -> impl Iterator<Item = Vec<UpdateRecord>> {
    in_entries(updates.records().flat_map(pieces))
}

/// One update in pieces that fit into an entry each: the first has the findings, and all together the work and the approvals.
fn pieces(mut update: UpdateRecord) -> Vec<UpdateRecord> {
    let (work, approvals) = (std::mem::take(&mut update.work), std::mem::take(&mut update.approvals));
    let again =
        UpdateRecord { findings: Vec::new(), left_out: None, order: None, overrides: Vec::new(), ..update.clone() };
    let mut pieces = Pieces { full: Vec::new(), room: FULL.saturating_sub(bytes_of(&update)), open: update, again };
    for approval in approvals {
        pieces.make_room(bytes_of(&approval));
        pieces.open.approvals.push(approval);
    }
    for Work { principal, key, grant, commits } in work {
        let begun = Work { principal, key, grant, commits: Vec::new() };
        let bytes = bytes_of(&begun);
        for commit in commits {
            pieces.make_room(bytes + bytes_of(&commit));
            match pieces.open.work.last_mut().filter(|work| {
                (&work.principal, &work.key, &work.grant) == (&begun.principal, &begun.key, &begun.grant)
            }) {
                Some(work) => {
                    pieces.room += bytes;
                    work.commits.push(commit);
                }
                None => pieces.open.work.push(Work { commits: vec![commit], ..begun.clone() }),
            }
        }
    }
    pieces.full.push(pieces.open);
    pieces.full
}

/// The pieces of one update.
struct Pieces {
    full: Vec<UpdateRecord>,
    /// The one that is filled.
    open: UpdateRecord,
    /// Bytes that it takes yet.
    room: usize,
    /// What the next one begins as.
    again: UpdateRecord,
}

impl Pieces {
    /// Takes room for so many bytes, in another piece if need be.
    fn make_room(&mut self, bytes: usize) {
        if bytes > self.room {
            self.full.push(std::mem::replace(&mut self.open, self.again.clone()));
            self.room = FULL.saturating_sub(bytes_of(&self.again));
        }
        self.room = self.room.saturating_sub(bytes);
    }
}
