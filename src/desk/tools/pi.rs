//! pi: `shellCommandPrefix` of its settings stands before each command of its shell.

use super::settings_file::Scope;
use super::{Edit, Seen, Tool, Wanted, What};

pub(super) const TOOL: Tool = Tool {
    name: "pi",
    program: "pi",
    seen: Seen::Run("0.73.1"),
    source: "what the program itself ran git with, 2026-11-28",
    edits,
    asks: "",
};

/// `~/.pi/agent/settings.json`, or `.pi/settings.json` of a project.
fn edits(wanted: &Wanted) -> Vec<Edit> {
    let file = match wanted.scope {
        Scope::User => ".pi/agent/settings.json",
        Scope::Project => ".pi/settings.json",
    };
    let value = format!("\"export COUNTERSIGN_AGENT={};\"", wanted.agent);
    vec![Edit { file, what: What::Json(&["shellCommandPrefix"], value) }]
}
