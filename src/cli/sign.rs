//! `countersign sign`: seal, or adopt.

use clap::Args;

use crate::desk::sign;
use crate::system::Result;

#[derive(Args)]
pub(super) struct Arguments {
    /// The commits: OLD..HEAD, or COMMITs one by one; without any, those of HEAD that no remote-tracking branch has
    #[arg(value_name = "RANGE")]
    ranges: Vec<String>,
    /// Seal as this agent instead of the one whose process this is; with --adopt, the drafter of commits that do not say
    #[arg(long, value_name = "ID")]
    agent: Option<String>,
    /// As a person, make agents' commits yours: name the agent that drafted them, and sign
    #[arg(long)]
    adopt: bool,
    /// The step that the agent performed, on commits that another agent has sealed as their author
    #[arg(long, value_name = "ROLE", conflicts_with = "adopt")]
    role: Option<String>,
    /// The model that the agent ran on
    #[arg(long)]
    model: Option<String>,
    /// The task that the agent worked on
    #[arg(long)]
    task: Option<String>,
    /// Also rewrite commits that were pushed, signed, or made by others
    #[arg(long)]
    force: bool,
}

pub(super) fn run(arguments: Arguments) -> Result {
    let Arguments { ranges, agent, adopt, role, model, task, force } = arguments;
    sign::run(&sign::Request { ranges, agent, adopt, role, model, task, force })
}
