//! Where records are stored: `refs/countersign/approvals/<ref without refs/>/<64 hex of change>/<approver>`.

use std::fmt;

use crate::core::digest::Digest;
use crate::core::id::Id;

/// The namespace of records.
pub const PREFIX: &str = "refs/countersign/approvals/";

/// The ref of one person's record on one change for one target: approvers never collide.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApprovalPlace {
    /// The full name of the target ref.
    pub target: String,
    /// The combined change.
    pub change: Digest,
    /// The person.
    pub approver: Id,
}

impl ApprovalPlace {
    /// Reads the name of a ref. `None` for one that is not a record's.
    pub fn parse(name: &[u8]) -> Option<Self> {
        let rest = std::str::from_utf8(name).ok()?.strip_prefix(PREFIX)?;
        let (rest, approver) = rest.rsplit_once('/')?;
        let (target, change) = rest.rsplit_once('/')?;
        let target = (!target.is_empty()).then(|| format!("refs/{target}"))?;
        Some(Self { target, change: Digest::parse(change.as_bytes())?, approver: Id::parse(approver.as_bytes())? })
    }

    /// What the names of all records for a target begin with.
    pub fn of_target(target: &str) -> String {
        format!("{PREFIX}{}/", target.strip_prefix("refs/").unwrap_or(target))
    }
}

impl fmt::Display for ApprovalPlace {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}{}/{}", Self::of_target(&self.target), self.change, self.approver)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        let place = ApprovalPlace {
            target: "refs/heads/release/1.0".into(),
            change: Digest::of(b"change"),
            approver: Id::parse(b"alice").unwrap(),
        };
        let name = place.to_string();
        assert!(
            name.starts_with("refs/countersign/approvals/heads/release/1.0/") && name.ends_with("/alice"),
            "{name}"
        );
        assert_eq!(ApprovalPlace::parse(name.as_bytes()), Some(place));
        let hex = "a".repeat(64);
        for bad in [
            "refs/heads/main".to_owned(),
            format!("refs/countersign/approvals/{hex}/alice"),
            format!("refs/countersign/approvals//{hex}/alice"),
            format!("refs/countersign/approvals/heads/main/{hex}/Alice"),
            format!("refs/countersign/approvals/heads/main/{}/alice", &hex[1..]),
            format!("refs/countersign/approvals/heads/main/{hex}/"),
            format!("refs/countersign/approvals/heads/main/{hex}"),
        ] {
            assert_eq!(ApprovalPlace::parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
