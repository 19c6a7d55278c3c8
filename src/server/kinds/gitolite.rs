//! gitolite: one hook in its local code, which it links into every repository (its documentation, "hooks").

use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::{Kind, RunBy, Serves, Shared, Stands, in_hooks};
use crate::gate::shim::remove;
use crate::server::commands::HOOKS;
use crate::server::repository::Repository;
use crate::server::targets::below;
use crate::server::uninstall::NOTHING;
use crate::system::{Failure, OnDisk as _, Result, disk, files, print, process, say};

pub(super) static KIND: Kind = Kind {
    serves: Serves::All(Shared {
        stands: Stands::Linked(common_hooks),
        serve_others: || {
            Err(Failure::new("gitolite's repositories are another user's")
                .hint("run this as the user that gitolite runs as"))
        },
        finish: |_| spread(),
        remove: restore,
    }),
    path: in_hooks,
    check: Repository::check_hooks_path,
    run_by: RunBy::Git,
};

const HINT: &str = "run this as the user that gitolite runs as, with gitolite on PATH";

fn gitolite(arguments: &[&str]) -> Result<Option<String>> {
    let output = process::command("gitolite")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Failure::new(format!("cannot run gitolite: {error}")).hint(HINT))?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Ok(output.status.success().then_some(text))
}

/// Where the hooks of all repositories lie, for the gitolite whose repositories are below `root`.
fn common_hooks(root: &Path) -> Result<PathBuf> {
    let repositories = below(root)?.repositories;
    refuse_own_hooks(&repositories)?;
    warn_of_options(&repositories);
    local_hooks(root)
}

/// The directory of its local code that holds them.
fn local_hooks(root: &Path) -> Result<PathBuf> {
    let base = gitolite(&["query-rc", "GL_REPO_BASE"])?
        .ok_or_else(|| Failure::new("gitolite does not say where its repositories are").hint(HINT))?;
    let is_base = |path: &Path| path.on_disk().canonicalize().ok() == Path::new(&base).on_disk().canonicalize().ok();
    if !is_base(root) {
        return Err(Failure::new(format!("gitolite's repositories are below {base}, not {}", root.display())).hint(
            format!("give that directory:\ncountersign install --server {base} --submitter gitolite --policy FILE"),
        ));
    }
    let local = gitolite(&["query-rc", "LOCAL_CODE"])?.filter(|path| !path.is_empty()).ok_or_else(|| {
        Failure::new("gitolite has no LOCAL_CODE, the directory for hooks of the site's own")
            .hint("set it in ~/.gitolite.rc:\nLOCAL_CODE => \"$ENV{HOME}/local\",")
    })?;
    Ok(Path::new(&local).join("hooks/common"))
}

/// Lets gitolite link the hooks into its repositories; new ones get them when it makes them.
fn spread() -> Result<()> {
    match gitolite(&["setup", "--hooks-only"])? {
        Some(_) => Ok(()),
        None => {
            Err(Failure::new("gitolite setup --hooks-only failed, so not every repository has the hook").hint(HINT))
        }
    }
}

/// gitolite takes a hook of a repository's own away when it links the common one there.
fn refuse_own_hooks(repositories: &[PathBuf]) -> Result<()> {
    for hook in
        repositories.iter().flat_map(|path| ["pre-receive", "post-receive"].map(|hook| path.join("hooks").join(hook)))
    {
        if hook.on_disk().symlink_metadata().is_ok_and(|found| found.is_file()) {
            return Err(Failure::new(format!(
                "gitolite would remove {}, a hook of that repository's own",
                hook.display()
            ))
            .hint(
                "move it to LOCAL_CODE/hooks/repo-specific and name it in gitolite.conf, or to LOCAL_CODE/hooks/common",
            ));
        }
    }
    Ok(())
}

/// `option hook.pre-receive` of gitolite.conf puts another hook in the place of ours, in silence.
fn warn_of_options(repositories: &[PathBuf]) {
    for path in repositories {
        let configured = disk::read_to_string(path.join("gl-conf")).unwrap_or_default();
        if configured.contains("hook.pre-receive") || configured.contains("hook.post-receive") {
            say(&format!("warning: {}: gitolite.conf replaces its hook by an option hook.*", path.display()));
            say("hint: remove the option; a hook of your own goes to LOCAL_CODE/hooks/common before this is installed");
        }
    }
}

/// Takes the common hook away, and gitolite's links to it.
fn restore(root: &Path) -> Result<()> {
    let directory = local_hooks(root)?;
    let mut removed = false;
    for hook in HOOKS {
        removed |= remove(&directory.join(hook))?;
    }
    spread()?;
    for repository in below(root)?.repositories {
        for hook in HOOKS {
            unlink_dangling(&in_hooks(&repository, hook), &directory.join(hook))?;
        }
    }
    print(&format!("{}: {}\n", root.display(), if removed { "uninstalled" } else { NOTHING }))
}

/// Removes a link that gitolite made to a hook of ours and that leads nowhere now.
fn unlink_dangling(link: &Path, target: &Path) -> Result<()> {
    let leads = disk::read_link(link).is_ok_and(|to| to == target);
    if leads && !link.on_disk().exists() {
        files::remove(link)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_a_link_of_gitolites_to_what_is_gone_goes() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        disk::write(at("there"), "").unwrap();
        for (target, goes) in [("gone", true), ("there", false), ("elsewhere", false)] {
            let (link, ours) = (at("link"), at(if target == "elsewhere" { "gone" } else { target }));
            symlink(at(target), &link).unwrap();
            unlink_dangling(&link, &ours).unwrap();
            assert_eq!(link.on_disk().symlink_metadata().is_err(), goes, "{target}");
            let _ = disk::remove_file(&link);
        }
    }

    #[test]
    fn a_hook_of_a_repositorys_own_is_not_given_away() {
        let directory = tempfile::tempdir().unwrap();
        let repositories = [directory.path().to_owned()];
        disk::create_dir(directory.path().join("hooks")).unwrap();
        let hook = in_hooks(directory.path(), "pre-receive");
        symlink("/nonexistent/common/pre-receive", &hook).unwrap();
        assert!(refuse_own_hooks(&repositories).is_ok(), "a link is gitolite's");
        disk::remove_file(&hook).unwrap();
        disk::write(&hook, "#!/bin/sh\n").unwrap();
        assert!(refuse_own_hooks(&repositories).is_err());
    }
}
