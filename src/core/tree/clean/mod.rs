//! What git makes of merging two commits: the tree, where there is no conflict.
//!
//! It follows git's default strategy (`ort`; git's Documentation/merge-strategies and technical/directory-rename-detection): each
//! side's renames are found as git finds them, two versions of a file are merged by its histogram diff, several merge bases are
//! merged into a virtual one first, conflicts and all. Where git stops for a person there is no tree, nor where there is more to
//! look at than [`crate::core::limits`] allows. As in a bare repository, attributes are not read and submodules not looked into.
//!
//! Why our own: what is asked is whether git would have made this very tree, and neither library can tell. Of 20,000 generated merges
//! (`cargo bench --bench merges`, seeds 1 and 2) git 2.47 makes 8,326 cleanly:
//!
//! | | the same tree | clean only for git | clean only here | clean, but another tree |
//! |---|---|---|---|---|
//! | this module | 8,326 | 0 | 0 | 0 |
//! | gix-merge 0.23 | 7,978 | 302 | 421 | 46 |
//! | libgit2 1.9 | 7,981 | 273 | 584 | 72 |
//!
//! and of 4,463 in git's own history 3,716, as we do. Both libraries find renames by another likeness, put merge bases together in
//! another way and do not ask where a directory went. libgit2 is C over hostile bytes and knows no SHA-256; gix-merge compares any
//! two candidates by a full diff. Here all work is counted. A merge costs 0.7 ms, in git 0.7 to 1.1.
//!
//! A merge that git calls clean while it says CONFLICT counts as a conflict: a rename that meets the same file on the other side,
//! which loses what one of them changed.

mod diff;
mod directories;
mod edit;
mod entries;
mod renames;
mod scratch;
mod sides;
mod similarity;
mod text;

#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use self::scratch::Scratch;
use super::bases::merge_bases;
use super::change::ChangeError;
use super::empty_tree;
use super::walk::{WalkError, WalkLimits};
use crate::core::limits;
use crate::core::objects::{Contents, Graph, GraphNode, ObjectKind, ReadError};
use crate::core::oid::Oid;

/// Whether a commit is nothing but the merge of its two parents: its tree is what git makes of them without a conflict.
///
/// # Errors
/// As [`merged_tree`].
pub fn is_clean_merge(
    contents: &dyn Contents,
    graph: &dyn Graph,
    commit: Oid,
    parents: &[Oid],
    limits: WalkLimits,
) -> Result<bool, ChangeError> {
    let [ours, theirs] = parents else { return Ok(false) };
    let tree = merged_tree(contents, graph, *ours, *theirs, limits)?;
    Ok(tree.is_some() && tree == Some(contents.tree_of(commit)?))
}

/// The tree that git makes of merging the second commit into the first. `None` where it is not for us to tell: they share no
/// history, there is a conflict, or there is too much to look at.
///
/// # Errors
/// [`ChangeError`] if an object is missing or unreadable, or a budget of the push is used up.
pub fn merged_tree(
    contents: &dyn Contents,
    graph: &dyn Graph,
    ours: Oid,
    theirs: Oid,
    limits: WalkLimits,
) -> Result<Option<Oid>, ChangeError> {
    let scratch = Scratch::new(contents);
    let merger = Merger {
        scratch: &scratch,
        history: Virtual::over(graph),
        limits,
        bases_left: Cell::new(limits::VIRTUAL_BASES),
    };
    match merger.commits(ours, theirs, Level::LAST) {
        Ok(tree) => Ok(Some(tree)),
        Err(Stop::Unclean) => Ok(None),
        Err(Stop::Fault(error)) => Err(error),
    }
}

/// Why a merge has no tree.
enum Stop {
    /// It takes a person, or too much work.
    Unclean,
    /// It cannot be told.
    Fault(ChangeError),
}

impl From<ChangeError> for Stop {
    fn from(error: ChangeError) -> Self {
        match error {
            // What git would not have written, git does not merge as we would.
            ChangeError::Malformed { .. } | ChangeError::TooMany => Self::Unclean,
            error @ (ChangeError::Read(_) | ChangeError::Walk(_) | ChangeError::OverBudget) => Self::Fault(error),
        }
    }
}

impl From<ReadError> for Stop {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::TooLarge { .. } => Self::Unclean,
            error => Self::Fault(error.into()),
        }
    }
}

impl From<WalkError> for Stop {
    fn from(error: WalkError) -> Self {
        Self::Fault(error.into())
    }
}

/// One of the two sides of a merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Ours,
    Theirs,
}

impl Side {
    const BOTH: [Self; 2] = [Self::Ours, Self::Theirs];

    fn other(self) -> Self {
        match self {
            Self::Ours => Self::Theirs,
            Self::Theirs => Self::Ours,
        }
    }
}

/// Something of each side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Two<T> {
    ours: T,
    theirs: T,
}

impl<T> Two<T> {
    fn of(&self, side: Side) -> &T {
        match side {
            Side::Ours => &self.ours,
            Side::Theirs => &self.theirs,
        }
    }

    fn of_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::Ours => &mut self.ours,
            Side::Theirs => &mut self.theirs,
        }
    }
}

/// Something of the merge base and of each side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Three<T> {
    base: T,
    sides: Two<T>,
}

impl<T> Three<T> {
    fn new(base: T, ours: T, theirs: T) -> Self {
        Self { base, sides: Two { ours, theirs } }
    }

    fn map<U>(&self, each: impl Fn(&T) -> U) -> Three<U> {
        Three::new(each(&self.base), each(&self.sides.ours), each(&self.sides.theirs))
    }
}

/// How far a merge is from the one that was asked for: 0 is that, 1 makes its merge base, 2 the merge base of that, and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Level(usize);

impl Level {
    const LAST: Self = Self(0);

    fn below(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Git's own merge ends at a conflict. One that makes a merge base goes on, with the conflict in it.
    fn refuse(self) -> Result<(), Stop> {
        if self == Self::LAST { Err(Stop::Unclean) } else { Ok(()) }
    }
}

struct Merger<'o> {
    scratch: &'o Scratch<'o>,
    history: Virtual<'o>,
    limits: WalkLimits,
    bases_left: Cell<usize>,
}

impl Merger<'_> {
    fn commits(&self, ours: Oid, theirs: Oid, level: Level) -> Result<Oid, Stop> {
        // A merge base is worth less of a search.
        let reads = if level == Level::LAST { self.limits.reads } else { self.limits.reads.min(limits::VIRTUAL_READS) };
        let found = match merge_bases(&self.history, &[ours, theirs], WalkLimits { reads, ..self.limits }) {
            Err(WalkError::TooFar(_)) if level != Level::LAST => return Err(Stop::Unclean),
            found => found?,
        };
        let mut bases = Vec::new();
        for base in found {
            bases.push((self.history.node(base)?.seconds, base));
        }
        // Git merges the oldest first.
        bases.sort_by_key(|(seconds, _)| *seconds);
        let mut bases = bases.into_iter().map(|(_, base)| base);
        let base = match bases.next() {
            Some(first) => {
                let whole = bases.try_fold(first, |made, next| self.virtual_base(made, next, level.below()))?;
                self.tree_of(whole)?
            }
            None => {
                level.refuse()?;
                empty_tree(ours.format())
            }
        };
        let trees = Three::new(base, self.tree_of(ours)?, self.tree_of(theirs)?);
        self::entries::merged(self.scratch, trees, level)
    }

    /// The merge of two merge bases, as a commit.
    fn virtual_base(&self, ours: Oid, theirs: Oid, level: Level) -> Result<Oid, Stop> {
        let left = self.bases_left.get().checked_sub(1).ok_or(Stop::Unclean)?;
        self.bases_left.set(left);
        let tree = self.commits(ours, theirs, level)?;
        let name = format!("merge base {left} of {ours} and {theirs}");
        let commit = self.scratch.id_of(ObjectKind::Commit, name.as_bytes())?;
        self.history.add(commit, Rc::new([ours, theirs]), tree);
        Ok(commit)
    }

    fn tree_of(&self, commit: Oid) -> Result<Oid, ReadError> {
        match self.history.tree_of(commit) {
            Some(tree) => Ok(tree),
            None => self.scratch.tree_of(commit),
        }
    }
}

/// History with the commits that merge bases were merged into.
struct Virtual<'g> {
    graph: &'g dyn Graph,
    made: RefCell<HashMap<Oid, Made>>,
}

/// A commit that was made of two.
struct Made {
    parents: Rc<[Oid]>,
    tree: Oid,
}

impl<'g> Virtual<'g> {
    fn over(graph: &'g dyn Graph) -> Self {
        Self { graph, made: RefCell::default() }
    }

    fn add(&self, commit: Oid, parents: Rc<[Oid]>, tree: Oid) {
        self.made.borrow_mut().insert(commit, Made { parents, tree });
    }

    fn tree_of(&self, commit: Oid) -> Option<Oid> {
        self.made.borrow().get(&commit).map(|made| made.tree)
    }
}

impl Graph for Virtual<'_> {
    fn is_incoming(&self, id: Oid) -> bool {
        self.graph.is_incoming(id)
    }

    fn node(&self, id: Oid) -> Result<GraphNode, ReadError> {
        match self.made.borrow().get(&id) {
            Some(made) => {
                Ok(GraphNode { parents: Rc::clone(&made.parents), generation: GraphNode::OUTSIDE, seconds: u64::MAX })
            }
            None => self.graph.node(id),
        }
    }

    fn object_node(&self, id: Oid) -> Result<GraphNode, ReadError> {
        self.graph.object_node(id)
    }
}
