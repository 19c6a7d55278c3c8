//! What deciding reads of a repository: its objects and its history, as traits. A store answers from git's files, a test from memory.

use std::path::PathBuf;
use std::rc::Rc;

use thiserror::Error;

use crate::core::oid::{ObjectFormat, Oid};

/// The type of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectKind {
    /// File content.
    Blob,
    /// A directory.
    Tree,
    /// A commit.
    Commit,
    /// An annotated tag.
    Tag,
}

impl ObjectKind {
    /// Git's name for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Blob => "blob",
            Self::Tree => "tree",
            Self::Commit => "commit",
            Self::Tag => "tag",
        }
    }
}

/// Why something could not be read. It always means that no decision is possible.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The object database itself cannot be opened.
    #[error("cannot open the object directory {0}")]
    Open(PathBuf, #[source] std::io::Error),
    /// No store has the object.
    #[error("object {0} is missing")]
    Missing(Oid),
    /// A store has the object but reading it failed.
    #[error("object {0} cannot be read: {1}")]
    Unreadable(Oid, String),
    /// The object is of another type than its use requires.
    #[error("object {id} is a {found}, not a {wanted}")]
    WrongKind {
        /// The object.
        id: Oid,
        /// What it is.
        found: &'static str,
        /// What it had to be.
        wanted: &'static str,
    },
    /// The object is over its ceiling.
    #[error("object {id} has {size} bytes, more than the {limit} that are read")]
    TooLarge {
        /// The object.
        id: Oid,
        /// Its size.
        size: u64,
        /// The ceiling, from [`crate::core::limits`].
        limit: u64,
    },
    /// An object cannot be stored.
    #[error("the object cannot be stored: {0}")]
    Write(String),
    /// Refs cannot be read.
    #[error("refs cannot be read: {0}")]
    Refs(String),
}

/// Trees, by their ids.
pub trait Trees {
    /// The repository's hash function.
    fn format(&self) -> ObjectFormat;

    /// The raw bytes of a tree. The tree without entries is known without being stored.
    ///
    /// # Errors
    /// [`ReadError`], also where the object is no tree or larger than [`crate::core::limits::TREE_BYTES`].
    fn tree(&self, id: Oid) -> Result<Rc<Vec<u8>>, ReadError>;

    /// Counts tree entries that were read. `false` once there are more than [`crate::core::limits::TREE_ENTRIES`].
    fn within_budget(&self, entries: usize) -> bool;
}

/// What trees and commits name, and the ids that objects have.
pub trait Contents: Trees {
    /// The raw bytes of a blob of at most `limit` bytes.
    ///
    /// # Errors
    /// [`ReadError`], also where the object is no blob or larger than that.
    fn content(&self, id: Oid, limit: u64) -> Result<Rc<Vec<u8>>, ReadError>;

    /// The size of a blob in bytes, without reading it.
    ///
    /// # Errors
    /// [`ReadError`] if it is missing, unreadable or no blob.
    fn size(&self, id: Oid) -> Result<u64, ReadError>;

    /// The tree of a commit.
    ///
    /// # Errors
    /// [`ReadError`] if the commit is missing or unreadable.
    fn tree_of(&self, commit: Oid) -> Result<Oid, ReadError>;

    /// The id that an object of this content has. Nothing is stored.
    ///
    /// # Errors
    /// [`ReadError::Write`] if SHA-1 finds the content to be part of a collision attack.
    fn id_of(&self, kind: ObjectKind, content: &[u8]) -> Result<Oid, ReadError>;

    /// Counts work of merging, in bytes that were read. `false` once there are more than
    /// [`crate::core::limits::MERGED_BYTES_IN_ALL`].
    fn within_merge_budget(&self, bytes: u64) -> bool;
}

/// What a walk needs of one commit.
#[derive(Clone, Debug)]
pub struct GraphNode {
    /// The parents in order.
    pub parents: Rc<[Oid]>,
    /// The topological level: above that of every parent. [`GraphNode::OUTSIDE`] where no commit-graph has the commit.
    pub generation: u32,
    /// The committer's date in seconds. Whoever wrote the commit chose it: it orders a walk, it decides nothing.
    pub seconds: u64,
}

impl GraphNode {
    /// The generation of a commit that no commit-graph has: it counts as the highest.
    pub const OUTSIDE: u32 = u32::MAX;

    /// Whether a commit-graph had it, which is cheaper than its object.
    pub fn is_indexed(&self) -> bool {
        self.generation != Self::OUTSIDE
    }

    /// Whether its level tells that it lies above its parents. Old versions of git wrote 0 for all (commit-graph-format).
    pub fn has_level(&self) -> bool {
        self.is_indexed() && self.generation != 0
    }
}

/// The history of one repository, with what one push brings.
pub trait Graph {
    /// Whether this push brought the commit and the repository did not have it before: then no ref reached it.
    fn is_incoming(&self, id: Oid) -> bool;

    /// Any commit. A cache such as git's commit-graph may answer.
    ///
    /// # Errors
    /// [`ReadError`] if it is missing or unreadable.
    fn node(&self, id: Oid) -> Result<GraphNode, ReadError>;

    /// A commit as its object has it, such as one that is incoming.
    ///
    /// # Errors
    /// As [`Graph::node`].
    fn object_node(&self, id: Oid) -> Result<GraphNode, ReadError>;
}
