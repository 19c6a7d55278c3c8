//! Files that are written whole: complete when they appear, and on the disk before they do.
//!
//! What another program gave to be changed, such as git's file for a message, is written in its place, and so is what a person names
//! for output, which may be a pipe. The ledger, which grows, and its state have a way of their own.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{Result, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// What the name of a file begins with that is not yet in its place.
const UNFINISHED: &str = ".countersign-unfinished-";

/// Whether a file is one that a process left that was killed before it put it in its place.
pub(crate) fn is_unfinished(name: &std::ffi::OsStr) -> bool {
    name.to_string_lossy().starts_with(UNFINISHED)
}

/// A file that is written, and not yet in its place. Dropped, it is gone.
pub(crate) struct Unfinished {
    file: NamedTempFile,
    place: PathBuf,
}

impl Unfinished {
    /// Writes a file beside its place, whose directory is there, with this mode whatever mask this process has.
    ///
    /// # Errors
    /// Those of the file system.
    pub(crate) fn beside(place: &Path, bytes: &[u8], mode: u32) -> Result<Self> {
        let directory = directory_of(place);
        let mut file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(directory)?;
        file.write_all(bytes)?;
        file.as_file().set_permissions(Permissions::from_mode(mode))?;
        file.as_file().sync_all()?;
        Ok(Self { file, place: place.to_owned() })
    }

    /// Puts it in its place. A link that stands there is replaced, not followed.
    ///
    /// # Errors
    /// Those of the file system; then what was there still is.
    pub(crate) fn put(self) -> Result<()> {
        self.file.persist(&self.place).map(drop).map_err(|error| error.error)
    }
}

/// Writes a file in the place of what may be there, and makes its directory.
///
/// # Errors
/// Those of the file system; then what was there still is.
pub(crate) fn replace(place: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    std::fs::create_dir_all(directory_of(place))?;
    Unfinished::beside(place, bytes, mode)?.put()
}

/// Removes a file.
///
/// # Errors
/// Which file it is, and those of the file system.
pub(crate) fn remove(place: &Path) -> super::Result<()> {
    let failed = |error| super::Failure::new(format!("cannot remove {}: {error}", place.display()));
    std::fs::remove_file(place).map_err(failed)
}

/// Writes a file where nothing stands, not even a link, with this mode less the mask of this process. Its directory is there.
///
/// # Errors
/// Those of the file system; then there is no such file, unless it was there before.
pub(crate) fn create(place: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(place)?;
    let write = |file: &mut File| file.write_all(bytes).and_then(|()| file.sync_all());
    write(&mut file).inspect_err(|_| {
        // The error that is told is the first.
        let _ = std::fs::remove_file(place);
    })
}

fn directory_of(place: &Path) -> &Path {
    place.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_link_is_replaced_and_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let (place, other) = (directory.path().join("made/place"), directory.path().join("other"));
        std::fs::write(&other, "another's").unwrap();
        std::fs::create_dir(directory.path().join("made")).unwrap();
        symlink(&other, &place).unwrap();
        assert_eq!(create(&place, b"ours", 0o600).unwrap_err().kind(), std::io::ErrorKind::AlreadyExists);
        replace(&place, b"ours", 0o640).unwrap();
        assert_eq!(std::fs::read(&other).unwrap(), b"another's");
        assert_eq!(std::fs::read(&place).unwrap(), b"ours");
        let found = place.symlink_metadata().unwrap();
        assert!(found.is_file() && found.permissions().mode() & 0o777 == 0o640);
        // A link to nothing is something that stands there too.
        symlink("/nowhere/at-all", directory.path().join("dangling")).unwrap();
        assert!(create(&directory.path().join("dangling"), b"ours", 0o600).is_err());
    }

    #[test]
    fn what_is_not_put_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("place");
        replace(&place, b"before", 0o600).unwrap();
        let unfinished = Unfinished::beside(&place, b"after", 0o600).unwrap();
        let names = || std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name());
        assert_eq!(names().filter(|name| is_unfinished(name)).count(), 1);
        drop(unfinished);
        assert_eq!(names().count(), 1);
        assert_eq!(std::fs::read(&place).unwrap(), b"before");
        let taken = directory.path().join("taken");
        std::fs::create_dir(&taken).unwrap();
        assert!(replace(&taken, b"", 0o600).is_err(), "no file takes the place of a directory");
        assert_eq!(names().filter(|name| is_unfinished(name)).count(), 0);
    }
}
