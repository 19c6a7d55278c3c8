//! The trailers of ours in a commit message: seals, and the claim of a person who adopted an agent's commit.
//!
//! Readers of git trailers disagree (dividers, comments, folding, configuration), so this is our own grammar: the last
//! paragraph only, every line of it a trailer, our keys in their exact spelling. A line that looks like ours anywhere
//! else refuses the message, so no reader can see a seal that we do not.

use std::ops::Range;

use thiserror::Error;

use super::raw::Commit;
use crate::core::digest::Digest;
use crate::core::id::{Id, RepositoryName};
use crate::core::limits;
use crate::core::seal::{self, BadSeal, Claim, Root};

/// What every key of ours begins with, whatever its case.
const PREFIX: &[u8] = b"countersign-";

/// The key of the claim that a person took over an agent's commit.
pub const DRAFTED: &str = "Countersign-Drafted";

/// The key by which the signer of a merge approves what it brings in.
pub(crate) const APPROVES: &str = "Countersign-Approves";

/// Our trailers in one message.
#[derive(Clone, Debug, Default)]
pub struct Trailers {
    /// The seals in order: the author's first, if it has one.
    pub blocks: Vec<SealBlock>,
    /// The agents a person says they took this commit over from.
    pub drafted: Vec<Id>,
    /// Where the signer of this merge approves what it brings in.
    pub approves: Vec<Approves>,
}

/// The value of a `Countersign-Approves` trailer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approves {
    /// The repository.
    pub repository: RepositoryName,
    /// The full name of the ref.
    pub name: Vec<u8>,
}

impl Approves {
    fn parse(value: &[u8]) -> Option<Self> {
        let space = value.iter().position(|byte| *byte == b' ')?;
        let repository = RepositoryName::parse(value.get(..space)?)?;
        let name = value.get(space + 1..)?;
        let plain = name.starts_with(b"refs/")
            && name.len() <= limits::REF_BYTES
            && !name.iter().any(|byte| *byte <= b' ' || *byte == 0x7f);
        plain.then(|| Self { repository, name: name.to_vec() })
    }
}

/// A claimed seal with its place in the message.
#[derive(Clone, Debug)]
pub struct SealBlock {
    /// What the block says.
    pub claim: Claim,
    /// Where the block stands in the message, its last LF included.
    pub span: Range<usize>,
    /// How many bytes of the message stand above the seal's own line: what the seal covers.
    pub covered: usize,
}

impl SealBlock {
    /// Whether this seal of `commit` holds, where the repository has this name and the commit does `change` to its first parent. Whoever
    /// asks about a seal asks here.
    pub fn verify(&self, commit: &Commit<'_>, repository: &RepositoryName, change: Digest) -> seal::SealOutcome {
        // A sealed message has one reading only in UTF-8.
        if commit.encoding.is_some() {
            return seal::SealOutcome::Bad(BadSeal::Encoding);
        }
        let subject = seal::SealSubject {
            repository,
            author: commit.author.raw,
            merges: commit.parents.get(1..).unwrap_or_default(),
            root: Root::of(&commit.parents),
            change,
            message: Digest::of(commit.message.get(..self.covered).unwrap_or_default()),
        };
        seal::verify(&self.claim, &subject)
    }
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
    /// More seals, or agents that drafted, or refs approved for, than [`limits::SEALS`], or lines than [`limits::TRAILERS`].
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
    let mut reader = TrailerReader::default();
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
struct MessageLine<'a> {
    number: usize,
    text: &'a [u8],
    span: Range<usize>,
}

impl MessageLine<'_> {
    fn fault(&self, reason: TrailerFault) -> MalformedTrailers {
        MalformedTrailers { line: self.number, reason }
    }
}

fn split_lines(message: &[u8]) -> Vec<MessageLine<'_>> {
    let mut start = 0;
    let mut lines = Vec::new();
    for (position, whole) in message.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let end = start + whole.len();
        lines.push(MessageLine {
            number: position + 1,
            text: whole.strip_suffix(b"\n").unwrap_or(whole),
            span: start..end,
        });
        start = end;
    }
    lines
}

/// What stands above the first line of ours.
pub(super) fn above_our_lines(message: &[u8]) -> &[u8] {
    let lines = split_lines(message);
    let end = lines.iter().find(|line| is_ours(line.text)).map_or(message.len(), |line| line.span.start);
    message.get(..end).unwrap_or(message)
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
fn last_paragraph(lines: &[MessageLine<'_>]) -> usize {
    let end = lines.iter().rposition(|line| !line.text.is_empty()).unwrap_or(0);
    lines.iter().take(end).rposition(|line| line.text.is_empty()).map_or(0, |empty| empty + 1)
}

/// Reads the lines of the last paragraph in order.
#[derive(Default)]
struct TrailerReader {
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
    last: TrailerKey,
}

/// Our keys in the order a block holds them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum TrailerKey {
    Agent,
    Role,
    Model,
    Session,
    Task,
    Seal,
    Drafted,
    Approves,
}

const KEYS: [(TrailerKey, &str); 8] = [
    (TrailerKey::Agent, seal::AGENT_KEY),
    (TrailerKey::Role, seal::ROLE_KEY),
    (TrailerKey::Model, seal::MODEL_KEY),
    (TrailerKey::Session, seal::SESSION_KEY),
    (TrailerKey::Task, seal::TASK_KEY),
    (TrailerKey::Seal, seal::SEAL_KEY),
    (TrailerKey::Drafted, DRAFTED),
    (TrailerKey::Approves, APPROVES),
];

impl TrailerReader {
    fn line(&mut self, line: &MessageLine<'_>) -> Result<(), TrailerFault> {
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
            (TrailerKey::Agent, None) => {
                let agent = Id::parse(value).ok_or(TrailerFault::Value(name))?;
                self.open = Some(OpenBlock::new(line.span.start, agent));
                Ok(())
            }
            (TrailerKey::Agent | TrailerKey::Drafted | TrailerKey::Approves, Some(_)) => Err(TrailerFault::Unclosed),
            (TrailerKey::Drafted, None) => {
                let agent = Id::parse(value).ok_or(TrailerFault::Value(name))?;
                if !self.trailers.drafted.contains(&agent) {
                    self.trailers.drafted.push(agent);
                }
                self.within(self.trailers.drafted.len())
            }
            (TrailerKey::Approves, None) => {
                self.trailers.approves.push(Approves::parse(value).ok_or(TrailerFault::Value(name))?);
                self.within(self.trailers.approves.len())
            }
            (TrailerKey::Seal, Some(block)) => self.close(block, value, line),
            (_, Some(mut block)) if block.last < key => {
                block.read(key, name, value)?;
                self.open = Some(block);
                Ok(())
            }
            _ => Err(TrailerFault::Order(name)),
        }
    }

    fn within(&self, lines: usize) -> Result<(), TrailerFault> {
        if lines > limits::SEALS { Err(TrailerFault::TooMany) } else { Ok(()) }
    }

    fn close(&mut self, block: OpenBlock, value: &[u8], line: &MessageLine<'_>) -> Result<(), TrailerFault> {
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
        self.trailers.blocks.push(SealBlock { claim, span, covered: line.span.start });
        Ok(())
    }

    fn finish(self) -> Result<Trailers, TrailerFault> {
        if self.open.is_some() { Err(TrailerFault::Unclosed) } else { Ok(self.trailers) }
    }
}

impl OpenBlock {
    fn new(start: usize, agent: Id) -> Self {
        Self { start, agent, role: None, model: None, session: None, task: None, last: TrailerKey::Agent }
    }

    fn read(&mut self, key: TrailerKey, name: &'static str, value: &[u8]) -> Result<(), TrailerFault> {
        let plain = || seal::plain_value(value).map(str::to_owned).ok_or(TrailerFault::Value(name));
        match key {
            TrailerKey::Role => self.role = Some(Id::parse(value).ok_or(TrailerFault::Value(name))?),
            TrailerKey::Model => self.model = Some(plain()?),
            TrailerKey::Session => self.session = Some(plain()?),
            TrailerKey::Task => self.task = Some(plain()?),
            TrailerKey::Agent | TrailerKey::Seal | TrailerKey::Drafted | TrailerKey::Approves => {
                return Err(TrailerFault::Order(name));
            }
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
        .is_some_and(|id| crate::core::oid::Oid::parse(id).is_some())
}

#[cfg(test)]
mod tests;
