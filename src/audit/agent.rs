//! `countersign agent show`: who an agent is, and what is ordered of it.

use std::path::{Path, PathBuf};

use super::orders::{self, Whence};
use crate::core::canonical::Time;
use crate::core::id::Id;
use crate::core::policy::{KeyStatus, Policy, Principal, PrincipalKind};
use crate::core::report::escape;
use crate::core::text::nearest::nearest;
use crate::desk::clone::{Local, TrackedRefs, desk_failure, settings};
use crate::gate::engine::{EngineError, Settings, repository_name};
use crate::gate::policy_source::{PolicyArg, PolicyReader};
use crate::gate::recording::ledger_failure;
use crate::gate::ref_values::{RefValues, StoredRefs};
use crate::ledger::{self, Entry, Outcome, Signatures};
use crate::server::{installed_hook, installed_ledger, resolved};
use crate::system::users::Owner;
use crate::system::{Exit, Failure, OnDisk as _, Result, now, print};

/// Which agent, and by what it is told of.
pub(crate) struct Request {
    /// The agent's id in the policy.
    pub(crate) id: String,
    /// A policy instead of the configured one.
    pub(crate) policies: Vec<PolicyArg>,
    /// A server's repository; without it, what this clone knows.
    pub(crate) server: Option<PathBuf>,
}

/// Where it is asked.
struct Asked {
    local: Local,
    settings: Settings,
    policy: Policy,
    whence: Whence,
}

impl Asked {
    fn here(policies: &[PolicyArg]) -> Result<Self> {
        let local = Local::open()?;
        let settings = settings(policies, None)?;
        let policy = loaded(&local, &settings, &TrackedRefs { local: &local, remote: "origin".to_owned() })?;
        Ok(Self { local, settings, policy, whence: Whence::Clone })
    }

    fn at_server(policies: &[PolicyArg], server: &Path) -> Result<Self> {
        let found = resolved(server).and_then(|path| path.on_disk().canonicalize().ok());
        let git_dir = found.ok_or_else(|| {
            Failure::new(format!("{} is not a git repository", server.display()))
                .hint("give the path of a bare repository:\ncountersign agent show ID --server REPO.git")
        })?;
        // What root reads there may be a link of its owner's.
        if let Some(owner) = Owner::of(&git_dir).ok().filter(|owner| owner.is_another()) {
            return Err(owner.become_owner(&[git_dir]));
        }
        let local = Local::of_server(&git_dir)?;
        let hook = installed_hook(&git_dir);
        let repository = hook.as_ref().and_then(|hook| hook.name_of(&git_dir));
        let policies =
            if policies.is_empty() { hook.map(|hook| hook.policies).unwrap_or_default() } else { policies.to_vec() };
        let settings = Settings { policies, repository, baseline: None };
        let policy = loaded(&local, &settings, &StoredRefs { refs: &local.refs, objects: &local.objects })?;
        Ok(Self { local, settings, policy, whence: Whence::Server })
    }
}

fn loaded(local: &Local, settings: &Settings, refs: &dyn RefValues) -> Result<Policy> {
    if settings.policies.is_empty() {
        return Err(desk_failure(&EngineError::NoPolicy));
    }
    let loaded = PolicyReader { repository: Some((&local.objects, refs)) }.load(&settings.policies);
    loaded.map(|loaded| loaded.policy).map_err(|error| desk_failure(&error.into()))
}

/// Shows one agent.
pub(crate) fn show(request: &Request) -> Result {
    let asked = match &request.server {
        Some(server) => Asked::at_server(&request.policies, server)?,
        None => Asked::here(&request.policies)?,
    };
    let Asked { local, settings, policy, whence } = &asked;
    let agent = agent(policy, &request.id)?;
    let now = now()?;
    let mut lines = described(policy, agent);
    let repository = repository_name(settings, policy).map_err(|error| desk_failure(&error))?;
    let orders = orders::known(local, *whence, (policy, &repository), now)?;
    lines.extend(orders::lines(&orders, agent));
    if *whence == Whence::Server {
        lines.extend(last_seen(&installed_ledger(&local.dir.common_dir), &agent.id)?);
    }
    print(&(lines.join("\n") + "\n"))?;
    Ok(Exit::Accepted)
}

fn agent<'p>(policy: &'p Policy, word: &str) -> Result<&'p Principal> {
    let agents = || policy.principals().filter(|one| one.kind == PrincipalKind::Agent);
    let unknown = || {
        let near = nearest(word, agents().map(|one| one.id.as_str()));
        let failure = Failure::new(format!("the policy registers no agent {}", escape(word.as_bytes(), 100)));
        let hint = near.map_or_else(|| "countersign agent add ID".to_owned(), |near| format!("did you mean {near}?"));
        failure.hint(hint)
    };
    agents().find(|one| one.id.as_str() == word).ok_or_else(unknown)
}

/// What the policy says of it.
fn described(policy: &Policy, agent: &Principal) -> Vec<String> {
    let text = |id: &Option<Id>| id.as_ref().map_or("none", Id::as_str).to_owned();
    let mut lines = vec![
        format!("agent     {} ({}:{})", agent.id, agent.at.file, agent.at.line),
        format!("owner     {}", text(&agent.owner)),
        format!("tool      {}", text(&agent.tool)),
    ];
    lines.extend(agent.keys.iter().map(|key| {
        let standing = match policy.key_status(key, crate::core::decide::Timestamp(i64::MAX)) {
            KeyStatus::Good => "",
            KeyStatus::Revoked => ", revoked",
            KeyStatus::Retired => ", retired",
        };
        format!("key       {}{standing}", key.fingerprint())
    }));
    lines.extend(agent.accounts.iter().map(|account| format!("account   {}", escape(account.as_bytes(), 100))));
    lines.extend(agent.review_by.map(|date| format!("review-by {date}")));
    lines
}

/// When it pushed last, and when work of its was accepted last, as the ledger tells.
fn last_seen(directory: &Path, id: &Id) -> Result<Vec<String>> {
    if !directory.on_disk().exists() {
        return Ok(Vec::new());
    }
    let (mut pushed, mut worked, mut latest): (Option<Time>, Option<Time>, Option<Time>) = (None, None, None);
    let mut note = |entry: &Entry| {
        let (accepted, updates) = match entry {
            Entry::Decided(decided) => {
                latest = Some(decided.time);
                let submitter = decided.submitter.as_deref().and_then(|who| who.split(" via ").next());
                if submitter == Some(id.as_str()) {
                    pushed = latest;
                }
                (decided.outcome == Outcome::Accepted, &decided.updates)
            }
            Entry::Continued(continued) => (true, &continued.updates),
            _ => return,
        };
        if accepted && updates.iter().flat_map(|update| &update.work).any(|work| work.principal == id.as_str()) {
            worked = latest;
        }
    };
    let read = ledger::read(directory, Signatures::Last, &mut |_, _, entry| note(entry));
    read.map_err(|error| ledger_failure(&error))?;
    let never = || "never, in this generation of the ledger".to_owned();
    let text = |time: Option<Time>| time.map_or_else(never, |time| time.to_string());
    Ok(vec![format!("pushed    {}", text(pushed)), format!("accepted  {}", text(worked))])
}
