//! Which files one side renamed, found as git finds them (diffcore-rename.c): those of the same content first, then those that kept
//! their name, then the most alike.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::rc::Rc;

use super::Stop;
use super::directories::Directories;
use super::sides::{MergeRow, Moves, Relevance, name};
use super::similarity::{Likeness, RENAME, RENAME_BY_NAME};
use super::{Side, Three};
use crate::core::limits;
use crate::core::oid::Oid;
use crate::core::tree::change::Value;
use crate::core::tree::entry::EntryMode;

/// A file that went from one row to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rename {
    pub(super) old: usize,
    pub(super) new: usize,
}

/// What a side renamed.
#[derive(Default)]
pub(super) struct Renames {
    pub(super) files: Vec<Rename>,
    pub(super) directories: Directories,
}

/// Finds the renames of one side. `empty` is the id of the file without content: such are everywhere, and say nothing.
///
/// # Errors
/// [`Stop::Unclean`] where there is too much to compare.
pub(super) fn renames(
    rows: &[MergeRow],
    side: Side,
    moves: &Moves,
    empty: Oid,
    likeness: &mut Likeness<'_, '_>,
) -> Result<Renames, Stop> {
    let end = |row: usize, value: fn(&Three<Option<Value>>, Side) -> Option<Value>, relevance| {
        let found = rows.get(row)?;
        let value = value(&found.stages, side).filter(|(_, id)| *id != empty)?;
        Some(End { row, path: Rc::clone(&found.path), value, relevance, is_paired: false })
    };
    let old = moves.gone.iter().filter_map(|(row, relevance)| end(*row, |stages, _| stages.base, *relevance));
    let new = moves.new.iter().filter_map(|row| end(*row, |stages, side| *stages.sides.of(side), Relevance::None));
    let mut search = RenameSearch { old: old.collect(), new: new.collect(), renames: Renames::default() };
    search.renames.directories = Directories::new(&moves.directories);
    search.identical();
    search.renames.directories.guess();
    search.of_one_name(likeness)?;
    search.leave_out_decided();
    search.alike(likeness)?;
    Ok(search.renames)
}

/// A file that a side no longer has, or a new one.
struct End {
    row: usize,
    path: Rc<[u8]>,
    value: Value,
    relevance: Relevance,
    is_paired: bool,
}

impl End {
    fn is_regular(&self) -> bool {
        matches!(self.value.0, EntryMode::Blob | EntryMode::Executable)
    }

    fn is_open(&self) -> bool {
        !self.is_paired && self.relevance != Relevance::None
    }
}

struct RenameSearch {
    old: Vec<End>,
    new: Vec<End>,
    renames: Renames,
}

impl RenameSearch {
    /// How many files of the same content are looked at for each new one.
    const IDENTICAL: usize = 100;

    fn pair(&mut self, old: usize, new: usize) {
        if let (Some(old), Some(new)) = (self.old.get_mut(old), self.new.get_mut(new)) {
            (old.is_paired, new.is_paired) = (true, true);
            self.renames.files.push(Rename { old: old.row, new: new.row });
            self.renames.directories.count(&old.path, &new.path);
        }
    }

    fn identical(&mut self) {
        let mut by_id: HashMap<Oid, Vec<usize>> = HashMap::new();
        for (index, old) in self.old.iter().enumerate() {
            by_id.entry(old.value.1).or_default().push(index);
        }
        for index in 0..self.new.len() {
            let Some(new) = self.new.get(index) else { break };
            let same = by_id.get(&new.value.1).map(Vec::as_slice).unwrap_or_default();
            let fits = |old: &End| {
                let same_type = old.value.0 == new.value.0 || old.is_regular() && new.is_regular();
                !old.is_paired && same_type
            };
            let candidates = same.iter().filter_map(|old| Some((*old, self.old.get(*old)?)));
            let mut candidates = candidates.filter(|(_, old)| fits(old)).take(Self::IDENTICAL).peekable();
            let first = candidates.peek().map(|(old, _)| *old);
            let of_name = candidates.find(|(_, old)| name(&old.path) == name(&new.path)).map(|(old, _)| old);
            if let Some(old) = of_name.or(first) {
                self.pair(old, index);
            }
        }
    }

    /// Pairs what is alike and has the same name as one other only, or lies where its directory seems to have gone.
    fn of_one_name(&mut self, likeness: &mut Likeness<'_, '_>) -> Result<(), Stop> {
        let (old_names, new_names) = (names(&self.old), names(&self.new));
        let new_paths: HashMap<Rc<[u8]>, usize> =
            self.open_new().map(|(index, new)| (Rc::clone(&new.path), index)).collect();
        for index in 0..self.old.len() {
            let Some(old) = self.old.get(index).filter(|old| old.is_open()) else { continue };
            let Some(of_name) = new_names.get(name(&old.path)) else { continue };
            let new = match (old_names.get(name(&old.path)), of_name) {
                (Some(Some(_)), Some(new)) => Some(*new),
                _ => {
                    let guessed = self.renames.directories.guessed(&old.path);
                    guessed.and_then(|path| new_paths.get(path.as_slice()).copied())
                }
            };
            let Some((place, new)) = new.and_then(|new| Some((new, self.new.get(new)?))) else { continue };
            if !new.is_paired && score(old, new, likeness)? >= RENAME_BY_NAME {
                self.pair(index, place);
            }
        }
        Ok(())
    }

    fn open_new(&self) -> impl Iterator<Item = (usize, &End)> {
        self.new.iter().enumerate().filter(|(_, new)| !new.is_paired)
    }

    /// Leaves out the files that would only tell again where their directory went.
    fn leave_out_decided(&mut self) {
        let open: Vec<&[u8]> = self.old.iter().filter(|old| old.is_open()).map(|old| &*old.path).collect();
        let is_located = |old: &&End| old.is_open() && old.relevance == Relevance::Location;
        let located: Vec<&[u8]> = self.old.iter().filter(is_located).map(|old| &*old.path).collect();
        let decided = self.renames.directories.decided(&open, &located);
        let located = self.old.iter_mut().filter(|old| old.is_open() && old.relevance == Relevance::Location);
        for (old, is_decided) in located.zip(decided) {
            if is_decided {
                old.relevance = Relevance::None;
            }
        }
    }

    /// Pairs the most alike.
    fn alike(&mut self, likeness: &mut Likeness<'_, '_>) -> Result<(), Stop> {
        let old: Vec<(usize, &End)> = self.old.iter().enumerate().filter(|(_, old)| old.is_open()).collect();
        let new: Vec<(usize, &End)> = self.open_new().collect();
        if old.len().saturating_mul(new.len()) > limits::RENAME_PAIRS {
            return Err(Stop::Unclean);
        }
        let mut all = Vec::new();
        for (new_index, new) in new {
            let mut best = Best::default();
            for (old_index, old) in &old {
                let score = score(old, new, likeness)?;
                let has_name = name(&old.path) == name(&new.path);
                best.offer(Candidate { old: *old_index, new: new_index, rank: (score, has_name) });
            }
            all.extend(best.0.into_iter().flatten());
        }
        all.sort_by_key(|candidate| Reverse(candidate.rank));
        for Candidate { old, new, .. } in all.into_iter().filter(|candidate| candidate.rank.0 >= RENAME) {
            let is_free = |end: Option<&End>| end.is_some_and(|end| !end.is_paired);
            if is_free(self.old.get(old)) && is_free(self.new.get(new)) {
                self.pair(old, new);
            }
        }
        Ok(())
    }
}

/// The index of each file that has a name alone; `None` where several have it.
fn names(ends: &[End]) -> HashMap<Vec<u8>, Option<usize>> {
    let mut names: HashMap<Vec<u8>, Option<usize>> = HashMap::new();
    for (index, end) in ends.iter().enumerate().filter(|(_, end)| !end.is_paired) {
        names.entry(name(&end.path).to_vec()).and_modify(|several| *several = None).or_insert(Some(index));
    }
    names
}

fn score(old: &End, new: &End, likeness: &mut Likeness<'_, '_>) -> Result<u64, Stop> {
    if old.is_regular() && new.is_regular() { likeness.score(old.value.1, new.value.1) } else { Ok(0) }
}

#[derive(Clone, Copy)]
struct Candidate {
    old: usize,
    new: usize,
    /// The likeness, and whether the name is the same.
    rank: (u64, bool),
}

/// The few best of one new file. Where one drops out, the better takes its place, so that of equals the order is git's.
#[derive(Default)]
struct Best([Option<Candidate>; 4]);

impl Best {
    fn offer(&mut self, candidate: Candidate) {
        let rank = |slot: &Option<Candidate>| slot.map(|candidate| candidate.rank);
        // The first of the worst.
        if let Some(worst) = self.0.iter_mut().reduce(|worst, slot| if rank(slot) < rank(worst) { slot } else { worst })
            && rank(worst) < Some(candidate.rank)
        {
            *worst = Some(candidate);
        }
    }
}
