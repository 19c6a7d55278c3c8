//! What the ledger says of one commit.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::entries::mentions;
use super::lines::{shown, word};
use crate::core::canonical::{CanonicalOid, Time};
use crate::core::decide::Timestamp;
use crate::core::oid::Oid;
use crate::gate::recording::ledger_failure;
use crate::ledger::{self, Entry, Signatures};
use crate::system::Result;

/// What the ledger says of one commit, for `show`.
pub(crate) fn history(directory: &Path, commit: Oid) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for log in ledger::generations(directory).iter().map(PathBuf::as_path).chain([directory]) {
        lines.extend(history_in(log, commit)?);
    }
    Ok(lines)
}

fn history_in(directory: &Path, commit: Oid) -> Result<Vec<String>> {
    let id = commit.to_string();
    let mut lines = Vec::new();
    let mut decisions: BTreeMap<u64, Timestamp> = BTreeMap::new();
    let mut latest = Timestamp(0);
    ledger::read(directory, Signatures::Last, &mut |number, _, entry| {
        latest = entry.time().unwrap_or(latest);
        let at = Time(latest);
        match entry {
            Entry::Decided(_) | Entry::Continued(_) if mentions(entry, &id) => {
                let decision = if let Entry::Continued(continued) = entry { continued.decision } else { number };
                if let Entry::Decided(decided) = entry {
                    lines.push(format!("decided   {at} {} (entry {number})", word(decided.outcome)));
                    lines.extend(decided.submitter.iter().map(|who| format!("submitted by {who}")));
                }
                for update in entry.updates() {
                    let holders = update.work.iter().filter(|work| work.commits.iter().any(|(own, _)| own.0 == commit));
                    lines.extend(holders.map(|work| {
                        format!("          {}: work of {}, key {}", shown(&update.name), work.principal, work.key)
                    }));
                    let holds = update.work.iter().any(|work| work.commits.iter().any(|(own, _)| own.0 == commit));
                    lines.extend(update.approvals.iter().filter(|_| holds).map(|approval| {
                        format!("          {}: approved by {}, {}", shown(&update.name), approval.by(), approval.digest)
                    }));
                    let about = update.findings.iter().filter(|finding| finding.object == Some(CanonicalOid(commit)));
                    lines.extend(about.map(|finding| format!("          {}: {}", finding.code, finding.detail)));
                }
                decisions.insert(decision, latest);
            }
            Entry::Committed(settled) if decisions.contains_key(&settled.decision) => {
                let refs: Vec<String> = settled.refs.iter().map(shown).collect();
                lines.push(format!("landed    {at} on {} (entry {number})", refs.join(", ")));
            }
            _ => {}
        }
    })
    .map_err(|error| ledger_failure(&error))?;
    Ok(lines)
}
