//! Hostile bytes made harmless for a terminal, a log or a model: one line, and nothing that moves, hides or reorders text. Whoever
//! prints escapes, once; what is printed is kept as it stands until then.

/// The characters that a reader's screen can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Characters {
    /// Printable ASCII.
    Ascii,
    /// Whatever Unicode calls printable.
    Unicode,
}

impl Characters {
    /// Prints bytes. Control bytes and broken UTF-8 become `\xNN`, characters that are not shown as they are `\u{NNNN}`, a
    /// backslash two. At most `limit` characters of input are shown, a broken byte being one.
    pub fn escape(self, bytes: &[u8], limit: usize) -> String {
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
                    _ if self == Self::Unicode && is_printable(character) => shown.push(character),
                    _ => shown.push_str(&format!("\\u{{{:x}}}", u32::from(character))),
                }
            }
            for byte in chunk.invalid() {
                if count == limit {
                    shown.push_str("...");
                    return shown;
                }
                count += 1;
                shown.push_str(&format!("\\x{byte:02x}"));
            }
        }
        shown
    }
}

/// Prints bytes as ASCII: for a pusher, whose screen the server does not know, for logs and for models.
pub fn escape(bytes: &[u8], limit: usize) -> String {
    Characters::Ascii.escape(bytes, limit)
}

/// Text as a word of sh, in quotes where it needs them: for a command to be pasted. Quotes take the place of backslashes, which are
/// escaped where this is printed. The crate shlex is not asked: it writes `"it's"`, in double quotes, and hints are text that is compared.
pub fn word(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+@%:,".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\"'\"'"))
    }
}

/// Text for a format that has escapes of its own, such as JSON. Only bytes that are no UTF-8 are written as `\xNN`: no text can
/// hold them. At most `limit` characters are kept.
pub fn unescaped(bytes: &[u8], limit: usize) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        chunk.invalid().iter().for_each(|byte| text.push_str(&format!("\\x{byte:02x}")));
    }
    match text.char_indices().nth(limit) {
        Some((end, _)) => text.get(..end).unwrap_or_default().to_owned() + "...",
        None => text,
    }
}

/// Whether a character stands on a line as something to see, and leaves the order of others alone. The standard library's table
/// of what need not be escaped leaves out control, format (those that reorder or join), private and unassigned characters, line
/// ends and all spaces but the one of ASCII.
fn is_printable(character: char) -> bool {
    // An accent is looked at where it belongs, after a letter.
    let mut text = String::from('a');
    text.push(character);
    let is_shown = text.escape_debug().nth(1) == Some(character);
    is_shown && !is_blank(character)
}

/// Characters that the table has for letters or accents, and that show nothing (Default_Ignorable_Code_Point of Unicode's
/// DerivedCoreProperties.txt, and the empty pattern of Braille).
fn is_blank(character: char) -> bool {
    matches!(
        character,
        '\u{34f}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{ffa0}'
            | '\u{e0000}'..='\u{e0fff}'
    )
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
            ("\u{1f916}".as_bytes(), "\\u{1f916}"),
        ] {
            assert_eq!(escape(bytes, 80), shown);
        }
        assert_eq!(escape(b"abcdef", 3), "abc...");
        assert_eq!(escape(b"\xff\xfe\xfd\xfc", 3), "\\xff\\xfe\\xfd...");
        assert_eq!(escape(b"\xff\xfe\xfd", 3), "\\xff\\xfe\\xfd");
    }

    #[test]
    fn a_screen_that_can_shows_letters_and_never_what_moves_or_hides_text() {
        let shown = |text: &str| Characters::Unicode.escape(text.as_bytes(), 80);
        for plain in
            ["\u{e4}\u{df}", "\u{1f916} Generated", "\u{30c6}\u{30b9}\u{30c8}", "e\u{301}", "\u{939}\u{93f}", "\u{5d0}"]
        {
            assert_eq!(shown(plain), plain);
        }
        let hostile = "\u{0}\u{7}\u{1b}\u{7f}\u{85}\u{9b}\u{a0}\u{ad}\u{34f}\u{61c}\u{115f}\u{180e}\u{200b}\u{200d}\u{200f}\u{2028}\u{202e}\
                       \u{2060}\u{2066}\u{2800}\u{3000}\u{3164}\u{e000}\u{fe0f}\u{feff}\u{ffa0}\u{fff9}\u{e0041}\u{10ffff}";
        for character in hostile.chars() {
            let code = u32::from(character);
            let escaped = if code < 0x80 { format!("\\x{code:02x}") } else { format!("\\u{{{code:x}}}") };
            assert_eq!(shown(&format!("a{character}b")), format!("a{escaped}b"));
        }
        assert_eq!(Characters::Unicode.escape(b"\xe4\\", 80), "\\xe4\\\\");
    }

    #[test]
    fn text_for_programs_is_escaped_by_their_format() {
        assert_eq!(unescaped("\u{1f916} \u{202e}\\\n".as_bytes(), 80), "\u{1f916} \u{202e}\\\n");
        assert_eq!(unescaped(b"\xffabc\xe4", 80), "\\xffabc\\xe4");
        assert_eq!(unescaped("\u{e4}\u{e4}\u{e4}".as_bytes(), 2), "\u{e4}\u{e4}...");
    }
}
