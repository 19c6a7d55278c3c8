//! What people and git read: standard output, and the lines on standard error.

use std::io::Write as _;

use super::{Failure, Result};
use crate::core::policy::Problem;
use crate::core::report;

/// Writes lines for people, each behind `prefix`. A closed standard error takes nothing away from the exit code, which is the decision.
pub(crate) fn say_lines(prefix: &str, lines: &str) {
    let lines: String = lines.lines().map(|line| format!("{prefix}{line}\n")).collect();
    let _ = std::io::stderr().write_all(lines.as_bytes());
}

/// Writes lines for people as they are.
pub(crate) fn say(lines: &str) {
    say_lines("", lines);
}

/// Each line of a hint as one: a command stands alone, to be taken as it is.
pub(super) fn hint_lines(hint: &str) -> impl Iterator<Item = String> + '_ {
    hint.lines().map(|line| format!("hint: {line}"))
}

/// How a problem of a policy is mended: words that a policy brought may be among it.
pub(super) fn fix_lines(problem: &Problem) -> Vec<String> {
    problem.fix.lines().map(|line| format!("hint: {}", report::escape(line.as_bytes(), 600))).collect()
}

/// Writes a hint.
pub(crate) fn say_hint(hint: &str) {
    hint_lines(hint).for_each(|line| say(&line));
}

/// Writes how a problem of a policy is mended.
pub(crate) fn say_fix(problem: &Problem) {
    fix_lines(problem).iter().for_each(|line| say(line));
}

/// Writes the result of a command.
pub(crate) fn print(text: &str) -> Result<()> {
    std::io::stdout().write_all(text.as_bytes()).map_err(|error| match error.kind() {
        std::io::ErrorKind::BrokenPipe => Failure::unread(),
        _ => Failure::new(format!("cannot write the output: {error}")),
    })
}

pub(crate) fn stdin() -> std::io::Stdin {
    std::io::stdin()
}

pub(crate) fn stdout() -> std::io::Stdout {
    std::io::stdout()
}

pub(crate) fn stderr() -> std::io::Stderr {
    std::io::stderr()
}

/// What the screen behind a stream shows. A server does not know the pusher's: there the stream leads to git.
pub(crate) fn characters(stream: &impl std::io::IsTerminal) -> crate::core::report::Characters {
    use crate::core::report::Characters;
    // The first that is set and not empty decides (POSIX, 8.2 Internationalization Variables).
    let locale =
        ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(std::env::var_os).find(|value| !value.is_empty());
    let locale = locale.unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let charset = locale.split('@').next().unwrap_or_default();
    let shows_unicode = stream.is_terminal() && (charset.ends_with("utf-8") || charset.ends_with("utf8"));
    if shows_unicode { Characters::Unicode } else { Characters::Ascii }
}
