//! What would land on a ref, and what an approval covers of it.
//!
//! Somebody approves commits on a branch; what lands may be those commits, or others made of them. An approval covers, on its own ref and
//! in its own repository:
//!
//! - **by id**: a new commit that it names;
//! - **a rebase**: consecutive single-parent steps of the mainline with the changes and messages that it names, in its order, all of them
//!   and none empty;
//! - **a squash**: a step whose change is the approval's combined change. Of one commit it keeps the message
//!   ([`crate::core::commit::Wording`]); of several it has its own;
//! - **a merge**: a step that does the combined change, or is nothing but the merge of its parents, and whose brought-in commits are
//!   covered by id.
//!
//! So an extra commit and its revert never ride along, and a merge cannot take back what the target had. An approval lands whole, in one
//! push, or covers nothing: commits that are on the ref already count as landed. The agents whose seals land are among those that it
//! approves. It lands once: what has landed as a rebase, squash or merge covers nothing any more, and what has landed by id covers those
//! ids.
//!
//! What lands by content stands in the place of approved commits: who made those made it. The approval's own module says which bytes it
//! holds, [`crate::core::decide`] who may give it, and [`near()`] what is said where one nearly fits.

mod coverage;
mod evidence;
mod near;
mod steps;

#[cfg(test)]
mod tests;

pub use coverage::{Carried, Coverage, Use, concerns, coverage, stand_ins};
pub use evidence::Evidence;
pub use near::{NearMiss, near};
pub use steps::{brought, carries};

use std::collections::{BTreeMap, BTreeSet};

use crate::core::commit::Wording;
use crate::core::digest::Digest;
use crate::core::oid::Oid;

/// What lands on a ref with one update.
#[derive(Clone, Debug, Default)]
pub struct Landing {
    /// The mainline, the oldest step first.
    pub steps: Vec<MainlineStep>,
    /// All new commits.
    pub new: BTreeMap<Oid, Content>,
    /// Commits that approvals name and that the ref has already, or gets from where they were judged.
    pub already: BTreeSet<Oid>,
    /// The messages of approved commits that a service may have made others of, as far as they are in the repository.
    pub approved: BTreeMap<Oid, Wording>,
    /// Approved commits and new ones of the same message and another change, with a path that both change, each to something else.
    /// `None` where the approved one is not in the repository.
    pub moved: BTreeMap<(Oid, Oid), Option<Vec<u8>>>,
}

/// One commit of the mainline.
#[derive(Clone, Debug)]
pub struct MainlineStep {
    /// The commit.
    pub commit: Oid,
    /// Its change against its mainline parent. `None` where a tree is malformed.
    pub change: Option<Digest>,
    /// What else it brings in; `None` for a commit with one parent.
    pub merge: Option<Brought>,
    /// What its message says; looked at where a record may be about it.
    pub wording: Wording,
    /// Who made it.
    pub made_by: MadeBy,
}

/// Whether a commit's message is that of a person or agent, or a service's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MadeBy {
    /// A person or an agent, as far as anybody knows.
    #[default]
    Somebody,
    /// A service.
    Service,
}

/// What a merge brings in besides its mainline parent.
#[derive(Clone, Debug)]
pub struct Brought {
    /// The new commits that it reaches and its mainline parent does not.
    pub commits: BTreeSet<Oid>,
    /// Whether it is known to be nothing but the merge of its parents.
    pub is_clean: bool,
}

/// What a new commit is.
#[derive(Clone, Debug)]
pub struct Content {
    /// Its change against its first parent. `None` where a tree is malformed.
    pub change: Option<Digest>,
    /// Whether it changes nothing.
    pub is_empty: bool,
    /// The digest of its message without its seal blocks.
    pub message: Digest,
    /// The agents whose seals or signatures it has.
    pub agents: BTreeSet<String>,
}
