//! `ref-denied` and `policy-invalid`: refs that are refused, and the policy's own ref, whatever the rules say.

use super::{Code, Docket};
use crate::core::facts::{Continuity, Movement, Update};
use crate::core::oid::Oid;
use crate::core::policy::{OutOfBand, Policy};

pub(super) fn judge(policy: &Policy, update: &Update, docket: &mut Docket<'_>) {
    if let Some(claimed) = &update.claimed {
        let value = |id: &Option<Oid>| id.map_or_else(|| "nothing".to_owned(), |id| id.short());
        let (said, found) = (value(claimed), value(&update.old));
        let detail = format!("the push says that it moves it from {said}, and it is at {found}");
        docket.protect(
            Code::RefDenied,
            detail,
            "git fetch, then push again: somebody has moved it meanwhile".to_owned(),
        );
    }
    if update.name.starts_with(b"refs/replace/") {
        let detail = "replace refs make readers see other commits than the ones that were checked".to_owned();
        docket.protect(
            Code::RefDenied,
            detail,
            "git push without refs/replace/*; graft locally if you need it".to_owned(),
        );
    }
    if let Some(rule) = policy.case_alias(&update.name) {
        let detail = format!(
            "but for case, or what some file system leaves out, the name is one that rule \"{}\" ({}:{}) governs",
            rule.name, rule.at.file, rule.at.line
        );
        docket.protect(
            Code::RefDenied,
            detail,
            "use the exact spelling of the governed name, or another name".to_owned(),
        );
    }
    if policy.refuses_unmatched(&update.name) {
        let detail = "no rule matches this name, and the policy says unmatched = \"refuse\"".to_owned();
        docket.protect(
            Code::RefDenied,
            detail,
            "push to a name that a rule matches, or ask an admin for a rule".to_owned(),
        );
    }
    if update.continuity == Continuity::Broken && policy.out_of_band() == OutOfBand::Refuse {
        let detail = "the ref was moved on the server with no decision, and the policy says out-of-band = \"refuse\"";
        let hint = "ask an admin to look at it (countersign log show --ref REF) and, if it is right, to run: \
                    countersign install --server REPO.git --policy FILE --baseline";
        docket.protect(Code::RefDenied, detail.to_owned(), hint.to_owned());
    }
    if update.policy.is_some() {
        judge_policy(update, docket);
    }
}

/// The ref that holds the policy in force must keep a valid one, and its history.
fn judge_policy(update: &Update, docket: &mut Docket<'_>) {
    let admin = "ask an admin: countersign install --server again with a policy file is the way out";
    match update.movement {
        Movement::Deleted => {
            let detail = "the ref holds the policy in force and cannot be deleted".to_owned();
            docket.protect(Code::DeleteDenied, detail, admin.to_owned());
        }
        Movement::Forced => {
            let detail = "the ref holds the policy in force and cannot be forced".to_owned();
            docket.protect(Code::ForcePushDenied, detail, "git pull --rebase, then push without --force".to_owned());
        }
        _ => {}
    }
    for problem in update.policy.iter().flat_map(|policy| &policy.problems) {
        let detail = format!("the push would leave the ref without a valid policy: {problem}");
        docket.protect(Code::PolicyInvalid, detail, problem.fix.clone());
    }
}
