//! The reading of trees for a fuzzer; see [`crate::fuzzing`].

use super::tree::{Entry, EntryMode, parse_tree};
use crate::core::oid::ObjectFormat;

/// A tree, which is written again, and read by gix.
pub(crate) fn tree(bytes: &[u8]) -> bool {
    let mut taken = false;
    for format in [ObjectFormat::Sha1, ObjectFormat::Sha256] {
        let Ok(entries) = parse_tree(bytes, format) else { continue };
        taken = true;
        let written: Vec<u8> = entries.iter().flat_map(written).collect();
        assert_eq!(written, bytes, "it is written otherwise");
        let foreign = gix::objs::TreeRefIter::from_bytes(bytes, super::objects::gix_format(format));
        let foreign: Vec<_> = foreign.filter_map(Result::ok).map(|entry| (entry.filename, entry.oid)).collect();
        let own: Vec<_> = entries.iter().map(|entry| (entry.name, entry.id)).collect();
        let same = |((name, id), (own_name, own_id)): (&(&gix::bstr::BStr, &gix::hash::oid), &(&[u8], _))| {
            name == own_name && super::objects::own_id(id) == *own_id
        };
        assert!(own.len() == foreign.len() && foreign.iter().zip(&own).all(same), "gix reads {foreign:?}");
    }
    taken
}

fn written(entry: &Entry<'_>) -> Vec<u8> {
    let Entry { mode, name, id } = entry;
    // Git writes the mode of a directory with five digits, and shows it with six.
    let octal = if *mode == EntryMode::Directory { "40000" } else { mode.octal() };
    [octal.as_bytes(), b" ", name, b"\0", id.as_bytes()].concat()
}
