//! Signing a commit as the person at the desk, with the key that git would use.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::local::{config, git};
use super::{Failure, Result};
use crate::ssh::{PrivateKey, armor};

/// The key of `user.signingkey`.
pub(super) struct PersonKey {
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
    pub(super) fn configured() -> Result<Self> {
        let hint = "git config gpg.format ssh && git config user.signingkey ~/.ssh/id_ed25519.pub";
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
            return Ok(Self { setting: Setting::Literal(literal.to_owned()) });
        }
        let path = PathBuf::from(git(&["config", "--type=path", "--get", "user.signingkey"]).line()?);
        let private = match path.extension() {
            Some(extension) if extension == "pub" => path.with_extension(""),
            _ => path.clone(),
        };
        let key = std::fs::read(&private).ok().and_then(|pem| PrivateKey::parse_openssh(&pem).ok());
        Ok(Self { setting: key.map_or(Setting::File(path), |key| Setting::InProcess(Box::new(key))) })
    }

    /// Signs as `git commit -S` does. Returns the armored signature.
    pub(super) fn sign(&self, payload: &[u8]) -> Result<String> {
        match &self.setting {
            Setting::InProcess(key) => Ok(armor(&key.sign("git", payload))),
            Setting::File(path) => ssh_keygen(&["-f", &path.display().to_string()], payload),
            Setting::Literal(line) => {
                let failed = |error: std::io::Error| Failure::new(format!("cannot write a temporary file: {error}"));
                let mut file = tempfile::NamedTempFile::new().map_err(failed)?;
                writeln!(file, "{line}").map_err(failed)?;
                ssh_keygen(&["-U", "-f", &file.path().display().to_string()], payload)
            }
        }
    }
}

fn ssh_keygen(key: &[&str], payload: &[u8]) -> Result<String> {
    let failed = |error: std::io::Error| {
        Failure::new(format!("cannot run ssh-keygen: {error}")).hint("install OpenSSH's client")
    };
    let mut command = Command::new("ssh-keygen");
    command.args(["-Y", "sign", "-n", "git"]).args(key);
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
pub(super) fn with_signature(unsigned: &[u8], header: &str, armored: &str) -> Vec<u8> {
    let end = unsigned.windows(2).position(|pair| pair == b"\n\n").map_or(unsigned.len(), |end| end + 1);
    let (headers, message) = unsigned.split_at(end);
    let folded = armored.trim_end().replace('\n', "\n ");
    [headers, header.as_bytes(), b" ", folded.as_bytes(), b"\n", message].concat()
}
