//! `countersign ledger`: what an admin says of ledgers.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::servers::Repositories;
use crate::server::ledgers::{self, Adopted, Key, Request};
use crate::system::Result;

#[derive(Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Let ledgers go on for repositories that were moved, restored or copied
    Adopt(Adopt),
    /// Put records right that do not verify, and give up nothing else
    Repair(Repair),
    /// Close the log, which can be archived then, and begin another on it that knows all that counts
    Rotate(Rotate),
    /// Let times go on from what this machine's clock says, where it was ahead before
    Clock(Repositories),
}

#[derive(Args)]
#[group(id = "what", required = true, multiple = false)]
struct What {
    /// They were moved to another file system, or restored: all that is known goes on to be known
    #[arg(long, group = "what")]
    moved: bool,
    /// They are copies, and the originals go on too: each goes on by itself, and knows what has landed
    #[arg(long, group = "what")]
    copy: bool,
    /// The ledger began beside stored approvals, and none of them has landed yet
    #[arg(long, group = "what")]
    unspent: bool,
}

#[derive(Args)]
struct Adopt {
    #[command(flatten)]
    what: What,
    #[command(flatten)]
    repositories: Repositories,
}

#[derive(Args)]
struct Repair {
    /// A copy of the ledger, as it was at any time: its directory, or its log. Without one a record is put right of which one byte has
    /// changed
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    #[command(flatten)]
    repositories: Repositories,
}

#[derive(Args)]
struct Rotate {
    /// Sign with another key from here on, which the one before signs
    #[arg(long)]
    new_key: bool,
    /// Only logs of at least so many bytes
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    over: u64,
    #[command(flatten)]
    repositories: Repositories,
}

pub(super) fn run(arguments: Arguments) -> Result {
    let (request, repositories) = match arguments.command {
        Command::Adopt(Adopt { what, repositories }) => (Request::Adopt(what.into()), repositories),
        Command::Repair(Repair { from, repositories }) => (Request::Repair { from }, repositories),
        Command::Rotate(Rotate { new_key, over, repositories }) => {
            let key = if new_key { Key::New } else { Key::Same };
            (Request::Rotate { over, key }, repositories)
        }
        Command::Clock(repositories) => (Request::Clock, repositories),
    };
    ledgers::run(&request, &repositories.into())
}

/// Exactly one of them is given.
impl From<What> for Adopted {
    fn from(What { moved, copy, unspent: _ }: What) -> Self {
        match (moved, copy) {
            (true, _) => Self::Moved,
            (false, true) => Self::Copied,
            (false, false) => Self::Unspent,
        }
    }
}
