//! Two rules of one name, key by key.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::{Direction, PolicyDifference, about};
use crate::core::id::Id;
use crate::core::policy::rules::{IDENTITIES, MARKS, MODES, PERMISSIONS, is_within};
use crate::core::policy::{AgentsAllowed, Approvals, Glob, Rule, Since, Span, Submitters, Whose};

/// Adds how the keys of two rules differ.
pub(super) fn compare(old: &Rule, new: &Rule, found: &mut BTreeSet<PolicyDifference>) {
    let Rule {
        name: _,
        at: _,
        layer: _,
        mode,
        identity,
        marks,
        // Compared once for the whole policy, as are the refs and paths by what they match.
        marks_date: _,
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
        refs: _,
        paths: _,
    } = old;
    let mut keys = Keys { about: about(old), found };
    keys.word("mode", MODES, *mode, new.mode);
    keys.word("identity", IDENTITIES, *identity, new.identity);
    keys.word("marks", MARKS, *marks, new.marks);
    keys.word("adopted", PERMISSIONS, *adopted, new.adopted);
    keys.word("force-push", PERMISSIONS, *force_push, new.force_push);
    keys.word("delete", PERMISSIONS, *delete, new.delete);
    keys.word("standing", PERMISSIONS, *standing, new.standing);
    for (key, old, new) in [("tasks", tasks, &new.tasks), ("environments", environments, &new.environments)] {
        let (old, new) = (old.as_deref(), new.as_deref());
        let text = |globs: Option<&[Glob]>| {
            let texts: Option<Vec<&str>> = globs.map(|globs| globs.iter().map(Glob::as_str).collect());
            texts.map_or("any".to_owned(), |texts| format!("[{}]", texts.join(", ")))
        };
        keys.texts(key, (old != new).then(|| Direction::between_lists(old, new, is_within)), text(old), text(new));
    }
    let direction = Direction::between_lists(agents, &new.agents, AgentsAllowed::is_within);
    let direction = (*agents != new.agents).then_some(direction);
    keys.texts("agents", direction, agents_text(agents), agents_text(&new.agents));
    keys.fewer("services", services, &new.services, Id::to_string);
    keys.fewer("since", since, &new.since, |point| match point {
        Since::Ref(name) => name.clone(),
        Since::Commit(id) => id.to_string(),
    });
    let (before, after) = (submitters.as_ref(), new.submitters.as_ref());
    if let (Some(before), Some(after)) = (before, after) {
        keys.fewer("submitters", &before.ids, &after.ids, Id::to_string);
    } else {
        let direction = Direction::between_lists(before, after, Submitters::is_within);
        let text = |submitters: Option<&Submitters>| submitters.map_or("anybody".to_owned(), Submitters::text);
        keys.texts("submitters", (before != after).then_some(direction), text(before), text(after));
    }
    match (approvals, &new.approvals) {
        (None, None) => {}
        (Some(old), None) => keys.add(Direction::Weaker, format!("it no longer asks for approvals ({})", asked(old))),
        (None, Some(new)) => keys.add(Direction::Stricter, format!("it now asks for approvals ({})", asked(new))),
        (Some(old), Some(new)) => keys.approvals(old, new),
    }
}

struct Keys<'f> {
    about: String,
    found: &'f mut BTreeSet<PolicyDifference>,
}

impl Keys<'_> {
    fn add(&mut self, direction: Direction, message: String) {
        self.found.insert(PolicyDifference { direction, about: self.about.clone(), message });
    }

    fn texts(&mut self, key: &str, direction: Option<Direction>, old: String, new: String) {
        if let Some(direction) = direction {
            self.add(direction, format!("{key} {old} -> {new}"));
        }
    }

    /// A key whose later values ask more.
    fn word<T: Copy + Ord>(&mut self, key: &str, words: &[(&'static str, T)], old: T, new: T) {
        let text = |value: T| {
            let word = words.iter().find(|(_, own)| *own == value).map_or("", |(word, _)| *word);
            format!("\"{word}\"")
        };
        self.more(key, old, new, text);
    }

    fn more<T: Copy + Ord>(&mut self, key: &str, old: T, new: T, text: impl Fn(T) -> String) {
        let direction = (old != new).then(|| Direction::between(&old, &new));
        self.texts(key, direction, text(old), text(new));
    }

    /// A key that asks more the fewer it lists: a line for each that came or went.
    fn fewer<T: Ord>(&mut self, key: &str, old: &BTreeSet<T>, new: &BTreeSet<T>, text: impl Fn(&T) -> String) {
        for one in new.difference(old) {
            self.add(Direction::Weaker, format!("{key} now lists {}", text(one)));
        }
        for one in old.difference(new) {
            self.add(Direction::Stricter, format!("{key} no longer lists {}", text(one)));
        }
    }

    fn approvals(&mut self, old: &Approvals, new: &Approvals) {
        let Approvals {
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
        } = old;
        let words = [("agents", Whose::Agents), ("everyone", Whose::Everyone)];
        self.more("approvals count", *count, new.count, |count| count.to_string());
        self.word("approvals for", &words, *whose, new.whose);
        self.fewer("approvals from", from, &new.from, Id::to_string);
        let age = |age: Option<Span>| age.map_or("none".to_owned(), |age| age.to_string());
        let (before, after) = (*max_age, new.max_age);
        let limit = |age: Option<Span>| Reverse(age.map_or(i64::MAX, |age| age.seconds));
        let direction = (before != after).then(|| Direction::between(&limit(before), &limit(after)));
        self.texts("approvals max-age", direction, age(before), age(after));
        let word = |value: bool| value.to_string();
        self.more("approvals presence", *presence, new.presence, word);
        self.more("approvals verification", *verification, new.verification, word);
        self.more("approvals independent", *independent, new.independent, word);
        // The one flag that lets something count.
        let direction = (*signed_merge != new.signed_merge)
            .then(|| Direction::between(&Reverse(*signed_merge), &Reverse(new.signed_merge)));
        self.texts("approvals signed-merge", direction, word(*signed_merge), word(new.signed_merge));
        self.fewer("approvals attested", attested, &new.attested, Id::to_string);
    }
}

fn agents_text(agents: &AgentsAllowed) -> String {
    match agents {
        AgentsAllowed::All => "all registered".to_owned(),
        AgentsAllowed::Only(ids) => {
            let ids: Vec<&str> = ids.iter().map(Id::as_str).collect();
            format!("[{}]", ids.join(", "))
        }
    }
}

fn asked(approvals: &Approvals) -> String {
    let whose = match approvals.whose {
        Whose::Agents => "agents",
        Whose::Everyone => "everyone",
    };
    format!("{} for {whose} from {}", approvals.count, approvals.from_text())
}
