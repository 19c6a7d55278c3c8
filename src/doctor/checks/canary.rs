//! The canary: a real push of a forged commit, through the installed hook, into a repository made for it beside the real one. It has
//! no other purpose than to be refused.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use super::Check;
use crate::core::digest::Digest;
use crate::core::id::{Id, RepositoryName};
use crate::core::policy::{Identity, Mode, Policy, PrincipalKind, Rule};
use crate::core::seal::{self, BlockHead, Payload, Root, SealValue};
use crate::core::ssh::PrivateKey;
use crate::doctor::gate::{Examined, Gate, Seen};
use crate::doctor::report::{Canary, Report};
use crate::doctor::server::Checkup;
use crate::gate::hook::{CANARY, CANARY_PREFIX, LEDGER};
use crate::gate::policy_source::PolicyArg;
use crate::gate::recording::{Beginning, begin_ledger};
use crate::gate::shim::is_ours;
use crate::server::RunBy;
use crate::store::{GitDir, Refs};
use crate::system::process::{git, server_git};
use crate::system::users::{Owner, may_write};
use crate::system::{Failure, OnDisk as _, Result, disk, env, process, random_seed};

/// Where the forged commit goes.
struct Aim {
    /// The full name of a ref.
    name: String,
    /// A path that it must touch for a rule to be about it.
    path: Option<String>,
}

/// What became of the push.
#[derive(PartialEq, Eq)]
enum Outcome {
    Refused,
    Accepted,
    /// It failed in another way than by a verdict, with the line that says most.
    Undecided(String),
}

impl Outcome {
    const fn word(&self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Accepted => "accepted",
            Self::Undecided(_) => "undecided",
        }
    }
}

impl Checkup<'_> {
    /// Tries the hook, unless one like it was tried.
    pub(in crate::doctor) fn canary(&mut self, examined: &Examined<'_>, policy: &Policy) {
        let Examined { seen, gate, .. } = examined;
        if self.may_be_run(examined, policy) && self.tried.insert(likeness(seen, gate)) {
            run(seen, gate, policy, self.report);
        }
    }
}

/// What makes a hook another than those that were tried.
fn likeness(seen: &Seen, gate: &Gate) -> String {
    let run_by = gate.layout.run_by();
    let is_common = is_ours(&gate.hook) || matches!(run_by, RunBy::Configuration);
    let own = if is_common { "" } else { seen.place.as_str() };
    let delegate = match run_by {
        RunBy::Delegate(_) => Digest::of(&disk::read(seen.hooks.join("pre-receive")).unwrap_or_default()).to_string(),
        RunBy::Git | RunBy::Server | RunBy::Configuration => String::new(),
    };
    let config = Digest::of(relevant(&seen.config).as_bytes());
    format!("{:?} {} {} {delegate} {config} {own}", gate.layout, gate.program.display(), gate.server.common_text())
}

/// What of a repository's configuration may say what becomes of a push: all but sections that are about other things.
fn relevant(config: &str) -> String {
    const OTHER: [&str; 7] = ["[gitweb", "[remote", "[branch", "[gitlab", "[gitolite", "[cgit", "[user"];
    let mut counts = true;
    let mut kept = String::new();
    for line in config.lines().map(str::trim) {
        if line.starts_with('[') {
            counts = !OTHER.iter().any(|other| line.to_ascii_lowercase().starts_with(other));
        }
        if counts {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// Pushes it, and adds what came of that.
fn run(seen: &Seen, gate: &Gate, policy: &Policy, report: &mut Report) {
    let place = &seen.place;
    let Some(aim) = aim(policy) else {
        let message =
            "no enforcing rule names a ref or path that a canary could be pushed to, so nobody tried the gate";
        return report.error(place, Check::Canary, message, "give a rule a pattern that some ref matches");
    };
    let outcome = match push(seen, gate, policy, &aim) {
        Ok(outcome) => outcome,
        Err(failure) => {
            let message = format!("the canary cannot be pushed: {}", failure.message);
            return report.error(place, Check::Canary, message, "run doctor as root, or as the user that git runs as");
        }
    };
    let fix = format!("install it again, and look again:\n{}", gate.install(&seen.path));
    match &outcome {
        Outcome::Refused => {}
        Outcome::Accepted => {
            report.error(
                place,
                Check::Canary,
                format!("a forged commit to {} was accepted: every push is", aim.name),
                fix.as_str(),
            );
        }
        Outcome::Undecided(said) => {
            let message = format!("a forged commit to {} was not decided, so no push is accepted: {said}", aim.name);
            report.error(place, Check::Canary, message, fix.as_str());
        }
    }
    let (refused, outcome) = (outcome == Outcome::Refused, outcome.word().to_owned());
    report.canaries.push(Canary { repository: place.clone(), name: aim.name, refused, outcome });
}

/// A ref, and a path, that a rule governs which asks for something that a forged commit has not.
fn aim(policy: &Policy) -> Option<Aim> {
    let asks =
        |rule: &&Rule| rule.mode == Mode::Enforce && (rule.identity != Identity::None || rule.approvals.is_some());
    let aim = |rule: &Rule| {
        let path = if rule.is_path_rule() { Some(rule.example_path()?) } else { None };
        Some(Aim { name: rule.example_ref()?, path })
    };
    let (paths, refs): (Vec<&Rule>, Vec<&Rule>) =
        policy.rules().iter().filter(asks).partition(|rule| rule.is_path_rule());
    refs.into_iter().chain(paths).find_map(aim)
}

/// Where the repository goes: beside the real one, or inside it where this user may not write beside it.
fn ground(real: &Path) -> Result<PathBuf> {
    let beside = real.parent().unwrap_or(Path::new("/"));
    if may_write(beside) {
        return Ok(beside.to_owned());
    }
    let inside = real.join("countersign");
    disk::create_dir_all(&inside).map_err(|error| Failure::new(format!("{}: {error}", inside.display())))?;
    Ok(inside)
}

/// Where tables of refs are, in a repository that has them.
const REFTABLE: &str = "reftable";

/// How long a canary may be there that its doctor did not come to remove.
const STALE: Duration = Duration::from_secs(3600);

fn remove_stale(ground: &Path) {
    for entry in disk::read_dir(ground).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_canary =
            entry.file_name().to_string_lossy().starts_with(CANARY_PREFIX) && path.join(CANARY).on_disk().is_file();
        let own = Owner::of(&path).is_ok_and(Owner::is_this);
        let age = entry.metadata().and_then(|found| found.modified()).map(|time| time.elapsed().unwrap_or_default());
        if is_canary && own && age.is_ok_and(|age| age > STALE) {
            // It disturbs nobody; another user's is left to them.
            let _ = disk::remove_dir_all(path);
        }
    }
}

fn push(seen: &Seen, gate: &Gate, policy: &Policy, aim: &Aim) -> Result<Outcome> {
    let Gate { server, .. } = gate;
    let (real, ground) = (seen.path.as_path(), ground(&seen.path)?);
    remove_stale(&ground);
    let make = tempfile::Builder::new().prefix(CANARY_PREFIX).suffix(".git").tempdir_in(&ground);
    let scratch = make.map_err(|error| Failure::new(format!("{}: {error}", ground.display())))?;
    let path = scratch.path();
    make_repository(seen, path).map_err(Failure::new)?;
    name_main_branch(real, path)?;
    // Before any hook is there that would run.
    for policy in &server.policies {
        let PolicyArg::InRepository(place) = policy else { continue };
        let value = server_git(real, &["rev-parse", &place.name]).line()?;
        server_git(path, &["-c", "core.hooksPath=/dev/null", "update-ref", &place.name, &value]).run()?;
    }
    link_hooks(seen, gate, path)?;
    let repository = server.repository.clone().or_else(|| policy.repository().cloned());
    let repository = repository.or_else(|| RepositoryName::parse(b"countersign-canary"));
    let repository = repository.ok_or_else(|| Failure::new("the repository has no name"))?;
    if server.ledger.is_some() {
        let dir = GitDir::at(path).map_err(Failure::new)?;
        let refs = Refs::open(&dir, seen.format).map_err(Failure::new)?;
        let beginning = Beginning { name: &repository, dir: &dir, refs: &refs, format: seen.format };
        begin_ledger(&path.join(LEDGER), beginning)?;
    }
    let desk = tempfile::tempdir().map_err(Failure::new)?;
    let format = match seen.format {
        crate::core::oid::ObjectFormat::Sha1 => "sha1",
        crate::core::oid::ObjectFormat::Sha256 => "sha256",
    };
    git(&["init", "--quiet", "--bare", "--template=", "--object-format", format, "."])
        .in_repository(desk.path())
        .run()?;
    let commit = commit(policy, &repository, desk.path(), aim)?;
    // The way of every push, with the configuration that the server's git has, and no more of this process's environment.
    let mut command = process::command("git");
    command.env_clear().current_dir(desk.path()).env("GIT_DIR", desk.path()).stdin(Stdio::null());
    for kept in ["PATH", "HOME", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM"] {
        command.envs(env::var_os(kept).map(|value| (kept, value)));
    }
    command.envs(server.naming_variables().iter().map(|name| (name, "countersign-canary")));
    // What this user has configured for pushes of their own.
    for setting in ["push.gpgSign=false", "push.pushOption=", "protocol.file.allow=always", "core.hooksPath=/dev/null"]
    {
        command.args(["-c", setting]);
    }
    let output = command.args(["push", "--quiet", "--force"]).arg(path).arg(format!("{commit}:{}", aim.name)).output();
    let output = output.map_err(|error| Failure::new(format!("cannot run git: {error}")))?;
    // What is said by a push that went through is not a refusal, whatever it says.
    if output.status.success() {
        return Ok(Outcome::Accepted);
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if said.contains("countersign: refused ") {
        return Ok(Outcome::Refused);
    }
    let of_hook = |line: &&str| line.starts_with("remote: ") || line.starts_with("fatal: ");
    let line = said.lines().find(of_hook).or(said.lines().next()).unwrap_or("git said nothing");
    Ok(Outcome::Undecided(line.trim_start_matches("remote: ").trim_end().to_owned()))
}

/// A repository with the real one's configuration and objects, and no refs.
fn make_repository(seen: &Seen, path: &Path) -> std::io::Result<()> {
    let real = &seen.path;
    disk::create_dir_all(path.join("objects/info"))?;
    disk::create_dir_all(path.join("refs"))?;
    disk::copy(real.join("HEAD"), path.join("HEAD"))?;
    disk::copy(real.join("config"), path.join("config"))?;
    if real.join(REFTABLE).on_disk().is_dir() {
        disk::copy(real.join("refs/heads"), path.join("refs/heads"))?;
        disk::create_dir(path.join(REFTABLE))?;
    }
    disk::write(path.join("objects/info/alternates"), format!("{}\n", real.join("objects").display()))?;
    disk::create_dir_all(path.join("countersign"))?;
    disk::write(path.join(CANARY), "This repository is a canary of countersign doctor.\n")
}

/// Has the same branch for the main one where HEAD is in a table.
fn name_main_branch(real: &Path, path: &Path) -> Result<()> {
    if !real.join(REFTABLE).on_disk().is_dir() {
        return Ok(());
    }
    let branch = server_git(real, &["symbolic-ref", "HEAD"]).line()?;
    server_git(path, &["-c", "core.hooksPath=/dev/null", "symbolic-ref", "HEAD", &branch]).run().map(drop)
}

/// The installed hook itself, not a copy of it, where the server runs it.
fn link_hooks(seen: &Seen, gate: &Gate, path: &Path) -> Result<()> {
    let hooks = path.join("hooks");
    let link = |target: &Path, name: &Path| {
        disk::create_dir_all(name.parent().unwrap_or(path)).and_then(|()| symlink(target, name)).map_err(Failure::new)
    };
    let at = |git_dir: &Path| gate.layout.path(git_dir, "pre-receive");
    match gate.layout.run_by() {
        // The server's git is sent to the server's hook, which runs these; a plain git is not.
        RunBy::Server => {
            let directory = |git_dir: &Path| at(git_dir).parent().map(Path::to_owned).unwrap_or_default();
            link(&directory(&seen.path), &directory(path))?;
            link(&gate.hook, &hooks.join("pre-receive"))
        }
        // The server's own hook refuses what does not come from the server, and would hide that ours does not.
        RunBy::Delegate(_) => {
            link(&seen.hooks.join("pre-receive"), &hooks.join("pre-receive"))?;
            link(&gate.hook, &at(path))
        }
        RunBy::Configuration => disk::create_dir(&hooks).map_err(Failure::new),
        RunBy::Git if seen.looks_at_home() => link(&seen.hooks, &hooks),
        RunBy::Git => {
            let elsewhere = seen.hooks.to_str().ok_or_else(|| Failure::new("the hooks' path is not UTF-8"))?;
            git(&["config", "--file", "config", "core.hooksPath", elsewhere]).in_repository(path).run().map(drop)
        }
    }
}

/// Makes the commit in a repository of its own. Returns its id.
fn commit(policy: &Policy, repository: &RepositoryName, desk: &Path, aim: &Aim) -> Result<String> {
    let store =
        |kind: &str, bytes: &[u8]| server_git(desk, &["hash-object", "-t", kind, "-w", "--stdin"]).input(bytes).line();
    let mut tree = store("tree", b"")?;
    if let Some(path) = &aim.path {
        let mut entry = format!("100644 blob {}", store("blob", b"canary\n")?);
        for name in path.rsplit('/') {
            tree = server_git(desk, &["mktree"]).input(format!("{entry}\t{name}\n").as_bytes()).line()?;
            entry = format!("040000 tree {tree}");
        }
    }
    store("commit", forged(policy, repository, &tree)?.as_bytes())
}

/// A commit that bears the mark of an agent and its seal, made with a key that nobody has registered.
fn forged(policy: &Policy, repository: &RepositoryName, tree: &str) -> Result<String> {
    let agent = policy.principals().find(|one| one.kind == PrincipalKind::Agent).map(|agent| agent.id.clone());
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
