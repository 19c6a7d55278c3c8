//! git's own configuration: `[hook "NAME"]` with `event` and `command` (git-hook(1), git 2.54 and later). Older versions of git
//! read such a section and run nothing, in silence.

use crate::cli::local::git;
use crate::cli::{Failure, Result, print};

/// The first version that runs them.
const SINCE: (u32, u32) = (2, 54);

/// The section of a hook.
fn section(hook: &str) -> String {
    if hook == "pre-receive" { "hook.countersign".to_owned() } else { format!("hook.countersign-{hook}") }
}

/// Makes sure that git runs what the configuration names.
pub(super) fn check() -> Result<()> {
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
pub(in crate::cli) fn version() -> Result<(u32, u32)> {
    let said = git(&["version"]).line()?;
    let numbers = said.strip_prefix("git version ").unwrap_or_default();
    let mut numbers = numbers.split('.').map(|number| number.parse().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), Some(minor)) => Ok((major, minor)),
        _ => Err(Failure::new(format!("git says its version is {said:?}"))),
    }
}

/// The command of the hook that decides, where the configuration of the system or the user names it.
pub(in crate::cli) fn system_hook() -> Result<Option<String>> {
    let asked = git(&["config", "--get", &format!("{}.command", section("pre-receive"))]);
    let output = asked.in_repository(std::path::Path::new("/")).output()?;
    let command = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Ok((output.status.success() && !command.is_empty()).then_some(command))
}

/// Writes the hooks into the system configuration.
pub(super) fn write(commands: &[(&'static str, String)]) -> Result<()> {
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
pub(super) fn remove() -> Result<()> {
    for hook in super::server::HOOKS {
        let section = section(hook);
        if git(&["config", "--system", "--get", &format!("{section}.command")]).output()?.status.success() {
            git(&["config", "--system", "--remove-section", &section]).run()?;
            print(&format!("git's system configuration: removed {section}\n"))?;
        }
    }
    Ok(())
}
