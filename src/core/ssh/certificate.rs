//! OpenSSH user certificates (PROTOCOL.certkeys): decoded strictly, one error for each field, and verified with the key that issued them.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use base64ct::{Base64, Encoding as _};
use thiserror::Error;

use super::key::{Algorithm, KeyError, PublicKey};
use super::private::PrivateKey;
use super::sshsig::{SignatureError, label_fits};
use super::verify::{Presence, verify_inner};
use super::wire::{WireReader, put_string};
use crate::core::digest::Digest;
use crate::core::limits;

/// What ends the type's name of every certificate.
pub(super) const CERTIFIED: &str = "-cert-v01@openssh.com";

/// What a certificate of a user says in its type field (`SSH2_CERT_TYPE_USER`).
const USER: u32 = 1;

/// Bytes of the nonce: OpenSSH writes 32, and asks 16 at least of others.
const NONCE: std::ops::RangeInclusive<usize> = 16..=64;

/// Principals, options or extensions of one certificate. OpenSSH takes 256 principals (`SSHKEY_CERT_MAX_PRINCIPALS`).
const LISTED: usize = 256;

/// Certificates remembered by each thread.
const RECENT_CERTIFICATES: usize = 16;

thread_local! {
    /// Certificates verified last: the commits of a push bear few, each as often as it signed. The same bytes always verify the same
    /// way, so nothing but time depends on this.
    static RECENT: RefCell<Vec<VerifiedCertificate>> = const { RefCell::new(Vec::new()) };
}

/// Why bytes or a line are not a certificate that is accepted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CertificateError {
    /// The line is not `type base64 comment`.
    #[error("it is not a certificate line: `type base64 comment`")]
    Line,
    /// It is over [`limits::SIGNATURE_BYTES`].
    #[error("the certificate is longer than {} bytes", limits::SIGNATURE_BYTES)]
    TooLarge,
    /// It is of a key that is not accepted in certificates, or no certificate.
    #[error("the certificate type {0:?} is not supported; certify an ssh-ed25519, ecdsa or sk- key")]
    Type(String),
    /// It ends early, or a field is longer than what is left.
    #[error("the certificate ends in the middle of a field")]
    Cut,
    /// The nonce is too short or too long.
    #[error("its nonce is not of 16 to 64 bytes")]
    Nonce,
    /// The certified key is not accepted.
    #[error("its key is not accepted: {0}")]
    Key(KeyError),
    /// It is for a host, or for nothing that is known.
    #[error("it is of type {0}, and only user certificates (1) are accepted")]
    NotUser(u32),
    /// The key id is not plain text.
    #[error("its key id is not plain text")]
    KeyId,
    /// The list of principals is not exact.
    #[error("its list of principals is not canonical")]
    Principals,
    /// It ends before it begins.
    #[error("it ends before it begins to be valid")]
    Window,
    /// The list of critical options is not exact, sorted and without repetitions.
    #[error("its list of critical options is not canonical")]
    CriticalOptions,
    /// The list of extensions is not exact, sorted and without repetitions.
    #[error("its list of extensions is not canonical")]
    Extensions,
    /// The reserved field is not empty.
    #[error("its reserved field is not empty")]
    Reserved,
    /// The key that issued it is not accepted.
    #[error("the key that issued it is not accepted: {0}")]
    Issuer(KeyError),
    /// Bytes follow its signature.
    #[error("something follows its signature")]
    After,
    /// It was not issued by the key that it names, or not in the one encoding.
    #[error("it was not issued by the key that it names: {0}")]
    Signature(Box<SignatureError>),
}

/// A critical option or an extension: its name, and its data.
pub(super) type CertificateOption = (String, Vec<u8>);

/// What a certificate says.
#[derive(Debug)]
struct Fields {
    blob: Vec<u8>,
    digest: Digest,
    key: PublicKey,
    serial: u64,
    key_id: String,
    principals: Vec<String>,
    valid_after: u64,
    valid_before: u64,
    critical_options: Vec<CertificateOption>,
    extensions: Vec<CertificateOption>,
    issuer: PublicKey,
    /// Bytes before the signature, which it is over.
    signed: usize,
    /// Of the signature.
    label: Vec<u8>,
    /// What follows the label in the signature.
    rest: Vec<u8>,
}

/// A decoded certificate: what it says, none of it verified.
#[derive(Clone, Debug)]
pub struct ClaimedCertificate(Arc<Fields>);

/// A certificate that its issuer signed. There is no other way to make one. Who may issue, a policy says.
#[derive(Clone, Debug)]
pub struct VerifiedCertificate {
    fields: Arc<Fields>,
    presence: Option<Presence>,
}

impl ClaimedCertificate {
    /// Decodes a line of a `-cert.pub` file. Returns the certificate and its comment.
    ///
    /// # Errors
    /// [`CertificateError`] for anything but one user certificate in its one encoding.
    pub fn parse_line(line: &str) -> Result<(Self, String), CertificateError> {
        if line.len() > limits::SIGNATURE_BYTES * 2 {
            return Err(CertificateError::TooLarge);
        }
        let line = line.strip_suffix('\n').unwrap_or(line);
        if line.chars().any(char::is_control) {
            return Err(CertificateError::Line);
        }
        let mut words = line.trim().splitn(3, ' ');
        let (Some(name), Some(base64)) = (words.next(), words.next()) else { return Err(CertificateError::Line) };
        let blob = Base64::decode_vec(base64).map_err(|_| CertificateError::Line)?;
        if WireReader(&blob).string() != Some(name.as_bytes()) {
            return Err(CertificateError::Line);
        }
        Ok((Self::from_blob(&blob)?, words.next().unwrap_or_default().trim().to_owned()))
    }

    /// Decodes the wire encoding.
    ///
    /// # Errors
    /// As [`ClaimedCertificate::parse_line`].
    pub fn from_blob(blob: &[u8]) -> Result<Self, CertificateError> {
        match recent(blob) {
            Some(known) => Ok(Self(known.fields)),
            None => decode(blob).map(|fields| Self(Arc::new(fields))),
        }
    }

    /// The certified key.
    pub fn key(&self) -> &PublicKey {
        &self.0.key
    }

    /// Whom it says to be for: the agent, or what its issuer calls it.
    pub fn key_id(&self) -> &str {
        &self.0.key_id
    }

    /// Verifies the signature of the key that it names as its issuer.
    ///
    /// # Errors
    /// [`CertificateError::Signature`].
    pub fn verify(&self) -> Result<VerifiedCertificate, CertificateError> {
        let fields = &self.0;
        if let Some(known) = recent(&fields.blob) {
            return Ok(known);
        }
        let wrong = |error| CertificateError::Signature(Box::new(error));
        let signed = fields.blob.get(..fields.signed).ok_or(CertificateError::Cut)?;
        let presence = verify_inner(&fields.issuer, &fields.label, &fields.rest, signed).map_err(wrong)?;
        let verified = VerifiedCertificate { fields: Arc::clone(fields), presence };
        RECENT.with_borrow_mut(|recent| {
            if recent.len() >= RECENT_CERTIFICATES {
                recent.clear();
            }
            recent.push(verified.clone());
        });
        Ok(verified)
    }
}

fn recent(blob: &[u8]) -> Option<VerifiedCertificate> {
    RECENT.with_borrow(|recent| recent.iter().find(|known| known.fields.blob == blob).cloned())
}

impl VerifiedCertificate {
    /// The exact wire encoding.
    pub fn blob(&self) -> &[u8] {
        &self.fields.blob
    }

    /// The digest of the wire encoding, by which a certificate is known exactly.
    pub fn digest(&self) -> Digest {
        self.fields.digest
    }

    /// The certified key.
    pub fn key(&self) -> &PublicKey {
        &self.fields.key
    }

    /// The number that its issuer gave it.
    pub fn serial(&self) -> u64 {
        self.fields.serial
    }

    /// What its issuer calls it.
    pub fn key_id(&self) -> &str {
        &self.fields.key_id
    }

    /// The names that it is for. None at all is what sshd takes for all names.
    pub fn principals(&self) -> &[String] {
        &self.fields.principals
    }

    /// The first second, since 1970 in UTC, in which it is valid.
    pub fn valid_after(&self) -> u64 {
        self.fields.valid_after
    }

    /// The first second in which it is not valid any more; `u64::MAX` for one that never ends.
    pub fn valid_before(&self) -> u64 {
        self.fields.valid_before
    }

    /// Names and data of what whoever relies on it must understand, sorted by name.
    pub fn critical_options(&self) -> &[CertificateOption] {
        &self.fields.critical_options
    }

    /// The data of an extension.
    pub fn extension(&self, name: &str) -> Option<&[u8]> {
        self.fields.extensions.iter().find(|(own, _)| own == name).map(|(_, data)| data.as_slice())
    }

    /// Names and data of the extensions, sorted by name.
    pub fn extensions(&self) -> &[CertificateOption] {
        &self.fields.extensions
    }

    /// The key that issued it.
    pub fn issuer(&self) -> &PublicKey {
        &self.fields.issuer
    }

    /// What the issuer's FIDO token said as it signed; `None` for other keys.
    pub fn presence(&self) -> Option<Presence> {
        self.presence
    }

    /// The certificate as a line of a `-cert.pub` file, without a comment.
    pub fn to_line(&self) -> String {
        let name = WireReader(self.blob()).string().unwrap_or_default();
        format!("{} {}", String::from_utf8_lossy(name), Base64::encode_string(self.blob()))
    }
}

impl PartialEq for VerifiedCertificate {
    fn eq(&self, other: &Self) -> bool {
        self.blob() == other.blob()
    }
}

impl Eq for VerifiedCertificate {}

/// What `ssh-keygen -O extension:NAME=TEXT` writes as the data of an extension: one string, and nothing after it.
pub fn single_string(data: &[u8]) -> Option<&[u8]> {
    let mut reader = WireReader(data);
    let text = reader.string()?;
    reader.end()?;
    Some(text)
}

fn decode(blob: &[u8]) -> Result<Fields, CertificateError> {
    use CertificateError as E;
    if blob.len() > limits::SIGNATURE_BYTES {
        return Err(E::TooLarge);
    }
    let mut reader = WireReader(blob);
    let name = reader.string().ok_or(E::Cut)?;
    let algorithm = certified_algorithm(name).ok_or_else(|| E::Type(shown(name)))?;
    let nonce = reader.string().ok_or(E::Cut)?;
    if !NONCE.contains(&nonce.len()) {
        return Err(E::Nonce);
    }
    let key = certified_key(algorithm, &mut reader)?;
    let serial = reader.uint64().ok_or(E::Cut)?;
    match reader.uint32().ok_or(E::Cut)? {
        USER => {}
        other => return Err(E::NotUser(other)),
    }
    let key_id = text(reader.string().ok_or(E::Cut)?).ok_or(E::KeyId)?;
    let principals = principals(reader.string().ok_or(E::Cut)?).ok_or(E::Principals)?;
    let (valid_after, valid_before) = (reader.uint64().ok_or(E::Cut)?, reader.uint64().ok_or(E::Cut)?);
    if valid_after >= valid_before {
        return Err(E::Window);
    }
    let critical_options = options(reader.string().ok_or(E::Cut)?).ok_or(E::CriticalOptions)?;
    let extensions = options(reader.string().ok_or(E::Cut)?).ok_or(E::Extensions)?;
    if !reader.string().ok_or(E::Cut)?.is_empty() {
        return Err(E::Reserved);
    }
    let issuer = PublicKey::from_blob(reader.string().ok_or(E::Cut)?).map_err(E::Issuer)?;
    let signed = blob.len().saturating_sub(reader.0.len());
    let signature = reader.string().ok_or(E::Cut)?;
    reader.end().ok_or(E::After)?;
    let wrong = |error| E::Signature(Box::new(error));
    let mut signature = WireReader(signature);
    let label = signature.string().ok_or_else(|| wrong(SignatureError::Encoding))?;
    if !label_fits(&issuer, label) {
        return Err(wrong(SignatureError::Label));
    }
    Ok(Fields {
        blob: blob.to_vec(),
        digest: Digest::of(blob),
        key,
        serial,
        key_id,
        principals,
        valid_after,
        valid_before,
        critical_options,
        extensions,
        issuer,
        signed,
        label: label.to_vec(),
        rest: signature.0.to_vec(),
    })
}

/// The kind of key that a certificate of this type is over: RSA is accepted of issuers only, as a fresh key need not be so long.
fn certified_algorithm(name: &[u8]) -> Option<Algorithm> {
    let name = std::str::from_utf8(name).ok()?.strip_suffix(CERTIFIED)?;
    let accepted = |algorithm: &Algorithm| *algorithm != Algorithm::Rsa;
    let bare = |algorithm: &Algorithm| algorithm.name().trim_end_matches("@openssh.com") == name;
    Algorithm::ALL.into_iter().filter(accepted).find(bare)
}

/// The fields of the certified key, which stand in a certificate as they do in a key.
fn certified_key(algorithm: Algorithm, reader: &mut WireReader<'_>) -> Result<PublicKey, CertificateError> {
    let fields = match algorithm {
        Algorithm::Ed25519 => 1,
        Algorithm::EcdsaP256 | Algorithm::EcdsaP384 | Algorithm::EcdsaP521 | Algorithm::SkEd25519 | Algorithm::Rsa => 2,
        Algorithm::SkEcdsaP256 => 3,
    };
    let mut bare = Vec::new();
    put_string(&mut bare, algorithm.name().as_bytes());
    for _ in 0..fields {
        put_string(&mut bare, reader.string().ok_or(CertificateError::Cut)?);
    }
    PublicKey::from_blob(&bare).map_err(CertificateError::Key)
}

/// Text that can be shown: UTF-8 without control characters.
fn text(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    (!text.chars().any(char::is_control)).then(|| text.to_owned())
}

fn principals(bytes: &[u8]) -> Option<Vec<String>> {
    let mut reader = WireReader(bytes);
    let mut principals: Vec<String> = Vec::new();
    while !reader.0.is_empty() {
        let name = text(reader.string()?).filter(|name| !name.is_empty() && !principals.contains(name))?;
        (principals.len() < LISTED).then_some(())?;
        principals.push(name);
    }
    Some(principals)
}

/// Names in ascending order, each once, with their data.
fn options(bytes: &[u8]) -> Option<Vec<CertificateOption>> {
    let mut reader = WireReader(bytes);
    let mut options: Vec<CertificateOption> = Vec::new();
    while !reader.0.is_empty() {
        let name = text(reader.string()?).filter(|name| !name.is_empty())?;
        let ascends = options.last().is_none_or(|(before, _)| *before < name);
        (ascends && options.len() < LISTED).then_some(())?;
        options.push((name, reader.string()?.to_vec()));
    }
    Some(options)
}

fn shown(name: &[u8]) -> String {
    name.escape_ascii().to_string().chars().take(64).collect()
}

/// What a new certificate says, for an issuer to sign.
#[derive(Clone, Debug)]
pub struct NewCertificate<'a> {
    /// Bytes drawn from the operating system's generator.
    pub nonce: &'a [u8; 32],
    /// The key to certify.
    pub key: &'a PublicKey,
    /// Its number.
    pub serial: u64,
    /// Whom it is for.
    pub key_id: &'a str,
    /// The names that it is for.
    pub principals: &'a [String],
    /// The first second in which it is valid, and the first in which it is not any more.
    pub window: (u64, u64),
    /// Extensions with their text, where they have any, sorted by name.
    pub extensions: &'a [(&'a str, Option<&'a str>)],
    /// The key that issues it.
    pub issuer: &'a PublicKey,
}

impl NewCertificate<'_> {
    /// The bytes that the issuer signs; [`certificate_with`] appends the signature. `None` for a kind of key that no certificate is
    /// made of.
    pub fn to_signed_bytes(&self) -> Option<Vec<u8>> {
        let bare = self.key.algorithm();
        (bare != Algorithm::Rsa).then_some(())?;
        let name = format!("{}{CERTIFIED}", bare.name().trim_end_matches("@openssh.com"));
        let mut key = WireReader(self.key.blob());
        key.string()?;
        let mut out = Vec::new();
        put_string(&mut out, name.as_bytes());
        put_string(&mut out, self.nonce);
        out.extend_from_slice(key.0);
        out.extend_from_slice(&self.serial.to_be_bytes());
        out.extend_from_slice(&USER.to_be_bytes());
        put_string(&mut out, self.key_id.as_bytes());
        let mut principals = Vec::new();
        self.principals.iter().for_each(|name| put_string(&mut principals, name.as_bytes()));
        put_string(&mut out, &principals);
        out.extend_from_slice(&self.window.0.to_be_bytes());
        out.extend_from_slice(&self.window.1.to_be_bytes());
        put_string(&mut out, b"");
        let mut extensions = Vec::new();
        for (name, text) in self.extensions {
            let mut data = Vec::new();
            text.iter().for_each(|text| put_string(&mut data, text.as_bytes()));
            put_string(&mut extensions, name.as_bytes());
            put_string(&mut extensions, &data);
        }
        put_string(&mut out, &extensions);
        put_string(&mut out, b"");
        put_string(&mut out, self.issuer.blob());
        Some(out)
    }
}

impl PrivateKey {
    /// Issues a certificate. `None` where another key is named as its issuer, or the key to certify is of a kind of which none is made.
    pub fn certify(&self, new: &NewCertificate<'_>) -> Option<Vec<u8>> {
        (new.issuer == self.public()).then_some(())?;
        let signed = new.to_signed_bytes()?;
        let (_, raw) = self.sign_bytes(&signed);
        let mut signature = Vec::new();
        put_string(&mut signature, Algorithm::Ed25519.name().as_bytes());
        put_string(&mut signature, &raw);
        Some(certificate_with(signed, &signature))
    }

    /// Signs as [`PrivateKey::sign`] does, with a certificate in the place of the key, as `ssh-keygen -Y sign -f KEY-cert.pub` does.
    pub fn sign_certified(&self, certificate: &VerifiedCertificate, namespace: &str, message: &[u8]) -> Vec<u8> {
        self.sign_under(certificate.blob(), namespace, message)
    }
}

/// A certificate of the bytes that were signed and the issuer's signature over them: its label, and what follows.
pub fn certificate_with(mut signed: Vec<u8>, signature: &[u8]) -> Vec<u8> {
    put_string(&mut signed, signature);
    signed
}

impl fmt::Display for VerifiedCertificate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "certificate {:?} serial {}", self.key_id(), self.serial())
    }
}

#[cfg(test)]
mod tests;
