//! Pushes while processes are killed, and the repository is kept, renamed, its policy changed and its ledger rotated. Nothing may be lost:
//! what a pusher was told to have landed is decided, committed and received, once.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use countersign::core::digest::Digest;
use countersign::ledger::{Entry, Ledger, Signatures, generations, read};

use crate::pushers::{Ground, PUSHERS, Pusher};

/// What became of the pushes of one pusher.
#[derive(Default)]
struct Told {
    /// Branch and commit of each push that git said had landed.
    landed: Vec<(String, String)>,
    killed: u64,
    /// Pushes that were refused, by what was said.
    refused: BTreeMap<String, u64>,
}

/// Numbers that look random, the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// Where the server's repository lies: the link that pushers use.
fn current(ground: &Ground) -> PathBuf {
    ground.path("current")
}

fn push_on(ground: &Ground, number: u64, left: &AtomicU64) -> Told {
    let pusher = Pusher::new(ground, number);
    let mut random = Random(number * 7919 + 17);
    let (mut told, mut branch) = (Told::default(), 0);
    while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
        let commit = pusher.commit();
        let name = format!("p{number}/{branch}");
        let mut child = pusher.begin(&current(ground), &commit, &name);
        if random.below(5) == 0 {
            std::thread::sleep(Duration::from_millis(random.below(250)));
            let group = format!("-{}", child.id());
            Command::new("kill").args(["-9", "--", &group]).stderr(std::process::Stdio::null()).status().unwrap();
            let ended = child.wait().unwrap();
            if ended.success() {
                told.landed.push((name, commit));
            } else {
                told.killed += 1;
            }
            // Git leaves the lock of a ref behind.
            branch += 1;
            continue;
        }
        let output = child.wait_with_output().unwrap();
        if output.status.success() {
            told.landed.push((name, commit));
        } else {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let why = said.lines().find(|line| line.contains("error")).or_else(|| said.lines().next());
            *told.refused.entry(why.unwrap_or("nothing").replace(&commit, "ID").replace(&name, "REF")).or_default() +=
                1;
            branch += 1;
        }
    }
    told
}

/// What is done beside it, until it is over. How often each.
fn keep_house(ground: &Ground, over: &AtomicBool) -> BTreeMap<&'static str, u64> {
    let mut random = Random(4711);
    let mut done: BTreeMap<&'static str, u64> = BTreeMap::new();
    let policy = ground.path("policy.toml");
    let text = std::fs::read_to_string(&policy).unwrap();
    let mut server = ground.server();
    while !over.load(Ordering::Relaxed) {
        let what = match random.below(6) {
            0 => {
                // A ref that somebody's lock stands on is left as it is.
                drop(ground.command("git", &server).args(["gc", "-q"]).output().unwrap());
                "gc"
            }
            1 => {
                drop(ground.command("git", &server).args(["repack", "-adq"]).output().unwrap());
                "repack"
            }
            2 => {
                drop(ground.command("git", &server).args(["pack-refs", "--all"]).output().unwrap());
                "pack-refs"
            }
            3 => {
                let next = ground.path(&format!("git/{}.git", done.values().sum::<u64>()));
                std::fs::rename(&server, &next).unwrap();
                point(ground, &next);
                server = next;
                "rename"
            }
            4 => {
                let new = ground.path("policy.new");
                std::fs::write(&new, format!("{text}# {}\n", done.len())).unwrap();
                std::fs::rename(&new, &policy).unwrap();
                "policy"
            }
            _ => {
                ground.countersign(&["ledger", "rotate", "--server", server.to_str().unwrap()]);
                "rotate"
            }
        };
        *done.entry(what).or_default() += 1;
        std::thread::sleep(Duration::from_millis(500));
    }
    done
}

fn point(ground: &Ground, server: &Path) {
    let next = ground.path("next");
    std::os::unix::fs::symlink(server, &next).unwrap();
    std::fs::rename(next, current(ground)).unwrap();
}

/// All that the logs of all generations say.
#[derive(Default)]
struct Record {
    decisions: u64,
    committed: BTreeSet<(String, String)>,
    digests: HashMap<String, Digest>,
    unexplained: u64,
}

fn record(ledger: &Path) -> Record {
    let mut record = Record::default();
    for log in generations(ledger).into_iter().chain([ledger.to_owned()]) {
        let mut open: HashMap<u64, HashMap<String, String>> = HashMap::new();
        let mut entries = |number: u64, _: u64, entry: &Entry| match entry {
            Entry::Decided(decided) => {
                record.decisions += u64::from(decided.again.is_none());
                for update in &decided.updates {
                    let new = update.new.map(|id| id.0.to_string()).unwrap_or_default();
                    open.entry(number).or_default().insert(update.name.to_string(), new);
                    for (commit, digest) in update.work.iter().flat_map(|work| &work.commits) {
                        record.digests.insert(commit.0.to_string(), digest.0);
                    }
                }
            }
            Entry::Committed(settled) => {
                for name in &settled.refs {
                    let new = open.get(&settled.decision).and_then(|updates| updates.get(&name.to_string()));
                    record.committed.extend(new.map(|new| (name.to_string(), new.clone())));
                }
            }
            Entry::Unexplained(unexplained) => record.unexplained += unexplained.refs.len() as u64,
            _ => {}
        };
        read(&log, Signatures::All, &mut entries).unwrap();
    }
    record
}

pub(crate) fn run(pushes: u64) {
    let ground = Ground::new();
    ground.install();
    point(&ground, &ground.server());
    let (left, over, start) = (AtomicU64::new(pushes), AtomicBool::new(false), Instant::now());
    let (told, kept) = std::thread::scope(|scope| {
        let house = scope.spawn(|| keep_house(&ground, &over));
        let (ground, left) = (&ground, &left);
        let pushers: Vec<_> = (0..PUSHERS).map(|number| scope.spawn(move || push_on(ground, number, left))).collect();
        let told: Vec<Told> = pushers.into_iter().map(|pusher| pusher.join().unwrap()).collect();
        over.store(true, Ordering::Relaxed);
        (told, house.join().unwrap())
    });
    let took = start.elapsed().as_secs_f64();
    let server = current(&ground).canonicalize().unwrap();
    // The last pushes to each branch settle what was cut off there, and say that all of it still works.
    let last = Pusher::new(&ground, 0);
    let settled = last.begin(&server, &last.commit(), "last").wait_with_output().unwrap();
    assert!(settled.status.success(), "{}", String::from_utf8_lossy(&settled.stderr));
    let said = ground.countersign(&["log", "verify", "--server", server.to_str().unwrap()]);
    assert!(said.trim_end().ends_with(": holds"), "{said}");
    let path = server.join("countersign/ledger");
    let (record, ledger) = (record(&path), Ledger::open(&path).unwrap());
    let receipts = ledger.receipts().unwrap();
    let landed: Vec<&(String, String)> = told.iter().flat_map(|told| &told.landed).collect();
    let (mut lost, mut unreceived, mut gone) = (0, 0, 0);
    let values = ground.git(&server, &["for-each-ref", "--format=%(refname)"]);
    let refs: BTreeSet<&str> = values.lines().collect();
    for (branch, commit) in &landed {
        let name = format!("refs/heads/{branch}");
        lost += u64::from(!record.committed.contains(&(name.clone(), commit.clone())));
        gone += u64::from(!refs.contains(name.as_str()));
        let digest = record.digests.get(commit);
        unreceived += u64::from(digest.is_none_or(|digest| receipts.find(&ledger, *digest).unwrap().is_none()));
    }
    let killed: u64 = told.iter().map(|told| told.killed).sum();
    println!("{pushes} pushes of {PUSHERS} pushers in {took:.0} s: {} landed, {killed} killed", landed.len());
    let mut refused: BTreeMap<&str, u64> = BTreeMap::new();
    told.iter().flat_map(|told| &told.refused).for_each(|(why, count)| *refused.entry(why).or_default() += count);
    refused.iter().for_each(|(why, count)| println!("  refused {count}: {why}"));
    println!("beside it: {kept:?}; generations before: {}", generations(&path).len());
    println!(
        "decisions {}, committed {}, moved unexplained {}",
        record.decisions,
        record.committed.len(),
        record.unexplained
    );
    println!("landed and not committed {lost}, not received {unreceived}, without their ref {gone}");
    assert_eq!((lost, unreceived, gone, record.unexplained), (0, 0, 0, 0), "something was lost");
    let accounted = landed.len() as u64 + killed + refused.values().sum::<u64>();
    assert_eq!(accounted, pushes);
    assert!(record.committed.len() as u64 <= landed.len() as u64 + killed + 1);
}
