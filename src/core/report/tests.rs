//! Reports of whole pushes, in each of the two forms and for each who reads them.

use super::*;
use crate::core::decide::Verdict;
use crate::core::decide::story::*;
use crate::core::facts::Doubt;

const AGENTS: &str = "identity = \"agents\"";
const UNSEALED: Work = (Proof::Nothing, true);

fn refused() -> Story {
    Story::under(&rule("main", AGENTS)).gains(UNSEALED)
}

#[test]
fn what_is_accepted_is_accepted_in_silence() {
    insta::assert_snapshot!(
        "accepted",
        Story::under(&rule("main", AGENTS)).gains((Proof::Seal(CLAUDE), true)).report()
    );
}

/// The pusher is told what was decided, the one who asks beforehand what would be, and the one who is about to push what may be missing.
#[test]
fn each_reader_is_told_what_it_means_for_them() {
    let told = |verdict: &Verdict| {
        let each = [Audience::Pusher, Audience::Checker, Audience::Client];
        each.map(|reader| format!("{reader:?}\n{}", text(verdict, reader, Characters::Ascii))).join("\n")
    };
    insta::assert_snapshot!("readers_of_a_refusal", told(&refused().verdict()));
    insta::assert_snapshot!("readers_of_nothing", told(&Story::under(&rule("main", "")).gains(UNSEALED).verdict()));
}

#[test]
fn a_mode_says_how_a_finding_is_told() {
    for mode in ["enforce", "warn", "observe"] {
        let story = Story::under(&rule("main", &format!("mode = \"{mode}\"\n{AGENTS}"))).gains(UNSEALED);
        insta::assert_snapshot!(format!("mode_{mode}"), story.report());
    }
}

#[test]
fn what_several_rules_find_alike_is_told_once() {
    let rules = [rule("one", AGENTS), rule("two", AGENTS), rule("three", AGENTS)].concat();
    insta::assert_snapshot!("three_rules", Story::under(&rules).gains(UNSEALED).report());
}

#[test]
fn of_many_findings_ten_are_told_and_the_rest_counted() {
    let many = |count: usize| (0..count).fold(Story::under(&rule("main", AGENTS)), |story, _| story.gains(UNSEALED));
    let said = |story: Story| text(&story.verdict(), Audience::Pusher, Characters::Ascii);
    insta::assert_snapshot!("ten_findings", said(many(10)));
    insta::assert_snapshot!("twelve_findings", said(many(12)));
}

#[test]
fn what_cannot_be_decided_is_no_verdict() {
    let doubted = |doubt| refused().moves(|update| update.doubt = Some(doubt)).report();
    insta::assert_snapshot!("unreadable", doubted(Doubt::Unreadable("object 1234 is missing".to_owned())));
    insta::assert_snapshot!("over_a_limit", doubted(Doubt::Limit("more than 15000 commits are new".to_owned())));
}

/// A report goes to terminals, logs and models: no byte of it moves a cursor, ends a line or reorders text.
#[test]
fn hostile_bytes_are_told_as_what_they_are() {
    let named = |summary: &str, name: &str| {
        let story = Story::under(&rule("main", AGENTS)).gains_made(UNSEALED, |commit| commit.summary = summary.into());
        story.moves(|update| update.name = name.as_bytes().into()).report()
    };
    let hostile = named("\u{1b}[2J fine\nerror: [x] \u{202e}gnp", "refs/heads/\u{1b}]0;x\u{7}`$(reboot)`");
    insta::assert_snapshot!("hostile_bytes", hostile);
    insta::assert_snapshot!("plain_bytes", named("Fine", "refs/heads/fine"));
}

/// What CI systems show of a verdict, of hostile bytes too.
#[test]
fn each_ci_system_is_told_in_its_own_format() {
    let name = "refs/heads/a,b:c%0A::warning::x";
    let two = Story::under(&(rule("main", AGENTS) + &rule("soft", "mode = \"warn\"\nidentity = \"everyone\"")));
    let story = two
        .gains_made(UNSEALED, |commit| commit.summary = "<a> & \"b\" \u{202e}]]>\u{1b}[2J".into())
        .moves(|update| update.name = name.as_bytes().into());
    let undecided =
        refused().moves(|update| update.doubt = Some(Doubt::Unreadable("object 1234 is missing".to_owned())));
    let accepted = Story::under(&rule("main", AGENTS)).gains((Proof::Seal(CLAUDE), true));
    for (format, print) in FORMATS {
        let all: Vec<String> = [&story, &undecided, &accepted].map(|story| print(&story.verdict())).to_vec();
        insta::assert_snapshot!(format, all.join("----\n"));
    }
}

type Print = fn(&Verdict) -> String;

const FORMATS: [(&str, Print); 4] = [("github", github), ("gitlab", gitlab), ("junit", junit), ("sarif", sarif)];

/// The types are made from the schema of OASIS, and take no key that it does not know.
#[test]
fn sarif_is_what_its_schema_says() {
    let log: serde_sarif::sarif::Sarif = serde_json::from_str(&sarif(&refused().verdict())).unwrap();
    let run = log.runs.first().unwrap();
    assert_eq!(run.results.as_ref().map(Vec::len), Some(1));
    assert_eq!(run.tool.driver.rules.as_ref().map(Vec::len), Some(1));
    assert!(serde_json::from_str::<serde_sarif::sarif::Sarif>("{\"version\":\"2.1.0\",\"runs\":[{}]}").is_err());
}
