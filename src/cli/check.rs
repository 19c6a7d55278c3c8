//! `countersign check`: the server's engine on what a clone knows.

use clap::{Args, ValueEnum};

use super::engine::{NoMemory, Scene, Settings, judge};
use super::hook::{engine_failure, exit_of};
use super::local::{Local, TrackedRefs, settings, tracked_commit};
use super::policy_source::PolicyArg;
use super::push::{Push, RefUpdate};
use super::{Failure, Result, characters, now, print};
use crate::core::decide::{Code, Verdict};
use crate::core::report::{self, Reader};
use crate::core::submitter::Submitter;

#[derive(Args)]
pub(super) struct Arguments {
    /// The commits to check: OLD..NEW, or NEW alone to start from the ref as last fetched
    #[arg(value_name = "RANGE", default_value = "HEAD")]
    range: String,
    /// The ref they would be pushed to: a full name, or a branch
    #[arg(long = "for", value_name = "REF")]
    name: String,
    /// A policy instead of the configured one; all given hold together
    #[arg(long = "policy", value_name = "FILE|ref:REF:PATH")]
    policies: Vec<PolicyArg>,
    /// The remote whose branches are compared with
    #[arg(long, default_value = "origin")]
    remote: String,
    /// How to print the verdict
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// How a verdict is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Lines for people and models.
    Text,
    /// One line of JSON with `schema: 1`.
    Json,
}

pub(super) fn run(arguments: Arguments) -> Result {
    let local = Local::open()?;
    let refs = TrackedRefs { local: &local, remote: arguments.remote };
    let settings = settings(&arguments.policies, None)?;
    if settings.policies.is_empty() {
        return Err(Failure::new(
            "no policy: there is no .countersign/policy.toml and git config countersign.policy is not set",
        )
        .hint("countersign check --policy FILE --for REF, or countersign init for a starter policy"));
    }
    let name = full_name(&arguments.name);
    let update = match arguments.range.split_once("..") {
        Some((old, new)) => RefUpdate {
            name: name.clone().into_bytes(),
            old: Some(local.commit(old)?),
            new: Some(local.commit(if new.is_empty() { "HEAD" } else { new })?),
            claimed: None,
        },
        None => RefUpdate {
            name: name.clone().into_bytes(),
            old: tracked_commit(&refs, &name)?,
            new: Some(local.commit(&arguments.range)?),
            claimed: None,
        },
    };
    let verdict = judge_locally(&settings, &local, &refs, vec![update])?;
    match arguments.format {
        Format::Text => {
            print(&report::text(&verdict, Reader::Checker, characters(&std::io::stdout())))?;
            let codes = verdict.refs.iter().flat_map(|one| &one.findings).map(|finding| finding.code);
            if codes.into_iter().any(|code| matches!(code, Code::ApprovalMissing | Code::ApprovalVoid)) {
                print("hint: approvals count here as last fetched: countersign approve --list fetches them\n")?;
            }
        }
        Format::Json => print(&(report::json(&verdict).map_err(Failure::new)? + "\n"))?,
    }
    Ok(exit_of(&verdict))
}

/// Runs the server's engine over updates, with the remote's refs as last fetched.
pub(super) fn judge_locally(
    settings: &Settings,
    local: &Local,
    refs: &TrackedRefs<'_>,
    updates: Vec<RefUpdate>,
) -> Result<Verdict> {
    let moving = updates.into_iter().filter(|update| update.old != update.new).collect();
    let push = Push { updates: moving, format: local.objects.format() };
    let scene = Scene {
        dir: &local.dir,
        objects: &local.objects,
        refs,
        memory: &NoMemory,
        submitter: &Submitter::Unasked,
        now: now()?,
    };
    judge(settings, &push, scene).map(|judgement| judgement.verdict).map_err(|error| engine_failure(&error))
}

/// A branch name stands for the branch.
pub(super) fn full_name(name: &str) -> String {
    if name.starts_with("refs/") { name.to_owned() } else { format!("refs/heads/{name}") }
}
