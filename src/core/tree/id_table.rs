//! Object ids by number: 20 or 32 bytes for each, and four to find it again. A push may bring a million commits.

use std::hash::{BuildHasher as _, RandomState};

use crate::core::oid::{ObjectFormat, Oid};

/// A free slot. Numbers end below it.
const FREE: u32 = u32::MAX;

/// Ids with the numbers in whose order they were added.
#[derive(Clone, Debug)]
pub(super) struct IdTable {
    format: ObjectFormat,
    raw: Vec<u8>,
    /// The number of the id in each place of a hash table, whose size is a power of two.
    slots: Vec<u32>,
    /// Ids are chosen by whoever pushes, and so would their places be.
    hasher: RandomState,
}

impl IdTable {
    pub(super) fn new(format: ObjectFormat) -> Self {
        Self { format, raw: Vec::new(), slots: Vec::new(), hasher: RandomState::new() }
    }

    /// How many ids there are.
    pub(super) fn len(&self) -> usize {
        self.raw.len() / self.format.id_len()
    }

    /// The id of a number.
    pub(super) fn id(&self, number: usize) -> Option<Oid> {
        Oid::from_bytes(self.bytes(number)?)
    }

    fn bytes(&self, number: usize) -> Option<&[u8]> {
        let length = self.format.id_len();
        let start = number.checked_mul(length)?;
        self.raw.get(start..start.checked_add(length)?)
    }

    /// The number of an id.
    pub(super) fn find(&self, id: Oid) -> Option<usize> {
        match self.slot(id.as_bytes()) {
            Slot::Of(number) => Some(number),
            Slot::Free(_) | Slot::None => None,
        }
    }

    /// The number of an id, which is added if it is not there. `None` where there are too many to number.
    pub(super) fn insert(&mut self, id: Oid) -> Option<usize> {
        if id.format() != self.format {
            return None;
        }
        // Three quarters full at most.
        if self.len().saturating_add(1).saturating_mul(4) > self.slots.len().saturating_mul(3) {
            self.rehash(self.slots.len().saturating_mul(2).max(16));
        }
        match self.slot(id.as_bytes()) {
            Slot::Of(number) => Some(number),
            Slot::None => None,
            Slot::Free(place) => {
                let number = self.len();
                let small = u32::try_from(number).ok().filter(|number| *number != FREE)?;
                *self.slots.get_mut(place)? = small;
                self.raw.extend_from_slice(id.as_bytes());
                Some(number)
            }
        }
    }

    /// Frees what finds an id, until they are numbered anew.
    pub(super) fn forget_places(&mut self) {
        self.slots = Vec::new();
    }

    /// Gives each id another number: `to` holds the new one of each, and every number once.
    pub(super) fn renumber(&mut self, mut to: Vec<u32>) {
        for number in 0..to.len() {
            // Where an id goes, the one that stood there goes on.
            while let Some(place) = to.get(number).copied().and_then(|place| usize::try_from(place).ok())
                && place != number
                && place < to.len()
            {
                self.swap(number, place);
                to.swap(number, place);
                if to.get(number) == to.get(place) {
                    break;
                }
            }
        }
        drop(to);
        self.rehash(self.len().saturating_mul(4).div_ceil(3).next_power_of_two().max(16));
    }

    fn swap(&mut self, one: usize, other: usize) {
        let length = self.format.id_len();
        let (low, high) = (one.min(other).saturating_mul(length), one.max(other).saturating_mul(length));
        let Some((before, from)) = self.raw.split_at_mut_checked(high) else { return };
        if let (Some(low), Some(high)) = (before.get_mut(low..low.saturating_add(length)), from.get_mut(..length)) {
            low.swap_with_slice(high);
        }
    }

    fn rehash(&mut self, size: usize) {
        self.slots.clear();
        self.slots.resize(size, FREE);
        for number in 0..self.len() {
            let Some(place) = self.bytes(number).map(|raw| self.slot(raw)) else { continue };
            if let (Slot::Free(place), Ok(number)) = (place, u32::try_from(number))
                && let Some(slot) = self.slots.get_mut(place)
            {
                *slot = number;
            }
        }
    }

    fn slot(&self, raw: &[u8]) -> Slot {
        let Some(mask) = self.slots.len().checked_sub(1) else { return Slot::None };
        // What does not fit is masked away.
        let mut place = usize::try_from(self.hasher.hash_one(raw) & u64::from(u32::MAX)).unwrap_or(0) & mask;
        for _ in 0..=mask {
            match self.slots.get(place) {
                None => break,
                Some(&FREE) => return Slot::Free(place),
                Some(number) => {
                    let number = usize::try_from(*number).unwrap_or(usize::MAX);
                    if self.bytes(number) == Some(raw) {
                        return Slot::Of(number);
                    }
                }
            }
            place = (place + 1) & mask;
        }
        Slot::None
    }
}

/// What stands where an id belongs.
enum Slot {
    /// The id, of this number.
    Of(usize),
    /// Nothing, in this place.
    Free(usize),
    /// There is no place.
    None,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::core::digest::Digest;

    fn oid(number: u32) -> Oid {
        Oid::from_bytes(&Digest::of(&number.to_be_bytes()).as_bytes()[..20]).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn ids_are_found_by_their_numbers_and_by_themselves(
            numbers in prop::collection::vec(0_u32..200, 0..300), order in any::<u64>()
        ) {
            let mut table = IdTable::new(ObjectFormat::Sha1);
            let mut kept: Vec<u32> = Vec::new();
            for number in &numbers {
                let known = kept.iter().position(|one| one == number);
                prop_assert_eq!(table.find(oid(*number)), known);
                let place = table.insert(oid(*number)).unwrap();
                prop_assert_eq!(place, known.unwrap_or(kept.len()));
                if known.is_none() {
                    kept.push(*number);
                }
            }
            // Another order, made of a number.
            let mut to: Vec<u32> = (0..u32::try_from(kept.len()).unwrap()).collect();
            to.sort_by_key(|number| u64::from(*number).wrapping_mul(order | 1));
            prop_assert_eq!(to.iter().collect::<BTreeSet<_>>().len(), kept.len());
            table.renumber(to.clone());
            prop_assert_eq!(table.len(), kept.len());
            for (number, to) in kept.iter().zip(&to) {
                let to = usize::try_from(*to).unwrap();
                prop_assert_eq!(table.find(oid(*number)), Some(to));
                prop_assert_eq!(table.id(to), Some(oid(*number)));
            }
            prop_assert_eq!(table.find(oid(1_000)), None);
            prop_assert_eq!(table.id(kept.len()), None);
        }
    }
}
