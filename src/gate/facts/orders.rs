//! What is ordered here, and what a push brings of agents that are frozen.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

use crate::core::decide::Subject;
use crate::core::digest::Digest;
use crate::core::facts::{CommitFacts, Doubt, FrozenWork, OrderUpdate, SignatureFact};
use crate::core::grant;
use crate::core::id::{Id, RepositoryName};
use crate::core::limits;
use crate::core::objects::{ObjectKind, ReadError};
use crate::core::oid::Oid;
use crate::core::order::{ClaimedOrder, OrderError, OrderPlace, Orders, PREFIX, Topic, VerifiedOrder, move_digest};
use crate::core::policy::{Policy, Principal, PrincipalKind};
use crate::core::seal::SealOutcome;
use crate::core::signature::SigningKey;
use crate::gate::engine::PushContext;
use crate::gate::facts::{COMMITS_AT_ONCE, FactReader, peel, unreadable};
use crate::gate::order_store;
use crate::gate::push::RefUpdate;
use crate::gate::ref_values::RefValues;
use crate::store::Objects;

/// Orders as they are stored in a repository: its refs, with what a push does to them, and the stores around it.
pub(crate) struct StoredOrders<'a> {
    objects: &'a Objects,
    /// By their places: the blobs.
    blobs: BTreeMap<OrderPlace, Oid>,
    stores: &'a [PathBuf],
}

impl<'a> StoredOrders<'a> {
    /// Lists them, as they would be after these updates.
    pub(crate) fn list<'u>(
        objects: &'a Objects,
        refs: &dyn RefValues,
        stores: &'a [PathBuf],
        updates: impl Iterator<Item = &'u RefUpdate>,
    ) -> Result<Self, Doubt> {
        let mut blobs = BTreeMap::new();
        for (name, id) in refs.list(PREFIX).map_err(unreadable)? {
            blobs.extend(OrderPlace::parse(&name).map(|place| (place, id)));
        }
        let mut brought = 0;
        for update in updates {
            let Some(place) = OrderPlace::parse(&update.name) else { continue };
            brought += 1;
            if let Some(new) = update.new {
                blobs.insert(place, new);
            }
        }
        if brought > limits::ORDERS {
            return Err(Doubt::Limit(format!("more than {} orders are pushed at once", limits::ORDERS)));
        }
        Ok(Self { objects, blobs, stores })
    }

    /// What counts of those that are wanted.
    pub(crate) fn in_force(
        &self,
        (policy, repository): (&Policy, &RepositoryName),
        wanted: &dyn Fn(&Topic) -> bool,
        now: crate::core::decide::Timestamp,
    ) -> Result<Orders, Doubt> {
        let mut ordered = order_store::read(self.stores, wanted).map_err(Doubt::Unreadable)?;
        for (place, blob) in self.blobs.iter().filter(|(place, _)| wanted(&place.topic)) {
            // What is no order in its place counts for nothing.
            let Ok(claimed) = claimed(self.objects, *blob)? else { continue };
            let Ok(order) = claimed.verify() else { continue };
            if order.order().place() == *place {
                ordered.orders.push(order);
            }
        }
        Ok(Orders::in_force(policy, repository, (&ordered.orders, &ordered.thaws), now))
    }

    /// How many orders by the one who gave another are stored, what is over apart, and their bytes.
    fn by_the_same(&self, place: &OrderPlace, now: crate::core::decide::Timestamp) -> Result<(usize, u64), Doubt> {
        let (mut count, mut bytes) = (0, 0);
        let own: Vec<Oid> = self.blobs.iter().filter(|(other, _)| other.by == place.by).map(|(_, id)| *id).collect();
        // So few of even the largest are within both.
        let plainly = limits::ORDERS_OF_ONE_BYTES / u64::try_from(limits::ORDER_BYTES).unwrap_or(1);
        if u64::try_from(own.len()).unwrap_or(u64::MAX) <= plainly {
            return Ok((own.len(), 0));
        }
        for blob in own {
            let json = match self.objects.blob(blob, u64::try_from(limits::ORDER_BYTES).unwrap_or(u64::MAX)) {
                Ok(json) => json,
                Err(ReadError::TooLarge { .. }) => continue,
                Err(error) => return Err(unreadable(error)),
            };
            if ClaimedOrder::parse(&json).is_ok_and(|claimed| !claimed.order().is_over(now)) {
                count += 1;
                bytes += u64::try_from(json.len()).unwrap_or(u64::MAX);
            }
        }
        Ok((count, bytes))
    }
}

/// Whether an order is needed to judge any push: whose work it stops.
pub(crate) fn is_freeze(topic: &Topic) -> bool {
    matches!(topic, Topic::Freeze(_) | Topic::Thaw(_))
}

/// What freezes are in force, as one number; `None` where none is.
pub(crate) fn digest_of_freezes(orders: &Orders) -> Option<Digest> {
    let mut digests: Vec<String> =
        orders.freezes().iter().filter(|one| one.thawed.is_none()).map(|one| one.digest.to_string()).collect();
    digests.sort_unstable();
    (!digests.is_empty()).then(|| Digest::of(digests.join("\n").as_bytes()))
}

fn claimed(objects: &Objects, id: Oid) -> Result<Result<ClaimedOrder, OrderError>, Doubt> {
    let kind = objects.kind(id).map_err(unreadable)?;
    if kind != ObjectKind::Blob {
        return Ok(Err(OrderError::Object(kind.name())));
    }
    match objects.blob(id, u64::try_from(limits::ORDER_BYTES).unwrap_or(u64::MAX)) {
        Ok(json) => Ok(ClaimedOrder::parse(&json)),
        Err(ReadError::TooLarge { .. }) => Ok(Err(OrderError::TooLarge(limits::ORDER_BYTES))),
        Err(error) => Err(unreadable(error)),
    }
}

impl<'a> FactReader<'a> {
    /// Reads what is ordered that can matter for the push: once, however often it is looked at.
    pub(super) fn read_orders(&mut self, updates: &[&RefUpdate]) -> Result<(), Doubt> {
        if self.stored_orders.is_some() {
            return Ok(());
        }
        let PushContext { objects, refs, stores, memory, now, .. } = self.context;
        let stored = StoredOrders::list(objects, refs, stores, updates.iter().copied())?;
        let moves: HashSet<Digest> =
            updates.iter().map(|update| move_digest(&update.name, update.old, update.new)).collect();
        let wanted = |topic: &Topic| is_freeze(topic) || matches!(topic, Topic::Override(of) if moves.contains(of));
        let orders = stored.in_force((self.policy, self.repository), &wanted, now)?;
        // Without a ledger nobody knows which have been spent.
        let mut spent: HashSet<Digest> = HashSet::new();
        for one in orders.overrides() {
            if !memory.remembers() || memory.landing(one.digest).map_err(Doubt::Unreadable)?.is_some() {
                spent.insert(one.digest);
            }
        }
        self.facts.orders = orders.without_spent(|digest| spent.contains(&digest));
        self.stored_orders = Some(stored);
        Ok(())
    }

    /// What an update does in the namespace of orders.
    pub(super) fn order_update(&mut self, update: &RefUpdate) -> Result<OrderUpdate, Doubt> {
        let objects = self.context.objects;
        let place = OrderPlace::parse(&update.name);
        let record: Option<Result<VerifiedOrder, OrderError>> = match update.new {
            None => None,
            Some(id) => Some(claimed(objects, id)?.and_then(ClaimedOrder::verify)),
        };
        let old = update.old.map(|id| claimed(objects, id)).transpose()?;
        let replaces = old.and_then(Result::ok).map(|old| old.order().issued.0);
        let stored = match (&self.stored_orders, &place) {
            (Some(orders), Some(place)) => orders.by_the_same(place, self.context.now)?,
            _ => (0, 0),
        };
        Ok(OrderUpdate { place, record, replaces, stored })
    }

    /// What an update brings to a ref of agents that are frozen: found once, however often it is looked at.
    pub(crate) fn frozen_work(&mut self, update: &RefUpdate, rules: &[usize]) -> Result<Vec<FrozenWork>, Doubt> {
        if let Some(known) = self.frozen.get(&update.name) {
            return Ok(known.clone());
        }
        let found = self.find_frozen(update, rules)?;
        self.frozen.insert(update.name.clone(), found.clone());
        Ok(found)
    }

    fn find_frozen(&self, update: &RefUpdate, rules: &[usize]) -> Result<Vec<FrozenWork>, Doubt> {
        let mut frozen = Vec::new();
        let Some(new) = update.new.filter(|_| self.facts.orders.freeze_anybody()) else { return Ok(frozen) };
        let objects = self.context.objects;
        self.find_frozen_tags(new, &mut frozen)?;
        let Some(tip) = peel(objects, new).map_err(unreadable)? else { return Ok(frozen) };
        let mut hidden = self.judged_before(update, rules)?;
        hidden.sort_unstable();
        hidden.dedup();
        let new = self.new_commits(tip, &hidden, usize::MAX)?;
        let ids: Vec<Oid> = new.iter().collect();
        for (turn, some) in ids.chunks(COMMITS_AT_ONCE).enumerate() {
            for (place, examined) in self.examiner.examine_all(some, Some(&new)).into_iter().enumerate() {
                let commit = examined?;
                if let Some(agent) = self.frozen_signer(&commit)? {
                    let position = turn * COMMITS_AT_ONCE + place;
                    let subject = Subject::Commit { id: commit.id, summary: commit.summary, position };
                    frozen.push(FrozenWork { agent, subject });
                }
            }
            if frozen.len() > limits::FINDINGS_OF_A_REF {
                break;
            }
        }
        Ok(frozen)
    }

    /// Where a freeze ceases to look: at the old value, at `since` and what was exempted at install, and for a ref that is new at the
    /// default branch and the refs that rules name without wildcards.
    fn judged_before(&self, update: &RefUpdate, rules: &[usize]) -> Result<Vec<Oid>, Doubt> {
        let objects = self.context.objects;
        let old = update.old.map(|old| peel(objects, old)).transpose().map_err(unreadable)?.flatten();
        let mut known: Vec<Oid> = old.into_iter().collect();
        if known.is_empty() {
            known.extend(self.near_tips(&|_| true)?.into_iter().map(|(_, commit)| commit));
        }
        for rule in rules {
            known.extend(self.read_since(self.rule(*rule)?)?);
        }
        known.extend(self.read_baseline()?);
        Ok(known)
    }

    /// The frozen agent that signed an annotated tag on the way to a commit.
    fn find_frozen_tags(&self, new: Oid, frozen: &mut Vec<FrozenWork>) -> Result<(), Doubt> {
        let objects = self.context.objects;
        let mut id = new;
        for _ in 0..=limits::TAG_DEPTH {
            if objects.kind(id).map_err(unreadable)? != ObjectKind::Tag {
                return Ok(());
            }
            let raw = objects.tag(id).map_err(unreadable)?;
            let Ok(tag) = crate::core::commit::Tag::parse(&raw, objects.format()) else { return Ok(()) };
            if let SignatureFact::Good(signature) = super::signature_fact(tag.signature.as_ref(), Some(self.policy))
                && let Some(agent) = self.frozen_holder(signature.key(), signature.digest())?
            {
                let name = tag.name.iter().take(limits::REF_BYTES + 1).copied().collect();
                frozen.push(FrozenWork { agent, subject: Subject::Tag { id, name } });
            }
            id = tag.object;
        }
        Ok(())
    }

    /// The frozen agent that sealed or signed a commit which was not seen before its freeze.
    fn frozen_signer(&self, commit: &CommitFacts) -> Result<Option<Id>, Doubt> {
        for seal in commit.seals.iter().flatten() {
            if let SealOutcome::Holds(seal) = &seal.outcome
                && let Some(agent) = self.frozen_holder(seal.signer(), seal.digest())?
            {
                return Ok(Some(agent));
            }
        }
        match &commit.signature {
            SignatureFact::Good(signature) => self.frozen_holder(signature.key(), signature.digest()),
            _ => Ok(None),
        }
    }

    fn frozen_holder(&self, key: SigningKey<'_>, digest: Digest) -> Result<Option<Id>, Doubt> {
        let holder = self.policy.by_signer(key).filter(|one| one.kind == PrincipalKind::Agent);
        // What a sub-agent does under a grant, the agents that issued it do through it.
        let above = match key {
            SigningKey::Certified(certificate) => grant::agents_above(self.policy, certificate),
            SigningKey::Ssh(_) | SigningKey::OpenPgp(_) => Vec::new(),
        };
        let frozen = |agent: &&Principal| self.facts.orders.freeze_of(agent).is_some();
        let Some(agent) = holder.into_iter().chain(above).find(frozen) else { return Ok(None) };
        let sighted = self.context.memory.receipt(digest).map_err(Doubt::Unreadable)?;
        Ok(self.facts.orders.stops(agent, sighted).map(|_| agent.id.clone()))
    }
}
