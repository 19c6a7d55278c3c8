use proptest::prelude::*;

use super::super::syntax;
use super::*;

pub(super) fn program(patterns: &[&str]) -> Program {
    let mut program = Program::default();
    patterns.iter().for_each(|pattern| program.add(&syntax::parse(pattern).unwrap()));
    program
}

/// The numbers of the patterns that match, each once, with where it first ends.
pub(super) fn matches(automaton: &mut PatternAutomaton<'_>, text: &[u8]) -> Vec<(usize, usize)> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    automaton.search(text, |pattern, end| {
        if !found.iter().any(|(known, _)| *known == pattern) {
            found.push((pattern, end));
        }
    });
    found
}

fn is_match(pattern: &str, text: &[u8]) -> bool {
    !matches(&mut PatternAutomaton::new(&program(&[pattern])), text).is_empty()
}

#[test]
fn matches_as_the_language_says() {
    let table: &[(&str, &[&str], &[&str])] = &[
        ("abc", &["abc", "xABCx"], &["ab", "a bc", ""]),
        ("^abc$", &["abc", "ABC"], &["abcd", "xabc"]),
        ("^(a|b)*c", &["c", "ababc"], &["axc"]),
        (r"^\W*made", &["made", "** made", "\u{1f916} Made"], &["un-made", "xmade"]),
        (r"code\b", &["a code", "code-x", "CODE."], &["codex", "code_"]),
        ("a.c", &["abc", "a\u{e9}c a-c"], &["ac", "a\nc"]),
        ("x(a|b|)y", &["xy", "xay", "xby"], &["xcy"]),
        ("^$", &[""], &["a"]),
        ("", &["", "a"], &[]),
        (r"^\S+\s\d?[^0-9]$", &["ab 1x", "ab x"], &["ab 11", "ab 12x"]),
        ("(a*)*b", &["b", "aaab"], &["aaac"]),
        ("a|b$", &["a", "xb", "ax"], &["bx"]),
    ];
    for (pattern, good, bad) in table {
        for text in *good {
            assert!(is_match(pattern, text.as_bytes()), "{pattern} should match {text:?}");
        }
        for text in *bad {
            assert!(!is_match(pattern, text.as_bytes()), "{pattern} should not match {text:?}");
        }
    }
}

#[test]
fn many_patterns_are_told_apart_with_where_they_end() {
    let program = program(&["^key:.*<a@x>", "b+", "^key: .*b$", "^other", r"x\b"]);
    let mut automaton = PatternAutomaton::new(&program);
    for _ in 0..2 {
        assert_eq!(matches(&mut automaton, b"Key: b <A@x> b"), [(1, 6), (4, 11), (0, 12), (2, 14)]);
        assert_eq!(matches(&mut automaton, b"others"), [(3, 5)]);
        assert_eq!(matches(&mut automaton, b""), []);
    }
}

/// What is built depends on the patterns and on what stands next to what, not on how long the text is.
#[test]
fn a_long_text_asks_for_no_more_than_a_short_one() {
    let program = program(&["^(a|a|aa)*(a*)*c", "^k:.*<(x|y)@z>", "(ab|ba)+b$"]);
    for hostile in ["a", "ab", "<x@", "k:.<x@z", "<y@z<x@z>"] {
        let mut automaton = PatternAutomaton::new(&program);
        matches(&mut automaton, hostile.repeat(100).as_bytes());
        let built = automaton.built;
        matches(&mut automaton, hostile.repeat(200_000).as_bytes());
        assert_eq!(automaton.built, built, "{hostile}");
    }
}

/// Dots that a match may begin before keep every one of their positions apart: more states than are kept.
#[test]
fn states_have_a_ceiling_and_forgetting_them_changes_nothing() {
    let pattern = format!("a{}b$", ".".repeat(20));
    let program = program(&[&pattern]);
    let mut automaton = PatternAutomaton::new(&program);
    let mut noise = 1_u32;
    let mut bit = || {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if noise >> 30 & 1 == 1 { b'a' } else { b'c' }
    };
    let text: Vec<u8> = (0..4 * STATES).map(|_| bit()).collect();
    for end in [&b"a12345678901234567890b"[..], b"c12345678901234567890b"] {
        let text = [&text, end].concat();
        assert_eq!(!matches(&mut automaton, &text).is_empty(), end.starts_with(b"a"));
        assert!(automaton.states.len() <= STATES);
    }
    assert!(automaton.built > STATES);
}

/// A pattern with a text form and a naive backtracking matcher, which shares no code with the parser or the program.
#[derive(Clone, Debug)]
pub(super) enum Tree {
    Text(&'static str, fn(u8) -> bool),
    Zero(&'static str),
    Sequence(Vec<Tree>),
    Either(Vec<Tree>),
    Repeat(Box<Tree>, char),
}

impl Tree {
    pub(super) fn text(&self) -> String {
        match self {
            Self::Text(text, _) | Self::Zero(text) => (*text).to_string(),
            Self::Sequence(trees) => trees.iter().map(Self::text).collect(),
            Self::Either(trees) => format!("({})", trees.iter().map(Self::text).collect::<Vec<_>>().join("|")),
            Self::Repeat(tree, sign) => format!("({}){sign}", tree.text()),
        }
    }

    fn ends(&self, text: &[u8], at: usize) -> Vec<usize> {
        match self {
            Self::Text(_, accepts) => text.get(at).filter(|byte| accepts(**byte)).map(|_| at + 1).into_iter().collect(),
            Self::Zero(sign) => {
                let word = |index: Option<usize>| {
                    index.and_then(|i| text.get(i)).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_')
                };
                let holds = match *sign {
                    "^" => at == 0,
                    "$" => at == text.len(),
                    _ => word(at.checked_sub(1)) != word(Some(at)),
                };
                if holds { vec![at] } else { vec![] }
            }
            Self::Sequence(trees) => trees.iter().fold(vec![at], |starts, tree| {
                let mut ends: Vec<_> = starts.into_iter().flat_map(|start| tree.ends(text, start)).collect();
                ends.sort_unstable();
                ends.dedup();
                ends
            }),
            Self::Either(trees) => trees.iter().flat_map(|tree| tree.ends(text, at)).collect(),
            Self::Repeat(tree, sign) => {
                let mut all = if *sign == '+' { tree.ends(text, at) } else { vec![at] };
                if *sign == '?' {
                    all.extend(tree.ends(text, at));
                    return all;
                }
                let mut index = 0;
                while let Some(start) = all.get(index).copied() {
                    let more = tree.ends(text, start);
                    all.extend(more.into_iter().filter(|end| !all.contains(end)).collect::<Vec<_>>());
                    index += 1;
                }
                all
            }
        }
    }
}

pub(super) fn trees() -> impl Strategy<Value = Tree> {
    let atom = prop_oneof![
        Just(Tree::Text("a", |byte| byte.eq_ignore_ascii_case(&b'a'))),
        Just(Tree::Text("B", |byte| byte.eq_ignore_ascii_case(&b'b'))),
        Just(Tree::Text(r"\-", |byte| byte == b'-')),
        Just(Tree::Text(".", |byte| byte != b'\n')),
        Just(Tree::Text(r"\w", |byte| byte.is_ascii_alphanumeric() || byte == b'_')),
        Just(Tree::Text(r"\W", |byte| !(byte.is_ascii_alphanumeric() || byte == b'_'))),
        Just(Tree::Text(r"\d", |byte| byte.is_ascii_digit())),
        Just(Tree::Text("[^a-]", |byte| !byte.eq_ignore_ascii_case(&b'a') && byte != b'-')),
        Just(Tree::Text(r"[A\s]", |byte| byte.eq_ignore_ascii_case(&b'a') || byte == b' ')),
        Just(Tree::Zero("^")),
        Just(Tree::Zero("$")),
        Just(Tree::Zero(r"\b")),
    ];
    atom.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Tree::Sequence),
            prop::collection::vec(inner.clone(), 1..4).prop_map(Tree::Either),
            (inner, prop::sample::select(vec!['?', '*', '+']))
                .prop_map(|(tree, sign)| Tree::Repeat(Box::new(tree), sign)),
        ]
    })
}

proptest! {
    #[test]
    fn agrees_with_a_naive_matcher(tree in trees(), text in "[aAbB0 _-]{0,12}") {
        let pattern = tree.text();
        let expected = (0..=text.len()).any(|at| !tree.ends(text.as_bytes(), at).is_empty());
        prop_assert_eq!(is_match(&pattern, text.as_bytes()), expected, "{}", pattern);
    }
}
