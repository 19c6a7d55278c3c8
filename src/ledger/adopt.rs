//! What an admin says of a ledger: that it was moved or copied with its repository, what has not landed, and that the clock is right.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use super::entry::{Clock, Entry, How, OrderRecord, Ordered, Presumed};
use super::error::LedgerError;
use super::place::{Place, Serves, Standing};
use super::settle::in_entries;
use super::store::{KEY, LANDED, LOCK, LOG, Ledger, PUBLIC, Plan};
use crate::core::canonical::{Sha256, Time};
use crate::core::decide::Timestamp;
use crate::core::digest::Digest;
use crate::core::ssh::PrivateKey;

/// The key that takes over, until it has.
pub(super) const NEXT: &str = "key.next";

impl Ledger {
    /// Lets the ledger in a directory go on for a repository that was moved to another file system, or restored. Whether it did not know
    /// that.
    ///
    /// # Errors
    /// [`LedgerError::Copied`] where the repository that it is kept for is still there, and those of an append.
    pub fn adopt_moved(directory: &Path, place: Place, now: Timestamp) -> Result<bool, LedgerError> {
        Self::open(directory)?.adopt(Serves { place, how: How::Moved, installed_at: None }, now)
    }

    /// Lets the ledger in a directory go on for a copy of the repository that it is kept for, signed by a key of its own from there on. All
    /// that it knows it goes on to know. Whether it did not know that.
    ///
    /// # Errors
    /// [`LedgerError::Moved`] where the repository that it is kept for is gone, and those of an append.
    pub fn adopt_copy(
        directory: &Path,
        serves: (Place, Option<&Path>),
        key: PrivateKey,
        now: Timestamp,
    ) -> Result<bool, LedgerError> {
        let (place, installed_at) = serves;
        let mut ledger = Self::open(directory)?;
        if ledger.finish_rekeying()? {
            return Ok(true);
        }
        let serves = Serves { place, how: How::Copied, installed_at: installed_at.map(Path::to_owned) };
        if !matches!(serves.standing(ledger.state()?.place.as_ref(), directory), Standing::Copied(_)) {
            return ledger.adopt(serves, now);
        }
        // What an earlier program or a crash left, the key before signs.
        ledger.append(now, &mut |_| Ok(Plan::of([])))?;
        ledger.take_over(key)?;
        ledger.adopt(serves, now)?;
        Self::open(directory)?.finish_rekeying()
    }

    fn adopt(mut self, serves: Serves, now: Timestamp) -> Result<bool, LedgerError> {
        let is_known = self.state()?.place.as_ref() == Some(&serves.place);
        self.serves = Some(serves);
        self.append(now, &mut |_| Ok(Plan::of([])))?;
        Ok(!is_known)
    }

    /// Puts the key that has taken over in the place of the one before. A process that was killed may have left that to do.
    pub(super) fn finish_rekeying(&self) -> Result<bool, LedgerError> {
        let path = self.path(NEXT);
        let pem = match std::fs::read(&path) {
            Ok(pem) => pem,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(LedgerError::Io(path, error)),
        };
        let failed = |error| LedgerError::Io(path.clone(), error);
        let Ok(key) = PrivateKey::parse_openssh(&pem) else {
            return std::fs::remove_file(&path).map(|()| false).map_err(failed);
        };
        let mut signs = Self::open(&self.directory)?;
        signs.key = key;
        if signs.state().is_err() {
            // It never came to sign anything.
            return std::fs::remove_file(&path).map(|()| false).map_err(failed);
        }
        signs.put_public(&signs.key)?;
        std::fs::rename(&path, self.path(KEY)).map(|()| true).map_err(failed)
    }

    /// Copies what cannot be made again to another directory, where there is none, as it is now.
    ///
    /// # Errors
    /// [`LedgerError`] if it cannot be read or written.
    pub fn copy_to(&self, directory: &Path) -> Result<(), LedgerError> {
        let _lock = self.lock(LOCK)?;
        let failed = |error| LedgerError::Io(directory.to_owned(), error);
        let around = directory.parent().unwrap_or(Path::new("."));
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(around).map_err(failed)?;
        let own = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        let made = tempfile::Builder::new().prefix(".ledger-").permissions(own).tempdir_in(around).map_err(failed)?;
        for name in [KEY, PUBLIC, LOG] {
            std::fs::copy(self.path(name), made.path().join(name)).map_err(failed)?;
        }
        if let Ok(landed) = std::fs::read_dir(self.path(LANDED)) {
            std::fs::DirBuilder::new().mode(0o700).create(made.path().join(LANDED)).map_err(failed)?;
            for record in landed {
                let record = record.map_err(failed)?;
                std::fs::copy(record.path(), made.path().join(LANDED).join(record.file_name())).map_err(failed)?;
            }
        }
        std::fs::rename(made.path(), directory).map_err(failed)?;
        // It is no longer there to be removed.
        let _ = made.keep();
        Ok(())
    }

    /// Lets approvals, by the digests of their statements, count as landed.
    ///
    /// # Errors
    /// [`LedgerError`] if it cannot be recorded.
    pub fn presume_spent(&self, now: Timestamp, approvals: &[Digest]) -> Result<(), LedgerError> {
        self.say(now, approvals, Entry::Spent)
    }

    /// Lets approvals of which no decision says that they landed count as not landed.
    ///
    /// # Errors
    /// [`LedgerError`] if it cannot be recorded.
    pub fn presume_unspent(&self, now: Timestamp, approvals: &[Digest]) -> Result<(), LedgerError> {
        self.say(now, approvals, Entry::Unspent)
    }

    fn say(&self, now: Timestamp, approvals: &[Digest], kind: fn(Presumed) -> Entry) -> Result<(), LedgerError> {
        self.append(now, &mut |state| {
            let time = Time(now.max(state.time()));
            let approvals = in_entries(approvals.iter().copied().map(Sha256));
            Ok(Plan::of(approvals.map(move |approvals| kind(Presumed { time, approvals }))))
        })
        .map(drop)
    }

    /// Records that an admin has put an order into a store of the server.
    ///
    /// # Errors
    /// [`LedgerError`] if it cannot be recorded.
    pub fn ordered(&self, now: Timestamp, order: &OrderRecord) -> Result<(), LedgerError> {
        let append = self.append(now, &mut |state| {
            let time = Time(now.max(state.time()));
            Ok(Plan::of([Entry::Ordered(Ordered { time, order: order.clone() })]))
        });
        append.map(drop)
    }

    /// Lets times go on from what the clock says, where the last entry is ahead of it. By how many seconds it was.
    ///
    /// # Errors
    /// [`LedgerError`] if it cannot be recorded.
    pub fn set_clock(&self, now: Timestamp) -> Result<u64, LedgerError> {
        let mut ahead = 0;
        self.append(now, &mut |state| {
            ahead = u64::try_from(state.time().0.saturating_sub(now.0)).unwrap_or(0);
            Ok(Plan::of((ahead > 0).then_some(Entry::Clock(Clock { time: Time(now) }))))
        })?;
        Ok(ahead)
    }
}
