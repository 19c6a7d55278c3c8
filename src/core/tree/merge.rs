//! What a merge adds of its own: the entries that are not what its parents and their merge bases give.
//!
//! An entry of a merge, or its absence, is clean where it is what a three-way merge gives without looking into files: with every
//! merge base, the one entry that the parents which differ from the base agree on, or the base's where none does. Every other is the
//! merge's own: an old version that it takes from a side is, and so is what a stale first parent drops.

use std::cmp::Ordering;
use std::rc::Rc;

use super::change::{ChangeError, EntryDifference, Path, Value, WalkFault, malformed, raw_tree};
use super::entry::{Entries, Entry, EntryMode};
use crate::core::limits;
use crate::core::objects::Trees;
use crate::core::oid::Oid;

/// The trees of a merge.
#[derive(Clone, Debug)]
pub struct MergeTrees {
    /// That of the merge itself.
    pub merge: Oid,
    /// Those of its parents, in order.
    pub parents: Vec<Oid>,
    /// Those of the parents' best common ancestors; none where the parents share no history.
    pub bases: Vec<Oid>,
}

/// Meets each entry that is the merge's own, with what the first parent has there.
///
/// # Errors
/// [`ChangeError`] if a tree is missing or unreadable, or if there is too much to look at. What was met before is then no answer.
pub fn each_own_entry(
    trees: &dyn Trees,
    merge: &MergeTrees,
    meet: &mut dyn FnMut(EntryDifference<'_>),
) -> Result<(), ChangeError> {
    let mut nodes = vec![Some(merge.merge)];
    nodes.extend(merge.parents.iter().copied().map(Some));
    nodes.extend(merge.bases.iter().copied().map(Some));
    if merge.bases.is_empty() {
        nodes.push(None);
    }
    MergeWalker { trees, parents: merge.parents.len(), path: Path::default(), met: 0, meet }.trees(&nodes)
}

/// Whether the merge's value is what each base and the parents give. The values are the merge's, the parents' and the bases'.
fn is_clean<T: PartialEq>(values: &[Option<T>], parents: usize) -> bool {
    let Some((own, others)) = values.split_first() else { return true };
    let (sides, bases) = others.split_at(parents.min(others.len()));
    bases.iter().all(|base| {
        let mut differing = sides.iter().filter(|side| *side != base);
        match differing.next() {
            None => own == base,
            Some(first) => own == first && differing.all(|other| other == first),
        }
    })
}

struct MergeWalker<'o, 'm> {
    trees: &'o dyn Trees,
    parents: usize,
    path: Path,
    met: usize,
    meet: &'m mut dyn FnMut(EntryDifference<'_>),
}

impl MergeWalker<'_, '_> {
    /// Looks at one directory of all trees at once. Where it is clean as a whole, so is all below.
    fn trees(&mut self, nodes: &[Option<Oid>]) -> Result<(), ChangeError> {
        if is_clean(nodes, self.parents) {
            return Ok(());
        }
        let raw: Vec<Rc<Vec<u8>>> = nodes.iter().map(|id| raw_tree(self.trees, *id)).collect::<Result<_, _>>()?;
        let mut cursors: Vec<Entries<'_>> = raw.iter().map(|raw| Entries::new(raw, self.trees.format())).collect();
        let mut heads: Vec<Option<Entry<'_>>> = vec![None; nodes.len()];
        let mut values: Vec<Option<Value>> = Vec::with_capacity(nodes.len());
        let mut entries = 0_usize;
        loop {
            if heads.iter().all(Option::is_none)
                && let Some((first, others)) = cursors.split_first_mut()
            {
                entries = entries.saturating_add(first.pass_alike(others, |_| {}).saturating_mul(nodes.len()));
            }
            for ((head, cursor), id) in heads.iter_mut().zip(&mut cursors).zip(nodes) {
                if head.is_none() {
                    *head = cursor.advance().map_err(|reason| malformed(*id, reason))?;
                }
            }
            let heads_left = heads.iter().flatten().copied();
            let first = heads_left.reduce(|a, b| if b.order(&a) == Ordering::Less { b } else { a });
            let Some(first) = first else { break };
            values.clear();
            for head in &mut heads {
                let here = head.take_if(|head| head.order(&first) == Ordering::Equal);
                entries = entries.saturating_add(usize::from(here.is_some()));
                values.push(here.map(|entry| (entry.mode, entry.id)));
            }
            self.entry(first.name, &values).map_err(|fault| fault.in_tree(nodes.iter().flatten().next().copied()))?;
        }
        if self.trees.within_budget(entries) { Ok(()) } else { Err(ChangeError::OverBudget) }
    }

    fn entry(&mut self, name: &[u8], values: &[Option<Value>]) -> Result<(), WalkFault> {
        if is_clean(values, self.parents) {
            return Ok(());
        }
        let length = self.path.enter(name)?;
        if values.iter().flatten().any(|(mode, _)| *mode == EntryMode::Directory) {
            let below: Vec<Option<Oid>> = values.iter().map(|value| value.map(|(_, id)| id)).collect();
            self.trees(&below)?;
        } else {
            self.met = self.met.saturating_add(1);
            if self.met > limits::CHANGED_PATHS {
                return Err(ChangeError::TooMany.into());
            }
            let at = |number: usize| values.get(number).copied().flatten();
            (self.meet)(EntryDifference { path: self.path.as_bytes(), old: at(1), new: at(0) });
        }
        self.path.leave(length);
        Ok(())
    }
}
