//! SARIF 2.1.0 (OASIS), as code scanning takes it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::remarks::{Remark, remarks};
use crate::core::decide::{Code, Severity, Verdict};

/// Prints a verdict as one SARIF log, with one run and one result for each finding.
pub fn sarif(verdict: &Verdict) -> String {
    let remarks = remarks(verdict);
    let used: BTreeMap<&str, Value> = remarks.iter().map(|remark| (remark.code, rule(remark.code))).collect();
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "countersign",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": used.into_values().collect::<Vec<_>>(),
            } },
            "columnKind": "utf16CodeUnits",
            "results": remarks.iter().map(result).collect::<Vec<_>>(),
        }],
    });
    format!("{log}\n")
}

fn rule(code: &str) -> Value {
    let section = Code::parse(code).map_or("Nothing could be decided, so the push is refused.", Code::section);
    // The section begins with its heading.
    let words = section.split_once("\n\n").map_or(section, |(_, words)| words).trim();
    let first = words.split("\n\n").next().unwrap_or(words).replace('\n', " ");
    json!({
        "id": code,
        "shortDescription": { "text": first },
        "fullDescription": { "text": words },
        "help": { "text": format!("countersign explain {code}") },
    })
}

fn result(remark: &Remark) -> Value {
    let level = match remark.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Notice | Severity::Observed => "note",
    };
    let (file, line) = remark.place();
    json!({
        "ruleId": remark.code,
        "level": level,
        "message": { "text": remark.text() },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": uri(file) },
            "region": { "startLine": line.max(1) },
        } }],
        "partialFingerprints": { "countersign/v1": remark.fingerprint },
    })
}

/// A relative path as a URI reference (RFC 3986, 4.2).
fn uri(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    path.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
