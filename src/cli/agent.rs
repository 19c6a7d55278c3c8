//! `countersign agent`: keys of agents, and the inventory of them.

use clap::{Args, Subcommand};

use crate::audit::inventory::{self, List, Show};
use crate::desk::agent::{self, Add};
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
    /// List every agent and service of servers' policies and ledgers, what stands out first
    List(List),
    /// Tell the whole life of one agent or service
    Show(Show),
}

pub(crate) fn run(arguments: Arguments) -> Result {
    match arguments.command {
        Command::Add(add) => agent::add(add),
        Command::List(list) => inventory::list(&list),
        Command::Show(show) => inventory::show(&show),
    }
}
