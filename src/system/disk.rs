//! Files and directories: what the rooms above ask of the file system, they ask here.

use std::ffi::OsStr;
use std::fs::{DirBuilder, File, Metadata, OpenOptions, Permissions, ReadDir};
use std::io::Result;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// What a path leads to.
pub(crate) struct Entry<'a>(&'a Path);

/// The way from a path, which is a name, to what the disk has there.
pub(crate) trait OnDisk {
    /// What it leads to.
    fn on_disk(&self) -> Entry<'_>;
}

impl<P: AsRef<OsStr> + ?Sized> OnDisk for P {
    fn on_disk(&self) -> Entry<'_> {
        Entry(Path::new(self))
    }
}

/// As the methods of [`Path`] of these names.
impl Entry<'_> {
    pub(crate) fn exists(&self) -> bool {
        self.0.exists()
    }

    pub(crate) fn is_file(&self) -> bool {
        self.0.is_file()
    }

    pub(crate) fn is_dir(&self) -> bool {
        self.0.is_dir()
    }

    pub(crate) fn metadata(&self) -> Result<Metadata> {
        self.0.metadata()
    }

    pub(crate) fn symlink_metadata(&self) -> Result<Metadata> {
        self.0.symlink_metadata()
    }

    pub(crate) fn canonicalize(&self) -> Result<PathBuf> {
        self.0.canonicalize()
    }
}

pub(crate) fn read(path: impl AsRef<Path>) -> Result<Vec<u8>> {
    std::fs::read(path)
}

pub(crate) fn read_to_string(path: impl AsRef<Path>) -> Result<String> {
    std::fs::read_to_string(path)
}

pub(crate) fn read_dir(path: impl AsRef<Path>) -> Result<ReadDir> {
    std::fs::read_dir(path)
}

pub(crate) fn read_link(path: impl AsRef<Path>) -> Result<PathBuf> {
    std::fs::read_link(path)
}

pub(crate) fn open(path: impl AsRef<Path>) -> Result<File> {
    File::open(path)
}

/// Opens a file that is there, to read and to write it.
pub(crate) fn open_both_ways(path: impl AsRef<Path>) -> Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

/// Opens a file to write at its end, and makes it where there is none.
pub(crate) fn open_at_end(path: impl AsRef<Path>) -> Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// Writes into a file in its place. [`super::files`] puts whole files there instead.
pub(crate) fn write(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> Result<()> {
    std::fs::write(path, bytes)
}

pub(crate) fn copy(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<u64> {
    std::fs::copy(from, to)
}

pub(crate) fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<()> {
    std::fs::rename(from, to)
}

pub(crate) fn hard_link(from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<()> {
    std::fs::hard_link(from, to)
}

pub(crate) fn set_permissions(path: impl AsRef<Path>, permissions: Permissions) -> Result<()> {
    std::fs::set_permissions(path, permissions)
}

pub(crate) fn create_dir(path: impl AsRef<Path>) -> Result<()> {
    std::fs::create_dir(path)
}

pub(crate) fn create_dir_all(path: impl AsRef<Path>) -> Result<()> {
    std::fs::create_dir_all(path)
}

/// Makes a directory, and those above it, for this user alone.
pub(crate) fn create_private_dir_all(path: impl AsRef<Path>) -> Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

pub(crate) fn remove_file(path: impl AsRef<Path>) -> Result<()> {
    std::fs::remove_file(path)
}

pub(crate) fn remove_dir(path: impl AsRef<Path>) -> Result<()> {
    std::fs::remove_dir(path)
}

pub(crate) fn remove_dir_all(path: impl AsRef<Path>) -> Result<()> {
    std::fs::remove_dir_all(path)
}
