//! A code quality report of GitLab CI (docs.gitlab.com, "Code Quality report format").

use serde_json::{Value, json};

use super::remarks::{Remark, remarks};
use crate::core::decide::{Severity, Verdict};

/// Prints a verdict as one array of issues.
pub fn gitlab(verdict: &Verdict) -> String {
    let issues: Vec<Value> = remarks(verdict).iter().map(issue).collect();
    format!("{}\n", Value::from(issues))
}

fn issue(remark: &Remark) -> Value {
    let severity = match remark.severity {
        Severity::Error => "blocker",
        Severity::Warning => "major",
        Severity::Notice | Severity::Observed => "info",
    };
    let (path, line) = remark.place();
    json!({
        "description": remark.text(),
        "check_name": remark.code,
        "fingerprint": remark.fingerprint,
        "severity": severity,
        "location": { "path": path, "lines": { "begin": line.max(1) } },
    })
}
