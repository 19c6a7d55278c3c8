//! Which texts patterns match, compared: is there a ref or path that these match and those do not?
//!
//! All patterns are followed at once, byte by byte, over the bytes that they name, the slash, and one byte that stands for all
//! others. Every combination of positions is looked at once, the shortest text first, so that what is found is the shortest
//! example, and what is not found does not exist.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::ops::Range;

use super::glob::{Below, Case, Glob, Positions};
use super::rules::Patterns;

/// Combinations of positions that are looked at; ordinary policies need some hundreds.
const COMBINATIONS: usize = 20_000;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Example {
    /// There is no such text.
    None,
    /// The shortest one.
    Text(String),
    /// It cannot be told: the patterns are too many or not ASCII.
    Unknown,
}

/// Patterns that are followed together.
#[derive(Default)]
pub(super) struct Together<'a> {
    globs: Vec<(&'a Glob, Case)>,
}

/// Some patterns among those followed together.
#[derive(Clone)]
pub(super) struct Member {
    include: Range<usize>,
    exclude: Range<usize>,
}

/// The text so far, as every pattern sees it.
pub(super) struct Seen<'a> {
    globs: &'a [(&'a Glob, Case)],
    positions: &'a [Positions],
    text: &'a [u8],
}

impl<'a> Together<'a> {
    /// Adds patterns for refs, or with [`Case::Folded`] for paths: exclusions stay exact.
    pub(super) fn add(&mut self, include: &'a [Glob], exclude: &'a [Glob], case: Case) -> Member {
        let begin = self.globs.len();
        self.globs.extend(include.iter().map(|glob| (glob, case)));
        let middle = self.globs.len();
        self.globs.extend(exclude.iter().map(|glob| (glob, Case::Exact)));
        Member { include: begin..middle, exclude: middle..self.globs.len() }
    }

    /// Adds all of some patterns.
    pub(super) fn patterns(&mut self, patterns: &'a Patterns, case: Case) -> Member {
        self.add(&patterns.include, &patterns.exclude, case)
    }

    /// The shortest text that `wanted` accepts.
    pub(super) fn example(&self, wanted: impl Fn(&Seen<'_>) -> bool) -> Example {
        if self.globs.iter().any(|(glob, case)| *case == Case::Folded && !glob.as_str().is_ascii()) {
            return Example::Unknown;
        }
        let alphabet = self.alphabet();
        let start: Vec<Positions> = self.globs.iter().map(|(glob, case)| glob.start(*case)).collect();
        let mut known = HashSet::from([(start.clone(), true)]);
        let mut pending = VecDeque::from([(Vec::new(), start)]);
        while let Some((text, positions)) = pending.pop_front() {
            let component_start = text.last().is_none_or(|byte| *byte == b'/');
            let seen = Seen { globs: &self.globs, positions: &positions, text: &text };
            if !component_start && wanted(&seen) {
                return Example::Text(String::from_utf8_lossy(&text).into_owned());
            }
            for byte in alphabet.iter().filter(|byte| !(component_start && **byte == b'/')) {
                let step = |((glob, case), from): (&(&Glob, Case), &Positions)| {
                    glob.advance(*case, from, *byte, component_start)
                };
                let next: Vec<Positions> = self.globs.iter().zip(&positions).map(step).collect();
                if known.insert((next.clone(), *byte == b'/')) {
                    let mut text = text.clone();
                    text.push(*byte);
                    pending.push_back((text, next));
                }
            }
            if known.len() > COMBINATIONS {
                return Example::Unknown;
            }
        }
        Example::None
    }

    /// One byte of each kind that the patterns tell apart, the one that none of them names first.
    fn alphabet(&self) -> Vec<u8> {
        let mut named: BTreeSet<u8> = BTreeSet::new();
        for (glob, case) in &self.globs {
            for byte in glob.bytes(*case) {
                named.extend([byte, byte.to_ascii_lowercase()]);
            }
        }
        let others = b'a'..=b'z';
        let other = others.rev().skip(2).chain(b'0'..=b'9').chain(1..=255).find(|byte| !named.contains(byte));
        named.remove(&b'/');
        other.into_iter().chain(named).chain([b'/']).collect()
    }
}

impl Seen<'_> {
    /// Whether the member's patterns match the text.
    pub(super) fn matches(&self, member: &Member) -> bool {
        self.any(member.include.clone()) && !self.any(member.exclude.clone())
    }

    /// Whether the member's patterns cover the text as a path, if `below` may stand behind it ([`super::Rule::touches`]).
    pub(super) fn touches(&self, member: &Member, below: Below) -> bool {
        let behind =
            |(glob, case): &(&Glob, Case)| *case == Case::Folded && glob.matches_below(self.text, *case, below);
        self.matches(member) || self.globs.get(member.include.clone()).is_some_and(|globs| globs.iter().any(behind))
    }

    fn any(&self, range: Range<usize>) -> bool {
        let (globs, positions) = (self.globs.get(range.clone()), self.positions.get(range));
        let pairs = globs.into_iter().flatten().zip(positions.into_iter().flatten());
        pairs.into_iter().any(|((glob, case), positions)| glob.at(*case, positions).whole)
    }
}
