//! The hooks that see refs move: post-receive, after a push, and reference-transaction, whatever moves them.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;

use super::chain::{self, Chained};
use super::deadline::{self, Over};
use super::gather::StoredRefs;
use super::hook::with_causes;
use super::policy_source::{PolicyArg, PolicyReader};
use super::prune::prune;
use super::push::Push;
use super::recording::{ServerRefs, ledger_failure};
use super::{Exit, Failure, Result, now, observing, say};
use crate::core::canonical::{CanonicalOid, RefName};
use crate::core::limits;
use crate::core::oid::{ObjectFormat, Oid};
use crate::core::policy::{Mode, OutOfBand, Policy};
use crate::core::report::escape;
use crate::ledger::{Ledger, LedgerError, Witness};
use crate::store::{GitDir, Objects, Quarantine, Refs};

#[derive(Args)]
pub(super) struct PostReceive {
    /// The directory of the ledger
    #[arg(long, value_name = "DIR")]
    ledger: PathBuf,
    /// A hook to run afterwards with the same input
    #[arg(long, value_name = "FILE")]
    chain: Option<PathBuf>,
    /// Record, and say nothing
    #[arg(long)]
    observe: bool,
}

#[derive(Args)]
pub(super) struct ReferenceTransaction {
    /// A policy file, or `ref:REF:PATH` for one in the repository; all given hold together
    #[arg(long = "policy", value_name = "FILE|ref:REF:PATH", required = true)]
    policies: Vec<PolicyArg>,
    /// The directory of the ledger
    #[arg(long, value_name = "DIR")]
    ledger: PathBuf,
    /// A hook to run afterwards with the same input
    #[arg(long, value_name = "FILE")]
    chain: Option<PathBuf>,
    /// Record, and refuse nothing
    #[arg(long)]
    observe: bool,
    /// `prepared`, `committed` or `aborted`
    state: String,
}

impl ReferenceTransaction {
    pub(super) fn policies(&self) -> &[PolicyArg] {
        &self.policies
    }

    pub(super) fn chained(&self) -> Option<PathBuf> {
        self.chain.clone()
    }

    pub(super) fn ledger(&self) -> &Path {
        &self.ledger
    }
}

/// Seconds that these hooks may take. What they do not come to write down, the next push does.
const SECONDS: u64 = 30;

/// Git has moved the refs; nothing said here changes that. A ledger that fails is told, and the next push settles the decision.
pub(super) fn post_receive(hook: PostReceive) -> Result {
    chain::expect(hook.chain.as_ref());
    deadline::start(SECONDS, Over::Pass);
    let (push, input) = Push::read(&mut std::io::stdin().lock()).map_err(Failure::new)?;
    let chained = Chained { hook: hook.chain, arguments: Vec::new(), input: Some(input) };
    chain::ready(&chained);
    if let Err(failure) = settle(&hook.ledger, push)
        && !hook.observe
    {
        say(&format!("warning: {}", failure.message));
    }
    chained.run()
}

fn settle(directory: &Path, push: Push) -> Result<()> {
    let dir = GitDir::of_hook().map_err(Failure::new)?;
    let refs = Refs::open(&dir, push.format).map_err(|error| with_causes(&error))?;
    let push = push.resolved(&refs).map_err(|error| with_causes(&error))?;
    let current = ServerRefs(&refs);
    let moves: Vec<_> = push
        .updates
        .iter()
        .map(|update| (RefName(update.name.clone()), update.old.map(CanonicalOid), update.new.map(CanonicalOid)))
        .collect();
    let record = || -> std::result::Result<(), LedgerError> {
        let ledger = Ledger::open(directory)?;
        let clock = crate::core::decide::Timestamp(now().map_or(0, |now| now.0));
        let strangers = ledger.committed(clock, &moves, Witness::PostReceive)?;
        if !strangers.is_empty() {
            for moved in ledger.moved(clock, &strangers, &current, Witness::PostReceive)? {
                let name = escape(&moved.name.0, 200);
                say(&format!(
                    "warning: {name} moved with no decision: the pre-receive hook did not run; it is on record now"
                ));
            }
        }
        ledger.compact()?;
        prune(&ledger, &dir, &refs, &push, clock)
    };
    record().map_err(|error| ledger_failure(&error))
}

/// One line of the hook's input, as far as it is about a ref with a value of its own.
struct Line {
    name: RefName,
    new: Option<Oid>,
    format: ObjectFormat,
}

/// Git runs this for every transaction on refs, several times each (githooks(5)).
pub(super) fn reference_transaction(hook: ReferenceTransaction) -> Result {
    if hook.observe {
        observing();
    }
    chain::expect(hook.chain.as_ref());
    let refuses = hook.state == "prepared" && !hook.observe;
    deadline::start(SECONDS, if refuses { Over::Refuse } else { Over::Pass });
    let mut input = Vec::new();
    let cap = u64::try_from(limits::REF_UPDATES).unwrap_or(u64::MAX).saturating_mul(4096);
    std::io::stdin().lock().take(cap).read_to_end(&mut input).map_err(Failure::new)?;
    let arguments = vec![hook.state.clone().into()];
    let chained = Chained { hook: hook.chain.clone(), arguments, input: Some(input.clone()) };
    chain::ready(&chained);
    match watched(&hook, &input) {
        Ok(Exit::Accepted) => chained.run(),
        Err(_) if hook.observe => chained.run(),
        refused => refused,
    }
}

/// What becomes of a transaction on these refs.
fn watched(hook: &ReferenceTransaction, input: &[u8]) -> Result {
    let mut lines: Vec<Line> = input.split(|byte| *byte == b'\n').filter_map(line).collect();
    if !lines.is_empty() {
        let (_, refs) = open(&lines)?;
        for line in &mut lines {
            // Git names a ref that moves through a symbolic one by the name that it was given.
            line.name.0 = refs.resolve(&line.name.0).map_err(|error| with_causes(&error))?;
        }
    }
    match hook.state.as_str() {
        _ if lines.is_empty() => {}
        "prepared" if !hook.observe => return prepared(hook, &lines),
        "committed" => {
            if let Err(failure) = committed(hook, &lines)
                && !hook.observe
            {
                say(&format!("warning: {}", failure.message));
            }
        }
        // Nothing has happened yet, or nothing will.
        _ => {}
    }
    Ok(Exit::Accepted)
}

/// `old SP new SP ref`. HEAD and the like are no refs of the repository's, and a symbolic ref's target is no value.
fn line(bytes: &[u8]) -> Option<Line> {
    let mut words = bytes.splitn(3, |byte| *byte == b' ').skip(1);
    let hex = words.next()?;
    let new = Oid::parse_nullable(hex)?;
    let format = if hex.len() == 64 { ObjectFormat::Sha256 } else { ObjectFormat::Sha1 };
    let name = words.next().filter(|name| name.starts_with(b"refs/"))?;
    Some(Line { name: RefName(name.to_vec()), new, format })
}

/// The last moment in which a move can be refused.
fn prepared(hook: &ReferenceTransaction, lines: &[Line]) -> Result {
    let (dir, refs) = open(lines)?;
    let policy = load(hook, &dir, &refs, lines)?;
    if policy.out_of_band() == OutOfBand::Record {
        deadline::when_over(Over::Pass);
        return Ok(Exit::Accepted);
    }
    let ledger = Ledger::open(&hook.ledger).map_err(|error| ledger_failure(&error))?;
    let current = ServerRefs(&refs);
    let mut exit = Exit::Accepted;
    for Line { name, new, .. } in lines.iter().filter(|line| is_governed(&policy, &line.name)) {
        let stays =
            crate::ledger::CurrentRefs::value(&current, &name.0).map_err(|error| ledger_failure(&error))? == *new;
        if !stays && !ledger.awaits(name, new.map(CanonicalOid)).map_err(|error| ledger_failure(&error))? {
            let name = escape(&name.0, 200);
            say(&format!(
                "error: [ref-denied] {name}: no decision moves it there, and the policy says out-of-band = \"refuse\""
            ));
            say("hint: push it, so that it is decided; an admin who must move it here does so between these:");
            say("hint: countersign uninstall --server REPO.git");
            say("hint: countersign install --server REPO.git --policy FILE --baseline");
            exit = Exit::Rejected;
        }
    }
    Ok(exit)
}

/// Refs have moved. Those that a decision awaits, post-receive tells of.
fn committed(hook: &ReferenceTransaction, lines: &[Line]) -> Result<()> {
    let (dir, refs) = open(lines)?;
    // Without a policy every ref may be a governed one.
    let policy = load(hook, &dir, &refs, lines).ok();
    let record = || -> std::result::Result<(), LedgerError> {
        let ledger = Ledger::open(&hook.ledger)?;
        let mut strangers = Vec::new();
        for Line { name, new, .. } in lines {
            let governed = policy.as_ref().is_none_or(|policy| is_governed(policy, name));
            if governed && !ledger.awaits(name, new.map(CanonicalOid))? {
                strangers.push(name.clone());
            }
        }
        if !strangers.is_empty() {
            let clock = crate::core::decide::Timestamp(now().map_or(0, |now| now.0));
            ledger.moved(clock, &strangers, &ServerRefs(&refs), Witness::ReferenceTransaction)?;
        }
        Ok(())
    };
    record().map_err(|error| ledger_failure(&error))
}

fn open(lines: &[Line]) -> Result<(GitDir, Refs)> {
    let dir = GitDir::of_hook().map_err(Failure::new)?;
    let refs = Refs::open(&dir, format(lines)).map_err(|error| with_causes(&error))?;
    Ok((dir, refs))
}

fn format(lines: &[Line]) -> ObjectFormat {
    lines.first().map_or(ObjectFormat::Sha1, |line| line.format)
}

fn load(hook: &ReferenceTransaction, dir: &GitDir, refs: &Refs, lines: &[Line]) -> Result<Policy> {
    let objects = Objects::open(dir, &Quarantine::of_hook(), format(lines)).map_err(|error| with_causes(&error))?;
    let values = StoredRefs { refs, objects: &objects };
    let loaded = PolicyReader { repository: Some((&objects, &values)) }.load(&hook.policies);
    loaded.map(|loaded| loaded.policy).map_err(|error| with_causes(&error))
}

fn is_governed(policy: &Policy, name: &RefName) -> bool {
    policy.rules().iter().any(|rule| rule.mode == Mode::Enforce && rule.matches_ref(&name.0))
}
