//! Parents and dates of commits, from the commit-graph where it has them and from the objects where it does not.

use std::cell::OnceCell;
use std::rc::Rc;

use super::environment::GitDir;
use super::objects::{Objects, gix_format, gix_id, own_id};
use crate::core::objects::{Graph, GraphNode, ReadError};
use crate::core::oid::Oid;

/// The commit history of one repository.
pub struct History<'o> {
    objects: &'o Objects,
    dir: &'o GitDir,
    graph: OnceCell<Option<gix::commitgraph::Graph>>,
    shallow: OnceCell<Vec<Oid>>,
}

impl<'o> History<'o> {
    /// History as `objects` sees it. Nothing is read yet.
    pub fn new(objects: &'o Objects, dir: &'o GitDir) -> Self {
        Self { objects, dir, graph: OnceCell::new(), shallow: OnceCell::new() }
    }

    fn graph_node(&self, id: Oid) -> Option<GraphNode> {
        let graph = self.graph.get_or_init(|| self.open_graph()).as_ref()?;
        let commit = graph.commit_by_id(gix_id(id))?;
        let mut parents = Vec::with_capacity(1);
        for parent in commit.iter_parents() {
            parents.push(own_id(graph.id_at(parent.ok()?)));
        }
        Some(GraphNode {
            parents: parents.into(),
            generation: commit.generation(),
            seconds: commit.committer_timestamp(),
        })
    }

    /// The commit-graph is a cache: without it, or where it cannot be read, the objects answer.
    fn open_graph(&self) -> Option<gix::commitgraph::Graph> {
        let info = self.dir.common_dir.join("objects").join("info");
        if !info.join("commit-graph").exists() && !info.join("commit-graphs").exists() {
            return None;
        }
        gix::commitgraph::at(&info, gix_format(self.objects.format()), None).ok()
    }

    fn shallow(&self) -> &[Oid] {
        self.shallow.get_or_init(|| {
            let list = std::fs::read(self.dir.common_dir.join("shallow")).unwrap_or_default();
            list.split(|byte| *byte == b'\n').filter_map(Oid::parse).collect()
        })
    }
}

impl Graph for History<'_> {
    fn is_incoming(&self, id: Oid) -> bool {
        self.objects.is_incoming(id)
    }

    fn node(&self, id: Oid) -> Result<GraphNode, ReadError> {
        match self.graph_node(id) {
            Some(node) => Ok(node),
            None => self.object_node(id),
        }
    }

    fn object_node(&self, id: Oid) -> Result<GraphNode, ReadError> {
        let raw = self.objects.commit(id)?;
        let (parents, seconds) = loose_parse(&raw);
        // A shallow repository ends at commits whose parents it does not have. Only what it stored before may end so.
        let cut = !self.objects.is_incoming(id) && self.shallow().contains(&id);
        let parents = if cut { Rc::default() } else { parents.into() };
        Ok(GraphNode { parents, generation: GraphNode::OUTSIDE, seconds })
    }
}

/// Reads parents and committer date as git's own walk does (commit.c, parse_commit_buffer): lenient, because whether the
/// commit is well formed is judged elsewhere and old history may hold anything.
fn loose_parse(raw: &[u8]) -> (Vec<Oid>, u64) {
    let mut lines = raw.split(|byte| *byte == b'\n');
    lines.next();
    let mut parents = Vec::with_capacity(1);
    let mut line = lines.next();
    while let Some(parent) = line.and_then(|line| line.strip_prefix(b"parent ")).and_then(Oid::parse) {
        parents.push(parent);
        line = lines.next();
    }
    let committer = lines.next().unwrap_or_default();
    let mut words = committer.rsplit(|byte| *byte == b' ');
    words.next();
    let seconds = words.next().and_then(|word| std::str::from_utf8(word).ok()).and_then(|word| word.parse().ok());
    (parents, seconds.unwrap_or(0))
}
