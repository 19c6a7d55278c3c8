//! Keys in software that sign as one in a FIDO token does (PROTOCOL.u2f), for a rehearsal of what a policy says.

use ed25519_dalek::Signer as _;
use sha2::{Digest as _, Sha512};

use super::key::{KeyError, PublicKey};
use super::sshsig::{blob, signed_data};
use super::verify::token_data;
use super::wire::put_string;

const ALGORITHM: &[u8] = b"sk-ssh-ed25519@openssh.com";
const APPLICATION: &[u8] = b"ssh:";
/// Somebody was there, and the token knew who.
const TOUCHED_AND_VERIFIED: u8 = 0x05;
const COUNTER: u32 = 1;

/// A key of type `sk-ssh-ed25519@openssh.com` that nobody needs to touch. It proves nothing to anybody: no policy in force may list it.
pub struct SoftwareToken {
    signing: ed25519_dalek::SigningKey,
    public: PublicKey,
}

impl SoftwareToken {
    /// The key that this seed makes.
    ///
    /// # Errors
    /// [`KeyError`] for a seed whose public point is not accepted; no random seed is.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, KeyError> {
        let signing = ed25519_dalek::SigningKey::from_bytes(seed);
        let mut key = Vec::new();
        for part in [ALGORITHM, signing.verifying_key().as_bytes(), APPLICATION] {
            put_string(&mut key, part);
        }
        Ok(Self { signing, public: PublicKey::from_blob(&key)? })
    }

    /// The public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The SSHSIG blob of a signature that says the token was touched by a verified user.
    pub fn sign(&self, namespace: &str, message: &[u8]) -> Vec<u8> {
        let signed = signed_data(namespace, "sha512", &Sha512::digest(message));
        let data = token_data(APPLICATION, TOUCHED_AND_VERIFIED, COUNTER, &signed);
        let mut inner = Vec::new();
        put_string(&mut inner, ALGORITHM);
        put_string(&mut inner, &self.signing.sign(&data).to_bytes());
        inner.push(TOUCHED_AND_VERIFIED);
        inner.extend_from_slice(&COUNTER.to_be_bytes());
        blob(self.public.blob(), namespace, &inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ClaimedSignature, Presence};
    use super::*;

    #[test]
    fn it_signs_as_a_token_that_was_touched() {
        let token = SoftwareToken::from_seed(&[7; 32]).unwrap();
        let signature = ClaimedSignature::from_blob(&token.sign("purpose", b"message")).unwrap();
        let verified = signature.clone().verify("purpose", b"message").unwrap();
        let touched = Presence { user_present: true, user_verified: true, counter: COUNTER };
        assert_eq!((verified.key(), verified.presence()), (token.public(), Some(touched)));
        assert!(signature.verify("purpose", b"another").is_err());
    }
}
