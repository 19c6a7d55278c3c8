//! The hook that decides, and each way in which git would not run it.

use std::path::{Path, PathBuf};

use super::{Check, beside};
use crate::doctor::gate::{Gate, Seen, calls_us, found_program, is_plain, is_whole};
use crate::doctor::server::Checkup;
use crate::gate::command::PreReceive;
use crate::gate::shim::{is_executable, is_ours, quoted};
use crate::server::{CONFIGURED_GIT, Configured, Layout, RunBy};
use crate::system::{OnDisk as _, disk};

impl Checkup<'_> {
    /// The hook that decides, if there is one that git runs.
    pub(in crate::doctor) fn gate(&mut self, seen: &Seen) -> Option<Gate> {
        let place = &seen.place;
        let effective = seen.hooks.join("pre-receive");
        let installed = Layout::in_repository().map(|layout| (layout, layout.path(&seen.path, "pre-receive")));
        let (by_server, by_git): (Vec<_>, Vec<_>) = installed
            .filter(|(_, hook)| is_ours(hook))
            .partition(|(layout, _)| matches!(layout.run_by(), RunBy::Server));
        let (layout, hook) = if is_ours(&effective) || calls_us(&effective) {
            (Layout::Hooks, effective)
        } else if !by_git.is_empty() && !seen.looks_at_home() {
            let message = format!("core.hooksPath sends git to {} for hooks: ours does not run", seen.hooks.display());
            self.report.error(
                place,
                Check::HooksPath,
                message,
                format!("look where it is set:\n{}", seen.git("config --show-origin core.hooksPath")),
            );
            return None;
        } else if let Some(found) = by_git.into_iter().chain(by_server).next() {
            found
        } else {
            let gate = self.configured_gate(seen);
            if gate.is_none() {
                self.no_gate(seen, &effective);
            }
            return gate;
        };
        let shown = hook.display().to_string();
        if !is_executable(&hook) {
            let fix = format!(
                "let everybody run it:\nchmod 755 {}\nor see whether it lies where nothing is run, mounted noexec:\nfindmnt -T {}",
                quoted(&hook),
                quoted(&hook)
            );
            self.report.error(&shown, Check::NotExecutable, "git does not run it: every push is accepted", fix);
            return None;
        }
        if let RunBy::Delegate(delegates) = layout.run_by() {
            let delegate = seen.hooks.join("pre-receive");
            if !delegates(&delegate) {
                let message = "it does not run what lies in pre-receive.d: every push is accepted";
                let fix =
                    "let it write its hooks anew:\ngitea admin regenerate hooks\nor:\nforgejo admin regenerate hooks";
                self.report.error(&delegate.display(), Check::NotRun, message, fix);
                return None;
            }
        }
        let text = disk::read_to_string(&hook).unwrap_or_default();
        let ours = is_ours(&hook);
        let Some((program, server)) = PreReceive::read(&text).filter(|_| !ours || is_whole(&text)) else {
            let message = "it is another hook than the one that install writes, and nobody can tell what it decides";
            self.report.error(&shown, Check::Replaced, message, seen.install());
            return None;
        };
        if !ours && let Some(line) = text.lines().find(|line| !is_plain(line)) {
            let message = format!("it does more than call the gate, so nobody can tell when it does: {line}");
            let fix = "let it hold nothing but the exec line, as in hooks/pre-receive of countersign's sources";
            self.report.error(&shown, Check::Unclear, message, fix);
        }
        let gate = Gate { layout, hook, server, program: found_program(program) };
        beside::examine(seen, &gate, self.report);
        Some(gate)
    }

    /// A hook of git's system configuration, unless this repository changes it.
    fn configured_gate(&mut self, seen: &Seen) -> Option<Gate> {
        let command = self.configured.command()?.to_owned();
        if self.version < CONFIGURED_GIT {
            let message = format!(
                "git {}.{} does not run the hook of git's configuration: every push is accepted",
                self.version.0, self.version.1
            );
            self.report.error(&seen.place, Check::OldGit, message, "update git: 2.54 or later");
            return None;
        }
        if Configured::at(&seen.path).ok().as_ref() != Some(&self.configured) {
            let message = "its own configuration changes hook.countersign or switches it off: any push may be accepted";
            let look = seen.git("config --show-origin --get-regexp '^hook[.]countersign'");
            let fix = format!("look where, and take it out:\n{look}");
            self.report.error(&seen.place, Check::Disabled, message, fix);
            return None;
        }
        let (program, server) = PreReceive::read(&format!("exec {command}\n"))?;
        Some(Gate { layout: Layout::Config, hook: PathBuf::from("/"), server, program: found_program(program) })
    }

    /// Why nothing decides.
    fn no_gate(&mut self, seen: &Seen, hook: &Path) {
        if self.report.findings.iter().any(|told| told.place == seen.place) {
            return;
        }
        let shown = hook.display();
        match (hook.on_disk().symlink_metadata(), hook.on_disk().metadata()) {
            (Err(_), _) => {
                let message = "there is no pre-receive hook of ours: every push is accepted";
                let mut fix = seen.install();
                if seen.path.ends_with(".git") {
                    fix.push_str("\nif it is a clone that somebody works in, go into it:\ncountersign doctor");
                }
                self.report.error(&seen.place, Check::Missing, message, fix);
            }
            (Ok(_), Err(_)) => {
                self.report.error(
                    &shown,
                    Check::Dangling,
                    "the link leads nowhere: every push is accepted",
                    seen.install(),
                );
            }
            (Ok(_), Ok(_)) if disk::read(hook).is_err() => {
                let message = "the user that git runs as may not read it: no push is accepted, or every one";
                self.report.error(&shown, Check::Replaced, message, format!("chmod 755 {}", quoted(hook)));
            }
            (Ok(_), Ok(_)) => {
                let message = "another hook stands in the place of ours, and decides nothing of what the policy asks";
                self.report.error(
                    &shown,
                    Check::Replaced,
                    message,
                    format!("install keeps it, and runs it afterwards\n{}", seen.install()),
                );
            }
        }
    }
}
