//! Strict grammar of raw commit and annotated tag objects, and of the trailers that carry seals.
//!
//! Git itself accepts objects that two readers understand differently: repeated headers, NUL bytes, several signatures.
//! A signature over such an object proves nothing, so here every object has one reading or is refused. What git writes,
//! and what the other common tools write (unknown headers after the committer, such as `change-id`), is accepted.

mod headers;
mod ident;
mod message;
mod raw;
mod tag;
mod wording;

pub use headers::Malformed;
pub use ident::Ident;
pub(crate) use message::DRAFTED;
pub use message::{
    Approves, Block, MalformedTrailers, TrailerFault, Trailers, ends_in_trailers, is_our_line, parse_trailers,
};
pub use raw::{Commit, RawSignature};
pub use tag::{Tag, TagTarget};
pub use wording::{Subject, Wording, is_message_of, message_digest, without_seals};
