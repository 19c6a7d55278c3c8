//! Servers: the pre-receive shim carries what the admin decided.

use std::path::{Path, PathBuf};

use super::layout::{Layout, Target, below, is_repository, targets};
use super::repository::Repository;
use super::shim::{Planned, is_in_place, plan, program, quote, quote_path, remove, script, write};
use super::{Install, Uninstall, config, ghes, gitolite};
use crate::cli::engine::Settings;
use crate::cli::naming::hashed_name;
use crate::cli::policy_source::PolicyArg;
use crate::cli::{Exit, Failure, Result, print, say};
use crate::id::RepositoryName;
use crate::policy::{OutOfBand, Policy};
use crate::submitter::Adapter;

/// What is to be written for one repository, once all have been checked.
struct Ready {
    repository: Repository,
    /// What the ledger calls it.
    label: RepositoryName,
    ledger: PathBuf,
    /// The one that decides comes first: what it lets through while the others are not there yet, the next push settles.
    hooks: Vec<Planned>,
    baseline: Option<(PathBuf, String)>,
}

/// The hooks of a server's repository that can be ours.
pub(in crate::cli) const HOOKS: [&str; 3] = ["pre-receive", "post-receive", "reference-transaction"];

/// Where a ledger lies in its repository.
pub(in crate::cli) const LEDGER: &str = "countersign/ledger";

/// Where the commits lie whose history is exempt.
const BASELINE: &str = "countersign/baseline";

/// Protects repositories. All are checked before the first is written.
pub(super) fn install(arguments: &Install, layout: Layout) -> Result {
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
    let targets = targets(&arguments.servers, layout, arguments.named_by_server())?;
    if targets.len() > 1 && (arguments.repository.is_some() || arguments.ledger.is_some()) {
        return Err(Failure::new("--repository and --ledger are about one repository, and several are given")
            .hint("leave them out: each repository is named by its path and keeps its own ledger"));
    }
    let shared = shared(arguments, layout)?;
    let mut ready = Vec::with_capacity(targets.len());
    for target in &targets {
        let prepared = prepare(target, arguments, layout).map_err(|failure| about(&target.path, failure))?;
        ready.push((target.path.as_path(), prepared));
    }
    if arguments.dry_run {
        return show(&ready, &shared);
    }
    let hooks = &shared.hooks;
    for (server, ready) in ready {
        if let Some((path, text)) = &ready.baseline {
            write_baseline(path, text)?;
        }
        ready.repository.keep_ledger(&ready.ledger, &ready.label, ready.baseline.is_some())?;
        put(server, &ready.hooks)?;
    }
    if layout.is_shared() {
        put(&shared.root, hooks)?;
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

pub(super) fn about(server: &Path, failure: Failure) -> Failure {
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
    if !shared.commands.is_empty() {
        for (hook, command) in &shared.commands {
            text.push_str(&format!("set in git's system configuration, for {hook}: {command}\n"));
        }
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
    if is_repository(&root) {
        return Err(about(&root, Failure::new("this is one repository, and the hook would serve all of them"))
            .hint("give the directory that holds them all, or install it in this one alone with --layout hooks"));
    }
    let policies = settled_files(&arguments.policies)?;
    let by_server = arguments.named_by_server();
    let ready = Words {
        policies,
        name: (!by_server).then(|| quote_path(&root).map(|root| format!("--below {root}"))).transpose()?,
        ledger: LEDGER.to_owned(),
        // Where a repository has none, none is exempt.
        baseline: Some(BASELINE.to_owned()),
        watch: arguments.reference_transaction,
    };
    let program = quote_path(&program()?)?;
    if layout == Layout::Config {
        config::check()?;
        let commands = ready.hooks(arguments)?;
        let command = |(hook, words)| (hook, format!("{program} hook {hook} {words}"));
        return Ok(Shared { root, hooks: Vec::new(), commands: commands.into_iter().map(command).collect() });
    }
    let directory = match &arguments.out {
        Some(directory) => std::path::absolute(directory).map_err(Failure::new)?,
        None => {
            gitolite::warn_of_options(&below(&root)?.repositories);
            gitolite::common_hooks(&root)?
        }
    };
    let mut hooks = Vec::new();
    for (hook, words) in ready.hooks(arguments)? {
        hooks.push(shim(&directory.join(hook), hook, &program, &words)?);
    }
    Ok(Shared { root, hooks, commands: Vec::new() })
}

/// Policy files by their absolute paths, for a hook that serves many repositories.
fn settled_files(policies: &[PolicyArg]) -> Result<Vec<PolicyArg>> {
    let settle = |policy: &PolicyArg| match policy {
        PolicyArg::File(path) => super::repository::settled_file(path).map(PolicyArg::File),
        PolicyArg::InRepository(place) => Err(Failure::new(format!(
            "the policy is pinned for each repository, and one hook serves all: ref:{}:{}",
            place.name, place.path
        ))
        .hint("give a file, or install with --layout hooks")),
    };
    policies.iter().map(settle).collect()
}

/// What the shims say.
struct Words {
    policies: Vec<PolicyArg>,
    /// `--repository NAME` or `--below DIR`; `None` where the server says the name at each push.
    name: Option<String>,
    ledger: String,
    baseline: Option<String>,
    /// Whether refs are watched that move without a push.
    watch: bool,
}

impl Words {
    /// Each hook with its arguments.
    fn hooks(&self, arguments: &Install) -> Result<Vec<(&'static str, String)>> {
        let kept = format!("--ledger {}", quote(&self.ledger)?);
        let mut policies = Vec::new();
        for policy in &self.policies {
            policies.push(format!("--policy {}", quote(&policy.to_string())?));
        }
        let policies = policies.join(" ");
        let mut decide = policies.clone();
        if let Some(name) = &self.name {
            decide.push_str(&format!(" {name}"));
        }
        decide.push_str(&format!(" {kept}"));
        if let Some(path) = &self.baseline {
            decide.push_str(&format!(" --baseline {}", quote(path)?));
        }
        if let Some(adapter) = arguments.submitter {
            decide.push_str(&format!(" --submitter {adapter}"));
        }
        if let Some(seconds) = arguments.deadline {
            decide.push_str(&format!(" --deadline {seconds}"));
        }
        if arguments.observe {
            decide.push_str(" --observe");
        }
        let mut hooks = vec![("pre-receive", decide), ("post-receive", kept.clone())];
        if self.watch {
            hooks.push(("reference-transaction", format!("{policies} {kept}")));
        }
        Ok(hooks)
    }
}

fn shim(path: &Path, hook: &str, program: &str, words: &str) -> Result<Planned> {
    plan(path, |chained| {
        let chain = chained.and_then(|path| quote_path(path).ok()).map(|path| format!(" --chain {path}"));
        script(&format!("exec {program} hook {hook} {words}{} \"$@\"\n", chain.unwrap_or_default()))
    })
}

fn prepare(target: &Target, arguments: &Install, layout: Layout) -> Result<Ready> {
    let repository = Repository::open(&target.path)?;
    layout.check(&repository)?;
    let policies = repository.settle(&arguments.policies)?;
    repository.check_reach(&policies)?;
    let given = arguments.repository.clone().or_else(|| target.name.clone());
    let settings = Settings { policies, repository: given, baseline: None };
    let (name, policy) = repository.check(&settings, arguments.named_by_server())?;
    if let (Some(name), None, true) = (&name, &target.name, target.found) {
        return Err(Failure::new(format!(
            "the policy is for one repository, {name}, and this directory may hold many"
        ))
        .hint("take `repository` out of the policy: the server names each"));
    }
    let label = name.clone().or_else(|| hashed_name(&repository.git_dir));
    let label = label.ok_or_else(|| Failure::new("its path gives it no name").hint("add --repository NAME"))?;
    if let Some(policy) = &policy {
        check_submitters(policy, arguments.submitter)?;
    }
    let own = |path: &str| repository.git_dir.join(path);
    let baseline = arguments.baseline.then(|| repository.tips()).transpose()?.map(|tips| (own(BASELINE), tips));
    let ledger = match &arguments.ledger {
        Some(directory) => std::path::absolute(directory).map_err(Failure::new)?,
        None => own(LEDGER),
    };
    let mut hooks = Vec::new();
    if !layout.is_shared() {
        let refuses = policy.is_some_and(|policy| policy.out_of_band() == OutOfBand::Refuse);
        let text = |path: &Path| {
            path.to_str().map(str::to_owned).ok_or_else(|| Failure::new(format!("{} is not UTF-8", path.display())))
        };
        let words = Words {
            policies: settings.policies,
            name: name.map(|name| quote(name.as_str()).map(|name| format!("--repository {name}"))).transpose()?,
            ledger: text(&ledger)?,
            // What was exempt stays so when install is run again.
            baseline: (baseline.is_some() || own(BASELINE).exists()).then(|| text(&own(BASELINE))).transpose()?,
            watch: arguments.reference_transaction || refuses,
        };
        let program = quote_path(&program()?)?;
        for (hook, words) in words.hooks(arguments)? {
            hooks.push(shim(&layout.path(&repository.git_dir, hook), hook, &program, &words)?);
        }
    }
    Ok(Ready { repository, label, ledger, hooks, baseline })
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

fn write_baseline(path: &Path, text: &str) -> Result<()> {
    let failed = |error: std::io::Error| Failure::new(format!("cannot write {}: {error}", path.display()));
    let directory = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(directory).map_err(failed)?;
    let mut file = tempfile::NamedTempFile::new_in(directory).map_err(failed)?;
    std::io::Write::write_all(&mut file, text.as_bytes()).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map(drop).map_err(|error| failed(error.error))
}

/// Puts servers back as they were.
pub(super) fn uninstall(arguments: &Uninstall) -> Result {
    for server in &arguments.servers {
        if is_repository(server) || is_repository(&server.join(".git")) {
            restore(server)?;
            continue;
        }
        if arguments.layout == Some(Layout::Config) {
            config::remove()?;
        }
        if arguments.layout == Some(Layout::Gitolite) {
            let directory = gitolite::common_hooks(server)?;
            let mut removed = false;
            for hook in HOOKS {
                removed |= remove(&directory.join(hook))?;
            }
            gitolite::spread()?;
            print(&format!("{}: {}\n", server.display(), if removed { "uninstalled" } else { NOTHING }))?;
            continue;
        }
        let below = below(server)?.repositories;
        if below.is_empty() {
            return Err(Failure::new(format!("{} is no repository, and none lies below it", server.display())));
        }
        below.iter().try_for_each(|path| restore(path))?;
    }
    Ok(Exit::Accepted)
}

const NOTHING: &str = "no hook of ours was there";

/// Puts one repository back as it was, whatever its layout.
fn restore(server: &Path) -> Result<()> {
    let repository = Repository::open(server).map_err(|failure| about(server, failure))?;
    let mut removed = false;
    for layout in Layout::IN_REPOSITORY {
        for hook in HOOKS {
            let path = layout.path(&repository.git_dir, hook);
            // A link is not what install writes: gitolite's lead to what serves every repository.
            if !path.symlink_metadata().is_ok_and(|found| found.is_symlink()) {
                removed |= remove(&path)?;
            }
        }
    }
    let own = repository.git_dir.join("countersign");
    match std::fs::remove_file(repository.git_dir.join(BASELINE)) {
        // Something else may live there; then it stays.
        Ok(()) => drop(std::fs::remove_dir(&own)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(Failure::new(format!("cannot remove the baseline: {error}"))),
    }
    let words = match (removed, repository.git_dir.join(LEDGER).exists()) {
        (false, _) => NOTHING,
        (true, false) => "uninstalled",
        (true, true) => "uninstalled; the ledger stays where it is",
    };
    print(&format!("{}: {words}\n", server.display()))
}
