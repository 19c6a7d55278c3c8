//! `countersign grant`: credentials for one task, and orders that take them back.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::orders::{Delivery, reach};
use super::values::{id, span};
use crate::core::id::Id;
use crate::core::policy::Span;
use crate::desk::grant::{Over, Request, issue};
use crate::desk::orders::{self, Subject};
use crate::gate::policy_source::PolicyArg;
use crate::system::{Exit, Result};

#[derive(Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Issue a grant: a certificate that lets a fresh key act as an agent, for one task
    Issue(Issue),
    /// Take a grant back, or all that an agent has now
    Revoke(Revoke),
}

#[derive(Args)]
struct Issue {
    #[command(flatten)]
    what: What,
    /// Certify this public key instead of making one; the certificate goes beside it
    #[arg(long, value_name = "FILE", conflicts_with = "out")]
    public_key: Option<PathBuf>,
    /// The directory for the new key and its certificate; without it, that of this clone's keys
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// What a grant is for.
#[derive(Args)]
struct What {
    /// The agent's id in the policy
    #[arg(value_parser = id)]
    agent: Id,
    /// How long it lasts: a number of m, h or d
    #[arg(long = "for", value_name = "TIME", default_value = "1h", value_parser = span)]
    span: Span,
    /// The task that every seal names
    #[arg(long)]
    task: Option<String>,
    /// Where the agent works, such as production
    #[arg(long)]
    environment: Option<String>,
    /// Refs that the agent may move: full names, branches, patterns
    #[arg(long = "ref", value_name = "PATTERN")]
    refs: Vec<String>,
    /// Paths that its commits may touch
    #[arg(long = "path", value_name = "PATTERN")]
    paths: Vec<String>,
    /// Repositories that it is for, instead of this one
    #[arg(long = "repository", value_name = "PATTERN")]
    repositories: Vec<String>,
    /// How many commits it may seal
    #[arg(long)]
    commits: Option<u64>,
    /// How many grants may follow below it
    #[arg(long)]
    delegate: Option<u64>,
    /// The key that issues it, instead of the one that git signs with; a grant's own key issues for a sub-agent
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// A policy instead of the configured one; all given hold together
    #[arg(long = "policy", value_name = "FILE|ref:REF:PATH")]
    policies: Vec<PolicyArg>,
}

#[derive(Args)]
struct Revoke {
    /// A grant by its name, or an agent for all that it has now
    #[arg(value_name = "AGENT:SERIAL|AGENT")]
    grant: String,
    /// For this repository alone, where the policy has a name and the order would hold for all that it governs
    #[arg(long)]
    here: bool,
    #[command(flatten)]
    delivery: Delivery,
}

pub(super) fn run(arguments: Arguments) -> Result {
    match arguments.command {
        Command::Issue(Issue { what, public_key, out }) => {
            let What { agent, span, task, environment, refs, paths, repositories, commits, delegate, key, policies } =
                what;
            let request =
                Request { agent, span, task, environment, refs, paths, repositories, commits, delegate, key, policies };
            issue(&request, public_key.map_or(Over::Fresh(out), Over::Public))
        }
        Command::Revoke(Revoke { grant, here, delivery }) => {
            orders::revoke(&Subject { word: grant, reach: reach(here) }, &delivery.into())?;
            Ok(Exit::Accepted)
        }
    }
}
