//! The mainline of a ref update: what its steps add up to is all that the ref's content gains or loses.
//!
//! It leads from the new value to the old one and follows at each merge the parent that holds the old value, the first of several, so that
//! a merge with its parents turned round (a foxtrot) hides nothing. Where the new value does not hold the old one, it ends at their best
//! common ancestor. A step is the change of one of its commits against the parent that is followed.

use std::collections::HashMap;

use super::bases::best_of;
use super::walk::{NewCommits, WalkError, WalkLimits};
use crate::core::objects::Graph;
use crate::core::oid::Oid;

/// One commit of the mainline with the parent that its step is measured against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MainlineCommit {
    /// The commit.
    pub commit: Oid,
    /// Its parent on the mainline; `None` where the mainline ends at a root commit.
    pub parent: Option<Oid>,
}

/// Where the mainline of a new ref, or of one that drops its old value, ends: at the best of the commits that the new ones meet, of
/// several at the first by first-parent order; dates play no part. `None` where they meet none, and the mainline goes down to a root.
///
/// # Errors
/// [`WalkError`] if a commit cannot be read, or if too much would have to be.
pub fn mainline_end(graph: &dyn Graph, new: &NewCommits, limits: WalkLimits) -> Result<Option<Oid>, WalkError> {
    // The boundary is in first-parent order, and all best common ancestors with what is subtracted are on it.
    match new.boundary.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(*one)),
        several => {
            let best = best_of(graph, several, limits)?;
            Ok(several.iter().find(|id| best.contains(id)).copied())
        }
    }
}

/// The chain from `tip` down to `end`, following at each merge the parent that contains `end`, the first of several. Where there is
/// no end, it follows first parents. Oldest first.
pub fn mainline(new: &NewCommits, tip: Oid, end: Option<Oid>) -> Vec<MainlineCommit> {
    let leads = leads_to(new, end);
    let mut chain = Vec::new();
    let mut commit = tip;
    while let Some(parents) = new.parents.get(&commit) {
        let toward = |parent: &&Oid| Some(**parent) == end || leads.get(*parent).copied().unwrap_or(false);
        let parent = parents.iter().find(toward).or_else(|| parents.first()).copied();
        chain.push(MainlineCommit { commit, parent });
        match parent {
            Some(parent) if Some(parent) != end => commit = parent,
            _ => break,
        }
    }
    chain.reverse();
    chain
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
