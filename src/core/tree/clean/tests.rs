use super::diff::{Steps, hunks};
use super::{Three, is_clean_merge, merged_tree, text};
use crate::core::limits;
use crate::core::oid::Oid;
use crate::core::tree::WalkLimits;
use crate::core::tree::memory::{Memory, id};

const LIMITS: WalkLimits = WalkLimits { new: 100, stored: 100, reads: 1000 };

/// A file long enough to be known again after a change.
const LONG: &str = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";

type Files<'f> = &'f [(&'f str, &'f str)];

/// What merging two branches of one base gives, the same either way round.
fn merged(base: Files<'_>, ours: Files<'_>, theirs: Files<'_>) -> Option<Oid> {
    let mut memory = Memory::default();
    memory.commit_of("base", &[], 1, base);
    let ours = memory.commit_of("ours", &["base"], 2, ours);
    let theirs = memory.commit_of("theirs", &["base"], 3, theirs);
    let merged = merged_tree(&memory, &memory, ours, theirs, LIMITS).unwrap();
    assert_eq!(merged_tree(&memory, &memory, theirs, ours, LIMITS).unwrap(), merged);
    merged
}

fn tree(files: Files<'_>) -> Option<Oid> {
    Some(Memory::default().files(files))
}

#[test]
fn both_sides_are_put_together() {
    let (first, last) = (LONG.replace('1', "one"), LONG.replace('9', "nine"));
    let (both, other) = (first.replace('9', "nine"), LONG.replace('1', "eins"));
    let rows: [(&str, Files<'_>, Files<'_>, Files<'_>, Option<Files<'_>>); 6] = [
        (
            "two files",
            &[("a", "1\n")],
            &[("a", "1\n"), ("b", "2\n")],
            &[("a", "3\n")],
            Some(&[("a", "3\n"), ("b", "2\n")]),
        ),
        ("one file", &[("a", LONG)], &[("a", &first)], &[("a", &last)], Some(&[("a", &both)])),
        ("one line", &[("a", LONG)], &[("a", &first)], &[("a", &other)], None),
        ("neighbours", &[("a", "1\n2\n")], &[("a", "one\n2\n")], &[("a", "1\ntwo\n")], None),
        ("a change to what is gone", &[("a", LONG)], &[], &[("a", &last)], None),
        ("a directory in the way", &[("b", "")], &[("a", "1\n"), ("b", "")], &[("a/c", "1\n"), ("b", "")], None),
    ];
    for (name, base, ours, theirs, outcome) in rows {
        assert_eq!(merged(base, ours, theirs), outcome.and_then(tree), "{name}");
    }
}

#[test]
fn renames_are_followed() {
    let (first, last) = (LONG.replace('1', "one"), LONG.replace('9', "nine"));
    let both = first.replace('9', "nine");
    let rows: [(&str, Files<'_>, Files<'_>, Files<'_>, Option<Files<'_>>); 8] = [
        ("a rename", &[("a", LONG)], &[("b/c", LONG)], &[("a", &last)], Some(&[("b/c", &last)])),
        ("with a change of its own", &[("a", LONG)], &[("b", &first)], &[("a", &last)], Some(&[("b", &both)])),
        ("the same by both", &[("a", LONG)], &[("b", &first)], &[("b", &last)], Some(&[("b", &both)])),
        ("apart", &[("a", LONG)], &[("b", LONG)], &[("c", LONG)], None),
        ("of what the other deletes", &[("a", LONG), ("z", "")], &[("b", LONG), ("z", "")], &[("z", "")], None),
        ("to a place that is taken", &[("a", LONG)], &[("b", LONG)], &[("a", LONG), ("b", "other\n")], None),
        (
            "of a directory, and a new file in it",
            &[("a/b", LONG), ("a/c", &first)],
            &[("d/b", LONG), ("d/c", &first)],
            &[("a/b", LONG), ("a/c", &first), ("a/new", "new\n")],
            None,
        ),
        (
            "of one of two, and a new file beside the other",
            &[("a/b", LONG), ("a/c", &first)],
            &[("d/b", LONG), ("a/c", &first)],
            &[("a/b", &last), ("a/c", &first), ("a/new", "new\n")],
            Some(&[("d/b", &last), ("a/c", &first), ("a/new", "new\n")]),
        ),
    ];
    for (name, base, ours, theirs, outcome) in rows {
        assert_eq!(merged(base, ours, theirs), outcome.and_then(tree), "{name}");
    }
}

/// Two branches that merged each other. Neither of their two merge bases alone says what a later merge is.
#[test]
fn merge_bases_are_merged_first() {
    let (first, last) = (LONG.replace('1', "one"), LONG.replace('9', "nine"));
    let both = first.replace('9', "nine");
    let mut memory = Memory::default();
    memory.commit_of("root", &[], 1, &[("a", LONG)]);
    memory.commit_of("one", &["root"], 2, &[("a", &first)]);
    memory.commit_of("two", &["root"], 3, &[("a", &last)]);
    memory.commit_of("one and two", &["one", "two"], 4, &[("a", &both)]);
    memory.commit_of("two and one", &["two", "one"], 4, &[("a", &both)]);
    // One side takes the first change back, the other goes on.
    let ours = memory.commit_of("ours", &["one and two"], 5, &[("a", &last)]);
    let theirs = memory.commit_of("theirs", &["two and one"], 6, &[("a", &both), ("b", "new\n")]);
    let merge = memory.commit_of("merge", &["ours", "theirs"], 7, &[("a", &last), ("b", "new\n")]);
    let evil = memory.commit_of("evil", &["ours", "theirs"], 7, &[("a", &both), ("b", "new\n")]);
    let is_clean = |commit| is_clean_merge(&memory, &memory, commit, &[ours, theirs], LIMITS).unwrap();
    assert!(is_clean(merge));
    assert!(!is_clean(evil));
    assert!(!is_clean_merge(&memory, &memory, merge, &[ours], LIMITS).unwrap());
}

/// The merge base of their merge is a conflict, which both resolved alike, and each went on elsewhere.
#[test]
fn a_conflict_in_a_merge_base_is_no_conflict_where_it_was_resolved() {
    let with = |fifth: &str| LONG.replace('5', fifth);
    for (second, outcome) in [("both", true), ("neither", false)] {
        let mut memory = Memory::default();
        memory.commit_of("root", &[], 1, &[("a", LONG)]);
        memory.commit_of("one", &["root"], 2, &[("a", &with("one"))]);
        memory.commit_of("two", &["root"], 3, &[("a", &with("two"))]);
        memory.commit_of("one and two", &["one", "two"], 4, &[("a", &with("both"))]);
        memory.commit_of("two and one", &["two", "one"], 4, &[("a", &with(second))]);
        let ours = memory.commit_of("ours", &["one and two"], 5, &[("a", &with("both").replace('1', "uno"))]);
        let theirs = memory.commit_of("theirs", &["two and one"], 6, &[("a", &with(second).replace('9', "nove"))]);
        let merged = merged_tree(&memory, &memory, ours, theirs, LIMITS).unwrap();
        let together = with("both").replace('1', "uno").replace('9', "nove");
        assert_eq!(merged, tree(&[("a", &together)]).filter(|_| outcome), "{second}");
    }
}

/// Three merge bases: the first two become a commit of their own, which has a merge base with the third.
#[test]
fn any_number_of_merge_bases_is_merged() {
    let doubled = |text: &str, digit: char| text.replace(digit, &format!("{digit}{digit}"));
    let mut memory = Memory::default();
    memory.commit_of("root", &[], 1, &[("a", LONG)]);
    for (seconds, digit) in [(2, '1'), (3, '5'), (4, '9')] {
        memory.commit_of(&digit.to_string(), &["root"], seconds, &[("a", &doubled(LONG, digit))]);
    }
    let all = ['1', '5', '9'].into_iter().fold(LONG.to_owned(), |text, digit| doubled(&text, digit));
    let ours = memory.commit_of("ours", &["1", "5", "9"], 9, &[("a", &all.replace("55", "five"))]);
    let theirs = memory.commit_of("theirs", &["9", "5", "1"], 9, &[("a", &all.replace("99", "nine"))]);
    let merged = merged_tree(&memory, &memory, ours, theirs, LIMITS).unwrap();
    assert_eq!(merged, tree(&[("a", &all.replace("55", "five").replace("99", "nine"))]));
}

/// Branches that merged each other again and again: every merge base has two of its own.
#[test]
fn merge_bases_are_merged_down_to_a_depth() {
    for (rounds, outcome) in [(limits::VIRTUAL_BASES, true), (limits::VIRTUAL_BASES + 1, false)] {
        let mut memory = Memory::default();
        memory.commit_of("root", &[], 1, &[("a", "root\n")]);
        let mut sides = ["root".to_owned(), "root".to_owned()];
        for round in 0..=rounds {
            let seconds = u64::try_from(round).unwrap() + 2;
            let content = format!("{round}\n");
            let parents: Vec<&str> = sides.iter().map(String::as_str).collect();
            let other: Vec<&str> = parents.iter().rev().copied().collect();
            let (parents, other) = if round == 0 { (vec!["root"], vec!["root"]) } else { (parents, other) };
            let names = [format!("ours {round}"), format!("theirs {round}")];
            memory.commit_of(&names[0], &parents, seconds, &[("a", &content)]);
            memory.commit_of(&names[1], &other, seconds, &[("a", &content), ("b", "b\n")]);
            sides = names;
        }
        let [ours, theirs] = sides.map(|name| id(name.as_bytes()));
        let merged = merged_tree(&memory, &memory, ours, theirs, LIMITS).unwrap();
        assert_eq!(merged.is_some(), outcome, "{rounds}");
    }
}

#[test]
fn branches_without_a_common_past_are_not_merged() {
    let mut memory = Memory::default();
    let ours = memory.commit_of("ours", &[], 1, &[("a", "1\n")]);
    let theirs = memory.commit_of("theirs", &[], 1, &[("b", "1\n")]);
    assert_eq!(merged_tree(&memory, &memory, ours, theirs, LIMITS).unwrap(), None);
}

#[test]
fn conflicts_are_marked_as_git_marks_them() {
    let markers = text::Markers { size: 7, ours: b"ours".to_vec(), theirs: b"theirs".to_vec() };
    let marked = |versions: [&str; 3]| {
        let [base, ours, theirs] = versions.map(str::as_bytes);
        match text::merged(Three::new(base, ours, theirs), Some(&markers), &mut Steps(1000)) {
            text::Merged::File(file) => String::from_utf8(file).unwrap(),
            other => panic!("{other:?}"),
        }
    };
    // As `git merge-file --diff-algorithm=histogram -p` prints them.
    for (versions, expected) in [
        (["a\nb\n", "a\nx\n", "a\ny\n"], "a\n<<<<<<< ours\nx\n=======\ny\n>>>>>>> theirs\n"),
        (["a\r\nb", "a\r\nx", "a\r\ny"], "a\r\n<<<<<<< ours\r\nx\r\n=======\r\ny\r\n>>>>>>> theirs\r\n"),
        (["", "x\n", "y"], "<<<<<<< ours\nx\n=======\ny\n>>>>>>> theirs\n"),
        (["a\n", "1\n2\n3\n", "1\nzwei\n3\n"], "1\n<<<<<<< ours\n2\n=======\nzwei\n>>>>>>> theirs\n3\n"),
    ] {
        assert_eq!(marked(versions), expected, "{versions:?}");
    }
}

/// A file made so that each region of the diff has its longest run at the end: all that is before it is looked at again.
#[test]
fn a_file_made_to_be_slow_is_given_up() {
    let (mut old, mut new, mut line) = (Vec::new(), Vec::new(), 0);
    for run in 1..300 {
        old.extend((line..line + run).chain([line + run]));
        new.extend((line..line + run).chain([line + run + 1]));
        line += run + 2;
    }
    let lines = usize::try_from(line).unwrap();
    assert_eq!(hunks(&old, &new, lines, &mut Steps(2_000_000)), None);
    let whole: Vec<u32> = (0..line).collect();
    let honest: Vec<u32> = (0..line).filter(|line| line % 5_000 != 0).collect();
    let found = hunks(&whole, &honest, lines, &mut Steps(2_000_000)).unwrap();
    assert_eq!(found.len(), lines.div_ceil(5_000));
}
