//! `agent-frozen`: an agent that somebody has stopped neither pushes nor is anything taken that it signed and that was first seen since.
//!
//! It holds on every ref, whatever its rules ask, and from the next hook on. What was seen before goes where it may.

use super::orders::command;
use super::submitter::principal;
use super::{Code, Findings, UpdateContext};
use crate::core::order::{By, Freeze, Topic};
use crate::core::policy::{Policy, Principal, PrincipalKind};
use crate::core::submitter::Submitter;

pub(super) fn judge(context: &UpdateContext<'_>, findings: &mut Findings<'_>) {
    let UpdateContext { policy, facts, update, now } = *context;
    if !facts.orders.freeze_anybody() || update.order.is_some() {
        return;
    }
    if let Submitter::Said(said) = &facts.submitter
        && let Ok(pusher) = principal(policy, &said.who, now)
        && let Some(freeze) = frozen(context, pusher)
    {
        let detail = format!("agent {} pushes, and {}", pusher.id, freeze.words());
        findings.protect(Code::AgentFrozen, detail, hint(policy, freeze));
    }
    for work in &update.frozen {
        let agent = policy.principal(&work.agent);
        let Some(freeze) = agent.and_then(|agent| frozen(context, agent)) else { continue };
        let detail = format!("{} signed it, and {}", work.agent, freeze.words());
        findings.protect_from(Code::AgentFrozen, work.subject.clone(), detail, hint(policy, freeze));
    }
}

fn frozen<'a>(context: &UpdateContext<'a>, agent: &Principal) -> Option<&'a Freeze> {
    context.facts.orders.freeze_of(agent).filter(|_| agent.kind == PrincipalKind::Agent)
}

fn hint(policy: &Policy, freeze: &Freeze) -> String {
    let mut may: Vec<String> = vec![freeze.by.id().to_string()];
    if let By::Agent(itself) = &freeze.by {
        let owner = policy.principal(itself).and_then(|agent| agent.owner.as_ref());
        may = owner.map(ToString::to_string).into_iter().collect();
    }
    may.extend(policy.order_terms().values().flat_map(|terms| &terms.thaw).map(ToString::to_string));
    may.dedup();
    let who = if may.is_empty() { "an admin of the server".to_owned() } else { may.join(" or ") };
    format!("when that is settled, {who} ends it:\n{}", command(&Topic::Thaw(freeze.whom.clone())))
}

#[cfg(test)]
mod tests;
