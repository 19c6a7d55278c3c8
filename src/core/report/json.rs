//! The same verdict for programs.

use std::collections::BTreeMap;

use serde::Serialize;

use super::unescaped;
use crate::core::decide::{Finding, Overridden, RefVerdict, Subject, Undecided, Verdict, WhoseWork};

/// The version of the layout, in its `schema` key. Keys may be added under one version; none changes or goes away.
pub const SCHEMA: u32 = 1;

/// Prints a verdict as one line of JSON. What is no UTF-8, which JSON cannot hold, is escaped as in the text.
///
/// # Errors
/// Never for a verdict of this program: the layout has nothing that JSON cannot hold.
pub fn json(verdict: &Verdict) -> Result<String, serde_json::Error> {
    let outcome = verdict.outcome().name();
    serde_json::to_string(&Report {
        schema: SCHEMA,
        verdict: outcome,
        refs: verdict.refs.iter().map(ref_report).collect(),
    })
}

#[derive(Serialize)]
struct Report {
    schema: u32,
    verdict: &'static str,
    refs: Vec<RefReport>,
}

#[derive(Serialize)]
struct RefReport {
    #[serde(rename = "ref")]
    name: String,
    old: Option<String>,
    new: Option<String>,
    verdict: &'static str,
    commits: usize,
    findings: Vec<FindingReport>,
    /// How many more there are, by code.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    more: BTreeMap<&'static str, usize>,
    /// The same by agent, of those that are known.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    more_of: BTreeMap<String, BTreeMap<&'static str, usize>>,
    undecided: Vec<UndecidedReport>,
    /// By whose orders it is accepted in spite of findings.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    overridden: Vec<OverrideReport>,
}

#[derive(Serialize)]
struct OverrideReport {
    by: String,
    codes: Vec<&'static str>,
    reason: String,
}

#[derive(Serialize)]
struct FindingReport {
    code: &'static str,
    severity: &'static str,
    commit: Option<String>,
    tag: Option<String>,
    subject: Option<String>,
    agent: Option<String>,
    rule: Option<String>,
    file: Option<String>,
    line: Option<usize>,
    /// Other rules that ask the same.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    also: Vec<String>,
    message: String,
    hint: String,
}

#[derive(Serialize)]
struct UndecidedReport {
    severity: &'static str,
    rule: Option<String>,
    message: String,
}

fn ref_report(verdict: &RefVerdict) -> RefReport {
    RefReport {
        name: plain(&verdict.name),
        old: verdict.old.map(|id| id.to_string()),
        new: verdict.new.map(|id| id.to_string()),
        verdict: verdict.outcome().name(),
        commits: verdict.commits,
        findings: verdict.findings.iter().map(finding_report).collect(),
        more: more(verdict),
        more_of: more_of(verdict),
        undecided: verdict.undecided.iter().map(undecided_report).collect(),
        overridden: verdict.overridden.iter().map(override_report).collect(),
    }
}

fn override_report(one: &Overridden) -> OverrideReport {
    let codes = one.codes.iter().map(|code| code.name()).collect();
    OverrideReport { by: one.by.to_string(), codes, reason: plain(one.reason.as_bytes()) }
}

fn more(verdict: &RefVerdict) -> BTreeMap<&'static str, usize> {
    let mut more = BTreeMap::new();
    for ((_, code, ..), count) in &verdict.more {
        *more.entry(code.name()).or_default() += count;
    }
    more
}

fn more_of(verdict: &RefVerdict) -> BTreeMap<String, BTreeMap<&'static str, usize>> {
    let mut more_of: BTreeMap<String, BTreeMap<&'static str, usize>> = BTreeMap::new();
    for ((_, code, whose, _), count) in &verdict.more {
        if let WhoseWork::Agent(agent) = whose {
            *more_of.entry(plain(agent.as_bytes())).or_default().entry(code.name()).or_default() += count;
        }
    }
    more_of
}

fn finding_report(finding: &Finding) -> FindingReport {
    let (commit, tag, subject) = match &finding.subject {
        Subject::Ref(_) => (None, None, None),
        Subject::Commit { id, summary, .. } => (Some(id.to_string()), None, Some(plain(summary))),
        Subject::Tag { id, name } => (None, Some(id.to_string()), Some(plain(name))),
    };
    FindingReport {
        code: finding.code.name(),
        severity: finding.severity.name(),
        commit,
        tag,
        subject,
        agent: finding.agent.as_ref().map(|agent| plain(agent.as_bytes())),
        rule: finding.rules.first().map(|rule| rule.name.clone()),
        file: finding.rules.first().map(|rule| rule.file.clone()),
        line: finding.rules.first().map(|rule| rule.line),
        also: finding.rules.iter().skip(1).map(|rule| rule.name.clone()).collect(),
        message: plain(finding.detail.as_bytes()),
        hint: plain(finding.hint.as_bytes()),
    }
}

fn undecided_report(doubt: &Undecided) -> UndecidedReport {
    UndecidedReport {
        severity: doubt.severity.name(),
        rule: doubt.rule.as_ref().map(|rule| rule.name.clone()),
        message: plain(doubt.reason.as_bytes()),
    }
}

fn plain(bytes: &[u8]) -> String {
    unescaped(bytes, 4096)
}
