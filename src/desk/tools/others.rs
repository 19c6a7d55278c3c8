//! Coding agents whose environment tells that they are at work, and for which little or nothing is written. None of them was run.

use super::shell_hooks::{AFTER, BEFORE, command, like_claude};
use super::{Edit, Seen, Tool, Wanted, What};

const fn by_environment(name: &'static str, program: &'static str) -> Tool {
    Tool {
        name,
        program,
        seen: Seen::Untested,
        source: "its rows of src/core/marks/agents.tsv",
        edits: nothing,
        asks: "",
    }
}

fn nothing(_: &Wanted) -> Vec<Edit> {
    Vec::new()
}

pub(super) const AMP: Tool = by_environment("amp", "amp");
pub(super) const CLINE: Tool = by_environment("cline", "cline");
pub(super) const COPILOT: Tool = by_environment("copilot-cli", "copilot");
pub(super) const CRUSH: Tool = by_environment("crush", "crush");
pub(super) const CURSOR: Tool = Tool {
    source: "https://cursor.com/docs/agent/hooks, read 2026-11-29",
    edits: cursor,
    ..by_environment("cursor", "cursor-agent")
};
pub(super) const DROID: Tool = Tool {
    source: "https://docs.factory.ai/reference/hooks-reference, read 2026-11-29",
    edits: droid,
    asks: "it asks its user to review new hooks, in /hooks",
    ..by_environment("droid", "droid")
};
pub(super) const GOOSE: Tool = by_environment("goose", "goose");
pub(super) const KIRO: Tool = by_environment("kiro", "kiro-cli");

/// `~/.cursor/hooks.json`, or `.cursor/hooks.json` of a project.
fn cursor(wanted: &Wanted) -> Vec<Edit> {
    let file = ".cursor/hooks.json";
    let item = |path, hook| Edit {
        file,
        what: What::JsonItem(path, format!("{{ \"command\": \"{}\" }}", command(hook, "cursor", wanted))),
    };
    vec![
        Edit { file, what: What::JsonNeeded(&["version"], "1") },
        item(&["hooks", "beforeShellExecution"], BEFORE),
        item(&["hooks", "afterShellExecution"], AFTER),
    ]
}

/// `~/.factory/settings.json`, or `.factory/settings.json` of a project.
fn droid(wanted: &Wanted) -> Vec<Edit> {
    like_claude(".factory/settings.json", "droid", "Execute", wanted)
}
