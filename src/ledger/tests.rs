#![allow(clippy::print_stderr)]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;

use proptest::prelude::*;

use super::*;
use crate::core::canonical::{CanonicalOid, RefName, Sha256, Time};
use crate::core::decide::Timestamp;
use crate::core::digest::Digest;
use crate::core::id::RepositoryName;
use crate::core::limits;
use crate::core::oid::Oid;
use crate::core::ssh::PrivateKey;

const START: i64 = 1_795_489_864;

/// Refs in memory, all of them loose.
#[derive(Default)]
pub(super) struct Refs(RefCell<BTreeMap<Vec<u8>, Oid>>);

impl Refs {
    fn set(&self, name: &str, value: Option<u8>) {
        match value {
            Some(value) => self.0.borrow_mut().insert(name.as_bytes().to_vec(), oid(value)),
            None => self.0.borrow_mut().remove(name.as_bytes()),
        };
    }
}

impl CurrentRefs for Refs {
    fn packed_stamp(&self) -> Result<String, LedgerError> {
        Ok("none".to_owned())
    }
    fn loose(&self) -> Result<BTreeMap<Vec<u8>, Oid>, LedgerError> {
        Ok(self.0.borrow().clone())
    }
    fn each(&self, each: &mut dyn FnMut(&[u8], Oid)) -> Result<(), LedgerError> {
        self.0.borrow().iter().for_each(|(name, id)| each(name, *id));
        Ok(())
    }
    fn value(&self, name: &[u8]) -> Result<Option<Oid>, LedgerError> {
        Ok(self.0.borrow().get(name).copied())
    }
}

fn oid(value: u8) -> Oid {
    Oid::from_bytes(&[value; 20]).unwrap()
}

fn name(text: &str) -> RefName {
    RefName(text.as_bytes().into())
}

pub(super) fn ledger(directory: &Path) -> Ledger {
    let key = PrivateKey::from_seed(&[7; 32]).unwrap();
    Ledger::create(directory, &RepositoryName::parse(b"acme/payments").unwrap(), key, Timestamp(START)).unwrap()
}

pub(super) fn update(name_: &str, old: Option<u8>, new: Option<u8>) -> UpdateRecord {
    UpdateRecord {
        name: name(name_),
        old: old.map(|old| CanonicalOid(oid(old))),
        new: new.map(|new| CanonicalOid(oid(new))),
        commits: 1,
        outcome: Outcome::Accepted,
        findings: Vec::new(),
        left_out: None,
        work: Vec::new(),
        approvals: Vec::new(),
        order: None,
        overrides: Vec::new(),
    }
}

pub(super) fn attempt(now: i64, updates: Vec<UpdateRecord>) -> Attempt<'static> {
    Attempt {
        now: Timestamp(now),
        outcome: Outcome::Accepted,
        policy: Some(Digest::of(b"policy")),
        submitter: None,
        error: None,
        freezes: None,
        updates: Box::new(updates),
        suspects: Vec::new(),
        counted: Vec::new(),
    }
}

pub(super) fn worked(update: UpdateRecord, seals: impl Iterator<Item = u32>) -> UpdateRecord {
    let commit = |number: u32| CanonicalOid(Oid::parse(format!("{:040x}", number + 1).as_bytes()).unwrap());
    let commits = seals.map(|seal| (commit(seal), Sha256(seal_digest(seal)))).collect();
    UpdateRecord {
        work: vec![Work { principal: "claude-code".into(), key: "SHA256:x".into(), grant: Vec::new(), commits }],
        ..update
    }
}

fn seal_digest(number: u32) -> Digest {
    Digest::of(&number.to_be_bytes())
}

fn kinds(directory: &Path) -> Vec<String> {
    let mut kinds = Vec::new();
    read(directory, Signatures::All, &mut |_, _, entry| {
        let json: serde_json::Value = serde_json::from_str(&entry.to_json().unwrap()).unwrap();
        kinds.push(json["kind"].as_str().unwrap().to_owned());
    })
    .unwrap();
    kinds.retain(|kind| kind != "written by a newer version");
    kinds
}

/// A push from start to end.
pub(super) fn push(ledger: &Ledger, refs: &Refs, now: i64, updates: Vec<UpdateRecord>) {
    let moves: Vec<_> = updates.iter().map(|update| (update.name.clone(), update.old, update.new)).collect();
    ledger.decide(attempt(now, updates), refs).unwrap();
    for (name, _, new) in &moves {
        match new {
            Some(new) => refs.0.borrow_mut().insert(name.0.to_vec(), new.0),
            None => refs.0.borrow_mut().remove(&*name.0),
        };
    }
    assert_eq!(ledger.committed(Timestamp(now), &moves, Witness::PostReceive).unwrap(), []);
}

#[test]
fn a_push_has_two_records_and_the_ledger_knows_the_refs() {
    let directory = tempfile::tempdir().unwrap();
    let (ledger, refs) = (ledger(directory.path()), Refs::default());
    push(&ledger, &refs, START + 1, vec![update("refs/heads/main", None, Some(1))]);
    push(
        &ledger,
        &refs,
        START + 2,
        vec![update("refs/heads/main", Some(1), Some(2)), update("refs/tags/v1", None, Some(2))],
    );
    push(&ledger, &refs, START + 3, vec![update("refs/tags/v1", Some(2), None)]);
    let opened = Ledger::open(directory.path()).unwrap();
    let state = opened.state().unwrap();
    assert_eq!(opened.known_refs(&state).unwrap(), *refs.0.borrow());
    assert!(state.open.is_empty());
    assert_eq!(
        kinds(directory.path()),
        ["opened", "decided", "committed", "decided", "committed", "decided", "committed"]
    );
    assert_eq!(opened.suspects(&refs).unwrap(), []);
}

#[test]
fn a_decision_left_open_is_settled_by_the_refs() {
    let directory = tempfile::tempdir().unwrap();
    let (ledger, refs) = (ledger(directory.path()), Refs::default());
    // One push landed, but its post-receive did not run; another was killed before git moved anything.
    ledger.decide(attempt(START, vec![update("refs/heads/a", None, Some(1))]), &refs).unwrap();
    refs.set("refs/heads/a", Some(1));
    ledger.decide(attempt(START, vec![update("refs/heads/b", None, Some(1))]), &refs).unwrap();
    let unexplained = || {
        let (suspects, state) = (ledger.suspects(&refs).unwrap(), ledger.state().unwrap());
        ledger.unexplained(&state, &suspects, &refs).unwrap()
    };
    assert_eq!(unexplained(), []);
    assert_eq!(kinds(directory.path()), ["opened", "decided", "decided"], "both may still be on their way");
    push(&ledger, &refs, START + 1, vec![update("refs/heads/a", Some(1), Some(2))]);
    assert_eq!(kinds(directory.path())[3..], ["committed", "decided", "committed"]);
    push(&ledger, &refs, START + 100, vec![update("refs/heads/c", None, Some(1))]);
    assert_eq!(kinds(directory.path())[6..], ["aborted", "decided", "committed"]);
    // It was not dead after all.
    refs.set("refs/heads/b", Some(1));
    assert_eq!(unexplained(), []);
    let moved = [(name("refs/heads/b"), None, Some(CanonicalOid(oid(1))))];
    ledger.committed(Timestamp(START + 101), &moved, Witness::PostReceive).unwrap();
    let state = ledger.state().unwrap();
    assert_eq!(ledger.known_refs(&state).unwrap(), *refs.0.borrow());
    assert!(state.open.is_empty());
}

/// What a push leaves that was killed costs later ones nothing, however many refs it had, and one of them may yet land.
#[test]
fn a_large_push_that_was_killed_is_set_aside() {
    let directory = tempfile::tempdir().unwrap();
    let (ledger, refs) = (ledger(directory.path()), Refs::default());
    let tag = |number: usize| format!("refs/tags/{number:05}");
    let large: Vec<UpdateRecord> = (0..3_000).map(|number| update(&tag(number), None, Some(1))).collect();
    ledger.decide(attempt(START, large.clone()), &refs).unwrap();
    let kept = || {
        let size = |slot: &str| directory.path().join(slot).metadata().map_or(0, |file| file.len());
        size("state.0").max(size("state.1"))
    };
    let moves = || {
        let names = std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().starts_with("moves-")).collect::<Vec<_>>()
    };
    assert!(kept() < 16 << 10 && moves().len() == 1, "{} {:?}", kept(), moves());
    let lands =
        |number: usize, value: u8| ledger.state().unwrap().lands(tag(number).as_bytes(), Some(oid(value))).unwrap();
    assert!(lands(0, 1) && lands(2_999, 1) && !lands(7, 2));
    // In flight still, but for the one that another push is about.
    push(&ledger, &refs, START + 1, vec![update(&tag(7), None, Some(2))]);
    assert!(lands(6, 1) && lands(7, 1), "it may land late");
    // Given up.
    push(&ledger, &refs, START + 100, vec![update("refs/heads/a", None, Some(1))]);
    assert!(kept() < 16 << 10 && moves().len() == 1, "{} {:?}", kept(), moves());
    let entries = kinds(directory.path()).len();
    push(&ledger, &refs, START + 101, vec![update("refs/heads/b", None, Some(1))]);
    assert_eq!(kinds(directory.path()).len(), entries + 2, "once");
    // One landed all the same, and post-receive did not come to say so.
    refs.set(&tag(9), Some(1));
    let suspects = ledger.suspects(&refs).unwrap();
    assert_eq!(suspects, [name(&tag(9))]);
    let next = Attempt { suspects, ..attempt(START + 102, vec![update("refs/heads/c", None, Some(1))]) };
    assert_eq!(ledger.decide(next, &refs).unwrap().unexplained, []);
    let state = ledger.state().unwrap();
    assert_eq!(ledger.known_refs(&state).unwrap(), *refs.0.borrow());
    // The file is derived from the log: without it, or with another in its place, all is as it was.
    let expected = read(directory.path(), Signatures::All, &mut |_, _, _| {}).unwrap().state;
    for damage in [&b""[..], b"countersign-moves other 3\nabc"] {
        for file in moves() {
            std::fs::write(directory.path().join(file), damage).unwrap();
        }
        assert_eq!(ledger.state().unwrap().size(), expected.size());
        assert!(lands(8, 1) && !lands(9, 1));
    }
    // A day later nobody waits for it, and nothing is left of it.
    push(&ledger, &refs, START + 90_000, vec![update("refs/heads/d", None, Some(1))]);
    ledger.compact().unwrap();
    assert_eq!(moves(), Vec::<std::ffi::OsString>::new());
    assert!(!lands(8, 1));
}

/// Each push that is killed leaves a decision open for a day. A flood of them is bounded.
#[test]
fn a_flood_of_killed_pushes_is_bounded() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = ledger(directory.path());
    let killed = |number: u64| {
        let time = Time(Timestamp(START));
        let decided = Decided {
            time,
            clock: None,
            again: None,
            outcome: Outcome::Accepted,
            policy: None,
            version: "0.1.0".to_owned(),
            submitter: None,
            error: None,
            freezes: None,
            updates: vec![update(&format!("refs/heads/{number}"), None, Some(1))],
            continued: 0,
        };
        let refs = vec![name(&format!("refs/heads/{number}"))];
        let aborted = Settled { time, decision: 2 + 2 * number, refs, by: Witness::Refs };
        [Entry::Decided(decided), Entry::Aborted(aborted)]
    };
    let pushes = u64::try_from(limits::GIVEN_UP_DECISIONS).unwrap() + 50;
    let state = ledger.append(Timestamp(START), &mut |_| Ok(Plan::of((0..pushes).flat_map(killed)))).unwrap();
    assert_eq!(state.open.len(), limits::GIVEN_UP_DECISIONS + 1);
    assert!(!state.lands(b"refs/heads/0", Some(oid(1))).unwrap());
    assert!(state.lands(format!("refs/heads/{}", pushes - 1).as_bytes(), Some(oid(1))).unwrap());
}

#[test]
fn a_ref_that_moves_with_no_decision_is_reported_once() {
    let directory = tempfile::tempdir().unwrap();
    let (ledger, refs) = (ledger(directory.path()), Refs::default());
    push(&ledger, &refs, START, vec![update("refs/heads/a", None, Some(1)), update("refs/heads/b", None, Some(1))]);
    assert_eq!(ledger.suspects(&refs).unwrap(), []);
    refs.set("refs/heads/a", Some(9));
    refs.set("refs/heads/b", None);
    refs.set("refs/heads/new", Some(8));
    let suspects = ledger.suspects(&refs).unwrap();
    assert_eq!(suspects.len(), 3);
    let again = Attempt { suspects, ..attempt(START + 1, vec![update("refs/heads/c", None, Some(1))]) };
    let recorded = ledger.decide(again, &refs).unwrap();
    let moved = |name_: &str, from: Option<u8>, to: Option<u8>| Moved {
        name: name(name_),
        from: from.map(|value| CanonicalOid(oid(value))),
        to: to.map(|value| CanonicalOid(oid(value))),
    };
    let mut found = recorded.unexplained;
    found.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(
        found,
        [
            moved("refs/heads/a", Some(1), Some(9)),
            moved("refs/heads/b", Some(1), None),
            moved("refs/heads/new", None, Some(8))
        ]
    );
    assert!(recorded.state.is_unexplained(b"refs/heads/a"));
    assert_eq!(ledger.suspects(&refs).unwrap(), [], "it is on record now");
    assert_eq!(ledger.take_as_found(Timestamp(START + 2), &refs).unwrap(), 3);
    assert!(!ledger.state().unwrap().is_unexplained(b"refs/heads/a"));
}

#[test]
fn an_accepted_push_is_not_recorded_where_a_ref_moved_meanwhile() {
    let directory = tempfile::tempdir().unwrap();
    let (ledger, refs) = (ledger(directory.path()), Refs::default());
    refs.set("refs/heads/main", Some(5));
    let error = ledger.decide(attempt(START, vec![update("refs/heads/main", Some(1), Some(2))]), &refs).unwrap_err();
    assert!(matches!(error, LedgerError::RefMoved(_)));
    assert_eq!(kinds(directory.path()), ["opened"]);
}

#[test]
fn receipts_that_no_file_covers_are_not_held_in_memory() {
    let directory = tempfile::tempdir().unwrap();
    let (ledger, refs) = (ledger(directory.path()), Refs::default());
    push(&ledger, &refs, START, vec![worked(update("refs/heads/a", None, Some(1)), 0..45_000)]);
    let look = || {
        let receipts = ledger.receipts().unwrap();
        for seal in [0, 40_000, 44_999] {
            assert_eq!(receipts.find(&ledger, seal_digest(seal)).unwrap(), Some(Timestamp(START)), "{seal}");
        }
        assert_eq!(receipts.find(&ledger, seal_digest(45_000)).unwrap(), None);
        receipts.in_memory()
    };
    let has_file = || {
        let mut files = std::fs::read_dir(directory.path()).unwrap().map(|file| file.unwrap().file_name());
        files.any(|name| name.to_str().unwrap().starts_with("receipts-"))
    };
    // Somebody else is about to write them.
    let lock = ledger.try_lock("compacting").unwrap().unwrap();
    assert!((1..30_000).contains(&look()));
    assert!(!has_file());
    drop(lock);
    assert_eq!(look(), 0);
    assert!(has_file());
}

#[test]
fn receipts_are_those_of_committed_decisions() {
    let directory = tempfile::tempdir().unwrap();
    let (ledger, refs) = (ledger(directory.path()), Refs::default());
    // Accepted twice, but only the second time the ref moved; and never accepted at all.
    ledger.decide(attempt(START, vec![worked(update("refs/heads/a", None, Some(1)), 0..1)]), &refs).unwrap();
    push(&ledger, &refs, START + 100, vec![worked(update("refs/heads/b", None, Some(1)), 0..1200)]);
    push(&ledger, &refs, START + 200, vec![worked(update("refs/heads/c", None, Some(1)), 0..1)]);
    let refused = Attempt {
        outcome: Outcome::Rejected,
        ..attempt(START, vec![worked(update("refs/heads/d", None, Some(1)), 5000..5001)])
    };
    ledger.decide(refused, &refs).unwrap();
    for round in 0..2 {
        for (seal, receipt) in [(0, Some(START + 100)), (1199, Some(START + 100)), (5000, None), (5001, None)] {
            assert_eq!(
                ledger.receipts().unwrap().find(&ledger, seal_digest(seal)).unwrap(),
                receipt.map(Timestamp),
                "{seal} in round {round}"
            );
        }
        // Enough entries for files of postings, merged several times.
        for number in 0..700 {
            let (old, new) = if number % 2 == 0 { (1, 2) } else { (2, 1) };
            let now = START + 300 + i64::from(number);
            push(
                &ledger,
                &refs,
                now,
                vec![worked(update("refs/heads/b", Some(old), Some(new)), 9000 + number..9001 + number)],
            );
            if number % 100 == 0 {
                ledger.compact().unwrap();
            }
        }
        ledger.compact().unwrap();
        assert_eq!(ledger.receipts().unwrap().find(&ledger, seal_digest(9123)).unwrap(), Some(Timestamp(START + 423)));
    }
    // What is kept beside the log can be lost.
    for kept in std::fs::read_dir(directory.path()).unwrap() {
        let path = kept.unwrap().path();
        if !["log", "key", "key.pub"].contains(&path.file_name().unwrap().to_str().unwrap()) {
            std::fs::remove_file(path).unwrap();
        }
    }
    let again = Ledger::open(directory.path()).unwrap();
    assert_eq!(again.receipts().unwrap().find(&again, seal_digest(1199)).unwrap(), Some(Timestamp(START + 100)));
    again.compact().unwrap();
    assert_eq!(again.receipts().unwrap().find(&again, seal_digest(9123)).unwrap(), Some(Timestamp(START + 423)));
    assert_eq!(again.known_refs(&again.state().unwrap()).unwrap(), *refs.0.borrow());
}

#[test]
fn a_flood_of_refusals_is_counted() {
    let directory = tempfile::tempdir().unwrap();
    let (ledger, refs) = (ledger(directory.path()), Refs::default());
    let refused = |now: i64| Attempt { outcome: Outcome::Rejected, ..attempt(now, Vec::new()) };
    let over = limits_per_hour() + 25;
    for _ in 0..over {
        ledger.decide(refused(START), &refs).unwrap();
    }
    assert_eq!(ledger.state().unwrap().size(), 2 + limits_per_hour());
    ledger.decide(refused(START + 3600), &refs).unwrap();
    let mut counted = Vec::new();
    read(directory.path(), Signatures::All, &mut |_, _, entry| {
        if let Entry::Suppressed(suppressed) = entry {
            counted.push(suppressed.refused);
        }
    })
    .unwrap();
    assert_eq!(counted, [25]);
}

/// Keys are made at will, so those that nobody knows are one submitter; those that somebody has are told apart.
#[test]
fn a_flood_under_many_names_is_counted_too() {
    let directory = tempfile::tempdir().unwrap();
    let (ledger, refs) = (ledger(directory.path()), Refs::default());
    let refused = |submitter: String| Attempt {
        outcome: Outcome::Rejected,
        submitter: Some(submitter),
        ..attempt(START, Vec::new())
    };
    for number in 0..limits_per_hour() + 25 {
        ledger.decide(refused(format!("key:SHA256:{number}")), &refs).unwrap();
    }
    assert_eq!(ledger.state().unwrap().size(), 2 + limits_per_hour());
    ledger.decide(refused("alice".to_owned()), &refs).unwrap();
    ledger.decide(refused("account:mallory".to_owned()), &refs).unwrap();
    assert_eq!(ledger.state().unwrap().size(), 4 + limits_per_hour());
}

fn limits_per_hour() -> u64 {
    crate::core::limits::REFUSED_PER_HOUR
}

#[test]
fn a_clock_that_goes_back_does_not_take_time_back() {
    let directory = tempfile::tempdir().unwrap();
    let (ledger, refs) = (ledger(directory.path()), Refs::default());
    push(&ledger, &refs, START + 50, vec![update("refs/heads/a", None, Some(1))]);
    push(&ledger, &refs, START - 1000, vec![update("refs/heads/a", Some(1), Some(2))]);
    let mut times = Vec::new();
    read(directory.path(), Signatures::All, &mut |_, _, entry| {
        if let Entry::Decided(decided) = entry {
            times.push((decided.time.0.0, decided.clock.map(|clock| clock.0.0)));
        }
    })
    .unwrap();
    assert_eq!(times, [(START + 50, None), (START + 50, Some(START - 1000))]);
}

#[test]
fn an_admin_lets_times_go_on_from_the_clock() {
    let directory = tempfile::tempdir().unwrap();
    let (ledger, refs) = (ledger(directory.path()), Refs::default());
    let year = 400 * 86_400;
    push(&ledger, &refs, START + year, vec![update("refs/heads/a", None, Some(1))]);
    // Nothing that was decided then is waited for until then, and no hour of then is this one.
    ledger.decide(attempt(START + year, vec![update("refs/heads/open", None, Some(1))]), &refs).unwrap();
    let refused = |now: i64| Attempt { outcome: Outcome::Rejected, ..attempt(now, Vec::new()) };
    for _ in 0..limits_per_hour() {
        ledger.decide(refused(START + 10), &refs).unwrap();
    }
    assert!(kinds(directory.path()).contains(&"aborted".to_owned()));
    let before = ledger.state().unwrap().size();
    ledger.decide(refused(START + 3700), &refs).unwrap();
    assert_eq!(ledger.state().unwrap().size(), before + 1, "another hour by the clock");
    assert_eq!(ledger.state().unwrap().time(), Timestamp(START + year));
    assert_eq!(ledger.set_clock(Timestamp(START + 3700)).unwrap(), u64::try_from(year - 3700).unwrap());
    assert_eq!(ledger.set_clock(Timestamp(START + 3700)).unwrap(), 0);
    assert_eq!(ledger.state().unwrap().time(), Timestamp(START + 3700));
    push(&ledger, &refs, START + 3800, vec![update("refs/heads/a", Some(1), Some(2))]);
    let mut last = None;
    let verified = read(directory.path(), Signatures::All, &mut |_, _, entry| {
        if let Entry::Decided(decided) = entry {
            last = Some((decided.time.0.0, decided.clock));
        }
    });
    assert_eq!(last, Some((START + 3800, None)));
    assert_eq!(verified.unwrap().state.time(), ledger.state().unwrap().time());
}

/// What one decision writes is divided so that each entry can stand in a tile.
#[test]
fn no_entry_is_too_large_and_all_of_it_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let (ledger, refs) = (ledger(directory.path()), Refs::default());
    let long = |number: usize| format!("refs/heads/{number}/{}", "n".repeat(4000));
    let finding = FindingRecord {
        code: "unsealed-agent-commit".into(),
        severity: "observed".into(),
        rule: Some("\\".repeat(80)),
        object: None,
        author: Some("\\".repeat(50)),
        detail: "\\".repeat(150),
    };
    let mut updates: Vec<UpdateRecord> = (0..20).map(|number| update(&long(number), None, Some(1))).collect();
    updates[0] = worked(updates.remove(0), 0..3000);
    updates.insert(0, updates[0].clone());
    updates[1].name = name(&long(100));
    updates[1].findings = vec![finding; limits::RECORDED_FINDINGS];
    let by_many = |seal: u32| Work {
        key: format!("SHA256:{seal:043}"),
        ..worked(update("x", None, None), seal..seal + 1).work.remove(0)
    };
    updates[1].work = (5000..6000).map(by_many).collect();
    let landed = |number: u32| LandedApproval {
        approver: "a".repeat(64),
        attested: Some("a".repeat(64)),
        digest: Sha256(seal_digest(number)),
    };
    updates[1].approvals = (7000..8000).map(landed).collect();
    push(&ledger, &refs, START + 1, updates);
    let (mut largest, mut count) = (0, 0);
    read(directory.path(), Signatures::All, &mut |_, _, entry| {
        largest = largest.max(entry.to_json().unwrap().len());
        count += 1;
    })
    .unwrap();
    assert!(largest <= limits::ENTRY_BYTES && largest > limits::ENTRY_BYTES / 2, "{largest}");
    assert!(count > 10, "{count}");
    let receipts = ledger.receipts().unwrap();
    for seal in [0, 1499, 2999, 5000, 5999, 7000, 7999] {
        assert_eq!(receipts.find(&ledger, seal_digest(seal)).unwrap(), Some(Timestamp(START + 1)), "{seal}");
    }
    let refused: Vec<Moved> =
        (0..100).map(|number| Moved { name: name(&long(number)), from: None, to: None }).collect();
    let names: Vec<RefName> = refused.into_iter().map(|moved| moved.name).collect();
    (0..100).for_each(|number| refs.set(&long(number), Some(3)));
    assert_eq!(ledger.moved(Timestamp(START + 2), &names, &refs, Witness::Refs).unwrap().len(), 100);
    read(directory.path(), Signatures::All, &mut |_, _, entry| largest = largest.max(entry.to_json().unwrap().len()))
        .unwrap();
    assert!(largest <= limits::ENTRY_BYTES, "{largest}");
}

/// One byte that was changed anywhere is put right, whatever it has become.
#[test]
fn a_changed_byte_anywhere_is_put_right() {
    let directory = tempfile::tempdir().unwrap();
    let whole = sample(directory.path());
    let path = directory.path().join("log");
    let ledger = Ledger::open(directory.path()).unwrap();
    let ends: Vec<usize> = (0..whole.len()).filter(|place| whole[*place] == b'\n').collect();
    let places =
        (0..whole.len()).step_by(97).chain(ends.iter().flat_map(|end| [end - 1, *end, (end + 1).min(whole.len() - 2)]));
    for place in places {
        // The last line feed that is gone is what a crash leaves, or no record.
        let lasts = place + 1 == whole.len();
        for byte in [whole[place] ^ 1, b'\n', 0xff] {
            if byte == whole[place] || lasts {
                continue;
            }
            let mut damaged = whole.clone();
            damaged[place] = byte;
            std::fs::write(&path, &damaged).unwrap();
            let repaired = ledger.repair(None);
            assert!(matches!(&repaired, Ok(numbers) if numbers.len() == 1), "byte {place} is {byte}: {repaired:?}");
            assert_eq!(std::fs::read(&path).unwrap(), whole, "byte {place} is {byte}");
        }
    }
    assert_eq!(ledger.repair(None).unwrap(), [0_u64; 0]);
}

#[test]
fn a_flood_of_large_refusals_is_counted() {
    let directory = tempfile::tempdir().unwrap();
    let (ledger, refs) = (ledger(directory.path()), Refs::default());
    let many = || (0..3000).map(|number| update(&format!("refs/heads/{number:0200}"), None, Some(1))).collect();
    let refused = |submitter: &str| Attempt {
        outcome: Outcome::Rejected,
        submitter: Some(submitter.to_owned()),
        ..attempt(START, many())
    };
    let size = || std::fs::metadata(directory.path().join("log")).unwrap().len();
    for _ in 0..16 {
        ledger.decide(refused("alice"), &refs).unwrap();
    }
    let full = size();
    assert!(full > limits::REFUSED_BYTES_PER_HOUR && full < limits::REFUSED_BYTES_PER_HOUR + (2 << 20), "{full}");
    ledger.decide(refused("alice"), &refs).unwrap();
    assert_eq!(size(), full);
    ledger.decide(refused("bob"), &refs).unwrap();
    assert!(size() > full, "another's own");
}

fn place(of: &Path) -> Place {
    std::fs::create_dir_all(of).unwrap();
    Place::of(of).unwrap()
}

#[test]
fn a_ledger_knows_its_directory_by_number_or_name() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let here = place(&root.join("here"));
    let own = root.join("here/ledger");
    let serve = |place: &Place| {
        let ledger = Ledger::open(&own).unwrap().serving(place.clone(), None);
        ledger.take_as_found(Timestamp(START), &Refs::default()).map(drop)
    };
    ledger(&own);
    serve(&here).unwrap();
    assert_eq!(kinds(&own), ["opened", "placed"]);
    serve(&here).unwrap();
    assert_eq!(kinds(&own), ["opened", "placed"], "it is told once");
    // As after a start of the machine, and back; and by another name.
    let other = |device: u64, inode: u64, path: &str| Place {
        device: here.device + device,
        inode: here.inode + inode,
        path: root.join(path),
    };
    serve(&other(1, 0, "here")).unwrap();
    serve(&here).unwrap();
    serve(&other(0, 0, "renamed")).unwrap();
    serve(&here).unwrap();
    assert_eq!(kinds(&own).len(), 6);
    // Another file system, and a restore in place; a snapshot of the whole file system while the directory is still there.
    let gone = serve(&other(1, 1, "here"));
    assert!(matches!(gone, Err(LedgerError::Moved { .. })), "{gone:?}");
    let copied = serve(&other(1, 0, "elsewhere"));
    assert!(matches!(copied, Err(LedgerError::Copied { .. })), "{copied:?}");
    let copied = serve(&other(1, 1, "elsewhere"));
    assert!(matches!(copied, Err(LedgerError::Copied { .. })), "{copied:?}");
    assert_eq!(kinds(&own).len(), 6);
    assert!(Ledger::adopt_moved(&own, other(1, 1, "here"), Timestamp(START)).unwrap());
    assert!(!Ledger::adopt_moved(&own, other(1, 1, "here"), Timestamp(START)).unwrap());
    serve(&other(1, 1, "here")).unwrap();
    read(&own, Signatures::All, &mut |_, _, _| {}).unwrap();
}

/// A copy goes on under a key of its own, also where it was killed on the way there.
#[test]
fn a_copy_goes_on_under_another_key() {
    let directory = tempfile::tempdir().unwrap();
    let (first, second) = (directory.path().join("first"), directory.path().join("second"));
    let (here, there) = (place(&first), place(&second));
    let refs = Refs::default();
    let original = ledger(&first.join("ledger")).serving(here.clone(), None);
    push(&original, &refs, START, vec![worked(update("refs/heads/a", None, Some(1)), 0..1)]);
    let copy = second.join("ledger");
    original.copy_to(&copy).unwrap();
    let key = || PrivateKey::from_seed(&[9; 32]).unwrap();
    let adopt = |place: &Place| Ledger::adopt_copy(&copy, (place.clone(), None), key(), Timestamp(START + 1));
    assert!(Ledger::open(&copy).unwrap().serving(there.clone(), None).state().is_err());
    // The key that was to take over signed nothing, or was not put in its place.
    std::fs::write(copy.join("key.next"), key().to_openssh("x").unwrap()).unwrap();
    let old = std::fs::read(copy.join("key")).unwrap();
    assert!(adopt(&there).unwrap());
    std::fs::rename(copy.join("key"), copy.join("key.next")).unwrap();
    std::fs::write(copy.join("key"), old).unwrap();
    std::fs::set_permissions(copy.join("key"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    assert!(Ledger::open(&copy).unwrap().state().is_err());
    assert!(adopt(&there).unwrap());
    assert!(!adopt(&there).unwrap());
    let ledger = Ledger::open(&copy).unwrap().serving(there, None);
    push(&ledger, &refs, START + 2, vec![update("refs/heads/a", Some(1), Some(2))]);
    assert_eq!(kinds(&copy)[4..], ["rekeyed", "placed", "decided", "committed"]);
    assert_eq!(ledger.receipts().unwrap().find(&ledger, seal_digest(0)).unwrap(), Some(Timestamp(START)));
    let verified = read(&copy, Signatures::All, &mut |_, _, _| {}).unwrap();
    assert_eq!(&verified.key, key().public());
    // Whoever has another key cannot take over.
    let log = std::fs::read_to_string(copy.join("log")).unwrap();
    assert!(log.contains("\"kind\":\"rekeyed\""));
    let forged = PrivateKey::from_seed(&[10; 32]).unwrap();
    let signature = |by: &PrivateKey| {
        use base64ct::{Base64, Encoding as _};
        Base64::encode_string(&by.sign(REKEY_NAMESPACE, key().public().to_line().as_bytes()))
    };
    let honest = signature(&PrivateKey::from_seed(&[7; 32]).unwrap());
    assert!(log.contains(&honest));
    std::fs::write(copy.join("log"), log.replace(&honest, &signature(&forged))).unwrap();
    assert!(read(&copy, Signatures::Last, &mut |_, _, _| {}).is_err());
}

#[test]
fn what_is_presumed_gives_way_to_what_landed() {
    let directory = tempfile::tempdir().unwrap();
    let (ledger, refs) = (ledger(directory.path()), Refs::default());
    let (one, other) = (seal_digest(1), seal_digest(2));
    let landing = |digest: Digest| ledger.receipts().unwrap().landing(&ledger, digest).unwrap();
    ledger.presume_spent(Timestamp(START), &[one, other]).unwrap();
    assert_eq!((landing(one), landing(other), landing(seal_digest(3))), (Some(None), Some(None), None));
    ledger.presume_unspent(Timestamp(START), &[one]).unwrap();
    assert_eq!((landing(one), landing(other)), (None, Some(None)));
    let approvals = vec![LandedApproval { approver: "bob".into(), attested: None, digest: Sha256(one) }];
    push(&ledger, &refs, START, vec![UpdateRecord { approvals, ..update("refs/heads/a", None, Some(1)) }]);
    ledger.presume_unspent(Timestamp(START), &[one, other]).unwrap();
    assert_eq!((landing(one), landing(other)), (Some(Some(oid(1))), None));
}

/// A ledger of a few records, and its log.
fn sample(directory: &Path) -> Vec<u8> {
    let (ledger, refs) = (ledger(directory), Refs::default());
    push(&ledger, &refs, START, vec![worked(update("refs/heads/a", None, Some(1)), 0..2)]);
    push(&ledger, &refs, START + 1, vec![update("refs/heads/a", Some(1), Some(2))]);
    std::fs::read(directory.join("log")).unwrap()
}

#[test]
fn a_log_cut_at_any_byte_of_its_last_record_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let whole = sample(directory.path());
    let last = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    for cut in last..whole.len() {
        for zeros in [0, 1, 9] {
            let copy = tempfile::tempdir().unwrap();
            for file in ["key", "key.pub"] {
                std::fs::copy(directory.path().join(file), copy.path().join(file)).unwrap();
            }
            let mut log = whole[..cut].to_vec();
            log.extend(std::iter::repeat_n(0, zeros));
            std::fs::write(copy.path().join("log"), &log).unwrap();
            let ledger = Ledger::open(copy.path()).unwrap();
            let refs = Refs::default();
            refs.set("refs/heads/a", Some(2));
            // Another byte where the line feed was is a change; a block of zeros there was never written.
            let complete = cut == whole.len() - 1 && zeros == 1;
            let result = ledger.decide(attempt(START + 2, vec![update("refs/heads/b", None, Some(1))]), &refs);
            if complete {
                assert!(result.is_err(), "a whole record without its line feed was not torn");
                continue;
            }
            result.unwrap();
            let kinds = kinds(copy.path());
            let torn = cut > last || zeros > 0;
            assert_eq!(kinds.iter().any(|kind| kind == "recovered"), torn, "{cut}");
            assert_eq!(kinds.last().unwrap(), "decided");
        }
    }
}

#[test]
fn any_flipped_byte_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let whole = sample(directory.path());
    let path = directory.path().join("log");
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    // Every byte with one bit, and a few with all.
    for place in 0..whole.len() {
        let flips: &[u8] = if place % 16 == 0 { &[1, 32, 255] } else { &[1] };
        for flip in flips {
            file.write_all_at(&[whole[place] ^ flip], u64::try_from(place).unwrap()).unwrap();
            let found = read(directory.path(), Signatures::All, &mut |_, _, _| {});
            assert!(found.is_err(), "byte {place} with {flip}");
        }
        file.write_all_at(&whole[place..=place], u64::try_from(place).unwrap()).unwrap();
    }
    assert_eq!(read(directory.path(), Signatures::All, &mut |_, _, _| {}).unwrap().size, 6);
}

#[test]
fn a_changed_or_shortened_log_stops_the_hook() {
    let directory = tempfile::tempdir().unwrap();
    let whole = sample(directory.path());
    let path = directory.path().join("log");
    let refs = Refs::default();
    refs.set("refs/heads/a", Some(2));
    let ledger = Ledger::open(directory.path()).unwrap();
    let last = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    let decide = || ledger.decide(attempt(START + 2, vec![update("refs/heads/b", None, Some(1))]), &refs).map(drop);
    std::fs::write(&path, &whole[..last]).unwrap();
    assert!(matches!(decide(), Err(LedgerError::Shorter { .. })));
    let mut changed = whole.clone();
    changed[last + 40] ^= 1;
    std::fs::write(&path, &changed).unwrap();
    assert!(matches!(decide(), Err(LedgerError::Corrupt { .. })));
    std::fs::write(&path, &whole).unwrap();
    decide().unwrap();
}

#[test]
fn keys_and_places_that_cannot_be_trusted_are_refused() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    assert!(matches!(Ledger::open(directory.path()), Err(LedgerError::Absent(_))));
    sample(directory.path());
    let again = Ledger::create(
        directory.path(),
        &RepositoryName::parse(b"x").unwrap(),
        PrivateKey::from_seed(&[1; 32]).unwrap(),
        Timestamp(START),
    );
    assert!(matches!(again, Err(LedgerError::Present(_))));
    let key = directory.path().join("key");
    assert_eq!(key.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o644)).unwrap();
    assert!(matches!(Ledger::open(directory.path()), Err(LedgerError::OpenKey(_))));
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
    std::fs::write(&key, PrivateKey::from_seed(&[9; 32]).unwrap().to_openssh("x").unwrap()).unwrap();
    assert!(Ledger::open(directory.path()).unwrap().state().is_err(), "another key");
}

/// Not a test of its own: the process that the tests below start, and kill.
#[test]
fn one_push_in_a_process_of_its_own() {
    let Ok(directory) = std::env::var("COUNTERSIGN_TEST_LEDGER") else { return };
    let ledger = Ledger::open(Path::new(&directory)).unwrap();
    let refs = Refs::default();
    let own = std::env::var("COUNTERSIGN_TEST_REF").unwrap();
    let rounds: u8 = std::env::var("COUNTERSIGN_TEST_ROUNDS").unwrap().parse().unwrap();
    for round in 0..rounds {
        let old = round.checked_sub(1).map(|old| old + 1);
        push(&ledger, &refs, START + 1, vec![update(&own, old, Some(round + 1))]);
        ledger.compact().unwrap();
    }
}

fn child(directory: &Path, own: &str, rounds: u8, fault: &str) -> Command {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "ledger::tests::one_push_in_a_process_of_its_own", "--nocapture"]);
    child.env("COUNTERSIGN_TEST_LEDGER", directory).env("COUNTERSIGN_TEST_REF", own);
    child.env("COUNTERSIGN_TEST_ROUNDS", rounds.to_string()).env("COUNTERSIGN_TEST_FAULT", fault);
    child.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    child
}

#[test]
fn killed_at_any_step_it_opens_and_goes_on() {
    for fault in ["locked", "half-written", "written", "synced", "offsets", "state"] {
        let directory = tempfile::tempdir().unwrap();
        sample(directory.path());
        let status = child(directory.path(), "refs/heads/x", 1, fault).status().unwrap();
        assert!(!status.success(), "{fault}");
        // The push was refused, because its hook died. The next one finds a ledger that works.
        let ledger = Ledger::open(directory.path()).unwrap();
        let refs = Refs::default();
        refs.set("refs/heads/a", Some(2));
        push(&ledger, &refs, START + 90, vec![update("refs/heads/x", None, Some(3))]);
        let kinds = kinds(directory.path());
        assert_eq!(kinds.contains(&"recovered".to_owned()), fault == "half-written", "{fault}");
        assert_eq!(
            kinds.contains(&"aborted".to_owned()),
            ["written", "synced", "offsets", "state"].contains(&fault),
            "{fault}"
        );
        assert_eq!(ledger.known_refs(&ledger.state().unwrap()).unwrap(), *refs.0.borrow());
    }
}

#[test]
fn killed_while_it_cuts_a_torn_tail_it_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    sample(directory.path());
    assert!(!child(directory.path(), "refs/heads/x", 1, "half-written").status().unwrap().success());
    assert!(!child(directory.path(), "refs/heads/x", 1, "cut").status().unwrap().success());
    assert!(child(directory.path(), "refs/heads/x", 1, "").status().unwrap().success());
    assert_eq!(kinds(directory.path()).last().unwrap(), "committed");
}

#[test]
fn eight_processes_append_at_once() {
    let directory = tempfile::tempdir().unwrap();
    ledger(directory.path());
    let children: Vec<_> = (0..8)
        .map(|number| child(directory.path(), &format!("refs/heads/{number}"), 20, "").spawn().unwrap())
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let kinds = kinds(directory.path());
    for kind in ["decided", "committed"] {
        assert_eq!(kinds.iter().filter(|found| *found == kind).count(), 160, "{kind}");
    }
    let ledger = Ledger::open(directory.path()).unwrap();
    let known = ledger.known_refs(&ledger.state().unwrap()).unwrap();
    assert_eq!(known.len(), 8);
    assert!(known.values().all(|value| *value == oid(20)));
}

#[test]
fn a_lock_that_is_held_ends_in_an_error() {
    let directory = tempfile::tempdir().unwrap();
    sample(directory.path());
    let held = std::fs::File::open(directory.path().join("lock")).unwrap();
    held.lock().unwrap();
    let ledger = Ledger::open(directory.path()).unwrap();
    let error = ledger.decide(attempt(START, Vec::new()), &Refs::default()).unwrap_err();
    assert!(matches!(error, LedgerError::Locked(_)));
    drop(held);
    ledger.decide(attempt(START, Vec::new()), &Refs::default()).unwrap();
}

/// Runs one push on a small file system of its own, which takes a user or mount namespace.
fn on_tmpfs(mount: &str, prepare: &str) -> Option<std::process::Output> {
    let script = format!("mkdir l && mount -t tmpfs {mount} tmpfs l && cp -a ledger/. l/ && {prepare} && exec \"$@\"");
    let directory = tempfile::tempdir().unwrap();
    sample(&directory.path().join("ledger"));
    let inner = child(Path::new("l"), "refs/heads/x", 1, "");
    let mut process = Command::new("unshare");
    process.args(["-rm", "sh", "-c", &script, "sh"]).arg(inner.get_program()).args(inner.get_args());
    for (key, value) in inner.get_envs() {
        process.env(key, value.unwrap());
    }
    let probe = Command::new("unshare").args(["-rm", "true"]).status();
    if !probe.is_ok_and(|status| status.success()) {
        assert!(std::env::var_os("CI").is_none(), "unshare is missing or not allowed, and this is CI");
        eprintln!("skipped: unshare is missing or not allowed");
        return None;
    }
    Some(process.current_dir(directory.path()).output().unwrap())
}

#[test]
fn a_full_disk_refuses() {
    let fill = "dd if=/dev/zero of=l/fill bs=512 2>/dev/null; truncate -s -1 l/fill; true";
    let Some(output) = on_tmpfs("-o size=64k", fill) else { return };
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && text.contains("StorageFull"), "{text}");
}

#[test]
fn a_read_only_disk_refuses() {
    let Some(output) = on_tmpfs("-o size=1m", "mount -o remount,ro l") else { return };
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && text.contains("ReadOnlyFilesystem"), "{text}");
}

/// What can happen to a repository.
#[derive(Clone, Debug)]
enum Step {
    Push(u8, Option<u8>),
    KilledBeforeMoving(u8, Option<u8>),
    KilledAfterMoving(u8, Option<u8>),
    OutOfBand(u8, Option<u8>),
    Forget,
    Compact,
    Wait,
}

fn step() -> impl Strategy<Value = Step> {
    let value = || proptest::option::of(1..5_u8);
    prop_oneof![
        (0..4_u8, value()).prop_map(|(name, value)| Step::Push(name, value)),
        (0..4_u8, value()).prop_map(|(name, value)| Step::KilledBeforeMoving(name, value)),
        (0..4_u8, value()).prop_map(|(name, value)| Step::KilledAfterMoving(name, value)),
        (0..4_u8, value()).prop_map(|(name, value)| Step::OutOfBand(name, value)),
        Just(Step::Forget),
        Just(Step::Compact),
        Just(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn replaying_the_ledger_gives_the_refs(steps in proptest::collection::vec(step(), 1..24)) {
        let directory = tempfile::tempdir().unwrap();
        let (ledger, refs) = (ledger(directory.path()), Refs::default());
        let mut now = START;
        let run = |now: i64, number: u8, new: Option<u8>, ends: u8| {
            let own = format!("refs/heads/{number}");
            let old = refs.value(own.as_bytes()).unwrap().map(CanonicalOid);
            let new = new.map(|new| CanonicalOid(oid(new)));
            if old == new {
                return;
            }
            let suspects = ledger.suspects(&refs).unwrap();
            let record = UpdateRecord { old, new, ..update(&own, None, None) };
            ledger.decide(Attempt { suspects, ..attempt(now, vec![record]) }, &refs).unwrap();
            if ends > 0 {
                refs.set(&own, new.map(|id| id.0.as_bytes()[0]));
            }
            if ends > 1 {
                ledger.committed(Timestamp(now), &[(name(&own), old, new)], Witness::PostReceive).unwrap();
            }
        };
        for step in steps.into_iter().chain([Step::Wait, Step::Push(9, Some(1)), Step::Wait, Step::Push(9, None)]) {
            match step {
                Step::Push(number, new) => run(now, number, new, 2),
                Step::KilledAfterMoving(number, new) => run(now, number, new, 1),
                Step::KilledBeforeMoving(number, new) => run(now, number, new, 0),
                Step::OutOfBand(number, new) => refs.set(&format!("refs/heads/{number}"), new),
                Step::Forget => {
                    for file in ["state.0", "state.1", "seen.0", "seen.1", "offsets"] {
                        let _ = std::fs::remove_file(directory.path().join(file));
                    }
                }
                Step::Compact => ledger.compact().unwrap(),
                Step::Wait => now += 61,
            }
        }
        let state = ledger.state().unwrap();
        prop_assert_eq!(ledger.known_refs(&state).unwrap(), refs.0.borrow().clone());
        let replayed = read(directory.path(), Signatures::All, &mut |_, _, _| {}).unwrap();
        prop_assert_eq!(replayed.state.replayed(), refs.0.borrow().clone());
    }
}

#[test]
fn the_file_of_refs_and_what_came_since_are_one_list() {
    let directory = tempfile::tempdir().unwrap();
    let (ledger, refs) = (ledger(directory.path()), Refs::default());
    let branch = |number: u32| format!("refs/heads/{number:03}");
    let known = || ledger.known_refs(&ledger.state().unwrap()).unwrap();
    push(&ledger, &refs, START, (0..300).map(|number| update(&branch(number), None, Some(1))).collect());
    ledger.compact().unwrap();
    assert_eq!(known(), *refs.0.borrow());
    // Some go, some move, some come before, between and after.
    let gone = (0..300).step_by(7).map(|number| update(&branch(number), Some(1), None));
    let moved = (1..300).step_by(7).map(|number| update(&branch(number), Some(1), Some(2)));
    let come = ["refs/a", "refs/heads/150x", "refs/z"].map(|name| update(name, None, Some(3)));
    push(&ledger, &refs, START + 1, gone.chain(moved).chain(come).collect());
    assert_eq!(known(), *refs.0.borrow());
    push(&ledger, &refs, START + 2, (400..600).map(|number| update(&branch(number), None, Some(4))).collect());
    ledger.compact().unwrap();
    assert_eq!(known(), *refs.0.borrow());
    assert_eq!(known().len(), 300 - 43 + 3 + 200);
}

/// Another log begins on the one before and knows all that counts: what was received, what has landed, where refs are, and what is under way.
#[test]
fn what_counts_goes_on_in_the_next_generation() {
    let directory = tempfile::tempdir().unwrap();
    let (first, refs) = (ledger(directory.path()), Refs::default());
    let approved = |name: &str, digest: &[u8]| UpdateRecord {
        approvals: vec![LandedApproval {
            approver: "alice".to_owned(),
            attested: None,
            digest: Sha256(Digest::of(digest)),
        }],
        ..update(name, None, Some(4))
    };
    push(&first, &refs, START, vec![worked(update("refs/heads/a", None, Some(1)), 0..2_000)]);
    push(
        &first,
        &refs,
        START + 5,
        vec![worked(update("refs/heads/b", None, Some(2)), 0..10), approved("refs/heads/c", b"landed")],
    );
    first.presume_spent(Timestamp(START + 6), &[Digest::of(b"presumed"), Digest::of(b"unspent")]).unwrap();
    first.presume_unspent(Timestamp(START + 6), &[Digest::of(b"unspent")]).unwrap();
    refs.set("refs/heads/strange", Some(9));
    first.moved(Timestamp(START + 7), &[name("refs/heads/strange")], &refs, Witness::ReferenceTransaction).unwrap();
    // Given up, and yet to land; and three under way, of which one has a part in entries of its own.
    first.decide(attempt(START - 100, vec![update("refs/heads/late", None, Some(5))]), &refs).unwrap();
    push(&first, &refs, START + 8, vec![update("refs/heads/late", None, Some(6))]);
    let flying = |name: &str, seals: std::ops::Range<u32>| worked(update(name, None, Some(3)), seals);
    let large = vec![flying("refs/heads/x", 5_000..7_000), approved("refs/heads/y", b"flying")];
    first.decide(attempt(START + 9, large), &refs).unwrap();
    let stale = Ledger::open(directory.path()).unwrap();
    assert!(stale.state().is_ok());
    let before = read(directory.path(), Signatures::All, &mut |_, _, _| {}).unwrap();
    for generation in 0..3 {
        let closed = Ledger::open(directory.path()).unwrap().rotate(Timestamp(START + 10)).unwrap();
        assert_eq!(closed.generation, generation);
        if generation == 0 {
            assert_eq!((closed.size, closed.root), (before.size, before.root));
        }
        let next = Ledger::open(directory.path()).unwrap();
        let state = next.state().unwrap();
        assert_eq!(state.generation(), generation + 1);
        assert_eq!(next.known_refs(&state).unwrap(), *refs.0.borrow());
        assert!(state.is_unexplained(b"refs/heads/strange"));
        let lands = |name: &str, value: u8| state.lands(name.as_bytes(), Some(oid(value))).unwrap();
        assert!(lands("refs/heads/x", 3) && lands("refs/heads/y", 4) && lands("refs/heads/late", 5));
        assert!(!lands("refs/heads/a", 1));
        let receipts = next.receipts().unwrap();
        let received = |seal: u32| receipts.find(&next, seal_digest(seal)).unwrap();
        assert_eq!((received(0), received(1_999)), (Some(Timestamp(START)), Some(Timestamp(START))));
        assert_eq!((received(2_000), received(5_000)), (None, None));
        let landing = |digest: &[u8]| receipts.landing(&next, Digest::of(digest)).unwrap();
        assert_eq!(landing(b"landed"), Some(Some(oid(4))));
        assert_eq!((landing(b"presumed"), landing(b"unspent"), landing(b"flying")), (Some(None), None, None));
        // It continues what was closed, and that verifies by itself.
        let now = read(directory.path(), Signatures::All, &mut |_, _, _| {}).unwrap();
        let continues = now.continues.unwrap();
        let closed_log =
            read(&super::generation(directory.path(), generation), Signatures::All, &mut |_, _, _| {}).unwrap();
        assert_eq!((continues.size, continues.root.0), (closed_log.size, closed_log.root));
        assert_eq!(now.first_key, closed_log.key);
    }
    assert_eq!(super::generations(directory.path()).len(), 3);
    // Who looked before may not ask the log of today what stood at a place in that one, and may write.
    assert!(matches!(stale.state(), Err(LedgerError::Rotated)));
    assert!(matches!(stale.entry(3), Err(LedgerError::Rotated)));
    stale.decide(attempt(START + 11, vec![update("refs/heads/e", None, Some(1))]), &refs).unwrap();
    assert_eq!(stale.state().unwrap().generation(), 3);
    // Under another key it may not.
    let stale = Ledger::open(directory.path()).unwrap();
    assert!(stale.state().is_ok());
    Ledger::change_key(directory.path(), PrivateKey::from_seed(&[8; 32]).unwrap(), Timestamp(START + 11)).unwrap();
    Ledger::open(directory.path()).unwrap().rotate(Timestamp(START + 11)).unwrap();
    assert!(stale.decide(attempt(START + 11, vec![update("refs/heads/d", None, Some(1))]), &refs).is_err());
    // What was under way lands.
    let next = Ledger::open(directory.path()).unwrap();
    let landed = ["refs/heads/x", "refs/heads/y"].map(|own| {
        let value = if own.ends_with('x') { 3 } else { 4 };
        refs.set(own, Some(value));
        (name(own), None, Some(CanonicalOid(oid(value))))
    });
    assert_eq!(next.committed(Timestamp(START + 12), &landed, Witness::PostReceive).unwrap(), []);
    next.compact().unwrap();
    let receipts = next.receipts().unwrap();
    assert_eq!(receipts.find(&next, seal_digest(6_999)).unwrap(), Some(Timestamp(START + 9)));
    assert_eq!(receipts.landing(&next, Digest::of(b"flying")).unwrap(), Some(Some(oid(4))));
    push(&next, &refs, START + 13, vec![update("refs/heads/d", None, Some(1))]);
    let state = next.state().unwrap();
    assert_eq!(next.known_refs(&state).unwrap(), *refs.0.borrow());
    next.rotate(Timestamp(START + 14)).unwrap();
}

/// A rotation that is cut off at any step leaves one log or the other, and nothing that is of neither.
#[test]
fn a_rotation_that_is_cut_off_is_done_again() {
    let directory = tempfile::tempdir().unwrap();
    let (first, refs) = (ledger(directory.path()), Refs::default());
    push(&first, &refs, START, vec![worked(update("refs/heads/a", None, Some(1)), 0..10)]);
    let generation = directory.path().join("generations/0");
    // It was laid aside, and what was derived is gone; then others pushed.
    std::fs::create_dir_all(&generation).unwrap();
    std::fs::hard_link(directory.path().join("log"), generation.join("log")).unwrap();
    for file in ["state.0", "state.1", "offsets"] {
        let _ = std::fs::remove_file(directory.path().join(file));
    }
    let again = Ledger::open(directory.path()).unwrap();
    push(&again, &refs, START + 1, vec![update("refs/heads/b", None, Some(1))]);
    let closed = again.rotate(Timestamp(START + 2)).unwrap();
    assert_eq!(read(&generation, Signatures::All, &mut |_, _, _| {}).unwrap().size, closed.size);
    // What tells where records lie is of the log before.
    let next = Ledger::open(directory.path()).unwrap();
    std::fs::write(directory.path().join("offsets"), [0; 800]).unwrap();
    assert_eq!(next.receipts().unwrap().find(&next, seal_digest(3)).unwrap(), Some(Timestamp(START)));
}

/// A log that somebody cut short, to zero or anywhere, is noticed, and a copy of it gives back its end.
#[test]
fn a_log_that_was_cut_short_gets_its_end_back() {
    let directory = tempfile::tempdir().unwrap();
    let (first, refs) = (ledger(directory.path()), Refs::default());
    for number in 0..4 {
        push(&first, &refs, START + number, vec![update(&format!("refs/heads/{number}"), None, Some(1))]);
    }
    let (log, copy) = (directory.path().join("log"), directory.path().join("log.1"));
    let whole = std::fs::read(&log).unwrap();
    std::fs::write(&copy, &whole).unwrap();
    for length in [0, 1, 700, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&log, &whole[..length]).unwrap();
        let refused = Ledger::open(directory.path())
            .and_then(|ledger| ledger.decide(attempt(START + 9, vec![update("refs/heads/z", None, Some(1))]), &refs));
        assert!(
            matches!(refused, Err(LedgerError::Shorter { .. } | LedgerError::Corrupt { .. })),
            "{length}: {refused:?}"
        );
        let ledger = Ledger::open(directory.path()).or_else(|_| Ledger::open_as(directory.path(), &copy)).unwrap();
        assert!(!ledger.repair(Some(&copy)).unwrap().is_empty(), "{length}");
        assert_eq!(std::fs::read(&log).unwrap(), whole, "{length}");
        assert!(Ledger::open(directory.path()).unwrap().state().is_ok());
    }
    // A copy of another log does not.
    let other = tempfile::tempdir().unwrap();
    let foreign = self::ledger(other.path());
    push(&foreign, &Refs::default(), START + 50, vec![update("refs/heads/q", None, Some(1))]);
    std::fs::write(&log, &whole[..whole.len() / 2]).unwrap();
    let cut = std::fs::read(&log).unwrap();
    for number in 0..8 {
        let pushed = Ledger::open(directory.path()).unwrap().repair(Some(other.path()));
        assert!(pushed.as_ref().is_ok_and(Vec::is_empty) || matches!(pushed, Err(LedgerError::Corrupt { .. })));
        assert_eq!(std::fs::read(&log).unwrap(), cut);
        push(&foreign, &Refs::default(), START + 51, vec![update(&format!("refs/heads/{number}"), None, Some(1))]);
    }
}

#[test]
fn every_kind_of_entry_is_specified() {
    // Whoever is given a kind that is none is told of all that are.
    let told = serde_json::from_str::<Entry>(r#"{"kind":""}"#).unwrap_err().to_string();
    let kinds: BTreeSet<&str> = told.split('`').skip(3).step_by(2).collect();
    assert!(kinds.contains("opened") && kinds.len() >= 17, "{told}");
    let table = include_str!("FORMAT.md").split_once("| kind | keys | meaning |").unwrap().1;
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let named = rows.filter_map(|row| row.split('|').nth(1)).flat_map(|cell| cell.split('`').skip(1).step_by(2));
    assert_eq!(named.collect::<BTreeSet<_>>(), kinds);
}

/// Version 2 knew no orders; what it said goes on to count.
#[test]
fn a_log_of_version_2_goes_on_in_version_3() {
    let directory = tempfile::tempdir().unwrap();
    drop(ledger(directory.path()));
    let before = include_str!("../../tests/fixtures/upgrade/log-2");
    std::fs::write(directory.path().join("log"), before).unwrap();
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if !["log", "key", "key.pub", "lock"].contains(&name) {
            std::fs::remove_file(path).unwrap();
        }
    }
    let (ledger, refs) = (Ledger::open(directory.path()).unwrap(), Refs::default());
    refs.set("refs/heads/main", Some(2));
    let received = |ledger: &Ledger| ledger.receipts().unwrap().find(ledger, seal_digest(0)).unwrap();
    assert_eq!(received(&ledger), Some(Timestamp(START + 120)));
    let one = OverrideRecord {
        by: "alice".into(),
        digest: Sha256(Digest::of(b"order")),
        codes: vec!["unsigned-commit".into()],
        reason: "why".into(),
    };
    let overridden = |old, new| UpdateRecord { overrides: vec![one.clone()], ..update("refs/heads/main", old, new) };
    push(&ledger, &refs, START + 300, vec![overridden(Some(2), Some(3))]);
    let log = std::fs::read_to_string(directory.path().join("log")).unwrap();
    assert!(
        log.starts_with(before)
            && log[before.len()..].contains("newer version\",\"time\":\"2026-11-24T03:16:04Z\",\"version\":3}")
    );
    assert_eq!(received(&ledger), Some(Timestamp(START + 120)));
    assert!(ledger.receipts().unwrap().find(&ledger, one.digest.0).unwrap().is_some());
    read(directory.path(), Signatures::All, &mut |_, _, _| {}).unwrap();
}

/// An override is spent once its ref has moved, and what it let in counts on that ref alone until an admin says otherwise.
#[test]
fn an_override_is_known_until_the_ref_is_taken_for_right() {
    let directory = tempfile::tempdir().unwrap();
    let (ledger, refs) = (ledger(directory.path()), Refs::default());
    let one = |digest: &[u8]| OverrideRecord {
        by: "alice".into(),
        digest: Sha256(Digest::of(digest)),
        codes: vec!["unsigned-commit".into()],
        reason: "why".into(),
    };
    let moved = |digest: &[u8], old: Option<u8>, new: Option<u8>| UpdateRecord {
        overrides: vec![one(digest)],
        ..update("refs/heads/a", old, new)
    };
    let spent =
        |ledger: &Ledger, digest: &[u8]| ledger.receipts().unwrap().find(ledger, Digest::of(digest)).unwrap().is_some();
    let until = |ledger: &Ledger| ledger.state().unwrap().judged_until(b"refs/heads/a");
    push(&ledger, &refs, START + 10, vec![update("refs/heads/a", None, Some(1))]);
    // One whose push came to nothing.
    ledger.decide(attempt(START + 20, vec![moved(b"x", Some(1), Some(2))]), &refs).unwrap();
    assert!(!spent(&ledger, b"x") && until(&ledger).is_none());
    ledger.decide(attempt(START + 200, vec![update("refs/heads/a", Some(1), Some(3))]), &refs).unwrap();
    assert!(!spent(&ledger, b"x") && until(&ledger).is_none());
    push(&ledger, &refs, START + 300, vec![moved(b"y", Some(1), Some(2))]);
    push(&ledger, &refs, START + 310, vec![update("refs/heads/a", Some(2), Some(4))]);
    push(&ledger, &refs, START + 320, vec![moved(b"z", Some(4), Some(5))]);
    assert!(spent(&ledger, b"y") && spent(&ledger, b"z") && !spent(&ledger, b"x"));
    assert_eq!(until(&ledger), Some(Some(oid(1))), "up to the first of them");
    ledger.rotate(Timestamp(START + 330)).unwrap();
    let ledger = Ledger::open(directory.path()).unwrap();
    assert!(spent(&ledger, b"y") && spent(&ledger, b"z"));
    assert_eq!(until(&ledger), Some(Some(oid(1))));
    ledger.take_as_found(Timestamp(START + 340), &refs).unwrap();
    assert_eq!(until(&ledger), None);
    assert!(spent(&ledger, b"z"));
}
