//! `grant-out-of-scope`, of refs: where work under a grant may go, whatever else a rule asks of it.
//!
//! A grant's refs bind what its agent moves: every commit under it that the agent's own push adds to a ref, and that a push adds of which
//! nobody knows whose it is. What was received where the grant reaches, somebody else who is known may carry elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use super::hint::Commands;
use super::{Code, Findings, Subject, UpdateContext, submitter};
use crate::core::digest::Digest;
use crate::core::facts::{CommitFacts, Facts, Update};
use crate::core::grant::{self, Grant, Granted};
use crate::core::oid::Oid;
use crate::core::policy::{Identity, Mode, Policy, Principal, Rule};
use crate::core::signature::SigningKey;
use crate::core::submitter::{Said, Submitter, Who};

/// Judges where one update takes work under grants. What a rule about makers looks at is judged there.
pub(super) fn judge(context: &UpdateContext<'_>, findings: &mut Findings<'_>) {
    judge_mover(context, findings);
    judge_counts(context, findings);
    let UpdateContext { policy, facts, update, .. } = *context;
    let judged: BTreeSet<Oid> =
        update.judged.iter().flat_map(|judged| judged.commits.iter().map(|commit| commit.id)).collect();
    for id in update.granted.iter().filter(|id| !judged.contains(id)) {
        let Some(commit) = facts.commits.get(id) else { continue };
        for granted in granted_work(context, commit) {
            let Some(excess) = granted.refuses_place(facts.repository.as_ref(), &update.name) else { continue };
            let agent = granted.agent();
            let name = granted.grant().certificate().map(grant::name).unwrap_or_default();
            let detail = format!("{}'s work goes where its grant {name} does not reach: {excess}", agent.id);
            let hint = Commands { policy, facts, update }.grant(agent.id.as_str(), Code::GrantOutOfScope);
            let subject = Subject::Commit { id: *id, summary: commit.summary.clone(), position: commit.position };
            findings.protect_subject(Code::GrantOutOfScope, subject, [detail, hint.text()]);
        }
    }
}

/// Judges whether an agent that pushes by its grant may move the ref, whatever it brings.
fn judge_mover(context: &UpdateContext<'_>, findings: &mut Findings<'_>) {
    let UpdateContext { policy, facts, update, now } = *context;
    let Submitter::Said(Said { who: Who::Certificate(certificate, _), .. }) = &facts.submitter else { return };
    // A grant that does not hold by the policy says nothing of who pushes.
    if update.order.is_some() || !policy.is_granted(certificate) || grant::holder(policy, certificate).is_none() {
        return;
    }
    let granted = match grant::judge(policy, certificate, now) {
        Ok(granted) => granted,
        Err(objection) if objection.code == Code::GrantRevoked => {
            let hint = Commands { policy, facts, update }.grant(certificate.key_id(), Code::GrantRevoked);
            return findings.protect(
                Code::GrantRevoked,
                format!("whoever pushes does so by a grant that does not hold: {objection}"),
                hint.text(),
            );
        }
        Err(_) => return,
    };
    if let Some(excess) = granted.refuses_place(facts.repository.as_ref(), &update.name) {
        let agent = granted.agent();
        let detail = format!(
            "{} pushes by its grant {}, which does not reach here: {excess}",
            agent.id,
            grant::name(certificate)
        );
        let hint = Commands { policy, facts, update }.grant(agent.id.as_str(), Code::GrantOutOfScope);
        findings.protect(Code::GrantOutOfScope, detail, hint.text());
    }
}

/// How many commits a certificate is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CommitLimit {
    /// The digest of the certificate.
    pub certificate: Digest,
    /// What it is called.
    pub name: String,
    /// How many commits it and those below it are for.
    pub most: u64,
}

/// The certificates of a grant that are for so many commits. Where the first says nothing, its authority's bound holds for it.
pub fn commit_limits(policy: &Policy, grant: &Grant) -> Vec<CommitLimit> {
    let authority = grant::bounds(policy, grant).last().and_then(|scope| scope.commits);
    let own = grant.links().iter().enumerate().filter_map(|(depth, link)| {
        let is_first = depth + 1 == grant.links().len();
        let most = link.scope.as_ref().map_or(authority.filter(|_| is_first), |scope| scope.commits)?;
        let certificate = &link.certificate;
        Some(CommitLimit { certificate: certificate.digest(), name: grant::name(certificate), most })
    });
    own.collect()
}

/// The commits of an update that count as received if the ref moves: those that an enforcing rule about makers looks at.
pub fn received_commits(update: &Update, policy: &Policy) -> BTreeSet<Oid> {
    let asks = |rule: &Rule| rule.mode == Mode::Enforce && (rule.identity != Identity::None || rule.asks_for_grants());
    let enforcing = update.judged.iter().filter(|judged| policy.rules().get(judged.rule).is_some_and(asks));
    enforcing.flat_map(|judged| judged.commits.iter().map(|commit| commit.id)).collect()
}

/// What a push takes of certificates that are for so many commits.
pub fn counted_commits(facts: &Facts, policy: &Policy) -> BTreeMap<CommitLimit, BTreeSet<Oid>> {
    let mut counted: BTreeMap<CommitLimit, BTreeSet<Oid>> = BTreeMap::new();
    let updates = facts.updates.iter().map(|update| received_commits(update, policy));
    updates.for_each(|commits| count(&mut counted, (facts, policy), &commits));
    counted
}

fn count(
    counted: &mut BTreeMap<CommitLimit, BTreeSet<Oid>>,
    (facts, policy): (&Facts, &Policy),
    commits: &BTreeSet<Oid>,
) {
    for commit in commits.iter().filter_map(|id| facts.commits.get(id)) {
        for (key, _) in commit.received() {
            let SigningKey::Certified(certificate) = key else { continue };
            let Some(grant) = Grant::of(certificate).ok().filter(|_| policy.is_granted(certificate)) else { continue };
            for limit in commit_limits(policy, &grant) {
                counted.entry(limit).or_default().insert(commit.id);
            }
        }
    }
}

/// Judges how many commits the push takes of each grant, with this update and those before it.
fn judge_counts(context: &UpdateContext<'_>, findings: &mut Findings<'_>) {
    let UpdateContext { policy, facts, update, .. } = *context;
    let own = received_commits(update, policy);
    let mut here = BTreeMap::new();
    count(&mut here, (facts, policy), &own);
    if here.is_empty() || matches!(facts.submitter, Submitter::Unasked) {
        return;
    }
    let before = counted_commits(facts, policy);
    for (limit, commits) in here {
        let CommitLimit { certificate, name, most } = &limit;
        let agent = name.split(':').next().unwrap_or_default();
        let hint = Commands { policy, facts, update }.grant(agent, Code::GrantOutOfScope).text();
        let subject = Subject::Ref(update.name.to_vec());
        let Some(used) = facts.uses.get(certificate) else {
            let detail = format!("the grant {name} is for {most} commits, and no ledger counts them");
            findings.protect_subject(Code::GrantOutOfScope, subject, [detail, hint]);
            continue;
        };
        let mut all: BTreeSet<Oid> = used.union(&commits).copied().collect();
        all.extend(before.get(&limit).into_iter().flatten());
        let all = u64::try_from(all.len()).unwrap_or(u64::MAX);
        if all > *most {
            let left = most.saturating_sub(u64::try_from(used.len()).unwrap_or(u64::MAX));
            let detail = format!(
                "the grant {name} does not reach here: commits are {most}, {left} of them left, and it takes {} more than that",
                all - most
            );
            findings.protect_subject(Code::GrantOutOfScope, subject, [detail, hint]);
        }
    }
}

/// The grants under which a commit was made whose agents this push binds.
fn granted_work<'a>(context: &UpdateContext<'a>, commit: &CommitFacts) -> Vec<Granted<'a>> {
    let received = |digest| context.facts.receipts.get(&digest).copied().unwrap_or(context.now);
    let judged = commit.received().filter_map(|(key, digest)| match key {
        SigningKey::Certified(certificate) if context.policy.is_granted(certificate) => {
            grant::judge(context.policy, certificate, received(digest)).ok()
        }
        SigningKey::Certified(_) | SigningKey::Ssh(_) | SigningKey::OpenPgp(_) => None,
    });
    judged.filter(|granted| binds_mover(context, granted.agent())).collect()
}

/// Whether a grant of this agent binds where the push takes work under it: it is the agent's own push, or nobody knows whose. On a desk the
/// agent looks at its own work.
pub(super) fn binds_mover(context: &UpdateContext<'_>, agent: &Principal) -> bool {
    match &context.facts.submitter {
        Submitter::Unasked | Submitter::Unnamed | Submitter::Unknown(_) => true,
        Submitter::Said(said) => match submitter::principal(context.policy, &said.who, context.now) {
            Ok(principal) => principal.id == agent.id,
            Err(_) => true,
        },
    }
}
