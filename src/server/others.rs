//! Repositories that others own. Root does not write into directories of other users, where a link may lead anywhere: it runs the same
//! command line as each owner.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;

use crate::server::targets::{Target, resolved};
use crate::system::users::{AT_ONCE, Owner, command_line};
use crate::system::{Failure, OnDisk as _, Result};

/// The repositories that are not root's, where root is at work: by their owner, and by the directory that they are named below.
pub(super) struct Others {
    repositories: BTreeMap<(Owner, Option<PathBuf>), Vec<PathBuf>>,
}

/// Whose repositories a process sees to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owners {
    /// Everybody's: root starts a process as each of the others.
    All,
    /// Its own user's: root started it.
    This,
}

/// What becomes of what the command prints.
#[derive(Clone, Copy)]
pub(super) enum Printed {
    Shown,
    Dropped,
}

impl Others {
    /// Keeps of the targets what this process is to do itself.
    pub(super) fn split(targets: &mut Vec<Target>, owners: Owners) -> Result<Self> {
        let mut others = Self { repositories: BTreeMap::new() };
        let mut own = Vec::new();
        for target in targets.drain(..) {
            let cannot = |error: std::io::Error| Failure::new(format!("{}: {error}", target.path.display()));
            let repository = resolved(&target.path).unwrap_or_else(|| target.path.clone());
            let owner = Owner::of(&repository).map_err(cannot)?;
            if owners == Owners::This && !owner.is_this() {
                continue;
            }
            if owner.is_another() {
                // A link keeps its own name, from which the repository's is made.
                let directory =
                    target.path.parent().map(|parent| std::path::Path::new(".").join(parent).on_disk().canonicalize());
                let path = match (directory, target.path.file_name()) {
                    (Some(Ok(directory)), Some(name)) => directory.join(name),
                    _ => target.path.on_disk().canonicalize().map_err(cannot)?,
                };
                let root =
                    target.root.as_ref().map(|root| root.on_disk().canonicalize().map_err(cannot)).transpose()?;
                others.repositories.entry((owner, root)).or_default().push(path);
            } else {
                own.push(target);
            }
        }
        *targets = own;
        Ok(others)
    }

    /// Whether there are any.
    pub(super) fn any(&self) -> bool {
        !self.repositories.is_empty()
    }

    /// How many processes are started for them.
    pub(super) fn runs(&self) -> usize {
        self.repositories.values().map(|all| all.len().div_ceil(AT_ONCE)).sum()
    }

    /// Runs the command line as each of them, with more words, up to the first for whom it fails.
    pub(super) fn run(&self, more: &[&str], printed: Printed) -> Result<()> {
        self.results(more, printed).collect()
    }

    /// Runs the command line as each of them, whatever becomes of it. Returns what failed.
    pub(super) fn run_all(&self) -> Vec<Failure> {
        self.results(&[], Printed::Shown).filter_map(std::result::Result::err).collect()
    }

    fn results(&self, more: &[&str], printed: Printed) -> impl Iterator<Item = Result<()>> {
        let chunks =
            self.repositories.iter().flat_map(|(place, all)| all.chunks(AT_ONCE).map(move |some| (place, some)));
        chunks.map(move |((owner, root), some)| {
            let mut words = command_line(some);
            words.push("--own-only".into());
            words.extend(more.iter().map(OsString::from));
            if let Some(root) = root {
                words.extend(["--root".into(), root.clone().into_os_string()]);
            }
            run_as(*owner, &words, printed)
        })
    }
}

fn run_as(owner: Owner, words: &[OsString], printed: Printed) -> Result<()> {
    let mut command = owner.command(words)?;
    if matches!(printed, Printed::Dropped) {
        command.stdout(Stdio::null());
    }
    let status = command.stdin(Stdio::null()).status().map_err(|error| owner.may_not_run(&error))?;
    match status.code() {
        Some(0) => Ok(()),
        Some(1) => Err(Failure::new(format!("not all is done for the repositories of {owner}: see above"))),
        // setpriv(1) and shells: what was to be run cannot be.
        Some(code @ (126 | 127)) => Err(owner.may_not_run(&format!("exit code {code}"))),
        _ => Err(Failure::new(format!("nothing is done for the repositories of {owner}: see above"))),
    }
}
