//! What holds whatever the rules, commits and approvals are.

mod approvals;
mod histories;

use proptest::prelude::*;

use super::story::*;
use super::*;
use crate::core::facts::JudgedCommit;

fn outcome(rules: &str, commits: &[(Proof, bool)]) -> Outcome {
    let policy = policy(rules);
    decide(&policy, &facts(&policy, commits), NOW).outcome()
}

#[test]
fn modes_weigh_findings() {
    for (mode, severity, expected) in [
        ("enforce", Severity::Error, Outcome::Rejected),
        ("warn", Severity::Warning, Outcome::Accepted),
        ("observe", Severity::Observed, Outcome::Accepted),
    ] {
        let policy = policy(&rule("r", &format!("mode = \"{mode}\"\nidentity = \"agents\"")));
        let verdict = decide(&policy, &facts(&policy, &[(Proof::Nothing, true)]), NOW);
        assert_eq!((verdict.refs[0].findings[0].severity, verdict.outcome()), (severity, expected), "{mode}");
    }
}

#[test]
fn what_is_not_known_is_never_nothing() {
    let policy = policy(&rule("r", "identity = \"agents\""));
    let mut missing = facts(&policy, &[(Proof::Seal(CLAUDE), true)]);
    missing.commits.clear();
    assert_eq!(decide(&policy, &missing, NOW).outcome(), Outcome::Undecided);
    let mut doubtful = facts(&policy, &[]);
    doubtful.updates[0].judged[0].doubt = Some(Doubt::Unreadable("gone".into()));
    assert_eq!(decide(&policy, &doubtful, NOW).outcome(), Outcome::Undecided);
    doubtful.updates[0].judged[0].doubt = Some(Doubt::Limit("too many".into()));
    assert_eq!(decide(&policy, &doubtful, NOW).outcome(), Outcome::Undecided);
}

fn proof() -> impl Strategy<Value = Proof> {
    let seed = || ALICE..=STRANGER;
    prop_oneof![
        Just(Proof::Nothing),
        seed().prop_map(Proof::Seal),
        seed().prop_map(Proof::StaleSeal),
        seed().prop_map(Proof::BadSeal),
        seed().prop_map(Proof::Signature),
        Just(Proof::BadSignature),
        seed().prop_map(Proof::BrokenSignature),
        seed().prop_map(Proof::Adopted),
        Just(Proof::MalformedTrailers),
        Just(Proof::MalformedCommit),
    ]
}

fn rules() -> impl Strategy<Value = Vec<String>> {
    let more = prop_oneof![
        Just("identity = \"agents\""),
        Just("identity = \"everyone\""),
        Just("identity = \"agents\"\nagents = [\"codex\"]"),
        Just("identity = \"everyone\"\nadopted = \"deny\""),
        Just("identity = \"agents\"\nmode = \"warn\""),
        Just("identity = \"everyone\"\nmode = \"observe\""),
        Just("identity = \"agents\"\nmarks = \"any\""),
        Just("identity = \"everyone\"\nservices = [\"forge\"]"),
        Just(""),
    ];
    proptest::collection::vec(more, 1..4).prop_map(|rules| {
        rules.into_iter().enumerate().map(|(number, more)| rule(&format!("r{number}"), more)).collect()
    })
}

fn commits() -> impl Strategy<Value = Vec<(Proof, bool)>> {
    proptest::collection::vec((proof(), any::<bool>()), 0..5)
}

/// Findings without the lines of their rules.
fn essence(verdict: &Verdict) -> Vec<(Code, Severity, Vec<String>, String)> {
    let findings = verdict.refs.iter().flat_map(|one| &one.findings);
    let names = |finding: &Finding| {
        let mut names: Vec<String> = finding.rules.iter().map(|rule| rule.name.clone()).collect();
        names.sort();
        names
    };
    let mut essence: Vec<_> = findings
        .map(|finding| (finding.code, finding.severity, names(finding), format!("{:?}", finding.subject)))
        .collect();
    essence.sort();
    essence
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_order_matters(rules in rules(), commits in commits()) {
        let (forward, backward) = (policy(&rules.concat()), policy(&rules.iter().rev().cloned().collect::<String>()));
        let mut turned = facts(&backward, &commits);
        turned.updates.reverse();
        for update in &mut turned.updates {
            update.judged.reverse();
            update.judged.iter_mut().for_each(|judged| judged.commits.reverse());
        }
        let one = decide(&forward, &facts(&forward, &commits), NOW);
        let other = decide(&backward, &turned, NOW);
        prop_assert_eq!(essence(&one), essence(&other));
        prop_assert_eq!(one.outcome(), other.outcome());
    }

    #[test]
    fn under_everyone_a_proof_taken_away_or_a_commit_added_is_refused(
        more in rules(), commits in commits(), place in any::<prop::sample::Index>()
    ) {
        let rules = rule("all", "identity = \"everyone\"") + &more.concat();
        let mut added = commits.clone();
        added.insert(place.index(commits.len() + 1), (Proof::Nothing, false));
        prop_assert_eq!(outcome(&rules, &added), Outcome::Rejected);
        if !commits.is_empty() {
            let mut stripped = commits;
            let place = place.index(stripped.len());
            stripped[place].0 = Proof::Nothing;
            prop_assert_eq!(outcome(&rules, &stripped), Outcome::Rejected);
        }
    }

    #[test]
    fn a_marked_commit_without_its_proof_is_refused(more in rules(), commits in commits()) {
        let rules = rule("all", "identity = \"agents\"") + &more.concat();
        let stripped: Vec<_> = commits.iter().map(|_| (Proof::Nothing, true)).collect();
        prop_assert_eq!(outcome(&rules, &stripped) == Outcome::Rejected, !commits.is_empty());
    }

    #[test]
    fn some_at_a_time_is_all_at_once(
        rules in rules(), commits in proptest::collection::vec((proof(), any::<bool>()), 6), size in 2_usize..=3
    ) {
        let policy = policy(&rules.concat());
        let mut facts = facts(&policy, &commits);
        let whole = decide(&policy, &facts, NOW);
        let known = std::mem::take(&mut facts.commits);
        let all: Vec<Vec<JudgedCommit>> =
            facts.updates[0].judged.iter_mut().map(|judged| std::mem::take(&mut judged.commits)).collect();
        let mut update = facts.updates.remove(0);
        let mut verdicts = Verdicts::of(1);
        let mut begun = verdicts.begin();
        begun.pass();
        let mut known: Vec<_> = known.into_iter().collect();
        known.sort_by_key(|(_, commit)| commit.position);
        for start in (0..commits.len()).step_by(size) {
            facts.commits = known.drain(..size).collect();
            for (judged, all) in update.judged.iter_mut().zip(&all) {
                judged.commits = all[start..start + size].to_vec();
            }
            begun.judge(&UpdateContext { policy: &policy, facts: &facts, update: &update, now: NOW });
            update.judged.iter_mut().for_each(|judged| judged.commits.clear());
            facts.commits.clear();
        }
        prop_assert_eq!(begun.told().is_empty(), whole.refs[0].findings.is_empty());
        verdicts.judge(&UpdateContext { policy: &policy, facts: &facts, update: &update, now: NOW }, Some(begun));
        prop_assert_eq!(verdicts.finish(), whole);
    }

    #[test]
    fn another_rule_never_opens(rules in rules(), more in rules(), commits in commits()) {
        let renamed: String = more.concat().replace("name = \"r", "name = \"more");
        let (before, after) = (outcome(&rules.concat(), &commits), outcome(&(rules.concat() + &renamed), &commits));
        prop_assert!(after >= before, "{:?} then {:?}", before, after);
    }
}
