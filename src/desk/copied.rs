//! Seals that came into a person's message with words of another commit: `git commit -C COMMIT`, or `-c`.
//!
//! A seal is for one commit. Under another it is stale, the server refuses it, and it says of a person's work that an agent made
//! it. So it is left out, and one line says so; a person's commits are never sealed, so nothing takes its place.
//!
//! What must not happen is that this washes an agent's name off its own work. Whether a person amends an agent's commit, redoes it
//! after `git reset`, picks or rebases it, the content is the agent's, changed by a person, and that is adopted
//! (`countersign sign --adopt`) or sealed again. So a seal is left out only where the commit it was made for is seen to be
//! another one that stays: an ancestor of the commit being made. In any doubt the message is left alone, and post-commit says what
//! there is to do.

use std::path::Path;

use crate::core::commit::{Commit, DRAFTED, is_our_line};
use crate::core::id::{Id, RepositoryName};
use crate::core::oid::Oid;
use crate::core::seal::{AGENT_KEY, SealValue};
use crate::desk::ancestry::makes_a_new_commit;
use crate::desk::clone::Local;
use crate::desk::draft::Draft;
use crate::desk::sealing::{Seals, change_of, seals_in, seals_of};
use crate::system::process::git;
use crate::system::{Failure, OnDisk as _, Result, disk, say};

/// Commits below HEAD that are searched for the one a seal came from. Reading as many takes some milliseconds, and only where a
/// person's message holds a seal.
const SEARCHED: &str = "--max-count=1000";

/// What git leaves in its directory while it carries on a commit: the content of the next one is that of another.
const CARRYING: [&str; 5] = ["CHERRY_PICK_HEAD", "REVERT_HEAD", "MERGE_HEAD", "rebase-merge", "rebase-apply"];

/// Takes the seals out of the message in `file` where they are for another commit.
pub(crate) fn leave_out_copied_seals(file: &Path, draft: &Draft<'_>) -> Result<()> {
    let message = disk::read(file).map_err(Failure::new)?;
    let seals = seals_in(&message);
    if seals.is_empty() {
        return Ok(());
    }
    let (local, strays) = (draft.local, draft.note.strays(draft.local));
    if seals.iter().any(|seal| strays.contains(seal)) {
        // Another process is making that commit in this clone, and wrote its message into the one file that there is.
        return disk::write(file, without_blocks(&message)).map_err(Failure::new);
    }
    if CARRYING.iter().any(|name| local.dir.git_dir.join(name).on_disk().exists()) {
        return Ok(());
    }
    let head = local.commit("HEAD")?;
    let change = change_of(&local.objects, &[head], draft.tree()?)?;
    if seals.iter().any(|seal| seal.change == change) {
        return Ok(());
    }
    let repository = draft.repository()?;
    let Some(origin) = origin(local, &repository, head, &seals)? else { return Ok(()) };
    let is_another = if origin == head {
        makes_a_new_commit(&draft.note.git.words)
    } else {
        // HEAD may have the seal too: copied before, or as a commit of the agent's that a person has changed.
        !(bears(local, head, &seals)? && was_amended()?)
    };
    if !is_another {
        return Ok(());
    }
    disk::write(file, without_blocks(&message)).map_err(Failure::new)?;
    let agent = sealer(&message).map_or_else(|| "an agent".to_owned(), |agent| agent.to_string());
    say(&format!(
        "countersign: {agent}'s seal came with the message of {}, is for that commit alone, and is left out",
        origin.short()
    ));
    Ok(())
}

/// Where the seals of a person's commit HEAD were copied from, if that is seen to be another commit, which stays.
pub(crate) fn copied_from(
    local: &Local,
    repository: &RepositoryName,
    message: &[u8],
    parents: &[Oid],
) -> Result<Option<Oid>> {
    let seals = seals_in(message);
    match parents.first() {
        Some(parent) if !seals.is_empty() && !was_amended()? => origin(local, repository, *parent, &seals),
        _ => Ok(None),
    }
}

/// Whether a commit's message has these seals, whatever they are worth there.
fn bears(local: &Local, id: Oid, seals: &[SealValue]) -> Result<bool> {
    let raw = local.objects.commit(id).map_err(Failure::new)?;
    let own = Commit::parse(&raw, local.objects.format()).map(|commit| seals_in(commit.message));
    Ok(own.is_ok_and(|own| seals.iter().all(|seal| own.contains(seal))))
}

/// Whether HEAD took the place of another commit, whose content it may have.
fn was_amended() -> Result<bool> {
    Ok(git(&["reflog", "-1", "--format=%gs", "HEAD"]).run()?.starts_with(b"commit (amend)"))
}

/// The commit among `head` and its ancestors that these seals were made for.
fn origin(local: &Local, repository: &RepositoryName, head: Oid, seals: &[SealValue]) -> Result<Option<Oid>> {
    let listed = git(&["rev-list", SEARCHED, &head.to_string()]).run()?;
    for id in listed.split(|byte| *byte == b'\n').filter_map(Oid::parse) {
        let raw = local.objects.commit(id).map_err(Failure::new)?;
        let Ok(commit) = Commit::parse(&raw, local.objects.format()) else { continue };
        let own = seals_in(commit.message);
        if seals.iter().all(|seal| own.contains(seal))
            && matches!(seals_of(&local.objects, repository, &commit)?, Seals::Hold(..))
        {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

/// The agent that the first block names.
fn sealer(message: &[u8]) -> Option<Id> {
    lines(message).find_map(|line| Id::parse(line.strip_prefix(AGENT_KEY.as_bytes())?.strip_prefix(b": ")?))
}

fn lines(message: &[u8]) -> impl Iterator<Item = &[u8]> {
    message.split(|byte| *byte == b'\n')
}

/// The message without its blocks, and without the empty lines that this leaves where they stood. A claim of who drafted stays.
fn without_blocks(message: &[u8]) -> Vec<u8> {
    let mut kept: Vec<u8> = Vec::with_capacity(message.len());
    let mut dropped = false;
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        if is_our_line(line) && !line.starts_with(DRAFTED.as_bytes()) {
            dropped = true;
        } else if !(dropped && line == b"\n" && kept.ends_with(b"\n\n")) {
            kept.extend_from_slice(line);
        }
    }
    while kept.ends_with(b"\n\n") {
        kept.pop();
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_go_and_everything_else_stays() {
        let block = "Countersign-Agent: a\nCountersign-Model: m\nCountersign-Seal: v1 x\n";
        for (message, left) in [
            (format!("Subject\n\nBody\n\n{block}"), "Subject\n\nBody\n"),
            (format!("Subject\n\nFixes: #1\n{block}Reviewed-by: B\n"), "Subject\n\nFixes: #1\nReviewed-by: B\n"),
            (format!("Subject\n\n{block}\n# Please enter\n"), "Subject\n\n# Please enter\n"),
            (format!("Subject\n\n{block}Countersign-Drafted: b\n"), "Subject\n\nCountersign-Drafted: b\n"),
            ("Subject\n\n\n\nBody\n".to_owned(), "Subject\n\n\n\nBody\n"),
        ] {
            assert_eq!(String::from_utf8(without_blocks(message.as_bytes())).unwrap(), left);
        }
    }
}
