//! `countersign doctor`: whether the gate runs. Most servers accept a push when a hook is missing or not executable, and say nothing.
#![expect(clippy::disallowed_methods, reason = "a checkup looks at files")]

mod canary;
mod clone;
mod gate;
mod server;
mod trust;

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::core::policy::Policy;
use crate::core::report::escape;
use crate::system::{Exit, Failure, Result, print};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Repositories of a server, or directories that hold them; without any, this clone is looked at
    #[arg(long = "server", value_name = "REPO.git|ROOT", num_args = 1..)]
    servers: Vec<PathBuf>,
    /// How to print
    #[arg(long, default_value = "text")]
    format: Format,
    /// Only repositories that this user owns: root looks at each owner's as that owner
    #[arg(long, hide = true)]
    own_only: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Severity {
    /// A bad push gets in, or no push does.
    Error,
    /// It will matter, or something else suffers.
    Warning,
}

/// Something that is not as it should be.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Symptom {
    severity: Severity,
    /// The repository or file that it is about.
    place: String,
    /// Its stable name.
    check: String,
    message: String,
    fix: String,
}

/// A push that had to be refused.
#[derive(Debug, Serialize, Deserialize)]
struct Canary {
    repository: String,
    #[serde(rename = "ref")]
    name: String,
    refused: bool,
    /// `refused`, `accepted`, or `undecided`.
    outcome: String,
}

/// All that was found out.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Report {
    schema: u32,
    repositories: usize,
    /// The policies in force, with their digests.
    policies: BTreeMap<String, String>,
    canaries: Vec<Canary>,
    findings: Vec<Symptom>,
}

impl Report {
    fn add(
        &mut self,
        severity: Severity,
        place: &impl ToString,
        check: &'static str,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) {
        let (message, fix) = (message.into(), fix.into());
        self.findings.push(Symptom { severity, place: place.to_string(), check: check.to_owned(), message, fix });
    }

    /// Takes in what another process found out about other repositories.
    fn merge(&mut self, other: Self) {
        self.repositories += other.repositories;
        self.policies.extend(other.policies);
        self.canaries.extend(other.canaries);
        // What is about the machine, each of them found.
        let new = other.findings.into_iter().filter(|symptom| !self.findings.contains(symptom)).collect::<Vec<_>>();
        self.findings.extend(new);
    }

    fn error(
        &mut self,
        place: &impl ToString,
        check: &'static str,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.add(Severity::Error, place, check, message, fix);
    }

    /// What a policy in force goes on with, and a new one may not say.
    fn tolerated(&mut self, policy: &Policy) {
        for problem in policy.tolerated() {
            let place = format!("{}:{}", problem.at.file, problem.at.line);
            self.warn(&place, "policy", problem.message, problem.fix);
        }
    }

    fn warn(&mut self, place: &impl ToString, check: &'static str, message: impl Into<String>, fix: impl Into<String>) {
        self.add(Severity::Warning, place, check, message, fix);
    }
}

pub(crate) fn run(arguments: Arguments) -> Result {
    let mut report = Report { schema: crate::core::report::SCHEMA, ..Report::default() };
    if arguments.servers.is_empty() {
        clone::examine(&mut report)?;
    } else {
        server::examine(&arguments.servers, arguments.own_only, &mut report)?;
    }
    report.findings.sort_by(|a, b| (a.severity, &a.place, &a.check).cmp(&(b.severity, &b.place, &b.check)));
    match arguments.format {
        Format::Json => print(&format!("{}\n", serde_json::to_string(&report).map_err(Failure::new)?))?,
        Format::Text => print(&text(&report))?,
    }
    let sound = report.findings.iter().all(|symptom| symptom.severity != Severity::Error);
    Ok(if sound { Exit::Accepted } else { Exit::Rejected })
}

fn text(report: &Report) -> String {
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

/// Says on a terminal how far it is.
struct Progress {
    all: usize,
    shown: bool,
}

impl Progress {
    fn new(all: usize) -> Self {
        Self { all, shown: std::io::stderr().is_terminal() && all > 100 }
    }

    fn at(&self, number: usize) {
        if self.shown && number.is_multiple_of(50) {
            // Nothing depends on whether anybody sees it.
            let _ = write!(std::io::stderr(), "\r{number} of {} repositories", self.all);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            let _ = write!(std::io::stderr(), "\r\u{1b}[K");
        }
    }
}
