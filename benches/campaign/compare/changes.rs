//! The change between two trees: the pipe from `git diff-tree` (seal/FORMAT.md), and libgit2.

use countersign::core::digest::Digest;
use countersign::core::oid::Oid;

use crate::history::{Commit, World};
use crate::ours::Ours;
use crate::random::Random;
use crate::repository::{Answering, until};
use crate::rows::{Row, by_libgit2, row};
use crate::tally::Tally;

const PIPE: [&str; 8] = [
    "--no-replace-objects",
    "diff-tree",
    "--stdin",
    "-r",
    "-z",
    "--no-renames",
    "--no-abbrev",
    "--ignore-submodules=none",
];

/// What git echoes; no path of ours holds it.
const MARKER: &str = "=== end of answer ===\n";

struct Readers<'a> {
    ours: &'a Ours,
    pipe: Answering,
    libgit2: Option<&'a git2::Repository>,
    empty: Oid,
}

pub fn compare(world: &World, ours: &Ours, libgit2: Option<&git2::Repository>, random: &mut Random, tally: &mut Tally) {
    let pipe = Answering::new(&world.repository, &PIPE);
    let mut readers = Readers { ours, pipe, libgit2, empty: world.repository.empty_tree() };
    for (number, new) in world.commits.iter().enumerate() {
        let mut olds: Vec<Option<&Commit>> = new.parents.iter().map(|parent| Some(&world.commits[*parent])).collect();
        if olds.is_empty() {
            olds.push(None);
        }
        if random.one_in(4) {
            olds.push(Some(&world.commits[random.below(number + 1)]));
        }
        for old in olds {
            readers.pair(world.seed, old, new, tally);
        }
    }
}

impl Readers<'_> {
    fn pair(&mut self, seed: u64, old: Option<&Commit>, new: &Commit, tally: &mut Tally) {
        let old_tree = old.map(|old| old.tree);
        let question = format!("{} {}\n", old_tree.unwrap_or(self.empty), new.tree);
        let at = || format!("world {seed}, trees {}", question.trim_end());
        let kind = kind(old, new);
        let answer = self.pipe.ask(&format!("{question}{MARKER}"), |output| until(MARKER.as_bytes(), output));
        let raw = answer.as_ref().and_then(|answer| answer.strip_prefix(question.as_bytes()));
        tally.compared("changes: digest, git diff-tree");
        let (changes, digest) = match (self.ours.changes(old_tree, new.tree), raw) {
            (Err(reason), raw) => {
                let git = if raw.is_some() { "" } else { ", and git dies" };
                return tally.differs(&format!("trees{kind}: refused{git}"), || format!("{}: {reason}", at()));
            }
            (Ok(_), None) => return tally.differs(&format!("trees{kind}: git dies"), at),
            (Ok(found), Some(_)) => found,
        };
        if kind.ends_with("brought") {
            tally.differs(&format!("trees{kind}: accepted"), at);
        }
        let piped = [b"countersign-change-v1\0", raw.unwrap_or_default()].concat();
        if Digest::of(&piped) != digest {
            let example = || format!("{}: {} and {changes:?}", at(), piped.escape_ascii());
            tally.differs(&format!("trees{kind}: another digest"), example);
        }
        // It has a way of its own with trees that git would not have written; the digest is defined by git.
        let Some(repository) = self.libgit2.filter(|_| kind.is_empty()) else { return };
        tally.compared("changes: entries, libgit2");
        let rows: Vec<Row> = changes.iter().map(row).collect();
        match by_libgit2(repository, old_tree, new.tree) {
            Ok(theirs) if theirs == rows => {}
            Ok(_) => tally.differs(&format!("libgit2, trees{kind}: other changes"), at),
            Err(error) => tally.differs(&format!("libgit2, trees{kind}: refused"), || format!("{}: {error}", at())),
        }
    }
}

/// What is odd about the trees, and where it comes from: brought by the new one, kept from the old one, or left behind there.
fn kind(old: Option<&Commit>, new: &Commit) -> String {
    let before = old.map(|old| old.oddities.clone()).unwrap_or_default();
    let brought = new.oddities.difference(&before).next().map(|oddity| (oddity, "brought"));
    let kept = || new.oddities.intersection(&before).next().map(|oddity| (oddity, "kept"));
    let left = || before.difference(&new.oddities).next().map(|oddity| (oddity, "left"));
    match brought.or_else(kept).or_else(left) {
        Some(((_, oddity), whence)) => format!(" with {oddity}, {whence}"),
        None => String::new(),
    }
}
