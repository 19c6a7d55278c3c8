//! The values of refs before a push, wherever they come from.

use std::collections::BTreeSet;

use crate::core::objects::ReadError;
use crate::core::oid::Oid;
use crate::store::{Objects, Refs, SymbolicRef};

/// Ref values before the push, wherever they come from.
pub(crate) trait RefValues {
    /// The value of one ref, by its full name.
    fn value(&self, name: &str) -> Result<Option<Oid>, ReadError>;
    /// Every ref that `wanted` selects, peeled to commits.
    fn select(&self, wanted: &mut dyn FnMut(&[u8]) -> bool) -> Result<Vec<(Vec<u8>, Oid)>, ReadError>;
    /// The refs whose names begin with `prefix`, with their values as they are.
    fn list(&self, prefix: &str) -> Result<Vec<(Vec<u8>, Oid)>, ReadError>;
    /// The branch that counts as the default one.
    fn head_branch(&self) -> Result<Option<String>, ReadError>;
    /// The symbolic refs at or below places, each with what it names in the end.
    fn symbolic_refs(&self, places: &BTreeSet<String>) -> Result<Vec<SymbolicRef>, ReadError>;
}

/// Ref values read from the repository's own files, as a server sees them.
pub(crate) struct StoredRefs<'a> {
    pub(crate) refs: &'a Refs,
    pub(crate) objects: &'a Objects,
}

impl RefValues for StoredRefs<'_> {
    fn value(&self, name: &str) -> Result<Option<Oid>, ReadError> {
        self.refs.value(name)
    }

    fn select(&self, wanted: &mut dyn FnMut(&[u8]) -> bool) -> Result<Vec<(Vec<u8>, Oid)>, ReadError> {
        Ok(self.refs.select(self.objects, wanted)?.into_iter().map(|found| (found.name, found.commit)).collect())
    }

    fn list(&self, prefix: &str) -> Result<Vec<(Vec<u8>, Oid)>, ReadError> {
        self.refs.list(prefix)
    }

    fn head_branch(&self) -> Result<Option<String>, ReadError> {
        self.refs.symbolic("HEAD")
    }

    fn symbolic_refs(&self, places: &BTreeSet<String>) -> Result<Vec<SymbolicRef>, ReadError> {
        self.refs.symbolic_refs(places)
    }
}
