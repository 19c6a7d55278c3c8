//! What a policy that comes into force may not say, and what one that is in force already goes on saying: an upgrade locks
//! nobody out. The gate judges as if it said the right thing, and says so.
//!
//! So far that is one thing. Under `for = "everyone"` nobody approves what they made, and who that is a commit only claims unless
//! it is sealed or signed: the rule needs `identity = "everyone"` on the same refs.

use super::approvals::Whose;
use super::problem::{Location, Problem, Weight};
use super::rules::{Mode, Rule};
use super::{Digest, Policy};

/// One such thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tolerated {
    /// The name of the rule that says it.
    rule: String,
    at: Location,
}

const MESSAGE: &str =
    "approvals are asked for everyone's work, and no rule asks who made it: who signs nothing could approve their own";
const JUDGED: &str = "so what is neither sealed nor signed by somebody registered is refused";
const FIX: &str = "add identity = \"everyone\" to the rule, or to one on the same refs";

/// Finds them in a policy's rules.
pub(super) fn find(rules: &[Rule]) -> Vec<Tolerated> {
    let of_everyone = |rule: &&Rule| {
        let asks = rule.approvals.as_ref().is_some_and(|approvals| approvals.whose == Whose::Everyone);
        rule.mode != Mode::Off && asks
    };
    let unknown = rules.iter().filter(of_everyone).filter(|rule| !rule.knows_makers(rules));
    unknown.map(|rule| Tolerated { rule: rule.name.clone(), at: rule.at.clone() }).collect()
}

impl Tolerated {
    /// As it is told of a policy that is to come into force, or of the one that is.
    pub(super) fn problem(&self, weight: Weight) -> Problem {
        let message = match weight {
            Weight::Error => MESSAGE.to_owned(),
            Weight::Warning => format!("{MESSAGE}; {JUDGED}"),
        };
        Problem { weight, at: self.at.clone(), message, fix: FIX.to_owned() }
    }
}

impl Policy {
    /// What is wrong with it that it may go on with while it is in force: warnings.
    pub fn tolerated(&self) -> impl Iterator<Item = Problem> {
        self.tolerated.iter().map(|one| one.problem(Weight::Warning))
    }

    /// What a rule goes on with in this way: it is judged as if it asked who made each commit.
    pub fn tolerated_in(&self, rule: &Rule) -> Option<Problem> {
        self.tolerated.iter().find(|one| one.rule == rule.name).map(|one| one.problem(Weight::Warning))
    }

    /// What keeps it from coming into force: errors. There are none for the policy that is in force, which has the digest
    /// `in_force`.
    pub fn problems_if_new(&self, in_force: Option<Digest>) -> Vec<Problem> {
        if in_force == Some(self.digest) {
            return Vec::new();
        }
        self.tolerated.iter().map(|one| one.problem(Weight::Error)).collect()
    }
}
