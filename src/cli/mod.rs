//! The commands. Each parses its arguments, gathers facts, calls the core, prints, and ends with an exit code:
//! 0 accepted, 1 rejected by policy, 2 could not decide or wrong usage.

#![allow(clippy::disallowed_methods)]

mod after_push;
mod agent;
mod ancestry;
mod approve;
mod chain;
mod check;
mod client_hooks;
mod copied;
mod deadline;
mod demo;
mod desk;
mod doctor;
mod engine;
mod examine;
mod explain;
mod gather;
mod hook;
mod init;
mod install;
mod local;
mod log_command;
mod naming;
mod owner;
mod person_key;
mod policy_command;
mod policy_marks;
mod policy_source;
mod prune;
mod push;
mod recording;
mod sealing;
mod show;
mod sign;
mod submitting;

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::core::policy::Problem;
use crate::core::report;

/// Checks signed attribution on AI-authored commits and refuses pushes without a distinct agent identity.
#[derive(Parser)]
#[command(name = "countersign", version, max_term_width = 100)]
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
    /// Give an agent a key of its own
    Agent(agent::Arguments),
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
    /// Read the record of decisions, and check that it is whole
    Log(log_command::Arguments),
    /// Check a policy, or print its digest
    Policy(policy_command::Arguments),
    /// Run as a git hook (the installed shims call this)
    #[command(hide = true)]
    Hook(hook::Arguments),
}

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    /// Exit 0: accepted, or done.
    Accepted,
    /// Exit 1: rejected by policy.
    Rejected,
    /// Exit 2: could not decide.
    Undecided,
}

/// Why a command could not do its work. It ends with exit 2.
#[derive(Debug)]
struct Failure {
    /// What went wrong, without a full stop.
    message: String,
    /// What to do about it, in lines: words, and commands alone on theirs.
    hint: Option<String>,
}

impl Failure {
    fn new(message: impl std::fmt::Display) -> Self {
        Self { message: message.to_string(), hint: None }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

type Result<T = Exit> = std::result::Result<T, Failure>;

/// Runs the program and says how it ends.
pub fn run() -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        say(&format!(
            "error: countersign failed inside and refuses: {panic}\nhint: this is a bug; please report this line"
        ));
        #[allow(clippy::exit)]
        std::process::exit(if is_observing() { chain::pass().into() } else { 2 });
    }));
    let arguments = match Arguments::try_parse_from(words(std::env::args_os().collect())) {
        Ok(arguments) => arguments,
        Err(error) => {
            let wrong = error.use_stderr();
            // Help goes to standard output; if nobody reads it there is nothing left to say.
            let _ = error.print();
            return if wrong { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    let result = match arguments.command {
        Command::Demo(arguments) => demo::run(arguments),
        Command::Init(arguments) => init::run(arguments),
        Command::Agent(arguments) => agent::run(arguments),
        Command::Show(arguments) => show::run(arguments),
        Command::Check(arguments) => check::run(arguments),
        Command::Explain(arguments) => explain::run(arguments),
        Command::Install(arguments) => install::install(arguments),
        Command::Uninstall(arguments) => install::uninstall(arguments),
        Command::Doctor(arguments) => doctor::run(arguments),
        Command::Sign(arguments) => sign::run(arguments),
        Command::Approve(arguments) => approve::run(arguments),
        Command::Log(arguments) => log_command::run(arguments),
        Command::Policy(arguments) => policy_command::run(arguments),
        Command::Hook(arguments) => hook::run(arguments),
    };
    match result {
        Ok(Exit::Accepted) => ExitCode::SUCCESS,
        Ok(Exit::Rejected) => ExitCode::from(1),
        Ok(Exit::Undecided) => ExitCode::from(2),
        Err(failure) => {
            say(&format!("error: {}", failure.message));
            say_hint(failure.hint.as_deref().unwrap_or_default());
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

/// Whether this process must not refuse anything, whatever happens.
static OBSERVING: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

/// From here on, not even a bug in this program refuses the push.
fn observing() {
    OBSERVING.store(true, std::sync::atomic::Ordering::Relaxed);
}

fn is_observing() -> bool {
    OBSERVING.load(std::sync::atomic::Ordering::Relaxed)
}

/// What every line to the pusher begins with, for the server to show it.
static LINE_PREFIX: std::sync::OnceLock<&'static str> = std::sync::OnceLock::new();

/// From here on, every line begins so.
fn prefix_lines(prefix: &'static str) {
    let _ = LINE_PREFIX.set(prefix);
}

/// Writes lines for people. A closed standard error takes nothing away from the exit code, which is the decision.
fn say(lines: &str) {
    let prefix = LINE_PREFIX.get().copied().unwrap_or_default();
    let lines: String = lines.lines().map(|line| format!("{prefix}{line}\n")).collect();
    let _ = std::io::stderr().write_all(lines.as_bytes());
}

/// Writes each line of a hint as one: a command stands alone, to be taken as it is.
fn say_hint(hint: &str) {
    hint.lines().for_each(|line| say(&format!("hint: {line}")));
}

/// Writes how a problem of a policy is mended: words that a policy brought may be among it.
fn say_fix(problem: &Problem) {
    problem.fix.lines().for_each(|line| say_hint(&report::escape(line.as_bytes(), 600)));
}

/// Writes the result of a command.
fn print(text: &str) -> Result<()> {
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(|error| Failure::new(format!("cannot write the output: {error}")))
}

/// What the screen behind a stream shows. A server does not know the pusher's: there the stream leads to git.
fn characters(stream: &impl std::io::IsTerminal) -> crate::core::report::Characters {
    use crate::core::report::Characters;
    // The first that is set and not empty decides (POSIX, 8.2 Internationalization Variables).
    let locale =
        ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(std::env::var_os).find(|value| !value.is_empty());
    let locale = locale.unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let charset = locale.split('@').next().unwrap_or_default();
    let shows_unicode = stream.is_terminal() && (charset.ends_with("utf-8") || charset.ends_with("utf8"));
    if shows_unicode { Characters::Unicode } else { Characters::Ascii }
}

/// The clock.
fn now() -> Result<crate::core::decide::Timestamp> {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seconds = since.ok().and_then(|since| i64::try_from(since.as_secs()).ok());
    seconds
        .map(crate::core::decide::Timestamp)
        .ok_or_else(|| Failure::new("the clock of this machine shows a time before 1970"))
}
