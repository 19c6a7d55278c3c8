//! `countersign install` and `countersign uninstall`: a server's repositories, or this clone.

use std::path::PathBuf;

use clap::Args;

use super::servers::{Exclude, OwnOnly};
use crate::core::id::RepositoryName;
use crate::core::submitter::Adapter;
use crate::desk::install as client;
use crate::gate::command::{adapter, repository_name};
use crate::gate::policy_source::PolicyArg;
use crate::server::{self, Layout, install, uninstall};
use crate::system::{Failure, Result};

#[derive(Args)]
pub(super) struct Install {
    /// Repositories to protect, or directories that hold them; without any, this clone gets its hooks
    #[arg(long = "server", value_name = "REPO.git|ROOT", num_args = 1..)]
    servers: Vec<PathBuf>,
    /// A policy file, or `ref:REF:PATH[@sha256:DIGEST]` for one in the repository; all given hold together
    #[arg(long = "policy", value_name = "FILE|ref:REF:PATH")]
    policies: Vec<PolicyArg>,
    #[arg(long, value_name = "KIND", value_parser = adapter, help = kinds_help())]
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
    #[arg(long, value_name = "SECONDS", help = deadline_help(), value_parser = clap::value_parser!(u64).range(1..=3600))]
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
    /// Write nothing unless every repository can be protected
    #[arg(long, requires = "servers")]
    all_or_nothing: bool,
    #[command(flatten)]
    exclude: Exclude,
    /// Where to write what is uploaded: to a GitHub Enterprise Server, or to Bitbucket Data Center
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    own_only: OwnOnly,
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
    #[command(flatten)]
    own_only: OwnOnly,
    /// The directory below which they were found
    #[arg(long, hide = true, value_name = "DIR", requires = "own_only")]
    root: Option<PathBuf>,
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

pub(super) fn protect(arguments: Install) -> Result {
    if arguments.servers.is_empty() && !arguments.layout().is_elsewhere() {
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
    install::install(&arguments.into())
}

impl Install {
    /// Where the hooks go: where that kind of server has them, unless the admin says another place.
    fn layout(&self) -> Layout {
        self.layout.unwrap_or_else(|| Layout::of(self.submitter))
    }
}

impl From<Install> for server::Install {
    fn from(install: Install) -> Self {
        Self {
            layout: install.layout(),
            servers: install.servers,
            policies: install.policies,
            submitter: install.submitter,
            repository: install.repository,
            baseline: install.baseline,
            ledger: install.ledger,
            deadline: install.deadline,
            observe: install.observe,
            reference_transaction: install.reference_transaction,
            dry_run: install.dry_run,
            all_or_nothing: install.all_or_nothing,
            exclude: install.exclude.into(),
            out: install.out,
            owners: install.own_only.into(),
            root: install.root,
        }
    }
}

pub(super) fn restore(arguments: Uninstall) -> Result {
    let Uninstall { servers, layout, own_only, root } = arguments;
    if servers.is_empty() {
        return client::uninstall();
    }
    uninstall::uninstall(&server::Uninstall { servers, layout, owners: own_only.into(), root })
}
