//! Patterns for refs and paths: `*` within one component, `**` across them, `!` in front excludes, anchored at both ends.
//!
//! Other characters that globs elsewhere give a meaning are refused, so that nobody believes they have one here.

use std::cell::OnceCell;

use thiserror::Error;

use super::automaton::{GlobAutomaton, Reading};
use crate::core::text::folding::{Folded, fold};

#[cfg(test)]
mod tests;

/// Which texts are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LetterCase {
    /// Those of the same bytes.
    Exact,
    /// Those that some file system takes for the same: NTFS, HFS+ or APFS. No text matches less than exactly.
    Folded,
}

/// One pattern, without its `!`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    text: String,
    exact: GlobAutomaton,
    folded: GlobAutomaton,
    /// The directories that it names without wildcards, folded.
    directories: GlobAutomaton,
}

/// Why a text is not a pattern.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum GlobError {
    /// Nothing at all.
    #[error("the pattern is empty")]
    Empty,
    /// A character that other globs give a meaning.
    #[error("the pattern holds {0:?}, which has no meaning here; only * and ** have")]
    Character(char),
    /// `**` beside something other than a slash.
    #[error("** stands for whole components: write it between slashes or at an end")]
    DoubleStar,
    /// A slash at the start or end, or two in a row.
    #[error("the pattern has an empty component")]
    Component,
}

impl Glob {
    /// Parses a pattern.
    ///
    /// # Errors
    /// [`GlobError`].
    pub fn parse(text: &str) -> Result<Self, GlobError> {
        if text.is_empty() {
            return Err(GlobError::Empty);
        }
        let strange =
            |character: &char| matches!(character, '?' | '[' | ']' | '{' | '}' | '\\' | '!') || character.is_control();
        if let Some(character) = text.chars().find(strange) {
            return Err(GlobError::Character(character));
        }
        for component in text.split('/') {
            match component {
                "" => return Err(GlobError::Component),
                "**" => {}
                other if other.contains("**") => return Err(GlobError::DoubleStar),
                _ => {}
            }
        }
        let (exact, folded) = (GlobAutomaton::exact(text), GlobAutomaton::folded(text));
        let directories = folded.directories();
        Ok(Self { text: text.to_owned(), exact, folded, directories })
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the pattern can match one text only, but for how it is spelled.
    pub fn is_literal(&self) -> bool {
        !self.text.contains('*')
    }

    /// Whether the whole text matches.
    pub fn matches(&self, text: &[u8], case: LetterCase) -> bool {
        self.matches_text(&Text::of(text), case)
    }

    /// Whether something below the text, taken as a directory, could match when case is folded: whatever replaces the directory
    /// then replaces it.
    pub fn matches_below(&self, text: &[u8], below: Below) -> bool {
        self.matches_below_text(&Text::of(text), below)
    }

    pub(super) fn matches_text(&self, text: &Text<'_>, case: LetterCase) -> bool {
        let exactly = || self.exact.run(text.raw.iter().copied(), Reading::Exact).whole;
        let folded = || {
            let (folded, reading) = text.folded();
            self.folded.run(folded.bytes(), *reading).whole
        };
        match case {
            LetterCase::Exact => exactly(),
            // Beyond ASCII, what folding sorts or leaves out may be of what a star stands for.
            LetterCase::Folded => folded() || (!text.raw.is_ascii() && exactly()),
        }
    }

    pub(super) fn matches_below_text(&self, text: &Text<'_>, below: Below) -> bool {
        let (folded, reading) = text.folded();
        let directory = folded.bytes().chain([b'/']);
        match below {
            Below::Anything => self.folded.run(directory, *reading).begun,
            Below::Named => self.directories.run(directory, *reading).entered,
        }
    }
}

/// A text, folded once for all patterns, if any asks for it.
pub(super) struct Text<'t> {
    raw: &'t [u8],
    folded: OnceCell<(Folded<'t>, Reading)>,
}

impl<'t> Text<'t> {
    pub(super) const fn of(raw: &'t [u8]) -> Self {
        Self { raw, folded: OnceCell::new() }
    }

    fn folded(&self) -> &(Folded<'t>, Reading) {
        self.folded.get_or_init(|| (fold(self.raw), Reading::needed_for(self.raw)))
    }
}

/// What may stand below a path, for [`Glob::matches_below`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Below {
    /// Only what the pattern names by full components: the path is a file, which has nothing below it but takes the place of
    /// a directory that the pattern names.
    Named,
    /// Anything: the path is a link or a submodule, and what is behind it is not in this tree.
    Anything,
}

/// What comparing patterns with each other follows (`search.rs`).
impl Glob {
    /// The automaton over texts as they are, or over folded ones.
    pub(super) const fn automaton(&self, case: LetterCase) -> &GlobAutomaton {
        match case {
            LetterCase::Exact => &self.exact,
            LetterCase::Folded => &self.folded,
        }
    }

    /// The one over the directories that the pattern names without wildcards, folded.
    pub(super) const fn directories(&self) -> &GlobAutomaton {
        &self.directories
    }
}
