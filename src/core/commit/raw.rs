//! Raw commit objects.

use super::headers::{Header, Malformed, split};
use super::ident::Ident;
use crate::core::limits;
use crate::core::oid::{ObjectFormat, Oid};

/// A commit with exactly one reading.
#[derive(Clone, Debug)]
pub struct Commit<'a> {
    /// The tree.
    pub tree: Oid,
    /// The parents in order, the first being the one git shows a commit's change against.
    pub parents: Vec<Oid>,
    /// Who the commit says wrote it: a claim.
    pub author: Ident<'a>,
    /// Who the commit says committed it: a claim.
    pub committer: Ident<'a>,
    /// What the commit says its message and idents are encoded in; UTF-8 where it says nothing.
    pub encoding: Option<&'a [u8]>,
    /// The signature header, unverified.
    pub signature: Option<RawSignature>,
    /// All bytes after the empty line that ends the headers.
    pub message: &'a [u8],
}

/// A signature header and what it signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawSignature {
    /// The header's value, unfolded: an armored SSHSIG, OpenPGP or X.509 signature.
    pub armor: Vec<u8>,
    /// The exact bytes the signer saw: the raw object without the signature header.
    pub payload: Vec<u8>,
}

impl<'a> Commit<'a> {
    /// Parses a raw commit object of a repository that uses `format`.
    ///
    /// # Errors
    /// [`Malformed`] for anything that two readers could understand differently. Headers that git does not know are
    /// accepted after the committer, as often as they come: hg-git writes one `HG:extra` for each that Mercurial had.
    pub fn parse(raw: &'a [u8], format: ObjectFormat) -> Result<Self, Malformed> {
        let (headers, message) = split(raw)?;
        let mut rest = headers.as_slice();
        let tree = required(&mut rest, "tree")?.oid(format, "tree")?;
        let mut parents = Vec::with_capacity(1);
        while let Some(parent) = optional(&mut rest, "parent") {
            parents.push(parent.oid(format, "parent")?);
            if parents.len() > limits::PARENTS {
                return Err(Malformed::TooManyParents);
            }
        }
        let author = Ident::parse(required(&mut rest, "author")?, "author")?;
        let committer = Ident::parse(required(&mut rest, "committer")?, "committer")?;
        let (encoding, signature) = once_each(raw, rest, format)?;
        Ok(Self { tree, parents, author, committer, encoding, signature, message })
    }
}

/// Whether a name in an `encoding` header or in git's configuration stands for UTF-8 (utf8.c, is_encoding_utf8).
pub fn names_utf8(encoding: &[u8]) -> bool {
    encoding.eq_ignore_ascii_case(b"utf-8") || encoding.eq_ignore_ascii_case(b"utf8")
}

impl Commit<'_> {
    /// The headers after the committer that are neither an encoding nor a signature, as they stand in `raw`, the object that
    /// this commit was parsed from.
    pub fn other_headers(&self, raw: &[u8]) -> Vec<u8> {
        let Ok((headers, _)) = split(raw) else { return Vec::new() };
        let known = |name: &[u8]| matches!(name, b"tree" | b"parent" | b"author" | b"committer" | b"encoding");
        let others = headers.iter().filter(|header| !known(header.name) && !header.name.starts_with(b"gpgsig"));
        others.flat_map(|header| raw.get(header.span.clone()).unwrap_or_default().to_vec()).collect()
    }
}

/// The encoding and the signature among the headers after the committer, wherever they stand there. Every other header may come
/// as often as it likes, but for those that belong above, and those that git takes for a signature and drops from what was
/// signed (commit.c: whatever begins with `gpgsig`).
fn once_each<'a>(
    raw: &[u8],
    rest: &[Header<'a>],
    format: ObjectFormat,
) -> Result<(Option<&'a [u8]>, Option<RawSignature>), Malformed> {
    let (mut encoding, mut signature) = (None, None);
    for header in rest {
        match header.name {
            b"tree" | b"parent" | b"author" | b"committer" => return Err(header.repeated()),
            b"encoding" => only(&mut encoding, header.line("encoding")?, header)?,
            name if name == format.signature_header().as_bytes() => {
                let (before, after) = (raw.get(..header.span.start), raw.get(header.span.end..));
                let payload = [before.unwrap_or_default(), after.unwrap_or_default()].concat();
                only(&mut signature, RawSignature { armor: header.unfolded(), payload }, header)?;
            }
            name if is_signature_like(name) => return Err(Malformed::ForeignSignature(header.display_name())),
            _ => {}
        }
    }
    Ok((encoding, signature))
}

/// Keeps the value of a header that stands once.
fn only<T>(kept: &mut Option<T>, value: T, header: &Header<'_>) -> Result<(), Malformed> {
    if kept.replace(value).is_none() { Ok(()) } else { Err(header.repeated()) }
}

/// Whether git, or a reader that folds case, takes a header for some signature.
pub(super) fn is_signature_like(name: &[u8]) -> bool {
    name.to_ascii_lowercase().starts_with(b"gpgsig")
}

pub(super) fn required<'h, 'a>(rest: &mut &'h [Header<'a>], name: &'static str) -> Result<&'h Header<'a>, Malformed> {
    optional(rest, name).ok_or(Malformed::Missing(name))
}

pub(super) fn optional<'h, 'a>(rest: &mut &'h [Header<'a>], name: &'static str) -> Option<&'h Header<'a>> {
    let (first, others) = rest.split_first()?;
    (first.name == name.as_bytes()).then(|| {
        *rest = others;
        first
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n";
    const PARENT: &str = "parent 3b18e512dba79e4c8300dd08aeb37f8e728b8dad\n";
    const AUTHOR: &str = "author Ann <ann@x.dev> 1700000000 +0000\n";
    const COMMITTER: &str = "committer Bob <bob@x.dev> 1700000001 +0000\n";
    const SIGNATURE: &str = "gpgsig -----BEGIN SSH SIGNATURE-----\n abc\n -----END SSH SIGNATURE-----\n";

    fn parse(parts: &[&str]) -> Result<Vec<u8>, Malformed> {
        let raw = parts.concat();
        Commit::parse(raw.as_bytes(), ObjectFormat::Sha1).map(|commit| commit.message.to_vec())
    }

    #[test]
    fn accepts_what_git_and_other_tools_write() {
        for headers in [
            &[TREE, AUTHOR, COMMITTER][..],
            &[TREE, PARENT, PARENT, AUTHOR, COMMITTER, "encoding latin-1\n"],
            &[TREE, PARENT, AUTHOR, COMMITTER, "change-id kmkrlqyoxs\n", SIGNATURE],
            &[
                TREE,
                PARENT,
                AUTHOR,
                COMMITTER,
                "mergetag object 1\n type commit\n",
                "mergetag object 2\n x\n",
                SIGNATURE,
            ],
            // hg-git, one line for each that Mercurial had.
            &[TREE, AUTHOR, COMMITTER, "HG:rename a:b\n", "HG:rename c:d\n", "HG:extra x:1\n", "HG:extra y:2\n"],
            // Libraries that put the encoding last, and tools with headers of their own.
            &[TREE, AUTHOR, COMMITTER, SIGNATURE, "encoding UTF-8\n"],
            &[TREE, AUTHOR, COMMITTER, "x 1\n", "encoding UTF-8\n", "x(2)/y! 2\n more\n", "x 1\n", SIGNATURE, "x 1\n"],
            &[TREE, "author Ng\tAnn <ann@x.dev> -1 +051800\n", "committer <> \n"],
        ] {
            assert_eq!(parse(&[headers, &["\nhello\n"]].concat()), Ok(b"hello\n".to_vec()), "{headers:?}");
            // Without an empty line there is no message.
            assert_eq!(parse(headers), Ok(Vec::new()), "{headers:?}");
            assert_eq!(parse(&[headers, &["\n"]].concat()), Ok(Vec::new()), "{headers:?}");
        }
    }

    #[test]
    fn the_encoding_is_read_wherever_it_stands() {
        for headers in [[SIGNATURE, "encoding latin-1\n"], ["encoding latin-1\n", SIGNATURE]] {
            let raw = [&[TREE, AUTHOR, COMMITTER], &headers[..], &["\nm\n"]].concat().concat();
            let commit = Commit::parse(raw.as_bytes(), ObjectFormat::Sha1).unwrap();
            assert_eq!(commit.encoding, Some(&b"latin-1"[..]));
            assert_eq!(commit.signature.unwrap().payload, raw.replace(SIGNATURE, "").as_bytes());
        }
    }

    #[test]
    fn refuses_everything_with_two_readings() {
        let encoding = "encoding latin-1\n";
        let bad: &[(&[&str], Malformed)] = &[
            (&[TREE, TREE, AUTHOR, COMMITTER, "\n"], Malformed::Missing("author")),
            (&[TREE, AUTHOR, COMMITTER, TREE, "\n"], Malformed::Repeated("tree".into())),
            (&[TREE, AUTHOR, PARENT, COMMITTER, "\n"], Malformed::Missing("committer")),
            (&[TREE, AUTHOR, COMMITTER, PARENT, "\n"], Malformed::Repeated("parent".into())),
            (&[TREE, AUTHOR, AUTHOR, COMMITTER, "\n"], Malformed::Missing("committer")),
            (&[TREE, AUTHOR, COMMITTER, AUTHOR, "\n"], Malformed::Repeated("author".into())),
            (&[TREE, AUTHOR, COMMITTER, COMMITTER, "\n"], Malformed::Repeated("committer".into())),
            (&[TREE, AUTHOR, COMMITTER, "x 1\n", COMMITTER, "\n"], Malformed::Repeated("committer".into())),
            (&[TREE, "x 1\n", AUTHOR, COMMITTER, "\n"], Malformed::Missing("author")),
            (&[AUTHOR, COMMITTER, "\n"], Malformed::Missing("tree")),
            (&[TREE, AUTHOR, COMMITTER, SIGNATURE, SIGNATURE, "\n"], Malformed::Repeated("gpgsig".into())),
            (&[TREE, AUTHOR, COMMITTER, SIGNATURE, encoding, SIGNATURE, "\n"], Malformed::Repeated("gpgsig".into())),
            (&[TREE, AUTHOR, COMMITTER, encoding, SIGNATURE, encoding, "\n"], Malformed::Repeated("encoding".into())),
            (
                &[TREE, AUTHOR, COMMITTER, "gpgsig-sha256 x\n", "\n"],
                Malformed::ForeignSignature("gpgsig-sha256".into()),
            ),
            (&[TREE, AUTHOR, COMMITTER, "gpgsigx y\n", "\n"], Malformed::ForeignSignature("gpgsigx".into())),
            (&[TREE, AUTHOR, COMMITTER, "GPGSIG y\n", "\n"], Malformed::ForeignSignature("GPGSIG".into())),
            // A second line, which git does not read.
            (&[TREE, " x\n", AUTHOR, COMMITTER, "\n"], Malformed::ObjectId("tree")),
            (&[TREE, PARENT, " x\n", AUTHOR, COMMITTER, "\n"], Malformed::ObjectId("parent")),
            (&[TREE, AUTHOR, " <b@x.dev>\n", COMMITTER, "\n"], Malformed::Folded("author")),
            (&[TREE, AUTHOR, COMMITTER, " x\n", "\n"], Malformed::Folded("committer")),
            (&[TREE, AUTHOR, COMMITTER, encoding, " UTF-7\n", "\n"], Malformed::Folded("encoding")),
            (&[TREE, "author Ann 0 +0000\n", COMMITTER, "\n"], Malformed::Ident("author")),
            (&[TREE, AUTHOR, "committer Bob >b@x.dev< 0 +0000\n", "\n"], Malformed::Ident("committer")),
            (&[TREE, AUTHOR, COMMITTER, "\nhel\0lo"], Malformed::Nul),
            (&[TREE, "author A\0nn <ann@x.dev> 0 +0000\n", COMMITTER, "\n"], Malformed::Nul),
            (&[TREE, AUTHOR, "committer Bob <bob@x.dev> 0 +0000"], Malformed::Unterminated),
            (&[TREE, AUTHOR, COMMITTER, "x\n", "\n"], Malformed::Line(4)),
            (&[TREE, AUTHOR, COMMITTER, "\tx 1\n", "\n"], Malformed::Line(4)),
            (&[TREE, AUTHOR, COMMITTER, "\r\n", "hello\n"], Malformed::Line(4)),
            (&[" ", TREE, AUTHOR, COMMITTER, "\n"], Malformed::Line(1)),
            (&[], Malformed::Missing("tree")),
        ];
        for (parts, why) in bad {
            assert_eq!(parse(parts).as_ref(), Err(why), "{parts:?}");
        }
        assert_eq!(parse(&["tree 4b825dc\n", AUTHOR, COMMITTER, "\n"]), Err(Malformed::ObjectId("tree")));
        let parents = PARENT.repeat(limits::PARENTS + 1);
        assert_eq!(parse(&[TREE, &parents, AUTHOR, COMMITTER, "\n"]), Err(Malformed::TooManyParents));
        let long = format!("x {}\n", "y".repeat(limits::HEADER_BYTES));
        assert_eq!(parse(&[TREE, AUTHOR, COMMITTER, &long, "\n"]), Err(Malformed::HeadersTooLarge));
        let many = "x y\n".repeat(limits::HEADER_BYTES / 4);
        assert_eq!(parse(&[TREE, AUTHOR, COMMITTER, &many, "\n"]), Err(Malformed::HeadersTooLarge));
    }

    #[test]
    fn the_payload_is_the_object_without_its_signature() {
        let raw = [TREE, PARENT, AUTHOR, COMMITTER, SIGNATURE, "change-id k\n", "\nhello\n"].concat();
        let signature = Commit::parse(raw.as_bytes(), ObjectFormat::Sha1).unwrap().signature.unwrap();
        let payload = [TREE, PARENT, AUTHOR, COMMITTER, "change-id k\n", "\nhello\n"].concat();
        assert_eq!(signature.payload, payload.as_bytes());
        assert_eq!(signature.armor, b"-----BEGIN SSH SIGNATURE-----\nabc\n-----END SSH SIGNATURE-----");
    }
}
