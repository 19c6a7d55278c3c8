//! What a decision on approvals needs: what would land on a ref, and the records that are about it.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::{Gatherer, Look, peel, unreadable};
use crate::cli::examine::change_doubt;
use crate::cli::push::RefUpdate;
use crate::core::approval::{
    Approval, ApprovalError, ApprovedCommit, Brought, ClaimedApproval, Content, Gist, Landing, PREFIX, Place, Step,
    VerifiedApproval, can_cover, concerns,
};
use crate::core::digest::Digest;
use crate::core::facts::{
    ApprovalFact, CommitFacts, Doubt, JudgedCommit, MergeFact, RecordUpdate, SignatureFact, Sought, Update,
};
use crate::core::limits;
use crate::core::oid::Oid;
use crate::core::policy::{self, Rule};
use crate::store::{
    ChangeError, Kind, Merge, MergeBase, NewCommits, WalkLimits, changes, digest, is_clean_merge, mainline, merge_base,
};

/// A record and where it is stored.
type Found = (Place, Result<ClaimedApproval, ApprovalError>);

/// The ends of a ref update, as commits.
#[derive(Clone, Copy)]
pub(super) struct Ends {
    pub(super) tip: Oid,
    pub(super) old: Option<Oid>,
}

impl Gatherer<'_> {
    /// Looks at the records that the push brings: they count as stored.
    pub(super) fn read_records(&mut self, updates: &[&RefUpdate]) -> Result<(), Doubt> {
        let brought = updates.iter().filter(|update| update.name.starts_with(PREFIX.as_bytes()));
        if brought.clone().count() > limits::APPROVALS {
            return Err(Doubt::Limit(format!("more than {} approvals are pushed at once", limits::APPROVALS)));
        }
        for update in brought {
            let Some(place) = Place::parse(&update.name) else { continue };
            let record = update.new.map(|id| self.claimed(id)).transpose()?;
            self.brought.insert(place, record);
        }
        Ok(())
    }

    /// What an update does in the namespace of approvals.
    pub(super) fn record_update(&mut self, update: &RefUpdate) -> Result<RecordUpdate, Doubt> {
        let place = Place::parse(&update.name);
        let record = update.new.map(|id| self.claimed(id)).transpose()?;
        let record = record.map(|record| record.and_then(ClaimedApproval::verify));
        if let Some(Ok(approval)) = &record {
            self.look_up_receipt(approval.signature().key(), approval.signature().digest())?;
        }
        let old = update.old.map(|id| self.claimed(id)).transpose()?;
        let replaces = old.and_then(Result::ok).map(|old| old.approval().issued.0);
        Ok(RecordUpdate { place, record, replaces })
    }

    fn claimed(&self, id: Oid) -> Result<Result<ClaimedApproval, ApprovalError>, Doubt> {
        let kind = self.objects.kind(id).map_err(unreadable)?;
        if kind != Kind::Blob {
            return Ok(Err(ApprovalError::Object(kind.name())));
        }
        match self.objects.blob(id, u64::try_from(limits::APPROVAL_BYTES).unwrap_or(u64::MAX)) {
            Ok(json) => Ok(ClaimedApproval::parse(&json)),
            Err(crate::store::ReadError::TooLarge { .. }) => Ok(Err(ApprovalError::TooLarge)),
            Err(error) => Err(unreadable(error)),
        }
    }

    /// The records for a ref that can cover what lands: those stored before the push, and those that it brings in their place.
    /// Of the stored ones, a first look reads only those that the index does not know, and those that by it can cover something;
    /// where that leaves a finding, the second look reads all (see the module).
    fn records_for(&mut self, target: &[u8], landing: &Landing) -> Result<Vec<Found>, Doubt> {
        let Ok(name) = std::str::from_utf8(target) else { return Ok(Vec::new()) };
        let stored = match self.stored.remove(target) {
            Some(stored) => stored,
            None => self.refs.list(&Place::of_target(name)).map_err(unreadable)?,
        };
        if stored.len() > limits::APPROVALS {
            return Err(Doubt::Limit(format!("more than {} approvals are stored for the ref", limits::APPROVALS)));
        }
        let can_cover = can_cover(landing);
        let mut index = self.index.take().unwrap_or_else(|| self.memory.approvals());
        let known = index.len();
        let mut found = Vec::new();
        for (ref_name, id) in &stored {
            let passed = index.get(*id).is_some_and(|gist| !can_cover(gist));
            if passed && self.look == Look::Near {
                continue;
            }
            let place = Place::parse(ref_name).filter(|place| place.target == name);
            let Some(place) = place.filter(|place| !self.brought.contains_key(place)) else { continue };
            let record = match self.claims.get(id) {
                Some(record) => record.clone(),
                None => self.claimed(*id)?,
            };
            if let Some(gist) = record.as_ref().ok().and_then(|record| Gist::of(record.approval())) {
                index.insert(*id, gist);
                if !can_cover(&gist) && self.look == Look::Near {
                    continue;
                }
            }
            self.claims.insert(*id, record.clone());
            found.push((place, record));
        }
        if index.len() > known {
            if index.len() > 2 * limits::APPROVALS {
                let live: HashSet<Oid> = stored.iter().map(|(_, id)| *id).collect();
                index.retain(|blob| live.contains(blob));
            }
            self.memory.keep_approvals(&index);
        }
        self.index = Some(index);
        self.stored.insert(target.to_vec(), stored);
        let brought = self.brought.iter().filter(|(place, _)| place.target == name);
        found.extend(brought.filter_map(|(place, record)| Some((place.clone(), record.clone()?))));
        Ok(found)
    }

    /// What one rule wants approved.
    pub(super) fn seek(
        &mut self,
        facts: &mut Update,
        ends: Ends,
        since_old: Option<&NewCommits>,
        index: usize,
        look: Look,
    ) -> Result<Sought, Doubt> {
        let rule = self.rule(index)?;
        let found;
        let new = match (since_old, look) {
            (Some(new), Look::Near) => new,
            _ => {
                let hidden = self.hidden_from_approval(rule, index, ends.old, look)?;
                found = self.new_commits(ends.tip, &hidden, limits::WALK)?;
                &found
            }
        };
        let landing = self.landing(facts, ends, since_old.unwrap_or(new))?;
        if new.commits.len() > limits::COMMITS {
            return Err(Doubt::Limit(format!("more than {} commits are new", limits::COMMITS)));
        }
        self.examine_commits(ends, new)?;
        let commits = if rule.is_path_rule() {
            let mut touching = self.touching(rule, new, since_old.unwrap_or(new), ends.tip, ends.old)?;
            if look == Look::Everywhere && !touching.is_empty() {
                self.drop_what_is_governed_elsewhere(rule, &mut touching, Rule::covers_approvals)?;
            }
            touching
                .into_iter()
                .filter_map(|(id, changes)| {
                    changes.into_iter().next().map(|change| JudgedCommit { id, touched: Some(change.path) })
                })
                .collect()
        } else {
            new.commits.iter().map(|id| JudgedCommit { id: *id, touched: None }).collect()
        };
        Ok(Sought { commits, landing })
    }

    /// What a rule's approvals have already judged (design.md 4.7): the old value and `since`; where the ref is new, also refs
    /// under rules that ask for at least the same.
    fn hidden_from_approval(
        &mut self,
        rule: &Rule,
        index: usize,
        old: Option<Oid>,
        look: Look,
    ) -> Result<Vec<Oid>, Doubt> {
        let mut hidden: BTreeSet<Oid> = old.into_iter().collect();
        hidden.extend(self.since(rule, index)?);
        if look == Look::Everywhere {
            hidden.extend(self.baseline()?);
        }
        if old.is_none() {
            hidden.extend(self.governed_tips(rule, look, Rule::covers_approvals)?);
        }
        Ok(hidden.into_iter().collect())
    }

    /// What would land on the ref, by its position among the update's landings.
    pub(super) fn landing(&mut self, facts: &mut Update, ends: Ends, new: &NewCommits) -> Result<usize, Doubt> {
        let known = facts.landings.iter().position(|landing| {
            landing.new.len() == new.commits.len() && new.commits.iter().all(|id| landing.new.contains_key(id))
        });
        if let Some(known) = known {
            return Ok(known);
        }
        if new.commits.len() > limits::COMMITS {
            return Err(Doubt::Limit(format!("more than {} commits are new", limits::COMMITS)));
        }
        self.examine_commits(ends, new)?;
        let mut landing = Landing { steps: self.steps(ends, new)?, ..Landing::default() };
        landing.new = new.commits.iter().filter_map(|id| Some((*id, self.content(self.commits.get(id)?)))).collect();
        self.find_records(facts, ends.old, &mut landing)?;
        self.find_clean_merges(facts, new, &mut landing)?;
        self.examine_carried(&facts.name, &landing)?;
        facts.landings.push(landing);
        Ok(facts.landings.len() - 1)
    }

    fn content(&self, commit: &CommitFacts) -> Content {
        let seals = commit.seals.iter().flatten().map(|seal| seal.agent.to_string());
        let signer = self.signer(commit).filter(|signer| signer.kind == policy::Kind::Agent);
        Content {
            change: commit.change,
            is_empty: commit.is_empty,
            message: commit.message,
            agents: seals.chain(signer.map(|signer| signer.id.to_string())).collect(),
        }
    }

    fn signer(&self, commit: &CommitFacts) -> Option<&policy::Principal> {
        match &commit.signature {
            SignatureFact::Good(signature) => self.policy.by_key(signature.key()),
            _ => None,
        }
    }

    /// The service that made a commit.
    fn service(&self, commit: &CommitFacts) -> Option<&policy::Principal> {
        let unsigned = || commit.unsigned_service.as_ref().and_then(|id| self.policy.principal(id));
        self.signer(commit).or_else(unsigned).filter(|one| one.kind == policy::Kind::Service)
    }

    fn steps(&self, ends: Ends, new: &NewCommits) -> Result<Vec<Step>, Doubt> {
        let mut reached: HashSet<Oid> = HashSet::new();
        let mut steps = Vec::new();
        for step in mainline(self.history, new, ends.tip, ends.old).map_err(unreadable)? {
            let parents = new.parents.get(&step.commit).map(AsRef::as_ref).unwrap_or_default();
            let change = if step.parent == parents.first().copied() {
                self.commits.get(&step.commit).and_then(|commit| commit.change)
            } else {
                self.change_from(step.parent, step.commit)?
            };
            let mut brought = BTreeSet::new();
            let mut pending: Vec<Oid> = parents.iter().copied().filter(|parent| Some(*parent) != step.parent).collect();
            while let Some(id) = pending.pop() {
                if let Some(above) = new.parents.get(&id)
                    && reached.insert(id)
                {
                    brought.insert(id);
                    pending.extend(above.iter().copied());
                }
            }
            reached.insert(step.commit);
            let merge = (parents.len() > 1).then_some(Brought { commits: brought, is_clean: false });
            steps.push(Step { commit: step.commit, change, merge });
        }
        Ok(steps)
    }

    fn change_from(&self, parent: Option<Oid>, commit: Oid) -> Result<Option<Digest>, Doubt> {
        let tree = self.examiner.tree_of(commit)?;
        let old = parent.map(|parent| self.examiner.tree_of(parent)).transpose()?;
        match changes(self.objects, old, tree) {
            Ok(changes) => Ok(Some(digest(&changes, tree))),
            Err(ChangeError::Malformed { .. }) => Ok(None),
            Err(error) => Err(change_doubt(error)),
        }
    }

    /// Verifies the records that are about what lands, and looks which of their commits the ref has.
    fn find_records(&mut self, facts: &Update, old: Option<Oid>, landing: &mut Landing) -> Result<(), Doubt> {
        let records = self.records_for(&facts.name, landing)?;
        let known: BTreeSet<Place> =
            self.approvals.get(&facts.name).into_iter().flatten().map(|fact| fact.place.clone()).collect();
        let about = concerns(landing);
        for (place, record) in records {
            let claimed = match record {
                Ok(claimed) if about(claimed.approval()) => Ok(claimed),
                Ok(_) => continue,
                Err(error) => Err(error),
            };
            if let Ok(claimed) = &claimed {
                self.find_landed(claimed, old, landing)?;
            }
            if known.contains(&place) {
                continue;
            }
            let record = claimed.and_then(ClaimedApproval::verify);
            let mut spent = false;
            if let Ok(approval) = &record {
                self.look_up_receipt(approval.signature().key(), approval.signature().digest())?;
                spent = self.memory.receipt(approval.digest()).map_err(Doubt::Unreadable)?.is_some();
            }
            let fact = ApprovalFact { place, record, spent, is_borne_out: false };
            self.approvals.entry(facts.name.clone()).or_default().push(fact);
        }
        Ok(())
    }

    /// Which commits of a record are on the ref. What lies below one of them is there too.
    fn find_landed(&self, claimed: &ClaimedApproval, old: Option<Oid>, landing: &mut Landing) -> Result<(), Doubt> {
        let Some(old) = old else { return Ok(()) };
        let named: BTreeSet<Oid> = claimed.approval().commits.iter().map(|commit| commit.id.0).collect();
        for id in claimed.approval().commits.iter().rev().map(|commit| commit.id.0) {
            let asked = landing.new.contains_key(&id) || landing.already.contains(&id);
            // What is not stored is on no ref; what is no commit is none of ours.
            if asked || self.objects.is_incoming(id) || !matches!(self.objects.kind(id), Ok(Kind::Commit)) {
                continue;
            }
            if !self.new_commits(id, &[old], limits::WALK)?.commits.is_empty() {
                continue;
            }
            let mut pending = vec![id];
            while let Some(id) = pending.pop() {
                if landing.already.insert(id) {
                    let parents = self.history.parents(id).map_err(unreadable)?;
                    pending.extend(parents.iter().copied().filter(|parent| named.contains(parent)));
                }
            }
        }
        Ok(())
    }

    /// Merges again what some approval covers but for the merge itself.
    fn find_clean_merges(&mut self, facts: &Update, new: &NewCommits, landing: &mut Landing) -> Result<(), Doubt> {
        let approvals = self.approvals.get(&facts.name).map(Vec::as_slice).unwrap_or_default();
        let approved = approvals.iter().filter_map(|fact| fact.record.as_ref().ok());
        let named: Vec<BTreeSet<Oid>> =
            approved.map(|approval| approval.approval().commits.iter().map(|commit| commit.id.0).collect()).collect();
        for step in &mut landing.steps {
            let Some(merge) = &mut step.merge else { continue };
            if !merge.commits.is_empty() && named.iter().any(|ids| merge.commits.is_subset(ids)) {
                let parents = new.parents.get(&step.commit).map(AsRef::as_ref).unwrap_or_default();
                merge.is_clean = self.is_clean(parents, step.commit)?;
            }
        }
        Ok(())
    }

    /// Whether a commit is nothing but the merge of its two parents.
    pub(super) fn is_clean(&self, parents: &[Oid], commit: Oid) -> Result<bool, Doubt> {
        let [ours, theirs] = parents else { return Ok(false) };
        let limits = WalkLimits { new: limits::WALK, reads: limits::WALK_READS };
        let base = merge_base(self.history, *ours, *theirs, limits).map_err(super::walk_doubt)?;
        let MergeBase::One(base) = base else { return Ok(false) };
        let tree = |commit| self.examiner.tree_of(commit);
        let merge = Merge { base: tree(base)?, ours: tree(*ours)?, theirs: tree(*theirs)?, tree: tree(commit)? };
        match is_clean_merge(self.objects, merge) {
            Err(ChangeError::Malformed { .. }) => Ok(false),
            clean => clean.map_err(change_doubt),
        }
    }

    /// Examines the approved commits themselves where a service made others of them: it carries what they are.
    fn examine_carried(&mut self, name: &[u8], landing: &Landing) -> Result<(), Doubt> {
        let by_service = |id: &Oid| self.commits.get(id).is_some_and(|commit| self.service(commit).is_some());
        if !landing.steps.iter().any(|step| by_service(&step.commit)) {
            return Ok(());
        }
        let mut carried = Vec::new();
        for fact in self.approvals.get(name).into_iter().flatten() {
            let approval = fact.record.as_ref().ok().map(VerifiedApproval::approval);
            for id in approval.iter().flat_map(|approval| &approval.commits).map(|commit| commit.id.0) {
                if self.objects.contains(id).map_err(unreadable)? && matches!(self.objects.kind(id), Ok(Kind::Commit)) {
                    carried.push(id);
                }
            }
        }
        if carried.len() > limits::COMMITS {
            return Err(Doubt::Limit(format!("approvals carry more than {} commits", limits::COMMITS)));
        }
        self.examine_each(&carried)?;
        let facts = self.approvals.remove(name).unwrap_or_default();
        let looked = |fact: ApprovalFact| ApprovalFact {
            is_borne_out: fact.record.as_ref().is_ok_and(|record| self.is_borne_out(record.approval())),
            ..fact
        };
        let looked = facts.into_iter().map(looked).collect();
        self.approvals.insert(name.to_vec(), looked);
        Ok(())
    }

    /// Whether the commits of a record are what it says of them. Whoever signs one can write into it what they like; here it would
    /// say who made something. What cannot be read bears nothing out.
    fn is_borne_out(&self, approval: &Approval) -> bool {
        let is_as_said = |said: &ApprovedCommit| {
            let commit = self.commits.get(&said.id.0);
            commit.is_some_and(|commit| commit.change == Some(said.change.0) && commit.message == said.message.0)
        };
        let named: BTreeSet<Oid> = approval.commits.iter().map(|commit| commit.id.0).collect();
        let base: Vec<Oid> = approval.base.iter().map(|base| base.0).collect();
        let is_range = || {
            let range = self.new_commits(approval.head.0, &base, limits::COMMITS);
            range.is_ok_and(|range| range.commits.iter().copied().collect::<BTreeSet<Oid>>() == named)
        };
        let change = || self.change_from(base.first().copied(), approval.head.0);
        approval.commits.iter().all(is_as_said)
            && is_range()
            && change().is_ok_and(|change| change == Some(approval.change.0))
    }

    /// Merges again what a service merged, whose signature says no more than that it did.
    pub(super) fn examine_service_merges(&mut self, new: &NewCommits) -> Result<(), Doubt> {
        for id in &new.commits {
            let Some(commit) = self.commits.get(id).filter(|commit| commit.merge == MergeFact::Unexamined) else {
                continue;
            };
            let parents = new.parents.get(id).map(AsRef::as_ref).unwrap_or_default();
            if self.service(commit).is_none() || parents.len() < 2 {
                continue;
            }
            let found = if self.is_clean(parents, *id)? { MergeFact::AddsNothing } else { MergeFact::AddsContent };
            if let Some(commit) = self.commits.get_mut(id) {
                commit.merge = found;
            }
        }
        Ok(())
    }

    /// Whether a service made one of the new commits, so that approvals say what it carries.
    pub(super) fn carries(&self, new: &NewCommits) -> bool {
        new.commits
            .iter()
            .filter_map(|id| self.commits.get(id))
            .any(|commit| self.service(commit).is_some() && commit.merge != MergeFact::AddsNothing)
    }

    /// The tips of refs under rules that ask at least as much as `rule`, as `covers` tells.
    pub(super) fn governed_tips(
        &self,
        rule: &Rule,
        look: Look,
        covers: fn(&Rule, &Rule) -> bool,
    ) -> Result<Vec<Oid>, Doubt> {
        let policy = self.policy;
        let counts = |name: &[u8]| policy.rules().iter().any(|other| other.matches_ref(name) && covers(other, rule));
        if look == Look::Everywhere {
            let selected = self.refs.select(&mut |name| counts(name)).map_err(unreadable)?;
            return Ok(selected.into_iter().map(|(_, commit)| commit).collect());
        }
        let mut names: BTreeSet<String> = self.refs.head_branch().map_err(unreadable)?.into_iter().collect();
        names.extend(policy.rules().iter().flat_map(|rule| rule.literal_refs().map(str::to_owned)));
        let mut tips = Vec::new();
        for name in names.iter().filter(|name| counts(name.as_bytes())) {
            if let Some(value) = self.refs.value(name).map_err(unreadable)? {
                tips.extend(peel(self.objects, value).map_err(unreadable)?);
            }
        }
        Ok(tips)
    }

    /// Hands over the records that are about what lands.
    pub(super) fn take_approvals(&mut self) -> BTreeMap<Vec<u8>, Vec<ApprovalFact>> {
        std::mem::take(&mut self.approvals)
    }
}
