//! Refs in tables (gitformat-reftable, Documentation/technical/reftable), read and never written.
//!
//! A stack of tables, the newest last, is what the file `tables.list` names. What a newer table says of a ref hides what older ones
//! say. Git writes a table for each transaction and makes one of several as it goes, so that the list is read again whenever it has
//! changed. Blocks of logs and of objects are passed over.

mod block;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod stack;
mod table;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use super::environment::GitDir;
use super::refs::{Each, Stored, Target};
use crate::core::digest::Digest;
use crate::core::objects::ReadError;
use crate::core::oid::{ObjectFormat, Oid};
use block::Value;
use stack::Stack;

/// Why a table cannot be read.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error("{0}")]
    Malformed(&'static str),
    #[error("its blocks are too large to be read beside so many other tables; git pack-refs --all makes one of them")]
    TooLarge,
}

/// The refs of a repository whose refs are tables, as one of its worktrees sees them.
pub(super) struct Reftable {
    shared: Stack,
    /// Those of a linked worktree.
    own: Option<Stack>,
}

impl Reftable {
    /// Whether a repository keeps its refs in tables. Git leaves a HEAD there that no other repository can have (refs.c,
    /// `refs_create_refdir_stubs`).
    ///
    /// # Errors
    /// [`ReadError::Refs`] where that cannot be told.
    pub(super) fn is_at(dir: &GitDir) -> Result<bool, ReadError> {
        let read = |path: &str| std::fs::read(dir.common_dir.join(path));
        let head = read("HEAD").map_err(|error| ReadError::Refs(format!("HEAD: {error}")))?;
        let is_elsewhere = head.trim_ascii_end() == b"ref: refs/heads/.invalid";
        let has_tables = dir.common_dir.join("reftable").is_dir();
        match (is_elsewhere, has_tables) {
            (true, true) if !read("refs/heads").is_ok_and(|stub| stub.starts_with(b"repository uses alternate")) => Ok(true),
            (true, _) => Err(ReadError::Refs(
                "refs are kept where extensions.refStorage says, and only those of the repository's own directory are read".into(),
            )),
            (false, true) => Err(ReadError::Refs(
                "there are both a directory reftable and a HEAD of a repository that keeps its refs in files; \
                 extensions.refStorage says to git which it is, and the other must go"
                    .into(),
            )),
            (false, false) => Ok(false),
        }
    }

    pub(super) fn open(dir: &GitDir, format: ObjectFormat) -> Self {
        let stack = |git_dir: &std::path::Path| Stack::at(git_dir.join("reftable"), format);
        let own = (dir.git_dir != dir.common_dir).then(|| stack(&dir.git_dir));
        Self { shared: stack(&dir.common_dir), own }
    }

    /// Each worktree has refs of its own (gitrepository-layout(5); refs.c, `is_per_worktree_ref`).
    fn stack_of(&self, name: &[u8]) -> &Stack {
        self.own.as_ref().filter(|_| is_of_worktree(name)).unwrap_or(&self.shared)
    }

    /// What is stored for one ref.
    pub(super) fn find(&self, name: &[u8]) -> Result<Option<Target>, ReadError> {
        Ok(self.stack_of(name).find(name)?.and_then(stored).map(|stored| stored.target))
    }

    /// Hands over all refs whose names begin so, by name.
    pub(super) fn each(&self, prefix: &[u8], each: Each<'_, Stored>) -> Result<(), ReadError> {
        for stack in self.stacks() {
            stack.loaded()?.each(prefix, 0, &mut |name, value| match stored(value) {
                Some(stored) if std::ptr::eq(self.stack_of(name), stack) => each(name, stored),
                _ => Ok(()),
            })?;
        }
        Ok(())
    }

    fn stacks(&self) -> impl Iterator<Item = &Stack> {
        [&self.shared].into_iter().chain(&self.own)
    }

    /// The names of symbolic refs at or below a place.
    pub(super) fn symbolic_names(&self, place: &str, found: &mut BTreeSet<Vec<u8>>) -> Result<(), ReadError> {
        if !place.ends_with('/') {
            found.insert(place.into());
            return Ok(());
        }
        for stack in self.stacks() {
            stack.loaded()?.symbolic_names(place.as_bytes(), found)?;
        }
        Ok(())
    }

    /// The refs of the small tables at the top of the stack, and something that differs whenever what the others say of refs does, or a
    /// small one hides what they say.
    pub(super) fn recent(&self) -> Result<(String, BTreeMap<Vec<u8>, Oid>), ReadError> {
        let loaded = self.shared.loaded()?;
        let (older, from) = loaded.older();
        let (mut values, mut hidden) = (BTreeMap::new(), Vec::new());
        loaded.each(b"refs/", from, &mut |name, value| {
            match value {
                Value::Id { id, .. } => drop(values.insert(name.to_vec(), id)),
                Value::Deletion | Value::Symbolic(_) => hidden.extend([name, b"\n"].concat()),
            }
            Ok(())
        })?;
        Ok((format!("reftable {} {}", Digest::of(older.as_bytes()), Digest::of(&hidden)), values))
    }
}

fn is_of_worktree(name: &[u8]) -> bool {
    let own: [&[u8]; 3] = [b"refs/bisect/", b"refs/worktree/", b"refs/rewritten/"];
    !name.starts_with(b"refs/") || own.iter().any(|own| name.starts_with(own))
}

fn stored(value: Value) -> Option<Stored> {
    match value {
        Value::Deletion => None,
        Value::Id { id, peeled } => Some(Stored { target: Target::Id(id), peeled }),
        Value::Symbolic(name) => Some(Stored { target: Target::Symbolic(name), peeled: None }),
    }
}
