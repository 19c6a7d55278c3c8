//! `countersign check`: what the server would say.

use clap::{Args, ValueEnum};

use crate::desk::check;
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
    /// The remote whose branches are compared with; without it, origin
    #[arg(long, value_name = "REMOTE")]
    remote: Option<String>,
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
}

impl From<Format> for check::Format {
    fn from(format: Format) -> Self {
        match format {
            Format::Text => Self::Text,
            Format::Json => Self::Json,
        }
    }
}

pub(super) fn run(arguments: Arguments) -> Result {
    let Arguments { range, name, policies, remote, format } = arguments;
    check::run(check::Request { range, name, policies, remote, format: format.into() })
}
