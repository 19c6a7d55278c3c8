//! Measures: what rules of a policy can ask, by the codes that say so, and the test of ours that holds each.

use crate::audit::period::Served;
use crate::core::decide::Code;
use crate::core::policy::{Identity, Marks, Mode, OutOfBand, Permission, Policy, PrincipalKind, Rule};

/// Something that a gate can ask of pushes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Measure {
    Identity,
    SharedKeys,
    Agents,
    Approvals,
    Independence,
    Submitters,
    Paths,
    History,
    OutOfBand,
    Lifecycle,
    Revocation,
    Marks,
    Policy,
    Ledger,
}

impl Measure {
    pub(super) const ALL: [Self; 14] = [
        Self::Identity,
        Self::SharedKeys,
        Self::Agents,
        Self::Approvals,
        Self::Independence,
        Self::Submitters,
        Self::Paths,
        Self::History,
        Self::OutOfBand,
        Self::Lifecycle,
        Self::Revocation,
        Self::Marks,
        Self::Policy,
        Self::Ledger,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::SharedKeys => "shared-keys",
            Self::Agents => "agents",
            Self::Approvals => "approvals",
            Self::Independence => "independence",
            Self::Submitters => "submitters",
            Self::Paths => "paths",
            Self::History => "history",
            Self::OutOfBand => "out-of-band",
            Self::Lifecycle => "lifecycle",
            Self::Revocation => "revocation",
            Self::Marks => "marks",
            Self::Policy => "policy",
            Self::Ledger => "ledger",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|measure| measure.name() == text)
    }

    /// The findings by which it refuses.
    pub(super) fn codes(self) -> &'static [Code] {
        match self {
            Self::Identity => &[
                Code::UnsealedAgentCommit,
                Code::UnknownAgent,
                Code::BadSeal,
                Code::StaleSeal,
                Code::UnsignedCommit,
                Code::UnknownSigner,
                Code::BadSignature,
            ],
            Self::SharedKeys => &[Code::SharedKey],
            Self::Agents => &[Code::AgentNotAllowed],
            Self::Approvals => &[
                Code::ApprovalMissing,
                Code::ApprovalVoid,
                Code::ApprovalExpired,
                Code::ApprovalMalformed,
                Code::ApproverNotAllowed,
                Code::PresenceMissing,
            ],
            Self::Independence => &[Code::ApproverNotDistinct, Code::NotDistinct],
            Self::Submitters => &[Code::SubmitterUnknown, Code::SubmitterNotAllowed],
            Self::Paths => &[Code::PathDenied],
            Self::History => &[Code::ForcePushDenied, Code::DeleteDenied, Code::RefDenied],
            Self::Lifecycle => &[Code::AgentSuspended],
            Self::Revocation => &[Code::AgentRevoked],
            Self::Marks => &[Code::UnsealedAgentCommit],
            Self::Policy => &[Code::PolicyInvalid],
            Self::OutOfBand | Self::Ledger => &[],
        }
    }

    /// A test of ours that fails where it does not hold.
    pub(super) const fn test(self) -> &'static str {
        match self {
            Self::Identity => "marked_commits_are_refused_unsealed_and_accepted_sealed",
            Self::SharedKeys => "a_key_belongs_to_one_and_is_sound",
            Self::Agents => "rules_say_whose_work_they_accept",
            Self::Approvals => "one_command_approves_exactly_what_then_lands",
            Self::Independence => "independent_means_that_two_people_stand_behind_it",
            Self::Submitters => "each_kind_of_server_names_who_pushes",
            Self::Paths => "no_kind_of_change_slips_past_the_paths",
            Self::History => "deleting_and_creating_again_does_not_force",
            Self::OutOfBand => "out_of_band_moves_can_be_refused",
            Self::Lifecycle => "work_received_before_the_review_date_stays_good",
            Self::Revocation => "each_wrong_key_has_its_own_code",
            Self::Marks => "what_git_reads_as_a_trailer_is_found_however_it_is_written",
            Self::Policy => "a_weaker_policy_does_not_judge_the_push_that_brings_it",
            Self::Ledger => "a_ledger_that_does_not_verify_or_cannot_be_written_refuses",
        }
    }

    /// The rules of a repository that ask for it, each with how it is meant.
    pub(super) fn rules(self, served: &Served) -> Vec<(Mode, String)> {
        let Some(policy) = served.policy.as_deref() else { return Vec::new() };
        let observes = served.hook.as_ref().is_none_or(|hook| hook.observe);
        // A hook that only observes refuses nothing, whatever a rule says.
        let weighed = |mode: Mode| if observes { mode.min(Mode::Observe) } else { mode };
        let by_rule = |asks: &dyn Fn(&Rule) -> bool| {
            let asking = policy.rules().iter().filter(|rule| rule.mode != Mode::Off && asks(rule));
            asking.map(|rule| (weighed(rule.mode), named(rule))).collect::<Vec<_>>()
        };
        let always = |holds: bool, words: &str| {
            let mode = weighed(Mode::Enforce);
            if holds { vec![(mode, words.to_owned())] } else { Vec::new() }
        };
        match self {
            Self::Identity => by_rule(&|rule| rule.identity != Identity::None),
            Self::SharedKeys => always(true, "of the policy as a whole: a key is one principal's"),
            Self::Agents => by_rule(&Rule::restricts_agents),
            Self::Approvals => by_rule(&|rule| rule.approvals.is_some()),
            Self::Independence => by_rule(&|rule| rule.approvals.as_ref().is_some_and(|asked| asked.independent)),
            Self::Submitters => by_rule(&|rule| rule.submitters.is_some()),
            Self::Paths => by_rule(&Rule::is_path_rule),
            Self::History => by_rule(&|rule| {
                rule.force_push == Permission::Deny && rule.delete == Permission::Deny && !rule.is_path_rule()
            }),
            Self::OutOfBand => {
                always(policy.out_of_band() == OutOfBand::Refuse, "of the policy as a whole: out-of-band = \"refuse\"")
            }
            Self::Lifecycle => always(all_reviewed(policy), "every agent has an owner and a review date"),
            Self::Revocation => by_rule(&|rule| rule.identity != Identity::None),
            Self::Marks => by_rule(&|rule| rule.identity != Identity::None && rule.marks != Marks::Ignore),
            Self::Policy => {
                always(true, "each decision is by the policy as it was before the push, and names its digest")
            }
            Self::Ledger => {
                let kept = served.hook.as_ref().is_some_and(|hook| hook.ledger.is_some());
                always(kept, "every decision is recorded, or the push refused")
            }
        }
    }
}

fn all_reviewed(policy: &Policy) -> bool {
    let mut agents = policy.principals().filter(|one| one.kind == PrincipalKind::Agent).peekable();
    agents.peek().is_some() && agents.all(|agent| agent.owner.is_some() && agent.review_by.is_some())
}

fn named(rule: &Rule) -> String {
    let classes = rule.class_names();
    let paths = if classes.is_empty() { String::new() } else { format!(", paths {}", classes.join(", ")) };
    format!("rule \"{}\" ({}:{}) on {}{paths}", rule.name, rule.at.file, rule.at.line, rule.ref_patterns().join(", "))
}
