//! The rules, resolved.

use std::collections::{BTreeMap, BTreeSet};

use super::Date;
use super::approvals::Approvals;
use super::builtin_classes::{self, Known};
use super::glob::{Below, Glob, LetterCase, Text};
use super::plain_names;
use super::principals::{Principal, PrincipalKind, Registry, id};
use super::problem::Location;
use super::reach::{Inclusion, inclusion};
use super::reader::{Located, Problems, Table};
use super::submitters::Submitters;
use crate::core::id::Id;
use crate::core::oid::Oid;

/// What a rule does with its findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// The rule sleeps.
    Off,
    /// It decides and prints nothing.
    Observe,
    /// It says what would be refused.
    Warn,
    /// It refuses.
    Enforce,
}

/// Whose identity a rule asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Identity {
    /// Nobody's.
    None,
    /// That of agents, wherever a commit shows one.
    Agents,
    /// That of whoever made the commit.
    Everyone,
}

/// Which traces of agents count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Marks {
    /// None.
    Ignore,
    /// Those of authorship.
    Authored,
    /// Also those that disclose help.
    Any,
}

/// `allow` or `deny`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    /// It may happen.
    Allow,
    /// It is refused.
    Deny,
}

/// Whose work a rule accepts among agents'.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgentsAllowed {
    /// Every registered agent's.
    All,
    /// Only that of these.
    Only(BTreeSet<Id>),
}

impl AgentsAllowed {
    /// Whether every registered agent's work is accepted.
    pub fn is_all(&self) -> bool {
        *self == Self::All
    }

    /// Whether this agent's work is accepted.
    pub fn contains(&self, agent: &Principal) -> bool {
        match self {
            Self::All => true,
            Self::Only(ids) => ids.contains(&agent.id),
        }
    }

    pub(super) fn is_within(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::All) => true,
            (Self::All, Self::Only(_)) => false,
            (Self::Only(own), Self::Only(other)) => own.is_subset(other),
        }
    }
}

/// A point whose history a rule exempts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Since {
    /// The value of a ref before the push.
    Ref(String),
    /// A commit.
    Commit(Oid),
}

/// One rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub at: Location,
    /// Which of the policies given together holds it.
    pub layer: usize,
    /// What it does with its findings.
    pub mode: Mode,
    /// Whose identity it asks for.
    pub identity: Identity,
    /// Which traces of agents count.
    pub marks: Marks,
    /// The day up to which its policy knows the built-in list of traces; `None`: every row counts as it comes.
    pub marks_date: Option<Date>,
    /// Whose work it accepts among agents'.
    pub agents: AgentsAllowed,
    /// Whether it accepts agents' work that a person adopted.
    pub adopted: Permission,
    /// Services whose own commits it accepts.
    pub services: BTreeSet<Id>,
    /// Whose pushes it accepts; `None` for anybody's.
    pub submitters: Option<Submitters>,
    /// Whether the ref may drop commits.
    pub force_push: Permission,
    /// Whether the ref may be deleted.
    pub delete: Permission,
    /// The points whose history it exempts.
    pub since: BTreeSet<Since>,
    /// What it asks of approvals.
    pub approvals: Option<Approvals>,
    /// Whether it accepts what agents seal with their standing keys.
    pub standing: Permission,
    /// The tasks for which it accepts agents' work, as patterns; `None` for any.
    pub tasks: Option<Vec<Glob>>,
    /// The environments in which it accepts agents' work, as patterns; `None` for any.
    pub environments: Option<Vec<Glob>>,
    pub(super) refs: Patterns,
    /// The patterns of its classes, with the name each goes by; `None` for the whole tree.
    pub(super) paths: Option<BTreeMap<String, Patterns>>,
}

/// Patterns of which one must match and no excluding one may.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Patterns {
    pub(super) include: Vec<Glob>,
    pub(super) exclude: Vec<Glob>,
}

impl Patterns {
    /// What one of its patterns matches, with a word in the place of each wildcard.
    fn example(&self, matches: &dyn Fn(&str) -> bool) -> Option<String> {
        let (literal, wild): (Vec<&Glob>, Vec<&Glob>) = self.include.iter().partition(|glob| glob.is_literal());
        let filled = |glob: &Glob| {
            let text = glob.as_str().to_owned();
            ["countersign-canary", "main", "x", "a/b"].map(|word| text.replace("**", word).replace('*', word))
        };
        wild.into_iter().chain(literal).flat_map(filled).find(|text| matches(text))
    }

    fn matches(&self, text: &Text<'_>, include: LetterCase) -> bool {
        self.include.iter().any(|glob| glob.matches_text(text, include))
            && !self.exclude.iter().any(|glob| glob.matches_text(text, LetterCase::Exact))
    }
}

impl Rule {
    /// Whether the ref is one of the rule's.
    pub fn matches_ref(&self, name: &[u8]) -> bool {
        self.refs.matches(&Text::of(name), LetterCase::Exact)
    }

    /// Whether some file system takes the ref for one of the rule's. Exclusions stay exact, so that folding can only govern more.
    pub(super) fn matches_ref_folded(&self, name: &[u8]) -> bool {
        self.refs.matches(&Text::of(name), LetterCase::Folded)
    }

    /// Whether the rule is about the commits that touch some paths, and not about the ref.
    pub fn is_path_rule(&self) -> bool {
        self.paths.is_some()
    }

    /// Whether it asks anything of the commits that a ref gains.
    pub fn looks_at_commits(&self) -> bool {
        self.identity != Identity::None || self.is_path_rule() || self.restricts_agents() || self.approvals.is_some()
    }

    /// Whether it says whose work it refuses among agents'.
    pub fn restricts_agents(&self) -> bool {
        !self.agents.is_all() || self.adopted == Permission::Deny || self.asks_for_grants()
    }

    /// Whether agents' work counts only under a grant, or under some grants.
    pub fn asks_for_grants(&self) -> bool {
        self.standing == Permission::Deny || self.tasks.is_some() || self.environments.is_some()
    }

    /// The class or pattern that covers the path, or what a file system takes for the same. Something that stands in the place of a
    /// directory of a class is
    /// covered; `below` says what may be behind it. `None` for a rule without paths.
    pub fn touches(&self, path: &[u8], below: Below) -> Option<&str> {
        let text = Text::of(path);
        let covered = |patterns: &Patterns| {
            patterns.matches(&text, LetterCase::Folded)
                || patterns.include.iter().any(|glob| glob.matches_below_text(&text, below))
        };
        let classes = self.paths.as_ref()?;
        classes.iter().find(|(_, patterns)| covered(patterns)).map(|(name, _)| name.as_str())
    }

    /// The refs that the rule names without wildcards.
    pub fn literal_refs(&self) -> impl Iterator<Item = &str> {
        self.refs.include.iter().filter(|glob| glob.is_literal()).map(Glob::as_str)
    }

    /// Where the refs lie that it is about: a name in full, or what names begin with up to a slash.
    pub fn ref_places(&self) -> impl Iterator<Item = String> {
        self.refs.include.iter().map(|glob| match glob.as_str().split_once('*') {
            None => glob.as_str().to_owned(),
            Some((start, _)) => {
                start.rsplit_once('/').map_or_else(String::new, |(directory, _)| format!("{directory}/"))
            }
        })
    }

    /// A ref that it matches, where one is easily made from its patterns; of those, one that a wildcard stands for first.
    pub fn example_ref(&self) -> Option<String> {
        self.refs.example(&|name| self.matches_ref(name.as_bytes()))
    }

    /// A path that it is about, where one is easily made from its patterns.
    pub fn example_path(&self) -> Option<String> {
        let covers = |path: &str| self.touches(path.as_bytes(), Below::Named).is_some();
        self.paths.as_ref()?.values().find_map(|patterns| patterns.example(&covers))
    }

    /// Whether every ref that this pattern of another rule can match is one of this rule's, as far as their texts tell: a plain
    /// name is matched, and a pattern is here as it is there or lies below one that ends in `**`.
    pub(super) fn includes_pattern(&self, pattern: &Glob, excluded: &[Glob]) -> bool {
        if pattern.is_literal() {
            return self.matches_ref(pattern.as_str().as_bytes());
        }
        let within = |own: &Glob| {
            let below = own.as_str().strip_suffix("**").is_some_and(|top| pattern.as_str().starts_with(top));
            own == pattern || (below && !own.as_str().trim_end_matches('*').contains('*'))
        };
        self.refs.include.iter().any(within) && self.refs.exclude.iter().all(|own| excluded.contains(own))
    }

    /// Whether enforcing rules among `rules` for which `holds` is true match every ref that this one matches.
    pub(super) fn is_backed(&self, rules: &[Self], holds: impl Fn(&Self) -> bool) -> bool {
        let backing = |pattern: &Glob| {
            rules.iter().any(|other| {
                let stands = other.mode == Mode::Enforce && !other.is_path_rule() && holds(other);
                stands && other.includes_pattern(pattern, &self.refs.exclude)
            })
        };
        self.refs.include.iter().all(backing)
    }

    /// Whether everybody who made a commit that the rule is about is known to it: it asks everyone's identity itself, or an
    /// enforcing rule that knows nobody else does on all its refs.
    pub(super) fn knows_makers(&self, rules: &[Self]) -> bool {
        let asks = |other: &Self| other.identity == Identity::Everyone && other.layer <= self.layer;
        self.identity == Identity::Everyone || self.is_backed(rules, asks)
    }

    /// The patterns of its refs as written.
    pub fn ref_patterns(&self) -> Vec<String> {
        let included = self.refs.include.iter().map(|glob| glob.as_str().to_owned());
        included.chain(self.refs.exclude.iter().map(|glob| format!("!{}", glob.as_str()))).collect()
    }

    /// The names of its classes.
    pub fn class_names(&self) -> Vec<&str> {
        self.paths.iter().flatten().map(|(name, _)| name.as_str()).collect()
    }

    /// Whether what this rule has judged needs no judging under `other`: it asks at least as much of every commit that
    /// `other` looks at. Then the tip of a ref under this rule is subtracted for `other` ([`crate::core::scope`]).
    pub fn covers(&self, other: &Rule) -> bool {
        let paths = match (&self.paths, &other.paths) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(own), Some(other)) => other.iter().all(|(name, patterns)| own.get(name) == Some(patterns)),
        };
        paths && self.layer <= other.layer && self.asks_as_much(other)
    }

    /// Whether this rule asks at least as much as `other` of the makers of the commits that both look at.
    fn asks_as_much(&self, other: &Rule) -> bool {
        // What is not weighed here, those weigh who ask: a new key does not compile before somebody does.
        let Self {
            name: _,
            at: _,
            layer: _,
            mode,
            identity,
            marks,
            marks_date: _,
            agents,
            adopted,
            services,
            submitters: _,
            force_push: _,
            delete: _,
            since,
            approvals: _,
            standing,
            tasks,
            environments,
            refs: _,
            paths: _,
        } = self;
        *mode >= other.mode
            && *identity >= other.identity
            && *marks >= other.marks
            && self.knows_marks_of(other)
            && agents.is_within(&other.agents)
            && *adopted >= other.adopted
            && services.is_subset(&other.services)
            && since.is_subset(&other.since)
            && *standing >= other.standing
            && is_within(tasks.as_deref(), other.tasks.as_deref())
            && is_within(environments.as_deref(), other.environments.as_deref())
    }

    /// Whether what this rule has judged needs no approval under `other`, and no other submitter.
    pub fn covers_approvals(&self, other: &Rule) -> bool {
        self.approves_as_much(other) && self.admits_no_more(other) && self.covers(other)
    }

    fn admits_no_more(&self, other: &Rule) -> bool {
        Submitters::is_within(self.submitters.as_ref(), other.submitters.as_ref())
    }

    fn approves_as_much(&self, other: &Rule) -> bool {
        match (&self.approvals, &other.approvals) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(own), Some(other)) => own.is_at_least(other),
        }
    }

    /// Whether nothing passes this rule that `other` would refuse, on refs and paths that both are about.
    pub(super) fn refuses_as_much(&self, other: &Rule) -> bool {
        self.asks_as_much(other)
            && self.approves_as_much(other)
            && self.admits_no_more(other)
            && self.force_push >= other.force_push
            && self.delete >= other.delete
    }
}

/// Whether everything that these patterns match, those do; `None` matches everything.
pub(super) fn is_within(own: Option<&[Glob]>, other: Option<&[Glob]>) -> bool {
    match (own, other) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(own), Some(other)) => own.iter().all(|glob| inclusion(glob, other) == Inclusion::Within),
    }
}

pub(super) const MODES: &[(&str, Mode)] =
    &[("enforce", Mode::Enforce), ("warn", Mode::Warn), ("observe", Mode::Observe), ("off", Mode::Off)];
pub(super) const IDENTITIES: &[(&str, Identity)] =
    &[("none", Identity::None), ("agents", Identity::Agents), ("everyone", Identity::Everyone)];
pub(super) const MARKS: &[(&str, Marks)] =
    &[("authored", Marks::Authored), ("any", Marks::Any), ("ignore", Marks::Ignore)];
pub(super) const PERMISSIONS: &[(&str, Permission)] = &[("allow", Permission::Allow), ("deny", Permission::Deny)];

/// The classes of `[paths]` of all sources so far.
pub(super) type Classes = BTreeMap<String, Patterns>;

/// Reads the classes of one source.
pub(super) fn read_classes(top: &mut Table<'_>, classes: &mut Classes, known: Known, problems: &mut Problems) {
    for (name, patterns) in top.lists("paths", problems) {
        for pattern in &patterns {
            if let Some(fix) = builtin_classes::meant(pattern.value) {
                problems.warn(&pattern.at, format!("\"{}\" covers one file of that name", pattern.value), fix);
            }
        }
        let patterns = known.expanded(patterns, problems);
        if id(&name, problems).is_none() {
            continue;
        }
        if classes.contains_key(name.value) {
            problems.error(
                &name.at,
                format!("the class `{}` is defined already", name.value),
                "give every class its own name",
            );
            continue;
        }
        let read = read_patterns(&patterns, &name.at, problems);
        plain_names::check(&patterns, &read, problems);
        classes.insert(name.value.to_owned(), read);
    }
}

/// What rules are resolved against.
pub(super) struct Resolver<'a> {
    pub(super) registry: &'a Registry,
    pub(super) classes: &'a Classes,
    pub(super) layer: usize,
    pub(super) marks_date: Option<Date>,
    pub(super) known: Known,
}

impl Resolver<'_> {
    /// Reads one rule. `None` where it cannot stand even for finding more problems.
    pub(super) fn rule(&self, mut table: Table<'_>, problems: &mut Problems) -> Option<Rule> {
        let at = table.at.clone();
        let name = table.string("name", problems);
        if name.is_none() {
            problems.error(&at, "the rule has no name", "add name = \"...\"; reports call the rule by it");
        }
        let refs = table.strings("refs", problems);
        if refs.is_empty() && !table.has("refs") {
            problems.error(&at, "the rule names no refs", "add refs = [\"refs/heads/main\"]");
        }
        for pattern in &refs {
            let bare = pattern.value.strip_prefix('!').unwrap_or(pattern.value);
            if !bare.starts_with("refs/") && !bare.starts_with('*') {
                let fix = format!("write \"refs/heads/{bare}\" for a branch");
                problems.error(&pattern.at, format!("\"{}\" is not a full ref name", pattern.value), fix);
            }
        }
        let has_paths = table.has("paths");
        let rule = Rule {
            name: name.as_ref().map_or("", |name| name.value).to_owned(),
            at: at.clone(),
            layer: self.layer,
            mode: table.word("mode", MODES, problems).unwrap_or(Mode::Enforce),
            identity: table.word("identity", IDENTITIES, problems).unwrap_or(Identity::None),
            marks: table.word("marks", MARKS, problems).unwrap_or(Marks::Authored),
            marks_date: self.marks_date,
            agents: self.agents(&mut table, problems),
            adopted: table.word("adopted", PERMISSIONS, problems).unwrap_or(Permission::Allow),
            services: self.services(&mut table, problems),
            submitters: self.submitters(&mut table, problems),
            force_push: self.permission("force-push", &mut table, problems),
            delete: self.permission("delete", &mut table, problems),
            since: since(&mut table, problems),
            approvals: table.table("approvals", problems).map(|table| self.approvals(table, problems)),
            standing: table.word("standing", PERMISSIONS, problems).unwrap_or(Permission::Allow),
            tasks: texts("tasks", &mut table, problems),
            environments: texts("environments", &mut table, problems),
            refs: if refs.is_empty() { Patterns::default() } else { read_patterns(&refs, &at, problems) },
            paths: has_paths.then(|| self.paths(&mut table, problems)),
        };
        if rule.force_push == Permission::Deny && rule.delete == Permission::Allow {
            let message =
                "force-push is denied but delete is allowed: deleting and creating again does what forcing would";
            problems.warn(&at, message, "add delete = \"deny\"");
        }
        let restricts = rule.identity != Identity::None || rule.restricts_agents();
        let restricts = restricts || rule.approvals.is_some() || rule.submitters.is_some();
        if has_paths && !restricts {
            problems.warn(
                &at,
                "the rule asks nothing of the commits that touch its paths",
                "add identity = \"everyone\", submitters, or [rule.approvals]",
            );
        }
        self.check_grants(&rule, problems);
        table.finish(problems);
        name.map(|_| rule)
    }

    /// Work that counts only under a grant needs an agent that can be granted something.
    fn check_grants(&self, rule: &Rule, problems: &mut Problems) {
        if rule.asks_for_grants() && !self.visible().any(|one| self.registry.issuers_of(&one.id)) {
            let message = "agents' work counts here only under a grant, and no agent has issuers";
            problems.warn(&rule.at, message, "add issuers = [\"...\"] to the agents that work here");
        }
    }

    fn permission(&self, key: &'static str, table: &mut Table<'_>, problems: &mut Problems) -> Permission {
        if table.has(key) && table.has("paths") {
            let fix = "move it to a rule without paths";
            problems.error(&table.at.clone(), format!("`{key}` is about the ref, and this rule is about paths"), fix);
        }
        table.word(key, PERMISSIONS, problems).unwrap_or(Permission::Allow)
    }

    fn agents(&self, table: &mut Table<'_>, problems: &mut Problems) -> AgentsAllowed {
        if !table.has("agents") {
            return AgentsAllowed::All;
        }
        let mut allowed = BTreeSet::new();
        for entry in table.strings("agents", problems) {
            let Some(wanted) = id(&entry, problems) else { continue };
            let found = self.agents_named(&wanted);
            if found.is_empty() {
                let message = format!("`{wanted}` is no agent, tool or group with agents");
                problems.error(&entry.at, message, "list ids of agents, tools, or groups");
            }
            allowed.extend(found);
        }
        AgentsAllowed::Only(allowed)
    }

    /// The principals that a rule of this policy knows.
    pub(super) fn visible(&self) -> impl Iterator<Item = &Principal> {
        self.registry.principals.values().filter(|principal| principal.layer <= self.layer)
    }

    fn agents_named(&self, wanted: &Id) -> BTreeSet<Id> {
        let agents = || self.visible().filter(|principal| principal.kind == PrincipalKind::Agent);
        let group = self.registry.groups.get(wanted).filter(|group| group.layer <= self.layer);
        let member =
            |agent: &Principal| group.is_some_and(|group| group.members.iter().any(|member| member.value == agent.id));
        agents()
            .filter(|agent| agent.id == *wanted || agent.tool.as_ref() == Some(wanted) || member(agent))
            .map(|agent| agent.id.clone())
            .collect()
    }

    fn services(&self, table: &mut Table<'_>, problems: &mut Problems) -> BTreeSet<Id> {
        let mut services = BTreeSet::new();
        for entry in table.strings("services", problems) {
            let Some(id) = id(&entry, problems) else { continue };
            let known =
                self.registry.principals.get(&id).is_some_and(|principal| principal.kind == PrincipalKind::Service);
            if !known {
                problems.error(&entry.at, format!("`{id}` is no service"), format!("add [services.{id}]"));
            }
            services.insert(id);
        }
        services
    }

    fn paths(&self, table: &mut Table<'_>, problems: &mut Problems) -> BTreeMap<String, Patterns> {
        let mut paths = BTreeMap::new();
        let entries = table.strings("paths", problems);
        if entries.is_empty() {
            problems.error(
                &table.at.clone(),
                "the rule's paths are empty, so it matches nothing",
                "name a class, or leave paths out",
            );
        }
        for entry in entries {
            let patterns = match self.classes.get(entry.value) {
                Some(patterns) => patterns.clone(),
                None if builtin_classes::is_class(entry.value) => {
                    let at = entry.at.clone();
                    let patterns = self.known.expanded(vec![Located { value: entry.value, at }], problems);
                    if patterns.is_empty() {
                        continue;
                    }
                    read_patterns(&patterns, &entry.at, problems)
                }
                None if entry.value.contains(['/', '*']) => {
                    let read = read_patterns(std::slice::from_ref(&entry), &entry.at, problems);
                    plain_names::check(std::slice::from_ref(&entry), &read, problems);
                    read
                }
                None => {
                    let message = format!("`{}` is no class of [paths]", entry.value);
                    let fix = "define it under [paths], or write a pattern that holds / or *";
                    let fix = builtin_classes::meant(entry.value).unwrap_or_else(|| fix.to_owned());
                    problems.error(&entry.at, message, fix);
                    continue;
                }
            };
            paths.insert(entry.value.to_owned(), patterns);
        }
        paths
    }
}

/// Patterns of plain texts, such as `PAY-*`.
fn texts(key: &'static str, table: &mut Table<'_>, problems: &mut Problems) -> Option<Vec<Glob>> {
    if !table.has(key) {
        return None;
    }
    let mut globs = Vec::new();
    for entry in table.strings(key, problems) {
        match Glob::parse(entry.value) {
            Ok(glob) => globs.push(glob),
            Err(error) => {
                problems.error(&entry.at, format!("\"{}\": {error}", entry.value), "use plain text, * and **")
            }
        }
    }
    globs.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    Some(globs)
}

fn since(table: &mut Table<'_>, problems: &mut Problems) -> BTreeSet<Since> {
    let mut since = BTreeSet::new();
    for entry in table.strings("since", problems) {
        match Oid::parse(entry.value.as_bytes()) {
            Some(id) => since.insert(Since::Commit(id)),
            None if entry.value.starts_with("refs/") && !entry.value.contains('*') => {
                since.insert(Since::Ref(entry.value.to_owned()))
            }
            None => {
                let message = format!("\"{}\" is neither a full object id nor a full ref name", entry.value);
                problems.error(&entry.at, message, "git rev-parse prints the full id of a commit");
                false
            }
        };
    }
    since
}

fn read_patterns(entries: &[Located<&str>], at: &Location, problems: &mut Problems) -> Patterns {
    let mut patterns = Patterns::default();
    for entry in entries {
        let (list, text) = match entry.value.strip_prefix('!') {
            Some(text) => (&mut patterns.exclude, text),
            None => (&mut patterns.include, entry.value),
        };
        match Glob::parse(text) {
            Ok(glob) => list.push(glob),
            Err(error) => {
                problems.error(&entry.at, format!("\"{}\": {error}", entry.value), "use plain names, * and **")
            }
        }
    }
    if patterns.include.is_empty() && !entries.iter().any(|entry| !entry.value.starts_with('!')) {
        problems.error(at, "the patterns only exclude, so nothing can match", "add a pattern without !");
    }
    patterns.include.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    patterns.exclude.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    patterns
}
