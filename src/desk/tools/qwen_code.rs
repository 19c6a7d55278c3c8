//! Qwen Code: `env` of its settings is the environment of what it runs.

use super::{Edit, Seen, Tool, Wanted};

pub(super) const TOOL: Tool = Tool {
    name: "qwen-code",
    seen: Seen::Run("0.24.4"),
    source: "what the program itself ran git with, 2026-11-28",
    edits,
    asks: "it takes up new settings when it starts again",
};

/// `~/.qwen/settings.json`, or `.qwen/settings.json` of a project.
fn edits(wanted: &Wanted) -> Vec<Edit> {
    vec![Edit::of_env(".qwen/settings.json", wanted)]
}
