//! Replays what is kept in tests/fuzz: seeds, what fuzzing found worth keeping, and every input that once broke something.
#![allow(clippy::disallowed_methods, reason = "the inputs are files")]

use std::collections::BTreeSet;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use super::TARGETS;

fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz")
}

/// The names in a directory, sorted; none where there is no such directory.
fn names(directory: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn every_kept_input_goes_through_its_target() {
    let mut broken = Vec::new();
    for (target, run) in TARGETS {
        let (mut taken, mut refused) = (0, 0);
        for kept in ["corpus", "regressions"] {
            let directory = home().join(kept).join(target);
            for file in names(&directory) {
                let path = directory.join(file);
                let bytes = std::fs::read(&path).unwrap();
                match catch_unwind(|| run(&bytes)) {
                    Ok(true) => taken += 1,
                    Ok(false) => refused += 1,
                    Err(_) => broken.push(path),
                }
            }
        }
        // Of both kinds, or the target asks nothing.
        assert!(taken > 0 && refused > 0, "{target}: {taken} inputs are taken and {refused} refused");
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn nothing_is_kept_that_no_target_reads() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(targets.len(), TARGETS.len());
    assert_eq!(names(&home().join("corpus")), targets);
    assert!(names(&home().join("regressions")).is_subset(&targets));
    let manifest = std::fs::read_to_string(home().join("Cargo.toml")).unwrap();
    let manifest: toml::Table = toml::from_str(&manifest).unwrap();
    let programs =
        manifest["bin"].as_array().unwrap().iter().map(|program| program["name"].as_str().unwrap().to_owned());
    assert_eq!(programs.collect::<BTreeSet<_>>(), targets);
}
