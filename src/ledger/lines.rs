//! Files of lines that are sorted by name, searched where they lie.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read};
use std::os::unix::fs::FileExt as _;

/// A block that holds at least one whole line: a name is at most 4096 bytes (PATH_MAX), and what stands before it a few hundred.
const BLOCK: usize = 8192;

/// Such a file, after its first line, which says what it is.
#[derive(Debug)]
pub(super) struct SortedLines {
    file: File,
    /// Where the lines begin.
    start: u64,
    end: u64,
}

impl SortedLines {
    /// Reads the first line, without its line feed. `None` where there is none.
    pub(super) fn open(file: File) -> std::io::Result<Option<(Vec<u8>, Self)>> {
        let mut header = Vec::new();
        BufReader::with_capacity(64, &file).read_until(b'\n', &mut header)?;
        let start = u64::try_from(header.len()).unwrap_or(u64::MAX);
        if header.pop() != Some(b'\n') {
            return Ok(None);
        }
        let end = file.metadata()?.len();
        Ok(Some((header, Self { file, start, end })))
    }

    /// Bytes of the lines.
    pub(super) fn length(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// The lines, one after the other, without their line feeds.
    pub(super) fn iter(&self) -> impl Iterator<Item = std::io::Result<Vec<u8>>> + '_ {
        BufReader::with_capacity(1 << 16, From { file: &self.file, at: self.start }).split(b'\n')
    }

    /// What the line of a name says: a binary search. `parse` gives the name of a line first.
    pub(super) fn find<T>(
        &self,
        name: &[u8],
        parse: impl Fn(&[u8]) -> Option<(Vec<u8>, T)>,
    ) -> std::io::Result<Option<T>> {
        let (mut low, mut high) = (self.start, self.end);
        let block = u64::try_from(BLOCK).unwrap_or(u64::MAX);
        // Invariant: both are where a line begins (or the end), and the line, if it is there, is between them.
        while high - low > block {
            let middle = low + (high - low) / 2;
            let bytes = self.read(middle, high)?;
            let Some(skip) = bytes.iter().position(|byte| *byte == b'\n') else { break };
            let line_start = middle + u64::try_from(skip).unwrap_or(u64::MAX) + 1;
            let line = bytes.get(skip + 1..).unwrap_or_default().split(|byte| *byte == b'\n').next();
            let Some((found, value)) = line.and_then(&parse) else { break };
            match found.as_slice().cmp(name) {
                std::cmp::Ordering::Equal => return Ok(Some(value)),
                std::cmp::Ordering::Less => low = line_start,
                std::cmp::Ordering::Greater => high = line_start,
            }
            if high <= low {
                break;
            }
        }
        while low < high {
            let bytes = self.read(low, high)?;
            let Some(whole) = bytes.iter().rposition(|byte| *byte == b'\n') else { break };
            for line in bytes.get(..whole).unwrap_or_default().split(|byte| *byte == b'\n') {
                match parse(line) {
                    Some((found, value)) if found == name => return Ok(Some(value)),
                    _ => {}
                }
            }
            low += u64::try_from(whole).unwrap_or(u64::MAX) + 1;
        }
        Ok(None)
    }

    fn read(&self, from: u64, to: u64) -> std::io::Result<Vec<u8>> {
        let length = usize::try_from(to.saturating_sub(from)).unwrap_or(BLOCK).min(BLOCK);
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, from)?;
        Ok(bytes)
    }
}

/// A file from some byte on, whoever else reads it.
struct From<'f> {
    file: &'f File,
    at: u64,
}

impl Read for From<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
        let count = self.file.read_at(bytes, self.at)?;
        self.at = self.at.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn every_line_of_a_large_file_is_found() {
        let mut file = tempfile::tempfile().unwrap();
        let name = |number: u32| format!("refs/heads/{number:06}{}", "x".repeat(usize::try_from(number % 97).unwrap()));
        file.write_all(b"what it is\n").unwrap();
        for number in 0..5000 {
            file.write_all(format!("{number} {}\n", name(number)).as_bytes()).unwrap();
        }
        use std::io::Seek as _;
        file.rewind().unwrap();
        let (header, lines) = SortedLines::open(file).unwrap().unwrap();
        assert_eq!(header, b"what it is");
        let parse = |line: &[u8]| {
            let (number, name) = std::str::from_utf8(line).ok()?.split_once(' ')?;
            Some((name.as_bytes().to_vec(), number.parse::<u32>().ok()?))
        };
        for number in 0..5000 {
            assert_eq!(lines.find(name(number).as_bytes(), parse).unwrap(), Some(number));
        }
        for absent in ["refs/heads/", "refs/heads/0000005", "refs/heads/9", "a", "z"] {
            assert_eq!(lines.find(absent.as_bytes(), parse).unwrap(), None);
        }
        assert_eq!((lines.iter().count(), lines.iter().count()), (5000, 5000));
    }
}
