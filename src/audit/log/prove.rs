//! `countersign log prove`: one entry, or what became of one commit, for somebody who has nothing but the log's public key.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::checkpoint::{Given, key_beside, put};
use super::place::{Found, Place};
use crate::audit::approvals::records;
use crate::core::canonical::RefName;
use crate::core::digest::Digest;
use crate::core::oid::Oid;
use crate::desk::check::full_name;
use crate::desk::clone::Local;
use crate::gate::recording::ledger_failure;
use crate::ledger::proof::{ClaimedProof, Extra, Included, Later};
use crate::ledger::{self, Checkpoint, Entry, Leaves, Signatures, UpdateRecord, generation, generations, home};
use crate::system::{Exit, Failure, Result};
use base64ct::{Base64, Encoding as _};

pub(crate) struct Prove {
    pub(crate) place: Place,
    /// What is proved: an entry by its number (G:N of generation G), a commit by its id, a move as REF@OLD..NEW, or an approval as
    /// sha256:DIGEST
    pub(crate) subject: Subject,
    /// Of a commit or an approval, where it landed on this ref
    pub(crate) name: Option<String>,
    pub(crate) given: Given,
    /// Where to write the proof, such as deploy.tlog-proof; - for standard output
    pub(crate) out: PathBuf,
}

/// What is proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// An entry of the log of today, or of a generation.
    Entry(Option<u64>, u64),
    /// A commit, by four digits of its id or more.
    Commit(String),
    /// The move of a ref, by four digits of each id or more; nothing for a ref that is not there.
    Move { name: String, old: String, new: String },
    /// An approval, by the digest of its statement.
    Approval(Digest),
}

/// Reads what is to be proved.
pub(crate) fn parse_subject(text: &str) -> std::result::Result<Subject, String> {
    let is_hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let number = text.strip_prefix('#').unwrap_or(text);
    if let Some(digest) = text.strip_prefix("sha256:") {
        let digest = Digest::parse(digest.as_bytes()).ok_or("an approval is sha256: and 64 hexadecimal digits")?;
        return Ok(Subject::Approval(digest));
    }
    if let Some((name, (old, new))) = text.rsplit_once('@').and_then(|(name, ids)| Some((name, ids.split_once("..")?)))
    {
        let [old, new] = [old, new].map(|id| if id.bytes().all(|byte| byte == b'0') { "" } else { id }.to_owned());
        let is_id = |id: &str| is_hex(id) && (id.is_empty() || id.len() >= 4);
        return match is_id(&old) && is_id(&new) && !(old.is_empty() && new.is_empty()) {
            true => Ok(Subject::Move { name: full_name(name), old, new }),
            false => Err("write a move as REF@OLD..NEW, with four digits of each id or more".to_owned()),
        };
    }
    if let Some((generation, number)) = text.split_once(':') {
        let parsed = generation.parse().ok().zip(number.parse().ok());
        return parsed.map(|(generation, number)| Subject::Entry(Some(generation), number)).ok_or_else(wrong);
    }
    // What is all digits and no whole id is a number: a log has no entries of more.
    match number.parse() {
        Ok(number) if text.len() < 12 => Ok(Subject::Entry(None, number)),
        _ if is_hex(text) && (4..=64).contains(&text.len()) => Ok(Subject::Commit(text.to_owned())),
        _ => Err(wrong()),
    }
}

fn wrong() -> String {
    "give the number of an entry, a commit's id, REF@OLD..NEW, or an approval's sha256:DIGEST".to_owned()
}

pub(crate) fn run(prove: &Prove) -> Result {
    let found = prove.place.one()?;
    let logs: Vec<PathBuf> = generations(&found.directory).into_iter().chain([found.directory.clone()]).collect();
    let wanted = Wanted { subject: &prove.subject, name: prove.name.as_deref().map(full_name) };
    let (log, group) = wanted.find(&logs)?;
    let proof = compose(prove, &Found { directory: log.clone(), git_dir: found.git_dir.clone() }, &logs, &group)?;
    let text = proof.to_text().map_err(Failure::new)?;
    // Whoever is handed it does the same.
    let key = key_beside(&found.directory)?;
    proof.verify(&key).map_err(|error| Failure::new(format!("the proof does not verify: {error}")))?;
    put(Some(&prove.out), &text)?;
    Ok(Exit::Accepted)
}

/// What is looked for.
struct Wanted<'a> {
    subject: &'a Subject,
    name: Option<String>,
}

/// The entries of one decision, or one entry.
#[derive(Clone, Debug, Default)]
struct Group {
    /// The entry that the proof is of.
    first: u64,
    /// Those that belong to it.
    more: BTreeSet<u64>,
    /// The refs that are meant.
    names: BTreeSet<RefName>,
    /// Those of them that moved.
    landed: BTreeSet<RefName>,
    /// The approvals that it names.
    approvals: BTreeSet<Digest>,
    /// The commit that it is about.
    commit: Option<Oid>,
}

impl Wanted<'_> {
    /// The log that has it and the entries: the first that landed, or the last that did not.
    fn find(&self, logs: &[PathBuf]) -> Result<(PathBuf, Group)> {
        let mut refused = None;
        for log in logs {
            let only = matches!(self.subject, Subject::Entry(..));
            if only && !self.is_log(log, logs) {
                continue;
            }
            let groups = self.groups_in(log)?;
            if let Some(landed) = groups.iter().find(|group| only || !group.landed.is_empty()) {
                return Ok((log.clone(), landed.clone()));
            }
            refused = groups.into_iter().next_back().map(|group| (log.clone(), group)).or(refused);
        }
        refused.ok_or_else(|| self.unknown())
    }

    /// Whether an entry's number is meant of this log.
    fn is_log(&self, log: &Path, logs: &[PathBuf]) -> bool {
        match self.subject {
            Subject::Entry(Some(number), _) => {
                let home = logs.last().map_or(log, |last| home(last));
                generation(home, *number) == log
                    || (logs.last().is_some_and(|last| last == log) && self.is_last(log, *number))
            }
            _ => logs.last().is_some_and(|last| last == log),
        }
    }

    /// Whether the log of today is the generation of a number.
    fn is_last(&self, log: &Path, number: u64) -> bool {
        number
            == generations(log).last().map_or(0, |last| {
                let name = last.file_name().and_then(|name| name.to_str()?.parse::<u64>().ok());
                name.map_or(0, |name| name + 1)
            })
    }

    fn unknown(&self) -> Failure {
        let failure = Failure::new("no entry of this ledger is about it");
        match self.subject {
            Subject::Commit(_) => failure.hint(
                "the ledger names the commits that an enforcing rule accepted as somebody's work, and those that refs moved to: prove the one that the ref moved to:\ngit log --first-parent REF\ncountersign log show --ref REF --server REPO.git",
            ),
            Subject::Entry(..) | Subject::Move { .. } | Subject::Approval(_) => {
                failure.hint("what there is:\ncountersign log show --server REPO.git")
            }
        }
    }

    /// Every decision of a log that is meant, with what became of it.
    fn groups_in(&self, log: &Path) -> Result<Vec<Group>> {
        let mut scan = Scan { wanted: self, groups: BTreeMap::new(), decision: 0, continued: 0 };
        let read = ledger::read(log, Signatures::Last, &mut |number, _, entry| scan.take(number, entry));
        read.map_err(|error| ledger_failure(&error))?;
        Ok(scan.groups.into_values().collect())
    }

    /// Whether an update is meant; then the commit that is.
    fn means(&self, update: &UpdateRecord) -> Option<Option<Oid>> {
        if self.name.as_ref().is_some_and(|name| *update.name.0 != *name.as_bytes()) {
            return None;
        }
        let new = update.new.map(|id| id.0);
        let begins = |id: Option<Oid>, prefix: &str| match id {
            Some(id) => !prefix.is_empty() && id.to_string().starts_with(prefix),
            None => prefix.is_empty(),
        };
        match self.subject {
            Subject::Entry(..) => None,
            Subject::Commit(prefix) => {
                let work = || update.work.iter().flat_map(|work| &work.commits).map(|(id, _)| id.0);
                new.into_iter().chain(work()).find(|id| begins(Some(*id), prefix)).map(Some)
            }
            Subject::Move { name, old, new: to } => {
                let is_it =
                    *update.name.0 == *name.as_bytes() && begins(update.old.map(|id| id.0), old) && begins(new, to);
                is_it.then_some(new)
            }
            Subject::Approval(digest) => {
                update.approvals.iter().any(|approval| approval.digest.0 == *digest).then_some(new)
            }
        }
    }
}

/// One reading of a log.
struct Scan<'a> {
    wanted: &'a Wanted<'a>,
    groups: BTreeMap<u64, Group>,
    /// The decision that was read last, and how many entries continue it.
    decision: u64,
    continued: u64,
}

impl Scan<'_> {
    fn take(&mut self, number: u64, entry: &Entry) {
        match entry {
            Entry::Decided(decided) => {
                (self.decision, self.continued) = (number, u64::from(decided.continued));
                self.updates(number, &decided.updates);
            }
            Entry::Continued(continued) => self.updates(continued.decision, &continued.updates),
            Entry::Committed(settled) | Entry::Aborted(settled) => {
                let by_number = matches!(self.wanted.subject, Subject::Entry(..));
                if let Some(group) = self.groups.get_mut(&settled.decision) {
                    let own: Vec<&RefName> =
                        settled.refs.iter().filter(|name| by_number || group.names.contains(*name)).collect();
                    if !own.is_empty() {
                        group.more.insert(number);
                    }
                    for name in own {
                        // The last word counts.
                        match entry {
                            Entry::Committed(_) => group.landed.insert(name.clone()),
                            _ => group.landed.remove(name),
                        };
                    }
                }
            }
            _ => {}
        }
        let is_it = matches!(self.wanted.subject, Subject::Entry(_, own) if *own == number);
        if is_it && !self.groups.contains_key(&number) {
            self.groups.insert(number, Group { first: number, ..Group::default() });
        }
    }

    fn updates(&mut self, decision: u64, updates: &[UpdateRecord]) {
        let by_number = matches!(self.wanted.subject, Subject::Entry(_, own) if *own == decision);
        for update in updates {
            let known = self.groups.get(&decision).is_some_and(|group| group.names.contains(&update.name));
            let meant = match self.wanted.means(update) {
                None if by_number => Some(update.new.map(|id| id.0)),
                None if known => Some(None),
                meant => meant,
            };
            let Some(commit) = meant else { continue };
            let more = (self.decision + 1)..=(self.decision + self.continued);
            let begin = || Group { first: decision, more: more.collect(), ..Group::default() };
            let group = self.groups.entry(decision).or_insert_with(begin);
            group.names.insert(update.name.clone());
            group.commit = group.commit.or(commit);
            group.approvals.extend(update.approvals.iter().map(|approval| approval.digest.0));
        }
    }
}

/// Puts the proof together.
fn compose(prove: &Prove, found: &Found, logs: &[PathBuf], group: &Group) -> Result<ClaimedProof> {
    let mut texts: BTreeMap<u64, String> = BTreeMap::new();
    let leaves = Leaves::read(&found.directory, &mut |number, json| {
        if number == group.first || group.more.contains(&number) {
            texts.insert(number, json.to_owned());
        }
    });
    let leaves = leaves.map_err(|error| ledger_failure(&error))?;
    let checkpoint = prove.given.of(found, &leaves)?;
    let mut included = Vec::new();
    for (number, json) in texts {
        included.push(include(&leaves, &checkpoint, number, json)?);
    }
    let place = included.iter().position(|one| one.index == group.first);
    let first = place.map(|place| included.remove(place)).ok_or_else(|| Failure::new("the log has no such entry"))?;
    let records = records(&found.directory, found.git_dir.as_deref(), &group.approvals)?;
    let records = records.into_values().map(|(json, _)| json).collect();
    let mut extra =
        Extra { more: included, approvals: records, later: later(&found.directory, logs)?, ..Extra::of(first.entry) };
    if let (Some(git_dir), Some(commit)) = (&found.git_dir, group.commit) {
        // A commit that is not here any more is known by its id alone.
        let raw = Local::of_server(git_dir)?.objects.commit(commit).ok();
        extra.commit = raw.map(|raw| Base64::encode_string(&raw));
    }
    let hashes = leaves.inclusion(first.index, checkpoint.size).unwrap_or_default();
    Ok(ClaimedProof { index: first.index, hashes, extra, checkpoint })
}

fn include(leaves: &Leaves, checkpoint: &Checkpoint, number: u64, json: String) -> Result<Included> {
    let hashes = leaves.inclusion(number, checkpoint.size).ok_or_else(|| {
        Failure::new(format!("the checkpoint is of {} entries, and older than entry {number}", checkpoint.size))
            .hint("take a newer one:\ncountersign log checkpoint --server REPO.git --out FILE")
    })?;
    Ok(Included::new(number, json, &hashes))
}

/// The generations after a log, each with what it says of the one before.
fn later(directory: &Path, logs: &[PathBuf]) -> Result<Vec<Later>> {
    let mut later = Vec::new();
    for log in logs.iter().skip_while(|log| *log != directory).skip(1) {
        let mut beginning: BTreeMap<u64, String> = BTreeMap::new();
        let leaves = Leaves::read(log, &mut |number, json| {
            if matches!(number, 0 | 2) {
                beginning.insert(number, json.to_owned());
            }
        });
        let leaves = leaves.map_err(|error| ledger_failure(&error))?;
        let found = Found { directory: log.clone(), git_dir: None };
        let checkpoint = Given::none().of(&found, &leaves)?;
        let mut take = |number| {
            let json = beginning
                .remove(&number)
                .ok_or_else(|| Failure::new("a generation does not say what it goes on from"))?;
            include(&leaves, &checkpoint, number, json)
        };
        let (opened, continues) = (take(0)?, take(2)?);
        later.push(Later { opened, continues, checkpoint: checkpoint.to_note() });
    }
    Ok(later)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_proved_is_told_apart() {
        assert_eq!(parse_subject("17"), Ok(Subject::Entry(None, 17)));
        assert_eq!(parse_subject("#17"), Ok(Subject::Entry(None, 17)));
        assert_eq!(parse_subject("2:17"), Ok(Subject::Entry(Some(2), 17)));
        assert_eq!(parse_subject("1a2b3c"), Ok(Subject::Commit("1a2b3c".to_owned())));
        assert_eq!(parse_subject(&"1".repeat(40)), Ok(Subject::Commit("1".repeat(40))));
        let moved =
            |old: &str, new: &str| Subject::Move { name: "refs/heads/main".into(), old: old.into(), new: new.into() };
        assert_eq!(parse_subject("main@1a2b..3c4d"), Ok(moved("1a2b", "3c4d")));
        assert_eq!(parse_subject("main@..3c4d"), Ok(moved("", "3c4d")));
        assert_eq!(parse_subject(&format!("main@{}..3c4d", "0".repeat(40))), Ok(moved("", "3c4d")));
        let digest = Digest::of(b"");
        assert_eq!(parse_subject(&format!("sha256:{digest}")), Ok(Subject::Approval(digest)));
        for bad in ["", "1a2", "xyz", "main@1a..2b", "main@..", "sha256:12", "1:x"] {
            assert!(parse_subject(bad).is_err(), "{bad}");
        }
    }
}
