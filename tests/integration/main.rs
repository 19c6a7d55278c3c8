//! Everything that needs real git: pushes through the installed hook, attacks, clients and oracles.
//!
//! Nothing here depends on the user's git configuration, home, clock or agents: each test builds its own world.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods
)]

mod attacks;
mod gate;
mod oracles;
mod world;
