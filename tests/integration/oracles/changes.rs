//! The change digest against its definition, a pipe from `git diff-tree` (seal/FORMAT.md).

use std::collections::BTreeMap;

use countersign::core::tree::{changes, digest};

use super::random::NAMES;
use super::rows::{by_libgit2, row};
use super::{Random, objects, resolve};
use crate::world::World;

const MODES: [&str; 5] = ["100644", "100644", "100755", "120000", "160000"];

/// What a tree holds: mode and content, or for a submodule its commit.
type Files = BTreeMap<Vec<u8>, (&'static str, String)>;

fn path(random: &mut Random) -> Vec<u8> {
    let depth = 1 + random.below(3);
    let names: Vec<&[u8]> = (0..depth).map(|_| *random.pick(&NAMES)).collect();
    names.join(&b'/')
}

fn under(path: &[u8], directory: &[u8]) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.starts_with(b"/"))
}

fn mutate(files: &mut Files, random: &mut Random, id_length: usize) {
    for _ in 0..1 + random.below(4) {
        let known: Vec<Vec<u8>> = files.keys().cloned().collect();
        // Often at a place that is taken: its content, its mode, or a file for a directory and the other way round.
        let mut path = if known.is_empty() || random.one_in(3) { path(random) } else { random.pick(&known).clone() };
        match random.below(6) {
            0 => {
                files.remove(&path);
                continue;
            }
            1 => path.extend_from_slice(b"/a"),
            2 => path.truncate(path.iter().position(|byte| *byte == b'/').unwrap_or(path.len())),
            _ => {}
        }
        files.retain(|other, _| !under(other, &path) && !under(&path, other));
        let mode = *random.pick(&MODES);
        let number = 1 + random.below(5);
        let content = if mode == "160000" { number.to_string().repeat(id_length) } else { format!("content {number}") };
        files.insert(path, (mode, content));
    }
}

/// As fast-import wants paths that hold any byte.
fn quoted(path: &[u8]) -> String {
    let bytes: String = path.iter().map(|byte| format!("\\{byte:03o}")).collect();
    format!("\"{bytes}\"")
}

fn commit(number: usize, files: &Files) -> String {
    let mut stream = format!("commit refs/heads/c{number}\ncommitter A <a@x.dev> {number} +0000\ndata 0\ndeleteall\n");
    for (path, (mode, content)) in files {
        stream += &match *mode {
            "160000" => format!("M 160000 {content} {}\n", quoted(path)),
            mode => format!("M {mode} inline {}\ndata {}\n{content}\n", quoted(path), content.len()),
        };
    }
    stream
}

#[test]
fn the_change_digest_is_what_the_pipe_says() {
    for (format, seeds) in [("sha1", 20), ("sha256", 5)] {
        let world = World::with("version = 1\nrepository = \"acme/payments\"\n", format);
        let id_length = if format == "sha1" { 40 } else { 64 };
        let mut stream = String::new();
        let mut count = 0;
        for seed in 0..seeds {
            let (mut random, mut files) = (Random(seed), Files::new());
            for _ in 0..6 {
                mutate(&mut files, &mut random, id_length);
                stream += &commit(count, &files);
                count += 1;
            }
        }
        world.git_with(&["fast-import", "--quiet"], stream.as_bytes());
        let trees: Vec<String> = (0..count).map(|number| format!("c{number}^{{tree}}")).collect();
        let trees = resolve(&world, &trees);
        let objects = objects(&world);
        // This libgit2 reads SHA-1 only.
        let libgit2 = (format == "sha1").then(|| git2::Repository::open(world.clone_dir()).unwrap());
        let empty = world.empty_tree();
        let (mut types, mut turned, mut random) = (BTreeMap::new(), 0, Random(99));
        for (number, new) in trees.iter().enumerate() {
            let far = *random.pick(&trees);
            let before = if number % 6 == 0 { None } else { Some(trees[number - 1]) };
            for old in [before, Some(far)] {
                let found = changes(&objects, old, *new).unwrap();
                let old_name = old.map_or(empty.clone(), |old| old.to_string());
                let expected = world.change_digest(&old_name, &new.to_string());
                assert_eq!(digest(&found, new.format()), expected, "{format}: {old_name} {new}: {found:?}");
                assert!(found.is_sorted_by(|one, next| one.path < next.path), "{found:?}");
                if let Some(libgit2) = &libgit2 {
                    assert_eq!(found.iter().map(row).collect::<Vec<_>>(), by_libgit2(libgit2, old, *new).unwrap());
                }
                // A file whose path is now a directory, or the other way round: next to each other where nothing sorts between.
                turned += found.windows(2).filter(|pair| under(&pair[1].path, &pair[0].path)).count();
                for change in &found {
                    let modes = (change.old.map(|(mode, _)| mode.octal()), change.new.map(|(mode, _)| mode.octal()));
                    *types.entry(modes).or_insert(0) += 1;
                }
            }
        }
        // Every kind of change was among them: four modes and absence, each to each.
        if format == "sha1" {
            assert_eq!(types.len(), 5 * 5 - 1, "{types:?}");
            assert!(turned > 0);
        }
    }
}
