//! A rule in words, for `countersign explain`.

use super::{AgentsAllowed, Approvals, Glob, Identity, Marks, Mode, Permission, Policy, Rule, Since, Whose};

impl Policy {
    /// What a rule asks, a sentence each.
    pub fn describe(&self, rule: &Rule) -> Vec<String> {
        let Rule {
            name: _,
            at: _,
            layer: _,
            mode,
            identity,
            marks,
            marks_date,
            agents,
            adopted,
            services,
            submitters,
            force_push,
            delete,
            since,
            approvals,
            standing,
            tasks,
            environments,
            // In words of their own.
            refs: _,
            paths: _,
        } = rule;
        let mut words = vec![format!("It is about {}.", rule.ref_patterns().join(", "))];
        if rule.is_path_rule() {
            words.push(format!("Only commits that touch these paths count: {}.", rule.class_names().join(", ")));
        }
        words.extend([mode_words(*mode), identity_words(*identity)].map(str::to_owned));
        words.extend(marks_words(*marks).map(str::to_owned));
        if let Some(date) = marks_date.filter(|_| *marks != Marks::Ignore) {
            words.push(format!(
                "Traces that this program knows only since after {date} warn for 30 days before they count."
            ));
        }
        match agents {
            AgentsAllowed::All => {}
            AgentsAllowed::Only(ids) if ids.is_empty() => words.push("No agent's work is accepted.".to_owned()),
            AgentsAllowed::Only(ids) => {
                let ids: Vec<&str> = ids.iter().map(crate::core::id::Id::as_str).collect();
                words.push(format!("Only the work of these agents is accepted: {}.", ids.join(", ")));
            }
        }
        if *standing == Permission::Deny {
            words.push("What an agent seals with a standing key is not accepted: it works under a grant.".to_owned());
        }
        for (what, globs) in [("task", tasks), ("environment", environments)] {
            let Some(globs) = globs else { continue };
            let texts: Vec<&str> = globs.iter().map(Glob::as_str).collect();
            words.push(format!("Agents' work counts under a grant whose {what} is one of: {}.", texts.join(", ")));
        }
        if *adopted == Permission::Deny {
            words.push("Agents' work that a person adopted is not accepted.".to_owned());
        }
        if !services.is_empty() {
            let ids: Vec<&str> = services.iter().map(crate::core::id::Id::as_str).collect();
            words.push(format!("Commits of these services are accepted: {}.", ids.join(", ")));
        }
        if let Some(submitters) = submitters {
            let what = if rule.is_path_rule() { "such commits" } else { "to it" };
            words.push(format!("Only these push {what}: {}.", submitters.text()));
        }
        if let Some(approvals) = approvals {
            words.extend(approvals.describe());
        }
        if *force_push == Permission::Deny {
            words.push("The ref cannot be forced: its new value contains the old one.".to_owned());
        }
        if *delete == Permission::Deny {
            words.push("The ref cannot be deleted.".to_owned());
        }
        if !since.is_empty() {
            let points = since.iter().map(|since| match since {
                Since::Ref(name) => name.clone(),
                Since::Commit(id) => id.to_string(),
            });
            words.push(format!("History up to {} is exempt.", points.collect::<Vec<_>>().join(", ")));
        }
        words
    }
}

fn mode_words(mode: Mode) -> &'static str {
    match mode {
        Mode::Enforce => "A push that breaks it is refused.",
        Mode::Warn => "A push that breaks it is accepted with a warning.",
        Mode::Observe => "A push that breaks it is accepted in silence.",
        Mode::Off => "It is switched off.",
    }
}

fn identity_words(identity: Identity) -> &'static str {
    match identity {
        Identity::None => "It does not ask who made a commit.",
        Identity::Agents => {
            "A commit that shows an AI agent's hand is sealed by a registered agent, or adopted by a person."
        }
        Identity::Everyone => "Every commit is sealed by a registered agent, or signed by a registered person.",
    }
}

fn marks_words(marks: Marks) -> Option<&'static str> {
    match marks {
        Marks::Authored => None,
        Marks::Any => Some("Disclosed help of an AI (Assisted-by) counts as an agent's hand."),
        Marks::Ignore => Some("Traces of agents in messages and author fields do not count."),
    }
}

impl Approvals {
    /// Who may approve, as the policy names them.
    pub fn from_text(&self) -> String {
        self.from_names.join(", ")
    }

    /// What is asked, a sentence each.
    pub fn describe(&self) -> Vec<String> {
        let Self {
            count,
            whose,
            from: _,
            from_names: _,
            max_age,
            presence,
            verification,
            independent,
            signed_merge,
            attested,
        } = self;
        let whose = match whose {
            Whose::Agents => "Agents' work",
            Whose::Everyone => "Every commit",
        };
        let people = if *count == 1 { "1 person".to_owned() } else { format!("{} people", count) };
        let mut words = vec![format!(
            "{whose} needs the approval of {people} in {}, not of who made it (countersign approve).",
            self.from_text()
        )];
        if let Some(age) = max_age {
            words.push(format!("An approval counts for {age}."));
        }
        if *verification {
            words.push("It is signed with a hardware key that verified who touched it.".to_owned());
        } else if *presence {
            words.push("It is signed with a hardware key that somebody touched.".to_owned());
        }
        if *independent {
            words.push(
                "It comes from somebody who does not stand behind the work already: not an agent's owner, not in the author or \
                 committer field, not the signer, not who pushes."
                    .to_owned(),
            );
        }
        if *signed_merge {
            words.push(
                "A merge that one of them signed, with the trailer Countersign-Approves, approves what it brings in."
                    .to_owned(),
            );
        }
        if !attested.is_empty() {
            let services: Vec<&str> = attested.iter().map(crate::core::id::Id::as_str).collect();
            words.push(format!(
                "One that somebody gave in a forge's pages counts at the word of {}, whose key signs it.",
                services.join(" or ")
            ));
        }
        words
    }
}
