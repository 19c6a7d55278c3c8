//! What a merge makes here, by git and by libgit2, on generated histories: `cargo bench --bench merges -- [MERGES] [SEED]`.
//!
//! It prints for each how often it makes git's tree, how often only one of the two calls a merge clean, how often both do and the
//! trees differ, and what a merge costs. 10,000 merges take about a minute after building.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::as_conversions,
    unreachable_pub
)]

#[path = "../../tests/integration/oracles/histories.rs"]
mod histories;
#[path = "../../tests/integration/oracles/random.rs"]
#[allow(dead_code)]
mod random;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use countersign::core::oid::{ObjectFormat, Oid};
use countersign::core::tree::{WalkLimits, merged_tree};
use countersign::store::{GitDir, History, Objects, Quarantine};

use histories::{Histories, Merge};
use random::Random;

/// The commits to be merged, in hexadecimal digits.
type Pair = (String, String);
/// The tree of each merge, where it is clean.
type Outcomes = Vec<Option<String>>;

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse::<u64>().ok());
    let (count, seed) = (numbers.next().unwrap_or(10_000), numbers.next().unwrap_or(1));
    let directory = tempfile::tempdir().unwrap();
    let repository = directory.path();
    let pairs = generate(repository, usize::try_from(count).unwrap(), seed);
    let (by_git, seconds) = timed(|| by_git(repository, &pairs));
    let clean = by_git.iter().flatten().count();
    println!("{count} merges, seed {seed}; git merges {clean} cleanly, {:.2} ms each", seconds * 1000.0 / count as f64);
    type Merger = fn(&Path, &[Pair]) -> Outcomes;
    for (name, merger) in [("here", here as Merger), ("libgit2", by_libgit2 as Merger)] {
        let (outcomes, seconds) = timed(|| merger(repository, &pairs));
        let mut counts = [0_usize; 4];
        for (number, (git, other)) in by_git.iter().zip(&outcomes).enumerate() {
            let kind = match (git, other) {
                (None, None) => continue,
                (Some(tree), Some(other)) if tree == other => 0,
                (Some(_), None) => 1,
                (None, Some(_)) => 2,
                (Some(_), Some(_)) => 3,
            };
            counts[kind] += 1;
            if name == "here" && kind > 0 {
                println!("  m{number}: git {git:?}, here {other:?}");
            }
        }
        let [same, only_git, only_other, differing] = counts;
        let each = seconds * 1000.0 / count as f64;
        println!(
            "{name}: same tree {same}, only git clean {only_git}, only {name} clean {only_other}, other tree {differing}; {each:.2} ms each"
        );
    }
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let start = Instant::now();
    (work(), start.elapsed().as_secs_f64())
}

fn generate(repository: &Path, count: usize, seed: u64) -> Vec<Pair> {
    git(repository, &["init", "-q", "--bare", "."], b"");
    let mut histories = Histories::new(seed, 40);
    let merges: Vec<Merge> = (0..count).map(|number| histories.add(number)).collect();
    git(repository, &["fast-import", "--quiet"], &histories.take());
    let names: String = merges.iter().flat_map(|merge| merge.sides()).map(|name| name + "\n").collect();
    let ids = git(repository, &["cat-file", "--batch-check=%(objectname)"], names.as_bytes()).0;
    let ids: Vec<&str> = std::str::from_utf8(&ids).unwrap().lines().collect();
    ids.chunks(2).map(|pair| (pair[0].to_owned(), pair[1].to_owned())).collect()
}

/// Runs git. Returns what it prints, and whether it succeeds.
fn git(repository: &Path, arguments: &[&str], input: &[u8]) -> (Vec<u8>, bool) {
    let mut command = Command::new("git");
    command.args(arguments).current_dir(repository).env("GIT_CONFIG_NOSYSTEM", "1").env("HOME", repository);
    command.env("GIT_CONFIG_COUNT", "1");
    command.env("GIT_CONFIG_KEY_0", "advice.submoduleMergeConflict").env("GIT_CONFIG_VALUE_0", "false");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        // Where git dies, it does not read on.
        scope.spawn(move || stdin.write_all(input).unwrap_or_default());
        let output = child.wait_with_output().unwrap();
        (output.stdout, output.status.success())
    })
}

fn by_git(repository: &Path, pairs: &[Pair]) -> Outcomes {
    let mut outcomes = Outcomes::new();
    let mut step = pairs.len();
    while outcomes.len() < pairs.len() {
        let next = pairs.iter().skip(outcomes.len()).take(step);
        let input: String = next.map(|(ours, theirs)| format!("{ours} {theirs}\n")).collect();
        let (said, is_alive) = git(repository, &Merge::BY_GIT, input.as_bytes());
        outcomes.extend(Merge::outcomes(&said));
        // Git 2.47 dies of an assertion now and then, with what it had not yet printed: then one by one up to there.
        if !is_alive && step == 1 {
            println!("  m{}: git dies", outcomes.len());
            outcomes.push(None);
        }
        step = if is_alive || step == 1 { pairs.len() } else { 1 };
    }
    outcomes
}

fn here(repository: &Path, pairs: &[Pair]) -> Outcomes {
    let directory = GitDir::at(repository).unwrap();
    let reads = WalkLimits::PUSH;
    let merge = |(ours, theirs): &Pair| {
        // Opened again for each, as for each push.
        let objects = Objects::open(&directory, &Quarantine::default(), ObjectFormat::Sha1).unwrap();
        let history = History::new(&objects, &directory);
        let [ours, theirs] = [ours, theirs].map(|id| Oid::parse(id.as_bytes()).unwrap());
        merged_tree(&objects, &history, ours, theirs, reads).unwrap().map(|tree| tree.to_string())
    };
    pairs.iter().map(merge).collect()
}

fn by_libgit2(repository: &Path, pairs: &[Pair]) -> Outcomes {
    let repository = git2::Repository::open(repository).unwrap();
    let database = repository.odb().unwrap();
    let _memory = database.add_new_mempack_backend(1000).unwrap();
    let merge = |(ours, theirs): &Pair| {
        let commit = |id: &str| repository.find_commit(git2::Oid::from_str(id).unwrap()).unwrap();
        let mut index = repository.merge_commits(&commit(ours), &commit(theirs), None).ok()?;
        if index.has_conflicts() { None } else { Some(index.write_tree_to(&repository).ok()?.to_string()) }
    };
    pairs.iter().map(merge).collect()
}
