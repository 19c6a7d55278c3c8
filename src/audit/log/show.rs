//! `countersign log show`: entries, and which of them.

use clap::{Args, ValueEnum};

use super::entries::{mentions, names_of, updates_of};
use super::place::Place;
use super::{lines, would_refuse};
use crate::core::canonical::Time;
use crate::desk::check::full_name;
use crate::gate::recording::ledger_failure;
use crate::ledger::{self, Entry, Outcome, Signatures, UpdateRecord};
use crate::system::{Exit, Result, print};

#[derive(Args)]
pub(super) struct Show {
    #[command(flatten)]
    place: Place,
    /// Only what is about this ref
    #[arg(long = "ref", value_name = "REF")]
    name: Option<String>,
    /// Only what is about this person, agent or service
    #[arg(long, value_name = "ID")]
    principal: Option<String>,
    /// Only decisions with this finding
    #[arg(long, value_name = "CODE")]
    code: Option<String>,
    /// Only decisions that ended so
    #[arg(long, value_enum)]
    verdict: Option<VerdictArg>,
    /// Only from this time or day on, such as 2026-11-01 or 2026-11-01T08:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Time>,
    /// Only before this time or day
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Time>,
    /// Only what is about this commit, by four digits of its id or more
    #[arg(long, value_name = "ID", value_parser = prefix)]
    commit: Option<String>,
    /// Sum up what enforcing would have refused of all that was accepted
    #[arg(long)]
    would_refuse: bool,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum VerdictArg {
    Accepted,
    Rejected,
    Undecided,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Lines for people
    Text,
    /// One JSON object a line
    Json,
}

fn time(text: &str) -> std::result::Result<Time, String> {
    let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    Time::parse(&whole).ok_or_else(|| "write a day or a time in UTC: 2026-11-01 or 2026-11-01T08:00:00Z".to_owned())
}

fn prefix(text: &str) -> std::result::Result<String, String> {
    let hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if hex && (4..=64).contains(&text.len()) {
        Ok(text.to_owned())
    } else {
        Err("give four lower-case hexadecimal digits of a commit id, or more".to_owned())
    }
}

pub(super) fn run(show: &Show) -> Result {
    for found in show.place.find()? {
        if show.would_refuse {
            would_refuse::sum_up(show, &found.directory)?;
            continue;
        }
        let (mut failed, mut decision) = (None, None);
        let read = ledger::read(&found.directory, Signatures::Last, &mut |number, _, entry| {
            decision = decision_of(entry, decision);
            if failed.is_none() && show.selects(entry, decision) {
                failed = print(&show.line(number, entry)).err();
            }
        });
        read.map_err(|error| ledger_failure(&error))?;
        if let Some(failure) = failed {
            return Err(failure);
        }
    }
    Ok(Exit::Accepted)
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

impl Show {
    pub(super) fn selects(&self, entry: &Entry, decision: Option<Decision>) -> bool {
        let time = entry.time().map(Time).or(decision.map(|(_, time)| time));
        let in_time = self.since.is_none_or(|since| time.is_none_or(|time| time >= since))
            && self.until.is_none_or(|until| time.is_none_or(|time| time < until));
        let updates = updates_of(entry);
        let name = self.name.as_deref().map(full_name);
        let named = name.is_none_or(|name| names_of(entry).any(|own| *own.0 == *name.as_bytes()));
        let principal = self.principal.as_deref().is_none_or(|id| {
            let worked = |update: &UpdateRecord| update.work.iter().any(|work| work.principal == id);
            let blamed = |update: &UpdateRecord| update.findings.iter().any(|one| one.author.as_deref() == Some(id));
            let submitted = matches!(
                entry,
                Entry::Decided(decided) if decided.submitter.as_deref().and_then(|who| who.split(" via ").next()) == Some(id)
            );
            submitted || updates.iter().any(|update| worked(update) || blamed(update))
        });
        let coded = self
            .code
            .as_deref()
            .is_none_or(|code| updates.iter().any(|update| update.findings.iter().any(|one| one.code == code)));
        let verdict =
            self.verdict.is_none_or(|verdict| decision.is_some_and(|(outcome, _)| outcome == verdict.outcome()));
        let commit = self.commit.as_deref().is_none_or(|prefix| mentions(entry, prefix));
        in_time && named && principal && coded && verdict && commit
    }

    fn line(&self, number: u64, entry: &Entry) -> String {
        match self.format {
            Format::Text => lines::text(number, entry),
            // The entry is canonical JSON already; it stands in the line as it is signed.
            Format::Json => {
                let json = entry.to_json().unwrap_or_default();
                format!("{{\"schema\":1,\"number\":{number},\"entry\":{json}}}\n")
            }
        }
    }
}

impl VerdictArg {
    fn outcome(self) -> Outcome {
        match self {
            Self::Accepted => Outcome::Accepted,
            Self::Rejected => Outcome::Rejected,
            Self::Undecided => Outcome::Undecided,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_prefixes_are_strict() {
        assert_eq!(time("2026-11-01"), time("2026-11-01T00:00:00Z"));
        for bad in ["yesterday", "2026-13-01", "2026-11-01T00:00:00", ""] {
            assert!(time(bad).is_err(), "{bad}");
        }
        assert!(prefix("1a2b").is_ok() && prefix("1a2").is_err() && prefix("1A2B").is_err());
    }
}
