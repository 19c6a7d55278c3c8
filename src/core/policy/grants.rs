//! What a policy says of grants: who issues for which agents, what an authority's certificates are for, which are revoked, and whose
//! tokens are exchanged for them.

use std::collections::{BTreeMap, BTreeSet};

use base64ct::{Base64, Encoding as _};

use super::approvals::Span;
use super::certificates::Origin;
use super::glob::Glob;
use super::load::is_beside;
use super::principals::{PrincipalKind, Registry, id};
use super::problem::Location;
use super::reader::{Located, Problems, Table};
use super::{Policy, Principal};
use crate::core::grant::Scope;
use crate::core::id::Id;
use crate::core::ssh::{Krl, PublicKey, VerifiedCertificate};

/// The longest window of a grant where an agent says nothing else.
pub(super) const MAX_GRANT: Span = Span { seconds: 8 * 3600 };

/// What a certificate for an agent must be signed with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Issuing {
    /// Any key of an issuer.
    #[default]
    Any,
    /// A FIDO key that somebody touched.
    Presence,
}

/// Words for it.
pub(super) const ISSUING: &[(&str, Issuing)] = &[("any", Issuing::Any), ("presence", Issuing::Presence)];

/// Where an authority's certificates name the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgentField {
    /// In the key id.
    KeyId,
    /// As the one principal that is a registered agent.
    Principal,
    /// As the text of an extension.
    Extension(String),
}

impl AgentField {
    fn parse(text: &str) -> Option<Self> {
        match text.split_once(':') {
            None if text == "key-id" => Some(Self::KeyId),
            None if text == "principal" => Some(Self::Principal),
            Some(("extension", name)) if !name.is_empty() => Some(Self::Extension(name.to_owned())),
            _ => None,
        }
    }
}

impl std::fmt::Display for AgentField {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::KeyId => out.write_str("key-id"),
            Self::Principal => out.write_str("principal"),
            Self::Extension(name) => write!(out, "extension:{name}"),
        }
    }
}

/// An authority that issues certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// What agents list it as.
    pub name: Id,
    /// The key that it signs with.
    pub key: PublicKey,
    /// Where its certificates name the agent.
    pub identity: AgentField,
    /// What bounds every certificate of it.
    pub scope: Option<Scope>,
    /// Where it stands.
    pub at: Location,
    /// Which of the policies given together declares it.
    pub layer: usize,
}

/// Tokens of a workload's identity that are exchanged for grants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// Its name.
    pub name: Id,
    /// Who makes the tokens: `iss`.
    pub issuer: String,
    /// Whom they are for: one of `aud`.
    pub audience: String,
    /// The keys that sign them, a JSON Web Key Set.
    pub jwks: String,
    /// What further claims must be, as patterns.
    pub claims: BTreeMap<String, String>,
    /// The agent that the grants are of.
    pub agent: Id,
    /// Their longest window; the agent's where it is `None`.
    pub max_grant: Option<Span>,
    /// What bounds them.
    pub scope: Option<Scope>,
    /// Where it stands.
    pub at: Location,
    /// Which of the policies given together declares it.
    pub layer: usize,
}

/// What all sources say of grants.
#[derive(Clone, Debug, Default)]
pub(super) struct Grants {
    pub(super) issuers: BTreeMap<Id, Issuer>,
    pub(super) exchanges: BTreeMap<Id, Exchange>,
    pub(super) revoked: BTreeSet<(Id, u64)>,
    pub(super) lists: Vec<Krl>,
}

impl Grants {
    pub(super) fn read(&mut self, top: &mut Table<'_>, origin: Origin<'_>, problems: &mut Problems) {
        for (name, table) in top.tables("issuers", problems) {
            self.issuer(&name, table, origin.layer, problems);
        }
        for (name, table) in top.tables("exchanges", problems) {
            self.exchange(&name, table, origin, problems);
        }
    }

    fn issuer(&mut self, name: &Located<&str>, mut table: Table<'_>, layer: usize, problems: &mut Problems) {
        let key = table.string("key", problems);
        if key.is_none() && !table.has("key") {
            let message = format!("issuer `{}` has no key", name.value);
            problems.error(&name.at, message, "add key = \"...\", the one line of its .pub file");
        }
        let key = key.and_then(|line| match PublicKey::parse_line(line.value) {
            Ok((key, _)) => Some(key),
            Err(error) => {
                let message = format!("the key of issuer `{}` cannot be used: {error}", name.value);
                problems.error(&line.at, message, "paste the one line of its .pub file");
                None
            }
        });
        let identity = table.string("identity", problems).map_or(Some(AgentField::KeyId), |word| {
            let field = AgentField::parse(word.value);
            if field.is_none() {
                let message = format!("`identity` cannot be \"{}\"", word.value);
                problems.error(&word.at, message, "write \"key-id\", \"principal\" or \"extension:NAME\"");
            }
            field
        });
        let scope = table.table("scope", problems).and_then(|table| scope(table, problems));
        let known = id(name, problems);
        table.finish(problems);
        let (Some(name_id), Some(key), Some(identity)) = (known, key, identity) else { return };
        let same_key = self.issuers.values().find(|other| other.key == key && other.name != name_id);
        if let Some(other) = same_key {
            let message = format!("issuers `{}` and `{name_id}` have one key", other.name);
            problems.error(&name.at, message, "declare a key once, and list that issuer");
        }
        let issuer = Issuer { name: name_id.clone(), key, identity, scope, at: name.at.clone(), layer };
        if let Some(other) = self.issuers.insert(name_id, issuer) {
            let message =
                format!("issuer `{}` is declared already, at {}:{}", other.name, other.at.file, other.at.line);
            problems.error(&name.at, message, "give every issuer its own name");
        }
    }

    fn exchange(&mut self, name: &Located<&str>, mut table: Table<'_>, origin: Origin<'_>, problems: &mut Problems) {
        let at = name.at.clone();
        let asked = |key: &'static str, fix: &str, table: &mut Table<'_>, problems: &mut Problems| {
            let text = table.string(key, problems).map(|text| text.value.to_owned()).filter(|text| !text.is_empty());
            if text.is_none() {
                problems.error(&at, format!("exchange `{}` says no `{key}`", name.value), fix);
            }
            text
        };
        let issuer = asked("issuer", "add issuer = \"https://...\", the tokens' iss", &mut table, problems);
        let audience =
            asked("audience", "add audience = \"...\", which the tokens' aud must hold", &mut table, problems);
        let path = asked("jwks", "add jwks = \"FILE\", the issuer's keys beside this file", &mut table, problems);
        let agent = asked("agent", "add agent = \"...\", the agent that the workload is", &mut table, problems);
        let jwks = path.as_deref().filter(|path| is_beside(path)).and_then(|path| {
            let text = origin.texts.get(&(origin.file, path)).copied()?;
            if is_key_set(text) {
                return Some(text.to_owned());
            }
            let message = format!("\"{path}\" is no JSON Web Key Set: an object with a list `keys`");
            problems.error(&at, message, "fetch it from the jwks_uri of the issuer's discovery document");
            None
        });
        let mut claims = BTreeMap::new();
        if let Some(mut own) = table.table("claims", problems) {
            for (claim, text) in own.all_strings(problems) {
                if Glob::parse(text.value).is_err() {
                    problems.error(&text.at, format!("\"{}\" is no pattern", text.value), "use plain text, * and **");
                }
                claims.insert(claim.value.to_owned(), text.value.to_owned());
            }
        }
        if claims.is_empty() {
            let message = format!(
                "exchange `{}` asks for no claims: every workload of its issuer would be its agent",
                name.value
            );
            problems.error(&name.at, message, "add [exchanges.NAME.claims], such as repository = \"acme/payments\"");
        }
        let max_grant = span("max-grant", &mut table, problems);
        let scope = table.table("scope", problems).and_then(|table| scope(table, problems));
        let known = id(name, problems);
        table.finish(problems);
        let agent = agent.and_then(|agent| id(&Located { value: agent.as_str(), at: name.at.clone() }, problems));
        let (Some(name_id), Some(issuer), Some(audience), Some(jwks), Some(agent)) =
            (known, issuer, audience, jwks, agent)
        else {
            return;
        };
        let exchange = Exchange {
            name: name_id.clone(),
            issuer,
            audience,
            jwks,
            claims,
            agent,
            max_grant,
            scope,
            at: name.at.clone(),
            layer: origin.layer,
        };
        if let Some(other) = self.exchanges.insert(name_id, exchange) {
            let message =
                format!("exchange `{}` is declared already, at {}:{}", other.name, other.at.file, other.at.line);
            problems.error(&name.at, message, "give every exchange its own name");
        }
    }

    /// Reads what `[revoked]` says of grants.
    pub(super) fn revocations(&mut self, table: &mut Table<'_>, origin: Origin<'_>, problems: &mut Problems) {
        for entry in table.strings("grants", problems) {
            let parts = entry.value.rsplit_once(':');
            let named = parts.and_then(|(agent, serial)| {
                let number: u64 = serial.parse().ok().filter(|number| *number > 0)?;
                (number.to_string() == serial).then_some((Id::parse(agent.as_bytes())?, number))
            });
            if named.is_none() {
                let message = format!("\"{}\" is not the name of a grant", entry.value);
                problems.error(&entry.at, message, "write \"AGENT:SERIAL\", as countersign grant list prints it");
            }
            self.revoked.extend(named);
        }
        let Some(path) = table.string("krl", problems) else { return };
        if !is_beside(path.value) {
            let message = format!("\"{}\" is not a path beside this file", path.value);
            return problems.error(&path.at, message, "give a relative path without ..");
        }
        // Why the file cannot be read is said where it was to be.
        let Some(text) = origin.texts.get(&(origin.file, path.value)) else { return };
        let bytes = Base64::decode_vec(text.trim()).unwrap_or_default();
        match Krl::parse(&bytes) {
            Ok(list) => self.lists.push(list),
            Err(error) => {
                let message = format!("the revocation list {} cannot be used: {error}", path.value);
                problems.error(&path.at, message, "make it with:\nssh-keygen -k -f FILE -s CA.pub SPECIFICATION");
            }
        }
    }

    /// Checks what only holds once everything is read.
    pub(super) fn check(&self, registry: &Registry, problems: &mut Problems) {
        for issuer in self.issuers.values() {
            let name = &issuer.name;
            if registry.principals.contains_key(name) || registry.groups.contains_key(name) {
                let message = format!("`{name}` is both an issuer and a principal or group");
                problems.error(&issuer.at, message, "rename the issuer");
            }
            if let Some(other) = registry.keys.get(&issuer.key) {
                let message = format!("the key of issuer `{name}` is one of `{other}`");
                problems.error(&issuer.at, message, format!("list `{other}` itself among the issuers of its agents"));
            }
        }
        for exchange in self.exchanges.values() {
            let agent = registry.principals.get(&exchange.agent);
            let knows = agent.is_some_and(|one| one.kind == PrincipalKind::Agent && one.layer <= exchange.layer);
            if !knows {
                let message =
                    format!("the agent of exchange `{}` is `{}`, which is none", exchange.name, exchange.agent);
                problems.error(&exchange.at, message, format!("add [agents.{}]", exchange.agent));
            }
        }
    }
}

/// The files that a policy file names for revocation lists and token keys, each once with its place.
pub(super) fn named(top: &mut Table<'_>) -> Vec<(String, Location)> {
    let mut ignored = Problems::default();
    let krl = top.table("revoked", &mut ignored).and_then(|mut table| table.string("krl", &mut ignored));
    let mut named: Vec<Located<&str>> = krl.into_iter().collect();
    for (_, mut table) in top.tables("exchanges", &mut ignored) {
        let path = table.string("jwks", &mut ignored);
        named.extend(path.filter(|path| named.iter().all(|other| other.value != path.value)));
    }
    named.into_iter().filter(|path| is_beside(path.value)).map(|path| (path.value.to_owned(), path.at)).collect()
}

/// A length of time.
pub(super) fn span(key: &'static str, table: &mut Table<'_>, problems: &mut Problems) -> Option<Span> {
    let text = table.string(key, problems)?;
    let span = Span::parse(text.value);
    if span.is_none() {
        let message = format!("`{key}` is not a length of time");
        problems.error(&text.at, message, format!("write {key} = \"8h\": a number of m, h, d or w"));
    }
    span
}

/// Reads the table of a scope.
fn scope(mut table: Table<'_>, problems: &mut Problems) -> Option<Scope> {
    let at = table.at.clone();
    let mut sound = true;
    let mut globs = |key: &'static str, table: &mut Table<'_>, problems: &mut Problems| {
        if !table.has(key) {
            return None;
        }
        let entries = table.strings(key, problems);
        if entries.is_empty() {
            problems.error(
                &at,
                format!("`{key}` of the scope is empty, so it is for nothing"),
                "leave it out, or name some",
            );
            sound = false;
        }
        let mut globs = Vec::with_capacity(entries.len());
        for entry in entries {
            match Glob::parse(entry.value) {
                Ok(glob) => globs.push(glob),
                Err(error) => {
                    problems.error(&entry.at, format!("\"{}\": {error}", entry.value), "use plain names, * and **");
                    sound = false;
                }
            }
        }
        Some(globs)
    };
    let repositories = globs("repositories", &mut table, problems);
    let refs = globs("refs", &mut table, problems);
    let paths = globs("paths", &mut table, problems);
    let mut text = |key| table.string(key, problems).map(|text| text.value.to_owned());
    let (task, environment) = (text("task"), text("environment"));
    let mut number = |key| {
        let number = table.integer(key, problems)?;
        Some(u64::try_from(number.value).unwrap_or(0))
    };
    let (commits, delegate) = (number("commits"), number("delegate"));
    let scope = Scope { repositories, task, environment, refs, paths, commits, delegate };
    if sound && let Err(error) = scope.validate() {
        problems.error(&at, error.to_string(), "see `The grant` in POLICY.md");
        sound = false;
    }
    table.finish(problems);
    sound.then_some(scope)
}

/// Whether a text is a JSON Web Key Set, as far as anything is asked of it here (RFC 7517 section 5).
fn is_key_set(text: &str) -> bool {
    let json: Result<serde_json::Value, _> = serde_json::from_str(text);
    json.is_ok_and(|json| json.get("keys").is_some_and(|keys| keys.as_array().is_some_and(|keys| !keys.is_empty())))
}

impl Registry {
    /// Resolves whom agents list as issuers.
    pub(super) fn resolve_issuers(&mut self, grants: &Grants, problems: &mut Problems) {
        let listed = std::mem::take(&mut self.issuers);
        for (agent, entries) in listed {
            let Some(layer) = self.principals.get(&agent).map(|agent| agent.layer) else { continue };
            let mut issuers = BTreeSet::new();
            for entry in entries {
                let found = self.issuers_named(&entry.value, layer, grants);
                if found.is_empty() || found.contains(&agent) {
                    let message = format!("`{}`, among the issuers of `{agent}`, cannot issue for it", entry.value);
                    let fix = "list people, groups of them, other agents, or names of [issuers]";
                    problems.error(&entry.at, message, fix);
                }
                issuers.extend(found);
            }
            if let Some(agent) = self.principals.get_mut(&agent) {
                agent.issuers = issuers;
            }
        }
    }

    fn issuers_named(&self, wanted: &Id, layer: usize, grants: &Grants) -> BTreeSet<Id> {
        let knows = |one: &&Principal| one.layer <= layer && one.kind != PrincipalKind::Service;
        if let Some(group) = self.groups.get(wanted).filter(|group| group.layer <= layer) {
            let members = group.members.iter().filter_map(|member| self.principals.get(&member.value));
            return members
                .filter(knows)
                .filter(|one| one.kind == PrincipalKind::Person)
                .map(|one| one.id.clone())
                .collect();
        }
        let principal = self.principals.get(wanted).filter(knows).map(|one| one.id.clone());
        let issuer = grants.issuers.get(wanted).filter(|issuer| issuer.layer <= layer).map(|one| one.name.clone());
        principal.into_iter().chain(issuer).collect()
    }
}

impl Policy {
    /// The authorities that issue certificates.
    pub fn issuers(&self) -> impl Iterator<Item = &Issuer> {
        self.grants.issuers.values()
    }

    /// The authority that signs with a key.
    pub fn issuer_by_key(&self, key: &PublicKey) -> Option<&Issuer> {
        self.grants.issuers.values().find(|issuer| issuer.key == *key)
    }

    /// The exchanges of tokens for grants.
    pub fn exchanges(&self) -> impl Iterator<Item = &Exchange> {
        self.grants.exchanges.values()
    }

    /// Whether a certificate of an agent is revoked by its name or by a revocation list of any of the policies.
    pub fn revokes_grant(&self, agent: &Id, certificate: &VerifiedCertificate) -> bool {
        let named = (agent.clone(), certificate.serial());
        self.grants.revoked.contains(&named) || self.grants.lists.iter().any(|list| list.revokes(certificate))
    }

    /// Whether a revocation list names a key.
    pub(super) fn is_listed(&self, key: &PublicKey) -> bool {
        self.grants.lists.iter().any(|list| list.revokes_key(key))
    }

    /// Whether any agent can be granted anything.
    pub fn grants(&self) -> bool {
        self.principals().any(|one| !one.issuers.is_empty())
    }
}
