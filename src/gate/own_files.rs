//! Where the files of a repository's own lie that its hooks name: relative to it, so that a rename takes them along. Hooks that earlier
//! versions installed name them by where the repository lay then, which may be nowhere now, or another repository.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::gate::hook::LEDGER;
use crate::gate::shim::is_set_aside;
use crate::ledger::{Ledger, LedgerError, Place};
use crate::store::GitDir;
use crate::system::OnDisk as _;

/// Where the commits lie whose history is exempt.
pub(crate) const BASELINE: &str = "countersign/baseline";

/// What of a repository hooks of ours name files in.
const DIRECTORIES: [&str; 3] = ["countersign", "hooks", "custom_hooks"];

/// Where a file lies that a hook of the repository at `git_dir` names.
pub(crate) fn settled(named: &Path, git_dir: &Path) -> PathBuf {
    let Some((root, own)) = divided(named) else { return git_dir.join(named) };
    let here = git_dir.join(own);
    let is_kept =
        own == Path::new(LEDGER) || own == Path::new(BASELINE) || (is_set_aside(own) && here.on_disk().exists());
    if is_kept && is_elsewhere(root, git_dir) { here } else { named.to_owned() }
}

/// The repository in which a file lay when a hook was told its absolute path, and its path there.
fn divided(named: &Path) -> Option<(&Path, &Path)> {
    let mut roots = named.ancestors().skip(1).filter(|_| named.is_absolute());
    roots.find_map(|root| {
        let own = named.strip_prefix(root).ok()?;
        let first = own.components().next()?.as_os_str();
        DIRECTORIES.iter().any(|directory| first == *directory).then_some((root, own))
    })
}

/// Whether a directory is gone, or is another repository than this one.
fn is_elsewhere(root: &Path, git_dir: &Path) -> bool {
    let id = |path: &Path| path.on_disk().metadata().map(|found| (found.dev(), found.ino()));
    match (id(root), id(git_dir)) {
        (Err(error), _) => error.kind() == std::io::ErrorKind::NotFound,
        (Ok(one), Ok(other)) => {
            one != other && root.join("objects").on_disk().is_dir() && root.join("HEAD").on_disk().exists()
        }
        (Ok(_), Err(_)) => false,
    }
}

/// The directory of the ledger that hooks of a repository name. A copy whose hooks name a ledger outside of it has gone on with one of its
/// own, if an admin said so.
pub(crate) fn ledger_directory(named: &Path, dir: &GitDir) -> PathBuf {
    let (settled, own) = (settled(named, &dir.common_dir), dir.common_dir.join(LEDGER));
    if settled == own || !own.join("key").on_disk().exists() {
        return settled;
    }
    let is_kept = |directory: &Path| {
        let here = Place::of(&dir.common_dir).ok();
        here.is_some_and(|here| Ledger::open(directory).is_ok_and(|ledger| ledger.is_kept_for(&here)))
    };
    if is_kept(&own) && !is_kept(&settled) { own } else { settled }
}

/// Where a repository lay when its hooks were told where its own ledger is, if that is no longer where it lies.
pub(crate) fn installed_at(named: &Path) -> Option<PathBuf> {
    divided(named).filter(|(_, own)| *own == Path::new(LEDGER)).map(|(root, _)| root.to_owned())
}

/// Opens the ledger that hooks of a repository name, to serve it.
///
/// # Errors
/// Those of [`Ledger::open`].
pub(crate) fn open_ledger(named: &Path, dir: &GitDir) -> Result<Ledger, LedgerError> {
    let place = Place::of(&dir.common_dir).map_err(|error| LedgerError::Io(dir.common_dir.clone(), error))?;
    Ok(Ledger::open(&ledger_directory(named, dir))?.serving(place, installed_at(named)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::disk;

    #[test]
    fn a_file_of_the_repository_goes_where_it_goes() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        for repository in ["now.git", "other.git"] {
            disk::create_dir_all(root.join(repository).join("objects")).unwrap();
            disk::create_dir_all(root.join(repository).join("hooks")).unwrap();
            disk::write(root.join(repository).join("HEAD"), "").unwrap();
        }
        disk::create_dir_all(root.join("kept/countersign")).unwrap();
        let now = root.join("now.git");
        disk::write(now.join("hooks/update.before-countersign"), "").unwrap();
        let set_aside = "hooks/update.before-countersign";
        for (named, expected) in [
            ("countersign/ledger".into(), now.join(LEDGER)),
            (now.join(LEDGER), now.join(LEDGER)),
            // It was called so before, and so is another now.
            (root.join("gone.git").join(LEDGER), now.join(LEDGER)),
            (root.join("other.git").join(LEDGER), now.join(LEDGER)),
            (root.join("other.git").join(BASELINE), now.join(BASELINE)),
            (root.join("gone.git").join(set_aside), now.join(set_aside)),
            // An admin said so.
            (root.join("kept").join(LEDGER), root.join("kept").join(LEDGER)),
            (root.join("ledgers/now"), root.join("ledgers/now")),
            (root.join("gone.git/hooks/theirs"), root.join("gone.git/hooks/theirs")),
        ] {
            assert_eq!(settled(&named, &now), expected, "{}", named.display());
        }
    }
}
