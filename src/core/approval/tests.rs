use proptest::prelude::*;

use super::*;
use crate::core::canonical::{CanonicalOid, Sha256, Time};
use crate::core::decide::Timestamp;
use crate::core::digest::Digest;
use crate::core::oid::Oid;
use crate::core::ssh::{PrivateKey, SignatureError};

pub(super) fn key() -> PrivateKey {
    PrivateKey::from_seed(&[7; 32]).unwrap()
}

pub(super) fn id(number: u8) -> CanonicalOid {
    CanonicalOid(Oid::from_bytes(&[number; 20]).unwrap())
}

fn digest(text: &str) -> Sha256 {
    Sha256(Digest::of(text.as_bytes()))
}

pub(super) fn approval() -> Approval {
    let commit = |number: u8| ApprovedCommit {
        id: id(number),
        change: digest(&format!("change {number}")),
        message: digest(&format!("message {number}")),
    };
    Approval {
        decision: Decision::Approve,
        repository: "acme/payments".into(),
        name: "refs/heads/main".into(),
        base: Some(id(9)),
        head: id(2),
        change: digest("combined"),
        commits: vec![commit(1), commit(2)],
        agents: vec!["claude-code".into(), "codex".into()],
        approver: "alice".into(),
        attested: None,
        issued: Time(Timestamp(1_795_489_864)),
        expires: Time(Timestamp(1_796_094_664)),
        policy: digest("policy"),
        comment: None,
    }
}

pub(super) fn record(approval: &Approval) -> String {
    let statement = approval.to_statement().unwrap();
    let signature = key().sign(NAMESPACE, &pre_authentication(statement.as_bytes()));
    seal_envelope(&statement, &signature).unwrap()
}

/// A record around any statement, well signed.
fn around(statement: &str) -> Result<VerifiedApproval, ApprovalError> {
    let signature = key().sign(NAMESPACE, &pre_authentication(statement.as_bytes()));
    ClaimedApproval::parse(seal_envelope(statement, &signature)?.as_bytes())?.verify()
}

#[test]
fn a_record_reads_back_and_verifies() {
    for comment in [None, Some("looks right".to_owned())] {
        let approval = Approval { comment, ..approval() };
        let verified = ClaimedApproval::parse(record(&approval).as_bytes()).unwrap().verify().unwrap();
        assert_eq!(*verified.approval(), approval);
        assert_eq!(verified.signature().key(), key().public());
        assert_eq!(verified.digest(), Digest::of(approval.to_statement().unwrap().as_bytes()));
    }
}

#[test]
fn only_the_one_encoding_of_a_statement_is_read() {
    let good = approval().to_statement().unwrap();
    assert!(around(&good).is_ok());
    let twice = good.replacen("\"approver\":\"alice\"", "\"approver\":\"alice\",\"approver\":\"alice\"", 1);
    let more = good.replacen("\"approver\"", "\"extra\":1,\"approver\"", 1);
    let order = good.replacen(
        "\"decision\":\"approve\",\"repository\":\"acme/payments\"",
        "\"repository\":\"acme/payments\",\"decision\":\"approve\"",
        1,
    );
    let space = good.replacen("\"agents\":[", "\"agents\": [", 1);
    let escaped = good.replacen("alice", "\\u0061lice", 1);
    let subject = good.replacen(&id(2).to_string(), &id(3).to_string(), 1);
    let typed = good.replacen("Statement/v1", "Statement/v0.1", 1);
    let predicate = good.replacen("approval:v1", "approval:v2", 1);
    let time = good.replacen("2026-11-24T03:11:04Z", "2026-11-24T03:11:04+00:00", 1);
    let short = good.replacen(&id(9).to_string(), &id(9).to_string()[1..], 1);
    let missing = good.replacen(",\"approver\":\"alice\"", "", 1);
    let tail = format!("{good} ");
    let attested = good.replacen("\"issued\"", "\"attested\":null,\"issued\"", 1);
    let attested_by = |json: &str| good.replacen("\"issued\"", &format!("\"attested\":{json},\"issued\""), 1);
    assert!(around(&attested_by(r#"{"service":"forge","account":"a","request":"r"}"#)).is_ok());
    let reordered = attested_by(r#"{"account":"a","service":"forge","request":"r"}"#);
    let extra = attested_by(r#"{"service":"forge","account":"a","request":"r","x":1}"#);
    let listed = attested_by(r#"["forge","a","r"]"#);
    for bad in [attested, reordered, extra, listed] {
        assert!(around(&bad).is_err(), "{bad}");
    }
    for bad in [twice, more, order, space, escaped, subject, typed, predicate, time, short, missing, tail] {
        assert_ne!(bad, good);
        assert!(around(&bad).is_err(), "{bad}");
    }
}

#[test]
fn only_the_one_encoding_of_an_envelope_is_read() {
    let good = record(&approval());
    let sig = good.split("\"sig\":\"").nth(1).unwrap().trim_end_matches("\"}]}").to_owned();
    let again = format!("{{\"keyid\":\"{}\",\"sig\":\"{sig}\"}}", key().public().fingerprint());
    for (bad, expected) in [
        (good.replacen("\"payload\":", "\"payload\": ", 1), Some(ApprovalError::NotCanonical)),
        (good.replacen("in-toto+json", "in-toto", 1), Some(ApprovalError::Type("application/vnd.in-toto".into()))),
        (
            good.replacen("\"signatures\":[", &format!("\"signatures\":[{again},"), 1),
            Some(ApprovalError::Signatures(2)),
        ),
        (good.replacen("SHA256:", "SHA256:A", 1), Some(ApprovalError::KeyId)),
        (good.replacen("\"payloadType\"", "\"x\":1,\"payloadType\"", 1), None),
        (format!("{good}\n"), Some(ApprovalError::NotCanonical)),
        (good[..good.len() - 1].to_owned(), None),
        (String::new(), None),
        (
            "x".repeat(crate::core::limits::APPROVAL_BYTES + 1),
            Some(ApprovalError::TooLarge(crate::core::limits::APPROVAL_BYTES)),
        ),
    ] {
        let found = ClaimedApproval::parse(bad.as_bytes()).map(|_| ()).unwrap_err();
        assert!(expected.is_none_or(|expected| expected == found), "{found:?}");
    }
}

#[test]
fn a_signature_for_anything_else_does_not_count() {
    let statement = approval().to_statement().unwrap();
    let with = |signature: &[u8]| {
        ClaimedApproval::parse(seal_envelope(&statement, signature).unwrap().as_bytes()).unwrap().verify().map(drop)
    };
    let other_namespace = key().sign("git", &pre_authentication(statement.as_bytes()));
    let namespace = SignatureError::Namespace(NAMESPACE.to_owned());
    assert_eq!(with(&other_namespace), Err(ApprovalError::Signature(namespace)));
    let bare = key().sign(NAMESPACE, statement.as_bytes());
    assert_eq!(with(&bare), Err(ApprovalError::Signature(SignatureError::Mismatch)));
    let other = Approval { name: "refs/heads/other".into(), ..approval() }.to_statement().unwrap();
    let of_another = key().sign(NAMESPACE, &pre_authentication(other.as_bytes()));
    assert_eq!(with(&of_another), Err(ApprovalError::Signature(SignatureError::Mismatch)));
}

#[test]
fn values_that_no_record_may_hold() {
    let good = approval();
    let reversed = good.commits.iter().rev().cloned().collect();
    let by = |service: &str, account: &str, request: &str| {
        Some(Attested { service: service.into(), account: account.into(), request: request.into() })
    };
    let doubled = [good.commits.clone(), good.commits.clone()].concat();
    for (bad, what) in [
        (Approval { repository: "Acme".into(), ..good.clone() }, "repository"),
        (Approval { name: "main".into(), ..good.clone() }, "ref"),
        (Approval { name: "refs/heads/a b".into(), ..good.clone() }, "ref"),
        (Approval { name: "refs/heads/a\n".into(), ..good.clone() }, "ref"),
        (Approval { approver: "Alice".into(), ..good.clone() }, "approver"),
        (Approval { agents: vec!["codex".into(), "claude-code".into()], ..good.clone() }, "agents"),
        (Approval { agents: vec!["codex".into(), "codex".into()], ..good.clone() }, "agents"),
        (Approval { commits: reversed, ..good.clone() }, "commits"),
        (Approval { commits: doubled, ..good.clone() }, "commits"),
        (Approval { commits: Vec::new(), ..good.clone() }, "commits"),
        (Approval { base: Some(CanonicalOid(Oid::from_bytes(&[1; 32]).unwrap())), ..good.clone() }, "commits"),
        (Approval { attested: by("Forge", "alice-ng", "acme/1"), ..good.clone() }, "attested"),
        (Approval { attested: by("forge", " alice", "acme/1"), ..good.clone() }, "attested"),
        (Approval { attested: by("forge", "", "acme/1"), ..good.clone() }, "attested"),
        (Approval { attested: by("forge", "alice-ng", "acme/1 "), ..good.clone() }, "attested"),
        (Approval { attested: by("forge", "alice-ng", ""), ..good.clone() }, "attested"),
        (Approval { attested: by("forge", "alice-ng", &"x".repeat(501)), ..good.clone() }, "attested"),
        (Approval { expires: good.issued, ..good.clone() }, "expires"),
        (Approval { comment: Some(String::new()), ..good.clone() }, "comment"),
        (Approval { comment: Some("a\u{1b}[31m".into()), ..good.clone() }, "comment"),
        (Approval { comment: Some("x".repeat(1001)), ..good.clone() }, "comment"),
    ] {
        assert_eq!(bad.to_statement(), Err(ApprovalError::Value(what)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_parsing_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(ClaimedApproval::parse(&bytes).is_err());
    }

    #[test]
    fn a_changed_byte_is_noticed(place in any::<prop::sample::Index>(), flip in 1..=255_u8) {
        let mut bytes = record(&approval()).into_bytes();
        let place = place.index(bytes.len());
        bytes[place] ^= flip;
        prop_assert!(ClaimedApproval::parse(&bytes).and_then(ClaimedApproval::verify).is_err());
    }
}
