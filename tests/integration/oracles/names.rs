//! Which names in a tree are harmless, against gitoxide and against `git fsck`.

use std::collections::{BTreeMap, BTreeSet};

use countersign::core::policy::{Glob, LetterCase};
use countersign::core::text::names::{Named, is_harmless};
use gix::validate::path::component::{Mode, Options};

use super::Random;
use crate::attacks::raw_entry;
use crate::world::World;

/// What dangerous names are made of, and what spoils them.
const PIECES: [&str; 15] =
    [".", "g", "IT", "git", "~1", "~2", "0", " ", ":", "\\", "/", "\u{200c}", "modules", "gi7eba", "x"];

/// Gitoxide's answer, with a backslash as a separator too.
fn gix_allows(name: &[u8], named: Named) -> bool {
    let options = Options { protect_windows: false, protect_hfs: true, protect_ntfs: true };
    let mode = (named == Named::Link).then_some(Mode::Symlink);
    let allows = |name: &[u8]| gix::validate::path::component(name.into(), mode, options).is_ok();
    let parts = || name.split(|byte| *byte == b'\\').filter(|part| !part.is_empty());
    allows(name) && (!name.contains(&b'\\') || parts().all(allows))
}

#[track_caller]
fn compare(name: &[u8]) {
    for named in [Named::Link, Named::Other] {
        assert_eq!(is_harmless(name, named), gix_allows(name, named), "{} {named:?}", name.escape_ascii());
    }
}

#[test]
fn gitoxide_refuses_the_same_names() {
    let mut names = vec![String::new()];
    for _ in 0..4 {
        names.iter().for_each(|name| compare(name.as_bytes()));
        names = names.iter().flat_map(|name| PIECES.map(|piece| format!("{name}{piece}"))).collect();
    }
    names.iter().for_each(|name| compare(name.as_bytes()));
    // All of eight bytes that could be a short name.
    for tilde in 0..8 {
        for number in ["~1", "~9", "~0", "~", "~10", "~1a", "~4294967"] {
            for base in ["gi7eba", "GI7EBA", "gitmod", "gi7ebb", "gitmodules"] {
                let base = base.get(..tilde).unwrap_or(base);
                ["", " ", ".", ":x", "x", "0"]
                    .iter()
                    .for_each(|end| compare(format!("{base}{number}{end}").as_bytes()));
            }
        }
    }
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config { failure_persistence: None, ..Default::default() })]

    #[test]
    fn gitoxide_refuses_the_same_bytes(
        front in "[\u{200b}-\u{2010}\u{feff}]{0,2}",
        name in "(\\.?[gG]it(modules|mod~[0-9]|~[0-9])?)?",
        end in proptest::collection::vec(proptest::num::u8::ANY, 0..4),
        tail in "[. ]{0,3}(:.{0,3})?",
    ) {
        compare(&[front.as_bytes(), name.as_bytes(), &end, tail.as_bytes()].concat());
        compare(&[name.as_bytes(), tail.as_bytes(), &end].concat());
    }
}

/// Trees of one entry each, and what `git fsck` says of them, by their ids.
fn fsck(world: &World, trees: &[Vec<u8>]) -> (Vec<String>, BTreeMap<String, BTreeSet<String>>) {
    let directory = world.path("trees");
    std::fs::create_dir(&directory).unwrap();
    let mut paths = String::new();
    for (number, tree) in trees.iter().enumerate() {
        let path = directory.join(number.to_string());
        std::fs::write(&path, tree).unwrap();
        paths += &format!("{}\n", path.display());
    }
    let ids = world.git_with(&["hash-object", "-t", "tree", "--literally", "-w", "--stdin-paths"], paths.as_bytes());
    let mut command = world.command("git", &world.clone_dir());
    command.args(["fsck", "--no-dangling", "--no-progress"]);
    let output = world.run(command, None);
    let mut said: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in String::from_utf8_lossy(&output.stderr).lines() {
        let Some((_, rest)) = line.split_once(" in tree ") else { continue };
        let (id, rest) = rest.split_once(": ").unwrap();
        let (what, _) = rest.split_once(": ").unwrap();
        said.entry(id.to_owned()).or_default().insert(what.to_owned());
    }
    (ids.lines().map(str::to_owned).collect(), said)
}

#[test]
fn what_git_takes_for_its_own_is_refused() {
    let world = World::new("");
    let blob = world.git_with(&["hash-object", "-w", "--stdin"], b"");
    let mut random = Random(7);
    let mut names: BTreeSet<String> =
        [".git", "git~1", ".GIT", ".gitmodules", "gitmod~1", "a b"].map(str::to_owned).into();
    while names.len() < 1500 {
        let count = 1 + random.below(5);
        names.insert((0..count).map(|_| *random.pick(&PIECES)).collect());
    }
    let entries: Vec<(&String, Named)> =
        names.iter().flat_map(|name| [(name, Named::Link), (name, Named::Other)]).collect();
    let mode = |named| if named == Named::Link { "120000" } else { "100644" };
    let trees: Vec<Vec<u8>> =
        entries.iter().map(|(name, named)| raw_entry(mode(*named), name.as_bytes(), &blob)).collect();
    let (ids, said) = fsck(&world, &trees);
    let refusing = ["hasDotgit", "hasDot", "hasDotdot", "emptyName", "fullPathname", "gitmodulesSymlink"];
    // A class of that name covers what git takes for it.
    let modules = Glob::parse(".gitmodules").unwrap();
    let mut refused = 0;
    for ((name, named), id) in entries.iter().zip(&ids) {
        let git_refuses = said.get(id).is_some_and(|what| refusing.iter().any(|one| what.contains(*one)));
        let ours = !is_harmless(name.as_bytes(), *named);
        refused += usize::from(git_refuses);
        let is_modules = said.get(id).is_some_and(|what| what.contains("gitmodulesSymlink")) && !name.contains('\\');
        assert!(
            !is_modules || modules.matches(name.as_bytes(), LetterCase::Folded),
            "{name:?} is no path of the class"
        );
        assert!(ours || !git_refuses, "git refuses {name:?} as {named:?}: {:?}", said.get(id));
        // Of the parts between backslashes git looks at less.
        assert!(git_refuses || !ours || name.contains('\\'), "git takes {name:?} as {named:?}");
    }
    assert!(refused > 100, "{refused} of {} were refused", ids.len());
}
