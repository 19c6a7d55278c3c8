//! What somebody who mistyped a word may have meant.

/// Edits within which one word is taken for a misspelling of another.
const EDITS: usize = 3;

/// Bytes of a word above which there is nothing to suggest: no word of ours is longer, and comparing takes their product.
const LONGEST: usize = 64;

/// The word closest to `typed`, if one is close. A short word is not close to what shares none of its letters.
pub fn nearest<'a>(typed: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if typed.len() > LONGEST {
        return None;
    }
    let measured = words.into_iter().map(|word| (strsim::osa_distance(typed, word), word));
    let close =
        measured.filter(|(edits, word)| *edits <= EDITS && *edits < word.chars().count().max(typed.chars().count()));
    close.min_by_key(|(edits, _)| *edits).map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_misspelling_is_told_from_another_word() {
        let words = ["identity", "refs", "stale-seal", "bad-seal"];
        for (typed, meant) in [
            ("identiy", Some("identity")),
            ("idnetity", Some("identity")),
            ("identity", Some("identity")),
            ("stale-saal", Some("stale-seal")),
            ("ref", Some("refs")),
            ("since", None),
            ("main", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed, words), meant, "{typed}");
        }
        assert_eq!(nearest(&"s".repeat(1000), words), None);
        assert_eq!(nearest("abc", []), None);
    }
}
