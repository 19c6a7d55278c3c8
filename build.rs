//! Tells the program which commit it is built from, for `countersign --version`: a release, or a package from a registry. Other builds
//! say nothing: they would be built anew at each commit.

#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "cargo reads standard output, and a build reads files"
)]

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=COUNTERSIGN_COMMIT");
    let given = std::env::var("COUNTERSIGN_COMMIT").ok().filter(|commit| !commit.is_empty());
    let version = env!("CARGO_PKG_VERSION");
    match given.or_else(of_package).or_else(of_release) {
        Some(commit) => println!("cargo::rustc-env=COUNTERSIGN_VERSION={version} ({commit})"),
        None => println!("cargo::rustc-env=COUNTERSIGN_VERSION={version}"),
    }
}

/// What `cargo package` writes down (the Cargo Book, "cargo package", `.cargo_vcs_info.json`).
fn of_package() -> Option<String> {
    let text = std::fs::read_to_string(".cargo_vcs_info.json").ok()?;
    let (_, rest) = text.split_once("\"sha1\": \"")?;
    rest.split('"').next().filter(|commit| is_commit(commit)).map(str::to_owned)
}

fn of_release() -> Option<String> {
    if std::env::var("PROFILE").as_deref() != Ok("release") || !Path::new(".git").exists() {
        return None;
    }
    for file in [".git/HEAD", ".git/logs/HEAD"].into_iter().filter(|file| Path::new(file).exists()) {
        println!("cargo::rerun-if-changed={file}");
    }
    let output = Command::new("git").args(["rev-parse", "--verify", "HEAD"]).output().ok()?;
    let commit = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && is_commit(&commit)).then_some(commit)
}

fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
