//! Annotations of a GitHub Actions run (docs.github.com, "Workflow commands for GitHub Actions").

use super::remarks::remarks;
use crate::core::decide::{Severity, Verdict};

/// Prints a verdict as workflow commands, one a line.
pub fn github(verdict: &Verdict) -> String {
    let mut text = String::new();
    for remark in remarks(verdict) {
        let word = match remark.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Notice | Severity::Observed => "notice",
        };
        let (file, line) = remark.place();
        let (file, title) = (property(file), property(&format!("countersign: {}", remark.code)));
        text += &format!("::{word} file={file},line={line},title={title}::{}\n", data(&remark.text()));
    }
    text
}

/// The value of a command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of one of its properties.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
