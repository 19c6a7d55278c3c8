//! What to do about an object that is refused for how it is written, in commands that work.

use super::Code;
use crate::core::commit::Malformed;
use crate::core::facts::{CommitFacts, Form};
use crate::core::oid::Oid;

/// What is wrong with how a commit is written, in the words that each rule finds it with.
pub(super) struct Unreadable {
    pub(super) code: Code,
    pub(super) detail: String,
    pub(super) hint: String,
}

/// Why a commit that stands on `base` cannot be read as one thing, if it cannot.
pub(super) fn unreadable(commit: &CommitFacts, base: Option<Oid>) -> Option<Unreadable> {
    match (&commit.form, &commit.tree_fault) {
        (Form::Malformed(reason), _) if reason.is_limit() => Some(Unreadable {
            code: Code::LimitExceeded,
            detail: reason.to_string(),
            hint: "split the commit".to_owned(),
        }),
        (Form::Malformed(reason), _) => Some(Unreadable {
            code: Code::MalformedCommit,
            detail: format!("the commit has no single reading: {reason}"),
            hint: hint(reason, base),
        }),
        (Form::Canonical, Some(fault)) => {
            Some(Unreadable { code: Code::MalformedTree, detail: fault.clone(), hint: tree_hint() })
        }
        (Form::Canonical, None) => None,
    }
}

/// For history that nobody can make again. A rule's `since` names what the repository has already, and so does a baseline.
const EXEMPT: &str = "history that nobody can rewrite, an admin fetches into the server's repository and exempts: \
     countersign install --server REPO.git --policy FILE --baseline, or since in the rule";

/// Both ways for a malformed commit: to make it again, with all that stand on `base`, or to exempt it.
fn hint(reason: &Malformed, base: Option<Oid>) -> String {
    let base = base.map_or_else(|| "--root".to_owned(), abbreviated);
    let command = match reason {
        // Git carries the author over as it is, unless it is told to take another.
        Malformed::Ident("author") => {
            format!("git rebase --rebase-merges --exec 'git commit --amend --no-edit --reset-author' {base}")
        }
        _ => format!("git rebase --force-rebase --rebase-merges {base}"),
    };
    format!("make it again: {command}; {EXEMPT}")
}

/// The same for a malformed tree.
fn tree_hint() -> String {
    format!("git fsck names the tree; make it again with git add and git commit; {EXEMPT}")
}

/// Enough digits to be unique in any repository, few enough to type.
pub(super) fn abbreviated(id: Oid) -> String {
    id.to_string().chars().take(12).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_names_the_commits_and_the_way_out() {
        let base = Oid::parse(b"3b18e512dba79e4c8300dd08aeb37f8e728b8dad");
        let told = hint(&Malformed::Nul, base);
        assert!(told.starts_with("make it again: git rebase --force-rebase --rebase-merges 3b18e512dba7; "), "{told}");
        assert!(told.contains("countersign install --server REPO.git --policy FILE --baseline"), "{told}");
        assert!(hint(&Malformed::Nul, None).contains("--rebase-merges --root; "));
        assert!(hint(&Malformed::Ident("author"), base).contains("--reset-author' 3b18e512dba7; "));
    }
}
