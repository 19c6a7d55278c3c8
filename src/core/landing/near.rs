//! What keeps an approval from covering a commit that it nearly covers.

use super::coverage::{Use, missing, unapproved_agent};
use super::{Brought, Landing};
use crate::core::approval::{Approval, ApprovedCommit};
use crate::core::oid::Oid;

/// Why an approval that is about a commit does not cover it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NearMiss {
    /// It does not approve the work of this agent.
    Agent {
        /// The agent that sealed.
        agent: String,
    },
    /// It has landed before, and what would land is not the commits that it names.
    Spent,
    /// A merge does other than what was approved.
    Merge,
    /// The commits were approved in another order or with others between them.
    Order,
    /// It names commits that would not land.
    Part {
        /// One of them.
        missing: Oid,
    },
    /// A commit has an approved content and another message.
    Message {
        /// The commit as approved.
        approved: Oid,
    },
    /// A commit has an approved message, and other content: where both can be compared, they change one path to different things.
    Content {
        /// The commit as approved.
        approved: Oid,
        /// The path; `None` where the approved commit is not in the repository to say which.
        path: Option<Vec<u8>>,
    },
}

/// Why an approval does not cover a new commit, where it nearly does. `None` where it is about something else: sharing a message says
/// nothing, as many commits do.
pub fn near(approval: &Approval, landing: &Landing, used: Use, commit: Oid) -> Option<NearMiss> {
    let content = landing.new.get(&commit)?;
    let named = approval.commits.iter().any(|approved| approved.id.0 == commit);
    let step = landing.steps.iter().find(|step| step.commit == commit);
    let squashed = step.is_some_and(|step| step.merge.is_none() && step.change == Some(approval.change.0));
    let same_change = |approved: &&ApprovedCommit| content.change == Some(approved.change.0) && !content.is_empty;
    let same_message = |approved: &&ApprovedCommit| content.message == approved.message.0;
    let rebased = approval.commits.iter().any(|approved| same_change(&approved) && same_message(&approved));
    if (named || squashed || rebased)
        && let Some(agent) = unapproved_agent(approval, content)
    {
        return Some(NearMiss::Agent { agent: agent.clone() });
    }
    if named {
        let part = missing(approval, landing).map(|missing| NearMiss::Part { missing });
        return part.or_else(|| (used == Use::LandedByContent).then_some(NearMiss::Spent));
    }
    if (squashed || rebased) && used != Use::Fresh {
        return Some(NearMiss::Spent);
    }
    if let Some(Brought { commits, .. }) = step.and_then(|step| step.merge.as_ref()) {
        let brings = approval.commits.iter().any(|approved| commits.contains(&approved.id.0));
        return brings
            .then(|| missing(approval, landing).map_or(NearMiss::Merge, |missing| NearMiss::Part { missing }));
    }
    if rebased {
        return Some(absent(approval, landing).map_or(NearMiss::Order, |missing| NearMiss::Part { missing }));
    }
    // What has landed is no nearer to other work that looks like it.
    let open = |approved: &&ApprovedCommit| !landing.already.contains(&approved.id.0);
    if used != Use::Fresh {
        return None;
    }
    if let Some(approved) = approval.commits.iter().filter(open).find(same_change) {
        return Some(NearMiss::Message { approved: approved.id.0 });
    }
    let moved = |approved: &ApprovedCommit| {
        let path = landing.moved.get(&(approved.id.0, commit))?.clone();
        Some(NearMiss::Content { approved: approved.id.0, path })
    };
    approval.commits.iter().filter(open).find_map(moved)
}

/// A commit of the approval of which nothing that lands has the change and message.
fn absent(approval: &Approval, landing: &Landing) -> Option<Oid> {
    let like = |approved: &ApprovedCommit| {
        landing.already.contains(&approved.id.0)
            || landing
                .new
                .values()
                .any(|content| content.change == Some(approved.change.0) && content.message == approved.message.0)
    };
    approval.commits.iter().find(|approved| !like(approved)).map(|approved| approved.id.0)
}
