//! `countersign log export`: a log as files that a static web server can serve, for monitors and witnesses (C2SP's tlog-tiles).

use std::path::{Path, PathBuf};

use super::checkpoint::{Given, read};
use super::place::Place;
use crate::core::digest::Digest;
use crate::gate::recording::ledger_failure;
use crate::ledger::{Leaves, subtree};
use crate::system::{Exit, Failure, OnDisk as _, Progress, Result, files, print};

/// Entries of a whole bundle, and hashes of a whole tile (tlog-tiles, "Merkle Tree").
const WIDTH: usize = 256;

pub(crate) struct Export {
    pub(crate) place: Place,
    /// Where the files go: `checkpoint`, `tile/L/N` and `tile/entries/N`. What is there already is left as it is
    pub(crate) tiles: PathBuf,
    pub(crate) given: Given,
}

pub(crate) fn run(export: &Export) -> Result {
    let found = export.place.one()?;
    let leaves = read(&found.directory)?;
    let checkpoint = export.given.of(&found, &leaves)?;
    let mut bundles =
        Bundles { directory: export.tiles.clone(), entries: Vec::new(), next: 0, failed: None, written: 0 };
    let progress = Progress::new("entries exported", None);
    let entries = Leaves::read(&found.directory, &mut |number, json| {
        progress.at(number);
        if number < checkpoint.size {
            bundles.add(number, json);
        }
    });
    drop(progress);
    entries.map_err(|error| ledger_failure(&error))?;
    let mut written = bundles.finish()?;
    let size = usize::try_from(checkpoint.size).map_err(Failure::new)?;
    written += tiles(&export.tiles, leaves.hashes().get(..size).unwrap_or_default())?;
    // The checkpoint comes last: what it promises is there by then.
    let path = export.tiles.join("checkpoint");
    files::replace(&path, checkpoint.to_note().as_bytes(), 0o644).map_err(|error| unwritten(&path, &error))?;
    print(&format!(
        "{}: {} entries, {written} files written, and the checkpoint\n",
        export.tiles.display(),
        checkpoint.size
    ))?;
    Ok(Exit::Accepted)
}

fn unwritten(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::new(format!("cannot write {}: {error}", path.display()))
}

/// The entries, in bundles.
struct Bundles {
    directory: PathBuf,
    entries: Vec<u8>,
    /// The number of the entry that comes next.
    next: usize,
    failed: Option<Failure>,
    written: usize,
}

impl Bundles {
    fn add(&mut self, number: u64, json: &str) {
        if self.failed.is_some() {
            return;
        }
        let Ok(length) = u16::try_from(json.len()) else {
            let message = format!("entry {number} has {} bytes, and a tile takes 65,535 of one", json.len());
            self.failed = Some(Failure::new(message).hint(
                "an earlier countersign wrote it; close that log, and export what comes after:\ncountersign ledger rotate --server REPO.git",
            ));
            return;
        };
        self.entries.extend_from_slice(&length.to_be_bytes());
        self.entries.extend_from_slice(json.as_bytes());
        self.next += 1;
        if self.next.is_multiple_of(WIDTH) {
            self.failed = self.put().err();
        }
    }

    fn put(&mut self) -> Result<()> {
        let (whole, width) = ((self.next - 1) / WIDTH, self.next % WIDTH);
        self.written += put(&tile_path(&self.directory, "entries", whole, width), &self.entries)?;
        self.entries.clear();
        Ok(())
    }

    fn finish(mut self) -> Result<usize> {
        if let Some(failure) = self.failed.take() {
            return Err(failure);
        }
        if !self.entries.is_empty() {
            self.put()?;
        }
        Ok(self.written)
    }
}

/// Writes the hashes of the tree. Returns how many files were not there yet.
fn tiles(directory: &Path, leaves: &[Digest]) -> Result<usize> {
    let (mut hashes, mut level, mut written) = (leaves.to_vec(), 0, 0);
    while !hashes.is_empty() {
        for (number, tile) in hashes.chunks(WIDTH).enumerate() {
            let bytes: Vec<u8> = tile.iter().flat_map(|hash| *hash.as_bytes()).collect();
            written += put(&tile_path(directory, &level.to_string(), number, tile.len() % WIDTH), &bytes)?;
        }
        // A hash of the level above is over a whole tile of this one.
        hashes = hashes.chunks_exact(WIDTH).map(subtree).collect();
        level += 1;
    }
    Ok(written)
}

/// The place of a tile: its number in parts of three digits, and its width where it is not whole yet.
fn tile_path(directory: &Path, level: &str, number: usize, width: usize) -> PathBuf {
    let (mut parts, mut rest) = (vec![format!("{:03}", number % 1000)], number / 1000);
    while rest > 0 {
        parts.insert(0, format!("x{:03}", rest % 1000));
        rest /= 1000;
    }
    let path = directory.join("tile").join(level).join(parts.join("/"));
    if width == 0 { path } else { path.with_added_extension("p").join(width.to_string()) }
}

/// Writes a file that never changes, unless it is there.
fn put(path: &Path, bytes: &[u8]) -> Result<usize> {
    if path
        .on_disk()
        .metadata()
        .is_ok_and(|found| found.is_file() && found.len() == u64::try_from(bytes.len()).unwrap_or(0))
    {
        return Ok(0);
    }
    files::replace(path, bytes, 0o644).map(|()| 1).map_err(|error| unwritten(path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification, and how Cloudflare's library names tiles.
    #[test]
    fn tiles_lie_where_others_look_for_them() {
        let path = |number, width| tile_path(Path::new(""), "0", number, width).display().to_string();
        assert_eq!(path(1_234_067, 0), "tile/0/x001/x234/067");
        for (number, width) in [(0, 1), (5, 255), (999, 0), (1000, 3), (1_234_067, 17)] {
            let (n, w) = (u64::try_from(number).unwrap(), if width == 0 { 256 } else { width });
            let theirs = tlog_tiles::Tile::new(8, 0, n, u32::try_from(w).unwrap(), false).path();
            assert_eq!(theirs.replacen("tile/8/", "tile/", 1), path(number, width));
        }
    }
}
