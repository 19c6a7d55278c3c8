//! What a program asks of the system that it runs on: the clock, users, child processes, the terminal.
#![allow(clippy::disallowed_methods)]

mod clock;
mod outcome;
mod random;
mod terminal;
pub(crate) mod users;
mod words;

pub(crate) use clock::now;
pub(crate) use outcome::{Exit, Failure, Result};
pub(crate) use random::random_seed;
pub(crate) use terminal::{characters, is_observing, observing, prefix_lines, print, say, say_fix, say_hint};
pub(crate) use words::quote;
