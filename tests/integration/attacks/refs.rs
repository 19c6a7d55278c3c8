//! Names and shapes of history that hide commits from whoever looks.

use crate::attacks::MARKED;
use crate::world::{AGENTS_EVERYWHERE, CLAUDE, Pushed, World};

const MAIN: &str = r#"
[[rule]]
name = "main"
refs = ["refs/heads/main"]
identity = "agents"
"#;

#[test]
fn replace_refs_are_not_pushed() {
    for rules in [AGENTS_EVERYWHERE, MAIN] {
        let world = World::new(rules);
        let clean = world.commit("file", "1", "Clean\n");
        world.push_main().accepted();
        world.push(&[&format!("{clean}:refs/replace/{}", "a".repeat(40))]).refused("ref-denied");
        world.git_in(&world.server(), &["update-ref", &format!("refs/replace/{}", "b".repeat(40)), &clean]);
        world.push(&[&format!(":refs/replace/{}", "b".repeat(40))]).refused("ref-denied");
    }
}

#[test]
fn what_the_server_replaces_or_grafts_is_judged_as_it_is() {
    let world = World::new(AGENTS_EVERYWHERE);
    let base = world.commit("file", "1", "Base\n");
    world.push_main().accepted();
    let marked = world.commit("file", "2", MARKED);
    let tip = world.commit("file", "3", "Clean\n");

    let server = world.server();
    world.git_in(&server, &["update-ref", &format!("refs/replace/{marked}"), &base]);
    world.push(&[&format!("{marked}:refs/heads/main")]).refused("unsealed-agent-commit");
    world.push_main().refused("unsealed-agent-commit");
    world.git_in(&server, &["update-ref", "-d", &format!("refs/replace/{marked}")]);

    std::fs::create_dir_all(server.join("info")).unwrap();
    std::fs::write(server.join("info/grafts"), format!("{tip} {base}\n")).unwrap();
    world.push_main().refused("unsealed-agent-commit");
    // A graft that makes main look as if it contained the commit already.
    std::fs::write(server.join("info/grafts"), format!("{base} {marked}\n")).unwrap();
    world.push_main().refused("unsealed-agent-commit");
    std::fs::remove_file(server.join("info/grafts")).unwrap();

    world.git(&["reset", "-q", "--hard", &base]);
    world.commit("file", "3", "Clean\n");
    world.push_main().accepted();
}

/// Pushes from a clone of depth 1 of `from`, after one more commit where `more` is given.
fn push_shallow(world: &World, from: &std::path::Path, name: &str, more: Option<&str>) -> Pushed {
    let (shallow, from) = (world.path(name), format!("file://{}", from.display()));
    world.git_in(&world.path(""), &["clone", "-q", "--depth", "1", "--branch", "main", &from, name]);
    if let Some(message) = more {
        world.git_in(&shallow, &["commit", "-q", "--allow-empty", "-m", message]);
    }
    let mut command = world.command("git", &shallow);
    let server = world.server();
    command.args(["push", server.to_str().unwrap(), "HEAD:refs/heads/main"]);
    let output = world.run(command, None);
    Pushed { ok: output.status.success(), said: String::from_utf8_lossy(&output.stderr).into_owned() }
}

#[test]
fn history_that_a_shallow_push_leaves_out_is_not_taken_on_trust() {
    let world = World::new(AGENTS_EVERYWHERE);
    world.git_in(&world.server(), &["config", "receive.shallowUpdate", "true"]);
    world.commit("file", "1", MARKED);
    world.commit("file", "2", "Clean\n");
    let pushed = push_shallow(&world, &world.clone_dir(), "attack", None);
    assert!(!pushed.ok, "{}", pushed.said);
    assert!(pushed.said.contains("could not decide"), "{}", pushed.said);

    // The twin: a shallow clone of the server adds to what the server has.
    world.git(&["update-ref", "-d", "HEAD"]);
    world.commit("file", "1", "Base\n");
    world.commit("file", "2", "Clean\n");
    world.push_main().accepted();
    push_shallow(&world, &world.server(), "twin", Some("More")).accepted();
    push_shallow(&world, &world.server(), "marked", Some(MARKED)).refused("unsealed-agent-commit");
}

#[test]
fn a_name_that_differs_only_in_case_is_refused() {
    let world = World::new(MAIN);
    world.commit("file", "1", "Clean\n");
    for name in ["refs/heads/MAIN", "refs/heads/Main", "refs/Heads/main"] {
        world.push(&[&format!("HEAD:{name}")]).refused("ref-denied");
    }
    world.push(&["HEAD:refs/heads/maintenance", "HEAD:refs/heads/main"]).accepted();
    let world = World::new(AGENTS_EVERYWHERE);
    world.commit("file", "1", MARKED);
    world.push(&["HEAD:refs/HEADS/any"]).refused("ref-denied");
}

#[test]
fn what_no_rule_matches_can_be_refused() {
    let world = World::with(&format!("unmatched = \"refuse\"\n{}{MAIN}", crate::world::registry()), "sha1");
    world.commit("file", "1", "Clean\n");
    for name in ["refs/heads/other", "refs/tags/v1", "refs/notes/commits", "refs/odd/name"] {
        world.push(&[&format!("HEAD:{name}")]).refused("ref-denied");
    }
    world.push_main().accepted();
}

#[test]
fn one_bad_ref_among_a_thousand_refuses_them_all() {
    let world = World::new(AGENTS_EVERYWHERE);
    let clean = world.commit("file", "1", "Clean\n");
    let create: String = (0..1200).map(|number| format!("create refs/heads/many/{number} {clean}\n")).collect();
    world.git_with(&["update-ref", "--stdin"], create.as_bytes());
    let marked = world.commit("file", "2", MARKED);
    world.git(&["update-ref", "refs/heads/many/700", &marked]);
    world.push(&["refs/heads/many/*:refs/heads/many/*"]).refused("unsealed-agent-commit");
    assert_eq!(world.git_in(&world.server(), &["for-each-ref"]), "");
    world.seal_head(CLAUDE);
    world.git(&["update-ref", "refs/heads/many/700", "HEAD"]);
    world.push(&["refs/heads/many/*:refs/heads/many/*"]).accepted();
    assert_eq!(world.git_in(&world.server(), &["for-each-ref"]).lines().count(), 1200);
}

#[test]
fn a_flood_of_commits_hides_none() {
    let flood = |first: &str| {
        let world = World::new(AGENTS_EVERYWHERE);
        let count = countersign::core::limits::COMMITS + 1;
        let commit = |message: &str| {
            let who = "Alice Ng <alice@acme.dev> 1700000000 +0000";
            format!("commit refs/heads/flood\ncommitter {who}\ndata {}\n{message}\n", message.len())
        };
        world.git_with(&["fast-import", "--quiet"], (commit(first) + &commit("Clean\n").repeat(count)).as_bytes());
        world.push(&["flood:refs/heads/main"])
    };
    flood(MARKED).refused("unsealed-agent-commit");
    flood("Clean\n").accepted();
}

#[test]
fn deleting_and_creating_again_does_not_force() {
    let world = World::new(&format!("{MAIN}force-push = \"deny\"\ndelete = \"deny\"\n"));
    world.commit("file", "1", "Clean\n");
    world.push_main().accepted();
    world.push(&[":refs/heads/main"]).refused("delete-denied");

    // Where deleting is allowed, what comes back is judged from the ground.
    let world = World::new(MAIN);
    world.commit("file", "1", "Clean\n");
    world.push_main().accepted();
    world.commit("file", "2", MARKED);
    world.push(&["HEAD:refs/heads/lax"]).accepted();
    world.git_in(&world.server(), &["config", "receive.denyDeleteCurrent", "ignore"]);
    world.push(&[":refs/heads/main"]).accepted();
    world.push_main().refused("unsealed-agent-commit");
    world.push(&["HEAD^:refs/heads/main"]).accepted();
}

#[test]
fn a_symbolic_ref_on_the_server_is_no_way_around_the_rules_of_its_target() {
    let rules = "\n[[rule]]\nname = \"main\"\nrefs = [\"refs/heads/main\"]\nidentity = \"agents\"\nforce-push = \"deny\"\ndelete = \"deny\"\n";
    let world = World::new(rules);
    std::fs::remove_file(world.server().join("hooks/pre-receive")).unwrap();
    let (server, policy) = (world.server().display().to_string(), world.policy_path().display().to_string());
    let installed = world.countersign(&["install", "--server", &server, "--policy", &policy]);
    assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
    world.commit("file", "1", "Clean\n");
    world.push_main().accepted();
    let first = world.git(&["rev-parse", "HEAD"]);
    world.git_in(&world.server(), &["symbolic-ref", "refs/heads/alias", "refs/heads/main"]);
    std::os::unix::fs::symlink("refs/heads/alias", world.server().join("refs/heads/linked")).unwrap();
    world.commit("file", "2", MARKED);
    world.push(&["HEAD:refs/heads/alias"]).refused("unsealed-agent-commit");
    world.push(&[":refs/heads/alias"]).refused("delete-denied");
    assert!(!world.push(&["HEAD:refs/heads/linked"]).ok);
    world.back_to_main();
    world.commit("file", "3", "Clean\n");
    world.push(&["HEAD:refs/heads/alias"]).accepted();
    world.push(&[&format!("+{first}:refs/heads/alias")]).refused("force-push-denied");
    // What was decided is what moved.
    world.commit("file", "4", "Clean\n");
    let pushed = world.push(&["HEAD:refs/heads/main", "HEAD:refs/heads/alias"]);
    assert!(!pushed.said.contains("with no decision"), "{}", pushed.said);
    world.push_main().accepted();
    let verified = world.countersign(&["log", "verify", "--server", &server]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
}

/// Speaks to the server's receive-pack as a client that says what it likes of a ref's old value. Returns what the server said.
fn push_from(world: &World, old: &str, new: &str, name: &str) -> Pushed {
    let packet = |line: &str| format!("{:04x}{line}", line.len() + 4);
    let command = packet(&format!("{old} {new} {name}\0 report-status agent=test\n")) + "0000";
    let mut pack = world.command("git", &world.clone_dir());
    pack.args(["pack-objects", "--revs", "--stdout", "-q"]);
    let pack = world.run(pack, Some(format!("{new}\n").as_bytes())).stdout;
    let mut server = world.command("git", &world.path(""));
    server.arg("receive-pack").arg(world.server());
    // What it advertises is not waited for: the answer does not depend on it.
    let output = world.run(server, Some(&[command.as_bytes(), &pack].concat()));
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    Pushed { ok: said.contains(&format!("ok {name}\n")), said }
}

/// What was there before is the server's word: a client that names another old value would have less judged, or a forced move taken
/// for a new ref.
#[test]
fn a_client_does_not_say_what_was_there_before() {
    let rules =
        "\n[[rule]]\nname = \"main\"\nrefs = [\"refs/heads/main\"]\nidentity = \"agents\"\nforce-push = \"deny\"\n";
    let world = World::new(rules);
    let base = world.commit("file", "1", "Clean\n");
    world.push_main().accepted();
    let name = "refs/heads/main";
    let marked = world.commit("file", "2", MARKED);
    let clean = world.commit("file", "3", "Clean\n");
    world.push(&[&format!("{clean}:refs/odd/name")]).accepted();
    let nothing = "0".repeat(base.len());
    for old in [&marked, &clean, &nothing] {
        push_from(&world, old, &clean, name).refused("ref-denied");
    }
    push_from(&world, &base, &clean, name).refused("unsealed-agent-commit");
    // Taken back, and dropped, as a new ref and as one at another place.
    world.git(&["reset", "-q", "--hard", &base]);
    let forward = world.commit("file", "4", "Clean\n");
    world.git(&["checkout", "-q", "--orphan", "other"]);
    let other = world.commit("file", "5", "Clean\n");
    for old in [&nothing, &other] {
        push_from(&world, old, &other, name).refused("ref-denied");
    }
    push_from(&world, &base, &other, name).refused("force-push-denied");
    assert_eq!(world.git_in(&world.server(), &["rev-parse", name]), base);
    // The truth is taken, of a ref that is there and of one that is not.
    push_from(&world, &base, &forward, name).accepted();
    push_from(&world, &nothing, &other, "refs/heads/other").accepted();
    push_from(&world, &base, &forward, "refs/heads/new").refused("ref-denied");
}
