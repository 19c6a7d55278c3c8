//! Whom a server's git, and so its hooks, run as: the user that owns the repository. What root can read and run, that user may not;
//! what root writes, that user cannot; and what root opens in that user's directories may be a link to anything. So an admin's
//! command that root runs about another's repository is run as that other.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::system::{Failure, Result};

/// The user that owns a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Owner {
    uid: u32,
}

impl Owner {
    /// The owner of a repository.
    pub(crate) fn of(repository: &Path) -> std::io::Result<Self> {
        Ok(Self { uid: repository.metadata()?.uid() })
    }

    /// Whether this is the user's number.
    pub(crate) fn is(self, uid: u32) -> bool {
        self.uid == uid
    }

    /// Whether this process is root's, and the repository is not.
    pub(crate) fn is_another(self) -> bool {
        self.uid != 0 && rustix::process::geteuid().is_root()
    }

    /// Whether this process runs as the owner.
    pub(crate) fn is_this(self) -> bool {
        self.uid == rustix::process::geteuid().as_raw()
    }

    /// This program as the owner: in their home, with their groups, away from this terminal, which they could type into, and with no
    /// more of this process's environment than they need.
    pub(crate) fn command(self, words: &[OsString]) -> Result<Command> {
        let program = std::env::current_exe().map_err(Failure::new)?;
        let user = User::find(self.uid);
        let tool = |name: &str| {
            let none = || {
                Failure::new(format!(
                    "{name} is not on the path, and is needed to do this as the owner of the repository"
                ))
            };
            on_path(name).ok_or_else(|| none().hint(format!("install util-linux, or run this as the owner, {self}")))
        };
        let mut command = Command::new(tool("setsid")?);
        command.arg("--wait").arg(tool("setpriv")?).arg(format!("--reuid={}", self.uid));
        match &user {
            Some(user) => command.arg(format!("--regid={}", user.gid)).arg("--init-groups"),
            None => command.args(["--regid=65534", "--clear-groups"]),
        };
        // setpriv starts a program with what root may do, which that program no longer has: a shell asks again as the user.
        command.args(["--", "/bin/sh", "-c", "exec \"$0\" \"$@\""]).arg(program);
        command.args(words).current_dir("/").env_clear();
        for kept in ["PATH", "LANG", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM"] {
            command.envs(std::env::var_os(kept).map(|value| (kept, value)));
        }
        command.env("HOME", user.map_or_else(|| PathBuf::from("/nonexistent"), |user| user.home));
        Ok(command)
    }

    /// Becomes this command line, as the owner. Returns only why it could not.
    pub(crate) fn become_owner(self, repositories: &[PathBuf]) -> Failure {
        match self.command(&command_line(repositories)) {
            Ok(mut command) => self.may_not_run(&command.exec()),
            Err(failure) => failure,
        }
    }

    /// Why this program could not be started as the owner.
    pub(crate) fn may_not_run(self, error: &dyn std::fmt::Display) -> Failure {
        let program = std::env::current_exe().unwrap_or_default();
        let shown = program.display();
        Failure::new(format!("user {}, whom git runs as, may not run {shown}: {error}", self.uid)).hint(format!(
            "put it where everybody may run it, and use that one:\ncp {shown} /usr/local/bin/countersign"
        ))
    }
}

/// The user of a number.
impl From<u32> for Owner {
    fn from(uid: u32) -> Self {
        Self { uid }
    }
}

/// The user that this process runs as.
pub(crate) fn current_user() -> Owner {
    Owner { uid: rustix::process::geteuid().as_raw() }
}

/// Repositories that stand on one command line, which takes 2 MiB on Linux (execve(2)).
pub(crate) const AT_ONCE: usize = 4000;

/// Options whose values are paths.
const PATHS: [&str; 9] =
    ["--policy", "--ledger", "--out", "--from", "--checkpoint", "--cosignature", "--tiles", "--html", "--csv"];

/// The words of this command line about these repositories, with paths as they are from everywhere, and with what a key's file holds in
/// the place of the file: the owner of a repository may not reach it.
pub(crate) fn command_line(repositories: &[PathBuf]) -> Vec<OsString> {
    let mut words = Vec::new();
    let mut option = String::new();
    for word in std::env::args_os().skip(1) {
        let bytes = word.as_bytes();
        if !bytes.starts_with(b"--") {
            words.extend(settled(&option, &word));
            continue;
        }
        let equals = bytes.iter().position(|byte| *byte == b'=').unwrap_or(bytes.len());
        let (name, value) = bytes.split_at(equals);
        option = String::from_utf8_lossy(name).into_owned();
        if option != "--server" {
            words.push(OsString::from(option.clone()));
        }
        words.extend(value.strip_prefix(b"=").and_then(|value| settled(&option, OsStr::from_bytes(value))));
    }
    words.push("--server".into());
    words.extend(repositories.iter().map(|path| path.clone().into_os_string()));
    words
}

/// A value of an option as it is from everywhere; `None` for a repository, which is named otherwise.
fn settled(option: &str, value: &OsStr) -> Option<OsString> {
    let same = || Some(value.to_owned());
    match option {
        "--server" => None,
        "--key" => std::fs::read_to_string(value).map_or_else(|_| same(), |text| Some(OsString::from(text.trim()))),
        "--out" | "--html" if value == "-" => same(),
        // Of `log verify` a file, of others a time.
        "--since" if !Path::new(value).is_file() => same(),
        "--since" => settled("--from", value),
        "--policy" if value.as_bytes().starts_with(b"ref:") => same(),
        option if PATHS.contains(&option) => {
            let path = Path::new(value);
            // Without `..`, which is another directory once it is looked at from elsewhere; links stay links.
            let real = path.parent().and_then(|parent| Path::new(".").join(parent).canonicalize().ok());
            let up = path.components().any(|part| part == std::path::Component::ParentDir);
            let joined = real.filter(|_| up).and_then(|real| Some(real.join(path.file_name()?)));
            joined.or_else(|| std::path::absolute(path).ok()).map(PathBuf::into_os_string).or_else(same)
        }
        _ => same(),
    }
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
    /// Their own group.
    gid: u32,
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
            let (name, home) = ((*fields.first()?).to_owned(), PathBuf::from(fields.get(5)?));
            own.then_some(Self { name, gid: fields.get(3)?.parse().ok()?, home })
        })
    }
}

/// A program of the search path.
pub(crate) fn on_path(name: impl AsRef<OsStr>) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(name.as_ref())).find(|path| may_execute(path))
}

/// Whether this process may run a file, or pass through a directory: as git asks before it runs a hook (access(2)), so that also
/// what is mounted `noexec` counts as no.
pub(crate) fn may_execute(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}

/// Whether this process may write to a file or directory.
pub(crate) fn may_write(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok()
}
