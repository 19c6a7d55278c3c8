//! `countersign check`: the server's engine on what a clone knows.

use crate::core::commit::Commit;
use crate::core::decide::{Code, Severity, Undecided, Verdict};
use crate::core::id::RepositoryName;
use crate::core::oid::Oid;
use crate::core::report::{self, Audience, escape};
use crate::core::submitter::Submitter;
use crate::desk::approve::Remote;
use crate::desk::clone::{Local, TrackedRefs, desk_failure, settings, tracked_commit};
use crate::desk::install::lost;
use crate::gate::engine::{EngineError, NoMemory, PushContext, Settings, judge};
use crate::gate::policy_source::PolicyArg;
use crate::gate::push::{Push, RefUpdate};
use crate::gate::session::Session;
use crate::system::process::git;
use crate::system::{Exit, Failure, Result, characters, now, print, say, stdout};

/// What is decided beforehand, and how it is printed.
pub(crate) struct Request {
    /// The commits to check: OLD..NEW, or NEW alone to start from the ref as last fetched; for a tag, NEW is the tag
    pub(crate) range: String,
    /// The ref they would be pushed to: a full name, or a branch
    pub(crate) name: String,
    /// A policy instead of the configured one; all given hold together
    pub(crate) policies: Vec<PolicyArg>,
    /// What the server calls the repository
    pub(crate) repository: Option<RepositoryName>,
    /// The remote whose branches are compared with; without it, origin
    pub(crate) remote: Option<String>,
    /// Whether the remote is asked first
    pub(crate) fetch: Fetch,
    /// How to print the verdict
    pub(crate) format: Format,
}

/// Whether a check asks the remote what there is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fetch {
    /// It goes by what was last fetched.
    Nothing,
    /// It fetches the ref, the approvals for it, and the history that a shallow clone lacks.
    First,
}

/// How a verdict is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Lines for people and models.
    Text,
    /// One line of JSON with `schema: 1`.
    Json,
    /// Annotations of a GitHub Actions run.
    Github,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// A code quality report of GitLab.
    Gitlab,
    /// A JUnit report.
    Junit,
}

impl Format {
    /// The printer of a format for programs.
    fn printed(self, verdict: &Verdict) -> Result<String> {
        Ok(match self {
            Self::Text => report::text(verdict, Audience::Checker, characters(&stdout())),
            Self::Json => report::json(verdict).map_err(Failure::new)? + "\n",
            Self::Github => report::github(verdict),
            Self::Sarif => report::sarif(verdict),
            Self::Gitlab => report::gitlab(verdict),
            Self::Junit => report::junit(verdict),
        })
    }
}

pub(crate) fn run(request: Request) -> Result {
    let remote = known_remote(request.remote)?;
    let name = full_name(&request.name);
    if request.fetch == Fetch::First {
        fetch(&remote, &name)?;
    }
    let local = Local::open()?;
    let refs = TrackedRefs { local: &local, remote };
    let settings = settings(&request.policies, request.repository)?;
    if settings.policies.is_empty() {
        return Err(desk_failure(&EngineError::NoPolicy));
    }
    let find = |revision: &str| {
        // What is pushed to a tag is the tag itself, with its signature and its name.
        if name.starts_with("refs/tags/") { local.object(revision) } else { local.commit(revision) }
    };
    let (old, new) = match request.range.split_once("..") {
        Some((old, "")) => (Some(local.commit(old)?), find("HEAD")?),
        Some((old, new)) => (Some(local.commit(old)?), find(new)?),
        // Of a remote's other refs a clone knows nothing: it takes them for new.
        None if name.starts_with("refs/heads/") => (tracked_commit(&refs, &name)?, find(&request.range)?),
        None => (None, find(&request.range)?),
    };
    let new = proposed(&local, new)?;
    let update = RefUpdate { name: name.as_bytes().into(), old, new: Some(new), claimed: None };
    let mut verdict = judge_locally(&settings, &local, &refs, vec![update])?;
    if name.starts_with("refs/tags/") {
        // What the range begins with is no value that the tag has had.
        drop_force_push(&mut verdict);
    }
    let shallow = local.is_shallow() && take_out_what_is_cut_off(&mut verdict);
    match request.format {
        Format::Text if shallow && !has_findings(&verdict) => {}
        Format::Text => {
            print(&request.format.printed(&verdict)?)?;
            let codes = verdict.refs.iter().flat_map(|one| &one.findings).map(|finding| finding.code);
            if codes.into_iter().any(|code| matches!(code, Code::ApprovalMissing | Code::ApprovalVoid)) {
                print("hint: approvals count here as last fetched; --fetch gets them first\n")?;
            }
        }
        format => {
            if shallow {
                let reason = cut_off(&name);
                let doubt = Undecided { severity: Severity::Error, rule: None, reason };
                verdict.refs.iter_mut().for_each(|one| one.undecided.push(doubt.clone()));
            }
            print(&format.printed(&verdict)?)?;
        }
    }
    say_that_hooks_are_lost()?;
    if shallow {
        return Err(Failure::new(cut_off(&name))
            .hint(format!("fetch the rest, then check again:\ngit fetch --unshallow {}", refs.remote)));
    }
    Ok(Exit::from(&verdict))
}

/// Fetches what the server would judge a push to the ref by.
fn fetch(remote: &str, name: &str) -> Result<()> {
    let there = Remote::read(remote)?;
    if git(&["rev-parse", "--is-shallow-repository"]).line()? == "true" {
        git(&["fetch", "--quiet", "--no-tags", "--unshallow", remote])
            .run()
            .map_err(|failure| failure.hint("git says why:\ngit fetch --unshallow"))?;
    }
    there.fetch("", &[name.to_owned()])
}

/// What would land where a commit is a forge's trial merge of a pull request, as CI checks it out (`refs/pull/N/merge`): the head of the
/// request. The merge lands nowhere.
fn proposed(local: &Local, new: Oid) -> Result<Oid> {
    let trials = local.refs.list(TRIALS).map_err(Failure::new)?;
    let Some((name, _)) = trials.iter().find(|(name, value)| *value == new && name.ends_with(b"/merge")) else {
        return Ok(new);
    };
    let raw = local.objects.commit(new).map_err(Failure::new)?;
    let commit = Commit::parse(&raw, local.objects.format()).map_err(Failure::new)?;
    let [_, head] = commit.parents.as_slice() else { return Ok(new) };
    let name = String::from_utf8_lossy(name.strip_prefix(TRIALS.as_bytes()).unwrap_or(name)).into_owned();
    say(&format!(
        "{} is the forge's trial merge pull/{}: its head {} is checked",
        new.short(),
        escape(name.as_bytes(), 40),
        head.short()
    ));
    Ok(*head)
}

/// Where CI keeps the trial merges that it checks out.
const TRIALS: &str = "refs/remotes/pull/";

/// Says that the hooks of this clone are not run any more, which nothing else does.
pub(crate) fn say_that_hooks_are_lost() -> Result<()> {
    if let Some(words) = lost()? {
        say(&format!("warning: {words}\nhint: countersign install"));
    }
    Ok(())
}

/// The remote to compare with. One that was named by hand exists.
fn known_remote(named: Option<String>) -> Result<String> {
    let Some(remote) = named else { return Ok("origin".to_owned()) };
    let listed = git(&["remote"]).run()?;
    if listed.split(|byte| *byte == b'\n').any(|line| line == remote.as_bytes()) {
        return Ok(remote);
    }
    Err(Failure::new(format!("there is no remote {remote}")).hint("these there are:\ngit remote"))
}

/// Takes out of a verdict what a shallow clone cannot know: whether a value contains another that is not in sight, and what stands on
/// commits that are missing. Whether there was any of it.
pub(crate) fn take_out_what_is_cut_off(verdict: &mut Verdict) -> bool {
    let mut any = drop_force_push(verdict);
    for one in &mut verdict.refs {
        any |= !one.undecided.is_empty();
        one.undecided.clear();
    }
    any
}

/// Says why, in one sentence.
fn cut_off(name: &str) -> String {
    format!("this clone is shallow: its history ends before the server's, so what is new to {name} cannot be told")
}

fn drop_force_push(verdict: &mut Verdict) -> bool {
    let mut any = false;
    for one in &mut verdict.refs {
        let before = one.findings.len();
        one.findings.retain(|finding| finding.code != Code::ForcePushDenied);
        any |= one.findings.len() != before;
    }
    any
}

pub(crate) fn has_findings(verdict: &Verdict) -> bool {
    verdict.refs.iter().any(|one| one.findings.iter().any(|finding| finding.severity > Severity::Observed))
}

/// Runs the server's engine over updates, with the remote's refs as last fetched.
pub(crate) fn judge_locally(
    settings: &Settings,
    local: &Local,
    refs: &TrackedRefs<'_>,
    updates: Vec<RefUpdate>,
) -> Result<Verdict> {
    let moving = updates.into_iter().filter(|update| update.old != update.new).collect();
    let push = Push { updates: moving, format: local.objects.format() };
    let context = PushContext {
        dir: &local.dir,
        objects: &local.objects,
        refs,
        memory: &NoMemory,
        stores: &[],
        submitter: &Submitter::Unasked,
        now: now()?,
        session: &Session::on_desk(),
    };
    judge(settings, &push, context).map(|judgement| judgement.verdict).map_err(|error| desk_failure(&error))
}

/// A branch name stands for the branch.
pub(crate) fn full_name(name: &str) -> String {
    if name.starts_with("refs/") { name.to_owned() } else { format!("refs/heads/{name}") }
}
