//! Small files that are written often and can be made again: two slots, written in turn and in place.
//!
//! Putting such a file in place by renaming costs more than all the rest of an append, because ext4 then writes it out at once
//! (ext4(5), auto_da_alloc). Overwriting one slot while the other stays whole is as safe: a slot that is being written, or that
//! a crash left half written, does not have the digest that it says, and the other one is read.

use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::core::digest::Digest;

/// Bytes before the content: its generation and its length, eight each, and the digest of these and the content.
const HEADER: usize = 48;

/// What a slot holds.
struct Slot {
    generation: u64,
    content: Vec<u8>,
}

/// The content that was written last. `None` where there is none that is whole.
pub(super) fn read(path: &Path) -> Option<Vec<u8>> {
    newest(path).map(|(_, slot)| slot.content)
}

/// Writes a new content over the older slot.
pub(super) fn write(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let (older, generation) = match newest(path) {
        Some((newer, slot)) => (1 - newer, slot.generation.wrapping_add(1)),
        None => (0, 0),
    };
    let length = u64::try_from(content.len()).unwrap_or(u64::MAX);
    let mut bytes = Vec::with_capacity(HEADER + content.len());
    bytes.extend_from_slice(&generation.to_be_bytes());
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(digest(generation, content).as_bytes());
    bytes.extend_from_slice(content);
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(false).mode(0o600).open(slot_path(path, older))?;
    file.write_all_at(&bytes, 0)
}

fn newest(path: &Path) -> Option<(u8, Slot)> {
    let slots = [0, 1].map(|number| slot(&slot_path(path, number)).map(|slot| (number, slot)));
    slots.into_iter().flatten().max_by_key(|(_, slot)| slot.generation)
}

fn slot(path: &Path) -> Option<Slot> {
    let mut file = File::open(path).ok()?;
    let mut header = [0; HEADER];
    file.read_exact(&mut header).ok()?;
    let (generation, rest) = header.split_first_chunk::<8>()?;
    let (length, said) = rest.split_first_chunk::<8>()?;
    let (generation, length) = (u64::from_be_bytes(*generation), u64::from_be_bytes(*length));
    // A longer content that stood here before is not cut off, and not read.
    let mut content = Vec::new();
    file.take(length).read_to_end(&mut content).ok()?;
    let whole = u64::try_from(content.len()).ok()? == length && digest(generation, &content).as_bytes() == said;
    whole.then_some(Slot { generation, content })
}

fn digest(generation: u64, content: &[u8]) -> Digest {
    let length = u64::try_from(content.len()).unwrap_or(u64::MAX);
    Digest::of(&[&generation.to_be_bytes()[..], &length.to_be_bytes(), content].concat())
}

/// The file of one of the two slots.
pub(super) fn slot_path(path: &Path, number: u8) -> PathBuf {
    path.with_added_extension(number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_slot_leaves_the_one_before() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state");
        assert_eq!(read(&path), None);
        for content in ["first and longest", "second", "", "fourth"] {
            write(&path, content.as_bytes()).unwrap();
            assert_eq!(read(&path).unwrap(), content.as_bytes());
        }
        // The fourth is in slot 1, the third in slot 0.
        let whole = std::fs::read(slot_path(&path, 1)).unwrap();
        for place in 0..HEADER + 6 {
            let mut broken = whole.clone();
            broken[place] ^= 1;
            std::fs::write(slot_path(&path, 1), &broken).unwrap();
            assert_eq!(read(&path).unwrap(), b"", "byte {place}");
        }
        write(&path, b"fifth").unwrap();
        assert_eq!(read(&path).unwrap(), b"fifth");
        std::fs::write(slot_path(&path, 0), b"").unwrap();
        std::fs::write(slot_path(&path, 1), b"short").unwrap();
        assert_eq!(read(&path), None);
    }
}
