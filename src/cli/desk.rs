//! `countersign desk`: the settings of coding agents.

use clap::{Args, Subcommand};

use super::values::id;
use crate::core::id::Id;
use crate::desk::tools::{self, Scope};
use crate::system::Result;

#[derive(Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write the settings of a coding agent, so that its commits are sealed
    Add(Change),
    /// List the coding agents that are known, and what is set up
    List,
    /// Take out of a coding agent's settings what add has written
    Remove(Change),
    /// What a tool that switches git's hooks off runs before each command of its shell
    #[command(hide = true)]
    BeforeShell,
}

#[derive(Args)]
struct Change {
    /// The coding agent: what `countersign desk list` calls it
    tool: String,
    /// The settings of this user, for all projects
    #[arg(long, conflicts_with = "project")]
    user: bool,
    /// The settings of this project, which are committed with it (without either: the user's)
    #[arg(long)]
    project: bool,
    /// The agent's id in the policy, if it is not the tool's name
    #[arg(long, value_name = "ID", value_parser = id)]
    agent: Option<Id>,
    /// Print what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
}

impl From<Change> for tools::Change {
    fn from(Change { tool, user: _, project, agent, dry_run }: Change) -> Self {
        let scope = if project { Scope::Project } else { Scope::User };
        Self { tool, scope, agent, dry_run }
    }
}

pub(super) fn run(arguments: Arguments) -> Result {
    match arguments.command {
        Command::Add(change) => tools::add(&change.into()),
        Command::List => tools::list(),
        Command::Remove(change) => tools::remove(&change.into()),
        Command::BeforeShell => tools::before_shell(),
    }
}
