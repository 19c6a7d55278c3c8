//! Whether a policy can come into force.

use crate::core::digest::Digest;
use crate::core::policy::Policy;
use crate::core::submitter::Adapter;
use crate::gate::hook::engine_failure;
use crate::gate::policy_source::PolicyError;
use crate::system::{Failure, Result, say, say_fix};

/// A policy that asks who pushes needs somebody who says so.
pub(super) fn check_submitters(policy: &Policy, adapter: Option<Adapter>) -> Result<()> {
    if adapter.is_some_and(|adapter| adapter != Adapter::None) {
        return Ok(());
    }
    let kinds: Vec<&str> = Adapter::ALL.iter().map(|adapter| adapter.name()).collect();
    let hint = format!("add --submitter KIND, one of {}", kinds.join(", "));
    if policy.asks_for_submitter() {
        return Err(Failure::new("the policy says who may push, and nothing says who pushes").hint(hint));
    }
    if policy.asks_for_independence() {
        say(
            "warning: the policy asks for independent approvals, and nothing says who pushes: an approval by who pushes counts",
        );
        say(&format!("hint: {hint}"));
    }
    Ok(())
}

/// What a policy in force goes on with, another may not come into force with.
pub(in crate::server) fn check_new(policy: &Policy, in_force: Option<Digest>) -> Result<()> {
    let problems = policy.problems_if_new(in_force);
    if !problems.is_empty() {
        return Err(engine_failure(&PolicyError::Invalid(problems).into()));
    }
    for problem in policy.tolerated() {
        say(&problem.to_string());
        say_fix(&problem);
    }
    Ok(())
}
