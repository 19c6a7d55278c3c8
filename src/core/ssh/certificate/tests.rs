//! Certificates against ssh-keygen, and every way that we know to make one that is not quite one.

use ed25519_dalek::{Signer as _, SigningKey};
use sha2::{Digest as _, Sha256};

use super::*;
use crate::core::ssh::interop::{read, ssh_keygen, write};
use crate::core::ssh::tricks::{MESSAGE, sk_parts, strings};
use crate::core::ssh::{ClaimedSignature, PrivateKey, armor, dearmor};

const SCOPE: &str = r#"extension:scope@countersign={"refs":["refs/heads/**"]}"#;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    /// A new key of a kind; the path of its file.
    fn key(&self, name: &str, kind: &str, bits: &str) -> String {
        let file = self.path(name);
        ssh_keygen(&["-q", "-t", kind, "-b", bits, "-N", "", "-C", name, "-f", &file], b"").unwrap();
        file
    }

    /// Has ssh-keygen certify a key; the line of the certificate.
    fn certify(&self, authority: &str, key: &str, options: &[&str]) -> String {
        let own = ["-q", "-s", authority, "-I", "claude-code", "-n", "claude-code,second", "-z", "42"];
        let public = format!("{key}.pub");
        ssh_keygen(&[&own, options, &[public.as_str()]].concat(), b"").unwrap();
        read(&format!("{key}-cert.pub"))
    }

    /// Whether `ssh-keygen -L` reads a certificate, which it verifies; what it prints.
    fn listed(&self, blob: &[u8]) -> Result<String, String> {
        let name = WireReader(blob).string().unwrap_or_default();
        let line = format!("{} {}\n", String::from_utf8_lossy(name), Base64::encode_string(blob));
        let file = write(&self.0.path().join("listed-cert.pub"), line.as_bytes());
        ssh_keygen(&["-L", "-f", &file], b"").map(|text| String::from_utf8(text).unwrap())
    }
}

/// The values of a label in what `ssh-keygen -L` prints.
fn value<'t>(listed: &'t str, label: &str) -> &'t str {
    listed
        .lines()
        .find_map(|line| line.trim().strip_prefix(label))
        .unwrap_or_else(|| panic!("{label} in {listed}"))
        .trim()
}

fn verified(line: &str) -> VerifiedCertificate {
    ClaimedCertificate::parse_line(line).unwrap().0.verify().unwrap()
}

fn mutual(listed: &str, certificate: &VerifiedCertificate) {
    assert!(value(listed, "Type:").ends_with("user certificate"), "{listed}");
    assert!(value(listed, "Public key:").ends_with(&certificate.key().fingerprint().to_string()), "{listed}");
    assert!(value(listed, "Signing CA:").contains(&certificate.issuer().fingerprint().to_string()), "{listed}");
    assert_eq!(value(listed, "Key ID:"), format!("\"{}\"", certificate.key_id()));
    assert_eq!(value(listed, "Serial:"), certificate.serial().to_string());
    for principal in certificate.principals() {
        assert!(listed.lines().any(|line| line.trim() == principal), "{listed}");
    }
    for (name, _) in certificate.extensions().iter().chain(certificate.critical_options()) {
        assert!(listed.contains(name), "{name} in {listed}");
    }
}

#[test]
fn certificates_of_every_kind_of_key_and_issuer_read_as_ssh_keygen_reads_them() {
    let folder = Folder::new();
    let kinds = [("ed25519", "256"), ("ecdsa", "256"), ("ecdsa", "384"), ("ecdsa", "521")];
    let issuers = kinds.into_iter().chain([("rsa", "2048"), ("rsa", "3072")]);
    let issuers: Vec<String> =
        issuers.map(|(kind, bits)| folder.key(&format!("ca-{kind}{bits}"), kind, bits)).collect();
    for (kind, bits) in kinds {
        for (number, issuer) in issuers.iter().enumerate() {
            let key = folder.key(&format!("{kind}{bits}-{number}"), kind, bits);
            let options = ["-V", "20260101000000Z:20260101080000Z", "-O", "clear", "-O", SCOPE, "-O", "permit-pty"];
            let line = folder.certify(issuer, &key, &options);
            let certificate = verified(&line);
            let (public, _) = PublicKey::parse_line(&read(&format!("{key}.pub"))).unwrap();
            assert_eq!((certificate.key(), certificate.serial()), (&public, 42));
            assert_eq!((certificate.valid_after(), certificate.valid_before()), (1_767_225_600, 1_767_254_400));
            assert_eq!(certificate.principals(), ["claude-code", "second"]);
            let scope = certificate.extension("scope@countersign").and_then(single_string);
            assert_eq!(scope, Some(&br#"{"refs":["refs/heads/**"]}"#[..]));
            assert_eq!(certificate.extension("permit-pty"), Some(&b""[..]));
            assert_eq!(line.split(' ').take(2).collect::<Vec<_>>().join(" "), certificate.to_line());
            mutual(&folder.listed(certificate.blob()).unwrap(), &certificate);

            // It signs as ssh-keygen signs with it, and is verified by both.
            let file = format!("{key}-cert.pub");
            let armored = ssh_keygen(&["-q", "-Y", "sign", "-n", "git", "-f", &file], MESSAGE).unwrap();
            let blob = dearmor(&armored).unwrap();
            let claimed = ClaimedSignature::certified_from_blob(&blob).unwrap();
            let signature = claimed.verify("git", MESSAGE).unwrap();
            assert_eq!((signature.key(), signature.certificate()), (&public, Some(&certificate)));
            assert_eq!(claimed.verify("git", b"other"), Err(SignatureError::Mismatch));
            assert_eq!(
                ClaimedSignature::from_blob(&blob).unwrap_err(),
                SignatureError::Key(KeyError::Certificate),
                "where a bare key is wanted"
            );
            let authority = read(&format!("{issuer}.pub"));
            let signers = format!("claude-code cert-authority {authority}");
            let signers = write(&folder.0.path().join("signers"), signers.as_bytes());
            let signature = write(&folder.0.path().join("signature"), &armored);
            let within = "verify-time=20260101010000Z";
            let verify =
                ["-Y", "verify", "-f", &signers, "-I", "claude-code", "-n", "git", "-s", &signature, "-O", within];
            ssh_keygen(&verify, MESSAGE).unwrap();
        }
    }
}

#[test]
fn keys_in_tokens_are_certified_and_certify() {
    let folder = Folder::new();
    let authority = folder.key("ca", "ed25519", "256");
    for (name, algorithm) in [("sk-ed25519", Algorithm::SkEd25519), ("sk-ecdsa", Algorithm::SkEcdsaP256)] {
        let parts = sk_parts(algorithm, 1);
        let public = parts.verify().unwrap().key().clone();
        let file = folder.path(name);
        write(&folder.0.path().join(format!("{name}.pub")), format!("{} x\n", public.to_line()).as_bytes());
        let certificate = verified(&folder.certify(&authority, &file, &[]));
        assert_eq!(certificate.key(), &public);
        mutual(&folder.listed(certificate.blob()).unwrap(), &certificate);
    }
    for (flags, touched) in [(0_u8, false), (1, true)] {
        let token = SigningKey::from_bytes(&[9; 32]);
        let label = Algorithm::SkEd25519.name().as_bytes();
        let issuer = PublicKey::from_blob(&strings(&[label, &token.verifying_key().to_bytes(), b"ssh:"])).unwrap();
        let key = PrivateKey::from_seed(&[3; 32]).unwrap();
        let new = new_certificate(key.public(), &issuer);
        let signed = new.to_signed_bytes().unwrap();
        let tail = [&[flags][..], &7_u32.to_be_bytes()].concat();
        let data = [&Sha256::digest("ssh:")[..], &tail, &Sha256::digest(&signed)].concat();
        let signature = [strings(&[label, &token.sign(&data).to_bytes()]), tail].concat();
        let blob = certificate_with(signed, &signature);
        let certificate = ClaimedCertificate::from_blob(&blob).unwrap().verify().unwrap();
        assert_eq!(certificate.presence().map(|presence| presence.user_present), Some(touched));
        mutual(&folder.listed(&blob).unwrap(), &certificate);
    }
}

const PRINCIPALS: [&str; 1] = ["claude-code"];

fn new_certificate<'a>(key: &'a PublicKey, issuer: &'a PublicKey) -> NewCertificate<'a> {
    static NAMES: std::sync::OnceLock<Vec<String>> = std::sync::OnceLock::new();
    NewCertificate {
        nonce: &[5; 32],
        key,
        serial: 7,
        key_id: "claude-code",
        principals: NAMES.get_or_init(|| PRINCIPALS.map(str::to_owned).to_vec()),
        window: (1000, 2000),
        extensions: &[("permit-pty", None), ("scope@countersign", Some("{}"))],
        issuer,
    }
}

/// Signs bytes as a certificate's issuer.
fn issued(issuer: &SigningKey, signed: Vec<u8>) -> Vec<u8> {
    let signature = strings(&[b"ssh-ed25519", &issuer.sign(&signed).to_bytes()]);
    certificate_with(signed, &signature)
}

/// The fields of a certificate, so that each test can spoil one before it is signed.
#[derive(Clone)]
struct Parts {
    name: Vec<u8>,
    nonce: Vec<u8>,
    key: Vec<u8>,
    serial: u64,
    kind: u32,
    key_id: Vec<u8>,
    principals: Vec<u8>,
    window: (u64, u64),
    critical: Vec<u8>,
    extensions: Vec<u8>,
    reserved: Vec<u8>,
    issuer: Vec<u8>,
}

fn issuer_key() -> SigningKey {
    SigningKey::from_bytes(&[8; 32])
}

impl Parts {
    fn good() -> Self {
        let key = SigningKey::from_bytes(&[7; 32]);
        Self {
            name: b"ssh-ed25519-cert-v01@openssh.com".to_vec(),
            nonce: vec![5; 32],
            key: strings(&[&key.verifying_key().to_bytes()]),
            serial: 1,
            kind: 1,
            key_id: b"claude-code".to_vec(),
            principals: strings(&[b"claude-code"]),
            window: (1, 2),
            critical: strings(&[b"force-command", &strings(&[b"git"])]),
            extensions: strings(&[b"permit-pty", b"", b"scope@countersign", &strings(&[b"{}"])]),
            reserved: Vec::new(),
            issuer: strings(&[b"ssh-ed25519", &issuer_key().verifying_key().to_bytes()]),
        }
    }

    fn signed(&self) -> Vec<u8> {
        let mut out = strings(&[&self.name, &self.nonce]);
        out.extend(&self.key);
        out.extend(self.serial.to_be_bytes());
        out.extend(self.kind.to_be_bytes());
        out.extend(strings(&[&self.key_id, &self.principals]));
        out.extend(self.window.0.to_be_bytes());
        out.extend(self.window.1.to_be_bytes());
        out.extend(strings(&[&self.critical, &self.extensions, &self.reserved, &self.issuer]));
        out
    }

    fn blob(&self) -> Vec<u8> {
        issued(&issuer_key(), self.signed())
    }
}

/// Changes one part of a good certificate.
type Spoil = fn(&mut Parts);

#[test]
fn every_field_has_its_error() {
    use CertificateError as E;
    let read = |blob: &[u8]| ClaimedCertificate::from_blob(blob).and_then(|claimed| claimed.verify());
    read(&Parts::good().blob()).unwrap();
    let cases: &[(&str, Spoil, E)] = &[
        ("a bare key's type", |it| it.name = b"ssh-ed25519".to_vec(), E::Type("ssh-ed25519".into())),
        (
            "an RSA key",
            |it| it.name = b"ssh-rsa-cert-v01@openssh.com".to_vec(),
            E::Type("ssh-rsa-cert-v01@openssh.com".into()),
        ),
        (
            "an old version",
            |it| it.name = b"ssh-ed25519-cert-v00@openssh.com".to_vec(),
            E::Type("ssh-ed25519-cert-v00@openssh.com".into()),
        ),
        ("no nonce", |it| it.nonce = Vec::new(), E::Nonce),
        ("a short nonce", |it| it.nonce = vec![0; 15], E::Nonce),
        ("a long nonce", |it| it.nonce = vec![0; 65], E::Nonce),
        ("a key of small order", |it| it.key = strings(&[&[0; 32]]), E::Key(KeyError::Point)),
        ("a short key", |it| it.key = strings(&[&[0; 31]]), E::Key(KeyError::Encoding)),
        ("a host's", |it| it.kind = 2, E::NotUser(2)),
        ("a control character", |it| it.key_id = b"claude\ncode".to_vec(), E::KeyId),
        ("bytes that are no text", |it| it.key_id = vec![0xff], E::KeyId),
        ("an empty principal", |it| it.principals = strings(&[b""]), E::Principals),
        ("a principal twice", |it| it.principals = strings(&[b"a", b"a"]), E::Principals),
        ("a cut principal", |it| it.principals = vec![0, 0, 0, 9], E::Principals),
        ("an empty window", |it| it.window = (2, 2), E::Window),
        ("a window upside down", |it| it.window = (3, 2), E::Window),
        ("options out of order", |it| it.critical = strings(&[b"b", b"", b"a", b""]), E::CriticalOptions),
        ("an option twice", |it| it.critical = strings(&[b"a", b"", b"a", b""]), E::CriticalOptions),
        ("an option without data", |it| it.critical = strings(&[b"a"]), E::CriticalOptions),
        ("extensions out of order", |it| it.extensions = strings(&[b"b", b"", b"a", b""]), E::Extensions),
        ("an extension without a name", |it| it.extensions = strings(&[b"", b""]), E::Extensions),
        ("a stuffed reserved field", |it| it.reserved = b"x".to_vec(), E::Reserved),
        ("a certificate as issuer", |it| it.issuer = Parts::good().blob(), E::Issuer(KeyError::Certificate)),
    ];
    for (name, spoil, error) in cases {
        let mut parts = Parts::good();
        spoil(&mut parts);
        assert_eq!(read(&parts.blob()), Err(error.clone()), "{name}");
    }
    let good = Parts::good();
    assert_eq!(read(&[good.blob(), vec![0]].concat()), Err(E::After));
    let other = issued(&SigningKey::from_bytes(&[1; 32]), good.signed());
    assert_eq!(read(&other), Err(E::Signature(Box::new(SignatureError::Mismatch))));
    let label = certificate_with(good.signed(), &strings(&[b"ssh-rsa", &[0; 64]]));
    assert_eq!(read(&label), Err(E::Signature(Box::new(SignatureError::Label))));
    let long = Parts { key_id: vec![b'a'; limits::SIGNATURE_BYTES], ..good };
    assert_eq!(read(&long.blob()), Err(E::TooLarge));
}

#[test]
fn no_bit_and_no_end_of_a_certificate_can_be_changed() {
    let blob = Parts::good().blob();
    let read = |blob: &[u8]| ClaimedCertificate::from_blob(blob).and_then(|claimed| claimed.verify());
    read(&blob).unwrap();
    for bit in 0..blob.len() * 8 {
        let mut broken = blob.clone();
        broken[bit / 8] ^= 1 << (bit % 8);
        assert!(read(&broken).is_err(), "bit {bit}");
    }
    for end in 0..blob.len() {
        assert!(read(&blob[..end]).is_err(), "{end} bytes");
    }
}

/// What OpenSSH takes and is refused here: for each, somebody could read it in two ways, or it means more than it says.
#[test]
fn what_ssh_keygen_lists_and_is_refused_here() {
    let folder = Folder::new();
    let cases: &[(&str, Spoil, CertificateError)] = &[
        ("a stuffed reserved field", |it| it.reserved = b"x".to_vec(), CertificateError::Reserved),
        ("a principal twice", |it| it.principals = strings(&[b"a", b"a"]), CertificateError::Principals),
        ("a short nonce", |it| it.nonce = vec![0; 4], CertificateError::Nonce),
    ];
    for (name, spoil, error) in cases {
        let mut parts = Parts::good();
        spoil(&mut parts);
        folder.listed(&parts.blob()).unwrap_or_else(|told| panic!("{name}: {told}"));
        assert_eq!(ClaimedCertificate::from_blob(&parts.blob()).unwrap_err(), *error, "{name}");
    }
    let other = issued(&SigningKey::from_bytes(&[1; 32]), Parts::good().signed());
    assert!(folder.listed(&other).is_err(), "a certificate that nobody issued is refused by both");
}

#[test]
fn a_signature_is_told_from_one_with_a_certificate_of_another_issuer() {
    let key = PrivateKey::from_seed(&[7; 32]).unwrap();
    let bare = key.sign("git", MESSAGE);
    let certified = |certificate: &[u8]| {
        let rest = &bare[b"SSHSIG\0\0\0\x01".len() + 4 + key.public().blob().len()..];
        [b"SSHSIG\0\0\0\x01", &strings(&[certificate])[..], rest].concat()
    };
    let blob = certified(&Parts::good().blob());
    let verified = ClaimedSignature::certified_from_blob(&blob).unwrap().verify("git", MESSAGE).unwrap();
    assert_eq!(verified.key(), key.public());
    let forged = issued(&SigningKey::from_bytes(&[1; 32]), Parts::good().signed());
    let claimed = ClaimedSignature::certified_from_blob(&certified(&forged)).unwrap();
    assert!(matches!(claimed.verify("git", MESSAGE), Err(SignatureError::Certificate(CertificateError::Signature(_)))));
    let text = armor(&certified(&forged));
    assert_eq!(crate::core::ssh::claimed_key(text.as_bytes()).as_ref(), Some(key.public()));
}

#[test]
fn a_line_is_one_certificate() {
    let blob = Parts::good().blob();
    let line = format!("ssh-ed25519-cert-v01@openssh.com {}", Base64::encode_string(&blob));
    let (certificate, comment) = ClaimedCertificate::parse_line(&format!("{line} two words\n")).unwrap();
    assert_eq!((certificate.key_id(), comment.as_str()), ("claude-code", "two words"));
    for bad in [
        line.replacen("ssh-ed25519-cert", "sk-ssh-ed25519-cert", 1),
        format!("{line}\nssh-ed25519 AAAA"),
        line.trim_end_matches('=').to_owned() + "!",
        "ssh-ed25519-cert-v01@openssh.com".to_owned(),
    ] {
        assert_eq!(ClaimedCertificate::parse_line(&bad).unwrap_err(), CertificateError::Line, "{bad}");
    }
}
