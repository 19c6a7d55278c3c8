//! The value of an author, committer or tagger header.

use super::headers::{Header, Malformed};
use crate::core::marks::{Mark, MarkSearch, MarkSource};

/// `name <email> seconds zone`, each part as raw bytes. The name may be empty, the email too.
///
/// Who wrote the commit chose the date, so it is no basis for a decision and nothing here reads it: dates before 1970, zones of
/// five digits and dates that are missing stand in old histories, and make no difference. Names and emails do: they are read
/// as git reads them (ident.c, split_ident_line), and where an ident has more than one pair of brackets, of which readers take
/// one or another, [`Ident::marks`] and [`Address::is`] look at all that stands in any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ident<'a> {
    /// The whole value as it stands in the object: what a seal binds. It holds no line feed.
    pub raw: &'a [u8],
    /// The name: what stands before the first `<`, without spaces at its end.
    pub name: &'a [u8],
    /// The email: what stands between the first `<` and the next `>`.
    pub email: &'a [u8],
}

/// Git's white space: what it drops at the end of a name.
const BLANK: &[u8] = b" \t\n\r";

impl<'a> Ident<'a> {
    /// Reads a header; `name` is the header's, for the error.
    pub(super) fn parse(header: &Header<'a>, name: &'static str) -> Result<Self, Malformed> {
        Self::read(header.line(name)?).ok_or(Malformed::Ident(name))
    }

    /// Reads a header of which nothing depends: where it has no email, all of it is the name.
    pub(super) fn parse_loosely(header: &Header<'a>, name: &'static str) -> Result<Self, Malformed> {
        let raw = header.line(name)?;
        Ok(Self::read(raw).unwrap_or(Self { raw, name: raw, email: b"" }))
    }

    /// `None` where git finds no email, or where others, who search from the end, find none.
    fn read(raw: &'a [u8]) -> Option<Self> {
        let (name, rest) = cut(raw, b'<')?;
        let (email, _) = cut(rest, b'>')?;
        let last = |wanted: u8| raw.iter().rposition(|byte| *byte == wanted);
        let end = name.iter().rposition(|byte| !BLANK.contains(byte)).map_or(0, |last| last + 1);
        (last(b'<') < last(b'>')).then_some(Self { raw, name: name.get(..end).unwrap_or(name), email })
    }

    /// What stands between its brackets.
    pub fn address(&self) -> Address {
        let Some((_, rest)) = cut(self.raw, b'<') else { return Address::default() };
        let end = rest.iter().rposition(|byte| *byte == b'>').unwrap_or(rest.len());
        Address(rest.get(..end).unwrap_or(rest).to_vec())
    }

    /// The marks of AI agents in this author and in a message of this encoding, whichever way the author is read.
    pub fn marks(&self, search: &MarkSearch<'_>, message: &[u8], encoding: Option<&[u8]>) -> Vec<Mark> {
        let own = MarkSource { author_name: self.name, author_email: self.email, message, encoding };
        let mut marks = search.find(&own);
        let address = self.address();
        for email in address.readings().filter(|email| *email != self.email) {
            marks.extend(search.find(&MarkSource { author_name: b"", author_email: email, message: b"", ..own }));
        }
        marks
    }
}

/// What stands between the angle brackets of an ident, from the first `<` to the last `>`: one email, or where there are more
/// brackets, whatever the one or the other reader takes for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Address(Vec<u8>);

impl Address {
    /// Whether some reader takes it for this email. Case and white space around it make no difference.
    pub fn is(&self, email: &str) -> bool {
        self.readings().any(|reading| reading.eq_ignore_ascii_case(email.as_bytes()))
    }

    /// The bytes, for a message.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn readings(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|byte| matches!(byte, b'<' | b'>')).map(<[u8]>::trim_ascii)
    }
}

impl From<&[u8]> for Address {
    fn from(email: &[u8]) -> Self {
        Self(email.to_vec())
    }
}

/// What stands before a byte and after it.
fn cut(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let place = text.iter().position(|byte| *byte == at)?;
    Some((text.get(..place)?, text.get(place + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::marks::Catalogue;

    fn read(raw: &str) -> Option<(String, String)> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Ident::read(raw.as_bytes()).map(|ident| (text(ident.name), text(ident.email)))
    }

    #[test]
    fn names_and_emails_are_read_as_git_reads_them() {
        for (raw, name, email) in [
            ("Ann B <ann@x.dev> 1700000000 +0100", "Ann B", "ann@x.dev"),
            ("<a@b> 0 +0000", "", "a@b"),
            (" <> 0 -0000", "", ""),
            ("Ng\tAnn <ann@x.dev> 0 +0000", "Ng\tAnn", "ann@x.dev"),
            ("J\rN\x1b <ann@x.dev> 0 +0000\r", "J\rN\x1b", "ann@x.dev"),
            ("Ann<ann@x.dev> 0 +0000", "Ann", "ann@x.dev"),
            ("Ann  \t<ann@x.dev> 0 +0000", "Ann", "ann@x.dev"),
            ("Ann > <ann@x.dev> 0 +0000", "Ann >", "ann@x.dev"),
            // Dates that nobody asks for.
            ("Ann <ann@x.dev> 1313584730 +051800", "Ann", "ann@x.dev"),
            ("Ann <ann@x.dev> 0 +00000", "Ann", "ann@x.dev"),
            ("Ann <ann@x.dev> -1 +0000", "Ann", "ann@x.dev"),
            ("Ann <ann@x.dev> 01 0", "Ann", "ann@x.dev"),
            ("Ann <ann@x.dev> 99999999999999999999 +0000", "Ann", "ann@x.dev"),
            ("Ann <ann@x.dev>0 +0000", "Ann", "ann@x.dev"),
            ("Ann <ann@x.dev>", "Ann", "ann@x.dev"),
            // More than one pair of brackets: as git, and see the next test.
            ("Ann <a@x> <b@x> 0 +0000", "Ann", "a@x"),
            ("Ann <a@x <b@x> 0 +0000", "Ann", "a@x <b@x"),
            ("Ann <<a@x>> 0 +0000", "Ann", "<a@x"),
        ] {
            assert_eq!(read(raw), Some((name.to_owned(), email.to_owned())), "{raw:?}");
        }
        for bad in ["", "Ann", "Ann ann@x.dev 0 +0000", "Ann > ann@x.dev < 0", "Ann <ann@x.dev 0", "A <a@x> 0 <"] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn whatever_a_reader_takes_for_the_email_counts() {
        for (raw, is, is_not) in [
            ("Ann <ann@x.dev> 0 +0000", &["ann@x.dev", "ANN@x.dev"][..], "nn@x.dev"),
            ("Ann < ann@x.dev > 0 +0000", &["ann@x.dev"], "ann"),
            ("Ann <a@x> <b@x> 0 +0000", &["a@x", "b@x"], "a@x> <b@x"),
            ("Ann <a@x <b@x> 0 +0000", &["a@x", "b@x"], "Ann"),
            ("Ann <<a@x>> 0 +0000", &["a@x"], "Ann"),
        ] {
            let address = Ident::read(raw.as_bytes()).unwrap().address();
            assert!(is.iter().all(|email| address.is(email)), "{raw:?}");
            assert!(!address.is(is_not), "{raw:?}");
        }
    }

    #[test]
    fn a_mark_is_found_whichever_way_the_author_is_read() {
        for (raw, marked) in [
            ("Ann <ann@x.dev> 0 +0000", false),
            ("Claude <noreply@anthropic.com> 0 +0000", true),
            ("Ann <ann@x.dev> <noreply@anthropic.com> 0 +0000", true),
            ("Ann <noreply@anthropic.com> <ann@x.dev> 0 +0000", true),
            ("Ann <ann@x.dev <noreply@anthropic.com> 0 +051800", true),
            ("Ann <<noreply@anthropic.com>> 0 +0000", true),
        ] {
            let ident = Ident::read(raw.as_bytes()).unwrap();
            let search = MarkSearch::new(Catalogue::builtin());
            assert_eq!(!ident.marks(&search, b"Work\n", None).is_empty(), marked, "{raw}");
        }
    }
}
