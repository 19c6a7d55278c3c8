//! The repositories of a server. Git is asked once in each, where it looks for hooks; the rest is read from files, and the canary runs
//! once for each hook that says something else. Root looks at each with the eyes of its owner.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::core::decide::Timestamp;
use crate::core::digest::Digest;
use crate::core::id::RepositoryName;
use crate::core::policy::{Identity, Mode, OutOfBand, Policy};
use crate::core::submitter::Adapter;
use crate::doctor::gate::{Gate, Seen};
use crate::doctor::{Progress, Report, canary};
use crate::gate::ref_values::{RefValues as _, StoredRefs};
use crate::gate::shim::{is_executable, is_ours};
use crate::server::{Below, Configured, RunBy, git_version, named, resolved};
use crate::store::{GitDir, Objects, Quarantine, Refs};
use crate::system::process::server_git;
use crate::system::users::{AT_ONCE, Owner, may_write};
use crate::system::{Failure, Result, now};

/// Git has had the quarantine, which hooks rely on, since then.
const OLDEST_GIT: (u32, u32) = (2, 11);

/// Looks at all of them; those that others own, as those. `own_only`: another process looks at these, and at where they lie.
pub(super) fn examine(servers: &[PathBuf], own_only: bool, report: &mut Report) -> Result<()> {
    let mut repositories = Vec::new();
    let given: Vec<PathBuf> = servers.iter().filter_map(|server| server.canonicalize().ok()).collect();
    for server in servers {
        let found =
            if own_only { Below { repositories: vec![server.clone()], ..Below::default() } } else { named(server)? };
        if found.repositories.is_empty() {
            return Err(Failure::new(format!("{} is no repository, and none lies below it", server.display())));
        }
        repositories.extend(found.repositories);
        for (path, reason) in found.passed_over {
            let covered = path.canonicalize().is_ok_and(|path| given.iter().any(|given| path.starts_with(given)));
            if !covered || path.symlink_metadata().is_ok_and(|found| !found.is_symlink()) {
                let message = format!("{reason}: nobody looked at what lies there");
                let fix = "give it with --server as well, as a user who may look into it";
                report.error(&path.display(), "passed-over", message, fix);
            }
        }
    }
    let mut others: BTreeMap<Owner, Vec<PathBuf>> = BTreeMap::new();
    let mut own = Vec::new();
    let mut seen = BTreeSet::new();
    for repository in repositories {
        let path = resolved(&repository).unwrap_or(repository);
        let path = path.canonicalize().unwrap_or(path);
        if !seen.insert(path.clone()) {
            continue;
        }
        match Owner::of(&path) {
            Ok(owner) if own_only && !owner.is_this() => {}
            Ok(owner) if owner.is_another() => others.entry(owner).or_default().push(path),
            Ok(_) => own.push(path),
            Err(error) => report.error(&path.display(), "unreadable", error.to_string(), "see whether it is there"),
        }
    }
    if !own.is_empty() {
        examine_own(&own, report)?;
    }
    for (owner, repositories) in others {
        for some in repositories.chunks(AT_ONCE) {
            examine_as(owner, some, report)?;
        }
    }
    Ok(())
}

/// Lets this program look, run as the owner of these repositories.
fn examine_as(owner: Owner, repositories: &[PathBuf], report: &mut Report) -> Result<()> {
    let mut words: Vec<OsString> = ["doctor", "--own-only", "--format", "json", "--server"].map(OsString::from).into();
    words.extend(repositories.iter().map(|path| path.clone().into_os_string()));
    let output = owner.command(&words)?.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let parsed = output.as_ref().ok().and_then(|output| serde_json::from_slice::<Report>(&output.stdout).ok());
    let Some(other) = parsed else {
        let many = repositories.len();
        let why = output.map_or_else(|error| error.to_string(), |output| output.status.to_string());
        let failure = owner.may_not_run(&why);
        let (message, fix) = (failure.message, failure.hint.unwrap_or_default());
        report.error(&owner, "unreadable", format!("nobody looked at {many} repositories: {message}"), fix);
        return Ok(());
    };
    report.merge(other);
    Ok(())
}

fn examine_own(repositories: &[PathBuf], report: &mut Report) -> Result<()> {
    let version = git_version()?;
    if version < OLDEST_GIT {
        let message = format!("git {}.{} keeps no quarantine for what is pushed", version.0, version.1);
        report.error(&"git", "old-git", message, "update git: 2.11 or later");
    }
    let mut checkup = Checkup {
        configured: Configured::at(Path::new("/"))?,
        version,
        policies: BTreeMap::new(),
        names: BTreeMap::new(),
        told: BTreeSet::new(),
        tried: BTreeSet::new(),
        now: now()?,
        report,
    };
    let progress = Progress::new(repositories.len());
    for (number, repository) in repositories.iter().enumerate() {
        progress.at(number);
        checkup.repository(repository);
    }
    checkup.report.repositories += repositories.len();
    Ok(())
}

pub(super) struct Checkup<'a> {
    /// The hook of git's system configuration.
    pub(super) configured: Configured,
    pub(super) version: (u32, u32),
    /// What is known of policies, by what names them: `None` where one does not load.
    pub(super) policies: BTreeMap<String, Option<Policy>>,
    /// What the gate calls the repositories.
    names: BTreeMap<RepositoryName, String>,
    /// What has been told of files that many repositories share.
    pub(super) told: BTreeSet<(PathBuf, &'static str)>,
    /// Hooks that were tried, but for what is the repository's own in them.
    tried: BTreeSet<String>,
    pub(super) now: Timestamp,
    pub(super) report: &'a mut Report,
}

/// A repository that was opened.
pub(super) struct Opened {
    pub(super) dir: GitDir,
    pub(super) objects: Objects,
    pub(super) refs: Refs,
}

impl Checkup<'_> {
    fn repository(&mut self, path: &Path) {
        let seen = match Seen::look(path) {
            Ok(seen) => seen,
            Err(reason) => {
                let message = format!("git cannot use it: {reason}");
                return self.report.error(
                    &path.display(),
                    "unreadable",
                    message,
                    "git fsck, as the user that git runs as",
                );
            }
        };
        let place = seen.place.clone();
        let Some(gate) = self.gate(&seen) else { return };
        if !is_executable(&gate.program) {
            let program = gate.program.display();
            let message =
                format!("the hook calls {program}, which the user that git runs as cannot run: no push is accepted");
            let fix = format!(
                "put the program where everybody may run it, such as /usr/local/bin, and use it to {}",
                seen.install()
            );
            return self.report.error(&place, "no-program", message, fix);
        }
        self.guard(&gate.program, "open-program", "the program that decides");
        let run_by = gate.layout.run_by();
        if !matches!(run_by, RunBy::Configuration) {
            self.guard(&gate.hook, "open-hook", "the hook that decides");
        }
        if matches!(run_by, RunBy::Server) && self.told.insert((PathBuf::from("/"), "custom-hooks")) {
            let message = "git itself does not run custom_hooks, GitLab does: this cannot be seen from here";
            self.report.warn(&place, "custom-hooks", message, "push a commit that must be refused, once");
        }
        if gate.server.observes() {
            let message = "it was installed with --observe and refuses nothing";
            self.report.error(&place, "observes", message, gate.install(&seen.path));
        }
        let opened = match open(&seen) {
            Ok(opened) => opened,
            Err(failure) => return self.report.error(&place, "unreadable", failure.message, "git fsck says more"),
        };
        self.ledger(&gate, &opened, &place);
        self.baseline(&gate, &opened, &place);
        self.refs(&opened, &place);
        self.shared(&seen, &gate);
        let Some(policy) = self.policy(&gate.server, &opened, &place) else { return };
        self.name(&gate, &policy, path, &place);
        let asks = self.asks(&policy, &gate, &opened, &seen);
        if !asks || gate.server.observes() || !self.tried.insert(kind(&seen, &gate)) {
            return;
        }
        if self.root_may_run(&seen, &gate) {
            canary::run(&seen, &gate, &policy, self.report);
        }
    }

    /// Root runs nothing that others can change, and git runs what a repository's configuration names.
    fn root_may_run(&mut self, seen: &Seen, gate: &Gate) -> bool {
        let is_others = |path: &PathBuf| {
            path.metadata().is_ok_and(|found| {
                let mode = found.permissions().mode();
                found.uid() != 0 || mode & 0o002 != 0 || (mode & 0o020 != 0 && found.gid() != 0)
            })
        };
        let files = [seen.path.clone(), seen.path.join("config"), seen.hooks.clone(), gate.hook.clone()];
        let others = files.iter().find(|path| is_others(path));
        if let (true, Some(open)) = (rustix::process::geteuid().is_root(), others) {
            let message =
                format!("others can change {}, which root would run, so nobody tried the gate", open.display());
            let fix = "let the user own it that git runs as, and run doctor again";
            self.report.error(&seen.place, "canary", message, fix);
            return false;
        }
        true
    }

    fn refs(&mut self, opened: &Opened, place: &str) {
        if opened.refs.list("refs/replace/").is_ok_and(|found| !found.is_empty()) {
            let message =
                "there are refs under refs/replace/, and other programs read other commits than were decided on";
            let fix = "git replace --list names them, git replace --delete removes them";
            self.report.warn(&place, "replace-refs", message, fix);
        }
        let directories = ["objects", "refs", "refs/heads", "refs/tags"].map(|name| opened.dir.common_dir.join(name));
        for directory in directories.into_iter().filter(|directory| directory.exists()) {
            if !may_write(&directory) {
                let message =
                    format!("the user that git runs as may not write to {}: no push is accepted", directory.display());
                self.report.error(&place, "unreadable", message, "chown it to whom git runs as");
            }
        }
    }

    /// Several users who push are several whom hooks run as, and only one of them owns the ledger.
    fn shared(&mut self, seen: &Seen, gate: &Gate) {
        if !seen.config.to_ascii_lowercase().contains("sharedrepository") {
            return;
        }
        let closed = gate
            .hook
            .ancestors()
            .take(2)
            .find(|path| path.metadata().is_ok_and(|found| found.permissions().mode() & 0o011 == 0));
        if let Some(closed) = closed {
            let message = format!(
                "the group that it is shared with may not run {}: their pushes are all accepted",
                closed.display()
            );
            self.report.error(&seen.place, "not-executable", message, "chmod 755 it");
        }
        if gate.server.ledger().is_some() {
            let message = "core.sharedRepository lets several users push, and the ledger is its owner's: pushes of the others are refused";
            let fix = "let one user own the repositories and run git: see examples/servers/ssh.md";
            self.report.warn(&seen.place, "shared", message, fix);
        }
    }

    /// What it is called: as the policy says, and not as another is.
    fn name(&mut self, gate: &Gate, policy: &Policy, path: &Path, place: &str) {
        let Some(name) = gate.server.name_of(path) else { return };
        if let Some(other) = policy.repository().filter(|other| **other != name) {
            let message = format!("the hook calls it {name}, and the policy is for {other}: no push is accepted");
            self.report.error(
                &place,
                "name",
                message,
                "take `repository` out of the policy, or install with --repository NAME",
            );
        }
        let Some(other) = self.names.insert(name.clone(), place.to_owned()) else { return };
        let message = format!("it and {other} are both called {name}, so a seal for one of them counts in both");
        let fix = "install one of them with --repository NAME, or rename it; leave it so if it is a copy of the other";
        self.report.warn(&place, "same-name", message, fix);
    }

    /// Whether the policy asks anything; and whether of the branch that people push to, and can.
    fn asks(&mut self, policy: &Policy, gate: &Gate, opened: &Opened, seen: &Seen) -> bool {
        let place = &seen.place;
        let asks = |rule: &crate::core::policy::Rule| {
            rule.mode == Mode::Enforce && (rule.identity != Identity::None || rule.approvals.is_some())
        };
        let asks = policy.rules().iter().any(asks);
        if !asks {
            let message = "no enforcing rule asks who made a commit or who approved it, so any commit passes";
            let fix = "add a rule with identity = \"agents\", or take mode = \"warn\" off one";
            self.report.error(place, "asks-nothing", message, fix);
        }
        let values = StoredRefs { refs: &opened.refs, objects: &opened.objects };
        let head = values.head_branch().ok().flatten();
        let is_open = |head: &String| {
            let name = head.as_bytes();
            !policy.refuses_unmatched(name) && !policy.rules().iter().any(|rule| rule.matches_ref(name))
        };
        if let Some(head) = head.as_ref().filter(|head| hides(seen, head)) {
            let message = format!("its configuration hides {head}, its main branch: git refuses every push to it");
            self.report.error(
                place,
                "hidden",
                message,
                "git config --get-regexp '^(receive|transfer).hiderefs$' says how",
            );
        }
        let watch = gate.hook.with_file_name("reference-transaction");
        if policy.out_of_band() == OutOfBand::Refuse && matches!(gate.layout.run_by(), RunBy::Git) && !is_ours(&watch) {
            let message =
                "the policy refuses moves without a decision, and no reference-transaction hook watches for them";
            self.report.error(place, "out-of-band", message, gate.install(&opened.dir.git_dir));
        }
        if let Some(head) = head.filter(is_open) {
            let message = format!("no rule is about {head}, its main branch: every push to it is accepted");
            let fix =
                format!("add a rule with refs = [\"{head}\"], or one that says identity = \"none\" if that is meant");
            self.report.error(place, "ungoverned", message, fix);
        }
        if policy.asks_for_submitter() && !gate.server.names_submitter() {
            let message = "the policy says who may push, and nothing says who pushes: no such push is accepted";
            self.report.error(
                place,
                "submitter",
                message,
                format!("{} --submitter KIND", gate.install(&opened.dir.git_dir)),
            );
        }
        if gate.server.submitter().is_some_and(Adapter::asks_for_certificate) {
            let seed = server_git(&opened.dir.git_dir, &["config", "--get", "receive.certNonceSeed"]).succeeds();
            if !seed.unwrap_or(false) {
                let message = "who pushes is told by signed pushes, and the server asks for none: receive.certNonceSeed is not set";
                let fix = "git config --system receive.certNonceSeed SECRET: see examples/servers/signed-pushes.md";
                self.report.error(place, "submitter", message, fix);
            }
        }
        if policy.asks_for_independence() && !gate.server.names_submitter() {
            let message = "the policy asks for independent approvals, and nothing says who pushes: an approval by who pushes counts";
            self.report.warn(
                place,
                "submitter",
                message,
                format!("{} --submitter KIND", gate.install(&opened.dir.git_dir)),
            );
        }
        asks
    }
}

/// Whether git hides a ref from pushes, in the configuration of the repository.
fn hides(seen: &Seen, name: &str) -> bool {
    if !seen.config.to_ascii_lowercase().contains("hiderefs") {
        return false;
    }
    let asked = server_git(&seen.path, &["config", "--get-regexp", "^(receive|transfer)\\.hiderefs$"])
        .run()
        .unwrap_or_default();
    let patterns = String::from_utf8_lossy(&asked).into_owned();
    let hidden = patterns.lines().filter_map(|line| line.split_once(' ')).rev().find_map(|(_, pattern)| {
        let (shown, prefix) = pattern.strip_prefix('!').map_or((false, pattern), |rest| (true, rest));
        let prefix = prefix.trim_start_matches('^').trim_end_matches('/');
        let covers = name == prefix || name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/'));
        covers.then_some(!shown)
    });
    hidden.unwrap_or(false)
}

/// What makes a hook another than those that were tried.
fn kind(seen: &Seen, gate: &Gate) -> String {
    let run_by = gate.layout.run_by();
    let is_common = is_ours(&gate.hook) || matches!(run_by, RunBy::Configuration);
    let own = if is_common { "" } else { seen.place.as_str() };
    let delegate = match run_by {
        RunBy::Delegate(_) => {
            Digest::of(&std::fs::read(seen.hooks.join("pre-receive")).unwrap_or_default()).to_string()
        }
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

fn open(seen: &Seen) -> Result<Opened> {
    let dir = GitDir::at(&seen.path).map_err(Failure::new)?;
    let objects = Objects::open(&dir, &Quarantine::default(), seen.format).map_err(Failure::new)?;
    let refs = Refs::open(&dir, seen.format).map_err(Failure::new)?;
    Ok(Opened { dir, objects, refs })
}
