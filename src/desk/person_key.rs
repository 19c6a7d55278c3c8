//! Signing as the person at the desk: commits with the key that git would use, approvals with that or another.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::core::ssh::{PrivateKey, PublicKey, armor};
use crate::system::process::{config, git};
use crate::system::{Failure, Result};

/// The key of `user.signingkey`.
pub(crate) struct PersonKey {
    setting: Setting,
}

enum Setting {
    /// A key file that this process can read.
    InProcess(Box<PrivateKey>),
    /// A key file for ssh-keygen: with a passphrase, of another kind, or in the ssh-agent or a token.
    File(PathBuf),
    /// A public key whose private half is in the ssh-agent.
    Literal(String),
}

impl PersonKey {
    /// The key that git is configured to sign with.
    pub(crate) fn configured() -> Result<Self> {
        let hint = "name the key that git signs with:\ngit config gpg.format ssh\ngit config user.signingkey ~/.ssh/id_ed25519.pub";
        let value = config("user.signingkey")?.filter(|value| !value.is_empty());
        let value = value.ok_or_else(|| Failure::new("git config user.signingkey is not set").hint(hint))?;
        if let Some(format) = config("gpg.format")?
            && format != "ssh"
        {
            return Err(
                Failure::new(format!("git is configured to sign with {format}, and only SSH is supported")).hint(hint)
            );
        }
        if let Some(literal) =
            value.strip_prefix("key::").or_else(|| value.starts_with("ssh-").then_some(value.as_str()))
        {
            return Ok(Self::literal(literal));
        }
        let path = PathBuf::from(git(&["config", "--type=path", "--get", "user.signingkey"]).line()?);
        Ok(Self::file(path))
    }

    /// The key of a file: the private half, or the public one of a key in the ssh-agent or a token.
    pub(crate) fn file(path: PathBuf) -> Self {
        let private = match path.extension() {
            Some(extension) if extension == "pub" => path.with_extension(""),
            _ => path.clone(),
        };
        let key = std::fs::read(&private).ok().and_then(|pem| PrivateKey::parse_openssh(&pem).ok());
        Self { setting: key.map_or(Setting::File(path), |key| Setting::InProcess(Box::new(key))) }
    }

    /// A key of the ssh-agent, by the line of its public half.
    pub(crate) fn literal(line: &str) -> Self {
        Self { setting: Setting::Literal(line.to_owned()) }
    }

    /// The public half.
    pub(crate) fn public(&self) -> Result<PublicKey> {
        let unusable = |error: &dyn std::fmt::Display| Failure::new(format!("the signing key cannot be used: {error}"));
        let line = match &self.setting {
            Setting::InProcess(key) => return Ok(key.public().clone()),
            Setting::Literal(line) => line.clone(),
            Setting::File(path) => {
                let mut public = path.clone().into_os_string();
                if path.extension().is_none_or(|extension| extension != "pub") {
                    public.push(".pub");
                }
                std::fs::read_to_string(&public).map_err(|error| {
                    let public = PathBuf::from(&public);
                    unusable(&format!("{}: {error}", public.display())).hint(format!(
                        "ssh-keygen -y -f {} > {}",
                        path.display(),
                        public.display()
                    ))
                })?
            }
        };
        PublicKey::parse_line(line.trim()).map(|(key, _)| key).map_err(|error| unusable(&error))
    }

    /// Signs for a namespace; `git commit -S` does so for `git`. Returns the armored signature.
    pub(crate) fn sign(&self, namespace: &str, payload: &[u8]) -> Result<String> {
        match &self.setting {
            Setting::InProcess(key) => Ok(armor(&key.sign(namespace, payload))),
            Setting::File(path) => ssh_keygen(namespace, &["-f", &path.display().to_string()], payload),
            Setting::Literal(line) => {
                let failed = |error: std::io::Error| Failure::new(format!("cannot write a temporary file: {error}"));
                let mut file = tempfile::NamedTempFile::new().map_err(failed)?;
                writeln!(file, "{line}").map_err(failed)?;
                ssh_keygen(namespace, &["-U", "-f", &file.path().display().to_string()], payload)
            }
        }
    }
}

fn ssh_keygen(namespace: &str, key: &[&str], payload: &[u8]) -> Result<String> {
    let failed = |error: std::io::Error| {
        Failure::new(format!("cannot run ssh-keygen: {error}")).hint("install OpenSSH's client")
    };
    let mut command = Command::new("ssh-keygen");
    command.args(["-Y", "sign", "-n", namespace]).args(key);
    // ssh-keygen asks for a passphrase or a touch on the terminal and its standard error.
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().map_err(failed)?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(payload).map_err(failed)?;
    }
    let output = child.wait_with_output().map_err(failed)?;
    if !output.status.success() {
        return Err(Failure::new("ssh-keygen did not sign"));
    }
    String::from_utf8(output.stdout).map_err(|_| Failure::new("ssh-keygen printed something that is not text"))
}

/// A commit object with the armored signature in its header.
pub(crate) fn with_signature(unsigned: &[u8], header: &str, armored: &str) -> Vec<u8> {
    let end = unsigned.windows(2).position(|pair| pair == b"\n\n").map_or(unsigned.len(), |end| end + 1);
    let (headers, message) = unsigned.split_at(end);
    let folded = armored.trim_end().replace('\n', "\n ");
    [headers, header.as_bytes(), b" ", folded.as_bytes(), b"\n", message].concat()
}
