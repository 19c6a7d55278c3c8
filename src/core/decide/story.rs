//! Pushes told step by step: a policy, commits and approvals in, a report out.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::rc::Rc;

use base64ct::{Base64, Encoding as _};

use super::{Timestamp, Verdict, decide};
use crate::core::approval::{
    Approval, ApprovalPlace, ApprovedCommit, ClaimedApproval, Decision, NAMESPACE, pre_authentication, seal_envelope,
};
use crate::core::canonical::{CanonicalOid, Sha256, Time};
use crate::core::commit::{Malformed, MalformedTrailers, TrailerFault, Wording, message_digest};
use crate::core::digest::Digest;
use crate::core::facts::*;
use crate::core::id::{Id, RepositoryName};
use crate::core::landing::{Content, Landing, MadeBy, MainlineStep, Use};
use crate::core::marks::{Catalogue, MarkSource};
use crate::core::oid::Oid;
use crate::core::order::{self, Act, ClaimedOrder, Order, Orders, VerifiedOrder};
use crate::core::policy::{Policy, Source, load};
use crate::core::report::{self, Audience, Characters};
use crate::core::seal::{self, Claim, Root, SealValue, sealed_payload};
use crate::core::signature::ObjectSignature;
use crate::core::ssh::{ClaimedSignature, PrivateKey};

/// What [`Story`] tells: a push to main, under every rule of the policy.
pub(crate) struct Story {
    policy: Policy,
    facts: Facts,
}

impl Story {
    /// A push that brings nothing yet.
    pub(crate) fn under(rules: &str) -> Self {
        Self::under_policy("", rules)
    }

    /// The same, where the policy also has these keys at its top.
    pub(crate) fn under_policy(top: &str, rules: &str) -> Self {
        Self::by(policy_with(top, &format!("{}{rules}", people())))
    }

    /// The same, where the text of the policy is edited first.
    pub(crate) fn with_policy(rules: &str, edit: &dyn Fn(String) -> String) -> Self {
        Self::by(loaded(edit(policy_text("", &format!("{}{rules}", people())))))
    }

    fn by(policy: Policy) -> Self {
        let mut facts = facts(&policy, &[]);
        facts.repository = RepositoryName::parse(b"acme/payments");
        facts.approvals.insert(b"refs/heads/main".to_vec(), Vec::new());
        facts.updates[0].landings = vec![Landing::default()];
        Self { policy, facts }
    }

    /// Main gains a commit.
    pub(crate) fn gains(self, work: Work) -> Self {
        self.gains_made(work, |_| {})
    }

    /// Main gains a commit that is spoiled first.
    pub(crate) fn gains_made(mut self, work: Work, spoil: impl FnOnce(&mut CommitFacts)) -> Self {
        let number = self.facts.commits.len();
        let mut commit = commit(number, work);
        let message = format!("Change {number}\n");
        commit.summary = message.trim_end().into();
        (commit.change, commit.message) = (Some(change(number)), message_digest(message.as_bytes()));
        spoil(&mut commit);
        let id = commit.id;
        let agents = commit.seals.iter().flatten().map(|seal| seal.agent.to_string()).collect();
        let content = Content { change: commit.change, is_empty: false, message: commit.message, agents };
        let step = MainlineStep {
            commit: id,
            change: commit.change,
            merge: None,
            wording: Wording::of(message.as_bytes()),
            made_by: MadeBy::Somebody,
        };
        let update = &mut self.facts.updates[0];
        (update.new, update.target) = (Some(id), RefTarget::Commit(id));
        update.landings[0].steps.push(step);
        update.landings[0].new.insert(id, content);
        for (judged, rule) in update.judged.iter_mut().zip(self.policy.rules()) {
            let one = JudgedCommit { id, touched: None };
            judged.commits.push(one.clone());
            if rule.approvals.is_some() {
                judged.sought.get_or_insert(Sought { commits: Vec::new(), landing: 0 }).commits.push(one);
            }
        }
        self.facts.commits.insert(id, commit);
        self
    }

    /// Somebody has signed an approval, and it is stored.
    pub(crate) fn approved(mut self, approval: &Approval, by: u8) -> Self {
        let records = self.facts.approvals.get_mut(&b"refs/heads/main"[..]).unwrap();
        records.push(stored(approval, by, Use::Fresh));
        self
    }

    /// People have given orders, each with this key, and they are stored.
    pub(crate) fn ordered(mut self, orders: &[(Order, u8)]) -> Self {
        let orders: Vec<VerifiedOrder> = orders.iter().map(|(order, by)| signed_order(order, *by)).collect();
        let repository = RepositoryName::parse(b"acme/payments").unwrap();
        self.facts.orders = Orders::in_force(&self.policy, &repository, (&orders, &[]), NOW);
        self
    }

    /// Something else is so, too.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Facts)) -> Self {
        change(&mut self.facts);
        self
    }

    /// Something else is so of the update.
    pub(crate) fn moves(self, change: impl FnOnce(&mut Update)) -> Self {
        self.with(|facts| change(&mut facts.updates[0]))
    }

    pub(crate) fn verdict(&self) -> Verdict {
        decide(&self.policy, &self.facts, NOW)
    }

    /// What the pusher reads, and what programs do.
    pub(crate) fn report(&self) -> String {
        let verdict = self.verdict();
        let text = report::text(&verdict, Audience::Pusher, Characters::Ascii);
        let json: serde_json::Value = serde_json::from_str(&report::json(&verdict).unwrap()).unwrap();
        format!("{text}\n{}", serde_json::to_string_pretty(&json).unwrap())
    }
}

/// A rule that wants what agents do on main approved by these people, with more keys for approvals.
pub(crate) fn approvals_rule(from: &str, more: &str) -> String {
    let keys = "identity = \"everyone\"\nforce-push = \"deny\"\ndelete = \"deny\"";
    format!("{}[rule.approvals]\nfrom = {from}\n{more}\n", rule("main", keys))
}

/// Bob's approval of commits of a story, by their numbers.
pub(crate) fn approval_of(numbers: RangeInclusive<usize>) -> Approval {
    let approved = |number: usize| ApprovedCommit {
        id: CanonicalOid(oid(number)),
        change: Sha256(change(number)),
        message: Sha256(message_digest(format!("Change {number}\n").as_bytes())),
    };
    let combined = Digest::of(format!("changes {numbers:?}").as_bytes());
    let commits: Vec<ApprovedCommit> = numbers.map(approved).collect();
    Approval {
        decision: Decision::Approve,
        repository: "acme/payments".into(),
        name: "refs/heads/main".into(),
        base: None,
        head: commits[commits.len() - 1].id,
        change: Sha256(combined),
        commits,
        agents: vec!["claude-code".into()],
        approver: "bob".into(),
        attested: None,
        issued: Time(Timestamp(NOW.0 - 60)),
        expires: Time(Timestamp(NOW.0 + 86_400)),
        policy: Sha256(Digest::of(b"policy")),
        comment: None,
    }
}

/// The record of an approval, where it belongs, signed with this key.
pub(crate) fn stored(approval: &Approval, by: u8, used: Use) -> ApprovalFact {
    let statement = approval.to_statement().unwrap();
    let signature = key(by).sign(NAMESPACE, &pre_authentication(statement.as_bytes()));
    let envelope = seal_envelope(&statement, &signature).unwrap();
    let record = ClaimedApproval::parse(envelope.as_bytes()).and_then(ClaimedApproval::verify);
    assert!(record.is_ok(), "{record:?}");
    ApprovalFact { place: place_of(approval), record: Rc::new(record), used, is_borne_out: true }
}

/// An order that this key signed.
pub(crate) fn signed_order(order: &Order, by: u8) -> VerifiedOrder {
    let statement = order.to_statement().unwrap();
    let signature = key(by).sign(order::NAMESPACE, &pre_authentication(statement.as_bytes()));
    let envelope = order::seal_envelope(&statement, &signature).unwrap();
    ClaimedOrder::parse(envelope.as_bytes()).and_then(ClaimedOrder::verify).unwrap()
}

/// A person's order of a minute ago.
pub(crate) fn order_by(person: &str, act: Act) -> Order {
    let expires = matches!(act, Act::Override(_)).then_some(Time(Timestamp(NOW.0 + 600)));
    Order {
        scope: order::Scope::Repository(RepositoryName::parse(b"acme/payments").unwrap()),
        act,
        by: order::By::Person(id(person)),
        reason: "it goes wild".into(),
        issued: Time(Timestamp(NOW.0 - 60)),
        expires,
    }
}

/// Stops an agent.
pub(crate) fn freeze_of(agent: &str) -> Act {
    Act::Freeze { whom: order::Whom::Agent(id(agent)), since: None }
}

/// Where the record of an approval is stored.
pub(crate) fn place_of(approval: &Approval) -> ApprovalPlace {
    ApprovalPlace::of(approval).unwrap()
}

pub(crate) fn change(number: usize) -> Digest {
    Digest::of(format!("change {number}").as_bytes())
}

/// People of a policy besides Alice.
pub(crate) fn people() -> String {
    let line = |seed| key(seed).public().to_line();
    format!(
        "[people.bob]\nemails = [\"bob@acme.dev\"]\nkeys = [\"{}\"]\n[people.carol]\nkeys = [\"{}\"]\n",
        line(BOB),
        line(CAROL)
    )
}

pub(crate) const NOW: Timestamp = Timestamp(1_795_489_864);

/// Who shows what on a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
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

pub(crate) const ALICE: u8 = 1;
pub(crate) const CLAUDE: u8 = 2;
pub(crate) const CODEX: u8 = 3;
pub(crate) const FORGE: u8 = 4;
pub(crate) const REVOKED: u8 = 5;
pub(crate) const STRANGER: u8 = 6;
pub(crate) const BOB: u8 = 7;
pub(crate) const CAROL: u8 = 8;

pub(crate) fn key(seed: u8) -> PrivateKey {
    PrivateKey::from_seed(&[seed; 32]).unwrap()
}

/// The public line of a key in a hardware token (OpenSSH's PROTOCOL.u2f).
pub(crate) fn hardware_key() -> String {
    let kind = "sk-ssh-ed25519@openssh.com";
    let blob = Base64::decode_vec(key(9).public().to_line().split(' ').nth(1).unwrap()).unwrap();
    let point = &blob[blob.len() - 32..];
    let string = |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat();
    let blob = [string(kind.as_bytes()), string(point), string(b"ssh:")].concat();
    format!("{kind} {}", Base64::encode_string(&blob))
}

pub(crate) fn id(text: &str) -> Id {
    Id::parse(text.as_bytes()).unwrap()
}

pub(crate) fn oid(number: usize) -> Oid {
    Oid::parse(format!("{:04x}{:036}", number + 1, 0).as_bytes()).unwrap()
}

pub(crate) fn policy(rules: &str) -> Policy {
    policy_with("", rules)
}

fn policy_with(top: &str, rules: &str) -> Policy {
    loaded(policy_text(top, rules))
}

fn loaded(text: String) -> Policy {
    let source = Source { name: "policy.toml".into(), text };
    load(vec![source], &mut |_, _| Err("no file".into())).unwrap().policy
}

fn policy_text(top: &str, rules: &str) -> String {
    let line = |seed| key(seed).public().to_line();
    format!(
        "version = 1\nrepository = \"acme/payments\"\n{top}\n\
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
    )
}

pub(crate) fn rule(name: &str, more: &str) -> String {
    format!("[[rule]]\nname = \"{name}\"\nrefs = [\"refs/heads/**\"]\n{more}\n")
}

pub(crate) fn seal_by(seed: u8, found: &[u8]) -> SealFact {
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
    SealFact { agent: claim.agent.clone(), role: None, task: None, outcome: seal::verify(&claim, &subject) }
}

pub(crate) fn signature_by(seed: u8) -> SignatureFact {
    let claimed = ClaimedSignature::from_blob(&key(seed).sign("git", b"payload")).unwrap();
    SignatureFact::Good(ObjectSignature::Ssh(claimed.verify("git", b"payload").unwrap()))
}

pub(crate) fn broken_signature(seed: Option<u8>) -> SignatureFact {
    let claimed = seed.map(|seed| key(seed).public().clone());
    SignatureFact::Bad { reason: crate::core::ssh::SignatureError::Mismatch.into(), claimed, named: None }
}

/// A commit that nobody signed and nothing marks.
pub(crate) fn plain_commit(number: usize) -> CommitFacts {
    commit(number, (Proof::Nothing, false))
}

/// What a commit shows of its maker, and whether it bears a mark of Claude Code.
pub(crate) type Work = (Proof, bool);

pub(crate) fn commit(number: usize, (proof, marked): Work) -> CommitFacts {
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
        outside: Vec::new(),
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
pub(crate) fn facts(policy: &Policy, commits: &[Work]) -> Facts {
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
        granted: Vec::new(),
        sealed_before: Vec::new(),
        order: None,
        frozen: Vec::new(),
        landings: Vec::new(),
    };
    let numbered = commits.iter().enumerate();
    let commits: BTreeMap<Oid, CommitFacts> =
        numbered.map(|(number, work)| (oid(number), commit(number, *work))).collect();
    Facts { updates: vec![update], commits, ..Facts::default() }
}
