//! Whom a server's git, and so its hooks, run as: the user that owns the repository. What root can read and run, that user may not;
//! what root writes, that user cannot; and what root opens in that user's directories may be a link to anything. So an admin's
//! command that root runs about another's repository is run as that other.

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Failure, Result};

/// The user that owns a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Owner {
    uid: u32,
    gid: u32,
}

impl Owner {
    /// The owner of a repository.
    pub(super) fn of(repository: &Path) -> std::io::Result<Self> {
        let found = repository.metadata()?;
        Ok(Self { uid: found.uid(), gid: found.gid() })
    }

    /// Whether this process is root's, and the repository is not.
    pub(super) fn is_another(self) -> bool {
        self.uid != 0 && rustix::process::geteuid().is_root()
    }

    /// Whether this process runs as the owner.
    pub(super) fn is_this(self) -> bool {
        self.uid == rustix::process::geteuid().as_raw()
    }

    /// This program as the owner, in their home, with their groups, and with no more of this process's environment than they need.
    pub(super) fn command(self, words: &[OsString]) -> Result<Command> {
        let program = std::env::current_exe().map_err(Failure::new)?;
        let user = User::find(self.uid);
        let mut command = match (on_path("setpriv"), &user) {
            // setpriv(1) gives the further groups of the user, which the standard library cannot.
            (Some(setpriv), Some(_)) => {
                let mut command = Command::new(setpriv);
                command.arg(format!("--reuid={}", self.uid)).arg(format!("--regid={}", self.gid));
                // setpriv starts a program with what root may do, which that program no longer has: a shell asks again as the user.
                command.args(["--init-groups", "--", "/bin/sh", "-c", "exec \"$0\" \"$@\""]).arg(program);
                command
            }
            _ => {
                let mut command = Command::new(program);
                command.uid(self.uid).gid(self.gid);
                command
            }
        };
        command.args(words).current_dir("/").env_clear();
        for kept in ["PATH", "LANG", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM"] {
            command.envs(std::env::var_os(kept).map(|value| (kept, value)));
        }
        command.env("HOME", user.map_or_else(|| PathBuf::from("/"), |user| user.home));
        Ok(command)
    }

    /// Becomes this command line, as the owner. Returns only why it could not.
    pub(super) fn become_owner(self, paths: &[PathBuf]) -> Failure {
        match self.command(&command_line(paths)) {
            Ok(mut command) => self.may_not_run(&command.exec()),
            Err(failure) => failure,
        }
    }

    /// Why this program could not be started as the owner.
    pub(super) fn may_not_run(self, error: &dyn std::fmt::Display) -> Failure {
        let program = std::env::current_exe().unwrap_or_default();
        let shown = program.display();
        Failure::new(format!("user {}, whom git runs as, may not run {shown}: {error}", self.uid)).hint(format!(
            "put it where everybody may run it, cp {shown} /usr/local/bin/, and use that one: /usr/local/bin/countersign"
        ))
    }
}

/// The words of this command line, with these paths in it as they are from everywhere.
pub(super) fn command_line(paths: &[PathBuf]) -> Vec<OsString> {
    let settled = |word: &OsStr| {
        let path = paths.iter().find(|path| path.as_os_str() == word)?;
        Some(path.canonicalize().unwrap_or_else(|_| path.clone()).into_os_string())
    };
    let word = |word: OsString| {
        let Some((option, value)) = word.to_str().and_then(|text| text.split_once('=')) else {
            return settled(&word).unwrap_or(word);
        };
        let Some(value) = settled(OsStr::new(value)) else { return word };
        let mut word = OsString::from(format!("{option}="));
        word.push(value);
        word
    };
    std::env::args_os().skip(1).map(word).collect()
}

impl std::fmt::Display for Owner {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match User::find(self.uid) {
            Some(user) => write!(out, "{}", user.name),
            None => write!(out, "user {}", self.uid),
        }
    }
}

/// A user of this machine (passwd(5)).
struct User {
    name: String,
    home: PathBuf,
}

impl User {
    fn find(uid: u32) -> Option<Self> {
        // getent(1) asks also where users are that are in no file.
        let asked = Command::new("getent").args(["passwd", &uid.to_string()]).stdin(Stdio::null()).output();
        let listed = asked.ok().filter(|output| output.status.success()).map(|output| output.stdout);
        let users = listed.or_else(|| std::fs::read("/etc/passwd").ok())?;
        String::from_utf8_lossy(&users).lines().find_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let own = fields.get(2)?.parse() == Ok(uid);
            own.then_some(Self { name: (*fields.first()?).to_owned(), home: PathBuf::from(fields.get(5)?) })
        })
    }
}

/// A program of the search path.
pub(super) fn on_path(name: impl AsRef<OsStr>) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(name.as_ref())).find(|path| may_execute(path))
}

/// Whether this process may run a file, or pass through a directory: as git asks before it runs a hook (access(2)), so that also
/// what is mounted `noexec` counts as no.
pub(super) fn may_execute(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}

/// Whether this process may write to a file or directory.
pub(super) fn may_write(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok()
}
