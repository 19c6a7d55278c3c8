//! Who pushed, as the server says it. An admin names the kind of server at install, and only what that kind is documented to say
//! is read: nothing is guessed, and a variable of another kind of server says nothing.
//!
//! Every value is a claim of the server's environment. Anybody who can start git on the server with an environment of their own
//! can make it up; the adapters for ssh keys and signed push certificates ask for proof.

mod kinds;
pub mod login;
pub mod push_cert;

pub use kinds::{Adapter, Answer};

use crate::core::ssh::{PublicKey, VerifiedCertificate, VerifiedSignature};

/// Bytes of an account's name.
pub const ACCOUNT_BYTES: usize = 100;

/// The name of an account: printable UTF-8, at most [`ACCOUNT_BYTES`], with no white space at its ends.
pub fn account(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| !text.is_empty() && text.len() <= ACCOUNT_BYTES)?;
    let plain =
        text.trim() == text && !text.chars().any(|char| char.is_control() || (char.is_whitespace() && char != ' '));
    plain.then(|| text.to_owned())
}

/// What is known of who pushes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Submitter {
    /// Nobody pushes yet: a check on a desk.
    #[default]
    Unasked,
    /// The admin named no kind of server, so nobody can tell.
    Unnamed,
    /// The kind is named and does not say, with the reason.
    Unknown(String),
    /// It says so.
    Said(Said),
}

/// Who pushes, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Whom the server names.
    pub who: Who,
    /// What they used.
    pub via: Via,
}

/// Whom a server names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// An account of the server.
    Account(String),
    /// Whoever holds a key.
    Key(PublicKey),
    /// Whoever holds a certified key: an agent under a grant. Where the server's configuration gives the session an account as well, that is
    /// who it is if the certificate is no grant.
    Certificate(Box<VerifiedCertificate>, Option<String>),
}

impl Who {
    /// Whoever made a signature.
    pub fn signed(signature: &VerifiedSignature) -> Self {
        match signature.certificate() {
            Some(certificate) => Self::Certificate(Box::new(certificate.clone()), None),
            None => Self::Key(signature.key().clone()),
        }
    }
}

/// What somebody used to move refs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// A push of their own.
    Push,
    /// The pages of a forge, which makes the commits and pushes for them.
    Forge,
}

impl Via {
    /// A push, unless there is a word of the forge's that it made it.
    fn unless_forge<T>(word: Option<T>) -> Self {
        word.map_or(Self::Push, |_| Self::Forge)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_a_printable_name() {
        for good in ["alice", "alice@acme.dev", "Alice Ng", "ACME\\alice", "\u{e4}"] {
            assert_eq!(account(good.as_bytes()).as_deref(), Some(good));
        }
        let long = "a".repeat(ACCOUNT_BYTES + 1);
        for bad in ["", " alice", "alice ", "ali\nce", "a\u{1b}[2J", "a\u{85}b", "a\u{2028}b", long.as_str()] {
            assert_eq!(account(bad.as_bytes()), None, "{bad:?}");
        }
        assert_eq!(account(b"\xff"), None);
    }
}
