//! The whole story over real servers: sshd, two web servers, gitolite. Each is started by its test, on loopback, with a
//! configuration of its own.

mod attest;
mod gitolite;
mod http;
mod ssh;

use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::world::{ALICE, Actor, BOB, CLAUDE, Pushed, World, registry};

const MARKED: &str = "Work\n\nCo-Authored-By: Claude <noreply@anthropic.com>\n";

/// The registry with accounts, and rules that ask who pushes to main.
fn policy() -> String {
    let mut registry = registry();
    for actor in [ALICE, BOB, CLAUDE] {
        for kind in ["people", "agents"] {
            let head = format!("[{kind}.{}]\n", actor.id);
            registry = registry.replace(&head, &format!("{head}accounts = [\"{}\"]\n", actor.id));
        }
    }
    let rules = "\n[[rule]]\nname = \"all\"\nrefs = [\"refs/heads/**\"]\nidentity = \"agents\"\nsubmitters = [\"people\", \"claude-code\"]\n\n\
         [[rule]]\nname = \"main\"\nrefs = [\"refs/heads/main\"]\nidentity = \"agents\"\nsubmitters = [\"people\"]\n\
         force-push = \"deny\"\ndelete = \"deny\"\n[rule.approvals]\nfrom = [\"bob\"]\n";
    format!("{registry}{rules}")
}

/// The text of a guide in examples/servers: what the tests run is what it says.
fn guide(name: &str) -> String {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/servers");
    std::fs::read_to_string(directory.join(name)).unwrap()
}

/// The one line of a guide that begins so.
#[track_caller]
fn guide_line(name: &str, begins: &str) -> String {
    let text = guide(name);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| line.starts_with(begins)).collect();
    assert_eq!(lines.len(), 1, "{begins} in {name}: {lines:?}");
    lines[0].to_owned()
}

/// The block of a guide that is in this language.
#[track_caller]
fn guide_block(name: &str, language: &str) -> String {
    let text = guide(name);
    let (_, rest) = text.split_once(&format!("```{language}\n")).unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

/// A program that a test needs: its absence is a failure in CI, and visible elsewhere.
fn installed(programs: &[&str]) -> Option<Vec<PathBuf>> {
    let directories = std::env::var_os("PATH").unwrap_or_default();
    let directories: Vec<PathBuf> =
        std::env::split_paths(&directories).chain(["/usr/sbin".into(), "/usr/lib/git-core".into()]).collect();
    let find = |program: &&str| directories.iter().map(|directory| directory.join(program)).find(|path| path.is_file());
    let found: Vec<PathBuf> = programs.iter().filter_map(find).collect();
    if found.len() == programs.len() {
        return Some(found);
    }
    assert!(std::env::var_os("CI").is_none(), "one of {programs:?} is missing, and this is CI");
    #[allow(clippy::print_stderr)]
    {
        eprintln!("skipped: one of {programs:?} is missing");
    }
    None
}

/// A server's process, which ends with its test.
struct Daemon(Child);

impl Daemon {
    /// Starts it, and waits until something answers at its port.
    fn start(mut command: Command, port: u16) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("the server starts");
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(child.try_wait().unwrap().is_none(), "the server ended: {command:?}");
            std::thread::yield_now();
        }
        Self(child)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port of loopback that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

impl World {
    /// Makes a program of its arguments the way to the server. Returns how the push went.
    fn push_by(&self, settings: &[(&str, String)], refspecs: &[&str]) -> Pushed {
        let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.push_with(&settings, refspecs)
    }

    /// Writes the private key of an actor as ssh wants it.
    fn key_file(&self, actor: Actor) -> PathBuf {
        let file = self.path(&format!("{}.key", actor.id));
        std::fs::write(&file, actor.key().to_openssh(actor.id).unwrap()).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        file
    }
}

/// Agent refused, sealed, accepted on its branch, refused on main, approved, accepted; wrong submitters, two refs of which one is
/// bad, deletions. `push` pushes as somebody.
fn story(world: &World, push: &dyn Fn(Actor, &[&str]) -> Pushed) {
    world.commit("readme", "1", "Begin\n");
    push(ALICE, &["HEAD:refs/heads/main"]).accepted();
    world.git(&["update-ref", "refs/remotes/origin/main", "HEAD"]);
    world.git(&["checkout", "-q", "-b", "work"]);
    world.commit("a", "1", MARKED);
    let pushed = push(CLAUDE, &["HEAD:refs/heads/work"]);
    pushed.refused("unsealed-agent-commit");
    assert!(pushed.said.contains("remote: hint: countersign sign"), "{}", pushed.said);
    world.seal_head(CLAUDE);
    push(CLAUDE, &["HEAD:refs/heads/work"]).accepted();
    push(CLAUDE, &["HEAD:refs/heads/main"]).refused("submitter-not-allowed");
    push(ALICE, &["HEAD:refs/heads/main"]).refused("approval-missing");
    let approval = world.refspec(&world.draft("work", "refs/heads/main", BOB));
    push(BOB, &[&approval]).accepted();
    let pushed = push(CLAUDE, &["HEAD:refs/heads/main"]);
    pushed.refused("submitter-not-allowed");
    assert!(!pushed.said.contains("approval-missing"), "{}", pushed.said);
    push(ALICE, &["HEAD:refs/heads/main"]).accepted();

    world.git(&["checkout", "-q", "-b", "bad"]);
    world.commit("a", "2", MARKED);
    let both = push(ALICE, &["work:refs/heads/good", "bad:refs/heads/bad"]);
    both.refused("unsealed-agent-commit");
    assert!(!both.said.contains("[new branch]"), "{}", both.said);
    push(ALICE, &[":refs/heads/main"]).refused("delete-denied");
    push(CLAUDE, &[":refs/heads/main"]).refused("submitter-not-allowed");
    push(CLAUDE, &[":refs/heads/work"]).accepted();
}

/// Who the ledger says has pushed, in the order of the decisions.
fn submitters(world: &World, server: &Path) -> Vec<String> {
    let shown = world.countersign(&["log", "show", "--format", "json", "--server", server.to_str().unwrap()]);
    assert!(shown.status.success(), "{shown:?}");
    let said = String::from_utf8(shown.stdout).unwrap();
    let entry = |line: &str| -> Option<String> {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let entry = &line["entry"];
        (entry["kind"] == "decided").then(|| entry["submitter"].as_str().unwrap_or("nobody").to_owned())
    };
    let mut all: Vec<String> = said.lines().filter_map(entry).collect();
    all.dedup();
    all
}

/// What the story makes of that.
const STORY: [&str; 8] = ["alice", "claude-code", "alice", "bob", "claude-code", "alice", "claude-code", "bob"];
