//! Hostile bytes made harmless for a terminal, a log or a model: plain ASCII, one line.

/// Prints bytes as ASCII. Everything else is escaped: control bytes and broken UTF-8 as `\xNN`, other characters (among them
/// those that reorder text) as `\u{NNNN}`, a backslash as two. At most `limit` characters of input are shown, a broken byte being
/// one.
pub fn escape(bytes: &[u8], limit: usize) -> String {
    let characters = bytes
        .utf8_chunks()
        .flat_map(|chunk| chunk.valid().chars().map(Ok).chain(chunk.invalid().iter().map(|byte| Err(*byte))));
    let mut shown = String::new();
    for (count, character) in characters.enumerate() {
        if count == limit {
            shown.push_str("...");
            break;
        }
        match character {
            Ok('\\') => shown.push_str("\\\\"),
            Ok(plain @ ' '..='~') => shown.push(plain),
            Ok(control @ '\0'..='\u{7f}') => shown.push_str(&format!("\\x{:02x}", u32::from(control))),
            Ok(other) => shown.push_str(&format!("\\u{{{:x}}}", u32::from(other))),
            Err(broken) => shown.push_str(&format!("\\x{broken:02x}")),
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
        assert_eq!(escape(b"\xff\xfe\xfd\xfc", 3), "\\xff\\xfe\\xfd...");
        assert_eq!(escape(b"\xff\xfe\xfd", 3), "\\xff\\xfe\\xfd");
    }
}
