//! What forges say of approvals given in their pages: the events that they send to web hooks, and what their API answers when it is
//! asked who approves a request now. Each file is one forge's documented contract.
//!
//! An event is a claim. That it comes from the forge is for whoever received it to have checked; here it is only read, strictly, and
//! weighed against what the API said afterwards. An event may come late, twice or out of order, so where both are at hand nobody approves
//! who does not approve now.

mod gitea;
mod github;
mod gitlab;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::core::limits;
use crate::core::oid::Oid;
use crate::core::submitter;

/// Whose events are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forge {
    /// GitLab.
    GitLab,
    /// Gitea and Forgejo.
    Gitea,
    /// GitHub and GitHub Enterprise Server.
    GitHub,
}

impl Forge {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::GitLab => "GitLab",
            Self::Gitea => "Gitea",
            Self::GitHub => "GitHub",
        }
    }
}

/// An event about one request to merge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The repository, as the forge writes its path.
    pub repository: String,
    /// The request, by the path of its URL.
    pub request: String,
    /// The branch that it would be merged into.
    pub target: String,
    /// Its last commit.
    pub head: Oid,
    /// What happened.
    pub happened: Happened,
}

/// What an event says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happened {
    /// Somebody approved it.
    Approved {
        /// Who.
        account: String,
        /// What they approved; `None` where the event does not say.
        commit: Option<Oid>,
    },
    /// Somebody's approval is taken back, by themselves or by who dismissed it.
    Withdrawn {
        /// Whose.
        account: String,
    },
    /// All approvals are taken back.
    Reset,
    /// Its last commit is another than before.
    Moved,
    /// Nothing that approvals depend on.
    Other,
}

/// Where somebody stands on a request now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review {
    /// Whether they approve it.
    pub approves: bool,
    /// What they looked at; `None` where the API does not say.
    pub commit: Option<Oid>,
}

/// Where everybody stands on a request now, by account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reviews(BTreeMap<String, Review>);

impl Reviews {
    /// Whether somebody approves this commit.
    pub fn approves(&self, account: &str, head: Oid) -> bool {
        self.0.get(account).is_some_and(|review| review.approves && review.commit.is_none_or(|commit| commit == head))
    }
}

/// Why an event or an answer cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EventError {
    /// It is over [`limits::EVENT_BYTES`].
    #[error("it is larger than {} bytes", limits::EVENT_BYTES)]
    TooLarge,
    /// It is no JSON of the form that the forge documents.
    #[error("it does not have the form that {forge} documents: {why}")]
    Form {
        /// Whose form.
        forge: &'static str,
        /// What is wrong, and where.
        why: String,
    },
    /// It is about something else.
    #[error("it is about {0:?}, and not about a request to merge")]
    Kind(String),
    /// A value is not what it has to be.
    #[error("its value of `{0}` is not valid")]
    Value(&'static str),
}

/// Why an approval is not attested.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unattested {
    /// The event does not say what was approved, and nobody asked.
    #[error("the event does not say which commit was approved")]
    Unsaid,
    /// What was approved is not what would be merged.
    #[error("{account} approved {}, and the last commit of the request is {}", commit.short(), head.short())]
    Moved {
        /// Who.
        account: String,
        /// What they approved.
        commit: Oid,
        /// What the request has now.
        head: Oid,
    },
    /// The forge says that they do not approve it now.
    #[error("{account} does not approve {} now, by what the forge answers", head.short())]
    Over {
        /// Who.
        account: String,
        /// What the request has now.
        head: Oid,
    },
}

impl Event {
    /// Reads an event.
    ///
    /// # Errors
    /// [`EventError`] for anything but what the forge documents.
    pub fn parse(forge: Forge, json: &[u8]) -> Result<Self, EventError> {
        match forge {
            Forge::GitLab => gitlab::event(json),
            Forge::Gitea => gitea::event(json),
            Forge::GitHub => github::event(json),
        }
    }

    /// Whose approval it lets a service attest, if anybody's.
    ///
    /// # Errors
    /// [`Unattested`] where somebody approved, and not what would be merged now.
    pub fn approval(&self, reviews: Option<&Reviews>) -> Result<Option<&str>, Unattested> {
        let Happened::Approved { account, commit } = &self.happened else { return Ok(None) };
        let (head, whose) = (self.head, || account.clone());
        match (*commit, reviews) {
            (Some(commit), _) if commit != head => Err(Unattested::Moved { account: whose(), commit, head }),
            (_, Some(reviews)) if !reviews.approves(account, head) => Err(Unattested::Over { account: whose(), head }),
            (None, None) => Err(Unattested::Unsaid),
            (_, Some(_)) | (Some(_), None) => Ok(Some(account)),
        }
    }

    /// Whether what a service attested of the request before is to be taken back: that somebody approved a commit.
    pub fn takes_back(&self, account: &str, commit: Oid, reviews: Option<&Reviews>) -> bool {
        let by_event = match &self.happened {
            Happened::Approved { .. } | Happened::Moved | Happened::Other => commit != self.head,
            Happened::Withdrawn { account: whose } => whose == account || commit != self.head,
            Happened::Reset => true,
        };
        by_event || reviews.is_some_and(|reviews| !reviews.approves(account, self.head))
    }
}

/// Reads what the forge's API answers about who approves a request.
///
/// # Errors
/// [`EventError`] for anything but what the forge documents.
pub fn reviews(forge: Forge, json: &[u8]) -> Result<Reviews, EventError> {
    match forge {
        Forge::GitLab => gitlab::reviews(json),
        Forge::Gitea => gitea::reviews(json),
        Forge::GitHub => github::reviews(json),
    }
}

fn read<T: DeserializeOwned>(forge: Forge, json: &[u8]) -> Result<T, EventError> {
    if json.len() > limits::EVENT_BYTES {
        return Err(EventError::TooLarge);
    }
    serde_json::from_slice(json).map_err(|error| EventError::Form { forge: forge.name(), why: error.to_string() })
}

fn account(text: String, key: &'static str) -> Result<String, EventError> {
    submitter::account(text.as_bytes()).ok_or(EventError::Value(key))
}

fn commit(text: &str, key: &'static str) -> Result<Oid, EventError> {
    Oid::parse(text.as_bytes()).ok_or(EventError::Value(key))
}

/// The name of a branch, or the path of a repository.
fn name(text: String, key: &'static str) -> Result<String, EventError> {
    let plain = !text.is_empty() && text.len() <= 1000 && !text.chars().any(|char| char.is_control() || char == ' ');
    if plain { Ok(text) } else { Err(EventError::Value(key)) }
}

/// The path of a URL, without its first slash.
fn path(url: &str, key: &'static str) -> Result<String, EventError> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let path = rest.and_then(|rest| rest.split_once('/')).map(|(_, path)| path);
    let plain = |path: &&str| !path.is_empty() && path.len() <= 500 && path.bytes().all(|byte| byte.is_ascii_graphic());
    path.filter(plain).map(str::to_owned).ok_or(EventError::Value(key))
}

/// One review of a list, in which each person's last word counts.
struct Word {
    number: u64,
    account: String,
    review: Review,
}

fn last_words(words: impl IntoIterator<Item = Word>) -> Reviews {
    let mut last: BTreeMap<String, (u64, Review)> = BTreeMap::new();
    for Word { number, account, review } in words {
        if last.get(&account).is_none_or(|(before, _)| *before <= number) {
            last.insert(account, (number, review));
        }
    }
    Reviews(last.into_iter().map(|(account, (_, review))| (account, review)).collect())
}
