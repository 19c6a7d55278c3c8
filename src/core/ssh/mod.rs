//! SSH keys and SSHSIG signatures: strict decoding, strict verification.
//!
//! OpenSSH and the usual libraries accept several encodings of one signature (PROTOCOL.sshsig, PROTOCOL.u2f); here each has
//! one, but for the lines that its text form is broken into. A [`VerifiedSignature`] can only come from [`ClaimedSignature::verify`].

mod armor;
mod certificate;
mod key;
mod krl;
mod note;
mod private;
mod sshsig;
mod token;
mod verify;
mod wire;

#[cfg(test)]
mod interop;
#[cfg(test)]
mod tricks;

pub use armor::{ArmorError, armor, dearmor};
pub use certificate::{
    CertificateError, ClaimedCertificate, NewCertificate, VerifiedCertificate, certificate_with, single_string,
};
pub use key::{Algorithm, Fingerprint, KeyError, PublicKey};
pub use krl::{Krl, KrlError, MAGIC as KRL_MAGIC};
pub use note::{WitnessKey, is_name};
pub use private::{PrivateKey, PrivateKeyError};
pub use sshsig::{ClaimedSignature, SignatureError, claimed_key, claimed_key_id};
pub use token::SoftwareToken;
pub use verify::{Presence, VerifiedSignature};
