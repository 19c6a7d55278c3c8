//! What the hooks of a server are told: an admin's decisions, as the commands that hooks run.

use std::path::{Path, PathBuf};

use super::Install;
use crate::core::id::RepositoryName;
use crate::core::submitter::Adapter;
use crate::gate::command::{HookCommand, PostReceive, PreReceive, Watch};
use crate::gate::policy_source::PolicyArg;
use crate::gate::shim::{Planned, check_line, plan, script};
use crate::system::Result;

/// The hooks of a server's repository that can be ours.
pub(crate) const HOOKS: [&str; 3] = ["pre-receive", "post-receive", "reference-transaction"];

/// What hooks are told about the repositories that they serve.
pub(super) struct Served {
    pub(super) policies: Vec<PolicyArg>,
    /// The repository's name; `None` where its path below `below` or the server at each push says it.
    pub(super) repository: Option<RepositoryName>,
    pub(super) below: Option<PathBuf>,
    pub(super) ledger: PathBuf,
    pub(super) baseline: Option<PathBuf>,
    /// Whether refs are watched that move without a push.
    pub(super) watch: bool,
}

/// What an admin said, or had said before.
pub(super) struct Options {
    pub(super) submitter: Option<Adapter>,
    pub(super) deadline: Option<u64>,
    pub(super) observe: bool,
    /// Words for what was said before and not now.
    pub(super) kept: Vec<String>,
}

impl Options {
    /// What is said now, and what the hook that is there was told and nobody says anything else of. That it observes, an admin says
    /// each time: to install without is to enforce.
    pub(super) fn at(arguments: &Install, before: Option<&PreReceive>) -> Self {
        let mut kept = Vec::new();
        let submitter = arguments.submitter.or_else(|| {
            let adapter = before?.submitter?;
            kept.push(format!("--submitter {adapter}"));
            Some(adapter)
        });
        let deadline = arguments.deadline.or_else(|| {
            let seconds = before?.deadline?;
            kept.push(format!("--deadline {seconds}"));
            Some(seconds)
        });
        Self { submitter, deadline, observe: arguments.observe, kept }
    }
}

impl Served {
    /// The commands of its hooks. The one that decides comes first.
    pub(super) fn hooks(self, options: &Options) -> Result<Vec<HookCommand>> {
        let Self { policies, repository, below, ledger, baseline, watch } = self;
        let files = policies.iter().filter_map(|policy| match policy {
            PolicyArg::File(path) => Some(path),
            PolicyArg::InRepository(_) => None,
        });
        files.chain(&below).chain([&ledger]).chain(&baseline).try_for_each(|path| check_line(path).map(drop))?;
        let observe = options.observe;
        let watched = watch.then(|| Watch { policies: policies.clone(), ledger: ledger.clone(), chain: None, observe });
        let decide = PreReceive {
            policies,
            repository,
            below,
            baseline,
            ledger: Some(ledger.clone()),
            submitter: options.submitter,
            deadline: options.deadline,
            observe,
            chain: None,
        };
        let settle = PostReceive { ledger, chain: None, observe };
        let watched = watched.map(HookCommand::ReferenceTransaction);
        Ok([HookCommand::PreReceive(decide), HookCommand::PostReceive(settle)].into_iter().chain(watched).collect())
    }
}

/// How a hook file of ours calls the program.
#[derive(Clone, Copy)]
pub(super) struct Calls<'a> {
    /// The program, as a word of sh.
    pub(super) program: &'a str,
    /// The repository in which the hook runs, where it serves one alone: what lies in it is named from there.
    pub(super) from: Option<&'a Path>,
}

/// A hook file of ours, with the hook that it runs besides.
pub(super) fn shim(path: &Path, command: HookCommand, calls: Calls<'_>) -> Result<Planned> {
    plan(path, |other| {
        let other = other.filter(|other| check_line(other).is_ok());
        let other = other.map(|other| calls.from.and_then(|from| other.strip_prefix(from).ok()).unwrap_or(other));
        script(&format!("exec {} hook {} \"$@\"\n", calls.program, command.chained(other)))
    })
}
