//! What requirements of rules subtract, by values before the push. Many updates subtract the same, and one walk serves them.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::Look;
use super::approvals::Ends;
use crate::core::objects::Graph;
use crate::core::oid::Oid;
use crate::core::scope::Requirement;
use crate::core::tree::{NewCommits, Walk, WalkError, WalkLimits, new_commits};

/// Who subtracts.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Asked {
    /// The position of the rule.
    pub(super) rule: usize,
    pub(super) requirement: Requirement,
    /// Whether other refs are subtracted.
    pub(super) others: Others,
    pub(super) look: Look,
}

/// Whether a requirement subtracts what other refs hold.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Others {
    Subtracted,
    Ignored,
}

/// What a requirement subtracts.
pub(super) struct Hidden {
    /// Commits, with all below them.
    pub(super) commits: HashSet<Oid>,
    /// What this push brings and other updates of it have been judged by, with all below it.
    pub(super) judged: Vec<Rc<NewCommits>>,
}

/// Walks, each with other commits hidden, and who asks for which.
pub(super) struct Subtracted<'g> {
    graph: &'g dyn Graph,
    walks: Vec<Walk<'g>>,
    known: HashMap<Asked, usize>,
}

impl<'g> Subtracted<'g> {
    pub(super) fn new(graph: &'g dyn Graph) -> Self {
        Self { graph, walks: Vec::new(), known: HashMap::new() }
    }

    /// The walk for a requirement that has asked before.
    pub(super) fn known(&self, asked: Asked) -> Option<usize> {
        self.known.get(&asked).copied()
    }

    /// The walk for a requirement, by what it subtracts.
    pub(super) fn add(&mut self, asked: Asked, hidden: Hidden) -> usize {
        let Hidden { commits, judged } = hidden;
        let same = self.walks.iter().position(|walk| walk.is_without(&commits, &judged));
        let number = same.unwrap_or_else(|| {
            self.walks.push(Walk::new(self.graph, commits).without(judged));
            self.walks.len() - 1
        });
        self.known.insert(asked, number);
        number
    }

    /// The commits at the new value that are not hidden, nor below the old one.
    pub(super) fn new_commits(
        &mut self,
        number: usize,
        ends: Ends,
        limits: WalkLimits,
    ) -> Result<NewCommits, WalkError> {
        let Some(walk) = self.walks.get_mut(number) else { return new_commits(self.graph, ends.tip, &[], limits) };
        if let Some(old) = ends.old.filter(|old| !walk.hides(*old)) {
            return walk.with_hidden(old).new_commits(ends.tip, limits);
        }
        let shared = walk.has_begun();
        match walk.new_commits(ends.tip, limits) {
            // Together the tips may have more than one of them may.
            Err(WalkError::TooMany(_) | WalkError::TooFar(_)) if shared => walk.new_commits(ends.tip, limits),
            found => found,
        }
    }
}
