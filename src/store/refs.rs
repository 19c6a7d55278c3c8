//! Ref values before the push.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use gix::refs::file::Store;

use super::environment::GitDir;
use super::objects::{Objects, gix_format, own_id};
use crate::core::commit::Tag;
use crate::core::limits;
use crate::core::objects::{ObjectKind, ReadError};
use crate::core::oid::{ObjectFormat, Oid};

/// A ref and the commit it leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeeledRef {
    /// The full name.
    pub name: Vec<u8>,
    /// The commit, after following annotated tags.
    pub commit: Oid,
}

/// A ref that stands for another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SymbolicRef {
    /// Its full name.
    pub name: Vec<u8>,
    /// The full name of the ref that it leads to in the end, which need not exist.
    pub target: Vec<u8>,
}

/// The refs of one repository, as its files have them.
pub struct Refs {
    store: Store,
    /// The file of packed refs, which need not exist.
    packed: PathBuf,
    /// Where the files of loose refs are, by their names.
    loose: PathBuf,
}

impl Refs {
    /// Opens the ref store.
    ///
    /// # Errors
    /// [`ReadError::Refs`] for a repository whose refs are a reftable, which cannot be read yet.
    pub fn open(dir: &GitDir, format: ObjectFormat) -> Result<Self, ReadError> {
        if dir.common_dir.join("reftable").exists() {
            return Err(ReadError::Refs(
                "the repository stores refs in the reftable format, which is not supported".into(),
            ));
        }
        let store = if dir.git_dir == dir.common_dir {
            Store::at(dir.common_dir.clone(), gix_format(format))
        } else {
            Store::for_linked_worktree(dir.git_dir.clone(), dir.common_dir.clone(), gix_format(format))
        };
        Ok(Self { store, packed: dir.common_dir.join("packed-refs"), loose: dir.common_dir.clone() })
    }

    /// The value of one ref, by its full name, or what it or `HEAD` symbolically names. `None` if there is no such ref.
    ///
    /// # Errors
    /// [`ReadError::Refs`] if it exists and cannot be read.
    pub fn value(&self, name: &str) -> Result<Option<Oid>, ReadError> {
        self.value_of(name.as_bytes())
    }

    /// As [`Refs::value`], of a ref whose name may be no UTF-8.
    ///
    /// # Errors
    /// As [`Refs::value`].
    pub fn value_of(&self, name: &[u8]) -> Result<Option<Oid>, ReadError> {
        let mut name = name.to_owned();
        // HEAD names a branch; git itself follows at most five symbolic refs (refs.c, SYMREF_MAXDEPTH).
        for _ in 0..5 {
            let full = gix::refs::FullName::try_from(gix::bstr::BStr::new(&name)).map_err(failed)?;
            let partial: &gix::refs::PartialNameRef = full.as_ref().as_partial_name();
            let Some(found) = self.store.try_find(partial).map_err(failed)? else { return Ok(None) };
            if found.name != full {
                return Ok(None);
            }
            match found.target {
                gix::refs::Target::Object(id) => return Ok(Some(own_id(&id))),
                gix::refs::Target::Symbolic(next) => name = next.as_bstr().to_vec(),
            }
        }
        let name = String::from_utf8_lossy(&name);
        Err(ReadError::Refs(format!("{name} leads through too many symbolic refs")))
    }

    /// The ref that a symbolic ref names, whether or not it exists. `None` where `name` is not symbolic.
    ///
    /// # Errors
    /// [`ReadError::Refs`] if it cannot be read.
    pub fn symbolic(&self, name: &str) -> Result<Option<String>, ReadError> {
        let name = gix::refs::FullName::try_from(name).map_err(failed)?;
        let partial: &gix::refs::PartialNameRef = name.as_ref().as_partial_name();
        Ok(self.store.try_find(partial).map_err(failed)?.and_then(|head| match head.target {
            gix::refs::Target::Symbolic(branch) => Some(branch.as_bstr().to_string()),
            gix::refs::Target::Object(_) => None,
        }))
    }

    /// The name of the ref that moves when `name` is pushed to: itself, or what it symbolically names in the end.
    ///
    /// # Errors
    /// [`ReadError::Refs`] if it cannot be told.
    pub fn resolve(&self, name: &[u8]) -> Result<Vec<u8>, ReadError> {
        Ok(self.resolve_symbolic(name)?.unwrap_or_else(|| name.to_vec()))
    }

    /// As [`Refs::resolve`]; `None` where `name` is not symbolic.
    ///
    /// # Errors
    /// As [`Refs::resolve`].
    pub fn resolve_symbolic(&self, name: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        let mut resolved: Option<Vec<u8>> = None;
        for _ in 0..5 {
            match self.symbolic_file(resolved.as_deref().unwrap_or(name)).map_err(failed)? {
                Some(target) => resolved = Some(target),
                None => return Ok(resolved),
            }
        }
        let name = String::from_utf8_lossy(resolved.as_deref().unwrap_or(name)).into_owned();
        Err(ReadError::Refs(format!("{name} leads through too many symbolic refs")))
    }

    /// The symbolic refs at or below these places, each with what it names in the end. A place is the full name of a ref, or the
    /// beginning of names up to a slash. Git never packs symbolic refs, so only loose ones are looked at.
    ///
    /// # Errors
    /// [`ReadError::Refs`] if a ref cannot be read.
    pub fn symbolic_refs(&self, places: &BTreeSet<String>) -> Result<Vec<SymbolicRef>, ReadError> {
        let mut names = Vec::new();
        let mut pending: Vec<Vec<u8>> = places.iter().map(|place| place.as_bytes().to_vec()).collect();
        while let Some(place) = pending.pop() {
            match place.strip_suffix(b"/") {
                None => names.push(place),
                Some(directory) => self.list_files(directory, &mut pending)?,
            }
        }
        names.sort_unstable();
        names.dedup();
        let mut found = Vec::new();
        for name in names {
            if self.symbolic_file(&name).map_err(failed)?.is_some() {
                let target = self.resolve(&name)?;
                found.push(SymbolicRef { name, target });
            }
        }
        Ok(found)
    }

    /// The files of loose refs in a directory, and the directories with a slash at their end. None where there is no such directory.
    fn list_files(&self, directory: &[u8], found: &mut Vec<Vec<u8>>) -> Result<(), ReadError> {
        use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
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
    fn symbolic_file(&self, name: &[u8]) -> std::io::Result<Option<Vec<u8>>> {
        use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
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

    /// The values of all refs, not peeled. Symbolic refs have none of their own.
    ///
    /// # Errors
    /// [`ReadError::Refs`] if one cannot be read.
    pub fn values(&self) -> Result<BTreeMap<Vec<u8>, Oid>, ReadError> {
        let mut values = BTreeMap::new();
        self.each_value(&mut |name, id| values.extend([(name.to_vec(), id)]))?;
        Ok(values)
    }

    /// Hands over what [`Refs::values`] lists.
    ///
    /// # Errors
    /// As [`Refs::values`].
    pub fn each_value(&self, each: &mut dyn FnMut(&[u8], Oid)) -> Result<(), ReadError> {
        each_own_value(self.store.iter().map_err(failed)?.all().map_err(failed)?, each)
    }

    /// The values of the refs that have a file of their own, and are not or not only among the packed ones.
    ///
    /// # Errors
    /// [`ReadError::Refs`] if one cannot be read.
    pub fn loose_values(&self) -> Result<BTreeMap<Vec<u8>, Oid>, ReadError> {
        let mut values = BTreeMap::new();
        each_own_value(self.store.loose_iter().map_err(failed)?, &mut |name, id| values.extend([(name.to_vec(), id)]))?;
        Ok(values)
    }

    /// Whether another process is at work on the packed refs. Git is while it deletes a ref, and not while it takes away the loose files
    /// of those that it has packed (refs/files-backend.c, `files_transaction_prepare` and `prune_refs`).
    #[must_use]
    pub fn is_packing(&self) -> bool {
        self.packed.with_extension("lock").symlink_metadata().is_ok()
    }

    /// The value of a ref among the packed ones, which is its own where it has no loose file.
    ///
    /// # Errors
    /// [`ReadError::Refs`] if the packed refs cannot be read.
    pub fn packed_value(&self, name: &[u8]) -> Result<Option<Oid>, ReadError> {
        let full = gix::refs::FullName::try_from(gix::bstr::BStr::new(name)).map_err(failed)?;
        let Some(packed) = self.store.cached_packed_buffer().map_err(failed)? else { return Ok(None) };
        Ok(packed.try_find(full.as_ref()).map_err(failed)?.map(|found| own_id(&found.target())))
    }

    /// What stat(2) says of the file of packed refs. Git replaces that file whenever one of them changes.
    ///
    /// # Errors
    /// [`ReadError::Refs`] if it is there and cannot be looked at.
    pub fn packed_stamp(&self) -> Result<String, ReadError> {
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

    /// The refs whose names begin with `prefix`, which ends in a slash, with their values as they are, in no order.
    ///
    /// # Errors
    /// [`ReadError::Refs`] if one cannot be read.
    pub fn list(&self, prefix: &str) -> Result<Vec<(Vec<u8>, Oid)>, ReadError> {
        // Loose ones first: one that is packed meanwhile is found twice, and not missed.
        let mut loose: BTreeMap<Vec<u8>, Option<Oid>> = BTreeMap::new();
        for reference in self.store.loose_iter_prefixed(prefix.try_into().map_err(failed)?).map_err(failed)? {
            let reference = reference.map_err(failed)?;
            let value = reference.target.try_id().map(own_id);
            loose.insert(reference.name.as_bstr().to_vec(), value);
        }
        let mut found = Vec::new();
        if let Some(packed) = self.store.cached_packed_buffer().map_err(failed)? {
            for reference in packed.iter_prefixed(prefix.into()).map_err(failed)? {
                let reference = reference.map_err(failed)?;
                let name = reference.name.as_bstr();
                if !loose.contains_key::<[u8]>(name.as_ref()) {
                    found.push((name.to_vec(), own_id(&reference.target())));
                }
            }
        }
        found.extend(loose.into_iter().filter_map(|(name, value)| Some((name, value?))));
        Ok(found)
    }

    /// Deletes refs that still have these values, all or none as far as git's own locks go.
    ///
    /// # Errors
    /// [`ReadError::Refs`] if one has another value, or another process holds a lock.
    pub fn delete<'n>(&self, refs: impl Iterator<Item = (&'n [u8], Oid)>) -> Result<(), ReadError> {
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

    /// All refs that `wanted` selects, peeled to commits; those that lead to none are left out.
    ///
    /// # Errors
    /// [`ReadError`] if a ref or a tag on the way cannot be read.
    pub fn select(
        &self,
        objects: &Objects,
        mut wanted: impl FnMut(&[u8]) -> bool,
    ) -> Result<Vec<PeeledRef>, ReadError> {
        let platform = self.store.iter().map_err(failed)?;
        let mut selected = Vec::new();
        for reference in platform.all().map_err(failed)? {
            let reference = reference.map_err(failed)?;
            let name = reference.name.as_bstr().to_vec();
            let gix::refs::Target::Object(target) = &reference.target else { continue };
            if !wanted(&name) {
                continue;
            }
            let value = reference.peeled.as_ref().unwrap_or(target);
            if let Some(commit) = peel(objects, own_id(value))? {
                selected.push(PeeledRef { name, commit });
            }
        }
        Ok(selected)
    }
}

/// Follows annotated tags to a commit; `None` where they lead to something else.
///
/// # Errors
/// [`ReadError`] if an object on the way cannot be read.
pub fn peel(objects: &Objects, id: Oid) -> Result<Option<Oid>, ReadError> {
    let mut id = id;
    for _ in 0..=limits::TAG_DEPTH {
        match objects.kind(id)? {
            ObjectKind::Commit => return Ok(Some(id)),
            ObjectKind::Tag => {
                let raw = objects.tag(id)?;
                let Ok(tag) = Tag::parse(&raw, objects.format()) else { return Ok(None) };
                id = tag.object;
            }
            ObjectKind::Tree | ObjectKind::Blob => return Ok(None),
        }
    }
    Ok(None)
}

fn each_own_value<E: std::fmt::Display>(
    refs: impl Iterator<Item = Result<gix::refs::Reference, E>>,
    each: &mut dyn FnMut(&[u8], Oid),
) -> Result<(), ReadError> {
    for reference in refs {
        let reference = reference.map_err(failed)?;
        if let gix::refs::Target::Object(id) = &reference.target {
            each(reference.name.as_bstr(), own_id(id));
        }
    }
    Ok(())
}

fn failed(error: impl std::fmt::Display) -> ReadError {
    ReadError::Refs(error.to_string())
}
