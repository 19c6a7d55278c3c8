//! People, agents and services, their keys, groups, and what became of keys.

use std::collections::{BTreeMap, BTreeSet};

use super::Date;
use super::approvals::Span;
use super::certificates::{self, Origin};
use super::grants::{Grants, ISSUING, Issuing, MAX_GRANT, span};
use super::problem::Location;
use super::reader::{Located, Problems, Table};
use crate::core::grant::Objection;
use crate::core::id::Id;
use crate::core::openpgp::{self, Certificate, Unusable};
use crate::core::signature::KeyName;
use crate::core::ssh::PublicKey;

/// The three kinds of principal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PrincipalKind {
    /// A human being.
    Person,
    /// An AI agent.
    Agent,
    /// Automation with fixed code, such as a forge's merge button.
    Service,
}

impl PrincipalKind {
    /// The word for one of them.
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Agent => "agent",
            Self::Service => "service",
        }
    }
}

/// Somebody or something with its own keys.
#[derive(Clone, Debug)]
pub struct Principal {
    /// Its id.
    pub id: Id,
    /// What it is.
    pub kind: PrincipalKind,
    /// The person who answers for an agent or service.
    pub owner: Option<Id>,
    /// The tool that an agent is an instance of.
    pub tool: Option<Id>,
    /// A person's name, for people.
    pub name: Option<String>,
    /// A person's email addresses.
    pub emails: Vec<String>,
    /// Its SSH keys.
    pub keys: Vec<PublicKey>,
    /// Its OpenPGP certificates, for people and services.
    pub certificates: Vec<Certificate>,
    /// What the git server calls it.
    pub accounts: Vec<String>,
    /// Whether commits that a forge makes unsigned, for somebody who clicks in its pages, are this service's.
    pub unsigned: bool,
    /// Whether a service says of people that they approved in its pages; rules choose whether to take its word.
    pub attests: bool,
    /// The day after which an agent is suspended.
    pub review_by: Option<Date>,
    /// Who issues an agent's grants: people, other agents, and names of [`super::Policy::issuers`].
    pub issuers: BTreeSet<Id>,
    /// The longest window of an agent's grants.
    pub max_grant: Span,
    /// What an agent's grants must be signed with.
    pub issuing: Issuing,
    /// Where it is registered.
    pub at: Location,
    /// Which of the policies given together registers it; see [`super::Policy::registers`].
    pub layer: usize,
}

/// Whether a key may still be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyStatus {
    /// It may.
    Good,
    /// It was compromised.
    Revoked,
    /// It was rotated, and what it signed was first received after that day.
    Retired,
}

/// Why nothing counts that a key signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyObjection {
    /// It was compromised.
    Revoked,
    /// It was rotated, and what it signed was first received after that day.
    Retired,
    /// It is of a certificate that does not let it sign.
    Unusable(Unusable),
    /// It came under a grant that does not hold.
    Grant(Objection),
}

impl KeyStatus {
    /// What it says against the key.
    pub fn objection(self) -> Option<KeyObjection> {
        match self {
            Self::Good => None,
            Self::Revoked => Some(KeyObjection::Revoked),
            Self::Retired => Some(KeyObjection::Retired),
        }
    }
}

impl KeyObjection {
    /// In words that follow "it is signed with".
    pub fn words(&self, key: &KeyName) -> String {
        match self {
            Self::Revoked => format!("the revoked key {key}"),
            Self::Retired => format!("the retired key {key}"),
            Self::Unusable(reason) => format!("the OpenPGP key {key}, which does not count: {reason}"),
            Self::Grant(objection) => format!("the key {key}: {objection}"),
        }
    }
}

/// What the tables of all sources say together.
#[derive(Default)]
pub(super) struct Registry {
    pub(super) principals: BTreeMap<Id, Principal>,
    pub(super) keys: BTreeMap<PublicKey, Id>,
    /// Accounts in lower case, as written, and whose they are.
    pub(super) accounts: BTreeMap<String, (String, Id)>,
    pub(super) groups: BTreeMap<Id, Group>,
    pub(super) certificates: BTreeMap<openpgp::Fingerprint, (Id, usize)>,
    pub(super) revoked: BTreeSet<KeyName>,
    pub(super) retired: BTreeMap<KeyName, Date>,
    /// Whom agents list as issuers, until that is resolved.
    pub(super) issuers: BTreeMap<Id, Vec<Located<Id>>>,
    pub(super) grants: Grants,
}

/// A named set of people and agents.
pub(super) struct Group {
    pub(super) members: Vec<Located<Id>>,
    pub(super) at: Location,
    pub(super) layer: usize,
}

impl Registry {
    /// Reads the tables of one source.
    pub(super) fn read(&mut self, top: &mut Table<'_>, origin: Origin<'_>, problems: &mut Problems) {
        let layer = origin.layer;
        for (kind, key) in
            [(PrincipalKind::Person, "people"), (PrincipalKind::Agent, "agents"), (PrincipalKind::Service, "services")]
        {
            for (name, table) in top.tables(key, problems) {
                self.principal((kind, &name), table, origin, problems);
            }
        }
        self.grants.read(top, origin, problems);
        for (name, members) in top.lists("groups", problems) {
            self.group(&name, members, layer, problems);
        }
        if let Some(mut table) = top.table("revoked", problems) {
            for key in table.strings("keys", problems) {
                self.revoked.extend(key_name(&key, problems));
            }
            self.grants.revocations(&mut table, origin, problems);
            table.finish(problems);
        }
        if let Some(mut table) = top.table("retired", problems) {
            for (key, date) in table.dates("keys", problems) {
                self.retired.extend(key_name(&key, problems).map(|name| (name, date)));
            }
            table.finish(problems);
        }
    }

    fn principal(
        &mut self,
        (kind, name): (PrincipalKind, &Located<&str>),
        mut table: Table<'_>,
        origin: Origin<'_>,
        problems: &mut Problems,
    ) {
        let owner = (kind != PrincipalKind::Person).then(|| self.owner(kind, name, &mut table, problems)).flatten();
        let tool = (kind == PrincipalKind::Agent).then(|| table.string("tool", problems)).flatten();
        let display_name = (kind == PrincipalKind::Person).then(|| table.string("name", problems)).flatten();
        let emails = if kind == PrincipalKind::Person { table.strings("emails", problems) } else { Vec::new() };
        let review_by = (kind == PrincipalKind::Agent).then(|| table.date("review-by", problems)).flatten();
        let (issuers, max_grant, issuing) = grant_keys(kind, &mut table, problems);
        let lines = table.strings("keys", problems);
        let texts = if kind == PrincipalKind::Agent {
            agent_openpgp(&mut table, problems)
        } else {
            table.strings("openpgp", problems)
        };
        let accounts = table.strings("accounts", problems);
        let unsigned = kind == PrincipalKind::Service && table.flag("unsigned", problems);
        let attests = kind == PrincipalKind::Service && table.flag("attests", problems);
        let Some(id) = id(name, problems) else { return table.finish(problems) };
        if let Some(other) = self.principals.get(&id) {
            let message = format!("`{id}` is registered already, at {}:{}", other.at.file, other.at.line);
            problems.error(&name.at, message, "give every principal its own id");
            return table.finish(problems);
        }
        let mut keys = Vec::with_capacity(lines.len());
        for line in &lines {
            keys.extend(self.key(kind, &id, line, problems));
        }
        let mut certificates = Vec::with_capacity(texts.len());
        for text in &texts {
            if let Some(certificate) = self.certificate((kind, &id, certificates.len()), text, origin, problems) {
                certificates.push(certificate);
            }
        }
        for account in &accounts {
            self.account(kind, &id, account, problems);
        }
        if kind == PrincipalKind::Agent && lines.is_empty() && issuers.is_empty() {
            problems.warn(
                &name.at,
                format!("agent `{id}` has no key and can seal nothing"),
                "for a new agent, one is made by:\ncountersign agent add ID",
            );
        }
        if attests && keys.is_empty() {
            let message = format!("service `{id}` attests approvals and has no SSH key to sign them with");
            problems.warn(
                &name.at,
                message,
                "ssh-keygen -t ed25519 -N '' -f attest\nadd the line of attest.pub to its keys",
            );
        }
        for email in &emails {
            if email.value.split('@').filter(|part| !part.is_empty()).count() != 2
                || email.value.contains(char::is_whitespace)
            {
                problems.error(&email.at, format!("\"{}\" is not an email address", email.value), "write name@host");
            }
        }
        let principal = Principal {
            id: id.clone(),
            kind,
            owner,
            tool: tool.and_then(|tool| self::id(&tool, problems)),
            name: display_name.map(|name| name.value.to_owned()),
            emails: emails.iter().map(|email| email.value.to_owned()).collect(),
            keys,
            certificates,
            accounts: accounts.iter().map(|account| account.value.to_owned()).collect(),
            unsigned,
            attests,
            review_by: review_by.map(|date| date.value),
            issuers: BTreeSet::new(),
            max_grant,
            issuing,
            at: name.at.clone(),
            layer: origin.layer,
        };
        if !issuers.is_empty() {
            self.issuers.insert(id.clone(), issuers);
        }
        self.principals.insert(id, principal);
        table.finish(problems);
    }

    fn owner(
        &mut self,
        kind: PrincipalKind,
        name: &Located<&str>,
        table: &mut Table<'_>,
        problems: &mut Problems,
    ) -> Option<Id> {
        let owner = table.string("owner", problems);
        if owner.is_none() && !table.has("owner") {
            let message = format!("{} `{}` has no owner", kind.noun(), name.value);
            problems.error(&name.at, message, "add owner = \"...\", the id of the person who answers for it");
        }
        let owner = owner?;
        id(&owner, problems)
    }

    fn key(
        &mut self,
        kind: PrincipalKind,
        id: &Id,
        line: &Located<&str>,
        problems: &mut Problems,
    ) -> Option<PublicKey> {
        let key = match PublicKey::parse_line(line.value) {
            Ok((key, _)) => key,
            Err(error) => {
                problems.error(
                    &line.at,
                    format!("a key of `{id}` cannot be used: {error}"),
                    "paste the one line of its .pub file",
                );
                return None;
            }
        };
        if let Some(other) = self.keys.get(&key) {
            let whose = self.principals.get(other).map_or("", |other| other.kind.noun());
            let message = if other == id {
                format!("`{id}` has this key twice")
            } else if kind == PrincipalKind::Person || whose == "person" {
                format!(
                    "one key is both that of {} `{id}` and that of {whose} `{other}`: an agent's key is never a person's",
                    kind.noun()
                )
            } else {
                format!("one key belongs to `{id}` and to `{other}`")
            };
            problems.error(
                &line.at,
                message,
                "give every principal a key of its own; an agent's is made by:\ncountersign agent add ID",
            );
            return None;
        }
        self.keys.insert(key.clone(), id.clone());
        Some(key)
    }

    /// One certificate, which is the `position`-th of its holder.
    fn certificate(
        &mut self,
        (kind, id, position): (PrincipalKind, &Id, usize),
        text: &Located<&str>,
        origin: Origin<'_>,
        problems: &mut Problems,
    ) -> Option<Certificate> {
        let Some(armored) = certificates::text(text.value, origin) else {
            // Why the file cannot be read is said where it was to be.
            return None;
        };
        let certificate = match Certificate::parse(armored.trim().as_bytes()) {
            Ok(certificate) => certificate,
            Err(error) => {
                let message = format!("an OpenPGP certificate of `{id}` cannot be used: {error}");
                problems.error(&text.at, message, certificates::EXPORT);
                return None;
            }
        };
        for key in certificate.keys() {
            let Some((other, _)) = self.certificates.get(key) else { continue };
            let message = if other == id {
                format!("`{id}` has the OpenPGP key {key} twice")
            } else {
                let whose = self.principals.get(other).map_or("", |other| other.kind.noun());
                format!("the OpenPGP key {key} is both that of {} `{id}` and that of {whose} `{other}`", kind.noun())
            };
            problems.error(&text.at, message, "give every principal certificates of its own, each once");
            return None;
        }
        self.certificates.extend(certificate.keys().map(|key| (key.clone(), (id.clone(), position))));
        Some(certificate)
    }

    /// Servers differ in whether they tell accounts apart by case, so here nobody has one that differs in case only.
    fn account(&mut self, kind: PrincipalKind, id: &Id, account: &Located<&str>, problems: &mut Problems) {
        if crate::core::submitter::account(account.value.as_bytes()).is_none() {
            let message = format!("{:?} is not the name of an account", account.value);
            let fix = format!(
                "write it as the server does: printable, at most {} bytes",
                crate::core::submitter::ACCOUNT_BYTES
            );
            return problems.error(&account.at, message, fix);
        }
        let owned = (account.value.to_owned(), id.clone());
        let Some((_, other)) = self.accounts.insert(account.value.to_lowercase(), owned) else { return };
        let message = if other == *id {
            format!("`{id}` has the account \"{}\" twice", account.value)
        } else {
            let whose = self.principals.get(&other).map_or("", |other| other.kind.noun());
            let noun = kind.noun();
            format!("the account \"{}\" is both that of {noun} `{id}` and that of {whose} `{other}`", account.value)
        };
        problems.error(
            &account.at,
            message,
            "give every principal an account of its own: a shared one hides who acted",
        );
    }

    fn group(&mut self, name: &Located<&str>, members: Vec<Located<&str>>, layer: usize, problems: &mut Problems) {
        let Some(id) = id(name, problems) else { return };
        if let Some(other) = self.groups.get(&id) {
            let message = format!("the group `{id}` is defined already, at {}:{}", other.at.file, other.at.line);
            return problems.error(&name.at, message, "give every group its own name");
        }
        let located = |member: Located<&str>, problems: &mut Problems| {
            let at = member.at.clone();
            self::id(&member, problems).map(|value| Located { value, at })
        };
        let members = members.into_iter().filter_map(|member| located(member, problems)).collect();
        self.groups.insert(id, Group { members, at: name.at.clone(), layer });
    }

    /// Whether an agent has issuers.
    pub(super) fn issuers_of(&self, agent: &Id) -> bool {
        self.principals.get(agent).is_some_and(|agent| !agent.issuers.is_empty())
    }

    /// Checks what only holds once everything is read: owners and members exist.
    pub(super) fn check(&self, problems: &mut Problems) {
        for principal in self.principals.values() {
            let Some(owner) = &principal.owner else { continue };
            match self.principals.get(owner) {
                Some(person) if person.kind == PrincipalKind::Person => {}
                Some(_) => {
                    let message = format!("the owner of `{}` is `{owner}`, which is no person", principal.id);
                    problems.error(&principal.at, message, "an owner is a person");
                }
                None => {
                    let message = format!("the owner of `{}` is `{owner}`, whom nobody has registered", principal.id);
                    problems.error(&principal.at, message, format!("add [people.{owner}]"));
                }
            }
        }
        let mut unsigned = self.principals.values().filter(|principal| principal.unsigned);
        if let (Some(one), Some(other)) = (unsigned.next(), unsigned.next()) {
            let message =
                format!("services `{}` and `{}` are both unsigned, and nothing tells them apart", one.id, other.id);
            problems.error(&other.at, message, "give one of them a key, and let it sign");
        }
        for (id, group) in &self.groups {
            if self.principals.contains_key(id) {
                problems.error(&group.at, format!("`{id}` is both a group and a principal"), "rename the group");
            }
            for member in &group.members {
                let kind = self.principals.get(&member.value).map(|principal| principal.kind);
                if !matches!(kind, Some(PrincipalKind::Person | PrincipalKind::Agent)) {
                    let message = format!("group `{id}` lists `{}`, which is no person or agent", member.value);
                    problems.error(&member.at, message, "groups list ids of people and agents");
                }
            }
        }
    }
}

/// Parses an id.
pub(super) fn id(text: &Located<&str>, problems: &mut Problems) -> Option<Id> {
    let id = Id::parse(text.value.as_bytes());
    if id.is_none() {
        let message = format!("\"{}\" is not an id", text.value);
        problems.error(&text.at, message, "an id is [a-z0-9][a-z0-9._-]{0,63}");
    }
    id
}

/// Who issues an agent's grants, for how long at most, and with what.
fn grant_keys(
    kind: PrincipalKind,
    table: &mut Table<'_>,
    problems: &mut Problems,
) -> (Vec<Located<Id>>, Span, Issuing) {
    if kind != PrincipalKind::Agent {
        return (Vec::new(), MAX_GRANT, Issuing::Any);
    }
    let mut issuers = Vec::new();
    for entry in table.strings("issuers", problems) {
        issuers.extend(id(&entry, problems).map(|value| Located { value, at: entry.at.clone() }));
    }
    let max_grant = span("max-grant", table, problems);
    let issuing = table.word("issuing", ISSUING, problems).unwrap_or_default();
    (issuers, max_grant.unwrap_or(MAX_GRANT), issuing)
}

/// Agents sign with SSH keys: their signature is the seal.
fn agent_openpgp<'t>(table: &mut Table<'t>, problems: &mut Problems) -> Vec<Located<&'t str>> {
    if let Some(first) = table.strings("openpgp", problems).first() {
        let message = "an agent has no OpenPGP certificate: its signature is the seal, which SSH keys make";
        problems.error(&first.at, message, "register an SSH key, which is made by:\ncountersign agent add ID");
    }
    Vec::new()
}

fn key_name(text: &Located<&str>, problems: &mut Problems) -> Option<KeyName> {
    let name = KeyName::parse(text.value);
    if name.is_none() {
        let message = format!("\"{}\" is not a key's fingerprint", text.value);
        let fix =
            "SHA256: and 43 characters, as ssh-keygen -l -f KEY.pub prints it, or the 40 digits of gpg --fingerprint";
        problems.error(&text.at, message, fix);
    }
    name
}
