//! Which marks of agents count under a rule: asked for identity, for approvals and for tags alike.

use super::{RuleContext, Timestamp};
use crate::core::marks::{Mark, Strength};
use crate::core::policy::{Marks, Rule};

/// What a mark does under a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkWeight {
    /// It shows that an agent made the commit.
    Counts,
    /// It is too unsure, or too new to the list: it warns.
    Warns,
    /// The rule does not look at it.
    Nothing,
}

/// What a mark does under a rule, at this time.
pub fn mark_weight(rule: &Rule, mark: &Mark, now: Timestamp) -> MarkWeight {
    match (rule.marks, mark.strength) {
        (Marks::Ignore, _) | (Marks::Authored, Strength::Disclosed) => MarkWeight::Nothing,
        (Marks::Authored | Marks::Any, Strength::Low) => MarkWeight::Warns,
        (Marks::Authored | Marks::Any, Strength::Authored) | (Marks::Any, Strength::Disclosed) => {
            if rule.is_new(mark, now) { MarkWeight::Warns } else { MarkWeight::Counts }
        }
    }
}

impl RuleContext<'_> {
    /// The first mark that counts.
    pub(super) fn mark<'m>(&self, marks: &'m [Mark]) -> Option<&'m Mark> {
        marks.iter().find(|mark| mark_weight(self.rule, mark, self.now) == MarkWeight::Counts)
    }

    /// The first mark that warns, and how it says so.
    pub(super) fn faint_mark<'m>(&self, marks: &'m [Mark]) -> Option<(&'m Mark, String)> {
        let mark = marks.iter().find(|mark| mark_weight(self.rule, mark, self.now) == MarkWeight::Warns)?;
        let words = match mark.added.filter(|_| self.rule.is_new(mark, self.now)).and_then(Rule::counts_from) {
            Some(day) => {
                format!("it bears a mark of {} (\"{}\") that is new and counts from {day} on", mark.agent, mark.line)
            }
            None => format!("it may bear the mark of {} (\"{}\")", mark.agent, mark.line),
        };
        Some((mark, words))
    }

    /// The encoding of a commit, where the rule looks at marks and nobody can say which it shows in that encoding.
    pub(super) fn unreadable<'m>(&self, encoding: Option<&'m String>) -> Option<&'m String> {
        encoding.filter(|_| self.rule.marks != Marks::Ignore)
    }
}

#[cfg(test)]
mod tests {
    use super::MarkWeight::*;
    use super::*;
    use crate::core::marks::MarkSource;
    use crate::core::policy::{Policy, Source, load};

    fn policy(top: &str, rule: &str) -> Policy {
        let text = format!(
            "version = 1\n{top}\n[[rule]]\nname = \"r\"\nrefs = [\"refs/heads/**\"]\nidentity = \"agents\"\n{rule}\n"
        );
        load(vec![Source { name: "policy.toml".into(), text }], &mut |_, _| Err("no file".into())).unwrap().policy
    }

    fn weight(policy: &Policy, now: i64, trailer: &str) -> MarkWeight {
        let message = format!("Fix\n\n{trailer}\n");
        let source =
            MarkSource { author_name: b"A", author_email: b"a@x", message: message.as_bytes(), encoding: None };
        let marks = policy.marks().find(&source);
        mark_weight(&policy.rules()[0], &marks[0], Timestamp(now))
    }

    const OLD: &str = "Co-Authored-By: Claude <noreply@anthropic.com>";
    /// Of 2026-11-28.
    const NEW: &str = "Co-Authored-By: Crush <crush@charm.land>";
    const LOW: &str = "Executed-By: a/b";
    const DISCLOSED: &str = "AI-Assisted: x";
    /// The first second of 2026-11-28.
    const DAY: i64 = 1_795_824_000;

    #[test]
    fn a_rule_says_which_marks_count() {
        for (rule, expected) in [
            ("", [Counts, Counts, Warns, Nothing]),
            ("marks = \"any\"", [Counts, Counts, Warns, Counts]),
            ("marks = \"ignore\"", [Nothing; 4]),
        ] {
            let policy = policy("", rule);
            assert_eq!([OLD, NEW, LOW, DISCLOSED].map(|trailer| weight(&policy, DAY, trailer)), expected, "{rule}");
        }
    }

    #[test]
    fn a_row_newer_than_the_policy_warns_for_thirty_days() {
        let month = 30 * 86_400;
        for (top, now, expected) in [
            ("marks-date = 2026-11-27", DAY, Warns),
            ("marks-date = 2026-11-27", DAY - month, Warns),
            ("marks-date = 2026-11-27", DAY + month + 86_399, Warns),
            ("marks-date = 2026-11-27", DAY + month + 86_400, Counts),
            ("marks-date = 2026-11-28", DAY, Counts),
            ("", DAY, Counts),
        ] {
            let policy = policy(top, "");
            assert_eq!(weight(&policy, now, NEW), expected, "{top} {now}");
            assert_eq!(weight(&policy, now, OLD), Counts);
            assert_eq!(weight(&policy, now, LOW), Warns);
        }
        assert_eq!(weight(&policy("marks-date = 2026-11-27", "marks = \"ignore\""), DAY, NEW), Nothing);
    }
}
