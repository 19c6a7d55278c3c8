//! What AI agents leave in commits, tags and the environment of the processes they start.
//!
//! A mark never proves an identity, and its absence never proves a person. It contradicts silence: whatever shows AI
//! authorship needs a seal. The list is `agents.tsv`, data in the binary; an admin may add to it.

mod automaton;
mod byteset;
mod charset;
mod lines;
mod program;
mod squashed;
mod syntax;
mod table;

use std::cell::RefCell;
use std::sync::LazyLock;

use automaton::PatternAutomaton;
use charset::Charset;
use lines::Piece;
use squashed::Squashed;
use table::Tables;

use crate::core::policy::Date;

pub use squashed::squashed_authors;
pub use syntax::PatternError;
pub use table::{CatalogueError, EnvMark, EnvTest, MarkKind, MarkRow, RowOrigin, RowProblem, Strength};

const BUILTIN: &str = include_str!("agents.tsv");

/// The day of the built-in list, as its first line says it.
pub fn date() -> &'static str {
    let after = BUILTIN.strip_prefix("# AI marks, ").and_then(|rest| rest.split_once(". "));
    after.map_or("", |(day, _)| day)
}

/// Different marks of one strength, known since one day, that are reported for one commit; a squash of everything has no more to say.
const MARKS: usize = 16;

/// Characters of a mark's excerpt.
const EXCERPT: usize = 80;

/// The marks we know.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    tables: Tables,
}

/// The parts of a commit or tag that are searched.
#[derive(Clone, Copy, Debug)]
pub struct MarkSource<'a> {
    /// The author's or tagger's name. Committers are not searched: forges and rebases put themselves there.
    pub author_name: &'a [u8],
    /// The author's or tagger's email, without brackets.
    pub author_email: &'a [u8],
    /// The message.
    pub message: &'a [u8],
    /// What the header says of the encoding of all three; `None` without one.
    pub encoding: Option<&'a [u8]>,
}

/// One sign of AI authorship.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The agent or family of agents, as the list names it; of a seal in a squashed message, the id that it names.
    pub agent: String,
    /// Where it was found.
    pub kind: MarkKind,
    /// The text it was found in, as it stands there: at most 80 characters, ending with the mark where the text is longer.
    pub line: String,
    /// How much it says.
    pub strength: Strength,
    /// The day on which its row came into its list, where the list says one.
    pub added: Option<Date>,
    /// The number of its row among those of its kind, for [`Catalogue::row`].
    row: usize,
}

impl Catalogue {
    /// The list in the binary, compiled when it is first asked: a push that brings no commit needs none of it.
    pub fn builtin() -> &'static Self {
        // A row that does not compile would be dropped with all after it; a test compiles every row.
        static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| {
            let mut catalogue = Catalogue::default();
            let _ = table::read(BUILTIN, RowOrigin::Builtin, &mut catalogue.tables);
            catalogue
        });
        &CATALOGUE
    }

    /// The built-in rows about environments alone: whoever asks of nothing else need not wait for every pattern to compile.
    pub fn of_environment() -> &'static Self {
        static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| {
            let mut catalogue = Catalogue::default();
            let rows: Vec<&str> = BUILTIN.lines().filter(|row| row.starts_with("env\t")).collect();
            let _ = table::read(&rows.join("\n"), RowOrigin::Builtin, &mut catalogue.tables);
            catalogue
        });
        &CATALOGUE
    }

    /// Adds an admin's rows, in the form of the built-in list; the source column may be left out.
    ///
    /// # Errors
    /// The first row that cannot be used, with its line.
    pub fn add(&mut self, tsv: &str) -> Result<(), CatalogueError> {
        table::read(tsv, RowOrigin::Added, &mut self.tables)
    }

    /// The rows about commits and tags, by what they look at.
    pub fn rows(&self) -> impl Iterator<Item = &MarkRow> {
        self.tables.all().into_iter().flat_map(|rows| &rows.list)
    }

    /// The row that found a mark; `None` for a seal in a squashed message.
    pub fn row(&self, mark: &Mark) -> Option<&MarkRow> {
        self.tables.of(mark.kind)?.list.get(mark.row)
    }

    /// The variables that agents set.
    pub fn environment(&self) -> impl Iterator<Item = &EnvMark> {
        self.tables.environment.iter()
    }

    /// The marks in one commit or tag, as [`MarkSearch::find`] finds them.
    pub fn find(&self, source: &MarkSource<'_>) -> Vec<Mark> {
        MarkSearch::new(self).find(source)
    }
}

/// The name of the encoding that a commit's header says, where nobody can say what the commit shows: the encoding is unknown, or
/// shows another text than the bytes seem to.
pub fn unreadable_encoding(header: Option<&[u8]>) -> Option<String> {
    let unknown = Charset::of(header) == Charset::Unknown;
    header.filter(|_| unknown).map(|name| String::from_utf8_lossy(name).chars().take(EXCERPT).collect())
}

/// Searches many commits, and keeps what it learned of the rows from one to the next.
pub struct MarkSearch<'c> {
    catalogue: &'c Catalogue,
    automata: RefCell<Automata<'c>>,
}

struct Automata<'c> {
    author_email: PatternAutomaton<'c>,
    author_name: PatternAutomaton<'c>,
    subject: PatternAutomaton<'c>,
    trailer: PatternAutomaton<'c>,
    footer: PatternAutomaton<'c>,
}

impl<'c> MarkSearch<'c> {
    /// Prepares to search for the marks of a list.
    pub fn new(catalogue: &'c Catalogue) -> Self {
        let [author_email, author_name, subject, trailer, footer] =
            catalogue.tables.all().map(|rows| PatternAutomaton::new(&rows.program));
        let automata = Automata { author_email, author_name, subject, trailer, footer };
        Self { catalogue, automata: RefCell::new(automata) }
    }

    /// The marks in a commit or tag, in the order of the text: each agent, kind and strength once, at most 16 of one strength
    /// and date.
    pub fn find(&self, source: &MarkSource<'_>) -> Vec<Mark> {
        let mut finder =
            Finder { catalogue: self.catalogue, automata: &mut self.automata.borrow_mut(), found: Vec::new() };
        let MarkSource { author_name, author_email, message, encoding } = source;
        if let Charset::Other(encoding) = Charset::of(*encoding) {
            // Who decodes reads one text, and who does not another: what either shows counts.
            let [name, email, message] =
                [author_name, author_email, message].map(|bytes| encoding.decode_without_bom_handling(bytes).0);
            finder.read(name.as_bytes(), email.as_bytes(), message.as_bytes());
        }
        finder.read(author_name, author_email, message);
        let mut found = finder.found;
        found.shrink_to_fit();
        found
    }
}

impl<'c> Automata<'c> {
    fn of(&mut self, kind: MarkKind) -> Option<&mut PatternAutomaton<'c>> {
        match kind {
            MarkKind::AuthorEmail => Some(&mut self.author_email),
            MarkKind::AuthorName => Some(&mut self.author_name),
            MarkKind::Subject => Some(&mut self.subject),
            MarkKind::Trailer => Some(&mut self.trailer),
            MarkKind::Footer => Some(&mut self.footer),
            MarkKind::SquashedSeal => None,
        }
    }
}

/// What was found so far.
struct Finder<'f, 'c> {
    catalogue: &'c Catalogue,
    automata: &'f mut Automata<'c>,
    found: Vec<Mark>,
}

impl Finder<'_, '_> {
    fn read(&mut self, name: &[u8], email: &[u8], message: &[u8]) {
        self.search(MarkKind::AuthorEmail, email.trim_ascii());
        self.search(MarkKind::AuthorName, name.trim_ascii());
        lines::read(message, &mut |piece| match piece {
            Piece::Subject(text) => self.search(MarkKind::Subject, text),
            Piece::Line(text) => self.search(MarkKind::Footer, text),
            Piece::Trailer(text) if !lines::is_denied(&text) => self.search(MarkKind::Trailer, &text),
            Piece::Trailer(_) => {}
        });
        let mut squashed = Squashed::default();
        for line in message.split(|byte| *byte == b'\n') {
            if let Some(block) = squashed.line(line) {
                let agent = block.agent;
                let line = format!("{}: {agent}", crate::core::seal::AGENT_KEY);
                let (agent, kind, strength) = (agent.to_string(), MarkKind::SquashedSeal, Strength::Authored);
                if is_news(&self.found, kind, &agent, strength, None) {
                    self.found.push(Mark { agent, kind, line, strength, added: None, row: 0 });
                }
            }
        }
    }

    fn search(&mut self, kind: MarkKind, text: &[u8]) {
        let (Some(automaton), Some(rows)) = (self.automata.of(kind), self.catalogue.tables.of(kind)) else { return };
        let found = &mut self.found;
        automaton.search(text, |row, end| {
            let Some(MarkRow { agent, strength, added, .. }) = rows.list.get(row) else { return };
            if is_news(found, kind, agent, *strength, *added) {
                let (agent, line) = (agent.clone(), excerpt(text, end));
                found.push(Mark { agent, kind, line, strength: *strength, added: *added, row });
            }
        });
    }
}

/// Whether a mark says something that is not known yet, and there is room for it. Marks that count for less, or later, never
/// take the room of others.
fn is_news(found: &[Mark], kind: MarkKind, agent: &str, strength: Strength, added: Option<Date>) -> bool {
    let alike = || found.iter().filter(|mark| mark.strength == strength && mark.added == added);
    !alike().any(|mark| mark.kind == kind && mark.agent == agent) && alike().count() < MARKS
}

/// The beginning of a text, or what stands before the end of the mark where that is further away.
fn excerpt(text: &[u8], end: usize) -> String {
    // A character has at most four bytes.
    let most = EXCERPT.saturating_mul(4);
    let before = String::from_utf8_lossy(text.get(end.saturating_sub(most)..end).unwrap_or_default());
    let count = before.chars().count();
    if end <= most && count <= EXCERPT {
        let start = String::from_utf8_lossy(text.get(..most).unwrap_or(text));
        return start.chars().take(EXCERPT).collect();
    }
    "...".chars().chain(before.chars().skip(count.saturating_add(3).saturating_sub(EXCERPT))).collect()
}

#[cfg(test)]
mod tests;
