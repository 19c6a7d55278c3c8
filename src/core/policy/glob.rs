//! Patterns for refs and paths: `*` within one component, `**` across them, `!` in front excludes, anchored at both ends.
//!
//! Matching follows all positions of the pattern at once, so its time is the text's length times the pattern's, whatever
//! both hold. Other characters that globs elsewhere give a meaning are refused, so that nobody believes they have one here.

use thiserror::Error;

/// Whether letters match in either case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// Bytes must be equal.
    Exact,
    /// Characters may differ in case.
    Folded,
}

/// One pattern, without its `!`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    text: String,
    tokens: Vec<Token>,
    folded: Vec<Token>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Byte(u8),
    /// `*`: any bytes but a slash.
    Star,
    /// `**`: any bytes.
    DoubleStar,
    /// `**/` at the start or after a slash: nothing, or anything that ends in a slash.
    Directories,
}

/// Why a text is not a pattern.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum GlobError {
    /// Nothing at all.
    #[error("the pattern is empty")]
    Empty,
    /// A character that other globs give a meaning.
    #[error("the pattern holds {0:?}, which has no meaning here; only * and ** have")]
    Character(char),
    /// `**` beside something other than a slash.
    #[error("** stands for whole components: write it between slashes or at an end")]
    DoubleStar,
    /// A slash at the start or end, or two in a row.
    #[error("the pattern has an empty component")]
    Component,
}

impl Glob {
    /// Parses a pattern.
    ///
    /// # Errors
    /// [`GlobError`].
    pub fn parse(text: &str) -> Result<Self, GlobError> {
        if text.is_empty() {
            return Err(GlobError::Empty);
        }
        let strange =
            |character: &char| matches!(character, '?' | '[' | ']' | '{' | '}' | '\\' | '!') || character.is_control();
        if let Some(character) = text.chars().find(strange) {
            return Err(GlobError::Character(character));
        }
        let components: Vec<&str> = text.split('/').collect();
        let mut tokens = Vec::with_capacity(text.len());
        for (position, component) in components.iter().enumerate() {
            let last = position + 1 == components.len();
            match *component {
                "" => return Err(GlobError::Component),
                "**" if last => tokens.push(Token::DoubleStar),
                "**" => tokens.push(Token::Directories),
                other if other.contains("**") => return Err(GlobError::DoubleStar),
                other => {
                    tokens.extend(other.bytes().map(|byte| if byte == b'*' { Token::Star } else { Token::Byte(byte) }));
                    if !last {
                        tokens.push(Token::Byte(b'/'));
                    }
                }
            }
        }
        let folded = if text.chars().any(char::is_uppercase) {
            Self::parse(&text.to_lowercase())?.tokens
        } else {
            tokens.clone()
        };
        Ok(Self { text: text.to_owned(), tokens, folded })
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the pattern can match one text only.
    pub fn is_literal(&self) -> bool {
        self.tokens.iter().all(|token| matches!(token, Token::Byte(_)))
    }

    /// Whether the whole text matches.
    pub fn matches(&self, text: &[u8], case: Case) -> bool {
        match case {
            Case::Exact => run(&self.tokens, text).whole,
            Case::Folded => run(&self.folded, &fold(text)).whole,
        }
    }

    /// Whether something below the text, taken as a directory, could match: whatever replaces the directory then replaces it.
    pub fn matches_below(&self, text: &[u8], case: Case, below: Below) -> bool {
        let (tokens, mut directory) = match case {
            Case::Exact => (&self.tokens, text.to_vec()),
            Case::Folded => (&self.folded, fold(text)),
        };
        directory.push(b'/');
        match below {
            Below::Anything => run(tokens, &directory).begun,
            Below::Named => {
                let literal = |(token, byte): (&Token, &u8)| *token == Token::Byte(*byte);
                tokens.len() > directory.len() && tokens.iter().zip(&directory).all(literal)
            }
        }
    }
}

/// What may stand below a path, for [`Glob::matches_below`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Below {
    /// Only what the pattern names by full components: the path is a file, which has nothing below it but takes the place of
    /// a directory that the pattern names.
    Named,
    /// Anything: the path is a link or a submodule, and what is behind it is not in this tree.
    Anything,
}

/// Lower case, as far as the text is UTF-8; other bytes by ASCII.
fn fold(text: &[u8]) -> Vec<u8> {
    match std::str::from_utf8(text) {
        Ok(text) => text.to_lowercase().into_bytes(),
        Err(_) => text.to_ascii_lowercase(),
    }
}

/// What a pattern says of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// The text matches.
    pub(super) whole: bool,
    /// The text is the beginning of something that matches.
    pub(super) begun: bool,
}

/// Follows the set of pattern positions that the text read so far can be at.
fn run(tokens: &[Token], text: &[u8]) -> Run {
    let (mut at, mut next) = (Positions::start(tokens), Positions::default());
    let mut component_start = true;
    for byte in text {
        at.advance(tokens, *byte, component_start, &mut next);
        std::mem::swap(&mut at, &mut next);
        component_start = *byte == b'/';
    }
    at.run(tokens)
}

/// The positions in a pattern that a text can be at, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Positions(Vec<usize>);

impl Positions {
    fn start(tokens: &[Token]) -> Self {
        let mut positions = Self::default();
        positions.enter(tokens, 0);
        positions
    }

    /// Where one more byte leads. `component_start` says whether the byte is the first of a component.
    fn advance(&self, tokens: &[Token], byte: u8, component_start: bool, next: &mut Self) {
        next.0.clear();
        for index in &self.0 {
            match tokens.get(*index) {
                Some(Token::Byte(wanted)) if *wanted == byte => next.enter(tokens, index + 1),
                Some(Token::Byte(_)) | None => {}
                Some(Token::Star) if byte == b'/' => {}
                Some(Token::Star | Token::DoubleStar) => next.enter(tokens, *index),
                // Inside it every byte stays; the token after it can only begin where a component does.
                Some(Token::Directories) => {
                    next.0.push(*index);
                    if byte == b'/' && !component_start {
                        next.enter(tokens, index + 1);
                    }
                }
            }
        }
        next.0.sort_unstable();
        next.0.dedup();
    }

    /// Adds a position and those that need no further byte to be reached from it.
    fn enter(&mut self, tokens: &[Token], index: usize) {
        self.0.push(index);
        if matches!(tokens.get(index), Some(Token::Star | Token::DoubleStar | Token::Directories)) {
            self.enter(tokens, index + 1);
        }
    }

    fn run(&self, tokens: &[Token]) -> Run {
        let end = tokens.len();
        Run { whole: self.0.last() == Some(&end), begun: self.0.first().is_some_and(|first| *first < end) }
    }
}

/// Following a pattern byte by byte, for comparing patterns with each other (`reach.rs`).
impl Glob {
    const fn tokens(&self, case: Case) -> &Vec<Token> {
        match case {
            Case::Exact => &self.tokens,
            Case::Folded => &self.folded,
        }
    }

    /// The bytes that the pattern names.
    pub(super) fn bytes(&self, case: Case) -> impl Iterator<Item = u8> + '_ {
        self.tokens(case).iter().filter_map(|token| if let Token::Byte(byte) = token { Some(*byte) } else { None })
    }

    /// Where an empty text is.
    pub(super) fn start(&self, case: Case) -> Positions {
        Positions::start(self.tokens(case))
    }

    /// Where one more byte of an ASCII text leads.
    pub(super) fn advance(&self, case: Case, from: &Positions, byte: u8, component_start: bool) -> Positions {
        let byte = if case == Case::Folded { byte.to_ascii_lowercase() } else { byte };
        let mut next = Positions::default();
        from.advance(self.tokens(case), byte, component_start, &mut next);
        next
    }

    /// What the pattern says of the text that led here.
    pub(super) fn at(&self, case: Case, positions: &Positions) -> Run {
        positions.run(self.tokens(case))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_keep_to_components() {
        for (pattern, yes, no) in [
            ("refs/heads/main", &["refs/heads/main"][..], &["refs/heads/main2", "refs/heads/Main", "refs/heads"][..]),
            ("refs/heads/*", &["refs/heads/x", "refs/heads/"], &["refs/heads/x/y", "refs/head/x"]),
            ("refs/heads/**", &["refs/heads/x", "refs/heads/x/y"], &["refs/heads", "refs/tags/x"]),
            ("refs/*/v*", &["refs/tags/v1", "refs/tags/v"], &["refs/tags/x/v1", "refs/tags/w"]),
            ("**/ci.yml", &["ci.yml", "a/ci.yml", "a/b/ci.yml"], &["xci.yml", "a/xci.yml", "ci.yml/x", "/x"]),
            ("a/**/b", &["a/b", "a/x/b", "a/x/y/b"], &["ab", "a/xb", "axb"]),
            ("**", &["x", "x/y"], &[]),
            ("a*b*c", &["abc", "axxbyyc", "abbc"], &["ab/c", "acb"]),
        ] {
            let glob = Glob::parse(pattern).unwrap();
            for text in yes {
                assert!(glob.matches(text.as_bytes(), Case::Exact), "{pattern} should match {text}");
            }
            for text in no {
                assert!(!glob.matches(text.as_bytes(), Case::Exact), "{pattern} should not match {text}");
            }
        }
    }

    #[test]
    fn folding_reaches_beyond_ascii_and_works_on_broken_utf8() {
        let glob = Glob::parse(".GitHub/\u{c4}/**").unwrap();
        assert!(glob.matches(".github/\u{e4}/x".as_bytes(), Case::Folded));
        assert!(!glob.matches(".github/\u{e4}/x".as_bytes(), Case::Exact));
        assert!(Glob::parse("ci/**").unwrap().matches(b"CI/\xff", Case::Folded));
    }

    #[test]
    fn what_replaces_a_directory_replaces_what_is_below() {
        for (pattern, text, named, anything) in [
            (".github/**", ".github", true, true),
            (".github/workflows/*.yml", ".github", true, true),
            (".github/workflows/*.yml", ".github/workflows", true, true),
            ("ci/Jenkinsfile", "CI", true, true),
            ("**/Jenkinsfile", "src", false, true),
            ("*/Jenkinsfile", "src", false, true),
            (".github/**", "src", false, false),
            ("Jenkinsfile", "Jenkinsfile", false, false),
            ("*.yml", "x.yml", false, false),
        ] {
            let glob = Glob::parse(pattern).unwrap();
            let below = |below| glob.matches_below(text.as_bytes(), Case::Folded, below);
            assert_eq!((below(Below::Named), below(Below::Anything)), (named, anything), "{pattern} {text}");
        }
    }

    #[test]
    fn refuses_what_would_be_misread() {
        for (pattern, error) in [
            ("", GlobError::Empty),
            ("a?", GlobError::Character('?')),
            ("[a]", GlobError::Character('[')),
            ("{a,b}", GlobError::Character('{')),
            ("a\\*", GlobError::Character('\\')),
            ("a!b", GlobError::Character('!')),
            ("a**", GlobError::DoubleStar),
            ("***", GlobError::DoubleStar),
            ("/a", GlobError::Component),
            ("a//b", GlobError::Component),
            ("a/", GlobError::Component),
        ] {
            assert_eq!(Glob::parse(pattern), Err(error), "{pattern}");
        }
    }

    proptest::proptest! {
        #[test]
        fn agrees_with_a_naive_matcher(pattern in "(\\*\\*/)?[ab*]{1,3}(/[ab*]{1,2}){0,2}(/\\*\\*)?", text in "[ab]{1,2}(/[ab]{1,2}){0,3}") {
            if let Ok(glob) = Glob::parse(&pattern) {
                let expected = naive(&pattern, &text, true);
                proptest::prop_assert_eq!(glob.matches(text.as_bytes(), Case::Exact), expected);
            }
        }
    }

    /// The definition, by trying everything.
    fn naive(pattern: &str, text: &str, start: bool) -> bool {
        if start && let Some(rest) = pattern.strip_prefix("**/") {
            let after = |(position, _): (usize, &str)| position > 0 && naive(rest, &text[position + 1..], true);
            return naive(rest, text, true) || text.match_indices('/').any(after);
        }
        if pattern == "**" {
            return true;
        }
        match (pattern.chars().next(), text.chars().next()) {
            (None, None) => true,
            (Some('*'), _) => {
                naive(&pattern[1..], text, false)
                    || text.chars().next().is_some_and(|c| c != '/' && naive(pattern, &text[1..], false))
            }
            (Some(wanted), Some(found)) if wanted == found => naive(&pattern[1..], &text[1..], wanted == '/'),
            _ => false,
        }
    }
}
