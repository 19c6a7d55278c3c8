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
    if policy.refuses_unmatched(&update.name) {
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
        _ => {}
    }
    for problem in update.policy.iter().flat_map(|policy| &policy.problems) {
        let detail = format!("the push would leave the ref without a valid policy: {problem}");
        findings.protect(Code::PolicyInvalid, detail, problem.fix.clone());
    }
}
