//! Work that goes somewhere lax first, to arrive where a rule asks as if it had been judged.

use crate::attacks::{EVERYONE, MARKED};
use crate::world::{ALICE, CLAUDE, FORGE, World};

const MAIN: &str = r#"
[[rule]]
name = "main"
refs = ["refs/heads/main"]
identity = "agents"
"#;

/// A rule for the lax branch.
fn lax(keys: &str) -> String {
    format!("{MAIN}[[rule]]\nname = \"lax\"\nrefs = [\"refs/heads/lax/**\"]\n{keys}\n")
}

#[test]
fn no_other_ref_vouches_for_main() {
    let excluded = r#"
[[rule]]
name = "branches"
refs = ["refs/heads/**", "!refs/heads/vendor/**"]
identity = "agents"
"#;
    for (rules, way) in [
        (MAIN.to_owned(), "refs/heads/unmatched"),
        (MAIN.to_owned(), "refs/tags/v1"),
        (MAIN.to_owned(), "refs/notes/commits"),
        (MAIN.to_owned(), "refs/odd/name"),
        (excluded.to_owned(), "refs/heads/vendor/x"),
        (lax("identity = \"none\""), "refs/heads/lax/x"),
        (lax("identity = \"agents\"\nmode = \"warn\""), "refs/heads/lax/x"),
        (lax("identity = \"agents\"\nmode = \"observe\""), "refs/heads/lax/x"),
        (lax("identity = \"everyone\"\nmode = \"off\""), "refs/heads/lax/x"),
        (lax("identity = \"agents\"\nmarks = \"ignore\""), "refs/heads/lax/x"),
    ] {
        let world = World::new(&rules);
        world.commit("file", "0", "Base\n");
        world.push_main().accepted();
        world.commit("file", "1", MARKED);
        let pushed = world.push(&[&format!("HEAD:{way}"), "HEAD:refs/heads/main"]);
        assert!(!pushed.ok && pushed.said.contains("[unsealed-agent-commit]"), "{way} at once: {}", pushed.said);
        let pushed = world.push(&[&format!("HEAD:{way}")]);
        assert!(pushed.ok, "{way}, {rules}: {}", pushed.said);
        let pushed = world.push_main();
        assert!(!pushed.ok && pushed.said.contains("[unsealed-agent-commit]"), "{way}: {}", pushed.said);
        // Nor below a commit that is fine by itself, nor as the side of a merge.
        world.commit("file", "2", "Clean\n");
        world.push_main().refused("unsealed-agent-commit");
        let side = world.git(&["rev-parse", "HEAD"]);
        world.back_to_main();
        world.git(&["merge", "-q", "--no-ff", "-m", "Merge", &side]);
        world.push_main().refused("unsealed-agent-commit");
        world.git(&["reset", "-q", "--hard", "origin/main"]);
        world.commit("file", "1", MARKED);
        world.seal_head(CLAUDE);
        world.push_main().accepted();
    }
}

#[test]
fn what_the_server_stored_before_is_judged_again() {
    for (date, name) in [("1700000000", "now"), ("0", "long ago"), ("4000000000", "in the future")] {
        let world = World::new(MAIN);
        world.commit("file", "0", "Base\n");
        world.push_main().accepted();
        world.commit("file", "1", MARKED);
        let (headers, message) = world.head();
        let marked = world.store("commit", format!("{headers}\n\n{message}").replace("1700000000", date).as_bytes());
        world.git(&["reset", "-q", "--hard", &marked]);
        world.commit("file", "2", "Clean\n");
        world.push(&["HEAD:refs/odd/name"]).accepted();
        // Packed, with packed refs and a commit-graph that know it all.
        world.git_in(&world.server(), &["gc", "-q"]);
        world.git_in(&world.server(), &["commit-graph", "write", "--reachable"]);
        let pushed = world.push_main();
        assert!(!pushed.ok && pushed.said.contains("[unsealed-agent-commit]"), "{name}: {}", pushed.said);
        // With no ref to it the objects still lie there.
        world.push(&[":refs/odd/name"]).accepted();
        let pushed = world.push_main();
        assert!(!pushed.ok && pushed.said.contains("[unsealed-agent-commit]"), "{name}: {}", pushed.said);
    }
}

#[test]
fn what_one_branch_judged_another_under_the_same_rule_takes() {
    let world = World::new(crate::world::AGENTS_EVERYWHERE);
    world.commit("file", "1", MARKED);
    world.seal_head(CLAUDE);
    world.push(&["HEAD:refs/heads/topic"]).accepted();
    world.push_main().accepted();
}

#[test]
fn a_rule_for_fewer_agents_judges_again() {
    let world = World::new(&format!("{}\n{}", lax("identity = \"agents\"").replace(MAIN, ""), {
        MAIN.to_owned() + "agents = [\"codex\"]\n"
    }));
    world.commit("file", "1", "Work\n");
    world.seal_head(CLAUDE);
    world.push(&["HEAD:refs/heads/lax/x"]).accepted();
    world.push_main().refused("agent-not-allowed");
}

/// Commits as a forge squashes: two messages joined, signed with the forge's key.
fn squash(world: &World, content: &str, message: &str) {
    world.commit("file", content, message);
    world.sign_head(FORGE);
}

#[test]
fn a_service_does_not_vouch_for_what_it_carries() {
    let joined = format!("Squash (#12)\n\n{MARKED}\n* Sealed\n\nCountersign-Agent: claude-code\n\nReviewed-by: Bob\n");
    for (rules, marked, unmarked) in [
        (MAIN.to_owned(), Some("unsealed-agent-commit"), None),
        (EVERYONE.to_owned(), Some("unsealed-agent-commit"), Some("unknown-signer")),
        (format!("{MAIN}services = [\"forge\"]\n"), None, None),
        (format!("{EVERYONE}services = [\"forge\"]\n"), None, None),
    ] {
        for (message, code) in [(joined.as_str(), marked), ("Squash (#12)\n", unmarked)] {
            let world = World::new(&rules);
            squash(&world, "1", message);
            match code {
                Some(code) => world.push_main().refused(code),
                None => world.push_main().accepted(),
            }
        }
    }
    // Through a branch that lists the service, main is not reached.
    let world = World::new(&lax("identity = \"agents\"\nservices = [\"forge\"]"));
    squash(&world, "1", MARKED);
    world.push(&["HEAD:refs/heads/lax/x"]).accepted();
    world.push_main().refused("unsealed-agent-commit");
}

#[test]
fn a_service_merges_and_adds_nothing() {
    let world = World::new(EVERYONE);
    let merge = |extra: Option<&str>| {
        world.git(&["checkout", "-q", "-B", "side", "origin/main"]);
        world.commit("side", "1", "Side\n");
        world.sign_head(ALICE);
        world.git(&["checkout", "-q", "-B", "work", "origin/main"]);
        world.git(&["merge", "-q", "--no-ff", "--no-commit", "side"]);
        world.commit("extra", extra.unwrap_or("0"), "Merge\n");
        world.sign_head(FORGE);
    };
    world.commit("extra", "0", "Base\n");
    world.sign_head(ALICE);
    world.push_main().accepted();
    merge(Some("slipped in"));
    world.push_main().refused("unknown-signer");
    merge(None);
    world.push_main().accepted();
}
