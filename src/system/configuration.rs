//! Git's configuration as one look at it gives it: what a command asks of it many times costs one process.

use super::Result;
use super::process::git;

/// Keys with their values in git's order: of several values of one key the last counts (git-config(1)).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Configuration {
    entries: Vec<(String, String)>,
}

impl Configuration {
    /// What git says here and now, the configuration of the environment and of the command line included.
    ///
    /// # Errors
    /// If git cannot be run, or cannot read a file.
    pub(crate) fn load() -> Result<Self> {
        Ok(Self::parse(&git(&["config", "--list", "--null"]).run()?))
    }

    /// Reads what `git config --list --null` prints: a key, a line feed, the value, NUL. A key without a value has no line feed, and
    /// stands for `true`.
    pub(crate) fn parse(listed: &[u8]) -> Self {
        let text = String::from_utf8_lossy(listed);
        let entries = text.split('\0').filter(|entry| !entry.is_empty());
        let pair = |entry: &str| {
            let (key, value) = entry.split_once('\n').unwrap_or((entry, "true"));
            (key.to_owned(), value.to_owned())
        };
        Self { entries: entries.map(pair).collect() }
    }

    /// As [`Configuration::parse`] reads it, of the entries whose key passes.
    pub(crate) fn to_bytes(&self, wanted: impl Fn(&str) -> bool) -> Vec<u8> {
        let entries = self.entries.iter().filter(|(key, _)| wanted(key));
        entries.flat_map(|(key, value)| format!("{key}\n{value}\0").into_bytes()).collect()
    }

    /// The value of a key, whose section and name are in lower case.
    pub(crate) fn value(&self, key: &str) -> Option<&str> {
        self.entries.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// The entries below a section, as the rest of their keys and their values, in order.
    pub(crate) fn below<'a>(&'a self, section: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.entries.iter().filter_map(move |(key, value)| Some((key.strip_prefix(section)?, value.as_str())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_value_counts_and_all_come_back() {
        let listed = b"core.bare\nfalse\0user.name\nAnn\nNg\0core.flag\0user.name\nBob\0countersign.A.key\n/k\0";
        let read = Configuration::parse(listed);
        assert_eq!((read.value("user.name"), read.value("core.none")), (Some("Bob"), None));
        assert_eq!(read.value("core.flag"), Some("true"));
        assert_eq!(read.below("countersign.").collect::<Vec<_>>(), [("A.key", "/k")]);
        assert_eq!(Configuration::parse(&read.to_bytes(|_| true)), read);
        assert_eq!(read.to_bytes(|key| key == "core.bare"), b"core.bare\nfalse\0");
    }
}
