//! Where records are stored: `refs/countersign/approvals/<ref without refs/>/<64 hex of change>/<approver>`, and `@<service>` after it for
//! one that a service attests: what a forge says of a person never takes the place of what the person signed.

use std::fmt;

use super::statement::Approval;
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
    /// The service that attests it, if the person did not sign it.
    pub service: Option<Id>,
}

impl ApprovalPlace {
    /// Reads the name of a ref. `None` for one that is not a record's.
    pub fn parse(name: &[u8]) -> Option<Self> {
        let rest = std::str::from_utf8(name).ok()?.strip_prefix(PREFIX)?;
        let (rest, approver) = rest.rsplit_once('/')?;
        let (target, change) = rest.rsplit_once('/')?;
        let target = (!target.is_empty()).then(|| format!("refs/{target}"))?;
        let (approver, service) = match approver.split_once('@') {
            Some((approver, service)) => (approver, Some(Id::parse(service.as_bytes())?)),
            None => (approver, None),
        };
        let approver = Id::parse(approver.as_bytes())?;
        Some(Self { target, change: Digest::parse(change.as_bytes())?, approver, service })
    }

    /// Where a record belongs. `None` for one that names nobody.
    pub fn of(approval: &Approval) -> Option<Self> {
        let service = match &approval.attested {
            Some(attested) => Some(Id::parse(attested.service.as_bytes())?),
            None => None,
        };
        let approver = Id::parse(approval.approver.as_bytes())?;
        Some(Self { target: approval.name.clone(), change: approval.change.0, approver, service })
    }

    /// Whether it is the place of somebody's record who says this, as far as who it is goes.
    pub fn is_by(&self, approval: &Approval) -> bool {
        let service = approval.attested.as_ref().map(|attested| attested.service.as_str());
        self.approver.as_str() == approval.approver && self.service.as_ref().map(Id::as_str) == service
    }

    /// What the names of all records for a target begin with.
    pub fn of_target(target: &str) -> String {
        format!("{PREFIX}{}/", target.strip_prefix("refs/").unwrap_or(target))
    }
}

impl fmt::Display for ApprovalPlace {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}{}/{}", Self::of_target(&self.target), self.change, self.approver)?;
        self.service.as_ref().map_or(Ok(()), |service| write!(out, "@{service}"))
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
            service: None,
        };
        let name = place.to_string();
        assert!(
            name.starts_with("refs/countersign/approvals/heads/release/1.0/") && name.ends_with("/alice"),
            "{name}"
        );
        assert_eq!(ApprovalPlace::parse(name.as_bytes()), Some(place.clone()));
        let attested = ApprovalPlace { service: Id::parse(b"forge"), ..place };
        assert_eq!(attested.to_string(), format!("{name}@forge"));
        assert_eq!(ApprovalPlace::parse(attested.to_string().as_bytes()), Some(attested));
        let hex = "a".repeat(64);
        for bad in [
            "refs/heads/main".to_owned(),
            format!("refs/countersign/approvals/{hex}/alice"),
            format!("refs/countersign/approvals//{hex}/alice"),
            format!("refs/countersign/approvals/heads/main/{hex}/Alice"),
            format!("refs/countersign/approvals/heads/main/{}/alice", &hex[1..]),
            format!("refs/countersign/approvals/heads/main/{hex}/"),
            format!("refs/countersign/approvals/heads/main/{hex}/alice@"),
            format!("refs/countersign/approvals/heads/main/{hex}/@forge"),
            format!("refs/countersign/approvals/heads/main/{hex}/alice@forge@forge"),
            format!("refs/countersign/approvals/heads/main/{hex}"),
        ] {
            assert_eq!(ApprovalPlace::parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
