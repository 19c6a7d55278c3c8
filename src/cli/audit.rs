//! What the commands of the audit take: which ledgers, of which time, and how it is printed.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::audit::inventory::{self, Table};
use crate::audit::log::{self, Given, Subject, parse_subject};
use crate::audit::{Printed, evidence, period, replay, report};
use crate::gate::policy_source::PolicyArg;

/// How it is printed.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum As {
    /// Lines for people
    Text,
    /// One JSON object
    Json,
}

#[derive(Args)]
pub(super) struct Place {
    /// Repositories whose ledgers are read; without any, the one here
    #[arg(long = "server", value_name = "REPO.git", num_args = 1..)]
    servers: Vec<PathBuf>,
    /// The directory of a ledger, or of a copy of one
    #[arg(long, value_name = "DIR", conflicts_with = "servers")]
    ledger: Option<PathBuf>,
}

impl Place {
    /// Whether it says where, and does not mean the repository around.
    pub(super) fn is_named(&self) -> bool {
        !self.servers.is_empty() || self.ledger.is_some()
    }
}

#[derive(Args)]
pub(super) struct Period {
    /// From when on: so long ago, such as 90d or 12w, or a day or time in UTC
    #[arg(long, value_name = "SPAN|TIME", default_value = "90d")]
    since: String,
    /// Until when; without it, until now
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

/// A head that somebody has kept, and what witnesses said of it.
#[derive(Args)]
struct Kept {
    /// A signed checkpoint of the log, instead of its last head
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// What a witness has answered: its lines of cosignatures on that checkpoint
    #[arg(long = "cosignature", value_name = "FILE")]
    cosignatures: Vec<PathBuf>,
}

#[derive(Args)]
pub(super) struct Prove {
    #[command(flatten)]
    place: Place,
    /// What is proved: an entry by its number (G:N of generation G), a commit by its id, a move as REF@OLD..NEW, or an approval as
    /// sha256:DIGEST
    #[arg(value_name = "ENTRY|COMMIT|REF@OLD..NEW|APPROVAL", value_parser = parse_subject)]
    subject: Subject,
    /// Of a commit or an approval, where it landed on this ref
    #[arg(long = "ref", value_name = "REF")]
    name: Option<String>,
    #[command(flatten)]
    given: Kept,
    /// Where to write the proof, such as deploy.tlog-proof; - for standard output
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Args)]
pub(super) struct Checkpoint {
    #[command(flatten)]
    place: Place,
    /// Sign it under a name that says nothing of the repository, with the ledger's key: for a witness that is somebody else's
    #[arg(long, conflicts_with = "checkpoint")]
    opaque: bool,
    #[command(flatten)]
    given: Kept,
    /// Print what a witness is asked that knows the log with N entries (c2sp.org/tlog-witness, add-checkpoint):
    /// curl --data-binary @FILE https://WITNESS/add-checkpoint
    #[arg(long, value_name = "N", verbatim_doc_comment)]
    request: Option<u64>,
    /// Where to write it; without it, standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Args)]
pub(super) struct Export {
    #[command(flatten)]
    place: Place,
    /// Where the files go: `checkpoint`, `tile/L/N` and `tile/entries/N`. What is there already is left as it is
    #[arg(long, value_name = "DIR")]
    tiles: PathBuf,
    #[command(flatten)]
    given: Kept,
}

#[derive(Args)]
pub(super) struct Report {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    period: Period,
    /// Where to write the page; - for standard output
    #[arg(long, value_name = "FILE", required_unless_present = "csv")]
    html: Option<PathBuf>,
    /// A directory for its tables, a file each
    #[arg(long, value_name = "DIR")]
    csv: Option<PathBuf>,
}

#[derive(Args)]
pub(super) struct Evidence {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    period: Period,
    /// The framework whose controls are told
    #[arg(long, value_enum)]
    framework: Framework,
    #[arg(long, value_enum, default_value_t = EvidenceAs::Md)]
    format: EvidenceAs,
    /// Of the source track of SLSA: the attestations of one revision, its source provenance and a verification summary, as in-toto
    /// statements, a line each. They are not signed
    #[arg(long, value_name = "REF")]
    attest: Option<String>,
    /// Where to write it; without it, standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Framework {
    /// OWASP Top 10 for Agentic Applications 2026: ASI01 to ASI10
    OwaspAsi,
    /// MAESTRO of the Cloud Security Alliance: layers 1 to 7
    Maestro,
    /// NIST AI Risk Management Framework 1.0: subcategories
    NistAiRmf,
    /// NIST Cybersecurity Framework 2.0: subcategories
    #[value(name = "csf-2.0")]
    Csf20,
    /// NIST Secure Software Development Framework 1.1: tasks
    Ssdf,
    /// SLSA 1.2, source track: requirements and the level that the record bears out
    SlsaSource,
}

#[derive(Clone, Copy, ValueEnum)]
enum EvidenceAs {
    /// Markdown
    Md,
    /// One JSON object
    Json,
    /// A page that stands alone
    Html,
}

#[derive(Args)]
pub(super) struct Replay {
    #[command(flatten)]
    place: Place,
    /// The number of the entry whose push is decided again; without it, every push of the time
    #[arg(value_name = "ENTRY", conflicts_with_all = ["since", "until"])]
    entry: Option<u64>,
    #[command(flatten)]
    period: Period,
    /// A policy instead of the one in force; all given hold together
    #[arg(long = "policy", value_name = "FILE|ref:REF:PATH")]
    policies: Vec<PolicyArg>,
    #[arg(long, value_enum, default_value_t = As::Text)]
    format: As,
}

#[derive(Args)]
pub(super) struct Agents {
    #[command(flatten)]
    place: Place,
    #[arg(long, value_enum, default_value_t = AgentsAs::Table)]
    format: AgentsAs,
}

#[derive(Clone, Copy, ValueEnum)]
enum AgentsAs {
    /// Columns for people
    Table,
    /// One JSON object
    Json,
    /// A line for each, for spreadsheets
    Csv,
}

impl From<As> for Printed {
    fn from(format: As) -> Self {
        match format {
            As::Text => Self::Text,
            As::Json => Self::Json,
        }
    }
}

impl From<Place> for log::Place {
    fn from(Place { servers, ledger }: Place) -> Self {
        Self { servers, ledger }
    }
}

impl From<Period> for period::Period {
    fn from(Period { since, until }: Period) -> Self {
        Self { since, until }
    }
}

impl From<Kept> for Given {
    fn from(Kept { checkpoint, cosignatures }: Kept) -> Self {
        Self { checkpoint, cosignatures }
    }
}

impl From<Prove> for log::Prove {
    fn from(Prove { place, subject, name, given, out }: Prove) -> Self {
        Self { place: place.into(), subject, name, given: given.into(), out }
    }
}

impl From<Checkpoint> for log::Head {
    fn from(Checkpoint { place, opaque, given, request, out }: Checkpoint) -> Self {
        Self { place: place.into(), opaque, given: given.into(), request, out }
    }
}

impl From<Export> for log::Export {
    fn from(Export { place, tiles, given }: Export) -> Self {
        Self { place: place.into(), tiles, given: given.into() }
    }
}

impl From<Report> for report::Report {
    fn from(Report { place, period, html, csv }: Report) -> Self {
        Self { place: place.into(), period: period.into(), html, csv }
    }
}

impl From<Evidence> for evidence::Evidence {
    fn from(Evidence { place, period, framework, format, attest, out }: Evidence) -> Self {
        let framework = match framework {
            Framework::OwaspAsi => evidence::Framework::OwaspAsi,
            Framework::Maestro => evidence::Framework::Maestro,
            Framework::NistAiRmf => evidence::Framework::NistAiRmf,
            Framework::Csf20 => evidence::Framework::Csf20,
            Framework::Ssdf => evidence::Framework::Ssdf,
            Framework::SlsaSource => evidence::Framework::SlsaSource,
        };
        let format = match format {
            EvidenceAs::Md => evidence::Format::Md,
            EvidenceAs::Json => evidence::Format::Json,
            EvidenceAs::Html => evidence::Format::Html,
        };
        Self { place: place.into(), period: period.into(), framework, format, attest, out }
    }
}

impl From<Replay> for replay::Replay {
    fn from(Replay { place, entry, period, policies, format }: Replay) -> Self {
        Self { place: place.into(), entry, period: period.into(), policies, format: format.into() }
    }
}

impl From<Agents> for inventory::List {
    fn from(Agents { place, format }: Agents) -> Self {
        let format = match format {
            AgentsAs::Table => Table::Columns,
            AgentsAs::Json => Table::Json,
            AgentsAs::Csv => Table::Csv,
        };
        Self { place: place.into(), format }
    }
}
