//! The hook that was there before ours. It gets what git gave us, once we have accepted; and also where nothing may be refused and
//! something went wrong, since what it decides is its own.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use super::session::Session;
use crate::system::process::in_memory;
use crate::system::users::may_execute;
use crate::system::{Exit, Failure, Result, process};

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
        let mut process = process::command(&hook);
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

impl Session {
    /// Says what the hook before ours is to be given, if there is one. What it reads is kept outside of this process's memory, since a push
    /// can have a hundred thousand refs.
    pub(crate) fn give(&self, arguments: Vec<OsString>, input: Option<&[u8]>) -> Result<()> {
        let Some(hook) = &self.present else { return Ok(()) };
        let input = input.map(in_memory).transpose().map_err(|error| cannot_run(hook, &error))?;
        let _ = self.ready.set(Chained { hook: Some(hook.clone()), arguments, input: input.map(Arc::new) });
        Ok(())
    }

    /// Becomes the hook before ours, where there is one. Git passes over a hook that it may not run; so does one of ours that must
    /// refuse nothing.
    pub(crate) fn hand_on(&self) -> Result {
        match (&self.present, self.ready.get()) {
            (None, _) => Ok(Exit::Accepted),
            (Some(hook), Some(_)) if self.observes() && !may_execute(hook) => Ok(Exit::Accepted),
            (Some(_), Some(chained)) => chained.clone().run(),
            (Some(hook), None) => {
                Err(Failure::new(format!("the push cannot be handed on to {}, which may refuse it", hook.display())))
            }
        }
    }

    /// Ends a decision that must not refuse: the hook before ours decides, if there is one. Returns the exit code where there is none,
    /// or where it cannot be given the push, which it might refuse.
    pub(crate) fn pass(&self) -> u8 {
        match self.hand_on() {
            Ok(_) => 0,
            Err(failure) => {
                self.say(&format!("error: {}", failure.message));
                2
            }
        }
    }
}
