//! `countersign verify-proof`: what a proof bears out, with nothing at hand but the public key of the ledger: no repository, no policy.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::audit::Printed;
use crate::audit::log::{outcome_word, ref_text, value};
use crate::core::canonical::{CanonicalOid, RefName, Time};
use crate::core::commit::{Commit, parse_trailers};
use crate::core::id::RepositoryName;
use crate::core::oid::Oid;
use crate::core::report::escape;
use crate::core::seal::SealOutcome;
use crate::core::ssh::{PublicKey, WitnessKey};
use crate::desk::check::full_name;
use crate::ledger::proof::{ClaimedProof, PROOF_BYTES, ProvenEntries};
use crate::ledger::{Decided, Entry, Outcome, UpdateRecord};
use crate::store::commit_id;
use crate::system::{Exit, Failure, OnDisk as _, Result, disk, print, say, say_hint};

/// A proof, and what it must bear out.
pub(crate) struct Request {
    /// The proof, as `countersign log prove` wrote it
    pub(crate) file: PathBuf,
    /// The ledger's public key, kept since install in another place: a file (key.pub), or its line
    pub(crate) key: PathBuf,
    /// The repository that the ledger must be of; one whose origin is opaque does not say
    pub(crate) repository: Option<String>,
    /// The ref that must have moved
    pub(crate) name: Option<String>,
    /// The commit that must have landed: the ref's new value, or one of the commits that were accepted as somebody's work. A whole id
    pub(crate) commit: Option<Oid>,
    /// What must stand behind it: approvals=N (so many persons), distinct (of persons who made none of the work), independent (and did
    /// not push it), enforced (nothing was found that enforcing refuses), witnesses=N (so many of --witness)
    pub(crate) require: Vec<Requirement>,
    /// A witness whose cosignature counts, as its verifier key NAME+ID+KEY, or a file with such lines
    pub(crate) witnesses: Vec<String>,
    pub(crate) format: Printed,
}

/// What must stand behind a landed commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Requirement {
    Approvals(usize),
    Distinct,
    Independent,
    Enforced,
    Witnesses(usize),
}

/// Reads one of the words of `--require`.
pub(crate) fn requirement(text: &str) -> std::result::Result<Requirement, String> {
    let number = |text: &str| text.parse().ok().filter(|number| *number > 0);
    let known = match text.split_once('=') {
        Some(("approvals", count)) => number(count).map(Requirement::Approvals),
        Some(("witnesses", count)) => number(count).map(Requirement::Witnesses),
        None if text == "distinct" => Some(Requirement::Distinct),
        None if text == "independent" => Some(Requirement::Independent),
        None if text == "enforced" => Some(Requirement::Enforced),
        _ => None,
    };
    known.ok_or_else(|| "ask for approvals=N, distinct, independent, enforced or witnesses=N".to_owned())
}

pub(crate) fn run(arguments: &Request) -> Result {
    let key = key(&arguments.key)?;
    let witnesses = witnesses(&arguments.witnesses)?;
    let unread =
        |error: &dyn std::fmt::Display| Failure::new(format!("cannot read {}: {error}", shown(&arguments.file)));
    let size = arguments.file.on_disk().metadata().map_err(|error| unread(&error))?.len();
    if size > u64::try_from(PROOF_BYTES).unwrap_or(u64::MAX) {
        return Err(unread(&format!("a proof has at most {PROOF_BYTES} bytes")));
    }
    let bytes = disk::read(&arguments.file).map_err(|error| unread(&error))?;
    let proven = match ClaimedProof::parse(&bytes).and_then(|claimed| claimed.verify(&key)) {
        Ok(proven) => proven,
        Err(error) => {
            return refuse(
                &format!("the proof does not hold: {error}"),
                "it was changed on the way, or is of a ledger with another key: ask for it again",
            );
        }
    };
    let story = match Story::of(&proven, &witnesses) {
        Ok(story) => story,
        Err(reason) => return refuse(&format!("the proof does not hold: {reason}"), "ask for it again"),
    };
    match arguments.format {
        Printed::Json => print(&(serde_json::to_string(&story).map_err(Failure::new)? + "\n"))?,
        Printed::Text => print(&story.text())?,
    }
    match missing(arguments, &story) {
        None => Ok(Exit::Accepted),
        Some(reason) => {
            refuse(&format!("the proof does not bear it out: {reason}"), "nothing is to be deployed on its word")
        }
    }
}

fn refuse(message: &str, hint: &str) -> Result {
    say(&format!("error: {message}"));
    say_hint(hint);
    Ok(Exit::Rejected)
}

fn shown(path: &Path) -> String {
    escape(path.as_os_str().as_encoded_bytes(), 400)
}

fn key(path: &Path) -> Result<PublicKey> {
    let given = path.to_str().and_then(|text| PublicKey::parse_line(text).ok());
    if let Some((key, _)) = given {
        return Ok(key);
    }
    let text = disk::read_to_string(path)
        .map_err(|error| Failure::new(format!("cannot read the key {}: {error}", shown(path))))?;
    let key = PublicKey::parse_line(text.trim_end());
    key.map(|(key, _)| key).map_err(|error| Failure::new(format!("the key {}: {error}", shown(path))))
}

fn witnesses(given: &[String]) -> Result<Vec<WitnessKey>> {
    let mut witnesses: Vec<WitnessKey> = Vec::new();
    let wrong = |text: &str| {
        Failure::new(format!("{} is no key of a witness", escape(text.as_bytes(), 200)))
            .hint("a verifier key is NAME+ID+KEY, of the type of cosignatures by ed25519 (c2sp.org/tlog-cosignature)")
    };
    for text in given {
        let lines = match WitnessKey::parse(text) {
            Some(_) => text.clone(),
            None => disk::read_to_string(text).map_err(|_| wrong(text))?,
        };
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            witnesses.push(WitnessKey::parse(line).ok_or_else(|| wrong(line))?);
        }
    }
    Ok(witnesses)
}

/// What a proof says, in the order in which it is told.
#[derive(Serialize)]
struct Story {
    schema: u32,
    origin: String,
    /// The number of the entry, and of all entries that were signed.
    entry: u64,
    size: u64,
    root: String,
    key: String,
    /// Generations of the log after the one that holds the entry.
    generations: u64,
    /// Kinds of the entries that are about no push.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    other: Vec<String>,
    updates: Vec<Update>,
    cosigned: BTreeMap<String, String>,
}

/// What was decided of one ref, and what became of it.
#[derive(Serialize)]
struct Update {
    #[serde(rename = "ref")]
    name: RefName,
    old: Option<CanonicalOid>,
    new: Option<CanonicalOid>,
    outcome: &'static str,
    decided: String,
    /// When the ref had moved, as the log says; nothing where it did not.
    landed: Option<String>,
    policy: Option<String>,
    submitter: Option<String>,
    work: Vec<Work>,
    approvals: Vec<Approval>,
    /// Codes of what was found, with what the gate made of it.
    findings: Vec<(String, String)>,
    left_out: u64,
    /// What the bytes of the commit say, where the proof has them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    seals: Vec<String>,
}

#[derive(Serialize)]
struct Work {
    principal: String,
    key: String,
    commits: Vec<CanonicalOid>,
}

#[derive(Serialize)]
struct Approval {
    approver: String,
    /// The service at whose word it is theirs.
    #[serde(skip_serializing_if = "Option::is_none")]
    attested: Option<String>,
    digest: String,
    /// The key that signed the record, where the proof has it.
    key: Option<String>,
}

impl Story {
    fn of(proven: &ProvenEntries, witnesses: &[WitnessKey]) -> std::result::Result<Self, String> {
        let checkpoint = proven.checkpoint();
        let cosigned = witnesses
            .iter()
            .filter_map(|witness| Some((witness.name().to_owned(), Time(checkpoint.cosigned(witness)?).to_string())));
        let mut story = Self {
            schema: 1,
            origin: checkpoint.origin.clone(),
            entry: proven.index(),
            size: checkpoint.size,
            root: format!("sha256:{}", checkpoint.root),
            key: proven.key().fingerprint().to_string(),
            generations: proven.generations(),
            other: Vec::new(),
            updates: Vec::new(),
            cosigned: cosigned.collect(),
        };
        for (number, entry) in proven.entries() {
            match entry {
                Entry::Decided(decided) => story.updates.extend(updates(proven, *number, decided)?),
                Entry::Continued(_) | Entry::Committed(_) | Entry::Aborted(_) => {}
                other => story.other.push(kind(other)),
            }
        }
        let commit = proven.commit().map(|raw| story.seals(raw)).transpose()?;
        if let Some((id, seals)) = commit
            && let Some(update) = story.updates.iter_mut().find(|update| update.has(id))
        {
            update.seals = seals;
        }
        Ok(story)
    }

    /// The commit that the proof holds, which must be one that its entries name, and what its seals say.
    fn seals(&self, raw: &[u8]) -> std::result::Result<(Oid, Vec<String>), String> {
        let ids = self.updates.iter().flat_map(|update| {
            let work = update.work.iter().flat_map(|work| &work.commits);
            update.new.iter().chain(work).map(|id| id.0)
        });
        let ids: BTreeSet<Oid> = ids.collect();
        let format = ids.first().map(|id| id.format()).ok_or("it holds a commit, and no entry about one")?;
        let id = commit_id(format, raw).map_err(|error| error.to_string())?;
        if !ids.contains(&id) {
            return Err("the commit in it is none that its entries name".to_owned());
        }
        let commit = Commit::parse(raw, format).map_err(|error| error.to_string())?;
        let name = self.origin.strip_prefix("countersign/").and_then(|name| RepositoryName::parse(name.as_bytes()));
        let blocks = parse_trailers(commit.message).map(|trailers| trailers.blocks).unwrap_or_default();
        let seals = blocks.iter().filter_map(|block| {
            // The tree is bound by the commit's id; what the seal says of the change is what was held against it at the gate.
            let outcome = block.verify(&commit, name.as_ref()?, block.claim.seal.change);
            let holds = if let SealOutcome::Holds(seal) = outcome { Some(seal) } else { None };
            Some(format!("{} with {}", block.claim.agent, holds?.key().fingerprint()))
        });
        Ok((id, seals.collect()))
    }

    fn text(&self) -> String {
        let mut lines = vec![format!(
            "{}: entry {} of {}, signed by {}",
            escape(self.origin.as_bytes(), 200),
            self.entry,
            self.size,
            self.key
        )];
        if self.generations > 0 {
            lines.push(format!(
                "  by {} later generations of the log, each of which names the one before",
                self.generations
            ));
        }
        lines.extend(self.other.iter().map(|kind| format!("  an entry of kind {kind}")));
        for update in &self.updates {
            lines.extend(update.lines());
        }
        lines.extend(
            self.cosigned.iter().map(|(name, time)| format!("cosigned by {} at {time}", escape(name.as_bytes(), 100))),
        );
        lines.join("\n") + "\n"
    }
}

fn kind(entry: &Entry) -> String {
    let json = entry.to_json().unwrap_or_default();
    let kind = json.strip_prefix("{\"kind\":\"").and_then(|rest| rest.split('"').next());
    kind.unwrap_or_default().to_owned()
}

/// What one decision says of each ref, put together from all its entries, none of which may be missing.
fn updates(proven: &ProvenEntries, number: u64, decided: &Decided) -> std::result::Result<Vec<Update>, String> {
    let mut found: Vec<Update> = Vec::new();
    let mut add = |updates: &[UpdateRecord]| {
        for update in updates {
            match found.last_mut().filter(|last| last.name == update.name) {
                Some(last) => last.add(proven, update),
                None => {
                    let mut begun = Update::begun(update, decided);
                    begun.add(proven, update);
                    found.push(begun);
                }
            }
        }
    };
    add(&decided.updates);
    for next in (number + 1)..=(number + u64::from(decided.continued)) {
        match proven.entries().get(&next) {
            Some(Entry::Continued(continued)) if continued.decision == number => add(&continued.updates),
            _ => return Err(format!("entry {next} is missing, which goes on from entry {number}")),
        }
    }
    for entry in proven.entries().values() {
        let (settled, landed) = match entry {
            Entry::Committed(settled) => (settled, Some(settled.time.to_string())),
            Entry::Aborted(settled) => (settled, None),
            _ => continue,
        };
        let of_it = found.iter_mut().filter(|update| settled.decision == number && settled.refs.contains(&update.name));
        // The last word counts.
        of_it.for_each(|update| update.landed.clone_from(&landed));
    }
    Ok(found)
}

impl Update {
    fn begun(update: &UpdateRecord, decided: &Decided) -> Self {
        let accepted = decided.outcome == Outcome::Accepted;
        Self {
            name: update.name.clone(),
            old: update.old,
            new: update.new,
            outcome: outcome_word(if accepted { update.outcome } else { decided.outcome }),
            decided: decided.time.to_string(),
            landed: None,
            policy: decided.policy.map(|policy| policy.to_string()),
            submitter: decided.submitter.clone(),
            work: Vec::new(),
            approvals: Vec::new(),
            findings: decided.error.iter().map(|_| ("undecided".to_owned(), "error".to_owned())).collect(),
            left_out: 0,
            seals: Vec::new(),
        }
    }

    fn add(&mut self, proven: &ProvenEntries, update: &UpdateRecord) {
        for work in &update.work {
            let commits = work.commits.iter().map(|(id, _)| *id).collect();
            self.work.push(Work { principal: work.principal.clone(), key: work.key.clone(), commits });
        }
        for approval in &update.approvals {
            let record = proven.approvals().iter().find(|record| record.digest() == approval.digest.0);
            let key = record.map(|record| record.signature().key().fingerprint().to_string());
            let (approver, digest) = (approval.approver.clone(), approval.digest.to_string());
            self.approvals.push(Approval { approver, attested: approval.attested.clone(), digest, key });
        }
        self.findings.extend(update.findings.iter().map(|one| (one.code.clone(), one.severity.clone())));
        self.left_out += update.left_out.as_ref().map_or(0, |left_out| left_out.findings);
    }

    fn has(&self, id: Oid) -> bool {
        let work = self.work.iter().flat_map(|work| &work.commits);
        self.new.iter().chain(work).any(|own| own.0 == id)
    }

    fn lines(&self) -> Vec<String> {
        let plain = |text: &str| escape(text.as_bytes(), 200);
        let mut lines =
            vec![format!("{} {}..{}: {}", ref_text(&self.name), value(self.old), value(self.new), self.outcome)];
        let policy = self.policy.as_ref().map_or_else(|| "no policy".to_owned(), |policy| format!("policy {policy}"));
        let submitter = self.submitter.as_ref().map(|who| format!(", pushed by {}", plain(who))).unwrap_or_default();
        lines.push(format!("  decided  {} by {policy}{submitter}", self.decided));
        lines.push(match &self.landed {
            Some(time) => format!("  landed   {time}"),
            None => "  landed   no, as far as the proof says".to_owned(),
        });
        lines.extend(self.work.iter().map(|work| {
            format!("  work     {} of {}, key {}", work.commits.len(), plain(&work.principal), plain(&work.key))
        }));
        lines.extend(self.seals.iter().map(|seal| format!("  sealed   by {}", plain(seal))));
        lines.extend(self.approvals.iter().map(|approval| {
            let key = approval
                .key
                .as_ref()
                .map_or_else(|| ", its record not in the proof".to_owned(), |key| format!(", key {key}"));
            let word =
                approval.attested.as_ref().map_or_else(String::new, |by| format!(" (attested by {})", plain(by)));
            format!("  approved by {}{word}{key} ({})", plain(&approval.approver), approval.digest)
        }));
        lines.extend(
            self.findings.iter().map(|(code, severity)| format!("  found    {} ({})", plain(code), plain(severity))),
        );
        if self.left_out > 0 {
            lines.push(format!("  found    {} more", self.left_out));
        }
        lines
    }
}

/// What is asked for and does not stand there.
fn missing(arguments: &Request, story: &Story) -> Option<String> {
    if let Some(repository) = &arguments.repository
        && story.origin != format!("countersign/{repository}")
    {
        return Some(format!("it is of {}", escape(story.origin.as_bytes(), 200)));
    }
    let witnesses = story.cosigned.len();
    for asked in &arguments.require {
        if let Requirement::Witnesses(count) = asked
            && witnesses < *count
        {
            return Some(format!("{witnesses} of {count} witnesses have cosigned it"));
        }
    }
    let asks_of_refs = arguments.require.iter().any(|asked| !matches!(asked, Requirement::Witnesses(_)));
    if arguments.name.is_none() && arguments.commit.is_none() && !asks_of_refs {
        return None;
    }
    let name = arguments.name.as_deref().map(full_name);
    let named = |update: &&Update| name.as_ref().is_none_or(|name| *update.name.0 == *name.as_bytes());
    let mut meant: Vec<&Update> = story.updates.iter().filter(named).collect();
    if let (true, Some(name)) = (meant.is_empty(), &name) {
        return Some(format!("it says nothing of {}", escape(name.as_bytes(), 200)));
    }
    meant.retain(|update| arguments.commit.is_none_or(|commit| update.has(commit)));
    let Some(update) = meant.iter().find(|update| update.landed.is_some()).or(meant.first()) else {
        let what = arguments.commit.map_or_else(|| "any push".to_owned(), |id| id.to_string());
        return Some(format!("it says nothing of {what} there"));
    };
    if update.outcome != outcome_word(Outcome::Accepted) || update.landed.is_none() {
        return Some(format!("{} did not move by that decision", ref_text(&update.name)));
    }
    update.lacks(&arguments.require)
}

impl Update {
    /// What is required and does not stand behind it.
    fn lacks(&self, required: &[Requirement]) -> Option<String> {
        let refuses = |(_, severity): &&(String, String)| severity != "notice" && severity != "warning";
        let found = self.findings.iter().find(refuses);
        if required.contains(&Requirement::Enforced) && (found.is_some() || self.left_out > 0) {
            let code = found.map_or("what is not listed", |(code, _)| code.as_str());
            return Some(format!("it was let through in spite of {}", escape(code.as_bytes(), 100)));
        }
        let independent = required.contains(&Requirement::Independent);
        let distinct = independent || required.contains(&Requirement::Distinct);
        let pushed = self.submitter.as_deref().and_then(|who| who.split(" via ").next());
        let counts = |approver: &str| {
            let made = self.work.iter().any(|work| work.principal == approver);
            !(distinct && made || independent && pushed == Some(approver))
        };
        let approvers: BTreeSet<&str> = self.approvals.iter().map(|one| one.approver.as_str()).collect();
        let counted = approvers.iter().filter(|approver| counts(approver)).count();
        let asked =
            required.iter().filter_map(|one| if let Requirement::Approvals(count) = one { Some(*count) } else { None });
        let asked = asked.max().unwrap_or(usize::from(distinct));
        let words = if distinct { ", from persons who did not make it" } else { "" };
        (counted < asked).then(|| format!("it has {counted} of {asked} approvals{words}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_are_strict() {
        assert_eq!(requirement("approvals=2"), Ok(Requirement::Approvals(2)));
        assert_eq!(requirement("witnesses=1"), Ok(Requirement::Witnesses(1)));
        for bad in ["approvals", "approvals=0", "approvals=x", "distinct=1", "reviewed", ""] {
            assert!(requirement(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn who_made_or_pushed_it_does_not_count_where_asked() {
        let approval = |who: &str| Approval { approver: who.into(), attested: None, digest: String::new(), key: None };
        let update = Update {
            name: RefName(b"refs/heads/main"[..].into()),
            old: None,
            new: None,
            outcome: "accepted",
            decided: String::new(),
            landed: Some(String::new()),
            policy: None,
            submitter: Some("alice via forge".into()),
            work: vec![Work { principal: "bob".into(), key: String::new(), commits: Vec::new() }],
            approvals: ["alice", "bob", "carol", "carol"].map(approval).into(),
            findings: vec![("unsealed-agent-commit".into(), "observed".into())],
            left_out: 0,
            seals: Vec::new(),
        };
        let lacks =
            |words: &str| update.lacks(&words.split(',').map(|word| requirement(word).unwrap()).collect::<Vec<_>>());
        assert_eq!(lacks("approvals=3"), None);
        assert_eq!(lacks("approvals=2,distinct"), None);
        assert_eq!(lacks("approvals=1,independent"), None);
        assert!(lacks("approvals=4").is_some() && lacks("approvals=3,distinct").is_some());
        assert!(lacks("approvals=2,independent").is_some() && lacks("enforced").unwrap().contains("unsealed"));
    }
}
