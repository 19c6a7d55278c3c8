//! `countersign freeze`, `thaw`, `override` and `grant revoke` in a clone: an order is made, signed with the person's key as an approval is,
//! and delivered.

mod signed;

use std::path::PathBuf;

use clap::Args;

use crate::core::canonical::{CanonicalOid, Time};
use crate::core::decide::{Code, Timestamp};
use crate::core::id::Id;
use crate::core::order::{Act, HOUR, Move, Scope, Whom};
use crate::core::policy::{Policy, PrincipalKind, Span};
use crate::core::report::escape;
use crate::core::text::nearest::nearest;
use crate::desk::check::full_name;
use crate::desk::clone::Local;
use crate::gate::policy_source::PolicyArg;
use crate::system::{Failure, Result, now};
use signed::{Draft, Orderer};

/// How any order is signed and delivered.
#[derive(Args)]
pub(crate) struct Delivery {
    /// Why, for everybody whom it stops to read
    #[arg(long = "because", value_name = "TEXT")]
    because: Option<String>,
    /// The key to sign with, a file: by default git's user.signingkey
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Do not ask: what is printed has been looked at elsewhere
    #[arg(long)]
    yes: bool,
    /// Write the order to a file and store nothing
    #[arg(long, value_name = "FILE", conflicts_with = "no_push")]
    out: Option<PathBuf>,
    /// Store the order in this clone and push nothing
    #[arg(long)]
    no_push: bool,
    /// A policy instead of the configured one; all given hold together
    #[arg(long = "policy", value_name = "FILE|ref:REF:PATH")]
    policies: Vec<PolicyArg>,
    /// The remote that it is delivered to
    #[arg(long, default_value = "origin")]
    remote: String,
}

impl Delivery {
    /// Why.
    pub(crate) fn reason(&self) -> Result<String> {
        self.because.clone().ok_or_else(|| {
            Failure::new("an order says why").hint("add --because TEXT, which everybody reads whom it stops")
        })
    }
}

/// Whom and where.
#[derive(Args)]
pub(crate) struct Subject {
    /// An agent, tool:NAME for every agent of a tool, or all
    #[arg(value_name = "AGENT|tool:NAME|all", required_unless_present = "order")]
    pub(crate) subject: Option<String>,
    /// For this repository alone, where the policy has a name and the order would hold for all that it governs
    #[arg(long, conflicts_with = "server")]
    here: bool,
    /// Apply a signed order on this server: to all repositories below a directory, those to come among them
    #[arg(long, value_name = "REPO.git|ROOT")]
    pub(crate) server: Option<PathBuf>,
    /// The file of the signed order
    #[arg(long, value_name = "FILE", requires = "server", conflicts_with = "subject")]
    pub(crate) order: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Freeze {
    #[command(flatten)]
    pub(crate) subject: Subject,
    /// How long it holds: a number of m, h, d or w; without it until it is thawed
    #[arg(long, value_name = "SPAN", value_parser = span)]
    expires: Option<Span>,
    /// Also stop what was first received since this time, such as 2026-11-01T08:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Time>,
    #[command(flatten)]
    delivery: Delivery,
}

#[derive(Args)]
pub(crate) struct Thaw {
    #[command(flatten)]
    pub(crate) subject: Subject,
    #[command(flatten)]
    pub(crate) delivery: Delivery,
}

#[derive(Args)]
pub(crate) struct Override {
    /// The ref: a full name, or a branch
    #[arg(value_name = "REF")]
    name: String,
    /// Its value at the server, a commit or id; none where it is new
    #[arg(long, value_name = "OLD")]
    from: String,
    /// The value that is to be accepted; none where it is to be deleted
    #[arg(long, value_name = "NEW")]
    to: String,
    /// The codes of the findings to pass over
    #[arg(long = "code", value_name = "CODE", required = true, num_args = 1.., value_parser = code)]
    codes: Vec<Code>,
    #[command(flatten)]
    delivery: Delivery,
}

#[derive(Args)]
pub(crate) struct Revoke {
    /// A grant by its name, or an agent for all that it has now
    #[arg(value_name = "AGENT:SERIAL|AGENT")]
    grant: String,
    /// For this repository alone, where the policy has a name and the order would hold for all that it governs
    #[arg(long)]
    here: bool,
    #[command(flatten)]
    delivery: Delivery,
}

fn span(text: &str) -> std::result::Result<Span, String> {
    Span::parse(text).ok_or_else(|| "write a number of m, h, d or w, such as 8h".to_owned())
}

fn time(text: &str) -> std::result::Result<Time, String> {
    Time::parse(text).ok_or_else(|| "write a time in UTC, such as 2026-11-01T08:00:00Z".to_owned())
}

fn code(text: &str) -> std::result::Result<Code, String> {
    let near = || nearest(text, Code::ALL.iter().map(|code| code.name()));
    let unknown = || near().map_or_else(|| "there is no such code".to_owned(), |near| format!("did you mean {near}?"));
    let code = Code::parse(text).ok_or_else(unknown)?;
    if code.may_be_overridden() { Ok(code) } else { Err("that is never passed over".to_owned()) }
}

/// Stops an agent.
pub(crate) fn freeze(freeze: &Freeze) -> Result<()> {
    let orderer = Orderer::open(&freeze.delivery)?;
    let whom = whom(orderer.policy(), freeze.subject.subject.as_deref().unwrap_or_default())?;
    let (since, scope) = (freeze.since, scope(&orderer, freeze.subject.here));
    let heading = format!("stops {}", whom.words());
    orderer.deliver(Draft { scope, act: Act::Freeze { whom, since }, expires: freeze.expires, heading, verb: "Freeze" })
}

/// Ends a freeze.
pub(crate) fn thaw(thaw: &Thaw) -> Result<()> {
    let orderer = Orderer::open(&thaw.delivery)?;
    let whom = whom(orderer.policy(), thaw.subject.subject.as_deref().unwrap_or_default())?;
    let scope = scope(&orderer, thaw.subject.here);
    let heading = format!("ends the freeze of {}", whom.words());
    orderer.deliver(Draft { scope, act: Act::Thaw { whom }, expires: None, heading, verb: "Thaw" })
}

/// Takes grants back.
pub(crate) fn revoke(revoke: &Revoke) -> Result<()> {
    let orderer = Orderer::open(&revoke.delivery)?;
    let act = revoked(orderer.policy(), &revoke.grant, now()?)?;
    let heading = match &act {
        Act::Revoke { agent, serial } => format!("revokes the grant {agent}:{serial}"),
        _ => format!("revokes every grant that {} has now", escape(revoke.grant.as_bytes(), 100)),
    };
    let scope = scope(&orderer, revoke.here);
    orderer.deliver(Draft { scope, act, expires: None, heading, verb: "Revoke" })
}

/// Accepts a move in spite of what is found.
pub(crate) fn pass_over(wanted: &Override) -> Result<()> {
    let orderer = Orderer::open(&wanted.delivery)?;
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
fn scope(orderer: &Orderer<'_>, here: bool) -> Scope {
    let named = orderer.policy().order_terms().values().find_map(|terms| terms.name.clone()).filter(|_| !here);
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
