//! Whether the policy asks anything.

use super::Check;
use crate::core::policy::{Identity, Mode, Policy};
use crate::doctor::gate::Examined;
use crate::doctor::report::Report;

/// Returns whether it does.
pub(in crate::doctor) fn examine(examined: &Examined<'_>, policy: &Policy, report: &mut Report) -> bool {
    let place = &examined.seen.place;
    let asks = |rule: &crate::core::policy::Rule| {
        rule.mode == Mode::Enforce && (rule.identity != Identity::None || rule.approvals.is_some())
    };
    let asks = policy.rules().iter().any(asks);
    if !asks {
        let message = "no enforcing rule asks who made a commit or who approved it, so any commit passes";
        let fix = "add a rule with identity = \"agents\", or take mode = \"warn\" off one";
        report.error(place, Check::AsksNothing, message, fix);
    }
    asks
}
