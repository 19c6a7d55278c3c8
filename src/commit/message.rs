//! The trailers of ours in a commit message: seals, and the claim of a person who adopted an agent's commit.
//!
//! Readers of git trailers disagree (dividers, comments, folding, configuration), so this is our own grammar: the last
//! paragraph only, every line of it a trailer, our keys in their exact spelling. A line that looks like ours anywhere
//! else refuses the message, so no reader can see a seal that we do not.

use std::ops::Range;

use thiserror::Error;

use crate::id::Id;
use crate::limits;
use crate::seal::{self, Claim};

/// What every key of ours begins with, whatever its case.
const PREFIX: &[u8] = b"countersign-";

/// The key of the claim that a person took over an agent's commit.
pub(crate) const DRAFTED: &str = "Countersign-Drafted";

/// Our trailers in one message.
#[derive(Clone, Debug, Default)]
pub struct Trailers {
    /// The seals in order: the author's first, if it has one.
    pub blocks: Vec<Block>,
    /// The agents a person says they took this commit over from.
    pub drafted: Vec<Id>,
}

/// A claimed seal with its place in the message.
#[derive(Clone, Debug)]
pub struct Block {
    /// What the block says.
    pub claim: Claim,
    /// Where the block stands in the message, its last LF included.
    pub span: Range<usize>,
    /// How many bytes of the message stand above the seal's own line: what the seal covers.
    pub covered: usize,
}

/// A message whose trailers of ours break the grammar.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line} of the message: {reason}")]
pub struct MalformedTrailers {
    /// The line of the message, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: TrailerFault,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TrailerFault {
    /// One of our keys outside the last paragraph.
    #[error("a Countersign- line stands outside the last paragraph")]
    Misplaced,
    /// The last paragraph is the first one: the message has no subject of its own.
    #[error("Countersign- lines need a subject and an empty line above them")]
    NoSubject,
    /// A line of the last paragraph that is not a trailer.
    #[error("it is not a trailer, but the paragraph holds Countersign- lines")]
    NotATrailer,
    /// A carriage return or other control byte in the last paragraph.
    #[error("it holds a control byte")]
    ControlByte,
    /// A cherry-pick note before a seal.
    #[error("the cherry-pick note stands above a seal")]
    NoteAboveSeal,
    /// A key that begins like ours but is none, or is spelled in another case.
    #[error("no Countersign- key is spelled so")]
    UnknownKey,
    /// A value that does not fit its key.
    #[error("the value does not fit the key {0}")]
    Value(&'static str),
    /// A line of a block without the `Countersign-Agent` line that opens it, repeated, or out of order.
    #[error("{0} is repeated, out of order, or outside a block that Countersign-Agent opens")]
    Order(&'static str),
    /// A block that no `Countersign-Seal` closes.
    #[error("the block that begins before it is not closed by Countersign-Seal")]
    Unclosed,
    /// The first block has a role, or a later one has none or `author`.
    #[error("the first block has no Countersign-Role, each later one has a role other than author")]
    Role,
    /// More seals than [`limits::SEALS`] or lines than [`limits::TRAILERS`].
    #[error("more than {} seals or {} lines of trailers", limits::SEALS, limits::TRAILERS)]
    TooMany,
}

/// Finds and parses our trailers. A message without a `Countersign-` line has none, whatever its shape.
///
/// # Errors
/// [`MalformedTrailers`] with the first line that breaks the grammar.
pub fn parse_trailers(message: &[u8]) -> Result<Trailers, MalformedTrailers> {
    let lines = split_lines(message);
    if !lines.iter().any(|line| is_ours(line.text)) {
        return Ok(Trailers::default());
    }
    let first = last_paragraph(&lines);
    let (above, paragraph) = lines.split_at(first);
    if let Some(line) = above.iter().find(|line| is_ours(line.text)) {
        return Err(line.fault(TrailerFault::Misplaced));
    }
    let Some(top) = paragraph.first() else { return Ok(Trailers::default()) };
    if above.iter().all(|line| line.text.is_empty()) {
        return Err(top.fault(TrailerFault::NoSubject));
    }
    if paragraph.len() > limits::TRAILERS {
        return Err(top.fault(TrailerFault::TooMany));
    }
    let mut reader = Reader::default();
    for line in paragraph {
        if line.text.is_empty() {
            break;
        }
        reader.line(line).map_err(|reason| line.fault(reason))?;
    }
    let last = paragraph.last().unwrap_or(top);
    reader.finish().map_err(|reason| last.fault(reason))
}

/// One line of the message: its number from 1, its text without the LF, and where it stands.
struct Line<'a> {
    number: usize,
    text: &'a [u8],
    span: Range<usize>,
}

impl Line<'_> {
    fn fault(&self, reason: TrailerFault) -> MalformedTrailers {
        MalformedTrailers { line: self.number, reason }
    }
}

fn split_lines(message: &[u8]) -> Vec<Line<'_>> {
    let mut start = 0;
    let mut lines = Vec::new();
    for (position, whole) in message.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let end = start + whole.len();
        lines.push(Line { number: position + 1, text: whole.strip_suffix(b"\n").unwrap_or(whole), span: start..end });
        start = end;
    }
    lines
}

/// Whether a line begins like a trailer of ours, in any case.
pub fn is_our_line(line: &[u8]) -> bool {
    is_ours(line)
}

/// Whether the message ends in a paragraph of trailers to which a block can be added: not its first paragraph, and without a
/// cherry-pick note, which a seal may not follow.
pub fn ends_in_trailers(message: &[u8]) -> bool {
    let lines = split_lines(message);
    let first = last_paragraph(&lines);
    let (above, paragraph) = lines.split_at(first);
    let mut lines = paragraph.iter().take_while(|line| !line.text.is_empty()).peekable();
    let trailing = paragraph.last().is_some_and(|line| !line.text.is_empty());
    trailing
        && above.iter().any(|line| !line.text.is_empty())
        && lines.peek().is_some()
        && lines.all(|line| is_trailer(line.text))
}

fn is_ours(text: &[u8]) -> bool {
    text.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}

/// The index of the first line of the last paragraph. Paragraphs are divided by empty lines; empty lines at the end count
/// for nothing.
fn last_paragraph(lines: &[Line<'_>]) -> usize {
    let end = lines.iter().rposition(|line| !line.text.is_empty()).unwrap_or(0);
    lines.iter().take(end).rposition(|line| line.text.is_empty()).map_or(0, |empty| empty + 1)
}

/// Reads the lines of the last paragraph in order.
#[derive(Default)]
struct Reader {
    trailers: Trailers,
    open: Option<OpenBlock>,
    note_seen: bool,
}

/// A block whose seal has not been read yet.
struct OpenBlock {
    start: usize,
    agent: Id,
    role: Option<Id>,
    model: Option<String>,
    session: Option<String>,
    task: Option<String>,
    /// The place of the last key read in the required order.
    last: Key,
}

/// Our keys in the order a block holds them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Agent,
    Role,
    Model,
    Session,
    Task,
    Seal,
    Drafted,
}

const KEYS: [(Key, &str); 7] = [
    (Key::Agent, seal::AGENT_KEY),
    (Key::Role, seal::ROLE_KEY),
    (Key::Model, seal::MODEL_KEY),
    (Key::Session, seal::SESSION_KEY),
    (Key::Task, seal::TASK_KEY),
    (Key::Seal, seal::SEAL_KEY),
    (Key::Drafted, DRAFTED),
];

impl Reader {
    fn line(&mut self, line: &Line<'_>) -> Result<(), TrailerFault> {
        if line.text.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t') {
            return Err(TrailerFault::ControlByte);
        }
        if !is_ours(line.text) {
            if self.open.is_some() {
                return Err(TrailerFault::Unclosed);
            }
            if is_cherry_pick_note(line.text) {
                self.note_seen = true;
                return Ok(());
            }
            return if is_trailer(line.text) { Ok(()) } else { Err(TrailerFault::NotATrailer) };
        }
        let (key, name, value) = KEYS
            .iter()
            .find_map(|(key, name)| {
                let value = line.text.strip_prefix(name.as_bytes())?.strip_prefix(b": ")?;
                Some((*key, *name, value))
            })
            .ok_or(TrailerFault::UnknownKey)?;
        if self.note_seen {
            return Err(TrailerFault::NoteAboveSeal);
        }
        match (key, self.open.take()) {
            (Key::Agent, None) => {
                let agent = Id::parse(value).ok_or(TrailerFault::Value(name))?;
                self.open = Some(OpenBlock::new(line.span.start, agent));
                Ok(())
            }
            (Key::Agent | Key::Drafted, Some(_)) => Err(TrailerFault::Unclosed),
            (Key::Drafted, None) => {
                self.trailers.drafted.push(Id::parse(value).ok_or(TrailerFault::Value(name))?);
                Ok(())
            }
            (Key::Seal, Some(block)) => self.close(block, value, line),
            (_, Some(mut block)) if block.last < key => {
                block.read(key, name, value)?;
                self.open = Some(block);
                Ok(())
            }
            _ => Err(TrailerFault::Order(name)),
        }
    }

    fn close(&mut self, block: OpenBlock, value: &[u8], line: &Line<'_>) -> Result<(), TrailerFault> {
        let (first, start) = (self.trailers.blocks.is_empty(), block.start);
        if first != block.role.is_none() || block.role.as_ref().is_some_and(|role| role.as_str() == seal::AUTHOR) {
            return Err(TrailerFault::Role);
        }
        if self.trailers.blocks.len() >= limits::SEALS {
            return Err(TrailerFault::TooMany);
        }
        let seal = seal::parse_seal_value(value).map_err(|_| TrailerFault::Value(seal::SEAL_KEY))?;
        let OpenBlock { agent, role, model, session, task, .. } = block;
        let claim = Claim { agent, role, model, session, task, seal };
        let span = start..line.span.end;
        self.trailers.blocks.push(Block { claim, span, covered: line.span.start });
        Ok(())
    }

    fn finish(self) -> Result<Trailers, TrailerFault> {
        if self.open.is_some() { Err(TrailerFault::Unclosed) } else { Ok(self.trailers) }
    }
}

impl OpenBlock {
    fn new(start: usize, agent: Id) -> Self {
        Self { start, agent, role: None, model: None, session: None, task: None, last: Key::Agent }
    }

    fn read(&mut self, key: Key, name: &'static str, value: &[u8]) -> Result<(), TrailerFault> {
        let plain = || seal::plain_value(value).map(str::to_owned).ok_or(TrailerFault::Value(name));
        match key {
            Key::Role => self.role = Some(Id::parse(value).ok_or(TrailerFault::Value(name))?),
            Key::Model => self.model = Some(plain()?),
            Key::Session => self.session = Some(plain()?),
            Key::Task => self.task = Some(plain()?),
            Key::Agent | Key::Seal | Key::Drafted => return Err(TrailerFault::Order(name)),
        }
        self.last = key;
        Ok(())
    }
}

/// `Token: value`, as every tool that adds trailers writes it. No folding: a continuation line is not a trailer.
fn is_trailer(text: &[u8]) -> bool {
    let Some(colon) = text.iter().position(|byte| *byte == b':') else { return false };
    let (token, value) = text.split_at(colon);
    let word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
    !token.is_empty() && token.iter().all(word) && !value.is_empty()
}

/// The line that `git cherry-pick -x` adds.
fn is_cherry_pick_note(text: &[u8]) -> bool {
    text.strip_prefix(b"(cherry picked from commit ")
        .and_then(|rest| rest.strip_suffix(b")"))
        .is_some_and(|id| crate::oid::Oid::parse(id).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::seal::{SealValue, seal_line};

    const HEAD: &str = "Add retry\n\nBecause the network is.\n\n";

    /// A seal line in its grammar, without the LF. Nobody verifies it here.
    fn seal() -> String {
        let value = SealValue { change: Digest::of(b"c"), message: Digest::of(b"m"), signature: vec![1, 2, 3, 4] };
        seal_line(&value).trim_end().to_owned()
    }

    fn message(lines: &[&str]) -> String {
        lines.iter().fold(HEAD.to_owned(), |message, line| message + &line.replace("SEAL", &seal()) + "\n")
    }

    fn parse(text: &str) -> Result<Trailers, MalformedTrailers> {
        parse_trailers(text.as_bytes())
    }

    /// Author seals and roles, and who drafted, in the order they stand in.
    fn summary(trailers: &Trailers) -> String {
        let role = |block: &Block| block.claim.role.as_ref().map_or("author".into(), Id::to_string);
        let blocks = trailers.blocks.iter().map(|block| format!("{}/{}", block.claim.agent, role(block)));
        let drafted = trailers.drafted.iter().map(|agent| format!("drafted {agent}"));
        blocks.chain(drafted).collect::<Vec<_>>().join(", ")
    }

    const NOTE: &str = "(cherry picked from commit 3b18e512dba79e4c8300dd08aeb37f8e728b8dad)";
    const NOTE_SHA256: &str =
        "(cherry picked from commit 3b18e512dba79e4c8300dd08aeb37f8e728b8dad3b18e512dba79e4c8300dd08)";

    #[test]
    fn reads_blocks_among_other_trailers() {
        let full = [
            "Countersign-Agent: claude-code",
            "Countersign-Model: claude opus 4.5",
            "Countersign-Session: 7f3a91c2",
            "Countersign-Task: PAY-112",
            "SEAL",
        ];
        let review = ["Countersign-Agent: codex", "Countersign-Role: reviewer", "SEAL"];
        for (lines, expected) in [
            (vec![], ""),
            (vec!["Countersign-Agent: claude-code", "SEAL"], "claude-code/author"),
            (full.to_vec(), "claude-code/author"),
            (vec!["Countersign-Agent: a", "Countersign-Task: x: y", "SEAL"], "a/author"),
            ([full.as_slice(), &review].concat(), "claude-code/author, codex/reviewer"),
            ([full.as_slice(), &["Reviewed-by: Ann"], &review].concat(), "claude-code/author, codex/reviewer"),
            ([full.as_slice(), &review, &review].concat(), "claude-code/author, codex/reviewer, codex/reviewer"),
            ([&["Co-authored-by: C <c@x.dev>"][..], &full, &["Signed-off-by: Ann"]].concat(), "claude-code/author"),
            ([full.as_slice(), &[NOTE]].concat(), "claude-code/author"),
            ([full.as_slice(), &[NOTE, NOTE_SHA256, "Signed-off-by: Ann"]].concat(), "claude-code/author"),
            (vec!["Countersign-Drafted: codex"], "drafted codex"),
            (
                vec!["Countersign-Drafted: codex", "Countersign-Drafted: claude-code", NOTE],
                "drafted codex, drafted claude-code",
            ),
            ([&["Countersign-Drafted: codex"][..], &full].concat(), "claude-code/author, drafted codex"),
            ([full.as_slice(), &["Countersign-Drafted: codex"]].concat(), "claude-code/author, drafted codex"),
        ] {
            let text = message(&lines);
            for text in [text.clone(), text.clone() + "\n\n", text.trim_end_matches('\n').to_owned()] {
                assert_eq!(parse(&text).as_ref().map(summary), Ok(expected.to_owned()), "{text}");
            }
        }
        let claim = parse(&message(&full)).unwrap().blocks.remove(0).claim;
        assert_eq!(claim.model.as_deref(), Some("claude opus 4.5"));
        assert_eq!(claim.session.as_deref(), Some("7f3a91c2"));
        assert_eq!(claim.task.as_deref(), Some("PAY-112"));
        assert_eq!(claim.seal.signature, [1, 2, 3, 4]);
    }

    #[test]
    fn a_seal_covers_all_that_stands_above_it() {
        let text = message(&[
            "Fixes: #1",
            "Countersign-Agent: a",
            "SEAL",
            "Countersign-Agent: b",
            "Countersign-Role: tester",
            "SEAL",
            NOTE,
        ]);
        let blocks = parse(&text).unwrap().blocks;
        let above = |block: &Block| text[..block.covered].to_owned();
        let agent = format!("{HEAD}Fixes: #1\nCountersign-Agent: a\n");
        assert_eq!(above(&blocks[0]), agent);
        let second = "Countersign-Agent: b\nCountersign-Role: tester\n";
        assert_eq!(above(&blocks[1]), format!("{agent}{}\n{second}", seal()));
        assert_eq!(&text[blocks[0].span.clone()], format!("Countersign-Agent: a\n{}\n", seal()));
        assert_eq!(&text[blocks[1].span.clone()], format!("{second}{}\n", seal()));
        // Without a line feed at its end a seal covers the same.
        let cut = text.strip_suffix(&format!("{NOTE}\n")).unwrap().trim_end();
        assert_eq!(parse(cut).unwrap().blocks[1].covered, blocks[1].covered);
    }

    /// The last paragraph of a message, the number of the offending line in it, and what is wrong.
    type Bad<'a> = (&'a [&'a str], usize, TrailerFault);

    #[test]
    fn every_line_that_breaks_the_grammar_is_named() {
        use TrailerFault::*;
        const AGENT: &str = "Countersign-Agent: a";
        const REVIEW: &[&str] = &["Countersign-Agent: b", "Countersign-Role: r", "SEAL"];
        let bad: &[Bad<'_>] = &[
            // Lines that are no trailers.
            (&["Some words", AGENT, "SEAL"], 1, NotATrailer),
            (&[AGENT, "SEAL", "Some words"], 3, NotATrailer),
            (&["Some words: here", AGENT, "SEAL"], 1, NotATrailer),
            (&["# Fixes: 1", AGENT, "SEAL"], 1, NotATrailer),
            (&["---", AGENT, "SEAL"], 1, NotATrailer),
            (&[": x", AGENT, "SEAL"], 1, NotATrailer),
            (&["Fixes : 1", AGENT, "SEAL"], 1, NotATrailer),
            (&["Fixes: 1", " folded", AGENT, "SEAL"], 2, NotATrailer),
            (&[AGENT, "SEAL", " folded"], 3, NotATrailer),
            (&[" ", AGENT, "SEAL"], 1, NotATrailer),
            (&["\u{fffd}: x", AGENT, "SEAL"], 1, NotATrailer),
            (&["(cherry picked from commit 3b18e51)", AGENT, "SEAL"], 1, NotATrailer),
            (&[AGENT, "SEAL", "(cherry picked from commit 3b18e51)"], 3, NotATrailer),
            (&[AGENT, "SEAL", "(Cherry picked from commit 3b18e512dba79e4c8300dd08aeb37f8e728b8dad)"], 3, NotATrailer),
            (
                &[AGENT, "SEAL", "x (cherry picked from commit 3b18e512dba79e4c8300dd08aeb37f8e728b8dad)"],
                3,
                NotATrailer,
            ),
            // Control bytes.
            (&[AGENT, "SEAL\r"], 2, ControlByte),
            (&["Fixes: 1\r", AGENT, "SEAL"], 1, ControlByte),
            (&["Fixes: \x0b1", AGENT, "SEAL"], 1, ControlByte),
            (&["Fixes: \x7f", AGENT, "SEAL"], 1, ControlByte),
            (&["Fixes: \0", AGENT, "SEAL"], 1, ControlByte),
            (&[AGENT, "SEAL", "Fixes: \x1b[2J"], 3, ControlByte),
            // Keys that are ours in another spelling.
            (&["countersign-agent: a", "SEAL"], 1, UnknownKey),
            (&["COUNTERSIGN-Agent: a", "SEAL"], 1, UnknownKey),
            (&["Countersign-agent: a", "SEAL"], 1, UnknownKey),
            (&["Countersign-Agent:a", "SEAL"], 1, UnknownKey),
            (&["Countersign-Agent:\ta", "SEAL"], 1, UnknownKey),
            (&["Countersign-Agent : a", "SEAL"], 1, UnknownKey),
            (&["Countersign-Agent", "SEAL"], 1, UnknownKey),
            (&["Countersign-Agents: a", "SEAL"], 1, UnknownKey),
            (&["Countersign-: a", "SEAL"], 1, UnknownKey),
            (&["Countersign-Approved: yes"], 1, UnknownKey),
            (&[AGENT, "SEAL", "countersign-note: x"], 3, UnknownKey),
            // Values.
            (&["Countersign-Agent: ", "SEAL"], 1, Value("Countersign-Agent")),
            (&["Countersign-Agent: A", "SEAL"], 1, Value("Countersign-Agent")),
            (&["Countersign-Agent:  a", "SEAL"], 1, Value("Countersign-Agent")),
            (&["Countersign-Agent: a ", "SEAL"], 1, Value("Countersign-Agent")),
            (&["Countersign-Agent: a/b", "SEAL"], 1, Value("Countersign-Agent")),
            (&["Countersign-Drafted: a b"], 1, Value("Countersign-Drafted")),
            (&[AGENT, "Countersign-Role: R", "SEAL"], 2, Value("Countersign-Role")),
            (&[AGENT, "Countersign-Model:  x", "SEAL"], 2, Value("Countersign-Model")),
            (&[AGENT, "Countersign-Model: x ", "SEAL"], 2, Value("Countersign-Model")),
            (&[AGENT, "Countersign-Session: \u{e4}", "SEAL"], 2, Value("Countersign-Session")),
            (&[AGENT, "Countersign-Task: x\ty", "SEAL"], 2, Value("Countersign-Task")),
            (&[AGENT, "SEAL "], 2, Value("Countersign-Seal")),
            (&[AGENT, "Countersign-Seal: v1"], 2, Value("Countersign-Seal")),
            (&[AGENT, "Countersign-Seal: v2 a b c"], 2, Value("Countersign-Seal")),
            // Order.
            (&["SEAL"], 1, Order("Countersign-Seal")),
            (&["Countersign-Model: x", AGENT, "SEAL"], 1, Order("Countersign-Model")),
            (&["Countersign-Role: r", AGENT, "SEAL"], 1, Order("Countersign-Role")),
            (&[AGENT, "SEAL", "SEAL"], 3, Order("Countersign-Seal")),
            (&[AGENT, "SEAL", "Countersign-Task: x"], 3, Order("Countersign-Task")),
            (&[AGENT, "Countersign-Task: x", "Countersign-Model: x", "SEAL"], 3, Order("Countersign-Model")),
            (&[AGENT, "Countersign-Model: x", "Countersign-Model: x", "SEAL"], 3, Order("Countersign-Model")),
            (
                &[AGENT, "SEAL", "Countersign-Agent: b", "Countersign-Task: x", "Countersign-Role: r", "SEAL"],
                5,
                Order("Countersign-Role"),
            ),
            // Blocks that nothing closes.
            (&[AGENT], 1, Unclosed),
            (&[AGENT, "Countersign-Model: x"], 2, Unclosed),
            (&[AGENT, AGENT, "SEAL"], 2, Unclosed),
            (&[AGENT, "Fixes: 1", "SEAL"], 2, Unclosed),
            (&[AGENT, NOTE, "SEAL"], 2, Unclosed),
            (&[AGENT, "Countersign-Drafted: b", "SEAL"], 2, Unclosed),
            (&[AGENT, "SEAL", "Countersign-Agent: b"], 3, Unclosed),
            // Roles.
            (&[AGENT, "Countersign-Role: r", "SEAL"], 3, Role),
            (&[AGENT, "Countersign-Role: author", "SEAL"], 3, Role),
            (&[AGENT, "SEAL", AGENT, "SEAL"], 4, Role),
            (&[AGENT, "SEAL", "Countersign-Agent: b", "Countersign-Role: author", "SEAL"], 5, Role),
            // Notes.
            (&[NOTE, AGENT, "SEAL"], 2, NoteAboveSeal),
            (&[AGENT, "SEAL", NOTE, REVIEW[0], REVIEW[1], REVIEW[2]], 4, NoteAboveSeal),
        ];
        for (lines, line, reason) in bad {
            let text = message(lines);
            let expected = MalformedTrailers { line: line + 4, reason: reason.clone() };
            assert_eq!(parse(&text).map(|trailers| summary(&trailers)), Err(expected), "{text}");
        }
        for value in ["x".repeat(65), "-a".into(), ".a".into(), "\u{e4}".into()] {
            let text = message(&[&format!("Countersign-Agent: {value}"), "SEAL"]);
            assert_eq!(parse(&text).unwrap_err().reason, Value("Countersign-Agent"), "{value}");
        }
        let text = message(&[AGENT, &format!("Countersign-Task: {}", "x".repeat(101)), "SEAL"]);
        assert_eq!(parse(&text).unwrap_err().reason, Value("Countersign-Task"));
    }

    #[test]
    fn our_lines_stand_in_the_last_of_several_paragraphs() {
        let block = format!("Countersign-Agent: a\n{}\n", seal());
        let fault = |line, reason| Err(MalformedTrailers { line, reason });
        for (text, expected) in [
            (block.clone(), fault(1, TrailerFault::NoSubject)),
            (format!("\n\n{block}"), fault(3, TrailerFault::NoSubject)),
            (format!("Subject\n{block}"), fault(1, TrailerFault::NoSubject)),
            ("Countersign-agent everything\n".into(), fault(1, TrailerFault::NoSubject)),
            ("countersign-: a\n\nBody\n".into(), fault(1, TrailerFault::Misplaced)),
            (format!("{block}\nBody\n"), fault(1, TrailerFault::Misplaced)),
            (format!("Subject\n\n{block}\nSigned-off-by: Ann\n"), fault(3, TrailerFault::Misplaced)),
            (format!("Subject\n\n{block}\n{block}"), fault(3, TrailerFault::Misplaced)),
            (format!("Subject\n\nCOUNTERSIGN-x\n\n{block}"), fault(3, TrailerFault::Misplaced)),
            // A line of spaces is not empty: git divides paragraphs there, so it may not stand in the last one.
            (format!("Subject\n\nBody\n \n{block}"), fault(3, TrailerFault::NotATrailer)),
            // Nor is one with a carriage return.
            (format!("Subject\n\r\n{block}"), fault(1, TrailerFault::NoSubject)),
            (format!("Subject\r\n\n{block}"), Ok("a/author".to_owned())),
            (format!("Subject\n\nBody countersign-agent: x\n\n{block}"), Ok("a/author".to_owned())),
            (format!("Subject\n\n Countersign-Agent: x\n\n{block}"), Ok("a/author".to_owned())),
            (format!("\nSubject\n\n\n\n{block}\n\n"), Ok("a/author".to_owned())),
            ("Countersigned-by: Ann\n".into(), Ok(String::new())),
            ("Subject\n\nwords without any trailer\r\n\0".into(), Ok(String::new())),
            (String::new(), Ok(String::new())),
            ("\n\n".into(), Ok(String::new())),
        ] {
            assert_eq!(parse(&text).map(|trailers| summary(&trailers)), expected, "{text:?}");
        }
    }

    #[test]
    fn seals_and_lines_are_counted() {
        let author = ["Countersign-Agent: a", "SEAL"];
        let review = ["Countersign-Agent: b", "Countersign-Role: r", "SEAL"];
        let seals = |count: usize| message(&[&author[..], &review.repeat(count - 1)].concat());
        assert_eq!(parse(&seals(limits::SEALS)).unwrap().blocks.len(), limits::SEALS);
        assert_eq!(parse(&seals(limits::SEALS + 1)).unwrap_err().reason, TrailerFault::TooMany);
        let lines = |count: usize| message(&[&["Fixes: 1"].repeat(count - 2)[..], &author].concat());
        assert!(parse(&lines(limits::TRAILERS)).is_ok());
        assert_eq!(parse(&lines(limits::TRAILERS + 1)).unwrap_err().reason, TrailerFault::TooMany);
    }

    proptest::proptest! {
        /// Whatever the bytes, and above all those near the grammar: no panic, and places that lie in the message.
        #[test]
        fn no_message_panics(
            bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..64),
            parts in proptest::collection::vec(0..9_usize, 0..24),
        ) {
            let seal = seal();
            let vocabulary: [&[u8]; 9] = [
                b"Subject", b"\n", b"\n\n", b"\nCountersign-Agent: a\n", b"Countersign-Role: r\n", b"Countersign-Model: m\n",
                seal.as_bytes(), NOTE.as_bytes(), &bytes,
            ];
            let near: Vec<u8> = parts.iter().flat_map(|part| vocabulary[*part].to_vec()).collect();
            for message in [&bytes, &near] {
                let Ok(trailers) = parse_trailers(message) else { continue };
                for block in trailers.blocks {
                    proptest::prop_assert!(block.span.start < block.covered && block.covered < block.span.end);
                    proptest::prop_assert!(message[block.covered..].starts_with(b"Countersign-Seal: v1 "));
                    proptest::prop_assert!(message[block.span].starts_with(b"Countersign-Agent: "));
                }
            }
        }
    }
}
