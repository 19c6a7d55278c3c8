//! The repositories of a server. Git is asked once in each, where it looks for hooks; the rest is read from files, and the canary runs
//! once for each hook that says something else. Root looks at each with the eyes of its owner.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::core::decide::Timestamp;
use crate::core::id::RepositoryName;
use crate::core::policy::Policy;
use crate::doctor::Request;
use crate::doctor::checks::{self, Check, Footing};
use crate::doctor::gate::{Examined, Opened, Seen};
use crate::doctor::report::Report;
use crate::gate::shim::quoted;
use crate::server::{Below, Configured, Owners, Used, git_version, named, resolved};
use crate::system::ground::Ground;
use crate::system::users::{AT_ONCE, Owner, current_user};
use crate::system::{Failure, OnDisk as _, Progress, Result, now};

/// Git has had the quarantine, which hooks rely on, since then.
const OLDEST_GIT: (u32, u32) = (2, 11);

/// Looks at all of them; those that others own, as those.
pub(super) fn examine(request: &Request, report: &mut Report) -> Result<()> {
    let Request { servers, exclude, owners, sshd_config, format: _ } = request;
    let mut used = Used::default();
    let mut repositories = Vec::new();
    let given: Vec<PathBuf> = servers.iter().filter_map(|server| server.on_disk().canonicalize().ok()).collect();
    for server in servers {
        let mut found = match owners {
            Owners::All => named(server)?,
            // Who started this process looks at where they lie.
            Owners::This => Below { repositories: vec![server.clone()], ..Below::default() },
        };
        if found.repositories.is_empty() || (server.on_disk().is_file() && resolved(server).is_none()) {
            let what = if server.on_disk().is_file() {
                "is a file, and leads to no repository"
            } else {
                "is no repository, and none lies below it"
            };
            return Err(Failure::new(format!("{} {what}", server.display())).hint(
                "give the path of a repository, such as /srv/git/project.git, or of the directory that holds them",
            ));
        }
        if *owners == Owners::All {
            exclude.apply(server, &mut found, &mut used);
        }
        repositories.extend(found.repositories);
        for (path, reason) in found.passed_over {
            let covered =
                path.on_disk().canonicalize().is_ok_and(|path| given.iter().any(|given| path.starts_with(given)));
            if !covered || path.on_disk().symlink_metadata().is_ok_and(|found| !found.is_symlink()) {
                let message = format!("{reason}: nobody looked at what lies there");
                let fix = "give it with --server as well, as a user who may look into it";
                report.error(&path.display(), Check::PassedOver, message, fix);
            }
        }
    }
    if *owners == Owners::All {
        exclude.tell_unused(&used);
    }
    let mut others: BTreeMap<Owner, Vec<PathBuf>> = BTreeMap::new();
    let mut strangers: BTreeMap<Owner, usize> = BTreeMap::new();
    let mut own = Vec::new();
    let mut seen = BTreeSet::new();
    for repository in repositories {
        let path = resolved(&repository).unwrap_or(repository);
        let path = path.on_disk().canonicalize().unwrap_or(path);
        if !seen.insert(path.clone()) {
            continue;
        }
        match Owner::of(&path) {
            Ok(owner) if *owners == Owners::This && !owner.is_this() => {}
            Ok(owner) if owner.is_another() => others.entry(owner).or_default().push(path),
            Ok(owner) if !owner.is_this() && !current_user().is(0) => *strangers.entry(owner).or_default() += 1,
            Ok(_) => own.push(path),
            Err(error) => {
                report.error(&path.display(), Check::Unreadable, error.to_string(), "see whether it is there")
            }
        }
    }
    for (owner, count) in strangers {
        let (run_as, sudo) = match owner.to_string() {
            root if owner.is(0) => (root, "sudo".to_owned()),
            user => (format!("{user} or as root"), format!("sudo -u {user}")),
        };
        let message = match count {
            1 => format!("1 repository belongs to {owner}: doctor must be run as {run_as}"),
            many => format!("{many} repositories belong to {owner}: doctor must be run as {run_as}"),
        };
        let places: Vec<String> = servers.iter().map(|server| quoted(server)).collect();
        let fix = format!("{sudo} countersign doctor --server {}", places.join(" "));
        report.error(&places.join(" "), Check::WrongUser, message, fix);
    }
    if !own.is_empty() {
        examine_own(&own, request, report)?;
    }
    for (owner, repositories) in others {
        for some in repositories.chunks(AT_ONCE) {
            examine_as(owner, some, sshd_config, report)?;
        }
    }
    Ok(())
}

/// Lets this program look, run as the owner of these repositories.
fn examine_as(owner: Owner, repositories: &[PathBuf], sshd_config: &Path, report: &mut Report) -> Result<()> {
    let mut words: Vec<OsString> =
        ["doctor", "--own-only", "--format", "json", "--sshd-config"].map(OsString::from).into();
    words.push(std::path::absolute(sshd_config).map_err(Failure::new)?.into_os_string());
    words.push("--server".into());
    words.extend(repositories.iter().map(|path| path.clone().into_os_string()));
    let output = owner.command(&words)?.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let parsed = output.as_ref().ok().and_then(|output| serde_json::from_slice::<Report>(&output.stdout).ok());
    let Some(other) = parsed else {
        let many = repositories.len();
        let why = output.map_or_else(|error| error.to_string(), |output| output.status.to_string());
        let failure = owner.may_not_run(&why);
        let (message, fix) = (failure.message, failure.hint.unwrap_or_default());
        report.error(&owner, Check::Unreadable, format!("nobody looked at {many} repositories: {message}"), fix);
        return Ok(());
    };
    report.merge(other);
    Ok(())
}

fn examine_own(repositories: &[PathBuf], request: &Request, report: &mut Report) -> Result<()> {
    let version = git_version()?;
    if version < OLDEST_GIT {
        let message = format!("git {}.{} keeps no quarantine for what is pushed", version.0, version.1);
        report.error(&"git", Check::OldGit, message, "update git: 2.11 or later");
    }
    let mut checkup = Checkup {
        configured: Configured::at(Path::new("/"))?,
        version,
        policies: BTreeMap::new(),
        names: BTreeMap::new(),
        told: BTreeSet::new(),
        tried: BTreeSet::new(),
        now: now()?,
        sshd_config: &request.sshd_config,
        ground: root_asks(request.owners).then(|| Ground::of(current_user())),
        report,
    };
    let progress = Progress::new("repositories", Some(repositories.len()));
    for (number, repository) in repositories.iter().enumerate() {
        progress.at(number);
        checkup.repository(repository);
    }
    checkup.report.repositories += repositories.len();
    Ok(())
}

/// Whether root looks, or started this process, which looks as an owner.
fn root_asks(owners: Owners) -> bool {
    owners == Owners::This || current_user().is(0)
}

pub(super) struct Checkup<'a> {
    /// The hook of git's system configuration.
    pub(super) configured: Configured,
    pub(super) version: (u32, u32),
    /// What is known of policies, by what names them: `None` where one does not load.
    pub(super) policies: BTreeMap<String, Option<Policy>>,
    /// What the gate calls the repositories.
    pub(super) names: BTreeMap<RepositoryName, String>,
    /// What has been told of files that many repositories share.
    pub(super) told: BTreeSet<(PathBuf, Check)>,
    /// Hooks that were tried, but for what is the repository's own in them.
    pub(super) tried: BTreeSet<String>,
    pub(super) now: Timestamp,
    /// The configuration of the sshd that people push through.
    pub(super) sshd_config: &'a Path,
    /// What root, or whom root started, may run and write to; `None` where somebody looks for themselves.
    pub(super) ground: Option<Ground>,
    pub(super) report: &'a mut Report,
}

impl Checkup<'_> {
    fn repository(&mut self, path: &Path) {
        // Root opens nothing that could be another repository by then.
        if self.footing(path) == Footing::Open && current_user().is(0) {
            return;
        }
        let seen = match Seen::look(path) {
            Ok(seen) => seen,
            Err(reason) => {
                let message = format!("git cannot use it: {reason}");
                return self.report.error(
                    &path.display(),
                    Check::Unreadable,
                    message,
                    format!("look at it, as the user that git runs as:\ngit --git-dir={} fsck", quoted(path)),
                );
            }
        };
        let place = seen.place.clone();
        let Some(gate) = self.gate(&seen) else { return };
        if !self.program(&seen, &gate) {
            return;
        }
        let opened = match Opened::open(&seen) {
            Ok(opened) => opened,
            Err(failure) => {
                return self.report.error(
                    &place,
                    Check::Unreadable,
                    failure.message,
                    format!("see what git says of it:\n{}", seen.git("fsck")),
                );
            }
        };
        let examined = Examined { seen: &seen, gate: &gate, opened: &opened };
        self.ledger(&examined);
        self.order_stores(&examined.opened.dir);
        self.baseline(&examined);
        checks::refs::examine(&examined, self.report);
        checks::shared::examine(&examined, self.report);
        let Some(policy) = self.policy(&examined) else { return };
        self.name(&examined, &policy);
        checks::head::examine(&examined, &policy, self.report);
        checks::out_of_band::examine(&examined, &policy, self.report);
        checks::submitter::examine(&examined, &policy, self.sshd_config, self.report);
        if checks::asks::examine(&examined, &policy, self.report) && !gate.server.observe {
            self.canary(&examined, &policy);
        }
    }
}
