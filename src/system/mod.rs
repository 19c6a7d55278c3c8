//! What a program asks of the system that it runs on: the clock, users, child processes, the terminal.
#![expect(clippy::disallowed_methods, reason = "this is where the system is asked")]

mod clock;
mod configuration;
pub(crate) mod disk;
pub(crate) mod env;
pub(crate) mod files;
pub(crate) mod ground;
mod outcome;
mod pager;
pub(crate) mod process;
mod progress;
mod random;
mod terminal;
pub(crate) mod threads;
pub(crate) mod users;
mod words;

pub(crate) use clock::{now, started};
pub(crate) use configuration::Configuration;
pub(crate) use disk::OnDisk;
pub(crate) use outcome::{Exit, Failure, Result, bug};
pub(crate) use pager::Paged;
pub(crate) use progress::Progress;
pub(crate) use random::random_seed;
pub(crate) use terminal::{characters, print, say, say_fix, say_hint, say_lines, stderr, stdin, stdout};
pub(crate) use words::quote;
