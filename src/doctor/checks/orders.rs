//! Orders: what people passed over of late, and stores that are none.

use std::collections::BTreeMap;
use std::path::Path;

use super::Check;
use crate::core::canonical::Time;
use crate::core::decide::Timestamp;
use crate::doctor::server::Checkup;
use crate::gate::order_store::{passed_over, stores_for};
use crate::gate::recording::override_words;
use crate::gate::shim::quoted;
use crate::ledger::{Entry, OverriddenMove};
use crate::store::GitDir;

/// Seconds for which overrides are told: 30 days.
const TOLD_FOR: i64 = 30 * 86_400;

/// Moves that were accepted in spite of findings, as a log tells them.
#[derive(Default)]
pub(super) struct Overrides {
    /// By the number of the decision, until it is known which refs moved.
    decided: BTreeMap<u64, (Time, Vec<OverriddenMove>)>,
    moved: Vec<OverriddenMove>,
}

impl Overrides {
    /// Takes in one entry after the other.
    pub(super) fn note(&mut self, number: u64, entry: &Entry) {
        let (decision, time, updates) = match entry {
            Entry::Decided(decided) => (number, decided.time, &decided.updates),
            Entry::Continued(continued) => {
                let time = self.decided.get(&continued.decision).map_or(Time(Timestamp(0)), |(time, _)| *time);
                (continued.decision, time, &continued.updates)
            }
            Entry::Committed(settled) => {
                let moves = self.decided.get_mut(&settled.decision).map(|(_, moves)| moves);
                let landed =
                    moves.into_iter().flat_map(|moves| moves.extract_if(.., |one| settled.refs.contains(&one.name)));
                return self.moved.extend(landed);
            }
            Entry::Overrode(overrode) => return self.moved.extend(overrode.moves.iter().cloned()),
            _ => return,
        };
        let overridden = updates.iter().filter(|update| !update.overrides.is_empty());
        let moves: Vec<OverriddenMove> = overridden
            .map(|update| OverriddenMove {
                name: update.name.clone(),
                time,
                old: update.old,
                new: update.new,
                overrides: update.overrides.clone(),
            })
            .collect();
        if !moves.is_empty() {
            self.decided.entry(decision).or_insert_with(|| (time, Vec::new())).1.extend(moves);
        }
    }
}

impl Checkup<'_> {
    /// Tells of each override of the last 30 days.
    pub(super) fn overrides(&mut self, place: &str, overrides: &Overrides) {
        let told = |moved: &&OverriddenMove| self.now.0.saturating_sub(moved.time.0.0) < TOLD_FOR;
        for moved in overrides.moved.iter().filter(told).collect::<Vec<_>>() {
            let fix = "look at what came in:\ncountersign log show --overrides --server REPO.git".to_owned();
            self.report.warn(&place, Check::Override, override_words(moved), fix);
        }
    }

    /// Tells of directories that look like stores of orders and count for nothing, since others can change them.
    pub(in crate::doctor) fn order_stores(&mut self, dir: &GitDir) {
        let Ok(counted) = stores_for(dir) else { return };
        for store in passed_over(dir, &counted) {
            if self.told.insert((store.clone(), Check::OpenOrders)) {
                let message =
                    "others can change what looks like a store of orders, so that none of it counts".to_owned();
                let fix = open_fix(&store);
                self.report.error(&store.display(), Check::OpenOrders, message, fix);
            }
        }
    }
}

fn open_fix(store: &Path) -> String {
    format!(
        "let root or the owner of the repositories own it, and nobody else write there:\nchmod go-w {}",
        quoted(store)
    )
}
