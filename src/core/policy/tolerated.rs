//! What a policy that comes into force may not say, and what one that is in force already goes on saying: an upgrade locks
//! nobody out. The gate judges as if it said the right thing, and says so.
//!
//! These are two things. Ids stand in the names of refs where orders are stored, and a tool's in the same places as an agent's, so that
//! an id must fit there and mean one thing. And under `for = "everyone"` nobody approves what they made, and who that is a commit only claims unless
//! it is sealed or signed: the rule needs `identity = "everyone"` on the same refs.

use super::approvals::Whose;
use super::principals::{Principal, Registry};
use super::problem::{Location, Problem, Weight};
use super::rules::{Mode, Rule};
use super::{Digest, Policy};

/// One such thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tolerated {
    /// A rule of this name does not ask who made the commits that it wants approved.
    Makers { rule: String, at: Location },
    /// An id is none that orders can name.
    Id(Problem),
}

const MESSAGE: &str =
    "approvals are asked for everyone's work, and no rule asks who made it: who signs nothing could approve their own";
const JUDGED: &str = "so what is neither sealed nor signed by somebody registered is refused";
const FIX: &str = "add identity = \"everyone\" to the rule, or to one on the same refs";

/// Finds them in a policy.
pub(super) fn find(rules: &[Rule], registry: &Registry) -> Vec<Tolerated> {
    let of_everyone = |rule: &&Rule| {
        let asks = rule.approvals.as_ref().is_some_and(|approvals| approvals.whose == Whose::Everyone);
        rule.mode != Mode::Off && asks
    };
    let unknown = rules.iter().filter(of_everyone).filter(|rule| !rule.knows_makers(rules));
    let makers = unknown.map(|rule| Tolerated::Makers { rule: rule.name.clone(), at: rule.at.clone() });
    makers.chain(registry.principals.values().filter_map(|one| unfit(one, registry)).map(Tolerated::Id)).collect()
}

/// What is wrong with the id of a principal, or with that of its tool, for an order that names it.
fn unfit(principal: &Principal, registry: &Registry) -> Option<Problem> {
    let problem = |message: String, fix: &str| {
        Some(Problem { weight: Weight::Warning, at: principal.at.clone(), message, fix: fix.to_owned() })
    };
    let ids = [Some(&principal.id), principal.tool.as_ref()];
    if let Some(id) = ids.into_iter().flatten().find(|id| !id.fits_ref()) {
        let message = format!("`{id}` cannot stand in the name of a ref, so no order can name it");
        return problem(message, "leave out `..`, and a `.` or `.lock` at its end");
    }
    let tool = principal.tool.as_ref()?;
    let other =
        registry.principals.get(tool).filter(|other| other.tool.as_ref() != Some(tool) && other.id != principal.id)?;
    let message = format!(
        "the tool of `{}` is called as {} `{tool}` is, who is no instance of it",
        principal.id,
        other.kind.noun()
    );
    problem(message, "rename one of the two, so that an order for one does not read as one for the other")
}

impl Tolerated {
    /// As it is told of a policy that is to come into force, or of the one that is.
    pub(super) fn problem(&self, weight: Weight) -> Problem {
        let at = match self {
            Self::Id(problem) => return Problem { weight, ..problem.clone() },
            Self::Makers { at, .. } => at.clone(),
        };
        let message = match weight {
            Weight::Error => MESSAGE.to_owned(),
            Weight::Warning => format!("{MESSAGE}; {JUDGED}"),
        };
        Problem { weight, at, message, fix: FIX.to_owned() }
    }
}

impl Policy {
    /// What is wrong with it that it may go on with while it is in force: warnings.
    pub fn tolerated(&self) -> impl Iterator<Item = Problem> {
        self.tolerated.iter().map(|one| one.problem(Weight::Warning))
    }

    /// What a rule goes on with in this way: it is judged as if it asked who made each commit.
    pub fn tolerated_in(&self, rule: &Rule) -> Option<Problem> {
        let own = |one: &&Tolerated| matches!(one, Tolerated::Makers { rule: name, .. } if *name == rule.name);
        self.tolerated.iter().find(own).map(|one| one.problem(Weight::Warning))
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
