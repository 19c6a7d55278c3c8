//! What becomes of each path of a merge: first what renames bring together, then each path by itself (git's merge-ort.c).

use std::collections::HashSet;
use std::rc::Rc;

use super::diff::Steps;
use super::directories::around;
use super::edit::{Edit, edited};
use super::renames::{Rename, Renames, renames};
use super::scratch::Scratch;
use super::sides::{Agreement, MergeRow, Moves, Origins, sides};
use super::similarity::Likeness;
use super::text::{self, Markers};
use super::{Level, Side, Stop, Three, Two};
use crate::core::limits;
use crate::core::objects::{Contents as _, ObjectKind};
use crate::core::oid::Oid;
use crate::core::tree::change::Value;
use crate::core::tree::entry::EntryMode;

/// The tree of merging these.
pub(super) fn merged(scratch: &Scratch<'_>, trees: Three<Oid>, level: Level) -> Result<Oid, Stop> {
    let Three { base, sides: Two { ours, theirs } } = trees;
    if base == ours || ours == theirs {
        return Ok(theirs);
    }
    if base == theirs {
        return Ok(ours);
    }
    let found = sides(scratch, trees)?;
    let mut merge = Merge { scratch, level, rows: found.rows };
    merge.follow_renames(&found.moves)?;
    let mut edits = found.edits;
    for row in &merge.rows {
        let value = merge.outcome(row)?;
        if value != row.in_ours {
            edits.push(Edit::file(Rc::clone(&row.path), value));
        }
    }
    edited(scratch, ours, &edits, level)
}

struct Merge<'s, 'o> {
    scratch: &'s Scratch<'o>,
    level: Level,
    rows: Vec<MergeRow>,
}

impl Merge<'_, '_> {
    fn follow_renames(&mut self, moves: &Two<Moves>) -> Result<(), Stop> {
        let empty = self.scratch.id_of(ObjectKind::Blob, b"")?;
        let mut likeness = Likeness::new(self.scratch);
        let mut found: Two<Renames> = Two::default();
        for side in Side::BOTH {
            if moves.of(side).matter() {
                *found.of_mut(side) = renames(&self.rows, side, moves.of(side), empty, &mut likeness)?;
            }
        }
        if self.level == Level::LAST {
            self.check_directories(moves, &found)?;
        }
        let mut all: Vec<(Rc<[u8]>, Side, Rename)> = Vec::new();
        for side in Side::BOTH {
            let path = |rename: &Rename| self.rows.get(rename.old).map(|row| Rc::clone(&row.path));
            all.extend(found.of(side).files.iter().filter_map(|rename| Some((path(rename)?, side, *rename))));
        }
        all.sort_by(|one, other| one.0.cmp(&other.0));
        let mut all = all.into_iter().map(|(_, side, rename)| (side, rename)).peekable();
        while let Some((side, rename)) = all.next() {
            match all.next_if(|(_, next)| next.old == rename.old) {
                Some((_, other)) => self.renamed_twice(rename.old, Two { ours: rename.new, theirs: other.new })?,
                None => self.renamed(side, rename)?,
            }
        }
        Ok(())
    }

    /// Git asks a person about a file that one side brought to a directory that the other renamed.
    fn check_directories(&self, moves: &Two<Moves>, found: &Two<Renames>) -> Result<(), Stop> {
        let mut renamed = Two { ours: found.ours.directories.renamed()?, theirs: found.theirs.directories.renamed()? };
        let by_both: Vec<&[u8]> =
            renamed.ours.keys().filter(|old| renamed.theirs.contains_key(*old)).copied().collect();
        for old in by_both {
            renamed.ours.remove(old);
            renamed.theirs.remove(old);
        }
        let new_paths = |side: Side| moves.of(side).new.iter().filter_map(|row| Some(&*self.rows.get(*row)?.path));
        let moved = |side: Side, path: &[u8]| {
            let (old, new) = around(path, renamed.of(side.other()))?;
            let rest = path.get(old.len()..).unwrap_or_default();
            let moved = [new, rest].concat();
            Some((new, if new.is_empty() { moved.get(1..).unwrap_or_default().to_vec() } else { moved }))
        };
        let arrivals =
            |side: Side| new_paths(side).filter_map(|path| Some(moved(side, path)?.1)).collect::<HashSet<_>>();
        let arrivals = Two { ours: arrivals(Side::Ours), theirs: arrivals(Side::Theirs) };
        for side in Side::BOTH {
            for path in new_paths(side) {
                let is_asked = || moved(side, path).is_some_and(|(new, _)| !renamed.of(side).contains_key(new));
                if !arrivals.of(side.other()).contains(path) && is_asked() {
                    return Err(Stop::Unclean);
                }
            }
        }
        Ok(())
    }

    /// Both sides renamed a file.
    fn renamed_twice(&mut self, old: usize, new: Two<usize>) -> Result<(), Stop> {
        let stage = |row: usize, take: fn(&MergeRow) -> Option<Value>| self.rows.get(row).and_then(take);
        let base = stage(old, |row| row.stages.base);
        if new.ours == new.theirs {
            self.change(new.ours, |row| row.stages.base = base);
            self.change(old, |row| row.is_gone = true);
            return Ok(());
        }
        self.level.refuse()?;
        let ours = stage(new.ours, |row| row.stages.sides.ours);
        let theirs = stage(new.theirs, |row| row.stages.sides.theirs);
        let (Some(one), Some(other)) = (ours, theirs) else { return Ok(()) };
        let origins = self.origins(Three::new(old, new.ours, new.theirs));
        let merged = self.content(base, one, other, origins.as_ref(), Nested::In)?;
        self.change(new.ours, |row| (row.stages.sides.ours, row.is_disputed) = (merged.value, true));
        // What is no text is not merged: each keeps its own.
        let theirs = if !merged.is_clean && merged.value == ours { theirs } else { merged.value };
        self.change(new.theirs, |row| (row.stages.sides.theirs, row.is_disputed) = (theirs, true));
        self.change(old, |row| row.is_disputed = true);
        Ok(())
    }

    /// One side renamed a file.
    fn renamed(&mut self, side: Side, Rename { old, new }: Rename) -> Result<(), Stop> {
        let other = side.other();
        let stages = |row: usize| self.rows.get(row).filter(|row| !row.is_gone).map(|row| row.stages);
        let (Some(source), Some(target)) = (stages(old), stages(new)) else { return Ok(()) };
        let (left, arrived) = (*source.sides.of(other), *target.sides.of(side));
        let is_regular = |value: Option<Value>| value.is_some_and(|(mode, _)| family(mode) == EntryMode::Blob);
        let changed_type = left.is_some() && is_regular(left) != is_regular(arrived);
        let collides = target.sides.of(other).is_some() && !changed_type;
        match (left, arrived) {
            (Some(left), Some(arrived)) if collides => {
                let origins = match side {
                    Side::Ours => self.origins(Three::new(old, new, old)),
                    Side::Theirs => self.origins(Three::new(old, old, new)),
                };
                let (ours, theirs) = match side {
                    Side::Ours => (arrived, left),
                    Side::Theirs => (left, arrived),
                };
                let merged = self.content(source.base, ours, theirs, origins.as_ref(), Nested::In)?;
                self.change(new, |row| *row.stages.sides.of_mut(side) = merged.value);
            }
            (None, _) if collides => {
                self.level.refuse()?;
                self.change(new, |row| row.is_disputed = true);
            }
            (None, _) => {
                self.level.refuse()?;
                let origins = self.origins(Three::new(old, new, new));
                self.change(new, |row| {
                    (row.stages.base, row.is_disputed, row.origins) = (source.base, true, origins);
                });
            }
            (Some(_), _) if changed_type => {
                let origins = self.origins(Three::new(old, new, new));
                self.change(new, |row| (row.stages.base, row.origins) = (source.base, origins));
                self.change(old, |row| row.stages.base = None);
                return Ok(());
            }
            (left, _) => {
                let origins = match side {
                    Side::Ours => self.origins(Three::new(old, new, old)),
                    Side::Theirs => self.origins(Three::new(old, old, new)),
                };
                self.change(new, |row| {
                    (row.stages.base, row.origins) = (source.base, origins);
                    *row.stages.sides.of_mut(other) = left;
                });
            }
        }
        self.change(old, |row| row.is_gone = true);
        Ok(())
    }

    fn change(&mut self, row: usize, how: impl FnOnce(&mut MergeRow)) {
        if let Some(row) = self.rows.get_mut(row) {
            how(row);
        }
    }

    fn origins(&self, rows: Three<usize>) -> Option<Origins> {
        let path = |row: usize| self.rows.get(row).map(|row| Rc::clone(&row.path));
        Some(Rc::new(Three::new(path(rows.base)?, path(rows.sides.ours)?, path(rows.sides.theirs)?)))
    }

    /// What a path becomes.
    fn outcome(&self, row: &MergeRow) -> Result<Option<Value>, Stop> {
        if row.is_gone {
            return Ok(None);
        }
        let Three { base, sides: Two { ours, theirs } } = row.stages;
        let settled = match row.agreement {
            Agreement::None => None,
            Agreement::Sides => Some(ours),
            Agreement::Unchanged(side) => Some(*row.stages.sides.of(side.other())),
        };
        if let Some(value) = settled {
            if row.is_disputed && value.is_some() {
                self.level.refuse()?;
            }
            return Ok(value);
        }
        if row.is_disputed {
            self.level.refuse()?;
        }
        match (base, ours, theirs) {
            (_, Some((one, _)), Some((other, _))) if family(one) != family(other) => {
                self.level.refuse()?;
                Ok(base)
            }
            (_, Some(ours), Some(theirs)) => {
                Ok(self.content(base, ours, theirs, row.origins.as_ref(), Nested::Not)?.value)
            }
            (Some(_), Some(_), None) | (Some(_), None, Some(_)) => {
                self.level.refuse()?;
                Ok(base)
            }
            (None, only, None) | (None, None, only) => Ok(only),
            (Some(_), None, None) => Ok(None),
        }
    }

    /// Merges two files, links or submodules.
    fn content(
        &self,
        base: Option<Value>,
        ours: Value,
        theirs: Value,
        origins: Option<&Origins>,
        nested: Nested,
    ) -> Result<MergedEntry, Stop> {
        let base_mode = base.map(|(mode, _)| mode);
        let (mode, agrees) = if ours.0 == theirs.0 || Some(ours.0) == base_mode {
            (theirs.0, true)
        } else {
            (ours.0, Some(theirs.0) == base_mode)
        };
        if !agrees {
            self.level.refuse()?;
        }
        let base_id = base.map(|(_, id)| id);
        let id = if ours.1 == theirs.1 || Some(ours.1) == base_id {
            theirs.1
        } else if Some(theirs.1) == base_id {
            ours.1
        } else {
            match family(ours.0) {
                EntryMode::Blob | EntryMode::Executable => {
                    let base = base.filter(|(mode, _)| family(*mode) == EntryMode::Blob).map(|(_, id)| id);
                    self.text(base, Two { ours: ours.1, theirs: theirs.1 }, origins, nested)?
                }
                EntryMode::Submodule => {
                    self.level.refuse()?;
                    let is_alike = base_mode == Some(EntryMode::Submodule);
                    let value = if is_alike { base.map(|(_, id)| (mode, id)) } else { base };
                    return Ok(MergedEntry { value, is_clean: false });
                }
                EntryMode::Symlink | EntryMode::Directory => {
                    self.level.refuse()?;
                    return Ok(MergedEntry { value: base, is_clean: false });
                }
            }
        };
        Ok(MergedEntry { value: Some((mode, id)), is_clean: agrees })
    }

    fn text(&self, base: Option<Oid>, sides: Two<Oid>, origins: Option<&Origins>, nested: Nested) -> Result<Oid, Stop> {
        let read = |id: Oid| {
            let content = self.scratch.content(id, limits::MERGED_BYTES)?;
            self.charge(content.len())?;
            Ok::<_, Stop>(content)
        };
        let base_content = base.map(read).transpose()?.unwrap_or_default();
        let (ours, theirs) = (read(sides.ours)?, read(sides.theirs)?);
        if [&base_content, &ours, &theirs].into_iter().any(|content| text::is_binary(content)) {
            self.level.refuse()?;
            return base.map_or_else(|| self.scratch.keep(ObjectKind::Blob, Vec::new()), Ok);
        }
        let markers = (self.level != Level::LAST).then(|| self.markers(origins, nested));
        let versions = Three::new(base_content.as_slice(), ours.as_slice(), theirs.as_slice());
        let mut steps = Steps(limits::MERGE_STEPS);
        let merged = text::merged(versions, markers.as_ref(), &mut steps);
        self.charge(limits::MERGE_STEPS.saturating_sub(steps.0) / limits::MERGE_STEPS_A_BYTE)?;
        let text::Merged::File(merged) = merged else { return Err(Stop::Unclean) };
        if self.level == Level::LAST {
            Ok(self.scratch.id_of(ObjectKind::Blob, &merged)?)
        } else {
            self.scratch.keep(ObjectKind::Blob, merged)
        }
    }

    fn charge(&self, bytes: usize) -> Result<(), Stop> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        if self.scratch.within_merge_budget(bytes) { Ok(()) } else { Err(Stop::Unclean) }
    }

    fn markers(&self, origins: Option<&Origins>, nested: Nested) -> Markers {
        /// The length of git's markers, before what is added where conflicts may lie in conflicts.
        const SIZE: usize = 7;
        let label = |name: &[u8], path: Option<&Rc<[u8]>>| match path {
            Some(path) => [name, b":", path].concat(),
            None => name.to_vec(),
        };
        Markers {
            size: SIZE + 2 * self.level.0 + usize::from(nested == Nested::In),
            ours: label(b"Temporary merge branch 1", origins.map(|paths| &paths.sides.ours)),
            theirs: label(b"Temporary merge branch 2", origins.map(|paths| &paths.sides.theirs)),
        }
    }
}

/// What merging two entries gives.
struct MergedEntry {
    value: Option<Value>,
    is_clean: bool,
}

/// Whether another merge of the same file will have this one's conflicts in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Nested {
    In,
    Not,
}

/// All files are of one kind, whether they can be executed or not.
fn family(mode: EntryMode) -> EntryMode {
    if mode == EntryMode::Executable { EntryMode::Blob } else { mode }
}
