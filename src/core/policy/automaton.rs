//! A pattern as an automaton over bytes, which follows all positions that a text can be at, at once: its time is the text's
//! length times the pattern's, whatever both hold.
//!
//! Over folded bytes it also follows what NTFS takes for the same: dots, spaces and the name of a stream behind a component
//! count for nothing, a backslash separates as a slash does, and a short name stands for a long one. As a text can be read as
//! it is in one component and as NTFS reads it in the next, all of it is followed together.

use super::glob::LetterCase;
use crate::core::text::folding::fold;
use crate::core::text::short_names::{Progress, ShortNames};

/// A pattern, or the beginning of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GlobAutomaton {
    tokens: Vec<Token>,
    short: Vec<Short>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Byte(u8),
    /// `*`: any bytes but a slash.
    Star,
    /// `**`: any bytes.
    DoubleStar,
    /// `**/` at the start or after a slash: nothing, or anything that ends in a slash.
    Directories,
}

/// The short names of a component.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Short {
    begin: usize,
    end: usize,
    names: ShortNames,
}

/// How a text is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// As it is.
    Exact,
    /// As NTFS reads it too, where it holds no tilde, as nearly none does.
    LongNames,
    /// As NTFS reads it too.
    Aliases,
}

impl Reading {
    /// The one that leaves nothing out.
    pub(super) const fn of(case: LetterCase) -> Self {
        match case {
            LetterCase::Exact => Self::Exact,
            LetterCase::Folded => Self::Aliases,
        }
    }

    /// The one that leaves nothing out of a folded text.
    pub(super) fn needed_for(text: &[u8]) -> Self {
        if text.contains(&b'~') { Self::Aliases } else { Self::LongNames }
    }
}

/// What stands before a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Before {
    /// A slash, or nothing: the byte begins a component.
    Slash,
    /// A backslash.
    Backslash,
    /// Anything else.
    Other,
}

impl Before {
    /// What the byte is for the next one.
    pub(super) const fn after(byte: u8) -> Self {
        match byte {
            b'/' => Self::Slash,
            b'\\' => Self::Backslash,
            _ => Self::Other,
        }
    }
}

/// A place that a text can be at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Position {
    /// Before a token.
    At(usize),
    /// Behind a component, before this token, in dots and spaces that count for nothing.
    Dropped(usize),
    /// The same, in the name of a stream.
    Stream(usize),
    /// In a short name, of this number.
    Short(usize, Progress),
}

/// All places that a text can be at, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Positions(Vec<Position>);

/// What a pattern says of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// The text matches.
    pub(super) whole: bool,
    /// The text is the beginning of something that matches.
    pub(super) begun: bool,
    /// Something of the pattern is behind the text.
    pub(super) entered: bool,
}

impl GlobAutomaton {
    /// The automaton of a valid pattern.
    pub(super) fn exact(text: &str) -> Self {
        Self::of(text, |component| component.as_bytes().to_vec(), |_| Vec::new())
    }

    /// The one over folded bytes. What NTFS drops at the end of a name, it drops at the end of the pattern's.
    pub(super) fn folded(text: &str) -> Self {
        let folded = |component: &str| {
            let kept = component.trim_end_matches(['.', ' ']);
            let kept: Vec<u8> = fold(if kept.is_empty() { component } else { kept }.as_bytes()).bytes().collect();
            if kept.is_empty() { component.as_bytes().to_vec() } else { kept }
        };
        Self::of(text, folded, |component| ShortNames::of(component.trim_end_matches(['.', ' '])))
    }

    fn of(text: &str, bytes: impl Fn(&str) -> Vec<u8>, names: impl Fn(&str) -> Vec<ShortNames>) -> Self {
        let (mut tokens, mut short) = (Vec::with_capacity(text.len()), Vec::new());
        let mut components = text.split('/').peekable();
        while let Some(component) = components.next() {
            let last = components.peek().is_none();
            match component {
                "**" if last => tokens.push(Token::DoubleStar),
                // Several are as many as one, and no byte lies between them.
                "**" if tokens.last() == Some(&Token::Directories) => {}
                "**" => tokens.push(Token::Directories),
                other => {
                    let begin = tokens.len();
                    let token = |byte| if byte == b'*' { Token::Star } else { Token::Byte(byte) };
                    let mut own = bytes(other);
                    // Stars that folding has left side by side are one.
                    own.dedup_by(|one, before| (*one, *before) == (b'*', b'*'));
                    tokens.extend(own.into_iter().map(token));
                    let end = tokens.len();
                    short.extend(names(other).into_iter().map(|names| Short { begin, end, names }));
                    if !last {
                        tokens.push(Token::Byte(b'/'));
                    }
                }
            }
        }
        Self { tokens, short }
    }

    /// The directories that the pattern names without wildcards, each with its slash.
    pub(super) fn directories(&self) -> Self {
        let literal = self.tokens.iter().take_while(|token| matches!(token, Token::Byte(_)));
        let slash = |(index, token): (usize, &Token)| (*token == Token::Byte(b'/')).then_some(index + 1);
        let end = literal.enumerate().filter_map(slash).last().unwrap_or(0);
        let short = self.short.iter().filter(|short| short.end < end).cloned().collect();
        Self { tokens: self.tokens.get(..end).unwrap_or_default().to_vec(), short }
    }

    /// What the pattern says of a text.
    pub(super) fn run(&self, text: impl Iterator<Item = u8>, reading: Reading) -> Run {
        let (mut at, mut next) = (self.start(reading), Positions::default());
        let mut before = Before::Slash;
        for byte in text {
            self.step(&at, byte, before, reading, &mut next);
            std::mem::swap(&mut at, &mut next);
            before = Before::after(byte);
            if at.is_empty() {
                break;
            }
        }
        self.say(&at)
    }

    /// The bytes that it tells from others, but for those that [`Reading::Aliases`] does.
    pub(super) fn bytes(&self) -> impl Iterator<Item = u8> + '_ {
        let named =
            self.tokens.iter().filter_map(|token| if let Token::Byte(byte) = token { Some(*byte) } else { None });
        named.chain(self.short.iter().flat_map(|short| short.names.bytes()))
    }

    /// Where an empty text is.
    pub(super) fn start(&self, reading: Reading) -> Positions {
        let mut positions = Positions::default();
        self.enter(0, reading, &mut positions);
        positions.settle();
        positions
    }

    /// Where one more byte leads.
    pub(super) fn advance(&self, from: &Positions, byte: u8, before: Before, reading: Reading) -> Positions {
        let mut next = Positions::default();
        self.step(from, byte, before, reading, &mut next);
        next
    }

    /// What the pattern says of the text that led here.
    pub(super) fn say(&self, positions: &Positions) -> Run {
        let end = self.tokens.len();
        let mut run = Run { whole: false, begun: false, entered: false };
        for position in &positions.0 {
            match position {
                Position::At(index) | Position::Dropped(index) | Position::Stream(index) => {
                    run.whole |= *index == end;
                    run.begun |= *index < end;
                    run.entered |= *index > 0;
                }
                Position::Short(..) => run.begun = true,
            }
        }
        run
    }

    fn step(&self, from: &Positions, byte: u8, before: Before, reading: Reading, next: &mut Positions) {
        next.0.clear();
        for position in &from.0 {
            match *position {
                Position::At(index) => {
                    self.as_written(index, byte, before, reading, next);
                    if reading != Reading::Exact {
                        self.as_ntfs(index, byte, before, reading, next);
                    }
                }
                Position::Dropped(index) | Position::Stream(index) if is_separator(byte) => {
                    self.separate(index, reading, next);
                }
                Position::Dropped(index) => next.0.extend(behind(index, byte)),
                Position::Stream(index) => next.0.push(Position::Stream(index)),
                Position::Short(number, progress) => {
                    let Some(short) = self.short.get(number) else { continue };
                    let Some(progress) = short.names.advance(progress, byte) else { continue };
                    next.0.push(Position::Short(number, progress));
                    if short.names.is_whole(progress) {
                        next.0.push(Position::At(short.end));
                    }
                }
            }
        }
        next.settle();
    }

    fn as_written(&self, index: usize, byte: u8, before: Before, reading: Reading, next: &mut Positions) {
        match self.tokens.get(index) {
            Some(Token::Byte(wanted)) if *wanted == byte => self.enter(index + 1, reading, next),
            Some(Token::Byte(_)) | None => {}
            Some(Token::Star) if byte == b'/' => {}
            Some(Token::Star | Token::DoubleStar) => self.enter(index, reading, next),
            // Inside it every byte stays; the token after it can only begin where a component does.
            Some(Token::Directories) => {
                next.0.push(Position::At(index));
                if byte == b'/' && before != Before::Slash {
                    self.enter(index + 1, reading, next);
                }
            }
        }
    }

    /// Where else a byte leads for NTFS.
    fn as_ntfs(&self, index: usize, byte: u8, before: Before, reading: Reading, next: &mut Positions) {
        if self.ends_component(index) {
            next.0.extend(behind(index, byte));
        }
        if byte == b'\\' {
            match self.tokens.get(index) {
                Some(Token::Byte(b'/')) => self.separate(index, reading, next),
                Some(Token::Directories) if before != Before::Slash => self.enter(index + 1, reading, next),
                _ => {}
            }
        }
        // Of several separators only one counts. At a wildcard there may be something since the last one, unless it was just now.
        let is_wild = !matches!(self.tokens.get(index), Some(Token::Byte(_)));
        if is_separator(byte) && self.begins_component(index) && (!is_wild || before == Before::Backslash) {
            self.enter(index, reading, next);
        }
    }

    /// Follows a separator, if the pattern has one here.
    fn separate(&self, index: usize, reading: Reading, next: &mut Positions) {
        if self.tokens.get(index) == Some(&Token::Byte(b'/')) {
            self.enter(index + 1, reading, next);
        }
    }

    fn begins_component(&self, index: usize) -> bool {
        let before = index.checked_sub(1).and_then(|before| self.tokens.get(before));
        matches!(before, None | Some(Token::Byte(b'/') | Token::Directories))
    }

    fn ends_component(&self, index: usize) -> bool {
        let is_end = matches!(self.tokens.get(index), None | Some(Token::Byte(b'/')));
        is_end && !self.begins_component(index)
    }

    /// Adds a position and those that need no further byte to be reached from it.
    fn enter(&self, index: usize, reading: Reading, positions: &mut Positions) {
        for index in index.. {
            positions.0.push(Position::At(index));
            if reading == Reading::Aliases {
                let first = self.short.partition_point(|short| short.begin < index);
                let own = self.short.iter().enumerate().skip(first).take_while(|(_, short)| short.begin == index);
                for (number, short) in own {
                    positions.0.extend(short.names.start().map(|progress| Position::Short(number, progress)));
                }
            }
            if !matches!(self.tokens.get(index), Some(Token::Star | Token::DoubleStar | Token::Directories)) {
                break;
            }
        }
    }
}

/// What a byte behind a whole component leads to.
fn behind(index: usize, byte: u8) -> Option<Position> {
    match byte {
        b' ' | b'.' => Some(Position::Dropped(index)),
        b':' => Some(Position::Stream(index)),
        _ => None,
    }
}

const fn is_separator(byte: u8) -> bool {
    matches!(byte, b'/' | b'\\')
}

impl Positions {
    /// Whether nothing can match any more.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn settle(&mut self) {
        if self.0.len() > 1 {
            self.0.sort_unstable();
            self.0.dedup();
        }
    }
}
