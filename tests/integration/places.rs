//! A ledger stays with its repository, wherever that goes, and serves no other.

use std::path::{Path, PathBuf};

use countersign::core::decide::Timestamp;
use countersign::core::id::RepositoryName;
use countersign::core::ssh::PrivateKey;
use countersign::ledger::Ledger;

use crate::approvals::{ONE_APPROVAL, ProtectedServer, now, people};
use crate::world::{BOB, CLAUDE, REPOSITORY, World};

/// A server with work that has landed under an approval and was taken back; on `again`, the same once more.
fn taken_back(more: &[&str]) -> ProtectedServer {
    let server = ProtectedServer::new(ONE_APPROVAL);
    if !more.is_empty() {
        std::fs::rename(server.ledger(), server.path("moved")).unwrap();
        std::fs::create_dir_all(server.path("kept")).unwrap();
        std::fs::rename(server.path("moved"), server.path("kept/ledger")).unwrap();
        server.install(more);
    }
    server.agent("danger.txt", "x\n", "Add danger\n");
    server.approve("HEAD");
    server.push_main("HEAD").accepted();
    server.git(&["checkout", "-q", "-B", "back", "origin/main"]);
    server.git(&["rm", "-q", "danger.txt"]);
    server.git(&["commit", "-q", "-m", "Take it back"]);
    server.sign_head(BOB);
    server.push_main("HEAD").accepted();
    server.git(&["checkout", "-q", "-B", "again", "origin/main"]);
    server.agent("danger.txt", "x\n", "Add danger\n");
    replay(&server).refused("approval-void");
    server
}

fn replay(server: &World) -> crate::world::Pushed {
    server.push(&["again:refs/heads/main"])
}

/// A branch of one more commit of nobody's work, which anybody may push.
fn push_anything(world: &World, branch: &str) -> crate::world::Pushed {
    world.git(&["checkout", "-q", "-B", branch, "origin/main"]);
    world.commit(&format!("{branch}.txt"), "1\n", "By hand\n");
    world.push(&[&format!("HEAD:refs/heads/{branch}")])
}

fn point_to(world: &World, repository: &Path) {
    world.git(&["remote", "set-url", "origin", repository.to_str().unwrap()]);
}

fn run(world: &World, words: &[&str]) -> (String, Option<i32>) {
    let output = world.countersign(words);
    let said = [output.stdout, output.stderr].concat();
    (String::from_utf8(said).unwrap(), output.status.code())
}

fn ledger_command(world: &World, words: &[&str], repository: &Path) -> (String, Option<i32>) {
    run(world, &[&["ledger"], words, &["--server", repository.to_str().unwrap()]].concat())
}

#[track_caller]
fn verified(world: &World, repository: &Path) {
    let (said, code) = run(world, &["log", "verify", "--server", repository.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}");
}

fn copy(world: &World, from: &Path, to: &Path) {
    let mut command = world.command("cp", &world.path(""));
    command.arg("-a").arg(from).arg(to);
    assert!(world.run(command, None).status.success());
}

fn log_of(repository: &Path) -> Vec<u8> {
    std::fs::read(repository.join("countersign/ledger/log")).unwrap()
}

/// Renames the server's repository.
fn renamed(world: &World) -> PathBuf {
    let place = world.path("renamed.git");
    std::fs::rename(world.server(), &place).unwrap();
    point_to(world, &place);
    place
}

#[test]
fn a_rename_takes_the_ledger_along() {
    let server = taken_back(&[]);
    let shim = std::fs::read_to_string(server.server().join("hooks/pre-receive")).unwrap();
    assert!(
        shim.contains("--ledger 'countersign/ledger'") && shim.contains("--baseline 'countersign/baseline'"),
        "{shim}"
    );
    let place = renamed(&server);
    replay(&server).refused("approval-void");
    push_anything(&server, "one").accepted();
    verified(&server, &place);
    let (said, code) = run(&server, &["doctor", "--server", place.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}");
    // Another repository of the old name has nothing to do with it.
    server.git_in(&server.path(""), &["init", "-q", "--bare", "-b", "main", "server.git"]);
    replay(&server).refused("approval-void");
    push_anything(&server, "two").accepted();
    assert!(!server.ledger().exists());
    verified(&server, &place);
}

/// The hooks of earlier versions name ledger, baseline and the hook before ours by absolute paths.
fn with_absolute_paths(world: &World) {
    let server = world.server();
    for hook in ["pre-receive", "post-receive"] {
        let path = server.join("hooks").join(hook);
        let mut text = std::fs::read_to_string(&path).unwrap();
        for own in ["countersign/ledger", "countersign/baseline", "hooks/"] {
            text = text.replace(&format!("'{own}"), &format!("'{}/{own}", server.display()));
        }
        world.write_executable(&path, &text);
    }
}

#[test]
fn hooks_of_earlier_versions_find_it_too() {
    let server = taken_back(&[]);
    let seen = server.path("seen");
    let theirs = server.server().join("hooks/pre-receive.before-countersign");
    server.write_executable(&theirs, &format!("#!/bin/sh\ncat >> '{}'\n", seen.display()));
    server.install(&[]);
    with_absolute_paths(&server);
    push_anything(&server, "one").accepted();
    let place = renamed(&server);
    std::fs::remove_file(&seen).unwrap();
    replay(&server).refused("approval-void");
    push_anything(&server, "two").accepted();
    assert!(seen.exists(), "the hook before ours goes on too");
    verified(&server, &place);
}

#[test]
fn a_copy_goes_on_by_itself_and_only_if_an_admin_says_so() {
    for absolute in [false, true] {
        let server = taken_back(&[]);
        if absolute {
            with_absolute_paths(&server);
        }
        let (original, fork) = (server.server(), server.path("fork.git"));
        copy(&server, &original, &fork);
        let before = log_of(&original);
        point_to(&server, &fork);
        let pushed = push_anything(&server, "one");
        assert!(!pushed.ok && pushed.said.contains("is a copy of the repository"), "{}", pushed.said);
        assert!(pushed.said.contains("countersign ledger adopt --copy --server REPO.git"), "{}", pushed.said);
        let (said, code) = run(&server, &["doctor", "--server", fork.to_str().unwrap()]);
        assert!(code == Some(1) && said.contains("is a copy of"), "{said}");
        let (said, code) = ledger_command(&server, &["adopt", "--moved"], &fork);
        assert!(code == Some(1) && said.contains("adopt --copy"), "{said}");
        let (said, code) = ledger_command(&server, &["adopt", "--copy"], &fork);
        assert_eq!(code, Some(0), "{said}");
        push_anything(&server, "one").accepted();
        replay(&server).refused("approval-void");
        verified(&server, &fork);
        let key = |repository: &Path| std::fs::read(repository.join("countersign/ledger/key")).unwrap();
        assert_ne!(key(&original), key(&fork));
        assert_eq!(log_of(&original), before, "nothing was written to the original's");
        // And the original goes on as if nothing had been.
        point_to(&server, &original);
        replay(&server).refused("approval-void");
        push_anything(&server, "two").accepted();
        verified(&server, &original);
        let (said, _) = ledger_command(&server, &["adopt", "--copy"], &fork);
        assert!(said.contains("nothing to adopt"), "{said}");
    }
}

/// Two repositories below a directory, restored in place and elsewhere: every directory has another number.
#[test]
fn what_was_restored_goes_on_once_an_admin_says_so() {
    let server = taken_back(&[]);
    let root = server.path("root");
    std::fs::create_dir(&root).unwrap();
    std::fs::rename(server.server(), root.join("pay.git")).unwrap();
    point_to(&server, &root.join("pay.git"));
    push_anything(&server, "one").accepted();
    let backup = server.path("backup");
    copy(&server, &root, &backup);
    std::fs::rename(&root, server.path("before")).unwrap();
    for place in ["root", "elsewhere"] {
        let root = server.path(place);
        copy(&server, &backup, &root);
        // Only now, so that no number is given out again.
        let _ = std::fs::remove_dir_all(server.path("before"));
        let repository = root.join("pay.git");
        if place == "elsewhere" {
            std::fs::remove_dir_all(server.path("root")).unwrap();
        }
        point_to(&server, &repository);
        let before = log_of(&repository);
        let pushed = push_anything(&server, "two");
        assert!(!pushed.ok && pushed.said.contains("it was moved, or restored from a backup"), "{}", pushed.said);
        let (said, code) = run(&server, &["doctor", "--server", root.to_str().unwrap()]);
        assert!(code == Some(1) && said.contains("ledger adopt --moved"), "{said}");
        let (said, code) = ledger_command(&server, &["adopt", "--copy"], &root);
        assert!(code == Some(1) && said.contains("ledger adopt --moved"), "{said}");
        assert_eq!(log_of(&repository), before);
        let (said, code) = ledger_command(&server, &["adopt", "--moved"], &root);
        assert!(code == Some(0) && said.contains("pay.git: its ledger goes on here"), "{said}");
        replay(&server).refused("approval-void");
        push_anything(&server, "two").accepted();
        verified(&server, &repository);
        assert!(log_of(&repository).starts_with(&before));
    }
}

/// A ledger outside of the repository serves the one that it was made for.
#[test]
fn a_ledger_elsewhere_serves_one_repository() {
    let directory = tempfile::tempdir().unwrap();
    let kept = directory.path().join("ledger");
    let server = ProtectedServer::new(ONE_APPROVAL);
    std::fs::rename(server.ledger(), &kept).unwrap();
    server.install(&["--ledger", kept.to_str().unwrap()]);
    push_anything(&server, "one").accepted();
    let before = std::fs::read(kept.join("log")).unwrap();
    let fork = server.path("fork.git");
    copy(&server, &server.server(), &fork);
    point_to(&server, &fork);
    let pushed = push_anything(&server, "two");
    assert!(!pushed.ok && pushed.said.contains("is a copy of the repository"), "{}", pushed.said);
    let (said, code) = ledger_command(&server, &["adopt", "--copy"], &fork);
    assert_eq!(code, Some(0), "{said}");
    push_anything(&server, "two").accepted();
    verified(&server, &fork);
    assert_eq!(std::fs::read(kept.join("log")).unwrap(), before);
    point_to(&server, &server.server());
    push_anything(&server, "three").accepted();
    assert_ne!(std::fs::read(kept.join("log")).unwrap(), before);
}

#[test]
fn a_second_ledger_is_not_begun_beside_one() {
    let server = taken_back(&[]);
    let words = |ledger: &Path| {
        let (own, policy) = (server.server().display().to_string(), server.policy_path().display().to_string());
        run(&server, &["install", "--server", &own, "--policy", &policy, "--ledger", ledger.to_str().unwrap()])
    };
    let other = server.path("other");
    let (said, code) = words(&other);
    assert!(code == Some(2) && said.contains("another one would not know what has landed"), "{said}");
    let hint = said.lines().find_map(|line| line.strip_prefix("hint: mv ")).unwrap();
    assert!(!other.exists());
    let moved = server.run(server.shell(&server.path(""), &format!("mv {hint}")), None);
    assert!(moved.status.success());
    let (said, code) = words(&other);
    assert_eq!(code, Some(0), "{said}");
    replay(&server).refused("approval-void");
    push_anything(&server, "one").accepted();
}

/// Where the ledger is lost, nobody knows what has landed, and what is stored counts as if it had.
#[test]
fn a_ledger_that_begins_beside_approvals_takes_them_for_landed() {
    let server = taken_back(&[]);
    server.git(&["checkout", "-q", "-B", "waits", "origin/main"]);
    server.agent("waits.txt", "1\n", "Wait\n");
    server.approve("HEAD");
    std::fs::rename(server.ledger(), server.path("lost")).unwrap();
    let pushed = push_anything(&server, "one");
    assert!(!pushed.ok && pushed.said.contains("there is no ledger"), "{}", pushed.said);
    let said = server.install(&[]);
    assert!(said.contains("2 stored approvals have landed, so all of them count as landed"), "{said}");
    assert!(said.contains("countersign ledger adopt --unspent"), "{said}");
    replay(&server).refused("approval-void");
    server.push(&["waits:refs/heads/main"]).refused("approval-void");
    // An admin who knows that none has landed says so, and answers for it.
    let (said, code) = ledger_command(&server, &["adopt", "--unspent"], &server.server());
    assert!(code == Some(0) && said.contains("2 stored approvals count"), "{said}");
    server.push(&["waits:refs/heads/main"]).accepted();
    server.git(&["fetch", "-q", "origin"]);
    // It has landed now, whatever was said.
    server.git(&["checkout", "-q", "-B", "back", "origin/main"]);
    server.git(&["rm", "-q", "waits.txt"]);
    server.git(&["commit", "-q", "-m", "Take it back"]);
    server.sign_head(BOB);
    server.push_main("HEAD").accepted();
    server.agent("waits.txt", "1\n", "Wait\n");
    server.push(&["HEAD:refs/heads/main"]).refused("approval-void");
    let (_, code) = ledger_command(&server, &["adopt", "--unspent"], &server.server());
    assert_eq!(code, Some(0));
    server.push(&["HEAD:refs/heads/main"]).refused("approval-void");
    verified(&server, &server.server());
}

#[test]
fn a_first_ledger_beside_nothing_says_nothing() {
    let server = ProtectedServer::at_work();
    assert!(!server.install(&[]).contains("landed"));
    server.approve("HEAD");
    server.push_main("HEAD").accepted();
}

/// A disk has changed a byte in the middle of the log.
#[test]
fn a_changed_byte_is_found_and_put_right() {
    let server = taken_back(&[]);
    let own = server.server();
    let whole = log_of(&own);
    let copy_of_it = server.path("copy");
    std::fs::write(&copy_of_it, &whole).unwrap();
    let doctor = || run(&server, &["doctor", "--server", own.to_str().unwrap()]);
    let middle = whole.len() / 2 + whole[whole.len() / 2..].iter().position(|byte| *byte == b'\n').unwrap() + 60;
    for (count, from) in [(1, None), (40, Some(&copy_of_it))] {
        let mut damaged = whole.clone();
        damaged[middle..middle + count].iter_mut().for_each(|byte| *byte ^= 32);
        std::fs::write(server.ledger().join("log"), &damaged).unwrap();
        let (said, code) = doctor();
        assert!(code == Some(1) && said.contains("[ledger]") && said.contains("countersign ledger repair"), "{said}");
        let mut words = vec!["repair"];
        if let Some(from) = from {
            let (said, code) = ledger_command(&server, &["repair"], &own);
            assert!(code == Some(1) && said.contains("does not verify"), "{said}");
            assert_eq!(log_of(&own), damaged, "what cannot be put right stays as it is");
            words.extend(["--from", from.to_str().unwrap()]);
        }
        let (said, code) = ledger_command(&server, &words, &own);
        assert!(code == Some(0) && said.contains("put right: "), "{said}");
        assert_eq!(log_of(&own), whole);
    }
    let (said, code) = ledger_command(&server, &["repair"], &own);
    assert!(code == Some(0) && said.contains("is whole"), "{said}");
    assert_eq!(doctor().1, Some(0));
    replay(&server).refused("approval-void");
    push_anything(&server, "one").accepted();
    verified(&server, &own);
}

/// A push came while the clock was a year ahead.
#[test]
fn a_clock_that_was_ahead_suspends_nobody() {
    let day = |days: i64| {
        let time = jiff::Timestamp::from_second(now() + days * 86_400).unwrap();
        time.to_string()[..10].to_owned()
    };
    let review = format!("[agents.claude-code]\nreview-by = {}\n", day(200));
    let policy = format!("{}{ONE_APPROVAL}", people().replace("[agents.claude-code]\n", &review));
    let server = ProtectedServer::with(&policy, "sha1");
    std::fs::remove_dir_all(server.ledger()).unwrap();
    let key = PrivateKey::from_seed(&[77; 32]).unwrap();
    let repository = RepositoryName::parse(REPOSITORY.as_bytes()).unwrap();
    Ledger::create(&server.ledger(), &repository, key, Timestamp(now() + 400 * 86_400)).unwrap();
    let said = server.install(&["--baseline"]);
    assert!(!said.contains("landed"), "{said}");
    for round in ["1", "2"] {
        server.git(&["checkout", "-q", "-B", "work", "origin/main"]);
        server.agent(&format!("{round}.txt"), "1\n", "Add it\n");
        let pushed = server.push(&["HEAD:refs/heads/first"]);
        pushed.accepted();
        assert!(pushed.said.contains("warning: the ledger's last entry is of "), "{}", pushed.said);
        assert!(pushed.said.contains("hint: countersign ledger clock --server REPO.git"), "{}", pushed.said);
        server.approve("HEAD");
        server.push_main("HEAD").accepted();
        // It was received by the ledger's time, which is after the review is due.
        server.push(&["HEAD:refs/heads/second"]).accepted();
        server.push(&[":refs/heads/first", ":refs/heads/second"]).accepted();
    }
    let own = server.server();
    let (said, code) = run(&server, &["doctor", "--server", own.to_str().unwrap()]);
    assert!(
        code == Some(1) && said.contains("[clock]") && said.contains("countersign ledger clock --server"),
        "{said}"
    );
    let (said, code) = ledger_command(&server, &["clock"], &own);
    assert!(code == Some(0) && said.contains("goes on as the clock says"), "{said}");
    assert!(!push_anything(&server, "three").said.contains("warning"));
    let (said, code) = run(&server, &["doctor", "--server", own.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}");
    let (said, _) = ledger_command(&server, &["clock"], &own);
    assert!(said.contains("is not ahead of the clock"), "{said}");
    verified(&server, &own);
}

/// What is first seen while the clock is behind the ledger counts as of the ledger's time: a clock that goes back revives no retired key.
#[test]
fn a_clock_that_goes_back_revives_no_retired_key() {
    let fingerprint = CLAUDE.key().public().fingerprint().to_string();
    let time = jiff::Timestamp::from_second(now() + 30 * 86_400).unwrap().to_string();
    let retired = format!("[retired]\nkeys = {{ \"{fingerprint}\" = {} }}\n", &time[..10]);
    let server = ProtectedServer::with(&format!("{}{retired}{ONE_APPROVAL}", people()), "sha1");
    server.agent("a.txt", "1\n", "Add it\n");
    server.push(&["HEAD:refs/heads/one"]).accepted();
    std::fs::remove_dir_all(server.ledger()).unwrap();
    let key = PrivateKey::from_seed(&[77; 32]).unwrap();
    let repository = RepositoryName::parse(REPOSITORY.as_bytes()).unwrap();
    Ledger::create(&server.ledger(), &repository, key, Timestamp(now() + 60 * 86_400)).unwrap();
    server.install(&["--baseline"]);
    server.agent("b.txt", "1\n", "Add more\n");
    server.push(&["HEAD:refs/heads/two"]).refused("agent-revoked");
}

/// The log of a year is closed and another begins on it. What has landed stays landed, and all generations are one record.
#[test]
fn a_ledger_is_rotated_and_forgets_nothing() {
    let server = taken_back(&[]);
    let repository = server.server();
    let cursor = server.path("cursor").display().to_string();
    let path = repository.display().to_string();
    let follow = || {
        let (said, code) =
            run(&server, &["log", "follow", "--once", "--cursor", &cursor, "--format", "json", "--server", &path]);
        assert_eq!(code, Some(0), "{said}");
        said.lines().count()
    };
    let before = follow();
    push_anything(&server, "before").accepted();
    let (said, code) = ledger_command(&server, &["rotate"], &repository);
    assert!(code == Some(0) && said.contains("generation 0 is closed: "), "{said}");
    let size: usize = said.split("closed: ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    // Nothing that was spent comes back, and a collector misses nothing.
    replay(&server).refused("approval-void");
    push_anything(&server, "after").accepted();
    let (shown, _) = run(&server, &["log", "show", "--format", "json", "--server", &path]);
    assert_eq!(before + follow(), size + shown.lines().count());
    let (said, code) = ledger_command(&server, &["rotate", "--new-key"], &repository);
    assert!(code == Some(0) && said.contains("generation 1 is closed: "), "{said}");
    replay(&server).refused("approval-void");
    push_anything(&server, "again").accepted();
    let verify = || run(&server, &["log", "verify", "--server", &path]);
    let (said, code) = verify();
    assert!(code == Some(0) && said.contains("generation 2, ") && said.trim_end().ends_with(": holds"), "{said}");
    assert_eq!(said.matches(" entries, each signed by ").count(), 3, "{said}");
    let (said, code) = run(&server, &["doctor", "--server", &path]);
    assert_eq!(code, Some(0), "{said}");
    // A generation is a ledger to look at, and can be taken away. Another in its place is noticed.
    let archived = server.ledger().join("generations/0");
    let (said, code) = run(&server, &["log", "verify", "--ledger", archived.to_str().unwrap()]);
    assert!(code == Some(0) && said.contains("holds"), "{said}");
    std::fs::rename(&archived, server.path("archive")).unwrap();
    let (said, code) = verify();
    assert!(code == Some(0) && said.contains("generation 0 is not here: "), "{said}");
    std::fs::create_dir(&archived).unwrap();
    std::fs::copy(server.ledger().join("generations/1/log"), archived.join("log")).unwrap();
    let (said, code) = verify();
    assert!(code == Some(1) && said.contains("another than the one that the next goes on from"), "{said}");
    assert!(said.contains(": does not hold"), "{said}");
    // What is not long is left alone.
    let (said, code) = ledger_command(&server, &["rotate", "--over", "100000000"], &repository);
    assert!(code == Some(0) && said.contains("not as long"), "{said}");
}

/// logrotate with copytruncate: the next push is refused, and the copy that logrotate made is the way out.
#[test]
fn a_log_that_logrotate_cut_is_put_back() {
    let server = taken_back(&[]);
    let (log, copy) = (server.ledger().join("log"), server.ledger().join("log.1"));
    std::fs::copy(&log, &copy).unwrap();
    std::fs::OpenOptions::new().write(true).open(&log).unwrap().set_len(0).unwrap();
    let pushed = push_anything(&server, "one");
    assert!(!pushed.ok && pushed.said.contains("its end is gone"), "{}", pushed.said);
    assert!(pushed.said.contains("countersign ledger repair --from COPY"), "{}", pushed.said);
    let repository = server.server();
    let (said, code) = run(&server, &["log", "verify", "--server", repository.to_str().unwrap()]);
    assert!(code == Some(1) && said.contains("does not hold"), "{said}");
    let (said, code) = run(&server, &["doctor", "--server", repository.to_str().unwrap()]);
    assert!(code == Some(1) && said.contains("its end is gone"), "{said}");
    let (said, code) = ledger_command(&server, &["repair", "--from", copy.to_str().unwrap()], &repository);
    assert!(code == Some(0) && said.contains("put right: 0, 1, "), "{said}");
    push_anything(&server, "one").accepted();
    replay(&server).refused("approval-void");
    let (said, code) = run(&server, &["log", "verify", "--server", repository.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}");
}
