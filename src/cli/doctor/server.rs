//! The repositories of a server. What can be read is read from files, so that thousands take seconds; the canary runs once for each
//! hook that says something else.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::canary;
use super::{Progress, Report};
use crate::cli::gather::StoredRefs;
use crate::cli::hook::{self, Server};
use crate::cli::install::{Layout, below, git_version, is_executable, is_ours, is_repository, system_hook};
use crate::cli::local::git;
use crate::cli::policy_source::{PolicyArg, PolicyReader};
use crate::cli::recording::ServerRefs;
use crate::cli::{Failure, Result, now};
use crate::decide::Timestamp;
use crate::git::{GitDir, Objects, Quarantine, Refs};
use crate::ledger::{Ledger, LedgerError};
use crate::oid::ObjectFormat;
use crate::policy::{Identity, Kind, Mode, Policy};

/// Git has had the quarantine, which hooks rely on, since then.
const OLDEST_GIT: (u32, u32) = (2, 11);

/// A hook of git's configuration.
const CONFIGURED_GIT: (u32, u32) = (2, 54);

const INSTALL: &str = "countersign install --server REPO.git --policy FILE";

/// Looks at all of them.
pub(super) fn examine(servers: &[PathBuf], report: &mut Report) -> Result<()> {
    let mut repositories = Vec::new();
    for server in servers {
        let work_tree = server.join(".git");
        if is_repository(server) {
            repositories.push(server.clone());
        } else if is_repository(&work_tree) {
            repositories.push(work_tree);
        } else {
            let found = below(server)?;
            if found.is_empty() {
                return Err(Failure::new(format!("{} is no repository, and none lies below it", server.display())));
            }
            repositories.extend(found);
        }
    }
    let version = git_version()?;
    if version < OLDEST_GIT {
        let message = format!("git {}.{} keeps no quarantine for what is pushed", version.0, version.1);
        report.error(&"git", "old-git", message, "update git: 2.11 or later");
    }
    let mut checkup = Checkup {
        configured: system_hook()?,
        version,
        hooks_path: git(&["config", "--get", "core.hooksPath"]).in_repository(Path::new("/")).line().ok(),
        policies: BTreeMap::new(),
        tried: BTreeSet::new(),
        now: now()?,
        report,
    };
    let progress = Progress::new(repositories.len());
    for (number, repository) in repositories.iter().enumerate() {
        progress.at(number);
        let path = repository.canonicalize().unwrap_or_else(|_| repository.clone());
        checkup.repository(&path);
    }
    checkup.report.repositories = repositories.len();
    Ok(())
}

struct Checkup<'a> {
    /// The command that git's system configuration names.
    configured: Option<String>,
    version: (u32, u32),
    /// `core.hooksPath` for all repositories.
    hooks_path: Option<String>,
    /// What is known of policies, by what names them: `None` where one does not load.
    policies: BTreeMap<String, Option<Policy>>,
    /// Hooks that were tried, but for what is the repository's own in them.
    tried: BTreeSet<String>,
    now: Timestamp,
    report: &'a mut Report,
}

/// The hook of a repository that decides.
struct Gate {
    layout: Layout,
    server: Server,
    program: PathBuf,
}

impl Checkup<'_> {
    fn repository(&mut self, path: &Path) {
        let place = path.display().to_string();
        let Some(gate) = self.gate(path, &place) else { return };
        if !is_executable(&gate.program) {
            let message = format!("the hook calls {}, which is not there: no push is accepted", gate.program.display());
            self.report.error(&place, "no-program", message, INSTALL);
            return;
        }
        if gate.server.observes() {
            self.report.error(&place, "observes", "it was installed with --observe and refuses nothing", INSTALL);
        }
        let opened = open(path);
        let (dir, objects, refs) = match &opened {
            Ok((dir, objects, refs)) => (dir, objects, refs),
            Err(failure) => {
                self.report.error(&place, "unreadable", failure.message.clone(), "git fsck says more");
                return;
            }
        };
        self.ledger(&gate, dir, refs, &place);
        self.refs(refs, &place);
        let Some(policy) = self.policy(&gate.server, objects, refs, &place) else { return };
        self.asks(&policy, &gate.server, &place);
        let own = if is_ours(&gate.layout.path(path, "pre-receive")) { "" } else { place.as_str() };
        let kind = format!("{:?} {} {} {own}", gate.layout, gate.program.display(), gate.server.common_text());
        if self.tried.insert(kind) && policy.enforces() && !gate.server.observes() {
            canary::run(path, gate.layout, &policy, &gate.server, self.report);
        }
    }

    /// The hook that decides, if there is one that git runs.
    fn gate(&mut self, path: &Path, place: &str) -> Option<Gate> {
        if !self.runs_own_hooks(path, place) {
            return None;
        }
        let found = Layout::IN_REPOSITORY.iter().copied().find(|layout| {
            let hook = layout.path(path, "pre-receive");
            is_ours(&hook) || (*layout == Layout::Hooks && calls_us(&hook))
        });
        let Some(layout) = found else {
            if let Some(gate) = self.configured_gate(path, place) {
                return Some(gate);
            }
            self.no_gate(path, place);
            return None;
        };
        let hook = layout.path(path, "pre-receive");
        let shown = hook.display().to_string();
        if !is_executable(&hook) {
            let fix = format!("chmod +x {shown}");
            self.report.error(&shown, "not-executable", "git does not run it: every push is accepted", fix);
            return None;
        }
        if layout == Layout::Gitea {
            let delegate = path.join("hooks/pre-receive");
            let runs = std::fs::read_to_string(&delegate).is_ok_and(|text| text.contains("pre-receive.d"));
            if !runs || !is_executable(&delegate) {
                let message = "it does not run what lies in pre-receive.d: every push is accepted";
                self.report.error(&delegate.display(), "not-run", message, "gitea admin regenerate hooks");
                return None;
            }
        }
        if !is_executable(&layout.path(path, "post-receive")) {
            let message =
                "the post-receive hook is not there, so what became of a decision is known at the next push only";
            self.report.warn(&place, "no-post-receive", message, INSTALL);
        }
        let text = std::fs::read_to_string(&hook).unwrap_or_default();
        let altered = is_ours(&hook) && !is_whole(&text);
        let gate = hook::read_shim(&text).map(|(program, server)| Gate { layout, server, program });
        let gate = gate.filter(|_| !altered);
        if gate.is_none() {
            let message = "it is another hook than the one that install writes, and nobody can tell what it decides";
            self.report.error(&shown, "replaced", message, INSTALL);
        }
        gate
    }

    /// Whether git looks for hooks in the repository.
    fn runs_own_hooks(&mut self, path: &Path, place: &str) -> bool {
        let config = std::fs::read_to_string(path.join("config")).unwrap_or_default().to_ascii_lowercase();
        let asks = self.hooks_path.is_some() || config.contains("hookspath") || config.contains("[include");
        let custom = is_ours(&Layout::Gitlab.path(path, "pre-receive"));
        if !asks || custom {
            return true;
        }
        let words = ["-c", "safe.directory=*", "rev-parse", "--git-path", "hooks"];
        let hooks = git(&words).in_repository(path).line().map(|hooks| path.join(hooks));
        let own = path.join("hooks");
        let same = hooks.as_ref().is_ok_and(|hooks| hooks.canonicalize().ok() == own.canonicalize().ok());
        if !same {
            let hooks = hooks.map_or_else(|_| "elsewhere".to_owned(), |hooks| hooks.display().to_string());
            let message = format!("core.hooksPath sends git to {hooks} for hooks: ours does not run");
            self.report.error(&place, "hooks-path", message, "git config --unset core.hooksPath, where it is set");
        }
        same
    }

    /// A hook of git's system configuration, unless this repository switches it off.
    fn configured_gate(&mut self, path: &Path, place: &str) -> Option<Gate> {
        let command = self.configured.clone()?;
        if self.version < CONFIGURED_GIT {
            let message = format!(
                "git {}.{} does not run the hook of git's configuration: every push is accepted",
                self.version.0, self.version.1
            );
            self.report.error(&place, "old-git", message, "update git: 2.54 or later");
            return None;
        }
        let words = ["-c", "safe.directory=*", "config", "--type=bool", "--get", "hook.countersign.enabled"];
        if git(&words).in_repository(path).line().is_ok_and(|enabled| enabled == "false") {
            let message = "hook.countersign.enabled is false here: every push is accepted";
            self.report.error(&place, "disabled", message, "git config --unset hook.countersign.enabled");
            return None;
        }
        let (program, server) = hook::read_shim(&format!("exec {command}\n"))?;
        Some(Gate { layout: Layout::Config, server, program })
    }

    /// Why nothing decides.
    fn no_gate(&mut self, path: &Path, place: &str) {
        let hook = path.join("hooks/pre-receive");
        let shown = hook.display();
        match (hook.symlink_metadata(), hook.metadata()) {
            (Err(_), _) => {
                self.report.error(
                    &place,
                    "missing",
                    "there is no pre-receive hook of ours: every push is accepted",
                    INSTALL,
                );
            }
            (Ok(_), Err(_)) => {
                let message = "the link leads nowhere: every push is accepted";
                self.report.error(&shown, "dangling", message, INSTALL);
            }
            (Ok(_), Ok(_)) => {
                let message = "another hook stands in the place of ours, and decides nothing of what the policy asks";
                self.report.error(
                    &shown,
                    "replaced",
                    message,
                    format!("{INSTALL}, which keeps it and runs it afterwards"),
                );
            }
        }
    }

    fn ledger(&mut self, gate: &Gate, dir: &GitDir, refs: &Refs, place: &str) {
        let Some(directory) = gate.server.ledger() else { return };
        // What the shim says is relative to the repository, where git runs it.
        let directory = dir.git_dir.join(directory);
        let shown = directory.display();
        if directory.metadata().is_ok_and(|found| found.permissions().mode() & 0o002 != 0) {
            self.report.error(
                &shown,
                "open-ledger",
                "anyone on this machine can change the ledger",
                format!("chmod o-w {shown}"),
            );
        }
        let looked = || -> std::result::Result<(usize, usize), LedgerError> {
            let ledger = Ledger::open(&directory)?;
            let suspects = ledger.suspects(&ServerRefs(refs))?.len();
            Ok((suspects, ledger.state()?.unexplained().count()))
        };
        match looked() {
            Ok((0, 0)) => {}
            Ok((suspects, unexplained)) => {
                let count = match suspects + unexplained {
                    1 => "1 ref".to_owned(),
                    more => format!("{more} refs"),
                };
                let message =
                    format!("{count} moved with no decision: somebody did so on the server, or the hook was off");
                let fix = "look at them: countersign log show --server REPO.git; if they are right: \
                           countersign install --server REPO.git --policy FILE --baseline";
                self.report.error(&place, "unexplained", message, fix);
            }
            // A hook for many repositories makes the ledger of a new one itself.
            Err(LedgerError::Absent(_))
                if gate.server.makes_ledgers() && refs.values().is_ok_and(|all| all.is_empty()) => {}
            Err(error) => {
                self.report.error(&shown, "ledger", format!("{error}: no push is accepted"), error.hint());
            }
        }
    }

    fn refs(&mut self, refs: &Refs, place: &str) {
        if refs.list("refs/replace/").is_ok_and(|found| !found.is_empty()) {
            let message =
                "there are refs under refs/replace/, and other programs read other commits than were decided on";
            self.report.warn(
                &place,
                "replace-refs",
                message,
                "git replace --list names them, git replace --delete removes them",
            );
        }
    }

    /// The policy in force, read once for all repositories that have it from the same files.
    fn policy(&mut self, server: &Server, objects: &Objects, refs: &Refs, place: &str) -> Option<Policy> {
        let args = server.policies();
        let names: Vec<String> = args.iter().map(ToString::to_string).collect();
        let shared = args.iter().all(|arg| matches!(arg, PolicyArg::File(_)));
        let name = if shared { names.join(" ") } else { format!("{place} {}", names.join(" ")) };
        if let Some(known) = self.policies.get(&name) {
            return known.clone();
        }
        for arg in args {
            let PolicyArg::File(path) = arg else { continue };
            for path in [path.as_path(), path.parent().unwrap_or(Path::new("/"))] {
                if path.metadata().is_ok_and(|found| found.permissions().mode() & 0o1002 == 0o002) {
                    let shown = path.display();
                    let message = "anyone on this machine can change the policy";
                    self.report.error(&shown, "open-policy", message, format!("chmod o-w {shown}"));
                }
            }
        }
        let values = StoredRefs { refs, objects };
        let loaded = match (PolicyReader { repository: Some((objects, &values)) }).load(args) {
            Ok(loaded) => {
                let digest = loaded.policy.digest().to_string();
                self.report.policies.insert(name.clone(), digest);
                self.reviews(&loaded.policy);
                Some(loaded.policy)
            }
            Err(error) => {
                let fix = "countersign policy check FILE says what is wrong";
                self.report.error(&name, "policy", format!("{error}: no push is accepted"), fix);
                None
            }
        };
        self.policies.insert(name, loaded.clone());
        loaded
    }

    /// Agents that nobody has reviewed in time.
    fn reviews(&mut self, policy: &Policy) {
        for agent in policy.principals().filter(|one| one.kind == Kind::Agent) {
            let Some(date) = agent.review_by.filter(|date| date.is_past(self.now)) else { continue };
            let place = format!("{}:{}", agent.at.file, agent.at.line);
            let message = format!("agent {} was to be reviewed by {date} and is suspended", agent.id);
            self.report.warn(&place, "review", message, "review it and move review-by, or remove it");
        }
    }

    /// Whether the policy asks anything, and can.
    fn asks(&mut self, policy: &Policy, server: &Server, place: &str) {
        let asks = |rule: &crate::policy::Rule| {
            rule.mode == Mode::Enforce && (rule.identity != Identity::None || rule.approvals.is_some())
        };
        if !policy.rules().iter().any(asks) {
            let message = "no enforcing rule asks who made a commit or who approved it, so any commit passes";
            self.report.error(
                &place,
                "asks-nothing",
                message,
                "add a rule with identity = \"agents\", or take mode = \"warn\" off one",
            );
        }
        if policy.asks_for_submitter() && !server.names_submitter() {
            let message = "the policy says who may push, and nothing says who pushes: no such push is accepted";
            self.report.error(&place, "submitter", message, format!("{INSTALL} --submitter KIND"));
        }
        if policy.asks_for_independence() && !server.names_submitter() {
            let message = "the policy asks for independent approvals, and nothing says who pushes: an approval by who pushes counts";
            self.report.warn(&place, "submitter", message, format!("{INSTALL} --submitter KIND"));
        }
    }
}

/// Whether a hook of ours has the lines that install writes, and no others.
fn is_whole(text: &str) -> bool {
    let lines: Vec<&str> = text.lines().collect();
    matches!(lines.as_slice(), ["#!/bin/sh", _, exec] if exec.starts_with("exec "))
}

/// Whether a hook that somebody wrote by hand runs this program in the end, as the README shows.
fn calls_us(hook: &Path) -> bool {
    std::fs::read_to_string(hook).is_ok_and(|text| hook::read_shim(&text).is_some())
}

fn open(path: &Path) -> Result<(GitDir, Objects, Refs)> {
    let config = std::fs::read_to_string(path.join("config")).unwrap_or_default().to_ascii_lowercase();
    let sha256 = config.lines().any(|line| line.replace([' ', '\t'], "") == "objectformat=sha256");
    let format = if sha256 { ObjectFormat::Sha256 } else { ObjectFormat::Sha1 };
    let dir = GitDir::at(path).map_err(Failure::new)?;
    let objects = Objects::open(&dir, &Quarantine::default(), format).map_err(Failure::new)?;
    let refs = Refs::open(&dir, format).map_err(Failure::new)?;
    Ok((dir, objects, refs))
}
