//! Classes of paths that come with the program, as data with sources. A policy names the day up to which it knows them, so that what it
//! means is in its own text: no release changes it.

use super::Date;
use super::problem::Location;
use super::reader::{Located, Problems};
use crate::core::text::nearest::nearest;

const ROWS: &str = include_str!("classes.tsv");

/// One pattern of a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row {
    class: &'static str,
    pattern: &'static str,
    added: Date,
}

fn rows() -> impl Iterator<Item = Row> {
    let lines = ROWS.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| {
        let mut fields = line.split('\t');
        let (class, pattern, added) = (fields.next()?, fields.next()?, fields.next()?);
        Some(Row { class, pattern, added: Date::parse(added)? })
    })
}

/// The day on which the last row was added: what a new policy says under `classes-date`.
fn classes_date() -> Option<Date> {
    rows().map(|row| row.added).max()
}

/// The names of all classes that come with the program, each with its `@`, in the order of the table.
fn class_names() -> Vec<&'static str> {
    let mut names: Vec<&str> = rows().map(|row| row.class).collect();
    names.dedup();
    names
}

/// Whether a word is the name of one. Most patterns of a policy are told from it by their first byte.
pub(super) fn is_class(name: &str) -> bool {
    name.starts_with('@') && rows().any(|row| row.class == name)
}

/// What one policy may say of the classes.
#[derive(Clone, Copy)]
pub(super) struct Known {
    /// The day that it names.
    pub(super) until: Option<Date>,
}

impl Known {
    /// Puts the patterns of a class in the place of its name.
    pub(super) fn expanded<'t>(self, entries: Vec<Located<&'t str>>, problems: &mut Problems) -> Vec<Located<&'t str>> {
        let mut expanded = Vec::with_capacity(entries.len());
        for entry in entries {
            match self.patterns(&entry, problems) {
                Some(patterns) => {
                    expanded.extend(patterns.into_iter().map(|value| Located { value, at: entry.at.clone() }))
                }
                None => expanded.push(entry),
            }
        }
        expanded
    }

    /// The patterns of the class that is named, where one is.
    fn patterns(self, entry: &Located<&str>, problems: &mut Problems) -> Option<Vec<&'static str>> {
        if !is_class(entry.value) {
            return None;
        }
        let Some(until) = self.until else {
            let today = classes_date().map_or_else(String::new, |day| day.to_string());
            let message =
                format!("{} means what this program knows of it on some day, and the policy names none", entry.value);
            problems.error(&entry.at, message, format!("at the top of the file, write classes-date = {today}"));
            return Some(Vec::new());
        };
        let known: Vec<&str> =
            rows().filter(|row| row.class == entry.value && row.added <= until).map(|row| row.pattern).collect();
        if known.is_empty() {
            let message = format!("nothing is known of {} on {until}", entry.value);
            problems.error(&entry.at, message, "write a later classes-date");
        }
        let later = rows().filter(|row| row.class == entry.value && row.added > until).count();
        if later > 0 {
            let message = format!("{} has grown by {later} since {until}", entry.value);
            let fix =
                "see what a later classes-date brings in a copy of the policy:\ncountersign policy diff POLICY COPY";
            problems.warn(&entry.at, message, fix);
        }
        Some(known)
    }
}

/// Refuses a day of which this version cannot know all.
pub(super) fn check_date(date: Date, at: &Location, problems: &mut Problems) {
    if let Some(newest) = classes_date().filter(|newest| date > *newest) {
        let message = format!("this version knows the classes up to {newest}, and not those of {date}");
        problems.error(at, message, format!("write classes-date = {newest}, or use a newer countersign"));
    }
}

/// What a name with an `@` is meant to be that is no class.
pub(super) fn meant(name: &str) -> Option<String> {
    if !name.starts_with('@') || name.contains(['/', '*']) || is_class(name) {
        return None;
    }
    Some(match nearest(name, class_names()) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("these come with the program: {}", class_names().join(", ")),
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{load_text, registry};
    use super::super::{Glob, LetterCase};
    use super::*;

    /// Whether a path is of a class, as this version knows it.
    fn is_of_class(class: &str, path: &[u8]) -> bool {
        let matching = |excludes: bool| {
            let own = rows().filter(move |row| row.class == class && row.pattern.starts_with('!') == excludes);
            let globs = own.filter_map(|row| Glob::parse(row.pattern.trim_start_matches('!')).ok());
            globs.into_iter().any(|glob| glob.matches(path, LetterCase::Folded))
        };
        matching(false) && !matching(true)
    }

    #[test]
    fn every_row_has_a_class_a_pattern_a_day_and_a_source() {
        let lines: Vec<&str> = ROWS.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(rows().count(), lines.len());
        for line in lines {
            let fields: Vec<&str> = line.split('\t').collect();
            let [class, pattern, day, source] = fields.as_slice() else { panic!("{line}") };
            assert!(class.starts_with('@') && Date::parse(day).is_some() && !source.is_empty(), "{line}");
            Glob::parse(pattern.trim_start_matches('!')).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
        assert_eq!(class_names(), ["@pipeline", "@secrets", "@infra", "@agents", "@git"]);
    }

    #[test]
    fn a_class_covers_what_its_name_says() {
        for (class, path) in [
            ("@pipeline", ".github/workflows/ci.yml"),
            ("@pipeline", "Jenkinsfile"),
            ("@secrets", "deploy/.env.production"),
            ("@infra", "modules/net/main.tf"),
            ("@agents", "CLAUDE.md"),
            ("@agents", "sub/.cursor/rules/a.mdc"),
            ("@git", "vendor/.gitattributes"),
        ] {
            assert!(is_of_class(class, path.as_bytes()), "{class} {path}");
        }
        for (class, path) in [("@secrets", ".env.example"), ("@pipeline", "src/main.rs"), ("@git", "sub/.gitmodules")] {
            assert!(!is_of_class(class, path.as_bytes()), "{class} {path}");
        }
    }

    #[test]
    fn a_policy_says_which_day_s_classes_it_means() {
        let rule = "[[rule]]\nname = \"a\"\nrefs = [\"refs/heads/**\"]\nagents = []\npaths = [\"@pipeline\"]\n";
        let with = |date: &str, rule: &str| {
            let text = format!("{}{rule}", registry()).replacen("version = 1\n", &format!("version = 1\n{date}\n"), 1);
            let found = load_text(&text).map_or_else(|problems| problems, |loaded| loaded.warnings);
            found.into_iter().map(|one| format!("{one}; {}", one.fix)).collect::<Vec<_>>()
        };
        let newest = format!("classes-date = {}", classes_date().unwrap());
        assert!(with(&newest, rule).is_empty(), "{:?}", with(&newest, rule));
        for (date, rule, told) in [
            ("", rule.to_owned(), "the policy names none"),
            ("classes-date = 2020-01-01", rule.to_owned(), "nothing is known of @pipeline"),
            ("classes-date = 2999-01-01", rule.to_owned(), "this version knows the classes up to"),
            (&newest, rule.replace("@pipeline", "@pipelines"), "did you mean \"@pipeline\"?"),
            (&newest, rule.replace("@pipeline", "@nothing-like-it"), "these come with the program"),
        ] {
            let found = with(date, &rule);
            assert!(found.iter().any(|one| one.contains(told)), "{date} {found:?}");
        }
        let classes = "[paths]\nours = [\"@infra\", \"racks/**\"]\n";
        let ours = rule.replace("@pipeline", "ours");
        assert!(with(&newest, &format!("{classes}{ours}")).is_empty());
    }
}
