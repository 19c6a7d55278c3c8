//! `countersign doctor`: whether the gate runs. Most servers accept a push when a hook is missing or not executable, and say nothing.
#![expect(clippy::disallowed_methods, reason = "a checkup looks at files")]

mod checks;
mod clone;
mod gate;
mod report;
mod server;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use report::{Report, Severity, text};

use crate::server::{Exclude, OwnOnly};
use crate::system::{Exit, Failure, Result, print};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Repositories of a server, or directories that hold them; without any, this clone is looked at
    #[arg(long = "server", value_name = "REPO.git|ROOT", num_args = 1..)]
    servers: Vec<PathBuf>,
    #[command(flatten)]
    exclude: Exclude,
    /// The configuration of the sshd that people push through
    #[arg(long, value_name = "FILE", requires = "servers", default_value = "/etc/ssh/sshd_config")]
    sshd_config: PathBuf,
    /// How to print
    #[arg(long, default_value = "text")]
    format: Format,
    #[command(flatten)]
    own_only: OwnOnly,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

pub(crate) fn run(arguments: Arguments) -> Result {
    let mut report = Report { schema: crate::core::report::SCHEMA, ..Report::default() };
    if arguments.servers.is_empty() {
        clone::examine(&mut report)?;
    } else {
        server::examine(&arguments, &mut report)?;
    }
    report.findings.sort_by(|a, b| (a.severity, &a.place, &a.check).cmp(&(b.severity, &b.place, &b.check)));
    match arguments.format {
        Format::Json => print(&format!("{}\n", serde_json::to_string(&report).map_err(Failure::new)?))?,
        Format::Text => print(&text(&report))?,
    }
    let sound = report.findings.iter().all(|symptom| symptom.severity != Severity::Error);
    Ok(if sound { Exit::Accepted } else { Exit::Rejected })
}
