//! The DSSE envelope around a statement, and the signature over it.

use base64ct::{Base64, Encoding as _};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::statement::Approval;
use crate::core::digest::Digest;
use crate::core::limits;
use crate::core::ssh::{ClaimedSignature, PublicKey, SignatureError, VerifiedSignature};

/// The SSHSIG namespace of approvals.
pub const NAMESPACE: &str = "countersign-approval-v1";

/// The media type of in-toto statements.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// Why bytes are not an approval.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ApprovalError {
    /// It is over [`limits::APPROVAL_BYTES`] or [`limits::APPROVED_COMMITS`].
    #[error("it is larger than {} bytes or has more than {} commits", limits::APPROVAL_BYTES, limits::APPROVED_COMMITS)]
    TooLarge,
    /// The object is no blob.
    #[error("it is a {0} and no blob")]
    Object(&'static str),
    /// It is not the JSON that it should be.
    #[error("{0}")]
    Json(String),
    /// It says another type.
    #[error("its type {0:?} is another")]
    Type(String),
    /// Its subject is not its head commit.
    #[error("its subject is not its head commit, and that alone")]
    Subject,
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

/// What is signed: the pre-authentication encoding of DSSE v1.0.2 (protocol.md, "PAE").
pub fn pre_authentication(statement: &[u8]) -> Vec<u8> {
    let mut bytes = format!("DSSEv1 {} {PAYLOAD_TYPE} {} ", PAYLOAD_TYPE.len(), statement.len()).into_bytes();
    bytes.extend_from_slice(statement);
    bytes
}

/// Writes a record from a statement and the SSHSIG blob over [`pre_authentication`] of it.
///
/// # Errors
/// [`ApprovalError`] where the blob is no signature, or the record would be too large.
pub fn seal_envelope(statement: &str, signature: &[u8]) -> Result<String, ApprovalError> {
    let key = ClaimedSignature::from_blob(signature)?;
    let envelope = Envelope {
        payload: Base64::encode_string(statement.as_bytes()),
        payload_type: PAYLOAD_TYPE.to_owned(),
        signatures: vec![Signature {
            keyid: key.key().fingerprint().to_string(),
            sig: Base64::encode_string(signature),
        }],
    };
    let json = serde_json::to_string(&envelope).map_err(|error| ApprovalError::Json(error.to_string()))?;
    if json.len() > limits::APPROVAL_BYTES { Err(ApprovalError::TooLarge) } else { Ok(json) }
}

/// A record that has the right form. Its signature is not verified.
#[derive(Clone, Debug)]
pub struct ClaimedApproval {
    approval: Approval,
    statement: Vec<u8>,
    signature: ClaimedSignature,
}

impl ClaimedApproval {
    /// Parses a record.
    ///
    /// # Errors
    /// [`ApprovalError`] for anything but a record in its one encoding.
    pub fn parse(json: &[u8]) -> Result<Self, ApprovalError> {
        if json.len() > limits::APPROVAL_BYTES {
            return Err(ApprovalError::TooLarge);
        }
        let envelope: Envelope =
            serde_json::from_slice(json).map_err(|error| ApprovalError::Json(error.to_string()))?;
        if envelope.payload_type != PAYLOAD_TYPE {
            return Err(ApprovalError::Type(envelope.payload_type));
        }
        let [signature] = envelope.signatures.as_slice() else {
            return Err(ApprovalError::Signatures(envelope.signatures.len()));
        };
        let base64 = |text: &str| Base64::decode_vec(text).map_err(|_| ApprovalError::NotCanonical);
        let (statement, blob) = (base64(&envelope.payload)?, base64(&signature.sig)?);
        let claimed = ClaimedSignature::from_blob(&blob)?;
        if claimed.key().fingerprint().to_string() != signature.keyid {
            return Err(ApprovalError::KeyId);
        }
        let again = serde_json::to_string(&envelope).map_err(|error| ApprovalError::Json(error.to_string()))?;
        if again.as_bytes() != json {
            return Err(ApprovalError::NotCanonical);
        }
        Ok(Self { approval: Approval::from_statement(&statement)?, statement, signature: claimed })
    }

    /// What it says.
    pub fn approval(&self) -> &Approval {
        &self.approval
    }

    /// The key that it claims to be signed with.
    pub fn key(&self) -> &PublicKey {
        self.signature.key()
    }

    /// Verifies its signature. It proves that the key's holder signed exactly this, not who that is.
    ///
    /// # Errors
    /// [`ApprovalError::Signature`].
    pub fn verify(self) -> Result<VerifiedApproval, ApprovalError> {
        let signature = self.signature.verify(NAMESPACE, &pre_authentication(&self.statement))?;
        Ok(VerifiedApproval { digest: Digest::of(&self.statement), approval: self.approval, signature })
    }
}

/// A record whose signature holds. Only [`ClaimedApproval::verify`] makes one.
#[derive(Clone, Debug)]
pub struct VerifiedApproval {
    approval: Approval,
    signature: VerifiedSignature,
    digest: Digest,
}

impl VerifiedApproval {
    /// What was signed.
    pub fn approval(&self) -> &Approval {
        &self.approval
    }

    /// The signature, with the key and what a token said.
    pub fn signature(&self) -> &VerifiedSignature {
        &self.signature
    }

    /// The digest of the statement, by which an approval is known to be spent. Unlike the signature's, nobody can make a
    /// second one for the same statement.
    pub fn digest(&self) -> Digest {
        self.digest
    }
}
