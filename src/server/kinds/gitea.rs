//! Gitea and Forgejo: each repository's `hooks/NAME.d`, which the server's own hook `hooks/NAME` runs (their documentation, "gitea
//! admin regenerate hooks").

use std::path::{Path, PathBuf};

use super::{Kind, RunBy, Serves, in_hooks};
use crate::gate::shim::is_executable;
use crate::server::repository::Repository;
use crate::system::{Failure, Result, disk};

pub(super) static KIND: Kind = Kind { serves: Serves::One, path, check, run_by: RunBy::Delegate(delegates) };

fn path(git_dir: &Path, hook: &str) -> PathBuf {
    match hook {
        // The server runs the others itself; git runs this one.
        "reference-transaction" => in_hooks(git_dir, hook),
        _ => in_hooks(git_dir, &format!("{hook}.d")).join("countersign"),
    }
}

/// Whether a hook of the server's runs what lies in the directory beside it.
fn delegates(hook: &Path) -> bool {
    disk::read_to_string(hook).is_ok_and(|text| text.contains(".d/")) && is_executable(hook)
}

fn check(repository: &Repository) -> Result<()> {
    repository.check_hooks_path()?;
    let own = in_hooks(&repository.git_dir, "pre-receive");
    if delegates(&own) {
        return Ok(());
    }
    Err(Failure::new(format!("{} does not run the hooks in pre-receive.d", own.display()))
        .hint("let the server write it (forgejo has the same command):\ngitea admin regenerate hooks"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_server_runs_two_and_git_the_third() {
        for (hook, expected) in [
            ("pre-receive", "hooks/pre-receive.d/countersign"),
            ("post-receive", "hooks/post-receive.d/countersign"),
            ("reference-transaction", "hooks/reference-transaction"),
        ] {
            assert_eq!(path(Path::new("pay.git"), hook), Path::new("pay.git").join(expected));
        }
    }

    #[test]
    fn a_hook_of_the_servers_runs_what_lies_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        let hook = directory.path().join("pre-receive");
        assert!(!delegates(&hook), "there is none");
        for (text, mode, expected) in [
            ("#!/bin/sh\nfor hook in \"$0.d/\"*; do :; done\n", 0o755, true),
            ("#!/bin/sh\nfor hook in \"$0.d/\"*; do :; done\n", 0o644, false),
            ("#!/bin/sh\nexit 0\n", 0o755, false),
        ] {
            disk::write(&hook, text).unwrap();
            disk::set_permissions(&hook, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(delegates(&hook), expected, "{mode:o} {text}");
        }
    }
}
