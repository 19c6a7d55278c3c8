//! Tests against ssh-keygen, in both directions and with every kind of key.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use ed25519_dalek::SigningKey;

use super::tricks::{MESSAGE, sk_parts, with_padded_numbers};
use super::*;
use crate::core::limits;

/// Runs ssh-keygen with this standard input; `Err` holds what it printed.
pub(crate) fn ssh_keygen(arguments: &[&str], input: &[u8]) -> Result<Vec<u8>, String> {
    #[allow(clippy::disallowed_methods, reason = "ssh-keygen is the oracle of these tests")]
    let mut child = Command::new("ssh-keygen")
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var("PATH").unwrap_or_default())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("these tests need ssh-keygen; install openssh-client");
    // It ends without reading where the armor is none; what it says tells.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    if output.status.success() { Ok(output.stdout) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

#[allow(clippy::disallowed_methods, reason = "ssh-keygen reads files")]
pub(crate) fn write(path: &Path, content: &[u8]) -> String {
    fs::write(path, content).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    path.to_str().unwrap().to_owned()
}

pub(crate) fn read(path: &str) -> String {
    #[allow(clippy::disallowed_methods, reason = "ssh-keygen writes files")]
    fs::read_to_string(path).unwrap()
}

/// Whether `ssh-keygen -Y verify` accepts an armored signature by this key.
pub(crate) fn openssh_accepts(
    key: &PublicKey,
    namespace: &str,
    message: &[u8],
    armored: &str,
) -> Result<Vec<u8>, String> {
    let folder = tempfile::tempdir().unwrap();
    let signers = write(&folder.path().join("signers"), format!("me {}\n", key.to_line()).as_bytes());
    let signature = write(&folder.path().join("signature"), armored.as_bytes());
    ssh_keygen(&["-Y", "verify", "-f", &signers, "-I", "me", "-n", namespace, "-s", &signature], message)
}

#[test]
fn verifies_what_ssh_keygen_signs_with_every_kind_of_key() {
    let kinds = [
        ("ed25519", "256", Algorithm::Ed25519),
        ("ecdsa", "256", Algorithm::EcdsaP256),
        ("ecdsa", "384", Algorithm::EcdsaP384),
        ("ecdsa", "521", Algorithm::EcdsaP521),
        ("rsa", "2048", Algorithm::Rsa),
        ("rsa", "3072", Algorithm::Rsa),
    ];
    for (kind, bits, algorithm) in kinds {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key").to_str().unwrap().to_owned();
        ssh_keygen(&["-q", "-t", kind, "-b", bits, "-N", "", "-C", "two words", "-f", &file], b"").unwrap();
        let (key, comment) = PublicKey::parse_line(&read(&format!("{file}.pub"))).unwrap();
        assert_eq!((key.algorithm(), comment.as_str()), (algorithm, "two words"));
        let listed = String::from_utf8(ssh_keygen(&["-l", "-f", &file], b"").unwrap()).unwrap();
        assert_eq!(listed.split(' ').nth(1), Some(key.fingerprint().to_string().as_str()));

        for hash in ["sha256", "sha512"] {
            for length in [0, 1, 100] {
                let message = vec![b'm'; length];
                let option = format!("hashalg={hash}");
                let armored = ssh_keygen(&["-q", "-Y", "sign", "-O", &option, "-n", "git", "-f", &file], &message);
                let armored = armored.unwrap();
                let claimed = ClaimedSignature::from_armor(&armored).unwrap();
                assert_eq!((claimed.key(), claimed.namespace()), (&key, &b"git"[..]));
                let verified = claimed.verify("git", &message).unwrap();
                assert_eq!((verified.key(), verified.presence()), (&key, None));
                assert_eq!(claimed.verify("git", b"other").unwrap_err(), SignatureError::Mismatch, "{kind} {bits}");
                assert!(matches!(claimed.verify("Git", &message), Err(SignatureError::Namespace(_))));
                assert_eq!(armor(&dearmor(&armored).unwrap()).into_bytes(), armored);
            }
        }
    }
}

#[test]
fn ssh_keygen_reads_our_keys_and_verifies_what_we_sign() {
    for seed in 0..4 {
        let private = PrivateKey::from_seed(&[seed; 32]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = write(&folder.path().join("key"), private.to_openssh("agent key").unwrap().as_bytes());
        let public = String::from_utf8(ssh_keygen(&["-y", "-f", &file], b"").unwrap()).unwrap();
        assert_eq!(PublicKey::parse_line(&public).unwrap(), (private.public().clone(), "agent key".to_owned()));

        let armored = armor(&private.sign("git", b"message"));
        openssh_accepts(private.public(), "git", b"message", &armored).unwrap();
        let theirs = ssh_keygen(&["-q", "-Y", "sign", "-n", "git", "-f", &file], b"message").unwrap();
        assert_eq!(String::from_utf8(theirs).unwrap(), armored, "ed25519 signatures are deterministic");

        let again = PrivateKey::parse_openssh(private.to_openssh("x").unwrap().as_bytes()).unwrap();
        assert_eq!(again.public(), private.public());
    }
}

#[test]
fn private_key_files_that_cannot_sign_unattended_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let make = |name: &str, options: &[&str]| {
        let file = folder.path().join(name).to_str().unwrap().to_owned();
        ssh_keygen(&[options, &["-q", "-f", &file]].concat(), b"").unwrap();
        read(&file)
    };
    let plain = make("plain", &["-t", "ed25519", "-N", ""]);
    assert!(PrivateKey::parse_openssh(plain.as_bytes()).is_ok());
    let encrypted = make("locked", &["-t", "ed25519", "-N", "secret", "-a", "1"]);
    assert_eq!(PrivateKey::parse_openssh(encrypted.as_bytes()).unwrap_err(), PrivateKeyError::Encrypted);
    for (name, options) in
        [("rsa", &["-t", "rsa", "-b", "2048", "-N", ""]), ("ec", &["-t", "ecdsa", "-b", "256", "-N", ""])]
    {
        let other = make(name, options);
        assert_eq!(PrivateKey::parse_openssh(other.as_bytes()).unwrap_err(), PrivateKeyError::OtherType, "{name}");
    }
    let pem = make("pem", &["-t", "rsa", "-b", "2048", "-N", "", "-m", "PEM"]);
    for bad in [pem, plain.replacen('Q', "R", 1), format!("{plain}x"), String::new()] {
        assert!(matches!(PrivateKey::parse_openssh(bad.as_bytes()), Err(PrivateKeyError::Format(_))), "{bad}");
    }
    let long = "x".repeat(limits::KEY_LINE_BYTES + 1);
    assert_eq!(PrivateKey::parse_openssh(long.as_bytes()).unwrap_err(), PrivateKeyError::TooLong);

    // Another seed under the same public key: it would sign under a name that is not its own.
    let pair = ssh_key::private::Ed25519Keypair {
        public: ssh_key::public::Ed25519PublicKey(SigningKey::from_bytes(&[1; 32]).verifying_key().to_bytes()),
        private: ssh_key::private::Ed25519PrivateKey::from_bytes(&[2; 32]),
    };
    let crossed = ssh_key::PrivateKey::from(pair).to_openssh(ssh_key::LineEnding::LF).unwrap();
    assert_eq!(PrivateKey::parse_openssh(crossed.as_bytes()).unwrap_err(), PrivateKeyError::Halves);
}

#[test]
fn security_keys_verify_and_their_flags_are_kept() {
    for algorithm in [Algorithm::SkEd25519, Algorithm::SkEcdsaP256] {
        for (flags, user_present, user_verified) in [(0, false, false), (1, true, false), (5, true, true)] {
            let parts = sk_parts(algorithm, flags);
            let verified = parts.verify().unwrap();
            assert_eq!(verified.presence(), Some(Presence { user_present, user_verified, counter: 42 }));
            assert_eq!(verified.key().algorithm(), algorithm);
            let armored = armor(&parts.blob());
            // ssh-keygen does not ask for touch, so it is an oracle for all flags.
            openssh_accepts(verified.key(), "git", MESSAGE, &armored).unwrap();
        }
        // The flags are signed: a touch cannot be added afterwards.
        let mut forged = sk_parts(algorithm, 0);
        let flags_at = forged.proof.len() - 5;
        forged.proof[flags_at] = 1;
        assert_eq!(forged.verify().unwrap_err(), SignatureError::Mismatch);
    }
}

#[test]
fn what_ssh_keygen_takes_and_is_refused_here() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (authority, agent, small) = (path("authority"), path("agent"), path("small"));
    for file in [&authority, &agent] {
        ssh_keygen(&["-q", "-t", "ed25519", "-N", "", "-f", file], b"").unwrap();
    }
    let claim = |file: &str| {
        let armored = ssh_keygen(&["-q", "-Y", "sign", "-n", "git", "-f", file], MESSAGE).unwrap();
        ClaimedSignature::from_armor(&armored).map(|_| ()).unwrap_err()
    };
    ssh_keygen(&["-q", "-t", "rsa", "-b", "1024", "-N", "", "-f", &small], b"").unwrap();
    assert_eq!(claim(&small), SignatureError::Key(KeyError::Rsa));
    ssh_keygen(&["-q", "-s", &authority, "-I", "agent", "-n", "agent", &format!("{agent}.pub")], b"").unwrap();
    let certificate = format!("{agent}-cert.pub");
    assert_eq!(PublicKey::parse_line(&read(&certificate)), Err(KeyError::Certificate));
    assert_eq!(claim(&certificate), SignatureError::Key(KeyError::Certificate));

    let key = PrivateKey::from_seed(&[7; 32]).unwrap();
    let blob = key.sign("git", MESSAGE);
    let text_after = format!("{}anything\n", armor(&blob));
    openssh_accepts(key.public(), "git", MESSAGE, &text_after).unwrap();
    let after = ClaimedSignature::from_armor(text_after.as_bytes()).unwrap_err();
    assert_eq!(after, SignatureError::Armor(ArmorError::After));
    assert_eq!(claimed_key(text_after.as_bytes()).as_ref(), Some(key.public()), "whose it claims to be can be told");
    let mut version_0 = blob;
    version_0[9] = 0;
    openssh_accepts(key.public(), "git", MESSAGE, &armor(&version_0)).unwrap();
    assert_eq!(ClaimedSignature::from_blob(&version_0).unwrap_err(), SignatureError::Version(0));
}

/// What the two make of one armor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TakenBy {
    Both,
    Neither,
    /// Why we refuse what ssh-keygen takes.
    OnlyTheirs(ArmorError),
    /// Why we take what the ssh-keygen of some machines refuses.
    Version(&'static str),
}

#[test]
fn armors_are_read_as_ssh_keygen_reads_them() {
    let key = PrivateKey::from_seed(&[7; 32]).unwrap();
    let good = armor(&key.sign("git", MESSAGE));
    let lines: Vec<&str> = good.trim_end().split('\n').collect();
    let [begin, body @ .., end] = lines.as_slice() else { panic!("{good}") };
    let base64 = body.concat();
    let ours =
        |text: &str| ClaimedSignature::from_armor(text.as_bytes()).and_then(|claimed| claimed.verify("git", MESSAGE));
    let theirs = |text: &str| openssh_accepts(key.public(), "git", MESSAGE, text);
    let check = |name: &str, text: &str, reading: TakenBy| {
        let (ours, theirs) = (ours(text).map(|_| ()), theirs(text).map(|_| ()));
        let told = format!("{name}: ours {ours:?}, theirs {theirs:?}");
        match reading {
            TakenBy::Both => assert!(ours.is_ok() && theirs.is_ok(), "{told}"),
            TakenBy::Neither => assert!(ours.is_err() && theirs.is_err(), "{told}"),
            TakenBy::OnlyTheirs(why) => {
                assert!(theirs.is_ok(), "{told}");
                assert_eq!(ours, Err(SignatureError::Armor(why)), "{told}");
            }
            TakenBy::Version(_) => assert!(ours.is_ok(), "{told}"),
        }
    };

    for width in (1..=100).chain([base64.len() - 1, base64.len(), 1000]) {
        let wrapped: Vec<&str> =
            base64.as_bytes().chunks(width).map(|line| std::str::from_utf8(line).unwrap()).collect();
        check(&format!("{width} columns"), &format!("{begin}\n{}\n{end}\n", wrapped.join("\n")), TakenBy::Both);
        let crlf = format!("{begin}\n{}\r\n{end}\r\n", wrapped.join("\r\n"));
        if width % 10 == 0 {
            check(&format!("{width} columns, CR LF but for the first line"), &crlf, TakenBy::Both);
        }
    }
    let (head, tail) = base64.split_at(40);
    for (name, text, reading) in [
        ("as written", good.clone(), TakenBy::Both),
        ("no last line feed", good.trim_end().to_owned(), TakenBy::Both),
        ("blank lines", format!("{begin}\n\n{head}\n\n{tail}\n\n{end}\n"), TakenBy::Both),
        ("white space", format!("{begin}\n {head} \t\x0b\x0c\r {tail} \n{end}\n"), TakenBy::Both),
        ("white space after", format!("{good} \r\n\t\n"), TakenBy::Both),
        ("split padding", format!("{begin}\n{}\n{}\n{end}\n", &base64[..base64.len() - 1], "="), TakenBy::Both),
        ("CR LF", good.replace('\n', "\r\n"), TakenBy::Version("OpenSSH reads it from some version after 9.2 on")),
        // Words that anybody can add to a signed object, under its signature.
        ("a word after", format!("{good}x\n"), TakenBy::OnlyTheirs(ArmorError::After)),
        ("a word on the last line", format!("{}x\n", good.trim_end()), TakenBy::OnlyTheirs(ArmorError::After)),
        ("twice", format!("{good}{good}"), TakenBy::OnlyTheirs(ArmorError::After)),
        // A C string ends there; a commit never holds one.
        ("NUL at the end", format!("{begin}\n{base64}\0\n{end}\n"), TakenBy::OnlyTheirs(ArmorError::Base64)),
        ("NUL", format!("{begin}\n{head}\0{tail}\n{end}\n"), TakenBy::Neither),
        ("text before", format!("x\n{good}"), TakenBy::Neither),
        ("line feed before", format!("\n{good}"), TakenBy::Neither),
        ("space before", format!(" {good}"), TakenBy::Neither),
        ("base64 on the first line", format!("{begin}{base64}\n{end}\n"), TakenBy::Neither),
        ("space after the first line", format!("{begin} \n{base64}\n{end}\n"), TakenBy::Neither),
        ("a lone CR after the first line", format!("{begin}\r{base64}\n{end}\n"), TakenBy::Neither),
        ("base64 on the last line", format!("{begin}\n{base64}{end}\n"), TakenBy::Neither),
        ("a lone CR before the last line", format!("{begin}\n{base64}\r{end}\n"), TakenBy::Neither),
        ("no last line", format!("{begin}\n{base64}\n"), TakenBy::Neither),
        ("no padding", format!("{begin}\n{}\n{end}\n", base64.trim_end_matches('=')), TakenBy::Neither),
        ("more padding", format!("{begin}\n{base64}=\n{end}\n"), TakenBy::Neither),
        ("URL alphabet", format!("{begin}\n{head}-_{tail}\n{end}\n"), TakenBy::Neither),
        ("no-break space", format!("{begin}\n{head}\u{a0}{tail}\n{end}\n"), TakenBy::Neither),
        ("headers, as PGP has them", format!("{begin}\nVersion: 1\n\n{base64}\n{end}\n"), TakenBy::Neither),
        ("PGP", good.replace("SSH", "PGP"), TakenBy::Neither),
        ("lower case", format!("{}\n{base64}\n{end}\n", begin.to_lowercase()), TakenBy::Neither),
    ] {
        check(name, &text, reading);
    }
    // Bits behind the last byte, which base64 leaves open: the last digit before the padding, and its neighbour.
    let digits = base64.trim_end_matches('=');
    assert!(digits.len() < base64.len(), "an ed25519 signature ends in padding");
    let (rest, last) = digits.split_at(digits.len() - 1);
    let next = char::from(last.as_bytes()[0] + 1);
    check("loose bits", &format!("{begin}\n{rest}{next}=\n{end}\n"), TakenBy::Neither);
}

/// The numbers of an ECDSA signature of a fixed width: OpenSSH reads them, here there is one encoding, and the finding says so.
#[test]
fn padded_ecdsa_numbers_are_told_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key").to_str().unwrap().to_owned();
    ssh_keygen(&["-q", "-t", "ecdsa", "-b", "256", "-N", "", "-f", &file], b"").unwrap();
    let (key, _) = PublicKey::parse_line(&read(&format!("{file}.pub"))).unwrap();
    let armored = ssh_keygen(&["-q", "-Y", "sign", "-n", "git", "-f", &file], MESSAGE).unwrap();
    let blob = dearmor(&armored).unwrap();
    let padded = armor(&with_padded_numbers(&blob));
    openssh_accepts(&key, "git", MESSAGE, &padded).unwrap();
    let claimed = ClaimedSignature::from_armor(padded.as_bytes()).unwrap();
    let refused = claimed.verify("git", MESSAGE).unwrap_err();
    assert_eq!(refused, SignatureError::Padded);
    assert!(refused.to_string().contains("superfluous zero"), "{refused}");
    ClaimedSignature::from_blob(&blob).unwrap().verify("git", MESSAGE).unwrap();
}
