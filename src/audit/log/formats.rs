//! Entries for programs: JSON, CSV and CEF, a line each, or one for each ref of an entry. Every line names the repository.

use super::entries::{SaidOfRefs, said_of_refs, submitter_of};
use super::lines::{self, word};
use super::ocsf;
use crate::core::canonical::{CanonicalOid, RefName, Time};
use crate::core::report::escape;
use crate::ledger::{Entry, LandedApproval, UpdateRecord};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Lines for people
    Text,
    /// One JSON object a line, with the entry as it is signed
    Json,
    /// A line for each ref of an entry: time, repository, number, kind, outcome, submitter, ref, old, new, agents, approvers, codes
    Csv,
    /// A line for each ref of an entry, in ArcSight's common event format
    Cef,
    /// A JSON object for each ref of an entry, as OCSF 1.5.0 has it: API Activity (6003) and Detection Finding (2004)
    Ocsf,
}

impl Format {
    /// The word for it on the command line.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Cef => "cef",
            Self::Ocsf => "ocsf",
        }
    }

    /// The lines of an entry. One that has no time has that of the entry before, `latest`.
    pub(super) fn lines(self, repository: &str, number: u64, entry: &Entry, latest: Time) -> String {
        match self {
            Self::Text => lines::text(number, entry).lines().map(|line| format!("{repository} {line}\n")).collect(),
            Self::Json => {
                let json = entry.to_json().unwrap_or_default();
                format!("{{\"schema\":1,\"repository\":\"{repository}\",\"number\":{number},\"entry\":{json}}}\n")
            }
            Self::Csv => rows(entry, latest).iter().map(|row| row.csv(repository, number)).collect(),
            Self::Cef => rows(entry, latest).iter().map(|row| row.cef(repository, number)).collect(),
            Self::Ocsf => rows(entry, latest).iter().map(|row| ocsf::line(row, repository, number)).collect(),
        }
    }
}

/// What an entry says of one ref; of none, where it is about no ref.
pub(super) struct Row {
    pub(super) time: Time,
    pub(super) kind: &'static str,
    pub(super) outcome: &'static str,
    pub(super) submitter: String,
    pub(super) name: String,
    pub(super) old: String,
    pub(super) new: String,
    pub(super) agents: String,
    pub(super) approvers: String,
    pub(super) codes: String,
    /// Who passed over what was found.
    pub(super) overridden: String,
    severity: u8,
}

/// The severity of CEF, 0 to 10, of what is in order, of what is refused, and of what went past the gate.
const ORDINARY: u8 = 1;
const REFUSED: u8 = 5;
const PAST_THE_GATE: u8 = 9;

/// That of what people accepted in spite of findings.
const OVERRIDDEN: u8 = 10;

fn rows(entry: &Entry, latest: Time) -> Vec<Row> {
    let (kind, severity) = kind(entry);
    let refused = matches!(entry, Entry::Suppressed(_)).then_some("rejected");
    let outcome = if let Entry::Decided(decided) = entry { word(decided.outcome) } else { refused.unwrap_or_default() };
    let row = || Row {
        time: entry.time().map_or(latest, Time),
        kind,
        outcome,
        submitter: escape(submitter_of(entry).unwrap_or_default().as_bytes(), 200),
        name: String::new(),
        old: String::new(),
        new: String::new(),
        agents: String::new(),
        approvers: String::new(),
        codes: String::new(),
        overridden: String::new(),
        severity: if outcome == "rejected" || outcome == "undecided" { REFUSED } else { severity },
    };
    let of = |name: &RefName| Row { name: escape(&name.0, 1000), ..row() };
    let mut rows: Vec<Row> = match said_of_refs(entry) {
        SaidOfRefs::Decided(updates) => updates.iter().map(|update| updated(update, row())).collect(),
        SaidOfRefs::Settled(refs) => refs.iter().map(of).collect(),
        SaidOfRefs::Moved(refs) => {
            let moved = refs.iter().map(|moved| Row { old: id(moved.from), new: id(moved.to), ..of(&moved.name) });
            moved.collect()
        }
        SaidOfRefs::Found(refs) => refs.iter().map(|(name, value)| Row { new: id(*value), ..of(name) }).collect(),
        SaidOfRefs::Nothing => Vec::new(),
    };
    if rows.is_empty() {
        rows.push(row());
    }
    rows
}

fn kind(entry: &Entry) -> (&'static str, u8) {
    match entry {
        Entry::Opened(_) => ("opened", ORDINARY),
        Entry::Raised(_) => ("raised", ORDINARY),
        Entry::Placed(_) => ("placed", ORDINARY),
        Entry::Rekeyed(_) => ("rekeyed", PAST_THE_GATE),
        Entry::Continues(_) => ("continues", ORDINARY),
        Entry::Carried(_) => ("carried", ORDINARY),
        Entry::Spent(_) => ("spent", ORDINARY),
        Entry::Unspent(_) => ("unspent", PAST_THE_GATE),
        Entry::Clock(_) => ("clock", PAST_THE_GATE),
        Entry::Refs(_) => ("refs", ORDINARY),
        Entry::Decided(_) => ("decided", ORDINARY),
        Entry::Continued(_) => ("continued", ORDINARY),
        Entry::Committed(_) => ("committed", ORDINARY),
        Entry::Aborted(_) => ("aborted", ORDINARY),
        Entry::Unexplained(_) => ("unexplained", PAST_THE_GATE),
        Entry::Ordered(_) => ("ordered", PAST_THE_GATE),
        Entry::Overrode(_) => ("overrode", ORDINARY),
        Entry::Suppressed(_) => ("suppressed", REFUSED),
        Entry::Recovered(_) => ("recovered", REFUSED),
    }
}

fn id(value: Option<CanonicalOid>) -> String {
    value.map(|id| id.to_string()).unwrap_or_default()
}

/// What a decision says of one ref.
fn updated(update: &UpdateRecord, row: Row) -> Row {
    fn listed<'w>(words: impl Iterator<Item = &'w str>) -> String {
        let words: std::collections::BTreeSet<&str> = words.collect();
        words.into_iter().collect::<Vec<_>>().join(" ")
    }
    let approvers: Vec<String> = update.approvals.iter().map(LandedApproval::word).collect();
    Row {
        outcome: word(update.outcome),
        name: escape(&update.name.0, 1000),
        old: id(update.old),
        new: id(update.new),
        agents: listed(update.work.iter().map(|work| work.principal.as_str())),
        approvers: listed(approvers.iter().map(String::as_str)),
        codes: listed(update.findings.iter().map(|finding| finding.code.as_str())),
        overridden: listed(update.overrides.iter().map(|one| one.by.as_str())),
        severity: if update.overrides.is_empty() { row.severity } else { OVERRIDDEN },
        ..row
    }
}

impl Row {
    fn csv(&self, repository: &str, number: u64) -> String {
        let Self {
            time,
            kind,
            outcome,
            submitter,
            name,
            old,
            new,
            agents,
            approvers,
            codes,
            overridden: _,
            severity: _,
        } = self;
        let (time, number) = (time.to_string(), number.to_string());
        let cells = [&time, repository, &number, kind, outcome, submitter, name, old, new, agents, approvers, codes];
        cells.map(cell).join(",") + "\r\n"
    }

    fn cef(&self, repository: &str, number: u64) -> String {
        let Self { time, kind, outcome, submitter, name, old, new, agents, approvers, codes, overridden, severity } =
            self;
        let version = env!("CARGO_PKG_VERSION");
        let mut line = format!("CEF:0|countersign|countersign|{version}|{kind}|{kind} {outcome}|{severity}|");
        line = line.replace(" |", "|");
        let millis = format!("{}000", time.0.0);
        let (number, codes) = (number.to_string(), codes.as_str());
        let fields: [(&str, &str); 8] = [
            ("rt", &millis),
            ("act", outcome),
            ("suser", submitter),
            ("filePath", name),
            ("oldFileId", old),
            ("fileId", new),
            ("reason", codes),
            ("cn1", &number),
        ];
        let labelled = [
            ("cs1", "repository", repository),
            ("cs2", "agents", agents),
            ("cs3", "approvers", approvers),
            ("cs4", "overridden", overridden),
        ];
        let mut words: Vec<String> = Vec::new();
        for (key, value) in fields.into_iter().filter(|(_, value)| !value.is_empty()) {
            words.push(format!("{key}={}", extension(value)));
        }
        words.push("cn1Label=number".to_owned());
        for (key, label, value) in labelled.into_iter().filter(|(.., value)| !value.is_empty()) {
            words.push(format!("{key}={} {key}Label={label}", extension(value)));
        }
        line + &words.join(" ") + "\n"
    }
}

/// A cell as RFC 4180 has it, which no spreadsheet takes for a formula.
pub(in crate::audit) fn cell(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@']) { "'" } else { "" };
    if guard.is_empty() && !text.contains(['"', ',', '\r', '\n', ' ']) {
        return text.to_owned();
    }
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

/// A value of an extension: what ends it is escaped.
fn extension(text: &str) -> String {
    text.replace('\\', "\\\\").replace('=', "\\=").replace(['\r', '\n'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::decide::Timestamp;
    use crate::ledger::{Moved, Unexplained, Witness};

    fn moved(name: &[u8]) -> Entry {
        let moved = Moved { name: RefName(name.into()), from: None, to: None };
        Entry::Unexplained(Unexplained { time: Time(Timestamp(1_700_000_000)), refs: vec![moved], by: Witness::Refs })
    }

    #[test]
    fn every_line_names_the_repository_and_is_one_line() {
        let entry = moved(b"refs/heads/a,\"b\"=c|d\\\n");
        let lines = |format: Format| format.lines("acme/pay", 7, &entry, Time(Timestamp(0)));
        for format in [Format::Text, Format::Json, Format::Csv, Format::Cef, Format::Ocsf] {
            let lines = lines(format);
            assert_eq!(lines.matches('\n').count(), 1, "{lines}");
            assert!(lines.ends_with('\n') && lines.contains("acme/pay"), "{lines}");
        }
        let csv = lines(Format::Csv);
        assert!(csv.starts_with("2023-11-14T22:13:20Z,acme/pay,7,unexplained,,,\"refs/heads/a,\"\"b\"\"=c|d"), "{csv}");
        assert_eq!(csv.split(',').count(), 13, "eleven commas, and one in a cell: {csv}");
        let cef = lines(Format::Cef);
        assert!(cef.starts_with("CEF:0|countersign|countersign|"), "{cef}");
        assert!(cef.contains("|unexplained|unexplained|9|rt=1700000000000 filePath=refs/heads/a,\"b\"\\=c|d"), "{cef}");
        assert!(cef.ends_with("cn1=7 cn1Label=number cs1=acme/pay cs1Label=repository\n"), "{cef}");
    }

    #[test]
    fn a_cell_is_no_formula() {
        for (text, expected) in [("a", "a"), ("", ""), ("a b", "\"a b\""), ("=1+1", "\"'=1+1\""), ("@x", "\"'@x\"")] {
            assert_eq!(cell(text), expected);
        }
    }
}
