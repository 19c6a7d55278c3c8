//! Whether a grant holds: asked with a policy, and with the time at which what it signed was first received.

use std::fmt;

use super::chain::{Grant, GrantFault, Link};
use super::scope::{Dimension, Excess, Scope};
use super::{BACKDATED, SCOPE};
use crate::core::canonical::Time;
use crate::core::decide::{Code, Timestamp};
use crate::core::id::{Id, RepositoryName};
use crate::core::order::GrantUse;
use crate::core::policy::{AgentField, Issuer, Issuing, KeyStatus, Policy, Principal, PrincipalKind};
use crate::core::ssh::{PublicKey, VerifiedCertificate, single_string};

/// Why a grant does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objection {
    /// The name of the grant, as far as it says one.
    pub grant: String,
    /// The code of the finding.
    pub code: Code,
    /// Why, in words that follow the name of the grant.
    pub detail: String,
}

impl fmt::Display for Objection {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "the grant {} {}", self.grant, self.detail)
    }
}

/// A reason, before it is known of which grant.
struct Reason {
    code: Code,
    detail: String,
}

/// Who issued a grant that holds.
#[derive(Clone, Copy, Debug)]
pub enum IssuedBy<'p> {
    /// A person, or an agent with its standing key.
    Principal(&'p Principal),
    /// An authority of the policy.
    Authority(&'p Issuer),
}

/// A grant that holds. Only [`judge`] makes one.
#[derive(Clone, Debug)]
pub struct Granted<'p> {
    grant: Grant,
    issuer: IssuedBy<'p>,
    /// The agents of its links, its own first.
    agents: Vec<&'p Principal>,
}

impl<'p> Granted<'p> {
    /// The agent that it lets its key act as.
    pub fn agent(&self) -> &'p Principal {
        // There is one for each link, of which a grant has one at least.
        self.agents.first().copied().unwrap_or_else(|| unreachable!("a grant without links"))
    }

    /// The agents above, the nearest first: each issued the one before.
    pub fn above(&self) -> impl Iterator<Item = &'p Principal> {
        self.agents.iter().skip(1).copied()
    }

    /// Who issued the first certificate of the chain.
    pub fn issuer(&self) -> IssuedBy<'p> {
        self.issuer
    }

    /// The certificates.
    pub fn grant(&self) -> &Grant {
        &self.grant
    }

    /// Everything that bounds it: what each certificate says, and what the policy says of the authority.
    pub fn scopes(&self) -> impl Iterator<Item = &Scope> {
        let authority = match self.issuer {
            IssuedBy::Authority(issuer) => issuer.scope.as_ref(),
            IssuedBy::Principal(_) => None,
        };
        self.grant.links().iter().filter_map(|link| link.scope.as_ref()).chain(authority)
    }

    /// Why it is not for a ref of a repository.
    pub fn refuses_place(&self, repository: Option<&RepositoryName>, name: &[u8]) -> Option<Excess> {
        let covers = |scope: &Scope| repository.is_some_and(|repository| scope.covers_repository(repository));
        if let Some(scope) = self.scopes().find(|scope| scope.repositories.is_some() && !covers(scope)) {
            let here = repository.map_or("this one has no name".to_owned(), |name| format!("not for {name}"));
            let detail = format!("are {}: {here}", patterns(scope.repositories.as_deref()));
            return Some(Excess { dimension: Dimension::Repositories, detail });
        }
        let scope = self.scopes().find(|scope| !scope.covers_ref(name))?;
        let detail = format!("are {}: not {}", patterns(scope.refs.as_deref()), String::from_utf8_lossy(name));
        Some(Excess { dimension: Dimension::Refs, detail })
    }

    /// Why a commit may not touch a path.
    pub fn refuses_path(&self, path: &[u8]) -> Option<Excess> {
        let scope = self.scopes().find(|scope| !scope.covers_path(path))?;
        let detail = format!("are {}: not \"{}\"", patterns(scope.paths.as_deref()), String::from_utf8_lossy(path));
        Some(Excess { dimension: Dimension::Paths, detail })
    }

    /// Why a seal that names this task, or none, is not of it.
    pub fn refuses_task(&self, task: Option<&str>) -> Option<Excess> {
        let wanted = self.scopes().find_map(|scope| scope.task.as_deref())?;
        let said = task.map_or("the seal names none".to_owned(), |task| format!("the seal names \"{task}\""));
        let excess = Excess { dimension: Dimension::Task, detail: format!("is \"{wanted}\": {said}") };
        (task != Some(wanted)).then_some(excess)
    }

    /// The task that it is for.
    pub fn task(&self) -> Option<&str> {
        self.scopes().find_map(|scope| scope.task.as_deref())
    }

    /// The environment that it is for.
    pub fn environment(&self) -> Option<&str> {
        self.scopes().find_map(|scope| scope.environment.as_deref())
    }
}

fn patterns(globs: Option<&[crate::core::policy::Glob]>) -> String {
    let texts: Vec<&str> = globs.into_iter().flatten().map(|glob| glob.as_str()).collect();
    texts.join(", ")
}

/// Everything that bounds a grant, whether it holds or not.
pub fn bounds<'a>(policy: &'a Policy, grant: &'a Grant) -> impl Iterator<Item = &'a Scope> {
    let root = grant.links().last();
    let authority = root.and_then(|root| policy.issuer_by_key(root.certificate.issuer()));
    let own = grant.links().iter().filter_map(|link| link.scope.as_ref());
    own.chain(authority.and_then(|authority| authority.scope.as_ref()))
}

/// Judges a grant. `sighted` is when what it signed was first received: no date that its holder wrote counts. Revocation counts always.
///
/// # Errors
/// The [`Objection`] to the link nearest to whoever issued the first.
pub fn judge<'p>(
    policy: &'p Policy,
    certificate: &VerifiedCertificate,
    sighted: Timestamp,
) -> Result<Granted<'p>, Objection> {
    let check = |agent: &Principal, by: IssuedBy<'_>, link: &VerifiedCertificate| {
        ordered(policy, (agent, by), link, sighted)?;
        holds(policy, agent, link, sighted)
    };
    follow(policy, certificate, &check).map_err(|Reason { code, detail }| Objection {
        grant: name(certificate),
        code,
        detail,
    })
}

/// The agent for which an issuer of it signed a certificate, whether that holds or not.
pub fn holder<'p>(policy: &'p Policy, certificate: &VerifiedCertificate) -> Option<&'p Principal> {
    follow(policy, certificate, &|_, _, _| Ok(())).ok().map(|granted| granted.agent())
}

/// The agents above the one that a certificate is of, each of which issued the next: whether it holds or not.
pub fn agents_above<'p>(policy: &'p Policy, certificate: &VerifiedCertificate) -> Vec<&'p Principal> {
    follow(policy, certificate, &|_, _, _| Ok(())).map(|granted| granted.above().collect()).unwrap_or_default()
}

/// How a person stands behind what was made under a grant, whether that holds or not: issued it, or owns an agent above, which did. Words that
/// follow the person's name.
pub fn stands_behind(policy: &Policy, certificate: &VerifiedCertificate, person: &Id) -> Option<String> {
    let granted = follow(policy, certificate, &|_, _, _| Ok(())).ok()?;
    let issuer = match granted.issuer {
        IssuedBy::Principal(issuer) => Some(issuer),
        IssuedBy::Authority(_) => None,
    };
    if issuer.is_some_and(|issuer| issuer.id == *person) {
        return Some(format!("issued the grant {}", name(certificate)));
    }
    let above = granted.above().chain(issuer).find(|agent| agent.owner.as_ref() == Some(person))?;
    Some(format!("owns {}, which issued the grant {}", above.id, name(certificate)))
}

/// What a grant is called: `agent:serial`, by its own word.
pub fn name(certificate: &VerifiedCertificate) -> String {
    format!("{}:{}", certificate.key_id(), certificate.serial())
}

/// What is asked of each link of a chain, besides who issued it.
type Check<'c> = dyn Fn(&Principal, IssuedBy<'_>, &VerifiedCertificate) -> Result<(), Reason> + 'c;

/// Follows a chain from whoever issued the first certificate: each issuer is one of the agent's.
fn follow<'p>(policy: &'p Policy, certificate: &VerifiedCertificate, check: &Check<'_>) -> Result<Granted<'p>, Reason> {
    let grant = Grant::of(certificate).map_err(|fault| of_fault(&fault))?;
    let mut agents: Vec<&'p Principal> = Vec::new();
    let mut issuer = None;
    for link in grant.links().iter().rev() {
        let (agent, by) = match agents.last() {
            None => root(policy, link)?,
            Some(above) => (registered(policy, link.certificate.key_id())?, IssuedBy::Principal(above)),
        };
        listed(agent, by, &link.certificate)?;
        check(agent, by, &link.certificate)?;
        agents.push(agent);
        issuer = issuer.or(Some(by));
    }
    agents.reverse();
    let Some(issuer) = issuer else { unreachable!("a grant without links") };
    Ok(Granted { grant, issuer, agents })
}

fn of_fault(fault: &GrantFault) -> Reason {
    let code = match fault {
        GrantFault::Parent(_) | GrantFault::NotIssuedByParent => Code::GrantUnknownIssuer,
        GrantFault::CriticalOption(_)
        | GrantFault::Extension(_)
        | GrantFault::Serial
        | GrantFault::NoPrincipals
        | GrantFault::Scope(_)
        | GrantFault::Data(_)
        | GrantFault::TooDeep
        | GrantFault::Wider(_) => Code::GrantOutOfScope,
    };
    Reason { code, detail: fault.to_string() }
}

fn unknown_issuer(detail: String) -> Reason {
    Reason { code: Code::GrantUnknownIssuer, detail }
}

fn out_of_scope(detail: String) -> Reason {
    Reason { code: Code::GrantOutOfScope, detail }
}

fn revoked(detail: String) -> Reason {
    Reason { code: Code::GrantRevoked, detail }
}

/// The agent of the first certificate, and who issued it.
fn root<'p>(policy: &'p Policy, link: &Link) -> Result<(&'p Principal, IssuedBy<'p>), Reason> {
    let certificate = &link.certificate;
    let key = certificate.issuer();
    let Some(authority) = policy.issuer_by_key(key) else {
        let Some(issuer) = policy.by_key(key) else {
            return Err(unknown_issuer(format!("was issued by the key {}, which is nobody's", key.fingerprint())));
        };
        let agent = registered(policy, certificate.key_id())?;
        if link.scope.is_none() {
            return Err(out_of_scope(format!("says nothing of what it is for: it has no extension {SCOPE}")));
        }
        return Ok((agent, IssuedBy::Principal(issuer)));
    };
    let agent = match &authority.identity {
        AgentField::KeyId => registered(policy, certificate.key_id())?,
        AgentField::Principal => {
            let known = |name: &&String| policy.principal_named(name).is_some_and(is_agent);
            let mut named = certificate.principals().iter().filter(known);
            let (Some(one), None) = (named.next(), named.next()) else {
                let detail = format!("does not name one agent among its principals, where {} does", authority.name);
                return Err(Reason { code: Code::UnknownAgent, detail });
            };
            registered(policy, one)?
        }
        AgentField::Extension(name) => {
            let text =
                certificate.extension(name).and_then(single_string).and_then(|text| std::str::from_utf8(text).ok());
            let Some(text) = text else {
                let detail = format!("has no extension {name}, where {} names the agent", authority.name);
                return Err(Reason { code: Code::UnknownAgent, detail });
            };
            registered(policy, text)?
        }
    };
    match (&link.scope, &authority.scope) {
        (None, None) => {
            let detail = format!("says nothing of what it is for, and neither does the policy of {}", authority.name);
            return Err(out_of_scope(detail));
        }
        (Some(own), Some(bound)) => {
            let further = |excess| out_of_scope(format!("goes further than what {} is for: {excess}", authority.name));
            own.within(bound).map_err(further)?;
            if own.delegate.unwrap_or(0) > bound.delegate.unwrap_or(u64::MAX) {
                let detail = format!("delegates further than {} may", authority.name);
                return Err(out_of_scope(detail));
            }
        }
        (None, Some(_)) | (Some(_), None) => {}
    }
    Ok((agent, IssuedBy::Authority(authority)))
}

/// Whether a key that issues may still be used.
fn key_counts(policy: &Policy, key: &PublicKey, sighted: Timestamp) -> Result<(), Reason> {
    match policy.key_status(key, sighted) {
        KeyStatus::Good => Ok(()),
        KeyStatus::Revoked => Err(revoked(format!("was issued by the revoked key {}", key.fingerprint()))),
        KeyStatus::Retired => Err(unknown_issuer(format!("was issued by the retired key {}", key.fingerprint()))),
    }
}

fn is_agent(one: &Principal) -> bool {
    one.kind == PrincipalKind::Agent
}

fn registered<'p>(policy: &'p Policy, name: &str) -> Result<&'p Principal, Reason> {
    policy.principal_named(name).filter(|one| is_agent(one)).ok_or_else(|| Reason {
        code: Code::UnknownAgent,
        detail: format!("is for {name:?}, which is no registered agent"),
    })
}

/// Whether the agent lists whoever issued a certificate for it.
fn listed(agent: &Principal, by: IssuedBy<'_>, certificate: &VerifiedCertificate) -> Result<(), Reason> {
    let id = match by {
        IssuedBy::Principal(principal) => &principal.id,
        IssuedBy::Authority(issuer) => &issuer.name,
    };
    if !agent.issuers.contains(id) {
        return Err(unknown_issuer(format!("was issued by {id}, whom {} does not list among its issuers", agent.id)));
    }
    let touched = certificate.presence().is_some_and(|presence| presence.user_present);
    if agent.issuing == Issuing::Presence && !touched {
        let detail =
            format!("was issued without a touch, and grants of {} are issued with a hardware key (sk-)", agent.id);
        return Err(unknown_issuer(detail));
    }
    Ok(())
}

/// Whether people let a certificate stand: its agent is not frozen, and nobody took it back.
fn ordered(
    policy: &Policy,
    (agent, by): (&Principal, IssuedBy<'_>),
    certificate: &VerifiedCertificate,
    sighted: Timestamp,
) -> Result<(), Reason> {
    let orders = policy.ordered();
    // What came in the very second of a freeze may have come after it.
    if let Some(freeze) = orders.freeze_of(agent).filter(|freeze| sighted >= freeze.since) {
        return Err(Reason { code: Code::AgentFrozen, detail: format!("does not hold: {}", freeze.words()) });
    }
    let issuer = match by {
        IssuedBy::Principal(principal) => &principal.id,
        IssuedBy::Authority(issuer) => &issuer.name,
    };
    let grant = GrantUse {
        agent: &agent.id,
        serial: certificate.serial(),
        begins: Timestamp(i64::try_from(certificate.valid_after()).unwrap_or(i64::MAX)),
        sighted: Some(sighted),
        issuers: std::slice::from_ref(issuer),
    };
    orders.revocation(&grant).map_or(Ok(()), |one| {
        let (by, which, reason) = (one.by.id(), name(certificate), &one.reason);
        Err(revoked(format!("is void: {by} took {which} back, because: {reason}")))
    })
}

/// Whether one certificate counts for its agent at a time.
fn holds(
    policy: &Policy,
    agent: &Principal,
    certificate: &VerifiedCertificate,
    sighted: Timestamp,
) -> Result<(), Reason> {
    key_counts(policy, certificate.issuer(), sighted)?;
    let named = |id: &Id| certificate.principals().iter().any(|name| name == id.as_str());
    if let Some(other) =
        certificate.principals().iter().filter_map(|name| policy.principal_named(name)).find(|one| one.id != agent.id)
    {
        return Err(out_of_scope(format!("names {} among its principals, and is for {}", other.id, agent.id)));
    }
    if certificate.key_id() == agent.id.as_str() && !named(&agent.id) {
        return Err(out_of_scope(format!("does not name {} among its principals", agent.id)));
    }
    if let Some(holder) = policy.by_key(certificate.key()).filter(|holder| holder.id != agent.id) {
        let detail = format!("is over a key of {} {}", holder.kind.noun(), holder.id);
        return Err(Reason { code: Code::SharedKey, detail });
    }
    if policy.key_status(certificate.key(), sighted) == KeyStatus::Revoked {
        return Err(revoked(format!("is over the revoked key {}", certificate.key().fingerprint())));
    }
    if policy.revokes_grant(&agent.id, certificate) {
        return Err(revoked("is revoked".to_owned()));
    }
    let longest = u64::try_from(agent.max_grant.seconds).unwrap_or(0).saturating_add(BACKDATED);
    let (after, before) = (certificate.valid_after(), certificate.valid_before());
    if before - after > longest {
        let detail =
            format!("is valid for {}, and {} is the longest for {}", length(before - after), agent.max_grant, agent.id);
        return Err(out_of_scope(detail));
    }
    let at = u64::try_from(sighted.0).unwrap_or(0);
    let expired = |detail| Err(Reason { code: Code::GrantExpired, detail });
    let text = |time: u64| Time(Timestamp(i64::try_from(time).unwrap_or(i64::MAX)));
    if at < after {
        return expired(format!("is not valid before {}, and this was received at {}", text(after), text(at)));
    }
    if at >= before {
        return expired(format!("expired at {}, and this was received at {}", text(before), text(at)));
    }
    Ok(())
}

/// A length of time for people, rounded down.
fn length(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} seconds"),
        120..7200 => format!("{} minutes", seconds / 60),
        7200..172_800 => format!("{} hours", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}
