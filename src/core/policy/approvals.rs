//! What a rule asks of approvals.

use std::collections::BTreeSet;

use super::principals::{Principal, PrincipalKind, Registry, id};
use super::problem::Location;
use super::reader::{Located, Problems, Table};
use super::rules::Resolver;
use crate::core::id::Id;
use crate::core::ssh::PublicKey;

/// Whose work a rule wants approved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whose {
    /// That of agents: sealed, marked, adopted, or made by a service.
    Agents,
    /// Every commit.
    Everyone,
}

/// A length of time, as a policy writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// Seconds.
    pub seconds: i64,
}

impl Span {
    /// Parses a number with a unit: `30m`, `8h`, `14d` or `2w`.
    pub fn parse(text: &str) -> Option<Self> {
        let unit = match text.bytes().last()? {
            b'm' => 60,
            b'h' => 3600,
            b'd' => 86_400,
            b'w' => 604_800,
            _ => return None,
        };
        let digits = text.get(..text.len() - 1)?;
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.len() <= 6;
        let number: i64 = plain.then(|| digits.parse().ok()).flatten()?;
        (number > 0).then_some(Self { seconds: number * unit })
    }
}

impl std::fmt::Display for Span {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (number, unit) = match self.seconds {
            seconds if seconds % 86_400 == 0 => (seconds / 86_400, "day"),
            seconds if seconds % 3600 == 0 => (seconds / 3600, "hour"),
            seconds => (seconds / 60, "minute"),
        };
        write!(out, "{number} {unit}{}", if number == 1 { "" } else { "s" })
    }
}

/// What a rule asks of approvals (POLICY.md, `[rule.approvals]`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approvals {
    /// How many persons.
    pub count: usize,
    /// Whose work needs them.
    pub whose: Whose,
    /// The persons whose approval counts.
    pub from: BTreeSet<Id>,
    /// The people and groups as the policy names them.
    pub from_names: Vec<String>,
    /// How old an approval may be.
    pub max_age: Option<Span>,
    /// Whether a person must have touched the token that signed.
    pub presence: bool,
    /// Whether the token must have verified who touched it.
    pub verification: bool,
    /// Whether somebody besides those who stand behind the work must approve it.
    pub independent: bool,
    /// Whether a merge that an eligible person signed is that person's approval of what it brings in.
    pub signed_merge: bool,
    /// The services at whose word a person's approval counts.
    pub attested: BTreeSet<Id>,
}

impl Approvals {
    /// Whether what satisfies this always satisfies `other`.
    pub(super) fn is_at_least(&self, other: &Self) -> bool {
        let Self {
            count,
            whose,
            from,
            from_names: _,
            max_age,
            presence,
            verification,
            independent,
            signed_merge,
            attested,
        } = self;
        let within_age = match (*max_age, other.max_age) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(own), Some(other)) => own <= other,
        };
        *count >= other.count
            && *whose >= other.whose
            && from.is_subset(&other.from)
            && within_age
            && *presence >= other.presence
            && *verification >= other.verification
            && *independent >= other.independent
            && *signed_merge <= other.signed_merge
            && attested.is_subset(&other.attested)
    }

    /// Whether a key is one whose signatures can satisfy this.
    pub fn can_sign(&self, key: &PublicKey) -> bool {
        key.algorithm().is_security_key() || !self.asks_for_a_touch()
    }

    /// Whether somebody must have touched the hardware key that signs it: nobody does in a forge's pages.
    pub fn asks_for_a_touch(&self) -> bool {
        self.presence || self.verification
    }
}

const WHOSE: &[(&str, Whose)] = &[("agents", Whose::Agents), ("everyone", Whose::Everyone)];

impl Resolver<'_> {
    /// Reads `[rule.approvals]`.
    pub(super) fn approvals(&self, mut table: Table<'_>, problems: &mut Problems) -> Approvals {
        let at = table.at.clone();
        let count = table.integer("count", problems);
        let count = match count {
            Some(count) if count.value < 1 => {
                problems.error(&count.at, "a rule cannot ask for less than one approval", "leave [rule.approvals] out");
                1
            }
            Some(count) => usize::try_from(count.value).unwrap_or(usize::MAX),
            None => 1,
        };
        let names = table.strings("from", problems);
        if names.is_empty() {
            let fix = "add from = [\"...\"]: people, or groups of people";
            problems.error(&at, "the rule does not say whose approval counts", fix);
        }
        let mut from = BTreeSet::new();
        for name in &names {
            from.extend(self.people_named(name, problems));
        }
        let max_age = table.string("max-age", problems).and_then(|text| span(&text, problems));
        let approvals = Approvals {
            count,
            whose: table.word("for", WHOSE, problems).unwrap_or(Whose::Agents),
            from,
            from_names: names.iter().map(|name| name.value.to_owned()).collect(),
            max_age,
            presence: table.flag("presence", problems),
            verification: table.flag("verification", problems),
            independent: table.flag("independent", problems),
            signed_merge: table.flag("signed-merge", problems),
            attested: self.attesting(&mut table, problems),
        };
        table.finish(problems);
        self.check_attested(&approvals, &at, problems);
        if !names.is_empty() {
            self.check_enough(&approvals, &at, problems);
        }
        approvals
    }

    /// The services that `attested` lists.
    fn attesting(&self, table: &mut Table<'_>, problems: &mut Problems) -> BTreeSet<Id> {
        let mut services = BTreeSet::new();
        for entry in table.strings("attested", problems) {
            let Some(wanted) = id(&entry, problems) else { continue };
            let known = self.registry.principals.get(&wanted).filter(|one| one.layer <= self.layer);
            match known.filter(|one| one.kind == PrincipalKind::Service) {
                Some(service) if service.attests => drop(services.insert(wanted)),
                Some(_) => {
                    let message = format!("service `{wanted}` does not attest approvals");
                    problems.error(
                        &entry.at,
                        message,
                        format!("add attests = true to [services.{wanted}], or leave it out"),
                    );
                }
                None => {
                    let message = format!("`{wanted}` is no service");
                    problems.error(&entry.at, message, format!("add [services.{wanted}] with attests = true"));
                }
            }
        }
        services
    }

    /// What is not to be missed where approvals count at the word of a service.
    fn check_attested(&self, approvals: &Approvals, at: &Location, problems: &mut Problems) {
        if approvals.attested.is_empty() {
            return;
        }
        let services = approvals.attested.iter().map(Id::as_str).collect::<Vec<_>>().join(" or ");
        if approvals.asks_for_a_touch() {
            let message = format!("the rule asks for a hardware key, so no approval counts at the word of {services}");
            return problems.warn(at, message, "leave out `attested`, or `presence` and `verification`");
        }
        if !approvals.from.iter().any(|id| self.has_account(id)) {
            let message = format!("nobody in `from` has an account by which {services} could name them");
            problems.warn(at, message, "add accounts = [\"...\"] to people, as the forge calls them");
        }
        let message = format!(
            "who has the key of {services} can make up approvals by everybody in `from` who has an account in the policy"
        );
        let fix = "keep the key where nothing runs but what receives the forge's events; or leave `attested` out";
        problems.warn(at, message, fix);
    }

    fn has_account(&self, id: &Id) -> bool {
        self.registry.principals.get(id).is_some_and(|person| !person.accounts.is_empty())
    }

    pub(super) fn people_named(&self, name: &Located<&str>, problems: &mut Problems) -> BTreeSet<Id> {
        let Some(wanted) = id(name, problems) else { return BTreeSet::new() };
        let registry: &Registry = self.registry;
        let person = |id: &Id| {
            let found = registry.principals.get(id).filter(|one| one.layer <= self.layer);
            found.is_some_and(|one| one.kind == PrincipalKind::Person)
        };
        if let Some(group) = registry.groups.get(&wanted).filter(|group| group.layer <= self.layer) {
            let people: BTreeSet<Id> =
                group.members.iter().map(|member| &member.value).filter(|id| person(id)).cloned().collect();
            if people.is_empty() {
                problems.error(&name.at, format!("the group `{wanted}` has no person in it"), "only people count here");
            }
            return people;
        }
        match registry.principals.get(&wanted).filter(|one| one.layer <= self.layer) {
            Some(one) if one.kind == PrincipalKind::Person => return BTreeSet::from([wanted]),
            Some(one) => {
                let message = format!("`{wanted}` is no person but {} {}", article(one.kind), one.kind.noun());
                problems.error(&name.at, message, "only people count here: list people, or groups of people");
            }
            None => {
                problems.error(
                    &name.at,
                    format!("`{wanted}` is no person or group"),
                    "list people, or groups of people",
                );
            }
        }
        BTreeSet::new()
    }

    /// A rule that asks for more people than there are refuses everything.
    fn check_enough(&self, approvals: &Approvals, at: &Location, problems: &mut Problems) {
        let at_a_word = !approvals.attested.is_empty() && !approvals.asks_for_a_touch();
        let can = |person: &&Principal| {
            let signs = person.keys.iter().any(|key| approvals.can_sign(key));
            signs || (at_a_word && self.has_account(&person.id))
        };
        let able = approvals.from.iter().filter_map(|id| self.registry.principals.get(id)).filter(can).count();
        if able < approvals.count {
            let key = match (approvals.asks_for_a_touch(), at_a_word) {
                (true, _) => "hardware key (sk-)",
                (false, false) => "key",
                (false, true) => "key or account",
            };
            let message = format!(
                "the rule asks for {} {}, and {able} of those in `from` {} a registered {key}",
                approvals.count,
                if approvals.count == 1 { "approval" } else { "approvals" },
                if able == 1 { "has" } else { "have" },
            );
            problems.error(at, message, "register their keys, or ask for fewer");
        }
    }
}

const fn article(kind: PrincipalKind) -> &'static str {
    match kind {
        PrincipalKind::Agent => "an",
        PrincipalKind::Person | PrincipalKind::Service => "a",
    }
}

/// A span of a policy.
pub(super) fn span(text: &Located<&str>, problems: &mut Problems) -> Option<Span> {
    let span = Span::parse(text.value);
    if span.is_none() {
        let message = format!("\"{}\" is not a length of time", text.value);
        problems.error(&text.at, message, "write a number of m, h, d or w, such as \"14d\"");
    }
    span
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_a_number_and_a_unit() {
        for (text, seconds) in [("30m", 1800), ("8h", 28_800), ("14d", 1_209_600), ("2w", 1_209_600)] {
            assert_eq!(Span::parse(text), Some(Span { seconds }), "{text}");
        }
        for bad in ["", "d", "14", "-1d", "+1d", "0d", "1.5d", "1y", "14 d", "9999999d", "1\u{660}d"] {
            assert_eq!(Span::parse(bad), None, "{bad}");
        }
        assert_eq!(Span::parse("14d").unwrap().to_string(), "14 days");
        assert_eq!(Span::parse("1h").unwrap().to_string(), "1 hour");
        assert_eq!(Span::parse("90m").unwrap().to_string(), "90 minutes");
    }
}
