//! What is written when: a decision with what is left over from earlier ones, and later what became of it.

use std::collections::{BTreeMap, BTreeSet};

use super::entry::{
    Continued, Decided, Entry, Found, Moved, Outcome, Settled, Suppressed, Unexplained, UpdateRecord, Witness, Work,
};
use super::error::LedgerError;
use super::known::CurrentRefs;
use super::scan::{self, Signatures};
use super::state::{IN_FLIGHT, Move, State};
use super::store::Ledger;
use crate::core::canonical::{CanonicalOid, RefName, Sha256, Time};
use crate::core::decide::Timestamp;
use crate::core::digest::Digest;
use crate::core::limits;

/// A decision that is to be recorded.
#[derive(Debug)]
pub struct Attempt {
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
    /// The ref updates.
    pub updates: Vec<UpdateRecord>,
    /// Refs that may have moved with no decision.
    pub suspects: Vec<RefName>,
}

/// What was recorded.
#[derive(Debug)]
pub struct Recorded {
    /// The state after it.
    pub state: State,
    /// Refs that moved with no decision and were not known to have.
    pub unexplained: Vec<Moved>,
}

/// Refs in one entry that lists them. At 4096 bytes a name (PATH_MAX) they stay under [`limits::RECORD_BYTES`].
const REFS_PER_ENTRY: usize = 200;

impl Ledger {
    /// Records a decision, all in one write: what became of earlier decisions, refs that moved unexplained, and the decision.
    ///
    /// # Errors
    /// [`LedgerError`] if it cannot be recorded; then the push must be refused. [`LedgerError::RefMoved`] where a ref that an
    /// accepted push would move is not where it was judged from.
    pub fn decide(&self, attempt: Attempt, refs: &dyn CurrentRefs) -> Result<Recorded, LedgerError> {
        let mut unexplained = Vec::new();
        let state = self.append(attempt.now, &mut |state| {
            let time = Time(attempt.now.max(state.time()));
            let mut entries = overdue_counts(state, time);
            let touched: BTreeSet<&RefName> = attempt.updates.iter().map(|update| &update.name).collect();
            entries.extend(self.settle_open(state, time, refs, &touched)?);
            let (news, moved) = self.partition_news(state, self.unexplained(state, &attempt.suspects, refs)?)?;
            entries.extend(found(&news, time));
            entries.extend(reports(&moved, time, Witness::Refs));
            unexplained = moved;
            if attempt.outcome == Outcome::Accepted {
                for update in &attempt.updates {
                    let value = refs.value(&update.name.0)?.map(CanonicalOid);
                    // Git takes the deletion of a ref that is gone already.
                    let is_gone = value.is_none() && update.new.is_none();
                    if value != update.old && !is_gone {
                        return Err(LedgerError::RefMoved(update.name.to_string()));
                    }
                }
            } else {
                let refused = state.refusals(attempt.submitter.as_deref(), time);
                if refused.recorded >= limits::REFUSED_PER_HOUR {
                    refused.suppressed = refused.suppressed.saturating_add(1);
                    return Ok(entries);
                }
            }
            let number = state.size() + u64::try_from(entries.len()).unwrap_or(u64::MAX);
            entries.extend(decision(&attempt, time, number));
            Ok(entries)
        })?;
        Ok(Recorded { state, unexplained })
    }

    /// What became of decisions whose push did not come back: the refs themselves tell. A recent one may still be on its way,
    /// unless this push is about the same ref; and one that was given up may have landed all the same.
    fn settle_open(
        &self,
        state: &State,
        time: Time,
        refs: &dyn CurrentRefs,
        touched: &BTreeSet<&RefName>,
    ) -> Result<Vec<Entry>, LedgerError> {
        let mut entries = Vec::new();
        for (decision, open) in &state.open {
            let overdue = time.0.0.saturating_sub(open.time.0.0) >= IN_FLIGHT;
            let (mut landed, mut lost) = (Vec::new(), Vec::new());
            for one in open.pending.iter().filter(|one| overdue || touched.contains(&one.name)) {
                let is_there = open.missing == 0 && refs.value(&one.name.0)?.map(CanonicalOid) == one.new;
                if is_there { landed.push(one.name.clone()) } else { lost.push(one.name.clone()) }
            }
            for one in open.aborted.iter().filter(|_| open.missing == 0) {
                let value = refs.value(&one.name.0)?;
                if value.map(CanonicalOid) == one.new && self.known(state, &one.name)? != value {
                    landed.push(one.name.clone());
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
            let mut committed: BTreeMap<u64, Vec<RefName>> = BTreeMap::new();
            for (name, old, new) in moves {
                let is_it = |one: &Move| one.name == *name && one.new == *new && one.old == *old;
                let mut decisions = state.open.iter().rev();
                match decisions.find(|(_, open)| open.pending.iter().chain(&open.aborted).any(is_it)) {
                    Some((number, _)) => committed.entry(*number).or_default().push(name.clone()),
                    // A later push has settled it already, or nothing decided it.
                    None if self.is_explained(state, name, new.map(|id| id.0))? => {}
                    None => strangers.push(name.clone()),
                }
            }
            let mut entries = Vec::new();
            for (decision, names) in committed {
                let pending = state.open.get(&decision).map(|open| open.pending.as_slice()).unwrap_or_default();
                let left: Vec<RefName> =
                    pending.iter().map(|one| one.name.clone()).filter(|name| !names.contains(name)).collect();
                entries.extend(settled(&names, time, decision, by).map(Entry::Committed));
                // Reference-transaction tells of one ref at a time: the others may still move.
                if by == Witness::PostReceive {
                    entries.extend(settled(&left, time, decision, by).map(Entry::Aborted));
                }
            }
            Ok(entries)
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
            Ok(found(&news, time).chain(reports(&unexplained, time, by)).collect())
        })?;
        Ok(unexplained)
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
        let decided = state.open.values().flat_map(|open| open.pending.iter().chain(&open.aborted));
        let mut accepted: BTreeSet<CanonicalOid> = decided.filter_map(|one| one.new).collect();
        accepted.extend(self.known_refs(state)?.into_values().map(CanonicalOid));
        let (news, mut strange): (Vec<Moved>, Vec<Moved>) =
            own.into_iter().partition(|one| one.to.is_none_or(|to| accepted.contains(&to)));
        strange.extend(others);
        Ok((news, strange))
    }

    /// Whether an accepted decision is open that would move this ref to this value.
    ///
    /// # Errors
    /// [`LedgerError`] if the ledger cannot be read.
    pub fn awaits(&self, name: &RefName, new: Option<CanonicalOid>) -> Result<bool, LedgerError> {
        Ok(self.state()?.lands(&name.0, new.map(|id| id.0)))
    }

    /// Takes the refs as they are for right: at the start, and where an admin says so. How many differ from what was known.
    ///
    /// # Errors
    /// [`LedgerError`] if the refs cannot be read or it cannot be recorded.
    pub fn take_as_found(&self, now: Timestamp, refs: &dyn CurrentRefs) -> Result<usize, LedgerError> {
        let mut count = 0;
        self.append(now, &mut |state| {
            let time = Time(now.max(state.time()));
            let (known, found) = (self.known_refs(state)?, refs.all()?);
            let mut changed: BTreeMap<RefName, Option<CanonicalOid>> = BTreeMap::new();
            for (name, id) in found.iter().filter(|(name, id)| known.get(*name) != Some(*id)) {
                changed.insert(RefName(name.clone()), Some(CanonicalOid(*id)));
            }
            for name in known.keys().filter(|name| !found.contains_key(*name)) {
                changed.insert(RefName(name.clone()), None);
            }
            for name in &state.unexplained {
                changed.entry(name.clone()).or_insert_with(|| found.get(&name.0).copied().map(CanonicalOid));
            }
            count = changed.len();
            let changed: Vec<_> = changed.into_iter().collect();
            Ok(changed.chunks(REFS_PER_ENTRY).map(|refs| Entry::Refs(Found { time, refs: refs.to_vec() })).collect())
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
            Ok(Vec::new())
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
    let refs = |moved: &[Moved]| moved.iter().map(|one| (one.name.clone(), one.to)).collect();
    news.chunks(REFS_PER_ENTRY).map(move |moved| Entry::Refs(Found { time, refs: refs(moved) }))
}

fn reports(moved: &[Moved], time: Time, by: Witness) -> impl Iterator<Item = Entry> {
    moved.chunks(REFS_PER_ENTRY).map(move |refs| Entry::Unexplained(Unexplained { time, refs: refs.to_vec(), by }))
}

/// As many entries as the names take.
fn settled(refs: &[RefName], time: Time, decision: u64, by: Witness) -> impl Iterator<Item = Settled> {
    refs.chunks(REFS_PER_ENTRY).map(move |refs| Settled { time, decision, refs: refs.to_vec(), by })
}

/// Refusals of hours that are over and were only counted.
fn overdue_counts(state: &State, time: Time) -> Vec<Entry> {
    let hour = super::state::hour_of(time);
    let overdue = state.refused.iter().filter(|(_, refused)| refused.suppressed > 0 && refused.hour < hour);
    overdue
        .map(|(submitter, refused)| {
            let submitter = (!submitter.is_empty()).then(|| submitter.clone());
            Entry::Suppressed(Suppressed { time, submitter, hour: refused.hour, refused: refused.suppressed })
        })
        .collect()
}

/// The entries of one decision.
fn decision(attempt: &Attempt, time: Time, number: u64) -> Vec<Entry> {
    let mut parts = parts(&attempt.updates).into_iter();
    let first = parts.next().unwrap_or_default();
    let continued: Vec<Entry> =
        parts.map(|updates| Entry::Continued(Continued { decision: number, updates })).collect();
    let mut entries = vec![Entry::Decided(Decided {
        time,
        clock: (attempt.now < time.0).then_some(Time(attempt.now)),
        outcome: attempt.outcome,
        policy: attempt.policy.map(Sha256),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        submitter: attempt.submitter.clone(),
        error: attempt.error.clone(),
        updates: first,
        continued: u32::try_from(continued.len()).unwrap_or(u32::MAX),
    })];
    entries.extend(continued);
    entries
}

/// Commits in one piece of work: a piece with an update's own data stays well under [`limits::RECORD_BYTES`].
const COMMITS_PER_PIECE: usize = 500;

/// Bytes of JSON after which a record is full enough.
const FULL: usize = 128 << 10;

/// Splits updates so that each part fits into a record.
fn parts(updates: &[UpdateRecord]) -> Vec<Vec<UpdateRecord>> {
    let mut parts: Vec<Vec<UpdateRecord>> = Vec::new();
    let mut room = 0;
    for piece in updates.iter().flat_map(pieces) {
        let bytes = serde_json::to_string(&piece).map_or(FULL, |json| json.len());
        match parts.last_mut().filter(|_| bytes <= room) {
            Some(part) => {
                room -= bytes;
                part.push(piece);
            }
            None => {
                room = FULL.saturating_sub(bytes);
                parts.push(vec![piece]);
            }
        }
    }
    parts
}

/// One update in pieces: the first has the findings, with the others the work and the approvals.
fn pieces(update: &UpdateRecord) -> Vec<UpdateRecord> {
    let bare = UpdateRecord { work: Vec::new(), approvals: Vec::new(), ..update.clone() };
    let again = UpdateRecord { findings: Vec::new(), left_out: None, ..bare.clone() };
    let mut approvals = update.approvals.chunks(COMMITS_PER_PIECE);
    let mut pieces = vec![UpdateRecord { approvals: approvals.next().unwrap_or_default().to_vec(), ..bare }];
    let mut room = COMMITS_PER_PIECE;
    for work in &update.work {
        let mut rest = work.commits.as_slice();
        while !rest.is_empty() {
            if room == 0 {
                pieces.push(again.clone());
                room = COMMITS_PER_PIECE;
            }
            let (now, later) = rest.split_at(rest.len().min(room));
            room -= now.len();
            rest = later;
            if let Some(piece) = pieces.last_mut() {
                piece.work.push(Work { commits: now.to_vec(), ..work.clone() });
            }
        }
    }
    for approvals in approvals {
        pieces.push(UpdateRecord { approvals: approvals.to_vec(), ..again.clone() });
    }
    pieces
}
