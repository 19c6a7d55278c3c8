//! What a policy says about AI marks: rows of its own, and the day up to which it knows the built-in ones.

use super::problem::Location;
use super::reader::{Problems, Table};
use super::{Date, Rule};
use crate::core::marks::{Catalogue, Mark};

/// Days for which a new row of the built-in list only warns where a policy names an earlier day: a new version does not refuse
/// tomorrow what passed today.
const GRACE_DAYS: i64 = 30;

/// Adds the rows of one file. Every problem is that of a line in it.
pub(super) fn add_rows(name: &str, text: &str, catalogue: &mut Catalogue, problems: &mut Problems) {
    let at = |line| Location { file: name.to_owned(), line };
    let known = catalogue.environment().count();
    if let Err(error) = catalogue.add(text) {
        let fix = "write kind, pattern and agent with a tab between them, as in agents.tsv";
        problems.error(&at(error.line), error.problem.to_string(), fix);
    } else if catalogue.environment().count() > known {
        // A desk asks nobody for a policy before each commit.
        let message = "rows about the environment count for nothing in a policy";
        problems.warn(&at(1), message, "on each desk: git config countersign.<id>.env NAME");
    }
}

/// Reads `marks-file`, a path beside the file that names it.
pub(super) fn marks_file(top: &mut Table<'_>, problems: &mut Problems) -> Option<(String, Location)> {
    let path = top.string("marks-file", problems)?;
    if super::load::is_beside(path.value) {
        return Some((path.value.to_owned(), path.at));
    }
    problems.error(
        &path.at,
        format!("\"{}\" is not a path beside this file", path.value),
        "give a relative path without ..",
    );
    None
}

impl Rule {
    /// Whether a mark only warns for now: its row came into the built-in list after the day that the policy names, and not more
    /// than 30 days ago.
    pub fn is_new(&self, mark: &Mark, now: crate::core::decide::Timestamp) -> bool {
        let after = |added: Date| self.marks_date.is_some_and(|known| added > known);
        mark.added.is_some_and(|added| after(added) && !added.is_within(-GRACE_DAYS, now))
    }

    /// The first day on which a mark of a row that came on `added` no longer only warns.
    pub fn counts_from(added: Date) -> Option<Date> {
        added.later(GRACE_DAYS.saturating_add(1))
    }

    /// Whether no row of the built-in list counts later for this rule than for another.
    pub(super) fn knows_marks_of(&self, other: &Rule) -> bool {
        self.marks_date.is_none_or(|own| other.marks_date.is_some_and(|other| own >= other))
    }
}
