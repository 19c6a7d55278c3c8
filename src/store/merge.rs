//! Whether a merge is nothing but a merge: what both sides did, put together without a conflict.
//!
//! The trees are compared path by path and the texts of a file that both sides changed are merged by libgit2, which has git's own
//! algorithm. Renames are not followed and conflicts not resolved: where git would need either, the merge counts as work of its own.

use std::collections::BTreeMap;

use git2::{MergeFileInput, MergeFileOptions};

use super::objects::Objects;
use crate::core::limits;
use crate::core::objects::ReadError;
use crate::core::oid::Oid;
use crate::core::tree::{Change, ChangeError, EntryMode, changes};

/// The trees of a merge of two parents.
#[derive(Clone, Copy, Debug)]
pub struct Merge {
    /// The tree of the parents' one merge base.
    pub base: Oid,
    /// The tree of one parent.
    pub ours: Oid,
    /// The tree of the other parent.
    pub theirs: Oid,
    /// The tree of the merge.
    pub tree: Oid,
}

/// Whether the merge's tree is that of merging its parents, which must be possible without a conflict.
///
/// # Errors
/// [`ChangeError`] as for [`changes`].
pub fn is_clean_merge(objects: &Objects, merge: Merge) -> Result<bool, ChangeError> {
    let Some(clean) = merged(objects, merge)? else { return Ok(false) };
    let found = changes(objects, Some(merge.base), merge.tree)?;
    Ok(found.len() == clean.len() && found.iter().all(|change| clean.get(&change.path) == Some(&change.new)))
}

type Side = Option<(EntryMode, Oid)>;

/// What the merge does to its base, by path. `None` where it is not clean.
fn merged(objects: &Objects, merge: Merge) -> Result<Option<BTreeMap<Vec<u8>, Side>>, ChangeError> {
    let by_path = |found: Vec<Change>| found.into_iter().map(|change| (change.path.clone(), change)).collect();
    let mut result: BTreeMap<Vec<u8>, Change> = by_path(changes(objects, Some(merge.base), merge.ours)?);
    for theirs in changes(objects, Some(merge.base), merge.theirs)? {
        let Some(ours) = result.get_mut(&theirs.path) else {
            result.insert(theirs.path.clone(), theirs);
            continue;
        };
        match both(objects, ours, &theirs)? {
            Some(new) => ours.new = new,
            None => return Ok(None),
        }
    }
    let changed = result.into_iter().filter(|(_, change)| change.new != change.old);
    Ok(Some(changed.map(|(path, change)| (path, change.new)).collect()))
}

/// What becomes of an entry that both sides changed.
fn both(objects: &Objects, ours: &Change, theirs: &Change) -> Result<Option<Side>, ChangeError> {
    if ours.new == theirs.new {
        return Ok(Some(ours.new));
    }
    let (Some(base), Some(ours), Some(theirs)) = (ours.old, ours.new, theirs.new) else { return Ok(None) };
    let file = |(mode, _): (EntryMode, Oid)| matches!(mode, EntryMode::Blob | EntryMode::Executable);
    if ![base, ours, theirs].into_iter().all(file) {
        return Ok(None);
    }
    let mode = three_way(base.0, ours.0, theirs.0);
    let id = if ours.1 == base.1 || theirs.1 == base.1 || ours.1 == theirs.1 {
        three_way(base.1, ours.1, theirs.1)
    } else {
        match merged_text(objects, [base.1, ours.1, theirs.1])? {
            Some(id) => id,
            None => return Ok(None),
        }
    };
    Ok(Some(Some((mode, id))))
}

/// The value that one side changed, or both to the same.
fn three_way<T: PartialEq>(base: T, ours: T, theirs: T) -> T {
    if ours == base { theirs } else { ours }
}

/// The id of the text that both sides' changes to a file make. `None` where they conflict, or the file is no text or too large.
fn merged_text(objects: &Objects, versions: [Oid; 3]) -> Result<Option<Oid>, ChangeError> {
    let mut texts = Vec::with_capacity(versions.len());
    for id in versions {
        match objects.blob(id, limits::MERGED_BYTES) {
            Ok(text) if !is_binary(&text) && objects.within_merge_budget(text.len()) => texts.push(text),
            Ok(_) | Err(ReadError::TooLarge { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
    let [base, ours, theirs] = texts.as_slice() else { return Ok(None) };
    let merged = git2::merge_file(
        MergeFileInput::new().content(base),
        MergeFileInput::new().content(ours),
        MergeFileInput::new().content(theirs),
        Some(&mut MergeFileOptions::new()),
    );
    Ok(match merged {
        Ok(merged) if merged.is_automergeable() => Some(objects.blob_id(merged.content())?),
        Ok(_) | Err(_) => None,
    })
}

/// As git tells: a NUL among the first bytes (xdiff-interface.c, `buffer_is_binary`).
fn is_binary(text: &[u8]) -> bool {
    text.iter().take(8000).any(|byte| *byte == 0)
}
