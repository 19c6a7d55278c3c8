//! What records that people sign have in common: an in-toto Statement v1 in its one encoding, in a DSSE envelope with one SSHSIG
//! signature. Approvals and orders are such records; each says what its predicate is and in which namespace it is signed.

use base64ct::{Base64, Encoding as _};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::core::digest::Digest;
use crate::core::ssh::{ClaimedSignature, PublicKey, SignatureError, VerifiedSignature};

/// The type of an in-toto Statement (in-toto Attestation Framework, spec v1).
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";

/// The media type of in-toto statements.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// Why bytes are not a record.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RecordError {
    /// It is over the ceiling of its kind.
    #[error("it is larger than {0} bytes")]
    TooLarge(usize),
    /// It is about more than one record may be.
    #[error("it is about more than {0} commits")]
    TooMany(usize),
    /// The object is no blob.
    #[error("it is a {0} and no blob")]
    Object(&'static str),
    /// It is not the JSON that it should be.
    #[error("{0}")]
    Json(String),
    /// It says another type.
    #[error("its type {0:?} is another")]
    Type(String),
    /// Its subject is not what its predicate is about.
    #[error("its subject is not {0}, and that alone")]
    Subject(&'static str),
    /// A value is not one that a record may hold.
    #[error("its value of `{0}` is not valid")]
    Value(&'static str),
    /// The same record would be written differently.
    #[error("it is not in its one encoding")]
    NotCanonical,
    /// There is not exactly one signature.
    #[error("it has {0} signatures and not one")]
    Signatures(usize),
    /// The key's fingerprint that it says is another than that of the key that signed.
    #[error("its keyid is not the fingerprint of the key that signed")]
    KeyId,
    /// The signature does not verify.
    #[error("its signature does not count: {0}")]
    Signature(#[from] SignatureError),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    payload: String,
    #[serde(rename = "payloadType")]
    payload_type: String,
    signatures: Vec<Signature>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signature {
    keyid: String,
    sig: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Statement<S, P> {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<S>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    predicate: P,
}

fn json_error(error: &serde_json::Error) -> RecordError {
    RecordError::Json(error.to_string())
}

/// Writes a statement with one subject.
///
/// # Errors
/// [`RecordError::Json`], which none of our types can cause.
pub fn write_statement<S: Serialize, P: Serialize>(
    predicate_type: &str,
    subject: S,
    predicate: P,
) -> Result<String, RecordError> {
    let (kind, predicate_type) = (STATEMENT_TYPE.to_owned(), predicate_type.to_owned());
    let statement = Statement { kind, subject: vec![subject], predicate_type, predicate };
    serde_json::to_string(&statement).map_err(|error| json_error(&error))
}

/// Reads a statement: its subjects and its predicate. That it is in its one encoding is for the caller to see, by writing it again.
///
/// # Errors
/// [`RecordError`] for anything but a statement with this type of predicate.
pub fn read_statement<S: DeserializeOwned, P: DeserializeOwned>(
    json: &[u8],
    predicate_type: &str,
) -> Result<(Vec<S>, P), RecordError> {
    let statement: Statement<S, P> = serde_json::from_slice(json).map_err(|error| json_error(&error))?;
    let Statement { kind, subject, predicate_type: said, predicate } = statement;
    if kind != STATEMENT_TYPE {
        return Err(RecordError::Type(kind));
    }
    if said != predicate_type {
        return Err(RecordError::Type(said));
    }
    Ok((subject, predicate))
}

/// What is signed: the pre-authentication encoding of DSSE v1.0.2 (protocol.md, "PAE").
pub fn pre_authentication(statement: &[u8]) -> Vec<u8> {
    let mut bytes = format!("DSSEv1 {} {PAYLOAD_TYPE} {} ", PAYLOAD_TYPE.len(), statement.len()).into_bytes();
    bytes.extend_from_slice(statement);
    bytes
}

/// Writes a record of at most `most` bytes from a statement and the SSHSIG blob over [`pre_authentication`] of it.
///
/// # Errors
/// [`RecordError`] where the blob is no signature, or the record would be too large.
pub fn seal_envelope(statement: &str, signature: &[u8], most: usize) -> Result<String, RecordError> {
    let key = ClaimedSignature::from_blob(signature)?;
    let envelope = Envelope {
        payload: Base64::encode_string(statement.as_bytes()),
        payload_type: PAYLOAD_TYPE.to_owned(),
        signatures: vec![Signature {
            keyid: key.key().fingerprint().to_string(),
            sig: Base64::encode_string(signature),
        }],
    };
    let json = serde_json::to_string(&envelope).map_err(|error| json_error(&error))?;
    if json.len() > most { Err(RecordError::TooLarge(most)) } else { Ok(json) }
}

/// A statement in an envelope that has the right form. Its signature is not verified.
#[derive(Clone, Debug)]
pub struct ClaimedStatement {
    statement: Vec<u8>,
    signature: ClaimedSignature,
}

impl ClaimedStatement {
    /// Parses an envelope of at most `most` bytes.
    ///
    /// # Errors
    /// [`RecordError`] for anything but an envelope in its one encoding.
    pub fn parse(json: &[u8], most: usize) -> Result<Self, RecordError> {
        if json.len() > most {
            return Err(RecordError::TooLarge(most));
        }
        let envelope: Envelope = serde_json::from_slice(json).map_err(|error| json_error(&error))?;
        if envelope.payload_type != PAYLOAD_TYPE {
            return Err(RecordError::Type(envelope.payload_type));
        }
        let [signature] = envelope.signatures.as_slice() else {
            return Err(RecordError::Signatures(envelope.signatures.len()));
        };
        let base64 = |text: &str| Base64::decode_vec(text).map_err(|_| RecordError::NotCanonical);
        let (statement, blob) = (base64(&envelope.payload)?, base64(&signature.sig)?);
        let claimed = ClaimedSignature::from_blob(&blob)?;
        if claimed.key().fingerprint().to_string() != signature.keyid {
            return Err(RecordError::KeyId);
        }
        let again = serde_json::to_string(&envelope).map_err(|error| json_error(&error))?;
        if again.as_bytes() != json {
            return Err(RecordError::NotCanonical);
        }
        Ok(Self { statement, signature: claimed })
    }

    /// The statement's bytes.
    pub fn statement(&self) -> &[u8] {
        &self.statement
    }

    /// The key that it claims to be signed with.
    pub fn key(&self) -> &PublicKey {
        self.signature.key()
    }

    /// Verifies its signature. Returns that with the digest of the statement, by which a record is known: nobody can make a second one for
    /// the same statement, as they can of a signature.
    ///
    /// # Errors
    /// [`RecordError::Signature`].
    pub fn verify(self, namespace: &str) -> Result<(VerifiedSignature, Digest), RecordError> {
        let signature = self.signature.verify(namespace, &pre_authentication(&self.statement))?;
        Ok((signature, Digest::of(&self.statement)))
    }
}
