//! The repositories of a server. What can be read is read from files, so that thousands take seconds; the canary runs once for each
//! hook that says something else.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::canary;
use super::gate::Gate;
use super::{Progress, Report};
use crate::cli::gather::StoredRefs;
use crate::cli::hook::Server;
use crate::cli::install::{Configured, below, git_version, is_executable, is_ours, is_repository};
use crate::cli::local::git;
use crate::cli::policy_source::{PolicyArg, PolicyReader};
use crate::cli::recording::ServerRefs;
use crate::cli::runner::{Access, Runner};
use crate::cli::{Failure, Result, now};
use crate::decide::Timestamp;
use crate::git::{GitDir, Objects, Quarantine, Refs};
use crate::id::RepositoryName;
use crate::ledger::{Ledger, LedgerError};
use crate::oid::ObjectFormat;
use crate::policy::{Identity, Kind, Mode, Policy};

/// Git has had the quarantine, which hooks rely on, since then.
const OLDEST_GIT: (u32, u32) = (2, 11);

pub(super) const INSTALL: &str = "countersign install --server REPO.git --policy FILE";

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
            if found.repositories.is_empty() {
                return Err(Failure::new(format!("{} is no repository, and none lies below it", server.display())));
            }
            repositories.extend(found.repositories);
            for (path, reason) in found.passed_over {
                let fix = "run doctor with --server for it, as a user who may look into it";
                report.warn(&path.display(), "passed-over", format!("{reason}: nobody looked at what lies there"), fix);
            }
        }
    }
    let version = git_version()?;
    if version < OLDEST_GIT {
        let message = format!("git {}.{} keeps no quarantine for what is pushed", version.0, version.1);
        report.error(&"git", "old-git", message, "update git: 2.11 or later");
    }
    let mut checkup = Checkup {
        configured: Configured::at(Path::new("/"))?,
        version,
        hooks_path: git(&["config", "--get", "core.hooksPath"]).in_repository(Path::new("/")).line().ok(),
        policies: BTreeMap::new(),
        names: BTreeMap::new(),
        unread: BTreeSet::new(),
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

pub(super) struct Checkup<'a> {
    /// The hook of git's system configuration.
    pub(super) configured: Configured,
    pub(super) version: (u32, u32),
    /// `core.hooksPath` for all repositories.
    pub(super) hooks_path: Option<String>,
    /// What is known of policies, by what names them: `None` where one does not load.
    policies: BTreeMap<String, Option<Policy>>,
    /// What the gate calls the repositories.
    names: BTreeMap<RepositoryName, String>,
    /// Policies that some user may not read, told already.
    unread: BTreeSet<(PathBuf, Runner)>,
    /// Hooks that were tried, but for what is the repository's own in them.
    tried: BTreeSet<String>,
    now: Timestamp,
    pub(super) report: &'a mut Report,
}

impl Checkup<'_> {
    fn repository(&mut self, path: &Path) {
        let place = path.display().to_string();
        let runner = match Runner::of(path) {
            Ok(runner) => runner,
            Err(error) => {
                self.report.error(&place, "unreadable", error.to_string(), "run doctor as the user that git runs as");
                return;
            }
        };
        let Some(gate) = self.gate(path, runner, &place) else { return };
        if !runner.may(Access::Execute, &gate.program) {
            let program = gate.program.display();
            let message = if is_executable(&gate.program) {
                format!("the hook calls {program}, which the user that git runs as may not run: no push is accepted")
            } else {
                format!("the hook calls {program}, which is not there: no push is accepted")
            };
            let fix =
                format!("put the program where everybody may run it, such as /usr/local/bin, and use it to {INSTALL}");
            self.report.error(&place, "no-program", message, fix);
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
        self.ledger(&gate, dir, refs, runner, &place);
        self.refs(refs, &place);
        self.name(&gate.server, path, &place);
        let Some(policy) = self.policy(&gate.server, objects, refs, runner, &place) else { return };
        self.asks(&policy, &gate.server, &place);
        let own = if is_ours(&gate.layout.path(path, "pre-receive")) { "" } else { place.as_str() };
        let kind =
            format!("{:?} {runner:?} {} {} {own}", gate.layout, gate.program.display(), gate.server.common_text());
        if self.tried.insert(kind) && policy.enforces() && !gate.server.observes() {
            canary::run(path, runner, &gate, &policy, self.report);
        }
    }

    fn ledger(&mut self, gate: &Gate, dir: &GitDir, refs: &Refs, runner: Runner, place: &str) {
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
        if directory.exists() && !runner.may(Access::Write, &directory) {
            let message = "the user that git runs as may not write to the ledger: no push is accepted";
            self.report.error(&shown, "ledger", message, format!("chown -R {}:{} {shown}", runner.uid, runner.gid));
            return;
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

    /// Two that are called the same share what agents sealed for one of them.
    fn name(&mut self, server: &Server, path: &Path, place: &str) {
        let Some(name) = server.name_of(path) else { return };
        let Some(other) = self.names.insert(name.clone(), place.to_owned()) else { return };
        let message = format!("it and {other} are both called {name}, so a seal for one of them counts in both");
        let fix = "install one of them with --repository NAME, or rename it; leave it so if it is a copy of the other";
        self.report.warn(&place, "same-name", message, fix);
    }

    /// The policy in force, read once for all repositories that have it from the same files.
    fn policy(
        &mut self,
        server: &Server,
        objects: &Objects,
        refs: &Refs,
        runner: Runner,
        place: &str,
    ) -> Option<Policy> {
        let args = server.policies();
        let names: Vec<String> = args.iter().map(ToString::to_string).collect();
        let shared = args.iter().all(|arg| matches!(arg, PolicyArg::File(_)));
        let name = if shared { names.join(" ") } else { format!("{place} {}", names.join(" ")) };
        for arg in args {
            let PolicyArg::File(path) = arg else { continue };
            if path.exists() && !runner.may(Access::Read, path) && self.unread.insert((path.clone(), runner)) {
                let message = "the user that git runs as may not read the policy: no push is accepted";
                let fix = format!("chmod o+r {0}, and o+x the directories above it (namei -l {0})", path.display());
                self.report.error(&path.display(), "unreadable-policy", message, fix);
            }
        }
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

fn open(path: &Path) -> Result<(GitDir, Objects, Refs)> {
    let config = std::fs::read_to_string(path.join("config")).unwrap_or_default().to_ascii_lowercase();
    let sha256 = config.lines().any(|line| line.replace([' ', '\t'], "") == "objectformat=sha256");
    let format = if sha256 { ObjectFormat::Sha256 } else { ObjectFormat::Sha1 };
    let dir = GitDir::at(path).map_err(Failure::new)?;
    let objects = Objects::open(&dir, &Quarantine::default(), format).map_err(Failure::new)?;
    let refs = Refs::open(&dir, format).map_err(Failure::new)?;
    Ok((dir, objects, refs))
}
