//! Ref values before the push.

use std::collections::{BTreeMap, BTreeSet};

use super::environment::GitDir;
use super::files::Files;
use super::objects::Objects;
use super::reftable::Reftable;
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

/// Where a ref leads by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Id(Oid),
    /// To another ref.
    Symbolic(Vec<u8>),
}

/// What is done with each ref.
pub(super) type Each<'e, T> = &'e mut dyn FnMut(&[u8], T) -> Result<(), ReadError>;

/// A ref as it is stored.
pub(super) struct Stored {
    pub(super) target: Target,
    /// What an annotated tag leads to, where that is stored beside it.
    pub(super) peeled: Option<Oid>,
}

impl Stored {
    fn id(&self) -> Option<Oid> {
        match self.target {
            Target::Id(id) => Some(id),
            Target::Symbolic(_) => None,
        }
    }
}

/// The refs of one repository, as its files have them.
pub struct Refs(Backend);

/// How a repository keeps its refs (git-config(1), extensions.refStorage).
enum Backend {
    Files(Files),
    Reftable(Reftable),
}

impl Refs {
    /// Opens the ref store.
    ///
    /// # Errors
    /// [`ReadError::Refs`] for a repository that does not keep its refs in its own directory.
    pub fn open(dir: &GitDir, format: ObjectFormat) -> Result<Self, ReadError> {
        Ok(Self(if Reftable::is_at(dir)? {
            Backend::Reftable(Reftable::open(dir, format))
        } else {
            Backend::Files(Files::open(dir, format))
        }))
    }

    /// Whether they are kept in tables, which only git writes.
    #[must_use]
    pub fn are_tables(&self) -> bool {
        matches!(self.0, Backend::Reftable(_))
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
            match self.find(&name)? {
                None => return Ok(None),
                Some(Target::Id(id)) => return Ok(Some(id)),
                Some(Target::Symbolic(next)) => name = next,
            }
        }
        Err(too_deep(&name))
    }

    /// As [`Refs::values`] has it: none of a symbolic ref.
    ///
    /// # Errors
    /// As [`Refs::value`].
    pub fn own_value(&self, name: &[u8]) -> Result<Option<Oid>, ReadError> {
        Ok(self.find(name)?.and_then(|target| match target {
            Target::Id(id) => Some(id),
            Target::Symbolic(_) => None,
        }))
    }

    fn find(&self, name: &[u8]) -> Result<Option<Target>, ReadError> {
        match &self.0 {
            Backend::Files(files) => files.find(name),
            Backend::Reftable(tables) => tables.find(name),
        }
    }

    /// The ref that a symbolic ref names, whether or not it exists. `None` where `name` is not symbolic.
    ///
    /// # Errors
    /// [`ReadError::Refs`] if it cannot be read.
    pub fn symbolic(&self, name: &str) -> Result<Option<String>, ReadError> {
        Ok(self.find(name.as_bytes())?.and_then(|target| match target {
            Target::Symbolic(branch) => Some(String::from_utf8_lossy(&branch).into_owned()),
            Target::Id(_) => None,
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
            match self.next_symbolic(resolved.as_deref().unwrap_or(name))? {
                Some(target) => resolved = Some(target),
                None => return Ok(resolved),
            }
        }
        Err(too_deep(resolved.as_deref().unwrap_or(name)))
    }

    fn next_symbolic(&self, name: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        match &self.0 {
            Backend::Files(files) => files.symbolic(name).map_err(failed),
            Backend::Reftable(tables) => Ok(tables.find(name)?.and_then(|target| match target {
                Target::Symbolic(target) => Some(target),
                Target::Id(_) => None,
            })),
        }
    }

    /// The symbolic refs at or below these places, each with what it names in the end. A place is the full name of a ref, or the
    /// beginning of names up to a slash.
    ///
    /// # Errors
    /// [`ReadError::Refs`] if a ref cannot be read.
    pub fn symbolic_refs(&self, places: &BTreeSet<String>) -> Result<Vec<SymbolicRef>, ReadError> {
        let mut names = BTreeSet::new();
        for place in places {
            match &self.0 {
                Backend::Files(files) => files.symbolic_names(place, &mut names)?,
                Backend::Reftable(tables) => tables.symbolic_names(place, &mut names)?,
            }
        }
        let mut found = Vec::new();
        for name in names {
            if self.next_symbolic(&name)?.is_some() {
                let target = self.resolve(&name)?;
                found.push(SymbolicRef { name, target });
            }
        }
        Ok(found)
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
        self.each(&mut |name, stored| {
            stored.id().into_iter().for_each(|id| each(name, id));
            Ok(())
        })
    }

    fn each(&self, each: Each<'_, Stored>) -> Result<(), ReadError> {
        match &self.0 {
            Backend::Files(files) => files.each(each),
            Backend::Reftable(tables) => tables.each(b"refs/", each),
        }
    }

    /// The values of the refs that [`Refs::packed_stamp`] does not cover: of those that have a file of their own, and are not or not only
    /// among the packed ones; in tables, of those that the small ones name which moves have written since git last made them one.
    ///
    /// # Errors
    /// [`ReadError::Refs`] if one cannot be read.
    pub fn loose_values(&self) -> Result<BTreeMap<Vec<u8>, Oid>, ReadError> {
        match &self.0 {
            Backend::Files(files) => {
                let mut values = BTreeMap::new();
                files.each_loose(&mut |name, stored| {
                    values.extend(stored.id().map(|id| (name.to_vec(), id)));
                    Ok(())
                })?;
                Ok(values)
            }
            Backend::Reftable(tables) => Ok(tables.recent()?.1),
        }
    }

    /// Whether another process is at work on the packed refs. Git is while it deletes a ref, and not while it takes away the loose files
    /// of those that it has packed (refs/files-backend.c, `files_transaction_prepare` and `prune_refs`). Tables have nothing of the kind.
    #[must_use]
    pub fn is_packing(&self) -> bool {
        match &self.0 {
            Backend::Files(files) => files.is_packing(),
            Backend::Reftable(_) => false,
        }
    }

    /// The value of a ref among the packed ones, which is its own where it has no loose file. Of no ref in a table: what git tells a hook
    /// is a move there.
    ///
    /// # Errors
    /// [`ReadError::Refs`] if the packed refs cannot be read.
    pub fn packed_value(&self, name: &[u8]) -> Result<Option<Oid>, ReadError> {
        match &self.0 {
            Backend::Files(files) => files.packed_value(name),
            Backend::Reftable(_) => Ok(None),
        }
    }

    /// Something that differs whenever packed refs do: what stat(2) says of their file, which git replaces whenever one of them changes; of
    /// tables, the names of the large ones, which are never written twice, and which of their refs are gone since.
    ///
    /// # Errors
    /// [`ReadError::Refs`] if it is there and cannot be looked at.
    pub fn packed_stamp(&self) -> Result<String, ReadError> {
        match &self.0 {
            Backend::Files(files) => files.packed_stamp(),
            Backend::Reftable(tables) => Ok(tables.recent()?.0),
        }
    }

    /// The refs whose names begin with `prefix`, which ends in a slash, with their values as they are, in no order.
    ///
    /// # Errors
    /// [`ReadError::Refs`] if one cannot be read.
    pub fn list(&self, prefix: &str) -> Result<Vec<(Vec<u8>, Oid)>, ReadError> {
        let mut found: BTreeMap<Vec<u8>, Option<Oid>> = BTreeMap::new();
        let mut add = |name: &[u8], stored: Stored| {
            found.entry(name.to_vec()).or_insert_with(|| stored.id());
            Ok(())
        };
        match &self.0 {
            // Loose ones first: one that is packed meanwhile is found twice, and not missed.
            Backend::Files(files) => {
                files.each_loose_of(prefix, &mut add)?;
                files.each_packed(prefix, &mut add)?;
            }
            Backend::Reftable(tables) => tables.each(prefix.as_bytes(), &mut add)?,
        }
        Ok(found.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
    }

    /// Deletes refs that still have these values, all or none as far as git's own locks go. Not in tables.
    ///
    /// # Errors
    /// [`ReadError::Refs`] if one has another value, another process holds a lock, or they are in tables.
    pub fn delete<'n>(&self, refs: impl Iterator<Item = (&'n [u8], Oid)>) -> Result<(), ReadError> {
        match &self.0 {
            Backend::Files(files) => files.delete(refs),
            Backend::Reftable(_) => Err(ReadError::Refs("only git writes tables of refs".into())),
        }
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
        let mut selected = Vec::new();
        self.each(&mut |name, stored| {
            let Some(id) = stored.id().filter(|_| wanted(name)) else { return Ok(()) };
            if let Some(commit) = peel(objects, stored.peeled.unwrap_or(id))? {
                selected.push(PeeledRef { name: name.to_vec(), commit });
            }
            Ok(())
        })?;
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

fn too_deep(name: &[u8]) -> ReadError {
    ReadError::Refs(format!("{} leads through too many symbolic refs", String::from_utf8_lossy(name)))
}

fn failed(error: impl std::fmt::Display) -> ReadError {
    ReadError::Refs(error.to_string())
}
