//! What each requirement subtracts, and which commits a rule is about.

use super::*;
use crate::core::commit::Malformed;
use crate::core::decide::story::{plain_commit, policy};
use crate::core::facts::ObjectForm;
use crate::core::ssh::PrivateKey;

/// A policy of rules, each given by its refs and what it asks.
fn rules(rules: &[(&str, &str)]) -> Policy {
    let rule = |(number, (refs, more)): (usize, &(&str, &str))| {
        format!("[[rule]]\nname = \"r{number}\"\nrefs = [{refs}]\n{more}\n")
    };
    let text: String = rules.iter().enumerate().map(rule).collect();
    let bob = PrivateKey::from_seed(&[7; 32]).unwrap().public().to_line();
    policy(&format!("[people.bob]\nkeys = [\"{bob}\"]\n[paths]\nci = [\"ci/**\"]\nops = [\"ops/**\"]\n{text}"))
}

const MAIN: &str = "\"refs/heads/main\"";
const ALL: &str = "\"refs/heads/**\"";
const BUT_VENDOR: &str = "\"refs/heads/**\", \"!refs/heads/vendor/**\"";
const AGENTS: &str = "identity = \"agents\"";
const EVERYONE: &str = "identity = \"everyone\"";
const CI: &str = "paths = [\"ci\"]\nidentity = \"agents\"";
const BOTH: &str = "paths = [\"ci\", \"ops\"]\nidentity = \"agents\"";
const KEPT: &str = "force-push = \"deny\"\ndelete = \"deny\"\nidentity = \"agents\"";

/// Rule 0 is about main. Is the ref at hand judged by what it asks?
#[test]
fn a_ref_is_judged_where_a_rule_asks_at_least_as_much() {
    for (asked, other_refs, other, name, expected) in [
        // Another ref of the very rule, and one that it does not match.
        (AGENTS, MAIN, AGENTS, "refs/heads/main", true),
        (AGENTS, MAIN, AGENTS, "refs/heads/topic", false),
        // Under another rule that asks as much, more or less.
        (AGENTS, ALL, AGENTS, "refs/heads/topic", true),
        (AGENTS, ALL, EVERYONE, "refs/heads/topic", true),
        (EVERYONE, ALL, AGENTS, "refs/heads/topic", false),
        (AGENTS, ALL, "identity = \"agents\"\nmode = \"warn\"", "refs/heads/topic", false),
        (AGENTS, ALL, "identity = \"everyone\"\nmode = \"off\"", "refs/heads/topic", false),
        (AGENTS, ALL, "identity = \"agents\"\nservices = [\"forge\"]", "refs/heads/topic", false),
        (AGENTS, ALL, "identity = \"agents\"\nagents = [\"codex\"]", "refs/heads/topic", true),
        ("identity = \"agents\"\nagents = [\"codex\"]", ALL, AGENTS, "refs/heads/topic", false),
        // Where it is excluded, as a tag, and by another spelling.
        (AGENTS, BUT_VENDOR, AGENTS, "refs/heads/vendor/x", false),
        (AGENTS, BUT_VENDOR, AGENTS, "refs/heads/topic", true),
        (AGENTS, ALL, AGENTS, "refs/tags/v1", false),
        (AGENTS, ALL, AGENTS, "refs/Heads/topic", false),
        // A rule with paths judges no whole commit, and not what touches other paths.
        (AGENTS, ALL, CI, "refs/heads/topic", false),
        (CI, ALL, CI, "refs/heads/topic", true),
        (CI, ALL, BOTH, "refs/heads/topic", true),
        (BOTH, ALL, CI, "refs/heads/topic", false),
        (CI, ALL, AGENTS, "refs/heads/topic", true),
    ] {
        let policy = rules(&[(MAIN, asked), (other_refs, other)]);
        let judged = is_judged_at(&policy, &policy.rules()[0], Requirement::Identity, name.as_bytes());
        assert_eq!(judged, expected, "{asked} where {other_refs} asks {other}, at {name}");
    }
}

#[test]
fn who_approved_counts_only_where_somebody_was_asked() {
    let approvals = |count: usize| format!("{KEPT}\n[rule.approvals]\ncount = {count}\nfrom = [\"alice\", \"bob\"]");
    let path = |more: &str| format!("paths = [\"ci\"]\nidentity = \"agents\"\n{more}");
    let asked_path = path("[rule.approvals]\nfrom = [\"alice\", \"bob\"]");
    let (one, two) = (approvals(1), approvals(2));
    for (asked, other, identity, approved) in [
        (&one, KEPT, true, false),
        (&one, &one, true, true),
        (&one, &two, true, true),
        (&two, &one, true, false),
        (&asked_path, &asked_path, true, true),
        (&asked_path, &path(""), true, false),
        (&asked_path, &one, true, true),
        // Who may push what touches the paths is asked in the same way.
        (&path("submitters = [\"people\"]"), &path(""), true, false),
        (&path("submitters = [\"people\"]"), &path("submitters = [\"alice\"]"), true, true),
        (&path("submitters = [\"alice\"]"), &path("submitters = [\"people\"]"), true, false),
    ] {
        let policy = rules(&[(MAIN, asked), (ALL, other)]);
        let judged = |requirement| is_judged_at(&policy, &policy.rules()[0], requirement, b"refs/heads/topic");
        let found = (judged(Requirement::Identity), judged(Requirement::Approvals));
        assert_eq!(found, (identity, approved), "{asked} where all branches ask {other}");
    }
}

#[test]
fn approvals_of_a_whole_ref_that_is_there_subtract_no_other() {
    let policy = rules(&[(MAIN, AGENTS), (MAIN, CI)]);
    let [whole, path] = policy.rules() else { panic!("two rules") };
    let old = Some(plain_commit(0).id);
    for (rule, requirement, old, expected) in [
        (whole, Requirement::Identity, old, true),
        (whole, Requirement::Identity, None, true),
        (whole, Requirement::Approvals, old, false),
        (whole, Requirement::Approvals, None, true),
        (path, Requirement::Identity, old, true),
        (path, Requirement::Approvals, old, true),
        (path, Requirement::Approvals, None, true),
    ] {
        assert_eq!(subtracts_other_refs(rule, requirement, old), expected, "{} {requirement:?} {old:?}", rule.name);
    }
}

/// The commits that the rule at each position judges, with the path that makes them its business.
fn judged(policy: &Policy, commits: &BTreeMap<Oid, CommitFacts>, new: &[Oid]) -> Vec<Vec<(Oid, Option<String>)>> {
    let text = |path: Option<Vec<u8>>| path.map(|path| String::from_utf8(path).unwrap());
    let of = |(position, rule): (usize, &Rule)| {
        let found = judged_commits(rule, position, new.iter().copied(), commits);
        found.into_iter().map(|commit| (commit.id, text(commit.touched))).collect()
    };
    policy.rules().iter().enumerate().map(of).collect()
}

#[test]
fn a_rule_with_paths_is_about_what_touches_them_and_what_cannot_be_read() {
    let policy = rules(&[(MAIN, CI), (MAIN, AGENTS), (MAIN, BOTH), (MAIN, CI)]);
    let mut commits: Vec<CommitFacts> = (0..6).map(plain_commit).collect();
    // Paths go with the position of the rule, not with its like.
    commits[1].touched = vec![(0, b"ci/a".to_vec()), (2, b"ops/a".to_vec())];
    commits[2].touched = vec![(3, b"ci/b".to_vec())];
    commits[3].form = ObjectForm::Malformed(Malformed::Nul);
    // Whatever was found before it could not be read any more.
    commits[4].touched = vec![(0, b"ci/c".to_vec())];
    commits[4].tree_fault = Some("an entry has a mode that git does not write".to_owned());
    let ids: Vec<Oid> = commits.iter().map(|commit| commit.id).collect();
    let commits: BTreeMap<Oid, CommitFacts> = commits.into_iter().map(|commit| (commit.id, commit)).collect();
    let path = |number: usize, path: &str| (ids[number], Some(path.to_owned()));
    let whole = |number: usize| (ids[number], None);
    let unread = [whole(3), whole(4)];
    let found = judged(&policy, &commits, &ids);
    assert_eq!(found[0], [&[path(1, "ci/a")], &unread[..]].concat());
    assert_eq!(found[1], (0..6).map(whole).collect::<Vec<_>>());
    assert_eq!(found[2], [&[path(1, "ops/a")], &unread[..]].concat());
    assert_eq!(found[3], [&[path(2, "ci/b")], &unread[..]].concat());
    // What is not known is looked at by all, where it is refused as not examined; and nothing but what is new is.
    let unknown = plain_commit(9).id;
    for found in judged(&policy, &commits, &[ids[0], unknown]) {
        assert!(found.contains(&(unknown, None)), "{found:?}");
    }
    assert!(judged(&policy, &commits, &[]).iter().all(Vec::is_empty));
}

/// A ref has the rules of every name that leads to it, and of rules that are off none.
#[test]
fn a_ref_has_the_rules_of_all_its_names() {
    let off = "identity = \"agents\"\nmode = \"off\"";
    let policy = rules(&[(MAIN, AGENTS), ("\"refs/heads/release\"", AGENTS), (ALL, off)]);
    let of = |names: &[&str]| rules_for(&policy, &names.iter().map(|name| name.as_bytes()).collect::<Vec<_>>());
    assert_eq!(of(&["refs/heads/main"]), [0]);
    assert_eq!(of(&["refs/heads/topic"]), [0_usize; 0]);
    assert_eq!(of(&["refs/heads/topic", "refs/heads/release", "refs/heads/main"]), [0, 1]);
    // Where to look for such names: wherever a rule in force may be met that the ref's own name does not match.
    let places = |name: &str| symbolic_places(&policy, name.as_bytes()).into_iter().collect::<Vec<_>>();
    assert_eq!(places("refs/heads/main"), ["refs/heads/release"]);
    assert_eq!(places("refs/heads/topic"), ["refs/heads/main", "refs/heads/release"]);
}
