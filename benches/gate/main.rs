//! The budgets of the design, each measured beside its peer in the same run: `cargo bench`, or `cargo bench -- NAME` for the
//! rows whose name holds NAME; those of many refs are run by name only.
//!
//! Self-made, because what is asked is a ratio of two things that run in turn on the same machine. Needs git and ssh-keygen.
//! `COUNTERSIGN_BENCH_COMMITS` and `COUNTERSIGN_BENCH_REFS` set the size of the large repository.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr
)]
// A binary has no outside, and its modules share what they like.
#![allow(unreachable_pub, missing_docs)]

mod approvals;
mod lab;
mod refs;
mod rows;
mod timing;

use lab::Lab;

/// One line of the table.
pub struct Row {
    pub work: String,
    pub target: &'static str,
    pub measured: String,
    pub ours: String,
    pub peer: String,
}

/// The name that selects a measurement, and the measurement.
type Measurement = (&'static str, fn(&Lab) -> Vec<Row>);

const MEASUREMENTS: [Measurement; 9] = [
    ("empty", rows::empty_decision),
    ("sealed", rows::sealed_commits),
    ("approvals", rows::approvals),
    ("verification", rows::verification),
    ("history", rows::large_history),
    ("push", rows::whole_push),
    ("memory", rows::memory),
    ("refs", refs::hundred_thousand),
    ("branches", refs::fifty_branches),
];

/// Those that are run by name only.
const BY_NAME: [&str; 2] = ["refs", "branches"];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --benches` only asks whether it runs.
    if arguments.iter().any(|argument| argument == "--test") {
        return;
    }
    let wanted: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let lab = Lab::new();
    println!("| work | target | measured | countersign | beside it |\n|---|---|---|---|---|");
    for (name, measure) in MEASUREMENTS {
        let is_wanted = wanted.iter().any(|word| name.contains(word.as_str()));
        if !is_wanted && (!wanted.is_empty() || BY_NAME.contains(&name)) {
            continue;
        }
        for Row { work, target, measured, ours, peer } in measure(&lab) {
            println!("| {work} | {target} | {measured} | {ours} | {peer} |");
        }
    }
}
