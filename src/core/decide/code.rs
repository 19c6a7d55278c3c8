//! The stable names of findings. Each has a section in CODES.md, which `countersign explain CODE` prints.

use std::fmt;

macro_rules! codes {
    ($($variant:ident $name:literal)*) => {
        /// The code of a finding.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = concat!("`", $name, "`: see CODES.md.")] $variant,)*
        }

        impl Code {
            /// All codes, in the order of CODES.md.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

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
    MalformedCommit "malformed-commit"
    MalformedTree "malformed-tree"
    MalformedTrailers "malformed-trailers"
    MalformedTag "malformed-tag"
    UnsealedAgentCommit "unsealed-agent-commit"
    UnknownAgent "unknown-agent"
    BadSeal "bad-seal"
    StaleSeal "stale-seal"
    AgentSuspended "agent-suspended"
    AgentRevoked "agent-revoked"
    AgentNotAllowed "agent-not-allowed"
    SharedKey "shared-key"
    UnsignedCommit "unsigned-commit"
    UnknownSigner "unknown-signer"
    BadSignature "bad-signature"
    ApprovalMissing "approval-missing"
    ApprovalVoid "approval-void"
    ApprovalExpired "approval-expired"
    ApprovalMalformed "approval-malformed"
    ApproverNotAllowed "approver-not-allowed"
    ApproverNotDistinct "approver-not-distinct"
    PresenceMissing "presence-missing"
    NotDistinct "not-distinct"
    SubmitterUnknown "submitter-unknown"
    SubmitterNotAllowed "submitter-not-allowed"
    ForcePushDenied "force-push-denied"
    DeleteDenied "delete-denied"
    RefDenied "ref-denied"
    PathDenied "path-denied"
    PolicyInvalid "policy-invalid"
    LimitExceeded "limit-exceeded"
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
        !self.concerns_approval()
            && !matches!(
                self,
                Self::SubmitterUnknown
                    | Self::SubmitterNotAllowed
                    | Self::ForcePushDenied
                    | Self::DeleteDenied
                    | Self::RefDenied
                    | Self::PolicyInvalid
                    | Self::LimitExceeded
            )
    }

    /// Whether it is about what people approve.
    pub const fn concerns_approval(self) -> bool {
        matches!(
            self,
            Self::ApprovalMissing
                | Self::ApprovalVoid
                | Self::ApprovalExpired
                | Self::ApprovalMalformed
                | Self::ApproverNotAllowed
                | Self::ApproverNotDistinct
                | Self::PresenceMissing
                | Self::NotDistinct
        )
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
