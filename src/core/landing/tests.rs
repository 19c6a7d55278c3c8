//! Coverage over landings built in memory: each way in beside its harmless twin.

use super::*;
use crate::core::approval::{Approval, ApprovedCommit, Decision};
use crate::core::canonical::{CanonicalOid, Sha256, Time};
use crate::core::commit::message_digest;
use crate::core::decide::Timestamp;

fn oid(name: &str) -> Oid {
    Oid::from_bytes(&Digest::of(name.as_bytes()).as_bytes()[..20]).unwrap()
}

fn change(name: &str) -> Digest {
    Digest::of(format!("change {name}").as_bytes())
}

/// A commit that lands: its name, its change, and its message.
type Made<'a> = (&'a str, &'a str, &'a str);

/// An approval of commits by name, change and message, which together do `combined`.
fn approval(combined: &str, commits: &[Made<'_>], agents: &[&str]) -> Approval {
    let approved = |(name, changes, message): &Made<'_>| ApprovedCommit {
        id: CanonicalOid(oid(name)),
        change: Sha256(change(changes)),
        message: Sha256(message_digest(message.as_bytes())),
    };
    Approval {
        decision: Decision::Approve,
        repository: "acme/payments".into(),
        name: "refs/heads/main".into(),
        base: None,
        head: CanonicalOid(oid(commits.last().unwrap().0)),
        change: Sha256(change(combined)),
        commits: commits.iter().map(approved).collect(),
        agents: agents.iter().map(|agent| (*agent).to_owned()).collect(),
        approver: "bob".into(),
        attested: None,
        issued: Time(Timestamp(1)),
        expires: Time(Timestamp(2)),
        policy: Sha256(Digest::of(b"policy")),
        comment: None,
    }
}

/// A landing of single-parent commits on the mainline.
fn line(commits: &[Made<'_>]) -> Landing {
    let mut landing = Landing::default();
    for (name, changes, message) in commits {
        let content = Content {
            change: Some(change(changes)),
            is_empty: false,
            message: message_digest(message.as_bytes()),
            agents: BTreeSet::new(),
        };
        landing.new.insert(oid(name), content);
        landing.steps.push(MainlineStep {
            commit: oid(name),
            change: Some(change(changes)),
            merge: None,
            wording: Wording::of(message.as_bytes()),
            made_by: MadeBy::Somebody,
        });
    }
    landing
}

/// The names of the commits of a landing that are covered by id, and by content.
fn covered(approval: &Approval, landing: &Landing, used: Use, names: &[&str]) -> (Vec<String>, Vec<String>) {
    let coverage = coverage(approval, landing, used);
    let of = |holds: &dyn Fn(&Oid) -> bool| {
        names.iter().filter(|name| holds(&oid(name))).map(|name| (*name).to_owned()).collect::<Vec<_>>()
    };
    (of(&|id| coverage.by_id.contains(id)), of(&|id| coverage.by_content.contains_key(id)))
}

const ONE: Made<'_> = ("one", "1", "One\n");
const TWO: Made<'_> = ("two", "2", "Two\n");

#[test]
fn an_approval_covers_its_commits_whole_or_not_at_all() {
    let approved = approval("both", &[ONE, TWO], &[]);
    let names = ["one", "two", "three"];
    let all = line(&[ONE, TWO]);
    assert_eq!(covered(&approved, &all, Use::Fresh, &names).0, ["one", "two"]);
    assert_eq!(covered(&approved, &line(&[ONE]), Use::Fresh, &names).0, [""; 0]);
    let mut rest = line(&[TWO]);
    rest.already.insert(oid("one"));
    assert_eq!(covered(&approved, &rest, Use::Fresh, &names).0, ["two"]);
    let more = line(&[ONE, TWO, ("three", "3", "Three\n")]);
    assert_eq!(covered(&approved, &more, Use::Fresh, &names).0, ["one", "two"]);
}

#[test]
fn what_landed_as_a_squash_covers_nothing_any_more_and_what_landed_by_id_its_ids() {
    let approved = approval("both", &[ONE, TWO], &[]);
    let (by_id, squash) = (line(&[ONE, TWO]), line(&[("s", "both", "Both\n")]));
    let names = ["one", "two", "s"];
    assert_eq!(covered(&approved, &by_id, Use::LandedById, &names).0, ["one", "two"]);
    assert_eq!(covered(&approved, &by_id, Use::LandedByContent, &names).0, [""; 0]);
    assert_eq!(covered(&approved, &squash, Use::Fresh, &names).1, ["s"]);
    for used in [Use::LandedById, Use::LandedByContent] {
        assert_eq!(covered(&approved, &squash, used, &names).1, [""; 0]);
    }
    assert_eq!(near(&approved, &by_id, Use::LandedByContent, oid("one")), Some(NearMiss::Spent));
}

/// Also one of several alone, and what has landed already.
#[test]
fn whose_place_a_commit_takes_does_not_hang_on_what_counts() {
    let approved = approval("both", &[ONE, TWO], &[]);
    let place = |made: Made<'_>| {
        let mut landing = line(&[made]);
        landing.already.extend([oid("one"), oid("two")]);
        stand_ins(&approved, &landing).remove(&oid(made.0)).unwrap_or_default()
    };
    assert_eq!(place(("a", "1", "One\n\nSigned-off-by: A <a@x>\n")), BTreeSet::from([oid("one")]));
    assert_eq!(place(("a", "both", "All mine\n")), BTreeSet::from([oid("one"), oid("two")]));
    for own in [("a", "1", "Two\n"), ("a", "3", "One\n"), ("a", "1", "My own words\n")] {
        assert_eq!(place(own), BTreeSet::new(), "{own:?}");
    }
}

#[test]
fn a_rebase_keeps_changes_messages_and_order() {
    let approved = approval("both", &[ONE, TWO], &[]);
    let names = ["a", "b", "c"];
    let rebased: [Made<'_>; 2] = [("a", "1", "One\n"), ("b", "2", "Two\n\nSigned-off-by: A <a@x>\n")];
    assert_eq!(covered(&approved, &line(&rebased), Use::Fresh, &names).1, ["a", "b"]);
    let other: [(&str, [Made<'_>; 2]); 4] = [
        ("a message", [("a", "1", "Other\n"), rebased[1]]),
        ("a change", [("a", "3", "One\n"), rebased[1]]),
        ("the order", [rebased[1], rebased[0]]),
        ("what stands below", [("a", "1", "One\n\nCloses: #1\n"), rebased[1]]),
    ];
    for (what, commits) in other {
        assert_eq!(covered(&approved, &line(&commits), Use::Fresh, &names).1, [""; 0], "{what}");
    }
    let between = line(&[rebased[0], ("c", "3", "Three\n"), rebased[1]]);
    assert_eq!(covered(&approved, &between, Use::Fresh, &names).1, [""; 0]);
    let mut merged = line(&rebased);
    merged.steps[1].merge = Some(Brought { commits: BTreeSet::new(), is_clean: true });
    assert_eq!(covered(&approved, &merged, Use::Fresh, &names).1, [""; 0]);
}

#[test]
fn a_squash_of_one_commit_keeps_its_message_and_one_of_several_has_its_own() {
    let single = approval("1", &[ONE], &[]);
    let several = approval("both", &[ONE, TWO], &[]);
    for (message, of_one) in [("One\n", true), ("One (#7)\n", true), ("One (!7)\n", true), ("Release 9\n", false)] {
        let landing = line(&[("s", "1", message)]);
        assert_eq!(coverage(&single, &landing, Use::Fresh).contains(oid("s")), of_one, "{message:?}");
        assert!(coverage(&several, &line(&[("s", "both", message)]), Use::Fresh).contains(oid("s")));
    }
    // A service may write the subject, where the approved body can be looked up.
    let mut landing = line(&[("s", "1", "Merged in one (pull request #7)\n")]);
    landing.steps[0].made_by = MadeBy::Service;
    assert!(!coverage(&single, &landing, Use::Fresh).contains(oid("s")));
    landing.approved.insert(oid("one"), Wording::of(b"One\n"));
    assert!(coverage(&single, &landing, Use::Fresh).contains(oid("s")));
    landing.approved.insert(oid("one"), Wording::of(b"One\n\nBody\n"));
    assert!(!coverage(&single, &landing, Use::Fresh).contains(oid("s")));
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Merged {
    Cleanly,
    ByHand,
}

use Merged::{ByHand, Cleanly};

fn merge(commits: &[&str], change_: &str, merged: Merged) -> Landing {
    let mut landing = line(&[ONE, TWO]);
    let brought = commits.iter().map(|name| oid(name)).collect();
    landing.steps = vec![MainlineStep {
        commit: oid("m"),
        change: Some(change(change_)),
        merge: Some(Brought { commits: brought, is_clean: merged == Merged::Cleanly }),
        wording: Wording::default(),
        made_by: MadeBy::Somebody,
    }];
    let content = Content {
        change: Some(change(change_)),
        is_empty: false,
        message: message_digest(b"Merge\n"),
        agents: BTreeSet::new(),
    };
    landing.new.insert(oid("m"), content);
    landing
}

#[test]
fn a_merge_brings_in_what_was_approved_and_does_no_more() {
    let approved = approval("both", &[ONE, TWO], &[]);
    for (landing, covers) in [
        (merge(&["one", "two"], "both", ByHand), true),
        (merge(&["one", "two"], "other", Cleanly), true),
        (merge(&["one", "two"], "other", ByHand), false),
        (merge(&["one", "two", "three"], "both", Cleanly), false),
        (merge(&[], "both", Cleanly), false),
    ] {
        assert_eq!(coverage(&approved, &landing, Use::Fresh).contains(oid("m")), covers, "{landing:?}");
    }
}

#[test]
fn the_agents_of_what_lands_are_among_those_approved() {
    let mut landing = line(&[ONE, TWO]);
    landing.new.get_mut(&oid("two")).unwrap().agents.insert("codex".into());
    let without = approval("both", &[ONE, TWO], &["claude-code"]);
    assert!(coverage(&without, &landing, Use::Fresh).is_empty());
    assert_eq!(near(&without, &landing, Use::Fresh, oid("two")), Some(NearMiss::Agent { agent: "codex".into() }));
    let with = approval("both", &[ONE, TWO], &["claude-code", "codex"]);
    assert!(coverage(&with, &landing, Use::Fresh).contains(oid("two")));
}

#[test]
fn a_title_alone_is_no_resemblance() {
    let approved = approval("1", &[ONE], &[]);
    let mut landing = line(&[("other", "9", "One\n")]);
    assert_eq!(near(&approved, &landing, Use::Fresh, oid("other")), None);
    landing.moved.insert((oid("one"), oid("other")), Some(b"src/a.rs".to_vec()));
    let content = NearMiss::Content { approved: oid("one"), path: Some(b"src/a.rs".to_vec()) };
    assert_eq!(near(&approved, &landing, Use::Fresh, oid("other")), Some(content));
    let reworded = line(&[("other", "1", "Another title\n")]);
    assert_eq!(near(&approved, &reworded, Use::Fresh, oid("other")), Some(NearMiss::Message { approved: oid("one") }));
}
