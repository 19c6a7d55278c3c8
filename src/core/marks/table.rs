//! The rows of `agents.tsv`, and of an admin's additions in the same form.

use super::pattern::Pattern;
use super::syntax::PatternError;
use crate::core::limits;

/// Rows of one table. The built-in one has about 110.
const ROWS: usize = 4096;

/// What a row looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MarkKind {
    /// The email of the author or tagger.
    AuthorEmail,
    /// The name of the author or tagger.
    AuthorName,
    /// A `key: value` line anywhere in the message: squashing leaves trailers in the middle.
    Trailer,
    /// Any line of the message.
    Footer,
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
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) pattern: Pattern,
    pub(super) agent: String,
    pub(super) strength: Strength,
}

/// The rows about commits and tags, by what they look at: every line of a message is asked.
#[derive(Clone, Debug, Default)]
pub(super) struct Rows {
    author_email: Vec<Row>,
    author_name: Vec<Row>,
    trailer: Vec<Row>,
    footer: Vec<Row>,
}

impl Rows {
    pub(super) fn of(&self, kind: MarkKind) -> &[Row] {
        match kind {
            MarkKind::AuthorEmail => &self.author_email,
            MarkKind::AuthorName => &self.author_name,
            MarkKind::Trailer => &self.trailer,
            MarkKind::Footer => &self.footer,
        }
    }

    fn push(&mut self, kind: MarkKind, row: Row) {
        match kind {
            MarkKind::AuthorEmail => self.author_email.push(row),
            MarkKind::AuthorName => self.author_name.push(row),
            MarkKind::Trailer => self.trailer.push(row),
            MarkKind::Footer => self.footer.push(row),
        }
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
    /// More than 1 MiB, or more than 4096 rows.
    #[error("the list is larger than {ROWS} rows or {} bytes", limits::POLICY_BYTES)]
    TooLarge,
    /// Not three or four columns, or an empty one among the first three.
    #[error("a row is kind, pattern, agent and source, separated by tabs")]
    Columns,
    /// An unknown kind.
    #[error("the kind is one of author-email, author-name, trailer, footer, env")]
    Kind,
    /// An agent that is not short printable ASCII.
    #[error("the agent is at most 100 printable ASCII characters")]
    Agent,
    /// The name of a variable is not one.
    #[error("a variable is NAME, NAME=VALUE or NAME~PART, the name of letters, digits and underscores")]
    Variable,
    /// The pattern does not compile.
    #[error("the pattern does not compile")]
    Pattern(#[source] PatternError),
}

/// Reads a table; `#` begins a comment line.
pub(super) fn read(tsv: &str, rows: &mut Rows, environment: &mut Vec<EnvMark>) -> Result<(), CatalogueError> {
    if tsv.len() > limits::POLICY_BYTES || tsv.lines().count() > ROWS {
        return Err(CatalogueError { line: 1, problem: RowProblem::TooLarge });
    }
    for (index, line) in tsv.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        read_row(line, rows, environment)
            .map_err(|problem| CatalogueError { line: index.saturating_add(1), problem })?;
    }
    Ok(())
}

fn read_row(line: &str, rows: &mut Rows, environment: &mut Vec<EnvMark>) -> Result<(), RowProblem> {
    let mut columns = line.split('\t');
    let (Some(kind), Some(pattern), Some(agent)) = (columns.next(), columns.next(), columns.next()) else {
        return Err(RowProblem::Columns);
    };
    let source = columns.next().unwrap_or_default();
    if pattern.is_empty() || agent.is_empty() || columns.next().is_some() {
        return Err(RowProblem::Columns);
    }
    if agent.len() > 100 || agent.bytes().any(|byte| !matches!(byte, b' '..=b'~')) {
        return Err(RowProblem::Agent);
    }
    let kind = match kind {
        "author-email" => MarkKind::AuthorEmail,
        "author-name" => MarkKind::AuthorName,
        "trailer" => MarkKind::Trailer,
        "footer" => MarkKind::Footer,
        "env" => {
            environment.push(env_mark(pattern, agent, source)?);
            return Ok(());
        }
        _ => return Err(RowProblem::Kind),
    };
    let pattern = Pattern::compile(pattern).map_err(RowProblem::Pattern)?;
    rows.push(kind, Row { pattern, agent: agent.to_owned(), strength: strength(agent, source) });
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
            ("trailer\t^x\ta\ts\tmore", Columns),
            ("tailer\t^x\ta", Kind),
            ("trailer\t(\ta", Pattern(PatternError::Unbalanced)),
            ("trailer\tx\t\u{e9}", Agent),
            ("env\tA B\ta", Variable),
            ("env\tA=\ta", Variable),
            ("env\t=x\ta", Variable),
        ];
        for (row, problem) in table {
            let error = read(&format!("# c\n\n{row}\n"), &mut Rows::default(), &mut Vec::new()).unwrap_err();
            assert_eq!(error, CatalogueError { line: 3, problem }, "{row}");
        }
        let many = "#\n".repeat(ROWS + 1);
        assert_eq!(read(&many, &mut Rows::default(), &mut Vec::new()).unwrap_err().problem, TooLarge);
    }

    #[test]
    fn reads_variables() {
        let mut marks = Vec::new();
        read(
            "env\tA\tx\tS (check before B)\nenv\tB~part\tgeneric: y\tS\nenv\tC=1\tz",
            &mut Rows::default(),
            &mut marks,
        )
        .unwrap();
        let (one, two, three) = (&marks[0], &marks[1], &marks[2]);
        assert_eq!((one.agent.as_deref(), one.before.as_deref()), (Some("x"), Some("B")));
        assert!(one.test.accepts("0") && !one.test.accepts(""));
        assert_eq!(two.agent, None);
        assert!(two.test.accepts("a part of") && !two.test.accepts("par"));
        assert!(three.test.accepts("1") && !three.test.accepts("11"));
    }
}
