//! What a new policy asks less than the old one, and what more: rule by rule, ref by ref, class by class, principal by principal.
//!
//! Weaker means that something the old policy refuses might pass under the new one. It errs on that side: what cannot be told
//! is weaker.

mod grants;
mod keys;
mod marks;
mod orders;
mod registry;

#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::glob::{Below, LetterCase};
use super::reach::{Cover, Example, How, Question};
use super::rules::Patterns;
use super::{Identity, Mode, OutOfBand, Policy, Rule};

/// Which way a difference goes. The weakest comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// Something that was refused might pass.
    Weaker,
    /// Something that passed might be refused.
    Stricter,
    /// Neither, as far as refusing goes.
    Changed,
}

impl Direction {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Weaker => "weaker",
            Self::Stricter => "stricter",
            Self::Changed => "changed",
        }
    }

    /// That from one value to another, of which the greater asks more.
    fn between<T: Ord>(old: &T, new: &T) -> Self {
        match new.cmp(old) {
            Ordering::Greater => Self::Stricter,
            Ordering::Equal => Self::Changed,
            Ordering::Less => Self::Weaker,
        }
    }

    /// That from one list of the accepted to another.
    fn between_lists<T: Copy>(old: T, new: T, is_within: impl Fn(T, T) -> bool) -> Self {
        match (is_within(new, old), is_within(old, new)) {
            (true, false) => Self::Stricter,
            (true, true) => Self::Changed,
            (false, _) => Self::Weaker,
        }
    }
}

/// One thing that two policies do not say alike.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PolicyDifference {
    /// Which way it goes.
    pub direction: Direction,
    /// What it is about: `rule "main"`, `class "pipeline"`, `agent "claude-code"`, `policy`.
    pub about: String,
    /// What differs, in lower case without a full stop.
    pub message: String,
}

/// Compares two policies.
pub fn diff(old: &Policy, new: &Policy) -> Vec<PolicyDifference> {
    // Each of these is compared below, or follows from what is: a new field does not compile before somebody thinks of it.
    let Policy {
        digest: _,
        repository: _,
        refuses_unmatched: _,
        out_of_band: _,
        marks: _,
        marks_dates: _,
        files: _,
        rules: _,
        principals: _,
        keys: _,
        certificates: _,
        accounts: _,
        revoked: _,
        retired: _,
        grants: _,
        orders: _,
        tolerated: _,
    } = old;
    let mut comparison = Comparison { old, new, found: BTreeSet::new() };
    comparison.policy();
    comparison.marks();
    comparison.registry();
    comparison.grants();
    comparison.orders();
    for rule in old.rules() {
        match new.rules().iter().find(|other| other.name == rule.name) {
            Some(other) => comparison.rule(rule, other),
            None => comparison.gone(rule),
        }
    }
    for rule in new.rules() {
        if !old.rules().iter().any(|other| other.name == rule.name) {
            comparison.add(Direction::Stricter, about(rule), added(rule));
        }
        comparison.vouching(rule);
    }
    comparison.found.into_iter().collect()
}

struct Comparison<'a> {
    old: &'a Policy,
    new: &'a Policy,
    found: BTreeSet<PolicyDifference>,
}

fn about(rule: &Rule) -> String {
    format!("rule \"{}\"", rule.name)
}

fn added(rule: &Rule) -> String {
    format!("it is new ({}:{}), about {}", rule.at.file, rule.at.line, rule.ref_patterns().join(", "))
}

impl Comparison<'_> {
    fn add(&mut self, direction: Direction, about: impl Into<String>, message: impl Into<String>) {
        self.found.insert(PolicyDifference { direction, about: about.into(), message: message.into() });
    }

    /// What the policies say outside their tables.
    fn policy(&mut self) {
        let (old, new) = (self.old, self.new);
        if old.repository() != new.repository() {
            let name = |policy: &Policy| policy.repository().map_or("none".to_owned(), |name| format!("\"{name}\""));
            let message = format!(
                "repository {} -> {}: seals and approvals for the old name do not count for the new one",
                name(old),
                name(new)
            );
            self.add(Direction::Changed, "policy", message);
        }
        if old.out_of_band() != new.out_of_band() {
            let word = |policy: &Policy| match policy.out_of_band() {
                OutOfBand::Mirror => "mirror",
                OutOfBand::Record => "record",
                OutOfBand::Refuse => "refuse",
            };
            let weaker = new.out_of_band() < old.out_of_band();
            let direction = if weaker { Direction::Weaker } else { Direction::Stricter };
            let message = format!("out-of-band \"{}\" -> \"{}\"", word(old), word(new));
            self.add(direction, "policy", message);
        }
        match (old.refuses_unmatched.is_some(), new.refuses_unmatched.is_some()) {
            (true, false) => self.add(Direction::Weaker, "policy", "unmatched \"refuse\" -> \"allow\""),
            (false, true) => self.add(Direction::Stricter, "policy", "unmatched \"allow\" -> \"refuse\""),
            (true, true) => self.newly_matched(),
            (false, false) => {}
        }
    }

    /// Where refs that no rule matches are refused, a widened pattern opens refs.
    fn newly_matched(&mut self) {
        let (old, new) = (self.old, self.new);
        for rule in new.rules().iter().filter(|rule| governs(rule)) {
            for own in refs(rule).each() {
                let others = old.rules().iter().filter(|other| governs(other)).map(refs).collect();
                let found = Question { own, others, within: None, how: How::Matched }.example();
                if let Some(example) = words(&found) {
                    let message = format!("\"{}\" opens refs that no rule matched: {example}", own.text());
                    self.add(Direction::Weaker, about(rule), message);
                }
            }
        }
    }

    /// A rule that both policies have.
    fn rule(&mut self, old: &Rule, new: &Rule) {
        let mut found = BTreeSet::new();
        keys::compare(old, new, &mut found);
        self.reach(old, new, &mut found);
        let held = found.iter().any(|one| one.direction == Direction::Weaker) && self.is_held(old);
        for mut one in found {
            if one.direction == Direction::Weaker && old.mode != Mode::Enforce {
                one.direction = Direction::Changed;
                one.message += " (the old rule refused nothing)";
            } else if one.direction == Direction::Weaker && held {
                one.direction = Direction::Changed;
                one.message += " (what it refused, other rules refuse)";
            }
            self.found.insert(one);
        }
    }

    /// A rule that the new policy does not have.
    fn gone(&mut self, rule: &Rule) {
        let place = format!("it is gone ({}:{})", rule.at.file, rule.at.line);
        let (direction, message) = if rule.mode != Mode::Enforce {
            (Direction::Changed, format!("{place}; it refused nothing"))
        } else if self.is_held(rule) {
            (Direction::Changed, format!("{place}; what it refused, other rules refuse"))
        } else {
            (Direction::Weaker, format!("{place}, which was about {}", rule.ref_patterns().join(", ")))
        };
        self.add(direction, about(rule), message);
    }

    /// The refs and paths that two rules of one name are about, pattern by pattern.
    fn reach(&self, old: &Rule, new: &Rule, found: &mut BTreeSet<PolicyDifference>) {
        let mut add = |direction, about: String, message: String| {
            found.insert(PolicyDifference { direction, about, message });
        };
        for (pattern, example) in self.lost_refs(old, new) {
            add(Direction::Weaker, about(old), format!("of \"{pattern}\" it no longer governs {example}"));
        }
        for (pattern, example) in beyond(&new.refs, &[&old.refs], LetterCase::Exact) {
            add(Direction::Stricter, about(old), format!("by \"{pattern}\" it now governs {example}"));
        }
        match (&old.paths, &new.paths) {
            (None, None) => {}
            (None, Some(_)) => {
                let message = format!("from every commit to those that touch {}", new.class_names().join(", "));
                add(Direction::Weaker, about(old), message);
            }
            (Some(_), None) => {
                let message = format!("from commits that touch {} to every commit", old.class_names().join(", "));
                add(Direction::Stricter, about(old), message);
            }
            (Some(before), Some(after)) => {
                let (all_before, all_after): (Vec<_>, Vec<_>) = (before.values().collect(), after.values().collect());
                for (class, patterns) in before {
                    for (pattern, example) in beyond(patterns, &all_after, LetterCase::Folded) {
                        let message = format!("of \"{pattern}\", {example} is no path of {} any more", about(old));
                        add(Direction::Weaker, format!("class \"{class}\""), message);
                    }
                }
                for (class, patterns) in after {
                    for (pattern, example) in beyond(patterns, &all_before, LetterCase::Folded) {
                        let message = format!("by \"{pattern}\", {example} is now a path of {}", about(old));
                        add(Direction::Stricter, format!("class \"{class}\""), message);
                    }
                }
            }
        }
    }

    /// What a rule of the old policy governs and its successor does not, and what is not refused for having no rule.
    fn lost_refs<'a>(&'a self, old: &'a Rule, new: &'a Rule) -> Vec<(&'a str, String)> {
        let lost = |own: Cover<'a>| {
            let found = Question { own, others: vec![refs(new)], within: self.open(), how: How::Matched }.example();
            words(&found).map(|example| (own.text(), example))
        };
        refs(old).each().filter_map(lost).collect()
    }

    /// The refs that the new policy does not refuse for having no rule; `None` where that are all.
    fn open(&self) -> Option<Vec<Cover<'_>>> {
        let refuses = self.new.refuses_unmatched.is_some();
        refuses.then(|| self.new.rules().iter().filter(|rule| governs(rule)).map(refs).collect())
    }

    /// Whether the new policy refuses all that this rule of the old one refuses, whatever its rules are called.
    fn is_held(&self, rule: &Rule) -> bool {
        let strong = |other: &&Rule| other.refuses_as_much(rule) && holds_paths(other, rule);
        let others = self.new.rules().iter().filter(strong).map(refs).collect();
        let lost = Question { own: refs(rule), others, within: self.open(), how: How::Matched };
        lost.example() == Example::None
    }

    /// What a ref holds when a rule comes over it was not judged by that rule, and is not judged again where other refs'
    /// rules ask no more ([`crate::core::scope`]).
    fn vouching(&mut self, rule: &Rule) {
        let asks =
            |rule: &Rule| rule.identity != Identity::None || rule.approvals.is_some() || rule.submitters.is_some();
        if rule.mode != Mode::Enforce || !asks(rule) {
            return;
        }
        let (old, new) = (self.old, self.new);
        for other in new.rules().iter().filter(|other| asks(other) && rule.covers(other)) {
            let before = old.rules().iter().find(|before| before.name == other.name && before.mode == Mode::Enforce);
            let Some(before) = before.filter(|before| asks(before)) else { continue };
            for own in refs(rule).each() {
                let judged = old.rules().iter().filter(|one| one.mode == Mode::Enforce && one.covers(before));
                let others = judged.map(refs).collect();
                let found = Question { own, others, within: None, how: How::Matched }.example();
                if let Some(example) = words(&found) {
                    let message = format!(
                        "\"{}\" comes over {example}: what such refs hold already counts as judged for {}",
                        own.text(),
                        about(other)
                    );
                    self.add(Direction::Weaker, about(rule), message);
                }
            }
        }
    }
}

/// Whether a rule counts as matching refs.
fn governs(rule: &Rule) -> bool {
    rule.mode != Mode::Off && !rule.is_path_rule()
}

/// Whether a rule is about every path that another is about.
fn holds_paths(rule: &Rule, other: &Rule) -> bool {
    match (&rule.paths, &other.paths) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(own), Some(other)) => {
            let own: Vec<_> = own.values().collect();
            other.values().all(|patterns| beyond(patterns, &own, LetterCase::Folded).is_empty())
        }
    }
}

/// The refs of a rule.
fn refs(rule: &Rule) -> Cover<'_> {
    Cover::of(&rule.refs, LetterCase::Exact)
}

/// For each pattern, an example of what it covers beyond others.
fn beyond<'a>(patterns: &'a Patterns, others: &[&'a Patterns], case: LetterCase) -> Vec<(&'a str, String)> {
    let lost = |own: Cover<'a>| {
        let others: Vec<Cover<'a>> = others.iter().map(|other| Cover::of(other, case)).collect();
        let ask = |how| words(&Question { own, others: others.clone(), within: None, how }.example());
        let found = ask(How::Matched).or_else(|| {
            let behind =
                |below| ask(How::Standing(below)).map(|path| format!("{path}, put in the place of a directory,"));
            (case == LetterCase::Folded).then(|| behind(Below::Named).or_else(|| behind(Below::Anything))).flatten()
        });
        found.map(|example| (own.text(), example))
    };
    Cover::of(patterns, case).each().filter_map(lost).collect()
}

fn words(example: &Example) -> Option<String> {
    match example {
        Example::None => None,
        Example::Text(text) => Some(text.clone()),
        Example::Unknown => Some("something, perhaps (the patterns cannot be compared)".to_owned()),
    }
}
