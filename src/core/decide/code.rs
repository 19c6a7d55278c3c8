//! The stable names of findings. Each has a section in CODES.md, which `countersign explain CODE` prints.

use std::fmt;

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Area {
    /// Who made a commit or tag, and how it is written.
    Identity,
    /// What people approve.
    Approval,
    /// The move of the ref, who pushes, and the policy.
    Push,
}

macro_rules! codes {
    ($($variant:ident $name:literal $area:ident)*) => {
        /// The code of a finding.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = concat!("`", $name, "`: see CODES.md.")] $variant,)*
        }

        impl Code {
            /// All codes, in the order of CODES.md.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// What it is about.
            pub const fn area(self) -> Area {
                match self {
                    $(Self::$variant => Area::$area,)*
                }
            }

            /// The name that reports print.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

codes! {
    MalformedCommit "malformed-commit" Identity
    MalformedTree "malformed-tree" Identity
    MalformedTrailers "malformed-trailers" Identity
    MalformedTag "malformed-tag" Identity
    UnsealedAgentCommit "unsealed-agent-commit" Identity
    UnknownAgent "unknown-agent" Identity
    BadSeal "bad-seal" Identity
    StaleSeal "stale-seal" Identity
    AgentSuspended "agent-suspended" Identity
    AgentRevoked "agent-revoked" Identity
    AgentNotAllowed "agent-not-allowed" Identity
    SharedKey "shared-key" Identity
    UnsignedCommit "unsigned-commit" Identity
    UnknownSigner "unknown-signer" Identity
    BadSignature "bad-signature" Identity
    ApprovalMissing "approval-missing" Approval
    ApprovalVoid "approval-void" Approval
    ApprovalExpired "approval-expired" Approval
    ApprovalMalformed "approval-malformed" Approval
    ApproverNotAllowed "approver-not-allowed" Approval
    ApproverNotDistinct "approver-not-distinct" Approval
    PresenceMissing "presence-missing" Approval
    NotDistinct "not-distinct" Approval
    SubmitterUnknown "submitter-unknown" Push
    SubmitterNotAllowed "submitter-not-allowed" Push
    ForcePushDenied "force-push-denied" Push
    DeleteDenied "delete-denied" Push
    RefDenied "ref-denied" Push
    PathDenied "path-denied" Identity
    PolicyInvalid "policy-invalid" Push
    LimitExceeded "limit-exceeded" Push
}

/// The reference text of all codes.
const SECTIONS: &str = include_str!("CODES.md");

impl Code {
    /// The code of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.name() == name)
    }

    /// Whether it is about who made a commit or tag, which its maker can mend before pushing.
    pub const fn concerns_identity(self) -> bool {
        matches!(self.area(), Area::Identity)
    }

    /// Whether it is about what people approve.
    pub const fn concerns_approval(self) -> bool {
        matches!(self.area(), Area::Approval)
    }

    /// Its section of the reference, in Markdown, from its heading to the next.
    pub fn section(self) -> &'static str {
        let heading = format!("## {}\n", self.name());
        let start = SECTIONS.find(&heading).unwrap_or(SECTIONS.len());
        let section = SECTIONS.get(start..).unwrap_or_default();
        let end = section.get(3..).and_then(|rest| rest.find("\n## ")).map_or(section.len(), |end| end + 4);
        section.get(..end).unwrap_or(section).trim_end()
    }
}

impl fmt::Display for Code {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_one_section_with_meaning_fix_and_example() {
        assert_eq!(SECTIONS.matches("\n## ").count(), Code::ALL.len());
        for code in Code::ALL {
            let section = code.section();
            assert!(section.starts_with(&format!("## {code}\n")), "{code}");
            assert_eq!(section.matches("## ").count(), 1, "{code}");
            for part in ["Meaning:", "Fix:", "    error: ["] {
                assert!(section.contains(part), "{code} lacks {part}");
            }
            assert!(section.contains(&format!("    error: [{code}] ")), "{code} shows another code");
            assert_eq!(Code::parse(code.name()), Some(*code));
        }
    }
}
