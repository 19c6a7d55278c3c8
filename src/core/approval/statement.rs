//! What is signed: an in-toto Statement v1 with our predicate, in its one encoding.

use serde::{Deserialize, Serialize};

use super::envelope::ApprovalError;
use crate::core::canonical::{CanonicalOid, Sha256, Time};
use crate::core::dsse::{read_statement, write_statement};
use crate::core::id;
use crate::core::limits;
use crate::core::submitter;

/// The type of our predicate.
pub const PREDICATE_TYPE: &str = "urn:countersign:approval:v1";

/// What a person says of the commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// They may land.
    Approve,
    /// An earlier approval of them is taken back.
    Withdraw,
}

/// One commit of an approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovedCommit {
    /// The commit.
    pub id: CanonicalOid,
    /// Its change against its first parent, digested as for a seal.
    pub change: Sha256,
    /// The digest of its message without its seal blocks. Records made before 0.2 hold that of what stands above the first
    /// `Countersign-` line.
    pub message: Sha256,
}

/// That a person approved in the pages of a forge: a service says so, and signs the record in the person's place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attested {
    /// The id of the service.
    pub service: String,
    /// The person's account, as the forge writes it.
    pub account: String,
    /// The request, by the path of its URL in the forge.
    pub request: String,
}

/// The predicate. Its JSON has the keys in the order of these fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// What the person says.
    pub decision: Decision,
    /// The repository.
    pub repository: String,
    /// The full name of the ref that the commits may land on.
    #[serde(rename = "ref")]
    pub name: String,
    /// The one merge base of `head` and the ref's value, or for a ref that does not exist the commit where its mainline would end;
    /// `None` where there is none.
    pub base: Option<CanonicalOid>,
    /// The last commit.
    pub head: CanonicalOid,
    /// The combined change from `base` to `head`.
    pub change: Sha256,
    /// The commits, in the order of `git rev-list --topo-order --reverse base..head`.
    pub commits: Vec<ApprovedCommit>,
    /// The agents whose work is approved, sorted.
    pub agents: Vec<String>,
    /// The id of the person.
    pub approver: String,
    /// Who says so in the person's place. `None`: the person, with a key of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attested: Option<Attested>,
    /// When it was signed.
    pub issued: Time,
    /// When it ends.
    pub expires: Time,
    /// The digest of the policy that was in force: for people who read it later.
    pub policy: Sha256,
    /// What else the person said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StatementSubject {
    digest: GitCommit,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GitCommit {
    #[serde(rename = "gitCommit")]
    commit: CanonicalOid,
}

/// Characters of a comment.
const COMMENT: usize = 1000;

/// Bytes of a request's path.
const REQUEST: usize = 500;

impl Attested {
    fn is_valid(&self) -> bool {
        let Self { service, account, request } = self;
        let path =
            !request.is_empty() && request.len() <= REQUEST && request.bytes().all(|byte| byte.is_ascii_graphic());
        id::Id::parse(service.as_bytes()).is_some() && submitter::account(account.as_bytes()).is_some() && path
    }
}

impl Approval {
    /// Whether it is a service's word, and this one's.
    pub fn is_attested_by(&self, service: &str) -> bool {
        self.attested.as_ref().is_some_and(|attested| attested.service == service)
    }

    /// Whose approval it is, in words that a verb follows.
    pub fn by(&self) -> String {
        match &self.attested {
            None => self.approver.clone(),
            Some(attested) => format!("{} (attested by {})", self.approver, attested.service),
        }
    }

    /// The approval in words, with whose it is.
    pub fn noun(&self) -> String {
        match &self.attested {
            None => format!("{}'s approval", self.approver),
            Some(attested) => format!("{}'s approval, attested by {},", self.approver, attested.service),
        }
    }

    /// The statement's JSON.
    ///
    /// # Errors
    /// [`ApprovalError`] where a value is not one that a record may hold.
    pub fn to_statement(&self) -> Result<String, ApprovalError> {
        self.validate()?;
        let subject = StatementSubject { digest: GitCommit { commit: self.head } };
        write_statement(PREDICATE_TYPE, subject, self)
    }

    /// Reads a statement, which must be the bytes that [`Approval::to_statement`] would write.
    ///
    /// # Errors
    /// [`ApprovalError`] for anything else.
    pub fn from_statement(json: &[u8]) -> Result<Self, ApprovalError> {
        let (subject, approval): (Vec<StatementSubject>, Self) = read_statement(json, PREDICATE_TYPE)?;
        match subject.as_slice() {
            [one] if one.digest.commit == approval.head => {}
            _ => return Err(ApprovalError::Subject("its head commit")),
        }
        if approval.to_statement()?.as_bytes() == json { Ok(approval) } else { Err(ApprovalError::NotCanonical) }
    }

    fn validate(&self) -> Result<(), ApprovalError> {
        let invalid = |what| Err(ApprovalError::Value(what));
        let is_id = |text: &str| id::Id::parse(text.as_bytes()).is_some();
        if id::RepositoryName::parse(self.repository.as_bytes()).is_none() {
            return invalid("repository");
        }
        let plain = |byte: u8| byte > b' ' && byte != 0x7f;
        if !self.name.starts_with("refs/") || !self.name.bytes().all(plain) {
            return invalid("ref");
        }
        if !is_id(&self.approver) {
            return invalid("approver");
        }
        if self.attested.as_ref().is_some_and(|attested| !attested.is_valid()) {
            return invalid("attested");
        }
        if !self.agents.iter().all(|agent| is_id(agent)) || !self.agents.is_sorted_by(|a, b| a < b) {
            return invalid("agents");
        }
        if self.commits.len() > limits::APPROVED_COMMITS {
            return Err(ApprovalError::TooMany(limits::APPROVED_COMMITS));
        }
        let mut ids: Vec<CanonicalOid> = self.commits.iter().map(|commit| commit.id).collect();
        ids.sort_unstable();
        ids.dedup();
        let formats = ids.iter().chain([&self.head]).chain(&self.base).all(|id| id.0.format() == self.head.0.format());
        if ids.len() != self.commits.len() || self.commits.last().is_none_or(|last| last.id != self.head) || !formats {
            return invalid("commits");
        }
        if self.expires <= self.issued {
            return invalid("expires");
        }
        let comment = self.comment.as_deref().unwrap_or("-");
        if comment.is_empty() || comment.chars().count() > COMMENT || comment.chars().any(char::is_control) {
            return invalid("comment");
        }
        Ok(())
    }
}
