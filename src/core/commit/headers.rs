//! The header lines that commits and tags share: `name SP value LF`, continued by lines that begin with a space.

use std::ops::Range;

use thiserror::Error;

use crate::core::oid::{ObjectFormat, Oid};

/// Why a commit or tag has more than one reading, or none.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
    /// A NUL byte: readers that use C strings stop there and others do not.
    #[error("it holds a NUL byte")]
    Nul,
    /// The last header line has no line feed.
    #[error("its last header line does not end")]
    Unterminated,
    /// The headers are larger than [`crate::core::limits::HEADER_BYTES`].
    #[error("its headers are larger than {} bytes", crate::core::limits::HEADER_BYTES)]
    HeadersTooLarge,
    /// More parents than [`crate::core::limits::PARENTS`].
    #[error("it has more than {} parents", crate::core::limits::PARENTS)]
    TooManyParents,
    /// A line that is neither `name value` nor a continuation.
    #[error("header line {0} is not a name and a value")]
    Line(usize),
    /// A required header is not where it belongs.
    #[error("the {0} header is missing or out of order")]
    Missing(&'static str),
    /// A header that may stand once stands twice or out of order.
    #[error("the {0} header is repeated or out of order")]
    Repeated(String),
    /// A header of one line has a continuation line, which git passes over and others join.
    #[error("the {0} header goes on over a second line")]
    Folded(&'static str),
    /// A header value is not a full object id of the repository's hash.
    #[error("the {0} header is not a full object id of this repository")]
    ObjectId(&'static str),
    /// An author or committer without an email address: git shows nobody, and other readers do not read the commit.
    #[error("the {0} header holds no email address between < and >")]
    Ident(&'static str),
    /// A signature header other than the one of the repository's hash.
    #[error("it has a {0} header, which is not the signature header of this repository")]
    ForeignSignature(String),
    /// The type header of a tag.
    #[error("its type is not commit, tree, blob or tag")]
    TagType,
    /// More than one signature in the body of a tag.
    #[error("it holds more than one signature, or text after its signature")]
    TagSignatures,
}

impl Malformed {
    /// Whether the object is only larger than what is looked at.
    pub fn is_limit(&self) -> bool {
        matches!(self, Self::HeadersTooLarge | Self::TooManyParents)
    }
}

/// One header with its place in the object.
#[derive(Debug)]
pub(super) struct Header<'a> {
    pub(super) name: &'a [u8],
    /// The raw value: continuation lines keep their leading space.
    pub(super) value: &'a [u8],
    /// Where the whole header stands in the object, its last LF included.
    pub(super) span: Range<usize>,
}

impl<'a> Header<'a> {
    /// The value with its continuation lines unfolded.
    pub(super) fn unfolded(&self) -> Vec<u8> {
        let mut value = Vec::with_capacity(self.value.len());
        for (number, line) in self.value.split(|byte| *byte == b'\n').enumerate() {
            if number == 0 {
                value.extend_from_slice(line);
            } else {
                value.push(b'\n');
                value.extend_from_slice(line.strip_prefix(b" ").unwrap_or(line));
            }
        }
        value
    }

    /// The name, for a message; header names are checked to be plain.
    pub(super) fn display_name(&self) -> String {
        String::from_utf8_lossy(self.name).into_owned()
    }

    /// Why it may not stand here.
    pub(super) fn repeated(&self) -> Malformed {
        Malformed::Repeated(self.display_name())
    }

    /// The value, which is one line: git reads no further than the first line feed.
    pub(super) fn line(&self, name: &'static str) -> Result<&'a [u8], Malformed> {
        if self.value.contains(&b'\n') { Err(Malformed::Folded(name)) } else { Ok(self.value) }
    }

    /// The value as a full object id of `format`.
    pub(super) fn oid(&self, format: ObjectFormat, name: &'static str) -> Result<Oid, Malformed> {
        Oid::parse(self.value).filter(|id| id.format() == format).ok_or(Malformed::ObjectId(name))
    }
}

/// Splits an object into its headers and the bytes after the empty line. Without an empty line there is no message, and git
/// takes that for no error as long as the last header line ends (fsck.c, verify_headers).
pub(super) fn split(raw: &[u8]) -> Result<(Vec<Header<'_>>, &[u8]), Malformed> {
    if raw.contains(&0) {
        return Err(Malformed::Nul);
    }
    let mut headers: Vec<Header<'_>> = Vec::with_capacity(6);
    let mut start = 0;
    for (number, line) in raw.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let end = start + line.len();
        let Some(line) = line.strip_suffix(b"\n") else { return Err(Malformed::Unterminated) };
        if end > crate::core::limits::HEADER_BYTES {
            return Err(Malformed::HeadersTooLarge);
        }
        if line.is_empty() {
            return Ok((headers, raw.get(end..).unwrap_or_default()));
        }
        if line.starts_with(b" ") {
            let header = headers.last_mut().ok_or(Malformed::Line(number + 1))?;
            header.span.end = end;
            let value_start = header.span.start + header.name.len() + 1;
            header.value = raw.get(value_start..end - 1).unwrap_or_default();
        } else {
            let space = line.iter().position(|byte| *byte == b' ').ok_or(Malformed::Line(number + 1))?;
            let (name, value) = line.split_at(space);
            if name.is_empty() || !name.iter().all(u8::is_ascii_graphic) {
                return Err(Malformed::Line(number + 1));
            }
            headers.push(Header { name, value: value.strip_prefix(b" ").unwrap_or(value), span: start..end });
        }
        start = end;
    }
    Ok((headers, &[]))
}
