//! `countersign log show`: entries, and which of them.

use std::collections::VecDeque;

use super::entries::{mentions, names_of, submitter_of};
use super::formats::Format;
use super::known::Known;
use super::place::Place;
use super::would_refuse;
use crate::core::canonical::Time;
use crate::core::decide::Timestamp;
use crate::desk::check::full_name;
use crate::gate::recording::ledger_failure;
use crate::ledger::{self, Entry, Outcome, Signatures, UpdateRecord};
use crate::system::{Exit, Failure, Paged, Result, print};

pub(crate) struct Show {
    pub(crate) place: Place,
    /// Only what is about this ref
    pub(crate) name: Option<String>,
    /// Only what is about this person, agent or service
    pub(crate) principal: Option<String>,
    /// Only decisions with this finding
    pub(crate) code: Option<String>,
    /// Only decisions that ended so
    pub(crate) verdict: Option<Outcome>,
    /// Only decisions by which something was accepted in spite of findings
    pub(crate) overrides: bool,
    /// Only from this time or day on, such as 2026-11-01 or 2026-11-01T08:00:00Z
    pub(crate) since: Option<Time>,
    /// Only before this time or day
    pub(crate) until: Option<Time>,
    /// Only what is about this commit, by four digits of its id or more
    pub(crate) commit: Option<String>,
    /// Only entries with a greater number than this: those after the last one that is known
    pub(crate) after: Option<u64>,
    /// Only the last N of each ledger
    pub(crate) count: Option<usize>,
    /// The newest first
    pub(crate) reverse: bool,
    /// Sum up what enforcing would have refused of all that was accepted
    pub(crate) would_refuse: bool,
    pub(crate) format: Format,
}

pub(crate) fn run(show: &Show) -> Result {
    let found = show.place.find()?;
    if show.after.is_some() && found.len() > 1 {
        return Err(Failure::new("--after is about the numbers of one ledger, and several are read")
            .hint("name one repository; for all of them:\ncountersign log follow --server ROOT --cursor FILE"));
    }
    let _paged = Paged::start();
    let mut known = Known::default();
    for found in &found {
        if show.would_refuse {
            would_refuse::sum_up(show, &found.directory)?;
            continue;
        }
        let (mut failed, mut decision, mut last) = (None, None, Last::of(show));
        let (mut repository, mut latest) = (String::new(), Time(Timestamp(0)));
        let read = ledger::read(&found.directory, Signatures::Last, &mut |number, _, entry| {
            if let Entry::Opened(opened) = entry {
                repository.clone_from(&opened.repository);
            }
            decision = decision_of(entry, decision);
            latest = entry.time().map_or(latest, Time);
            known.note(show, entry);
            let is_new = show.after.is_none_or(|after| number > after);
            if failed.is_none() && is_new && show.selects(entry, decision) {
                let lines = show.format.lines(&repository, number, entry, latest);
                failed = last.take(lines).map_or(Ok(()), |lines| print(&lines)).err();
            }
        });
        read.map_err(|error| ledger_failure(&error))?;
        if let Some(failure) = failed {
            return Err(failure);
        }
        last.in_order(show.reverse).iter().try_for_each(|lines| print(lines))?;
    }
    if !show.would_refuse {
        known.check(show, &found)?;
    }
    Ok(Exit::Accepted)
}

/// What is held back until the end is known: the last entries of a ledger, or all of them to be turned round.
struct Last {
    held: VecDeque<String>,
    /// How many are held at most; `None` where nothing is.
    most: Option<usize>,
}

impl Last {
    fn of(show: &Show) -> Self {
        Self { held: VecDeque::new(), most: show.count.or(show.reverse.then_some(usize::MAX)) }
    }

    /// Holds the lines of an entry back, or gives them to be printed now.
    fn take(&mut self, lines: String) -> Option<String> {
        let Some(most) = self.most else { return Some(lines) };
        self.held.push_back(lines);
        if self.held.len() > most {
            self.held.pop_front();
        }
        None
    }

    fn in_order(mut self, reverse: bool) -> VecDeque<String> {
        if reverse {
            self.held.make_contiguous().reverse();
        }
        self.held
    }
}

/// How a decision ended, and when it was made.
pub(super) type Decision = (Outcome, Time);

/// The decision that an entry is of, after the one that the entry before is of: what continues it follows at once.
pub(super) fn decision_of(entry: &Entry, before: Option<Decision>) -> Option<Decision> {
    if let Entry::Decided(decided) = entry {
        return Some((decided.outcome, decided.time));
    }
    before.filter(|_| matches!(entry, Entry::Continued(_)))
}

/// What stands in the place of a code where nothing could be decided.
pub(crate) const UNDECIDED: &str = "undecided";

impl Show {
    pub(super) fn selects(&self, entry: &Entry, decision: Option<Decision>) -> bool {
        let time = entry.time().map(Time).or(decision.map(|(_, time)| time));
        let in_time = self.since.is_none_or(|since| time.is_none_or(|time| time >= since))
            && self.until.is_none_or(|until| time.is_none_or(|time| time < until));
        let updates = entry.updates();
        let (named, principal) = (self.is_named(entry), self.is_by(entry));
        let coded = self.code.as_deref().is_none_or(|code| updates.iter().any(|update| has_code(update, code)));
        let verdict = self.verdict.is_none_or(|verdict| decision.is_some_and(|(outcome, _)| outcome == verdict));
        let overridden = !self.overrides || updates.iter().any(|update| !update.overrides.is_empty());
        let commit = self.commit.as_deref().is_none_or(|prefix| mentions(entry, prefix));
        in_time && named && principal && coded && verdict && overridden && commit
    }

    /// Whether it is about the ref that is asked for, if one is.
    pub(super) fn is_named(&self, entry: &Entry) -> bool {
        let name = self.name.as_deref().map(full_name);
        name.is_none_or(|name| names_of(entry).any(|own| *own.0 == *name.as_bytes()))
    }

    /// Whether who is asked for, if anybody is, pushed, made or approved anything in it.
    pub(super) fn is_by(&self, entry: &Entry) -> bool {
        let Some(id) = self.principal.as_deref() else { return true };
        let of_update = |update: &UpdateRecord| {
            update.work.iter().any(|work| work.principal == id)
                || update.findings.iter().any(|one| one.author.as_deref() == Some(id))
                || update.approvals.iter().any(|one| one.approver == id || one.attested.as_deref() == Some(id))
                || update.overrides.iter().any(|one| one.by == id)
        };
        let submitted = submitter_of(entry).and_then(|who| who.split(" via ").next()) == Some(id);
        submitted || entry.updates().iter().any(of_update)
    }
}

fn has_code(update: &UpdateRecord, code: &str) -> bool {
    let mut left_out = update.left_out.iter().flat_map(|left_out| &left_out.kinds);
    update.findings.iter().any(|one| one.code == code) || left_out.any(|kind| kind.code == code)
}
