//! The namespace of records, which has rules of its own and no others: approvals, and orders ([`super::orders`]), each issued later than the
//! one it replaces, and nothing else.
//!
//! Anyone may carry a record here, as only its signature counts. Its name says for which ref, which change and by whom, so that approvers
//! never wait for each other, and it may say only what the record says. Nobody deletes one: a withdrawal is a record too, and takes the
//! place of what it withdraws.

use super::hint::{Hint, ref_word};
use super::{Code, Findings, Timestamp, UpdateContext, approver, orders};
use crate::core::approval::{ApprovalPlace, VerifiedApproval};
use crate::core::facts::RecordUpdate;
use crate::core::policy::KeyStatus;

/// What every name of ours begins with, whatever its case.
const NAMESPACE: &[u8] = b"refs/countersign/";

/// Judges an update of a ref of ours.
pub(super) fn judge(context: &UpdateContext<'_>, findings: &mut Findings<'_>) {
    let update = context.update;
    let ours = update.name.get(..NAMESPACE.len()).is_some_and(|start| start.eq_ignore_ascii_case(NAMESPACE));
    if !ours {
        return;
    }
    if let Some(order) = update.order.as_ref().filter(|order| order.place.is_some()) {
        return orders::judge(context, order, findings);
    }
    let place = update.record.as_ref().and_then(|record| Some((record, record.place.as_ref()?)));
    let Some((record, place)) = place else {
        let detail = "only approvals and orders are stored under refs/countersign/, each in its place".to_owned();
        let hint =
            "who approves or orders stores them with a command of its own; push other things under refs/heads/ or refs/tags/"
                .to_owned();
        return findings.protect(Code::RefDenied, detail, hint);
    };
    match record.record.as_deref() {
        None => {
            let detail = "an approval is not deleted".to_owned();
            let digits: String = place.change.to_string().chars().take(12).collect();
            let target = ref_word(place.target.as_bytes());
            let withdraw = format!("countersign approve --withdraw {digits} --for {target}");
            let hint = Hint::new().run("whose it is takes it back", [withdraw]).text();
            findings.protect(Code::DeleteDenied, detail, hint);
        }
        Some(Err(error)) => {
            let approve = format!("countersign approve BRANCH --for {}", ref_word(place.target.as_bytes()));
            let hint = Hint::new().run("make it, of the branch that is approved", [approve]).text();
            findings.protect(Code::ApprovalMalformed, format!("it is no approval: {error}"), hint);
        }
        Some(Ok(approval)) => judge_record(context, record, place, approval, findings),
    }
}

fn judge_record(
    context: &UpdateContext<'_>,
    record: &RecordUpdate,
    place: &ApprovalPlace,
    approval: &VerifiedApproval,
    findings: &mut Findings<'_>,
) {
    let UpdateContext { policy, facts, now, .. } = *context;
    let said = approval.approval();
    let approve = format!("countersign approve {} --for {}", said.head.0.abbreviated(), ref_word(said.name.as_bytes()));
    let again = Hint::new().run("make it again", [approve.clone()]).text();
    if ApprovalPlace::of(said).as_ref() != Some(place) {
        let detail = format!("it is {} of another change, or for another ref, than its place says", said.noun());
        findings.protect(Code::ApprovalMalformed, detail, again.clone());
    }
    if facts.repository.as_ref().is_none_or(|name| name.as_str() != said.repository) {
        let detail = format!("it is for the repository {}", said.repository);
        findings.protect(Code::ApprovalMalformed, detail, again.clone());
    }
    if let Err(objection) = approver::counted(policy, &|_| true, (said, approval.signature().key())) {
        let hint =
            Hint::new().run("a registered person approves, with a key of their own", [format!("{approve} --key FILE")]);
        findings.protect(objection.code, objection.words, hint.text());
    }
    if policy.key_status(approval.signature().key(), now) == KeyStatus::Revoked {
        let detail = format!("it is signed with the revoked key {}", approval.signature().key().fingerprint());
        findings.protect(Code::ApproverNotAllowed, detail, again.clone());
    }
    if !comes_later(said.issued.0, record.replaces) {
        findings.protect(Code::ApprovalVoid, NOT_LATER.to_owned(), again);
    }
}

/// Whether a record may take the place of the one that is there.
pub(super) fn comes_later(issued: Timestamp, replaces: Option<Timestamp>) -> bool {
    replaces.is_none_or(|before| issued > before)
}

/// What is said of one that may not.
pub(super) const NOT_LATER: &str = "the record that is there was not issued before it";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::approval::{Approval, ClaimedApproval};
    use crate::core::canonical::Time;
    use crate::core::decide::Timestamp;
    use crate::core::decide::story::*;
    use crate::core::landing::Use;

    /// A push that stores an approval of Bob's, spoiled in one thing.
    fn stores(by: u8, spoil: impl FnOnce(&mut Approval), update: impl FnOnce(&mut RecordUpdate)) -> String {
        let (mut approval, place) = (approval_of(0..=0), place_of(&approval_of(0..=0)));
        spoil(&mut approval);
        let mut record =
            RecordUpdate { place: Some(place), record: Some(stored(&approval, by, Use::Fresh).record), replaces: None };
        update(&mut record);
        let name = b"refs/countersign/approvals/heads/main/0/bob".as_slice().into();
        Story::under("").moves(|moved| (moved.name, moved.record) = (name, Some(record))).report()
    }

    #[test]
    fn a_record_is_a_person_s_and_stands_in_its_place() {
        insta::assert_snapshot!("good", stores(BOB, |_| {}, |_| {}));
        insta::assert_snapshot!("for_another_ref", stores(BOB, |one| one.name = "refs/heads/other".into(), |_| {}));
        insta::assert_snapshot!(
            "for_another_repository",
            stores(BOB, |one| one.repository = "acme/other".into(), |_| {})
        );
        insta::assert_snapshot!("by_an_agent", stores(CLAUDE, |_| {}, |_| {}));
        insta::assert_snapshot!("by_a_stranger", stores(STRANGER, |_| {}, |_| {}));
        insta::assert_snapshot!("by_a_revoked_key", stores(REVOKED, |_| {}, |_| {}));
        let malformed =
            |record: &mut RecordUpdate| record.record = Some(Err(ClaimedApproval::parse(b"{}").unwrap_err()).into());
        insta::assert_snapshot!("no_record", stores(BOB, |_| {}, malformed));
        insta::assert_snapshot!("nowhere", stores(BOB, |_| {}, |record| record.place = None));
    }

    #[test]
    fn a_record_is_replaced_by_a_later_one_and_never_deleted() {
        let replaces = |record: &mut RecordUpdate| record.replaces = Some(Timestamp(NOW.0 - 60));
        insta::assert_snapshot!("later", stores(BOB, |one| one.issued = Time(Timestamp(NOW.0 - 59)), replaces));
        insta::assert_snapshot!("as_old", stores(BOB, |_| {}, replaces));
        insta::assert_snapshot!("deleted", stores(BOB, |_| {}, |record| record.record = None));
    }

    #[test]
    fn nothing_else_lies_among_our_names() {
        for (name, of_ref) in [("ours_by_case", "refs/Countersign/x"), ("not_ours", "refs/countersigned/x")] {
            insta::assert_snapshot!(
                name,
                Story::under("").moves(|update| update.name = of_ref.as_bytes().into()).report()
            );
        }
    }
}
