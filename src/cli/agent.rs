//! `countersign agent`: keys for agents.

use clap::{Args, Subcommand};

use super::values::id;
use crate::core::id::Id;
use crate::desk::agent;
use crate::system::Result;

#[derive(Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a key for an agent, tell git config, and print the lines that register it in the policy
    Add(Add),
}

#[derive(Args)]
struct Add {
    /// The agent's id in the policy
    #[arg(value_parser = id)]
    id: Id,
    /// The tool that it is an instance of, if that is not its id
    #[arg(long, value_parser = id)]
    tool: Option<Id>,
    /// The id of the person who answers for it
    #[arg(long, value_parser = id)]
    owner: Option<Id>,
    /// Make the key in one place of this user's, for all clones
    #[arg(long)]
    user: bool,
    /// Make a new key although the agent has one, such as one that is retired or lost
    #[arg(long)]
    new_key: bool,
}

pub(super) fn run(arguments: Arguments) -> Result {
    match arguments.command {
        Command::Add(Add { id, tool, owner, user, new_key }) => {
            agent::add(&agent::Add { id, tool, owner, user, new_key })
        }
    }
}
