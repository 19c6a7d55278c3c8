//! The data types of the SSH wire format (RFC 4251 section 5), read without leaving anything over.

/// Reads values from the front of a byte string. Every method is `None` where the bytes do not hold such a value.
#[derive(Clone, Copy)]
pub(super) struct WireReader<'a>(pub(super) &'a [u8]);

impl<'a> WireReader<'a> {
    /// Exactly these bytes.
    pub(super) fn tag(&mut self, expected: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(expected)?;
        Some(())
    }

    /// `byte`
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// `uint32`
    pub(super) fn uint32(&mut self) -> Option<u32> {
        let (bytes, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*bytes))
    }

    /// `uint64`
    pub(super) fn uint64(&mut self) -> Option<u64> {
        let (bytes, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(u64::from_be_bytes(*bytes))
    }

    /// `string`
    pub(super) fn string(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.uint32()?).ok()?;
        let (value, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(value)
    }

    /// A positive `mpint` in its only canonical form, without the leading zero that marks it positive.
    pub(super) fn positive_mpint(&mut self) -> Result<&'a [u8], Mpint> {
        let value = self.string().ok_or(Mpint::Other)?;
        match value {
            [0, magnitude @ ..] if magnitude.first().is_some_and(|second| second & 0x80 != 0) => Ok(magnitude),
            [0, _, ..] => Err(Mpint::Padded),
            [first, ..] if *first != 0 && first & 0x80 == 0 => Ok(value),
            _ => Err(Mpint::Other),
        }
    }

    /// Nothing is left.
    pub(super) fn end(self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

/// Why bytes are no positive `mpint`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mpint {
    /// A zero stands before it that is not needed (RFC 4251 section 5: unnecessary leading bytes must not be included). OpenSSH
    /// reads over it, and some signers write numbers of a fixed width so.
    Padded,
    /// It is zero, negative, or there is none.
    Other,
}

/// Appends a `string`. What we write is far below 4 GiB.
pub(super) fn put_string(out: &mut Vec<u8>, value: &[u8]) {
    let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_mpint_has_one_form() {
        let read = |bytes: &[u8]| {
            let mut wire = Vec::new();
            put_string(&mut wire, bytes);
            WireReader(&wire).positive_mpint().map(<[u8]>::to_vec)
        };
        assert_eq!(read(&[1]), Ok(vec![1]));
        assert_eq!(read(&[0, 0x80]), Ok(vec![0x80]));
        for (bad, why) in [
            (&[][..], Mpint::Other),
            (&[0], Mpint::Other),
            (&[0x80], Mpint::Other),
            (&[0, 1], Mpint::Padded),
            (&[0, 0, 0x80], Mpint::Padded),
        ] {
            assert_eq!(read(bad), Err(why), "{bad:?}");
        }
    }
}
