//! Which commits an agent's process made here and could not seal: those, `countersign sign` takes for the agent's.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;

use crate::core::oid::Oid;
use crate::desk::clone::Local;
use crate::system::disk;

/// Lines that are read: the latest. Each is a commit and the agent's id, or the tool's name.
const READ: usize = 1000;

fn path(local: &Local) -> PathBuf {
    local.dir.common_dir.join("countersign").join("unsealed")
}

/// Writes down that an agent's process made a commit.
pub(crate) fn record(local: &Local, commit: Oid, agent: &str) {
    let path = path(local);
    // Where nothing can be written down, the commit is named by hand.
    let _ = path.parent().map(disk::create_dir_all);
    if let Ok(mut file) = disk::open_at_end(path) {
        let _ = file.write_all(format!("{commit} {agent}\n").as_bytes());
    }
}

/// The commits that were written down, and whose they are.
pub(crate) fn recorded(local: &Local) -> BTreeMap<Oid, String> {
    let text = disk::read_to_string(path(local)).unwrap_or_default();
    let lines = text.lines().rev().take(READ).filter_map(|line| {
        let (id, agent) = line.split_once(' ')?;
        Some((Oid::parse(id.as_bytes())?, agent.to_owned()))
    });
    lines.collect()
}

/// Forgets those that are sealed, or that somebody has looked at.
pub(crate) fn forget(local: &Local, sealed: &[Oid]) {
    let mut left = recorded(local);
    left.retain(|id, _| !sealed.contains(id));
    let path = path(local);
    let _ = if left.is_empty() {
        disk::remove_file(path)
    } else {
        disk::write(path, left.iter().map(|(id, agent)| format!("{id} {agent}\n")).collect::<String>())
    };
}
