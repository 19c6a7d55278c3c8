//! The canary: a real push of a forged commit, through the installed hook, into a repository made for it beside the real one. It has
//! no other purpose than to be refused.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::gate::Gate;
use super::{Canary, Report};
use crate::cli::agent::random_seed;
use crate::cli::hook::CANARY;
use crate::cli::install::{LEDGER, Layout};
use crate::cli::local::git;
use crate::cli::policy_source::PolicyArg;
use crate::cli::recording::open_or_make_ledger;
use crate::cli::runner::Runner;
use crate::cli::{Failure, Result};
use crate::digest::Digest;
use crate::id::{Id, RepositoryName};
use crate::policy::{Identity, Kind, Mode, Policy, Rule};
use crate::seal::{self, BlockHead, Payload, Root, SealValue};
use crate::ssh::PrivateKey;

/// What the names of such repositories begin with.
pub(in crate::cli) const PREFIX: &str = ".countersign-canary-";

/// Pushes it, and adds what came of that.
pub(super) fn run(real: &Path, runner: Runner, gate: &Gate, policy: &Policy, report: &mut Report) {
    let place = real.display();
    let Some(name) = name(policy) else { return };
    match push(real, runner, gate, policy, &name) {
        Ok(said) => {
            let refused = said.contains("countersign: refused ");
            if !refused {
                let last = said.lines().last().unwrap_or("git said nothing").to_owned();
                let message = format!("a forged commit to {name} was not refused by the hook: {last}");
                let fix = "countersign install --server REPO.git --policy FILE, then run doctor again";
                report.error(&place, "canary", message, fix);
            }
            report.canaries.push(Canary { repository: place.to_string(), name, refused });
        }
        Err(failure) => {
            let message = format!("the canary cannot be pushed: {}", failure.message);
            report.error(&place, "canary", message, "run doctor as the user that git runs as");
        }
    }
}

/// A ref that a rule governs which asks for something that a forged commit has not.
fn name(policy: &Policy) -> Option<String> {
    let asks = |rule: &&Rule| {
        let identity = rule.identity != Identity::None;
        rule.mode == Mode::Enforce && !rule.is_path_rule() && (identity || rule.approvals.is_some())
    };
    let rules = policy.rules().iter().filter(asks);
    let names = rules.flat_map(|rule| rule.example_refs().map(move |name| (rule, name)));
    names.filter(|(rule, name)| rule.matches_ref(name.as_bytes())).map(|(_, name)| name).next()
}

/// Returns what git and the hook said to the pusher.
fn push(real: &Path, runner: Runner, gate: &Gate, policy: &Policy, name: &str) -> Result<String> {
    let Gate { layout, server, .. } = gate;
    let parent = real.parent().unwrap_or(Path::new("/"));
    let make = tempfile::Builder::new().prefix(PREFIX).suffix(".git").tempdir_in(parent);
    let scratch = make.map_err(|error| Failure::new(format!("{}: {error}", parent.display())))?;
    let path = scratch.path();
    let own = || -> std::io::Result<()> {
        std::fs::create_dir_all(path.join("objects/info"))?;
        std::fs::create_dir_all(path.join("refs"))?;
        std::fs::copy(real.join("HEAD"), path.join("HEAD"))?;
        std::fs::copy(real.join("config"), path.join("config"))?;
        // The installed hook itself, not a copy of it.
        match layout {
            // GitLab's git is sent to GitLab's hook, which runs these; a plain git is not.
            Layout::Gitlab => {
                std::os::unix::fs::symlink(real.join("custom_hooks"), path.join("custom_hooks"))?;
                std::fs::create_dir(path.join("hooks"))?;
                std::os::unix::fs::symlink(layout.path(real, "pre-receive"), path.join("hooks/pre-receive"))?;
            }
            _ => std::os::unix::fs::symlink(real.join("hooks"), path.join("hooks"))?,
        }
        let alternates = format!("{}\n", real.join("objects").display());
        std::fs::write(path.join("objects/info/alternates"), alternates)?;
        std::fs::create_dir_all(path.join("countersign"))?;
        std::fs::write(path.join(CANARY), "This repository is a canary of countersign doctor.\n")
    };
    own().map_err(Failure::new)?;
    for policy in server.policies() {
        let PolicyArg::InRepository(place) = policy else { continue };
        let value = git(&["-c", "safe.directory=*", "rev-parse", &place.name]).in_repository(real).line()?;
        git(&["-c", "safe.directory=*", "update-ref", &place.name, &value]).in_repository(path).run()?;
    }
    let repository = server.repository().cloned().or_else(|| policy.repository().cloned());
    let repository = repository.or_else(|| RepositoryName::parse(b"countersign-canary"));
    let repository = repository.ok_or_else(|| Failure::new("the repository has no name"))?;
    if server.ledger().is_some() {
        open_or_make_ledger(&path.join(LEDGER), &repository)?;
    }
    let desk = tempfile::tempdir().map_err(Failure::new)?;
    let format = git(&["-c", "safe.directory=*", "rev-parse", "--show-object-format"]).in_repository(path).line()?;
    git(&["init", "--quiet", "--bare", "--object-format", &format, "."]).in_repository(desk.path()).run()?;
    let tree = git(&["hash-object", "-t", "tree", "-w", "--stdin"]).in_repository(desk.path()).line()?;
    let raw = forged(policy, &repository, &tree)?;
    let commit = git(&["hash-object", "-t", "commit", "-w", "--stdin"]).input(raw.as_bytes());
    let commit = commit.in_repository(desk.path()).line()?;
    // The way of every push, with the configuration that the server's git has, and no more of this process's environment.
    let mut command = Command::new("git");
    command.env_clear().current_dir(desk.path()).stdin(Stdio::null());
    for kept in ["PATH", "HOME", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM"] {
        command.envs(std::env::var_os(kept).map(|value| (kept, value)));
    }
    command.envs(server.naming_variables().iter().map(|name| (name, "countersign-canary")));
    if runner.is_to_become() {
        hand_over(path, runner).and_then(|()| hand_over(desk.path(), runner)).map_err(Failure::new)?;
        command.uid(runner.uid).gid(runner.gid).env_remove("GIT_CONFIG_GLOBAL");
        command.env("HOME", runner.home().as_deref().unwrap_or(desk.path()));
    }
    let output = command.args(["push", "--quiet", "--force"]).arg(path).arg(format!("{commit}:{name}")).output();
    let output = output.map_err(|error| Failure::new(format!("cannot run git: {error}")))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    // What is said by a push that went through is not a refusal, whatever it says.
    Ok(if output.status.success() { "git accepted the push".to_owned() } else { said })
}

/// Gives a directory and all in it to the user that git runs as. Links are given themselves, not what they lead to.
fn hand_over(directory: &Path, runner: Runner) -> std::io::Result<()> {
    let mut pending = vec![directory.to_owned()];
    while let Some(path) = pending.pop() {
        std::os::unix::fs::lchown(&path, Some(runner.uid), Some(runner.gid))?;
        if path.symlink_metadata()?.is_dir() {
            for entry in std::fs::read_dir(&path)? {
                pending.push(entry?.path());
            }
        }
    }
    Ok(())
}

/// A commit that bears the mark of an agent and its seal, made with a key that nobody has registered.
fn forged(policy: &Policy, repository: &RepositoryName, tree: &str) -> Result<String> {
    let agent = policy.principals().find(|one| one.kind == Kind::Agent).map(|agent| agent.id.clone());
    let agent = agent.or_else(|| Id::parse(b"canary")).ok_or_else(|| Failure::new("the canary has no name"))?;
    let author = "Canary <noreply@anthropic.com> 1700000000 +0000";
    let head = BlockHead { agent: &agent, role: None, model: None, session: None, task: None }.to_text();
    let message = format!("Canary of countersign doctor\n\nCo-Authored-By: Claude <noreply@anthropic.com>\n{head}");
    let change = Digest::of(b"countersign-change-v1\0");
    let signed = Digest::of(message.as_bytes());
    let payload = Payload {
        repository,
        agent: &agent,
        role: None,
        change,
        author: author.as_bytes(),
        merges: &[],
        root: Root::Yes,
        message: signed,
    };
    let key = PrivateKey::from_seed(&random_seed()?).map_err(Failure::new)?;
    let signature = key.sign(seal::NAMESPACE, &payload.to_bytes());
    let line = seal::seal_line(&SealValue { change, message: signed, signature });
    Ok(format!("tree {tree}\nauthor {author}\ncommitter {author}\n\n{message}{line}"))
}
