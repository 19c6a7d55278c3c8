//! Claude Code: `env` of its settings is the environment of what it runs.

use super::{Edit, Seen, Tool, Wanted};

pub(super) const TOOL: Tool = Tool {
    name: "claude-code",
    seen: Seen::Run("2.1.332"),
    source: "what the program itself ran git with, 2026-11-28",
    edits,
    asks: "it takes up new settings when it starts again",
};

/// `~/.claude/settings.json`, or `.claude/settings.json` of a project.
fn edits(wanted: &Wanted) -> Vec<Edit> {
    vec![Edit::of_env(".claude/settings.json", wanted)]
}
