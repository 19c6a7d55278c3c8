//! What a commit does to its parent's tree, and the digest of it that seals bind (design.md 4.2).

use std::cmp::Ordering;
use std::collections::HashSet;

use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::objects::{Objects, ReadError};
use super::tree::{Entry, EntryMode, MalformedTree, parse_tree};
use crate::core::digest::Digest;
use crate::core::limits;
use crate::core::oid::Oid;

/// One path whose entry differs between two trees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The full path.
    pub path: Vec<u8>,
    /// The old mode and object; `None` where the path is new.
    pub old: Option<(EntryMode, Oid)>,
    /// The new mode and object; `None` where the path is gone.
    pub new: Option<(EntryMode, Oid)>,
}

/// All changes between two trees, by bytewise full path.
pub type Changes = Vec<Change>;

/// Why no change can be told.
#[derive(Debug, Error)]
pub enum ChangeError {
    /// A tree cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A tree is not canonical.
    #[error("tree {tree}: {reason}")]
    Malformed {
        /// The tree.
        tree: Oid,
        /// What is wrong with it.
        reason: MalformedTree,
    },
    /// More tree entries in all than [`limits::TREE_ENTRIES`].
    #[error("more than {} tree entries would have to be read", limits::TREE_ENTRIES)]
    OverBudget,
    /// More paths than [`limits::CHANGED_PATHS`].
    #[error("more than {} paths change", limits::CHANGED_PATHS)]
    TooMany,
}

/// Lists what changes from one tree to another; `None` is the tree without entries, the parent of a root commit.
///
/// # Errors
/// [`ChangeError`] if a tree that differs is missing, unreadable or not canonical, or if there is too much to list.
pub fn changes(objects: &Objects, old: Option<Oid>, new: Oid) -> Result<Changes, ChangeError> {
    let mut differ = Differ { objects, path: Vec::new(), depth: 0, found: Vec::new() };
    if old != Some(new) {
        differ.trees(old, Some(new))?;
    }
    Ok(differ.found)
}

/// The change digest: SHA-256 over a domain tag and the exact bytes of
/// `git diff-tree -r -z --no-renames --no-abbrev --ignore-submodules=none OLD NEW`.
pub fn digest(changes: &[Change], null: Oid) -> Digest {
    let mut hash = Sha256::new();
    hash.update(b"countersign-change-v1\0");
    let zeroes = "0".repeat(null.as_bytes().len() * 2);
    let mut line = Vec::with_capacity(256);
    for change in changes {
        line.clear();
        let side = |side: Option<(EntryMode, Oid)>| match side {
            Some((mode, id)) => (mode.octal(), id.to_string()),
            None => ("000000", zeroes.clone()),
        };
        let ((old_mode, old_id), (new_mode, new_id)) = (side(change.old), side(change.new));
        let status = match (change.old, change.new) {
            (None, _) => "A",
            (_, None) => "D",
            (Some((old, _)), Some((new, _))) if old.differs_in_type(new) => "T",
            _ => "M",
        };
        for part in [":", old_mode, " ", new_mode, " ", &old_id, " ", &new_id, " ", status, "\0"] {
            line.extend_from_slice(part.as_bytes());
        }
        line.extend_from_slice(&change.path);
        line.push(0);
        hash.update(&line);
    }
    Digest::from_bytes(hash.finalize().into())
}

/// The paths at which a merge differs from every parent: what it added of its own.
///
/// # Errors
/// As [`changes`].
pub fn own_entries(objects: &Objects, parents: &[Oid], tree: Oid) -> Result<Changes, ChangeError> {
    let Some((first, others)) = parents.split_first() else { return changes(objects, None, tree) };
    let mut own = changes(objects, Some(*first), tree)?;
    for parent in others {
        if own.is_empty() {
            break;
        }
        let differing: HashSet<Vec<u8>> =
            changes(objects, Some(*parent), tree)?.into_iter().map(|change| change.path).collect();
        own.retain(|change| differing.contains(&change.path));
    }
    Ok(own)
}

/// The entry that a tree has at a path; `None` where it has none.
///
/// # Errors
/// As [`changes`].
pub fn entry_at(objects: &Objects, tree: Oid, path: &[u8]) -> Result<Option<(EntryMode, Oid)>, ChangeError> {
    let mut found = Some((EntryMode::Directory, tree));
    for name in path.split(|byte| *byte == b'/') {
        let Some((EntryMode::Directory, tree)) = found else { return Ok(None) };
        let raw = objects.tree(tree)?;
        let entries = parse_tree(&raw, objects.format()).map_err(|reason| ChangeError::Malformed { tree, reason })?;
        found = entries.iter().find(|entry| entry.name == name).map(|entry| (entry.mode, entry.id));
    }
    Ok(found)
}

struct Differ<'o> {
    objects: &'o Objects,
    path: Vec<u8>,
    depth: usize,
    found: Changes,
}

/// Which side of the comparison a path stands on alone.
#[derive(Clone, Copy)]
enum Side {
    Old,
    New,
}

impl Differ<'_> {
    fn trees(&mut self, old: Option<Oid>, new: Option<Oid>) -> Result<(), ChangeError> {
        let raw = |id: Option<Oid>| id.map(|id| self.objects.tree(id)).transpose();
        let (old_raw, new_raw) = (raw(old)?, raw(new)?);
        let old_entries = self.entries(old, old_raw.as_ref().map(|raw| raw.as_slice()))?;
        let new_entries = self.entries(new, new_raw.as_ref().map(|raw| raw.as_slice()))?;
        self.depth += 1;
        if self.depth > limits::TREE_DEPTH {
            let tree = new.or(old).ok_or(ChangeError::TooMany)?;
            return Err(ChangeError::Malformed { tree, reason: MalformedTree::TooDeep });
        }
        // Both lists are in git's order, so one pass over both meets equal names together.
        let (mut left, mut right) = (old_entries.iter().peekable(), new_entries.iter().peekable());
        loop {
            let order = match (left.peek(), right.peek()) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(old), Some(new)) => old.order(new),
            };
            match order {
                Ordering::Less => self.alone(left.next(), Side::Old)?,
                Ordering::Greater => self.alone(right.next(), Side::New)?,
                Ordering::Equal => self.both(left.next(), right.next())?,
            }
        }
        self.depth -= 1;
        Ok(())
    }

    fn entries<'r>(&self, id: Option<Oid>, raw: Option<&'r [u8]>) -> Result<Vec<Entry<'r>>, ChangeError> {
        let (Some(tree), Some(raw)) = (id, raw) else { return Ok(Vec::new()) };
        let entries =
            parse_tree(raw, self.objects.format()).map_err(|reason| ChangeError::Malformed { tree, reason })?;
        if self.objects.within_budget(entries.len()) { Ok(entries) } else { Err(ChangeError::OverBudget) }
    }

    fn alone(&mut self, entry: Option<&Entry<'_>>, side: Side) -> Result<(), ChangeError> {
        let Some(entry) = entry else { return Ok(()) };
        self.at(entry.name, |differ| {
            let value = Some((entry.mode, entry.id));
            match (side, entry.mode) {
                (Side::Old, EntryMode::Directory) => differ.trees(Some(entry.id), None),
                (Side::New, EntryMode::Directory) => differ.trees(None, Some(entry.id)),
                (Side::Old, _) => differ.push(value, None),
                (Side::New, _) => differ.push(None, value),
            }
        })
    }

    fn both(&mut self, old: Option<&Entry<'_>>, new: Option<&Entry<'_>>) -> Result<(), ChangeError> {
        let (Some(old), Some(new)) = (old, new) else { return Ok(()) };
        if (old.mode, old.id) == (new.mode, new.id) {
            return Ok(());
        }
        self.at(new.name, |differ| {
            // Equal in git's order means both are directories or neither is.
            if new.mode == EntryMode::Directory {
                differ.trees(Some(old.id), Some(new.id))
            } else {
                differ.push(Some((old.mode, old.id)), Some((new.mode, new.id)))
            }
        })
    }

    fn at(&mut self, name: &[u8], look: impl FnOnce(&mut Self) -> Result<(), ChangeError>) -> Result<(), ChangeError> {
        let length = self.path.len();
        if length > 0 {
            self.path.push(b'/');
        }
        self.path.extend_from_slice(name);
        look(self)?;
        self.path.truncate(length);
        Ok(())
    }

    fn push(&mut self, old: Option<(EntryMode, Oid)>, new: Option<(EntryMode, Oid)>) -> Result<(), ChangeError> {
        if self.found.len() >= limits::CHANGED_PATHS {
            return Err(ChangeError::TooMany);
        }
        self.found.push(Change { path: self.path.clone(), old, new });
        Ok(())
    }
}
