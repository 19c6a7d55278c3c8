//! Objects that merge bases are made of, in memory: a hook writes nothing.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use super::Stop;
use crate::core::limits;
use crate::core::objects::{Contents, ObjectKind, ReadError, Trees};
use crate::core::oid::{ObjectFormat, Oid};

/// The stored objects, with those that were made here.
pub(super) struct Scratch<'o> {
    stored: &'o dyn Contents,
    made: RefCell<HashMap<Oid, Rc<Vec<u8>>>>,
    bytes: Cell<usize>,
}

impl<'o> Scratch<'o> {
    pub(super) fn new(stored: &'o dyn Contents) -> Self {
        Self { stored, made: RefCell::default(), bytes: Cell::new(0) }
    }

    /// Keeps an object for the merges above, as long as there is room.
    pub(super) fn keep(&self, kind: ObjectKind, content: Vec<u8>) -> Result<Oid, Stop> {
        let id = self.stored.id_of(kind, &content)?;
        let bytes = self.bytes.get().saturating_add(content.len());
        if bytes > limits::VIRTUAL_BYTES {
            return Err(Stop::Unclean);
        }
        if self.made.borrow_mut().insert(id, Rc::new(content)).is_none() {
            self.bytes.set(bytes);
        }
        Ok(id)
    }

    fn made(&self, id: Oid) -> Option<Rc<Vec<u8>>> {
        self.made.borrow().get(&id).cloned()
    }
}

impl Trees for Scratch<'_> {
    fn format(&self) -> ObjectFormat {
        self.stored.format()
    }

    fn tree(&self, id: Oid) -> Result<Rc<Vec<u8>>, ReadError> {
        self.made(id).map_or_else(|| self.stored.tree(id), Ok)
    }

    fn within_budget(&self, entries: usize) -> bool {
        self.stored.within_budget(entries)
    }
}

impl Contents for Scratch<'_> {
    fn content(&self, id: Oid, limit: u64) -> Result<Rc<Vec<u8>>, ReadError> {
        self.made(id).map_or_else(|| self.stored.content(id, limit), Ok)
    }

    fn size(&self, id: Oid) -> Result<u64, ReadError> {
        match self.made(id) {
            Some(content) => Ok(u64::try_from(content.len()).unwrap_or(u64::MAX)),
            None => self.stored.size(id),
        }
    }

    fn tree_of(&self, commit: Oid) -> Result<Oid, ReadError> {
        self.stored.tree_of(commit)
    }

    fn id_of(&self, kind: ObjectKind, content: &[u8]) -> Result<Oid, ReadError> {
        self.stored.id_of(kind, content)
    }

    fn within_merge_budget(&self, cost: u64) -> bool {
        self.stored.within_merge_budget(cost)
    }
}
