//! `force-push-denied` and `delete-denied`: how the ref itself moves.

use super::{Bench, Code, Docket, Subject};
use crate::core::facts::Movement;
use crate::core::policy::Permission;

pub(super) fn judge(bench: &Bench<'_>, docket: &mut Docket<'_>) {
    let rule = bench.rule;
    let subject = Subject::Ref(docket.update.name.clone());
    match docket.update.movement {
        Movement::Forced if rule.force_push == Permission::Deny => {
            let detail = "the new value does not contain the old one, and force-push is denied".to_owned();
            let hint = bench.commands(docket).pull().text();
            docket.find(rule, Code::ForcePushDenied, subject, detail, hint);
        }
        Movement::Deleted if rule.delete == Permission::Deny => {
            let detail = "the push deletes it, and delete is denied".to_owned();
            let hint = "leave it; an admin can delete it on the server".to_owned();
            docket.find(rule, Code::DeleteDenied, subject, detail, hint);
        }
        _ => {}
    }
}
