//! Gemini CLI: it starts git with an empty `core.hooksPath` and no global configuration, so a hook of its own that runs before its shell
//! puts git's hooks of the clone back, never to skip any.

use std::io::Read as _;
use std::path::Path;

use super::{Edit, Seen, Tool, Wanted, What};
use crate::desk::clone::common_dir;
use crate::desk::install::hooks_in_force;
use crate::system::{Exit, Result, print, quote, stdin};

pub(super) const TOOL: Tool = Tool {
    name: "gemini-cli",
    seen: Seen::Untested,
    source: "https://geminicli.com/docs/hooks/reference, read 2026-11-29",
    edits,
    asks: "it asks whether to trust the hook; it has no global git configuration, so in each clone: git config user.name NAME, and user.email",
};

/// `~/.gemini/settings.json`, or `.gemini/settings.json` of a project.
fn edits(_: &Wanted) -> Vec<Edit> {
    let hook = "[{ \"matcher\": \"run_shell_command\", \"hooks\": [{ \"name\": \"countersign\", \"type\": \"command\", \
                \"command\": \"countersign desk before-shell\" }] }]";
    vec![Edit { file: ".gemini/settings.json", what: What::Json(&["hooks", "BeforeTool"], hook.to_owned()) }]
}

/// What is read of a call of the shell: a command line is far below it.
const CALL: u64 = 4 << 20;

/// Runs before a command of the shell: has git find the clone's hooks again, whatever the tool's environment says of them. What cannot
/// be made out stays as it is.
pub(crate) fn before_shell() -> Result {
    let mut call = String::new();
    let read = stdin().lock().take(CALL).read_to_string(&mut call);
    let call: Option<serde_json::Value> = read.ok().and_then(|_| serde_json::from_str(&call).ok());
    let command = call.as_ref().and_then(|call| call.get("tool_input")?.get("command")?.as_str());
    let answer = match (command, common_dir()) {
        (Some(command), Ok(common)) => serde_json::json!({
            "hookSpecificOutput": {
                "hookEventName": "BeforeTool",
                "tool_input": { "command": with_hooks(command, &hooks_in_force(&common)?) },
            }
        }),
        _ => serde_json::json!({}),
    };
    print(&format!("{answer}\n"))?;
    Ok(Exit::Accepted)
}

/// The command with what git calls its parameters (git.c), which outrank those of `GIT_CONFIG_COUNT`.
fn with_hooks(command: &str, hooks: &Path) -> String {
    let parameter = format!("'core.hookspath'={}", quote(&hooks.to_string_lossy()));
    format!("export GIT_CONFIG_PARAMETERS={}; {command}", quote(&parameter))
}
