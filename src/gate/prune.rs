//! Approvals that have landed and whose time is over leave the refs, and so do orders that are over: nothing is covered by them any more. What was signed is
//! kept beside the ledger, which says that it landed.

use crate::core::approval::{ApprovalPlace, ClaimedApproval, PREFIX};
use crate::core::canonical::{CanonicalOid, RefName};
use crate::core::decide::Timestamp;
use crate::core::digest::Digest;
use crate::core::limits;
use crate::core::objects::ReadError;
use crate::core::oid::{ObjectFormat, Oid};
use crate::core::order::{self, ClaimedOrder};
use crate::gate::recording::ServerRefs;
use crate::ledger::{Attempt, Ledger, LedgerError, Outcome, UpdateRecord, Witness};
use crate::store::{GitDir, Objects, Quarantine, Refs};
use crate::system::process::server_git;

/// Records that one push looks at: reading one takes some 0.1 ms.
const LOOKED_AT: usize = 64;

/// Seconds for which orders stay that are over: 30 days, in which they are told of.
const ORDERS_KEPT: i64 = 30 * 86_400;

/// A ref with its values before and after.
type Move = (RefName, Option<CanonicalOid>, Option<CanonicalOid>);

/// A record that is over.
struct Over {
    name: Vec<u8>,
    blob: Oid,
    statement: Digest,
    json: Vec<u8>,
}

/// Removes records for the refs that a push has moved. Each push looks at others of them.
pub(crate) fn prune(
    ledger: &Ledger,
    dir: &GitDir,
    refs: &Refs,
    moves: &[Move],
    format: ObjectFormat,
    now: Timestamp,
) -> Result<(), LedgerError> {
    let mut stored = Vec::new();
    let mut turn = 0;
    if moves.iter().any(|(name, ..)| name.0.starts_with(order::PREFIX.as_bytes())) {
        stored.extend(refs.list(order::PREFIX).map_err(failed)?);
    }
    for (name, _, new) in moves.iter().filter(|(name, ..)| !name.0.starts_with(PREFIX.as_bytes())) {
        let (Some(CanonicalOid(new)), Ok(name)) = (new, std::str::from_utf8(&name.0)) else { continue };
        stored.extend(refs.list(&ApprovalPlace::of_target(name)).map_err(failed)?);
        turn = new.as_bytes().first_chunk().map_or(0, |bytes| usize::from(u16::from_be_bytes(*bytes)));
    }
    let start = turn.checked_rem(stored.len()).unwrap_or(0);
    stored.rotate_left(start);
    stored.truncate(LOOKED_AT);
    if stored.is_empty() {
        return Ok(());
    }
    let objects = Objects::open(dir, &Quarantine::default(), format);
    let over = over(ledger, &objects.map_err(failed)?, stored, now)?;
    if over.is_empty() {
        return Ok(());
    }
    for one in &over {
        ledger.keep_landed(one.statement, &one.json)?;
    }
    // The ledger knows every ref that moves, so this is a decision like others.
    let update = |one: &Over| UpdateRecord {
        name: RefName(one.name.as_slice().into()),
        old: Some(CanonicalOid(one.blob)),
        new: None,
        commits: 0,
        outcome: Outcome::Accepted,
        findings: Vec::new(),
        left_out: None,
        work: Vec::new(),
        approvals: Vec::new(),
        order: None,
        overrides: Vec::new(),
    };
    let attempt = Attempt {
        now,
        outcome: Outcome::Accepted,
        policy: None,
        submitter: None,
        error: None,
        freezes: None,
        updates: Box::new(over.iter().map(update).collect::<Vec<_>>()),
        suspects: Vec::new(),
        counted: Vec::new(),
    };
    ledger.decide(attempt, &ServerRefs(refs))?;
    delete(dir, refs, &over)?;
    let gone: Vec<_> =
        over.into_iter().map(|one| (RefName(one.name.into()), Some(CanonicalOid(one.blob)), None)).collect();
    ledger.committed(now, &gone, Witness::PostReceive).map(drop)
}

/// Deletes the refs of these records. Tables are git's to write, which tells a reference-transaction hook of it; the decision is made.
fn delete(dir: &GitDir, refs: &Refs, over: &[Over]) -> Result<(), LedgerError> {
    if !refs.are_tables() {
        return refs.delete(over.iter().map(|one| (one.name.as_slice(), one.blob))).map_err(failed);
    }
    let line = |one: &Over| [b"delete ", one.name.as_slice(), format!(" {}\n", one.blob).as_bytes()].concat();
    let lines: Vec<u8> = over.iter().flat_map(line).collect();
    let deleted = server_git(&dir.git_dir, &["update-ref", "--no-deref", "--stdin"]).input(&lines).run();
    deleted.map(drop).map_err(|failure| LedgerError::Refs(failure.message))
}

/// The records that have landed and are expired, and the orders that have been over for long.
fn over(
    ledger: &Ledger,
    objects: &Objects,
    stored: Vec<(Vec<u8>, Oid)>,
    now: Timestamp,
) -> Result<Vec<Over>, LedgerError> {
    let receipts = ledger.receipts()?;
    let limit = u64::try_from(limits::APPROVAL_BYTES).unwrap_or(u64::MAX);
    let mut over = Vec::new();
    for (name, blob) in stored {
        let json = objects.blob(blob, limit).map_err(failed)?;
        if name.starts_with(order::PREFIX.as_bytes()) {
            let Ok(record) = ClaimedOrder::parse(&json).and_then(ClaimedOrder::verify) else { continue };
            if record.order().is_over(Timestamp(now.0.saturating_sub(ORDERS_KEPT))) {
                over.push(Over { name, blob, statement: record.digest(), json });
            }
            continue;
        }
        // What is no good record is not ours to remove.
        let Ok(record) = ClaimedApproval::parse(&json).and_then(ClaimedApproval::verify) else { continue };
        if record.approval().expires.0 < now && receipts.find(ledger, record.digest())?.is_some() {
            over.push(Over { name, blob, statement: record.digest(), json });
        }
    }
    Ok(over)
}

fn failed(error: ReadError) -> LedgerError {
    LedgerError::Refs(error.to_string())
}
