//! The main job: what shows AI authorship without a registered agent's seal does not get in.

use crate::world::{AGENTS_EVERYWHERE, ALICE, Actor, BOB, CLAUDE, CODEX, FORGE, STRANGER, SealBy, World, registry};

/// A message as each agent leaves it.
const MARKED: [(&str, &str); 5] = [
    ("claude", "Add retry\n\nCo-Authored-By: Claude <noreply@anthropic.com>\n"),
    ("copilot", "Add retry\n\nCo-authored-by: Copilot <198982749+copilot-swe-agent[bot]@users.noreply.github.com>\n"),
    ("codex", "Add retry\n\nCo-authored-by: Codex <noreply@openai.com>\n"),
    ("cursor", "Add retry\n\nCo-authored-by: Cursor <cursoragent@cursor.com>\n"),
    ("aider", "Add retry\n\nCo-authored-by: aider (gpt-5) <aider@aider.chat>\n"),
];

#[test]
fn marked_commits_are_refused_unsealed_and_accepted_sealed() {
    for format in ["sha1", "sha256"] {
        let world = World::with(&format!("{}{AGENTS_EVERYWHERE}", registry()), format);
        for (name, message) in MARKED {
            world.commit("file", name, message);
            let refused = world.push(&["HEAD:refs/heads/main"]);
            refused.refused("unsealed-agent-commit");
            assert!(refused.said.contains("hint: "), "{}", refused.said);
            world.seal_head(CLAUDE);
            world.push(&["HEAD:refs/heads/main"]).accepted();
        }
        world.commit("file", "human", "No agent was here\n");
        world.push(&["HEAD:refs/heads/main"]).accepted();
    }
}

#[test]
fn an_agent_that_signs_with_its_own_key_counts_as_sealed() {
    let world = World::new(AGENTS_EVERYWHERE);
    world.commit("file", "1", MARKED[0].1);
    world.sign_head(CLAUDE);
    world.push(&["HEAD:refs/heads/main"]).accepted();
    world.commit("file", "2", MARKED[0].1);
    world.sign_head(ALICE);
    world.push(&["HEAD:refs/heads/main"]).refused("unsealed-agent-commit");
}

#[test]
fn each_wrong_key_has_its_own_code() {
    let revoked = Actor { id: "claude-code", seed: 31 };
    let suspended = Actor { id: "old-bot", seed: 32 };
    let policy = format!(
        "{}\n[agents.old-bot]\nowner = \"bob\"\nreview-by = 2020-01-01\nkeys = [\"{}\"]\n[revoked]\nkeys = [\"{}\"]\n{AGENTS_EVERYWHERE}",
        registry().replace(&CLAUDE.line(), &format!("{}\", \"{}", CLAUDE.line(), revoked.line())),
        suspended.line(),
        revoked.key().public().fingerprint(),
    );
    let world = World::with(&policy, "sha1");
    let cases = [
        (Actor { id: "unheard-of", seed: 41 }, "unknown-agent"),
        (Actor { id: "claude-code", seed: 41 }, "unknown-agent"),
        (revoked, "agent-revoked"),
        (suspended, "agent-suspended"),
        (Actor { id: "claude-code", seed: ALICE.seed }, "shared-key"),
        (Actor { id: "claude-code", seed: CODEX.seed }, "shared-key"),
        (Actor { id: "codex", seed: CLAUDE.seed }, "shared-key"),
        (Actor { id: "claude-code", seed: FORGE.seed }, "shared-key"),
    ];
    for (number, (actor, code)) in cases.into_iter().enumerate() {
        world.commit("file", &number.to_string(), "Work\n");
        world.seal_head(actor);
        world.push(&["HEAD:refs/heads/main"]).refused(code);
        world.git(&["update-ref", "-d", "HEAD"]);
    }
}

const EVERYONE: &str = r#"
[[rule]]
name = "all"
refs = ["refs/heads/**", "refs/tags/**"]
identity = "everyone"
"#;

#[test]
fn everyone_means_no_silent_commits() {
    let world = World::new(EVERYONE);
    world.commit("file", "1", "Unmarked\n");
    world.push(&["HEAD:refs/heads/main"]).refused("unsigned-commit");
    world.sign_head(STRANGER);
    world.push(&["HEAD:refs/heads/main"]).refused("unknown-signer");
    world.reword("Unmarked, and changed after signing\n");
    world.push(&["HEAD:refs/heads/main"]).refused("bad-signature");
    world.git(&["update-ref", "-d", "HEAD"]);
    world.commit("file", "1", "Unmarked\n");
    world.sign_head(ALICE);
    world.push(&["HEAD:refs/heads/main"]).accepted();
    world.commit("file", "2", "Sealed\n");
    world.seal_head(CODEX);
    world.push(&["HEAD:refs/heads/main"]).accepted();
}

#[test]
fn other_kinds_of_signature_are_named_where_one_is_asked_for_and_ignored_where_not() {
    let x509 = ("SIGNED MESSAGE", "unsigned-commit", "X.509 signature is not supported; sign with SSH or OpenPGP");
    let broken = ("PGP SIGNATURE", "bad-signature", "does not verify");
    for (words, code, said) in [x509, broken] {
        for (rules, is_asked) in [(EVERYONE, true), (AGENTS_EVERYWHERE, false)] {
            let world = World::new(rules);
            world.commit("file", "1", "Signed otherwise\n");
            let raw = String::from_utf8(world.raw("commit", "HEAD")).unwrap();
            let header = format!("gpgsig -----BEGIN {words}-----\n \n abc\n -----END {words}-----\n\n");
            let commit = world.store("commit", raw.replacen("\n\n", &format!("\n{header}"), 1).as_bytes());
            let pushed = world.push(&[&format!("{commit}:refs/heads/main")]);
            if is_asked {
                pushed.refused(code);
                assert!(pushed.said.contains(said), "{}", pushed.said);
            } else {
                pushed.accepted();
            }
        }
    }
}

#[test]
fn a_person_adopts_what_an_agent_drafted() {
    let world = World::new(AGENTS_EVERYWHERE);
    let adopted = "Add retry\n\nCo-Authored-By: Claude <noreply@anthropic.com>\nCountersign-Drafted: claude-code\n";
    world.commit("file", "1", adopted);
    world.push(&["HEAD:refs/heads/main"]).refused("unsealed-agent-commit");
    world.sign_head(ALICE);
    world.push(&["HEAD:refs/heads/main"]).accepted();
    let denying = World::new(&format!("{AGENTS_EVERYWHERE}adopted = \"deny\"\n"));
    denying.commit("file", "1", adopted);
    denying.sign_head(ALICE);
    denying.push(&["HEAD:refs/heads/main"]).refused("agent-not-allowed");
}

#[test]
fn a_pipeline_has_a_seal_for_each_step_and_every_one_must_hold() {
    let world = World::new(AGENTS_EVERYWHERE);
    let (codex, stranger) = (CODEX.key(), STRANGER.key());
    let reviewer = |key| SealBy { role: Some("reviewer"), ..SealBy::honest("codex", key) };
    world.commit("file", "1", "Work\n");
    world.seal_head(CLAUDE);
    world.seal_head_by(&reviewer(&codex));
    world.push(&["HEAD:refs/heads/main"]).accepted();

    world.commit("file", "2", "Work\n");
    world.seal_head(CLAUDE);
    world.seal_head_by(&reviewer(&stranger));
    world.push(&["HEAD:refs/heads/main"]).refused("unknown-agent");

    world.git(&["reset", "-q", "--hard", "origin/main"]);
    world.commit("file", "3", "Work\n");
    world.seal_head_by(&reviewer(&codex));
    world.push(&["HEAD:refs/heads/main"]).refused("malformed-trailers");
}

#[test]
fn rules_say_whose_work_they_accept() {
    let world = World::new(
        r#"
[[rule]]
name = "main"
refs = ["refs/heads/main"]
identity = "agents"
agents = ["claude-code"]
"#,
    );
    world.commit("file", "1", "Work\n");
    world.seal_head(CODEX);
    world.push(&["HEAD:refs/heads/main"]).refused("agent-not-allowed");
    world.push(&["HEAD:refs/heads/other"]).accepted();
    world.commit("file", "2", "Work\n");
    world.seal_head(CLAUDE);
    world.push(&["HEAD:refs/heads/main"]).refused("agent-not-allowed");
}

#[test]
fn seals_outlive_rebase_and_cherry_pick_and_die_with_content_or_message() {
    let world = World::new(AGENTS_EVERYWHERE);
    world.commit("base", "1", "Base\n");
    world.push(&["HEAD:refs/heads/main"]).accepted();
    world.commit("file", "agent", "Work\n");
    let sealed = world.seal_head(CLAUDE);
    world.git(&["reset", "-q", "--hard", "HEAD^"]);
    world.commit("elsewhere", "person", "Meanwhile\n");
    world.git(&["cherry-pick", "-x", &sealed]);
    world.push(&["HEAD:refs/heads/main"]).accepted();

    world.commit("file", "agent again", "More work\n");
    world.seal_head(CLAUDE);
    std::fs::write(world.clone_dir().join("file"), "tampered").unwrap();
    world.git(&["commit", "-q", "-a", "--amend", "--no-edit"]);
    let pushed = world.push(&["HEAD:refs/heads/main"]);
    pushed.refused("stale-seal");
    assert!(pushed.said.contains("the content changed"), "{}", pushed.said);
    world.git(&["reset", "-q", "--hard", "HEAD@{1}"]);
    let message = world.git(&["log", "-1", "--format=%B"]);
    world.reword(&message.replace("More work", "Less work"));
    world.push(&["HEAD:refs/heads/main"]).refused("stale-seal");
}

#[test]
fn refs_are_created_moved_and_deleted_as_the_rules_say() {
    let world = World::new(
        r#"
[[rule]]
name = "main"
refs = ["refs/heads/main"]
force-push = "deny"
delete = "deny"
"#,
    );
    let first = world.commit("file", "1", "One\n");
    world.commit("file", "2", "Two\n");
    world.push(&["HEAD:refs/heads/main", "HEAD:refs/heads/other"]).accepted();
    world.push(&[&format!("+{first}:refs/heads/main")]).refused("force-push-denied");
    world.push(&[":refs/heads/main"]).refused("delete-denied");
    // One bad update refuses the whole push.
    world.push(&[":refs/heads/main", ":refs/heads/other"]).refused("delete-denied");
    world.git_in(&world.server(), &["rev-parse", "--verify", "refs/heads/other"]);
    world.push(&[":refs/heads/other"]).accepted();
}

#[test]
fn modes_enforce_warn_observe_or_sleep() {
    for (mode, ok, words) in [
        ("enforce", false, "error: [unsealed-agent-commit]"),
        ("warn", true, "warning: [unsealed-agent-commit]"),
        ("observe", true, ""),
        ("off", true, ""),
    ] {
        let world = World::new(&format!("{AGENTS_EVERYWHERE}mode = \"{mode}\"\n"));
        world.commit("file", "1", MARKED[0].1);
        let pushed = world.push(&["HEAD:refs/heads/main"]);
        assert_eq!(pushed.ok, ok, "{mode}: {}", pushed.said);
        assert!(pushed.said.contains(words), "{mode}: {}", pushed.said);
        assert_eq!(pushed.said.contains("countersign"), !words.is_empty(), "{mode}: {}", pushed.said);
    }
}

#[test]
fn history_from_before_is_exempt_where_the_rule_says_since() {
    let world = World::new("");
    world.commit("file", "1", MARKED[0].1);
    let adopted = world.git(&["rev-parse", "HEAD"]);
    world.push(&["HEAD:refs/heads/main", "HEAD:refs/tags/adopted"]).accepted();
    world.set_policy(&format!("{}{AGENTS_EVERYWHERE}", registry()));
    // The old value of main covers it, and so does main for a new branch.
    world.commit("file", "2", "Two\n");
    world.push(&["HEAD:refs/heads/main"]).accepted();
    world.push(&["HEAD:refs/heads/new"]).accepted();
    world.git_in(&world.server(), &["update-ref", "-d", "refs/heads/main"]);
    world.git_in(&world.server(), &["update-ref", "-d", "refs/heads/new"]);
    let heads_only = AGENTS_EVERYWHERE.replace(", \"refs/tags/**\"", "");
    world.set_policy(&format!("{}{heads_only}", registry()));
    world.push(&["HEAD:refs/heads/main"]).refused("unsealed-agent-commit");
    for since in ["refs/tags/adopted", &adopted] {
        world.set_policy(&format!("{}{heads_only}since = [\"{since}\"]\n", registry()));
        world.push(&["HEAD:refs/heads/main"]).accepted();
        world.git_in(&world.server(), &["update-ref", "-d", "refs/heads/main"]);
    }
}

#[test]
fn path_rules_are_about_the_commits_that_touch_them() {
    let world = World::new(
        r#"
[paths]
pipeline = [".github/**", "Jenkinsfile"]

[[rule]]
name = "pipelines"
refs = ["refs/heads/main"]
paths = ["pipeline"]
identity = "everyone"
agents = []
"#,
    );
    world.commit("src/lib.rs", "1", "Anything\n");
    world.push(&["HEAD:refs/heads/main"]).accepted();
    world.commit(".github/workflows/ci.yml", "1", "Speed up CI\n");
    world.push(&["HEAD:refs/heads/main"]).refused("unsigned-commit");
    world.seal_head(CLAUDE);
    world.push(&["HEAD:refs/heads/main"]).refused("path-denied");
    world.git(&["reset", "-q", "--hard", "HEAD^"]);
    world.commit("JENKINSFILE", "1", "Case does not help\n");
    world.push(&["HEAD:refs/heads/main"]).refused("unsigned-commit");
    world.sign_head(BOB);
    world.push(&["HEAD:refs/heads/main"]).accepted();
    std::os::unix::fs::symlink("elsewhere", world.clone_dir().join(".github")).unwrap();
    world.commit("other", "1", "A link in place of the directory\n");
    world.push(&["HEAD:refs/heads/main"]).refused("unsigned-commit");
}

#[test]
fn a_broken_policy_or_argument_refuses_with_every_problem() {
    let world =
        World::new("[[rule]]\nname = \"x\"\nrefs = [\"refs/heads/**\"]\nidentiy = \"agents\"\nmode = \"strict\"\n");
    world.commit("file", "1", "One\n");
    let pushed = world.push(&["HEAD:refs/heads/main"]);
    pushed.refused("policy-invalid");
    for problem in ["identiy", "mode"] {
        assert!(pushed.said.contains(problem), "{}", pushed.said);
    }
    std::fs::remove_file(world.policy_path()).unwrap();
    world.push(&["HEAD:refs/heads/main"]).refused("policy-invalid");
}

#[test]
fn the_update_hook_decides_one_ref() {
    let world = World::new(AGENTS_EVERYWHERE);
    std::fs::remove_file(world.server().join("hooks/pre-receive")).unwrap();
    world.install_hook("update", "");
    world.commit("file", "1", MARKED[0].1);
    world.push(&["HEAD:refs/heads/main"]).refused("unsealed-agent-commit");
    world.seal_head(CLAUDE);
    world.push(&["HEAD:refs/heads/main"]).accepted();
}

#[test]
fn a_long_push_is_judged_commit_by_commit() {
    const LENGTH: usize = 300;
    let world = World::new(AGENTS_EVERYWHERE);
    let import = |marked: &[usize]| {
        let mut stream = String::from("reset refs/heads/main\n");
        for number in 1..=LENGTH {
            let trailer = if marked.contains(&number) { MARKED[0].1 } else { "" };
            let message = format!("Work {number}\n\n{trailer}");
            stream += &format!("commit refs/heads/main\ncommitter A <a@x.dev> {} +0000\n", 1_700_000_000 + number);
            stream += &format!("data {}\n{message}\nM 644 inline f{}\ndata 1\n0\n", message.len(), number % 20);
        }
        world.git_with(&["fast-import", "--quiet", "--force"], stream.as_bytes());
        world.push(&["--force", "main:refs/heads/main"])
    };
    // One commit in each share of the threads, and the first and last of all.
    let marked = [1, 100, 200, LENGTH];
    let refused = import(&marked);
    refused.refused("unsealed-agent-commit");
    assert!(refused.said.contains(&format!("{} findings in {LENGTH} commits", marked.len())), "{}", refused.said);
    for number in marked {
        assert!(refused.said.contains(&format!("\"Work {number}\"")), "{}", refused.said);
    }
    import(&[]).accepted();
}

/// A disk that does not answer: the policy is a pipe that nobody writes to.
#[test]
fn a_decision_has_a_deadline() {
    let world = World::new(AGENTS_EVERYWHERE);
    world.install_hook("pre-receive", "--deadline 1");
    world.commit("a", "1", "By hand\n");
    world.push(&["HEAD:refs/heads/before"]).accepted();
    std::fs::remove_file(world.policy_path()).unwrap();
    let made = world.command("mkfifo", &world.path("")).arg(world.policy_path()).status().unwrap();
    assert!(made.success());
    let pushed = world.push(&["HEAD:refs/heads/main"]);
    pushed.refused("limit-exceeded");
    assert!(
        pushed.said.contains("not decided within 1 s: looking at the commits, 0 commits examined"),
        "{}",
        pushed.said
    );
    world.install_hook("pre-receive", "--deadline 1 --observe");
    world.push(&["HEAD:refs/heads/main"]).accepted();
    // What was there before decides for itself, also where ours observes and comes to no end.
    let before = world.path("before");
    world.write_executable(&before, "#!/bin/sh\nread old new name\necho theirs saw $name >&2\nexit 1\n");
    world.install_hook("pre-receive", &format!("--deadline 1 --observe --chain {}", before.display()));
    let pushed = world.push(&["HEAD:refs/heads/next"]);
    assert!(!pushed.ok && pushed.said.contains("theirs saw refs/heads/next"), "{}", pushed.said);
}

/// What was not decided in time is on record as that, whether it was refused or not.
#[test]
fn what_was_not_decided_in_time_is_on_record() {
    for (more, outcome) in [(&[][..], "undecided"), (&["--observe"], "accepted")] {
        let world = World::new(AGENTS_EVERYWHERE);
        std::fs::remove_file(world.server().join("hooks/pre-receive")).unwrap();
        world.install(&[&["--deadline", "1"], more].concat());
        world.commit("a", "1", "By hand\n");
        let policy = std::fs::read(world.policy_path()).unwrap();
        std::fs::remove_file(world.policy_path()).unwrap();
        assert!(world.command("mkfifo", &world.path("")).arg(world.policy_path()).status().unwrap().success());
        let pushed = world.push(&["HEAD:refs/heads/main"]);
        assert_eq!(pushed.ok, !more.is_empty(), "{}", pushed.said);
        assert!(!pushed.said.contains("did not run"), "{}", pushed.said);
        std::fs::remove_file(world.policy_path()).unwrap();
        std::fs::write(world.policy_path(), policy).unwrap();
        let shown =
            world.countersign(&["log", "show", "--format", "json", "--server", world.server().to_str().unwrap()]);
        let shown = String::from_utf8(shown.stdout).unwrap();
        let decided = shown.lines().find(|line| line.contains("\"decided\"")).unwrap_or_else(|| panic!("{shown}"));
        assert!(decided.contains("not decided within 1 s"), "{decided}");
        assert!(decided.contains(&format!("\"outcome\":\"{outcome}\"")), "{decided}");
    }
}

/// Rules that only observe refuse nothing, however long a decision takes.
#[test]
fn a_deadline_refuses_nothing_where_rules_only_observe() {
    let rules = AGENTS_EVERYWHERE.replace("identity", "mode = \"observe\"\nidentity");
    let world = World::new(&rules);
    let baseline = world.path("baseline");
    assert!(world.command("mkfifo", &world.path("")).arg(&baseline).status().unwrap().success());
    let hangs = format!("--deadline 1 --baseline {}", baseline.display());
    world.install_hook("pre-receive", &hangs);
    world.commit("a", "1", "Work\n\nCo-Authored-By: Claude <noreply@anthropic.com>\n");
    world.push(&["HEAD:refs/heads/main"]).accepted();
    world.set_policy(&format!("{}{AGENTS_EVERYWHERE}", registry()));
    world.commit("a", "2", "Work\n\nCo-Authored-By: Claude <noreply@anthropic.com>\n");
    world.push(&["HEAD:refs/heads/main"]).refused("limit-exceeded");
}
