//! A rule in words, for `countersign explain`.

use super::{AgentsAllowed, Identity, Marks, Mode, Permission, Policy, Rule, Since};

impl Policy {
    /// What a rule asks, a sentence each.
    pub fn describe(&self, rule: &Rule) -> Vec<String> {
        let mut words = vec![format!("It is about {}.", rule.ref_patterns().join(", "))];
        if rule.is_path_rule() {
            words.push(format!("Only commits that touch these paths count: {}.", rule.class_names().join(", ")));
        }
        words.push(
            match rule.mode {
                Mode::Enforce => "A push that breaks it is refused.",
                Mode::Warn => "A push that breaks it is accepted with a warning.",
                Mode::Observe => "A push that breaks it is accepted in silence.",
                Mode::Off => "It is switched off.",
            }
            .to_owned(),
        );
        words.push(
            match rule.identity {
                Identity::None => "It does not ask who made a commit.",
                Identity::Agents => {
                    "A commit that shows an AI agent's hand is sealed by a registered agent, or adopted by a person."
                }
                Identity::Everyone => {
                    "Every commit is sealed by a registered agent, or signed with SSH by a registered person."
                }
            }
            .to_owned(),
        );
        match rule.marks {
            Marks::Authored if rule.identity == Identity::None => {}
            Marks::Authored => {}
            Marks::Any => words.push("Disclosed help of an AI (Assisted-by) counts as an agent's hand.".to_owned()),
            Marks::Ignore => words.push("Traces of agents in messages and author fields do not count.".to_owned()),
        }
        match &rule.agents {
            AgentsAllowed::All => {}
            AgentsAllowed::Only(ids) if ids.is_empty() => words.push("No agent's work is accepted.".to_owned()),
            AgentsAllowed::Only(ids) => {
                let ids: Vec<&str> = ids.iter().map(crate::id::Id::as_str).collect();
                words.push(format!("Only the work of these agents is accepted: {}.", ids.join(", ")));
            }
        }
        if rule.adopted == Permission::Deny {
            words.push("Agents' work that a person adopted is not accepted.".to_owned());
        }
        if !rule.services.is_empty() {
            let ids: Vec<&str> = rule.services.iter().map(crate::id::Id::as_str).collect();
            words.push(format!("Commits of these services are accepted: {}.", ids.join(", ")));
        }
        if rule.force_push == Permission::Deny {
            words.push("The ref cannot be forced: its new value contains the old one.".to_owned());
        }
        if rule.delete == Permission::Deny {
            words.push("The ref cannot be deleted.".to_owned());
        }
        if !rule.since.is_empty() {
            let points = rule.since.iter().map(|since| match since {
                Since::Ref(name) => name.clone(),
                Since::Commit(id) => id.to_string(),
            });
            words.push(format!("History up to {} is exempt.", points.collect::<Vec<_>>().join(", ")));
        }
        words
    }
}
