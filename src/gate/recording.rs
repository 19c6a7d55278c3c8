//! The gate's memory: what the ledger tells a decision, and what it is told of it.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::File;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use crate::core::approval::{self, ClaimedApproval};
use crate::core::canonical::{CanonicalOid, RefName, Sha256, Time};
use crate::core::decide::{self, Finding, Landed, Overridden, RefVerdict, Subject, Timestamp};
use crate::core::digest::Digest;
use crate::core::facts::{Continuity, Facts, OrderUpdate, RecordUpdate, SignatureFact, Update};
use crate::core::id::RepositoryName;
use crate::core::limits;
use crate::core::objects::ReadError;
use crate::core::oid::{ObjectFormat, Oid};
use crate::core::order::VerifiedOrder;
use crate::core::policy::{OutOfBand, Policy};
use crate::core::report::escape;
use crate::core::signature::SigningKey;
use crate::core::ssh::PrivateKey;
use crate::core::submitter::{Submitter, Via, Who};
use crate::gate::engine::{Judgement, Memory};
use crate::gate::facts::orders::digest_of_freezes;
use crate::gate::own_files::open_ledger;
use crate::gate::push::{Push, RefUpdate};
use crate::gate::received::Maker;
use crate::ledger::{
    Asked, Attempt, Counted, CurrentRefs, FindingRecord, LandedApproval, Ledger, LedgerError, LeftOut, LeftOutKind,
    Moved, OTHERS, OrderRecord, Outcome, OverriddenMove, OverrideRecord, Place, Receipts, State, UpdateRecord, Updates,
    Work,
};
use crate::store::{GitDir, Objects, Quarantine, Refs};
use crate::system::{Failure, OnDisk as _, Result, disk, now, random_seed};

/// The ledger of the repository that a hook runs in.
pub(crate) struct Recorder<'a> {
    ledger: Ledger,
    /// Read when first asked for: most pushes ask for none.
    receipts: OnceCell<Receipts>,
    refs: ServerRefs<'a>,
    state: State,
    /// Refs that have moved, and no entry says so yet.
    suspects: Vec<RefName>,
    /// Those of them that no decision explains.
    broken: BTreeSet<RefName>,
    /// What the clock says.
    clock: Timestamp,
}

/// The repository's refs, as the ledger compares them.
pub(crate) struct ServerRefs<'a>(pub(crate) &'a Refs);

impl CurrentRefs for ServerRefs<'_> {
    fn packed_stamp(&self) -> std::result::Result<String, LedgerError> {
        self.0.packed_stamp().map_err(refs_failed)
    }
    fn loose(&self) -> std::result::Result<BTreeMap<Vec<u8>, Oid>, LedgerError> {
        self.0.loose_values().map_err(refs_failed)
    }
    fn each(&self, each: &mut dyn FnMut(&[u8], Oid)) -> std::result::Result<(), LedgerError> {
        self.0.each_value(each).map_err(refs_failed)
    }
    fn value(&self, name: &[u8]) -> std::result::Result<Option<Oid>, LedgerError> {
        self.0.own_value(name).map_err(refs_failed)
    }
}

fn refs_failed(error: ReadError) -> LedgerError {
    LedgerError::Refs(error.to_string())
}

/// What to tell about a ledger that fails.
pub(crate) fn ledger_failure(error: &LedgerError) -> Failure {
    let message = Failure::caused(error).message;
    Failure::new(format!("{message}; nothing is accepted that cannot be recorded")).hint(error.hint())
}

/// The repository whose ledger begins.
#[derive(Clone, Copy)]
pub(crate) struct Beginning<'a> {
    pub(crate) name: &'a RepositoryName,
    pub(crate) dir: &'a GitDir,
    pub(crate) refs: &'a Refs,
    pub(crate) format: ObjectFormat,
}

/// The digests of the statements of all approvals that are stored. A ledger that begins beside them does not know which have landed.
pub(crate) fn stored_approvals(
    dir: &GitDir,
    refs: &Refs,
    format: ObjectFormat,
) -> std::result::Result<Vec<Digest>, LedgerError> {
    let stored = refs.list(approval::PREFIX).map_err(refs_failed)?;
    if stored.is_empty() {
        return Ok(Vec::new());
    }
    let objects = Objects::open(dir, &Quarantine::default(), format).map_err(refs_failed)?;
    let limit = u64::try_from(limits::APPROVAL_BYTES).unwrap_or(u64::MAX);
    let mut digests = Vec::with_capacity(stored.len());
    for (_, blob) in stored {
        // What is no record covers nothing.
        let Ok(json) = objects.blob(blob, limit) else { continue };
        let Ok(record) = ClaimedApproval::parse(&json).and_then(ClaimedApproval::verify) else { continue };
        digests.push(record.digest());
    }
    Ok(digests)
}

impl Beginning<'_> {
    /// Makes a ledger in a directory, which takes the refs as they are for right, and the approvals that are stored for landed.
    fn make(&self, directory: &Path) -> Result<usize> {
        let key = PrivateKey::from_seed(&random_seed()?).map_err(Failure::new)?;
        let make = || -> std::result::Result<usize, LedgerError> {
            let place = Place::of(&self.dir.common_dir);
            let place = place.map_err(|error| LedgerError::Io(self.dir.common_dir.clone(), error))?;
            let clock = clock();
            let ledger = Ledger::create(directory, self.name, key, clock)?.serving(place, None);
            ledger.take_as_found(clock, &ServerRefs(self.refs))?;
            let stored = stored_approvals(self.dir, self.refs, self.format)?;
            ledger.presume_spent(clock, &stored)?;
            Ok(stored.len())
        };
        make().map_err(|error| ledger_failure(&error))
    }
}

/// Whether a ledger was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begun {
    /// It was.
    Before,
    /// It has just been made, beside so many approvals, which count as landed.
    Now(usize),
}

/// Makes the ledger in a directory where there is none. It is made beside its place and appears there whole: of several processes that
/// make one, the first counts.
pub(crate) fn begin_ledger(directory: &Path, beginning: Beginning<'_>) -> Result<Begun> {
    match Ledger::open(directory) {
        Ok(_) => return Ok(Begun::Before),
        Err(LedgerError::Absent(_)) => {}
        Err(error) => return Err(ledger_failure(&error)),
    }
    if directory.on_disk().exists() {
        return beginning.make(directory).map(Begun::Now);
    }
    let cannot =
        |error: std::io::Error| Failure::new(format!("cannot make the ledger {}: {error}", directory.display()));
    let around = directory.parent().unwrap_or(Path::new("."));
    disk::create_private_dir_all(around).map_err(cannot)?;
    let own = std::fs::Permissions::from_mode(0o700);
    let made = tempfile::Builder::new().prefix(".ledger-").permissions(own).tempdir_in(around).map_err(cannot)?;
    let spent = beginning.make(made.path())?;
    match disk::rename(made.path(), directory) {
        Ok(()) => {
            // It is no longer there to be removed.
            let _ = made.keep();
            Ok(Begun::Now(spent))
        }
        // Another process was faster.
        Err(_) if directory.on_disk().exists() => Ok(Begun::Before),
        Err(error) => Err(cannot(error)),
    }
}

impl<'a> Recorder<'a> {
    /// Makes the ledger of a repository that has just been made: where there is no ref, nothing is left out by beginning now. One
    /// that has refs and no ledger was not installed, or lost it.
    pub(crate) fn begin(directory: &Path, beginning: Beginning<'_>) -> Result<()> {
        if directory.on_disk().exists() {
            return Ok(());
        }
        let values = beginning.refs.values().map_err(|error| ledger_failure(&refs_failed(error)))?;
        if values.is_empty() {
            begin_ledger(directory, beginning)?;
        }
        Ok(())
    }

    /// Opens the ledger that the hook names, and looks which refs moved since it was last told.
    pub(crate) fn open(named: &Path, dir: &GitDir, refs: &'a Refs) -> Result<Self> {
        let refs = ServerRefs(refs);
        let attempt = || -> std::result::Result<_, LedgerError> {
            let ledger = open_ledger(named, dir)?;
            let suspects = ledger.suspects(&refs)?;
            let state = ledger.state()?;
            let broken = ledger.unexplained(&state, &suspects, &refs)?.into_iter().map(|moved| moved.name).collect();
            Ok((ledger, state, suspects, broken))
        };
        // While another log begins, what is derived from it is of neither.
        let (ledger, state, suspects, broken) =
            attempt().or_else(|_| attempt()).or_else(|_| attempt()).map_err(|error| ledger_failure(&error))?;
        Ok(Self { ledger, receipts: OnceCell::new(), refs, state, suspects, broken, clock: clock() })
    }

    /// Records a decision with all it rests on. Returns what is to be told of refs that moved with none.
    pub(crate) fn record(
        self,
        clock: Timestamp,
        judgement: &Judgement,
        outcome: decide::Outcome,
    ) -> Result<Vec<String>> {
        if judgement.policy.out_of_band() == OutOfBand::Mirror && !self.broken.is_empty() {
            let mirrored = self.ledger.mirrored(clock, &self.suspects, &self.refs);
            mirrored.map_err(|error| ledger_failure(&error))?;
        }
        let refs = &judgement.verdict.refs;
        let is_blamed = |one: &&RefVerdict| one.outcome() != decide::Outcome::Accepted;
        let (blamed, others): (Vec<_>, Vec<_>) = refs.iter().partition(is_blamed);
        let refs = listed([blamed, others].concat(), outcome, |one| one.name.len());
        let attempt = Attempt {
            now: clock,
            outcome: recorded_outcome(outcome),
            policy: Some(judgement.policy.digest()),
            submitter: submitter_text(&judgement.facts.submitter, Some(&judgement.policy), clock),
            error: not_listed(judgement.verdict.refs.len(), refs.len()),
            freezes: digest_of_freezes(&judgement.facts.orders),
            updates: Box::new(Judged { judgement, refs, outcome }),
            suspects: self.suspects.clone(),
            counted: counted(judgement),
        };
        let told = self.write(attempt)?;
        if judgement.received.has_failed() {
            return Err(Failure::new(
                "what the push brings could not be recorded whole; nothing is accepted that is not",
            ));
        }
        Ok(told)
    }

    /// Records that nothing could be decided. Returns as [`Recorder::record`] does.
    pub(crate) fn record_failure(
        self,
        clock: Timestamp,
        push: &Push,
        submitter: &Submitter,
        error: &str,
        outcome: decide::Outcome,
    ) -> Result<Vec<String>> {
        let refs = listed(push.updates.iter().collect(), outcome, |one| one.name.len());
        let error = [Some(escape(error.as_bytes(), DETAIL)), not_listed(push.updates.len(), refs.len())];
        let attempt = Attempt {
            now: clock,
            outcome: recorded_outcome(outcome),
            policy: None,
            submitter: submitter_text(submitter, None, clock),
            error: Some(error.into_iter().flatten().collect::<Vec<_>>().join("; ")),
            freezes: None,
            updates: Box::new(Undecided(refs)),
            suspects: self.suspects.clone(),
            counted: Vec::new(),
        };
        self.write(attempt)
    }

    fn receipts(&self) -> std::result::Result<&Receipts, LedgerError> {
        match self.receipts.get() {
            Some(receipts) => Ok(receipts),
            None => {
                let receipts = self.ledger.receipts()?;
                Ok(self.receipts.get_or_init(|| receipts))
            }
        }
    }

    fn write(&self, attempt: Attempt<'_>) -> Result<Vec<String>> {
        let recorded = self.ledger.decide(attempt, &self.refs).map_err(|error| ledger_failure(&error))?;
        let value = |id: Option<CanonicalOid>| id.map_or_else(|| "nothing".to_owned(), |id| id.0.short());
        let tell = |moved: &Moved| {
            let name = escape(&moved.name.0, 200);
            let (from, to) = (value(moved.from), value(moved.to));
            format!("warning: {name} moved from {from} to {to} with no decision of this gate; it is on record now")
        };
        let mut told: Vec<String> = recorded.unexplained.iter().take(MOVES).map(tell).collect();
        let more = recorded.unexplained.len().saturating_sub(MOVES);
        if more > 0 {
            told.push(format!(
                "warning: {more} more refs moved with no decision of this gate: countersign log show tells which"
            ));
        }
        told.extend(self.state.overridden().filter_map(|moved| told_of_override(moved, self.clock)));
        if let Some(ahead) = clock_behind(self.state.time(), self.clock) {
            told.push(format!("warning: {ahead}"));
            told.push(format!("hint: an admin sets this machine's clock right, and then:\nhint: {SET_CLOCK} REPO.git"));
        }
        Ok(told)
    }
}

/// Seconds for which whoever pushes is told of an override.
const TOLD_FOR: i64 = 86_400;

/// What to tell of a move that people accepted in spite of findings, where that was less than a day ago.
fn told_of_override(moved: &OverriddenMove, clock: Timestamp) -> Option<String> {
    let is_told = clock.0.saturating_sub(moved.time.0.0) < TOLD_FOR;
    is_told.then(|| format!("warning: {}", override_words(moved)))
}

/// Who accepted a move in spite of what was found, when and why.
pub(crate) fn override_words(moved: &OverriddenMove) -> String {
    let each = moved.overrides.iter().map(|one| format!("{} ({}): {}", one.by, one.codes.join(", "), one.reason));
    let (name, each) = (escape(&moved.name.0, 200), each.collect::<Vec<_>>().join("; "));
    format!("{name} was moved at {} in spite of findings that people passed over: {each}", moved.time)
}

/// The command that lets times go on from the clock.
pub(crate) const SET_CLOCK: &str = "countersign ledger clock --server";

/// Seconds by which the last entry may be ahead of the clock before it is said.
const AHEAD: i64 = 300;

/// What to say where the last entry of a ledger is ahead of the clock.
pub(crate) fn clock_behind(last: Timestamp, clock: Timestamp) -> Option<String> {
    let (then, now) = (Time(last), Time(clock));
    (last.0.saturating_sub(clock.0) > AHEAD).then(|| {
        format!("the ledger's last entry is of {then}, and the clock says {now}: one of the two is wrong, and what is new counts as of {then}")
    })
}

/// What the clock says; before 1970 it says nothing.
fn clock() -> Timestamp {
    now().unwrap_or(Timestamp(0))
}

impl Memory for Recorder<'_> {
    fn remembers(&self) -> bool {
        true
    }

    fn receipt(&self, digest: Digest) -> std::result::Result<Option<Timestamp>, String> {
        let find = || self.receipts()?.find(&self.ledger, digest);
        let found = find().map_err(|error: LedgerError| error.to_string())?;
        // The ledger's time does not go back: where the clock did, what comes now is first seen then.
        Ok(found.or(Some(self.state.time()).filter(|time| *time > self.clock)))
    }

    fn uses(
        &self,
        certificate: Digest,
        moves: &dyn Fn(&RefName) -> bool,
    ) -> std::result::Result<Option<BTreeSet<Oid>>, String> {
        let Self { ledger, state, refs, clock, .. } = self;
        let asked = Asked { ledger, state, refs, moves, clock: *clock };
        let find = || self.receipts()?.uses(certificate, &asked);
        find().map(Some).map_err(|error: LedgerError| error.to_string())
    }

    fn landing(&self, digest: Digest) -> std::result::Result<Option<Option<Oid>>, String> {
        let find = || self.receipts()?.landing(&self.ledger, digest);
        find().map_err(|error: LedgerError| error.to_string())
    }

    fn approvals(&self) -> approval::ApprovalIndex {
        let kept = self.ledger.kept_approvals();
        kept.and_then(|bytes| approval::ApprovalIndex::from_bytes(&bytes)).unwrap_or_default()
    }

    fn keep_approvals(&self, index: &approval::ApprovalIndex) {
        let _ = self.ledger.keep_approvals(&index.to_bytes());
    }

    fn judged_until(&self, name: &[u8]) -> Option<Option<Oid>> {
        self.state.judged_until(name)
    }

    fn continuity(&self, name: &[u8]) -> Continuity {
        if self.broken.contains(&RefName(name.into())) || self.state.is_unexplained(name) {
            Continuity::Broken
        } else {
            Continuity::Unbroken
        }
    }

    fn scratch(&self) -> Option<std::io::Result<File>> {
        Some(tempfile::tempfile_in(self.ledger.directory()))
    }
}

/// Who pushed: the principal's id, or the account or key that nobody has registered; and the service through which.
fn submitter_text(submitter: &Submitter, policy: Option<&Policy>, now: Timestamp) -> Option<String> {
    let Submitter::Said(said) = submitter else { return None };
    let known = policy.and_then(|policy| decide::submitting_principal(policy, &said.who, now).ok());
    let who = match (known, &said.who) {
        (Some(principal), _) => principal.id.to_string(),
        (None, Who::Account(account)) => format!("account:{}", escape(account.as_bytes(), DETAIL)),
        (None, Who::Key(key)) => format!("key:{}", key.fingerprint()),
        (None, Who::Certificate(_, Some(account))) => format!("account:{}", escape(account.as_bytes(), DETAIL)),
        (None, Who::Certificate(certificate, None)) => format!("key:{}", certificate.key().fingerprint()),
    };
    let service = policy.and_then(Policy::unsigned_service).map_or("forge", |service| service.id.as_str());
    Some(if said.via == Via::Forge { format!("{who} via {service}") } else { who })
}

fn recorded_outcome(outcome: decide::Outcome) -> Outcome {
    match outcome {
        decide::Outcome::Accepted => Outcome::Accepted,
        decide::Outcome::Rejected => Outcome::Rejected,
        decide::Outcome::Undecided => Outcome::Undecided,
    }
}

/// Refs that moved with no decision, of which one push is told; of more, the number.
const MOVES: usize = 10;

/// Characters of a text that are recorded.
const DETAIL: usize = 300;

/// The updates that a decision lists: where refs may move all of them, else the first that take so many bytes.
fn listed<T>(mut refs: Vec<T>, outcome: decide::Outcome, name_bytes: impl Fn(&T) -> usize) -> Vec<T> {
    if outcome != decide::Outcome::Accepted {
        let mut room = limits::REFUSED_REFS_BYTES;
        let mut fits = |one: &&T| {
            room = room.saturating_sub(name_bytes(one).saturating_add(UPDATE_BYTES));
            room > 0
        };
        let count = refs.iter().take_while(|one| fits(one)).count();
        refs.truncate(count);
    }
    refs
}

/// What a decision says where it does not list all.
fn not_listed(all: usize, listed: usize) -> Option<String> {
    all.checked_sub(listed).filter(|more| *more > 0).map(|more| format!("{more} more refs of the push are not listed"))
}

/// Bytes of an update in JSON beside the name of its ref, and what is found: the ids and the keys.
const UPDATE_BYTES: usize = 200;

/// The updates of a push that was judged.
struct Judged<'a> {
    judgement: &'a Judgement,
    /// Those that are listed.
    refs: Vec<&'a RefVerdict>,
    outcome: decide::Outcome,
}

impl Updates for Judged<'_> {
    fn moves(&self) -> Box<dyn Iterator<Item = (RefName, Option<CanonicalOid>, Option<CanonicalOid>)> + '_> {
        let moved =
            |one: &RefVerdict| (RefName(Arc::clone(&one.name)), one.old.map(CanonicalOid), one.new.map(CanonicalOid));
        Box::new(self.refs.iter().copied().map(moved))
    }

    fn records(&self) -> Box<dyn Iterator<Item = UpdateRecord> + '_> {
        let mut written = Written::default();
        Box::new(self.refs.iter().flat_map(move |verdict| {
            let record = self.record(verdict, &mut written);
            let is_received = self.accepts(verdict) && verdict.overridden.is_empty();
            let received = if is_received { Some(self.judgement.received.of(&verdict.name)) } else { None };
            // What does not stand in the first one stands in others for the same ref.
            let more = UpdateRecord {
                findings: Vec::new(),
                left_out: None,
                work: Vec::new(),
                approvals: Vec::new(),
                order: None,
                overrides: Vec::new(),
                ..record.clone()
            };
            let more = received.into_iter().flatten().map(move |work| UpdateRecord { work, ..more.clone() });
            std::iter::once(record).chain(more)
        }))
    }
}

impl Judged<'_> {
    /// Whether what an update brings counts as received if the ref moves.
    fn accepts(&self, verdict: &RefVerdict) -> bool {
        self.outcome == decide::Outcome::Accepted && verdict.outcome() == decide::Outcome::Accepted
    }

    fn record(&self, verdict: &RefVerdict, written: &mut Written) -> UpdateRecord {
        let Judgement { facts, policy, .. } = self.judgement;
        let doubts = verdict.undecided.iter().map(|doubt| FindingRecord {
            code: "undecided".to_owned(),
            severity: doubt.severity.name().to_owned(),
            rule: doubt.rule.as_ref().map(|rule| rule_text(&rule.name, &rule.file, rule.line)),
            object: None,
            author: None,
            detail: escape(doubt.reason.as_bytes(), DETAIL),
        });
        let found = verdict.findings.iter().map(|finding| finding_record(finding, facts, policy));
        let (selected, left) = selected(doubts.chain(found).collect());
        let (findings, left) = written.divide(selected, left);
        let left_out = left_out(&left, verdict).map(|left_out| written.kinds_once(left_out));
        let accepted = self.accepts(verdict);
        // Both are sorted by name.
        let place = facts.updates.binary_search_by(|update| update.name.cmp(&verdict.name)).ok();
        let update = place.and_then(|place| facts.updates.get(place)).filter(|_| accepted);
        // What was passed over is not received: nobody has accepted it but on this ref.
        let received = update.filter(|_| verdict.overridden.is_empty());
        UpdateRecord {
            name: RefName(Arc::clone(&verdict.name)),
            old: verdict.old.map(CanonicalOid),
            new: verdict.new.map(CanonicalOid),
            commits: u64::try_from(verdict.commits).unwrap_or(u64::MAX),
            outcome: recorded_outcome(verdict.outcome()),
            findings,
            left_out,
            work: received.map(|update| work(update, facts, policy)).unwrap_or_default(),
            approvals: if accepted { verdict.landed.iter().map(landed).collect() } else { Vec::new() },
            order: update.and_then(|update| update.order.as_ref()).and_then(order_record),
            overrides: if accepted { verdict.overridden.iter().map(override_record).collect() } else { Vec::new() },
        }
    }
}

/// What is said of findings that are not written: those that stand in `left`, and those of which the verdict has the number.
fn left_out(left: &[FindingRecord], verdict: &RefVerdict) -> Option<LeftOut> {
    let one = |finding: &FindingRecord| {
        let FindingRecord { severity, code, rule, author, .. } = finding.clone();
        LeftOutKind { severity, code, rule, author, findings: 1 }
    };
    let counted = verdict.more.iter().map(|((severity, code, whose, rule), count)| LeftOutKind {
        severity: severity.name().to_owned(),
        code: code.name().to_owned(),
        rule: rule.as_ref().map(|rule| rule_text(&rule.name, &rule.file, rule.line)),
        author: Some(whose.name().map_or_else(|| OTHERS.to_owned(), |agent| escape(agent.as_bytes(), 100))),
        findings: u64::try_from(*count).unwrap_or(u64::MAX),
    });
    let all = left.iter().map(one).chain(counted);
    let kinds = in_few(all);
    let findings = kinds.iter().map(|kind| kind.findings).sum();
    (!kinds.is_empty()).then(|| LeftOut { findings, digest: FindingRecord::digest(left), kinds })
}

/// Adds up what is of the same kind. Where there are too many kinds, those of which there are few are not told apart by who made the
/// commits, and then not by their rules either: codes are few.
fn in_few(kinds: impl Iterator<Item = LeftOutKind>) -> Vec<LeftOutKind> {
    let mut apart = summed(kinds);
    let mut few = take_room(&mut apart, limits::RECORDED_KINDS_BYTES);
    let others = Some(OTHERS.to_owned());
    let mut by_rule = summed(apart.into_iter().map(|kind| LeftOutKind { author: others.clone(), ..kind }));
    few.extend(take_room(&mut by_rule, limits::RECORDED_KINDS_BYTES));
    few.extend(summed(by_rule.into_iter().map(|kind| LeftOutKind { rule: others.clone(), ..kind })));
    summed(few.into_iter())
}

fn summed(kinds: impl Iterator<Item = LeftOutKind>) -> Vec<LeftOutKind> {
    let mut sums: BTreeMap<LeftOutKind, u64> = BTreeMap::new();
    for LeftOutKind { findings, severity, code, rule, author } in kinds {
        *sums.entry(LeftOutKind { findings: 0, severity, code, rule, author }).or_default() += findings;
    }
    sums.into_iter().map(|(kind, findings)| LeftOutKind { findings, ..kind }).collect()
}

/// Takes out those of which there are most, as many as so many bytes hold.
fn take_room(kinds: &mut Vec<LeftOutKind>, mut room: usize) -> Vec<LeftOutKind> {
    kinds.sort_by_key(|kind| std::cmp::Reverse(kind.findings));
    let bytes = |kind: &LeftOutKind| serde_json::to_string(kind).map_or(usize::MAX, |json| json.len() + 1);
    let fits = |kind: &&LeftOutKind| match room.checked_sub(bytes(kind)) {
        Some(rest) => {
            room = rest;
            true
        }
        None => false,
    };
    let count = kinds.iter().take_while(fits).count();
    kinds.drain(..count).collect()
}

/// What one decision has written of findings. What is about the same object stands there once, whatever refs bring it, and all
/// of them take only so many bytes; of the others, each ref has the number.
#[derive(Default)]
struct Written {
    shared: HashSet<Digest>,
    bytes: usize,
    /// What stands there of findings that were left out, by their number and digest.
    kinds: BTreeMap<(u64, Sha256), Digest>,
}

impl Written {
    /// The same without the kinds where they stand there already.
    fn kinds_once(&mut self, mut left_out: LeftOut) -> LeftOut {
        let json = serde_json::to_string(&left_out.kinds).unwrap_or_default();
        let kinds = Digest::of(json.as_bytes());
        let is_full = self.kinds.len() >= limits::RECORDED_FINDINGS_BYTES / 256;
        match self.kinds.get(&(left_out.findings, left_out.digest)) {
            Some(written) if *written == kinds => left_out.kinds.clear(),
            Some(_) => {}
            None if is_full => {}
            None => {
                self.kinds.insert((left_out.findings, left_out.digest), kinds);
            }
        }
        left_out
    }

    /// Divides the findings of one ref into those to write now, and others.
    fn divide(
        &mut self,
        selected: Vec<FindingRecord>,
        mut left: Vec<FindingRecord>,
    ) -> (Vec<FindingRecord>, Vec<FindingRecord>) {
        let mut now = Vec::new();
        for finding in selected {
            let json = serde_json::to_string(&finding).unwrap_or_default();
            let bytes = self.bytes.saturating_add(json.len());
            let again = finding.object.is_some() && !self.shared.insert(Digest::of(json.as_bytes()));
            if again || bytes > limits::RECORDED_FINDINGS_BYTES {
                left.push(finding);
            } else {
                self.bytes = bytes;
                now.push(finding);
            }
        }
        (now, left)
    }
}

/// The updates of a push that could not be judged.
struct Undecided<'a>(Vec<&'a RefUpdate>);

impl Updates for Undecided<'_> {
    fn moves(&self) -> Box<dyn Iterator<Item = (RefName, Option<CanonicalOid>, Option<CanonicalOid>)> + '_> {
        let moved =
            |one: &RefUpdate| (RefName(Arc::clone(&one.name)), one.old.map(CanonicalOid), one.new.map(CanonicalOid));
        Box::new(self.0.iter().copied().map(moved))
    }

    fn records(&self) -> Box<dyn Iterator<Item = UpdateRecord> + '_> {
        Box::new(self.moves().map(|(name, old, new)| UpdateRecord {
            name,
            old,
            new,
            commits: 0,
            outcome: Outcome::Undecided,
            findings: Vec::new(),
            left_out: None,
            work: Vec::new(),
            approvals: Vec::new(),
            order: None,
            overrides: Vec::new(),
        }))
    }
}

/// The findings to record, and those that are left out: the first of each kind before others of it, so that what is recorded names
/// every code and rule, as long as there are no more of these than findings are recorded. Both keep their order.
fn selected(findings: Vec<FindingRecord>) -> (Vec<FindingRecord>, Vec<FindingRecord>) {
    let kind = |one: &FindingRecord| (one.severity.clone(), one.code.clone(), one.rule.clone());
    let mut kinds = BTreeSet::new();
    let is_first: Vec<bool> = findings.iter().map(|one| kinds.insert(kind(one))).collect();
    let firsts = is_first.iter().filter(|first| **first).count().min(limits::RECORDED_FINDINGS);
    let (mut firsts, mut others) = (firsts, limits::RECORDED_FINDINGS.saturating_sub(firsts));
    let (mut recorded, mut left) = (Vec::new(), Vec::new());
    for (finding, is_first) in findings.into_iter().zip(is_first) {
        let room = if is_first { &mut firsts } else { &mut others };
        match room.checked_sub(1) {
            Some(rest) => {
                *room = rest;
                recorded.push(finding);
            }
            None => left.push(finding),
        }
    }
    (recorded, left)
}

fn override_record(one: &Overridden) -> OverrideRecord {
    OverrideRecord {
        by: one.by.to_string(),
        digest: Sha256(one.digest),
        codes: one.codes.iter().map(|code| code.name().to_owned()).collect(),
        reason: escape(one.reason.as_bytes(), DETAIL),
    }
}

fn order_record(update: &OrderUpdate) -> Option<OrderRecord> {
    let record = update.record.as_ref()?.as_ref().ok()?;
    Some(recorded_order(record))
}

/// What the ledger says of an order.
pub(crate) fn recorded_order(record: &VerifiedOrder) -> OrderRecord {
    let (order, topic) = (record.order(), record.order().place().topic);
    OrderRecord {
        order: topic.word().to_owned(),
        subject: topic.subject(),
        by: order.by.to_string(),
        reason: escape(order.reason.as_bytes(), DETAIL),
        issued: order.issued,
        expires: order.expires,
        digest: Some(Sha256(record.digest())),
    }
}

fn landed(approval: &Landed) -> LandedApproval {
    LandedApproval {
        approver: approval.approver.to_string(),
        attested: approval.attested.clone(),
        digest: Sha256(approval.digest),
    }
}

fn finding_record(finding: &Finding, facts: &Facts, policy: &Policy) -> FindingRecord {
    let object = match &finding.subject {
        Subject::Ref(_) => None,
        Subject::Commit { id, .. } | Subject::Tag { id, .. } => Some(*id),
    };
    FindingRecord {
        code: finding.code.name().to_owned(),
        severity: finding.severity.name().to_owned(),
        rule: finding.rules.first().map(|rule| rule_text(&rule.name, &rule.file, rule.line)),
        object: object.map(CanonicalOid),
        author: object.and_then(|id| author(id, facts, policy)),
        detail: escape(finding.detail.as_bytes(), DETAIL),
    }
}

/// Who is said to have made a commit: the agent that its seals or marks name, else the person of the email in its author field.
fn author(id: Oid, facts: &Facts, policy: &Policy) -> Option<String> {
    let commit = facts.commits.get(&id)?;
    let sealed = commit.seals.as_ref().ok().and_then(|seals| seals.first()).map(|seal| seal.agent.to_string());
    let marked = || commit.marks.first().map(|mark| escape(mark.agent.as_bytes(), 100));
    let person = || {
        let has = |email: &String| commit.author.is(email);
        policy.principals().find(|one| one.emails.iter().any(has)).map(|one| one.id.to_string())
    };
    sealed.or_else(marked).or_else(person).or_else(|| Some(escape(commit.author.as_bytes(), 100)))
}

fn rule_text(name: &str, file: &str, line: usize) -> String {
    format!("{} ({}:{line})", escape(name.as_bytes(), 80), escape(file.as_bytes(), 80))
}

/// What an accepted push takes of grants that are for so many commits.
fn counted(judgement: &Judgement) -> Vec<Counted> {
    let Judgement { facts, policy, .. } = judgement;
    let mut counted: BTreeMap<Digest, Counted> = BTreeMap::new();
    for (limit, commits) in decide::counted_commits(facts, policy) {
        let decide::CommitLimit { name, certificate, most } = limit;
        counted.insert(certificate, Counted { name, certificate, most, commits });
    }
    counted.into_values().collect()
}

/// Whose seals and signatures an enforcing rule accepted on a ref: from now on they are received.
fn work(update: &Update, facts: &Facts, policy: &Policy) -> Vec<Work> {
    let commits = decide::received_commits(update, policy);
    let mut makers: BTreeMap<Maker, Vec<(CanonicalOid, Sha256)>> = BTreeMap::new();
    let mut receive = |id: Oid, key: SigningKey<'_>, digest: Digest| {
        makers.entry(Maker::of(policy, key)).or_default().push((CanonicalOid(id), Sha256(digest)));
    };
    for commit in commits.iter().filter_map(|id| facts.commits.get(id)) {
        commit.received().for_each(|(key, digest)| receive(commit.id, key, digest));
    }
    for tag in update.tags.iter().filter_map(|id| facts.tags.get(id)) {
        if let SignatureFact::Good(signature) = &tag.signature {
            receive(tag.id, signature.key(), signature.digest());
        }
    }
    if let Some(RecordUpdate { record: Some(record), .. }) = &update.record
        && let (Ok(approval), Some(blob)) = (record.as_ref(), update.new)
    {
        receive(blob, SigningKey::Ssh(approval.signature().key()), approval.signature().digest());
    }
    let work = |(Maker { principal, key, grant }, commits)| Work { principal, key, grant, commits };
    makers.into_iter().map(work).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(code: &str, rule: &str, detail: usize) -> FindingRecord {
        let [code, rule, severity] = [code, rule, "error"].map(str::to_owned);
        FindingRecord { code, severity, rule: Some(rule), object: None, author: None, detail: detail.to_string() }
    }

    #[test]
    fn what_is_left_out_adds_up_however_many_kinds_there_are() {
        let kind = |code: usize, rule: usize, author: usize| LeftOutKind {
            severity: "warning".to_owned(),
            code: format!("code-{code}"),
            rule: Some(format!("rule {rule} {}", "x".repeat(150))),
            author: Some(format!("author {author} {}", "x".repeat(80))),
            findings: 1,
        };
        let few: Vec<LeftOutKind> = (0..40).map(|number| kind(number % 2, 0, number % 3)).collect();
        let summed = in_few(few.clone().into_iter());
        assert_eq!(summed.len(), 6);
        for sum in &summed {
            let alike = few.iter().filter(|one| (&one.author, &one.code) == (&sum.author, &sum.code));
            assert_eq!(sum.findings, alike.map(|one| one.findings).sum::<u64>());
        }
        let many: Vec<LeftOutKind> = (0..20_000).map(|number| kind(number % 7, number % 90, number % 1000)).collect();
        let summed = in_few(many.clone().into_iter());
        for code in 0..7 {
            let of = |all: &[LeftOutKind]| {
                let own = all.iter().filter(|kind| kind.code == format!("code-{code}"));
                own.map(|kind| kind.findings).sum::<u64>()
            };
            assert_eq!(of(&summed), of(&many), "{code}");
        }
        let bytes = serde_json::to_string(&summed).unwrap().len();
        assert!(bytes < 3 * limits::RECORDED_KINDS_BYTES, "{bytes}");
        assert!(summed.iter().any(|kind| kind.rule.as_deref() == Some(OTHERS)));
    }

    #[test]
    fn every_code_and_rule_is_recorded_before_more_of_one() {
        let mut all: Vec<FindingRecord> = (0..30).map(|number| finding("a", "r", number)).collect();
        all.extend([finding("a", "s", 30), finding("b", "r", 31), finding("b", "r", 32)]);
        let (recorded, left) = selected(all.clone());
        let details = |findings: &[FindingRecord]| findings.iter().map(|one| one.detail.clone()).collect::<Vec<_>>();
        let expected: Vec<String> = (0..18).chain([30, 31]).map(|number| number.to_string()).collect();
        assert_eq!(details(&recorded), expected);
        assert_eq!((left.len(), details(&left).last().map(String::as_str)), (13, Some("32")));
        // What fits is recorded as it stands.
        assert_eq!(selected(all[..20].to_vec()), (all[..20].to_vec(), Vec::new()));
        let kinds: Vec<FindingRecord> = (0..25).map(|number| finding(&format!("{number:02}"), "r", number)).collect();
        let (recorded, left) = selected(kinds.clone());
        assert_eq!((recorded, left), (kinds[..20].to_vec(), kinds[20..].to_vec()));
    }
}
