//! Chance that is the same everywhere, and the names that it picks from.

/// SplitMix64 (Steele, Lea, Flood 2014): enough chance for tests.
pub struct Random(pub u64);

impl Random {
    /// A number below `sides`.
    pub fn below(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % u64::try_from(sides).unwrap()).unwrap()
    }

    pub fn one_in(&mut self, sides: usize) -> bool {
        self.below(sides) == 0
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// Names that sort around `/`, that quoting and other alphabets trip over, and that are near to refused ones.
pub const NAMES: [&[u8]; 19] = [
    b"a",
    b"a.b",
    b"a-b",
    b"a0",
    b"aa",
    b"b",
    b"B",
    b"x y",
    b"\"quoted\"",
    b"new\nline",
    b"tab\t",
    b"\x01",
    b"back\\slash",
    b"-dash",
    b":colon",
    "\u{e4}\u{1f980}".as_bytes(),
    b"\xff\xfe",
    b".gitattributes",
    b"gi~t",
];
