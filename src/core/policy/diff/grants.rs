//! What two policies say of grants: authorities, what bounds them, exchanges, and what is revoked.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::{Comparison, Direction};
use crate::core::grant::Scope;
use crate::core::policy::{Exchange, Issuer, Policy, Span};

impl Comparison<'_> {
    /// Compares what is said of grants outside the agents.
    pub(super) fn grants(&mut self) {
        let (old, new) = (self.old, self.new);
        let named = |policy: &'_ Policy| policy.grants.issuers.clone();
        self.issuers(&named(old), &named(new));
        let named = |policy: &'_ Policy| policy.grants.exchanges.clone();
        self.exchanges(&named(old), &named(new));
        let name = |(agent, serial): &(crate::core::id::Id, u64)| format!("the grant {agent}:{serial}");
        let lines = |policy: &Policy| -> BTreeSet<String> {
            let lists = policy.grants.lists.iter().flat_map(crate::core::ssh::Krl::lines);
            policy.grants.revoked.iter().map(name).chain(lists).collect()
        };
        let (before, after) = (lines(old), lines(new));
        for line in before.difference(&after) {
            self.add(Direction::Weaker, "revoked", format!("{line} is no longer revoked"));
        }
        for line in after.difference(&before) {
            self.add(Direction::Stricter, "revoked", format!("{line} is revoked"));
        }
    }

    fn issuers<K: Ord>(&mut self, old: &BTreeMap<K, Issuer>, new: &BTreeMap<K, Issuer>) {
        for (id, issuer) in new.iter().filter(|(id, _)| !old.contains_key(id)) {
            let _ = id;
            let message = format!("it is new, with the key {}", issuer.key.fingerprint());
            self.add(Direction::Weaker, about("issuer", &issuer.name), message);
        }
        for (id, before) in old {
            // What agents list it is compared with them; where it stands says nothing.
            let Issuer { name, key, identity, scope, at: _, layer: _ } = before;
            let name = about("issuer", name);
            let Some(after) = new.get(id) else {
                self.add(Direction::Stricter, name, "it is gone");
                continue;
            };
            if *key != after.key {
                let message = format!("key {} -> {}", key.fingerprint(), after.key.fingerprint());
                self.add(Direction::Weaker, name.clone(), message);
            }
            if *identity != after.identity {
                let message = format!("identity \"{identity}\" -> \"{}\"", after.identity);
                self.add(Direction::Weaker, name.clone(), message);
            }
            self.scopes(name, scope.as_ref(), after.scope.as_ref());
        }
    }

    fn exchanges<K: Ord>(&mut self, old: &BTreeMap<K, Exchange>, new: &BTreeMap<K, Exchange>) {
        for exchange in new.iter().filter(|(id, _)| !old.contains_key(id)).map(|(_, exchange)| exchange) {
            let message = format!("it is new, for agent {}", exchange.agent);
            self.add(Direction::Weaker, about("exchange", &exchange.name), message);
        }
        for (id, before) in old {
            let Exchange { name, issuer, audience, jwks, claims, agent, max_grant, scope, at: _, layer: _ } = before;
            let name = about("exchange", name);
            let Some(after) = new.get(id) else {
                self.add(Direction::Stricter, name, "it is gone");
                continue;
            };
            for (key, old, new) in [
                ("issuer", issuer, &after.issuer),
                ("audience", audience, &after.audience),
                ("agent", &agent.to_string(), &after.agent.to_string()),
            ] {
                if old != new {
                    self.add(Direction::Weaker, name.clone(), format!("{key} \"{old}\" -> \"{new}\""));
                }
            }
            if *jwks != after.jwks {
                self.add(Direction::Weaker, name.clone(), "the keys that sign its tokens are others");
            }
            for (claim, text) in claims {
                match after.claims.get(claim) {
                    None => self.add(Direction::Weaker, name.clone(), format!("the claim {claim} is no longer asked")),
                    Some(other) if other != text => {
                        let message = format!("the claim {claim} \"{text}\" -> \"{other}\"");
                        self.add(Direction::Weaker, name.clone(), message);
                    }
                    Some(_) => {}
                }
            }
            for claim in after.claims.keys().filter(|claim| !claims.contains_key(*claim)) {
                self.add(Direction::Stricter, name.clone(), format!("the claim {claim} is asked"));
            }
            if *max_grant != after.max_grant {
                let text = |span: Option<Span>| span.map_or("the agent's".to_owned(), |span| span.to_string());
                let limit = |span: Option<Span>| Reverse(span.map_or(i64::MAX, |span| span.seconds));
                let message = format!("max-grant {} -> {}", text(*max_grant), text(after.max_grant));
                self.add(Direction::between(&limit(*max_grant), &limit(after.max_grant)), name.clone(), message);
            }
            self.scopes(name, scope.as_ref(), after.scope.as_ref());
        }
    }

    fn scopes(&mut self, about: String, old: Option<&Scope>, new: Option<&Scope>) {
        if old == new {
            return;
        }
        // Without one, a certificate says itself what it is for.
        let unlimited = Scope::default();
        let (before, after) = (old.unwrap_or(&unlimited), new.unwrap_or(&unlimited));
        let direction = match (bounds(after, before), bounds(before, after)) {
            (true, false) => Direction::Stricter,
            _ => Direction::Weaker,
        };
        let text = |scope: Option<&Scope>| scope.map_or("none".to_owned(), Scope::to_json);
        self.add(direction, about, format!("scope {} -> {}", text(old), text(new)));
    }
}

/// Whether one scope, as a bound, lets nothing pass that another does not.
fn bounds(own: &Scope, other: &Scope) -> bool {
    let deep = |scope: &Scope| scope.delegate.unwrap_or(u64::MAX);
    own.within(other).is_ok() && deep(own) <= deep(other)
}

fn about(kind: &str, name: &crate::core::id::Id) -> String {
    format!("{kind} \"{name}\"")
}
