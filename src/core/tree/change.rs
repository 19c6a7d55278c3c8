//! What a commit does to its parent's tree, and the digest of it that seals bind (seal/FORMAT.md, "The change").
//!
//! The comparison is git's own merge walk over the entries of both trees as they are stored (tree-diff.c, `ll_diff_tree_paths`),
//! so that it says what `git diff-tree` says also of trees that git would not write today.

use std::cmp::Ordering;
use std::fmt::Write as _;
use std::rc::Rc;

use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::entry::{Entries, Entry, EntryMode, MalformedTree, Meeting};
use super::validity::{Glance, check};
use super::walk::WalkError;
use crate::core::digest::Digest;
use crate::core::limits;
use crate::core::objects::{ReadError, Trees};
use crate::core::oid::{ObjectFormat, Oid};

/// What stands at a path: the mode and the object.
pub type Value = (EntryMode, Oid);

/// One path whose entry differs between two trees, where the comparison meets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryDifference<'p> {
    /// The full path.
    pub path: &'p [u8],
    /// The old mode and object; `None` where the path is new.
    pub old: Option<Value>,
    /// The new mode and object; `None` where the path is gone.
    pub new: Option<Value>,
}

/// One path whose entry differs between two trees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The full path.
    pub path: Vec<u8>,
    /// The old mode and object; `None` where the path is new.
    pub old: Option<Value>,
    /// The new mode and object; `None` where the path is gone.
    pub new: Option<Value>,
}

impl Change {
    /// The same, borrowed.
    pub fn as_difference(&self) -> EntryDifference<'_> {
        EntryDifference { path: &self.path, old: self.old, new: self.new }
    }
}

/// All changes between two trees, in the order of the walk: by bytewise full path where both are as git writes them.
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
    /// Where the histories of a merge part cannot be told.
    #[error(transparent)]
    Walk(#[from] WalkError),
    /// More tree entries in all than [`limits::TREE_ENTRIES`].
    #[error("more than {} tree entries would have to be read", limits::TREE_ENTRIES)]
    OverBudget,
    /// More paths than [`limits::CHANGED_PATHS`].
    #[error("more than {} paths change", limits::CHANGED_PATHS)]
    TooMany,
}

/// Meets each change from one tree to another; `None` is the tree without entries, the parent of a root commit.
///
/// The old side is read as git reads it. The new side must be one that git would write, but for entries that stood on the old side
/// at that path with that mode and id.
///
/// # Errors
/// [`ChangeError`] if a tree that differs is missing, unreadable or malformed, or if there is too much to look at. What was met
/// before is then no answer.
pub fn each_change(
    trees: &dyn Trees,
    old: Option<Oid>,
    new: Oid,
    meet: &mut dyn FnMut(EntryDifference<'_>),
) -> Result<(), ChangeError> {
    if old == Some(new) {
        return Ok(());
    }
    Differ { trees, path: Path::default(), met: 0, meet }.trees(old, Some(new))
}

/// Lists what changes from one tree to another.
///
/// # Errors
/// As [`each_change`].
pub fn changes(trees: &dyn Trees, old: Option<Oid>, new: Oid) -> Result<Changes, ChangeError> {
    let mut found = Vec::new();
    each_change(trees, old, new, &mut |one| {
        found.push(Change { path: one.path.to_vec(), old: one.old, new: one.new });
    })?;
    Ok(found)
}

/// The change digest of a list: see [`ChangeDigest`].
pub fn digest(changes: &[Change], format: ObjectFormat) -> Digest {
    let mut digest = ChangeDigest::new(format);
    changes.iter().for_each(|change| digest.add(change.as_difference()));
    digest.finish()
}

/// Computes the change digest: SHA-256 over a domain tag and the exact bytes of
/// `git diff-tree -r -z --no-renames --no-abbrev --ignore-submodules=none OLD NEW`.
pub struct ChangeDigest {
    hash: Sha256,
    null: String,
    head: String,
}

impl ChangeDigest {
    /// The digest of no change, in a repository of this hash function.
    pub fn new(format: ObjectFormat) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"countersign-change-v1\0");
        Self { hash, null: "0".repeat(format.id_len() * 2), head: String::with_capacity(192) }
    }

    /// Adds the next change of the walk.
    pub fn add(&mut self, change: EntryDifference<'_>) {
        let mode = |side: Option<Value>| side.map_or("000000", |(mode, _)| mode.octal());
        let status = match (change.old, change.new) {
            (None, _) => "A",
            (_, None) => "D",
            (Some((old, _)), Some((new, _))) if old.differs_in_type(new) => "T",
            _ => "M",
        };
        self.head.clear();
        // Writing to a string cannot fail.
        let _ = write!(self.head, ":{} {} ", mode(change.old), mode(change.new));
        for side in [change.old, change.new] {
            let _ = match side {
                Some((_, id)) => write!(self.head, "{id} "),
                None => write!(self.head, "{} ", self.null),
            };
        }
        self.hash.update(self.head.as_bytes());
        self.hash.update(status.as_bytes());
        self.hash.update(b"\0");
        self.hash.update(change.path);
        self.hash.update(b"\0");
    }

    /// The digest of all that was added.
    pub fn finish(self) -> Digest {
        Digest::from_bytes(self.hash.finalize().into())
    }
}

/// The entry that a tree has at a path, as git reads it; `None` where it has none.
///
/// # Errors
/// As [`each_change`].
pub fn entry_at(trees: &dyn Trees, tree: Oid, path: &[u8]) -> Result<Option<Value>, ChangeError> {
    let mut found = Some((EntryMode::Directory, tree));
    for name in path.split(|byte| *byte == b'/') {
        let Some((EntryMode::Directory, tree)) = found else { return Ok(None) };
        let raw = trees.tree(tree)?;
        let malformed = |reason| ChangeError::Malformed { tree, reason };
        let mut entries = Entries::new(&raw, trees.format());
        found = None;
        while let Some(entry) = entries.advance().map_err(malformed)? {
            if entry.name == name {
                found = Some((entry.mode, entry.id));
                break;
            }
        }
    }
    Ok(found)
}

/// The path that a walk stands at.
#[derive(Default)]
pub(super) struct Path {
    bytes: Vec<u8>,
    depth: usize,
}

impl Path {
    /// A path to go on from.
    pub(super) fn at(bytes: &[u8]) -> Self {
        let depth = bytes.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).count();
        Self { bytes: bytes.to_vec(), depth }
    }

    /// Adds a component and returns how long the path was before.
    pub(super) fn enter(&mut self, name: &[u8]) -> Result<usize, MalformedTree> {
        let before = self.bytes.len();
        if before > 0 {
            self.bytes.push(b'/');
        }
        self.bytes.extend_from_slice(name);
        self.depth += 1;
        if self.depth > limits::TREE_DEPTH {
            Err(MalformedTree::TooDeep)
        } else if self.bytes.len() > limits::PATH_BYTES {
            Err(MalformedTree::PathTooLong)
        } else {
            Ok(before)
        }
    }

    /// Goes back to a path of this length.
    pub(super) fn leave(&mut self, before: usize) {
        self.bytes.truncate(before);
        self.depth = self.depth.saturating_sub(1);
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

struct Differ<'o, 'm> {
    trees: &'o dyn Trees,
    path: Path,
    met: usize,
    meet: &'m mut dyn FnMut(EntryDifference<'_>),
}

/// The raw bytes of a tree; none where there is no tree.
pub(super) fn raw_tree(trees: &dyn Trees, id: Option<Oid>) -> Result<Rc<Vec<u8>>, ReadError> {
    id.map_or_else(|| Ok(Rc::default()), |id| trees.tree(id))
}

impl Differ<'_, '_> {
    /// Compares two trees, of which there is at least one.
    fn trees(&mut self, old: Option<Oid>, new: Option<Oid>) -> Result<(), ChangeError> {
        let (old_raw, new_raw) = (raw_tree(self.trees, old)?, raw_tree(self.trees, new)?);
        let format = self.trees.format();
        let (before, after) = (Entries::new(&old_raw, format), Entries::new(&new_raw, format));
        let (mut left, mut right) = (before, after);
        let in_old = |reason| malformed(old, reason);
        let in_new = |reason| malformed(new, reason);
        let empty_tree = empty_tree(format);
        let mut glance = Glance::default();
        let mut entries = 0_usize;
        let (mut one, mut other) = (None, None);
        loop {
            if one.is_none() && other.is_none() {
                let alike = right.pass_alike(std::slice::from_mut(&mut left), |key| glance.kept(key));
                entries = entries.saturating_add(alike);
            }
            if one.is_none() {
                one = left.advance().map_err(in_old)?;
            }
            if other.is_none() {
                other = right.advance().map_err(in_new)?;
            }
            let Some(met) = Meeting::of(one.as_ref(), other.as_ref()) else { break };
            entries = entries.saturating_add(1);
            let old_entry = if met.order == Ordering::Greater { None } else { one.take() };
            let new_entry = if met.order == Ordering::Less { None } else { other.take() };
            match new_entry {
                Some(entry) if met.is_same => glance.kept(entry.sort_key()),
                Some(entry) => glance.fresh(&entry, empty_tree),
                None => {}
            }
            if !met.is_same {
                self.entries(old_entry.as_ref(), new_entry.as_ref()).map_err(|error| error.in_tree(new.or(old)))?;
            }
        }
        if glance.is_in_doubt() {
            check(before, after, empty_tree).map_err(in_new)?;
        }
        if self.trees.within_budget(entries) { Ok(()) } else { Err(ChangeError::OverBudget) }
    }

    /// Compares two entries at one place in git's order, so that both are directories or neither is; or meets one alone.
    fn entries(&mut self, old: Option<&Entry<'_>>, new: Option<&Entry<'_>>) -> Result<(), WalkFault> {
        let value = |entry: Option<&Entry<'_>>| entry.map(|entry| (entry.mode, entry.id));
        let (before, after) = (value(old), value(new));
        let Some(entry) = new.or(old).filter(|_| before != after) else { return Ok(()) };
        let length = self.path.enter(entry.name)?;
        if entry.is_directory() {
            self.trees(before.map(|(_, id)| id), after.map(|(_, id)| id))?;
        } else {
            self.met = self.met.saturating_add(1);
            if self.met > limits::CHANGED_PATHS {
                return Err(ChangeError::TooMany.into());
            }
            (self.meet)(EntryDifference { path: self.path.as_bytes(), old: before, new: after });
        }
        self.path.leave(length);
        Ok(())
    }
}

/// What stops a walk below an entry: an answer that names its tree, or one that has yet to.
pub(super) enum WalkFault {
    Change(ChangeError),
    Path(MalformedTree),
}

impl WalkFault {
    pub(super) fn in_tree(self, tree: Option<Oid>) -> ChangeError {
        match self {
            Self::Change(error) => error,
            Self::Path(reason) => malformed(tree, reason),
        }
    }
}

impl From<ChangeError> for WalkFault {
    fn from(error: ChangeError) -> Self {
        Self::Change(error)
    }
}

impl From<MalformedTree> for WalkFault {
    fn from(reason: MalformedTree) -> Self {
        Self::Path(reason)
    }
}

/// A fault in a tree. Without a tree there is none, but the walk must end.
pub(super) fn malformed(tree: Option<Oid>, reason: MalformedTree) -> ChangeError {
    tree.map_or(ChangeError::TooMany, |tree| ChangeError::Malformed { tree, reason })
}

/// The id of the tree without entries, which git knows without storing it (hash.c).
pub fn empty_tree(format: ObjectFormat) -> Oid {
    let hex: &[u8] = match format {
        ObjectFormat::Sha1 => b"4b825dc642cb6eb9a060e54bf8d69288fbee4904",
        ObjectFormat::Sha256 => b"6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
    };
    // Both are full ids; a test compares them with git's.
    Oid::parse(hex).unwrap_or_else(|| unreachable!("a constant that is no object id"))
}
