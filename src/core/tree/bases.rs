//! Best common ancestors (git-merge-base(1)).

use std::collections::{BTreeSet, BinaryHeap};

use super::walk::{WalkError, WalkLimits};
use super::walked::{Commits, WalkedHistory};
use crate::core::objects::Graph;
use crate::core::oid::Oid;

/// The best common ancestors of all these commits: those that no other common ancestor contains. None where they share no
/// history; several where branches have merged each other. In the order of their ids.
///
/// # Errors
/// [`WalkError`] if a commit is missing or unreadable, or if more commits than `limits.reads` would have to be read as objects.
pub fn merge_bases(graph: &dyn Graph, commits: &[Oid], limits: WalkLimits) -> Result<Vec<Oid>, WalkError> {
    merge_bases_on(&WalkedHistory::new(graph), commits, limits)
}

/// The same, where other walks have been in this history.
///
/// # Errors
/// As [`merge_bases`].
pub(super) fn merge_bases_on(
    walked: &WalkedHistory<'_>,
    commits: &[Oid],
    limits: WalkLimits,
) -> Result<Vec<Oid>, WalkError> {
    let Some((first, others)) = commits.split_first() else { return Ok(Vec::new()) };
    let mut bases = BTreeSet::from([*first]);
    for other in others {
        let mut found = BTreeSet::new();
        for base in &bases {
            found.extend(common(walked, *base, &[*other], limits)?);
        }
        bases = best(walked, found, limits)?;
    }
    Ok(bases.into_iter().collect())
}

/// Those of some commits that no other of them contains.
///
/// # Errors
/// As [`merge_bases`].
pub(super) fn best_of(
    walked: &WalkedHistory<'_>,
    commits: &[Oid],
    limits: WalkLimits,
) -> Result<BTreeSet<Oid>, WalkError> {
    best(walked, commits.iter().copied().collect(), limits)
}

/// Whether `ancestor` is the commit, or below it.
///
/// # Errors
/// As [`merge_bases`].
pub fn contains(graph: &dyn Graph, commit: Oid, ancestor: Oid, limits: WalkLimits) -> Result<bool, WalkError> {
    Ok(common(&WalkedHistory::new(graph), commit, &[ancestor], limits)?.contains(&ancestor))
}

/// Leaves out what another one contains.
fn best(walked: &WalkedHistory<'_>, found: BTreeSet<Oid>, limits: WalkLimits) -> Result<BTreeSet<Oid>, WalkError> {
    let mut best = found.clone();
    if found.len() > 1 {
        for one in &found {
            let others: Vec<Oid> = best.iter().copied().filter(|other| other != one).collect();
            if common(walked, *one, &others, limits)?.contains(one) {
                best.remove(one);
            }
        }
    }
    Ok(best)
}

/// Which sides reach a commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Reached(u8);

impl Reached {
    /// One side.
    pub(super) const ONE: Self = Self(1);
    /// The other side.
    pub(super) const OTHER: Self = Self(2);
    const BELOW: u8 = 4;

    pub(super) const fn union(self, more: Self) -> Self {
        Self(self.0 | more.0)
    }

    /// Whether one side reaches it, or the other, and it may yet be or lead to a best common ancestor.
    const fn is_open(self, side: Self) -> bool {
        self.0 & side.0 != 0 && !self.is_below()
    }

    /// Whether both sides reach it.
    pub(super) const fn is_common(self) -> bool {
        self.0 & 3 == 3
    }

    /// Whether it lies below a common ancestor.
    pub(super) const fn is_below(self) -> bool {
        self.0 & Self::BELOW != 0
    }

    /// The same for what lies below it, where it is a common ancestor.
    pub(super) const fn below(self) -> Self {
        Self(self.0 | Self::BELOW)
    }
}

/// What is queued and may still be, or lead to, a best common ancestor, by the side that reaches it. Where children are always looked at
/// before their parents and one side has nothing left, no common ancestor is left to be found.
#[derive(Clone, Copy, Default)]
pub(super) struct Open {
    one: usize,
    other: usize,
}

impl Open {
    /// Whether both sides have something left.
    pub(super) const fn is_any(self) -> bool {
        self.one > 0 && self.other > 0
    }

    /// Whether a side has something left: enough to go on where dates decide what is looked at first.
    const fn is_either(self) -> bool {
        self.one > 0 || self.other > 0
    }

    /// Counts one that is queued, or that more reaches than before.
    pub(super) fn count(&mut self, before: Reached, after: Reached) {
        for (open, side) in [(&mut self.one, Reached::ONE), (&mut self.other, Reached::OTHER)] {
            match (before.is_open(side), after.is_open(side)) {
                (false, true) => *open = open.saturating_add(1),
                (true, false) => *open = open.saturating_sub(1),
                (true, true) | (false, false) => {}
            }
        }
    }
}

/// Common ancestors that lie below no other as far as the dates of commits tell: all best ones are among them.
fn common(walked: &WalkedHistory<'_>, one: Oid, others: &[Oid], limits: WalkLimits) -> Result<Vec<Oid>, WalkError> {
    let others = others.iter().map(|other| (*other, Reached::OTHER));
    let from: Vec<(Oid, Reached)> = std::iter::once((one, Reached::ONE)).chain(others).collect();
    common_from(walked, &from, limits)
}

/// The same, where a walk is under way: from each commit with what reaches it.
///
/// # Errors
/// As [`merge_bases`].
pub(super) fn common_from(
    walked: &WalkedHistory<'_>,
    from: &[(Oid, Reached)],
    limits: WalkLimits,
) -> Result<Vec<Oid>, WalkError> {
    let Some((first, _)) = from.first() else { return Ok(Vec::new()) };
    let mut walk = Walk {
        graph: walked.graph(),
        commits: &mut walked.begin(*first),
        limits,
        reads: 0,
        queue: BinaryHeap::new(),
        open: Open::default(),
        trusts_dates: false,
    };
    for (id, reached) in from {
        let number = walk.commits.number(*id)?;
        walk.reach(number, *reached)?;
    }
    let mut common = Vec::new();
    while walk.open.is_any() || (walk.trusts_dates && walk.open.is_either()) {
        let Some((_, _, number)) = walk.queue.pop() else { break };
        let Some(node) = walk.commits.node(number) else { continue };
        node.is_queued = false;
        let mut reached = node.reached;
        walk.open.count(reached, Reached::default());
        if reached.is_common() {
            if !reached.is_below() {
                common.push(number);
            }
            reached = reached.below();
        }
        for place in walk.commits.parents(number) {
            if let Some(parent) = walk.commits.parent(place) {
                walk.reach(parent, reached)?;
            }
        }
    }
    common.retain(|number| walk.commits.node(*number).is_some_and(|node| !node.reached.is_below()));
    let mut found: Vec<Oid> = common.into_iter().filter_map(|number| walk.commits.id(number)).collect();
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// A walk from both sides, highest generation and newest date first.
struct Walk<'w> {
    graph: &'w dyn Graph,
    commits: &'w mut Commits,
    limits: WalkLimits,
    reads: usize,
    queue: BinaryHeap<(u32, u64, usize)>,
    open: Open,
    /// Whether a commit without a generation was met, so that its date decides when it is looked at.
    trusts_dates: bool,
}

impl Walk<'_> {
    fn reach(&mut self, number: usize, more: Reached) -> Result<(), WalkError> {
        let is_first = self.commits.meet(self.graph, number)?;
        let Some(node) = self.commits.node(number) else { return Ok(()) };
        if is_first {
            self.reads = self.reads.saturating_add(usize::from(!node.is_indexed));
            self.trusts_dates |= !node.has_level;
            if self.reads > self.limits.reads {
                return Err(WalkError::TooFar(self.limits.reads));
            }
        }
        let reached = node.reached.union(more);
        if reached == node.reached {
            return Ok(());
        }
        let queued = if node.is_queued { node.reached } else { Reached::default() };
        if !node.is_queued {
            node.is_queued = true;
            self.queue.push((node.generation, node.seconds, number));
        }
        node.reached = reached;
        self.open.count(queued, reached);
        Ok(())
    }
}
