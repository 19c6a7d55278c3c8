//! Servers go on: their hooks, ledgers and policies as they are, for whoever pushes.

use super::{Earlier, STATES, said};
use crate::world::{ALICE, CLAUDE, SealBy};

const MARKED: &str = "Work\n\nCo-Authored-By: Claude <noreply@anthropic.com>\n";

/// What everybody does every day.
#[track_caller]
fn everyday(earlier: &Earlier) {
    earlier.branch("everyday", "origin/main");
    earlier.commit("a.txt", "a\n", MARKED);
    earlier.push(&["HEAD:refs/heads/everyday"]).refused("unsealed-agent-commit");
    earlier.seal_head(CLAUDE);
    earlier.push(&["HEAD:refs/heads/everyday"]).accepted();
    earlier.push(&["HEAD:refs/heads/main"]).refused_for_want_of_approval();
    earlier.approve_head();
    earlier.push(&["HEAD:refs/heads/main"]).accepted();
    earlier.push(&[":refs/heads/everyday"]).accepted();
    earlier.verified();
}

#[test]
fn ordinary_pushes_go_on() {
    for state in ["file", "sha256", "ref", "lax"] {
        let earlier = Earlier::without_hooks(state);
        everyday(&earlier);
        if state != "lax" {
            earlier.by_hand("by-hand.txt").accepted();
        }
        earlier.push(&["+HEAD~1:refs/heads/main"]).refused("force-push-denied");
        earlier.verified();
    }
}

/// What a server says of itself.
#[test]
fn ledgers_and_gates_are_whole() {
    for state in STATES {
        let earlier = Earlier::without_hooks(state);
        let before = earlier.entries();
        earlier.verified();
        let (text, code) = earlier.told(&["log", "show"]);
        assert!(code == Some(0) && text.contains(" opened for acme/payments"), "{state}: {text}");
        let (text, code) = earlier.told(&["log", "show", "--would-refuse"]);
        assert_eq!(code, Some(0), "{state}: {text}");
        let (text, code) = earlier.told(&["doctor"]);
        assert!(text.contains("canary: a forged commit") && text.contains("was refused"), "{state}: {text}");
        // It may object to a policy that would not load anew.
        assert!(code == Some(0) || ["ref", "lax"].contains(&state), "{state}: {text}");
        // To look changes nothing.
        assert_eq!(earlier.entries(), before, "{state}");
        let mut show = earlier.command(crate::world::binary().to_str().unwrap(), &earlier.path(earlier.server));
        show.args(["show", "refs/heads/by-id"]);
        let (text, code) = said(&earlier.run(show, None));
        assert!(
            code == Some(0) && text.contains("work of claude-code") && text.contains("on refs/heads/main"),
            "{state}: {text}"
        );
    }
}

/// Each repository below a directory, however it was installed: by its path, by two policies and beside a hook of the server's
/// own, by who the server says pushes with a ledger elsewhere, and by scripts that learn at each push where they are.
#[test]
fn repositories_below_a_directory_go_on() {
    let mut earlier = Earlier::without_hooks("root");
    let rows = [
        ("root/acme/payments.git", "acme/payments", ""),
        ("root/acme/Ledger.git", "acme/ledger", ""),
        ("root/tools.git", "tools", ""),
        ("root/http.git", "acme/web", ""),
        ("bitbucket/17", "acme/17", "17"),
        ("bitbucket/18", "acme/18", "18"),
    ];
    for (server, name, slug) in rows {
        earlier = earlier.at(server);
        let variables =
            [("REMOTE_USER", "alice"), ("BB_USER_NAME", "alice"), ("BB_PROJECT_KEY", "ACME"), ("BB_REPO_SLUG", slug)];
        let push = |refspec: &str| earlier.push_with(&variables, &[refspec]);
        earlier.branch("work", "origin/main");
        earlier.commit("a.txt", "a\n", MARKED);
        push("HEAD:refs/heads/work").refused("unsealed-agent-commit");
        let key = CLAUDE.key();
        let own = SealBy { repository: name, ..SealBy::honest("claude-code", &key) };
        earlier.seal_head_by(&own);
        push("HEAD:refs/heads/work").accepted();
        push("HEAD:refs/heads/main").refused_for_want_of_approval();
        // Approved before the upgrade.
        push("origin/waiting:refs/heads/main").accepted();
        earlier.branch("theirs", "origin/main");
        earlier.commit("b.txt", "b\n", "By hand\n");
        push("HEAD:refs/heads/main").accepted();
        let ledger = if server == "root/http.git" { "kept/http" } else { &format!("{server}/countersign/ledger") };
        let ledger = earlier.path(ledger).display().to_string();
        let (text, code) = said(&earlier.countersign(&["log", "verify", "--ledger", &ledger]));
        assert!(code == Some(0) && text.contains(" entries, each signed by "), "{server}: {text}");
    }
    assert!(earlier.path("root/tools.git/seen").exists(), "the hook that was there before still runs");
    // A repository that is made now has a ledger from its first push on.
    earlier.git_in(&earlier.path(""), &["init", "-q", "--bare", "-b", "main", "bitbucket/19"]);
    for hook in ["pre-receive", "post-receive"] {
        std::fs::copy(
            earlier.path(&format!("bitbucket/18/hooks/{hook}")),
            earlier.path(&format!("bitbucket/19/hooks/{hook}")),
        )
        .unwrap();
    }
    earlier = earlier.at("bitbucket/19");
    earlier
        .push_with(&[("BB_PROJECT_KEY", "ACME"), ("BB_REPO_SLUG", "19")], &["theirs~1:refs/heads/new"])
        .refused("bad-seal");
    assert!(earlier.path("bitbucket/19/countersign/ledger/log").exists());
    // What only observes refuses nothing, and records.
    earlier = earlier.at("root/observed.git");
    earlier.branch("work", "origin/main");
    earlier.commit("a.txt", "a\n", MARKED);
    let pushed = earlier.push(&["HEAD:refs/heads/main"]);
    assert!(pushed.ok && !pushed.said.contains("countersign"), "{}", pushed.said);
    earlier.verified();
}

/// A policy that asks approvals of everyone and not who everyone is stays in force where it is, and serves whoever says who made it.
#[test]
fn a_policy_that_would_not_load_anew_is_served() {
    let earlier = Earlier::without_hooks("lax");
    earlier.push(&["origin/waiting:refs/heads/main"]).accepted();
    earlier.branch("theirs", "origin/main");
    earlier.commit("b.txt", "b\n", "By hand\n");
    earlier.sign_head(ALICE);
    earlier.push(&["HEAD:refs/heads/main"]).refused_for_want_of_approval();
    earlier.approve_head();
    earlier.push(&["HEAD:refs/heads/main"]).accepted();
    // And the admin's way out of it.
    let policy = std::fs::read_to_string(earlier.policy_path()).unwrap();
    let (before, after) = policy.split_once("name = \"main\"").unwrap();
    earlier.set_policy(&format!("{before}name = \"main\"{}", after.replacen("\"agents\"", "\"everyone\"", 1)));
    earlier.branch("theirs", "origin/main");
    earlier.commit("c.txt", "c\n", "By hand\n");
    earlier.push(&["HEAD:refs/heads/main"]).refused("unsigned-commit");
    earlier.sign_head(ALICE);
    earlier.approve_head();
    earlier.push(&["HEAD:refs/heads/main"]).accepted();
    earlier.verified();
}

/// The same policy in the repository that it governs.
#[test]
fn a_policy_in_the_repository_is_served_and_can_be_mended() {
    let earlier = Earlier::without_hooks("ref");
    earlier.push(&["origin/waiting:refs/heads/main"]).accepted();
    let file = ".countersign/policy.toml";
    earlier.branch("theirs", "origin/main");
    let policy = std::fs::read_to_string(earlier.clone_dir().join(file)).unwrap();
    for (name, broken, code) in [
        ("nothing", String::new(), "policy-invalid"),
        // It would no longer protect itself.
        ("weaker", policy.replace("for = \"everyone\"\n", ""), "policy-invalid"),
    ] {
        earlier.branch(name, "origin/main");
        earlier.commit(file, &broken, "Change the policy\n");
        earlier.sign_head(ALICE);
        earlier.approve_head();
        earlier.push(&["HEAD:refs/heads/main"]).refused(code);
    }
    earlier.branch("mended", "origin/main");
    let paths = "paths = [\"policy\"]\n";
    assert!(policy.contains(paths), "{policy}");
    let mended = policy.replace(paths, &format!("{paths}identity = \"everyone\"\n"));
    earlier.commit(file, &mended, "Ask who it is\n");
    earlier.sign_head(ALICE);
    earlier.push(&["HEAD:refs/heads/main"]).refused_for_want_of_approval();
    earlier.approve_head();
    earlier.push(&["HEAD:refs/heads/main"]).accepted();
    earlier.by_hand("by-hand.txt").accepted();
    earlier.verified();
}

/// To install again, as the notes of a new version ask, keeps all that was told before.
#[test]
fn installing_again_keeps_what_was_told() {
    let earlier = Earlier::without_hooks("root");
    let (root, policy) = (earlier.path("root").display().to_string(), earlier.policy_path().display().to_string());
    let (text, code) = said(&earlier.countersign(&["install", "--server", &root, "--policy", &policy]));
    assert_eq!(code, Some(0), "{text}");
    let shim = std::fs::read_to_string(earlier.path("root/http.git/hooks/pre-receive")).unwrap();
    for word in ["--submitter http", "--deadline 60", "acme/web", "kept/http", "baseline"] {
        assert!(shim.contains(word), "{word}: {shim}");
    }
    everyday(&earlier);
    let earlier = Earlier::without_hooks("file");
    let before = earlier.entries();
    let server = earlier.server_dir();
    let policy = earlier.policy_path().display().to_string();
    let (text, code) = said(&earlier.countersign(&["install", "--server", &server, "--policy", &policy]));
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(earlier.entries()[..before.len()], before[..], "the ledger goes on");
    everyday(&earlier);
    earlier.take_back("by-id");
    earlier.picked("by-id");
    earlier.push(&["HEAD:refs/heads/main"]).refused_for_want_of_approval();
}

/// What a ledger has goes on as it is; what comes is of the next version of its format, and tells where the repository lies.
#[test]
fn a_ledger_goes_on_in_the_next_version_of_its_format() {
    for state in ["file", "sha256", "ref", "lax"] {
        let earlier = Earlier::without_hooks(state);
        let before = earlier.entries();
        earlier.push(&["origin/main:refs/heads/another"]).accepted();
        let entries = earlier.entries();
        let (old, new) = entries.split_at(before.len());
        assert_eq!(old, before, "{state}");
        assert_eq!((&new[0]["kind"], &new[0]["version"]), (&"written by a newer version".into(), &3.into()), "{state}");
        let place = earlier.path(earlier.server).canonicalize().unwrap();
        assert_eq!((&new[1]["kind"], &new[1]["how"]), (&"placed".into(), &"seen".into()), "{state}");
        assert_eq!(new[1]["place"]["path"], place.display().to_string(), "{state}");
        earlier.verified();
    }
}

/// Hooks of the earlier version name the ledger by where the repository lay when they were installed.
#[test]
fn a_repository_that_is_renamed_takes_its_ledger_along() {
    let earlier = Earlier::without_hooks("file");
    earlier.take_back("by-id");
    earlier.picked("by-id");
    std::fs::rename(earlier.path("server.git"), earlier.path("renamed.git")).unwrap();
    let earlier = earlier.at("renamed.git");
    earlier.push(&["HEAD:refs/heads/main"]).refused_for_want_of_approval();
    earlier.by_hand("by-hand.txt").accepted();
    earlier.verified();
}

/// Until now a copy wrote to the ledger of the original.
#[test]
fn a_copy_waits_for_an_admin_and_leaves_the_original_alone() {
    let earlier = Earlier::without_hooks("file");
    let mut copy = earlier.command("cp", &earlier.path(""));
    copy.args(["-a", "server.git", "copy.git"]);
    assert!(earlier.run(copy, None).status.success());
    let before = std::fs::read(earlier.path("server.git/countersign/ledger/log")).unwrap();
    let earlier = earlier.at("copy.git");
    let pushed = earlier.push(&["origin/main:refs/heads/another"]);
    assert!(!pushed.ok && pushed.said.contains("countersign ledger adopt --copy"), "{}", pushed.said);
    let (text, code) = earlier.told(&["ledger", "adopt", "--copy"]);
    assert_eq!(code, Some(0), "{text}");
    earlier.push(&["origin/main:refs/heads/another"]).accepted();
    earlier.take_back("by-id");
    earlier.picked("by-id");
    earlier.push(&["HEAD:refs/heads/main"]).refused_for_want_of_approval();
    earlier.verified();
    assert_eq!(std::fs::read(earlier.path("server.git/countersign/ledger/log")).unwrap(), before);
}
