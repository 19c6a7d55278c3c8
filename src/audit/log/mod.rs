//! `countersign log`: what the ledger holds, whether it is whole, and what enforcing would have done.

mod checkpoint;
mod entries;
mod export;
mod follow;
mod formats;
mod history;
mod known;
mod lines;
mod ocsf;
mod place;
mod prove;
mod show;
mod verify;
mod would_refuse;

use checkpoint::Head;
pub(super) use checkpoint::put;
use clap::{Args, Subcommand};
use export::Export;
use follow::Follow;
pub(super) use formats::cell;
pub(crate) use history::history;
pub(crate) use lines::{shown as ref_text, value, word as outcome_word};
pub(crate) use place::{Found, Place};
use prove::Prove;
use show::Show;
use verify::Verify;

use crate::audit::evidence::{self, Evidence};
use crate::audit::replay::{self, Replay};
use crate::audit::report::{self, Report};
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
    /// Prove an entry, or that a commit landed, to somebody who has nothing but the ledger's public key
    Prove(Prove),
    /// Print the signed head of the log, for whoever keeps it elsewhere or witnesses it
    Checkpoint(Head),
    /// Write the log as files that a static web server can serve (c2sp.org/tlog-tiles)
    Export(Export),
    /// Write a page on who did what by whose leave over a time
    Report(Box<Report>),
    /// Say of each control of a framework what is enforced, what the record evidences, and what neither says
    Evidence(Box<Evidence>),
    /// Decide accepted pushes again, as everything stood before each, by the policy in force or another
    Replay(Box<Replay>),
}

pub(crate) fn run(arguments: Arguments) -> Result {
    match arguments.command {
        Command::Show(show) => show::run(&show),
        Command::Follow(follow) => follow::run(&follow),
        Command::Verify(verify) => verify::run(&verify),
        Command::Prove(prove) => prove::run(&prove),
        Command::Checkpoint(head) => checkpoint::run(&head),
        Command::Export(export) => export::run(&export),
        Command::Report(report) => report::run(&report),
        Command::Evidence(evidence) => evidence::run(&evidence),
        Command::Replay(replay) => replay::run(&replay),
    }
}
