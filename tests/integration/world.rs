//! A server repository with the hook installed, a clone, people and agents with keys.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use countersign::core::digest::Digest;
use countersign::core::id::{Id, RepositoryName};
use countersign::core::oid::Oid;
use countersign::core::seal::{self, BlockHead, Payload, Root, SealValue};
use countersign::core::ssh::{PrivateKey, armor};
use tempfile::TempDir;

/// The name that the test repository's seals are bound to.
pub const REPOSITORY: &str = "acme/payments";

/// A principal of the tests. Each has one key, made from its seed.
#[derive(Clone, Copy)]
pub struct Actor {
    pub id: &'static str,
    pub seed: u8,
}

pub const ALICE: Actor = Actor { id: "alice", seed: 1 };
pub const BOB: Actor = Actor { id: "bob", seed: 2 };
pub const CLAUDE: Actor = Actor { id: "claude-code", seed: 11 };
pub const CODEX: Actor = Actor { id: "codex", seed: 12 };
pub const FORGE: Actor = Actor { id: "forge", seed: 21 };
/// Nobody the policy knows.
pub const STRANGER: Actor = Actor { id: "stranger", seed: 99 };

impl Actor {
    pub fn key(self) -> PrivateKey {
        PrivateKey::from_seed(&[self.seed; 32]).unwrap()
    }

    pub fn line(self) -> String {
        self.key().public().to_line()
    }
}

/// People and agents that every test policy registers.
pub fn registry() -> String {
    format!(
        r#"version = 1
repository = "{REPOSITORY}"

[people.alice]
emails = ["alice@acme.dev"]
keys = ["{alice}"]

[people.bob]
keys = ["{bob}"]

[agents.claude-code]
tool = "claude-code"
owner = "alice"
keys = ["{claude}"]

[agents.codex]
owner = "bob"
keys = ["{codex}"]

[services.forge]
owner = "bob"
keys = ["{forge}"]
"#,
        alice = ALICE.line(),
        bob = BOB.line(),
        claude = CLAUDE.line(),
        codex = CODEX.line(),
        forge = FORGE.line(),
    )
}

/// A rule on all branches and tags that asks for agents' identity.
pub const AGENTS_EVERYWHERE: &str = r#"
[[rule]]
name = "all"
refs = ["refs/heads/**", "refs/tags/**"]
identity = "agents"
"#;

const REF_FORMAT: &str = "GIT_DEFAULT_REF_FORMAT";

pub struct World {
    root: TempDir,
    pub format: &'static str,
}

/// How a push went.
#[derive(Debug)]
pub struct Pushed {
    pub ok: bool,
    pub said: String,
}

impl Pushed {
    /// What the hints say, as the server wrote them: of our lines, which come after any of git's own there.
    pub fn hints(&self) -> Vec<&str> {
        let lines = self.said.lines().map(|line| line.trim_end().trim_start_matches("remote: "));
        let lines = lines.skip_while(|line| !line.starts_with("countersign: ") && !line.starts_with("error: "));
        lines.filter_map(|line| line.strip_prefix("hint: ")).collect()
    }

    /// The commands that stand below the first words which hold `words`, each as it is printed.
    #[track_caller]
    pub fn commands(&self, words: &str) -> Vec<&str> {
        let mut hints = self.hints().into_iter();
        let announced = hints.by_ref().find(|line| line.contains(words) && line.ends_with(':'));
        assert!(announced.is_some(), "no hint announces {words:?}:\n{}", self.said);
        hints.take_while(|line| is_command(line)).collect()
    }

    #[track_caller]
    pub fn accepted(&self) {
        assert!(self.ok, "the push was refused:\n{}", self.said);
    }

    #[track_caller]
    pub fn refused(&self, code: &str) {
        assert!(!self.ok, "the push was accepted, and not refused with {code}:\n{}", self.said);
        assert!(self.said.contains(&format!("[{code}]")), "refused without {code}:\n{}", self.said);
        // What is wrong with a policy is mended by an edit, in the words of its own.
        if code != "policy-invalid" {
            self.has_commands_alone();
        }
    }

    /// A command of a hint stands alone below words that end with a colon, and none stands in words.
    #[track_caller]
    fn has_commands_alone(&self) {
        let mut announced = false;
        for line in self.hints() {
            if is_command(line) {
                assert!(announced, "nothing announces {line:?}:\n{}", self.said);
                continue;
            }
            announced = line.ends_with(':');
            let holds = ["countersign ", "git commit", "git push", "git pull", "git rebase", "git tag", "git config"];
            assert!(
                !holds.iter().any(|command| line.contains(command)),
                "a command in words, {line:?}:\n{}",
                self.said
            );
        }
    }
}

/// Whether a line of a hint is a command: words come with a colon, or without any command.
pub fn is_command(line: &str) -> bool {
    (line.starts_with("git ") || line.starts_with("countersign ")) && !line.ends_with(':')
}

impl World {
    /// A world whose policy is the registry and `rules`.
    pub fn new(rules: &str) -> Self {
        Self::with(&format!("{}{rules}", registry()), "sha1")
    }

    pub fn with(policy: &str, format: &'static str) -> Self {
        Self::made(policy, format, &[])
    }

    /// A world whose server and clone keep their refs in tables; none where git is older than 2.45, which the test then says.
    #[expect(clippy::print_stderr, reason = "what is skipped is said")]
    pub fn in_tables(policy: &str, format: &'static str) -> Option<Self> {
        let mut probe = Command::new("git");
        let help = probe.args(["init", "-h"]).output().unwrap();
        if !String::from_utf8_lossy(&help.stdout).contains("--ref-format") {
            eprintln!("skipped: git is older than 2.45 and knows no reftable");
            return None;
        }
        Some(Self::made(policy, format, &["--ref-format=reftable"]))
    }

    fn made(policy: &str, format: &'static str, how: &[&str]) -> Self {
        let world = Self { root: directory(), format };
        world.let_approvals_be_signed_without_a_terminal();
        let init = [&["init", "-q", "--object-format", format, "-b", "main"], how].concat();
        world.git_in(&world.path(""), &[init.as_slice(), &["--bare", "server.git"]].concat());
        world.git_in(&world.path(""), &[init.as_slice(), &["clone"]].concat());
        let url = world.server().display().to_string();
        world.git(&["remote", "add", "origin", &url]);
        world.set_policy(policy);
        world.install_hook("pre-receive", "");
        world
    }

    /// A world that was laid out before: its server, clone and home are in `root`.
    pub fn laid_out(root: TempDir, format: &'static str) -> Self {
        let world = Self { root, format };
        world.let_approvals_be_signed_without_a_terminal();
        world
    }

    fn let_approvals_be_signed_without_a_terminal(&self) {
        std::fs::create_dir_all(self.path("home")).unwrap();
        std::fs::write(self.path("home/.gitconfig"), "[countersign \"approve\"]\n\tunattended = true\n").unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub fn server(&self) -> PathBuf {
        self.path("server.git")
    }

    pub fn clone_dir(&self) -> PathBuf {
        self.path("clone")
    }

    pub fn policy_path(&self) -> PathBuf {
        self.path("policy.toml")
    }

    pub fn set_policy(&self, policy: &str) {
        std::fs::write(self.policy_path(), policy).unwrap();
    }

    /// Writes the hook by hand, as a test of the engine without the installer.
    pub fn install_hook(&self, name: &str, more: &str) {
        let policy = self.policy_path().display().to_string();
        let shim = format!("#!/bin/sh\nexec '{}' hook {name} --policy '{policy}' {more} \"$@\"\n", binary().display());
        self.write_executable(&self.server().join("hooks").join(name), &shim);
    }

    pub fn write_executable(&self, path: &Path, text: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A command with nothing of the user's environment but PATH.
    pub fn command(&self, program: &str, directory: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(directory)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.path("home"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_NAME", "Alice Ng")
            .env("GIT_AUTHOR_EMAIL", "alice@acme.dev")
            .env("GIT_COMMITTER_NAME", "Alice Ng")
            .env("GIT_COMMITTER_EMAIL", "alice@acme.dev")
            .env("GIT_AUTHOR_DATE", "1700000000 +0000")
            .env("GIT_COMMITTER_DATE", "1700000000 +0000")
            .env("GIT_EDITOR", "true")
            .env("GIT_TERMINAL_PROMPT", "0");
        // All tests can be run over another kind of ref storage.
        command.envs(std::env::var_os(REF_FORMAT).map(|kind| (REF_FORMAT, kind)));
        command
    }

    /// A shell that runs one line as it is printed, with the program under test on PATH.
    pub fn shell(&self, directory: &Path, line: &str) -> Command {
        let mut command = self.command("sh", directory);
        let path = std::env::var_os("PATH").unwrap();
        let paths = std::iter::once(binary().parent().unwrap().to_owned()).chain(std::env::split_paths(&path));
        command.args(["-ec", line]).env("PATH", std::env::join_paths(paths).unwrap());
        command
    }

    #[track_caller]
    pub fn run(&self, mut command: Command, input: Option<&[u8]>) -> Output {
        command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let stdin = child.stdin.take();
        std::thread::scope(|scope| {
            // Beside reading what it says: a pipe holds little, and less where many are open.
            scope.spawn(move || {
                // A program may end without reading everything.
                let _ = stdin.zip(input).map(|(mut stdin, input)| stdin.write_all(input));
            });
            child.wait_with_output().unwrap()
        })
    }

    #[track_caller]
    pub fn git_in(&self, directory: &Path, arguments: &[&str]) -> String {
        let mut command = self.command("git", directory);
        command.args(arguments);
        let output = self.run(command, None);
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// Runs git in the clone; it must succeed.
    #[track_caller]
    pub fn git(&self, arguments: &[&str]) -> String {
        self.git_in(&self.clone_dir(), arguments)
    }

    /// Runs git in the clone with input; it must succeed.
    #[track_caller]
    pub fn git_with(&self, arguments: &[&str], input: &[u8]) -> String {
        let mut command = self.command("git", &self.clone_dir());
        command.args(arguments);
        let output = self.run(command, Some(input));
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// Runs countersign in the clone.
    pub fn countersign(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(binary().to_str().unwrap(), &self.clone_dir());
        command.args(arguments);
        self.run(command, None)
    }

    /// Has strace watch these system calls of the pre-receive hook. Returns where it writes; `None` where it cannot, which in CI
    /// is an error.
    pub fn traced(&self, calls: &str) -> Option<PathBuf> {
        let probe = Command::new("strace").args(["-o", "/dev/null", "-e", &format!("trace={calls}"), "true"]).output();
        if !probe.is_ok_and(|output| output.status.success()) {
            assert!(std::env::var_os("CI").is_none(), "strace is missing or may not trace, and this is CI");
            #[allow(clippy::print_stderr)]
            {
                eprintln!("skipped: strace is missing or may not trace");
            }
            return None;
        }
        let (hook, log) = (self.server().join("hooks/pre-receive"), self.path("trace"));
        let traced = hook.with_extension("traced");
        std::fs::rename(&hook, &traced).unwrap();
        let line = format!("exec strace -f -e trace={calls} -o '{}' '{}'", log.display(), traced.display());
        self.write_executable(&hook, &format!("#!/bin/sh\n{line}\n"));
        Some(log)
    }

    /// Where the server's ledger is.
    pub fn ledger(&self) -> PathBuf {
        self.server().join("countersign/ledger")
    }

    /// Writes a file and commits it with plain git. Returns the new commit.
    pub fn commit(&self, file: &str, content: &str, message: &str) -> String {
        let path = self.clone_dir().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self.git(&["add", "--all"]);
        self.git_with(&["commit", "-q", "--allow-empty", "--cleanup=verbatim", "-F", "-"], message.as_bytes());
        self.git(&["rev-parse", "HEAD"])
    }

    pub fn push(&self, refspecs: &[&str]) -> Pushed {
        self.push_with(&[], refspecs)
    }

    /// Pushes to a local path, with what a server would set or an attacker would make up in the environment.
    pub fn push_with(&self, variables: &[(&str, &str)], refspecs: &[&str]) -> Pushed {
        let mut command = self.command("git", &self.clone_dir());
        command.envs(variables.iter().copied()).args(["push", "origin"]).args(refspecs);
        let output = self.run(command, None);
        Pushed { ok: output.status.success(), said: String::from_utf8_lossy(&output.stderr).into_owned() }
    }

    /// Protects the server with the one command. Returns what it printed.
    #[track_caller]
    pub fn install(&self, more: &[&str]) -> String {
        let (server, policy) = (self.server().display().to_string(), self.policy_path().display().to_string());
        let words = ["install", "--server", &server, "--policy", &policy];
        let output = self.countersign(&[&words, more].concat());
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "{said}");
        said
    }

    /// The raw bytes of an object.
    pub fn raw(&self, kind: &str, id: &str) -> Vec<u8> {
        let mut command = self.command("git", &self.clone_dir());
        command.args(["cat-file", kind, id]);
        self.run(command, None).stdout
    }

    /// HEAD's raw headers and message.
    pub fn head(&self) -> (String, String) {
        let raw = String::from_utf8(self.raw("commit", "HEAD")).unwrap();
        let (headers, message) = raw.split_once("\n\n").unwrap();
        (headers.to_owned(), message.to_owned())
    }

    /// Stores any bytes as an object, well formed or not.
    pub fn store(&self, kind: &str, raw: &[u8]) -> String {
        self.git_with(&["hash-object", "-t", kind, "--literally", "-w", "--stdin"], raw)
    }

    /// The change digest of a commit, by git and the definition alone (seal/FORMAT.md).
    pub fn change_digest(&self, old: &str, new: &str) -> Digest {
        let mut command = self.command("git", &self.clone_dir());
        command.args(["--no-replace-objects", "diff-tree", "-r", "-z", "--no-renames", "--no-abbrev"]);
        command.args(["--ignore-submodules=none", old, new]);
        let output = self.run(command, None);
        assert!(output.status.success());
        Digest::of(&[b"countersign-change-v1\0", output.stdout.as_slice()].concat())
    }

    pub fn empty_tree(&self) -> String {
        self.git_with(&["hash-object", "-t", "tree", "-w", "--stdin"], b"")
    }

    /// What a seal over `commit` with `message` signs, by git and FORMAT.md alone.
    pub fn seal_of(&self, commit: &str, message: &[u8], seal: &SealBy<'_>) -> SealValue {
        let parents = self.git(&["rev-list", "--parents", "-n", "1", commit]);
        let parents: Vec<&str> = parents.split(' ').skip(1).collect();
        let empty = self.empty_tree();
        let old = parents.first().map_or(empty, |parent| format!("{parent}^{{tree}}"));
        let change = self.change_digest(&old, &format!("{commit}^{{tree}}"));
        let raw = String::from_utf8(self.raw("commit", commit)).unwrap();
        let author = raw.lines().find_map(|line| line.strip_prefix("author ")).unwrap();
        let merges: Vec<Oid> = parents.iter().skip(1).map(|id| Oid::parse(id.as_bytes()).unwrap()).collect();
        let agent = Id::parse(seal.agent.as_bytes()).unwrap();
        let role = seal.role.map(|role| Id::parse(role.as_bytes()).unwrap());
        let repository = RepositoryName::parse(seal.repository.as_bytes()).unwrap();
        let payload = Payload {
            repository: &repository,
            agent: &agent,
            role: role.as_ref(),
            change,
            author: author.as_bytes(),
            merges: &merges,
            root: if parents.is_empty() { Root::Yes } else { Root::No },
            message: Digest::of(message),
        };
        let signature = seal.key.sign(seal::NAMESPACE, &payload.to_bytes());
        SealValue { change, message: Digest::of(message), signature }
    }

    /// The message with a seal block appended.
    pub fn sealed_message(&self, commit: &str, message: &str, seal: &SealBy<'_>) -> String {
        let agent = Id::parse(seal.agent.as_bytes()).unwrap();
        let role = seal.role.map(|role| Id::parse(role.as_bytes()).unwrap());
        let head = BlockHead { agent: &agent, role: role.as_ref(), model: None, session: None, task: None }.to_text();
        let divider = if message.contains("\nCountersign-") || message.ends_with("\n\n") { "" } else { "\n" };
        let above = format!("{message}{divider}{head}");
        let value = self.seal_of(commit, above.as_bytes(), seal);
        format!("{above}{}", seal::seal_line(&value))
    }

    /// Replaces HEAD by the same commit with another message. Returns the new commit.
    pub fn reword(&self, message: &str) -> String {
        let raw = String::from_utf8(self.raw("commit", "HEAD")).unwrap();
        let (headers, _) = raw.split_once("\n\n").unwrap();
        let commit = self.store("commit", format!("{headers}\n\n{message}").as_bytes());
        self.git(&["reset", "-q", "--soft", &commit]);
        commit
    }

    /// Seals HEAD by hand, as FORMAT.md says. Returns the new commit.
    pub fn seal_head(&self, actor: Actor) -> String {
        self.seal_head_by(&SealBy::honest(actor.id, &actor.key()))
    }

    pub fn seal_head_by(&self, seal: &SealBy<'_>) -> String {
        let raw = String::from_utf8(self.raw("commit", "HEAD")).unwrap();
        let (_, message) = raw.split_once("\n\n").unwrap();
        self.reword(&self.sealed_message("HEAD", message, seal))
    }

    /// Signs HEAD as git does, in a `gpgsig` header. Returns the new commit.
    pub fn sign_head(&self, actor: Actor) -> String {
        let raw = String::from_utf8(self.raw("commit", "HEAD")).unwrap();
        let commit = self.store("commit", self.signed(&raw, actor).as_bytes());
        self.git(&["reset", "-q", "--soft", &commit]);
        commit
    }

    /// A raw commit with a signature header.
    pub fn signed(&self, raw: &str, actor: Actor) -> String {
        let (headers, message) = raw.split_once("\n\n").unwrap();
        let text = armor(&actor.key().sign("git", raw.as_bytes()));
        let folded = text.trim_end().replace('\n', "\n ");
        let name = if self.format == "sha256" { "gpgsig-sha256" } else { "gpgsig" };
        format!("{headers}\n{name} {folded}\n\n{message}")
    }
}

/// Who seals and what for.
pub struct SealBy<'a> {
    pub agent: &'a str,
    pub role: Option<&'a str>,
    pub repository: &'a str,
    pub key: &'a PrivateKey,
}

impl<'a> SealBy<'a> {
    pub fn honest(agent: &'a str, key: &'a PrivateKey) -> Self {
        Self { agent, role: None, repository: REPOSITORY, key }
    }
}

/// The program under test, from a place of its own.
pub fn binary() -> PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let place = || {
        let built = Path::new(env!("CARGO_BIN_EXE_countersign"));
        let directory = ground().join("bin");
        std::fs::create_dir(&directory).unwrap();
        let program = directory.join("countersign");
        std::fs::hard_link(built, &program).or_else(|_| std::fs::copy(built, &program).map(drop)).unwrap();
        program
    };
    PROGRAM.get_or_init(place).clone()
}

/// A directory for one test, which goes when it is dropped.
pub fn directory() -> TempDir {
    tempfile::tempdir_in(ground()).unwrap()
}

/// Where the tests' repositories and the program stand. Root takes nothing for its own that lies where others may write, such as below
/// /tmp, where this may be built: then the tests go where servers keep what is theirs.
fn ground() -> &'static Path {
    static GROUND: OnceLock<PathBuf> = OnceLock::new();
    GROUND.get_or_init(|| {
        let own = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let place = match rustix::process::geteuid().is_root() {
            true => [own, Path::new("/srv"), Path::new("/var/lib")].into_iter().find(|place| is_roots(place)),
            false => Some(own),
        };
        let place = place.expect("root has a directory that nobody else may write to");
        remove_left(place);
        let ground = place.join(format!("{GROUND_PREFIX}{}", std::process::id()));
        std::fs::create_dir_all(&ground).unwrap();
        ground
    })
}

const GROUND_PREFIX: &str = "gate-tests-";

/// Whether root alone may write to a directory and those above it.
fn is_roots(place: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let closed = |path: &Path| path.metadata().is_ok_and(|found| found.uid() == 0 && found.mode() & 0o022 == 0);
    place.canonicalize().is_ok_and(|real| real.ancestors().all(closed))
}

/// Removes what tests left that have ended.
fn remove_left(place: &Path) {
    for entry in std::fs::read_dir(place).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(GROUND_PREFIX)?.parse::<u32>().ok());
        if process.is_some_and(|process| !Path::new("/proc").join(process.to_string()).exists()) {
            // Another run may be at it as well.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}
