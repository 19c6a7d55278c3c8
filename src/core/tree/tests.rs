mod graphs;
mod merges;
mod trees;

use super::memory::{Memory, entry, id};
use super::*;
use crate::core::objects::{Graph, GraphNode, ReadError};
use crate::core::oid::{ObjectFormat, Oid};

const LIMITS: WalkLimits = WalkLimits { new: 1000, stored: 1000, reads: 1000 };

/// What is wrong with a new tree, where this one stood before.
fn fault(memory: &Memory, old: Option<Oid>, new: Oid) -> Option<MalformedTree> {
    match changes(memory, old, new) {
        Ok(_) => None,
        Err(ChangeError::Malformed { reason, .. }) => Some(reason),
        Err(error) => panic!("{error}"),
    }
}

fn strict(entries: &[(&str, &str)]) -> Option<MalformedTree> {
    let mut memory = Memory::default();
    let below = memory.files(&[("x", "x")]);
    let file = id(b"x");
    let of = |mode: &str| if mode.ends_with("40000") { below } else { file };
    let entries: Vec<(&str, &str, Oid)> = entries.iter().map(|(mode, name)| (*mode, *name, of(mode))).collect();
    let tree = memory.entries(&entries);
    fault(&memory, None, tree)
}

#[test]
fn what_git_writes_is_a_tree() {
    assert_eq!(strict(&[]), None);
    let all = [("100644", "a"), ("100755", "a.b"), ("40000", "a0"), ("120000", "b"), ("160000", "c")];
    assert_eq!(strict(&all), None);
    assert_eq!(strict(&[("100644", "a.b"), ("40000", "a"), ("100644", "a0")]), None);
    assert_eq!(strict(&[("40000", ".github"), ("100644", ".gitignore"), ("100644", "git~2")]), None);
}

#[test]
fn what_git_would_not_write_is_none() {
    let name = |text: &str| Some(MalformedTree::Name(text.into()));
    let order = |text: &str| Some(MalformedTree::Order(text.into()));
    assert_eq!(strict(&[("100664", "a")]), Some(MalformedTree::Mode));
    assert_eq!(strict(&[("040000", "a")]), Some(MalformedTree::Mode));
    assert_eq!(strict(&[("100644", "")]), name(""));
    for bad in
        [".", "..", ".git", ".GIT", ".Git", "git~1", ".git ", ".git.", ".git::$INDEX_ALLOCATION", ".g\u{200c}it", "a/b"]
    {
        assert_eq!(strict(&[("40000", bad)]), name(bad));
    }
    assert_eq!(strict(&[("100644", "x\\.git")]), name("x\\.git"));
    assert_eq!(strict(&[("120000", ".gitmodules")]), name(".gitmodules"));
    assert_eq!(strict(&[("100644", "b"), ("100644", "a")]), order("a"));
    assert_eq!(strict(&[("100644", "a"), ("100644", "a")]), order("a"));
    assert_eq!(strict(&[("100644", "a"), ("40000", "a")]), order("a"));
    assert_eq!(strict(&[("100644", "a"), ("100644", "a.b"), ("40000", "a")]), order("a"));
    assert_eq!(strict(&[("40000", "a"), ("100644", "a.b")]), order("a.b"));
    let mut memory = Memory::default();
    let empty = memory.raw_tree(Vec::new());
    let tree = memory.entries(&[("40000", "a", empty)]);
    assert_eq!(fault(&memory, None, tree), Some(MalformedTree::EmptyDirectory("a".into())));
    let whole = entry("100644", "abc", id(b"x"));
    for end in 1..whole.len() {
        let cut = memory.raw_tree(whole[..end].to_vec());
        assert!(fault(&memory, None, cut).is_some(), "{end}");
    }
}

/// Whoever works on top of old trees cannot mend them.
#[test]
fn what_stood_is_kept_and_nothing_is_added_to_it() {
    let mut memory = Memory::default();
    let (below, file, other) = (memory.files(&[("x", "x")]), id(b"x"), id(b"y"));
    let empty = memory.raw_tree(Vec::new());
    let odd = [
        ("100664", "b", file),
        ("040000", "a", below),
        ("40000", "e", empty),
        ("120000", ".gitmodules", file),
        ("100644", "b", file),
    ];
    let old = memory.entries(&odd);
    let with = |more: &[(&'static str, &'static str, Oid)]| [odd.as_slice(), more].concat();
    let fine = [with(&[("100644", "c", file)]), with(&[("40000", "z", below)]), odd[1..].to_vec()];
    for entries in fine {
        let new = memory.entries(&entries);
        assert_eq!(fault(&memory, Some(old), new), None, "{entries:?}");
        assert!(fault(&memory, None, new).is_some(), "nothing stood before");
    }
    let bad = [
        with(&[("100664", "c", file)]),
        with(&[("040000", "z", below)]),
        with(&[("40000", "z", empty)]),
        // In the place of the kept one, and beside it.
        [&[("100664", "b", other)], &odd[1..]].concat(),
        with(&[("100644", "a", file)]),
        [&odd[..3], &[("120000", ".gitmodules", other)], &odd[4..]].concat(),
        [&odd[..1], &[("040000", "a", empty)], &odd[2..]].concat(),
    ];
    for entries in bad {
        let new = memory.entries(&entries);
        assert!(fault(&memory, Some(old), new).is_some(), "{entries:?}");
    }
    let sorted = memory.entries(&[("100644", "a", file), ("100644", "b", file)]);
    let turned = memory.entries(&[("100644", "b", file), ("100644", "a", file)]);
    assert_eq!(fault(&memory, Some(sorted), turned), Some(MalformedTree::Order("a".into())));
    assert_eq!(fault(&memory, Some(turned), sorted), None);
}

#[test]
fn a_mode_that_git_reads_alike_is_no_change() {
    let mut memory = Memory::default();
    let file = id(b"x");
    let old = memory.entries(&[("100664", "a", file), ("100664", "b", file)]);
    let new = memory.entries(&[("100644", "a", file), ("100644", "b", id(b"y"))]);
    let found = changes(&memory, Some(old), new).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].path.as_slice(), found[0].old), (&b"b"[..], Some((EntryMode::Blob, file))));
}

#[test]
fn the_empty_trees_are_git_s() {
    assert_eq!(empty_tree(ObjectFormat::Sha1).to_string(), "4b825dc642cb6eb9a060e54bf8d69288fbee4904");
    assert_eq!(empty_tree(ObjectFormat::Sha256).as_bytes().len(), 32);
}

/// The paths that a merge has of its own.
fn own(bases: &[&[(&str, &str)]], parents: &[&[(&str, &str)]], merge: &[(&str, &str)]) -> Vec<String> {
    let mut memory = Memory::default();
    let mut all = |trees: &[&[(&str, &str)]]| trees.iter().map(|files| memory.files(files)).collect::<Vec<_>>();
    let (bases, parents) = (all(bases), all(parents));
    let trees = MergeTrees { merge: memory.files(merge), parents, bases };
    let mut found = Vec::new();
    each_own_entry(&memory, &trees, &mut |entry| found.push(String::from_utf8(entry.path.to_vec()).unwrap())).unwrap();
    found
}

#[test]
fn what_the_sides_agree_on_is_no_merge_s_own() {
    let base: &[(&str, &str)] = &[("a", "1"), ("d/b", "1"), ("d/c", "1")];
    let ours: &[(&str, &str)] = &[("a", "2"), ("d/b", "1"), ("d/c", "1"), ("n", "1")];
    let theirs: &[(&str, &str)] = &[("a", "1"), ("d/b", "2"), ("e/f", "1")];
    let merged: &[(&str, &str)] = &[("a", "2"), ("d/b", "2"), ("e/f", "1"), ("n", "1")];
    assert_eq!(own(&[base], &[ours, theirs], merged), [""; 0]);
    assert_eq!(own(&[base], &[theirs, ours], merged), [""; 0]);
    // A fast-forward that was made a merge, and one without anything in common.
    assert_eq!(own(&[base], &[base, ours], ours), [""; 0]);
    assert_eq!(own(&[], &[&[("a", "1")], &[("b", "1")]], &[("a", "1"), ("b", "1")]), [""; 0]);
    // Both did the same; and a file that became a directory.
    assert_eq!(own(&[base], &[ours, ours], ours), [""; 0]);
    assert_eq!(
        own(&[&[("a", "1")]], &[&[("a/b", "1")], &[("a", "1"), ("c", "1")]], &[("a/b", "1"), ("c", "1")]),
        [""; 0]
    );
}

#[test]
fn what_one_side_had_long_ago_is_a_merge_s_own() {
    let base: &[(&str, &str)] = &[("a", "old"), ("b", "1")];
    let ours: &[(&str, &str)] = &[("a", "new"), ("b", "1")];
    let theirs: &[(&str, &str)] = &[("a", "old"), ("b", "2")];
    // Taken from the other side, taken from nowhere, dropped, and a stale first parent.
    assert_eq!(own(&[base], &[ours, theirs], &[("a", "old"), ("b", "2")]), ["a"]);
    assert_eq!(own(&[base], &[ours, theirs], &[("a", "evil"), ("b", "2")]), ["a"]);
    assert_eq!(own(&[base], &[ours, theirs], &[("b", "2")]), ["a"]);
    assert_eq!(own(&[base], &[theirs, ours], &[("a", "old"), ("b", "2")]), ["a"]);
    assert_eq!(own(&[base], &[ours, theirs], &[("a", "new"), ("b", "1")]), ["b"]);
    // Both changed it: whatever becomes of it is looked at.
    assert_eq!(own(&[base], &[ours, &[("a", "other"), ("b", "1")]], ours), ["a"]);
    // One of two bases had what the merge goes back to.
    assert_eq!(own(&[&[("a", "new"), ("b", "1")], base], &[ours, theirs], &[("a", "new"), ("b", "2")]), ["a"]);
    assert_eq!(own(&[], &[&[("a", "1")], &[("a", "2")]], &[("a", "1")]), ["a"]);
}

/// main is a, b, c; a branch leaves at a and merges b, so that with c it has two ways to meet.
fn crossed() -> Memory {
    let mut memory = Memory::default();
    memory.commit("a", &[], 1);
    memory.commit("b", &["a"], 2);
    memory.commit("x", &["a"], 3);
    memory.commit("c", &["b", "x"], 4);
    memory.commit("y", &["x", "b"], 5);
    memory.commit("other", &[], 9);
    memory
}

fn bases(memory: &Memory, commits: &[&str]) -> Vec<Oid> {
    let commits: Vec<Oid> = commits.iter().map(|name| id(name.as_bytes())).collect();
    merge_bases(memory, &commits, LIMITS).unwrap()
}

fn ids(names: &[&str]) -> Vec<Oid> {
    let mut ids: Vec<Oid> = names.iter().map(|name| id(name.as_bytes())).collect();
    ids.sort_unstable();
    ids
}

#[test]
fn histories_part_where_git_says() {
    let memory = crossed();
    assert_eq!(bases(&memory, &["b", "x"]), ids(&["a"]));
    assert_eq!(bases(&memory, &["c", "y"]), ids(&["b", "x"]));
    assert_eq!(bases(&memory, &["c", "b"]), ids(&["b"]));
    assert_eq!(bases(&memory, &["c", "c"]), ids(&["c"]));
    assert_eq!(bases(&memory, &["c", "other"]), []);
    assert_eq!(bases(&memory, &["c", "y", "a"]), ids(&["a"]));
    assert_eq!(bases(&memory, &["c"]), ids(&["c"]));
    assert!(contains(&memory, id(b"y"), id(b"b"), LIMITS).unwrap());
    assert!(!contains(&memory, id(b"b"), id(b"y"), LIMITS).unwrap());
}

#[test]
fn dates_do_not_tell_where_histories_part() {
    for turn in 0..24 {
        let mut memory = Memory::default();
        let date = |number: u64| [3, 1, 4, 1, 5, 9, 2, 6][usize::try_from((number * 7 + turn) % 8).unwrap()];
        memory.commit("root", &[], date(0));
        memory.commit("a", &["root"], date(1));
        memory.commit("b", &["a"], date(2));
        memory.commit("c", &["b"], date(3));
        memory.commit("x", &["b", "root"], date(4));
        memory.commit("y", &["x"], date(5));
        assert_eq!(bases(&memory, &["c", "y"]), ids(&["b"]), "{turn}");
        assert_eq!(bases(&memory, &["a", "y"]), ids(&["a"]), "{turn}");
    }
}

fn line(memory: &Memory, tip: &str, hidden: &[&str], old: Option<&str>) -> Vec<Oid> {
    let tip = id(tip.as_bytes());
    let hidden: Vec<Oid> = hidden.iter().map(|name| id(name.as_bytes())).collect();
    let new = new_commits(memory, tip, &hidden, LIMITS).unwrap();
    let end = old.map_or_else(|| mainline_end(memory, &new, LIMITS).unwrap(), |old| Some(id(old.as_bytes())));
    mainline(&new, tip, end).iter().map(|step| step.commit).collect()
}

#[test]
fn the_mainline_leads_to_the_old_value_or_to_the_best_meeting() {
    let memory = crossed();
    let named = |names: &[&str]| names.iter().map(|name| id(name.as_bytes())).collect::<Vec<_>>();
    assert_eq!(line(&memory, "c", &["b"], Some("b")), named(&["c"]));
    assert_eq!(line(&memory, "c", &["x"], Some("x")), named(&["c"]));
    assert_eq!(line(&memory, "c", &["a"], Some("a")), named(&["b", "c"]));
    // A new ref: the best common ancestor, of several the first by first-parent order, whatever their dates.
    assert_eq!(line(&memory, "c", &["a"], None), named(&["b", "c"]));
    let mut memory = crossed();
    memory.commit("z", &["y", "c"], 6);
    assert_eq!(line(&memory, "z", &["b", "x"], None), named(&["y", "z"]));
    assert_eq!(line(&memory, "z", &["a", "x"], None), named(&["y", "z"]));
    assert_eq!(line(&memory, "z", &["a", "c"], None), named(&["z"]));
    assert_eq!(line(&memory, "z", &[], None), named(&["a", "x", "y", "z"]));
}

#[test]
fn what_a_push_brings_is_new_whatever_its_dates_say() {
    let mut memory = crossed();
    memory.incoming("n", &["c"], 0);
    memory.incoming("m", &["n", "y"], u64::MAX);
    let new = |hidden: &[&str]| {
        let hidden: Vec<Oid> = hidden.iter().map(|name| id(name.as_bytes())).collect();
        let new = new_commits(&memory, id(b"m"), &hidden, LIMITS).unwrap();
        let mut found: Vec<Oid> = new.iter().collect();
        found.sort_unstable();
        (found, new.boundary().collect::<Vec<_>>())
    };
    assert_eq!(new(&["c", "y"]), (ids(&["m", "n"]), vec![id(b"c"), id(b"y")]));
    assert_eq!(new(&["c"]).0, ids(&["m", "n", "y"]));
    assert_eq!(new(&["m"]), (vec![], vec![id(b"m")]));
    assert_eq!(new(&[]).0.len(), 7);
}
