//! The hook of a repository that decides, and each way in which git would not run it.

use std::path::{Path, PathBuf};

use super::server::{Checkup, INSTALL};
use crate::cli::hook::{self, Server};
use crate::cli::install::{Configured, Layout, is_executable, is_ours};
use crate::cli::local::git;
use crate::cli::runner::{Access, Runner};

/// Git runs hooks of its configuration since then.
const CONFIGURED_GIT: (u32, u32) = (2, 54);

/// The hook of a repository that decides.
pub(super) struct Gate {
    pub(super) layout: Layout,
    pub(super) server: Server,
    pub(super) program: PathBuf,
}

impl Checkup<'_> {
    /// The hook that decides, if there is one that git runs.
    pub(super) fn gate(&mut self, path: &Path, runner: Runner, place: &str) -> Option<Gate> {
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
        if !runner.may(Access::Execute, &hook) {
            let (message, fix) = if is_executable(&hook) {
                let message = "the user that git runs as may not run it, so git passes over it: every push is accepted";
                let fix = format!(
                    "chmod 755 {shown}, and let that user pass through the directories above it (ls -ld, findmnt -T {shown})"
                );
                (message, fix)
            } else {
                ("git does not run it: every push is accepted", format!("chmod +x {shown}"))
            };
            self.report.error(&shown, "not-executable", message, fix);
            return None;
        }
        if layout == Layout::Gitea {
            let delegate = path.join("hooks/pre-receive");
            let runs = std::fs::read_to_string(&delegate).is_ok_and(|text| text.contains("pre-receive.d"));
            if !runs || !runner.may(Access::Execute, &delegate) {
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
        let asks = self.hooks_path.is_some() || may_hold(path, "hookspath");
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

    /// A hook of git's system configuration, unless this repository changes it.
    fn configured_gate(&mut self, path: &Path, place: &str) -> Option<Gate> {
        let command = self.configured.command()?.to_owned();
        if self.version < CONFIGURED_GIT {
            let message = format!(
                "git {}.{} does not run the hook of git's configuration: every push is accepted",
                self.version.0, self.version.1
            );
            self.report.error(&place, "old-git", message, "update git: 2.54 or later");
            return None;
        }
        if may_hold(path, "[hook") && Configured::at(path).ok().as_ref() != Some(&self.configured) {
            let message = "its own configuration changes hook.countersign or switches it off: any push may be accepted";
            let fix = "git config --remove-section hook.countersign, in that repository";
            self.report.error(&place, "disabled", message, fix);
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

/// Whether a repository's own configuration may hold a word, in its file or in one that it leads to.
fn may_hold(path: &Path, word: &str) -> bool {
    let config = std::fs::read_to_string(path.join("config")).unwrap_or_default().to_ascii_lowercase();
    [word, "[include", "worktreeconfig"].iter().any(|word| config.contains(word))
}
