//! `countersign log evidence`: of each control of a framework, what the policies enforce, what the ledgers evidence, and what neither says.

mod measure;
mod slsa;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;

use serde::Serialize;

use crate::audit::activity::{self, Activity, What};
use crate::audit::chain::has_ledger;
use crate::audit::log::{Place, put};
use crate::audit::period::{Ends, Period, Served, day, served};
use crate::audit::report::text as html;
use crate::core::canonical::Time;
use crate::core::policy::Mode;
use crate::core::report::escape;
use crate::ledger::Outcome;
use crate::system::{Exit, Failure, Result, now};
use measure::Measure;

/// The table of controls.
const CONTROLS: &str = include_str!("controls.tsv");

pub(crate) struct Evidence {
    pub(crate) place: Place,
    pub(crate) period: Period,
    /// The framework whose controls are told
    pub(crate) framework: Framework,
    pub(crate) format: Format,
    /// Of the source track of SLSA: the attestations of one revision, its source provenance and a verification summary, as in-toto
    /// statements, a line each. They are not signed
    pub(crate) attest: Option<String>,
    /// Where to write it; without it, standard output
    pub(crate) out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framework {
    /// OWASP Top 10 for Agentic Applications 2026: ASI01 to ASI10
    OwaspAsi,
    /// MAESTRO of the Cloud Security Alliance: layers 1 to 7
    Maestro,
    /// NIST AI Risk Management Framework 1.0: subcategories
    NistAiRmf,
    /// NIST Cybersecurity Framework 2.0: subcategories
    Csf20,
    /// NIST Secure Software Development Framework 1.1: tasks
    Ssdf,
    /// SLSA 1.2, source track: requirements and the level that the record bears out
    SlsaSource,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Markdown
    Md,
    /// One JSON object
    Json,
    /// A page that stands alone
    Html,
}

impl Framework {
    const fn name(self) -> &'static str {
        match self {
            Self::OwaspAsi => "owasp-asi",
            Self::Maestro => "maestro",
            Self::NistAiRmf => "nist-ai-rmf",
            Self::Csf20 => "csf-2.0",
            Self::Ssdf => "ssdf",
            Self::SlsaSource => "slsa-source",
        }
    }
}

/// A row of the table.
struct Control {
    framework: &'static str,
    id: &'static str,
    alias: Option<&'static str>,
    name: &'static str,
    measures: Vec<Measure>,
    claim: Claim,
    says: &'static str,
    limit: &'static str,
}

/// The most that can be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Claim {
    None,
    Supports,
    Evidences,
    Enforces,
}

fn controls() -> impl Iterator<Item = Control> {
    CONTROLS.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let mut cells = line.split('\t');
        let mut cell = || cells.next();
        let (framework, id, alias, name) = (cell()?, cell()?, cell()?, cell()?);
        let measures = cell()?.split(',').filter_map(Measure::parse).collect();
        let claim = match cell()? {
            "enforces" => Claim::Enforces,
            "evidences" => Claim::Evidences,
            "supports" => Claim::Supports,
            _ => Claim::None,
        };
        let alias = (alias != "-").then_some(alias);
        Some(Control { framework, id, alias, name, measures, claim, says: cell()?, limit: cell()? })
    })
}

/// What the ledgers of one time say, by measure.
#[derive(Default)]
struct Record {
    pushes: u64,
    entries: u64,
    refused: BTreeMap<&'static str, u64>,
    let_through: BTreeMap<&'static str, u64>,
    gaps: Gaps,
}

/// Where enforcement was broken.
#[derive(Default, Serialize)]
struct Gaps {
    /// Days on which a push was accepted that enforcing refuses.
    days_without_enforcement: BTreeSet<String>,
    /// Moves of refs with no decision.
    out_of_band: u64,
    /// Times that an admin took refs as they were found, after the record had begun.
    taken_as_found: u64,
    /// Other times that an admin set the record right.
    set_right: u64,
    /// Repositories whose hook only observes today, or that have none.
    not_enforcing: Vec<String>,
    /// Repositories without a record.
    no_record: Vec<String>,
}

impl Gaps {
    fn is_none(&self) -> bool {
        let Self { days_without_enforcement, out_of_band, taken_as_found, set_right, not_enforcing, no_record } = self;
        days_without_enforcement.is_empty()
            && out_of_band + taken_as_found + set_right == 0
            && not_enforcing.is_empty()
            && no_record.is_empty()
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let days = self.days_without_enforcement.len();
        let mut add = |count: u64, words: &str| {
            if count > 0 {
                lines.push(format!("{count} {words}"));
            }
        };
        add(u64::try_from(days).unwrap_or(u64::MAX), "days on which pushes were accepted that enforcing refuses");
        add(self.out_of_band, "moves of refs with no decision");
        add(self.taken_as_found, "times refs were taken as found, after the record had begun");
        add(self.set_right, "times an admin set the record right");
        let listed =
            |names: &[String]| names.iter().map(|name| escape(name.as_bytes(), 100)).collect::<Vec<_>>().join(", ");
        if !self.not_enforcing.is_empty() {
            lines.push(format!("the gate does not enforce today in {}", listed(&self.not_enforcing)));
        }
        if !self.no_record.is_empty() {
            lines.push(format!("there is no record of {}", listed(&self.no_record)));
        }
        lines
    }
}

impl Record {
    fn take(&mut self, served: &Served, activity: &Activity, ends: Ends) {
        self.entries += activity.entries;
        if !served.enforces() && served.git_dir.is_some() {
            self.gaps.not_enforcing.push(activity.repository.clone());
        }
        for push in activity.pushes.iter().filter(|push| ends.has(push.time)) {
            self.pushes += 1;
            if push.let_through() {
                self.gaps.days_without_enforcement.insert(day(push.time));
            }
            for update in &push.updates {
                let codes: BTreeSet<&str> =
                    update.findings.iter().filter(|one| one.refuses()).map(|one| one.code.as_str()).collect();
                for measure in Measure::ALL {
                    if measure.codes().iter().any(|code| codes.contains(code.name())) {
                        let counts =
                            if push.outcome == Outcome::Accepted { &mut self.let_through } else { &mut self.refused };
                        *counts.entry(measure.name()).or_default() += 1;
                    }
                }
            }
        }
        for past in activity.past_the_gate.iter().filter(|past| ends.has(past.time)) {
            match past.what {
                What::Moved(..) => self.gaps.out_of_band += 1,
                What::Taken(_) => self.gaps.taken_as_found += 1,
                What::Clock | What::Unspent(_) => self.gaps.set_right += 1,
            }
        }
    }
}

/// What is said of one control.
#[derive(Serialize)]
struct Finding {
    id: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    alias: Option<&'static str>,
    name: &'static str,
    /// What can be claimed today, which is at most what the table says.
    claim: Claim,
    /// In what sense.
    meaning: &'static str,
    /// Rules in force that refuse.
    enforced: Vec<Held>,
    /// Rules that are there and refuse nothing.
    observed: Vec<String>,
    /// Measures that no rule asks for.
    missing: Vec<&'static str>,
    refused: u64,
    let_through: u64,
    /// What it cannot say.
    cannot_say: &'static str,
}

#[derive(Clone, Serialize, PartialEq, Eq, PartialOrd, Ord)]
struct Held {
    measure: &'static str,
    rule: String,
    test: &'static str,
}

impl Finding {
    fn of(control: &Control, found: &[Served], record: &Record) -> Self {
        let (mut enforced, mut observed, mut missing) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
        for measure in &control.measures {
            let rules: Vec<(Mode, String)> = found.iter().flat_map(|served| measure.rules(served)).collect();
            if rules.is_empty() {
                missing.push(measure.name());
            }
            for (mode, rule) in rules {
                if mode == Mode::Enforce {
                    enforced.insert(Held { measure: measure.name(), rule, test: measure.test() });
                } else {
                    observed.insert(rule);
                }
            }
        }
        let sum = |counts: &BTreeMap<&'static str, u64>| {
            control.measures.iter().filter_map(|measure| counts.get(measure.name())).sum::<u64>()
        };
        let claim = match (enforced.is_empty(), control.claim) {
            (true, Claim::Enforces | Claim::Evidences) if record.pushes > 0 && !observed.is_empty() => Claim::Evidences,
            (true, _) => Claim::None,
            (false, Claim::Evidences) if record.pushes == 0 => Claim::Supports,
            (false, claim) => claim,
        };
        Self {
            id: control.id,
            alias: control.alias,
            name: control.name,
            claim,
            meaning: control.says,
            enforced: enforced.into_iter().collect(),
            observed: observed.into_iter().collect(),
            missing,
            refused: sum(&record.refused),
            let_through: sum(&record.let_through),
            cannot_say: control.limit,
        }
    }

    fn words(&self) -> &'static str {
        match self.claim {
            Claim::Enforces => "Enforced",
            Claim::Evidences => "Evidenced",
            Claim::Supports => "Supported only",
            Claim::None => "Not claimed",
        }
    }
}

pub(crate) fn run(evidence: &Evidence) -> Result {
    let ends = evidence.period.ends()?;
    let found = served(&evidence.place)?;
    let mut record = Record::default();
    let mut levels = Vec::new();
    for one in &found {
        if !has_ledger(&one.ledger) {
            record.gaps.no_record.push(one.path.display().to_string());
            continue;
        }
        let activity = activity::read(&one.ledger).map_err(|failure| failure.about(one.path.display()))?;
        record.take(one, &activity, ends);
        if evidence.framework == Framework::SlsaSource {
            levels.extend(slsa::levels(one, &activity, ends));
        }
    }
    if let Some(name) = &evidence.attest {
        if evidence.framework != Framework::SlsaSource {
            return Err(
                Failure::new("--attest is about the source track of SLSA").hint("--framework slsa-source --attest REF")
            );
        }
        put(evidence.out.as_deref(), &slsa::statements(&levels, name, now()?)?)?;
        return Ok(Exit::Accepted);
    }
    let findings: Vec<Finding> = controls()
        .filter(|control| control.framework == evidence.framework.name())
        .map(|control| Finding::of(&control, &found, &record))
        .collect();
    let told =
        Told { framework: evidence.framework.name(), ends, record: &record, findings: &findings, levels: &levels };
    let text = match evidence.format {
        Format::Md => told.markdown(),
        Format::Json => told.json() + "\n",
        Format::Html => told.page(),
    };
    put(evidence.out.as_deref(), &text)?;
    Ok(Exit::Accepted)
}

/// All that is told.
struct Told<'a> {
    framework: &'static str,
    ends: Ends,
    record: &'a Record,
    findings: &'a [Finding],
    levels: &'a [slsa::Level],
}

/// What every report of this kind says.
const CAVEAT: &str = "Enforced means: a push that breaks it is refused at this gate, and nothing more. That no AI was used where none was declared \
cannot be shown by any record. What a server does besides pushes shows only in the refs that it moved.";

impl Told<'_> {
    fn json(&self) -> String {
        let Record { pushes, entries, refused: _, let_through: _, gaps } = self.record;
        serde_json::json!({
            "schema": 1, "framework": self.framework, "from": Time(self.ends.from).to_string(), "to": Time(self.ends.to).to_string(),
            "pushes": pushes, "entries": entries, "unbroken": gaps.is_none(), "gaps": gaps, "controls": self.findings,
            "levels": self.levels, "caveat": CAVEAT,
        })
        .to_string()
    }

    /// What is said first, of the whole time.
    fn head(&self) -> Vec<String> {
        let Record { pushes, gaps, .. } = self.record;
        let mut lines = vec![format!("{pushes} pushes were decided and recorded.")];
        lines.push(match gaps.is_none() {
            true => "Enforcement was not broken, as far as the record says.".to_owned(),
            false => "Enforcement was broken:".to_owned(),
        });
        lines.extend(gaps.lines().into_iter().map(|line| format!("- {line}")));
        lines
    }

    fn markdown(&self) -> String {
        let mut text =
            format!("# {}, {}\n\n{}\n\n{CAVEAT}\n", self.framework, self.ends.words(), self.head().join("\n"));
        for level in self.levels {
            let _ = write!(text, "\n- {}", plain(&level.sentence()));
        }
        if !self.levels.is_empty() {
            text.push('\n');
        }
        for one in self.findings {
            let alias = one.alias.map(|alias| format!(" (alias {alias})")).unwrap_or_default();
            let _ = write!(text, "\n## {}{alias}: {}\n\n**{}**: {}.\n", one.id, one.name, one.words(), one.meaning);
            for held in &one.enforced {
                let _ = write!(text, "\n- enforces {}: {} (test `{}`)", held.measure, plain(&held.rule), held.test);
            }
            for rule in &one.observed {
                let _ = write!(text, "\n- refuses nothing: {}", plain(rule));
            }
            if !one.missing.is_empty() {
                let _ = write!(text, "\n- no rule asks for: {}", one.missing.join(", "));
            }
            let _ = write!(
                text,
                "\n- in this time: {} updates refused, {} let through in spite of it\n- cannot say: {}\n",
                one.refused, one.let_through, one.cannot_say
            );
        }
        text
    }

    fn page(&self) -> String {
        let mut body = String::new();
        for line in self.head() {
            let _ = writeln!(body, "<p>{}</p>", html(&line));
        }
        for level in self.levels {
            let _ = writeln!(body, "<p>{}</p>", html(&level.sentence()));
        }
        for one in self.findings {
            let alias = one.alias.map(|alias| format!(" (alias {alias})")).unwrap_or_default();
            let _ = writeln!(
                body,
                "<section><h2>{}</h2>\n<p><strong>{}</strong>: {}.</p>\n<ul>",
                html(&format!("{}{alias}: {}", one.id, one.name)),
                one.words(),
                html(one.meaning)
            );
            let mut item = |words: &str| body.push_str(&format!("<li>{}</li>\n", html(words)));
            one.enforced
                .iter()
                .for_each(|held| item(&format!("enforces {}: {} (test {})", held.measure, held.rule, held.test)));
            one.observed.iter().for_each(|rule| item(&format!("refuses nothing: {rule}")));
            if !one.missing.is_empty() {
                item(&format!("no rule asks for: {}", one.missing.join(", ")));
            }
            item(&format!(
                "in this time: {} updates refused, {} let through in spite of it",
                one.refused, one.let_through
            ));
            item(&format!("cannot say: {}", one.cannot_say));
            body.push_str("</ul></section>\n");
        }
        crate::audit::report::plain_page(&format!("{}, {}", self.framework, self.ends.words()), &body, CAVEAT)
    }
}

/// Text of which Markdown makes nothing.
fn plain(text: &str) -> String {
    let mut shown = String::new();
    for character in escape(text.as_bytes(), 1000).chars() {
        if matches!(character, '*' | '_' | '`' | '<' | '>' | '[' | ']' | '#' | '|') {
            shown.push('\\');
        }
        shown.push(character);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::{OnDisk as _, disk};

    /// Whether a framework has an id.
    fn is_real(framework: &str, id: &str) -> bool {
        let within = |text: Option<&str>, last: u32| {
            text.and_then(|text| text.parse().ok()).is_some_and(|number: u32| (1..=last).contains(&number))
        };
        match framework {
            "owasp-asi" => id.len() == 5 && within(id.strip_prefix("ASI"), 10),
            "maestro" => within(id.strip_prefix('L'), 7),
            "nist-ai-rmf" => {
                let counts: &[(&str, &[u32])] = &[
                    ("GOVERN", &[7, 3, 2, 3, 2, 2]),
                    ("MAP", &[6, 3, 5, 2, 2]),
                    ("MEASURE", &[3, 13, 3, 3]),
                    ("MANAGE", &[4, 4, 2, 3]),
                ];
                let Some((function, (category, number))) =
                    id.split_once(' ').and_then(|(function, rest)| Some((function, rest.split_once('.')?)))
                else {
                    return false;
                };
                let of = counts.iter().find(|(name, _)| *name == function).map(|(_, of)| of);
                let category: usize = category.parse().unwrap_or(0);
                of.and_then(|of| of.get(category.wrapping_sub(1))).is_some_and(|last| within(Some(number), *last))
            }
            "csf-2.0" => [
                "GV.PO-01", "GV.PO-02", "GV.RR-01", "GV.RR-02", "GV.RR-03", "GV.RR-04", "ID.AM-01", "ID.AM-02",
                "ID.AM-03", "ID.AM-04", "ID.AM-05", "ID.AM-07", "ID.AM-08", "ID.RA-07", "PR.AA-01", "PR.AA-02",
                "PR.AA-03", "PR.AA-04", "PR.AA-05", "PR.AA-06", "PR.DS-01", "PR.PS-01", "PR.PS-04", "PR.PS-06",
                "DE.CM-03", "DE.CM-09", "DE.AE-02", "DE.AE-03",
            ]
            .contains(&id),
            "ssdf" => [
                "PO.1.1", "PO.2.1", "PO.3.1", "PO.3.2", "PO.3.3", "PO.5.1", "PS.1.1", "PS.2.1", "PS.3.1", "PS.3.2",
                "PW.7.1", "PW.7.2",
            ]
            .contains(&id),
            "slsa-source" => [
                "access-and-history",
                "technical-controls",
                "history",
                "continuity",
                "identity-management",
                "source-provenance",
                "protected-refs",
                "two-party-review",
            ]
            .contains(&id),
            _ => false,
        }
    }

    #[test]
    fn every_row_names_a_control_that_there_is() {
        let lines = CONTROLS.lines().filter(|line| !line.starts_with('#'));
        let mut seen = BTreeSet::new();
        for (line, control) in lines.zip(controls()) {
            let cells: Vec<&str> = line.split('\t').collect();
            assert_eq!(cells.len(), 8, "{line}");
            assert!(is_real(control.framework, control.id), "{line}");
            assert!(seen.insert((control.framework, control.id)), "{line} stands twice");
            let measures = cells[4].split(',').filter(|name| *name != "-").count();
            assert_eq!(control.measures.len(), measures, "a measure of {line} is unknown");
            assert!(["enforces", "evidences", "supports", "none"].contains(&cells[5]), "{line}");
        }
        for framework in [
            Framework::OwaspAsi,
            Framework::Maestro,
            Framework::NistAiRmf,
            Framework::Csf20,
            Framework::Ssdf,
            Framework::SlsaSource,
        ] {
            let count = controls().filter(|control| control.framework == framework.name()).count();
            assert!(count >= 7, "{framework:?} has {count} controls");
        }
        let aliases: BTreeSet<&str> = controls().filter_map(|control| control.alias).collect();
        assert_eq!(aliases, BTreeSet::from(["A2", "M1"]));
        assert!(!is_real("owasp-asi", "ASI11") && !is_real("nist-ai-rmf", "MAP 6.1") && !is_real("maestro", "L8"));
    }

    /// What is said to be held by a test is.
    #[test]
    fn every_measure_has_a_test_that_there_is() {
        fn read(directory: &std::path::Path, text: &mut String) {
            for entry in disk::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.on_disk().is_dir() {
                    read(&path, text);
                } else {
                    text.push_str(&disk::read_to_string(path).unwrap_or_default());
                }
            }
        }
        let mut text = String::new();
        read(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/integration"), &mut text);
        for measure in Measure::ALL {
            assert!(text.contains(&format!("fn {}()", measure.test())), "{}", measure.test());
            assert_eq!(Measure::parse(measure.name()), Some(measure));
        }
    }
}
