//! Whether a record says the truth about the commits that it names.

use std::collections::{BTreeMap, BTreeSet};

use crate::core::approval::{Approval, ApprovedCommit};
use crate::core::digest::Digest;
use crate::core::facts::CommitFacts;
use crate::core::oid::Oid;

/// What can be found of the commits that a record names, asked for in the order of what it costs. Whoever signs a record can write into it
/// what they like; here it would say who made something.
pub struct Evidence<'a> {
    /// The commits that were examined.
    pub commits: &'a BTreeMap<Oid, CommitFacts>,
    /// Whether a record names the message of a commit by an older digest of it.
    pub had_older_digest: &'a dyn Fn(&ApprovedCommit) -> bool,
    /// The commits from the record's base to its head; `None` where they cannot be told.
    pub range: &'a dyn Fn() -> Option<BTreeSet<Oid>>,
    /// What they change together; `None` where it cannot be told.
    pub change: &'a dyn Fn() -> Option<Digest>,
}

impl Evidence<'_> {
    /// Whether the commits are what the record says of them. What cannot be read bears nothing out.
    pub fn bears_out(&self, approval: &Approval) -> bool {
        let is_as_said = |said: &ApprovedCommit| {
            let commit = self.commits.get(&said.id.0).filter(|commit| commit.change == Some(said.change.0));
            commit.is_some_and(|commit| commit.message == said.message.0 || (self.had_older_digest)(said))
        };
        let named = || approval.commits.iter().map(|commit| commit.id.0).collect::<BTreeSet<Oid>>();
        approval.commits.iter().all(is_as_said)
            && (self.range)() == Some(named())
            && (self.change)() == Some(approval.change.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::decide::story::{approval_of, oid, plain_commit};

    /// Two commits as `spoil` leaves them, under an approval that tells the truth of them.
    fn borne_out(
        spoil: impl FnOnce(&mut BTreeMap<Oid, CommitFacts>, &mut Option<BTreeSet<Oid>>, &mut Approval),
    ) -> bool {
        let mut approval = approval_of(0..=1);
        let mut commits = BTreeMap::new();
        for (number, said) in approval.commits.iter().enumerate() {
            let facts = CommitFacts { change: Some(said.change.0), message: said.message.0, ..plain_commit(number) };
            commits.insert(said.id.0, facts);
        }
        let mut range = Some(approval.commits.iter().map(|said| said.id.0).collect());
        let change = Some(approval.change.0);
        spoil(&mut commits, &mut range, &mut approval);
        let (range, change) = (|| range.clone(), || change);
        Evidence { commits: &commits, had_older_digest: &|_| false, range: &range, change: &change }
            .bears_out(&approval)
    }

    #[test]
    fn a_record_is_borne_out_by_all_or_not_at_all() {
        assert!(borne_out(|_, _, _| {}));
        let other = Digest::of(b"another");
        assert!(!borne_out(|commits, _, _| commits.values_mut().for_each(|one| one.change = Some(other))));
        assert!(!borne_out(|commits, _, _| commits.values_mut().for_each(|one| one.change = None)));
        assert!(!borne_out(|commits, _, _| commits.values_mut().for_each(|one| one.message = other)));
        assert!(!borne_out(|commits, _, _| drop(commits.pop_first())));
        assert!(!borne_out(|_, range, _| *range = None));
        assert!(!borne_out(|_, range, _| range.as_mut().unwrap().extend([oid(9)])));
        assert!(!borne_out(|_, _, approval| approval.change.0 = other));
        assert!(!borne_out(|_, _, approval| approval.commits.truncate(1)));
    }

    #[test]
    fn an_older_digest_of_the_message_is_as_good() {
        let approval = approval_of(0..=0);
        let said = approval.commits[0];
        let facts = CommitFacts { change: Some(said.change.0), message: Digest::of(b"newer"), ..plain_commit(0) };
        let commits = BTreeMap::from([(said.id.0, facts)]);
        let (range, change) = (|| Some(BTreeSet::from([said.id.0])), || Some(approval.change.0));
        for older in [true, false] {
            let had_older_digest = |_: &ApprovedCommit| older;
            let evidence =
                Evidence { commits: &commits, had_older_digest: &had_older_digest, range: &range, change: &change };
            assert_eq!(evidence.bears_out(&approval), older);
        }
    }
}
