//! Plain owned data about one push: all that [`crate::core::decide`] looks at.
//!
//! Facts carry no judgement. What was verified is of a type that only verification makes; what could not be found out is a
//! [`Doubt`], never an absence.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use crate::core::approval::{ApprovalError, ApprovalPlace, VerifiedApproval};
use crate::core::commit::{Address, Approves, Malformed, MalformedTrailers};
use crate::core::decide::{Subject, Timestamp};
use crate::core::digest::Digest;
use crate::core::id::{Id, RepositoryName};
use crate::core::landing::{Landing, Use};
use crate::core::marks::Mark;
use crate::core::oid::Oid;
use crate::core::openpgp::Issuer;
use crate::core::order::{OrderError, OrderPlace, Orders, VerifiedOrder};
use crate::core::policy::{Policy, Principal, PrincipalKind, Problem};
use crate::core::seal;
use crate::core::signature::{ObjectSignature, SignatureFault, SigningKey};
use crate::core::ssh::PublicKey;
use crate::core::submitter::Submitter;

/// Everything about one push.
#[derive(Debug, Default)]
pub struct Facts {
    /// The name that seals and approvals are bound to.
    pub repository: Option<RepositoryName>,
    /// Where a clone finds the policy, as it is named on a command line, if it is one that lies in the repository.
    pub policy: Option<String>,
    /// Who pushes.
    pub submitter: Submitter,
    /// The ref updates, or those among them of which something is to be recorded. Their order has no meaning.
    pub updates: Vec<Update>,
    /// Every commit that some rule looks at.
    pub commits: BTreeMap<Oid, CommitFacts>,
    /// Every annotated tag that an update brings.
    pub tags: BTreeMap<Oid, TagFacts>,
    /// When seals and signatures were first received, by their digest, where that matters and where it was before this push.
    pub receipts: BTreeMap<Digest, Timestamp>,
    /// The commits that were received before under certificates that are for so many, by the digests of these. None of one of which nobody
    /// counts.
    pub uses: BTreeMap<Digest, BTreeSet<Oid>>,
    /// The records of approvals for each ref that the push updates and some rule asks approvals for, with those that the push
    /// brings, by the full name of the ref.
    pub approvals: BTreeMap<Vec<u8>, Vec<ApprovalFact>>,
    /// What is ordered here: by the orders that are stored, with those that the push brings in their place. Overrides that have been
    /// spent are not among them.
    pub orders: Orders,
}

/// One record of an approval.
#[derive(Debug)]
pub struct ApprovalFact {
    /// Where it is stored.
    pub place: ApprovalPlace,
    /// The record, or why it is none.
    pub record: Rc<Result<VerifiedApproval, ApprovalError>>,
    /// Whether and how the ledger knows it to have landed.
    pub used: Use,
    /// Whether its commits are in the repository and are what it says of them, together and each: what stands in their place is
    /// judged by who made them. Looked at where a commit may stand in their place; `false` elsewhere.
    pub is_borne_out: bool,
}

impl ApprovalFact {
    /// The record, where it is one.
    pub fn approval(&self) -> Option<&VerifiedApproval> {
        self.record.as_ref().as_ref().ok()
    }
}

/// What a push does at the place of a record.
#[derive(Debug)]
pub struct RecordUpdate {
    /// The place; `None` where the name is not that of one.
    pub place: Option<ApprovalPlace>,
    /// The record, or why it is none; `None` where it is deleted. Many places can name one record.
    pub record: Option<Rc<Result<VerifiedApproval, ApprovalError>>>,
    /// When the record that it replaces was issued.
    pub replaces: Option<Timestamp>,
}

/// What a push does at the place of an order.
#[derive(Debug)]
pub struct OrderUpdate {
    /// The place; `None` where the name is not that of one.
    pub place: Option<OrderPlace>,
    /// The order, or why it is none; `None` where it is deleted.
    pub record: Option<Result<VerifiedOrder, OrderError>>,
    /// When the order that it replaces was issued.
    pub replaces: Option<Timestamp>,
    /// How many orders by the same would be stored after the push, what is over apart, and their bytes.
    pub stored: (usize, u64),
}

/// Something that a frozen agent signed and that was first seen after its freeze.
#[derive(Clone, Debug)]
pub struct FrozenWork {
    /// The agent.
    pub agent: Id,
    /// The commit or tag.
    pub subject: Subject,
}

/// One ref and where the push would move it.
#[derive(Debug)]
pub struct Update {
    /// The full name of the ref.
    pub name: Arc<[u8]>,
    /// Its value before; `None` if it does not exist.
    pub old: Option<Oid>,
    /// Its value after; `None` if it is deleted.
    pub new: Option<Oid>,
    /// What the client says its value was before, where that is not so: then nothing else is looked at.
    pub claimed: Option<Option<Oid>>,
    /// How the new value relates to the old one.
    pub movement: Movement,
    /// Annotated tags between the ref and its target, the outermost first.
    pub tags: Vec<Oid>,
    /// What the ref leads to in the end.
    pub target: RefTarget,
    /// A commit that the pusher has and that lies below all new ones, for the range in a hint.
    pub base: Option<Oid>,
    /// Who made sealed commits, of the new ones and of the latest below them, by their author fields: claims, for a hint. Looked at where
    /// a new one bears an agent's mark and no seal.
    pub sealed_before: Vec<Address>,
    /// What each matching rule looks at.
    pub judged: Vec<Judged>,
    /// What could not be found out about the update itself.
    pub doubt: Option<Doubt>,
    /// Whether the ref has moved with no decision.
    pub continuity: Continuity,
    /// Where this ref holds a policy in force: what is wrong with the policy the push would leave there.
    pub policy: Option<PolicyOnRef>,
    /// Where this ref is of the namespace of approvals: what the push does there.
    pub record: Option<RecordUpdate>,
    /// Where this ref is of the namespace of orders: what the push does there.
    pub order: Option<OrderUpdate>,
    /// What the push brings to the ref of agents that are frozen.
    pub frozen: Vec<FrozenWork>,
    /// Commits under grants that the ref gains, which the agent of the grant, or somebody unknown, moves there.
    pub granted: Vec<Oid>,
    /// What would land on the ref, for rules that ask for approvals. Rules refer to it by position.
    pub landings: Vec<Landing>,
}

/// How a new value relates to the old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Movement {
    /// The ref is new.
    Created,
    /// The ref goes away.
    Deleted,
    /// The new value contains the old one.
    Forward,
    /// The new value drops commits, or is not a commit.
    Forced,
    /// No rule asks.
    Unexamined,
}

/// Whether decisions account for the value that a ref has before the push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Continuity {
    /// They do, or no record is kept.
    Unbroken,
    /// It moved with none, and no admin has said since that it is right.
    Broken,
}

/// What a ref leads to after its tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefTarget {
    /// A commit.
    Commit(Oid),
    /// A tree or blob, which has no author.
    Unattributed(&'static str),
    /// Nothing: the ref is deleted, or no rule asks.
    Nothing,
}

/// What stands where a tag has no single reading, and nobody can say what it leads to.
pub const MALFORMED_TAG: &str = "malformed tag";

/// What one rule looks at in one update.
#[derive(Debug)]
pub struct Judged {
    /// The position of the rule in [`crate::core::policy::Policy::rules`].
    pub rule: usize,
    /// The commits that are new for this rule's requirements.
    pub commits: Vec<JudgedCommit>,
    /// What is new for its approvals, and for its submitters where it is about paths; `None` where it asks for neither.
    pub sought: Option<Sought>,
    /// What could not be found out for this rule.
    pub doubt: Option<Doubt>,
}

impl Judged {
    /// What a rule looks at where there is nothing to look at.
    pub const fn nothing(rule: usize) -> Self {
        Self { rule, commits: Vec::new(), sought: None, doubt: None }
    }
}

/// What one rule wants approved, or pushed by somebody it lists, in one update.
#[derive(Debug)]
pub struct Sought {
    /// The commits that are new for it.
    pub commits: Vec<JudgedCommit>,
    /// The position in [`Update::landings`] of what lands.
    pub landing: usize,
}

/// A commit as one rule meets it.
#[derive(Clone, Debug)]
pub struct JudgedCommit {
    /// The commit.
    pub id: Oid,
    /// For a rule with paths: the first path of its classes that the commit touches. `None` where the commit cannot be read for its
    /// paths, which touches all of them.
    pub touched: Option<Vec<u8>>,
}

/// Something that could not be found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// An object or ref cannot be read.
    Unreadable(String),
    /// A ceiling of [`crate::core::limits`] was met.
    Limit(String),
}

impl Doubt {
    /// Why, in words.
    pub fn reason(&self) -> &str {
        match self {
            Self::Unreadable(reason) | Self::Limit(reason) => reason,
        }
    }
}

/// The policy that a push would leave on a ref that holds the policy in force.
#[derive(Debug, Default)]
pub struct PolicyOnRef {
    /// What is wrong with it; empty where it is valid.
    pub problems: Vec<Problem>,
    /// The paths of its files on this ref.
    pub files: Vec<String>,
    /// Whether it is another than the one in force.
    pub changes: bool,
}

/// One commit, whatever rules look at it.
#[derive(Debug)]
pub struct CommitFacts {
    /// Its id.
    pub id: Oid,
    /// The first line of its message, raw and capped.
    pub summary: Vec<u8>,
    /// The email address of its author field, raw: a claim. Empty where the commit has no single reading.
    pub author: Address,
    /// The email address of its committer field, raw: a claim.
    pub committer: Address,
    /// Its change against its first parent; `None` where a tree is malformed.
    pub change: Option<Digest>,
    /// Whether it changes nothing.
    pub is_empty: bool,
    /// The digest of its message without its seal blocks.
    pub message: Digest,
    /// Where its signer approves what it brings in.
    pub approves: Vec<Approves>,
    /// Its place among the commits of the push: each comes after its parents.
    pub position: usize,
    /// Whether it has one reading.
    pub form: ObjectForm,
    /// What is wrong with the trees it changes.
    pub tree_fault: Option<String>,
    /// For each rule with paths that it touches, by position, the first such path: of what it changes, or at a merge of what is the
    /// merge's own.
    pub touched: Vec<(usize, Vec<u8>)>,
    /// The seals in order, or why its trailers have no reading.
    pub seals: Result<Vec<SealFact>, MalformedTrailers>,
    /// The agents that a person says to have taken it over from.
    pub drafted: Vec<Id>,
    /// Its signature header; on a sealed commit examined only where it is a service's: another's adds nothing.
    pub signature: SignatureFact,
    /// The traces of AI agents in author and message.
    pub marks: Vec<Mark>,
    /// The encoding that it names, where nobody can say what marks its author and message show in it.
    pub unreadable_encoding: Option<String>,
    /// The service whose commit it is without a signature: a forge made it for somebody who clicked in its pages, or the service
    /// itself pushed it.
    pub unsigned_service: Option<Id>,
    /// For a merge of a service: whether it is nothing but the merge of its parents.
    pub merge: MergeFact,
    /// For each certificate that it was sealed or signed under and whose paths it leaves, by the digest: the first such path.
    pub outside: Vec<(Digest, Vec<u8>)>,
}

/// Whether an object has one reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectForm {
    /// It has.
    Canonical,
    /// It has none, or several.
    Malformed(Malformed),
}

/// What a merge is besides what its parents hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MergeFact {
    /// Not a merge, or not examined because no rule could depend on it.
    Unexamined,
    /// It is what merging its parents gives.
    AddsNothing,
    /// It is something else, or its parents do not merge without a conflict.
    AddsContent,
}

/// One seal of a commit.
#[derive(Debug)]
pub struct SealFact {
    /// The agent that it names.
    pub agent: Id,
    /// The step of a pipeline; `None` for the author.
    pub role: Option<Id>,
    /// The task that it names, as the agent says: kept of what was sealed under a grant.
    pub task: Option<String>,
    /// What verification found.
    pub outcome: seal::SealOutcome,
}

/// The signature over a whole object.
#[derive(Debug)]
pub enum SignatureFact {
    /// There is none.
    None,
    /// There is one of a kind that is not supported, such as `X.509`.
    Unsupported(&'static str),
    /// It is OpenPGP, by a key that no certificate of the policy holds.
    Foreign(Issuer),
    /// It does not verify.
    Bad {
        /// Why.
        reason: SignatureFault,
        /// The SSH key that it says to be made with, where that can be read at all.
        claimed: Option<PublicKey>,
        /// The agent that a certificate in the place of the key names.
        named: Option<Id>,
    },
    /// It verifies with the key that it names.
    Good(ObjectSignature),
}

impl SignatureFact {
    /// Whose it says to be, whether it verifies or not: enough to tell whose work the object claims to be, and proof of nothing.
    pub fn claimed_holder<'p>(&self, policy: &'p Policy) -> Option<&'p Principal> {
        match self {
            Self::None | Self::Unsupported(_) | Self::Foreign(_) => None,
            Self::Bad { claimed, named, .. } => {
                let holder = claimed.as_ref().and_then(|key| policy.by_key(key));
                holder.or_else(|| policy.principal(named.as_ref()?))
            }
            Self::Good(signature) => policy.by_signer(signature.key()),
        }
    }
}

/// One annotated tag.
#[derive(Debug)]
pub struct TagFacts {
    /// Its id.
    pub id: Oid,
    /// The name inside it.
    pub name: Vec<u8>,
    /// Whether it has one reading.
    pub form: ObjectForm,
    /// The signature at the end of its body.
    pub signature: SignatureFact,
    /// The traces of AI agents in tagger and message.
    pub marks: Vec<Mark>,
}

impl CommitFacts {
    /// Whose key signed it, as far as the policy knows.
    pub fn signer<'p>(&self, policy: &'p Policy) -> Option<&'p Principal> {
        match &self.signature {
            SignatureFact::Good(signature) => policy.by_signer(signature.key()),
            SignatureFact::None
            | SignatureFact::Unsupported(_)
            | SignatureFact::Foreign(_)
            | SignatureFact::Bad { .. } => None,
        }
    }

    /// The service that made it: by its signature, or because it need not sign.
    pub fn service<'p>(&self, policy: &'p Policy) -> Option<&'p Principal> {
        let made_it = match &self.signature {
            SignatureFact::Good(_) => self.signer(policy),
            SignatureFact::None
            | SignatureFact::Unsupported(_)
            | SignatureFact::Foreign(_)
            | SignatureFact::Bad { .. } => self.unsigned_service.as_ref().and_then(|id| policy.principal(id)),
        };
        made_it.filter(|one| one.kind == PrincipalKind::Service)
    }

    /// Whether it has seals and each of them holds.
    pub fn is_sealed(&self) -> bool {
        let holds = |seal: &SealFact| matches!(seal.outcome, seal::SealOutcome::Holds(_));
        self.seals.as_ref().is_ok_and(|seals| !seals.is_empty() && seals.iter().all(holds))
    }

    /// The keys of the seals that hold and of the signature that does, with the digests by which they are received.
    pub fn received(&self) -> impl Iterator<Item = (SigningKey<'_>, Digest)> {
        let seals = self.seals.iter().flatten().filter_map(|seal| match &seal.outcome {
            seal::SealOutcome::Holds(seal) => Some((seal.signer(), seal.digest())),
            seal::SealOutcome::Stale(_) | seal::SealOutcome::Bad(_) => None,
        });
        let signature = match &self.signature {
            SignatureFact::Good(signature) => Some((signature.key(), signature.digest())),
            SignatureFact::None
            | SignatureFact::Unsupported(_)
            | SignatureFact::Foreign(_)
            | SignatureFact::Bad { .. } => None,
        };
        seals.chain(signature)
    }

    /// Whether it can be read for the paths that it changes.
    pub fn has_paths(&self) -> bool {
        self.form == ObjectForm::Canonical && self.tree_fault.is_none()
    }
}
