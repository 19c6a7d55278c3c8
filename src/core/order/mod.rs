//! The order: a person's signed statement that changes what the gate does until it is undone. It stops an agent, takes a grant back, or
//! accepts one move of one ref in spite of what is found. FORMAT.md is its specification.
//!
//! Bytes become a [`ClaimedOrder`] by strict parsing, and that a [`VerifiedOrder`] by its signature. Whether its key is that of somebody who
//! may order this is asked of [`entitled`]; what follows from all that are stored, of [`Orders`].

mod in_force;
mod place;
mod record;
mod statement;

#[cfg(test)]
mod example;
#[cfg(test)]
mod tests;

pub use in_force::{Freeze, GrantUse, Objection, Orders, Override, Revocation, ServerThaw, entitled};
pub use place::{By, OrderPlace, PREFIX, Topic, Whom, move_digest};
pub use record::{ClaimedOrder, NAMESPACE, OrderError, VerifiedOrder, seal_envelope};
pub use statement::{Act, HOUR, Move, Order, PREDICATE_TYPE, REASON, Scope};
