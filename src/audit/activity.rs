//! What a ledger says happened: pushes, what became of them, and what went past the gate.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::core::canonical::RefName;
use crate::core::decide::Timestamp;
use crate::core::digest::Digest;
use crate::core::oid::Oid;
use crate::gate::recording::ledger_failure;
use crate::ledger::{self, Decided, Entry, Outcome, Settled, Signatures, UpdateRecord};
use crate::system::Result;

/// What one ledger says, over all generations of it that are there.
#[derive(Default)]
pub(super) struct Activity {
    /// The name of the repository.
    pub(super) repository: String,
    pub(super) entries: u64,
    pub(super) pushes: Vec<Push>,
    /// What moved, or was set right, with no decision.
    pub(super) past_the_gate: Vec<PastTheGate>,
    /// Refused pushes that were counted and not recorded, by the start of their hour.
    pub(super) suppressed: Vec<(Timestamp, u64)>,
}

/// One push, as it was decided.
pub(super) struct Push {
    pub(super) entry: u64,
    pub(super) time: Timestamp,
    pub(super) outcome: Outcome,
    /// Whether nothing could be decided.
    pub(super) undecided: bool,
    pub(super) submitter: Option<String>,
    pub(super) updates: Vec<Update>,
}

/// What it would do to one ref.
pub(super) struct Update {
    pub(super) name: RefName,
    pub(super) new: Option<Oid>,
    pub(super) commits: u64,
    pub(super) outcome: Outcome,
    /// Whether the ref moved.
    pub(super) landed: bool,
    pub(super) work: Vec<Work>,
    pub(super) approvals: Vec<(String, Digest)>,
    pub(super) findings: Vec<Found>,
}

/// What one principal made of it.
pub(super) struct Work {
    pub(super) principal: String,
    pub(super) commits: Vec<Oid>,
}

/// What was found, so many times.
pub(super) struct Found {
    pub(super) code: String,
    pub(super) severity: String,
    /// Who is said to have made the work: a claim.
    pub(super) author: Option<String>,
    pub(super) count: u64,
}

impl Found {
    /// Whether enforcing refuses for it.
    pub(super) fn refuses(&self) -> bool {
        !matches!(self.severity.as_str(), "notice" | "warning")
    }
}

/// Something that no decision explains.
pub(super) struct PastTheGate {
    pub(super) entry: u64,
    pub(super) time: Timestamp,
    pub(super) what: What,
}

/// What it was.
pub(super) enum What {
    /// A ref moved.
    Moved(RefName, Option<Oid>, Option<Oid>),
    /// An admin took the refs as they were found, again.
    Taken(usize),
    /// An admin said that the clock is right.
    Clock,
    /// An admin said that approvals have not landed.
    Unspent(usize),
}

impl Push {
    /// Who pushed, without the forge that did it for them.
    pub(super) fn pusher(&self) -> Option<&str> {
        self.submitter.as_deref().and_then(|who| who.split(" via ").next())
    }

    /// Whether it was let through although enforcing refuses for what was found.
    pub(super) fn let_through(&self) -> bool {
        let refusing =
            |update: &Update| update.outcome != Outcome::Accepted || update.findings.iter().any(Found::refuses);
        self.outcome == Outcome::Accepted && (self.undecided || self.updates.iter().any(refusing))
    }
}

/// Reads a ledger from its beginning.
pub(super) fn read(ledger: &Path) -> Result<Activity> {
    let mut activity = Activity::default();
    for log in ledger::generations(ledger).iter().map(PathBuf::as_path).chain([ledger]) {
        let mut reading = Reading { activity: &mut activity, decisions: HashMap::new(), is_later: false };
        let read = ledger::read(log, Signatures::Last, &mut |number, _, entry| reading.take(number, entry));
        let read = read.map_err(|error| ledger_failure(&error))?;
        activity.repository = read.repository;
        activity.entries += read.size;
    }
    Ok(activity)
}

/// One log that is read.
struct Reading<'a> {
    activity: &'a mut Activity,
    /// Where the push of a decision stands.
    decisions: HashMap<u64, usize>,
    /// Whether the log goes on from another: what it begins with is known already.
    is_later: bool,
}

impl Reading<'_> {
    fn take(&mut self, number: u64, entry: &Entry) {
        let time = entry.time().or(self.activity.pushes.last().map(|push| push.time)).unwrap_or(Timestamp(0));
        let past = |what| PastTheGate { entry: number, time, what };
        match entry {
            Entry::Decided(decided) if decided.again.is_none() => self.begin(number, decided),
            Entry::Continued(continued) => self.add(continued.decision, &continued.updates),
            Entry::Committed(settled) => self.settle(settled, Landed::Yes),
            Entry::Aborted(settled) => self.settle(settled, Landed::No),
            Entry::Unexplained(unexplained) if !self.is_later => {
                let moves = unexplained.refs.iter();
                let moves = moves
                    .map(|one| past(What::Moved(one.name.clone(), one.from.map(|id| id.0), one.to.map(|id| id.0))));
                self.activity.past_the_gate.extend(moves);
            }
            // Before the first decision it is how a record begins.
            Entry::Refs(found) if !self.is_later && !self.activity.pushes.is_empty() => {
                self.activity.past_the_gate.push(past(What::Taken(found.refs.len())));
            }
            Entry::Clock(_) => self.activity.past_the_gate.push(past(What::Clock)),
            Entry::Unspent(presumed) => self.activity.past_the_gate.push(past(What::Unspent(presumed.approvals.len()))),
            Entry::Suppressed(suppressed) if !self.is_later => {
                self.activity.suppressed.push((suppressed.hour.0, suppressed.refused));
            }
            _ => {}
        }
        // What a later log says before its first decision or placement of its own, the one before has said.
        self.is_later = match entry {
            Entry::Continues(_) => true,
            Entry::Decided(decided) => self.is_later && decided.again.is_some(),
            Entry::Committed(_) | Entry::Aborted(_) => self.is_later && self.decisions.is_empty(),
            _ => self.is_later,
        };
    }

    fn begin(&mut self, number: u64, decided: &Decided) {
        self.decisions.insert(number, self.activity.pushes.len());
        self.activity.pushes.push(Push {
            entry: number,
            time: decided.time.0,
            outcome: decided.outcome,
            undecided: decided.error.is_some(),
            submitter: decided.submitter.clone(),
            updates: Vec::new(),
        });
        self.add(number, &decided.updates);
    }

    fn add(&mut self, decision: u64, updates: &[UpdateRecord]) {
        let place = self.decisions.get(&decision).copied();
        let Some(push) = place.and_then(|place| self.activity.pushes.get_mut(place)) else { return };
        for record in updates {
            match push.updates.last_mut().filter(|last| last.name == record.name) {
                Some(last) => last.add(record),
                None => push.updates.push(Update::of(record)),
            }
        }
    }

    fn settle(&mut self, settled: &Settled, landed: Landed) {
        let place = self.decisions.get(&settled.decision).copied();
        let Some(push) = place.and_then(|place| self.activity.pushes.get_mut(place)) else { return };
        let few = settled.refs.len() < 8;
        let names: std::collections::HashSet<&RefName> =
            if few { Default::default() } else { settled.refs.iter().collect() };
        for update in &mut push.updates {
            if (few && settled.refs.contains(&update.name)) || names.contains(&update.name) {
                update.landed = landed == Landed::Yes;
            }
        }
    }
}

impl Update {
    /// Whether it is about a commit: as somebody's work, or as what the ref moves to.
    pub(super) fn has(&self, commit: Oid) -> bool {
        self.new == Some(commit) || self.work.iter().any(|work| work.commits.contains(&commit))
    }
}

/// Whether a ref moved.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Landed {
    Yes,
    No,
}

impl Update {
    fn of(record: &UpdateRecord) -> Self {
        let mut update = Self {
            name: record.name.clone(),
            new: record.new.map(|id| id.0),
            commits: record.commits,
            outcome: record.outcome,
            landed: false,
            work: Vec::new(),
            approvals: Vec::new(),
            findings: Vec::new(),
        };
        update.add(record);
        update
    }

    fn add(&mut self, record: &UpdateRecord) {
        self.work.extend(record.work.iter().map(|work| Work {
            principal: work.principal.clone(),
            commits: work.commits.iter().map(|(id, _)| id.0).collect(),
        }));
        self.approvals.extend(record.approvals.iter().map(|one| (one.approver.clone(), one.digest.0)));
        self.findings.extend(record.findings.iter().map(|one| Found {
            code: one.code.clone(),
            severity: one.severity.clone(),
            author: one.author.clone(),
            count: 1,
        }));
        let left_out = record.left_out.iter().flat_map(|left_out| &left_out.kinds);
        self.findings.extend(left_out.map(|kind| Found {
            code: kind.code.clone(),
            severity: kind.severity.clone(),
            author: kind.author.clone(),
            count: kind.findings,
        }));
    }
}
