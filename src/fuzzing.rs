//! What a fuzzer calls: one function for each parser of hostile bytes, which panics where something that must always hold does not.
//!
//! tests/fuzz hands them to libFuzzer, and the tests below run the inputs that are kept there through the very same functions.
//! Where a format is ours, what was read is written again and must be the same bytes.

use std::collections::BTreeSet;

use base64ct::{Base64, Encoding as _};

use crate::core::approval::{Approval, ApprovalIndex, ApprovalPlace, ClaimedApproval, seal_envelope};
use crate::core::commit::{
    Commit, SubjectLine, Tag, Trailers, Wording, ends_in_trailers, message_digest, parse_trailers,
};
use crate::core::decide::Timestamp;
use crate::core::forge::{Event, Forge, reviews};
use crate::core::id::RepositoryName;
use crate::core::marks::{Catalogue, MarkSource};
use crate::core::oid::{ObjectFormat, Oid};
use crate::core::openpgp::{self, Certificate};
use crate::core::order::{ClaimedOrder, Order, OrderPlace};
use crate::core::policy::{Below, Source, check_self_protection, diff, load};
use crate::core::report::escape;
use crate::core::seal::{self, BlockHead, parse_seal_value, seal_line};
use crate::core::ssh::{ClaimedCertificate, ClaimedSignature, Fingerprint, PublicKey, armor, dearmor};
use crate::core::submitter::{login, push_cert};

/// Takes any bytes; says whether the parser took them for what it reads.
pub type Target = fn(&[u8]) -> bool;

/// Every target by the name of its directories in tests/fuzz.
pub const TARGETS: &[(&str, Target)] = &[
    ("armor", armored),
    ("certificate", certificate),
    ("commit", commit),
    ("envelope", envelope),
    ("escape", escaped),
    ("forge", forge),
    ("index", index),
    ("key", key),
    ("ledger-record", crate::ledger::fuzzing::record),
    ("ledger-state", crate::ledger::fuzzing::state),
    ("login", login),
    ("mark-rows", mark_rows),
    ("marks", marks),
    ("message", message),
    ("note", crate::ledger::fuzzing::note),
    ("openpgp", openpgp_signature),
    ("order", order),
    ("order-place", order_place),
    ("place", place),
    ("policy", policy),
    ("proof", crate::ledger::fuzzing::proof),
    ("push-cert", push_cert),
    ("reftable", crate::store::reftable::fuzzing::table),
    ("seal", seal),
    ("ssh-certificate", ssh_certificate),
    ("sshsig", sshsig),
    ("statement", statement),
    ("tag", tag),
    ("tree", crate::store::fuzzing::tree),
];

const FORMATS: [ObjectFormat; 2] = [ObjectFormat::Sha1, ObjectFormat::Sha256];

/// Runs the target of this name; false where there is none.
pub fn run(name: &str, bytes: &[u8]) -> bool {
    TARGETS.iter().find(|(own, _)| *own == name).is_some_and(|(_, target)| target(bytes))
}

fn commit(bytes: &[u8]) -> bool {
    let mut taken = false;
    for format in FORMATS {
        let Ok(commit) = Commit::parse(bytes, format) else { continue };
        taken = true;
        assert!(bytes.starts_with(&head_of(&commit)), "the first headers are not those that were read");
        assert!(bytes.ends_with(commit.message), "the message is not what follows the headers");
        let _ = commit.other_headers(bytes);
        let Some(signature) = &commit.signature else { continue };
        let unsigned = Commit::parse(&signature.payload, format);
        let unsigned = unsigned.unwrap_or_else(|reason| unreachable!("what was signed is no commit: {reason}"));
        assert!(unsigned.signature.is_none(), "a signature stands in what was signed");
        assert_eq!(head_of(&unsigned), head_of(&commit), "what was signed has other headers");
        assert_eq!(unsigned.message, commit.message, "what was signed has another message");
        let _ = ClaimedSignature::certified_from_armor(&signature.armor);
    }
    taken
}

/// The headers that every commit has, written again.
fn head_of(commit: &Commit<'_>) -> Vec<u8> {
    let mut head = format!("tree {}\n", commit.tree).into_bytes();
    for parent in &commit.parents {
        head.extend(format!("parent {parent}\n").into_bytes());
    }
    head.extend([b"author ", commit.author.raw, b"\ncommitter ", commit.committer.raw, b"\n"].concat());
    head
}

fn tag(bytes: &[u8]) -> bool {
    let mut taken = false;
    for format in FORMATS {
        let Ok(tag) = Tag::parse(bytes, format) else { continue };
        taken = true;
        let (payload, armor) = tag.signature.map_or((bytes.to_vec(), Vec::new()), |own| (own.payload, own.armor));
        assert_eq!([payload.as_slice(), &armor].concat(), bytes, "payload and signature are not the whole tag");
        assert!(payload.ends_with(tag.message), "the message is not what was signed");
        assert!(bytes.starts_with(format!("object {}\ntype ", tag.object).as_bytes()));
    }
    taken
}

fn message(bytes: &[u8]) -> bool {
    assert!(
        Wording::of(bytes).says(message_digest(bytes), SubjectLine::Kept).is_some(),
        "it does not say what it says"
    );
    let _ = ends_in_trailers(bytes);
    let Ok(Trailers { blocks, drafted, approves }) = parse_trailers(bytes) else { return false };
    let mut end = 0;
    for block in &blocks {
        let claim = &block.claim;
        let head = BlockHead {
            agent: &claim.agent,
            role: claim.role.as_ref(),
            model: claim.model.as_deref(),
            session: claim.session.as_deref(),
            task: claim.task.as_deref(),
        };
        let line = seal_line(&claim.seal);
        let written = head.to_text() + &line;
        let stands = bytes.get(block.span.clone()).unwrap_or_default();
        // The last line of a message may lack its line feed.
        assert_eq!(stands.strip_suffix(b"\n").unwrap_or(stands), written.trim_end().as_bytes());
        assert!(block.span.start >= end && block.span.contains(&block.covered), "blocks overlap");
        assert_eq!(block.covered - block.span.start, head.to_text().len(), "the seal covers other bytes");
        end = block.span.end;
    }
    !blocks.is_empty() || !drafted.is_empty() || !approves.is_empty()
}

fn seal(bytes: &[u8]) -> bool {
    let Ok(value) = parse_seal_value(bytes) else { return false };
    assert_eq!(seal_line(&value).as_bytes(), [seal::SEAL_KEY.as_bytes(), b": ", bytes, b"\n"].concat());
    let _ = ClaimedSignature::certified_from_blob(&value.signature);
    true
}

fn armored(bytes: &[u8]) -> bool {
    let Ok(blob) = dearmor(bytes) else { return false };
    assert_eq!(dearmor(armor(&blob).as_bytes()).as_ref(), Ok(&blob), "its one width is read otherwise");
    let same = |one: ClaimedSignature| (one.key().clone(), one.namespace().to_vec());
    let (text, binary) = (ClaimedSignature::certified_from_armor(bytes), ClaimedSignature::certified_from_blob(&blob));
    assert_eq!(text.map(same), binary.map(same), "the armor changes what is read");
    true
}

fn sshsig(bytes: &[u8]) -> bool {
    if ClaimedSignature::certified_from_blob(bytes).is_err() {
        return false;
    }
    let Ok(claimed) = ClaimedSignature::from_blob(bytes) else { return true };
    let mut head = b"SSHSIG\0\0\0\x01".to_vec();
    for field in [claimed.key().blob(), claimed.namespace(), b""] {
        head.extend(u32::try_from(field.len()).unwrap_or(u32::MAX).to_be_bytes());
        head.extend(field);
    }
    assert!(bytes.starts_with(&head), "the first fields are not those that were read");
    let namespace = String::from_utf8_lossy(claimed.namespace());
    if let Ok(verified) = claimed.verify(&namespace, b"") {
        assert_eq!(verified.key(), claimed.key());
    }
    true
}

/// A certificate of an SSH key, in its binary form.
fn ssh_certificate(bytes: &[u8]) -> bool {
    let Ok(claimed) = ClaimedCertificate::from_blob(bytes) else { return false };
    let Ok(verified) = claimed.verify() else { return true };
    assert_eq!(verified.blob(), bytes, "it is of other bytes");
    assert_eq!((verified.key(), verified.key_id()), (claimed.key(), claimed.key_id()));
    assert!(verified.valid_after() < verified.valid_before());
    assert!(verified.extensions().is_sorted() && verified.critical_options().is_sorted());
    let again = ClaimedCertificate::parse_line(&verified.to_line()).and_then(|(again, _)| again.verify());
    assert_eq!(again.as_ref(), Ok(&verified), "its line is read otherwise");
    true
}

fn key(bytes: &[u8]) -> bool {
    let binary = PublicKey::from_blob(bytes).ok();
    let text = std::str::from_utf8(bytes).ok().and_then(|line| PublicKey::parse_line(line).ok());
    let Some(key) = text.map(|(key, _)| key).or(binary) else { return false };
    assert_eq!(PublicKey::parse_line(&key.to_line()), Ok((key.clone(), String::new())));
    let fingerprint = key.fingerprint();
    assert_eq!(Fingerprint::parse(&fingerprint.to_string()), Some(fingerprint));
    true
}

/// Times before, within and after what the seeds are of.
const TIMES: [i64; 4] = [i64::MIN, 1_790_000_000, 1_900_000_000, i64::MAX];

fn certificate(bytes: &[u8]) -> bool {
    let Ok(certificate) = Certificate::from_packets(bytes) else { return false };
    assert_eq!(certificate.keys().next(), Some(certificate.fingerprint()));
    for key in certificate.keys() {
        assert_eq!(openpgp::Fingerprint::parse(&key.to_string()).as_ref(), Some(key));
        for time in TIMES {
            let good = certificate.status(key, Timestamp(time)).is_ok();
            assert!(!good || certificate.signers(Timestamp(time)).any(|signer| signer == key));
        }
    }
    let _ = certificate.names().count();
    true
}

fn openpgp_signature(bytes: &[u8]) -> bool {
    let Ok(claimed) = openpgp::ClaimedSignature::from_packet(bytes) else { return false };
    let certificate = include_bytes!("../tests/fuzz/corpus/certificate/seed-ed25519");
    if let Ok(certificate) = Certificate::from_packets(certificate)
        && let Ok(verified) = claimed.verify(&certificate, b"signed\n")
    {
        assert!(claimed.issuer().names(verified.key()) && certificate.keys().any(|key| key == verified.key()));
    }
    true
}

fn login(bytes: &[u8]) -> bool {
    login::key(bytes).is_ok()
}

fn envelope(bytes: &[u8]) -> bool {
    let Ok(claimed) = ClaimedApproval::parse(bytes) else { return false };
    let json: serde_json::Value = serde_json::from_slice(bytes).unwrap_or_default();
    let part = |place| json.pointer(place).and_then(|text| Base64::decode_vec(text.as_str()?).ok()).unwrap_or_default();
    let (payload, blob) = (part("/payload"), part("/signatures/0/sig"));
    let again = seal_envelope(&String::from_utf8_lossy(&payload), &blob);
    assert_eq!(again.as_deref().map(str::as_bytes), Ok(bytes), "it is written otherwise");
    let said = claimed.approval().clone();
    if let Ok(verified) = claimed.verify() {
        assert_eq!(*verified.approval(), said);
    }
    true
}

fn statement(bytes: &[u8]) -> bool {
    let Ok(approval) = Approval::from_statement(bytes) else { return false };
    assert_eq!(approval.to_statement().as_deref().map(str::as_bytes), Ok(bytes), "it is written otherwise");
    true
}

/// A statement of an order, or the record around one.
fn order(bytes: &[u8]) -> bool {
    if let Ok(claimed) = ClaimedOrder::parse(bytes) {
        let said = claimed.order().clone();
        if let Ok(verified) = claimed.verify() {
            assert_eq!(*verified.order(), said);
        }
        return true;
    }
    let Ok(order) = Order::from_statement(bytes) else { return false };
    assert_eq!(order.to_statement().as_deref().map(str::as_bytes), Ok(bytes), "it is written otherwise");
    assert_eq!(OrderPlace::parse(order.place().to_string().as_bytes()), Some(order.place()));
    true
}

fn order_place(bytes: &[u8]) -> bool {
    let Some(place) = OrderPlace::parse(bytes) else { return false };
    assert_eq!(place.to_string().as_bytes(), bytes, "it is written otherwise");
    true
}

/// An event, or an answer about reviews, of any forge. What is approved is the last commit, where nothing but the event is known.
fn forge(bytes: &[u8]) -> bool {
    let mut read = false;
    for forge in [Forge::GitLab, Forge::Gitea, Forge::GitHub] {
        let listed = reviews(forge, bytes);
        read |= listed.is_ok();
        let Ok(event) = Event::parse(forge, bytes) else { continue };
        read = true;
        if let Ok(Some(account)) = event.approval(None) {
            assert!(!event.takes_back(account, event.head, None), "it approves and takes back");
            assert!(event.approval(Some(&Default::default())).is_err(), "nobody approves");
        }
    }
    read
}

fn index(bytes: &[u8]) -> bool {
    let Some(index) = ApprovalIndex::from_bytes(bytes) else { return false };
    assert_eq!(ApprovalIndex::from_bytes(&index.to_bytes()), Some(index));
    true
}

fn place(bytes: &[u8]) -> bool {
    let Some(place) = ApprovalPlace::parse(bytes) else { return false };
    assert_eq!(place.to_string().as_bytes(), bytes, "it is written otherwise");
    assert!(bytes.starts_with(ApprovalPlace::of_target(&place.target).as_bytes()));
    true
}

/// A policy; what follows a form feed, which TOML cannot hold, is the file that an include names.
fn policy(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let mut texts = text.split('\u{c}');
    let source = |name: &str, text: Option<&str>| Source { name: name.into(), text: text.unwrap_or_default().into() };
    let root = source("policy.toml", texts.next());
    let include =
        &mut |_: &Source, path: &str| texts.next().map(|text| source(path, Some(text))).ok_or_else(String::new);
    let loaded = match load(vec![root], include) {
        Ok(loaded) => loaded,
        Err(problems) => {
            assert!(!problems.is_empty(), "a policy is refused without a reason");
            problems.iter().for_each(|problem| assert!(problem.at.line > 0 && !problem.to_string().is_empty()));
            return false;
        }
    };
    let policy = &loaded.policy;
    assert_eq!(diff(policy, policy), [], "a policy differs from itself");
    for rule in policy.rules() {
        let example = |example: Option<String>| example.unwrap_or_default().into_bytes();
        let (name, path) = (example(rule.example_ref()), example(rule.example_path()));
        let _ = (rule.matches_ref(&name), rule.touches(&path, Below::Anything), policy.describe(rule));
        assert!(policy.case_alias(&name).is_none_or(|alias| !alias.matches_ref(&name)));
    }
    check_self_protection(policy, b"refs/heads/main", b".countersign/policy.toml");
    true
}

fn push_cert(bytes: &[u8]) -> bool {
    let Ok(claimed) = push_cert::ClaimedPushCert::parse(bytes) else { return false };
    let Some(repository) = RepositoryName::parse(b"acme/pay") else { return false };
    let id = |digit: &str| Oid::parse(digit.repeat(40).as_bytes());
    let updates = BTreeSet::from([(b"refs/heads/main".to_vec(), id("1"), id("2"))]);
    let (nonce, path) = (&b"1795489860-abc"[..], &b"/srv/git/pay.git"[..]);
    let _ = claimed.verify(push_cert::Expected { nonce, repository: &repository, path, updates: &updates });
    true
}

/// The agents' table, and a commit to look for its marks in.
fn mark_rows(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let mut catalogue = Catalogue::builtin().clone();
    if catalogue.add(text).is_err() {
        return false;
    }
    let message = b"Add a retry loop\n\nAssisted-by: some tool\nCo-authored-by: aaaaaaaaaaaaaaaaaaaa <a@b>\n";
    check_marks(
        &catalogue,
        &MarkSource { author_name: b"some tool", author_email: b"aaaa@b.c", encoding: None, message },
    );
    let _ = catalogue.environment().filter(|mark| mark.test.accepts("1")).count();
    true
}

/// The author's name, the email and the message, a line feed between them.
fn marks(bytes: &[u8]) -> bool {
    let mut parts = bytes.splitn(3, |byte| *byte == b'\n');
    let mut part = || parts.next().unwrap_or_default();
    let source = MarkSource { author_name: part(), author_email: part(), encoding: None, message: part() };
    check_marks(Catalogue::builtin(), &source)
}

fn check_marks(catalogue: &Catalogue, source: &MarkSource<'_>) -> bool {
    let found = catalogue.find(source);
    for mark in &found {
        let alike = found.iter().filter(|other| (other.strength, other.added) == (mark.strength, mark.added));
        assert!(alike.count() <= 16, "more marks than are reported");
        assert!(mark.line.chars().count() <= 80, "{}", mark.line);
    }
    !found.is_empty()
}

fn escaped(bytes: &[u8]) -> bool {
    let shown = escape(bytes, 20);
    assert!(shown.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{shown:?} is not plain");
    // Twenty characters, the longest of which is written as `\u{10ffff}`, and an ellipsis.
    assert!(shown.len() <= 20 * 10 + 3, "{} bytes are shown of {}", shown.len(), bytes.len());
    shown.as_bytes() == bytes
}

#[cfg(test)]
mod tests;
