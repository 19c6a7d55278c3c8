//! The commands. Each parses its arguments, gathers facts, calls the core, prints, and ends with an exit code:
//! 0 accepted, 1 rejected by policy, 2 could not decide or wrong usage.

mod agent;
mod approve;
mod attest;
mod audit;
mod check;
mod demo;
mod desk;
mod doctor;
mod explain;
mod grant;
mod hooks;
mod init;
mod install;
mod ledger;
mod log;
mod orders;
mod policy;
mod proof;
mod servers;
mod shells;
mod show;
mod sign;
mod values;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::system::{Exit, bug, env, process, say};

/// What `--version` says: of a release also the commit that it is built from.
const VERSION: &str = env!("COUNTERSIGN_VERSION");

/// Checks signed attribution on AI-authored commits and refuses pushes without a distinct agent identity.
#[derive(Parser)]
#[command(name = "countersign", version = VERSION, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show the whole story on a real repository, in seconds
    Demo(demo::Arguments),
    /// Write a starter policy that locks nobody out
    Init(init::Arguments),
    /// Set a coding agent up by its own settings, so that its commits are sealed
    Desk(desk::Arguments),
    /// Give an agent a key of its own, or tell what agents there are and what they did
    Agent(agent::Arguments),
    /// Give an agent a key for one task, or take it back
    Grant(grant::Arguments),
    /// Decide beforehand what the server would say about commits
    Check(check::Arguments),
    /// Show who stands behind a commit
    Show(show::Arguments),
    /// Say in words what a ref needs, or what a finding means
    Explain(explain::Arguments),
    /// Protect server repositories, or give this clone its hooks
    Install(install::Install),
    /// Put back what was there before install
    Uninstall(install::Uninstall),
    /// Look whether the gate runs, here or on a server, and what would let a bad push in
    Doctor(doctor::Arguments),
    /// Seal an agent's commits, or adopt them as a person
    Sign(sign::Arguments),
    /// Approve exactly the commits of a branch, for one ref
    Approve(approve::Arguments),
    /// Sign, as a service, what somebody approved in a forge's pages, by the event that the forge sends
    Attest(attest::Arguments),
    /// Stop an agent: from now on nothing is taken that it pushes or signs
    Freeze(orders::Freeze),
    /// End a freeze
    Thaw(orders::Thaw),
    /// Accept one move of one ref in spite of findings, together with others, within the hour
    Override(orders::Override),
    /// Read the record of decisions, and check that it is whole
    Log(log::Arguments),
    /// Say what a proof of the record bears out, with nothing but the ledger's public key: the check before a deployment
    VerifyProof(proof::Arguments),
    /// Say of ledgers that their repositories were moved, restored or copied, or that the clock is right
    Ledger(ledger::Arguments),
    /// Check a policy, or print its digest
    Policy(policy::Arguments),
    /// Print what a shell needs to complete the commands
    ///
    /// For bash, in one's own account:
    /// countersign completions bash > ~/.local/share/bash-completion/completions/countersign
    #[command(verbatim_doc_comment)]
    Completions(shells::Completions),
    /// Write the manual pages
    Man(shells::Man),
    /// Run as a git hook (the installed shims call this)
    #[command(hide = true)]
    Hook(hooks::Arguments),
}

/// The same where git runs a hook. The other commands and what they take need not be put together for it.
#[derive(Parser)]
#[command(name = "countersign", version = VERSION, max_term_width = 100)]
struct HookLine {
    #[command(subcommand)]
    command: HookCommand,
}

#[derive(Subcommand)]
enum HookCommand {
    /// Run as a git hook (the installed shims call this)
    #[command(hide = true)]
    Hook(hooks::Arguments),
}

fn parse(words: Vec<OsString>) -> Result<Command, clap::Error> {
    if words.get(1).is_some_and(|word| word == "hook") {
        let HookCommand::Hook(arguments) = HookLine::try_parse_from(words)?.command;
        return Ok(Command::Hook(arguments));
    }
    Ok(Arguments::try_parse_from(words)?.command)
}

/// Runs the program and says how it ends.
pub fn run() -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        say(&bug(panic));
        process::exit(2);
    }));
    let command = match parse(words(env::args_os())) {
        Ok(command) => command,
        Err(error) => {
            let wrong = error.use_stderr();
            // Help goes to standard output; if nobody reads it there is nothing left to say.
            let _ = error.print();
            return if wrong { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    let result = match command {
        Command::Demo(arguments) => demo::run(arguments),
        Command::Init(arguments) => init::run(arguments),
        Command::Desk(arguments) => desk::run(arguments),
        Command::Agent(arguments) => agent::run(arguments),
        Command::Grant(arguments) => grant::run(arguments),
        Command::Show(arguments) => show::run(arguments),
        Command::Check(arguments) => check::run(arguments),
        Command::Explain(arguments) => explain::run(arguments),
        Command::Install(arguments) => install::protect(arguments),
        Command::Uninstall(arguments) => install::restore(arguments),
        Command::Doctor(arguments) => doctor::run(arguments),
        Command::Sign(arguments) => sign::run(arguments),
        Command::Approve(arguments) => approve::run(arguments),
        Command::Attest(arguments) => attest::run(arguments),
        Command::Freeze(arguments) => orders::freeze(arguments),
        Command::Thaw(arguments) => orders::thaw(arguments),
        Command::Override(arguments) => orders::pass_over(arguments),
        Command::Log(arguments) => log::run(arguments),
        Command::VerifyProof(arguments) => proof::run(arguments),
        Command::Ledger(arguments) => ledger::run(arguments),
        Command::Policy(arguments) => policy::run(arguments),
        Command::Completions(arguments) => shells::completions(&arguments, &Arguments::command()),
        Command::Man(arguments) => shells::man(&arguments, &Arguments::command()),
        Command::Hook(arguments) => hooks::run(arguments),
    };
    match result {
        Ok(Exit::Accepted) => ExitCode::SUCCESS,
        Ok(Exit::Rejected) => ExitCode::from(1),
        Ok(Exit::Undecided) => ExitCode::from(2),
        Err(failure) => {
            if !failure.is_silent() {
                say(&failure.to_string());
            }
            ExitCode::from(2)
        }
    }
}

/// The words of the command line. Linux hands over all that follows the program in the first line of a script as one word, and
/// the script's path after it (execve(2)): the words of such a line are taken apart, and the path is nobody's argument.
fn words(arguments: Vec<OsString>) -> Vec<OsString> {
    let [program, line, _script] = arguments.as_slice() else { return arguments };
    match line.to_str().filter(|line| line.starts_with("hook ")) {
        Some(line) => std::iter::once(program.clone()).chain(line.split(' ').map(OsString::from)).collect(),
        None => arguments,
    }
}
