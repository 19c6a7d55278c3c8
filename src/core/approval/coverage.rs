//! What an approval covers of what a push would land: all of it that is exactly what was approved, and nothing else (design.md
//! 4.3, "Coverage").

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::statement::{Approval, ApprovedCommit};
use crate::core::digest::Digest;
use crate::core::oid::Oid;

/// What the new commits of a ref update are to approvals.
#[derive(Clone, Debug, Default)]
pub struct Landing {
    /// The mainline, the oldest step first.
    pub steps: Vec<Step>,
    /// All new commits.
    pub new: BTreeMap<Oid, Content>,
    /// Commits that approvals name and that the ref has already.
    pub already: BTreeSet<Oid>,
}

/// One step of the mainline.
#[derive(Clone, Debug)]
pub struct Step {
    /// The commit.
    pub commit: Oid,
    /// Its change against its mainline parent. `None` where a tree is malformed.
    pub change: Option<Digest>,
    /// What else it brings in; `None` for a commit with one parent.
    pub merge: Option<Brought>,
}

/// What a merge on the mainline brings in.
#[derive(Clone, Debug)]
pub struct Brought {
    /// The new commits that it reaches and its mainline parent does not.
    pub commits: BTreeSet<Oid>,
    /// Whether it is known to be nothing but the merge of its parents.
    pub is_clean: bool,
}

/// What an approval binds of one commit.
#[derive(Clone, Debug)]
pub struct Content {
    /// Its change against its first parent. `None` where a tree is malformed.
    pub change: Option<Digest>,
    /// Whether it changes nothing.
    pub is_empty: bool,
    /// The digest of its message above our trailers.
    pub message: Digest,
    /// The agents whose seals or signatures it has.
    pub agents: BTreeSet<String>,
}

/// Whether an approval has landed before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// It has not.
    Fresh,
    /// It has: what it says of content has been used up.
    Spent,
}

/// What one approval covers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Commits that it names.
    pub by_id: BTreeSet<Oid>,
    /// Commits that carry what it approves: rebased, squashed or merged. Each with the commits that it carries.
    pub by_content: BTreeMap<Oid, BTreeSet<Oid>>,
}

impl Coverage {
    /// Whether it covers the commit.
    pub fn contains(&self, commit: Oid) -> bool {
        self.by_id.contains(&commit) || self.by_content.contains_key(&commit)
    }

    /// Whether it covers nothing.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty() && self.by_content.is_empty()
    }
}

/// Why an approval that is about a commit does not cover it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Near {
    /// It names commits that would not land.
    Part {
        /// One of them.
        missing: Oid,
    },
    /// A commit has an approved message and another content.
    Content {
        /// The commit as approved.
        approved: Oid,
    },
    /// A commit has an approved content and another message.
    Message {
        /// The commit as approved.
        approved: Oid,
    },
    /// The commits were approved in another order or with others between them.
    Order,
    /// It has landed before, and what would land is not the commits that it names.
    Spent,
    /// It does not approve the work of this agent.
    Agent {
        /// The agent that sealed.
        agent: String,
    },
    /// A merge does other than what was approved.
    Merge,
}

/// Finds what an approval covers.
pub fn coverage(approval: &Approval, landing: &Landing, used: Use) -> Coverage {
    let mut coverage = Coverage::default();
    let ids: BTreeSet<Oid> = approval.commits.iter().map(|commit| commit.id.0).collect();
    if missing(approval, landing).is_none() {
        coverage.by_id = ids.iter().copied().filter(|id| landing.new.contains_key(id)).collect();
    }
    if used == Use::Fresh {
        // What was approved lands once: as it was rebased, or else as one commit.
        coverage.by_content = rebased(approval, landing);
        let squash = landing.steps.iter().find(|step| is_squash(approval, step));
        if let Some(step) = squash.filter(|_| coverage.by_content.is_empty()) {
            coverage.by_content.insert(step.commit, ids);
        }
        let merges =
            landing.steps.iter().filter_map(|step| Some((step.commit, merged(approval, step, &coverage.by_id)?)));
        coverage.by_content.extend(merges.collect::<Vec<_>>());
    }
    let approved = |id: &Oid| landing.new.get(id).is_some_and(|content| unapproved_agent(approval, content).is_none());
    if !coverage.by_id.iter().chain(coverage.by_content.keys()).all(approved) {
        return Coverage::default();
    }
    coverage
}

/// A commit of the approval that would not be on the ref.
fn missing(approval: &Approval, landing: &Landing) -> Option<Oid> {
    let lands = |id: &Oid| landing.new.contains_key(id) || landing.already.contains(id);
    approval.commits.iter().map(|commit| commit.id.0).find(|id| !lands(id))
}

fn unapproved_agent<'c>(approval: &Approval, content: &'c Content) -> Option<&'c String> {
    content.agents.iter().find(|agent| !approval.agents.contains(agent))
}

/// Consecutive commits of the mainline that are the approved ones made again on another base, each with the one it is.
fn rebased(approval: &Approval, landing: &Landing) -> BTreeMap<Oid, BTreeSet<Oid>> {
    let rest: Vec<&ApprovedCommit> =
        approval.commits.iter().filter(|commit| !landing.already.contains(&commit.id.0)).collect();
    if rest.is_empty() {
        return BTreeMap::new();
    }
    let equal = |(step, approved): (&Step, &&ApprovedCommit)| {
        let content = landing.new.get(&step.commit).filter(|content| step.merge.is_none() && !content.is_empty);
        content
            .is_some_and(|content| content.change == Some(approved.change.0) && content.message == approved.message.0)
    };
    let window = landing.steps.windows(rest.len()).find(|window| window.iter().zip(&rest).all(equal));
    let carried = |(step, approved): (&Step, &&ApprovedCommit)| (step.commit, BTreeSet::from([approved.id.0]));
    window.into_iter().flatten().zip(&rest).map(carried).collect()
}

/// Whether a step is the approved commits squashed into one.
fn is_squash(approval: &Approval, step: &Step) -> bool {
    step.merge.is_none() && step.change == Some(approval.change.0) && !is_empty_change(approval)
}

/// What a step brings in where it is the merge of approved commits and nothing else.
fn merged(approval: &Approval, step: &Step, by_id: &BTreeSet<Oid>) -> Option<BTreeSet<Oid>> {
    let Brought { commits, is_clean } = step.merge.as_ref()?;
    let covered = !commits.is_empty() && commits.iter().all(|id| by_id.contains(id));
    (covered && (*is_clean || step.change == Some(approval.change.0))).then(|| commits.clone())
}

/// Whether the approved commits change nothing when put together.
fn is_empty_change(approval: &Approval) -> bool {
    approval.change.0 == Digest::of(b"countersign-change-v1\0")
}

/// Tells which approvals can be about what lands: those that share a commit, a change or a message with it.
pub fn concerns(landing: &Landing) -> impl Fn(&Approval) -> bool + use<> {
    let ids: HashSet<Oid> = landing.new.keys().copied().collect();
    let contents = landing.new.values().flat_map(|content| [Some(content.message), content.change]);
    let changes = landing.steps.iter().map(|step| step.change);
    let digests: HashSet<Digest> = contents.chain(changes).flatten().collect();
    move |approval| {
        let shares = |commit: &ApprovedCommit| {
            ids.contains(&commit.id.0) || digests.contains(&commit.change.0) || digests.contains(&commit.message.0)
        };
        digests.contains(&approval.change.0) || approval.commits.iter().any(shares)
    }
}

/// Why an approval that seems to be about a commit does not cover it. `None` where it is about something else.
pub fn near(approval: &Approval, landing: &Landing, used: Use, commit: Oid) -> Option<Near> {
    let content = landing.new.get(&commit)?;
    let named = approval.commits.iter().any(|approved| approved.id.0 == commit);
    let step = landing.steps.iter().find(|step| step.commit == commit);
    let squashed = step.is_some_and(|step| step.merge.is_none() && step.change == Some(approval.change.0));
    let same_change = |approved: &&ApprovedCommit| content.change == Some(approved.change.0) && !content.is_empty;
    let same_message = |approved: &&ApprovedCommit| content.message == approved.message.0;
    let rebased = approval.commits.iter().any(|approved| same_change(&approved) && same_message(&approved));
    if (named || squashed || rebased)
        && let Some(agent) = unapproved_agent(approval, content)
    {
        return Some(Near::Agent { agent: agent.clone() });
    }
    if named {
        return missing(approval, landing).map(|missing| Near::Part { missing });
    }
    if (squashed || rebased) && used == Use::Spent {
        return Some(Near::Spent);
    }
    if let Some(Brought { commits, .. }) = step.and_then(|step| step.merge.as_ref()) {
        let brings = approval.commits.iter().any(|approved| commits.contains(&approved.id.0));
        return brings.then(|| missing(approval, landing).map_or(Near::Merge, |missing| Near::Part { missing }));
    }
    if rebased {
        return Some(absent(approval, landing).map_or(Near::Order, |missing| Near::Part { missing }));
    }
    // What has landed is no nearer to other work that looks like it: many commits have the same message.
    let mut open = approval.commits.iter().filter(|approved| !landing.already.contains(&approved.id.0));
    if used == Use::Spent || open.next().is_none() {
        return None;
    }
    let alike = |alike: &dyn Fn(&&ApprovedCommit) -> bool| approval.commits.iter().find(alike).map(|found| found.id.0);
    let message = || alike(&|approved| same_change(approved)).map(|approved| Near::Message { approved });
    alike(&|approved| same_message(approved)).map(|approved| Near::Content { approved }).or_else(message)
}

/// An approved commit that no new one is like.
fn absent(approval: &Approval, landing: &Landing) -> Option<Oid> {
    let like = |approved: &ApprovedCommit| {
        landing.already.contains(&approved.id.0)
            || landing
                .new
                .values()
                .any(|content| content.change == Some(approved.change.0) && content.message == approved.message.0)
    };
    approval.commits.iter().find(|approved| !like(approved)).map(|approved| approved.id.0)
}
