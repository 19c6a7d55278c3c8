//! Changes as plain values, ours and libgit2's.

use countersign::core::oid::Oid;
use countersign::core::tree::{Change, EntryMode};

/// Path, modes and ids.
pub type Row = (Vec<u8>, [String; 4]);

pub fn row(change: &Change) -> Row {
    let side = |side: Option<(EntryMode, Oid)>| {
        side.map_or(("000000".into(), "0".repeat(40)), |(mode, id)| (mode.octal().to_owned(), id.to_string()))
    };
    let ((old_mode, old), (new_mode, new)) = (side(change.old), side(change.new));
    (change.path.clone(), [old_mode, new_mode, old, new])
}

/// What libgit2 finds between two trees of a SHA-1 repository, by path.
pub fn by_libgit2(repository: &git2::Repository, old: Option<Oid>, new: Oid) -> Result<Vec<Row>, git2::Error> {
    let tree = |id: Oid| repository.find_tree(git2::Oid::from_bytes(id.as_bytes())?);
    let (old, new) = (old.map(tree).transpose()?, tree(new)?);
    let mut options = git2::DiffOptions::new();
    options.include_typechange(true).ignore_submodules(false);
    let diff = repository.diff_tree_to_tree(old.as_ref(), Some(&new), Some(&mut options))?;
    let mode = |file: &git2::DiffFile<'_>| format!("{:06o}", u32::from(file.mode()));
    let row = |delta: git2::DiffDelta<'_>| {
        let (old, new) = (delta.old_file(), delta.new_file());
        let path = new.path_bytes().or(old.path_bytes()).unwrap_or_default().to_vec();
        (path, [mode(&old), mode(&new), old.id().to_string(), new.id().to_string()])
    };
    let mut rows: Vec<Row> = diff.deltas().map(row).collect();
    rows.sort();
    Ok(rows)
}
