//! What the remote has now: its refs, and the objects behind those that matter.

use std::collections::BTreeMap;

use crate::core::approval::{ApprovalPlace, PREFIX};
use crate::core::oid::Oid;
use crate::system::process::git;
use crate::system::{Failure, Result};

/// The refs of a remote.
pub(in crate::desk) struct Remote {
    pub(super) name: String,
    pub(super) refs: BTreeMap<String, Oid>,
}

impl Remote {
    /// Asks the remote for its refs.
    pub(in crate::desk) fn read(name: &str) -> Result<Self> {
        let listed = git(&["ls-remote", "--refs", "--", name])
            .line()
            .map_err(|failure| failure.hint("--remote names another of these:\ngit remote -v"))?;
        let mut refs = BTreeMap::new();
        for line in listed.lines() {
            if let Some((id, name)) = line.split_once('\t')
                && let Some(id) = Oid::parse(id.as_bytes())
            {
                refs.insert(name.to_owned(), id);
            }
        }
        Ok(Self { name: name.to_owned(), refs })
    }

    /// The branch of this name, if the remote has it.
    pub(super) fn branch(&self, name: &str) -> Option<Oid> {
        self.refs.get(&format!("refs/heads/{name}")).copied()
    }

    /// Gets the branch, the targets and the approvals for them.
    pub(in crate::desk) fn fetch(&self, branch: &str, targets: &[String]) -> Result<()> {
        let branch = format!("refs/heads/{branch}");
        let mut wanted: Vec<String> = targets
            .iter()
            .chain([&branch])
            .filter(|name| self.refs.contains_key(*name))
            .map(|name| self.tracking(name))
            .collect();
        let places: Vec<String> = targets.iter().map(|target| ApprovalPlace::of_target(target)).collect();
        let records = self.refs.keys().filter(|name| places.iter().any(|place| name.starts_with(place)));
        wanted.extend(records.map(|name| format!("+{name}:{name}")));
        self.get(&wanted)
    }

    /// A ref that leads to a commit: a branch first.
    pub(super) fn leading_to(&self, commit: Oid) -> Option<&str> {
        let mut names: Vec<&String> = self.refs.iter().filter(|(_, id)| **id == commit).map(|(name, _)| name).collect();
        names.sort_by_key(|name| !name.starts_with("refs/heads/"));
        names.first().map(|name| name.as_str())
    }

    /// Gets these refs, and all approvals.
    pub(super) fn fetch_with_approvals(&self, names: &[&str]) -> Result<()> {
        let there = names.iter().filter(|name| self.refs.contains_key(**name)).map(|name| self.tracking(name));
        let records = self.refs.keys().filter(|name| name.starts_with(PREFIX)).map(|name| format!("+{name}:{name}"));
        self.get(&there.chain(records).collect::<Vec<_>>())
    }

    /// Gets all branches and all approvals.
    pub(super) fn fetch_everything(&self) -> Result<()> {
        let branches = self.refs.keys().filter(|name| name.starts_with("refs/heads/")).map(|name| self.tracking(name));
        let records = self.refs.keys().filter(|name| name.starts_with(PREFIX)).map(|name| format!("+{name}:{name}"));
        self.get(&branches.chain(records).collect::<Vec<_>>())
    }

    /// Where a clone keeps a ref of the remote. What is no branch is fetched and not kept.
    fn tracking(&self, name: &str) -> String {
        match name.strip_prefix("refs/heads/") {
            Some(branch) => format!("+{name}:refs/remotes/{}/{branch}", self.name),
            None => name.to_owned(),
        }
    }

    fn get(&self, wanted: &[String]) -> Result<()> {
        if wanted.is_empty() {
            return Ok(());
        }
        let input: String = wanted.iter().map(|refspec| format!("{refspec}\n")).collect();
        let fetch = git(&["fetch", "--quiet", "--no-tags", "--stdin", &self.name]).input(input.as_bytes());
        fetch.run().map(drop).map_err(|failure| Failure::new(failure.message).hint("git says why:\ngit fetch"))
    }
}
