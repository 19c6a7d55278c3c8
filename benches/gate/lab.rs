//! Real repositories, built by git in a temporary directory that knows nothing of the user's configuration.

use std::cell::OnceCell;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// The first second of every history made here.
const EPOCH: usize = 1_600_000_000;

pub struct Lab {
    root: TempDir,
    one: OnceCell<Project>,
    thousand: OnceCell<Project>,
    ten_thousand: OnceCell<Project>,
}

/// A server repository, a clone with sealed commits that the server lacks, and the policy.
pub struct Project {
    pub directory: PathBuf,
    /// The server's tip, and the clone's.
    pub old: String,
    pub new: String,
}

/// The same push, as git hands it to the hook.
#[derive(Clone)]
pub struct HookRun {
    pub ledger: PathBuf,
    server: PathBuf,
    policy: PathBuf,
    quarantine: Option<PathBuf>,
    /// A file with the hook's standard input.
    pub input: PathBuf,
}

impl Lab {
    pub fn new() -> Self {
        let lab = Self {
            root: tempfile::tempdir().unwrap(),
            one: OnceCell::new(),
            thousand: OnceCell::new(),
            ten_thousand: OnceCell::new(),
        };
        std::fs::create_dir(lab.path("home")).unwrap();
        lab
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub fn one(&self) -> &Project {
        self.one.get_or_init(|| self.project(1))
    }

    pub fn thousand(&self) -> &Project {
        self.thousand.get_or_init(|| self.project(1_000))
    }

    pub fn ten_thousand(&self) -> &Project {
        self.ten_thousand.get_or_init(|| self.project(10_000))
    }

    /// A command with nothing of the user's environment but PATH.
    pub fn command(&self, program: &str, directory: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(directory).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", self.path("home"));
        command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "Alice Ng").env(format!("GIT_{who}_EMAIL"), "alice@acme.dev");
        }
        command
    }

    /// Runs a command to its end; it must succeed. Returns what it wrote.
    pub fn run(&self, mut command: Command) -> String {
        let output = command.stderr(Stdio::inherit()).output().unwrap();
        assert!(output.status.success(), "{command:?} failed");
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    pub fn git(&self, directory: &Path, arguments: &[&str]) -> String {
        let mut command = self.command("git", directory);
        command.args(arguments);
        self.run(command)
    }

    fn countersign(&self, directory: &Path, arguments: &[&str]) -> String {
        let mut command = self.command(binary(), directory);
        command.args(arguments);
        self.run(command)
    }

    /// Feeds `git fast-import`.
    pub fn import(&self, directory: &Path, arguments: &[&str], write: impl FnOnce(&mut dyn Write)) {
        let mut command = self.command("git", directory);
        command.args(["fast-import", "--quiet", "--force"]).args(arguments);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let mut input = BufWriter::new(child.stdin.take().unwrap());
        write(&mut input);
        drop(input);
        assert!(child.wait().unwrap().success());
    }

    /// A server with one commit of 100 files, and `commits` more in the clone, each changing one file and sealed.
    fn project(&self, commits: usize) -> Project {
        let project = self.empty_project(&format!("project-{commits}"));
        self.import(&project.clone_dir(), &[], |input| {
            writeln!(input, "commit refs/heads/main\ncommitter A <a@acme.dev> {EPOCH} +0000\ndata 4\nBase").unwrap();
            for file in 0..50 {
                writeln!(input, "M 644 inline src/part/f{file}\ndata 1\n0\nM 644 inline g{file}\ndata 1\n0").unwrap();
            }
        });
        self.git(&project.clone_dir(), &["push", "-q", "origin", "main"]);
        self.seal_commits(project, commits)
    }

    /// A server with a linear history and branches all along it, and one sealed commit in the clone.
    pub fn history(&self, commits: usize, refs: usize) -> Project {
        let project = self.empty_project(&format!("history-{commits}"));
        let marks = project.directory.join("marks");
        let export = format!("--export-marks={}", marks.display());
        self.import(&project.server(), &[&export], |input| {
            for blob in 1..=100 {
                writeln!(input, "blob\nmark :{}\ndata 4\n{blob:04}", commits + blob).unwrap();
            }
            for commit in 1..=commits {
                let second = EPOCH + commit;
                writeln!(input, "commit refs/heads/main\nmark :{commit}").unwrap();
                writeln!(input, "committer A <a@acme.dev> {second} +0000\ndata 4\nWork").unwrap();
                // One commit in ten changes a file: what is measured is the length of history, not the size of trees.
                if commit % 10 == 1 {
                    let (file, blob) = (commit / 10 % 50, commits + 1 + commit / 10 % 97);
                    writeln!(input, "M 644 :{blob} src/part/f{file}\nM 644 :{blob} g{file}").unwrap();
                }
            }
        });
        self.pack_refs(&project.server(), &marks, commits, refs);
        self.git(&project.server(), &["commit-graph", "write", "--reachable", "--no-progress"]);
        // The clone borrows the server's objects and knows its branch, so that making it costs nothing.
        let objects = project.clone_dir().join(".git/objects/info");
        std::fs::create_dir_all(&objects).unwrap();
        std::fs::write(objects.join("alternates"), format!("{}/objects\n", project.server().display())).unwrap();
        let tip = self.git(&project.server(), &["rev-parse", "main"]);
        for name in ["refs/heads/main", "refs/remotes/origin/main"] {
            self.git(&project.clone_dir(), &["update-ref", name, &tip]);
        }
        self.seal_commits(project, 1)
    }

    /// Writes packed-refs by hand: git would write each ref to a file first.
    fn pack_refs(&self, server: &Path, marks: &Path, commits: usize, refs: usize) {
        let marks = std::fs::read_to_string(marks).unwrap();
        let mut ids = vec![""; commits + 1];
        for line in marks.lines() {
            let (mark, id) = line.strip_prefix(':').unwrap().split_once(' ').unwrap();
            let mark: usize = mark.parse().unwrap();
            if mark <= commits {
                ids[mark] = id;
            }
        }
        let mut file = BufWriter::new(std::fs::File::create(server.join("packed-refs")).unwrap());
        writeln!(file, "# pack-refs with: peeled fully-peeled sorted ").unwrap();
        for number in 0..refs {
            writeln!(file, "{} refs/heads/b/{number:07}", ids[1 + number * (commits - 1) / refs]).unwrap();
        }
    }

    pub fn empty_project(&self, name: &str) -> Project {
        let directory = self.path(name);
        std::fs::create_dir(&directory).unwrap();
        self.git(&directory, &["init", "-q", "--bare", "-b", "main", "server.git"]);
        self.git(&directory, &["init", "-q", "-b", "main", "clone"]);
        let project = Project { directory, old: String::new(), new: String::new() };
        let clone = project.clone_dir();
        self.git(&clone, &["remote", "add", "origin", &project.server().display().to_string()]);
        self.git(&clone, &["config", "countersign.repository", "acme/payments"]);
        // Nothing may start packing in the middle of a measurement.
        for directory in [&clone, &project.server()] {
            for setting in ["gc.auto", "maintenance.auto", "receive.autogc"] {
                self.git(directory, &["config", setting, "0"]);
            }
        }
        let agent = self.countersign(&clone, &["agent", "add", "claude-code", "--owner", "alice"]);
        std::fs::write(project.policy(), format!("{POLICY}{agent}\n")).unwrap();
        project
    }

    fn seal_commits(&self, mut project: Project, commits: usize) -> Project {
        let clone = project.clone_dir();
        project.old = self.git(&clone, &["rev-parse", "refs/remotes/origin/main"]);
        self.import(&clone, &[], |input| {
            for commit in 1..=commits {
                // Behind every history above.
                let second = EPOCH + 100_000_000 + commit;
                writeln!(input, "commit refs/heads/main\ncommitter A <a@acme.dev> {second} +0000").unwrap();
                let message = format!("Work {commit}\n\nCo-Authored-By: Claude <noreply@anthropic.com>\n");
                writeln!(input, "data {}\n{message}", message.len()).unwrap();
                if commit == 1 {
                    writeln!(input, "from {}", project.old).unwrap();
                }
                let content = format!("{commit}\n");
                writeln!(input, "M 644 inline src/part/f{}\ndata {}\n{content}", commit % 50, content.len()).unwrap();
            }
        });
        self.countersign(&clone, &["sign", "--agent", "claude-code"]);
        project.new = self.git(&clone, &["rev-parse", "main"]);
        project
    }

    /// A push of the project's new commits to `name`, with its objects in a quarantine as receive-pack leaves them: a pack,
    /// or loose objects where there are few (receive.unpackLimit).
    pub fn hook_run(&self, project: &Project, name: &str, old: Option<&str>) -> HookRun {
        let quarantine = project.server().join("objects/tmp_objdir-incoming-bench");
        if !quarantine.exists() {
            std::fs::create_dir_all(quarantine.join("pack")).unwrap();
            let few = self.git(&project.clone_dir(), &["rev-list", "--count", "origin/main..main"]).len() < 2;
            let unpack = if few { "unpack-objects -q" } else { "index-pack --stdin --fix-thin" };
            let script = format!(
                "printf 'main\\n^origin/main\\n' | git pack-objects --revs --thin --delta-base-offset --stdout -q | \
                 GIT_DIR=\"$1\" GIT_OBJECT_DIRECTORY=\"$2\" GIT_ALTERNATE_OBJECT_DIRECTORIES=\"$1/objects\" git {unpack}"
            );
            let mut command = self.command("sh", &project.clone_dir());
            command.args(["-c", &script, "receive"]).arg(project.server()).arg(&quarantine);
            self.run(command);
        }
        let input = project.directory.join(format!("input-{}", name.replace('/', "-")));
        let null = "0".repeat(40);
        std::fs::write(&input, format!("{} {} {name}\n", old.unwrap_or(&null), project.new)).unwrap();
        HookRun {
            ledger: self.ledger(project),
            server: project.server(),
            policy: project.policy(),
            quarantine: Some(quarantine),
            input,
        }
    }

    /// A push of the clone's main branch into the empty server, its objects where they lie in the clone.
    pub fn import_run(&self, project: &Project) -> HookRun {
        let tip = self.git(&project.clone_dir(), &["rev-parse", "main"]);
        let quarantine = Some(project.clone_dir().join(".git/objects"));
        let lines = format!("{} {tip} refs/heads/main\n", "0".repeat(40));
        HookRun { quarantine, ..self.ref_run(project, &lines) }
    }

    /// A push of refs to what the server has, in the lines that git gives to the hook.
    pub fn ref_run(&self, project: &Project, lines: &str) -> HookRun {
        let input = project.directory.join("input-refs");
        std::fs::write(&input, lines).unwrap();
        HookRun {
            ledger: self.ledger(project),
            server: project.server(),
            policy: project.policy(),
            quarantine: None,
            input,
        }
    }

    /// A push that only deletes a branch: git makes no quarantine for it.
    pub fn deleting_run(&self, project: &Project) -> HookRun {
        let mut branch = self.command("git", &project.server());
        branch.args(["update-ref", "refs/heads/over", &project.old]);
        self.run(branch);
        self.ref_run(project, &format!("{} {} refs/heads/over\n", project.old, "0".repeat(40)))
    }

    /// The project's ledger, which knows its refs.
    fn ledger(&self, project: &Project) -> PathBuf {
        let ledger = project.directory.join("ledger");
        if !ledger.exists() {
            let mut install = self.command(binary(), &project.directory);
            install.args(["install", "--server", "server.git", "--policy", "policy.toml", "--ledger", "ledger"]);
            self.run(install);
        }
        ledger
    }

    /// The hook, ready to start; `around` is a program that starts it, with arguments.
    pub fn hook(&self, run: &HookRun, around: &[&str]) -> Command {
        let mut words = around.to_vec();
        words.extend([binary(), "hook", "pre-receive", "--policy"]);
        let mut command = self.command(words[0], &run.server);
        command.args(&words[1..]).arg(&run.policy).arg("--ledger").arg(&run.ledger).env("GIT_DIR", ".");
        if let Some(quarantine) = &run.quarantine {
            command.env("GIT_QUARANTINE_PATH", quarantine).env("GIT_OBJECT_DIRECTORY", quarantine);
            command.env("GIT_ALTERNATE_OBJECT_DIRECTORIES", run.server.join("objects"));
        }
        command.stdin(std::fs::File::open(&run.input).unwrap());
        command
    }
}

impl HookRun {
    /// The same push under another policy.
    pub fn with_policy(&self, policy: PathBuf) -> Self {
        Self { policy, ..self.clone() }
    }
}

impl Project {
    pub fn server(&self) -> PathBuf {
        self.directory.join("server.git")
    }

    pub fn clone_dir(&self) -> PathBuf {
        self.directory.join("clone")
    }

    pub fn policy(&self) -> PathBuf {
        self.directory.join("policy.toml")
    }
}

/// A size that the environment may set.
pub fn size(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |value| value.parse().expect("the size is a number"))
}

/// The program that is measured.
pub fn binary() -> &'static str {
    env!("CARGO_BIN_EXE_countersign")
}

const POLICY: &str = r#"version = 1
repository = "acme/payments"

[people.alice]
emails = ["alice@acme.dev"]

[paths]
pipeline = [".github/**", ".gitlab-ci.yml", "Jenkinsfile"]

[[rule]]
name = "branches"
refs = ["refs/heads/**"]
identity = "agents"

[[rule]]
name = "pipelines"
refs = ["refs/heads/main"]
paths = ["pipeline"]
identity = "everyone"

"#;
