//! Words of sh (POSIX, 2.2 Quoting).

/// A word in single quotes, whatever it holds.
pub(crate) fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}
