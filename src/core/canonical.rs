//! Times, ids, digests and ref names as canonical JSON spells them: strings, each value in one way.

use std::fmt;
use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::core::decide::Timestamp;
use crate::core::digest::Digest;
use crate::core::oid::Oid;

/// A time, as RFC 3339 in UTC to the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub Timestamp);

impl fmt::Display for Time {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Outside the years that the calendar library knows, the ends of its range stand in.
        let clamped = self.0.0.clamp(jiff::Timestamp::MIN.as_second(), jiff::Timestamp::MAX.as_second());
        let time = jiff::Timestamp::from_second(clamped).unwrap_or_default();
        fmt::Display::fmt(&time, out)
    }
}

impl Time {
    /// Parses what `Display` prints.
    pub fn parse(text: &str) -> Option<Self> {
        let time: jiff::Timestamp = text.parse().ok()?;
        let time = Self(Timestamp(time.as_second()));
        (time.to_string() == text).then_some(time)
    }
}

/// The name of a ref. Names that are not UTF-8 are written as `hex:` and their bytes; a colon cannot stand in a name
/// (git-check-ref-format(1)). Copies share their bytes: a push can have a hundred thousand refs, and each is named in many places.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RefName(pub Arc<[u8]>);

impl fmt::Display for RefName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match std::str::from_utf8(&self.0) {
            Ok(text) => out.write_str(text),
            Err(_) => {
                out.write_str("hex:")?;
                self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
            }
        }
    }
}

impl fmt::Debug for RefName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl RefName {
    fn parse(text: &str) -> Option<Self> {
        let Some(hex) = text.strip_prefix("hex:") else { return Some(Self(text.as_bytes().into())) };
        let mut bytes = Vec::with_capacity(hex.len() / 2);
        for pair in hex.as_bytes().chunks(2) {
            bytes.push(u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?);
        }
        Some(Self(bytes.into()))
    }
}

/// An object id in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CanonicalOid(pub Oid);

impl fmt::Display for CanonicalOid {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, out)
    }
}

/// A digest in JSON, as `sha256:` and 64 digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256(pub Digest);

impl fmt::Display for Sha256 {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "sha256:{}", self.0)
    }
}

/// JSON strings that are written by `Display` and must read back to the same value.
macro_rules! as_string {
    ($($type:ty, $what:literal, $parse:expr;)*) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                let parse: fn(&str) -> Option<$type> = $parse;
                parse(&text).ok_or_else(|| D::Error::custom(concat!("not ", $what)))
            }
        }
    )*};
}

as_string! {
    Time, "a time", Time::parse;
    RefName, "a ref name", RefName::parse;
    CanonicalOid, "an object id", |text| Oid::parse(text.as_bytes()).map(CanonicalOid);
    Sha256, "a sha256 digest", |text| Digest::parse(text.strip_prefix("sha256:")?.as_bytes()).map(Sha256);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_times_and_digests_read_back() {
        for name in [&b"refs/heads/main"[..], b"refs/heads/\xff", "refs/heads/\u{e4}".as_bytes()] {
            let name = RefName(name.into());
            let json = serde_json::to_string(&name).unwrap();
            assert_eq!(serde_json::from_str::<RefName>(&json).unwrap(), name);
        }
        let time = Time(Timestamp(1_795_489_864));
        assert_eq!(time.to_string(), "2026-11-24T03:11:04Z");
        assert_eq!(Time::parse("2026-11-24T03:11:04Z"), Some(time));
        for other in ["2026-11-24T03:11:04+00:00", "2026-11-24T03:11:04.0Z", "2026-11-24", "junk"] {
            assert_eq!(Time::parse(other), None, "{other}");
        }
        assert!(serde_json::from_str::<Sha256>("\"ab\"").is_err());
    }
}
