//! Whether the new side of a comparison is one that may be stored: strict for every entry that is not simply kept.
//!
//! History holds trees that git would not write today, and whoever works on top of them cannot mend what lies below. So an entry
//! that stood at its path with the same mode and id on the old side is kept as it is, and so is the order in which such entries
//! stand. Everything else is held to what git writes, wherever its tree is stored.
//!
//! Nearly every tree is in order and so is what is new in it. [`Glance`] sees that in passing; only where it sees anything odd does
//! [`check`] look at the whole tree.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::entry::{Entries, Entry, MalformedTree, Meeting, SortKey};
use crate::core::oid::Oid;

/// Sees, entry by entry in the order in which they stand, whether a new tree may be other than git would write it.
#[derive(Default)]
pub(super) struct Glance<'a> {
    last: Option<SortKey<'a>>,
    /// The name of the entry before, where it is a file that is not kept.
    fresh_file: Option<&'a [u8]>,
    has_fresh: bool,
    is_odd: bool,
}

impl<'a> Glance<'a> {
    /// The next entry is kept.
    pub(super) fn kept(&mut self, key: SortKey<'a>) {
        if self.last.is_some_and(|last| last.order(&key) != Ordering::Less) {
            self.is_odd = true;
        }
        // In order, what comes between a file and a directory of its name begins with that name.
        if self.fresh_file.take().is_some_and(|file| key.name.starts_with(file)) {
            self.is_odd = true;
        }
        self.last = Some(key);
    }

    /// The next entry is not kept.
    pub(super) fn fresh(&mut self, entry: &Entry<'a>, empty_tree: Oid) {
        let repeats = |last: SortKey<'_>| entry.is_directory() && last.name.starts_with(entry.name);
        if self.last.is_some_and(repeats) || entry.fault(empty_tree).is_some() {
            self.is_odd = true;
        }
        self.kept(entry.sort_key());
        self.has_fresh = true;
        self.fresh_file = (!entry.is_directory()).then_some(entry.name);
    }

    /// Whether [`check`] has to tell.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.is_odd && self.has_fresh
    }
}

/// Checks the new side of a comparison of two trees.
pub(super) fn check<'a>(old: Entries<'a>, new: Entries<'a>, empty_tree: Oid) -> Result<(), MalformedTree> {
    let mut side = NewSide::new(old, new, empty_tree)?;
    let (mut left, mut right) = (old, new);
    let (mut before, mut after) = (left.advance()?, right.advance()?);
    while let Some(met) = Meeting::of(before.as_ref(), after.as_ref()) {
        if let (Ordering::Equal | Ordering::Greater, Some(entry)) = (met.order, after) {
            side.look(entry, if met.is_same { EntryOrigin::Kept } else { EntryOrigin::Fresh })?;
            after = right.advance()?;
        }
        if met.order != Ordering::Greater {
            before = left.advance()?;
        }
    }
    side.finish()
}

/// Looks at the entries of one new tree, in the order in which they stand.
struct NewSide<'a> {
    new: Entries<'a>,
    empty_tree: Oid,
    last: Option<(Entry<'a>, EntryOrigin)>,
    /// Files whose name a directory further on may repeat: each is a prefix of the entry looked at last.
    open_files: Vec<(&'a [u8], EntryOrigin)>,
    /// Whether kept entries stand in an order of their own, so that neighbours do not tell of repeated names.
    is_disordered: bool,
    stood: OldPlaces<'a>,
    /// The old side's place behind the one that the kept entry before stood at.
    reached: usize,
}

/// Where an entry of the new side comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EntryOrigin {
    /// It stood on the old side with this mode and id.
    Kept,
    /// It did not.
    Fresh,
}

/// The old side's entries with their places, sorted: a disordered tree may hold the same one more than once.
struct OldPlaces<'a>(Vec<(&'a [u8], usize)>);

impl<'a> OldPlaces<'a> {
    fn new(mut old: Entries<'a>) -> Result<Self, MalformedTree> {
        let mut places = Vec::new();
        while let Some(entry) = old.advance()? {
            places.push((entry.raw, places.len()));
        }
        places.sort_unstable();
        Ok(Self(places))
    }

    /// The first place of the entry at `from` or behind it.
    fn first(&self, entry: &Entry<'_>, from: usize) -> Option<usize> {
        let next = self.0.partition_point(|place| *place < (entry.raw, from));
        self.0.get(next).filter(|(raw, _)| *raw == entry.raw).map(|(_, place)| *place)
    }
}

impl<'a> NewSide<'a> {
    fn new(old: Entries<'a>, new: Entries<'a>, empty_tree: Oid) -> Result<Self, MalformedTree> {
        let stood = OldPlaces::new(old)?;
        Ok(Self { new, empty_tree, last: None, open_files: Vec::new(), is_disordered: false, stood, reached: 0 })
    }

    /// Looks at the next entry. `met` says whether the comparison met the same entry on the old side.
    fn look(&mut self, entry: Entry<'a>, met: EntryOrigin) -> Result<(), MalformedTree> {
        let is_behind = self.last.is_none_or(|(last, _)| last.order(&entry) == Ordering::Less);
        let place = self.stood.first(&entry, self.reached);
        // Out of order an entry is kept only behind what it stood behind before.
        let origin = match met {
            EntryOrigin::Fresh if place.is_some() || is_behind && self.stood.first(&entry, 0).is_some() => {
                EntryOrigin::Kept
            }
            met => met,
        };
        if origin == EntryOrigin::Fresh
            && let Some(fault) = entry.fault(self.empty_tree).or_else(|| (!is_behind).then(|| order(&entry)))
        {
            return Err(fault);
        }
        self.is_disordered |= !is_behind;
        self.reached = place.map_or(self.reached, |place| place + 1);
        self.repeated(&entry, origin)?;
        self.last = Some((entry, origin));
        Ok(())
    }

    /// In order, a file and a directory of one name may have other entries between them, all of whose names begin with theirs.
    fn repeated(&mut self, entry: &Entry<'a>, origin: EntryOrigin) -> Result<(), MalformedTree> {
        if let Some((last, before)) = self.last
            && last.order(entry) != Ordering::Less
            && EntryOrigin::Fresh == before
        {
            return Err(order(entry));
        }
        while self.open_files.last().is_some_and(|(file, _)| !entry.name.starts_with(file)) {
            self.open_files.pop();
        }
        let twin = self.open_files.iter().find(|(file, _)| *file == entry.name);
        if let Some((_, other)) = twin
            && [*other, origin].contains(&EntryOrigin::Fresh)
        {
            return Err(order(entry));
        }
        if !entry.is_directory() {
            self.open_files.push((entry.name, origin));
        }
        Ok(())
    }

    /// Ends with what only the whole tree tells: where kept entries are out of order, names may repeat from afar. They may as they
    /// did before, in the order in which they did, so that whoever reads the first or the last of them reads what stood.
    fn finish(self) -> Result<(), MalformedTree> {
        if !self.is_disordered {
            return Ok(());
        }
        let (mut new, mut names) = (self.new, Vec::new());
        while let Some(entry) = new.advance()? {
            names.push(entry.name);
        }
        names.sort_unstable();
        let pairs = names.windows(2).filter_map(|pair| pair.first().filter(|name| pair.last() == Some(name)));
        let mut reached: HashMap<&[u8], usize> = pairs.map(|name| (*name, 0)).collect();
        let mut new = self.new;
        while let Some(entry) = new.advance()? {
            if let Some(from) = reached.get_mut(entry.name) {
                *from = self.stood.first(&entry, *from).ok_or_else(|| order(&entry))? + 1;
            }
        }
        Ok(())
    }
}

fn order(entry: &Entry<'_>) -> MalformedTree {
    MalformedTree::Order(String::from_utf8_lossy(entry.name).into_owned())
}
