//! `countersign show`: who stands behind a commit.

use std::path::PathBuf;

use clap::Args;

use super::audit::As;
use crate::audit::show;
use crate::gate::policy_source::PolicyArg;
use crate::system::Result;

#[derive(Args)]
pub(super) struct Arguments {
    /// The commit
    #[arg(default_value = "HEAD")]
    commit: String,
    /// A policy instead of the configured one, to tell whose keys they are
    #[arg(long = "policy", value_name = "FILE|ref:REF:PATH")]
    policies: Vec<PolicyArg>,
    /// A server's repository that has the commit; without it, the one here
    #[arg(long, value_name = "REPO.git")]
    server: Option<PathBuf>,
    /// The directory of a ledger; without it, that of the server's repository
    #[arg(long, value_name = "DIR")]
    ledger: Option<PathBuf>,
    #[arg(long, value_enum, default_value_t = As::Text)]
    format: As,
}

pub(super) fn run(arguments: Arguments) -> Result {
    let Arguments { commit, policies, server, ledger, format } = arguments;
    show::run(show::Request { commit, policies, server, ledger, format: format.into() })
}
