//! A pager between what is printed and the terminal that shows it, as git has it (git-config(1), core.pager).

use std::ffi::OsString;
use std::io::{IsTerminal as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::process::git;

/// Standard output goes to a pager for as long as this is there.
pub(crate) struct Paged {
    pager: Child,
    terminal: OwnedFd,
}

impl Paged {
    /// Starts the pager where standard output is a terminal. `None` where it is not, where none is wanted, and where it cannot be started.
    pub(crate) fn start() -> Option<Self> {
        if !std::io::stdout().is_terminal() {
            return None;
        }
        let program = program();
        if program.is_empty() || program == "cat" {
            return None;
        }
        let mut command = Command::new("sh");
        command.arg("-c").arg(program).stdin(Stdio::piped());
        // What git gives a pager that nobody has told anything else.
        for (name, value) in [("LESS", "FRX"), ("LV", "-c")] {
            if std::env::var_os(name).is_none() {
                command.env(name, value);
            }
        }
        let terminal = rustix::io::dup(std::io::stdout()).ok()?;
        let mut pager = command.spawn().ok()?;
        let input = pager.stdin.take()?;
        rustix::stdio::dup2_stdout(&input).ok()?;
        Some(Self { pager, terminal })
    }
}

impl Drop for Paged {
    fn drop(&mut self) {
        let _ = std::io::stdout().flush();
        // The pager sees the end when nothing holds its input open.
        if rustix::stdio::dup2_stdout(&self.terminal).is_ok() {
            let _ = self.pager.wait();
        }
    }
}

/// The first that is set, as git looks: GIT_PAGER, core.pager, PAGER. A repository's own configuration is not asked: whoever owns it
/// would say what the reader runs.
fn program() -> OsString {
    let of_environment = |name: &str| std::env::var_os(name);
    let configured = || ["--global", "--system"].into_iter().find_map(configured);
    of_environment("GIT_PAGER").or_else(configured).or_else(|| of_environment("PAGER")).unwrap_or_else(|| "less".into())
}

fn configured(place: &str) -> Option<OsString> {
    let asked =
        git(&["config", place, "--includes", "--get", "core.pager"]).in_repository(Path::new("/")).output().ok()?;
    let value = String::from_utf8(asked.stdout).ok().filter(|_| asked.status.success())?;
    Some(value.trim_end_matches('\n').into())
}
