//! Replays tests/vectors/seal: one file per behaviour, made by another implementation of FORMAT.md with ssh-keygen.

use std::path::Path;

use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::core::commit::{SealBlock, parse_trailers};
use crate::core::digest::Digest;
use crate::core::id::{Id, RepositoryName};
use crate::core::limits;
use crate::core::oid::Oid;
use crate::core::ssh::PrivateKey;

/// The keys of the vectors. They protect nothing.
const AUTHOR_SEED: &[u8; 32] = b"countersign seal vectors: author";
const REVIEWER_SEED: &[u8; 32] = b"countersign seal vector reviewer";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    about: String,
    /// One outcome per seal, or `malformed` with the line.
    expect: Vec<String>,
    repository: String,
    author: String,
    merges: Vec<String>,
    root: bool,
    change: String,
    message: String,
    #[serde(default)]
    payloads: Vec<String>,
}

/// The facts of a vector in our types.
struct VectorFacts {
    repository: RepositoryName,
    merges: Vec<Oid>,
    root: Root,
    change: Digest,
}

impl VectorFacts {
    fn of(vector: &Vector) -> Self {
        Self {
            repository: RepositoryName::parse(vector.repository.as_bytes()).unwrap(),
            merges: vector.merges.iter().map(|id| Oid::parse(id.as_bytes()).unwrap()).collect(),
            root: if vector.root { Root::Yes } else { Root::No },
            change: Digest::parse(vector.change.as_bytes()).unwrap(),
        }
    }

    fn subject<'a>(&'a self, vector: &'a Vector, block: &SealBlock) -> SealSubject<'a> {
        SealSubject {
            repository: &self.repository,
            author: vector.author.as_bytes(),
            merges: &self.merges,
            root: self.root,
            change: self.change,
            message: Digest::of(&vector.message.as_bytes()[..block.covered]),
        }
    }
}

fn outcomes(vector: &Vector) -> Vec<String> {
    let blocks = match parse_trailers(vector.message.as_bytes()) {
        Ok(trailers) => trailers.blocks,
        Err(fault) => return vec![format!("malformed: line {}", fault.line)],
    };
    let facts = VectorFacts::of(vector);
    let outcome = |block: &SealBlock| match verify(&block.claim, &facts.subject(vector, block)) {
        SealOutcome::Holds(_) => "holds".to_owned(),
        SealOutcome::Stale(stale) => format!("stale: {stale}"),
        SealOutcome::Bad(BadSeal::Mismatch) => "bad: forged".to_owned(),
        SealOutcome::Bad(BadSeal::Signature(_)) => "bad: signature".to_owned(),
        SealOutcome::Bad(BadSeal::Encoding) => "bad: encoding".to_owned(),
    };
    blocks.iter().map(outcome).collect()
}

/// Makes the seals of a vector again, byte for byte: there is one way to write them.
fn write_again(vector: &Vector) {
    let facts = VectorFacts::of(vector);
    let blocks = parse_trailers(vector.message.as_bytes()).unwrap().blocks;
    assert_eq!(blocks.len(), vector.payloads.len(), "{}", vector.about);
    for (block, payload) in blocks.iter().zip(&vector.payloads) {
        let subject = facts.subject(vector, block);
        let written = sealed_payload(&block.claim, &subject).to_bytes();
        assert_eq!(String::from_utf8(written.clone()).unwrap(), *payload, "{}", vector.about);

        let seed = if block.claim.role.is_some() { REVIEWER_SEED } else { AUTHOR_SEED };
        let signature = PrivateKey::from_seed(seed).unwrap().sign(NAMESPACE, &written);
        let value = SealValue { change: subject.change, message: subject.message, signature };
        let stands = vector.message.as_bytes()[block.span.clone()].trim_ascii_end();
        assert_eq!(text_of(&block.claim, &value).trim_end().as_bytes(), stands, "{}", vector.about);
    }
}

fn text_of(claim: &Claim, value: &SealValue) -> String {
    let head = BlockHead {
        agent: &claim.agent,
        role: claim.role.as_ref(),
        model: claim.model.as_deref(),
        session: claim.session.as_deref(),
        task: claim.task.as_deref(),
    };
    head.to_text() + &seal_line(value)
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the vectors are files")]
fn every_vector_has_its_outcome() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/seal");
    let mut seen = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let vector: Vector = toml::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(outcomes(&vector), vector.expect, "{}: {}", path.display(), vector.about);
        if vector.expect.iter().all(|outcome| outcome == "holds") {
            write_again(&vector);
        }
        seen += 1;
    }
    assert!(seen >= 60, "only {seen} vectors found in {}", folder.display());
}

fn id() -> impl Strategy<Value = Id> {
    "[a-z0-9][a-z0-9._-]{0,63}".prop_map(|text| Id::parse(text.as_bytes()).unwrap())
}

fn plain() -> impl Strategy<Value = Option<String>> {
    proptest::option::of("[!-~]([ -~]{0,98}[!-~])?")
}

fn seal() -> impl Strategy<Value = SealValue> {
    let digest = || any::<[u8; 32]>().prop_map(Digest::from_bytes);
    (digest(), digest(), proptest::collection::vec(any::<u8>(), 1..400))
        .prop_map(|(change, message, signature)| SealValue { change, message, signature })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        agent in id(), (model, session, task) in (plain(), plain(), plain()), seal in seal(),
    ) {
        let claim = Claim { agent, role: None, model, session, task, seal };
        let text = format!("Subject\n\n{}", text_of(&claim, &claim.seal));
        let read = parse_trailers(text.as_bytes()).unwrap().blocks;
        prop_assert_eq!(read.len(), 1);
        let read = &read[0];
        prop_assert_eq!(&text[read.span.clone()], text_of(&claim, &claim.seal));
        prop_assert_eq!(text_of(&read.claim, &read.claim.seal), text_of(&claim, &claim.seal));
        prop_assert_eq!(&read.claim.seal, &claim.seal);
        prop_assert_eq!(&text[read.covered..], seal_line(&claim.seal));
    }

    #[test]
    fn a_value_that_parses_has_one_encoding(value in "v1 [0-9a-f]{64} [0-9a-f]{64} [A-Za-z0-9+/]{0,12}={0,3}") {
        if let Ok(seal) = parse_seal_value(value.as_bytes()) {
            prop_assert_eq!(seal_line(&seal), format!("{SEAL_KEY}: {value}\n"));
        }
    }
}

#[test]
fn signatures_over_the_limit_are_refused() {
    let value = |length| {
        let signature = vec![7; length];
        let line = seal_line(&SealValue { change: Digest::of(b"a"), message: Digest::of(b"b"), signature });
        parse_seal_value(line.strip_prefix("Countersign-Seal: ").unwrap().trim_end().as_bytes()).map(|_| ())
    };
    assert_eq!(value(limits::SIGNATURE_BYTES), Ok(()));
    assert_eq!(value(limits::SIGNATURE_BYTES + 1), Err(SealError::TooLarge));
}
