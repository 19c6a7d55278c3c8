//! The fields of commits: `git log` and libgit2.

use countersign::core::commit::{Commit, Ident};
use countersign::core::oid::Oid;

use super::{foreign_id, lines, own_id};
use crate::headers::ENCODING;
use crate::history::World;
use crate::ours::Ours;
use crate::repository::{Answering, object};
use crate::tally::Tally;

/// What `git log` shows, field by field.
const FORMAT: &str = "--format=%H%x00%T%x00%P%x00%an%x00%ae%x00%cn%x00%ce%x00%e%x00%B";
const FIELDS: [&str; 9] = [
    "id",
    "tree",
    "parents",
    "author name",
    "author email",
    "committer name",
    "committer email",
    "encoding",
    "message",
];

pub fn compare(world: &World, ours: &Ours, libgit2: Option<&git2::Repository>, tally: &mut Tally) {
    let mut cat_file = Answering::new(&world.repository, &["cat-file", "--batch"]);
    // Git shows every commit in one encoding. In that which the commit names, the bytes are those that it holds.
    let (plain, encoded) = (log(world, "UTF-8"), log(world, ENCODING));
    let (mut plain, mut encoded) = (plain.split(|byte| *byte == 0), encoded.split(|byte| *byte == 0));
    for commit in &world.commits {
        let plain: Vec<&[u8]> = plain.by_ref().take(FIELDS.len()).collect();
        let encoded: Vec<&[u8]> = encoded.by_ref().take(FIELDS.len()).collect();
        let at = || format!("world {}, commit {}", world.seed, commit.id);
        let raw = match ours.commit(commit.id) {
            Ok(raw) => raw,
            Err(error) => {
                tally.differs("commit: unreadable", || format!("{}: {error}", at()));
                continue;
            }
        };
        tally.compared("commits: bytes, git cat-file");
        if cat_file.ask(&format!("{}\n", commit.id), object).as_ref() != Some(&raw) {
            tally.differs("commit: other bytes", at);
        }
        let (parsed, odd) = (Commit::parse(&raw, world.repository.format), commit.odd);
        let (parsed, suffix) = match (parsed, odd) {
            (Err(reason), None) => {
                tally.differs("commit: refused", || format!("{}: {reason}", at()));
                continue;
            }
            (Err(reason), Some(odd)) => {
                tally.differs(&format!("commit with {odd}: refused"), || format!("{}: {reason}", at()));
                continue;
            }
            (Ok(parsed), None) => (parsed, String::new()),
            (Ok(parsed), Some(odd)) => {
                tally.differs(&format!("commit with {odd}: accepted"), at);
                (parsed, format!(" with {odd}"))
            }
        };
        let own = fields_of(commit.id, &parsed);
        let git = if parsed.encoding == Some(ENCODING.as_bytes()) { encoded } else { plain };
        tally.compared("commits: fields, git log");
        for ((name, own), git) in FIELDS.iter().zip(&own).zip(&git) {
            if own != git {
                let example = || format!("{}: {} and {}", at(), own.escape_ascii(), git.escape_ascii());
                tally.differs(&format!("git log, {name} of a commit{suffix}"), example);
            }
        }
        let Some(repository) = libgit2 else { continue };
        tally.compared("commits: fields, libgit2");
        let Ok(theirs) = repository.find_commit(foreign_id(commit.id)) else {
            tally.differs(&format!("libgit2, a commit{suffix}: refused"), at);
            continue;
        };
        for ((name, own), theirs) in FIELDS.iter().zip(&own).zip(fields_by_libgit2(&theirs)) {
            if *own != theirs {
                let example = || format!("{}: {} and {}", at(), own.escape_ascii(), theirs.escape_ascii());
                tally.differs(&format!("libgit2, {name} of a commit{suffix}"), example);
            }
        }
        signature(repository, &parsed, commit.id, &suffix, tally);
    }
}

fn log(world: &World, encoding: &str) -> Vec<u8> {
    let ids = lines(world.commits.iter().map(|commit| commit.id));
    let encoding = format!("--encoding={encoding}");
    let words = ["log", "-z", "--no-walk=unsorted", &encoding, FORMAT, "--stdin"];
    world.repository.git_with(&words, &ids).expect("git log reads every commit")
}

fn fields_of(id: Oid, commit: &Commit<'_>) -> [Vec<u8>; 9] {
    let person = |ident: &Ident<'_>| [ident.name.to_vec(), ident.email.to_vec()];
    let ([author, email], [committer, mail]) = (person(&commit.author), person(&commit.committer));
    let parents: Vec<String> = commit.parents.iter().map(Oid::to_string).collect();
    let (tree, parents) = (commit.tree.to_string().into_bytes(), parents.join(" ").into_bytes());
    let encoding = commit.encoding.unwrap_or_default().to_vec();
    let id = id.to_string().into_bytes();
    [id, tree, parents, author, email, committer, mail, encoding, commit.message.to_vec()]
}

fn fields_by_libgit2(commit: &git2::Commit<'_>) -> [Vec<u8>; 9] {
    let person = |ident: &git2::Signature<'_>| [ident.name_bytes().to_vec(), ident.email_bytes().to_vec()];
    let ([author, email], [committer, mail]) = (person(&commit.author()), person(&commit.committer()));
    let parents: Vec<String> = commit.parent_ids().map(|id| id.to_string()).collect();
    let encoding = commit.message_encoding().ok().flatten().unwrap_or_default().as_bytes().to_vec();
    let (id, tree) = (commit.id().to_string().into_bytes(), commit.tree_id().to_string().into_bytes());
    let parents = parents.join(" ").into_bytes();
    [id, tree, parents, author, email, committer, mail, encoding, commit.message_raw_bytes().to_vec()]
}

/// The signature and what it signs.
fn signature(repository: &git2::Repository, parsed: &Commit<'_>, id: Oid, suffix: &str, tally: &mut Tally) {
    let theirs = repository.extract_signature(&foreign_id(id), None).ok();
    let theirs = theirs.as_ref().map(|(armor, payload)| (&armor[..], &payload[..]));
    let own = parsed.signature.as_ref().map(|own| (own.armor.as_slice(), own.payload.as_slice()));
    tally.compared("commits: signature and payload, libgit2");
    if own != theirs {
        tally.differs(&format!("libgit2, signature of a commit{suffix}"), || own_id(foreign_id(id)).to_string());
    }
}
