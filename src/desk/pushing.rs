//! pre-push: the server's engine decides beforehand, on what this clone knows.

use std::io::Read as _;

use crate::core::decide::{Area, Severity, Verdict};
use crate::core::report::{self, Audience};
use crate::desk::check::{has_findings, judge_locally, say_that_hooks_are_lost, take_out_what_is_cut_off};
use crate::desk::clone::{Local, TrackedRefs, settings, tracked_commit};
use crate::desk::hooks::{Chained, run_other};
use crate::gate::push::{Push, RefUpdate};
use crate::system::{Exit, Failure, Result, characters, say, stderr, stdin};

pub(crate) struct PrePush {
    pub(crate) chained: Chained,
    /// The remote's name
    pub(crate) remote: String,
    /// Where it is
    pub(crate) url: String,
}

/// Asks the server's engine, with what this clone knows, before anything is sent.
pub(crate) fn pre_push(hook: PrePush) -> Result {
    let mut input = Vec::new();
    stdin().lock().read_to_end(&mut input).map_err(Failure::new)?;
    if let Some(other) = hook.chained.runnable()
        && !run_other(&other, &[hook.remote.as_ref(), hook.url.as_ref()], Some(&input))?
    {
        return Ok(Exit::Rejected);
    }
    say_that_hooks_are_lost()?;
    let settings = settings(&[], None)?;
    if settings.policies.is_empty() {
        return Ok(Exit::Accepted);
    }
    let local = Local::open()?;
    let refs = TrackedRefs { local: &local, remote: hook.remote };
    let mut updates = Vec::new();
    for update in Push::parse_pre_push(&input).map_err(Failure::new)?.updates {
        let old = match update.old {
            Some(old) if local.objects.contains(old).map_err(Failure::new)? => Some(old),
            Some(_) => tracked_commit(&refs, &String::from_utf8_lossy(&update.name))?,
            None => None,
        };
        updates.push(RefUpdate { old, ..update });
    }
    let mut verdict = judge_locally(&settings, &local, &refs, updates)
        .map_err(|failure| failure.hint("to leave the decision to the server:\ngit push --no-verify"))?;
    if local.is_shallow() && take_out_what_is_cut_off(&mut verdict) {
        say(&format!(
            "countersign: this clone is shallow, so the server alone decides; git fetch --unshallow {} to be told beforehand",
            refs.remote
        ));
    }
    let ends_here = concerns_identity(&verdict) || Exit::from(&verdict) == Exit::Undecided;
    let reader = if ends_here { Audience::Checker } else { Audience::Client };
    let report = report::text(&verdict, reader, characters(&stderr()));
    if has_findings(&verdict) || Exit::from(&verdict) != Exit::Accepted {
        say(report.trim_end());
    }
    if concerns_identity(&verdict) {
        return Ok(Exit::Rejected);
    }
    if Exit::from(&verdict) != Exit::Accepted {
        say("hint: pushing all the same: the server decides");
    }
    Ok(Exit::Accepted)
}

/// Whether something is wrong that the pusher can mend and the server will not overlook.
fn concerns_identity(verdict: &Verdict) -> bool {
    let errors =
        verdict.refs.iter().flat_map(|one| &one.findings).filter(|finding| finding.severity == Severity::Error);
    errors.into_iter().any(|finding| finding.code.area() == Area::Work)
}
