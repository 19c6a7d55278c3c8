//! The namespace of approvals: what may be stored there.

use super::{CAROL, ONE_APPROVAL, ProtectedServer, now, people};
use crate::world::{BOB, STRANGER, World};

#[test]
fn only_records_are_stored_each_in_its_place() {
    let setup = ProtectedServer::at_work();
    let world = &setup.world;
    let draft = setup.draft("work", "refs/heads/main", BOB);
    let (envelope, place) = (draft.envelope(), draft.place.to_string());
    let issued = draft.approval.issued.0.0;
    let refused = |what: &str, place: &str, code: &str| {
        world.push(&[&setup.refspec_of(what, place)]).refused(code);
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
        let pushed = world.push(&[&setup.refspec_of(&what, &place)]);
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
    world.push(&[&setup.refspec(&draft)]).accepted();
    world.push(&[&setup.refspec(&draft.clone().at(issued - 1))]).refused("approval-void");
    world.push(&[&setup.refspec(&draft.clone().at(issued + 1))]).accepted();
}

#[test]
fn a_changed_byte_of_a_record_is_noticed() {
    let setup = ProtectedServer::at_work();
    let draft = setup.draft("work", "refs/heads/main", BOB);
    let envelope = draft.envelope();
    let payload = envelope.find("payload\":\"").unwrap() + 10;
    for position in [payload + 8, payload + 200, envelope.len() - 30] {
        let mut bytes = envelope.clone().into_bytes();
        bytes[position] = if bytes[position] == b'A' { b'B' } else { b'A' };
        let spoilt = String::from_utf8(bytes).unwrap();
        let refspec = setup.refspec_of(&spoilt, &draft.place.to_string());
        setup.world.push(&["work:refs/heads/main", &refspec]).refused("approval-malformed");
    }
}

#[test]
fn rules_for_all_refs_are_not_about_records() {
    let all = "\n[[rule]]\nname = \"all\"\nrefs = [\"**\"]\nidentity = \"everyone\"\nforce-push = \"deny\"\ndelete = \"deny\"\n";
    let setup = ProtectedServer::new(all);
    setup.agent("a.txt", "a\n", "Add a\n");
    let draft = setup.draft("work", "refs/heads/main", BOB);
    setup.world.push(&[&setup.refspec(&draft)]).accepted();
    setup.world.push(&[&setup.refspec(&draft.at(now()))]).accepted();
}

/// A record leaves the refs when it has landed and expired, not before, and what was signed stays.
#[test]
fn what_has_landed_and_is_over_is_pruned() {
    is_pruned(&ProtectedServer::at_work());
}

/// Tables, which git writes.
#[test]
fn what_has_landed_and_is_over_is_pruned_from_tables() {
    let policy = format!("{}{ONE_APPROVAL}", people());
    let Some(world) = World::in_tables(&policy, "sha256") else { return };
    let setup = ProtectedServer::over(world);
    setup.agent("a.txt", "a\n", "Add a\n");
    setup.agent("b.txt", "b\n", "Add b\n");
    is_pruned(&setup);
}

fn is_pruned(setup: &ProtectedServer) {
    let world = &setup.world;
    let expires = now() + 4;
    let landed = setup.draft("work", "refs/heads/main", BOB).expiring(expires);
    setup.agent("c.txt", "c\n", "Add c\n");
    // One that never lands, and expires too.
    let open = setup.draft("work", "refs/heads/main", CAROL).expiring(expires);
    world.push(&[&setup.refspec(&landed), &setup.refspec(&open), "work~1:refs/heads/main"]).accepted();
    let stored = || world.git_in(&world.server(), &["for-each-ref", "--format=%(refname)", "refs/countersign/"]);
    assert_eq!(stored().lines().count(), 2);
    let mut pushes = 0;
    while now() <= expires {
        pushes += 1;
        setup.main_moves("theirs.txt", &format!("{pushes}\n"));
        assert!(now() > expires || stored().lines().count() == 2, "pruned too early");
    }
    setup.main_moves("theirs.txt", "last\n");
    assert_eq!(stored(), open.place.to_string());
    let kept = world.ledger().join("landed");
    let file = std::fs::read_dir(&kept).unwrap().next().unwrap().unwrap().path();
    assert_eq!(std::fs::read_to_string(file).unwrap(), landed.envelope());
    let output = world.countersign(&["log", "verify", "--ledger", world.ledger().to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // Git and the ledger agree on what is there: nothing is said to have moved by itself.
    let shown = world.countersign(&["log", "show", "--ledger", world.ledger().to_str().unwrap()]);
    assert!(!String::from_utf8_lossy(&shown.stdout).contains("no decision"), "{shown:?}");
}

/// What is remembered of records saves reading them and hides none.
#[test]
fn records_are_found_whatever_is_remembered_of_them() {
    let setup = ProtectedServer::at_work();
    let world = &setup.world;
    let other = setup.draft("work~1", "refs/heads/main", CAROL);
    world.push(&[&setup.refspec(&other)]).accepted();
    setup.push_main("work").refused("approval-missing");
    // Now the record is known, and a push that it is not about does not open it.
    let blob = world.git_in(&world.server(), &["rev-parse", &other.place.to_string()]);
    assert!(world.ledger().join("approvals.0").exists(), "records that were read are remembered");
    world.git(&["checkout", "-q", "-b", "more", "origin/main"]);
    setup.agent("d.txt", "d\n", "Add d\n");
    setup.approve("more");
    if let Some(trace) = world.traced("openat") {
        setup.push_main("more").accepted();
        let opened = std::fs::read_to_string(trace).unwrap();
        assert!(opened.contains("approvals.0") && !opened.contains(&blob[2..]), "{opened}");
    }
    // Whatever stands there instead, records are found.
    setup.agent("e.txt", "e\n", "Add e\n");
    setup.approve("more");
    for slot in ["approvals.0", "approvals.1"] {
        std::fs::write(world.ledger().join(slot), "nothing of the kind").unwrap();
    }
    setup.push_main("more").accepted();
}
