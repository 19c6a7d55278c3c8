//! Entries as events of OCSF 1.5.0: decisions and what became of them are API Activity (6003, with the profile `security_control`), a ref
//! that moved with no decision is a Detection Finding (2004).

#[cfg(test)]
mod schema;

use serde_json::{Value, json};

use super::formats::Row;

/// The version of the schema.
const VERSION: &str = "1.5.0";

const API_ACTIVITY: u32 = 6003;
const DETECTION_FINDING: u32 = 2004;

/// The severity of a move that people accepted in spite of findings: critical.
const OVERRIDDEN: u8 = 5;

/// One event, with a line feed.
pub(super) fn line(row: &Row, repository: &str, number: u64) -> String {
    let event =
        if row.kind == "unexplained" { finding(row, repository, number) } else { activity(row, repository, number) };
    format!("{event}\n")
}

/// What every event says of where it comes from.
fn metadata(repository: &str, number: u64, profiles: &[&str]) -> Value {
    json!({
        "version": VERSION,
        "product": {"name": "countersign", "vendor_name": "countersign", "version": env!("CARGO_PKG_VERSION")},
        "log_name": repository,
        "sequence": number,
        "uid": format!("{repository}#{number}"),
        "profiles": profiles,
    })
}

/// The ref, and what it was and is.
fn resources(row: &Row, repository: &str) -> Value {
    if row.name.is_empty() {
        return json!([{"name": repository, "type": "repository"}]);
    }
    json!([{"name": row.name, "type": "ref", "namespace": repository, "data": {"old": row.old, "new": row.new}}])
}

/// Seconds since the epoch as OCSF counts them.
fn milliseconds(row: &Row) -> i64 {
    row.time.0.0.saturating_mul(1000)
}

fn activity(row: &Row, repository: &str, number: u64) -> Value {
    let (old, new) = (row.old.is_empty(), row.new.is_empty());
    let (activity, name) = match (row.kind, old, new) {
        ("decided" | "continued", true, false) => (1, "Create"),
        ("decided" | "continued", false, true) => (4, "Delete"),
        ("decided" | "continued" | "committed" | "aborted" | "suppressed", _, _) => (3, "Update"),
        _ => (99, row.kind),
    };
    let refused = matches!(row.outcome, "rejected" | "undecided");
    let failed = refused || row.kind == "aborted";
    // The ledger knows no address; what is not known of who pushed is not said.
    let actor = if row.submitter.is_empty() {
        json!({"app_name": "git"})
    } else {
        json!({"app_name": "git", "user": {"name": row.submitter}})
    };
    let mut event = json!({
        "category_uid": API_ACTIVITY / 1000,
        "class_uid": API_ACTIVITY,
        "activity_id": activity,
        "activity_name": name,
        "type_uid": API_ACTIVITY * 100 + activity,
        "time": milliseconds(row),
        "severity_id": if !row.overridden.is_empty() { OVERRIDDEN } else if refused { 3 } else { 1 },
        "status_id": if failed { 2 } else { 1 },
        "action_id": if refused { 2 } else { 1 },
        "disposition_id": if refused { 2 } else { 1 },
        "metadata": metadata(repository, number, &["security_control"]),
        "actor": actor,
        "api": {"operation": row.kind, "service": {"name": "git-receive-pack"}},
        "src_endpoint": {"svc_name": "git"},
        "resources": resources(row, repository),
        "unmapped": {"agents": row.agents, "approvers": row.approvers},
    });
    if let (Value::Object(fields), false) = (&mut event, row.codes.is_empty()) {
        fields.insert("status_detail".to_owned(), row.codes.clone().into());
    }
    if let (Some(unmapped), false) = (event.get_mut("unmapped"), row.overridden.is_empty()) {
        unmapped["overridden"] = row.overridden.clone().into();
    }
    event
}

fn finding(row: &Row, repository: &str, number: u64) -> Value {
    json!({
        "category_uid": DETECTION_FINDING / 1000,
        "class_uid": DETECTION_FINDING,
        "activity_id": 1,
        "type_uid": DETECTION_FINDING * 100 + 1,
        "time": milliseconds(row),
        "severity_id": 4,
        "status_id": 1,
        "metadata": metadata(repository, number, &[]),
        "finding_info": {
            "uid": format!("{repository}#{number} {}", row.name),
            "title": "A ref moved with no decision",
        },
        "resources": resources(row, repository),
    })
}

#[cfg(test)]
mod tests {
    use super::super::formats::Format;
    use super::*;
    use crate::core::canonical::{CanonicalOid, RefName, Sha256, Time};
    use crate::core::decide::Timestamp;
    use crate::core::digest::Digest;
    use crate::core::oid::Oid;
    use crate::ledger::{
        Continued, Decided, Entry, FindingRecord, Found, Moved, Opened, Outcome, Recovered, Settled, Suppressed,
        Unexplained, UpdateRecord, Witness,
    };

    fn id(digit: &str) -> Option<CanonicalOid> {
        Oid::parse(digit.repeat(40).as_bytes()).map(CanonicalOid)
    }

    fn update(old: Option<CanonicalOid>, new: Option<CanonicalOid>, outcome: Outcome) -> UpdateRecord {
        let finding = FindingRecord {
            code: "bad-seal".to_owned(),
            severity: "error".to_owned(),
            rule: None,
            object: new,
            author: None,
            detail: "it does not verify".to_owned(),
        };
        UpdateRecord {
            name: RefName(b"refs/heads/main".as_slice().into()),
            old,
            new,
            commits: 1,
            outcome,
            findings: if outcome == Outcome::Rejected { vec![finding] } else { Vec::new() },
            left_out: None,
            work: Vec::new(),
            approvals: Vec::new(),
            order: None,
            overrides: Vec::new(),
        }
    }

    fn decided(submitter: Option<&str>, outcome: Outcome, updates: Vec<UpdateRecord>) -> Entry {
        Entry::Decided(Decided {
            time: Time(Timestamp(1_700_000_000)),
            clock: None,
            again: None,
            outcome,
            policy: None,
            version: "0.1.0".to_owned(),
            submitter: submitter.map(str::to_owned),
            error: None,
            freezes: None,
            updates,
            continued: 0,
        })
    }

    /// An entry of each kind.
    fn entries() -> Vec<Entry> {
        let time = Time(Timestamp(1_700_000_000));
        let name = RefName(b"refs/heads/\xff\"main".as_slice().into());
        let settled = || Settled { time, decision: 2, refs: vec![name.clone()], by: Witness::PostReceive };
        let digest = Sha256(Digest::of(b""));
        let both = vec![update(None, id("a"), Outcome::Accepted), update(id("a"), None, Outcome::Rejected)];
        vec![
            Entry::Opened(Opened {
                time,
                version: 1,
                repository: "acme/pay".to_owned(),
                key: "ssh-ed25519 A".to_owned(),
            }),
            Entry::Refs(Found { time, refs: vec![(name.clone(), id("a")), (name.clone(), None)] }),
            decided(Some("alice"), Outcome::Accepted, vec![update(id("a"), id("b"), Outcome::Accepted)]),
            decided(None, Outcome::Rejected, both.clone()),
            decided(Some("bob via forge"), Outcome::Undecided, Vec::new()),
            Entry::Continued(Continued { decision: 2, updates: both }),
            Entry::Committed(settled()),
            Entry::Aborted(settled()),
            Entry::Unexplained(Unexplained {
                time,
                refs: vec![Moved { name: name.clone(), from: id("a"), to: None }],
                by: Witness::Refs,
            }),
            Entry::Suppressed(Suppressed { time, submitter: None, hour: time, refused: 7 }),
            Entry::Recovered(Recovered { time, cut: 7, digest }),
        ]
    }

    #[test]
    fn every_event_is_one_of_its_class() {
        let mut classes = std::collections::BTreeSet::new();
        for (number, entry) in entries().iter().enumerate() {
            let lines = Format::Ocsf.lines("acme/pay", u64::try_from(number).unwrap(), entry, Time(Timestamp(1)));
            assert!(!lines.is_empty());
            for line in lines.lines() {
                let event: Value = serde_json::from_str(line).unwrap();
                assert_eq!(schema::faults(&event), Vec::<String>::new(), "{line}");
                assert_eq!(event["metadata"]["log_name"], "acme/pay");
                classes.insert(event["class_uid"].as_u64().unwrap());
            }
        }
        assert_eq!(classes.into_iter().collect::<Vec<_>>(), [2004, 6003]);
    }

    /// The schema finds what is wrong.
    #[test]
    fn what_is_no_event_is_found() {
        let entry = decided(Some("alice"), Outcome::Accepted, vec![update(id("a"), id("b"), Outcome::Accepted)]);
        let line = Format::Ocsf.lines("acme/pay", 1, &entry, Time(Timestamp(1)));
        let sound: Value = serde_json::from_str(&line).unwrap();
        let spoil: [fn(&mut Value); 7] = [
            |event| drop(event.as_object_mut().unwrap().remove("time")),
            |event| event["time"] = "now".into(),
            |event| event["severity_id"] = 7.into(),
            |event| event["more"] = 1.into(),
            |event| event["actor"] = json!({}),
            |event| drop(event["metadata"].as_object_mut().unwrap().remove("product")),
            |event| event["resources"][0]["strange"] = 1.into(),
        ];
        assert_eq!(schema::faults(&sound), Vec::<String>::new());
        for (number, spoil) in spoil.iter().enumerate() {
            let mut event = sound.clone();
            spoil(&mut event);
            assert_eq!(schema::faults(&event).len(), 1, "{number}: {:?}", schema::faults(&event));
        }
    }
}
