//! A JUnit report, which CI systems show as tests: one case for each ref, and one for each thing found about it.

use std::fmt::Write as _;

use super::remarks::{Remark, UNDECIDED, remarks};
use crate::core::decide::{Severity, Verdict};

/// Prints a verdict as one suite of tests. What only warns is a test that passes and says so.
pub fn junit(verdict: &Verdict) -> String {
    let remarks = remarks(verdict);
    let counts = |undecided: bool| {
        let errors = remarks.iter().filter(|remark| remark.severity == Severity::Error);
        errors.filter(|remark| (remark.code == UNDECIDED) == undecided).count()
    };
    let tests = remarks.len().max(1);
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n\
         <testsuite name=\"countersign\" tests=\"{tests}\" failures=\"{}\" errors=\"{}\" skipped=\"0\">\n",
        counts(false),
        counts(true)
    );
    if remarks.is_empty() {
        text += "<testcase classname=\"countersign\" name=\"no findings\"/>\n";
    }
    for remark in &remarks {
        text += &case(remark);
    }
    text + "</testsuite>\n</testsuites>\n"
}

fn case(remark: &Remark) -> String {
    let name = escape(&format!("{}: {}", remark.code, remark.about));
    let (file, line) = remark.place();
    let (file, words) = (escape(file), escape(&remark.text()));
    let inner = match (remark.severity, remark.code) {
        (Severity::Error, UNDECIDED) => format!("<error message=\"{}\">{words}</error>", escape(&remark.message)),
        (Severity::Error, _) => format!("<failure message=\"{}\">{words}</failure>", escape(&remark.message)),
        (Severity::Warning | Severity::Notice | Severity::Observed, _) => format!("<system-out>{words}</system-out>"),
    };
    format!("<testcase classname=\"countersign\" name=\"{name}\" file=\"{file}\" line=\"{line}\">{inner}</testcase>\n")
}

/// Text of XML 1.0: what it cannot hold is gone.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\n' => escaped += "&#10;",
            '\t' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'.. => {
                let _ = write!(escaped, "{character}");
            }
            _ => {}
        }
    }
    escaped
}
