//! Two texts lined up by git, as two files that lie outside of every repository: nothing of one's configuration has a say in it.

use crate::system::process::git;
use crate::system::{Failure, Result, disk};

/// The hunks between the two, each from its `@@` on, as diff(1) shows them; nothing where they are the same.
pub(super) fn hunks(old: &[u8], new: &[u8]) -> Result<Vec<u8>> {
    let failed = |error: std::io::Error| Failure::new(format!("cannot write a temporary file: {error}"));
    let directory = tempfile::tempdir().map_err(failed)?;
    for (name, text) in [("old", old), ("new", new)] {
        disk::write(directory.path().join(name), text).map_err(failed)?;
    }
    let arguments =
        ["diff", "--no-index", "--no-ext-diff", "--no-textconv", "--no-color", "--text", "--", "old", "new"];
    let output = git(&arguments).apart(directory.path()).output()?;
    // As diff(1): 1 says that they differ.
    if !matches!(output.status.code(), Some(0 | 1)) {
        return Err(Failure::new(format!("git diff failed: {}", String::from_utf8_lossy(&output.stderr).trim())));
    }
    let lines = output.stdout.split_inclusive(|byte| *byte == b'\n').skip_while(|line| !line.starts_with(b"@@"));
    Ok(lines.flatten().copied().collect())
}
