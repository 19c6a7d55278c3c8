//! `override-invalid`, and what is accepted in spite of findings: a move of a ref that as many people as the policy wants have named, with
//! its value before and after, and whose findings all have codes that the policy lets them pass over.
//!
//! It is all or nothing. Where one finding stays, all of them do, and what the override lacks is told beside them.

use std::collections::BTreeSet;

use super::hint::ref_word;
use super::{Code, Findings, Overridden, RuleName, Severity, UpdateContext};
use crate::core::id::Id;
use crate::core::oid::Oid;
use crate::core::order::Override;
use crate::core::policy::{Below, Rule};

/// Judges whether what was found is passed over. It comes last.
pub(super) fn judge(context: &UpdateContext<'_>, findings: &mut Findings<'_>) {
    let update = context.update;
    let of_move: Vec<&Override> = context.facts.orders.overrides_of(&update.name, update.old, update.new).collect();
    if of_move.is_empty() || update.order.is_some() || update.record.is_some() {
        return;
    }
    let found = Found::of(findings);
    if found.errors.is_empty() && !found.undecided {
        return;
    }
    match (Passing { context, of_move: &of_move }).judge(&found) {
        Ok(overridden) => findings.pass_over(overridden),
        Err(why) => {
            let again = command(context, &found);
            let hint = format!("mend what is found; or have as many people as it takes run, within the hour:\n{again}");
            findings.protect(Code::OverrideInvalid, why, hint);
        }
    }
}

/// The command by which a person names this move and all that was found.
fn command(context: &UpdateContext<'_>, found: &Found) -> String {
    let value = |id: Option<Oid>| id.map_or_else(|| "none".to_owned(), |id| id.to_string());
    let update = context.update;
    let codes: BTreeSet<&str> = found.errors.iter().map(|(code, _)| code.name()).collect();
    let codes: Vec<&str> = codes.into_iter().collect();
    format!(
        "countersign override {} --from {} --to {} --code {} --because TEXT",
        ref_word(&update.name),
        value(update.old),
        value(update.new),
        codes.join(" ")
    )
}

/// What keeps an update from being accepted.
struct Found {
    /// Codes, each with the rules that ask.
    errors: BTreeSet<(Code, Vec<RuleName>)>,
    undecided: bool,
}

impl Found {
    fn of(findings: &Findings<'_>) -> Self {
        let collected = &findings.collected;
        let kept = collected.findings.iter().filter(|finding| finding.severity == Severity::Error);
        let mut errors: BTreeSet<_> = kept.map(|finding| (finding.code, finding.rules.clone())).collect();
        let counted = collected.more.keys().filter(|(severity, ..)| *severity == Severity::Error);
        errors.extend(counted.map(|(_, code, _, rule)| (*code, rule.iter().cloned().collect())));
        let undecided = collected.undecided.iter().any(|doubt| doubt.severity == Severity::Error);
        Self { errors, undecided }
    }
}

struct Passing<'a> {
    context: &'a UpdateContext<'a>,
    of_move: &'a [&'a Override],
}

impl Passing<'_> {
    /// Whose orders pass over all that was found, or why they do not.
    fn judge(&self, found: &Found) -> Result<Vec<Overridden>, String> {
        if found.undecided {
            return Err("what cannot be decided is not passed over".to_owned());
        }
        if self.context.update.policy.as_ref().is_some_and(|policy| policy.changes) {
            return Err("the push changes the policy itself, which nobody passes over".to_owned());
        }
        for (code, rules) in &found.errors {
            self.judge_one(*code, rules)?;
        }
        let codes: BTreeSet<Code> = found.errors.iter().map(|(code, _)| *code).collect();
        let of = |one: &&Override| Overridden {
            by: one.by.clone(),
            digest: one.digest,
            codes: codes.iter().copied().filter(|code| names(one, *code)).collect(),
            reason: one.reason.clone(),
        };
        Ok(self.of_move.iter().map(of).filter(|one| !one.codes.is_empty()).collect())
    }

    fn judge_one(&self, code: Code, rules: &[RuleName]) -> Result<(), String> {
        if !code.may_be_overridden() {
            return Err(format!("{code} is never passed over"));
        }
        let policy = self.context.policy;
        let asking: Vec<&Rule> =
            policy.rules().iter().filter(|rule| rules.iter().any(|name| *name == RuleName::of(rule))).collect();
        let files = self.context.update.policy.iter().flat_map(|policy| &policy.files);
        let guards = |rule: &&Rule| {
            rule.is_path_rule() && files.clone().any(|file| rule.touches(file.as_bytes(), Below::Named).is_some())
        };
        if let Some(rule) = asking.iter().copied().find(|rule| guards(rule)) {
            return Err(format!("rule \"{}\" guards the policy itself, and nothing of that is passed over", rule.name));
        }
        if rules.is_empty() && self.context.update.policy.is_some() && code != Code::AgentFrozen {
            return Err(format!("{code} is about the policy itself, and nothing of that is passed over"));
        }
        // What holds without a rule, the first of the policies given together says.
        let layers: BTreeSet<usize> =
            if rules.is_empty() { BTreeSet::from([0]) } else { asking.iter().map(|rule| rule.layer).collect() };
        layers.into_iter().try_for_each(|layer| self.judge_layer(code, layer))
    }

    /// Whether as many people as one of the policies wants pass over a code of it.
    fn judge_layer(&self, code: Code, layer: usize) -> Result<(), String> {
        let Some(terms) = self.context.policy.override_terms(layer) else {
            return Err(format!("the policy that asks for it says nothing of passing over {code} ([override])"));
        };
        if !terms.codes.contains(&code) {
            return Err(format!(
                "the policy lets nobody pass over {code} ([override] codes, {}:{})",
                terms.at.file, terms.at.line
            ));
        }
        let hands: BTreeSet<&Id> = self
            .of_move
            .iter()
            .filter(|one| names(one, code) && terms.from.contains(&one.by))
            .map(|one| &one.by)
            .collect();
        if hands.len() < terms.count {
            let who: Vec<&str> = hands.iter().map(|id| id.as_str()).collect();
            let who = if who.is_empty() { "nobody whom the policy lists".to_owned() } else { who.join(", ") };
            return Err(format!("{code} is passed over by {who}, and it takes {}", terms.count));
        }
        Ok(())
    }
}

fn names(one: &Override, code: Code) -> bool {
    one.of.codes.iter().any(|name| name == code.name())
}

impl Findings<'_> {
    /// Makes warnings of what refuses the update.
    fn pass_over(&mut self, overridden: Vec<Overridden>) {
        let collected = &mut self.collected;
        let warn = |severity: &mut Severity| {
            if *severity == Severity::Error {
                *severity = Severity::Warning;
            }
        };
        collected.findings.iter_mut().for_each(|finding| warn(&mut finding.severity));
        for ((mut severity, code, whose, rule), count) in std::mem::take(&mut collected.more) {
            warn(&mut severity);
            *collected.more.entry((severity, code, whose, rule)).or_default() += count;
        }
        collected.overridden = overridden;
    }
}

#[cfg(test)]
mod tests;
