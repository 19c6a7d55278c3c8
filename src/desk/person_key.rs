//! Signing as the person at the desk: commits with the key that git would use, approvals with that or another.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::core::ssh::{PrivateKey, PublicKey, armor};
use crate::desk::who::expand_home;
use crate::system::{Configuration, Failure, Result, disk, process};

/// A key of the person's, and the program that signs with it where this process cannot.
pub(crate) struct PersonKey {
    setting: Setting,
    program: PathBuf,
}

enum Setting {
    /// A key file that this process can read.
    InProcess(Box<PrivateKey>),
    /// A key file for the program: with a passphrase, of another kind, or in the ssh-agent or a token.
    File(PathBuf),
    /// A public key whose private half the program knows how to reach.
    Literal(String),
}

/// What signs where `gpg.ssh.program` names nothing else (git-config(1)).
const PROGRAM: &str = "ssh-keygen";

impl PersonKey {
    /// The key that git is configured to sign with.
    pub(crate) fn configured() -> Result<Self> {
        Self::configured_by(&Configuration::load()?)
    }

    /// The same, where git's configuration is at hand: `user.signingkey`, or else the first key that `gpg.ssh.defaultKeyCommand` prints
    /// (gpg-interface.c, get_default_ssh_signing_key).
    pub(crate) fn configured_by(configuration: &Configuration) -> Result<Self> {
        let hint = "name the key that git signs with:\ngit config gpg.format ssh\ngit config user.signingkey ~/.ssh/id_ed25519.pub";
        if let Some(format) = configuration.value("gpg.format")
            && format != "ssh"
        {
            return Err(
                Failure::new(format!("git is configured to sign with {format}, and only SSH is supported")).hint(hint)
            );
        }
        let named = configuration.value("user.signingkey").filter(|value| !value.is_empty()).map(str::to_owned);
        let value = match (named, configuration.value("gpg.ssh.defaultkeycommand")) {
            (Some(value), _) => value,
            (None, Some(command)) => default_key(command)?,
            (None, None) => return Err(Failure::new("git config user.signingkey is not set").hint(hint)),
        };
        let program = configuration.value("gpg.ssh.program").filter(|program| !program.is_empty());
        let program = program.map(expand_home);
        let literal = value.strip_prefix("key::").or_else(|| value.starts_with("ssh-").then_some(value.as_str()));
        let key = match literal {
            Some(line) => Self::literal(line),
            None => Self::file(expand_home(&value)),
        };
        match program {
            // It knows how to reach the private half, and may ask its person.
            Some(program) => Ok(Self { setting: key.for_a_program(), program }),
            None => Ok(key),
        }
    }

    fn for_a_program(self) -> Setting {
        match self.setting {
            Setting::InProcess(key) => Setting::Literal(key.public().to_line()),
            other => other,
        }
    }

    /// The key of a file: the private half, or the public one of a key in the ssh-agent or a token.
    pub(crate) fn file(path: PathBuf) -> Self {
        let private = match path.extension() {
            Some(extension) if extension == "pub" => path.with_extension(""),
            _ => path.clone(),
        };
        let key = disk::read(&private).ok().and_then(|pem| PrivateKey::parse_openssh(&pem).ok());
        let setting = key.map_or(Setting::File(path), |key| Setting::InProcess(Box::new(key)));
        Self { setting, program: PROGRAM.into() }
    }

    /// A key of the ssh-agent, by the line of its public half.
    pub(crate) fn literal(line: &str) -> Self {
        Self { setting: Setting::Literal(line.to_owned()), program: PROGRAM.into() }
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
                disk::read_to_string(&public).map_err(|error| {
                    let public = PathBuf::from(&public);
                    unusable(&format!("{}: {error}", public.display())).hint(format!(
                        "ssh-keygen -y -f {} > {}",
                        path.display(),
                        public.display()
                    ))
                })?
            }
        };
        if line.split_whitespace().next().is_some_and(|kind| kind.contains("-cert-v01@openssh.com")) {
            return Err(Failure::new(
                "git is configured to sign with a certificate, and a person is registered by a key",
            )
            .hint("name the key that it is for:\ngit config user.signingkey ~/.ssh/id_ed25519.pub"));
        }
        PublicKey::parse_line(line.trim()).map(|(key, _)| key).map_err(|error| unusable(&error))
    }

    /// Signs for a namespace; `git commit -S` does so for `git`. Returns the armored signature.
    pub(crate) fn sign(&self, namespace: &str, payload: &[u8]) -> Result<String> {
        let key = match &self.setting {
            Setting::InProcess(key) => return Ok(armor(&key.sign(namespace, payload))),
            Setting::File(path) => Ok(path.clone()),
            Setting::Literal(line) => Err(line),
        };
        self.public()?;
        let directory = tempfile::tempdir().map_err(|error| cannot_write(&error))?;
        let write = |name: &str, bytes: &[u8]| -> Result<PathBuf> {
            let path = directory.path().join(name);
            disk::write(&path, bytes).map_err(|error| cannot_write(&error))?;
            Ok(path)
        };
        let (key, more): (PathBuf, &[&str]) = match key {
            Ok(path) => (path, &[]),
            // Git says that the key is in the agent where it has no file (gpg-interface.c, sign_buffer_ssh).
            Err(line) => (write("key", format!("{line}\n").as_bytes())?, &["-U"]),
        };
        let file = write("payload", payload)?;
        self.run(namespace, &key, more, &file)?;
        disk::read_to_string(directory.path().join("payload.sig")).map_err(|error| {
            Failure::new(format!("{} said that it signed, and left no signature: {error}", self.program.display()))
        })
    }

    /// Runs the program as git does, with a file to sign: programs that take the place of ssh-keygen know no other way.
    fn run(&self, namespace: &str, key: &Path, more: &[&str], file: &Path) -> Result<()> {
        let mut command = process::command(&self.program);
        command.args(["-Y", "sign", "-n", namespace, "-f"]).arg(key).args(more).arg(file);
        // It asks for a passphrase or a touch on the terminal and its standard error.
        let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status().map_err(|error| {
            Failure::new(format!("cannot run {}: {error}", self.program.display()))
                .hint("install OpenSSH's client, or name the program that signs:\ngit config gpg.ssh.program PROGRAM")
        })?;
        if status.success() {
            return Ok(());
        }
        let failure = Failure::new(format!("{} did not sign", self.program.display()));
        Err(if namespace == "git" {
            failure
        } else {
            failure.hint("a program that signs nothing but commits cannot sign this; with a key in a file or the ssh-agent:\ncountersign approve --key FILE")
        })
    }
}

fn cannot_write(error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot write a temporary file: {error}"))
}

/// The first key that the command prints. Git takes its words apart as a shell does, and starts no shell.
fn default_key(command: &str) -> Result<String> {
    let wrong = |why: &str| {
        Failure::new(format!("gpg.ssh.defaultKeyCommand {why}"))
            .hint("name the key instead:\ngit config user.signingkey ~/.ssh/id_ed25519.pub")
    };
    let words = crate::gate::shim::exec_words(&format!("exec {command}\n")).unwrap_or_default();
    let (program, arguments) = words.split_first().ok_or_else(|| wrong("cannot be taken apart into words"))?;
    let output = process::command(program).args(arguments).stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| wrong(&format!("cannot be run: {error}")))?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let first = printed.lines().next().unwrap_or_default();
    if output.status.success() && (first.starts_with("key::") || first.starts_with("ssh-")) {
        Ok(first.to_owned())
    } else {
        Err(wrong("printed no key"))
    }
}

/// A commit object with the armored signature in its header.
pub(crate) fn with_signature(unsigned: &[u8], header: &str, armored: &str) -> Vec<u8> {
    let end = unsigned.windows(2).position(|pair| pair == b"\n\n").map_or(unsigned.len(), |end| end + 1);
    let (headers, message) = unsigned.split_at(end);
    let folded = armored.trim_end().replace('\n', "\n ");
    [headers, header.as_bytes(), b" ", folded.as_bytes(), b"\n", message].concat()
}
