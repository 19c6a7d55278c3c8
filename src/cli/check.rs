//! `countersign check`: what the server would say.

use clap::{Args, ValueEnum};

use crate::core::id::RepositoryName;
use crate::desk::check::{self, Fetch};
use crate::gate::command::repository_name;
use crate::gate::policy_source::PolicyArg;
use crate::system::Result;

#[derive(Args)]
pub(super) struct Arguments {
    /// The commits to check: OLD..NEW, or NEW alone to start from the ref as last fetched; for a tag, NEW is the tag
    #[arg(value_name = "RANGE", default_value = "HEAD")]
    range: String,
    /// The ref they would be pushed to: a full name, or a branch
    #[arg(long = "for", value_name = "REF")]
    name: String,
    /// A policy instead of the configured one; all given hold together
    #[arg(long = "policy", value_name = "FILE|ref:REF:PATH")]
    policies: Vec<PolicyArg>,
    /// What the server calls the repository, where neither the policy nor git config says it
    #[arg(long, value_name = "NAME", value_parser = repository_name)]
    repository: Option<RepositoryName>,
    /// The remote whose branches are compared with; without it, origin
    #[arg(long, value_name = "REMOTE")]
    remote: Option<String>,
    /// Ask the remote first: for the ref, the approvals, and the history that a shallow clone lacks
    #[arg(long)]
    fetch: bool,
    /// How to print the verdict
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// Lines for people and models.
    Text,
    /// One line of JSON with `schema: 1`.
    Json,
    /// Annotations of a GitHub Actions run.
    Github,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// A code quality report of GitLab.
    Gitlab,
    /// A JUnit report.
    Junit,
}

impl From<Format> for check::Format {
    fn from(format: Format) -> Self {
        match format {
            Format::Text => Self::Text,
            Format::Json => Self::Json,
            Format::Github => Self::Github,
            Format::Sarif => Self::Sarif,
            Format::Gitlab => Self::Gitlab,
            Format::Junit => Self::Junit,
        }
    }
}

pub(super) fn run(arguments: Arguments) -> Result {
    let Arguments { range, name, policies, repository, remote, fetch, format } = arguments;
    let fetch = if fetch { Fetch::First } else { Fetch::Nothing };
    check::run(check::Request { range, name, policies, repository, remote, fetch, format: format.into() })
}
