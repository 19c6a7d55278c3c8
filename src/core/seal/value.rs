//! The text of a block: writing its lines, reading their values.

use base64ct::{Base64, Encoding as _};
use thiserror::Error;

use crate::core::digest::Digest;
use crate::core::id::Id;
use crate::core::limits;

/// Bytes of a free value. Long enough for any model or ticket name, short enough for one line of a log.
const VALUE_BYTES: usize = 100;

/// The value of a `Countersign-Seal` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealValue {
    /// The change that was sealed.
    pub change: Digest,
    /// The message that was sealed.
    pub message: Digest,
    /// The SSHSIG blob.
    pub signature: Vec<u8>,
}

/// Why a value is not that of a seal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SealError {
    /// It is not `v1 <64 hex> <64 hex> <base64>`.
    #[error("a seal is `v1`, two digests and a signature, each after one space")]
    Shape,
    /// The signature is over [`limits::SIGNATURE_BYTES`].
    #[error("the signature is larger than {} bytes", limits::SIGNATURE_BYTES)]
    TooLarge,
}

/// Parses the value of a `Countersign-Seal` line.
///
/// # Errors
/// [`SealError`] for anything but the one encoding.
pub fn parse_seal_value(value: &[u8]) -> Result<SealValue, SealError> {
    if value.len() > limits::SIGNATURE_BYTES * 2 {
        return Err(SealError::TooLarge);
    }
    let mut words = value.split(|byte| *byte == b' ');
    let mut word = || words.next().ok_or(SealError::Shape);
    let (version, change, message, base64) = (word()?, word()?, word()?, word()?);
    if version != b"v1" || words.next().is_some() {
        return Err(SealError::Shape);
    }
    let base64 = std::str::from_utf8(base64).map_err(|_| SealError::Shape)?;
    let signature = Base64::decode_vec(base64).map_err(|_| SealError::Shape)?;
    if signature.is_empty() {
        return Err(SealError::Shape);
    }
    if signature.len() > limits::SIGNATURE_BYTES {
        return Err(SealError::TooLarge);
    }
    Ok(SealValue {
        change: Digest::parse(change).ok_or(SealError::Shape)?,
        message: Digest::parse(message).ok_or(SealError::Shape)?,
        signature,
    })
}

/// The line that closes a block, its LF included.
pub fn seal_line(value: &SealValue) -> String {
    let signature = Base64::encode_string(&value.signature);
    format!("{}: v1 {} {} {signature}\n", super::SEAL_KEY, value.change, value.message)
}

/// A value of model, session or task: printable ASCII, 1 to 100 bytes, no space at either end.
pub fn plain_value(value: &[u8]) -> Option<&str> {
    let printable = value.iter().all(|byte| matches!(byte, b' '..=b'~'));
    let trimmed = value.trim_ascii() == value;
    (printable && trimmed && (1..=VALUE_BYTES).contains(&value.len())).then(|| std::str::from_utf8(value).ok())?
}

/// The lines of a block above its seal.
#[derive(Clone, Debug)]
pub struct BlockHead<'a> {
    /// The agent that seals.
    pub agent: &'a Id,
    /// The step it performed; `None` for the author.
    pub role: Option<&'a Id>,
    /// The model it ran on.
    pub model: Option<&'a str>,
    /// The session it worked in.
    pub session: Option<&'a str>,
    /// The task it worked on.
    pub task: Option<&'a str>,
}

impl BlockHead<'_> {
    /// The lines in their order, each with its LF. Values that [`plain_value`] does not accept are left out.
    pub fn to_text(&self) -> String {
        let plain =
            |value: Option<&str>| value.filter(|value| plain_value(value.as_bytes()).is_some()).map(str::to_owned);
        let lines = [
            (super::AGENT_KEY, Some(self.agent.to_string())),
            (super::ROLE_KEY, self.role.map(Id::to_string)),
            (super::MODEL_KEY, plain(self.model)),
            (super::SESSION_KEY, plain(self.session)),
            (super::TASK_KEY, plain(self.task)),
        ];
        lines.into_iter().filter_map(|(key, value)| Some(format!("{key}: {}\n", value?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_one_encoding() {
        let value = SealValue { change: Digest::of(b"a"), message: Digest::of(b"b"), signature: vec![1, 2, 3, 4] };
        let line = seal_line(&value);
        let text = line.strip_prefix("Countersign-Seal: ").unwrap().strip_suffix('\n').unwrap();
        assert_eq!(parse_seal_value(text.as_bytes()), Ok(value));
        for bad in [
            text.replace("v1", "v2"),
            text.replacen(' ', "  ", 1),
            format!("{text} "),
            format!("{text} x"),
            text.trim_end_matches('=').to_owned(),
            text.replace("AQIDBA==", "AQIDBB=="),
            text.replace("AQIDBA==", ""),
            text.to_uppercase(),
        ] {
            assert_eq!(parse_seal_value(bad.as_bytes()), Err(SealError::Shape), "{bad}");
        }
        let huge = format!("{}{}", text, "A".repeat(limits::SIGNATURE_BYTES * 2));
        assert_eq!(parse_seal_value(huge.as_bytes()), Err(SealError::TooLarge));
    }

    #[test]
    fn free_values_are_short_and_printable() {
        assert_eq!(plain_value(b"claude opus 4.5"), Some("claude opus 4.5"));
        for bad in ["", " x", "x ", "x\ty", "x\ny", "\u{e4}", &"x".repeat(101)] {
            assert_eq!(plain_value(bad.as_bytes()), None, "{bad:?}");
        }
    }
}
