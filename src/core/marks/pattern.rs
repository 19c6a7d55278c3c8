//! A compiled pattern and its matcher: a Thompson NFA run in lockstep over the text.
//!
//! Time is at most the length of the text times the size of the program, whatever the pattern: the text comes from
//! whoever pushes. Two filters answer for nearly every line before the simulation starts.

use super::byteset::{ByteSet, is_word};
use super::syntax::{self, Assert, Node, PatternError, Times};

/// A pattern, ready to match. ASCII letters match both cases; text is bytes, without line feeds.
#[derive(Clone, Debug)]
pub struct Pattern {
    program: Vec<Step>,
    /// Every match starts at the start of the text.
    anchored: bool,
    /// Bytes a match can start with, in lower case; `None` where a match may be empty.
    first: Option<ByteSet>,
    /// What every match starts with, in lower case, where it starts at the start of the text; may be empty.
    prefix: Vec<u8>,
    /// One of these stands in every match, in lower case; no entry asks nothing.
    required: Vec<Vec<u8>>,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Byte(u8),
    Set(ByteSet),
    Assert(Assert),
    Split(usize, usize),
    Jump(usize),
    Match,
}

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// Where the text is not in the language, is longer than 1024 bytes or nests too deep.
    pub fn compile(text: &str) -> Result<Self, PatternError> {
        let node = syntax::parse(text)?;
        let mut program = Vec::with_capacity(text.len().saturating_add(1));
        emit(&node, &mut program);
        program.push(Step::Match);
        let (first, nullable) = first_bytes(&node);
        Ok(Self {
            program,
            anchored: is_anchored(&node),
            first: (!nullable).then_some(first),
            prefix: prefix(&node),
            required: required(&node),
        })
    }

    /// Whether the pattern matches anywhere in `text`.
    pub fn is_match(&self, text: &[u8]) -> bool {
        let impossible_start = self.anchored
            && self.first.is_some_and(|set| !text.first().is_some_and(|byte| set.contains(byte.to_ascii_lowercase())));
        !impossible_start
            && text.get(..self.prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(&self.prefix))
            && (self.required.is_empty() || self.required.iter().any(|needle| holds(text, needle)))
            && self.simulate(text)
    }

    fn simulate(&self, text: &[u8]) -> bool {
        let mut now = Threads::new(self.program.len());
        let mut next = Threads::new(self.program.len());
        for at in 0..=text.len() {
            let byte = text.get(at).map(u8::to_ascii_lowercase);
            let can_start = self.first.is_none_or(|set| byte.is_some_and(|byte| set.contains(byte)));
            let may_start = if self.anchored { at == 0 } else { can_start };
            if may_start && self.follow(&mut now, 0, text, at) {
                return true;
            }
            let Some(byte) = byte else { return false };
            if now.waiting.is_empty() && self.anchored {
                return false;
            }
            for index in now.waiting.drain(..) {
                let accepts = match self.program.get(index) {
                    Some(Step::Byte(wanted)) => *wanted == byte,
                    Some(Step::Set(set)) => set.contains(byte),
                    _ => false,
                };
                if accepts && self.follow(&mut next, index.saturating_add(1), text, at.saturating_add(1)) {
                    return true;
                }
            }
            now.forget();
            std::mem::swap(&mut now, &mut next);
        }
        false
    }

    /// Adds every step that waits for a byte and is reachable from `start` at position `at`; true at a match.
    fn follow(&self, threads: &mut Threads, start: usize, text: &[u8], at: usize) -> bool {
        threads.stack.push(start);
        while let Some(index) = threads.stack.pop() {
            if !threads.visit(index) {
                continue;
            }
            match self.program.get(index) {
                Some(Step::Byte(_) | Step::Set(_)) => threads.waiting.push(index),
                Some(Step::Assert(assert)) if assert_holds(*assert, text, at) => {
                    threads.stack.push(index.saturating_add(1));
                }
                Some(Step::Split(one, other)) => threads.stack.extend([*one, *other]),
                Some(Step::Jump(target)) => threads.stack.push(*target),
                Some(Step::Match) => {
                    threads.stack.clear();
                    return true;
                }
                Some(Step::Assert(_)) | None => {}
            }
        }
        false
    }
}

/// The steps the simulation stands at, each at most once per position.
struct Threads {
    waiting: Vec<usize>,
    /// The round in which each step was last visited.
    visited: Vec<usize>,
    round: usize,
    stack: Vec<usize>,
}

impl Threads {
    fn new(steps: usize) -> Self {
        Self { waiting: Vec::with_capacity(steps), visited: vec![0; steps], round: 1, stack: Vec::with_capacity(steps) }
    }

    fn visit(&mut self, index: usize) -> bool {
        self.visited.get_mut(index).is_some_and(|last| std::mem::replace(last, self.round) != self.round)
    }

    fn forget(&mut self) {
        self.waiting.clear();
        self.round = self.round.saturating_add(1);
    }
}

fn assert_holds(assert: Assert, text: &[u8], at: usize) -> bool {
    match assert {
        Assert::Start => at == 0,
        Assert::End => at == text.len(),
        Assert::WordBoundary => {
            let before = at.checked_sub(1).and_then(|before| text.get(before)).is_some_and(|byte| is_word(*byte));
            let after = text.get(at).is_some_and(|byte| is_word(*byte));
            before != after
        }
    }
}

/// Whether `needle` (lower case) stands in `text`, without regard to case.
fn holds(text: &[u8], needle: &[u8]) -> bool {
    let Some((first, rest)) = needle.split_first() else { return true };
    let mut tail = text;
    while let Some(at) = tail.iter().position(|byte| byte.to_ascii_lowercase() == *first) {
        tail = tail.get(at.saturating_add(1)..).unwrap_or_default();
        match tail.get(..rest.len()) {
            None => return false,
            Some(candidate) if candidate.eq_ignore_ascii_case(rest) => return true,
            Some(_) => {}
        }
    }
    false
}

fn emit(node: &Node, program: &mut Vec<Step>) {
    match node {
        Node::Byte(byte) => program.push(Step::Byte(*byte)),
        Node::Set(set) => program.push(Step::Set(*set)),
        Node::Assert(assert) => program.push(Step::Assert(*assert)),
        Node::Concat(nodes) => nodes.iter().for_each(|node| emit(node, program)),
        Node::Either(branches) => {
            let mut ends = Vec::with_capacity(branches.len());
            if let Some((last, others)) = branches.split_last() {
                for branch in others {
                    let split = reserve(program);
                    emit(branch, program);
                    ends.push(reserve(program));
                    let here = program.len();
                    patch(program, split, Step::Split(split.saturating_add(1), here));
                }
                emit(last, program);
            }
            let here = program.len();
            ends.into_iter().for_each(|end| patch(program, end, Step::Jump(here)));
        }
        Node::Repeat(node, times) => {
            let start = program.len();
            let split = (*times != Times::AtLeastOnce).then(|| reserve(program));
            emit(node, program);
            match times {
                Times::Optional => {}
                Times::Any => program.push(Step::Jump(start)),
                Times::AtLeastOnce => program.push(Step::Split(start, program.len().saturating_add(1))),
            }
            let here = program.len();
            if let Some(split) = split {
                patch(program, split, Step::Split(split.saturating_add(1), here));
            }
        }
    }
}

/// A step that is filled in when its target is known.
fn reserve(program: &mut Vec<Step>) -> usize {
    program.push(Step::Match);
    program.len().saturating_sub(1)
}

fn patch(program: &mut [Step], index: usize, step: Step) {
    if let Some(slot) = program.get_mut(index) {
        *slot = step;
    }
}

fn is_anchored(node: &Node) -> bool {
    match node {
        Node::Assert(Assert::Start) => true,
        Node::Concat(nodes) => nodes.first().is_some_and(is_anchored),
        Node::Either(branches) => branches.iter().all(is_anchored),
        _ => false,
    }
}

/// The bytes a match of `node` can start with, and whether it can be empty.
fn first_bytes(node: &Node) -> (ByteSet, bool) {
    match node {
        Node::Byte(byte) => (ByteSet::of(&[*byte]), false),
        Node::Set(set) => (*set, false),
        Node::Assert(_) => (ByteSet::EMPTY, true),
        Node::Concat(nodes) => {
            let mut all = ByteSet::EMPTY;
            for node in nodes {
                let (set, nullable) = first_bytes(node);
                all = all.union(set);
                if !nullable {
                    return (all, false);
                }
            }
            (all, true)
        }
        Node::Either(branches) => branches.iter().map(first_bytes).fold((ByteSet::EMPTY, false), |all, one| {
            let ((left, left_nullable), (right, right_nullable)) = (all, one);
            (left.union(right), left_nullable || right_nullable)
        }),
        Node::Repeat(node, times) => {
            let (set, nullable) = first_bytes(node);
            (set, nullable || *times != Times::AtLeastOnce)
        }
    }
}

/// The plain bytes after the anchor of an anchored pattern.
fn prefix(node: &Node) -> Vec<u8> {
    let Node::Concat(nodes) = node else { return Vec::new() };
    let Some((Node::Assert(Assert::Start), rest)) = nodes.split_first() else { return Vec::new() };
    rest.iter().map_while(|node| if let Node::Byte(byte) = node { Some(*byte) } else { None }).collect()
}

/// Texts of which one stands in every match, chosen so that the shortest of them is long: the longest run of plain
/// bytes after the prefix, or the best of each branch of an alternation.
fn required(node: &Node) -> Vec<Vec<u8>> {
    let nodes = match node {
        Node::Concat(nodes) => nodes.as_slice(),
        Node::Either(branches) => {
            let each: Vec<_> = branches.iter().map(required).collect();
            return if each.iter().any(Vec::is_empty) { Vec::new() } else { each.concat() };
        }
        _ => return Vec::new(),
    };
    let mut candidates = vec![vec![Vec::new()]];
    let after_prefix = match nodes.split_first() {
        Some((Node::Assert(Assert::Start), rest)) => rest.get(prefix(node).len()..).unwrap_or_default(),
        _ => nodes,
    };
    for node in after_prefix {
        match (node, candidates.last_mut().map(Vec::as_mut_slice)) {
            (Node::Byte(byte), Some([run])) => run.push(*byte),
            (Node::Assert(_), _) => {}
            (Node::Either(_), _) => candidates.extend([required(node), vec![Vec::new()]]),
            _ => candidates.push(vec![Vec::new()]),
        }
    }
    let shortest = |texts: &Vec<Vec<u8>>| texts.iter().map(Vec::len).min().unwrap_or_default();
    candidates.into_iter().max_by_key(shortest).filter(|texts| shortest(texts) > 0).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
            let compiled = Pattern::compile(pattern).unwrap();
            for text in *good {
                assert!(compiled.is_match(text.as_bytes()), "{pattern} should match {text:?}");
            }
            for text in *bad {
                assert!(!compiled.is_match(text.as_bytes()), "{pattern} should not match {text:?}");
            }
        }
    }

    /// Backtracking over this text would take longer than the universe has.
    #[test]
    fn hostile_text_costs_linear_time() {
        let pattern = Pattern::compile("^(a|a|aa)*(a*)*c").unwrap();
        assert!(!pattern.simulate(&b"a".repeat(10_000)));
    }

    /// A pattern with a text form and a naive backtracking matcher, which shares no code with the parser or the program.
    #[derive(Clone, Debug)]
    enum Tree {
        Text(&'static str, fn(u8) -> bool),
        Zero(&'static str),
        Sequence(Vec<Tree>),
        Either(Vec<Tree>),
        Repeat(Box<Tree>, char),
    }

    impl Tree {
        fn text(&self) -> String {
            match self {
                Self::Text(text, _) | Self::Zero(text) => (*text).to_string(),
                Self::Sequence(trees) => trees.iter().map(Self::text).collect(),
                Self::Either(trees) => format!("({})", trees.iter().map(Self::text).collect::<Vec<_>>().join("|")),
                Self::Repeat(tree, sign) => format!("({}){sign}", tree.text()),
            }
        }

        fn ends(&self, text: &[u8], at: usize) -> Vec<usize> {
            match self {
                Self::Text(_, accepts) => {
                    text.get(at).filter(|byte| accepts(**byte)).map(|_| at + 1).into_iter().collect()
                }
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

    fn trees() -> impl Strategy<Value = Tree> {
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
            let pattern = Pattern::compile(&tree.text()).unwrap();
            let expected = (0..=text.len()).any(|at| !tree.ends(text.as_bytes(), at).is_empty());
            prop_assert_eq!(pattern.is_match(text.as_bytes()), expected, "{}", tree.text());
        }
    }
}
