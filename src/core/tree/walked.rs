//! What walks have read of history, by number: one merge after another is looked at in what the ones before have read.

use std::cell::{RefCell, RefMut};

use super::bases::Reached;
use super::id_table::IdTable;
use super::walk::WalkError;
use crate::core::objects::{Graph, ReadError};
use crate::core::oid::Oid;

/// Commits that are kept from one walk to the next, of some 70 bytes each.
const KEPT: usize = 1 << 15;

/// History, with what was read of it.
pub(super) struct WalkedHistory<'g> {
    graph: &'g dyn Graph,
    commits: RefCell<Option<Commits>>,
}

impl<'g> WalkedHistory<'g> {
    /// None of it is read yet.
    pub(super) fn new(graph: &'g dyn Graph) -> Self {
        Self { graph, commits: RefCell::new(None) }
    }

    pub(super) fn graph(&self) -> &'g dyn Graph {
        self.graph
    }

    /// What is known, for a walk in the repository of this commit, which nothing reaches yet.
    pub(super) fn begin(&self, commit: Oid) -> RefMut<'_, Commits> {
        let mut commits = self.commits.borrow_mut();
        if commits.as_ref().is_some_and(|commits| commits.nodes.len() > KEPT) {
            *commits = None;
        }
        RefMut::map(commits, |commits| {
            let commits = commits.get_or_insert_with(|| Commits::new(commit));
            commits.forget_walk();
            commits
        })
    }
}

/// Commits by number, with how far one walk has come.
pub(super) struct Commits {
    ids: IdTable,
    nodes: Vec<Node>,
    /// The numbers of the parents of one commit after the other.
    links: Vec<u32>,
    touched: Vec<usize>,
}

/// One of them.
#[derive(Clone, Copy, Default)]
pub(super) struct Node {
    /// Its level and date, as [`crate::core::objects::GraphNode`] has them.
    pub(super) generation: u32,
    pub(super) seconds: u64,
    /// Whether it was cheaper to read than its object.
    pub(super) is_indexed: bool,
    /// Whether its level tells that it lies above its parents.
    pub(super) has_level: bool,
    /// What reaches it in the walk.
    pub(super) reached: Reached,
    /// Whether the walk will look at it.
    pub(super) is_queued: bool,
    /// Where its parents stand, once it is read.
    parents: Option<(u32, u32)>,
}

impl Commits {
    fn new(commit: Oid) -> Self {
        Self { ids: IdTable::new(commit.format()), nodes: Vec::new(), links: Vec::new(), touched: Vec::new() }
    }

    fn forget_walk(&mut self) {
        for number in self.touched.drain(..) {
            if let Some(node) = self.nodes.get_mut(number) {
                (node.reached, node.is_queued) = (Reached::default(), false);
            }
        }
    }

    /// The number of a commit.
    pub(super) fn number(&mut self, id: Oid) -> Result<usize, WalkError> {
        let number = self.ids.insert(id).ok_or(ReadError::Missing(id))?;
        if number >= self.nodes.len() {
            self.nodes.push(Node::default());
        }
        Ok(number)
    }

    /// The commit of a number.
    pub(super) fn id(&self, number: usize) -> Option<Oid> {
        self.ids.id(number)
    }

    /// What is known of a commit that has been met.
    pub(super) fn node(&mut self, number: usize) -> Option<&mut Node> {
        self.nodes.get_mut(number)
    }

    /// Reads a commit, if it has not been. Whether the walk meets it for the first time.
    pub(super) fn meet(&mut self, graph: &dyn Graph, number: usize) -> Result<bool, WalkError> {
        let Some(node) = self.nodes.get(number).copied() else { return Ok(false) };
        if let Some(id) = self.ids.id(number).filter(|_| node.parents.is_none()) {
            self.read(graph, number, id)?;
        }
        let is_first = node.reached == Reached::default();
        if is_first {
            self.touched.push(number);
        }
        Ok(is_first)
    }

    fn read(&mut self, graph: &dyn Graph, number: usize, id: Oid) -> Result<(), WalkError> {
        let read = graph.node(id)?;
        let small = |number: usize| u32::try_from(number).map_err(|_| ReadError::Missing(id));
        let start = small(self.links.len())?;
        for parent in read.parents.iter() {
            let parent = small(self.number(*parent)?)?;
            self.links.push(parent);
        }
        let parents = Some((start, small(self.links.len())?));
        if let Some(node) = self.nodes.get_mut(number) {
            *node = Node {
                generation: read.generation,
                seconds: read.seconds,
                is_indexed: read.is_indexed(),
                has_level: read.has_level(),
                parents,
                ..*node
            };
        }
        Ok(())
    }

    /// Where the parents of a commit stand that was read.
    pub(super) fn parents(&self, number: usize) -> std::ops::Range<usize> {
        let range = self.nodes.get(number).and_then(|node| node.parents);
        let range = range.and_then(|(start, end)| Some(usize::try_from(start).ok()?..usize::try_from(end).ok()?));
        range.unwrap_or_default()
    }

    /// The number of a parent, by its place in [`Commits::parents`].
    pub(super) fn parent(&self, place: usize) -> Option<usize> {
        self.links.get(place).and_then(|link| usize::try_from(*link).ok())
    }
}
