//! `countersign log show --would-refuse`: what enforcing would have refused of all that was accepted.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use serde::Serialize;

use super::entries::updates_of;
use super::formats::Format;
use super::lines::shown;
use super::show::{Show, decision_of};
use crate::core::canonical::{RefName, Sha256};
use crate::core::limits;
use crate::gate::recording::ledger_failure;
use crate::ledger::{self, Entry, FindingRecord, Outcome, Signatures};
use crate::system::{Failure, Result, print};

/// What enforcing would have refused.
#[derive(Default, Serialize)]
struct Summary {
    schema: u32,
    repository: String,
    pushes: u64,
    would_refuse: u64,
    by_rule: BTreeMap<String, u64>,
    by_code: BTreeMap<String, u64>,
    by_who: BTreeMap<String, u64>,
    by_ref: BTreeMap<String, u64>,
    /// Findings that the ledger has the number of, and nothing else.
    not_listed: u64,
    /// What has at least the count that is given: some of what is not listed may be of it.
    at_least: AtLeast,
}

#[derive(Default, Serialize)]
struct AtLeast {
    by_rule: BTreeSet<String>,
    by_code: BTreeSet<String>,
    by_who: BTreeSet<String>,
}

impl Summary {
    /// Counts findings of which nothing else is known.
    fn leave_out(&mut self, findings: u64) {
        self.not_listed += findings;
        *self.by_code.entry("(not listed)".to_owned()).or_default() += findings;
    }

    /// Counts the findings on one update. Of more than are listed, each code and rule has the first in the list.
    fn count(&mut self, name: &RefName, refusing: &[&FindingRecord], findings: &[FindingRecord], left_out: u64) {
        *self.by_ref.entry(shown(name)).or_default() += 1;
        let rule = |one: &FindingRecord| one.rule.clone().unwrap_or_else(|| "always".to_owned());
        let who = |one: &FindingRecord| one.author.clone().unwrap_or_else(|| "-".to_owned());
        for finding in refusing {
            *self.by_code.entry(finding.code.clone()).or_default() += 1;
            *self.by_rule.entry(rule(finding)).or_default() += 1;
            *self.by_who.entry(who(finding)).or_default() += 1;
        }
        let kinds: BTreeSet<_> = findings.iter().map(|one| (&one.severity, &one.code, &one.rule)).collect();
        if left_out == 0 {
            return;
        }
        self.at_least.by_who.extend(refusing.iter().map(|one| who(one)));
        match (kinds.len(), refusing.first()) {
            (1, Some(one)) => {
                *self.by_code.entry(one.code.clone()).or_default() += left_out;
                *self.by_rule.entry(rule(one)).or_default() += left_out;
            }
            _ => {
                self.leave_out(left_out);
                self.at_least.by_code.extend(refusing.iter().map(|one| one.code.clone()));
                self.at_least.by_rule.extend(refusing.iter().map(|one| rule(one)));
            }
        }
    }
}

pub(super) fn sum_up(show: &Show, directory: &Path) -> Result<()> {
    let mut summary = Summary { schema: 1, ..Summary::default() };
    // The continuations of a decision follow it at once.
    let mut counted = false;
    let mut accepted = false;
    // What several refs of one decision share stands under the first of them; the others have its digest.
    let mut shared: HashMap<Sha256, Vec<FindingRecord>> = HashMap::new();
    let read = ledger::read(directory, Signatures::Last, &mut |_, _, entry| {
        if let Entry::Decided(decided) = entry {
            (accepted, counted) =
                (decided.outcome == Outcome::Accepted && show.selects(entry, decision_of(entry, None)), false);
            shared.clear();
            summary.pushes += u64::from(accepted);
            if accepted && decided.error.is_some() {
                *summary.by_code.entry("undecided".to_owned()).or_default() += 1;
            }
            if accepted && decided.error.is_some() {
                counted = true;
                summary.would_refuse += 1;
            }
        }
        for update in updates_of(entry).iter().filter(|_| accepted) {
            let again = update.left_out.as_ref().filter(|_| update.findings.is_empty());
            let again = again.and_then(|left_out| Some((shared.get(&left_out.digest)?.clone(), None)));
            let (findings, left_out) =
                again.unwrap_or_else(|| (update.findings.clone(), update.left_out.as_ref().map(|one| one.findings)));
            let refusing: Vec<&FindingRecord> = findings.iter().filter(|one| one.severity != "notice").collect();
            match (refusing.is_empty(), left_out) {
                (true, None) => continue,
                // Whether it would have been refused, nobody can say any more.
                (true, Some(more)) => {
                    summary.leave_out(more);
                    continue;
                }
                (false, _) => {}
            }
            if !counted {
                summary.would_refuse += 1;
                counted = true;
            }
            summary.count(&update.name, &refusing, &findings, left_out.unwrap_or(0));
            if left_out.is_none() {
                shared.entry(FindingRecord::digest(&findings)).or_insert(findings);
            }
        }
    });
    summary.repository = read.map_err(|error| ledger_failure(&error))?.repository;
    if show.format == Format::Json {
        return print(&(serde_json::to_string(&summary).map_err(Failure::new)? + "\n"));
    }
    let mut lines = format!(
        "{}: {} of {} accepted pushes would have been refused\n",
        summary.repository, summary.would_refuse, summary.pushes
    );
    let (exact, at_least) = (BTreeSet::new(), &summary.at_least);
    for (title, counts, at_least) in [
        ("findings by rule", &summary.by_rule, &at_least.by_rule),
        ("findings by code", &summary.by_code, &at_least.by_code),
        ("findings by who made the commit, as it says", &summary.by_who, &at_least.by_who),
        ("pushes by ref", &summary.by_ref, &exact),
    ] {
        if counts.is_empty() {
            continue;
        }
        lines.push_str(&format!("  {title}\n"));
        let mut sorted: Vec<_> = counts.iter().collect();
        sorted.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        for (name, count) in sorted {
            let more = if at_least.contains(name) { " (at least)" } else { "" };
            lines.push_str(&format!("    {count:>7}  {name}{more}\n"));
        }
    }
    if summary.not_listed > 0 {
        let most = limits::RECORDED_FINDINGS;
        lines.push_str(&format!(
            "  {} findings more, of pushes with more than {most} on a ref: the ledger lists these, of each code and rule the first\n",
            summary.not_listed
        ));
    }
    print(&lines)
}
