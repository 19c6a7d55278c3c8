//! A policy that lives in the repository it governs, and pushes that reach for it.

use crate::approvals::{ProtectedServer, now, people};
use crate::attacks::MARKED;
use crate::world::{ALICE, BOB, CLAUDE, Pushed, REPOSITORY, STRANGER, World, registry};

const PATH: &str = ".countersign/policy.toml";

/// Agents' identity everywhere; on the policy itself everyone's, and approval.
fn policy() -> String {
    format!(
        r#"{}
[[rule]]
name = "all"
refs = ["refs/heads/**"]
identity = "agents"

[[rule]]
name = "policy"
refs = ["refs/heads/main"]
paths = ["{PATH}"]
identity = "everyone"
agents = []
[rule.approvals]
for = "everyone"
from = ["bob"]
"#,
        registry()
    )
}

/// The same policy without a word about agents.
fn weakened() -> String {
    policy().replace("identity = \"agents\"", "identity = \"none\"")
}

impl World {
    /// Installs the hook for the policy at main, pinned to a digest.
    fn govern_by_main(&self, pin: &str) {
        let (server, place) = (self.server().display().to_string(), format!("ref:refs/heads/main:{PATH}@{pin}"));
        let words = ["install", "--server", &server, "--policy", &place, "--repository", REPOSITORY];
        let output = self.countersign(&words);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Pushes HEAD to main with Bob's approval of it.
    fn push_approved(&self) -> Pushed {
        self.git(&["fetch", "-q", "origin"]);
        // Approvals of the same change replace each other, each issued later.
        let age: i64 = self.git(&["rev-list", "--count", "HEAD"]).parse().unwrap();
        let record = self.refspec(&self.draft("HEAD", "refs/heads/main", BOB).at(now() - 100 + age));
        self.push(&["HEAD:refs/heads/main", &record])
    }

    /// Commits a policy that Alice signs.
    fn commit_policy(&self, policy: &str) {
        self.commit(PATH, policy, "Set policy\n");
        self.sign_head(ALICE);
    }

    /// Pushes the first policy, whose digest is pinned.
    fn governed(first: &str) -> Self {
        let world = Self::new("");
        world.commit_policy(first);
        world.govern_by_main(&world.digest_at_head());
        world.push_approved().accepted();
        world
    }

    /// The digest of the policy at HEAD, as a hook with another pin tells it.
    fn digest_at_head(&self) -> String {
        self.govern_by_main(&format!("sha256:{}", "0".repeat(64)));
        let pushed = self.push_main();
        pushed.refused("policy-invalid");
        let (_, rest) = pushed.said.split_once("has the digest ").unwrap();
        rest.get(..7 + 64).unwrap().to_owned()
    }
}

#[test]
fn a_weaker_policy_does_not_judge_the_push_that_brings_it() {
    let world = World::governed(&policy());
    world.commit("file", "1", MARKED);
    world.commit_policy(&weakened());
    world.push_main().refused("unsealed-agent-commit");
    world.back_to_main();
    // Nor does its place among the refs of the push matter.
    world.commit_policy(&weakened());
    world.git(&["branch", "aaa"]);
    world.git(&["checkout", "-q", "aaa"]);
    world.commit("file", "1", MARKED);
    world.push(&["main", "aaa"]).refused("unsealed-agent-commit");
    // Once it stands, it judges what comes next.
    world.git(&["checkout", "-q", "main"]);
    world.push_approved().accepted();
    world.push(&["aaa"]).accepted();
}

#[test]
fn only_whom_the_policy_knows_changes_it() {
    let world = World::governed(&policy());
    let with_stranger =
        policy().replace("[people.bob]", &format!("[people.eve]\nkeys = [\"{}\"]\n\n[people.bob]", STRANGER.line()));
    world.commit(PATH, &with_stranger, "Add Eve\n");
    world.push_main().refused("unsigned-commit");
    world.sign_head(STRANGER);
    world.push_main().refused("unknown-signer");
    world.back_to_main();
    world.commit(PATH, &with_stranger, "Add Eve\n");
    world.seal_head(CLAUDE);
    world.push_main().refused("path-denied");
    world.back_to_main();
    world.commit_policy(&with_stranger);
    world.push_main().refused("approval-missing");
    world.push_approved().accepted();
}

#[test]
fn no_push_leaves_the_repository_without_a_policy() {
    let world = World::governed(&policy());
    for (name, broken) in [
        ("not TOML", "version =".to_owned()),
        ("an unknown key", policy().replace("identity = \"agents\"", "identiy = \"agents\"")),
        ("empty", String::new()),
        ("nothing guards it", policy().replace("for = \"everyone\"", "for = \"agents\"")),
        ("only warned about", policy().replace("agents = []", "agents = []\nmode = \"warn\"")),
    ] {
        world.commit_policy(&broken);
        let pushed = world.push_main();
        assert!(!pushed.ok && pushed.said.contains("[policy-invalid]"), "{name}: {}", pushed.said);
        // Mended before the push it does no harm.
        world.commit_policy(&policy());
        world.push_approved().accepted();
    }
    world.git(&["rm", "-q", PATH]);
    world.git(&["commit", "-q", "-m", "Remove"]);
    world.sign_head(ALICE);
    world.push_main().refused("policy-invalid");
    std::fs::create_dir_all(world.clone_dir().join(".countersign")).unwrap();
    std::os::unix::fs::symlink("../elsewhere", world.clone_dir().join(PATH)).unwrap();
    world.git(&["add", "--all"]);
    world.git(&["commit", "-q", "-m", "Link"]);
    world.sign_head(ALICE);
    world.push_main().refused("policy-invalid");
}

#[test]
fn the_ref_of_the_policy_is_neither_deleted_nor_forced() {
    let world = World::governed(&policy());
    world.git_in(&world.server(), &["config", "receive.denyDeleteCurrent", "ignore"]);
    let first = world.git(&["rev-parse", "HEAD"]);
    world.commit("file", "1", "Clean\n");
    world.push_main().accepted();
    world.push(&[":refs/heads/main"]).refused("delete-denied");
    world.push(&[&format!("+{first}:refs/heads/main")]).refused("force-push-denied");
    world.git(&["checkout", "-q", "--orphan", "other"]);
    world.commit_policy(&weakened());
    world.push(&["+HEAD:refs/heads/main"]).refused("force-push-denied");
    world.push(&["HEAD:refs/heads/Main"]).refused("ref-denied");
}

#[test]
fn the_first_policy_is_the_pinned_one() {
    let world = World::new("");
    world.commit_policy(&policy());
    let pin = world.digest_at_head();
    world.govern_by_main(&pin);
    // Before it nothing is accepted, wherever it goes.
    let pushed = world.push(&["HEAD:refs/heads/other"]);
    pushed.refused("policy-invalid");
    assert!(pushed.said.contains(&pin), "{}", pushed.said);
    world.commit_policy(&weakened());
    world.push_main().refused("policy-invalid");
    world.commit_policy(&policy());
    world.push_approved().accepted();

    let world = World::new("");
    let (server, place) = (world.server().display().to_string(), format!("ref:refs/heads/main:{PATH}"));
    let unpinned = world.countersign(&["install", "--server", &server, "--policy", &place, "--repository", REPOSITORY]);
    assert_eq!(unpinned.status.code(), Some(2));
}

#[test]
fn the_first_policy_judges_the_push_that_brings_it() {
    let world = World::new("");
    world.commit("file", "1", MARKED);
    world.commit_policy(&policy());
    world.govern_by_main(&world.digest_at_head());
    world.push_main().refused("unsealed-agent-commit");
}

#[test]
fn the_pin_is_what_the_policy_command_prints() {
    let world = World::new("");
    world.commit_policy(&policy());
    let printed = world.countersign(&["policy", "digest", PATH]);
    assert_eq!(String::from_utf8(printed.stdout).unwrap().trim_end(), world.digest_at_head());
}

#[test]
fn a_weakened_policy_is_told_before_anybody_approves_it() {
    let world = World::new("");
    world.commit(PATH, &policy(), "Policy\n");
    world.git(&["branch", "before"]);
    world.commit(PATH, &weakened(), "Policy\n");
    std::fs::write(world.clone_dir().join("broken.toml"), "version = 2\n").unwrap();
    let (old, new) = (format!("ref:refs/heads/before:{PATH}"), PATH.to_owned());
    let diff = |arguments: &[&str]| {
        let output = world.countersign(&[&["policy", "diff"], arguments].concat());
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let line = "rule \"all\": identity \"agents\" -> \"none\"\n";
    assert_eq!(diff(&[&old, &new]), (Some(1), format!("weaker    {line}1 weaker, 0 stricter, 0 changed\n")));
    let back = line.replace("\"agents\" -> \"none\"", "\"none\" -> \"agents\"");
    assert_eq!(diff(&[&new, &old]).0, Some(0));
    assert!(diff(&[&new, &old]).1.starts_with(&format!("stricter  {back}")));
    assert_eq!(diff(&[&old, &old]), (Some(0), "0 weaker, 0 stricter, 0 changed\n".into()));
    let (code, json) = diff(&[&old, &new, "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (code, &json["weaker"], &json["differences"][0]["direction"]),
        (Some(1), &true.into(), &"weaker".into())
    );
    for bad in [&["broken.toml", &new][..], &[&old, "missing.toml"], &[&old]] {
        assert_eq!(diff(bad).0, Some(2), "{bad:?}");
    }
}

/// Asks approvals of everyone's work, and everyone who made it.
const EVERYONE_APPROVED: &str = r#"
[[rule]]
name = "main"
refs = ["refs/heads/main"]
identity = "everyone"
force-push = "deny"
delete = "deny"
[rule.approvals]
for = "everyone"
from = ["maintainers"]
"#;

/// The same as an older version took it: who signs nothing has no known maker, and could approve their own work.
fn nobody_asked(identity: &str) -> String {
    EVERYONE_APPROVED.replace("identity = \"everyone\"", &format!("identity = \"{identity}\""))
}

#[test]
fn who_signs_nothing_does_not_approve_their_own_work() {
    for identity in ["none", "agents"] {
        let setup = ProtectedServer::new(EVERYONE_APPROVED);
        let world = &setup.world;
        world.set_policy(&format!("{}{}", people(), nobody_asked(identity)));
        let land = |approver| {
            let record = world.refspec(&world.draft("HEAD", "refs/heads/main", approver));
            world.push(&["HEAD:refs/heads/main", &record])
        };
        // Alice's own, under a name that she made up.
        world.commit("a.txt", "evil\n", "By nobody\n");
        world.git(&["commit", "-q", "--amend", "--no-edit", "--author", "Nobody <nobody@elsewhere.dev>"]);
        land(ALICE).refused("unsigned-commit");
        // Nor with somebody else's approval: nobody knows that it is somebody else.
        land(BOB).refused("unsigned-commit");
        world.sign_head(STRANGER);
        land(ALICE).refused("unsigned-commit");
        // Vouched for it passes, and every push is told that the policy does not ask.
        world.git(&["reset", "-q", "--hard", "origin/main"]);
        world.commit("a.txt", "good\n", "By Alice\n");
        world.sign_head(ALICE);
        land(ALICE).refused("approver-not-distinct");
        let pushed = land(BOB);
        pushed.accepted();
        assert!(
            pushed.said.contains("warning: [unsigned-commit] refs/heads/main: approvals are asked for everyone's work")
        );
        assert!(pushed.said.contains("hint: ask an admin to add identity = \"everyone\""), "{}", pushed.said);
        world.git(&["fetch", "-q", "origin"]);
        world.commit("b.txt", "good\n", "By an agent\n");
        world.seal_head(CLAUDE);
        land(BOB).accepted();
    }
}

#[test]
fn a_policy_that_does_not_ask_who_made_everyones_work_comes_into_force_no_more() {
    let setup = ProtectedServer::new(EVERYONE_APPROVED);
    let world = &setup.world;
    let text = format!("{}{}", people(), nobody_asked("agents"));
    world.set_policy(&text);
    let file = world.policy_path().display().to_string();
    let other = world.path("other.toml").display().to_string();
    std::fs::write(&other, format!("{text}# another\n")).unwrap();
    let run = |arguments: &[&str]| {
        let output = world.countersign(arguments);
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let says = |(code, said): (Option<i32>, String), expected: i32, words: &str| {
        assert!(code == Some(expected) && said.contains(words), "{code:?}: {said}");
    };
    let server = world.server().display().to_string();
    let fault = "approvals are asked for everyone's work, and no rule asks who made it";
    says(run(&["policy", "check", &file]), 1, &format!("error: policy.toml:31: {fault}"));
    says(run(&["policy", "diff", &file, &other]), 2, &format!("error: other.toml:31: {fault}"));
    says(run(&["policy", "diff", &file, &file]), 0, "0 weaker");
    // What is in force goes on, and says so; installed again too. What is not does not come.
    says(run(&["doctor", "--server", &server]), 0, &format!("warning: [policy] policy.toml:31: {fault}"));
    says(run(&["install", "--server", &server, "--policy", &file]), 0, &format!("warning: policy.toml:31: {fault}"));
    says(run(&["install", "--server", &server, "--policy", &other]), 2, &format!("error: other.toml:31: {fault}"));
    world.git_in(&world.path(""), &["init", "-q", "--bare", "new.git"]);
    let new = world.path("new.git").display().to_string();
    says(run(&["install", "--server", &new, "--policy", &file]), 2, fault);
    // Another rule on the same refs may ask in its place.
    let asked = "\n[[rule]]\nname = \"all\"\nrefs = [\"refs/heads/**\"]\nidentity = \"everyone\"\n";
    std::fs::write(&other, format!("{text}{asked}")).unwrap();
    says(run(&["install", "--server", &server, "--policy", &other]), 0, "installed");
}

#[test]
fn a_policy_on_a_ref_is_mended_by_the_push_that_changes_it() {
    let unasked = policy().replace("identity = \"everyone\"\nagents = []\n", "");
    let world = World::governed(&policy());
    // It stands there since before.
    let hook = world.server().join("hooks/pre-receive");
    std::fs::rename(&hook, hook.with_extension("off")).unwrap();
    world.commit_policy(&unasked);
    world.push_main().accepted();
    std::fs::rename(hook.with_extension("off"), &hook).unwrap();

    world.commit("file", "1", "Elsewhere\n");
    let pushed = world.push_main();
    pushed.accepted();
    assert!(pushed.said.contains("warning: [unsigned-commit] refs/heads/main"), "{}", pushed.said);
    world.commit_policy(&format!("{unasked}# changed\n"));
    world.push_approved().refused("policy-invalid");
    world.back_to_main();
    world.commit(PATH, &policy(), "Ask who made it\n");
    world.push_approved().refused("unsigned-commit");
    world.sign_head(ALICE);
    let pushed = world.push_approved();
    pushed.accepted();
    world.commit("file", "2", "Elsewhere\n");
    let pushed = world.push_main();
    pushed.accepted();
    assert!(!pushed.said.contains("unsigned-commit"), "{}", pushed.said);
    // The first one that is pinned is new too.
    let world = World::new("");
    world.commit_policy(&unasked);
    world.govern_by_main(&world.digest_at_head());
    let pushed = world.push_approved();
    pushed.refused("policy-invalid");
    assert!(pushed.said.contains("no rule asks who made it"), "{}", pushed.said);
}

/// The hint names the policy as any clone finds it, and it works there.
#[test]
fn an_approver_is_told_where_the_policy_lies() {
    let world = World::governed(&policy());
    world.commit_policy(&format!("{}\n# More words.\n", policy()));
    let pushed = world.push_main();
    pushed.refused("approval-missing");
    let (clone, key) = (world.path("approver"), world.path("bob"));
    world.git_in(&world.path(""), &["clone", "-q", world.server().to_str().unwrap(), "approver"]);
    world.git_in(&clone, &["checkout", "-q", "--orphan", "nothing-here"]);
    world.git_in(&clone, &["rm", "-q", "-r", "-f", "."]);
    std::fs::write(&key, BOB.key().to_openssh("bob").unwrap()).unwrap();
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let told = pushed.commands("does not know the server's policy");
    assert_eq!(told, [format!("git config countersign.policy ref:refs/heads/main:{PATH}")]);
    let approve = format!("{} --yes --key {}", pushed.commands("bob approves it")[0], key.display());
    for (directory, line) in [
        (world.clone_dir(), pushed.commands("a branch of its own")[0]),
        (clone.clone(), told[0]),
        (clone, approve.as_str()),
    ] {
        let output = world.run(world.shell(&directory, line), None);
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    }
    world.push_main().accepted();
}
