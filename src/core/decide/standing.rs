//! Who stands behind a commit: whom its approval cannot come from. Asked by the gate of what was signed, and by `approve` before
//! anybody signs.

use std::collections::BTreeSet;

use crate::core::commit::Address;
use crate::core::facts::{CommitFacts, SignatureFact};
use crate::core::grant;
use crate::core::id::Id;
use crate::core::policy::{Approvals, Policy, Principal, PrincipalKind, Rule};
use crate::core::signature::SigningKey;
use crate::core::ssh::PublicKey;

/// What an approval would be signed with.
#[derive(Clone, Copy, Debug)]
pub enum ApprovedBy<'a> {
    /// A key of the person's.
    Key(&'a PublicKey),
    /// A key of a service, which says that the person approved.
    Word(&'a str),
}

/// A policy, and the rule of it that asks.
#[derive(Clone, Copy)]
pub struct Standing<'a> {
    /// The policy.
    pub policy: &'a Policy,
    /// The rule, which knows only those registered at its layer or below.
    pub rule: &'a Rule,
}

impl<'a> Standing<'a> {
    /// Why no approval by this person, signed so, counts for a commit under what the rule asks, whatever else holds: words that
    /// follow the person's name. Who pushes is known only at the push.
    pub fn excludes(self, person: &Id, by: ApprovedBy<'_>, asks: &Approvals, commit: &CommitFacts) -> Option<String> {
        if !asks.from.contains(person) {
            return Some("is not one of those whose approval the rule asks for".to_owned());
        }
        match by {
            ApprovedBy::Key(key) if !asks.can_sign(key) => {
                return Some("has to sign with a hardware key (sk-)".to_owned());
            }
            ApprovedBy::Word(_) if asks.asks_for_a_touch() => {
                return Some("has to touch a hardware key (sk-), which nobody does in a forge".to_owned());
            }
            ApprovedBy::Word(service) if !asks.attested.iter().any(|one| one.as_str() == service) => {
                return Some(format!("approved at the word of {service}, which the rule does not take"));
            }
            ApprovedBy::Key(_) | ApprovedBy::Word(_) => {}
        }
        if self.makers(commit).contains(person) {
            return Some(format!("made {}", commit.id.short()));
        }
        let behind = self.behind(commit, person).filter(|_| asks.independent);
        behind.map(|how| format!("{how}, and the rule asks for somebody independent"))
    }

    /// The persons who made a commit: who signed it and whom its author field names, unless an agent sealed it.
    pub(super) fn makers(self, commit: &CommitFacts) -> BTreeSet<Id> {
        if commit.seals.as_ref().is_ok_and(|seals| !seals.is_empty())
            || self.signer(commit, PrincipalKind::Agent).is_some()
        {
            return BTreeSet::new();
        }
        let signer = self.signer(commit, PrincipalKind::Person).map(|signer| signer.id.clone());
        self.named(&commit.author).into_iter().chain(signer).collect()
    }

    /// The persons with this email address.
    fn named(self, email: &Address) -> BTreeSet<Id> {
        let has = |own: &String| email.is(own);
        let people = self.policy.principals().filter(|one| one.kind == PrincipalKind::Person);
        people.filter(|one| one.emails.iter().any(has)).map(|one| one.id.clone()).collect()
    }

    /// How a person stands behind a commit already.
    pub(super) fn behind(self, commit: &CommitFacts, person: &Id) -> Option<String> {
        let sealed = commit.seals.iter().flatten().map(|seal| &seal.agent);
        let signer = self.signer(commit, PrincipalKind::Agent).or_else(|| self.service(commit));
        let agents = sealed.chain(&commit.drafted).chain(signer.map(|signer| &signer.id));
        let owns = |agent: &&Id| {
            let owner = self.policy.principal(agent).and_then(|agent| agent.owner.as_ref());
            owner == Some(person)
        };
        if let Some(agent) = agents.into_iter().find(owns) {
            return Some(format!("owns {agent}"));
        }
        let certificates = commit.received().filter_map(|(key, _)| match key {
            SigningKey::Certified(certificate) if self.policy.is_granted(certificate) => Some(certificate),
            SigningKey::Certified(_) | SigningKey::Ssh(_) | SigningKey::OpenPgp(_) => None,
        });
        if let Some(how) = { certificates }.find_map(|one| grant::stands_behind(self.policy, one, person)) {
            return Some(how);
        }
        if self.named(&commit.author).contains(person) {
            return Some("is its author".to_owned());
        }
        if self.named(&commit.committer).contains(person) {
            return Some("is its committer".to_owned());
        }
        let signed = self.signer(commit, PrincipalKind::Person).is_some_and(|signer| signer.id == *person);
        signed.then(|| "signed it".to_owned())
    }

    /// The service that the rule knows as the maker of a commit: it signed the commit, or needs no signature.
    pub(super) fn service(self, commit: &CommitFacts) -> Option<&'a Principal> {
        commit.service(self.policy).filter(|one| self.policy.registers(self.rule, one))
    }

    /// Who of this kind signed a commit as a whole.
    pub(super) fn signer(self, commit: &CommitFacts, kind: PrincipalKind) -> Option<&'a Principal> {
        let SignatureFact::Good(signature) = &commit.signature else { return None };
        self.policy.by_signer(signature.key()).filter(|one| one.kind == kind && self.policy.registers(self.rule, one))
    }
}
