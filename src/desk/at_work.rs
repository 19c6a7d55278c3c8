//! Who is at work in a clone, and whether what they commit will be sealed and accepted: for `doctor`, and for an agent that asks.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::core::id::Id;
use crate::core::marks::Catalogue;
use crate::core::policy::{Policy, PrincipalKind};
use crate::core::ssh::PrivateKey;
use crate::core::text::nearest::nearest;
use crate::desk::clone::{Local, repository_by};
use crate::desk::keys::{found, home};
use crate::desk::tools::programs;
use crate::desk::who::{Agent, Agents, Desk, agents, desk_by, signs};
use crate::system::process::git;
use crate::system::{Configuration, Failure, OnDisk as _, Result, disk, env};

/// What is known of who runs this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Person,
    Agent,
    Unclear,
}

/// Who runs this process, and what comes of their commits.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AtWork {
    pub(crate) kind: Kind,
    /// The agent's id, or the tool's name where this clone does not know it.
    pub(crate) agent: Option<String>,
    /// The tools that started it.
    pub(crate) below: Vec<String>,
    /// The variables that say so.
    pub(crate) signs: Vec<String>,
    /// The fingerprint of its key, and where that lies.
    pub(crate) key: Option<String>,
    pub(crate) key_file: Option<String>,
    /// The other agents that run as this user, as far as they are known: each can read the key.
    pub(crate) key_readers: Vec<String>,
    /// What its seals are bound to.
    pub(crate) repository: Option<String>,
    /// Whether the policy at hand has the key as this agent's; `None` where none is at hand.
    pub(crate) registered: Option<bool>,
    /// Whether its commits here are sealed.
    pub(crate) seals: bool,
    /// Tools on this machine that no agent of this clone stands for.
    pub(crate) not_set_up: Vec<String>,
}

/// Why what an agent commits is not sealed, or not accepted, and what to do.
pub(crate) struct Obstacle {
    pub(crate) message: String,
    pub(crate) fix: String,
}

impl Obstacle {
    fn of(failure: Failure) -> Self {
        Self { message: failure.message, fix: failure.hint.unwrap_or_default() }
    }

    fn new(message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { message: message.into(), fix: fix.into() }
    }
}

/// Looks.
pub(crate) fn at_work(policy: Option<&Policy>) -> Result<(AtWork, Vec<Obstacle>)> {
    let configuration = Configuration::load()?;
    let known = agents(&configuration);
    let mut work = AtWork {
        kind: Kind::Agent,
        agent: None,
        below: Vec::new(),
        signs: signs(&known),
        key: None,
        key_file: None,
        key_readers: Vec::new(),
        repository: None,
        registered: None,
        seals: false,
        not_set_up: not_set_up(&known),
    };
    let mut obstacles = Vec::new();
    match desk_by(&configuration) {
        Desk::Person => work.kind = Kind::Person,
        Desk::Unknown(tool) => {
            obstacles.push(Obstacle::of(crate::desk::sign::unknown_agent(&tool)));
            work.agent = Some(tool);
        }
        Desk::Ambiguous(tools) => {
            work.kind = Kind::Unclear;
            obstacles.push(Obstacle::of(crate::desk::sign::ambiguous(&tools)));
        }
        Desk::Doubted(tool) => {
            work.kind = Kind::Unclear;
            obstacles.push(Obstacle::of(crate::desk::sign::doubted(&tool)));
            work.agent = Some(tool);
        }
        Desk::Agent(agent) => examine(&agent, &configuration, policy, &mut work, &mut obstacles)?,
    }
    work.seals = work.kind == Kind::Agent && obstacles.is_empty();
    Ok((work, obstacles))
}

fn examine(
    agent: &Agent,
    configuration: &Configuration,
    policy: Option<&Policy>,
    work: &mut AtWork,
    obstacles: &mut Vec<Obstacle>,
) -> Result<()> {
    let id = &agent.id;
    work.agent = Some(id.to_string());
    work.below.clone_from(&agent.below);
    let local = Local::open()?;
    let top = git(&["rev-parse", "--show-toplevel"]).line().ok();
    match repository_by(configuration, &local, top.as_deref().map(std::path::Path::new)) {
        Ok(name) => work.repository = Some(name.to_string()),
        Err(failure) => obstacles.push(Obstacle::of(failure)),
    }
    let file = found(id, &agent.key);
    work.key_file = Some(file.display().to_string());
    if agent.key.starts_with("~") {
        let message = format!("the key of {id} is in {}, and there is no HOME to find it by", agent.key.display());
        obstacles.push(Obstacle::new(message, format!("git config countersign.{id}.key /FULL/PATH")));
    }
    let key = disk::read(&file).ok().and_then(|pem| PrivateKey::parse_openssh(&pem).ok());
    match &key {
        None => {
            let message = format!("the key of {id} in {} cannot be used", file.display());
            obstacles.push(Obstacle::new(message, format!("countersign agent add {id} --new-key")));
        }
        Some(key) => {
            work.key = Some(key.public().fingerprint().to_string());
            work.key_readers = others(id, &agents(configuration));
        }
    }
    if let (Some(policy), Some(key)) = (policy, &key) {
        let holder = policy.by_key(key.public());
        let registered = holder.is_some_and(|one| one.kind == PrincipalKind::Agent && one.id == *id);
        work.registered = Some(registered);
        if !registered {
            let message =
                format!("the policy does not register the key of {id}, so the server will refuse what it seals");
            obstacles.push(Obstacle::new(
                message,
                format!("an admin adds to the policy what this prints:\ncountersign agent add {id}"),
            ));
        }
    }
    for directory in [&local.dir.git_dir, &local.dir.common_dir.join("objects")] {
        if rustix::fs::access(directory.as_path(), rustix::fs::Access::WRITE_OK).is_err() {
            let message = format!("{} cannot be written, so nothing can be committed here", directory.display());
            obstacles.push(Obstacle::new(message, "let the sandbox of the agent write there"));
        }
    }
    Ok(())
}

/// The agents besides one that have a key here or in the user's home: nothing keeps what runs as one user apart.
fn others(id: &Id, known: &Agents) -> Vec<String> {
    let homes = home().and_then(|home| disk::read_dir(home).ok()).into_iter().flatten().flatten();
    let homes = homes.filter_map(|entry| entry.file_name().into_string().ok());
    let all: BTreeSet<String> = known.keys().cloned().chain(homes).filter(|other| other != id.as_str()).collect();
    all.into_iter().collect()
}

fn not_set_up(known: &Agents) -> Vec<String> {
    let path = env::var_os("PATH").unwrap_or_default();
    let is_here =
        |program: &str| std::env::split_paths(&path).any(|directory| directory.join(program).on_disk().is_file());
    let missing = |tool: &str| !known.values().any(|agent| agent.is_called(tool));
    programs().filter(|(program, tool)| missing(tool) && is_here(program)).map(|(_, tool)| tool.to_owned()).collect()
}

/// The tools that an environment can tell, by their names in the table.
pub(crate) fn tools() -> impl Iterator<Item = &'static str> {
    Catalogue::of_environment().environment().filter_map(|mark| mark.agent.as_deref())
}

/// The tool that somebody means by another name: one of whose name it is a part, or else the nearest.
pub(crate) fn near_tool<'t>(name: &str, known: impl Iterator<Item = &'t str> + Clone) -> Option<&'t str> {
    let is_part = |tool: &&str| tool.split('-').any(|part| part == name);
    known.clone().find(is_part).or_else(|| nearest(name, known))
}
