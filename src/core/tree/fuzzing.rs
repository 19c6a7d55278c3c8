//! The strict reading of one tree, for a fuzzer.

use super::change::empty_tree;
use super::entry::Entries;
use super::validity::{EntryOrigin, NewSide};
use crate::core::oid::{ObjectFormat, Oid};

/// The names and ids in a tree that git would write; `None` for another. Every tree that can be read is written again.
pub(crate) fn strict_entries(raw: &[u8], format: ObjectFormat) -> Option<Vec<(Vec<u8>, Oid)>> {
    let (nothing, mut new) = (Entries::new(&[], format), Entries::new(raw, format));
    let mut side = NewSide::new(nothing, new, empty_tree(format));
    let (mut found, mut written, mut strict) = (Vec::new(), Vec::new(), true);
    while let Some(entry) = new.advance().ok()? {
        written.extend_from_slice(entry.raw);
        strict = strict && side.look(entry, EntryOrigin::Fresh).is_ok();
        found.push((entry.name.to_vec(), entry.id));
    }
    assert_eq!(written, raw, "its entries are not all of it");
    (strict && side.finish().is_ok()).then_some(found)
}
