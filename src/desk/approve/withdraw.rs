//! `approve --withdraw`: the record that takes an earlier one back says the same of the same commits, wherever these are now.

use crate::core::approval::{Approval, Decision};
use crate::core::canonical::Time;
use crate::core::decide::Timestamp;
use crate::core::oid::Oid;
use crate::core::policy::Span;
use crate::core::report::escape;
use crate::desk::approve::key::Approver;
use crate::desk::approve::{ApprovalContext, Remote, list, place_of, shown};
use crate::system::{Failure, Result, now};

/// Which approval is taken back.
pub(super) struct Wanted<'a> {
    /// What it is of: a branch, a commit, or the digits by which `--list` names it.
    pub(super) what: &'a str,
    /// The ref that it is for.
    pub(super) target: &'a str,
    /// How long the withdrawal is kept.
    pub(super) expires: Span,
}

/// What withdraws the approver's approval.
pub(super) fn approval(
    context: &ApprovalContext,
    remote: &Remote,
    approver: &Approver<'_>,
    wanted: Wanted<'_>,
) -> Result<Approval> {
    let Wanted { what, target, expires } = wanted;
    let named = remote.branch(what).or_else(|| context.local.commit(what).ok());
    let mut found: Vec<Approval> = Vec::new();
    for (place, approval) in list::records_by(context, target, &approver.person.id)? {
        let by_change = what.len() >= 7 && place.change.to_string().starts_with(what);
        if approval.decision == Decision::Approve && (by_change || named == Some(approval.head.0)) {
            found.push(approval);
        }
    }
    // A service takes back what it attested; a person also that, where they signed nothing themselves.
    let is_own = |approval: &Approval| match (&approver.attested, &approval.attested) {
        (None, attested) => attested.is_none(),
        (Some(own), attested) => attested.as_ref().is_some_and(|one| one.service == own.service),
    };
    if approver.attested.is_some() || found.iter().any(is_own) {
        found.retain(is_own);
    }
    let (what, target) = (escape(what.as_bytes(), 200), escape(target.as_bytes(), 200));
    let hint = format!(
        "name one with --withdraw and its first digits; to see them:\ncountersign approve --list --for {target}"
    );
    match found.pop() {
        None => {
            let who = &approver.person.id;
            Err(Failure::new(format!("there is no approval of {what} for {target} by {who}")).hint(hint))
        }
        Some(_) if !found.is_empty() => {
            Err(Failure::new(format!("there are several approvals of {what} for {target}")).hint(hint))
        }
        Some(approval) => withdrawal(context, approver, &approval, expires),
    }
}

/// What takes an approval back.
pub(super) fn withdrawal(
    context: &ApprovalContext,
    approver: &Approver<'_>,
    approval: &Approval,
    expires: Span,
) -> Result<Approval> {
    let mut record = approval.clone();
    record.decision = Decision::Withdraw;
    record.attested.clone_from(&approver.attested);
    record.comment = None;
    // A record counts only if it is issued later than what it takes back, and than the one in its place.
    let before = place_of(&record)?;
    let before = list::issued(context, &before).into_iter().chain([approval.issued]).max();
    let issued = before.map_or(0, |before| before.0.0.saturating_add(1)).max(now()?.0);
    record.issued = Time(Timestamp(issued));
    record.expires = Time(Timestamp(issued.saturating_add(expires.seconds)));
    Ok(record)
}

/// What the approver sees before signing.
pub(super) fn text(context: &ApprovalContext, approval: &Approval, approver: &Approver<'_>) -> String {
    let mut text = shown::heading(approval, approver);
    text.push('\n');
    for commit in &approval.commits {
        text += &format!("{} {}\n", commit.id.0.short(), summary(context, commit.id.0));
    }
    text
}

/// The first line of a commit's message, where this clone has the commit.
fn summary(context: &ApprovalContext, id: Oid) -> String {
    let raw = context.local.objects.commit(id).unwrap_or_default();
    let message = raw.windows(2).position(|pair| pair == b"\n\n").and_then(|at| raw.get(at + 2..)).unwrap_or_default();
    escape(message.split(|byte| *byte == b'\n').next().unwrap_or_default(), 100)
}
