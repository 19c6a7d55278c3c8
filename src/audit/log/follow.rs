//! `countersign log follow`: what is new in all ledgers of a server, for a collector. How far each was read is kept in a file, so that
//! after a restart it goes on where it was: a line comes at least once, and twice where the machine went down between it and the file.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::{BufReader, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::formats::Format;
use crate::core::canonical::Time;
use crate::core::decide::Timestamp;
use crate::gate::recording::ledger_failure;
use crate::ledger::{self, LedgerError, Position};
use crate::server::{Layout, Owners, installed_ledger, named, resolved};
use crate::system::process::in_memory;
use crate::system::users::{AT_ONCE, Owner};
use crate::system::{Exit, Failure, OnDisk as _, Result, disk, files, print, say, stdin, threads};

pub(crate) struct Follow {
    /// Repositories of a server, or directories that hold them
    pub(crate) servers: Vec<PathBuf>,
    /// Where it is kept how far each ledger was read
    pub(crate) cursor: PathBuf,
    pub(crate) format: Format,
    /// Seconds from one round to the next
    pub(crate) interval: u64,
    /// One round, and no more
    pub(crate) once: bool,
    /// Whose repositories this process sees to
    pub(crate) owners: Owners,
}

/// How far a ledger was read, and which it was.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Cursor {
    ledger: PathBuf,
    /// What stat(2) said of the hooks that name it.
    hooks: String,
    #[serde(flatten)]
    at: Position,
}

/// The cursors by the paths of their repositories.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Cursors {
    schema: u32,
    repositories: BTreeMap<String, Cursor>,
}

/// What the lines begin with that root reads from a process that it started: a line for the collector, or where it is now.
const LINE: &str = "> ";
const CURSORS: &str = "= ";

struct Follower<'a> {
    follow: &'a Follow,
    cursors: Cursors,
    /// What was told already, of those that still hold.
    told: BTreeSet<String>,
    now: BTreeSet<String>,
}

pub(crate) fn run(follow: &Follow) -> Result {
    let cursors = if follow.by_root() { given()? } else { kept(&follow.cursor)? };
    let mut follower = Follower { follow, cursors, told: BTreeSet::new(), now: BTreeSet::new() };
    loop {
        let before = follower.cursors.clone();
        follower.round()?;
        if follow.by_root() {
            let text = serde_json::to_string(&follower.cursors).map_err(Failure::new)?;
            print(&format!("{CURSORS}{text}\n"))?;
        } else if follower.cursors != before {
            follower.keep()?;
        }
        if follow.once {
            return Ok(if follower.told.is_empty() { Exit::Accepted } else { Exit::Rejected });
        }
        threads::sleep(Duration::from_secs(follow.interval));
    }
}

impl Follow {
    /// Whether root started this, for the repositories of one owner.
    fn by_root(&self) -> bool {
        self.owners == Owners::This
    }
}

/// The cursors that root hands over.
fn given() -> Result<Cursors> {
    let mut text = String::new();
    stdin().read_to_string(&mut text).map_err(Failure::new)?;
    serde_json::from_str(&text).map_err(Failure::new)
}

/// The cursors of a file; none where there is no file yet.
fn kept(path: &Path) -> Result<Cursors> {
    let failed = |error: &dyn std::fmt::Display| Failure::new(format!("the cursor {}: {error}", path.display()));
    let text = match disk::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Cursors { schema: crate::core::report::SCHEMA, ..Cursors::default() });
        }
        Err(error) => return Err(failed(&error)),
    };
    let cursors: Cursors = serde_json::from_slice(&text).map_err(|error| failed(&error))?;
    if cursors.schema == crate::core::report::SCHEMA {
        Ok(cursors)
    } else {
        Err(failed(&"it was written by a newer version"))
    }
}

impl Follower<'_> {
    fn keep(&self) -> Result<()> {
        let text = serde_json::to_string(&self.cursors).map_err(Failure::new)?;
        let path = &self.follow.cursor;
        files::replace(path, text.as_bytes(), 0o600)
            .map_err(|error| Failure::new(format!("cannot write {}: {error}", path.display())))
    }

    fn round(&mut self) -> Result<()> {
        let mut others: BTreeMap<Owner, Vec<PathBuf>> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for server in &self.follow.servers {
            let found = named(server)?.repositories;
            for git_dir in found.iter().filter_map(|path| resolved(path)?.on_disk().canonicalize().ok()) {
                // One that is gone meanwhile is not there any more.
                let Ok(owner) = Owner::of(&git_dir) else { continue };
                if !seen.insert(git_dir.clone()) {
                    continue;
                }
                if owner.is_another() {
                    others.entry(owner).or_default().push(git_dir);
                } else if !self.follow.by_root() || owner.is_this() {
                    self.repository(&git_dir)?;
                }
            }
        }
        for (owner, repositories) in others {
            for some in repositories.chunks(AT_ONCE) {
                self.as_owner(owner, some)?;
            }
        }
        self.told = std::mem::take(&mut self.now);
        Ok(())
    }

    /// Says once what is wrong, as long as it stays so.
    fn tell(&mut self, what: String) {
        if !self.told.contains(&what) && !self.now.contains(&what) {
            say(&format!("error: {what}"));
        }
        self.now.insert(what);
    }

    fn repository(&mut self, git_dir: &Path) -> Result<()> {
        let Some(name) = git_dir.to_str().map(str::to_owned) else {
            self.tell(format!("{}: its path is not UTF-8", git_dir.display()));
            return Ok(());
        };
        let hooks = stamp(git_dir);
        let known = self.cursors.repositories.get(&name).filter(|cursor| cursor.hooks == hooks);
        let ledger = known.map_or_else(|| installed_ledger(git_dir), |cursor| cursor.ledger.clone());
        let at = self
            .cursors
            .repositories
            .get(&name)
            .filter(|cursor| cursor.ledger == ledger)
            .map(|cursor| cursor.at.clone());
        let at = at.unwrap_or_default();
        let size = ledger.join("log").on_disk().metadata().map(|log| log.len());
        if size.is_ok_and(|size| size == at.bytes) && known.is_some() {
            return Ok(());
        }
        let (mut failure, mut latest) = (None, Time(Timestamp(0)));
        let read = ledger::read_on_over(&ledger, at, &mut |repository, number, entry| {
            latest = entry.time().map_or(latest, Time);
            let lines = self.follow.format.lines(repository, number, entry, latest);
            failure = self.follow.put(&lines).err();
            failure.is_none()
        });
        match (failure, read) {
            (Some(failure), _) => return Err(failure),
            (None, Ok(at)) => drop(self.cursors.repositories.insert(name, Cursor { ledger, hooks, at })),
            // It is not installed, or has had no push yet.
            (None, Err(LedgerError::Absent(_))) => {}
            (None, Err(error)) => {
                let hint = "where it was restored from a backup, take it out of the cursor's file, and it is read from its beginning";
                self.tell(format!("{name}: {}\nhint: {hint}", ledger_failure(&error).message));
            }
        }
        Ok(())
    }

    /// Lets this program read, run as the owner of these repositories.
    fn as_owner(&mut self, owner: Owner, repositories: &[PathBuf]) -> Result<()> {
        let format = self.follow.format.word();
        let words = ["log", "follow", "--own-only", "--once", "--cursor", "-", "--format", format, "--server"];
        let mut words: Vec<OsString> = words.map(OsString::from).into();
        words.extend(repositories.iter().map(|path| path.clone().into_os_string()));
        let names: BTreeSet<&str> = repositories.iter().filter_map(|path| path.to_str()).collect();
        let mine = self.cursors.repositories.iter().filter(|(name, _)| names.contains(name.as_str()));
        let mine = mine.map(|(name, cursor)| (name.clone(), cursor.clone())).collect();
        let given = Cursors { schema: self.cursors.schema, repositories: mine };
        let given = serde_json::to_vec(&given).map_err(Failure::new)?;
        let mut command = owner.command(&words)?;
        command.stdin(Stdio::from(in_memory(&given).map_err(Failure::new)?)).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| owner.may_not_run(&error))?;
        let mut answered = false;
        for line in child.stdout.take().map(BufReader::new).into_iter().flat_map(std::io::BufRead::lines) {
            let line = line.map_err(Failure::new)?;
            if let Some(line) = line.strip_prefix(LINE) {
                print(&format!("{line}\n"))?;
            } else if let Some(text) = line.strip_prefix(CURSORS) {
                let new: Cursors = serde_json::from_str(text).map_err(Failure::new)?;
                self.cursors
                    .repositories
                    .extend(new.repositories.into_iter().filter(|(name, _)| names.contains(name.as_str())));
                answered = true;
            }
        }
        let status = child.wait().map_err(Failure::new)?;
        if !answered || !status.success() {
            self.tell(format!("not all ledgers of {owner} were read"));
        }
        Ok(())
    }
}

impl Follow {
    /// Prints lines for the collector, or for root, who passes them on.
    fn put(&self, lines: &str) -> Result<()> {
        if self.by_root() {
            let marked: String = lines.lines().map(|line| format!("{LINE}{line}\n")).collect();
            return print(&marked);
        }
        print(lines)
    }
}

/// What changes when another hook comes, which may name another ledger.
fn stamp(git_dir: &Path) -> String {
    let hooks = Layout::in_repository().map(|layout| layout.path(git_dir, "pre-receive"));
    let stamps = hooks.filter_map(|hook| hook.on_disk().metadata().ok());
    stamps
        .map(|found| format!("{}.{}.{}", found.ino(), found.mtime(), found.mtime_nsec()))
        .collect::<Vec<_>>()
        .join(" ")
}
