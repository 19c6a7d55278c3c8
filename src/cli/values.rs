//! Values of options that several commands have.

use crate::audit::log::UNDECIDED;
use crate::core::canonical::Time;
use crate::core::decide::Code;
use crate::core::digest::Digest;
use crate::core::id::Id;
use crate::core::policy::Span;
use crate::core::text::nearest::nearest;

/// The id of a person, agent or service.
pub(super) fn id(text: &str) -> Result<Id, String> {
    Id::parse(text.as_bytes()).ok_or_else(|| "an id is [a-z0-9][a-z0-9._-]{0,63}".to_owned())
}

/// How long something holds.
pub(super) fn span(text: &str) -> Result<Span, String> {
    Span::parse(text).ok_or_else(|| "write a number of m, h, d or w, such as 7d".to_owned())
}

/// A time, or the beginning of a day.
pub(super) fn time(text: &str) -> Result<Time, String> {
    let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    Time::parse(&whole).ok_or_else(|| "write a day or a time in UTC: 2026-11-01 or 2026-11-01T08:00:00Z".to_owned())
}

/// A finding code that the gate has, or `undecided`.
pub(super) fn finding(text: &str) -> Result<String, String> {
    if text == UNDECIDED || Code::parse(text).is_some() {
        return Ok(text.to_owned());
    }
    let meant = nearest(text, Code::ALL.iter().map(|code| code.name()).chain([UNDECIDED]));
    Err(meant.map_or_else(|| "there is no such finding code".to_owned(), |meant| format!("did you mean {meant}?")))
}

/// A finding code that people may pass over.
pub(super) fn overridable(text: &str) -> Result<Code, String> {
    let code = Code::parse(&finding(text)?).ok_or_else(|| "what cannot be decided is never passed over".to_owned())?;
    if code.may_be_overridden() { Ok(code) } else { Err("that is never passed over".to_owned()) }
}

/// The beginning of a commit's id.
pub(super) fn commit_prefix(text: &str) -> Result<String, String> {
    let hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if hex && (4..=64).contains(&text.len()) {
        Ok(text.to_owned())
    } else {
        Err("give four lower-case hexadecimal digits of a commit id, or more".to_owned())
    }
}

/// The root of a ledger.
pub(super) fn root(text: &str) -> Result<Digest, String> {
    let hex = text.strip_prefix("sha256:").unwrap_or(text);
    Digest::parse(hex.as_bytes()).ok_or_else(|| "a root is 64 hexadecimal digits".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_prefixes_are_strict() {
        assert_eq!(time("2026-11-01"), time("2026-11-01T00:00:00Z"));
        for bad in ["yesterday", "2026-13-01", "2026-11-01T00:00:00", ""] {
            assert!(time(bad).is_err(), "{bad}");
        }
        assert!(finding("bad-seal").is_ok() && finding("undecided").is_ok());
        assert!(finding("bad-saal").unwrap_err().contains("bad-seal"));
        assert!(commit_prefix("1a2b").is_ok() && commit_prefix("1a2").is_err() && commit_prefix("1A2B").is_err());
    }
}
