//! Public keys in the wire encoding of RFC 4253 section 6.6, RFC 5656, RFC 8709 and OpenSSH's PROTOCOL.u2f.

use std::fmt;
use std::ops::RangeInclusive;

use base64ct::{Base64, Base64Unpadded, Encoding as _};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::wire::Reader;
use crate::limits;

/// The kinds of key that are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// `ssh-ed25519`
    Ed25519,
    /// `ecdsa-sha2-nistp256`
    EcdsaP256,
    /// `ecdsa-sha2-nistp384`
    EcdsaP384,
    /// `ecdsa-sha2-nistp521`
    EcdsaP521,
    /// `ssh-rsa`, of 2048 bits or more, signing with SHA-2
    Rsa,
    /// `sk-ssh-ed25519@openssh.com`, in a FIDO token
    SkEd25519,
    /// `sk-ecdsa-sha2-nistp256@openssh.com`, in a FIDO token
    SkEcdsaP256,
}

impl Algorithm {
    const ALL: [Self; 7] = [
        Self::Ed25519,
        Self::EcdsaP256,
        Self::EcdsaP384,
        Self::EcdsaP521,
        Self::Rsa,
        Self::SkEd25519,
        Self::SkEcdsaP256,
    ];

    /// The name in key lines and in the key's encoding.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "ssh-ed25519",
            Self::EcdsaP256 => "ecdsa-sha2-nistp256",
            Self::EcdsaP384 => "ecdsa-sha2-nistp384",
            Self::EcdsaP521 => "ecdsa-sha2-nistp521",
            Self::Rsa => "ssh-rsa",
            Self::SkEd25519 => "sk-ssh-ed25519@openssh.com",
            Self::SkEcdsaP256 => "sk-ecdsa-sha2-nistp256@openssh.com",
        }
    }
}

/// Bits of an RSA modulus: from NIST SP 800-131A's floor to what OpenSSH accepts at most (SSHBUF_MAX_BIGNUM).
pub(super) const RSA_BITS: RangeInclusive<usize> = 2048..=16384;

/// Why bytes or a line are not a key that is accepted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum KeyError {
    /// The line is not `type base64 comment`.
    #[error("it is not a public key line: `type base64 comment`")]
    Line,
    /// The line is over [`limits::KEY_LINE_BYTES`].
    #[error("it is longer than {} bytes", limits::KEY_LINE_BYTES)]
    TooLong,
    /// The line names another type than the key it holds.
    #[error("the line names another type than its key has")]
    OtherType,
    /// A certificate where a key is wanted.
    #[error("it is a certificate, which is not accepted yet; use the bare key")]
    Certificate,
    /// A kind of key that is not accepted.
    #[error("the key type {0:?} is not supported; use ssh-ed25519, ecdsa, rsa or an sk- key")]
    Unsupported(String),
    /// The encoding is not exact.
    #[error("its encoding is not canonical")]
    Encoding,
    /// A curve point that makes signatures meaningless.
    #[error("it is not a valid point of its curve")]
    Point,
    /// An RSA key under 2048 bits, over 16384, or with an odd exponent.
    #[error("RSA keys need 2048 to 16384 bits and an odd exponent of at least 3")]
    Rsa,
}

/// A public key, validated. Compared by its exact encoding, never by fingerprint or comment.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey {
    algorithm: Algorithm,
    blob: Vec<u8>,
}

/// The parts of a key that verification needs.
pub(super) enum Parts<'a> {
    Ed25519(&'a [u8; 32]),
    Ecdsa(&'a [u8]),
    Rsa { exponent: &'a [u8], modulus: &'a [u8] },
    SkEd25519 { key: &'a [u8; 32], application: &'a [u8] },
    SkEcdsa { point: &'a [u8], application: &'a [u8] },
}

impl PublicKey {
    /// Parses a line of a `.pub` file. Returns the key and its comment.
    ///
    /// # Errors
    /// [`KeyError`] for anything that is not one key of an accepted kind in its canonical encoding.
    pub fn parse_line(line: &str) -> Result<(Self, String), KeyError> {
        if line.len() > limits::KEY_LINE_BYTES {
            return Err(KeyError::TooLong);
        }
        let line = line.trim();
        if line.contains(['\n', '\r']) {
            return Err(KeyError::Line);
        }
        let mut words = line.splitn(3, ' ');
        let (Some(name), Some(base64)) = (words.next(), words.next()) else { return Err(KeyError::Line) };
        if name.ends_with("-cert-v01@openssh.com") {
            return Err(KeyError::Certificate);
        }
        let blob = Base64::decode_vec(base64).map_err(|_| KeyError::Line)?;
        let key = Self::from_blob(&blob)?;
        if key.algorithm.name() != name {
            return Err(KeyError::OtherType);
        }
        Ok((key, words.next().unwrap_or_default().trim().to_owned()))
    }

    /// Takes the exact wire encoding of a key.
    ///
    /// # Errors
    /// As [`PublicKey::parse_line`].
    pub fn from_blob(blob: &[u8]) -> Result<Self, KeyError> {
        let name = Reader(blob).string().ok_or(KeyError::Encoding)?;
        if name.ends_with(b"-cert-v01@openssh.com") {
            return Err(KeyError::Certificate);
        }
        let algorithm = Algorithm::ALL.into_iter().find(|algorithm| algorithm.name().as_bytes() == name);
        let algorithm = algorithm
            .ok_or_else(|| KeyError::Unsupported(name.escape_ascii().to_string().chars().take(64).collect()))?;
        let key = Self { algorithm, blob: blob.to_vec() };
        key.validate()?;
        Ok(key)
    }

    fn validate(&self) -> Result<(), KeyError> {
        let ed25519 = |key: &[u8; 32]| match ed25519_dalek::VerifyingKey::from_bytes(key) {
            Ok(point) if !point.is_weak() && point.to_edwards().compress().as_bytes() == key => Ok(()),
            _ => Err(KeyError::Point),
        };
        let uncompressed = |point: &[u8]| if point.first() == Some(&4) { Ok(()) } else { Err(KeyError::Encoding) };
        match self.parts().ok_or(KeyError::Encoding)? {
            Parts::Ed25519(key) | Parts::SkEd25519 { key, .. } => ed25519(key),
            Parts::Ecdsa(point) | Parts::SkEcdsa { point, .. } => {
                uncompressed(point)?;
                let valid = match self.algorithm {
                    Algorithm::EcdsaP384 => p384::ecdsa::VerifyingKey::from_sec1_bytes(point).is_ok(),
                    Algorithm::EcdsaP521 => p521::ecdsa::VerifyingKey::from_sec1_bytes(point).is_ok(),
                    _ => p256::ecdsa::VerifyingKey::from_sec1_bytes(point).is_ok(),
                };
                if valid { Ok(()) } else { Err(KeyError::Point) }
            }
            Parts::Rsa { exponent, modulus } => {
                let odd = |number: &[u8]| number.last().is_some_and(|byte| byte & 1 == 1);
                let bits =
                    modulus.len() * 8 - modulus.first().map_or(0, |byte| byte.leading_zeros().try_into().unwrap_or(0));
                let sane = exponent.len() <= 4 && exponent != [1] && odd(exponent) && odd(modulus);
                if sane && RSA_BITS.contains(&bits) { Ok(()) } else { Err(KeyError::Rsa) }
            }
        }
    }

    /// The fields after the type's name. `None` where they are not exact.
    pub(super) fn parts(&self) -> Option<Parts<'_>> {
        let mut reader = Reader(&self.blob);
        reader.string()?;
        let parts = match self.algorithm {
            Algorithm::Ed25519 => Parts::Ed25519(reader.string()?.try_into().ok()?),
            Algorithm::EcdsaP256 | Algorithm::EcdsaP384 | Algorithm::EcdsaP521 => {
                let curve = self.algorithm.name().strip_prefix("ecdsa-sha2-")?;
                (reader.string()? == curve.as_bytes()).then_some(())?;
                Parts::Ecdsa(reader.string()?)
            }
            Algorithm::Rsa => Parts::Rsa { exponent: reader.positive_mpint()?, modulus: reader.positive_mpint()? },
            Algorithm::SkEd25519 => {
                Parts::SkEd25519 { key: reader.string()?.try_into().ok()?, application: reader.string()? }
            }
            Algorithm::SkEcdsaP256 => {
                (reader.string()? == b"nistp256").then_some(())?;
                Parts::SkEcdsa { point: reader.string()?, application: reader.string()? }
            }
        };
        reader.end()?;
        Some(parts)
    }

    /// The exact wire encoding.
    pub fn blob(&self) -> &[u8] {
        &self.blob
    }

    /// The kind of key.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The SHA-256 fingerprint, as `ssh-keygen -l` prints it. For people and for lists of revoked keys.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint(Sha256::digest(&self.blob).into())
    }

    /// The key as a line of a `.pub` file, without a comment.
    pub fn to_line(&self) -> String {
        format!("{} {}", self.algorithm.name(), Base64::encode_string(&self.blob))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.algorithm.name(), self.fingerprint())
    }
}

/// `SHA256:` and 43 characters of base64, as OpenSSH prints it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Parses exactly what [`Fingerprint`] displays as.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        let decoded = Base64Unpadded::decode(text.strip_prefix("SHA256:")?, &mut bytes).ok()?;
        (decoded.len() == 32).then_some(Self(bytes))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "SHA256:{}", Base64Unpadded::encode_string(&self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

#[cfg(test)]
mod tests {
    use super::super::wire::put_string;
    use super::*;
    use crate::digest::Digest;

    fn blob(fields: &[&[u8]]) -> Vec<u8> {
        let mut blob = Vec::new();
        fields.iter().for_each(|field| put_string(&mut blob, field));
        blob
    }

    fn of(fields: &[&[u8]]) -> Result<Algorithm, KeyError> {
        PublicKey::from_blob(&blob(fields)).map(|key| key.algorithm())
    }

    fn hex(text: &str) -> [u8; 32] {
        *Digest::parse(text.as_bytes()).unwrap().as_bytes()
    }

    /// The base point of edwards25519 (RFC 8032), as good a key as any.
    const POINT: &str = "5866666666666666666666666666666666666666666666666666666666666666";

    /// A modulus of `bits` bits, as an mpint.
    fn modulus(bits: usize) -> Vec<u8> {
        let mut bytes = vec![0xff; bits.div_ceil(8)];
        bytes[0] = u8::MAX >> ((8 - bits % 8) % 8);
        if bits.is_multiple_of(8) {
            bytes.insert(0, 0);
        }
        bytes
    }

    #[test]
    fn ed25519_points_of_small_order_or_in_a_second_encoding_are_no_keys() {
        assert_eq!(of(&[b"ssh-ed25519", &hex(POINT)]), Ok(Algorithm::Ed25519));
        // The eight points of small order; those with x = 0 also with the sign that no encoding should have.
        let small = [
            "0100000000000000000000000000000000000000000000000000000000000000",
            "0100000000000000000000000000000000000000000000000000000000000080",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0000000000000000000000000000000000000000000000000000000000000080",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        ];
        for point in small.map(hex) {
            assert_eq!(of(&[b"ssh-ed25519", &point]), Err(KeyError::Point), "{point:02x?}");
            assert_eq!(of(&[b"sk-ssh-ed25519@openssh.com", &point, b"ssh:"]), Err(KeyError::Point), "{point:02x?}");
        }
        // y + p for the few y that leave room below 2^255. The library alone takes some of them.
        let mut taken_by_the_library = 0;
        for y in 0..19_u8 {
            for sign in [0x7f, 0xff] {
                let mut point = [0xff; 32];
                (point[0], point[31]) = (0xed + y, sign);
                let library = ed25519_dalek::VerifyingKey::from_bytes(&point);
                taken_by_the_library += usize::from(library.is_ok_and(|key| !key.is_weak()));
                assert_eq!(of(&[b"ssh-ed25519", &point]), Err(KeyError::Point), "{point:02x?}");
            }
        }
        assert!(taken_by_the_library > 0, "nothing was tested");
        // No point at all.
        let mut off_curve = [0; 32];
        off_curve[0] = 2;
        assert_eq!(of(&[b"ssh-ed25519", &off_curve]), Err(KeyError::Point));
    }

    #[test]
    fn every_field_is_exact() {
        let point = hex(POINT);
        for (fields, why) in [
            (vec![&b"ssh-ed25519"[..]], KeyError::Encoding),
            (vec![b"ssh-ed25519", &point[1..]], KeyError::Encoding),
            (vec![b"ssh-ed25519", &[&point[..], b"\0"].concat()], KeyError::Encoding),
            (vec![b"ssh-ed25519", &point, b""], KeyError::Encoding),
            (vec![b"sk-ssh-ed25519@openssh.com", &point], KeyError::Encoding),
            (vec![b"sk-ssh-ed25519@openssh.com", &point, b"ssh:", b""], KeyError::Encoding),
            (vec![b"ssh-ed25519-cert-v01@openssh.com", &point], KeyError::Certificate),
            (vec![b"sk-ssh-ed25519-cert-v01@openssh.com", &point], KeyError::Certificate),
            (vec![b"rsa-sha2-512-cert-v01@openssh.com", &point], KeyError::Certificate),
            (vec![b"ssh-dss", &point], KeyError::Unsupported("ssh-dss".into())),
            (vec![b"ssh-ed448", &point], KeyError::Unsupported("ssh-ed448".into())),
            (vec![b"SSH-ED25519", &point], KeyError::Unsupported("SSH-ED25519".into())),
            (vec![b"rsa-sha2-512", &point], KeyError::Unsupported("rsa-sha2-512".into())),
            (vec![b"a\n\x1b[2J", &point], KeyError::Unsupported("a\\n\\x1b[2J".into())),
            (vec![&[b'x'; 500], &point], KeyError::Unsupported("x".repeat(64))),
            (vec![b"", &point], KeyError::Unsupported(String::new())),
        ] {
            assert_eq!(of(&fields), Err(why), "{fields:02x?}");
        }
        let whole = blob(&[b"ssh-ed25519", &point]);
        for end in 0..whole.len() {
            assert!(PublicKey::from_blob(&whole[..end]).is_err(), "{end}");
        }
        assert_eq!(PublicKey::from_blob(&[&whole[..], b"\0"].concat()), Err(KeyError::Encoding));
    }

    #[test]
    fn ecdsa_points_are_uncompressed_and_on_their_curve() {
        let secret = p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap();
        let point = secret.verifying_key().to_sec1_point(false).as_bytes().to_vec();
        let compressed = secret.verifying_key().to_sec1_point(true).as_bytes().to_vec();
        let hybrid = [&[6 | (point[64] & 1)], &point[1..]].concat();
        let off_curve = [&point[..64], &[point[64] ^ 1]].concat();
        let other_size = p384::ecdsa::SigningKey::from_slice(&[7; 48]).unwrap();
        let other_size = other_size.verifying_key().to_sec1_point(false).as_bytes().to_vec();
        for (key, more) in [("ecdsa-sha2-nistp256", &[][..]), ("sk-ecdsa-sha2-nistp256@openssh.com", &[&b"ssh:"[..]])] {
            let of = |curve: &[u8], point: &[u8]| of(&[&[key.as_bytes(), curve, point], more].concat());
            assert!(of(b"nistp256", &point).is_ok());
            for (curve, point, why) in [
                (&b"nistp384"[..], &point, KeyError::Encoding),
                (b"", &point, KeyError::Encoding),
                (b"nistp256", &compressed, KeyError::Encoding),
                (b"nistp256", &hybrid, KeyError::Encoding),
                (b"nistp256", &vec![0], KeyError::Encoding),
                (b"nistp256", &vec![], KeyError::Encoding),
                (b"nistp256", &vec![4], KeyError::Point),
                (b"nistp256", &off_curve, KeyError::Point),
                (b"nistp256", &other_size, KeyError::Point),
                (b"nistp256", &[&point[..], &[0]].concat(), KeyError::Point),
            ] {
                assert_eq!(of(curve, point), Err(why), "{key} {curve:?} {point:02x?}");
            }
        }
        assert!(of(&[b"ecdsa-sha2-nistp384", b"nistp384", &other_size]).is_ok());
        assert_eq!(of(&[b"ecdsa-sha2-nistp384", b"nistp384", &point]), Err(KeyError::Point));
        assert_eq!(of(&[b"ecdsa-sha2-nistp521", b"nistp521", &point]), Err(KeyError::Point));
    }

    #[test]
    fn rsa_keys_are_of_a_sane_size_and_canonical() {
        for bits in [2048, 2049, 3072, 4095, 16384] {
            assert_eq!(of(&[b"ssh-rsa", &[1, 0, 1], &modulus(bits)]), Ok(Algorithm::Rsa), "{bits}");
        }
        assert!(of(&[b"ssh-rsa", &[3], &modulus(2048)]).is_ok());
        let even = [&modulus(2048)[..256], &[2]].concat();
        for (exponent, modulus, why) in [
            (&[1, 0, 1][..], modulus(1024), KeyError::Rsa),
            (&[1, 0, 1], modulus(2047), KeyError::Rsa),
            (&[1, 0, 1], modulus(16385), KeyError::Rsa),
            (&[1, 0, 1], even, KeyError::Rsa),
            (&[1], modulus(2048), KeyError::Rsa),
            (&[2], modulus(2048), KeyError::Rsa),
            (&[1, 0, 0, 0, 1], modulus(2048), KeyError::Rsa),
            (&[], modulus(2048), KeyError::Encoding),
            (&[0], modulus(2048), KeyError::Encoding),
            (&[0, 1, 0, 1], modulus(2048), KeyError::Encoding),
            (&[0x81], modulus(2048), KeyError::Encoding),
            (&[1, 0, 1], [&[0], &modulus(2048)[..]].concat(), KeyError::Encoding),
            (&[1, 0, 1], modulus(2048)[1..].to_vec(), KeyError::Encoding),
            (&[1, 0, 1], [&[0], &modulus(2049)[..]].concat(), KeyError::Encoding),
        ] {
            assert_eq!(of(&[b"ssh-rsa", exponent, &modulus]), Err(why), "{exponent:?} {}", modulus.len());
        }
    }

    #[test]
    fn a_line_names_the_type_of_its_key() {
        let key = PublicKey::from_blob(&blob(&[b"ssh-ed25519", &hex(POINT)])).unwrap();
        let line = key.to_line();
        let parse = |line: &str| PublicKey::parse_line(line).map(|(_, comment)| comment);
        assert_eq!(PublicKey::parse_line(&line), Ok((key, String::new())));
        assert_eq!(parse(&format!("{line} ann@desk two words\n")), Ok("ann@desk two words".into()));
        let (name, base64) = line.split_once(' ').unwrap();
        for (bad, why) in [
            (String::new(), KeyError::Line),
            (name.to_owned(), KeyError::Line),
            (format!("{name}  {base64}"), KeyError::Encoding),
            (format!("{name}\t{base64}"), KeyError::Line),
            (format!("{name} {base64}="), KeyError::Line),
            (format!("{name} {base64}\n{line}"), KeyError::Line),
            (format!("{line} comment\n{line}"), KeyError::Line),
            (format!("restrict {line}"), KeyError::Line),
            (format!("ann@x.dev {line}"), KeyError::Line),
            (format!("ssh-rsa {base64}"), KeyError::OtherType),
            (format!("ssh-ed25519-cert-v01@openssh.com {base64}"), KeyError::Certificate),
            (format!("{line} {}", "x".repeat(limits::KEY_LINE_BYTES)), KeyError::TooLong),
        ] {
            assert_eq!(parse(&bad), Err(why), "{bad}");
        }
    }

    #[test]
    fn a_fingerprint_is_read_only_as_it_is_printed() {
        let fingerprint = PublicKey::from_blob(&blob(&[b"ssh-ed25519", &hex(POINT)])).unwrap().fingerprint();
        let text = fingerprint.to_string();
        assert_eq!(Fingerprint::parse(&text), Some(fingerprint));
        for bad in [
            text.replace("SHA256:", ""),
            text.replace("SHA256", "sha256"),
            format!("{text}="),
            format!("{text} "),
            text[..text.len() - 1].to_owned(),
            "MD5:00".to_owned(),
            String::new(),
        ] {
            assert_eq!(Fingerprint::parse(&bad), None, "{bad}");
        }
    }
}
