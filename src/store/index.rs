//! The tree that git would write from an index, where the index itself says it.
//!
//! Git keeps the ids of the trees that it last wrote in the extension `TREE` (gitformat-index(5), "Cache tree"), and brings them up to
//! date before it starts the hooks of a commit. Whatever is not certain here is left to git.

use std::path::Path;

use crate::core::oid::{ObjectFormat, Oid};

/// A larger index is left to git: reading it whole would cost more than a process.
const LARGEST: u64 = 64 << 20;

/// The id of the tree of an index; `None` where the index does not tell, or this cannot read it.
pub fn written_tree(index: &Path, format: ObjectFormat) -> Option<Oid> {
    let size = std::fs::metadata(index).ok()?.len();
    if size > LARGEST {
        return None;
    }
    tree_of(&std::fs::read(index).ok()?, format.id_len())
}

pub(super) fn tree_of(bytes: &[u8], id: usize) -> Option<Oid> {
    let rest = bytes.strip_prefix(b"DIRC")?;
    let (version, rest) = number(rest)?;
    let (entries, mut rest) = number(rest)?;
    for _ in 0..entries {
        rest = after_entry(rest, version, id)?;
    }
    // The checksum stands at the end.
    let mut extensions = rest.get(..rest.len().checked_sub(id)?)?;
    let mut tree = None;
    while !extensions.is_empty() {
        let (name, rest) = extensions.split_at_checked(4)?;
        let (size, rest) = number(rest)?;
        let (content, rest) = rest.split_at_checked(usize::try_from(size).ok()?)?;
        match name {
            b"TREE" => tree = root(content, id),
            // Of a split or sparse index this is not all.
            b"link" | b"sdir" => return None,
            _ => {}
        }
        extensions = rest;
    }
    tree
}

/// What follows an entry. Its fixed part is ten numbers, the id and two bytes of flags, from version 3 on two more where the highest bit
/// but one is set.
fn after_entry(bytes: &[u8], version: u32, id: usize) -> Option<&[u8]> {
    let fixed = 40_usize.checked_add(id)?.checked_add(2)?;
    let extended = bytes.get(fixed.checked_sub(2)?)? & 0x40 != 0;
    let fixed = if extended { fixed.checked_add(2)? } else { fixed };
    let name = bytes.get(fixed..)?;
    match version {
        2 | 3 => {
            let length = name.iter().position(|byte| *byte == 0)?;
            // NULs up to a multiple of eight, and at least one.
            let whole = fixed.checked_add(length)?.checked_div(8)?.checked_add(1)?.checked_mul(8)?;
            bytes.get(whole..)
        }
        4 => {
            let shared = name.iter().position(|byte| byte & 0x80 == 0)?;
            let own = name.get(shared.checked_add(1)?..)?;
            own.get(own.iter().position(|byte| *byte == 0)?.checked_add(1)?..)
        }
        _ => None,
    }
}

/// The first entry of the cache tree: an empty path, NUL, how many files it stands for (`-1` where it is out of date), how many
/// subtrees, and the id.
fn root(content: &[u8], id: usize) -> Option<Oid> {
    let rest = content.strip_prefix(b"\0")?;
    let line = rest.iter().position(|byte| *byte == b'\n')?;
    let (counts, rest) = (rest.get(..line)?, rest.get(line.checked_add(1)?..)?);
    if counts.starts_with(b"-") {
        return None;
    }
    Oid::from_bytes(rest.get(..id)?)
}

fn number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*number), rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// Against git itself, in each version of the format, and never anything where git would say otherwise.
    #[test]
    fn the_tree_is_the_one_that_git_writes() {
        for (format, kind) in [("sha1", ObjectFormat::Sha1), ("sha256", ObjectFormat::Sha256)] {
            for version in ["2", "3", "4"] {
                let directory = tempfile::tempdir().unwrap();
                let git = |arguments: &[&str]| {
                    let mut command = Command::new("git");
                    command.args(arguments).current_dir(directory.path());
                    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
                    let output = command.output().unwrap();
                    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
                    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
                };
                git(&["init", "-q", "--object-format", format]);
                let index = directory.path().join(".git/index");
                for name in ["a", "bb", "dir/ccc", "dir/sub/dddd", "eight888", "later"] {
                    let path = directory.path().join(name);
                    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                    std::fs::write(path, name).unwrap();
                }
                git(&["add", "--all"]);
                git(&["update-index", "--index-version", version]);
                assert_eq!(written_tree(&index, kind), None, "nothing is written yet");
                let written = git(&["write-tree"]);
                assert_eq!(written_tree(&index, kind).map(|id| id.to_string()), Some(written), "{format} {version}");
                if version == "3" {
                    git(&["update-index", "--skip-worktree", "bb"]);
                    let written = git(&["write-tree"]);
                    assert_eq!(written_tree(&index, kind).map(|id| id.to_string()), Some(written));
                }
                std::fs::write(directory.path().join("a"), "other").unwrap();
                git(&["add", "a"]);
                assert_eq!(written_tree(&index, kind), None, "out of date");
                git(&["update-index", "--split-index"]);
                git(&["write-tree"]);
                assert_eq!(written_tree(&index, kind), None, "split");
            }
        }
    }

    #[test]
    fn what_is_cut_off_tells_nothing() {
        for bytes in [&b""[..], b"DIRC", b"DIRC\0\0\0\x02\0\0\0\x01", b"DIRC\0\0\0\x09\0\0\0\0TREE\xff\xff\xff\xff"] {
            assert_eq!(tree_of(bytes, 20), None);
        }
    }
}
