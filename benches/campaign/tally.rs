//! What was compared, and what differs: every kind of difference needs its line in [`crate::expected::EXPECTED`].

use std::collections::BTreeMap;

use crate::expected::{EXPECTED, Expected};

#[derive(Default)]
pub struct Tally {
    compared: BTreeMap<&'static str, u64>,
    differences: BTreeMap<String, Difference>,
}

/// Differences of one kind.
struct Difference {
    times: u64,
    /// The first of them.
    example: String,
}

impl Tally {
    /// Counts something that was held against something else.
    pub fn compared(&mut self, what: &'static str) {
        *self.compared.entry(what).or_default() += 1;
    }

    /// Counts a difference.
    pub fn differs(&mut self, kind: &str, example: impl FnOnce() -> String) {
        match self.differences.get_mut(kind) {
            Some(known) => known.times += 1,
            None => drop(self.differences.insert(kind.to_owned(), Difference { times: 1, example: example() })),
        }
    }

    /// Prints what was compared, what differs as it should, and what nobody has explained. Returns the number of the last.
    pub fn print(&self) -> u64 {
        println!("| compared | times |\n|---|---|");
        self.compared.iter().for_each(|(what, times)| println!("| {what} | {times} |"));
        println!("\n| times | differences | why |\n|---|---|---|");
        for Expected { kinds, why } in EXPECTED {
            let explained = self.differences.iter().filter(|(kind, _)| kinds.iter().any(|own| matches(own, kind)));
            let (mut all, mut shown) = (0, Vec::new());
            for (kind, Difference { times, .. }) in explained {
                all += times;
                shown.push(format!("{kind} ({times})"));
            }
            println!("| {all} | {} | {why} |", shown.join("; "));
        }
        let mut unexplained = 0;
        for (kind, Difference { times, example }) in &self.differences {
            if !EXPECTED.iter().any(|expected| expected.kinds.iter().any(|own| matches(own, kind))) {
                println!("\nUNEXPLAINED, {times} times: {kind}\n    {example}");
                unexplained += times;
            }
        }
        unexplained
    }
}

/// Each `*` in what is expected stands for any text.
fn matches(expected: &str, kind: &str) -> bool {
    let Some((start, rest)) = expected.split_once('*') else { return expected == kind };
    let Some(tail) = kind.strip_prefix(start) else { return false };
    (0..=tail.len()).filter_map(|from| tail.get(from..)).any(|tail| matches(rest, tail))
}
