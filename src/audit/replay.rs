//! `countersign log replay`: accepted pushes decided again, as everything stood before each, by the policy of today or another.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::path::PathBuf;

use serde::Serialize;

use crate::audit::Printed;
use crate::audit::log::{Found, Place};
use crate::audit::period::{Ends, Period};
use crate::core::approval::ApprovalIndex;
use crate::core::canonical::{RefName, Time};
use crate::core::decide::{Outcome as Verdict, Severity, Timestamp};
use crate::core::digest::Digest;
use crate::core::facts::Continuity;
use crate::core::id::Id;
use crate::core::objects::ReadError;
use crate::core::oid::Oid;
use crate::core::policy::Policy;
use crate::core::submitter::{Said, Submitter, Via, Who};
use crate::desk::clone::Local;
use crate::gate::command::PreReceive;
use crate::gate::engine::{Memory, PushContext, Settings, judge};
use crate::gate::hook::engine_failure;
use crate::gate::policy_source::{PolicyArg, PolicyReader};
use crate::gate::push::{Push, RefUpdate};
use crate::gate::recording::ledger_failure;
use crate::gate::ref_values::{RefValues, StoredRefs};
use crate::gate::session::Session;
use crate::ledger::{self, Decided, Entry, Outcome, Receipt, Settled, Signatures, UpdateRecord};
use crate::server::installed_hook;
use crate::store::{SymbolicRef, peel};
use crate::system::{Exit, Failure, Progress, Result, print};

pub(crate) struct Replay {
    pub(crate) place: Place,
    /// The number of the entry whose push is decided again; without it, every push of the time
    pub(crate) entry: Option<u64>,
    pub(crate) period: Period,
    /// A policy instead of the one in force; all given hold together
    pub(crate) policies: Vec<PolicyArg>,
    pub(crate) format: Printed,
}

pub(crate) fn run(replay: &Replay) -> Result {
    let found = replay.place.one()?;
    let wanted = match replay.entry {
        Some(number) => Wanted::Entry(number),
        None => Wanted::In(replay.period.ends()?),
    };
    let sum = over(&found, &replay.policies, wanted)?;
    if let (Wanted::Entry(number), 0) = (wanted, sum.pushes) {
        return Err(Failure::new(format!("entry {number} of the log of today is no decision on a push"))
            .hint("the decisions there are:\ncountersign log show --verdict accepted --server REPO.git"));
    }
    print(&match replay.format {
        Printed::Text => sum.text(),
        Printed::Json => serde_json::to_string(&sum).map_err(Failure::new)? + "\n",
    })?;
    Ok(if sum.differ.is_empty() { Exit::Accepted } else { Exit::Rejected })
}

/// What a policy would have said of the pushes of a time, for an admin who is about to change it.
pub(crate) fn impact(place: &Place, policy: &PolicyArg, period: &Period) -> Result<String> {
    over(&place.one()?, std::slice::from_ref(policy), Wanted::In(period.ends()?)).map(|sum| sum.text())
}

/// What comes of one push that is decided again, where it is not the same.
pub(super) enum Answer {
    Differs(String),
    NotJudged(String),
}

/// What the policy in force says of the pushes that entries decided, each known by its time and its number.
pub(super) fn answers(found: &Found, pushes: &BTreeSet<(Timestamp, u64)>) -> Result<Vec<Answer>> {
    let sum = over(found, &[], Wanted::These(pushes))?;
    let differ = sum.differ.iter().map(|one| {
        let refs: Vec<String> = one.refs.iter().map(crate::audit::log::ref_text).collect();
        let codes: Vec<&str> = one.codes.keys().copied().collect();
        let words = format!("{}: {} then, {} now {}", refs.join(" "), one.then, one.now, codes.join(", "));
        Answer::Differs(words.trim_end().to_owned())
    });
    Ok(differ.chain(sum.not_judged.keys().map(|reason| Answer::NotJudged(reason.clone()))).collect())
}

/// Which pushes are decided again.
#[derive(Clone, Copy)]
enum Wanted<'a> {
    /// That of one entry of the log of today.
    Entry(u64),
    /// Those of a time.
    In(Ends),
    /// These, by their times and numbers.
    These(&'a BTreeSet<(Timestamp, u64)>),
}

/// What came of it.
#[derive(Default, Serialize)]
struct Sum {
    schema: u32,
    /// Pushes that were accepted, and how many of them could be judged.
    pushes: u64,
    judged: u64,
    same: u64,
    differ: Vec<Differs>,
    /// Why others could not be.
    not_judged: BTreeMap<String, u64>,
}

/// A push of which another answer comes.
#[derive(Serialize)]
struct Differs {
    entry: u64,
    time: String,
    refs: Vec<RefName>,
    then: &'static str,
    now: &'static str,
    /// What is found now that refuses, and how many times.
    codes: BTreeMap<&'static str, usize>,
}

impl Sum {
    fn text(&self) -> String {
        let mut text = String::new();
        for one in &self.differ {
            let refs: Vec<String> = one.refs.iter().map(crate::audit::log::ref_text).collect();
            let codes: Vec<String> = one.codes.iter().map(|(code, count)| format!("{count} {code}")).collect();
            let why = if codes.is_empty() { String::new() } else { format!(": {}", codes.join(", ")) };
            text +=
                &format!("#{} {} {}: {} then, {} now{why}\n", one.entry, one.time, refs.join(" "), one.then, one.now);
        }
        let share = (self.judged * 100).checked_div(self.pushes).unwrap_or(100);
        text += &format!(
            "{} of {} accepted pushes judged again ({share}%): {} alike, {} not\n",
            self.judged,
            self.pushes,
            self.same,
            self.differ.len()
        );
        for (reason, count) in &self.not_judged {
            text += &format!("  {count} not judged: {reason}\n");
        }
        text
    }
}

fn over(found: &Found, policies: &[PolicyArg], wanted: Wanted<'_>) -> Result<Sum> {
    let git_dir = found.git_dir.as_deref().ok_or_else(|| {
        Failure::new("a push is decided again where its objects are").hint("name the repository with --server REPO.git")
    })?;
    let local = Local::of_server(git_dir)?;
    let hook = installed_hook(git_dir);
    let judged_by = match (policies, &hook) {
        ([], Some(hook)) => hook.policies.clone(),
        (given, _) => given.to_vec(),
    };
    if judged_by.is_empty() {
        return Err(Failure::new("nothing says by which policy").hint("--policy FILE"));
    }
    let name = hook.as_ref().and_then(|hook| hook.name_of(&local.dir.git_dir));
    let baseline = hook.as_ref().and_then(|hook| hook.baseline.clone());
    let settings = Settings { policies: judged_by, repository: name, baseline };
    let values = StoredRefs { refs: &local.refs, objects: &local.objects };
    let policy = PolicyReader { repository: Some((&local.objects, &values)) }.load(&settings.policies);
    let policy = policy.map_err(|error| engine_failure(&error.into()))?.policy;
    let mut again = Again {
        local: &local,
        settings,
        policy,
        hook,
        past: Past::default(),
        sum: Sum { schema: 1, ..Sum::default() },
    };
    let progress = Progress::new("entries read", None);
    for log in ledger::generations(&found.directory).into_iter().chain([found.directory.clone()]) {
        again.log(&log, (&found.directory, wanted), &progress)?;
    }
    Ok(again.sum)
}

/// What was known before a push.
#[derive(Default)]
struct Past {
    refs: BTreeMap<Vec<u8>, Oid>,
    /// When seals, signatures and approvals were first received, and the value to which the ref of an approval moved.
    received: HashMap<Digest, (Timestamp, Option<Oid>)>,
    unexplained: BTreeSet<RefName>,
    /// The value of each ref up to which it was judged, where people passed over findings since.
    judged_until: BTreeMap<RefName, Option<Oid>>,
    /// The commits that were received under each certificate of a grant, or under one below it.
    uses: BTreeMap<Digest, BTreeSet<Oid>>,
    /// Decisions of which refs may still move.
    decided: HashMap<u64, (Timestamp, Vec<UpdateRecord>)>,
}

/// Pushes that are decided again, one after the other.
struct Again<'a> {
    local: &'a Local,
    settings: Settings,
    policy: Policy,
    hook: Option<PreReceive>,
    past: Past,
    sum: Sum,
}

/// A decision with all its entries.
struct Whole {
    number: u64,
    decided: Decided,
    updates: Vec<UpdateRecord>,
}

impl Again<'_> {
    fn log(&mut self, log: &PathBuf, (today, wanted): (&PathBuf, Wanted<'_>), progress: &Progress) -> Result<()> {
        self.past.decided.clear();
        let mut open: Option<Whole> = None;
        let mut failed = None;
        let read = ledger::read(log, Signatures::Last, &mut |number, _, entry| {
            progress.at(number);
            if let (Entry::Continued(continued), Some(whole)) = (entry, &mut open) {
                whole.updates.extend(continued.updates.iter().cloned());
                return;
            }
            if let Some(whole) = open.take()
                && failed.is_none()
            {
                failed = self.end(whole, (log, today), wanted).err();
            }
            match entry {
                Entry::Decided(decided) => {
                    let updates = decided.updates.clone();
                    open = Some(Whole { number, decided: decided.clone(), updates });
                }
                other => self.past.take(other),
            }
        });
        read.map_err(|error| ledger_failure(&error))?;
        if let (Some(whole), None) = (open, &failed) {
            failed = self.end(whole, (log, today), wanted).err();
        }
        failed.map_or(Ok(()), Err)
    }

    /// Judges a decision that is wanted, and remembers what it would move.
    fn end(&mut self, whole: Whole, log: (&PathBuf, &PathBuf), wanted: Wanted<'_>) -> Result<()> {
        let time = whole.decided.time.0;
        let is_wanted = match wanted {
            Wanted::Entry(number) => log.0 == log.1 && number == whole.number,
            Wanted::These(pushes) => whole.decided.again.is_none() && pushes.contains(&(time, whole.number)),
            Wanted::In(ends) => ends.has(time) && whole.decided.again.is_none(),
        };
        if is_wanted {
            self.judge(&whole)?;
        }
        if whole.decided.outcome == Outcome::Accepted {
            self.past.decided.insert(whole.number, (time, whole.updates));
        }
        Ok(())
    }

    fn judge(&mut self, whole: &Whole) -> Result<()> {
        let Whole { number, decided, updates } = whole;
        let mut not = |reason: &str| *self.sum.not_judged.entry(reason.to_owned()).or_default() += 1;
        if decided.outcome != Outcome::Accepted {
            not("it was refused, and its objects died with its quarantine");
            return Ok(());
        }
        self.sum.pushes += 1;
        let mut moves: BTreeMap<&RefName, RefUpdate> = BTreeMap::new();
        for update in updates {
            let (old, new) = (update.old.map(|id| id.0), update.new.map(|id| id.0));
            moves.entry(&update.name).or_insert(RefUpdate { name: update.name.0.clone(), old, new, claimed: None });
        }
        for update in moves.values() {
            for id in update.new.iter().chain(&update.old) {
                if !self.local.objects.contains(*id).map_err(Failure::new)? {
                    not("its objects are gone");
                    return Ok(());
                }
            }
        }
        let push = Push { updates: moves.into_values().collect(), format: self.local.objects.format() };
        let submitter = submitter(decided.submitter.as_deref(), &self.policy, self.hook.as_ref());
        let known = Known { local: self.local, past: &self.past, index: RefCell::default() };
        let context = PushContext {
            dir: &self.local.dir,
            objects: &self.local.objects,
            refs: &known,
            memory: &known,
            // What an admin ordered beside the repository is not as of then, but as of now.
            stores: &[],
            submitter: &submitter,
            now: decided.time.0,
            session: &Session::on_desk(),
        };
        let verdict = match judge(&self.settings, &push, context) {
            Ok(judgement) => judgement.verdict,
            Err(error) => {
                not(&engine_failure(&error).message);
                return Ok(());
            }
        };
        let now = match verdict.outcome() {
            Verdict::Accepted => "accepted",
            Verdict::Rejected => "refused",
            Verdict::Undecided => {
                not("something that it asks for is gone, such as the record of an approval");
                return Ok(());
            }
        };
        self.sum.judged += 1;
        let refused = |update: &UpdateRecord| update.outcome != Outcome::Accepted;
        let then = if updates.iter().any(refused) { "let through" } else { "accepted" };
        let is_same = (now == "refused") == (then == "let through");
        if is_same {
            self.sum.same += 1;
            return Ok(());
        }
        let mut codes: BTreeMap<&'static str, usize> = BTreeMap::new();
        let findings = verdict.refs.iter().flat_map(|one| &one.findings);
        findings
            .filter(|one| one.severity == Severity::Error)
            .for_each(|one| *codes.entry(one.code.name()).or_default() += 1);
        let refs = push.updates.iter().map(|update| RefName(update.name.clone())).collect();
        let time = Time(decided.time.0).to_string();
        self.sum.differ.push(Differs { entry: *number, time, refs, then, now, codes });
        Ok(())
    }
}

impl Past {
    fn take(&mut self, entry: &Entry) {
        match entry {
            Entry::Refs(found) => {
                for (name, value) in &found.refs {
                    self.moved(name, value.map(|id| id.0));
                    self.unexplained.remove(name);
                    self.judged_until.remove(name);
                }
            }
            Entry::Overrode(overrode) => {
                let moves = overrode.moves.iter();
                self.judged_until.extend(moves.map(|moved| (moved.name.clone(), moved.old.map(|id| id.0))));
            }
            Entry::Unexplained(unexplained) => {
                for moved in &unexplained.refs {
                    self.moved(&moved.name, moved.to.map(|id| id.0));
                    self.unexplained.insert(moved.name.clone());
                }
            }
            Entry::Committed(settled) => self.commit(settled),
            Entry::Carried(carried) => {
                let receipts = carried.receipts.iter();
                self.received
                    .extend(receipts.map(|Receipt(digest, time, value)| (digest.0, (time.0, value.map(|id| id.0)))));
            }
            Entry::Spent(presumed) => {
                let digests = presumed.approvals.iter().map(|digest| digest.0);
                for digest in digests {
                    self.received.entry(digest).or_insert((presumed.time.0, None));
                }
            }
            Entry::Unspent(presumed) => {
                for digest in &presumed.approvals {
                    self.received.remove(&digest.0);
                }
            }
            _ => {}
        }
    }

    fn moved(&mut self, name: &RefName, value: Option<Oid>) {
        if let Some(id) = value {
            self.refs.insert(name.0.to_vec(), id);
        } else {
            self.refs.remove(&*name.0);
        }
    }

    fn commit(&mut self, settled: &Settled) {
        let Some((time, updates)) = self.decided.get(&settled.decision) else { return };
        let (time, updates) = (*time, updates.clone());
        for update in updates.iter().filter(|update| settled.refs.contains(&update.name)) {
            let value = update.new.map(|id| id.0);
            if value.is_none() {
                self.judged_until.remove(&update.name);
            } else if !update.overrides.is_empty() {
                self.judged_until.entry(update.name.clone()).or_insert(update.old.map(|id| id.0));
            }
            for work in &update.work {
                for link in &work.grant {
                    self.uses.entry(link.certificate.0).or_default().extend(work.commits.iter().map(|(id, _)| id.0));
                }
            }
            for one in &update.overrides {
                self.received.entry(one.digest.0).or_insert((time, value));
            }
            self.moved(&update.name, value);
            for (_, digest) in update.work.iter().flat_map(|work| &work.commits) {
                self.received.entry(digest.0).or_insert((time, None));
            }
            for approval in &update.approvals {
                self.received.entry(approval.digest.0).or_insert((time, value));
            }
        }
    }
}

/// Refs and memory as they were before a push.
struct Known<'a> {
    local: &'a Local,
    past: &'a Past,
    index: RefCell<ApprovalIndex>,
}

impl RefValues for Known<'_> {
    fn value(&self, name: &str) -> std::result::Result<Option<Oid>, ReadError> {
        Ok(self.past.refs.get(name.as_bytes()).copied())
    }

    fn select(&self, wanted: &mut dyn FnMut(&[u8]) -> bool) -> std::result::Result<Vec<(Vec<u8>, Oid)>, ReadError> {
        let mut selected = Vec::new();
        for (name, id) in self.past.refs.iter().filter(|(name, _)| wanted(name)) {
            // What has gone since vouches for nothing.
            if let Ok(Some(commit)) = peel(&self.local.objects, *id) {
                selected.push((name.clone(), commit));
            }
        }
        Ok(selected)
    }

    fn list(&self, prefix: &str) -> std::result::Result<Vec<(Vec<u8>, Oid)>, ReadError> {
        let begins = self.past.refs.iter().filter(|(name, _)| name.starts_with(prefix.as_bytes()));
        Ok(begins.map(|(name, id)| (name.clone(), *id)).collect())
    }

    fn head_branch(&self) -> std::result::Result<Option<String>, ReadError> {
        self.local.refs.symbolic("HEAD")
    }

    fn symbolic_refs(&self, places: &BTreeSet<String>) -> std::result::Result<Vec<SymbolicRef>, ReadError> {
        self.local.refs.symbolic_refs(places)
    }
}

impl Memory for Known<'_> {
    fn remembers(&self) -> bool {
        true
    }

    fn uses(
        &self,
        certificate: Digest,
        _: &dyn Fn(&RefName) -> bool,
    ) -> std::result::Result<Option<BTreeSet<Oid>>, String> {
        Ok(Some(self.past.uses.get(&certificate).cloned().unwrap_or_default()))
    }

    fn judged_until(&self, name: &[u8]) -> Option<Option<Oid>> {
        self.past.judged_until.get(&RefName(name.into())).copied()
    }

    fn receipt(&self, digest: Digest) -> std::result::Result<Option<Timestamp>, String> {
        Ok(self.past.received.get(&digest).map(|(time, _)| *time))
    }

    fn landing(&self, digest: Digest) -> std::result::Result<Option<Option<Oid>>, String> {
        Ok(self.past.received.get(&digest).map(|(_, value)| *value))
    }

    fn approvals(&self) -> ApprovalIndex {
        ApprovalIndex::default()
    }

    fn keep_approvals(&self, index: &ApprovalIndex) {
        *self.index.borrow_mut() = index.clone();
    }

    fn continuity(&self, name: &[u8]) -> Continuity {
        if self.past.unexplained.contains(&RefName(name.into())) { Continuity::Broken } else { Continuity::Unbroken }
    }

    fn scratch(&self) -> Option<std::io::Result<File>> {
        None
    }
}

/// Who pushed, as far as the record and the policy tell.
fn submitter(recorded: Option<&str>, policy: &Policy, hook: Option<&PreReceive>) -> Submitter {
    let Some(recorded) = recorded else {
        let is_named = hook.is_some_and(|hook| hook.submitter.is_some());
        return if is_named { Submitter::Unknown("the record does not say".to_owned()) } else { Submitter::Unnamed };
    };
    let (who, via) = match recorded.split_once(" via ") {
        Some((who, _)) => (who, Via::Forge),
        None => (recorded, Via::Push),
    };
    if let Some(account) = who.strip_prefix("account:") {
        return Submitter::Said(Said { who: Who::Account(account.to_owned()), via });
    }
    let principal = Id::parse(who.as_bytes()).and_then(|id| policy.principal(&id));
    let account = principal.and_then(|one| one.accounts.first()).map(|account| Who::Account(account.clone()));
    let key = || principal.and_then(|one| one.keys.first()).map(|key| Who::Key(key.clone()));
    match account.or_else(key) {
        Some(who) => Submitter::Said(Said { who, via }),
        None => Submitter::Unknown(format!("the policy does not know {who}")),
    }
}
