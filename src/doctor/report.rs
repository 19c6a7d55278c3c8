//! What was found out, and how it is printed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::checks::Check;
use crate::core::policy::Policy;
use crate::core::report::escape;
use crate::core::text::plural;
use crate::desk::at_work::{AtWork, Kind};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Severity {
    /// A bad push gets in, or no push does.
    Error,
    /// It will matter, or something else suffers.
    Warning,
}

/// Something that is not as it should be.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Symptom {
    pub(super) severity: Severity,
    /// The repository or file that it is about.
    pub(super) place: String,
    /// Its stable name.
    pub(super) check: String,
    pub(super) message: String,
    pub(super) fix: String,
}

/// A push that had to be refused.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Canary {
    pub(super) repository: String,
    #[serde(rename = "ref")]
    pub(super) name: String,
    pub(super) refused: bool,
    /// `refused`, `accepted`, or `undecided`.
    pub(super) outcome: String,
}

/// All that was found out.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Report {
    pub(super) schema: u32,
    pub(super) repositories: usize,
    /// The policies in force, with their digests.
    pub(super) policies: BTreeMap<String, String>,
    pub(super) canaries: Vec<Canary>,
    pub(super) findings: Vec<Symptom>,
    /// Who is at work in this clone.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) desk: Option<AtWork>,
}

impl Report {
    pub(super) fn add(
        &mut self,
        severity: Severity,
        place: &impl ToString,
        check: Check,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) {
        let (message, fix) = (message.into(), fix.into());
        self.findings.push(Symptom { severity, place: place.to_string(), check: check.id().to_owned(), message, fix });
    }

    /// Takes in what another process found out about other repositories.
    pub(super) fn merge(&mut self, other: Self) {
        self.repositories += other.repositories;
        self.policies.extend(other.policies);
        self.canaries.extend(other.canaries);
        // What is about the machine, each of them found.
        let new = other.findings.into_iter().filter(|symptom| !self.findings.contains(symptom)).collect::<Vec<_>>();
        self.findings.extend(new);
    }

    pub(super) fn error(
        &mut self,
        place: &impl ToString,
        check: Check,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.add(Severity::Error, place, check, message, fix);
    }

    /// What a policy in force goes on with, and a new one may not say.
    pub(super) fn tolerated(&mut self, policy: &Policy) {
        for problem in policy.tolerated() {
            let place = format!("{}:{}", problem.at.file, problem.at.line);
            self.warn(&place, Check::Policy, problem.message, problem.fix);
        }
    }

    pub(super) fn warn(
        &mut self,
        place: &impl ToString,
        check: Check,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.add(Severity::Warning, place, check, message, fix);
    }
}

pub(super) fn text(report: &Report) -> String {
    let mut text = String::new();
    for symptom in &report.findings {
        let word = match symptom.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let line = |text: &str| escape(text.as_bytes(), 1000);
        text.push_str(&format!("{word}: [{}] {}: {}\n", symptom.check, line(&symptom.place), line(&symptom.message)));
        symptom.fix.lines().for_each(|fix| text.push_str(&format!("hint: {}\n", line(fix))));
    }
    if let Some(desk) = &report.desk {
        text.push_str(&at_work(desk));
    }
    for (file, digest) in &report.policies {
        text.push_str(&format!("policy {} is sha256:{digest}\n", escape(file.as_bytes(), 500)));
    }
    for canary in &report.canaries {
        let word = if canary.outcome == "accepted" { "ACCEPTED" } else { &canary.outcome };
        let place = escape(canary.repository.as_bytes(), 500);
        text.push_str(&format!("canary: a forged commit to {} through the hook of {place} was {word}\n", canary.name));
    }
    let count = |severity| report.findings.iter().filter(|symptom| symptom.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    text.push_str(&match report.repositories {
        _ if report.desk.is_some() => "this clone".to_owned(),
        repositories => plural(repositories, "repository"),
    });
    text.push_str(&format!(": {}, {}\n", plural(errors, "error"), plural(warnings, "warning")));
    text
}

/// Who is at work, by which sign, and what comes of their commits.
fn at_work(desk: &AtWork) -> String {
    let short = |text: &str| escape(text.as_bytes(), 200);
    let agent = desk.agent.as_deref().map(short);
    let mut text = match (desk.kind, agent) {
        (Kind::Person, _) => "at work: a person, whose commits are left alone".to_owned(),
        (Kind::Agent | Kind::Unclear, Some(agent)) => format!("at work: {agent}"),
        (Kind::Agent | Kind::Unclear, None) => "at work: nobody can tell who".to_owned(),
    };
    if !desk.below.is_empty() {
        text += &format!(", which {} started", short(&desk.below.join(" and ")));
    }
    if !desk.signs.is_empty() && desk.kind != Kind::Person {
        text += &format!(", by {}", short(&desk.signs.join(" ")));
    }
    if let (Some(key), Some(file)) = (&desk.key, &desk.key_file) {
        text += &format!(", with the key {} in {}", short(key), short(file));
    }
    if let Some(repository) = desk.repository.as_ref().filter(|_| desk.seals) {
        text += &format!(", seals for {}", short(repository));
    }
    text.push('\n');
    if !desk.key_readers.is_empty() {
        let readers = short(&desk.key_readers.join(", "));
        text += &format!(
            "the key can also be read by {readers}: they run as the same user, and one user's agents are not kept apart\n"
        );
    }
    if !desk.not_set_up.is_empty() {
        text += &format!("not set up in this clone: {}\n", short(&desk.not_set_up.join(", ")));
    }
    text
}
