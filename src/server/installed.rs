//! What the hooks that are there were told.

use std::path::{Path, PathBuf};

use crate::gate::command::{HookCommand, PreReceive};
use crate::gate::hook::LEDGER;
use crate::gate::own_files::ledger_directory;
use crate::gate::policy_source::PolicyArg;
use crate::gate::shim::is_ours;
use crate::server::Layout;
use crate::store::GitDir;
use crate::system::{Failure, OnDisk as _, Result, disk};

/// What an admin decided in the hook that is there. One in another place would run beside this one, or in its stead.
pub(super) fn installed(git_dir: &Path, layout: Layout) -> Result<Option<PreReceive>> {
    for other in Layout::in_repository() {
        let hook = other.path(git_dir, "pre-receive");
        if !is_ours(&hook) {
            continue;
        }
        let linked = hook.on_disk().symlink_metadata().is_ok_and(|found| found.is_symlink());
        if linked != layout.is_linked() || (other != layout && !linked) {
            return Err(Failure::new(format!("the hook {} was installed for another kind of server", hook.display()))
                .hint("add the --submitter or --layout that it was installed with, or uninstall it first"));
        }
        let text = disk::read_to_string(&hook).map_err(Failure::new)?;
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

/// What the hook of a repository was told by which it decides; `None` where it has no hook of ours.
pub(crate) fn installed_hook(git_dir: &Path) -> Option<PreReceive> {
    let mut hooks = Layout::in_repository().map(|layout| layout.path(git_dir, "pre-receive"));
    hooks.find_map(|hook| PreReceive::read(&disk::read_to_string(hook).ok()?)).map(|(_, hook)| hook)
}

/// The policies by which the hook of a repository decides; none where it has no hook of ours.
pub(crate) fn installed_policies(git_dir: &Path) -> Vec<PolicyArg> {
    installed_hook(git_dir).map(|hook| hook.policies).unwrap_or_default()
}

/// Where the hooks of a repository say that its ledger is, or where it is by default.
pub(super) fn named_ledger(git_dir: &Path) -> PathBuf {
    let paths = ["pre-receive", "post-receive"]
        .into_iter()
        .flat_map(|hook| Layout::in_repository().map(move |layout| layout.path(git_dir, hook)));
    let commands = paths.filter_map(|path| HookCommand::read(&disk::read_to_string(path).ok()?));
    let named = commands.filter_map(|(_, command)| command.ledger().map(Path::to_owned)).next();
    named.unwrap_or_else(|| LEDGER.into())
}

/// Where the ledger of a repository is.
pub(crate) fn installed_ledger(git_dir: &Path) -> PathBuf {
    let dir = GitDir { git_dir: git_dir.to_owned(), common_dir: git_dir.to_owned() };
    ledger_directory(&named_ledger(git_dir), &dir)
}
