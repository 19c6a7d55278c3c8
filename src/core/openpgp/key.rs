//! Which keys are strong enough, and Ed25519 as it is verified everywhere here.

use ed25519_dalek::{Signature as Ed25519Signature, VerifyingKey as Ed25519Key};
use pgp::crypto::hash::HashAlgorithm;
use pgp::crypto::public_key::PublicKeyAlgorithm;
use pgp::errors::{Error, Result};
use pgp::ser::Serialize;
use pgp::types::{
    EcdsaPublicParams, EddsaLegacyPublicParams, Fingerprint, KeyDetails, KeyId, KeyVersion, PublicParams,
    SignatureBytes, Timestamp, VerifyingKey,
};
use thiserror::Error;

/// Bits of an RSA key at least.
const RSA_BITS: u16 = 2048;

/// Why nothing that a key signs counts.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum KeyFault {
    /// Too few bits.
    #[error("it is an RSA key of {0} bits; {RSA_BITS} are asked for")]
    Short(u16),
    /// A kind of key that nothing is verified with.
    #[error("{0} keys are not accepted; RSA, Ed25519 and ECDSA on P-256, P-384 and P-521 are")]
    Algorithm(String),
    /// Not version 4 or 6.
    #[error("its version is neither 4 nor 6")]
    Version,
}

/// Checks the kind and length of a key.
pub(super) fn check(key: &impl KeyDetails) -> std::result::Result<(), KeyFault> {
    if !matches!(key.version(), KeyVersion::V4 | KeyVersion::V6) {
        return Err(KeyFault::Version);
    }
    match key.public_params() {
        PublicParams::RSA(rsa) => {
            // The modulus comes first, after the number of its bits (RFC 9580, 3.2).
            let bits = match rsa.to_bytes().ok().as_deref() {
                Some([high, low, ..]) => u16::from_be_bytes([*high, *low]),
                _ => 0,
            };
            if bits < RSA_BITS { Err(KeyFault::Short(bits)) } else { Ok(()) }
        }
        PublicParams::ECDSA(
            EcdsaPublicParams::P256 { .. } | EcdsaPublicParams::P384 { .. } | EcdsaPublicParams::P521 { .. },
        )
        | PublicParams::EdDSALegacy(EddsaLegacyPublicParams::Ed25519 { .. })
        | PublicParams::Ed25519(_) => Ok(()),
        _ => Err(KeyFault::Algorithm(format!("{:?}", key.algorithm()))),
    }
}

/// A key that verifies Ed25519 strictly and everything else as its crate does.
#[derive(Debug)]
pub(super) struct StrictKey<'a, K>(pub(super) &'a K);

impl<K: KeyDetails> KeyDetails for StrictKey<'_, K> {
    fn version(&self) -> KeyVersion {
        self.0.version()
    }

    fn legacy_key_id(&self) -> KeyId {
        self.0.legacy_key_id()
    }

    fn fingerprint(&self) -> Fingerprint {
        self.0.fingerprint()
    }

    fn algorithm(&self) -> PublicKeyAlgorithm {
        self.0.algorithm()
    }

    fn created_at(&self) -> Timestamp {
        self.0.created_at()
    }

    fn legacy_v3_expiration_days(&self) -> Option<u16> {
        self.0.legacy_v3_expiration_days()
    }

    fn public_params(&self) -> &PublicParams {
        self.0.public_params()
    }
}

impl<K: VerifyingKey> VerifyingKey for StrictKey<'_, K> {
    fn verify(&self, hash: HashAlgorithm, data: &[u8], signature: &SignatureBytes) -> Result<()> {
        let (key, signature) = match (self.public_params(), signature) {
            (PublicParams::Ed25519(params), SignatureBytes::Native(bytes)) => (params.key.to_bytes(), bytes.to_vec()),
            (PublicParams::EdDSALegacy(EddsaLegacyPublicParams::Ed25519 { key }), SignatureBytes::Mpis(numbers)) => {
                let [r, s] = numbers.as_slice() else { return Err(no_signature()) };
                (key.to_bytes(), [half(r.as_ref())?, half(s.as_ref())?].concat())
            }
            _ => return self.0.verify(hash, data, signature),
        };
        let key = Ed25519Key::from_bytes(&key).map_err(|_| no_signature())?;
        let signature = Ed25519Signature::from_slice(&signature).map_err(|_| no_signature())?;
        key.verify_strict(data, &signature).map_err(|_| no_signature())
    }
}

impl<K: Serialize> Serialize for StrictKey<'_, K> {
    fn to_writer<W: std::io::Write>(&self, writer: &mut W) -> Result<()> {
        self.0.to_writer(writer)
    }

    fn write_len(&self) -> usize {
        self.0.write_len()
    }
}

/// One of the two numbers of a signature of the older form, which has lost the zeros that it begins with.
fn half(number: &[u8]) -> Result<[u8; 32]> {
    let mut bytes = [0; 32];
    let from = bytes.len().checked_sub(number.len()).ok_or_else(no_signature)?;
    bytes.get_mut(from..).ok_or_else(no_signature)?.copy_from_slice(number);
    Ok(bytes)
}

fn no_signature() -> Error {
    Error::from("the signature does not verify".to_owned())
}
