//! Issuing a certificate: with a key that this process can read, or with ssh-keygen where it is in the ssh-agent, a token or behind a
//! passphrase.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use base64ct::{Base64, Encoding as _};

use crate::core::decide::Timestamp;
use crate::core::grant::{PARENT, SCOPE, Scope};
use crate::core::id::Id;
use crate::core::ssh::{ClaimedCertificate, NewCertificate, PrivateKey, PublicKey, VerifiedCertificate};
use crate::desk::who::expand_home;
use crate::system::process::config;
use crate::system::{Failure, OnDisk as _, Result, disk, process, random_seed};

/// Seconds by which a grant begins before now, for clocks that differ.
const BACKDATED: u64 = 60;

/// What a grant is to say.
pub(super) struct Wanted<'a> {
    pub(super) agent: &'a Id,
    pub(super) key: &'a PublicKey,
    pub(super) scope: &'a Scope,
    /// Seconds from now.
    pub(super) seconds: u64,
    pub(super) now: Timestamp,
}

/// Whose key issues.
pub(super) struct IssuingKey {
    path: PathBuf,
    /// The certificate of the key, where it is a grant's itself.
    parent: Option<VerifiedCertificate>,
}

impl IssuingKey {
    /// The key that is given, or the one that git signs with.
    pub(super) fn find(given: Option<&Path>) -> Result<Self> {
        let hint = "name the key that issues:\ncountersign grant issue AGENT --key FILE";
        let path = match given {
            Some(path) => path.to_owned(),
            None => {
                let named = config("user.signingkey")?.filter(|value| !value.is_empty());
                let named = named.ok_or_else(|| Failure::new("git config user.signingkey is not set").hint(hint))?;
                if named.starts_with("key::") || named.starts_with("ssh-") {
                    return Err(Failure::new("git config user.signingkey holds a key and no file of one").hint(hint));
                }
                expand_home(&named)
            }
        };
        let text = path.to_string_lossy();
        let bare = text.strip_suffix("-cert.pub").or_else(|| text.strip_suffix(".pub")).unwrap_or(&text);
        let beside = PathBuf::from(format!("{bare}-cert.pub"));
        let parent = match disk::read_to_string(&beside) {
            Ok(line) => {
                let read = ClaimedCertificate::parse_line(&line).and_then(|(claimed, _)| claimed.verify());
                // A certificate for logging in says nothing here.
                read.ok().filter(|one| one.extension(SCOPE).is_some() || one.extension(PARENT).is_some())
            }
            Err(_) => None,
        };
        Ok(Self { path: PathBuf::from(bare), parent })
    }

    /// Issues a certificate.
    pub(super) fn issue(&self, wanted: &Wanted<'_>) -> Result<VerifiedCertificate> {
        let now = u64::try_from(wanted.now.0).unwrap_or(0);
        let mut window = (now.saturating_sub(BACKDATED), now.saturating_add(wanted.seconds));
        if let Some(parent) = &self.parent {
            window = (window.0.max(parent.valid_after()), window.1.min(parent.valid_before()));
            if window.0 >= window.1 {
                return Err(Failure::new("the grant that would issue it has expired"));
            }
        }
        let [a, b, c, d, e, f, ..] = random_seed()?;
        // Six bytes: short enough to be read out, and never 0.
        let serial = u64::from_be_bytes([0, 0, a, b, c, d, e, f]).max(1);
        let scope = wanted.scope.to_json();
        let parent = self.parent.as_ref().map(|parent| Base64::encode_string(parent.blob()));
        let mut extensions: Vec<(&str, Option<&str>)> = Vec::new();
        extensions.extend(parent.as_deref().map(|parent| (PARENT, Some(parent))));
        extensions.extend([("permit-pty", None), (SCOPE, Some(scope.as_str()))]);
        let signed = match disk::read(&self.path).ok().and_then(|pem| PrivateKey::parse_openssh(&pem).ok()) {
            Some(key) => {
                let new = NewCertificate {
                    nonce: &random_seed()?,
                    key: wanted.key,
                    serial,
                    key_id: wanted.agent.as_str(),
                    principals: &[wanted.agent.to_string()],
                    window,
                    extensions: &extensions,
                    issuer: key.public(),
                };
                let blob =
                    key.certify(&new).ok_or_else(|| Failure::new("no certificate is made of a key of that kind"))?;
                ClaimedCertificate::from_blob(&blob)
            }
            None => ClaimedCertificate::parse_line(&self.by_ssh_keygen(wanted, (serial, window), &extensions)?)
                .map(|(claimed, _)| claimed),
        };
        let wrong = |error| Failure::new(format!("the certificate that was issued cannot be used: {error}"));
        signed.and_then(|claimed| claimed.verify()).map_err(wrong)
    }

    /// Has ssh-keygen issue: it asks for a passphrase or a touch, and knows the ssh-agent.
    fn by_ssh_keygen(
        &self,
        wanted: &Wanted<'_>,
        (serial, (from, to)): (u64, (u64, u64)),
        extensions: &[(&str, Option<&str>)],
    ) -> Result<String> {
        let failed = |error: std::io::Error| Failure::new(format!("cannot issue the grant: {error}"));
        let directory = tempfile::tempdir().map_err(failed)?;
        let public = directory.path().join("key.pub");
        disk::write(&public, format!("{}\n", wanted.key.to_line())).map_err(failed)?;
        let mut command = process::command("ssh-keygen");
        command.arg("-q").arg("-s");
        if self.path.on_disk().exists() {
            command.arg(&self.path);
        } else {
            command.arg(self.path.with_added_extension("pub")).arg("-U");
        }
        command.args(["-I", wanted.agent.as_str(), "-n", wanted.agent.as_str(), "-z", &serial.to_string()]);
        command.args(["-V", &format!("0x{from:x}:0x{to:x}"), "-O", "clear"]);
        for (name, text) in extensions {
            let option = text.map_or_else(|| (*name).to_owned(), |text| format!("extension:{name}={text}"));
            command.args(["-O", &option]);
        }
        let status = command.arg(&public).stdin(Stdio::inherit()).stdout(Stdio::null()).status();
        let status = status.map_err(|error| Failure::new(format!("cannot run ssh-keygen: {error}")))?;
        if !status.success() {
            return Err(Failure::new(format!("ssh-keygen did not sign with {}", self.path.display()))
                .hint("name the key that issues:\ncountersign grant issue AGENT --key FILE"));
        }
        disk::read_to_string(directory.path().join("key-cert.pub")).map_err(failed)
    }
}
