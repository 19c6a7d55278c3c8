//! Signatures and keys made by ssh-keygen and read here, and the other way round.

#![allow(clippy::disallowed_methods)]

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use super::*;

const NAMESPACE: &str = "countersign-seal-v1";
const MESSAGE: &[u8] = b"a message with a NUL \0 and no line feed at its end";

/// Every kind of key that ssh-keygen makes without a token.
const KINDS: [(&str, &str, Algorithm); 6] = [
    ("ed25519", "256", Algorithm::Ed25519),
    ("ecdsa", "256", Algorithm::EcdsaP256),
    ("ecdsa", "384", Algorithm::EcdsaP384),
    ("ecdsa", "521", Algorithm::EcdsaP521),
    ("rsa", "2048", Algorithm::Rsa),
    ("rsa", "3072", Algorithm::Rsa),
];

/// A directory of keys.
struct Keys(TempDir);

impl Keys {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::write(self.path(name), bytes).unwrap();
        std::fs::set_permissions(self.path(name), std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn try_keygen(&self, arguments: &[&str], input: &[u8]) -> Output {
        let mut command = Command::new("ssh-keygen");
        command.args(arguments).current_dir(self.0.path()).env_remove("SSH_AUTH_SOCK").env("HOME", self.0.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("ssh-keygen starts");
        let _ = child.stdin.take().unwrap().write_all(input);
        child.wait_with_output().unwrap()
    }

    #[track_caller]
    fn keygen(&self, arguments: &[&str], input: &[u8]) -> String {
        let output = self.try_keygen(arguments, input);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn generate(&self, name: &str, kind: &str, bits: &str) -> String {
        self.keygen(&["-q", "-t", kind, "-b", bits, "-N", "", "-C", "ann@desk", "-f", name], b"");
        self.read(&format!("{name}.pub"))
    }
}

#[test]
fn reads_every_key_and_signature_that_ssh_keygen_makes() {
    for (kind, bits, algorithm) in KINDS {
        let keys = Keys::new();
        let line = keys.generate("key", kind, bits);
        let (key, comment) = PublicKey::parse_line(&line).unwrap();
        assert_eq!((key.algorithm(), comment.as_str()), (algorithm, "ann@desk"));
        assert_eq!(format!("{} ann@desk\n", key.to_line()), line);
        let printed = keys.keygen(&["-l", "-f", "key.pub"], b"");
        assert_eq!(printed.split(' ').nth(1), Some(key.fingerprint().to_string().as_str()));

        for hash in ["sha256", "sha512"] {
            let option = format!("hashalg={hash}");
            let text = keys.keygen(&["-q", "-Y", "sign", "-O", &option, "-n", NAMESPACE, "-f", "key"], MESSAGE);
            let claimed = ClaimedSignature::from_armor(text.as_bytes()).unwrap();
            let verified = claimed.verify(NAMESPACE, MESSAGE).unwrap();
            assert_eq!((verified.key(), verified.presence()), (&key, None));
            let other = claimed.verify(NAMESPACE, &MESSAGE[1..]).unwrap_err();
            assert_eq!(other, SignatureError::Mismatch, "{kind} {bits} {hash}");
            let other = claimed.verify("git", MESSAGE).unwrap_err();
            assert_eq!(other, SignatureError::Namespace("git".into()));
            for trick in [format!("x\n{text}"), format!("{text}x"), text.replace('\n', "\r\n")] {
                let refused = ClaimedSignature::from_armor(trick.as_bytes()).unwrap_err();
                assert_eq!(refused, SignatureError::Armor);
            }
        }
    }
}

#[test]
fn a_signature_over_much_and_one_over_nothing_are_the_same_to_both() {
    let keys = Keys::new();
    keys.generate("key", "ed25519", "256");
    for message in [vec![], vec![0], vec![b'x'; 1 << 20]] {
        let text = keys.keygen(&["-q", "-Y", "sign", "-n", NAMESPACE, "-f", "key"], &message);
        let claimed = ClaimedSignature::from_armor(text.as_bytes()).unwrap();
        assert!(claimed.verify(NAMESPACE, &message).is_ok());
        // ed25519 leaves no choice: our signature is theirs, byte for byte.
        let ours = PrivateKey::parse_openssh(keys.read("key").as_bytes()).unwrap();
        assert_eq!(armor(&ours.sign(NAMESPACE, &message)), text);
    }
}

#[test]
fn ssh_keygen_accepts_our_keys_and_signatures() {
    let keys = Keys::new();
    let key = PrivateKey::from_seed(&[7; 32]).unwrap();
    keys.write("key", key.to_openssh("claude-code").unwrap().as_bytes());
    assert_eq!(keys.keygen(&["-y", "-f", "key"], b""), format!("{} claude-code\n", key.public().to_line()));
    keys.write("signers", format!("claude-code {}\n", key.public().to_line()).as_bytes());
    keys.write("signature", armor(&key.sign(NAMESPACE, MESSAGE)).as_bytes());
    let verify = ["-Y", "verify", "-f", "signers", "-I", "claude-code", "-n", NAMESPACE, "-s", "signature"];
    keys.keygen(&verify, MESSAGE);
    keys.keygen(&["-Y", "check-novalidate", "-n", NAMESPACE, "-s", "signature"], MESSAGE);
    assert!(!keys.try_keygen(&verify, b"another message").status.success());
    assert!(!keys.try_keygen(&["-Y", "check-novalidate", "-n", "git", "-s", "signature"], MESSAGE).status.success());
}

#[test]
fn key_files_pass_both_ways() {
    let keys = Keys::new();
    let line = keys.generate("key", "ed25519", "256");
    let theirs = PrivateKey::parse_openssh(keys.read("key").as_bytes()).unwrap();
    assert_eq!(theirs.public(), &PublicKey::parse_line(&line).unwrap().0);
    let written = theirs.to_openssh("x").unwrap();
    let again = PrivateKey::parse_openssh(written.as_bytes()).unwrap();
    assert_eq!(again.public(), theirs.public());

    keys.keygen(&["-q", "-p", "-f", "key", "-P", "", "-N", "secret"], b"");
    assert!(matches!(PrivateKey::parse_openssh(keys.read("key").as_bytes()), Err(PrivateKeyError::Encrypted)));
    for (kind, bits) in [("ecdsa", "256"), ("rsa", "2048")] {
        let name = format!("{kind}-key");
        keys.generate(&name, kind, bits);
        let refused = PrivateKey::parse_openssh(keys.read(&name).as_bytes());
        assert!(matches!(refused, Err(PrivateKeyError::OtherType)), "{kind}: {:?}", refused.err());
    }
    for text in ["", "not a key", &line, &written[..written.len() / 2]] {
        assert!(matches!(PrivateKey::parse_openssh(text.as_bytes()), Err(PrivateKeyError::Format(_))), "{text}");
    }
}

/// What ssh-keygen makes or takes, and is refused here all the same.
#[test]
fn stricter_than_ssh_keygen() {
    let keys = Keys::new();
    let small = keys.generate("small", "rsa", "1024");
    assert_eq!(PublicKey::parse_line(&small), Err(KeyError::Rsa));
    let text = keys.keygen(&["-q", "-Y", "sign", "-n", NAMESPACE, "-f", "small"], MESSAGE);
    let refused = ClaimedSignature::from_armor(text.as_bytes()).unwrap_err();
    assert_eq!(refused, SignatureError::Key(KeyError::Rsa));

    keys.generate("authority", "ed25519", "256");
    keys.generate("agent", "ed25519", "256");
    keys.keygen(&["-q", "-s", "authority", "-I", "agent", "-n", "agent", "agent.pub"], b"");
    assert_eq!(PublicKey::parse_line(&keys.read("agent-cert.pub")), Err(KeyError::Certificate));
    let text = keys.keygen(&["-q", "-Y", "sign", "-n", NAMESPACE, "-f", "agent-cert.pub"], MESSAGE);
    let refused = ClaimedSignature::from_armor(text.as_bytes()).unwrap_err();
    assert_eq!(refused, SignatureError::Key(KeyError::Certificate));

    let key = PrivateKey::from_seed(&[7; 32]).unwrap();
    let text = armor(&key.sign(NAMESPACE, MESSAGE));
    keys.write("signature", format!("{text}anything at all\n").as_bytes());
    let check = ["-Y", "check-novalidate", "-n", NAMESPACE, "-s", "signature"];
    keys.keygen(&check, MESSAGE);
    let refused = ClaimedSignature::from_armor(keys.read("signature").as_bytes()).unwrap_err();
    assert_eq!(refused, SignatureError::Armor);

    let mut old = key.sign(NAMESPACE, MESSAGE);
    old[9] = 0;
    keys.write("signature", armor(&old).as_bytes());
    keys.keygen(&check, MESSAGE);
    assert_eq!(ClaimedSignature::from_blob(&old).unwrap_err(), SignatureError::Version(0));
}
