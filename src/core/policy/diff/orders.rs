//! Who may order what.

use std::collections::BTreeSet;

use super::{Comparison, Direction};
use crate::core::id::Id;
use crate::core::policy::{OrderTerms, OverrideTerms, Policy};

impl Comparison<'_> {
    /// Compares what the policies say about orders, each with the one of its number. More people who may stop agents or revoke grants are
    /// stricter; more who may end that, or pass over findings, are weaker.
    pub(super) fn orders(&mut self) {
        let (none, layers) = (OrderTerms::default(), layers(self.old, self.new));
        for layer in layers {
            let (old, new) = (self.old.order_terms().get(&layer), self.new.order_terms().get(&layer));
            self.order_terms(old.unwrap_or(&none), new.unwrap_or(&none));
        }
    }

    fn order_terms(&mut self, old: &OrderTerms, new: &OrderTerms) {
        let OrderTerms { name, freeze_all, thaw, revoke, overrides } = old;
        if *name != new.name {
            let text = |name: &Option<Id>| name.as_ref().map_or("none".to_owned(), |name| format!("\"{name}\""));
            let message =
                format!("name {} -> {}: orders for the old name do not hold any more", text(name), text(&new.name));
            let direction = if name.is_some() { Direction::Weaker } else { Direction::Changed };
            self.add(direction, "policy", message);
        }
        match (freeze_all, &new.freeze_all) {
            (None, None) => {}
            (None, Some(may)) => {
                let message = format!("freeze-all: from everybody to {}", list(may));
                self.add(Direction::Weaker, "orders", message);
            }
            (Some(may), None) => {
                let message = format!("freeze-all: from {} to everybody", list(may));
                self.add(Direction::Stricter, "orders", message);
            }
            (Some(old), Some(new)) => self.people(("orders", "freeze-all", Direction::Stricter), old, new),
        }
        self.people(("orders", "thaw", Direction::Weaker), thaw, &new.thaw);
        self.people(("orders", "revoke", Direction::Stricter), revoke, &new.revoke);
        match (overrides, &new.overrides) {
            (None, None) => {}
            (None, Some(terms)) => {
                let message = format!("{} of {} may pass over {}", terms.count, list(&terms.from), codes(terms));
                self.add(Direction::Weaker, "override", message);
            }
            (Some(_), None) => self.add(Direction::Stricter, "override", "it is gone: nothing is passed over"),
            (Some(old), Some(new)) => self.override_terms(old, new),
        }
    }

    fn override_terms(&mut self, old: &OverrideTerms, new: &OverrideTerms) {
        let OverrideTerms { from, count, codes, at: _ } = old;
        self.people(("override", "from", Direction::Weaker), from, &new.from);
        if *count != new.count {
            let message = format!("count {count} -> {}", new.count);
            self.add(Direction::between(count, &new.count), "override", message);
        }
        for code in new.codes.difference(codes) {
            self.add(Direction::Weaker, "override", format!("{code} may be passed over"));
        }
        for code in codes.difference(&new.codes) {
            self.add(Direction::Stricter, "override", format!("{code} may no longer be passed over"));
        }
    }

    /// Compares who may do something, where one more of them goes into a direction.
    fn people(&mut self, (about, key, more): (&str, &str, Direction), old: &BTreeSet<Id>, new: &BTreeSet<Id>) {
        let fewer = if more == Direction::Weaker { Direction::Stricter } else { Direction::Weaker };
        for id in new.difference(old) {
            self.add(more, about, format!("{key}: {id} is new"));
        }
        for id in old.difference(new) {
            self.add(fewer, about, format!("{key}: {id} is gone"));
        }
    }
}

fn layers(old: &Policy, new: &Policy) -> BTreeSet<usize> {
    old.order_terms().keys().chain(new.order_terms().keys()).copied().collect()
}

fn list(ids: &BTreeSet<Id>) -> String {
    if ids.is_empty() { "nobody".to_owned() } else { ids.iter().map(Id::as_str).collect::<Vec<_>>().join(", ") }
}

fn codes(terms: &OverrideTerms) -> String {
    terms.codes.iter().map(|code| code.name()).collect::<Vec<_>>().join(", ")
}
