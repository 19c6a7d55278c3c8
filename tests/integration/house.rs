//! The house: each room of src uses only those below it (src/lib.rs), and core nothing of the system.

use std::path::{Path, PathBuf};

/// Each room with those that it may use.
const ROOMS: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("store", &["core"]),
    ("ledger", &["core"]),
    ("system", &["core"]),
    ("gate", &["core", "store", "ledger", "system"]),
    ("server", &["core", "store", "ledger", "system", "gate"]),
    ("desk", &["core", "store", "ledger", "system", "gate"]),
    ("doctor", &["core", "store", "ledger", "system", "gate", "server", "desk"]),
    ("audit", &["core", "store", "ledger", "system", "gate", "server", "desk"]),
    ("cli", &["core", "store", "ledger", "system", "gate", "server", "desk", "doctor", "audit"]),
];

/// What core is built without.
const ABOVE_CORE: [&str; 6] = ["gix", "git2", "clap", "getrandom", "rustix", "tempfile"];

fn sources(directory: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
    found
}

/// The rooms that a line names: `crate::ROOM`.
fn named(line: &str) -> impl Iterator<Item = &str> {
    line.split("crate::").skip(1).filter_map(|rest| rest.split(|c: char| !c.is_ascii_lowercase()).next())
}

#[test]
fn a_room_uses_only_those_below_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let is_room = |name: &str| ROOMS.iter().any(|(room, _)| *room == name);
    let mut arrows = 0;
    for (room, below) in ROOMS {
        for (path, text) in sources(&src.join(room)) {
            for (number, line) in text.lines().enumerate() {
                for used in named(line).filter(|used| is_room(used) && used != room) {
                    arrows += 1;
                    assert!(below.contains(&used), "{}:{}: {room} uses {used}", path.display(), number + 1);
                }
            }
        }
    }
    assert!(arrows > 500, "only {arrows} uses are found: the test looks in the wrong place");
    // No room that the table forgets.
    let directories = std::fs::read_dir(&src).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let names = directories.map(|path| path.file_name().unwrap().to_string_lossy().into_owned());
    assert_eq!(names.filter(|name| !is_room(name)).collect::<Vec<_>>(), ["fuzzing"]);
}

/// What a command takes is read in `cli` alone; the rooms get requests of their own.
#[test]
fn only_the_command_line_names_its_library() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (inside, outside): (Vec<_>, Vec<_>) =
        sources(&src).into_iter().partition(|(path, _)| path.starts_with(src.join("cli")));
    let names = |text: &str| text.contains("clap::") || text.contains("#[arg(") || text.contains("#[command(");
    assert!(inside.iter().filter(|(_, text)| names(text)).count() > 10);
    for (path, text) in outside {
        assert!(!names(&text), "{}: its command's arguments belong to src/cli", path.display());
    }
}

/// Only these rooms call what clippy.toml lists; a file of tests may.
#[test]
fn only_three_rooms_ask_the_system() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for (path, text) in sources(&src) {
        let may = ["system", "store", "ledger", "fuzzing"].iter().any(|room| path.starts_with(src.join(room)));
        let core = path.starts_with(src.join("core"));
        let own = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        let lifts = own.contains("clippy::disallowed_methods") || own.contains("clippy::all");
        assert!(may || core || !lifts, "{}: ask src/system for it", path.display());
    }
    // The list itself is in force.
    let manifest = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    assert!(manifest.contains("disallowed_methods = \"warn\""));
}

/// Tests may use stock tools as oracles; the rest may not.
#[test]
fn core_asks_nothing_of_the_system() {
    let manifest = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    for dependency in ABOVE_CORE {
        let line = manifest.lines().find(|line| line.starts_with(&format!("{dependency} =")));
        assert!(line.is_some_and(|line| dependency == "git2" || line.contains("optional = true")), "{dependency}");
    }
    for (path, text) in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/core")) {
        for (number, line) in text.lines().enumerate() {
            let allows = line.contains("clippy::disallowed_methods");
            let shown = path.display();
            assert!(!allows || line.contains("reason = "), "{shown}:{}: {line}", number + 1);
        }
        let own = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        let is_test = ["tests", "interop", "example", "vectors", "tricks", "memory"];
        let is_test = path.components().any(|part| {
            is_test.iter().any(|name| part.as_os_str().to_string_lossy().trim_end_matches(".rs").ends_with(name))
        });
        for crate_name in ABOVE_CORE.iter().filter(|_| !is_test) {
            assert!(!own.contains(&format!("{crate_name}::")), "{}: {crate_name}", path.display());
        }
    }
}
