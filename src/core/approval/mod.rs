//! The approval: a person's signed record over an ordered set of commits and changes, for one target ref. FORMAT.md is its
//! specification. Where a person approved in a forge's pages, a service of the forge's says so and signs it.
//!
//! Bytes become a [`ClaimedApproval`] by strict parsing, and that a [`VerifiedApproval`] by its signature. Whether the key is that
//! of a person who may approve, and what the record covers, is decided elsewhere.

mod envelope;
mod index;
mod place;
mod statement;
mod withdrawal;

#[cfg(test)]
mod example;
#[cfg(test)]
mod tests;

pub use crate::core::dsse::pre_authentication;
pub use envelope::{ApprovalError, ClaimedApproval, NAMESPACE, VerifiedApproval, seal_envelope};
pub use index::{ApprovalIndex, IndexedApproval, can_cover};
pub use place::{ApprovalPlace, PREFIX};
pub use statement::{Approval, ApprovedCommit, Attested, Decision, PREDICATE_TYPE};
pub use withdrawal::withdraws;
