//! Eight pushers at one repository, each with a clone of its own and a branch of its own.

use std::fmt::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use countersign::core::ssh::PrivateKey;

pub(crate) const PUSHERS: u64 = 8;

/// Pushes of each pusher in one round.
const EACH: u64 = 15;

/// A server's repository, and where pushers work.
pub(crate) struct Ground {
    root: tempfile::TempDir,
}

impl Ground {
    pub(crate) fn new() -> Self {
        let ground = Self { root: tempfile::tempdir().unwrap() };
        std::fs::create_dir(ground.path("git")).unwrap();
        ground.git(&ground.path(""), &["init", "-q", "--bare", "-b", "main", "git/server.git"]);
        let mut policy = "version = 1\n[people.alice]\nname = \"Alice\"\nemails = [\"alice@acme.dev\"]\n".to_owned();
        for number in 0..PUSHERS {
            let key = PrivateKey::from_seed(&[u8::try_from(number).unwrap() + 1; 32]).unwrap();
            let path = ground.path(&format!("key{number}"));
            std::fs::write(&path, key.to_openssh("bench").unwrap().as_bytes()).unwrap();
            std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
            let line = key.public().to_line();
            std::fs::write(path.with_extension("pub"), format!("{line}\n")).unwrap();
            writeln!(policy, "[agents.agent{number}]\nowner = \"alice\"\nkeys = [\"{line}\"]").unwrap();
        }
        policy += "[[rule]]\nname = \"all\"\nrefs = [\"refs/heads/**\"]\nidentity = \"everyone\"\n";
        std::fs::write(ground.path("policy.toml"), policy).unwrap();
        ground
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(crate) fn server(&self) -> PathBuf {
        self.path("git/server.git")
    }

    pub(crate) fn install(&self) {
        let (server, policy) = (self.server(), self.path("policy.toml"));
        let words = ["install", "--server", server.to_str().unwrap(), "--repository", "acme/soak", "--policy"];
        self.countersign(&[&words, &[policy.to_str().unwrap()][..]].concat());
    }

    pub(crate) fn command(&self, program: &str, directory: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(directory).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        command
            .env("HOME", self.root.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null");
        command.stdin(Stdio::null());
        command
    }

    pub(crate) fn git(&self, directory: &Path, words: &[&str]) -> String {
        let output = self.command("git", directory).args(words).output().unwrap();
        assert!(output.status.success(), "git {words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Runs the program; what it printed.
    pub(crate) fn countersign(&self, words: &[&str]) -> String {
        let output = self.command(env!("CARGO_BIN_EXE_countersign"), self.root.path()).args(words).output().unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "countersign {words:?}: {said}");
        said
    }
}

/// One of them: an agent that signs what it commits.
pub(crate) struct Pusher<'g> {
    ground: &'g Ground,
    clone: PathBuf,
}

impl<'g> Pusher<'g> {
    pub(crate) fn new(ground: &'g Ground, number: u64) -> Self {
        let clone = ground.path(&format!("clone{number}"));
        ground.git(&ground.path(""), &["init", "-q", "-b", "main", clone.to_str().unwrap()]);
        let key = ground.path(&format!("key{number}"));
        for (name, value) in [
            ("user.name", format!("Agent {number}").as_str()),
            ("user.email", format!("agent{number}@acme.dev").as_str()),
            ("gpg.format", "ssh"),
            ("user.signingkey", key.to_str().unwrap()),
            ("commit.gpgsign", "true"),
            ("gc.auto", "0"),
        ] {
            ground.git(&clone, &["config", name, value]);
        }
        Self { ground, clone }
    }

    pub(crate) fn commit(&self) -> String {
        self.ground.git(&self.clone, &["commit", "-q", "--allow-empty", "-m", "Work"]);
        self.ground.git(&self.clone, &["rev-parse", "HEAD"])
    }

    /// Begins a push, in a group of processes of its own.
    pub(crate) fn begin(&self, to: &Path, commit: &str, branch: &str) -> Child {
        let mut command = self.ground.command("git", &self.clone);
        command.args(["push", "-q", to.to_str().unwrap(), &format!("{commit}:refs/heads/{branch}")]);
        command.process_group(0).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    }
}

/// Pushes a second of all pushers together.
fn rate(ground: &Ground, round: u64) -> f64 {
    let pushers: Vec<Pusher<'_>> =
        (0..PUSHERS).map(|number| Pusher { ground, clone: ground.path(&format!("clone{number}")) }).collect();
    let commits: Vec<Vec<String>> = pushers.iter().map(|pusher| (0..EACH).map(|_| pusher.commit()).collect()).collect();
    let start = Instant::now();
    std::thread::scope(|scope| {
        for (number, (pusher, commits)) in pushers.iter().zip(&commits).enumerate() {
            scope.spawn(move || {
                for commit in commits {
                    let output = pusher
                        .begin(&ground.server(), commit, &format!("r{round}/p{number}"))
                        .wait_with_output()
                        .unwrap();
                    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                }
            });
        }
    });
    (PUSHERS * EACH) as f64 / start.elapsed().as_secs_f64()
}

/// Pushes a second, with the hook and without, in turn.
pub(crate) fn compare() {
    let (with, without) = (Ground::new(), Ground::new());
    with.install();
    for ground in [&with, &without] {
        (0..PUSHERS).for_each(|number| drop(Pusher::new(ground, number)));
    }
    let mut rates = (Vec::new(), Vec::new());
    for round in 0..7 {
        rates.0.push(rate(&with, round));
        rates.1.push(rate(&without, round));
    }
    let median = |rates: &mut Vec<f64>| {
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    };
    let (with, without) = (median(&mut rates.0), median(&mut rates.1));
    println!(
        "pushes a second of {PUSHERS} pushers on refs of their own, medians of 7 rounds of {} pushes",
        PUSHERS * EACH
    );
    println!("with the hook {with:.1}, without {without:.1}: {:.2} (target: at least 0.9)", with / without);
}
