//! `approve --list`: the approvals that there are, and what waits for one.

use std::collections::BTreeSet;
use std::path::Path;

use crate::core::approval::{Approval, ApprovalPlace, ClaimedApproval, Decision, PREFIX, VerifiedApproval};
use crate::core::canonical::Time;
use crate::core::decide::{ApprovedBy, Area, approver};
use crate::core::digest::Digest;
use crate::core::id::Id;
use crate::core::limits;
use crate::core::oid::Oid;
use crate::core::policy::{KeyStatus, Mode};
use crate::core::report::escape;
use crate::desk::approve::compose::Work;
use crate::desk::approve::key::Approver;
use crate::desk::approve::{ApprovalContext, Remote};
use crate::desk::check::judge_locally;
use crate::desk::clone::TrackedRefs;
use crate::gate::push::RefUpdate;
use crate::system::process::git;
use crate::system::{Exit, Failure, Result, now, print};

/// Lists everything for the given refs, or for all that rules name or records are for.
pub(super) fn run(context: &ApprovalContext, remote: &Remote, targets: &[String], key: Option<&Path>) -> Result {
    let me = Approver::find(key, &context.policy).ok();
    let asking = context.policy.rules().iter().filter(|rule| rule.mode != Mode::Off && rule.approvals.is_some());
    let named: BTreeSet<String> = asking.flat_map(|rule| rule.literal_refs().map(str::to_owned)).collect();
    let wanted: BTreeSet<String> = if targets.is_empty() { named } else { targets.iter().cloned().collect() };
    let mut text = String::new();
    for target in wanted.iter().filter(|target| remote.refs.contains_key(*target)) {
        text += &pending(context, remote, target, me.as_ref())?;
    }
    for (name, blob) in stored(context, PREFIX)? {
        let place = ApprovalPlace::parse(&name).filter(|place| targets.is_empty() || wanted.contains(&place.target));
        let Some(place) = place else { continue };
        let (state, why) = match remote.refs.get(&place.to_string()) {
            Some(there) if *there == blob => state(context, remote, &place, blob)?,
            // The remote has a later one, which was fetched under another name or not at all.
            Some(_) => continue,
            // What landed or expired may have left the remote; what still counts never reached it.
            None => match state(context, remote, &place, blob)? {
                ("valid", _) => ("kept", format!("only this clone has it: git push {} +{place}", remote.name)),
                _ => continue,
            },
        };
        let target = place.target.strip_prefix("refs/heads/").unwrap_or(&place.target).to_owned();
        let change: String = place.change.to_string().chars().take(12).collect();
        let by = by(context, &place, blob)?;
        text += &format!("{state:<8} {change} for {} by {by}: {why}\n", escape(target.as_bytes(), 200));
    }
    print(if text.is_empty() { "There are no approvals, and nothing waits for one.\n" } else { &text })?;
    Ok(Exit::Accepted)
}

/// Who approved, and at whose word.
fn by(context: &ApprovalContext, place: &ApprovalPlace, blob: Oid) -> Result<String> {
    let Some(service) = &place.service else { return Ok(place.approver.to_string()) };
    let where_given = record(context, blob)?.and_then(|approval| approval.attested).map(|attested| {
        let [account, request] = [&attested.account, &attested.request].map(|text| escape(text.as_bytes(), 200));
        format!(" as {account} at {request}")
    });
    Ok(format!("{} (attested by {service}{})", place.approver, where_given.unwrap_or_default()))
}

/// What a stored record says, where it is one.
fn record(context: &ApprovalContext, blob: Oid) -> Result<Option<Approval>> {
    let limit = u64::try_from(limits::APPROVAL_BYTES).unwrap_or(u64::MAX);
    let json = context.local.objects.blob(blob, limit).map_err(Failure::new)?;
    Ok(ClaimedApproval::parse(&json).ok().map(|claimed| claimed.approval().clone()))
}

/// The records at a service's word, for whatever ref.
pub(super) fn records_of(context: &ApprovalContext, service: &str) -> Result<Vec<(ApprovalPlace, Approval)>> {
    let mut found = Vec::new();
    for (name, blob) in stored(context, PREFIX)? {
        let place = ApprovalPlace::parse(&name);
        let place = place.filter(|place| place.service.as_ref().is_some_and(|own| own.as_str() == service));
        let Some(place) = place else { continue };
        found.extend(record(context, blob)?.map(|approval| (place, approval)));
    }
    Ok(found)
}

/// The records of one person for a target.
pub(super) fn records_by(
    context: &ApprovalContext,
    target: &str,
    person: &Id,
) -> Result<Vec<(ApprovalPlace, Approval)>> {
    let mut found = Vec::new();
    for (name, blob) in stored(context, &ApprovalPlace::of_target(target))? {
        let place = ApprovalPlace::parse(&name).filter(|place| place.target == target && place.approver == *person);
        let Some(place) = place else { continue };
        found.extend(record(context, blob)?.map(|approval| (place, approval)));
    }
    Ok(found)
}

/// The persons whose stored approvals of a change hold.
pub(super) fn holding(context: &ApprovalContext, target: &str, change: Digest) -> Vec<String> {
    let places = stored(context, &ApprovalPlace::of_target(target)).unwrap_or_default();
    let same = places
        .into_iter()
        .filter_map(|(name, blob)| Some((ApprovalPlace::parse(&name).filter(|place| place.change == change)?, blob)));
    let holds = same.filter(|(place, blob)| matches!(standing(context, place, *blob), Ok(Ok(_))));
    holds.map(|(place, _)| place.approver.to_string()).collect()
}

/// When the record at a place was issued, as far as this clone has seen it.
pub(super) fn issued(context: &ApprovalContext, place: &ApprovalPlace) -> Option<Time> {
    let blob = context.local.refs.value(&place.to_string()).ok()??;
    record(context, blob).ok()?.map(|approval| approval.issued)
}

/// The branches whose commits the rules of a target would refuse for want of approvals.
fn pending(context: &ApprovalContext, remote: &Remote, target: &str, me: Option<&Approver<'_>>) -> Result<String> {
    let refs = TrackedRefs { local: &context.local, remote: remote.name.clone() };
    let mut text = String::new();
    for (name, tip) in &remote.refs {
        let Some(branch) = name.strip_prefix("refs/heads/").filter(|_| name != target) else { continue };
        let old = remote.refs.get(target).copied();
        if old.is_some_and(|old| is_ancestor(*tip, old).unwrap_or(false)) {
            continue;
        }
        let update = RefUpdate { name: target.as_bytes().into(), old, new: Some(*tip), claimed: None };
        let verdict = judge_locally(&context.settings, &context.local, &refs, vec![update])?;
        let findings =
            verdict.refs.iter().flat_map(|one| &one.findings).filter(|finding| finding.code.area() == Area::Approval);
        let Some(first) = findings.clone().next() else { continue };
        // Whoever has approved already waits for others.
        let by_me = me.is_some_and(|me| {
            let work = Work::find(context, remote, branch, target);
            work.is_ok_and(|work| holding(context, target, work.change).contains(&me.person.id.to_string()))
        });
        let branch = escape(branch.as_bytes(), 200);
        let target = escape(target.strip_prefix("refs/heads/").unwrap_or(target).as_bytes(), 200);
        text += &format!(
            "{:<8} {branch} for {target}: {}{}\n",
            "pending",
            escape(first.detail.as_bytes(), 200),
            if by_me { " (you have approved it)" } else { "" }
        );
    }
    Ok(text)
}

/// What a stored record is worth now, and why.
fn state(
    context: &ApprovalContext,
    remote: &Remote,
    place: &ApprovalPlace,
    blob: Oid,
) -> Result<(&'static str, String)> {
    let approval = match standing(context, place, blob)? {
        Ok(approval) => approval,
        Err(why) => return Ok(("void", why)),
    };
    let (head, expires) = (approval.approval().head.0, approval.approval().expires);
    let target = remote.refs.get(&place.target);
    if target.is_some_and(|target| is_ancestor(head, *target).unwrap_or(false)) {
        return Ok(("spent", format!("{} has landed", head.short())));
    }
    // Whether the rules would count it is asked where `approve` asks it before anybody signs.
    if let Ok(work) = Work::find(context, remote, &head.to_string(), &place.target)
        && let Err(why) =
            work.check_that_it_counts(&context.policy, &place.target, (&place.approver, signed_by(&approval)))
    {
        return Ok(("void", why.message));
    }
    match remote.refs.iter().find(|(name, tip)| name.starts_with("refs/heads/") && **tip == head) {
        Some((name, _)) => {
            let branch = name.strip_prefix("refs/heads/").unwrap_or(name);
            Ok(("valid", format!("{} on {}, until {expires}", head.short(), escape(branch.as_bytes(), 200))))
        }
        None => Ok(("valid", format!("{}, which no branch points at now, until {expires}", head.short()))),
    }
}

/// What an approval is signed with.
fn signed_by(approval: &VerifiedApproval) -> ApprovedBy<'_> {
    match &approval.approval().attested {
        None => ApprovedBy::Key(approval.signature().key()),
        Some(attested) => ApprovedBy::Word(&attested.service),
    }
}

/// The approval at a place, or why it counts for nothing whatever the rules ask.
fn standing(
    context: &ApprovalContext,
    place: &ApprovalPlace,
    blob: Oid,
) -> Result<std::result::Result<VerifiedApproval, String>> {
    let limit = u64::try_from(limits::APPROVAL_BYTES).unwrap_or(u64::MAX);
    let Ok(json) = context.local.objects.blob(blob, limit) else { return Ok(Err("it is no record".to_owned())) };
    let approval = match ClaimedApproval::parse(&json).and_then(ClaimedApproval::verify) {
        Ok(approval) => approval,
        Err(error) => return Ok(Err(format!("it is no record: {error}"))),
    };
    let (said, key, now) = (approval.approval(), approval.signature().key(), now()?);
    let why = if let Err(words) = approver(&context.policy, &|_| true, (said, key)) {
        words
    } else if context.policy.key_status(key, now) != KeyStatus::Good {
        format!("its key {} is revoked", key.fingerprint())
    } else if said.repository != context.repository.as_str() || ApprovalPlace::of(said).as_ref() != Some(place) {
        "it is for something else".to_owned()
    } else if said.decision == Decision::Withdraw {
        format!("withdrawn on {}", said.issued)
    } else if said.issued.0.0 > now.0.saturating_add(limits::CLOCK_SKEW) {
        format!("issued in the future, on {}", said.issued)
    } else if said.expires.0 < now {
        format!("expired on {}", said.expires)
    } else {
        return Ok(Ok(approval));
    };
    Ok(Err(why))
}

fn stored(context: &ApprovalContext, prefix: &str) -> Result<Vec<(Vec<u8>, Oid)>> {
    context.local.refs.list(prefix).map_err(Failure::new)
}

fn is_ancestor(old: Oid, new: Oid) -> Result<bool> {
    git(&["merge-base", "--is-ancestor", &old.to_string(), &new.to_string()]).reading_what_is_stored().succeeds()
}
