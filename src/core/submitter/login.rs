//! The keys that opened an ssh session, from the file that `SSH_USER_AUTH` names (sshd_config(5), `ExposeAuthInfo`).

use thiserror::Error;

use crate::core::ssh::{CertificateError, ClaimedCertificate, PublicKey};
use crate::core::submitter::Who;

/// Bytes of the file that are read. One line is a key; sshd(8) asks for few.
pub const BYTES: usize = 64 * 1024;

/// Why the file does not name one key.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LoginError {
    /// The session was opened without a public key.
    #[error("the session was opened without a public key")]
    NoKey,
    /// A certificate opened it of which nothing here can tell whose it is.
    #[error(
        "the session was opened with a certificate that cannot be a grant; set COUNTERSIGN_USER in its force-command: {0}"
    )]
    Certificate(CertificateError),
    /// More than one key opened it.
    #[error("the session was opened with several public keys")]
    Several,
    /// A line is not one that sshd writes.
    #[error("SSH_USER_AUTH names a file that is not as sshd writes it")]
    Form,
}

/// The one key of a session, or the certificate over it. Each line of the text is a method of authentication and its data: `publickey ssh-ed25519 AAAA...`.
///
/// # Errors
/// [`LoginError`] where it was not one plain public key.
pub fn key(text: &[u8]) -> Result<Who, LoginError> {
    let text = std::str::from_utf8(text).map_err(|_| LoginError::Form)?;
    let mut found: Option<Who> = None;
    for line in text.lines() {
        let Some(data) = line.strip_prefix("publickey ") else {
            if line == "publickey" || line.is_empty() {
                return Err(LoginError::Form);
            }
            continue;
        };
        let who = if data.split(' ').next().is_some_and(|algorithm| algorithm.contains("-cert-v0")) {
            let certificate = ClaimedCertificate::parse_line(data).and_then(|(claimed, _)| claimed.verify());
            Who::Certificate(Box::new(certificate.map_err(LoginError::Certificate)?), None)
        } else {
            Who::Key(PublicKey::parse_line(data).map_err(|_| LoginError::Form)?.0)
        };
        if found.as_ref().is_some_and(|other| *other != who) {
            return Err(LoginError::Several);
        }
        found = Some(who);
    }
    found.ok_or(LoginError::NoKey)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ssh::PrivateKey;

    #[test]
    fn one_key_opens_a_session() {
        let key = |seed: u8| PrivateKey::from_seed(&[seed; 32]).unwrap().public().clone();
        let line = |seed| format!("publickey {}\n", key(seed).to_line());
        assert_eq!(super::key(line(1).as_bytes()), Ok(Who::Key(key(1))));
        assert_eq!(super::key(format!("{0}password\n{0}", line(1)).as_bytes()), Ok(Who::Key(key(1))));
        for (text, error) in [
            (String::new(), LoginError::NoKey),
            ("password\nkeyboard-interactive\n".to_owned(), LoginError::NoKey),
            (line(1) + &line(2), LoginError::Several),
            (
                "publickey ssh-ed25519-cert-v01@openssh.com AAAA\n".to_owned(),
                LoginError::Certificate(CertificateError::Line),
            ),
            ("publickey ssh-ed25519 AAAA\n".to_owned(), LoginError::Form),
            ("publickey\n".to_owned(), LoginError::Form),
            ("\n".to_owned(), LoginError::Form),
        ] {
            assert_eq!(super::key(text.as_bytes()), Err(error), "{text}");
        }
        assert_eq!(super::key(b"\xff"), Err(LoginError::Form));
    }
}
