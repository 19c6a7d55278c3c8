//! A repository in memory, for tests: trees by their bytes, and commits as a graph.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use super::empty_tree;
use crate::core::digest::Digest;
use crate::core::objects::{Contents, Graph, GraphNode, ObjectKind, ReadError, Trees};
use crate::core::oid::{ObjectFormat, Oid};

/// Objects that tests make.
#[derive(Default)]
pub(crate) struct Memory {
    trees: HashMap<Oid, Rc<Vec<u8>>>,
    blobs: HashMap<Oid, Rc<Vec<u8>>>,
    roots: HashMap<Oid, Oid>,
    commits: HashMap<Oid, (Rc<[Oid]>, u64)>,
    incoming: Vec<Oid>,
}

/// An id made of bytes.
pub(crate) fn id(bytes: &[u8]) -> Oid {
    Oid::from_bytes(&Digest::of(bytes).as_bytes()[..20]).unwrap()
}

/// One raw entry of a tree.
pub(crate) fn entry(mode: &str, name: &str, id: Oid) -> Vec<u8> {
    [mode.as_bytes(), b" ", name.as_bytes(), b"\0", id.as_bytes()].concat()
}

impl Memory {
    /// Stores a tree of these bytes.
    pub(crate) fn raw_tree(&mut self, raw: Vec<u8>) -> Oid {
        let id = if raw.is_empty() { empty_tree(ObjectFormat::Sha1) } else { id(&raw) };
        self.trees.insert(id, Rc::new(raw));
        id
    }

    /// Stores a tree of entries as they stand: mode, name, and the content of a file or the id of a directory.
    pub(crate) fn entries(&mut self, entries: &[(&str, &str, Oid)]) -> Oid {
        self.raw_tree(entries.iter().flat_map(|(mode, name, id)| entry(mode, name, *id)).collect())
    }

    /// Stores the tree of these files, by path and content, as git would.
    pub(crate) fn files(&mut self, files: &[(&str, &str)]) -> Oid {
        let files: Vec<(&str, &str, &str)> = files.iter().map(|(path, content)| ("100644", *path, *content)).collect();
        self.modes(&files)
    }

    /// The same with the mode of each.
    pub(crate) fn modes(&mut self, files: &[(&str, &str, &str)]) -> Oid {
        let mut below: BTreeMap<String, Vec<(&str, &str, &str)>> = BTreeMap::new();
        let mut raw: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        for (mode, path, content) in files {
            match path.split_once('/') {
                Some((directory, rest)) => below.entry(directory.to_owned()).or_default().push((mode, rest, content)),
                None => {
                    self.blobs.insert(id(content.as_bytes()), Rc::new(content.as_bytes().to_vec()));
                    raw.insert((*path).to_owned(), entry(mode, path, id(content.as_bytes())));
                }
            }
        }
        for (directory, files) in below {
            let tree = self.modes(&files);
            // A directory sorts as if its name ended in a slash.
            raw.insert(format!("{directory}/"), entry("40000", &directory, tree));
        }
        self.raw_tree(raw.into_values().flatten().collect())
    }

    /// Stores a commit of a name, with the names of its parents, at a date.
    pub(crate) fn commit(&mut self, name: &str, parents: &[&str], seconds: u64) -> Oid {
        let parents: Vec<Oid> = parents.iter().map(|parent| id(parent.as_bytes())).collect();
        self.commits.insert(id(name.as_bytes()), (parents.into(), seconds));
        id(name.as_bytes())
    }

    /// Stores a commit of these files.
    pub(crate) fn commit_of(&mut self, name: &str, parents: &[&str], seconds: u64, files: &[(&str, &str)]) -> Oid {
        let (commit, tree) = (self.commit(name, parents, seconds), self.files(files));
        self.roots.insert(commit, tree);
        commit
    }

    /// The same, brought by the push.
    pub(crate) fn incoming(&mut self, name: &str, parents: &[&str], seconds: u64) -> Oid {
        let made = self.commit(name, parents, seconds);
        self.incoming.push(made);
        made
    }
}

impl Trees for Memory {
    fn format(&self) -> ObjectFormat {
        ObjectFormat::Sha1
    }

    fn tree(&self, id: Oid) -> Result<Rc<Vec<u8>>, ReadError> {
        self.trees.get(&id).cloned().ok_or(ReadError::Missing(id))
    }

    fn within_budget(&self, _: usize) -> bool {
        true
    }
}

impl Contents for Memory {
    fn content(&self, id: Oid, limit: u64) -> Result<Rc<Vec<u8>>, ReadError> {
        let size = self.size(id)?;
        if size > limit {
            return Err(ReadError::TooLarge { id, size, limit });
        }
        self.blobs.get(&id).cloned().ok_or(ReadError::Missing(id))
    }

    fn size(&self, id: Oid) -> Result<u64, ReadError> {
        let blob = self.blobs.get(&id).ok_or(ReadError::Missing(id))?;
        Ok(u64::try_from(blob.len()).unwrap())
    }

    fn tree_of(&self, commit: Oid) -> Result<Oid, ReadError> {
        self.roots.get(&commit).copied().ok_or(ReadError::Missing(commit))
    }

    fn id_of(&self, kind: ObjectKind, content: &[u8]) -> Result<Oid, ReadError> {
        let is_empty_tree = kind == ObjectKind::Tree && content.is_empty();
        Ok(if is_empty_tree { empty_tree(ObjectFormat::Sha1) } else { id(content) })
    }

    fn within_merge_budget(&self, _: u64) -> bool {
        true
    }
}

impl Graph for Memory {
    fn is_incoming(&self, id: Oid) -> bool {
        self.incoming.contains(&id)
    }

    fn node(&self, id: Oid) -> Result<GraphNode, ReadError> {
        let (parents, seconds) = self.commits.get(&id).ok_or(ReadError::Missing(id))?;
        Ok(GraphNode { parents: Rc::clone(parents), generation: GraphNode::OUTSIDE, seconds: *seconds })
    }

    fn object_node(&self, id: Oid) -> Result<GraphNode, ReadError> {
        self.node(id)
    }
}
