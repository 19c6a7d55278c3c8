//! Whose pushes a rule accepts.

use std::collections::BTreeSet;

use super::principals::{Principal, PrincipalKind, id};
use super::problem::Location;
use super::reader::{Problems, Table};
use super::rules::Resolver;
use crate::core::id::Id;

/// The principals that a rule lists in `submitters`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submitters {
    /// All of them.
    pub ids: BTreeSet<Id>,
    /// The entries as the policy names them.
    pub names: Vec<String>,
}

/// Words for everybody of a kind.
const KINDS: &[(&str, PrincipalKind)] =
    &[("people", PrincipalKind::Person), ("agents", PrincipalKind::Agent), ("services", PrincipalKind::Service)];

impl Submitters {
    /// Whether whoever may push under this may push under `other`, which may ask nothing.
    pub(super) fn is_within(own: Option<&Self>, other: Option<&Self>) -> bool {
        match (own, other) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(own), Some(other)) => own.ids.is_subset(&other.ids),
        }
    }

    /// The entries, for people.
    pub fn text(&self) -> String {
        self.names.join(", ")
    }
}

impl Resolver<'_> {
    /// Reads `submitters`. `None` where the rule does not ask.
    pub(super) fn submitters(&self, table: &mut Table<'_>, problems: &mut Problems) -> Option<Submitters> {
        if !table.has("submitters") {
            return None;
        }
        let at = table.at.clone();
        let entries = table.strings("submitters", problems);
        let mut submitters = Submitters { ids: BTreeSet::new(), names: Vec::new() };
        for entry in &entries {
            let Some(wanted) = id(entry, problems) else { continue };
            submitters.names.push(wanted.to_string());
            let found = match KINDS.iter().find(|(word, _)| *word == wanted.as_str()) {
                Some((word, kind)) => {
                    if self.registry.principals.contains_key(&wanted) || self.registry.groups.contains_key(&wanted) {
                        let message =
                            format!("`{word}` means every {} here, and something is named so too", kind.noun());
                        problems.error(&entry.at, message, "rename the principal or group");
                    }
                    self.visible().filter(|one| one.kind == *kind).map(|one| one.id.clone()).collect()
                }
                None => self.anybody_named(&wanted),
            };
            if found.is_empty() {
                let message = format!("`{wanted}` is no principal, tool or group");
                problems.error(&entry.at, message, "list ids, tools, groups, or people, agents, services");
            }
            submitters.ids.extend(found);
        }
        self.check_can_push(&submitters, &at, problems);
        Some(submitters)
    }

    fn anybody_named(&self, wanted: &Id) -> BTreeSet<Id> {
        let group = self.registry.groups.get(wanted).filter(|group| group.layer <= self.layer);
        let member =
            |one: &Principal| group.is_some_and(|group| group.members.iter().any(|member| member.value == one.id));
        let named = |one: &&Principal| one.id == *wanted || one.tool.as_ref() == Some(wanted) || member(one);
        self.visible().filter(named).map(|one| one.id.clone()).collect()
    }

    /// A rule that nobody can satisfy refuses every push.
    fn check_can_push(&self, submitters: &Submitters, at: &Location, problems: &mut Problems) {
        let known = |id: &Id| {
            let principal = self.registry.principals.get(id);
            principal.is_some_and(|one| !one.keys.is_empty() || !one.accounts.is_empty())
        };
        if !submitters.ids.iter().any(known) {
            let message = "nobody in `submitters` has an account or a key, so the rule refuses every push";
            problems.error(at, message, "give them accounts = [\"...\"], as the git server calls them");
        }
    }
}
