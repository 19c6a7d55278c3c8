//! Whom a server's git, and so its hooks, run as: the user that owns the repository. What root can read and run, that user may not,
//! and git passes over a hook that it may not run.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::StatVfsMountFlags;

/// The user that owns a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Runner {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// What somebody may do with a file (inode(7), the permission bits).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
    /// Run a program, or pass through a directory.
    Execute,
}

impl Access {
    const fn bit(self) -> u32 {
        match self {
            Self::Read => 4,
            Self::Write => 2,
            Self::Execute => 1,
        }
    }
}

impl Runner {
    /// The owner of a repository.
    pub(super) fn of(repository: &Path) -> std::io::Result<Self> {
        let found = repository.metadata()?;
        Ok(Self { uid: found.uid(), gid: found.gid() })
    }

    /// Whether this process runs as somebody else, and could run as the owner.
    pub(super) fn is_to_become(self) -> bool {
        self.uid != 0 && rustix::process::geteuid().is_root()
    }

    /// Whether the permission bits of a file and of the directories above it leave this to the user. Whether the user is in a
    /// further group is not looked up, so what any group may do passes.
    pub(super) fn may(self, access: Access, path: &Path) -> bool {
        let Ok(path) = path.canonicalize() else { return false };
        let passes = path.ancestors().skip(1).all(|directory| self.allowed(Access::Execute, directory));
        passes && self.allowed(access, &path)
    }

    fn allowed(self, access: Access, path: &Path) -> bool {
        let Ok(found) = path.metadata() else { return false };
        let mode = found.mode();
        let bits = match () {
            () if self.uid == 0 && access == Access::Execute && found.is_file() => mode >> 6 | mode >> 3 | mode,
            () if self.uid == 0 => access.bit(),
            () if found.uid() == self.uid => mode >> 6,
            () if found.gid() == self.gid => mode >> 3,
            () => mode >> 3 | mode,
        };
        bits & access.bit() != 0 && !(access == Access::Execute && found.is_file() && is_mounted_noexec(path))
    }

    /// The user's home, which their configuration of git lies in (passwd(5)).
    pub(super) fn home(self) -> Option<PathBuf> {
        let users = std::fs::read_to_string("/etc/passwd").ok()?;
        let mut fields = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
        let own = fields.find(|fields| fields.get(2).and_then(|uid| uid.parse().ok()) == Some(self.uid))?;
        own.get(5).map(PathBuf::from)
    }
}

/// Whether nothing on its file system can be run (mount(8), `noexec`).
fn is_mounted_noexec(path: &Path) -> bool {
    rustix::fs::statvfs(path).is_ok_and(|found| found.f_flag.contains(StatVfsMountFlags::NOEXEC))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn permission_bits_say_who_may() {
        let directory = tempfile::tempdir().unwrap();
        let inner = directory.path().join("inner");
        let file = inner.join("hook");
        std::fs::create_dir(&inner).unwrap();
        std::fs::write(&file, "").unwrap();
        let own = Runner::of(&file).unwrap();
        let same_group = Runner { uid: own.uid + 1, ..own };
        let other = Runner { uid: own.uid + 1, gid: own.gid + 1 };
        let set = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        // The directory that tempfile makes is its maker's alone.
        set(directory.path(), 0o711);
        for (parent, mode, access, owner, group, others) in [
            (0o711, 0o644, Access::Read, true, true, true),
            (0o711, 0o644, Access::Write, true, false, false),
            (0o711, 0o755, Access::Execute, true, true, true),
            (0o711, 0o700, Access::Execute, true, false, false),
            (0o711, 0o710, Access::Execute, true, true, true),
            (0o711, 0o701, Access::Execute, true, false, true),
            (0o711, 0o644, Access::Execute, false, false, false),
            (0o700, 0o755, Access::Execute, true, false, false),
        ] {
            set(&inner, parent);
            set(&file, mode);
            let found = [own, same_group, other].map(|runner| runner.may(access, &file));
            assert_eq!(found, [owner, group, others], "{parent:o} {mode:o} {access:?}");
        }
        assert!(!own.may(Access::Read, &inner.join("absent")));
    }
}
