//! What people and git read: standard output, and the lines on standard error.

use std::io::Write as _;

use super::{Failure, Result};
use crate::core::policy::Problem;
use crate::core::report;

/// Whether this process must not refuse anything, whatever happens.
static OBSERVING: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

/// From here on, not even a bug in this program refuses the push.
pub(crate) fn observing() {
    OBSERVING.store(true, std::sync::atomic::Ordering::Relaxed);
}

pub(crate) fn is_observing() -> bool {
    OBSERVING.load(std::sync::atomic::Ordering::Relaxed)
}

/// What every line to the pusher begins with, for the server to show it.
static LINE_PREFIX: std::sync::OnceLock<&'static str> = std::sync::OnceLock::new();

/// From here on, every line begins so.
pub(crate) fn prefix_lines(prefix: &'static str) {
    let _ = LINE_PREFIX.set(prefix);
}

/// Writes lines for people. A closed standard error takes nothing away from the exit code, which is the decision.
pub(crate) fn say(lines: &str) {
    let prefix = LINE_PREFIX.get().copied().unwrap_or_default();
    let lines: String = lines.lines().map(|line| format!("{prefix}{line}\n")).collect();
    let _ = std::io::stderr().write_all(lines.as_bytes());
}

/// Writes each line of a hint as one: a command stands alone, to be taken as it is.
pub(crate) fn say_hint(hint: &str) {
    hint.lines().for_each(|line| say(&format!("hint: {line}")));
}

/// Writes how a problem of a policy is mended: words that a policy brought may be among it.
pub(crate) fn say_fix(problem: &Problem) {
    problem.fix.lines().for_each(|line| say_hint(&report::escape(line.as_bytes(), 600)));
}

/// Writes the result of a command.
pub(crate) fn print(text: &str) -> Result<()> {
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(|error| Failure::new(format!("cannot write the output: {error}")))
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
