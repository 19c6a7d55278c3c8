//! What a decision on approvals needs: what would land on a ref, and the records that are about it.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;

use super::subtraction::{Asked, Hidden, Others};
use crate::core::approval::{
    Approval, ApprovalError, ApprovalPlace, ApprovedCommit, ClaimedApproval, Decision, IndexedApproval, PREFIX,
    VerifiedApproval, can_cover, withdraws,
};
use crate::core::commit::{Commit, Wording, is_message_of};
use crate::core::digest::Digest;
use crate::core::facts::{ApprovalFact, Doubt, MergeFact, RecordUpdate, Sought, Update};
use crate::core::landing::{
    Brought, Content, Evidence, Landing, MadeBy, MainlineStep, Use, brought, concerns, stand_ins,
};
use crate::core::limits;
use crate::core::objects::Graph as _;
use crate::core::objects::ObjectKind;
use crate::core::oid::Oid;
use crate::core::policy::Rule;
use crate::core::scope::{Requirement, is_judged_at, judged_commits, subtracts_other_refs};
use crate::core::signature::SigningKey;
use crate::core::tree::{
    ChangeDigest, ChangeError, MainlineCommit, NewCommits, Value, WalkLimits, contains, each_change, is_clean_merge,
};
use crate::gate::examine::change_doubt;
use crate::gate::facts::{FactReader, Look, peel, unreadable, walk_doubt};
use crate::gate::push::RefUpdate;

/// Commits that are compared, to say what moved since an approval; and paths of each.
const COMPARED: usize = 64;
const COMPARED_PATHS: usize = 1000;

/// A path that a commit changes, and what it leaves there.
type Left = (Vec<u8>, Option<Value>);

/// A record and where it is stored.
struct Found {
    place: ApprovalPlace,
    blob: Oid,
    record: Result<ClaimedApproval, ApprovalError>,
}

/// That there are more commits than approvals are counted for.
pub(super) fn over(limit: usize) -> Doubt {
    Doubt::Limit(format!(
        "more than {limit} commits are new, and what approves some of them is not counted among so many"
    ))
}

/// The ends of a ref update, as commits.
#[derive(Clone, Copy)]
pub(super) struct Ends {
    pub(super) tip: Oid,
    pub(super) old: Option<Oid>,
}

impl FactReader<'_> {
    /// Looks at the records that the push brings: they count as stored.
    pub(super) fn read_records(&mut self, updates: &[&RefUpdate]) -> Result<(), Doubt> {
        let brought = updates.iter().filter(|update| update.name.starts_with(PREFIX.as_bytes()));
        if brought.clone().count() > limits::APPROVALS {
            return Err(Doubt::Limit(format!("more than {} approvals are pushed at once", limits::APPROVALS)));
        }
        self.records.brought =
            brought.filter_map(|update| Some((ApprovalPlace::parse(&update.name)?, update.new))).collect();
        Ok(())
    }

    /// What an update does in the namespace of approvals.
    pub(super) fn record_update(&mut self, update: &RefUpdate) -> Result<RecordUpdate, Doubt> {
        let place = ApprovalPlace::parse(&update.name);
        let record = update.new.map(|id| self.verified(id, None)).transpose()?;
        if let Some(Ok(approval)) = record.as_deref() {
            self.look_up_receipt(SigningKey::Ssh(approval.signature().key()), approval.signature().digest())?;
        }
        let old = update.old.map(|id| self.claimed(id)).transpose()?;
        let replaces = old.and_then(Result::ok).map(|old| old.approval().issued.0);
        Ok(RecordUpdate { place, record, replaces })
    }

    /// The record in a blob, read and verified once, however many places name it.
    fn verified(
        &mut self,
        id: Oid,
        claimed: Option<Result<ClaimedApproval, ApprovalError>>,
    ) -> Result<Rc<Result<VerifiedApproval, ApprovalError>>, Doubt> {
        if let Some(record) = self.records.verified.get(&id) {
            return Ok(Rc::clone(record));
        }
        let claimed = claimed.map_or_else(|| self.claimed(id), Ok)?;
        let record = Rc::new(claimed.and_then(ClaimedApproval::verify));
        self.records.verified.insert(id, Rc::clone(&record));
        Ok(record)
    }

    fn claimed(&self, id: Oid) -> Result<Result<ClaimedApproval, ApprovalError>, Doubt> {
        let kind = self.context.objects.kind(id).map_err(unreadable)?;
        if kind != ObjectKind::Blob {
            return Ok(Err(ApprovalError::Object(kind.name())));
        }
        match self.context.objects.blob(id, u64::try_from(limits::APPROVAL_BYTES).unwrap_or(u64::MAX)) {
            Ok(json) => Ok(ClaimedApproval::parse(&json)),
            Err(crate::core::objects::ReadError::TooLarge { .. }) => {
                Ok(Err(ApprovalError::TooLarge(limits::APPROVAL_BYTES)))
            }
            Err(error) => Err(unreadable(error)),
        }
    }

    /// The records for a ref that are about what lands, and those that take some back: of those stored before the push, and those that
    /// it brings in their place. Of the stored ones, a first look reads only those that the index does not know, and those that by it
    /// can cover something; where that leaves a finding, the second look reads all (see the module). None is kept that says nothing.
    fn records_for(&mut self, target: &[u8], landing: &Landing) -> Result<Vec<Found>, Doubt> {
        let Ok(name) = std::str::from_utf8(target) else { return Ok(Vec::new()) };
        let stored = match self.records.stored.remove(target) {
            Some(stored) => stored,
            None => self.context.refs.list(&ApprovalPlace::of_target(name)).map_err(unreadable)?,
        };
        if stored.len() > limits::APPROVALS {
            return Err(Doubt::Limit(format!("more than {} approvals are stored for the ref", limits::APPROVALS)));
        }
        let (can_cover, about) = (can_cover(landing), concerns(landing));
        let says_something = |record: &Result<ClaimedApproval, ApprovalError>| {
            let takes_back = |approval: &Approval| approval.decision == Decision::Withdraw;
            record.as_ref().map_or(true, |claim| about(claim.approval()) || takes_back(claim.approval()))
        };
        let mut index = self.records.index.take().unwrap_or_else(|| self.context.memory.approvals());
        let known = index.len();
        let mut found = Vec::new();
        for (ref_name, id) in &stored {
            let passed = index.get(*id).is_some_and(|indexed| !can_cover(indexed));
            if passed && self.look == Look::Near {
                continue;
            }
            let place = ApprovalPlace::parse(ref_name).filter(|place| place.target == name);
            let Some(place) = place.filter(|place| !self.records.brought.contains_key(place)) else { continue };
            let record = self.claimed(*id)?;
            if let Some(indexed) = record.as_ref().ok().and_then(|record| IndexedApproval::of(record.approval())) {
                index.insert(*id, indexed);
                if !can_cover(&indexed) && self.look == Look::Near {
                    continue;
                }
            }
            if says_something(&record) {
                found.push(Found { place, blob: *id, record });
            }
        }
        if index.len() > known {
            if index.len() > 2 * limits::APPROVALS {
                let live: HashSet<Oid> = stored.iter().map(|(_, id)| *id).collect();
                index.retain(|blob| live.contains(blob));
            }
            self.context.memory.keep_approvals(&index);
        }
        self.records.index = Some(index);
        self.records.stored.insert(target.to_vec(), stored);
        let brought = self.records.brought.iter().filter(|(place, _)| place.target == name);
        let brought: Vec<(ApprovalPlace, Oid)> =
            brought.filter_map(|(place, id)| Some((place.clone(), (*id)?))).collect();
        for (place, blob) in brought {
            let record = self.claimed(blob)?;
            if says_something(&record) {
                found.push(Found { place, blob, record });
            }
        }
        Ok(found)
    }

    /// What one rule wants approved.
    pub(super) fn seek(
        &mut self,
        facts: &mut Update,
        ends: Ends,
        since_old: Option<&NewCommits>,
        index: usize,
    ) -> Result<Sought, Doubt> {
        let rule = self.rule(index)?;
        let mut beyond = None;
        let found;
        let new = match (since_old, self.look) {
            (Some(new), Look::Near) => new,
            _ => {
                let hidden = self.hidden_from_approval(rule, index, ends.old)?;
                beyond = Some(hidden);
                found = self.new_beyond(hidden, ends)?;
                &found
            }
        };
        if self.many.gains() || new.len() > limits::COMMITS {
            if self.has_records(&facts.name)? {
                return Err(over(limits::COMMITS));
            }
            self.put_off(beyond, index, Requirement::Approvals)?;
            facts.landings.push(Landing::default());
            return Ok(Sought { commits: Vec::new(), landing: facts.landings.len() - 1 });
        }
        let landing = self.landing(facts, ends, since_old.unwrap_or(new))?;
        self.examine_each(new.iter(), Some(new))?;
        let commits = judged_commits(rule, index, new.iter(), &self.facts.commits);
        Ok(Sought { commits, landing })
    }

    /// What a rule's approvals have already judged, by values before the push, besides the old value.
    fn hidden_from_approval(&mut self, rule: &Rule, index: usize, old: Option<Oid>) -> Result<usize, Doubt> {
        let subtracts = subtracts_other_refs(rule, Requirement::Approvals, old);
        let others = if subtracts { Others::Subtracted } else { Others::Ignored };
        let asked = Asked { rule: index, requirement: Requirement::Approvals, others, look: self.look };
        if let Some(known) = self.subtraction.walks.known(asked) {
            return Ok(known);
        }
        let mut hidden: HashSet<Oid> = self.since(rule, index)?.into_iter().collect();
        if self.look == Look::Everywhere {
            hidden.extend(self.baseline()?.iter());
        }
        if subtracts {
            hidden.extend(self.judged_tips(rule, Requirement::Approvals)?);
        }
        let judged = if subtracts { self.many.judged(self.policy, rule, Requirement::Approvals) } else { Vec::new() };
        Ok(self.subtraction.walks.add(asked, Hidden { commits: hidden, judged }))
    }

    /// Whether there is any record for a ref.
    pub(super) fn has_records(&self, target: &[u8]) -> Result<bool, Doubt> {
        let Ok(name) = std::str::from_utf8(target) else { return Ok(false) };
        if self.records.brought.iter().any(|(place, blob)| place.target == name && blob.is_some()) {
            return Ok(true);
        }
        Ok(!self.context.refs.list(&ApprovalPlace::of_target(name)).map_err(unreadable)?.is_empty())
    }

    /// What would land on the ref, by its position among the update's landings.
    pub(super) fn landing(&mut self, facts: &mut Update, ends: Ends, new: &NewCommits) -> Result<usize, Doubt> {
        let known = facts
            .landings
            .iter()
            .position(|landing| landing.new.len() == new.len() && new.iter().all(|id| landing.new.contains_key(&id)));
        if let Some(known) = known {
            return Ok(known);
        }
        if self.many.gains() || new.len() > limits::COMMITS {
            return Err(over(limits::COMMITS));
        }
        let line = self.mainline(facts, ends, new)?;
        self.examine_commits(&line, new)?;
        let mut landing = Landing { steps: self.steps(&line, new)?, ..Landing::default() };
        landing.new =
            new.iter().filter_map(|id| Some((id, Content::of(self.facts.commits.get(&id)?, self.policy)))).collect();
        // What the ref has already, or what is subtracted of what it gets.
        let below = ends.old.map_or_else(|| new.boundary().collect(), |old| vec![old]);
        let concerned = self.find_records(facts, &below, &mut landing)?;
        if concerned {
            self.read_wordings(&mut landing)?;
            self.find_clean_merges(facts, new, &mut landing)?;
            self.examine_approved(&facts.name, &mut landing)?;
            if self.look == Look::Everywhere {
                self.find_moved(&facts.name, &mut landing)?;
            }
        }
        facts.landings.push(landing);
        Ok(facts.landings.len() - 1)
    }

    /// Reads what the messages of the mainline say, where a record may be about them.
    fn read_wordings(&self, landing: &mut Landing) -> Result<(), Doubt> {
        for step in landing.steps.iter_mut().filter(|step| step.merge.is_none()) {
            step.wording = self.wording(step.commit)?.unwrap_or_default();
            let service =
                self.facts.commits.get(&step.commit).is_some_and(|commit| commit.service(self.policy).is_some());
            step.made_by = if service { MadeBy::Service } else { MadeBy::Somebody };
        }
        Ok(())
    }

    fn wording(&self, id: Oid) -> Result<Option<Wording>, Doubt> {
        let raw = self.context.objects.commit(id).map_err(unreadable)?;
        Ok(Commit::parse(&raw, self.context.objects.format()).ok().map(|commit| Wording::of(commit.message)))
    }

    fn steps(&self, line: &[MainlineCommit], new: &NewCommits) -> Result<Vec<MainlineStep>, Doubt> {
        let mut steps = Vec::new();
        for (step, brought) in line.iter().zip(brought(line, new)) {
            let parents = new.parents(step.commit).unwrap_or_default();
            let change = if step.parent == parents.first().copied() {
                self.facts.commits.get(&step.commit).and_then(|commit| commit.change)
            } else {
                self.change_from(step.parent, step.commit)?
            };
            let merge = brought.map(|commits| Brought { commits, is_clean: false });
            let (wording, made_by) = (Wording::default(), MadeBy::default());
            steps.push(MainlineStep { commit: step.commit, change, merge, wording, made_by });
        }
        Ok(steps)
    }

    fn change_from(&self, parent: Option<Oid>, commit: Oid) -> Result<Option<Digest>, Doubt> {
        let tree = self.examiner.tree_of(commit)?;
        let old = parent.map(|parent| self.examiner.tree_of(parent)).transpose()?;
        let mut digest = ChangeDigest::new(self.context.objects.format());
        match each_change(self.context.objects, old, tree, &mut |change| digest.add(change)) {
            Ok(()) => Ok(Some(digest.finish())),
            Err(ChangeError::Malformed { reason, .. }) if !reason.is_limit() => Ok(None),
            Err(error) => Err(change_doubt(error)),
        }
    }

    /// Verifies the records that are about what lands, and those by which the same persons took some of them back; and looks which of
    /// their commits the ref has. Returns whether there is any.
    fn find_records(&mut self, facts: &Update, below: &[Oid], landing: &mut Landing) -> Result<bool, Doubt> {
        let records = self.records_for(&facts.name, landing)?;
        let known: BTreeSet<ApprovalPlace> =
            self.facts.approvals.get(&*facts.name).into_iter().flatten().map(|fact| fact.place.clone()).collect();
        let about = concerns(landing);
        let (near, others): (Vec<Found>, Vec<Found>) =
            records.into_iter().partition(|found| found.record.as_ref().map_or(true, |claim| about(claim.approval())));
        let takes_back = |found: &Found| {
            let mut claims = near.iter().filter_map(|near| near.record.as_ref().ok());
            let record = found.record.as_ref().ok().map(ClaimedApproval::approval);
            record.is_some_and(|record| claims.any(|claim| withdraws(record, claim.approval())))
        };
        let others: Vec<Found> = others.into_iter().filter(takes_back).collect();
        let mut concerned = !known.is_empty();
        for Found { place, blob, record } in near.into_iter().chain(others) {
            concerned = true;
            if let Ok(claimed) = &record {
                self.find_landed(claimed, below, landing)?;
            }
            if known.contains(&place) {
                continue;
            }
            let record = self.verified(blob, Some(record))?;
            let mut used = Use::Fresh;
            if let Ok(approval) = record.as_ref() {
                self.look_up_receipt(SigningKey::Ssh(approval.signature().key()), approval.signature().digest())?;
                used = self.used(approval)?;
            }
            let fact = ApprovalFact { place, record, used, is_borne_out: false };
            self.facts.approvals.entry(facts.name.to_vec()).or_default().push(fact);
        }
        Ok(concerned)
    }

    /// Whether and how an approval has landed. What it landed on tells: where that contains the approved commits, they landed as they
    /// are.
    fn used(&self, approval: &VerifiedApproval) -> Result<Use, Doubt> {
        let Some(landed) = self.context.memory.landing(approval.digest()).map_err(Doubt::Unreadable)? else {
            return Ok(Use::Fresh);
        };
        let head = approval.approval().head.0;
        let is_commit = |id: Oid| matches!(self.context.objects.kind(id), Ok(ObjectKind::Commit));
        let Some(value) = landed.filter(|value| is_commit(*value) && is_commit(head)) else {
            return Ok(Use::LandedByContent);
        };
        let by_id = contains(self.history, value, head, WalkLimits::PUSH).map_err(walk_doubt)?;
        Ok(if by_id { Use::LandedById } else { Use::LandedByContent })
    }

    /// Which commits of a record lie below the new ones. What lies below one of them is there too.
    fn find_landed(&self, claimed: &ClaimedApproval, below: &[Oid], landing: &mut Landing) -> Result<(), Doubt> {
        let named: BTreeSet<Oid> = claimed.approval().commits.iter().map(|commit| commit.id.0).collect();
        for id in claimed.approval().commits.iter().rev().map(|commit| commit.id.0) {
            let asked = landing.new.contains_key(&id) || landing.already.contains(&id);
            // What is not stored is on no ref; what is no commit is none of ours.
            if asked
                || self.context.objects.is_incoming(id)
                || !matches!(self.context.objects.kind(id), Ok(ObjectKind::Commit))
            {
                continue;
            }
            if !self.new_commits(id, below, limits::WALK)?.is_empty() {
                continue;
            }
            let mut pending = vec![id];
            while let Some(id) = pending.pop() {
                if landing.already.insert(id) {
                    let parents = self.history.node(id).map_err(unreadable)?.parents;
                    pending.extend(parents.iter().copied().filter(|parent| named.contains(parent)));
                }
            }
        }
        Ok(())
    }

    /// Merges again what some approval covers but for the merge itself.
    fn find_clean_merges(&mut self, facts: &Update, new: &NewCommits, landing: &mut Landing) -> Result<(), Doubt> {
        let approvals = self.facts.approvals.get(&*facts.name).map(Vec::as_slice).unwrap_or_default();
        let approved = approvals.iter().filter_map(ApprovalFact::approval);
        let named: Vec<BTreeSet<Oid>> =
            approved.map(|approval| approval.approval().commits.iter().map(|commit| commit.id.0).collect()).collect();
        for step in &mut landing.steps {
            let Some(merge) = &mut step.merge else { continue };
            if !merge.commits.is_empty() && named.iter().any(|ids| merge.commits.is_subset(ids)) {
                let parents = new.parents(step.commit).unwrap_or_default();
                merge.is_clean = self.is_clean(&parents, step.commit)?;
            }
        }
        Ok(())
    }

    /// Whether a commit is nothing but the merge of its two parents.
    pub(super) fn is_clean(&self, parents: &[Oid], commit: Oid) -> Result<bool, Doubt> {
        is_clean_merge(self.context.objects, self.history, commit, parents, WalkLimits::PUSH).map_err(change_doubt)
    }

    /// Examines the approved commits themselves where others stand in their place: those are what they are.
    fn examine_approved(&mut self, name: &[u8], landing: &mut Landing) -> Result<(), Doubt> {
        let mut facts = self.facts.approvals.remove(name).unwrap_or_default();
        let mut carried = BTreeSet::new();
        for fact in &facts {
            let Some(record) = fact.approval() else { continue };
            let approval = record.approval();
            let by_service = |step: &MainlineStep| step.made_by == MadeBy::Service;
            let stands_in = landing.steps.iter().any(by_service)
                || stand_ins(approval, landing).values().flatten().any(|id| !landing.new.contains_key(id));
            if !stands_in {
                continue;
            }
            for id in approval.commits.iter().map(|commit| commit.id.0) {
                if self.context.objects.contains(id).map_err(unreadable)?
                    && matches!(self.context.objects.kind(id), Ok(ObjectKind::Commit))
                {
                    carried.insert(id);
                }
            }
        }
        if carried.len() > limits::COMMITS {
            return Err(Doubt::Limit(format!("approvals carry more than {} commits", limits::COMMITS)));
        }
        self.examine_each(carried.iter().copied(), None)?;
        for id in carried {
            if let Some(wording) = self.wording(id)? {
                landing.approved.insert(id, wording);
            }
        }
        for fact in &mut facts {
            fact.is_borne_out = fact.approval().is_some_and(|record| self.is_borne_out(record.approval()));
        }
        self.facts.approvals.insert(name.to_vec(), facts);
        Ok(())
    }

    /// Looks which paths moved since an approval: those that a commit of the same message changes, and changes otherwise.
    fn find_moved(&self, name: &[u8], landing: &mut Landing) -> Result<(), Doubt> {
        let mut by_message: HashMap<Digest, Vec<Oid>> = HashMap::new();
        for (id, content) in &landing.new {
            by_message.entry(content.message).or_default().push(*id);
        }
        let records = self.facts.approvals.get(name).into_iter().flatten().filter_map(ApprovalFact::approval);
        let approved =
            records.flat_map(|record| &record.approval().commits).take(COMPARED).copied().collect::<Vec<_>>();
        for ApprovedCommit { id, change, message } in approved {
            let alike = by_message.get(&message.0).map(Vec::as_slice).unwrap_or_default();
            let is_known = |id: Oid| matches!(self.context.objects.kind(id), Ok(ObjectKind::Commit));
            if alike.is_empty() || landing.new.contains_key(&id.0) {
                continue;
            }
            let other = |new: &&Oid| landing.new.get(*new).is_some_and(|content| content.change != Some(change.0));
            let alike: Vec<Oid> = alike.iter().filter(other).take(COMPARED).copied().collect();
            if !is_known(id.0) {
                landing.moved.extend(alike.into_iter().map(|new| ((id.0, new), None)));
                continue;
            }
            let paths: HashMap<Vec<u8>, Option<Value>> = self.paths_of(id.0)?.into_iter().collect();
            for new in alike {
                let moved = self
                    .paths_of(new)?
                    .into_iter()
                    .find(|(path, value)| paths.get(path).is_some_and(|old| old != value));
                if let Some((path, _)) = moved {
                    landing.moved.insert((id.0, new), Some(path));
                }
            }
        }
        Ok(())
    }

    /// The first paths that a commit changes, with what it makes of them. None where its trees cannot be compared.
    fn paths_of(&self, commit: Oid) -> Result<Vec<Left>, Doubt> {
        let tree = self.examiner.tree_of(commit)?;
        let parent = self.history.node(commit).map_err(unreadable)?.parents.first().copied();
        let old = parent.map(|parent| self.examiner.tree_of(parent)).transpose()?;
        let mut paths = Vec::new();
        let compared = each_change(self.context.objects, old, tree, &mut |change| {
            if paths.len() < COMPARED_PATHS {
                paths.push((change.path.to_vec(), change.new));
            }
        });
        Ok(compared.map_or_else(|_| Vec::new(), |()| paths))
    }

    /// Whether the commits of a record are what it says of them.
    fn is_borne_out(&self, approval: &Approval) -> bool {
        let base: Vec<Oid> = approval.base.iter().map(|base| base.0).collect();
        let range = || {
            let range = self.new_commits(approval.head.0, &base, limits::COMMITS).ok()?;
            Some(range.iter().collect())
        };
        let change = || self.change_from(base.first().copied(), approval.head.0).ok().flatten();
        let had_older_digest = |said: &ApprovedCommit| self.said_before(said);
        let commits = &self.facts.commits;
        Evidence { commits, had_older_digest: &had_older_digest, range: &range, change: &change }.bears_out(approval)
    }

    /// Whether a record holds an older digest of a commit's message.
    fn said_before(&self, said: &ApprovedCommit) -> bool {
        let Ok(raw) = self.context.objects.commit(said.id.0) else { return false };
        Commit::parse(&raw, self.context.objects.format())
            .is_ok_and(|commit| is_message_of(said.message.0, commit.message))
    }

    /// Merges again what a service merged, whose signature says no more than that it did.
    pub(super) fn examine_service_merges(
        &mut self,
        commits: impl Iterator<Item = Oid>,
        new: &NewCommits,
    ) -> Result<(), Doubt> {
        for id in commits {
            let Some(commit) = self.facts.commits.get(&id).filter(|commit| commit.merge == MergeFact::Unexamined)
            else {
                continue;
            };
            if commit.service(self.policy).is_none() {
                continue;
            }
            let parents = new.parents(id).unwrap_or_default();
            if parents.len() < 2 {
                continue;
            }
            let found = if self.is_clean(&parents, id)? { MergeFact::AddsNothing } else { MergeFact::AddsContent };
            if let Some(commit) = self.facts.commits.get_mut(&id) {
                commit.merge = found;
            }
        }
        Ok(())
    }

    /// The tips of refs that have been judged by what a rule requires.
    pub(super) fn judged_tips(&self, rule: &Rule, requirement: Requirement) -> Result<Vec<Oid>, Doubt> {
        let policy = self.policy;
        let counts = |name: &[u8]| is_judged_at(policy, rule, requirement, name);
        let near = if self.look == Look::Near { self.near_tips(&counts)? } else { Vec::new() };
        let near = self.judged_values(near)?;
        if !near.is_empty() {
            return Ok(near);
        }
        // Where the default branch does not exist, nothing near is known, and all history would count as new.
        let selected = self.context.refs.select(&mut |name| counts(name)).map_err(unreadable)?;
        self.judged_values(selected)
    }

    /// The values of refs up to which they were judged: what people let in by passing over findings counts as judged nowhere else.
    fn judged_values(&self, tips: Vec<(Vec<u8>, Oid)>) -> Result<Vec<Oid>, Doubt> {
        let mut judged = Vec::with_capacity(tips.len());
        for (name, tip) in tips {
            match self.context.memory.judged_until(&name) {
                None => judged.push(tip),
                Some(None) => {}
                // One that was pruned since hides nothing.
                Some(Some(before)) => {
                    if self.context.objects.contains(before).map_err(unreadable)? {
                        judged.extend(peel(self.context.objects, before).map_err(unreadable)?);
                    }
                }
            }
        }
        Ok(judged)
    }

    /// The tips of those among the refs that are cheap to know.
    pub(super) fn near_tips(&self, counts: &dyn Fn(&[u8]) -> bool) -> Result<Vec<(Vec<u8>, Oid)>, Doubt> {
        let mut names: BTreeSet<String> = self.context.refs.head_branch().map_err(unreadable)?.into_iter().collect();
        names.extend(self.policy.rules().iter().flat_map(|rule| rule.literal_refs().map(str::to_owned)));
        let mut tips = Vec::new();
        for name in names.iter().filter(|name| counts(name.as_bytes())) {
            if let Some(value) = self.context.refs.value(name).map_err(unreadable)? {
                let commit = peel(self.context.objects, value).map_err(unreadable)?;
                tips.extend(commit.map(|commit| (name.clone().into_bytes(), commit)));
            }
        }
        Ok(tips)
    }
}
