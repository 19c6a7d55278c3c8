//! The text form of SSHSIG, exactly as `ssh-keygen -Y sign` writes it.

use base64ct::{Base64, Encoding as _};

use crate::core::limits;

const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----\n";
const END: &str = "-----END SSH SIGNATURE-----";

/// Characters of base64 per line.
const WIDTH: usize = 70;

/// Writes a signature as text, with a line feed at its end.
pub fn armor(blob: &[u8]) -> String {
    let base64 = Base64::encode_string(blob);
    let mut text = BEGIN.to_owned();
    for (position, character) in base64.chars().enumerate() {
        if position > 0 && position % WIDTH == 0 {
            text.push('\n');
        }
        text.push(character);
    }
    text.push('\n');
    text.push_str(END);
    text.push('\n');
    text
}

/// Reads the text form back. Only the text that [`armor`] writes is accepted, with or without its last line feed.
pub fn dearmor(text: &[u8]) -> Option<Vec<u8>> {
    if text.len() > limits::SIGNATURE_BYTES * 2 {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?;
    let body = text.strip_suffix('\n').unwrap_or(text).strip_prefix(BEGIN)?.strip_suffix(END)?;
    let blob = Base64::decode_vec(&body.replace('\n', "")).ok()?;
    let canonical = armor(&blob);
    (canonical == text || canonical.strip_suffix('\n') == Some(text)).then_some(blob)
}
