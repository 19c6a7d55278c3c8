//! What a valid policy says that may not be meant: what an admin would want to hear before a push does.

use std::collections::BTreeSet;

use super::approvals::Whose;
use super::problem::{Location, Problem, Weight};
use super::rules::{Mode, Rule};
use super::{Approvals, Policy, Principal, PrincipalKind};
use crate::core::decide::Timestamp;
use crate::core::id::Id;
use crate::core::marks::Catalogue;
use crate::core::text::nearest::nearest;

/// Days before the end of a review's term from which on it is told.
const SOON: i64 = 14;

impl Policy {
    /// What may not be meant in it, as of `now`: warnings, in the order of its lines.
    pub fn advice(&self, now: Timestamp) -> Vec<Problem> {
        let mut advice = self.certificate_problems(now);
        for principal in self.principals() {
            advice.extend(review(principal, now));
            advice.extend(unknown_tool(principal, self.marks()));
        }
        let rules = self.rules().iter().filter(|rule| rule.mode != Mode::Off);
        let asking = rules.filter_map(|rule| Some((rule, rule.approvals.as_ref()?)));
        advice.extend(asking.filter_map(|(rule, approvals)| self.approvers(rule, approvals)));
        advice.sort_by(|a, b| (&a.at, &a.message).cmp(&(&b.at, &b.message)));
        advice
    }

    /// Says where too few can approve, or where who answers for the agents approves their work alone.
    fn approvers(&self, rule: &Rule, approvals: &Approvals) -> Option<Problem> {
        let Approvals { count, whose, from, independent, .. } = approvals;
        let agents = self.principals().filter(|one| one.kind == PrincipalKind::Agent && self.registers(rule, one));
        let owners: BTreeSet<&Id> = agents.filter_map(|agent| agent.owner.as_ref()).collect();
        let needed = |owner: &&&Id| from.contains(**owner) && from.len().saturating_sub(1) < *count;
        let owner = owners.iter().find(needed)?;
        if *independent {
            let message = format!(
                "without {owner}, who does not count for the agents that {owner} owns, too few are left to approve their work"
            );
            return Some(warning(&rule.at, message, "add people to `from`"));
        }
        let whole = *whose == Whose::Agents && *count == 1 && from.len() == 1;
        let message = format!("{owner} alone approves the work of agents that {owner} owns");
        whole.then(|| {
            warning(&rule.at, message, "add people to `from` and independent = true, if somebody else is to look at it")
        })
    }
}

fn review(agent: &Principal, now: Timestamp) -> Option<Problem> {
    let date = agent.review_by.filter(|date| date.is_within(SOON, now))?;
    let id = &agent.id;
    let message = if date.is_past(now) {
        format!("the review of `{id}` was due on {date}, and it is suspended")
    } else {
        format!("the review of `{id}` is due on {date}, after which it is suspended")
    };
    Some(warning(&agent.at, message, "review it, and name a later day in review-by, or remove it"))
}

/// Says where no mark could be taken for an agent's, because its tool is called otherwise.
fn unknown_tool(agent: &Principal, marks: &Catalogue) -> Option<Problem> {
    let tool = agent.tool.as_ref()?.as_str();
    let known: BTreeSet<&str> = marks.rows().map(|row| row.agent.as_str()).collect();
    if known.contains(tool) {
        return None;
    }
    let fix = match nearest(tool, known) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => "it is as well if the tool leaves no marks, or if rows of a marks-file name it".to_owned(),
    };
    let message = format!("no mark is known of the tool \"{tool}\", so none is taken for `{}`'s", agent.id);
    Some(warning(&agent.at, message, &fix))
}

fn warning(at: &Location, message: String, fix: &str) -> Problem {
    Problem { weight: Weight::Warning, at: at.clone(), message, fix: fix.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{load_text, registry};
    use super::*;

    const NOW: Timestamp = Timestamp(1_795_489_864);

    fn advice(more: &str) -> Vec<String> {
        let policy = load_text(&(registry() + more)).unwrap().policy;
        policy.advice(NOW).iter().map(|one| format!("{}; {}", one.message, one.fix)).collect()
    }

    fn approvals(keys: &str) -> String {
        format!(
            "[[rule]]\nname = \"main\"\nrefs = [\"refs/heads/main\"]\nidentity = \"agents\"\nforce-push = \"deny\"\n\
             delete = \"deny\"\n[rule.approvals]\n{keys}\n"
        )
    }

    fn agent(keys: &str) -> String {
        let key = crate::core::decide::story::key(31).public().to_line();
        format!("[agents.late]\nowner = \"alice\"\nkeys = [\"{key}\"]\n{keys}\n")
    }

    #[test]
    fn a_review_is_told_before_it_is_due_and_after() {
        assert_eq!(advice(&agent("review-by = 2027-06-30")), [""; 0]);
        for (day, told) in [("2026-11-28", "is due on"), ("2026-11-01", "was due on 2026-11-01, and it is suspended")] {
            let found = advice(&agent(&format!("review-by = {day}")));
            assert!(matches!(found.as_slice(), [one] if one.contains(told)), "{day} {found:?}");
        }
    }

    #[test]
    fn a_tool_that_no_mark_names_is_told() {
        assert_eq!(advice(&agent("tool = \"codex\"")), [""; 0]);
        let found = advice(&agent("tool = \"claude-cod\""));
        assert!(found.iter().any(|one| one.ends_with("did you mean \"claude-code\"?")), "{found:?}");
    }

    #[test]
    fn who_answers_for_agents_and_approves_alone_is_told() {
        let bob = format!("[people.bob]\nkeys = [\"{}\"]\n", crate::core::decide::story::key(32).public().to_line());
        for (keys, told) in [
            ("from = [\"alice\"]", "alice alone approves the work of agents that alice owns"),
            ("from = [\"alice\"]\nindependent = true", "without alice, who does not count"),
            ("from = [\"alice\", \"bob\"]\ncount = 2\nindependent = true", "without alice, who does not count"),
        ] {
            let found = advice(&(bob.clone() + &approvals(keys)));
            assert!(found.iter().any(|one| one.contains(told)), "{keys} {found:?}");
        }
        for keys in
            ["from = [\"alice\", \"bob\"]", "from = [\"bob\"]", "from = [\"alice\", \"bob\"]\nindependent = true"]
        {
            assert_eq!(advice(&(bob.clone() + &approvals(keys))), [""; 0], "{keys}");
        }
    }
}
