//! The only place that names gix: objects (quarantine first), refs, trees, changes and the walk over new commits.
//!
//! A pushed object is read from the bytes git received and from nowhere else: replace refs, grafts and repository-local
//! configuration are never consulted. An object that is missing or cannot be read is a
//! [`ReadError`](crate::core::objects::ReadError), never "nothing to check".

#![expect(clippy::disallowed_methods, reason = "repositories are files")]

mod environment;
mod files;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod graph;
mod index;
mod objects;
mod refs;
pub(crate) mod reftable;

pub use environment::{GitDir, Quarantine};
pub use graph::History;
pub use index::written_tree;
pub use objects::{Objects, Stores, commit_id};
pub use refs::{PeeledRef, Refs, SymbolicRef, peel};
