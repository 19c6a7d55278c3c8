//! What a grant is for: canonical JSON in the certificate, or a table of the policy.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::core::id::RepositoryName;
use crate::core::policy::{Glob, GlobError, Inclusion, LetterCase, inclusion};

/// Bytes of a scope.
const BYTES: usize = 4096;

/// Patterns of one kind.
const PATTERNS: usize = 32;

/// Bytes of a task or an environment, as of the lines of a seal.
const TEXT: usize = 100;

/// Grants below each other, under the first.
const DELEGATE: u64 = 2;

/// Why a text is no scope.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ScopeError {
    /// It is over 4096 bytes.
    #[error("the scope is longer than {BYTES} bytes")]
    TooLong,
    /// It is not JSON, or has other keys.
    #[error("the scope is not JSON of the keys repositories, task, environment, refs, paths, commits, delegate: {0}")]
    Json(String),
    /// It could be written in another way.
    #[error("the scope is not canonical: no white space, keys in their order, each once, printable ASCII")]
    NotCanonical,
    /// A list is empty or too long, or names a pattern twice.
    #[error("{0} of the scope are not 1 to {PATTERNS} different patterns")]
    Patterns(&'static str),
    /// A pattern is none.
    #[error("{0} of the scope: {1:?}: {2}")]
    Pattern(&'static str, String, GlobError),
    /// A pattern of refs is not one of full names.
    #[error("refs of the scope: {0:?} is not a full ref name, such as refs/heads/...")]
    Ref(String),
    /// A task or environment is not printable text.
    #[error("{0} of the scope is not printable ASCII of 1 to {TEXT} characters")]
    Text(&'static str),
    /// A number is out of range.
    #[error("{0} of the scope is not a number from 1 to {1}")]
    Number(&'static str, u64),
    /// Commits are counted by one ledger.
    #[error("commits of the scope are counted by one repository, and repositories does not name exactly one")]
    CommitsNeedOne,
}

/// What a grant is for. A key that is absent limits nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Names of repositories.
    pub repositories: Option<Vec<Glob>>,
    /// The task that every seal names.
    pub task: Option<String>,
    /// Where the agent works, such as `production`.
    pub environment: Option<String>,
    /// Refs that it may move.
    pub refs: Option<Vec<Glob>>,
    /// Paths that its commits may touch, in exactly this spelling.
    pub paths: Option<Vec<Glob>>,
    /// Commits that it may seal.
    pub commits: Option<u64>,
    /// Grants below each other that may be issued under it; absent in a certificate: none.
    pub delegate: Option<u64>,
}

/// The JSON of a scope.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Json {
    #[serde(skip_serializing_if = "Option::is_none")]
    repositories: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refs: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    paths: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    commits: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delegate: Option<u64>,
}

/// A key of a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dimension {
    /// `repositories`
    Repositories,
    /// `task`
    Task,
    /// `environment`
    Environment,
    /// `refs`
    Refs,
    /// `paths`
    Paths,
    /// `commits`
    Commits,
    /// `delegate`
    Delegate,
    /// The time in which it is valid.
    Window,
}

impl Dimension {
    /// Its key.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Repositories => "repositories",
            Self::Task => "task",
            Self::Environment => "environment",
            Self::Refs => "refs",
            Self::Paths => "paths",
            Self::Commits => "commits",
            Self::Delegate => "delegate",
            Self::Window => "the window",
        }
    }
}

/// In which direction one scope goes further than another, and by how much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excess {
    /// The direction.
    pub dimension: Dimension,
    /// By how much, in words that follow the name of the direction.
    pub detail: String,
}

impl fmt::Display for Excess {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.dimension.name(), self.detail)
    }
}

impl Scope {
    /// Reads the one JSON of a scope.
    ///
    /// # Errors
    /// [`ScopeError`] for anything else.
    pub fn parse(json: &[u8]) -> Result<Self, ScopeError> {
        if json.len() > BYTES {
            return Err(ScopeError::TooLong);
        }
        if !json.iter().all(|byte| matches!(byte, b' '..=b'~')) {
            return Err(ScopeError::NotCanonical);
        }
        let read: Json = serde_json::from_slice(json).map_err(|error| ScopeError::Json(error.to_string()))?;
        let Json { repositories, task, environment, refs, paths, commits, delegate } = read;
        let scope = Self {
            repositories: repositories.map(|texts| patterns("repositories", texts)).transpose()?,
            task,
            environment,
            refs: refs.map(|texts| patterns("refs", texts)).transpose()?,
            paths: paths.map(|texts| patterns("paths", texts)).transpose()?,
            commits,
            delegate,
        };
        scope.validate()?;
        if scope.to_json().as_bytes() == json { Ok(scope) } else { Err(ScopeError::NotCanonical) }
    }

    /// What must hold of every scope, wherever it was read.
    ///
    /// # Errors
    /// [`ScopeError`].
    pub fn validate(&self) -> Result<(), ScopeError> {
        for glob in self.refs.iter().flatten() {
            if !glob.as_str().starts_with("refs/") && !glob.as_str().starts_with('*') {
                return Err(ScopeError::Ref(glob.as_str().to_owned()));
            }
        }
        for (name, text) in [("task", &self.task), ("environment", &self.environment)] {
            let plain = |text: &String| {
                (1..=TEXT).contains(&text.len())
                    && text.trim() == text
                    && text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
            };
            if !text.as_ref().is_none_or(plain) {
                return Err(ScopeError::Text(name));
            }
        }
        for (name, number, most) in
            [("commits", self.commits, u64::from(u32::MAX)), ("delegate", self.delegate, DELEGATE)]
        {
            if !number.is_none_or(|number| (1..=most).contains(&number)) {
                return Err(ScopeError::Number(name, most));
            }
        }
        if self.commits.is_some() && self.one_repository().is_none() {
            return Err(ScopeError::CommitsNeedOne);
        }
        if self.to_json().len() > BYTES { Err(ScopeError::TooLong) } else { Ok(()) }
    }

    /// The one repository that it is for, where it is for one.
    fn one_repository(&self) -> Option<&str> {
        let [one] = self.repositories.as_deref()? else { return None };
        one.is_literal().then(|| one.as_str())
    }

    /// Its one JSON.
    pub fn to_json(&self) -> String {
        let texts = |globs: &Option<Vec<Glob>>| {
            globs.as_ref().map(|globs| globs.iter().map(|glob| glob.as_str().to_owned()).collect())
        };
        let Self { repositories, task, environment, refs, paths, commits, delegate } = self;
        let json = Json {
            repositories: texts(repositories),
            task: task.clone(),
            environment: environment.clone(),
            refs: texts(refs),
            paths: texts(paths),
            commits: *commits,
            delegate: *delegate,
        };
        serde_json::to_string(&json).unwrap_or_default()
    }

    /// In which direction it goes further than the scope above it, the first that is found. What cannot be told goes further.
    ///
    /// # Errors
    /// The [`Excess`].
    pub fn within(&self, above: &Self) -> Result<(), Excess> {
        let Self { repositories, task, environment, refs, paths, commits, delegate: _ } = self;
        lists(Dimension::Repositories, repositories.as_deref(), above.repositories.as_deref())?;
        texts(Dimension::Task, task.as_deref(), above.task.as_deref())?;
        texts(Dimension::Environment, environment.as_deref(), above.environment.as_deref())?;
        lists(Dimension::Refs, refs.as_deref(), above.refs.as_deref())?;
        lists(Dimension::Paths, paths.as_deref(), above.paths.as_deref())?;
        let excess = |detail| Err(Excess { dimension: Dimension::Commits, detail });
        match (commits, above.commits) {
            (_, None) => Ok(()),
            (None, Some(most)) => excess(format!("are not limited, and {most} are the most")),
            (Some(own), Some(most)) if *own > most => excess(format!("are {own}, and {most} are the most")),
            (Some(_), Some(_)) => Ok(()),
        }
    }

    /// In which direction one that is issued under this one delegates further.
    ///
    /// # Errors
    /// The [`Excess`].
    pub fn delegates_to(&self, below: &Self) -> Result<(), Excess> {
        let (own, next) = (self.delegate.unwrap_or(0), below.delegate.unwrap_or(0));
        let excess = |detail| Err(Excess { dimension: Dimension::Delegate, detail });
        match own {
            0 => excess("is absent above, so nothing may be issued under it".to_owned()),
            _ if next >= own => excess(format!("is {next}, and above {own}: it counts down")),
            _ => Ok(()),
        }
    }

    /// Whether it is for a repository.
    pub fn covers_repository(&self, name: &RepositoryName) -> bool {
        covers(self.repositories.as_deref(), name.as_str().as_bytes())
    }

    /// Whether it lets a ref move.
    pub fn covers_ref(&self, name: &[u8]) -> bool {
        covers(self.refs.as_deref(), name)
    }

    /// Whether its commits may touch a path.
    pub fn covers_path(&self, path: &[u8]) -> bool {
        covers(self.paths.as_deref(), path)
    }
}

fn patterns(key: &'static str, texts: Vec<String>) -> Result<Vec<Glob>, ScopeError> {
    let mut globs: Vec<Glob> = Vec::with_capacity(texts.len());
    for text in texts {
        let glob = Glob::parse(&text).map_err(|error| ScopeError::Pattern(key, text, error))?;
        if globs.len() >= PATTERNS || globs.contains(&glob) {
            return Err(ScopeError::Patterns(key));
        }
        globs.push(glob);
    }
    if globs.is_empty() { Err(ScopeError::Patterns(key)) } else { Ok(globs) }
}

fn covers(globs: Option<&[Glob]>, text: &[u8]) -> bool {
    globs.is_none_or(|globs| globs.iter().any(|glob| glob.matches(text, LetterCase::Exact)))
}

/// As languages: every text that one of these patterns matches, one of those does.
fn lists(dimension: Dimension, own: Option<&[Glob]>, above: Option<&[Glob]>) -> Result<(), Excess> {
    let excess = |detail| Err(Excess { dimension, detail });
    let (own, above) = match (own, above) {
        (_, None) => return Ok(()),
        (None, Some(_)) => return excess("are not limited, and are above".to_owned()),
        (Some(own), Some(above)) => (own, above),
    };
    for glob in own {
        match inclusion(glob, above) {
            Inclusion::Within => {}
            Inclusion::Outside(text) => {
                return excess(format!("\"{}\" cover {text}, which those above do not", glob.as_str()));
            }
            Inclusion::Unknown => {
                return excess(format!(
                    "\"{}\" cannot be held against those above; write fewer wildcards",
                    glob.as_str()
                ));
            }
        }
    }
    Ok(())
}

fn texts(dimension: Dimension, own: Option<&str>, above: Option<&str>) -> Result<(), Excess> {
    match (own, above) {
        (_, None) => Ok(()),
        (Some(own), Some(above)) if own == above => Ok(()),
        (own, Some(above)) => {
            let own = own.map_or("absent".to_owned(), |own| format!("\"{own}\""));
            Err(Excess { dimension, detail: format!("is {own}, and above \"{above}\"") })
        }
    }
}
