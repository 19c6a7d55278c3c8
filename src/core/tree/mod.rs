//! Trees and history as algorithms over [`crate::core::objects`]: what changes, what is new, where histories part, and what a merge
//! adds of its own.

mod bases;
mod change;
mod clean;
mod entry;
#[cfg(any(test, feature = "fuzzing"))]
mod fuzzing;
mod id_table;
mod lineage;
mod mainline;
mod merge;
mod new_commits;
mod validity;
mod walk;
mod walked;

#[cfg(test)]
pub(crate) mod memory;
#[cfg(test)]
mod tests;

pub use bases::{contains, merge_bases};
pub use change::{
    Change, ChangeDigest, ChangeError, Changes, EntryDifference, Value, changes, digest, each_change, empty_tree,
    entry_at,
};
pub use clean::{is_clean_merge, merged_tree};
pub use entry::{EntryMode, MalformedTree};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use fuzzing::strict_entries;
pub use lineage::Lineage;
pub use mainline::{MainlineCommit, mainline, mainline_end, on_mainline};
pub use merge::{MergeTrees, each_own_entry};
pub use new_commits::NewCommits;
pub use walk::{Walk, WalkError, WalkLimits, new_commits};
