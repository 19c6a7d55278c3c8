//! Strict reading of tree objects (design.md 4.2).

use std::cmp::Ordering;

use thiserror::Error;

use super::objects::empty_tree;
use crate::core::oid::{ObjectFormat, Oid};
use crate::core::text::names::{Named, is_harmless};

/// The mode of an entry, in the only spelling that git writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryMode {
    /// `100644`
    Blob,
    /// `100755`
    Executable,
    /// `120000`
    Symlink,
    /// `160000`, a commit of another repository.
    Submodule,
    /// `40000`
    Directory,
}

impl EntryMode {
    fn parse(octal: &[u8]) -> Option<Self> {
        Some(match octal {
            b"100644" => Self::Blob,
            b"100755" => Self::Executable,
            b"120000" => Self::Symlink,
            b"160000" => Self::Submodule,
            b"40000" => Self::Directory,
            _ => return None,
        })
    }

    /// Six octal digits, as in git's raw diff format.
    pub const fn octal(self) -> &'static str {
        match self {
            Self::Blob => "100644",
            Self::Executable => "100755",
            Self::Symlink => "120000",
            Self::Submodule => "160000",
            Self::Directory => "040000",
        }
    }

    /// Whether git calls a change between the two a change of type (`T`) and not of content or permissions (`M`).
    pub(super) fn differs_in_type(self, other: Self) -> bool {
        let family = |mode| if mode == Self::Executable { Self::Blob } else { mode };
        family(self) != family(other)
    }
}

/// One entry of a tree.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Its mode.
    pub mode: EntryMode,
    /// Its name: one path component.
    pub name: &'a [u8],
    /// What it names.
    pub id: Oid,
}

impl Entry<'_> {
    /// Git orders entries as if the name of a directory ended in a slash.
    pub(super) fn order(&self, other: &Entry<'_>) -> Ordering {
        let common = self.name.len().min(other.name.len());
        let tail = |entry: &Self| {
            entry.name.get(common).copied().or((entry.mode == EntryMode::Directory).then_some(b'/')).unwrap_or(0)
        };
        let other_tail =
            other.name.get(common).copied().or((other.mode == EntryMode::Directory).then_some(b'/')).unwrap_or(0);
        self.name.get(..common).cmp(&other.name.get(..common)).then(tail(self).cmp(&other_tail))
    }
}

/// A tree that git itself would not have written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MalformedTree {
    /// The bytes end inside an entry, or an entry has no mode, name or id.
    #[error("it ends inside an entry")]
    Truncated,
    /// A mode in another spelling, or none that git uses.
    #[error("an entry has a mode that git does not write")]
    Mode,
    /// A name that is empty, `.`, `..`, or that some file system takes for `.git`, or that holds a slash.
    #[error("an entry has the name {0:?}")]
    Name(String),
    /// The same name twice, or names out of order.
    #[error("the entry {0:?} is repeated or out of order")]
    Order(String),
    /// A directory without entries, which git does not store and `git diff-tree` does not show.
    #[error("the directory {0:?} is empty")]
    EmptyDirectory(String),
    /// Deeper than [`crate::core::limits::TREE_DEPTH`].
    #[error("it is more than {} directories deep", crate::core::limits::TREE_DEPTH)]
    TooDeep,
}

/// Parses a whole tree.
///
/// # Errors
/// [`MalformedTree`] for anything but canonical modes, valid unique names and git's order.
pub(super) fn parse_tree(raw: &[u8], format: ObjectFormat) -> Result<Vec<Entry<'_>>, MalformedTree> {
    let empty = empty_tree(format);
    let mut entries: Vec<Entry<'_>> = Vec::with_capacity(raw.len() / 32);
    // File names that a later directory may repeat: each is a prefix of the entry read last.
    let mut open_files: Vec<&[u8]> = Vec::new();
    let mut rest = raw;
    while !rest.is_empty() {
        let entry = parse_entry(&mut rest, format)?;
        let name = || String::from_utf8_lossy(entry.name).into_owned();
        let named = if entry.mode == EntryMode::Symlink { Named::Link } else { Named::Other };
        if !is_harmless(entry.name, named) {
            return Err(MalformedTree::Name(name()));
        }
        if entries.last().is_some_and(|last| last.order(&entry) != Ordering::Less) {
            return Err(MalformedTree::Order(name()));
        }
        while open_files.last().is_some_and(|file| !entry.name.starts_with(file)) {
            open_files.pop();
        }
        if entry.mode != EntryMode::Directory {
            open_files.push(entry.name);
        } else if open_files.contains(&entry.name) {
            return Err(MalformedTree::Order(name()));
        } else if entry.id == empty {
            return Err(MalformedTree::EmptyDirectory(name()));
        }
        entries.push(entry);
    }
    Ok(entries)
}

fn parse_entry<'a>(rest: &mut &'a [u8], format: ObjectFormat) -> Result<Entry<'a>, MalformedTree> {
    let space = rest.iter().take(8).position(|byte| *byte == b' ').ok_or(MalformedTree::Mode)?;
    let (mode, tail) = rest.split_at(space);
    let mode = EntryMode::parse(mode).ok_or(MalformedTree::Mode)?;
    let tail = tail.strip_prefix(b" ").ok_or(MalformedTree::Truncated)?;
    let nul = tail.iter().position(|byte| *byte == 0).ok_or(MalformedTree::Truncated)?;
    let (name, tail) = tail.split_at(nul);
    let tail = tail.strip_prefix(b"\0").ok_or(MalformedTree::Truncated)?;
    let (id, tail) = tail.split_at_checked(format.id_len()).ok_or(MalformedTree::Truncated)?;
    *rest = tail;
    Ok(Entry { mode, name, id: Oid::from_bytes(id).ok_or(MalformedTree::Truncated)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(mode: &str, name: &str) -> Vec<u8> {
        [mode.as_bytes(), b" ", name.as_bytes(), b"\0", &[7; 20]].concat()
    }

    fn parse(entries: &[(&str, &str)]) -> Result<usize, MalformedTree> {
        let raw: Vec<u8> = entries.iter().flat_map(|(mode, name)| entry(mode, name)).collect();
        parse_tree(&raw, ObjectFormat::Sha1).map(|entries| entries.len())
    }

    #[test]
    fn reads_what_git_writes() {
        assert_eq!(parse(&[]), Ok(0));
        assert_eq!(
            parse(&[("100644", "a"), ("100755", "a.b"), ("40000", "a0"), ("120000", "b"), ("160000", "c")]),
            Ok(5)
        );
        assert_eq!(parse(&[("100644", "a.b"), ("40000", "a"), ("100644", "a0")]), Ok(3));
        assert_eq!(parse(&[("40000", ".github"), ("100644", ".gitignore"), ("100644", "git~2")]), Ok(3));
    }

    #[test]
    fn refuses_what_git_would_not_have_written() {
        let name = |text: &str| Err(MalformedTree::Name(text.into()));
        let order = |text: &str| Err(MalformedTree::Order(text.into()));
        assert_eq!(parse(&[("100664", "a")]), Err(MalformedTree::Mode));
        assert_eq!(parse(&[("040000", "a")]), Err(MalformedTree::Mode));
        assert_eq!(parse(&[("100644", "")]), name(""));
        for bad in [
            ".",
            "..",
            ".git",
            ".GIT",
            ".Git",
            "git~1",
            ".git ",
            ".git.",
            ".git::$INDEX_ALLOCATION",
            ".g\u{200c}it",
            "a/b",
        ] {
            assert_eq!(parse(&[("40000", bad)]), name(bad));
        }
        assert_eq!(parse(&[("100644", "x\\.git")]), name("x\\.git"));
        assert_eq!(parse(&[("120000", ".gitmodules")]), name(".gitmodules"));
        assert_eq!(parse(&[("100644", "b"), ("100644", "a")]), order("a"));
        assert_eq!(parse(&[("100644", "a"), ("100644", "a")]), order("a"));
        assert_eq!(parse(&[("100644", "a"), ("40000", "a")]), order("a"));
        assert_eq!(parse(&[("100644", "a"), ("100644", "a.b"), ("40000", "a")]), order("a"));
        assert_eq!(parse(&[("40000", "a"), ("100644", "a.b")]), order("a.b"));
        let mut empty = b"40000 a\0".to_vec();
        empty.extend_from_slice(empty_tree(ObjectFormat::Sha1).as_bytes());
        assert_eq!(parse_tree(&empty, ObjectFormat::Sha1).map(|_| ()), Err(MalformedTree::EmptyDirectory("a".into())));
        let whole = entry("100644", "abc");
        for end in 1..whole.len() {
            assert!(parse_tree(&whole[..end], ObjectFormat::Sha1).is_err(), "{end}");
        }
    }
}
