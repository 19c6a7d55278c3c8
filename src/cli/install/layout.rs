//! Where each kind of server keeps hooks, and what its repositories are called.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::repository::Repository;
use super::shim::is_executable;
use crate::cli::doctor::CANARY_PREFIX;
use crate::cli::naming::default_name;
use crate::cli::{Failure, Result, say};
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
    /// In scripts to upload to Bitbucket Data Center, once for all its repositories
    Bitbucket,
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
            Some(Adapter::Bitbucket) => Self::Bitbucket,
            _ => Self::Hooks,
        }
    }

    /// Whether one hook serves all repositories.
    pub(super) fn is_shared(self) -> bool {
        matches!(self, Self::Gitolite | Self::Config | Self::Bitbucket)
    }

    /// Whether what is installed is written to a directory, from which an admin uploads it.
    pub(super) fn is_uploaded(self) -> bool {
        matches!(self, Self::Ghes | Self::Bitbucket)
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
            // These send git to hooks of their own, which run what they are given.
            Self::Gitlab | Self::Bitbucket => Ok(()),
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

/// A repository to protect.
pub(super) struct Target {
    pub(super) path: PathBuf,
    /// Its path below the directory that was given, as a name; `None` where it was given itself, or its server names it.
    pub(super) name: Option<RepositoryName>,
    /// Whether it was found below a directory.
    pub(super) found: bool,
}

/// The repositories that an admin means: each one named, and every one below a directory that is none. `named_by_server`: the
/// server says at each push what they are called, so their paths need not.
pub(super) fn targets(servers: &[PathBuf], layout: Layout, named_by_server: bool) -> Result<Vec<Target>> {
    let mut targets = Vec::new();
    for server in servers {
        if is_repository(server) || is_repository(&server.join(".git")) {
            targets.push(Target { path: server.clone(), name: None, found: false });
            continue;
        }
        let below = below(server)?;
        below.passed_over.iter().for_each(|(path, reason)| {
            say(&format!("warning: {}: {reason}", path.display()));
            say("hint: if repositories are there, install them by their own path");
        });
        if below.repositories.is_empty() && !layout.is_shared() {
            return Err(Failure::new(format!("{} is no repository, and none lies below it", server.display()))
                .hint("give the path of a bare repository, or of the directory that holds them"));
        }
        let mut named: BTreeMap<RepositoryName, PathBuf> = BTreeMap::new();
        for path in below.repositories {
            if named_by_server {
                targets.push(Target { path, name: None, found: true });
                continue;
            }
            let name = default_name(server, &path).ok_or_else(|| {
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
            targets.push(Target { path, name: Some(name), found: true });
        }
    }
    Ok(targets)
}

/// Whether a directory holds what git looks for in one (gitrepository-layout(5)).
pub(in crate::cli) fn is_repository(path: &Path) -> bool {
    path.join("objects").is_dir() && path.join("refs").is_dir() && path.join("HEAD").symlink_metadata().is_ok()
}

/// Directories between a root and its repositories: more is a loop or no directory of repositories.
const DEPTH: usize = 16;

/// What lies below a directory.
#[derive(Default)]
pub(in crate::cli) struct Below {
    /// The repositories, in the order of their paths.
    pub(in crate::cli) repositories: Vec<PathBuf>,
    /// Where repositories may lie that were not looked for, and why.
    pub(in crate::cli) passed_over: Vec<(PathBuf, String)>,
}

/// The repositories below a directory. A link to a repository counts as one; other links are not followed, since they may lead
/// anywhere.
pub(in crate::cli) fn below(root: &Path) -> Result<Below> {
    let mut found = Below::default();
    let mut links = Vec::new();
    let mut pending = vec![(root.to_owned(), 0)];
    while let Some((directory, depth)) = pending.pop() {
        let cannot = |error: std::io::Error| Failure::new(format!("cannot look into {}: {error}", directory.display()));
        let entries = match std::fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) if depth > 0 => {
                found.passed_over.push((directory, format!("it cannot be looked into: {error}")));
                continue;
            }
            Err(error) => return Err(cannot(error)),
        };
        for entry in entries {
            let entry = entry.map_err(cannot)?;
            let kind = entry.file_type().map_err(cannot)?;
            let path = entry.path();
            if entry.file_name().to_string_lossy().starts_with(CANARY_PREFIX) || !(kind.is_dir() || kind.is_symlink()) {
                continue;
            }
            if is_repository(&path) {
                if kind.is_symlink() { &mut links } else { &mut found.repositories }.push(path);
            } else if kind.is_symlink() {
                if path.is_dir() {
                    found
                        .passed_over
                        .push((path, "it is a link to another directory, which is not followed".to_owned()));
                }
            } else if depth < DEPTH {
                pending.push((path, depth + 1));
            } else {
                found.passed_over.push((path, format!("it lies more than {DEPTH} directories deep")));
            }
        }
    }
    // One repository is looked at once, by its own path if that lies here too.
    let mut seen: BTreeSet<PathBuf> = found.repositories.iter().filter_map(|path| path.canonicalize().ok()).collect();
    links.sort();
    links.retain(|link| link.canonicalize().is_ok_and(|target| seen.insert(target)));
    found.repositories.append(&mut links);
    found.repositories.sort();
    found.passed_over.sort();
    Ok(found)
}
