//! `countersign policy test`: the gate's judgement of pushes that a file tells of.

use countersign::core::ssh::SoftwareToken;
use serde_json::Value;

use crate::world::{World, registry};

/// Judges cases under rules, with a person besides whose only key is in a token.
fn judged(rules: &str, cases: &str) -> (i32, String, String) {
    let world = World::new("");
    let token = SoftwareToken::from_seed(&[9; 32]).unwrap().public().to_line();
    let policy = format!("{}\n[people.tess]\nkeys = [\"{token}\"]\n{rules}", registry());
    std::fs::write(world.path("policy.toml"), policy).unwrap();
    let file = world.path("cases.toml");
    std::fs::write(&file, cases).unwrap();
    let output = world.countersign(&["policy", "test", &file.display().to_string(), "--format", "json"]);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// One case.
fn case(keys: &str) -> String {
    format!("[[case]]\nname = \"{}\"\nref = \"main\"\n{keys}\n", keys.replace(['"', '\n'], " "))
}

fn every_case_holds(rules: &str, cases: &[&str]) {
    let text: String = cases.iter().map(|keys| case(keys)).collect();
    let (code, printed, said) = judged(rules, &text);
    let report: Value = serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {said}"));
    let fails = report["cases"].as_array().unwrap().iter().filter(|one| one["holds"] != true);
    let fails: Vec<&Value> = fails.collect();
    assert!(fails.is_empty() && code == 0, "{code} {fails:#?}");
    assert_eq!(report["cases"].as_array().unwrap().len(), cases.len());
}

#[test]
fn a_touch_is_asked_of_those_who_have_a_token() {
    let rules = "[[rule]]\nname = \"main\"\nrefs = [\"refs/heads/main\"]\nidentity = \"agents\"\n\
                 force-push = \"deny\"\ndelete = \"deny\"\n\
                 [rule.approvals]\nfrom = [\"alice\", \"tess\"]\npresence = true\n";
    every_case_holds(
        rules,
        &[
            "by = \"claude-code\"\napprovals = [\"tess\"]\naccept = true",
            "by = \"claude-code\"\napprovals = [\"alice\"]\nrefuse = [\"presence-missing\"]",
        ],
    );
}

#[test]
fn each_way_to_move_a_ref_is_judged() {
    let rules = "[[rule]]\nname = \"main\"\nrefs = [\"refs/heads/main\"]\nidentity = \"everyone\"\n\
                 force-push = \"deny\"\ndelete = \"deny\"\nsubmitters = [\"alice\"]\n";
    every_case_holds(
        rules,
        &[
            "by = \"alice\"\naccept = true",
            "by = \"alice\"\nmove = \"create\"\naccept = true",
            "by = \"alice\"\nmove = \"force\"\nrefuse = [\"force-push-denied\"]",
            "by = \"alice\"\nmove = \"delete\"\nrefuse = [\"delete-denied\"]",
            "by = \"alice\"\nproof = \"none\"\nrefuse = [\"unsigned-commit\"]",
            "by = \"nobody\"\npusher = \"alice\"\nrefuse = [\"unsigned-commit\"]",
            "by = \"claude-code\"\npusher = \"alice\"\nproof = \"signature\"\naccept = true",
            "by = \"alice\"\npusher = \"nobody\"\nrefuse = [\"submitter-unknown\"]",
            "by = \"claude-code\"\nrefuse = [\"submitter-not-allowed\"]",
        ],
    );
}

#[test]
fn a_push_is_judged_on_its_day() {
    let rules = "[agents.old]\nowner = \"alice\"\nkeys = [\"KEY\"]\nreview-by = 2027-06-30\n\
                 [[rule]]\nname = \"main\"\nrefs = [\"refs/heads/main\"]\nidentity = \"agents\"\n";
    let key = countersign::core::ssh::PrivateKey::from_seed(&[77; 32]).unwrap().public().to_line();
    every_case_holds(
        &rules.replace("KEY", &key),
        &[
            "by = \"old\"\non = 2027-06-30\naccept = true",
            "by = \"old\"\non = 2027-07-01\nrefuse = [\"agent-suspended\"]",
        ],
    );
}

#[test]
fn what_is_judged_otherwise_is_told_and_what_has_no_reading_is_no_verdict() {
    let rules = "[[rule]]\nname = \"main\"\nrefs = [\"refs/heads/main\"]\nidentity = \"agents\"\n";
    let (code, printed, _) = judged(rules, &case("by = \"claude-code\"\nproof = \"none\"\nrefuse = [\"bad-seal\"]"));
    let report: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!((code, &report["holds"], &report["schema"]), (1, &Value::Bool(false), &Value::from(1)));
    assert_eq!(report["cases"][0]["judged"], serde_json::json!({ "outcome": "accept", "codes": [] }));

    let (code, printed, said) = judged(rules, &case("by = \"claud-code\"\naccept = true"));
    assert_eq!((code, printed.as_str()), (2, ""), "{said}");
    assert!(said.contains("cases.toml:4:") && said.contains("did you mean \"claude-code\"?"), "{said}");
}
