//! Writes the ledger of FORMAT.md's worked example with our code, and checks it with coreutils and ssh-keygen.

use super::tests::{Refs, attempt, ledger, push, update, worked};
use super::*;
use crate::core::decide::Timestamp;
use crate::core::worked_example::{fenced, run};

const FORMAT: &str = include_str!("FORMAT.md");

#[test]
fn stock_tools_and_our_writer_agree_on_the_worked_example() {
    let directory = tempfile::tempdir().unwrap();
    let (ledger, refs) = (ledger(directory.path()), Refs::default());
    let start = 1_795_489_864;
    let refused =
        Attempt { outcome: Outcome::Rejected, ..attempt(start + 60, vec![update("refs/heads/main", None, Some(1))]) };
    ledger.decide(refused, &refs).unwrap();
    push(&ledger, &refs, start + 120, vec![worked(update("refs/heads/main", None, Some(2)), 0..1)]);
    let written = std::fs::read_to_string(directory.path().join("log")).unwrap();
    assert_eq!(written, fenced(FORMAT, "json"));
    assert_eq!(run(&fenced(FORMAT, "sh"), directory.path()), fenced(FORMAT, "text"));
    let state = read(directory.path(), Signatures::All, &mut |_, _, _| {}).unwrap().state;
    assert_eq!((state.size(), state.time()), (5, Timestamp(start + 120)));
}
