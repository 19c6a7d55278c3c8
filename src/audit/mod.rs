//! Who, when, and by whose leave: what the record and the objects say afterwards.
#![expect(clippy::disallowed_methods, reason = "the record and repositories are files")]

mod activity;
mod approvals;
mod chain;
pub(crate) mod evidence;
pub(crate) mod inventory;
pub(crate) mod log;
pub(crate) mod marks;
pub(crate) mod period;
pub(crate) mod replay;
pub(crate) mod report;
pub(crate) mod show;
pub(crate) mod verify_proof;
