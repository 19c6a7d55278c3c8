//! `countersign freeze`, `thaw`, `override` and `grant revoke` in a clone: an order is made, signed with the person's key as an approval is,
//! and delivered.

mod signed;

use std::path::PathBuf;

use crate::core::canonical::{CanonicalOid, Time};
use crate::core::decide::{Code, Timestamp};
use crate::core::id::Id;
use crate::core::order::{Act, HOUR, Move, Scope, Whom};
use crate::core::policy::{Policy, PrincipalKind, Span};
use crate::core::report::escape;
use crate::core::text::nearest::nearest;
use crate::desk::approve::Asks;
use crate::desk::check::full_name;
use crate::desk::clone::Local;
use crate::gate::policy_source::PolicyArg;
use crate::system::{Failure, Result, now};
use signed::{Draft, Orderer};

/// How any order is signed and delivered.
pub(crate) struct Delivery {
    /// Why, for everybody whom it stops to read.
    pub(crate) because: Option<String>,
    /// The key to sign with, a file: by default git's `user.signingkey`.
    pub(crate) key: Option<PathBuf>,
    /// Whether somebody is asked.
    pub(crate) asks: Asks,
    /// Where it goes.
    pub(crate) to: Destination,
    /// A policy instead of the configured one; all given hold together.
    pub(crate) policies: Vec<PolicyArg>,
    /// The remote that it is delivered to.
    pub(crate) remote: String,
}

/// Where a signed order goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    Remote,
    /// The refs of this clone.
    Clone,
    File(PathBuf),
}

impl Delivery {
    /// Why.
    pub(crate) fn reason(&self) -> Result<String> {
        self.because.clone().ok_or_else(|| {
            Failure::new("an order says why").hint("add --because TEXT, which everybody reads whom it stops")
        })
    }
}

/// For which repositories an order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// All that the policy governs, where it has a name; else this one.
    Policy,
    /// This one alone.
    Repository,
}

/// Whom, by the word of the command line, and where.
pub(crate) struct Subject {
    pub(crate) word: String,
    pub(crate) reach: Reach,
}

/// A move of a ref that is to be accepted.
pub(crate) struct Override {
    /// The ref: a full name, or a branch.
    pub(crate) name: String,
    /// Its value at the server, a commit or id; `none` where it is new.
    pub(crate) from: String,
    /// The value that is to be accepted; `none` where it is to be deleted.
    pub(crate) to: String,
    /// The codes of the findings to pass over.
    pub(crate) codes: Vec<Code>,
}

/// Stops an agent, until a span is over, and for what was first received since a time.
pub(crate) fn freeze(subject: &Subject, expires: Option<Span>, since: Option<Time>, delivery: &Delivery) -> Result<()> {
    let orderer = Orderer::open(delivery)?;
    let whom = whom(orderer.policy(), &subject.word)?;
    let scope = scope(&orderer, subject.reach);
    let heading = format!("stops {}", whom.words());
    orderer.deliver(Draft { scope, act: Act::Freeze { whom, since }, expires, heading, verb: "Freeze" })
}

/// Ends a freeze.
pub(crate) fn thaw(subject: &Subject, delivery: &Delivery) -> Result<()> {
    let orderer = Orderer::open(delivery)?;
    let whom = whom(orderer.policy(), &subject.word)?;
    let scope = scope(&orderer, subject.reach);
    let heading = format!("ends the freeze of {}", whom.words());
    orderer.deliver(Draft { scope, act: Act::Thaw { whom }, expires: None, heading, verb: "Thaw" })
}

/// Takes a grant back, by its name, or all that an agent has now.
pub(crate) fn revoke(subject: &Subject, delivery: &Delivery) -> Result<()> {
    let orderer = Orderer::open(delivery)?;
    let act = revoked(orderer.policy(), &subject.word, now()?)?;
    let heading = match &act {
        Act::Revoke { agent, serial } => format!("revokes the grant {agent}:{serial}"),
        _ => format!("revokes every grant that {} has now", escape(subject.word.as_bytes(), 100)),
    };
    let scope = scope(&orderer, subject.reach);
    orderer.deliver(Draft { scope, act, expires: None, heading, verb: "Revoke" })
}

/// Accepts a move in spite of what is found.
pub(crate) fn pass_over(wanted: &Override, delivery: &Delivery) -> Result<()> {
    let orderer = Orderer::open(delivery)?;
    let name = full_name(&wanted.name);
    let (old, new) = (value(orderer.local(), &wanted.from)?, value(orderer.local(), &wanted.to)?);
    let mut codes: Vec<String> = wanted.codes.iter().map(|code| code.name().to_owned()).collect();
    codes.sort_unstable();
    codes.dedup();
    check_terms(orderer.policy(), &codes)?;
    let shown = |id: Option<CanonicalOid>| id.map_or_else(|| "nothing".to_owned(), |id| id.to_string());
    let heading = format!(
        "accepts the move of {}\nfrom    {}\nto      {}\nin spite of {}",
        escape(name.as_bytes(), 200),
        shown(old),
        shown(new),
        codes.join(", ")
    );
    let scope = Scope::Repository(orderer.repository().clone());
    let act = Act::Override(Move { name, old, new, codes });
    let expires = Some(Span { seconds: HOUR });
    orderer.deliver(Draft { scope, act, expires, heading, verb: "Override" })
}

/// Refuses codes that no policy lets anybody pass over.
fn check_terms(policy: &Policy, codes: &[String]) -> Result<()> {
    let terms: Vec<_> = policy.order_terms().values().filter_map(|terms| terms.overrides.as_ref()).collect();
    let listed = |name: &String| terms.iter().any(|terms| terms.codes.iter().any(|code| code.name() == name));
    match codes.iter().find(|name| !listed(name)) {
        None => Ok(()),
        Some(code) => Err(Failure::new(format!("the policy lets nobody pass over {code} ([override] codes)"))
            .hint("mend what is found, or ask an admin")),
    }
}

/// For all that a policy governs, where it has a name by which an order can mean that.
fn scope(orderer: &Orderer<'_>, reach: Reach) -> Scope {
    let named = orderer.policy().order_terms().values().find_map(|terms| terms.name.clone());
    let named = named.filter(|_| reach == Reach::Policy);
    named.map_or_else(|| Scope::Repository(orderer.repository().clone()), Scope::Policy)
}

/// Whom a word of the command line means.
pub(crate) fn whom(policy: &Policy, word: &str) -> Result<Whom> {
    let is_tool = |id: &Id| policy.principals().any(|one| one.tool.as_ref() == Some(id));
    let agents = || policy.principals().filter(|one| one.kind == PrincipalKind::Agent);
    let shown = escape(word.as_bytes(), 100);
    if word == "all" {
        return Ok(Whom::All);
    }
    if let Some(tool) = word.strip_prefix("tool:") {
        let tool = Id::parse(tool.as_bytes()).filter(is_tool);
        return tool.map(Whom::Tool).ok_or_else(|| Failure::new(format!("no agent is an instance of {shown}")));
    }
    let id = Id::parse(word.strip_prefix("agent:").unwrap_or(word).as_bytes());
    if let Some(agent) = id.as_ref().and_then(|id| agents().find(|one| one.id == *id)) {
        return Ok(Whom::Agent(agent.id.clone()));
    }
    let near = nearest(word, agents().map(|one| one.id.as_str()));
    let hint = match (id.filter(is_tool), near) {
        (Some(tool), _) => {
            format!("a tool is called so; for every agent of it:\ncountersign freeze tool:{tool} --because TEXT")
        }
        (None, Some(near)) => format!("did you mean {near}?"),
        (None, None) => "an agent by its id in the policy, tool:NAME, or all".to_owned(),
    };
    Err(Failure::new(format!("the policy registers no agent {shown}")).hint(hint))
}

/// What a word of the command line takes back.
fn revoked(policy: &Policy, word: &str, now: Timestamp) -> Result<Act> {
    let (agent, serial) = word.split_once(':').map_or((word, None), |(agent, serial)| (agent, Some(serial)));
    let Whom::Agent(agent) = whom(policy, agent)? else {
        return Err(Failure::new("grants are those of one agent").hint("countersign grant revoke AGENT:SERIAL"));
    };
    let Some(serial) = serial else { return Ok(Act::RevokeAll { agent, until: Time(now) }) };
    let number = serial.parse::<u64>().ok().filter(|number| *number > 0);
    let serial = number.ok_or_else(|| Failure::new("the serial of a grant is a number from 1 on"))?;
    Ok(Act::Revoke { agent, serial })
}

/// A value of a ref, by a full id, a revision of this clone, or `none`.
fn value(local: &Local, word: &str) -> Result<Option<CanonicalOid>> {
    if word == "none" {
        return Ok(None);
    }
    let id = crate::core::oid::Oid::parse(word.as_bytes());
    let id = id.filter(|id| id.format() == local.objects.format()).map_or_else(|| local.object(word), Ok)?;
    Ok(Some(CanonicalOid(id)))
}
