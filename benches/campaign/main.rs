//! Our reading against git and libgit2, over generated repositories: `cargo bench --bench campaign -- [COMMITS] [SEED]`.
//!
//! Not in CI: the oracles among the tests hold the same on less. 100,000 commits by default, 1,000 in each repository. Every
//! difference is counted by its kind, and one that `expected.rs` does not explain ends it with 1. A repository is made from its
//! seed alone: `-- 1000 SEED` makes the one again that an example names, and leaves it to be looked at.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::disallowed_methods,
    clippy::print_stdout
)]
// A binary has no outside, and its modules share what they like.
#![allow(unreachable_pub, missing_docs)]

mod compare;
mod content;
mod expected;
mod headers;
mod history;
mod message;
mod ours;
#[path = "../../tests/integration/oracles/random.rs"]
mod random;
mod repository;
#[path = "../../tests/integration/oracles/rows.rs"]
mod rows;
mod tally;

use std::process::ExitCode;
use std::time::Instant;

use history::World;
use tally::Tally;

/// Commits of one repository: enough for histories to part and meet.
const WORLD: usize = 1000;

fn main() -> ExitCode {
    let arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with('-'));
    let numbers: Vec<usize> = arguments.map(|argument| argument.parse().expect("COMMITS and SEED")).collect();
    let (commits, first) = (numbers.first().copied().unwrap_or(100_000), numbers.get(1).copied().unwrap_or(1));
    let (mut tally, mut last, start) = (Tally::default(), None, Instant::now());
    for seed in first..first + commits.div_ceil(WORLD) {
        let world = World::new(u64::try_from(seed).unwrap(), commits.min(WORLD));
        compare::compare(&world, &mut tally);
        last = Some(world.repository);
    }
    let unexplained = tally.print();
    println!("\n{commits} commits in {:.0} s: {unexplained} differences unexplained", start.elapsed().as_secs_f64());
    if let Some(repository) = last.filter(|_| commits <= WORLD && unexplained > 0) {
        println!("the repository is left in {}", repository.keep().display());
    }
    if unexplained == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
