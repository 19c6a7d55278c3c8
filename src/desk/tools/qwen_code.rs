//! Qwen Code: `env` of its settings is the environment of what it runs.

use super::shell_hooks::like_claude;
use super::{Edit, Seen, Tool, Wanted};

pub(super) const TOOL: Tool = Tool {
    name: "qwen-code",
    program: "qwen",
    seen: Seen::Run("0.15.10, 0.24.4"),
    source: "what the program itself ran git with, 2026-11-28",
    edits,
    asks: "it takes up new settings when it starts again",
};

/// `~/.qwen/settings.json`, or `.qwen/settings.json` of a project.
fn edits(wanted: &Wanted) -> Vec<Edit> {
    let file = ".qwen/settings.json";
    let mut edits = vec![Edit::of_env(file, wanted)];
    edits.extend(like_claude(file, "qwen-code", "run_shell_command", wanted));
    edits
}
