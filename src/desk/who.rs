//! Whose process this is: a person's, or which agent's.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use crate::core::id::Id;
use crate::core::marks::{Catalogue, EnvMark};
use crate::desk::ancestry::{environments, takes_over_orphans};
use crate::system::{Configuration, Failure, Result, env};

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
    /// An agent by an environment that has outlived it: a terminal that it once opened, say. A person may be at work there.
    Doubted(String),
}

/// An agent as git config `countersign.<id>.*` has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Agent {
    pub(crate) id: Id,
    pub(crate) key: PathBuf,
    pub(crate) model: Option<String>,
    pub(crate) task: Option<String>,
    /// The environment variable or tool that stands for it, where that is not the id itself.
    pub(crate) env: Option<String>,
    /// The other tools whose marks this process bears: those that started it.
    pub(crate) below: Vec<String>,
}

impl Agent {
    /// Whether it is what marks call so: its id, or the tool that it is an instance of.
    pub(crate) fn is_called(&self, tool: &str) -> bool {
        let by_variable = |name: &str| {
            let mut marks = Catalogue::of_environment().environment();
            marks.any(|mark| mark.variable == name && mark.agent.as_deref() == Some(tool))
        };
        self.id.as_str() == tool
            || self.env.as_deref() == Some(tool)
            || self.variable().is_some_and(|(name, _)| by_variable(name))
    }

    /// The variable that stands for it, with the value that it must have, where git config names one.
    fn variable(&self) -> Option<(&str, Option<&str>)> {
        let named = self.env.as_deref()?;
        let (name, value) = named.split_once('=').map_or((named, None), |(name, value)| (name, Some(value)));
        // Tools are named in lower case, variables by custom in upper.
        (!name.is_empty() && !name.bytes().any(|byte| byte.is_ascii_lowercase())).then_some((name, value))
    }
}

/// The agents that git config knows, by id.
pub(crate) type Agents = BTreeMap<String, Agent>;

/// Finds out who runs this process.
pub(crate) fn desk() -> Result<Desk> {
    Ok(desk_by(&Configuration::load()?))
}

/// Finds out who runs this process, where git's configuration is at hand.
pub(crate) fn desk_by(configuration: &Configuration) -> Desk {
    recognise(&variable, &agents(configuration), Catalogue::of_environment(), &origin)
}

fn variable(name: &str) -> Option<String> {
    env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

/// Reads all `countersign.<id>.*` settings, those of the environment (`GIT_CONFIG_COUNT`) included.
pub(crate) fn agents(configuration: &Configuration) -> Agents {
    let mut agents = Agents::new();
    for (name, value) in configuration.below("countersign.") {
        let Some((id, key)) = name.rsplit_once('.') else { continue };
        let Some(parsed) = Id::parse(id.as_bytes()) else { continue };
        let new = || Agent { id: parsed, key: PathBuf::new(), model: None, task: None, env: None, below: Vec::new() };
        let agent = agents.entry(id.to_owned()).or_insert_with(new);
        match key {
            "key" => agent.key = expand_home(value),
            "env" => agent.env = Some(value.to_owned()),
            "model" => agent.model = Some(value.to_owned()),
            "task" => agent.task = Some(value.to_owned()),
            _ => {}
        }
    }
    agents.retain(|_, agent| !agent.key.as_os_str().is_empty());
    agents
}

/// What in the environment says that an agent runs this process, generic marks among them. For what only a person may do.
pub(crate) fn trace_of_agent(configuration: &Configuration) -> Option<String> {
    if let Some(id) = variable("COUNTERSIGN_AGENT").filter(|id| !id.is_empty() && id != "none") {
        return Some(format!("COUNTERSIGN_AGENT={id}"));
    }
    present(Catalogue::of_environment(), &variable).next().map(|mark| mark.variable.clone()).or_else(|| {
        let agents = agents(configuration);
        let set = agents.values().filter_map(|agent| configured(agent, &variable)).map(|(name, _)| name.to_owned());
        set.into_iter().next()
    })
}

/// The variables that say who is at work, as far as any does.
pub(crate) fn signs(agents: &Agents) -> Vec<String> {
    if variable("COUNTERSIGN_AGENT").is_some_and(|id| !id.is_empty()) {
        return vec!["COUNTERSIGN_AGENT".to_owned()];
    }
    let own = agents.values().filter_map(|agent| configured(agent, &variable)).map(|(name, _)| name.to_owned());
    let set = present(Catalogue::of_environment(), &variable);
    let all: BTreeSet<String> = own.chain(set.map(|mark| mark.variable.clone())).collect();
    all.into_iter().collect()
}

/// The rows that an environment bears out.
fn present<'c>(
    catalogue: &'c Catalogue,
    environment: &dyn Fn(&str) -> Option<String>,
) -> impl Iterator<Item = &'c EnvMark> {
    catalogue.environment().filter(|mark| environment(&mark.variable).is_some_and(|value| mark.test.accepts(&value)))
}

/// The variable and value of the environment that git config says stand for an agent.
fn configured<'a>(agent: &'a Agent, environment: &dyn Fn(&str) -> Option<String>) -> Option<(&'a str, String)> {
    let (name, wanted) = agent.variable()?;
    let value = environment(name).filter(|value| !value.is_empty())?;
    wanted.is_none_or(|wanted| wanted == value).then_some((name, value))
}

/// The agent of this id, if git config knows its key.
pub(crate) fn agent_named(id: &str) -> Result<Agent> {
    agents(&Configuration::load()?).remove(id).ok_or_else(|| {
        Failure::new(format!("this clone has no key for agent {id}: git config countersign.{id}.key is not set"))
            .hint(format!("make it a key, or name the one it has:\ncountersign agent add {id}\ngit config countersign.{id}.key FILE"))
    })
}

/// A path of git's configuration (git-config(1), "pathname").
pub(super) fn expand_home(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), env::var_os("HOME")) {
        (Some(rest), Some(home)) => PathBuf::from(home).join(rest),
        _ => PathBuf::from(path),
    }
}

/// Where a variable of this process comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Origin {
    /// How many processes, from this one upwards, have it without a gap: the fewer, the nearer is whoever set it.
    above: usize,
    /// Whether the uppermost of them has lost the process that started it.
    outlived: Outlived,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outlived {
    No,
    Yes,
}

fn origin(name: &str, value: &str) -> Origin {
    let (mut above, mut top) = (0, None);
    for ancestor in environments().take_while(|ancestor| ancestor.has(name, value)) {
        above += 1;
        top = ancestor.parent;
    }
    let outlived = if top.is_some_and(takes_over_orphans) { Outlived::Yes } else { Outlived::No };
    Origin { above, outlived }
}

/// One sign of an agent in the environment.
struct Sign<'a> {
    /// The tool as the table calls it; none where git config alone names the variable.
    tool: Option<&'a str>,
    /// The agents of this clone that it may stand for.
    agents: Vec<&'a Agent>,
    origin: Origin,
}

/// Decides from the environment, the settings, and where each variable comes from.
fn recognise(
    environment: &dyn Fn(&str) -> Option<String>,
    agents: &Agents,
    catalogue: &Catalogue,
    origin: &dyn Fn(&str, &str) -> Origin,
) -> Desk {
    match environment("COUNTERSIGN_AGENT") {
        Some(none) if none == "none" => return Desk::Person,
        Some(id) if !id.is_empty() => {
            return agents.get(&id).map_or(Desk::Unknown(id), |agent| Desk::Agent(agent.clone()));
        }
        _ => {}
    }
    let by_config = |agent: &&Agent| configured(agent, environment).is_some();
    let own: Vec<Sign<'_>> = agents
        .values()
        .filter(by_config)
        .filter_map(|agent| {
            let (name, value) = configured(agent, environment)?;
            let tool =
                catalogue.environment().find(|mark| mark.variable == name).and_then(|mark| mark.agent.as_deref());
            Some(Sign { tool, agents: vec![agent], origin: origin(name, &value) })
        })
        .collect();
    let present = || present(catalogue, environment);
    // Some agents also set the variable of another, which then says nothing.
    let outranked: BTreeSet<&str> = present().filter_map(|mark| mark.before.as_deref()).collect();
    let listed = present().filter(|mark| !outranked.contains(mark.variable.as_str())).filter_map(|mark| {
        // A generic variable says that there is an agent, not which: it never seals by itself.
        let tool = mark.agent.as_deref()?;
        let meant = agents.values().filter(|agent| match agent.env.as_deref() {
            Some(_) if agent.variable().is_some() => {
                by_config(agent) && agent.variable().map(|(name, _)| name) == Some(&mark.variable)
            }
            Some(named) => named == tool,
            None => agent.id.as_str() == tool,
        });
        let origin = origin(&mark.variable, &environment(&mark.variable).unwrap_or_default());
        Some(Sign { tool: Some(tool), agents: meant.collect(), origin })
    });
    choose(own.into_iter().chain(listed).collect())
}

/// Of all signs, those of the tool that is nearest.
fn choose(signs: Vec<Sign<'_>>) -> Desk {
    let tools: BTreeSet<&str> = signs.iter().filter_map(|sign| sign.tool).collect();
    let Some(first) = signs.iter().map(|sign| sign.origin.above).min() else { return Desk::Person };
    let mut nearest: Vec<&Sign<'_>> = signs.iter().filter(|sign| sign.origin.above == first).collect();
    if nearest.iter().any(|sign| !sign.agents.is_empty()) {
        nearest.retain(|sign| !sign.agents.is_empty());
    }
    // A tool's variants (claude-code-cloud) set its variables too.
    let is_variant = |other: &str, tool: &str| other.strip_prefix(tool).is_some_and(|rest| rest.starts_with('-'));
    let known: BTreeSet<&str> = nearest.iter().filter_map(|sign| sign.tool).collect();
    nearest.retain(|sign| sign.tool.is_none_or(|tool| !known.iter().any(|other| is_variant(other, tool))));
    let name = |sign: &Sign<'_>| sign.tool.map(str::to_owned);
    if nearest.iter().all(|sign| sign.origin.outlived == Outlived::Yes) {
        let agent = |sign: &&Sign<'_>| sign.agents.first().map(|agent| agent.id.to_string());
        let whose = nearest.iter().find_map(agent).or_else(|| nearest.first().and_then(|sign| name(sign)));
        return Desk::Doubted(whose.unwrap_or_default());
    }
    let agents: BTreeMap<&str, &Agent> =
        nearest.iter().flat_map(|sign| &sign.agents).map(|agent| (agent.id.as_str(), *agent)).collect();
    let at_work: BTreeSet<String> = nearest.iter().filter_map(|sign| name(sign)).collect();
    match (agents.len(), agents.into_values().next()) {
        (0, _) if at_work.len() > 1 => Desk::Ambiguous(at_work),
        (0, _) => at_work.into_iter().next().map_or(Desk::Person, Desk::Unknown),
        (1, Some(agent)) => {
            let is_own =
                |tool: &str| at_work.iter().any(|own| own == tool || is_variant(tool, own) || is_variant(own, tool));
            let others = tools.into_iter().filter(|tool| !is_own(tool) && !agent.is_called(tool));
            Desk::Agent(Agent { below: others.map(str::to_owned).collect(), ..agent.clone() })
        }
        (_, _) => Desk::Ambiguous(if at_work.len() > 1 {
            at_work
        } else {
            nearest.iter().flat_map(|sign| &sign.agents).map(|agent| agent.id.to_string()).collect()
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agents(entries: &[(&str, Option<&str>)]) -> Agents {
        let agent = |(id, env): &(&str, Option<&str>)| {
            let parsed = Id::parse(id.as_bytes()).unwrap();
            let env = env.map(str::to_owned);
            let agent = Agent { id: parsed, key: "k".into(), model: None, task: None, env, below: Vec::new() };
            ((*id).to_owned(), agent)
        };
        entries.iter().map(agent).collect()
    }

    fn who(variables: &[(&str, &str)], known: &[(&str, Option<&str>)]) -> String {
        who_from(variables, known, &|_, _| Origin { above: 1, outlived: Outlived::No })
    }

    fn who_from(
        variables: &[(&str, &str)],
        known: &[(&str, Option<&str>)],
        origin: &dyn Fn(&str, &str) -> Origin,
    ) -> String {
        let environment =
            |name: &str| variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned());
        match recognise(&environment, &agents(known), Catalogue::of_environment(), origin) {
            Desk::Person => "person".to_owned(),
            Desk::Agent(agent) if agent.below.is_empty() => agent.id.to_string(),
            Desk::Agent(agent) => format!("{} below {}", agent.id, agent.below.join(", ")),
            Desk::Unknown(tool) => format!("unknown {tool}"),
            Desk::Ambiguous(tools) => format!("ambiguous {tools:?}"),
            Desk::Doubted(tool) => format!("doubted {tool}"),
        }
    }

    #[test]
    fn the_rows_about_environments_are_all_there() {
        let (own, all) = (Catalogue::of_environment().environment(), Catalogue::builtin().environment());
        assert!(own.eq(all));
    }

    /// The nearest of several is at work; whoever started it is said, and does not seal.
    #[test]
    fn one_agent_started_by_another_is_told_by_where_its_mark_begins() {
        let both: &[(&str, Option<&str>)] = &[("claude-code", None), ("codex", None)];
        let marks =
            [("CLAUDECODE", "1"), ("CLAUDE_CODE_ENTRYPOINT", "cli"), ("CODEX_CI", "1"), ("CODEX_THREAD_ID", "x")];
        let near = |near: &'static str| {
            move |name: &str, _: &str| Origin {
                above: if name.starts_with(near) { 2 } else { 4 },
                outlived: Outlived::No,
            }
        };
        assert_eq!(who_from(&marks, both, &near("CODEX")), "codex below claude-code");
        assert_eq!(who_from(&marks, both, &near("CLAUDE")), "claude-code below codex");
        // Whether this clone knows the other or not.
        assert_eq!(who_from(&marks, &[("codex", None)], &near("CODEX")), "codex below claude-code");
        assert_eq!(who_from(&marks, &[("codex", None)], &near("CLAUDE")), "unknown claude-code");
    }

    /// A terminal that an agent opened once, and that a person works in now.
    #[test]
    fn an_environment_that_outlived_its_agent_is_doubted() {
        let gone = |_: &str, _: &str| Origin { above: 3, outlived: Outlived::Yes };
        let known: &[(&str, Option<&str>)] = &[("claude-code", None), ("codex", None)];
        assert_eq!(who_from(&[("CLAUDECODE", "1")], known, &gone), "doubted claude-code");
        assert_eq!(who_from(&[("COUNTERSIGN_AGENT", "codex"), ("CLAUDECODE", "1")], known, &gone), "codex");
        // An agent that a person starts there sets its own.
        let nearer = |name: &str, _: &str| match name {
            "CODEX_CI" => Origin { above: 1, outlived: Outlived::No },
            _ => Origin { above: 3, outlived: Outlived::Yes },
        };
        let said = who_from(&[("CLAUDECODE", "1"), ("CODEX_CI", "1")], known, &nearer);
        assert_eq!(said, "codex below claude-code");
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
            (&[("MY_AGENT", "yes")], &[("mine", Some("MY_AGENT"))], "mine"),
            (&[("MY_AGENT", "yes")], &[("mine", Some("MY_AGENT=yes"))], "mine"),
            (&[("MY_AGENT", "no")], &[("mine", Some("MY_AGENT=yes"))], "person"),
            (&[("MY_AGENT", "")], &[("mine", Some("MY_AGENT"))], "person"),
            (
                &[("PI_CODING_AGENT", "true")],
                &[("mine", Some("PI_CODING_AGENT")), ("pi", None)],
                "ambiguous {\"mine\", \"pi\"}",
            ),
            (
                &[("CLAUDECODE", "1")],
                &[("one", Some("claude-code")), ("two", Some("claude-code"))],
                "ambiguous {\"one\", \"two\"}",
            ),
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
