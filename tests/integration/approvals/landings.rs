//! Approved work that lands in another form than the one that was approved: whose it is then, how often it lands, and what may stand
//! below its message.

use super::{CAROL, Draft, ONE_APPROVAL, ProtectedServer, now};
use crate::world::{ALICE, Actor, BOB, CLAUDE, FORGE};

/// Approvals of everybody's work, under everybody's identity.
fn of_everyone() -> String {
    let rules = ONE_APPROVAL.replace("identity = \"agents\"\nforce", "identity = \"everyone\"\nforce");
    rules.replace("[rule.approvals]", "[rule.approvals]\nfor = \"everyone\"")
}

impl ProtectedServer {
    /// A branch at main with all that `branch` adds to it staged, and git's own message for that.
    fn squash(&self, branch: &str) {
        self.git(&["checkout", "-q", "-B", "squashed", "origin/main"]);
        self.git(&["merge", "-q", "--squash", branch]);
    }

    /// The commits of `work` once more on top of main, by somebody, with more below their messages.
    fn pick(&self, by: Actor, below: &str) {
        let commits = self.git(&["rev-list", "--reverse", "origin/main..work"]);
        self.git(&["checkout", "-q", "-B", "picked", "origin/main"]);
        for commit in commits.lines() {
            self.git(&["cherry-pick", commit]);
            let (_, message) = self.head();
            let own = message.split("\nCountersign-").next().unwrap().trim_end().to_owned();
            self.reword(&format!("{own}\n\n{below}"));
            self.sign_head(by);
        }
    }
}

/// `git merge --squash` writes every joined message, indented. A person who commits that as it is has an agent's work in hand.
#[test]
fn a_squash_by_git_says_whose_work_it_joins() {
    for adopted in ["allow", "deny"] {
        for identity in ["agents", "everyone"] {
            let keys = format!("identity = \"{identity}\"\nadopted = \"{adopted}\"\nforce");
            let setup = ProtectedServer::new(&ONE_APPROVAL.replace("identity = \"agents\"\nforce", &keys));
            setup.agent("a.txt", "a\n", "Add a\n\nBody\n");
            setup.agent("b.txt", "b\n", "Add b\n");
            setup.push(&["work:refs/heads/retry"]).accepted();
            setup.push_main("work").refused("approval-missing");
            setup.squash("work");
            setup.git(&["commit", "-q", "--no-edit"]);
            setup.push_main("squashed").refused("unsealed-agent-commit");
            setup.sign_head(ALICE);
            setup.push_main("squashed").refused("unsealed-agent-commit");
            // Adopted, it is still to be approved.
            setup.git(&["commit", "-q", "--amend", "-m", "Add both\n\nCountersign-Drafted: claude-code"]);
            setup.sign_head(ALICE);
            setup.push_main("squashed").refused("approval-missing");
            setup.approve("work");
            let pushed = setup.push_main("squashed");
            if adopted == "deny" { pushed.refused("agent-not-allowed") } else { pushed.accepted() }
        }
    }
    // A person's own commits, squashed in the same way.
    let setup = ProtectedServer::new(ONE_APPROVAL);
    setup.commit("a.txt", "a\n", "Add a\n");
    setup.squash("work");
    setup.git(&["commit", "-q", "--no-edit"]);
    setup.push_main("squashed").accepted();
}

/// First as a squash or a rebase, and when that was reverted, by the ids of the commits, which the ref does not have yet.
#[test]
fn what_landed_by_content_does_not_land_again_by_id() {
    for how in ["squash", "rebase"] {
        for by in [ALICE, FORGE] {
            let setup = ProtectedServer::at_work();
            setup.push(&["work:refs/heads/retry"]).accepted();
            setup.approve("work");
            setup.main_moves("other.txt", "moved\n");
            if how == "squash" {
                setup.squash("work");
                setup.git(&["commit", "-q", "-m", "Add both"]);
                setup.sign_head(FORGE);
            } else {
                setup.git(&["checkout", "-q", "-B", "squashed", "work"]);
                setup.git(&["rebase", "-q", "origin/main"]);
            }
            setup.push_main("squashed").accepted();
            setup.git(&["rm", "-q", "a.txt", "b.txt"]);
            setup.git(&["commit", "-q", "-m", "Take it back"]);
            setup.sign_head(ALICE);
            setup.push_main("squashed").accepted();
            setup.git(&["merge", "-q", "--no-ff", "--no-commit", "work"]);
            setup.git(&["checkout", "-q", "work", "--", "a.txt", "b.txt"]);
            setup.git(&["commit", "-q", "-m", "Merge"]);
            setup.sign_head(by);
            setup.push_main("squashed").refused("approval-void");
            // Approved once more the same push is as good as anything.
            let again = setup.draft("work", "refs/heads/main", CAROL);
            setup.push(&[&setup.refspec(&again)]).accepted();
            setup.push_main("squashed").accepted();
        }
    }
}

/// Approved commits of an agent stay an agent's under a person's name.
#[test]
fn nobody_lands_an_agent_s_approved_work_as_their_own() {
    let release = ONE_APPROVAL.replace("\"main\"", "\"release\"").replace("refs/heads/main", "refs/heads/release");
    let release = release.split_once("\n\n").unwrap().1;
    for how in ["squash", "rebase"] {
        let setup = ProtectedServer::new(&format!("{ONE_APPROVAL}\n{release}"));
        setup.push(&["origin/main:refs/heads/release"]).accepted();
        setup.agent("a.txt", "a\n", "Add a\n");
        setup.agent("b.txt", "b\n", "Add b\n");
        setup.push(&["work:refs/heads/retry"]).accepted();
        setup.approve("work");
        let land = |below: &str| {
            if how == "rebase" {
                setup.pick(CAROL, below);
                return "picked";
            }
            setup.squash("work");
            setup.git_with(&["commit", "-q", "-F", "-"], format!("Retry, all mine\n\n{below}").as_bytes());
            setup.sign_head(CAROL);
            "squashed"
        };
        let own = land("");
        setup.push_main(own).refused("unsealed-agent-commit");
        let said = land("Countersign-Drafted: claude-code\n");
        setup.push_main(said).accepted();
        // And what it says is heard where the same work goes next.
        setup.push(&[&format!("{said}:refs/heads/release")]).refused("approval-missing");
    }
}

/// Who only rebases and signs what somebody else made is no maker of it, where what was approved is there to tell.
#[test]
fn an_approver_may_land_what_another_made() {
    for (branch, outcome) in [(true, None), (false, Some("approver-not-distinct"))] {
        let setup = ProtectedServer::new(&of_everyone());
        setup.commit("a.txt", "a\n", "Add a\n");
        setup.sign_head(ALICE);
        if branch {
            setup.push(&["work:refs/heads/retry"]).accepted();
        }
        setup.approve("work");
        let theirs = setup.git(&["rev-parse", "origin/main"]);
        setup.git(&["checkout", "-q", "-B", "theirs", &theirs]);
        setup.agent("other.txt", "moved\n", "Move\n");
        setup.approve("theirs");
        setup.push_main("theirs").accepted();
        setup.pick(BOB, "");
        let pushed = setup.push_main("picked");
        match outcome {
            None => pushed.accepted(),
            Some(code) => {
                pushed.refused(code);
                // Its maker may, and so may the approver where another has approved it.
                setup.pick(ALICE, "");
                setup.push_main("picked").accepted();
            }
        }
    }
}

/// What stands below a message binds nobody only where it binds nobody: a sign-off, and who is known to have approved.
#[test]
fn what_is_written_below_an_approved_message_is_true_or_refused() {
    for (below, outcome) in [
        ("", None),
        ("Signed-off-by: Alice Ng <alice@acme.dev>\n", None),
        ("Reviewed-by: Carol <carol@acme.dev>\n", None),
        ("Reviewed-by: Alice Ng <alice@acme.dev>\n", Some("approval-void")),
        ("Approved-by: Security Team <sec@acme.dev>\n", Some("approval-void")),
        ("Closes: #666\n", Some("approval-void")),
    ] {
        let setup = ProtectedServer::new(&of_everyone());
        setup.commit("a.txt", "a\n", "Add a\n");
        setup.sign_head(ALICE);
        setup.push(&["work:refs/heads/retry"]).accepted();
        setup.push(&[&setup.refspec(&setup.draft("work", "refs/heads/main", CAROL))]).accepted();
        setup.git(&["checkout", "-q", "-B", "theirs", "origin/main"]);
        setup.agent("other.txt", "moved\n", "Move\n");
        setup.approve("theirs");
        setup.push_main("theirs").accepted();
        setup.pick(ALICE, below);
        let pushed = setup.push_main("picked");
        match outcome {
            None => assert!(pushed.ok, "{below}: {}", pushed.said),
            Some(code) => pushed.refused(code),
        }
    }
}

/// The branch grew, was approved again, and then it was all taken back: no earlier record brings a part of it in.
#[test]
fn a_withdrawal_takes_back_what_was_approved_before_the_branch_grew() {
    let setup = ProtectedServer::at_work();
    let first = setup.draft("work~1", "refs/heads/main", BOB).at(now() - 100);
    let whole = setup.draft("work", "refs/heads/main", BOB).at(now() - 50);
    let others = setup.draft("work~1", "refs/heads/main", CAROL).at(now() - 100);
    setup.push(&[&setup.refspec(&first)]).accepted();
    setup.push(&[&setup.refspec(&whole)]).accepted();
    setup.push(&[&setup.refspec(&whole.clone().at(now() - 10).withdrawn())]).accepted();
    for branch in ["work", "work~1"] {
        setup.push_main(branch).refused("approval-void");
    }
    // Nor made again under another id by the agent.
    setup.main_moves("other.txt", "moved\n");
    setup.git(&["checkout", "-q", "-B", "rebased", "work~1"]);
    setup.git(&["rebase", "-q", "origin/main"]);
    setup.push_main("rebased").refused("approval-void");
    // Another's is another's, and a later one counts.
    setup.push(&["rebased:refs/heads/main", &setup.refspec(&others)]).accepted();
    setup.git(&["fetch", "-q", "origin"]);
    setup.git(&["checkout", "-q", "-B", "rest", "work"]);
    setup.git(&["rebase", "-q", "origin/main"]);
    setup.push_main("rest").refused("approval-void");
    setup.approve("rest");
    setup.push_main("rest").accepted();
}

/// A seal by the approved agent over the same work under a new message is new work.
#[test]
fn a_new_message_under_a_new_seal_is_not_what_was_approved() {
    let setup = ProtectedServer::at_work();
    setup.approve("work");
    setup.main_moves("other.txt", "moved\n");
    setup.git(&["rebase", "-q", "origin/main"]);
    let (_, message) = setup.head();
    let own = message.split("\nCountersign-").next().unwrap().to_owned();
    setup.reword(&format!("{own}\nCloses: #666\n"));
    setup.seal_head(CLAUDE);
    setup.push_main("work").refused("approval-void");
}

/// Whoever takes an approval back, or waits until it is over, opens no way in for the same work under a person's name.
#[test]
fn an_approval_that_counts_no_more_still_tells_whose_work_it_is() {
    type Spoil = fn(Draft) -> Draft;
    let spoils: [Spoil; 2] =
        [|draft| draft.at(now() - 5).withdrawn(), |draft| draft.at(now() - 200).expiring(now() - 100)];
    for (spoil, code) in spoils.into_iter().zip(["approval-void", "approval-expired"]) {
        let setup = ProtectedServer::at_work();
        setup.push(&["work:refs/heads/retry"]).accepted();
        if code == "approval-void" {
            setup.approve("work");
        }
        setup.push(&[&setup.refspec(&spoil(setup.draft("work", "refs/heads/main", BOB)))]).accepted();
        // Known from an earlier look, too.
        for _ in 0..2 {
            setup.squash("work");
            setup.git(&["commit", "-q", "-m", "All mine"]);
            setup.sign_head(CAROL);
            setup.push_main("squashed").refused("unsealed-agent-commit");
            setup.pick(CAROL, "");
            setup.push_main("picked").refused("unsealed-agent-commit");
        }
        setup.pick(CAROL, "Countersign-Drafted: claude-code\n");
        setup.push_main("picked").refused(code);
        // A person's own work beside it is theirs.
        setup.main_moves("other.txt", "moved\n");
    }
}

/// Nor does it once the work has landed, and was taken back.
#[test]
fn landed_work_that_was_reverted_stays_whose_it_was() {
    let setup = ProtectedServer::at_work();
    setup.approve("work");
    setup.push_main("work").accepted();
    let landed = setup.git(&["rev-list", "--reverse", "work~2..work"]);
    setup.git(&["rm", "-q", "a.txt", "b.txt"]);
    setup.git(&["commit", "-q", "-m", "Take it back"]);
    setup.sign_head(ALICE);
    setup.push_main("work").accepted();
    let again = |below: &str| {
        setup.git(&["checkout", "-q", "-B", "again", "origin/main"]);
        for commit in landed.lines() {
            setup.git(&["cherry-pick", commit]);
            let (_, message) = setup.head();
            setup.reword(&format!("{}\n\n{below}", message.split("\nCountersign-").next().unwrap().trim_end()));
            setup.sign_head(CAROL);
        }
    };
    again("");
    setup.push_main("again").refused("unsealed-agent-commit");
    again("Countersign-Drafted: claude-code\n");
    setup.push_main("again").refused("approval-missing");
    // A person's own work beside it is theirs.
    setup.main_moves("other.txt", "moved\n");
}

/// What stands on another branch unread, because it was there before the gate, gets into main no more easily than what can be read.
#[test]
fn what_cannot_be_read_is_not_approved_by_standing_elsewhere() {
    let everyone = ONE_APPROVAL.replace("identity = \"agents\"", "identity = \"everyone\"");
    let setup = ProtectedServer::new(&everyone.replace("[rule.approvals]", "[rule.approvals]\nfor = \"everyone\""));
    setup.commit("a.txt", "a\n", "By hand\n");
    let (headers, message) = setup.head();
    let plain = setup.git(&["rev-parse", "HEAD"]);
    let malformed = setup.store("commit", format!("{headers}\ngpgsigx junk\n\n{message}").as_bytes());
    let url = setup.clone_dir().display().to_string();
    for (commit, branch, code) in [(&plain, "plain", "approval-missing"), (&malformed, "malformed", "malformed-commit")]
    {
        setup.git_in(&setup.server(), &["fetch", "-q", &url, &format!("{commit}:refs/heads/{branch}")]);
        setup.push_main(commit).refused(code);
    }
}
