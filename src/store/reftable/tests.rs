use std::path::Path;

use super::block::Value;
use super::fuzzing;
use super::table::{Source, Table};
use crate::core::oid::ObjectFormat;

/// A table that git wrote.
fn seed(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus/reftable").join(name)).unwrap()
}

fn open(bytes: &[u8]) -> Result<Table, String> {
    Table::open(Source::Memory(bytes.to_vec())).map_err(|fault| fault.to_string())
}

#[test]
fn finds_what_git_wrote() {
    for (name, format) in [("seed-indexed-0", ObjectFormat::Sha1), ("seed-sha256-0", ObjectFormat::Sha256)] {
        let table = open(&seed(name)).unwrap();
        assert!(table.has_index() && table.format() == format);
        let alias = table.find(b"refs/heads/alias").unwrap();
        assert_eq!(alias, Some(Value::Symbolic(b"refs/heads/master".to_vec())));
        assert!(matches!(table.find(b"refs/tags/v1").unwrap(), Some(Value::Id { peeled: Some(_), .. })));
        assert!(matches!(table.find(b"refs/heads/topic/9").unwrap(), Some(Value::Id { peeled: None, .. })));
        for absent in ["refs/heads/topic/99", "refs/tags/v2", "A", "", "refs/heads/topic/2"] {
            assert_eq!(table.find(absent.as_bytes()).unwrap(), None, "{absent}");
        }
    }
    assert_eq!(open(&seed("seed-plain-1")).unwrap().find(b"refs/heads/topic/1").unwrap(), Some(Value::Deletion));
}

#[test]
fn no_part_of_a_table_is_one() {
    for name in ["seed-plain-0", "seed-indexed-0", "seed-sha256-0"] {
        let whole = seed(name);
        for length in 0..whole.len() {
            assert!(open(&whole[..length]).is_err(), "{length} bytes of {name}");
        }
    }
}

#[test]
fn header_and_footer_are_held_against_each_other_and_the_checksum() {
    let whole = seed("seed-indexed-0");
    for at in (0..24).chain(whole.len() - 68..whole.len()) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        assert!(open(&bytes).is_err(), "byte {at}");
    }
}

/// Every byte of a table, made larger, smaller and none: it is read otherwise or refused, and nothing that is listed is lost by name.
#[test]
fn every_changed_byte_is_borne() {
    for name in ["seed-plain-0", "seed-plain-1", "seed-indexed-0", "seed-sha256-0"] {
        let whole = seed(name);
        for at in 0..whole.len() {
            for mask in [0x01, 0x80, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] ^= mask;
                fuzzing::table(&bytes);
            }
        }
    }
}
