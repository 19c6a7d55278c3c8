//! A server's repositories: found, protected by the gate's hooks, and given back as they were.

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

pub(crate) use exclude::{Exclude, Used, pattern};
pub(crate) use installed::{installed_hook, installed_ledger, installed_policies};
pub(crate) use kinds::config::{Configured, SINCE as CONFIGURED_GIT, version as git_version};
pub(crate) use kinds::{Layout, RunBy};
pub(crate) use others::Owners;
pub(crate) use targets::{Below, below, named, resolved};

use std::path::PathBuf;

use crate::core::id::RepositoryName;
use crate::core::submitter::Adapter;
use crate::gate::policy_source::PolicyArg;
use targets::Naming;

/// What an admin wants of repositories that are to be protected.
pub(crate) struct Install {
    /// Repositories to protect, or directories that hold them; without any, this clone gets its hooks
    pub(crate) servers: Vec<PathBuf>,
    /// A policy file, or `ref:REF:PATH[@sha256:DIGEST]` for one in the repository; all given hold together
    pub(crate) policies: Vec<PolicyArg>,
    pub(crate) submitter: Option<Adapter>,
    /// Where the hooks go.
    pub(crate) layout: Layout,
    /// The name that seals are bound to; without it that of the policy, or the path below ROOT
    pub(crate) repository: Option<RepositoryName>,
    /// Exempt all history that the repository's refs have now
    pub(crate) baseline: bool,
    /// Where the ledger is kept; without it, inside the repository's own directory
    pub(crate) ledger: Option<PathBuf>,
    pub(crate) deadline: Option<u64>,
    /// Decide and record every push, and refuse none, whatever the policy says
    pub(crate) observe: bool,
    /// Also watch refs that move without a push, at two more processes for each ref of a push; a policy that says
    /// out-of-band = "refuse" does so by itself
    pub(crate) reference_transaction: bool,
    /// Print what would be written, and write nothing
    pub(crate) dry_run: bool,
    /// Write nothing unless every repository can be protected
    pub(crate) all_or_nothing: bool,
    pub(crate) exclude: Exclude,
    /// Where to write what is uploaded: to a GitHub Enterprise Server, or to Bitbucket Data Center
    pub(crate) out: Option<PathBuf>,
    /// Whose repositories this process sees to
    pub(crate) owners: Owners,
    /// The directory below which the path of each repository is its name
    pub(crate) root: Option<PathBuf>,
}

/// Which repositories are given back.
pub(crate) struct Uninstall {
    /// Repositories, or directories that hold them; without any, this clone
    pub(crate) servers: Vec<PathBuf>,
    /// Where the hooks are, if one serves all repositories
    pub(crate) layout: Option<Layout>,
    /// Whose repositories this process sees to
    pub(crate) owners: Owners,
    /// The directory below which they were found
    pub(crate) root: Option<PathBuf>,
}

impl Install {
    /// Where a repository's name comes from that the admin does not say.
    fn naming(&self) -> Naming {
        let says = self.submitter.is_some_and(|adapter| !adapter.repository_variables().is_empty());
        if says && self.repository.is_none() { Naming::ByServer } else { Naming::ByPath }
    }
}
