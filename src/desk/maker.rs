//! Whose work a commit is: an agent made what it commits, unless the commit only carries on others whose content it left alone.

use std::collections::BTreeSet;

use crate::core::commit::{Commit, parse_trailers};
use crate::core::id::{Id, RepositoryName};
use crate::core::oid::Oid;
use crate::desk::clone::Local;
use crate::desk::reflog::Move;
use crate::desk::sealing::{Seals, change_of, seals_of};
use crate::desk::who::Agent;
use crate::system::process::git;
use crate::system::{Failure, Result, disk};

/// Whose work a new commit is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Made {
    /// The agent's. What it changed, these had drafted.
    ByAgent { drafted: BTreeSet<Id> },
    /// Another's, whose content the agent left alone.
    ByAnother { before: Seals },
    /// Nobody can tell.
    Unclear,
}

/// A commit that is made, or about to be.
#[derive(Clone, Copy)]
pub(crate) struct Candidate<'a> {
    pub(crate) tree: Oid,
    pub(crate) parents: &'a [Oid],
    /// Its id, once it is there.
    pub(crate) commit: Option<Oid>,
}

/// What git was doing when it made a commit, as the reflog says. `git pull --rebase` and GIT_REFLOG_ACTION put other words
/// before the parenthesis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
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
            Some("cherry-pick") => Self::CherryPick,
            Some("squash" | "fixup") => Self::Join,
            Some("pick" | "reword" | "edit" | "continue" | "rebase" | "merge") => Self::Replay,
            _ if action.starts_with("cherry-pick") => Self::CherryPick,
            _ => Self::Other,
        }
    }
}

/// Whether seals name this agent as the author, whatever they are worth.
fn names(seals: &Seals, agent: &Agent) -> bool {
    matches!(seals, Seals::Hold(id, _) | Seals::Broken(id) if *id == agent.id)
}

/// Whose work a commit is that git has just made by this move of HEAD.
pub(crate) fn maker(
    local: &Local,
    repository: &RepositoryName,
    agent: &Agent,
    (made, commit): (Oid, &Commit<'_>),
    by: &Move,
) -> Result<Made> {
    let step = Step::of(&by.action);
    let predecessors: Vec<Oid> = match step {
        Step::CherryPick => {
            // Git has forgotten which commit it was; only the message tells.
            let seals = seals_of(&local.objects, repository, commit)?;
            return Ok(if names(&seals, agent) {
                Made::ByAgent { drafted: drafted_by(commit.message) }
            } else {
                Made::ByAnother { before: seals }
            });
        }
        Step::Replay | Step::Join => picked(local).into_iter().chain(amended(local, commit, by)?).collect(),
        Step::Other => amended(local, commit, by)?.into_iter().collect(),
    };
    let candidate = Candidate { tree: commit.tree, parents: &commit.parents, commit: Some(made) };
    let replaced = if step == Step::Join { Replaced::Joined(&predecessors) } else { Replaced::One(&predecessors) };
    maker_over(local, repository, agent, replaced, candidate)
}

/// The commits that a new one takes the place of.
#[derive(Clone, Copy)]
pub(crate) enum Replaced<'a> {
    /// One, by whatever ways it is found.
    One(&'a [Oid]),
    /// Several, whose content is all in the new one.
    Joined(&'a [Oid]),
}

/// Whose work a commit is that takes the place of others.
pub(crate) fn maker_over(
    local: &Local,
    repository: &RepositoryName,
    agent: &Agent,
    replaced: Replaced<'_>,
    candidate: Candidate<'_>,
) -> Result<Made> {
    let (Replaced::One(predecessors) | Replaced::Joined(predecessors)) = replaced;
    let joined = matches!(replaced, Replaced::Joined(_));
    let mut carried = None;
    let mut own = false;
    let mut drafted = BTreeSet::new();
    for predecessor in predecessors {
        let raw = local.objects.commit(*predecessor).map_err(Failure::new)?;
        let before = Commit::parse(&raw, local.objects.format()).map_err(Failure::new)?;
        let seals = seals_of(&local.objects, repository, &before)?;
        own |= names(&seals, agent);
        drafted.extend(drafted_by(before.message));
        if !names(&seals, agent) && (joined || same_patch(local, (*predecessor, &before), candidate)?) {
            carried = Some(seals);
        }
    }
    drafted.remove(&agent.id);
    Ok(match carried {
        Some(before) if !own => Made::ByAnother { before },
        _ => Made::ByAgent { drafted },
    })
}

/// The agents by which a message says that a commit was drafted: its author's seal, and those that had it before.
fn drafted_by(message: &[u8]) -> BTreeSet<Id> {
    let trailers = parse_trailers(message).unwrap_or_default();
    let author = trailers.blocks.into_iter().next().map(|block| block.claim.agent);
    author.into_iter().chain(trailers.drafted).collect()
}

/// The commit that HEAD was before, if the new one took its place and does not stand on it. Made again within a second it is the same.
fn amended(local: &Local, commit: &Commit<'_>, by: &Move) -> Result<Option<Oid>> {
    let Some(before) = by.old else { return Ok(None) };
    let raw = local.objects.commit(before).map_err(Failure::new)?;
    let parents = Commit::parse(&raw, local.objects.format()).map_err(Failure::new)?.parents;
    Ok((parents == commit.parents).then_some(before))
}

/// The commit that a rebase is at: the last line of its list of what is done.
fn picked(local: &Local) -> Option<Oid> {
    let done = disk::read_to_string(local.dir.git_dir.join("rebase-merge").join("done")).ok()?;
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
fn same_patch(local: &Local, (old, before): (Oid, &Commit<'_>), candidate: Candidate<'_>) -> Result<bool> {
    if before.parents.first() == candidate.parents.first() {
        return Ok(before.tree == candidate.tree);
    }
    let change = |parents: &[Oid], tree| change_of(&local.objects, parents, tree);
    if change(&before.parents, before.tree)? == change(candidate.parents, candidate.tree)? {
        return Ok(true);
    }
    let Some(new) = candidate.commit else { return Ok(false) };
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
