//! One form for all spellings that a file system which ignores case takes for the same: APFS, HFS+ and NTFS.
//!
//! The code points that HFS+ ignores go, what is composed is decomposed, and letters are folded, which is Unicode's canonical
//! caseless matching (Unicode 17, D145) and goes as far as any of the three. They differ in how far they go; for asking
//! whether a name could be another, the furthest is right. Widths, and whatever else only looks alike, are left: none of them
//! folds those.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization as _;

/// A folded text.
#[derive(Clone, Debug)]
pub struct Folded<'a>(Cow<'a, [u8]>);

/// Folds a text. What is ASCII costs no allocation; what is no UTF-8 stays as it is.
pub fn fold(text: &[u8]) -> Folded<'_> {
    if text.is_ascii() {
        return Folded(Cow::Borrowed(text));
    }
    let mut folded = Vec::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        let heeded = chunk.valid().chars().filter(|one| !is_ignorable(*one));
        for one in heeded.nfd().flat_map(fold_case).nfd() {
            folded.extend_from_slice(one.encode_utf8(&mut [0; 4]).as_bytes());
        }
        folded.extend_from_slice(chunk.invalid());
    }
    Folded(Cow::Owned(folded))
}

impl Folded<'_> {
    /// Its bytes.
    pub fn bytes(&self) -> impl Iterator<Item = u8> + '_ {
        self.0.iter().map(u8::to_ascii_lowercase)
    }
}

/// Full case folding. Small, large and small again, each by itself, is that for every character, and makes the dotless i one
/// as well.
fn fold_case(one: char) -> impl Iterator<Item = char> {
    one.to_lowercase().flat_map(char::to_uppercase).flat_map(char::to_lowercase)
}

/// Whether HFS+ takes no notice of a code point in a name (Apple's TN1150, "HFSX"; git's utf8.c, `next_hfs_char`).
pub fn is_ignorable(one: char) -> bool {
    matches!(one, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}')
}

/// Characters beyond ASCII that fold to ASCII, and one that folds to nothing.
pub const BEYOND_ASCII: &[char] = &[
    '\u{200c}', '\u{df}', '\u{131}', '\u{17f}', '\u{37e}', '\u{1e9e}', '\u{1fef}', '\u{212a}', '\u{fb00}', '\u{fb01}',
    '\u{fb02}', '\u{fb03}', '\u{fb04}', '\u{fb05}', '\u{fb06}',
];

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(text: &[u8]) -> Vec<u8> {
        fold(text).bytes().collect()
    }

    #[test]
    fn what_file_systems_take_for_the_same_is_the_same() {
        for (one, other) in [
            ("Jenkinsfile", "JENKINSFILE"),
            ("Jenkinsfile", "Jenkin\u{17f}file"),
            ("Jenkinsfile", "Jen\u{212a}insfile"),
            ("Jenkinsfile", "Jenkins\u{200c}file\u{feff}"),
            ("donn\u{e9}es", "DONNE\u{301}ES"),
            ("stra\u{df}e", "STRASSE"),
            ("\u{1e9e}", "ss"),
            ("\u{3a3}\u{3c2}", "\u{3c3}\u{3c3}"),
            // Marks in another order, and one between which HFS+ does not see.
            ("a\u{323}\u{301}", "a\u{301}\u{200d}\u{323}"),
            ("\u{130}", "i\u{307}"),
            ("\u{13a0}", "\u{ab70}"),
        ] {
            assert_eq!(folded(one.as_bytes()), folded(other.as_bytes()), "{one} {other}");
        }
        for (one, other) in [
            ("Jenkinsfile", "\u{ff2a}enkinsfile"),
            ("donn\u{e9}es", "donnees"),
            ("a\u{301}\u{308}", "a\u{308}\u{301}"),
            ("a\u{200b}", "a"),
            ("\u{2460}", "1"),
        ] {
            assert_ne!(folded(one.as_bytes()), folded(other.as_bytes()), "{one} {other}");
        }
        assert_eq!(folded(b"A\xff\xc3\x89\xc3"), b"a\xff\x65\xcc\x81\xc3");
    }

    #[test]
    fn ascii_is_borrowed() {
        assert!(matches!(fold(b"src/Main.rs").0, Cow::Borrowed(_)));
    }

    /// Every character by itself: folding again changes nothing, and only those named fold to ASCII.
    #[test]
    fn every_character_folds_once() {
        let mut buffer = [0; 4];
        let mut to_ascii = Vec::new();
        for one in char::MIN..=char::MAX {
            let text = one.encode_utf8(&mut buffer).as_bytes();
            let once = folded(text);
            assert_eq!(folded(&once), once, "{one:?}");
            if !one.is_ascii() && once.is_ascii() && !is_ignorable(one) {
                to_ascii.push(one);
            }
        }
        assert!(is_ignorable(BEYOND_ASCII[0]));
        assert_eq!(&to_ascii, &BEYOND_ASCII[1..]);
    }

    /// Marks are sorted, and nothing else takes more than its length.
    #[test]
    fn a_long_name_takes_no_longer_than_its_length() {
        let name = ["e", &"\u{301}\u{323}".repeat(200_000)].concat();
        assert_eq!(folded(name.as_bytes()).len(), name.len());
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config { failure_persistence: None, ..Default::default() })]

        #[test]
        fn folding_is_idempotent(text in "\\PC{0,12}", bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..12)) {
            for text in [text.as_bytes(), &bytes, &[text.as_bytes(), &bytes, text.as_bytes()].concat()] {
                let once = folded(text);
                proptest::prop_assert_eq!(folded(&once), once);
            }
        }

        #[test]
        fn normal_forms_and_cases_fold_alike(text in "[a-z\u{c0}-\u{24f}\u{300}-\u{36f}\u{370}-\u{3ff}\u{1e00}-\u{1fff}]{0,8}") {
            let same = [text.nfc().collect(), text.nfd().collect(), text.to_lowercase()];
            for other in same {
                proptest::prop_assert_eq!(folded(text.as_bytes()), folded(other.as_bytes()), "{}", other);
            }
        }
    }
}
