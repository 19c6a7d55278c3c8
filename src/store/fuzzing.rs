//! The reading of trees for a fuzzer; see [`crate::fuzzing`].

use crate::core::oid::ObjectFormat;
use crate::core::tree::strict_entries;

/// A tree, which is written again, and read by gix.
pub(crate) fn tree(bytes: &[u8]) -> bool {
    let mut taken = false;
    for format in [ObjectFormat::Sha1, ObjectFormat::Sha256] {
        let Some(entries) = strict_entries(bytes, format) else { continue };
        taken = true;
        let foreign = gix::objs::TreeRefIter::from_bytes(bytes, super::objects::gix_format(format));
        let foreign: Vec<_> = foreign.filter_map(Result::ok).map(|entry| (entry.filename, entry.oid)).collect();
        let same = |((name, id), (own_name, own_id)): (&(&gix::bstr::BStr, &gix::hash::oid), &(Vec<u8>, _))| {
            name == own_name && super::objects::own_id(id) == *own_id
        };
        let agree = entries.len() == foreign.len() && foreign.iter().zip(&entries).all(same);
        assert!(agree, "gix reads {foreign:?}");
    }
    taken
}

/// An index of git's, of either format. What it says of its tree is git's to judge; here it must come to an end.
pub(crate) fn index(bytes: &[u8]) -> bool {
    [ObjectFormat::Sha1, ObjectFormat::Sha256]
        .into_iter()
        .filter(|format| super::index::tree_of(bytes, format.id_len()).is_some())
        .count()
        > 0
}
