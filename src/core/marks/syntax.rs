//! The pattern language: text to syntax tree.
//!
//! `^ $ . | ( ) ? * + [a-z] [^a-z] \d \s \S \w \W \b`, a backslash before punctuation, and ASCII letters that match both
//! cases. There is no counted repetition and no capture, so a program is never larger than its text allows.

use super::byteset::ByteSet;

/// Bytes of one pattern. The longest built-in row has about 250.
pub(super) const PATTERN_BYTES: usize = 1024;

/// Groups within groups. The parser and the compiler recurse once per level.
const GROUP_DEPTH: usize = 16;

/// One node of a parsed pattern. Letters are lower case: the matcher folds its input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PatternNode {
    Byte(u8),
    Set(ByteSet),
    Assert(Assert),
    Concat(Vec<PatternNode>),
    Either(Vec<PatternNode>),
    Repeat(Box<PatternNode>, Times),
}

/// A condition on a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Assert {
    Start,
    End,
    WordBoundary,
}

/// How often a repeated node may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Times {
    Optional,
    Any,
    AtLeastOnce,
}

/// Why a pattern is not in the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Longer than 1024 bytes.
    #[error("a pattern is at most {PATTERN_BYTES} bytes")]
    TooLong,
    /// More than 16 groups within each other.
    #[error("groups nest at most {GROUP_DEPTH} deep")]
    TooDeep,
    /// A byte that is not printable ASCII.
    #[error("a pattern is printable ASCII")]
    NotAscii,
    /// `?`, `*` or `+` after nothing that can repeat, or after another of them.
    #[error("nothing to repeat before \"?\", \"*\" or \"+\"")]
    NothingToRepeat,
    /// `(` without `)` or the reverse.
    #[error("a parenthesis has no partner")]
    Unbalanced,
    /// `{` or `}` without a backslash.
    #[error("counted repetition is not in the language: put a backslash before a literal brace")]
    Counted,
    /// A backslash before something that has no meaning.
    #[error("unknown escape: after a backslash stands punctuation or one of d s S w W b")]
    UnknownEscape,
    /// A character class that is empty, open, or has a range that runs backwards.
    #[error("bad character class: put a backslash before a literal bracket, and ranges in ascending order")]
    BadClass,
}

/// Parses a whole pattern.
pub(super) fn parse(text: &str) -> Result<PatternNode, PatternError> {
    if text.len() > PATTERN_BYTES {
        return Err(PatternError::TooLong);
    }
    if text.bytes().any(|byte| !matches!(byte, b' '..=b'~')) {
        return Err(PatternError::NotAscii);
    }
    let mut parser = Parser { rest: text.as_bytes(), depth: 0 };
    let node = parser.alternatives()?;
    if parser.rest.is_empty() { Ok(node) } else { Err(PatternError::Unbalanced) }
}

struct Parser<'a> {
    rest: &'a [u8],
    depth: usize,
}

impl Parser<'_> {
    /// Up to the end of the pattern or the `)` of the group that is open.
    fn alternatives(&mut self) -> Result<PatternNode, PatternError> {
        let first = self.sequence()?;
        if self.rest.first() != Some(&b'|') {
            return Ok(first);
        }
        let mut branches = vec![first];
        while self.eat(b'|') {
            branches.push(self.sequence()?);
        }
        Ok(PatternNode::Either(branches))
    }

    fn sequence(&mut self) -> Result<PatternNode, PatternError> {
        let mut nodes = Vec::with_capacity(self.rest.len());
        while let Some(byte) = self.rest.first().copied().filter(|byte| !matches!(byte, b'|' | b')')) {
            self.bump();
            let node = self.atom(byte)?;
            nodes.push(self.repeated(node)?);
        }
        Ok(PatternNode::Concat(nodes))
    }

    fn atom(&mut self, byte: u8) -> Result<PatternNode, PatternError> {
        Ok(match byte {
            b'^' => PatternNode::Assert(Assert::Start),
            b'$' => PatternNode::Assert(Assert::End),
            b'.' => PatternNode::Set(ByteSet::of(b"\n").negated()),
            b'(' => self.group()?,
            b'[' => PatternNode::Set(self.class()?),
            b'\\' => match self.bump() {
                Some(b'b') => PatternNode::Assert(Assert::WordBoundary),
                Some(letter) if letter.is_ascii_alphabetic() => PatternNode::Set(named_set(letter)?),
                Some(literal) if literal.is_ascii_punctuation() => PatternNode::Byte(literal),
                _ => return Err(PatternError::UnknownEscape),
            },
            b'?' | b'*' | b'+' => return Err(PatternError::NothingToRepeat),
            b'{' | b'}' => return Err(PatternError::Counted),
            b']' => return Err(PatternError::BadClass),
            literal => PatternNode::Byte(literal.to_ascii_lowercase()),
        })
    }

    fn repeated(&mut self, node: PatternNode) -> Result<PatternNode, PatternError> {
        let times = match self.rest.first() {
            Some(b'?') => Times::Optional,
            Some(b'*') => Times::Any,
            Some(b'+') => Times::AtLeastOnce,
            _ => return Ok(node),
        };
        self.bump();
        let again = matches!(self.rest.first(), Some(b'?' | b'*' | b'+'));
        if again || matches!(node, PatternNode::Assert(_)) {
            return Err(PatternError::NothingToRepeat);
        }
        Ok(PatternNode::Repeat(Box::new(node), times))
    }

    fn group(&mut self) -> Result<PatternNode, PatternError> {
        if self.depth >= GROUP_DEPTH {
            return Err(PatternError::TooDeep);
        }
        self.depth = self.depth.saturating_add(1);
        let node = self.alternatives()?;
        self.depth = self.depth.saturating_sub(1);
        if self.eat(b')') { Ok(node) } else { Err(PatternError::Unbalanced) }
    }

    /// After the opening bracket, up to and with the closing one.
    fn class(&mut self) -> Result<ByteSet, PatternError> {
        let negated = self.eat(b'^');
        let mut set = ByteSet::EMPTY;
        loop {
            match self.class_item()? {
                None if set == ByteSet::EMPTY => return Err(PatternError::BadClass),
                None => return Ok(if negated { set.negated() } else { set }),
                Some(Item::Set(inner)) => set = set.union(inner),
                Some(Item::Byte(low)) => {
                    let ranged = matches!(self.rest, [b'-', next, ..] if *next != b']');
                    let high = if ranged {
                        self.bump();
                        match self.class_item()? {
                            Some(Item::Byte(high)) if low <= high => high,
                            _ => return Err(PatternError::BadClass),
                        }
                    } else {
                        low
                    };
                    // Both cases go in before a negation, so that `[^a]` excludes `A` too.
                    set = (low..=high).fold(set, ByteSet::with_both_cases);
                }
            }
        }
    }

    fn class_item(&mut self) -> Result<Option<Item>, PatternError> {
        match self.bump() {
            None | Some(b'[') => Err(PatternError::BadClass),
            Some(b']') => Ok(None),
            Some(b'\\') => match self.bump() {
                Some(letter) if letter.is_ascii_alphabetic() => named_set(letter).map(|set| Some(Item::Set(set))),
                Some(literal) if literal.is_ascii_punctuation() => Ok(Some(Item::Byte(literal))),
                _ => Err(PatternError::UnknownEscape),
            },
            Some(literal) => Ok(Some(Item::Byte(literal))),
        }
    }

    fn bump(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.rest.first() == Some(&byte);
        if found {
            self.bump();
        }
        found
    }
}

enum Item {
    Byte(u8),
    Set(ByteSet),
}

fn named_set(letter: u8) -> Result<ByteSet, PatternError> {
    Ok(match letter {
        b'd' => ByteSet::of(b"0123456789"),
        b's' => ByteSet::SPACE,
        b'S' => ByteSet::SPACE.negated(),
        b'w' => ByteSet::word(),
        b'W' => ByteSet::word().negated(),
        _ => return Err(PatternError::UnknownEscape),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_is_not_in_the_language() {
        use PatternError::*;
        let long = "a".repeat(PATTERN_BYTES + 1);
        let deep = format!("{}a{}", "(".repeat(17), ")".repeat(17));
        let table: &[(&str, PatternError)] = &[
            (&long, TooLong),
            (&deep, TooDeep),
            ("caf\u{e9}", NotAscii),
            ("a\tb", NotAscii),
            ("*a", NothingToRepeat),
            ("a|+", NothingToRepeat),
            ("a**", NothingToRepeat),
            ("a*?", NothingToRepeat),
            ("^*", NothingToRepeat),
            ("(a", Unbalanced),
            ("a)", Unbalanced),
            ("a{2}", Counted),
            (r"\q", UnknownEscape),
            (r"\1", UnknownEscape),
            ("\\", UnknownEscape),
            (r"[\b]", UnknownEscape),
            ("[]", BadClass),
            ("[^]", BadClass),
            ("[a", BadClass),
            ("[z-a]", BadClass),
            (r"[a-\d]", BadClass),
            ("[[a]", BadClass),
            ("a]", BadClass),
        ];
        for (pattern, expected) in table {
            assert_eq!(parse(pattern).unwrap_err(), *expected, "{pattern}");
        }
    }

    #[test]
    fn reads_classes_both_cases_and_escapes() {
        assert_eq!(parse(r"A\.").unwrap(), PatternNode::Concat(vec![PatternNode::Byte(b'a'), PatternNode::Byte(b'.')]));
        let PatternNode::Concat(nodes) = parse(r"[^a-c\]-]").unwrap() else { panic!() };
        let Some(PatternNode::Set(set)) = nodes.first() else { panic!() };
        for inside in b"dD[^\xff" {
            assert!(set.contains(*inside), "{inside}");
        }
        for outside in b"abcABC]-" {
            assert!(!set.contains(*outside), "{outside}");
        }
    }
}
