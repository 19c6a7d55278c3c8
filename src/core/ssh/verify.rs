//! The mathematics, one function per family of keys.

use ed25519_dalek::VerifyingKey;
use rsa::signature::Verifier as _;
use sha2::{Digest as _, Sha256, Sha512};

use super::certificate::{ClaimedCertificate, VerifiedCertificate};
use super::key::{Algorithm, KeyParts, PublicKey, RSA_BITS};
use super::sshsig::{ClaimedSignature, SignatureError};
use super::wire::{Mpint, WireReader};
use crate::core::digest::Digest;

/// A signature that has been verified. There is no other way to make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedSignature {
    key: PublicKey,
    certificate: Option<VerifiedCertificate>,
    digest: Digest,
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

    /// The certificate that the key came in, verified too.
    pub fn certificate(&self) -> Option<&VerifiedCertificate> {
        self.certificate.as_ref()
    }

    /// The digest of the SSHSIG blob, by which the signature is known. Whoever has an ECDSA signature can make a second one
    /// from it that verifies too, so another digest does not mean that the key signed again.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// What a FIDO token said; `None` for keys that are no token's.
    pub fn presence(&self) -> Option<Presence> {
        self.presence
    }

    /// Verifies the inner signature of an SSHSIG, of which `rest` follows the algorithm label, and the certificate that it came with.
    pub(super) fn verify(claimed: &ClaimedSignature, signed: &[u8]) -> Result<Self, SignatureError> {
        let ClaimedSignature { key, certificate, digest, label, rest, .. } = claimed;
        let presence = verify_inner(key, label, rest, signed)?;
        let certificate = certificate.as_ref().map(ClaimedCertificate::verify).transpose()?;
        Ok(Self { key: key.clone(), certificate, digest: *digest, presence })
    }
}

/// Verifies a signature as keys make them, of which `rest` follows the algorithm label. What a FIDO token says of it, for such keys.
pub(super) fn verify_inner(
    key: &PublicKey,
    label: &[u8],
    rest: &[u8],
    signed: &[u8],
) -> Result<Option<Presence>, SignatureError> {
    let mut reader = WireReader(rest);
    let signature = reader.string().ok_or(SignatureError::Encoding)?;
    let parts = key.parts().ok_or(SignatureError::Encoding)?;
    let presence = match parts {
        KeyParts::SkEd25519 { application, .. } | KeyParts::SkEcdsa { application, .. } => {
            let flags = reader.byte().ok_or(SignatureError::Encoding)?;
            let counter = reader.uint32().ok_or(SignatureError::Encoding)?;
            Some((flags, counter, token_data(application, flags, counter, signed)))
        }
        KeyParts::Ed25519(_) | KeyParts::Ecdsa(_) | KeyParts::Rsa { .. } => None,
    };
    reader.end().ok_or(SignatureError::Encoding)?;
    let signed = presence.as_ref().map_or(signed, |(_, _, token_data)| token_data);
    match parts {
        KeyParts::Ed25519(_) | KeyParts::SkEd25519 { .. } => {
            let point = key.point().ok_or(SignatureError::Mismatch)?;
            ed25519(point, signature, signed)?;
        }
        KeyParts::Ecdsa(point) | KeyParts::SkEcdsa { point, .. } => ecdsa(key.algorithm(), point, signature, signed)?,
        KeyParts::Rsa { exponent, modulus } => rsa(exponent, modulus, label, signature, signed)?,
    }
    Ok(presence.map(|(flags, counter, _)| Presence {
        user_present: flags & 0x01 != 0,
        user_verified: flags & 0x04 != 0,
        counter,
    }))
}

/// What a token signs (PROTOCOL.u2f, "SSH U2F signatures").
pub(super) fn token_data(application: &[u8], flags: u8, counter: u32, signed: &[u8]) -> Vec<u8> {
    let mut data = Sha256::digest(application).to_vec();
    data.push(flags);
    data.extend_from_slice(&counter.to_be_bytes());
    data.extend_from_slice(&Sha256::digest(signed));
    data
}

/// RFC 8032 with the strict check: neither malleable signatures nor points of small order.
fn ed25519(key: &VerifyingKey, signature: &[u8], signed: &[u8]) -> Result<(), SignatureError> {
    let signature: &[u8; 64] = signature.try_into().map_err(|_| SignatureError::Encoding)?;
    key.verify_strict(signed, &ed25519_dalek::Signature::from_bytes(signature)).map_err(|_| SignatureError::Mismatch)
}

/// RFC 5656 section 3.1.2: the signature is two mpints. The hash belongs to the curve.
fn ecdsa(algorithm: Algorithm, point: &[u8], signature: &[u8], signed: &[u8]) -> Result<(), SignatureError> {
    let mut reader = WireReader(signature);
    let mut number = || {
        reader.positive_mpint().map_err(|why| match why {
            Mpint::Padded => SignatureError::Padded,
            Mpint::Other => SignatureError::Encoding,
        })
    };
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
        Algorithm::EcdsaP256 | Algorithm::SkEcdsaP256 => {
            let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(point).map_err(mismatch)?;
            let signature = p256::ecdsa::Signature::from_slice(&fixed::<32>(r, s)?).map_err(mismatch)?;
            key.verify(signed, &signature).map_err(mismatch)
        }
        Algorithm::Ed25519 | Algorithm::Rsa | Algorithm::SkEd25519 => Err(SignatureError::Encoding),
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
