//! What the ledger costs, beside what the disk costs, at several sizes: `cargo bench --bench ledger`.
//!
//! `COUNTERSIGN_BENCH_RECORDS` sets the largest size; it is 1,000,000 by default. `-- pushes` says how many pushes a second eight pushers
//! make with the hook and without; `-- soak [PUSHES]` lets them push while processes are killed and the repository is kept, and counts.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::as_conversions
)]

mod pushers;
mod soak;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use countersign::core::canonical::{CanonicalOid, RefName, Sha256, Time};
use countersign::core::decide::Timestamp;
use countersign::core::digest::Digest;
use countersign::core::id::RepositoryName;
use countersign::core::oid::Oid;
use countersign::core::ssh::PrivateKey;
use countersign::ledger::{
    Attempt, CurrentRefs, Decided, Entry, Ledger, LedgerError, Outcome, Plan, Settled, Signatures, UpdateRecord,
    Witness, Work, read,
};

const NOW: i64 = 1_795_489_864;
const ROUNDS: usize = 201;

/// The one ref of the benchmark.
struct Refs(Cell<Option<Oid>>);

impl CurrentRefs for Refs {
    fn packed_stamp(&self) -> Result<String, LedgerError> {
        Ok("none".to_owned())
    }
    fn loose(&self) -> Result<BTreeMap<Vec<u8>, Oid>, LedgerError> {
        Ok(self.0.get().map(|id| (b"refs/heads/main".to_vec(), id)).into_iter().collect())
    }
    fn each(&self, each: &mut dyn FnMut(&[u8], Oid)) -> Result<(), LedgerError> {
        self.loose()?.iter().for_each(|(name, id)| each(name, *id));
        Ok(())
    }
    fn value(&self, _: &[u8]) -> Result<Option<Oid>, LedgerError> {
        Ok(self.0.get())
    }
}

fn oid(number: u64) -> Oid {
    Oid::parse(format!("{:040x}", number + 1).as_bytes()).unwrap()
}

fn seal(number: u64) -> Digest {
    Digest::of(&number.to_be_bytes())
}

fn update(number: u64) -> UpdateRecord {
    UpdateRecord {
        name: RefName(b"refs/heads/main".as_slice().into()),
        old: number.checked_sub(1).map(|old| CanonicalOid(oid(old))),
        new: Some(CanonicalOid(oid(number))),
        commits: 1,
        outcome: Outcome::Accepted,
        findings: Vec::new(),
        left_out: None,
        approvals: Vec::new(),
        order: None,
        overrides: Vec::new(),
        work: vec![Work {
            grant: Vec::new(),
            principal: "claude-code".into(),
            key: "SHA256:Y8rvSqrN7eLmuU+B865WBD+wqeUlOipmbJkd+s4zMVU".into(),
            commits: vec![(CanonicalOid(oid(number)), Sha256(seal(number)))],
        }],
    }
}

/// Fills a ledger with the two records of each of `pushes` pushes, many in one write.
fn fill(ledger: &Ledger, pushes: u64) {
    let mut done = 0;
    while done < pushes {
        let until = pushes.min(done + 5000);
        ledger
            .append(Timestamp(NOW), &mut |state| {
                let mut entries = Vec::new();
                for number in done..until {
                    let time = Time(Timestamp(NOW));
                    let decision = state.size() + entries.len() as u64;
                    entries.push(Entry::Decided(Decided {
                        time,
                        clock: None,
                        again: None,
                        outcome: Outcome::Accepted,
                        policy: Some(Sha256(Digest::of(b"policy"))),
                        version: "0.1.0".into(),
                        submitter: None,
                        error: None,
                        freezes: None,
                        updates: vec![update(number)],
                        continued: 0,
                    }));
                    let refs = vec![RefName(b"refs/heads/main".as_slice().into())];
                    let settled = Settled { time, decision, refs, by: Witness::PostReceive };
                    entries.push(Entry::Committed(settled));
                }
                Ok(Plan::of(entries))
            })
            .unwrap();
        ledger.compact().unwrap();
        done = until;
    }
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn median(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e3
}

fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("unknown");
    line.trim().to_owned()
}

fn measure(directory: &Path, records: u64) {
    let pushes = records / 2;
    let key = PrivateKey::from_seed(&[7; 32]).unwrap();
    let repository = RepositoryName::parse(b"acme/payments").unwrap();
    Ledger::create(directory, &repository, key, Timestamp(NOW)).unwrap();
    let ledger = Ledger::open(directory).unwrap();
    fill(&ledger, pushes);
    let refs = Refs(Cell::new(pushes.checked_sub(1).map(oid)));
    let mut bare = std::fs::File::create(directory.join("bare")).unwrap();
    let (mut decided, mut committed, mut synced, mut looked) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS as u64 {
        let number = pushes + round;
        // As a hook does: open, look which refs moved, decide; later open and settle.
        decided.push(timed(|| {
            let ledger = Ledger::open(directory).unwrap();
            let suspects = ledger.suspects(&refs).unwrap();
            let attempt = Attempt {
                counted: Vec::new(),
                now: Timestamp(NOW),
                outcome: Outcome::Accepted,
                policy: Some(Digest::of(b"policy")),
                submitter: None,
                error: None,
                freezes: None,
                updates: Box::new(vec![update(number)]),
                suspects,
            };
            ledger.decide(attempt, &refs).unwrap();
        }));
        synced.push(timed(|| {
            bare.write_all(&[b'x'; 900]).unwrap();
            bare.sync_data().unwrap();
        }));
        let old = refs.0.replace(Some(oid(number)));
        committed.push(timed(|| {
            let ledger = Ledger::open(directory).unwrap();
            let moved =
                (RefName(b"refs/heads/main".as_slice().into()), old.map(CanonicalOid), Some(CanonicalOid(oid(number))));
            ledger.committed(Timestamp(NOW), &[moved], Witness::PostReceive).unwrap();
            ledger.compact().unwrap();
        }));
        let wanted = if pushes == 0 { number } else { round * 7919 % pushes };
        looked.push(timed(|| assert!(ledger.receipts().unwrap().find(&ledger, seal(wanted)).unwrap().is_some())));
    }
    let (decided, committed) = (median(&mut decided), median(&mut committed));
    let (synced, looked) = (median(&mut synced), median(&mut looked));
    println!("{records:>9} {:>12.3} {:>12.3} {synced:>12.3} {looked:>12.3}", decided - synced, committed - synced);
}

fn main() {
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    match words.next().as_deref() {
        Some("soak") => return soak::run(words.next().map_or(10_000, |pushes| pushes.parse().unwrap())),
        Some("pushes") => return pushers::compare(),
        _ => {}
    }
    let most: u64 =
        std::env::var("COUNTERSIGN_BENCH_RECORDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    println!("medians of {ROUNDS} in ms; target: at most 1 ms besides one fdatasync, and lookups that do not grow");
    println!("{:>9} {:>12} {:>12} {:>12} {:>12}", "records", "decide", "settle", "fdatasync", "receipt");
    let root = tempfile::tempdir().unwrap();
    for records in [0, 10_000, most] {
        measure(&root.path().join(records.to_string()), records);
    }
    let mut count = 0;
    let took = timed(|| {
        read(&root.path().join(most.to_string()), Signatures::All, &mut |_, _, _| count += 1).unwrap();
    });
    println!("verify {count} records: {:.1} s (target: under 60 s for 1,000,000)", took.as_secs_f64());
    println!("peak memory of all of this: {}", peak_memory());
}
