//! `countersign install` and `countersign uninstall`.

mod client;
mod server;
mod shim;

pub(super) use shim::is_executable;

use std::path::PathBuf;

use clap::Args;

use super::hook::repository_name;
use super::policy_source::PolicyArg;
use super::{Exit, Failure, Result};
use crate::id::RepositoryName;

#[derive(Args)]
pub(super) struct Install {
    /// Bare repositories to protect; without any, this clone gets its hooks
    #[arg(long = "server", value_name = "REPO.git", num_args = 1..)]
    servers: Vec<PathBuf>,
    /// A policy file, or `ref:REF:PATH[@sha256:DIGEST]` for one in the repository; all given hold together
    #[arg(long = "policy", value_name = "FILE|ref:REF:PATH", requires = "servers")]
    policies: Vec<PolicyArg>,
    /// The name that seals are bound to, where the policy does not say it
    #[arg(long, value_name = "NAME", value_parser = repository_name, requires = "servers")]
    repository: Option<RepositoryName>,
    /// Exempt all history that the repository's refs have now
    #[arg(long, requires = "servers")]
    baseline: bool,
    /// Where the ledger is kept; without it, inside the repository's own directory
    #[arg(long, value_name = "DIR", requires = "servers")]
    ledger: Option<PathBuf>,
    /// Decide and record every push, and refuse none, whatever the policy says
    #[arg(long, requires = "servers")]
    observe: bool,
    /// Also watch refs that move without a push, at two more processes for each ref of a push; a policy that says
    /// out-of-band = "refuse" does so by itself
    #[arg(long, requires = "servers")]
    reference_transaction: bool,
}

#[derive(Args)]
pub(super) struct Uninstall {
    /// Bare repositories; without any, this clone
    #[arg(long = "server", value_name = "REPO.git", num_args = 1..)]
    servers: Vec<PathBuf>,
}

pub(super) fn install(arguments: Install) -> Result {
    if arguments.servers.is_empty() {
        return client::install();
    }
    if arguments.policies.is_empty() {
        return Err(Failure::new("no policy is given: without one there is nothing to enforce")
            .hint("countersign install --server REPO.git --policy FILE; countersign init writes a starter policy"));
    }
    if arguments.ledger.is_some() && arguments.servers.len() > 1 {
        return Err(Failure::new("--ledger names the directory of one repository's ledger")
            .hint("install the repositories one at a time, or leave --ledger out"));
    }
    server::install(&arguments)
}

pub(super) fn uninstall(arguments: Uninstall) -> Result {
    if arguments.servers.is_empty() {
        return client::uninstall();
    }
    for server in &arguments.servers {
        server::uninstall(server)?;
    }
    Ok(Exit::Accepted)
}
