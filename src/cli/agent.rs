//! `countersign agent`: keys for agents, and what is known of them.

use clap::{Args, Subcommand};

use super::audit::{Agents, As, Place};
use super::values::id;
use crate::audit::agent as known;
use crate::audit::inventory;
use crate::core::id::Id;
use crate::desk::agent;
use crate::gate::policy_source::PolicyArg;
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
    /// List every agent and service of servers' policies and ledgers, what stands out first
    List(Agents),
    /// Tell who an agent or service is and what is ordered of it, and at a server the whole life of it
    Show(Show),
}

#[derive(Args)]
struct Show {
    /// The agent's or service's id
    #[arg(value_name = "ID", value_parser = id)]
    id: Id,
    #[command(flatten)]
    place: Place,
    /// In a clone, a policy instead of the configured one; all given hold together
    #[arg(long = "policy", value_name = "FILE|ref:REF:PATH", conflicts_with_all = ["servers", "ledger"])]
    policies: Vec<PolicyArg>,
    #[arg(long, value_enum, default_value_t = As::Text)]
    format: As,
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
        Command::List(agents) => inventory::list(&agents.into()),
        Command::Show(Show { id, place, policies, format }) => {
            let format = format.into();
            if place.is_named() || (policies.is_empty() && known::is_at_a_server()) {
                return inventory::show(&inventory::Show { id, place: place.into(), format });
            }
            known::show(&known::Request { id, policies, format })
        }
    }
}
