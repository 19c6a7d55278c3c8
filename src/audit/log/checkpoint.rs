//! `countersign log checkpoint`: the signed head of a log, for whoever keeps it elsewhere or witnesses it.

use std::path::{Path, PathBuf};

use super::place::{Found, Place};
use crate::core::report::escape;
use crate::core::ssh::PublicKey;
use crate::gate::recording::ledger_failure;
use crate::ledger::{CHECKPOINT, Checkpoint, Leaves, Ledger, Name, home};
use crate::system::{Exit, Failure, OnDisk as _, Result, disk, print};
use base64ct::{Base64, Encoding as _};

pub(crate) struct Head {
    pub(crate) place: Place,
    /// Sign it under a name that says nothing of the repository, with the ledger's key: for a witness that is somebody else's
    pub(crate) opaque: bool,
    pub(crate) given: Given,
    /// Print what a witness is asked that knows the log with N entries (c2sp.org/tlog-witness, add-checkpoint):
    /// curl --data-binary @FILE https://WITNESS/add-checkpoint
    pub(crate) request: Option<u64>,
    /// Where to write it; without it, standard output
    pub(crate) out: Option<PathBuf>,
}

/// A head that somebody has kept, and what witnesses said of it.
pub(crate) struct Given {
    /// A signed checkpoint of the log, instead of its last head
    pub(crate) checkpoint: Option<PathBuf>,
    /// What a witness has answered: its lines of cosignatures on that checkpoint
    pub(crate) cosignatures: Vec<PathBuf>,
}

pub(crate) fn run(head: &Head) -> Result {
    let found = head.place.one()?;
    let leaves = read(&found.directory)?;
    let name = if head.opaque { Name::Opaque } else { Name::Repository };
    let is_kept = head.given.checkpoint.is_some() || (name == Name::Repository && leaves.head().is_some());
    let checkpoint = match is_kept {
        true => head.given.of(&found, &leaves)?,
        false => {
            let mut signed = signed(&found, &leaves, name)?;
            head.given.add_to(&mut signed)?;
            signed
        }
    };
    let note = checkpoint.to_note();
    let text = match head.request {
        None => note,
        Some(old) => {
            let proof = leaves.consistency(old, checkpoint.size).ok_or_else(|| {
                Failure::new(format!("the checkpoint has {} entries, and the witness more: {old}", checkpoint.size))
                    .hint("ask with a newer checkpoint, or look for who has rolled the log back")
            })?;
            let lines = proof.iter().map(|hash| Base64::encode_string(hash.as_bytes()) + "\n").collect::<String>();
            format!("old {old}\n{lines}\n{note}")
        }
    };
    put(head.out.as_deref(), &text)?;
    Ok(Exit::Accepted)
}

/// Writes what a person asked for, to a file or to standard output.
pub(crate) fn put(out: Option<&Path>, text: &str) -> Result<()> {
    match out.filter(|path| *path != Path::new("-")) {
        None => print(text),
        Some(path) => {
            disk::write(path, text).map_err(|error| Failure::new(format!("cannot write {}: {error}", path.display())))
        }
    }
}

/// Signs the head of a log, as its owner.
fn signed(found: &Found, leaves: &Leaves, name: Name) -> Result<Checkpoint> {
    let home = home(&found.directory);
    let own = key_beside(&found.directory)?;
    let ledger = Ledger::open(home).map_err(|error| ledger_failure(&error))?;
    let signed = ledger.checkpoint(&found.directory, leaves, name).map_err(|error| ledger_failure(&error))?;
    signed.verify(&own).map_err(|error| {
        Failure::new(format!("the ledger's key is not the one that this log ends with: {error}"))
            .hint("a log that was closed under another key, without a note of its last record, is proved by what its records say")
    })?;
    Ok(signed)
}

/// The leaves of a log.
pub(super) fn read(directory: &Path) -> Result<Leaves> {
    Leaves::read(directory, &mut |_, _| {}).map_err(|error| ledger_failure(&error))
}

/// The public key that is kept beside a log.
pub(super) fn key_beside(directory: &Path) -> Result<PublicKey> {
    let path = directory.join("key.pub");
    let text = disk::read_to_string(&path).map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
    let key = PublicKey::parse_line(text.trim_end());
    key.map(|(key, _)| key).map_err(|error| Failure::new(format!("{}: {error}", path.display())))
}

impl Given {
    /// The last head, with nothing beside it.
    pub(super) const fn none() -> Self {
        Self { checkpoint: None, cosignatures: Vec::new() }
    }

    /// The head that is meant, with what witnesses said of it; of this log, and signed by its key.
    pub(super) fn of(&self, found: &Found, leaves: &Leaves) -> Result<Checkpoint> {
        let kept = found.directory.join(CHECKPOINT);
        let mut checkpoint = match (&self.checkpoint, leaves.head()) {
            (Some(path), _) => parsed(path)?,
            (None, Some(head)) => head.clone(),
            (None, None) if kept.on_disk().exists() => parsed(&kept)?,
            (None, None) => {
                return Err(Failure::new(
                    "the records of this log are of version 1, and none holds the signature of a note",
                )
                .hint("sign its head once, as the repository's owner:\ncountersign log checkpoint --server REPO.git"));
            }
        };
        self.add_to(&mut checkpoint)?;
        let key = key_beside(&found.directory)?;
        let signed = checkpoint.verify(&key);
        signed.map_err(|error| Failure::new(format!("the checkpoint is not this log's: {error}")))?;
        if leaves.root_at(checkpoint.size) != Some(checkpoint.root) {
            return Err(Failure::new(format!(
                "the log does not have the {} entries that the checkpoint was signed for: it was cut, or is another",
                checkpoint.size
            ))
            .hint("an admin looks what stands there, with the checkpoint:\ncountersign log verify --since CHECKPOINT --server REPO.git"));
        }
        Ok(checkpoint)
    }

    fn add_to(&self, checkpoint: &mut Checkpoint) -> Result<()> {
        for path in &self.cosignatures {
            let lines = disk::read(path).map_err(|error| unread(path, &error))?;
            checkpoint.add(&lines).map_err(|_| {
                Failure::new(format!("{} holds no lines of cosignatures", path.display()))
                    .hint("it is what the witness answered, lines that begin with an em dash")
            })?;
        }
        Ok(())
    }
}

/// Reads a file of a checkpoint.
pub(super) fn parsed(path: &Path) -> Result<Checkpoint> {
    let bytes = disk::read(path).map_err(|error| unread(path, &error))?;
    Checkpoint::parse(&bytes).map_err(|error| Failure::new(format!("{}: {error}", shown(path))))
}

pub(super) fn unread(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::new(format!("cannot read {}: {error}", shown(path)))
}

fn shown(path: &Path) -> String {
    escape(path.as_os_str().as_encoded_bytes(), 400)
}
