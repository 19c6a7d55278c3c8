//! Who, when, and by whose leave: what the record and the objects say afterwards.

mod activity;
pub(crate) mod agent;
mod approvals;
mod chain;
pub(crate) mod evidence;
pub(crate) mod inventory;
pub(crate) mod log;
pub(crate) mod marks;
mod orders;
pub(crate) mod period;
pub(crate) mod rehearsal;
pub(crate) mod replay;
pub(crate) mod report;
pub(crate) mod show;
pub(crate) mod verify_proof;

/// How what was found is printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Printed {
    /// Lines for people.
    Text,
    /// One JSON object.
    Json,
}
