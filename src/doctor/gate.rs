//! A repository as git sees it, and the hook of it that decides.

use std::path::{Path, PathBuf};

use crate::core::oid::ObjectFormat;
use crate::gate::command::PreReceive;
use crate::gate::shim::quoted;
use crate::server::Layout;
use crate::store::{GitDir, Objects, Quarantine, Refs};
use crate::system::process::server_git;
use crate::system::users::Owner;
use crate::system::{Failure, OnDisk as _, Result, disk};

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
        let submitter = self.server.submitter.map(|adapter| format!(" --submitter {adapter}")).unwrap_or_default();
        self.install_without_submitter(repository) + &submitter
    }

    /// The same, to which is to be added who says who pushes.
    pub(super) fn install_without_submitter(&self, repository: &Path) -> String {
        let (place, layout) = match (self.server.below.as_deref(), self.layout) {
            (Some(root), own) => (root, Some(own).filter(|own| own.is_shared())),
            (None, own) => (repository, Some(own).filter(|own| *own != Layout::of(self.server.submitter))),
        };
        let mut words = format!("countersign install --server {}", quoted(place));
        for policy in &self.server.policies {
            words.push_str(&format!(" --policy {}", quoted(Path::new(&policy.to_string()))));
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
    pub(super) fn look(path: &Path) -> std::result::Result<Self, String> {
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
        let config = disk::read(path.join("config")).unwrap_or_default();
        let config = String::from_utf8_lossy(&config).into_owned();
        Ok(Self { path: path.to_owned(), place: path.display().to_string(), hooks: path.join(hooks), format, config })
    }

    /// How it is protected, where no hook says by which policy.
    pub(super) fn install(&self) -> String {
        format!(
            "protect it, with the policy's file for FILE:\ncountersign install --server {} --policy FILE",
            quoted(&self.path)
        )
    }

    /// A command of git's in it, whoever owns it.
    pub(super) fn git(&self, words: &str) -> String {
        format!("git --git-dir={} {words}", quoted(&self.path))
    }

    /// Whom git runs as.
    pub(super) fn owner(&self) -> String {
        Owner::of(&self.path).map_or_else(|_| "USER".to_owned(), |owner| owner.to_string())
    }

    /// Whether git looks for hooks in the repository itself.
    pub(super) fn looks_at_home(&self) -> bool {
        let own = self.path.join("hooks");
        self.hooks == own
            || self
                .hooks
                .on_disk()
                .canonicalize()
                .is_ok_and(|hooks| own.on_disk().canonicalize().is_ok_and(|own| own == hooks))
    }
}

/// The program that a hook names, which a shell would look for on its path.
pub(super) fn found_program(program: PathBuf) -> PathBuf {
    if program.components().count() > 1 {
        return program;
    }
    crate::system::users::on_path(&program).unwrap_or(program)
}

/// Whether a hook of ours has the lines that install writes, to the byte, and no others.
pub(super) fn is_whole(text: &str) -> bool {
    let lines: Vec<&str> = text.split('\n').collect();
    let [shell, _, exec, ""] = lines.as_slice() else { return false };
    *shell == "#!/bin/sh" && exec.starts_with("exec ") && exec.ends_with("\"$@\"") && !text.contains('\r')
}

/// Whether a hook that somebody wrote by hand runs this program in the end, as the README shows.
pub(super) fn calls_us(hook: &Path) -> bool {
    disk::read_to_string(hook).is_ok_and(|text| PreReceive::read(&text).is_some())
}

/// Whether a line of a hook that somebody wrote by hand cannot keep it from calling us.
pub(super) fn is_plain(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#') || line.starts_with("exec ") || line == "set -e" || line == "set -eu"
}

/// A repository that was opened, with the hook of it that decides.
pub(super) struct Examined<'a> {
    pub(super) seen: &'a Seen,
    pub(super) gate: &'a Gate,
    pub(super) opened: &'a Opened,
}

/// What git keeps in a repository.
pub(super) struct Opened {
    pub(super) dir: GitDir,
    pub(super) objects: Objects,
    pub(super) refs: Refs,
}

impl Opened {
    pub(super) fn open(seen: &Seen) -> Result<Self> {
        let dir = GitDir::at(&seen.path).map_err(Failure::new)?;
        let objects = Objects::open(&dir, &Quarantine::default(), seen.format).map_err(Failure::new)?;
        let refs = Refs::open(&dir, seen.format).map_err(Failure::new)?;
        Ok(Self { dir, objects, refs })
    }
}

impl Examined<'_> {
    /// The command that installs its hook again as it is.
    pub(super) fn install(&self) -> String {
        self.gate.install(&self.opened.dir.git_dir)
    }
}
