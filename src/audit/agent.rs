//! `countersign agent show`: who an agent is, and what is ordered of it.

use std::path::Path;

use super::Printed;
use super::orders::{self, Whence};
use super::period::Served;
use crate::core::decide::Timestamp;
use crate::core::id::Id;
use crate::core::policy::{KeyStatus, Policy, Principal, PrincipalKind};
use crate::core::report::escape;
use crate::core::text::nearest::nearest;
use crate::desk::clone::{Local, TrackedRefs, desk_failure, settings};
use crate::gate::engine::{EngineError, Settings, repository_name};
use crate::gate::policy_source::{PolicyArg, PolicyReader};
use crate::gate::ref_values::RefValues;
use crate::server::installed_hook;
use crate::system::process::git;
use crate::system::{Exit, Failure, Result, now, print};

/// Which agent, and by what it is told of.
pub(crate) struct Request {
    /// The agent's id in the policy.
    pub(crate) id: Id,
    /// A policy instead of the configured one.
    pub(crate) policies: Vec<PolicyArg>,
    pub(crate) format: Printed,
}

/// Where it is asked.
struct Asked {
    local: Local,
    settings: Settings,
    policy: Policy,
}

impl Asked {
    fn here(policies: &[PolicyArg]) -> Result<Self> {
        let local = Local::open()?;
        let settings = settings(policies, None)?;
        let policy = loaded(&local, &settings, &TrackedRefs { local: &local, remote: "origin".to_owned() })?;
        Ok(Self { local, settings, policy })
    }
}

fn loaded(local: &Local, settings: &Settings, refs: &dyn RefValues) -> Result<Policy> {
    if settings.policies.is_empty() {
        return Err(desk_failure(&EngineError::NoPolicy));
    }
    let loaded = PolicyReader { repository: Some((&local.objects, refs)) }.load(&settings.policies);
    loaded.map(|loaded| loaded.policy).map_err(|error| desk_failure(&error.into()))
}

/// Shows one agent, by what this clone knows.
pub(crate) fn show(request: &Request) -> Result {
    let Asked { local, settings, policy } = &Asked::here(&request.policies)?;
    let agent = agent(policy, request.id.as_str())?;
    let mut lines = described(policy, agent);
    let repository = repository_name(settings, policy).map_err(|error| desk_failure(&error))?;
    let orders = orders::known(local, Whence::Clone, (policy, &repository), now()?)?;
    lines.extend(orders::lines(&orders, agent));
    print(&match request.format {
        Printed::Text => lines.join("\n") + "\n",
        Printed::Json => {
            let pairs = lines.iter().filter_map(|line| line.split_once(' '));
            let pairs: Vec<_> =
                pairs.map(|(key, says)| serde_json::json!({ "key": key, "says": says.trim() })).collect();
            format!("{}\n", serde_json::json!({ "schema": 1, "agent": agent.id.as_str(), "lines": pairs }))
        }
    })?;
    Ok(Exit::Accepted)
}

/// Whether the repository around is one that a server's hook protects.
pub(crate) fn is_at_a_server() -> bool {
    let here = git(&["rev-parse", "--absolute-git-dir"]).line().ok();
    here.is_some_and(|git_dir| installed_hook(Path::new(&git_dir)).is_some())
}

/// What is ordered of an agent at a server's repository.
pub(super) fn ordered(served: &Served, id: &str, now: Timestamp) -> Result<Vec<String>> {
    let (Some(git_dir), Some(policy)) = (&served.git_dir, &served.policy) else { return Ok(Vec::new()) };
    let Some(agent) = policy.principals().find(|one| one.kind == PrincipalKind::Agent && one.id.as_str() == id) else {
        return Ok(Vec::new());
    };
    let named = served.hook.as_ref().and_then(|hook| hook.name_of(git_dir));
    let Some(name) = named.or_else(|| policy.repository().cloned()) else { return Ok(Vec::new()) };
    let orders = orders::known(&Local::of_server(git_dir)?, Whence::Server, (policy, &name), now)?;
    Ok(orders::lines(&orders, agent))
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
