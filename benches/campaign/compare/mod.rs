//! One file for each thing that is compared.

mod changes;
mod commits;
mod merges;
mod tags;
mod trailers;
mod walks;

use countersign::core::oid::{ObjectFormat, Oid};

use crate::history::World;
use crate::ours::Ours;
use crate::random::Random;
use crate::tally::Tally;

/// Holds our reading of a world against that of git and of libgit2.
pub fn compare(world: &World, tally: &mut Tally) {
    let ours = Ours::open(world);
    // This libgit2 reads SHA-1 only.
    let libgit2 =
        (world.repository.format == ObjectFormat::Sha1).then(|| git2::Repository::open(world.repository.path()));
    let libgit2 = libgit2.map(Result::unwrap);
    let mut random = Random(world.seed ^ 0x00c0_ffee);
    commits::compare(world, &ours, libgit2.as_ref(), tally);
    tags::compare(world, &ours, libgit2.as_ref(), tally);
    changes::compare(world, &ours, libgit2.as_ref(), &mut random, tally);
    trailers::compare(world, tally);
    walks::compare(world, &ours, libgit2.as_ref(), &mut random, tally);
    merges::compare(world, &ours, libgit2.as_ref(), &mut random, tally);
}

fn foreign_id(id: Oid) -> git2::Oid {
    git2::Oid::from_bytes(id.as_bytes()).unwrap()
}

fn own_id(id: git2::Oid) -> Oid {
    Oid::from_bytes(id.as_bytes()).unwrap()
}

/// The ids of commits, one a line.
fn lines(ids: impl Iterator<Item = Oid>) -> Vec<u8> {
    ids.map(|id| format!("{id}\n")).collect::<String>().into_bytes()
}
