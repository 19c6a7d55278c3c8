//! `ref-denied` and `policy-invalid`: refs that are refused, and the policy's own ref, whatever the rules say.

use super::hint::{Commands, Hint, baseline};
use super::{Code, Findings, UpdateContext};
use crate::core::facts::{Continuity, Movement};
use crate::core::oid::Oid;
use crate::core::policy::OutOfBand;
use crate::core::report::word;

pub(super) fn judge(context: &UpdateContext<'_>, findings: &mut Findings<'_>) {
    let UpdateContext { policy, facts, update, .. } = *context;
    if let Some(claimed) = &update.claimed {
        let value = |id: &Option<Oid>| id.map_or_else(|| "nothing".to_owned(), |id| id.short());
        let (said, found) = (value(claimed), value(&update.old));
        let detail = format!("the push says that it moves it from {said}, and it is at {found}");
        let hint = Hint::new()
            .run("somebody has moved it meanwhile; look at that and push again", ["git fetch origin".to_owned()]);
        findings.protect(Code::RefDenied, detail, hint.text());
    }
    if update.name.starts_with(b"refs/replace/") {
        let detail = "replace refs make readers see other commits than the ones that were checked".to_owned();
        findings.protect(
            Code::RefDenied,
            detail,
            "leave refs/replace/ out of the push; a clone may replace what it likes".to_owned(),
        );
    }
    if let Some(rule) = policy.case_alias(&update.name) {
        let detail = format!(
            "but for case, or what some file system leaves out, the name is one that rule \"{}\" ({}:{}) governs",
            rule.name, rule.at.file, rule.at.line
        );
        findings.protect(
            Code::RefDenied,
            detail,
            "use the exact spelling of the governed name, or another name".to_owned(),
        );
    }
    // The namespace of records has rules of its own and no others.
    let is_record = update.record.is_some() || update.order.is_some();
    if !is_record && policy.refuses_unmatched(&update.name) {
        let detail = "no rule matches this name, and the policy says unmatched = \"refuse\"".to_owned();
        findings.protect(
            Code::RefDenied,
            detail,
            "push to a name that a rule matches, or ask an admin for a rule".to_owned(),
        );
    }
    if update.continuity == Continuity::Broken && policy.out_of_band() == OutOfBand::Refuse {
        let detail = "the ref was moved on the server with no decision, and the policy says out-of-band = \"refuse\"";
        let name = word(&String::from_utf8_lossy(&update.name));
        let hint = Hint::new()
            .run("ask an admin to look at it", [format!("countersign log show --server REPO.git --ref {name}")])
            .run("and to take it as it is, if that is right", [baseline()]);
        findings.protect(Code::RefDenied, detail.to_owned(), hint.text());
    }
    if update.policy.is_some() {
        judge_policy(Commands { policy, facts, update }, findings);
    }
}

/// The ref that holds the policy in force must keep a valid one, and its history.
fn judge_policy(commands: Commands<'_>, findings: &mut Findings<'_>) {
    let update = commands.update;
    match update.movement {
        Movement::Deleted => {
            let detail = "the ref holds the policy in force and cannot be deleted".to_owned();
            let hint = Hint::new().run(
                "leave it; an admin can have the policy elsewhere",
                ["countersign install --server REPO.git --policy FILE".to_owned()],
            );
            findings.protect(Code::DeleteDenied, detail, hint.text());
        }
        Movement::Forced => {
            let detail = "the ref holds the policy in force and cannot be forced".to_owned();
            findings.protect(Code::ForcePushDenied, detail, commands.pull().text());
        }
        Movement::Created | Movement::Forward | Movement::Unexamined => {}
    }
    for problem in update.policy.iter().flat_map(|policy| &policy.problems) {
        let detail = format!("the push would leave the ref without a valid policy: {problem}");
        findings.protect(Code::PolicyInvalid, detail, problem.fix.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::decide::story::*;
    use crate::core::facts::{PolicyOnRef, Update};
    use crate::core::policy::{Location, Problem, Weight};

    fn pushed(top: &str, change: impl FnOnce(&mut Update)) -> String {
        Story::under_policy(top, &rule("main", "")).gains((Proof::Nothing, false)).moves(change).report()
    }

    #[test]
    fn the_old_value_is_the_server_s() {
        insta::assert_snapshot!("as_claimed", pushed("", |_| {}));
        insta::assert_snapshot!("otherwise", pushed("", |update| update.claimed = Some(Some(oid(7)))));
    }

    #[test]
    fn names_that_stand_for_others_are_refused() {
        for (name, of_ref) in [
            ("a_replacement", "refs/replace/0000000000000000000000000000000000000001"),
            ("an_alias_by_case", "refs/HEADS/main"),
            ("a_branch", "refs/heads/replace/main"),
            ("a_tag", "refs/tags/v1"),
        ] {
            insta::assert_snapshot!(name, pushed("", |update| update.name = of_ref.as_bytes().into()));
        }
    }

    #[test]
    fn a_policy_may_refuse_what_no_rule_matches() {
        let refuse = "unmatched = \"refuse\"";
        insta::assert_snapshot!("unmatched", pushed(refuse, |update| update.name = b"refs/tags/v1".as_slice().into()));
        insta::assert_snapshot!("matched", pushed(refuse, |_| {}));
    }

    #[test]
    fn a_ref_that_moved_with_no_decision_stays_where_the_policy_says_so() {
        let moved = |update: &mut Update| update.continuity = Continuity::Broken;
        insta::assert_snapshot!("moved_out_of_band", pushed("out-of-band = \"refuse\"", moved));
        insta::assert_snapshot!("moved_where_nobody_minds", pushed("", moved));
    }

    #[test]
    fn the_ref_of_the_policy_keeps_one() {
        let leaves = |problems: Vec<Problem>, movement| {
            pushed("", |update| {
                (update.policy, update.movement) = (Some(PolicyOnRef { problems, ..PolicyOnRef::default() }), movement)
            })
        };
        let problem = Problem {
            weight: Weight::Error,
            at: Location { file: "policy.toml".into(), line: 3 },
            message: "unknown key \"identiti\"".into(),
            fix: "write identity".into(),
        };
        insta::assert_snapshot!("a_valid_policy", leaves(Vec::new(), Movement::Forward));
        insta::assert_snapshot!("no_valid_policy", leaves(vec![problem], Movement::Forward));
        insta::assert_snapshot!("no_policy", leaves(Vec::new(), Movement::Deleted));
        insta::assert_snapshot!("another_history", leaves(Vec::new(), Movement::Forced));
    }
}
