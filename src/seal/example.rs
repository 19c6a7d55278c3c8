//! Runs the worked example of FORMAT.md with git, coreutils and ssh-keygen, and reads the same commit with our code.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::*;
use crate::commit::{Commit, parse_trailers};
use crate::digest::Digest;
use crate::git::{GitDir, Objects, Quarantine, changes, digest};
use crate::id::RepositoryName;
use crate::oid::{ObjectFormat, Oid};

const FORMAT: &str = include_str!("FORMAT.md");

/// The fenced blocks of FORMAT.md in one language, joined.
fn fenced(language: &str) -> String {
    let fence = format!("```{language}\n");
    let blocks = FORMAT.split(&fence).skip(1);
    blocks.map(|block| block.split_once("```").unwrap().0).collect()
}

/// Runs a script with none of the user's settings; returns what it prints.
#[allow(clippy::disallowed_methods, reason = "stock tools are the oracle of this test")]
fn run(script: &str, folder: &Path) -> String {
    let mut child = Command::new("sh")
        .arg("-eu")
        .current_dir(folder)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", folder)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the example needs git, coreutils and ssh-keygen: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn stock_tools_and_our_reader_agree_on_the_worked_example() {
    let folder = tempfile::tempdir().unwrap();
    let printed = run(&fenced("sh"), folder.path());
    assert_eq!(printed, fenced("text"));

    let dir = GitDir::at(&folder.path().join("example/.git")).unwrap();
    let objects = Objects::open(&dir, &Quarantine::default(), ObjectFormat::Sha1).unwrap();
    let mut lines = printed.lines();
    let raw = objects.commit(Oid::parse(lines.next().unwrap().as_bytes()).unwrap()).unwrap();
    let commit = Commit::parse(&raw, ObjectFormat::Sha1).unwrap();
    let parent = objects.commit(commit.parents[0]).unwrap();
    let old = Commit::parse(&parent, ObjectFormat::Sha1).unwrap().tree;
    let change = digest(&changes(&objects, Some(old), commit.tree).unwrap(), commit.tree);
    let trailers = parse_trailers(commit.message).unwrap();
    let block = &trailers.blocks[0];
    let subject = Subject {
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
    let Outcome::Holds(seal) = verify(&block.claim, &subject) else { panic!("the example holds") };
    assert!(lines.next().unwrap().ends_with(&seal.key().fingerprint().to_string()));
}
