//! A tree with edits: how the outcome of a merge differs from our tree.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::scratch::Scratch;
use super::{Level, Stop};
use crate::core::objects::{Contents as _, ObjectKind, Trees as _};
use crate::core::oid::Oid;
use crate::core::tree::change::{ChangeError, Value, malformed, raw_tree};
use crate::core::tree::entry::{Entries, EntryMode};

/// What a path becomes. A file and a directory of one name do not touch each other; they may not both be left.
pub(super) struct Edit {
    path: Rc<[u8]>,
    what: What,
}

#[derive(Clone, Copy)]
enum What {
    File(Option<Value>),
    Directory(Option<Oid>),
}

impl Edit {
    /// A file, or none.
    pub(super) fn file(path: Rc<[u8]>, value: Option<Value>) -> Self {
        Self { path, what: What::File(value) }
    }

    /// A whole directory, or none.
    pub(super) fn directory(path: Rc<[u8]>, tree: Option<Oid>) -> Self {
        Self { path, what: What::Directory(tree) }
    }
}

/// Our tree with these edits.
pub(super) fn edited(scratch: &Scratch<'_>, tree: Oid, edits: &[Edit], level: Level) -> Result<Oid, Stop> {
    let below: Vec<(&[u8], What)> = edits.iter().map(|edit| (&*edit.path, edit.what)).collect();
    let whole = Editor { scratch, level }.directory(Some(tree), &below)?;
    Ok(whole.unwrap_or_else(|| crate::core::tree::empty_tree(scratch.format())))
}

struct Editor<'s, 'o> {
    scratch: &'s Scratch<'o>,
    level: Level,
}

/// What stands at one name of a directory, and what is done to it.
#[derive(Default)]
struct Slot<'e> {
    file: Option<Value>,
    directory: Option<Oid>,
    below: Vec<(&'e [u8], What)>,
    had_directory: bool,
}

impl Editor<'_, '_> {
    /// A directory with edits, or none where nothing is left in it.
    fn directory(&self, tree: Option<Oid>, edits: &[(&[u8], What)]) -> Result<Option<Oid>, Stop> {
        if edits.is_empty() {
            return Ok(tree);
        }
        let raw = raw_tree(self.scratch, tree)?;
        let mut slots: BTreeMap<&[u8], Slot<'_>> = BTreeMap::new();
        let mut entries = Entries::new(&raw, self.scratch.format());
        let mut count = 0_usize;
        while let Some(entry) = entries.advance().map_err(|reason| malformed(tree, reason))? {
            count = count.saturating_add(1);
            let slot = slots.entry(entry.name).or_default();
            if entry.is_directory() {
                (slot.directory, slot.had_directory) = (Some(entry.id), true);
            } else {
                slot.file = Some((entry.mode, entry.id));
            }
        }
        if !self.scratch.within_budget(count) {
            return Err(ChangeError::OverBudget.into());
        }
        for (path, what) in edits {
            match path.iter().position(|byte| *byte == b'/') {
                Some(slash) => {
                    let (name, rest) = path.split_at(slash);
                    let rest = rest.strip_prefix(b"/").unwrap_or(rest);
                    slots.entry(name).or_default().below.push((rest, *what));
                }
                None => {
                    let slot = slots.entry(path).or_default();
                    match what {
                        What::File(value) => slot.file = *value,
                        What::Directory(tree) => slot.directory = *tree,
                    }
                }
            }
        }
        self.written(slots)
    }

    fn written(&self, slots: BTreeMap<&[u8], Slot<'_>>) -> Result<Option<Oid>, Stop> {
        let mut written: BTreeMap<Vec<u8>, (EntryMode, Oid)> = BTreeMap::new();
        let mut moved: Vec<(Vec<u8>, Value)> = Vec::new();
        for (name, slot) in slots {
            let directory = self.directory(slot.directory, &slot.below)?;
            if let Some(id) = directory {
                // A directory sorts as if its name ended in a slash.
                written.insert([name, b"/"].concat(), (EntryMode::Directory, id));
            }
            match slot.file {
                Some(file) if directory.is_some() => {
                    self.level.refuse()?;
                    let side = if slot.had_directory { b"2" } else { b"1" };
                    moved.push(([name, b"~Temporary merge branch ", side].concat(), file));
                }
                Some(file) => drop(written.insert(name.to_vec(), file)),
                None => {}
            }
        }
        for (name, file) in moved {
            let taken =
                |name: &[u8]| written.contains_key(name) || written.contains_key([name, b"/"].concat().as_slice());
            let mut free = name.clone();
            let mut number = 0_usize;
            while taken(&free) {
                free = [name.as_slice(), b"_", number.to_string().as_bytes()].concat();
                number = number.saturating_add(1);
            }
            written.insert(free, file);
        }
        if written.is_empty() {
            return Ok(None);
        }
        let mut raw = Vec::new();
        for (key, (mode, id)) in &written {
            let name = key.strip_suffix(b"/").unwrap_or(key);
            raw.extend_from_slice(mode.written());
            raw.push(b' ');
            raw.extend_from_slice(name);
            raw.push(0);
            raw.extend_from_slice(id.as_bytes());
        }
        if self.level == Level::LAST {
            Ok(Some(self.scratch.id_of(ObjectKind::Tree, &raw)?))
        } else {
            self.scratch.keep(ObjectKind::Tree, raw).map(Some)
        }
    }
}
