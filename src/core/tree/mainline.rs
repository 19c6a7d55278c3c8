//! The mainline of a ref update: what its steps add up to is all that the ref's content gains or loses.

use std::collections::HashMap;

use super::graph::History;
use super::objects::ReadError;
use super::walk::NewCommits;
use crate::core::oid::Oid;

/// One commit of the mainline with the parent that its step is measured against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The commit.
    pub commit: Oid,
    /// Its parent on the mainline; `None` where the mainline ends at a root commit.
    pub parent: Option<Oid>,
}

/// The chain from `tip` down to `end`, following at each merge the parent that contains `end`, the first of several.
///
/// `end` is the old value of the ref. Where there is none, or the new commits do not lead to it, the chain ends at the
/// newest commit that they do lead to. Oldest step first.
///
/// # Errors
/// [`ReadError`] if a boundary commit cannot be read.
pub fn mainline(history: &History<'_>, new: &NewCommits, tip: Oid, old: Option<Oid>) -> Result<Vec<Step>, ReadError> {
    let end = match old.filter(|old| new.boundary.contains(old)) {
        Some(old) => Some(old),
        None => newest(history, &new.boundary)?,
    };
    let leads = leads_to(new, end);
    let mut steps = Vec::new();
    let mut commit = tip;
    while let Some(parents) = new.parents.get(&commit) {
        let toward = |parent: &&Oid| Some(**parent) == end || leads.get(*parent).copied().unwrap_or(false);
        let parent = parents.iter().find(toward).or_else(|| parents.first()).copied();
        steps.push(Step { commit, parent });
        match parent {
            Some(parent) if Some(parent) != end => commit = parent,
            _ => break,
        }
    }
    steps.reverse();
    Ok(steps)
}

/// For each new commit, whether `end` lies below it. New commits come parents first, so one pass tells.
fn leads_to(new: &NewCommits, end: Option<Oid>) -> HashMap<Oid, bool> {
    let mut leads: HashMap<Oid, bool> = HashMap::with_capacity(new.commits.len());
    for commit in &new.commits {
        let parents = new.parents.get(commit).map(AsRef::as_ref).unwrap_or_default();
        let reaches = parents.iter().any(|parent| Some(*parent) == end || leads.get(parent).copied().unwrap_or(false));
        leads.insert(*commit, reaches);
    }
    leads
}

fn newest(history: &History<'_>, boundary: &[Oid]) -> Result<Option<Oid>, ReadError> {
    let mut newest = None;
    for id in boundary {
        newest = newest.max(Some((history.node(*id)?.seconds, *id)));
    }
    Ok(newest.map(|(_, id)| id))
}
