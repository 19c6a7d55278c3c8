//! Whether a lock on a file in a directory keeps others out.

use std::fs::{File, TryLockError};
use std::path::Path;

use super::error::LedgerError;

/// Refuses a directory where locks do not hold: on a file system that other machines can write, and on one that grants a lock
/// twice.
pub(super) fn check(directory: &Path) -> Result<(), LedgerError> {
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => LedgerError::Absent(directory.to_owned()),
        _ => LedgerError::Io(directory.to_owned(), error),
    };
    let stat = rustix::fs::statfs(directory).map_err(|error| failed(error.into()))?;
    if let Some(name) = shared(u64::try_from(stat.f_type).unwrap_or_default()) {
        return Err(LedgerError::Shared(name));
    }
    let open = || File::open(directory).map_err(failed);
    let (first, second) = (open()?, open()?);
    first.try_lock_shared().map_err(|error| failed(error.into()))?;
    match second.try_lock() {
        Err(TryLockError::WouldBlock) => Ok(()),
        Ok(()) => Err(LedgerError::Shared("a file system that grants one lock twice")),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// The name of a file system that other machines can write, by its number in statfs(2).
fn shared(magic: u64) -> Option<&'static str> {
    // Cluster file systems whose flock(2) holds across machines by design (GFS2, OCFS2, CephFS) are not among them.
    Some(match magic {
        0x6969 => "NFS",
        0x517b | 0xff53_4d42 | 0xfe53_4d42 => "SMB",
        0x6573_5546 => "FUSE",
        0x0102_1997 => "9p",
        0x5346_414f | 0x6b41_4653 => "AFS",
        0x7375_7245 => "Coda",
        0x0bd0_0bd0 => "Lustre",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_directory_passes_and_network_file_systems_do_not() {
        let directory = tempfile::tempdir().unwrap();
        check(directory.path()).unwrap();
        assert!(matches!(check(&directory.path().join("none")), Err(LedgerError::Absent(_))));
        for (magic, name) in [(0x6969, "NFS"), (0xff53_4d42, "SMB"), (0x6573_5546, "FUSE")] {
            assert_eq!(shared(magic), Some(name));
        }
        for local in [0xef53, 0x9123_683e, 0x5846_5342, 0x0102_1994, 0x794c_7630, 0x2fc1_2fc1] {
            assert_eq!(shared(local), None, "{local:x}");
        }
    }
}
