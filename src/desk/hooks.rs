//! The hooks of a clone: commit-msg and post-commit seal what an agent commits, pre-push asks the server's engine first.
//!
//! They are a convenience. A commit never fails because it could not be sealed: the server decides, and says what to do.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;

use crate::core::commit::{Commit, is_our_line, names_utf8};
use crate::core::decide::{Area, Severity, Verdict};
use crate::core::id::RepositoryName;
use crate::core::oid::Oid;
use crate::core::report::{self, Audience};
use crate::core::seal::Root;
use crate::core::tree::{changes, digest};
use crate::desk::check::{has_findings, judge_locally, take_out_what_is_cut_off};
use crate::desk::clone::{Local, TrackedRefs, is_ancestor, settings, tracked_commit};
use crate::desk::copied::{copied_from, leave_out_copied_seals};
use crate::desk::sealing::{Content, Sealer, Seals, change_of, rebuild, seals_of, tree_of, without_ours};
use crate::desk::sign::{ambiguous, desk_repository, drafters, reseal, unknown_agent};
use crate::desk::who::{Agent, Desk, desk};
use crate::gate::chain;
use crate::gate::push::{Push, RefUpdate};
use crate::gate::shim::is_executable;
use crate::store::peel;
use crate::system::process::{config, git, in_memory};
use crate::system::{Exit, Failure, Result, characters, say, say_hint};

#[derive(Args)]
pub(crate) struct CommitMsg {
    #[command(flatten)]
    chained: Chained,
    /// The file with the message
    file: PathBuf,
}

#[derive(Args)]
pub(crate) struct PostCommit {
    #[command(flatten)]
    chained: Chained,
}

#[derive(Args)]
pub(crate) struct PostMerge {
    #[command(flatten)]
    chained: Chained,
    /// 1 where the merge only prepared a commit, 0 where HEAD has moved
    squash: String,
}

#[derive(Args)]
pub(crate) struct PrePush {
    #[command(flatten)]
    chained: Chained,
    /// The remote's name
    remote: String,
    /// Where it is
    url: String,
}

#[derive(Args)]
struct Chained {
    /// The hook that was there before, run as well
    #[arg(long, value_name = "FILE")]
    chain: Option<PathBuf>,
}

impl Chained {
    /// The other hook, if git would run it.
    fn runnable(self) -> Option<PathBuf> {
        self.chain.filter(|hook| is_executable(hook))
    }
}

/// The other hook goes first: it may add trailers, and a seal covers what stands above it.
pub(crate) fn commit_msg(hook: CommitMsg) -> Result {
    if let Some(other) = hook.chained.runnable()
        && !run_other(&other, &[hook.file.as_os_str()], None)?
    {
        return Ok(Exit::Rejected);
    }
    match desk()? {
        // A person's commit is never sealed, and never kept from being made.
        Desk::Person => drop(leave_out_copied_seals(&hook.file)),
        // What cannot be sealed now, post-commit seals.
        Desk::Agent(agent) => drop(seal_draft(&hook.file, agent)),
        Desk::Unknown(tool) => tell(&unknown_agent(&tool)),
        Desk::Ambiguous(tools) => tell(&ambiguous(&tools)),
    }
    Ok(Exit::Accepted)
}

/// Seals the message of a commit that is being made, if what will become of it can be told.
fn seal_draft(file: &Path, agent: Agent) -> Result<()> {
    let read = std::fs::read(file).map_err(Failure::new)?;
    let comment = config("core.commentChar")?.unwrap_or_else(|| "#".to_owned());
    let commented = read.split(|byte| *byte == b'\n').any(|line| line.starts_with(comment.as_bytes()));
    let message = without_ours(&read);
    let encoded = config("i18n.commitEncoding")?.is_some_and(|name| !names_utf8(name.as_bytes()));
    if encoded || commented || message.iter().all(u8::is_ascii_whitespace) {
        return Ok(());
    }
    let local = Local::open()?;
    let tree = object_id(&git(&["write-tree"]).line()?)?;
    let parents = parents_to_be(&local)?;
    let author = git(&["var", "GIT_AUTHOR_IDENT"]).line()?;
    let sealer = Sealer::open(agent, desk_repository()?, None)?;
    let content = Content {
        change: change_of(&local.objects, &parents, tree)?,
        author: author.as_bytes(),
        merges: parents.get(1..).unwrap_or_default(),
        root: Root::of(&parents),
    };
    std::fs::write(file, sealer.seal_message(&message, &content)).map_err(Failure::new)
}

/// The parents of the commit that is being made. MERGE_HEAD may name annotated tags. Where HEAD is contained in what is merged, as
/// with several branches that all stand on it, git leaves it out, unless the merge may not be a fast-forward (builtin/merge.c,
/// reduce_parents; builtin/commit.c, reduce_heads_replace).
fn parents_to_be(local: &Local) -> Result<Vec<Oid>> {
    let state = |name: &str| std::fs::read(local.dir.git_dir.join(name)).unwrap_or_default();
    let mut merged = Vec::new();
    for id in state("MERGE_HEAD").split(|byte| *byte == b'\n').filter_map(Oid::parse) {
        merged.extend(peel(&local.objects, id).map_err(Failure::new)?);
    }
    let Ok(head) = local.commit("HEAD") else { return Ok(merged) };
    if state("MERGE_MODE").trim_ascii() != b"no-ff" {
        for other in &merged {
            if is_ancestor(head, *other)? {
                return Ok(merged);
            }
        }
    }
    merged.insert(0, head);
    Ok(merged)
}

/// Runs after git has made the commit: seals it where commit-msg could not, or what it sealed did not come true.
pub(crate) fn post_commit(hook: PostCommit) -> Result {
    let done = match desk()? {
        Desk::Person => remind(),
        Desk::Agent(agent) => seal_head(agent),
        Desk::Unknown(tool) => Err(unknown_agent(&tool)),
        Desk::Ambiguous(tools) => Err(ambiguous(&tools)),
    };
    if let Err(failure) = done {
        tell(&failure);
    }
    chain::Chained { hook: hook.chained.runnable(), ..Default::default() }.run()
}

/// Runs after `git merge` and `git pull`, which run no post-commit: the author's date that they write is that of their start, which
/// commit-msg cannot know.
pub(crate) fn post_merge(hook: PostMerge) -> Result {
    if let Desk::Agent(agent) = desk()?
        && hook.squash == "0"
        && let Err(failure) = seal_merge(agent)
    {
        tell(&failure);
    }
    let arguments = vec![hook.squash.into()];
    chain::Chained { hook: hook.chained.runnable(), arguments, ..Default::default() }.run()
}

/// Runs after `git am`, and `git rebase --apply`, made a commit of a patch, for which git runs no post-commit. A patch may be anybody's:
/// one whose message says that this agent sealed it, and that fits no longer where it was applied, is sealed again.
pub(crate) fn post_applypatch(hook: PostCommit) -> Result {
    if let Desk::Agent(agent) = desk()?
        && let Err(failure) = seal_patch(&agent)
    {
        tell(&failure);
    }
    chain::Chained { hook: hook.chained.runnable(), ..Default::default() }.run()
}

fn seal_patch(agent: &Agent) -> Result<()> {
    let local = Local::open()?;
    let repository = desk_repository()?;
    let head = local.commit("HEAD")?;
    let raw = local.objects.commit(head).map_err(Failure::new)?;
    let commit = Commit::parse(&raw, local.objects.format()).map_err(Failure::new)?;
    match seals_of(&local.objects, &repository, &commit)? {
        Seals::Broken(named) if named == agent.id => {
            let object = reseal(&local.objects, &repository, agent.clone(), (head, &raw, &commit))?;
            announce(replace_head(&local, head, &object)?, agent)
        }
        Seals::None | Seals::Hold(..) | Seals::Broken(_) | Seals::Malformed => Ok(()),
    }
}

/// Puts a rewritten commit in the place of HEAD, if that has not moved.
fn replace_head(local: &Local, head: Oid, object: &[u8]) -> Result<Oid> {
    let new = local.objects.write_commit(object).map_err(Failure::new)?;
    git(&["update-ref", "-m", "countersign: seal", "HEAD", &new.to_string(), &head.to_string()]).run()?;
    Ok(new)
}

/// Seals HEAD if git has just made it as a merge, and has not only moved to a commit of somebody's.
fn seal_merge(agent: Agent) -> Result<()> {
    let action = git(&["reflog", "-1", "--format=%gs", "HEAD"]).run().unwrap_or_default();
    let action = String::from_utf8_lossy(&action);
    let made = action.rsplit(": ").next().unwrap_or_default();
    // "Merge made by the 'ort' strategy.", "In-index merge" (builtin/merge.c); neither is translated.
    if made.starts_with("Merge made by") || made.starts_with("In-index merge") { seal_head(agent) } else { Ok(()) }
}

/// Tells a person who changed an agent's commit how it can still reach the server.
fn remind() -> Result<()> {
    let raw = git(&["cat-file", "commit", "HEAD"]).run()?;
    if !raw.split(|byte| *byte == b'\n').any(is_our_line) {
        return Ok(());
    }
    let local = Local::open()?;
    let commit = Commit::parse(&raw, local.objects.format()).map_err(Failure::new)?;
    let whose = match seals_of(&local.objects, &desk_repository()?, &commit)? {
        Seals::Broken(agent) => match copied_from(&local, commit.message, &commit.parents)? {
            Some(origin) => {
                say(&format!(
                    "hint: {agent}'s seal in this message is for {}; git commit --amend --no-edit leaves it out",
                    origin.short()
                ));
                return Ok(());
            }
            None => format!("{agent}'s seal no longer holds for this commit"),
        },
        Seals::Malformed if drafters(commit.message).is_empty() => {
            say(
                "hint: the server refuses a line that begins with Countersign- where no seal stands; git commit --amend can reword it",
            );
            return Ok(());
        }
        Seals::Malformed => "this commit's message holds seals that cannot be read".to_owned(),
        Seals::None | Seals::Hold(..) => return Ok(()),
    };
    say(&format!("hint: {whose}; countersign sign HEAD --adopt makes the commit yours"));
    Ok(())
}

fn seal_head(agent: Agent) -> Result<()> {
    let local = Local::open()?;
    let repository = desk_repository()?;
    let head = local.commit("HEAD")?;
    let raw = local.objects.commit(head).map_err(Failure::new)?;
    let commit = Commit::parse(&raw, local.objects.format()).map_err(Failure::new)?;
    let seals = seals_of(&local.objects, &repository, &commit)?;
    let made = maker(&local, &repository, &agent, (head, &commit), &seals)?;
    let own = matches!(&seals, Seals::Hold(id, _) if *id == agent.id);
    let object = match made {
        Made::ByAgent if own => return announce(head, &agent),
        Made::ByAgent => reseal(&local.objects, &repository, agent.clone(), (head, &raw, &commit))?,
        // commit-msg cannot tell an amendment, so it may have sealed what this agent did not make.
        Made::ByAnother { sealed: SealedBefore::No } if seals != Seals::None => {
            rebuild(&raw, &commit, &commit.parents, &without_ours(commit.message))
        }
        Made::ByAnother { .. } => return Ok(()),
    };
    if commit.signature.is_some() {
        say(
            "countersign: the signature over the whole commit is gone with the rewrite; on a sealed commit it adds nothing",
        );
    }
    let new = replace_head(&local, head, &object)?;
    if matches!(made, Made::ByAgent) { announce(new, &agent) } else { Ok(()) }
}

fn announce(commit: Oid, agent: &Agent) -> Result<()> {
    say(&format!("countersign: {} is sealed by {}", commit.short(), agent.id));
    Ok(())
}

/// Whose work a new commit is.
#[derive(Clone, Copy)]
enum Made {
    ByAgent,
    ByAnother { sealed: SealedBefore },
}

/// Whether the commit that this one replaces had seals.
#[derive(Clone, Copy)]
enum SealedBefore {
    Yes,
    No,
}

impl SealedBefore {
    fn of(seals: &Seals) -> Self {
        if *seals == Seals::None { Self::No } else { Self::Yes }
    }
}

/// An agent made what it commits, unless the commit only carries on others whose content it left alone.
fn maker(
    local: &Local,
    repository: &RepositoryName,
    agent: &Agent,
    (head, commit): (Oid, &Commit<'_>),
    seals: &Seals,
) -> Result<Made> {
    let named = |seals: &Seals| matches!(seals, Seals::Hold(id, _) | Seals::Broken(id) if *id == agent.id);
    // The subject in it may be in any encoding.
    let action = git(&["reflog", "-1", "--format=%gs", "HEAD"]).run().unwrap_or_default();
    let step = Step::of(&String::from_utf8_lossy(&action));
    let predecessors: Vec<Oid> = match step {
        // Without a reflog an amended commit cannot be told from a new one, but a seal made before the commit and still
        // holding was made for a new one.
        Step::Unknown if matches!(seals, Seals::Hold(id, _) if *id == agent.id) => return Ok(Made::ByAgent),
        Step::Unknown => {
            tell(
                &Failure::new("without a reflog a new commit cannot be told from an amended one")
                    .hint("to seal it, and have the next ones sealed:\ncountersign sign HEAD\ngit config --unset core.logAllRefUpdates"),
            );
            return Ok(Made::ByAnother { sealed: SealedBefore::No });
        }
        Step::CherryPick => {
            // Git has forgotten which commit it was; only the message tells.
            return Ok(if named(seals) { Made::ByAgent } else { Made::ByAnother { sealed: SealedBefore::of(seals) } });
        }
        Step::Replay | Step::Join => picked(local).into_iter().chain(amended(local, head, commit)?).collect(),
        Step::Other => amended(local, head, commit)?.into_iter().collect(),
    };
    let mut carried = None;
    for predecessor in &predecessors {
        let raw = local.objects.commit(*predecessor).map_err(Failure::new)?;
        let before = Commit::parse(&raw, local.objects.format()).map_err(Failure::new)?;
        let sealed_before = seals_of(&local.objects, repository, &before)?;
        if named(&sealed_before) {
            return Ok(Made::ByAgent);
        }
        if step == Step::Join || same_patch(local, (*predecessor, &before), (head, commit))? {
            carried = Some(SealedBefore::of(&sealed_before));
        }
    }
    Ok(carried.map_or(Made::ByAgent, |sealed| Made::ByAnother { sealed }))
}

/// What git was doing when it made a commit, as the reflog says. `git pull --rebase` and GIT_REFLOG_ACTION put other words
/// before the parenthesis.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// There is no reflog.
    Unknown,
    CherryPick,
    /// A rebase makes one commit from one.
    Replay,
    /// A rebase makes one commit from two.
    Join,
    Other,
}

impl Step {
    fn of(action: &str) -> Self {
        let action = action.split(": ").next().unwrap_or_default().trim();
        let detail = action.strip_suffix(')').and_then(|action| action.rsplit_once('(')).map(|(_, detail)| detail);
        match detail {
            _ if action.is_empty() => Self::Unknown,
            Some("cherry-pick") => Self::CherryPick,
            Some("squash" | "fixup") => Self::Join,
            Some("pick" | "reword" | "edit" | "continue" | "rebase" | "merge") => Self::Replay,
            _ if action.starts_with("cherry-pick") => Self::CherryPick,
            _ => Self::Other,
        }
    }
}

/// The commit that HEAD was before, if the new one took its place and does not stand on it.
fn amended(local: &Local, head: Oid, commit: &Commit<'_>) -> Result<Option<Oid>> {
    let Ok(before) = local.commit("HEAD@{1}") else { return Ok(None) };
    let raw = local.objects.commit(before).map_err(Failure::new)?;
    let parents = Commit::parse(&raw, local.objects.format()).map_err(Failure::new)?.parents;
    Ok((before != head && parents == commit.parents).then_some(before))
}

/// The commit that a rebase is at: the last line of its list of what is done.
fn picked(local: &Local) -> Option<Oid> {
    let done = std::fs::read_to_string(local.dir.git_dir.join("rebase-merge").join("done")).ok()?;
    let line = done.lines().rev().find(|line| !line.trim().is_empty() && !line.starts_with('#'))?;
    let mut words = line.split_whitespace();
    let command = words.next()?;
    let commit = match words.next()? {
        // `fixup -C <commit>`, `merge -C <commit>`
        "-C" | "-c" => words.next()?,
        commit => commit,
    };
    let picks = ["pick", "p", "reword", "r", "edit", "e", "squash", "s", "fixup", "f", "merge", "m"];
    if picks.contains(&command) { local.commit(commit).ok() } else { None }
}

/// Whether two commits make the same edit, wherever its lines have moved to.
fn same_patch(local: &Local, (old, before): (Oid, &Commit<'_>), (new, after): (Oid, &Commit<'_>)) -> Result<bool> {
    let change = |commit: &Commit<'_>| -> Result<_> {
        let parent = commit.parents.first().map(|parent| tree_of(&local.objects, *parent)).transpose()?;
        let changes = changes(&local.objects, parent, commit.tree).map_err(Failure::new)?;
        Ok(digest(&changes, commit.tree.format()))
    };
    if change(before)? == change(after)? {
        return Ok(true);
    }
    let patch_id = |commit: Oid| -> Result<Option<String>> {
        let commit = commit.to_string();
        let patch =
            git(&["diff-tree", "--root", "-p", "--no-color", "--no-ext-diff", "--full-index", "--binary", &commit])
                .run()?;
        let line = git(&["patch-id", "--stable"]).input(&patch).line()?;
        Ok(line.split(' ').next().map(str::to_owned))
    };
    Ok(patch_id(old)? == patch_id(new)?)
}

/// Asks the server's engine, with what this clone knows, before anything is sent.
pub(crate) fn pre_push(hook: PrePush) -> Result {
    let mut input = Vec::new();
    std::io::stdin().lock().read_to_end(&mut input).map_err(Failure::new)?;
    if let Some(other) = hook.chained.runnable()
        && !run_other(&other, &[hook.remote.as_ref(), hook.url.as_ref()], Some(&input))?
    {
        return Ok(Exit::Rejected);
    }
    let settings = settings(&[], None)?;
    if settings.policies.is_empty() {
        return Ok(Exit::Accepted);
    }
    let local = Local::open()?;
    let refs = TrackedRefs { local: &local, remote: hook.remote };
    let mut updates = Vec::new();
    for update in Push::parse_pre_push(&input).map_err(Failure::new)?.updates {
        let old = match update.old {
            Some(old) if local.objects.contains(old).map_err(Failure::new)? => Some(old),
            Some(_) => tracked_commit(&refs, &String::from_utf8_lossy(&update.name))?,
            None => None,
        };
        updates.push(RefUpdate { old, ..update });
    }
    let mut verdict = judge_locally(&settings, &local, &refs, updates)
        .map_err(|failure| failure.hint("to leave the decision to the server:\ngit push --no-verify"))?;
    if local.is_shallow() && take_out_what_is_cut_off(&mut verdict) {
        say(&format!(
            "countersign: this clone is shallow, so the server alone decides; git fetch --unshallow {} to be told beforehand",
            refs.remote
        ));
    }
    let ends_here = concerns_identity(&verdict) || Exit::from(&verdict) == Exit::Undecided;
    let reader = if ends_here { Audience::Checker } else { Audience::Client };
    let report = report::text(&verdict, reader, characters(&std::io::stderr()));
    if has_findings(&verdict) || Exit::from(&verdict) != Exit::Accepted {
        say(report.trim_end());
    }
    if concerns_identity(&verdict) {
        return Ok(Exit::Rejected);
    }
    if Exit::from(&verdict) != Exit::Accepted {
        say("hint: pushing all the same: the server decides");
    }
    Ok(Exit::Accepted)
}

/// Whether something is wrong that the pusher can mend and the server will not overlook.
fn concerns_identity(verdict: &Verdict) -> bool {
    let errors =
        verdict.refs.iter().flat_map(|one| &one.findings).filter(|finding| finding.severity == Severity::Error);
    errors.into_iter().any(|finding| finding.code.area() == Area::Work)
}

/// Runs another hook and waits. Whether it agreed.
fn run_other(hook: &Path, arguments: &[&std::ffi::OsStr], input: Option<&[u8]>) -> Result<bool> {
    let failed = |error: std::io::Error| Failure::new(format!("cannot run the hook {}: {error}", hook.display()));
    let mut command = Command::new(hook);
    command.args(arguments);
    if let Some(input) = input {
        command.stdin(Stdio::from(in_memory(input).map_err(failed)?));
    }
    Ok(command.status().map_err(failed)?.success())
}

pub(crate) fn object_id(hex: &str) -> Result<Oid> {
    Oid::parse(hex.as_bytes()).ok_or_else(|| Failure::new("git printed something that is no id"))
}

/// Says why something was not sealed, without stopping the commit.
fn tell(failure: &Failure) {
    say(&format!("countersign: not sealed: {}", failure.message));
    say_hint(failure.hint.as_deref().unwrap_or_default());
}
