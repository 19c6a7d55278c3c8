//! Patterns compiled: the steps of many patterns in one program, for one automaton to run.

use super::byteset::{ByteSet, is_word};
use super::syntax::{Assert, PatternNode, Times};

/// The steps of patterns, each ending in the match of its own number.
#[derive(Clone, Debug, Default)]
pub(super) struct Program {
    steps: Vec<Instruction>,
    sets: Vec<ByteSet>,
    /// Where each pattern begins.
    starts: Vec<usize>,
}

/// One step. The text is lower case where it is compared. The list has thousands of them, and every push compiles it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Instruction {
    /// Takes this byte.
    Byte(u8),
    /// Takes a byte of the set of this number.
    Set(ProgramIndex),
    Assert(Assert),
    /// Goes on with the next step and with this one.
    Split(ProgramIndex),
    Jump(ProgramIndex),
    /// The pattern of this number matches.
    Match(ProgramIndex),
}

/// A position or number, as lists of at most [`crate::core::limits::MARKS_FILE_BYTES`] need it.
#[derive(Clone, Copy, Debug)]
pub(super) struct ProgramIndex(u32);

impl ProgramIndex {
    fn of(position: usize) -> Self {
        // One that is too large leads nowhere.
        Self(u32::try_from(position).unwrap_or(u32::MAX))
    }

    pub(super) fn get(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl Program {
    /// Adds a pattern. Its number is how many were added before.
    pub(super) fn add(&mut self, node: &PatternNode) {
        self.starts.push(self.steps.len());
        if !is_anchored(node) {
            // A match may start anywhere: any bytes stand before it.
            let any = PatternNode::Set(ByteSet::EMPTY.negated());
            self.emit(&PatternNode::Repeat(Box::new(any), Times::Any));
        }
        self.emit(node);
        let number = self.starts.len().saturating_sub(1);
        self.steps.push(Instruction::Match(ProgramIndex::of(number)));
    }

    pub(super) fn step(&self, index: usize) -> Option<Instruction> {
        self.steps.get(index).copied()
    }

    pub(super) fn len(&self) -> usize {
        self.steps.len()
    }

    pub(super) fn starts(&self) -> &[usize] {
        &self.starts
    }

    /// Whether a step takes a byte of lower case.
    pub(super) fn takes(&self, index: usize, byte: u8) -> bool {
        match self.steps.get(index) {
            Some(Instruction::Byte(wanted)) => *wanted == byte,
            Some(Instruction::Set(set)) => self.sets.get(set.get()).is_some_and(|set| set.contains(byte)),
            Some(Instruction::Assert(_) | Instruction::Split(_) | Instruction::Jump(_) | Instruction::Match(_))
            | None => false,
        }
    }

    /// For each byte the number of its class, and a byte of each class in lower case: no step tells bytes of one class apart.
    pub(super) fn classes(&self) -> ([u8; 256], Vec<u8>) {
        let mut singles = ByteSet::EMPTY;
        for step in &self.steps {
            if let Instruction::Byte(byte) = step {
                singles = singles.with(*byte);
            }
        }
        // Where there are more sets than a byte numbers, which no list comes near, each byte is a class of its own.
        let too_many = self.sets.len() >= 255;
        let mut known: Vec<(ByteSet, u8)> = Vec::new();
        let mut representatives = Vec::new();
        let mut classes = [0; 256];
        // Patterns are ASCII: no step tells a byte beyond it from another, so that the first stands for all.
        for byte in (0..=0x80).filter(|byte: &u8| !byte.is_ascii_uppercase()) {
            let own = too_many || singles.contains(byte);
            // Which sets hold it; and in the place of one more, whether it is a letter, digit or underscore.
            let holding = (0..255).zip(&self.sets).filter(|(_, set)| set.contains(byte)).map(|(number, _)| number);
            let sets = holding.chain(is_word(byte).then_some(255)).fold(ByteSet::EMPTY, ByteSet::with);
            let like = known.iter().find(|(other, _)| !own && *other == sets).map(|(_, class)| *class);
            let class = like.unwrap_or_else(|| {
                // There are no more classes than bytes.
                let class = u8::try_from(representatives.len()).unwrap_or(u8::MAX);
                representatives.push(byte);
                if !own {
                    known.push((sets, class));
                }
                class
            });
            let last = if byte == 0x80 { u8::MAX } else { byte };
            for one in (byte..=last).chain([byte.to_ascii_uppercase()]) {
                if let Some(slot) = classes.get_mut(usize::from(one)) {
                    *slot = class;
                }
            }
        }
        (classes, representatives)
    }

    fn emit(&mut self, node: &PatternNode) {
        match node {
            PatternNode::Byte(byte) => self.steps.push(Instruction::Byte(*byte)),
            PatternNode::Set(set) => {
                let known = self.sets.iter().position(|known| known == set).unwrap_or_else(|| {
                    self.sets.push(*set);
                    self.sets.len().saturating_sub(1)
                });
                self.steps.push(Instruction::Set(ProgramIndex::of(known)));
            }
            PatternNode::Assert(assert) => self.steps.push(Instruction::Assert(*assert)),
            PatternNode::Concat(nodes) => nodes.iter().for_each(|node| self.emit(node)),
            PatternNode::Either(branches) => {
                let mut ends = Vec::with_capacity(branches.len());
                if let Some((last, others)) = branches.split_last() {
                    for branch in others {
                        let split = self.reserve();
                        self.emit(branch);
                        ends.push(self.reserve());
                        let here = self.steps.len();
                        self.patch(split, Instruction::Split(ProgramIndex::of(here)));
                    }
                    self.emit(last);
                }
                let here = self.steps.len();
                ends.into_iter().for_each(|end| self.patch(end, Instruction::Jump(ProgramIndex::of(here))));
            }
            PatternNode::Repeat(node, times) => {
                let start = self.steps.len();
                let split = (*times != Times::AtLeastOnce).then(|| self.reserve());
                self.emit(node);
                match times {
                    Times::Optional => {}
                    Times::Any => self.steps.push(Instruction::Jump(ProgramIndex::of(start))),
                    Times::AtLeastOnce => self.steps.push(Instruction::Split(ProgramIndex::of(start))),
                }
                let here = self.steps.len();
                if let Some(split) = split {
                    self.patch(split, Instruction::Split(ProgramIndex::of(here)));
                }
            }
        }
    }

    /// A step that is filled in when its target is known.
    fn reserve(&mut self) -> usize {
        let here = self.steps.len();
        self.steps.push(Instruction::Jump(ProgramIndex::of(here)));
        here
    }

    fn patch(&mut self, index: usize, step: Instruction) {
        if let Some(slot) = self.steps.get_mut(index) {
            *slot = step;
        }
    }
}

/// Whether every match starts at the start of the text.
fn is_anchored(node: &PatternNode) -> bool {
    match node {
        PatternNode::Assert(Assert::Start) => true,
        PatternNode::Concat(nodes) => nodes.first().is_some_and(is_anchored),
        PatternNode::Either(branches) => branches.iter().all(is_anchored),
        PatternNode::Byte(_)
        | PatternNode::Set(_)
        | PatternNode::Assert(Assert::End | Assert::WordBoundary)
        | PatternNode::Repeat(..) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::syntax;
    use super::*;

    #[test]
    fn bytes_of_one_class_are_taken_alike() {
        let mut program = Program::default();
        for pattern in [r"^a\d", "x[^q]", r"\W"] {
            program.add(&syntax::parse(pattern).unwrap());
        }
        let (classes, representatives) = program.classes();
        for byte in 0..=u8::MAX {
            let lower = byte.to_ascii_lowercase();
            let other = representatives[usize::from(classes[usize::from(byte)])];
            for step in 0..program.len() {
                assert_eq!(program.takes(step, lower), program.takes(step, other), "{byte} {other} {step}");
            }
            assert_eq!(is_word(lower), is_word(other));
        }
        // a, q, x, digits, other letters and _, the rest.
        assert_eq!(representatives.len(), 6);
    }
}
