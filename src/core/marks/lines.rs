//! How a message is read for marks: line by line, and trailers as git unfolds them (trailer.c of git 2.47).
//!
//! Git looks for trailers in the last paragraph only; squashes and forges leave them anywhere, so here every paragraph counts.
//! Each byte is told at most three times: within a trailer that git reads, within one that a squash indented, and in its line.

use std::borrow::Cow;

/// One thing that rows look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// The first line that is not blank.
    Subject(&'a [u8]),
    /// A line without the blanks around it.
    Line(&'a [u8]),
    /// A trailer on one line: `key:` and its value, without blanks before the colon and inside angle brackets.
    Trailer(Cow<'a, [u8]>),
}

/// Tells each piece of a message. Where it holds line ends that git takes for none and a terminal obeys, both readings are told.
pub(super) fn read<'a>(message: &'a [u8], tell: &mut dyn FnMut(Piece<'a>)) {
    let mut lines = message.split(|byte| *byte == b'\n');
    read_lines(&mut lines, tell);
    if has_bare_ends(message) {
        read_lines(&mut message.split(|byte| matches!(byte, b'\n' | b'\r' | b'\x0b' | b'\x0c')), tell);
    }
}

/// Whether a carriage return stands within a line, or a byte that moves a terminal down.
fn has_bare_ends(message: &[u8]) -> bool {
    let bare = |pair: &[u8]| pair.first() == Some(&b'\r') && pair.get(1) != Some(&b'\n');
    message.windows(2).any(bare) || message.iter().any(|byte| matches!(byte, b'\x0b' | b'\x0c'))
}

fn read_lines<'a>(lines: &mut dyn Iterator<Item = &'a [u8]>, tell: &mut dyn FnMut(Piece<'a>)) {
    let mut is_first = true;
    // What git reads begins at the start of a line and goes on in every line that begins with a blank; what a squash has
    // indented goes on in lines that are indented further.
    let (mut plain, mut indented) = (Unfolding::default(), Unfolding::default());
    for whole in lines {
        let text = without_written_ends(whole.trim_ascii());
        if text.is_empty() {
            plain.end(tell);
            indented.end(tell);
            continue;
        }
        if is_first {
            tell(Piece::Subject(text));
            is_first = false;
        }
        tell(Piece::Line(text));
        let indent = whole.iter().take_while(|byte| is_blank(**byte)).count();
        if indent == 0 {
            plain.end(tell);
            indented.end(tell);
            plain.begin(0, text);
        } else {
            plain.go_on(text);
            if indented.is_open_below(indent) {
                indented.go_on(text);
                // It may be one of its own as well.
                tell_trailer(Cow::Borrowed(text), tell);
            } else {
                indented.end(tell);
                indented.begin(indent, text);
            }
        }
    }
    plain.end(tell);
    indented.end(tell);
}

/// A trailer whose lines have not all been read.
#[derive(Default)]
struct Unfolding<'a> {
    indent: usize,
    text: Option<Cow<'a, [u8]>>,
}

impl<'a> Unfolding<'a> {
    fn begin(&mut self, indent: usize, text: &'a [u8]) {
        if key_length(text).is_some() {
            *self = Self { indent, text: Some(Cow::Borrowed(text)) };
        }
    }

    fn is_open_below(&self, indent: usize) -> bool {
        self.text.is_some() && self.indent < indent
    }

    /// Adds a line, with one space for the line end and the blanks after it, as git unfolds.
    fn go_on(&mut self, line: &[u8]) {
        if let Some(text) = &mut self.text {
            let text = text.to_mut();
            text.push(b' ');
            text.extend_from_slice(line);
        }
    }

    fn end(&mut self, tell: &mut dyn FnMut(Piece<'a>)) {
        if let Some(text) = self.text.take() {
            tell_trailer(text, tell);
        }
    }
}

/// Tells a trailer in the one form that rows are written for.
fn tell_trailer<'a>(text: Cow<'a, [u8]>, tell: &mut dyn FnMut(Piece<'a>)) {
    let Some((key, colon)) = key_length(&text) else { return };
    let padded = |pair: &[u8]| matches!(pair, [b'<', blank] | [blank, b'>'] if is_blank(*blank));
    if key == colon && !text.windows(2).any(padded) {
        return tell(Piece::Trailer(text));
    }
    let mut plain = Vec::with_capacity(text.len());
    plain.extend_from_slice(text.get(..key).unwrap_or_default());
    for byte in text.get(colon..).unwrap_or_default() {
        match byte {
            b'>' => plain.truncate(plain.trim_ascii_end().len()),
            blank if is_blank(*blank) && plain.last() == Some(&b'<') => continue,
            _ => {}
        }
        plain.push(*byte);
    }
    tell(Piece::Trailer(Cow::Owned(plain)));
}

/// Where the key of a trailer ends and where its colon stands: letters, digits and hyphens, then blanks, then a colon
/// (find_separator in trailer.c, with the separator that git has without configuration).
fn key_length(text: &[u8]) -> Option<(usize, usize)> {
    let key = text.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'-').count();
    let blanks = text.get(key..)?.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let colon = key.saturating_add(blanks);
    (key > 0 && text.get(colon) == Some(&b':')).then_some((key, colon))
}

/// Whether the value of a trailer says that there is nothing to say: `AI-Assisted: no`, or `agent-mode=no` among what it lists.
pub(super) fn is_denied(trailer: &[u8]) -> bool {
    let value = trailer.iter().position(|byte| *byte == b':').and_then(|colon| trailer.get(colon.saturating_add(1)..));
    let value = value.unwrap_or_default();
    let says_no = |value: &[u8]| {
        [&b"no"[..], b"none", b"false", b"n/a"].iter().any(|word| value.trim_ascii().eq_ignore_ascii_case(word))
    };
    let denies_agent = |part: &[u8]| {
        let mut sides = part.splitn(2, |byte| *byte == b'=');
        let key = sides.next().map(<[u8]>::trim_ascii);
        key.is_some_and(|key| key.eq_ignore_ascii_case(b"agent-mode")) && sides.next().is_some_and(says_no)
    };
    says_no(value) || value.split(|byte| matches!(byte, b';' | b',')).any(denies_agent)
}

/// What git's own `isspace` takes for a blank (git-compat-util.h).
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// The line without line ends before it that a program has written as the two characters `\n`.
fn without_written_ends(line: &[u8]) -> &[u8] {
    let mut line = line;
    while let Some(rest) = line.strip_prefix(br"\n") {
        line = rest.trim_ascii_start();
    }
    line
}
