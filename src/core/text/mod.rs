//! Words and names as text: what file systems and people take for the same.

pub mod folding;
pub mod names;
pub mod nearest;
pub mod short_names;

/// So many of what a noun names, whose plural is regular.
pub fn plural(count: impl std::fmt::Display, noun: &str) -> String {
    let count = count.to_string();
    if count == "1" {
        return format!("1 {noun}");
    }
    match noun.strip_suffix('y').filter(|stem| !stem.ends_with(['a', 'e', 'o', 'u'])) {
        Some(stem) => format!("{count} {stem}ies"),
        None => format!("{count} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::plural;

    #[test]
    fn one_is_not_many() {
        for (count, noun, words) in
            [(0, "error", "0 errors"), (1, "error", "1 error"), (2, "entry", "2 entries"), (21, "key", "21 keys")]
        {
            assert_eq!(plural(count, noun), words);
        }
    }
}
