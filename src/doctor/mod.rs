//! `countersign doctor`: whether the gate runs. Most servers accept a push when a hook is missing or not executable, and say nothing.

mod checks;
mod clone;
mod gate;
mod report;
mod server;

use std::path::PathBuf;

use report::{Report, Severity, text};

use crate::server::{Exclude, Owners};
use crate::system::{Exit, Failure, Result, print};

/// Where to look.
pub(crate) struct Request {
    /// Repositories of a server, or directories that hold them; without any, this clone is looked at
    pub(crate) servers: Vec<PathBuf>,
    pub(crate) exclude: Exclude,
    /// The configuration of the sshd that people push through
    pub(crate) sshd_config: PathBuf,
    /// How to print
    pub(crate) format: Format,
    /// Whose repositories this process sees to
    pub(crate) owners: Owners,
}

/// How it is printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Json,
}

pub(crate) fn run(request: &Request) -> Result {
    let mut report = Report { schema: crate::core::report::SCHEMA, ..Report::default() };
    if request.servers.is_empty() {
        clone::examine(&mut report)?;
    } else {
        server::examine(request, &mut report)?;
    }
    report.findings.sort_by(|a, b| (a.severity, &a.place, &a.check).cmp(&(b.severity, &b.place, &b.check)));
    match request.format {
        Format::Json => print(&format!("{}\n", serde_json::to_string(&report).map_err(Failure::new)?))?,
        Format::Text => print(&text(&report))?,
    }
    let sound = report.findings.iter().all(|symptom| symptom.severity != Severity::Error);
    Ok(if sound { Exit::Accepted } else { Exit::Rejected })
}
