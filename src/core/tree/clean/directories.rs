//! Where the directories went that a side no longer has (git's Documentation/technical/directory-rename-detection): each to where
//! most of its files went. A file that the other side added to one may belong there; git asks a person.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use super::Stop;
use super::sides::{Wanted, name, parent};

/// The directories that one side no longer has, and where their files went.
#[derive(Default)]
pub(super) struct Directories {
    removed: HashMap<Rc<[u8]>, Wanted>,
    /// By the old directory, how many of its files are in each new one.
    counts: HashMap<Vec<u8>, BTreeMap<Vec<u8>, usize>>,
    /// By the old directory, the new one of most of the files whose content did not change.
    guesses: HashMap<Vec<u8>, Vec<u8>>,
}

impl Directories {
    pub(super) fn new(removed: &HashMap<Rc<[u8]>, Wanted>) -> Self {
        Self { removed: removed.clone(), ..Self::default() }
    }

    /// Counts a renamed file. Where the names of the directories above agree, these went along.
    pub(super) fn count(&mut self, old: &[u8], new: &[u8]) {
        let (mut old, mut new) = (old, new);
        let mut is_file = true;
        loop {
            let Some(wanted) = self.removed.get(parent(old)).copied() else { return };
            if !is_file && name(old) != name(new) {
                return;
            }
            (old, new) = (parent(old), parent(new));
            if is_file || wanted == Wanted::ForItself {
                let count = self.counts.entry(old.to_vec()).or_default().entry(new.to_vec()).or_default();
                *count = count.saturating_add(1);
            }
            if wanted == Wanted::No || old.is_empty() || new.is_empty() {
                return;
            }
            is_file = false;
        }
    }

    /// Takes what is counted so far for a guess.
    pub(super) fn guess(&mut self) {
        for (old, counts) in &self.counts {
            // Of several with the most files, any will do.
            if let Some((new, _)) = counts.iter().rev().max_by_key(|(_, count)| **count) {
                self.guesses.insert(old.clone(), new.clone());
            }
        }
    }

    /// Where a file would be that went with its directory.
    pub(super) fn guessed(&self, path: &[u8]) -> Option<Vec<u8>> {
        let directory = self.guesses.get(parent(path))?;
        Some([directory, b"/".as_slice(), name(path)].concat())
    }

    /// Which of these files, of interest only for where their directory went, are not needed to tell that: it has a majority already.
    pub(super) fn decided(&mut self, open: &[&[u8]], located: &[&[u8]]) -> Vec<bool> {
        let mut unknown: HashMap<&[u8], usize> = HashMap::new();
        for path in open {
            let mut directory = parent(path);
            while !directory.is_empty() && self.wanted(directory) != Wanted::No {
                let count = unknown.entry(directory).or_default();
                *count = count.saturating_add(1);
                directory = parent(directory);
            }
        }
        for (directory, counts) in &self.counts {
            let mut sorted: Vec<usize> = counts.values().copied().collect();
            sorted.sort_unstable_by(|one, other| other.cmp(one));
            let at = |place: usize| sorted.get(place).copied().unwrap_or(0);
            let rest = unknown.get(directory.as_slice()).copied().unwrap_or(0);
            if at(0) > at(1).saturating_add(rest)
                && let Some(wanted) = self.removed.get_mut(directory.as_slice())
                && *wanted == Wanted::ForItself
            {
                *wanted = Wanted::ForParent;
            }
        }
        let is_decided = |path: &&[u8]| {
            let mut directory = parent(path);
            loop {
                match self.wanted(directory) {
                    Wanted::No => return true,
                    Wanted::ForItself => return false,
                    Wanted::ForParent => directory = parent(directory),
                }
            }
        };
        located.iter().map(is_decided).collect()
    }

    fn wanted(&self, directory: &[u8]) -> Wanted {
        self.removed.get(directory).copied().unwrap_or(Wanted::No)
    }

    /// Where each directory went that matters.
    ///
    /// # Errors
    /// [`Stop::Unclean`] where as many files of one went to two places.
    pub(super) fn renamed(&self) -> Result<HashMap<&[u8], &[u8]>, Stop> {
        let mut renamed = HashMap::new();
        for (old, counts) in self.counts.iter().filter(|(old, _)| self.wanted(old) != Wanted::No) {
            let most = counts.values().max();
            let mut winners = counts.iter().filter(|(_, count)| Some(*count) == most);
            if let Some((new, _)) = winners.next() {
                if winners.next().is_some() {
                    return Err(Stop::Unclean);
                }
                renamed.insert(old.as_slice(), new.as_slice());
            }
        }
        Ok(renamed)
    }
}

/// The nearest directory around a path that was renamed.
pub(super) fn around<'d>(path: &[u8], renamed: &HashMap<&'d [u8], &'d [u8]>) -> Option<(&'d [u8], &'d [u8])> {
    let mut directory = parent(path);
    while !directory.is_empty() {
        if let Some((old, new)) = renamed.get_key_value(directory) {
            return Some((old, new));
        }
        directory = parent(directory);
    }
    None
}
