//! aider: `set-env` of its configuration, one `NAME=VALUE` an item.

use super::{Edit, Seen, Tool, Wanted, What};

pub(super) const TOOL: Tool = Tool {
    name: "aider",
    program: "aider",
    seen: Seen::Run("0.86.2"),
    source: "what the program itself ran git with, 2026-11-28",
    edits,
    asks: "it commits with --no-verify unless it is run with --git-commit-verify; its commits are sealed in both cases",
};

/// `~/.aider.conf.yml`, or `.aider.conf.yml` at the top of a project.
fn edits(wanted: &Wanted) -> Vec<Edit> {
    let item = format!("COUNTERSIGN_AGENT={}", wanted.agent);
    vec![Edit { file: ".aider.conf.yml", what: What::Yaml("set-env", item) }]
}
