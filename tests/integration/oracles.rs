//! Git itself, and libgit2 where it can, against our own reading of objects and history: generated repositories, seeded,
//! so that a failure names the seed that shows it again.

mod changes;
mod commits;
mod histories;
mod history;
mod merges;
mod names;
mod random;
mod reftable;
mod rows;

use countersign::core::oid::{ObjectFormat, Oid};
use countersign::store::{GitDir, Objects, Quarantine};

use random::Random;

use crate::world::World;

/// The clone's objects as the hook reads them.
fn objects(world: &World) -> Objects {
    let dir = GitDir::at(&world.clone_dir().join(".git")).unwrap();
    let format = if world.format == "sha256" { ObjectFormat::Sha256 } else { ObjectFormat::Sha1 };
    Objects::open(&dir, &Quarantine::default(), format).unwrap()
}

fn oid(hex: &str) -> Oid {
    Oid::parse(hex.as_bytes()).unwrap()
}

/// The ids of objects by their names, from git.
fn resolve(world: &World, names: &[String]) -> Vec<Oid> {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    world.git(&[&["rev-parse"], names.as_slice()].concat()).lines().map(oid).collect()
}
