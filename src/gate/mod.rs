//! One push at a server: what an admin decided, what git says, one decision, and the record of it. `check` and pre-push decide by the
//! same engine.

pub(crate) mod after_push;
pub(crate) mod chain;
pub(crate) mod command;
pub(crate) mod deadline;
pub(crate) mod engine;
pub(crate) mod examine;
pub(crate) mod facts;
pub(crate) mod hook;
pub(crate) mod naming;
pub(crate) mod order_store;
pub(crate) mod own_files;
pub(crate) mod policy_source;
pub(crate) mod prune;
pub(crate) mod push;
pub(crate) mod received;
pub(crate) mod recording;
pub(crate) mod ref_values;
pub(crate) mod session;
pub(crate) mod shim;
pub(crate) mod submitting;
