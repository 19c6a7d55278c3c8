//! Best common ancestors of commits among new ones, whose order is known: one merge after another costs little.
//!
//! Above the boundary each commit's place comes before its children's, so one pass down the places sees every commit once, with all that
//! reaches it. Only what crosses the boundary is asked of stored history, and many merges of one push cross it alike.

use std::cell::RefCell;
use std::collections::{BTreeMap, BinaryHeap, HashMap};

use super::bases::{Open, Reached, best_of, common_from, merge_bases};
use super::new_commits::NewCommits;
use super::walk::{WalkError, WalkLimits};
use crate::core::objects::Graph;
use crate::core::oid::Oid;

/// Crossings of the boundary whose answer is remembered.
const REMEMBERED: usize = 1024;

/// The ancestry of new commits and of what they stand on.
pub struct Lineage<'a> {
    graph: &'a dyn Graph,
    new: &'a NewCommits,
    limits: WalkLimits,
    scratch: RefCell<Scratch>,
}

#[derive(Default)]
struct Scratch {
    /// By place: what reaches it in the walk that is going on.
    reached: Vec<Reached>,
    /// The places that are not as they were.
    touched: Vec<u32>,
    /// What stored history answered, by the commits where a walk enters it and what reaches them.
    known: HashMap<Vec<(Oid, Reached)>, Vec<Oid>>,
}

impl<'a> Lineage<'a> {
    /// The ancestry of `new`. The limits are on each look at stored history.
    pub fn new(graph: &'a dyn Graph, new: &'a NewCommits, limits: WalkLimits) -> Self {
        Self { graph, new, limits, scratch: RefCell::default() }
    }

    /// As [`merge_bases`](super::merge_bases).
    ///
    /// # Errors
    /// As there.
    pub fn merge_bases(&self, commits: &[Oid]) -> Result<Vec<Oid>, WalkError> {
        let [one, other] = commits else { return merge_bases(self.graph, commits, self.limits) };
        if !self.new.is_exact() {
            return merge_bases(self.graph, commits, self.limits);
        }
        let mut scratch = self.scratch.borrow_mut();
        scratch.reached.resize(self.new.len(), Reached::default());
        let Scratch { reached, touched, known } = &mut *scratch;
        let mut walk = Descent {
            new: self.new,
            reached,
            touched,
            queue: BinaryHeap::new(),
            entry: BTreeMap::new(),
            open: Open::default(),
        };
        let found = walk.common(*one, *other);
        let entry: Vec<(Oid, Reached)> = std::mem::take(&mut walk.entry).into_iter().collect();
        for place in touched.drain(..) {
            if let Some(reached) = usize::try_from(place).ok().and_then(|place| reached.get_mut(place)) {
                *reached = Reached::default();
            }
        }
        let Some(mut bases) = found else { return merge_bases(self.graph, commits, self.limits) };
        // Where a side has nothing open that enters stored history, no best one is there.
        let mut open = Open::default();
        entry.iter().for_each(|(_, reached)| open.count(Reached::default(), *reached));
        if open.is_any() {
            let stored = match known.get(&entry) {
                Some(stored) => stored.clone(),
                None => self.stored(&entry)?,
            };
            if known.len() < REMEMBERED {
                known.insert(entry, stored.clone());
            }
            bases.extend(stored);
        }
        bases.sort_unstable();
        Ok(bases)
    }

    /// The best common ancestors in stored history, below the commits where it is entered.
    fn stored(&self, entry: &[(Oid, Reached)]) -> Result<Vec<Oid>, WalkError> {
        let found = common_from(self.graph, entry, self.limits)?;
        if found.is_empty() {
            return Ok(found);
        }
        // Dates may have led astray: what lies below another, or below a common ancestor among the new commits, goes.
        let below: Vec<Oid> = entry.iter().filter(|(_, reached)| reached.is_below()).map(|(id, _)| *id).collect();
        let all: Vec<Oid> = found.iter().chain(&below).copied().collect();
        let best = if all.len() > 1 { best_of(self.graph, &all, self.limits)? } else { all.into_iter().collect() };
        Ok(found.into_iter().filter(|id| best.contains(id) && !below.contains(id)).collect())
    }
}

/// One walk down the places, from both commits.
struct Descent<'s> {
    new: &'s NewCommits,
    reached: &'s mut Vec<Reached>,
    touched: &'s mut Vec<u32>,
    /// Places still to be looked at: children first.
    queue: BinaryHeap<u32>,
    /// Commits of stored history that are met.
    entry: BTreeMap<Oid, Reached>,
    /// Of both.
    open: Open,
}

impl Descent<'_> {
    /// The best common ancestors among the new commits. `None` where a commit is neither new nor on the boundary.
    fn common(&mut self, one: Oid, other: Oid) -> Option<Vec<Oid>> {
        for (id, reached) in [(one, Reached::ONE), (other, Reached::OTHER)] {
            match self.new.place(id) {
                Some(place) => self.reach(u32::try_from(place).ok()?, reached),
                // What is not new leads to nothing new.
                None => self.enter(id, reached),
            }
        }
        let mut found = Vec::new();
        while self.open.is_any() {
            let Some(link) = self.queue.pop() else { break };
            let place = usize::try_from(link).ok()?;
            let mut reached = *self.reached.get(place)?;
            self.open.count(reached, Reached::default());
            if reached.is_common() {
                if !reached.is_below() {
                    found.push(self.new.at(place)?);
                }
                reached = reached.below();
            }
            for link in self.new.links(place) {
                let place = usize::try_from(*link).ok()?;
                if place < self.new.len() {
                    self.reach(*link, reached);
                } else {
                    self.enter(self.new.at(place)?, reached);
                }
            }
        }
        Some(found)
    }

    fn reach(&mut self, link: u32, more: Reached) {
        let Some(reached) = usize::try_from(link).ok().and_then(|place| self.reached.get_mut(place)) else { return };
        let before = *reached;
        *reached = before.union(more);
        let after = *reached;
        if before == Reached::default() {
            self.touched.push(link);
            self.queue.push(link);
        }
        self.open.count(before, after);
    }

    fn enter(&mut self, id: Oid, more: Reached) {
        let reached = self.entry.entry(id).or_default();
        let before = *reached;
        *reached = before.union(more);
        let after = *reached;
        self.open.count(before, after);
    }
}
