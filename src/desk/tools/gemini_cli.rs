//! Gemini CLI: it starts git with an empty `core.hooksPath` and no global configuration, so a hook of its own that runs before its shell
//! puts git's hooks of the clone back, never to skip any.

use super::shell_hooks::{AFTER, BEFORE, command};
use super::{Edit, Seen, Tool, Wanted, What};

pub(super) const TOOL: Tool = Tool {
    name: "gemini-cli",
    program: "gemini",
    seen: Seen::Run("0.61.0"),
    source: "https://geminicli.com/docs/hooks/reference, read 2026-11-29",
    edits,
    asks: "it asks whether to trust the hook; it has no global git configuration, so in each clone: git config user.name NAME, and user.email",
};

/// `~/.gemini/settings.json`, or `.gemini/settings.json` of a project.
fn edits(wanted: &Wanted) -> Vec<Edit> {
    let hook = |command: &str| {
        format!(
            "{{ \"matcher\": \"run_shell_command\", \"hooks\": [{{ \"name\": \"countersign\", \"type\": \"command\", \
             \"command\": \"{command}\" }}] }}"
        )
    };
    let item = |path, command: &str| Edit { file: ".gemini/settings.json", what: What::JsonItem(path, hook(command)) };
    // Without an option: as earlier versions wrote it, and take it away.
    vec![
        item(&["hooks", "BeforeTool"], &format!("countersign desk {BEFORE}")),
        item(&["hooks", "AfterTool"], &command(AFTER, "gemini-cli", wanted)),
    ]
}
