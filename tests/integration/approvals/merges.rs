//! Merges that git makes without asking, by a forge or an agent, and one with a change of its own beside each.

use super::{ONE_APPROVAL, ProtectedServer, people};
use crate::world::{ALICE, CLAUDE, FORGE, Pushed, World};

const LONG: &str = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";

/// Rules under which a forge's commit needs a reason.
fn rules() -> String {
    ONE_APPROVAL.replace("identity = \"agents\"\nforce", "identity = \"everyone\"\nforce")
}

/// Merges `theirs` into `ours` as the forge, with what `change` does to it, and pushes that to main.
fn forge_merges(setup: &ProtectedServer, ours: &str, theirs: &str, change: impl FnOnce(&World)) -> Pushed {
    setup.merge(ours, theirs, change);
    setup.world.sign_head(FORGE);
    setup.push_main("merged")
}

/// A commit of a person on main, which needs nobody's approval.
fn by_hand(setup: &ProtectedServer, change: impl FnOnce(&World)) {
    let branch = setup.world.git(&["symbolic-ref", "--short", "HEAD"]);
    setup.world.git(&["checkout", "-q", "-B", "by-hand", "origin/main"]);
    change(&setup.world);
    setup.world.git(&["add", "--all"]);
    setup.world.git(&["commit", "-q", "-m", "By hand"]);
    setup.world.sign_head(ALICE);
    setup.push_main("by-hand").accepted();
    setup.world.git(&["checkout", "-q", &branch]);
}

fn add_a_line(world: &World, file: &str) {
    let path = world.clone_dir().join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(path, format!("{text}evil\n")).unwrap();
}

fn judge(pushed: &Pushed, is_evil: bool, code: &str) {
    if is_evil { pushed.refused(code) } else { pushed.accepted() }
}

#[test]
fn a_rename_is_followed_in_a_forge_s_merge() {
    for format in ["sha1", "sha256"] {
        for evil in [false, true] {
            let setup = ProtectedServer::with(&format!("{}{}", people(), rules()), format);
            setup.agent("shared.txt", &LONG.replace('9', "nine"), "Change the end\n");
            setup.approve("work");
            by_hand(&setup, |world| {
                world.git(&["mv", "shared.txt", "renamed.txt"]);
            });
            let pushed = forge_merges(&setup, "origin/main", "work", |world| {
                if evil {
                    add_a_line(world, "renamed.txt");
                }
            });
            judge(&pushed, evil, "unknown-signer");
        }
    }
}

#[test]
fn a_rename_is_followed_in_the_merge_of_approved_work() {
    for evil in [false, true] {
        let setup = ProtectedServer::new(ONE_APPROVAL);
        setup.world.git(&["mv", "shared.txt", "renamed.txt"]);
        setup.world.git(&["commit", "-q", "-m", "Rename"]);
        setup.world.seal_head(CLAUDE);
        setup.approve("work");
        setup.main_moves("shared.txt", &LONG.replace('1', "one"));
        setup.merge("origin/main", "work", |world| {
            if evil {
                add_a_line(world, "renamed.txt");
            }
        });
        setup.world.seal_head(CLAUDE);
        judge(&setup.push_main("merged"), evil, "approval-void");
    }
}

/// Two branches that merged each other, so that their next merge has two merge bases.
#[test]
fn branches_that_merged_each_other_are_merged_again() {
    for evil in [false, true] {
        let setup = ProtectedServer::new(&rules());
        let world = &setup.world;
        world.git(&["checkout", "-q", "-b", "develop", "origin/main"]);
        world.commit("shared.txt", &LONG.replace('9', "nine"), "Change the end\n");
        world.sign_head(ALICE);
        by_hand(&setup, |world| {
            std::fs::write(world.clone_dir().join("shared.txt"), LONG.replace('1', "one")).unwrap();
        });
        for (branch, ours, theirs) in [("one", "develop", "origin/main"), ("other", "origin/main", "develop")] {
            world.git(&["checkout", "-q", "-b", branch, ours]);
            world.git(&["merge", "-q", "--no-ff", "-m", "Merge", theirs]);
            world.sign_head(ALICE);
        }
        world.commit("main.txt", "main\n", "On main\n");
        world.sign_head(ALICE);
        setup.push_main("other").accepted();
        world.git(&["checkout", "-q", "one"]);
        world.commit("shared.txt", &LONG.replace('1', "one").replace('9', "ten"), "Change the end again\n");
        world.sign_head(ALICE);
        let bases = world.git(&["merge-base", "--all", "one", "origin/main"]);
        assert_eq!(bases.lines().count(), 2);
        let pushed = forge_merges(&setup, "origin/main", "one", |world| {
            if evil {
                add_a_line(world, "shared.txt");
            }
        });
        judge(&pushed, evil, "unknown-signer");
    }
}

/// Git asks a person where a file belongs whose directory the other side renamed: the forge's answer is its own.
#[test]
fn where_git_asks_a_person_a_forge_s_merge_adds_something() {
    let setup = ProtectedServer::new(&rules());
    by_hand(&setup, |world| {
        std::fs::create_dir(world.clone_dir().join("old")).unwrap();
        std::fs::write(world.clone_dir().join("old/a.txt"), LONG).unwrap();
    });
    setup.world.git(&["reset", "-q", "--hard", "origin/main"]);
    setup.agent("old/new.txt", "new\n", "Add a file\n");
    setup.approve("work");
    by_hand(&setup, |world| {
        world.git(&["mv", "old", "new"]);
    });
    setup.world.git(&["checkout", "-q", "-B", "merged", "origin/main"]);
    // Git itself stops here.
    let mut command = setup.world.command("git", &setup.world.clone_dir());
    command.args(["merge", "-q", "--no-ff", "work"]);
    assert!(!setup.world.run(command, None).status.success());
    setup.world.git(&["add", "--all"]);
    setup.world.git(&["commit", "-q", "-m", "Merge"]);
    setup.world.sign_head(FORGE);
    setup.push_main("merged").refused("unknown-signer");
}
