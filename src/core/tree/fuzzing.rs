//! The strict reading of one tree, for a fuzzer.

use super::change::empty_tree;
use super::entry::Entries;
use super::validity::{Glance, check};
use crate::core::oid::{ObjectFormat, Oid};

/// The names and ids in a tree that git would write; `None` for another. Every tree that can be read is written again.
pub(crate) fn strict_entries(raw: &[u8], format: ObjectFormat) -> Option<Vec<(Vec<u8>, Oid)>> {
    let (nothing, whole) = (Entries::new(&[], format), Entries::new(raw, format));
    let (mut found, mut written, mut new, mut glance) = (Vec::new(), Vec::new(), whole, Glance::default());
    while let Some(entry) = new.advance().ok()? {
        written.extend_from_slice(entry.raw);
        glance.fresh(&entry, empty_tree(format));
        found.push((entry.name.to_vec(), entry.id));
    }
    assert_eq!(written, raw, "its entries are not all of it");
    let is_strict = check(nothing, whole, empty_tree(format)).is_ok();
    assert!(is_strict || glance.is_in_doubt(), "at a glance it seemed to be as git writes it");
    is_strict.then_some(found)
}
