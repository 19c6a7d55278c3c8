//! What a server knows of one commit besides the commit itself: who approved it, where it landed, where it stands, and what has come
//! up against it since.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::audit::activity::{self, Activity, What};
use crate::audit::approvals::records;
use crate::audit::log::{Found, ref_text};
use crate::audit::replay::{self, Answer};
use crate::core::approval::{ClaimedApproval, Decision, PREFIX, VerifiedApproval};
use crate::core::canonical::{RefName, Time};
use crate::core::decide::{Timestamp, approver};
use crate::core::digest::Digest;
use crate::core::limits;
use crate::core::oid::Oid;
use crate::core::policy::Policy;
use crate::desk::clone::Local;
use crate::system::process::server_git;
use crate::system::{Failure, OnDisk as _, Result};

/// A commit in a server's repository.
pub(super) struct Chain<'a> {
    pub(super) local: &'a Local,
    pub(super) ledger: PathBuf,
    pub(super) policy: Option<(&'a Policy, Timestamp)>,
    pub(super) commit: Oid,
}

impl Chain<'_> {
    /// What is told below the record's own words.
    pub(super) fn lines(&self) -> Result<Vec<String>> {
        let activity = activity::read(&self.ledger)?;
        let landed = self.landed(&activity);
        let mut lines = self.approved(&activity)?;
        let stands = self.stands()?;
        let names: Vec<String> = stands.iter().map(ref_text).collect();
        lines.push(match names.is_empty() {
            true => "stands on no ref any more".to_owned(),
            false => format!("stands on {}", names.join(", ")),
        });
        let mut against = self.against(&activity, &landed, &stands);
        against.extend(self.again(&activity)?);
        if against.is_empty() {
            against.push("nothing stands against it".to_owned());
        }
        lines.extend(against.into_iter().map(|reason| format!("since     {reason}")));
        Ok(lines)
    }

    /// When it landed on which refs, as somebody's work or as what the ref moved to.
    fn landed(&self, activity: &Activity) -> BTreeMap<RefName, Timestamp> {
        let mut landed = BTreeMap::new();
        for push in &activity.pushes {
            for update in push.updates.iter().filter(|update| update.landed && update.has(self.commit)) {
                landed.entry(update.name.clone()).or_insert(push.time);
            }
        }
        landed
    }

    /// Whose approvals name it, each with its key.
    fn approved(&self, activity: &Activity) -> Result<Vec<String>> {
        let updates = activity.pushes.iter().flat_map(|push| &push.updates).filter(|update| update.has(self.commit));
        let named: BTreeSet<Digest> = updates.flat_map(|update| &update.approvals).map(|(_, digest)| *digest).collect();
        let landed = records(&self.ledger, Some(&self.local.dir.git_dir), &named)?;
        let mut all: BTreeMap<Digest, VerifiedApproval> =
            landed.into_iter().map(|(digest, (_, record))| (digest, record)).collect();
        let limit = u64::try_from(limits::APPROVAL_BYTES).unwrap_or(u64::MAX);
        for (_, blob) in self.local.refs.list(PREFIX).map_err(Failure::new)? {
            let Ok(json) = self.local.objects.blob(blob, limit) else { continue };
            let Ok(record) = ClaimedApproval::parse(&json).and_then(ClaimedApproval::verify) else { continue };
            if record.approval().commits.iter().any(|own| own.id.0 == self.commit) {
                all.insert(record.digest(), record);
            }
        }
        Ok(all.iter().map(|(digest, record)| self.approval(*digest, record, &named)).collect())
    }

    fn approval(&self, digest: Digest, record: &VerifiedApproval, landed: &BTreeSet<Digest>) -> String {
        let approval = record.approval();
        let key = record.signature().key();
        let what = match approval.decision {
            Decision::Approve => "approved ",
            Decision::Withdraw => "withdrawn",
        };
        let whose = self.policy.map(|(policy, now)| {
            match (approver(policy, &|_| true, (approval, key)), policy.key_status(key, now).objection()) {
                (Err(_), _) if approval.attested.is_some() => ", which does not count by the policy in force",
                (Err(_), _) => ", a key that is not theirs in the policy in force",
                (Ok(_), Some(_)) => ", a key that is revoked or retired",
                (Ok(_), None) => "",
            }
        });
        let spent = if landed.contains(&digest) { ", landed" } else { ", not landed" };
        format!(
            "{what} by {} for {} on {}, key {}{}{spent}",
            approval.by(),
            ref_text(&RefName(approval.name.as_bytes().into())),
            approval.issued,
            key.fingerprint(),
            whose.unwrap_or_default()
        )
    }

    /// The refs that have it today.
    fn stands(&self) -> Result<BTreeSet<RefName>> {
        let words = ["for-each-ref", "--format=%(refname)", "--contains", &self.commit.to_string()];
        let listed = server_git(&self.local.dir.git_dir, &words).run()?;
        let names = listed.split(|byte| *byte == b'\n').filter(|name| !name.is_empty());
        Ok(names.map(|name| RefName(name.into())).collect())
    }

    fn against(
        &self,
        activity: &Activity,
        landed: &BTreeMap<RefName, Timestamp>,
        stands: &BTreeSet<RefName>,
    ) -> Vec<String> {
        let gone = landed.keys().filter(|name| !stands.contains(*name));
        let mut against: Vec<String> =
            gone.map(|name| format!("{} does not have it any more", ref_text(name))).collect();
        for past in &activity.past_the_gate {
            if let What::Moved(name, _, to) = &past.what
                && (*to == Some(self.commit) || landed.get(name).is_some_and(|time| *time <= past.time))
            {
                against.push(format!(
                    "{} moved with no decision, seen at {} (entry {})",
                    ref_text(name),
                    Time(past.time),
                    past.entry
                ));
            }
        }
        if landed.is_empty() && !stands.is_empty() {
            against.push(
                "no entry says that it landed: it came before the record, with other work, or past the gate".to_owned(),
            );
        }
        against
    }

    /// What the gate says today of the pushes by which it landed, where that is something else.
    fn again(&self, activity: &Activity) -> Result<Vec<String>> {
        let landings = activity
            .pushes
            .iter()
            .filter(|push| push.updates.iter().any(|update| update.landed && update.has(self.commit)));
        let landings: BTreeSet<(Timestamp, u64)> = landings.map(|push| (push.time, push.entry)).collect();
        if landings.is_empty() || self.policy.is_none() {
            return Ok(Vec::new());
        }
        let found = Found { directory: self.ledger.clone(), git_dir: Some(self.local.dir.git_dir.clone()) };
        let answers = replay::answers(&found, &landings)?.into_iter().map(|answer| match answer {
            Answer::Differs(words) => {
                format!("the policy in force answers otherwise to a push by which it landed: {words}")
            }
            Answer::NotJudged(reason) => format!("a push by which it landed cannot be judged again: {reason}"),
        });
        Ok(answers.collect())
    }
}

/// Whether a directory holds a ledger.
pub(super) fn has_ledger(directory: &Path) -> bool {
    directory.join("log").on_disk().exists()
}
