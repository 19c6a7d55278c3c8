//! `order-malformed`: what is stored as an order is one, by somebody who may give it.
//!
//! As for approvals, anyone may carry it, its name may say only what it says itself, and nobody deletes one: a freeze ends by a thaw.

use super::records::{NOT_LATER, comes_later};
use super::{Code, Findings, UpdateContext};
use crate::core::canonical::Time;
use crate::core::facts::OrderUpdate;
use crate::core::limits;
use crate::core::order::{Act, OrderPlace, Topic, VerifiedOrder, Whom, entitled};
use crate::core::policy::KeyStatus;

/// Judges an update at the place of an order.
pub(super) fn judge(context: &UpdateContext<'_>, update: &OrderUpdate, findings: &mut Findings<'_>) {
    let Some(place) = &update.place else { return };
    match &update.record {
        None => {
            let detail = "an order is not deleted".to_owned();
            let hint = match &place.topic {
                Topic::Freeze(whom) => {
                    format!("a freeze ends by another order:\n{}", command(&Topic::Thaw(whom.clone())))
                }
                Topic::Thaw(_) | Topic::Revoke(..) | Topic::RevokeAll(_) | Topic::Override(_) => {
                    "leave it; it is over with time, or by a later one".to_owned()
                }
            };
            findings.protect(Code::DeleteDenied, detail, hint);
        }
        Some(Err(error)) => {
            let hint = format!("make it with a command, which delivers it too:\n{}", command(&place.topic));
            refuse(findings, format!("it is no order: {error}"), &hint);
        }
        Some(Ok(order)) => judge_order(context, (update, place), order, findings),
    }
}

/// The command that makes such an order.
pub(super) fn command(topic: &Topic) -> String {
    let whom = |whom: &Whom| match whom {
        Whom::Agent(id) => id.to_string(),
        Whom::Tool(id) => format!("tool:{id}"),
        Whom::All => "all".to_owned(),
    };
    match topic {
        Topic::Freeze(of) => format!("countersign freeze {} --because TEXT", whom(of)),
        Topic::Thaw(of) => format!("countersign thaw {} --because TEXT", whom(of)),
        Topic::Revoke(agent, serial) => format!("countersign grant revoke {agent}:{serial} --because TEXT"),
        Topic::RevokeAll(agent) => format!("countersign grant revoke {agent} --because TEXT"),
        Topic::Override(_) => "countersign override REF --from OLD --to NEW --code CODE --because TEXT".to_owned(),
    }
}

fn refuse(findings: &mut Findings<'_>, detail: String, hint: &str) {
    findings.protect(Code::OrderMalformed, detail, hint.to_owned());
}

fn judge_order(
    context: &UpdateContext<'_>,
    (update, place): (&OrderUpdate, &OrderPlace),
    record: &VerifiedOrder,
    findings: &mut Findings<'_>,
) {
    let (policy, facts, now) = (context.policy, context.facts, context.now);
    let order = record.order();
    if order.place() != *place {
        let detail = format!("its place is {}", order.place());
        refuse(findings, detail, "store it under the name that it has");
    }
    let by = match entitled(policy, facts.repository.as_ref(), record) {
        Ok(by) => Some(by),
        Err(objection) => {
            refuse(findings, objection.0, "somebody whom the policy lets gives the order, with a key of their own");
            None
        }
    };
    let key = record.signature().key();
    if policy.key_status(key, now) == KeyStatus::Retired {
        let detail = format!("it is signed with the retired key {}", key.fingerprint());
        refuse(findings, detail, "sign it with a key that is in use");
    }
    if let (Act::Thaw { whom }, Some(by)) = (&order.act, by)
        && !facts.orders.may_thaw(policy, by, whom)
    {
        let detail = format!("{} has not frozen {}, and may not end freezes of others", by.id, whom.words());
        refuse(findings, detail, "ask who froze it, one of [orders] thaw, or an admin of the server");
    }
    if order.issued.0.0 > now.0.saturating_add(limits::CLOCK_SKEW) {
        let detail = format!("it is dated {}, which is not yet", order.issued);
        refuse(findings, detail, "set the clock of the machine that signed it right, and make it again");
    }
    if let Some(end) = order.expires.filter(|_| order.is_over(now)) {
        refuse(findings, format!("it was over at {}", Time(end.0)), "make it again");
    }
    if !comes_later(order.issued.0, update.replaces) {
        refuse(findings, NOT_LATER.to_owned(), "make it again");
    }
    let (count, bytes) = update.stored;
    if count > limits::ORDERS_OF_ONE || bytes > limits::ORDERS_OF_ONE_BYTES {
        let detail = format!(
            "{} orders of {bytes} bytes by {} would be stored, and {} of {} bytes may be",
            count,
            order.by.id(),
            limits::ORDERS_OF_ONE,
            limits::ORDERS_OF_ONE_BYTES
        );
        refuse(findings, detail, "wait until some are over, or revoke all grants of an agent with one order");
    }
}

#[cfg(test)]
mod tests;
