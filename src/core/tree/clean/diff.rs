//! Which lines two versions of a file do not share, as git tells for a merge: histogram diff (JGit's HistogramDiff, git's
//! xdiff/xhistogram.c), each change then moved to where it stands best (xdiff/xdiffi.c, `xdl_change_compact`).
//!
//! Lines are numbers here: equal lines have equal ones. Steps are counted, so that no file can be made to take long.

use std::ops::Range;

/// A change from one sequence of lines to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hunk {
    pub(super) old: Range<usize>,
    pub(super) new: Range<usize>,
}

/// The steps that diffs may still take.
pub(super) struct Steps(pub(super) usize);

impl Steps {
    fn take(&mut self) -> Option<()> {
        self.take_all(1)
    }

    fn take_all(&mut self, steps: usize) -> Option<()> {
        self.0 = self.0.checked_sub(steps)?;
        Some(())
    }
}

/// The changes in order. `None` where they take too many steps, or where a region shares only lines that it is full of: git then
/// turns to its other algorithm, which it did in 1 of 4,463 merges of its own history.
pub(super) fn hunks(old: &[u32], new: &[u32], lines: usize, steps: &mut Steps) -> Option<Vec<Hunk>> {
    steps.take_all(lines)?;
    let mut changed = Changed { old: vec![false; old.len()], new: vec![false; new.len()] };
    let mut histogram = Histogram {
        old,
        new,
        first: vec![NOWHERE; lines],
        count: vec![0; lines],
        next: vec![NOWHERE; old.len()],
        steps,
    };
    let mut regions = vec![Region { old: 0..old.len(), new: 0..new.len() }];
    while let Some(region) = regions.pop() {
        if region.old.is_empty() || region.new.is_empty() {
            changed.mark(&region);
            continue;
        }
        match histogram.common(&region)? {
            Common::Nothing => changed.mark(&region),
            Common::Lines(common) => {
                regions
                    .push(Region { old: region.old.start..common.old.start, new: region.new.start..common.new.start });
                regions.push(Region { old: common.old.end..region.old.end, new: common.new.end..region.new.end });
            }
            Common::Everywhere => return None,
        }
    }
    compact(&mut changed.old, old, &changed.new, steps)?;
    compact(&mut changed.new, new, &changed.old, steps)?;
    Some(changed.hunks())
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Region {
    old: Range<usize>,
    new: Range<usize>,
}

struct Changed {
    old: Vec<bool>,
    new: Vec<bool>,
}

impl Changed {
    fn mark(&mut self, region: &Region) {
        self.old.get_mut(region.old.clone()).unwrap_or_default().fill(true);
        self.new.get_mut(region.new.clone()).unwrap_or_default().fill(true);
    }

    fn hunks(&self) -> Vec<Hunk> {
        let mut hunks = Vec::new();
        let (mut old, mut new) = (0, 0);
        loop {
            let (old_end, new_end) = (end_of_group(&self.old, old), end_of_group(&self.new, new));
            if old_end > old || new_end > new {
                hunks.push(Hunk { old: old..old_end, new: new..new_end });
            }
            if old_end >= self.old.len() || new_end >= self.new.len() {
                return hunks;
            }
            (old, new) = (old_end + 1, new_end + 1);
        }
    }
}

/// Where the changed lines end that begin here, if any do.
fn end_of_group(changed: &[bool], start: usize) -> usize {
    let length = changed.get(start..).unwrap_or_default().iter().take_while(|changed| **changed).count();
    start.saturating_add(length)
}

/// What two regions have in common.
enum Common {
    Nothing,
    /// The longest run of lines around those that are rarest in the old region.
    Lines(Region),
    /// Only lines that the old region is full of.
    Everywhere,
}

const NOWHERE: usize = usize::MAX;

/// Where each line stands in a region of the old sequence.
struct Histogram<'l, 's> {
    old: &'l [u32],
    new: &'l [u32],
    /// By line, its first place, and how often it stands there.
    first: Vec<usize>,
    count: Vec<usize>,
    /// By place, the next one of the same line.
    next: Vec<usize>,
    steps: &'s mut Steps,
}

impl Histogram<'_, '_> {
    /// A line that stands more often in the old region is not worth looking for.
    const OFTEN: usize = 64;

    fn common(&mut self, region: &Region) -> Option<Common> {
        self.fill(region)?;
        let found = self.search(region);
        for place in region.old.clone() {
            let line = line(self.old, place);
            if let (Some(first), Some(count)) = (self.first.get_mut(line), self.count.get_mut(line)) {
                (*first, *count) = (NOWHERE, 0);
            }
        }
        found
    }

    fn fill(&mut self, region: &Region) -> Option<()> {
        for place in region.old.clone().rev() {
            self.steps.take()?;
            let line = line(self.old, place);
            let (first, count) = (self.first.get_mut(line)?, self.count.get_mut(line)?);
            *self.next.get_mut(place)? = *first;
            (*first, *count) = (place, count.saturating_add(1));
        }
        Some(())
    }

    fn search(&mut self, region: &Region) -> Option<Common> {
        let mut best: Option<Region> = None;
        let (mut rarest, mut has_common) = (Self::OFTEN + 1, false);
        let mut place = region.new.start;
        while place < region.new.end {
            self.steps.take()?;
            let mut ahead = place + 1;
            let count = self.count_of(line(self.new, place));
            has_common |= count > 0;
            let mut at = if count > rarest { NOWHERE } else { self.first_of(line(self.new, place)) };
            while at != NOWHERE {
                let (run, rarity) = self.run(region, at, place, count)?;
                ahead = ahead.max(run.new.end);
                let is_longer = best.as_ref().map_or(1, |best| best.old.len()) < run.old.len();
                let after = run.old.end;
                if is_longer || rarity < rarest {
                    (best, rarest) = (Some(run), rarity);
                }
                // What stands within this run would be the same run, moved.
                at = self.next_of(at);
                while at != NOWHERE && at < after {
                    self.steps.take()?;
                    at = self.next_of(at);
                }
            }
            place = ahead;
        }
        Some(match best {
            _ if has_common && rarest > Self::OFTEN => Common::Everywhere,
            Some(best) => Common::Lines(best),
            None => Common::Nothing,
        })
    }

    /// The longest run of common lines through a place of both, and how often its rarest line stands in the old region.
    fn run(&mut self, region: &Region, old: usize, new: usize, count: usize) -> Option<(Region, usize)> {
        let (mut start, mut end) = ((old, new), (old, new));
        let mut rarity = count;
        while start.0 > region.old.start && start.1 > region.new.start {
            self.steps.take()?;
            let before = (start.0 - 1, start.1 - 1);
            if line(self.old, before.0) != line(self.new, before.1) {
                break;
            }
            start = before;
            rarity = rarity.min(self.count_of(line(self.old, start.0)));
        }
        while end.0 + 1 < region.old.end && end.1 + 1 < region.new.end {
            self.steps.take()?;
            let after = (end.0 + 1, end.1 + 1);
            if line(self.old, after.0) != line(self.new, after.1) {
                break;
            }
            end = after;
            rarity = rarity.min(self.count_of(line(self.old, end.0)));
        }
        Some((Region { old: start.0..end.0 + 1, new: start.1..end.1 + 1 }, rarity))
    }

    fn count_of(&self, line: usize) -> usize {
        self.count.get(line).copied().unwrap_or(0)
    }

    fn first_of(&self, line: usize) -> usize {
        self.first.get(line).copied().unwrap_or(NOWHERE)
    }

    fn next_of(&self, place: usize) -> usize {
        self.next.get(place).copied().unwrap_or(NOWHERE)
    }
}

fn line(lines: &[u32], place: usize) -> usize {
    lines.get(place).and_then(|line| usize::try_from(*line).ok()).unwrap_or(NOWHERE)
}

/// A run of changed lines, which may be none, between two that are not.
#[derive(Clone, Copy)]
struct ChangedLines {
    start: usize,
    end: usize,
}

impl ChangedLines {
    fn first(changed: &[bool]) -> Self {
        Self { start: 0, end: end_of_group(changed, 0) }
    }

    fn is_empty(self) -> bool {
        self.start == self.end
    }

    fn next(self, changed: &[bool]) -> Option<Self> {
        let start = self.end.checked_add(1).filter(|_| self.end < changed.len())?;
        Some(Self { start, end: end_of_group(changed, start) })
    }

    fn previous(self, changed: &[bool]) -> Option<Self> {
        let end = self.start.checked_sub(1)?;
        Some(Self { start: start_of_group(changed, end), end })
    }

    /// One line up, if the line before it is its last; with what it then touches.
    fn up(self, changed: &mut [bool], lines: &[u32]) -> Option<Self> {
        let (before, last) = (self.start.checked_sub(1)?, self.end.checked_sub(1)?);
        if lines.get(before)? != lines.get(last)? {
            return None;
        }
        *changed.get_mut(last)? = false;
        *changed.get_mut(before)? = true;
        Some(Self { start: start_of_group(changed, before), end: last })
    }

    /// One line down, if the line after it is its first; with what it then touches.
    fn down(self, changed: &mut [bool], lines: &[u32]) -> Option<Self> {
        if lines.get(self.start)? != lines.get(self.end)? {
            return None;
        }
        *changed.get_mut(self.start)? = false;
        *changed.get_mut(self.end)? = true;
        Some(Self { start: self.start + 1, end: end_of_group(changed, self.end) })
    }
}

fn start_of_group(changed: &[bool], end: usize) -> usize {
    let length = changed.get(..end).unwrap_or_default().iter().rev().take_while(|changed| **changed).count();
    end.saturating_sub(length)
}

/// Moves each change to where it stands best: joined with others that it can touch, beside a change of the other version if it can,
/// else as far down as it goes.
fn compact(changed: &mut [bool], lines: &[u32], other: &[bool], steps: &mut Steps) -> Option<()> {
    let (mut group, mut beside) = (ChangedLines::first(changed), ChangedLines::first(other));
    loop {
        if !group.is_empty() {
            let (highest, mut last_beside);
            loop {
                let size = group.end - group.start;
                while let Some(up) = group.up(changed, lines) {
                    steps.take()?;
                    (group, beside) = (up, beside.previous(other)?);
                }
                let end = group.end;
                last_beside = !beside.is_empty();
                while let Some(down) = group.down(changed, lines) {
                    steps.take()?;
                    (group, beside) = (down, beside.next(other)?);
                    last_beside |= !beside.is_empty();
                }
                if group.end - group.start == size {
                    highest = end;
                    break;
                }
            }
            if group.end != highest && last_beside {
                while beside.is_empty() {
                    steps.take()?;
                    (group, beside) = (group.up(changed, lines)?, beside.previous(other)?);
                }
            }
        }
        match (group.next(changed), beside.next(other)) {
            (Some(next), Some(next_beside)) => (group, beside) = (next, next_beside),
            _ => return Some(()),
        }
    }
}
