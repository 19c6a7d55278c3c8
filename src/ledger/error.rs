//! Why the ledger cannot be read or written. It always refuses the push.

use std::path::PathBuf;

use thiserror::Error;

use super::record::RecordError;
use crate::core::ssh::PrivateKeyError;

/// See the module.
#[derive(Debug, Error)]
pub enum LedgerError {
    /// A file of it cannot be read or written.
    #[error("the ledger's file {0}: {1}")]
    Io(PathBuf, #[source] std::io::Error),
    /// There is no ledger.
    #[error("there is no ledger in {0}")]
    Absent(PathBuf),
    /// There is one already.
    #[error("there is a ledger in {0} already")]
    Present(PathBuf),
    /// Some of its files are there and others are not.
    #[error("the ledger in {0} is not whole: its {1} is gone")]
    Remains(PathBuf, &'static str),
    /// Its key cannot be used.
    #[error("the ledger's key {0}: {1}")]
    Key(PathBuf, #[source] PrivateKeyError),
    /// The key file is readable to others than its owner.
    #[error("the ledger's key {0} can be read by others than its owner")]
    OpenKey(PathBuf),
    /// A record does not verify.
    #[error("record {number} of the ledger (byte {offset}) does not verify: {reason}")]
    Corrupt {
        /// The number of the record, from 0.
        number: u64,
        /// Where it begins.
        offset: u64,
        /// What is wrong with it.
        reason: RecordError,
    },
    /// The log has fewer bytes than were written.
    #[error("the ledger has {found} bytes and had {known}: its end is gone")]
    Shorter {
        /// Its length.
        found: u64,
        /// The length it had.
        known: u64,
    },
    /// Another process holds the lock for longer than an append can take.
    #[error("another process has held the ledger's lock for {0} seconds")]
    Locked(u64),
    /// The file system is one where locks do not keep other machines out.
    #[error("the ledger lies on {0}, where a lock does not keep other machines out")]
    Shared(&'static str),
    /// The repository was moved to another file system, or restored.
    #[error("the ledger of {} was made for the repository {from}, which is gone: it was moved, or restored from a backup", here.display(), from = from.display())]
    Moved {
        /// The directory that the ledger is kept for.
        from: PathBuf,
        /// The one that it is asked to serve.
        here: PathBuf,
    },
    /// The repository is a copy of the one that the ledger is kept for.
    #[error("{} is a copy of the repository {of}, and its ledger is that one's", here.display(), of = of.display())]
    Copied {
        /// The directory that the ledger is kept for.
        of: PathBuf,
        /// The one that it is asked to serve.
        here: PathBuf,
    },
    /// Another log has begun since this one was looked at.
    #[error("the ledger was rotated while the push was judged")]
    Rotated,
    /// A ref is not where the push was judged from.
    #[error("{0} moved while the push was judged")]
    RefMoved(String),
    /// Another push took what was left of a grant.
    #[error("the grant {grant} is for {most} commits, and another push has taken what was left of them")]
    UsedUp {
        /// What it is called.
        grant: String,
        /// How many commits it is for.
        most: u64,
    },
    /// An entry is larger than a record may be.
    #[error("an entry of {0} bytes is larger than a record may be")]
    TooLarge(usize),
    /// The refs of the repository cannot be read.
    #[error("the refs cannot be read: {0}")]
    Refs(String),
}

impl LedgerError {
    /// What to do about it, words and commands each on a line: for the admin, who is not the one who pushes.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Io(..) | Self::Locked(_) => {
                "a full or read-only disk needs room or a remount; an admin can see what is wrong with:\ncountersign log verify --server REPO.git"
            }
            Self::Absent(_) => "an admin makes it with:\ncountersign install --server REPO.git --policy FILE",
            Self::Present(_) => "uninstall first, or leave it",
            Self::Key(..) | Self::OpenKey(_) => {
                "the key must be the one made at install, owned by the user that runs the hook, mode 0600"
            }
            Self::Corrupt { reason: RecordError::Newer, .. } => {
                "an admin puts the newer countersign back where the hooks name it, or restores a copy of the ledger from before it, with the refs"
            }
            Self::Moved { .. } => {
                "an admin says that it goes on here, for one repository or all below a directory:\ncountersign ledger adopt --moved --server REPO.git"
            }
            Self::Copied { .. } => {
                "an admin lets the copy go on by itself, knowing what has landed:\ncountersign ledger adopt --copy --server REPO.git"
            }
            Self::Corrupt { .. } => {
                "an admin puts the record right, with a copy of the ledger if there is one (--from DIR); nothing else is lost:\ncountersign ledger repair --server REPO.git"
            }
            Self::Shorter { .. } => {
                "logs are not to be cut (`countersign ledger rotate` closes one); an admin puts the end back from the copy that was made of it, or from a backup:\ncountersign ledger repair --from COPY --server REPO.git"
            }
            Self::Remains(..) => {
                "an admin restores the ledger from a backup, or moves its directory aside as evidence and runs:\ncountersign install --server REPO.git --policy FILE --baseline"
            }
            Self::Shared(_) => {
                "an admin keeps it on a local disk:\ncountersign install --server REPO.git --policy FILE --ledger DIR"
            }
            Self::RefMoved(_) | Self::Rotated => "push again",
            Self::UsedUp { .. } => "push fewer commits under it, or ask who issued the grant for another",
            Self::TooLarge(_) => "push in smaller parts",
            Self::Refs(_) => "an admin can see what is wrong with:\ngit -C REPO.git fsck\ngit -C REPO.git for-each-ref",
        }
    }
}
