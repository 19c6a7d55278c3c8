//! The certificate of `git push --signed` (gitprotocol-pack(5), "Push Certificate"): who pushes what to where, with the server's
//! nonce, signed.

use std::collections::BTreeSet;

use thiserror::Error;

use crate::core::id::RepositoryName;
use crate::core::oid::Oid;
use crate::core::ssh::{ClaimedSignature, SignatureError};
use crate::core::submitter::Who;

/// The SSHSIG namespace that git signs in.
const NAMESPACE: &str = "git";

/// The first line of the signature.
const ARMOR: &[u8] = b"-----BEGIN SSH SIGNATURE-----";

/// Why a certificate says nothing about the push at hand.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PushCertError {
    /// It is not as git writes it.
    #[error("the push certificate is not as git writes it")]
    Form,
    /// It is not signed with SSH.
    #[error("the push certificate is not signed with SSH (git config gpg.format ssh)")]
    NotSsh,
    /// The signature does not verify.
    #[error("the push certificate does not verify: {0}")]
    Signature(#[from] SignatureError),
    /// It answers another question than the server's.
    #[error("the push certificate does not hold the nonce of this push")]
    Nonce,
    /// It is for another repository.
    #[error("the push certificate is for {0:?}, which is not this repository")]
    Pushee(String),
    /// It is about other updates.
    #[error("the push certificate is not about exactly the refs that are pushed")]
    Updates,
}

/// One update as a certificate has it: the ref, its value before and after.
pub type CertifiedUpdate = (Vec<u8>, Option<Oid>, Option<Oid>);

/// What the server knows about the push.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The nonce that it gave.
    pub nonce: &'a [u8],
    /// The name of the repository.
    pub repository: &'a RepositoryName,
    /// The path of its directory.
    pub path: &'a [u8],
    /// The updates as pushed.
    pub updates: &'a BTreeSet<CertifiedUpdate>,
}

/// A certificate as it was sent: what it says, none of it verified.
#[derive(Debug)]
pub struct ClaimedPushCert<'a> {
    pushee: &'a [u8],
    nonce: &'a [u8],
    updates: BTreeSet<CertifiedUpdate>,
    payload: &'a [u8],
    signature: &'a [u8],
}

impl<'a> ClaimedPushCert<'a> {
    /// Takes a certificate apart.
    ///
    /// # Errors
    /// [`PushCertError::Form`] for anything but the lines that git writes, in their order.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, PushCertError> {
        let form = || PushCertError::Form;
        let (start, _) = starts(bytes).find(|(_, line)| line.starts_with(b"-----BEGIN ")).ok_or_else(form)?;
        let (payload, signature) = bytes.split_at(start);
        if !signature.starts_with(ARMOR) {
            return Err(PushCertError::NotSsh);
        }
        let mut lines = payload.split_inclusive(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\n"));
        let mut next = || lines.next().flatten().ok_or_else(form);
        if next()? != b"certificate version 0.1" {
            return Err(form());
        }
        next()?.strip_prefix(b"pusher ").ok_or_else(form)?;
        let pushee = next()?.strip_prefix(b"pushee ").ok_or_else(form)?;
        let nonce = next()?.strip_prefix(b"nonce ").ok_or_else(form)?;
        loop {
            match next()? {
                b"" => break,
                line if line.starts_with(b"push-option ") => {}
                _ => return Err(form()),
            }
        }
        let mut updates = BTreeSet::new();
        for line in lines {
            let mut words = line.ok_or_else(form)?.splitn(3, |byte| *byte == b' ');
            let mut id = || words.next().and_then(Oid::parse_nullable).ok_or_else(form);
            let (old, new) = (id()?, id()?);
            let name = words.next().ok_or_else(form)?;
            if !updates.insert((name.to_vec(), old, new)) {
                return Err(form());
            }
        }
        Ok(Self { pushee, nonce, updates, payload, signature })
    }

    /// Who signed it, if it is about this push and nothing else.
    ///
    /// # Errors
    /// [`PushCertError`] with what it is not about, or why the signature does not count.
    pub fn verify(&self, expected: Expected<'_>) -> Result<Who, PushCertError> {
        let signature = ClaimedSignature::certified_from_armor(self.signature)?;
        let verified = signature.verify(NAMESPACE, self.payload)?;
        if self.nonce.is_empty() || self.nonce != expected.nonce {
            return Err(PushCertError::Nonce);
        }
        if !is_about(self.pushee, expected.repository, expected.path) {
            return Err(PushCertError::Pushee(String::from_utf8_lossy(self.pushee).into_owned()));
        }
        if self.updates != *expected.updates {
            return Err(PushCertError::Updates);
        }
        Ok(Who::signed(&verified))
    }
}

/// The lines of a text with where they begin.
fn starts(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut offset = 0;
    bytes.split_inclusive(|byte| *byte == b'\n').map(move |line| {
        let start = offset;
        offset += line.len();
        (start, line)
    })
}

/// Whether a pushee names this repository: a URL as the pusher wrote it, whose host and leading directories are the pusher's view
/// and say nothing to the server. So its path must end with the repository's name, or be the end of its path on the server.
fn is_about(pushee: &[u8], repository: &RepositoryName, path: &[u8]) -> bool {
    let pushed = components(path_of(pushee));
    let (name, own) = (components(repository.as_str().as_bytes()), components(path));
    !pushed.is_empty() && (pushed.ends_with(&name) || own.ends_with(&pushed))
}

/// The path of a URL, of `host:path`, or of a plain path (git-fetch(1), "GIT URLS").
fn path_of(url: &[u8]) -> &[u8] {
    let position = |wanted: &[u8]| url.windows(wanted.len()).position(|part| part == wanted);
    if let Some(scheme) = position(b"://") {
        let rest = url.get(scheme + 3..).unwrap_or_default();
        return rest.iter().position(|byte| *byte == b'/').map_or(&[], |start| rest.get(start..).unwrap_or_default());
    }
    let slash = position(b"/").unwrap_or(url.len());
    match position(b":") {
        Some(colon) if colon < slash => url.get(colon + 1..).unwrap_or_default(),
        _ => url,
    }
}

/// The components of a path, without `~`, empty ones, and the `.git` at its end.
fn components(path: &[u8]) -> Vec<&[u8]> {
    let trimmed = path.strip_suffix(b"/").unwrap_or(path);
    let trimmed = trimmed.strip_suffix(b"/.git").or_else(|| trimmed.strip_suffix(b".git")).unwrap_or(trimmed);
    trimmed.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b"~").collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ssh::{PrivateKey, armor};

    const OLD: &str = "1111111111111111111111111111111111111111";
    const NEW: &str = "2222222222222222222222222222222222222222";

    fn text() -> String {
        format!(
            "certificate version 0.1\npusher SHA256:x 1795489864 +0000\npushee ssh://git@host/srv/acme/pay.git\n\
             nonce 1795489860-abc\npush-option ci.skip\n\n{OLD} {NEW} refs/heads/main\n"
        )
    }

    fn signed(text: &str) -> Vec<u8> {
        let key = PrivateKey::from_seed(&[1; 32]).unwrap();
        let mut bytes = text.as_bytes().to_vec();
        bytes.extend(armor(&key.sign(NAMESPACE, text.as_bytes())).into_bytes());
        bytes
    }

    fn judge(bytes: &[u8]) -> Result<Who, PushCertError> {
        let id = |hex: &str| Oid::parse(hex.as_bytes());
        let updates = BTreeSet::from([(b"refs/heads/main".to_vec(), id(OLD), id(NEW))]);
        let repository = RepositoryName::parse(b"acme/pay").unwrap();
        let expected = Expected {
            nonce: b"1795489860-abc",
            repository: &repository,
            path: b"/srv/git/pay.git",
            updates: &updates,
        };
        ClaimedPushCert::parse(bytes)?.verify(expected)
    }

    #[test]
    fn a_certificate_is_about_one_push() {
        assert_eq!(judge(&signed(&text())), Ok(Who::Key(PrivateKey::from_seed(&[1; 32]).unwrap().public().clone())));
        let changed = |from: &str, to: &str| signed(&text().replace(from, to));
        let more = format!("{}{OLD} {NEW} refs/heads/other\n", text());
        for (bytes, error) in [
            (changed("-abc", "-abd"), PushCertError::Nonce),
            (changed("nonce 1795489860-abc", "nonce "), PushCertError::Nonce),
            (changed("acme/pay", "acme/ledger"), PushCertError::Pushee("ssh://git@host/srv/acme/ledger.git".into())),
            (changed("heads/main", "heads/next"), PushCertError::Updates),
            (changed(NEW, OLD), PushCertError::Updates),
            (signed(&more), PushCertError::Updates),
            (signed(&(text() + "x\n")), PushCertError::Form),
            (changed("version 0.1", "version 0.2"), PushCertError::Form),
            (changed("pushee ", "pushed "), PushCertError::Form),
            (changed("push-option", "push-other"), PushCertError::Form),
            (text().into_bytes(), PushCertError::Form),
            ([text().as_bytes(), b"-----BEGIN PGP SIGNATURE-----\n"].concat(), PushCertError::NotSsh),
        ] {
            assert_eq!(judge(&bytes), Err(error), "{}", String::from_utf8_lossy(&bytes));
        }
        let forged = String::from_utf8(signed(&text())).unwrap().replace("ci.skip", "ci.none");
        assert_eq!(judge(forged.as_bytes()), Err(PushCertError::Signature(SignatureError::Mismatch)));
    }

    #[test]
    fn a_pushee_names_the_repository() {
        let name = RepositoryName::parse(b"acme/pay").unwrap();
        for (pushee, expected) in [
            ("ssh://git@host:22/acme/pay.git", true),
            ("git@host:acme/pay.git", true),
            ("git@host:pay", true),
            ("git@host:~/pay.git/", true),
            ("https://host/git/acme/pay.git", true),
            ("file:///srv/git/pay.git", true),
            ("/srv/git/pay.git", true),
            ("/srv/git/pay/.git", true),
            ("https://host/acme/pay2.git", false),
            ("https://host/xacme/pay.git", false),
            ("https://host/acme", false),
            ("https://host", false),
            ("https://host/", false),
            ("git@host:", false),
            ("", false),
            ("/other/git/pay.git", false),
        ] {
            assert_eq!(is_about(pushee.as_bytes(), &name, b"/srv/git/pay.git"), expected, "{pushee}");
        }
    }
}
