//! Whose process this is: a person's, or which agent's.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::core::id::Id;
use crate::core::marks::{Catalogue, EnvMark};
use crate::system::process::git;
use crate::system::{Failure, Result};

/// Who runs this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Desk {
    /// A person: nothing says otherwise.
    Person,
    /// An agent that this clone knows.
    Agent(Agent),
    /// An agent, by its environment, whose key this clone does not know. It cannot seal.
    Unknown(String),
    /// Several agents at once.
    Ambiguous(BTreeSet<String>),
}

/// An agent as git config `countersign.<id>.*` has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Agent {
    pub(crate) id: Id,
    pub(crate) key: PathBuf,
    pub(crate) model: Option<String>,
    pub(crate) task: Option<String>,
    /// The environment variable or tool that stands for it, where that is not the id itself.
    env: Option<String>,
}

impl Agent {
    /// Whether it is what marks call so: its id, or the tool that it is an instance of.
    pub(crate) fn is_called(&self, tool: &str) -> bool {
        self.id.as_str() == tool || self.env.as_deref() == Some(tool)
    }
}

/// The agents that git config knows, by id.
pub(crate) type Agents = BTreeMap<String, Agent>;

/// Finds out who runs this process.
pub(crate) fn desk() -> Result<Desk> {
    let environment = |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    let marked = Catalogue::builtin().environment().any(|mark| environment(&mark.variable).is_some());
    // Most commits are a person's: those pay for no child process.
    if environment("COUNTERSIGN_AGENT").is_none() && !marked {
        return Ok(Desk::Person);
    }
    Ok(recognise(&environment, &agents()?, Catalogue::builtin()))
}

/// Reads all `countersign.<id>.*` settings, those of the environment (`GIT_CONFIG_COUNT`) included.
pub(crate) fn agents() -> Result<Agents> {
    let output = git(&["config", "--null", "--get-regexp", r"^countersign\..*\.(key|env|model|task)$"]).output()?;
    let text = String::from_utf8(output.stdout)
        .map_err(|_| Failure::new("git config holds countersign values that are not UTF-8"))?;
    let mut agents = Agents::new();
    for entry in text.split('\0').filter(|entry| !entry.is_empty()) {
        let (name, value) = entry.split_once('\n').unwrap_or((entry, ""));
        let Some((id, key)) = name.strip_prefix("countersign.").and_then(|name| name.rsplit_once('.')) else {
            continue;
        };
        let Some(parsed) = Id::parse(id.as_bytes()) else { continue };
        let new = || Agent { id: parsed, key: PathBuf::new(), model: None, task: None, env: None };
        let agent = agents.entry(id.to_owned()).or_insert_with(new);
        match key {
            "key" => agent.key = expand_home(value),
            "env" => agent.env = Some(value.to_owned()),
            "model" => agent.model = Some(value.to_owned()),
            _ => agent.task = Some(value.to_owned()),
        }
    }
    agents.retain(|_, agent| !agent.key.as_os_str().is_empty());
    Ok(agents)
}

/// What in the environment says that an agent runs this process, generic marks among them. For what only a person may do.
pub(crate) fn trace_of_agent() -> Option<String> {
    let value = |name: &str| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
    if let Some(id) = value("COUNTERSIGN_AGENT").filter(|id| !id.is_empty() && id != "none") {
        return Some(format!("COUNTERSIGN_AGENT={id}"));
    }
    let mut marks = Catalogue::builtin().environment();
    let found = marks.find(|mark| value(&mark.variable).is_some_and(|value| mark.test.accepts(&value)));
    found.map(|mark| mark.variable.clone())
}

/// The agent of this id, if git config knows its key.
pub(crate) fn agent_named(id: &str) -> Result<Agent> {
    agents()?.remove(id).ok_or_else(|| {
        Failure::new(format!("this clone has no key for agent {id}: git config countersign.{id}.key is not set"))
            .hint(format!("make it a key, or name the one it has:\ncountersign agent add {id}\ngit config countersign.{id}.key FILE"))
    })
}

fn expand_home(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => PathBuf::from(home).join(rest),
        _ => PathBuf::from(path),
    }
}

/// Decides from the environment and the settings alone.
fn recognise(environment: &dyn Fn(&str) -> Option<String>, agents: &Agents, catalogue: &Catalogue) -> Desk {
    match environment("COUNTERSIGN_AGENT") {
        Some(none) if none == "none" => return Desk::Person,
        Some(id) if !id.is_empty() => {
            return agents.get(&id).map_or(Desk::Unknown(id), |agent| Desk::Agent(agent.clone()));
        }
        _ => {}
    }
    let present = || {
        let accepted = |mark: &&EnvMark| environment(&mark.variable).is_some_and(|value| mark.test.accepts(&value));
        catalogue.environment().filter(accepted)
    };
    // Some agents also set the variable of another, which then says nothing.
    let outranked: BTreeSet<&str> = present().filter_map(|mark| mark.before.as_deref()).collect();
    let mut tools: BTreeSet<&str> = BTreeSet::new();
    let mut configured: BTreeMap<&str, (&Agent, &str)> = BTreeMap::new();
    for mark in present().filter(|mark| !outranked.contains(mark.variable.as_str())) {
        let assignment = format!("{}={}", mark.variable, environment(&mark.variable).unwrap_or_default());
        let meant = agents.values().filter(|agent| match agent.env.as_deref() {
            Some(named) => named == mark.variable || named == assignment || Some(named) == mark.agent.as_deref(),
            // A generic variable says that there is an agent, not which: it never seals by itself.
            None => Some(agent.id.as_str()) == mark.agent.as_deref(),
        });
        let tool = mark.agent.as_deref().unwrap_or_default();
        configured.extend(meant.map(|agent| (agent.id.as_str(), (agent, tool))));
        tools.extend(mark.agent.as_deref());
    }
    // A tool's variants (claude-code-cloud) set its variables too.
    let all: Vec<&str> = tools.iter().copied().collect();
    let is_base =
        |tool: &str| all.iter().any(|other| other.strip_prefix(tool).is_some_and(|rest| rest.starts_with('-')));
    if configured.len() > 1 {
        configured.retain(|_, (_, tool)| !is_base(tool));
    }
    match (configured.len(), configured.into_values().next()) {
        (0, _) => tools.into_iter().next().map_or(Desk::Person, |tool| Desk::Unknown(tool.to_owned())),
        (1, Some((agent, _))) => Desk::Agent(agent.clone()),
        _ => Desk::Ambiguous(tools.into_iter().map(str::to_owned).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agents(entries: &[(&str, Option<&str>)]) -> Agents {
        let agent = |(id, env): &(&str, Option<&str>)| {
            let parsed = Id::parse(id.as_bytes()).unwrap();
            let env = env.map(str::to_owned);
            ((*id).to_owned(), Agent { id: parsed, key: "k".into(), model: None, task: None, env })
        };
        entries.iter().map(agent).collect()
    }

    fn who(variables: &[(&str, &str)], known: &[(&str, Option<&str>)]) -> String {
        let environment =
            |name: &str| variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned());
        match recognise(&environment, &agents(known), Catalogue::builtin()) {
            Desk::Person => "person".to_owned(),
            Desk::Agent(agent) => agent.id.to_string(),
            Desk::Unknown(tool) => format!("unknown {tool}"),
            Desk::Ambiguous(tools) => format!("ambiguous {tools:?}"),
        }
    }

    #[test]
    fn an_agent_is_recognised_by_name_or_by_its_mark() {
        let both: &[(&str, Option<&str>)] = &[("claude-code", None), ("codex", None)];
        for (variables, known, expected) in [
            (&[][..], both, "person"),
            (&[("COUNTERSIGN_AGENT", "codex")], both, "codex"),
            (&[("COUNTERSIGN_AGENT", "none"), ("CLAUDECODE", "1")], both, "person"),
            (&[("COUNTERSIGN_AGENT", "other")], both, "unknown other"),
            (&[("CLAUDECODE", "1")], both, "claude-code"),
            (&[("CLAUDECODE", "1")], &[], "unknown claude-code"),
            (&[("CODEX_CI", "1")], both, "codex"),
            (&[("AI_AGENT", "claude-code")], both, "person"),
            (&[("CLAUDECODE", "1"), ("COUNTERSIGN_AGENT", "codex")], both, "codex"),
            (&[("CLAUDECODE", "1")], &[("alices-claude", Some("CLAUDECODE"))], "alices-claude"),
            (&[("CLAUDECODE", "1")], &[("alices-claude", Some("CLAUDECODE=1"))], "alices-claude"),
            (&[("CLAUDECODE", "1")], &[("alices-claude", Some("claude-code"))], "alices-claude"),
            (&[("CLAUDECODE", "1")], &[("alices-claude", Some("CURSOR_AGENT"))], "unknown claude-code"),
            (&[("CLAUDECODE", "1"), ("AMP_CURRENT_THREAD_ID", "x")], &[("claude-code", None), ("amp", None)], "amp"),
            (&[("QWEN_CODE", "1"), ("GEMINI_CLI", "1")], &[("gemini-cli", None), ("qwen-code", None)], "qwen-code"),
            (&[("VECLI_SANDBOX", "1"), ("GEMINI_CLI", "1")], &[("gemini-cli", None), ("vecli", None)], "vecli"),
            (&[("KILO", "1"), ("OPENCODE", "1")], &[("opencode", None), ("kilo", None)], "kilo"),
            (&[("KILO", "0"), ("OPENCODE", "1")], &[("opencode", None), ("kilo", None)], "opencode"),
            (&[("CODEBUDDY", "1"), ("CLAUDECODE", "1")], &[("claude-code", None), ("codebuddy", None)], "codebuddy"),
            (&[("OPENCLAW_SHELL", "tui")], &[("openclaw", None)], "person"),
            (
                &[("CLAUDECODE", "1"), ("CLAUDE_CODE_REMOTE", "true")],
                &[("claude-code", None), ("claude-code-cloud", None)],
                "claude-code-cloud",
            ),
            (&[("CLAUDECODE", "1"), ("CLAUDE_CODE_REMOTE", "true")], both, "claude-code"),
            (&[("CLAUDECODE", "1"), ("CODEX_CI", "1")], both, "ambiguous {\"claude-code\", \"codex\"}"),
        ] {
            assert_eq!(who(variables, known), expected, "{variables:?} {known:?}");
        }
    }
}
