//! Where a push takes work under grants: looked at only where a policy lets any be issued, and where who pushes is an agent or unknown.

use super::approvals::Ends;
use super::{COMMITS_AT_ONCE, FactReader};
use crate::core::canonical::RefName;
use crate::core::decide::{commit_limits, submitting_principal};
use crate::core::facts::{Doubt, Update};
use crate::core::grant::Grant;
use crate::core::limits;
use crate::core::oid::Oid;
use crate::core::policy::PrincipalKind;
use crate::core::signature::SigningKey;
use crate::core::ssh::VerifiedCertificate;
use crate::core::submitter::Submitter;

impl FactReader<'_> {
    /// Keeps the commits under grants that an update adds to its ref: beyond the old value, or where there is none, beyond the default
    /// branch and the refs that rules name without wildcards. Never beyond all refs: what an agent had received where its grant
    /// reaches, it could take anywhere.
    pub(super) fn follow_grants(&mut self, facts: &mut Update, ends: Ends) -> Result<(), Doubt> {
        if !self.policy.grants() || !self.may_be_bound() {
            return Ok(());
        }
        let hidden = match ends.old {
            Some(old) => vec![old],
            None => self.near_tips(&|_| true)?.into_iter().map(|(_, tip)| tip).collect(),
        };
        let new = self.new_commits(ends.tip, &hidden, usize::MAX)?;
        let ids: Vec<Oid> = new.iter().collect();
        for some in ids.chunks(COMMITS_AT_ONCE) {
            let strange: Vec<Oid> = some.iter().filter(|id| !self.facts.commits.contains_key(id)).copied().collect();
            self.examine_each(some.iter().copied(), Some(&new))?;
            let granted: Vec<Oid> = some.iter().filter(|id| self.is_under_grant(**id)).copied().collect();
            self.forget(strange.into_iter().filter(|id| !granted.contains(id)));
            facts.granted.extend(granted);
            if facts.granted.len() > limits::COMMITS {
                let reason = format!("it moves more than {} commits that were made under grants", limits::COMMITS);
                return Err(Doubt::Limit(reason));
            }
        }
        Ok(())
    }

    /// Keeps what was received under certificates that are for so many commits.
    pub(super) fn look_up_uses(&mut self, certificate: &VerifiedCertificate) -> Result<(), Doubt> {
        if !self.policy.is_granted(certificate) {
            return Ok(());
        }
        let Ok(grant) = Grant::of(certificate) else { return Ok(()) };
        for limit in commit_limits(self.policy, &grant) {
            if self.facts.uses.contains_key(&limit.certificate) {
                continue;
            }
            let moves = |name: &RefName| self.moved.contains(&name.0);
            let uses = self.context.memory.uses(limit.certificate, &moves).map_err(Doubt::Unreadable)?;
            self.facts.uses.extend(uses.map(|uses| (limit.certificate, uses)));
        }
        Ok(())
    }

    /// Whether a grant could bind where this push goes: who pushes is an agent, or nobody knows who.
    fn may_be_bound(&self) -> bool {
        match &self.facts.submitter {
            Submitter::Unasked | Submitter::Unnamed | Submitter::Unknown(_) => true,
            Submitter::Said(said) => submitting_principal(self.policy, &said.who, self.context.now)
                .map_or(true, |principal| principal.kind == PrincipalKind::Agent),
        }
    }

    /// Whether a commit was made under a grant that is for so many.
    pub(super) fn is_counted(&self, id: Oid) -> bool {
        let limited = |(key, _)| match key {
            SigningKey::Certified(certificate) if self.policy.is_granted(certificate) => {
                Grant::of(certificate).is_ok_and(|grant| !commit_limits(self.policy, &grant).is_empty())
            }
            SigningKey::Certified(_) | SigningKey::Ssh(_) | SigningKey::OpenPgp(_) => false,
        };
        self.facts.commits.get(&id).is_some_and(|commit| commit.received().any(limited))
    }

    fn is_under_grant(&self, id: Oid) -> bool {
        let certified =
            |(key, _)| matches!(key, SigningKey::Certified(certificate) if self.policy.is_granted(certificate));
        self.facts.commits.get(&id).is_some_and(|commit| commit.received().any(certified))
    }
}
