//! What `doctor` and `install` take over thousands of repositories: `cargo bench --bench servers`.
//!
//! `COUNTERSIGN_BENCH_REPOSITORIES` sets how many; 5,000 by default.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stdout)]

use std::path::Path;
use std::process::Command;
use std::time::Instant;

const POLICY: &str = "version = 1\n[[rule]]\nname = \"all\"\nrefs = [\"refs/heads/**\"]\nidentity = \"agents\"\n";

fn main() {
    let many = std::env::var("COUNTERSIGN_BENCH_REPOSITORIES").map_or(5000, |text| text.parse().unwrap());
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("root");
    for number in 0..many {
        bare(&root.join(format!("group{}/repository{number}.git", number % 50)));
    }
    let policy = home.path().join("policy.toml");
    std::fs::write(&policy, POLICY).unwrap();
    let install = timed(&["install".as_ref(), "--server".as_ref(), &root, "--policy".as_ref(), &policy]);
    let doctor = timed(&["doctor".as_ref(), "--server".as_ref(), &root]);
    // The peer: one process of git for each repository, which does nothing.
    let git = Instant::now();
    for number in 0..many.min(200) {
        let path = root.join(format!("group{}/repository{number}.git", number % 50));
        assert!(
            Command::new("git").args(["rev-parse", "--git-dir"]).current_dir(path).output().unwrap().status.success()
        );
    }
    let peer = git.elapsed().as_secs_f64() * f64::from(many) / f64::from(many.min(200));
    println!("{many} repositories: install {install:.1} s, doctor {doctor:.1} s (aim 30 s);");
    println!("git rev-parse in each: {peer:.1} s (200 timed)");
}

/// What `git init --bare` makes, without a process for each.
fn bare(path: &Path) {
    for directory in ["objects/info", "objects/pack", "refs/heads", "refs/tags", "hooks"] {
        std::fs::create_dir_all(path.join(directory)).unwrap();
    }
    std::fs::write(path.join("HEAD"), "ref: refs/heads/main\n").unwrap();
    std::fs::write(path.join("config"), "[core]\n\trepositoryformatversion = 0\n\tbare = true\n").unwrap();
}

fn timed(words: &[&Path]) -> f64 {
    let start = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_countersign")).args(words).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    start.elapsed().as_secs_f64()
}
