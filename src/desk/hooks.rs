//! The hooks of a clone that seal what an agent commits, and leave alone what a person does.
//!
//! They are a convenience. A commit never fails because it could not be sealed: the server decides, and says what to do. A commit is
//! sealed in its message before git makes it, where that can be done; what came of it, post-commit sees, and mends.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;

use crate::core::commit::{Commit, is_our_line};
use crate::core::id::RepositoryName;
use crate::core::oid::Oid;
use crate::desk::clone::{Local, repository_by};
use crate::desk::copied::{copied_from, leave_out_copied_seals};
use crate::desk::draft::Draft;
use crate::desk::install::has_first_hook;
use crate::desk::maker::{Made, maker};
use crate::desk::note::{Note, Turn};
use crate::desk::person_key::{PersonKey, with_signature};
use crate::desk::reflog::{Move, moves};
use crate::desk::sealing::{Seals, drafted_in, rebuild, seals_in, seals_of, without_ours};
use crate::desk::sign::{ambiguous, doubted, drafters, reseal, unknown_agent};
use crate::desk::unsealed;
use crate::desk::who::{Agent, Desk, desk_by};
use crate::gate::chain;
use crate::gate::shim::is_executable;
use crate::system::process::{git, in_memory};
use crate::system::{Configuration, Exit, Failure, Result, say, say_hint};

#[derive(Args)]
pub(crate) struct CommitMsg {
    #[command(flatten)]
    chained: Chained,
    /// The file with the message
    file: PathBuf,
}

#[derive(Args)]
pub(crate) struct PrepareCommitMsg {
    #[command(flatten)]
    chained: Chained,
    /// The file with the message
    file: PathBuf,
    /// Where the message comes from, and of which commit
    #[arg(num_args = 0..=2)]
    source: Vec<OsString>,
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
pub(super) struct Chained {
    /// The hook that was there before, run as well
    #[arg(long, value_name = "FILE")]
    chain: Option<PathBuf>,
}

impl Chained {
    /// The other hook, if git would run it.
    pub(super) fn runnable(self) -> Option<PathBuf> {
        self.chain.filter(|hook| is_executable(hook))
    }
}

/// The first hook of a commit: it leaves the note, and seals where no other hook will see the message. What stood there before goes
/// between the two.
pub(crate) fn prepare_commit_msg(hook: PrepareCommitMsg) -> Result {
    // What could not be done here, post-commit says.
    let begun = begin(&hook.file).ok();
    if let Some(other) = hook.chained.runnable() {
        let source = hook.source.iter().map(OsString::as_os_str);
        let arguments: Vec<&OsStr> = std::iter::once(hook.file.as_os_str()).chain(source).collect();
        if !run_other(&other, &arguments, None)? {
            return Ok(Exit::Rejected);
        }
    }
    if let Some((local, mut note)) = begun
        && (Draft { local: &local, note: &note }).is_last_to_see_the_message()
    {
        drop(finish(&local, &mut note, &hook.file));
    }
    Ok(Exit::Accepted)
}

fn begin(file: &Path) -> Result<(Local, Note)> {
    // Git has written it a moment ago.
    let message = std::fs::read(file).map_err(Failure::new)?;
    let configuration = Configuration::load()?;
    let local = Local::of_hook(&configuration)?;
    let mut note = Note::begin(&local, configuration)?;
    let edited = std::env::var_os("GIT_EDITOR").is_none_or(|editor| editor != ":");
    if !edited {
        message.clone_into(&mut note.message);
        Turn::take(&local, note.git.process);
        note.head = local.refs.value("HEAD").map_err(Failure::new)?;
        if std::fs::read(file).map_err(Failure::new)? != message {
            // Another process has written its own there meanwhile: there is one file for all of them.
            std::fs::write(file, &message).map_err(Failure::new)?;
        }
    }
    note.write()?;
    Ok((local, note))
}

/// Does to the message what its author asks for: an agent's is sealed, a person's never, and never kept from being made.
fn finish(local: &Local, note: &mut Note, file: &Path) -> Result<()> {
    let draft = Draft { local, note };
    // Without a log of what HEAD was, the commit is told by what it is made of.
    let unlogged = moves(local).is_empty();
    let (tree, parents) =
        if unlogged { (draft.tree().ok(), draft.parents().unwrap_or_default()) } else { (None, Vec::new()) };
    let sealed = match desk_by(&note.configuration) {
        Desk::Agent(agent) => draft.seal(file, agent)?,
        Desk::Person | Desk::Doubted(_) => {
            leave_out_copied_seals(file, &draft)?;
            None
        }
        Desk::Unknown(_) | Desk::Ambiguous(_) => None,
    };
    (note.tree, note.parents) = (tree, parents);
    if let Some(sealed) = sealed {
        note.message = sealed;
    }
    note.write()
}

/// The other hook goes first: it may add trailers, and a seal covers what stands above it.
pub(crate) fn commit_msg(hook: CommitMsg) -> Result {
    let looked = own_words(&hook.file).ok();
    if let Some(other) = hook.chained.runnable()
        && !run_other(&other, &[hook.file.as_os_str()], None)?
    {
        return Ok(Exit::Rejected);
    }
    // What cannot be sealed now, post-commit seals, or says why not.
    if let Some((local, mut note)) = looked {
        drop(finish(&local, &mut note, &hook.file));
    }
    Ok(Exit::Accepted)
}

/// Has the file of the message hold this process's own, also where another has written to it since the first hook.
fn own_words(file: &Path) -> Result<(Local, Note)> {
    let (local, note) = here()?;
    let note = match note {
        Found::Note(note) => *note,
        // A clone that was set up before there was a first hook: this one is.
        Found::Nothing(configuration) => Note::begin(&local, configuration)?,
    };
    Turn::take(&local, note.git.process);
    if !note.is_ours(&std::fs::read(file).map_err(Failure::new)?) {
        std::fs::write(file, &note.message).map_err(Failure::new)?;
    }
    Ok((local, note))
}

/// What the first hook of this commit has left.
enum Found {
    Note(Box<Note>),
    Nothing(Configuration),
}

/// The repository that git runs a hook in, and the note of the commit that it makes.
fn here() -> Result<(Local, Found)> {
    // Which directory it is does not depend on the configuration, and the format of ids does: a note says it without a process.
    let local = Local::of_hook(&Configuration::default()).ok();
    if let Some(note) = local.as_ref().and_then(Note::of_this_commit) {
        let local = Local::of_hook(&note.configuration)?;
        return Ok((local, Found::Note(Box::new(note))));
    }
    let configuration = Configuration::load()?;
    let local = Local::of_hook(&configuration)?;
    Ok((local, Found::Nothing(configuration)))
}

/// Runs after git has made the commit: seals it where that could not be done before, or did not come true.
pub(crate) fn post_commit(hook: PostCommit) -> Result {
    if let Err(failure) = look_back(Ended::Commit) {
        tell(&failure);
    }
    chain::Chained { hook: hook.chained.runnable(), ..Default::default() }.run()
}

/// Runs after `git merge` and `git pull`, which run no post-commit.
pub(crate) fn post_merge(hook: PostMerge) -> Result {
    if hook.squash == "0"
        && let Err(failure) = look_back(Ended::Merge)
    {
        tell(&failure);
    }
    let arguments = vec![hook.squash.into()];
    chain::Chained { hook: hook.chained.runnable(), arguments, ..Default::default() }.run()
}

/// What has ended, and may have made a commit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    Commit,
    Merge,
}

fn look_back(ended: Ended) -> Result<()> {
    let (local, found) = here()?;
    let (note, configuration) = match found {
        Found::Note(note) => {
            let configuration = note.configuration.clone();
            (Some(note), configuration)
        }
        // Nothing says that this process has made a commit: a merge may only have moved HEAD.
        Found::Nothing(configuration) if has_first_hook(&local) => {
            return match desk_by(&configuration) {
                Desk::Agent(_) if ended == Ended::Commit => Err(lost()),
                _ => Ok(()),
            };
        }
        Found::Nothing(configuration) => (None, configuration),
    };
    let done = After { local: &local, configuration: &configuration, note: note.as_deref() }.look(ended);
    if let Some(note) = note {
        note.remove();
        Turn::end(&local, note.git.process);
    }
    done
}

fn lost() -> Failure {
    Failure::new("which commit this process has made cannot be told")
        .hint("to seal it, name it:\ncountersign sign COMMIT")
}

/// A commit is made.
struct After<'a> {
    local: &'a Local,
    configuration: &'a Configuration,
    note: Option<&'a Note>,
}

/// Where the commit is that this process has made.
enum Place {
    /// It is HEAD, which it became by this move.
    Head(Move),
    /// Others stand on it, or HEAD has gone elsewhere.
    Passed(Oid),
    /// Nobody knows.
    Lost,
}

impl After<'_> {
    fn look(&self, ended: Ended) -> Result<()> {
        let place = self.place(ended)?;
        let desk = desk_by(self.configuration);
        let (by, whose) = match (place, desk) {
            (Place::Head(by), Desk::Person) => return self.remind(by.new),
            (_, Desk::Person) => return Ok(()),
            (Place::Lost, Desk::Agent(_)) if self.note.is_none() => return Ok(()),
            (Place::Lost, _) => {
                return Err(lost());
            }
            (Place::Passed(made), Desk::Agent(agent)) => return self.passed(made, &agent),
            (Place::Passed(made), desk) => (made, desk),
            (Place::Head(by), Desk::Agent(agent)) => {
                let sealed = self.seal(&by, agent.clone());
                if sealed.is_err() {
                    unsealed::record(self.local, by.new, agent.id.as_str());
                }
                return sealed;
            }
            (Place::Head(by), desk) => (by.new, desk),
        };
        match whose {
            Desk::Unknown(tool) => {
                unsealed::record(self.local, by, &tool);
                Err(unknown_agent(&tool))
            }
            Desk::Ambiguous(tools) => Err(ambiguous(&tools)),
            Desk::Doubted(tool) => Err(doubted(&tool)),
            Desk::Person | Desk::Agent(_) => Ok(()),
        }
    }

    /// The commit of this process: the one that HEAD became from what the note says that it was. Git moved HEAD only from there.
    fn place(&self, ended: Ended) -> Result<Place> {
        let head = self.local.refs.value("HEAD").map_err(Failure::new)?;
        let Some(head) = head else { return Ok(Place::Lost) };
        let moves = moves(self.local);
        let Some(note) = self.note else {
            // Set up by an earlier program, whose hooks took what HEAD was for what git had made.
            let last = moves.into_iter().next().filter(|by| by.new == head);
            let made = last.filter(|by| ended == Ended::Commit || is_merge(&by.action));
            if made.is_none() && ended == Ended::Commit {
                return Err(Failure::new("without a reflog a new commit cannot be told from an amended one")
                    .hint("to seal it, and have the next ones sealed:\ncountersign sign HEAD\ngit config --unset core.logAllRefUpdates\ncountersign install"));
            }
            return Ok(made.map_or(Place::Lost, Place::Head));
        };
        if moves.is_empty() {
            let raw = self.local.objects.commit(head).map_err(Failure::new)?;
            let commit = Commit::parse(&raw, self.local.objects.format()).map_err(Failure::new)?;
            let same = note.tree == Some(commit.tree) && note.parents == commit.parents;
            let by = Move { old: note.head, new: head, action: String::new() };
            return Ok(if same { Place::Head(by) } else { Place::Lost });
        }
        let last = moves.first().map(|last| last.new);
        let made = moves.into_iter().find(|by| by.old == note.head);
        Ok(match made {
            // `git merge` may move HEAD and make nothing.
            Some(by) if ended == Ended::Merge && !is_merge(&by.action) => Place::Lost,
            Some(by) if by.new == head && last == Some(head) => Place::Head(by),
            Some(by) => Place::Passed(by.new),
            None => Place::Lost,
        })
    }

    fn repository(&self) -> Result<RepositoryName> {
        repository_by(self.configuration, self.local, Some(Path::new(".")))
    }

    /// The agent's commit is no longer HEAD, which is not touched.
    fn passed(&self, made: Oid, agent: &Agent) -> Result<()> {
        let raw = self.local.objects.commit(made).map_err(Failure::new)?;
        let commit = Commit::parse(&raw, self.local.objects.format()).map_err(Failure::new)?;
        match seals_of(&self.local.objects, &self.repository()?, &commit)? {
            Seals::Hold(id, _) if id == agent.id => announce(made, agent),
            Seals::Hold(..) | Seals::None | Seals::Broken(_) | Seals::Malformed => {
                unsealed::record(self.local, made, agent.id.as_str());
                let short = made.short();
                return Err(Failure::new(format!("HEAD has moved on from {short} by another process")).hint(format!(
                    "to seal it, when nobody else commits here:\ncountersign sign {short} --agent {}",
                    agent.id
                )));
            }
        }
        Ok(())
    }

    fn seal(&self, by: &Move, agent: Agent) -> Result<()> {
        let (local, repository) = (self.local, self.repository()?);
        let stored = local.objects.commit(by.new).map_err(Failure::new)?;
        let as_stored = Commit::parse(&stored, local.objects.format()).map_err(Failure::new)?;
        // Git may have read the words of another process, which wrote them there after the last hook.
        let sealed = |note: &&Note| !seals_in(&note.message).is_empty() && !note.is_ours(as_stored.message);
        let raw = match self.note.filter(sealed) {
            Some(note) => rebuild(&stored, &as_stored, &as_stored.parents, &note.message),
            None => stored.to_vec(),
        };
        let commit = Commit::parse(&raw, local.objects.format()).map_err(Failure::new)?;
        let seals = seals_of(&local.objects, &repository, &commit)?;
        // What was sealed before it was made, and holds, was looked at then.
        let fits = matches!(&seals, Seals::Hold(id, _) if *id == agent.id);
        let made = if fits && self.note.is_some() {
            Made::ByAgent { drafted: drafted_in(commit.message) }
        } else {
            maker(local, &repository, &agent, (by.new, &commit), by)?
        };
        let object = match &made {
            Made::ByAgent { .. } if fits && raw == **stored => {
                announce(by.new, &agent);
                return Ok(());
            }
            Made::ByAgent { drafted } => {
                reseal(&local.objects, &repository, agent.clone(), (by.new, &raw, &commit), drafted)?
            }
            // An earlier program's commit-msg could not tell an amendment, and sealed what the agent had not made.
            Made::ByAnother { before: Seals::None } if fits => {
                rebuild(&raw, &commit, &commit.parents, &without_ours(commit.message))
            }
            Made::ByAnother { before } => return self.left_to_another(&agent, before, &seals),
            Made::Unclear => return Ok(()),
        };
        let object = self.signed_again(&as_stored, object);
        let new = replace_head(local, by.new, &object)?;
        if matches!(made, Made::ByAgent { .. }) {
            announce(new, &agent);
        }
        Ok(())
    }

    /// Says what became of the seal of another agent, of whose commit this one changed the words alone.
    fn left_to_another(&self, agent: &Agent, before: &Seals, now: &Seals) -> Result<()> {
        let (Seals::Hold(first, _) | Seals::Broken(first)) = before else { return Ok(()) };
        if matches!(now, Seals::Hold(..)) || *first == agent.id {
            return Ok(());
        }
        Err(Failure::new(format!(
            "{} has changed the words alone of {first}'s commit, whose seal no longer holds",
            agent.id
        ))
        .hint(format!("whoever runs {first} seals it again:\ncountersign sign HEAD --agent {first}")))
    }

    /// A commit that git had signed is signed again: the signature was over the message before.
    fn signed_again(&self, commit: &Commit<'_>, object: Vec<u8>) -> Vec<u8> {
        if commit.signature.is_none() {
            return object;
        }
        let signed = PersonKey::configured_by(self.configuration).and_then(|key| key.sign("git", &object));
        match signed {
            Ok(armored) => with_signature(&object, self.local.objects.format().signature_header(), &armored),
            Err(failure) => {
                say(&format!(
                    "countersign: the signature over the whole commit is gone with the seal, to which it adds nothing: {}",
                    failure.message
                ));
                object
            }
        }
    }

    /// Tells a person who changed an agent's commit how it can still reach the server.
    fn remind(&self, made: Oid) -> Result<()> {
        let local = self.local;
        let raw = local.objects.commit(made).map_err(Failure::new)?;
        if !raw.split(|byte| *byte == b'\n').any(is_our_line) {
            return Ok(());
        }
        let commit = Commit::parse(&raw, local.objects.format()).map_err(Failure::new)?;
        let repository = self.repository()?;
        let whose = match seals_of(&local.objects, &repository, &commit)? {
            Seals::Broken(agent) => match copied_from(local, &repository, commit.message, &commit.parents)? {
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
}

/// Whether HEAD moved by a merge that made a commit: "Merge made by the 'ort' strategy.", "In-index merge" (builtin/merge.c); neither is
/// translated.
fn is_merge(action: &str) -> bool {
    let made = action.rsplit(": ").next().unwrap_or_default();
    made.starts_with("Merge made by") || made.starts_with("In-index merge")
}

/// Runs after `git am`, and `git rebase --apply`, made a commit of a patch, for which git runs no other hook of ours. A patch may be
/// anybody's: one whose message says that this agent sealed it, and that fits no longer where it was applied, is sealed again. Of others
/// nobody knows who made them.
pub(crate) fn post_applypatch(hook: PostCommit) -> Result {
    if let Err(failure) = seal_patch() {
        tell(&failure);
    }
    chain::Chained { hook: hook.chained.runnable(), ..Default::default() }.run()
}

fn seal_patch() -> Result<()> {
    let configuration = Configuration::load()?;
    let Desk::Agent(agent) = desk_by(&configuration) else { return Ok(()) };
    let local = Local::of_hook(&configuration)?;
    let repository = repository_by(&configuration, &local, Some(Path::new(".")))?;
    let head = local.commit("HEAD")?;
    let raw = local.objects.commit(head).map_err(Failure::new)?;
    let commit = Commit::parse(&raw, local.objects.format()).map_err(Failure::new)?;
    match seals_of(&local.objects, &repository, &commit)? {
        Seals::Broken(named) if named == agent.id => {
            let drafted = drafted_in(commit.message);
            let object = reseal(&local.objects, &repository, agent.clone(), (head, &raw, &commit), &drafted)?;
            announce(replace_head(&local, head, &object)?, &agent);
            Ok(())
        }
        Seals::None => {
            let short = head.short();
            Err(Failure::new(format!("{short} is a patch, and nothing says who made it"))
                .hint(format!("if {} did:\ncountersign sign {short} --agent {}", agent.id, agent.id)))
        }
        Seals::Hold(..) | Seals::Broken(_) | Seals::Malformed => Ok(()),
    }
}

/// Puts a rewritten commit in the place of HEAD, if that has not moved.
fn replace_head(local: &Local, head: Oid, object: &[u8]) -> Result<Oid> {
    let new = local.objects.write_commit(object).map_err(Failure::new)?;
    git(&["update-ref", "-m", "countersign: seal", "HEAD", &new.to_string(), &head.to_string()]).run()?;
    Ok(new)
}

fn announce(commit: Oid, agent: &Agent) {
    let below =
        if agent.below.is_empty() { String::new() } else { format!(", which {} started", agent.below.join(" and ")) };
    say(&format!("countersign: {} is sealed by {}{below}", commit.short(), agent.id));
}

/// Runs another hook and waits. Whether it agreed.
pub(super) fn run_other(hook: &Path, arguments: &[&OsStr], input: Option<&[u8]>) -> Result<bool> {
    let failed = |error: std::io::Error| Failure::new(format!("cannot run the hook {}: {error}", hook.display()));
    let mut command = Command::new(hook);
    command.args(arguments);
    if let Some(input) = input {
        command.stdin(Stdio::from(in_memory(input).map_err(failed)?));
    }
    Ok(command.status().map_err(failed)?.success())
}

/// Says why something was not sealed, without stopping the commit.
fn tell(failure: &Failure) {
    say(&format!("countersign: not sealed: {}", failure.message));
    say_hint(failure.hint.as_deref().unwrap_or_default());
}
