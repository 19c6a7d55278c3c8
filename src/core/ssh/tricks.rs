//! Tests of every way we know to encode a key or signature twice, or to pass one for another.

use ed25519_dalek::{Signer as _, SigningKey};
use proptest::prelude::*;
use sha2::{Digest as _, Sha256, Sha512};

use super::sshsig::signed_data;
use super::wire::{WireReader, put_string};
use super::*;
use crate::core::limits;

pub(super) fn strings(parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    parts.iter().for_each(|part| put_string(&mut out, part));
    out
}

/// The parts of an SSHSIG, so that each test can spoil one.
#[derive(Clone)]
pub(super) struct Parts {
    magic: Vec<u8>,
    version: u32,
    key: Vec<u8>,
    namespace: Vec<u8>,
    reserved: Vec<u8>,
    hash: Vec<u8>,
    pub(super) proof: Vec<u8>,
    after: Vec<u8>,
}

impl Parts {
    fn new(key: &[u8], proof: Vec<u8>) -> Self {
        Self {
            magic: b"SSHSIG".to_vec(),
            version: 1,
            key: key.to_vec(),
            namespace: b"git".to_vec(),
            reserved: Vec::new(),
            hash: b"sha512".to_vec(),
            proof,
            after: Vec::new(),
        }
    }

    pub(super) fn blob(&self) -> Vec<u8> {
        let fields = strings(&[&self.key, &self.namespace, &self.reserved, &self.hash, &self.proof]);
        [&self.magic[..], &self.version.to_be_bytes(), &fields, &self.after].concat()
    }

    pub(super) fn verify(&self) -> Result<VerifiedSignature, SignatureError> {
        ClaimedSignature::from_blob(&self.blob())?.verify("git", MESSAGE)
    }
}

/// Changes one part of a good signature.
type Spoil = fn(&mut Parts);

pub(super) const MESSAGE: &[u8] = b"message";

fn data() -> Vec<u8> {
    signed_data("git", "sha512", &Sha512::digest(MESSAGE))
}

fn ed25519_parts() -> Parts {
    let key = SigningKey::from_bytes(&[7; 32]);
    let signature = key.sign(&data()).to_bytes();
    let public = strings(&[b"ssh-ed25519", &key.verifying_key().to_bytes()]);
    Parts::new(&public, strings(&[b"ssh-ed25519", &signature]))
}

/// A software token: signs as PROTOCOL.u2f says, with flags of our choice.
pub(super) fn sk_parts(algorithm: Algorithm, flags: u8) -> Parts {
    let counter = 42_u32;
    let tail = [&[flags][..], &counter.to_be_bytes()].concat();
    let signed = [&Sha256::digest("ssh:")[..], &tail, &Sha256::digest(data())].concat();
    let label = algorithm.name().as_bytes();
    let (public, signature) = match algorithm {
        Algorithm::SkEd25519 => {
            let key = SigningKey::from_bytes(&[9; 32]);
            let public = strings(&[label, &key.verifying_key().to_bytes(), b"ssh:"]);
            (public, key.sign(&signed).to_bytes().to_vec())
        }
        _ => {
            let key = p256::ecdsa::SigningKey::from_slice(&[9; 32]).unwrap();
            let point = key.verifying_key().to_sec1_point(false);
            let public = strings(&[label, b"nistp256", point.as_bytes(), b"ssh:"]);
            let signature: p256::ecdsa::Signature = key.sign(&signed);
            let (r, s) = signature.split_bytes();
            (public, strings(&[&mpint(&r), &mpint(&s)]))
        }
    };
    Parts::new(&public, [strings(&[label, &signature]), tail].concat())
}

fn mpint(magnitude: &[u8]) -> Vec<u8> {
    let start = magnitude.iter().position(|byte| *byte != 0).unwrap();
    let sign = if magnitude[start] >= 0x80 { &[0][..] } else { &[] };
    [sign, &magnitude[start..]].concat()
}

#[test]
fn every_trick_on_the_encoding_has_its_error() {
    let good = ed25519_parts();
    good.verify().unwrap();
    let spoil = |change: Spoil| {
        let mut parts = ed25519_parts();
        change(&mut parts);
        parts.verify().unwrap_err()
    };
    let namespace = SignatureError::Namespace("git".into());
    let cases: &[(&str, Spoil, SignatureError)] = &[
        ("magic", |it| it.magic = b"SSHSIg".to_vec(), SignatureError::Encoding),
        ("version 0", |it| it.version = 0, SignatureError::Version(0)),
        ("version 2", |it| it.version = 2, SignatureError::Version(2)),
        ("stuffed reserved", |it| it.reserved = b"x".to_vec(), SignatureError::Reserved),
        ("no namespace", |it| it.namespace = Vec::new(), SignatureError::Encoding),
        ("other namespace", |it| it.namespace = b"file".to_vec(), namespace.clone()),
        ("longer namespace", |it| it.namespace = b"git\0\xff".to_vec(), namespace.clone()),
        ("md5", |it| it.hash = b"md5".to_vec(), SignatureError::Hash),
        ("other hash", |it| it.hash = b"sha256".to_vec(), SignatureError::Mismatch),
        ("bytes after", |it| it.after = b"x".to_vec(), SignatureError::Encoding),
        ("bytes after the proof", |it| it.proof.push(0), SignatureError::Encoding),
        ("bytes after the key", |it| it.key.push(0), SignatureError::Key(KeyError::Encoding)),
        ("cut proof", |it| it.proof.truncate(30), SignatureError::Encoding),
        ("short proof", |it| it.proof = strings(&[b"ssh-ed25519", &[1; 63]]), SignatureError::Encoding),
        ("sk label", |it| relabel(it, "sk-ssh-ed25519@openssh.com"), SignatureError::Label),
        ("rsa label", |it| relabel(it, "rsa-sha2-512"), SignatureError::Label),
        ("sk tail on a plain key", |it| it.proof.extend([1, 0, 0, 0, 1]), SignatureError::Encoding),
        (
            "certificate",
            |it| it.key = strings(&[b"ssh-ed25519-cert-v01@openssh.com", &[1; 32]]),
            SignatureError::Key(KeyError::Certificate),
        ),
        (
            "dsa",
            |it| it.key = strings(&[b"ssh-dss", &[1; 32]]),
            SignatureError::Key(KeyError::Unsupported("ssh-dss".into())),
        ),
    ];
    for (name, change, error) in cases {
        assert_eq!(spoil(*change), *error, "{name}");
    }
    let long = vec![0; limits::SIGNATURE_BYTES + 1];
    assert_eq!(ClaimedSignature::from_blob(&long).unwrap_err(), SignatureError::TooLarge);
}

fn relabel(parts: &mut Parts, label: &str) {
    let signature = parts.proof[4 + "ssh-ed25519".len()..].to_vec();
    parts.proof = [strings(&[label.as_bytes()]), signature].concat();
}

#[test]
fn labels_of_the_other_families_must_fit_too() {
    let rename = |algorithm, label: &str| {
        let mut parts = sk_parts(algorithm, 1);
        parts.proof = [&strings(&[label.as_bytes()]), &parts.proof[4 + algorithm.name().len()..]].concat();
        parts.verify().unwrap_err()
    };
    assert!(matches!(rename(Algorithm::SkEd25519, "ssh-ed25519"), SignatureError::Label));
    assert!(matches!(rename(Algorithm::SkEcdsaP256, "ecdsa-sha2-nistp256"), SignatureError::Label));
    assert_eq!(rename(Algorithm::SkEcdsaP256, "webauthn-sk-ecdsa-sha2-nistp256@openssh.com"), SignatureError::Label);
    let rsa = strings(&[b"ssh-rsa", &[1, 0, 1], &rsa_modulus(2048)]);
    for label in ["ssh-rsa", "rsa-sha2-384"] {
        let parts = Parts::new(&rsa, strings(&[label.as_bytes(), &[1; 256]]));
        assert!(matches!(parts.verify(), Err(SignatureError::Label)), "{label}");
    }
    let short = Parts::new(&rsa, strings(&[b"rsa-sha2-512", &[1; 255]]));
    assert_eq!(short.verify().unwrap_err(), SignatureError::Encoding);
    let wrong = Parts::new(&rsa, strings(&[b"rsa-sha2-512", &[1; 256]]));
    assert_eq!(wrong.verify().unwrap_err(), SignatureError::Mismatch);
    let above_modulus = Parts::new(&rsa, strings(&[b"rsa-sha2-256", &[0xff; 256]]));
    assert_eq!(above_modulus.verify().unwrap_err(), SignatureError::Mismatch);
}

/// An odd number of so many bits, as an mpint.
fn rsa_modulus(bits: usize) -> Vec<u8> {
    let mut magnitude = vec![0xa5; bits.div_ceil(8)];
    magnitude[0] = 0xff_u8 >> (magnitude.len() * 8 - bits);
    mpint(&magnitude)
}

#[test]
fn rsa_keys_have_sane_numbers() {
    let parse = |e: &[u8], n: &[u8]| PublicKey::from_blob(&strings(&[b"ssh-rsa", e, n])).map(|key| key.algorithm());
    for bits in [2048, 3072, 4096, 16384] {
        assert_eq!(parse(&[1, 0, 1], &rsa_modulus(bits)), Ok(Algorithm::Rsa), "{bits}");
    }
    for bits in [1024, 2047, 16385] {
        assert_eq!(parse(&[1, 0, 1], &rsa_modulus(bits)), Err(KeyError::Rsa), "{bits}");
    }
    let mut even = rsa_modulus(2048);
    *even.last_mut().unwrap() = 0;
    assert_eq!(parse(&[1, 0, 1], &even), Err(KeyError::Rsa));
    assert_eq!(parse(&[3], &rsa_modulus(2048)), Ok(Algorithm::Rsa));
    for exponent in [&[1][..], &[4], &[2, 0, 0, 0, 1], &[1; 8], &[1; 9]] {
        assert_eq!(parse(exponent, &rsa_modulus(2048)), Err(KeyError::Rsa), "{exponent:?}");
    }
    let padded = [&[0][..], &rsa_modulus(2048)].concat();
    assert_eq!(parse(&[1, 0, 1], &padded), Err(KeyError::Encoding));
    assert_eq!(parse(&[0, 1, 0, 1], &rsa_modulus(2048)), Err(KeyError::Encoding));
}

#[test]
fn curve_points_are_checked() {
    let ed25519 = |y: [u8; 32]| PublicKey::from_blob(&strings(&[b"ssh-ed25519", &y]));
    let hex = |text: &str| -> [u8; 32] {
        let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
        std::array::from_fn(|index| digit(2 * index))
    };
    // Small order, from "Taming the many EdDSAs" (Chalkias, Garillot, Nikolaenko 2020), table 6; canonical or not.
    for weak in [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    ] {
        assert_eq!(ed25519(hex(weak)), Err(KeyError::Point), "{weak}");
    }
    // y = 3 and y = p + 3 are one point; only the first is a key.
    let mut reduced = [0; 32];
    reduced[0] = 3;
    assert!(ed25519(reduced).is_ok());
    let mut unreduced = [0xff; 32];
    (unreduced[0], unreduced[31]) = (0xf0, 0x7f);
    assert!(ed25519_dalek::VerifyingKey::from_bytes(&unreduced).is_ok(), "the library alone would take it");
    assert_eq!(ed25519(unreduced), Err(KeyError::Point));
    assert!((2..40).any(|y| ed25519([y; 32]) == Err(KeyError::Point)), "half of all y are on no point");

    let p256 = p256::ecdsa::SigningKey::from_slice(&[9; 32]).unwrap();
    let point = p256.verifying_key().to_sec1_point(false).as_bytes().to_vec();
    let parse = |curve: &[u8], point: &[u8]| PublicKey::from_blob(&strings(&[b"ecdsa-sha2-nistp256", curve, point]));
    assert!(parse(b"nistp256", &point).is_ok());
    let mut off = point.clone();
    off[64] ^= 1;
    let compressed = p256.verifying_key().to_sec1_point(true).as_bytes().to_vec();
    assert_eq!(parse(b"nistp256", &off), Err(KeyError::Point));
    // SEC 1 knows a third form, which holds both the whole point and the sign of its y.
    let hybrid = [&[6 | (point[64] & 1)], &point[1..]].concat();
    for (curve, bad) in
        [(&b"nistp384"[..], &point[..]), (b"nistp256", &compressed), (b"nistp256", &hybrid), (b"nistp256", &[0])]
    {
        assert_eq!(parse(curve, bad), Err(KeyError::Encoding));
    }
}

/// The order of the ed25519 base point, little-endian (RFC 8032, section 5.1).
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

#[test]
fn ed25519_signatures_cannot_be_rewritten() {
    let parts = ed25519_parts();
    let start = parts.proof.len() - 32;
    let mut malleated = parts.clone();
    let mut carry = 0;
    for (byte, order) in malleated.proof[start..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = u8::try_from(sum & 0xff).unwrap();
        carry = sum >> 8;
    }
    assert_eq!(carry, 0);
    assert_eq!(malleated.verify().unwrap_err(), SignatureError::Mismatch, "S + L");

    // R of small order and S = 0 hold under many keys where verification is not strict.
    let identity = [&[1][..], &[0; 63]].concat();
    let forged = Parts { proof: strings(&[b"ssh-ed25519", &identity]), ..parts };
    assert_eq!(forged.verify().unwrap_err(), SignatureError::Mismatch);
}

#[test]
fn ecdsa_numbers_have_one_encoding() {
    let key = p256::ecdsa::SigningKey::from_slice(&[9; 32]).unwrap();
    let point = key.verifying_key().to_sec1_point(false);
    let public = strings(&[b"ecdsa-sha2-nistp256", b"nistp256", point.as_bytes()]);
    let signature: p256::ecdsa::Signature = key.sign(&data());
    let (r, s) = signature.split_bytes();
    let parts = |numbers: &[u8]| Parts::new(&public, strings(&[b"ecdsa-sha2-nistp256", numbers]));
    let verify = |numbers: &[u8]| parts(numbers).verify().map(|_| ());
    let (r, s) = (mpint(&r), mpint(&s));
    assert_eq!(verify(&strings(&[&r, &s])), Ok(()));
    let order = [&[0; 1][..], &[0xff; 4], &[0; 4], &[0xff; 8], &[0xbc; 16]].concat();
    for (numbers, error) in [
        (strings(&[&[&[0], &r[..]].concat(), &s]), SignatureError::Padded),
        (strings(&[&r, &[&[0, 0], &s[..]].concat()]), SignatureError::Padded),
        (strings(&[&[0; 33], &s]), SignatureError::Padded),
        (strings(&[&[], &s]), SignatureError::Encoding),
        (strings(&[&r, &[0]]), SignatureError::Encoding),
        (strings(&[&r, &[0x80]]), SignatureError::Encoding),
        (strings(&[&r, &[1; 33]]), SignatureError::Mismatch),
        (strings(&[&r, &[&[0][..], &[0xff; 32]].concat()]), SignatureError::Mismatch),
        (strings(&[&r, &s, &[]]), SignatureError::Encoding),
        (strings(&[&r]), SignatureError::Encoding),
        (strings(&[&s, &r]), SignatureError::Mismatch),
        (strings(&[&order, &s]), SignatureError::Mismatch),
    ] {
        assert_eq!(verify(&numbers), Err(error));
    }
    // The one freedom that ECDSA itself leaves: s and n - s both hold, and ssh-keygen writes either. Nothing may take a
    // second signature blob for a second act of signing.
    let twin = -*signature.s();
    let twin = mpint(&p256::ecdsa::Signature::from_scalars(*signature.r(), twin).unwrap().split_bytes().1);
    assert_ne!(twin, s);
    assert_eq!(verify(&strings(&[&r, &twin])), Ok(()));
}

/// The signature with a zero before each of its ECDSA numbers.
pub(super) fn with_padded_numbers(blob: &[u8]) -> Vec<u8> {
    let mut reader = WireReader(blob);
    reader.tag(b"SSHSIG").unwrap();
    reader.uint32().unwrap();
    let outer: Vec<&[u8]> = std::iter::from_fn(|| reader.string()).collect();
    let [key, namespace, reserved, hash, proof] = outer[..] else { panic!("five fields") };
    let mut proof = WireReader(proof);
    let (label, mut numbers) = (proof.string().unwrap(), WireReader(proof.string().unwrap()));
    let (r, s) = (numbers.string().unwrap(), numbers.string().unwrap());
    let padded = strings(&[&[&[0], r].concat(), &[&[0], s].concat()]);
    let proof = strings(&[label, &padded]);
    [b"SSHSIG", &1_u32.to_be_bytes()[..], &strings(&[key, namespace, reserved, hash, &proof])].concat()
}

#[test]
fn key_lines_are_read_strictly() {
    let line = PrivateKey::from_seed(&[1; 32]).unwrap().public().to_line();
    assert_eq!(PublicKey::parse_line(&format!("{line} a b  ")).unwrap().1, "a b");
    assert_eq!(PublicKey::parse_line(&format!("{line}\n")).unwrap().1, "");
    let (label, encoded) = line.split_once(' ').unwrap();
    let cases = [
        (String::new(), KeyError::Line),
        (label.to_owned(), KeyError::Line),
        (format!("{line}\r\n"), KeyError::Line),
        (format!("{line}\n{line}"), KeyError::Line),
        (format!("{line} a\u{1b}[2J"), KeyError::Line),
        (format!("{label}\t{encoded}"), KeyError::Line),
        (format!("{label}  {encoded}"), KeyError::Encoding),
        (line.replacen("AAAA", "AA=A", 1), KeyError::Line),
        (line[..line.len() - 1].to_owned(), KeyError::Line),
        (format!("restrict {line}"), KeyError::Line),
        (format!("ssh-ed25519-cert-v01@openssh.com {encoded}"), KeyError::Certificate),
        (format!("ssh-rsa {encoded}"), KeyError::OtherType),
        ("A".repeat(limits::KEY_LINE_BYTES + 1), KeyError::TooLong),
    ];
    for (text, error) in cases {
        assert_eq!(PublicKey::parse_line(&text).map(|(key, _)| key), Err(error), "{text}");
    }
    let long = vec![0; limits::KEY_LINE_BYTES + 1];
    assert_eq!(PublicKey::from_blob(&long), Err(KeyError::TooLong));
}

#[test]
fn no_flipped_bit_verifies() {
    for parts in [ed25519_parts(), sk_parts(Algorithm::SkEd25519, 1), sk_parts(Algorithm::SkEcdsaP256, 1)] {
        let blob = parts.blob();
        for bit in 0..blob.len() * 8 {
            let mut flipped = blob.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let result = ClaimedSignature::from_blob(&flipped).and_then(|claimed| claimed.verify("git", MESSAGE));
            assert!(result.is_err(), "bit {bit}");
        }
    }
}

proptest! {
    #[test]
    fn whatever_is_signed_verifies(seed: [u8; 32], message: Vec<u8>, other: Vec<u8>) {
        let private = PrivateKey::from_seed(&seed).unwrap();
        let blob = private.sign("git", &message);
        let claimed = ClaimedSignature::from_armor(armor(&blob).as_bytes()).unwrap();
        let verified = claimed.verify("git", &message).unwrap();
        prop_assert_eq!(verified.key(), private.public());
        prop_assert_eq!(claimed.verify("git", &other).is_ok(), other == message);
        let line = private.public().to_line();
        prop_assert_eq!(PublicKey::parse_line(&line).unwrap().0, private.public().clone());
    }

    #[test]
    fn hostile_bytes_never_panic(bytes: Vec<u8>, at in 0_usize..200, byte: u8) {
        let _ = ClaimedSignature::from_blob(&bytes);
        let _ = ClaimedSignature::from_armor(&bytes);
        let _ = PublicKey::from_blob(&bytes);
        let _ = PrivateKey::parse_openssh(&bytes);
        let mut blob = sk_parts(Algorithm::SkEcdsaP256, 1).blob();
        if let Some(place) = blob.get_mut(at) {
            *place = byte;
        }
        let _ = ClaimedSignature::from_blob(&blob).and_then(|claimed| claimed.verify("git", MESSAGE));
        let _ = ClaimedSignature::from_blob(&blob[..at.min(blob.len())]);
    }
}
