//! Object ids of both of git's hash functions, as plain data that the core can hold without naming a git library.

use std::fmt;

use crate::core::digest::{nibble, write_hex};

/// The hash function of a repository (git's `extensions.objectFormat`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectFormat {
    /// 20-byte ids, 40 hexadecimal digits.
    Sha1,
    /// 32-byte ids, 64 hexadecimal digits.
    Sha256,
}

impl ObjectFormat {
    /// Bytes in an id.
    pub const fn id_len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    /// The commit header that holds a signature made over an object of this format
    /// (git's Documentation/technical/hash-function-transition).
    pub const fn signature_header(self) -> &'static str {
        match self {
            Self::Sha1 => "gpgsig",
            Self::Sha256 => "gpgsig-sha256",
        }
    }
}

/// A full object id. Never abbreviated, never the null id (see [`Oid::parse_nullable`]).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Oid {
    format: ObjectFormat,
    bytes: [u8; 32],
}

impl Oid {
    /// The id whose raw bytes these are: 20 for SHA-1, 32 for SHA-256. `None` for any other length.
    pub fn from_bytes(raw: &[u8]) -> Option<Self> {
        let format = match raw.len() {
            20 => ObjectFormat::Sha1,
            32 => ObjectFormat::Sha256,
            _ => return None,
        };
        let mut bytes = [0; 32];
        bytes.get_mut(..raw.len())?.copy_from_slice(raw);
        Some(Self { format, bytes })
    }

    /// Parses 40 or 64 lower-case hexadecimal digits, as git writes them. The null id is `Some(None)`.
    pub fn parse_nullable(hex: &[u8]) -> Option<Option<Self>> {
        let mut raw = Vec::with_capacity(32);
        if hex.len() != 40 && hex.len() != 64 {
            return None;
        }
        for pair in hex.chunks_exact(2) {
            let [high, low] = pair else { return None };
            raw.push(nibble(*high)? << 4 | nibble(*low)?);
        }
        if raw.iter().all(|byte| *byte == 0) {
            return Some(None);
        }
        Self::from_bytes(&raw).map(Some)
    }

    /// Parses a full id that is not the null id.
    pub fn parse(hex: &[u8]) -> Option<Self> {
        Self::parse_nullable(hex)?
    }

    /// The raw bytes, 20 or 32.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.format.id_len()).unwrap_or(&self.bytes)
    }

    /// The hash function this id was made with.
    pub fn format(&self) -> ObjectFormat {
        self.format
    }

    /// The first seven digits, for people. Never parsed back.
    pub fn short(&self) -> String {
        self.to_string().chars().take(7).collect()
    }

    /// The first twelve digits, for commands: enough to be unique in any repository, few enough to type.
    pub fn abbreviated(&self) -> String {
        self.to_string().chars().take(12).collect()
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(self.as_bytes(), out)
    }
}

impl fmt::Debug for Oid {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_only_full_lower_case_ids() {
        let sha1 = "3b18e512dba79e4c8300dd08aeb37f8e728b8dad";
        assert_eq!(Oid::parse(sha1.as_bytes()).unwrap().to_string(), sha1);
        assert_eq!(Oid::parse(sha1.as_bytes()).unwrap().short(), "3b18e51");
        assert_eq!(Oid::parse("ab".repeat(32).as_bytes()).unwrap().format(), ObjectFormat::Sha256);
        for bad in [&sha1[1..], &sha1.to_uppercase(), "g".repeat(40).as_str(), "", "0".repeat(40).as_str()] {
            assert_eq!(Oid::parse(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(Oid::parse_nullable("0".repeat(64).as_bytes()), Some(None));
        assert_eq!(Oid::parse_nullable("0".repeat(63).as_bytes()), None);
    }
}
