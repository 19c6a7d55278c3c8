//! The policy: raw TOML with places, then a valid policy with every reference resolved. POLICY.md is its reference.

mod date;
mod describe;
mod glob;
mod load;
mod principals;
mod problem;
mod reader;
mod rules;
mod starter;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub use date::Date;
pub use glob::{Case, Glob, GlobError};
pub use load::{Include, Loaded, Source, check_self_protection, load};
pub use principals::{Kind, Principal, Standing};
pub use problem::{Location, Problem, Weight};
pub use rules::{AgentsAllowed, Identity, Marks, Mode, Permission, Rule, Since};
pub use starter::starter;

use crate::digest::Digest;
use crate::id::{Id, RepositoryName};
use crate::ssh::{Fingerprint, PublicKey};

/// What happens to refs that no rule matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmatched {
    /// They are accepted.
    Allow,
    /// They are refused.
    Refuse,
}

/// One or several policies that hold together. Only [`load`] makes one.
#[derive(Clone, Debug)]
pub struct Policy {
    digest: Digest,
    repository: Option<RepositoryName>,
    unmatched: Unmatched,
    rules: Vec<Rule>,
    principals: BTreeMap<Id, Principal>,
    keys: BTreeMap<PublicKey, Id>,
    revoked: BTreeSet<Fingerprint>,
    retired: BTreeMap<Fingerprint, Date>,
}

impl Policy {
    /// The digest of everything the policy was read from: what pins it.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The name that seals are bound to, where the policy says it.
    pub fn repository(&self) -> Option<&RepositoryName> {
        self.repository.as_ref()
    }

    /// What happens to refs that no rule matches.
    pub fn unmatched(&self) -> Unmatched {
        self.unmatched
    }

    /// All rules, in the order of the files.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The principal of this id.
    pub fn principal(&self, id: &Id) -> Option<&Principal> {
        self.principals.get(id)
    }

    /// All principals.
    pub fn principals(&self) -> impl Iterator<Item = &Principal> {
        self.principals.values()
    }

    /// The one principal that has this key.
    pub fn by_key(&self, key: &PublicKey) -> Option<&Principal> {
        self.principals.get(self.keys.get(key)?)
    }

    /// Whether the key may still be used.
    pub fn key_standing(&self, key: &PublicKey) -> Standing {
        let fingerprint = key.fingerprint();
        match self.retired.get(&fingerprint) {
            _ if self.revoked.contains(&fingerprint) => Standing::Revoked,
            Some(date) => Standing::Retired { from: *date },
            None => Standing::Good,
        }
    }

    /// Whether a rule knows a principal. A policy given later adds principals for its own rules, never for those of one
    /// given before it.
    pub fn registers(&self, rule: &Rule, principal: &Principal) -> bool {
        principal.layer <= rule.layer
    }

    /// The registered agent that a mark of `tool` most likely is: the one of that id, or the first of that tool.
    pub fn agent_for_tool(&self, tool: &str) -> Option<&Principal> {
        let agents = || self.principals.values().filter(|principal| principal.kind == Kind::Agent);
        let named = agents().find(|agent| agent.id.as_str() == tool);
        named.or_else(|| agents().find(|agent| agent.tool.as_ref().is_some_and(|own| own.as_str() == tool)))
    }

    /// A rule that governs a ref whose name equals this one but for case, where it does not govern this one.
    pub fn case_alias(&self, name: &[u8]) -> Option<&Rule> {
        let governs =
            |rule: &&Rule| rule.mode == Mode::Enforce && !rule.matches_ref(name) && rule.matches_ref_folded(name);
        self.rules.iter().find(governs)
    }
}
