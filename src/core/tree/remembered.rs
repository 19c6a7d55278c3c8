//! History of which what was last asked for is at hand: one merge after another is looked at on the same ground.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::core::objects::{Graph, GraphNode, ReadError};
use crate::core::oid::Oid;

/// Commits in each half: twice as many, of some 150 bytes each, are at hand at most.
const HALF: usize = 1 << 14;

/// Answers as `graph` does.
pub(super) struct Remembered<'a> {
    graph: &'a dyn Graph,
    halves: RefCell<Halves>,
}

/// When the newer half is full, it takes the place of the older one. What is still asked for comes over before it is full again.
#[derive(Default)]
struct Halves {
    newer: HashMap<Oid, GraphNode>,
    older: HashMap<Oid, GraphNode>,
}

impl<'a> Remembered<'a> {
    pub(super) fn new(graph: &'a dyn Graph) -> Self {
        Self { graph, halves: RefCell::default() }
    }

    fn recall(&self, id: Oid) -> Option<GraphNode> {
        let mut halves = self.halves.borrow_mut();
        if let Some(node) = halves.newer.get(&id) {
            return Some(node.clone());
        }
        let node = halves.older.remove(&id)?;
        halves.keep(id, node.clone());
        Some(node)
    }
}

impl Halves {
    fn keep(&mut self, id: Oid, node: GraphNode) {
        if self.newer.len() >= HALF {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(id, node);
    }
}

impl Graph for Remembered<'_> {
    fn is_incoming(&self, id: Oid) -> bool {
        self.graph.is_incoming(id)
    }

    fn node(&self, id: Oid) -> Result<GraphNode, ReadError> {
        if let Some(node) = self.recall(id) {
            return Ok(node);
        }
        let node = self.graph.node(id)?;
        // A commit-graph answers as fast.
        if !node.is_indexed() {
            self.halves.borrow_mut().keep(id, node.clone());
        }
        Ok(node)
    }

    fn object_node(&self, id: Oid) -> Result<GraphNode, ReadError> {
        self.graph.object_node(id)
    }
}
