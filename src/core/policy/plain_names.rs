//! Paths that a class names without a wildcard although directories are called so: the class then covers nothing in them.

use super::glob::{Below, Glob};
use super::reader::{Located, Problems};
use super::rules::Patterns;

/// Ends of names in small letters and without an extension that are those of files: `makefile`, `.npmrc`, `.gitmodules`.
const FILES: &[&str] = &["file", "rc", "env", "ignore", "attributes", "modules", "editorconfig", "mailmap"];

/// Warns of each pattern that reads as the name of a directory, unless another of the class covers what is below it.
pub(super) fn check(entries: &[Located<&str>], patterns: &Patterns, problems: &mut Problems) {
    let goes_below =
        |name: &str| patterns.include.iter().any(|glob| glob.matches_below(name.as_bytes(), Below::Anything));
    let is_plain = |name: &str| Glob::parse(name).is_ok_and(|glob| glob.is_literal());
    for entry in entries {
        let name = entry.value;
        if is_plain(name) && reads_as_directory(name) && !goes_below(name) {
            let message = format!("\"{name}\" covers that one path, and nothing below it if it is a directory");
            problems.warn(&entry.at, message, format!("write \"{name}/**\"; beside \"{name}\", if it may be a file"));
        }
    }
}

/// Whether people call directories so: in small letters, without an extension.
fn reads_as_directory(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let bare = name.strip_prefix('.').unwrap_or(name);
    let has_extension = bare.contains('.');
    !has_extension && !bare.chars().any(char::is_uppercase) && !FILES.iter().any(|end| bare.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::reads_as_directory;

    #[test]
    fn a_directory_is_told_from_a_file_by_its_name() {
        for directory in ["secrets", "deploy/prod", ".github", ".circleci", "infra/k8s", "a.b/c"] {
            assert!(reads_as_directory(directory), "{directory}");
        }
        for file in [
            "Jenkinsfile",
            "makefile",
            "CODEOWNERS",
            ".gitlab-ci.yml",
            ".env",
            ".npmrc",
            ".gitmodules",
            "deploy/run.sh",
            ".github/CODEOWNERS",
        ] {
            assert!(!reads_as_directory(file), "{file}");
        }
    }
}
