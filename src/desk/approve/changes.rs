//! What the commits change, from the objects themselves. Nothing of the repository's configuration has a say in it: no replacement of
//! objects, no attribute, no setting of `diff`, no `.gitmodules`.

use std::collections::HashMap;

use crate::core::objects::ReadError;
use crate::core::report::escape;
use crate::core::tree::{Change, EntryMode, Value};
use crate::desk::approve::compose::Work;
use crate::desk::line_diff::hunks;
use crate::store::Objects;
use crate::system::{Failure, Result};

/// Bytes of a file that are shown. Of a larger one, its size is.
const SHOWN: u64 = 1 << 20;

/// Files whose lines are shown one by one.
const FILES: usize = 2_000;

/// One side of a change.
enum Side {
    Nothing,
    Text(Vec<u8>),
    /// It is no text, or too large, or a submodule's commit.
    Named(String),
}

impl Side {
    fn of(objects: &Objects, side: Option<Value>) -> Result<Self> {
        let Some((mode, id)) = side else { return Ok(Self::Nothing) };
        if mode == EntryMode::Submodule {
            return Ok(Self::Named(format!("submodule commit {id}")));
        }
        match objects.blob(id, SHOWN) {
            Ok(content) if !content.contains(&0) => Ok(Self::Text(content)),
            Ok(content) => Ok(Self::Named(format!("binary, {} bytes", content.len()))),
            Err(ReadError::TooLarge { size, .. }) => Ok(Self::Named(format!("{size} bytes"))),
            Err(error) => Err(Failure::new(error)),
        }
    }

    fn text(&self) -> &[u8] {
        match self {
            Self::Text(text) => text,
            Self::Nothing | Self::Named(_) => b"",
        }
    }
}

/// A line for each path: what becomes of it, and how many lines come and go.
pub(super) fn summary(work: &Work, objects: &Objects) -> Result<String> {
    let mut text = String::new();
    for change in &work.changes {
        let (old, new) = sides(objects, change)?;
        let what = match (&old, &new) {
            (Side::Named(old), Side::Named(new)) => format!("{old} -> {new}"),
            (Side::Nothing, Side::Named(new)) => new.clone(),
            (_, Side::Named(new)) => format!("-> {new}"),
            (Side::Named(old), _) => format!("{old} ->"),
            (old, new) => {
                let (more, less) = counts(old.text(), new.text());
                format!("+{more} -{less}")
            }
        };
        text += &format!(" {} {} | {what}\n", status(change), escape(&change.path, 200));
    }
    let files = work.changes.len();
    Ok(text + &format!(" {files} file{} changed\n", if files == 1 { "" } else { "s" }))
}

/// Every line that comes or goes.
pub(super) fn in_full(work: &Work, objects: &Objects) -> Result<String> {
    let mut text = String::new();
    for change in work.changes.iter().take(FILES) {
        let (old, new) = sides(objects, change)?;
        text += &format!("\n{} {}\n", status(change), escape(&change.path, 400));
        for (sign, side) in [("-", &old), ("+", &new)] {
            if let Side::Named(name) = side {
                text += &format!("{sign}{name}\n");
            }
        }
        let hunks = hunks(old.text(), new.text())?;
        for line in hunks.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            text += &(escape(line, 400) + "\n");
        }
    }
    if let Some(more) = work.changes.len().checked_sub(FILES).filter(|more| *more > 0) {
        text += &format!("\nand {more} files more, which are too many to show\n");
    }
    Ok(text)
}

fn sides(objects: &Objects, change: &Change) -> Result<(Side, Side)> {
    Ok((Side::of(objects, change.old)?, Side::of(objects, change.new)?))
}

/// `A`, `D`, `M`, or `T` where the type differs, with the modes where they say something.
fn status(change: &Change) -> String {
    match (change.old, change.new) {
        (None, Some((EntryMode::Blob, _))) => "A".to_owned(),
        (None, Some((mode, _))) => format!("A {}", mode.octal()),
        (Some(_), None) => "D".to_owned(),
        (Some((old, _)), Some((new, _))) if old == new => "M".to_owned(),
        (Some((old, _)), Some((new, _))) => format!("M {}=>{}", old.octal(), new.octal()),
        (None, None) => String::new(),
    }
}

/// How many lines of each side the other does not have.
fn counts(old: &[u8], new: &[u8]) -> (usize, usize) {
    let mut lines: HashMap<&[u8], isize> = HashMap::new();
    for line in new.split_inclusive(|byte| *byte == b'\n') {
        *lines.entry(line).or_default() += 1;
    }
    for line in old.split_inclusive(|byte| *byte == b'\n') {
        *lines.entry(line).or_default() -= 1;
    }
    let of = |sign: isize| lines.values().map(|count| (count * sign).max(0).unsigned_abs()).sum();
    (of(1), of(-1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_come_and_go_are_counted() {
        assert_eq!(counts(b"", b"a\nb\n"), (2, 0));
        assert_eq!(counts(b"a\nb\na\n", b"a\nc"), (1, 2));
        assert_eq!(counts(b"a\n", b"a"), (1, 1));
    }
}
