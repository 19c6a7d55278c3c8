//! A set of bytes, as a pattern's classes and its first-byte filter need it.

/// Which of the 256 bytes belong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ByteSet([u64; 4]);

impl ByteSet {
    pub(super) const EMPTY: Self = Self([0; 4]);

    /// Space, tab, line feed, vertical tab, form feed, carriage return.
    pub(super) const SPACE: Self = Self([0x1_0000_3e00, 0, 0, 0]);

    pub(super) fn of(bytes: &[u8]) -> Self {
        bytes.iter().fold(Self::EMPTY, |set, byte| set.with(*byte))
    }

    /// ASCII letters, digits and the underscore.
    pub(super) fn word() -> Self {
        (0..=127).filter(|byte| is_word(*byte)).fold(Self::EMPTY, Self::with)
    }

    pub(super) fn with(mut self, byte: u8) -> Self {
        if let Some(word) = self.0.get_mut(usize::from(byte >> 6)) {
            *word |= 1 << (byte & 63);
        }
        self
    }

    pub(super) fn with_both_cases(self, byte: u8) -> Self {
        self.with(byte.to_ascii_lowercase()).with(byte.to_ascii_uppercase())
    }

    pub(super) fn union(self, other: Self) -> Self {
        let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
        Self([a | e, b | f, c | g, d | h])
    }

    pub(super) fn negated(self) -> Self {
        Self(self.0.map(|word| !word))
    }

    pub(super) fn contains(&self, byte: u8) -> bool {
        self.0.get(usize::from(byte >> 6)).is_some_and(|word| word >> (byte & 63) & 1 == 1)
    }
}

/// What `\w` matches and `\b` looks at.
pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_hold_exactly_their_bytes() {
        for byte in 0..=255 {
            assert_eq!(ByteSet::SPACE.contains(byte), b" \t\n\x0b\x0c\r".contains(&byte), "{byte}");
            assert_eq!(ByteSet::word().negated().contains(byte), !is_word(byte), "{byte}");
            assert_eq!(ByteSet::of(b"a\xff").union(ByteSet::of(b"@")).contains(byte), b"a\xff@".contains(&byte));
        }
    }
}
