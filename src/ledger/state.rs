//! What the ledger knows after its last entry: all that the next decision and the next append need. It is kept in a file
//! beside the log, so that opening a ledger does not read it whole; lost or outdated, it is made again from the log.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::entry::{Entry, Outcome, OverriddenMove, OverrideRecord, Settled, UpdateRecord};
use super::merkle::{Frontier, leaf};
use super::moves::{Ends, Moves};
use super::place::Place;
use crate::core::canonical::{CanonicalOid, RefName, Sha256, Time};
use crate::core::decide::Timestamp;
use crate::core::digest::Digest;
use crate::core::limits;
use crate::core::oid::Oid;

/// The state after some entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// The version of the format of the next record.
    #[serde(default = "first_version")]
    pub(super) version: u32,
    /// The number of its generation.
    #[serde(default)]
    pub(super) generation: u64,
    /// The directory that the ledger is kept for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) place: Option<Place>,
    /// The number of entries.
    pub(super) size: u64,
    /// Bytes of the log up to the end of the last entry.
    pub(super) bytes: u64,
    /// Where the last entry's line begins.
    pub(super) last: u64,
    /// The hash of the last entry.
    pub(super) leaf: Sha256,
    /// The tree's frontier.
    pub(super) subtrees: Vec<Sha256>,
    /// The time of the latest entry.
    pub(super) time: Time,
    /// Accepted decisions of which some ref has not been seen to move, by the number of their entry.
    pub(super) open: BTreeMap<u64, Open>,
    /// The values of refs that changed since the file of refs was written, and the entry that says so.
    pub(super) recent: BTreeMap<RefName, Recent>,
    /// The number of entries that the file of refs covers.
    pub(super) refs_cover: u64,
    /// The number of entries that the index of receipts covers.
    pub(super) indexed: u64,
    /// Refused pushes of each submitter in the current hour.
    pub(super) refused: BTreeMap<String, Refused>,
    /// Refs that moved with no decision, until an admin says that they are right.
    pub(super) unexplained: BTreeSet<RefName>,
    /// The first move of each ref that was accepted in spite of findings, with the orders of the last, until an admin takes the ref as it
    /// is for right, or it goes away: what it holds since counts as judged nowhere else.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) overridden: BTreeMap<RefName, OverriddenMove>,
}

/// An accepted decision whose refs may still move.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Open {
    /// When it was made, as the clock said.
    pub(super) time: Time,
    /// Entries that continue it and have not come. If they never come, a crash cut it off and git never heard of it.
    pub(super) missing: u32,
    /// Refs that have not been settled.
    pub(super) pending: Moves,
    /// Refs said not to have moved. A push that was thought dead may land all the same.
    pub(super) aborted: Moves,
    /// Who pushes, as far as the server says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) submitter: Option<String>,
    /// The digest of the freezes that were in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) freezes: Option<Sha256>,
    /// By which orders refs move in spite of findings.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) overrides: BTreeMap<RefName, Vec<OverrideRecord>>,
}

/// A decision by which a ref may move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Awaited {
    /// Who pushes, as far as the server says.
    pub submitter: Option<String>,
    /// The digest of the freezes that were in force when it was decided.
    pub freezes: Option<Digest>,
}

/// The last known value of a ref.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Recent {
    pub(super) value: Option<CanonicalOid>,
    pub(super) entry: u64,
}

impl Open {
    /// Where the decision would move a ref, or was to move it.
    pub(super) fn moves_of(&self, name: &RefName) -> std::io::Result<impl Iterator<Item = Ends>> {
        Ok([self.pending.find(name)?, self.aborted.find(name)?].into_iter().flatten())
    }

    /// Takes what lies in files of its own into memory, to be changed.
    fn load(&mut self) -> std::io::Result<()> {
        self.pending.load()?;
        self.aborted.load()
    }
}

/// Refused pushes in one hour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Refused {
    /// The hour, by its start.
    pub(super) hour: Time,
    /// Those that have an entry.
    pub(super) recorded: u64,
    /// Those that were only counted.
    pub(super) suppressed: u64,
    /// Bytes of the log that the recorded ones take, about.
    #[serde(default)]
    pub(super) bytes: u64,
}

impl Refused {
    fn none(hour: Time) -> Self {
        Self { hour, recorded: 0, suppressed: 0, bytes: 0 }
    }

    /// Whether no more are recorded in this hour.
    pub(super) fn is_full(&self) -> bool {
        self.recorded >= limits::REFUSED_PER_HOUR || self.bytes >= limits::REFUSED_BYTES_PER_HOUR
    }
}

/// Seconds after which a decision whose refs did not move is not waited for any more.
pub(super) const IN_FLIGHT: u64 = 60;

/// Seconds after which a push that was thought dead cannot land any more without being unexplained. A hook chained after ours
/// may run for long; none runs for a day.
const LATE: i64 = 86_400;

impl State {
    /// Before the first entry.
    pub(super) fn empty() -> Self {
        Self {
            version: first_version(),
            generation: 0,
            place: None,
            size: 0,
            bytes: 0,
            last: 0,
            leaf: Sha256(leaf(b"")),
            subtrees: Vec::new(),
            time: Time(Timestamp(0)),
            open: BTreeMap::new(),
            recent: BTreeMap::new(),
            refs_cover: 0,
            indexed: 0,
            refused: BTreeMap::new(),
            unexplained: BTreeSet::new(),
            overridden: BTreeMap::new(),
        }
    }

    /// The number of its generation, from 0.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The number of entries.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The time of the latest entry. A clock that shows less has gone backwards.
    pub fn time(&self) -> Timestamp {
        self.time.0
    }

    /// Whether the ref moved with no decision and no admin has said since that it is right.
    pub fn is_unexplained(&self, name: &[u8]) -> bool {
        self.unexplained.contains(&RefName(name.into()))
    }

    /// Refs that moved with no decision, and of which no admin has said since that they are right.
    pub fn unexplained(&self) -> impl Iterator<Item = &RefName> {
        self.unexplained.iter()
    }

    /// Every ref with its last value, in a state that was made by reading the log from its beginning.
    pub fn replayed(&self) -> BTreeMap<Vec<u8>, Oid> {
        let value = |(name, recent): (&RefName, &Recent)| recent.value.map(|id| (name.0.to_vec(), id.0));
        self.recent.iter().filter_map(value).collect()
    }

    /// Whether an accepted decision may yet move, or has moved, this ref to this value.
    ///
    /// # Errors
    /// Where a file cannot be read that holds the refs of a large one.
    pub fn lands(&self, name: &[u8], value: Option<Oid>) -> std::io::Result<bool> {
        let value = value.map(CanonicalOid);
        let name = RefName(name.into());
        for open in self.open.values().filter(|open| open.missing == 0) {
            if open.moves_of(&name)?.any(|ends| ends.new == value) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// When an accepted decision was made of which it is not known yet whether it moved this ref, as the clock said.
    pub(super) fn awaits(&self, decision: u64, name: &RefName) -> std::io::Result<Option<Timestamp>> {
        let Some(open) = self.open.get(&decision).filter(|open| open.missing == 0) else { return Ok(None) };
        Ok(open.pending.find(name)?.map(|_| open.time.0))
    }

    /// The decisions that may yet move a ref to a value.
    ///
    /// # Errors
    /// As [`State::lands`].
    pub fn awaited(&self, name: &[u8], value: Option<Oid>) -> std::io::Result<Vec<Awaited>> {
        let (value, name) = (value.map(CanonicalOid), RefName(name.into()));
        let mut awaited = Vec::new();
        for open in self.open.values().filter(|open| open.missing == 0) {
            if open.moves_of(&name)?.any(|ends| ends.new == value) {
                let freezes = open.freezes.map(|digest| digest.0);
                awaited.push(Awaited { submitter: open.submitter.clone(), freezes });
            }
        }
        Ok(awaited)
    }

    /// Moves that were accepted in spite of findings and stand to this day: of each ref the value before the first of them, and the time
    /// and orders of the last.
    pub fn overridden(&self) -> impl Iterator<Item = &OverriddenMove> {
        self.overridden.values()
    }

    /// The value of a ref up to which it was judged, where findings were passed over since.
    pub fn judged_until(&self, name: &[u8]) -> Option<Option<Oid>> {
        self.overridden.get(&RefName(name.into())).map(|moved| moved.old.map(|id| id.0))
    }

    /// Makes ready for an entry: the refs of a decision that it changes are in memory then.
    pub(super) fn prepare(&mut self, entry: &Entry) -> std::io::Result<()> {
        let decision = match entry {
            Entry::Committed(settled) | Entry::Aborted(settled) => settled.decision,
            Entry::Continued(continued) => continued.decision,
            Entry::Opened(_)
            | Entry::Raised(_)
            | Entry::Placed(_)
            | Entry::Rekeyed(_)
            | Entry::Continues(_)
            | Entry::Carried(_)
            | Entry::Spent(_)
            | Entry::Unspent(_)
            | Entry::Clock(_)
            | Entry::Refs(_)
            | Entry::Decided(_)
            | Entry::Unexplained(_)
            | Entry::Suppressed(_)
            | Entry::Recovered(_)
            | Entry::Ordered(_)
            | Entry::Overrode(_) => return Ok(()),
        };
        self.open.get_mut(&decision).map_or(Ok(()), Open::load)
    }

    /// Takes the refs of all open decisions into memory.
    pub(super) fn load_moves(&mut self) -> std::io::Result<()> {
        self.open.values_mut().try_for_each(Open::load)
    }

    /// The refs of open decisions, those of their own among them.
    pub(super) fn stored_moves(&mut self) -> impl Iterator<Item = (u64, &'static str, &mut Moves)> {
        self.open.iter_mut().flat_map(|(decision, open)| {
            [(*decision, "pending", &mut open.pending), (*decision, "aborted", &mut open.aborted)]
        })
    }

    pub(super) fn frontier(&self) -> Option<Frontier> {
        Frontier::from_parts(self.size, self.subtrees.iter().map(|root| root.0).collect())
    }

    /// Takes in the next entry, with the hash of its JSON, whose line of `length` bytes completes the tree to `frontier`.
    pub(super) fn apply(&mut self, entry: &Entry, leaf: Digest, length: u64, frontier: &Frontier) {
        let number = self.size;
        self.size = frontier.size();
        self.subtrees = frontier.subtrees().iter().map(|root| Sha256(*root)).collect();
        self.last = self.bytes;
        self.leaf = Sha256(leaf);
        self.bytes = self.bytes.saturating_add(length);
        if let Some(time) = entry.time() {
            self.time = self.time.max(Time(time));
        }
        match entry {
            Entry::Opened(_)
            | Entry::Recovered(_)
            | Entry::Rekeyed(_)
            | Entry::Carried(_)
            | Entry::Ordered(_)
            | Entry::Spent(_)
            | Entry::Unspent(_) => {}
            Entry::Raised(raised) => self.version = raised.version,
            Entry::Placed(placed) => self.place = Some(placed.place.clone()),
            Entry::Continues(continues) => self.generation = continues.generation,
            Entry::Clock(clock) => self.set_clock(clock.time),
            Entry::Overrode(overrode) => {
                let moves = overrode.moves.iter().map(|moved| (moved.name.clone(), moved.clone()));
                self.overridden.extend(moves);
            }
            Entry::Refs(found) => {
                for (name, value) in &found.refs {
                    self.unexplained.remove(name);
                    self.overridden.remove(name);
                    self.recent.insert(name.clone(), Recent { value: *value, entry: number });
                }
            }
            Entry::Decided(decided) => {
                let clock = decided.clock.unwrap_or(decided.time);
                if decided.outcome != Outcome::Accepted {
                    // What continues it is as long.
                    let bytes = length.saturating_mul(u64::from(decided.continued).saturating_add(1));
                    let refused = self.refusals(decided.submitter.as_deref(), clock);
                    refused.recorded = refused.recorded.saturating_add(1);
                    refused.bytes = refused.bytes.saturating_add(bytes);
                }
                let late = clock.0.0.saturating_sub(LATE);
                self.open.retain(|_, open| !open.pending.is_empty() || open.time.0.0 >= late);
                let given_up = self.open.iter().filter(|(_, open)| open.pending.is_empty()).map(|(number, _)| *number);
                let given_up: Vec<u64> = given_up.collect();
                for number in given_up.iter().take(given_up.len().saturating_sub(limits::GIVEN_UP_DECISIONS)) {
                    self.open.remove(number);
                }
                if decided.outcome == Outcome::Accepted {
                    let open = Open {
                        time: clock,
                        missing: decided.continued,
                        pending: Moves::default(),
                        aborted: Moves::default(),
                        submitter: decided.submitter.clone(),
                        freezes: decided.freezes,
                        overrides: BTreeMap::new(),
                    };
                    self.open.insert(number, open);
                    self.await_moves(number, &decided.updates);
                }
            }
            Entry::Continued(continued) => {
                if let Some(open) = self.open.get_mut(&continued.decision) {
                    open.missing = open.missing.saturating_sub(1);
                }
                self.await_moves(continued.decision, &continued.updates);
            }
            Entry::Committed(settled) => self.commit(settled, number),
            Entry::Aborted(settled) => self.abort(settled),
            Entry::Unexplained(unexplained) => {
                for moved in &unexplained.refs {
                    self.unexplained.insert(moved.name.clone());
                    self.recent.insert(moved.name.clone(), Recent { value: moved.to, entry: number });
                }
            }
            Entry::Suppressed(suppressed) => {
                if let Some(refused) = self.refused.get_mut(suppressed.submitter.as_deref().unwrap_or_default()) {
                    refused.suppressed = refused.suppressed.saturating_sub(suppressed.refused);
                }
            }
        }
    }

    /// Times go on from here, which is before what they had come to.
    fn set_clock(&mut self, now: Time) {
        self.time = now;
        let hour = hour_of(now);
        self.refused.values_mut().for_each(|refused| refused.hour = refused.hour.min(hour));
        self.open.values_mut().for_each(|open| open.time = open.time.min(now));
    }

    fn await_moves(&mut self, decision: u64, updates: &[UpdateRecord]) {
        let Some(open) = self.open.get_mut(&decision) else { return };
        for update in updates {
            // A continuation that names a ref again only adds work to it.
            open.pending.insert(update.name.clone(), Ends { old: update.old, new: update.new });
            if !update.overrides.is_empty() {
                open.overrides.insert(update.name.clone(), update.overrides.clone());
            }
        }
    }

    fn commit(&mut self, settled: &Settled, number: u64) {
        let Some(open) = self.open.get_mut(&settled.decision) else { return };
        for name in &settled.refs {
            for moves in [&mut open.pending, &mut open.aborted] {
                if let Some((name, ends)) = moves.remove(name) {
                    if ends.new.is_none() {
                        self.overridden.remove(&name);
                    } else if let Some(overrides) = open.overrides.remove(&name) {
                        let before = self.overridden.get(&name).map_or(ends.old, |first| first.old);
                        let (time, new) = (open.time, ends.new);
                        let moved = OverriddenMove { name: name.clone(), time, old: before, new, overrides };
                        self.overridden.insert(name.clone(), moved);
                    }
                    self.recent.insert(name, Recent { value: ends.new, entry: number });
                }
            }
        }
        if open.pending.is_empty() && open.aborted.is_empty() {
            self.open.remove(&settled.decision);
        }
    }

    fn abort(&mut self, settled: &Settled) {
        let Some(open) = self.open.get_mut(&settled.decision) else { return };
        for name in &settled.refs {
            if let Some((name, ends)) = open.pending.remove(name) {
                open.aborted.insert(name, ends);
            }
        }
    }

    /// The count of one submitter for the hour of `time`. What was only counted in an earlier hour stays until it is written. All
    /// that the policy does not know (`account:`, `key:`) are one: keys are made at will.
    pub(super) fn refusals(&mut self, submitter: Option<&str>, time: Time) -> &mut Refused {
        let hour = hour_of(time);
        let name = submitter.unwrap_or_default();
        let name = name.split_once(':').map_or(name, |(kind, _)| kind);
        let refused = self.refused.entry(name.to_owned()).or_insert_with(|| Refused::none(hour));
        if refused.hour != hour && refused.suppressed == 0 {
            *refused = Refused::none(hour);
        }
        refused
    }
}

/// The version in which every log begins.
fn first_version() -> u32 {
    1
}

/// The start of the hour.
pub(super) fn hour_of(time: Time) -> Time {
    Time(Timestamp(time.0.0.saturating_sub(time.0.0.rem_euclid(3600))))
}
