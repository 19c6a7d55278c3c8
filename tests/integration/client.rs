//! What happens in a clone: hooks that seal, `sign`, adoption, installing and uninstalling.

use std::path::Path;
use std::process::Output;

use crate::world::{AGENTS_EVERYWHERE, ALICE, CLAUDE, CODEX, Pushed, World, binary, registry};

/// A world whose clone has the hooks, and Claude's and Alice's keys.
pub struct Desk {
    pub world: World,
}

/// Whose process runs a command.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Who {
    Agent,
    Person,
}

pub use Who::{Agent, Person};

impl Desk {
    pub fn new() -> Self {
        let desk = Self::without_hooks();
        desk.ok(Person, &["countersign", "install"]);
        desk
    }

    pub fn without_hooks() -> Self {
        let world = World::new(AGENTS_EVERYWHERE);
        for actor in [ALICE, CLAUDE, CODEX] {
            let path = world.path(actor.id);
            std::fs::write(&path, actor.key().to_openssh(actor.id).unwrap()).unwrap();
            std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        }
        let path = |name: &str| world.path(name).display().to_string();
        for (key, value) in [
            ("countersign.policy", path("policy.toml")),
            ("countersign.claude-code.key", path("claude-code")),
            ("countersign.codex.key", path("codex")),
            ("gpg.format", "ssh".to_owned()),
            ("user.signingkey", path("alice")),
        ] {
            world.git(&["config", key, &value]);
        }
        Self { world }
    }

    pub fn run_in(&self, directory: &Path, who: Who, words: &[&str]) -> Output {
        let program = if words[0] == "countersign" { binary().display().to_string() } else { words[0].to_owned() };
        let mut command = self.world.command(&program, directory);
        command.args(&words[1..]);
        if who == Agent {
            command.env("CLAUDECODE", "1");
        }
        self.world.run(command, None)
    }

    pub fn run(&self, who: Who, words: &[&str]) -> Output {
        self.run_in(&self.world.clone_dir(), who, words)
    }

    #[track_caller]
    pub fn ok(&self, who: Who, words: &[&str]) -> String {
        let output = self.run(who, words);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{words:?}: {said}");
        said
    }

    pub fn write(&self, file: &str, content: &str) {
        std::fs::write(self.world.clone_dir().join(file), content).unwrap();
        self.world.git(&["add", "--all"]);
    }

    /// Who has sealed HEAD, as `show` tells it.
    pub fn sealed_by(&self, commit: &str) -> String {
        let output = self.run(Person, &["countersign", "show", commit]);
        let shown = String::from_utf8(output.stdout).unwrap();
        shown.lines().filter(|line| line.starts_with("sealed")).collect::<Vec<_>>().join("; ")
    }

    #[track_caller]
    pub fn assert_sealed(&self, commit: &str) {
        let sealed = self.sealed_by(commit);
        assert!(sealed.contains("by claude-code as author: holds"), "{sealed:?}");
    }

    #[track_caller]
    pub fn pushes(&self) {
        self.world.push(&["HEAD:refs/heads/main"]).accepted();
    }

    /// Runs the commands of a hint that stand below some words, as they are printed.
    #[track_caller]
    pub fn follow(&self, who: Who, pushed: &Pushed, words: &str) {
        for line in pushed.commands(words) {
            let mut command = self.world.shell(&self.world.clone_dir(), line);
            if who == Agent {
                command.env("CLAUDECODE", "1");
            }
            let output = self.world.run(command, None);
            assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }

    /// Runs a command without the fixed author date: git takes the clock.
    pub fn at_the_clock(&self, who: Who, words: &[&str]) {
        let mut command = self.world.command(words[0], &self.world.clone_dir());
        command.args(&words[1..]).env_remove("GIT_AUTHOR_DATE");
        if who == Agent {
            command.env("CLAUDECODE", "1");
        }
        let output = self.world.run(command, None);
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn agents_commits_are_sealed_and_peoples_are_not() {
    let desk = Desk::new();
    desk.write("a", "1");
    let said = desk.ok(Agent, &["git", "commit", "-m", "Work"]);
    assert!(said.contains("is sealed by claude-code"), "{said}");
    desk.assert_sealed("HEAD");
    desk.write("a", "2");
    desk.ok(Person, &["git", "commit", "-m", "By hand"]);
    assert_eq!(desk.sealed_by("HEAD"), "");
    desk.pushes();
}

#[test]
fn every_way_an_agent_makes_a_commit_ends_sealed() {
    let desk = Desk::new();
    desk.write("base", "1");
    desk.ok(Person, &["git", "commit", "-m", "Base"]);
    desk.pushes();

    desk.write("a", "1");
    desk.ok(Agent, &["git", "commit", "--no-verify", "-m", "No hooks before"]);
    desk.assert_sealed("HEAD");
    desk.write("a", "2");
    desk.ok(Agent, &["git", "commit", "--amend", "--no-edit"]);
    desk.assert_sealed("HEAD");
    desk.ok(Agent, &["git", "commit", "--amend", "-m", "Another message"]);
    desk.assert_sealed("HEAD");
    desk.ok(Agent, &["git", "commit", "--allow-empty", "-m", "Empty"]);
    desk.assert_sealed("HEAD");
    desk.ok(Agent, &["git", "revert", "--no-edit", "HEAD~1"]);
    desk.assert_sealed("HEAD");

    // A rebase onto a base that touched the same file, so that no change digest survives.
    let tip = desk.world.git(&["rev-parse", "HEAD"]);
    desk.world.git(&["checkout", "-q", "-b", "upstream", "origin/main"]);
    desk.write("base", "2");
    desk.ok(Person, &["git", "commit", "-m", "Upstream moves"]);
    desk.world.git(&["checkout", "-q", "-b", "work", "origin/main"]);
    desk.write("base", "1\nmine\n");
    desk.ok(Agent, &["git", "commit", "-m", "Mine"]);
    desk.write("other", "x");
    desk.ok(Agent, &["git", "commit", "-m", "Other"]);
    desk.ok(Agent, &["git", "rebase", "-X", "theirs", "upstream"]);
    desk.assert_sealed("HEAD");
    desk.assert_sealed("HEAD~1");
    assert_eq!(desk.sealed_by("HEAD~2"), "");

    desk.ok(Agent, &["git", "cherry-pick", "-x", &format!("{tip}~2")]);
    desk.assert_sealed("HEAD");
    desk.pushes();
}

#[test]
fn an_agent_never_seals_what_it_did_not_make() {
    let desk = Desk::new();
    desk.write("base", "1\n2\n3\n4\n5\n6\n7\n8\n9\n");
    desk.ok(Person, &["git", "commit", "-m", "Base"]);
    desk.world.git(&["branch", "upstream"]);
    desk.write("base", "1\n2\n3\n4\n5\n6\n7\n8\nnine\n");
    desk.ok(Person, &["git", "commit", "-m", "By hand"]);
    let by_hand = desk.world.git(&["rev-parse", "HEAD"]);

    desk.ok(Agent, &["git", "commit", "--amend", "-m", "Only reworded"]);
    assert_eq!(desk.sealed_by("HEAD"), "");
    desk.world.git(&["reset", "-q", "--hard", &by_hand]);

    desk.world.git(&["checkout", "-q", "upstream"]);
    desk.write("base", "one\n2\n3\n4\n5\n6\n7\n8\n9\n");
    desk.ok(Person, &["git", "commit", "-m", "Upstream moves"]);
    desk.ok(Agent, &["git", "cherry-pick", &by_hand]);
    assert_eq!(desk.sealed_by("HEAD"), "");
    desk.world.git(&["checkout", "-q", "main"]);
    desk.ok(Agent, &["git", "rebase", "upstream"]);
    assert_eq!(desk.sealed_by("HEAD"), "");

    desk.write("base", "changed by the agent\n");
    desk.ok(Agent, &["git", "commit", "--amend", "--no-edit"]);
    desk.assert_sealed("HEAD");
}

#[test]
fn merges_editors_cleanup_modes_and_signing_all_work() {
    let desk = Desk::new();
    desk.write("a", "1");
    desk.ok(Person, &["git", "commit", "-m", "Base"]);
    desk.world.git(&["checkout", "-q", "-b", "side"]);
    desk.write("b", "1");
    desk.ok(Agent, &["git", "commit", "-m", "Side"]);
    desk.world.git(&["checkout", "-q", "main"]);
    desk.write("c", "1");
    desk.ok(Agent, &["git", "commit", "-m", "Main"]);
    desk.ok(Agent, &["git", "merge", "--no-ff", "--no-edit", "side"]);
    desk.assert_sealed("HEAD");

    let editor = desk.world.path("editor");
    desk.world.write_executable(
        &editor,
        "#!/bin/sh\nprintf 'Edited\\n\\nbody\\n' | cat - \"$1\" > \"$1.new\" && mv \"$1.new\" \"$1\"\n",
    );
    let editor = editor.display().to_string();
    for (number, options) in [
        &["-v"][..],
        &["--cleanup=scissors"],
        &["--cleanup=verbatim", "-m", "Verbatim  \n\n\n\nbody  \n\n\n"],
        &["--cleanup=whitespace", "-m", "  Spaces  \n\n\nbody  "],
        &["--cleanup=strip", "-m", "Strip\n\n# not a comment to the author\nbody"],
        &["-m", "Title", "-m", "* a list\n* of things\n\nSigned-off-by: Alice Ng <alice@acme.dev>"],
        &["-s", "-m", "With a sign-off"],
        &["-S", "-m", "Signed by the person as well"],
    ]
    .into_iter()
    .enumerate()
    {
        desk.write("a", &format!("edit {number}"));
        let core = format!("core.editor={editor}");
        let words: Vec<&str> = ["git", "-c", &core, "commit"].iter().chain(options).copied().collect();
        let mut command = desk.world.command(words[0], &desk.world.clone_dir());
        command.args(&words[1..]).env("CLAUDECODE", "1").env_remove("GIT_EDITOR");
        let output = desk.world.run(command, None);
        assert!(output.status.success(), "{options:?}: {}", String::from_utf8_lossy(&output.stderr));
        desk.assert_sealed("HEAD");
    }
    desk.pushes();
}

#[test]
fn a_person_who_changes_an_agents_commit_has_an_honest_way() {
    let desk = Desk::new();
    desk.write("a", "1");
    desk.ok(Agent, &["git", "commit", "-m", "Work", "-m", "Co-Authored-By: Claude <noreply@anthropic.com>"]);
    desk.write("a", "changed by hand");
    let said = desk.ok(Person, &["git", "commit", "--amend", "--no-edit"]);
    assert!(said.contains("countersign sign HEAD --adopt"), "{said}");
    desk.world.push(&["--no-verify", "HEAD:refs/heads/main"]).refused("stale-seal");
    // pre-push says the same before anything is sent.
    let pushed = desk.world.push(&["HEAD:refs/heads/main"]);
    assert!(!pushed.ok && pushed.said.contains("would refuse refs/heads/main"), "{}", pushed.said);

    let refused = desk.run(Agent, &["countersign", "sign", "HEAD", "--adopt"]);
    assert_eq!(refused.status.code(), Some(2));
    desk.ok(Person, &["countersign", "sign", "HEAD", "--adopt"]);
    let message = desk.world.git(&["log", "-1", "--format=%B"]);
    assert!(message.contains("Countersign-Drafted: claude-code") && !message.contains("Countersign-Seal"), "{message}");
    desk.pushes();

    // Nothing of the agent is left in the message: the person says whose draft it was.
    desk.write("a", "2");
    desk.ok(Agent, &["git", "commit", "-m", "More work"]);
    desk.ok(Person, &["git", "commit", "--amend", "-m", "In my own words"]);
    assert!(desk.ok(Person, &["countersign", "sign", "HEAD", "--adopt"]).contains("nothing to adopt"));
    desk.ok(Person, &["countersign", "sign", "HEAD", "--adopt", "--agent", "claude-code"]);
    assert!(desk.world.git(&["log", "-1", "--format=%B"]).contains("Countersign-Drafted: claude-code"));
    desk.pushes();
}

#[test]
fn sign_seals_a_range_and_leaves_the_rest_of_each_commit_alone() {
    let desk = Desk::without_hooks();
    desk.write("a", "0");
    desk.ok(Person, &["git", "commit", "-m", "Base"]);
    desk.pushes();
    for number in 1..=5 {
        desk.write("a", &number.to_string());
        desk.ok(
            Person,
            &["git", "commit", "-m", &format!("Work {number}\n\nCo-Authored-By: Claude <noreply@anthropic.com>")],
        );
    }
    let before = desk.world.git(&["log", "--format=%T %an %ae %at %cn %ct", "origin/main.."]);
    let output =
        desk.run(Person, &["countersign", "sign", "--agent", "claude-code", "--model", "opus", "--task", "PAY-1"]);
    assert!(output.status.success());
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(printed.lines().filter(|line| line.contains(" -> ")).count(), 5);
    assert_eq!(desk.world.git(&["log", "--format=%T %an %ae %at %cn %ct", "origin/main.."]), before);
    desk.assert_sealed("HEAD~4");
    desk.pushes();
    let model = |name: &str| {
        desk.ok(Person, &["countersign", "sign", "HEAD", "--agent", "claude-code", "--model", name, "--force"]);
        desk.world.git(&["log", "-1", "--format=%B"]).contains(&format!("Countersign-Model: {name}"))
    };
    assert!(model("haiku") && model("opus"), "a seal is made again to say what it is told to say");
    // What is sealed stays as it is, and what was pushed is not rewritten unasked.
    let again = desk.run(Person, &["countersign", "sign", "HEAD~1..HEAD", "--agent", "codex"]);
    assert!(again.status.success() && String::from_utf8_lossy(&again.stderr).contains("claude-code has sealed it"));
    assert_eq!(
        desk.run(Person, &["countersign", "sign", "HEAD", "--agent", "codex", "--force"]).status.code(),
        Some(0)
    );
    let refused = desk.run(Person, &["countersign", "sign", "origin/main~2..HEAD", "--adopt"]);
    assert_eq!(refused.status.code(), Some(2), "{}", String::from_utf8_lossy(&refused.stderr));
}

/// Hints name a range, and a person's commits may lie in it: those that show no agent's hand among others that do are left.
#[test]
fn sign_leaves_a_person_s_commits_in_a_range() {
    let desk = Desk::without_hooks();
    desk.write("a", "0");
    desk.ok(Person, &["git", "commit", "-m", "Base"]);
    desk.pushes();
    for (content, message) in
        [("1", "Mine"), ("2", "Work\n\nCo-Authored-By: Claude <noreply@anthropic.com>"), ("3", "Mine too")]
    {
        desk.write("a", content);
        desk.ok(Person, &["git", "commit", "-m", message]);
    }
    let output = desk.run(Agent, &["countersign", "sign", "origin/main..HEAD", "--agent", "claude-code"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.matches("shows no agent's hand").count() == 2, "{said}");
    let seals = || desk.world.git(&["log", "--format=%B", "origin/main.."]).matches("Countersign-Seal:").count();
    assert_eq!(seals(), 1);
    // So it is the second time; and the command that is printed works.
    let output = desk.run(Agent, &["countersign", "sign", "origin/main..HEAD", "--agent", "claude-code"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(seals(), 1, "{said}");
    let command = said.lines().rfind(|line| line.contains("to seal it too: ")).unwrap();
    let (_, command) = command.split_once("to seal it too: ").unwrap();
    desk.ok(Agent, &command.split(' ').collect::<Vec<_>>());
    assert_eq!(seals(), 2);
    desk.pushes();
    // What a person has signed or adopted is theirs.
    desk.write("a", "3 and more");
    desk.ok(Person, &["git", "commit", "-S", "-m", "Signed"]);
    desk.write("a", "3 and most");
    desk.ok(Person, &["git", "commit", "-m", "Draft\n\nCo-Authored-By: Claude <noreply@anthropic.com>"]);
    desk.ok(Person, &["countersign", "sign", "HEAD", "--adopt"]);
    let head = desk.world.git(&["rev-parse", "HEAD"]);
    desk.run(Agent, &["countersign", "sign", "--agent", "claude-code"]);
    assert_eq!(desk.world.git(&["rev-parse", "HEAD"]), head);
    desk.pushes();
    // Named one by one, whoever asks knows.
    for (content, message) in [("4", "Plain"), ("5", "Plain too")] {
        desk.write("a", content);
        desk.ok(Person, &["git", "commit", "-m", message]);
    }
    let seals = || desk.world.git(&["log", "--format=%B", "origin/main.."]).matches("Countersign-Seal:").count();
    let said = desk.ok(Agent, &["countersign", "sign"]);
    assert!(seals() == 0 && said.matches("shows no agent's hand").count() == 2, "{said}");
    desk.ok(Agent, &["countersign", "sign", "HEAD", "HEAD~1"]);
    assert_eq!(seals(), 2);
}

/// A key that is retired, or was never registered, gives way to a new one, and what it sealed is sealed again.
#[test]
fn a_new_key_seals_again() {
    let desk = Desk::without_hooks();
    desk.write("a", "1");
    desk.ok(Person, &["git", "commit", "-m", "Work\n\nCo-Authored-By: Claude <noreply@anthropic.com>"]);
    desk.ok(Agent, &["countersign", "sign"]);
    let policy = std::fs::read_to_string(desk.world.policy_path()).unwrap();
    let fingerprint = CLAUDE.key().public().fingerprint().to_string();
    desk.world.set_policy(&format!("{policy}\n[revoked]\nkeys = [\"{fingerprint}\"]\n"));
    let pushed = desk.world.push(&["HEAD:refs/heads/main"]);
    pushed.refused("agent-revoked");
    assert_eq!(
        pushed.commands("get a key"),
        ["countersign agent add claude-code --owner alice --new-key"],
        "{}",
        pushed.said
    );
    let output = desk.run(Person, &["countersign", "agent", "add", "claude-code", "--owner", "alice", "--new-key"]);
    let lines = String::from_utf8(output.stdout).unwrap();
    let key = lines.lines().find(|line| line.starts_with("keys = ")).unwrap();
    let old = format!("keys = [\"{}\"]", CLAUDE.line());
    assert!(policy.contains(&old), "{policy}");
    desk.world.set_policy(&format!("{}\n[revoked]\nkeys = [\"{fingerprint}\"]\n", policy.replace(&old, key)));
    desk.ok(Agent, &["countersign", "sign"]);
    desk.pushes();
}

#[test]
fn sign_adds_a_step_of_a_pipeline() {
    let desk = Desk::new();
    desk.write("a", "1");
    desk.ok(Agent, &["git", "commit", "-m", "Work"]);
    desk.ok(Person, &["countersign", "sign", "HEAD", "--agent", "codex", "--role", "reviewer"]);
    let sealed = desk.sealed_by("HEAD");
    assert!(sealed.contains("claude-code as author: holds") && sealed.contains("codex as reviewer: holds"), "{sealed}");
    desk.pushes();
}

#[test]
fn hooks_live_beside_others_and_in_worktrees_and_go_without_a_trace() {
    let desk = Desk::without_hooks();
    let hooks = desk.world.clone_dir().join(".git/hooks");
    let change_id = "#!/bin/sh\nprintf '\\nChange-Id: I0123\\n' >> \"$1\"\n";
    desk.world.write_executable(&hooks.join("commit-msg"), change_id);
    desk.world.write_executable(&hooks.join("post-commit"), "#!/bin/sh\ntouch ran\n");
    desk.world.write_executable(&hooks.join("pre-push"), "#!/bin/sh\ncat > pushed\n");
    desk.ok(Person, &["countersign", "install"]);
    desk.ok(Person, &["countersign", "install"]);
    desk.write("a", "1");
    desk.ok(Agent, &["git", "commit", "-m", "Work"]);
    desk.assert_sealed("HEAD");
    assert!(desk.world.git(&["log", "-1", "--format=%B"]).contains("Change-Id: I0123"));
    assert!(desk.world.clone_dir().join("ran").exists());
    desk.pushes();
    assert!(std::fs::read_to_string(desk.world.clone_dir().join("pushed")).unwrap().contains("refs/heads/main"));

    let tree = desk.world.path("worktree");
    desk.world.git(&["worktree", "add", "-q", "-b", "wt", &tree.display().to_string()]);
    std::fs::write(tree.join("b"), "1").unwrap();
    desk.world.git_in(&tree, &["add", "b"]);
    assert!(desk.run_in(&tree, Agent, &["git", "commit", "-m", "In a worktree"]).status.success());
    desk.assert_sealed("wt");

    desk.ok(Person, &["countersign", "uninstall"]);
    assert_eq!(std::fs::read_to_string(hooks.join("commit-msg")).unwrap(), change_id);
    assert!(!hooks.join("commit-msg.before-countersign").exists());
}

#[test]
fn a_hooks_path_of_another_tool_keeps_working() {
    let desk = Desk::without_hooks();
    let husky = desk.world.clone_dir().join(".husky");
    desk.world.write_executable(&husky.join("pre-commit"), "#!/bin/sh\ntouch pre-commit-ran\n");
    desk.world.write_executable(&husky.join("commit-msg"), "#!/bin/sh\ngrep -q '^[A-Z]' \"$1\"\n");
    desk.world.git(&["config", "core.hooksPath", ".husky"]);
    desk.ok(Person, &["countersign", "install"]);
    desk.ok(Person, &["countersign", "install"]);
    desk.write("a", "1");
    assert!(!desk.run(Agent, &["git", "commit", "-m", "lower case"]).status.success(), "their hook still refuses");
    desk.ok(Agent, &["git", "commit", "-m", "Upper case"]);
    desk.assert_sealed("HEAD");
    assert!(desk.world.clone_dir().join("pre-commit-ran").exists());
    desk.ok(Person, &["countersign", "uninstall"]);
    assert_eq!(desk.world.git(&["config", "core.hooksPath"]), ".husky");
    desk.world.git(&["config", "core.hooksPath", "/dev/null"]);
    assert_eq!(desk.run(Person, &["countersign", "install"]).status.code(), Some(2));
}

#[test]
fn a_rebase_by_any_name_leaves_what_a_person_made() {
    let desk = Desk::new();
    desk.write("base", "1");
    desk.ok(Person, &["git", "commit", "-m", "Base"]);
    desk.pushes();
    let elsewhere = desk.world.path("elsewhere");
    let (server, elsewhere_path) = (desk.world.server().display().to_string(), elsewhere.display().to_string());
    desk.world.git(&["clone", "-q", &server, &elsewhere_path]);
    std::fs::write(elsewhere.join("theirs"), "1").unwrap();
    desk.world.git_in(&elsewhere, &["add", "theirs"]);
    desk.world.git_in(&elsewhere, &["commit", "-q", "-m", "Upstream moves"]);
    desk.world.git_in(&elsewhere, &["push", "-q", "origin", "HEAD:refs/heads/main"]);
    desk.write("mine", "1");
    desk.ok(Person, &["git", "commit", "-m", "By hand"]);
    desk.write("agents", "1");
    desk.ok(Agent, &["git", "commit", "-m", "Agent's"]);

    desk.ok(Agent, &["git", "pull", "-q", "--rebase", "origin", "main"]);
    desk.assert_sealed("HEAD");
    assert_eq!(desk.sealed_by("HEAD~1"), "");
    let mut command = desk.world.command("git", &desk.world.clone_dir());
    command.args(["rebase", "-q", "--force-rebase", "HEAD~2"]);
    command.env("CLAUDECODE", "1").env("GIT_REFLOG_ACTION", "tidy up").env("GIT_COMMITTER_DATE", "1700000001 +0000");
    assert!(desk.world.run(command, None).status.success());
    desk.assert_sealed("HEAD");
    assert_eq!(desk.sealed_by("HEAD~1"), "");
}

#[test]
fn joining_commits_makes_nobody_their_maker() {
    let desk = Desk::new();
    desk.write("base", "1");
    desk.ok(Person, &["git", "commit", "-m", "Base"]);
    let join = |who: Who| {
        let mut command = desk.world.command("git", &desk.world.clone_dir());
        command.args(["rebase", "-q", "-i", "HEAD~2"]).env("GIT_SEQUENCE_EDITOR", "sed -i 2s/pick/squash/");
        if who == Agent {
            command.env("CLAUDECODE", "1");
        }
        let output = desk.world.run(command, None);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        said
    };
    for (makers, joined_by, sealed) in
        [([Person, Person], Agent, false), ([Person, Agent], Agent, true), ([Agent, Agent], Agent, true)]
    {
        for (number, who) in makers.into_iter().enumerate() {
            desk.write("work", &format!("{number} {}", desk.world.git(&["rev-parse", "HEAD"])));
            desk.ok(who, &["git", "commit", "-m", "Work"]);
        }
        join(joined_by);
        assert_eq!(!desk.sealed_by("HEAD").is_empty(), sealed, "{}", desk.sealed_by("HEAD"));
    }
    desk.pushes();

    // A person who joins an agent's commits has its seals in the middle of the message, and an honest way.
    for number in 0..2 {
        desk.write("more", &number.to_string());
        desk.ok(Agent, &["git", "commit", "-m", "More"]);
    }
    assert!(join(Person).contains("countersign sign HEAD --adopt"));
    desk.world.push(&["--no-verify", "HEAD:refs/heads/main"]).refused("malformed-trailers");
    desk.ok(Person, &["countersign", "sign", "HEAD", "--adopt"]);
    assert!(desk.world.git(&["log", "-1", "--format=%B"]).ends_with("Countersign-Drafted: claude-code"));
    desk.pushes();
}

/// A sealed commit has no `encoding` header: it is UTF-8. What git can convert is converted.
#[test]
fn commits_in_another_encoding_are_sealed_in_utf_8() {
    let desk = Desk::new();
    desk.world.git(&["config", "i18n.commitEncoding", "ISO-8859-1"]);
    desk.write("a", "1");
    desk.ok(Agent, &["git", "commit", "-m", "Plain ASCII has no need of an encoding"]);
    desk.assert_sealed("HEAD");
    desk.pushes();
    let message = desk.world.path("latin-1");
    std::fs::write(&message, b"caf\xe9\n").unwrap();
    desk.write("a", "2");
    desk.ok(Agent, &["git", "commit", "-F", &message.display().to_string()]);
    desk.assert_sealed("HEAD");
    let (headers, message) = desk.world.head();
    assert!(message.starts_with("caf\u{e9}\n") && !headers.contains("\nencoding "), "{headers}\n{message}");
    desk.pushes();

    // Libraries write the header for UTF-8 too. The gate refuses a seal beside it, and the hint is a command that works.
    desk.world.git(&["config", "--unset", "i18n.commitEncoding"]);
    for (encoding, name) in
        [("UTF-8", "J\u{f6}rg"), ("utf8", "J\u{f6}rg"), ("ISO-8859-1", "Jorg"), ("ISO-8859-1", "J\u{f6}rg")]
    {
        desk.write("a", &format!("{encoding} {name}"));
        desk.ok(Agent, &["git", "commit", "-m", "Work", "-m", "Co-Authored-By: Claude <noreply@anthropic.com>"]);
        let (headers, message) = desk.world.head();
        let raw = format!("{}\nencoding {encoding}\n\n{message}", headers.replace("Alice Ng", name));
        let latin_1 = |text: &str| text.chars().map(|one| u8::try_from(u32::from(one)).unwrap()).collect::<Vec<u8>>();
        let raw = if encoding.starts_with("ISO") { latin_1(&raw) } else { raw.into_bytes() };
        let odd = desk.world.store("commit", &raw);
        desk.world.git(&["reset", "-q", "--soft", &odd]);
        let pushed = desk.world.push(&["--no-verify", "HEAD:refs/heads/main"]);
        pushed.refused("bad-seal");
        desk.follow(Agent, &pushed, "as the agent");
        desk.assert_sealed("HEAD");
        let (headers, _) = desk.world.head();
        assert!(headers.contains(&format!("author {name} <")) && !headers.contains("\nencoding "), "{headers}");
        desk.pushes();
    }
}

#[test]
fn what_cannot_be_sealed_is_left_as_git_made_it() {
    let desk = Desk::new();
    desk.world.git(&["config", "i18n.commitEncoding", "x-unknown"]);
    let message = desk.world.path("unknown");
    std::fs::write(&message, b"caf\xe9\n").unwrap();
    desk.write("a", "2");
    let said = desk.ok(Agent, &["git", "commit", "-F", &message.display().to_string()]);
    assert!(said.contains("cannot convert to UTF-8") && said.contains("i18n.commitEncoding"), "{said}");
    assert!(desk.world.raw("commit", "HEAD").ends_with(b"\nencoding x-unknown\n\ncaf\xe9\n"));

    desk.world.git(&["config", "--unset", "i18n.commitEncoding"]);
    desk.ok(Person, &["git", "commit", "--amend", "-m", "By hand"]);
    desk.world.git(&["config", "core.logAllRefUpdates", "false"]);
    std::fs::remove_dir_all(desk.world.clone_dir().join(".git/logs")).unwrap();
    let said = desk.ok(Agent, &["git", "commit", "--amend", "-m", "Reworded"]);
    assert_eq!((desk.sealed_by("HEAD").as_str(), said.contains("is sealed")), ("", false), "{said}");
    // The note says what the commit is made of, where no log says what HEAD was.
    desk.write("a", "3");
    desk.ok(Agent, &["git", "commit", "--no-verify", "-m", "Work"]);
    desk.assert_sealed("HEAD");
    // A clone that an earlier program set up has no note of it.
    std::fs::remove_file(desk.world.clone_dir().join(".git/hooks/prepare-commit-msg")).unwrap();
    desk.write("a", "4");
    let said = desk.ok(Agent, &["git", "commit", "--no-verify", "-m", "Work"]);
    assert!(said.contains("without a reflog"), "{said}");
    assert_eq!(desk.sealed_by("HEAD"), "");
}

/// Several processes commit in one clone at once: each is sealed as its own, and a person's never.
#[test]
fn nobody_seals_what_they_did_not_make() {
    let desk = Desk::new();
    desk.write("base", "1");
    desk.ok(Person, &["git", "commit", "-m", "Base"]);
    // A person's commit lands between the agent's commit and its last hook.
    let hook = desk.world.clone_dir().join(".git/hooks/reference-transaction");
    desk.world.write_executable(
        &hook,
        "#!/bin/sh\n[ \"$1\" = committed ] && [ -n \"$CLAUDECODE\" ] && [ ! -e ../done ] && grep -q refs/heads/main && {\n\
         touch ../done; env -u CLAUDECODE git commit -q --allow-empty -m \"A person's\"; }\nexit 0\n",
    );
    desk.write("a", "1");
    desk.ok(Agent, &["git", "commit", "-m", "The agent's"]);
    assert_eq!(desk.world.git(&["log", "--format=%s", "-2"]), "A person's\nThe agent's");
    assert_eq!(desk.sealed_by("HEAD"), "");
    desk.assert_sealed("HEAD~");
    std::fs::remove_file(hook).unwrap();

    // Two agents and a person, as fast as they can; what git refuses is tried again.
    let script = "export GIT_AUTHOR_NAME=$0; for i in 1 2 3 4 5 6 7 8; do \
                  until git commit -q --allow-empty -m \"$0 $i\"; do :; done; done";
    let start = |name: &str, mark: Option<&str>| {
        let mut command = desk.world.command("sh", &desk.world.clone_dir());
        command.args(["-c", script, name]).stderr(std::process::Stdio::null());
        if let Some(mark) = mark {
            command.env(mark, "1");
        }
        command.spawn().unwrap()
    };
    let running = [start("claude-code", Some("CLAUDECODE")), start("codex", Some("CODEX_CI")), start("person", None)];
    for mut process in running {
        assert!(process.wait().unwrap().success());
    }
    let log =
        desk.world.git(&["log", "--format=%an %(trailers:key=Countersign-Agent,valueonly,separator=%x20)", "-24"]);
    for line in log.lines() {
        let (author, sealer) = line.split_once(' ').unwrap_or((line, ""));
        assert_eq!(sealer, if author == "person" { "" } else { author }, "{log}");
    }
    let unread = std::fs::read_dir(desk.world.clone_dir().join(".git/countersign/making")).unwrap().count();
    assert!(unread <= 8, "{unread} notes are left");
    desk.pushes();
}

/// What hooks cost is counted in the git processes that one commit starts: git writes a file for each (trace2).
#[test]
fn a_commit_starts_few_processes_more_than_without_hooks() {
    let desk = Desk::new();
    desk.write("base", "1");
    desk.ok(Person, &["git", "commit", "-m", "Base"]);
    let traces = desk.world.path("traces");
    let count = |who: Who, words: &[&str]| {
        std::fs::create_dir(&traces).unwrap();
        let mut command = desk.world.command(words[0], &desk.world.clone_dir());
        command.args(&words[1..]).env("GIT_TRACE2_EVENT", &traces);
        if who == Agent {
            command.env("CLAUDECODE", "1");
        }
        assert!(desk.world.run(command, None).status.success());
        let started = std::fs::read_dir(&traces).unwrap().count();
        std::fs::remove_dir_all(&traces).unwrap();
        started
    };
    desk.write("a", "1");
    let without = count(Agent, &["git", "-c", "core.hooksPath=/dev/null", "commit", "-m", "Without"]);
    for (number, words) in [
        &["git", "commit", "-m", "Work"][..],
        &["git", "commit", "--amend", "-m", "More work"],
        &["git", "commit", "-a", "-n", "-m", "Again"],
    ]
    .into_iter()
    .enumerate()
    {
        desk.write("a", &format!("2 {number}"));
        // The hooks are three processes themselves.
        let with = count(Agent, words) + 3;
        assert!(with <= without + 4, "{words:?}: {with} and {without}");
        desk.assert_sealed("HEAD");
    }
    desk.write("a", "3");
    assert!(count(Person, &["git", "commit", "-m", "By hand"]) < without + 2);
}

/// Who amends another agent's commit: of its words, nobody's seal is made; of its content, one that says who drafted it.
#[test]
fn an_agent_amends_another_s_commit() {
    let desk = Desk::new();
    let codex = |words: &[&str]| {
        let program = if words[0] == "countersign" { binary().display().to_string() } else { words[0].to_owned() };
        let mut command = desk.world.command(&program, &desk.world.clone_dir());
        command.args(&words[1..]).env("CODEX_CI", "1");
        let output = desk.world.run(command, None);
        let (said, printed) = (String::from_utf8(output.stderr).unwrap(), String::from_utf8(output.stdout).unwrap());
        assert!(output.status.success(), "{words:?}: {said}");
        format!("{said}{printed}")
    };
    desk.write("base", "1");
    desk.ok(Person, &["git", "commit", "-m", "Base"]);
    desk.write("a", "1");
    desk.ok(Agent, &["git", "commit", "-m", "Work"]);
    let said = codex(&["git", "commit", "--amend", "--no-edit"]);
    assert!(!said.contains("sealed"), "{said}");
    desk.assert_sealed("HEAD");
    for (amend, left) in [
        (&["git", "commit", "--amend", "-m", "In other words"][..], ""),
        (&["sh", "-c", "GIT_EDITOR='sed -i s/^Work/Words/' git commit --amend"], "the message changed"),
    ] {
        let said = codex(amend);
        assert!(said.contains("not sealed: codex has changed the words alone of claude-code's commit"), "{said}");
        assert!(desk.sealed_by("HEAD").contains(left) && !desk.sealed_by("HEAD").contains("codex"));
        let (_, command) = said.split_once("hint: countersign ").unwrap();
        let command = command.lines().next().unwrap();
        desk.ok(Agent, &[&["countersign"][..], &command.split(' ').collect::<Vec<_>>()].concat());
        desk.assert_sealed("HEAD");
        desk.ok(Agent, &["git", "commit", "--amend", "-q", "-m", "Work"]);
    }
    desk.write("a", "2");
    let said = codex(&["git", "commit", "--amend", "-m", "Changed"]);
    let shown = |said: &str| said.split_once("[main ").map(|(_, rest)| rest.split(']').next().unwrap().to_owned());
    assert_eq!(shown(&said).unwrap(), desk.world.git(&["rev-parse", "--short", "HEAD"]), "git prints what is there");
    for again in [
        &[][..],
        &["git", "commit", "-q", "--amend", "-m", "Changed again"],
        &["countersign", "sign", "HEAD", "--task", "T"],
    ] {
        if !again.is_empty() {
            codex(again);
        }
        let message = desk.world.git(&["log", "-1", "--format=%B"]);
        assert!(message.contains("Countersign-Drafted: claude-code\nCountersign-Agent: codex\n"), "{message}");
        assert!(desk.sealed_by("HEAD").contains("by codex as author: holds"));
    }
    desk.pushes();
}

#[test]
fn hooks_that_come_later_and_hooks_out_of_reach() {
    let desk = Desk::without_hooks();
    let sub = desk.world.clone_dir().join("sub");
    std::fs::create_dir(&sub).unwrap();
    desk.world.git(&["config", "core.hooksPath", ".husky"]);
    assert!(desk.run_in(&sub, Person, &["countersign", "install"]).status.success());
    let husky = desk.world.clone_dir().join(".husky");
    desk.world.write_executable(&husky.join("prepare-commit-msg"), "#!/bin/sh\ntouch prepare-ran\n");
    desk.write("a", "1");
    desk.ok(Agent, &["git", "commit", "-m", "Work"]);
    desk.assert_sealed("HEAD");
    assert!(desk.world.clone_dir().join("prepare-ran").exists());
    desk.ok(Person, &["countersign", "uninstall"]);

    desk.world.git(&["config", "extensions.worktreeConfig", "true"]);
    desk.world.git(&["config", "--worktree", "core.hooksPath", ".others"]);
    let refused = desk.run(Person, &["countersign", "install"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("this worktree alone"));
}

#[test]
fn agent_add_makes_a_key_that_works_at_once() {
    let desk = Desk::without_hooks();
    let output = desk.run(Person, &["countersign", "agent", "add", "helper", "--owner", "alice", "--tool", "cursor"]);
    let lines = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    let policy = std::fs::read_to_string(desk.world.policy_path()).unwrap();
    desk.world.set_policy(&format!("{policy}\n{lines}"));
    let key = desk.world.clone_dir().join(".git/countersign/keys/helper");
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&key.metadata().unwrap().permissions()) & 0o777, 0o600);
    // Lines that got lost on the way to the admin are printed again, for the same key.
    let again = desk.run(Person, &["countersign", "agent", "add", "helper", "--owner", "alice"]);
    assert!(again.status.success() && String::from_utf8(again.stdout).unwrap() == lines);
    desk.write("a", "1");
    desk.ok(Person, &["git", "commit", "-m", "Work"]);
    desk.ok(Person, &["countersign", "sign", "HEAD", "--agent", "helper"]);
    desk.pushes();
}

#[test]
fn an_agent_without_a_key_is_told_what_to_do_and_can_still_commit() {
    let desk = Desk::new();
    desk.write("a", "1");
    let mut command = desk.world.command("git", &desk.world.clone_dir());
    command.args(["commit", "-m", "Work"]).env("CURSOR_AGENT", "1");
    let output = desk.world.run(command, None);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.contains("countersign agent add cursor"), "{said}");
    assert_eq!(desk.sealed_by("HEAD"), "");
}

#[test]
fn check_and_explain_answer_before_the_push() {
    let desk = Desk::without_hooks();
    desk.write("a", "1");
    desk.ok(Person, &["git", "commit", "-m", "Work\n\nCo-Authored-By: Claude <noreply@anthropic.com>"]);
    let output = desk.run(Person, &["countersign", "check", "--for", "main"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stdout).unwrap().contains("would refuse refs/heads/main"));
    let output = desk.run(Person, &["countersign", "check", "--for", "main", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["schema"], 1);
    assert_eq!(json["refs"][0]["findings"][0]["code"], "unsealed-agent-commit");
    desk.ok(Person, &["countersign", "sign", "--agent", "claude-code"]);
    assert_eq!(desk.run(Person, &["countersign", "check", "--for", "main"]).status.code(), Some(0));
    let explained = desk.run(Person, &["countersign", "explain", "main"]);
    assert!(String::from_utf8(explained.stdout).unwrap().contains("sealed by a registered agent"));
    let code = desk.run(Person, &["countersign", "explain", "stale-seal"]);
    assert!(String::from_utf8(code.stdout).unwrap().starts_with("## stale-seal"));
}

/// Branches that all stand on where HEAD is, each with a commit of the agent's and an annotated tag.
fn branches(desk: &Desk, names: &[&str]) {
    for name in names {
        desk.world.git(&["checkout", "-q", "-b", name, "main"]);
        desk.write(name, "1");
        desk.ok(Agent, &["git", "commit", "-m", &format!("Work on {name}")]);
        desk.world.git(&["tag", "-a", "-m", "Tag", &format!("tag-{name}")]);
    }
    desk.world.git(&["checkout", "-q", "main"]);
}

#[test]
fn every_kind_of_merge_ends_sealed() {
    let desk = Desk::new();
    desk.write("base", "1");
    desk.ok(Person, &["git", "commit", "-m", "Base"]);
    desk.pushes();
    branches(&desk, &["one", "two", "three"]);
    let start = desk.world.git(&["rev-parse", "main"]);
    for merge in [
        // HEAD is contained in what is merged, and no parent.
        &["one", "two"][..],
        &["one", "two", "three"],
        &["tag-one", "tag-two"],
        &["--no-ff", "one", "two"],
        &["--no-ff", "one"],
        &["--no-ff", "tag-one"],
    ] {
        desk.ok(Agent, &[&["git", "merge", "-q", "-m", "Merge"][..], merge].concat());
        desk.assert_sealed("HEAD");
        desk.world.push(&["HEAD:refs/heads/merged"]).accepted();
        desk.world.git(&["reset", "-q", "--hard", &start]);
        desk.world.push(&[":refs/heads/merged"]).accepted();
    }
    // One that stops for a conflict, and is committed by hand.
    desk.write("one", "another");
    desk.ok(Agent, &["git", "commit", "-m", "In the way"]);
    assert!(!desk.run(Agent, &["git", "merge", "-q", "tag-one"]).status.success());
    desk.write("one", "both");
    desk.ok(Agent, &["git", "commit", "-q", "--no-edit"]);
    desk.assert_sealed("HEAD");
    desk.pushes();
}

/// `git merge` writes the time of its start into the commit and runs no post-commit: a seal that commit-msg made later does not hold.
#[test]
fn a_merge_is_sealed_with_the_date_that_git_gave_it() {
    let desk = Desk::new();
    desk.write("base", "1");
    desk.ok(Person, &["git", "commit", "-m", "Base"]);
    branches(&desk, &["one", "two"]);
    let hooks = desk.world.clone_dir().join(".git/hooks");
    std::fs::rename(hooks.join("commit-msg"), hooks.join("ours")).unwrap();
    let later = format!("#!/bin/sh\nGIT_AUTHOR_DATE='1800000000 +0000' exec {} \"$@\"\n", hooks.join("ours").display());
    desk.world.write_executable(&hooks.join("commit-msg"), &later);
    for merge in [&["one", "two"][..], &["--no-ff", "one"]] {
        desk.at_the_clock(Agent, &[&["git", "merge", "-q", "-m", "Merge"][..], merge].concat());
        desk.assert_sealed("HEAD");
        desk.world.git(&["reset", "-q", "--hard", "HEAD^1"]);
        desk.world.git(&["checkout", "-q", "-B", "main", "one~1"]);
    }
    // What a fast-forward moves to was there before, and is left.
    desk.world.git(&["checkout", "-q", "-b", "by-hand", "main"]);
    desk.write("hand", "1");
    desk.ok(Person, &["git", "commit", "-m", "By hand"]);
    desk.world.git(&["checkout", "-q", "main"]);
    desk.ok(Agent, &["git", "merge", "-q", "by-hand"]);
    assert_eq!(desk.sealed_by("HEAD"), "");
    assert_eq!(desk.world.git(&["rev-parse", "main"]), desk.world.git(&["rev-parse", "by-hand"]));
}

/// `git am` and `git rebase --apply` run no post-commit either.
#[test]
fn an_agent_s_patch_is_sealed_where_it_is_applied() {
    let desk = Desk::new();
    let lines = |first: &str, last: &str| format!("{first}\n2\n3\n4\n5\n6\n7\n8\n{last}\n");
    desk.write("file", &lines("1", "9"));
    desk.ok(Person, &["git", "commit", "-m", "Base"]);
    desk.world.git(&["checkout", "-q", "-b", "work"]);
    desk.write("file", &lines("1", "nine"));
    desk.ok(Agent, &["git", "commit", "-m", "Agent's"]);
    desk.world.git(&["checkout", "-q", "-b", "by-hand", "main"]);
    desk.write("file", &lines("1", "neuf"));
    desk.ok(Person, &["git", "commit", "-m", "By hand"]);
    desk.world.git(&["checkout", "-q", "main"]);
    desk.write("file", &lines("one", "9"));
    desk.ok(Person, &["git", "commit", "-m", "Upstream moves"]);
    let start = desk.world.git(&["rev-parse", "HEAD"]);
    for (branch, sealed) in [("work", true), ("by-hand", false)] {
        let patch = desk.world.path("patch");
        std::fs::write(&patch, desk.world.git(&["format-patch", "-1", "--stdout", branch]) + "\n").unwrap();
        desk.ok(Agent, &["git", "am", "-q", "-3", &patch.display().to_string()]);
        assert_eq!(desk.sealed_by("HEAD").contains("claude-code as author: holds"), sealed, "am {branch}");
        desk.world.git(&["reset", "-q", "--hard", &start]);
        desk.world.git(&["checkout", "-q", branch]);
        desk.ok(Agent, &["git", "rebase", "-q", "--apply", "main"]);
        assert_eq!(desk.sealed_by("HEAD").contains("claude-code as author: holds"), sealed, "rebase {branch}");
        assert_eq!(desk.sealed_by("HEAD").is_empty(), !sealed, "rebase {branch}");
        desk.world.git(&["checkout", "-q", "main"]);
    }
}

/// What a person reuses is the words: the seal in them is for another commit, and is left out.
#[test]
fn a_seal_does_not_come_along_with_a_message() {
    let desk = Desk::new();
    desk.write("base", "1");
    desk.ok(Person, &["git", "commit", "-m", "Base"]);
    desk.write("a", "1");
    desk.ok(Agent, &["git", "commit", "-m", "Work", "-m", "Fixes: #1"]);
    let work = desk.world.git(&["rev-parse", "HEAD"]);
    for (number, reuse) in
        [&["-C", "HEAD"][..], &["-c", "HEAD"], &["-C", "HEAD", "-s"], &["-q", "-C", &work]].into_iter().enumerate()
    {
        desk.world.git(&["reset", "-q", "--hard", &work]);
        if number == 3 {
            desk.write("between", "1");
            desk.ok(Person, &["git", "commit", "-m", "Between"]);
        }
        desk.write("a", &format!("by hand {number}"));
        let said = desk.ok(Person, &[&["git", "commit"][..], reuse].concat());
        assert!(said.contains("claude-code's seal came with the message of") && said.contains("left out"), "{said}");
        let message = desk.world.git(&["log", "-1", "--format=%B"]);
        assert!(message.starts_with("Work\n\nFixes: #1") && !message.contains("Countersign-"), "{message}");
        desk.world.push(&["+HEAD:refs/heads/main"]).accepted();
    }
    // Where commit-msg does not run, the first hook does so.
    desk.world.git(&["reset", "-q", "--hard", &work]);
    desk.write("a", "unverified");
    let said = desk.ok(Person, &["git", "commit", "--no-verify", "-C", "HEAD"]);
    assert!(said.contains("left out"), "{said}");
    desk.world.push(&["+HEAD:refs/heads/main"]).accepted();
    // In a clone that an earlier program set up no hook runs then, and the hint is a command that does the same.
    std::fs::remove_file(desk.world.clone_dir().join(".git/hooks/prepare-commit-msg")).unwrap();
    desk.world.git(&["reset", "-q", "--hard", &work]);
    desk.write("a", "unverified");
    let said = desk.ok(Person, &["git", "commit", "--no-verify", "-C", "HEAD"]);
    assert!(said.contains("git commit --amend --no-edit leaves it out"), "{said}");
    desk.world.push(&["+HEAD:refs/heads/main"]).refused("stale-seal");
    desk.ok(Person, &["git", "commit", "--amend", "--no-edit"]);
    desk.world.push(&["+HEAD:refs/heads/main"]).accepted();
    // An alias stands for what git makes of it.
    desk.world.git(&["config", "alias.again", "commit -C HEAD~1"]);
    desk.write("a", "alias");
    desk.ok(Person, &["git", "again"]);
    assert!(!desk.world.git(&["log", "-1", "--format=%B"]).contains("Countersign-"));
}

/// The same words over the agent's own content, changed or not, are not a person's to wash: it is adopted, or the seal holds.
#[test]
fn an_agent_s_work_keeps_its_seal_whatever_a_person_does_to_it() {
    let desk = Desk::new();
    desk.write("base", "1");
    desk.ok(Person, &["git", "commit", "-m", "Base"]);
    desk.pushes();
    desk.write("a", "1");
    desk.ok(Agent, &["git", "commit", "-m", "Work"]);
    let work = desk.world.git(&["rev-parse", "HEAD"]);
    let seals = || desk.world.git(&["log", "-1", "--format=%B"]).contains("Countersign-Seal: ");
    let amend = "commit --amend --no-edit -a";
    desk.world.git(&["config", "alias.fix", amend]);
    let redo = "git reset -q --soft HEAD~; echo 2 > a; git add a; git commit -q -c ORIG_HEAD";
    for (name, script) in [
        ("amended", "echo 2 > a; git commit -q -a --amend --no-edit"),
        ("amended by an alias", "echo 2 > a; git fix -q"),
        ("amended twice", "echo 2 > a; git fix -q; echo 3 > a; git fix -q"),
        ("redone", redo),
        ("redone with -C", &redo.replace("-c ORIG_HEAD", "-C ORIG_HEAD")),
        ("redone in a hurry", &redo.replace("commit -q", "commit -q --no-verify")),
        (
            "picked and changed",
            "git checkout -q -b pick main~; git cherry-pick -n main; echo 2 > a; git add a; git commit -q -C main",
        ),
        (
            "picked with a conflict",
            "git checkout -q -b conflict main~; echo 0 > a; git add a; git commit -qm Mine; git cherry-pick main || true; \
             echo 2 > a; git add a; git commit -q --no-edit",
        ),
        (
            "reworded in a rebase",
            "GIT_SEQUENCE_EDITOR='sed -i s/pick/reword/' GIT_EDITOR='sed -i 1s/Work/Words/' git rebase -q -i HEAD~",
        ),
    ] {
        desk.ok(Person, &["sh", "-ec", script]);
        assert!(seals(), "{name}: {}", desk.world.git(&["log", "-1", "--format=%B"]));
        let pushed = desk.world.push(&["--no-verify", "HEAD:refs/heads/changed"]);
        assert!(!pushed.ok, "{name}: {}", pushed.said);
        desk.follow(Person, &pushed, "a person who changed the work");
        desk.world.push(&["HEAD:refs/heads/changed"]).accepted();
        desk.world.push(&[":refs/heads/changed"]).accepted();
        desk.world.git(&["checkout", "-q", "-f", "-B", "main", &work]);
    }
    for (name, script) in [
        ("a trailer added", "git commit -q --amend --no-edit --trailer 'Reviewed-by: Bob <bob@x.dev>'"),
        ("reverted and made again", "git revert --no-edit HEAD; printf 1 > a; git add a; git commit -q -C HEAD~"),
    ] {
        desk.ok(Person, &["sh", "-ec", script]);
        desk.assert_sealed("HEAD");
        desk.world.push(&["HEAD:refs/heads/same"]).accepted();
        desk.world.git(&["checkout", "-q", "-B", "main", &work]);
        assert!(seals(), "{name}");
        desk.world.push(&[":refs/heads/same"]).accepted();
    }
}

/// A note that a maintainer adds below a seal leads somewhere, for the agent and for the person, by the commands of the hint.
#[test]
fn a_note_below_a_seal_leads_somewhere() {
    let desk = Desk::new();
    desk.write("base", "1");
    desk.ok(Person, &["git", "commit", "-m", "Base"]);
    desk.pushes();
    desk.write("a", "1");
    desk.ok(Agent, &["git", "commit", "-m", "Work", "-m", "Fixes: #1"]);
    let work = desk.world.git(&["rev-parse", "HEAD"]);
    let message = desk.world.git(&["log", "-1", "--format=%B"]);
    for note in [
        "\n[alice: fixed a typo]",
        "\n[alice: fixed a typo]\nSigned-off-by: Alice <alice@acme.dev>",
        "\n\nFixed a typo on the way in.",
        "\n\nReviewed-by: Bob <bob@x.dev>",
        "\nLink: https://x.dev\n  and more",
    ] {
        for (who, after) in [(Agent, "as the agent"), (Person, "a person who changed the work")] {
            desk.world.reword(&format!("{message}{note}\n"));
            let pushed = desk.world.push(&["--no-verify", "HEAD:refs/heads/note"]);
            pushed.refused("malformed-trailers");
            desk.follow(who, &pushed, after);
            let said = desk.world.git(&["log", "-1", "--format=%B"]);
            let kept = note.trim().lines().all(|line| said.contains(line));
            assert!(kept && said.matches("Countersign-Seal").count() == usize::from(who == Agent), "{said}");
            desk.world.push(&["HEAD:refs/heads/note"]).accepted();
            desk.world.push(&[":refs/heads/note"]).accepted();
            desk.world.git(&["reset", "-q", "--hard", &work]);
        }
    }
    // Words that only begin so are no seal, and nobody's work to adopt.
    let said = desk.ok(Person, &["git", "commit", "--allow-empty", "-m", "countersign-agent: fix the docs"]);
    assert!(said.contains("git commit --amend") && !said.contains("--adopt"), "{said}");
    let pushed = desk.world.push(&["--no-verify", "HEAD:refs/heads/main"]);
    pushed.refused("malformed-trailers");
    assert!(pushed.said.contains("so that no line begins with Countersign-"), "{}", pushed.said);
    desk.ok(Person, &["git", "commit", "--amend", "--allow-empty", "-m", "Fix the docs of countersign-agent"]);
    desk.pushes();
}

/// An agent's own signature that does not verify is its work, and it seals it again.
#[test]
fn a_broken_signature_of_the_agent_s_is_sealed_again() {
    let desk = Desk::without_hooks();
    desk.write("base", "1");
    desk.ok(Person, &["git", "commit", "-m", "Base"]);
    desk.pushes();
    desk.write("a", "1");
    desk.ok(Person, &["git", "commit", "-m", "Work"]);
    let signed = desk.world.sign_head(CLAUDE);
    let raw = String::from_utf8(desk.world.raw("commit", &signed)).unwrap();
    let broken = desk.world.store("commit", raw.replace("\n\nWork", "\n\nOther words").as_bytes());
    desk.world.git(&["reset", "-q", "--soft", &broken]);
    let pushed = desk.world.push(&["HEAD:refs/heads/main"]);
    pushed.refused("bad-seal");
    assert!(pushed.said.contains("claude-code's signature does not verify"), "{}", pushed.said);
    desk.follow(Agent, &pushed, "as the agent");
    desk.assert_sealed("HEAD");
    desk.pushes();
    // Its twin, which verifies, stands as it is.
    desk.write("a", "2");
    desk.ok(Person, &["git", "commit", "-m", "More work"]);
    let signed = desk.world.sign_head(CLAUDE);
    desk.ok(Agent, &["countersign", "sign", "origin/main..HEAD"]);
    assert_eq!(desk.world.git(&["rev-parse", "HEAD"]), signed);
    desk.pushes();
}

#[test]
fn a_shallow_clone_says_what_it_cannot_know() {
    let desk = Desk::without_hooks();
    let main_alone =
        "[[rule]]\nname = \"main\"\nrefs = [\"refs/heads/main\"]\nidentity = \"agents\"\nforce-push = \"deny\"\n";
    desk.world.set_policy(&format!("{}{main_alone}", registry()));
    for number in 0..3 {
        desk.write("a", &number.to_string());
        desk.ok(Person, &["git", "commit", "-m", "Base"]);
    }
    desk.pushes();
    desk.world.git(&["checkout", "-q", "-b", "work"]);
    for number in 3..6 {
        desk.write("a", &number.to_string());
        desk.ok(Person, &["git", "commit", "-m", "Work"]);
    }
    desk.world.push(&["HEAD:refs/heads/work"]).accepted();
    let shallow = desk.world.path("shallow");
    let url = format!("file://{}", desk.world.server().display());
    desk.world.git(&["clone", "-q", "--depth", "1", "-b", "work", &url, &shallow.display().to_string()]);
    let policy = desk.world.policy_path().display().to_string();
    desk.world.git_in(&shallow, &["config", "countersign.policy", &policy]);
    let check = |words: &[&str]| {
        let output = desk.run_in(&shallow, Person, &[&["countersign", "check"][..], words].concat());
        let (said, printed) = (String::from_utf8(output.stderr).unwrap(), String::from_utf8(output.stdout).unwrap());
        (output.status.code(), said, printed)
    };
    let cut_off = |words: &[&str]| {
        let (code, said, printed) = check(words);
        assert_eq!((code, printed.as_str()), (Some(2), ""), "{words:?}: {said}");
        assert_eq!(said.lines().last(), Some("hint: git fetch --unshallow origin"), "{said}");
        assert!(said.contains("this clone is shallow"), "{said}");
    };
    cut_off(&["--for", "main"]);
    desk.world.git_in(&shallow, &["fetch", "-q", "--depth", "1", "origin", "main:refs/remotes/origin/main"]);
    cut_off(&["--for", "main"]);
    cut_off(&["origin/main..HEAD", "--for", "main"]);
    let (code, _, printed) = check(&["--for", "main", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!((code, &json["refs"][0]["findings"]), (Some(2), &serde_json::json!([])), "{printed}");
    assert!(printed.contains("this clone is shallow"), "{printed}");
    // What it does know, it says.
    std::fs::write(shallow.join("a"), "marked").unwrap();
    desk.world
        .git_in(&shallow, &["commit", "-q", "-a", "-m", "Work\n\nCo-Authored-By: Claude <noreply@anthropic.com>"]);
    let (code, _, printed) = check(&["HEAD~..", "--for", "main"]);
    assert!(code == Some(1) && printed.contains("[unsealed-agent-commit]"), "{printed}");

    desk.world.git_in(&shallow, &["reset", "-q", "--hard", "HEAD~"]);
    assert_eq!(check(&["HEAD..", "--for", "main"]).0, Some(0));
    desk.world.git_in(&shallow, &["fetch", "-q", "--unshallow", "origin"]);
    assert_eq!(check(&["--for", "main"]).0, Some(0));
    let (code, said, _) = check(&["--for", "main", "--remote", "orgin"]);
    assert!(code == Some(2) && said.contains("there is no remote orgin"), "{said}");
}

/// What is pushed to a tag is the tag, with its name and its signature.
#[test]
fn a_tag_is_checked_as_the_tag_it_is() {
    let desk = Desk::without_hooks();
    let policy = std::fs::read_to_string(desk.world.policy_path()).unwrap();
    let tags = "[[rule]]\nname = \"tags\"\nrefs = [\"refs/tags/**\"]\nidentity = \"everyone\"\nforce-push = \"deny\"\n";
    desk.world.set_policy(&format!("{policy}{tags}"));
    desk.write("a", "1");
    desk.ok(Person, &["git", "commit", "-S", "-m", "Base"]);
    desk.pushes();
    desk.write("a", "2");
    desk.ok(Person, &["git", "commit", "-S", "-m", "More"]);
    desk.world.git(&["tag", "-a", "-m", "Unsigned", "v1"]);
    desk.world.git(&["tag", "-s", "-m", "Signed", "v2"]);
    desk.world.git(&["tag", "light"]);
    let check = |range: &str, name: &str| {
        let output = desk.run(Person, &["countersign", "check", range, "--for", name]);
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    for range in ["origin/main..v1", "v1"] {
        let (code, printed) = check(range, "refs/tags/v1");
        assert!(code == Some(1) && printed.contains("[unsigned-commit] tag"), "{range}: {printed}");
        assert!(!printed.contains("force-push"), "{range}: {printed}");
    }
    let (code, printed) = check("origin/main..v2", "refs/tags/v3");
    assert!(code == Some(1) && printed.contains("[malformed-tag]"), "{printed}");
    for (range, name) in [
        ("origin/main..v2", "refs/tags/v2"),
        ("v2", "refs/tags/v2"),
        ("HEAD", "refs/tags/light"),
        ("origin/main..", "refs/tags/x"),
    ] {
        let (code, printed) = check(range, name);
        assert!(code == Some(0) && printed.contains("would accept"), "{range}: {printed}");
    }
}

#[test]
fn a_mistyped_code_is_told_from_a_branch() {
    let desk = Desk::without_hooks();
    let explain = |topic: &str| {
        let output = desk.run(Person, &["countersign", "explain", topic]);
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, said) = explain("stale-saal");
    assert!(code == Some(2) && said.contains("did you mean stale-seal?"), "{said}");
    // A branch of that name is a branch, and what is near no code may become one.
    desk.write("a", "1");
    desk.ok(Person, &["git", "commit", "-m", "Work"]);
    desk.ok(Person, &["git", "branch", "stale-saal"]);
    for topic in ["stale-saal", "topic", "refs/heads/bad-sealx"] {
        let (code, said) = explain(topic);
        assert!(code == Some(0) && !said.contains("did you mean"), "{topic}: {said}");
    }
}
