//! `countersign policy check --marks`: which marks of agents the last commits of every ref bear, and what a policy would make of
//! work like it, so that an admin sees it before people do. A new version of this program knows more marks.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};
use std::fmt::Write as _;
use std::path::Path;
use std::rc::Rc;

use crate::core::commit::{Commit, parse_trailers};
use crate::core::decide::{MarkWeight, Timestamp, mark_weight};
use crate::core::facts::SignatureFact;
use crate::core::marks::{Mark, MarkSearch, MarkSource, RowOrigin, unreadable_encoding};
use crate::core::objects::Graph as _;
use crate::core::oid::Oid;
use crate::core::policy::{Identity, Marks, Mode, Permission, Policy, PrincipalKind, Rule};
use crate::core::report::escape;
use crate::core::text::plural;
use crate::desk::clone::Local;
use crate::gate::examine::signature_fact;
use crate::server::resolved;
use crate::store::History;
use crate::system::users::Owner;
use crate::system::{Failure, OnDisk as _, Result};

/// Commits of each ref that are looked at: what people do now, and not what was done in another time.
const COMMITS: usize = 1000;

/// Opens a server's repository for reading.
pub(crate) fn server(path: &Path) -> Result<Local> {
    let none = || Failure::new(format!("{} is no git repository", path.display()));
    let git_dir = resolved(path).ok_or_else(none)?.on_disk().canonicalize().map_err(Failure::new)?;
    let owner = Owner::of(&git_dir).map_err(Failure::new)?;
    if owner.is_another() {
        // What root opens in another's directory may be a link to anything.
        return Err(Failure::new(format!("{} is {owner}'s, and this is root's process", path.display()))
            .hint(format!("run it as {owner}:\nsudo -u {owner} countersign policy check --marks")));
    }
    Local::of_server(&git_dir)
}

/// What the marks in a repository are, and what a policy would make of work that bears them.
pub(crate) fn survey(local: &Local, policy: &Policy, now: Timestamp) -> Result<String> {
    let mut survey = Survey {
        policy,
        now,
        walk: Walk { local, history: History::new(&local.objects, &local.dir), known: HashMap::new() },
        search: MarkSearch::new(policy.marks()),
        looked: BTreeMap::new(),
        met: BTreeMap::new(),
    };
    let ours = |name: &[u8]| name.starts_with(b"refs/countersign/") || name.starts_with(b"refs/replace/");
    let refs = local.refs.select(&local.objects, |name| !ours(name)).map_err(Failure::new)?;
    for found in &refs {
        survey.look(&found.name, found.commit)?;
    }
    Ok(survey.text(refs.len()))
}

struct Survey<'a> {
    policy: &'a Policy,
    now: Timestamp,
    walk: Walk<'a>,
    search: MarkSearch<'a>,
    /// Every commit that was looked at; `None` where it shows nothing.
    looked: BTreeMap<Oid, Option<Shown>>,
    /// What is made of each commit that shows something and is not answered for: the most that any rule makes of it.
    met: BTreeMap<Oid, Met>,
}

/// A commit that shows something.
struct Shown {
    summary: Vec<u8>,
    marks: Vec<Mark>,
    unreadable: Option<String>,
    answered: Answered,
}

/// Whether somebody answers for a commit that bears marks. Seals are not verified here: one that does not hold is refused
/// whatever the marks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answered {
    /// It bears a seal, an agent's signature, or says who drafted it.
    Yes,
    No,
}

/// What a rule makes of a commit on a ref.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Met {
    fate: Fate,
    name: Vec<u8>,
    rule: String,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Unasked,
    Recorded,
    Warned,
    Refused,
}

impl Fate {
    const ALL: [Self; 4] = [Self::Refused, Self::Warned, Self::Recorded, Self::Unasked];

    const fn words(self) -> &'static str {
        match self {
            Self::Unasked => "no rule asks",
            Self::Recorded => "recorded, and accepted in silence",
            Self::Warned => "accepted with a warning",
            Self::Refused => "refused",
        }
    }
}

impl Survey<'_> {
    /// Looks at the last commits of a ref.
    fn look(&mut self, name: &[u8], tip: Oid) -> Result<()> {
        let policy = self.policy;
        let asks = |rule: &&Rule| {
            let identity = rule.identity != Identity::None || !rule.agents.is_all() || rule.adopted == Permission::Deny;
            identity && rule.marks != Marks::Ignore && !rule.is_path_rule() && rule.matches_ref(name)
        };
        let rules: Vec<&Rule> = policy.rules().iter().filter(asks).collect();
        for id in self.walk.last(tip)? {
            if !self.looked.contains_key(&id) {
                let shown = self.shown(id)?;
                self.looked.insert(id, shown);
            }
            let Some(Some(shown)) = self.looked.get(&id) else { continue };
            if shown.answered == Answered::Yes {
                continue;
            }
            let nothing = Met { fate: Fate::Unasked, name: name.to_vec(), rule: String::new() };
            let judged = rules.iter().map(|rule| Met {
                fate: self.fate(rule, shown),
                name: name.to_vec(),
                rule: format!("rule \"{}\", {}:{}", rule.name, rule.at.file, rule.at.line),
            });
            let met = judged.filter(|met| met.fate > Fate::Unasked).max_by_key(|met| met.fate).unwrap_or(nothing);
            let known = self.met.entry(id).or_insert_with(|| met.clone());
            if met.fate > known.fate {
                *known = met;
            }
        }
        Ok(())
    }

    fn fate(&self, rule: &Rule, shown: &Shown) -> Fate {
        let weights: Vec<_> = shown.marks.iter().map(|mark| mark_weight(rule, mark, self.now)).collect();
        let counts = shown.unreadable.is_some() || weights.contains(&MarkWeight::Counts);
        match rule.mode {
            Mode::Off => Fate::Unasked,
            Mode::Enforce if counts => Fate::Refused,
            Mode::Warn if counts => Fate::Warned,
            Mode::Observe if counts => Fate::Recorded,
            Mode::Enforce | Mode::Warn if weights.contains(&MarkWeight::Warns) => Fate::Warned,
            Mode::Enforce | Mode::Warn | Mode::Observe => Fate::Unasked,
        }
    }

    fn shown(&self, id: Oid) -> Result<Option<Shown>> {
        let raw = self.walk.local.objects.commit(id).map_err(Failure::new)?;
        // What has no single reading is refused for that.
        let Ok(commit) = Commit::parse(&raw, self.walk.local.objects.format()) else { return Ok(None) };
        let unreadable = unreadable_encoding(commit.encoding);
        let marks = self.search.find(&MarkSource {
            author_name: commit.author.name,
            author_email: commit.author.email,
            message: commit.message,
            encoding: commit.encoding,
        });
        if marks.is_empty() && unreadable.is_none() {
            return Ok(None);
        }
        let summary = commit.message.split(|byte| *byte == b'\n').next().unwrap_or_default().to_vec();
        Ok(Some(Shown { summary, marks, unreadable, answered: self.answered(&commit) }))
    }

    fn answered(&self, commit: &Commit<'_>) -> Answered {
        let trailers = parse_trailers(commit.message);
        let ours = trailers.is_ok_and(|trailers| !trailers.blocks.is_empty() || !trailers.drafted.is_empty());
        let by_agent = || match signature_fact(commit.signature.as_ref(), Some(self.policy)) {
            SignatureFact::Good(signature) => {
                self.policy.by_signer(signature.key()).is_some_and(|holder| holder.kind == PrincipalKind::Agent)
            }
            SignatureFact::None
            | SignatureFact::Unsupported(_)
            | SignatureFact::Foreign(_)
            | SignatureFact::Bad { .. } => false,
        };
        if ours || by_agent() { Answered::Yes } else { Answered::No }
    }

    fn text(&self, refs: usize) -> String {
        let shown = || self.looked.iter().filter_map(|(id, shown)| shown.as_ref().map(|shown| (id, shown)));
        let mut out = format!(
            "{}, the last {COMMITS} of each of {}: {} with marks of agents, {} without seal or adoption\n",
            plural(self.looked.len(), "commit"),
            plural(refs, "ref"),
            shown().count(),
            self.met.len()
        );
        let mut agents: BTreeMap<&str, Agent> = BTreeMap::new();
        for (id, shown) in shown() {
            for mark in &shown.marks {
                let agent = agents.entry(&mark.agent).or_default();
                agent.commits.insert(*id);
                *agent.rows.entry(self.row_text(mark)).or_default() += 1;
            }
        }
        for (name, Agent { commits, rows }) in &agents {
            let unsealed = commits.iter().filter(|id| self.met.contains_key(id)).count();
            let count = plural(commits.len(), "commit");
            line(&mut out, format_args!("agent {name}: {count}, {unsealed} without seal or adoption"));
            for (row, count) in rows {
                line(&mut out, format_args!("    {count:>4}  {row}"));
            }
        }
        for fate in Fate::ALL {
            let met: Vec<_> = self.met.iter().filter(|(_, met)| met.fate == fate).collect();
            if let [_, ..] = met.as_slice() {
                line(&mut out, format_args!("{}, work like {}:", fate.words(), plural(met.len(), "commit")));
            }
            for (id, met) in met {
                self.commit_line(*id, met, &mut out);
            }
        }
        out
    }

    fn commit_line(&self, id: Oid, met: &Met, out: &mut String) {
        let Some(Some(shown)) = self.looked.get(&id) else { return };
        let agents: BTreeSet<&str> = shown.marks.iter().map(|mark| mark.agent.as_str()).collect();
        let mut why: Vec<String> = agents.into_iter().map(str::to_owned).collect();
        why.extend(shown.unreadable.as_ref().map(|name| format!("encoding {}", escape(name.as_bytes(), 80))));
        let rule = if met.rule.is_empty() { String::new() } else { format!(" ({})", escape(met.rule.as_bytes(), 200)) };
        let (name, summary) = (escape(&met.name, 200), escape(&shown.summary, 60));
        line(out, format_args!("    {} \"{summary}\" {name}: {}{rule}", id.short(), why.join(", ")));
    }

    /// The row that found a mark.
    fn row_text(&self, mark: &Mark) -> String {
        let Some(row) = self.policy.marks().row(mark) else { return format!("{}  (no row)", mark.kind.name()) };
        let added = row.added.map(|day| format!("  (since {day})")).unwrap_or_default();
        let origin = if row.origin == RowOrigin::Added { "  (marks-file)" } else { "" };
        format!("{}  {}{origin}{added}", row.kind.name(), row.pattern)
    }
}

/// What was found of one agent.
#[derive(Default)]
struct Agent {
    commits: BTreeSet<Oid>,
    rows: BTreeMap<String, usize>,
}

/// Walks from tips, each commit read once.
struct Walk<'a> {
    local: &'a Local,
    history: History<'a>,
    known: HashMap<Oid, (u64, Rc<[Oid]>)>,
}

impl Walk<'_> {
    /// The last commits that a tip contains, by the dates of their committers, as git-log(1) orders them.
    fn last(&mut self, tip: Oid) -> Result<Vec<Oid>> {
        let mut last = Vec::new();
        let mut seen = BTreeSet::from([tip]);
        let mut pending = BinaryHeap::from([(self.node(tip)?.0, tip)]);
        while let Some((_, id)) = pending.pop() {
            last.push(id);
            if last.len() == COMMITS {
                break;
            }
            for parent in self.node(id)?.1.iter().filter(|parent| seen.insert(**parent)) {
                pending.push((self.node(*parent)?.0, *parent));
            }
        }
        Ok(last)
    }

    fn node(&mut self, id: Oid) -> Result<(u64, Rc<[Oid]>)> {
        if let Some(known) = self.known.get(&id) {
            return Ok(known.clone());
        }
        let node = self.history.node(id).map_err(Failure::new)?;
        let node = (node.seconds, node.parents);
        self.known.insert(id, node.clone());
        Ok(node)
    }
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{text}");
}
