//! The last value of each ref that the ledger knows, and which refs are not there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write;

use super::entry::Moved;
use super::error::LedgerError;
use super::kept;
use super::lines::SortedLines;
use super::state::{Recent, State};
use super::store::Ledger;
use crate::core::canonical::{CanonicalOid, RefName};
use crate::core::oid::Oid;

/// The refs of the repository, as its files have them.
pub trait CurrentRefs {
    /// Something that differs whenever the packed refs do: what stat(2) says of their file.
    ///
    /// # Errors
    /// [`LedgerError::Refs`], as for the others.
    fn packed_stamp(&self) -> Result<String, LedgerError>;
    /// The refs that have a file of their own.
    ///
    /// # Errors
    /// As above.
    fn loose(&self) -> Result<BTreeMap<Vec<u8>, Oid>, LedgerError>;
    /// Hands over all refs.
    ///
    /// # Errors
    /// As above.
    fn each(&self, each: &mut dyn FnMut(&[u8], Oid)) -> Result<(), LedgerError>;
    /// All refs at once.
    ///
    /// # Errors
    /// As above.
    fn all(&self) -> Result<BTreeMap<Vec<u8>, Oid>, LedgerError> {
        let mut all = BTreeMap::new();
        self.each(&mut |name, id| all.extend([(name.to_vec(), id)]))?;
        Ok(all)
    }
    /// The value of one ref.
    ///
    /// # Errors
    /// As above.
    fn value(&self, name: &[u8]) -> Result<Option<Oid>, LedgerError>;
}

/// The file of refs: a line `countersign-refs COVER`, then `ID NAME` lines by name.
const REFS: &str = "refs";
const REFS_HEADER: &str = "countersign-refs ";

/// The refs as they were when they were last compared: the stamp of the packed ones, the size of the ledger, the loose ones.
const SEEN: &str = "seen";

struct Seen {
    stamp: String,
    size: u64,
    loose: BTreeMap<Vec<u8>, Oid>,
}

/// Refs that changed since the file of refs was written; over this many, it is written again.
const RECENT: usize = 128;

impl Ledger {
    /// What the ledger knows of refs, to be asked for one after the other.
    pub(super) fn known<'s>(&'s self, state: &'s State) -> Result<Known<'s>, LedgerError> {
        Ok(Known { ledger: self, state, file: self.known_file(state)? })
    }

    /// Every ref that the ledger knows.
    ///
    /// # Errors
    /// [`LedgerError`] if a file cannot be read.
    pub fn known_refs(&self, state: &State) -> Result<BTreeMap<Vec<u8>, Oid>, LedgerError> {
        let mut known = BTreeMap::new();
        self.each_known(state, &mut |name, id| {
            known.insert(name.to_vec(), id);
            Ok(())
        })?;
        Ok(known)
    }

    /// Hands over every ref that the ledger knows, by name: those of the file, and in their place what came since.
    fn each_known(
        &self,
        state: &State,
        each: &mut dyn FnMut(&[u8], Oid) -> std::io::Result<()>,
    ) -> Result<(), LedgerError> {
        let failed = |error| self.refs_failed(error);
        let file = self.known_file(state)?;
        let cover = file.as_ref().map_or(0, |file| file.cover);
        let mut recent = state.recent.iter().filter(|(_, recent)| recent.entry >= cover).peekable();
        let lines = file.iter().flat_map(|file| file.lines.iter());
        for line in lines {
            let Some((name, id)) = parse_line(&line.map_err(failed)?) else { continue };
            while let Some((before, one)) = recent.next_if(|(recent, _)| *recent.0 < *name) {
                one.value.map_or(Ok(()), |id| each(&before.0, id.0)).map_err(failed)?;
            }
            if recent.peek().is_none_or(|(recent, _)| *recent.0 != *name) {
                each(&name, id).map_err(failed)?;
            }
        }
        recent.try_for_each(|(name, one)| one.value.map_or(Ok(()), |id| each(&name.0, id.0))).map_err(failed)
    }

    /// Refs that are not as the ledger knows them, with the values that they have.
    pub(super) fn differences(
        &self,
        state: &State,
        refs: &dyn CurrentRefs,
    ) -> Result<Vec<(RefName, Option<Oid>)>, LedgerError> {
        let mut known = self.known_refs(state)?;
        let mut different = Vec::new();
        refs.each(&mut |name, id| {
            if known.remove(name) != Some(id) {
                different.push((RefName(name.into()), Some(id)));
            }
        })?;
        different.extend(known.into_keys().map(|name| (RefName(name.into()), None)));
        Ok(different)
    }

    /// Refs that have moved since they were last compared and of which no entry says so, as far as can be told without the
    /// lock: a decision may explain it, of which it is not yet known what became. Whoever writes them down checks again under it.
    ///
    /// # Errors
    /// [`LedgerError`] if the refs or the ledger cannot be read.
    pub fn suspects(&self, refs: &dyn CurrentRefs) -> Result<Vec<RefName>, LedgerError> {
        // The refs before the state: whatever moved one of them has its entry already when the state is read. What is kept for
        // the next comparison is of a size before the refs, so that entries written meanwhile are looked at again.
        let size = self.state()?.size;
        let stamp = refs.packed_stamp()?;
        let loose = refs.loose()?;
        let state = self.state()?;
        let seen = self.seen().filter(|seen| seen.stamp == stamp && seen.size >= state.refs_cover);
        let mut changed: BTreeSet<RefName> = BTreeSet::new();
        match &seen {
            Some(Seen { loose: before, size, .. }) => {
                let own = |name: &Vec<u8>| RefName(name.as_slice().into());
                let moved = loose.iter().filter(|(name, id)| before.get(*name) != Some(*id));
                changed.extend(moved.map(|(name, _)| own(name)));
                changed.extend(before.keys().filter(|name| !loose.contains_key(*name)).map(own));
                // What the ledger says may have changed too, and the ref may have gone back.
                let recent = state.recent.iter().filter(|(_, recent)| recent.entry >= *size);
                changed.extend(recent.map(|(name, _)| name.clone()));
            }
            None => changed.extend(self.differences(&state, refs)?.into_iter().map(|(name, _)| name)),
        }
        let known = self.known(&state)?;
        let has_changed = !changed.is_empty();
        let mut suspects = Vec::new();
        for name in changed {
            if known.value(&name)? != refs.value(&name.0)? {
                suspects.push(name);
            }
        }
        if suspects.is_empty() && (has_changed || seen.is_none()) {
            self.keep_seen(&Seen { stamp, size, loose })?;
        }
        Ok(suspects)
    }

    /// The refs among `suspects` that still have no explanation, to be called under the lock.
    ///
    /// # Errors
    /// [`LedgerError`] if the refs or the ledger cannot be read.
    pub fn unexplained(
        &self,
        state: &State,
        suspects: &[RefName],
        refs: &dyn CurrentRefs,
    ) -> Result<Vec<Moved>, LedgerError> {
        let known = self.known(state)?;
        let mut moved = Vec::new();
        for name in suspects {
            let to = refs.value(&name.0)?;
            if !known.explains(name, to)? {
                let from = known.value(name)?.map(CanonicalOid);
                moved.push(Moved { name: name.clone(), from, to: to.map(CanonicalOid) });
            }
        }
        Ok(moved)
    }

    /// Writes the file of refs again if many have changed since.
    pub(super) fn compact_refs(&self) -> Result<(), LedgerError> {
        let state = self.state()?;
        if state.recent.len() <= RECENT {
            return Ok(());
        }
        let cover = state.size;
        self.renew(REFS, &mut |out| {
            writeln!(out, "{REFS_HEADER}{cover}")?;
            self.each_known(&state, &mut |name, id| write_line(out, name, id)).map_err(std::io::Error::other)
        })?;
        drop(state);
        self.change_state(&mut |state| {
            state.refs_cover = cover;
            state.recent.retain(|_, recent| recent.entry >= cover);
        })
    }

    /// The file of refs, if there is one that covers as much as the state relies on.
    fn known_file(&self, state: &State) -> Result<Option<KnownFile>, LedgerError> {
        let file = match File::open(self.path(REFS)) {
            Ok(file) => KnownFile::open(file).map_err(|error| self.refs_failed(error))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(self.refs_failed(error)),
        };
        match file {
            Some(file) if file.cover >= state.refs_cover && file.cover <= state.size => Ok(Some(file)),
            None if state.refs_cover == 0 => Ok(None),
            _ if state.refs_cover == 0 => Ok(None),
            _ => Err(self.refs_failed(std::io::Error::other(
                "it is older than the ledger's state; remove state.0 and state.1, and it is made again",
            ))),
        }
    }

    fn seen(&self) -> Option<Seen> {
        let bytes = kept::read(&self.path(SEEN))?;
        let mut lines = bytes.strip_suffix(b"\n")?.split(|byte| *byte == b'\n');
        let stamp = String::from_utf8(lines.next()?.to_vec()).ok()?;
        let size = std::str::from_utf8(lines.next()?).ok()?.parse().ok()?;
        Some(Seen { stamp, size, loose: lines.map(parse_line).collect::<Option<_>>()? })
    }

    fn keep_seen(&self, seen: &Seen) -> Result<(), LedgerError> {
        let write = kept::write(&self.path(SEEN), &mut |out| {
            writeln!(out, "{}\n{}", seen.stamp, seen.size)?;
            write_lines(out, &seen.loose)
        });
        write.map_err(|error| LedgerError::Io(self.path(SEEN), error))
    }

    fn refs_failed(&self, error: std::io::Error) -> LedgerError {
        LedgerError::Io(self.path(REFS), error)
    }
}

/// Writes a line for each ref.
fn write_lines(out: &mut dyn Write, refs: &BTreeMap<Vec<u8>, Oid>) -> std::io::Result<()> {
    refs.iter().try_for_each(|(name, id)| write_line(out, name, *id))
}

fn write_line(out: &mut dyn Write, name: &[u8], id: Oid) -> std::io::Result<()> {
    write!(out, "{id} ")?;
    out.write_all(name)?;
    out.write_all(b"\n")
}

fn parse_line(line: &[u8]) -> Option<(Vec<u8>, Oid)> {
    let space = line.iter().position(|byte| *byte == b' ')?;
    Some((line.get(space + 1..)?.to_vec(), Oid::parse(line.get(..space)?)?))
}

/// What the ledger knows of refs at one state.
pub(super) struct Known<'s> {
    ledger: &'s Ledger,
    state: &'s State,
    file: Option<KnownFile>,
}

impl Known<'_> {
    /// The value that the ledger knows of a ref, which may be that there is none.
    pub(super) fn value(&self, name: &RefName) -> Result<Option<Oid>, LedgerError> {
        let cover = self.file.as_ref().map_or(0, |file| file.cover);
        match (self.state.recent.get(name), &self.file) {
            (Some(Recent { value, entry }), _) if *entry >= cover => Ok(value.map(|id| id.0)),
            (_, Some(file)) => file.find(&name.0).map_err(|error| self.ledger.refs_failed(error)),
            (_, None) => Ok(None),
        }
    }

    fn lands(&self, name: &RefName, value: Option<Oid>) -> Result<bool, LedgerError> {
        self.state.lands(&name.0, value).map_err(|error| self.ledger.moves_failed(error))
    }

    /// Whether some decision or earlier entry accounts for this value of a ref.
    pub(super) fn explains(&self, name: &RefName, value: Option<Oid>) -> Result<bool, LedgerError> {
        Ok(self.lands(name, value)? || self.value(name)? == value)
    }
}

/// The file of refs, searched where it lies.
struct KnownFile {
    lines: SortedLines,
    cover: u64,
}

impl KnownFile {
    fn open(file: File) -> std::io::Result<Option<Self>> {
        let Some((header, lines)) = SortedLines::open(file)? else { return Ok(None) };
        let cover = std::str::from_utf8(&header).ok().and_then(|line| line.strip_prefix(REFS_HEADER)?.parse().ok());
        Ok(cover.map(|cover| Self { lines, cover }))
    }

    fn find(&self, name: &[u8]) -> std::io::Result<Option<Oid>> {
        self.lines.find(name, parse_line)
    }
}
