//! `countersign desk`: a coding agent's own settings, so that what it commits is sealed from then on.
//!
//! Each tool has a file here, which says what is written, with which versions it was seen, and where that is documented. What stands in
//! a file stays: comments, order and spacing. What is written is remembered with what was there, so that `remove` gives it back byte for
//! byte; where somebody has edited the file since, it takes out what is ours alone.

mod aider;
mod claude_code;
mod codex;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod gemini_cli;
mod json;
mod lines;
mod opencode;
mod others;
mod pi;
mod qwen_code;
mod settings_file;
mod shell_hooks;

use std::path::PathBuf;

use crate::core::id::Id;
use crate::desk::at_work::near_tool;
use crate::desk::clone::common_dir;
use crate::desk::who::agents;
use crate::system::{Configuration, Exit, Failure, Result, print};
pub(crate) use settings_file::Scope;
use settings_file::SettingsFile;
pub(crate) use shell_hooks::{ShellHook, after_shell, before_shell};

/// What is to change.
pub(crate) struct Change {
    /// The coding agent, as the list calls it.
    pub(crate) tool: String,
    pub(crate) scope: Scope,
    /// The agent's id in the policy, if it is not the tool's name.
    pub(crate) agent: Option<Id>,
    /// Only print what would change.
    pub(crate) dry_run: bool,
}

/// How a tool was seen with what is written for it.
enum Seen {
    /// The program itself ran with it, in these versions.
    Run(&'static str),
    /// Written from its documentation alone.
    Untested,
}

/// One coding agent.
struct Tool {
    /// As the table of marks calls it.
    name: &'static str,
    /// What its program is called.
    program: &'static str,
    seen: Seen,
    /// Where it is documented, and when that was read.
    source: &'static str,
    /// What is written, of which file.
    edits: fn(&Wanted) -> Vec<Edit>,
    /// What it still asks of its user.
    asks: &'static str,
}

/// For whom, and where.
struct Wanted {
    agent: String,
    scope: Scope,
    /// The repository around, if there is one: what its worktrees share.
    common: Option<PathBuf>,
}

/// One thing that is written.
struct Edit {
    /// Below the home of the user, or the top of the project.
    file: &'static str,
    what: What,
}

impl Edit {
    /// The variable that says who is at work, in `env` of a JSON file: the environment of what the tool runs.
    fn of_env(file: &'static str, wanted: &Wanted) -> Self {
        Self { file, what: What::Json(&["env", "COUNTERSIGN_AGENT"], format!("\"{}\"", wanted.agent)) }
    }
}

enum What {
    /// A value at a path of keys of a JSON file.
    Json(&'static [&'static str], String),
    /// A value that a JSON file needs whoever writes it: where there is one it counts, and it stays when the rest goes.
    JsonNeeded(&'static [&'static str], &'static str),
    /// An item of the list at a path of keys of a JSON file.
    JsonItem(&'static [&'static str], String),
    /// A key of a table of a TOML file.
    Toml(&'static str, &'static str, String),
    /// An item of a list of a YAML file.
    Yaml(&'static str, String),
    /// A file of our own.
    Whole(String),
}

impl What {
    fn set(&self, text: &str) -> std::result::Result<String, String> {
        match self {
            Self::Json(path, value) => json::set(text, path, value),
            Self::JsonNeeded(path, value) => json::set(text, path, value),
            Self::JsonItem(path, item) => json::set_item(text, path, item),
            Self::Toml(table, key, value) => lines::set_toml(text, table, key, value),
            Self::Yaml(key, item) => lines::set_yaml(text, key, item),
            Self::Whole(own) if text.is_empty() || text == own => Ok(own.clone()),
            Self::Whole(_) => Err("another file stands there".to_owned()),
        }
    }

    fn unset(&self, text: &str) -> std::result::Result<String, String> {
        match self {
            Self::Json(path, value) => json::unset(text, path, value),
            Self::JsonNeeded(..) => Ok(text.to_owned()),
            Self::JsonItem(path, item) => json::unset_item(text, path, item),
            Self::Toml(table, key, value) => Ok(lines::unset_toml(text, table, key, value)),
            Self::Yaml(key, item) => Ok(lines::unset_yaml(text, key, item)),
            Self::Whole(own) => Ok(if text == own { String::new() } else { text.to_owned() }),
        }
    }
}

const TOOLS: [&Tool; 15] = [
    &aider::TOOL,
    &others::AMP,
    &claude_code::TOOL,
    &others::CLINE,
    &codex::TOOL,
    &others::COPILOT,
    &others::CRUSH,
    &others::CURSOR,
    &others::DROID,
    &gemini_cli::TOOL,
    &others::GOOSE,
    &others::KIRO,
    &opencode::TOOL,
    &pi::TOOL,
    &qwen_code::TOOL,
];

/// The programs of coding agents, and what the table of marks calls them.
pub(crate) fn programs() -> impl Iterator<Item = (&'static str, &'static str)> {
    TOOLS.iter().map(|tool| (tool.program, tool.name))
}

fn find(name: &str) -> Result<&'static Tool> {
    TOOLS.into_iter().find(|tool| tool.name == name).ok_or_else(|| {
        let near = near_tool(name, TOOLS.iter().map(|tool| tool.name));
        let hint = near.map_or_else(|| "countersign desk list".to_owned(), |near| format!("did you mean {near}?"));
        Failure::new(format!("no coding agent is called {name} here")).hint(hint)
    })
}

impl Change {
    fn wanted(&self, tool: &Tool) -> Wanted {
        let agent = self.agent.as_ref().map_or_else(|| tool.name.to_owned(), Id::to_string);
        Wanted { agent, scope: self.scope, common: common_dir().ok() }
    }
}

/// `desk add`.
pub(crate) fn add(change: &Change) -> Result {
    let tool = find(&change.tool)?;
    let wanted = change.wanted(tool);
    let mut said = String::new();
    let mut planned = Vec::new();
    for (file, edits) in by_file((tool.edits)(&wanted)) {
        let place = SettingsFile::of(&wanted, file)?;
        let before = place.read()?;
        let mut after = before.clone().unwrap_or_default();
        for edit in &edits {
            after = edit
                .set(&after)
                .map_err(|why| Failure::new(format!("{} is left as it is: {why}", place.path.display())))?;
        }
        planned.push((place, before, after));
    }
    for (place, before, after) in planned {
        if before.as_deref() == Some(after.as_str()) {
            said += &format!("{} has it already\n", place.path.display());
        } else if change.dry_run {
            said += &place.difference(before.as_deref().unwrap_or_default(), &after)?;
        } else {
            place.write(before.as_deref(), &after)?;
            said += &format!("wrote {}\n", place.path.display());
        }
    }
    if (tool.edits)(&wanted).is_empty() {
        said += &format!("{} needs no settings: its own environment tells that it is at work\n", tool.name);
    }
    match tool.seen {
        Seen::Run(versions) => said += &format!("seen with {} {versions}\n", tool.name),
        Seen::Untested => {
            said += &format!("untested: written from the documentation of {}, {}\n", tool.name, tool.source)
        }
    }
    if !tool.asks.is_empty() {
        said += &format!("{}\n", tool.asks);
    }
    let known = agents(&Configuration::load()?);
    if !known.contains_key(&wanted.agent) {
        said += &format!("it has no key yet: countersign agent add {} --user\n", wanted.agent);
    }
    print(&said)?;
    Ok(Exit::Accepted)
}

/// `desk remove`.
pub(crate) fn remove(change: &Change) -> Result {
    let tool = find(&change.tool)?;
    let wanted = change.wanted(tool);
    let mut said = String::new();
    for (file, edits) in by_file((tool.edits)(&wanted)) {
        let place = SettingsFile::of(&wanted, file)?;
        let Some(now) = place.read()? else { continue };
        let before = match place.remembered(&now)? {
            Some(before) => before,
            None => {
                let mut left = now.clone();
                for edit in edits.iter().rev() {
                    left = edit
                        .unset(&left)
                        .map_err(|why| Failure::new(format!("{} is left as it is: {why}", place.path.display())))?;
                }
                // A file of ours alone goes with it.
                let is_ours = edits.iter().any(|edit| matches!(edit, What::Whole(_)));
                if is_ours && left.is_empty() { None } else { Some(left) }
            }
        };
        if before.as_deref() == Some(now.as_str()) {
            continue;
        }
        if change.dry_run {
            said += &place.difference(&now, before.as_deref().unwrap_or_default())?;
        } else {
            place.restore(before.as_deref())?;
            said += &format!("restored {}\n", place.path.display());
        }
    }
    print(if said.is_empty() { "nothing of countersign's is there\n" } else { &said })?;
    Ok(Exit::Accepted)
}

/// `desk list`.
pub(crate) fn list() -> Result {
    let known = agents(&Configuration::load()?);
    let mut text = String::new();
    for tool in TOOLS {
        let is_set = |scope: Scope| -> bool {
            let wanted = Wanted { agent: tool.name.to_owned(), scope, common: common_dir().ok() };
            let files = by_file((tool.edits)(&wanted));
            let has = |(file, edits): &(&'static str, Vec<What>)| {
                let text = SettingsFile::of(&wanted, file).ok().and_then(|place| place.read().ok().flatten());
                text.is_some_and(|text| edits.iter().all(|edit| edit.set(&text).as_deref() == Ok(text.as_str())))
            };
            !files.is_empty() && files.iter().all(has)
        };
        let settings = match (is_set(Scope::User), is_set(Scope::Project)) {
            (_, true) => "set up in this project",
            (true, false) => "set up for this user",
            (false, false) => "-",
        };
        let key = if known.values().any(|agent| agent.is_called(tool.name)) { "has a key" } else { "no key" };
        let seen = match tool.seen {
            Seen::Run(versions) => format!("seen with {versions}"),
            Seen::Untested => "untested".to_owned(),
        };
        text += &format!("{:<12} {settings:<22} {key:<10} {seen}\n", tool.name);
    }
    print(&text)?;
    Ok(Exit::Accepted)
}

/// The edits of each file, in order.
fn by_file(edits: Vec<Edit>) -> Vec<(&'static str, Vec<What>)> {
    let mut files: Vec<(&'static str, Vec<What>)> = Vec::new();
    for Edit { file, what } in edits {
        match files.iter_mut().find(|(name, _)| *name == file) {
            Some((_, all)) => all.push(what),
            None => files.push((file, vec![what])),
        }
    }
    files
}
