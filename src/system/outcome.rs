//! How a command ends, and why one could not do its work.

use super::terminal::{fix_lines, hint_lines};
use crate::core::decide::{Outcome, Verdict};
use crate::core::policy::Problem;

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Exit 0: accepted, or done.
    Accepted,
    /// Exit 1: rejected by policy.
    Rejected,
    /// Exit 2: could not decide.
    Undecided,
}

/// The exit code of a verdict.
impl From<&Verdict> for Exit {
    fn from(verdict: &Verdict) -> Self {
        match verdict.outcome() {
            Outcome::Accepted => Self::Accepted,
            Outcome::Rejected => Self::Rejected,
            Outcome::Undecided => Self::Undecided,
        }
    }
}

/// Why a command could not do its work. It ends with exit 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// What went wrong, without a full stop.
    pub(crate) message: String,
    /// What to do about it, in lines: words, and commands alone on theirs.
    pub(crate) hint: Option<String>,
    /// Whole lines that are said first.
    details: Vec<String>,
}

impl Failure {
    pub(crate) fn new(message: impl std::fmt::Display) -> Self {
        Self { message: message.to_string(), hint: None, details: Vec::new() }
    }

    /// Nobody reads any more, so there is nothing to say; what was to be printed was not.
    pub(crate) fn unread() -> Self {
        Self::new("")
    }

    /// Whether there is nothing to say.
    pub(crate) fn is_silent(&self) -> bool {
        self.message.is_empty()
    }

    /// Says what it is about first.
    pub(crate) fn about(mut self, what: impl std::fmt::Display) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }

    /// Adds the problems of a policy, each with its fix.
    pub(crate) fn with_problems(mut self, problems: &[Problem]) -> Self {
        for problem in problems {
            self.details.push(format!("error: [policy-invalid] {problem}"));
            self.details.extend(fix_lines(problem));
        }
        self
    }

    /// An error with its causes, each said once: some errors say their cause themselves.
    pub(crate) fn caused(error: &dyn std::error::Error) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            if !message.ends_with(&cause_text) {
                message = format!("{message}: {cause_text}");
            }
            source = cause.source();
        }
        Self::new(message)
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

pub(crate) type Result<T = Exit> = std::result::Result<T, Failure>;

/// The lines that whoever called is told.
impl std::fmt::Display for Failure {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.details.iter().try_for_each(|line| writeln!(out, "{line}"))?;
        write!(out, "error: {}", self.message)?;
        hint_lines(self.hint.as_deref().unwrap_or_default()).try_for_each(|line| write!(out, "\n{line}"))
    }
}

/// What is said of a bug of ours.
pub(crate) fn bug(panic: &dyn std::fmt::Display) -> String {
    format!("error: countersign failed inside and refuses: {panic}\nhint: this is a bug; please report this line")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Fault {
        #[error("cannot read it: {0}")]
        Told(#[source] std::io::Error),
        #[error("cannot read it")]
        Untold(#[source] std::io::Error),
    }

    #[test]
    fn a_cause_is_said_once() {
        let cause = || std::io::Error::other("the disk is gone");
        for fault in [Fault::Told(cause()), Fault::Untold(cause())] {
            assert_eq!(Failure::caused(&fault).message, "cannot read it: the disk is gone");
        }
    }
}
