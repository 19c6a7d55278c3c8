//! What each proof of who made a commit is worth.

use super::*;
use crate::core::decide::story::*;
use crate::core::decide::{Timestamp, decide};
use crate::core::facts::Facts;

fn codes(rules: &str, work: Work) -> Vec<&'static str> {
    let policy = policy(rules);
    let verdict = decide(&policy, &facts(&policy, &[work]), NOW);
    verdict.refs[0].findings.iter().map(|finding| finding.code.name()).collect()
}

#[test]
fn what_each_proof_is_worth() {
    let agents = rule("r", "identity = \"agents\"");
    let everyone = rule("r", "identity = \"everyone\"");
    for (proof, marked, under_agents, under_everyone) in [
        (Proof::Nothing, false, None, Some("unsigned-commit")),
        (Proof::Nothing, true, Some("unsealed-agent-commit"), Some("unsealed-agent-commit")),
        (Proof::Seal(CLAUDE), true, None, None),
        (Proof::Seal(CODEX), true, None, None),
        (Proof::Seal(STRANGER), true, Some("unknown-agent"), Some("unknown-agent")),
        (Proof::Seal(REVOKED), true, Some("agent-revoked"), Some("agent-revoked")),
        (Proof::Seal(ALICE), true, Some("shared-key"), Some("shared-key")),
        (Proof::StaleSeal(CLAUDE), true, Some("stale-seal"), Some("stale-seal")),
        (Proof::BadSeal(CLAUDE), true, Some("bad-seal"), Some("bad-seal")),
        (Proof::BadSeal(CLAUDE), false, Some("bad-seal"), Some("bad-seal")),
        (Proof::Signature(ALICE), false, None, None),
        (Proof::Signature(ALICE), true, Some("unsealed-agent-commit"), Some("unsealed-agent-commit")),
        (Proof::Signature(CLAUDE), true, None, None),
        (Proof::Signature(REVOKED), true, Some("agent-revoked"), Some("agent-revoked")),
        (Proof::Signature(STRANGER), false, None, Some("unknown-signer")),
        (Proof::Signature(FORGE), false, None, Some("unknown-signer")),
        (Proof::Signature(FORGE), true, Some("unsealed-agent-commit"), Some("unsealed-agent-commit")),
        (Proof::BadSignature, false, None, Some("bad-signature")),
        (Proof::BadSignature, true, Some("unsealed-agent-commit"), Some("unsealed-agent-commit")),
        (Proof::BrokenSignature(ALICE), false, None, Some("bad-signature")),
        (Proof::BrokenSignature(STRANGER), false, None, Some("bad-signature")),
        // An agent's signature that does not verify is never nothing.
        (Proof::BrokenSignature(CLAUDE), false, Some("bad-seal"), Some("bad-seal")),
        (Proof::BrokenSignature(CODEX), true, Some("bad-seal"), Some("bad-seal")),
        (Proof::Adopted(ALICE), true, None, None),
        (Proof::Adopted(STRANGER), true, Some("unsealed-agent-commit"), Some("unsealed-agent-commit")),
        (Proof::MalformedTrailers, false, Some("malformed-trailers"), Some("malformed-trailers")),
        (Proof::MalformedCommit, false, Some("malformed-commit"), Some("malformed-commit")),
    ] {
        assert_eq!(codes(&agents, (proof, marked)).first().copied(), under_agents, "agents: {proof:?} {marked}");
        assert_eq!(codes(&everyone, (proof, marked)).first().copied(), under_everyone, "everyone: {proof:?} {marked}");
        assert!(codes(&rule("r", ""), (proof, marked)).is_empty(), "a rule that asks nothing: {proof:?}");
    }
}

#[test]
fn a_mark_hides_no_fault_of_the_signature() {
    let policy = policy(&rule("r", "identity = \"agents\""));
    let marked = "it bears the mark of claude-code (\"Co-Authored-By: Claude <noreply@anthropic.com>\") and no seal";
    for (proof, begins) in [
        (Proof::Nothing, "it bears the mark"),
        (Proof::BadSignature, "its signature does not verify: the signature does not match; it bears the mark"),
        (
            Proof::BrokenSignature(ALICE),
            "its signature does not verify: the signature does not match; it bears the mark",
        ),
        (Proof::Signature(STRANGER), "it is signed with SHA256:"),
    ] {
        let verdict = decide(&policy, &facts(&policy, &[(proof, true)]), NOW);
        let [finding] = &verdict.refs[0].findings[..] else { panic!("{proof:?}: one finding: {verdict:?}") };
        assert_eq!(finding.code, Code::UnsealedAgentCommit, "{proof:?}");
        assert!(finding.detail.starts_with(begins) && finding.detail.ends_with(marked), "{}", finding.detail);
    }
}

#[test]
fn whose_work_a_rule_accepts() {
    let only_codex = rule("r", "identity = \"agents\"\nagents = [\"codex\"]");
    assert_eq!(codes(&only_codex, (Proof::Seal(CLAUDE), true)), ["agent-not-allowed"]);
    assert!(codes(&only_codex, (Proof::Seal(CODEX), true)).is_empty());
    let no_adoption = rule("r", "identity = \"agents\"\nadopted = \"deny\"");
    assert_eq!(codes(&no_adoption, (Proof::Adopted(ALICE), true)), ["agent-not-allowed"]);
    let listed = rule("r", "identity = \"everyone\"\nservices = [\"forge\"]");
    assert!(codes(&listed, (Proof::Signature(FORGE), false)).is_empty());
    let blind = rule("r", "identity = \"agents\"\nmarks = \"ignore\"");
    assert!(codes(&blind, (Proof::Nothing, true)).is_empty());
}

/// Nobody can say what it shows: it is refused where that matters, and its twin, in an encoding that is known, is not.
#[test]
fn an_encoding_that_nobody_can_read_is_refused_where_marks_count() {
    let codes = |rules: &str, work: Work, encoding: Option<&str>| -> Vec<&'static str> {
        let policy = policy(rules);
        let mut facts = facts(&policy, &[work]);
        facts.commits.get_mut(&oid(0)).unwrap().unreadable_encoding = encoding.map(str::to_owned);
        let verdict = decide(&policy, &facts, NOW);
        verdict.refs[0].findings.iter().map(|finding| finding.code.name()).collect()
    };
    let (agents, everyone) = (rule("r", "identity = \"agents\""), rule("r", "identity = \"everyone\""));
    let unread = Some("UTF-7");
    for rules in [&agents, &everyone] {
        for (proof, marked, encoding, expected) in [
            (Proof::Nothing, false, unread, "malformed-commit"),
            (Proof::Signature(ALICE), false, unread, "malformed-commit"),
            (Proof::Signature(STRANGER), false, unread, "malformed-commit"),
            (Proof::Signature(FORGE), false, unread, "malformed-commit"),
            (Proof::Nothing, true, unread, "unsealed-agent-commit"),
            (Proof::Signature(FORGE), true, unread, "unsealed-agent-commit"),
            (Proof::Signature(ALICE), false, None, ""),
            (Proof::Signature(CLAUDE), false, unread, ""),
            (Proof::Adopted(ALICE), false, unread, ""),
        ] {
            let found = codes(rules, (proof, marked), encoding);
            assert_eq!(found.first().copied().unwrap_or_default(), expected, "{rules} {proof:?} {marked} {encoding:?}");
        }
    }
    for lax in ["identity = \"agents\"\nmarks = \"ignore\"", "", "identity = \"agents\"\nservices = [\"forge\"]"] {
        assert_eq!(codes(&rule("r", lax), (Proof::Signature(FORGE), false), unread), [""; 0], "{lax}");
    }
}

#[test]
fn receipts_take_the_place_of_now() {
    let agents = "review-by = 2020-01-01\n";
    let text = rule("r", "identity = \"agents\"");
    let policy =
        policy(&format!("[agents.old]\nowner = \"alice\"\nkeys = [\"{}\"]\n{agents}{text}", key(9).public().to_line()));
    let mut facts = facts(&policy, &[(Proof::Signature(9), true)]);
    let finds = |facts: &crate::core::facts::Facts| {
        decide(&policy, facts, NOW).refs[0].findings.iter().map(|one| one.code).collect::<Vec<_>>()
    };
    assert_eq!(finds(&facts), [Code::AgentSuspended]);
    let SignatureFact::Good(signature) = &facts.commits[&oid(0)].signature else { panic!("it is signed") };
    facts.receipts.insert(signature.digest(), Timestamp(1_500_000_000));
    assert_eq!(finds(&facts), [], "received in 2017");
}

#[test]
fn an_agent_s_unsealed_work_is_refused_and_its_sealed_work_is_not() {
    let pushed = |proof| Story::under(&rule("main", "identity = \"agents\"")).gains((proof, true)).report();
    insta::assert_snapshot!("unsealed", pushed(Proof::Nothing));
    insta::assert_snapshot!("sealed", pushed(Proof::Seal(CLAUDE)));
}

#[test]
fn a_seal_of_something_else_is_told_from_a_forged_one() {
    let pushed = |proof| Story::under(&rule("main", "identity = \"agents\"")).gains((proof, false)).report();
    insta::assert_snapshot!("stale", pushed(Proof::StaleSeal(CLAUDE)));
    insta::assert_snapshot!("forged", pushed(Proof::BadSeal(CLAUDE)));
}

/// Whoever sealed before has not forgotten how: the clone may have lost its hooks.
#[test]
fn who_has_sealed_before_may_have_lost_the_hooks() {
    let hint = |change: &dyn Fn(&mut Facts)| {
        let policy = policy(&rule("r", "identity = \"agents\""));
        let mut facts = facts(&policy, &[(Proof::Nothing, true), (Proof::StaleSeal(CLAUDE), true)]);
        change(&mut facts);
        let verdict = decide(&policy, &facts, NOW);
        let found = verdict.refs[0].findings.iter().find(|found| found.code == Code::UnsealedAgentCommit);
        found.unwrap().hint.clone()
    };
    let install = |hint: String| hint.lines().any(|line| line == "countersign install");
    assert!(!install(hint(&|_| {})), "no seal holds that anybody made before");
    assert!(install(hint(&|facts| facts.updates[0].sealed_before = vec![b"A@x"[..].into(), b"a@x"[..].into()])));
    assert!(!install(hint(&|facts| facts.updates[0].sealed_before = vec![b"b@x"[..].into()])), "another's clone");
}
