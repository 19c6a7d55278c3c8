//! `countersign log`: what the ledger holds, whether it is whole, and what enforcing would have done.

mod checkpoint;
mod entries;
mod export;
mod follow;
mod formats;
mod history;
mod known;
mod lines;
mod ocsf;
mod place;
mod prove;
mod show;
mod verify;
mod would_refuse;

pub(crate) use checkpoint::{Given, Head, put, run as checkpoint};
pub(crate) use export::{Export, run as export};
pub(crate) use follow::{Follow, run as follow};
pub(crate) use formats::Format;
pub(super) use formats::cell;
pub(crate) use history::history;
pub(crate) use lines::{shown as ref_text, value, word as outcome_word};
pub(crate) use place::{Found, Place};
pub(crate) use prove::{Prove, Subject, parse_subject, run as prove};
pub(crate) use show::{Show, UNDECIDED, run as show};
pub(crate) use verify::{Verify, run as verify};
