//! Which ledgers are read.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::server::{below, installed_ledger, resolved};
use crate::system::process::git;
use crate::system::users::Owner;
use crate::system::{Failure, OnDisk as _, Result};

pub(crate) struct Place {
    /// Repositories whose ledgers are read; without any, the one here
    pub(crate) servers: Vec<PathBuf>,
    /// The directory of a ledger, or of a copy of one
    pub(crate) ledger: Option<PathBuf>,
}

/// One ledger, and the repository it is of where that is at hand.
pub(crate) struct Found {
    pub(in crate::audit) directory: PathBuf,
    pub(in crate::audit) git_dir: Option<PathBuf>,
}

impl Place {
    /// The one ledger that is meant.
    pub(in crate::audit) fn one(&self) -> Result<Found> {
        let mut found = self.find()?;
        match (found.pop(), found.is_empty()) {
            (Some(one), true) => Ok(one),
            _ => Err(Failure::new("this is about one ledger, and several are named")
                .hint("name one repository, or its ledger with --ledger DIR")),
        }
    }

    pub(in crate::audit) fn find(&self) -> Result<Vec<Found>> {
        if let Some(directory) = &self.ledger {
            return Ok(vec![Found { directory: directory.clone(), git_dir: None }]);
        }
        let mut servers = Vec::new();
        for server in &self.servers {
            match resolved(server) {
                Some(_) => servers.push(server.clone()),
                None => servers.extend(below(server).map(|found| found.repositories).unwrap_or_default()),
            }
        }
        if servers.is_empty() {
            servers.push(self.servers.first().cloned().unwrap_or_else(|| PathBuf::from(".")));
        }
        let owner = |server: &PathBuf| Owner::of(&resolved(server).unwrap_or_else(|| server.clone())).ok();
        let owners: BTreeSet<Owner> = servers.iter().filter_map(owner).collect();
        if let Some(owner) = owners.iter().find(|owner| owner.is_another()) {
            // What root writes there its owner could not, and what root reads may be a link.
            return Err(if owners.len() == 1 {
                let real = |server: &PathBuf| server.on_disk().canonicalize().unwrap_or_else(|_| server.clone());
                owner.become_owner(&servers.iter().map(real).collect::<Vec<_>>())
            } else {
                Failure::new(format!("these repositories are not all root's, but also {owner}'s"))
                    .hint("name them, one owner's at a time:\ncountersign log show --server REPO.git")
            });
        }
        servers.iter().map(|server| ledger_of(server)).collect()
    }
}

fn ledger_of(server: &Path) -> Result<Found> {
    let hint = "name the repository, or its ledger with --ledger DIR:\ncountersign log show --server REPO.git";
    let git_dir = match resolved(server) {
        Some(git_dir) => git_dir.on_disk().canonicalize().map_err(Failure::new)?,
        // Below the top of a work tree git knows where its repository is.
        None => PathBuf::from(
            git(&["rev-parse", "--absolute-git-dir"])
                .in_repository(server)
                .line()
                .map_err(|_| Failure::new(format!("{} is not a git repository", server.display())).hint(hint))?,
        ),
    };
    let directory = installed_ledger(&git_dir);
    Ok(Found { directory, git_dir: Some(git_dir) })
}
