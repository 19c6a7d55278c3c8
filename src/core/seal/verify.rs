//! From a claimed seal to a verified one.

use std::fmt;

use thiserror::Error;

use super::payload::{Payload, Root};
use super::value::SealValue;
use crate::core::digest::Digest;
use crate::core::id::{Id, RepositoryName};
use crate::core::oid::Oid;
use crate::core::signature::SigningKey;
use crate::core::ssh::{ClaimedSignature, PublicKey, SignatureError, VerifiedSignature};

/// A block as the message has it: nothing of it is verified.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The agent it names.
    pub agent: Id,
    /// The step of a pipeline; `None` for the author.
    pub role: Option<Id>,
    /// The model, as the agent says.
    pub model: Option<String>,
    /// The session, as the agent says.
    pub session: Option<String>,
    /// The task, as the agent says.
    pub task: Option<String>,
    /// The digests that were sealed, and the signature.
    pub seal: SealValue,
}

/// What the commit really is, against which a claim is held.
#[derive(Clone, Copy, Debug)]
pub struct SealSubject<'a> {
    /// The repository it is pushed to.
    pub repository: &'a RepositoryName,
    /// The value of its author header.
    pub author: &'a [u8],
    /// Its parents after the first.
    pub merges: &'a [Oid],
    /// Whether it has no parent.
    pub root: Root,
    /// Its change against its first parent.
    pub change: Digest,
    /// Its message above the seal's line.
    pub message: Digest,
}

/// What verification found.
#[derive(Clone, Debug)]
pub enum SealOutcome {
    /// The seal holds for this commit. Whose key it is, a policy knows.
    Holds(VerifiedSeal),
    /// The signature is authentic, but this is not the commit that was sealed.
    Stale(StaleSeal),
    /// The signature does not verify.
    Bad(BadSeal),
}

/// A seal that holds. Only [`verify`] makes one.
#[derive(Clone, Debug)]
pub struct VerifiedSeal {
    signature: VerifiedSignature,
}

impl VerifiedSeal {
    /// The key that sealed.
    pub fn key(&self) -> &PublicKey {
        self.signature.key()
    }

    /// The key with the certificate that it came in.
    pub fn signer(&self) -> SigningKey<'_> {
        SigningKey::of(&self.signature)
    }

    /// The digest of the SSHSIG blob, by which a seal is known.
    pub fn digest(&self) -> Digest {
        self.signature.digest()
    }
}

/// What differs from what was sealed. At least one of both is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaleSeal {
    /// The content is another.
    pub change: SinceSealing,
    /// The message is another.
    pub message: SinceSealing,
}

/// Whether something is as it was sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SinceSealing {
    /// It is.
    Same,
    /// It is not.
    Changed,
}

impl SinceSealing {
    fn between(sealed: Digest, found: Digest) -> Self {
        if sealed == found { Self::Same } else { Self::Changed }
    }
}

impl fmt::Display for StaleSeal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match (self.change, self.message) {
            (SinceSealing::Changed, SinceSealing::Changed) => "the content and the message",
            (SinceSealing::Changed, SinceSealing::Same) => "the content",
            // One of them has changed, or there is no such error.
            (SinceSealing::Same, SinceSealing::Changed | SinceSealing::Same) => "the message",
        })
    }
}

/// Why a seal does not verify.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BadSeal {
    /// The signature, or its encoding.
    #[error("{0}")]
    Signature(#[from] SignatureError),
    /// The signed bytes are others: the author line, merged parents, repository, agent or role, or it was forged.
    #[error("it was forged, or the author line, the merged parents, the repository, the agent or the role is another")]
    Mismatch,
    /// A sealed commit has no `encoding` header.
    #[error("the commit has an encoding header, and sealed messages are UTF-8")]
    Encoding,
}

/// The payload that a claim was made over, if it was made for this commit: with the digests that it says itself.
pub fn sealed_payload<'a>(claim: &'a Claim, subject: &SealSubject<'a>) -> Payload<'a> {
    Payload {
        repository: subject.repository,
        agent: &claim.agent,
        role: claim.role.as_ref(),
        change: claim.seal.change,
        author: subject.author,
        merges: subject.merges,
        root: subject.root,
        message: claim.seal.message,
    }
}

/// Verifies a claim. The signature comes first, over the digests that the claim says; only then are these held against the
/// commit, so that an authentic seal on a changed commit is told from a forged one.
pub fn verify(claim: &Claim, subject: &SealSubject<'_>) -> SealOutcome {
    let payload = sealed_payload(claim, subject).to_bytes();
    let signature = ClaimedSignature::certified_from_blob(&claim.seal.signature)
        .and_then(|claimed| claimed.verify(super::NAMESPACE, &payload));
    let signature = match signature {
        Ok(signature) => signature,
        Err(SignatureError::Mismatch) => return SealOutcome::Bad(BadSeal::Mismatch),
        Err(error) => return SealOutcome::Bad(BadSeal::Signature(error)),
    };
    let change = SinceSealing::between(claim.seal.change, subject.change);
    let message = SinceSealing::between(claim.seal.message, subject.message);
    if change == SinceSealing::Same && message == SinceSealing::Same {
        SealOutcome::Holds(VerifiedSeal { signature })
    } else {
        SealOutcome::Stale(StaleSeal { change, message })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ssh::PrivateKey;

    fn sealed(key: &PrivateKey, role: Option<&str>) -> Claim {
        let mut claim = Claim {
            agent: Id::parse(b"claude-code").unwrap(),
            role: role.map(|role| Id::parse(role.as_bytes()).unwrap()),
            model: None,
            session: None,
            task: None,
            seal: SealValue { change: Digest::of(b"change"), message: Digest::of(b"message"), signature: Vec::new() },
        };
        claim.seal.signature = key.sign(crate::core::seal::NAMESPACE, &sealed_payload(&claim, &subject()).to_bytes());
        claim
    }

    fn subject() -> SealSubject<'static> {
        static NAME: std::sync::OnceLock<RepositoryName> = std::sync::OnceLock::new();
        SealSubject {
            repository: NAME.get_or_init(|| RepositoryName::parse(b"acme/payments").unwrap()),
            author: b"Ann <ann@x.dev> 1700000000 +0000",
            merges: &[],
            root: Root::No,
            change: Digest::of(b"change"),
            message: Digest::of(b"message"),
        }
    }

    #[test]
    fn holds_only_for_exactly_what_was_sealed() {
        let key = PrivateKey::from_seed(&[7; 32]).unwrap();
        let claim = sealed(&key, None);
        let SealOutcome::Holds(seal) = verify(&claim, &subject()) else { panic!("an honest seal holds") };
        assert_eq!(seal.key(), key.public());
        assert_eq!(seal.digest(), Digest::of(&claim.seal.signature));

        let stale = |change: &[u8], message: &[u8]| {
            let subject = SealSubject { change: Digest::of(change), message: Digest::of(message), ..subject() };
            match verify(&claim, &subject) {
                SealOutcome::Stale(stale) => stale.to_string(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(stale(b"other", b"message"), "the content");
        assert_eq!(stale(b"change", b"other"), "the message");
        assert_eq!(stale(b"other", b"other"), "the content and the message");

        let other = RepositoryName::parse(b"acme/other").unwrap();
        let merges = [Oid::parse(b"3b18e512dba79e4c8300dd08aeb37f8e728b8dad").unwrap()];
        for moved in [
            SealSubject { repository: &other, ..subject() },
            SealSubject { author: b"Eve <eve@x.dev> 1700000000 +0000", ..subject() },
            SealSubject { merges: &merges, ..subject() },
            SealSubject { root: Root::Yes, ..subject() },
        ] {
            assert!(matches!(verify(&claim, &moved), SealOutcome::Bad(BadSeal::Mismatch)), "{moved:?}");
        }
    }

    #[test]
    fn no_part_of_a_claim_can_be_exchanged() {
        let key = PrivateKey::from_seed(&[7; 32]).unwrap();
        let honest = sealed(&key, None);
        let mut forged = Vec::new();
        forged.push(Claim { agent: Id::parse(b"codex").unwrap(), ..honest.clone() });
        forged.push(Claim { role: Some(Id::parse(b"reviewer").unwrap()), ..honest.clone() });
        forged.push(Claim { role: None, ..sealed(&key, Some("reviewer")) });
        let other_digest = SealValue { change: Digest::of(b"other"), ..honest.seal.clone() };
        forged.push(Claim { seal: other_digest, ..honest.clone() });
        for claim in forged {
            assert!(matches!(verify(&claim, &subject()), SealOutcome::Bad(_)), "{claim:?}");
        }
        for bit in 0..honest.seal.signature.len() * 8 {
            let mut claim = honest.clone();
            claim.seal.signature[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(verify(&claim, &subject()), SealOutcome::Bad(_)), "bit {bit}");
        }
        let mut other_purpose = honest.clone();
        other_purpose.seal.signature = key.sign("git", &sealed_payload(&honest, &subject()).to_bytes());
        assert!(matches!(
            verify(&other_purpose, &subject()),
            SealOutcome::Bad(BadSeal::Signature(SignatureError::Namespace(_)))
        ));
    }
}
