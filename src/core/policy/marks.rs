//! What a policy says about AI marks: rows of its own, and the day up to which it knows the built-in ones.

use super::problem::Location;
use super::reader::{Problems, Table};
use super::{Date, Rule};
use crate::core::marks::{Catalogue, Mark};

/// Days for which a new row only warns where a policy names an earlier day: a new version does not refuse tomorrow what passed
/// today.
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
    /// Whether a mark only warns for now: its row came into its list after the day that the policy names, and not more than 30 days
    /// ago.
    pub fn is_new(&self, mark: &Mark, now: crate::core::decide::Timestamp) -> bool {
        let after = |added: Date| self.marks_date.is_some_and(|known| added > known);
        mark.added.is_some_and(|added| after(added) && !added.is_within(-GRACE_DAYS, now))
    }

    /// The first day on which a mark of a row that came on `added` no longer only warns.
    pub fn counts_from(added: Date) -> Option<Date> {
        added.later(GRACE_DAYS.saturating_add(1))
    }

    /// Whether no row counts later for this rule than for another.
    pub(super) fn knows_marks_of(&self, other: &Rule) -> bool {
        self.marks_date.is_none_or(|own| other.marks_date.is_some_and(|other| own >= other))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{problems, registry};
    use super::super::{Loaded, Policy, Problem, Source, load};
    use crate::core::marks::{MarkSource, RowOrigin};

    const ROWS: &str = "# ours\ntrailer\t^acme-bot:\\s*\\S\tacme-bot\n";

    /// A policy that may name `marks.tsv`, which holds `rows`.
    fn with_rows(top: &str, rows: &str) -> Result<Loaded, Vec<Problem>> {
        let text = registry().replace("version = 1\n", &format!("version = 1\n{top}\n"));
        let sources = vec![Source { name: "policy.toml".into(), text }];
        load(sources, &mut |_, path| match path {
            "marks.tsv" => Ok(Source { name: path.into(), text: rows.into() }),
            _ => Err(format!("no {path}")),
        })
    }

    fn policy(top: &str, rows: &str) -> Policy {
        with_rows(top, rows).unwrap_or_else(|problems| panic!("{problems:?}")).policy
    }

    #[test]
    fn rows_of_a_policy_are_added_to_the_built_in_ones() {
        let source =
            |message: &'static [u8]| MarkSource { author_name: b"A", author_email: b"a@x", message, encoding: None };
        let agents = |policy: &Policy, message: &'static [u8]| -> Vec<String> {
            policy.marks().find(&source(message)).into_iter().map(|mark| mark.agent).collect()
        };
        let (plain, more) = (policy("", ROWS), policy("marks-file = \"marks.tsv\"", ROWS));
        assert_eq!(agents(&plain, b"Fix\n\nAcme-Bot: 7\n"), [""; 0]);
        assert_eq!(agents(&more, b"Fix\n\nAcme-Bot: 7\n"), ["acme-bot"]);
        assert_eq!(agents(&more, b"Fix\n\nAcme-Bot: none\n"), [""; 0]);
        assert_eq!(agents(&more, b"Fix\n\nGenerated with opencode\n"), ["opencode"]);
        assert_eq!(more.marks().rows().filter(|row| row.origin == RowOrigin::Added).count(), 1);
        // The digest pins them, and the policy's own protection is that of their file too.
        let other = policy("marks-file = \"marks.tsv\"", "# none\n");
        assert_ne!(more.digest(), other.digest());
        assert_eq!(more.files(0).collect::<Vec<_>>(), ["policy.toml", "marks.tsv"]);
    }

    #[test]
    fn what_is_wrong_with_rows_is_a_problem_of_their_line() {
        let said = |top: &str, rows: &str| -> Vec<String> {
            let all = with_rows(top, rows).map_or_else(|problems| problems, |loaded| loaded.warnings);
            all.iter().map(|problem| problem.to_string()).collect()
        };
        let file = "marks-file = \"marks.tsv\"";
        assert_eq!(said(file, ROWS), [""; 0]);
        assert_eq!(
            said(file, "# a\n\ntrailer\t(\tx\n"),
            ["error: marks.tsv:3: the pattern does not compile: a parenthesis has no partner"]
        );
        assert_eq!(
            said(file, "tailer\t^x\tx\n"),
            ["error: marks.tsv:1: the kind is one of author-email, author-name, subject, trailer, footer, env"]
        );
        assert_eq!(
            said(file, "env\tACME=1\tacme-bot\n"),
            ["warning: marks.tsv:1: rows about the environment count for nothing in a policy"]
        );
        assert!(said(file, &"#\n".repeat(5000))[0].starts_with("error: marks.tsv:1: the list has more than"));
        assert_eq!(
            said("marks-file = \"gone.tsv\"", ""),
            ["error: policy.toml:2: cannot include \"gone.tsv\": no gone.tsv"]
        );
        for path in ["/etc/marks.tsv", "../marks.tsv", ""] {
            let said = said(&format!("marks-file = \"{path}\""), ROWS);
            assert_eq!(said, [format!("error: policy.toml:2: \"{path}\" is not a path beside this file")]);
        }
        // What is no TOML is not read as such, and what is a table no file of rows.
        assert_eq!(problems("")[..], [""; 0]);
        assert_eq!(said("marks-date = \"2026-11-28\"", ""), ["error: policy.toml:2: `marks-date` is not a day"]);
    }

    /// Each policy names a day for its own rules: a later one cannot have an earlier one ask for less.
    #[test]
    fn a_day_is_that_of_the_rules_of_its_policy() {
        let rule =
            |name: &str| format!("[[rule]]\nname = \"{name}\"\nrefs = [\"refs/heads/**\"]\nidentity = \"agents\"\n");
        let load = |first: &str, second: &str| {
            let text = |top: &str, name: &str| format!("version = 1\n{top}\n{}", rule(name));
            let source = |name: &str, text: String| Source { name: name.into(), text };
            let sources = vec![source("a.toml", text(first, "a")), source("b.toml", text(second, "b"))];
            let policy = load(sources, &mut |_, path| Err(format!("no {path}"))).unwrap().policy;
            let (a, b) = (&policy.rules()[0], &policy.rules()[1]);
            (a.marks_date.map(|day| day.to_string()), b.marks_date.map(|day| day.to_string()), a.covers(b))
        };
        let day = |text: &str| Some(text.to_owned());
        assert_eq!(load("", "marks-date = 2026-11-01"), (None, day("2026-11-01"), true));
        assert_eq!(load("marks-date = 2026-11-01", ""), (day("2026-11-01"), None, false));
        assert_eq!(
            load("marks-date = 2026-11-02", "marks-date = 2026-11-01"),
            (day("2026-11-02"), day("2026-11-01"), true)
        );
        assert_eq!(
            load("marks-date = 2026-11-01", "marks-date = 2026-11-02"),
            (day("2026-11-01"), day("2026-11-02"), false)
        );
    }
}
