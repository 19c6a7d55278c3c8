//! The shortest text that patterns followed together say something of: all are followed at once, letter by letter, over the bytes
//! that they name, the slash, and one byte for each kind that none of them names. Every combination of positions is looked at
//! once, the shortest text first, so that what is found is the shortest, and what is not found does not exist.
//!
//! That holds for aliases too: patterns of paths are followed as they are matched, over a text as it is folded, and what they
//! exclude over the text as it is.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::ops::Range;

use super::automaton::{Before, GlobAutomaton, Positions, Reading, Run};
use super::glob::{Below, Glob, LetterCase};
use crate::core::text::folding::{BEYOND_ASCII, fold};

/// Combinations of positions that are looked at; ordinary policies need some hundreds.
const COMBINATIONS: usize = 20_000;

/// Bytes of which one stands for all that nothing tells apart.
const OTHERS: &[u8] = b"xwvutsrqponmlkjihg-_#$%&'()@^{}";

/// Those that short names and the other ways of NTFS tell apart: digits, those of a checksum, what DOS did not allow, and each of
/// what stands between or behind the parts of a name.
const KINDS: &[&[u8]] = &[b"123456789", b"abcdef", b"0", b"+,;=[]", b".", b" ", b":", b"\\", b"~"];

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// There is no such text.
    None,
    /// The shortest one.
    Text(Vec<u8>),
    /// There are too many combinations to tell.
    TooMany,
}

/// Which texts are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    /// Those of what the patterns name.
    Plain,
    /// Also what some file system takes for those.
    Aliases,
}

/// Patterns that are followed together.
#[derive(Default)]
pub(super) struct PatternProduct<'a> {
    automata: Vec<(&'a GlobAutomaton, LetterCase)>,
}

/// Some patterns among those followed together.
pub(super) struct Member {
    include: Range<usize>,
    exclude: Range<usize>,
    /// The directories of those that are included, for paths.
    directories: Range<usize>,
}

impl<'a> PatternProduct<'a> {
    /// Adds patterns for refs, or with [`LetterCase::Folded`] for paths: exclusions stay exact.
    pub(super) fn add(&mut self, include: &'a [Glob], exclude: &'a [Glob], case: LetterCase) -> Member {
        let below = if case == LetterCase::Folded { include } else { &[] };
        Member {
            include: self.follow(include.iter().map(|glob| (glob.automaton(case), case))),
            exclude: self.follow(exclude.iter().map(|glob| (glob.automaton(LetterCase::Exact), LetterCase::Exact))),
            directories: self.follow(below.iter().map(|glob| (glob.directories(), LetterCase::Folded))),
        }
    }

    fn follow(&mut self, automata: impl Iterator<Item = (&'a GlobAutomaton, LetterCase)>) -> Range<usize> {
        let begin = self.automata.len();
        self.automata.extend(automata);
        begin..self.automata.len()
    }

    /// The shortest text that `wanted` accepts. It accepts none that no pattern which `own` includes could still match.
    pub(super) fn search(&self, spelling: Spelling, own: &Member, wanted: impl Fn(&TextSoFar<'_>) -> bool) -> Found {
        let alphabet = self.alphabet(spelling);
        let mut trails: Vec<PatternTrace<'_>> =
            self.automata.iter().map(|(automaton, case)| PatternTrace::new(automaton, *case)).collect();
        let start = vec![0; trails.len()];
        let mut known = HashSet::from([(start.clone(), Before::Slash)]);
        let mut pending = VecDeque::from([(Vec::new(), start)]);
        while let Some((text, places)) = pending.pop_front() {
            let before = text.last().map_or(Before::Slash, |byte| Before::after(*byte));
            let seen = TextSoFar { trails: &trails, places: &places, before };
            if before != Before::Slash && wanted(&seen) {
                return Found::Text(text);
            }
            if !seen.is_alive(own) {
                continue;
            }
            // No component is empty, also where HFS+ sees nothing in it.
            let is_empty = |letter: &Letter| before == Before::Slash && letter.raw == b"/";
            let is_nothing = |letter: &Letter| before != Before::Other && letter.folded.is_empty();
            let letters = alphabet.iter().enumerate().filter(|(_, letter)| !is_empty(letter) && !is_nothing(letter));
            for (number, letter) in letters {
                let step =
                    |(trail, place): (&mut PatternTrace<'_>, &usize)| trail.follow(*place, before, number, letter);
                let next: Vec<usize> = trails.iter_mut().zip(&places).map(step).collect();
                let after = Before::after(letter.raw.last().copied().unwrap_or_default());
                if known.insert((next.clone(), after)) {
                    pending.push_back(([text.as_slice(), &letter.raw].concat(), next));
                }
            }
            if known.len() > COMBINATIONS {
                return Found::TooMany;
            }
        }
        Found::None
    }

    /// The bytes that the patterns name, and one that stands for all others. For aliases also what only those are made of, and what
    /// an exclusion can tell from a letter that it is the same as when folded.
    fn alphabet(&self, spelling: Spelling) -> Vec<Letter> {
        let bytes = self.automata.iter().flat_map(|(automaton, _)| automaton.bytes());
        let named: BTreeSet<u8> =
            bytes.flat_map(|byte| [byte, byte.to_ascii_lowercase()]).filter(|byte| *byte != b'/').collect();
        let other = OTHERS.iter().copied().chain(128..=255).find(|byte| !named.contains(byte));
        let plain = other.into_iter().chain(named.iter().copied()).chain([b'/']);
        let mut letters: Vec<Letter> = plain.map(Letter::of_byte).collect();
        if spelling == Spelling::Plain {
            return letters;
        }
        let free = |bytes: &&[u8]| bytes.iter().find(|byte| !named.contains(byte)).copied();
        letters.extend(KINDS.iter().filter_map(free).map(Letter::of_byte));
        if self.automata.iter().any(|(_, case)| *case == LetterCase::Exact) {
            let capitals = named.iter().map(u8::to_ascii_uppercase).filter(|byte| !named.contains(byte));
            letters.extend(capitals.map(Letter::of_byte));
            letters.extend(BEYOND_ASCII.iter().map(|one| Letter::of_character(*one)));
        }
        letters
    }
}

/// A letter of the texts that are looked at.
struct Letter {
    raw: Vec<u8>,
    folded: Vec<u8>,
}

impl Letter {
    fn of_byte(byte: u8) -> Self {
        Self { raw: vec![byte], folded: vec![byte.to_ascii_lowercase()] }
    }

    fn of_character(one: char) -> Self {
        let raw = one.to_string().into_bytes();
        let folded = fold(&raw).bytes().collect();
        Self { raw, folded }
    }
}

/// One pattern, the positions that it has been at, each with a number, and where letters led from them. The first is where it
/// begins.
struct PatternTrace<'a> {
    automaton: &'a GlobAutomaton,
    case: LetterCase,
    positions: Vec<Positions>,
    numbers: HashMap<Positions, usize>,
    led: HashMap<(usize, Before, usize), usize>,
}

impl<'a> PatternTrace<'a> {
    fn new(automaton: &'a GlobAutomaton, case: LetterCase) -> Self {
        let start = automaton.start(Reading::of(case));
        let numbers = HashMap::from([(start.clone(), 0)]);
        Self { automaton, case, positions: vec![start], numbers, led: HashMap::new() }
    }

    /// Where a letter, of this number, leads.
    fn follow(&mut self, place: usize, before: Before, number: usize, letter: &Letter) -> usize {
        if let Some(known) = self.led.get(&(place, before, number)) {
            return *known;
        }
        let bytes = match self.case {
            LetterCase::Exact => &letter.raw,
            LetterCase::Folded => &letter.folded,
        };
        let step = |(at, before): (Positions, Before), byte: &u8| {
            (self.automaton.advance(&at, *byte, before, Reading::of(self.case)), Before::after(*byte))
        };
        let from = self.positions.get(place).cloned().unwrap_or_default();
        let (led, _) = bytes.iter().fold((from, before), step);
        let next = self.positions.len();
        let led_to = *self.numbers.entry(led.clone()).or_insert(next);
        if led_to == next {
            self.positions.push(led);
        }
        self.led.insert((place, before, number), led_to);
        led_to
    }
}

/// The text so far, as every pattern sees it.
pub(super) struct TextSoFar<'a> {
    trails: &'a [PatternTrace<'a>],
    places: &'a [usize],
    before: Before,
}

impl TextSoFar<'_> {
    /// Whether the member's patterns match the text.
    pub(super) fn matches(&self, member: &Member) -> bool {
        let whole = |(trail, at): (&PatternTrace<'_>, &Positions)| trail.automaton.say(at).whole;
        self.at(&member.include).any(whole) && !self.at(&member.exclude).any(whole)
    }

    /// Whether the member's patterns cover the text as a path, if `below` may stand behind it ([`super::Rule::touches`]).
    pub(super) fn touches(&self, member: &Member, below: Below) -> bool {
        let behind = |(trail, at): (&PatternTrace<'_>, &Positions)| -> Run {
            trail.automaton.say(&trail.automaton.advance(at, b'/', self.before, Reading::of(trail.case)))
        };
        let is_behind = || match below {
            Below::Anything => self.at(&member.include).any(|pair| behind(pair).begun),
            Below::Named => self.at(&member.directories).any(|pair| behind(pair).entered),
        };
        self.matches(member) || is_behind()
    }

    /// Whether some longer text could be included by the member.
    fn is_alive(&self, member: &Member) -> bool {
        self.at(&member.include).any(|(_, at)| !at.is_empty())
    }

    fn at(&self, range: &Range<usize>) -> impl Iterator<Item = (&PatternTrace<'_>, &Positions)> {
        let (trails, places) = (self.trails.get(range.clone()), self.places.get(range.clone()));
        let pairs = trails.into_iter().flatten().zip(places.into_iter().flatten());
        pairs.filter_map(|(trail, place)| Some((trail, trail.positions.get(*place)?)))
    }
}
