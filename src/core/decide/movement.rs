//! `force-push-denied` and `delete-denied`: how the ref itself moves.

use super::{Code, Findings, RuleContext, Subject};
use crate::core::facts::Movement;
use crate::core::policy::Permission;

pub(super) fn judge(context: &RuleContext<'_>, findings: &mut Findings<'_>) {
    let rule = context.rule;
    let subject = Subject::Ref(context.update.name.to_vec());
    match context.update.movement {
        Movement::Forced if rule.force_push == Permission::Deny => {
            let detail = "the new value does not contain the old one, and force-push is denied".to_owned();
            let hint = context.commands().pull().text();
            findings.add(rule, Code::ForcePushDenied, subject, detail, hint);
        }
        Movement::Deleted if rule.delete == Permission::Deny => {
            let detail = "the push deletes it, and delete is denied".to_owned();
            let hint = "leave it; an admin can delete it on the server".to_owned();
            findings.add(rule, Code::DeleteDenied, subject, detail, hint);
        }
        Movement::Created | Movement::Deleted | Movement::Forward | Movement::Forced | Movement::Unexamined => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::decide::story::*;

    #[test]
    fn a_rule_says_how_its_refs_may_move() {
        let asked = "force-push = \"deny\"\ndelete = \"deny\"";
        for (name, asked, movement) in [
            ("forward", asked, Movement::Forward),
            ("created", asked, Movement::Created),
            ("forced", asked, Movement::Forced),
            ("deleted", asked, Movement::Deleted),
            ("forced_where_nobody_minds", "", Movement::Forced),
            ("deleted_where_nobody_minds", "", Movement::Deleted),
        ] {
            let story = Story::under(&rule("main", asked)).gains((Proof::Nothing, false));
            insta::assert_snapshot!(name, story.moves(|update| update.movement = movement).report());
        }
    }
}
