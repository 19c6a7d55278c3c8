//! A clone: its hooks, the policy that it knows, its agents' keys.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::core::id::Id;
use crate::desk::at_work::at_work;
use crate::desk::clone::settings;
use crate::desk::install::{HOOKS as CLIENT_HOOKS, is_servers};
use crate::desk::keys::found;
use crate::doctor::checks::Check;
use crate::doctor::report::Report;
use crate::gate::engine::Settings;
use crate::gate::policy_source::PolicyReader;
use crate::gate::shim::{is_executable, is_ours, quoted};
use crate::system::process::{config, git};
use crate::system::{Failure, OnDisk as _, Result};

const INSTALL: &str = "countersign install";

/// Hooks that earlier versions did not install, with what is missing without each.
const LATER: [(&str, &str); 3] = [
    ("post-applypatch", "the hook is not there, so not every patch of an agent is sealed"),
    ("post-merge", "the hook is not there, so not every merge of an agent is sealed"),
    (
        "prepare-commit-msg",
        "the hook is not there, so of several who commit here at once one may seal another's commit",
    ),
];

pub(super) fn examine(report: &mut Report) -> Result<()> {
    let server = "countersign doctor --server ROOT";
    let nowhere = |failure: Failure| {
        failure.hint(format!("go into a clone; or look at the repositories of a server, below ROOT:\n{server}"))
    };
    if is_servers().map_err(nowhere)? {
        let failure = Failure::new("this is a server's repository, and no clone");
        return Err(failure.hint("countersign doctor --server ."));
    }
    let path = config("core.hooksPath")?;
    if path.as_deref().is_some_and(|path| path.is_empty() || path == "/dev/null") {
        // Git itself cannot say where the hooks are where the setting is empty.
        let fix = "look where it is set, and unset it there or in the environment:\ngit config --show-origin core.hooksPath\nor name the commits, each for ID:\ncountersign sign ID";
        report.error(&"this clone", Check::HooksPath, "core.hooksPath switches all hooks off", fix);
    } else {
        let hooks = PathBuf::from(git(&["rev-parse", "--path-format=absolute", "--git-path", "hooks"]).line()?);
        for name in CLIENT_HOOKS {
            hook(&hooks.join(name), report);
        }
    }
    let here = "this clone";
    let mut known = None;
    let settings = settings(&[], None).unwrap_or_else(|failure| {
        report.error(&here, Check::NoName, failure.message, "git config countersign.repository NAME");
        Settings { policies: Vec::new(), repository: None, baseline: None }
    });
    if settings.policies.is_empty() {
        let fix = "commit .countersign/policy.toml, or name a file for FILE:\ngit config countersign.policy FILE";
        report.warn(&here, Check::NoPolicy, "it knows no policy, so nothing is checked before a push", fix);
    } else {
        let local = crate::desk::clone::Local::open()?;
        let refs = crate::gate::ref_values::StoredRefs { refs: &local.refs, objects: &local.objects };
        match (PolicyReader { repository: Some((&local.objects, &refs)) }).load(&settings.policies) {
            Ok(loaded) => {
                let names: Vec<String> = settings.policies.iter().map(ToString::to_string).collect();
                report.policies.insert(names.join(" "), loaded.policy.digest().to_string());
                report.tolerated(&loaded.policy);
                if settings.repository.is_none() && loaded.policy.repository().is_none() {
                    let message = "nothing says what the repository is called, so nothing can be sealed";
                    report.error(&here, Check::NoName, message, "git config countersign.repository NAME");
                }
                known = Some(loaded.policy);
            }
            Err(error) => {
                let names = settings.policies.iter().map(|policy| crate::core::report::word(&policy.to_string()));
                let names = names.collect::<Vec<_>>().join(" ");
                let fix = format!("see what is wrong:\ncountersign policy check {names}");
                report.error(&here, Check::Policy, error.to_string(), fix);
            }
        }
    }
    let keys = git(&["config", "--type=path", "--get-regexp", r"^countersign\..*\.key$"]).output()?;
    for line in String::from_utf8_lossy(&keys.stdout).lines() {
        if let Some((name, path)) = line.split_once(' ') {
            key(name, Path::new(path), report);
        }
    }
    let (desk, obstacles) = at_work(known.as_ref())?;
    for obstacle in obstacles {
        report.error(&desk.agent.as_deref().unwrap_or(here), Check::NotSealing, obstacle.message, obstacle.fix);
    }
    report.desk = Some(desk);
    Ok(())
}

fn hook(path: &Path, report: &mut Report) {
    let shown = path.display();
    let later = LATER.iter().find(|(name, _)| path.ends_with(name)).map(|(_, without)| *without);
    match (path.on_disk().symlink_metadata(), path.on_disk().metadata()) {
        (Err(_), _) => match later {
            Some(without) => report.warn(&shown, Check::Missing, without, INSTALL),
            None => report.error(&shown, Check::Missing, "the hook is not there", INSTALL),
        },
        (Ok(_), Err(_)) => report.error(&shown, Check::Dangling, "the link leads nowhere", INSTALL),
        (Ok(_), Ok(_)) if !is_ours(path) => report.error(&shown, Check::Replaced, "another hook stands there", INSTALL),
        (Ok(_), Ok(_)) if !is_executable(path) => {
            report.error(&shown, Check::NotExecutable, "git does not run it", format!("chmod +x {}", quoted(path)));
        }
        (Ok(_), Ok(_)) => {}
    }
}

fn key(name: &str, path: &Path, report: &mut Report) {
    let id = name.strip_prefix("countersign.").and_then(|name| name.strip_suffix(".key")).unwrap_or_default();
    let found = Id::parse(id.as_bytes()).map_or_else(|| path.to_owned(), |id| found(&id, path));
    let path = found.as_path();
    let shown = path.display();
    match path.on_disk().metadata() {
        Err(error) => {
            let fix = format!("make a new one:\ncountersign agent add {id}");
            report.error(&name, Check::Key, format!("the key {shown} cannot be read: {error}"), fix);
        }
        Ok(found) if found.permissions().mode() & 0o077 != 0 => {
            let message = format!("others on this machine can read the key {shown}");
            report.error(&name, Check::OpenKey, message, format!("chmod 600 {}", quoted(path)));
        }
        Ok(_) => {}
    }
}
