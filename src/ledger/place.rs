//! The directory that a ledger is kept for: the repository's own. Renamed, it takes its ledger along; a copy of it is another
//! directory, and another's ledger is not for it to write to.

use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::entry::How;
use super::error::LedgerError;
use super::store::opened;
use crate::core::canonical::RefName;

/// A directory, by its numbers in stat(2) and by its path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    pub(super) device: u64,
    pub(super) inode: u64,
    #[serde(with = "path_text")]
    pub(super) path: PathBuf,
}

/// Paths in JSON as the names of refs are.
mod path_text {
    use serde::{Deserializer, Serializer};

    use super::*;

    pub(super) fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
        RefName(path.as_os_str().as_bytes().into()).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
        let RefName(bytes) = RefName::deserialize(deserializer)?;
        Ok(PathBuf::from(std::ffi::OsString::from_vec(bytes.to_vec())))
    }
}

/// What a repository is to the ledger that serves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The directory that the ledger is kept for.
    Known,
    /// The same by another name or number, or the first that it is kept for.
    ToLearn,
    /// Another directory, and the one that it is kept for is gone.
    Moved(PathBuf),
    /// Another directory, and the one that it is kept for is still there.
    Copied(PathBuf),
}

impl Place {
    /// The place of a directory.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn of(directory: &Path) -> std::io::Result<Self> {
        let path = directory.canonicalize()?;
        let found = path.metadata()?;
        Ok(Self { device: found.dev(), inode: found.ino(), path })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What this place is to a ledger in `directory` that is kept for `known`.
    pub(super) fn standing(&self, known: &Self, directory: &Path) -> Standing {
        let moved_on = self.inode == known.inode && (self.device == known.device || self.path == known.path);
        match () {
            () if self == known => Standing::Known,
            // Renamed; or its file system got another number, as they do when a machine starts.
            () if moved_on => Standing::ToLearn,
            () if self.keeps(&known.path, Some(known.inode), directory) => Standing::Copied(known.path.clone()),
            () => Standing::Moved(known.path.clone()),
        }
    }

    /// Whether at `path` there still is the directory that the ledger in `directory`, which serves this place, is kept for: by its number,
    /// or by a ledger that began as this one did. What nobody can look at may be it.
    pub(super) fn keeps(&self, path: &Path, inode: Option<u64>, directory: &Path) -> bool {
        if path == self.path {
            return false;
        }
        let found = match path.metadata() {
            Ok(found) => found,
            Err(error) => {
                use std::io::ErrorKind::{NotADirectory, NotFound};
                return !matches!(error.kind(), NotFound | NotADirectory);
            }
        };
        let is_this = (found.dev(), found.ino()) == (self.device, self.inode);
        let began_alike = || {
            let own = directory.canonicalize().ok()?;
            let there = path.join(own.strip_prefix(&self.path).ok()?);
            Some(opened(&there).ok()?.key == opened(&own).ok()?.key)
        };
        !is_this && (Some(found.ino()) == inode || began_alike() == Some(true))
    }
}

/// The repository that a ledger serves.
pub(super) struct Serves {
    pub(super) place: Place,
    /// How it is known that the ledger is kept for it.
    pub(super) how: How,
    /// Where the repository lay when its hooks were installed, as far as they say so: what a ledger that knows no place yet was made for.
    pub(super) installed_at: Option<PathBuf>,
}

impl Serves {
    /// What the place is to a ledger in `directory`.
    pub(super) fn standing(&self, known: Option<&Place>, directory: &Path) -> Standing {
        match (known, &self.installed_at) {
            (Some(known), _) => self.place.standing(known, directory),
            (None, Some(path)) if self.place.keeps(path, None, directory) => Standing::Copied(path.clone()),
            (None, _) => Standing::ToLearn,
        }
    }

    /// Whether the ledger in `directory` may go on for the place.
    pub(super) fn check(&self, known: Option<&Place>, directory: &Path) -> Result<(), LedgerError> {
        let here = || self.place.path.clone();
        match (self.standing(known, directory), self.how) {
            (Standing::Known | Standing::ToLearn, _)
            | (Standing::Moved(_), How::Moved)
            | (Standing::Copied(_), How::Copied) => Ok(()),
            (Standing::Moved(from), How::Seen | How::Copied) => Err(LedgerError::Moved { from, here: here() }),
            (Standing::Copied(of), How::Seen | How::Moved) => Err(LedgerError::Copied { of, here: here() }),
        }
    }
}
