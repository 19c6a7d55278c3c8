//! One decision from start to end: policies, objects, facts, verdict. The hook, `check` and pre-push all come through here.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::PathBuf;

use thiserror::Error;

use crate::core::approval;
use crate::core::canonical::RefName;
use crate::core::decide::{Timestamp, Verdict};
use crate::core::digest::Digest;
use crate::core::facts::{Continuity, Doubt, Facts, PolicyOnRef};
use crate::core::id::RepositoryName;
use crate::core::objects::ReadError;
use crate::core::oid::Oid;
use crate::core::order::Topic;
use crate::core::policy::{Loaded, Policy, Problem, check_self_protection};
use crate::core::submitter::Submitter;
use crate::gate::deadline::Over;
use crate::gate::facts::orders::{StoredOrders, is_freeze};
use crate::gate::facts::{FactReader, Look, PolicyCheck};
use crate::gate::policy_source::{InRepository, PolicyArg, PolicyError, PolicyReader};
use crate::gate::push::{Push, RefUpdate};
use crate::gate::received::Received;
use crate::gate::ref_values::RefValues;
use crate::gate::session::Session;
use crate::store::{GitDir, History, Objects};

/// What an admin decided at install, or a client has configured.
pub(crate) struct Settings {
    pub(crate) policies: Vec<PolicyArg>,
    pub(crate) repository: Option<RepositoryName>,
    /// A file of commits whose history every rule exempts, one full id a line.
    pub(crate) baseline: Option<PathBuf>,
}

/// Why no verdict could be reached. It always refuses.
#[derive(Debug, Error)]
pub(crate) enum EngineError {
    #[error(transparent)]
    Policy(#[from] PolicyError),
    #[error("cannot open the repository's objects: {0}")]
    Objects(#[from] ReadError),
    #[error("cannot read what is ordered: {0}")]
    Orders(String),
    #[error("no policy is given")]
    NoPolicy,
    #[error("the repository has no name: neither --repository nor the policy's `repository` says it")]
    NoRepositoryName,
    #[error("the hook was installed for repository {installed}, and the policy is for {policy}")]
    OtherRepository { installed: RepositoryName, policy: RepositoryName },
}

impl EngineError {
    fn of_orders(doubt: Doubt) -> Self {
        Self::Orders(doubt.reason().to_owned())
    }
}

/// Where and when a push is judged.
#[derive(Clone, Copy)]
pub(crate) struct PushContext<'a> {
    pub(crate) dir: &'a GitDir,
    pub(crate) objects: &'a Objects,
    /// Ref values before the push.
    pub(crate) refs: &'a dyn RefValues,
    pub(crate) memory: &'a dyn Memory,
    /// Where an admin has put orders.
    pub(crate) stores: &'a [PathBuf],
    /// Who pushes.
    pub(crate) submitter: &'a Submitter,
    pub(crate) now: Timestamp,
    pub(crate) session: &'a Session,
}

/// What is known from earlier pushes.
pub(crate) trait Memory {
    /// Whether anything is.
    fn remembers(&self) -> bool;
    /// When a seal or signature was first received, by its digest.
    fn receipt(&self, digest: Digest) -> Result<Option<Timestamp>, String>;
    /// The commits that were received under a certificate, by its digest, or under one below it. `None` where nobody counts.
    /// `moves` says which refs the push moves that asks.
    fn uses(&self, certificate: Digest, moves: &dyn Fn(&RefName) -> bool) -> Result<Option<BTreeSet<Oid>>, String>;
    /// Whether an approval has landed, by the digest of its statement, and the value to which the ref moved then.
    fn landing(&self, digest: Digest) -> Result<Option<Option<Oid>>, String>;
    /// What is known of records of approvals that were read before.
    fn approvals(&self) -> approval::ApprovalIndex;
    /// Keeps what is known of them now. It saves time and decides nothing, so that a failure changes nothing.
    fn keep_approvals(&self, index: &approval::ApprovalIndex);
    /// The value of a ref up to which it was judged, where people passed over findings since.
    fn judged_until(&self, name: &[u8]) -> Option<Option<Oid>>;
    /// Whether decisions account for a ref's value.
    fn continuity(&self, name: &[u8]) -> Continuity;
    /// A file without a name for what is to be recorded and is more than memory holds; `None` where nothing is recorded.
    fn scratch(&self) -> Option<std::io::Result<File>>;
}

/// A desk knows of no earlier push.
pub(crate) struct NoMemory;

impl Memory for NoMemory {
    fn remembers(&self) -> bool {
        false
    }
    fn receipt(&self, _: Digest) -> Result<Option<Timestamp>, String> {
        Ok(None)
    }
    fn uses(&self, _: Digest, _: &dyn Fn(&RefName) -> bool) -> Result<Option<BTreeSet<Oid>>, String> {
        Ok(None)
    }
    fn landing(&self, _: Digest) -> Result<Option<Option<Oid>>, String> {
        Ok(None)
    }
    fn approvals(&self) -> approval::ApprovalIndex {
        approval::ApprovalIndex::default()
    }
    fn keep_approvals(&self, _: &approval::ApprovalIndex) {}
    fn judged_until(&self, _: &[u8]) -> Option<Option<Oid>> {
        None
    }
    fn continuity(&self, _: &[u8]) -> Continuity {
        Continuity::Unbroken
    }
    fn scratch(&self) -> Option<std::io::Result<File>> {
        None
    }
}

/// A verdict, and what it was made of.
pub(crate) struct Judgement {
    pub(crate) verdict: Verdict,
    pub(crate) facts: Facts,
    /// Of updates with more commits than facts are kept of, the seals and signatures that were accepted.
    pub(crate) received: Received,
    pub(crate) policy: Policy,
}

/// Updates of one push from which on every ref is asked at once: what so many may hold of history costs more to look at.
const MANY: usize = 16;

/// Decides a push.
pub(crate) fn judge(settings: &Settings, push: &Push, context: PushContext<'_>) -> Result<Judgement, EngineError> {
    if settings.policies.is_empty() {
        return Err(EngineError::NoPolicy);
    }
    let PushContext { dir, objects, refs, .. } = context;
    let reader = PolicyReader { repository: Some((objects, refs)) };
    let InForce { policy, pinned } = in_force(settings, &reader, push, refs)?;
    if !policy.enforces() {
        // Rules that only observe refuse nothing, however long it takes.
        context.session.when_over(Over::Pass);
    }
    let repository = repository_name(settings, &policy)?;
    let policy = with_orders(policy, &repository, push, context)?;
    let history = History::new(objects, dir);
    let place = settings.policies.iter().find_map(in_repository);
    let policy_ref = place.map(|place| moved_by(refs, &place.name)).transpose()?;
    let (digest, files) = (policy.digest(), own_files(settings, &policy));
    let after = |tip: Oid| {
        let of = |place| policy_after(settings, &reader, place, tip, digest);
        let on_ref = place.map_or(Ok(PolicyOnRef::default()), of)?;
        Ok(PolicyOnRef { files: files.clone(), ..on_ref })
    };
    let mut fact_reader = FactReader::new(&policy, &repository, &history, context);
    fact_reader = fact_reader.with_baseline(settings.baseline.as_deref());
    fact_reader = fact_reader.with_pinned(&pinned);
    fact_reader = fact_reader.with_policy_known_as(known_as(&settings.policies));
    if let Some(name) = &policy_ref {
        fact_reader = fact_reader.with_policy_check(PolicyCheck { name, after: &after });
    }
    let verdict = decided(&mut fact_reader, push);
    let (facts, received) = fact_reader.into_facts();
    Ok(Judgement { verdict, facts, received, policy })
}

/// A policy with what is ordered of grants, where there may be any.
fn with_orders(
    policy: Policy,
    repository: &RepositoryName,
    push: &Push,
    context: PushContext<'_>,
) -> Result<Policy, EngineError> {
    if !policy.grants() {
        return Ok(policy);
    }
    let PushContext { objects, refs, stores, now, .. } = context;
    let stored = StoredOrders::list(objects, refs, stores, push.updates.iter()).map_err(EngineError::of_orders)?;
    let wanted = |topic: &Topic| is_freeze(topic) || matches!(topic, Topic::Revoke(..) | Topic::RevokeAll(_));
    let orders = stored.in_force((&policy, repository), &wanted, now).map_err(EngineError::of_orders)?;
    Ok(policy.with_orders(orders))
}

fn decided(fact_reader: &mut FactReader<'_>, push: &Push) -> Verdict {
    let first = if push.updates.len() < MANY { Look::Near } else { Look::Everywhere };
    let verdict = fact_reader.judge_all(push, first);
    if first == Look::Near && verdict.depends_on_commits() {
        return fact_reader.judge_all(push, Look::Everywhere);
    }
    verdict
}

/// What [`judge`] decides by a policy that lies nowhere in the repository.
pub(crate) fn judge_by(policy: &Policy, repository: &RepositoryName, push: &Push, context: PushContext<'_>) -> Verdict {
    let history = History::new(context.objects, context.dir);
    decided(&mut FactReader::new(policy, repository, &history, context), push)
}

/// The name that seals are bound to.
pub(crate) fn repository_name(settings: &Settings, policy: &Policy) -> Result<RepositoryName, EngineError> {
    match (&settings.repository, policy.repository()) {
        (Some(installed), Some(policy)) if installed != policy => {
            Err(EngineError::OtherRepository { installed: installed.clone(), policy: policy.clone() })
        }
        (Some(name), _) | (None, Some(name)) => Ok(name.clone()),
        (None, None) => Err(EngineError::NoRepositoryName),
    }
}

/// How a clone names the policy, where all of it lies in the repository. Where an admin's file lies is not the pusher's business.
fn known_as(policies: &[PolicyArg]) -> Option<String> {
    match policies {
        [PolicyArg::InRepository(place)] => {
            Some(PolicyArg::InRepository(InRepository { pin: None, ..place.clone() }).to_string())
        }
        _ => None,
    }
}

fn in_repository(arg: &PolicyArg) -> Option<&InRepository> {
    match arg {
        PolicyArg::InRepository(place) => Some(place),
        PolicyArg::File(_) => None,
    }
}

/// The policies that judge a push.
struct InForce {
    policy: Policy,
    /// Where the push brings the first value of a policy that an admin pinned, and nothing else: its files. The pin is their approval.
    pinned: Vec<String>,
}

/// The policies that judge the push. While the ref of a policy in the repository does not exist, the policy is the one that
/// the push brings there, if it is the one pinned at install.
fn in_force(
    settings: &Settings,
    reader: &PolicyReader<'_>,
    push: &Push,
    refs: &dyn RefValues,
) -> Result<InForce, EngineError> {
    let Some(place) = settings.policies.iter().find_map(in_repository) else {
        return Ok(InForce { policy: reader.load(&settings.policies)?.policy, pinned: Vec::new() });
    };
    let exists = refs.value(&place.name).map_err(PolicyError::from)?.is_some();
    let loaded = if exists {
        reader.load(&settings.policies)?
    } else {
        let moved = moved_by(refs, &place.name)?;
        let brought = |update: &&RefUpdate| *update.name == *moved.as_bytes();
        let first = push.updates.iter().find(brought).and_then(|update| update.new);
        let first = first.ok_or_else(|| PolicyError::NotYet(place.name.clone(), pin_text(place.pin)))?;
        let loaded = reader.load_at(&settings.policies, &place.name, first)?;
        if place.pin != Some(loaded.policy.digest()) {
            return Err(PolicyError::NotPinned(loaded.policy.digest(), pin_text(place.pin)).into());
        }
        let problems = loaded.policy.problems_if_new(None);
        if !problems.is_empty() {
            return Err(PolicyError::Invalid(problems).into());
        }
        loaded
    };
    let problems = unprotected(settings, &loaded.policy, place);
    if !problems.is_empty() {
        return Err(PolicyError::Invalid(problems).into());
    }
    let layer = settings.policies.iter().position(|arg| in_repository(arg).is_some()).unwrap_or(0);
    let alone = push.updates.len() == 1;
    let pinned = if exists || !alone { Vec::new() } else { loaded.policy.files(layer).map(str::to_owned).collect() };
    Ok(InForce { policy: loaded.policy, pinned })
}

/// The name of the ref that moves when a ref of this name is pushed to.
fn moved_by(refs: &dyn RefValues, name: &str) -> Result<String, ReadError> {
    let symbolic = refs.symbolic_refs(&BTreeSet::from([name.to_owned()]))?;
    Ok(symbolic.first().map_or_else(|| name.to_owned(), |leads| String::from_utf8_lossy(&leads.target).into_owned()))
}

fn pin_text(pin: Option<Digest>) -> String {
    pin.map_or_else(|| "none was pinned at install".to_owned(), |pin| format!("sha256:{pin}"))
}

/// What is wrong with how a policy in the repository protects its own files, those it includes among them.
pub(crate) fn unprotected(settings: &Settings, policy: &Policy, place: &InRepository) -> Vec<Problem> {
    let layer = settings.policies.iter().position(|arg| in_repository(arg).is_some()).unwrap_or(0);
    let check = |path: &str| check_self_protection(policy, place.name.as_bytes(), path.as_bytes());
    policy.files(layer).flat_map(check).collect()
}

/// The paths of the files of the policy that lies in the repository.
fn own_files(settings: &Settings, policy: &Policy) -> Vec<String> {
    let layer = settings.policies.iter().position(|arg| in_repository(arg).is_some()).unwrap_or(0);
    policy.files(layer).map(str::to_owned).collect()
}

/// What the policy would be if its ref were at `tip`, where the one in force has the digest `in_force`.
fn policy_after(
    settings: &Settings,
    reader: &PolicyReader<'_>,
    place: &InRepository,
    tip: Oid,
    in_force: Digest,
) -> Result<PolicyOnRef, ReadError> {
    let broken = |problems| PolicyOnRef { problems, files: Vec::new(), changes: true };
    match reader.load_at(&settings.policies, &place.name, tip) {
        Ok(Loaded { policy, .. }) => {
            let problems = [unprotected(settings, &policy, place), policy.problems_if_new(Some(in_force))].concat();
            Ok(PolicyOnRef { problems, files: Vec::new(), changes: policy.digest() != in_force })
        }
        Err(PolicyError::Invalid(problems)) => Ok(broken(problems)),
        Err(PolicyError::Read(error)) => Err(error),
        Err(error) => {
            let fix = "keep a valid policy at this path".to_owned();
            Ok(broken(vec![Problem::of_file(&place.path, error.to_string(), fix)]))
        }
    }
}
