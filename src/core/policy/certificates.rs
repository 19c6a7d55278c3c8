//! OpenPGP certificates of people and services: files beside the policy, or text in it.

use std::collections::BTreeMap;

use super::load::is_beside;
use super::problem::Location;
use super::reader::{Problems, Table};
use super::{Policy, Problem, Weight};
use crate::core::decide::Timestamp;

/// What to do about a certificate that cannot be read.
pub(super) const EXPORT: &str = "export one certificate with nothing that others signed in it:\n\
     gpg --armor --export-options export-minimal --export FINGERPRINT > keys/NAME.asc";

/// How an armored text begins, and no path does.
const BEGIN: &str = "-----BEGIN ";

/// Texts of files by who names them and how.
pub(super) type Texts<'a> = BTreeMap<(&'a str, &'a str), &'a str>;

/// Where tables of principals come from.
#[derive(Clone, Copy)]
pub(super) struct Origin<'a> {
    /// The file that holds them.
    pub(super) file: &'a str,
    /// Which of the policies given together it is of.
    pub(super) layer: usize,
    /// The files of certificates.
    pub(super) texts: &'a Texts<'a>,
}

/// The text of a certificate, which stands in the policy itself or in a file that it names.
pub(super) fn text<'a>(written: &'a str, origin: Origin<'a>) -> Option<&'a str> {
    if written.trim_start().starts_with(BEGIN) {
        Some(written)
    } else {
        origin.texts.get(&(origin.file, written)).copied()
    }
}

/// The files that a policy file names for certificates, each with its place. The problems of the tables are found when they are
/// read as a whole.
pub(super) fn named(top: &mut Table<'_>, problems: &mut Problems) -> Vec<(String, Location)> {
    let mut ignored = Problems::default();
    let mut named = Vec::new();
    for kind in ["people", "services"] {
        for (_, mut table) in top.tables(kind, &mut ignored) {
            for path in table.strings("openpgp", &mut ignored) {
                if path.value.trim_start().starts_with(BEGIN) {
                    continue;
                }
                if is_beside(path.value) {
                    named.push((path.value.to_owned(), path.at));
                } else {
                    let message = format!("\"{}\" is not a path beside this file", path.value);
                    problems.error(&path.at, message, "give a relative path without .., or the armored text itself");
                }
            }
        }
    }
    named
}

impl Policy {
    /// What is wrong with certificates at `now`: they are read, and nothing that they sign counts.
    pub(super) fn certificate_problems(&self, now: Timestamp) -> Vec<Problem> {
        let mut problems = Vec::new();
        for principal in self.principals() {
            for certificate in &principal.certificates {
                if certificate.signers(now).next().is_some() {
                    continue;
                }
                let why = certificate.keys().filter_map(|key| Some((key, certificate.status(key, now).err()?)));
                let why: Vec<String> = why.map(|(key, reason)| format!("{key}: {reason}")).collect();
                let message = format!("no key of a certificate of `{}` can sign ({})", principal.id, why.join("; "));
                let fix = "have its owner prolong it, or bind its signing key anew with SHA-256, and export it again";
                problems.push(Problem {
                    weight: Weight::Warning,
                    at: principal.at.clone(),
                    message,
                    fix: fix.to_owned(),
                });
            }
        }
        problems
    }
}
