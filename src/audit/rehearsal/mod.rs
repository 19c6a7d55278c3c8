//! `countersign policy test`: pushes made up as cases tell them, and judged by the gate.
//!
//! Nobody's private key is at hand, so each principal gets one more key in a copy of the policy ([`Policy::with_keys`]). All else
//! is as at a server: commits and approvals are objects of a repository, signed, and judged by the function that judges a push.

mod cast;
mod stage;

use std::collections::BTreeSet;

use crate::core::decide::{Code, Outcome, RefVerdict, Verdict};
use crate::core::id::RepositoryName;
use crate::core::policy::{Case, Expected, Policy};
use crate::core::report::{self, Audience, Characters, escape};
use crate::system::Result;

use cast::Cast;
use stage::Stage;

/// The name of the repository, where the policy does not say one.
const REPOSITORY: &str = "rehearsal";

/// What became of a case.
pub(crate) struct Performed {
    pub(crate) verdict: Verdict,
    pub(crate) holds: bool,
}

/// Judges every case.
pub(crate) fn perform(policy: &Policy, cases: &[Case]) -> Result<Vec<Performed>> {
    let cast = Cast::of(policy)?;
    let policy = policy.with_keys(cast.keys());
    let name = policy.repository().cloned().or_else(|| RepositoryName::parse(REPOSITORY.as_bytes()));
    let stage = Stage::set(cases)?;
    let mut performed = Vec::with_capacity(cases.len());
    for (number, case) in cases.iter().enumerate() {
        let verdict = stage.scene(&policy, &cast, name.as_ref()).play(number, case)?;
        let holds = meets(&verdict, &case.expected);
        performed.push(Performed { verdict, holds });
    }
    Ok(performed)
}

/// What became of the cases, for a screen: those that do not hold with what the gate says.
pub(crate) fn text(cases: &[Case], performed: &[Performed]) -> String {
    let mut text = String::new();
    for (case, one) in cases.iter().zip(performed) {
        let name = escape(case.name.as_bytes(), 200);
        if one.holds {
            text += &format!("holds   {name}\n");
            continue;
        }
        let place = escape(case.at.file.as_bytes(), 200);
        text += &format!("FAILS   {name} ({place}:{})\n", case.at.line);
        text += &format!("        expected {}, and it is {}\n", case.expected, outcome(&one.verdict));
        for line in report::text(&one.verdict, Audience::Checker, Characters::Ascii).lines() {
            text += &format!("        {line}\n");
        }
    }
    let failed = performed.iter().filter(|one| !one.holds).count();
    let all = performed.len();
    text + &match failed {
        0 => format!("all {all} hold\n"),
        1 => format!("1 of {all} does not hold\n"),
        _ => format!("{failed} of {all} do not hold\n"),
    }
}

/// The same for programs.
pub(crate) fn json(cases: &[Case], performed: &[Performed]) -> String {
    let codes = |codes: &BTreeSet<Code>| codes.iter().map(|code| code.name()).collect::<Vec<_>>();
    let one = |(case, one): (&Case, &Performed)| {
        let expected = match &case.expected {
            Expected::Accepted => serde_json::json!({ "outcome": Outcome::Accepted.name(), "codes": [] }),
            Expected::Refused(expected) => {
                serde_json::json!({ "outcome": Outcome::Rejected.name(), "codes": codes(expected) })
            }
        };
        serde_json::json!({
            "name": case.name, "file": case.at.file, "line": case.at.line, "holds": one.holds, "expected": expected,
            "judged": { "outcome": one.verdict.outcome().name(), "codes": codes(&refusing(&one.verdict)) },
        })
    };
    let holds = performed.iter().all(|one| one.holds);
    let cases: Vec<_> = cases.iter().zip(performed).map(one).collect();
    format!("{}\n", serde_json::json!({ "schema": 1, "holds": holds, "cases": cases }))
}

fn outcome(verdict: &Verdict) -> String {
    match verdict.outcome() {
        Outcome::Accepted => Expected::Accepted.to_string(),
        Outcome::Rejected => Expected::Refused(refusing(verdict)).to_string(),
        Outcome::Undecided => "not decided".to_owned(),
    }
}

/// The codes that refuse a push.
fn refusing(verdict: &Verdict) -> BTreeSet<Code> {
    verdict.refs.iter().flat_map(RefVerdict::refusing_codes).collect()
}

fn meets(verdict: &Verdict, expected: &Expected) -> bool {
    match expected {
        Expected::Accepted => verdict.outcome() == Outcome::Accepted,
        Expected::Refused(codes) => verdict.outcome() == Outcome::Rejected && refusing(verdict) == *codes,
    }
}
