//! What a commit's `encoding` header names, and how its message and names read.
//!
//! The tables of the encodings that people wrote before UTF-8 are large, and one wrong entry would hide a mark: `encoding_rs` is
//! the library that browsers decode with, and it needs nothing of the machine. What it does not know, nobody here can read.

use encoding_rs::{Encoding, REPLACEMENT, UTF_8, UTF_16BE, UTF_16LE, X_USER_DEFINED};

/// How the bytes of a commit read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Charset {
    /// As they are.
    Utf8,
    /// In an encoding whose first half is ASCII, or that shifts out of ASCII.
    Other(&'static Encoding),
    /// In one that shows another text than its bytes seem to (UTF-7, UTF-16), or that nobody here knows.
    Unknown,
}

/// Names of encodings that iconv(3) takes, with which git converts, and that the standard which the library follows
/// (encoding.spec.whatwg.org) does not list.
const ALIASES: &[(&str, &str)] = &[
    // Git's own (utf8.c, fallback_encoding).
    ("latin-1", "iso-8859-1"),
    ("latin-2", "iso-8859-2"),
    ("latin-9", "iso-8859-15"),
    ("latin9", "iso-8859-15"),
    ("646", "us-ascii"),
    ("ansi-x3.4-1986", "us-ascii"),
    ("cp932", "shift_jis"),
    ("shiftjis", "shift_jis"),
    ("eucjp", "euc-jp"),
    ("ujis", "euc-jp"),
    ("cp51932", "euc-jp"),
    ("cp936", "gbk"),
    ("windows-936", "gbk"),
    ("euccn", "gbk"),
    ("euc-cn", "gbk"),
    ("cp54936", "gb18030"),
    ("cp949", "euc-kr"),
    ("uhc", "euc-kr"),
    ("euckr", "euc-kr"),
    ("cp950", "big5"),
    ("big-5", "big5"),
    ("bigfive", "big5"),
    ("koi8r", "koi8-r"),
    ("koi8u", "koi8-u"),
    ("tis620", "tis-620"),
    // Code pages of DOS: like the one that the library knows, each is ASCII in its first half, which is all that rows look at.
    ("cp437", "ibm866"),
    ("ibm437", "ibm866"),
    ("cp850", "ibm866"),
    ("ibm850", "ibm866"),
    ("cp852", "ibm866"),
    ("ibm852", "ibm866"),
    ("cp858", "ibm866"),
];

impl Charset {
    /// What the value of an `encoding` header names; without a header it is UTF-8.
    pub(super) fn of(header: Option<&[u8]>) -> Self {
        let Some(name) = header else { return Self::Utf8 };
        // iconv(3) takes options after two slashes.
        let name = name.windows(2).position(|pair| pair == b"//").and_then(|end| name.get(..end)).unwrap_or(name);
        let name = name.trim_ascii().to_ascii_lowercase();
        let hyphens: Vec<u8> = name.iter().map(|byte| if *byte == b'_' { b'-' } else { *byte }).collect();
        let alias = ALIASES.iter().find(|(alias, _)| alias.as_bytes() == hyphens).map(|(_, label)| label.as_bytes());
        let known =
            [Some(&*name), Some(&*hyphens), alias].into_iter().flatten().find_map(Encoding::for_label_no_replacement);
        match known {
            Some(utf8) if utf8 == UTF_8 => Self::Utf8,
            Some(other) if [REPLACEMENT, UTF_16BE, UTF_16LE, X_USER_DEFINED].contains(&other) => Self::Unknown,
            Some(other) => Self::Other(other),
            None => Self::Unknown,
        }
    }
}
