//! Who acts in a rehearsal, each with a key that everybody can make.

use std::collections::BTreeMap;

use crate::core::digest::Digest;
use crate::core::id::Id;
use crate::core::policy::{Policy, Principal, PrincipalKind};
use crate::core::ssh::{PrivateKey, PublicKey, SoftwareToken};
use crate::system::{Failure, Result};

/// The principals of a policy.
pub(super) struct Cast(BTreeMap<Id, Role>);

/// One of them.
pub(super) struct Role {
    pub(super) kind: PrincipalKind,
    /// The ident of what it writes, without a time.
    pub(super) ident: String,
    seed: [u8; 32],
    key: Key,
}

enum Key {
    File(PrivateKey),
    Token(SoftwareToken),
}

impl Cast {
    pub(super) fn of(policy: &Policy) -> Result<Self> {
        let mut roles = BTreeMap::new();
        for principal in policy.principals() {
            let seed = *Digest::of(format!("countersign policy test {}", principal.id).as_bytes()).as_bytes();
            let key = if signs_with_tokens(principal) {
                Key::Token(SoftwareToken::from_seed(&seed).map_err(Failure::new)?)
            } else {
                Key::File(PrivateKey::from_seed(&seed).map_err(Failure::new)?)
            };
            roles.insert(
                principal.id.clone(),
                Role { kind: principal.kind, ident: ident(policy, principal), seed, key },
            );
        }
        Ok(Self(roles))
    }

    /// The key of each.
    pub(super) fn keys(&self) -> impl Iterator<Item = (Id, PublicKey)> {
        self.0.iter().map(|(id, role)| (id.clone(), role.public().clone()))
    }

    pub(super) fn role(&self, id: &Id) -> Result<&Role> {
        self.0.get(id).ok_or_else(|| Failure::new(format!("the policy registers no {id}")))
    }
}

impl Role {
    pub(super) fn public(&self) -> &PublicKey {
        match &self.key {
            Key::File(key) => key.public(),
            Key::Token(token) => token.public(),
        }
    }

    /// What an agent seals with.
    pub(super) fn sealing_key(&self) -> Result<PrivateKey> {
        PrivateKey::from_seed(&self.seed).map_err(Failure::new)
    }

    pub(super) fn sign(&self, namespace: &str, message: &[u8]) -> Vec<u8> {
        match &self.key {
            Key::File(key) => key.sign(namespace, message),
            Key::Token(token) => token.sign(namespace, message),
        }
    }
}

/// Whether all its keys are in tokens: only then is a touch to be had from it. Agents have nobody to touch one.
fn signs_with_tokens(principal: &Principal) -> bool {
    principal.kind != PrincipalKind::Agent
        && !principal.keys.is_empty()
        && principal.keys.iter().all(|key| key.algorithm().is_security_key())
}

/// Agents write in the name of whoever runs them.
fn ident(policy: &Policy, principal: &Principal) -> String {
    let writer = match principal.kind {
        PrincipalKind::Agent => principal.owner.as_ref().and_then(|owner| policy.principal(owner)).unwrap_or(principal),
        PrincipalKind::Person | PrincipalKind::Service => principal,
    };
    let email = writer.emails.first().cloned().unwrap_or_else(|| format!("{}@rehearsal.invalid", writer.id));
    format!("{} <{email}>", writer.id)
}
