//! The hooks. What an admin decided stands in the shim that calls this.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::after_push::{self, PostReceive, ReferenceTransaction};
use super::chain::{self, Chained};
use super::client_hooks::{self, CommitMsg, PostCommit, PostMerge, PrePush};
use super::deadline::{self, Over, Stage, reached};
use super::engine::{EngineError, NoMemory, Scene, Settings, judge};
use super::gather::StoredRefs;
use super::install::{LEDGER, exec_words};
use super::naming::default_name;
use super::policy_source::{PolicyArg, PolicyError};
use super::push::Push;
use super::recording::Recorder;
use super::submitting::{Pushed, submitter};
use super::{Exit, Failure, Result, characters, now, observing, prefix_lines, say, say_fix};
use crate::core::decide::{Outcome, Verdict};
use crate::core::id::RepositoryName;
use crate::core::report;
use crate::core::submitter::{Adapter, Submitter};
use crate::store::{GitDir, Objects, Quarantine, Refs};

#[derive(Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    hook: Hook,
}

#[derive(Subcommand)]
enum Hook {
    /// Decide all updates of a push, read from standard input
    PreReceive(Server),
    /// Decide one update, given as arguments
    Update(Update),
    /// Record which updates of a decision came to pass
    PostReceive(PostReceive),
    /// Record or refuse moves of refs that no decision explains
    ReferenceTransaction(ReferenceTransaction),
    /// Seal the message of an agent's commit
    CommitMsg(CommitMsg),
    /// Seal an agent's commit where commit-msg could not
    PostCommit(PostCommit),
    /// Seal an agent's patch again where it was applied
    PostApplypatch(PostCommit),
    /// Seal an agent's merge, which runs no post-commit
    PostMerge(PostMerge),
    /// Decide beforehand what the server would say
    PrePush(PrePush),
}

#[derive(Args)]
pub(super) struct Server {
    /// A policy file, or ref:REF:PATH for one in the repository; all given hold together
    #[arg(long = "policy", value_name = "FILE|ref:REF:PATH", required = true)]
    policies: Vec<PolicyArg>,
    /// The name that seals are bound to
    #[arg(long, value_name = "NAME", value_parser = repository_name)]
    repository: Option<RepositoryName>,
    /// The directory that holds all repositories: the path below it is the name, and a ledger is made for a new one
    #[arg(long, value_name = "DIR", conflicts_with = "repository")]
    below: Option<PathBuf>,
    /// A file of commits whose history is exempt
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// The directory of the ledger that every decision is recorded in
    #[arg(long, value_name = "DIR")]
    ledger: Option<PathBuf>,
    /// The kind of server, which tells who pushes: ssh, http, gitolite, gitlab, gitea, ghes, bitbucket, push-cert or none
    #[arg(long, value_name = "KIND", value_parser = adapter)]
    submitter: Option<Adapter>,
    /// Seconds after which the push is refused if it is not decided
    #[arg(long, value_name = "SECONDS")]
    deadline: Option<u64>,
    /// Decide and record, and refuse nothing
    #[arg(long)]
    observe: bool,
    /// A hook to run afterwards if the push is accepted, with the same input
    #[arg(long, value_name = "FILE")]
    chain: Option<PathBuf>,
}

#[derive(Args)]
struct Update {
    #[command(flatten)]
    server: Server,
    /// The full name of the ref
    #[arg(value_name = "REF")]
    name: OsString,
    /// Its value before
    old: OsString,
    /// Its value after
    new: OsString,
}

/// The program that a shim runs and what an admin decided in it; `None` for what is no shim of pre-receive.
pub(super) fn read_shim(text: &str) -> Option<(PathBuf, Server)> {
    let words = exec_words(text)?;
    let program = words.first().map(PathBuf::from)?;
    let parsed = <super::Arguments as clap::Parser>::try_parse_from(words).ok()?;
    match parsed.command {
        super::Command::Hook(Arguments { hook: Hook::PreReceive(server) }) => Some((program, server)),
        _ => None,
    }
}

/// What a shim of reference-transaction names.
pub(super) struct Watch {
    pub(super) program: PathBuf,
    pub(super) policies: Vec<PolicyArg>,
    pub(super) chained: Option<PathBuf>,
    pub(super) ledger: PathBuf,
}

/// Reads such a shim; `None` for what is none.
pub(super) fn read_watch(text: &str) -> Option<Watch> {
    let mut words = exec_words(text)?;
    let program = words.first().map(PathBuf::from)?;
    words.push("prepared".to_owned());
    match <super::Arguments as clap::Parser>::try_parse_from(words).ok()?.command {
        super::Command::Hook(Arguments { hook: Hook::ReferenceTransaction(watch) }) => {
            let (policies, ledger) = (watch.policies().to_vec(), watch.ledger().to_owned());
            Some(Watch { program, policies, chained: watch.chained(), ledger })
        }
        _ => None,
    }
}

impl Server {
    pub(super) fn policies(&self) -> &[PolicyArg] {
        &self.policies
    }

    pub(super) fn repository(&self) -> Option<&RepositoryName> {
        self.repository.as_ref()
    }

    pub(super) fn ledger(&self) -> Option<&Path> {
        self.ledger.as_deref()
    }

    pub(super) fn baseline(&self) -> Option<&Path> {
        self.baseline.as_deref()
    }

    pub(super) fn observes(&self) -> bool {
        self.observe
    }

    /// Whether it serves many repositories, also those that are made later.
    pub(super) fn makes_ledgers(&self) -> bool {
        self.below.is_some() || !self.naming_variables().is_empty()
    }

    /// What the gate calls the repository at a path; `None` where it is known at a push only.
    pub(super) fn name_of(&self, path: &Path) -> Option<RepositoryName> {
        let below = || default_name(&self.below.as_ref()?.canonicalize().ok()?, path);
        self.repository.clone().or_else(below)
    }

    /// Where the server says at each push what the repository is called, because the admin did not.
    pub(super) fn naming_variables(&self) -> &'static [&'static str] {
        match (&self.repository, self.submitter) {
            (None, Some(adapter)) => adapter.repository_variables(),
            _ => &[],
        }
    }

    /// The directory that holds all repositories that it serves.
    pub(super) fn root(&self) -> Option<&Path> {
        self.below.as_deref()
    }

    pub(super) fn chained(&self) -> Option<&Path> {
        self.chain.as_deref()
    }

    pub(super) fn submitter(&self) -> Option<Adapter> {
        self.submitter
    }

    pub(super) fn deadline(&self) -> Option<u64> {
        self.deadline
    }

    pub(super) fn names_submitter(&self) -> bool {
        self.submitter.is_some_and(|adapter| adapter != Adapter::None)
    }

    /// What is the same for all repositories that were installed together.
    pub(super) fn common_text(&self) -> String {
        let policies: Vec<String> = self.policies.iter().map(ToString::to_string).collect();
        let Self { submitter, deadline, chain, ledger, baseline, .. } = self;
        let (chained, kept, exempt) = (chain.is_some(), ledger.is_some(), baseline.is_some());
        format!("{} {submitter:?} {deadline:?} {chained} {kept} {exempt}", policies.join(" "))
    }
}

pub(super) fn repository_name(text: &str) -> std::result::Result<RepositoryName, String> {
    RepositoryName::parse(text.as_bytes()).ok_or_else(|| "a repository name is [a-z0-9][a-z0-9._/-]{0,63}".to_owned())
}

pub(super) fn adapter(text: &str) -> std::result::Result<Adapter, String> {
    let names: Vec<&str> = Adapter::ALL.iter().map(|adapter| adapter.name()).collect();
    Adapter::parse(text).ok_or_else(|| format!("a kind of server is one of {}", names.join(", ")))
}

pub(super) fn run(arguments: Arguments) -> Result {
    match arguments.hook {
        Hook::PreReceive(server) => pre_receive(server),
        Hook::Update(update) => one_update(update),
        Hook::PostReceive(hook) => after_push::post_receive(hook),
        Hook::ReferenceTransaction(hook) => after_push::reference_transaction(hook),
        Hook::CommitMsg(hook) => client_hooks::commit_msg(hook),
        Hook::PostCommit(hook) => client_hooks::post_commit(hook),
        Hook::PostApplypatch(hook) => client_hooks::post_applypatch(hook),
        Hook::PostMerge(hook) => client_hooks::post_merge(hook),
        Hook::PrePush(hook) => client_hooks::pre_push(hook),
    }
}

/// What holds for a hook before it reads anything: how its lines begin, and when it ends.
fn begin(server: &Server) {
    let adapter = server.submitter.unwrap_or(Adapter::None);
    prefix_lines(adapter.line_prefix());
    let over = if server.observe { Over::Pass } else { Over::Refuse };
    if server.observe {
        observing();
    }
    chain::expect(server.chain.as_ref());
    reached(Stage::Reading);
    deadline::start(server.deadline.unwrap_or(adapter.deadline()), over);
}

fn pre_receive(server: Server) -> Result {
    begin(&server);
    let (push, input) = match Push::read(&mut std::io::stdin().lock()) {
        Ok(read) => read,
        Err(_) if server.observe => return Ok(if chain::pass() == 0 { Exit::Accepted } else { Exit::Undecided }),
        Err(error) => return Err(Failure::new(error)),
    };
    decide_before(Chained { hook: server.chain.clone(), arguments: Vec::new(), input: Some(input) }, &server, &push)
}

/// Decides, and lets the hook before ours decide what we accept.
fn decide_before(chained: Chained, server: &Server, push: &Push) -> Result {
    chain::ready(&chained);
    let decided = decide(server, push);
    deadline::still_in_time();
    match decided? {
        Exit::Accepted => chained.run(),
        refused => Ok(refused),
    }
}

/// The update hook sees one ref and, before git 2.11's quarantine reached it, less of the push than pre-receive does.
fn one_update(update: Update) -> Result {
    begin(&update.server);
    use std::os::unix::ffi::OsStrExt as _;
    let push =
        Push::of_update(update.name.as_bytes(), update.old.as_bytes(), update.new.as_bytes()).map_err(Failure::new)?;
    let arguments = vec![update.name, update.old, update.new];
    decide_before(Chained { hook: update.server.chain.clone(), arguments, input: None }, &update.server, &push)
}

/// Decides and records. A gate that only observes accepts whatever happens, and says nothing.
fn decide(server: &Server, push: &Push) -> Result {
    if !server.observe {
        return enforce(server, push);
    }
    // What could not even be recorded is nobody's fault who pushes.
    let _ = enforce(server, push);
    Ok(Exit::Accepted)
}

/// The file that tells a canary of `doctor` from a repository.
pub(super) const CANARY: &str = "countersign/canary";

fn enforce(server: &Server, push: &Push) -> Result {
    // Git runs no hook for a push of nothing (receive-pack.c), so whoever ran this one kept the updates from it.
    if push.updates.is_empty() {
        return Err(Failure::new("standard input names no ref").hint(
            "another hook has read it before this one; give that one its own copy, or run it afterwards with --chain",
        ));
    }
    reached(Stage::Ledger);
    let cannot = |error: std::io::Error| Failure::new(format!("cannot open the repository: {error}"));
    let dir = GitDir::of_hook().map_err(cannot)?;
    let refs = Refs::open(&dir, push.format).map_err(|error| with_causes(&error))?;
    let pushed = push;
    let push = push.clone().resolved(&refs).and_then(|push| push.at_stored_values(&refs));
    let push = &push.map_err(|error| with_causes(&error))?;
    let repository = name(server, &dir)?;
    let settings = Settings {
        policies: server.policies.clone(),
        repository: repository.clone(),
        baseline: server.baseline.clone(),
    };
    let clock = now()?;
    // A canary is decided like any push; what becomes of it is nothing that the real ledger should hold.
    let is_canary = dir.git_dir.join(CANARY).exists();
    let ledger = server.ledger.clone().map(|own| if is_canary { dir.git_dir.join(LEDGER) } else { own });
    if let (Some(directory), Some(name), true) = (&ledger, &repository, server.makes_ledgers()) {
        Recorder::begin(directory, &refs, name)?;
    }
    if let Some(directory) = ledger.clone() {
        let (dir, push, observe) = (dir.clone(), push.clone(), server.observe);
        deadline::record_with(Box::new(move |reason| {
            let Ok(refs) = Refs::open(&dir, push.format) else { return };
            let Ok(recorder) = Recorder::open(&directory, &refs) else { return };
            let outcome = if observe { Outcome::Accepted } else { Outcome::Undecided };
            // It is told or not; a record that fails changes nothing about that.
            let _ = recorder.record_failure(clock, &push, &Submitter::Unasked, reason, outcome);
        }));
    }
    let recorder = ledger.as_deref().map(|directory| Recorder::open(directory, &refs)).transpose()?;
    reached(Stage::Deciding);
    let objects = Objects::open(&dir, &Quarantine::of_hook(), push.format);
    let pushed = Pushed { push: pushed, dir: &dir, objects: objects.as_ref().ok(), repository: repository.as_ref() };
    let submitter = submitter(server.submitter.unwrap_or(Adapter::None), &pushed);
    let judged = objects.map_err(EngineError::Objects).and_then(|objects| {
        let scene = Scene {
            dir: &dir,
            objects: &objects,
            refs: &StoredRefs { refs: &refs, objects: &objects },
            submitter: &submitter,
            memory: recorder.as_ref().map_or(&NoMemory, |recorder| recorder),
            now: recorder.as_ref().map_or(clock, |recorder| recorder.now(clock)),
        };
        judge(&settings, push, scene)
    });
    if recorder.is_none() && judged.as_ref().is_ok_and(|judgement| judgement.policy.spends_approvals()) {
        return Err(Failure::new("the policy asks for approvals, and without a ledger nobody knows which have landed")
            .hint("an admin can install the hook again, which makes one:\ncountersign install --server REPO.git --policy FILE"));
    }
    reached(Stage::Recording);
    let accepted = |outcome| if server.observe { Outcome::Accepted } else { outcome };
    match judged {
        Ok(judgement) => {
            let outcome = accepted(judgement.verdict.outcome());
            let recorded = recorder.map_or(Ok(Vec::new()), |recorder| recorder.record(clock, &judgement, outcome));
            if !server.observe {
                recorded.iter().flatten().for_each(|moved| say(&format!("warning: {moved}")));
                tell(&judgement.verdict);
            }
            match recorded {
                Err(failure) if judgement.policy.enforces() => Err(failure),
                _ => Ok(exit_of(&judgement.verdict)),
            }
        }
        Err(error) => {
            if let Some(recorder) = recorder {
                recorder.record_failure(clock, push, &submitter, &error.to_string(), accepted(Outcome::Undecided))?;
            }
            Err(if server.observe { Failure::new(error) } else { engine_failure(&error) })
        }
    }
}

/// What the repository is called, where the policy need not say it.
fn name(server: &Server, dir: &GitDir) -> Result<Option<RepositoryName>> {
    let hint = "an admin can name it:\ncountersign install --server REPO.git --repository NAME --policy FILE";
    if let Some(root) = &server.below {
        let cannot = |error: std::io::Error| Failure::new(format!("cannot tell where the repository lies: {error}"));
        let (root, own) = (root.canonicalize().map_err(cannot)?, dir.git_dir.canonicalize().map_err(cannot)?);
        let none = || Failure::new(format!("{} gives the repository no name", own.display())).hint(hint);
        let name = default_name(&root, &own).ok_or_else(none)?;
        // Names fold case, and a repository of the plain name is who has it: else whoever makes another shares its seals.
        for plain in [format!("{name}.git"), name.to_string()] {
            if root.join(&plain).canonicalize().is_ok_and(|plain| plain != own) {
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
    let set = |name: &&str| std::env::var_os(name).filter(|value| !value.is_empty());
    let parts: Option<PathBuf> = variables.iter().map(set).collect();
    let named = parts.and_then(|parts| default_name(Path::new(""), &parts));
    let none = || Failure::new(format!("{} does not name the repository", variables.join("/"))).hint(hint);
    named.map(Some).ok_or_else(none)
}

/// Tells the pusher.
fn tell(verdict: &Verdict) {
    say(&report::text(verdict, report::Audience::Pusher, characters(&std::io::stderr())));
}

/// The exit code of a verdict.
pub(super) fn exit_of(verdict: &Verdict) -> Exit {
    match verdict.outcome() {
        Outcome::Accepted => Exit::Accepted,
        Outcome::Rejected => Exit::Rejected,
        Outcome::Undecided => Exit::Undecided,
    }
}

/// Says why no verdict was reached; a broken policy with every one of its problems.
pub(super) fn engine_failure(error: &EngineError) -> Failure {
    if let EngineError::Policy(PolicyError::Invalid(problems)) = error {
        for problem in problems {
            say(&format!("error: [policy-invalid] {problem}"));
            say_fix(problem);
        }
    }
    if let EngineError::Objects(error) = error {
        return with_causes(error);
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
    Failure::new(format!("[policy-invalid] {error}; nothing is accepted until it can be decided")).hint(hint)
}

pub(super) fn with_causes(error: &dyn std::error::Error) -> Failure {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        message = format!("{message}: {cause}");
        source = cause.source();
    }
    Failure::new(message)
}
