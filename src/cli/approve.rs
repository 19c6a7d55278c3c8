//! `countersign approve`: approvals, and taking them back.

use std::path::PathBuf;

use clap::Args;

use super::values::{id, span};
use crate::core::id::Id;
use crate::core::policy::Span;
use crate::desk::approve::{self, Attest};
use crate::gate::policy_source::PolicyArg;
use crate::system::Result;

#[derive(Args)]
pub(super) struct Arguments {
    /// A branch of the remote, a revision of this clone, or a range whose left side is the merge base
    #[arg(value_name = "BRANCH|RANGE", required_unless_present = "list")]
    what: Option<String>,
    /// The ref that the commits may land on: a full name, or a branch; several get an approval each
    #[arg(long = "for", value_name = "REF", required_unless_present = "list")]
    targets: Vec<String>,
    /// The key to sign with, a file: by default git's user.signingkey
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// How long the approval counts: a number of m, h, d or w
    #[arg(long, value_name = "SPAN", default_value = "7d", value_parser = span)]
    expires: Span,
    /// Sign, as a service, that the person with this account of a forge approved there
    #[arg(long, value_name = "ACCOUNT", requires_all = ["service", "key", "request"], conflicts_with = "list")]
    attest: Option<String>,
    /// The service that attests it
    #[arg(long, value_name = "ID", requires = "attest", value_parser = id)]
    service: Option<Id>,
    /// Where they approved: the path of the request's URL in the forge
    #[arg(long, value_name = "ID", requires = "attest")]
    request: Option<String>,
    /// What else to say, in the record for everybody to read
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
    /// Store the record in this clone and push nothing
    #[arg(long, conflicts_with = "out")]
    no_push: bool,
    /// Write the record to a file and store nothing
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Do not ask: what is printed has been looked at elsewhere
    #[arg(long)]
    yes: bool,
    /// Take your approval of a branch back, or the one that --list names by these digits
    #[arg(long, conflicts_with = "list")]
    withdraw: bool,
    /// List the approvals that there are, and what waits for yours
    #[arg(long, conflicts_with_all = ["what", "comment", "no_push", "out", "yes"])]
    list: bool,
    /// A policy instead of the configured one; all given hold together
    #[arg(long = "policy", value_name = "FILE|ref:REF:PATH")]
    policies: Vec<PolicyArg>,
    /// The remote that has the branch, the target and the approvals
    #[arg(long, default_value = "origin")]
    remote: String,
}

pub(super) fn run(arguments: Arguments) -> Result {
    let attest = match (arguments.attest, arguments.service, arguments.request) {
        (Some(account), Some(service), Some(request)) => Some(Attest { account, service, request }),
        _ => None,
    };
    approve::run(&approve::Request {
        what: arguments.what,
        targets: arguments.targets,
        key: arguments.key,
        expires: arguments.expires,
        attest,
        comment: arguments.comment,
        no_push: arguments.no_push,
        out: arguments.out,
        yes: arguments.yes,
        withdraw: arguments.withdraw,
        list: arguments.list,
        policies: arguments.policies,
        remote: arguments.remote,
    })
}
