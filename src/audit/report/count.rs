//! What a report counts.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::Figure;
use super::chart::Chart;
use super::outcome::{Landings, Sequel};
use super::table::{Cell, Table};
use crate::audit::activity::{Activity, Push, Update, What};
use crate::audit::approvals::issued;
use crate::audit::period::{Ends, Served, day};
use crate::core::canonical::Time;
use crate::core::decide::Timestamp;
use crate::core::digest::Digest;
use crate::core::id::Id;
use crate::core::oid::Oid;
use crate::core::policy::{Policy, PrincipalKind};
use crate::ledger::Outcome;
use crate::system::Result;

/// Seconds of a week.
const WEEK: i64 = 7 * 86_400;

/// Sums over the repositories that were read.
pub(super) struct Count {
    ends: Ends,
    repositories: Vec<Repository>,
    weeks: BTreeMap<i64, Share>,
    agents: BTreeMap<String, Agent>,
    approvers: BTreeMap<String, Approver>,
    codes: BTreeMap<String, Refusals>,
    let_through: BTreeMap<String, u64>,
    past: Vec<(Timestamp, Vec<Cell>)>,
    /// Repositories without a ledger.
    pub(super) left_out: u64,
}

#[derive(Clone, Copy, Default)]
struct Share {
    commits: u64,
    by_agents: u64,
}

struct Repository {
    name: String,
    gate: &'static str,
    share: Share,
    pushes: u64,
    refused: u64,
    let_through: u64,
    past: u64,
}

#[derive(Default)]
struct Agent {
    owners: BTreeSet<String>,
    commits: u64,
    refused: u64,
    repositories: BTreeSet<String>,
}

#[derive(Default)]
struct Approver {
    approvals: u64,
    of_own_agents: u64,
    /// Seconds from when the server first saw what was approved until it was signed, and from then until it landed.
    to_sign: Vec<i64>,
    to_land: Vec<i64>,
}

#[derive(Default)]
struct Refusals {
    updates: u64,
    same: u64,
    other: u64,
}

impl Count {
    pub(super) fn new(ends: Ends) -> Self {
        let weeks = (monday(ends.from)..ends.to.0).step_by(usize::try_from(WEEK).unwrap_or(1));
        Self {
            ends,
            repositories: Vec::new(),
            weeks: weeks.map(|week| (week, Share::default())).collect(),
            agents: BTreeMap::new(),
            approvers: BTreeMap::new(),
            codes: BTreeMap::new(),
            let_through: BTreeMap::new(),
            past: Vec::new(),
            left_out: 0,
        }
    }

    /// Adds what one ledger says.
    pub(super) fn take(&mut self, served: &Served, activity: &Activity) -> Result<()> {
        let gate = match (&served.hook, served.enforces()) {
            (_, true) => "enforces",
            (Some(_), false) => "observes",
            (None, false) => "not known here",
        };
        let mut repository = Repository {
            name: activity.repository.clone(),
            gate,
            share: Share::default(),
            pushes: 0,
            refused: 0,
            let_through: 0,
            past: 0,
        };
        let policy = served.policy.as_deref();
        let landings = Landings::of(activity);
        let mut first_seen: HashMap<Oid, Timestamp> = HashMap::new();
        let mut landed = Vec::new();
        for push in &activity.pushes {
            for update in &push.updates {
                let work = update.work.iter().flat_map(|work| &work.commits);
                for id in update.new.iter().chain(work) {
                    first_seen.entry(*id).or_insert(push.time);
                }
            }
            if !self.ends.has(push.time) {
                continue;
            }
            repository.pushes += 1;
            repository.refused += u64::from(push.outcome != Outcome::Accepted);
            repository.let_through += u64::from(push.let_through());
            for update in &push.updates {
                self.update(push, update, (policy, &landings), &mut repository);
                if update.landed && !update.approvals.is_empty() {
                    landed.push((push.time, update));
                }
            }
        }
        self.approvals(served, &landed, &first_seen)?;
        for past in activity.past_the_gate.iter().filter(|past| self.ends.has(past.time)) {
            repository.past += 1;
            let id = |id: &Option<Oid>| id.map_or_else(|| "nothing".to_owned(), |id| id.short());
            let (what, name, from, to) = match &past.what {
                What::Moved(name, from, to) => ("moved with no decision", name.to_string(), id(from), id(to)),
                What::Taken(refs) => {
                    ("refs taken as found again", format!("{refs} refs"), String::new(), String::new())
                }
                What::Clock => ("the clock declared right", String::new(), String::new(), String::new()),
                What::Unspent(count) => {
                    ("approvals declared not landed", format!("{count} approvals"), String::new(), String::new())
                }
            };
            let cells = [Time(past.time).to_string(), activity.repository.clone(), what.to_owned(), name, from, to];
            let entry = Cell::Count(past.entry);
            self.past.push((past.time, cells.into_iter().map(Cell::Text).chain([entry]).collect()));
        }
        let suppressed = activity.suppressed.iter().filter(|(hour, _)| self.ends.has(*hour)).map(|(_, count)| count);
        let suppressed = suppressed.sum::<u64>();
        repository.refused += suppressed;
        repository.pushes += suppressed;
        self.repositories.push(repository);
        Ok(())
    }

    fn update(
        &mut self,
        push: &Push,
        update: &Update,
        (policy, landings): (Option<&Policy>, &Landings<'_>),
        repository: &mut Repository,
    ) {
        if update.landed {
            let by_agents = update.work.iter().filter(|work| is_agent(policy, &work.principal));
            let by_agents: u64 = by_agents.map(|work| count(&work.commits)).sum();
            let share = Share { commits: update.commits.max(by_agents), by_agents };
            repository.share.add(share);
            self.weeks.entry(monday(push.time)).or_default().add(share);
            for work in update.work.iter().filter(|work| is_agent(policy, &work.principal)) {
                let agent = self.agents.entry(work.principal.clone()).or_default();
                agent.commits += count(&work.commits);
                agent.owners.extend(owner(policy, &work.principal));
                agent.repositories.insert(repository.name.clone());
            }
        }
        let codes: BTreeSet<&str> =
            update.findings.iter().filter(|found| found.refuses()).map(|found| found.code.as_str()).collect();
        if push.outcome == Outcome::Accepted {
            codes.into_iter().for_each(|code| *self.let_through.entry(code.to_owned()).or_default() += 1);
            return;
        }
        let sequel = landings.sequel(update, push.pusher(), push.time);
        let undecided = push.undecided.then_some("undecided");
        for code in codes.into_iter().chain(undecided) {
            let refusals = self.codes.entry(code.to_owned()).or_default();
            refusals.updates += 1;
            match sequel {
                Sequel::Same => refusals.same += 1,
                Sequel::Other => refusals.other += 1,
                Sequel::Nothing => {}
            }
        }
        let authors: BTreeSet<&String> = update.findings.iter().filter_map(|found| found.author.as_ref()).collect();
        for author in authors.into_iter().filter(|author| is_registered_agent(policy, author)) {
            let agent = self.agents.entry(author.clone()).or_default();
            agent.refused += 1;
            agent.owners.extend(owner(policy, author));
        }
    }

    fn approvals(
        &mut self,
        served: &Served,
        landed: &[(Timestamp, &Update)],
        first_seen: &HashMap<Oid, Timestamp>,
    ) -> Result<()> {
        let digests: BTreeSet<Digest> =
            landed.iter().flat_map(|(_, update)| &update.approvals).map(|(_, one)| *one).collect();
        let signed = issued(&served.ledger, served.git_dir.as_deref(), &digests)?;
        let policy = served.policy.as_deref();
        for (time, update) in landed {
            let owners: BTreeSet<String> =
                update.work.iter().filter_map(|work| owner(policy, &work.principal)).collect();
            let seen = update.new.and_then(|id| first_seen.get(&id));
            for (person, digest) in &update.approvals {
                let approver = self.approvers.entry(person.clone()).or_default();
                approver.approvals += 1;
                approver.of_own_agents += u64::from(owners.contains(person));
                if let Some(signed) = signed.get(digest) {
                    approver.to_land.push((time.0 - signed.0).max(0));
                    approver.to_sign.extend(seen.map(|seen| (signed.0 - seen.0).max(0)));
                }
            }
        }
        Ok(())
    }

    /// All that is told.
    pub(super) fn figures(mut self) -> Vec<Figure> {
        self.repositories
            .sort_by(|one, other| other.share.commits.cmp(&one.share.commits).then(one.name.cmp(&other.name)));
        self.past.sort_by_key(|(time, _)| *time);
        vec![
            self.weeks_figure(),
            self.agents_figure(),
            self.repositories_figure(),
            self.approvals_figure(),
            self.refusals_figure(),
            self.let_through_figure(),
            self.past_figure(),
        ]
    }

    fn weeks_figure(&self) -> Figure {
        let mut whole = Share::default();
        self.weeks.values().for_each(|share| whole.add(*share));
        let bars = self.weeks.iter();
        let bars =
            bars.map(|(week, share)| (day(Timestamp(*week)), vec![share.by_agents, share.commits - share.by_agents]));
        let rows = self
            .weeks
            .iter()
            .map(|(week, share)| [Cell::Text(day(Timestamp(*week)))].into_iter().chain(share.cells()).collect());
        Figure {
            title: "Agents' work by week",
            says: format!(
                "{} commits landed that the gate judged, {} of them sealed by agents ({}).",
                whole.commits,
                whole.by_agents,
                Cell::Share(whole.by_agents, whole.commits).text()
            ),
            chart: Some(Chart::columns(&["sealed by agents", "others"], bars.collect())),
            table: Table::new("weeks", &["week from", "commits", "by agents", "share"], rows.collect()),
        }
    }

    fn agents_figure(&self) -> Figure {
        let all: u64 = self.agents.values().map(|agent| agent.commits).sum();
        let mut agents: Vec<(&String, &Agent)> = self.agents.iter().collect();
        agents.sort_by(|one, other| other.1.commits.cmp(&one.1.commits).then(one.0.cmp(other.0)));
        let bars = agents.iter().map(|(name, agent)| ((*name).clone(), vec![agent.commits]));
        let rows = agents.iter().map(|(name, agent)| {
            vec![
                Cell::Text((*name).clone()),
                Cell::Text(agent.owners.iter().cloned().collect::<Vec<_>>().join(" ")),
                Cell::Count(agent.commits),
                Cell::Share(agent.commits, all),
                Cell::Count(count(agent.repositories.iter())),
                Cell::Count(agent.refused),
            ]
        });
        Figure {
            title: "Agents",
            says: format!("{} agents had work that landed or was refused.", self.agents.len()),
            chart: Some(Chart::bars(&["commits"], bars.collect())),
            table: Table::new(
                "agents",
                &["agent", "owner", "commits", "share", "repositories", "updates refused"],
                rows.collect(),
            ),
        }
    }

    fn repositories_figure(&self) -> Figure {
        let bars = self.repositories.iter().map(|one| {
            let Share { commits, by_agents } = one.share;
            (one.name.clone(), vec![by_agents, commits - by_agents])
        });
        let rows = self.repositories.iter().map(|one| {
            let counts = [one.pushes, one.refused, one.let_through, one.past].map(Cell::Count);
            let texts = [Cell::Text(one.name.clone()), Cell::Text(one.gate.to_owned())];
            texts.into_iter().chain(one.share.cells()).chain(counts).collect()
        });
        let left_out = match self.left_out {
            0 => String::new(),
            count => format!(" {count} more have no ledger, and nothing can be said of them."),
        };
        Figure {
            title: "Repositories",
            says: format!("Repositories on record: {}.{left_out}", self.repositories.len()),
            chart: Some(Chart::bars(&["sealed by agents", "others"], bars.collect())),
            table: Table::new(
                "repositories",
                &[
                    "repository",
                    "gate today",
                    "commits",
                    "by agents",
                    "share",
                    "pushes",
                    "refused",
                    "let through",
                    "past the gate",
                ],
                rows.collect(),
            ),
        }
    }

    fn approvals_figure(&self) -> Figure {
        let mut approvers: Vec<(&String, &Approver)> = self.approvers.iter().collect();
        approvers.sort_by(|one, other| other.1.approvals.cmp(&one.1.approvals).then(one.0.cmp(other.0)));
        let bars = approvers
            .iter()
            .map(|(name, one)| ((*name).clone(), vec![one.approvals - one.of_own_agents, one.of_own_agents]));
        let rows = approvers.iter().map(|(name, one)| {
            vec![
                Cell::Text((*name).clone()),
                Cell::Count(one.approvals),
                Cell::Count(one.of_own_agents),
                Cell::Time(median(&one.to_sign)),
                Cell::Time(median(&one.to_land)),
            ]
        });
        let all: u64 = self.approvers.values().map(|one| one.approvals).sum();
        let own: u64 = self.approvers.values().map(|one| one.of_own_agents).sum();
        Figure {
            title: "Approvals",
            says: format!(
                "{all} approvals landed; of {own} the person who approved was also the owner of an agent whose work it was."
            ),
            chart: Some(Chart::bars(&["of others' agents", "of own agents"], bars.collect())),
            table: Table::new(
                "approvals",
                &["approver", "approvals", "of own agents", "median until signed", "median until landed"],
                rows.collect(),
            ),
        }
    }

    fn refusals_figure(&self) -> Figure {
        let mut codes: Vec<(&String, &Refusals)> = self.codes.iter().collect();
        codes.sort_by(|one, other| other.1.updates.cmp(&one.1.updates).then(one.0.cmp(other.0)));
        let nothing = |one: &Refusals| one.updates - one.same - one.other;
        let bars = codes.iter().map(|(code, one)| ((*code).clone(), vec![one.same, one.other, nothing(one)]));
        let rows = codes.iter().map(|(code, one)| {
            let counts = [one.updates, one.same, one.other, nothing(one)].map(Cell::Count);
            std::iter::once(Cell::Text((*code).clone())).chain(counts).collect()
        });
        let refused: u64 = self.repositories.iter().map(|one| one.refused).sum();
        Figure {
            title: "Refusals, and what became of them",
            says: format!("{refused} pushes were refused. One that was refused for several reasons stands under each."),
            chart: Some(Chart::bars(
                &["landed as it was", "landed after a change", "nothing landed since"],
                bars.collect(),
            )),
            table: Table::new(
                "refusals",
                &["code", "updates refused", "landed as it was", "landed after a change", "nothing landed since"],
                rows.collect(),
            ),
        }
    }

    fn let_through_figure(&self) -> Figure {
        let mut codes: Vec<(&String, &u64)> = self.let_through.iter().collect();
        codes.sort_by(|one, other| other.1.cmp(one.1).then(one.0.cmp(other.0)));
        let pushes: u64 = self.repositories.iter().map(|one| one.let_through).sum();
        let rows = codes.iter().map(|(code, count)| vec![Cell::Text((*code).clone()), Cell::Count(**count)]);
        Figure {
            title: "Let through while the gate observed",
            says: format!("{pushes} pushes were accepted although enforcing would have refused them."),
            chart: Some(Chart::bars(
                &["updates"],
                codes.iter().map(|(code, count)| ((*code).clone(), vec![**count])).collect(),
            )),
            table: Table::new("let-through", &["code", "updates accepted"], rows.collect()),
        }
    }

    fn past_figure(&self) -> Figure {
        Figure {
            title: "Past the gate",
            says: format!(
                "{} times something changed with no decision, or an admin set the record right.",
                self.past.len()
            ),
            chart: None,
            table: Table::new(
                "past-the-gate",
                &["seen at", "repository", "what", "ref", "from", "to", "entry"],
                self.past.iter().map(|(_, cells)| cells.clone()).collect(),
            ),
        }
    }
}

impl Share {
    fn add(&mut self, other: Self) {
        self.commits += other.commits;
        self.by_agents += other.by_agents;
    }

    fn cells(self) -> [Cell; 3] {
        [Cell::Count(self.commits), Cell::Count(self.by_agents), Cell::Share(self.by_agents, self.commits)]
    }
}

fn count<T>(items: impl IntoIterator<Item = T>) -> u64 {
    u64::try_from(items.into_iter().count()).unwrap_or(u64::MAX)
}

/// The Monday on which the week of a time begins: the first day of the epoch was a Thursday.
fn monday(time: Timestamp) -> i64 {
    let shifted = time.0 + 3 * 86_400;
    shifted - shifted.rem_euclid(WEEK) - 3 * 86_400
}

fn median(values: &[i64]) -> Option<i64> {
    let mut values = values.to_vec();
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

/// Whether somebody is an agent. One that no policy knows any more counts as one: what signs work is an agent or a person, and people stay.
fn is_agent(policy: Option<&Policy>, principal: &str) -> bool {
    let kind = known(policy, principal).map(|principal| principal.kind);
    kind.is_none_or(|kind| kind == PrincipalKind::Agent)
}

fn is_registered_agent(policy: Option<&Policy>, principal: &str) -> bool {
    known(policy, principal).is_some_and(|principal| principal.kind == PrincipalKind::Agent)
}

fn owner(policy: Option<&Policy>, principal: &str) -> Option<String> {
    known(policy, principal)?.owner.as_ref().map(Id::to_string)
}

fn known<'p>(policy: Option<&'p Policy>, principal: &str) -> Option<&'p crate::core::policy::Principal> {
    policy?.principal(&Id::parse(principal.as_bytes())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weeks_begin_on_mondays() {
        let time = |text: &str| Time::parse(text).unwrap().0;
        for day_ in ["2026-11-23T00:00:00Z", "2026-11-25T12:00:00Z", "2026-11-29T23:59:59Z"] {
            assert_eq!(day(Timestamp(monday(time(day_)))), "2026-11-23");
        }
        assert_eq!(day(Timestamp(monday(Timestamp(0)))), "1969-12-29");
        assert_eq!((median(&[]), median(&[3, 1, 2])), (None, Some(2)));
    }
}
