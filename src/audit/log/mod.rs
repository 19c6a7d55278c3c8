//! `countersign log`: what the ledger holds, whether it is whole, and what enforcing would have done.

mod entries;
mod follow;
mod formats;
mod history;
mod known;
mod lines;
mod ocsf;
mod place;
mod show;
mod verify;
mod would_refuse;

pub(crate) use follow::{Follow, run as follow};
pub(crate) use formats::Format;
pub(crate) use history::history;
pub(crate) use place::Place;
pub(crate) use show::{Show, UNDECIDED, run as show};
pub(crate) use verify::{Verify, run as verify};
