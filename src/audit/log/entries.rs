//! What an entry of the ledger is about.

use crate::core::canonical::{CanonicalOid, RefName};
use crate::ledger::{Entry, UpdateRecord};

/// What a decision says of each ref.
pub(super) fn updates_of(entry: &Entry) -> &[UpdateRecord] {
    match entry {
        Entry::Decided(decided) => &decided.updates,
        Entry::Continued(continued) => &continued.updates,
        Entry::Opened(_)
        | Entry::Raised(_)
        | Entry::Placed(_)
        | Entry::Rekeyed(_)
        | Entry::Continues(_)
        | Entry::Carried(_)
        | Entry::Spent(_)
        | Entry::Unspent(_)
        | Entry::Clock(_)
        | Entry::Refs(_)
        | Entry::Committed(_)
        | Entry::Aborted(_)
        | Entry::Unexplained(_)
        | Entry::Suppressed(_)
        | Entry::Recovered(_) => &[],
    }
}

/// Who pushed, where it is about a push or about some that were counted.
pub(super) fn submitter_of(entry: &Entry) -> Option<&str> {
    match entry {
        Entry::Decided(decided) => decided.submitter.as_deref(),
        Entry::Suppressed(suppressed) => suppressed.submitter.as_deref(),
        Entry::Opened(_)
        | Entry::Raised(_)
        | Entry::Placed(_)
        | Entry::Rekeyed(_)
        | Entry::Continues(_)
        | Entry::Carried(_)
        | Entry::Spent(_)
        | Entry::Unspent(_)
        | Entry::Clock(_)
        | Entry::Refs(_)
        | Entry::Committed(_)
        | Entry::Aborted(_)
        | Entry::Unexplained(_)
        | Entry::Recovered(_)
        | Entry::Continued(_) => None,
    }
}

/// The refs that it is about.
pub(super) fn names_of(entry: &Entry) -> Box<dyn Iterator<Item = &RefName> + '_> {
    match entry {
        Entry::Refs(found) => Box::new(found.refs.iter().map(|(name, _)| name)),
        Entry::Committed(settled) | Entry::Aborted(settled) => Box::new(settled.refs.iter()),
        Entry::Unexplained(unexplained) => Box::new(unexplained.refs.iter().map(|moved| &moved.name)),
        Entry::Opened(_)
        | Entry::Raised(_)
        | Entry::Placed(_)
        | Entry::Rekeyed(_)
        | Entry::Continues(_)
        | Entry::Carried(_)
        | Entry::Spent(_)
        | Entry::Unspent(_)
        | Entry::Clock(_)
        | Entry::Decided(_)
        | Entry::Continued(_)
        | Entry::Suppressed(_)
        | Entry::Recovered(_) => Box::new(updates_of(entry).iter().map(|update| &update.name)),
    }
}

/// Whether it is about an object whose id begins so.
pub(super) fn mentions(entry: &Entry, prefix: &str) -> bool {
    let is_it = |id: &CanonicalOid| id.to_string().starts_with(prefix);
    let in_update = |update: &UpdateRecord| {
        update.old.iter().chain(&update.new).any(is_it)
            || update.findings.iter().filter_map(|finding| finding.object.as_ref()).any(is_it)
            || update.work.iter().flat_map(|work| &work.commits).any(|(id, _)| is_it(id))
    };
    match entry {
        Entry::Refs(found) => found.refs.iter().filter_map(|(_, value)| value.as_ref()).any(is_it),
        Entry::Unexplained(seen) => seen.refs.iter().flat_map(|moved| moved.from.iter().chain(&moved.to)).any(is_it),
        Entry::Opened(_)
        | Entry::Raised(_)
        | Entry::Placed(_)
        | Entry::Rekeyed(_)
        | Entry::Continues(_)
        | Entry::Carried(_)
        | Entry::Spent(_)
        | Entry::Unspent(_)
        | Entry::Clock(_)
        | Entry::Decided(_)
        | Entry::Continued(_)
        | Entry::Committed(_)
        | Entry::Aborted(_)
        | Entry::Suppressed(_)
        | Entry::Recovered(_) => updates_of(entry).iter().any(in_update),
    }
}
