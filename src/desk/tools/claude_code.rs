//! Claude Code: `env` of its settings is the environment of what it runs.

use super::shell_hooks::like_claude;
use super::{Edit, Seen, Tool, Wanted};

pub(super) const TOOL: Tool = Tool {
    name: "claude-code",
    program: "claude",
    seen: Seen::Run("2.1.197, 2.1.332"),
    source: "what the program itself ran git with, 2026-11-28",
    edits,
    asks: "it takes up new settings when it starts again",
};

/// `~/.claude/settings.json`, or `.claude/settings.json` of a project.
fn edits(wanted: &Wanted) -> Vec<Edit> {
    let file = ".claude/settings.json";
    let mut edits = vec![Edit::of_env(file, wanted)];
    edits.extend(like_claude(file, "claude-code", "Bash", wanted));
    edits
}
