//! The report that a pusher reads: every line begins with a word that git's client knows.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Characters;
use crate::core::decide::{Code, Finding, Outcome, RefVerdict, RuleName, Severity, Subject, Undecided, Verdict};

/// Findings shown per ref and severity; the rest are counted.
const SHOWN: usize = 10;

/// Characters of a commit's subject line that are shown.
const SUMMARY: usize = 60;

/// For whom the report is worded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// Somebody whose push the server has just judged.
    Pusher,
    /// Somebody who asks beforehand.
    Checker,
    /// Somebody who is about to push what the server may know more about: approvals, and who pushes.
    Client,
}

/// Prints a verdict for a screen. Empty where there is nothing to say to a pusher.
pub fn text(verdict: &Verdict, reader: Reader, screen: Characters) -> String {
    let mut out = String::new();
    for verdict in &verdict.refs {
        one_ref(verdict, reader, screen, &mut out);
    }
    out
}

fn one_ref(verdict: &RefVerdict, reader: Reader, screen: Characters, out: &mut String) {
    let of = |severity| verdict.findings.iter().filter(move |finding| finding.severity == severity);
    let (errors, warnings) =
        (verdict.count(Severity::Error), verdict.count(Severity::Warning) + verdict.count(Severity::Notice));
    let doubts: Vec<&Undecided> =
        verdict.undecided.iter().filter(|doubt| doubt.severity > Severity::Observed).collect();
    if errors + warnings + doubts.len() == 0 && reader == Reader::Pusher {
        return;
    }
    let word = match (verdict.outcome(), reader) {
        (Outcome::Accepted, Reader::Pusher) => "accepted",
        (Outcome::Accepted, Reader::Checker | Reader::Client) => "would accept",
        (Outcome::Rejected, Reader::Pusher) => "refused",
        (Outcome::Rejected, Reader::Checker) => "would refuse",
        (Outcome::Rejected, Reader::Client) => "the server will ask for more, unless it has it, on",
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
        line(
            out,
            format_args!(
                "hint: an admin can see what is wrong with: countersign doctor --server REPO.git, and git fsck --full; nothing is accepted until it can be decided"
            ),
        );
    }
    for severity in [Severity::Error, Severity::Warning, Severity::Notice] {
        let mut last_hint = "";
        for finding in of(severity).take(SHOWN) {
            one_finding(finding, reader, screen, &name, out);
            if finding.hint != last_hint {
                // A command stands alone on its line, to be taken as it is.
                for part in finding.hint.split('\n') {
                    line(out, format_args!("hint: {}", screen.escape(part.as_bytes(), 600)));
                }
            }
            last_hint = &finding.hint;
        }
        let hidden = hidden(verdict, severity);
        if hidden.is_empty() {
            continue;
        }
        let all: usize = hidden.values().sum();
        let each: Vec<String> = hidden.iter().map(|(code, count)| format!("{count} [{code}]")).collect();
        line(out, format_args!("{}: and {all} more: {}", label(severity), each.join(", ")));
    }
    if errors > SHOWN && reader == Reader::Pusher {
        let range = verdict.old.map_or_else(|| "HEAD".to_owned(), |old| format!("{}..HEAD", old.short()));
        line(out, format_args!("hint: all of them are listed by:"));
        line(out, format_args!("hint: countersign check {range} --for {name} --format json"));
    }
}

/// The findings of a severity that are not shown, by code.
fn hidden(verdict: &RefVerdict, severity: Severity) -> BTreeMap<Code, usize> {
    let shown_of = verdict.findings.iter().filter(|finding| finding.severity == severity);
    let mut hidden: BTreeMap<Code, usize> = BTreeMap::new();
    for finding in shown_of.skip(SHOWN) {
        *hidden.entry(finding.code).or_default() += 1;
    }
    for ((_, code), count) in verdict.more.iter().filter(|((of, _), _)| *of == severity) {
        *hidden.entry(*code).or_default() += count;
    }
    hidden
}

fn one_finding(finding: &Finding, reader: Reader, screen: Characters, ref_name: &str, out: &mut String) {
    let subject = match &finding.subject {
        Subject::Ref(_) => ref_name.to_owned(),
        Subject::Commit { id, summary, .. } => format!("{} \"{}\"", id.short(), screen.escape(summary, SUMMARY)),
        Subject::Tag { id, name } => format!("tag {} \"{}\"", id.short(), screen.escape(name, SUMMARY)),
    };
    let severity = if reader == Reader::Client { Severity::Warning } else { finding.severity };
    let (label, code) = (label(severity), finding.code);
    let detail = screen.escape(finding.detail.as_bytes(), 600);
    line(out, format_args!("{label}: [{code}] {subject}: {detail}{}", place(&finding.rules, screen)));
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

fn plural(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{text}");
}
