//! What a merge makes, against `git merge-tree` on generated histories. `cargo bench --bench merges` does the same with many more.

use countersign::core::oid::Oid;
use countersign::core::tree::{WalkLimits, merged_tree};
use countersign::store::{GitDir, History};

use super::histories::{Histories, Merge};
use super::{objects, resolve};
use crate::world::World;

#[test]
fn a_merge_makes_what_git_makes() {
    for (format, count) in [("sha1", 300), ("sha256", 100)] {
        let world = World::with("version = 1\nrepository = \"acme/payments\"\n", format);
        let mut histories = Histories::new(7, if format == "sha1" { 40 } else { 64 });
        let merges: Vec<Merge> = (0..count).map(|number| histories.add(number)).collect();
        world.git_with(&["fast-import", "--quiet"], &histories.take());
        let mut command = world.command("git", &world.clone_dir());
        command.args(Merge::BY_GIT);
        let names: Vec<String> = merges.iter().flat_map(|merge| merge.sides()).collect();
        let pairs: Vec<(Oid, Oid)> = resolve(&world, &names).chunks(2).map(|pair| (pair[0], pair[1])).collect();
        let input: String = pairs.iter().map(|(ours, theirs)| format!("{ours} {theirs}\n")).collect();
        let by_git = world.run(command, Some(input.as_bytes()));
        assert!(by_git.status.success(), "{}", String::from_utf8_lossy(&by_git.stderr));
        let by_git = Merge::outcomes(&by_git.stdout);
        assert_eq!(by_git.len(), merges.len());
        let objects = objects(&world);
        let dir = GitDir::at(&world.clone_dir().join(".git")).unwrap();
        let history = History::new(&objects, &dir);
        let reads = WalkLimits::PUSH;
        let mut clean = 0;
        for (((ours, theirs), git), merge) in pairs.iter().zip(&by_git).zip(&merges) {
            let here = merged_tree(&objects, &history, *ours, *theirs, reads).unwrap();
            assert_eq!(here.map(|tree| tree.to_string()), *git, "{format}: {merge:?} {ours} {theirs}");
            clean += usize::from(git.is_some());
        }
        // Neither all nor none are clean, else there is little to compare.
        assert!(clean > count / 4 && clean < count * 3 / 4, "{clean} of {count}");
    }
}
