//! Where each kind of server keeps hooks, and what its repositories are called.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::repository::Repository;
use super::shim::is_executable;
use crate::cli::doctor::CANARY_PREFIX;
use crate::cli::local::git;
use crate::cli::naming::default_name;
use crate::cli::{Failure, Result};
use crate::id::RepositoryName;
use crate::submitter::Adapter;

/// Where the hooks go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Layout {
    /// In each repository's hooks/, beside git's samples
    Hooks,
    /// In each repository's custom_hooks/, which GitLab runs
    Gitlab,
    /// In each repository's hooks/NAME.d/, which Gitea and Forgejo run
    Gitea,
    /// Once, in gitolite's local code, for all its repositories
    Gitolite,
    /// Once, in git's system configuration, for all repositories (git 2.54 or later)
    Config,
    /// In an environment and a script to upload to GitHub Enterprise Server
    Ghes,
}

impl Layout {
    /// Those with a place of their own in each repository.
    pub(in crate::cli) const IN_REPOSITORY: [Self; 3] = [Self::Hooks, Self::Gitlab, Self::Gitea];

    /// The layout of a kind of server.
    pub(super) fn of(adapter: Option<Adapter>) -> Self {
        match adapter {
            Some(Adapter::Gitlab) => Self::Gitlab,
            Some(Adapter::Gitea) => Self::Gitea,
            Some(Adapter::Gitolite) => Self::Gitolite,
            Some(Adapter::Ghes) => Self::Ghes,
            _ => Self::Hooks,
        }
    }

    /// Whether one hook serves all repositories.
    pub(super) fn is_shared(self) -> bool {
        matches!(self, Self::Gitolite | Self::Config)
    }

    /// Where a hook of one repository lies.
    pub(in crate::cli) fn path(self, git_dir: &Path, hook: &str) -> PathBuf {
        match self {
            Self::Gitlab => git_dir.join("custom_hooks").join(hook),
            // The server runs these two itself; git runs the third.
            Self::Gitea if hook != "reference-transaction" => {
                git_dir.join("hooks").join(format!("{hook}.d")).join("countersign")
            }
            _ => git_dir.join("hooks").join(hook),
        }
    }

    /// Makes sure that the server runs the hooks of a repository from there.
    pub(super) fn check(self, repository: &Repository) -> Result<()> {
        match self {
            Self::Hooks | Self::Gitolite | Self::Config | Self::Ghes => repository.check_hooks_path(),
            // GitLab sends git to its own hooks, which run these.
            Self::Gitlab => Ok(()),
            Self::Gitea => {
                repository.check_hooks_path()?;
                let own = repository.git_dir.join("hooks/pre-receive");
                let delegates = std::fs::read_to_string(&own).is_ok_and(|text| text.contains("pre-receive.d"));
                if delegates && is_executable(&own) {
                    return Ok(());
                }
                Err(Failure::new(format!("{} does not run the hooks in pre-receive.d", own.display()))
                    .hint("let the server write it: gitea admin regenerate hooks (or forgejo admin regenerate hooks)"))
            }
        }
    }
}

/// A repository to protect, with its own name where its place gives it one.
pub(super) struct Target {
    pub(super) path: PathBuf,
    pub(super) name: Option<RepositoryName>,
}

/// The repositories that an admin means: each one named, and every one below a directory that is none.
pub(super) fn targets(servers: &[PathBuf], layout: Layout) -> Result<Vec<Target>> {
    let mut targets = Vec::new();
    for server in servers {
        if is_repository(server) || is_repository(&server.join(".git")) {
            targets.push(Target { path: server.clone(), name: None });
            continue;
        }
        let below = below(server)?;
        if below.is_empty() && !layout.is_shared() {
            return Err(Failure::new(format!("{} is no repository, and none lies below it", server.display()))
                .hint("give the path of a bare repository, or of the directory that holds them"));
        }
        let mut named: BTreeMap<RepositoryName, PathBuf> = BTreeMap::new();
        for path in below {
            let full = if layout == Layout::Gitlab { gitlab_name(&path)? } else { None };
            let name = match &full {
                Some(full) => default_name(Path::new(""), Path::new(full)),
                None => default_name(server, &path),
            };
            let name = name.ok_or_else(|| {
                Failure::new(format!("{} has no default name: it is longer than 64 bytes", path.display()))
                    .hint("install it by itself: countersign install --server REPO.git --repository NAME --policy FILE")
            })?;
            if let Some(other) = named.insert(name.clone(), path.clone()) {
                return Err(Failure::new(format!(
                    "{} and {} would both be named {name}, and share their seals",
                    other.display(),
                    path.display()
                ))
                .hint("rename one of them, or install them one by one with --repository NAME"));
            }
            targets.push(Target { path, name: Some(name) });
        }
    }
    Ok(targets)
}

/// GitLab keeps repositories under hashes, and writes what they are called into their configuration.
fn gitlab_name(path: &Path) -> Result<Option<String>> {
    let output = git(&["config", "--file", "config", "--get", "gitlab.fullpath"]).in_repository(path).output()?;
    let name = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Ok((output.status.success() && !name.is_empty()).then_some(name))
}

/// Whether a directory holds what git looks for in one (gitrepository-layout(5)).
pub(in crate::cli) fn is_repository(path: &Path) -> bool {
    path.join("objects").is_dir() && path.join("refs").is_dir() && path.join("HEAD").symlink_metadata().is_ok()
}

/// Directories between a root and its repositories: more is a loop or no directory of repositories.
const DEPTH: usize = 16;

/// The repositories below a directory, in the order of their paths. Links are not followed.
pub(in crate::cli) fn below(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut pending = vec![(root.to_owned(), 0)];
    while let Some((directory, depth)) = pending.pop() {
        let cannot = |error: std::io::Error| Failure::new(format!("cannot look into {}: {error}", directory.display()));
        for entry in std::fs::read_dir(&directory).map_err(cannot)? {
            let entry = entry.map_err(cannot)?;
            if !entry.file_type().map_err(cannot)?.is_dir() {
                continue;
            }
            let path = entry.path();
            if entry.file_name().to_string_lossy().starts_with(CANARY_PREFIX) {
                continue;
            }
            if is_repository(&path) {
                found.push(path);
            } else if depth < DEPTH {
                pending.push((path, depth + 1));
            }
        }
    }
    found.sort();
    Ok(found)
}
