//! The change between two trees: the pipe from `git diff-tree` (design.md 4.2), and libgit2.

use countersign::core::digest::Digest;
use countersign::core::oid::Oid;
use countersign::store::{Change, EntryMode};

use super::foreign_id;
use crate::chance::Dice;
use crate::history::{Commit, World};
use crate::ours::Ours;
use crate::repository::{Answering, until};
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

pub fn compare(world: &World, ours: &Ours, libgit2: Option<&git2::Repository>, dice: &mut Dice, tally: &mut Tally) {
    let empty = world.repository.empty_tree();
    let mut pipe = Answering::new(&world.repository, &PIPE);
    for (number, new) in world.commits.iter().enumerate() {
        let mut pairs: Vec<Option<&Commit>> = new.parents.iter().map(|parent| Some(&world.commits[*parent])).collect();
        if pairs.is_empty() {
            pairs.push(None);
        }
        if dice.one_in(4) {
            pairs.push(Some(&world.commits[dice.roll(number + 1)]));
        }
        for old in pairs {
            pair(world, ours, libgit2, &mut pipe, empty, old, new, tally);
        }
    }
}

#[allow(clippy::too_many_arguments)]
fn pair(
    world: &World,
    ours: &Ours,
    libgit2: Option<&git2::Repository>,
    pipe: &mut Answering,
    empty: Oid,
    old: Option<&Commit>,
    new: &Commit,
    tally: &mut Tally,
) {
    let old_tree = old.map(|old| old.tree);
    let left = old_tree.unwrap_or(empty);
    let at = || format!("world {}, trees {left} {}", world.seed, new.tree);
    let kind = kind(old, new);
    let question = format!("{left} {}\n", new.tree);
    let answer = pipe.ask(&format!("{question}{MARKER}"), |output| until(MARKER.as_bytes(), output));
    let raw = answer.as_ref().and_then(|answer| answer.strip_prefix(question.as_bytes()));
    let found = ours.changes(old_tree, new.tree);
    tally.compared("changes: digest, git diff-tree");
    let (changes, digest) = match (found, raw) {
        (Err(reason), _) => return tally.differs(&format!("trees{kind}: refused"), || format!("{}: {reason}", at())),
        (Ok(_), None) => return tally.differs(&format!("trees{kind}: git dies"), at),
        (Ok(found), Some(_)) => found,
    };
    if kind.contains("brought") {
        tally.differs(&format!("trees{kind}: accepted"), at);
    }
    let pipe = [b"countersign-change-v1\0", raw.unwrap_or_default()].concat();
    if Digest::of(&pipe) != digest {
        let example = || format!("{}: {} and {changes:?}", at(), pipe.escape_ascii());
        tally.differs(&format!("trees{kind}: another digest"), example);
    }
    let Some(repository) = libgit2 else { return };
    tally.compared("changes: entries, libgit2");
    let rows: Vec<Row> = changes.iter().map(row).collect();
    match by_libgit2(repository, old_tree, new.tree) {
        Ok(theirs) if theirs == rows => {}
        Ok(_) => tally.differs(&format!("libgit2, trees{kind}: other changes"), at),
        Err(error) => tally.differs(&format!("libgit2, trees{kind}: refused"), || format!("{}: {error}", at())),
    }
}

/// What is odd about the trees, and where it comes from: brought by the new one, left behind by the old one, or kept.
fn kind(old: Option<&Commit>, new: &Commit) -> String {
    let before = old.map(|old| old.oddities.clone()).unwrap_or_default();
    let brought = new.oddities.difference(&before).next();
    let kept = || new.oddities.intersection(&before).next();
    let left = || before.difference(&new.oddities).next();
    let (whence, oddity) = match (brought, kept(), left()) {
        (Some(oddity), _, _) => ("brought", oddity),
        (_, Some(oddity), _) => ("kept", oddity),
        (_, _, Some(oddity)) => ("left", oddity),
        _ => return String::new(),
    };
    format!(" with {}, {whence}", oddity.1)
}

/// A change as plain values: path, modes and ids.
type Row = (Vec<u8>, [String; 4]);

fn row(change: &Change) -> Row {
    let side = |side: Option<(EntryMode, Oid)>| {
        side.map_or(("000000".into(), "0".repeat(40)), |(mode, id)| (mode.octal().to_owned(), id.to_string()))
    };
    let ((old_mode, old), (new_mode, new)) = (side(change.old), side(change.new));
    (change.path.clone(), [old_mode, new_mode, old, new])
}

fn by_libgit2(repository: &git2::Repository, old: Option<Oid>, new: Oid) -> Result<Vec<Row>, git2::Error> {
    let tree = |id: Oid| repository.find_tree(foreign_id(id));
    let (old, new) = (old.map(tree).transpose()?, tree(new)?);
    let mut options = git2::DiffOptions::new();
    options.include_typechange(true).ignore_submodules(false);
    let diff = repository.diff_tree_to_tree(old.as_ref(), Some(&new), Some(&mut options))?;
    let mode = |file: &git2::DiffFile<'_>| format!("{:06o}", u32::from(file.mode()));
    let row = |delta: git2::DiffDelta<'_>| {
        let (old, new) = (delta.old_file(), delta.new_file());
        let path = new.path_bytes().or(old.path_bytes()).unwrap_or_default().to_vec();
        (path, [mode(&old), mode(&new), old.id().to_string(), new.id().to_string()])
    };
    let mut rows: Vec<Row> = diff.deltas().map(row).collect();
    rows.sort();
    Ok(rows)
}
