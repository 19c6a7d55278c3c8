//! Who may order what ([`crate::core::order`]): `[orders]`, `[override]`, and the name by which an order means all that a policy governs.

use std::collections::{BTreeMap, BTreeSet};

use super::Policy;
use super::principals::{Principal, PrincipalKind, id};
use super::problem::Location;
use super::reader::{Located, Problems, Table};
use super::rules::Resolver;
use crate::core::decide::Code;
use crate::core::id::Id;
use crate::core::text::nearest::nearest;

/// What one of the policies given together says about orders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrderTerms {
    /// What it is called.
    pub name: Option<Id>,
    /// Who may freeze every agent; `None` where it does not say.
    pub freeze_all: Option<BTreeSet<Id>>,
    /// Who may end freezes of others.
    pub thaw: BTreeSet<Id>,
    /// Who may revoke grants of every agent.
    pub revoke: BTreeSet<Id>,
    /// How its own findings are passed over; `None` where they are not.
    pub overrides: Option<OverrideTerms>,
}

/// `[override]`: how findings of a policy are passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverrideTerms {
    /// Whose override counts.
    pub from: BTreeSet<Id>,
    /// How many of them it takes.
    pub count: usize,
    /// What may be passed over.
    pub codes: BTreeSet<Code>,
    /// Where it stands.
    pub at: Location,
}

/// How many people an override takes where the policy does not say.
const HANDS: usize = 2;

impl Policy {
    /// What each of the policies given together says about orders, by its number. One that says nothing is not among them.
    pub fn order_terms(&self) -> &BTreeMap<usize, OrderTerms> {
        &self.orders
    }

    /// Whether one of the policies given together has this name.
    pub fn is_called(&self, name: &Id) -> bool {
        self.orders.values().any(|terms| terms.name.as_ref() == Some(name))
    }

    /// Whether a person may freeze every agent. Where several policies say who may, each adds to the others: a freeze only refuses.
    pub fn may_freeze_all(&self, person: &Principal) -> bool {
        let mut said = self.orders.values().filter_map(|terms| terms.freeze_all.as_ref()).peekable();
        let anybody = said.peek().is_none();
        person.kind == PrincipalKind::Person && (anybody || said.any(|may| may.contains(&person.id)))
    }

    /// Whether a person may end what somebody else froze whom the policy of number `layer` was the first to know: a policy given later
    /// ends nothing for one given before it.
    pub fn may_thaw(&self, person: &Principal, layer: usize) -> bool {
        let may = |(own, terms): (&usize, &OrderTerms)| *own <= layer && terms.thaw.contains(&person.id);
        person.kind == PrincipalKind::Person && self.orders.iter().any(may)
    }

    /// Whether somebody may revoke any grant of an agent: its owner, or whom a policy lists.
    pub fn may_revoke(&self, by: &Principal, agent: &Id) -> bool {
        let owns = self.principal(agent).is_some_and(|agent| agent.owner.as_ref() == Some(&by.id));
        let listed = || self.orders.values().any(|terms| terms.revoke.contains(&by.id));
        by.kind == PrincipalKind::Person && (owns || listed())
    }

    /// Whether a person's override counts for any finding at all.
    pub fn may_override(&self, person: &Principal) -> bool {
        let counts = |terms: &OrderTerms| terms.overrides.as_ref().is_some_and(|one| one.from.contains(&person.id));
        person.kind == PrincipalKind::Person && self.orders.values().any(counts)
    }

    /// How findings of one of the policies given together are passed over.
    pub fn override_terms(&self, layer: usize) -> Option<&OverrideTerms> {
        self.orders.get(&layer)?.overrides.as_ref()
    }

    /// What the policy says about orders, a sentence each.
    pub fn describe_orders(&self) -> Vec<String> {
        let list = |ids: &BTreeSet<Id>| ids.iter().map(Id::as_str).collect::<Vec<_>>().join(", ");
        let mut words = Vec::new();
        for OrderTerms { name, freeze_all, thaw, revoke, overrides } in self.orders.values() {
            words.extend(
                name.as_ref()
                    .map(|name| format!("The policy is called {name}, by which an order means all that it governs.")),
            );
            words.extend(freeze_all.as_ref().map(|may| match may.is_empty() {
                true => "Nobody may freeze every agent at once.".to_owned(),
                false => format!("Only these may freeze every agent at once: {}.", list(may)),
            }));
            if !thaw.is_empty() {
                words.push(format!("These may end freezes of others: {}.", list(thaw)));
            }
            if !revoke.is_empty() {
                words.push(format!("These may revoke grants of every agent: {}.", list(revoke)));
            }
            if let Some(OverrideTerms { from, count, codes, at: _ }) = overrides {
                let codes: Vec<&str> = codes.iter().map(|code| code.name()).collect();
                words.push(format!(
                    "{count} of these may accept one move in spite of {} (countersign override): {}.",
                    codes.join(", "),
                    list(from)
                ));
            }
        }
        words
    }
}

/// Marks the keys of orders as known, where a file is read for everything else.
pub(super) fn pass_over(top: &mut Table<'_>) {
    let mut ignored = Problems::default();
    let _ = top.string("name", &mut ignored);
    for key in ["orders", "override"] {
        let _ = top.table(key, &mut ignored);
    }
}

/// Reads what one file says about orders.
pub(super) fn read(resolver: &Resolver<'_>, top: &mut Table<'_>, terms: &mut OrderTerms, problems: &mut Problems) {
    if let Some(name) = top.string("name", problems) {
        match id(&name, problems) {
            Some(own) if terms.name.as_ref().is_some_and(|other| *other != own) => {
                problems.error(&name.at, "the policy has another name in another file", "say it once");
            }
            own => terms.name = own,
        }
    }
    if let Some(mut table) = top.table("orders", problems) {
        if table.has("freeze-all") {
            let people = people(resolver, &mut table, "freeze-all", problems);
            terms.freeze_all.get_or_insert_default().extend(people);
        }
        terms.thaw.extend(people(resolver, &mut table, "thaw", problems));
        terms.revoke.extend(people(resolver, &mut table, "revoke", problems));
        table.finish(problems);
    }
    if let Some(table) = top.table("override", problems) {
        if let Some(known) = &terms.overrides {
            let message = format!("[override] is said already, at {}:{}", known.at.file, known.at.line);
            problems.error(&table.at, message, "say it once");
        }
        terms.overrides = override_terms(resolver, table, problems);
    }
}

fn people(resolver: &Resolver<'_>, table: &mut Table<'_>, key: &'static str, problems: &mut Problems) -> BTreeSet<Id> {
    let names = table.strings(key, problems);
    names.iter().flat_map(|name| resolver.people_named(name, problems)).collect()
}

fn override_terms(resolver: &Resolver<'_>, mut table: Table<'_>, problems: &mut Problems) -> Option<OverrideTerms> {
    let at = table.at.clone();
    let from = people(resolver, &mut table, "from", problems);
    let count = table.integer("count", problems);
    let names = table.strings("codes", problems);
    let codes: BTreeSet<Code> = names.iter().filter_map(|name| code(name, problems)).collect();
    table.finish(problems);
    let hands = match &count {
        None => HANDS,
        Some(count) => usize::try_from(count.value).unwrap_or(0),
    };
    let place = count.map_or_else(|| at.clone(), |count| count.at);
    if hands == 0 {
        problems.error(&place, "an override takes nobody", "write count = 2, or leave [override] out");
    } else if hands == 1 {
        problems.warn(&place, "one person alone passes over what the policy refuses", "write count = 2");
    }
    if codes.is_empty() {
        problems.error(&at, "[override] names no code that may be passed over", "add codes = [\"approval-missing\"]");
    }
    let able = from.iter().filter(|id| resolver.registry.principals.get(id).is_some_and(|one| !one.keys.is_empty()));
    let able = able.count();
    if able < hands {
        let message = format!("an override takes {hands} people, and {able} of those in `from` have a registered key");
        problems.error(&at, message, "list more people in from, with their keys");
    }
    Some(OverrideTerms { from, count: hands.max(1), codes, at })
}

fn code(name: &Located<&str>, problems: &mut Problems) -> Option<Code> {
    let Some(code) = Code::parse(name.value) else {
        let near = nearest(name.value, Code::ALL.iter().map(|code| code.name()));
        let fix = near.map_or_else(|| "CODES.md lists them".to_owned(), |near| format!("did you mean \"{near}\"?"));
        problems.error(&name.at, format!("\"{}\" is no finding code", name.value), fix);
        return None;
    };
    if code.may_be_overridden() {
        return Some(code);
    }
    let message = format!("{code} is never passed over");
    problems.error(&name.at, message, "leave it out: mend what is pushed, or have an admin look at it");
    None
}
