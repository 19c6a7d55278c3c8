//! SSH keys and SSHSIG signatures: strict decoding, strict verification.
//!
//! OpenSSH and the usual libraries accept several encodings of one signature (PROTOCOL.sshsig, PROTOCOL.u2f); here each has
//! one. A [`VerifiedSignature`] can only come from [`ClaimedSignature::verify`].

mod armor;
mod key;
mod private;
mod sshsig;
mod verify;
mod wire;

#[cfg(test)]
mod interop;
#[cfg(test)]
mod tricks;

pub use armor::{armor, dearmor};
pub use key::{Algorithm, Fingerprint, KeyError, PublicKey};
pub use private::{PrivateKey, PrivateKeyError};
pub use sshsig::{ClaimedSignature, SignatureError};
pub use verify::{Presence, VerifiedSignature};
