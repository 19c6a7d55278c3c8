//! Runs the worked example of the seal's FORMAT.md with git, coreutils and ssh-keygen, and reads the same commit with our code.

use countersign::core::commit::{Commit, parse_trailers};
use countersign::core::digest::Digest;
use countersign::core::id::RepositoryName;
use countersign::core::oid::{ObjectFormat, Oid};
use countersign::core::seal::{Root, SealOutcome, SealSubject, sealed_payload, verify};
use countersign::core::tree::{changes, digest};
use countersign::store::{GitDir, Objects, Quarantine};

use crate::worked_example::{fenced, run};

const FORMAT: &str = include_str!("../../src/core/seal/FORMAT.md");

#[test]
fn stock_tools_and_our_reader_agree_on_the_worked_example() {
    let folder = crate::world::directory();
    let printed = run(&fenced(FORMAT, "sh"), folder.path());
    assert_eq!(printed, fenced(FORMAT, "text"));

    let dir = GitDir::at(&folder.path().join("example/.git")).unwrap();
    let objects = Objects::open(&dir, &Quarantine::default(), ObjectFormat::Sha1).unwrap();
    let mut lines = printed.lines();
    let raw = objects.commit(Oid::parse(lines.next().unwrap().as_bytes()).unwrap()).unwrap();
    let commit = Commit::parse(&raw, ObjectFormat::Sha1).unwrap();
    let parent = objects.commit(commit.parents[0]).unwrap();
    let old = Commit::parse(&parent, ObjectFormat::Sha1).unwrap().tree;
    let change = digest(&changes(&objects, Some(old), commit.tree).unwrap(), commit.tree.format());
    let trailers = parse_trailers(commit.message).unwrap();
    let block = &trailers.blocks[0];
    let subject = SealSubject {
        repository: &RepositoryName::parse(b"acme/payments").unwrap(),
        author: commit.author.raw,
        merges: &[],
        root: Root::No,
        change,
        message: Digest::of(&commit.message[..block.covered]),
    };
    let payload = sealed_payload(&block.claim, &subject).to_bytes();
    for ours in [change, subject.message, Digest::of(&payload)] {
        assert_eq!(lines.next(), Some(format!("{ours}  -").as_str()));
    }
    let SealOutcome::Holds(seal) = verify(&block.claim, &subject) else { panic!("the example holds") };
    assert!(lines.next().unwrap().ends_with(&seal.key().fingerprint().to_string()));
}
