//! What is ordered of an agent, as `show` and `agent show` tell it.

use crate::core::canonical::Time;
use crate::core::decide::Timestamp;
use crate::core::facts::Doubt;
use crate::core::id::RepositoryName;
use crate::core::order::{Freeze, Orders};
use crate::core::policy::{Policy, Principal};
use crate::core::report::escape;
use crate::desk::clone::Local;
use crate::gate::facts::orders::StoredOrders;
use crate::gate::order_store::stores_for;
use crate::gate::ref_values::StoredRefs;
use crate::system::{Failure, Result};

/// Where orders are looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Whence {
    /// In the refs that this clone has.
    Clone,
    /// In a server's repository, and the stores that an admin keeps around it.
    Server,
}

/// All that is ordered, as far as it is known there.
pub(super) fn known(
    local: &Local,
    whence: Whence,
    (policy, repository): (&Policy, &RepositoryName),
    now: Timestamp,
) -> Result<Orders> {
    let stores = match whence {
        Whence::Clone => Vec::new(),
        Whence::Server => stores_for(&local.dir).map_err(Failure::new)?,
    };
    let values = StoredRefs { refs: &local.refs, objects: &local.objects };
    let stored = StoredOrders::list(&local.objects, &values, &stores, std::iter::empty()).map_err(told)?;
    stored.in_force((policy, repository), &|_| true, now).map_err(told)
}

fn told(doubt: Doubt) -> Failure {
    Failure::new(doubt.reason())
}

/// What is ordered of an agent, a line each.
pub(super) fn lines(orders: &Orders, agent: &Principal) -> Vec<String> {
    let freezes = orders.freezes().iter().filter(|freeze| freeze.whom.covers(agent));
    let mut lines: Vec<String> = freezes.map(freeze_line).collect();
    lines.extend(orders.revocations_of(&agent.id).map(|one| {
        let (by, what, issued) = (one.by.id(), one.what(), Time(one.issued));
        format!("revoked   {by} revoked {what} at {issued}: {}", one.reason)
    }));
    // The reasons are other people's words.
    lines.iter().map(|line| escape(line.as_bytes(), 1000)).collect()
}

fn freeze_line(freeze: &Freeze) -> String {
    match &freeze.thawed {
        None => format!("frozen    {}", freeze.words()),
        Some((who, when)) => format!("thawed    by {who} at {}: {}", Time(*when), freeze.words()),
    }
}
