//! What AI agents leave in commits, tags and the environment of the processes they start.
//!
//! A mark never proves an identity, and its absence never proves a person. It contradicts silence: whatever shows AI
//! authorship needs a seal. The list is `agents.tsv`, data in the binary; an admin may add to it.

mod byteset;
mod pattern;
mod syntax;
mod table;

use std::sync::LazyLock;

use table::{Row, Rows};

use crate::core::limits;

pub use pattern::Pattern;
pub use syntax::PatternError;
pub use table::{CatalogueError, EnvMark, EnvTest, MarkKind, RowProblem, Strength};

/// The month of the built-in list.
pub const DATE: &str = "2026-11";

const BUILTIN: &str = include_str!("agents.tsv");

/// Bytes of a line that are searched. A trailer of the list is under 200.
const LINE_BYTES: usize = 1024;

/// Different marks reported for one commit; a squash of everything has no more to say.
const MARKS: usize = 16;

/// Characters of a mark's excerpt.
const EXCERPT: usize = 80;

/// The marks we know.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    rows: Rows,
    environment: Vec<EnvMark>,
}

/// The parts of a commit or tag that are searched.
#[derive(Clone, Copy, Debug)]
pub struct MarkSource<'a> {
    /// The author's or tagger's name. Committers are not searched: forges and rebases put themselves there.
    pub author_name: &'a [u8],
    /// The author's or tagger's email, without brackets.
    pub author_email: &'a [u8],
    /// The message; of a long one its first and last [`limits::MARK_BYTES`] are searched.
    pub message: &'a [u8],
}

/// One sign of AI authorship.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The agent or family of agents, as the list names it; not a registered id.
    pub agent: String,
    /// Where it was found.
    pub kind: MarkKind,
    /// The text it was found in, escaped to plain ASCII, at most 80 characters.
    pub line: String,
    /// How much it says.
    pub strength: Strength,
}

impl Catalogue {
    /// The list in the binary, compiled when it is first asked: a push that brings no commit needs none of it.
    pub fn builtin() -> &'static LazyLock<Self> {
        // A row that does not compile would be dropped with all after it; a test compiles every row.
        static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| {
            let mut catalogue = Catalogue::default();
            let _ = table::read(BUILTIN, &mut catalogue.rows, &mut catalogue.environment);
            catalogue
        });
        &CATALOGUE
    }

    /// The built-in list and an admin's rows in the same form; the source column may be left out.
    ///
    /// # Errors
    /// The first row that cannot be used, with its line.
    pub fn with_additions(tsv: &str) -> Result<Self, CatalogueError> {
        let mut catalogue = Self::clone(Self::builtin());
        table::read(tsv, &mut catalogue.rows, &mut catalogue.environment)?;
        Ok(catalogue)
    }

    /// The marks in a commit or tag, each agent and kind once, at most 16, in the order of the text.
    pub fn find(&self, source: &MarkSource<'_>) -> Vec<Mark> {
        let mut found = Vec::new();
        self.rows.search(MarkKind::AuthorEmail, source.author_email, &mut found);
        self.rows.search(MarkKind::AuthorName, source.author_name, &mut found);
        let (head, tail) = ends(source.message);
        for line in [head, tail].into_iter().flat_map(|part| part.split(|byte| *byte == b'\n')) {
            // `git merge --squash` indents the messages it joins.
            let line = line.trim_ascii();
            if is_key_value(line) {
                self.rows.search(MarkKind::Trailer, line, &mut found);
            }
            self.rows.search(MarkKind::Footer, line, &mut found);
            if found.len() >= MARKS {
                break;
            }
        }
        found.shrink_to_fit();
        found
    }

    /// The variables that agents set.
    pub fn environment(&self) -> impl Iterator<Item = &EnvMark> {
        self.environment.iter()
    }
}

impl Rows {
    fn search(&self, kind: MarkKind, text: &[u8], found: &mut Vec<Mark>) {
        let text = text.get(..LINE_BYTES).unwrap_or(text);
        for Row { agent, strength, .. } in self.of(kind).iter().filter(|row| row.pattern.is_match(text)) {
            let known = |mark: &Mark| mark.kind == kind && mark.agent == *agent && mark.strength == *strength;
            if !found.iter().any(known) && found.len() < MARKS {
                found.push(Mark { agent: agent.clone(), kind, line: excerpt(text), strength: *strength });
            }
        }
    }
}

/// The part of the message that is searched: all of it, or two ends.
fn ends(message: &[u8]) -> (&[u8], &[u8]) {
    match (message.split_at_checked(limits::MARK_BYTES), message.len().checked_sub(limits::MARK_BYTES)) {
        (Some((head, rest)), Some(start)) if start > limits::MARK_BYTES => (head, message.get(start..).unwrap_or(rest)),
        (Some((head, rest)), _) if rest.is_empty() => (head, rest),
        _ => (message, &[]),
    }
}

/// Whether a line looks like a trailer: a key of letters, digits and hyphens, and a colon.
fn is_key_value(line: &[u8]) -> bool {
    let key = line.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'-').count();
    key > 0 && line.get(key) == Some(&b':')
}

fn excerpt(text: &[u8]) -> String {
    let mut escaped = String::with_capacity(EXCERPT);
    for byte in text {
        let character = char::from(*byte);
        let piece = match byte {
            b' '..=b'~' => character.to_string(),
            _ => format!("\\x{byte:02x}"),
        };
        if escaped.len().saturating_add(piece.len()) > EXCERPT {
            break;
        }
        escaped.push_str(&piece);
    }
    escaped
}

#[cfg(test)]
mod tests;
