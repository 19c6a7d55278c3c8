//! What a decision consists of.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash as _, Hasher as _};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use crate::core::digest::Digest;
use crate::core::id::Id;
use crate::core::limits;
use crate::core::oid::Oid;
use crate::core::policy::Rule;

use super::code::{Code, Scope};

/// The decision on one push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// One per ref update, by name.
    pub refs: Vec<RefVerdict>,
}

/// The decision on one ref update. A push can have a hundred thousand, and of most of them there is nothing to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefVerdict {
    /// The full name of the ref.
    pub name: Arc<[u8]>,
    /// Its value before.
    pub old: Option<Oid>,
    /// Its value after.
    pub new: Option<Oid>,
    /// How many distinct commits were judged.
    pub commits: usize,
    /// `None` where there is nothing to say. Read it as if it were fields of the verdict.
    pub(super) reasons: Option<Box<Reasons>>,
}

/// What there is to say of one ref update.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reasons {
    /// Findings, sorted: all of them, or the first so many of each severity.
    pub findings: Vec<Finding>,
    /// How many more there are, by severity, code, whose work they are about, and the rule that was the first to ask.
    pub more: BTreeMap<(Severity, Code, WhoseWork, Option<RuleName>), usize>,
    /// What could not be decided.
    pub undecided: Vec<Undecided>,
    /// The approvals that land with the update if it is accepted.
    pub landed: Vec<Landed>,
    /// By which orders it is accepted in spite of findings, which are warnings then.
    pub overridden: Vec<Overridden>,
}

static NOTHING: Reasons = Reasons {
    findings: Vec::new(),
    more: BTreeMap::new(),
    undecided: Vec::new(),
    landed: Vec::new(),
    overridden: Vec::new(),
};

impl Deref for RefVerdict {
    type Target = Reasons;

    fn deref(&self) -> &Reasons {
        self.reasons.as_deref().unwrap_or(&NOTHING)
    }
}

impl DerefMut for RefVerdict {
    fn deref_mut(&mut self) -> &mut Reasons {
        self.reasons.get_or_insert_default()
    }
}

impl Reasons {
    /// The same, or `None` where there are none.
    pub(super) fn boxed(self) -> Option<Box<Self>> {
        (self != NOTHING).then(|| Box::new(self))
    }
}

/// An approval that lands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Landed {
    /// The person.
    pub approver: Id,
    /// The service at whose word it is the person's; `None` where the person signed it.
    pub attested: Option<String>,
    /// The digest of the statement.
    pub digest: Digest,
}

/// One person's order by which an update is accepted in spite of findings.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Overridden {
    /// The person.
    pub by: Id,
    /// The digest of the statement.
    pub digest: Digest,
    /// The codes that the findings have which it passes over.
    pub codes: Vec<Code>,
    /// Why, in the person's words.
    pub reason: String,
}

/// What becomes of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// It may go ahead: exit 0.
    Accepted,
    /// Policy refuses it: exit 1.
    Rejected,
    /// No decision was possible: exit 2, which refuses it too.
    Undecided,
}

impl Outcome {
    /// Its name in reports for programs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accept",
            Self::Rejected => "reject",
            Self::Undecided => "undecided",
        }
    }
}

impl Verdict {
    /// The outcome of the whole push, the strongest of its refs'.
    pub fn outcome(&self) -> Outcome {
        self.refs.iter().map(RefVerdict::outcome).max().unwrap_or(Outcome::Accepted)
    }

    /// Whether some finding depends on which commits are new, so that looking at fewer commits could change it.
    pub fn depends_on_commits(&self) -> bool {
        self.refs.iter().any(|verdict| {
            let commit = |finding: &Finding| matches!(finding.subject, Subject::Commit { .. });
            // About the ref, but for what its new commits hold.
            let code = |finding: &Finding| finding.code.scope() == Scope::NewCommits;
            let found = verdict.findings.iter().any(|finding| commit(finding) || code(finding));
            found || !verdict.more.is_empty() || !verdict.undecided.is_empty()
        })
    }
}

impl RefVerdict {
    /// Whether the update is accepted and there is nothing to say of it.
    pub const fn is_plain(&self) -> bool {
        self.reasons.is_none()
    }

    /// How many findings of a severity there are.
    pub fn count(&self, severity: Severity) -> usize {
        let kept = self.findings.iter().filter(|finding| finding.severity == severity).count();
        let more: usize = self.more.iter().filter(|((of, ..), _)| *of == severity).map(|(_, count)| count).sum();
        kept.saturating_add(more)
    }

    /// The codes of the findings that refuse this update.
    pub fn refusing_codes(&self) -> BTreeSet<Code> {
        let kept = self.findings.iter().map(|finding| (finding.severity, finding.code));
        let all = kept.chain(self.more.keys().map(|(severity, code, ..)| (*severity, *code)));
        all.filter(|(severity, _)| *severity == Severity::Error).map(|(_, code)| code).collect()
    }

    /// The outcome of this update alone.
    pub fn outcome(&self) -> Outcome {
        let undecided = self.undecided.iter().any(|doubt| doubt.severity == Severity::Error);
        let codes = self.refusing_codes();
        if undecided || codes.contains(&Code::LimitExceeded) {
            Outcome::Undecided
        } else if !codes.is_empty() {
            Outcome::Rejected
        } else {
            Outcome::Accepted
        }
    }
}

/// WhoseWork work findings are about that are only counted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WhoseWork {
    /// This agent's, as far as known.
    Agent(String),
    /// That of agents which are not told apart, because there are more than [`limits::NAMED_AGENTS`].
    Others,
    /// No agent's that is known.
    Unknown,
}

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Recorded, never shown: the rule only observes.
    Observed,
    /// Shown, and refuses nothing under any rule.
    Notice,
    /// Shown, and the push goes ahead: the rule only warns of what it would refuse.
    Warning,
    /// Refuses the push.
    Error,
}

impl Severity {
    /// Its name in reports for programs and in the ledger.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
            Self::Observed => "observed",
        }
    }
}

/// One reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its stable code.
    pub code: Code,
    /// What it does to the push.
    pub severity: Severity,
    /// What it is about.
    pub subject: Subject,
    /// The agent whose work it is about, as far as known: a registered id, or what its seal or mark names. A claim.
    pub agent: Option<String>,
    /// The rules that ask for it; none for protections that hold without a rule.
    pub rules: Vec<RuleName>,
    /// What is wrong, one line. It may quote hostile bytes: printers escape it.
    pub detail: String,
    /// What to do about it, for the one who reads it: a command or an edit.
    pub hint: String,
}

impl WhoseWork {
    /// Counts findings by whose work they are about, of at most so many agents apart.
    pub fn tell_apart<'a>(counted: impl Iterator<Item = &'a Self>, agent: Option<&str>) -> Self {
        let Some(agent) = agent else { return Self::Unknown };
        let named: BTreeSet<&str> = counted.filter_map(Self::name).collect();
        if named.contains(agent) || named.len() < limits::NAMED_AGENTS {
            Self::Agent(agent.to_owned())
        } else {
            Self::Others
        }
    }

    /// The agent, where it is told apart.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Agent(agent) => Some(agent),
            Self::Others | Self::Unknown => None,
        }
    }
}

impl Finding {
    /// A number that findings share which differ in their rules alone.
    pub(super) fn likeness(&self) -> u64 {
        let Self { code, severity, subject, agent, rules: _, detail, hint } = self;
        let mut hash = std::hash::DefaultHasher::new();
        (code, severity, subject.sort_key(), agent, detail, hint).hash(&mut hash);
        hash.finish()
    }

    /// Errors first, then by subject, code and rule: an order that no input order can change.
    pub(super) fn sort_key(&self) -> impl Ord + '_ {
        let rule = self.rules.first().map(|rule| (&rule.file, rule.line));
        (std::cmp::Reverse(self.severity), self.subject.sort_key(), self.code, rule, &self.detail)
    }
}

/// What a finding is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The ref update as a whole.
    Ref(Vec<u8>),
    /// One commit.
    Commit {
        /// Its id.
        id: Oid,
        /// The first line of its message, raw and capped.
        summary: Vec<u8>,
        /// Its place among the commits of the push, the oldest first.
        position: usize,
    },
    /// One annotated tag.
    Tag {
        /// Its id.
        id: Oid,
        /// The name inside it.
        name: Vec<u8>,
    },
}

impl Subject {
    fn sort_key(&self) -> (u8, usize, &[u8]) {
        match self {
            Self::Ref(name) => (0, 0, name),
            Self::Tag { id, .. } => (1, 0, id.as_bytes()),
            Self::Commit { id, position, .. } => (2, *position, id.as_bytes()),
        }
    }
}

/// Where the rule behind a finding stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuleName {
    /// The rule's name.
    pub name: String,
    /// The policy file.
    pub file: String,
    /// The line in it.
    pub line: usize,
}

impl RuleName {
    /// The name and place of `rule`.
    pub(super) fn of(rule: &Rule) -> Self {
        Self { name: rule.name.clone(), file: rule.at.file.clone(), line: rule.at.line }
    }
}

/// Something that could not be decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undecided {
    /// What it does to the push.
    pub severity: Severity,
    /// The rule that asked.
    pub rule: Option<RuleName>,
    /// Why, one line. It may quote hostile bytes: printers escape it.
    pub reason: String,
}
