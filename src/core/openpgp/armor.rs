//! The text form (RFC 9580, 6.2): one block, and nothing of a signer's own in it.

use base64ct::{Base64, Encoding as _};
use thiserror::Error;

/// Headers that a block may begin with. Nothing hangs on any of them.
const HEADERS: [&str; 5] = ["Charset", "Comment", "Hash", "MessageID", "Version"];

/// Why a text is not the block that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ArmorError {
    /// Longer than what it may hold.
    #[error("it is larger than {0} bytes")]
    TooLarge(usize),
    /// The first line is another.
    #[error("its first line is not -----BEGIN PGP {0}-----")]
    Begin(&'static str),
    /// A header that RFC 9580 does not name, or no empty line after the headers.
    #[error("its armor has a line that is neither a known header nor empty before the data")]
    Header,
    /// There is no last line.
    #[error("it has no line -----END PGP {0}-----")]
    End(&'static str),
    /// More than white space follows the last line.
    #[error("text follows its last line")]
    After,
    /// What stands between is not base64 with its padding.
    #[error("what stands between its first and last line is not base64 with its padding")]
    Base64,
    /// The checksum is another.
    #[error("its checksum does not match: it was changed on its way")]
    Checksum,
}

/// What a block holds: the words of its first and last line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Label(pub(super) &'static str);

pub(super) const SIGNATURE: Label = Label("SIGNATURE");
pub(super) const PUBLIC_KEY: Label = Label("PUBLIC KEY BLOCK");

/// Reads one block of at most `limit` bytes of text.
pub(super) fn dearmor(text: &[u8], label: Label, limit: usize) -> Result<Vec<u8>, ArmorError> {
    if text.len() > limit {
        return Err(ArmorError::TooLarge(limit));
    }
    let Label(words) = label;
    let (begin, end) = (format!("-----BEGIN PGP {words}-----"), format!("-----END PGP {words}-----"));
    let mut lines = text.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    if lines.next() != Some(begin.as_bytes()) {
        return Err(ArmorError::Begin(words));
    }
    loop {
        match lines.next() {
            Some(line) if line.iter().all(|byte| matches!(byte, b' ' | b'\t')) => break,
            Some(line) if is_header(line) => {}
            Some(_) | None => return Err(ArmorError::Header),
        }
    }
    let (mut base64, mut checksum) = (Vec::new(), None);
    loop {
        match lines.next() {
            Some(line) if line == end.as_bytes() => break,
            Some([b'=', rest @ ..]) if checksum.is_none() && rest.len() == 4 => checksum = Some(rest),
            Some(line) if checksum.is_none() => base64.extend_from_slice(line.trim_ascii_end()),
            Some(_) => return Err(ArmorError::Base64),
            None => return Err(ArmorError::End(words)),
        }
    }
    if !lines.all(|line| line.iter().all(u8::is_ascii_whitespace)) {
        return Err(ArmorError::After);
    }
    let data = decode(&base64)?;
    match checksum.map(decode).transpose()? {
        Some(written) if written != crc24(&data) => Err(ArmorError::Checksum),
        Some(_) | None => Ok(data),
    }
}

fn is_header(line: &[u8]) -> bool {
    let Some(colon) = line.windows(2).position(|pair| pair == b": ") else { return false };
    line.get(..colon).is_some_and(|name| HEADERS.iter().any(|known| known.as_bytes() == name))
}

fn decode(base64: &[u8]) -> Result<Vec<u8>, ArmorError> {
    let base64 = std::str::from_utf8(base64).map_err(|_| ArmorError::Base64)?;
    Base64::decode_vec(base64).map_err(|_| ArmorError::Base64)
}

/// The checksum of RFC 9580, 6.1.1.
pub(super) fn crc24(data: &[u8]) -> [u8; 3] {
    let crc = data.iter().fold(0x00b7_04ce_u32, |crc, byte| {
        let crc = crc ^ u32::from(*byte) << 16;
        (0..8).fold(crc, |crc, _| if crc & 0x0080_0000 == 0 { crc << 1 } else { crc << 1 ^ 0x0186_4cfb } & 0x00ff_ffff)
    });
    let [_, a, b, c] = crc.to_be_bytes();
    [a, b, c]
}
