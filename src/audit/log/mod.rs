//! `countersign log`: what the ledger holds, whether it is whole, and what enforcing would have done.

mod entries;
mod history;
mod lines;
mod place;
mod show;
mod verify;
mod would_refuse;

use clap::{Args, Subcommand};
pub(crate) use history::history;
use show::Show;
use verify::Verify;

use crate::system::Result;

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Print entries, the oldest first
    Show(Box<Show>),
    /// Check every record, and the repository's refs against the last one about each
    Verify(Verify),
}

pub(crate) fn run(arguments: Arguments) -> Result {
    match arguments.command {
        Command::Show(show) => show::run(&show),
        Command::Verify(verify) => verify::run(&verify),
    }
}
