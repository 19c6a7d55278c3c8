//! A server that keeps its refs in tables: installed, pushed to, looked at, and moved behind the hook's back.

use crate::approvals::{ONE_APPROVAL, ProtectedServer, people};
use crate::world::{AGENTS_EVERYWHERE, World, registry};

/// Exit code and output of a command about the server.
fn about(world: &World, words: &[&str]) -> (Option<i32>, String) {
    let server = world.server().display().to_string();
    let words: Vec<&str> = words.iter().map(|word| if *word == "SERVER" { server.as_str() } else { word }).collect();
    let output = world.countersign(&words);
    (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[test]
fn agents_work_lands_in_tables_as_anywhere() {
    for format in ["sha1", "sha256"] {
        let Some(world) = World::in_tables(&format!("{}{ONE_APPROVAL}", people()), format) else { return };
        let setup = ProtectedServer::over(world);
        setup.commit("a.txt", "0\n", "Unsealed\n\nCo-Authored-By: Claude <noreply@anthropic.com>\n");
        setup.push(&["HEAD:refs/heads/retry"]).refused("unsealed-agent-commit");
        setup.git(&["reset", "-q", "--hard", "HEAD~1"]);
        setup.agent("a.txt", "a\n", "Add a\n");
        setup.push(&["work:refs/heads/retry"]).accepted();
        setup.push_main("work").refused("approval-missing");
        setup.approve("work");
        setup.push_main("work").accepted();
        setup.push(&["+work~1:refs/heads/main"]).refused("force-push-denied");
        setup.push(&[":refs/heads/main"]).refused("delete-denied");
        setup.push(&[":refs/heads/retry"]).accepted();
        let (code, said) = about(&setup, &["doctor", "--server", "SERVER"]);
        assert!(code == Some(0) && said.contains("was refused") && said.contains("1 repository: 0 errors"), "{said}");
        let (code, said) = about(&setup, &["log", "verify", "--server", "SERVER"]);
        assert!(code == Some(0) && said.ends_with("holds\n"), "{said}");
    }
}

/// What moved with no decision is found, in the large table at the bottom of the stack as in the small ones on top of it.
#[test]
fn moves_behind_the_hooks_back_are_found_in_every_table() {
    let Some(world) = World::in_tables(&format!("{}{AGENTS_EVERYWHERE}", registry()), "sha1") else { return };
    let server = world.server();
    let first = world.commit("a", "1", "By hand\n");
    let second = world.commit("a", "2", "By hand\n");
    std::fs::remove_file(server.join("hooks/pre-receive")).unwrap();
    world.push(&["HEAD:refs/heads/main"]).accepted();
    let lines: String = (0..4000).map(|number| format!("create refs/heads/topic/{number:04} {first}\n")).collect();
    let mut make = world.command("git", &server);
    make.args(["update-ref", "--stdin"]);
    assert!(world.run(make, Some(lines.as_bytes())).status.success());
    world.git_in(&server, &["pack-refs", "--all"]);
    world.install(&["--baseline"]);
    let pushed = |number: usize| {
        world.commit("b", &number.to_string(), "By hand\n");
        world.push(&["HEAD:refs/heads/main"])
    };
    let moved = |words: &[&str]| world.git_in(&server, &[&["update-ref"], words].concat());
    let quiet = pushed(0);
    assert!(quiet.ok && !quiet.said.contains("topic"), "{}", quiet.said);
    let strays: [(&str, &dyn Fn() -> String); 5] = [
        ("topic/0007", &|| moved(&["refs/heads/topic/0007", &second])),
        ("topic/3990", &|| moved(&["-d", "refs/heads/topic/3990"])),
        ("topic/new", &|| moved(&["refs/heads/topic/new", &first])),
        ("topic/new", &|| moved(&["-d", "refs/heads/topic/new"])),
        ("topic/0100", &|| world.git_in(&server, &["symbolic-ref", "refs/heads/topic/0100", "refs/heads/main"])),
    ];
    for (number, (name, stray)) in strays.into_iter().enumerate() {
        stray();
        let told = pushed(number + 1);
        assert!(told.ok && told.said.contains(name), "{number}: {}", told.said);
        let quiet = pushed(number + 100);
        assert!(quiet.ok && !quiet.said.contains("topic"), "{number}: {}", quiet.said);
        if number == 2 {
            world.git_in(&server, &["pack-refs", "--all"]);
        }
    }
    let (code, said) = about(&world, &["log", "verify", "--server", "SERVER"]);
    assert!(code == Some(0) && said.contains(": holds\n"), "{said}");
}

/// A table that has gone is no ref that has gone.
#[test]
fn a_push_over_tables_that_cannot_be_read_is_not_decided() {
    let Some(world) = World::in_tables(&format!("{}{AGENTS_EVERYWHERE}", registry()), "sha1") else { return };
    world.install(&[]);
    world.commit("a", "1", "By hand\n");
    world.push(&["HEAD:refs/heads/main"]).accepted();
    let words = ["hook", "pre-receive", "--policy", &world.policy_path().display().to_string()].map(str::to_owned);
    let decide = || {
        let mut hook = world.command(crate::world::binary().to_str().unwrap(), &world.server());
        hook.args(&words).env("GIT_DIR", ".");
        let line = format!("{} {} refs/heads/other\n", "0".repeat(40), world.git(&["rev-parse", "HEAD"]));
        let output = world.run(hook, Some(line.as_bytes()));
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(decide().0, Some(0), "{}", decide().1);
    let list = world.server().join("reftable/tables.list");
    let before = std::fs::read_to_string(&list).unwrap();
    std::fs::write(&list, format!("{before}0x000000000009-0x000000000009-00000000.ref\n")).unwrap();
    let (code, said) = decide();
    assert!(code == Some(2) && said.contains("reftable"), "{said}");
}
