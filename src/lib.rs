//! Countersign decides, at the moment a ref would move, which identity acted at each step of a change.
//!
//! Data flows one way: bytes from git become parsed structures, parsed structures become verified facts,
//! [`core::decide`] turns facts into a [`core::decide::Verdict`], and [`core::report`] prints it. Only [`cli`], [`store`] and
//! [`ledger`] touch the environment, the clock, the file system or processes.

#![cfg_attr(test, allow(clippy::string_slice))]

mod audit;
pub mod cli;
pub mod core;
mod desk;
mod doctor;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod gate;
pub mod ledger;
mod server;
pub mod store;
mod system;
