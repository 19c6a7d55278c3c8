mod approvals;
mod histories;
mod submitters;
mod vouching;

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::core::commit::{Malformed, MalformedTrailers, TrailerFault};
use crate::core::digest::Digest;
use crate::core::facts::*;
use crate::core::id::{Id, RepositoryName};
use crate::core::marks::{Catalogue, MarkSource};
use crate::core::oid::Oid;
use crate::core::policy::{Source, load};
use crate::core::seal::{self, Claim, Root, SealValue, sealed_payload};
use crate::core::ssh::{ClaimedSignature, PrivateKey};

const NOW: Timestamp = Timestamp(1_795_489_864);

/// Who shows what on a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    Nothing,
    Seal(u8),
    StaleSeal(u8),
    BadSeal(u8),
    Signature(u8),
    BadSignature,
    /// A signature that names this key and does not verify.
    BrokenSignature(u8),
    Adopted(u8),
    MalformedTrailers,
    MalformedCommit,
}

const ALICE: u8 = 1;
const CLAUDE: u8 = 2;
const CODEX: u8 = 3;
const FORGE: u8 = 4;
const REVOKED: u8 = 5;
const STRANGER: u8 = 6;

fn key(seed: u8) -> PrivateKey {
    PrivateKey::from_seed(&[seed; 32]).unwrap()
}

fn id(text: &str) -> Id {
    Id::parse(text.as_bytes()).unwrap()
}

fn oid(number: usize) -> Oid {
    Oid::parse(format!("{:040x}", number + 1).as_bytes()).unwrap()
}

pub(crate) fn policy(rules: &str) -> Policy {
    let line = |seed| key(seed).public().to_line();
    let text = format!(
        "version = 1\nrepository = \"acme/payments\"\n\
         [people.alice]\nkeys = [\"{}\"]\n\
         [agents.claude-code]\nowner = \"alice\"\nkeys = [\"{}\", \"{}\"]\n\
         [agents.codex]\nowner = \"alice\"\nkeys = [\"{}\"]\n\
         [services.forge]\nowner = \"alice\"\nkeys = [\"{}\"]\n\
         [revoked]\nkeys = [\"{}\"]\n{rules}",
        line(ALICE),
        line(CLAUDE),
        line(REVOKED),
        line(CODEX),
        line(FORGE),
        key(REVOKED).public().fingerprint(),
    );
    let source = Source { name: "policy.toml".into(), text };
    load(vec![source], &mut |_, _| Err("no file".into())).unwrap().policy
}

fn rule(name: &str, more: &str) -> String {
    format!("[[rule]]\nname = \"{name}\"\nrefs = [\"refs/heads/**\"]\n{more}\n")
}

fn seal_by(seed: u8, found: &[u8]) -> SealFact {
    let repository = RepositoryName::parse(b"acme/payments").unwrap();
    let sealed = Digest::of(b"change");
    let mut claim = Claim {
        agent: id(if seed == CODEX { "codex" } else { "claude-code" }),
        role: None,
        model: None,
        session: None,
        task: None,
        seal: SealValue { change: sealed, message: sealed, signature: Vec::new() },
    };
    let subject = seal::SealSubject {
        repository: &repository,
        author: b"A <a@x> 1 +0000",
        merges: &[],
        root: Root::No,
        change: Digest::of(found),
        message: sealed,
    };
    claim.seal.signature = key(seed).sign(seal::NAMESPACE, &sealed_payload(&claim, &subject).to_bytes());
    SealFact { agent: claim.agent.clone(), role: None, outcome: seal::verify(&claim, &subject) }
}

fn signature_by(seed: u8) -> SignatureFact {
    let claimed = ClaimedSignature::from_blob(&key(seed).sign("git", b"payload")).unwrap();
    SignatureFact::Good(claimed.verify("git", b"payload").unwrap())
}

fn broken_signature(seed: Option<u8>) -> SignatureFact {
    let claimed = seed.map(|seed| key(seed).public().clone());
    SignatureFact::Bad { reason: crate::core::ssh::SignatureError::Mismatch, claimed }
}

/// A commit that nobody signed and nothing marks.
pub(crate) fn plain_commit(number: usize) -> CommitFacts {
    commit(number, Proof::Nothing, false)
}

fn commit(number: usize, proof: Proof, marked: bool) -> CommitFacts {
    let message: &[u8] = if marked { b"Work\n\nCo-Authored-By: Claude <noreply@anthropic.com>\n" } else { b"Work\n" };
    let source = MarkSource { author_name: b"A", author_email: b"a@x", message, encoding: None };
    let mut facts = CommitFacts {
        id: oid(number),
        summary: b"Work".to_vec(),
        author: b"a@x"[..].into(),
        committer: b"a@x"[..].into(),
        change: Some(Digest::of(b"change")),
        is_empty: false,
        message: Digest::of(message),
        approves: Vec::new(),
        position: number,
        form: ObjectForm::Canonical,
        tree_fault: None,
        touched: Vec::new(),
        seals: Ok(Vec::new()),
        drafted: Vec::new(),
        signature: SignatureFact::None,
        marks: Catalogue::builtin().find(&source),
        unreadable_encoding: None,
        unsigned_service: None,
        merge: MergeFact::Unexamined,
    };
    match proof {
        Proof::Nothing => {}
        Proof::Seal(seed) => facts.seals = Ok(vec![seal_by(seed, b"change")]),
        Proof::StaleSeal(seed) => facts.seals = Ok(vec![seal_by(seed, b"another change")]),
        Proof::BadSeal(seed) => {
            let outcome = seal::SealOutcome::Bad(seal::BadSeal::Mismatch);
            facts.seals = Ok(vec![SealFact { outcome, ..seal_by(seed, b"change") }]);
        }
        Proof::Signature(seed) => facts.signature = signature_by(seed),
        Proof::BadSignature => facts.signature = broken_signature(None),
        Proof::BrokenSignature(seed) => facts.signature = broken_signature(Some(seed)),
        Proof::Adopted(seed) => {
            facts.drafted = vec![id("claude-code")];
            facts.signature = signature_by(seed);
        }
        Proof::MalformedTrailers => {
            facts.seals = Err(MalformedTrailers { line: 3, reason: TrailerFault::Misplaced });
        }
        Proof::MalformedCommit => facts.form = ObjectForm::Malformed(Malformed::Nul),
    }
    facts
}

/// The facts of one branch that gains these commits, under every rule of the policy.
fn facts(policy: &Policy, commits: &[(Proof, bool)]) -> Facts {
    let judged = |rule: usize| Judged {
        rule,
        commits: (0..commits.len()).map(|number| JudgedCommit { id: oid(number), touched: None }).collect(),
        ..Judged::nothing(rule)
    };
    let update = Update {
        name: b"refs/heads/main".as_slice().into(),
        old: None,
        new: Some(oid(commits.len())),
        claimed: None,
        movement: Movement::Created,
        tags: Vec::new(),
        target: RefTarget::Commit(oid(commits.len())),
        base: None,
        judged: (0..policy.rules().len()).map(judged).collect(),
        doubt: None,
        continuity: Continuity::Unbroken,
        policy: None,
        record: None,
        landings: Vec::new(),
    };
    let numbered = commits.iter().enumerate();
    let commits: BTreeMap<Oid, CommitFacts> =
        numbered.map(|(number, (proof, marked))| (oid(number), commit(number, *proof, *marked))).collect();
    Facts { updates: vec![update], commits, ..Facts::default() }
}

fn outcome(rules: &str, commits: &[(Proof, bool)]) -> Outcome {
    let policy = policy(rules);
    decide(&policy, &facts(&policy, commits), NOW).outcome()
}

fn codes(rules: &str, proof: Proof, marked: bool) -> Vec<&'static str> {
    let policy = policy(rules);
    let verdict = decide(&policy, &facts(&policy, &[(proof, marked)]), NOW);
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
        assert_eq!(codes(&agents, proof, marked).first().copied(), under_agents, "agents: {proof:?} {marked}");
        assert_eq!(codes(&everyone, proof, marked).first().copied(), under_everyone, "everyone: {proof:?} {marked}");
        assert!(codes(&rule("r", ""), proof, marked).is_empty(), "a rule that asks nothing: {proof:?}");
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
    assert_eq!(codes(&only_codex, Proof::Seal(CLAUDE), true), ["agent-not-allowed"]);
    assert!(codes(&only_codex, Proof::Seal(CODEX), true).is_empty());
    let no_adoption = rule("r", "identity = \"agents\"\nadopted = \"deny\"");
    assert_eq!(codes(&no_adoption, Proof::Adopted(ALICE), true), ["agent-not-allowed"]);
    let listed = rule("r", "identity = \"everyone\"\nservices = [\"forge\"]");
    assert!(codes(&listed, Proof::Signature(FORGE), false).is_empty());
    let blind = rule("r", "identity = \"agents\"\nmarks = \"ignore\"");
    assert!(codes(&blind, Proof::Nothing, true).is_empty());
}

/// Nobody can say what it shows: it is refused where that matters, and its twin, in an encoding that is known, is not.
#[test]
fn an_encoding_that_nobody_can_read_is_refused_where_marks_count() {
    let codes = |rules: &str, proof: Proof, marked: bool, encoding: Option<&str>| -> Vec<&'static str> {
        let policy = policy(rules);
        let mut facts = facts(&policy, &[(proof, marked)]);
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
            let found = codes(rules, proof, marked, encoding);
            assert_eq!(found.first().copied().unwrap_or_default(), expected, "{rules} {proof:?} {marked} {encoding:?}");
        }
    }
    for lax in ["identity = \"agents\"\nmarks = \"ignore\"", "", "identity = \"agents\"\nservices = [\"forge\"]"] {
        assert_eq!(codes(&rule("r", lax), Proof::Signature(FORGE), false, unread), [""; 0], "{lax}");
    }
}

#[test]
fn modes_weigh_findings() {
    for (mode, severity, expected) in [
        ("enforce", Severity::Error, Outcome::Rejected),
        ("warn", Severity::Warning, Outcome::Accepted),
        ("observe", Severity::Observed, Outcome::Accepted),
    ] {
        let policy = policy(&rule("r", &format!("mode = \"{mode}\"\nidentity = \"agents\"")));
        let verdict = decide(&policy, &facts(&policy, &[(Proof::Nothing, true)]), NOW);
        assert_eq!((verdict.refs[0].findings[0].severity, verdict.outcome()), (severity, expected), "{mode}");
    }
}

#[test]
fn receipts_take_the_place_of_now() {
    let agents = "review-by = 2020-01-01\n";
    let text = rule("r", "identity = \"agents\"");
    let policy =
        policy(&format!("[agents.old]\nowner = \"alice\"\nkeys = [\"{}\"]\n{agents}{text}", key(9).public().to_line()));
    let mut facts = facts(&policy, &[(Proof::Signature(9), true)]);
    let finds =
        |facts: &Facts| decide(&policy, facts, NOW).refs[0].findings.iter().map(|one| one.code).collect::<Vec<_>>();
    assert_eq!(finds(&facts), [Code::AgentSuspended]);
    let SignatureFact::Good(signature) = &facts.commits[&oid(0)].signature else { panic!("it is signed") };
    facts.receipts.insert(signature.digest(), Timestamp(1_500_000_000));
    assert_eq!(finds(&facts), [], "received in 2017");
}

#[test]
fn what_is_not_known_is_never_nothing() {
    let policy = policy(&rule("r", "identity = \"agents\""));
    let mut missing = facts(&policy, &[(Proof::Seal(CLAUDE), true)]);
    missing.commits.clear();
    assert_eq!(decide(&policy, &missing, NOW).outcome(), Outcome::Undecided);
    let mut doubtful = facts(&policy, &[]);
    doubtful.updates[0].judged[0].doubt = Some(Doubt::Unreadable("gone".into()));
    assert_eq!(decide(&policy, &doubtful, NOW).outcome(), Outcome::Undecided);
    doubtful.updates[0].judged[0].doubt = Some(Doubt::Limit("too many".into()));
    assert_eq!(decide(&policy, &doubtful, NOW).outcome(), Outcome::Undecided);
}

fn proof() -> impl Strategy<Value = Proof> {
    let seed = || ALICE..=STRANGER;
    prop_oneof![
        Just(Proof::Nothing),
        seed().prop_map(Proof::Seal),
        seed().prop_map(Proof::StaleSeal),
        seed().prop_map(Proof::BadSeal),
        seed().prop_map(Proof::Signature),
        Just(Proof::BadSignature),
        seed().prop_map(Proof::BrokenSignature),
        seed().prop_map(Proof::Adopted),
        Just(Proof::MalformedTrailers),
        Just(Proof::MalformedCommit),
    ]
}

fn rules() -> impl Strategy<Value = Vec<String>> {
    let more = prop_oneof![
        Just("identity = \"agents\""),
        Just("identity = \"everyone\""),
        Just("identity = \"agents\"\nagents = [\"codex\"]"),
        Just("identity = \"everyone\"\nadopted = \"deny\""),
        Just("identity = \"agents\"\nmode = \"warn\""),
        Just("identity = \"everyone\"\nmode = \"observe\""),
        Just("identity = \"agents\"\nmarks = \"any\""),
        Just("identity = \"everyone\"\nservices = [\"forge\"]"),
        Just(""),
    ];
    proptest::collection::vec(more, 1..4).prop_map(|rules| {
        rules.into_iter().enumerate().map(|(number, more)| rule(&format!("r{number}"), more)).collect()
    })
}

fn commits() -> impl Strategy<Value = Vec<(Proof, bool)>> {
    proptest::collection::vec((proof(), any::<bool>()), 0..5)
}

/// Findings without the lines of their rules.
fn essence(verdict: &Verdict) -> Vec<(Code, Severity, Vec<String>, String)> {
    let findings = verdict.refs.iter().flat_map(|one| &one.findings);
    let names = |finding: &Finding| {
        let mut names: Vec<String> = finding.rules.iter().map(|rule| rule.name.clone()).collect();
        names.sort();
        names
    };
    let mut essence: Vec<_> = findings
        .map(|finding| (finding.code, finding.severity, names(finding), format!("{:?}", finding.subject)))
        .collect();
    essence.sort();
    essence
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_order_matters(rules in rules(), commits in commits()) {
        let (forward, backward) = (policy(&rules.concat()), policy(&rules.iter().rev().cloned().collect::<String>()));
        let mut turned = facts(&backward, &commits);
        turned.updates.reverse();
        for update in &mut turned.updates {
            update.judged.reverse();
            update.judged.iter_mut().for_each(|judged| judged.commits.reverse());
        }
        let one = decide(&forward, &facts(&forward, &commits), NOW);
        let other = decide(&backward, &turned, NOW);
        prop_assert_eq!(essence(&one), essence(&other));
        prop_assert_eq!(one.outcome(), other.outcome());
    }

    #[test]
    fn under_everyone_a_proof_taken_away_or_a_commit_added_is_refused(
        more in rules(), commits in commits(), place in any::<prop::sample::Index>()
    ) {
        let rules = rule("all", "identity = \"everyone\"") + &more.concat();
        let mut added = commits.clone();
        added.insert(place.index(commits.len() + 1), (Proof::Nothing, false));
        prop_assert_eq!(outcome(&rules, &added), Outcome::Rejected);
        if !commits.is_empty() {
            let mut stripped = commits;
            let place = place.index(stripped.len());
            stripped[place].0 = Proof::Nothing;
            prop_assert_eq!(outcome(&rules, &stripped), Outcome::Rejected);
        }
    }

    #[test]
    fn a_marked_commit_without_its_proof_is_refused(more in rules(), commits in commits()) {
        let rules = rule("all", "identity = \"agents\"") + &more.concat();
        let stripped: Vec<_> = commits.iter().map(|_| (Proof::Nothing, true)).collect();
        prop_assert_eq!(outcome(&rules, &stripped) == Outcome::Rejected, !commits.is_empty());
    }

    #[test]
    fn another_rule_never_opens(rules in rules(), more in rules(), commits in commits()) {
        let renamed: String = more.concat().replace("name = \"r", "name = \"more");
        let (before, after) = (outcome(&rules.concat(), &commits), outcome(&(rules.concat() + &renamed), &commits));
        prop_assert!(after >= before, "{:?} then {:?}", before, after);
    }
}
