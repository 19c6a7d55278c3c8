//! `countersign log verify`: whether a ledger is whole, and the refs are where it left them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::checkpoint::parsed;
use super::lines::{shown, value};
use super::place::{Found, Place};
use crate::core::canonical::CanonicalOid;
use crate::core::digest::Digest;
use crate::core::oid::{ObjectFormat, Oid};
use crate::core::report::escape;
use crate::core::ssh::PublicKey;
use crate::core::text::plural;
use crate::gate::recording::{ServerRefs, ledger_failure};
use crate::ledger::{self, Continues, CurrentRefs, Entry, Leaves, LedgerError, Signatures, Verified};
use crate::store::{GitDir, Refs};
use crate::system::{Exit, Failure, OnDisk as _, Progress, Result, disk, print, say, say_hint};

pub(crate) struct Verify {
    pub(crate) place: Place,
    /// The public key that the ledger must be signed with, kept since install in another place: a file, or its line
    pub(crate) key: Option<PathBuf>,
    /// The root that the ledger had with as many entries as --size says, kept since then in another place
    pub(crate) root: Option<Digest>,
    /// The number of entries that the ledger must have had, and has at least now
    pub(crate) size: Option<u64>,
    /// A signed checkpoint of the log, kept since then in another place: the log of today, or a generation of it, begins with what it is over
    pub(crate) since: Option<PathBuf>,
}

pub(crate) fn run(verify: &Verify) -> Result {
    let mut exit = Exit::Accepted;
    for found in verify.place.find()? {
        match check(verify, &found) {
            Ok(()) => print(&format!("{}: holds\n", found.directory.display()))?,
            Err(Wrong::Ledger(failure)) => {
                say(&format!("error: {}: {}", found.directory.display(), failure.message));
                say_hint(failure.hint.as_deref().unwrap_or_default());
                print(&format!("{}: does not hold\n", found.directory.display()))?;
                exit = Exit::Rejected;
            }
            Err(Wrong::CannotTell(failure)) => return Err(failure),
        }
    }
    Ok(exit)
}

/// Why a ledger does not pass.
enum Wrong {
    /// The ledger is not what it should be.
    Ledger(Failure),
    /// It could not be read.
    CannotTell(Failure),
}

fn check(verify: &Verify, found: &Found) -> std::result::Result<(), Wrong> {
    let verified = read(&found.directory)?;
    if let Some(path) = &verify.key {
        // The line itself stands here where root has read the file for the ledger's owner.
        let line = path.to_str().filter(|text| text.contains(' ') && PublicKey::parse_line(text).is_ok());
        let text = line.map_or_else(|| disk::read_to_string(path), |line| Ok(line.to_owned()));
        let text = text
            .map_err(|error| Wrong::CannotTell(Failure::new(format!("the public key {}: {error}", path.display()))))?;
        let (key, _) = PublicKey::parse_line(&text).map_err(|error| Wrong::CannotTell(Failure::new(error)))?;
        if key != verified.key {
            let failure = Failure::new(format!("it is signed with {}, another key", verified.key.fingerprint()));
            return Err(Wrong::Ledger(failure.hint("somebody has made a ledger of their own in its place")));
        }
    }
    print(&summary(&verified)).map_err(Wrong::CannotTell)?;
    check_before(&found.directory, &verified)?;
    check_size(verify, found, verified.size)?;
    if let Some(path) = &verify.since {
        check_since(path, found)?;
    }
    if verified.torn > 0 {
        let message = match verified.torn {
            1 => "the last byte is what a crash left of an entry".to_owned(),
            torn => format!("the last {torn} bytes are what a crash left of an entry"),
        };
        return Err(Wrong::Ledger(Failure::new(message).hint("the next push cuts them off and says so in an entry")));
    }
    for name in verified.state.unexplained() {
        say(&format!("warning: {} moved with no decision, and no admin has said that it is right", shown(name)));
    }
    match &found.git_dir {
        Some(git_dir) => check_refs(git_dir, &verified.state),
        None => Ok(()),
    }
}

fn summary(verified: &Verified) -> String {
    let Verified { repository, size, key, root, state, .. } = verified;
    let generation = match state.generation() {
        0 => String::new(),
        number => format!("generation {number}, "),
    };
    format!(
        "{repository}: {generation}{}, each signed by {}, root sha256:{root}\n",
        plural(*size, "entry"),
        key.fingerprint()
    )
}

/// Holds the generations before against what the log says that it goes on from, as far back as they are there.
fn check_before(directory: &Path, last: &Verified) -> std::result::Result<(), Wrong> {
    let mut later = last.continues.clone().map(|continues| (continues, last.first_key.clone()));
    while let Some((continues, key)) = later {
        let number = continues.generation.saturating_sub(1);
        let before = ledger::generation(directory, number);
        if !before.join("log").on_disk().exists() {
            let Continues { size, root, .. } = continues;
            let line = format!("generation {number} is not here: {}, root {root}\n", plural(size, "entry"));
            return print(&line).map_err(Wrong::CannotTell);
        }
        let verified = read(&before)?;
        let is_it = (verified.size, verified.root) == (continues.size, continues.root.0)
            && verified.key == key
            && verified.repository == last.repository;
        if !is_it {
            let message = format!("generation {number} is another than the one that the next goes on from");
            return Err(Wrong::Ledger(Failure::new(message).hint("restore its log from where it was archived")));
        }
        print(&summary(&verified)).map_err(Wrong::CannotTell)?;
        later = verified.continues.map(|continues| (continues, verified.first_key));
    }
    Ok(())
}

fn read(directory: &Path) -> std::result::Result<Verified, Wrong> {
    let progress = Progress::new("entries verified", None);
    let read = ledger::read(directory, Signatures::All, &mut |number, _, _| progress.at(number));
    drop(progress);
    read.map_err(|error| match error {
        LedgerError::Corrupt { .. } | LedgerError::Shorter { .. } => {
            let hint = error.hint();
            Wrong::Ledger(Failure::new(error).hint(hint))
        }
        error => Wrong::CannotTell(ledger_failure(&error)),
    })
}

/// Holds the ledger against what it was once: a copy that was cut short verifies by itself.
fn check_size(verify: &Verify, found: &Found, size: u64) -> std::result::Result<(), Wrong> {
    let Some(expected) = verify.size else { return Ok(()) };
    if size < expected {
        let failure = Failure::new(format!("it has {}, and had {expected}: it was cut short", plural(size, "entry")));
        return Err(Wrong::Ledger(failure.hint("restore it from a backup that has them all")));
    }
    let Some(root) = verify.root else { return Ok(()) };
    let was = ledger::root_at(&found.directory, expected).map_err(|error| Wrong::CannotTell(ledger_failure(&error)))?;
    if was == Some(root) {
        return Ok(());
    }
    let failure = Failure::new(format!("with {} its root is another than sha256:{root}", plural(expected, "entry")));
    Err(Wrong::Ledger(failure.hint("somebody has made other entries in the place of those")))
}

/// Holds the ledger against a checkpoint of it: whoever holds its key could have written another log since.
fn check_since(path: &Path, found: &Found) -> std::result::Result<(), Wrong> {
    let kept = parsed(path).map_err(Wrong::CannotTell)?;
    let mut signers = Vec::new();
    for log in ledger::generations(&found.directory).iter().map(PathBuf::as_path).chain([found.directory.as_path()]) {
        let mut keys = Vec::new();
        let leaves = Leaves::read(log, &mut |_, json| keys.extend(key_in(json)));
        let leaves = leaves.map_err(|error| Wrong::CannotTell(ledger_failure(&error)))?;
        let is_signed = keys.iter().any(|key| kept.verify(key).is_ok());
        if is_signed && leaves.root_at(kept.size) == Some(kept.root) {
            let line = format!("the checkpoint of {} entries: this log goes on from it\n", kept.size);
            return print(&line).map_err(Wrong::CannotTell);
        }
        signers.push(is_signed);
    }
    let (message, hint) = if signers.contains(&true) {
        let message = format!("the ledger's key signed another log of {} entries than this one", kept.size);
        (
            message,
            "somebody has made other entries in the place of those, or cut the log: keep the checkpoint as evidence",
        )
    } else {
        (
            "no key of this ledger has signed the checkpoint".to_owned(),
            "it is of another ledger, or of a generation that is not here",
        )
    };
    Err(Wrong::Ledger(Failure::new(message).hint(hint)))
}

/// The key that an entry says signs the log, or a part of it.
fn key_in(json: &str) -> Option<PublicKey> {
    let names_one = json.starts_with("{\"kind\":\"opened\"") || json.starts_with("{\"kind\":\"rekeyed\"");
    let entry = names_one.then(|| serde_json::from_str(json).ok()).flatten()?;
    let line = match entry {
        Entry::Opened(opened) => opened.key,
        Entry::Rekeyed(rekeyed) => rekeyed.key,
        _ => return None,
    };
    PublicKey::parse_line(&line).ok().map(|(key, _)| key)
}

/// Holds the refs of the repository against the last value that the ledger has of each.
fn check_refs(git_dir: &Path, state: &ledger::State) -> std::result::Result<(), Wrong> {
    let cannot = |error: &dyn std::fmt::Display| Wrong::CannotTell(Failure::new(error));
    let dir = GitDir::at(git_dir).map_err(|error| cannot(&error))?;
    let known = state.replayed();
    let format = known.values().next().map_or(ObjectFormat::Sha1, Oid::format);
    let refs = Refs::open(&dir, format).map_err(|error| cannot(&error))?;
    let now = ServerRefs(&refs).all().map_err(|error| cannot(&error))?;
    let mut wrong = 0;
    let names: BTreeSet<&Vec<u8>> = known.keys().chain(now.keys()).collect();
    for name in names {
        let (last, current) = (known.get(name).copied(), now.get(name).copied());
        if last != current && !state.lands(name, current).map_err(|error| cannot(&error))? {
            wrong += 1;
            let name = escape(name, 200);
            say(&format!(
                "error: {name} is at {}, and the ledger's last value is {}",
                value(current.map(CanonicalOid)),
                value(last.map(CanonicalOid))
            ));
        }
    }
    if wrong == 0 {
        return Ok(());
    }
    let failure = Failure::new(match wrong {
        1 => "1 ref is not where the ledger left it".to_owned(),
        _ => format!("{wrong} refs are not where the ledger left them"),
    });
    Err(Wrong::Ledger(failure.hint("the next push records them as moved with no decision")))
}
