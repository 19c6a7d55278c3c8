//! Child processes: git above all, which answers what is local.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::{Failure, Result};

/// Standard input for a program: a file, not a pipe, since it may write before it has read everything; and on no disk, which may be
/// full or not be there.
pub(crate) fn in_memory(bytes: &[u8]) -> std::io::Result<File> {
    #[cfg(target_os = "linux")]
    let mut file = File::from(rustix::fs::memfd_create("push", rustix::fs::MemfdFlags::CLOEXEC)?);
    #[cfg(not(target_os = "linux"))]
    let mut file = tempfile::tempfile()?;
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
}

/// Prepares a program to run.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    Command::new(program)
}

/// Ends this process.
#[expect(clippy::exit, reason = "whatever threads of it do, it ends now")]
pub(crate) fn exit(code: i32) -> ! {
    std::process::exit(code)
}

/// One value of git's configuration.
pub(crate) fn config(key: &str) -> Result<Option<String>> {
    let output = git(&["config", "--get", key]).output()?;
    match output.status.code() {
        Some(0) => Ok(Some(text(output.stdout)?)),
        Some(1) => Ok(None),
        _ => Err(Failure::new(format!("git config --get {key} failed: {}", said(&output)))),
    }
}

/// A git command to run: what is local, git answers.
pub(crate) struct Git {
    command: Command,
    name: String,
    input: Option<Vec<u8>>,
}

/// Prepares a git command.
pub(crate) fn git(arguments: &[&str]) -> Git {
    let mut command = Command::new("git");
    command.args(arguments);
    Git { command, name: (*arguments.first().unwrap_or(&"")).to_owned(), input: None }
}

/// Prepares a git command for a server's repository.
pub(crate) fn server_git(git_dir: &Path, arguments: &[&str]) -> Git {
    let mut git = git(arguments).in_repository(git_dir);
    // Named, so that it is used also where git does not look for bare repositories by itself (safe.bareRepository).
    git.command.env("GIT_DIR", git_dir);
    git
}

impl Git {
    /// Gives it standard input.
    pub(crate) fn input(mut self, input: &[u8]) -> Self {
        self.input = Some(input.to_vec());
        self
    }

    /// Runs it in a repository, whatever repository the environment names.
    pub(crate) fn in_repository(mut self, directory: &Path) -> Self {
        self.command.current_dir(directory);
        for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR"] {
            self.command.env_remove(variable);
        }
        self
    }

    /// Runs it in a directory, apart from every repository and every configuration.
    pub(crate) fn apart(mut self, directory: &Path) -> Self {
        self = self.in_repository(directory);
        self.command.env("GIT_CEILING_DIRECTORIES", directory.parent().unwrap_or(directory));
        for (variable, value) in
            [("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_ATTR_NOSYSTEM", "1")]
        {
            self.command.env(variable, value);
        }
        for variable in ["GIT_CONFIG_COUNT", "GIT_CONFIG_PARAMETERS", "GIT_EXTERNAL_DIFF", "GIT_DIFF_OPTS"] {
            self.command.env_remove(variable);
        }
        self
    }

    /// Reads history as it is stored, whatever the repository has in the place of its objects or says of them.
    pub(crate) fn reading_what_is_stored(mut self) -> Self {
        self.command.env("GIT_NO_REPLACE_OBJECTS", "1").env("GIT_GRAFT_FILE", "/dev/null");
        self
    }

    /// Runs it, whatever its exit code.
    pub(crate) fn output(mut self) -> Result<Output> {
        let failed = |error: std::io::Error| {
            Failure::new(format!("cannot run git: {error}")).hint("install git, or put it on PATH")
        };
        let Some(input) = self.input else {
            return self.command.stdin(Stdio::null()).output().map_err(failed);
        };
        self.command.stdin(Stdio::from(in_memory(&input).map_err(failed)?)).output().map_err(failed)
    }

    /// Runs it; anything but exit 0 is a failure.
    pub(crate) fn run(self) -> Result<Vec<u8>> {
        let name = self.name.clone();
        let output = self.output()?;
        if output.status.success() {
            Ok(output.stdout)
        } else {
            Err(Failure::new(format!("git {name} failed: {}", said(&output))))
        }
    }

    /// Runs it for the one line that it prints.
    pub(crate) fn line(self) -> Result<String> {
        self.run().and_then(text)
    }

    /// Whether it ends with exit 0.
    pub(crate) fn succeeds(self) -> Result<bool> {
        Ok(self.output()?.status.success())
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim().to_owned()
}

fn text(bytes: Vec<u8>) -> Result<String> {
    let text = String::from_utf8(bytes).map_err(|_| Failure::new("git printed something that is not UTF-8"))?;
    Ok(text.strip_suffix('\n').unwrap_or(&text).to_owned())
}
