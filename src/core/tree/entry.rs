//! Tree objects: git's own reading of their entries, and what a new entry must be.
//!
//! A new entry has a mode that git writes, a name with neither slash nor NUL that no file system takes for `.`, `..` or `.git`, its place in
//! git's order, and no twin; a directory is not empty. Everything else is refused. What stood at a path before with that id and mode is
//! read as git reads it and stays: history that is old and odd must go on.

use std::cmp::Ordering;

use thiserror::Error;

use crate::core::oid::{ObjectFormat, Oid};
use crate::core::text::names::{Named, is_harmless};

/// The mode of an entry, as git reads it.
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
    /// All of them, those first that trees have most of.
    const BY_FREQUENCY: [Self; 5] = [Self::Blob, Self::Directory, Self::Executable, Self::Symlink, Self::Submodule];

    /// Git's reading of the octal digits: any file is one that can be executed or one that cannot, and what is no file, link or
    /// directory is a submodule (object.h `parse_mode`, tree-walk.c `canon_mode`). `None` where git cannot read them.
    fn parse(octal: &[u8]) -> Option<Self> {
        if octal.is_empty() || !octal.iter().all(|digit| matches!(digit, b'0'..=b'7')) {
            return None;
        }
        // Git keeps 16 bits, whatever stands before them.
        let bits = octal.iter().fold(0_u16, |bits, digit| bits << 3 | u16::from(digit - b'0'));
        Some(match bits & 0o170_000 {
            0o100_000 if bits & 0o100 != 0 => Self::Executable,
            0o100_000 => Self::Blob,
            0o120_000 => Self::Symlink,
            0o040_000 => Self::Directory,
            _ => Self::Submodule,
        })
    }

    /// The only spelling in which git writes it.
    pub(super) const fn written(self) -> &'static [u8] {
        match self {
            Self::Directory => b"40000",
            other => other.octal().as_bytes(),
        }
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

/// One entry of a tree, where it stands in the tree's bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    /// All its bytes.
    pub(super) raw: &'a [u8],
    /// Its mode as written.
    digits: &'a [u8],
    /// Its mode as git reads it.
    pub(super) mode: EntryMode,
    /// Its name: one path component.
    pub(super) name: &'a [u8],
    /// What it names.
    pub(super) id: Oid,
}

/// What decides where an entry stands in its tree.
#[derive(Clone, Copy, Debug)]
pub(super) struct SortKey<'a> {
    pub(super) name: &'a [u8],
    pub(super) is_directory: bool,
}

impl SortKey<'_> {
    /// Git orders entries as if the name of a directory ended in a slash.
    pub(super) fn order(&self, other: &SortKey<'_>) -> Ordering {
        // Most neighbours differ here.
        if let (Some(one), Some(other)) = (self.name.first(), other.name.first())
            && one != other
        {
            return one.cmp(other);
        }
        let common = self.name.len().min(other.name.len());
        let tail = |key: &SortKey<'_>| {
            let end = if key.is_directory { b'/' } else { 0 };
            key.name.get(common).copied().unwrap_or(end)
        };
        self.name.get(..common).cmp(&other.name.get(..common)).then(tail(self).cmp(&tail(other)))
    }
}

impl<'a> Entry<'a> {
    /// As [`SortKey::order`].
    pub(super) fn order(&self, other: &Entry<'_>) -> Ordering {
        self.sort_key().order(&other.sort_key())
    }

    pub(super) fn sort_key(&self) -> SortKey<'a> {
        SortKey { name: self.name, is_directory: self.is_directory() }
    }

    pub(super) fn is_directory(&self) -> bool {
        self.mode == EntryMode::Directory
    }

    /// What is wrong with it by itself, as an entry that git would write.
    pub(super) fn fault(&self, empty_tree: Oid) -> Option<MalformedTree> {
        let name = || String::from_utf8_lossy(self.name).into_owned();
        let named = if self.mode == EntryMode::Symlink { Named::Link } else { Named::Other };
        if self.digits != self.mode.written() {
            Some(MalformedTree::Mode)
        } else if !is_harmless(self.name, named) {
            Some(MalformedTree::Name(name()))
        } else if self.id.as_bytes().iter().all(|byte| *byte == 0) {
            Some(MalformedTree::NullId(name()))
        } else if self.is_directory() && self.id == empty_tree {
            Some(MalformedTree::EmptyDirectory(name()))
        } else {
            None
        }
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
    /// An entry that names nothing.
    #[error("the entry {0:?} has the null id")]
    NullId(String),
    /// Deeper than [`crate::core::limits::TREE_DEPTH`].
    #[error("it is more than {} directories deep", crate::core::limits::TREE_DEPTH)]
    TooDeep,
    /// A path longer than [`crate::core::limits::PATH_BYTES`].
    #[error("it has a path of more than {} bytes", crate::core::limits::PATH_BYTES)]
    PathTooLong,
}

impl MalformedTree {
    /// Whether it is only larger than what is looked at.
    pub fn is_limit(&self) -> bool {
        match self {
            Self::TooDeep | Self::PathTooLong => true,
            Self::Truncated
            | Self::Mode
            | Self::Name(_)
            | Self::Order(_)
            | Self::EmptyDirectory(_)
            | Self::NullId(_) => false,
        }
    }
}

/// The entries of a tree in the order in which they stand, read as git reads them (tree-walk.c).
#[derive(Clone, Copy)]
pub(super) struct Entries<'a> {
    rest: &'a [u8],
    format: ObjectFormat,
}

impl<'a> Entries<'a> {
    pub(super) fn new(raw: &'a [u8], format: ObjectFormat) -> Self {
        Self { rest: raw, format }
    }

    /// Passes the entries that come next in all of these trees alike, as long as git would write them so, and meets each. Returns how many.
    /// Trees of one history are alike nearly throughout, so this reads their bytes once and looks at nothing else.
    pub(super) fn pass_alike(&mut self, others: &mut [Entries<'_>], mut meet: impl FnMut(SortKey<'a>)) -> usize {
        let mut passed = 0_usize;
        while let Some((length, key)) = written(self.rest, self.format)
            && let Some((entry, rest)) = self.rest.split_at_checked(length)
            && others.iter().all(|other| other.rest.starts_with(entry))
        {
            meet(key);
            self.rest = rest;
            for other in &mut *others {
                other.rest = other.rest.get(length..).unwrap_or_default();
            }
            passed = passed.saturating_add(1);
        }
        passed
    }

    /// The next entry; `None` at the end.
    pub(super) fn advance(&mut self) -> Result<Option<Entry<'a>>, MalformedTree> {
        let whole = self.rest;
        if whole.is_empty() {
            return Ok(None);
        }
        // Git writes five or six digits; a few more are read as it reads them.
        let space = whole.iter().take(16).position(|byte| *byte == b' ').ok_or(MalformedTree::Mode)?;
        let (digits, tail) = whole.split_at(space);
        let mode = EntryMode::parse(digits).ok_or(MalformedTree::Mode)?;
        let tail = tail.strip_prefix(b" ").ok_or(MalformedTree::Truncated)?;
        let nul = tail.iter().position(|byte| *byte == 0).ok_or(MalformedTree::Truncated)?;
        let (name, tail) = tail.split_at(nul);
        if name.is_empty() {
            return Err(MalformedTree::Name(String::new()));
        }
        let tail = tail.strip_prefix(b"\0").ok_or(MalformedTree::Truncated)?;
        let (id, tail) = tail.split_at_checked(self.format.id_len()).ok_or(MalformedTree::Truncated)?;
        let raw = whole.get(..whole.len().saturating_sub(tail.len())).unwrap_or_default();
        self.rest = tail;
        Ok(Some(Entry { raw, digits, mode, name, id: Oid::from_bytes(id).ok_or(MalformedTree::Truncated)? }))
    }
}

/// The length and sort key of the entry at the front, where it has a mode and a name as git writes them.
fn written(raw: &[u8], format: ObjectFormat) -> Option<(usize, SortKey<'_>)> {
    let of_mode = |mode: &EntryMode| Some((*mode, raw.strip_prefix(mode.written())?.strip_prefix(b" ")?));
    let (mode, tail) = EntryMode::BY_FREQUENCY.iter().find_map(of_mode)?;
    let name = tail.get(..tail.iter().position(|byte| *byte == 0)?).filter(|name| !name.is_empty())?;
    let length = raw.len().checked_sub(tail.len())?.checked_add(name.len())?.checked_add(1)?;
    Some((length.checked_add(format.id_len())?, SortKey { name, is_directory: mode == EntryMode::Directory }))
}

/// How the next entries of two trees meet.
pub(super) struct Meeting {
    /// Which of them comes first; `Equal` where they stand at one place.
    pub(super) order: Ordering,
    /// Whether they are the same to the byte.
    pub(super) is_same: bool,
}

impl Meeting {
    /// `None` where both trees have ended.
    pub(super) fn of(old: Option<&Entry<'_>>, new: Option<&Entry<'_>>) -> Option<Self> {
        let alone = |order| Some(Self { order, is_same: false });
        match (old, new) {
            (None, None) => None,
            (Some(_), None) => alone(Ordering::Less),
            (None, Some(_)) => alone(Ordering::Greater),
            (Some(old), Some(new)) if old.raw == new.raw => Some(Self { order: Ordering::Equal, is_same: true }),
            (Some(old), Some(new)) => alone(old.order(new)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_read_as_git_reads_them() {
        for (digits, mode) in [
            ("100644", EntryMode::Blob),
            ("100664", EntryMode::Blob),
            ("100600", EntryMode::Blob),
            ("0100644", EntryMode::Blob),
            ("100755", EntryMode::Executable),
            ("100744", EntryMode::Executable),
            ("120000", EntryMode::Symlink),
            ("120777", EntryMode::Symlink),
            ("40000", EntryMode::Directory),
            ("040000", EntryMode::Directory),
            ("40755", EntryMode::Directory),
            ("160000", EntryMode::Submodule),
            ("0", EntryMode::Submodule),
        ] {
            assert_eq!(EntryMode::parse(digits.as_bytes()), Some(mode), "{digits}");
        }
        for digits in ["", "10064x", "100648", " 100644", "-1"] {
            assert_eq!(EntryMode::parse(digits.as_bytes()), None, "{digits}");
        }
    }
}
