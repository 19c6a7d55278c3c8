//! `countersign show`: who stands behind a commit, with what was verified and what is only said.

use std::path::{Path, PathBuf};

use super::orders::{self, Whence};
use crate::audit::Printed;
use crate::audit::chain::{Chain, has_ledger};
use crate::audit::log::history;
use crate::core::commit::{Commit, parse_trailers};
use crate::core::decide::Timestamp;
use crate::core::facts::SignatureFact;
use crate::core::grant;
use crate::core::id::RepositoryName;
use crate::core::marks::{Catalogue, MarkSearch, unreadable_encoding};
use crate::core::oid::Oid;
use crate::core::policy::{KeyObjection, Policy, Principal, PrincipalKind};
use crate::core::seal::{self, SealOutcome};
use crate::core::signature::SigningKey;
use crate::desk::clone::{Local, TrackedRefs, settings};
use crate::desk::sealing::change_of;
use crate::gate::engine::{Settings, repository_name};
use crate::gate::examine::signature_fact;
use crate::gate::hook::engine_failure;
use crate::gate::policy_source::{PolicyArg, PolicyReader};
use crate::gate::ref_values::{RefValues, StoredRefs};
use crate::server::{installed_hook, installed_ledger, resolved};
use crate::system::process::server_git;
use crate::system::users::Owner;
use crate::system::{Exit, Failure, OnDisk as _, Result, characters, now, print, stdout};

/// Which commit, and by which policy and ledger it is told of.
pub(crate) struct Request {
    /// The commit
    pub(crate) commit: String,
    /// A policy instead of the configured one, to tell whose keys they are
    pub(crate) policies: Vec<PolicyArg>,
    /// A server's repository that has the commit; without it, the one here
    pub(crate) server: Option<PathBuf>,
    /// The directory of a ledger; without it, that of the server's repository
    pub(crate) ledger: Option<PathBuf>,
    pub(crate) format: Printed,
}

/// Where the commit is looked for, and by which policy.
struct Place {
    local: Local,
    settings: Settings,
    policy: Option<Policy>,
    id: Oid,
}

impl Place {
    fn here(request: &Request) -> Result<Self> {
        let local = Local::open()?;
        let settings = settings(&request.policies, None)?;
        let policy = policy(&local, &settings, &TrackedRefs { local: &local, remote: "origin".to_owned() })?;
        let id = local.commit(&request.commit)?;
        Ok(Self { local, settings, policy, id })
    }

    /// By what the hooks there decide.
    fn at_server(request: &Request, server: &Path) -> Result<Self> {
        let hint = "give the path of a bare repository:\ncountersign show --server REPO.git COMMIT";
        let git_dir = resolved(server).and_then(|path| path.on_disk().canonicalize().ok());
        let git_dir =
            git_dir.ok_or_else(|| Failure::new(format!("{} is not a git repository", server.display())).hint(hint))?;
        // What root reads there may be a link of its owner's.
        if let Some(owner) = Owner::of(&git_dir).ok().filter(|owner| owner.is_another()) {
            return Err(owner.become_owner(&[git_dir]));
        }
        let local = Local::of_server(&git_dir)?;
        let hook = installed_hook(&git_dir);
        let repository = hook.as_ref().and_then(|hook| hook.name_of(&git_dir));
        let policies = match request.policies.as_slice() {
            [] => hook.map(|hook| hook.policies).unwrap_or_default(),
            given => given.to_vec(),
        };
        let settings = Settings { policies, repository, baseline: None };
        let policy = policy(&local, &settings, &StoredRefs { refs: &local.refs, objects: &local.objects })?;
        let named = format!("{}^{{commit}}", request.commit);
        let line = server_git(&git_dir, &["rev-parse", "--verify", "--quiet", "--end-of-options", &named]).line();
        let id = line.ok().and_then(|line| Oid::parse(line.as_bytes()));
        let id =
            id.ok_or_else(|| Failure::new(format!("{} names no commit in {}", request.commit, git_dir.display())))?;
        Ok(Self { local, settings, policy, id })
    }
}

pub(crate) fn run(request: Request) -> Result {
    let place = match &request.server {
        Some(server) => Place::at_server(&request, server)?,
        None => Place::here(&request)?,
    };
    let Place { local, settings, policy, id } = place;
    let whence = if request.server.is_some() { Whence::Server } else { Whence::Clone };
    let repository = match &policy {
        Some(policy) => repository_name(&settings, policy).ok(),
        None => settings.repository.clone(),
    };
    let at = now()?;
    let raw = local.objects.commit(id).map_err(Failure::new)?;
    let mut lines = vec![format!("commit    {id}")];
    match Commit::parse(&raw, local.objects.format()) {
        Err(error) => lines.push(format!("malformed {error}")),
        Ok(commit) => {
            let known = policy.as_ref().map(|policy| (policy, at));
            describe(&local, &commit, known, repository.as_ref(), &mut lines)?;
            if let (Some(policy), Some(repository)) = (&policy, &repository) {
                let orders = orders::known(&local, whence, (policy, repository), at)?;
                let agents = agents_of(&commit, policy);
                lines.extend(agents.into_iter().flat_map(|agent| orders::lines(&orders, agent)));
            }
        }
    }
    let ledger =
        request.ledger.or_else(|| Some(installed_ledger(&local.dir.common_dir)).filter(|path| path.on_disk().exists()));
    if let Some(ledger) = ledger {
        lines.extend(history(&ledger, id)?);
        if request.server.is_some() && has_ledger(&ledger) {
            let policy = policy.as_ref().map(|policy| (policy, at));
            lines.extend(Chain { local: &local, ledger, policy, commit: id }.lines()?);
        }
    }
    match request.format {
        Printed::Text => print(&(lines.join("\n") + "\n"))?,
        Printed::Json => print(&json(id, &lines))?,
    }
    Ok(Exit::Accepted)
}

/// The same in steps: each line begins with the word of its step, or goes on from the one before.
fn json(id: Oid, lines: &[String]) -> String {
    let mut steps: Vec<(String, Vec<String>)> = Vec::new();
    for line in lines {
        let (step, says) = line.split_once(' ').unwrap_or((line, ""));
        match steps.last_mut().filter(|_| step.is_empty()) {
            Some((_, said)) => said.push(says.trim().to_owned()),
            None => steps.push((step.to_owned(), vec![says.trim().to_owned()])),
        }
    }
    let steps: Vec<_> = steps.iter().map(|(step, says)| serde_json::json!({ "step": step, "says": says })).collect();
    format!("{}\n", serde_json::json!({ "schema": 1, "commit": id.to_string(), "steps": steps }))
}

/// The registered agents that sealed or signed a commit, as it says.
fn agents_of<'p>(commit: &Commit<'_>, policy: &'p Policy) -> Vec<&'p Principal> {
    let trailers = parse_trailers(commit.message).map(|trailers| trailers.blocks).unwrap_or_default();
    let mut agents: Vec<&Principal> =
        trailers.iter().filter_map(|block| policy.principal(&block.claim.agent)).collect();
    let signature = signature_fact(commit.signature.as_ref(), Some(policy));
    agents.extend(signature.claimed_holder(policy));
    agents.retain(|one| one.kind == PrincipalKind::Agent);
    agents.dedup_by(|one, other| one.id == other.id);
    agents
}

fn policy(local: &Local, settings: &Settings, refs: &dyn RefValues) -> Result<Option<Policy>> {
    if settings.policies.is_empty() {
        return Ok(None);
    }
    let loaded = PolicyReader { repository: Some((&local.objects, refs)) }.load(&settings.policies);
    loaded.map(|loaded| Some(loaded.policy)).map_err(|error| engine_failure(&error.into()))
}

/// A policy, if one is at hand, and the time at which it is asked.
type Known<'a> = Option<(&'a Policy, Timestamp)>;

fn describe(
    local: &Local,
    commit: &Commit<'_>,
    policy: Known<'_>,
    repository: Option<&RepositoryName>,
    lines: &mut Vec<String>,
) -> Result<()> {
    let screen = characters(&stdout());
    let plain = |bytes: &[u8]| screen.escape(bytes, 120);
    let person = |name: &[u8], email: &[u8]| format!("{} <{}> (claimed)", plain(name), plain(email));
    lines.push(format!("subject   {}", plain(commit.message.split(|byte| *byte == b'\n').next().unwrap_or_default())));
    lines.push(format!("author    {}", person(commit.author.name, commit.author.email)));
    lines.push(format!("committer {}", person(commit.committer.name, commit.committer.email)));
    lines.push(format!("change    sha256:{}", change_of(&local.objects, &commit.parents, commit.tree)?));
    match parse_trailers(commit.message) {
        Err(fault) => lines.push(format!("trailers  malformed: {fault}")),
        Ok(trailers) => {
            for block in &trailers.blocks {
                let role = block.claim.role.as_ref().map_or(seal::AUTHOR, |role| role.as_str());
                let verdict = match repository {
                    None => "not verified: this clone does not know the repository's name".to_owned(),
                    Some(repository) => {
                        let change = change_of(&local.objects, &commit.parents, commit.tree)?;
                        match block.verify(commit, repository, change) {
                            SealOutcome::Holds(seal) => {
                                let status = |(policy, now): (&Policy, _)| policy.ssh_objection(seal.signer(), now);
                                let objection = policy.and_then(status);
                                format!("holds, key {}", holder(seal.signer(), objection, policy))
                            }
                            SealOutcome::Stale(stale) => format!("authentic, but {stale} changed after sealing"),
                            SealOutcome::Bad(reason) => format!("does not verify: {reason}"),
                        }
                    }
                };
                lines.push(format!("sealed    by {} as {role}: {verdict}", block.claim.agent));
                for (name, value) in
                    [("model", &block.claim.model), ("session", &block.claim.session), ("task", &block.claim.task)]
                {
                    lines.extend(
                        value.as_ref().map(|value| format!("          {name} {} (claimed)", plain(value.as_bytes()))),
                    );
                }
            }
            lines.extend(trailers.drafted.iter().map(|agent| format!("drafted   by {agent} (claimed by who signed)")));
        }
    }
    lines.push(match &commit.signature {
        None => "signed    no".to_owned(),
        Some(signature) => {
            format!("signed    {}", signed(signature_fact(Some(signature), policy.map(|(policy, _)| policy)), policy))
        }
    });
    let catalogue = match policy {
        Some((policy, _)) => policy.marks(),
        None => Catalogue::builtin(),
    };
    for mark in commit.author.marks(&MarkSearch::new(catalogue), commit.message, commit.encoding) {
        lines.push(format!("mark      of {}: {}", mark.agent, plain(mark.line.as_bytes())));
    }
    if let Some(encoding) = unreadable_encoding(commit.encoding) {
        lines.push(format!("encoding  {}: nobody can say what it shows", plain(encoding.as_bytes())));
    }
    Ok(())
}

/// What a signature over the whole commit comes to.
fn signed(signature: SignatureFact, policy: Known<'_>) -> String {
    match signature {
        SignatureFact::Good(signature) => {
            let objection = policy.and_then(|(policy, now)| policy.objection(&signature, now, now));
            format!("key {}", holder(signature.key(), objection, policy))
        }
        SignatureFact::None => "no".to_owned(),
        SignatureFact::Unsupported(kind) => format!("does not count: {kind} is not supported"),
        SignatureFact::Foreign(issuer) if policy.is_some() => format!("OpenPGP key {issuer} of nobody registered"),
        SignatureFact::Foreign(issuer) => {
            format!("not verified: OpenPGP key {issuer} (no policy is at hand with its certificate)")
        }
        SignatureFact::Bad { reason, .. } => format!("does not count: {reason}"),
    }
}

/// Whose key it is, as far as a policy is at hand, and what stands against it.
fn holder(key: SigningKey<'_>, objection: Option<KeyObjection>, policy: Known<'_>) -> String {
    let name = key.name();
    let Some((policy, _)) = policy else { return format!("{name} (no policy is at hand to say whose)") };
    let standing = match objection {
        None => String::new(),
        Some(KeyObjection::Revoked) => ", revoked".to_owned(),
        Some(KeyObjection::Retired) => ", retired".to_owned(),
        Some(KeyObjection::Unusable(reason)) => format!(", which does not count: {reason}"),
        Some(KeyObjection::Grant(objection)) => format!(", by today: {objection}"),
    };
    let standing = match key {
        SigningKey::Certified(certificate) if policy.is_granted(certificate) => {
            format!(" under the grant {}{standing}", grant::name(certificate))
        }
        SigningKey::Certified(_) | SigningKey::Ssh(_) | SigningKey::OpenPgp(_) => standing,
    };
    match policy.by_signer(key) {
        None => format!("{name} of nobody registered{standing}"),
        Some(holder) => {
            let owner = holder.owner.as_ref().map(|owner| format!(", owned by {owner}")).unwrap_or_default();
            let kind = if holder.kind == PrincipalKind::Person { "person" } else { holder.kind.noun() };
            format!("{name} of {kind} {}{owner}{standing}", holder.id)
        }
    }
}
