//! `countersign approve`, as an approver uses it.

use std::process::Output;

use crate::approvals::{ONE_APPROVAL, ProtectedServer, people};
use crate::world::{Actor, BOB, CLAUDE, STRANGER, World, binary};

/// Writes an actor's private key and returns the path of the file.
fn key_file(world: &World, actor: Actor) -> String {
    let path = world.path(&format!("home/{}", actor.id));
    std::fs::write(&path, actor.key().to_openssh(actor.id).unwrap().as_bytes()).unwrap();
    path.display().to_string()
}

/// Runs `approve` with a policy and more environment. What it printed, and its exit code.
fn approve_with(world: &World, words: &[&str], environment: &[(&str, &str)]) -> (String, Option<i32>) {
    let policy = world.policy_path().display().to_string();
    let mut command = world.command("setsid", &world.clone_dir());
    // Without a terminal of its own it cannot ask whoever runs the tests.
    command.args(["--wait", binary().to_str().unwrap(), "approve", "--policy", &policy]).args(words);
    command.envs(environment.iter().copied());
    let Output { stdout, stderr, status } = world.run(command, None);
    (String::from_utf8([stdout, stderr].concat()).unwrap(), status.code())
}

fn approve(world: &World, words: &[&str]) -> (String, Option<i32>) {
    approve_with(world, words, &[])
}

fn at_work() -> (ProtectedServer, String) {
    let setup = ProtectedServer::at_work();
    setup.push(&["work:refs/heads/retry"]).accepted();
    let key = key_file(&setup, BOB);
    (setup, key)
}

#[test]
fn one_command_approves_exactly_what_then_lands() {
    let (setup, key) = at_work();
    setup.push_main("work").refused("approval-missing");
    let (said, code) = approve(&setup, &["retry", "--for", "main", "--key", &key, "--yes", "--comment", "Looks right"]);
    assert_eq!(code, Some(0), "{said}");
    let work = setup.git(&["rev-parse", "--short=7", "work"]);
    for part in [
        "bob approves 2 commits for refs/heads/main of acme/payments",
        &format!("{work} Add b\n        alice@acme.dev, sealed by claude-code"),
        "A a.txt | +1 -0",
        "rule \"main\"",
        "Agents' work needs the approval of 1 person in maintainers",
        "delivered to origin as refs/countersign/approvals/heads/main/",
    ] {
        assert!(said.contains(part), "{part} is not in:\n{said}");
    }
    // The command wrote what git and FORMAT.md alone make of the same commits.
    let place = setup.git_in(&setup.server(), &["for-each-ref", "--format=%(refname)", "refs/countersign/"]);
    let record = setup.git_in(&setup.server(), &["cat-file", "blob", &place]);
    let claimed = countersign::core::approval::ClaimedApproval::parse(record.as_bytes()).unwrap();
    let mut expected = setup.draft("work", "refs/heads/main", BOB);
    let said = claimed.approval();
    expected.approval.issued = said.issued;
    expected.approval.expires = said.expires;
    expected.approval.policy = said.policy;
    expected.approval.comment = Some("Looks right".into());
    assert_eq!(*said, expected.approval);
    assert_eq!(place, expected.place.to_string());
    setup.push_main("work").accepted();
}

/// Of an OpenPGP signature that nothing here reads nobody knows anything, and no rule asks.
#[test]
fn what_somebody_signed_otherwise_is_approved_all_the_same() {
    let (setup, key) = at_work();
    setup.git(&["checkout", "-q", "work"]);
    setup.commit("beside", "1", "Beside it\n");
    let raw = String::from_utf8(setup.raw("commit", "HEAD")).unwrap();
    let header = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n abc\n -----END PGP SIGNATURE-----";
    let commit = setup.store("commit", raw.replacen("\n\n", &format!("\n{header}\n\n"), 1).as_bytes());
    setup.git(&["reset", "-q", "--soft", &commit]);
    setup.push(&["work:refs/heads/retry"]).accepted();
    let (said, code) = approve(&setup, &["retry", "--for", "main", "--key", &key, "--yes"]);
    assert_eq!(code, Some(0), "{said}");
    setup.push_main("work").accepted();
}

#[test]
fn stock_tools_verify_the_record() {
    let (setup, key) = at_work();
    let file = setup.path("record").display().to_string();
    let (said, code) = approve(&setup, &["retry", "--for", "main", "--key", &key, "--yes", "--out", &file]);
    assert_eq!(code, Some(0), "{said}");
    let script = r#"
        sed 's/^{"payload":"\([^"]*\)".*/\1/' record | base64 --decode > statement
        { printf 'DSSEv1 28 application/vnd.in-toto+json %s ' "$(wc -c < statement | tr -d ' ')"; cat statement; } > signed
        { echo '-----BEGIN SSH SIGNATURE-----'; sed 's/.*"sig":"\([^"]*\)".*/\1/' record | fold -w 70; echo
          echo '-----END SSH SIGNATURE-----'; } | sed '/^$/d' > approval.sig
        ssh-keygen -Y verify -f people -I bob -n countersign-approval-v1 -s approval.sig < signed"#;
    std::fs::write(setup.path("people"), format!("bob {}\n", BOB.line())).unwrap();
    let mut command = setup.command("sh", &setup.path(""));
    command.args(["-ec", script]);
    let output = setup.run(command, None);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // It is in nobody's way: nothing was stored or pushed, and anyone may carry it.
    assert_eq!(setup.git(&["for-each-ref", "refs/countersign/"]), "");
    let place = setup.draft("work", "refs/heads/main", BOB).place;
    let carried = setup.refspec_of(&std::fs::read_to_string(file).unwrap(), &place.to_string());
    setup.push(&["work:refs/heads/main", &carried]).accepted();
}

#[test]
fn only_a_person_at_a_terminal_approves_what_holds() {
    let (setup, key) = at_work();
    let refused = |words: &[&str], environment: &[(&str, &str)], why: &str| {
        let (said, code) = approve_with(&setup, words, environment);
        assert!(code == Some(2) && said.contains(why), "{why}: {code:?} {said}");
    };
    let usual = ["retry", "--for", "main", "--key", &key, "--yes"];
    refused(&usual[..5], &[], "there is no terminal to ask on");
    for (variable, value) in [("CLAUDECODE", "1"), ("AI_AGENT", "x"), ("COUNTERSIGN_AGENT", "claude-code")] {
        refused(&usual, &[(variable, value)], "only a person approves");
    }
    let (agents, strangers) = (key_file(&setup, CLAUDE), key_file(&setup, STRANGER));
    refused(&["retry", "--for", "main", "--key", &agents, "--yes"], &[], "is the key of agent claude-code");
    refused(&["retry", "--for", "main", "--key", &strangers, "--yes"], &[], "is not a key that the policy registers");
    refused(&["retry", "--for", "main", "--yes"], &[], "no key here is registered to a person");
    refused(&["main", "--for", "main", "--key", &key, "--yes"], &[], "there is nothing to approve");
    refused(&["nowhere", "--for", "main", "--key", &key, "--yes"], &[], "nowhere names no commit");
    refused(&["work~1..work", "--for", "main", "--key", &key, "--yes"], &[], "an approval begins at the merge base");
    assert_eq!(setup.git_in(&setup.server(), &["for-each-ref", "refs/countersign/"]), "");
}

#[test]
fn a_seal_that_does_not_hold_is_not_approved() {
    let (setup, key) = at_work();
    std::fs::write(setup.clone_dir().join("b.txt"), "changed\n").unwrap();
    setup.git(&["-c", "core.hooksPath=/dev/null", "commit", "-q", "-a", "--amend", "--no-edit"]);
    let (said, code) = approve(&setup, &["work", "--for", "main", "--key", &key, "--yes"]);
    assert!(code == Some(2) && said.contains("cannot be approved") && said.contains("changed after"), "{said}");
}

#[test]
fn several_merge_bases_are_refused() {
    let setup = ProtectedServer::new(ONE_APPROVAL);
    let key = key_file(&setup, BOB);
    setup.git(&["checkout", "-q", "-b", "left", "origin/main"]);
    setup.commit("l.txt", "l\n", "Left\n");
    setup.git(&["checkout", "-q", "-b", "right", "origin/main"]);
    setup.commit("r.txt", "r\n", "Right\n");
    setup.git(&["checkout", "-q", "-b", "one", "left"]);
    setup.git(&["merge", "-q", "--no-ff", "-m", "One", "right"]);
    setup.git(&["checkout", "-q", "-b", "two", "right"]);
    setup.git(&["merge", "-q", "--no-ff", "-m", "Two", "left"]);
    setup.push_main("one").accepted();
    let (said, code) = approve(&setup, &["two", "--for", "main", "--key", &key, "--yes"]);
    assert!(code == Some(2) && said.contains("several merge bases"), "{said}");
}

#[test]
fn hostile_words_reach_no_terminal() {
    let setup = ProtectedServer::new(ONE_APPROVAL);
    let key = key_file(&setup, BOB);
    setup.agent("a\u{202e}b\u{1b}[2J.txt", "x\n", "Harmless \u{1b}[31m\u{202e}text\u{2066} \u{7}\n");
    setup.push(&["work:refs/heads/retry"]).accepted();
    let (said, code) = approve(&setup, &["retry", "--for", "main", "--key", &key, "--yes"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.bytes().all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)), "{said:?}");
    assert!(said.contains("Harmless \\x1b[31m\\u{202e}text\\u{2066} \\x07"), "{said}");
}

#[test]
fn approvals_are_listed_and_taken_back() {
    let (setup, key) = at_work();
    let (said, _) = approve(&setup, &["--list"]);
    assert!(said.starts_with("pending  retry for main: claude-code's work has 0 of 1 approval"), "{said}");
    let usual = ["retry", "--for", "main", "--key", &key, "--yes"];
    assert_eq!(approve(&setup, &usual).1, Some(0));
    let (said, _) = approve(&setup, &["--list"]);
    assert!(
        said.starts_with("valid ") && said.contains("for main by bob: ") && said.contains(" on retry, until "),
        "{said}"
    );
    let (said, code) = approve(&setup, &[&usual[..], &["--withdraw"]].concat());
    assert!(code == Some(0) && said.starts_with("bob withdraws the approval of 2 commits"), "{said}");
    let (said, _) = approve(&setup, &["--list"]);
    assert!(said.contains("pending ") && said.contains("void ") && said.contains("withdrawn on"), "{said}");
    setup.push_main("work").refused("approval-void");
}

#[test]
fn an_approval_is_taken_back_wherever_its_branch_is_now() {
    let (setup, key) = at_work();
    // A range, whose right side only the remote has.
    setup.git(&["push", "-q", "origin", "work:refs/heads/theirs"]);
    setup.git(&["checkout", "-q", "--detach", "work"]);
    let approved = setup.git(&["rev-parse", "work"]);
    assert_eq!(approve(&setup, &["origin/main..theirs", "--for", "main", "--key", &key, "--yes"]).1, Some(0));
    let usual = ["retry", "--for", "main", "--key", &key, "--yes", "--withdraw"];
    setup.git(&["push", "-q", "-f", "origin", "origin/main:refs/heads/retry", ":refs/heads/theirs"]);
    let (said, code) = approve(&setup, &usual);
    assert!(code == Some(2) && said.contains("there is no approval of retry for refs/heads/main by bob"), "{said}");
    let (listed, _) = approve(&setup, &["--list", "--key", &key]);
    let digits = listed.split_whitespace().nth(1).unwrap().to_owned();
    assert!(listed.starts_with("valid ") && listed.contains("which no branch points at now"), "{listed}");
    let (said, code) = approve(&setup, &[&[digits.as_str()], &usual[1..]].concat());
    assert!(
        code == Some(0) && said.contains("Add b") && said.contains("withdraws the approval of 2 commits"),
        "{said}"
    );
    setup.push_main(&approved).refused("approval-void");
}

#[test]
fn the_list_says_what_waits_for_others() {
    let rules = ONE_APPROVAL.replace("from = [\"maintainers\"]", "count = 2\nfrom = [\"maintainers\"]");
    let setup = ProtectedServer::new(&rules);
    setup.agent("a.txt", "a\n", "Add a\n");
    setup.push(&["work:refs/heads/retry"]).accepted();
    let key = key_file(&setup, BOB);
    let waits = |key: &str| approve(&setup, &["--list", "--key", key]).0.contains("(you have approved it)");
    assert!(!waits(&key));
    assert_eq!(approve(&setup, &["retry", "--for", "main", "--key", &key, "--yes"]).1, Some(0));
    assert!(waits(&key) && !waits(&key_file(&setup, crate::approvals::CAROL)));
}

#[test]
fn a_record_can_wait_in_the_clone() {
    let (setup, key) = at_work();
    let (said, code) = approve(&setup, &["retry", "--for", "main", "--key", &key, "--yes", "--no-push"]);
    assert_eq!(code, Some(0), "{said}");
    let place = setup.git(&["for-each-ref", "--format=%(refname)", "refs/countersign/"]);
    let (listed, _) = approve(&setup, &["--list"]);
    assert!(listed.contains("kept ") && listed.contains(&format!("git push origin +{place}")), "{listed}");
    assert!(said.contains(&format!("to deliver it: git push origin +{place}\n")), "{said}");
    assert_eq!(setup.git_in(&setup.server(), &["for-each-ref", "refs/countersign/"]), "");
    setup.push(&["work:refs/heads/main", &format!("+{place}")]).accepted();
    let (said, _) = approve(&setup, &["--list"]);
    assert!(said.starts_with("spent "), "{said}");
}

#[test]
fn a_key_with_a_passphrase_signs_through_ssh_keygen() {
    let setup = ProtectedServer::new(ONE_APPROVAL);
    let key = setup.path("home/dave").display().to_string();
    let mut make = setup.command("ssh-keygen", &setup.path("home"));
    make.args(["-q", "-t", "ed25519", "-N", "secret", "-C", "dave", "-f", &key]);
    assert!(setup.run(make, None).status.success());
    let line = std::fs::read_to_string(format!("{key}.pub")).unwrap();
    let rules = ONE_APPROVAL.replace("[\"maintainers\"]", "[\"maintainers\", \"dave\"]");
    setup.set_policy(&format!("{}\n[people.dave]\nkeys = [\"{}\"]\n{rules}", people(), line.trim()));
    setup.agent("a.txt", "a\n", "Add a\n");
    setup.push(&["work:refs/heads/retry"]).accepted();
    let ask = setup.path("home/ask");
    setup.write_executable(&ask, "#!/bin/sh\necho secret\n");
    let environment = [("SSH_ASKPASS", ask.to_str().unwrap()), ("SSH_ASKPASS_REQUIRE", "force")];
    let (said, code) = approve_with(&setup, &["retry", "--for", "main", "--key", &key, "--yes"], &environment);
    assert_eq!(code, Some(0), "{said}");
    setup.push_main("work").accepted();
}

/// What is approved for a ref that is not there yet is what a push that makes it would bring, and not all of history.
#[test]
fn a_new_ref_begins_with_what_was_approved_for_it() {
    let rules =
        ONE_APPROVAL.replace("refs = [\"refs/heads/main\"]", "refs = [\"refs/heads/main\", \"refs/heads/release/*\"]");
    let setup = ProtectedServer::new(&rules);
    let key = key_file(&setup, BOB);
    setup.agent("VERSION", "9\n", "Bump\n");
    setup.push(&["work:refs/heads/bump"]).accepted();
    let make = |what: &str| setup.push(&[&format!("{what}:refs/heads/release/9")]);
    make("work").refused("approval-missing");
    let (said, code) = approve(&setup, &["bump", "--for", "release/9", "--key", &key, "--yes"]);
    assert!(code == Some(0) && said.contains("bob approves 1 commit for refs/heads/release/9"), "{said}");
    let more = setup.agent("more.txt", "1\n", "More\n");
    make(&more).refused("approval-missing");
    setup.push(&["work~1:refs/heads/main"]).refused("approval-missing");
    make("work~1").accepted();
    // Another one at main alone needs nobody.
    setup.push(&["origin/main:refs/heads/release/8"]).accepted();
}

/// Nothing that lies in the repository has a say in what is shown, whoever wrote it there.
#[test]
fn what_is_shown_comes_from_the_objects_alone() {
    let (setup, key) = at_work();
    let work = setup.git(&["rev-parse", "work"]);
    let harmless = setup.git(&["commit-tree", "-p", "work~2", "-m", "Harmless", "work~2^{tree}"]);
    setup.git(&["replace", &work, &harmless]);
    for (key, value) in [
        ("diff.relative", "true"),
        ("diff.external", "true"),
        ("diff.ignoreSubmodules", "all"),
        ("core.attributesFile", "/dev/null"),
        ("core.pager", "sed -e /txt/d"),
        ("core.commitGraph", "true"),
    ] {
        setup.git(&["config", key, value]);
    }
    std::fs::write(setup.clone_dir().join(".git/info/attributes"), "* -diff\n").unwrap();
    let (said, code) = approve(&setup, &["retry", "--for", "main", "--key", &key, "--yes"]);
    assert_eq!(code, Some(0), "{said}");
    for part in ["approves 2 commits", "A a.txt | +1 -0", "A b.txt | +1 -0", &work[..7]] {
        assert!(said.contains(part), "{part} is not in:\n{said}");
    }
    setup.git(&["replace", "-d", &work]);
    setup.push(&["work:refs/heads/main"]).accepted();
}

/// What could count for nothing is not signed, and the list calls nothing valid that does not count.
#[test]
fn what_cannot_count_is_refused_before_anybody_signs() {
    let (setup, key) = at_work();
    let carol = key_file(&setup, crate::approvals::CAROL);
    let (said, code) = approve(&setup, &["retry", "--for", "main", "--key", &key, "--yes", "--no-push"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(approve(&setup, &["--list"]).0.contains("kept "));
    let policy = std::fs::read_to_string(setup.policy_path()).unwrap();
    for (target, key, from, more, words) in [
        ("mian", &key, "[\"maintainers\"]", "", "no rule asks for approvals on mian"),
        ("main", &carol, "[\"bob\"]", "", "carol is not one of those whose approval the rule asks for"),
        ("main", &key, "[\"maintainers\"]", "presence = true", "bob has to sign with a hardware key"),
        (
            "main",
            &key_file(&setup, crate::world::ALICE),
            "[\"maintainers\"]",
            "independent = true",
            "alice owns claude-code",
        ),
    ] {
        let (head, rule) = policy.split_once("[rule.approvals]").unwrap();
        let rest = rule.split_once("\n[").map_or(String::new(), |(_, rest)| format!("\n[{rest}"));
        // A rule that nobody could satisfy does not load.
        let hardware = if more.starts_with("presence") { HARDWARE_PERSON } else { "" };
        let from = if hardware.is_empty() { from.to_owned() } else { "[\"maintainers\", \"dan\"]".to_owned() };
        setup.set_policy(&format!(
            "{head}[rule.approvals]\nfor = \"agents\"\nfrom = {from}\n{more}\n{rest}\n{hardware}"
        ));
        let (said, code) = approve(&setup, &["retry", "--for", target, "--key", key, "--yes"]);
        assert!(code == Some(2) && said.contains(words), "{words}: {said}");
        if words.contains("hardware") {
            let (listed, _) = approve(&setup, &["--list"]);
            assert!(!listed.contains("kept ") && !listed.contains("valid "), "{listed}");
        }
    }
    assert_eq!(setup.git_in(&setup.server(), &["for-each-ref", "refs/countersign/"]), "");
}

/// A person with a key that lies in a token.
const HARDWARE_PERSON: &str = "[people.dan]\nkeys = [\"sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIBpVUDwwkV3fuDWhQwvn2tjtGGAcjzrAT4LcWlfs2RDtAAAABHNzaDo=\"]\n";

/// Without a terminal nobody is asked: the person's own configuration says whether that may be, and no repository's.
#[test]
fn nobody_is_asked_only_where_the_person_allows_it() {
    let (setup, key) = at_work();
    std::fs::remove_file(setup.path("home/.gitconfig")).unwrap();
    setup.git(&["config", "countersign.approve.unattended", "true"]);
    let (said, code) = approve(&setup, &["retry", "--for", "main", "--key", &key, "--yes"]);
    assert!(code == Some(2) && said.contains("--yes without a terminal is not allowed here"), "{said}");
    assert_eq!(setup.git(&["for-each-ref", "refs/countersign/"]), "");
    setup.git(&["config", "--global", "countersign.approve.unattended", "true"]);
    let (said, code) = approve(&setup, &["retry", "--for", "main", "--key", &key, "--yes"]);
    assert!(code == Some(0) && said.contains("only presence = true"), "{said}");
}
