//! Git itself, and libgit2 where it can, against our own reading of objects and history: generated repositories, seeded,
//! so that a failure names the seed that shows it again.

mod changes;
mod commits;
mod history;
mod names;

use countersign::core::oid::{ObjectFormat, Oid};
use countersign::store::{GitDir, Objects, Quarantine};

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

/// SplitMix64 (Steele, Lea, Flood 2014): enough chance for tests, the same everywhere.
struct Dice(u64);

impl Dice {
    /// A number below `sides`.
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % u64::try_from(sides).unwrap()).unwrap()
    }

    fn one_in(&mut self, sides: usize) -> bool {
        self.roll(sides) == 0
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.roll(from.len())]
    }
}
