//! `countersign log`: what the ledger holds, whether it is whole, and what enforcing would have done.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use crate::core::canonical::{CanonicalOid, RefName, Time};
use crate::core::decide::Timestamp;
use crate::core::limits;
use crate::core::oid::{ObjectFormat, Oid};
use crate::core::report::escape;
use crate::desk::check::full_name;
use crate::gate::recording::{ServerRefs, ledger_failure};
use crate::ledger::{
    self, CurrentRefs, Entry, FindingRecord, LedgerError, Moved, Outcome, Settled, Signatures, UpdateRecord,
};
use crate::server::{below, installed_ledger, resolved};
use crate::store::{GitDir, Refs};
use crate::system::process::git;
use crate::system::users::Owner;
use crate::system::{Exit, Failure, Result, print, say, say_hint};

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Print entries, the oldest first
    Show(Box<Show>),
    /// Check every record, and the repository's refs against the last one about each
    Verify(Verify),
}

#[derive(Args)]
struct Place {
    /// Repositories whose ledgers are read; without any, the one here
    #[arg(long = "server", value_name = "REPO.git", num_args = 1..)]
    servers: Vec<PathBuf>,
    /// The directory of a ledger, or of a copy of one
    #[arg(long, value_name = "DIR", conflicts_with = "servers")]
    ledger: Option<PathBuf>,
}

#[derive(Args)]
struct Show {
    #[command(flatten)]
    place: Place,
    /// Only what is about this ref
    #[arg(long = "ref", value_name = "REF")]
    name: Option<String>,
    /// Only what is about this person, agent or service
    #[arg(long, value_name = "ID")]
    principal: Option<String>,
    /// Only decisions with this finding
    #[arg(long, value_name = "CODE")]
    code: Option<String>,
    /// Only decisions that ended so
    #[arg(long, value_enum)]
    verdict: Option<VerdictArg>,
    /// Only from this time or day on, such as 2026-11-01 or 2026-11-01T08:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Time>,
    /// Only before this time or day
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Time>,
    /// Only what is about this commit, by four digits of its id or more
    #[arg(long, value_name = "ID", value_parser = prefix)]
    commit: Option<String>,
    /// Sum up what enforcing would have refused of all that was accepted
    #[arg(long)]
    would_refuse: bool,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Args)]
struct Verify {
    #[command(flatten)]
    place: Place,
    /// The public key that the ledger must be signed with, kept since install in another place: a file, or its line
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum VerdictArg {
    Accepted,
    Rejected,
    Undecided,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Lines for people
    Text,
    /// One JSON object a line
    Json,
}

fn time(text: &str) -> std::result::Result<Time, String> {
    let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    Time::parse(&whole).ok_or_else(|| "write a day or a time in UTC: 2026-11-01 or 2026-11-01T08:00:00Z".to_owned())
}

fn prefix(text: &str) -> std::result::Result<String, String> {
    let hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if hex && (4..=64).contains(&text.len()) {
        Ok(text.to_owned())
    } else {
        Err("give four lower-case hexadecimal digits of a commit id, or more".to_owned())
    }
}

pub(crate) fn run(arguments: Arguments) -> Result {
    match arguments.command {
        Command::Show(show) => self::show(&show),
        Command::Verify(verify) => self::verify(&verify),
    }
}

/// One ledger, and the repository it is of where that is at hand.
struct Found {
    directory: PathBuf,
    git_dir: Option<PathBuf>,
}

impl Place {
    fn find(&self) -> Result<Vec<Found>> {
        if let Some(directory) = &self.ledger {
            return Ok(vec![Found { directory: directory.clone(), git_dir: None }]);
        }
        let mut servers = Vec::new();
        for server in &self.servers {
            match resolved(server) {
                Some(_) => servers.push(server.clone()),
                None => servers.extend(below(server).map(|found| found.repositories).unwrap_or_default()),
            }
        }
        if servers.is_empty() {
            servers.push(self.servers.first().cloned().unwrap_or_else(|| PathBuf::from(".")));
        }
        let owner = |server: &PathBuf| Owner::of(&resolved(server).unwrap_or_else(|| server.clone())).ok();
        let owners: BTreeSet<Owner> = servers.iter().filter_map(owner).collect();
        if let Some(owner) = owners.iter().find(|owner| owner.is_another()) {
            // What root writes there its owner could not, and what root reads may be a link.
            return Err(if owners.len() == 1 {
                let real = |server: &PathBuf| server.canonicalize().unwrap_or_else(|_| server.clone());
                owner.become_owner(&servers.iter().map(real).collect::<Vec<_>>())
            } else {
                Failure::new(format!("these repositories are not all root's, but also {owner}'s"))
                    .hint("name them, one owner's at a time:\ncountersign log show --server REPO.git")
            });
        }
        servers.iter().map(|server| ledger_of(server)).collect()
    }
}

fn ledger_of(server: &Path) -> Result<Found> {
    let hint = "name the repository, or its ledger with --ledger DIR:\ncountersign log show --server REPO.git";
    let git_dir = match resolved(server) {
        Some(git_dir) => git_dir.canonicalize().map_err(Failure::new)?,
        // Below the top of a work tree git knows where its repository is.
        None => PathBuf::from(
            git(&["rev-parse", "--absolute-git-dir"])
                .in_repository(server)
                .line()
                .map_err(|_| Failure::new(format!("{} is not a git repository", server.display())).hint(hint))?,
        ),
    };
    let directory = installed_ledger(&git_dir);
    Ok(Found { directory, git_dir: Some(git_dir) })
}

fn show(show: &Show) -> Result {
    for found in show.place.find()? {
        if show.would_refuse {
            sum_up(show, &found.directory)?;
            continue;
        }
        let mut failed = None;
        let read = ledger::read(&found.directory, Signatures::Last, &mut |number, _, entry| {
            if failed.is_none() && show.selects(entry) {
                failed = print(&show.line(number, entry)).err();
            }
        });
        read.map_err(|error| ledger_failure(&error))?;
        if let Some(failure) = failed {
            return Err(failure);
        }
    }
    Ok(Exit::Accepted)
}

impl Show {
    fn selects(&self, entry: &Entry) -> bool {
        let time = entry.time().map(Time);
        let in_time = self.since.is_none_or(|since| time.is_none_or(|time| time >= since))
            && self.until.is_none_or(|until| time.is_none_or(|time| time < until));
        let updates = updates_of(entry);
        let name = self.name.as_deref().map(full_name);
        let named = name.is_none_or(|name| names_of(entry).any(|own| own.0 == name.as_bytes()));
        let principal = self.principal.as_deref().is_none_or(|id| {
            let worked = |update: &UpdateRecord| update.work.iter().any(|work| work.principal == id);
            let blamed = |update: &UpdateRecord| update.findings.iter().any(|one| one.author.as_deref() == Some(id));
            let submitted = matches!(
                entry,
                Entry::Decided(decided) if decided.submitter.as_deref().and_then(|who| who.split(" via ").next()) == Some(id)
            );
            submitted || updates.iter().any(|update| worked(update) || blamed(update))
        });
        let coded = self
            .code
            .as_deref()
            .is_none_or(|code| updates.iter().any(|update| update.findings.iter().any(|one| one.code == code)));
        let verdict = self.verdict.is_none_or(|verdict| match entry {
            Entry::Decided(decided) => decided.outcome == verdict.outcome(),
            _ => false,
        });
        let commit = self.commit.as_deref().is_none_or(|prefix| mentions(entry, prefix));
        in_time && named && principal && coded && verdict && commit
    }

    fn line(&self, number: u64, entry: &Entry) -> String {
        match self.format {
            Format::Text => text(number, entry),
            // The entry is canonical JSON already; it stands in the line as it is signed.
            Format::Json => {
                let json = entry.to_json().unwrap_or_default();
                format!("{{\"schema\":1,\"number\":{number},\"entry\":{json}}}\n")
            }
        }
    }
}

impl VerdictArg {
    fn outcome(self) -> Outcome {
        match self {
            Self::Accepted => Outcome::Accepted,
            Self::Rejected => Outcome::Rejected,
            Self::Undecided => Outcome::Undecided,
        }
    }
}

fn updates_of(entry: &Entry) -> &[UpdateRecord] {
    match entry {
        Entry::Decided(decided) => &decided.updates,
        Entry::Continued(continued) => &continued.updates,
        _ => &[],
    }
}

fn names_of(entry: &Entry) -> Box<dyn Iterator<Item = &RefName> + '_> {
    match entry {
        Entry::Refs(found) => Box::new(found.refs.iter().map(|(name, _)| name)),
        Entry::Committed(settled) | Entry::Aborted(settled) => Box::new(settled.refs.iter()),
        Entry::Unexplained(unexplained) => Box::new(unexplained.refs.iter().map(|moved| &moved.name)),
        _ => Box::new(updates_of(entry).iter().map(|update| &update.name)),
    }
}

fn mentions(entry: &Entry, prefix: &str) -> bool {
    let is_it = |id: &CanonicalOid| id.to_string().starts_with(prefix);
    let in_update = |update: &UpdateRecord| {
        update.old.iter().chain(&update.new).any(is_it)
            || update.findings.iter().filter_map(|finding| finding.object.as_ref()).any(is_it)
            || update.work.iter().flat_map(|work| &work.commits).any(|(id, _)| is_it(id))
    };
    match entry {
        Entry::Refs(found) => found.refs.iter().filter_map(|(_, value)| value.as_ref()).any(is_it),
        Entry::Unexplained(seen) => seen.refs.iter().flat_map(|moved| moved.from.iter().chain(&moved.to)).any(is_it),
        _ => updates_of(entry).iter().any(in_update),
    }
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Accepted => "accepted",
        Outcome::Rejected => "rejected",
        Outcome::Undecided => "undecided",
    }
}

fn value(id: Option<CanonicalOid>) -> String {
    id.map_or_else(|| "nothing".to_owned(), |id| id.0.short())
}

fn shown(name: &RefName) -> String {
    escape(&name.0, 200)
}

fn moved_text(moved: &Moved) -> String {
    format!("{} from {} to {}", shown(&moved.name), value(moved.from), value(moved.to))
}

fn text(number: u64, entry: &Entry) -> String {
    let time = entry.time().map_or_else(|| " ".repeat(20), |time| Time(time).to_string());
    let head = |words: String| format!("{time} #{number} {words}\n");
    let refs = |settled: &Settled| settled.refs.iter().map(shown).collect::<Vec<_>>().join(" ");
    match entry {
        Entry::Opened(opened) => head(format!("opened for {}, signed by {}", opened.repository, opened.key)),
        Entry::Refs(found) => head(format!("{} refs taken as found", found.refs.len())),
        Entry::Decided(decided) => {
            let policy = decided.policy.map_or_else(|| "no policy".to_owned(), |digest| format!("policy {}", &digest));
            let submitter = decided.submitter.as_ref().map(|id| format!(" from {id}")).unwrap_or_default();
            let clock = decided.clock.map(|clock| format!(", clock {clock}")).unwrap_or_default();
            let mut lines = head(format!("{}{submitter} ({policy}{clock})", word(decided.outcome)));
            lines.extend(decided.error.iter().map(|error| format!("  {error}\n")));
            lines.extend(decided.updates.iter().map(update_text));
            lines
        }
        Entry::Continued(continued) => {
            let mut lines = head(format!("more of #{}", continued.decision));
            lines.extend(continued.updates.iter().map(update_text));
            lines
        }
        Entry::Committed(settled) => head(format!("committed #{}: {}", settled.decision, refs(settled))),
        Entry::Aborted(settled) => head(format!("aborted #{}: {}", settled.decision, refs(settled))),
        Entry::Unexplained(unexplained) => {
            let moves: Vec<String> = unexplained.refs.iter().map(moved_text).collect();
            head(format!("moved with no decision: {}", moves.join(", ")))
        }
        Entry::Suppressed(suppressed) => {
            let submitter = suppressed.submitter.as_deref().unwrap_or("anybody");
            head(format!("{} more pushes of {submitter} refused since {}", suppressed.refused, suppressed.hour))
        }
        Entry::Recovered(recovered) => head(format!("{} bytes that a crash left were cut off", recovered.cut)),
    }
}

fn update_text(update: &UpdateRecord) -> String {
    let commits = if update.commits == 1 { "1 commit".to_owned() } else { format!("{} commits", update.commits) };
    let who: Vec<String> =
        update.work.iter().map(|work| format!("{} of {}", work.commits.len(), work.principal)).collect();
    let who: Vec<String> =
        who.into_iter().chain(update.approvals.iter().map(|one| format!("approved by {}", one.approver))).collect();
    let work = if who.is_empty() { String::new() } else { format!(", {}", who.join(", ")) };
    let (old, new) = (value(update.old), value(update.new));
    let mut lines = format!("  {} {old}..{new}: {}, {commits}{work}\n", shown(&update.name), word(update.outcome));
    for finding in &update.findings {
        let object = finding.object.map(|id| format!(" {}", id.0.short())).unwrap_or_default();
        let rule = finding.rule.as_ref().map(|rule| format!(" [{rule}]")).unwrap_or_default();
        lines.push_str(&format!("    {}: {}{object}: {}{rule}\n", finding.severity, finding.code, finding.detail));
    }
    if let Some(left_out) = &update.left_out {
        lines.push_str(&format!("    and {} more findings\n", left_out.findings));
    }
    lines
}

/// What enforcing would have refused.
#[derive(Default, Serialize)]
struct Summary {
    schema: u32,
    repository: String,
    pushes: u64,
    would_refuse: u64,
    by_rule: BTreeMap<String, u64>,
    by_code: BTreeMap<String, u64>,
    by_who: BTreeMap<String, u64>,
    by_ref: BTreeMap<String, u64>,
    /// Findings that the ledger has the number of, and nothing else.
    not_listed: u64,
    /// What has at least the count that is given: some of what is not listed may be of it.
    at_least: AtLeast,
}

#[derive(Default, Serialize)]
struct AtLeast {
    by_rule: BTreeSet<String>,
    by_code: BTreeSet<String>,
    by_who: BTreeSet<String>,
}

impl Summary {
    /// Counts the findings on one update. Of more than are listed, each code and rule has the first in the list.
    fn count(&mut self, update: &UpdateRecord, refusing: &[&FindingRecord]) {
        *self.by_ref.entry(shown(&update.name)).or_default() += 1;
        let left_out = update.left_out.as_ref().map_or(0, |left_out| left_out.findings);
        let rule = |one: &FindingRecord| one.rule.clone().unwrap_or_else(|| "always".to_owned());
        let who = |one: &FindingRecord| one.author.clone().unwrap_or_else(|| "-".to_owned());
        for finding in refusing {
            *self.by_code.entry(finding.code.clone()).or_default() += 1;
            *self.by_rule.entry(rule(finding)).or_default() += 1;
            *self.by_who.entry(who(finding)).or_default() += 1;
        }
        let kinds: BTreeSet<_> = update.findings.iter().map(|one| (&one.severity, &one.code, &one.rule)).collect();
        if left_out == 0 {
            return;
        }
        self.at_least.by_who.extend(refusing.iter().map(|one| who(one)));
        match (kinds.len(), refusing.first()) {
            (1, Some(one)) => {
                *self.by_code.entry(one.code.clone()).or_default() += left_out;
                *self.by_rule.entry(rule(one)).or_default() += left_out;
            }
            _ => {
                self.not_listed += left_out;
                *self.by_code.entry("(not listed)".to_owned()).or_default() += left_out;
                self.at_least.by_code.extend(refusing.iter().map(|one| one.code.clone()));
                self.at_least.by_rule.extend(refusing.iter().map(|one| rule(one)));
            }
        }
    }
}

fn sum_up(show: &Show, directory: &Path) -> Result<()> {
    let mut summary = Summary { schema: 1, ..Summary::default() };
    // The continuations of a decision follow it at once.
    let mut counted = false;
    let mut accepted = false;
    let read = ledger::read(directory, Signatures::Last, &mut |_, _, entry| {
        if let Entry::Decided(decided) = entry {
            (accepted, counted) = (decided.outcome == Outcome::Accepted && show.selects(entry), false);
            summary.pushes += u64::from(accepted);
            if accepted && decided.error.is_some() {
                *summary.by_code.entry("undecided".to_owned()).or_default() += 1;
            }
            if accepted && decided.error.is_some() {
                counted = true;
                summary.would_refuse += 1;
            }
        }
        for update in updates_of(entry).iter().filter(|_| accepted) {
            let refusing: Vec<&FindingRecord> = update.findings.iter().filter(|one| one.severity != "notice").collect();
            if refusing.is_empty() {
                continue;
            }
            if !counted {
                summary.would_refuse += 1;
                counted = true;
            }
            summary.count(update, &refusing);
        }
    });
    summary.repository = read.map_err(|error| ledger_failure(&error))?.repository;
    if show.format == Format::Json {
        return print(&(serde_json::to_string(&summary).map_err(Failure::new)? + "\n"));
    }
    let mut lines = format!(
        "{}: {} of {} accepted pushes would have been refused\n",
        summary.repository, summary.would_refuse, summary.pushes
    );
    let (exact, at_least) = (BTreeSet::new(), &summary.at_least);
    for (title, counts, at_least) in [
        ("findings by rule", &summary.by_rule, &at_least.by_rule),
        ("findings by code", &summary.by_code, &at_least.by_code),
        ("findings by who made the commit, as it says", &summary.by_who, &at_least.by_who),
        ("pushes by ref", &summary.by_ref, &exact),
    ] {
        if counts.is_empty() {
            continue;
        }
        lines.push_str(&format!("  {title}\n"));
        let mut sorted: Vec<_> = counts.iter().collect();
        sorted.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        for (name, count) in sorted {
            let more = if at_least.contains(name) { " (at least)" } else { "" };
            lines.push_str(&format!("    {count:>7}  {name}{more}\n"));
        }
    }
    if summary.not_listed > 0 {
        let most = limits::RECORDED_FINDINGS;
        lines.push_str(&format!(
            "  {} findings more, of pushes with more than {most} on a ref: the ledger lists these, of each code and rule the first\n",
            summary.not_listed
        ));
    }
    print(&lines)
}

fn verify(verify: &Verify) -> Result {
    let mut exit = Exit::Accepted;
    for found in verify.place.find()? {
        match check(verify, &found) {
            Ok(()) => {}
            Err(Wrong::Ledger(failure)) => {
                say(&format!("error: {}: {}", found.directory.display(), failure.message));
                say_hint(failure.hint.as_deref().unwrap_or_default());
                exit = Exit::Rejected;
            }
            Err(Wrong::CannotTell(failure)) => return Err(failure),
        }
    }
    Ok(exit)
}

enum Wrong {
    /// The ledger is not what it should be.
    Ledger(Failure),
    /// It could not be read.
    CannotTell(Failure),
}

fn check(verify: &Verify, found: &Found) -> std::result::Result<(), Wrong> {
    let verified = ledger::read(&found.directory, Signatures::All, &mut |_, _, _| {}).map_err(|error| match error {
        LedgerError::Corrupt { .. } => {
            let hint = error.hint();
            Wrong::Ledger(Failure::new(error).hint(hint))
        }
        error => Wrong::CannotTell(ledger_failure(&error)),
    })?;
    if let Some(path) = &verify.key {
        // The line itself stands here where root has read the file for the ledger's owner.
        let line =
            path.to_str().filter(|text| text.contains(' ') && crate::core::ssh::PublicKey::parse_line(text).is_ok());
        let text = line.map_or_else(|| std::fs::read_to_string(path), |line| Ok(line.to_owned()));
        let text = text
            .map_err(|error| Wrong::CannotTell(Failure::new(format!("the public key {}: {error}", path.display()))))?;
        let (key, _) =
            crate::core::ssh::PublicKey::parse_line(&text).map_err(|error| Wrong::CannotTell(Failure::new(error)))?;
        if key != verified.key {
            let failure = Failure::new(format!("it is signed with {}, another key", verified.key.fingerprint()));
            return Err(Wrong::Ledger(failure.hint("somebody has made a ledger of their own in its place")));
        }
    }
    let summary = format!(
        "{}: {} entries, each signed by {}, root sha256:{}\n",
        verified.repository,
        verified.size,
        verified.key.fingerprint(),
        verified.root
    );
    print(&summary).map_err(Wrong::CannotTell)?;
    if verified.torn > 0 {
        let message = format!("the last {} bytes are what a crash left of an entry", verified.torn);
        return Err(Wrong::Ledger(Failure::new(message).hint("the next push cuts them off and says so in an entry")));
    }
    for name in verified.state.unexplained() {
        say(&format!("warning: {} moved with no decision, and no admin has said that it is right", shown(name)));
    }
    match &found.git_dir {
        Some(git_dir) => check_refs(git_dir, &verified.state),
        None => Ok(()),
    }
}

/// Holds the refs of the repository against the last value that the ledger has of each.
fn check_refs(git_dir: &Path, state: &ledger::State) -> std::result::Result<(), Wrong> {
    let cannot = |error: &dyn std::fmt::Display| Wrong::CannotTell(Failure::new(error));
    let dir = GitDir::at(git_dir).map_err(|error| cannot(&error))?;
    let known = state.replayed();
    let format = known.values().next().map_or(ObjectFormat::Sha1, Oid::format);
    let refs = Refs::open(&dir, format).map_err(|error| cannot(&error))?;
    let now = ServerRefs(&refs).all().map_err(|error| cannot(&error))?;
    let mut wrong = 0;
    let names: std::collections::BTreeSet<&Vec<u8>> = known.keys().chain(now.keys()).collect();
    for name in names {
        let (last, current) = (known.get(name).copied(), now.get(name).copied());
        if last != current && !state.lands(name, current) {
            wrong += 1;
            let name = escape(name, 200);
            say(&format!(
                "error: {name} is at {}, and the ledger's last value is {}",
                value(current.map(CanonicalOid)),
                value(last.map(CanonicalOid))
            ));
        }
    }
    if wrong == 0 {
        return Ok(());
    }
    let failure = Failure::new(format!("{wrong} refs are not where the ledger left them"));
    Err(Wrong::Ledger(failure.hint("the next push records them as moved with no decision")))
}

/// What the ledger says of one commit, for `show`.
pub(crate) fn history(directory: &Path, commit: Oid) -> Result<Vec<String>> {
    let id = commit.to_string();
    let mut lines = Vec::new();
    let mut decisions: BTreeMap<u64, Timestamp> = BTreeMap::new();
    let mut latest = Timestamp(0);
    ledger::read(directory, Signatures::Last, &mut |number, _, entry| {
        latest = entry.time().unwrap_or(latest);
        let at = Time(latest);
        match entry {
            Entry::Decided(_) | Entry::Continued(_) if mentions(entry, &id) => {
                let decision = if let Entry::Continued(continued) = entry { continued.decision } else { number };
                if let Entry::Decided(decided) = entry {
                    lines.push(format!("decided   {at} {} (entry {number})", word(decided.outcome)));
                    lines.extend(decided.submitter.iter().map(|who| format!("submitted by {who}")));
                }
                for update in updates_of(entry) {
                    let holders = update.work.iter().filter(|work| work.commits.iter().any(|(own, _)| own.0 == commit));
                    lines.extend(holders.map(|work| {
                        format!("          {}: work of {}, key {}", shown(&update.name), work.principal, work.key)
                    }));
                    let holds = update.work.iter().any(|work| work.commits.iter().any(|(own, _)| own.0 == commit));
                    lines.extend(update.approvals.iter().filter(|_| holds).map(|approval| {
                        format!(
                            "          {}: approved by {}, {}",
                            shown(&update.name),
                            approval.approver,
                            approval.digest
                        )
                    }));
                    let about = update.findings.iter().filter(|finding| finding.object == Some(CanonicalOid(commit)));
                    lines.extend(about.map(|finding| format!("          {}: {}", finding.code, finding.detail)));
                }
                decisions.insert(decision, latest);
            }
            Entry::Committed(settled) if decisions.contains_key(&settled.decision) => {
                let refs: Vec<String> = settled.refs.iter().map(shown).collect();
                lines.push(format!("landed    {at} on {} (entry {number})", refs.join(", ")));
            }
            _ => {}
        }
    })
    .map_err(|error| ledger_failure(&error))?;
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_prefixes_are_strict() {
        assert_eq!(time("2026-11-01"), time("2026-11-01T00:00:00Z"));
        for bad in ["yesterday", "2026-13-01", "2026-11-01T00:00:00", ""] {
            assert!(time(bad).is_err(), "{bad}");
        }
        assert!(prefix("1a2b").is_ok() && prefix("1a2").is_err() && prefix("1A2B").is_err());
    }
}
