//! Whose commit is being made: what the first hook of a commit leaves for the later ones.
//!
//! Several processes commit in one clone at the same time, and HEAD, the index and the file of the message are all of theirs. What is
//! a process's own is the process: the nearest git above the hook. So the first hook of a commit (prepare-commit-msg, which git runs
//! also in a rebase, a cherry-pick, a revert, and with `--no-verify`) writes down under its name on what HEAD stood, and the last
//! (post-commit) touches HEAD only where it is the commit that was made from there.
//!
//! From its first hook to its last, or from the end of its editor, a commit also has its [`Turn`]: others wait for it a moment, so that
//! the message that git reads again is the one that was sealed. It is a courtesy that ends by itself; nothing is decided by it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::core::oid::Oid;
use crate::core::seal::SealValue;
use crate::desk::ancestry::{GitProcess, Process, git_process, is_above};
use crate::desk::clone::Local;
use crate::desk::sealing::seals_in;
use crate::system::{Configuration, Failure, OnDisk as _, Result, disk, started, threads};

/// Where notes lie in the directory of a worktree.
const DIRECTORY: &str = "countersign/making";

/// The first line of a note, which says how the others are read.
const VERSION: &str = "countersign note 1";

/// The keys of git's configuration that the hooks of a commit ask for.
const ASKED: [&str; 12] = [
    "core.commentchar",
    "core.commentstring",
    "core.hookspath",
    "core.repositoryformatversion",
    "commit.gpgsign",
    "extensions.objectformat",
    "gpg.format",
    "gpg.ssh.defaultkeycommand",
    "gpg.ssh.program",
    "i18n.commitencoding",
    "user.signingkey",
    "user.email",
];

/// What is known of a commit that is being made.
pub(crate) struct Note {
    /// The git that makes it.
    pub(crate) git: GitProcess,
    /// What HEAD was.
    pub(crate) head: Option<Oid>,
    /// The tree that it will have, and its parents, as far as they could be told.
    pub(crate) tree: Option<Oid>,
    pub(crate) parents: Vec<Oid>,
    /// Its message as the last hook left it, where no editor is to come.
    pub(crate) message: Vec<u8>,
    /// Git's configuration when it began.
    pub(crate) configuration: Configuration,
    path: PathBuf,
}

impl Note {
    /// Begins the note of this process's commit. Those of commits that came to nothing are taken away.
    pub(crate) fn begin(local: &Local, configuration: Configuration) -> Result<Self> {
        let git = git_process();
        let head = local.refs.value("HEAD").map_err(Failure::new)?;
        let path = path_of(local, git.process);
        remove_stale(local);
        Ok(Self { git, head, tree: None, parents: Vec::new(), message: Vec::new(), configuration, path })
    }

    /// The note that an earlier hook of this process's commit has written.
    pub(crate) fn of_this_commit(local: &Local) -> Option<Self> {
        let git = git_process();
        let path = path_of(local, git.process);
        let read = disk::read(&path).ok()?;
        let (text, rest) = split_once(&read, b"\n\n")?;
        let mut lines = std::str::from_utf8(text).ok()?.lines();
        let named = (lines.next() == Some(VERSION)).then(|| lines.next()).flatten()?;
        if named != shown(git.process) {
            return None;
        }
        let id = |text: &str| Oid::parse(text.as_bytes());
        let head = lines.next().and_then(id);
        let tree = lines.next().and_then(id);
        let parents = lines.next().unwrap_or_default().split_whitespace().filter_map(id).collect();
        let length: usize = lines.next()?.parse().ok()?;
        let (message, configuration) = rest.split_at_checked(length)?;
        let (message, configuration) = (message.to_vec(), Configuration::parse(configuration));
        Some(Self { git, head, tree, parents, message, configuration, path })
    }

    /// Writes it for the later hooks.
    pub(crate) fn write(&self) -> Result<()> {
        let shown_id = |id: Option<Oid>| id.map_or_else(|| "none".to_owned(), |id| id.to_string());
        let parents: Vec<String> = self.parents.iter().map(Oid::to_string).collect();
        let text = format!(
            "{VERSION}\n{}\n{}\n{}\n{}\n{}\n\n",
            shown(self.git.process),
            shown_id(self.head),
            shown_id(self.tree),
            if parents.is_empty() { "none".to_owned() } else { parents.join(" ") },
            self.message.len()
        );
        let asked = |key: &str| ASKED.contains(&key) || key.starts_with("countersign.");
        let bytes = [text.as_bytes(), &self.message, &self.configuration.to_bytes(asked)].concat();
        let failed = |error: std::io::Error| Failure::new(format!("cannot write {}: {error}", self.path.display()));
        if let Some(directory) = self.path.parent() {
            disk::create_dir_all(directory).map_err(failed)?;
        }
        disk::write(&self.path, bytes).map_err(failed)
    }

    /// The commit is made: the note has served.
    pub(crate) fn remove(&self) {
        // One that stays is taken away by the next commit.
        let _ = disk::remove_file(&self.path);
    }

    /// Whether words are those of this commit's message, or of them with something added, and no other process's: there is one file for
    /// the messages of all.
    pub(crate) fn is_ours(&self, words: &[u8]) -> bool {
        let lines = |text: &'_ [u8]| text.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>();
        match lines(&self.message).into_iter().find(|line| !line.trim_ascii().is_empty()) {
            // Git takes blanks from the ends of lines.
            Some(subject) => {
                let subject = subject.trim_ascii();
                words.windows(subject.len()).any(|part| part == subject)
            }
            None => true,
        }
    }

    /// The seals that other processes put into the one file of the message, for commits of theirs: where one of them stands in this
    /// process's message, it came there by the file.
    pub(crate) fn strays(&self, local: &Local) -> Vec<SealValue> {
        let others = notes(local).filter(|path| *path != self.path);
        others.filter_map(|path| disk::read(path).ok()).flat_map(|read| seals_in(&read)).collect()
    }
}

fn shown(process: Process) -> String {
    format!("{} {}", process.id, process.began)
}

fn path_of(local: &Local, process: Process) -> PathBuf {
    local.dir.git_dir.join(DIRECTORY).join(process.id.to_string())
}

fn notes(local: &Local) -> impl Iterator<Item = PathBuf> {
    let entries = disk::read_dir(local.dir.git_dir.join(DIRECTORY)).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(TURN)))
}

/// Notes of processes that have ended, but for the last few: the file of the message may still hold a seal of theirs.
fn remove_stale(local: &Local) {
    let mut stale: Vec<(std::time::SystemTime, PathBuf)> = notes(local)
        .filter(|path| process_in(path, 1).is_none_or(|process| !process.runs()))
        .filter_map(|path| Some((path.on_disk().metadata().ok()?.modified().ok()?, path)))
        .collect();
    stale.sort();
    for (_, path) in stale.iter().rev().skip(KEPT) {
        // Another process may have been quicker.
        let _ = disk::remove_file(path);
    }
}

/// As many as may fail at once, and more.
const KEPT: usize = 8;

/// The process that a line of a file names.
fn process_in(path: &Path, line: usize) -> Option<Process> {
    let read = disk::read(path).ok()?;
    let line = read.split(|byte| *byte == b'\n').nth(line)?;
    let (id, began) = std::str::from_utf8(line).ok()?.split_once(' ')?;
    Some(Process { id: id.parse().ok()?, began: began.parse().ok()? })
}

fn split_once<'a>(bytes: &'a [u8], by: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes.windows(by.len()).position(|window| window == by)?;
    Some((bytes.get(..at)?, bytes.get(at.checked_add(by.len())?..)?))
}

/// The name of the file that says whose turn it is.
const TURN: &str = "turn";

/// One commit's turn in a worktree.
pub(crate) struct Turn;

/// How long a commit waits for another's turn: a commit takes some hundredths of a second, but one that asks for a passphrase or a touch
/// takes as long as its person.
const PATIENCE: Duration = Duration::from_secs(2);

impl Turn {
    /// Takes the turn for a git process, when whoever has it is done or gone, or after a moment without it. What a commit's own hooks
    /// commit does not wait for it.
    pub(crate) fn take(local: &Local, process: Process) {
        let path = local.dir.git_dir.join(DIRECTORY).join(TURN);
        // Complete when it appears: a file that is there and says nothing would be waited for.
        let own = path.with_extension(std::process::id().to_string());
        let made = path.parent().is_some_and(|directory| disk::create_dir_all(directory).is_ok());
        if !made || disk::write(&own, format!("{}\n", shown(process))).is_err() {
            return;
        }
        let since = started();
        while since.elapsed() < PATIENCE {
            match disk::hard_link(&own, &path) {
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                // It is taken, or this file system has no turns.
                Ok(()) | Err(_) => break,
            }
            match process_in(&path, 0) {
                Some(holder) if holder == process || is_above(holder) => break,
                Some(holder) if !holder.runs() => Self::clear(&path, holder),
                Some(_) | None => threads::sleep(Duration::from_millis(3)),
            }
        }
        let _ = disk::remove_file(own);
    }

    /// Takes away what a process has left that is gone, unless somebody else was quicker.
    fn clear(path: &Path, holder: Process) {
        let aside = path.with_extension(format!("{}.gone", std::process::id()));
        if disk::rename(path, &aside).is_ok() {
            if process_in(&aside, 0) != Some(holder) {
                // It was another's by then, who gets it back unless a third has it.
                let _ = disk::hard_link(&aside, path);
            }
            let _ = disk::remove_file(&aside);
        }
    }

    /// Ends it, if it is this process's.
    pub(crate) fn end(local: &Local, process: Process) {
        let path = local.dir.git_dir.join(DIRECTORY).join(TURN);
        if process_in(&path, 0) == Some(process) {
            let _ = disk::remove_file(path);
        }
    }
}
