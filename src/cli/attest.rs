//! `countersign attest`: approvals that people gave in a forge, by the events that it sends.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::values::{id, span};
use crate::core::forge::Forge;
use crate::core::id::Id;
use crate::core::policy::Span;
use crate::desk::approve::attest;
use crate::gate::policy_source::PolicyArg;
use crate::system::Result;

#[derive(Args)]
pub(super) struct Arguments {
    /// Whose event it is
    #[arg(value_enum)]
    forge: ForgeName,
    /// The service that attests: `[services.ID]` with `attests = true`
    #[arg(long, value_name = "ID", value_parser = id)]
    service: Id,
    /// The service's SSH key, a file
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The event, as the forge sent it; without it, standard input
    #[arg(long, value_name = "FILE")]
    event: Option<PathBuf>,
    /// What the forge's API answers about who approves the request now
    ///
    /// GitLab: /projects/ID/merge_requests/IID/approvals; Gitea, Forgejo and GitHub: /repos/OWNER/REPO/pulls/N/reviews, all pages in one list
    #[arg(long, value_name = "FILE", required_if_eq("forge", "gitea"))]
    reviews: Option<PathBuf>,
    /// How long an approval counts: a number of m, h, d or w
    #[arg(long, value_name = "SPAN", default_value = "7d", value_parser = span)]
    expires: Span,
    /// What the forge calls the repository, where that is not its name in the policy
    #[arg(long, value_name = "PATH")]
    project: Option<String>,
    /// A policy instead of the configured one; all given hold together
    #[arg(long = "policy", value_name = "FILE|ref:REF:PATH")]
    policies: Vec<PolicyArg>,
    /// The remote that has the branches and the approvals
    #[arg(long, default_value = "origin")]
    remote: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ForgeName {
    Gitlab,
    /// Gitea and Forgejo
    Gitea,
    /// GitHub and GitHub Enterprise Server
    Github,
}

impl From<ForgeName> for Forge {
    fn from(name: ForgeName) -> Self {
        match name {
            ForgeName::Gitlab => Self::GitLab,
            ForgeName::Gitea => Self::Gitea,
            ForgeName::Github => Self::GitHub,
        }
    }
}

pub(super) fn run(arguments: Arguments) -> Result {
    let Arguments { forge, service, key, event, reviews, expires, project, policies, remote } = arguments;
    attest::run(&attest::Request {
        forge: forge.into(),
        service,
        key,
        event,
        reviews,
        expires,
        project,
        policies,
        remote,
    })
}
