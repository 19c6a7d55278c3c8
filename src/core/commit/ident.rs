//! The value of an author, committer or tagger header.

use super::headers::Malformed;

/// `name <email> seconds zone`, each part as raw bytes. The name may be empty, the email too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ident<'a> {
    /// The whole value as it stands in the object: what a seal binds.
    pub raw: &'a [u8],
    /// The name, without the space before `<`.
    pub name: &'a [u8],
    /// What stands between `<` and `>`.
    pub email: &'a [u8],
    /// Seconds since 1970 in UTC. The writer chose it: never a basis for a decision.
    pub seconds: u64,
}

impl<'a> Ident<'a> {
    /// Parses a header value; `name` is the header's, for the error. Control bytes and stray angle brackets are refused.
    pub(super) fn parse(raw: &'a [u8], name: &'static str) -> Result<Self, Malformed> {
        parse(raw).ok_or(Malformed::Ident(name))
    }
}

fn parse(raw: &[u8]) -> Option<Ident<'_>> {
    if raw.iter().any(u8::is_ascii_control) {
        return None;
    }
    let open = raw.iter().position(|byte| *byte == b'<')?;
    let (name, rest) = (raw.get(..open)?, raw.get(open + 1..)?);
    let name = if name.is_empty() { name } else { name.strip_suffix(b" ")? };
    let close = rest.iter().position(|byte| *byte == b'>')?;
    let (email, when) = (rest.get(..close)?, rest.get(close + 1..)?.strip_prefix(b" ")?);
    if name.contains(&b'>') || email.contains(&b'<') || when.contains(&b'<') || when.contains(&b'>') {
        return None;
    }
    let space = when.iter().position(|byte| *byte == b' ')?;
    let (seconds, zone) = (when.get(..space)?, when.get(space + 1..)?);
    let (sign, digits) = zone.split_first()?;
    if !matches!(sign, b'+' | b'-') || digits.len() != 4 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    if seconds.is_empty() || !seconds.iter().all(u8::is_ascii_digit) || (seconds.len() > 1 && seconds.starts_with(b"0"))
    {
        return None;
    }
    Some(Ident { raw, name, email, seconds: std::str::from_utf8(seconds).ok()?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_reading_or_none() {
        let ident = Ident::parse(b"Ann B <ann@x.dev> 1700000000 +0100", "author").unwrap();
        assert_eq!((ident.name, ident.email, ident.seconds), (&b"Ann B"[..], &b"ann@x.dev"[..], 1_700_000_000));
        assert!(Ident::parse(b"<a@b> 0 +0000", "author").is_ok());
        assert!(Ident::parse(" <> 0 -0000".as_bytes(), "author").is_ok());
        for bad in [
            "Ann <ann@x.dev>",
            "Ann<ann@x.dev> 0 +0000",
            "Ann <ann@x.dev>0 +0000",
            "Ann <ann@x.dev> -1 +0000",
            "Ann <ann@x.dev> 01 +0000",
            "Ann <ann@x.dev> 99999999999999999999 +0000",
            "Ann <ann@x.dev> 0 0000",
            "Ann <ann@x.dev> 0 +00000",
            "Ann <ann@x.dev> 0 +0000 ",
            "Ann <ann@x.dev> <noreply@anthropic.com> 0 +0000",
            "Ann > <ann@x.dev> 0 +0000",
            "Ann <a<b> 0 +0000",
            "Ann <ann@x.dev> 0 +0000\r",
            "Ann\t<ann@x.dev> 0 +0000",
            "",
        ] {
            assert_eq!(Ident::parse(bad.as_bytes(), "author"), Err(Malformed::Ident("author")), "{bad:?}");
        }
    }
}
