//! What there is to say of a verdict, one remark each, for the formats of other programs.

use super::Characters;
use crate::core::decide::{Code, Finding, RefVerdict, RuleName, Severity, Subject, Undecided, Verdict};
use crate::core::digest::Digest;

/// Characters of a line.
const LINE: usize = 4000;

/// One thing to say.
pub(super) struct Remark {
    pub(super) severity: Severity,
    /// The finding's code, or [`UNDECIDED`].
    pub(super) code: &'static str,
    /// What it is about: a ref, a commit or a tag, as a person names it.
    pub(super) about: String,
    pub(super) message: String,
    /// What to do; empty where nobody can say.
    pub(super) hint: String,
    /// Where the rule stands that asks for it.
    pub(super) rule: Option<RuleName>,
    /// The same for the same finding in another run.
    pub(super) fingerprint: String,
}

/// What stands for a code where nothing could be decided.
pub(super) const UNDECIDED: &str = "undecided";

/// The file where the policy of a repository lies by custom: findings of protections that no rule asks for have no other place.
const POLICY_FILE: &str = ".countersign/policy.toml";

impl Remark {
    /// The file and line of the rule, as a path below the top of the repository: those formats know no other place.
    pub(super) fn place(&self) -> (&str, usize) {
        let Some(rule) = &self.rule else { return (POLICY_FILE, 1) };
        let path = rule.file.as_str();
        let is_inside = !path.starts_with('/') && !path.split('/').any(|part| part == "..");
        (if is_inside { path } else { path.rsplit('/').next().unwrap_or(path) }, rule.line)
    }

    /// The message with what it is about, and with what to do.
    pub(super) fn text(&self) -> String {
        let hint = if self.hint.is_empty() { String::new() } else { format!("\n{}", self.hint) };
        format!("{}: {}{hint}", self.about, self.message)
    }
}

/// All remarks of a verdict, in the order of its report. What rules only observe is none.
pub(super) fn remarks(verdict: &Verdict) -> Vec<Remark> {
    verdict.refs.iter().flat_map(of_ref).collect()
}

fn of_ref(verdict: &RefVerdict) -> Vec<Remark> {
    let shown = |severity: Severity| severity > Severity::Observed;
    let name = plain(&verdict.name);
    let doubts = verdict.undecided.iter().filter(|doubt| shown(doubt.severity)).map(|doubt| of_doubt(&name, doubt));
    let found = verdict.findings.iter().filter(|finding| shown(finding.severity)).map(|one| of_finding(&name, one));
    let counted = verdict.more.iter().filter(|((severity, ..), _)| shown(*severity));
    let more =
        counted.map(|((severity, code, _, rule), count)| of_more(&name, (*severity, *code, rule.as_ref()), *count));
    doubts.chain(found).chain(more).collect()
}

fn of_finding(name: &str, finding: &Finding) -> Remark {
    let about = match &finding.subject {
        Subject::Ref(_) => name.to_owned(),
        Subject::Commit { id, summary, .. } => format!("{} \"{}\" for {name}", id.short(), plain(summary)),
        Subject::Tag { id, name: own } => format!("tag {} {} for {name}", id.short(), plain(own)),
    };
    let id = match &finding.subject {
        Subject::Ref(_) => String::new(),
        Subject::Commit { id, .. } | Subject::Tag { id, .. } => id.to_string(),
    };
    let rule = finding.rules.first().cloned();
    let parts = [finding.code.name(), name, &id, rule.as_ref().map_or("", |rule| &rule.name)];
    Remark {
        severity: finding.severity,
        code: finding.code.name(),
        about,
        message: plain(finding.detail.as_bytes()),
        hint: plain(finding.hint.as_bytes()),
        fingerprint: fingerprint(&parts),
        rule,
    }
}

fn of_more(name: &str, (severity, code, rule): (Severity, Code, Option<&RuleName>), count: usize) -> Remark {
    Remark {
        severity,
        code: code.name(),
        about: name.to_owned(),
        message: format!("{count} more"),
        hint: String::new(),
        rule: rule.cloned(),
        fingerprint: fingerprint(&[code.name(), name, "more", rule.map_or("", |rule| &rule.name)]),
    }
}

fn of_doubt(name: &str, doubt: &Undecided) -> Remark {
    Remark {
        severity: doubt.severity,
        code: UNDECIDED,
        about: name.to_owned(),
        message: plain(doubt.reason.as_bytes()),
        hint: String::new(),
        rule: doubt.rule.clone(),
        fingerprint: fingerprint(&[UNDECIDED, name, &doubt.reason]),
    }
}

/// Text that a page shows as it stands: letters of every script, and nothing that moves, hides or reorders others.
fn plain(bytes: &[u8]) -> String {
    let lines = bytes.split(|byte| *byte == b'\n').map(|line| Characters::Unicode.escape(line, LINE));
    lines.collect::<Vec<_>>().join("\n")
}

fn fingerprint(parts: &[&str]) -> String {
    Digest::of(parts.join("\0").as_bytes()).to_string()
}
