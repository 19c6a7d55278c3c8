//! `countersign freeze`, `thaw` and `override`: orders made in a clone, or applied by an admin on a server.

use std::path::PathBuf;

use clap::Args;

use super::values::{overridable, span, time};
use crate::core::canonical::Time;
use crate::core::decide::Code;
use crate::core::policy::Span;
use crate::desk::approve::Asks;
use crate::desk::orders::{self, Destination, Reach};
use crate::gate::policy_source::PolicyArg;
use crate::server::orders as server;
use crate::system::{Exit, Failure, Result};

/// How any order is signed and delivered.
#[derive(Args)]
pub(super) struct Delivery {
    /// Why, for everybody whom it stops to read
    #[arg(long = "because", value_name = "TEXT")]
    because: Option<String>,
    /// The key to sign with, a file: by default git's user.signingkey
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Do not ask: what is printed has been looked at elsewhere
    #[arg(long)]
    yes: bool,
    /// Write the order to a file and store nothing
    #[arg(long, value_name = "FILE", conflicts_with = "no_push")]
    out: Option<PathBuf>,
    /// Store the order in this clone and push nothing
    #[arg(long)]
    no_push: bool,
    /// A policy instead of the configured one; all given hold together
    #[arg(long = "policy", value_name = "FILE|ref:REF:PATH")]
    policies: Vec<PolicyArg>,
    /// The remote that it is delivered to
    #[arg(long, default_value = "origin")]
    remote: String,
}

impl From<Delivery> for orders::Delivery {
    fn from(delivery: Delivery) -> Self {
        let Delivery { because, key, yes, out, no_push, policies, remote } = delivery;
        let to = match out {
            Some(file) => Destination::File(file),
            None if no_push => Destination::Clone,
            None => Destination::Remote,
        };
        let asks = if yes { Asks::Nobody } else { Asks::Terminal };
        Self { because, key, asks, to, policies, remote }
    }
}

/// Whom and where.
#[derive(Args)]
struct Subject {
    /// An agent, tool:NAME for every agent of a tool, or all
    #[arg(value_name = "AGENT|tool:NAME|all", required_unless_present = "order")]
    subject: Option<String>,
    /// For this repository alone, where the policy has a name and the order would hold for all that it governs
    #[arg(long, conflicts_with = "server")]
    here: bool,
    /// Apply it on this server: to all repositories below a directory, those to come among them
    #[arg(long, value_name = "REPO.git|ROOT")]
    server: Option<PathBuf>,
    /// The file of an order that a person signed elsewhere
    #[arg(long, value_name = "FILE", requires = "server", conflicts_with = "subject")]
    order: Option<PathBuf>,
}

impl Subject {
    fn in_clone(&self) -> orders::Subject {
        orders::Subject { word: self.subject.clone().unwrap_or_default(), reach: reach(self.here) }
    }
}

/// What `--here` says.
pub(super) fn reach(here: bool) -> Reach {
    if here { Reach::Repository } else { Reach::Policy }
}

#[derive(Args)]
pub(super) struct Freeze {
    #[command(flatten)]
    subject: Subject,
    /// How long it holds: a number of m, h, d or w; without it until it is thawed
    #[arg(long, value_name = "SPAN", value_parser = span)]
    expires: Option<Span>,
    /// Also stop what was first received since this time or day, such as 2026-11-01T08:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Time>,
    #[command(flatten)]
    delivery: Delivery,
}

#[derive(Args)]
pub(super) struct Thaw {
    #[command(flatten)]
    subject: Subject,
    #[command(flatten)]
    delivery: Delivery,
}

#[derive(Args)]
pub(super) struct Override {
    /// The ref: a full name, or a branch
    #[arg(value_name = "REF")]
    name: String,
    /// Its value at the server, a commit or id; none where it is new
    #[arg(long, value_name = "OLD")]
    from: String,
    /// The value that is to be accepted; none where it is to be deleted
    #[arg(long, value_name = "NEW")]
    to: String,
    /// The codes of the findings to pass over
    #[arg(long = "code", value_name = "CODE", required = true, num_args = 1.., value_parser = overridable)]
    codes: Vec<Code>,
    #[command(flatten)]
    delivery: Delivery,
}

pub(super) fn freeze(arguments: Freeze) -> Result {
    let Freeze { subject, expires, since, delivery } = arguments;
    match (&subject.server, &subject.order) {
        (None, _) => orders::freeze(&subject.in_clone(), expires, since, &delivery.into())?,
        (Some(root), Some(file)) => server::apply(root, file)?,
        (Some(root), None) => {
            return Err(Failure::new("on a server an order is applied that a person signed elsewhere").hint(format!(
                "in a clone, and then here:\ncountersign freeze AGENT --because TEXT --out FILE\ncountersign freeze --server {} --order FILE",
                root.display()
            )));
        }
    }
    Ok(Exit::Accepted)
}

pub(super) fn thaw(arguments: Thaw) -> Result {
    let Thaw { subject, delivery } = arguments;
    let delivery = orders::Delivery::from(delivery);
    match (&subject.server, &subject.order) {
        (None, _) => orders::thaw(&subject.in_clone(), &delivery)?,
        (Some(root), Some(file)) => server::apply(root, file)?,
        (Some(root), None) => server::thaw(root, &subject.in_clone().word, &delivery.reason()?)?,
    }
    Ok(Exit::Accepted)
}

pub(super) fn pass_over(arguments: Override) -> Result {
    let Override { name, from, to, codes, delivery } = arguments;
    orders::pass_over(&orders::Override { name, from, to, codes }, &delivery.into())?;
    Ok(Exit::Accepted)
}
