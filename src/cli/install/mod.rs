//! `countersign install` and `countersign uninstall`.

mod client;
mod config;
mod ghes;
mod gitolite;
mod layout;
mod others;
mod repository;
mod restore;
mod server;
mod shim;
mod words;

pub(super) use client::HOOKS as CLIENT_HOOKS;
pub(super) use config::{Configured, version as git_version};
pub(super) use layout::{Below, Layout, below, named, resolved};
pub(super) use server::LEDGER;
pub(super) use shim::{exec_words, is_executable, is_ours, quoted};

use std::path::PathBuf;

use clap::Args;

use super::hook::{adapter, repository_name};
use super::policy_source::PolicyArg;
use super::{Failure, Result};
use crate::core::id::RepositoryName;
use crate::core::submitter::Adapter;

#[derive(Args)]
pub(super) struct Install {
    /// Repositories to protect, or directories that hold them; without any, this clone gets its hooks
    #[arg(long = "server", value_name = "REPO.git|ROOT", num_args = 1..)]
    servers: Vec<PathBuf>,
    /// A policy file, or `ref:REF:PATH[@sha256:DIGEST]` for one in the repository; all given hold together
    #[arg(long = "policy", value_name = "FILE|ref:REF:PATH")]
    policies: Vec<PolicyArg>,
    /// The kind of server, which says who pushes: ssh, http, gitolite, gitlab, gitea (also forgejo), ghes, bitbucket, push-cert, none
    #[arg(long, value_name = "KIND", value_parser = adapter)]
    submitter: Option<Adapter>,
    /// Where the hooks go, if not where that kind of server has them
    #[arg(long, value_name = "LAYOUT")]
    layout: Option<Layout>,
    /// The name that seals are bound to; without it that of the policy, or the path below ROOT
    #[arg(long, value_name = "NAME", value_parser = repository_name, requires = "servers")]
    repository: Option<RepositoryName>,
    /// Exempt all history that the repository's refs have now
    #[arg(long, requires = "servers")]
    baseline: bool,
    /// Where the ledger is kept; without it, inside the repository's own directory
    #[arg(long, value_name = "DIR", requires = "servers")]
    ledger: Option<PathBuf>,
    /// Seconds after which a push is refused that is not decided; without it 30, and 4 for ghes
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    deadline: Option<u64>,
    /// Decide and record every push, and refuse none, whatever the policy says
    #[arg(long)]
    observe: bool,
    /// Also watch refs that move without a push, at two more processes for each ref of a push; a policy that says
    /// out-of-band = "refuse" does so by itself
    #[arg(long, requires = "servers")]
    reference_transaction: bool,
    /// Print what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Where to write what is uploaded: to a GitHub Enterprise Server, or to Bitbucket Data Center
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Only repositories that this user owns: root protects each owner's as that owner
    #[arg(long, hide = true)]
    own_only: bool,
    /// The directory below which the path of each repository is its name
    #[arg(long, hide = true, value_name = "DIR", requires = "own_only")]
    root: Option<PathBuf>,
}

#[derive(Args)]
pub(super) struct Uninstall {
    /// Repositories, or directories that hold them; without any, this clone
    #[arg(long = "server", value_name = "REPO.git|ROOT", num_args = 1..)]
    servers: Vec<PathBuf>,
    /// Where the hooks are, if one serves all repositories
    #[arg(long, value_name = "LAYOUT", requires = "servers")]
    layout: Option<Layout>,
    /// Only repositories that this user owns: root restores each owner's as that owner
    #[arg(long, hide = true)]
    own_only: bool,
    /// The directory below which they were found
    #[arg(long, hide = true, value_name = "DIR", requires = "own_only")]
    root: Option<PathBuf>,
}

impl Install {
    /// Whether the server says at each push what a repository is called, because the admin does not.
    fn named_by_server(&self) -> bool {
        let says = self.submitter.is_some_and(|adapter| !adapter.repository_variables().is_empty());
        says && self.repository.is_none()
    }
}

pub(super) fn install(arguments: Install) -> Result {
    let layout = arguments.layout.unwrap_or_else(|| Layout::of(arguments.submitter));
    let upload = layout == Layout::Ghes;
    if arguments.servers.is_empty() && !upload {
        let meant = !arguments.policies.is_empty() || arguments.submitter.is_some() || arguments.dry_run;
        if meant || arguments.layout.is_some() || arguments.observe || arguments.deadline.is_some() {
            return Err(Failure::new("these options are about a server, and none is given")
                .hint("countersign install --server REPO.git --policy FILE"));
        }
        return client::install();
    }
    if arguments.policies.is_empty() {
        return Err(Failure::new("no policy is given: without one there is nothing to enforce")
            .hint("name one; init writes a starter policy:\ncountersign init\ncountersign install --server REPO.git --policy FILE"));
    }
    server::install(&arguments, layout)
}

pub(super) fn uninstall(arguments: Uninstall) -> Result {
    if arguments.servers.is_empty() {
        return client::uninstall();
    }
    restore::uninstall(&arguments)
}
