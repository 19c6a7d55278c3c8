//! Refs in files of their own and in the file of packed ones.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use gix::refs::file::Store;

use super::environment::GitDir;
use super::objects::{gix_format, own_id};
use super::refs::{Each, Stored, Target};
use crate::core::objects::ReadError;
use crate::core::oid::{ObjectFormat, Oid};

/// The refs of one repository, as its files have them.
pub(super) struct Files {
    store: Store,
    /// The file of packed refs, which need not exist.
    packed: PathBuf,
    /// Where the files of loose refs are, by their names.
    loose: PathBuf,
}

impl Files {
    pub(super) fn open(dir: &GitDir, format: ObjectFormat) -> Self {
        let store = if dir.git_dir == dir.common_dir {
            Store::at(dir.common_dir.clone(), gix_format(format))
        } else {
            Store::for_linked_worktree(dir.git_dir.clone(), dir.common_dir.clone(), gix_format(format))
        };
        Self { store, packed: dir.common_dir.join("packed-refs"), loose: dir.common_dir.clone() }
    }

    /// What is stored for one ref.
    pub(super) fn find(&self, name: &[u8]) -> Result<Option<Target>, ReadError> {
        let full = gix::refs::FullName::try_from(gix::bstr::BStr::new(name)).map_err(failed)?;
        let partial: &gix::refs::PartialNameRef = full.as_ref().as_partial_name();
        let found = self.store.try_find(partial).map_err(failed)?.filter(|found| found.name == full);
        Ok(found.map(|found| target(&found.target)))
    }

    /// Hands over all refs.
    pub(super) fn each(&self, each: Each<'_, Stored>) -> Result<(), ReadError> {
        each_of(self.store.iter().map_err(failed)?.all().map_err(failed)?, each)
    }

    /// Hands over the refs that have a file of their own.
    pub(super) fn each_loose(&self, each: Each<'_, Stored>) -> Result<(), ReadError> {
        each_of(self.store.loose_iter().map_err(failed)?, each)
    }

    /// Hands over the refs of these that are packed.
    pub(super) fn each_packed(&self, prefix: &str, each: Each<'_, Stored>) -> Result<(), ReadError> {
        let Some(packed) = self.store.cached_packed_buffer().map_err(failed)? else { return Ok(()) };
        for reference in packed.iter_prefixed(prefix.into()).map_err(failed)? {
            let reference = reference.map_err(failed)?;
            let stored = Stored { target: Target::Id(own_id(&reference.target())), peeled: None };
            each(reference.name.as_bstr(), stored)?;
        }
        Ok(())
    }

    /// Hands over the refs of these that have a file of their own.
    pub(super) fn each_loose_of(&self, prefix: &str, each: Each<'_, Stored>) -> Result<(), ReadError> {
        each_of(self.store.loose_iter_prefixed(prefix.try_into().map_err(failed)?).map_err(failed)?, each)
    }

    /// The names at or below a place that may be those of symbolic refs. Git never packs those.
    pub(super) fn symbolic_names(&self, place: &str, found: &mut BTreeSet<Vec<u8>>) -> Result<(), ReadError> {
        let mut pending = vec![place.as_bytes().to_vec()];
        while let Some(place) = pending.pop() {
            match place.strip_suffix(b"/") {
                None => drop(found.insert(place)),
                Some(directory) => self.list_files(directory, &mut pending)?,
            }
        }
        Ok(())
    }

    /// The files of loose refs in a directory, and the directories with a slash at their end. None where there is no such directory.
    fn list_files(&self, directory: &[u8], found: &mut Vec<Vec<u8>>) -> Result<(), ReadError> {
        if directory.split(|byte| *byte == b'/').any(|part| part == b"..") {
            return Ok(());
        }
        let entries = match std::fs::read_dir(self.loose.join(std::ffi::OsStr::from_bytes(directory))) {
            Ok(entries) => entries,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(()),
            Err(error) => return Err(failed(error)),
        };
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let mut name = [directory, b"/", &entry.file_name().into_vec()].concat();
            if entry.file_type().map_err(failed)?.is_dir() {
                name.push(b'/');
            }
            found.push(name);
        }
        Ok(())
    }

    /// What the file of a loose ref names, if it is symbolic: git never packs those. A link in the file system is one too
    /// (refs/files-backend.c).
    pub(super) fn symbolic(&self, name: &[u8]) -> std::io::Result<Option<Vec<u8>>> {
        if name.split(|byte| *byte == b'/').any(|part| part == b"..") {
            return Ok(None);
        }
        let path = self.loose.join(std::ffi::OsStr::from_bytes(name));
        let kind = match std::fs::symlink_metadata(&path) {
            Ok(metadata) => metadata.file_type(),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
            Err(error) => return Err(error),
        };
        if kind.is_symlink() {
            let target = std::fs::read_link(&path)?.into_os_string().into_vec();
            return Ok(target.starts_with(b"refs/").then_some(target));
        }
        if !kind.is_file() {
            return Ok(None);
        }
        let mut content = Vec::new();
        std::fs::File::open(&path)?.take(8192).read_to_end(&mut content)?;
        Ok(content.strip_prefix(b"ref:").map(|target| target.trim_ascii().to_vec()))
    }

    /// Whether there is a lock of the file of packed refs.
    pub(super) fn is_packing(&self) -> bool {
        self.packed.with_extension("lock").symlink_metadata().is_ok()
    }

    /// The value of a ref among the packed ones.
    pub(super) fn packed_value(&self, name: &[u8]) -> Result<Option<Oid>, ReadError> {
        let full = gix::refs::FullName::try_from(gix::bstr::BStr::new(name)).map_err(failed)?;
        let Some(packed) = self.store.cached_packed_buffer().map_err(failed)? else { return Ok(None) };
        Ok(packed.try_find(full.as_ref()).map_err(failed)?.map(|found| own_id(&found.target())))
    }

    /// What stat(2) says of the file of packed refs.
    pub(super) fn packed_stamp(&self) -> Result<String, ReadError> {
        match std::fs::metadata(&self.packed) {
            Ok(file) => Ok(format!(
                "{}:{} {} {}.{:09} {}.{:09}",
                file.dev(),
                file.ino(),
                file.size(),
                file.mtime(),
                file.mtime_nsec(),
                file.ctime(),
                file.ctime_nsec()
            )),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok("none".to_owned()),
            Err(error) => Err(failed(error)),
        }
    }

    /// Deletes refs that still have these values.
    pub(super) fn delete<'n>(&self, refs: impl Iterator<Item = (&'n [u8], Oid)>) -> Result<(), ReadError> {
        use gix::refs::transaction::{Change, PreviousValue, RefEdit, RefLog};
        let edit = |(name, value): (&[u8], Oid)| {
            let id = gix::ObjectId::try_from(value.as_bytes()).map_err(failed)?;
            let expected = PreviousValue::MustExistAndMatch(gix::refs::Target::Object(id));
            let name = gix::refs::FullName::try_from(gix::bstr::BStr::new(name)).map_err(failed)?;
            Ok(RefEdit { change: Change::Delete { expected, log: RefLog::AndReference }, name, deref: false })
        };
        let edits = refs.map(edit).collect::<Result<Vec<_>, ReadError>>()?;
        let fail = gix::lock::acquire::Fail::Immediately;
        let prepared = self.store.transaction().prepare(edits, fail, fail).map_err(failed)?;
        prepared.commit(None).map(drop).map_err(failed)
    }
}

fn each_of<E: std::fmt::Display>(
    refs: impl Iterator<Item = Result<gix::refs::Reference, E>>,
    each: Each<'_, Stored>,
) -> Result<(), ReadError> {
    for reference in refs {
        let reference = reference.map_err(failed)?;
        let stored =
            Stored { target: target(&reference.target), peeled: reference.peeled.as_ref().map(|id| own_id(id)) };
        each(reference.name.as_bstr(), stored)?;
    }
    Ok(())
}

fn target(target: &gix::refs::Target) -> Target {
    match target {
        gix::refs::Target::Object(id) => Target::Id(own_id(id)),
        gix::refs::Target::Symbolic(name) => Target::Symbolic(name.as_bstr().to_vec()),
    }
}

fn failed(error: impl std::fmt::Display) -> ReadError {
    ReadError::Refs(error.to_string())
}
