//! Where orders are stored: `refs/countersign/orders/`, then what is ordered, of whom, and by whom.

use std::fmt;

use crate::core::digest::Digest;
use crate::core::id::Id;
use crate::core::oid::Oid;
use crate::core::policy::{Principal, PrincipalKind};

/// The namespace of orders.
pub const PREFIX: &str = "refs/countersign/orders/";

/// Whom a freeze stops.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whom {
    /// One agent.
    Agent(Id),
    /// Every agent that is an instance of a tool.
    Tool(Id),
    /// Every agent.
    All,
}

impl Whom {
    /// Reads what [`Whom`] displays.
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once('/') {
            None => (text == "all").then_some(Self::All),
            Some(("agent", id)) => named(id).map(Self::Agent),
            Some(("tool", id)) => named(id).map(Self::Tool),
            Some(_) => None,
        }
    }

    /// Whether an agent is one of them.
    pub fn covers(&self, principal: &Principal) -> bool {
        principal.kind == PrincipalKind::Agent
            && match self {
                Self::Agent(id) => principal.id == *id,
                Self::Tool(id) => principal.tool.as_ref() == Some(id),
                Self::All => true,
            }
    }

    /// In words.
    pub fn words(&self) -> String {
        match self {
            Self::Agent(id) => format!("agent {id}"),
            Self::Tool(id) => format!("every agent of the tool {id}"),
            Self::All => "every agent".to_owned(),
        }
    }
}

impl fmt::Display for Whom {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent(id) => write!(out, "agent/{id}"),
            Self::Tool(id) => write!(out, "tool/{id}"),
            Self::All => out.write_str("all"),
        }
    }
}

/// Who gives an order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    /// A person.
    Person(Id),
    /// An agent, of itself.
    Agent(Id),
}

impl By {
    /// Reads what [`By`] displays.
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once('/')? {
            ("person", id) => named(id).map(Self::Person),
            ("agent", id) => named(id).map(Self::Agent),
            _ => None,
        }
    }

    /// The id.
    pub fn id(&self) -> &Id {
        match self {
            Self::Person(id) | Self::Agent(id) => id,
        }
    }

    /// What kind of principal it says to be.
    pub fn kind(&self) -> PrincipalKind {
        match self {
            Self::Person(_) => PrincipalKind::Person,
            Self::Agent(_) => PrincipalKind::Agent,
        }
    }
}

impl fmt::Display for By {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.kind().noun(), self.id())
    }
}

/// What is ordered, of whom: one order of a principal's is stored of each.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// Agents stop.
    Freeze(Whom),
    /// A freeze ends.
    Thaw(Whom),
    /// The grant of an agent with this serial is void.
    Revoke(Id, u64),
    /// All grants of an agent are, up to a time.
    RevokeAll(Id),
    /// A move of a ref is accepted, by [`move_digest`].
    Override(Digest),
}

impl Topic {
    /// The word for what is ordered.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Freeze(_) => "freeze",
            Self::Thaw(_) => "thaw",
            Self::Revoke(..) | Self::RevokeAll(_) => "revoke",
            Self::Override(_) => "override",
        }
    }

    /// Of whom, as it stands in the order and in the name of its ref.
    pub fn subject(&self) -> String {
        match self {
            Self::Freeze(whom) | Self::Thaw(whom) => whom.to_string(),
            Self::Revoke(agent, serial) => format!("{agent}/{serial}"),
            Self::RevokeAll(agent) => format!("{agent}/all"),
            Self::Override(digest) => digest.to_string(),
        }
    }

    /// Reads both.
    pub fn parse(word: &str, subject: &str) -> Option<Self> {
        match word {
            "freeze" => Whom::parse(subject).map(Self::Freeze),
            "thaw" => Whom::parse(subject).map(Self::Thaw),
            "revoke" => match subject.split_once('/')? {
                (agent, "all") => named(agent).map(Self::RevokeAll),
                (agent, serial) => Some(Self::Revoke(named(agent)?, self::serial(serial)?)),
            },
            "override" => Digest::parse(subject.as_bytes()).map(Self::Override),
            _ => None,
        }
    }
}

/// The ref of one principal's order on one topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OrderPlace {
    /// What is ordered.
    pub topic: Topic,
    /// Who orders it.
    pub by: By,
}

impl OrderPlace {
    /// Reads the name of a ref. `None` for one that is not an order's.
    pub fn parse(name: &[u8]) -> Option<Self> {
        Self::parse_path(std::str::from_utf8(name).ok()?.strip_prefix(PREFIX)?)
    }

    /// Reads what follows [`PREFIX`].
    pub fn parse_path(path: &str) -> Option<Self> {
        let (word, rest) = path.split_once('/')?;
        let (rest, id) = rest.rsplit_once('/')?;
        let (subject, kind) = rest.rsplit_once('/')?;
        Some(Self { topic: Topic::parse(word, subject)?, by: By::parse(&format!("{kind}/{id}"))? })
    }

    /// What follows [`PREFIX`].
    pub fn path(&self) -> String {
        format!("{}/{}/{}", self.topic.word(), self.topic.subject(), self.by)
    }
}

impl fmt::Display for OrderPlace {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{PREFIX}{}", self.path())
    }
}

/// What one move of one ref is known by.
pub fn move_digest(name: &[u8], old: Option<Oid>, new: Option<Oid>) -> Digest {
    let id = |id: Option<Oid>| id.map(|id| id.to_string()).unwrap_or_default();
    Digest::of(&[name, b"\n", id(old).as_bytes(), b"\n", id(new).as_bytes()].concat())
}

/// An id that can be part of the name of a ref (git-check-ref-format(1)).
fn named(text: &str) -> Option<Id> {
    Id::parse(text.as_bytes()).filter(Id::fits_ref)
}

/// The serial of a certificate: decimal, no sign or leading zero, and not 0.
fn serial(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number > 0 && number.to_string() == text).then_some(number)
}
