//! The grant: an OpenSSH user certificate that lets a fresh key act as an agent, for one task, within a scope, for some hours.
//! FORMAT.md is its specification.
//!
//! A [`Grant`] is what a certificate and those above it say, read strictly, each link a subset of the one above. Whether it holds is asked
//! of [`judge`], with a policy that says who may issue for whom, and the time at which what it signed was first received.

mod chain;
mod scope;
mod validity;

#[cfg(test)]
mod tests;

pub use chain::{Grant, GrantFault, Link};
pub use scope::{Dimension, Excess, Scope, ScopeError};
pub use validity::{Granted, IssuedBy, Objection, agents_above, bounds, holder, judge, name, stands_behind};

/// The extension that holds a scope. sshd ignores extensions that it does not know, and refuses such critical options.
pub const SCOPE: &str = "scope@countersign";

/// The extension that holds the certificate of the agent that issued this one.
pub const PARENT: &str = "parent@countersign";

/// Certificates of one chain: an agent's, its sub-agent's, and that one's.
pub const LINKS: usize = 3;

/// Seconds by which a window may be longer than the agent's `max-grant`: common authorities date certificates back so far, for clocks
/// that differ.
pub const BACKDATED: u64 = 300;
