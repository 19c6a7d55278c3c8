//! A server's repositories: found, protected by the gate's hooks, and given back as they were.
#![expect(clippy::disallowed_methods, reason = "an install looks at repositories and writes hooks")]

mod commands;
mod exclude;
pub(crate) mod install;
mod installed;
mod kinds;
pub(crate) mod ledgers;
pub(crate) mod orders;
mod others;
mod repository;
mod targets;
pub(crate) mod uninstall;

pub(crate) use exclude::{Exclude, Used};
pub(crate) use installed::{installed_hook, installed_ledger, installed_policies};
pub(crate) use kinds::config::{Configured, SINCE as CONFIGURED_GIT, version as git_version};
pub(crate) use kinds::{Layout, RunBy};
pub(crate) use others::{OwnOnly, Owners};
pub(crate) use targets::{Below, below, named, resolved};

use std::path::PathBuf;

use clap::Args;

use crate::core::id::RepositoryName;
use crate::core::submitter::Adapter;
use crate::gate::command::{adapter, repository_name};
use crate::gate::policy_source::PolicyArg;
use targets::Naming;

#[derive(Args)]
pub(crate) struct Install {
    /// Repositories to protect, or directories that hold them; without any, this clone gets its hooks
    #[arg(long = "server", value_name = "REPO.git|ROOT", num_args = 1..)]
    pub(crate) servers: Vec<PathBuf>,
    /// A policy file, or `ref:REF:PATH[@sha256:DIGEST]` for one in the repository; all given hold together
    #[arg(long = "policy", value_name = "FILE|ref:REF:PATH")]
    pub(crate) policies: Vec<PolicyArg>,
    #[arg(long, value_name = "KIND", value_parser = adapter, help = kinds_help())]
    pub(crate) submitter: Option<Adapter>,
    /// Where the hooks go, if not where that kind of server has them
    #[arg(long, value_name = "LAYOUT")]
    pub(crate) layout: Option<Layout>,
    /// The name that seals are bound to; without it that of the policy, or the path below ROOT
    #[arg(long, value_name = "NAME", value_parser = repository_name, requires = "servers")]
    pub(crate) repository: Option<RepositoryName>,
    /// Exempt all history that the repository's refs have now
    #[arg(long, requires = "servers")]
    pub(crate) baseline: bool,
    /// Where the ledger is kept; without it, inside the repository's own directory
    #[arg(long, value_name = "DIR", requires = "servers")]
    pub(crate) ledger: Option<PathBuf>,
    #[arg(long, value_name = "SECONDS", help = deadline_help(), value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) deadline: Option<u64>,
    /// Decide and record every push, and refuse none, whatever the policy says
    #[arg(long)]
    pub(crate) observe: bool,
    /// Also watch refs that move without a push, at two more processes for each ref of a push; a policy that says
    /// out-of-band = "refuse" does so by itself
    #[arg(long, requires = "servers")]
    pub(crate) reference_transaction: bool,
    /// Print what would be written, and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Write nothing unless every repository can be protected
    #[arg(long, requires = "servers")]
    pub(crate) all_or_nothing: bool,
    #[command(flatten)]
    pub(crate) exclude: Exclude,
    /// Where to write what is uploaded: to a GitHub Enterprise Server, or to Bitbucket Data Center
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) own_only: OwnOnly,
    /// The directory below which the path of each repository is its name
    #[arg(long, hide = true, value_name = "DIR", requires = "own_only")]
    pub(crate) root: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Uninstall {
    /// Repositories, or directories that hold them; without any, this clone
    #[arg(long = "server", value_name = "REPO.git|ROOT", num_args = 1..)]
    pub(crate) servers: Vec<PathBuf>,
    /// Where the hooks are, if one serves all repositories
    #[arg(long, value_name = "LAYOUT", requires = "servers")]
    pub(crate) layout: Option<Layout>,
    #[command(flatten)]
    pub(crate) own_only: OwnOnly,
    /// The directory below which they were found
    #[arg(long, hide = true, value_name = "DIR", requires = "own_only")]
    pub(crate) root: Option<PathBuf>,
}

/// What is said of `--submitter`.
fn kinds_help() -> String {
    let words = Adapter::ALL.iter().map(|adapter| match adapter.aliases() {
        [] => adapter.name().to_owned(),
        aliases => format!("{adapter} (also {})", aliases.join(", ")),
    });
    let words: Vec<String> = words.collect();
    format!("The kind of server, which says who pushes: {}", words.join(", "))
}

/// What is said of `--deadline`.
fn deadline_help() -> String {
    let usual = Adapter::None.deadline();
    let others = Adapter::ALL.iter().filter(|adapter| adapter.deadline() != usual);
    let others: String = others.map(|adapter| format!(", and {} for {adapter}", adapter.deadline())).collect();
    format!("Seconds after which a push is refused that is not decided; without it {usual}{others}")
}

impl Install {
    /// Where a repository's name comes from that the admin does not say.
    fn naming(&self) -> Naming {
        let says = self.submitter.is_some_and(|adapter| !adapter.repository_variables().is_empty());
        if says && self.repository.is_none() { Naming::ByServer } else { Naming::ByPath }
    }
}
