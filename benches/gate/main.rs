//! The budgets of the design, each measured beside its peer in the same run: `cargo bench`, or `cargo bench -- NAME` for the
//! rows whose name holds NAME; those of many refs are run by name only.
//!
//! `cargo bench --bench gate -- history PATH RANGE` takes the commits of any repository.
//!
//! Self-made, because what is asked is a ratio of two things that run in turn on the same machine. Needs git, bash and ssh-keygen.
//! `COUNTERSIGN_BENCH_COMMITS` and `COUNTERSIGN_BENCH_REFS` set the size of the large repository (100,000 and 10,000),
//! `COUNTERSIGN_BENCH_SHAPED` and `COUNTERSIGN_BENCH_IMPORT` that of the histories which are made.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::as_conversions
)]
// A binary has no outside, and its modules share what they like.
#![allow(unreachable_pub, missing_docs)]

mod approvals;
mod cost;
mod histories;
mod imports;
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

const MEASUREMENTS: [Measurement; 12] = [
    ("empty", rows::empty_decision),
    ("sealed", rows::sealed_commits),
    ("approvals", rows::approvals),
    ("verification", rows::verification),
    ("large", rows::large_history),
    ("push", rows::whole_push),
    ("memory", rows::memory),
    ("shaped", histories::shaped),
    ("branches", refs::fifty_branches),
    ("refs", refs::hundred_thousand),
    ("import", imports::import),
    ("million", imports::million),
];

/// Those that are run by name only.
const BY_NAME: [&str; 4] = ["branches", "refs", "import", "million"];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --benches` only asks whether it runs.
    if arguments.iter().any(|argument| argument == "--test") {
        return;
    }
    let wanted: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let lab = Lab::new();
    println!("| work | target | measured | countersign | beside it |\n|---|---|---|---|---|");
    if let [first, path, range] = wanted.as_slice()
        && *first == "history"
    {
        return print(histories::of_repository(&lab, path, range));
    }
    for (name, measure) in MEASUREMENTS {
        let is_wanted = wanted.iter().any(|word| name.contains(word.as_str()));
        if !is_wanted && (!wanted.is_empty() || BY_NAME.contains(&name)) {
            continue;
        }
        print(measure(&lab));
    }
}

fn print(rows: Vec<Row>) {
    for Row { work, target, measured, ours, peer } in rows {
        println!("| {work} | {target} | {measured} | {ours} | {peer} |");
    }
}
