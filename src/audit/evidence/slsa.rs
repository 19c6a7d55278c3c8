//! The level of the source track of SLSA that the record of a ref bears out.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::audit::activity::{Activity, Push, Update, What};
use crate::audit::period::{Ends, Served};
use crate::core::canonical::{CanonicalOid, RefName, Time};
use crate::core::decide::Timestamp;
use crate::core::id::Id;
use crate::core::oid::{ObjectFormat, Oid};
use crate::core::policy::{Identity, Mode, Permission, Policy, PrincipalKind, Rule};
use crate::core::report::escape;
use crate::desk::check::full_name;
use crate::system::{Failure, Result};

/// What the record says of one ref.
#[derive(Serialize)]
pub(super) struct Level {
    repository: String,
    #[serde(rename = "ref")]
    name: RefName,
    /// 1 to 4.
    level: u8,
    /// Why it is no higher.
    because: Option<String>,
    /// Since when the controls have held without a break.
    since: String,
    /// Changes of the time, and how many of them two persons stand behind.
    changes: u64,
    by_two: u64,
    #[serde(skip)]
    tip: Option<Tip>,
}

/// The revision that the ref moved to last.
struct Tip {
    id: Oid,
    landed: Timestamp,
    persons: BTreeSet<String>,
    agents: BTreeSet<String>,
    approvers: BTreeSet<String>,
    pusher: Option<String>,
    policy: Option<String>,
}

/// The level of each ref that moved by a decision.
pub(super) fn levels(served: &Served, activity: &Activity, ends: Ends) -> Vec<Level> {
    let mut refs: BTreeMap<&RefName, Vec<(&Push, &Update)>> = BTreeMap::new();
    for push in &activity.pushes {
        for update in push.updates.iter().filter(|update| update.landed) {
            refs.entry(&update.name).or_default().push((push, update));
        }
    }
    let ours = |name: &RefName| name.0.starts_with(b"refs/countersign/");
    refs.into_iter()
        .filter(|(name, _)| !ours(name))
        .map(|(name, moves)| level(served, activity, (name, &moves), ends))
        .collect()
}

fn level(served: &Served, activity: &Activity, (name, moves): (&RefName, &[(&Push, &Update)]), ends: Ends) -> Level {
    let policy = served.policy.as_deref();
    let broken = last_break(activity, name, moves);
    let first = moves.first().map_or(ends.from, |(push, _)| push.time);
    let since = broken.map_or(first, |(time, _)| time);
    let changes: Vec<&(&Push, &Update)> =
        moves.iter().filter(|(push, update)| ends.has(push.time) && update.commits > 0).collect();
    let by_two = changes
        .iter()
        .filter(|(push, update)| persons(policy, push, update).len() >= 2 && !update.approvals.is_empty())
        .count();
    let because = why_not(served, name, (broken.filter(|(time, _)| *time >= ends.from), changes.len(), by_two));
    let (level, because) = because.map_or((4, None), |(level, reason)| (level, Some(reason)));
    let tip = moves.last().and_then(|(push, update)| {
        let agents = update.work.iter().map(|work| work.principal.clone()).filter(|id| !is_person(policy, id));
        Some(Tip {
            id: update.new?,
            landed: push.time,
            persons: persons(policy, push, update),
            agents: agents.collect(),
            approvers: update.approvals.iter().map(|(who, _)| who.clone()).collect(),
            pusher: push.submitter.clone(),
            policy: policy.map(|policy| policy.digest().to_string()),
        })
    });
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    Level {
        repository: activity.repository.clone(),
        name: name.clone(),
        level,
        because,
        since: Time(since).to_string(),
        changes: count(changes.len()),
        by_two: count(by_two),
        tip,
    }
}

/// When the controls on a ref last did not hold, and why.
fn last_break(activity: &Activity, name: &RefName, moves: &[(&Push, &Update)]) -> Option<(Timestamp, &'static str)> {
    let past = activity.past_the_gate.iter().filter_map(|past| match &past.what {
        What::Moved(moved, ..) if moved == name => Some((past.time, "it moved with no decision")),
        What::Taken(_) => Some((past.time, "refs were taken as found")),
        What::Moved(..) | What::Clock | What::Unspent(_) => None,
    });
    let through = moves
        .iter()
        .filter(|(push, _)| push.let_through())
        .map(|(push, _)| (push.time, "a push was let through that enforcing refuses"));
    past.chain(through).max_by_key(|(time, _)| *time)
}

/// The level that a ref stays at, and what keeps it there; `None` for the highest.
fn why_not(
    served: &Served,
    name: &RefName,
    (broken, changes, by_two): (Option<(Timestamp, &'static str)>, usize, usize),
) -> Option<(u8, String)> {
    let Some(policy) = served.policy.as_deref() else { return Some((1, "no policy is at hand".to_owned())) };
    let enforced = |asks: &dyn Fn(&Rule) -> bool| {
        policy.rules().iter().any(|rule| rule.mode == Mode::Enforce && rule.matches_ref(&name.0) && asks(rule))
    };
    if !served.enforces() {
        return Some((1, "the gate does not enforce".to_owned()));
    }
    if !enforced(&|rule| !rule.is_path_rule() && rule.force_push == Permission::Deny && rule.delete == Permission::Deny)
    {
        return Some((1, "no enforcing rule keeps it from being forced and deleted".to_owned()));
    }
    if !enforced(&|rule| rule.identity != Identity::None) {
        return Some((1, "no enforcing rule asks who made a commit".to_owned()));
    }
    if let Some((time, reason)) = broken {
        return Some((1, format!("{reason} on {}, and continuity begins again there", Time(time))));
    }
    if !enforced(&|rule| rule.approvals.is_some()) {
        return Some((3, "no enforcing rule asks for approvals".to_owned()));
    }
    if changes == 0 {
        return Some((3, "nothing changed in this time that two persons could stand behind".to_owned()));
    }
    (by_two < changes)
        .then(|| (3, format!("two distinct persons stand behind {by_two} of {changes} changes, no agent counted")))
}

fn is_person(policy: Option<&Policy>, id: &str) -> bool {
    let principal = policy.and_then(|policy| policy.principal(&Id::parse(id.as_bytes())?));
    principal.is_some_and(|principal| principal.kind == PrincipalKind::Person)
}

/// The persons who stand behind a change: who made, approved or pushed it.
fn persons(policy: Option<&Policy>, push: &Push, update: &Update) -> BTreeSet<String> {
    let work = update.work.iter().map(|work| work.principal.as_str());
    let approvers = update.approvals.iter().map(|(who, _)| who.as_str());
    work.chain(approvers).chain(push.pusher()).filter(|id| is_person(policy, id)).map(str::to_owned).collect()
}

impl Level {
    pub(super) fn sentence(&self) -> String {
        let name = escape(&self.name.0, 200);
        let because = self.because.as_ref().map(|reason| format!("; {reason}")).unwrap_or_default();
        format!(
            "{} {name}: source level {}, since {} ({} changes, {} of them with two persons{because})",
            self.repository, self.level, self.since, self.changes, self.by_two
        )
    }
}

/// The attestations of the revision at a ref: in-toto statements, which somebody has yet to sign.
pub(super) fn statements(levels: &[Level], name: &str, now: Timestamp) -> Result<String> {
    let name = full_name(name);
    let meant: Vec<(&Level, &Tip)> = levels
        .iter()
        .filter(|level| *level.name.0 == *name.as_bytes())
        .filter_map(|level| Some((level, level.tip.as_ref()?)))
        .collect();
    if meant.is_empty() {
        return Err(Failure::new(format!("no entry says that {} moved", escape(name.as_bytes(), 200))));
    }
    let mut lines = String::new();
    for (level, tip) in meant {
        let algorithm = if tip.id.format() == ObjectFormat::Sha256 { "sha256" } else { "gitCommit" };
        let subject = serde_json::json!([{
            "digest": { algorithm: CanonicalOid(tip.id).to_string() },
            "annotations": { "sourceRefs": [level.name] },
        }]);
        let provenance = serde_json::json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": subject,
            "predicateType": "urn:countersign:source-provenance:v1",
            "predicate": {
                "repository": level.repository, "ref": level.name, "landed": Time(tip.landed).to_string(),
                "persons": tip.persons, "agents": tip.agents, "approvers": tip.approvers, "pushed-by": tip.pusher,
                "continuity-since": level.since,
            },
        });
        let policy = tip
            .policy
            .as_ref()
            .map_or(serde_json::json!({}), |digest| serde_json::json!({ "digest": { "sha256": digest } }));
        let summary = serde_json::json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": subject,
            "predicateType": "https://slsa.dev/verification_summary/v1",
            "predicate": {
                "verifier": { "id": "urn:countersign", "version": { "countersign": env!("CARGO_PKG_VERSION") } },
                "timeVerified": Time(now).to_string(),
                "resourceUri": format!("urn:countersign:repository:{}", level.repository),
                "policy": policy,
                "verificationResult": "PASSED",
                "verifiedLevels": [format!("SLSA_SOURCE_LEVEL_{}", level.level)],
            },
        });
        lines += &format!("{provenance}\n{summary}\n");
    }
    Ok(lines)
}
