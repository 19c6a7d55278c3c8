//! One developer's clone: who is at work there, the keys, sealing, adopting, approving, and the hooks that do so.
#![allow(clippy::disallowed_methods)]

pub(crate) mod agent;
mod ancestry;
pub(crate) mod approve;
pub(crate) mod check;
pub(crate) mod clone;
mod copied;
pub(crate) mod hooks;
pub(crate) mod install;
mod person_key;
pub(crate) mod sealing;
pub(crate) mod sign;
mod who;
