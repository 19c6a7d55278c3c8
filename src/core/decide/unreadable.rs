//! What to do about an object that is refused for how it is written.

use super::Code;
use super::hint::{Hint, exempt, rebase_each};
use crate::core::commit::Malformed;
use crate::core::facts::{CommitFacts, ObjectForm};
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
        (ObjectForm::Malformed(reason), _) if reason.is_limit() => Some(Unreadable {
            code: Code::LimitExceeded,
            detail: reason.to_string(),
            hint: "split the commit".to_owned(),
        }),
        (ObjectForm::Malformed(reason), _) => Some(Unreadable {
            code: Code::MalformedCommit,
            detail: format!("the commit has no single reading: {reason}"),
            hint: hint(reason, base),
        }),
        (ObjectForm::Canonical, Some(fault)) => {
            Some(Unreadable { code: Code::MalformedTree, detail: fault.clone(), hint: tree_hint() })
        }
        (ObjectForm::Canonical, None) => None,
    }
}

/// Both ways for a malformed commit: to make it again, with all that stand on `base`, or to exempt it.
fn hint(reason: &Malformed, base: Option<Oid>) -> String {
    let command = match reason {
        // Git carries the author over as it is, unless it is told to take another.
        Malformed::Ident("author") => rebase_each("git commit --amend --no-edit --reset-author", base),
        _ => {
            let base = base.map_or_else(|| "--root".to_owned(), |base| base.abbreviated());
            format!("git rebase --force-rebase --rebase-merges {base}")
        }
    };
    Hint::new().run("make it again", [command]).and(exempt()).text()
}

/// The same for a malformed tree.
fn tree_hint() -> String {
    let words = "make it again with git's own commands; git names the tree";
    Hint::new().run(words, ["git fsck".to_owned()]).and(exempt()).text()
}

/// The same for a commit in an encoding that nobody can read.
pub(super) fn encoding_hint(base: Option<Oid>) -> String {
    let again = rebase_each("git -c i18n.commitEncoding=UTF-8 commit --amend --no-edit", base);
    Hint::new().run("make it again in UTF-8", [again]).and(exempt()).text()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_names_the_commits_and_the_way_out() {
        let base = Oid::parse(b"3b18e512dba79e4c8300dd08aeb37f8e728b8dad");
        let told = hint(&Malformed::Nul, base);
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines[..2], ["make it again:", "git rebase --force-rebase --rebase-merges 3b18e512dba7"]);
        assert_eq!(lines[3..], ["countersign install --server REPO.git --policy FILE --baseline"]);
        assert!(hint(&Malformed::Nul, None).contains("--rebase-merges --root\n"));
        assert!(hint(&Malformed::Ident("author"), base).contains("--reset-author' 3b18e512dba7\n"));
    }

    #[test]
    fn a_commit_that_cannot_be_read_as_one_thing_is_refused_wherever_it_is_looked_at() {
        use crate::core::decide::story::*;
        let pushed = |proof, spoil: fn(&mut CommitFacts)| {
            Story::under(&rule("main", "identity = \"agents\"")).gains_made((proof, false), spoil).report()
        };
        insta::assert_snapshot!("malformed_commit", pushed(Proof::MalformedCommit, |_| {}));
        let odd_tree = |commit: &mut CommitFacts| {
            commit.tree_fault = Some("tree: an entry has a mode that git does not write".into())
        };
        insta::assert_snapshot!("malformed_tree", pushed(Proof::Seal(CLAUDE), odd_tree));
        insta::assert_snapshot!("sound", pushed(Proof::Seal(CLAUDE), |_| {}));
    }
}
