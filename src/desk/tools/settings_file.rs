//! A file of a tool's settings, and what it was before we wrote to it.

use std::path::PathBuf;

use crate::core::digest::Digest;
use crate::desk::keys;
use crate::desk::line_diff::hunks;
use crate::desk::tools::Wanted;
use crate::system::process::git;
use crate::system::{Failure, OnDisk as _, Result, disk, env, files};

/// Whose settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    User,
    Project,
}

/// A file of settings.
pub(super) struct SettingsFile {
    pub(super) path: PathBuf,
    /// Where it is remembered what it was.
    memory: PathBuf,
}

impl SettingsFile {
    /// The file of this name, below the user's home or the top of the project.
    pub(super) fn of(wanted: &Wanted, file: &str) -> Result<Self> {
        let (root, memory) = match wanted.scope {
            Scope::User => {
                let home = env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
                let home = home.ok_or_else(|| Failure::new("there is no HOME, where the settings of a user are"))?;
                (home, keys::home().map(|agents| agents.with_file_name("desk")))
            }
            Scope::Project => {
                let top = git(&["rev-parse", "--show-toplevel"]).line()?;
                (PathBuf::from(top), wanted.common.as_ref().map(|common| common.join("countersign").join("desk")))
            }
        };
        let memory = memory.ok_or_else(|| Failure::new("there is no place to remember what was there"))?;
        let path = root.join(file);
        let name = Digest::of(path.to_string_lossy().as_bytes()).to_string();
        Ok(Self { path, memory: memory.join(name) })
    }

    /// What it holds; `None` where there is none. A link may lead to what is shared, and is not written through.
    pub(super) fn read(&self) -> Result<Option<String>> {
        let shown = self.path.display();
        match self.path.on_disk().symlink_metadata() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Failure::new(format!("cannot read {shown}: {error}"))),
            Ok(found) if found.is_symlink() => {
                return Err(Failure::new(format!("{shown} is a link, and is left as it is"))
                    .hint("write to what it leads to by hand; --dry-run with a copy in its place shows what"));
            }
            Ok(_) => {}
        }
        disk::read_to_string(&self.path)
            .map(Some)
            .map_err(|error| Failure::new(format!("cannot read {shown}: {error}")))
    }

    fn before(&self) -> PathBuf {
        self.memory.with_extension("before")
    }

    fn after(&self) -> PathBuf {
        self.memory.with_extension("after")
    }

    /// Writes what it is to hold, and remembers what it was.
    pub(super) fn write(&self, before: Option<&str>, after: &str) -> Result<()> {
        let failed = |error: std::io::Error| Failure::new(format!("cannot write {}: {error}", self.path.display()));
        // Written to a second time, it goes back to what it was before the first.
        let known = disk::read_to_string(self.after()).ok();
        if known.as_deref() != before || before.is_none() {
            match before {
                Some(before) => files::replace(&self.before(), before.as_bytes(), 0o600).map_err(failed)?,
                None => drop(disk::remove_file(self.before())),
            }
        }
        files::replace(&self.after(), after.as_bytes(), 0o600).map_err(failed)?;
        files::replace(&self.path, after.as_bytes(), self.mode()).map_err(failed)
    }

    fn mode(&self) -> u32 {
        use std::os::unix::fs::PermissionsExt as _;
        self.path.on_disk().metadata().map_or(0o644, |found| found.permissions().mode() & 0o777)
    }

    /// What it was before, where it is still as it was written: `Some(None)` where it was not there.
    pub(super) fn remembered(&self, now: &str) -> Result<Option<Option<String>>> {
        let after = disk::read_to_string(self.after()).ok();
        Ok((after.as_deref() == Some(now)).then(|| disk::read_to_string(self.before()).ok()))
    }

    /// Puts back what it was.
    pub(super) fn restore(&self, before: Option<&str>) -> Result<()> {
        let failed = |error: std::io::Error| Failure::new(format!("cannot write {}: {error}", self.path.display()));
        match before {
            Some(before) => files::replace(&self.path, before.as_bytes(), self.mode()).map_err(failed)?,
            None => {
                disk::remove_file(&self.path).map_err(failed)?;
                // The directory that was made for it alone; another's is not empty.
                if let Some(directory) = self.path.parent() {
                    let _ = disk::remove_dir(directory);
                }
            }
        }
        for memory in [self.before(), self.after()] {
            let _ = disk::remove_file(memory);
        }
        Ok(())
    }

    /// What a change would change, as diff(1) shows it.
    pub(super) fn difference(&self, before: &str, after: &str) -> Result<String> {
        let hunks = hunks(before.as_bytes(), after.as_bytes())?;
        Ok(format!("{}\n{}", self.path.display(), String::from_utf8_lossy(&hunks)))
    }
}
