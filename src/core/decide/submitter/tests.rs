//! Who pushes, under rules that ask, and what a service makes unsigned.

use super::*;
use crate::core::decide::decide;
use crate::core::decide::story::*;
use crate::core::facts::*;
use crate::core::submitter::{Said, Submitter, Via, Who};

const REGISTERED: &str = "[people.bob]\naccounts = [\"Bob\"]\n[people.carol]\naccounts = [\"carol\"]\n[agents.aider]\n\
    owner = \"bob\"\naccounts = [\"aider-bot\"]\nkeys = []\nreview-by = 2026-01-01\n[services.web]\nowner = \"bob\"\n\
    accounts = [\"web\"]\nunsigned = true\n[groups]\nstaff = [\"bob\", \"claude-code\"]\n";

fn account(name: &str) -> Submitter {
    Submitter::Said(Said { who: Who::Account(name.to_owned()), via: Via::Push })
}

fn by_key(seed: u8) -> Submitter {
    Submitter::Said(Said { who: Who::Key(key(seed).public().clone()), via: Via::Push })
}

fn codes(policy: &Policy, facts: &Facts) -> Vec<&'static str> {
    let verdict = decide(policy, facts, NOW);
    verdict.refs.iter().flat_map(|one| &one.findings).map(|finding| finding.code.name()).collect()
}

/// Each row: who pushes, and what a rule that lists bob's group, claude-code's tool or kinds says to it.
#[test]
fn a_rule_lists_who_may_push() {
    let unknown = Some("submitter-unknown");
    let not_allowed = Some("submitter-not-allowed");
    for (submitters, submitter, expected) in [
        ("\"staff\"", account("Bob"), None),
        ("\"bob\"", account("Bob"), None),
        ("\"people\"", account("carol"), None),
        ("\"people\"", by_key(ALICE), None),
        ("\"agents\"", by_key(CLAUDE), None),
        ("\"staff\"", by_key(CLAUDE), None),
        ("\"services\"", by_key(FORGE), None),
        ("\"staff\"", account("carol"), not_allowed),
        ("\"people\"", by_key(CLAUDE), not_allowed),
        ("\"agents\"", account("aider-bot"), not_allowed),
        ("\"staff\"", account("bob"), unknown),
        ("\"staff\"", account("mallory"), unknown),
        ("\"people\", \"agents\"", by_key(REVOKED), unknown),
        ("\"people\"", by_key(STRANGER), unknown),
        ("\"people\"", Submitter::Unnamed, unknown),
        ("\"people\"", Submitter::Unknown("REMOTE_USER is not set".to_owned()), unknown),
        ("\"people\"", Submitter::Unasked, None),
    ] {
        let policy = policy(&format!("{REGISTERED}{}", rule("main", &format!("submitters = [{submitters}]"))));
        for movement in [Movement::Created, Movement::Deleted, Movement::Forward, Movement::Forced] {
            let mut facts = facts(&policy, &[]);
            facts.submitter = submitter.clone();
            facts.updates[0].movement = movement;
            assert_eq!(codes(&policy, &facts).first().copied(), expected, "{submitters} {submitter:?} {movement:?}");
        }
    }
}

#[test]
fn a_path_rule_asks_for_what_touches_its_paths() {
    let policy = policy(&format!("{REGISTERED}{}", rule("ci", "paths = [\"ci/**\"]\nsubmitters = [\"staff\"]")));
    let mut facts = facts(&policy, &[(Proof::Nothing, false)]);
    facts.submitter = account("carol");
    assert!(codes(&policy, &facts).is_empty());
    let touched = vec![JudgedCommit { id: oid(0), touched: Some(b"ci/build.yml".to_vec()) }];
    facts.updates[0].judged[0].sought = Some(Sought { commits: touched, landing: 0 });
    assert_eq!(codes(&policy, &facts), ["submitter-not-allowed"]);
    facts.submitter = account("Bob");
    assert!(codes(&policy, &facts).is_empty());
    facts.submitter = account("carol");
    facts.updates[0].judged[0].sought = None;
    facts.updates[0].target = RefTarget::Unattributed("tree");
    assert_eq!(codes(&policy, &facts), ["submitter-not-allowed"]);
}

/// An unsigned commit that a forge made counts as its service's: it carries, and does not author.
#[test]
fn a_service_that_need_not_sign_carries() {
    let policy = policy(&format!("{REGISTERED}{}", rule("main", "identity = \"everyone\"")));
    let mut facts = facts(&policy, &[(Proof::Nothing, false)]);
    assert_eq!(codes(&policy, &facts), ["unsigned-commit"]);
    facts.commits.get_mut(&oid(0)).unwrap().unsigned_service = Some(id("web"));
    assert_eq!(codes(&policy, &facts), ["unknown-signer"]);
    facts.commits.get_mut(&oid(0)).unwrap().merge = MergeFact::AddsNothing;
    assert!(codes(&policy, &facts).is_empty());
    let later = "[[rule]]\nname = \"x\"\nrefs = [\"refs/heads/**\"]\n";
    let listed = crate::core::decide::story::policy(&format!(
        "{REGISTERED}{}{later}",
        rule("main", "identity = \"everyone\"\nservices = [\"web\"]")
    ));
    facts.commits.get_mut(&oid(0)).unwrap().merge = MergeFact::Unexamined;
    assert!(codes(&listed, &facts).is_empty());
}

#[test]
fn who_may_not_push_is_told_who_may() {
    let pushed = |submitter| {
        let policy = format!(
            "[services.web]\nowner = \"bob\"\naccounts = [\"web\"]\n{}",
            rule("main", "submitters = [\"people\"]")
        );
        Story::under(&policy).gains((Proof::Nothing, false)).with(|facts| facts.submitter = submitter).report()
    };
    insta::assert_snapshot!("a_service_pushes", pushed(account("web")));
    insta::assert_snapshot!("somebody_pushes", pushed(Submitter::Unnamed));
    insta::assert_snapshot!("a_person_pushes", pushed(by_key(BOB)));
}
