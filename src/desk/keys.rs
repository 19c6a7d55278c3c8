//! Where agents' keys lie: in a clone, or in one place of the user's for all clones.

use std::path::{Path, PathBuf};

use crate::core::id::Id;
use crate::desk::clone::common_dir;
use crate::system::{OnDisk as _, Result, env};

/// The name of the private half in an agent's directory.
const FILE: &str = "key";

/// Where a user's agents have their keys: `$XDG_DATA_HOME/countersign/agents`, by default below `~/.local/share` (XDG Base Directory
/// Specification). `None` where there is no home.
pub(crate) fn home() -> Option<PathBuf> {
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let data = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local").join("share")))?;
    Some(data.join("countersign").join("agents"))
}

/// The user's key of an agent, whether it is there or not.
pub(crate) fn of_user(id: &Id) -> Option<PathBuf> {
    Some(home()?.join(id.as_str()).join(FILE))
}

/// Where the clone around has the keys of its agents.
pub(crate) fn of_clone() -> Result<PathBuf> {
    Ok(common_dir()?.join("countersign").join("keys"))
}

/// Where the key of an agent is that was said to be at `path`. A clone that was moved, copied or mounted elsewhere has it with it; else
/// the user may have one for all clones.
pub(crate) fn found(id: &Id, path: &Path) -> PathBuf {
    if path.on_disk().symlink_metadata().is_ok() {
        return path.to_owned();
    }
    let in_clone = of_clone().ok().map(|keys| keys.join(path.file_name().unwrap_or_default()));
    let elsewhere = [in_clone, of_user(id)].into_iter().flatten().find(|path| path.on_disk().is_file());
    elsewhere.unwrap_or_else(|| path.to_owned())
}
