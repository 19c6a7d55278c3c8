//! One repository: what is to be written for it.

use std::path::{Path, PathBuf};

use super::policy::{check_new, check_submitters};
use crate::core::id::RepositoryName;
use crate::core::policy::OutOfBand;
use crate::gate::engine::Settings;
use crate::gate::hook::LEDGER;
use crate::gate::naming::hashed_name;
use crate::gate::own_files::{BASELINE, ledger_directory};
use crate::gate::shim::{Planned, is_ours, program, quote_path, quoted};
use crate::ledger::Ledger;
use crate::server::commands::{Calls, Options, Served, shim};
use crate::server::installed::installed;
use crate::server::repository::Repository;
use crate::server::targets::{Naming, Target};
use crate::server::{Install, Layout};
use crate::system::{Failure, OnDisk as _, Result};

/// What is to be written for one repository, once all have been checked.
pub(super) struct Ready {
    pub(super) repository: Repository,
    /// What the ledger calls it.
    pub(super) label: RepositoryName,
    pub(super) ledger: PathBuf,
    /// The one that decides comes first: what it lets through while the others are not there yet, the next push settles.
    pub(super) hooks: Vec<Planned>,
    pub(super) baseline: Option<(PathBuf, String)>,
    /// What it was told before and is not told now.
    pub(super) kept: Vec<String>,
}

/// Plans what is to be written for a repository, and writes nothing.
pub(super) fn prepare(target: &Target, arguments: &Install, layout: Layout) -> Result<Ready> {
    let repository = Repository::open(&target.path)?;
    layout.check(&repository)?;
    let before = installed(&repository.git_dir, layout)?;
    if before.is_none() && repository.is_shared()? {
        return Err(Failure::new("core.sharedRepository lets several users push as themselves, and a ledger has one owner: pushes of the others would be refused")
            .hint(format!("let one user own the repositories and run git (examples/servers/ssh.md), or say that only one pushes:\ngit --git-dir={} config core.sharedRepository umask", quoted(&repository.git_dir))));
    }
    let mut options = Options::at(arguments, before.as_ref());
    let policies = repository.settle(&arguments.policies)?;
    // Where the server names it at each push, it goes on doing so.
    let names_it = before.as_ref().is_some_and(|before| !before.naming_variables().is_empty());
    let naming = if arguments.repository.is_none() && names_it { Naming::ByServer } else { arguments.naming() };
    let by_server = naming == Naming::ByServer;
    // A repository keeps the name that it was given: seals are bound to it. Where its hook is gone, the ledger knows.
    let named = before.as_ref().and_then(|before| before.repository.clone());
    let named = named.or_else(|| if by_server { None } else { recorded_name(&repository.git_dir.join(LEDGER)) });
    if let (None, None, Some(name), Some(other)) = (&named, &arguments.repository, &target.name, &target.namesake) {
        return Err(namesakes(name, other));
    }
    let named = named.filter(|named| arguments.repository.is_none() && target.name.as_ref() != Some(named));
    if let (Some(named), true) = (&named, target.root.is_some()) {
        options.kept.push(format!("--repository {named}"));
    }
    let given = arguments.repository.clone().or(named).or_else(|| target.name.clone().filter(|_| !by_server));
    let settings = Settings { policies, repository: given, baseline: None };
    let (name, policy) = repository.check(&settings, naming, target)?;
    let label = name.clone().or_else(|| hashed_name(&repository.git_dir));
    let label = label.ok_or_else(|| Failure::new("its path gives it no name").hint("add --repository NAME"))?;
    if let Some(policy) = &policy {
        check_submitters(policy, options.submitter)?;
    }
    // A hook that serves all is checked once, for all.
    if let Some(policy) = policy.as_ref().filter(|_| !layout.is_shared()) {
        let in_force = before.as_ref().map_or(Ok(None), |before| repository.in_force(&before.policies))?;
        check_new(policy, in_force)?;
    }
    let own = |path: &str| repository.git_dir.join(path);
    let baseline = arguments.baseline.then(|| repository.tips()).transpose()?.map(|tips| (own(BASELINE), tips));
    let kept = before.as_ref().and_then(|before| before.ledger.as_deref());
    let ledger = ledger_to_keep(arguments.ledger.as_deref(), kept, &repository)?;
    if arguments.ledger.is_none() && ledger != Path::new(LEDGER) {
        options.kept.push(format!("--ledger {}", ledger.display()));
    }
    let mut hooks = Vec::new();
    if !layout.is_shared() {
        let refuses = policy.is_some_and(|policy| policy.out_of_band() != OutOfBand::Record);
        let watches = is_ours(&layout.path(&repository.git_dir, "reference-transaction"));
        if watches && !refuses && !arguments.reference_transaction {
            options.kept.push("--reference-transaction".to_owned());
        }
        let served = Served {
            policies: settings.policies,
            repository: name,
            below: None,
            ledger: ledger.clone(),
            // What was exempt stays so when install is run again.
            baseline: (baseline.is_some() || own(BASELINE).on_disk().exists()).then(|| BASELINE.into()),
            watch: arguments.reference_transaction || refuses || watches,
        };
        let program = quote_path(&program()?)?;
        for command in served.hooks(&options)? {
            let place = layout.path(&repository.git_dir, command.hook());
            hooks.push(shim(&place, command, Calls { program: &program, from: Some(&repository.git_dir) })?);
        }
    }
    Ok(Ready { repository, label, ledger, hooks, baseline, kept: options.kept })
}

/// The directory of the ledger, as hooks are to name it: relative to the repository where it lies in it. A second one is not begun beside
/// one that is there, which knows what has landed.
fn ledger_to_keep(given: Option<&Path>, kept: Option<&Path>, repository: &Repository) -> Result<PathBuf> {
    let own = |path: PathBuf| path.strip_prefix(&repository.git_dir).map(Path::to_owned).unwrap_or(path);
    let present = ledger_directory(kept.unwrap_or(Path::new(LEDGER)), &repository.dir);
    let Some(given) = given else { return Ok(own(present)) };
    let given = std::path::absolute(given).map_err(Failure::new)?;
    let real = |path: &Path| path.on_disk().canonicalize().unwrap_or_else(|_| path.to_owned());
    if present.join("log").on_disk().exists() && real(&given) != real(&present) {
        let message = format!("its ledger is {}, and another one would not know what has landed", present.display());
        let hint = format!("move it there, and install again:\nmv {} {}", quoted(&present), quoted(&given));
        return Err(Failure::new(message).hint(hint));
    }
    Ok(own(given))
}

/// Two repositories would be called the same.
pub(super) fn namesakes(name: &RepositoryName, other: &Path) -> Failure {
    Failure::new(format!("it and {} would both be named {name}, and share their seals", other.display()))
        .hint("rename one of them, or install them one by one with --repository NAME")
}

/// What a ledger calls its repository.
fn recorded_name(directory: &Path) -> Option<RepositoryName> {
    RepositoryName::parse(Ledger::open(directory).ok()?.repository().as_bytes())
}
