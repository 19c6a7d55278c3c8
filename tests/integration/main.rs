//! Everything that needs real git: pushes through the installed hook, attacks, clients and oracles.
//!
//! Nothing here depends on the user's git configuration, home, clock or agents: each test builds its own world.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::disallowed_methods
)]
// A binary has no outside, and its modules share what they like.
#![allow(unreachable_pub)]

mod approvals;
mod approve;
mod attacks;
mod audit;
mod ci;
mod client;
mod desks;
mod doctor;
mod examples;
mod gate;
mod grants;
mod hints;
mod house;
mod imports;
mod install;
mod jail;
mod keyring;
mod ledger;
mod many;
mod openpgp;
mod oracles;
mod orders;
mod places;
mod proofs;
mod reftable;
mod rehearsal;
mod seals;
mod servers;
mod shells;
mod starter;
mod submitters;
mod terminal;
mod tools;
mod upgrade;
#[path = "../../src/core/worked_example.rs"]
mod worked_example;
mod world;
