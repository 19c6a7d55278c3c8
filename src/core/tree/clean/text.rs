//! Two versions of a file merged over a third, as git merges them (xdiff/xmerge.c, level "zealous").

use std::collections::HashMap;
use std::ops::Range;

use super::Three;
use super::diff::{Hunk, Steps, hunks};

/// What marks a conflict in a file.
#[derive(Clone, Debug)]
pub(super) struct Markers {
    /// How often the character of a marker stands in it.
    pub(super) size: usize,
    pub(super) ours: Vec<u8>,
    pub(super) theirs: Vec<u8>,
}

/// As git tells: a NUL among the first bytes (xdiff-interface.c, `buffer_is_binary`).
pub(super) fn is_binary(content: &[u8]) -> bool {
    content.iter().take(8000).any(|byte| *byte == 0)
}

/// What merging gives.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Merged {
    /// The file, with its conflicts marked where markers were given.
    File(Vec<u8>),
    Conflict,
    /// It takes more steps than there are.
    TooLong,
}

/// Merges the versions.
pub(super) fn merged(versions: Three<&[u8]>, markers: Option<&Markers>, steps: &mut Steps) -> Merged {
    let mut numbers = Numbers::default();
    let base = numbers.of(versions.base);
    let (ours, theirs) = (numbers.of(versions.sides.ours), numbers.of(versions.sides.theirs));
    let file = Lines { all: numbers.all, base, ours, theirs };
    let Some(parts) = file.parts(steps) else { return Merged::TooLong };
    match markers {
        Some(markers) => match file.refined(parts, steps) {
            Some(parts) => Merged::File(file.written(&parts, Some(markers))),
            None => Merged::TooLong,
        },
        None if parts.iter().any(|part| part.kind == PartKind::Conflict) => Merged::Conflict,
        None => Merged::File(file.written(&parts, None)),
    }
}

/// Different lines, each by its number.
#[derive(Default)]
struct Numbers<'t> {
    all: Vec<&'t [u8]>,
    numbers: HashMap<&'t [u8], u32>,
}

impl<'t> Numbers<'t> {
    fn of(&mut self, text: &'t [u8]) -> Vec<u32> {
        let number = |line| {
            *self.numbers.entry(line).or_insert_with(|| {
                self.all.push(line);
                // A file has fewer lines than bytes, and those are capped.
                u32::try_from(self.all.len() - 1).unwrap_or(u32::MAX)
            })
        };
        text.split_inclusive(|byte| *byte == b'\n').map(number).collect()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PartKind {
    Ours,
    Theirs,
    Same,
    Conflict,
}

/// A place that a side changed, in the lines of both sides.
#[derive(Clone, Debug)]
struct Part {
    kind: PartKind,
    ours: Range<usize>,
    theirs: Range<usize>,
}

struct Lines<'t> {
    all: Vec<&'t [u8]>,
    base: Vec<u32>,
    ours: Vec<u32>,
    theirs: Vec<u32>,
}

impl Lines<'_> {
    /// All that either side changed, in order. What both changed alike is no part: it stands in ours.
    fn parts(&self, steps: &mut Steps) -> Option<Vec<Part>> {
        let ours = hunks(&self.base, &self.ours, self.all.len(), steps)?;
        let theirs = hunks(&self.base, &self.theirs, self.all.len(), steps)?;
        let (mut ours, mut theirs) = (Ahead::new(&ours), Ahead::new(&theirs));
        let mut parts = Vec::new();
        loop {
            let start = match (ours.next(), theirs.next()) {
                (None, None) => return Some(parts),
                (Some(one), Some(other)) if self.is_same(one, other) => {
                    ours.take();
                    theirs.take();
                    continue;
                }
                (one, other) => [one, other].into_iter().flatten().map(|hunk| hunk.old.start).min().unwrap_or(0),
            };
            // All that touches belongs together.
            let (from_ours, from_theirs) = (ours.position(start), theirs.position(start));
            let mut end = start;
            let (mut by_us, mut by_them) = (false, false);
            loop {
                if let Some(hunk) = ours.next().filter(|hunk| hunk.old.start <= end) {
                    (end, by_us) = (end.max(hunk.old.end), true);
                    ours.take();
                } else if let Some(hunk) = theirs.next().filter(|hunk| hunk.old.start <= end) {
                    (end, by_them) = (end.max(hunk.old.end), true);
                    theirs.take();
                } else {
                    break;
                }
            }
            let ours = from_ours..ours.position(end);
            let theirs = from_theirs..theirs.position(end);
            let kind = match (by_us, by_them) {
                (true, false) => PartKind::Ours,
                (false, _) => PartKind::Theirs,
                (true, true) if self.ours.get(ours.clone()) == self.theirs.get(theirs.clone()) => PartKind::Same,
                (true, true) => PartKind::Conflict,
            };
            parts.push(Part { kind, ours, theirs });
        }
    }

    fn is_same(&self, ours: &Hunk, theirs: &Hunk) -> bool {
        ours.old == theirs.old && self.ours.get(ours.new.clone()) == self.theirs.get(theirs.new.clone())
    }

    /// Narrows conflicts to the lines that differ, and joins those that lie close.
    fn refined(&self, parts: Vec<Part>, steps: &mut Steps) -> Option<Vec<Part>> {
        /// Lines between two conflicts that are not worth keeping out.
        const CLOSE: usize = 3;
        let mut narrow: Vec<Part> = Vec::new();
        for part in parts {
            if part.kind != PartKind::Conflict || part.ours.is_empty() || part.theirs.is_empty() {
                narrow.push(part);
                continue;
            }
            let ours = self.ours.get(part.ours.clone()).unwrap_or_default();
            let theirs = self.theirs.get(part.theirs.clone()).unwrap_or_default();
            let shifted = |range: Range<usize>, by: usize| range.start.saturating_add(by)..range.end.saturating_add(by);
            narrow.extend(hunks(ours, theirs, self.all.len(), steps)?.into_iter().map(|hunk| Part {
                kind: PartKind::Conflict,
                ours: shifted(hunk.old, part.ours.start),
                theirs: shifted(hunk.new, part.theirs.start),
            }));
        }
        let mut joined: Vec<Part> = Vec::new();
        for part in narrow {
            match joined.last_mut() {
                Some(last)
                    if last.kind == PartKind::Conflict
                        && part.kind == PartKind::Conflict
                        && part.ours.start.saturating_sub(last.ours.end) <= CLOSE =>
                {
                    (last.ours.end, last.theirs.end) = (part.ours.end, part.theirs.end);
                }
                _ => joined.push(part),
            }
        }
        Some(joined)
    }

    fn written(&self, parts: &[Part], markers: Option<&Markers>) -> Vec<u8> {
        let mut out = Vec::new();
        let mut done = 0;
        for part in parts {
            match (part.kind, markers) {
                (PartKind::Theirs, _) => {
                    self.copy(&self.ours, done..part.ours.start, &mut out);
                    self.copy(&self.theirs, part.theirs.clone(), &mut out);
                    done = part.ours.end;
                }
                (PartKind::Conflict, Some(markers)) => {
                    self.copy(&self.ours, done..part.ours.start, &mut out);
                    self.conflict(part, markers, &mut out);
                    done = part.ours.end;
                }
                (PartKind::Ours | PartKind::Same, _) | (PartKind::Conflict, None) => {}
            }
        }
        self.copy(&self.ours, done..self.ours.len(), &mut out);
        out
    }

    fn line(&self, number: u32) -> &[u8] {
        usize::try_from(number).ok().and_then(|number| self.all.get(number)).copied().unwrap_or_default()
    }

    fn copy(&self, from: &[u32], range: Range<usize>, out: &mut Vec<u8>) {
        for number in from.get(range).unwrap_or_default() {
            out.extend_from_slice(self.line(*number));
        }
    }

    fn conflict(&self, part: &Part, markers: &Markers, out: &mut Vec<u8>) {
        let ending: &[u8] = if self.ends_in_crlf(part) { b"\r\n" } else { b"\n" };
        let mark = |character: u8, label: &[u8], out: &mut Vec<u8>| {
            out.extend(std::iter::repeat_n(character, markers.size));
            if !label.is_empty() {
                out.push(b' ');
                out.extend_from_slice(label);
            }
            out.extend_from_slice(ending);
        };
        let side = |from: &[u32], range: &Range<usize>, out: &mut Vec<u8>| {
            self.copy(from, range.clone(), out);
            if !range.is_empty() && out.last() != Some(&b'\n') {
                out.extend_from_slice(ending);
            }
        };
        mark(b'<', &markers.ours, out);
        side(&self.ours, &part.ours, out);
        mark(b'=', b"", out);
        side(&self.theirs, &part.theirs, out);
        mark(b'>', &markers.theirs, out);
    }

    /// Whether a marker ends as the lines around it do.
    fn ends_in_crlf(&self, part: &Part) -> bool {
        let before = |start: usize| start.saturating_sub(1);
        let ours = self.line_ends_in_crlf(&self.ours, before(part.ours.start));
        let theirs = self.line_ends_in_crlf(&self.theirs, before(part.theirs.start));
        ours != Some(false) && theirs != Some(false) && self.line_ends_in_crlf(&self.base, 0) == Some(true)
    }

    /// Whether a line ends so; where the last has no ending, the one before it tells.
    fn line_ends_in_crlf(&self, lines: &[u32], at: usize) -> Option<bool> {
        let line = |at: usize| lines.get(at).map(|number| self.line(*number));
        match line(at)? {
            whole if whole.ends_with(b"\n") => Some(whole.ends_with(b"\r\n")),
            _ => line(at.checked_sub(1)?).map(|before| before.ends_with(b"\r\n")),
        }
    }
}

/// The hunks of one side that are still to come, and how far its lines are from the base's.
struct Ahead<'h> {
    hunks: std::slice::Iter<'h, Hunk>,
    /// The ends of the last hunk that was taken.
    last: (usize, usize),
}

impl<'h> Ahead<'h> {
    fn new(hunks: &'h [Hunk]) -> Self {
        Self { hunks: hunks.iter(), last: (0, 0) }
    }

    fn next(&self) -> Option<&'h Hunk> {
        self.hunks.as_slice().first()
    }

    fn take(&mut self) {
        if let Some(hunk) = self.hunks.next() {
            self.last = (hunk.old.end, hunk.new.end);
        }
    }

    /// Where a line of the base, after all hunks taken, is on this side.
    fn position(&self, old: usize) -> usize {
        self.last.1.saturating_add(old.saturating_sub(self.last.0))
    }
}
