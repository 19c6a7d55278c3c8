//! What the steps of the mainline bring in, and whose work they are.

use std::collections::{BTreeSet, HashSet};

use super::Content;
use crate::core::facts::{CommitFacts, MergeFact};
use crate::core::oid::Oid;
use crate::core::policy::{Policy, PrincipalKind};
use crate::core::tree::{MainlineCommit, NewCommits};

/// For each step of a mainline, oldest first, the new commits that it reaches and no step before it; `None` for a commit with one
/// parent.
pub fn brought(line: &[MainlineCommit], new: &NewCommits) -> Vec<Option<BTreeSet<Oid>>> {
    let mut reached: HashSet<Oid> = HashSet::new();
    let mut all = Vec::with_capacity(line.len());
    for step in line {
        let parents = new.parents(step.commit).unwrap_or_default();
        let mut brought = BTreeSet::new();
        let mut pending: Vec<Oid> = parents.iter().copied().filter(|parent| Some(*parent) != step.parent).collect();
        while let Some(id) = pending.pop() {
            if !reached.contains(&id)
                && let Some(above) = new.parents(id)
            {
                reached.insert(id);
                brought.insert(id);
                pending.extend(above);
            }
        }
        reached.insert(step.commit);
        all.push((parents.len() > 1).then_some(brought));
    }
    all
}

impl Content {
    /// What a commit is for a landing.
    pub fn of(commit: &CommitFacts, policy: &Policy) -> Self {
        let seals = commit.seals.iter().flatten().map(|seal| seal.agent.to_string());
        let signer = commit.signer(policy).filter(|signer| signer.kind == PrincipalKind::Agent);
        Self {
            change: commit.change,
            is_empty: commit.is_empty,
            message: commit.message,
            agents: seals.chain(signer.map(|signer| signer.id.to_string())).collect(),
        }
    }
}

/// Whether a service made one of the commits and added something, so that approvals say what it carries.
pub fn carries<'c>(commits: impl IntoIterator<Item = &'c CommitFacts>, policy: &Policy) -> bool {
    let adds = |commit: &&CommitFacts| commit.service(policy).is_some() && commit.merge != MergeFact::AddsNothing;
    commits.into_iter().any(|commit| adds(&commit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::digest::Digest;

    fn oid(name: &str) -> Oid {
        Oid::from_bytes(&Digest::of(name.as_bytes()).as_bytes()[..20]).unwrap()
    }

    /// New commits by name and parents; the mainline is told by `line`, oldest first, each with the parent that is followed.
    fn of(commits: &[(&str, &[&str])], line: &[(&str, &str)]) -> Vec<Option<Vec<String>>> {
        let all: Vec<(Oid, Vec<Oid>)> = commits
            .iter()
            .map(|(name, parents)| (oid(name), parents.iter().map(|parent| oid(parent)).collect()))
            .collect();
        let new = NewCommits::of(&all);
        let line: Vec<MainlineCommit> = line
            .iter()
            .map(|(commit, parent)| MainlineCommit { commit: oid(commit), parent: Some(oid(parent)) })
            .collect();
        let name_of = |id: &Oid| commits.iter().find(|(name, _)| oid(name) == *id).unwrap().0.to_owned();
        let names = |ids: BTreeSet<Oid>| {
            let mut names: Vec<String> = ids.iter().map(name_of).collect();
            names.sort();
            names
        };
        brought(&line, &new).into_iter().map(|ids| ids.map(names)).collect()
    }

    #[test]
    fn a_step_brings_what_no_step_before_it_reached() {
        let some = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        // base - a - m1 - b - m2, with x below both merges and y below the second.
        let commits: [(&str, &[&str]); 6] = [
            ("a", &["base"]),
            ("x", &["base"]),
            ("m1", &["a", "x"]),
            ("b", &["m1"]),
            ("y", &["x"]),
            ("m2", &["b", "y"]),
        ];
        let line = [("a", "base"), ("m1", "a"), ("b", "m1"), ("m2", "b")];
        assert_eq!(of(&commits, &line), [None, some(&["x"]), None, some(&["y"])]);
        // The parents turned round bring the same.
        let turned: [(&str, &[&str]); 3] = [("a", &["base"]), ("x", &["base"]), ("m", &["x", "a"])];
        assert_eq!(of(&turned, &[("a", "base"), ("m", "a")]), [None, some(&["x"])]);
        // A merge of what is old already brings nothing.
        assert_eq!(of(&[("m", &["base", "old"])], &[("m", "base")]), [some(&[])]);
    }
}
