//! An upgrade locks nobody out: what an earlier version left is served by this one, with nothing installed again.
//!
//! tests/fixtures/upgrade/README.md says what is in each state, and how it was made. Hooks and configuration stand there as the
//! earlier version wrote them, byte for byte but for two words: where the state lies, and where the program does.

mod clones;
mod servers;
mod spent;
mod standing;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Output;

use crate::world::{Actor, BOB, CLAUDE, Pushed, World, binary};

const STATES: [&str; 5] = ["file", "sha256", "ref", "lax", "root"];

/// The server and the clone of a state, as they were left.
struct Earlier {
    world: World,
    /// The server's repository, below the world's root.
    server: &'static str,
}

impl std::ops::Deref for Earlier {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl Earlier {
    /// A state whose clone has no hooks, so that only the server decides.
    fn without_hooks(state: &str) -> Self {
        let earlier = Self::new(state);
        earlier.git(&["config", "core.hooksPath", "/dev/null"]);
        earlier
    }

    fn new(state: &str) -> Self {
        let root = crate::world::directory();
        let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/upgrade/{state}.tar.gz"));
        let format = if state == "sha256" { "sha256" } else { "sha1" };
        let world = World::laid_out(root, format);
        let mut tar = world.command("tar", &world.path(""));
        tar.args(["-xzp", "--no-same-owner", "-f"]).arg(archive);
        let output = world.run(tar, None);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let own = world.path("").display().to_string();
        put(&world.path(""), &[("@WORLD@", own.trim_end_matches('/')), ("@COUNTERSIGN@", binary().to_str().unwrap())]);
        let server = if state == "root" { "root/acme/payments.git" } else { "server.git" };
        Self { world, server }.at(server)
    }

    /// The same with another of the server's repositories.
    fn at(mut self, server: &'static str) -> Self {
        self.server = server;
        let path = self.server_dir();
        self.git(&["remote", "set-url", "origin", &path]);
        self
    }

    fn server_dir(&self) -> String {
        self.path(self.server).display().to_string()
    }

    fn key(&self, name: &str) -> String {
        self.path(&format!("keys/{name}")).display().to_string()
    }

    /// A branch of its own on a ref of the server.
    fn branch(&self, name: &str, at: &str) {
        self.git(&["fetch", "-q", "origin"]);
        self.git(&["checkout", "-q", "-B", name, at]);
    }

    /// A commit on HEAD, sealed by an agent.
    fn sealed(&self, file: &str, by: Actor) -> String {
        self.commit(file, "new\n", &format!("Add {file}\n"));
        self.seal_head(by)
    }

    /// Somebody's own commit, on main.
    fn by_hand(&self, file: &str) -> Pushed {
        self.branch("theirs", "origin/main");
        self.commit(file, &format!("{file}\n"), "By hand\n");
        self.sign_head(crate::world::ALICE);
        self.push(&["HEAD:refs/heads/main"])
    }

    /// Takes the two files of a branch off main again.
    fn take_back(&self, branch: &str) {
        self.branch("back", "origin/main");
        self.git(&["rm", "-q", &format!("{branch}-1.txt"), &format!("{branch}-2.txt")]);
        self.git(&["commit", "-q", "-m", "Take it back"]);
        self.sign_head(BOB);
        self.push(&["HEAD:refs/heads/main"]).accepted();
    }

    /// The two commits of a branch of the server once more, on what main is now.
    fn picked(&self, branch: &str) {
        self.branch(&format!("picked-{branch}"), "origin/main");
        self.git(&["cherry-pick", &format!("origin/{branch}~1"), &format!("origin/{branch}")]);
    }

    /// The same squashed into one commit, sealed by claude-code.
    fn squashed(&self, branch: &str) {
        self.picked(branch);
        self.git(&["reset", "-q", "--soft", "origin/main"]);
        self.git(&["commit", "-q", "-m", "Add all at once"]);
        self.seal_head(CLAUDE);
    }

    /// Approves HEAD for main, as bob, and pushes that.
    fn approve_head(&self) {
        self.push(&[&self.refspec(&self.draft("HEAD", "refs/heads/main", BOB))]).accepted();
    }

    /// Runs countersign for the server's repository. What it printed, and its exit code.
    fn told(&self, words: &[&str]) -> (String, Option<i32>) {
        let output = self.countersign(&[words, &["--server", &self.server_dir()]].concat());
        said(&output)
    }

    /// Every entry of the ledger.
    fn entries(&self) -> Vec<serde_json::Value> {
        let (text, code) = self.told(&["log", "show", "--format", "json"]);
        assert_eq!(code, Some(0), "{text}");
        text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["entry"].clone()).collect()
    }

    /// The ledger verifies, and each ref of a decision moved once or not at all.
    #[track_caller]
    fn verified(&self) {
        let (text, code) = self.told(&["log", "verify"]);
        assert_eq!(code, Some(0), "{text}");
        let mut seen = BTreeSet::new();
        for entry in self.entries().iter().filter(|entry| entry["kind"] == "committed" || entry["kind"] == "aborted") {
            for name in entry["refs"].as_array().unwrap() {
                assert!(seen.insert((entry["decision"].to_string(), name.to_string())), "twice: {entry}");
            }
        }
    }
}

impl Pushed {
    /// It was refused, and for nothing but want of an approval.
    #[track_caller]
    fn refused_for_want_of_approval(&self) {
        assert!(!self.ok, "the push was accepted:\n{}", self.said);
        let codes = self.said.lines().filter_map(|line| line.strip_prefix("remote: error: ["));
        let codes: Vec<&str> = codes.map(|line| line.split(']').next().unwrap()).collect();
        let about = ["approval-missing", "approval-void", "approval-expired"];
        assert!(!codes.is_empty() && codes.iter().all(|code| about.contains(code)), "{codes:?}:\n{}", self.said);
    }
}

/// What a program printed, and its exit code.
fn said(output: &Output) -> (String, Option<i32>) {
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    (String::from_utf8(text).unwrap(), output.status.code())
}

/// Puts paths where their words stand.
fn put(directory: &Path, words: &[(&str, &str)]) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            put(&path, words);
            continue;
        }
        let Ok(text) = String::from_utf8(std::fs::read(&path).unwrap()) else { continue };
        let with_paths = words.iter().fold(text.clone(), |text, (word, path)| text.replace(word, path));
        if with_paths != text {
            // Into the file that is there, so that it stays what it may.
            std::fs::write(&path, with_paths).unwrap();
        }
    }
}

/// The keys of the states are those of the actors, so that tests can go on where a state ends.
#[test]
fn the_keys_are_those_of_the_actors() {
    let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/upgrade/keys");
    for actor in [crate::world::ALICE, BOB, crate::approvals::CAROL, CLAUDE, crate::world::CODEX, crate::world::FORGE] {
        let line = std::fs::read_to_string(keys.join(format!("{}.pub", actor.id))).unwrap();
        let stored: Vec<&str> = line.split(' ').take(2).collect();
        assert_eq!(stored, actor.line().split(' ').take(2).collect::<Vec<_>>(), "{}", actor.id);
    }
}
