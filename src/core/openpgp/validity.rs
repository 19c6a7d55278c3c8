//! Until when the keys of a certificate may sign: what its own signatures say, verified.
//!
//! RFC 9580, 5.2.3.10 leaves open which of several signatures about one key holds. Here it is the last one made, as for GnuPG and
//! Sequoia, and where that one is too weak to count, none does: an older one may promise what the last took back.

use pgp::packet::RevocationCode;
use pgp::packet::{Signature, SignatureType, SubpacketData};
use pgp::ser::Serialize;
use pgp::types::{KeyDetails, Tag, VerifyingKey};
use thiserror::Error;

use super::Fingerprint;
use super::certificate::{Bound, Certificate, Identity};
use super::key::{self, KeyFault, StrictKey};
use super::signature::{SignatureError, config, dates, once};
use crate::core::canonical::Time;
use crate::core::decide::Timestamp;

/// Why what a key signs does not count.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unusable {
    /// It is not of the certificate.
    #[error("it is no key of the certificate")]
    Foreign,
    /// It is too weak.
    #[error(transparent)]
    Key(#[from] KeyFault),
    /// It was made after the signature was received.
    #[error("it did not exist yet")]
    NotYet,
    /// It was taken back, or the primary key was.
    #[error("it is revoked")]
    Revoked,
    /// It has ended, or the primary key has.
    #[error("it expired on {}", Time(*.0))]
    Expired(Timestamp),
    /// No signature of the primary key binds it.
    #[error("nothing in the certificate binds it to its owner")]
    Unbound,
    /// The signature that binds it cannot count.
    #[error("what binds it to its owner does not count: {0}")]
    Binding(SignatureError),
    /// It is for something else.
    #[error("its certificate does not say that it is for signing")]
    NotForSigning,
    /// It has not signed in return that it belongs to the primary key (RFC 9580, 5.2.1.9).
    #[error("it has not signed that it belongs to its certificate")]
    NoBackSignature,
}

/// What the signatures of a certificate say about each of its keys.
#[derive(Clone, Debug)]
pub(super) struct Validity {
    primary: KeyValidity,
    subkeys: Vec<KeyValidity>,
}

/// What is known of one key.
#[derive(Clone, Debug)]
struct KeyValidity {
    key: Fingerprint,
    fault: Option<KeyFault>,
    created: Timestamp,
    /// From when on it counts for nothing.
    revoked: Option<Timestamp>,
    /// The last one made first.
    bindings: Vec<Binding>,
}

/// A signature that says what a key is for.
#[derive(Clone, Debug)]
struct Binding {
    made: Timestamp,
    /// When it ceases to say so.
    expires: Option<Timestamp>,
    /// From when on another has taken it back.
    revoked: Option<Timestamp>,
    /// When the key ends.
    key_expires: Option<Timestamp>,
    /// Whether the key may sign.
    signs: Result<(), Unusable>,
}

impl Validity {
    pub(super) fn of(certificate: &Certificate) -> Self {
        let signer = StrictKey(&certificate.primary.part);
        let own = certificate.fingerprint();
        let mut primary = KeyValidity::new(&certificate.primary.part);
        let by_owner = |signature: &Signature| is_by(signature, own);

        let mut designated = false;
        for signature in &certificate.primary.signatures {
            let holds = by_owner(signature) && signature.verify_key(&signer).is_ok();
            match signature.typ() {
                Some(SignatureType::Key) if holds => {
                    designated |= signature.revocation_key().is_some();
                    primary.bind(signature, None, || Ok(()));
                }
                Some(SignatureType::KeyRevocation) if holds => primary.revoke(signature),
                _ => {}
            }
        }
        // Version 6 says what a key is for in a signature over the key alone (RFC 9580, 10.1.1).
        let names = certificate.identities.iter().filter(|_| own.0.len() == 20);
        for identity in names {
            let (mine, revoked) = certifications(identity, |signature| {
                by_owner(signature) && verifies_identity(&identity.part, signature, &signer)
            });
            for signature in mine {
                designated |= signature.revocation_key().is_some();
                primary.bind(signature, revoked, || Ok(()));
            }
        }
        // Somebody was named who may revoke it, and somebody else did: nobody here can tell whether it was the one.
        let others = certificate.primary.signatures.iter().filter(|signature| !by_owner(signature));
        if designated && others.clone().any(|signature| signature.typ() == Some(SignatureType::KeyRevocation)) {
            primary.revoked = Some(Timestamp(i64::MIN));
        }
        primary.sort();

        let subkeys = certificate.subkeys.iter().map(|(_, subkey)| {
            let mut validity = KeyValidity::new(&subkey.part);
            for signature in subkey.signatures.iter().filter(|signature| by_owner(signature)) {
                match signature.typ() {
                    Some(SignatureType::SubkeyBinding)
                        if signature.verify_subkey_binding(&signer, &StrictKey(&subkey.part)).is_ok() =>
                    {
                        validity.bind(signature, None, || {
                            back_signature(signature, &subkey.part, &certificate.primary.part)
                        });
                    }
                    Some(SignatureType::SubkeyRevocation)
                        if signature.verify_subkey_binding(&signer, &StrictKey(&subkey.part)).is_ok() =>
                    {
                        validity.revoke(signature);
                    }
                    _ => {}
                }
            }
            validity.sort();
            validity
        });
        Self { subkeys: subkeys.collect(), primary }
    }

    pub(super) fn status(&self, key: &Fingerprint, received: Timestamp) -> Result<(), Unusable> {
        let own = std::iter::once(&self.primary).chain(&self.subkeys).find(|own| own.key == *key);
        let own = own.ok_or(Unusable::Foreign)?;
        let of_certificate = self.primary.binding(received)?;
        let binding = if own.key == self.primary.key { of_certificate } else { own.binding(received)? };
        binding.signs.clone()
    }

    /// Whether any key ends, or says so of itself in time.
    pub(super) fn ends(&self) -> bool {
        let ends = |binding: &Binding| binding.key_expires.is_some() || binding.expires.is_some();
        std::iter::once(&self.primary)
            .chain(&self.subkeys)
            .any(|key| key.revoked.is_some() || key.bindings.iter().any(ends))
    }
}

impl KeyValidity {
    fn new(key: &impl KeyDetails) -> Self {
        Self {
            key: Fingerprint::of(key),
            fault: key::check(key).err(),
            created: Timestamp(i64::from(key.created_at().as_secs())),
            revoked: None,
            bindings: Vec::new(),
        }
    }

    /// Takes in a signature of the primary key about this one, which holds.
    fn bind(&mut self, signature: &Signature, revoked: Option<Timestamp>, back: impl FnOnce() -> Result<(), Unusable>) {
        let Some(written) = signature.config() else { return };
        // A date that is not there once is the last one: the signature is then the one that would hold, and does not count.
        let made = dates(written);
        let seconds =
            |lifetime: pgp::types::Duration| Some(i64::from(lifetime.as_secs())).filter(|seconds| *seconds > 0);
        let lifetime = once(written, |data| match data {
            SubpacketData::SignatureExpirationTime(lifetime) => Some(seconds(*lifetime)),
            _ => None,
        });
        let key_lifetime = once(written, |data| match data {
            SubpacketData::KeyExpirationTime(lifetime) => Some(seconds(*lifetime)),
            _ => None,
        });
        let flags = once(written, |data| match data {
            SubpacketData::KeyFlags(flags) => Some(flags.sign()),
            _ => None,
        });
        let faulty = [config(signature).err(), made.clone().err(), lifetime.clone().err(), key_lifetime.clone().err()];
        let fault = faulty.into_iter().flatten().next().or(flags.clone().err());
        let signs = match (fault, flags.ok().flatten()) {
            (Some(fault), _) => Err(Unusable::Binding(fault)),
            (None, Some(true)) => back(),
            (None, Some(false) | None) => Err(Unusable::NotForSigning),
        };
        let made = made.unwrap_or(Timestamp(i64::MIN));
        self.bindings.push(Binding {
            made,
            expires: lifetime.ok().flatten().flatten().map(|seconds| Timestamp(made.0.saturating_add(seconds))),
            revoked: revoked.filter(|revoked| *revoked >= made),
            key_expires: key_lifetime.ok().flatten().flatten().map(|seconds| Timestamp(self.created.0 + seconds)),
            signs,
        });
    }

    /// Takes in a revocation, which holds: of what is superseded or retired from its date on, and otherwise of everything.
    fn revoke(&mut self, signature: &Signature) {
        let is_soft = matches!(
            signature.revocation_reason_code(),
            Some(RevocationCode::KeySuperseded | RevocationCode::KeyRetired)
        );
        let made = signature.config().and_then(|written| dates(written).ok()).filter(|_| is_soft);
        let from = made.unwrap_or(Timestamp(i64::MIN));
        self.revoked = Some(self.revoked.map_or(from, |other| other.min(from)));
    }

    fn sort(&mut self) {
        self.bindings.sort_by_key(|binding| std::cmp::Reverse(binding.made));
    }

    /// What held of the key at a time, where it was good then.
    fn binding(&self, received: Timestamp) -> Result<&Binding, Unusable> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone().into());
        }
        if self.revoked.is_some_and(|from| from <= received) {
            return Err(Unusable::Revoked);
        }
        if self.created > received {
            return Err(Unusable::NotYet);
        }
        let held = |binding: &&Binding| {
            binding.made <= received
                && binding.expires.is_none_or(|end| received < end)
                && binding.revoked.is_none_or(|from| received < from)
        };
        let binding = self.bindings.iter().find(held).ok_or(Unusable::Unbound)?;
        match binding.key_expires {
            Some(end) if end <= received => Err(Unusable::Expired(end)),
            _ => Ok(binding),
        }
    }
}

/// Whether a signature names the key of this fingerprint, or none.
fn is_by(signature: &Signature, own: &Fingerprint) -> bool {
    let fingerprints = signature.issuer_fingerprint();
    let by_fingerprint = fingerprints.iter().any(|one| one.as_bytes() == &*own.0);
    let ids = signature.issuer_key_id();
    let by_id = ids.iter().any(|one| one.as_ref() == own.key_id().0);
    by_fingerprint || by_id || fingerprints.is_empty() && ids.is_empty()
}

/// The signatures of the owner that say who it is, and when the last one took that back.
fn certifications(
    identity: &Bound<Identity>,
    holds: impl Fn(&Signature) -> bool,
) -> (Vec<&Signature>, Option<Timestamp>) {
    let (mut mine, mut revoked) = (Vec::new(), None);
    for signature in identity.signatures.iter().filter(|signature| holds(signature)) {
        match signature.typ() {
            Some(SignatureType::CertRevocation) => {
                let made = signature.config().and_then(|written| dates(written).ok()).unwrap_or(Timestamp(i64::MAX));
                revoked = revoked.max(Some(made));
            }
            _ => mine.push(signature),
        }
    }
    (mine, revoked)
}

fn verifies_identity<K: VerifyingKey + Serialize>(
    identity: &Identity,
    signature: &Signature,
    signer: &StrictKey<'_, K>,
) -> bool {
    match identity {
        Identity::Name(name) => signature.verify_certification(signer, Tag::UserId, name).is_ok(),
        Identity::Attribute(attribute) => signature.verify_certification(signer, Tag::UserAttribute, attribute).is_ok(),
    }
}

/// Whether a key that is bound for signing says itself that it belongs to the primary one.
fn back_signature<S, P>(binding: &Signature, subkey: &S, primary: &P) -> Result<(), Unusable>
where
    S: VerifyingKey + Serialize,
    P: KeyDetails + Serialize,
{
    let back = binding.embedded_signature().ok_or(Unusable::NoBackSignature)?;
    config(back).map_err(Unusable::Binding)?;
    back.verify_primary_key_binding(&StrictKey(subkey), primary).map_err(|_| Unusable::NoBackSignature)
}
