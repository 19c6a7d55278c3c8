//! New commits in the order in which they are judged, with their parents: a million of them in some 30 MiB.

use std::collections::HashMap;

use super::id_table::IdTable;
use super::walk::WalkError;
use crate::core::oid::Oid;

/// The new commits below one tip. Each has its place in an order in which parents come before their children; the order depends on the
/// commits alone.
#[derive(Clone, Debug)]
pub struct NewCommits {
    /// Those that are new, in order, and behind them those on the boundary, in the order in which the tip leads to them.
    ids: IdTable,
    count: usize,
    parents: Parents,
    is_exact: bool,
}

/// The parents of commits by place. Most have one, in the place before: of these a bit is kept.
#[derive(Clone, Debug, Default)]
struct Parents {
    /// For each 64 places a bit that says which of them are others, and how many such places come before.
    others: Vec<(u64, u32)>,
    /// Where the parents of each of the others stand in `links`, and behind the last where they end.
    starts: Vec<u32>,
    /// The parents of one after the other, by their numbers in `ids`.
    links: Vec<u32>,
}

impl Parents {
    fn with_capacity(commits: usize, links: usize) -> Self {
        let starts = Vec::with_capacity(commits.saturating_add(1));
        Self { others: Vec::with_capacity(commits.div_ceil(64)), starts, links: Vec::with_capacity(links) }
    }

    /// The word of a place, and its bit there.
    fn split(place: usize) -> (usize, u64) {
        (place / 64, 1 << (place % 64))
    }

    /// Adds those of the commit in the next place; `None` where there are too many to number.
    fn push(&mut self, place: usize, parents: &[u32]) -> Option<()> {
        let (word, bit) = Self::split(place);
        if word >= self.others.len() {
            self.others.push((0, u32::try_from(self.starts.len()).ok()?));
        }
        let before = place.checked_sub(1).and_then(|before| u32::try_from(before).ok());
        if parents.len() != 1 || parents.first().copied() != before {
            self.others.get_mut(word)?.0 |= bit;
            self.end()?;
            self.links.extend_from_slice(parents);
        }
        Some(())
    }

    /// Says that what is added from here on belongs to another.
    fn end(&mut self) -> Option<()> {
        self.starts.push(u32::try_from(self.links.len()).ok()?);
        Some(())
    }

    fn of(&self, place: usize) -> impl Iterator<Item = usize> {
        let (word, bit) = Self::split(place);
        let (bits, before) = self.others.get(word).copied().unwrap_or_default();
        let is_other = bits & bit != 0;
        let at = |number: usize| self.starts.get(number).and_then(|start| usize::try_from(*start).ok());
        let other = usize::try_from(before.saturating_add((bits & bit.wrapping_sub(1)).count_ones())).ok();
        let range = other.filter(|_| is_other).and_then(|other| at(other).zip(other.checked_add(1).and_then(at)));
        let links = range.and_then(|(start, end)| self.links.get(start..end)).unwrap_or_default();
        let plain = place.checked_sub(1).filter(|_| !is_other);
        plain.into_iter().chain(links.iter().filter_map(|link| usize::try_from(*link).ok()))
    }
}

impl NewCommits {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// All of them, each after its parents.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Oid> {
        (0..self.count).filter_map(|place| self.ids.id(place))
    }

    /// Whether the commit is one of them.
    pub fn contains(&self, id: Oid) -> bool {
        self.place(id).is_some()
    }

    /// The parents of one of them, in their order.
    pub fn parents(&self, id: Oid) -> Option<Vec<Oid>> {
        Some(self.links(self.place(id)?).filter_map(|place| self.ids.id(place)).collect())
    }

    /// The parents of new commits that are not new themselves, and the tip itself if it is not new. In the order in which the tip leads to
    /// them, first parents first.
    pub fn boundary(&self) -> impl Iterator<Item = Oid> {
        (self.count..self.ids.len()).filter_map(|place| self.ids.id(place))
    }

    /// Whether the commit is on the boundary.
    pub fn meets(&self, id: Oid) -> bool {
        self.ids.find(id).is_some_and(|place| place >= self.count)
    }

    /// Whether none of them can lie below the boundary, whatever dates say.
    pub(super) fn is_exact(&self) -> bool {
        self.is_exact
    }

    /// Where one of them stands in the order.
    pub fn place(&self, id: Oid) -> Option<usize> {
        self.ids.find(id).filter(|place| *place < self.count)
    }

    /// Which commit stands in a place.
    pub fn at(&self, place: usize) -> Option<Oid> {
        self.ids.id(place)
    }

    /// The places of the parents of the commit in a place. From [`NewCommits::len`] on they are of the boundary.
    pub(super) fn links(&self, place: usize) -> impl Iterator<Item = usize> {
        self.parents.of(place).take(if place < self.count { usize::MAX } else { 0 })
    }

    /// Made by hand: commits in order, with their parents.
    #[cfg(test)]
    pub(crate) fn of(commits: &[(Oid, Vec<Oid>)]) -> Self {
        let tip = commits.last().expect("a commit").0;
        let mut found = Found::new(tip);
        commits.iter().for_each(|(id, parents)| found.add(*id, parents).expect("few commits"));
        found.in_order(tip).expect("few commits")
    }
}

/// No place.
const NONE: u32 = u32::MAX;

/// New commits as a walk finds them.
pub(super) struct Found {
    /// Every commit that was met, new or as a parent of a new one.
    ids: IdTable,
    /// Where the parents of each stand in `links`; `NONE` where it is not known to be new.
    starts: Vec<u32>,
    /// For each new commit the number of its parents, then the parents.
    links: Vec<u32>,
    new: usize,
    is_exact: bool,
}

impl Found {
    /// None yet, in the repository of this commit.
    pub(super) fn new(tip: Oid) -> Self {
        Self { ids: IdTable::new(tip.format()), starts: Vec::new(), links: Vec::new(), new: 0, is_exact: true }
    }

    pub(super) fn len(&self) -> usize {
        self.new
    }

    pub(super) fn contains(&self, id: Oid) -> bool {
        self.ids.find(id).and_then(|number| self.starts.get(number)).is_some_and(|start| *start != NONE)
    }

    /// Adds one that is new.
    pub(super) fn add(&mut self, id: Oid, parents: &[Oid]) -> Result<(), WalkError> {
        let start = self.small(self.links.len())?;
        let count = self.small(parents.len())?;
        let number = self.number(id)?;
        self.links.push(count);
        for parent in parents {
            let number = self.number(*parent)?;
            let link = self.small(number)?;
            self.links.push(link);
        }
        if let Some(known) = self.starts.get_mut(number) {
            *known = start;
        }
        self.new = self.new.saturating_add(1);
        Ok(())
    }

    /// Says that some of them may lie below the boundary.
    pub(super) fn is_inexact(&mut self) {
        self.is_exact = false;
    }

    /// Its number among all that were met.
    pub(super) fn number_of(&mut self, id: Oid) -> Result<u32, WalkError> {
        let number = self.number(id)?;
        self.small(number)
    }

    /// The commit of a number.
    pub(super) fn id(&self, number: u32) -> Option<Oid> {
        self.ids.id(usize::try_from(number).ok()?)
    }

    /// Whether the commit of a number is known to be new.
    pub(super) fn is_new(&self, number: u32) -> bool {
        usize::try_from(number).ok().and_then(|number| self.starts.get(number)).is_some_and(|start| *start != NONE)
    }

    fn small(&self, number: usize) -> Result<u32, WalkError> {
        u32::try_from(number).ok().filter(|number| *number != NONE).ok_or(WalkError::TooMany(self.new))
    }

    fn number(&mut self, id: Oid) -> Result<usize, WalkError> {
        let number = self.ids.insert(id).ok_or(WalkError::TooMany(self.new))?;
        if number >= self.starts.len() {
            self.starts.push(NONE);
        }
        Ok(number)
    }

    fn parents(&self, number: usize) -> Option<&[u32]> {
        let start = self.starts.get(number).filter(|start| **start != NONE)?;
        let (count, rest) = self.links.get(usize::try_from(*start).ok()?..)?.split_first()?;
        rest.get(..usize::try_from(*count).ok()?)
    }

    /// Orders the commits so that parents come first, by a depth-first walk from the tip that takes parents in their order.
    pub(super) fn in_order(mut self, tip: Oid) -> Result<NewCommits, WalkError> {
        let tip = self.number_of(tip)?;
        // Nothing is looked for by its id until each has its place.
        self.ids.forget_places();
        let total = self.ids.len();
        // The place of each: new ones from the front as they are done, and the boundary behind them.
        let mut to = vec![NONE; total];
        let (mut done, mut met) = (0_usize, self.new);
        let mut progress = Progress::of(total);
        let mut stack: Vec<u32> = vec![tip];
        while let Some(number) = stack.last().copied() {
            let place = usize::try_from(number).unwrap_or(usize::MAX);
            let Some(parents) = self.parents(place) else {
                stack.pop();
                if let Some(free) = to.get_mut(place).filter(|to| **to == NONE) {
                    *free = u32::try_from(met).unwrap_or(NONE);
                    met = met.saturating_add(1);
                }
                continue;
            };
            let next = progress.step(place);
            if let Some(parent) = parents.get(next) {
                let is_begun = usize::try_from(*parent).is_ok_and(|parent| progress.is_begun(parent));
                if !is_begun {
                    stack.push(*parent);
                }
            } else {
                stack.pop();
                if let Some(to) = to.get_mut(place) {
                    *to = u32::try_from(done).unwrap_or(NONE);
                    done = done.saturating_add(1);
                }
            }
        }
        drop((stack, progress));
        self.placed(to)
    }

    /// Gives each commit its place.
    fn placed(self, to: Vec<u32>) -> Result<NewCommits, WalkError> {
        let count = self.new;
        let place_of = |number: usize| to.get(number).and_then(|place| usize::try_from(*place).ok());
        // The number of each place.
        let mut from = vec![NONE; to.len()];
        for number in 0..to.len() {
            if let Some(slot) = place_of(number).and_then(|place| from.get_mut(place)) {
                *slot = u32::try_from(number).unwrap_or(NONE);
            }
        }
        let mut placed = Parents::with_capacity(count, self.links.len().saturating_sub(count));
        let (mut links, too_many) = (Vec::new(), || WalkError::TooMany(count));
        for (place, number) in from.iter().take(count).enumerate() {
            let parents = usize::try_from(*number).ok().and_then(|number| self.parents(number)).unwrap_or_default();
            links.clear();
            for parent in parents {
                let place = usize::try_from(*parent).ok().and_then(place_of);
                links.push(self.small(place.unwrap_or(usize::MAX))?);
            }
            placed.push(place, &links).ok_or_else(too_many)?;
        }
        placed.end().ok_or_else(too_many)?;
        drop(from);
        let Self { mut ids, starts: old, links: older, new: _, is_exact } = self;
        drop((old, older));
        ids.renumber(to);
        Ok(NewCommits { ids, count, parents: placed, is_exact })
    }
}

/// How many parents of each commit have been looked at: a byte for each, as few have many.
struct Progress {
    few: Vec<u8>,
    many: HashMap<usize, usize>,
}

impl Progress {
    fn of(commits: usize) -> Self {
        Self { few: vec![0; commits], many: HashMap::new() }
    }

    /// The parent that is next, by its position.
    fn step(&mut self, commit: usize) -> usize {
        let Some(few) = self.few.get_mut(commit) else { return usize::MAX };
        if *few < u8::MAX {
            let next = usize::from(*few);
            *few = few.saturating_add(1);
            return next;
        }
        let next = self.many.entry(commit).or_insert(usize::from(u8::MAX));
        *next = next.saturating_add(1);
        next.saturating_sub(1)
    }

    fn is_begun(&self, commit: usize) -> bool {
        self.few.get(commit).is_some_and(|few| *few > 0)
    }
}
