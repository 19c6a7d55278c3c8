//! The stable names of findings, with all that is known of each. A new one is a row here and its section in CODES.md, which
//! `countersign explain CODE` prints.

use std::fmt;

/// What a finding is about, which says who can do something about it and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Area {
    /// A commit or tag, which its maker can mend before pushing.
    Work,
    /// What people approve.
    Approval,
    /// The move of a ref, who pushes it, the policy, or a limit: the server tells.
    Push,
}

/// What a finding holds for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// What it names as its subject, and nothing else.
    Subject,
    /// A ref, but for what its new commits hold.
    NewCommits,
}

macro_rules! codes {
    ($($variant:ident $name:literal $area:ident $scope:ident $rank:literal)*) => {
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

            /// What it is about.
            pub const fn area(self) -> Area {
                match self {
                    $(Self::$variant => Area::$area,)*
                }
            }

            /// What it holds for.
            pub const fn scope(self) -> Scope {
                match self {
                    $(Self::$variant => Scope::$scope,)*
                }
            }

            /// How far an approval is from counting that it is the objection to: the closest, 0, is told first.
            pub const fn rank(self) -> u8 {
                match self {
                    $(Self::$variant => $rank,)*
                }
            }
        }
    };
}

// Name, area, scope and rank. Meaning, fix and example stand in CODES.md, which people read as a whole.
codes! {
    MalformedCommit     "malformed-commit"      Work     Subject    4
    MalformedTree       "malformed-tree"        Work     Subject    4
    MalformedTrailers   "malformed-trailers"    Work     Subject    4
    MalformedTag        "malformed-tag"         Work     Subject    4
    UnsealedAgentCommit "unsealed-agent-commit" Work     Subject    4
    UnknownAgent        "unknown-agent"         Work     Subject    4
    BadSeal             "bad-seal"              Work     Subject    4
    StaleSeal           "stale-seal"            Work     Subject    4
    AgentSuspended      "agent-suspended"       Work     Subject    4
    AgentRevoked        "agent-revoked"         Work     Subject    4
    AgentNotAllowed     "agent-not-allowed"     Work     Subject    4
    SharedKey           "shared-key"            Work     Subject    4
    UnsignedCommit      "unsigned-commit"       Work     Subject    4
    UnknownSigner       "unknown-signer"        Work     Subject    4
    BadSignature        "bad-signature"         Work     Subject    4
    ApprovalMissing     "approval-missing"      Approval Subject    4
    ApprovalVoid        "approval-void"         Approval Subject    4
    ApprovalExpired     "approval-expired"      Approval Subject    2
    ApprovalMalformed   "approval-malformed"    Approval Subject    4
    ApproverNotAllowed  "approver-not-allowed"  Approval Subject    3
    ApproverNotDistinct "approver-not-distinct" Approval Subject    0
    PresenceMissing     "presence-missing"      Approval Subject    1
    NotDistinct         "not-distinct"          Approval Subject    0
    GrantExpired        "grant-expired"         Work     Subject    4
    GrantOutOfScope     "grant-out-of-scope"    Work     Subject    4
    GrantRevoked        "grant-revoked"         Work     Subject    4
    GrantUnknownIssuer  "grant-unknown-issuer"  Work     Subject    4
    SubmitterUnknown    "submitter-unknown"     Push     NewCommits 0
    SubmitterNotAllowed "submitter-not-allowed" Push     NewCommits 4
    ForcePushDenied     "force-push-denied"     Push     Subject    4
    DeleteDenied        "delete-denied"         Push     Subject    4
    RefDenied           "ref-denied"            Push     Subject    4
    PathDenied          "path-denied"           Work     Subject    4
    AgentFrozen         "agent-frozen"          Push     Subject    4
    OrderMalformed      "order-malformed"       Push     Subject    4
    OverrideInvalid     "override-invalid"      Push     Subject    4
    PolicyInvalid       "policy-invalid"        Push     Subject    4
    LimitExceeded       "limit-exceeded"        Push     NewCommits 4
}

/// The reference text of all codes.
const SECTIONS: &str = include_str!("CODES.md");

impl Code {
    /// The code of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.name() == name)
    }

    /// Whether an override can pass over it, where a policy lists it. Never what leaves an object without a single reading, whose key it
    /// is, or the policy and the orders themselves.
    pub const fn may_be_overridden(self) -> bool {
        match self {
            Self::MalformedCommit
            | Self::MalformedTree
            | Self::MalformedTrailers
            | Self::MalformedTag
            | Self::SharedKey
            | Self::RefDenied
            | Self::PolicyInvalid
            | Self::LimitExceeded
            | Self::ApprovalMalformed
            | Self::OrderMalformed
            | Self::OverrideInvalid => false,
            Self::UnsealedAgentCommit
            | Self::UnknownAgent
            | Self::BadSeal
            | Self::StaleSeal
            | Self::AgentSuspended
            | Self::AgentRevoked
            | Self::AgentNotAllowed
            | Self::UnsignedCommit
            | Self::UnknownSigner
            | Self::BadSignature
            | Self::ApprovalMissing
            | Self::ApprovalVoid
            | Self::ApprovalExpired
            | Self::ApproverNotAllowed
            | Self::ApproverNotDistinct
            | Self::PresenceMissing
            | Self::NotDistinct
            | Self::GrantExpired
            | Self::GrantOutOfScope
            | Self::GrantRevoked
            | Self::GrantUnknownIssuer
            | Self::SubmitterUnknown
            | Self::SubmitterNotAllowed
            | Self::ForcePushDenied
            | Self::DeleteDenied
            | Self::PathDenied
            | Self::AgentFrozen => true,
        }
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
