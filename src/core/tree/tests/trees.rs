//! Comparisons of trees made at random: against the files that they hold, and with entries that git would not write.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::core::digest::Digest;

/// Paths that files may have. Some stand where others have directories, and between what a file and a directory of one name sort.
pub(super) const PATHS: [&str; 12] =
    ["a", "a.b", "a/a", "a/b", "a/c/a", "a/c/b", "a0", "b", "b/a", "c", "c/a/a", "c/a/b"];

/// The modes of files, each with the type that it has.
const MODES: [&str; 4] = ["100644", "100755", "120000", "160000"];

/// A file: its mode, and a number for its content.
pub(super) type File = (&'static str, u8);

/// The files of a tree by their paths.
pub(super) type Files = BTreeMap<&'static str, File>;

pub(super) fn file() -> impl Strategy<Value = File> {
    (prop_oneof![4 => Just(MODES[0]), 1 => prop::sample::select(MODES.to_vec())], 0_u8..3)
}

/// Any files that can stand beside each other.
pub(super) fn files() -> impl Strategy<Value = Files> {
    prop::collection::vec(prop::option::weighted(0.6, file()), PATHS.len()).prop_map(|all| {
        let mut files: Files = PATHS.iter().zip(all).filter_map(|(path, file)| Some((*path, file?))).collect();
        while let Some(path) = in_the_way(&files) {
            files.remove(path);
        }
        files
    })
}

/// A file in the place of a directory that others need.
pub(super) fn in_the_way(files: &Files) -> Option<&'static str> {
    let is_above =
        |path: &&str| files.keys().any(|other| other.strip_prefix(*path).is_some_and(|rest| rest.starts_with('/')));
    files.keys().copied().find(is_above)
}

pub(super) fn store(memory: &mut Memory, files: &Files) -> Oid {
    let contents: Vec<String> = files.values().map(|(_, content)| content.to_string()).collect();
    let rows = files.iter().zip(&contents).map(|((path, (mode, _)), content)| (*mode, *path, content.as_str()));
    memory.modes(&rows.collect::<Vec<_>>())
}

/// What a comparison finds, path by path, with the mode and content of both sides.
fn found(memory: &Memory, old: Oid, new: Oid) -> Vec<(String, Option<Value>, Option<Value>)> {
    let found = changes(memory, Some(old), new).unwrap();
    found.into_iter().map(|change| (String::from_utf8(change.path).unwrap(), change.old, change.new)).collect()
}

fn value((mode, content): File) -> Value {
    let mode = match mode {
        "100644" => EntryMode::Blob,
        "100755" => EntryMode::Executable,
        "120000" => EntryMode::Symlink,
        _ => EntryMode::Submodule,
    };
    (mode, id(content.to_string().as_bytes()))
}

/// Entries that git would not write, in a directory, each by what is wrong with it alone.
const ODD: [(&str, &str); 6] = [
    ("100664", "m"),
    ("040000", "n"),
    ("100644", ".git"),
    ("120000", ".gitmodules"),
    ("100644", "x\\.git"),
    ("40000", ".."),
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_changes_is_what_the_files_say(old in files(), new in files()) {
        let mut memory = Memory::default();
        let (old_tree, new_tree) = (store(&mut memory, &old), store(&mut memory, &new));
        let mut expected = Vec::new();
        for path in PATHS {
            let (before, after) = (old.get(path).copied().map(value), new.get(path).copied().map(value));
            if before != after {
                expected.push((path.to_owned(), before, after));
            }
        }
        prop_assert_eq!(found(&memory, old_tree, new_tree), expected);
    }

    #[test]
    fn the_way_back_is_the_same_change_turned(old in files(), new in files()) {
        let mut memory = Memory::default();
        let (old, new) = (store(&mut memory, &old), store(&mut memory, &new));
        let back = found(&memory, new, old).into_iter().map(|(path, before, after)| (path, after, before));
        prop_assert_eq!(found(&memory, old, new), back.collect::<Vec<_>>());
    }

    /// What a seal or an approval binds is the change, wherever it is made.
    #[test]
    fn the_digest_is_that_of_the_change_alone(old in files(), new in files(), beside in file(), streamed in any::<bool>()) {
        let mut memory = Memory::default();
        let trees = (store(&mut memory, &old), store(&mut memory, &new));
        let with = |files: &Files| {
            let mut files = files.clone();
            files.insert("0/untouched", beside);
            files.insert("z", beside);
            files
        };
        let others = (store(&mut memory, &with(&old)), store(&mut memory, &with(&new)));
        let digest_of = |(old, new): (Oid, Oid)| -> Digest {
            if streamed {
                let mut digest = ChangeDigest::new(ObjectFormat::Sha1);
                each_change(&memory, Some(old), new, &mut |change| digest.add(change)).unwrap();
                return digest.finish();
            }
            digest(&changes(&memory, Some(old), new).unwrap(), ObjectFormat::Sha1)
        };
        prop_assert_eq!(digest_of(trees), digest_of(others));
        let nothing = Digest::of(b"countersign-change-v1\0");
        prop_assert_eq!(digest_of(trees) == nothing, old == new);
    }

    /// Steps add up: what each path was first and is last is the change from the first tree to the last.
    #[test]
    fn one_change_after_another_is_one_change(trees in prop::collection::vec(files(), 2..5)) {
        let mut memory = Memory::default();
        let trees: Vec<Oid> = trees.iter().map(|files| store(&mut memory, files)).collect();
        let mut sum: BTreeMap<String, (Option<Value>, Option<Value>)> = BTreeMap::new();
        for pair in trees.windows(2) {
            for (path, old, new) in found(&memory, pair[0], pair[1]) {
                sum.entry(path).or_insert((old, None)).1 = new;
            }
        }
        sum.retain(|_, (first, last)| first != last);
        let whole = found(&memory, trees[0], trees[trees.len() - 1]);
        prop_assert_eq!(sum, whole.into_iter().map(|(path, old, new)| (path, (old, new))).collect());
    }

    /// Whoever works on top of old trees may leave in them what stands there, take away from it, and add what git writes.
    #[test]
    fn what_stood_may_stay_and_what_is_new_must_be_git_s(
        old in prop::collection::vec((0..ODD.len(), 0_u8..2), 1..7),
        left in prop::collection::vec(any::<bool>(), 7),
        below in any::<bool>(),
        odd in (0..ODD.len(), 2_u8..4)
    ) {
        let mut memory = Memory::default();
        let raw = |memory: &mut Memory, (kind, content): (usize, u8)| {
            let (mode, name) = ODD[kind];
            let content = content.to_string();
            let named = if mode.ends_with("40000") { memory.files(&[("f", &content)]) } else { id(content.as_bytes()) };
            entry(mode, name, named)
        };
        let old: Vec<Vec<u8>> = old.into_iter().map(|one| raw(&mut memory, one)).collect();
        let odd = raw(&mut memory, odd);
        let kept = || old.iter().zip(&left).filter(|(_, left)| **left).map(|(entry, _)| entry.clone());
        let last = entry("100644", "zz", id(b"plain"));
        let beside = entry("100644", "zzz", id(b"was there"));
        let mut tree = |entries: Vec<Vec<u8>>| {
            let tree = memory.raw_tree(entries.concat());
            if below { memory.entries(&[("40000", "d", tree)]) } else { tree }
        };
        // What stands beside it makes no tree the empty one, which no directory may be.
        let old_tree = tree(old.iter().cloned().chain([beside.clone()]).collect());
        let fewer = tree(kept().chain([beside.clone()]).collect());
        let more = tree(old.iter().cloned().chain([last, beside.clone()]).collect());
        let odder = tree(kept().chain([odd, beside]).collect());
        prop_assert_eq!(fault(&memory, Some(old_tree), fewer), None);
        prop_assert_eq!(fault(&memory, Some(old_tree), more), None);
        prop_assert!(fault(&memory, Some(old_tree), odder).is_some());
    }
}
