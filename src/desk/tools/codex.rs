//! Codex CLI: its sandbox has `.git` read-only and no network, unless its configuration says otherwise.

use super::settings_file::Scope;
use super::{Edit, Seen, Tool, Wanted, What};

pub(super) const TOOL: Tool = Tool {
    name: "codex",
    program: "codex",
    seen: Seen::Run("0.171.0"),
    source: "what the program itself ran git with, 2026-11-28",
    edits,
    asks: "its sandbox can now write the directory of this clone's git, and reach the network, without which it cannot commit and push; \
           for each other clone, add its .git to writable_roots",
};

/// `~/.codex/config.toml`, or `.codex/config.toml` of a project that it trusts.
fn edits(wanted: &Wanted) -> Vec<Edit> {
    let file = ".codex/config.toml";
    let mut edits = Vec::new();
    if let (Some(common), Scope::User) = (&wanted.common, wanted.scope) {
        let root = serde_json::to_string(&common.to_string_lossy()).unwrap_or_default();
        edits.push(Edit { file, what: What::Toml("sandbox_workspace_write", "writable_roots", format!("[{root}]")) });
    }
    edits.push(Edit { file, what: What::Toml("sandbox_workspace_write", "network_access", "true".to_owned()) });
    let set = format!("{{ COUNTERSIGN_AGENT = \"{}\" }}", wanted.agent);
    edits.push(Edit { file, what: What::Toml("shell_environment_policy", "set", set) });
    edits
}
