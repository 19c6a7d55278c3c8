//! The record of an order: its statement in the envelope of all records, and the signature over it.

use super::statement::Order;
use crate::core::digest::Digest;
use crate::core::dsse::{self, ClaimedStatement, RecordError};
use crate::core::limits;
use crate::core::ssh::{PublicKey, VerifiedSignature};

/// The SSHSIG namespace of orders.
pub const NAMESPACE: &str = "countersign-order-v1";

/// Why bytes are not an order.
pub type OrderError = RecordError;

/// Writes a record from a statement and the SSHSIG blob over [`dsse::pre_authentication`] of it.
///
/// # Errors
/// [`OrderError`] where the blob is no signature, or the record would be too large.
pub fn seal_envelope(statement: &str, signature: &[u8]) -> Result<String, OrderError> {
    dsse::seal_envelope(statement, signature, limits::ORDER_BYTES)
}

/// A record that has the right form. Its signature is not verified.
#[derive(Clone, Debug)]
pub struct ClaimedOrder {
    order: Order,
    envelope: ClaimedStatement,
}

impl ClaimedOrder {
    /// Parses a record.
    ///
    /// # Errors
    /// [`OrderError`] for anything but a record in its one encoding.
    pub fn parse(json: &[u8]) -> Result<Self, OrderError> {
        let envelope = ClaimedStatement::parse(json, limits::ORDER_BYTES)?;
        Ok(Self { order: Order::from_statement(envelope.statement())?, envelope })
    }

    /// What it says.
    pub fn order(&self) -> &Order {
        &self.order
    }

    /// The key that it claims to be signed with.
    pub fn key(&self) -> &PublicKey {
        self.envelope.key()
    }

    /// Verifies its signature. It proves that the key's holder signed exactly this, not who that is.
    ///
    /// # Errors
    /// [`RecordError::Signature`].
    pub fn verify(self) -> Result<VerifiedOrder, OrderError> {
        let (signature, digest) = self.envelope.verify(NAMESPACE)?;
        Ok(VerifiedOrder { order: self.order, signature, digest })
    }
}

/// A record whose signature holds. Only [`ClaimedOrder::verify`] makes one.
#[derive(Clone, Debug)]
pub struct VerifiedOrder {
    order: Order,
    signature: VerifiedSignature,
    digest: Digest,
}

impl VerifiedOrder {
    /// What was signed.
    pub fn order(&self) -> &Order {
        &self.order
    }

    /// The signature, with the key and what a token said.
    pub fn signature(&self) -> &VerifiedSignature {
        &self.signature
    }

    /// The digest of the statement, by which an order is known.
    pub fn digest(&self) -> Digest {
        self.digest
    }
}
