//! The survival matrix: each way for approved work to land, and beside it the attack that looks like it.

use super::{CAROL, Draft, ONE_APPROVAL, ProtectedServer, now};
use crate::world::{ALICE, BOB, CLAUDE, CODEX, SealBy, World};

/// The outcome of the push that ends a row: `None` where it is accepted.
type Outcome = Option<&'static str>;

#[track_caller]
fn ends(setup: &ProtectedServer, what: &str, outcome: Outcome) {
    let pushed = setup.push_main(what);
    match outcome {
        None => pushed.accepted(),
        Some(code) => pushed.refused(code),
    }
}

#[test]
fn approved_work_lands_by_fast_forward_and_unapproved_work_does_not() {
    let setup = ProtectedServer::at_work();
    let pushed = setup.push_main("work");
    pushed.refused("approval-missing");
    assert!(pushed.said.contains("claude-code's work has 0 of 1 approval (rule \"main\""), "{}", pushed.said);
    assert!(pushed.commands("a person in maintainers approves it")[0].starts_with("countersign approve review-"));
    setup.approve("work");
    ends(&setup, "work", None);
}

#[test]
fn an_approval_may_come_in_the_same_push() {
    let setup = ProtectedServer::at_work();
    let record = setup.refspec(&setup.draft("work", "refs/heads/main", BOB));
    setup.world.push(&["work:refs/heads/main", &record]).accepted();
}

#[test]
fn a_commit_and_its_revert_do_not_ride_along() {
    let setup = ProtectedServer::at_work();
    setup.approve("work");
    setup.agent("evil.txt", "evil\n", "Add evil\n");
    std::fs::remove_file(setup.world.clone_dir().join("evil.txt")).unwrap();
    setup.world.git(&["commit", "-q", "-a", "-m", "Remove evil"]);
    setup.world.seal_head(CLAUDE);
    assert_eq!(setup.world.git(&["rev-parse", "work^{tree}"]), setup.world.git(&["rev-parse", "work~2^{tree}"]));
    ends(&setup, "work", Some("approval-missing"));
    ends(&setup, "work~2", None);
}

#[test]
fn part_of_an_approval_is_no_approval() {
    let setup = ProtectedServer::at_work();
    setup.approve("work");
    let pushed = setup.push_main("work~1");
    pushed.refused("approval-void");
    assert!(pushed.said.contains("bob approved it together with"), "{}", pushed.said);
    ends(&setup, "work", None);
}

#[test]
fn what_is_on_the_ref_already_counts_as_landed() {
    let setup = ProtectedServer::at_work();
    setup.approve("work~1");
    let whole = setup.refspec(&setup.draft("work", "refs/heads/main", BOB));
    ends(&setup, "work~1", None);
    setup.world.push(&[&whole]).accepted();
    ends(&setup, "work", None);
}

#[test]
fn a_clean_rebase_survives_and_one_over_a_touched_file_does_not() {
    for (file, content, outcome) in
        [("other.txt", "moved\n", None), ("shared.txt", "moved\n2\n3\n4\n5\n6\n7\n8\n9\n", Some("stale-seal"))]
    {
        let setup = ProtectedServer::new(ONE_APPROVAL);
        setup.agent("shared.txt", "1\n2\n3\n4\n5\n6\n7\n8\nnine\n", "Change the end\n");
        setup.agent("b.txt", "b\n", "Add b\n");
        setup.approve("work");
        setup.main_moves(file, content);
        setup.world.git(&["rebase", "-q", "origin/main"]);
        ends(&setup, "work", outcome);
        if outcome.is_some() {
            // Sealed again by the agent it is authentic, and not what was approved.
            setup.world.git(&["reset", "-q", "--hard", "work~1"]);
            setup.world.reword("Change the end\n");
            setup.world.seal_head(CLAUDE);
            let pushed = setup.push_main("work");
            pushed.refused("approval-void");
            assert!(pushed.said.contains("and its content has changed since"), "{}", pushed.said);
        }
    }
}

#[test]
fn reordered_commits_are_not_the_approved_ones() {
    let setup = ProtectedServer::at_work();
    setup.approve("work");
    setup.main_moves("other.txt", "moved\n");
    let (first, second) = (setup.world.git(&["rev-parse", "work~1"]), setup.world.git(&["rev-parse", "work"]));
    setup.world.git(&["reset", "-q", "--hard", "origin/main"]);
    setup.world.git(&["cherry-pick", &second, &first]);
    let pushed = setup.push_main("work");
    pushed.refused("approval-void");
    assert!(pushed.said.contains("in another order"), "{}", pushed.said);
    setup.world.git(&["reset", "-q", "--hard", "origin/main"]);
    setup.world.git(&["cherry-pick", &first, &second]);
    ends(&setup, "work", None);
}

#[test]
fn a_message_changed_after_approval_voids_it() {
    let setup = ProtectedServer::at_work();
    setup.approve("work");
    setup.world.reword("Add b, and disable the checks\n");
    setup.world.seal_head(CLAUDE);
    let pushed = setup.push_main("work");
    pushed.refused("approval-void");
    assert!(pushed.said.contains("and its message has changed since"), "{}", pushed.said);
    setup.world.reword("Add b\n");
    setup.world.seal_head(CLAUDE);
    ends(&setup, "work", None);
}

#[test]
fn a_squash_of_all_survives_and_one_with_more_does_not() {
    for (more, outcome) in [(false, None), (true, Some("approval-missing"))] {
        let setup = ProtectedServer::at_work();
        setup.approve("work");
        setup.main_moves("other.txt", "moved\n");
        setup.world.git(&["checkout", "-q", "-b", "squashed", "origin/main"]);
        setup.world.git(&["merge", "-q", "--squash", "work"]);
        if more {
            std::fs::write(setup.world.clone_dir().join("a.txt"), "a and more\n").unwrap();
        }
        setup.world.git(&["add", "--all"]);
        setup.world.git(&["commit", "-q", "-m", "Add both"]);
        setup.world.seal_head(CLAUDE);
        ends(&setup, "squashed", outcome);
    }
}

#[test]
fn a_squash_by_another_agent_than_the_approved_one_is_not_approved() {
    let setup = ProtectedServer::at_work();
    setup.approve("work");
    setup.world.git(&["checkout", "-q", "-b", "squashed", "origin/main"]);
    setup.world.git(&["merge", "-q", "--squash", "work"]);
    setup.world.git(&["commit", "-q", "-m", "Add both"]);
    setup.world.seal_head(CODEX);
    let pushed = setup.push_main("squashed");
    pushed.refused("approval-void");
    assert!(pushed.said.contains("but not the work of codex"), "{}", pushed.said);
}

/// An agent's merge of approved work into main which has moved, either way round, and with a change of its own.
#[test]
fn a_merge_survives_either_way_round_and_an_evil_one_does_not() {
    let keep = |_: &World| {};
    let evil = |world: &World| std::fs::write(world.clone_dir().join("c.txt"), "evil\n").unwrap();
    let revert = |world: &World| std::fs::write(world.clone_dir().join("other.txt"), "other\n").unwrap();
    type Change = fn(&World);
    let rows: [(&str, &str, Change, Outcome); 5] = [
        ("origin/main", "work", keep, None),
        ("work", "origin/main", keep, None),
        ("origin/main", "work", evil, Some("approval-void")),
        // The foxtrot merge that takes back what main had, and the merge that brings back an old version of a file.
        ("work", "origin/main", revert, Some("approval-void")),
        ("origin/main", "work", revert, Some("approval-void")),
    ];
    for (ours, theirs, change, outcome) in rows {
        let setup = ProtectedServer::at_work();
        setup.approve("work");
        setup.main_moves("other.txt", "moved\n");
        setup.merge(ours, theirs, change);
        setup.world.seal_head(CLAUDE);
        ends(&setup, "merged", outcome);
    }
}

/// One file, changed on both sides.
#[test]
fn a_clean_merge_of_one_file_survives_and_a_line_of_its_own_does_not() {
    for (own, outcome) in [(false, None), (true, Some("approval-void"))] {
        for format in ["sha1", "sha256"] {
            let setup = ProtectedServer::with(&format!("{}{ONE_APPROVAL}", super::people()), format);
            setup.agent("shared.txt", "1\n2\n3\n4\n5\n6\n7\n8\nnine\n", "Change the end\n");
            setup.approve("work");
            setup.main_moves("shared.txt", "one\n2\n3\n4\n5\n6\n7\n8\n9\n");
            setup.merge("origin/main", "work", |world| {
                if own {
                    let path = world.clone_dir().join("shared.txt");
                    let merged = std::fs::read_to_string(&path).unwrap();
                    std::fs::write(path, merged.replace("5\n", "five\n")).unwrap();
                }
            });
            setup.world.seal_head(CLAUDE);
            ends(&setup, "merged", outcome);
        }
    }
}

#[test]
fn several_approved_branches_land_in_one_push() {
    let setup = ProtectedServer::at_work();
    setup.approve("work");
    setup.world.git(&["checkout", "-q", "-b", "second", "origin/main"]);
    setup.agent("c.txt", "c\n", "Add c\n");
    setup.approve("second");
    setup.merge("origin/main", "work", |_| {});
    setup.world.seal_head(CLAUDE);
    setup.merge("merged", "second", |_| {});
    setup.world.seal_head(CLAUDE);
    ends(&setup, "merged", None);
}

#[test]
fn an_approval_lands_once() {
    let setup = ProtectedServer::at_work();
    setup.approve("work");
    setup.world.git(&["checkout", "-q", "-b", "squashed", "origin/main"]);
    setup.world.git(&["merge", "-q", "--squash", "work"]);
    setup.world.git(&["commit", "-q", "-m", "Add both"]);
    setup.world.seal_head(CLAUDE);
    ends(&setup, "squashed", None);
    // A person takes it back, and the same comes again.
    setup.world.git(&["revert", "--no-edit", "HEAD"]);
    ends(&setup, "squashed", None);
    setup.world.git(&["merge", "-q", "--squash", "work"]);
    setup.world.git(&["commit", "-q", "-m", "Add both once more"]);
    setup.world.seal_head(CLAUDE);
    let pushed = setup.push_main("squashed");
    pushed.refused("approval-void");
    assert!(pushed.said.contains("has landed before"), "{}", pushed.said);
}

/// Approvals that count for nothing, each with what is said of it.
#[test]
fn approvals_that_do_not_hold_are_told_apart() {
    let day = 86_400;
    type Spoil = fn(&ProtectedServer, Draft) -> Draft;
    let rows: [(&str, Spoil, &str, &str); 5] = [
        ("expired", |_, draft| draft.at(now() - 9 * 86_400).expiring(now() - 60), "approval-expired", "expired on"),
        ("future", |_, draft| draft.at(now() + 3600), "approval-void", "issued in the future"),
        ("withdrawn", |_, draft| draft.withdrawn(), "approval-void", "bob withdrew the approval on"),
        ("old", |_, draft| draft.at(now() - 15 * 86_400), "approval-expired", "more than 14 days ago"),
        (
            "stranger",
            |_, draft| draft,
            "approver-not-allowed",
            "bob approved it, whose approval the rule does not ask for",
        ),
    ];
    for (name, spoil, code, said) in rows {
        let from = if name == "stranger" { "[\"carol\"]" } else { "[\"maintainers\"]\nmax-age = \"14d\"" };
        let setup = ProtectedServer::new(&ONE_APPROVAL.replace("[\"maintainers\"]", from));
        setup.agent("a.txt", "a\n", "Add a\n");
        let draft = spoil(&setup, setup.draft("work", "refs/heads/main", BOB).expiring(now() + 20 * day));
        setup.world.push(&[&setup.refspec(&draft)]).accepted();
        let pushed = setup.push_main("work");
        pushed.refused(code);
        assert!(pushed.said.contains(said), "{name}: {}", pushed.said);
    }
}

#[test]
fn a_withdrawn_approval_stays_withdrawn() {
    let setup = ProtectedServer::at_work();
    let draft = setup.draft("work", "refs/heads/main", BOB);
    let (given, taken) = (setup.refspec(&draft), setup.refspec(&draft.clone().at(now() - 5).withdrawn()));
    setup.world.push(&[&given]).accepted();
    setup.world.push(&[&taken]).accepted();
    ends(&setup, "work", Some("approval-void"));
    setup.world.push(&[&given]).refused("approval-void");
    setup.world.push(&["work:refs/heads/main", &given]).refused("approval-void");
    setup.world.push(&[&format!(":{}", draft.place)]).refused("delete-denied");
    // Another person's approval does not care.
    let other = setup.refspec(&setup.draft("work", "refs/heads/main", CAROL));
    setup.world.push(&["work:refs/heads/main", &other]).accepted();
}

#[test]
fn an_approval_for_another_ref_or_repository_counts_for_nothing() {
    let setup = ProtectedServer::at_work();
    setup.world.push(&["origin/main:refs/heads/other"]).accepted();
    setup.world.git(&["fetch", "-q", "origin"]);
    setup.world.push(&[&setup.refspec(&setup.draft("work", "refs/heads/other", BOB))]).accepted();
    ends(&setup, "work", Some("approval-missing"));
    let mut draft = setup.draft("work", "refs/heads/main", BOB);
    draft.approval.repository = "acme/other".into();
    setup.world.push(&[&setup.refspec(&draft)]).refused("approval-malformed");
}

#[test]
fn the_maker_and_the_agent_do_not_approve_their_own_work() {
    let everyone = ONE_APPROVAL.replace("identity = \"agents\"\nforce", "identity = \"everyone\"\nforce");
    let everyone = everyone.replace("[rule.approvals]\n", "[rule.approvals]\nfor = \"everyone\"\n");
    let setup = ProtectedServer::new(&everyone);
    setup.world.commit("a.txt", "a\n", "By hand\n");
    setup.world.sign_head(BOB);
    let own = setup.refspec(&setup.draft("work", "refs/heads/main", BOB));
    let authors = setup.refspec(&setup.draft("work", "refs/heads/main", ALICE));
    setup.world.push(&["work:refs/heads/main", &own]).refused("approver-not-distinct");
    // Alice is in the author field.
    setup.world.push(&["work:refs/heads/main", &authors]).refused("approver-not-distinct");
    let other = setup.refspec(&setup.draft("work", "refs/heads/main", CAROL));
    setup.world.push(&["work:refs/heads/main", &other]).accepted();

    let setup = ProtectedServer::at_work();
    let forged = setup.draft("work", "refs/heads/main", BOB).signed_by(CLAUDE);
    setup.world.push(&["work:refs/heads/main", &setup.refspec(&forged)]).refused("approver-not-allowed");
}

#[test]
fn a_reviewers_seal_is_no_approval() {
    let setup = ProtectedServer::new(ONE_APPROVAL);
    setup.agent("a.txt", "a\n", "Add a\n");
    let key = CODEX.key();
    setup.world.seal_head_by(&SealBy { role: Some("reviewer"), ..SealBy::honest("codex", &key) });
    ends(&setup, "work", Some("approval-missing"));
    // Both agents' work is what is approved.
    let mut part = setup.draft("work", "refs/heads/main", BOB);
    part.approval.agents = vec!["claude-code".into()];
    setup.world.push(&["work:refs/heads/main", &setup.refspec(&part)]).refused("approval-void");
    setup.approve("work");
    ends(&setup, "work", None);
}

#[test]
fn no_other_ref_stands_in_for_an_approval() {
    let rules =
        ONE_APPROVAL.replace("refs = [\"refs/heads/main\"]", "refs = [\"refs/heads/main\", \"refs/heads/release/*\"]");
    let setup = ProtectedServer::new(&rules);
    setup.agent("a.txt", "a\n", "Add a\n");
    // Where the rule asks nothing the work lies first: on a branch, behind a tag.
    setup.push(&["work:refs/heads/lax", "work:refs/tags/v1"]).accepted();
    setup.push_main("work").refused("approval-missing");
    setup.push(&["work:refs/heads/lax", "work:refs/heads/main"]).refused("approval-missing");
    // A new ref under the rule begins with what the rule has judged, and with nothing else.
    setup.push(&["origin/main:refs/heads/release/1"]).accepted();
    setup.push(&["work:refs/heads/release/2"]).refused("approval-missing");
    setup.approve("work");
    setup.push(&["work:refs/heads/release/2"]).refused("approval-missing");
    setup.push_main("work").accepted();
    setup.push(&["work:refs/heads/release/2"]).accepted();
    // What one of them has, another has not for that: an approval is for its own ref.
    setup.push(&["work:refs/heads/release/1"]).refused("approval-missing");
}
