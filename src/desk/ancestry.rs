//! The processes above this one, as the system shows them: the git command that a hook runs under, and where a variable of the
//! environment comes from.

use crate::system::{OnDisk as _, disk};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

/// Processes that are looked at: a hook is a few shells and managers of hooks below git, and git is a few shells below an agent.
const DEPTH: usize = 32;

/// A git command above this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GitProcess {
    /// Which process it is, for as long as it runs.
    pub(crate) process: Process,
    /// Its words; none where the system does not show them.
    pub(crate) words: Vec<OsString>,
}

/// A process, told from a later one of the same number by when it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) id: u32,
    /// In clock ticks since the system began (proc(5), `starttime`); 0 where it is not known.
    pub(crate) began: u64,
}

impl Process {
    /// Whether it still runs. Where the system does not tell, it may.
    pub(crate) fn runs(self) -> bool {
        match began(self.id) {
            Some(began) => began == self.began,
            None => !Path::new("/proc/self/stat").on_disk().exists(),
        }
    }
}

/// The nearest git command above this process. What an alias stands for is a git process of its own (git.c, run_argv), so its words are
/// those that git acts on; `git hook run` only runs hooks, and is passed over. Where the system shows no processes it is the parent,
/// which is git unless a manager of hooks stands between.
pub(crate) fn git_process() -> GitProcess {
    let parent_id = std::os::unix::process::parent_id();
    let mut process = parent_id;
    for _ in 0..DEPTH {
        let Some(words) = command_line(process) else { break };
        let program = words.first().and_then(|word| Path::new(word).file_name());
        if program.is_some_and(|name| name == "git") && subcommand(&words).is_none_or(|(name, _)| name != "hook") {
            let began = began(process).unwrap_or_default();
            return GitProcess { process: Process { id: process, began }, words };
        }
        let Some(above) = parent(process) else { break };
        process = above;
    }
    let began = began(parent_id).unwrap_or_default();
    GitProcess { process: Process { id: parent_id, began }, words: Vec::new() }
}

/// Whether a process is above this one.
pub(crate) fn is_above(process: Process) -> bool {
    let above = std::iter::successors(Some(std::process::id()), |id| parent(*id)).skip(1).take(DEPTH);
    above.into_iter().any(|id| id == process.id) && process.runs()
}

/// The environments of the processes from this one upwards, each as it began, for as far as the system shows them.
pub(crate) fn environments() -> impl Iterator<Item = Ancestor> {
    let mut next = Some(std::process::id());
    let from = std::iter::from_fn(move || {
        let id = next?;
        let environment = disk::read(place(id, "environ")).ok()?;
        next = parent(id).filter(|parent| *parent != 0);
        Some(Ancestor { environment, parent: next })
    });
    from.take(DEPTH)
}

/// A process at or above this one.
pub(crate) struct Ancestor {
    environment: Vec<u8>,
    /// The process above it.
    pub(crate) parent: Option<u32>,
}

impl Ancestor {
    /// Whether its environment sets this variable to this value.
    pub(crate) fn has(&self, variable: &str, value: &str) -> bool {
        let wanted = [variable.as_bytes(), b"=", value.as_bytes()].concat();
        self.environment.split(|byte| *byte == 0).any(|entry| entry == wanted)
    }
}

/// Whether a process is one that takes over what others leave behind: the system's first, or a user's.
pub(crate) fn takes_over_orphans(process: u32) -> bool {
    let name = disk::read(place(process, "comm")).unwrap_or_default();
    let names: [&[u8]; 7] = [b"systemd", b"init", b"launchd", b"runit", b"s6-svscan", b"openrc-init", b"tini"];
    names.contains(&name.trim_ascii_end())
}

fn place(process: u32, file: &str) -> PathBuf {
    Path::new("/proc").join(process.to_string()).join(file)
}

fn command_line(process: u32) -> Option<Vec<OsString>> {
    let bytes = disk::read(place(process, "cmdline")).ok()?;
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(&bytes);
    Some(bytes.split(|byte| *byte == 0).map(|word| OsString::from_vec(word.to_vec())).collect())
}

/// The fourth field of `stat` (proc(5)).
fn parent(process: u32) -> Option<u32> {
    field(process, 4)?.parse().ok()
}

/// The twenty-second field of `stat` (proc(5)).
fn began(process: u32) -> Option<u64> {
    field(process, 22)?.parse().ok()
}

/// A field of `stat`, counted from 1, from the third on: the second is a name in parentheses that may hold anything.
fn field(process: u32, number: usize) -> Option<String> {
    let stat = disk::read(place(process, "stat")).ok()?;
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(stat.get(end.checked_add(1)?..)?).ok()?;
    rest.split_whitespace().nth(number.checked_sub(3)?).map(str::to_owned)
}

/// Options of git itself whose value is a word of its own (git(1)).
const WITH_VALUE: [&str; 6] = ["-C", "-c", "--git-dir", "--work-tree", "--namespace", "--config-env"];

/// The subcommand of git that these words name, and the words after it.
pub(crate) fn subcommand(words: &[OsString]) -> Option<(&str, &[OsString])> {
    let mut rest = words.get(1..)?;
    loop {
        let (word, after) = rest.split_first()?;
        let word = word.to_str()?;
        if WITH_VALUE.contains(&word) {
            rest = after.get(1..)?;
        } else if word.starts_with('-') {
            rest = after;
        } else {
            return Some((word, after));
        }
    }
}

/// Whether these words make a new commit: `git commit`, and not `--amend` in any of the spellings that git takes. A message that
/// reads like the option counts as it, which is the careful side.
pub(crate) fn makes_a_new_commit(words: &[OsString]) -> bool {
    subcommand(words).is_some_and(|(name, options)| name == "commit" && !amends(options))
}

/// Whether the options of `git commit` hold `--amend`, in any of the spellings that git takes.
pub(crate) fn amends(options: &[OsString]) -> bool {
    options.iter().any(|word| word.as_encoded_bytes().starts_with(b"--am"))
}

/// Whether these words run commit-msg: `git commit` does, unless an option keeps it from that, and `git merge`. What a rebase, a
/// cherry-pick or a revert commits by itself runs prepare-commit-msg alone (sequencer.c, try_to_commit).
pub(crate) fn runs_commit_msg(words: &[OsString]) -> bool {
    match subcommand(words) {
        Some(("commit", options)) => !skips_hooks(options),
        Some(("merge" | "pull", options)) => {
            !options.iter().any(|word| word.as_encoded_bytes().starts_with(b"--no-verify"))
        }
        Some(_) => false,
        // Nobody knows which command it is: commit-msg is expected, and post-commit looks what came of it.
        None => true,
    }
}

/// The message that these words of `git commit` give by `-m`, as git joins it; `None` where they give none, or something is added to it.
pub(crate) fn given_message(words: &[OsString]) -> Option<Vec<u8>> {
    let (name, options) = subcommand(words)?;
    if name != "commit" {
        return None;
    }
    let mut message: Vec<u8> = Vec::new();
    let mut add = |value: &[u8]| {
        if !message.is_empty() {
            message.push(b'\n');
        }
        message.extend_from_slice(value);
        if !message.ends_with(b"\n") {
            message.push(b'\n');
        }
    };
    let mut words = options.iter();
    while let Some(word) = words.next() {
        match word.as_encoded_bytes() {
            b"--" => break,
            b"--message" => add(words.next()?.as_encoded_bytes()),
            word if word.starts_with(b"--message=") => add(word.strip_prefix(b"--message=")?),
            word if ADDS_TO_IT.iter().any(|option| word.starts_with(option)) => return None,
            word if word.starts_with(b"-") && !word.starts_with(b"--") => {
                for (at, letter) in word.iter().enumerate().skip(1) {
                    let rest = word.get(at.checked_add(1)?..)?;
                    match letter {
                        b's' | b'C' | b'c' | b'F' | b't' => return None,
                        b'm' if rest.is_empty() => add(words.next()?.as_encoded_bytes()),
                        b'm' => add(rest),
                        _ if TAKE_REST.contains(letter) => {}
                        _ => continue,
                    }
                    break;
                }
            }
            _ => {}
        }
    }
    Some(message).filter(|message| !message.is_empty())
}

/// Long options that add to a message, or bring another.
const ADDS_TO_IT: [&[u8]; 9] =
    [b"--sig", b"--trai", b"--fix", b"--squ", b"--file", b"--reuse", b"--reedit", b"--templ", b"--clean"];

/// Short options of `git commit` whose value is the rest of their word, or else the next one; `u` and `S` take the rest alone
/// (git-commit(1)).
const TAKE_NEXT: &[u8] = b"mFCct";
const TAKE_REST: &[u8] = b"uS";

fn skips_hooks(options: &[OsString]) -> bool {
    let mut skips = false;
    let mut words = options.iter();
    while let Some(word) = words.next() {
        match word.as_encoded_bytes() {
            b"--" => break,
            word if word.starts_with(b"--no-ver") => skips = true,
            b"--verify" => skips = false,
            word if word.starts_with(b"-") && !word.starts_with(b"--") => {
                let mut letters = word.iter().skip(1);
                while let Some(letter) = letters.next() {
                    skips |= *letter == b'n';
                    if TAKE_NEXT.contains(letter) && letters.len() == 0 {
                        words.next();
                    }
                    if TAKE_NEXT.contains(letter) || TAKE_REST.contains(letter) {
                        break;
                    }
                }
            }
            _ => {}
        }
    }
    skips
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::env;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

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
            assert_eq!(makes_a_new_commit(&words(line)), new, "{line}");
        }
        assert!(!makes_a_new_commit(&[]));
    }

    #[test]
    fn commands_that_run_commit_msg_are_told() {
        for (line, runs) in [
            ("git commit -m work", true),
            ("git commit -am -n", true),
            ("git commit -mn", true),
            ("git commit -qF note", true),
            ("git commit -- -n", true),
            ("git merge --no-edit side", true),
            ("git commit -n", false),
            ("git commit -anm work", false),
            ("git commit --amend --no-verify", false),
            ("git merge --no-verify side", false),
            ("git cherry-pick side", false),
            ("git revert HEAD", false),
            ("git rebase main", false),
        ] {
            assert_eq!(runs_commit_msg(&words(line)), runs, "{line}");
        }
        assert!(runs_commit_msg(&[]), "nobody knows");
    }

    #[test]
    fn a_message_of_the_command_line_is_read_as_git_joins_it() {
        for (line, message) in [
            ("git commit -m one", Some("one\n")),
            ("git commit -qam one -m two", Some("one\n\ntwo\n")),
            ("git commit -mone --message two --message=three", Some("one\n\ntwo\n\nthree\n")),
            ("git commit -uno -m one -- -m", Some("one\n")),
            ("git commit -sm one", None),
            ("git commit -m one --trailer a:b", None),
            ("git commit -F file", None),
            ("git commit", None),
            ("git merge -m one side", None),
        ] {
            let expected = message.map(|message| message.as_bytes().to_vec());
            assert_eq!(given_message(&words(line)), expected, "{line}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_system_shows_the_processes_above() {
        let own = std::process::id();
        assert_eq!(parent(own), Some(std::os::unix::process::parent_id()));
        let shown = command_line(own).unwrap();
        assert_eq!(shown.first().map(OsString::as_os_str), env::args_os().first().map(OsString::as_os_str));
        assert_eq!(command_line(u32::MAX), None);
        let process = Process { id: own, began: began(own).unwrap() };
        assert!(process.runs());
        assert!(!Process { began: process.began + 1, ..process }.runs(), "another of the same number");
        assert!(!Process { id: u32::MAX, began: 1 }.runs());
        let path = env::var_os("PATH").unwrap().into_string().unwrap();
        assert!(environments().next().unwrap().has("PATH", &path));
        assert!(!environments().next().unwrap().has("PATH", "elsewhere"));
    }
}
