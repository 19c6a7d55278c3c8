//! Which commits each requirement of a rule judges.
//!
//! Each subtracts what it has judged already, by the values of refs before the push and by enforcing rules alone. Never "what no ref
//! reaches": whoever pushes to a lax branch first would launder anything.
//!
//! - **Identity and marks**: what the ref's old value, a rule's `since`, and the refs hold whose rules ask at least as much identity.
//! - **Approvals and submitters**: the old value and `since`; where the ref is new, also the refs under at least the same such rules.
//! - **Anything asked by a rule with paths**: also the refs under at least the same path rules, whether the ref is new or not, so that
//!   merging governed work costs nothing. No entry is free because it stands at some ref's tip.
//!
//! A rule with paths looks at a commit by what it changes, and at a merge by what is the merge's own ([`crate::core::tree`]): what a merge
//! brings in is judged where it was made. What cannot be read for its paths touches every path.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::core::facts::{CommitFacts, JudgedCommit};
use crate::core::oid::Oid;
use crate::core::policy::{Mode, Policy, Rule};

/// What a rule asks of commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Requirement {
    /// Who made them, and whose work is accepted.
    Identity,
    /// Who approved them; for a rule with paths, also who pushes them.
    Approvals,
}

/// The rules for a ref, by their positions: those in force that match one of its names, its own or those of symbolic refs that lead to
/// it.
pub fn rules_for(policy: &Policy, names: &[&[u8]]) -> Vec<usize> {
    let matches = |rule: &Rule| names.iter().any(|name| rule.matches_ref(name));
    let awake = policy.rules().iter().enumerate().filter(|(_, rule)| rule.mode != Mode::Off);
    awake.filter(|(_, rule)| matches(rule)).map(|(position, _)| position).collect()
}

/// Where symbolic refs may stand that lead to a ref and bring it under rules that do not match its own name.
pub fn symbolic_places(policy: &Policy, name: &[u8]) -> BTreeSet<String> {
    let awake = policy.rules().iter().filter(|rule| rule.mode != Mode::Off);
    awake.filter(|rule| !rule.matches_ref(name)).flat_map(Rule::ref_places).collect()
}

/// Whether the tip of a ref has been judged by what `rule` requires, so that its history is not new.
pub fn is_judged_at(policy: &Policy, rule: &Rule, requirement: Requirement, name: &[u8]) -> bool {
    let covers = match requirement {
        Requirement::Identity => Rule::covers,
        Requirement::Approvals => Rule::covers_approvals,
    };
    policy.rules().iter().any(|other| other.matches_ref(name) && covers(other, rule))
}

/// Whether a requirement of a rule subtracts the refs at which [`is_judged_at`] says so, besides the old value and `since`: identity
/// always, and so does whatever a rule with paths asks; the approvals of a whole ref only where the ref is new.
pub fn subtracts_other_refs(rule: &Rule, requirement: Requirement, old: Option<Oid>) -> bool {
    requirement == Requirement::Identity || rule.is_path_rule() || old.is_none()
}

/// The new commits that a rule, by its position, is about: all of them, or those that touch its paths. What cannot be read for its
/// paths touches all.
pub fn judged_commits(
    rule: &Rule,
    position: usize,
    new: impl Iterator<Item = Oid>,
    commits: &BTreeMap<Oid, CommitFacts>,
) -> Vec<JudgedCommit> {
    let judged = |id: Oid| {
        let whole = JudgedCommit { id, touched: None };
        let Some(commit) = commits.get(&id).filter(|commit| rule.is_path_rule() && commit.has_paths()) else {
            return Some(whole);
        };
        let (_, path) = commit.touched.iter().find(|(touched, _)| *touched == position)?;
        Some(JudgedCommit { touched: Some(path.clone()), ..whole })
    };
    new.filter_map(judged).collect()
}
