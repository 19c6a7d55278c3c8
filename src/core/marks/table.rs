//! The rows of `agents.tsv`, and of an admin's additions in the same form.

use super::program::Program;
use super::syntax::{self, PatternError};
use crate::core::limits;
use crate::core::policy::Date;

/// What a row looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MarkKind {
    /// The email of the author or tagger.
    AuthorEmail,
    /// The name of the author or tagger.
    AuthorName,
    /// The first line of the message that is not blank.
    Subject,
    /// A `key: value` line anywhere in the message, as git unfolds it: squashing leaves trailers in the middle.
    Trailer,
    /// Any line of the message.
    Footer,
    /// A whole block of our own trailers, indented as `git merge --squash` indents the messages it joins. No row looks at it.
    SquashedSeal,
}

impl MarkKind {
    /// Its name, which for kinds of rows is that of the table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AuthorEmail => "author-email",
            Self::AuthorName => "author-name",
            Self::Subject => "subject",
            Self::Trailer => "trailer",
            Self::Footer => "footer",
            Self::SquashedSeal => "squashed-seal",
        }
    }
}

/// How much a mark says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Strength {
    /// An agent's own mark: it made the commit or had a part in it.
    Authored,
    /// The row's source is inferred or rare: it only warns.
    Low,
    /// Somebody discloses help of unnamed tools: counts only under `marks = "any"`.
    Disclosed,
}

/// A row about commits and tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarkRow {
    /// What it looks at.
    pub kind: MarkKind,
    /// The pattern as written.
    pub pattern: String,
    /// The agent or family of agents it stands for; not a registered id.
    pub agent: String,
    /// How much its mark says.
    pub strength: Strength,
    /// The day on which it came into its list; `None` for what the first built-in list had, and where an admin says none.
    pub added: Option<Date>,
    /// Whose list it stands in.
    pub origin: RowOrigin,
}

/// Whose list a row stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RowOrigin {
    /// That in the binary.
    Builtin,
    /// An admin's.
    Added,
}

/// The rows about commits and tags that look at one thing, and the program of their patterns: each pattern's number is the
/// position of its row.
#[derive(Clone, Debug, Default)]
pub(super) struct Rows {
    pub(super) list: Vec<MarkRow>,
    pub(super) program: Program,
}

/// All rows of the tables that were read.
#[derive(Clone, Debug, Default)]
pub(super) struct Tables {
    author_email: Rows,
    author_name: Rows,
    subject: Rows,
    trailer: Rows,
    footer: Rows,
    pub(super) environment: Vec<EnvMark>,
    /// Bytes of an admin's that were read.
    added: usize,
}

impl Tables {
    /// The rows of one kind; those of a [`MarkKind::SquashedSeal`] are none.
    pub(super) fn of(&self, kind: MarkKind) -> Option<&Rows> {
        match kind {
            MarkKind::AuthorEmail => Some(&self.author_email),
            MarkKind::AuthorName => Some(&self.author_name),
            MarkKind::Subject => Some(&self.subject),
            MarkKind::Trailer => Some(&self.trailer),
            MarkKind::Footer => Some(&self.footer),
            MarkKind::SquashedSeal => None,
        }
    }

    /// The rows about commits and tags by kind: emails, names, subjects, trailers, footers.
    pub(super) fn all(&self) -> [&Rows; 5] {
        let Self { author_email, author_name, subject, trailer, footer, environment: _, added: _ } = self;
        [author_email, author_name, subject, trailer, footer]
    }
}

/// A variable that an agent sets in the processes it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvMark {
    /// The variable's name.
    pub variable: String,
    /// What its value must be.
    pub test: EnvTest,
    /// The agent, or `None` where the variable is generic, or set for people too.
    pub agent: Option<String>,
    /// The variable of a mark that this one outranks: some agents also set another's variable.
    pub before: Option<String>,
}

/// What the value of an [`EnvMark`]'s variable must be. An empty variable counts as unset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnvTest {
    /// Anything.
    Present,
    /// Exactly this.
    Equals(String),
    /// Something with this in it.
    Contains(String),
}

impl EnvTest {
    /// Whether a variable of this value passes.
    pub fn accepts(&self, value: &str) -> bool {
        match self {
            Self::Present => !value.is_empty(),
            Self::Equals(wanted) => value == wanted,
            Self::Contains(part) => value.contains(part.as_str()),
        }
    }
}

/// A row that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct CatalogueError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: RowProblem,
}

/// What is wrong with a row.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowProblem {
    /// More than 1024 lines, or with the lists before it more than [`limits::MARKS_FILE_BYTES`].
    #[error("the list has more than {ROWS} lines, or all lists together more than {} bytes", limits::MARKS_FILE_BYTES)]
    TooLarge,
    /// Not three to five columns, or an empty one among the first three.
    #[error("a row is kind, pattern, agent and source, separated by tabs")]
    Columns,
    /// An unknown kind.
    #[error("the kind is one of author-email, author-name, subject, trailer, footer, env")]
    Kind,
    /// An agent that is not short printable ASCII.
    #[error("the agent is at most 100 printable ASCII characters")]
    Agent,
    /// The name of a variable is not one.
    #[error("a variable is NAME, NAME=VALUE or NAME~PART, the name of letters, digits and underscores")]
    Variable,
    /// The fifth column is not a day.
    #[error("the fifth column is the day on which the row was added, as in 2026-11-28")]
    Added,
    /// The pattern does not compile.
    #[error("the pattern does not compile: {0}")]
    Pattern(PatternError),
}

/// Rows of one table, which a policy that is pushed may name. The built-in one has about 200.
const ROWS: usize = 1024;

/// Reads a table; `#` begins a comment line.
pub(super) fn read(tsv: &str, origin: RowOrigin, tables: &mut Tables) -> Result<(), CatalogueError> {
    if origin == RowOrigin::Added {
        tables.added = tables.added.saturating_add(tsv.len());
    }
    if tables.added > limits::MARKS_FILE_BYTES || tsv.lines().count() > ROWS {
        return Err(CatalogueError { line: 1, problem: RowProblem::TooLarge });
    }
    for (index, line) in tsv.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        read_row(line, origin, tables).map_err(|problem| CatalogueError { line: index.saturating_add(1), problem })?;
    }
    Ok(())
}

fn read_row(line: &str, origin: RowOrigin, tables: &mut Tables) -> Result<(), RowProblem> {
    let mut columns = line.split('\t');
    let (Some(kind), Some(pattern), Some(agent)) = (columns.next(), columns.next(), columns.next()) else {
        return Err(RowProblem::Columns);
    };
    let source = columns.next().unwrap_or_default();
    let added = columns.next().map(|day| Date::parse(day).ok_or(RowProblem::Added)).transpose()?;
    if pattern.is_empty() || agent.is_empty() || columns.next().is_some() {
        return Err(RowProblem::Columns);
    }
    if agent.len() > 100 || agent.bytes().any(|byte| !matches!(byte, b' '..=b'~')) {
        return Err(RowProblem::Agent);
    }
    let (kind, rows) = match kind {
        "author-email" => (MarkKind::AuthorEmail, &mut tables.author_email),
        "author-name" => (MarkKind::AuthorName, &mut tables.author_name),
        "subject" => (MarkKind::Subject, &mut tables.subject),
        "trailer" => (MarkKind::Trailer, &mut tables.trailer),
        "footer" => (MarkKind::Footer, &mut tables.footer),
        "env" => {
            tables.environment.push(env_mark(pattern, agent, source)?);
            return Ok(());
        }
        _ => return Err(RowProblem::Kind),
    };
    rows.program.add(&syntax::parse(pattern).map_err(RowProblem::Pattern)?);
    let (pattern, agent, strength) = (pattern.to_owned(), agent.to_owned(), strength(agent, source));
    rows.list.push(MarkRow { kind, pattern, agent, strength, added, origin });
    Ok(())
}

fn strength(agent: &str, source: &str) -> Strength {
    let mut words = source.split(|character: char| !character.is_ascii_alphanumeric());
    if agent == "disclosed-ai" {
        Strength::Disclosed
    } else if words.any(|word| matches!(word, "low" | "inferred")) {
        Strength::Low
    } else {
        Strength::Authored
    }
}

fn env_mark(pattern: &str, agent: &str, source: &str) -> Result<EnvMark, RowProblem> {
    let end = pattern.find(['=', '~']).unwrap_or(pattern.len());
    let (variable, rest) = pattern.split_at_checked(end).ok_or(RowProblem::Variable)?;
    let test = match (rest.strip_prefix('='), rest.strip_prefix('~')) {
        (None, None) => EnvTest::Present,
        (Some(value), _) if !value.is_empty() => EnvTest::Equals(value.to_owned()),
        (_, Some(part)) if !part.is_empty() => EnvTest::Contains(part.to_owned()),
        _ => return Err(RowProblem::Variable),
    };
    if variable.is_empty() || variable.bytes().any(|byte| !byte.is_ascii_alphanumeric() && byte != b'_') {
        return Err(RowProblem::Variable);
    }
    let generic = agent.starts_with("generic") || source.contains("humans too");
    let before = source.split_once("(check before ").and_then(|(_, rest)| rest.split_once(')'));
    Ok(EnvMark {
        variable: variable.to_owned(),
        test,
        agent: (!generic).then(|| agent.to_owned()),
        before: before.map(|(name, _)| name.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_line_and_the_problem() {
        use RowProblem::*;
        let table = [
            ("trailer\t^x", Columns),
            ("trailer\t\tx", Columns),
            ("trailer\t^x\ta\ts\t2026-11-28\tmore", Columns),
            ("trailer\t^x\ta\ts\t2026-11-31", Added),
            ("trailer\t^x\ta\ts\t", Added),
            ("tailer\t^x\ta", Kind),
            ("trailer\t(\ta", Pattern(PatternError::Unbalanced)),
            ("trailer\tx\t\u{e9}", Agent),
            ("env\tA B\ta", Variable),
            ("env\tA=\ta", Variable),
            ("env\t=x\ta", Variable),
        ];
        for (row, problem) in table {
            let error = read(&format!("# c\n\n{row}\n"), RowOrigin::Added, &mut Tables::default()).unwrap_err();
            assert_eq!(error, CatalogueError { line: 3, problem }, "{row}");
        }
        let half = "#".repeat(limits::MARKS_FILE_BYTES / 2);
        let mut tables = Tables::default();
        assert_eq!([(); 3].map(|()| read(&half, RowOrigin::Added, &mut tables).is_ok()), [true, true, false]);
        let many = "#\n".repeat(ROWS + 1);
        assert_eq!(read(&many, RowOrigin::Added, &mut Tables::default()).unwrap_err().problem, TooLarge);
    }

    #[test]
    fn reads_variables() {
        let mut tables = Tables::default();
        let rows = "env\tA\tx\tS (check before B)\nenv\tB~part\tgeneric: y\tS\nenv\tC=1\tz";
        read(rows, RowOrigin::Added, &mut tables).unwrap();
        let marks = tables.environment;
        let (one, two, three) = (&marks[0], &marks[1], &marks[2]);
        assert_eq!((one.agent.as_deref(), one.before.as_deref()), (Some("x"), Some("B")));
        assert!(one.test.accepts("0") && !one.test.accepts(""));
        assert_eq!(two.agent, None);
        assert!(two.test.accepts("a part of") && !two.test.accepts("par"));
        assert!(three.test.accepts("1") && !three.test.accepts("11"));
    }
}
