//! `countersign policy`: what is wrong with a policy, and its digest.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::policy_source::{PolicyArg, PolicyError, PolicyReader};
use super::{Exit, Failure, Result, print, say};
use crate::policy::Loaded;
use crate::report::escape;

#[derive(Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Report every problem of a policy with its line and its fix; exit 1 if it would not load
    Check(Files),
    /// Print the digest that pins a policy
    Digest(Files),
}

#[derive(Args)]
struct Files {
    /// Policy files that hold together, the organisation's first
    #[arg(value_name = "FILE", default_value = ".countersign/policy.toml")]
    files: Vec<PathBuf>,
}

pub(super) fn run(arguments: Arguments) -> Result {
    match arguments.command {
        Command::Check(files) => check(&files),
        Command::Digest(files) => {
            let Some(loaded) = load(&files)? else { return Ok(Exit::Rejected) };
            print(&format!("sha256:{}\n", loaded.policy.digest()))?;
            Ok(Exit::Accepted)
        }
    }
}

fn check(files: &Files) -> Result {
    let Some(loaded) = load(files)? else { return Ok(Exit::Rejected) };
    for warning in &loaded.warnings {
        say(&warning.to_string());
        say(&format!("hint: {}", escape(warning.fix.as_bytes(), 600)));
    }
    let (rules, warnings) = (loaded.policy.rules().len(), loaded.warnings.len());
    print(&format!(
        "the policy is valid: {rules} rules, {warnings} warnings, digest sha256:{}\n",
        loaded.policy.digest()
    ))?;
    Ok(Exit::Accepted)
}

/// Loads the policy; says every problem and returns nothing where it has errors.
fn load(files: &Files) -> Result<Option<Loaded>> {
    let arguments: Vec<PolicyArg> = files.files.iter().cloned().map(PolicyArg::File).collect();
    match (PolicyReader { repository: None }).load(&arguments) {
        Ok(loaded) => Ok(Some(loaded)),
        Err(PolicyError::Invalid(problems)) => {
            for problem in &problems {
                say(&problem.to_string());
                say(&format!("hint: {}", escape(problem.fix.as_bytes(), 600)));
            }
            Ok(None)
        }
        Err(error) => Err(Failure::new(error).hint("countersign init writes a starter policy")),
    }
}
