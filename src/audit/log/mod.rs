//! `countersign log`: what the ledger holds, whether it is whole, and what enforcing would have done.

mod entries;
mod follow;
mod formats;
mod history;
mod known;
mod lines;
mod ocsf;
mod place;
mod show;
mod verify;
mod would_refuse;

use clap::{Args, Subcommand};
use follow::Follow;
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
    /// Print what is new in all ledgers of a server, and go on so: for a collector
    Follow(Follow),
    /// Check every record, and the repository's refs against the last one about each
    Verify(Verify),
}

pub(crate) fn run(arguments: Arguments) -> Result {
    match arguments.command {
        Command::Show(show) => show::run(&show),
        Command::Follow(follow) => follow::run(&follow),
        Command::Verify(verify) => verify::run(&verify),
    }
}
