//! Strict grammar of raw commit and annotated tag objects, and of the trailers that carry seals.
//!
//! Git itself accepts objects that two readers understand differently: repeated headers, NUL bytes, several signatures.
//! A signature over such an object proves nothing, so here every object has one reading or is refused. What git reads in one
//! way is accepted, also where no git of today would write it, as long as no decision hangs on the difference: unknown headers
//! after the committer, in any number, odd dates, old tags without a tagger.

mod headers;
mod ident;
mod message;
mod raw;
mod tag;
mod wording;

pub use headers::Malformed;
pub use ident::{Address, Ident};
pub use message::{
    Approves, DRAFTED, MalformedTrailers, SealBlock, TrailerFault, Trailers, ends_in_trailers, is_our_line,
    parse_trailers,
};
pub use raw::{Commit, RawSignature, names_utf8};
pub use tag::{Tag, TagTarget};
pub use wording::{SubjectLine, Wording, is_message_of, message_digest, without_seals};
