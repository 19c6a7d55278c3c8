//! Records of approvals that have landed: in the refs, or beside the log where they have left those.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::core::approval::{ClaimedApproval, PREFIX, VerifiedApproval};
use crate::core::decide::Timestamp;
use crate::core::digest::Digest;
use crate::core::limits;
use crate::desk::clone::Local;
use crate::ledger::home;
use crate::system::{Failure, Result, disk};

/// The records of these approvals, by the digests of their statements, as far as they are there.
pub(super) fn records(
    ledger: &Path,
    git_dir: Option<&Path>,
    wanted: &BTreeSet<Digest>,
) -> Result<BTreeMap<Digest, (String, VerifiedApproval)>> {
    let mut found = BTreeMap::new();
    // What is no record is nobody's approval.
    let mut add = |json: &[u8]| {
        let record = ClaimedApproval::parse(json).and_then(ClaimedApproval::verify).ok();
        if let (Some(record), Ok(json)) = (record, std::str::from_utf8(json))
            && wanted.contains(&record.digest())
        {
            found.insert(record.digest(), (json.to_owned(), record));
        }
    };
    for digest in wanted {
        let kept = disk::read(home(ledger).join("landed").join(format!("{digest}.json")));
        kept.iter().for_each(|json| add(json));
    }
    if let Some(git_dir) = git_dir.filter(|_| !wanted.is_empty()) {
        let local = Local::of_server(git_dir)?;
        let limit = u64::try_from(limits::APPROVAL_BYTES).unwrap_or(u64::MAX);
        for (_, blob) in local.refs.list(PREFIX).map_err(Failure::new)? {
            local.objects.blob(blob, limit).iter().for_each(|json| add(json));
        }
    }
    Ok(found)
}

/// When these approvals were signed, as their records say.
pub(super) fn issued(
    ledger: &Path,
    git_dir: Option<&Path>,
    wanted: &BTreeSet<Digest>,
) -> Result<BTreeMap<Digest, Timestamp>> {
    let found = records(ledger, git_dir, wanted)?;
    Ok(found.into_iter().map(|(digest, (_, record))| (digest, record.approval().issued.0)).collect())
}
