//! Whose approval it is, and the key that signs it.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::core::approval::{Approval, ClaimedApproval, NAMESPACE, pre_authentication, seal_envelope};
use crate::core::policy::{Policy, Principal, PrincipalKind};
use crate::core::ssh::{PublicKey, dearmor};
use crate::desk::person_key::PersonKey;
use crate::system::process::config;
use crate::system::{Failure, Result, disk, env, process};

/// The person at the desk, with a registered key.
pub(super) struct Approver<'a> {
    pub(super) person: &'a Principal,
    pub(super) public: PublicKey,
    key: PersonKey,
}

impl<'a> Approver<'a> {
    /// The key that is given, or git's, or else the one registered key that this desk has.
    pub(super) fn find(given: Option<&Path>, policy: &'a Policy) -> Result<Self> {
        let key = match given {
            Some(path) => PersonKey::file(path.to_owned()),
            None if config("user.signingkey")?.is_some_and(|value| !value.is_empty()) => PersonKey::configured()?,
            None => only_registered(policy)?,
        };
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
        Ok(Self { person, public, key })
    }

    /// Signs an approval. Returns the record, which has been read back and verified.
    pub(super) fn sign(&self, approval: &Approval) -> Result<String> {
        let statement =
            approval.to_statement().map_err(|error| Failure::new(format!("it cannot be approved: {error}")))?;
        let armored = self.key.sign(NAMESPACE, &pre_authentication(statement.as_bytes()))?;
        let blob = dearmor(armored.as_bytes())
            .map_err(|error| Failure::new(format!("the signature is not in OpenSSH's format: {error}")))?;
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
    let hint =
        "name your key for this time, or for always:\ncountersign approve --key FILE\ngit config user.signingkey FILE";
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
