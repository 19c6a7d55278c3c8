//! Reading TOML tables field by field, so that every problem is found in one run and each names its line.

use std::collections::BTreeSet;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Location, Problem, Weight};
use crate::core::text::nearest::nearest;

/// A policy file with the places of its lines.
pub(super) struct File<'s> {
    name: &'s str,
    /// Where each line after the first begins.
    lines: Vec<usize>,
}

impl<'s> File<'s> {
    pub(super) fn new(name: &'s str, text: &str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self { name, lines: ends.map(|(offset, _)| offset + 1).collect() }
    }

    /// The line that a byte offset lies on.
    pub(super) fn at(&self, offset: usize) -> Location {
        let line = self.lines.partition_point(|start| *start <= offset) + 1;
        Location { file: self.name.to_owned(), line }
    }
}

/// A value with its place.
#[derive(Clone, Debug)]
pub(super) struct Located<T> {
    pub(super) value: T,
    pub(super) at: Location,
}

/// Problems of one weight that are kept: a policy that is pushed is hostile too.
const PROBLEMS: usize = 200;

/// Collects problems.
#[derive(Default)]
pub(super) struct Problems(pub(super) Vec<Problem>);

impl Problems {
    pub(super) fn error(&mut self, at: &Location, message: impl Into<String>, fix: impl Into<String>) {
        self.add(Weight::Error, at, message.into(), fix.into());
    }

    pub(super) fn warn(&mut self, at: &Location, message: impl Into<String>, fix: impl Into<String>) {
        self.add(Weight::Warning, at, message.into(), fix.into());
    }

    /// Keeps a problem, unless there are [`PROBLEMS`] of its weight: the rest would say nothing new.
    fn add(&mut self, weight: Weight, at: &Location, message: String, fix: String) {
        if self.0.iter().filter(|known| known.weight == weight).count() < PROBLEMS {
            self.0.push(Problem { weight, at: at.clone(), message, fix });
        }
    }
}

/// One table being read. Keys that nobody asked for are unknown.
pub(super) struct Table<'t> {
    file: &'t File<'t>,
    pub(super) at: Location,
    entries: &'t DeTable<'t>,
    asked: BTreeSet<&'static str>,
}

impl<'t> Table<'t> {
    pub(super) fn new(file: &'t File<'t>, at: Location, entries: &'t DeTable<'t>) -> Self {
        Self { file, at, entries, asked: BTreeSet::new() }
    }

    fn get(&mut self, key: &'static str) -> Option<(&'t DeValue<'t>, Location)> {
        self.asked.insert(key);
        let value = self.entries.get(key)?;
        Some((value.get_ref(), self.place(value)))
    }

    fn place<T>(&self, value: &Spanned<T>) -> Location {
        self.file.at(value.span().start)
    }

    /// Whether the key is there.
    pub(super) fn has(&mut self, key: &'static str) -> bool {
        self.asked.insert(key);
        self.entries.contains_key(key)
    }

    /// A string.
    pub(super) fn string(&mut self, key: &'static str, problems: &mut Problems) -> Option<Located<&'t str>> {
        let (value, at) = self.get(key)?;
        match value.as_str() {
            Some(value) => Some(Located { value, at }),
            None => {
                problems.error(&at, format!("`{key}` is not a string"), format!("write {key} = \"...\""));
                None
            }
        }
    }

    /// One of several words.
    pub(super) fn word<T: Copy>(
        &mut self,
        key: &'static str,
        words: &[(&str, T)],
        problems: &mut Problems,
    ) -> Option<T> {
        let found = self.string(key, problems)?;
        let word = words.iter().find(|(word, _)| *word == found.value);
        if word.is_none() {
            let allowed: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            let message = format!("`{key}` cannot be \"{}\"", found.value);
            problems.error(&found.at, message, format!("write one of {}", allowed.join(", ")));
        }
        word.map(|(_, value)| *value)
    }

    /// An integer.
    pub(super) fn integer(&mut self, key: &'static str, problems: &mut Problems) -> Option<Located<i64>> {
        let (value, at) = self.get(key)?;
        let number = value.as_integer().and_then(|number| i64::from_str_radix(number.as_str(), number.radix()).ok());
        if number.is_none() {
            problems.error(&at, format!("`{key}` is not a whole number"), format!("write {key} = 1"));
        }
        number.map(|value| Located { value, at })
    }

    /// `true` or `false`; false where the key is missing.
    pub(super) fn flag(&mut self, key: &'static str, problems: &mut Problems) -> bool {
        let Some((value, at)) = self.get(key) else { return false };
        value.as_bool().unwrap_or_else(|| {
            problems.error(&at, format!("`{key}` is not true or false"), format!("write {key} = true, without quotes"));
            false
        })
    }

    /// A local date.
    pub(super) fn date(&mut self, key: &'static str, problems: &mut Problems) -> Option<Located<super::Date>> {
        let (value, at) = self.get(key)?;
        let date = date_of(value);
        if date.is_none() {
            problems.error(&at, format!("`{key}` is not a day"), format!("write {key} = 2027-06-30, without quotes"));
        }
        date.map(|value| Located { value, at })
    }

    /// A list of strings; empty where the key is missing.
    pub(super) fn strings(&mut self, key: &'static str, problems: &mut Problems) -> Vec<Located<&'t str>> {
        let Some((value, at)) = self.get(key) else { return Vec::new() };
        let Some(array) = value.as_array() else {
            problems.error(&at, format!("`{key}` is not a list"), format!("write {key} = [\"...\"]"));
            return Vec::new();
        };
        let mut strings = Vec::with_capacity(array.len());
        for item in array {
            let at = self.place(item);
            match item.get_ref().as_str() {
                Some(value) => strings.push(Located { value, at }),
                None => problems.error(&at, format!("`{key}` holds something that is not a string"), "quote it"),
            }
        }
        strings
    }

    /// A table of tables, such as `[people.alice]`.
    pub(super) fn tables(&mut self, key: &'static str, problems: &mut Problems) -> Vec<(Located<&'t str>, Table<'t>)> {
        let mut tables = Vec::new();
        for (name, value, at) in self.pairs(key, problems) {
            match value.as_table() {
                Some(entries) => {
                    let table = Table::new(self.file, name.at.clone(), entries);
                    tables.push((name, table));
                }
                None => problems.error(
                    &at,
                    format!("`{key}.{}` is not a table", name.value),
                    format!("write [{key}.{}]", name.value),
                ),
            }
        }
        tables
    }

    /// A table of lists of strings, such as `[groups]`.
    pub(super) fn lists(
        &mut self,
        key: &'static str,
        problems: &mut Problems,
    ) -> Vec<(Located<&'t str>, Vec<Located<&'t str>>)> {
        let mut lists = Vec::new();
        for (name, value, at) in self.pairs(key, problems) {
            let Some(array) = value.as_array() else {
                problems.error(&at, format!("`{key}.{}` is not a list", name.value), "write [\"...\"]");
                continue;
            };
            let mut list = Vec::with_capacity(array.len());
            for item in array {
                let at = self.place(item);
                match item.get_ref().as_str() {
                    Some(value) => list.push(Located { value, at }),
                    None => problems.error(&at, "this is not a string", "quote it"),
                }
            }
            lists.push((name, list));
        }
        lists
    }

    /// One sub-table.
    pub(super) fn table(&mut self, key: &'static str, problems: &mut Problems) -> Option<Table<'t>> {
        let (value, at) = self.get(key)?;
        match value.as_table() {
            Some(entries) => Some(Table::new(self.file, at, entries)),
            None => {
                problems.error(&at, format!("`{key}` is not a table"), format!("write [{key}]"));
                None
            }
        }
    }

    /// Every key of the table, each with a string.
    pub(super) fn all_strings(&mut self, problems: &mut Problems) -> Vec<(Located<&'t str>, Located<&'t str>)> {
        let mut strings = Vec::new();
        for (name, value) in self.entries {
            let (name_at, at) = (self.place(name), self.place(value));
            match value.get_ref().as_str() {
                Some(value) => {
                    strings.push((Located { value: name.get_ref().as_ref(), at: name_at }, Located { value, at }));
                }
                None => problems.error(&at, "this is not a string", "quote it"),
            }
        }
        strings
    }

    /// Names with days, such as retired keys.
    pub(super) fn dates(&mut self, key: &'static str, problems: &mut Problems) -> Vec<(Located<&'t str>, super::Date)> {
        let mut dates = Vec::new();
        for (name, value, at) in self.pairs(key, problems) {
            match date_of(value) {
                Some(date) => dates.push((name, date)),
                None => problems.error(&at, "this is not a day", "write 2026-11-01, without quotes"),
            }
        }
        dates
    }

    /// The tables of an array, such as `[[rule]]`.
    pub(super) fn array_of_tables(&mut self, key: &'static str, problems: &mut Problems) -> Vec<Table<'t>> {
        let Some((value, at)) = self.get(key) else { return Vec::new() };
        let mut tables = Vec::new();
        for item in value.as_array().into_iter().flatten() {
            let at = self.place(item);
            match item.get_ref().as_table() {
                Some(entries) => tables.push(Table::new(self.file, at, entries)),
                None => problems.error(
                    &at,
                    format!("`{key}` holds something that is not a table"),
                    format!("write [[{key}]]"),
                ),
            }
        }
        if value.as_array().is_none() {
            problems.error(&at, format!("`{key}` is not an array of tables"), format!("write [[{key}]]"));
        }
        tables
    }

    fn pairs(
        &mut self,
        key: &'static str,
        problems: &mut Problems,
    ) -> Vec<(Located<&'t str>, &'t DeValue<'t>, Location)> {
        let Some((value, at)) = self.get(key) else { return Vec::new() };
        let Some(entries) = value.as_table() else {
            problems.error(&at, format!("`{key}` is not a table"), format!("write [{key}]"));
            return Vec::new();
        };
        let pair = |(name, value): (&'t Spanned<_>, &'t Spanned<DeValue<'t>>)| {
            let name: &'t Spanned<std::borrow::Cow<'t, str>> = name;
            let located = Located { value: name.get_ref().as_ref(), at: self.place(name) };
            (located, value.get_ref(), self.place(value))
        };
        entries.iter().map(pair).collect()
    }

    /// Reports every key that nobody asked for.
    pub(super) fn finish(self, problems: &mut Problems) {
        for name in self.entries.keys() {
            let (key, at) = (name.get_ref().as_ref(), self.place(name));
            if self.asked.contains(key) {
                continue;
            }
            let known: Vec<&str> = self.asked.iter().copied().collect();
            let fix = match nearest(key, known.iter().copied()) {
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None => format!("known here: {}", known.join(", ")),
            };
            problems.error(&at, format!("unknown key `{key}`"), fix);
        }
    }
}

fn date_of(value: &DeValue<'_>) -> Option<super::Date> {
    let datetime = value.as_datetime()?;
    let date = datetime.date.filter(|_| datetime.time.is_none() && datetime.offset.is_none())?;
    super::Date::new(i16::try_from(date.year).ok()?, i8::try_from(date.month).ok()?, i8::try_from(date.day).ok()?)
}
