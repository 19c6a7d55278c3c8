//! The text form of SSHSIG: written as `ssh-keygen -Y sign` writes it, read as `ssh-keygen -Y verify` reads it.
//!
//! Signers other than ssh-keygen break the lines elsewhere: PROTOCOL.sshsig says 76 characters, Go's encoding/pem makes 64, and
//! Windows ends them with CR LF. Of all of these there is one reading, and nothing hangs on which it was: a signature is known
//! by its binary form. Text after the last line is another matter. ssh-keygen passes over it, and whoever adds it there makes
//! another object with the same signature and words of his own in it.

use base64ct::{Base64, Encoding as _};
use thiserror::Error;

use crate::core::limits;

const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";
const END: &str = "-----END SSH SIGNATURE-----";

/// Characters of base64 per line.
const WIDTH: usize = 70;

/// Why a text is not that of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ArmorError {
    /// Longer than twice [`limits::SIGNATURE_BYTES`].
    #[error("its armor is larger than {} bytes", limits::SIGNATURE_BYTES * 2)]
    TooLarge,
    /// The first line is another.
    #[error("its first line is not {BEGIN}")]
    Begin,
    /// There is no last line, or it does not begin a line.
    #[error("it has no line {END}")]
    End,
    /// More than white space follows the last line.
    #[error("text follows its last line")]
    After,
    /// What stands between is not base64 with its padding.
    #[error("what stands between its first and last line is not base64 with its padding")]
    Base64,
}

/// Writes a signature as text, with a line feed at its end.
pub fn armor(blob: &[u8]) -> String {
    let base64 = Base64::encode_string(blob);
    let mut text = format!("{BEGIN}\n");
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

/// Reads the text form back, whatever the width of its lines.
///
/// # Errors
/// [`ArmorError`] for what `ssh-keygen -Y verify` does not take, and for text after the last line.
pub fn dearmor(text: &[u8]) -> Result<Vec<u8>, ArmorError> {
    let (blob, after) = split(text)?;
    if after.iter().all(|byte| is_space(*byte)) { Ok(blob) } else { Err(ArmorError::After) }
}

/// The binary form, and what follows the last line.
pub(super) fn split(text: &[u8]) -> Result<(Vec<u8>, &[u8]), ArmorError> {
    if text.len() > limits::SIGNATURE_BYTES * 2 {
        return Err(ArmorError::TooLarge);
    }
    let rest = text.strip_prefix(BEGIN.as_bytes()).ok_or(ArmorError::Begin)?;
    // The line feed stays: it may be the one before the last line. OpenSSH before 9.6 takes no CR here, later ones do.
    let rest = rest.strip_prefix(b"\r").unwrap_or(rest);
    if !rest.starts_with(b"\n") {
        return Err(ArmorError::Begin);
    }
    let end = [b"\n", END.as_bytes()].concat();
    let place = rest.windows(end.len()).position(|window| window == end).ok_or(ArmorError::End)?;
    let (body, after) = rest.split_at_checked(place).ok_or(ArmorError::End)?;
    let base64: Vec<u8> = body.iter().copied().filter(|byte| !is_space(*byte)).collect();
    let base64 = std::str::from_utf8(&base64).map_err(|_| ArmorError::Base64)?;
    let blob = Base64::decode_vec(base64).map_err(|_| ArmorError::Base64)?;
    Ok((blob, after.get(end.len()..).unwrap_or_default()))
}

/// White space as C has it, which is what ssh-keygen passes over.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for length in 1..200 {
            let blob = vec![0x5a; length];
            let text = armor(&blob);
            assert_eq!(dearmor(text.as_bytes()), Ok(blob.clone()));
            assert_eq!(dearmor(text.trim_end().as_bytes()), Ok(blob), "git drops the last line feed");
        }
    }

    #[test]
    fn every_other_armor_has_its_reason() {
        let blob = vec![7; 100];
        let good = armor(&blob);
        let split_mark = |text: &str| text.replacen("-----END", "-----\nEND", 1);
        for (name, text, read) in [
            ("one long line", good.replacen("BwcHBw\n", "BwcHBw", 1), Ok(())),
            ("short line", good.replacen("BwcH", "Bw\ncH", 1), Ok(())),
            ("blank lines", good.replacen('\n', "\n\n\n", 1).replacen("\n-----E", "\n\n-----E", 1), Ok(())),
            ("crlf", good.replace('\n', "\r\n"), Ok(())),
            ("one crlf", good.replacen("-\n", "-\r\n", 1), Ok(())),
            (
                "spaces and tabs",
                good.replacen("BwcH", " Bw\t\x0b\x0c cH", 1).replacen("\n-----E", " \n-----E", 1),
                Ok(()),
            ),
            ("blank after", format!("{good}\r\n \t\n"), Ok(())),
            ("split padding", good.replacen("==", "=\n=", 1), Ok(())),
            ("text after", format!("{good}x"), Err(ArmorError::After)),
            ("text on the last line", good.trim_end().to_owned() + "x\n", Err(ArmorError::After)),
            ("twice", format!("{good}{good}"), Err(ArmorError::After)),
            ("text before", format!("x{good}"), Err(ArmorError::Begin)),
            ("line feed before", format!("\n{good}"), Err(ArmorError::Begin)),
            ("base64 on the first line", good.replacen("-\nBw", "-Bw", 1), Err(ArmorError::Begin)),
            ("a space on the first line", good.replacen("-\n", "- \n", 1), Err(ArmorError::Begin)),
            ("a lone CR on the first line", good.replacen("-\nBw", "-\rBw", 1), Err(ArmorError::Begin)),
            ("pgp", good.replace("SSH", "PGP"), Err(ArmorError::Begin)),
            ("lower case", good.to_lowercase(), Err(ArmorError::Begin)),
            ("empty", String::new(), Err(ArmorError::Begin)),
            ("first line alone", format!("{BEGIN}\n"), Err(ArmorError::End)),
            ("cut", good[..good.len() - 10].to_owned(), Err(ArmorError::End)),
            ("last line not a line", good.replacen("\n-----E", "-----E", 1), Err(ArmorError::End)),
            ("last line after a CR", good.replacen("\n-----E", "\r-----E", 1), Err(ArmorError::End)),
            ("last line broken", split_mark(&good), Err(ArmorError::End)),
            ("no padding", good.replace('=', ""), Err(ArmorError::Base64)),
            ("more padding", good.replacen("==", "===", 1), Err(ArmorError::Base64)),
            ("loose bits", good.replacen("Bw==", "Bx==", 1), Err(ArmorError::Base64)),
            ("URL alphabet", good.replacen("Bw", "-_", 1), Err(ArmorError::Base64)),
            ("NUL", good.replacen("BwcH", "Bw\0cH", 1), Err(ArmorError::Base64)),
            ("no-break space", good.replacen("BwcH", "Bw\u{a0}cH", 1), Err(ArmorError::Base64)),
            ("headers, as PGP has them", good.replacen('\n', "\nVersion: 1\n\n", 1), Err(ArmorError::Base64)),
            ("long", "A".repeat(limits::SIGNATURE_BYTES * 2 + 1), Err(ArmorError::TooLarge)),
        ] {
            assert_ne!(text, good, "{name} changes nothing");
            assert_eq!(dearmor(text.as_bytes()), read.map(|()| blob.clone()), "{name}");
        }
        assert_eq!(dearmor(format!("{BEGIN}\n{END}\n").as_bytes()), Ok(Vec::new()), "no signature, but an armor");
    }
}
