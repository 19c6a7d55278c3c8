//! From a list of ref updates to facts: the only step of a decision that reads the repository.
//!
//! Reading is lazy in one respect. Which commits are new for a rule depends on what other refs have already been judged by
//! ([`crate::core::scope`]), and asking all refs costs time in their number. So the first look subtracts only the old value and a few
//! refs that are cheap to know. It sees a superset of the new commits; where that has no findings, the exact set has none
//! either. Only where something was found does a second look subtract every ref that counts.

mod approvals;
mod grants;
mod many;
pub(crate) mod orders;
mod subtraction;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use crate::core::approval::{ApprovalError, ApprovalIndex, ApprovalPlace, PREFIX, VerifiedApproval};
use crate::core::commit::{Address, Commit, Tag, parse_trailers};
use crate::core::decide::{PartialVerdict, Said, UpdateContext, Verdict, Verdicts, pushing_service};
use crate::core::digest::Digest;
use crate::core::facts::{
    CommitFacts, Doubt, Facts, FrozenWork, Judged, MALFORMED_TAG, MergeFact, Movement, ObjectForm, PolicyOnRef,
    RefTarget, SignatureFact, Sought, TagFacts, Update,
};
use crate::core::id::RepositoryName;
use crate::core::landing::carries;
use crate::core::limits;
use crate::core::marks::MarkSource;
use crate::core::objects::{ObjectKind, ReadError};
use crate::core::oid::Oid;
use crate::core::order::{self, Orders};
use crate::core::policy::{self, Identity, Policy, Rule, Since};
use crate::core::scope::{Requirement, judged_commits, rules_for, symbolic_places};
use crate::core::signature::SigningKey;
use crate::core::tree::{MainlineCommit, NewCommits, WalkLimits, mainline, mainline_end, new_commits};
use crate::gate::engine::PushContext;
use crate::gate::examine::{Examiner, Standard, address, signature_fact, unreadable, walk_doubt};
use crate::gate::push::{Push, RefUpdate};
use crate::gate::received::Received;
use crate::gate::ref_values::RefValues;
use crate::store::{History, SymbolicRef, peel};
use crate::system::disk;

use approvals::Ends;
use many::Many;
use orders::StoredOrders;
use subtraction::{Asked, Hidden, Others, Subtracted};

/// Commits whose facts are in flight from threads to where they are kept, or to where they are judged.
const COMMITS_AT_ONCE: usize = 2048;

/// Commits that are new beyond the few refs of a first look, from which on it costs less to ask all refs than to look at them.
const COMMITS_NEAR: usize = 1_000;

/// Commits below the new ones that are looked at for whose clone has sealed before.
const SEALED_BEFORE: usize = 32;

/// Which refs a look subtracts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Look {
    /// The old value, `since`, the default branch and the refs that rules name without wildcards.
    Near,
    /// Every ref that counts.
    Everywhere,
}

/// Reads what a decision needs, keeping what two looks have in common. What follows from it is decided in core: which rules a ref has and
/// which commits they judge ([`crate::core::scope`]), what would land ([`crate::core::landing`]), and what is found
/// ([`crate::core::decide`]).
pub(crate) struct FactReader<'a> {
    policy: &'a Policy,
    context: PushContext<'a>,
    history: &'a History<'a>,
    examiner: Examiner<'a>,
    policy_on_ref: Option<PolicyCheck<'a>>,
    /// The refs that the push moves.
    moved: BTreeSet<Arc<[u8]>>,
    /// Bytes of the certificates that are held with the facts.
    granted_bytes: usize,
    /// What has been found out so far.
    facts: Facts,
    /// Commits that an earlier look has examined.
    examined: BTreeMap<Oid, CommitFacts>,
    subtraction: Subtraction<'a>,
    symbolic: SymbolicRefs,
    look: Look,
    records: Records,
    repository: &'a RepositoryName,
    stored_orders: Option<StoredOrders<'a>>,
    /// What is brought of frozen agents, by the names of refs.
    frozen: HashMap<Arc<[u8]>, Vec<FrozenWork>>,
    many: Many,
    /// The service whose unsigned commits this push brings, if it does.
    pushing_service: Option<&'a policy::Principal>,
}

/// What requirements of rules subtract, as it becomes known.
struct Subtraction<'a> {
    /// The file of commits whose history every rule exempts.
    baseline: Option<&'a Path>,
    /// Those of them that are known; `None` until they are asked for.
    exempt: Option<Rc<[Oid]>>,
    /// The commits whose history one rule exempts, by its position.
    since: HashMap<usize, Vec<Oid>>,
    walks: Subtracted<'a>,
}

/// Records of approvals, as they become known.
#[derive(Default)]
struct Records {
    /// The blobs of those that the push brings; `None` where it deletes one.
    brought: BTreeMap<ApprovalPlace, Option<Oid>>,
    /// All that are stored for a ref, by the names of their refs, with their blobs.
    stored: HashMap<Vec<u8>, Vec<(Vec<u8>, Oid)>>,
    /// Those that are about what lands, or that the push brings, by their blobs.
    verified: HashMap<Oid, Rc<Result<VerifiedApproval, ApprovalError>>>,
    /// What is known of those that need not be read; `None` until it is asked for.
    index: Option<ApprovalIndex>,
}

/// The ref that holds the policy in force, and how to tell what becomes of the policy at a new value of it.
pub(crate) struct PolicyCheck<'a> {
    pub(crate) name: &'a str,
    pub(crate) after: &'a dyn Fn(Oid) -> Result<PolicyOnRef, ReadError>,
}

impl<'a> FactReader<'a> {
    pub(crate) fn new(
        policy: &'a Policy,
        repository: &'a RepositoryName,
        history: &'a History<'a>,
        context: PushContext<'a>,
    ) -> Self {
        let standard = Standard { policy, dir: context.dir, repository, pinned: &[], session: context.session };
        let submitter = context.submitter.clone();
        Self {
            policy,
            history,
            examiner: Examiner::new(standard, context.objects),
            policy_on_ref: None,
            granted_bytes: 0,
            moved: BTreeSet::new(),
            facts: Facts { submitter, repository: Some(repository.clone()), ..Facts::default() },
            examined: BTreeMap::new(),
            subtraction: Subtraction {
                baseline: None,
                exempt: None,
                since: HashMap::new(),
                walks: Subtracted::new(history),
            },
            symbolic: SymbolicRefs::default(),
            look: Look::Near,
            records: Records::default(),
            repository,
            stored_orders: None,
            frozen: HashMap::new(),
            many: Many::default(),
            pushing_service: pushing_service(policy, context.submitter, context.now),
            context,
        }
    }

    /// Also looks at what the push does to the policy itself.
    pub(crate) fn with_policy_check(mut self, check: PolicyCheck<'a>) -> Self {
        self.policy_on_ref = Some(check);
        self
    }

    /// Also exempts the history that the refs had at install.
    pub(crate) fn with_baseline(mut self, baseline: Option<&'a Path>) -> Self {
        self.subtraction.baseline = baseline;
        self
    }

    /// Also takes changes to these files for approved: an admin pinned what the push leaves in them.
    pub(crate) fn with_pinned(mut self, files: &'a [String]) -> Self {
        self.examiner = self.examiner.with_pinned(files);
        self
    }

    /// Also says where a clone finds the policy.
    pub(super) fn with_policy_known_as(mut self, name: Option<String>) -> Self {
        self.facts.policy = name;
        self
    }

    /// Takes this for ordered, where no push is judged as a whole.
    pub(crate) fn with_orders(mut self, orders: Orders) -> Self {
        self.facts.orders = orders;
        self
    }

    /// Looks at every update of the push and decides it.
    pub(super) fn judge_all(&mut self, push: &Push, look: Look) -> Verdict {
        self.look = look;
        let mut updates: Vec<&RefUpdate> = push.updates.iter().collect();
        updates.sort_by(|a, b| a.name.cmp(&b.name));
        let Facts {
            repository: _,
            policy: _,
            submitter: _,
            updates: kept,
            commits,
            tags,
            receipts: _,
            uses: _,
            approvals,
            orders: _,
        } = &mut self.facts;
        kept.clear();
        self.granted_bytes = 0;
        self.moved = push.updates.iter().map(|update| Arc::clone(&update.name)).collect();
        self.examined = std::mem::take(commits);
        tags.clear();
        approvals.clear();
        self.subtraction.walks = Subtracted::new(self.history);
        self.many = Many::default();
        let records = self.read_records(&updates).and_then(|()| self.read_orders(&updates));
        let mut verdicts = Verdicts::of(updates.len());
        for update in updates {
            let mut begun = verdicts.begin();
            let mut update = self.update(update, &mut begun);
            update.doubt = update.doubt.or_else(|| records.as_ref().err().cloned());
            let now = self.context.now;
            let context = UpdateContext { policy: self.policy, facts: &self.facts, update: &update, now };
            let said = verdicts.judge(&context, Some(begun));
            self.keep(update, said);
        }
        verdicts.finish()
    }

    /// Keeps of an update what is to be recorded. Of a hundred thousand that bring nothing new, that is nothing.
    fn keep(&mut self, update: Update, said: Said) {
        let signed = |id: &Oid| {
            let tag = self.facts.tags.get(id);
            tag.is_some_and(|tag| matches!(tag.signature, SignatureFact::Good(_)))
        };
        let works =
            update.judged.iter().any(|judged| !judged.commits.is_empty()) || self.many.has_received(&update.name);
        if said == Said::Something
            || works
            || update.record.is_some()
            || update.order.is_some()
            || update.tags.iter().any(signed)
        {
            self.facts.updates.push(Update { landings: Vec::new(), ..update });
        } else {
            // Who brings one of them again, reads it again.
            update.tags.iter().for_each(|id| drop(self.facts.tags.remove(id)));
        }
    }

    /// All that is known and may be recorded, with what was received of updates with many commits.
    pub(super) fn into_facts(self) -> (Facts, Received) {
        (self.facts, self.many.into_received())
    }

    fn update(&mut self, update: &RefUpdate, begun: &mut PartialVerdict) -> Update {
        let mut facts = Update {
            name: Arc::clone(&update.name),
            old: update.old,
            new: update.new,
            claimed: update.claimed,
            movement: match (update.old, update.new) {
                (_, None) => Movement::Deleted,
                (None, Some(_)) => Movement::Created,
                (Some(_), Some(_)) => Movement::Unexamined,
            },
            tags: Vec::new(),
            target: RefTarget::Nothing,
            base: None,
            sealed_before: Vec::new(),
            judged: Vec::new(),
            doubt: None,
            continuity: self.context.memory.continuity(&update.name),
            policy: None,
            record: None,
            order: None,
            frozen: Vec::new(),
            granted: Vec::new(),
            landings: Vec::new(),
        };
        if update.claimed.is_some() {
            return facts;
        }
        if update.name.starts_with(PREFIX.as_bytes()) {
            match self.record_update(update) {
                Ok(record) => facts.record = Some(record),
                Err(doubt) => facts.doubt = Some(doubt),
            }
            return facts;
        }
        if update.name.starts_with(order::PREFIX.as_bytes()) {
            match self.order_update(update) {
                Ok(order) => facts.order = Some(order),
                Err(doubt) => facts.doubt = Some(doubt),
            }
            return facts;
        }
        let holds_policy = self.policy_on_ref.as_ref().is_some_and(|check| check.name.as_bytes() == &*update.name);
        let rules: Vec<usize> = match self.rules_for(&update.name) {
            Ok(rules) => rules,
            Err(doubt) => {
                facts.doubt = Some(doubt);
                return facts;
            }
        };
        match self.frozen_work(update, &rules) {
            Ok(frozen) => facts.frozen = frozen,
            Err(doubt) => facts.doubt = Some(doubt),
        }
        if holds_policy {
            facts.policy = Some(PolicyOnRef::default());
        }
        let Some(new) = update.new else {
            facts.judged = rules.into_iter().map(Judged::nothing).collect();
            return facts;
        };
        if rules.is_empty() && !holds_policy {
            return facts;
        }
        // What is in doubt about the update is in doubt for each of its rules, and only as much as the rule weighs.
        if let Err(doubt) = self.examine(&mut facts, new, &rules, begun) {
            facts.judged =
                rules.into_iter().map(|rule| Judged { doubt: Some(doubt.clone()), ..Judged::nothing(rule) }).collect();
            facts.doubt = holds_policy.then_some(doubt);
        }
        facts
    }

    /// The rules for a ref: those that match its name, or that of a symbolic ref which leads to it.
    pub(crate) fn rules_for(&mut self, name: &[u8]) -> Result<Vec<usize>, Doubt> {
        let symbolic = self.symbolic.leading_to(name, self.context.refs, symbolic_places(self.policy, name))?;
        let names: Vec<&[u8]> = symbolic.chain([name]).collect();
        Ok(rules_for(self.policy, &names))
    }

    fn rule(&self, index: usize) -> Result<&'a Rule, Doubt> {
        self.policy.rules().get(index).ok_or_else(|| Doubt::Unreadable(format!("rule {index} is not in the policy")))
    }

    fn examine(
        &mut self,
        facts: &mut Update,
        new: Oid,
        rules: &[usize],
        begun: &mut PartialVerdict,
    ) -> Result<(), Doubt> {
        facts.target = self.follow_tags(new, facts)?;
        let old = facts.old.map(|old| peel(self.context.objects, old)).transpose().map_err(unreadable)?.flatten();
        let RefTarget::Commit(tip) = facts.target else {
            if facts.old.is_some() {
                facts.movement = Movement::Forced;
            }
            facts.judged = rules.iter().map(|rule| Judged::nothing(*rule)).collect();
            return Ok(());
        };
        if let (Some(check), Some(on_ref)) = (&self.policy_on_ref, &mut facts.policy) {
            *on_ref = (check.after)(tip).map_err(unreadable)?;
        }
        let since_old = old.map(|old| self.new_commits(tip, &[old], self.most())).transpose()?;
        if facts.old.is_some() {
            let forward = old.is_some_and(|old| tip == old || since_old.as_ref().is_some_and(|new| new.meets(old)));
            // A tag that moves from one commit to another moves the name people rely on, whatever the commits.
            let retagged = facts.name.starts_with(b"refs/tags/") && facts.old != facts.new;
            facts.movement = if forward && !retagged { Movement::Forward } else { Movement::Forced };
        }
        let ends = Ends { tip, old };
        // What is many is found again when it is needed: it takes as much memory as the walks of the rules.
        self.many.begin(since_old.as_ref().map_or(0, NewCommits::len));
        let since_old = since_old.filter(|_| !self.many.gains());
        for index in rules {
            let mut judged = Judged::nothing(*index);
            if let Err(doubt) = self.judge(facts, ends, since_old.as_ref(), &mut judged) {
                judged = Judged { doubt: Some(doubt), ..Judged::nothing(*index) };
            }
            facts.judged.push(judged);
        }
        drop(since_old);
        facts.sealed_before = self.sealed_before(facts);
        self.judge_many(facts, ends, begun);
        self.follow_grants(facts, ends)
    }

    /// Who made sealed commits, where a new one bears a mark and no seal. It is for a hint: what cannot be read is left out.
    fn sealed_before(&self, facts: &Update) -> Vec<Address> {
        let is_marked = |commit: &CommitFacts| !commit.marks.is_empty() && !commit.is_sealed();
        if !self.facts.commits.values().any(is_marked) {
            return Vec::new();
        }
        let sealed = self.facts.commits.values().filter(|commit| commit.is_sealed());
        let mut found: Vec<Address> = sealed.map(|commit| commit.author.clone()).collect();
        let mut next = facts.base;
        for _ in 0..SEALED_BEFORE {
            let Some(raw) = next.and_then(|id| self.context.objects.commit(id).ok()) else { break };
            let Ok(commit) = Commit::parse(&raw, self.context.objects.format()) else { break };
            if parse_trailers(commit.message).is_ok_and(|trailers| !trailers.blocks.is_empty()) {
                found.push(address(&commit.author));
            }
            next = commit.parents.first().copied();
        }
        found
    }

    /// Commits that may be new. A first look gives up where they are many: a second one judges them, and each once.
    fn most(&self) -> usize {
        match self.look {
            Look::Near => limits::COMMITS,
            Look::Everywhere => usize::MAX,
        }
    }

    /// Follows annotated tags from the new value, keeping each.
    fn follow_tags(&mut self, new: Oid, facts: &mut Update) -> Result<RefTarget, Doubt> {
        let mut id = new;
        for _ in 0..=limits::TAG_DEPTH {
            match self.context.objects.kind(id).map_err(unreadable)? {
                ObjectKind::Commit => return Ok(RefTarget::Commit(id)),
                kind @ (ObjectKind::Tree | ObjectKind::Blob) => return Ok(RefTarget::Unattributed(kind.name())),
                ObjectKind::Tag => {
                    let raw = self.context.objects.tag(id).map_err(unreadable)?;
                    facts.tags.push(id);
                    let tag = Tag::parse(&raw, self.context.objects.format());
                    let found = self.tag_facts(id, tag.as_ref());
                    if let SignatureFact::Good(signature) = &found.signature {
                        self.look_up_receipt(signature.key(), signature.digest())?;
                    }
                    self.facts.tags.insert(id, found);
                    match tag {
                        Ok(tag) => id = tag.object,
                        Err(_) => return Ok(RefTarget::Unattributed(MALFORMED_TAG)),
                    }
                }
            }
        }
        Err(Doubt::Limit(format!("more than {} tags point at each other", limits::TAG_DEPTH)))
    }

    fn tag_facts(&self, id: Oid, tag: Result<&Tag<'_>, &crate::core::commit::Malformed>) -> TagFacts {
        match tag {
            Err(reason) => TagFacts {
                id,
                name: Vec::new(),
                form: ObjectForm::Malformed(reason.clone()),
                signature: SignatureFact::None,
                marks: Vec::new(),
            },
            Ok(tag) => TagFacts {
                id,
                // A longer name is that of no ref.
                name: tag.name.iter().take(limits::REF_BYTES + 1).copied().collect(),
                form: ObjectForm::Canonical,
                signature: signature_fact(tag.signature.as_ref(), Some(self.policy)),
                marks: match &tag.tagger {
                    Some(tagger) => tagger.marks(self.examiner.search(), tag.message, None),
                    None => self.examiner.search().find(&MarkSource {
                        author_name: b"",
                        author_email: b"",
                        message: tag.message,
                        encoding: None,
                    }),
                },
            },
        }
    }

    /// What one rule looks at.
    fn judge(
        &mut self,
        facts: &mut Update,
        ends: Ends,
        since_old: Option<&NewCommits>,
        judged: &mut Judged,
    ) -> Result<(), Doubt> {
        let rule = self.rule(judged.rule)?;
        let forward = since_old.filter(|_| facts.movement == Movement::Forward);
        if rule.identity != Identity::None || rule.restricts_agents() {
            self.judge_identity(facts, ends, since_old, judged)?;
        }
        if rule.approvals.is_some() || (rule.submitters.is_some() && rule.is_path_rule()) {
            judged.sought = Some(self.seek(facts, ends, forward, judged.rule)?);
        }
        Ok(())
    }

    fn judge_identity(
        &mut self,
        facts: &mut Update,
        ends: Ends,
        since_old: Option<&NewCommits>,
        judged: &mut Judged,
    ) -> Result<(), Doubt> {
        let old = ends.old;
        let rule = self.rule(judged.rule)?;
        let mut beyond = None;
        let found;
        let new = match (since_old, self.look) {
            (Some(new), Look::Near) => new,
            _ => {
                let hidden = self.hidden(rule, judged.rule)?;
                beyond = Some(hidden);
                found = self.new_beyond(hidden, ends)?;
                &found
            }
        };
        // Who forces a ref may not have what it held.
        let held = old.filter(|_| facts.movement != Movement::Forced);
        facts.base = facts.base.or(held).or_else(|| new.boundary().next());
        if self.is_many(new) {
            return self.put_off(beyond, judged.rule, Requirement::Identity);
        }
        let steps_from = if facts.movement == Movement::Forward { since_old.unwrap_or(new) } else { new };
        let line = match facts.movement {
            Movement::Forward if self.many.gains() => self.line_since_old(facts, ends)?,
            _ => self.mainline(facts, ends, steps_from)?,
        };
        self.examine_commits(&line, new)?;
        if carries(new.iter().filter_map(|id| self.facts.commits.get(&id)), self.policy) {
            let landing = self.landing(facts, ends, steps_from)?;
            judged.sought = Some(Sought { commits: Vec::new(), landing });
        }
        judged.commits = judged_commits(rule, judged.rule, new.iter(), &self.facts.commits);
        Ok(())
    }

    /// The mainline of an update: down to the old value where the new one contains it, else to where it meets what is subtracted.
    fn mainline(&self, facts: &Update, ends: Ends, new: &NewCommits) -> Result<Vec<MainlineCommit>, Doubt> {
        let end = match (facts.movement, ends.old) {
            (Movement::Forward, Some(old)) => Some(old),
            _ => mainline_end(self.history, new, WalkLimits::PUSH).map_err(walk_doubt)?,
        };
        Ok(mainline(new, ends.tip, end))
    }

    /// Examines each new commit once.
    fn examine_commits(&mut self, line: &[MainlineCommit], new: &NewCommits) -> Result<(), Doubt> {
        self.examine_each(new.iter(), Some(new))?;
        self.attribute_unsigned(line);
        self.examine_service_merges(new.iter(), new)
    }

    /// Where a service that need not sign pushes, or a forge for somebody, what it brings and the ref gains step by step is the
    /// service's. What it merges, others made; and what was here before, somebody else pushed, whatever moves a ref to it now.
    fn attribute_unsigned(&mut self, line: &[MainlineCommit]) {
        for step in line {
            self.attribute(step.commit);
        }
    }

    /// As [`FactReader::attribute_unsigned`], of one commit.
    fn attribute(&mut self, id: Oid) {
        let (Some(service), Some(commit)) = (self.pushing_service, self.facts.commits.get_mut(&id)) else { return };
        let brought = self.context.objects.is_incoming(id);
        if brought && !commit.is_sealed() && matches!(commit.signature, SignatureFact::None) {
            commit.unsigned_service = Some(service.id.clone());
        }
    }

    fn examine_each(&mut self, commits: impl Iterator<Item = Oid>, among: Option<&NewCommits>) -> Result<(), Doubt> {
        let unknown: Vec<Oid> = commits.filter(|id| !self.facts.commits.contains_key(id)).collect();
        for some in unknown.chunks(COMMITS_AT_ONCE) {
            let new: Vec<Oid> = some.iter().filter(|id| !self.examined.contains_key(id)).copied().collect();
            for examined in self.examiner.examine_all(&new, among) {
                let facts = examined?;
                self.examined.insert(facts.id, facts);
            }
            for id in some {
                let missing = || Doubt::Unreadable(format!("commit {id} was not examined"));
                let known = self.examined.remove(id).ok_or_else(missing)?;
                // What a look adds to what the commit itself says.
                let position = self.facts.commits.len();
                let facts = CommitFacts { position, unsigned_service: None, merge: MergeFact::Unexamined, ..known };
                self.look_up_receipts(&facts)?;
                self.granted_bytes = self.granted_bytes.saturating_add(granted_bytes(&facts));
                if self.granted_bytes > limits::GRANTED_BYTES {
                    let most = limits::GRANTED_BYTES;
                    return Err(Doubt::Limit(format!("the grants of the new commits are larger than {most} bytes")));
                }
                self.facts.commits.insert(*id, facts);
            }
        }
        Ok(())
    }

    fn look_up_receipts(&mut self, commit: &CommitFacts) -> Result<(), Doubt> {
        for (key, digest) in commit.received() {
            self.look_up_receipt(key, digest)?;
            if let SigningKey::Certified(certificate) = key {
                self.look_up_uses(certificate)?;
            }
        }
        Ok(())
    }

    /// Keeps when something was first received, where that can make a difference.
    fn look_up_receipt(&mut self, key: SigningKey<'_>, digest: Digest) -> Result<(), Doubt> {
        if self.policy.asks_for_receipt(key) {
            let receipt = self.context.memory.receipt(digest).map_err(Doubt::Unreadable)?;
            self.facts.receipts.extend(receipt.map(|time| (digest, time)));
        }
        Ok(())
    }

    fn new_commits(&self, tip: Oid, hidden: &[Oid], limit: usize) -> Result<NewCommits, Doubt> {
        let limits = WalkLimits { new: limit, ..WalkLimits::PUSH };
        new_commits(self.history, tip, hidden, limits).map_err(walk_doubt)
    }

    /// What a rule's identity requirement has already judged ([`crate::core::scope`]), by values before the push, besides the old value.
    fn hidden(&mut self, rule: &Rule, index: usize) -> Result<usize, Doubt> {
        let asked =
            Asked { rule: index, requirement: Requirement::Identity, others: Others::Subtracted, look: self.look };
        if let Some(known) = self.subtraction.walks.known(asked) {
            return Ok(known);
        }
        let mut hidden: HashSet<Oid> = self.since(rule, index)?.into_iter().collect();
        hidden.extend(self.judged_tips(rule, Requirement::Identity)?);
        if self.look == Look::Everywhere {
            hidden.extend(self.baseline()?.iter());
        }
        let judged = self.many.judged(self.policy, rule, Requirement::Identity);
        Ok(self.subtraction.walks.add(asked, Hidden { commits: hidden, judged }))
    }

    /// What is new at a tip beyond the old value and what is subtracted besides. Walks over the same are one walk.
    fn new_beyond(&mut self, hidden: usize, ends: Ends) -> Result<NewCommits, Doubt> {
        let most = if self.look == Look::Near { COMMITS_NEAR } else { usize::MAX };
        let limits = WalkLimits { new: most, ..WalkLimits::PUSH };
        self.subtraction.walks.new_commits(hidden, ends, limits).map_err(walk_doubt)
    }

    /// The commits whose history every rule exempts, read once.
    fn baseline(&mut self) -> Result<Rc<[Oid]>, Doubt> {
        if let Some(known) = &self.subtraction.exempt {
            return Ok(Rc::clone(known));
        }
        let read: Rc<[Oid]> = self.read_baseline()?.into();
        self.subtraction.exempt = Some(Rc::clone(&read));
        Ok(read)
    }

    /// Reads the file that install wrote.
    fn read_baseline(&self) -> Result<Vec<Oid>, Doubt> {
        let Some(path) = self.subtraction.baseline else { return Ok(Vec::new()) };
        let unreadable =
            |reason: &dyn std::fmt::Display| Doubt::Unreadable(format!("the baseline {}: {reason}", path.display()));
        let text = match disk::read(path) {
            Ok(text) => text,
            // A hook for many repositories names the place where each may have one; without it nothing is exempt.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(unreadable(&error)),
        };
        let mut known = Vec::new();
        for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let id = Oid::parse(line).ok_or_else(|| unreadable(&"a line is no object id"))?;
            // What was pruned since exempts nothing.
            if self.context.objects.contains(id).map_err(self::unreadable)? {
                known.push(id);
            }
        }
        Ok(known)
    }

    /// The commits whose history the rule exempts. One that does not exist exempts nothing.
    fn since(&mut self, rule: &Rule, index: usize) -> Result<Vec<Oid>, Doubt> {
        if let Some(known) = self.subtraction.since.get(&index) {
            return Ok(known.clone());
        }
        let commits = self.read_since(rule)?;
        self.subtraction.since.insert(index, commits.clone());
        Ok(commits)
    }

    fn read_since(&self, rule: &Rule) -> Result<Vec<Oid>, Doubt> {
        let mut commits = Vec::new();
        for since in &rule.since {
            let value = match since {
                Since::Ref(name) => self.context.refs.value(name).map_err(unreadable)?,
                Since::Commit(id) if id.format() == self.context.objects.format() => {
                    let known = !self.context.objects.is_incoming(*id)
                        && self.context.objects.contains(*id).map_err(unreadable)?;
                    known.then_some(*id)
                }
                Since::Commit(_) => None,
            };
            if let Some(value) = value {
                commits.extend(peel(self.context.objects, value).map_err(unreadable)?);
            }
        }
        Ok(commits)
    }
}

/// Symbolic refs with what they name, as far as they have been asked for.
#[derive(Default)]
struct SymbolicRefs {
    known: BTreeSet<SymbolicRef>,
    /// Where they have been asked for.
    asked: BTreeSet<String>,
}

impl SymbolicRefs {
    /// The names of those at some places that lead to a ref.
    fn leading_to<'n>(
        &'n mut self,
        target: &'n [u8],
        refs: &dyn RefValues,
        places: BTreeSet<String>,
    ) -> Result<impl Iterator<Item = &'n [u8]>, Doubt> {
        let unasked: BTreeSet<String> = places.difference(&self.asked).cloned().collect();
        if !unasked.is_empty() {
            self.known.extend(refs.symbolic_refs(&unasked).map_err(unreadable)?);
            self.asked.extend(unasked);
        }
        let leads = self.known.iter().filter(move |symbolic| symbolic.target == target);
        Ok(leads.map(|symbolic| symbolic.name.as_slice()))
    }
}

/// Bytes of the certificates under which a commit is sealed or signed.
fn granted_bytes(commit: &CommitFacts) -> usize {
    let sizes = commit.received().map(|(key, _)| match key {
        SigningKey::Certified(certificate) => certificate.blob().len(),
        SigningKey::Ssh(_) | SigningKey::OpenPgp(_) => 0,
    });
    sizes.sum()
}
