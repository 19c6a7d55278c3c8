//! Best common ancestors of commits. Among new ones the order is known: one merge after another costs little.
//!
//! Above the boundary each commit's place comes before its children's, so one pass down the places sees every commit once, with all that
//! reaches it. Only what crosses the boundary is asked of stored history, and many merges of one push cross it alike.

use std::cell::RefCell;
use std::collections::{BTreeMap, BinaryHeap, HashMap};

use super::bases::{Open, Reached, best_of, common_from, merge_bases_on};
use super::new_commits::NewCommits;
use super::walk::{WalkError, WalkLimits};
use super::walked::WalkedHistory;
use crate::core::objects::Graph;
use crate::core::oid::Oid;

/// Crossings of the boundary whose answer is remembered.
const REMEMBERED: usize = 1024;

/// The ancestry of commits, of new ones and of what they stand on.
pub struct Lineage<'a> {
    walked: WalkedHistory<'a>,
    new: Option<&'a NewCommits>,
    limits: WalkLimits,
    scratch: RefCell<Scratch>,
}

#[derive(Default)]
struct Scratch {
    /// By place: what reaches it in the walk that is going on.
    reached: Vec<Reached>,
    /// The places that are not as they were.
    touched: Vec<usize>,
    /// What stored history answered, by the commits where a walk enters it and what reaches them.
    known: HashMap<Vec<(Oid, Reached)>, Vec<Oid>>,
}

impl<'a> Lineage<'a> {
    /// The ancestry of `new`, where these are known, and of any others. The limits are on each look at stored history.
    pub fn new(graph: &'a dyn Graph, new: Option<&'a NewCommits>, limits: WalkLimits) -> Self {
        // Where dates told what is new, it may lie below what is not.
        let (walked, new) = (WalkedHistory::new(graph), new.filter(|new| new.is_exact()));
        Self { walked, new, limits, scratch: RefCell::default() }
    }

    /// As [`super::merge_bases`].
    ///
    /// # Errors
    /// As there.
    pub fn merge_bases(&self, commits: &[Oid]) -> Result<Vec<Oid>, WalkError> {
        match (self.new, commits) {
            (Some(new), [one, other]) => self.of_two(new, *one, *other),
            _ => merge_bases_on(&self.walked, commits, self.limits),
        }
    }

    fn of_two(&self, new: &NewCommits, one: Oid, other: Oid) -> Result<Vec<Oid>, WalkError> {
        let Scratch { reached, touched, known } = &mut *self.scratch.borrow_mut();
        reached.resize(new.len(), Reached::default());
        let mut walk =
            Descent { new, reached, touched, queue: BinaryHeap::new(), entry: BTreeMap::new(), open: Open::default() };
        let mut bases = walk.common(one, other);
        let Descent { entry, open, .. } = walk;
        for place in touched.drain(..) {
            if let Some(reached) = reached.get_mut(place) {
                *reached = Reached::default();
            }
        }
        // Where a side has nothing open that enters stored history, no best one is there.
        if open.is_any() {
            let entry: Vec<(Oid, Reached)> = entry.into_iter().collect();
            if let Some(stored) = known.get(&entry) {
                bases.extend(stored);
            } else {
                let stored = self.stored(&entry)?;
                bases.extend(&stored);
                if known.len() < REMEMBERED {
                    known.insert(entry, stored);
                }
            }
        }
        bases.sort_unstable();
        Ok(bases)
    }

    /// The best common ancestors in stored history, below the commits where it is entered.
    fn stored(&self, entry: &[(Oid, Reached)]) -> Result<Vec<Oid>, WalkError> {
        let mut found = common_from(&self.walked, entry, self.limits)?;
        if found.is_empty() {
            return Ok(found);
        }
        // Dates may have led astray: what lies below another, or below a common ancestor among the new commits, goes.
        let below = entry.iter().filter(|(_, reached)| reached.is_below()).map(|(id, _)| *id);
        let all: Vec<Oid> = found.iter().copied().chain(below).collect();
        let best = best_of(&self.walked, &all, self.limits)?;
        found.retain(|id| best.contains(id));
        Ok(found)
    }
}

/// One walk down the places, from both commits.
struct Descent<'s> {
    new: &'s NewCommits,
    reached: &'s mut Vec<Reached>,
    touched: &'s mut Vec<usize>,
    /// Places still to be looked at: children first.
    queue: BinaryHeap<usize>,
    /// Commits of stored history that are met.
    entry: BTreeMap<Oid, Reached>,
    /// Of both.
    open: Open,
}

impl Descent<'_> {
    /// The best common ancestors among the new commits.
    fn common(&mut self, one: Oid, other: Oid) -> Vec<Oid> {
        for (id, reached) in [(one, Reached::ONE), (other, Reached::OTHER)] {
            match self.new.place(id) {
                Some(place) => self.reach(place, reached),
                // What is not new leads to nothing new.
                None => self.enter(id, reached),
            }
        }
        let mut found = Vec::new();
        while self.open.is_any()
            && let Some(place) = self.queue.pop()
        {
            let mut reached = self.reached.get(place).copied().unwrap_or_default();
            self.open.count(reached, Reached::default());
            if reached.is_common() {
                if !reached.is_below() {
                    found.extend(self.new.at(place));
                }
                reached = reached.below();
            }
            for parent in self.new.links(place) {
                if parent < self.new.len() {
                    self.reach(parent, reached);
                } else if let Some(id) = self.new.at(parent) {
                    self.enter(id, reached);
                }
            }
        }
        found
    }

    fn reach(&mut self, place: usize, more: Reached) {
        let Some(reached) = self.reached.get_mut(place) else { return };
        let before = *reached;
        *reached = before.union(more);
        if before == Reached::default() {
            self.touched.push(place);
            self.queue.push(place);
        }
        self.open.count(before, before.union(more));
    }

    fn enter(&mut self, id: Oid, more: Reached) {
        let reached = self.entry.entry(id).or_default();
        let before = *reached;
        *reached = before.union(more);
        self.open.count(before, before.union(more));
    }
}
