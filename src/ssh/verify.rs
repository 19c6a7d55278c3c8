//! The mathematics, one function per family of keys.

use rsa::signature::Verifier as _;
use sha2::{Digest as _, Sha256, Sha512};

use super::key::{Algorithm, Parts, PublicKey, RSA_BITS};
use super::sshsig::SignatureError;
use super::wire::Reader;

/// A signature that has been verified. There is no other way to make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedSignature {
    key: PublicKey,
    presence: Option<Presence>,
}

/// What a FIDO token says of the moment it signed. Data: whether it is enough, a policy decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Presence {
    /// Somebody touched the token.
    pub user_present: bool,
    /// The token checked who that was, by PIN or fingerprint.
    pub user_verified: bool,
    /// The token's count of signatures.
    pub counter: u32,
}

impl VerifiedSignature {
    /// The key that made it.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// What a FIDO token said; `None` for keys that are no token's.
    pub fn presence(&self) -> Option<Presence> {
        self.presence
    }

    /// Verifies the inner signature, of which `rest` follows the algorithm label.
    pub(super) fn verify(key: &PublicKey, label: &[u8], rest: &[u8], signed: &[u8]) -> Result<Self, SignatureError> {
        let mut reader = Reader(rest);
        let signature = reader.string().ok_or(SignatureError::Encoding)?;
        let parts = key.parts().ok_or(SignatureError::Encoding)?;
        let presence = match parts {
            Parts::SkEd25519 { application, .. } | Parts::SkEcdsa { application, .. } => {
                let flags = reader.byte().ok_or(SignatureError::Encoding)?;
                let counter = reader.uint32().ok_or(SignatureError::Encoding)?;
                Some((flags, counter, token_data(application, flags, counter, signed)))
            }
            _ => None,
        };
        reader.end().ok_or(SignatureError::Encoding)?;
        let signed = presence.as_ref().map_or(signed, |(_, _, token_data)| token_data);
        match parts {
            Parts::Ed25519(point) | Parts::SkEd25519 { key: point, .. } => ed25519(point, signature, signed)?,
            Parts::Ecdsa(point) | Parts::SkEcdsa { point, .. } => ecdsa(key.algorithm(), point, signature, signed)?,
            Parts::Rsa { exponent, modulus } => rsa(exponent, modulus, label, signature, signed)?,
        }
        let presence = presence.map(|(flags, counter, _)| Presence {
            user_present: flags & 0x01 != 0,
            user_verified: flags & 0x04 != 0,
            counter,
        });
        Ok(Self { key: key.clone(), presence })
    }
}

/// What a token signs (PROTOCOL.u2f, "SSH U2F signatures").
fn token_data(application: &[u8], flags: u8, counter: u32, signed: &[u8]) -> Vec<u8> {
    let mut data = Sha256::digest(application).to_vec();
    data.push(flags);
    data.extend_from_slice(&counter.to_be_bytes());
    data.extend_from_slice(&Sha256::digest(signed));
    data
}

/// RFC 8032 with the strict check: neither malleable signatures nor points of small order.
fn ed25519(point: &[u8; 32], signature: &[u8], signed: &[u8]) -> Result<(), SignatureError> {
    let signature: &[u8; 64] = signature.try_into().map_err(|_| SignatureError::Encoding)?;
    let key = ed25519_dalek::VerifyingKey::from_bytes(point).map_err(|_| SignatureError::Mismatch)?;
    key.verify_strict(signed, &ed25519_dalek::Signature::from_bytes(signature)).map_err(|_| SignatureError::Mismatch)
}

/// RFC 5656 section 3.1.2: the signature is two mpints. The hash belongs to the curve.
fn ecdsa(algorithm: Algorithm, point: &[u8], signature: &[u8], signed: &[u8]) -> Result<(), SignatureError> {
    let mut reader = Reader(signature);
    let mut number = || reader.positive_mpint().ok_or(SignatureError::Encoding);
    let (r, s) = (number()?, number()?);
    reader.end().ok_or(SignatureError::Encoding)?;
    let mismatch = |_| SignatureError::Mismatch;
    match algorithm {
        Algorithm::EcdsaP384 => {
            let key = p384::ecdsa::VerifyingKey::from_sec1_bytes(point).map_err(mismatch)?;
            let signature = p384::ecdsa::Signature::from_slice(&fixed::<48>(r, s)?).map_err(mismatch)?;
            key.verify(signed, &signature).map_err(mismatch)
        }
        Algorithm::EcdsaP521 => {
            let key = p521::ecdsa::VerifyingKey::from_sec1_bytes(point).map_err(mismatch)?;
            let signature = p521::ecdsa::Signature::from_slice(&fixed::<66>(r, s)?).map_err(mismatch)?;
            key.verify(signed, &signature).map_err(mismatch)
        }
        _ => {
            let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(point).map_err(mismatch)?;
            let signature = p256::ecdsa::Signature::from_slice(&fixed::<32>(r, s)?).map_err(mismatch)?;
            key.verify(signed, &signature).map_err(mismatch)
        }
    }
}

/// The two numbers side by side, each filled to `N` bytes.
fn fixed<const N: usize>(r: &[u8], s: &[u8]) -> Result<Vec<u8>, SignatureError> {
    let mut both = Vec::with_capacity(N * 2);
    for number in [r, s] {
        let fill = N.checked_sub(number.len()).ok_or(SignatureError::Mismatch)?;
        both.resize(both.len() + fill, 0);
        both.extend_from_slice(number);
    }
    Ok(both)
}

/// RFC 8332: PKCS #1 v1.5 with SHA-2; the signature has exactly the length of the modulus.
fn rsa(exponent: &[u8], modulus: &[u8], label: &[u8], signature: &[u8], signed: &[u8]) -> Result<(), SignatureError> {
    if signature.len() != modulus.len() {
        return Err(SignatureError::Encoding);
    }
    let number = rsa::BoxedUint::from_be_slice_vartime;
    let key = rsa::PublicKey::new_with_size_limits(number(modulus), number(exponent), RSA_BITS);
    let key = key.map_err(|_| SignatureError::Mismatch)?;
    let (scheme, digest) = if label == b"rsa-sha2-256" {
        (rsa::Pkcs1v15Sign::new::<Sha256>(), Sha256::digest(signed).to_vec())
    } else {
        (rsa::Pkcs1v15Sign::new::<Sha512>(), Sha512::digest(signed).to_vec())
    };
    key.verify(scheme, &digest, signature).map_err(|_| SignatureError::Mismatch)
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::Signer as _;

    use super::super::sshsig::{ClaimedSignature, signed_data};
    use super::super::wire::put_string;
    use super::*;
    use crate::ssh::KeyError;

    const NAMESPACE: &str = "file";
    const MESSAGE: &[u8] = b"hello\n";

    fn strings(fields: &[&[u8]]) -> Vec<u8> {
        let mut bytes = Vec::new();
        fields.iter().for_each(|field| put_string(&mut bytes, field));
        bytes
    }

    fn blob(key: &[u8], inner: &[u8]) -> Vec<u8> {
        let fields = strings(&[key, NAMESPACE.as_bytes(), b"", b"sha512", inner]);
        [b"SSHSIG\0\0\0\x01", fields.as_slice()].concat()
    }

    fn judge(blob: &[u8]) -> Result<VerifiedSignature, SignatureError> {
        ClaimedSignature::from_blob(blob)?.verify(NAMESPACE, MESSAGE)
    }

    fn signed() -> Vec<u8> {
        signed_data(NAMESPACE, "sha512", &Sha512::digest(MESSAGE))
    }

    /// An mpint in its canonical form.
    fn mpint(number: &[u8]) -> Vec<u8> {
        let start = number.iter().position(|byte| *byte != 0).unwrap_or(number.len());
        let sign = if number.get(start).is_some_and(|byte| byte & 0x80 != 0) { &[0][..] } else { &[] };
        [sign, &number[start..]].concat()
    }

    /// A FIDO token in software.
    enum Token {
        Ed25519(ed25519_dalek::SigningKey),
        Ecdsa(p256::ecdsa::SigningKey),
    }

    impl Token {
        fn both() -> [Self; 2] {
            [
                Self::Ed25519(ed25519_dalek::SigningKey::from_bytes(&[7; 32])),
                Self::Ecdsa(p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap()),
            ]
        }

        fn name(&self) -> &'static [u8] {
            match self {
                Self::Ed25519(_) => b"sk-ssh-ed25519@openssh.com",
                Self::Ecdsa(_) => b"sk-ecdsa-sha2-nistp256@openssh.com",
            }
        }

        fn key(&self, application: &[u8]) -> Vec<u8> {
            match self {
                Self::Ed25519(key) => strings(&[self.name(), key.verifying_key().as_bytes(), application]),
                Self::Ecdsa(key) => {
                    let point = key.verifying_key().to_sec1_point(false);
                    strings(&[self.name(), b"nistp256", point.as_bytes(), application])
                }
            }
        }

        /// The inner signature: what the token signs is spelled out, and not taken from the code under test.
        fn sign(&self, application: &[u8], flags: u8, counter: u32) -> Vec<u8> {
            let data = [&Sha256::digest(application)[..], &[flags], &counter.to_be_bytes(), &Sha256::digest(signed())]
                .concat();
            let signature = match self {
                Self::Ed25519(key) => key.sign(&data).to_bytes().to_vec(),
                Self::Ecdsa(key) => {
                    let signature: p256::ecdsa::Signature = key.sign(&data);
                    let (r, s) = signature.split_bytes();
                    strings(&[&mpint(&r), &mpint(&s)])
                }
            };
            [&strings(&[self.name(), &signature]), &[flags][..], &counter.to_be_bytes()].concat()
        }
    }

    #[test]
    fn what_a_token_says_of_the_moment_is_kept_as_data() {
        for token in Token::both() {
            for (flags, user_present, user_verified) in [
                (0x00, false, false),
                (0x01, true, false),
                (0x05, true, true),
                (0x04, false, true),
                (0x81, true, false),
            ] {
                let counter = 0x0102_0304 + u32::from(flags);
                let verified = judge(&blob(&token.key(b"ssh:"), &token.sign(b"ssh:", flags, counter))).unwrap();
                assert_eq!(verified.presence(), Some(Presence { user_present, user_verified, counter }));
                assert_eq!(verified.key().blob(), token.key(b"ssh:"));
            }
        }
    }

    #[test]
    fn nothing_a_token_says_can_be_exchanged() {
        for token in Token::both() {
            let (key, inner) = (token.key(b"ssh:"), token.sign(b"ssh:", 0x01, 9));
            assert!(judge(&blob(&key, &inner)).is_ok());
            let change = |from_end: usize, value: u8| {
                let mut inner = inner.clone();
                let position = inner.len() - from_end;
                inner[position] = value;
                inner
            };
            let plain = match &token {
                Token::Ed25519(key) => strings(&[b"ssh-ed25519", key.verifying_key().as_bytes()]),
                Token::Ecdsa(key) => {
                    let point = key.verifying_key().to_sec1_point(false);
                    strings(&[b"ecdsa-sha2-nistp256", b"nistp256", point.as_bytes()])
                }
            };
            for (name, key, inner, why) in [
                ("flags", &key, change(5, 0x05), SignatureError::Mismatch),
                ("counter", &key, change(1, 10), SignatureError::Mismatch),
                ("no flags", &key, inner[..inner.len() - 5].to_vec(), SignatureError::Encoding),
                ("no counter", &key, inner[..inner.len() - 4].to_vec(), SignatureError::Encoding),
                ("half a counter", &key, inner[..inner.len() - 1].to_vec(), SignatureError::Encoding),
                ("one byte more", &key, [&inner[..], &[0]].concat(), SignatureError::Encoding),
                ("application", &token.key(b"ssh:x"), inner.clone(), SignatureError::Mismatch),
                ("the bare key", &plain, inner.clone(), SignatureError::Label),
            ] {
                assert_eq!(judge(&blob(key, &inner)), Err(why), "{name}");
            }
        }
    }

    #[test]
    fn a_bare_key_does_not_stand_in_for_its_token() {
        let key = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
        let token = strings(&[b"sk-ssh-ed25519@openssh.com", key.verifying_key().as_bytes(), b"ssh:"]);
        let signature = key.sign(&signed()).to_bytes();
        for label in [&b"ssh-ed25519"[..], b"sk-ssh-ed25519@openssh.com"] {
            assert!(judge(&blob(&token, &strings(&[label, &signature]))).is_err());
            let with_flags = [&strings(&[label, &signature])[..], &[1, 0, 0, 0, 1]].concat();
            assert!(judge(&blob(&token, &with_flags)).is_err());
        }
    }

    #[test]
    fn ecdsa_numbers_are_canonical_positive_and_in_range() {
        let secret = p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap();
        let point = secret.verifying_key().to_sec1_point(false);
        let key = strings(&[b"ecdsa-sha2-nistp256", b"nistp256", point.as_bytes()]);
        let signature: p256::ecdsa::Signature = secret.sign(&signed());
        let (r, s) = signature.split_bytes();
        let (r, s) = (mpint(&r), mpint(&s));
        let judge = |signature: &[u8]| {
            judge(&blob(&key, &strings(&[b"ecdsa-sha2-nistp256", signature]))).map(|verified| verified.presence())
        };
        assert_eq!(judge(&strings(&[&r, &s])), Ok(None));
        let order = p256_order();
        let padded = |number: &[u8]| [&[0], number].concat();
        // Taken for two's complement, as an mpint is, a number without its zero byte would be negative.
        let negative = [&[0x80], &r[r.len().saturating_sub(31)..]].concat();
        for (name, signature, why) in [
            ("padded r", strings(&[&padded(&r), &s]), SignatureError::Encoding),
            ("padded s", strings(&[&r, &padded(&s)]), SignatureError::Encoding),
            ("negative r", strings(&[&negative, &s]), SignatureError::Encoding),
            ("no s", strings(&[&r]), SignatureError::Encoding),
            ("a third number", strings(&[&r, &s, &s]), SignatureError::Encoding),
            ("one byte more", [strings(&[&r, &s]), vec![0]].concat(), SignatureError::Encoding),
            ("r and s side by side", signature.to_bytes().to_vec(), SignatureError::Encoding),
            ("zero r", strings(&[&[], &s]), SignatureError::Encoding),
            ("zero s", strings(&[&r, &[0]]), SignatureError::Encoding),
            ("r of the order", strings(&[&mpint(&order), &s]), SignatureError::Mismatch),
            ("s of the order", strings(&[&r, &mpint(&order)]), SignatureError::Mismatch),
            ("long r", strings(&[&[1; 33], &s]), SignatureError::Mismatch),
            ("exchanged", strings(&[&s, &r]), SignatureError::Mismatch),
        ] {
            assert_eq!(judge(&signature), Err(why), "{name}");
        }
        // The one freedom that ECDSA leaves: s and n - s both verify, and ssh-keygen writes either. So a seal is known by
        // what it signs; nothing may trust that a second signature blob means a second act of signing.
        let twin = subtract(&order, &signature.split_bytes().1);
        assert_eq!(judge(&strings(&[&r, &mpint(&twin)])), Ok(None));
    }

    fn p256_order() -> [u8; 32] {
        *crate::digest::Digest::parse(b"ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551")
            .unwrap()
            .as_bytes()
    }

    fn subtract(from: &[u8; 32], number: &[u8]) -> [u8; 32] {
        let mut result = [0; 32];
        let mut borrow = 0;
        for position in (0..32).rev() {
            let difference = i16::from(from[position]) - i16::from(number[position]) - borrow;
            borrow = i16::from(difference < 0);
            result[position] = u8::try_from(difference.rem_euclid(256)).unwrap();
        }
        result
    }

    #[test]
    fn a_signature_with_a_weak_key_never_verifies() {
        // With the identity as key, and as R, and S = 0, the lax equation holds for every message.
        let mut identity = [0; 32];
        identity[0] = 1;
        let signature = [identity, [0; 32]].concat();
        let key = strings(&[b"ssh-ed25519", &identity]);
        let made = blob(&key, &strings(&[b"ssh-ed25519", &signature]));
        assert_eq!(judge(&made), Err(SignatureError::Key(KeyError::Point)));
        // And an honest key does not verify it either.
        let honest = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
        let key = strings(&[b"ssh-ed25519", honest.verifying_key().as_bytes()]);
        let made = blob(&key, &strings(&[b"ssh-ed25519", &signature]));
        assert_eq!(judge(&made), Err(SignatureError::Mismatch));
    }
}
