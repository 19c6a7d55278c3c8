//! Making sealed commits: the message with its block, the commit around it.

use std::collections::BTreeSet;
use std::path::Path;

use crate::core::commit::{
    Commit, DRAFTED, Ident, SealBlock, ends_in_trailers, is_our_line, names_utf8, parse_trailers,
};
use crate::core::digest::Digest;
use crate::core::grant::Grant;
use crate::core::id::{Id, RepositoryName};
use crate::core::oid::Oid;
use crate::core::report::escape;
use crate::core::seal::{self, BlockHead, Payload, Root, SEAL_KEY, SealOutcome, SealValue, parse_seal_value};
use crate::core::signature::SigningKey;
use crate::core::ssh::{ClaimedCertificate, PrivateKey, VerifiedCertificate};
use crate::core::tree::{changes, digest};
use crate::desk::keys::found;
use crate::desk::who::Agent;
use crate::store::Objects;
use crate::system::process::git;
use crate::system::{Failure, Result, disk};

/// What seals: an agent with its key, for one repository.
pub(crate) struct Sealer {
    pub(crate) agent: Agent,
    pub(crate) key: PrivateKey,
    /// The certificate beside the key's file: what a grant lets the key seal as.
    pub(crate) certificate: Option<VerifiedCertificate>,
    pub(crate) repository: RepositoryName,
    /// A later step of a pipeline; `None` for the author.
    pub(crate) role: Option<Id>,
}

/// What a seal binds besides the message.
pub(crate) struct Content<'a> {
    pub(crate) change: Digest,
    pub(crate) author: &'a [u8],
    pub(crate) merges: &'a [Oid],
    pub(crate) root: Root,
}

impl Sealer {
    /// Opens the key of an agent.
    pub(crate) fn open(agent: Agent, repository: RepositoryName, role: Option<Id>) -> Result<Self> {
        let file = found(&agent.id, &agent.key);
        let path = file.display().to_string();
        let failed = |error: &dyn std::fmt::Display| {
            let home = if file.starts_with("~") { ", and there is no HOME to find it by" } else { "" };
            Failure::new(format!("cannot use the key of agent {} in {path}: {error}{home}", agent.id))
                .hint(format!("a key without a passphrase is made by:\ncountersign agent add {}", agent.id))
        };
        let pem = disk::read(&file).map_err(|error| failed(&error))?;
        let key = PrivateKey::parse_openssh(&pem).map_err(|error| failed(&error))?;
        let certificate = certificate_beside(&file, &key).map_err(|error| failed(&error))?;
        let mut agent = agent;
        if agent.task.is_none() {
            // Every seal under a grant for one task names it.
            agent.task = certificate.as_ref().and_then(granted_task);
        }
        Ok(Self { agent, key, certificate, repository, role })
    }

    /// What stands in its signatures for the key: the key, or the certificate over it.
    pub(crate) fn signer(&self) -> &[u8] {
        self.certificate.as_ref().map_or_else(|| self.key.public().blob(), VerifiedCertificate::blob)
    }

    /// The message with a block of this agent at its end, below a line for each agent that drafted what it changed. What stands above
    /// is not touched.
    pub(crate) fn seal_message(&self, message: &[u8], drafted: &BTreeSet<Id>, content: &Content<'_>) -> Vec<u8> {
        let mut sealed = message.to_vec();
        if !sealed.ends_with(b"\n") {
            sealed.push(b'\n');
        }
        if !ends_in_trailers(&sealed) {
            sealed.push(b'\n');
        }
        for agent in drafted.iter().filter(|agent| **agent != self.agent.id) {
            sealed.extend_from_slice(format!("{DRAFTED}: {agent}\n").as_bytes());
        }
        let head = BlockHead {
            agent: &self.agent.id,
            role: self.role.as_ref(),
            model: self.agent.model.as_deref(),
            session: None,
            task: self.agent.task.as_deref(),
        };
        sealed.extend_from_slice(head.to_text().as_bytes());
        let payload = Payload {
            repository: &self.repository,
            agent: &self.agent.id,
            role: self.role.as_ref(),
            change: content.change,
            author: content.author,
            merges: content.merges,
            root: content.root,
            message: Digest::of(&sealed),
        };
        let bytes = payload.to_bytes();
        let signature = match &self.certificate {
            Some(certificate) => self.key.sign_certified(certificate, seal::NAMESPACE, &bytes),
            None => self.key.sign(seal::NAMESPACE, &bytes),
        };
        let value = SealValue { change: content.change, message: payload.message, signature };
        sealed.extend_from_slice(seal::seal_line(&value).as_bytes());
        sealed
    }
}

/// The certificate in `KEY-cert.pub`, where ssh looks for it too, if it is over this key.
fn certificate_beside(key: &Path, own: &PrivateKey) -> std::result::Result<Option<VerifiedCertificate>, String> {
    let mut name = key.as_os_str().to_owned();
    name.push("-cert.pub");
    let line = match disk::read_to_string(&name) {
        Ok(line) => line,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("its certificate cannot be read: {error}")),
    };
    let read = ClaimedCertificate::parse_line(&line).and_then(|(claimed, _)| claimed.verify());
    let certificate = read.map_err(|error| format!("its certificate cannot be used: {error}"))?;
    if certificate.key() != own.public() {
        return Err("the certificate beside it is of another key".to_owned());
    }
    Ok(Some(certificate))
}

/// The task that a grant is for.
fn granted_task(certificate: &VerifiedCertificate) -> Option<String> {
    let grant = Grant::of(certificate).ok()?;
    grant.links().iter().find_map(|link| link.scope.as_ref()?.task.clone())
}

/// The message without any line of ours, and without the empty lines this leaves at its end.
pub(crate) fn without_ours(message: &[u8]) -> Vec<u8> {
    let mut kept: Vec<u8> = Vec::with_capacity(message.len());
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        if !is_our_line(line) {
            kept.extend_from_slice(line);
        }
    }
    if kept.len() != message.len() {
        while kept.ends_with(b"\n\n") {
            kept.pop();
        }
    }
    kept
}

/// The seals in a message, wherever they stand: an editor's comments may follow them.
pub(crate) fn seals_in(message: &[u8]) -> Vec<SealValue> {
    let lines = message.split(|byte| *byte == b'\n');
    let values = lines.filter_map(|line| line.strip_prefix(SEAL_KEY.as_bytes())?.strip_prefix(b": "));
    values.filter_map(|value| parse_seal_value(value).ok()).collect()
}

/// The agents that a sealed message says drafted what its sealer changed.
pub(crate) fn drafted_in(message: &[u8]) -> BTreeSet<Id> {
    let trailers = parse_trailers(message).ok().filter(|trailers| !trailers.blocks.is_empty());
    trailers.map(|trailers| trailers.drafted.into_iter().collect()).unwrap_or_default()
}

/// The change of a commit against its first parent.
pub(crate) fn change_of(objects: &Objects, parents: &[Oid], tree: Oid) -> Result<Digest> {
    let old = parents.first().map(|parent| tree_of(objects, *parent)).transpose()?;
    let changes = changes(objects, old, tree).map_err(Failure::new)?;
    Ok(digest(&changes, tree.format()))
}

/// The tree of a commit.
pub(crate) fn tree_of(objects: &Objects, commit: Oid) -> Result<Oid> {
    let raw = objects.commit(commit).map_err(Failure::new)?;
    let parsed = Commit::parse(&raw, objects.format());
    parsed.map(|parsed| parsed.tree).map_err(|error| Failure::new(format!("commit {commit}: {error}")))
}

/// What a commit's seals amount to on this desk, whoever's key they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seals {
    /// There are none.
    None,
    /// All hold; the author's is this agent's, made with this key, or under this certificate.
    Hold(Id, Vec<u8>),
    /// Some do not; the first names this agent.
    Broken(Id),
    /// The trailers have no reading.
    Malformed,
}

/// Verifies the seals of a commit.
pub(crate) fn seals_of(objects: &Objects, repository: &RepositoryName, commit: &Commit<'_>) -> Result<Seals> {
    let Ok(trailers) = parse_trailers(commit.message) else { return Ok(Seals::Malformed) };
    let Some(first) = trailers.blocks.first() else { return Ok(Seals::None) };
    let agent = first.claim.agent.clone();
    let change = change_of(objects, &commit.parents, commit.tree)?;
    let holds = |block: &SealBlock| match block.verify(commit, repository, change) {
        SealOutcome::Holds(seal) => Some(match seal.signer() {
            SigningKey::Certified(certificate) => certificate.blob().to_vec(),
            SigningKey::Ssh(_) | SigningKey::OpenPgp(_) => seal.key().blob().to_vec(),
        }),
        _ => None,
    };
    let keys: Option<Vec<Vec<u8>>> = trailers.blocks.iter().map(holds).collect();
    Ok(match keys.and_then(|keys| keys.into_iter().next()) {
        Some(key) => Seals::Hold(agent, key),
        None => Seals::Broken(agent),
    })
}

/// The object as a seal can stand in it: without an `encoding` header. Where that says more than that it is UTF-8, git converts
/// what it can.
pub(crate) fn in_utf8(id: Oid, raw: &[u8], commit: &Commit<'_>) -> Result<Vec<u8>> {
    let Some(encoding) = commit.encoding else { return Ok(raw.to_vec()) };
    let plain = Commit { encoding: None, ..commit.clone() };
    let ascii = [commit.author.raw, commit.committer.raw, commit.message].iter().all(|part| part.is_ascii());
    if ascii || names_utf8(encoding) {
        return Ok(rebuild(raw, &plain, &commit.parents, commit.message));
    }
    // `log` shows no mailmap with these placeholders, and the message as it stands.
    let format = "--format=format:%an%x00%ae%x00%cn%x00%ce%x00%B";
    let id = id.to_string();
    let shown =
        git(&["--no-replace-objects", "log", "-1", "--no-show-signature", "--encoding=UTF-8", format, &id]).run()?;
    let not_converted = || {
        Failure::new(format!("the message is in {}, which git cannot convert to UTF-8", escape(encoding, 40)))
            .hint("commit in UTF-8:\ngit config --unset i18n.commitEncoding\ngit commit --amend --no-edit")
    };
    let parts: Vec<&[u8]> = shown.splitn(5, |byte| *byte == 0).collect();
    let [author, author_email, committer, committer_email, message] = parts.as_slice() else {
        return Err(not_converted());
    };
    if std::str::from_utf8(&shown).is_err() {
        return Err(not_converted());
    }
    let author = converted(&commit.author, author, author_email);
    let committer = converted(&commit.committer, committer, committer_email);
    // Of an ident an object holds its raw bytes alone.
    let author = Ident { raw: &author, ..commit.author };
    let committer = Ident { raw: &committer, ..commit.committer };
    Ok(rebuild(raw, &Commit { author, committer, ..plain }, &commit.parents, message))
}

/// An ident with its name and email in another encoding; one of plain ASCII stays as it stands.
fn converted(ident: &Ident<'_>, name: &[u8], email: &[u8]) -> Vec<u8> {
    if ident.raw.is_ascii() {
        return ident.raw.to_vec();
    }
    let date = ident.raw.rsplit(|byte| *byte == b'>').next().unwrap_or_default();
    [name, b" <", email, b">", date].concat()
}

/// A commit object from its parts, without a signature. Headers that git does not know are kept.
pub(crate) fn rebuild(raw: &[u8], commit: &Commit<'_>, parents: &[Oid], message: &[u8]) -> Vec<u8> {
    let mut object = format!("tree {}\n", commit.tree).into_bytes();
    for parent in parents {
        object.extend_from_slice(format!("parent {parent}\n").as_bytes());
    }
    for (name, ident) in [("author", &commit.author), ("committer", &commit.committer)] {
        object.extend_from_slice(name.as_bytes());
        object.push(b' ');
        object.extend_from_slice(ident.raw);
        object.push(b'\n');
    }
    if let Some(encoding) = commit.encoding {
        object.extend_from_slice(&[b"encoding ", encoding, b"\n"].concat());
    }
    object.extend_from_slice(&commit.other_headers(raw));
    object.push(b'\n');
    object.extend_from_slice(message);
    object
}
