//! Packets one after another (RFC 9580, 4.2), each of a length that it says at once, and each written in one way only.

use pgp::packet::{PacketHeader, Signature};
use pgp::ser::Serialize;
use pgp::types::{PacketLength, SignatureBytes, Tag};
use thiserror::Error;

/// Why bytes are not packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PacketError {
    /// There is less than a header says, or a header says no length.
    #[error("a packet is cut short, or of no fixed length")]
    Length,
    /// It has no reading.
    #[error("a packet cannot be read")]
    Malformed,
    /// Written out again it is other bytes.
    #[error("a packet is not written as it would be written again")]
    Encoding,
}

/// One packet: its header and what it holds.
pub(super) struct RawPacket<'a> {
    pub(super) header: PacketHeader,
    pub(super) body: &'a [u8],
}

impl<'a> RawPacket<'a> {
    /// Takes the first packet off `bytes`.
    pub(super) fn split(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), PacketError> {
        let mut rest = bytes;
        let header = PacketHeader::try_from_reader(&mut rest).map_err(|_| PacketError::Length)?;
        let PacketLength::Fixed(length) = header.packet_length() else { return Err(PacketError::Length) };
        let length = usize::try_from(length).map_err(|_| PacketError::Length)?;
        let (body, rest) = rest.split_at_checked(length).ok_or(PacketError::Length)?;
        Ok((Self { header, body }, rest))
    }

    pub(super) fn tag(&self) -> Tag {
        self.header.tag()
    }

    /// Reads what it holds, all of it, in the one form in which it is written.
    pub(super) fn read<T: Serialize>(
        &self,
        read: impl FnOnce(PacketHeader, &mut &[u8]) -> pgp::errors::Result<T>,
    ) -> Result<T, PacketError> {
        let mut rest = self.body;
        let packet = read(self.header, &mut rest).map_err(|_| PacketError::Malformed)?;
        let written = packet.to_bytes().map_err(|_| PacketError::Encoding)?;
        if written == self.body { Ok(packet) } else { Err(PacketError::Encoding) }
    }

    /// Reads a signature. The numbers at its end may say more bits than they have: GitHub signs so, as Go's libraries do.
    pub(super) fn read_signature(&self) -> Result<Signature, PacketError> {
        let mut rest = self.body;
        let signature = Signature::try_from_reader(self.header, &mut rest).map_err(|_| PacketError::Malformed)?;
        let written = signature.to_bytes().map_err(|_| PacketError::Encoding)?;
        let numbers = match signature.signature() {
            Some(SignatureBytes::Mpis(numbers)) => numbers.iter().map(Serialize::write_len).sum(),
            Some(SignatureBytes::Native(_)) | None => 0,
        };
        let head = written.get(..written.len().saturating_sub(numbers)).unwrap_or_default();
        if rest.is_empty() && self.body.starts_with(head) { Ok(signature) } else { Err(PacketError::Encoding) }
    }
}
