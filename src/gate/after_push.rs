//! The hooks that see refs move: post-receive, after a push, and reference-transaction, whatever moves them.

use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use crate::core::canonical::{CanonicalOid, RefName};
use crate::core::facts::Doubt;
use crate::core::id::{Id, RepositoryName};
use crate::core::limits;
use crate::core::oid::{ObjectFormat, Oid};
use crate::core::order::{self, Orders};
use crate::core::policy::{Mode, OutOfBand, Policy};
use crate::core::report::escape;
use crate::core::submitter::Submitter;
use crate::gate::command::{PostReceive, ReferenceTransaction, Watch};
use crate::gate::deadline::Over;
use crate::gate::engine::PushContext;
use crate::gate::facts::FactReader;
use crate::gate::facts::orders::{StoredOrders, digest_of_freezes, is_freeze};
use crate::gate::order_store::stores_for;
use crate::gate::own_files::{open_ledger, settled};
use crate::gate::policy_source::PolicyReader;
use crate::gate::prune::prune;
use crate::gate::push::{Push, RefUpdate};
use crate::gate::recording::{Recorder, ServerRefs, ledger_failure};
use crate::gate::ref_values::StoredRefs;
use crate::gate::session::{Posture, Session};
use crate::ledger::{LedgerError, State, Witness};
use crate::store::{GitDir, History, Objects, Quarantine, Refs};
use crate::system::{Exit, Failure, Result, now, say, stdin, threads};

/// Seconds that these hooks may take. What they do not come to write down, the next push does.
const SECONDS: u64 = 30;

/// Git has moved the refs; nothing said here changes that. A ledger that fails is told, and the next push settles the decision.
pub(crate) fn post_receive(hook: PostReceive) -> Result {
    // Git has moved the refs: nothing is refused any more.
    let chain = hook.chain.as_deref().map(|chain| settled(chain, &GitDir::path_of_hook()));
    let session = Session::begin(Posture::Enforce, "", chain);
    session.when_over(Over::Pass);
    session.end_after(SECONDS);
    let (push, input) = Push::read(&mut stdin().lock()).map_err(Failure::new)?;
    session.give(Vec::new(), Some(&input))?;
    drop(input);
    if let Err(failure) = settle(&hook.ledger, push)
        && !hook.observe
    {
        say(&format!("warning: {}", failure.message));
    }
    session.hand_on()
}

fn settle(named: &Path, push: Push) -> Result<()> {
    let dir = GitDir::of_hook().map_err(Failure::new)?;
    let refs = Refs::open(&dir, push.format).map_err(|error| Failure::caused(&error))?;
    let push = push.resolved(&refs).map_err(|error| Failure::caused(&error))?;
    let current = ServerRefs(&refs);
    let format = push.format;
    let moved = |update: RefUpdate| (RefName(update.name), update.old.map(CanonicalOid), update.new.map(CanonicalOid));
    let moves: Vec<_> = push.updates.into_iter().map(moved).collect();
    let record = || -> std::result::Result<(), LedgerError> {
        let ledger = open_ledger(named, &dir)?;
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
        match ledger.compact().and_then(|()| prune(&ledger, &dir, &refs, &moves, format, clock)) {
            // Another log has begun meanwhile: what is to be kept short is.
            Err(LedgerError::Rotated) => Ok(()),
            done => done,
        }
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
pub(crate) fn reference_transaction(call: ReferenceTransaction) -> Result {
    let ReferenceTransaction { watch, state } = call;
    let chain = watch.chain.as_deref().map(|chain| settled(chain, &GitDir::path_of_hook()));
    let session = Session::begin(Posture::of_observing(watch.observe), "", chain);
    if state != "prepared" {
        session.when_over(Over::Pass);
    }
    session.end_after(SECONDS);
    let mut input = Vec::new();
    let cap = u64::try_from(limits::REF_UPDATES).unwrap_or(u64::MAX).saturating_mul(4096);
    stdin().lock().take(cap).read_to_end(&mut input).map_err(Failure::new)?;
    let arguments = vec![state.clone().into()];
    session.give(arguments, Some(&input))?;
    match watched(&session, &watch, &state, &input) {
        Ok(Exit::Accepted) => session.hand_on(),
        Err(_) if watch.observe => session.hand_on(),
        refused => refused,
    }
}

/// What becomes of a transaction on these refs.
fn watched(session: &Session, watch: &Watch, state: &str, input: &[u8]) -> Result {
    let mut lines: Vec<Line> = input.split(|byte| *byte == b'\n').filter_map(line).collect();
    if !lines.is_empty() {
        let (_, refs) = open(&lines)?;
        for line in &mut lines {
            // Git names a ref that moves through a symbolic one by the name that it was given.
            if let Some(name) = refs.resolve_symbolic(&line.name.0).map_err(|error| Failure::caused(&error))? {
                line.name.0 = name.into();
            }
        }
    }
    match state {
        _ if lines.is_empty() => {}
        "prepared" if !watch.observe => return prepared(session, watch, &lines),
        "committed" => {
            if let Err(failure) = committed(watch, &lines)
                && !watch.observe
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
    Some(Line { name: RefName(name.into()), new, format })
}

/// The last moment in which a move can be refused.
fn prepared(session: &Session, watch: &Watch, lines: &[Line]) -> Result {
    let (dir, refs) = open(lines)?;
    let mut moving = Vec::new();
    for line in lines {
        if !stays(&refs, line, &mut 0)? {
            moving.push(line);
        }
    }
    if moving.is_empty() {
        return Ok(Exit::Accepted);
    }
    let policy = load(watch, &dir, &refs, lines)?;
    let meanwhile = Meanwhile { session, watch, policy: &policy, dir: &dir, refs: &refs };
    if meanwhile.stops(&moving)? {
        return Ok(Exit::Rejected);
    }
    if policy.out_of_band() != OutOfBand::Refuse {
        session.when_over(Over::Pass);
        return Ok(Exit::Accepted);
    }
    let ledger = open_ledger(&watch.ledger, &dir).map_err(|error| ledger_failure(&error))?;
    let state = ledger.state().map_err(|error| ledger_failure(&error))?;
    let (mut exit, mut looks) = (Exit::Accepted, LOOKS);
    for line in moving.into_iter().filter(|line| is_governed(&policy, &line.name)) {
        if !lands(&state, &line.name, line.new)? && !stays(&refs, line, &mut looks)? {
            let name = escape(&line.name.0, 200);
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

/// What may have been ordered since a push was decided.
struct Meanwhile<'a> {
    session: &'a Session,
    watch: &'a Watch,
    policy: &'a Policy,
    dir: &'a GitDir,
    refs: &'a Refs,
}

impl Meanwhile<'_> {
    /// Whether somebody has stopped an agent since a push was decided that is moving these refs, and it pushes or brings work of its. An
    /// admin moves what they like.
    fn stops(&self, moving: &[&Line]) -> Result<bool> {
        let stores = stores_for(self.dir).map_err(Failure::new)?;
        let listed = self.refs.list(order::PREFIX).map_err(|error| Failure::caused(&error))?;
        if listed.is_empty() && stores.is_empty() {
            return Ok(false);
        }
        let format = moving.first().map_or(ObjectFormat::Sha1, |line| line.format);
        let objects =
            Objects::open(self.dir, &Quarantine::of_hook(), format).map_err(|error| Failure::caused(&error))?;
        let values = StoredRefs { refs: self.refs, objects: &objects };
        let stored = StoredOrders::list(&objects, &values, &stores, std::iter::empty()).map_err(doubtful)?;
        let ledger = open_ledger(&self.watch.ledger, self.dir).map_err(|error| ledger_failure(&error))?;
        let Some(repository) = RepositoryName::parse(ledger.repository().as_bytes()) else { return Ok(false) };
        let in_force = stored.in_force((self.policy, &repository), &is_freeze, now()?);
        let orders = in_force.map_err(doubtful)?;
        let Some(freezes) = digest_of_freezes(&orders) else { return Ok(false) };
        let state = ledger.state().map_err(|error| ledger_failure(&error))?;
        let mut stopped = false;
        for line in moving.iter().filter(|line| !line.name.0.starts_with(order::PREFIX.as_bytes())) {
            let awaited = state.awaited(&line.name.0, line.new).map_err(Failure::new)?;
            if awaited.is_empty() || awaited.iter().any(|one| one.freezes == Some(freezes)) {
                continue;
            }
            let pushers = awaited.iter().filter_map(|one| one.submitter.as_deref());
            if let Some(why) = self.why_stopped(line, (&objects, &values), (&orders, &repository), pushers)? {
                let (name, why) = (escape(&line.name.0, 200), escape(why.as_bytes(), 1000));
                say(&format!("error: [agent-frozen] {name}: {why}"));
                stopped = true;
            }
        }
        Ok(stopped)
    }

    /// The freeze that stops a move, in words.
    fn why_stopped<'s>(
        &self,
        line: &Line,
        (objects, values): (&Objects, &StoredRefs<'_>),
        (orders, repository): (&Orders, &RepositoryName),
        mut pushers: impl Iterator<Item = &'s str>,
    ) -> Result<Option<String>> {
        let agent = |id: &str| self.policy.principal(&Id::parse(id.as_bytes())?);
        let freeze = |id: &str| orders.freeze_of(agent(id)?).map(order::Freeze::words);
        if let Some((id, words)) = pushers.find_map(|id| Some((id, freeze(id)?))) {
            return Ok(Some(format!("agent {id} pushes, and {words}")));
        }
        let recorder = Recorder::open(&self.watch.ledger, self.dir, self.refs)?;
        let context = PushContext {
            dir: self.dir,
            objects,
            refs: values,
            memory: &recorder,
            stores: &[],
            submitter: &Submitter::Unasked,
            now: now()?,
            session: self.session,
        };
        let history = History::new(objects, self.dir);
        let mut reader = FactReader::new(self.policy, repository, &history, context).with_orders(orders.clone());
        let old = self.refs.value_of(&line.name.0).map_err(|error| Failure::caused(&error))?;
        let update = RefUpdate { name: std::sync::Arc::clone(&line.name.0), old, new: line.new, claimed: None };
        let rules = reader.rules_for(&update.name).map_err(doubtful)?;
        let frozen = reader.frozen_work(&update, &rules).map_err(doubtful)?;
        Ok(frozen.first().and_then(|work| {
            let words = freeze(work.agent.as_str())?;
            Some(format!("{} signed what it brings, and {words}", work.agent))
        }))
    }
}

fn doubtful(doubt: Doubt) -> Failure {
    Failure::new(doubt.reason())
}

/// How often one transaction looks whether another process still works on the packed refs, which git itself waits a second for
/// (git-config(1), core.packedRefsTimeout).
const LOOKS: u32 = 20;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// Whether a ref has the same value afterwards: git also tells of its packing, and of its loose file that goes when it is packed.
fn stays(refs: &Refs, line: &Line, looks: &mut u32) -> Result<bool> {
    let unreadable = |error| Failure::caused(&error);
    let value = refs.value_of(&line.name.0).map_err(unreadable)?;
    if value == line.new {
        return Ok(true);
    }
    if line.new.is_some() || refs.packed_value(&line.name.0).map_err(unreadable)? != value {
        return Ok(false);
    }
    while refs.is_packing() {
        if *looks == 0 {
            return Ok(false);
        }
        *looks -= 1;
        threads::sleep(PAUSE);
    }
    Ok(refs.packed_value(&line.name.0).map_err(unreadable)? == value)
}

/// Refs have moved. Those that a decision awaits, post-receive tells of.
fn committed(watch: &Watch, lines: &[Line]) -> Result<()> {
    let (dir, refs) = open(lines)?;
    // Without a policy every ref may be a governed one.
    let policy = load(watch, &dir, &refs, lines).ok();
    let record = || -> Result<()> {
        let ledger = open_ledger(&watch.ledger, &dir).map_err(|error| ledger_failure(&error))?;
        let state = ledger.state().map_err(|error| ledger_failure(&error))?;
        let mut strangers = Vec::new();
        for Line { name, new, .. } in lines {
            let governed = policy.as_ref().is_none_or(|policy| is_governed(policy, name));
            if governed && !lands(&state, name, *new)? {
                strangers.push(name.clone());
            }
        }
        if !strangers.is_empty() {
            let clock = crate::core::decide::Timestamp(now().map_or(0, |now| now.0));
            let refs = ServerRefs(&refs);
            let recorded = match policy.as_ref().map(Policy::out_of_band) {
                Some(OutOfBand::Mirror) => ledger.mirrored(clock, &strangers, &refs),
                _ => ledger.moved(clock, &strangers, &refs, Witness::ReferenceTransaction).map(drop),
            };
            recorded.map_err(|error| ledger_failure(&error))?;
        }
        Ok(())
    };
    record()
}

/// Whether a decision moves the ref there.
fn lands(state: &State, name: &RefName, new: Option<Oid>) -> Result<bool> {
    state.lands(&name.0, new).map_err(|error| Failure::new(format!("what was decided cannot be read: {error}")))
}

fn open(lines: &[Line]) -> Result<(GitDir, Refs)> {
    let dir = GitDir::of_hook().map_err(Failure::new)?;
    let refs = Refs::open(&dir, format(lines)).map_err(|error| Failure::caused(&error))?;
    Ok((dir, refs))
}

fn format(lines: &[Line]) -> ObjectFormat {
    lines.first().map_or(ObjectFormat::Sha1, |line| line.format)
}

fn load(watch: &Watch, dir: &GitDir, refs: &Refs, lines: &[Line]) -> Result<Policy> {
    let objects = Objects::open(dir, &Quarantine::of_hook(), format(lines)).map_err(|error| Failure::caused(&error))?;
    let values = StoredRefs { refs, objects: &objects };
    let loaded = PolicyReader { repository: Some((&objects, &values)) }.load(&watch.policies);
    loaded.map(|loaded| loaded.policy).map_err(|error| Failure::caused(&error))
}

fn is_governed(policy: &Policy, name: &RefName) -> bool {
    policy.rules().iter().any(|rule| rule.mode == Mode::Enforce && rule.matches_ref(&name.0))
}
