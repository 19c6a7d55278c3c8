//! The DSSE envelope around a statement, and the signature over it.

use super::statement::Approval;
use crate::core::digest::Digest;
use crate::core::dsse::{self, ClaimedStatement, RecordError};
use crate::core::limits;
use crate::core::ssh::{PublicKey, VerifiedSignature};

/// The SSHSIG namespace of approvals.
pub const NAMESPACE: &str = "countersign-approval-v1";

/// Why bytes are not an approval.
pub type ApprovalError = RecordError;

/// Writes a record from a statement and the SSHSIG blob over [`dsse::pre_authentication`] of it.
///
/// # Errors
/// [`ApprovalError`] where the blob is no signature, or the record would be too large.
pub fn seal_envelope(statement: &str, signature: &[u8]) -> Result<String, ApprovalError> {
    dsse::seal_envelope(statement, signature, limits::APPROVAL_BYTES)
}

/// A record that has the right form. Its signature is not verified.
#[derive(Clone, Debug)]
pub struct ClaimedApproval {
    approval: Approval,
    envelope: ClaimedStatement,
}

impl ClaimedApproval {
    /// Parses a record.
    ///
    /// # Errors
    /// [`ApprovalError`] for anything but a record in its one encoding.
    pub fn parse(json: &[u8]) -> Result<Self, ApprovalError> {
        let envelope = ClaimedStatement::parse(json, limits::APPROVAL_BYTES)?;
        Ok(Self { approval: Approval::from_statement(envelope.statement())?, envelope })
    }

    /// What it says.
    pub fn approval(&self) -> &Approval {
        &self.approval
    }

    /// The key that it claims to be signed with.
    pub fn key(&self) -> &PublicKey {
        self.envelope.key()
    }

    /// Verifies its signature. It proves that the key's holder signed exactly this, not who that is.
    ///
    /// # Errors
    /// [`RecordError::Signature`].
    pub fn verify(self) -> Result<VerifiedApproval, ApprovalError> {
        let (signature, digest) = self.envelope.verify(NAMESPACE)?;
        Ok(VerifiedApproval { approval: self.approval, signature, digest })
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
