//! What was found out, and how it is printed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::checks::Check;
use crate::core::policy::Policy;
use crate::core::report::escape;

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
        0 => format!("this clone: {errors} errors, {warnings} warnings\n"),
        1 => format!("1 repository: {errors} errors, {warnings} warnings\n"),
        many => format!("{many} repositories: {errors} errors, {warnings} warnings\n"),
    });
    text
}
