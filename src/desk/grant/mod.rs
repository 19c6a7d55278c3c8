//! `countersign grant`: credentials for one task, which end with it.

mod certify;
mod issue;

use clap::{Args, Subcommand};

use crate::system::Result;

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Issue a grant: a certificate that lets a fresh key act as an agent, for one task
    Issue(issue::Arguments),
}

pub(crate) fn run(arguments: Arguments) -> Result {
    let Command::Issue(arguments) = arguments.command;
    issue::run(arguments)
}
