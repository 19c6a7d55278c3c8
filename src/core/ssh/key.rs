//! Public keys in the wire encoding of RFC 4253 section 6.6, RFC 5656, RFC 8709 and OpenSSH's PROTOCOL.u2f.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::RangeInclusive;
use std::sync::Arc;

use base64ct::{Base64, Base64Unpadded, Encoding as _};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::certificate::CERTIFIED;
use super::wire::WireReader;
use crate::core::limits;

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
    pub(super) const ALL: [Self; 7] = [
        Self::Ed25519,
        Self::EcdsaP256,
        Self::EcdsaP384,
        Self::EcdsaP521,
        Self::Rsa,
        Self::SkEd25519,
        Self::SkEcdsaP256,
    ];

    /// Whether the private half is in a FIDO token, which says in each signature whether somebody touched it.
    pub const fn is_security_key(self) -> bool {
        match self {
            Self::SkEd25519 | Self::SkEcdsaP256 => true,
            Self::Ed25519 | Self::EcdsaP256 | Self::EcdsaP384 | Self::EcdsaP521 | Self::Rsa => false,
        }
    }

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
    #[error("it is a certificate, where the bare key is wanted")]
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
#[derive(Clone)]
pub struct PublicKey(Arc<Key>);

struct Key {
    algorithm: Algorithm,
    blob: Vec<u8>,
    /// The curve point of ed25519 keys: finding it takes a tenth of a verification.
    point: Option<ed25519_dalek::VerifyingKey>,
}

/// Keys remembered by each thread.
const RECENT_KEYS: usize = 16;

thread_local! {
    /// Keys validated last: the commits of a push name few keys, each as often as it signed. The same bytes always give the
    /// same key, so nothing but time depends on this.
    static RECENT: RefCell<Vec<PublicKey>> = const { RefCell::new(Vec::new()) };
}

/// The parts of a key that verification needs.
pub(super) enum KeyParts<'a> {
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
        let line = line.strip_suffix('\n').unwrap_or(line);
        // A second line would read as a comment, and its key would be silently left out.
        if line.chars().any(char::is_control) {
            return Err(KeyError::Line);
        }
        let mut words = line.trim().splitn(3, ' ');
        let (Some(name), Some(base64)) = (words.next(), words.next()) else { return Err(KeyError::Line) };
        if name.ends_with(CERTIFIED) {
            return Err(KeyError::Certificate);
        }
        let blob = Base64::decode_vec(base64).map_err(|_| KeyError::Line)?;
        let key = Self::from_blob(&blob)?;
        if key.algorithm().name() != name {
            return Err(KeyError::OtherType);
        }
        Ok((key, words.next().unwrap_or_default().trim().to_owned()))
    }

    /// Takes the exact wire encoding of a key.
    ///
    /// # Errors
    /// As [`PublicKey::parse_line`].
    pub fn from_blob(blob: &[u8]) -> Result<Self, KeyError> {
        if let Some(known) = RECENT.with_borrow(|recent| recent.iter().find(|key| key.blob() == blob).cloned()) {
            return Ok(known);
        }
        let key = Self::validated(blob)?;
        RECENT.with_borrow_mut(|recent| {
            if recent.len() >= RECENT_KEYS {
                recent.clear();
            }
            recent.push(key.clone());
        });
        Ok(key)
    }

    fn validated(blob: &[u8]) -> Result<Self, KeyError> {
        if blob.len() > limits::KEY_LINE_BYTES {
            return Err(KeyError::TooLong);
        }
        let name = WireReader(blob).string().ok_or(KeyError::Encoding)?;
        if name.ends_with(CERTIFIED.as_bytes()) {
            return Err(KeyError::Certificate);
        }
        let algorithm = Algorithm::ALL.into_iter().find(|algorithm| algorithm.name().as_bytes() == name);
        let algorithm = algorithm
            .ok_or_else(|| KeyError::Unsupported(name.escape_ascii().to_string().chars().take(64).collect()))?;
        let mut key = Key { algorithm, blob: blob.to_vec(), point: None };
        key.point = key.validate()?;
        Ok(Self(Arc::new(key)))
    }

    /// The curve point, for the kinds of ed25519.
    pub(super) fn point(&self) -> Option<&ed25519_dalek::VerifyingKey> {
        self.0.point.as_ref()
    }

    /// The fields after the type's name. `None` where they are not exact.
    pub(super) fn parts(&self) -> Option<KeyParts<'_>> {
        self.0.parts()
    }

    /// The exact wire encoding.
    pub fn blob(&self) -> &[u8] {
        &self.0.blob
    }

    /// The kind of key.
    pub fn algorithm(&self) -> Algorithm {
        self.0.algorithm
    }

    /// The SHA-256 fingerprint, as `ssh-keygen -l` prints it. For people and for lists of revoked keys.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint(Sha256::digest(self.blob()).into())
    }

    /// The key as a line of a `.pub` file, without a comment.
    pub fn to_line(&self) -> String {
        format!("{} {}", self.algorithm().name(), Base64::encode_string(self.blob()))
    }
}

impl Key {
    fn validate(&self) -> Result<Option<ed25519_dalek::VerifyingKey>, KeyError> {
        let ed25519 = |key: &[u8; 32]| match ed25519_dalek::VerifyingKey::from_bytes(key) {
            Ok(point) if !point.is_weak() && is_reduced(key) => Ok(Some(point)),
            _ => Err(KeyError::Point),
        };
        let uncompressed = |point: &[u8]| if point.first() == Some(&4) { Ok(()) } else { Err(KeyError::Encoding) };
        match self.parts().ok_or(KeyError::Encoding)? {
            KeyParts::Ed25519(key) | KeyParts::SkEd25519 { key, .. } => ed25519(key),
            KeyParts::Ecdsa(point) | KeyParts::SkEcdsa { point, .. } => {
                uncompressed(point)?;
                let valid = match self.algorithm {
                    Algorithm::EcdsaP384 => p384::ecdsa::VerifyingKey::from_sec1_bytes(point).is_ok(),
                    Algorithm::EcdsaP521 => p521::ecdsa::VerifyingKey::from_sec1_bytes(point).is_ok(),
                    Algorithm::EcdsaP256 | Algorithm::SkEcdsaP256 => {
                        p256::ecdsa::VerifyingKey::from_sec1_bytes(point).is_ok()
                    }
                    Algorithm::Ed25519 | Algorithm::Rsa | Algorithm::SkEd25519 => false,
                };
                if valid { Ok(None) } else { Err(KeyError::Point) }
            }
            KeyParts::Rsa { exponent, modulus } => {
                let odd = |number: &[u8]| number.last().is_some_and(|byte| byte & 1 == 1);
                let bits =
                    modulus.len() * 8 - modulus.first().map_or(0, |byte| byte.leading_zeros().try_into().unwrap_or(0));
                let sane = exponent.len() <= 4 && exponent != [1] && odd(exponent) && odd(modulus);
                if sane && RSA_BITS.contains(&bits) { Ok(None) } else { Err(KeyError::Rsa) }
            }
        }
    }

    fn parts(&self) -> Option<KeyParts<'_>> {
        let mut reader = WireReader(&self.blob);
        reader.string()?;
        let parts = match self.algorithm {
            Algorithm::Ed25519 => KeyParts::Ed25519(reader.string()?.try_into().ok()?),
            Algorithm::EcdsaP256 | Algorithm::EcdsaP384 | Algorithm::EcdsaP521 => {
                let curve = self.algorithm.name().strip_prefix("ecdsa-sha2-")?;
                (reader.string()? == curve.as_bytes()).then_some(())?;
                KeyParts::Ecdsa(reader.string()?)
            }
            Algorithm::Rsa => {
                KeyParts::Rsa { exponent: reader.positive_mpint().ok()?, modulus: reader.positive_mpint().ok()? }
            }
            Algorithm::SkEd25519 => {
                KeyParts::SkEd25519 { key: reader.string()?.try_into().ok()?, application: reader.string()? }
            }
            Algorithm::SkEcdsaP256 => {
                (reader.string()? == b"nistp256").then_some(())?;
                KeyParts::SkEcdsa { point: reader.string()?, application: reader.string()? }
            }
        };
        reader.end()?;
        Some(parts)
    }
}

/// Whether the coordinate y is below p = 2^255 - 19. Decoding reduces it, so 19 points have a second encoding, and revoking
/// one would leave the other. (The only other ambiguity is the sign of x = 0, and those points are weak.)
fn is_reduced(key: &[u8; 32]) -> bool {
    let [first, middle @ .., last] = key;
    *first < 0xed || middle.iter().any(|byte| *byte != 0xff) || last & 0x7f != 0x7f
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.blob() == other.blob()
    }
}

impl Eq for PublicKey {}

impl PartialOrd for PublicKey {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PublicKey {
    fn cmp(&self, other: &Self) -> Ordering {
        self.blob().cmp(other.blob())
    }
}

impl Hash for PublicKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.blob().hash(state);
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.algorithm().name(), self.fingerprint())
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
