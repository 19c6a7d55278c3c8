//! Which marks of agents count under a rule: asked for identity, for approvals and for tags alike.

use super::Bench;
use crate::core::marks::{Mark, Strength};
use crate::core::policy::{Marks, Rule};

/// What a mark does under a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    /// It shows that an agent made the commit.
    Counts,
    /// It is too unsure, or too new to the list: it warns.
    Warns,
    /// The rule does not look at it.
    Nothing,
}

impl<'a> Bench<'a> {
    /// What a mark does.
    pub(super) fn weight(&self, mark: &Mark) -> Weight {
        let counts = match (self.rule.marks, mark.strength) {
            (Marks::Ignore, _) | (Marks::Authored, Strength::Disclosed) => return Weight::Nothing,
            (Marks::Authored | Marks::Any, Strength::Low) => return Weight::Warns,
            (Marks::Authored | Marks::Any, Strength::Authored) | (Marks::Any, Strength::Disclosed) => Weight::Counts,
        };
        if self.rule.is_new(mark, self.now) { Weight::Warns } else { counts }
    }

    /// The first mark that counts.
    pub(super) fn mark<'m>(&self, marks: &'m [Mark]) -> Option<&'m Mark> {
        marks.iter().find(|mark| self.weight(mark) == Weight::Counts)
    }

    /// The first mark that warns, and how it says so.
    pub(super) fn faint_mark<'m>(&self, marks: &'m [Mark]) -> Option<(&'m Mark, String)> {
        let mark = marks.iter().find(|mark| self.weight(mark) == Weight::Warns)?;
        let words = match mark.added.filter(|_| self.rule.is_new(mark, self.now)).and_then(Rule::counts_from) {
            Some(day) => {
                format!("it bears a mark of {} (\"{}\") that is new and counts from {day} on", mark.agent, mark.line)
            }
            None => format!("it may bear the mark of {} (\"{}\")", mark.agent, mark.line),
        };
        Some((mark, words))
    }

    /// The encoding of a commit, where the rule looks at marks and nobody can say which it shows in that encoding.
    pub(super) fn unreadable<'m>(&self, encoding: Option<&'m String>) -> Option<&'m String> {
        encoding.filter(|_| self.rule.marks != Marks::Ignore)
    }
}
