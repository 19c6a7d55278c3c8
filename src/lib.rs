//! Countersign decides, at the moment a ref would move, which identity acted at each step of a change.
//!
//! Data flows one way: bytes from git become parsed structures, parsed structures become verified facts, [`decide`]
//! turns facts into a [`decide::Verdict`], and [`report`] prints it. Only [`cli`], [`git`] and [`ledger`] touch the
//! environment, the clock, the file system or processes.

#![cfg_attr(test, allow(clippy::string_slice))]

pub mod approval;
pub mod canonical;
pub mod cli;
pub mod commit;
pub mod decide;
pub mod digest;
pub mod facts;
pub mod git;
pub mod id;
pub mod ledger;
pub mod limits;
pub mod marks;
pub mod oid;
pub mod policy;
pub mod report;
pub mod seal;
pub mod ssh;
pub mod submitter;

#[cfg(test)]
mod worked_example;
