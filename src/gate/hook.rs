//! The hooks. What an admin decided stands in the shim that calls this.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::core::decide::{Outcome, Timestamp};
use crate::core::digest::Digest;
use crate::core::id::RepositoryName;
use crate::core::objects::ReadError;
use crate::core::report;
use crate::core::submitter::push_cert::CertifiedUpdate;
use crate::core::submitter::{Adapter, Submitter};
use crate::gate::command::{PreReceive, Update};
use crate::gate::deadline::Stage;
use crate::gate::engine::{EngineError, Judgement, NoMemory, PushContext, Settings, judge};
use crate::gate::naming::default_name;
use crate::gate::order_store::{self, stores_for};
use crate::gate::own_files::{ledger_directory, settled};
use crate::gate::policy_source::PolicyError;
use crate::gate::push::Push;
use crate::gate::recording::{Beginning, Recorder};
use crate::gate::ref_values::StoredRefs;
use crate::gate::session::{Posture, Session};
use crate::gate::submitting::{Pushed, submitter};
use crate::store::{GitDir, Objects, Quarantine, Refs};
use crate::system::{Exit, Failure, OnDisk as _, Result, characters, env, now, stderr, stdin};

/// Begins a run: how its lines begin, and when it ends.
fn begin(server: &PreReceive) -> Arc<Session> {
    let adapter = server.submitter.unwrap_or(Adapter::None);
    let posture = Posture::of_observing(server.observe);
    let chain = server.chain.as_deref().map(|chain| settled(chain, &GitDir::path_of_hook()));
    let session = Session::begin(posture, adapter.line_prefix(), chain);
    session.end_after(server.deadline.unwrap_or(adapter.deadline()));
    session
}

pub(crate) fn pre_receive(server: PreReceive) -> Result {
    let session = begin(&server);
    let (push, input) = match Push::read(&mut stdin().lock()) {
        Ok(read) => read,
        Err(_) if server.observe => return Ok(if session.pass() == 0 { Exit::Accepted } else { Exit::Undecided }),
        Err(error) => return session.end(Err(Failure::new(error))),
    };
    let given = session.give(Vec::new(), Some(&input));
    drop(input);
    session.end(given.and_then(|()| decide_before(&session, &server, push)))
}

/// Decides, and lets the hook before ours decide what we accept.
fn decide_before(session: &Session, server: &PreReceive, push: Push) -> Result {
    let decided = decide(session, server, push);
    session.still_in_time();
    match decided? {
        Exit::Accepted => session.hand_on(),
        refused => Ok(refused),
    }
}

/// The update hook sees one ref and, before git 2.11's quarantine reached it, less of the push than pre-receive does.
pub(crate) fn one_update(update: Update) -> Result {
    use std::os::unix::ffi::OsStrExt as _;
    let session = begin(&update.server);
    let push = Push::of_update(update.name.as_bytes(), update.old.as_bytes(), update.new.as_bytes());
    let given = session.give(vec![update.name, update.old, update.new], None);
    let push = given.and_then(|()| push.map_err(Failure::new));
    session.end(push.and_then(|push| decide_before(&session, &update.server, push)))
}

/// Decides and records. A gate that only observes accepts whatever happens, and says nothing.
fn decide(session: &Session, server: &PreReceive, push: Push) -> Result {
    if !server.observe {
        return enforce(session, server, push);
    }
    // What could not even be recorded is nobody's fault who pushes.
    let _ = enforce(session, server, push);
    Ok(Exit::Accepted)
}

/// Where a ledger lies in its repository.
pub(crate) const LEDGER: &str = "countersign/ledger";

/// What the directory of a canary begins with.
pub(crate) const CANARY_PREFIX: &str = ".countersign-canary-";

/// The file that tells a canary of `doctor` from a repository.
pub(crate) const CANARY: &str = "countersign/canary";

fn enforce(session: &Session, server: &PreReceive, push: Push) -> Result {
    // Git runs no hook for a push of nothing (receive-pack.c), so whoever ran this one kept the updates from it.
    if push.updates.is_empty() {
        return Err(Failure::new("standard input names no ref").hint(
            "another hook has read it before this one; give that one its own copy, or run it afterwards with --chain",
        ));
    }
    session.reached(Stage::Ledger);
    let cannot = |error: std::io::Error| Failure::new(format!("cannot open the repository: {error}"));
    let dir = GitDir::of_hook().map_err(cannot)?;
    let refs = Refs::open(&dir, push.format).map_err(|error| Failure::caused(&error))?;
    // A certificate names what the client said.
    let is_certified = server.submitter == Some(Adapter::PushCert);
    let certified = if is_certified { push.certifiable() } else { BTreeSet::new() };
    let push = push.resolved(&refs).and_then(|push| push.at_stored_values(&refs));
    let push = Arc::new(push.map_err(|error| Failure::caused(&error))?);
    let repository = name(server, &dir)?;
    let orders = order_store::stamp(&dir, &refs).ok();
    let run = Run { orders, session, server, push, clock: now()?, ledger: ledger_of(server, &dir), repository, dir };
    run.begin_ledger(&refs)?;
    run.record_when_over();
    let recorder = run.ledger.as_deref().map(|named| Recorder::open(named, &run.dir, &refs)).transpose()?;
    session.reached(Stage::Deciding);
    let (submitter, judged) = run.judge(&refs, &certified, recorder.as_ref());
    if recorder.is_none() && judged.as_ref().is_ok_and(|judgement| judgement.policy.spends_approvals()) {
        return Err(Failure::new("the policy asks for approvals, and without a ledger nobody knows which have landed")
            .hint("an admin can install the hook again, which makes one:\ncountersign install --server REPO.git --policy FILE"));
    }
    session.reached(Stage::Recording);
    match judged {
        Ok(judgement) => run.conclude(&judgement, recorder),
        Err(error) => run.give_up(&error, &submitter, recorder),
    }
}

/// Where the ledger is, as the hook names it. A canary is decided like any push; what becomes of it is nothing that the real ledger
/// should hold.
fn ledger_of(server: &PreReceive, dir: &GitDir) -> Option<PathBuf> {
    let is_canary = dir.git_dir.join(CANARY).on_disk().exists();
    server.ledger.clone().map(|own| if is_canary { LEDGER.into() } else { own })
}

/// How often a push is judged again because orders came meanwhile. Where they keep coming, the last look counts.
const LOOKS: usize = 3;

/// One push, with where and when it is decided.
struct Run<'a> {
    /// The orders that were stored before it was looked at.
    orders: Option<Digest>,
    session: &'a Session,
    server: &'a PreReceive,
    push: Arc<Push>,
    clock: Timestamp,
    ledger: Option<PathBuf>,
    repository: Option<RepositoryName>,
    dir: GitDir,
}

impl Run<'_> {
    /// Makes the ledger of a repository that has just been made.
    fn begin_ledger(&self, refs: &Refs) -> Result<()> {
        match (&self.ledger, &self.repository) {
            (Some(named), Some(name)) if self.server.makes_ledgers() => Recorder::begin(
                &ledger_directory(named, &self.dir),
                Beginning { name, dir: &self.dir, refs, format: self.push.format },
            ),
            _ => Ok(()),
        }
    }

    /// Says how the push is recorded if it is not decided in time.
    fn record_when_over(&self) {
        let Some(named) = self.ledger.clone() else { return };
        let (dir, push, clock) = (self.dir.clone(), Arc::clone(&self.push), self.clock);
        let outcome = self.accepted(Outcome::Undecided);
        self.session.record_with(Box::new(move |reason| {
            let Ok(refs) = Refs::open(&dir, push.format) else { return };
            let Ok(recorder) = Recorder::open(&named, &dir, &refs) else { return };
            // It is told or not; a record that fails changes nothing about that.
            let _ = recorder.record_failure(clock, &push, &Submitter::Unasked, reason, outcome);
        }));
    }

    /// Who pushes, and what is decided.
    fn judge(
        &self,
        refs: &Refs,
        certified: &BTreeSet<CertifiedUpdate>,
        recorder: Option<&Recorder<'_>>,
    ) -> (Submitter, std::result::Result<Judgement, EngineError>) {
        let objects = Objects::open(&self.dir, &Quarantine::of_hook(), self.push.format);
        let repository = self.repository.as_ref();
        let pushed = Pushed { updates: certified, dir: &self.dir, objects: objects.as_ref().ok(), repository };
        let submitter = submitter(self.server.submitter.unwrap_or(Adapter::None), &pushed);
        let settings = Settings {
            policies: self.server.policies.clone(),
            repository: self.repository.clone(),
            baseline: self.server.baseline.as_deref().map(|baseline| settled(baseline, &self.dir.common_dir)),
        };
        let judged = objects.map_err(EngineError::Objects).and_then(|objects| {
            let stores =
                stores_for(&self.dir).map_err(|error| ReadError::Refs(format!("stores of orders: {error}")))?;
            let context = PushContext {
                dir: &self.dir,
                objects: &objects,
                refs: &StoredRefs { refs, objects: &objects },
                submitter: &submitter,
                session: self.session,
                memory: recorder.map_or(&NoMemory, |recorder| recorder),
                stores: &stores,
                now: self.clock,
            };
            let judged = judge(&settings, &self.push, context)?;
            self.judge_again_if_ordered(refs, judged, &|refs| {
                judge(&settings, &self.push, PushContext { refs: &StoredRefs { refs, objects: &objects }, ..context })
            })
        });
        (submitter, judged)
    }

    /// Judges once more where an order has come meanwhile: deciding a large push takes its time, and who is stopped is stopped.
    fn judge_again_if_ordered(
        &self,
        refs: &Refs,
        mut judged: Judgement,
        again: &dyn Fn(&Refs) -> std::result::Result<Judgement, EngineError>,
    ) -> std::result::Result<Judgement, EngineError> {
        let stamp = |refs: &Refs| order_store::stamp(&self.dir, refs).map_err(EngineError::Objects);
        let mut before = self.orders.map_or_else(|| stamp(refs), Ok)?;
        for _ in 0..LOOKS {
            let now = Refs::open(&self.dir, self.push.format)?;
            let after = stamp(&now)?;
            if after == before {
                break;
            }
            (before, judged) = (after, again(&now)?);
        }
        Ok(judged)
    }

    /// What comes of an outcome here: a gate that observes accepts everything.
    fn accepted(&self, outcome: Outcome) -> Outcome {
        if self.server.observe { Outcome::Accepted } else { outcome }
    }

    /// Records and tells a decision.
    fn conclude(&self, judgement: &Judgement, recorder: Option<Recorder<'_>>) -> Result {
        let outcome = self.accepted(judgement.verdict.outcome());
        let recorded = recorder.map_or(Ok(Vec::new()), |recorder| recorder.record(self.clock, judgement, outcome));
        if !self.server.observe {
            recorded.iter().flatten().for_each(|told| self.session.say(told));
            let screen = characters(&stderr());
            self.session.say(&report::text(&judgement.verdict, report::Audience::Pusher, screen));
        }
        match recorded {
            Err(failure) if judgement.policy.enforces() => Err(failure),
            _ => Ok(Exit::from(&judgement.verdict)),
        }
    }

    /// Records that nothing could be decided, and says why.
    fn give_up(&self, error: &EngineError, submitter: &Submitter, recorder: Option<Recorder<'_>>) -> Result {
        if let Some(recorder) = recorder {
            let outcome = self.accepted(Outcome::Undecided);
            recorder.record_failure(self.clock, &self.push, submitter, &error.to_string(), outcome)?;
        }
        Err(if self.server.observe { Failure::new(error) } else { engine_failure(error) })
    }
}

/// What the repository is called, where the policy need not say it.
fn name(server: &PreReceive, dir: &GitDir) -> Result<Option<RepositoryName>> {
    let hint = "an admin can name it:\ncountersign install --server REPO.git --repository NAME --policy FILE";
    if let Some(root) = &server.below {
        let cannot = |error: std::io::Error| Failure::new(format!("cannot tell where the repository lies: {error}"));
        let (root, own) =
            (root.on_disk().canonicalize().map_err(cannot)?, dir.git_dir.on_disk().canonicalize().map_err(cannot)?);
        let none = || Failure::new(format!("{} gives the repository no name", own.display())).hint(hint);
        let name = default_name(&root, &own).ok_or_else(none)?;
        // Names fold case, and a repository of the plain name is who has it: else whoever makes another shares its seals.
        for plain in [format!("{name}.git"), name.to_string()] {
            if root.join(&plain).on_disk().canonicalize().is_ok_and(|plain| plain != own) {
                let both = format!("{} would be called {name}, which {plain} is", own.display());
                return Err(Failure::new(both).hint("an admin can rename one of the two repositories"));
            }
        }
        return Ok(Some(name));
    }
    let variables = server.naming_variables();
    if variables.is_empty() {
        return Ok(server.repository.clone());
    }
    let set = |name: &&str| env::var_os(name).filter(|value| !value.is_empty());
    let parts: Option<PathBuf> = variables.iter().map(set).collect();
    let named = parts.and_then(|parts| default_name(Path::new(""), &parts));
    let none = || Failure::new(format!("{} does not name the repository", variables.join("/"))).hint(hint);
    named.map(Some).ok_or_else(none)
}

/// Why no verdict was reached; of a broken policy every one of its problems.
pub(crate) fn engine_failure(error: &EngineError) -> Failure {
    if let EngineError::Objects(error) = error {
        return Failure::caused(error);
    }
    let hint = match error {
        EngineError::Policy(PolicyError::NotYet(..) | PolicyError::NotPinned(..)) => {
            "an admin sets the first policy with:\ncountersign install --server REPO.git --policy FILE"
        }
        EngineError::Policy(_) | EngineError::NoPolicy | EngineError::Objects(_) => {
            "an admin can see what is wrong with:\ncountersign policy check FILE"
        }
        EngineError::NoRepositoryName | EngineError::OtherRepository { .. } => {
            "an admin can set it with:\ncountersign install --server REPO.git --repository NAME --policy FILE"
        }
    };
    let failure = Failure::new(format!("[policy-invalid] {error}; nothing is accepted until it can be decided"));
    match error {
        EngineError::Policy(PolicyError::Invalid(problems)) => failure.with_problems(problems).hint(hint),
        _ => failure.hint(hint),
    }
}
