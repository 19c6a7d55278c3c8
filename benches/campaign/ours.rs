//! What is compared: the only place here that calls our own reading.

use countersign::core::digest::Digest;
use countersign::core::oid::Oid;
use countersign::core::tree::{Changes, WalkLimits, changes, digest, merged_tree, new_commits};
use countersign::store::{GitDir, History, Objects};

use crate::history::World;

pub struct Ours {
    objects: Objects,
    dir: GitDir,
}

const LIMITS: WalkLimits = WalkLimits { new: usize::MAX, stored: usize::MAX, reads: usize::MAX };

impl Ours {
    pub fn open(world: &World) -> Self {
        let (objects, dir) = world.repository.objects();
        Self { objects, dir }
    }

    pub fn commit(&self, id: Oid) -> Result<Vec<u8>, String> {
        self.objects.commit(id).map(|raw| raw.to_vec()).map_err(|error| error.to_string())
    }

    pub fn tag(&self, id: Oid) -> Result<Vec<u8>, String> {
        self.objects.tag(id).map_err(|error| error.to_string())
    }

    pub fn changes(&self, old: Option<Oid>, new: Oid) -> Result<(Changes, Digest), String> {
        let found = changes(&self.objects, old, new).map_err(|error| error.to_string())?;
        let digest = digest(&found, new.format());
        Ok((found, digest))
    }

    pub fn new_commits(&self, tip: Oid, hidden: &[Oid]) -> Result<Vec<Oid>, String> {
        let history = History::new(&self.objects, &self.dir);
        new_commits(&history, tip, hidden, LIMITS).map(|new| new.iter().collect()).map_err(|error| error.to_string())
    }

    /// Whether `tree` is what merging the two commits makes, without a conflict.
    pub fn is_clean_merge(&self, world: &World, one: usize, other: usize, tree: Oid) -> Result<bool, String> {
        // Opened again for each: what merges may cost is counted for a push.
        let (objects, dir) = world.repository.objects();
        let history = History::new(&objects, &dir);
        let (one, other) = (world.commits[one].id, world.commits[other].id);
        let merged = merged_tree(&objects, &history, one, other, LIMITS).map_err(|error| error.to_string())?;
        Ok(merged == Some(tree))
    }
}
