//! opencode: a plugin that sets the environment of what its shell runs.

use super::settings_file::Scope;
use super::{Edit, Seen, Tool, Wanted, What};

pub(super) const TOOL: Tool = Tool {
    name: "opencode",
    program: "opencode",
    seen: Seen::Run("1.18.33"),
    source: "https://github.com/anomalyco/opencode/pull/21773 (shell.env), read 2026-11-29",
    edits,
    asks: "it takes up plugins when it starts again",
};

/// `~/.config/opencode/plugins/countersign.js`, or `.opencode/plugins/countersign.js` of a project.
fn edits(wanted: &Wanted) -> Vec<Edit> {
    let file = match wanted.scope {
        Scope::User => ".config/opencode/plugins/countersign.js",
        Scope::Project => ".opencode/plugins/countersign.js",
    };
    let text = format!(
        "// Written by `countersign desk add`; `countersign desk remove` takes it away.\n\
         export const Countersign = async () => ({{\n  \"shell.env\": async (_input, output) => {{\n    \
         output.env.COUNTERSIGN_AGENT = \"{}\";\n  }},\n}});\n",
        wanted.agent
    );
    vec![Edit { file, what: What::Whole(text) }]
}
