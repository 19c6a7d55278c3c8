//! Which merges are nothing but a merge: `git merge-tree` and libgit2.

use countersign::core::oid::Oid;

use super::{foreign_id, own_id};
use crate::history::{Dates, Making, World};
use crate::ours::Ours;
use crate::random::Random;
use crate::tally::Tally;

/// Pairs of commits that nobody merged, besides the merges there are, as a share of the commits.
const PAIRS: usize = 5;

/// What git makes of merging two commits: the tree, and whether there was no conflict.
struct Merged {
    tree: Oid,
    clean: bool,
}

/// Two commits, and the tree that somebody made of merging them.
struct Pair {
    one: usize,
    other: usize,
    tree: Option<Oid>,
}

pub fn compare(world: &World, ours: &Ours, libgit2: Option<&git2::Repository>, random: &mut Random, tally: &mut Tally) {
    // Git makes anything of trees that it would not have written; and nothing here depends on the hash.
    let Some(repository) = libgit2.filter(|_| world.making == Making::Regular) else { return };
    let pairs = pairs(world, random);
    let lines: Vec<String> = pairs.iter().map(|pair| pair.line(world)).collect();
    let merged = by_git(world, &lines);
    assert_eq!(merged.len(), pairs.len());
    for (pair, git) in pairs.iter().zip(merged) {
        let at = || format!("world {}, {}", world.seed, pair.line(world).trim_end());
        let Some(git) = git else {
            tally.differs("git merge-tree: dies", at);
            continue;
        };
        tally.compared("clean merges: git against libgit2");
        if pair.by_libgit2(world, repository, Renames::Followed) != git.clean.then_some(git.tree) {
            tally.differs("libgit2, merge: other than git", at);
        }
        for tree in [Some(git.tree), pair.tree.filter(|tree| *tree != git.tree)].into_iter().flatten() {
            tally.compared("clean merges: git merge-tree");
            let expected = git.clean && tree == git.tree;
            if expected {
                tally.compared("clean merges: git merge-tree, those without conflict");
            }
            match ours.is_clean_merge(world, pair.one, pair.other, tree) {
                Ok(own) if own == expected => {}
                Ok(own) => {
                    let what = if own { "clean for us alone" } else { "clean for git alone" };
                    let plain = || pair.by_libgit2(world, repository, Renames::Ignored) == Some(tree);
                    let why = match world.bases(pair.one, pair.other).len() {
                        0 => "of unrelated histories",
                        1 if plain() == own => "where git follows renames",
                        1 if world.dates == Dates::Skewed => "where dates are skewed",
                        1 => "otherwise",
                        _ => "with several merge bases",
                    };
                    tally.differs(&format!("merge {why}: {what}"), || format!("{} for tree {tree}", at()));
                }
                Err(error) => tally.differs("merge: refused", || format!("{}: {error}", at())),
            }
        }
    }
}

/// The merges there are, and pairs of commits that nobody merged.
fn pairs(world: &World, random: &mut Random) -> Vec<Pair> {
    let merges = world.commits.iter().filter(|commit| commit.parents.len() == 2);
    let mut pairs: Vec<Pair> = merges
        .map(|commit| Pair { one: commit.parents[0], other: commit.parents[1], tree: Some(commit.tree) })
        .collect();
    for _ in 0..world.commits.len() / PAIRS {
        let one = random.below(world.commits.len());
        // Near to each other, as what people merge, or anywhere.
        let other =
            if random.one_in(3) { random.below(world.commits.len()) } else { one - random.below(one.min(12) + 1) };
        let bases = world.bases(one, other);
        if !bases.contains(&one) && !bases.contains(&other) {
            pairs.push(Pair { one, other, tree: None });
        }
    }
    pairs
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Renames {
    Followed,
    Ignored,
}

impl Pair {
    /// As `git merge-tree --stdin` wants it.
    fn line(&self, world: &World) -> String {
        format!("{} {}\n", world.commits[self.one].id, world.commits[self.other].id)
    }

    /// The tree of a merge without conflict.
    fn by_libgit2(&self, world: &World, repository: &git2::Repository, renames: Renames) -> Option<Oid> {
        let commit = |number: usize| repository.find_commit(foreign_id(world.commits[number].id)).unwrap();
        let mut options = git2::MergeOptions::new();
        options.find_renames(renames == Renames::Followed);
        let mut index = repository.merge_commits(&commit(self.one), &commit(self.other), Some(&options)).ok()?;
        if index.has_conflicts() { None } else { index.write_tree_to(repository).ok().map(own_id) }
    }
}

/// What git makes of each line; `None` where it dies of it.
fn by_git(world: &World, lines: &[String]) -> Vec<Option<Merged>> {
    let words =
        ["merge-tree", "--write-tree", "--allow-unrelated-histories", "--no-messages", "--name-only", "--stdin"];
    let Some(output) = world.repository.git_with(&words, lines.concat().as_bytes()) else {
        let (one, other) = lines.split_at(lines.len() / 2);
        return if one.is_empty() {
            vec![None]
        } else {
            [by_git(world, one), by_git(world, other)].into_iter().flatten().collect()
        };
    };
    let mut words = output.split(|byte| *byte == 0);
    let mut merged = Vec::new();
    while let Some(status) = words.next().filter(|word| !word.is_empty()) {
        let tree = words.next().and_then(Oid::parse).expect("a tree");
        merged.push(Some(Merged { tree, clean: status == b"1" }));
        // The names of what conflicts, and an empty one.
        while words.next().is_some_and(|name| !name.is_empty()) {}
    }
    merged
}
