//! Writes the record of FORMAT.md's worked example with our code, and checks it with coreutils, ssh-keygen and a reader of DSSE
//! that is not ours.

use super::tests::{approval, key, record};
use super::*;
use crate::core::worked_example::{fenced, run};

const FORMAT: &str = include_str!("FORMAT.md");

#[test]
fn stock_tools_and_our_writer_agree_on_the_worked_example() {
    let folder = tempfile::tempdir().unwrap();
    let written = record(&approval());
    assert_eq!(written + "\n", fenced(FORMAT, "json"));
    let script = format!("cat > record <<'END'\n{}END\n{}", fenced(FORMAT, "json"), fenced(FORMAT, "sh"));
    assert_eq!(run(&script, folder.path()), fenced(FORMAT, "text"));
}

/// The second example: what FORMAT.md shows of a statement that a service attests is what is signed.
#[test]
fn the_attested_example_is_what_we_write() {
    let attested = Attested {
        service: "forge".into(),
        account: "alice-ng".into(),
        request: "acme/payments/-/merge_requests/17".into(),
    };
    let (plain, attested) = (approval(), Approval { attested: Some(attested), ..approval() });
    let statement = attested.to_statement().unwrap();
    let shown = FORMAT.split_once("```attested\n").unwrap().1.split_once("\n```").unwrap().0;
    assert!(statement.contains(&format!("\"approver\":\"alice\",{shown},\"issued\"")), "{statement}");
    assert_eq!(statement.replacen(&format!("{shown},"), "", 1), plain.to_statement().unwrap());
    let record = ClaimedApproval::parse(record(&attested).as_bytes()).unwrap().verify().unwrap();
    assert_eq!(*record.approval(), attested);
    let digest = FORMAT.split_once("```attested-digest\n").unwrap().1.split_once("\n```").unwrap().0;
    assert_eq!(record.digest().to_string(), digest);
}

/// DSSE and in-toto as their specifications have them, read with nothing but a JSON library.
#[test]
fn a_generic_reader_finds_what_in_toto_says() {
    use base64ct::{Base64, Encoding as _};
    let envelope: serde_json::Value = serde_json::from_str(&record(&approval())).unwrap();
    assert_eq!(envelope["payloadType"], "application/vnd.in-toto+json");
    let payload = Base64::decode_vec(envelope["payload"].as_str().unwrap()).unwrap();
    let statement: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(statement["_type"], "https://in-toto.io/Statement/v1");
    assert_eq!(statement["subject"][0]["digest"]["gitCommit"], statement["predicate"]["head"]);
    assert_eq!(statement["predicateType"], "urn:countersign:approval:v1");
    assert_eq!(envelope["signatures"][0]["keyid"], key().public().fingerprint().to_string());
    let own = format!("DSSEv1 28 application/vnd.in-toto+json {} ", payload.len()).into_bytes();
    assert_eq!(pre_authentication(&payload), [own, payload].concat());
}
