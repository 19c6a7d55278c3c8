//! What an approval covers: by id, or by content as it was rebased, squashed or merged.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::{Brought, Content, Landing, MadeBy, MainlineStep};
use crate::core::approval::{Approval, ApprovedCommit};
use crate::core::commit::SubjectLine;
use crate::core::digest::Digest;
use crate::core::oid::Oid;

/// Whether and how an approval has landed before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// It has not.
    Fresh,
    /// Its commits landed as they are: it covers them by their ids alone.
    LandedById,
    /// It landed as a squash or rebase: it is used up.
    LandedByContent,
}

/// A commit that carries what was approved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// The approved commits that it stands for.
    pub stands_for: BTreeSet<Oid>,
    /// Whether its message is its own, as that of a squash of several is.
    pub has_own_message: bool,
    /// Who is said, below its message, to have reviewed it.
    pub reviewers: Vec<Vec<u8>>,
}

/// What an approval covers of a landing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Commits that it names.
    pub by_id: BTreeSet<Oid>,
    /// Commits that carry what it approves: rebased, squashed or merged.
    pub by_content: BTreeMap<Oid, Carried>,
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

/// What an approval that holds covers: all of it lands, or nothing is covered.
pub fn coverage(approval: &Approval, landing: &Landing, used: Use) -> Coverage {
    let mut coverage = Coverage::default();
    let ids: BTreeSet<Oid> = approval.commits.iter().map(|commit| commit.id.0).collect();
    if used != Use::LandedByContent && missing(approval, landing).is_none() {
        coverage.by_id = ids.iter().copied().filter(|id| landing.new.contains_key(id)).collect();
    }
    if used == Use::Fresh {
        // What was approved lands once: as it was rebased, or else as one commit.
        coverage.by_content = rebased(approval, landing);
        if coverage.by_content.is_empty() {
            let squash = landing.steps.iter().find_map(|step| Some((step.commit, squashed(approval, landing, step)?)));
            coverage.by_content.extend(squash);
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

/// New commits that stand in the place of approved ones, with those: each as it was rebased or picked, or all as one. Whether the approval
/// still counts, or has landed before, makes no difference to whose work they are.
pub fn stand_ins(approval: &Approval, landing: &Landing) -> BTreeMap<Oid, BTreeSet<Oid>> {
    let mut by_change: BTreeMap<Digest, Vec<&ApprovedCommit>> = BTreeMap::new();
    for approved in &approval.commits {
        by_change.entry(approved.change.0).or_default().push(approved);
    }
    let mut found = BTreeMap::new();
    for step in landing.steps.iter().filter(|step| step.merge.is_none()) {
        let is_empty = landing.new.get(&step.commit).is_none_or(|content| content.is_empty);
        let alike = step.change.filter(|_| !is_empty).and_then(|change| by_change.get(&change));
        let same_words =
            |approved: &&&ApprovedCommit| step.wording.says(approved.message.0, SubjectLine::Kept).is_some();
        let picked = alike.and_then(|alike| alike.iter().find(same_words)).map(|one| BTreeSet::from([one.id.0]));
        let place = picked.or_else(|| squashed(approval, landing, step).map(|carried| carried.stands_for));
        found.extend(place.map(|place| (step.commit, place)));
    }
    found
}

/// A commit of the approval that is neither new nor on the ref already.
pub(super) fn missing(approval: &Approval, landing: &Landing) -> Option<Oid> {
    let lands = |id: &Oid| landing.new.contains_key(id) || landing.already.contains(id);
    approval.commits.iter().map(|commit| commit.id.0).find(|id| !lands(id))
}

/// An agent whose seal the commit has and whose work is not approved.
pub(super) fn unapproved_agent<'c>(approval: &Approval, content: &'c Content) -> Option<&'c String> {
    content.agents.iter().find(|agent| !approval.agents.contains(agent))
}

/// Consecutive single-parent commits of the mainline that change what the approved ones change, under their messages and in their order.
fn rebased(approval: &Approval, landing: &Landing) -> BTreeMap<Oid, Carried> {
    let rest: Vec<&ApprovedCommit> =
        approval.commits.iter().filter(|commit| !landing.already.contains(&commit.id.0)).collect();
    if rest.is_empty() {
        return BTreeMap::new();
    }
    let carries = |(step, approved): (&MainlineStep, &&ApprovedCommit)| {
        let content = landing.new.get(&step.commit).filter(|content| step.merge.is_none() && !content.is_empty)?;
        let reviewers = (content.change == Some(approved.change.0))
            .then(|| step.wording.says(approved.message.0, SubjectLine::Kept))
            .flatten()?;
        let stands_for = BTreeSet::from([approved.id.0]);
        let carried = Carried { stands_for, has_own_message: false, reviewers: reviewers.to_vec() };
        Some((step.commit, carried))
    };
    let whole = |window: &[MainlineStep]| window.iter().zip(&rest).map(carries).collect::<Option<BTreeMap<_, _>>>();
    landing.steps.windows(rest.len()).find_map(whole).unwrap_or_default()
}

/// A single-parent commit of the mainline that changes what the approved ones change together.
fn squashed(approval: &Approval, landing: &Landing, step: &MainlineStep) -> Option<Carried> {
    let same = step.merge.is_none() && step.change == Some(approval.change.0) && !is_empty_change(approval);
    let stands_for = same.then(|| approval.commits.iter().map(|commit| commit.id.0).collect())?;
    let [only] = approval.commits.as_slice() else {
        return Some(Carried { stands_for, has_own_message: true, reviewers: Vec::new() });
    };
    let subject = match (step.made_by, landing.approved.get(&only.id.0)) {
        (MadeBy::Service, Some(approved)) => SubjectLine::Free(approved),
        (MadeBy::Service, None) | (MadeBy::Somebody, _) => SubjectLine::Numbered,
    };
    let reviewers = step.wording.says(only.message.0, subject)?.to_vec();
    Some(Carried { stands_for, has_own_message: false, reviewers })
}

/// A merge of the mainline that brings in nothing but approved commits and does to the mainline just what was approved, or nothing but merge.
fn merged(approval: &Approval, step: &MainlineStep, by_id: &BTreeSet<Oid>) -> Option<Carried> {
    let Brought { commits, is_clean } = step.merge.as_ref()?;
    let covered = !commits.is_empty() && commits.iter().all(|id| by_id.contains(id));
    (covered && (*is_clean || step.change == Some(approval.change.0))).then(|| Carried {
        stands_for: commits.clone(),
        has_own_message: true,
        reviewers: Vec::new(),
    })
}

fn is_empty_change(approval: &Approval) -> bool {
    approval.change.0 == Digest::of(b"countersign-change-v1\0")
}

/// Tells which records are about something that lands.
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
