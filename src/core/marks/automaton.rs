//! The matcher: all patterns of a program at once, in time linear in the text, whatever the patterns and the text.
//!
//! The states of the deterministic automaton are built as texts ask for them and kept, so that a byte costs one look into a
//! table and not one step of every pattern. How many states there are has a ceiling: past it all are forgotten and built
//! again, so that memory is bounded by a constant and time by the text times the program.

use std::collections::HashMap;
use std::rc::Rc;

use super::byteset::is_word;
use super::program::{Instruction, Program};
use super::syntax::Assert;

/// States kept at once. The built-in rows of each kind have fewer (a test counts them), so that no text makes them be forgotten;
/// a state has a few hundred bytes.
pub(super) const STATES: usize = 4096;

/// Steps that all states together hold, for the same reason: 4 MiB.
const STEPS: usize = 512 << 10;

/// Matches patterns. One for each thread, used for many texts.
pub(super) struct PatternAutomaton<'p> {
    program: &'p Program,
    /// The class of each byte; the class after the last is that of the end of the text.
    classes: [u8; 256],
    representatives: Vec<u8>,
    states: Vec<Rc<State>>,
    known: HashMap<Rc<State>, usize>,
    /// Steps of all states.
    held: usize,
    /// Where each state goes by each class: the number and whether it is notable in the last bit, or [`UNKNOWN`].
    next: Vec<u16>,
    visited: Visited,
    /// How often a target had to be found out, for the test of how little that is.
    #[cfg(test)]
    pub(super) built: usize,
}

/// Where the patterns stand between two bytes. What a condition asks of the byte that follows is not known yet, so that steps
/// are followed and matches are found when it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    before: Preceding,
    /// Steps that follow the ones that took the last byte, in order.
    steps: Box<[usize]>,
    /// The patterns that were found to match when the last byte was read.
    matched: Box<[usize]>,
}

/// What stands before a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Preceding {
    Nothing,
    Word,
    Other,
}

struct Successor {
    state: usize,
    /// Whether the search has something to do on arrival: patterns match, or none can any more.
    is_notable: bool,
}

/// What is not known yet.
const UNKNOWN: u16 = u16::MAX;

/// The number of the state at the start of a text.
const START: usize = 0;

impl<'p> PatternAutomaton<'p> {
    pub(super) fn new(program: &'p Program) -> Self {
        let (classes, representatives) = program.classes();
        let mut automaton = Self {
            program,
            classes,
            representatives,
            states: Vec::new(),
            known: HashMap::new(),
            held: 0,
            next: Vec::new(),
            visited: Visited { last: vec![0; program.len()], round: 0 },
            #[cfg(test)]
            built: 0,
        };
        automaton.forget();
        automaton
    }

    /// Tells the number of each pattern that matches somewhere in `text`, with where the match ends; one that ends in several
    /// places more than once. The text is without line feeds.
    pub(super) fn search(&mut self, text: &[u8], mut tell: impl FnMut(usize, usize)) {
        let (classes, end) = (self.classes, self.representatives.len());
        let class = |byte: &u8| classes.get(usize::from(*byte)).copied().map_or(end, usize::from);
        let mut state = START;
        for (at, class) in text.iter().map(class).chain([end]).enumerate() {
            let target = self.target(state, class);
            state = target.state;
            if target.is_notable {
                let Some(arrived) = self.states.get(state) else { return };
                arrived.matched.iter().for_each(|pattern| tell(*pattern, at));
                if arrived.steps.is_empty() {
                    return;
                }
            }
        }
    }

    fn target(&mut self, from: usize, class: usize) -> Successor {
        let slot = self.slot(from, class);
        match self.next.get(slot) {
            Some(known) if *known != UNKNOWN => {
                Successor { state: usize::from(known >> 1), is_notable: known & 1 == 1 }
            }
            _ => self.build(from, class),
        }
    }

    fn slot(&self, state: usize, class: usize) -> usize {
        state.saturating_mul(self.representatives.len().saturating_add(1)).saturating_add(class)
    }

    /// Finds out where a state goes, and keeps it.
    fn build(&mut self, from: usize, class: usize) -> Successor {
        #[cfg(test)]
        {
            self.built += 1;
        }
        let byte = self.representatives.get(class).copied();
        let state = match self.states.get(from).map(Rc::clone) {
            Some(state) => self.after(&state, byte),
            None => State::dead(Vec::new()),
        };
        let is_notable = state.steps.is_empty() || !state.matched.is_empty();
        let is_full = self.states.len() >= STATES || self.held.saturating_add(state.steps.len()) > STEPS;
        let is_over = is_full && !self.known.contains_key(&state);
        if is_over {
            self.forget();
        }
        let target = Successor { state: self.number(state), is_notable };
        // After everything was forgotten, `from` is another state's number.
        let slot = self.slot(from, class);
        if let Some(slot) = self.next.get_mut(slot).filter(|_| !is_over) {
            let number = u16::try_from(target.state).unwrap_or(UNKNOWN);
            *slot = number.checked_mul(2).map_or(UNKNOWN, |number| number | u16::from(is_notable));
        }
        target
    }

    /// The state after one more byte, or after the end.
    fn after(&mut self, state: &State, byte: Option<u8>) -> State {
        let mut steps = Vec::new();
        let mut matched = Vec::new();
        let mut pending: Vec<usize> = state.steps.to_vec();
        self.visited.begin();
        while let Some(index) = pending.pop() {
            if !self.visited.enter(index) {
                continue;
            }
            match self.program.step(index) {
                Some(Instruction::Byte(_) | Instruction::Set(_)) => {
                    if byte.is_some_and(|byte| self.program.takes(index, byte)) {
                        steps.push(index.saturating_add(1));
                    }
                }
                Some(Instruction::Assert(assert)) if state.before.allows(assert, byte) => {
                    pending.push(index.saturating_add(1))
                }
                Some(Instruction::Assert(_)) | None => {}
                Some(Instruction::Split(other)) => pending.extend([index.saturating_add(1), other.get()]),
                Some(Instruction::Jump(target)) => pending.push(target.get()),
                Some(Instruction::Match(pattern)) => matched.push(pattern.get()),
            }
        }
        matched.sort_unstable();
        steps.sort_unstable();
        match byte {
            None => State::dead(matched),
            Some(_) if steps.is_empty() => State::dead(matched),
            Some(byte) => {
                let before = if is_word(byte) { Preceding::Word } else { Preceding::Other };
                State { before, steps: steps.into(), matched: matched.into() }
            }
        }
    }

    fn number(&mut self, state: State) -> usize {
        if let Some(number) = self.known.get(&state) {
            return *number;
        }
        self.held = self.held.saturating_add(state.steps.len());
        let (number, state) = (self.states.len(), Rc::new(state));
        self.states.push(Rc::clone(&state));
        self.known.insert(state, number);
        let end = self.slot(self.states.len(), 0);
        self.next.resize(end, UNKNOWN);
        number
    }

    /// Drops every state but the first.
    fn forget(&mut self) {
        self.states.clear();
        self.known.clear();
        self.next.clear();
        self.held = 0;
        let mut steps = self.program.starts().to_vec();
        steps.sort_unstable();
        self.number(State { before: Preceding::Nothing, steps: steps.into(), matched: Box::default() });
    }
}

impl State {
    /// No pattern goes on.
    fn dead(matched: Vec<usize>) -> Self {
        Self { before: Preceding::Other, steps: Box::default(), matched: matched.into() }
    }
}

impl Preceding {
    /// Whether a condition holds between this and the byte that follows.
    fn allows(self, assert: Assert, byte: Option<u8>) -> bool {
        match assert {
            Assert::Start => self == Self::Nothing,
            Assert::End => byte.is_none(),
            Assert::WordBoundary => (self == Self::Word) != byte.is_some_and(is_word),
        }
    }
}

/// The steps that were followed at one position, each once.
struct Visited {
    /// The round in which each step was last followed.
    last: Vec<u32>,
    round: u32,
}

impl Visited {
    fn begin(&mut self) {
        match self.round.checked_add(1) {
            Some(next) => self.round = next,
            None => {
                self.last.fill(0);
                self.round = 1;
            }
        }
    }

    fn enter(&mut self, index: usize) -> bool {
        self.last.get_mut(index).is_some_and(|last| std::mem::replace(last, self.round) != self.round)
    }
}

/// How many states there are, all told.
#[cfg(test)]
pub(super) fn reachable(program: &Program) -> usize {
    let mut automaton = PatternAutomaton::new(program);
    let mut from = 0;
    while from < automaton.states.len() {
        let states = automaton.states.len();
        (0..=automaton.representatives.len()).for_each(|class| {
            automaton.target(from, class);
        });
        assert!(automaton.states.len() >= states, "something was forgotten");
        from += 1;
    }
    from
}

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;
