//! `countersign grant revoke`: an order that takes a grant back.

use clap::{Args, Subcommand};

use super::orders::{Delivery, reach};
use crate::desk::orders::{self, Subject};
use crate::system::{Exit, Result};

#[derive(Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Take a grant back, or all that an agent has now
    Revoke(Revoke),
}

#[derive(Args)]
struct Revoke {
    /// A grant by its name, or an agent for all that it has now
    #[arg(value_name = "AGENT:SERIAL|AGENT")]
    grant: String,
    /// For this repository alone, where the policy has a name and the order would hold for all that it governs
    #[arg(long)]
    here: bool,
    #[command(flatten)]
    delivery: Delivery,
}

pub(super) fn run(arguments: Arguments) -> Result {
    let Command::Revoke(Revoke { grant, here, delivery }) = arguments.command;
    orders::revoke(&Subject { word: grant, reach: reach(here) }, &delivery.into())?;
    Ok(Exit::Accepted)
}
