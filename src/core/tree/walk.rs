//! Which commits are new: reachable from a tip, and not from what a requirement has already judged ([`crate::core::scope`]).

use std::collections::{BinaryHeap, HashMap, HashSet};
use std::rc::Rc;

use thiserror::Error;

use super::new_commits::{Found, NewCommits};
use crate::core::limits;
use crate::core::objects::{Graph, GraphNode, ReadError};
use crate::core::oid::Oid;

/// How much one walk may look at.
#[derive(Clone, Copy, Debug)]
pub struct WalkLimits {
    /// Commits found to be new.
    pub new: usize,
    /// Of these, those of stored history, which are held while it is walked.
    pub stored: usize,
    /// Commits of stored history read as objects because no commit-graph has them, whatever they turn out to be.
    pub reads: usize,
}

impl WalkLimits {
    /// Those of one push.
    pub const PUSH: Self = Self { new: usize::MAX, stored: limits::WALK, reads: limits::WALK_READS };
}

/// Why the new commits cannot be told.
#[derive(Debug, Error)]
pub enum WalkError {
    /// A commit cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// More commits than [`WalkLimits::new`].
    #[error("more than {0} commits are new")]
    TooMany(usize),
    /// More commits than [`WalkLimits::reads`].
    #[error(
        "more than {0} commits of history would have to be read to tell which are new; \
         on the server, git commit-graph write --reachable makes this cheap"
    )]
    TooFar(usize),
}

/// Lists the commits that `tip` reaches and no commit of `hidden` does.
///
/// What this push brought and the repository lacked is new without any walk: no ref could reach it. Only where the pushed
/// commits meet stored history is that history walked, newest first from both sides, until nothing new is left. So the
/// usual push costs its own commits alone, whatever dates they claim.
///
/// Where commit dates are skewed and there is no commit-graph, more commits than necessary may be listed, never fewer.
///
/// # Errors
/// [`WalkError`] if a commit is missing or unreadable, or over one of the `limits`.
pub fn new_commits(graph: &dyn Graph, tip: Oid, hidden: &[Oid], limits: WalkLimits) -> Result<NewCommits, WalkError> {
    Walk::new(graph, hidden.iter().copied().collect()).new_commits(tip, limits)
}

/// Walks from one tip after another, with the same commits hidden: stored history is looked at once for all of them.
pub struct Walk<'g> {
    graph: &'g dyn Graph,
    hidden: HashSet<Oid>,
    /// Commits of this push that it hides as well, with all below them.
    judged: Vec<Rc<NewCommits>>,
    /// `None` until a tip meets stored history.
    paint: Option<Paint<'g>>,
}

impl<'g> Walk<'g> {
    /// A walk that has not begun.
    pub fn new(graph: &'g dyn Graph, hidden: HashSet<Oid>) -> Self {
        Self { graph, hidden, judged: Vec::new(), paint: None }
    }

    /// Also hides commits of this push that have been looked at, with all below them.
    pub fn without(mut self, judged: Vec<Rc<NewCommits>>) -> Self {
        self.judged = judged;
        self
    }

    /// Whether it hides just these.
    pub fn is_without(&self, commits: &HashSet<Oid>, judged: &[Rc<NewCommits>]) -> bool {
        let same = self.judged.iter().zip(judged).all(|(one, other)| Rc::ptr_eq(one, other));
        self.hidden == *commits && self.judged.len() == judged.len() && same
    }

    /// A walk that has not begun, and also hides a commit with all below it.
    pub fn with_hidden(&self, commit: Oid) -> Self {
        let hidden = self.hidden.iter().copied().chain([commit]).collect();
        Self::new(self.graph, hidden).without(self.judged.clone())
    }

    /// Whether a commit is known to be hidden. `false` also where that has not been asked for.
    pub fn hides(&self, id: Oid) -> bool {
        self.hidden.contains(&id) || self.paint.as_ref().is_some_and(|paint| paint.passed.contains(&id))
    }

    /// As [`new_commits`]. The limits are on all that the walk has looked at since it began.
    ///
    /// # Errors
    /// As [`new_commits`]. The walk begins again after one.
    pub fn new_commits(&mut self, tip: Oid, limits: WalkLimits) -> Result<NewCommits, WalkError> {
        let mut found = Found::new(tip);
        let mut stored: Vec<Oid> = Vec::new();
        let mut pending = vec![found.number_of(tip)?];
        while let Some(number) = pending.pop() {
            let Some(id) = found.id(number).filter(|_| !found.is_new(number)) else { continue };
            if self.hidden.contains(&id) {
                continue;
            }
            if self.judged.iter().any(|judged| judged.contains(id)) {
                // What is hidden for another reason may lie below it, and be met on another way.
                found.is_inexact();
                continue;
            }
            if self.graph.is_incoming(id) {
                let parents = self.graph.object_node(id)?.parents;
                found.add(id, &parents)?;
                for parent in parents.iter() {
                    pending.push(found.number_of(*parent)?);
                }
                if found.len() > limits.new {
                    return Err(WalkError::TooMany(limits.new));
                }
            } else {
                stored.push(id);
            }
        }
        if !stored.is_empty() {
            let left = limits.new.saturating_sub(found.len()).min(limits.stored);
            let left = WalkLimits { new: left, ..limits };
            let mut paint = match self.paint.take() {
                Some(paint) => paint,
                None => Paint::begin(self.graph, &self.hidden, left)?,
            };
            paint.reach_all(&stored, left)?;
            paint.take_new(stored, &mut found)?;
            if paint.trusts_dates {
                found.is_inexact();
            }
            self.paint = Some(paint);
            if found.len() > limits.new {
                return Err(WalkError::TooMany(limits.new));
            }
        }
        found.in_order(tip)
    }

    /// Whether it has looked at stored history, so that its limits may be those of other tips.
    pub fn has_begun(&self) -> bool {
        self.paint.is_some()
    }
}

/// Colours stored history from both sides, highest generation and newest date first.
struct Paint<'g> {
    graph: &'g dyn Graph,
    limits: WalkLimits,
    /// The parents of each commit met, except those in `passed`.
    met: HashMap<Oid, (Rc<[Oid]>, Colour)>,
    /// Commits that are hidden and so are their parents: of these, the many, only the id is kept.
    passed: HashSet<Oid>,
    queue: BinaryHeap<(u32, u64, Oid)>,
    /// Queue entries that are still new.
    new_queued: usize,
    queued: HashSet<Oid>,
    new_found: usize,
    /// The lowest generation and date of a commit found new.
    oldest: (u32, u64),
    reads: usize,
    /// Whether a commit without a generation was met, so that its date decided when to look at it.
    trusts_dates: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Colour {
    New,
    Hidden,
}

impl<'g> Paint<'g> {
    fn begin(graph: &'g dyn Graph, hidden: &HashSet<Oid>, limits: WalkLimits) -> Result<Self, WalkError> {
        let mut paint = Self {
            graph,
            limits,
            met: HashMap::new(),
            passed: HashSet::new(),
            queue: BinaryHeap::new(),
            new_queued: 0,
            queued: HashSet::new(),
            new_found: 0,
            oldest: (u32::MAX, u64::MAX),
            reads: 0,
            trusts_dates: false,
        };
        for id in hidden {
            paint.reach(*id, Colour::Hidden)?;
        }
        Ok(paint)
    }

    /// Colours what lies below more tips.
    fn reach_all(&mut self, tips: &[Oid], limits: WalkLimits) -> Result<(), WalkError> {
        self.limits = limits;
        for id in tips {
            self.reach(*id, Colour::New)?;
        }
        // Commits of one second (a rebase, an import) come in any order: what is not older than the oldest commit found new may
        // still turn out to lie above it and to be hidden.
        while let Some((generation, seconds, id)) = self.queue.peek().copied() {
            if self.new_queued == 0 && (generation, seconds) < self.oldest {
                break;
            }
            self.queue.pop();
            self.queued.remove(&id);
            let Some((parents, colour)) = self.met.get(&id).cloned() else { continue };
            match colour {
                Colour::New => {
                    self.new_queued = self.new_queued.saturating_sub(1);
                    self.new_found += 1;
                    self.oldest = self.oldest.min((generation, seconds));
                    if self.new_found > self.limits.new {
                        return Err(WalkError::TooMany(self.limits.new));
                    }
                }
                Colour::Hidden => {
                    self.met.remove(&id);
                    self.passed.insert(id);
                }
            }
            for parent in parents.iter() {
                self.reach(*parent, colour)?;
            }
        }
        Ok(())
    }

    /// Takes over what is new at or below tips that have been reached.
    fn take_new(&self, tips: Vec<Oid>, found: &mut Found) -> Result<(), WalkError> {
        let mut pending = tips;
        while let Some(id) = pending.pop() {
            if let Some((parents, Colour::New)) = self.met.get(&id)
                && !found.contains(id)
            {
                found.add(id, parents)?;
                pending.extend(parents.iter().copied());
            }
        }
        Ok(())
    }

    /// Gives a commit a colour. A commit that was thought new and turns out hidden hides everything below it.
    fn reach(&mut self, id: Oid, colour: Colour) -> Result<(), WalkError> {
        let mut pending = vec![id];
        while let Some(id) = pending.pop() {
            if self.passed.contains(&id) {
                continue;
            }
            match self.met.get_mut(&id) {
                None => {
                    let node = self.graph.node(id)?;
                    self.count_read(&node)?;
                    self.queue.push((node.generation, node.seconds, id));
                    self.queued.insert(id);
                    self.new_queued += usize::from(colour == Colour::New);
                    self.met.insert(id, (node.parents, colour));
                }
                Some((parents, known)) if *known == Colour::New && colour == Colour::Hidden => {
                    *known = Colour::Hidden;
                    if self.queued.contains(&id) {
                        self.new_queued = self.new_queued.saturating_sub(1);
                    } else {
                        self.new_found = self.new_found.saturating_sub(1);
                        pending.extend(parents.iter().copied());
                    }
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    fn count_read(&mut self, node: &GraphNode) -> Result<(), WalkError> {
        self.reads += usize::from(!node.is_indexed());
        self.trusts_dates |= !node.has_level();
        if self.reads > self.limits.reads { Err(WalkError::TooFar(self.limits.reads)) } else { Ok(()) }
    }
}
