//! Coding agents whose environment tells that they are at work, and for which nothing is written. None of them was run.

use super::{Edit, Seen, Tool, Wanted};

const fn by_environment(name: &'static str) -> Tool {
    Tool { name, seen: Seen::Untested, source: "its rows of src/core/marks/agents.tsv", edits: nothing, asks: "" }
}

fn nothing(_: &Wanted) -> Vec<Edit> {
    Vec::new()
}

pub(super) const AMP: Tool = by_environment("amp");
pub(super) const CLINE: Tool = by_environment("cline");
pub(super) const COPILOT: Tool = by_environment("copilot-cli");
pub(super) const CRUSH: Tool = by_environment("crush");
pub(super) const CURSOR: Tool = by_environment("cursor");
pub(super) const DROID: Tool = by_environment("droid");
pub(super) const KIRO: Tool = by_environment("kiro");
