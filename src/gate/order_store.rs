//! Orders that an admin has put beside repositories: one store for all below a directory, those to come among them, and one of each
//! repository's own. Every hook reads them, with nothing said at install: a store lies in a directory above the repository.

use std::fs::Metadata;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::core::canonical::Time;
use crate::core::digest::Digest;
use crate::core::limits;
use crate::core::objects::ReadError;
use crate::core::order::{ClaimedOrder, OrderPlace, PREFIX, REASON, ServerThaw, Topic, VerifiedOrder, Whom};
use crate::store::{GitDir, Refs};
use crate::system::{OnDisk as _, disk};

/// Where the store of all repositories below a directory lies in that.
pub(crate) const BELOW: &str = ".countersign/orders";

/// Where a repository's own lies in it.
pub(crate) const OWN: &str = "countersign/orders";

/// Where thaws by an admin lie in a store.
const ADMIN: &str = "admin";

/// Directories below each other in a store: `revoke/AGENT/SERIAL/person/ID`.
const DEPTH: usize = 5;

/// What lies in stores.
#[derive(Default)]
pub(crate) struct Ordered {
    pub(crate) orders: Vec<VerifiedOrder>,
    pub(crate) thaws: Vec<ServerThaw>,
}

/// An admin's own thaw, as it is stored.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AdminThaw {
    reason: String,
    issued: Time,
}

/// The stores that hold for a repository, as far as there are any. One that others than root, the user who asks or the repository's
/// owner could have made is none.
pub(crate) fn stores_for(dir: &GitDir) -> io::Result<Vec<PathBuf>> {
    stores_of(dir, &[rustix::process::geteuid().as_raw()])
}

/// The stores that hold for a repository whoever pushes to it: those of root and of its owner, and of these users.
pub(crate) fn stores_of(dir: &GitDir, users: &[u32]) -> io::Result<Vec<PathBuf>> {
    let own = dir.common_dir.on_disk().canonicalize()?;
    let owner = own.on_disk().metadata()?.uid();
    let is_trusted = |found: &Metadata| {
        let user = found.uid();
        (user == 0 || user == owner || users.contains(&user)) && found.mode() & 0o022 == 0
    };
    let mut stores = Vec::new();
    for store in named(&own) {
        match store.on_disk().symlink_metadata() {
            Ok(found) if found.is_dir() && is_trusted(&found) => stores.push(store),
            Ok(_) => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
            // Somebody else's directory of this name is nobody's store. One that is an admin's holds, and has to be read.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                let around = store.parent().map(|around| around.on_disk().symlink_metadata()).transpose()?;
                if around.is_some_and(|around| is_trusted(&around)) {
                    return Err(io::Error::other(format!("{}: {error}", store.display())));
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(stores)
}

/// Where the stores for a repository would lie.
fn named(own: &Path) -> impl Iterator<Item = PathBuf> {
    own.ancestors().skip(1).map(|above| above.join(BELOW)).chain([own.join(OWN)])
}

/// Directories that are called as stores for a repository and are none.
pub(crate) fn passed_over(dir: &GitDir, counted: &[PathBuf]) -> Vec<PathBuf> {
    let Ok(own) = dir.common_dir.on_disk().canonicalize() else { return Vec::new() };
    named(&own).filter(|store| store.on_disk().symlink_metadata().is_ok() && !counted.contains(store)).collect()
}

/// Reads what is `wanted` of stores. What lies there an admin has put there, so that what cannot be read is an error.
pub(crate) fn read(stores: &[PathBuf], wanted: &dyn Fn(&Topic) -> bool) -> Result<Ordered, String> {
    let mut ordered = Ordered::default();
    for store in stores {
        let mut files = Vec::new();
        list(store, "", DEPTH, &mut files).map_err(|error| format!("{}: {error}", store.display()))?;
        for path in files {
            let unreadable = |reason: &dyn std::fmt::Display| {
                format!(
                    "the order {} cannot be read: {reason}; an admin puts it there again",
                    store.join(&path).display()
                )
            };
            if let Some(whom) = path.strip_prefix("admin/") {
                let whom = Whom::parse(whom).ok_or_else(|| unreadable(&"it is in no place of one"))?;
                let json = bytes(&store.join(&path)).map_err(|error| unreadable(&error))?;
                let AdminThaw { reason, issued } = serde_json::from_slice(&json).map_err(|error| unreadable(&error))?;
                ordered.thaws.push(ServerThaw { whom, reason, issued: issued.0 });
                continue;
            }
            let place = OrderPlace::parse_path(&path).ok_or_else(|| unreadable(&"it is in no place of one"))?;
            if !wanted(&place.topic) {
                continue;
            }
            let json = bytes(&store.join(&path)).map_err(|error| unreadable(&error))?;
            let order =
                ClaimedOrder::parse(&json).and_then(ClaimedOrder::verify).map_err(|error| unreadable(&error))?;
            if order.order().place() != place {
                return Err(unreadable(&format!("its place is {}", order.order().place().path())));
            }
            ordered.orders.push(order);
        }
    }
    Ok(ordered)
}

/// The orders that are stored for a repository, in its refs and in stores, as one number: another where any came or went.
pub(crate) fn stamp(dir: &GitDir, refs: &Refs) -> Result<Digest, ReadError> {
    let failed = |error: io::Error| ReadError::Refs(format!("stores of orders: {error}"));
    let mut text = String::new();
    for (name, id) in refs.list(PREFIX)? {
        text += &format!("{} {id}\n", String::from_utf8_lossy(&name));
    }
    for store in stores_for(dir).map_err(failed)? {
        let mut files = Vec::new();
        list(&store, "", DEPTH, &mut files).map_err(failed)?;
        for path in files {
            let file = store.join(&path).on_disk().metadata().map_err(failed)?;
            text += &format!("{} {} {}\n", store.join(&path).display(), file.ino(), file.mtime_nsec());
        }
    }
    Ok(Digest::of(text.as_bytes()))
}

fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = u64::try_from(limits::ORDER_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    disk::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The files at or below a directory of a store, by their paths in it. Those that begin with a dot are being written.
fn list(store: &Path, below: &str, depth: usize, files: &mut Vec<String>) -> io::Result<()> {
    let mut names: Vec<(String, bool)> = Vec::new();
    for entry in disk::read_dir(store.join(below))? {
        let entry = entry?;
        let name = entry.file_name().into_string().map_err(|_| io::Error::other("a name in it is no text"))?;
        if !name.starts_with('.') {
            names.push((name, entry.file_type()?.is_dir()));
        }
    }
    names.sort_unstable();
    for (name, is_directory) in names {
        let path = if below.is_empty() { name } else { format!("{below}/{name}") };
        if is_directory && depth > 0 {
            list(store, &path, depth - 1, files)?;
        } else if files.len() < limits::ORDERS {
            files.push(path);
        } else {
            return Err(io::Error::other(format!("it holds more than {} orders", limits::ORDERS)));
        }
    }
    Ok(())
}

/// Puts an order into a store, in the place of one that was issued before it.
pub(crate) fn put(store: &Path, order: &VerifiedOrder, json: &str) -> Result<(), String> {
    let place = order.order().place();
    let there = store.join(place.path());
    match bytes(&there) {
        Ok(before) => {
            let before = ClaimedOrder::parse(&before).ok().map(|before| before.order().issued);
            if before.is_some_and(|before| before >= order.order().issued) {
                return Err(format!("{} was issued at the same time or later", there.display()));
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(format!("{}: {error}", there.display())),
    }
    write(store, &place.path(), json).map_err(|error| format!("cannot write {}: {error}", there.display()))
}

/// Ends a freeze as an admin.
pub(crate) fn put_thaw(store: &Path, thaw: &ServerThaw) -> Result<(), String> {
    let ServerThaw { whom, reason, issued } = thaw;
    let reason: String = reason.chars().filter(|one| !one.is_control()).take(REASON).collect();
    let json =
        serde_json::to_string(&AdminThaw { reason, issued: Time(*issued) }).map_err(|error| error.to_string())?;
    let path = format!("{ADMIN}/{whom}");
    write(store, &path, &json).map_err(|error| format!("cannot write {}: {error}", store.join(&path).display()))
}

/// Makes directories that all may look into, whatever the umask is.
fn make_directories(directory: &Path) -> io::Result<()> {
    if directory.on_disk().is_dir() {
        return Ok(());
    }
    directory.parent().map_or(Ok(()), make_directories)?;
    disk::create_dir(directory).or_else(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Ok(()),
        _ => Err(error),
    })?;
    disk::set_permissions(directory, std::fs::Permissions::from_mode(0o755))
}

/// Writes a file of a store whole, and after that it is there. All may read it: it holds nothing secret, and every hook's user asks.
fn write(store: &Path, path: &str, text: &str) -> io::Result<()> {
    let there = store.join(path);
    let around = there.parent().unwrap_or(store);
    make_directories(around)?;
    let all = std::fs::Permissions::from_mode(0o644);
    let mut file = tempfile::Builder::new().prefix(".order-").permissions(all.clone()).tempfile_in(around)?;
    file.write_all(text.as_bytes())?;
    // Whatever the umask was.
    file.as_file().set_permissions(all)?;
    file.as_file().sync_all()?;
    file.persist(&there).map_err(|error| error.error)?;
    disk::open(around)?.sync_all()
}
