//! The ledger: what was decided on each push, what became of it, and which ref moved with no decision. FORMAT.md is its
//! specification.
//!
//! One append-only file a repository. Each record is an entry and the signed head of the Merkle tree that it completes, so that
//! no entry can be changed, taken out or put in unnoticed by whoever does not hold the ledger's key. It answers when something was
//! first received. Everything else in its directory but the key can be made again from the log.
#![expect(clippy::disallowed_methods, reason = "the record is files")]

mod adopt;
mod entry;
mod error;
mod fault;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod kept;
mod known;
mod leaves;
mod lines;
mod locks;
mod merkle;
mod moves;
mod note;
mod place;
pub mod proof;
mod receipts;
mod record;
mod repair;
mod rotate;
mod scan;
mod settle;
mod state;
mod store;
mod tail;

#[cfg(test)]
mod example;
#[cfg(test)]
mod tests;

pub use entry::{
    Carried, Clock, Continued, Continues, Decided, Entry, FindingRecord, Found, GrantLink, GrantUse, How,
    LandedApproval, LeftOut, LeftOutKind, Moved, OTHERS, Opened, OrderRecord, Ordered, Outcome, OverriddenMove,
    OverrideRecord, Overrode, Placed, Presumed, Raised, Receipt, Recovered, Rekeyed, Settled, Suppressed, Unexplained,
    UpdateRecord, Witness, Work,
};
pub use error::LedgerError;
pub use known::CurrentRefs;
pub use leaves::{Leaves, subtree};
pub use merkle::Frontier;
pub use note::{CHECKPOINT, Checkpoint, Name, NoteError};
pub use place::{Place, Standing};
pub use receipts::{Asked, Receipts};
pub use record::{NAMESPACE, REKEY_NAMESPACE, RecordError};
pub use rotate::{Closed, generation, generations, home};
pub use scan::{Signatures, Verified, read};
pub use settle::{Attempt, Counted, Recorded, Updates};
pub use state::State;
pub use store::{Keep, Ledger, Plan};
pub use tail::{Position, read_on_over, root_at};
