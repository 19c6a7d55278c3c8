//! The only place that names gix and libgit2: objects (quarantine first), refs, trees, changes and the walk over new commits.
//!
//! A pushed object is read from the bytes git received and from nowhere else: replace refs, grafts and repository-local
//! configuration are never consulted. An object that is missing or cannot be read is a [`ReadError`], never "nothing to check".

#![allow(clippy::disallowed_methods)]

mod change;
mod environment;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod graph;
mod mainline;
mod merge;
mod objects;
mod refs;
mod tree;
mod walk;

pub use change::{Change, ChangeError, Changes, changes, digest, entry_at, own_entries};
pub use environment::{GitDir, Quarantine};
pub use graph::History;
pub use mainline::{Step, mainline};
pub use merge::{Merge, MergeBase, is_clean_merge, merge_base};
pub use objects::{Kind, Objects, ReadError, Stores};
pub use refs::{PeeledRef, Refs, peel};
pub use tree::{Entry, EntryMode, MalformedTree};
pub use walk::{NewCommits, WalkError, WalkLimits, new_commits};
