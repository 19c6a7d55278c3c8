//! What is a merge's own, over merges made at random: against the definition, path by path.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::trees::{File, Files, PATHS, file, files, in_the_way, store};
use super::*;

/// The files of the merge, its parents and their merge bases.
#[derive(Clone, Debug)]
struct Merge {
    merge: Files,
    parents: Vec<Files>,
    bases: Vec<Files>,
}

impl Merge {
    /// The paths that each_own_entry meets.
    fn own(&self) -> BTreeSet<String> {
        let mut memory = Memory::default();
        let mut all = |files: &[Files]| files.iter().map(|files| store(&mut memory, files)).collect::<Vec<_>>();
        let (parents, bases) = (all(&self.parents), all(&self.bases));
        let trees = MergeTrees { merge: store(&mut memory, &self.merge), parents, bases };
        let mut own = BTreeSet::new();
        each_own_entry(&memory, &trees, &mut |entry| {
            assert!(own.insert(String::from_utf8(entry.path.to_vec()).unwrap()), "met twice: {entry:?}");
        })
        .unwrap();
        own
    }

    /// The same by definition: with some merge base, a path is not what the parents that changed it agree on.
    fn own_by_definition(&self) -> BTreeSet<String> {
        let bases = if self.bases.is_empty() { vec![Files::new()] } else { self.bases.clone() };
        let is_own = |path: &&&str| {
            bases.iter().any(|base| {
                let changed: BTreeSet<Option<&File>> = self
                    .parents
                    .iter()
                    .map(|parent| parent.get(**path))
                    .filter(|file| *file != base.get(**path))
                    .collect();
                let merged = match changed.len() {
                    0 => Some(base.get(**path)),
                    1 => changed.first().copied(),
                    _ => None,
                };
                merged != Some(self.merge.get(**path))
            })
        };
        PATHS.iter().filter(is_own).map(|path| (*path).to_owned()).collect()
    }

    /// Takes one path this way.
    fn go(&mut self, path: &'static str, way: Way) {
        match way {
            Way::Changed { base, new, by } => {
                // Without any merge base, each parent made what it has.
                let base = base.filter(|_| !self.bases.is_empty());
                self.bases.iter_mut().for_each(|files| put(files, path, base));
                let mut merged = base;
                for (files, changed) in self.parents.iter_mut().zip(by) {
                    put(files, path, if changed { new } else { base });
                    merged = if changed { new } else { merged };
                }
                put(&mut self.merge, path, merged);
            }
            Way::Agreed { sides, bases } => {
                self.parents.iter_mut().for_each(|files| put(files, path, sides));
                self.bases.iter_mut().zip(bases).for_each(|(files, base)| put(files, path, base));
                put(&mut self.merge, path, sides);
            }
        }
    }

    /// A file that stands where one of its trees has a directory.
    fn in_the_way(&self) -> Option<&'static str> {
        [&self.merge].into_iter().chain(&self.parents).chain(&self.bases).find_map(in_the_way)
    }
}

/// How one path goes through a merge that only puts together what the sides did.
#[derive(Clone, Debug)]
enum Way {
    /// All merge bases have this, and some parents made it that.
    Changed { base: Option<File>, new: Option<File>, by: Vec<bool> },
    /// All parents have this, whatever the merge bases had.
    Agreed { sides: Option<File>, bases: Vec<Option<File>> },
}

fn way() -> impl Strategy<Value = Way> {
    let one = || prop::option::weighted(0.7, file());
    prop_oneof![
        3 => (one(), one(), prop::collection::vec(any::<bool>(), 5)).prop_map(|(base, new, by)| Way::Changed { base, new, by }),
        1 => (one(), prop::collection::vec(one(), 3)).prop_map(|(sides, bases)| Way::Agreed { sides, bases }),
    ]
}

fn put(files: &mut Files, path: &'static str, file: Option<File>) {
    match file {
        Some(file) => files.insert(path, file),
        None => files.remove(path),
    };
}

/// A merge of two to five parents that adds nothing of its own, over any number of merge bases.
fn clean_merge() -> impl Strategy<Value = Merge> {
    let ways = prop::collection::vec(way(), PATHS.len());
    (ways, 2_usize..6, 0_usize..4).prop_map(|(ways, parents, bases)| {
        let mut made =
            Merge { merge: Files::new(), parents: vec![Files::new(); parents], bases: vec![Files::new(); bases] };
        for (path, way) in PATHS.into_iter().zip(ways) {
            made.go(path, way);
        }
        // A file goes where some tree has a directory in its place, from all of them.
        while let Some(path) = made.in_the_way() {
            made.go(path, Way::Agreed { sides: None, bases: vec![None; bases] });
        }
        made
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_merge_s_own_entries_are_those_of_the_definition(
        merge in files(), parents in prop::collection::vec(files(), 2..5), bases in prop::collection::vec(files(), 0..4)
    ) {
        let merge = Merge { merge, parents, bases };
        prop_assert_eq!(merge.own(), merge.own_by_definition());
    }

    #[test]
    fn what_both_sides_did_is_nobody_s_own(merge in clean_merge()) {
        prop_assert_eq!(merge.own_by_definition(), BTreeSet::new());
        prop_assert_eq!(merge.own(), BTreeSet::new());
    }

    /// An old version, something else, or nothing at all in its place.
    #[test]
    fn one_entry_made_another_is_the_merge_s_own(
        merge in clean_merge(), place in 0..PATHS.len(), other in prop::option::weighted(0.7, file()), old in any::<prop::sample::Index>()
    ) {
        let path = PATHS[place];
        let elsewhere: Vec<Option<File>> =
            merge.parents.iter().chain(&merge.bases).map(|files| files.get(path).copied()).chain([other]).collect();
        for other in [elsewhere[old.index(elsewhere.len())], other] {
            let mut evil = merge.clone();
            put(&mut evil.merge, path, other);
            if evil.in_the_way().is_none() {
                let expected = (evil.merge != merge.merge).then(|| path.to_owned());
                prop_assert_eq!(evil.own(), expected.into_iter().collect());
            }
        }
    }

    #[test]
    fn the_order_of_parents_and_bases_makes_no_difference(
        merge in files(), parents in prop::collection::vec(files(), 2..5), bases in prop::collection::vec(files(), 0..4)
    ) {
        let merge = Merge { merge, parents, bases };
        let mut turned = merge.clone();
        turned.parents.reverse();
        turned.bases.reverse();
        prop_assert_eq!(merge.own(), turned.own());
    }

    /// A parent that another one contains, and a merge base named twice, say nothing new.
    #[test]
    fn what_is_said_twice_is_said_once(
        merge in files(), parents in prop::collection::vec(files(), 2..4), bases in prop::collection::vec(files(), 1..4)
    ) {
        let merge = Merge { merge, parents, bases };
        let mut more = merge.clone();
        more.parents.push(merge.parents[0].clone());
        more.bases.push(merge.bases[0].clone());
        prop_assert_eq!(merge.own(), more.own());
    }
}
