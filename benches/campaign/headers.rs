//! Commits and tags as bytes, odd ones among them.

use countersign::core::oid::{ObjectFormat, Oid};

use crate::message::Message;
use crate::random::Random;

/// The parts of a commit, before they are joined.
pub struct Parts {
    pub tree: String,
    pub parents: Vec<String>,
    author: Vec<u8>,
    committer: Vec<u8>,
    /// After the committer, each with its line feed.
    others: Vec<u8>,
    /// The empty line, or what stands there instead.
    divider: &'static [u8],
    pub message: Vec<u8>,
}

/// People as they call themselves.
const PEOPLE: [&str; 8] = [
    "Ann Example <ann@example.com>",
    "Bob <bob@x.dev>",
    "\u{c4}nn \u{1f980} <\u{e4}@x.dev>",
    "O'Neil-Ng the 3rd <o'neil+tag@sub.x.dev>",
    "a, b; c \"d\" (e) <x y>",
    "No Mail <>",
    "dependabot[bot] <49699333+dependabot[bot]@users.noreply.github.com>",
    "a b  c <a@b>",
];

/// The one encoding that commits name; every byte is a character of it.
pub const ENCODING: &str = "ISO-8859-1";

const ZONES: [&str; 6] = ["+0000", "+0530", "-0000", "-1130", "+1400", "-0700"];

impl Parts {
    pub fn new(tree: Oid, parents: &[Oid], date: u64, message: &Message, random: &mut Random) -> Self {
        let mut person = |date| format!("{} {date} {}", random.pick(&PEOPLE), random.pick(&ZONES)).into_bytes();
        Self {
            tree: tree.to_string(),
            parents: parents.iter().map(Oid::to_string).collect(),
            author: person(date.saturating_sub(60)),
            committer: person(date),
            others: Vec::new(),
            divider: b"\n",
            message: message.bytes.clone(),
        }
    }

    /// Headers that other tools write, and no reader stumbles over.
    pub fn decorate(&mut self, format: ObjectFormat, random: &mut Random) {
        match random.below(12) {
            0 => self.others.extend(format!("encoding {ENCODING}\n").into_bytes()),
            1 => self.others.extend_from_slice(b"change-id kmkrlqyoxsnzv\n"),
            2 => self.others.extend_from_slice(b"HG:extra rebase_source:1\n"),
            3 => {
                let armor = "-----BEGIN SSH SIGNATURE-----\n AAAA\n -----END SSH SIGNATURE-----\n";
                self.others.extend(format!("{} {armor}", format.signature_header()).into_bytes());
            }
            4 if self.parents.len() > 1 => {
                let id = self.parents[1].clone();
                let tag = format!("mergetag object {id}\n type commit\n tag v1\n tagger A <a@b> 1 +0000\n \n m\n");
                self.others.extend(tag.repeat(1 + random.below(2)).into_bytes());
            }
            _ => {}
        }
    }

    pub fn raw(&self) -> Vec<u8> {
        let mut raw = format!("tree {}\n", self.tree).into_bytes();
        for parent in &self.parents {
            raw.extend(format!("parent {parent}\n").into_bytes());
        }
        for (name, value) in [(&b"author "[..], &self.author), (b"committer ", &self.committer)] {
            if !value.is_empty() {
                raw.extend([name, value, b"\n"].concat());
            }
        }
        raw.extend([&self.others[..], self.divider, &self.message].concat());
        raw
    }
}

type Distort = fn(&mut Parts);

/// What may be odd about a commit, and how it is made so. All of it is stored by git, and read by git somehow.
pub const ODD: [(&str, Distort); 40] = [
    ("a zone of six digits", |parts| parts.zone("+051800")),
    ("a zone of three digits", |parts| parts.zone("+530")),
    ("a zone without sign", |parts| parts.zone("0530")),
    ("a zone beyond a day", |parts| parts.zone("-7700")),
    ("no zone", |parts| parts.zone("")),
    ("a date with a leading zero", |parts| parts.date("01700000000")),
    ("a date before 1970", |parts| parts.date("-100")),
    ("a date beyond 64 bits", |parts| parts.date("99999999999999999999")),
    ("a date far ahead", |parts| parts.date("18446744073709551615")),
    ("a date that is none", |parts| parts.date("yesterday")),
    ("no date", |parts| parts.author = b"Ann <ann@x.dev>".to_vec()),
    ("no email", |parts| parts.author = b"Ann 1700000000 +0000".to_vec()),
    ("no name", |parts| parts.author = b"<ann@x.dev> 1700000000 +0000".to_vec()),
    ("no space before the email", |parts| parts.author = b"Ann<ann@x.dev> 1700000000 +0000".to_vec()),
    ("two emails", |parts| parts.author = b"Ann <a@x.dev> <b@x.dev> 1700000000 +0000".to_vec()),
    ("an open email", |parts| parts.author = b"Ann <ann@x.dev 1700000000 +0000".to_vec()),
    ("brackets in a name", |parts| parts.author = b"A>nn <ann@x.dev> 1700000000 +0000".to_vec()),
    ("brackets in an email", |parts| parts.author = b"Ann <an<n@x.dev> 1700000000 +0000".to_vec()),
    ("a tab in a name", |parts| parts.author = b"An\tn <ann@x.dev> 1700000000 +0000".to_vec()),
    ("a CR after the author", |parts| parts.author.push(b'\r')),
    ("a space after the author", |parts| parts.author.push(b' ')),
    ("spaces around a name", |parts| parts.author = b"  Ann  <ann@x.dev> 1700000000 +0000".to_vec()),
    ("punctuation around a name", |parts| parts.author = b"Ann Jr. <ann@x.dev> 1700000000 +0000".to_vec()),
    ("bytes that are no UTF-8", |parts| parts.author = b"J\xf6rg <j\xf6@x.dev> 1700000000 +0000".to_vec()),
    ("no author", |parts| parts.author.clear()),
    ("no committer", |parts| parts.committer.clear()),
    ("the author twice", |parts| parts.author.extend_from_slice(b"\nauthor Eve <eve@x.dev> 1 +0000")),
    ("the committer twice", |parts| parts.committer.extend_from_slice(b"\ncommitter Eve <eve@x.dev> 1 +0000")),
    ("the tree twice", |parts| parts.tree = format!("{0}\ntree {0}", parts.tree)),
    ("a parent after the author", |parts| {
        let id = parts.parents.first().unwrap_or(&parts.tree);
        parts.author.extend(format!("\nparent {id}").into_bytes());
    }),
    ("the encoding twice", |parts| parts.others = b"encoding latin-1\nencoding UTF-8\n".to_vec()),
    ("an encoding behind another header", |parts| {
        parts.others = format!("x y\nencoding {ENCODING}\n").into_bytes();
    }),
    ("an unknown header twice", |parts| parts.others = b"HG:extra a\nHG:extra b\n".to_vec()),
    ("a header without value", |parts| parts.others = b"nothing\n".to_vec()),
    ("a header with a strange name", |parts| parts.others = b"na(me x\n".to_vec()),
    ("a signature twice", |parts| parts.others = b"gpgsig a\ngpgsig b\n".to_vec()),
    ("a header like a signature", |parts| parts.others = b"gpgsigX a\n".to_vec()),
    ("a NUL in the message", |parts| parts.message.extend_from_slice(b"a\0b\n")),
    ("no empty line", |parts| {
        parts.divider = b"";
        parts.message.clear();
    }),
    ("a CR on the empty line", |parts| parts.divider = b"\r\n"),
];

impl Parts {
    fn zone(&mut self, zone: &str) {
        self.author = format!("Ann <ann@x.dev> 1700000000 {zone}").into_bytes();
    }

    fn date(&mut self, date: &str) {
        self.author = format!("Ann <ann@x.dev> {date} +0000").into_bytes();
    }
}

/// The bytes of a tag, from the id of what it points at.
type Write = fn(&str) -> String;

/// What may be odd about a tag, and its bytes: first what is not.
pub const TAGS: [(&str, Write); 9] = [
    ("plain", |id| tag(id, "tagger Ann <ann@x.dev> 1700000000 +0100\n", "\nOne\n\nand two\n")),
    ("signed", |id| {
        let armor = "-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n";
        tag(id, "tagger Ann <ann@x.dev> 1700000000 +0100\n", &format!("\nOne\n{armor}"))
    }),
    ("without message", |id| tag(id, "tagger Ann <ann@x.dev> 1700000000 +0100\n", "\n")),
    ("without tagger", |id| tag(id, "", "\nOne\n")),
    ("with two taggers", |id| tag(id, "tagger A <a@b> 1 +0000\ntagger B <b@b> 1 +0000\n", "\nOne\n")),
    ("with another header", |id| tag(id, "tagger A <a@b> 1 +0000\nx y\n", "\nOne\n")),
    ("with a zone of six digits", |id| tag(id, "tagger A <a@b> 1 +051800\n", "\nOne\n")),
    ("with two signatures", |id| {
        let armor = "-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n";
        tag(id, "tagger Ann <ann@x.dev> 1700000000 +0100\n", &format!("\nOne\n{armor}{armor}"))
    }),
    ("with a CR", |id| tag(id, "tagger Ann <ann@x.dev> 1700000000 +0100\n", "\nOne\r\n")),
];

fn tag(id: &str, tagger: &str, rest: &str) -> String {
    format!("object {id}\ntype commit\ntag v1\n{tagger}{rest}")
}
