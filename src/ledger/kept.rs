//! Small files that are written often and can be made again: two slots, written in turn and in place.
//!
//! Putting such a file in place by renaming costs more than all the rest of an append, because ext4 then writes it out at once
//! (ext4(5), auto_da_alloc). Overwriting one slot while the other stays whole is as safe: a slot that is being written, or that
//! a crash left half written, does not have the digest that it says, and the other one is read.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Seek as _, SeekFrom, Write};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

/// Bytes before the content: its generation and its length, eight each, and the digest of these and the content.
const HEADER: usize = 48;
const HEADER_BYTES: u64 = 48;

/// Bytes that are read or written at once.
const PIECE: usize = 64 << 10;

/// The content that was written last. `None` where there is none that is whole.
pub(super) fn read(path: &Path) -> Option<Vec<u8>> {
    read_with(path, |input| {
        let mut content = Vec::new();
        input.read_to_end(&mut content).ok()?;
        Some(content)
    })
}

/// What `parse` makes of the content that was written last: it need not be in memory as a whole. `None` where there is none that is
/// whole and that it can parse.
pub(super) fn read_with<T>(path: &Path, parse: impl Fn(&mut dyn Read) -> Option<T>) -> Option<T> {
    let mut slots = [0, 1].map(|number| Slot::open(&slot_path(path, number)));
    // The newer one is nearly always whole, and then the other is not read.
    slots.sort_by_key(|slot| std::cmp::Reverse(slot.as_ref().map(|slot| slot.generation)));
    slots.into_iter().flatten().find_map(|slot| slot.read_with(&parse))
}

/// Writes a new content over the older slot, as `content` hands it over, twice: it need not be in memory as a whole.
pub(super) fn write(path: &Path, content: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let newest = [0, 1].into_iter().filter_map(|number| {
        let slot = Slot::open(&slot_path(path, number))?;
        let generation = slot.generation;
        slot.read_with(|input| io::copy(input, &mut io::sink()).ok())?;
        Some((generation, number))
    });
    let (older, generation) = match newest.max() {
        Some((generation, newer)) => (1 - newer, generation.wrapping_add(1)),
        None => (0, 0),
    };
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(false).mode(0o600).open(slot_path(path, older))?;
    let mut measured = Measured(0);
    content(&mut measured)?;
    let Measured(length) = measured;
    file.seek(SeekFrom::Start(HEADER_BYTES))?;
    let mut hashed = Hashed { out: BufWriter::with_capacity(PIECE, &file), digest: begin(generation, length) };
    content(&mut hashed)?;
    let Hashed { mut out, digest } = hashed;
    out.flush()?;
    drop(out);
    // The header comes last. Until then the slot does not have the digest that it says.
    let mut header = Vec::with_capacity(HEADER);
    header.extend_from_slice(&generation.to_be_bytes());
    header.extend_from_slice(&length.to_be_bytes());
    header.extend_from_slice(&digest.finalize());
    file.write_all_at(&header, 0)
}

/// Takes the length of what is written to it.
struct Measured(u64);

impl Write for Measured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Takes the digest of what is written through it.
struct Hashed<W: Write> {
    out: W,
    digest: Sha256,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write_all(bytes)?;
        self.digest.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// The digest of a slot before its content.
fn begin(generation: u64, length: u64) -> Sha256 {
    let mut digest = Sha256::new();
    digest.update(generation.to_be_bytes());
    digest.update(length.to_be_bytes());
    digest
}

/// A slot whose header has been read.
struct Slot {
    file: File,
    generation: u64,
    length: u64,
    said: [u8; 32],
}

impl Slot {
    fn open(path: &Path) -> Option<Self> {
        let mut file = File::open(path).ok()?;
        let mut header = [0; HEADER];
        file.read_exact(&mut header).ok()?;
        let (generation, rest) = header.split_first_chunk::<8>()?;
        let (length, said) = rest.split_first_chunk::<8>()?;
        let (generation, length) = (u64::from_be_bytes(*generation), u64::from_be_bytes(*length));
        Some(Self { file, generation, length, said: *said.first_chunk::<32>()? })
    }

    /// What `parse` makes of the content, if that is whole and was read to its end. A longer one that stood here before is not cut
    /// off, and not read. Another process may write the slot meanwhile: the digest is that of the very bytes that were parsed.
    fn read_with<T>(self, parse: impl Fn(&mut dyn Read) -> Option<T>) -> Option<T> {
        let digest = begin(self.generation, self.length);
        let hashed = HashedInput { input: self.file.take(self.length), digest };
        let mut buffered = BufReader::with_capacity(PIECE, hashed);
        let parsed = parse(&mut buffered)?;
        let HashedInput { input, digest } = buffered.into_inner();
        (input.limit() == 0 && digest.finalize()[..] == self.said).then_some(parsed)
    }
}

/// Takes the digest of what is read through it.
struct HashedInput<R: Read> {
    input: R,
    digest: Sha256,
}

impl<R: Read> Read for HashedInput<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(bytes)?;
        self.digest.update(bytes.get(..count).unwrap_or_default());
        Ok(count)
    }
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
            write(&path, &mut |out| out.write_all(content.as_bytes())).unwrap();
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
        write(&path, &mut |out| out.write_all(b"fifth")).unwrap();
        assert_eq!(read(&path).unwrap(), b"fifth");
        std::fs::write(slot_path(&path, 0), b"").unwrap();
        std::fs::write(slot_path(&path, 1), b"short").unwrap();
        assert_eq!(read(&path), None);
    }
}
