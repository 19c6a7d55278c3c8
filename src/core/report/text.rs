//! The report that a pusher reads: every line begins with a word that git's client knows.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Characters;
use crate::core::decide::{
    Code, Finding, Outcome, RefVerdict, RuleName, Severity, Subject, Undecided, Verdict, WhoseWork,
};
use crate::core::text::plural;

/// Findings shown per ref and severity; the rest are counted.
const SHOWN: usize = 10;

/// Characters of a commit's subject line that are shown.
const SUMMARY: usize = 60;

/// Characters of a line of a hint: a command that is cut works for nobody.
const HINT: usize = 4000;

/// For whom the report is worded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Somebody whose push the server has just judged.
    Pusher,
    /// Somebody who asks beforehand.
    Checker,
    /// Somebody who is about to push what the server may know more about: approvals, and who pushes.
    Client,
}

/// Prints a verdict for a screen. Empty where there is nothing to say to a pusher.
pub fn text(verdict: &Verdict, reader: Audience, screen: Characters) -> String {
    let mut out = String::new();
    for verdict in &verdict.refs {
        one_ref(verdict, reader, screen, &mut out);
    }
    out
}

fn one_ref(verdict: &RefVerdict, reader: Audience, screen: Characters, out: &mut String) {
    let of = |severity| verdict.findings.iter().filter(move |finding| finding.severity == severity);
    let (errors, warnings) =
        (verdict.count(Severity::Error), verdict.count(Severity::Warning) + verdict.count(Severity::Notice));
    let doubts: Vec<&Undecided> =
        verdict.undecided.iter().filter(|doubt| doubt.severity > Severity::Observed).collect();
    if errors + warnings + doubts.len() == 0 && reader == Audience::Pusher {
        return;
    }
    let word = match (verdict.outcome(), reader) {
        (Outcome::Accepted, Audience::Pusher) => "accepted",
        (Outcome::Accepted, Audience::Checker | Audience::Client) => "would accept",
        (Outcome::Rejected, Audience::Pusher) => "refused",
        (Outcome::Rejected, Audience::Checker) => "would refuse",
        (Outcome::Rejected, Audience::Client) => "the server will ask for more, unless it has it, on",
        (Outcome::Undecided, _) => "could not decide",
    };
    let name = screen.escape(&verdict.name, 200);
    let counted = match (errors, warnings) {
        (0, 0) => "no findings".to_owned(),
        (0, _) => plural(warnings, "warning"),
        (_, 0) => plural(errors, "finding"),
        _ => format!("{}, {}", plural(errors, "finding"), plural(warnings, "warning")),
    };
    line(out, format_args!("countersign: {word} {name}: {counted} in {}", plural(verdict.commits, "commit")));
    for doubt in &doubts {
        let word = label(doubt.severity);
        line(
            out,
            format_args!(
                "{word}: {name}: {}{}",
                screen.escape(doubt.reason.as_bytes(), 400),
                place(doubt.rule.as_slice(), screen)
            ),
        );
    }
    if doubts.iter().any(|doubt| doubt.severity == Severity::Error) {
        for part in [
            "nothing is accepted until it can be decided; an admin can see what is wrong with:",
            "countersign doctor --server REPO.git",
            "git -C REPO.git fsck --full",
        ] {
            hint(part, screen, out);
        }
    }
    for one in &verdict.overridden {
        let codes: Vec<&str> = one.codes.iter().map(|code| code.name()).collect();
        let (by, reason) = (screen.escape(one.by.as_str().as_bytes(), 64), screen.escape(one.reason.as_bytes(), 600));
        line(out, format_args!("warning: [override] {name}: {by} passes over {}: {reason}", codes.join(", ")));
    }
    for severity in [Severity::Error, Severity::Warning, Severity::Notice] {
        let shown: Vec<&Finding> = of(severity).take(SHOWN).collect();
        for (number, finding) in shown.iter().enumerate() {
            one_finding(finding, reader, screen, &name, out);
            let before = shown.get(..number).unwrap_or_default();
            match before.iter().find(|other| other.hint == finding.hint) {
                // The first of several in a row says it for all.
                Some(_) if before.last().is_some_and(|last| last.hint == finding.hint) => {}
                Some(other) => line(out, format_args!("hint: as for {} above", subject(other, screen, &name))),
                // A command stands alone on its line, to be taken as it is.
                None => finding.hint.split('\n').for_each(|part| hint(part, screen, out)),
            }
        }
        let hidden = hidden(verdict, severity);
        if hidden.is_empty() {
            continue;
        }
        let all: usize = hidden.values().sum();
        let mut each: Vec<(&(Severity, Code, WhoseWork), usize)> =
            hidden.iter().map(|(what, count)| (what, *count)).collect();
        each.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let each: Vec<String> =
            each.into_iter().map(|((_, code, whose), count)| summand(count, *code, whose, screen)).collect();
        line(out, format_args!("{}: and {all} more: {}", label(severity), each.join(", ")));
    }
    if errors > SHOWN && reader == Audience::Pusher {
        let old = verdict.old.map(|old| format!("{}..", old.abbreviated())).unwrap_or_default();
        let new = verdict.new.map_or_else(|| "HEAD".to_owned(), |new| new.abbreviated());
        let name = super::word(&String::from_utf8_lossy(&verdict.name));
        hint("in a clone that knows the policy, all of them are listed by:", screen, out);
        hint(&format!("countersign check {old}{new} --for {name} --format json"), screen, out);
    }
}

/// The findings of a severity that are not shown, by code and whose work they are about.
fn hidden(verdict: &RefVerdict, severity: Severity) -> BTreeMap<(Severity, Code, WhoseWork), usize> {
    let kept = verdict.findings.iter().filter(|finding| finding.severity == severity);
    let mut hidden: BTreeMap<(Severity, Code, WhoseWork), usize> = BTreeMap::new();
    let mut by_agent: BTreeMap<(Code, Option<String>), usize> = BTreeMap::new();
    for finding in kept.skip(SHOWN) {
        *by_agent.entry((finding.code, finding.agent.clone())).or_default() += 1;
    }
    for ((_, code, whose, _), count) in verdict.more.iter().filter(|((of, ..), _)| *of == severity) {
        match whose {
            WhoseWork::Agent(agent) => *by_agent.entry((*code, Some(agent.clone()))).or_default() += count,
            WhoseWork::Unknown => *by_agent.entry((*code, None)).or_default() += count,
            WhoseWork::Others => *hidden.entry((severity, *code, WhoseWork::Others)).or_default() += count,
        }
    }
    // Those of whom there is most to say are named.
    let mut by_agent: Vec<_> = by_agent.into_iter().collect();
    by_agent.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    for ((code, agent), count) in by_agent {
        let whose = WhoseWork::tell_apart(hidden.keys().map(|(_, _, whose)| whose), agent.as_deref());
        *hidden.entry((severity, code, whose)).or_default() += count;
    }
    hidden
}

fn summand(count: usize, code: Code, whose: &WhoseWork, screen: Characters) -> String {
    match whose {
        WhoseWork::Agent(agent) => format!("{count} [{code}] of {}", screen.escape(agent.as_bytes(), 64)),
        WhoseWork::Others => format!("{count} [{code}] of others"),
        WhoseWork::Unknown => format!("{count} [{code}]"),
    }
}

fn hint(text: &str, screen: Characters, out: &mut String) {
    line(out, format_args!("hint: {}", screen.escape(text.as_bytes(), HINT)));
}

fn one_finding(finding: &Finding, reader: Audience, screen: Characters, ref_name: &str, out: &mut String) {
    let subject = subject(finding, screen, ref_name);
    let severity = if reader == Audience::Client { Severity::Warning } else { finding.severity };
    let (label, code) = (label(severity), finding.code);
    let detail = screen.escape(finding.detail.as_bytes(), 600);
    line(out, format_args!("{label}: [{code}] {subject}: {detail}{}", place(&finding.rules, screen)));
}

fn subject(finding: &Finding, screen: Characters, ref_name: &str) -> String {
    match &finding.subject {
        Subject::Ref(_) => ref_name.to_owned(),
        Subject::Commit { id, summary, .. } => format!("{} \"{}\"", id.short(), screen.escape(summary, SUMMARY)),
        Subject::Tag { id, name } => format!("tag {} \"{}\"", id.short(), screen.escape(name, SUMMARY)),
    }
}

fn place(rules: &[RuleName], screen: Characters) -> String {
    let each: Vec<String> = rules
        .iter()
        .map(|rule| {
            let (name, file) = (screen.escape(rule.name.as_bytes(), 80), screen.escape(rule.file.as_bytes(), 200));
            format!("\"{name}\", {file}:{}", rule.line)
        })
        .collect();
    match each.as_slice() {
        [] => String::new(),
        [one] => format!(" (rule {one})"),
        [others @ .., last] => format!(" (rules {}, and {last})", others.join(", ")),
    }
}

fn label(severity: Severity) -> &'static str {
    if severity == Severity::Error { "error" } else { "warning" }
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{text}");
}
