//! Which merges are nothing but a merge: `git merge-tree` and libgit2.

use countersign::core::oid::Oid;

use super::{foreign_id, own_id};
use crate::chance::Dice;
use crate::history::{Dates, Making, World};
use crate::ours::Ours;
use crate::tally::Tally;

/// Pairs of commits that nobody merged, besides the merges there are, as a share of the commits.
const PAIRS: usize = 5;

/// What git makes of merging two commits: the tree, and whether there was no conflict.
struct Merged {
    tree: Oid,
    clean: bool,
}

pub fn compare(world: &World, ours: &Ours, libgit2: Option<&git2::Repository>, dice: &mut Dice, tally: &mut Tally) {
    // Git makes anything of trees that it would not have written; and nothing here depends on the hash.
    let Some(repository) = libgit2.filter(|_| world.making == Making::Regular) else { return };
    let merges = world.commits.iter().filter(|commit| commit.parents.len() == 2);
    let mut pairs: Vec<(usize, usize, Option<Oid>)> =
        merges.map(|commit| (commit.parents[0], commit.parents[1], Some(commit.tree))).collect();
    for _ in 0..world.commits.len() / PAIRS {
        let one = dice.roll(world.commits.len());
        // Near to each other, as what people merge, or anywhere.
        let other = if dice.one_in(3) { dice.roll(world.commits.len()) } else { one - dice.roll(one.min(12) + 1) };
        let bases = world.bases(one, other);
        if !bases.contains(&one) && !bases.contains(&other) {
            pairs.push((one, other, None));
        }
    }
    let lines: Vec<String> = pairs.iter().map(|(one, other, _)| line(world, *one, *other)).collect();
    let merged = by_git(world, &lines);
    assert_eq!(merged.len(), pairs.len());
    for ((one, other, tree), git) in pairs.into_iter().zip(merged) {
        let at = || format!("world {}, {}", world.seed, line(world, one, other).trim_end());
        let Some(git) = git else {
            tally.differs("git merge-tree: dies", at);
            continue;
        };
        let (id, other_id) = (world.commits[one].id, world.commits[other].id);
        tally.compared("clean merges: git against libgit2");
        if by_libgit2(repository, id, other_id, Renames::Followed) != git.clean.then_some(git.tree) {
            tally.differs("libgit2, merge: other than git", at);
        }
        let mut trees = vec![git.tree];
        trees.extend(tree.filter(|tree| *tree != git.tree));
        for tree in trees {
            tally.compared("clean merges: git merge-tree");
            let expected = git.clean && tree == git.tree;
            if expected {
                tally.compared("clean merges: git merge-tree, those without conflict");
            }
            let own = match ours.is_clean_merge(world, one, other, tree) {
                Ok(own) => own,
                Err(error) => {
                    tally.differs("merge: refused", || format!("{}: {error}", at()));
                    continue;
                }
            };
            if own == expected {
                continue;
            }
            let plain = || by_libgit2(repository, id, other_id, Renames::Ignored) == Some(tree);
            let why = match world.bases(one, other).len() {
                0 => "of unrelated histories",
                1 if plain() == own => "where git follows renames",
                1 if world.dates == Dates::Skewed => "where dates are skewed",
                1 => "otherwise",
                _ => "with several merge bases",
            };
            let what = if own { "clean for us alone" } else { "clean for git alone" };
            tally.differs(&format!("merge {why}: {what}"), || format!("{} for tree {tree}", at()));
        }
    }
}

fn line(world: &World, one: usize, other: usize) -> String {
    format!("{} {}\n", world.commits[one].id, world.commits[other].id)
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

#[derive(Clone, Copy, PartialEq, Eq)]
enum Renames {
    Followed,
    Ignored,
}

/// The tree of a merge without conflict.
fn by_libgit2(repository: &git2::Repository, one: Oid, other: Oid, renames: Renames) -> Option<Oid> {
    let commit = |id: Oid| repository.find_commit(foreign_id(id)).unwrap();
    let mut options = git2::MergeOptions::new();
    options.find_renames(renames == Renames::Followed);
    let mut index = repository.merge_commits(&commit(one), &commit(other), Some(&options)).ok()?;
    if index.has_conflicts() { None } else { index.write_tree_to(repository).ok().map(own_id) }
}
