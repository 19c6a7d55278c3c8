//! The hook of a repository that decides, and each way in which git would not run it.

use std::path::{Path, PathBuf};

use crate::core::oid::ObjectFormat;
use crate::doctor::server::Checkup;
use crate::gate::command::{HookCommand, PreReceive, Watch};
use crate::gate::shim::{is_executable, is_ours, quoted};
use crate::server::{CONFIGURED_GIT, Configured, Layout, RunBy};
use crate::system::process::server_git;

/// The hook of a repository that decides.
pub(super) struct Gate {
    pub(super) layout: Layout,
    pub(super) hook: PathBuf,
    pub(super) server: PreReceive,
    pub(super) program: PathBuf,
}

impl Gate {
    /// The command that installs it again as it is, to which more words can be added.
    pub(super) fn install(&self, repository: &Path) -> String {
        let (place, layout) = match (self.server.root(), self.layout) {
            (Some(root), own) => (root, Some(own).filter(|own| own.is_shared())),
            (None, own) => (repository, Some(own).filter(|own| *own != Layout::of(self.server.submitter()))),
        };
        let mut words = format!("countersign install --server {}", quoted(place));
        for policy in self.server.policies() {
            words.push_str(&format!(" --policy {}", quoted(Path::new(&policy.to_string()))));
        }
        if let Some(adapter) = self.server.submitter() {
            words.push_str(&format!(" --submitter {adapter}"));
        }
        if let Some(layout) = layout {
            words.push_str(&format!(" --layout {layout}"));
        }
        words
    }
}

/// A repository as git sees it.
pub(super) struct Seen {
    pub(super) path: PathBuf,
    pub(super) place: String,
    /// Where git looks for hooks.
    pub(super) hooks: PathBuf,
    pub(super) format: ObjectFormat,
    /// The text of its own configuration, as far as it is one.
    pub(super) config: String,
}

impl Seen {
    /// Asks git, so that all of its configuration counts, wherever it stands.
    pub(super) fn look(path: &Path) -> Result<Self, String> {
        let words = ["rev-parse", "--show-object-format", "--git-path", "hooks"];
        let said = server_git(path, &words).run().map_err(|failure| failure.message)?;
        let said = String::from_utf8_lossy(&said).into_owned();
        let (format, hooks) =
            said.trim_end_matches('\n').split_once('\n').ok_or("git does not say where its hooks are")?;
        let format = match format {
            "sha1" => ObjectFormat::Sha1,
            "sha256" => ObjectFormat::Sha256,
            other => return Err(format!("the object format {other} is unknown")),
        };
        let config = std::fs::read(path.join("config")).unwrap_or_default();
        let config = String::from_utf8_lossy(&config).into_owned();
        Ok(Self { path: path.to_owned(), place: path.display().to_string(), hooks: path.join(hooks), format, config })
    }

    /// The command that protects it.
    pub(super) fn install(&self) -> String {
        format!("countersign install --server {} --policy FILE", quoted(&self.path))
    }

    /// Whether git looks for hooks in the repository itself.
    pub(super) fn looks_at_home(&self) -> bool {
        let own = self.path.join("hooks");
        self.hooks == own
            || self.hooks.canonicalize().is_ok_and(|hooks| own.canonicalize().is_ok_and(|own| own == hooks))
    }
}

impl Checkup<'_> {
    /// The hook that decides, if there is one that git runs.
    pub(super) fn gate(&mut self, seen: &Seen) -> Option<Gate> {
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
                "hooks-path",
                message,
                "git config --show-origin core.hooksPath says where it is set",
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
            let fix = format!("chmod 755 {}, and see findmnt -T for noexec", quoted(&hook));
            self.report.error(&shown, "not-executable", "git does not run it: every push is accepted", fix);
            return None;
        }
        if let RunBy::Delegate(delegates) = layout.run_by() {
            let delegate = seen.hooks.join("pre-receive");
            if !delegates(&delegate) {
                let message = "it does not run what lies in pre-receive.d: every push is accepted";
                let fix = "gitea admin regenerate hooks, or forgejo admin regenerate hooks";
                self.report.error(&delegate.display(), "not-run", message, fix);
                return None;
            }
        }
        let text = std::fs::read_to_string(&hook).unwrap_or_default();
        let ours = is_ours(&hook);
        let Some((program, server)) = PreReceive::read(&text).filter(|_| !ours || is_whole(&text)) else {
            let message = "it is another hook than the one that install writes, and nobody can tell what it decides";
            self.report.error(&shown, "replaced", message, seen.install());
            return None;
        };
        if !ours && let Some(line) = text.lines().find(|line| !is_plain(line)) {
            let message = format!("it does more than call the gate, so nobody can tell when it does: {line}");
            let fix = "let it hold nothing but the exec line, as in hooks/pre-receive of countersign's sources";
            self.report.error(&shown, "unclear", message, fix);
        }
        self.other_hooks(seen, layout, &server);
        Some(Gate { layout, hook, server, program: found_program(program) })
    }

    /// The hooks beside the one that decides, and the one that ran before ours.
    fn other_hooks(&mut self, seen: &Seen, layout: Layout, server: &PreReceive) {
        let at = |name| match layout.run_by() {
            RunBy::Git => seen.hooks.join(name),
            RunBy::Delegate(_) | RunBy::Server | RunBy::Configuration => layout.path(&seen.path, name),
        };
        if !is_executable(&at("post-receive")) {
            let message =
                "the post-receive hook is not there, so what became of a decision is known at the next push only";
            self.report.warn(&seen.place, "no-post-receive", message, seen.install());
        }
        if let Some(chained) = server.chained().filter(|chained| !is_executable(chained)) {
            let message =
                format!("the hook that ran before ours, {}, does not run: no push is accepted", chained.display());
            self.report.error(&seen.place, "chain", message, format!("chmod +x {}", quoted(chained)));
        }
        let watch = at("reference-transaction");
        if is_ours(&watch) {
            let text = std::fs::read_to_string(&watch).ok().filter(|text| is_whole(text));
            let fits = match text.and_then(|text| HookCommand::read(&text)) {
                Some((program, HookCommand::ReferenceTransaction(Watch { policies, ledger, chain, .. }))) => {
                    let same = policies == server.policies() && Some(ledger.as_path()) == server.ledger();
                    let chains = chain.is_none_or(|chained| is_executable(&chained));
                    same && is_executable(&found_program(program)) && chains
                }
                _ => false,
            };
            if !fits || !is_executable(&watch) {
                let message = format!(
                    "{} does not run, or not as pre-receive does: a push may be refused by it",
                    watch.display()
                );
                self.report.error(&seen.place, "replaced", message, seen.install());
            }
        }
    }

    /// A hook of git's system configuration, unless this repository changes it.
    fn configured_gate(&mut self, seen: &Seen) -> Option<Gate> {
        let command = self.configured.command()?.to_owned();
        if self.version < CONFIGURED_GIT {
            let message = format!(
                "git {}.{} does not run the hook of git's configuration: every push is accepted",
                self.version.0, self.version.1
            );
            self.report.error(&seen.place, "old-git", message, "update git: 2.54 or later");
            return None;
        }
        if Configured::at(&seen.path).ok().as_ref() != Some(&self.configured) {
            let message = "its own configuration changes hook.countersign or switches it off: any push may be accepted";
            let fix = "git config --remove-section hook.countersign, in that repository";
            self.report.error(&seen.place, "disabled", message, fix);
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
        match (hook.symlink_metadata(), hook.metadata()) {
            (Err(_), _) => {
                let message = "there is no pre-receive hook of ours: every push is accepted";
                self.report.error(&seen.place, "missing", message, seen.install());
            }
            (Ok(_), Err(_)) => {
                self.report.error(&shown, "dangling", "the link leads nowhere: every push is accepted", seen.install());
            }
            (Ok(_), Ok(_)) if std::fs::read(hook).is_err() => {
                let message = "the user that git runs as may not read it: no push is accepted, or every one";
                self.report.error(&shown, "replaced", message, format!("chmod 755 {}", quoted(hook)));
            }
            (Ok(_), Ok(_)) => {
                let message = "another hook stands in the place of ours, and decides nothing of what the policy asks";
                self.report.error(
                    &shown,
                    "replaced",
                    message,
                    format!("{}, which keeps it and runs it afterwards", seen.install()),
                );
            }
        }
    }
}

/// The program that a hook names, which a shell would look for on its path.
fn found_program(program: PathBuf) -> PathBuf {
    if program.components().count() > 1 {
        return program;
    }
    crate::system::users::on_path(&program).unwrap_or(program)
}

/// Whether a hook of ours has the lines that install writes, to the byte, and no others.
fn is_whole(text: &str) -> bool {
    let lines: Vec<&str> = text.split('\n').collect();
    let [shell, _, exec, ""] = lines.as_slice() else { return false };
    *shell == "#!/bin/sh" && exec.starts_with("exec ") && exec.ends_with("\"$@\"") && !text.contains('\r')
}

/// Whether a hook that somebody wrote by hand runs this program in the end, as the README shows.
fn calls_us(hook: &Path) -> bool {
    std::fs::read_to_string(hook).is_ok_and(|text| PreReceive::read(&text).is_some())
}

/// Whether a line of a hook that somebody wrote by hand cannot keep it from calling us.
fn is_plain(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#') || line.starts_with("exec ") || line == "set -e" || line == "set -eu"
}
