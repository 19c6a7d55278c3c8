//! One hook for all repositories below a directory.

use std::path::PathBuf;

use super::policy::{check_new, check_submitters};
use super::{about, no_place};
use crate::core::policy::OutOfBand;
use crate::gate::command::{HookCommand, PreReceive};
use crate::gate::hook::{LEDGER, engine_failure};
use crate::gate::own_files::BASELINE;
use crate::gate::policy_source::{PolicyArg, PolicyReader};
use crate::gate::shim::{Planned, is_ours, program, quote_path};
use crate::server::Install;
use crate::server::commands::{Calls, Options, Served, shim};
use crate::server::kinds::{Shared, Stands, config};
use crate::server::repository::settled_file;
use crate::server::targets::{Naming, resolved};
use crate::system::{Failure, OnDisk as _, Result, disk};

/// What serves all repositories at once.
#[derive(Default)]
pub(super) struct SharedPlan {
    pub(super) root: PathBuf,
    pub(super) hooks: Vec<Planned>,
    /// Each hook with the command that git's configuration names.
    pub(super) commands: Vec<(&'static str, String)>,
    /// What the hooks were told before and are not told now.
    pub(super) kept: Vec<String>,
}

/// What is to be written for them.
pub(super) fn plan(arguments: &Install, shared: &Shared) -> Result<SharedPlan> {
    let [root] = arguments.servers.as_slice() else {
        return Err(Failure::new("one hook serves all repositories below one directory, and several are given")
            .hint("give the directory that holds them all"));
    };
    let root = root.on_disk().canonicalize().map_err(|error| about(root, Failure::new(error)))?;
    if resolved(&root).is_some() {
        return Err(about(&root, Failure::new("this is one repository, and the hook would serve all of them"))
            .hint("give the directory that holds them all, or install it in this one alone with --layout hooks"));
    }
    let policies = settled_files(&arguments.policies)?;
    let directory = match (&shared.stands, &arguments.out) {
        (Stands::Configured, _) => None,
        (Stands::Linked(directory), _) => Some(directory(&root)?),
        (Stands::Uploaded, Some(directory)) => Some(std::path::absolute(directory).map_err(Failure::new)?),
        (Stands::Uploaded, None) => return Err(no_place()),
    };
    let there = directory.as_ref().map(|directory| directory.join("pre-receive")).filter(|hook| is_ours(hook));
    let before = there.and_then(|hook| disk::read_to_string(hook).ok()).and_then(|text| PreReceive::read(&text));
    let before = before.map(|(_, before)| before);
    let options = Options::at(arguments, before.as_ref());
    let reader = PolicyReader { repository: None };
    let loaded = reader.load(&policies).map_err(|error| engine_failure(&error.into()))?;
    check_submitters(&loaded.policy, options.submitter)?;
    let before = if directory.is_none() { config::installed()? } else { before };
    let in_force = before.and_then(|before| reader.load(&before.policies).ok()).map(|before| before.policy.digest());
    check_new(&loaded.policy, in_force)?;
    let watches = directory.as_ref().is_some_and(|directory| is_ours(&directory.join("reference-transaction")));
    let refuses = loaded.policy.out_of_band() != OutOfBand::Record;
    let served = Served {
        policies,
        repository: None,
        below: (arguments.naming() == Naming::ByPath).then(|| root.clone()),
        ledger: LEDGER.into(),
        // Where a repository has none, none is exempt.
        baseline: Some(BASELINE.into()),
        watch: arguments.reference_transaction || watches || refuses,
    };
    let program = quote_path(&program()?)?;
    let commands = served.hooks(&options)?.into_iter();
    let Some(directory) = directory else {
        config::check()?;
        let command = |command: HookCommand| (command.hook(), format!("{program} hook {command}"));
        return Ok(SharedPlan { root, commands: commands.map(command).collect(), ..SharedPlan::default() });
    };
    let place =
        |command: HookCommand| shim(&directory.join(command.hook()), command, Calls { program: &program, from: None });
    let hooks = commands.map(place).collect::<Result<_>>()?;
    Ok(SharedPlan { root, hooks, commands: Vec::new(), kept: options.kept })
}

/// Policy files by their absolute paths, for a hook that serves many repositories.
pub(super) fn settled_files(policies: &[PolicyArg]) -> Result<Vec<PolicyArg>> {
    let settle = |policy: &PolicyArg| match policy {
        PolicyArg::File(path) => settled_file(path).map(PolicyArg::File),
        PolicyArg::InRepository(place) => Err(Failure::new(format!(
            "the policy is pinned for each repository, and one hook serves all: ref:{}:{}",
            place.name, place.path
        ))
        .hint("give a file, or install with --layout hooks")),
    };
    policies.iter().map(settle).collect()
}
