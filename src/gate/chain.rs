//! The hook that was there before ours. It gets what git gave us, once we have accepted; and also where nothing may be refused and
//! something went wrong, since what it decides is its own.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use super::session::Session;
use crate::system::process::in_memory;
use crate::system::users::may_execute;
use crate::system::{Exit, Failure, Result};

/// A hook to become.
#[derive(Clone, Default)]
pub(crate) struct Chained {
    pub(crate) hook: Option<PathBuf>,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) input: Option<Arc<File>>,
}

impl Chained {
    /// Becomes the hook. No child process: this one is replaced.
    pub(crate) fn run(self) -> Result {
        let Some(hook) = self.hook else { return Ok(Exit::Accepted) };
        let failed = |error: std::io::Error| cannot_run(&hook, &error);
        let mut process = Command::new(&hook);
        process.args(self.arguments);
        if let Some(input) = self.input {
            process.stdin(Stdio::from(input.try_clone().map_err(failed)?));
        }
        Err(failed(process.exec()))
    }
}

fn cannot_run(hook: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot run the chained hook {}: {error}", hook.display()))
        .hint("an admin makes it executable, or removes the hooks with:\ncountersign uninstall --server REPO.git")
}

/// What a hook is given to read, if there is one: kept outside of this process's memory, since a push can have a hundred thousand refs.
pub(crate) fn input_for(hook: Option<&PathBuf>, bytes: &[u8]) -> Result<Option<Arc<File>>> {
    let Some(hook) = hook else { return Ok(None) };
    in_memory(bytes).map(|file| Some(Arc::new(file))).map_err(|error| cannot_run(hook, &error))
}

impl Session {
    /// Says what the hook before ours is to be given.
    pub(crate) fn ready(&self, chained: &Chained) {
        if chained.hook.is_some() {
            let _ = self.ready.set(chained.clone());
        }
    }

    /// Becomes the hook before ours, where there is one. Git passes over a hook that it may not run; so does one of ours that must
    /// refuse nothing.
    pub(crate) fn hand_on(&self, chained: Chained) -> Result {
        let runs = !self.observes() || chained.hook.as_ref().is_none_or(|hook| may_execute(hook));
        if runs { chained.run() } else { Ok(Exit::Accepted) }
    }

    /// Ends a decision that must not refuse: the hook before ours decides, if there is one. Returns the exit code where there is none,
    /// or where it cannot be given the push, which it might refuse.
    pub(crate) fn pass(&self) -> u8 {
        match (&self.present, self.ready.get()) {
            (None, _) => 0,
            (Some(_), Some(chained)) => match self.hand_on(chained.clone()) {
                Ok(_) => 0,
                Err(failure) => {
                    self.say(&format!("error: {}", failure.message));
                    2
                }
            },
            (Some(hook), None) => {
                self.say(&format!("error: the push cannot be handed on to {}, which may refuse it", hook.display()));
                2
            }
        }
    }
}
