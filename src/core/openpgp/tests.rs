//! Certificates and signatures packet by packet: what counts, and beside it what does not.

use base64ct::{Base64, Encoding as _};
use pgp::crypto::ed25519::{Mode, SecretKey as Ed25519Secret};
use pgp::crypto::eddsa_legacy::SecretKey as LegacySecret;
use pgp::crypto::hash::HashAlgorithm;
use pgp::crypto::public_key::PublicKeyAlgorithm;
use pgp::packet::{
    KeyFlags, Notation, Packet, PubKeyInner, PublicKey, PublicSubkey, RevocationCode, SecretKey, SecretSubkey,
    Signature, SignatureConfig, SignatureType, Subpacket, SubpacketData, UserId,
};
use pgp::ser::Serialize;
use pgp::types::{
    Duration, KeyDetails, KeyVersion, Mpi, PacketHeaderVersion, Password, PlainSecretParams, PublicParams,
    SecretParams, SignatureBytes, Tag, Timestamp as PacketTime,
};

use super::armor::{PUBLIC_KEY, SIGNATURE};
use super::*;
use crate::core::decide::Timestamp;

/// When everything here is made, unless it says otherwise.
const MADE: u32 = 1_790_000_000;
const DAY: u32 = 86_400;

const DOCUMENT: &[u8] = b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n";

fn at(days: i64) -> Timestamp {
    Timestamp(i64::from(MADE) + days * i64::from(DAY))
}

/// A primary key and one for signing, with what becomes of them.
struct Maker {
    primary: SecretKey,
    subkey: SecretSubkey,
    version: KeyVersion,
}

impl Maker {
    fn new(version: KeyVersion) -> Self {
        let (primary, subkey) = (parts(version, 1), parts(version, 2));
        Self {
            primary: SecretKey::new(PublicKey::from_inner(primary.0).unwrap(), primary.1).unwrap(),
            subkey: SecretSubkey::new(PublicSubkey::from_inner(subkey.0).unwrap(), subkey.1).unwrap(),
            version,
        }
    }

    fn config(&self, typ: SignatureType, made: u32, more: Vec<SubpacketData>) -> SignatureConfig {
        let algorithm = self.primary.algorithm();
        let mut config = match self.version {
            KeyVersion::V6 => SignatureConfig::v6_with_salt(typ, algorithm, HashAlgorithm::Sha256, vec![7; 16]),
            _ => SignatureConfig::v4(typ, algorithm, HashAlgorithm::Sha256),
        };
        let all = std::iter::once(SubpacketData::SignatureCreationTime(PacketTime::from_secs(made))).chain(more);
        config.hashed_subpackets = all.map(|data| Subpacket::regular(data).unwrap()).collect();
        config
    }

    fn by_primary(&self) -> SubpacketData {
        SubpacketData::IssuerFingerprint(self.primary.fingerprint())
    }

    /// What says what the primary key is for, made `days` after it.
    fn direct(&self, days: u32, more: Vec<SubpacketData>) -> Vec<u8> {
        let more = [vec![self.by_primary()], more].concat();
        let config = self.config(SignatureType::Key, MADE + days * DAY, more);
        packet(config.sign_key(&self.primary, &Password::empty(), self.primary.public_key()).unwrap())
    }

    fn revocation(&self, days: u32, reason: RevocationCode) -> Vec<u8> {
        let more = vec![self.by_primary(), SubpacketData::RevocationReason(reason, "".into())];
        let config = self.config(SignatureType::KeyRevocation, MADE + days * DAY, more);
        packet(config.sign_key(&self.primary, &Password::empty(), self.primary.public_key()).unwrap())
    }

    fn named(&self, days: u32, more: Vec<SubpacketData>) -> Vec<u8> {
        let name = UserId::from_str(PacketHeaderVersion::New, "Alice <alice@acme.dev>").unwrap();
        let more = [vec![self.by_primary()], more].concat();
        let config = self.config(SignatureType::CertPositive, MADE + days * DAY, more);
        let signed =
            config.sign_certification(&self.primary, self.primary.public_key(), &Password::empty(), Tag::UserId, &name);
        [bytes(&Packet::UserId(name)), packet(signed.unwrap())].concat()
    }

    fn back(&self) -> SubpacketData {
        let issuer = SubpacketData::IssuerFingerprint(self.subkey.fingerprint());
        let config = self.config(SignatureType::KeyBinding, MADE, vec![issuer]);
        let (own, primary) = (self.subkey.public_key(), self.primary.public_key());
        let back = config.sign_primary_key_binding(&self.subkey, own, &Password::empty(), primary).unwrap();
        SubpacketData::EmbeddedSignature(Box::new(back))
    }

    /// What binds the other key, with the key before it.
    fn bound(&self, days: u32, more: Vec<SubpacketData>) -> Vec<u8> {
        [bytes(&Packet::PublicSubkey(self.subkey.public_key().clone())), self.binding(days, more)].concat()
    }

    fn binding(&self, days: u32, more: Vec<SubpacketData>) -> Vec<u8> {
        let more = [vec![self.by_primary()], more].concat();
        let config = self.config(SignatureType::SubkeyBinding, MADE + days * DAY, more);
        let (primary, subkey) = (self.primary.public_key(), self.subkey.public_key());
        packet(config.sign_subkey_binding(&self.primary, primary, &Password::empty(), subkey).unwrap())
    }

    fn certificate(&self, parts: &[Vec<u8>]) -> Result<Certificate, CertificateError> {
        let primary = bytes(&Packet::PublicKey(self.primary.public_key().clone()));
        Certificate::parse(armored(PUBLIC_KEY.0, &[primary, parts.concat()].concat()).as_bytes())
    }

    /// The usual one: a name, and a key for signing that is bound both ways.
    fn usual(&self) -> Certificate {
        self.certificate(&[
            self.direct(0, vec![flags(Use::Certify)]),
            self.named(0, vec![flags(Use::Certify)]),
            self.bound(0, vec![flags(Use::Sign), self.back()]),
        ])
        .unwrap()
    }

    fn signature(&self, more: Vec<SubpacketData>) -> Signature {
        let issuer = SubpacketData::IssuerFingerprint(self.subkey.fingerprint());
        let config = self.config(SignatureType::Binary, MADE, [vec![issuer], more].concat());
        config.sign(&self.subkey, &Password::empty(), DOCUMENT).unwrap()
    }

    fn key(&self) -> Fingerprint {
        Fingerprint::of(self.subkey.public_key())
    }

    fn primary_key(&self) -> Fingerprint {
        Fingerprint::of(self.primary.public_key())
    }
}

fn parts(version: KeyVersion, seed: u8) -> (PubKeyInner, SecretParams) {
    let mode = if version == KeyVersion::V6 { Mode::Ed25519 } else { Mode::EdDSALegacy };
    let secret = Ed25519Secret::try_from_bytes([seed; 32], mode).unwrap();
    let (algorithm, secret) = match version {
        KeyVersion::V6 => (PublicKeyAlgorithm::Ed25519, PlainSecretParams::Ed25519(secret)),
        _ => (PublicKeyAlgorithm::EdDSALegacy, PlainSecretParams::EdDSALegacy(LegacySecret::Ed25519(secret))),
    };
    let public = PublicParams::try_from(&secret).unwrap();
    (
        PubKeyInner::new(version, algorithm, PacketTime::from_secs(MADE), None, public).unwrap(),
        SecretParams::Plain(secret),
    )
}

enum Use {
    Certify,
    Sign,
    Encrypt,
}

fn flags(r#use: Use) -> SubpacketData {
    let mut flags = KeyFlags::default();
    match r#use {
        Use::Certify => flags.set_certify(true),
        Use::Sign => flags.set_sign(true),
        Use::Encrypt => flags.set_encrypt_comms(true),
    }
    SubpacketData::KeyFlags(flags)
}

fn lasts(days: u32) -> SubpacketData {
    SubpacketData::KeyExpirationTime(Duration::from_secs(days * DAY))
}

fn packet(signature: Signature) -> Vec<u8> {
    bytes(&Packet::Signature(signature))
}

fn bytes(packet: &Packet) -> Vec<u8> {
    pgp::ser::Serialize::to_bytes(packet).unwrap()
}

fn armored(words: &str, bytes: &[u8]) -> String {
    let base64 = Base64::encode_string(bytes);
    let lines: Vec<&str> = base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN PGP {words}-----\n\n{}\n-----END PGP {words}-----\n", lines.join("\n"))
}

fn read(bytes: &[u8]) -> Result<ClaimedSignature, SignatureError> {
    ClaimedSignature::from_armor(armored(SIGNATURE.0, bytes).as_bytes())
}

fn verified(
    maker: &Maker,
    certificate: &Certificate,
    signature: Signature,
) -> Result<VerifiedSignature, SignatureError> {
    let verified = read(&packet(signature))?.verify(certificate, DOCUMENT)?;
    assert_eq!(*verified.key(), maker.key());
    Ok(verified)
}

#[test]
fn a_bound_key_signs_and_nothing_else_verifies() {
    for version in [KeyVersion::V4, KeyVersion::V6] {
        let maker = Maker::new(version);
        let certificate = maker.usual();
        assert_eq!(certificate.names().collect::<Vec<_>>(), ["Alice <alice@acme.dev>"]);
        assert_eq!(*certificate.fingerprint(), maker.primary_key());
        let claimed = read(&packet(maker.signature(vec![]))).unwrap();
        assert!(claimed.verify(&certificate, DOCUMENT).is_ok(), "{version:?}");
        assert_eq!(claimed.verify(&certificate, b"another"), Err(SignatureError::Mismatch));
        assert_eq!(certificate.status(&maker.key(), at(1)), Ok(()));
        assert_eq!(certificate.status(&maker.primary_key(), at(1)), Err(Unusable::NotForSigning));
        assert_eq!(certificate.status(&maker.key(), at(-1)), Err(Unusable::NotYet));
        assert!(!certificate.ends());
        let stranger = Maker::new(if version == KeyVersion::V4 { KeyVersion::V6 } else { KeyVersion::V4 }).usual();
        assert_eq!(claimed.verify(&stranger, DOCUMENT), Err(SignatureError::Key));
    }
}

#[test]
fn every_byte_of_a_signature_counts() {
    let maker = Maker::new(KeyVersion::V6);
    let (certificate, whole) = (maker.usual(), packet(maker.signature(vec![])));
    for position in 0..whole.len() {
        for flip in [1, 0x80] {
            let mut changed = whole.clone();
            changed[position] ^= flip;
            let found = read(&changed).and_then(|claimed| claimed.verify(&certificate, DOCUMENT));
            assert!(found.is_err(), "{position}");
        }
        assert!(read(&whole[..position]).is_err());
    }
}

/// Go's libraries, and GitHub with them, write numbers in as many bits as the key could have.
#[test]
fn numbers_may_say_more_bits_than_they_have() {
    let maker = Maker::new(KeyVersion::V4);
    let signature = maker.signature(vec![]);
    let Some(SignatureBytes::Mpis(numbers)) = signature.signature() else { panic!("two numbers") };
    let written = |number: &Mpi| number.to_bytes().unwrap();
    let end: usize = numbers.iter().map(|number| written(number).len()).sum();
    let whole = signature.to_bytes().unwrap();
    let full = |number: &Mpi| [&[1, 0], &vec![0; 32 - number.len()][..], number.as_ref()].concat();
    let numbers = numbers.iter().flat_map(full);
    let body: Vec<u8> = whole[..whole.len() - end].iter().copied().chain(numbers).collect();
    let framed = [&[0xc2, u8::try_from(body.len()).unwrap()], &body[..]].concat();
    let verified = read(&framed).unwrap().verify(&maker.usual(), DOCUMENT).unwrap();
    assert_eq!(*verified.key(), maker.key());
    let longer = [&[0xc2, u8::try_from(body.len() + 1).unwrap()], &body[..], &[0]].concat();
    assert_eq!(read(&longer).unwrap_err(), SignatureError::Packet(PacketError::Encoding));
}

#[test]
fn one_signature_over_a_document_and_no_more() {
    let maker = Maker::new(KeyVersion::V4);
    let good = packet(maker.signature(vec![]));
    assert!(read(&good).is_ok());
    assert_eq!(read(&[good.clone(), good.clone()].concat()).unwrap_err(), SignatureError::NotOne);
    let name = bytes(&Packet::UserId(UserId::from_str(PacketHeaderVersion::New, "Alice").unwrap()));
    assert_eq!(read(&[good.clone(), name.clone()].concat()).unwrap_err(), SignatureError::NotOne);
    assert_eq!(read(&name).unwrap_err(), SignatureError::NotOne);
    assert_eq!(read(&[]).unwrap_err(), SignatureError::Packet(PacketError::Length));

    let of_type = |typ: SignatureType| {
        let issuer = SubpacketData::IssuerFingerprint(maker.subkey.fingerprint());
        packet(maker.config(typ, MADE, vec![issuer]).sign(&maker.subkey, &Password::empty(), DOCUMENT).unwrap())
    };
    assert_eq!(read(&of_type(SignatureType::Text)).unwrap_err(), SignatureError::Type(1));
}

#[test]
fn what_is_critical_must_be_understood() {
    let maker = Maker::new(KeyVersion::V4);
    let certificate = maker.usual();
    let notation = || SubpacketData::Notation(Notation { readable: true, name: "a@b".into(), value: "c".into() });
    let with = |subpacket: Subpacket| {
        let issuer = SubpacketData::IssuerFingerprint(maker.subkey.fingerprint());
        let mut config = maker.config(SignatureType::Binary, MADE, vec![issuer]);
        config.hashed_subpackets.push(subpacket);
        verified(&maker, &certificate, config.sign(&maker.subkey, &Password::empty(), DOCUMENT).unwrap())
    };
    assert!(with(Subpacket::regular(notation()).unwrap()).is_ok());
    assert_eq!(with(Subpacket::critical(notation()).unwrap()), Err(SignatureError::Critical(20)));
    let other = || SubpacketData::Experimental(101, "x".as_bytes().into());
    assert!(with(Subpacket::regular(other()).unwrap()).is_ok());
    assert_eq!(with(Subpacket::critical(other()).unwrap()), Err(SignatureError::Critical(101)));
    let twice = SubpacketData::SignatureCreationTime(PacketTime::from_secs(MADE + 1));
    assert_eq!(with(Subpacket::regular(twice).unwrap()), Err(SignatureError::Date));
    let another = SubpacketData::IssuerFingerprint(maker.primary.fingerprint());
    assert_eq!(with(Subpacket::regular(another).unwrap()), Err(SignatureError::Issuer));
    let another = SubpacketData::IssuerKeyId(maker.primary.legacy_key_id());
    assert_eq!(with(Subpacket::regular(another).unwrap()), Err(SignatureError::Issuer));
    let same = SubpacketData::IssuerKeyId(maker.subkey.legacy_key_id());
    assert!(with(Subpacket::regular(same).unwrap()).is_ok());
}

#[test]
fn a_key_id_names_a_key_as_well() {
    let maker = Maker::new(KeyVersion::V4);
    let id = SubpacketData::IssuerKeyId(maker.subkey.legacy_key_id());
    let config = maker.config(SignatureType::Binary, MADE, vec![id]);
    let signature = config.sign(&maker.subkey, &Password::empty(), DOCUMENT).unwrap();
    assert!(verified(&maker, &maker.usual(), signature).is_ok());
    let config = maker.config(SignatureType::Binary, MADE, vec![]);
    let nameless = config.sign(&maker.subkey, &Password::empty(), DOCUMENT).unwrap();
    assert_eq!(read(&packet(nameless)).unwrap_err(), SignatureError::Issuer);
}

#[test]
fn a_signature_says_itself_when_it_ends() {
    let maker = Maker::new(KeyVersion::V4);
    let ends = SubpacketData::SignatureExpirationTime(Duration::from_secs(DAY));
    let signature = verified(&maker, &maker.usual(), maker.signature(vec![ends])).unwrap();
    assert_eq!(signature.expires(), Some(at(1)));
    assert_eq!(verified(&maker, &maker.usual(), maker.signature(vec![])).unwrap().expires(), None);
}

/// What becomes of the key that signs, day by day.
fn days(certificate: &Certificate, key: &Fingerprint) -> Vec<Result<(), Unusable>> {
    [1, 11, 21].into_iter().map(|day| certificate.status(key, at(day))).collect()
}

#[test]
fn keys_end_when_their_certificate_says() {
    let maker = Maker::new(KeyVersion::V4);
    let sign = || vec![flags(Use::Sign), maker.back()];
    let name = maker.named(0, vec![flags(Use::Certify)]);
    let subkey_ends = maker.certificate(&[name.clone(), maker.bound(0, [sign(), vec![lasts(10)]].concat())]).unwrap();
    let expired = Err(Unusable::Expired(at(10)));
    assert_eq!(days(&subkey_ends, &maker.key()), [Ok(()), expired.clone(), expired.clone()]);
    assert!(subkey_ends.ends());

    let primary_ends =
        maker.certificate(&[maker.named(0, vec![flags(Use::Certify), lasts(10)]), maker.bound(0, sign())]).unwrap();
    assert_eq!(days(&primary_ends, &maker.key()), [Ok(()), expired.clone(), expired.clone()]);

    // The last word counts: whoever prolongs, and whoever shortens.
    let prolonged = maker.certificate(&[
        name.clone(),
        maker.bound(0, [sign(), vec![lasts(10)]].concat()),
        maker.binding(5, [sign(), vec![lasts(20)]].concat()),
    ]);
    assert_eq!(days(&prolonged.unwrap(), &maker.key()), [Ok(()), Ok(()), Err(Unusable::Expired(at(20)))]);
    let shortened = maker.certificate(&[
        name,
        maker.bound(0, [sign(), vec![lasts(20)]].concat()),
        maker.binding(5, [sign(), vec![lasts(10)]].concat()),
    ]);
    assert_eq!(days(&shortened.unwrap(), &maker.key()), [Ok(()), expired.clone(), expired]);
}

#[test]
fn revocations_take_effect_by_their_reason() {
    let maker = Maker::new(KeyVersion::V4);
    let with = |reason: RevocationCode| {
        let parts = [
            maker.revocation(10, reason),
            maker.named(0, vec![flags(Use::Certify)]),
            maker.bound(0, vec![flags(Use::Sign), maker.back()]),
        ];
        days(&maker.certificate(&parts).unwrap(), &maker.key())
    };
    let revoked = Err(Unusable::Revoked);
    assert_eq!(with(RevocationCode::KeyRetired), [Ok(()), revoked.clone(), revoked.clone()]);
    assert_eq!(with(RevocationCode::KeySuperseded), [Ok(()), revoked.clone(), revoked.clone()]);
    for hard in [RevocationCode::KeyCompromised, RevocationCode::NoReason, RevocationCode::Other(77)] {
        assert_eq!(with(hard), [revoked.clone(), revoked.clone(), revoked.clone()], "{hard:?}");
    }
}

#[test]
fn a_key_signs_only_where_both_sides_say_so() {
    let maker = Maker::new(KeyVersion::V4);
    let status = |parts: &[Vec<u8>]| maker.certificate(parts).unwrap().status(&maker.key(), at(1));
    let name = maker.named(0, vec![flags(Use::Certify)]);
    let bound = |more: Vec<SubpacketData>| status(&[name.clone(), maker.bound(0, more)]);
    assert_eq!(bound(vec![flags(Use::Sign), maker.back()]), Ok(()));
    assert_eq!(bound(vec![flags(Use::Sign)]), Err(Unusable::NoBackSignature));
    assert_eq!(bound(vec![flags(Use::Encrypt), maker.back()]), Err(Unusable::NotForSigning));
    assert_eq!(bound(vec![maker.back()]), Err(Unusable::NotForSigning));
    // A signature of the primary key in the place of one of the key itself.
    let forged = Maker { subkey: maker.subkey.clone(), primary: maker.primary.clone(), version: KeyVersion::V6 };
    let wrong = match Maker::new(KeyVersion::V4).back() {
        SubpacketData::EmbeddedSignature(_) => {
            let config = maker.config(SignatureType::KeyBinding, MADE, vec![maker.by_primary()]);
            let (own, primary) = (forged.subkey.public_key(), forged.primary.public_key());
            let back = config.sign_primary_key_binding(&forged.primary, own, &Password::empty(), primary).unwrap();
            SubpacketData::EmbeddedSignature(Box::new(back))
        }
        other => other,
    };
    assert_eq!(bound(vec![flags(Use::Sign), wrong]), Err(Unusable::NoBackSignature));
    // Neither a name nor anything else that the primary key says of itself.
    assert_eq!(status(&[maker.bound(0, vec![flags(Use::Sign), maker.back()])]), Err(Unusable::Unbound));
    // Nothing binds the other key.
    let alone = bytes(&Packet::PublicSubkey(maker.subkey.public_key().clone()));
    assert_eq!(status(&[name.clone(), alone]), Err(Unusable::Unbound));
    let primary = maker.certificate(&[maker.named(0, vec![flags(Use::Sign)])]).unwrap();
    assert_eq!(primary.status(&maker.primary_key(), at(1)), Ok(()));
    assert_eq!(primary.signers(at(1)).count(), 1);
}

#[test]
fn one_certificate_and_nothing_secret() {
    let maker = Maker::new(KeyVersion::V4);
    let name = maker.named(0, vec![flags(Use::Sign)]);
    let primary = bytes(&Packet::PublicKey(maker.primary.public_key().clone()));
    let parse = |parts: &[Vec<u8>]| Certificate::parse(armored(PUBLIC_KEY.0, &parts.concat()).as_bytes()).map(drop);
    assert_eq!(parse(&[primary.clone(), name.clone()]), Ok(()));
    assert_eq!(parse(&[primary.clone(), name.clone(), primary.clone()]), Err(CertificateError::Several));
    let secret = bytes(&Packet::SecretKey(maker.primary.clone()));
    assert_eq!(parse(&[secret, name.clone()]), Err(CertificateError::Secret));
    let secret = bytes(&Packet::SecretSubkey(maker.subkey.clone()));
    assert_eq!(parse(&[primary.clone(), name.clone(), secret]), Err(CertificateError::Secret));
    assert_eq!(parse(&[name]), Err(CertificateError::Foreign));
    assert_eq!(parse(&[]), Err(CertificateError::Packet(PacketError::Length)));
}

#[test]
fn armor_has_no_place_for_words_of_a_signer() {
    let maker = Maker::new(KeyVersion::V4);
    let bytes = packet(maker.signature(vec![]));
    let text = armored(SIGNATURE.0, &bytes);
    let read = |text: &str| ClaimedSignature::from_armor(text.as_bytes()).map(drop);
    let begin = "-----BEGIN PGP SIGNATURE-----\n";
    let armor = |error: ArmorError| Err(SignatureError::Armor(error));
    assert_eq!(read(&text), Ok(()));
    assert_eq!(read(&text.replace('\n', "\r\n")), Ok(()));
    assert_eq!(read(&text.replace(begin, &format!("{begin}Version: GnuPG v2\nComment: x\n"))), Ok(()));
    assert_eq!(read(&text.replace(begin, &format!("{begin}Reviewed-by: Alice\n"))), armor(ArmorError::Header));
    assert_eq!(read(&text.replacen("\n\n", "\n", 1)), armor(ArmorError::Header));
    assert_eq!(read(&format!("{text}Reviewed-by: Alice\n")), armor(ArmorError::After));
    assert_eq!(read(&format!("{text}{text}")), armor(ArmorError::After));
    assert_eq!(read(&text.replace("-----END", "----END")), armor(ArmorError::End(SIGNATURE.0)));
    assert_eq!(read(&format!("x{text}")), armor(ArmorError::Begin(SIGNATURE.0)));
    let sum = |sum: &str| text.replace("-----END", &format!("={sum}\n-----END"));
    let crc = Base64::encode_string(&armor::crc24(&bytes));
    assert_eq!(read(&sum(&crc)), Ok(()));
    assert_eq!(read(&sum("AAAA")), armor(ArmorError::Checksum));
}

#[test]
fn fingerprints_are_read_as_programs_print_them() {
    let maker = Maker::new(KeyVersion::V4);
    let text = maker.key().to_string();
    let grouped: Vec<String> =
        text.as_bytes().chunks(4).map(|four| String::from_utf8_lossy(four).into_owned()).collect();
    assert_eq!(Fingerprint::parse(&text), Some(maker.key()));
    assert_eq!(Fingerprint::parse(&text.to_lowercase()), Some(maker.key()));
    assert_eq!(Fingerprint::parse(&grouped.join(" ")), Some(maker.key()));
    assert_eq!(Fingerprint::parse(&text[1..]), None);
    assert_eq!(Fingerprint::parse(&text.replacen(|_: char| true, "G", 1)), None);
}
