//! GnuPG's own keys, signatures and verdicts.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A home of GnuPG with keys, whose agent ends with it.
pub struct Keyring {
    pub home: PathBuf,
}

impl Drop for Keyring {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf").env("GNUPGHOME", &self.home).args(["--kill", "gpg-agent"]).output();
    }
}

impl Keyring {
    pub fn new(home: PathBuf) -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::create_dir(&home).unwrap();
        std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o700)).unwrap();
        Self { home }
    }

    pub fn run(&self, arguments: &[&str], input: &[u8]) -> Output {
        use std::io::Write as _;
        use std::process::Stdio;
        let mut command = Command::new("gpg");
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("GNUPGHOME", &self.home);
        command.args(["--batch", "--no-tty", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""]);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("gpg is installed (Debian's package gpg)");
        child.stdin.take().unwrap().write_all(input).unwrap();
        child.wait_with_output().unwrap()
    }

    #[track_caller]
    pub fn gpg(&self, arguments: &[&str]) -> Vec<u8> {
        let output = self.run(arguments, b"");
        assert!(output.status.success(), "gpg {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// Makes a key that certifies and signs, or whatever `usage` says. Returns its fingerprint.
    pub fn key(&self, name: &str, kind: &str, usage: &str, more: &[&str]) -> String {
        let generate = ["--quick-gen-key", name, kind, usage, "never"];
        self.gpg(&[more, &generate].concat());
        let listed = self.gpg(&["--list-keys", "--with-colons", &format!("={name}")]);
        let listed = String::from_utf8(listed).unwrap();
        let line = listed.lines().find(|line| line.starts_with("fpr:")).unwrap();
        line.split(':').nth(9).unwrap().to_owned()
    }

    pub fn certificate(&self, key: &str) -> String {
        let exported = self.gpg(&["--armor", "--export-options", "export-minimal", "--export", key]);
        String::from_utf8(exported).unwrap()
    }

    /// Signs a document apart from it.
    pub fn sign(&self, key: &str, document: &[u8], more: &[&str]) -> Vec<u8> {
        let sign = ["--armor", "--detach-sign", "--local-user", key];
        let output = self.run(&[more, &sign].concat(), document);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// What GnuPG says of a signature, in the first of its words for that (doc/DETAILS).
    pub fn verdict(&self, directory: &Path, signature: &[u8], document: &[u8]) -> String {
        let (sig, doc) = (directory.join("signature"), directory.join("document"));
        std::fs::write(&sig, signature).unwrap();
        std::fs::write(&doc, document).unwrap();
        let output = self.run(&["--status-fd", "1", "--verify", sig.to_str().unwrap(), doc.to_str().unwrap()], b"");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let words = ["GOODSIG", "EXPSIG", "EXPKEYSIG", "REVKEYSIG", "BADSIG", "ERRSIG", "NODATA"];
        let word = words.into_iter().find(|word| said.contains(&format!("[GNUPG:] {word}")));
        word.unwrap_or("NOTHING").to_owned()
    }
}
