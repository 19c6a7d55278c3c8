//! Who vouches for the maker of a commit, where everyone's work is to be approved and no rule asks who made it.

use std::collections::BTreeMap;

use crate::core::decide::story::*;
use crate::core::decide::{Severity, decide};
use crate::core::facts::*;
use crate::core::landing::Landing;

fn rules(main: &str) -> String {
    format!("{}{}", people(), approved(main))
}

fn approved(main: &str) -> String {
    let keys = "force-push = \"deny\"\ndelete = \"deny\"\n[rule.approvals]\nfor = \"everyone\"\nfrom = [\"bob\"]\n";
    rule("main", &format!("{main}\n{keys}"))
}

/// The errors of a push of this commit, which nobody has approved, and what it is told besides.
fn errors_and_notices(rules: &str, commit: CommitFacts) -> (Vec<&'static str>, Vec<&'static str>) {
    let policy = policy(rules);
    let judged = vec![JudgedCommit { id: commit.id, touched: None }];
    let mut facts = facts(&policy, &[]);
    facts.commits = BTreeMap::from([(commit.id, commit)]);
    let update = &mut facts.updates[0];
    update.landings = vec![Landing::default()];
    update.judged[0].sought = Some(Sought { commits: judged, landing: 0 });
    let findings = decide(&policy, &facts, NOW).refs.remove(0).findings.clone();
    let of = |severity| {
        findings.iter().filter(move |one| one.severity == severity).map(|one| one.code.name()).collect::<Vec<_>>()
    };
    (of(Severity::Error), of(Severity::Notice))
}

#[test]
fn a_seal_or_signature_of_somebody_registered_vouches() {
    let unasked = rules("");
    for (proof, known) in [
        (Proof::Nothing, false),
        (Proof::Seal(CLAUDE), true),
        (Proof::Seal(CODEX), true),
        (Proof::Seal(STRANGER), false),
        (Proof::Seal(REVOKED), false),
        // A person's key on an agent's seal says neither.
        (Proof::Seal(ALICE), false),
        (Proof::StaleSeal(CLAUDE), false),
        (Proof::BadSeal(CLAUDE), false),
        (Proof::Signature(ALICE), true),
        (Proof::Signature(CLAUDE), true),
        (Proof::Signature(STRANGER), false),
        (Proof::Signature(REVOKED), false),
        (Proof::BadSignature, false),
        (Proof::Adopted(ALICE), true),
    ] {
        let code = if known { "approval-missing" } else { "unsigned-commit" };
        let found = errors_and_notices(&unasked, commit(0, (proof, false)));
        assert_eq!(found, (vec![code], vec!["unsigned-commit"]), "{proof:?}");
    }
    let mut unsigned = commit(0, (Proof::Nothing, false));
    unsigned.unsigned_service = Some(id("forge"));
    assert_eq!(errors_and_notices(&unasked, unsigned).0, ["approval-missing"]);
}

#[test]
fn a_rule_that_asks_who_made_it_is_judged_by_that() {
    let backed = format!("{}{}", rules(""), rule("all", "identity = \"everyone\""));
    for rules in [rules("identity = \"everyone\""), backed] {
        assert_eq!(errors_and_notices(&rules, commit(0, (Proof::Nothing, false))), (vec!["approval-missing"], vec![]));
    }
    let warned = rules("mode = \"warn\"");
    assert_eq!(errors_and_notices(&warned, commit(0, (Proof::Nothing, false))), (vec![], vec!["unsigned-commit"]));
    let observed = rules("mode = \"observe\"");
    assert_eq!(errors_and_notices(&observed, commit(0, (Proof::Nothing, false))), (vec![], vec![]));
}

#[test]
fn a_pusher_is_told_at_each_push_and_refused_where_it_is_so() {
    let pushed = |proof| Story::under(&approved("")).gains((proof, false)).report();
    insta::assert_snapshot!("nobody_vouches", pushed(Proof::Nothing));
    insta::assert_snapshot!("alice_vouches", pushed(Proof::Signature(ALICE)));
}
