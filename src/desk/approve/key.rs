//! Whose approval it is, and the key that signs it: the person's, or that of a service which says that they approved in a forge.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::rc::Rc;

use crate::core::approval::{Approval, Attested, ClaimedApproval, NAMESPACE, pre_authentication, seal_envelope};
use crate::core::decide::ApprovedBy;
use crate::core::id::Id;
use crate::core::policy::{Policy, Principal, PrincipalKind};
use crate::core::report::escape;
use crate::core::ssh::{PublicKey, dearmor};
use crate::desk::person_key::PersonKey;
use crate::system::process::config;
use crate::system::{Failure, Result, disk, env, process};

/// The person whose approval it is, with the registered key that signs it.
pub(super) struct Approver<'a> {
    pub(super) person: &'a Principal,
    pub(super) public: PublicKey,
    /// What a service says of the person; `None` where they sign themselves.
    pub(super) attested: Option<Attested>,
    key: Rc<PersonKey>,
}

impl<'a> Approver<'a> {
    /// The key that is given, or git's, or else the one registered key that this desk has.
    pub(super) fn find(given: Option<&Path>, policy: &'a Policy) -> Result<Self> {
        let key = find_key(given, policy)?;
        let public = key.public()?;
        let person = match policy.by_key(&public) {
            Some(person) if person.kind == PrincipalKind::Person => person,
            Some(other) => {
                let message = format!(
                    "{} is the key of {} {}, and only people approve",
                    public.fingerprint(),
                    other.kind.noun(),
                    other.id
                );
                return Err(Failure::new(message).hint("with a key of your own:\ncountersign approve --key FILE"));
            }
            None => {
                let message = format!("{} is not a key that the policy registers", public.fingerprint());
                return Err(Failure::new(message)
                    .hint("ask an admin to register this key under [people], or name another:\ncountersign approve --key FILE"));
            }
        };
        Ok(Self { person, public, attested: None, key: Rc::new(key) })
    }

    /// The person with an account, at the word of a service.
    pub(super) fn attested(word: &WordKey, attested: Attested, policy: &'a Policy) -> Result<Self> {
        let account = escape(attested.account.as_bytes(), 200);
        let hint = "an admin adds it to accounts of a person, exactly as the forge writes it";
        match policy.by_account(&attested.account) {
            Some(person) if person.kind == PrincipalKind::Person => {
                Ok(Self { person, public: word.public.clone(), attested: Some(attested), key: Rc::clone(&word.key) })
            }
            Some(other) => {
                let (noun, id) = (other.kind.noun(), &other.id);
                Err(Failure::new(format!("the account {account} is that of {noun} {id}, and only people approve")))
            }
            None => Err(Failure::new(format!("the account {account} is not one that the policy registers")).hint(hint)),
        }
    }

    /// What the approval is signed with.
    pub(super) fn means(&self) -> ApprovedBy<'_> {
        match &self.attested {
            None => ApprovedBy::Key(&self.public),
            Some(attested) => ApprovedBy::Word(&attested.service),
        }
    }

    /// Signs an approval. Returns the record, which has been read back and verified.
    pub(super) fn sign(&self, approval: &Approval) -> Result<String> {
        let statement =
            approval.to_statement().map_err(|error| Failure::new(format!("it cannot be approved: {error}")))?;
        let blob = sign_statement(&self.key, NAMESPACE, &statement)?;
        let wrong = |error: crate::core::approval::ApprovalError| {
            Failure::new(format!("the signed record does not hold: {error}"))
        };
        let record = seal_envelope(&statement, &blob).map_err(wrong)?;
        let verified = ClaimedApproval::parse(record.as_bytes()).and_then(ClaimedApproval::verify).map_err(wrong)?;
        if *verified.signature().key() != self.public {
            return Err(Failure::new("another key signed than the one that was asked to"));
        }
        Ok(record)
    }
}

/// Signs a statement as it stands in a record. Returns the blob.
pub(crate) fn sign_statement(key: &PersonKey, namespace: &str, statement: &str) -> Result<Vec<u8>> {
    let armored = key.sign(namespace, &pre_authentication(statement.as_bytes()))?;
    dearmor(armored.as_bytes())
        .map_err(|error| Failure::new(format!("the signature is not in OpenSSH's format: {error}")))
}

/// The key that is given, or git's, or else the one registered key of a person's that this desk has.
pub(crate) fn find_key(given: Option<&Path>, policy: &Policy) -> Result<PersonKey> {
    match given {
        Some(path) => Ok(PersonKey::file(path.to_owned())),
        None if config("user.signingkey")?.is_some_and(|value| !value.is_empty()) => PersonKey::configured(),
        None => only_registered(policy),
    }
}

/// The key of a service that attests approvals.
pub(super) struct WordKey {
    public: PublicKey,
    key: Rc<PersonKey>,
}

impl WordKey {
    /// The key in a file, which must be one of the service's.
    pub(super) fn open(service: &Id, file: &Path, policy: &Policy) -> Result<Self> {
        let key = PersonKey::file(file.to_owned());
        let public = key.public()?;
        let is_service = |one: &&Principal| one.kind == PrincipalKind::Service && one.id == *service;
        let Some(holder) = policy.by_key(&public).filter(is_service) else {
            let name = public.fingerprint();
            return Err(Failure::new(format!("{name} is not a key that the policy registers for service {service}"))
                .hint(format!("an admin adds the line of its .pub file to keys of [services.{service}]")));
        };
        if !holder.attests {
            return Err(Failure::new(format!("the policy does not say that service {service} attests approvals"))
                .hint(format!("an admin adds attests = true to [services.{service}]")));
        }
        Ok(Self { public, key: Rc::new(key) })
    }
}

/// The one registered key of a person among the files of ~/.ssh and the keys of the ssh-agent.
fn only_registered(policy: &Policy) -> Result<PersonKey> {
    let is_registered = |line: &str| {
        let key = PublicKey::parse_line(line.trim()).ok()?.0;
        policy.by_key(&key).filter(|holder| holder.kind == PrincipalKind::Person).map(|_| key)
    };
    let mut found: Vec<(PublicKey, PersonKey)> = Vec::new();
    for path in public_files() {
        if let Some(key) = disk::read_to_string(&path).ok().and_then(|line| is_registered(&line)) {
            found.push((key, PersonKey::file(path)));
        }
    }
    for line in agent_keys() {
        if let Some(key) = is_registered(&line).filter(|key| found.iter().all(|(other, _)| other != key)) {
            found.push((key, PersonKey::literal(&line)));
        }
    }
    let hint = "name your key, with --key FILE for this time, or for always:\ngit config user.signingkey FILE";
    match found.len() {
        1 => found.pop().map(|(_, key)| key).ok_or_else(|| Failure::new("no key").hint(hint)),
        0 => {
            Err(Failure::new("git config user.signingkey is not set, and no key here is registered to a person")
                .hint(hint))
        }
        many => Err(Failure::new(format!("{many} keys here are registered to people")).hint(hint)),
    }
}

fn public_files() -> Vec<PathBuf> {
    let Some(home) = env::var_os("HOME") else { return Vec::new() };
    let Ok(entries) = disk::read_dir(PathBuf::from(home).join(".ssh")) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "pub"));
    files.sort();
    files
}

/// The lines of `ssh-add -L`; none where there is no ssh-agent.
fn agent_keys() -> Vec<String> {
    if env::var_os("SSH_AUTH_SOCK").is_none() {
        return Vec::new();
    }
    let listed = process::command("ssh-add").arg("-L").stdin(Stdio::null()).stderr(Stdio::null()).output();
    let text = listed.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}
