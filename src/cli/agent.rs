//! `countersign agent`: a key for an agent, and what is known of it.

use clap::{Args, Subcommand};

use crate::audit::agent::{self as shown, Show};
use crate::desk::agent::{self as desk, Add};
use crate::system::Result;

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a key for an agent, tell git config, and print the lines that register it in the policy
    Add(Add),
    /// Show who an agent is, and whether it is frozen or grants of its are revoked
    Show(Show),
}

pub(super) fn run(arguments: Arguments) -> Result {
    match arguments.command {
        Command::Add(add) => desk::add(add),
        Command::Show(show) => shown::show(&show),
    }
}
