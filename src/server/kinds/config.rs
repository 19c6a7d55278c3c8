//! git's own configuration: `[hook "NAME"]` with `event` and `command` (git-hook(1), git 2.54 and later). Older versions of git
//! read such a section and run nothing, in silence.

use std::path::Path;

use super::{Kind, RunBy, Serves, Shared, Stands, in_hooks};
use crate::gate::command::PreReceive;
use crate::server::commands::HOOKS;
use crate::server::repository::Repository;
use crate::system::process::{git, server_git};
use crate::system::{Failure, Result, print};

pub(super) static KIND: Kind = Kind {
    serves: Serves::All(Shared {
        stands: Stands::Configured,
        serve_others: || Ok(()),
        finish: write,
        remove: |_| remove(),
    }),
    path: in_hooks,
    check: Repository::check_hooks_path,
    run_by: RunBy::Configuration,
};

/// The first version of git that runs them.
pub(crate) const SINCE: (u32, u32) = (2, 54);

/// The section of a hook.
fn section(hook: &str) -> String {
    if hook == "pre-receive" { "hook.countersign".to_owned() } else { format!("hook.countersign-{hook}") }
}

/// Makes sure that git runs what the configuration names.
pub(in crate::server) fn check() -> Result<()> {
    let version = version()?;
    if version < SINCE {
        return Err(Failure::new(format!(
            "this git is {}.{}, and runs hooks from its configuration since {}.{} only",
            version.0, version.1, SINCE.0, SINCE.1
        ))
        .hint("update git, or install with --layout hooks"));
    }
    Ok(())
}

/// The version of the git on PATH.
pub(crate) fn version() -> Result<(u32, u32)> {
    let said = git(&["version"]).line()?;
    let numbers = said.strip_prefix("git version ").unwrap_or_default();
    let mut numbers = numbers.split('.').map(|number| number.parse().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), Some(minor)) => Ok((major, minor)),
        _ => Err(Failure::new(format!("git says its version is {said:?}"))),
    }
}

/// The hook of ours that decides, as git's configuration has it.
#[derive(PartialEq, Eq)]
pub(crate) struct Configured {
    /// Its keys in the order of the configuration, each with its value.
    entries: Vec<(String, String)>,
}

impl Configured {
    /// As git has it in a directory: in `/` what the configuration of the system and the user says, in a repository also its own.
    pub(crate) fn at(directory: &Path) -> Result<Self> {
        let key = format!(r"^{}\.", section("pre-receive").replace('.', r"\."));
        let words = ["config", "--null", "--get-regexp", &key];
        let asked = if directory == Path::new("/") {
            git(&words).in_repository(directory)
        } else {
            server_git(directory, &words)
        };
        let said = asked.output()?.stdout;
        let said = String::from_utf8_lossy(&said);
        let entry = |entry: &str| entry.split_once('\n').map(|(key, value)| (key.to_owned(), value.to_owned()));
        Ok(Self { entries: said.split('\0').filter_map(entry).collect() })
    }

    /// The command that git runs before refs move; `None` where it runs none of ours.
    pub(crate) fn command(&self) -> Option<&str> {
        let values = |name: &'static str| {
            let of_name = move |(key, _): &&(String, String)| key.rsplit('.').next() == Some(name);
            self.entries.iter().filter(of_name).map(|(_, value)| value.as_str())
        };
        let enabled = !values("enabled").any(|value| ["false", "no", "off", "0"].contains(&value));
        let happens =
            values("event").any(|event| event == "pre-receive") && values("event").all(|event| !event.is_empty());
        values("command").next_back().filter(|command| enabled && happens && !command.is_empty())
    }
}

/// What the hook that decides was told, where the system's configuration has one of ours.
pub(in crate::server) fn installed() -> Result<Option<PreReceive>> {
    let configured = Configured::at(Path::new("/"))?;
    Ok(configured
        .command()
        .and_then(|command| PreReceive::read(&format!("exec {command}\n")))
        .map(|(_, before)| before))
}

/// Writes the hooks into the system configuration.
fn write(commands: &[(&'static str, String)]) -> Result<()> {
    for (hook, command) in commands {
        let section = section(hook);
        for (key, value) in [("command", command.as_str()), ("event", hook)] {
            git(&["config", "--system", "--replace-all", &format!("{section}.{key}"), value])
                .run()
                .map_err(|failure| failure.hint("run this as root: it writes git's system configuration"))?;
        }
        print(&format!("git's system configuration: installed {section}\n"))?;
    }
    Ok(())
}

/// Removes them.
fn remove() -> Result<()> {
    for hook in HOOKS {
        let section = section(hook);
        if git(&["config", "--system", "--get", &format!("{section}.command")]).output()?.status.success() {
            git(&["config", "--system", "--remove-section", &section]).run()?;
            print(&format!("git's system configuration: removed {section}\n"))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_runs_what_is_configured_and_enabled() {
        let command = ("command", "/usr/bin/countersign hook");
        let rows: &[(&[(&str, &str)], bool)] = &[
            (&[command, ("event", "pre-receive")], true),
            (&[command, ("event", "pre-receive"), ("enabled", "true")], true),
            (&[command, ("event", "pre-receive"), ("enabled", "off")], false),
            (&[command, ("event", "post-receive")], false),
            (&[command, ("event", "pre-receive"), ("event", "")], false),
            (&[command, ("command", ""), ("event", "pre-receive")], false),
            (&[("event", "pre-receive")], false),
            (&[], false),
        ];
        for (entries, expected) in rows {
            let entry = |(key, value): &(&str, &str)| (format!("hook.countersign.{key}"), (*value).to_owned());
            let configured = Configured { entries: entries.iter().map(entry).collect() };
            assert_eq!(configured.command(), expected.then_some(command.1), "{entries:?}");
        }
    }
}
