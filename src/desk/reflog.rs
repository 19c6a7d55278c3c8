//! How HEAD has moved, as its log in this worktree tells (gitrepository-layout(5), `logs`).

use std::io::{Read as _, Seek as _, SeekFrom};

use crate::core::oid::Oid;
use crate::desk::clone::Local;
use crate::system::disk;
use crate::system::process::git;

/// One move of HEAD.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Move {
    /// What it was; `None` where it was nothing.
    pub(crate) old: Option<Oid>,
    pub(crate) new: Oid,
    /// What moved it. The subject in it may be in any encoding.
    pub(crate) action: String,
}

/// What of the log is read: some hundred moves.
const TAIL: u64 = 64 << 10;

/// As many moves of a log that git reads.
const LOGGED: usize = 200;

/// Whether HEAD has a log that is read without a process.
pub(crate) fn is_at_hand(local: &Local) -> bool {
    !local.refs.are_tables() && !moves(local).is_empty()
}

/// The last moves of HEAD, the latest first; none where there is no log.
pub(crate) fn moves(local: &Local) -> Vec<Move> {
    if local.refs.are_tables() {
        return moves_by_git();
    }
    let path = local.dir.git_dir.join("logs").join("HEAD");
    let Ok(mut file) = disk::open(path) else { return Vec::new() };
    let size = file.metadata().map_or(0, |metadata| metadata.len());
    let mut tail = Vec::new();
    let read = file.seek(SeekFrom::Start(size.saturating_sub(TAIL))).and_then(|_| file.read_to_end(&mut tail));
    if read.is_err() {
        return Vec::new();
    }
    // The first line may be cut off, and then is none.
    tail.split(|byte| *byte == b'\n').rev().filter_map(parse).collect()
}

/// The same from git, where the log is in tables. Each move begins where the one before it ended.
fn moves_by_git() -> Vec<Move> {
    let count = format!("-{LOGGED}");
    let log = git(&["reflog", "show", &count, "--no-abbrev", "--format=tformat:%H%x00%gs", "HEAD", "--"]).run();
    let log = log.unwrap_or_default();
    let line = |line: &[u8]| {
        let (id, action) = line.split_at_checked(line.iter().position(|byte| *byte == 0)?)?;
        Some((Oid::parse(id)?, String::from_utf8_lossy(action.get(1..)?).into_owned()))
    };
    let entries: Vec<_> = log.split(|byte| *byte == b'\n').map_while(line).collect();
    let olds = entries.iter().skip(1).map(|(id, _)| Some(*id)).chain((entries.len() < LOGGED).then_some(None));
    let moves = olds.zip(&entries).map(|(old, (new, action))| Move { old, new: *new, action: action.clone() });
    moves.collect()
}

fn parse(line: &[u8]) -> Option<Move> {
    let mut ids = line.splitn(3, |byte| *byte == b' ');
    let old = Oid::parse_nullable(ids.next()?)?;
    let new = Oid::parse(ids.next()?)?;
    let tab = line.iter().position(|byte| *byte == b'\t');
    let action = tab.and_then(|tab| line.get(tab.checked_add(1)?..)).unwrap_or_default();
    Some(Move { old, new, action: String::from_utf8_lossy(action).into_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_from_where_to_where_and_by_what() {
        let (old, new) = ("1".repeat(40), "2".repeat(40));
        let line = format!("{old} {new} A U Thor <a@b> 1700000000 +0000\tcommit (amend): Work");
        let read = parse(line.as_bytes()).unwrap();
        assert_eq!((read.old, read.action.as_str()), (Oid::parse(old.as_bytes()), "commit (amend): Work"));
        assert_eq!(parse(line.replace(&old, &"0".repeat(40)).as_bytes()).unwrap().old, None);
        for cut in ["", "22222", &line[3..]] {
            assert_eq!(parse(cut.as_bytes()), None, "{cut}");
        }
    }
}
