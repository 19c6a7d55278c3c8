//! What follows from the orders that are stored: who is frozen, which grants are void, which moves are accepted in spite of findings.
//!
//! An order counts by its signature and by what the policy lets its signer order, wherever it is stored and whoever brought it. One that
//! counts for nothing changes nothing.

use super::place::{By, Whom};
use super::record::VerifiedOrder;
use super::statement::{Act, Move, Order, Scope};
use crate::core::canonical::{CanonicalOid, Time};
use crate::core::decide::Timestamp;
use crate::core::digest::Digest;
use crate::core::id::{Id, RepositoryName};
use crate::core::limits;
use crate::core::oid::Oid;
use crate::core::policy::{KeyStatus, Policy, Principal, PrincipalKind};

/// Why an order does not count, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objection(pub String);

/// Whose order it is, if that is somebody who may order this here.
///
/// # Errors
/// Why not.
pub fn entitled<'p>(
    policy: &'p Policy,
    repository: Option<&RepositoryName>,
    order: &VerifiedOrder,
) -> Result<&'p Principal, Objection> {
    let (by, said) = (signer(policy, order)?, order.order());
    holds_here(policy, repository, said)?;
    let refuse = |words: String| Err(Objection(words));
    match &said.act {
        Act::Freeze { whom: Whom::Agent(id), .. } if by.id == *id => Ok(by),
        _ if by.kind == PrincipalKind::Agent => {
            refuse(format!("agent {} may freeze itself, and order nothing else", by.id))
        }
        Act::Freeze { whom: Whom::All, .. } if !policy.may_freeze_all(by) => {
            refuse(format!("{} is not among those who may freeze every agent ([orders] freeze-all)", by.id))
        }
        Act::Freeze { .. } | Act::Thaw { .. } => Ok(by),
        Act::Revoke { agent, .. } | Act::RevokeAll { agent, .. } => {
            if policy.may_revoke(by, agent) {
                return Ok(by);
            }
            refuse(format!(
                "{} is neither the owner of {agent} nor one of those who may revoke ([orders] revoke)",
                by.id
            ))
        }
        Act::Override(_) => {
            if policy.may_override(by) {
                return Ok(by);
            }
            refuse(format!("{} is not among those whose override the policy counts ([override] from)", by.id))
        }
    }
}

/// The principal that an order says to be by, whose key signed it.
fn signer<'p>(policy: &'p Policy, order: &VerifiedOrder) -> Result<&'p Principal, Objection> {
    let (key, by) = (order.signature().key(), &order.order().by);
    let fingerprint = key.fingerprint();
    let holder = policy.by_key(key).ok_or_else(|| Objection(format!("nobody has registered the key {fingerprint}")))?;
    if holder.kind != by.kind() || holder.id != *by.id() {
        let (noun, id) = (holder.kind.noun(), &holder.id);
        return Err(Objection(format!("it says to be by {by}, and the key is that of {noun} {id}")));
    }
    // When it was first received nobody knows; one that was there before a key was retired goes on counting.
    if policy.key_status(key, Timestamp(i64::MIN)) == KeyStatus::Revoked {
        return Err(Objection(format!("it is signed with the revoked key {fingerprint}")));
    }
    Ok(holder)
}

fn holds_here(policy: &Policy, repository: Option<&RepositoryName>, order: &Order) -> Result<(), Objection> {
    match &order.scope {
        Scope::Repository(name) if repository == Some(name) => Ok(()),
        Scope::Policy(name) if policy.is_called(name) => Ok(()),
        Scope::Repository(name) => Err(Objection(format!("it is for the repository {name}"))),
        Scope::Policy(name) => Err(Objection(format!("it is for the policy called {name}, and this one is not"))),
    }
}

/// That an admin ended a freeze at the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerThaw {
    /// Of whom.
    pub whom: Whom,
    /// Why.
    pub reason: String,
    /// When.
    pub issued: Timestamp,
}

/// That agents are stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freeze {
    /// Which.
    pub whom: Whom,
    /// By whom.
    pub by: By,
    /// Why, in their words.
    pub reason: String,
    /// When it was ordered.
    pub issued: Timestamp,
    /// What was first seen later is stopped.
    pub since: Timestamp,
    /// When it ends by itself.
    pub expires: Option<Timestamp>,
    /// The digest of the order.
    pub digest: Digest,
    /// Who has ended it, and when.
    pub thawed: Option<(String, Timestamp)>,
    /// Which of the policies given together knows who froze.
    layer: usize,
}

impl Freeze {
    /// Who froze whom, when and why.
    pub fn words(&self) -> String {
        let Self { whom, by, reason, issued, since, expires, .. } = self;
        let since =
            if since == issued { String::new() } else { format!(" for what was first seen since {}", Time(*since)) };
        let until = expires.map(|end| format!(" until {}", Time(end))).unwrap_or_default();
        format!("{} froze {} at {}{since}{until}: {reason}", by.id(), whom.words(), Time(*issued))
    }
}

/// That grants of an agent are void.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// Whose.
    pub agent: Id,
    /// By whom.
    pub by: By,
    /// Why, in their words.
    pub reason: String,
    /// When it was ordered.
    pub issued: Timestamp,
    /// The digest of the order.
    pub digest: Digest,
    grants: Grants,
    /// Whether whoever ordered it may revoke any grant of the agent; else only one that they issued.
    any: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grants {
    Serial(u64),
    Until(Timestamp),
}

/// A grant that is used, as far as it matters for revocation.
#[derive(Clone, Copy, Debug)]
pub struct GrantUse<'a> {
    /// Whose.
    pub agent: &'a Id,
    /// The serial of its certificate.
    pub serial: u64,
    /// When its window begins.
    pub begins: Timestamp,
    /// When it was first seen; `None` where that is now.
    pub sighted: Option<Timestamp>,
    /// Who issued it: people, or the agents above it in its chain.
    pub issuers: &'a [Id],
}

/// That one person accepts a move of a ref in spite of findings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// The person.
    pub by: Id,
    /// The move, and the codes.
    pub of: Move,
    /// Why, in their words.
    pub reason: String,
    /// When it was ordered.
    pub issued: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
    /// The digest of the order, by which it is known to be spent.
    pub digest: Digest,
}

impl Override {
    /// Whether it is about this move.
    pub fn is_of(&self, name: &[u8], old: Option<Oid>, new: Option<Oid>) -> bool {
        let value = |id: Option<CanonicalOid>| id.map(|id| id.0);
        self.of.name.as_bytes() == name && value(self.of.old) == old && value(self.of.new) == new
    }
}

/// All that is ordered in one repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Orders {
    freezes: Vec<Freeze>,
    revocations: Vec<Revocation>,
    overrides: Vec<Override>,
}

impl Orders {
    /// What counts of the orders that are stored, in a repository and at a time. Their order makes no difference.
    pub fn in_force(
        policy: &Policy,
        repository: &RepositoryName,
        (stored, by_admin): (&[VerifiedOrder], &[ServerThaw]),
        now: Timestamp,
    ) -> Self {
        let mut orders = Self::default();
        let mut thaws: Vec<(&Whom, &VerifiedOrder, &Principal)> = Vec::new();
        for record in stored.iter().filter(|record| !record.order().is_over(now)) {
            let counts = entitled(policy, Some(repository), record);
            let Order { act, by: said, reason, issued, expires, .. } = record.order();
            let (said, reason, issued, digest) = (said.clone(), reason.clone(), issued.0, record.digest());
            match (act, counts) {
                (Act::Freeze { whom, since }, Ok(by)) => orders.freezes.push(Freeze {
                    whom: whom.clone(),
                    by: said,
                    reason,
                    issued,
                    since: since.map_or(issued, |since| since.0),
                    expires: expires.map(|end| end.0),
                    digest,
                    thawed: None,
                    layer: by.layer,
                }),
                (Act::Thaw { whom }, Ok(by)) => thaws.push((whom, record, by)),
                (Act::Revoke { agent, .. } | Act::RevokeAll { agent, .. }, counts) => {
                    // Who issued a grant may take it back, which only the grant tells.
                    let known =
                        signer(policy, record).is_ok() && holds_here(policy, Some(repository), record.order()).is_ok();
                    let grants = match act {
                        Act::Revoke { serial, .. } => Grants::Serial(*serial),
                        Act::RevokeAll { until, .. } => Grants::Until(until.0),
                        _ => continue,
                    };
                    let (agent, any) = (agent.clone(), counts.is_ok());
                    let revocation = Revocation { agent, by: said, reason, issued, digest, grants, any };
                    orders.revocations.extend(known.then_some(revocation));
                }
                (Act::Override(of), Ok(by)) => {
                    let ahead = issued.0 > now.0.saturating_add(limits::CLOCK_SKEW);
                    let Some(end) = expires.filter(|_| !ahead) else { continue };
                    let (by, of, expires) = (by.id.clone(), of.clone(), end.0);
                    orders.overrides.push(Override { by, of, reason, issued, expires, digest });
                }
                (Act::Freeze { .. } | Act::Thaw { .. } | Act::Override(_), Err(_)) => {}
            }
        }
        for freeze in &mut orders.freezes {
            let by_person = thaws.iter().filter(|(whom, thaw, by)| {
                **whom == freeze.whom && thaw.order().issued.0 > freeze.issued && ends(policy, by, freeze)
            });
            let by_person = by_person.map(|(_, thaw, by)| (by.id.to_string(), thaw.order().issued.0));
            let at_server = by_admin.iter().filter(|thaw| thaw.whom == freeze.whom && thaw.issued >= freeze.issued);
            let at_server = at_server.map(|thaw| ("an admin at the server".to_owned(), thaw.issued));
            freeze.thawed = by_person.chain(at_server).min_by_key(|(_, issued)| *issued);
        }
        orders.freezes.sort_by(|a, b| (a.since, a.issued, &a.by).cmp(&(b.since, b.issued, &b.by)));
        orders.overrides.sort_by(|a, b| (&a.by, a.digest).cmp(&(&b.by, b.digest)));
        orders.revocations.sort_by_key(|one| (one.issued, one.digest));
        orders
    }

    /// Whether nothing is ordered.
    pub fn is_empty(&self) -> bool {
        self.freezes.is_empty() && self.revocations.is_empty() && self.overrides.is_empty()
    }

    /// The freezes, those that ended among them.
    pub fn freezes(&self) -> &[Freeze] {
        &self.freezes
    }

    /// Whether any agent may be frozen.
    pub fn freeze_anybody(&self) -> bool {
        self.freezes.iter().any(|freeze| freeze.thawed.is_none())
    }

    /// The freeze of an agent that is in force, the earliest of several.
    pub fn freeze_of(&self, agent: &Principal) -> Option<&Freeze> {
        self.freezes.iter().find(|freeze| freeze.thawed.is_none() && freeze.whom.covers(agent))
    }

    /// The freeze that stops what an agent signed, if it was first seen at `sighted`, or with this push where that is `None`.
    pub fn stops(&self, agent: &Principal, sighted: Option<Timestamp>) -> Option<&Freeze> {
        self.freeze_of(agent).filter(|freeze| sighted.is_none_or(|sighted| sighted > freeze.since))
    }

    /// Whether somebody's thaw of these agents could end anything.
    pub fn may_thaw(&self, policy: &Policy, by: &Principal, whom: &Whom) -> bool {
        let own = self.freezes.iter().any(|freeze| freeze.whom == *whom && ends(policy, by, freeze));
        own || policy.may_thaw(by, usize::MAX)
    }

    /// Who has taken a grant back, and why; the first of several.
    pub fn revocation(&self, grant: &GrantUse<'_>) -> Option<&Revocation> {
        self.revocations.iter().find(|one| {
            let means = match one.grants {
                Grants::Serial(serial) => serial == grant.serial,
                Grants::Until(time) => grant.begins <= time || grant.sighted.is_some_and(|sighted| sighted <= time),
            };
            one.agent == *grant.agent && means && (one.any || grant.issuers.contains(one.by.id()))
        })
    }

    /// What is taken back of an agent's grants.
    pub fn revocations_of<'a>(&'a self, agent: &'a Id) -> impl Iterator<Item = &'a Revocation> {
        self.revocations.iter().filter(move |one| one.agent == *agent)
    }

    /// The overrides of one move.
    pub fn overrides_of<'a>(
        &'a self,
        name: &'a [u8],
        old: Option<Oid>,
        new: Option<Oid>,
    ) -> impl Iterator<Item = &'a Override> {
        self.overrides.iter().filter(move |one| one.is_of(name, old, new))
    }

    /// Forgets overrides that have been spent.
    pub fn without_spent(mut self, is_spent: impl Fn(Digest) -> bool) -> Self {
        self.overrides.retain(|one| !is_spent(one.digest));
        self
    }

    /// All overrides.
    pub fn overrides(&self) -> &[Override] {
        &self.overrides
    }
}

impl Revocation {
    /// What is void, in words.
    pub fn what(&self) -> String {
        match self.grants {
            Grants::Serial(serial) => format!("the grant {}:{serial}", self.agent),
            Grants::Until(time) => {
                format!("every grant of {} up to {}", self.agent, Time(time))
            }
        }
    }
}

/// Whether a thaw by somebody ends a freeze: their own; as the agent's owner, its own; any, where the policy lets them.
fn ends(policy: &Policy, by: &Principal, freeze: &Freeze) -> bool {
    let own = *freeze.by.id() == by.id;
    let owns = || match (&freeze.by, &freeze.whom) {
        (By::Agent(itself), Whom::Agent(agent)) if itself == agent => {
            policy.principal(agent).is_some_and(|agent| agent.owner.as_ref() == Some(&by.id))
        }
        _ => false,
    };
    by.kind == PrincipalKind::Person && (own || owns() || policy.may_thaw(by, freeze.layer))
}
