//! Clones: six hooks beside whatever hooks are there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::desk::clone::{Local, common_dir};
use crate::gate::shim::{
    is_executable, is_in_place, is_ours, plan, program, quote_path, remove, remove_duplicate, remove_set_aside, script,
    write,
};
use crate::system::process::{Git, config, git};
use crate::system::{Exit, Failure, OnDisk as _, Result, disk, print, quote};

/// The hooks that seal and check.
pub(crate) const HOOKS: [&str; 6] = ["commit-msg", "post-applypatch", "post-commit", "post-merge", "pre-push", FIRST];

/// The one that git runs first for a commit, and for every commit but a patch's.
const FIRST: &str = "prepare-commit-msg";

/// Whether it is there: earlier programs did not install it.
pub(crate) fn has_first_hook(local: &Local) -> bool {
    let common = &local.dir.common_dir;
    let places = [common.join("hooks"), common.join("countersign").join("hooks")];
    let is_there = |place: &PathBuf| {
        disk::read_to_string(place.join(FIRST)).is_ok_and(|text| text.contains(" hook prepare-commit-msg"))
    };
    places.iter().any(is_there)
}

/// Other hooks of a clone. Where hooks live elsewhere each of these gets a file of ours that runs the one there, if there
/// is one by then: tools add hooks after we are installed. Hooks whose mere presence changes what git does are not here;
/// they are passed on where they exist.
const OTHERS: [&str; 9] = [
    "applypatch-msg",
    "pre-applypatch",
    "pre-commit",
    "pre-merge-commit",
    "pre-rebase",
    "post-checkout",
    "post-rewrite",
    "pre-auto-gc",
    "sendemail-validate",
];

/// Where git config remembers which hooks were there before.
const FORMER: &str = "countersign.former-hookspath";

/// What is remembered where `core.hooksPath` was not set in this repository but further up.
const INHERITED: &str = "(inherited)";

/// Whether this is a repository without worktrees, as a server's is. A bare one with worktrees beside it is how some keep a clone.
pub(crate) fn is_servers() -> Result<bool> {
    if git(&["rev-parse", "--is-bare-repository"]).line()? != "true" {
        return Ok(false);
    }
    let common = common_dir()?;
    Ok(disk::read_dir(common.join("worktrees")).map_or(true, |mut entries| entries.next().is_none()))
}

/// The directory of the hooks that git runs in a clone as it is set up, whatever the environment says.
pub(crate) fn hooks_in_force(common: &Path) -> Result<PathBuf> {
    let own = common.join("countersign").join("hooks");
    Ok(if config(FORMER)?.is_some() { own } else { common.join("hooks") })
}

/// What has become of the hooks of this clone, where they were installed and git no longer runs them all: managers of hooks install
/// theirs again whenever they like, husky at every `npm install`, and say nothing.
pub(crate) fn lost() -> Result<Option<String>> {
    let common = common_dir()?;
    let own = common.join("countersign").join("hooks");
    let path = config("core.hooksPath")?;
    if config(FORMER)?.is_some() && path.as_deref().map(Path::new) != Some(&own) {
        let now = path.unwrap_or_default();
        return Ok(Some(format!("core.hooksPath is {now:?} again, so git runs none of countersign's hooks")));
    }
    let directory = hooks_in_force(&common)?;
    let (ours, gone): (Vec<&str>, Vec<&str>) = HOOKS.into_iter().partition(|name| is_ours(&directory.join(name)));
    let replaced: Vec<&str> = gone.into_iter().filter(|name| directory.join(name).on_disk().exists()).collect();
    let known = !ours.is_empty() && !replaced.is_empty();
    Ok(known.then(|| format!("another tool's hooks stand in the place of countersign's: {}", replaced.join(", "))))
}

pub(crate) fn install() -> Result {
    if is_servers()? {
        return Err(Failure::new("this is a server's repository, and no clone")
            .hint("countersign install --server . --policy FILE"));
    }
    let common = common_dir()?;
    let own = common.join("countersign").join("hooks");
    refuse_out_of_reach()?;
    let former = match config("core.hooksPath")? {
        Some(path) if Path::new(&path) == own => {
            config(FORMER)?.map(|path| if path == INHERITED { inherited() } else { Ok(path) }).transpose()?
        }
        other => other,
    };
    match former.as_deref() {
        None => plan_and_write(&common.join("hooks"), None)?,
        Some("" | "/dev/null") => {
            return Err(Failure::new("core.hooksPath switches all hooks off for this repository")
                .hint("have git look for hooks again, or commit without them and seal after:\ngit config --unset core.hooksPath\ncountersign sign"));
        }
        Some(former) => {
            let found = PathBuf::from(
                git(&["config", "--type=path", "--default", former, "--get", "countersign.no-such-key"]).line()?,
            );
            let in_repository = git(&["config", "--local", "--get", "core.hooksPath"]).succeeds()?;
            plan_and_write(&own, Some(&found))?;
            if config(FORMER)?.is_none() {
                git(&["config", "--local", FORMER, if in_repository { former } else { INHERITED }]).run()?;
            }
            let own = own.to_str().ok_or_else(|| Failure::new("the repository's path is not UTF-8"))?;
            git(&["config", "--local", "core.hooksPath", own]).run()?;
        }
    }
    print("countersign hooks are installed: agents' commits are sealed, people's are left alone\n")?;
    Ok(Exit::Accepted)
}

/// What outranks this repository's own configuration would still hold after we have changed that.
fn refuse_out_of_reach() -> Result<()> {
    let output = git(&["config", "--show-scope", "--get", "core.hooksPath"]).output()?;
    let scope = output.stdout.split(|byte| *byte == b'\t').next().unwrap_or_default();
    match scope {
        b"worktree" => Err(Failure::new(
            "core.hooksPath is set for this worktree alone, and hooks are for all of them",
        )
        .hint("set it for the whole repository, then install again:\ngit config core.hooksPath PATH\ngit config --worktree --unset core.hooksPath")),
        b"command" => Err(Failure::new("core.hooksPath is set in the environment or on the command line of git")
            .hint("leave it out:\ncountersign install")),
        _ => Ok(()),
    }
}

/// What `core.hooksPath` is without this repository's own configuration.
fn inherited() -> Result<String> {
    for scope in ["--global", "--system"] {
        let asked: Git = git(&["config", scope, "--get", "core.hooksPath"]);
        let output = asked.output()?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned());
        }
    }
    Err(Failure::new("core.hooksPath was set outside this repository and is no longer")
        .hint("take it away, then install:\ncountersign uninstall\ncountersign install"))
}

/// Writes our hooks to `directory`. Where other hooks live elsewhere, every one of them keeps running.
fn plan_and_write(directory: &Path, others: Option<&Path>) -> Result<()> {
    let program = quote_path(&program()?)?;
    let mut planned = Vec::new();
    for name in HOOKS {
        let other = others.map(|others| others.join(name));
        planned.push(plan(&directory.join(name), |chained| {
            let chained = other.as_deref().or(chained).and_then(|path| quote_path(path).ok());
            script(&lines(&program, name, chained.as_deref()))
        })?);
    }
    let top = PathBuf::from(git(&["rev-parse", "--show-toplevel"]).line().unwrap_or_default());
    // Git takes a relative path from where it runs hooks, the top of the worktree; so do our files.
    for name in others.map(|others| other_hooks(&top.join(others))).transpose()?.unwrap_or_default() {
        let target = quote_path(&others.unwrap_or(directory).join(&name))?;
        planned.push(plan(&directory.join(&name), |_| {
            script(&format!("[ -x {target} ] || exit 0\nexec {target} \"$@\"\n"))
        })?);
    }
    for hook in &planned {
        if !is_in_place(hook)? {
            write(hook)?;
        }
        remove_set_aside(&hook.path)?;
    }
    Ok(())
}

/// A hook of ours. Where the program is gone, committing and pushing go on: only the server decides.
fn lines(program: &str, name: &str, chained: Option<&str>) -> String {
    let chain = chained.map(|path| format!(" --chain {path}")).unwrap_or_default();
    let fallback = chained.map(|path| format!("[ -x {path} ] && exec {path} \"$@\"\n")).unwrap_or_default();
    let gone = quote(&format!(
        "countersign: the program is gone, so {name} does nothing; countersign uninstall removes the hook"
    ));
    format!(
        "if [ -x {program} ]; then\n    exec {program} hook {name}{chain} \"$@\"\nfi\necho {gone} >&2\n{fallback}exit 0\n"
    )
}

/// The hooks to pass on to a directory: those that may come, and those that git would run now.
fn other_hooks(directory: &Path) -> Result<BTreeSet<String>> {
    let failed =
        |error: std::io::Error| Failure::new(format!("cannot read the hooks in {}: {error}", directory.display()));
    let mut names: BTreeSet<String> = OTHERS.map(str::to_owned).into();
    let entries = match disk::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(names),
        Err(error) => return Err(failed(error)),
    };
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
        let is_hook = !name.contains('.') && !name.starts_with('_') && is_executable(&entry.path());
        if is_hook && !HOOKS.contains(&name.as_str()) {
            names.insert(name);
        }
    }
    Ok(names)
}

pub(crate) fn uninstall() -> Result {
    let common = common_dir()?;
    let own = common.join("countersign").join("hooks");
    let mut removed = false;
    for name in HOOKS {
        let hook = common.join("hooks").join(name);
        removed |= remove(&hook)? | remove_set_aside(&hook)? | remove_duplicate(&hook)?;
    }
    if let Some(former) = config(FORMER)? {
        match former.as_str() {
            INHERITED => git(&["config", "--local", "--unset", "core.hooksPath"]).run()?,
            former => git(&["config", "--local", "core.hooksPath", former]).run()?,
        };
        git(&["config", "--local", "--unset", FORMER]).run()?;
        disk::remove_dir_all(&own)
            .map_err(|error| Failure::new(format!("cannot remove {}: {error}", own.display())))?;
        removed = true;
    }
    print(if removed { "countersign hooks are gone\n" } else { "no hooks of countersign's were here\n" })?;
    Ok(Exit::Accepted)
}
