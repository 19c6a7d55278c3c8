//! Countersign decides, at the moment a ref would move, which identity acted at each step of a change.
//!
//! Data flows one way: bytes from git become parsed structures, parsed structures become verified facts,
//! [`core::decide`] turns facts into a [`core::decide::Verdict`], and [`core::report`] prints it.
//!
//! Each module is a room, and uses only those below it:
//!
//! | room | what it does |
//! |---|---|
//! | `cli` | parses arguments, one file for each command |
//! | `doctor`, `audit` | looks whether the gate runs; says afterwards who did what |
//! | `server`, `desk` | installs at servers; seals, adopts and approves in a clone. They do not know each other |
//! | `gate` | decides one push |
//! | `ledger`, `store`, `system` | the record; what reads git; clock, users, processes, terminal |
//! | [`core`] | what is decided, and by which rules: functions of their arguments |
//!
//! Without the feature `program`, which is on by default, there is [`core`] alone.

#![cfg_attr(test, allow(clippy::string_slice))]

#[cfg(feature = "program")]
mod audit;
#[cfg(feature = "program")]
pub mod cli;
pub mod core;
#[cfg(feature = "program")]
mod desk;
#[cfg(feature = "program")]
mod doctor;
#[cfg(all(feature = "program", any(test, feature = "fuzzing")))]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(feature = "program")]
mod gate;
#[cfg(feature = "program")]
pub mod ledger;
#[cfg(feature = "program")]
mod server;
#[cfg(feature = "program")]
pub mod store;
#[cfg(feature = "program")]
mod system;
