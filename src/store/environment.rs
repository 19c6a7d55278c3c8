//! What git tells a hook about where the repository and the pushed objects lie (githooks(5), "quarantine").

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// The directories of one repository.
#[derive(Clone, Debug)]
pub struct GitDir {
    /// `GIT_DIR`: HEAD and per-worktree refs.
    pub git_dir: PathBuf,
    /// What linked worktrees share: objects, refs, packed-refs.
    pub common_dir: PathBuf,
}

impl GitDir {
    /// The repository at `git_dir`, following its `commondir` file if it is a linked worktree.
    ///
    /// # Errors
    /// An I/O error if the directory is not a repository or cannot be read.
    pub fn at(git_dir: &Path) -> std::io::Result<Self> {
        let common_dir = match std::fs::read(git_dir.join("commondir")) {
            Ok(bytes) => git_dir.join(path_from_bytes(bytes.trim_ascii_end())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => git_dir.to_owned(),
            Err(error) => return Err(error),
        };
        std::fs::metadata(common_dir.join("objects"))?;
        std::fs::metadata(git_dir.join("HEAD"))?;
        Ok(Self { git_dir: git_dir.to_owned(), common_dir })
    }

    /// The repository that git runs the hook in: `GIT_DIR`, or the current directory, where git starts hooks.
    ///
    /// # Errors
    /// As [`GitDir::at`].
    pub fn of_hook() -> std::io::Result<Self> {
        Self::at(&Self::path_of_hook())
    }

    /// Where that repository lies, whether it is one or not.
    pub fn path_of_hook() -> PathBuf {
        std::env::var_os("GIT_DIR").unwrap_or_else(|| OsString::from(".")).into()
    }
}

/// Object directories that git names in the environment of a hook.
#[derive(Clone, Debug, Default)]
pub struct Quarantine {
    /// Where the pushed objects lie until the push is accepted (`GIT_OBJECT_DIRECTORY`).
    pub incoming: Option<PathBuf>,
    /// Where the others lie (`GIT_ALTERNATE_OBJECT_DIRECTORIES`), besides the repository's own directory.
    pub alternates: Vec<PathBuf>,
}

impl Quarantine {
    /// Reads the variables that git sets for hooks. All absent (a push that only deletes) is an empty quarantine.
    pub fn of_hook() -> Self {
        let incoming = std::env::var_os("GIT_OBJECT_DIRECTORY").filter(|path| !path.is_empty()).map(PathBuf::from);
        let alternates = std::env::var_os("GIT_ALTERNATE_OBJECT_DIRECTORIES");
        Self { incoming, alternates: alternates.as_deref().map(split_alternates).unwrap_or_default() }
    }
}

/// Splits the list as git does: by colons; an element in double quotes is C-quoted (git(1)).
fn split_alternates(list: &OsStr) -> Vec<PathBuf> {
    use std::os::unix::ffi::OsStrExt as _;
    let mut paths = Vec::new();
    let mut rest = list.as_bytes();
    while !rest.is_empty() {
        let (path, tail) = if rest.starts_with(b"\"") { unquote(rest) } else { None }.unwrap_or_else(|| {
            let end = rest.iter().position(|byte| *byte == b':').unwrap_or(rest.len());
            let (path, tail) = rest.split_at(end);
            (path.to_vec(), tail)
        });
        if !path.is_empty() {
            paths.push(path_from_bytes(&path));
        }
        rest = tail.strip_prefix(b":").unwrap_or(tail);
    }
    paths
}

/// Reads one C-quoted string; returns it and what follows the closing quote.
fn unquote(quoted: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut path = Vec::new();
    let mut bytes = quoted.iter().enumerate().skip(1);
    while let Some((position, byte)) = bytes.next() {
        match byte {
            b'"' => return Some((path, quoted.get(position + 1..)?)),
            b'\\' => match bytes.next()?.1 {
                b'n' => path.push(b'\n'),
                b't' => path.push(b'\t'),
                b'r' => path.push(b'\r'),
                high @ b'0'..=b'3' => {
                    let (middle, low) = (octal(*bytes.next()?.1)?, octal(*bytes.next()?.1)?);
                    path.push((high - b'0') << 6 | middle << 3 | low);
                }
                other => path.push(*other),
            },
            other => path.push(*other),
        }
    }
    None
}

fn octal(digit: u8) -> Option<u8> {
    matches!(digit, b'0'..=b'7').then(|| digit - b'0')
}

fn path_from_bytes(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt as _;
    PathBuf::from(OsStr::from_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_alternates_as_git_does() {
        for (list, paths) in [
            ("/a/objects", vec!["/a/objects"]),
            ("/a:/b", vec!["/a", "/b"]),
            (":/a::", vec!["/a"]),
            (r#""/with:colon":/b"#, vec!["/with:colon", "/b"]),
            (r#""/q\"\\\303\244""#, vec!["/q\"\\\u{e4}"]),
            (r#""/unclosed:/b"#, vec!["\"/unclosed", "/b"]),
        ] {
            assert_eq!(split_alternates(OsStr::new(list)), paths.iter().map(PathBuf::from).collect::<Vec<_>>());
        }
    }
}
