//! The reading of tables for a fuzzer; see [`crate::fuzzing`].

use std::collections::BTreeSet;

use super::block::Value;
use super::table::{Source, Table};

/// A table, of which each ref that is listed is found by its name, and the symbolic ones are told. The checksum of the footer is put right
/// first, which chance does not do.
pub(crate) fn table(bytes: &[u8]) -> bool {
    let mut bytes = bytes.to_vec();
    let footer = if bytes.get(4) == Some(&1) { 68 } else { 72 };
    let begin = bytes.len().saturating_sub(footer);
    if let Some((summed, sum)) = bytes.get_mut(begin..).and_then(<[u8]>::split_last_chunk_mut::<4>) {
        *sum = crc32fast::hash(summed).to_be_bytes();
    }
    let Ok(table) = Table::open(Source::Memory(bytes)) else { return false };
    let (mut refs, mut symbolic, mut names) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    let _ = table.symbolic_names(b"", &mut |name| names.extend([name.to_vec()]));
    let Ok(cursor) = table.seek(b"", usize::MAX) else { return false };
    let Some(mut cursor) = cursor else { return true };
    loop {
        match cursor.next(&table) {
            Ok(Some(value)) => refs.push((cursor.name().to_vec(), value)),
            Ok(None) => break,
            Err(_) => return false,
        }
    }
    assert!(refs.is_sorted_by(|(one, _), (other, _)| one < other), "refs are out of order");
    for (name, value) in &refs {
        let found = table.find(name).ok().flatten();
        // An index that chance wrote may lead anywhere in the file; git follows it too.
        assert!(table.has_index() || found.as_ref() == Some(value), "{} is found otherwise", name.escape_ascii());
        if matches!(value, Value::Symbolic(_)) {
            symbolic.insert(name.clone());
        }
    }
    assert!(table.has_index() || names == symbolic, "other refs are called symbolic");
    true
}
