//! Clones go on: with the hooks, configuration and keys that an earlier version left there.

use std::process::Output;

use super::{Earlier, said};

impl Earlier {
    /// Runs git in the clone, as the process of an agent.
    fn as_agent(&self, mark: (&str, &str), words: &[&str]) -> Output {
        let mut command = self.command("git", &self.clone_dir());
        command.env(mark.0, mark.1).args(words);
        let output = self.run(command, None);
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        output
    }

    /// Who has sealed HEAD, as `show` tells it.
    fn seals_of_head(&self) -> Vec<String> {
        let (text, _) = said(&self.countersign(&["show", "HEAD"]));
        text.lines().filter(|line| line.starts_with("sealed")).map(str::to_owned).collect()
    }

    #[track_caller]
    fn is_sealed_by(&self, agent: &str) {
        let seals = self.seals_of_head();
        assert!(seals.len() == 1 && seals[0].contains(&format!("by {agent} as author: holds")), "{seals:?}");
    }

    fn staged(&self, file: &str, content: &str) {
        std::fs::write(self.clone_dir().join(file), content).unwrap();
        self.git(&["add", "--all"]);
    }
}

/// An agent by its own mark and the key that git config names, and one whose key `agent add` made.
#[test]
fn the_next_commit_of_an_agent_is_sealed() {
    for (state, mark, agent) in
        [("file", ("CLAUDECODE", "1"), "claude-code"), ("sha256", ("COUNTERSIGN_AGENT", "aider"), "aider")]
    {
        let earlier = Earlier::new(state);
        earlier.branch("work", "origin/main");
        earlier.staged("a.txt", "1\n");
        earlier.as_agent(mark, &["commit", "-q", "-m", "Work"]);
        earlier.is_sealed_by(agent);
        earlier.staged("a.txt", "2\n");
        earlier.as_agent(mark, &["commit", "-q", "--amend", "--no-edit"]);
        earlier.is_sealed_by(agent);
        earlier.push(&["HEAD:refs/heads/work"]).accepted();
        // A person's is not.
        earlier.staged("b.txt", "1\n");
        earlier.git(&["commit", "-q", "-m", "By hand"]);
        assert_eq!(earlier.seals_of_head(), Vec::<String>::new());
        earlier.push(&["HEAD:refs/heads/work"]).accepted();
        earlier.verified();
    }
}

/// What runs no commit-msg is sealed afterwards.
#[test]
fn what_an_agent_commits_past_a_hook_is_sealed() {
    let earlier = Earlier::new("file");
    let mark = ("CLAUDECODE", "1");
    earlier.branch("work", "origin/main");
    earlier.staged("a.txt", "1\n");
    earlier.as_agent(mark, &["commit", "-q", "--no-verify", "-m", "Work"]);
    earlier.is_sealed_by("claude-code");
    earlier.as_agent(mark, &["revert", "--no-edit", "HEAD"]);
    earlier.is_sealed_by("claude-code");
    earlier.branch("other", "origin/by-id");
    earlier.as_agent(mark, &["cherry-pick", "work~1"]);
    earlier.is_sealed_by("claude-code");
}

#[test]
fn commands_know_the_clone() {
    let earlier = Earlier::new("file");
    earlier.branch("work", "origin/main");
    earlier.staged("a.txt", "1\n");
    earlier.git(&["-c", "core.hooksPath=/dev/null", "commit", "-q", "-m", "Work"]);
    let (text, code) = said(&earlier.countersign(&["sign", "HEAD", "--agent", "claude-code", "--task", "PAY-113"]));
    assert_eq!(code, Some(0), "{text}");
    earlier.is_sealed_by("claude-code");
    let (text, code) = said(&earlier.countersign(&["check", "--for", "refs/heads/work"]));
    assert_eq!(code, Some(0), "{text}");
    let (text, code) = said(&earlier.countersign(&["check", "--for", "main"]));
    assert!(code == Some(1) && text.contains("[approval-missing]"), "{text}");
    earlier.staged("a.txt", "2\n");
    earlier.git(&["-c", "core.hooksPath=/dev/null", "commit", "-q", "--amend", "--no-edit"]);
    // The hook of the clone still keeps it from a push that the server would refuse.
    let pushed = earlier.push(&["HEAD:refs/heads/work"]);
    assert!(!pushed.ok && pushed.said.contains("[stale-seal]") && !pushed.said.contains("remote:"), "{}", pushed.said);
    let (text, code) = said(&earlier.countersign(&["sign", "HEAD", "--adopt"]));
    assert_eq!(code, Some(0), "{text}");
    earlier.push(&["HEAD:refs/heads/work"]).accepted();
    let (text, code) = said(&earlier.countersign(&["doctor"]));
    assert_ne!(code, Some(2), "{text}");
    assert_eq!(said(&earlier.countersign(&["uninstall"])).1, Some(0));
    assert!(!earlier.path("clone/.git/hooks/commit-msg").exists());
}
