//! What is wrong with a policy, and where.

use std::fmt;

/// A place in a policy file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// The file as reports name it.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
}

/// Whether a problem keeps the policy from loading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// It does.
    Error,
    /// It does not: it can be meant.
    Warning,
}

/// One thing that is wrong, with what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// How much it weighs.
    pub weight: Weight,
    /// Where it is.
    pub at: Location,
    /// What it is, in lower case without a full stop.
    pub message: String,
    /// The edit that mends it.
    pub fix: String,
}

impl Problem {
    /// A problem of a file as a whole.
    pub fn of_file(file: &str, message: String, fix: String) -> Self {
        Self { weight: Weight::Error, at: Location { file: file.to_owned(), line: 1 }, message, fix }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.weight == Weight::Error { "error" } else { "warning" };
        let text = format!("{}:{}: {}", self.at.file, self.at.line, self.message);
        write!(out, "{word}: {}", crate::core::report::escape(text.as_bytes(), 400))
    }
}
