//! Hostile bytes made harmless for a terminal, a log or a model: plain ASCII, one line.

/// Prints bytes as ASCII. Everything else is escaped: control bytes and broken UTF-8 as `\xNN`, other characters (among them
/// those that reorder text) as `\u{NNNN}`, a backslash as two. At most `limit` characters of input are shown.
pub fn escape(bytes: &[u8], limit: usize) -> String {
    let mut shown = String::new();
    let mut count = 0;
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if count == limit {
                shown.push_str("...");
                return shown;
            }
            count += 1;
            match character {
                '\\' => shown.push_str("\\\\"),
                ' '..='~' => shown.push(character),
                '\0'..='\u{7f}' => shown.push_str(&format!("\\x{:02x}", u32::from(character))),
                _ => shown.push_str(&format!("\\u{{{:x}}}", u32::from(character))),
            }
        }
        for byte in chunk.invalid() {
            shown.push_str(&format!("\\x{byte:02x}"));
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_plain_ascii_comes_out() {
        for (bytes, shown) in [
            (&b"plain text"[..], "plain text"),
            (b"\x1b[31mred\x07", "\\x1b[31mred\\x07"),
            (b"a\r\nb\tc", "a\\x0d\\x0ab\\x09c"),
            ("\u{202e}evil \u{e4}".as_bytes(), "\\u{202e}evil \\u{e4}"),
            (b"\xff\xfe", "\\xff\\xfe"),
            (b"back\\slash", "back\\\\slash"),
        ] {
            assert_eq!(escape(bytes, 80), shown);
        }
        assert_eq!(escape(b"abcdef", 3), "abc...");
    }
}
