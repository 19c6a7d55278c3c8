//! The namespace of approvals: what may be stored there.

use super::{CAROL, Office, now};
use crate::world::{BOB, STRANGER};

#[test]
fn only_records_are_stored_each_in_its_place() {
    let office = Office::at_work();
    let world = &office.world;
    let draft = office.draft("work", "refs/heads/main", BOB);
    let (envelope, place) = (draft.envelope(), draft.place.to_string());
    let issued = draft.approval.issued.0.0;
    let refused = |what: &str, place: &str, code: &str| {
        world.push(&[&office.refspec_of(what, place)]).refused(code);
        assert_eq!(world.git_in(&world.server(), &["for-each-ref", "refs/countersign/"]), "", "{place}");
    };
    for name in ["refs/countersign/x", "refs/countersign/approvals/heads/main/bob", "refs/Countersign/approvals/x"] {
        refused(&envelope, name, "ref-denied");
    }
    for (what, reason) in [
        (String::new(), "EOF"),
        ("{}".into(), "missing field"),
        (envelope[..envelope.len() - 9].to_owned(), "EOF"),
        (format!("{envelope}\n"), "one encoding"),
        (envelope.replace("\"keyid\"", "\"keyId\""), "unknown field"),
        (envelope.replacen("{\"payload\"", "{\"payload\":\"\",\"payload\"", 1), "duplicate field"),
        (envelope.replace("in-toto+json", "in-toto"), "type"),
        ("x".repeat(5 << 20), "larger than"),
    ] {
        let pushed = world.push(&[&office.refspec_of(&what, &place)]);
        pushed.refused("approval-malformed");
        assert!(pushed.said.contains(reason), "{reason}: {}", pushed.said);
    }
    for elsewhere in [
        place.replace("/bob", "/carol"),
        place.replace("heads/main", "heads/other"),
        place.replace(&draft.place.change.to_string(), &"0".repeat(64)),
    ] {
        refused(&envelope, &elsewhere, "approval-malformed");
    }
    let tree = world.git(&["rev-parse", "work^{tree}"]);
    world.push(&[&format!("{tree}:{place}")]).refused("approval-malformed");
    world.push(&[&format!("work:{place}")]).refused("approval-malformed");
    refused(&draft.clone().signed_by(STRANGER).envelope(), &place, "approver-not-allowed");
    refused(&draft.clone().signed_by(CAROL).envelope(), &place, "approver-not-allowed");
    world.push(&[&office.refspec(&draft)]).accepted();
    world.push(&[&office.refspec(&draft.clone().at(issued - 1))]).refused("approval-void");
    world.push(&[&office.refspec(&draft.clone().at(issued + 1))]).accepted();
}

#[test]
fn a_changed_byte_of_a_record_is_noticed() {
    let office = Office::at_work();
    let draft = office.draft("work", "refs/heads/main", BOB);
    let envelope = draft.envelope();
    let payload = envelope.find("payload\":\"").unwrap() + 10;
    for position in [payload + 8, payload + 200, envelope.len() - 30] {
        let mut bytes = envelope.clone().into_bytes();
        bytes[position] = if bytes[position] == b'A' { b'B' } else { b'A' };
        let spoilt = String::from_utf8(bytes).unwrap();
        let refspec = office.refspec_of(&spoilt, &draft.place.to_string());
        office.world.push(&["work:refs/heads/main", &refspec]).refused("approval-malformed");
    }
}

#[test]
fn rules_for_all_refs_are_not_about_records() {
    let all = "\n[[rule]]\nname = \"all\"\nrefs = [\"**\"]\nidentity = \"everyone\"\nforce-push = \"deny\"\ndelete = \"deny\"\n";
    let office = Office::new(all);
    office.agent("a.txt", "a\n", "Add a\n");
    let draft = office.draft("work", "refs/heads/main", BOB);
    office.world.push(&[&office.refspec(&draft)]).accepted();
    office.world.push(&[&office.refspec(&draft.at(now()))]).accepted();
}
