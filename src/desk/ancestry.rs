//! The git command that a hook runs under, as the system shows the processes above this one.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

/// Processes that are looked at: a hook is a few shells and managers of hooks below git.
const DEPTH: usize = 16;

/// The words of the nearest git command above this process; `None` where the system does not show it. What an alias stands for is
/// a git process of its own (git.c, run_argv), so these are the words that git acts on.
pub(crate) fn git_command() -> Option<Vec<OsString>> {
    let mut process = std::os::unix::process::parent_id();
    for _ in 0..DEPTH {
        let words = command_line(process)?;
        let program = Path::new(words.first()?).file_name()?;
        if program == "git" {
            return Some(words);
        }
        process = parent(process)?;
    }
    None
}

fn place(process: u32, file: &str) -> PathBuf {
    Path::new("/proc").join(process.to_string()).join(file)
}

fn command_line(process: u32) -> Option<Vec<OsString>> {
    let bytes = std::fs::read(place(process, "cmdline")).ok()?;
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(&bytes);
    Some(bytes.split(|byte| *byte == 0).map(|word| OsString::from_vec(word.to_vec())).collect())
}

/// proc(5): the fourth field of `stat`, after a name in parentheses that may hold anything.
fn parent(process: u32) -> Option<u32> {
    let stat = std::fs::read(place(process, "stat")).ok()?;
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(stat.get(end + 1..)?).ok()?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

/// Options of git itself whose value is a word of its own (git(1)).
const WITH_VALUE: [&str; 6] = ["-C", "-c", "--git-dir", "--work-tree", "--namespace", "--config-env"];

/// Whether these words make a new commit: `git commit`, and not `--amend` in any of the spellings that git takes. A message that
/// reads like the option counts as it, which is the careful side.
pub(crate) fn makes_a_new_commit(words: &[OsString]) -> bool {
    let mut words = words.iter().skip(1);
    while let Some(word) = words.next() {
        let Some(word) = word.to_str() else { return false };
        if WITH_VALUE.contains(&word) {
            words.next();
        } else if !word.starts_with('-') {
            let amends = |word: &OsString| word.as_encoded_bytes().starts_with(b"--am");
            return word == "commit" && !words.any(amends);
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_commits_are_told_from_amended_ones() {
        for (line, new) in [
            ("git commit", true),
            ("/usr/lib/git-core/git commit -q -C HEAD", true),
            ("git -c commit.gpgsign=false -C dir commit -c HEAD~2", true),
            ("git --git-dir=x --work-tree y -p commit -m amend", true),
            ("git commit --amend", false),
            ("git commit -C HEAD --am", false),
            ("git commit -m --amend", false),
            ("git -C commit rebase --continue", false),
            ("git rebase -i commit", false),
            ("git -c commit", false),
            ("git", false),
        ] {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            assert_eq!(makes_a_new_commit(&words), new, "{line}");
        }
        assert!(!makes_a_new_commit(&[]));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_system_shows_the_processes_above() {
        let own = std::process::id();
        assert_eq!(parent(own), Some(std::os::unix::process::parent_id()));
        let words = command_line(own).unwrap();
        assert_eq!(words.first().map(OsString::as_os_str), std::env::args_os().next().as_deref());
        assert_eq!(command_line(u32::MAX), None);
    }
}
