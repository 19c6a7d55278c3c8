//! Approvals keep what became of them: nothing is forgotten, nothing is lost, nothing counts twice.

use super::{Earlier, said};
use crate::world::{CLAUDE, FORGE};

/// Branches of the state `file` whose approvals have landed, each in another way; the last one in a push whose end nobody wrote down.
const LANDED: [&str; 8] = ["by-id", "rebased", "squashed", "merged", "carried", "pruned", "over", "open"];

#[test]
fn what_has_landed_lands_no_second_time() {
    let earlier = Earlier::without_hooks("file");
    for branch in LANDED {
        earlier.take_back(branch);
        earlier.picked(branch);
        earlier.push(&["HEAD:refs/heads/main"]).refused_for_want_of_approval();
        earlier.squashed(branch);
        earlier.push(&["HEAD:refs/heads/main"]).refused_for_want_of_approval();
        // Approved once more it is as good as anything.
        earlier.approve_head();
        earlier.push(&["HEAD:refs/heads/main"]).accepted();
    }
    earlier.verified();
}

/// An approval that landed as the commits that it names still covers just them, where an admin has taken the ref back.
#[test]
fn what_landed_by_id_can_come_back_after_an_admin_moved_the_ref() {
    let earlier = Earlier::without_hooks("sha256");
    let (before, landed) = ("origin/by-id~2", "origin/by-id");
    assert_eq!(earlier.git(&["rev-parse", "origin/main"]), earlier.git(&["rev-parse", landed]));
    let before = earlier.git(&["rev-parse", before]);
    earlier.git_in(&earlier.path(earlier.server), &["update-ref", "refs/heads/main", &before]);
    earlier.push(&[&format!("{landed}:refs/heads/main")]).accepted();
    earlier.verified();
}

/// What landed as a squash or a rebase, or by a merge that carried more, is used up: not even the commits that it names come back.
#[test]
fn what_landed_by_content_does_not_come_back_as_it_was_approved() {
    for branch in ["squashed", "rebased", "carried"] {
        let earlier = Earlier::without_hooks("file");
        let before = earlier.git(&["rev-parse", &format!("origin/{branch}~2")]);
        earlier.git_in(&earlier.path(earlier.server), &["update-ref", "refs/heads/main", &before]);
        earlier.push(&[&format!("origin/{branch}:refs/heads/main")]).refused_for_want_of_approval();
    }
}

#[test]
fn what_waits_lands_in_each_way() {
    let earlier = Earlier::without_hooks("file");
    earlier.picked("waiting-rebased");
    earlier.push(&["HEAD:refs/heads/main"]).accepted();
    earlier.squashed("waiting-squashed");
    earlier.push(&["HEAD:refs/heads/main"]).accepted();
    earlier.branch("merge", "origin/main");
    earlier.git(&["merge", "-q", "--no-ff", "-m", "Merge", "origin/waiting-merged"]);
    earlier.seal_head(CLAUDE);
    earlier.push(&["HEAD:refs/heads/main"]).accepted();
    // By the merge button of a forge.
    earlier.branch("forge", "origin/main");
    earlier.git(&["merge", "-q", "--squash", "origin/waiting"]);
    earlier.git(&["commit", "-q", "-m", "Waiting (#8)"]);
    earlier.sign_head(FORGE);
    earlier.push(&["HEAD:refs/heads/main"]).accepted();
    // And each once.
    for branch in ["waiting-rebased", "waiting-squashed", "waiting-merged", "waiting"] {
        earlier.take_back(branch);
        earlier.picked(branch);
        earlier.push(&["HEAD:refs/heads/main"]).refused_for_want_of_approval();
    }
    earlier.verified();
}

#[test]
fn what_was_approved_for_a_new_ref_makes_it() {
    let earlier = Earlier::without_hooks("sha256");
    earlier.push(&["origin/by-aider:refs/heads/docs"]).refused_for_want_of_approval();
    earlier.push(&["origin/docs-work:refs/heads/docs"]).accepted();
    earlier.verified();
}

#[test]
fn what_was_withdrawn_or_is_over_covers_nothing() {
    let earlier = Earlier::without_hooks("file");
    earlier.picked("expired");
    earlier.push(&["HEAD:refs/heads/main"]).refused("approval-expired");
    earlier.picked("withdrawn");
    earlier.push(&["HEAD:refs/heads/main"]).refused("approval-void");
    // The approval that was given before it was withdrawn.
    let given = std::fs::read_to_string(earlier.path("withdrawn.json")).unwrap();
    let place = std::fs::read_to_string(earlier.path("withdrawn.place")).unwrap();
    let given = earlier.refspec_of(&given, &place);
    earlier.push(&[&given]).refused("approval-void");
    earlier.push(&["HEAD:refs/heads/main", &given]).refused("approval-void");
    earlier.push(&[&format!(":{place}")]).refused("delete-denied");
    // A later one by the same person counts.
    earlier.approve_head();
    earlier.push(&["HEAD:refs/heads/main"]).accepted();
    earlier.verified();
}

#[test]
fn approvals_are_listed_and_given_and_withdrawn() {
    let earlier = Earlier::new("file");
    let key = earlier.key("bob");
    let approve = |words: &[&str]| said(&earlier.countersign(&[&["approve"], words].concat()));
    let (listed, code) = approve(&["--list"]);
    assert_eq!(code, Some(0), "{listed}");
    for (state, what) in [
        ("pending ", "withdrawn for main: claude-code's work has 0 of 1 approval"),
        ("valid ", " on waiting-rebased, until 2119-"),
        ("spent ", " has landed"),
        ("void ", "withdrawn on 2024-01-05"),
        ("void ", "expired on 2024-01-05"),
    ] {
        assert!(listed.lines().any(|line| line.starts_with(state) && line.contains(what)), "{state}{what}: {listed}");
    }
    let (text, code) = approve(&["seals", "--for", "main", "--key", &key, "--yes", "--no-push"]);
    assert_eq!(code, Some(0), "{text}");
    let (text, code) = approve(&["waiting", "--for", "main", "--key", &key, "--yes", "--withdraw"]);
    assert!(code == Some(0) && text.contains("bob withdraws the approval of 2 commits"), "{text}");
    earlier.git(&["config", "core.hooksPath", "/dev/null"]);
    earlier.picked("waiting");
    earlier.push(&["HEAD:refs/heads/main"]).refused("approval-void");
    earlier.verified();
}

/// One push whose two refs went different ways, and one that was killed before its ref moved.
#[test]
fn what_was_left_open_is_settled_once() {
    for (state, settled) in [
        ("file", &[("committed", "refs/heads/main"), ("aborted", "refs/heads/blocked")][..]),
        ("sha256", &[("aborted", "refs/heads/main")]),
    ] {
        let earlier = Earlier::without_hooks(state);
        let open = earlier.entries();
        let decision = open.len() - 1;
        assert_eq!(open[decision]["kind"], "decided", "{state}");
        for round in 0..2 {
            earlier.push(&[&format!("origin/main:refs/heads/new-{round}")]).accepted();
        }
        let mut found = Vec::new();
        for entry in earlier.entries().iter().filter(|entry| entry["decision"] == decision) {
            assert_eq!(entry["by"], "refs", "{entry}");
            let kind = entry["kind"].as_str().unwrap();
            found.extend(
                entry["refs"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|name| (kind.to_owned(), name.as_str().unwrap().to_owned())),
            );
        }
        let expected: Vec<_> = settled.iter().map(|(kind, name)| ((*kind).to_owned(), (*name).to_owned())).collect();
        assert_eq!(found, expected, "{state}");
        earlier.verified();
    }
    // What did not land then lands now, once.
    let earlier = Earlier::without_hooks("sha256");
    earlier.push(&["origin/open:refs/heads/main"]).accepted();
    earlier.take_back("open");
    earlier.picked("open");
    earlier.push(&["HEAD:refs/heads/main"]).refused_for_want_of_approval();
    earlier.verified();
}

/// A record that has landed leaves the refs when its time is over, as before, and what was signed is kept.
#[test]
fn what_is_over_is_pruned() {
    let earlier = Earlier::without_hooks("file");
    let stored =
        || earlier.git_in(&earlier.path(earlier.server), &["for-each-ref", "refs/countersign/"]).lines().count();
    let kept = || std::fs::read_dir(earlier.ledger().join("landed")).unwrap().count();
    let (before, one) = (stored(), kept());
    assert_eq!(one, 1, "one was pruned by the earlier version");
    for file in ["1.txt", "2.txt"] {
        earlier.by_hand(file).accepted();
        assert_eq!((stored(), kept()), (before - 1, one + 1));
    }
    earlier.take_back("over");
    earlier.picked("over");
    earlier.push(&["HEAD:refs/heads/main"]).refused("approval-missing");
    earlier.verified();
}
