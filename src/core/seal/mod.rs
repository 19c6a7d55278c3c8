//! The seal: an agent's signature inside the commit message, over that commit's change. FORMAT.md is its specification.

mod payload;
mod value;
mod verify;

#[cfg(test)]
mod vectors;

pub use payload::{Payload, Root};
pub use value::{BlockHead, SealError, SealValue, parse_seal_value, plain_value, seal_line};
pub use verify::{
    BadSeal, Claim, SealOutcome, SealSubject, SinceSealing, StaleSeal, VerifiedSeal, sealed_payload, verify,
};

/// The SSHSIG namespace of seals.
pub const NAMESPACE: &str = "countersign-seal-v1";

/// The role of the first seal on a commit, which has no `Countersign-Role` line.
pub const AUTHOR: &str = "author";

/// Opens a block.
pub const AGENT_KEY: &str = "Countersign-Agent";
/// The step of a pipeline that the agent performed; absent for the author.
pub const ROLE_KEY: &str = "Countersign-Role";
/// The model that the agent ran on, as it says.
pub const MODEL_KEY: &str = "Countersign-Model";
/// The session it worked in, as it says.
pub const SESSION_KEY: &str = "Countersign-Session";
/// The task it worked on, as it says.
pub const TASK_KEY: &str = "Countersign-Task";
/// Closes a block.
pub const SEAL_KEY: &str = "Countersign-Seal";
