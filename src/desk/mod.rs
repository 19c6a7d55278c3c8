//! One developer's clone: who is at work there, the keys, sealing, adopting, approving, and the hooks that do so.

pub(crate) mod agent;
mod ancestry;
pub(crate) mod approve;
pub(crate) mod at_work;
pub(crate) mod check;
pub(crate) mod clone;
mod copied;
mod draft;
pub(crate) mod grant;
pub(crate) mod hooks;
pub(crate) mod install;
pub(crate) mod keys;
mod line_diff;
mod maker;
mod note;
pub(crate) mod orders;
mod person_key;
pub(crate) mod pushing;
mod reflog;
pub(crate) mod sealing;
pub(crate) mod sign;
pub(crate) mod signers;
pub(crate) mod tools;
mod unsealed;
pub(crate) mod who;
