//! `countersign ledger`: what an admin says of the ledgers of repositories that were moved, restored or copied, and of the clock.

use std::path::{Path, PathBuf};

use crate::core::ssh::PrivateKey;
use crate::core::text::plural;
use crate::gate::hook::LEDGER;
use crate::gate::own_files::{installed_at, ledger_directory};
use crate::gate::recording::ledger_failure;
use crate::ledger::{Closed, Ledger, LedgerError, Place};
use crate::server::Layout;
use crate::server::exclude::Exclude;
use crate::server::installed::named_ledger;
use crate::server::others::{Others, Owners, Printed};
use crate::server::repository::Repository;
use crate::server::targets::{Naming, found_below, targets};
use crate::system::{Exit, Failure, OnDisk as _, Result, now, print, random_seed, say, say_hint};

/// What is done to ledgers.
pub(crate) enum Request {
    /// Let them go on for repositories that were moved, restored or copied.
    Adopt(Adopted),
    /// Put records right that do not verify: from a copy, if there is one.
    Repair { from: Option<PathBuf> },
    /// Close their logs where they have so many bytes or more, and begin others.
    Rotate { over: u64, key: Key },
    /// Let times go on from what this machine's clock says.
    Clock,
}

/// What has happened to repositories, as an admin says.
#[derive(Clone, Copy)]
pub(crate) enum Adopted {
    /// They were moved to another file system, or restored.
    Moved,
    /// They are copies, and the originals go on too.
    Copied,
    /// Their ledgers began beside stored approvals, and none of them has landed yet.
    Unspent,
}

/// Which key signs from here on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    Same,
    New,
}

/// Whose ledgers.
pub(crate) struct Repositories {
    /// Repositories, or directories that hold them
    pub(crate) servers: Vec<PathBuf>,
    /// Whose repositories this process sees to
    pub(crate) owners: Owners,
    /// The directory below which they were found
    pub(crate) root: Option<PathBuf>,
}

pub(crate) fn run(request: &Request, repositories: &Repositories) -> Result {
    match request {
        Request::Adopt(Adopted::Moved) => each(repositories, &moved),
        Request::Adopt(Adopted::Copied) => each(repositories, &copied),
        Request::Adopt(Adopted::Unspent) => each(repositories, &unspent),
        Request::Repair { from } => each(repositories, &|kept: &Kept| repaired(kept, from.as_deref())),
        Request::Rotate { over, key } => each(repositories, &|kept: &Kept| match (kept.log_bytes()? < *over, key) {
            (true, _) => Ok("its log is not as long".to_owned()),
            (false, Key::New) => kept.change_key().and_then(|()| rotated(kept)),
            (false, Key::Same) => rotated(kept),
        }),
        Request::Clock => each(repositories, &clock),
    }
}

/// A repository, with where its hooks say that its ledger is.
struct Kept {
    repository: Repository,
    named: PathBuf,
}

/// Does it for each that has a ledger, and says what; of one that cannot be done, why. The others are done all the same.
fn each(repositories: &Repositories, act: &dyn Fn(&Kept) -> Result<String>) -> Result {
    let mut found = match &repositories.root {
        Some(root) => found_below(root, &repositories.servers, Naming::ByServer).targets,
        None => targets(&repositories.servers, Layout::Hooks, Naming::ByServer, &Exclude::default())?.targets,
    };
    let others = Others::split(&mut found, repositories.owners)?;
    let mut exit = Exit::Accepted;
    for target in &found {
        let done = Repository::open(&target.path).and_then(|repository| {
            let named = named_ledger(&repository.git_dir);
            act(&Kept { repository, named })
        });
        match done {
            Ok(words) => print(&format!("{}: {words}\n", target.path.display()))?,
            Err(failure) => {
                say(&format!("error: {}: {}", target.path.display(), failure.message));
                say_hint(failure.hint.as_deref().unwrap_or_default());
                exit = Exit::Rejected;
            }
        }
    }
    others.run(&[], Printed::Shown)?;
    Ok(exit)
}

impl Kept {
    fn directory(&self) -> PathBuf {
        ledger_directory(&self.named, &self.repository.dir)
    }

    fn place(&self) -> Result<Place> {
        Place::of(&self.repository.dir.common_dir).map_err(Failure::new)
    }

    fn ledger(&self) -> Result<Ledger> {
        let ledger = Ledger::open(&self.directory()).map_err(failed)?;
        Ok(ledger.serving(self.place()?, installed_at(&self.named)))
    }
}

impl Kept {
    fn log_bytes(&self) -> Result<u64> {
        let log = self.directory().join("log");
        log.on_disk()
            .metadata()
            .map(|log| log.len())
            .map_err(|error| Failure::new(format!("{}: {error}", log.display())))
    }

    fn change_key(&self) -> Result<()> {
        let key = PrivateKey::from_seed(&random_seed()?).map_err(Failure::new)?;
        Ledger::change_key(&self.directory(), key, now()?).map_err(failed)
    }
}

fn rotated(kept: &Kept) -> Result<String> {
    let closed = kept.ledger()?.rotate(now()?).map_err(failed)?;
    let Closed { generation, size, root, directory } = closed;
    Ok(format!(
        "generation {generation} is closed: {}, root sha256:{root}, in {}",
        plural(size, "entry"),
        directory.display()
    ))
}

fn failed(error: LedgerError) -> Failure {
    match error {
        LedgerError::Moved { .. } | LedgerError::Copied { .. } => {
            let hint = error.hint();
            Failure::new(error).hint(hint)
        }
        error => ledger_failure(&error),
    }
}

/// What is printed of a repository without a ledger, or of one that knows already what it is told.
const NOTHING: &str = "nothing to adopt";

fn moved(kept: &Kept) -> Result<String> {
    match Ledger::adopt_moved(&kept.directory(), kept.place()?, now()?) {
        Ok(true) => Ok("its ledger goes on here, with all that it knows".to_owned()),
        Ok(false) | Err(LedgerError::Absent(_)) => Ok(NOTHING.to_owned()),
        Err(error) => Err(failed(error)),
    }
}

fn copied(kept: &Kept) -> Result<String> {
    let (place, own) = (kept.place()?, kept.repository.dir.common_dir.join(LEDGER));
    let directory = match kept.directory() {
        // A ledger outside of the repository is the original's, and stays so.
        outside if !is_within(&outside, &kept.repository.dir.common_dir) => {
            let original = Ledger::open(&outside).map_err(failed)?;
            if original.is_kept_for(&place) {
                return Ok(NOTHING.to_owned());
            }
            if !own.on_disk().exists() {
                original.copy_to(&own).map_err(failed)?;
            }
            own
        }
        inside => inside,
    };
    let key = PrivateKey::from_seed(&random_seed()?).map_err(Failure::new)?;
    let installed_at = installed_at(&kept.named);
    match Ledger::adopt_copy(&directory, (place, installed_at.as_deref()), key, now()?) {
        Ok(true) => Ok("it goes on with a ledger of its own, which knows what has landed".to_owned()),
        Ok(false) | Err(LedgerError::Absent(_)) => Ok(NOTHING.to_owned()),
        Err(error) => Err(failed(error)),
    }
}

fn is_within(path: &Path, directory: &Path) -> bool {
    let real = |path: &Path| path.on_disk().canonicalize().unwrap_or_else(|_| path.to_owned());
    real(path).starts_with(real(directory))
}

fn unspent(kept: &Kept) -> Result<String> {
    let ledger = kept.ledger()?;
    let stored = kept.repository.stored_approvals()?;
    ledger.presume_unspent(now()?, &stored).map_err(failed)?;
    let (count, verb) = (plural(stored.len(), "stored approval"), if stored.len() == 1 { "counts" } else { "count" });
    Ok(format!("{count} {verb}, unless a decision says that they landed"))
}

fn clock(kept: &Kept) -> Result<String> {
    match kept.ledger()?.set_clock(now()?).map_err(failed)? {
        0 => Ok("its ledger is not ahead of the clock".to_owned()),
        seconds => Ok(format!("its ledger was {} ahead, and goes on as the clock says", plural(seconds, "second"))),
    }
}

fn repaired(kept: &Kept, from: Option<&Path>) -> Result<String> {
    let directory = kept.directory();
    let ledger = Ledger::open(&directory).or_else(|error| match (&error, from) {
        // Nothing is left of the log.
        (LedgerError::Shorter { .. }, Some(copy)) => Ledger::open_as(&directory, copy),
        _ => Err(error),
    });
    let ledger = ledger.map_err(failed)?;
    let numbers = ledger.repair(from).map_err(failed)?;
    ledger.state().map_err(failed)?;
    let numbers: Vec<String> = numbers.iter().map(u64::to_string).collect();
    Ok(match numbers.as_slice() {
        [] => "its ledger is whole".to_owned(),
        _ => format!("put right: {}; what stood there is kept beside the log, as damaged-NUMBER", numbers.join(", ")),
    })
}
