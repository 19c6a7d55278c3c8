//! The mainline of a ref update: what its steps add up to is all that the ref's content gains or loses.
//!
//! It leads from the new value to the old one and follows at each merge the parent that holds the old value, the first of several, so that
//! a merge with its parents turned round (a foxtrot) hides nothing. Where the new value does not hold the old one, it ends at their best
//! common ancestor. A step is the change of one of its commits against the parent that is followed.

use super::bases::best_of;
use super::new_commits::NewCommits;
use super::walk::{WalkError, WalkLimits};
use super::walked::WalkedHistory;
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
    let met: Vec<Oid> = new.boundary().collect();
    let best = best_of(&WalkedHistory::new(graph), &met, limits)?;
    Ok(met.into_iter().find(|id| best.contains(id)))
}

/// The chain from `tip` down to `end`, following at each merge the parent that contains `end`, the first of several. Where there is
/// no end, it follows first parents. Oldest first.
pub fn mainline(new: &NewCommits, tip: Oid, end: Option<Oid>) -> Vec<MainlineCommit> {
    let mut chain = Vec::new();
    each_step(new, tip, end, &mut |_, step| chain.push(step));
    chain.reverse();
    chain
}

/// The same as marks: for each place among the new commits, whether its commit is on the mainline.
pub fn on_mainline(new: &NewCommits, tip: Oid, end: Option<Oid>) -> Vec<bool> {
    let mut marks = vec![false; new.len()];
    each_step(new, tip, end, &mut |place, _| {
        if let Some(mark) = marks.get_mut(place) {
            *mark = true;
        }
    });
    marks
}

/// Goes down the mainline, newest first.
fn each_step(new: &NewCommits, tip: Oid, end: Option<Oid>, step: &mut dyn FnMut(usize, MainlineCommit)) {
    let leads = leads_to(new, end);
    let mut commit = tip;
    while let Some(place) = new.place(commit) {
        let toward = |link: &usize| new.at(*link) == end || leads.get(*link).copied().unwrap_or(false);
        let parent = new.links(place).find(toward).or_else(|| new.links(place).next()).and_then(|link| new.at(link));
        step(place, MainlineCommit { commit, parent });
        match parent {
            Some(parent) if Some(parent) != end => commit = parent,
            _ => break,
        }
    }
}

/// For each place among the new commits, whether `end` lies below it. Parents come first, so one pass tells.
fn leads_to(new: &NewCommits, end: Option<Oid>) -> Vec<bool> {
    let mut leads: Vec<bool> = Vec::with_capacity(new.len());
    for place in 0..new.len() {
        let reaches = |link: usize| leads.get(link).copied().unwrap_or(false) || new.at(link) == end;
        leads.push(end.is_some() && new.links(place).any(reaches));
    }
    leads
}
