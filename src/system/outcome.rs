//! How a command ends, and why one could not do its work.

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

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

pub(crate) type Result<T = Exit> = std::result::Result<T, Failure>;
