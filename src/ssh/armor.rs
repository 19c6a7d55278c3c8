//! The text form of SSHSIG, exactly as `ssh-keygen -Y sign` writes it.

use base64ct::{Base64, Encoding as _};

use crate::limits;

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
pub(super) fn dearmor(text: &[u8]) -> Option<Vec<u8>> {
    if text.len() > limits::SIGNATURE_BYTES * 2 {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?;
    let body = text.strip_suffix('\n').unwrap_or(text).strip_prefix(BEGIN)?.strip_suffix(END)?;
    let blob = Base64::decode_vec(&body.replace('\n', "")).ok()?;
    let canonical = armor(&blob);
    (canonical == text || canonical.strip_suffix('\n') == Some(text)).then_some(blob)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_it_reads_at_every_length() {
        for length in [1, 2, 3, 51, 52, 53, 104, 105, 106, 1000] {
            let blob = vec![0xa5; length];
            let text = armor(&blob);
            assert_eq!(dearmor(text.as_bytes()).as_deref(), Some(blob.as_slice()), "{length}");
            assert_eq!(dearmor(text.trim_end().as_bytes()), Some(blob), "{length}");
        }
    }

    #[test]
    fn there_is_no_other_text_for_a_signature() {
        let text = armor(&[0xa5; 100]);
        let body = Base64::encode_string(&[0xa5; 100]);
        let (first, second) = body.split_at(WIDTH);
        assert_eq!(text, format!("{BEGIN}{first}\n{second}\n{END}\n"));
        // 100 bytes end in one byte of which base64 keeps two characters, the second with four unused bits.
        let stray_bits = text.replace("pQ==", "pR==");
        assert_ne!(stray_bits, text);
        let variants = [
            format!("x\n{text}"),
            format!("\n{text}"),
            format!(" {text}"),
            format!("{text}x"),
            format!("{text}\n"),
            format!("{text}{text}"),
            text.replace('\n', "\r\n"),
            text.replace('\n', ""),
            text.replace(END, &format!("{END} ")),
            text.replace("SSH SIGNATURE", "PGP SIGNATURE"),
            text.replace("=\n", "=\n\n"),
            format!("{BEGIN}\n{first}\n{second}\n{END}\n"),
            format!("{BEGIN}{first}{second}\n{END}\n"),
            format!("{BEGIN}{first} \n{second}\n{END}\n"),
            format!("{BEGIN}{first}\n{second}{END}\n"),
            format!("{BEGIN}{}\n{}\n{END}\n", &body[..64], &body[64..]),
            format!("{BEGIN}{}\n{}\n{END}\n", &body[..76], &body[76..]),
            format!("{BEGIN}{first}\n{}\n{END}\n", second.trim_end_matches('=')),
            format!("{BEGIN}{first}\n{second}=\n{END}\n"),
            format!("{BEGIN}{first}\nComment: x\n{second}\n{END}\n"),
            stray_bits,
            BEGIN.to_owned(),
            format!("{BEGIN}{END}\n"),
            String::new(),
        ];
        for variant in variants {
            assert_eq!(dearmor(variant.as_bytes()), None, "{variant}");
        }
        assert_eq!(dearmor(b"\xff"), None);
        assert_eq!(dearmor(armor(&vec![0; limits::SIGNATURE_BYTES * 2]).as_bytes()), None);
    }
}
