//! `countersign log show --would-refuse`: what enforcing would have refused of all that was accepted.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use serde::Serialize;

use super::formats::Format;
use super::lines::shown;
use super::show::{Show, decision_of};
use crate::core::canonical::{RefName, Sha256};
use crate::core::limits;
use crate::gate::recording::ledger_failure;
use crate::ledger::{self, Entry, FindingRecord, LeftOut, LeftOutKind, Outcome, Signatures, UpdateRecord};
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

    /// Counts the findings on one update.
    fn count(&mut self, name: &RefName, found: &FoundOn<'_>) {
        *self.by_ref.entry(shown(name)).or_default() += 1;
        for finding in &found.refusing {
            self.add(finding.code.clone(), finding.rule.clone(), finding.author.clone(), 1);
        }
        let more = match found.more {
            More::Nothing => return,
            More::Kinds(kinds) => {
                for kind in kinds.iter().filter(|kind| refuses(&kind.severity)) {
                    self.add(kind.code.clone(), kind.rule.clone(), kind.author.clone(), kind.findings);
                }
                return;
            }
            More::Number(more) => more,
        };
        // An earlier program wrote it. Of more than are listed, each code and rule has the first in the list.
        let kinds: BTreeSet<_> = found.all.iter().map(|one| (&one.severity, &one.code, &one.rule)).collect();
        let refusing = &found.refusing;
        self.at_least.by_who.extend(refusing.iter().map(|one| who_text(one.author.clone())));
        match (kinds.len(), refusing.first()) {
            (1, Some(one)) => {
                *self.by_code.entry(one.code.clone()).or_default() += more;
                *self.by_rule.entry(rule_text(one.rule.clone())).or_default() += more;
            }
            _ => {
                self.leave_out(more);
                self.at_least.by_code.extend(refusing.iter().map(|one| one.code.clone()));
                self.at_least.by_rule.extend(refusing.iter().map(|one| rule_text(one.rule.clone())));
            }
        }
    }

    fn add(&mut self, code: String, rule: Option<String>, author: Option<String>, findings: u64) {
        *self.by_code.entry(code).or_default() += findings;
        *self.by_rule.entry(rule_text(rule)).or_default() += findings;
        *self.by_who.entry(who_text(author)).or_default() += findings;
    }
}

fn rule_text(rule: Option<String>) -> String {
    rule.unwrap_or_else(|| "always".to_owned())
}

fn who_text(author: Option<String>) -> String {
    author.unwrap_or_else(|| "-".to_owned())
}

/// Whether enforcing would have refused for it.
fn refuses(severity: &str) -> bool {
    severity != "notice"
}

/// What was found on one update.
struct FoundOn<'a> {
    /// What is listed.
    all: &'a [FindingRecord],
    /// Of these, what would refuse.
    refusing: Vec<&'a FindingRecord>,
    more: More<'a>,
}

/// What is not listed.
enum More<'a> {
    Nothing,
    /// So many of each kind.
    Kinds(&'a [LeftOutKind]),
    /// So many, of whatever kind.
    Number(u64),
}

impl FoundOn<'_> {
    /// Whether anything would refuse; `None` where nobody can say any more.
    fn refuses(&self) -> Option<bool> {
        match self.more {
            _ if !self.refusing.is_empty() => Some(true),
            More::Nothing => Some(false),
            More::Kinds(kinds) => Some(kinds.iter().any(|kind| refuses(&kind.severity))),
            More::Number(_) => None,
        }
    }
}

/// What one decision says once, and later updates of it mean by its digest.
#[derive(Default)]
struct SaidOnce {
    /// The findings of an update, as earlier programs left them out.
    findings: HashMap<Sha256, Vec<FindingRecord>>,
    kinds: HashMap<(u64, Sha256), Vec<LeftOutKind>>,
}

impl SaidOnce {
    fn note(&mut self, update: &UpdateRecord) {
        match &update.left_out {
            Some(LeftOut { findings, digest, kinds }) if !kinds.is_empty() => {
                self.kinds.entry((*findings, *digest)).or_insert_with(|| kinds.clone());
            }
            Some(_) => {}
            None if update.findings.is_empty() => {}
            None => {
                let digest = FindingRecord::digest(&update.findings);
                self.findings.entry(digest).or_insert_with(|| update.findings.clone());
            }
        }
    }

    fn found_on<'a>(&'a self, update: &'a UpdateRecord) -> FoundOn<'a> {
        let (mut all, mut more) = (update.findings.as_slice(), More::Nothing);
        if let Some(LeftOut { findings, digest, .. }) = &update.left_out {
            more = match (self.kinds.get(&(*findings, *digest)), self.findings.get(digest)) {
                _ if !kinds_of(update).is_empty() => More::Kinds(kinds_of(update)),
                (Some(kinds), _) => More::Kinds(kinds),
                (None, Some(same)) if all.is_empty() => {
                    all = same;
                    More::Nothing
                }
                _ => More::Number(*findings),
            };
        }
        FoundOn { all, refusing: all.iter().filter(|one| refuses(&one.severity)).collect(), more }
    }
}

fn kinds_of(update: &UpdateRecord) -> &[LeftOutKind] {
    update.left_out.as_ref().map_or(&[], |left_out| &left_out.kinds)
}

pub(super) fn sum_up(show: &Show, directory: &Path) -> Result<()> {
    let mut summary = Summary { schema: 1, ..Summary::default() };
    // The continuations of a decision follow it at once.
    let mut counted = false;
    let mut accepted = false;
    let mut said = SaidOnce::default();
    let read = ledger::read(directory, Signatures::Last, &mut |_, _, entry| {
        if let Entry::Decided(decided) = entry {
            (accepted, counted) = (
                decided.outcome == Outcome::Accepted
                    && decided.again.is_none()
                    && show.selects(entry, decision_of(entry, None)),
                false,
            );
            said = SaidOnce::default();
            summary.pushes += u64::from(accepted);
            if accepted && decided.error.is_some() {
                *summary.by_code.entry("undecided".to_owned()).or_default() += 1;
            }
            if accepted && decided.error.is_some() {
                counted = true;
                summary.would_refuse += 1;
            }
        }
        for update in entry.updates().iter().filter(|_| accepted) {
            said.note(update);
            let found = said.found_on(update);
            match (found.refuses(), &found.more) {
                (Some(false), _) => continue,
                // Whether it would have been refused, nobody can say any more.
                (None, More::Number(more)) => {
                    summary.leave_out(*more);
                    continue;
                }
                (Some(true) | None, _) => {}
            }
            if !counted {
                summary.would_refuse += 1;
                counted = true;
            }
            summary.count(&update.name, &found);
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
            "  {} findings more, of pushes with more than {most} on a ref: an earlier program wrote them, and of each code and rule only the first\n",
            summary.not_listed
        ));
    }
    print(&lines)
}
