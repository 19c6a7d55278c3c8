//! What an entry of the ledger is about.

use crate::core::canonical::{CanonicalOid, RefName};
use crate::ledger::{Entry, Moved, UpdateRecord};

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
        | Entry::Ordered(_)
        | Entry::Overrode(_)
        | Entry::Recovered(_)
        | Entry::Continued(_) => None,
    }
}

/// What an entry says of refs.
pub(super) enum SaidOfRefs<'a> {
    /// What was decided of each.
    Decided(&'a [UpdateRecord]),
    /// Where each stood.
    Found(&'a [(RefName, Option<CanonicalOid>)]),
    /// That a decision about each has ended.
    Settled(&'a [RefName]),
    /// That each moved, from where and to where.
    Moved(&'a [Moved]),
    /// Nothing.
    Nothing,
}

pub(super) fn said_of_refs(entry: &Entry) -> SaidOfRefs<'_> {
    match entry {
        Entry::Decided(decided) => SaidOfRefs::Decided(&decided.updates),
        Entry::Continued(continued) => SaidOfRefs::Decided(&continued.updates),
        Entry::Refs(found) => SaidOfRefs::Found(&found.refs),
        Entry::Committed(settled) | Entry::Aborted(settled) => SaidOfRefs::Settled(&settled.refs),
        Entry::Unexplained(unexplained) => SaidOfRefs::Moved(&unexplained.refs),
        Entry::Opened(_)
        | Entry::Raised(_)
        | Entry::Placed(_)
        | Entry::Rekeyed(_)
        | Entry::Continues(_)
        | Entry::Carried(_)
        | Entry::Spent(_)
        | Entry::Unspent(_)
        | Entry::Clock(_)
        | Entry::Suppressed(_)
        | Entry::Ordered(_)
        | Entry::Overrode(_)
        | Entry::Recovered(_) => SaidOfRefs::Nothing,
    }
}

/// The refs that it is about.
pub(super) fn names_of(entry: &Entry) -> Box<dyn Iterator<Item = &RefName> + '_> {
    match said_of_refs(entry) {
        SaidOfRefs::Decided(updates) => Box::new(updates.iter().map(|update| &update.name)),
        SaidOfRefs::Found(refs) => Box::new(refs.iter().map(|(name, _)| name)),
        SaidOfRefs::Settled(refs) => Box::new(refs.iter()),
        SaidOfRefs::Moved(refs) => Box::new(refs.iter().map(|moved| &moved.name)),
        SaidOfRefs::Nothing => Box::new(std::iter::empty()),
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
    match said_of_refs(entry) {
        SaidOfRefs::Decided(updates) => updates.iter().any(in_update),
        SaidOfRefs::Found(refs) => refs.iter().filter_map(|(_, value)| value.as_ref()).any(is_it),
        SaidOfRefs::Moved(refs) => refs.iter().flat_map(|moved| moved.from.iter().chain(&moved.to)).any(is_it),
        SaidOfRefs::Settled(_) | SaidOfRefs::Nothing => false,
    }
}
