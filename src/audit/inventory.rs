//! `countersign agent list` and `agent show`: every agent and service, what it may do by the rules, and what it has done.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use serde::Serialize;

use crate::audit::Printed;
use crate::audit::activity::{self, Push};
use crate::audit::agent::ordered;
use crate::audit::chain::has_ledger;
use crate::audit::log::{Place, cell};
use crate::audit::period::{Served, day, served};
use crate::core::canonical::Time;
use crate::core::decide::Timestamp;
use crate::core::id::Id;
use crate::core::policy::{Mode, Policy, Principal, PrincipalKind, Rule};
use crate::core::report::escape;
use crate::ledger::Outcome;
use crate::system::{Exit, Failure, Paged, Progress, Result, now, print, say};

pub(crate) struct List {
    pub(crate) place: Place,
    pub(crate) format: Table,
}

pub(crate) struct Show {
    /// The agent's or service's id
    pub(crate) id: Id,
    pub(crate) place: Place,
    pub(crate) format: Printed,
}

/// How a list is printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    /// Columns for people.
    Columns,
    /// One JSON object.
    Json,
    /// A line for each, for spreadsheets.
    Csv,
}

/// One agent or service.
#[derive(Serialize)]
struct Row {
    id: String,
    kind: &'static str,
    owners: BTreeSet<String>,
    tool: Option<String>,
    keys: BTreeSet<Key>,
    review_by: Option<String>,
    /// How many repositories' policies register it.
    repositories: usize,
    may: Vec<May>,
    first_use: Option<String>,
    last_use: Option<String>,
    /// Commits of it that landed, counted on each ref.
    commits: u64,
    /// Updates that were refused for what is said to be its work, or that it pushed.
    refused: u64,
    stands_out: Vec<String>,
    #[serde(skip)]
    used: Option<(Timestamp, Timestamp)>,
    #[serde(skip)]
    weight: usize,
}

#[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    key: String,
    status: &'static str,
}

/// What one rule makes of its work.
#[derive(Clone, Serialize, PartialEq, Eq)]
struct May {
    rule: String,
    at: String,
    mode: &'static str,
    refs: Vec<String>,
    paths: Vec<String>,
    accepted: bool,
    approvals: usize,
    from: Option<String>,
    /// Who may push there, where the rule says it.
    submitters: Option<String>,
}

impl May {
    fn of(policy: &Policy, rule: &Rule, principal: &Principal) -> Self {
        let known = policy.registers(rule, principal);
        let accepted = match principal.kind {
            PrincipalKind::Agent => known && rule.agents.contains(principal),
            PrincipalKind::Service => known && rule.services.contains(&principal.id),
            PrincipalKind::Person => known,
        };
        let approvals = rule.approvals.as_ref().filter(|_| accepted);
        Self {
            rule: rule.name.clone(),
            at: format!("{}:{}", rule.at.file, rule.at.line),
            mode: match rule.mode {
                Mode::Off => "off",
                Mode::Observe => "observe",
                Mode::Warn => "warn",
                Mode::Enforce => "enforce",
            },
            refs: rule.ref_patterns(),
            paths: rule.class_names().into_iter().map(str::to_owned).collect(),
            accepted,
            approvals: approvals.map_or(0, |approvals| approvals.count),
            from: approvals.map(|approvals| approvals.from_text()),
            submitters: rule.submitters.as_ref().map(|submitters| submitters.text()),
        }
    }

    fn place(&self) -> String {
        let refs = self.refs.join(",");
        if self.paths.is_empty() { refs } else { format!("{refs}[{}]", self.paths.join(",")) }
    }

    /// In a word or two.
    fn short(&self) -> String {
        let mode = if self.mode == "enforce" { String::new() } else { format!(",{}", self.mode) };
        match (self.accepted, self.approvals) {
            (false, _) => format!("not:{}{mode}", self.place()),
            (true, 0) => format!("{}{mode}", self.place()),
            (true, count) => format!("{}({count} approvals{mode})", self.place()),
        }
    }

    fn sentence(&self) -> String {
        let what = match (self.accepted, self.approvals, &self.from) {
            (false, ..) => "its work is not accepted".to_owned(),
            (true, 0, _) | (true, _, None) => "its work lands without approvals".to_owned(),
            (true, 1, Some(from)) => format!("its work lands with 1 approval of {from}"),
            (true, count, Some(from)) => format!("its work lands with {count} approvals of {from}"),
        };
        let pushed = self.submitters.as_ref().map(|who| format!("; pushed by {who} only")).unwrap_or_default();
        let mode =
            if self.mode == "enforce" { String::new() } else { format!(" (this rule does not refuse: {})", self.mode) };
        format!("{}: {what}{pushed}{mode} (rule \"{}\", {})", self.place(), self.rule, self.at)
    }
}

/// All of them, by their ids.
struct Inventory {
    rows: BTreeMap<String, Row>,
    /// What is ordered of the one that is looked at.
    ordered: BTreeSet<String>,
    repositories: usize,
    now: Timestamp,
}

pub(crate) fn list(list: &List) -> Result {
    let inventory = Inventory::of(&list.place, None, &mut |_, _| {})?;
    let mut rows: Vec<&Row> = inventory.rows.values().collect();
    rows.sort_by(|one, other| other.weight.cmp(&one.weight).then(one.id.cmp(&other.id)));
    let _paged = Paged::start();
    match list.format {
        Table::Json => {
            let all = serde_json::json!({ "schema": 1, "repositories": inventory.repositories, "agents": rows });
            print(&format!("{all}\n"))?;
        }
        Table::Csv => {
            let head = HEAD.map(str::to_ascii_lowercase).map(|name| name.replace(' ', "-"));
            print(&(head.join(",") + "\r\n"))?;
            rows.iter().try_for_each(|row| print(&(row.cells().map(|text| cell(&text)).join(",") + "\r\n")))?;
        }
        Table::Columns => print(&table(&rows))?,
    }
    Ok(Exit::Accepted)
}

const HEAD: [&str; 12] = [
    "ID",
    "KIND",
    "OWNER",
    "TOOL",
    "KEYS",
    "REVIEW",
    "FIRST USE",
    "LAST USE",
    "COMMITS",
    "REFUSED",
    "STANDS OUT",
    "MAY PUSH",
];

/// Columns as wide as what stands in them.
fn table(rows: &[&Row]) -> String {
    let cells: Vec<[String; 12]> =
        std::iter::once(HEAD.map(str::to_owned)).chain(rows.iter().map(|row| row.cells())).collect();
    let mut widths = [0; 12];
    for line in &cells {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.len());
        }
    }
    let line = |line: &[String; 12]| {
        let padded: Vec<String> = line.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        padded.join("  ").trim_end().to_owned() + "\n"
    };
    cells.iter().map(line).collect()
}

impl Row {
    fn new(id: &str, kind: &'static str) -> Self {
        Self {
            id: id.to_owned(),
            kind,
            owners: BTreeSet::new(),
            tool: None,
            keys: BTreeSet::new(),
            review_by: None,
            repositories: 0,
            may: Vec::new(),
            first_use: None,
            last_use: None,
            commits: 0,
            refused: 0,
            stands_out: Vec::new(),
            used: None,
            weight: 0,
        }
    }

    fn cells(&self) -> [String; 12] {
        let joined = |words: Vec<String>| if words.is_empty() { "-".to_owned() } else { words.join(" ") };
        let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let day = |time: &Option<String>| time.as_ref().map_or("-".to_owned(), |time| time.chars().take(10).collect());
        [
            self.id.clone(),
            self.kind.to_owned(),
            joined(self.owners.iter().cloned().collect()),
            text(&self.tool),
            self.keys.iter().filter(|key| key.status == "good").count().to_string(),
            text(&self.review_by),
            day(&self.first_use),
            day(&self.last_use),
            self.commits.to_string(),
            self.refused.to_string(),
            if self.stands_out.is_empty() { "-".to_owned() } else { self.stands_out.join(", ") },
            joined(self.may.iter().map(May::short).collect()),
        ]
    }

    fn use_at(&mut self, time: Timestamp) {
        let (first, last) = self.used.unwrap_or((time, time));
        self.used = Some((first.min(time), last.max(time)));
    }

    /// What an auditor asks about first.
    fn judge(&mut self, now: Timestamp) {
        (self.first_use, self.last_use) = self
            .used
            .map_or((None, None), |(first, last)| (Some(Time(first).to_string()), Some(Time(last).to_string())));
        if self.kind == UNREGISTERED {
            self.stands_out.push("no policy in force knows it any more".to_owned());
        } else if self.used.is_none() {
            self.stands_out.push("never used".to_owned());
        } else if self.used.is_some_and(|(_, last)| now.0.saturating_sub(last.0) > IDLE) {
            self.stands_out.push("not used for 90 days".to_owned());
        }
        if self.kind != UNREGISTERED && self.keys.iter().all(|key| key.status != "good") {
            self.stands_out.push("no key that counts".to_owned());
        }
        if self.kind == "agent" && self.review_by.is_none() {
            self.stands_out.push("no review date".to_owned());
        }
        if self.owners.len() > 1 {
            self.stands_out.push("policies name several owners".to_owned());
        }
        // Without a review date alone nothing is wrong yet.
        self.weight =
            self.stands_out.iter().filter(|reason| *reason != "no review date").count() * 2 + self.stands_out.len();
    }
}

/// What stands in the place of a kind where only the record knows somebody.
const UNREGISTERED: &str = "gone";

/// Seconds after which something that was used counts as idle.
const IDLE: i64 = 90 * 86_400;

impl Inventory {
    /// Reads policies and ledgers, and hands each push to `each` with the name of its repository; what is ordered is looked up for one.
    fn of(place: &Place, looked_at: Option<&str>, each: &mut dyn FnMut(&str, &Push)) -> Result<Self> {
        let mut inventory = Self { rows: BTreeMap::new(), ordered: BTreeSet::new(), repositories: 0, now: now()? };
        let found = served(place)?;
        let progress = Progress::new("repositories read", Some(found.len()));
        let mut people: BTreeSet<String> = BTreeSet::new();
        let mut seen: BTreeMap<*const Policy, usize> = BTreeMap::new();
        let policies: Vec<Rc<Policy>> = found.iter().filter_map(|one| one.policy.clone()).collect();
        for policy in &policies {
            *seen.entry(Rc::as_ptr(policy)).or_default() += 1;
        }
        for policy in &policies {
            if let Some(count) = seen.remove(&Rc::as_ptr(policy)) {
                inventory.register(policy, count);
                let persons = policy.principals().filter(|one| one.kind == PrincipalKind::Person);
                people.extend(persons.map(|person| person.id.to_string()));
            }
        }
        for (number, one) in found.iter().enumerate() {
            progress.at(number);
            inventory.repositories += 1;
            inventory.tell(one);
            if let Some(id) = looked_at {
                inventory.ordered.extend(ordered(one, id, inventory.now)?);
            }
            if !has_ledger(&one.ledger) {
                continue;
            }
            let activity = activity::read(&one.ledger).map_err(|failure| failure.about(one.path.display()))?;
            for push in &activity.pushes {
                inventory.count(push, &people);
                each(&activity.repository, push);
            }
        }
        drop(progress);
        let now = inventory.now;
        inventory.rows.values_mut().for_each(|row| row.judge(now));
        Ok(inventory)
    }

    fn tell(&self, one: &Served) {
        let path = escape(one.path.as_os_str().as_encoded_bytes(), 400);
        match (&one.problem, &one.hook) {
            (Some(problem), _) => say(&format!("warning: {path}: its policy cannot be read: {problem}")),
            (None, None) if one.git_dir.is_some() => {
                say(&format!("warning: {path}: it has no hook of countersign, so no policy tells what holds there"));
            }
            _ => {}
        }
    }

    /// Takes in whom a policy registers.
    fn register(&mut self, policy: &Policy, repositories: usize) {
        for principal in policy.principals().filter(|one| one.kind != PrincipalKind::Person) {
            let row = self.rows.entry(principal.id.to_string());
            let row = row.or_insert_with(|| Row::new(principal.id.as_str(), principal.kind.noun()));
            row.repositories += repositories;
            row.owners.extend(principal.owner.as_ref().map(Id::to_string));
            row.tool = row.tool.take().or(principal.tool.as_ref().map(Id::to_string));
            row.keys.extend(principal.keys.iter().map(|key| Key {
                key: key.fingerprint().to_string(),
                status: match policy.key_status(key, self.now).objection() {
                    None => "good",
                    Some(_) => "revoked or retired",
                },
            }));
            for certificate in &principal.certificates {
                row.keys.insert(Key { key: certificate.fingerprint().to_string(), status: "good" });
            }
            let review = principal.review_by.map(|date| date.to_string());
            let rules = policy.rules().iter().filter(|rule| rule.mode != Mode::Off && concerns(rule, principal.kind));
            for may in rules.map(|rule| May::of(policy, rule, principal)) {
                if !row.may.contains(&may) {
                    row.may.push(may);
                }
            }
            if principal.review_by.is_some_and(|date| date.is_past(self.now)) {
                push_new(&mut row.stands_out, "past its review");
            }
            row.review_by = row.review_by.take().into_iter().chain(review).min();
            let owner = principal.owner.as_ref().and_then(|owner| policy.principal(owner));
            if !owner.is_some_and(|owner| can_act(policy, owner, self.now)) {
                push_new(&mut row.stands_out, "its owner is gone");
            }
        }
    }

    fn count(&mut self, push: &Push, people: &BTreeSet<String>) {
        let pusher = push.pusher().filter(|who| !people.contains(*who));
        if let Some(row) = pusher.and_then(|who| self.rows.get_mut(who)) {
            row.use_at(push.time);
            row.refused += u64::from(push.outcome == Outcome::Rejected);
        }
        for update in &push.updates {
            for work in update.work.iter().filter(|work| !people.contains(&work.principal)) {
                let row = self.rows.entry(work.principal.clone());
                let row = row.or_insert_with(|| Row::new(&work.principal, UNREGISTERED));
                row.use_at(push.time);
                if update.landed {
                    row.commits += u64::try_from(work.commits.len()).unwrap_or(u64::MAX);
                }
            }
            if push.outcome == Outcome::Rejected {
                let authors: BTreeSet<&String> = update
                    .findings
                    .iter()
                    .filter(|one| one.severity == "error")
                    .filter_map(|one| one.author.as_ref())
                    .collect();
                for author in authors.into_iter().filter(|author| pusher != Some(author.as_str())) {
                    if let Some(row) = self.rows.get_mut(author) {
                        row.use_at(push.time);
                        row.refused += 1;
                    }
                }
            }
        }
    }
}

/// Whether a rule says anything of somebody of this kind.
fn concerns(rule: &Rule, kind: PrincipalKind) -> bool {
    match kind {
        PrincipalKind::Agent => rule.looks_at_commits() || rule.submitters.is_some(),
        PrincipalKind::Service => !rule.services.is_empty(),
        PrincipalKind::Person => false,
    }
}

/// Whether somebody has anything by which the gate would know them.
fn can_act(policy: &Policy, person: &Principal, now: Timestamp) -> bool {
    let keys = person.keys.iter().any(|key| policy.key_status(key, now).objection().is_none());
    keys || !person.certificates.is_empty() || !person.accounts.is_empty()
}

fn push_new(reasons: &mut Vec<String>, reason: &str) {
    if !reasons.iter().any(|own| own == reason) {
        reasons.push(reason.to_owned());
    }
}

/// What it did on one day to one ref.
#[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
struct Deed {
    day: String,
    repository: String,
    #[serde(rename = "ref")]
    name: String,
    what: String,
}

pub(crate) fn show(show: &Show) -> Result {
    let mut deeds: BTreeMap<Deed, u64> = BTreeMap::new();
    let id = show.id.as_str();
    let inventory =
        Inventory::of(&show.place, Some(id), &mut |repository, push| note(id, repository, push, &mut deeds))?;
    let row = inventory.rows.get(id).ok_or_else(|| {
        Failure::new(format!("no policy in force has an agent or service {id}, and no entry is about one"))
            .hint("those there are:\ncountersign agent list --server ROOT")
    })?;
    let _paged = Paged::start();
    if show.format == Printed::Json {
        let life: Vec<_> =
            deeds.iter().map(|(deed, count)| serde_json::json!({ "deed": deed, "count": count })).collect();
        print(&format!(
            "{}\n",
            serde_json::json!({ "schema": 1, "agent": row, "ordered": inventory.ordered, "life": life })
        ))?;
        return Ok(Exit::Accepted);
    }
    let mut lines = vec![format!("{} {}", row.kind, row.id)];
    lines.extend(row.stands_out.iter().map(|reason| format!("  ! {reason}")));
    let mut line = |name: &str, text: String| lines.push(format!("{name:<10}{text}"));
    line("owner", row.owners.iter().cloned().collect::<Vec<_>>().join(", "));
    if let Some(tool) = &row.tool {
        line("tool", tool.clone());
    }
    row.keys.iter().for_each(|key| line("key", format!("{} ({})", key.key, key.status)));
    line("review", row.review_by.clone().unwrap_or_else(|| "no date".to_owned()));
    line("known in", format!("{} of {} repositories", row.repositories, inventory.repositories));
    line(
        "used",
        match (&row.first_use, &row.last_use) {
            (Some(first), Some(last)) => {
                format!("{first} to {last}: {} commits landed, {} updates refused", row.commits, row.refused)
            }
            _ => "never".to_owned(),
        },
    );
    row.may.iter().for_each(|may| line("may", may.sentence()));
    lines.extend(inventory.ordered.iter().cloned());
    for (Deed { day, repository, name, what }, count) in &deeds {
        let repository = escape(repository.as_bytes(), 100);
        lines.push(format!("{day} {repository} {}: {count} {what}", escape(name.as_bytes(), 200)));
    }
    print(&(lines.join("\n") + "\n"))?;
    Ok(Exit::Accepted)
}

/// Adds what a push says of one agent or service.
fn note(id: &str, repository: &str, push: &Push, deeds: &mut BTreeMap<Deed, u64>) {
    let mut add = |name: &dyn std::fmt::Display, what: String, count: u64| {
        let deed = Deed { day: day(push.time), repository: repository.to_owned(), name: name.to_string(), what };
        *deeds.entry(deed).or_default() += count;
    };
    for update in &push.updates {
        let own: usize = update.work.iter().filter(|work| work.principal == id).map(|work| work.commits.len()).sum();
        let own = u64::try_from(own).unwrap_or(u64::MAX);
        if own > 0 && update.landed {
            let approvers: BTreeSet<&str> = update.approvals.iter().map(|(who, _)| who.as_str()).collect();
            let by = approvers.into_iter().collect::<Vec<_>>().join(", ");
            let approved = if by.is_empty() { String::new() } else { format!(", approved by {by}") };
            add(&update.name, format!("commits landed{approved}"), own);
        }
        for found in update.findings.iter().filter(|found| found.author.as_deref() == Some(id)) {
            add(&update.name, format!("findings {} ({})", found.code, found.severity), found.count);
        }
        if push.pusher() == Some(id) {
            add(&update.name, format!("pushes, {}", crate::audit::log::outcome_word(push.outcome)), 1);
        }
    }
}
