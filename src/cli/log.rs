//! `countersign log`: what the ledger holds.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::audit::{Checkpoint, Evidence, Export, Place, Prove, Replay, Report};
use super::servers::OwnOnly;
use super::values::{commit_prefix, finding, root, time};
use crate::audit::{evidence, log, replay, report};
use crate::core::canonical::Time;
use crate::core::digest::Digest;
use crate::ledger::Outcome;
use crate::system::Result;

#[derive(Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Print entries, the oldest first
    Show(Box<Show>),
    /// Print what is new in all ledgers of a server, and go on so: for a collector
    Follow(Follow),
    /// Check every record, and the repository's refs against the last one about each
    Verify(Verify),
    /// Prove an entry, or that a commit landed, to somebody who has nothing but the ledger's public key
    Prove(Prove),
    /// Print the signed head of the log, for whoever keeps it elsewhere or witnesses it
    Checkpoint(Checkpoint),
    /// Write the log as files that a static web server can serve (c2sp.org/tlog-tiles)
    Export(Export),
    /// Write a page on who did what by whose leave over a time
    Report(Box<Report>),
    /// Say of each control of a framework what is enforced, what the record evidences, and what neither says
    Evidence(Box<Evidence>),
    /// Decide accepted pushes again, as everything stood before each, by the policy in force or another
    Replay(Box<Replay>),
}

#[derive(Args)]
struct Show {
    #[command(flatten)]
    place: Place,
    /// Only what is about this ref
    #[arg(long = "ref", value_name = "REF")]
    name: Option<String>,
    /// Only what is about this person, agent or service
    #[arg(long, value_name = "ID")]
    principal: Option<String>,
    /// Only decisions with this finding
    #[arg(long, value_name = "CODE", value_parser = finding)]
    code: Option<String>,
    /// Only decisions that ended so
    #[arg(long, value_enum)]
    verdict: Option<VerdictArg>,
    /// Only decisions by which something was accepted in spite of findings
    #[arg(long)]
    overrides: bool,
    /// Only from this time or day on, such as 2026-11-01 or 2026-11-01T08:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Time>,
    /// Only before this time or day
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Time>,
    /// Only what is about this commit, by four digits of its id or more
    #[arg(long, value_name = "ID", value_parser = commit_prefix)]
    commit: Option<String>,
    /// Only entries with a greater number than this: those after the last one that is known
    #[arg(long, value_name = "N")]
    after: Option<u64>,
    /// Only the last N of each ledger
    #[arg(short = 'n', long = "max-count", value_name = "N", conflicts_with = "would_refuse")]
    count: Option<usize>,
    /// The newest first
    #[arg(long, conflicts_with = "would_refuse")]
    reverse: bool,
    /// Sum up what enforcing would have refused of all that was accepted
    #[arg(long)]
    would_refuse: bool,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Args)]
struct Follow {
    /// Repositories of a server, or directories that hold them
    #[arg(long = "server", value_name = "REPO.git|ROOT", num_args = 1.., required = true)]
    servers: Vec<PathBuf>,
    /// Where it is kept how far each ledger was read
    #[arg(long, value_name = "FILE")]
    cursor: PathBuf,
    #[arg(long, value_enum, default_value_t = Format::Json)]
    format: Format,
    /// Seconds from one round to the next
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3600))]
    interval: u64,
    /// One round, and no more
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    own_only: OwnOnly,
}

#[derive(Args)]
struct Verify {
    #[command(flatten)]
    place: Place,
    /// The public key that the ledger must be signed with, kept since install in another place: a file, or its line
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// The root that the ledger had with as many entries as --size says, kept since then in another place
    #[arg(long, value_name = "SHA256", requires = "size", value_parser = root)]
    root: Option<Digest>,
    /// The number of entries that the ledger must have had, and has at least now
    #[arg(long, value_name = "N")]
    size: Option<u64>,
    /// A signed checkpoint of the log, kept since then in another place: the log of today, or a generation of it, begins with what it
    /// is over
    #[arg(long, value_name = "CHECKPOINT")]
    since: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum VerdictArg {
    Accepted,
    Rejected,
    Undecided,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// Lines for people
    Text,
    /// One JSON object a line, with the entry as it is signed
    #[value(alias = "jsonl")]
    Json,
    /// A line for each ref of an entry: time, repository, number, kind, outcome, submitter, ref, old, new, agents, approvers, codes
    Csv,
    /// A line for each ref of an entry, in ArcSight's common event format
    Cef,
    /// A JSON object for each ref of an entry, as OCSF 1.5.0 has it: API Activity (6003) and Detection Finding (2004)
    Ocsf,
}

pub(super) fn run(arguments: Arguments) -> Result {
    match arguments.command {
        Command::Show(show) => log::show(&(*show).into()),
        Command::Follow(Follow { servers, cursor, format, interval, once, own_only }) => {
            let (format, owners) = (format.into(), own_only.into());
            log::follow(&log::Follow { servers, cursor, format, interval, once, owners })
        }
        Command::Verify(Verify { place, key, root, size, since }) => {
            log::verify(&log::Verify { place: place.into(), key, root, size, since })
        }
        Command::Prove(prove) => log::prove(&prove.into()),
        Command::Checkpoint(checkpoint) => log::checkpoint(&checkpoint.into()),
        Command::Export(export) => log::export(&export.into()),
        Command::Report(report) => report::run(&(*report).into()),
        Command::Evidence(evidence) => evidence::run(&(*evidence).into()),
        Command::Replay(replay) => replay::run(&(*replay).into()),
    }
}

impl From<Show> for log::Show {
    fn from(show: Show) -> Self {
        Self {
            place: show.place.into(),
            name: show.name,
            principal: show.principal,
            code: show.code,
            verdict: show.verdict.map(Outcome::from),
            overrides: show.overrides,
            since: show.since,
            until: show.until,
            commit: show.commit,
            after: show.after,
            count: show.count,
            reverse: show.reverse,
            would_refuse: show.would_refuse,
            format: show.format.into(),
        }
    }
}

impl From<VerdictArg> for Outcome {
    fn from(verdict: VerdictArg) -> Self {
        match verdict {
            VerdictArg::Accepted => Self::Accepted,
            VerdictArg::Rejected => Self::Rejected,
            VerdictArg::Undecided => Self::Undecided,
        }
    }
}

impl From<Format> for log::Format {
    fn from(format: Format) -> Self {
        match format {
            Format::Text => Self::Text,
            Format::Json => Self::Json,
            Format::Csv => Self::Csv,
            Format::Cef => Self::Cef,
            Format::Ocsf => Self::Ocsf,
        }
    }
}
