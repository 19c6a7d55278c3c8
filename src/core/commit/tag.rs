//! Raw annotated tag objects.

use super::headers::{Malformed, split};
use super::ident::Ident;
use super::raw::{RawSignature, is_signature_like, optional, required};
use crate::core::oid::{ObjectFormat, Oid};

/// An annotated tag with exactly one reading.
#[derive(Clone, Debug)]
pub struct Tag<'a> {
    /// What it points at.
    pub object: Oid,
    /// The type it claims for that object.
    pub target: TagTarget,
    /// The name inside the tag: what `refs/tags/` it was made for.
    pub name: &'a [u8],
    /// Who the tag says made it: a claim. Gits before 1.0 wrote none.
    pub tagger: Option<Ident<'a>>,
    /// The signature at the end of the body, unverified.
    pub signature: Option<RawSignature>,
    /// The message, without the signature.
    pub message: &'a [u8],
}

/// The type of object that a tag points at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagTarget {
    /// A commit.
    Commit,
    /// Another annotated tag.
    Tag,
    /// A tree.
    Tree,
    /// A blob.
    Blob,
}

impl<'a> Tag<'a> {
    /// Parses a raw tag object of a repository that uses `format`. What the tag is and points at has one reading; its tagger
    /// is a claim that may be missing or name nobody, as in old tags.
    ///
    /// # Errors
    /// [`Malformed`] where object, type and tag do not stand once and in this order, for a header that git takes for a
    /// signature, and for more than one signature in the body.
    pub fn parse(raw: &'a [u8], format: ObjectFormat) -> Result<Self, Malformed> {
        let (headers, body) = split(raw)?;
        let mut rest = headers.as_slice();
        let object = required(&mut rest, "object")?.oid(format, "object")?;
        let target = match required(&mut rest, "type")?.value {
            b"commit" => TagTarget::Commit,
            b"tag" => TagTarget::Tag,
            b"tree" => TagTarget::Tree,
            b"blob" => TagTarget::Blob,
            _ => return Err(Malformed::TagType),
        };
        let name = required(&mut rest, "tag")?.line("tag")?;
        let tagger = optional(&mut rest, "tagger").map(|header| Ident::parse_loosely(header, "tagger")).transpose()?;
        for header in rest {
            match header.name {
                b"object" | b"type" | b"tag" | b"tagger" => return Err(header.repeated()),
                name if is_signature_like(name) => return Err(Malformed::ForeignSignature(header.display_name())),
                _ => {}
            }
        }
        let (message, signature) = split_signature(raw, body)?;
        Ok(Self { object, target, name, tagger, signature, message })
    }
}

/// The first lines of the signatures that git knows (gpg-interface.c).
const ARMOR: [&[u8]; 4] = [
    b"-----BEGIN SSH SIGNATURE-----",
    b"-----BEGIN PGP SIGNATURE-----",
    b"-----BEGIN PGP MESSAGE-----",
    b"-----BEGIN SIGNED MESSAGE-----",
];

/// A tag's signature is appended to its body and signs every byte before it, headers included. Git takes the last line
/// that begins one; a tag with two is refused here.
fn split_signature<'a>(raw: &[u8], body: &'a [u8]) -> Result<(&'a [u8], Option<RawSignature>), Malformed> {
    let mut starts = Vec::new();
    let mut offset = 0;
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        if ARMOR.iter().any(|begin| line.starts_with(begin)) {
            starts.push(offset);
        }
        offset += line.len();
    }
    let start = match starts.as_slice() {
        [] => return Ok((body, None)),
        [start] => *start,
        _ => return Err(Malformed::TagSignatures),
    };
    let (message, armor) = body.split_at(start);
    let payload = raw.get(..raw.len() - armor.len()).unwrap_or_default();
    Ok((message, Some(RawSignature { armor: armor.to_vec(), payload: payload.to_vec() })))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str =
        "object 3b18e512dba79e4c8300dd08aeb37f8e728b8dad\ntype commit\ntag v1\ntagger Ann <a@x.dev> 1 +0000\n";
    const ARMORED: &str = "-----BEGIN SSH SIGNATURE-----\nabc\n-----END SSH SIGNATURE-----\n";

    #[test]
    fn the_signature_ends_the_body() {
        let raw = [HEAD, "\nfirst\n", ARMORED].concat();
        let tag = Tag::parse(raw.as_bytes(), ObjectFormat::Sha1).unwrap();
        assert_eq!((tag.name, tag.message, tag.target), (&b"v1"[..], &b"first\n"[..], TagTarget::Commit));
        let signature = tag.signature.unwrap();
        assert_eq!(signature.payload, [HEAD, "\nfirst\n"].concat().as_bytes());
        assert_eq!(signature.armor, ARMORED.as_bytes());
    }

    #[test]
    fn old_tags_have_one_reading() {
        let tagger = "tagger Ann <a@x.dev> 1 +0000\n";
        for (other, name) in [
            ("", None),
            ("tagger Ann <a@x.dev> 1 +00000\n", Some("Ann")),
            ("tagger Ann <a@x.dev>\n", Some("Ann")),
            ("tagger Ann\n", Some("Ann")),
            ("tagger Ann <a@x.dev> 1 +0000\nx 1\nx 2\n", Some("Ann")),
        ] {
            let raw = HEAD.replace(tagger, other) + "\nfirst\n";
            let tag = Tag::parse(raw.as_bytes(), ObjectFormat::Sha1).unwrap();
            assert_eq!(tag.tagger.map(|tagger| tagger.name), name.map(str::as_bytes), "{other:?}");
            assert_eq!((tag.name, tag.message), (&b"v1"[..], &b"first\n"[..]), "{other:?}");
        }
        assert_eq!(Tag::parse(HEAD.as_bytes(), ObjectFormat::Sha1).unwrap().message, b"");
    }

    #[test]
    fn refuses_other_shapes() {
        let object = "object 3b18e512dba79e4c8300dd08aeb37f8e728b8dad\n";
        for (raw, why) in [
            ([HEAD, "\n", ARMORED, ARMORED].concat(), Malformed::TagSignatures),
            ([HEAD, "gpgsig x\n\nm"].concat(), Malformed::ForeignSignature("gpgsig".into())),
            ([HEAD, "GpgSig-sha256 x\n\nm"].concat(), Malformed::ForeignSignature("GpgSig-sha256".into())),
            (HEAD.replace("commit", "submodule") + "\n", Malformed::TagType),
            (HEAD.replace("type commit\n", "type commit\n tree\n") + "\n", Malformed::TagType),
            ([object, HEAD, "\n"].concat(), Malformed::Missing("type")),
            ([HEAD, object, "\n"].concat(), Malformed::Repeated("object".into())),
            (HEAD.replace("tag v1\n", "") + "\n", Malformed::Missing("tag")),
            (HEAD.replace("tag v1\n", "tag v1\ntag v2\n") + "\n", Malformed::Repeated("tag".into())),
            (HEAD.replace("tag v1\n", "tag v1\n and v2\n") + "\n", Malformed::Folded("tag")),
            (HEAD.replace("tagger", "x 1\ntagger") + "\n", Malformed::Repeated("tagger".into())),
            ([HEAD, " <b@x.dev>\n\n"].concat(), Malformed::Folded("tagger")),
            ([HEAD, "\nx\0"].concat(), Malformed::Nul),
        ] {
            assert_eq!(Tag::parse(raw.as_bytes(), ObjectFormat::Sha1).map(|_| ()), Err(why), "{raw}");
        }
    }
}
