//! The hook that was there before ours. It gets what git gave us, once we have accepted; and also where nothing may be refused and
//! something went wrong, since what it decides is its own.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::system::process::in_memory;
use crate::system::users::may_execute;
use crate::system::{Exit, Failure, Result, is_observing, say};

/// A hook to become.
#[derive(Clone, Default)]
pub(crate) struct Chained {
    pub(crate) hook: Option<PathBuf>,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) input: Option<Vec<u8>>,
}

impl Chained {
    /// Becomes the hook. No child process: this one is replaced.
    pub(crate) fn run(self) -> Result {
        let Some(hook) = self.hook else { return Ok(Exit::Accepted) };
        // Git passes over a hook that it may not run. So does one of ours that must refuse nothing.
        if is_observing() && !may_execute(&hook) {
            return Ok(Exit::Accepted);
        }
        let failed = |error: std::io::Error| {
            Failure::new(format!("cannot run the chained hook {}: {error}", hook.display())).hint(
                "an admin makes it executable, or removes the hooks with:\ncountersign uninstall --server REPO.git",
            )
        };
        let mut process = Command::new(&hook);
        process.args(self.arguments);
        if let Some(input) = self.input {
            process.stdin(Stdio::from(in_memory(&input).map_err(failed)?));
        }
        Err(failed(process.exec()))
    }
}

/// The hook that is there, before its input is known, and then with it.
static PRESENT: OnceLock<PathBuf> = OnceLock::new();
static READY: OnceLock<Chained> = OnceLock::new();

/// Says which hook there is, for the case that this process must end early and refuse nothing.
pub(crate) fn expect(hook: Option<&PathBuf>) {
    if let Some(hook) = hook {
        let _ = PRESENT.set(hook.clone());
    }
}

/// Says what that hook is to be given.
pub(crate) fn ready(chained: &Chained) {
    if chained.hook.is_some() {
        let _ = READY.set(chained.clone());
    }
}

/// Ends a decision that must not refuse: the hook before ours decides, if there is one. Returns the exit code where there is none,
/// or where it cannot be given the push, which it might refuse.
pub(crate) fn pass() -> u8 {
    match (PRESENT.get(), READY.get()) {
        (None, _) => 0,
        (Some(_), Some(chained)) => match chained.clone().run() {
            Ok(_) => 0,
            Err(failure) => {
                say(&format!("error: {}", failure.message));
                2
            }
        },
        (Some(hook), None) => {
            say(&format!("error: the push cannot be handed on to {}, which may refuse it", hook.display()));
            2
        }
    }
}
