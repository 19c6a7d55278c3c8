//! Ref values before the push.

use gix::refs::file::Store;

use super::environment::GitDir;
use super::objects::{Kind, Objects, ReadError, gix_format, own_id};
use crate::commit::Tag;
use crate::limits;
use crate::oid::{ObjectFormat, Oid};

/// A ref and the commit it leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeeledRef {
    /// The full name.
    pub name: Vec<u8>,
    /// The commit, after following annotated tags.
    pub commit: Oid,
}

/// The refs of one repository, as its files have them.
pub struct Refs {
    store: Store,
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
        Ok(Self { store })
    }

    /// The value of one ref, by its full name, or what it or `HEAD` symbolically names. `None` if there is no such ref.
    ///
    /// # Errors
    /// [`ReadError::Refs`] if it exists and cannot be read.
    pub fn value(&self, name: &str) -> Result<Option<Oid>, ReadError> {
        let mut name = name.to_owned();
        // HEAD names a branch; git itself follows at most five symbolic refs (refs.c, SYMREF_MAXDEPTH).
        for _ in 0..5 {
            let full = gix::refs::FullName::try_from(name.as_str()).map_err(failed)?;
            let partial: &gix::refs::PartialNameRef = full.as_ref().as_partial_name();
            let Some(found) = self.store.try_find(partial).map_err(failed)? else { return Ok(None) };
            if found.name != full {
                return Ok(None);
            }
            match found.target {
                gix::refs::Target::Object(id) => return Ok(Some(own_id(&id))),
                gix::refs::Target::Symbolic(next) => name = next.as_bstr().to_string(),
            }
        }
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
            Kind::Commit => return Ok(Some(id)),
            Kind::Tag => {
                let raw = objects.tag(id)?;
                let Ok(tag) = Tag::parse(&raw, objects.format()) else { return Ok(None) };
                id = tag.object;
            }
            Kind::Tree | Kind::Blob => return Ok(None),
        }
    }
    Ok(None)
}

fn failed(error: impl std::fmt::Display) -> ReadError {
    ReadError::Refs(error.to_string())
}
