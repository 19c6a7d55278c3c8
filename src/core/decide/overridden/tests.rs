use crate::core::canonical::{CanonicalOid, Time};
use crate::core::decide::story::*;
use crate::core::decide::{Code, Outcome, Severity, Timestamp};
use crate::core::facts::{Doubt, PolicyOnRef};
use crate::core::order::{Act, Move, Order};

const TERMS: &str =
    "[override]\nfrom = [\"alice\", \"bob\", \"carol\"]\ncodes = [\"unsigned-commit\", \"delete-denied\"]\n";

fn of(codes: &[&str]) -> Move {
    Move {
        name: "refs/heads/main".into(),
        old: None,
        new: Some(CanonicalOid(oid(0))),
        codes: codes.iter().map(|code| (*code).to_owned()).collect(),
    }
}

fn by(person: &str, of: Move) -> Order {
    order_by(person, Act::Override(of))
}

fn unsigned(rules: &str) -> Story {
    Story::under(rules).gains((Proof::Nothing, false))
}

fn rules(terms: &str) -> String {
    format!("{terms}{}", rule("main", "identity = \"everyone\""))
}

fn two(of: &Move) -> Vec<(Order, u8)> {
    vec![(by("alice", of.clone()), ALICE), (by("bob", of.clone()), BOB)]
}

#[test]
fn as_many_people_as_the_policy_wants_pass_over_what_they_name() {
    let named = of(&["unsigned-commit"]);
    insta::assert_snapshot!("by_two", unsigned(&rules(TERMS)).ordered(&two(&named)).report());
    insta::assert_snapshot!("by_one", unsigned(&rules(TERMS)).ordered(&two(&named)[..1]).report());
    let verdict = unsigned(&rules(TERMS)).ordered(&two(&named)).verdict();
    assert_eq!(verdict.refs[0].overridden.len(), 2);
    // What is in order needs none, and spends none.
    let sound = Story::under(&rules(TERMS)).gains((Proof::Signature(ALICE), false)).ordered(&two(&named)).verdict();
    assert!(sound.refs[0].overridden.is_empty() && sound.refs[0].is_plain());
}

#[test]
fn anything_less_passes_over_nothing() {
    let named = || of(&["unsigned-commit"]);
    let one_more = "[override]\nfrom = [\"alice\", \"bob\", \"carol\"]\ncount = 3\ncodes = [\"unsigned-commit\"]\n";
    let others = "[override]\nfrom = [\"bob\", \"carol\"]\ncodes = [\"unsigned-commit\"]\n";
    let another = "[override]\nfrom = [\"alice\", \"bob\"]\ncodes = [\"bad-seal\"]\n";
    let twice = vec![(by("alice", named()), ALICE), (by("alice", named()), ALICE)];
    let by_name = vec![(by("alice", named()), ALICE), (by("bob", named()), ALICE)];
    let elsewhere = Move { name: "refs/heads/other".into(), ..named() };
    let from_another = Move { old: Some(CanonicalOid(oid(9))), ..named() };
    let to_another = Move { new: Some(CanonicalOid(oid(9))), ..named() };
    let late = |order: Order| Order { expires: Some(Time(Timestamp(NOW.0 - 1))), ..order };
    let ahead = |order: Order| Order {
        issued: Time(Timestamp(NOW.0 + 61)),
        expires: Some(Time(Timestamp(NOW.0 + 600))),
        ..order
    };
    let not_yet = two(&named()).into_iter().map(|(order, key)| (ahead(order), key)).collect();
    let over = two(&named()).into_iter().map(|(order, key)| (late(order), key)).collect();
    let other_code = vec![(by("alice", named()), ALICE), (by("bob", of(&["delete-denied"])), BOB)];
    for (why, terms, orders) in [
        ("no terms", "", two(&named())),
        ("too few", one_more, two(&named())),
        ("not from", others, two(&named())),
        ("not the code", another, two(&named())),
        ("one person twice", TERMS, twice),
        ("one key under two names", TERMS, by_name),
        ("another ref", TERMS, two(&elsewhere)),
        ("from another value", TERMS, two(&from_another)),
        ("to another value", TERMS, two(&to_another)),
        ("over", TERMS, over),
        ("not yet", TERMS, not_yet),
        ("one names another code", TERMS, other_code),
    ] {
        let verdict = unsigned(&rules(terms)).ordered(&orders).verdict();
        assert_eq!(verdict.outcome(), Outcome::Rejected, "{why}");
        assert!(
            verdict.refs[0]
                .findings
                .iter()
                .any(|one| one.code == Code::UnsignedCommit && one.severity == Severity::Error),
            "{why}"
        );
        assert!(verdict.refs[0].overridden.is_empty(), "{why}");
    }
}

#[test]
fn some_things_nobody_passes_over() {
    let named = || of(&["limit-exceeded", "malformed-commit", "policy-invalid", "ref-denied", "unsigned-commit"]);
    let refused = |story: Story| {
        let verdict = story.ordered(&two(&named())).verdict();
        assert!(verdict.refs[0].overridden.is_empty(), "{verdict:?}");
        verdict.outcome()
    };
    let story = || unsigned(&rules(TERMS));
    assert_eq!(refused(Story::under(&rules(TERMS)).gains((Proof::MalformedCommit, false))), Outcome::Rejected);
    assert_eq!(refused(story().moves(|update| update.claimed = Some(Some(oid(7))))), Outcome::Rejected);
    assert_eq!(refused(story().moves(|update| update.doubt = Some(Doubt::Limit("many".into())))), Outcome::Undecided);
    assert_eq!(refused(story().moves(|update| update.doubt = Some(Doubt::Unreadable("x".into())))), Outcome::Undecided);
    let changed = PolicyOnRef { changes: true, ..PolicyOnRef::default() };
    assert_eq!(refused(story().moves(|update| update.policy = Some(changed))), Outcome::Rejected);
    // The same on the ref of a policy that stays as it is.
    let kept = PolicyOnRef::default();
    let verdict = story().moves(|update| update.policy = Some(kept)).ordered(&two(&of(&["unsigned-commit"]))).verdict();
    assert_eq!(verdict.outcome(), Outcome::Accepted);
    // A rule that guards the policy's file says so, whatever else is named.
    let guard =
        format!("[paths]\nown = [\"p/policy.toml\"]\n{}paths = [\"own\"]\n", rule("guard", "identity = \"everyone\""));
    let files = PolicyOnRef { files: vec!["p/policy.toml".into()], ..PolicyOnRef::default() };
    assert_eq!(
        refused(unsigned(&format!("{TERMS}{guard}")).moves(|update| update.policy = Some(files))),
        Outcome::Rejected
    );
}
