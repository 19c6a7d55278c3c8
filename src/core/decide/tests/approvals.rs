//! Approvals, over pushes and records made at random: one taken away never opens, and what none covers never rides along.

use super::*;
use crate::core::approval::ApprovedCommit;
use crate::core::canonical::{CanonicalOid, Time};
use crate::core::commit::{Wording, message_digest};
use crate::core::facts::*;
use crate::core::id::RepositoryName;
use crate::core::landing::{Content, Landing, MadeBy, MainlineStep, Use};

/// Which records there are: over which commits, by whom, and whether as they landed by id or before a rebase.
#[derive(Clone, Debug)]
struct StoredRecord {
    from: usize,
    to: usize,
    by: u8,
    rebased: bool,
    spent: bool,
    age: i64,
}

fn main_rule(count: usize) -> String {
    format!(
        "{}{}[rule.approvals]\ncount = {count}\nfrom = [\"bob\", \"carol\"]\nmax-age = \"2d\"\n",
        people(),
        rule("main", "identity = \"everyone\"\nforce-push = \"deny\"\ndelete = \"deny\"")
    )
}

/// A push of these agent's commits, in this order, each with a content of its own.
fn landing(commits: &[usize]) -> Landing {
    let content = |number: &usize| Content {
        change: Some(change(*number)),
        is_empty: false,
        message: message_digest(format!("Change {number}\n").as_bytes()),
        agents: ["claude-code".to_owned()].into(),
    };
    Landing {
        steps: commits
            .iter()
            .map(|number| MainlineStep {
                commit: oid(*number),
                change: Some(change(*number)),
                merge: None,
                wording: Wording::of(format!("Change {number}\n").as_bytes()),
                made_by: MadeBy::Somebody,
            })
            .collect(),
        new: commits.iter().map(|number| (oid(*number), content(number))).collect(),
        ..Landing::default()
    }
}

fn approval(record: &StoredRecord) -> ApprovalFact {
    let mut approval = approval_of(record.from..=record.to);
    approval.approver = if record.by == BOB { "bob" } else { "carol" }.into();
    approval.issued = Time(Timestamp(NOW.0 - record.age));
    if record.rebased {
        // Before a rebase the same work had other ids.
        let before = |commit: ApprovedCommit, number| ApprovedCommit { id: CanonicalOid(oid(number + 1000)), ..commit };
        approval.commits =
            approval.commits.into_iter().zip(record.from..).map(|(one, number)| before(one, number)).collect();
        approval.head = approval.commits[approval.commits.len() - 1].id;
    }
    stored(&approval, record.by, if record.spent { Use::LandedById } else { Use::Fresh })
}

/// The verdict on a push of commits to main with these records stored.
fn judge(count: usize, commits: &[usize], records: &[StoredRecord]) -> Outcome {
    let policy = policy(&main_rule(count));
    let judged: Vec<JudgedCommit> =
        commits.iter().map(|number| JudgedCommit { id: oid(*number), touched: None }).collect();
    let mut facts = facts(&policy, &[]);
    facts.commits = commits.iter().map(|number| (oid(*number), commit(*number, (Proof::Seal(CLAUDE), true)))).collect();
    // What was approved before a rebase is in the repository, too.
    let before: Vec<usize> =
        records.iter().flat_map(|record| record.from..=record.to).map(|number| number + 1000).collect();
    facts.commits.extend(before.into_iter().map(|number| (oid(number), commit(number, (Proof::Seal(CLAUDE), true)))));
    facts.repository = RepositoryName::parse(b"acme/payments");
    facts.approvals.insert(b"refs/heads/main".to_vec(), records.iter().map(approval).collect());
    let update = &mut facts.updates[0];
    update.landings = vec![landing(commits)];
    update.judged[0].commits.clone_from(&judged);
    update.judged[0].sought = Some(Sought { commits: judged, landing: 0 });
    decide(&policy, &facts, NOW).outcome()
}

fn records() -> impl Strategy<Value = Vec<StoredRecord>> {
    let one = (0_usize..5, 0_usize..5, prop::sample::select(vec![BOB, CAROL]), any::<bool>(), 0_u8..6, 0_i64..3);
    let one = one.prop_map(|(a, b, by, rebased, spent, days)| StoredRecord {
        from: a.min(b),
        to: a.max(b),
        by,
        rebased,
        spent: spent == 0,
        age: 60 + days * 80_000,
    });
    prop::collection::vec(one, 0..5)
}

#[test]
fn what_is_made_here_can_be_accepted() {
    let whole = |by, rebased| StoredRecord { from: 0, to: 3, by, rebased, spent: false, age: 60 };
    for rebased in [false, true] {
        assert_eq!(judge(1, &[0, 1, 2, 3], &[whole(BOB, rebased)]), Outcome::Accepted);
        assert_eq!(judge(2, &[0, 1, 2, 3], &[whole(BOB, rebased)]), Outcome::Rejected);
        assert_eq!(judge(2, &[0, 1, 2, 3], &[whole(BOB, rebased), whole(CAROL, !rebased)]), Outcome::Accepted);
        assert_eq!(judge(1, &[0, 1, 2], &[whole(BOB, rebased)]), Outcome::Rejected, "a part");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_approval_taken_away_never_opens(
        count in 1_usize..3, last in 0_usize..5, records in records(), gone in any::<prop::sample::Index>()
    ) {
        let commits: Vec<usize> = (0..=last).collect();
        if !records.is_empty() {
            let mut fewer = records.clone();
            fewer.remove(gone.index(records.len()));
            let (with, without) = (judge(count, &commits, &records), judge(count, &commits, &fewer));
            prop_assert!(with <= without, "{with:?} with all, {without:?} without one");
        }
        prop_assert_eq!(judge(count, &commits, &[]), Outcome::Rejected);
    }

    /// The records that cover everything come first, so that there is something to spoil.
    #[test]
    fn what_no_approval_covers_never_rides_along(
        last in 0_usize..5, rebased in any::<bool>(), more in records(), place in any::<prop::sample::Index>()
    ) {
        let mut commits: Vec<usize> = (0..=last).collect();
        let mut records = vec![StoredRecord { from: 0, to: last, by: BOB, rebased, spent: false, age: 60 }];
        records.extend(more);
        prop_assert_eq!(judge(1, &commits, &records), Outcome::Accepted);
        commits.insert(place.index(commits.len() + 1), 77);
        prop_assert_eq!(judge(1, &commits, &records), Outcome::Rejected);
    }
}
