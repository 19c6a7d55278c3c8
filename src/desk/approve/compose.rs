//! What is approved: the commits between the target and the branch, examined as the gate will.

use std::collections::BTreeSet;

use crate::core::approval::{Approval, ApprovedCommit, Attested, Decision};
use crate::core::canonical::{CanonicalOid, Sha256, Time};
use crate::core::decide::{ApprovedBy, Standing, Timestamp};
use crate::core::digest::Digest;
use crate::core::facts::{CommitFacts, Doubt, ObjectForm, SealFact, SignatureFact};
use crate::core::id;
use crate::core::limits;
use crate::core::oid::Oid;
use crate::core::openpgp;
use crate::core::policy::{Approvals, KeyStatus, Mode, Policy, Principal, PrincipalKind, Rule, Span};
use crate::core::report::escape;
use crate::core::scope::{Requirement, is_judged_at};
use crate::core::seal;
use crate::core::signature::{SignatureFault, SigningKey};
use crate::core::text::nearest::nearest;
use crate::core::tree::{Change, WalkLimits, changes, digest, mainline_end, new_commits};
use crate::desk::approve::{ApprovalContext, Remote};
use crate::gate::examine::{Examiner, Standard, change_doubt, touches, walk_doubt};
use crate::gate::session::Session;
use crate::store::{History, peel};
use crate::system::process::git;
use crate::system::{Failure, Result};

/// The commits that would land on one target.
pub(super) struct Work {
    pub(super) base: Option<Oid>,
    pub(super) head: Oid,
    /// The oldest first.
    pub(super) commits: Vec<CommitFacts>,
    /// What they change together.
    pub(super) changes: Vec<Change>,
    pub(super) change: Digest,
}

/// What the approver says.
pub(super) struct Terms {
    pub(super) approver: id::Id,
    pub(super) attested: Option<Attested>,
    pub(super) issued: Timestamp,
    pub(super) expires: Span,
    pub(super) comment: Option<String>,
}

impl Work {
    /// Finds the commits of a branch or range for one target.
    pub(super) fn find(context: &ApprovalContext, remote: &Remote, what: &str, target: &str) -> Result<Self> {
        let (left, right) = crate::desk::approve::ends(what);
        let head = match remote.branch(right) {
            Some(head) => head,
            None => context.local.commit(right)?,
        };
        let base = base(context, remote, head, target)?;
        let left = left.map(|left| remote.branch(left).map_or_else(|| context.local.commit(left), Ok)).transpose()?;
        // What the target has already needs no approving, so a left side that is on it begins where the target ends.
        if left.is_some_and(|left| Some(left) != base && Some(left) != remote.refs.get(target).copied()) {
            let base = base.map_or_else(|| "nothing".to_owned(), |base| base.to_string());
            return Err(Failure::new(format!(
                "an approval begins at the merge base with {}, which is {base}",
                shown(target)
            ))
            .hint(format!("countersign approve {} --for {}", shown(right), shown(target))));
        }
        let ids = commits(base, head)?;
        if ids.is_empty() {
            return Err(Failure::new(format!(
                "{} has {} already: there is nothing to approve",
                shown(target),
                shown(what)
            )));
        }
        if ids.len() > limits::APPROVED_COMMITS {
            let most = limits::APPROVED_COMMITS;
            return Err(Failure::new(format!("{} commits are more than the {most} of one approval", ids.len()))
                .hint("approve and land them in parts"));
        }
        let session = Session::on_desk();
        let standard = Standard {
            policy: &context.policy,
            dir: &context.local.dir,
            repository: &context.repository,
            pinned: &[],
            session: &session,
        };
        let examiner = Examiner::new(standard, &context.local.objects);
        let commits = examiner
            .examine_all(&ids, None)
            .into_iter()
            .collect::<std::result::Result<Vec<_>, _>>()
            .map_err(|doubt| told(&doubt))?;
        let tree = |commit| examiner.tree_of(commit).map_err(|doubt| told(&doubt));
        let (old, new) = (base.map(tree).transpose()?, tree(head)?);
        let changes = changes(&context.local.objects, old, new).map_err(|error| told(&change_doubt(error)))?;
        let change = digest(&changes, context.local.objects.format());
        Ok(Self { base, head, commits, changes, change })
    }

    /// Refuses what nobody should sign for: a commit without a single reading, or a seal that does not hold.
    pub(super) fn check(&self, policy: &Policy) -> Result<()> {
        for commit in &self.commits {
            if let Some(fault) = fault(policy, commit) {
                let (id, summary) = (commit.id.short(), escape(&commit.summary, 80));
                let message = format!("{id} \"{summary}\" cannot be approved: {}", escape(fault.as_bytes(), 300));
                return Err(
                    Failure::new(message).hint("have its maker mend it, and push the branch again:\ncountersign sign")
                );
            }
        }
        Ok(())
    }

    /// Refuses an approval that could count for nothing: no rule asks for one, or none for this person's of this work.
    pub(super) fn check_that_it_counts(
        &self,
        policy: &Policy,
        target: &str,
        (person, by): (&id::Id, ApprovedBy<'_>),
    ) -> Result<()> {
        let touched = |rule: &Rule| self.changes.iter().any(|change| touches(rule, change.as_difference()));
        let asking: Vec<(&Rule, &Approvals)> =
            asking(policy, target).filter(|(rule, _)| !rule.is_path_rule() || touched(rule)).collect();
        if asking.is_empty() {
            let named = policy.rules().iter().filter(|rule| rule.approvals.is_some());
            let refs: BTreeSet<&str> = named.flat_map(Rule::literal_refs).collect();
            let near = nearest(target, refs.iter().copied());
            let hint = match near {
                Some(near) => {
                    format!("did you mean {}? what a ref asks:\ncountersign explain {}", shown(near), shown(target))
                }
                None => format!("what it asks:\ncountersign explain {}", shown(target)),
            };
            return Err(Failure::new(format!("no rule asks for approvals on {}", shown(target))).hint(hint));
        }
        let mut why = None;
        for (rule, asks) in asking {
            let standing = Standing { policy, rule };
            for commit in &self.commits {
                let excluded = standing.excludes(person, by, asks, commit);
                let Some(words) = excluded else { return Ok(()) };
                why.get_or_insert((words, rule));
            }
        }
        match why {
            None => Ok(()),
            Some((words, rule)) => {
                let (name, at) = (escape(rule.name.as_bytes(), 80), &rule.at);
                let message = format!(
                    "an approval by {person} would count for nothing: {person} {words} (rule \"{name}\", {}:{})",
                    at.file, at.line
                );
                let from = rule.approvals.as_ref().map(|asks| asks.from_names.join(" or ")).unwrap_or_default();
                Err(Failure::new(message).hint(format!(
                    "ask somebody else of {from}; what the ref asks:\ncountersign explain {}",
                    shown(target)
                )))
            }
        }
    }

    /// The agents whose work it is.
    pub(super) fn agents(&self, policy: &Policy) -> Vec<String> {
        let sealed =
            self.commits.iter().flat_map(|commit| commit.seals.iter().flatten()).map(|seal| seal.agent.to_string());
        let signed = self.commits.iter().filter_map(|commit| signer(policy, commit));
        let signed = signed.filter(|signer| signer.kind == PrincipalKind::Agent).map(|signer| signer.id.to_string());
        let mut agents: Vec<String> = sealed.chain(signed).collect();
        agents.sort();
        agents.dedup();
        agents
    }

    /// The approval of it.
    pub(super) fn approval(&self, context: &ApprovalContext, target: &str, terms: Terms) -> Result<Approval> {
        let commit = |commit: &CommitFacts| {
            let change =
                commit.change.ok_or_else(|| Failure::new(format!("{} has a malformed tree", commit.id.short())))?;
            Ok(ApprovedCommit { id: CanonicalOid(commit.id), change: Sha256(change), message: Sha256(commit.message) })
        };
        let approval = Approval {
            decision: Decision::Approve,
            repository: context.repository.to_string(),
            name: target.to_owned(),
            base: self.base.map(CanonicalOid),
            head: CanonicalOid(self.head),
            change: Sha256(self.change),
            commits: self.commits.iter().map(commit).collect::<Result<_>>()?,
            agents: self.agents(&context.policy),
            approver: terms.approver.to_string(),
            attested: terms.attested,
            issued: Time(terms.issued),
            expires: Time(Timestamp(terms.issued.0.saturating_add(terms.expires.seconds))),
            policy: Sha256(context.policy.digest()),
            comment: terms.comment,
        };
        approval.to_statement().map_err(|error| Failure::new(format!("it cannot be approved: {error}")))?;
        Ok(approval)
    }
}

/// The rules of a policy that ask for approvals on a ref.
pub(super) fn asking<'a>(policy: &'a Policy, target: &'a str) -> impl Iterator<Item = (&'a Rule, &'a Approvals)> {
    let rules = policy.rules().iter().filter(|rule| rule.mode != Mode::Off && rule.matches_ref(target.as_bytes()));
    rules.filter_map(|rule| Some((rule, rule.approvals.as_ref()?)))
}

/// Whose key signed a commit as a whole.
pub(super) fn signer<'a>(policy: &'a Policy, commit: &CommitFacts) -> Option<&'a Principal> {
    match &commit.signature {
        SignatureFact::Good(signature) => policy.by_signer(signature.key()),
        _ => None,
    }
}

/// What is wrong with a commit, as far as it is not the gate's to say what it asks for.
fn fault(policy: &Policy, commit: &CommitFacts) -> Option<String> {
    if let ObjectForm::Malformed(reason) = &commit.form {
        return Some(reason.to_string());
    }
    if let Some(fault) = &commit.tree_fault {
        return Some(fault.clone());
    }
    if let SignatureFact::Bad { reason, .. } = &commit.signature
        && is_forged(reason)
    {
        return Some(format!("its signature does not verify: {reason}"));
    }
    match &commit.seals {
        // What a service joined is judged by what it carries.
        Err(_) if signer(policy, commit).is_some_and(|signer| signer.kind == PrincipalKind::Service) => None,
        Err(reason) => Some(reason.to_string()),
        Ok(seals) => seals.iter().find_map(|seal| seal_fault(policy, seal)),
    }
}

/// Whether a signature says that the commit was changed. One of OpenPGP that nothing here reads, or that is too weak, says nothing of
/// the commit: what a rule makes of it, the gate tells.
fn is_forged(reason: &SignatureFault) -> bool {
    match reason {
        SignatureFault::Ssh(_) => true,
        SignatureFault::OpenPgp(reason) => *reason == openpgp::SignatureError::Mismatch,
    }
}

fn seal_fault(policy: &Policy, fact: &SealFact) -> Option<String> {
    let agent = &fact.agent;
    let seal = match &fact.outcome {
        seal::SealOutcome::Holds(seal) => seal,
        seal::SealOutcome::Bad(reason) => return Some(format!("{agent}'s seal does not verify: {reason}")),
        seal::SealOutcome::Stale(stale) => return Some(format!("{stale} changed after {agent} sealed it")),
    };
    let holder = policy.by_signer(seal.signer());
    if holder.is_none_or(|holder| holder.kind != PrincipalKind::Agent || holder.id != *agent) {
        return Some(format!("{agent}'s seal was made with a key that is not registered as {agent}'s"));
    }
    match seal.signer() {
        // When it was received, the server knows.
        SigningKey::Certified(certificate) => {
            let begun = Timestamp(i64::try_from(certificate.valid_after()).unwrap_or(i64::MAX));
            let objection = policy.ssh_objection(seal.signer(), begun)?;
            Some(format!("{agent}'s seal was made with {}", objection.words(&seal.signer().name())))
        }
        SigningKey::Ssh(_) | SigningKey::OpenPgp(_) => {
            let revoked = policy.key_status(seal.key(), Timestamp(0)) == KeyStatus::Revoked;
            revoked.then(|| format!("{agent}'s seal was made with a revoked key"))
        }
    }
}

/// Where an approval begins: at the one merge base with the target; where the target does not exist, at the commit where its mainline
/// would end, as the gate tells it.
fn base(context: &ApprovalContext, remote: &Remote, head: Oid, target: &str) -> Result<Option<Oid>> {
    if remote.refs.contains_key(target) {
        return merge_base(remote, head, target);
    }
    let asking: Vec<&Rule> = asking(&context.policy, target).map(|(rule, _)| rule).collect();
    let judged = |name: &str| {
        let by = |rule: &&Rule| is_judged_at(&context.policy, rule, Requirement::Approvals, name.as_bytes());
        !asking.is_empty() && asking.iter().all(by)
    };
    let tips = remote.refs.iter().filter(|(name, _)| judged(name)).map(|(_, tip)| *tip);
    let known: Vec<Oid> = tips.filter_map(|tip| peel(&context.local.objects, tip).ok().flatten()).collect();
    let history = History::new(&context.local.objects, &context.local.dir);
    let new = new_commits(&history, head, &known, WalkLimits::PUSH).map_err(|error| told(&walk_doubt(error)))?;
    mainline_end(&history, &new, WalkLimits::PUSH).map_err(|error| told(&walk_doubt(error)))
}

fn merge_base(remote: &Remote, head: Oid, target: &str) -> Result<Option<Oid>> {
    let Some(old) = remote.refs.get(target) else { return Ok(None) };
    // Exit 1 says that there is none.
    let output = git(&["-c", "core.commitGraph=false", "merge-base", "--all", &old.to_string(), &head.to_string()])
        .reading_what_is_stored()
        .output()?;
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut bases = listed.lines().filter_map(|line| Oid::parse(line.as_bytes()));
    match (bases.next(), bases.next()) {
        (Some(base), None) => Ok(Some(base)),
        (None, _) if output.status.code() == Some(1) => Ok(None),
        (None, _) => {
            Err(Failure::new(format!("git merge-base failed: {}", String::from_utf8_lossy(&output.stderr).trim())))
        }
        (Some(_), Some(_)) => Err(Failure::new(format!("the branch and {} have several merge bases", shown(target)))
            .hint(format!("merge {} into the branch, or rebase it, and push it again", shown(target)))),
    }
}

fn commits(base: Option<Oid>, head: Oid) -> Result<Vec<Oid>> {
    let range = base.map_or_else(|| head.to_string(), |base| format!("{base}..{head}"));
    let listed = git(&["-c", "core.commitGraph=false", "rev-list", "--topo-order", "--reverse", &range])
        .reading_what_is_stored()
        .line()?;
    let parse =
        |line: &str| Oid::parse(line.as_bytes()).ok_or_else(|| Failure::new("git rev-list printed something else"));
    listed.lines().map(parse).collect()
}

fn shown(name: &str) -> String {
    let name = name.strip_prefix("refs/heads/").unwrap_or(name);
    escape(name.as_bytes(), 200)
}

fn told(doubt: &Doubt) -> Failure {
    Failure::new(escape(doubt.reason().as_bytes(), 300))
}
