//! How a command ends, and why one could not do its work.

use crate::core::decide::{Outcome, Verdict};

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
#[derive(Debug)]
pub(crate) struct Failure {
    /// What went wrong, without a full stop.
    pub(crate) message: String,
    /// What to do about it, in lines: words, and commands alone on theirs.
    pub(crate) hint: Option<String>,
}

impl Failure {
    pub(crate) fn new(message: impl std::fmt::Display) -> Self {
        Self { message: message.to_string(), hint: None }
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
        Self { message, hint: None }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

pub(crate) type Result<T = Exit> = std::result::Result<T, Failure>;

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
