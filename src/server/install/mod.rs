//! Servers: the pre-receive shim carries what the admin decided.

use std::path::{Path, PathBuf};

use crate::core::digest::Digest;
use crate::core::id::RepositoryName;
use crate::core::policy::{OutOfBand, Policy};
use crate::core::submitter::Adapter;
use crate::gate::command::{HookCommand, PreReceive};
use crate::gate::engine::Settings;
use crate::gate::hook::{LEDGER, engine_failure};
use crate::gate::naming::hashed_name;
use crate::gate::policy_source::{PolicyArg, PolicyError, PolicyReader};
use crate::gate::shim::{Planned, is_in_place, is_ours, program, quote_path, write};
use crate::ledger::Ledger;
use crate::server::Install;
use crate::server::commands::{Options, Served, shim};
use crate::server::kinds::{config, ghes, gitolite};
use crate::server::others::{Others, Printed};
use crate::server::repository::Repository;
use crate::server::targets::{Layout, Target, Targets, below, found_below, resolved, targets};
use crate::system::{Exit, Failure, Result, print, say, say_fix};

/// What is to be written for one repository, once all have been checked.
struct Ready {
    repository: Repository,
    /// What the ledger calls it.
    label: RepositoryName,
    ledger: PathBuf,
    /// The one that decides comes first: what it lets through while the others are not there yet, the next push settles.
    hooks: Vec<Planned>,
    baseline: Option<(PathBuf, String)>,
    /// What it was told before and is not told now.
    kept: Vec<String>,
}

/// The hooks of a server's repository that can be ours.
pub(crate) const HOOKS: [&str; 3] = ["pre-receive", "post-receive", "reference-transaction"];

/// Where the commits lie whose history is exempt.
pub(in crate::server) const BASELINE: &str = "countersign/baseline";

/// Protects repositories. All are checked before the first is written.
pub(crate) fn install(arguments: &Install, layout: Layout) -> Result {
    if layout == Layout::Ghes {
        return ghes::write(arguments);
    }
    if arguments.out.is_some() != layout.is_uploaded() {
        return Err(if layout.is_uploaded() {
            Failure::new("this server takes its hooks by upload").hint("say where to write the scripts: --out DIR")
        } else {
            Failure::new("--out is for servers that take their hooks by upload, and here they are installed in place")
        });
    }
    let Targets { mut targets, passed_over } = match &arguments.root {
        Some(root) => found_below(root, &arguments.servers, arguments.named_by_server()),
        None => targets(&arguments.servers, layout, arguments.named_by_server())?,
    };
    if targets.len() > 1 && (arguments.repository.is_some() || arguments.ledger.is_some()) {
        return Err(Failure::new("--repository and --ledger are about one repository, and several are given")
            .hint("leave them out: each repository is named by its path and keeps its own ledger"));
    }
    let others = Others::split(&mut targets, arguments.own_only)?;
    if layout == Layout::Gitolite && others.any() {
        return Err(Failure::new("gitolite's repositories are another user's")
            .hint("run this as the user that gitolite runs as"));
    }
    // What serves all is written once, by who was asked.
    let shared = if arguments.own_only { Shared::default() } else { shared(arguments, layout)? };
    let mut ready = Vec::with_capacity(targets.len());
    for target in &targets {
        let prepared = prepare(target, arguments, layout).map_err(|failure| about(&target.path, failure))?;
        ready.push((target.path.as_path(), prepared));
    }
    if !arguments.own_only {
        passed_over.iter().for_each(|(path, reason)| {
            say(&format!("warning: {}: {reason}", path.display()));
            say("hint: if repositories are there, install them by their own path");
        });
    }
    if arguments.dry_run {
        others.run(&[], Printed::Shown)?;
        return show(&ready, &shared);
    }
    others.run(&["--dry-run"], Printed::Dropped)?;
    for (server, ready) in ready {
        if let Some((path, text)) = &ready.baseline {
            write_baseline(path, text)?;
            print(&format!("{}: exempt is what its refs hold now\n", server.display()))?;
        }
        ready.repository.keep_ledger(&ready.ledger, &ready.label, ready.baseline.is_some())?;
        put(server, &ready.hooks)?;
        tell_kept(server, &ready.kept)?;
    }
    others.run(&[], Printed::Shown)?;
    if arguments.own_only {
        return Ok(Exit::Accepted);
    }
    if layout.is_shared() {
        put(&shared.root, &shared.hooks)?;
        tell_kept(&shared.root, &shared.kept)?;
    }
    match layout {
        Layout::Bitbucket => {
            print("upload them as a pre and a post hook script, and enable them for all repositories\n")?
        }
        Layout::Gitolite => gitolite::spread()?,
        Layout::Config => config::write(&shared.commands)?,
        _ => {}
    }
    Ok(Exit::Accepted)
}

pub(in crate::server) fn about(server: &Path, failure: Failure) -> Failure {
    Failure { message: format!("{}: {}", server.display(), failure.message), ..failure }
}

/// Puts the hooks of one place there.
fn put(place: &Path, hooks: &[Planned]) -> Result<()> {
    let mut changed = hooks.is_empty();
    for hook in hooks {
        if !is_in_place(hook)? {
            write(hook)?;
            changed = true;
            print(&format!("{}: installed {}\n", place.display(), hook.path.display()))?;
        }
    }
    if !changed {
        print(&format!("{}: already installed, nothing changed\n", place.display()))?;
    }
    Ok(())
}

fn tell_kept(place: &Path, kept: &[String]) -> Result<()> {
    if kept.is_empty() {
        return Ok(());
    }
    print(&format!("{}: keeps {} from before\n", place.display(), kept.join(" ")))
}

/// What would be written.
fn show(ready: &[(&Path, Ready)], shared: &Shared) -> Result {
    let mut text = String::new();
    let mut hook = |hook: &Planned| -> Result<()> {
        if is_in_place(hook)? {
            text.push_str(&format!("unchanged {}\n", hook.path.display()));
            return Ok(());
        }
        if let Some(aside) = &hook.moves {
            text.push_str(&format!("move {} to {}\n", hook.path.display(), aside.display()));
        }
        text.push_str(&format!("write {}\n", hook.path.display()));
        hook.text.lines().for_each(|line| text.push_str(&format!("    {line}\n")));
        Ok(())
    };
    for (_, ready) in ready {
        ready.hooks.iter().try_for_each(&mut hook)?;
    }
    shared.hooks.iter().try_for_each(hook)?;
    for (_, ready) in ready {
        if !ready.ledger.exists() {
            text.push_str(&format!("make the ledger {}\n", ready.ledger.display()));
        }
        if let Some((path, tips)) = &ready.baseline {
            text.push_str(&format!("write {}, {} commits\n", path.display(), tips.lines().count()));
        }
    }
    for (hook, command) in &shared.commands {
        text.push_str(&format!("set in git's system configuration, for {hook}: {command}\n"));
    }
    print(&text)?;
    Ok(Exit::Accepted)
}

/// What serves all repositories at once.
#[derive(Default)]
struct Shared {
    root: PathBuf,
    hooks: Vec<Planned>,
    /// Each hook with the command that git's configuration names.
    commands: Vec<(&'static str, String)>,
    /// What the hooks were told before and are not told now.
    kept: Vec<String>,
}

fn shared(arguments: &Install, layout: Layout) -> Result<Shared> {
    if !layout.is_shared() {
        return Ok(Shared::default());
    }
    let [root] = arguments.servers.as_slice() else {
        return Err(Failure::new("one hook serves all repositories below one directory, and several are given")
            .hint("give the directory that holds them all"));
    };
    let root = root.canonicalize().map_err(|error| about(root, Failure::new(error)))?;
    if resolved(&root).is_some() {
        return Err(about(&root, Failure::new("this is one repository, and the hook would serve all of them"))
            .hint("give the directory that holds them all, or install it in this one alone with --layout hooks"));
    }
    let policies = settled_files(&arguments.policies)?;
    let by_server = arguments.named_by_server();
    let directory = match (layout, &arguments.out) {
        (Layout::Config, _) => None,
        (_, Some(directory)) => Some(std::path::absolute(directory).map_err(Failure::new)?),
        (_, None) => {
            let repositories = below(&root)?.repositories;
            gitolite::refuse_own_hooks(&repositories)?;
            gitolite::warn_of_options(&repositories);
            Some(gitolite::common_hooks(&root)?)
        }
    };
    let there = directory.as_ref().map(|directory| directory.join("pre-receive")).filter(|hook| is_ours(hook));
    let before = there.and_then(|hook| std::fs::read_to_string(hook).ok()).and_then(|text| PreReceive::read(&text));
    let before = before.map(|(_, before)| before);
    let options = Options::at(arguments, before.as_ref());
    let reader = PolicyReader { repository: None };
    let loaded = reader.load(&policies).map_err(|error| engine_failure(&error.into()))?;
    check_submitters(&loaded.policy, options.submitter)?;
    let before = if layout == Layout::Config { config::installed()? } else { before };
    let in_force = before.and_then(|before| reader.load(before.policies()).ok()).map(|before| before.policy.digest());
    check_new(&loaded.policy, in_force)?;
    let watches = directory.as_ref().is_some_and(|directory| is_ours(&directory.join("reference-transaction")));
    let refuses = loaded.policy.out_of_band() == OutOfBand::Refuse;
    let served = Served {
        policies,
        repository: None,
        below: (!by_server).then(|| root.clone()),
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
        return Ok(Shared { root, commands: commands.map(command).collect(), ..Shared::default() });
    };
    let place = |command: HookCommand| shim(&directory.join(command.hook()), command, &program);
    let hooks = commands.map(place).collect::<Result<_>>()?;
    Ok(Shared { root, hooks, commands: Vec::new(), kept: options.kept })
}

/// Policy files by their absolute paths, for a hook that serves many repositories.
fn settled_files(policies: &[PolicyArg]) -> Result<Vec<PolicyArg>> {
    let settle = |policy: &PolicyArg| match policy {
        PolicyArg::File(path) => crate::server::repository::settled_file(path).map(PolicyArg::File),
        PolicyArg::InRepository(place) => Err(Failure::new(format!(
            "the policy is pinned for each repository, and one hook serves all: ref:{}:{}",
            place.name, place.path
        ))
        .hint("give a file, or install with --layout hooks")),
    };
    policies.iter().map(settle).collect()
}

fn prepare(target: &Target, arguments: &Install, layout: Layout) -> Result<Ready> {
    let repository = Repository::open(&target.path)?;
    layout.check(&repository)?;
    let before = installed(&repository.git_dir, layout)?;
    let mut options = Options::at(arguments, before.as_ref());
    let policies = repository.settle(&arguments.policies)?;
    // Where the server names it at each push, it goes on doing so.
    let by_server =
        arguments.repository.is_none() && before.as_ref().is_some_and(|before| !before.naming_variables().is_empty());
    let by_server = by_server || arguments.named_by_server();
    // A repository keeps the name that it was given: seals are bound to it. Where its hook is gone, the ledger knows.
    let named = before.as_ref().and_then(|before| before.repository().cloned());
    let named = named.or_else(|| if by_server { None } else { recorded_name(&repository.git_dir.join(LEDGER)) });
    let named = named.filter(|named| arguments.repository.is_none() && target.name.as_ref() != Some(named));
    if let (Some(named), true) = (&named, target.root.is_some()) {
        options.kept.push(format!("--repository {named}"));
    }
    let given = arguments.repository.clone().or(named).or_else(|| target.name.clone().filter(|_| !by_server));
    let settings = Settings { policies, repository: given, baseline: None };
    let (name, policy) = repository.check(&settings, by_server, target.root.is_some())?;
    let label = name.clone().or_else(|| hashed_name(&repository.git_dir));
    let label = label.ok_or_else(|| Failure::new("its path gives it no name").hint("add --repository NAME"))?;
    if let Some(policy) = &policy {
        check_submitters(policy, options.submitter)?;
    }
    // A hook that serves all is checked once, for all.
    if let Some(policy) = policy.as_ref().filter(|_| !layout.is_shared()) {
        let in_force = before.as_ref().map_or(Ok(None), |before| repository.in_force(before.policies()))?;
        check_new(policy, in_force)?;
    }
    let own = |path: &str| repository.git_dir.join(path);
    let baseline = arguments.baseline.then(|| repository.tips()).transpose()?.map(|tips| (own(BASELINE), tips));
    let kept = before.as_ref().and_then(|before| before.ledger()).map(|ledger| repository.git_dir.join(ledger));
    let ledger = match (&arguments.ledger, kept) {
        (Some(directory), _) => std::path::absolute(directory).map_err(Failure::new)?,
        (None, Some(directory)) => {
            if directory != own(LEDGER) {
                options.kept.push(format!("--ledger {}", directory.display()));
            }
            directory
        }
        (None, None) => own(LEDGER),
    };
    let mut hooks = Vec::new();
    if !layout.is_shared() {
        let refuses = policy.is_some_and(|policy| policy.out_of_band() == OutOfBand::Refuse);
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
            baseline: (baseline.is_some() || own(BASELINE).exists()).then(|| own(BASELINE)),
            watch: arguments.reference_transaction || refuses || watches,
        };
        let program = quote_path(&program()?)?;
        for command in served.hooks(&options)? {
            hooks.push(shim(&layout.path(&repository.git_dir, command.hook()), command, &program)?);
        }
    }
    Ok(Ready { repository, label, ledger, hooks, baseline, kept: options.kept })
}

/// What a ledger calls its repository.
fn recorded_name(directory: &Path) -> Option<RepositoryName> {
    RepositoryName::parse(Ledger::open(directory).ok()?.repository().as_bytes())
}

/// What an admin decided in the hook that is there. One in another place would run beside this one, or in its stead.
fn installed(git_dir: &Path, layout: Layout) -> Result<Option<PreReceive>> {
    for other in Layout::IN_REPOSITORY {
        let hook = other.path(git_dir, "pre-receive");
        if !is_ours(&hook) {
            continue;
        }
        let linked = hook.symlink_metadata().is_ok_and(|found| found.is_symlink());
        if linked != (layout == Layout::Gitolite) || (other != layout && !linked) {
            return Err(Failure::new(format!("the hook {} was installed for another kind of server", hook.display()))
                .hint("add the --submitter or --layout that it was installed with, or uninstall it first"));
        }
        let text = std::fs::read_to_string(&hook).map_err(Failure::new)?;
        if linked {
            return Ok(None);
        }
        let Some((_, before)) = PreReceive::read(&text) else {
            let message = format!("{} was changed by hand, and nobody can tell what it was told", hook.display());
            return Err(Failure::new(message).hint("uninstall it, then install with all that it should be told"));
        };
        return Ok(Some(before));
    }
    Ok(None)
}

/// A policy that asks who pushes needs somebody who says so.
fn check_submitters(policy: &Policy, adapter: Option<Adapter>) -> Result<()> {
    if adapter.is_some_and(|adapter| adapter != Adapter::None) {
        return Ok(());
    }
    let kinds: Vec<&str> = Adapter::ALL.iter().map(|adapter| adapter.name()).collect();
    let hint = format!("add --submitter KIND, one of {}", kinds.join(", "));
    if policy.asks_for_submitter() {
        return Err(Failure::new("the policy says who may push, and nothing says who pushes").hint(hint));
    }
    if policy.asks_for_independence() {
        say(
            "warning: the policy asks for independent approvals, and nothing says who pushes: an approval by who pushes counts",
        );
        say(&format!("hint: {hint}"));
    }
    Ok(())
}

/// What a policy in force goes on with, another may not come into force with.
pub(in crate::server) fn check_new(policy: &Policy, in_force: Option<Digest>) -> Result<()> {
    let problems = policy.problems_if_new(in_force);
    if !problems.is_empty() {
        return Err(engine_failure(&PolicyError::Invalid(problems).into()));
    }
    for problem in policy.tolerated() {
        say(&problem.to_string());
        say_fix(&problem);
    }
    Ok(())
}

fn write_baseline(path: &Path, text: &str) -> Result<()> {
    let failed = |error: std::io::Error| Failure::new(format!("cannot write {}: {error}", path.display()));
    let directory = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(directory).map_err(failed)?;
    let mut file = tempfile::NamedTempFile::new_in(directory).map_err(failed)?;
    std::io::Write::write_all(&mut file, text.as_bytes()).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map(drop).map_err(|error| failed(error.error))
}
