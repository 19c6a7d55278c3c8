//! Runs the worked examples of specifications with stock tools, for the tests that hold our code against them.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// The fenced blocks of a specification in one language, joined.
pub(crate) fn fenced(specification: &str, language: &str) -> String {
    let fence = format!("```{language}\n");
    let blocks = specification.split(&fence).skip(1);
    blocks.map(|block| block.split_once("```").unwrap().0).collect()
}

/// Runs a script with none of the user's settings; returns what it prints.
#[allow(clippy::disallowed_methods, reason = "stock tools are the oracle of these tests")]
pub(crate) fn run(script: &str, folder: &Path) -> String {
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
