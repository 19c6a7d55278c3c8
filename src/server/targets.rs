//! The repositories that an admin means, and what they are called.

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::core::id::RepositoryName;
use crate::gate::hook::{CANARY, CANARY_PREFIX};
use crate::gate::naming::{default_name, hashed_name};
use crate::server::Layout;
use crate::server::exclude::{Exclude, Used};
use crate::system::{Failure, OnDisk as _, Result, disk};

/// Where a repository's name comes from that nobody gives it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Naming {
    /// Its path below the directory that is given.
    ByPath,
    /// The server says at each push what it is called.
    ByServer,
}

/// A repository to protect.
pub(super) struct Target {
    pub(super) path: PathBuf,
    /// Its path below the directory that was given, as a name; `None` where it was given itself, or its server names it.
    pub(super) name: Option<RepositoryName>,
    /// The directory below which it was found; `None` where it was given itself.
    pub(super) root: Option<PathBuf>,
    /// Another repository whose path makes the same name of it.
    pub(super) namesake: Option<PathBuf>,
}

impl Target {
    /// One that was found below a directory. Where its path gives it no name, it may be installed already under another, or its
    /// server names it.
    fn below(root: &Path, path: PathBuf, naming: Naming) -> Self {
        let name = match naming {
            Naming::ByPath => name_below(root, &path),
            Naming::ByServer => None,
        };
        Self { path, name, root: Some(root.to_owned()), namesake: None }
    }
}

/// Repositories that were found below `root` by another process.
pub(super) fn found_below(root: &Path, repositories: &[PathBuf], naming: Naming) -> Targets {
    let mut targets = repositories.iter().map(|path| Target::below(root, path.clone(), naming)).collect::<Vec<_>>();
    tell_namesakes(&mut targets);
    Targets { targets, passed_over: Vec::new() }
}

/// Tells of those that would get one name, and so share their seals.
fn tell_namesakes(targets: &mut [Target]) {
    fn tell<'t>(targets: impl Iterator<Item = &'t mut Target>) {
        let mut named: BTreeMap<RepositoryName, PathBuf> = BTreeMap::new();
        for target in targets {
            let Some(name) = target.name.clone() else { continue };
            match named.entry(name) {
                Entry::Occupied(other) => target.namesake = Some(other.get().clone()),
                Entry::Vacant(place) => drop(place.insert(target.path.clone())),
            }
        }
    }
    tell(targets.iter_mut());
    tell(targets.iter_mut().rev());
}

/// What the path of a repository makes its name; that of a work tree at the top goes by the directory.
fn name_below(root: &Path, path: &Path) -> Option<RepositoryName> {
    if path == root.join(".git") {
        return root.on_disk().canonicalize().ok().and_then(|root| hashed_name(&root));
    }
    default_name(root, path)
}

/// The repositories that an admin means, and where more may lie.
pub(super) struct Targets {
    pub(super) targets: Vec<Target>,
    pub(super) passed_over: Vec<(PathBuf, String)>,
}

/// The repositories that an admin means: each one named, and every one below a directory that is none.
pub(super) fn targets(servers: &[PathBuf], layout: Layout, naming: Naming, exclude: &Exclude) -> Result<Targets> {
    let mut passed_over = Vec::new();
    let mut targets = Vec::new();
    let mut used = Used::default();
    for server in servers {
        let mut below = named(server)?;
        let only = |path: &PathBuf| resolved(server).is_some_and(|own| resolved(path) == Some(own));
        if below.repositories.len() == 1 && below.repositories.iter().all(only) {
            targets.push(Target { path: server.clone(), name: None, root: None, namesake: None });
            continue;
        }
        if below.repositories.is_empty() && !layout.is_shared() {
            return Err(Failure::new(format!("{} is no repository, and none lies below it", server.display()))
                .hint("give the path of a bare repository, or of the directory that holds them"));
        }
        exclude.apply(server, &mut below, &mut used);
        passed_over.extend(below.passed_over);
        let mut found =
            below.repositories.into_iter().map(|path| Target::below(server, path, naming)).collect::<Vec<_>>();
        tell_namesakes(&mut found);
        targets.append(&mut found);
    }
    exclude.tell_unused(&used);
    Ok(Targets { targets, passed_over })
}

/// Whether a directory holds what git looks for in one (gitrepository-layout(5)).
fn is_repository(path: &Path) -> bool {
    path.join("objects").on_disk().is_dir()
        && path.join("refs").on_disk().is_dir()
        && path.join("HEAD").on_disk().symlink_metadata().is_ok()
}

/// The repository whose objects and hooks git uses for a path: itself, that of a work tree, or where a file in its place leads to
/// (gitrepository-layout(5), `gitdir:` and `commondir`).
pub(crate) fn resolved(path: &Path) -> Option<PathBuf> {
    let git = path.join(".git");
    // In git's order (path.c, `enter_repo`).
    [&git, path].into_iter().find_map(|path| {
        if is_repository(path) {
            return Some(path.to_owned());
        }
        let led = gitfile(path)?;
        let common = small(&led.join("commondir")).and_then(|text| String::from_utf8(text).ok());
        let led = common
            .map_or_else(|| Some(led.clone()), |common| led.join(common.trim_end()).on_disk().canonicalize().ok())?;
        is_repository(&led).then_some(led)
    })
}

/// A file of one line; nothing that could hold up whoever reads it.
fn small(path: &Path) -> Option<Vec<u8>> {
    path.on_disk().metadata().ok().filter(|found| found.is_file() && found.len() < 8192)?;
    disk::read(path).ok()
}

/// Where a file leads that stands in the place of a repository.
fn gitfile(path: &Path) -> Option<PathBuf> {
    let text = small(path)?;
    let target = text.strip_prefix(b"gitdir: ")?;
    let target = target.split(|byte| *byte == b'\n').next()?;
    let target = Path::new(std::ffi::OsStr::from_bytes(target));
    path.parent()?.join(target).on_disk().canonicalize().ok()
}

/// Directories between a root and its repositories: more is a loop or no directory of repositories.
const DEPTH: usize = 16;

/// What a repository holds itself, below which no other one lies.
const OWN: [&str; 10] =
    ["objects", "refs", "hooks", "custom_hooks", "info", "logs", "lfs", "countersign", "worktrees", "modules"];

/// The repositories that a path names: a bare one itself, otherwise all below a directory, that of a work tree among them.
pub(crate) fn named(path: &Path) -> Result<Below> {
    if is_repository(path) && !path.join(".git").on_disk().exists() || path.on_disk().is_file() {
        return Ok(Below { repositories: vec![path.to_owned()], ..Below::default() });
    }
    below(path)
}

/// What lies below a directory.
#[derive(Default)]
pub(crate) struct Below {
    /// The repositories, in the order of their paths.
    pub(crate) repositories: Vec<PathBuf>,
    /// Where repositories may lie that were not looked for, and why.
    pub(crate) passed_over: Vec<(PathBuf, String)>,
}

/// The repositories below a directory. A link to a repository counts as one, and a file that leads to one; links to other
/// directories are not followed, since they may lead anywhere.
pub(crate) fn below(root: &Path) -> Result<Below> {
    let mut found = Below::default();
    let mut links = Vec::new();
    let mut pending = vec![(root.to_owned(), 0)];
    while let Some((directory, depth)) = pending.pop() {
        let cannot = |error: std::io::Error| Failure::new(format!("cannot look into {}: {error}", directory.display()));
        let entries = match disk::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) if depth > 0 => {
                // mke2fs(8) makes one at the top of a file system, for root alone.
                if directory.file_name() != Some("lost+found".as_ref()) {
                    found.passed_over.push((directory, format!("it cannot be looked into: {error}")));
                }
                continue;
            }
            Err(error) => return Err(cannot(error)),
        };
        let inside = is_repository(&directory);
        for entry in entries {
            let entry = entry.map_err(cannot)?;
            let kind = entry.file_type().map_err(cannot)?;
            let (name, path) = (entry.file_name(), entry.path());
            let own = inside && OWN.iter().any(|own| name == *own);
            if own || (name.to_string_lossy().starts_with(CANARY_PREFIX) && path.join(CANARY).on_disk().is_file()) {
                continue;
            }
            let led = || {
                // What somebody else's link leads to is not theirs to have protected, or unprotected.
                let whose = entry.metadata().map(|found| found.uid()).unwrap_or(u32::MAX);
                resolved(&path)
                    .filter(|to| whose == 0 || to.on_disk().metadata().is_ok_and(|found| found.uid() == whose))
            };
            if kind.is_file() {
                let named = name == ".git" || name.as_bytes().ends_with(b".git");
                if named && led().is_some() {
                    links.push(path);
                } else if named && resolved(&path).is_some() {
                    found.passed_over.push((path, "it leads to a repository of another user".to_owned()));
                }
            } else if kind.is_symlink() {
                if led().is_some() {
                    links.push(path);
                } else if resolved(&path).is_some() {
                    found.passed_over.push((path, "it leads to a repository of another user".to_owned()));
                } else if path.on_disk().is_dir() {
                    let reason = "it is a link to another directory, which is not followed";
                    found.passed_over.push((path, reason.to_owned()));
                }
            } else if kind.is_dir() {
                found.repositories.extend(is_repository(&path).then(|| path.clone()));
                if depth < DEPTH {
                    pending.push((path, depth + 1));
                } else {
                    found.passed_over.push((path, format!("it lies more than {DEPTH} directories deep")));
                }
            }
        }
    }
    // One repository is looked at once, by its own path if that lies here too.
    let mut seen: BTreeSet<PathBuf> =
        found.repositories.iter().filter_map(|path| path.on_disk().canonicalize().ok()).collect();
    links.sort();
    links.retain(|link| {
        resolved(link).is_some_and(|led| led.on_disk().canonicalize().is_ok_and(|target| seen.insert(target)))
    });
    found.repositories.append(&mut links);
    found.repositories.sort();
    found.passed_over.sort();
    Ok(found)
}
