//! The rows about AI marks that two policies add, and the day up to which they know the built-in ones.

use std::collections::{BTreeMap, BTreeSet};

use super::{Comparison, Direction};
use crate::core::marks::{MarkKind, RowOrigin, Strength};
use crate::core::policy::{Date, Policy};

/// What a row finds, with what a match says and of whom.
type OwnRows<'p> = BTreeMap<(MarkKind, &'p str), (Strength, &'p str)>;

impl Comparison<'_> {
    /// Compares what two policies say about marks outside their rules.
    pub(super) fn marks(&mut self) {
        let (old, new) = (own_rows(self.old), own_rows(self.new));
        for ((kind, pattern), (before, agent)) in &old {
            let row = format!("the row {} {pattern}", kind.name());
            match new.get(&(*kind, *pattern)) {
                None => self.add(Direction::Weaker, "marks-file", format!("{row} of {agent} is gone")),
                Some((after, other)) if before != after => {
                    let direction = Direction::between(&weight(*before), &weight(*after));
                    let message = format!("{row} {} -> {} ({agent} -> {other})", words(*before), words(*after));
                    self.add(direction, "marks-file", message);
                }
                Some((_, other)) if agent != other => {
                    self.add(Direction::Changed, "marks-file", format!("{row} is of {other}, not {agent}"));
                }
                Some(_) => {}
            }
        }
        for ((kind, pattern), (_, agent)) in new.iter().filter(|(row, _)| !old.contains_key(*row)) {
            self.add(Direction::Stricter, "marks-file", format!("the row {} {pattern} of {agent} is new", kind.name()));
        }
        self.marks_dates();
    }

    fn marks_dates(&mut self) {
        let (old, new) = (&self.old.marks_dates, &self.new.marks_dates);
        let layers: BTreeSet<usize> = old.keys().chain(new.keys()).copied().collect();
        for layer in layers {
            let (before, after) = (old.get(&layer), new.get(&layer));
            if before != after {
                let text = |date: Option<&Date>| date.map_or("none".to_owned(), ToString::to_string);
                let message = format!("marks-date {} -> {}", text(before), text(after));
                // With no date every row counts.
                let known = |date: Option<&Date>| (date.is_none(), date.copied());
                self.add(Direction::between(&known(before), &known(after)), "policy", message);
            }
        }
    }
}

fn own_rows(policy: &Policy) -> OwnRows<'_> {
    let mut own = OwnRows::new();
    for row in policy.marks().rows().filter(|row| row.origin == RowOrigin::Added) {
        let said = own.entry((row.kind, row.pattern.as_str())).or_insert((row.strength, row.agent.as_str()));
        // Of two rows that find the same, the one that asks more decides.
        if weight(row.strength) > weight(said.0) {
            *said = (row.strength, row.agent.as_str());
        }
    }
    own
}

/// How much a mark can refuse: nothing; under `marks = "any"`; under `"authored"` too.
fn weight(strength: Strength) -> u8 {
    match strength {
        Strength::Low => 0,
        Strength::Disclosed => 1,
        Strength::Authored => 2,
    }
}

fn words(strength: Strength) -> &'static str {
    match strength {
        Strength::Low => "warns",
        Strength::Disclosed => "discloses",
        Strength::Authored => "counts",
    }
}
