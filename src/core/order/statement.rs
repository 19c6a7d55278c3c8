//! What is signed: an in-toto Statement v1 with our predicate, in its one encoding.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::place::{By, OrderPlace, Topic, Whom, move_digest};
use super::record::OrderError;
use crate::core::canonical::{CanonicalOid, Time};
use crate::core::digest::Digest;
use crate::core::dsse::{RecordError, read_statement, write_statement};
use crate::core::id::{Id, RepositoryName};

/// The type of our predicate.
pub const PREDICATE_TYPE: &str = "urn:countersign:order:v1";

/// Characters of a reason.
pub const REASON: usize = 500;

/// Seconds for which an override counts at most.
pub const HOUR: i64 = 3600;

/// Codes that one override names.
const CODES: usize = 32;

/// An order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Where it holds.
    pub scope: Scope,
    /// What is ordered.
    pub act: Act,
    /// Who orders it.
    pub by: By,
    /// Why, in their words.
    pub reason: String,
    /// When it was signed.
    pub issued: Time,
    /// When it ends; `None` where it ends by another order.
    pub expires: Option<Time>,
}

/// Where an order holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// In one repository.
    Repository(RepositoryName),
    /// In every repository under a policy of this name.
    Policy(Id),
}

impl Scope {
    /// Reads what [`Scope`] displays.
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix("policy:") {
            Some(name) => Id::parse(name.as_bytes()).map(Self::Policy),
            None => RepositoryName::parse(text.as_bytes()).map(Self::Repository),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Repository(name) => name.fmt(out),
            Self::Policy(name) => write!(out, "policy:{name}"),
        }
    }
}

/// What is ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Agents stop.
    Freeze {
        /// Which.
        whom: Whom,
        /// From when on, where that is before the order was given.
        since: Option<Time>,
    },
    /// The freeze of these agents ends.
    Thaw {
        /// Which.
        whom: Whom,
    },
    /// A grant is void.
    Revoke {
        /// Whose.
        agent: Id,
        /// The serial of its certificate.
        serial: u64,
    },
    /// All grants of an agent are void that were first seen, or begin, up to a time.
    RevokeAll {
        /// Whose.
        agent: Id,
        /// The time.
        until: Time,
    },
    /// A move of a ref is accepted in spite of findings.
    Override(Move),
}

/// One move of one ref, and what is to be passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// The full name of the ref.
    pub name: String,
    /// Its value before.
    pub old: Option<CanonicalOid>,
    /// Its value after.
    pub new: Option<CanonicalOid>,
    /// The codes of the findings, sorted.
    pub codes: Vec<String>,
}

impl Act {
    /// What the order is stored under.
    pub fn topic(&self) -> Topic {
        match self {
            Self::Freeze { whom, .. } => Topic::Freeze(whom.clone()),
            Self::Thaw { whom } => Topic::Thaw(whom.clone()),
            Self::Revoke { agent, serial } => Topic::Revoke(agent.clone(), *serial),
            Self::RevokeAll { agent, .. } => Topic::RevokeAll(agent.clone()),
            Self::Override(Move { name, old, new, .. }) => {
                Topic::Override(move_digest(name.as_bytes(), old.map(|id| id.0), new.map(|id| id.0)))
            }
        }
    }
}

/// The predicate of all but overrides. Its JSON has the keys in the order of these fields.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Plain {
    order: String,
    repository: String,
    subject: String,
    by: String,
    reason: String,
    issued: Time,
    expires: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<Time>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<Time>,
}

/// That of overrides.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OfMove {
    order: String,
    repository: String,
    subject: String,
    by: String,
    reason: String,
    issued: Time,
    expires: Option<Time>,
    #[serde(rename = "ref")]
    name: String,
    old: Option<CanonicalOid>,
    new: Option<CanonicalOid>,
    codes: Vec<String>,
}

/// As much of a statement as tells which of the two it has.
#[derive(Deserialize)]
struct Peeked {
    predicate: PeekedPredicate,
}

#[derive(Deserialize)]
struct PeekedPredicate {
    order: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StatementSubject {
    digest: PlaceDigest,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlaceDigest {
    sha256: String,
}

impl Order {
    /// Where it is stored.
    pub fn place(&self) -> OrderPlace {
        OrderPlace { topic: self.act.topic(), by: self.by.clone() }
    }

    /// Whether it is over at a time.
    pub fn is_over(&self, now: crate::core::decide::Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires.0 < now)
    }

    /// The statement's JSON.
    ///
    /// # Errors
    /// [`OrderError`] where a value is not one that an order may hold.
    pub fn to_statement(&self) -> Result<String, OrderError> {
        self.validate()?;
        let place = self.place();
        let digest = PlaceDigest { sha256: Digest::of(place.path().as_bytes()).to_string() };
        let subject = StatementSubject { digest };
        let Self { scope, act, by, reason, issued, expires } = self;
        let (order, of) = (place.topic.word().to_owned(), place.topic.subject());
        let (repository, by, reason) = (scope.to_string(), by.to_string(), reason.clone());
        let (issued, expires) = (*issued, *expires);
        let (since, until) = match act {
            Act::Freeze { since, .. } => (*since, None),
            Act::RevokeAll { until, .. } => (None, Some(*until)),
            Act::Thaw { .. } | Act::Revoke { .. } => (None, None),
            Act::Override(Move { name, old, new, codes }) => {
                let (name, old, new, codes) = (name.clone(), *old, *new, codes.clone());
                let of_move =
                    OfMove { order, repository, subject: of, by, reason, issued, expires, name, old, new, codes };
                return write_statement(PREDICATE_TYPE, subject, of_move);
            }
        };
        let plain = Plain { order, repository, subject: of, by, reason, issued, expires, since, until };
        write_statement(PREDICATE_TYPE, subject, plain)
    }

    /// Reads a statement, which must be the bytes that [`Order::to_statement`] would write.
    ///
    /// # Errors
    /// [`OrderError`] for anything else.
    pub fn from_statement(json: &[u8]) -> Result<Self, OrderError> {
        let peeked: Peeked = serde_json::from_slice(json).map_err(|error| RecordError::Json(error.to_string()))?;
        let (subject, order) = if peeked.predicate.order == "override" {
            let (subject, of_move): (Vec<StatementSubject>, OfMove) = read_statement(json, PREDICATE_TYPE)?;
            (subject, of_move.try_into()?)
        } else {
            let (subject, plain): (Vec<StatementSubject>, Plain) = read_statement(json, PREDICATE_TYPE)?;
            (subject, Self::try_from(plain)?)
        };
        let own = Digest::of(order.place().path().as_bytes()).to_string();
        match subject.as_slice() {
            [one] if one.digest.sha256 == own => {}
            _ => return Err(RecordError::Subject("the digest of its place")),
        }
        if order.to_statement()?.as_bytes() == json { Ok(order) } else { Err(RecordError::NotCanonical) }
    }

    fn validate(&self) -> Result<(), OrderError> {
        let invalid = |what| Err(RecordError::Value(what));
        let Self { scope, act, by, reason, issued, expires } = self;
        if By::parse(&by.to_string()).as_ref() != Some(by) {
            return invalid("by");
        }
        let topic = act.topic();
        if Topic::parse(topic.word(), &topic.subject()) != Some(topic) {
            return invalid("subject");
        }
        let characters = reason.chars().count();
        if !(1..=REASON).contains(&characters) || reason.chars().any(char::is_control) || reason.trim() != reason {
            return invalid("reason");
        }
        if expires.is_some_and(|expires| expires <= *issued) {
            return invalid("expires");
        }
        match act {
            Act::Freeze { since, .. } if since.is_some_and(|since| since >= *issued) => invalid("since"),
            Act::Freeze { .. } | Act::Thaw { .. } | Act::Revoke { .. } | Act::RevokeAll { .. } => Ok(()),
            Act::Override(_) if !matches!(scope, Scope::Repository(_)) => invalid("repository"),
            Act::Override(_) if expires.is_none_or(|end| end.0.0.saturating_sub(issued.0.0) > HOUR) => {
                invalid("expires")
            }
            Act::Override(of) => of.validate(),
        }
    }
}

impl Move {
    fn validate(&self) -> Result<(), OrderError> {
        let invalid = |what| Err(RecordError::Value(what));
        let Self { name, old, new, codes } = self;
        let plain = |byte: u8| byte > b' ' && byte != 0x7f;
        if !name.starts_with("refs/") || !name.bytes().all(plain) {
            return invalid("ref");
        }
        let formats = old.iter().zip(new).all(|(old, new)| old.0.format() == new.0.format());
        if old == new || !formats {
            return invalid("new");
        }
        let is_code = |code: &String| Id::parse(code.as_bytes()).is_some();
        if !(1..=CODES).contains(&codes.len()) || !codes.is_sorted_by(|a, b| a < b) || !codes.iter().all(is_code) {
            return invalid("codes");
        }
        Ok(())
    }
}

/// What both predicates say of an order, as text.
struct Said {
    order: String,
    repository: String,
    subject: String,
    by: String,
}

impl Said {
    fn read(self) -> Result<(Scope, Topic, By), OrderError> {
        let scope = Scope::parse(&self.repository).ok_or(RecordError::Value("repository"))?;
        let topic = Topic::parse(&self.order, &self.subject).ok_or(RecordError::Value("subject"))?;
        let by = By::parse(&self.by).ok_or(RecordError::Value("by"))?;
        Ok((scope, topic, by))
    }
}

impl TryFrom<Plain> for Order {
    type Error = OrderError;

    fn try_from(plain: Plain) -> Result<Self, OrderError> {
        let Plain { order, repository, subject, by, reason, issued, expires, since, until } = plain;
        let (scope, topic, by) = Said { order, repository, subject, by }.read()?;
        let act = match (topic, since, until) {
            (Topic::Freeze(whom), since, None) => Act::Freeze { whom, since },
            (Topic::Thaw(whom), None, None) => Act::Thaw { whom },
            (Topic::Revoke(agent, serial), None, None) => Act::Revoke { agent, serial },
            (Topic::RevokeAll(agent), None, Some(until)) => Act::RevokeAll { agent, until },
            (_, Some(_), _) => return Err(RecordError::Value("since")),
            (_, None, _) => return Err(RecordError::Value("until")),
        };
        Ok(Self { scope, act, by, reason, issued, expires })
    }
}

impl TryFrom<OfMove> for Order {
    type Error = OrderError;

    fn try_from(of_move: OfMove) -> Result<Self, OrderError> {
        let OfMove { order, repository, subject, by, reason, issued, expires, name, old, new, codes } = of_move;
        let (scope, topic, by) = Said { order, repository, subject, by }.read()?;
        let act = Act::Override(Move { name, old, new, codes });
        if act.topic() != topic {
            return Err(RecordError::Value("subject"));
        }
        Ok(Self { scope, act, by, reason, issued, expires })
    }
}
