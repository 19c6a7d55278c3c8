//! Who, when, and by whose leave: what the record and the objects say afterwards.
#![expect(clippy::disallowed_methods, reason = "the record and repositories are files")]

pub(crate) mod agent;
pub(crate) mod log;
pub(crate) mod marks;
mod orders;
pub(crate) mod show;
