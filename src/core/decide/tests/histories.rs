//! Pushes whose history holds merges, squashes and rebases, under rules about refs and about paths: whatever is known less, unreadable,
//! withdrawn or asked besides, never accepts more.

use std::collections::BTreeSet;

use super::*;
use crate::core::approval::{Approval, ApprovedCommit, Decision};
use crate::core::canonical::{CanonicalOid, Sha256, Time};
use crate::core::commit::{Malformed, Wording, message_digest};
use crate::core::digest::Digest;
use crate::core::facts::*;
use crate::core::id::RepositoryName;
use crate::core::landing::{Brought, Content, Landing, MadeBy, MainlineStep, Use};
use crate::core::oid::Oid;
use crate::core::policy::Identity;
use crate::core::scope::judged_commits;
use crate::core::submitter::{Said, Submitter, Via, Who};

/// Commits of the branch that approvals are about, by their numbers from 0.
const BRANCH: usize = 4;

/// One step of what main gains.
#[derive(Clone, Debug)]
enum Gained {
    /// A commit of the branch as it is.
    Own(usize),
    /// A commit that no record is about.
    Other { by: Proof, marked: bool },
    /// A commit of the branch once more, with this below its message.
    Rebased { of: usize, by: Proof, below: &'static str },
    /// Commits of the branch as one.
    Squashed { from: usize, to: usize, by: Proof },
    /// A merge that brings commits of the branch, known to be nothing but that or not, and doing what was approved or something else.
    Merged { from: usize, to: usize, by: Proof, is_clean: bool, is_as_approved: bool },
}

/// What becomes of a commit that cannot be read.
#[derive(Clone, Copy, Debug)]
enum Broken {
    Commit,
    Tree,
}

/// A push to main.
#[derive(Clone, Debug)]
struct PushedHistory {
    gained: Vec<Gained>,
    /// Who made each commit of the branch.
    makers: Vec<Proof>,
    /// Which commits touch the guarded paths: a bit for each, by the last digit of its number.
    touching: u16,
    /// Which commits some other ref has been judged for, as to who made them.
    judged: u16,
    /// Whether the branch is in the repository.
    is_stored: bool,
    submitter: Option<u8>,
    broken: Option<(prop::sample::Index, Broken)>,
}

#[derive(Clone, Debug)]
struct HistoryRecord {
    from: usize,
    to: usize,
    by: u8,
    used: Use,
    age: i64,
    withdrawn: bool,
    /// Whether what it says of its commits is true, as far as anybody can tell.
    is_borne_out: bool,
}

fn bit(mask: u16, number: usize) -> bool {
    mask >> (number % 16) & 1 == 1
}

fn combined(from: usize, to: usize) -> Digest {
    if from == to { change(from) } else { Digest::of(format!("changes {from} to {to}").as_bytes()) }
}

fn message(number: usize) -> String {
    format!("Change {number}\n")
}

/// A new commit: its number, what it does, and what it says.
struct Made {
    number: usize,
    change: Digest,
    message: String,
    by: Proof,
    marked: bool,
}

impl PushedHistory {
    fn branch(&self, number: usize) -> Made {
        let by = self.makers[number];
        Made { number, change: change(number), message: message(number), by, marked: by != Proof::Signature(ALICE) }
    }

    /// All new commits, each after what it stands on, and the steps of main.
    fn play(&self) -> (Vec<Made>, Vec<MainlineStep>) {
        let (mut new, mut steps): (Vec<Made>, Vec<MainlineStep>) = (Vec::new(), Vec::new());
        for (place, gained) in self.gained.iter().enumerate() {
            let number = 100 + place;
            let (made, merge) = match gained {
                Gained::Own(of) => (self.branch(*of), None),
                Gained::Other { by, marked } => {
                    let (change, message) = (change(number), message(number));
                    (Made { number, change, message, by: *by, marked: *marked }, None)
                }
                Gained::Rebased { of, by, below } => {
                    let message = format!("{}{below}", message(*of));
                    (Made { number, change: change(*of), message, by: *by, marked: false }, None)
                }
                Gained::Squashed { from, to, by } => {
                    let message = if from == to { message(*from) } else { "All at once\n".to_owned() };
                    (Made { number, change: combined(*from, *to), message, by: *by, marked: false }, None)
                }
                Gained::Merged { from, to, by, is_clean, is_as_approved } => {
                    let known: BTreeSet<usize> = new.iter().map(|made| made.number).collect();
                    let brought: Vec<usize> = (*from..=*to).filter(|number| !known.contains(number)).collect();
                    new.extend(brought.iter().map(|number| self.branch(*number)));
                    let change = if *is_as_approved { combined(*from, *to) } else { change(number) };
                    let commits = brought.into_iter().map(oid).collect();
                    let brought = Brought { commits, is_clean: *is_clean };
                    (Made { number, change, message: "Merge\n".to_owned(), by: *by, marked: false }, Some(brought))
                }
            };
            if new.iter().any(|other| other.number == made.number) {
                continue;
            }
            let service = made.by == Proof::Signature(FORGE);
            steps.push(MainlineStep {
                commit: oid(made.number),
                change: Some(made.change),
                merge,
                wording: Wording::of(made.message.as_bytes()),
                made_by: if service { MadeBy::Service } else { MadeBy::Somebody },
            });
            new.push(made);
        }
        (new, steps)
    }

    /// One commit, as gathering finds it.
    fn commit(&self, policy: &Policy, made: &Made, broken: Option<Broken>) -> CommitFacts {
        let mut facts = commit(made.number, (made.by, made.marked));
        facts.change = Some(made.change);
        facts.message = message_digest(made.message.as_bytes());
        let rules = policy.rules().iter().enumerate().filter(|(_, rule)| rule.is_path_rule());
        if bit(self.touching, made.number) {
            facts.touched = rules.map(|(position, _)| (position, b"ci/build.yml".to_vec())).collect();
        }
        match broken {
            None => {}
            // Nothing is read of it.
            Some(Broken::Commit) => {
                facts = CommitFacts {
                    change: None,
                    message: Digest::of(b""),
                    ..commit(made.number, (Proof::Nothing, false))
                };
                facts.author = Default::default();
                facts.committer = Default::default();
                facts.form = ObjectForm::Malformed(Malformed::Nul);
            }
            // Without a change no seal can be held against it.
            Some(Broken::Tree) => {
                (facts.change, facts.touched) = (None, Vec::new());
                facts.seals = facts.seals.map(|_| Vec::new());
                facts.tree_fault = Some("tree: an entry has a mode that git does not write".to_owned());
            }
        }
        facts
    }

    /// All that is known of the push under this policy.
    fn facts(&self, policy: &Policy, records: &[HistoryRecord]) -> Facts {
        let (new, mut steps) = self.play();
        let broken = self.broken.as_ref().filter(|_| !new.is_empty());
        let broken = broken.map(|(index, how)| (new[index.index(new.len())].number, *how));
        let how = |number: usize| broken.filter(|(broken, _)| *broken == number).map(|(_, how)| how);
        let mut facts = facts(policy, &[]);
        if let Some((number, _)) = broken {
            steps.iter_mut().filter(|step| step.commit == oid(number)).for_each(|step| step.change = None);
        }
        let stored = (0..BRANCH).filter(|_| self.is_stored).map(|number| self.branch(number));
        facts.commits = stored.map(|made| (oid(made.number), self.commit(policy, &made, how(made.number)))).collect();
        facts.commits.extend(new.iter().map(|made| (oid(made.number), self.commit(policy, made, how(made.number)))));
        let content = |made: &Made| {
            let commit = &facts.commits[&oid(made.number)];
            let sealed = commit.seals.iter().flatten().map(|seal| seal.agent.to_string());
            let holder = commit.signature.claimed_holder(policy);
            let signer = holder
                .filter(|one| one.kind == PrincipalKind::Agent && matches!(commit.signature, SignatureFact::Good(_)));
            let agents = sealed.chain(signer.map(|signer| signer.id.to_string())).collect();
            Content { change: commit.change, is_empty: false, message: commit.message, agents }
        };
        let landing = Landing {
            new: new.iter().map(|made| (oid(made.number), content(made))).collect(),
            approved: (0..BRANCH)
                .filter(|number| facts.commits.contains_key(&oid(*number)))
                .map(|number| (oid(number), Wording::of(message(number).as_bytes())))
                .collect(),
            steps,
            ..Landing::default()
        };
        facts.repository = RepositoryName::parse(b"acme/payments");
        facts.submitter = self.submitter.map_or(Submitter::Unnamed, |seed| {
            Submitter::Said(Said { who: Who::Key(key(seed).public().clone()), via: Via::Push })
        });
        facts.approvals.insert(b"refs/heads/main".to_vec(), records.iter().map(|one| self.record(one)).collect());
        let ids: Vec<Oid> = new.iter().map(|made| oid(made.number)).collect();
        let unknown = new.iter().filter(|made| !bit(self.judged, made.number)).map(|made| oid(made.number));
        let unknown: Vec<Oid> = unknown.collect();
        let carries = new.iter().any(|made| made.by == Proof::Signature(FORGE));
        let judged = |(position, rule): (usize, &Rule)| {
            let mut judged = Judged::nothing(position);
            if rule.identity != Identity::None || rule.restricts_agents() {
                judged.commits = judged_commits(rule, position, unknown.iter().copied(), &facts.commits);
                judged.sought = carries.then_some(Sought { commits: Vec::new(), landing: 0 });
            }
            if rule.approvals.is_some() || (rule.submitters.is_some() && rule.is_path_rule()) {
                let commits = judged_commits(rule, position, ids.iter().copied(), &facts.commits);
                judged.sought = Some(Sought { commits, landing: 0 });
            }
            judged
        };
        let judged = policy.rules().iter().enumerate().map(judged).collect();
        let update = &mut facts.updates[0];
        (update.judged, update.landings) = (judged, vec![landing]);
        facts
    }

    fn record(&self, record: &HistoryRecord) -> ApprovalFact {
        let approved = |number: usize| ApprovedCommit {
            id: CanonicalOid(oid(number)),
            change: Sha256(change(number)),
            message: Sha256(message_digest(message(number).as_bytes())),
        };
        let commits: Vec<ApprovedCommit> = (record.from..=record.to).map(approved).collect();
        let approver = if record.by == BOB { "bob" } else { "carol" };
        let combined = combined(record.from, record.to);
        let approval = Approval {
            decision: if record.withdrawn { Decision::Withdraw } else { Decision::Approve },
            repository: "acme/payments".into(),
            name: "refs/heads/main".into(),
            base: None,
            head: commits[commits.len() - 1].id,
            change: Sha256(combined),
            commits,
            agents: vec!["claude-code".into(), "codex".into()],
            approver: approver.into(),
            attested: None,
            issued: Time(Timestamp(NOW.0 - record.age)),
            expires: Time(Timestamp(NOW.0 + 86_400)),
            policy: Sha256(Digest::of(b"policy")),
            comment: None,
        };
        let is_borne_out = record.is_borne_out && self.is_stored;
        ApprovalFact { is_borne_out, ..stored(&approval, record.by, record.used) }
    }
}

fn by() -> impl Strategy<Value = Proof> {
    prop_oneof![
        3 => Just(Proof::Seal(CLAUDE)),
        2 => Just(Proof::Signature(ALICE)),
        1 => Just(Proof::Signature(BOB)),
        1 => Just(Proof::Signature(FORGE)),
        1 => Just(Proof::Signature(CODEX)),
        1 => Just(Proof::Adopted(ALICE)),
        1 => Just(Proof::Nothing),
    ]
}

fn range() -> impl Strategy<Value = (usize, usize)> {
    (0..BRANCH, 0..BRANCH).prop_map(|(a, b)| (a.min(b), a.max(b)))
}

fn gained() -> impl Strategy<Value = Gained> {
    let below =
        prop::sample::select(vec!["", "\nSigned-off-by: A <a@x>\n", "\nReviewed-by: A <a@x>\n", "\nCloses: #1\n"]);
    prop_oneof![
        2 => (0..BRANCH).prop_map(Gained::Own),
        1 => (by(), any::<bool>()).prop_map(|(by, marked)| Gained::Other { by, marked }),
        2 => (0..BRANCH, by(), below).prop_map(|(of, by, below)| Gained::Rebased { of, by, below }),
        2 => (range(), by()).prop_map(|((from, to), by)| Gained::Squashed { from, to, by }),
        2 => (range(), by(), any::<bool>(), any::<bool>()).prop_map(|((from, to), by, is_clean, is_as_approved)| {
            Gained::Merged { from, to, by, is_clean, is_as_approved }
        }),
    ]
}

fn story() -> impl Strategy<Value = PushedHistory> {
    let maker =
        prop::sample::select(vec![Proof::Seal(CLAUDE), Proof::Seal(CLAUDE), Proof::Signature(ALICE), Proof::Nothing]);
    let judged = prop_oneof![3 => Just(0), 1 => any::<u16>()];
    let submitter = prop::option::of(prop::sample::select(vec![ALICE, BOB, CLAUDE]));
    let makers = prop::collection::vec(maker, BRANCH);
    (prop::collection::vec(gained(), 1..4), makers, any::<u16>(), judged, any::<bool>(), submitter).prop_map(
        |(gained, makers, touching, judged, is_stored, submitter)| PushedHistory {
            gained,
            makers,
            touching,
            judged,
            is_stored,
            submitter,
            broken: None,
        },
    )
}

fn record() -> impl Strategy<Value = HistoryRecord> {
    let used = prop_oneof![4 => Just(Use::Fresh), 1 => Just(Use::LandedById), 1 => Just(Use::LandedByContent)];
    let by = prop::sample::select(vec![BOB, CAROL]);
    (range(), by, used, 0_i64..4, prop::bool::weighted(0.2), any::<bool>()).prop_map(
        |((from, to), by, used, days, withdrawn, is_borne_out)| HistoryRecord {
            from,
            to,
            by,
            used,
            age: 60 + days * 60_000,
            withdrawn,
            is_borne_out,
        },
    )
}

fn records() -> impl Strategy<Value = Vec<HistoryRecord>> {
    prop::collection::vec(record(), 0..5)
}

/// What a rule asks, be it about refs or about paths.
const ASKED: [&str; 9] = [
    "identity = \"agents\"",
    "identity = \"everyone\"",
    "identity = \"agents\"\nagents = [\"codex\"]",
    "agents = []",
    "identity = \"everyone\"\nadopted = \"deny\"",
    "identity = \"everyone\"\nservices = [\"forge\"]",
    "submitters = [\"people\"]",
    "identity = \"agents\"\nmode = \"warn\"",
    "identity = \"everyone\"\nmode = \"observe\"",
];

/// What it asks of the approvals that it asks for.
const APPROVED: [&str; 4] = ["", "max-age = \"2d\"", "count = 2", "independent = true"];

fn asked(keys: &'static str) -> impl Strategy<Value = String> {
    let approved = prop::option::weighted(0.7, (prop::sample::select(APPROVED.to_vec()), any::<bool>()));
    (prop::sample::select(ASKED.to_vec()), approved).prop_map(move |(asked, approved)| {
        let Some((more, everyone)) = approved else { return format!("{keys}{asked}\n") };
        // Approvals of agents' work are of no use where no rule asks whose work it is.
        let whose = if everyone || !asked.contains("identity") { "everyone" } else { "agents" };
        let approvals = "[rule.approvals]\nfrom = [\"bob\", \"carol\"]";
        format!("{keys}{asked}\n{approvals}\nfor = \"{whose}\"\n{more}\n")
    })
}

fn path_rule() -> impl Strategy<Value = String> {
    asked("paths = [\"ci/**\"]\n")
}

fn any_rules() -> impl Strategy<Value = Vec<String>> {
    let one = prop_oneof![2 => asked("force-push = \"deny\"\ndelete = \"deny\"\n"), 1 => path_rule()];
    prop::collection::vec(one, 1..4)
}

/// A policy of these rules, each under a name of its own.
fn policy_of<'r>(rules: impl IntoIterator<Item = &'r String>) -> Policy {
    let rules = rules.into_iter().enumerate().map(|(number, keys)| rule(&format!("r{number}"), keys));
    policy(&(people() + &rules.collect::<String>()))
}

fn verdict(rules: &[String], story: &PushedHistory, records: &[HistoryRecord]) -> Verdict {
    let policy = policy_of(rules);
    decide(&policy, &story.facts(&policy, records), NOW)
}

/// All of the branch in each way in, approved by Bob, accepted; and without him refused.
#[test]
fn what_is_made_here_can_be_accepted() {
    let rules =
        ["force-push = \"deny\"\ndelete = \"deny\"\nidentity = \"agents\"\n[rule.approvals]\nfrom = [\"bob\", \"carol\"]\nfor = \"everyone\"\n".to_owned()];
    let seal = Proof::Seal(CLAUDE);
    let (from, to) = (0, BRANCH - 1);
    let rebased = |of: usize| Gained::Rebased { of, by: seal, below: "\nSigned-off-by: A <a@x>\n" };
    for gained in [
        (0..BRANCH).map(Gained::Own).collect(),
        (0..BRANCH).map(rebased).collect(),
        vec![Gained::Squashed { from, to, by: seal }],
        vec![Gained::Squashed { from, to, by: Proof::Signature(FORGE) }],
        vec![Gained::Merged { from, to, by: seal, is_clean: true, is_as_approved: false }],
        vec![Gained::Merged { from, to, by: seal, is_clean: false, is_as_approved: true }],
    ] {
        let story = PushedHistory {
            gained,
            makers: vec![seal; BRANCH],
            touching: 0,
            judged: 0,
            is_stored: true,
            submitter: None,
            broken: None,
        };
        let bob = HistoryRecord { from, to, by: BOB, used: Use::Fresh, age: 60, withdrawn: false, is_borne_out: true };
        let accepted = verdict(&rules, &story, std::slice::from_ref(&bob));
        assert_eq!(accepted.outcome(), Outcome::Accepted, "{story:?}: {accepted:?}");
        assert_eq!(verdict(&rules, &story, &[]).outcome(), Outcome::Rejected, "{story:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_cannot_be_read_never_accepts_more(
        rules in any_rules(), story in story(), records in records(), place in any::<prop::sample::Index>(), tree in any::<bool>()
    ) {
        let before = verdict(&rules, &story, &records);
        let how = if tree { Broken::Tree } else { Broken::Commit };
        let after = verdict(&rules, &PushedHistory { broken: Some((place, how)), ..story }, &records);
        prop_assert!(after.outcome() >= before.outcome(), "{before:?}\nthen {after:?}");
    }

    #[test]
    fn a_tag_that_cannot_be_read_never_accepts_more(rules in any_rules(), story in story(), records in records()) {
        let policy = policy_of(&rules);
        let mut facts = story.facts(&policy, &records);
        facts.updates[0].tags = vec![oid(900)];
        let tag = |form| TagFacts { id: oid(900), name: b"v1".to_vec(), form, signature: signature_by(ALICE), marks: Vec::new() };
        facts.tags.insert(oid(900), tag(ObjectForm::Canonical));
        let before = decide(&policy, &facts, NOW);
        facts.tags.insert(oid(900), TagFacts { signature: SignatureFact::None, ..tag(ObjectForm::Malformed(Malformed::Nul)) });
        let update = &mut facts.updates[0];
        update.target = RefTarget::Unattributed(MALFORMED_TAG);
        update.judged = (0..policy.rules().len()).map(Judged::nothing).collect();
        let after = decide(&policy, &facts, NOW);
        prop_assert!(after.outcome() >= before.outcome(), "{before:?}\nthen {after:?}");
    }

    #[test]
    fn a_path_rule_beside_others_never_accepts_more(
        rules in any_rules(), more in path_rule(), story in story(), records in records(), place in any::<prop::sample::Index>()
    ) {
        let before = verdict(&rules, &story, &records);
        let mut with = rules;
        with.insert(place.index(with.len() + 1), more);
        let after = verdict(&with, &story, &records);
        prop_assert!(after.outcome() >= before.outcome(), "{before:?}\nthen {after:?}");
    }

    /// But for telling whose work it is: what nobody approved, nobody knows.
    #[test]
    fn an_approval_taken_away_never_accepts_more(
        rules in any_rules(), story in story(), records in records(), place in any::<prop::sample::Index>()
    ) {
        let mut fewer = records.clone();
        if !fewer.is_empty() {
            let gone = fewer.remove(place.index(records.len()));
            prop_assume!(!gone.withdrawn);
        }
        let (mut before, after) = (verdict(&rules, &story, &records), verdict(&rules, &story, &fewer));
        let tells = |finding: &Finding| finding.detail.starts_with("it lands the approved work of");
        before.refs[0].findings.retain(|finding| !tells(finding));
        prop_assert!(after.outcome() >= before.outcome(), "{before:?}\nthen {after:?}");
    }

    #[test]
    fn a_withdrawal_never_accepts_more(
        rules in any_rules(), story in story(), records in records(), more in record(), place in any::<prop::sample::Index>()
    ) {
        let mut with = records.clone();
        with.insert(place.index(with.len() + 1), HistoryRecord { withdrawn: true, ..more.clone() });
        let (before, after) = (verdict(&rules, &story, &records), verdict(&rules, &story, &with));
        prop_assert!(after.outcome() >= before.outcome(), "{before:?}\nthen {after:?}");
        // And in the place of what it withdraws.
        if let Some(index) = records.iter().position(|record| !record.withdrawn) {
            let mut instead = records.clone();
            instead[index].withdrawn = true;
            let after = verdict(&rules, &story, &instead);
            prop_assert!(after.outcome() >= before.outcome(), "{before:?}\nthen {after:?}");
        }
    }
}
