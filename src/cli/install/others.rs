//! Repositories that others own. Root does not write into directories of other users, where a link may lead anywhere: it runs the same
//! command line as each owner.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::process::Stdio;

use super::layout::{Target, resolved};
use crate::cli::owner::{Owner, command_line};
use crate::cli::{Failure, Result};

/// The owners of repositories that are not root's, where root is at work.
pub(super) struct Others {
    owners: BTreeSet<Owner>,
    words: Vec<OsString>,
}

/// What becomes of what the command prints.
#[derive(Clone, Copy)]
pub(super) enum Printed {
    Shown,
    Dropped,
}

impl Others {
    /// Keeps of the targets what this process is to do itself.
    pub(super) fn split(targets: &mut Vec<Target>, own_only: bool) -> Result<Self> {
        let mut owners = BTreeSet::new();
        let mut own = Vec::new();
        for target in targets.drain(..) {
            let cannot = |error: std::io::Error| Failure::new(format!("{}: {error}", target.path.display()));
            let repository = resolved(&target.path).unwrap_or_else(|| target.path.clone());
            let owner = Owner::of(&repository).map_err(cannot)?;
            if own_only && !owner.is_this() {
                continue;
            }
            if owner.is_another() {
                owners.insert(owner);
            } else {
                own.push(target);
            }
        }
        *targets = own;
        let mut words = command_line();
        words.push("--own-only".into());
        Ok(Self { owners, words })
    }

    /// Whether there are any.
    pub(super) fn any(&self) -> bool {
        !self.owners.is_empty()
    }

    /// Runs the command line as each of them, with more words.
    pub(super) fn run(&self, more: &[&str], printed: Printed) -> Result<()> {
        for owner in &self.owners {
            let words: Vec<OsString> = self.words.iter().cloned().chain(more.iter().map(OsString::from)).collect();
            let mut command = owner.command(&words)?;
            if matches!(printed, Printed::Dropped) {
                command.stdout(Stdio::null());
            }
            let status = command.stdin(Stdio::null()).status().map_err(|error| owner.may_not_run(&error))?;
            match status.code() {
                Some(0) => {}
                // setpriv(1) and shells: what was to be run cannot be.
                Some(code @ (126 | 127)) => return Err(owner.may_not_run(&format!("exit code {code}"))),
                _ => return Err(Failure::new(format!("nothing is done for the repositories of {owner}: see above"))),
            }
        }
        Ok(())
    }
}
