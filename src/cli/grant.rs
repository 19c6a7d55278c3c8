//! `countersign grant revoke`: an order that takes a grant back.

use clap::{Args, Subcommand};

use crate::desk::orders::{self, Revoke};
use crate::system::{Exit, Result};

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Take a grant back, or all that an agent has now
    Revoke(Revoke),
}

pub(super) fn run(arguments: &Arguments) -> Result {
    let Command::Revoke(revoke) = &arguments.command;
    orders::revoke(revoke)?;
    Ok(Exit::Accepted)
}
