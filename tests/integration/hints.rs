//! Every hint works as it is printed, for the one who reads it, in a clone that knows nothing but where the server is.

use std::path::PathBuf;

use crate::approvals::{ONE_APPROVAL, people};
use crate::world::{AGENTS_EVERYWHERE, ALICE, Actor, BOB, CLAUDE, CODEX, Pushed, SealBy, World, registry};

const MARKED: &str = "Add retry\n\nCo-Authored-By: Claude <noreply@anthropic.com>\n";

const CODEX_MARKED: &str = "Work\n\nCo-authored-by: Codex <noreply@openai.com>\n";

const EVERYONE: &str = r#"
[[rule]]
name = "all"
refs = ["refs/heads/**", "refs/tags/**"]
identity = "everyone"
"#;

/// Who follows a hint.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Agent,
    Person,
}

use Who::{Agent, Person};

/// A clone as `git clone URL` leaves it. Keys lie elsewhere.
struct Fresh<'w> {
    world: &'w World,
    dir: PathBuf,
}

impl<'w> Fresh<'w> {
    fn clone(world: &'w World, name: &str) -> Self {
        for actor in [ALICE, BOB, CLAUDE, CODEX] {
            let path = world.path(&format!("keys/{}", actor.id));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, actor.key().to_openssh(actor.id).unwrap()).unwrap();
            std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
            std::fs::write(path.with_extension("pub"), actor.line()).unwrap();
        }
        let url = world.server().display().to_string();
        world.git_in(&world.path(""), &["clone", "-q", &url, name]);
        Self { world, dir: world.path(name) }
    }

    fn key(&self, actor: Actor) -> String {
        self.world.path(&format!("keys/{}", actor.id)).display().to_string()
    }

    fn git(&self, words: &[&str]) -> String {
        self.world.git_in(&self.dir, words)
    }

    /// A person who has told git how to sign: that is nothing of ours.
    fn signs_as(&self, actor: Actor) {
        self.git(&["config", "gpg.format", "ssh"]);
        self.git(&["config", "user.signingkey", &self.key(actor)]);
    }

    fn commit(&self, file: &str, content: &str, message: &str) -> String {
        std::fs::write(self.dir.join(file), content).unwrap();
        self.git(&["add", "--all"]);
        self.git(&["commit", "-q", "--allow-empty", "--cleanup=verbatim", "-m", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// Takes over a commit that was made by hand in the other clone.
    fn take(&self, commit: &str) {
        let from = self.world.clone_dir().display().to_string();
        self.world.git(&["update-ref", "refs/heads/handed-over", commit]);
        self.git(&["fetch", "-q", &from, "handed-over"]);
        self.git(&["reset", "-q", "--hard", "FETCH_HEAD"]);
    }

    fn push(&self, words: &[&str]) -> Pushed {
        let mut command = self.world.command("git", &self.dir);
        command.args(["push", "origin"]).args(words);
        let output = self.world.run(command, None);
        Pushed { ok: output.status.success(), said: String::from_utf8_lossy(&output.stderr).into_owned() }
    }

    /// Runs the commands below some words as they are printed, with what stands in capitals filled in. What they print.
    #[track_caller]
    fn follow(&self, who: Who, pushed: &Pushed, words: &str, filled: &[(&str, &str)]) -> String {
        let lines = pushed.commands(words);
        assert!(!lines.is_empty(), "no command below {words:?}:\n{}", pushed.said);
        let mut printed = String::new();
        for line in lines {
            let mut line = line.to_owned();
            for (name, value) in filled {
                line = line.replace(name, value);
            }
            if line.starts_with("countersign approve ") {
                // The answer that a person gives at a terminal.
                line.push_str(" --yes");
            }
            let mut command = self.world.shell(&self.dir, &line);
            if who == Agent {
                command.env("CLAUDECODE", "1");
            }
            let output = self.world.run(command, None);
            assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
            printed.push_str(&String::from_utf8(output.stdout).unwrap());
        }
        printed
    }

    /// As an agent that has its key elsewhere: names it, and seals.
    #[track_caller]
    fn seal(&self, pushed: &Pushed, actor: Actor) {
        self.follow(Agent, pushed, "has a key that this clone does not know", &[("FILE", &self.key(actor))]);
        self.follow(Agent, pushed, "as the agent", &[]);
    }

    /// An admin puts into the policy what an agent's key printed.
    #[track_caller]
    fn register(&self, pushed: &Pushed) {
        let lines = self.follow(Agent, pushed, "get a key, and ask an admin", &[("PERSON", "alice")]);
        let policy = std::fs::read_to_string(self.world.policy_path()).unwrap();
        let (id, key) =
            (lines.lines().find(|line| line.starts_with("[agents.")).unwrap(), lines.lines().last().unwrap());
        // An agent that is there already gets one more key.
        let policy = match policy.split_once(&format!("{id}\n")) {
            None => format!("{policy}\n{lines}"),
            Some((before, after)) => {
                let (own, rest) = after.split_once("keys = [").unwrap();
                let more = key.trim_start_matches("keys = [").trim_end_matches(']');
                format!("{before}{id}\n{own}keys = [{more}, {rest}")
            }
        };
        self.world.set_policy(&policy);
    }
}

/// A world whose main has a signed commit of Alice's.
fn begun(policy: &str) -> World {
    let world = World::with(policy, "sha1");
    world.commit("base", "1", "Base\n");
    world.sign_head(ALICE);
    world.push(&["HEAD:refs/heads/main"]).accepted();
    world.git(&["fetch", "-q", "origin"]);
    world
}

fn agents() -> World {
    begun(&format!("{}{AGENTS_EVERYWHERE}", registry()))
}

#[test]
fn an_agent_seals_what_it_left_unsealed() {
    let world = agents();
    let fresh = Fresh::clone(&world, "fresh");
    for number in 0..3 {
        fresh.commit("a", &number.to_string(), MARKED);
    }
    let pushed = fresh.push(&["HEAD:refs/heads/main"]);
    pushed.refused("unsealed-agent-commit");
    // Said once for all three.
    assert_eq!(
        pushed.hints().iter().filter(|line| line.starts_with("countersign sign ")).count(),
        1,
        "{}",
        pushed.said
    );
    fresh.seal(&pushed, CLAUDE);
    fresh.push(&["HEAD:refs/heads/main"]).accepted();
}

/// Of two agents' work in one push, each seals its own.
#[test]
fn two_agents_seal_each_what_is_theirs() {
    let world = agents();
    let fresh = Fresh::clone(&world, "fresh");
    for (file, message) in [("a", MARKED), ("b", CODEX_MARKED), ("c", MARKED), ("d", "By hand\n")] {
        fresh.commit(file, "1", message);
    }
    let pushed = fresh.push(&["HEAD:refs/heads/main"]);
    pushed.refused("unsealed-agent-commit");
    for actor in [CLAUDE, CODEX] {
        let run: Vec<String> = pushed
            .hints()
            .iter()
            .filter(|line| line.starts_with("git config") || line.ends_with(actor.id))
            .map(|line| line.replace("FILE", &fresh.key(actor)))
            .collect();
        for line in run.iter().filter(|line| !line.contains(".key ") || line.contains(actor.id)) {
            let mut command = world.shell(&fresh.dir, line);
            command.env("COUNTERSIGN_AGENT", actor.id);
            let output = world.run(command, None);
            assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
    fresh.push(&["HEAD:refs/heads/main"]).accepted();
    let sealers =
        fresh.git(&["log", "--reverse", "--format=%(trailers:key=Countersign-Agent,valueonly,separator=%x2C)|", "-4"]);
    assert_eq!(sealers.replace('\n', ""), "claude-code|codex|claude-code||");
}

/// The first push to an empty server, and one of another branch than the one that is checked out.
#[test]
fn what_is_sealed_is_what_was_pushed() {
    let world = World::new(AGENTS_EVERYWHERE);
    let fresh = Fresh::clone(&world, "fresh");
    fresh.commit("a", "1", MARKED);
    let pushed = fresh.push(&["HEAD:refs/heads/main"]);
    pushed.refused("unsealed-agent-commit");
    fresh.seal(&pushed, CLAUDE);
    fresh.push(&["HEAD:refs/heads/main"]).accepted();

    fresh.git(&["checkout", "-q", "-b", "work"]);
    let tip = fresh.commit("a", "2", MARKED);
    fresh.git(&["checkout", "-q", "-"]);
    let pushed = fresh.push(&["work:refs/heads/main"]);
    pushed.refused("unsealed-agent-commit");
    assert!(pushed.said.contains(&format!("where {} is checked out", &tip[..12])), "{}", pushed.said);
    fresh.git(&["checkout", "-q", "work"]);
    fresh.seal(&pushed, CLAUDE);
    fresh.push(&["work:refs/heads/main"]).accepted();
}

#[test]
fn a_person_approves_in_a_clone_of_their_own() {
    for elsewhere in [false, true] {
        // Where the policy does not say the name, the approver is told it.
        let policy = format!("{}{ONE_APPROVAL}", people());
        let policy = if elsewhere { policy.replace("repository = \"acme/payments\"\n", "") } else { policy };
        let world = World::with(&policy, "sha1");
        world.commit("base", "1", "Base\n");
        world.sign_head(ALICE);
        std::fs::remove_file(world.server().join("hooks/pre-receive")).unwrap();
        world.install(&["--repository", "acme/payments"]);
        world.push(&["HEAD:refs/heads/main"]).accepted();
        let (fresh, approver) = (Fresh::clone(&world, "fresh"), Fresh::clone(&world, "approver"));
        world.commit("a", "1", MARKED);
        fresh.take(&world.seal_head(CLAUDE));
        // Whatever is checked out, the commit is named.
        let work = fresh.git(&["rev-parse", "HEAD"]);
        fresh.git(&["reset", "-q", "--hard", "origin/main"]);
        let pushed = fresh.push(&[&format!("{work}:refs/heads/main")]);
        pushed.refused("approval-missing");
        fresh.follow(Agent, &pushed, "put it on a branch of its own", &[]);
        approver.signs_as(BOB);
        let policy = world.policy_path().display().to_string();
        approver.follow(Person, &pushed, "does not know the server's policy", &[("FILE", &policy)]);
        approver.follow(Person, &pushed, "a person in maintainers approves it", &[]);
        fresh.push(&[&format!("{work}:refs/heads/main")]).accepted();
    }
}

#[test]
fn a_seal_that_does_not_hold_is_made_again_or_the_commit_adopted() {
    let world = agents();
    let fresh = Fresh::clone(&world, "fresh");
    fresh.signs_as(ALICE);
    let claude = CLAUDE.key();
    for (name, code, message) in
        [("stale", "stale-seal", "Work\n"), ("bad", "bad-seal", "Work\n"), ("note", "malformed-trailers", MARKED)]
    {
        world.git(&["checkout", "-q", "--detach", "origin/main"]);
        world.commit(name, "1", message);
        match name {
            "stale" => {
                world.seal_head(CLAUDE);
                std::fs::write(world.clone_dir().join(name), "2").unwrap();
                world.git(&["commit", "-q", "-a", "--amend", "--no-edit"]);
            }
            // Sealed under the name that somebody thought the repository had.
            "bad" => {
                drop(world.seal_head_by(&SealBy { repository: "payments", ..SealBy::honest("claude-code", &claude) }))
            }
            _ => {
                world.seal_head(CLAUDE);
                let message = world.head().1;
                world.reword(&format!("{message}\nA note below the seal.\n"));
            }
        }
        let spoiled = world.git(&["rev-parse", "HEAD"]);
        for who in [Agent, Person] {
            fresh.take(&spoiled);
            let branch = format!("HEAD:refs/heads/{name}");
            let pushed = fresh.push(&[&branch]);
            pushed.refused(code);
            match who {
                Agent if code == "malformed-trailers" => {
                    fresh.git(&["config", "countersign.claude-code.key", &fresh.key(CLAUDE)]);
                    fresh.follow(Agent, &pushed, "as the agent", &[]);
                }
                Agent => fresh.seal(&pushed, CLAUDE),
                Person if code == "bad-seal" => continue,
                Person => drop(fresh.follow(Person, &pushed, "a person who changed the work", &[])),
            }
            fresh.push(&[&branch]).accepted();
            fresh.push(&[&format!(":refs/heads/{name}")]).accepted();
        }
    }
}

#[test]
fn an_agent_that_nobody_knows_is_registered() {
    let world = agents();
    let newbie = Actor { id: "newbie", seed: 41 };
    let impostor = Actor { id: "claude-code", seed: 42 };
    let shared = Actor { id: "claude-code", seed: CODEX.seed };
    for (actor, code) in [(newbie, "unknown-agent"), (impostor, "unknown-agent"), (shared, "shared-key")] {
        world.git(&["checkout", "-q", "--detach", "origin/main"]);
        world.commit("a", &format!("{}{}", actor.id, actor.seed), "Work\n");
        let fresh = Fresh::clone(&world, &format!("fresh-{}", actor.seed));
        fresh.take(&world.seal_head(actor));
        let pushed = fresh.push(&["HEAD:refs/heads/main"]);
        pushed.refused(code);
        fresh.register(&pushed);
        fresh.follow(Agent, &pushed, "seal and push again", &[]);
        fresh.push(&["HEAD:refs/heads/main"]).accepted();
        world.git(&["fetch", "-q", "origin"]);
    }
    // A tool whose mark no agent answers for.
    let fresh = Fresh::clone(&world, "fresh");
    fresh.commit("a", "aider", "Work\n\nCo-authored-by: aider (gpt-5) <aider@aider.chat>\n");
    let pushed = fresh.push(&["HEAD:refs/heads/main"]);
    pushed.refused("unsealed-agent-commit");
    fresh.register(&pushed);
    fresh.follow(Agent, &pushed, "seal and push again", &[]);
    fresh.push(&["HEAD:refs/heads/main"]).accepted();
}

#[test]
fn a_revoked_key_has_a_successor() {
    let revoked = Actor { id: "claude-code", seed: 31 };
    let policy = registry().replace(&CLAUDE.line(), &format!("{}\", \"{}", CLAUDE.line(), revoked.line()));
    let fingerprint = revoked.key().public().fingerprint();
    let world = begun(&format!("{policy}\n[revoked]\nkeys = [\"{fingerprint}\"]\n{AGENTS_EVERYWHERE}"));
    let fresh = Fresh::clone(&world, "fresh");
    world.commit("a", "1", "Work\n");
    fresh.take(&world.seal_head(revoked));
    let pushed = fresh.push(&["HEAD:refs/heads/main"]);
    pushed.refused("agent-revoked");
    fresh.register(&pushed);
    fresh.follow(Agent, &pushed, "seal and push again", &[]);
    fresh.push(&["HEAD:refs/heads/main"]).accepted();
}

#[test]
fn a_person_signs_what_is_theirs() {
    let world = begun(&format!("{}{EVERYONE}", registry()));
    let fresh = Fresh::clone(&world, "fresh");
    let key = fresh.key(ALICE);
    // One commit, two, and a tag.
    for (number, count) in [1, 2].into_iter().enumerate() {
        for commit in 0..count {
            fresh.commit("a", &format!("{number} {commit}"), "By hand");
        }
        let pushed = fresh.push(&["HEAD:refs/heads/main"]);
        pushed.refused("unsigned-commit");
        if number == 0 {
            fresh.follow(Person, &pushed, "where git does not sign", &[("FILE", &key)]);
        }
        fresh.follow(Person, &pushed, "is checked out, and push again", &[]);
        fresh.push(&["HEAD:refs/heads/main"]).accepted();
    }
    fresh.git(&["tag", "-a", "-m", "Release", "v1"]);
    let pushed = fresh.push(&["refs/tags/v1"]);
    pushed.refused("unsigned-commit");
    fresh.follow(Person, &pushed, "sign the tag", &[]);
    fresh.push(&["refs/tags/v1"]).accepted();
    assert_eq!(fresh.git(&["tag", "-l", "--format=%(contents:subject)", "v1"]), "Release");
    // Signed as one thing, and another now.
    fresh.take(&{
        world.git(&["fetch", "-q", "origin"]);
        world.git(&["checkout", "-q", "--detach", "origin/main"]);
        world.commit("b", "1", "Signed\n");
        world.sign_head(ALICE);
        world.reword("Signed, and reworded\n")
    });
    let raw = String::from_utf8(world.raw("commit", "HEAD")).unwrap();
    assert!(raw.contains("gpgsig "), "{raw}");
    let pushed = fresh.push(&["HEAD:refs/heads/main"]);
    pushed.refused("bad-signature");
    fresh.follow(Person, &pushed, "is checked out, and push again", &[]);
    fresh.push(&["HEAD:refs/heads/main"]).accepted();
}

#[test]
fn a_draft_is_adopted() {
    let world = agents();
    let fresh = Fresh::clone(&world, "fresh");
    fresh.signs_as(ALICE);
    fresh.commit("a", "1", "Work\n\nCountersign-Drafted: claude-code\n");
    let pushed = fresh.push(&["HEAD:refs/heads/main"]);
    pushed.refused("unsealed-agent-commit");
    fresh.follow(Person, &pushed, "a person answers for it", &[]);
    fresh.push(&["HEAD:refs/heads/main"]).accepted();
    // Under a person's signature and an agent's mark, either of them answers for it.
    fresh.commit("a", "2", MARKED);
    fresh.git(&["commit", "-q", "--amend", "--no-edit", "-S"]);
    let pushed = fresh.push(&["HEAD:refs/heads/main"]);
    pushed.refused("unsealed-agent-commit");
    fresh.follow(Person, &pushed, "a person who changed the work", &[]);
    fresh.push(&["HEAD:refs/heads/main"]).accepted();
}

#[test]
fn what_was_forced_is_put_on_top() {
    let rule = "\n[[rule]]\nname = \"main\"\nrefs = [\"refs/heads/main\", \"refs/heads/a;b\"]\nforce-push = \"deny\"\n";
    let world = begun(&format!("{}{rule}", registry()));
    for name in ["main", "a;b"] {
        world.push(&[&format!("origin/main:refs/heads/{name}")]).accepted();
        let fresh = Fresh::clone(&world, &format!("fresh-{}", name.len()));
        fresh.git(&["reset", "-q", "--hard", &format!("origin/{name}")]);
        fresh.commit("mine", name, "Mine");
        world.git(&["checkout", "-q", "--detach", "origin/main"]);
        world.commit("theirs", name, "Theirs\n");
        world.push(&[&format!("HEAD:refs/heads/{name}")]).accepted();
        let pushed = fresh.push(&[&format!("+HEAD:refs/heads/{name}")]);
        pushed.refused("force-push-denied");
        fresh.follow(Person, &pushed, "take in what is there", &[]);
        let kept = fresh.git(&["log", "--format=%s", "-2"]);
        assert_eq!(kept, "Mine\nTheirs");
    }
}

#[test]
fn an_encoding_that_nobody_can_read_is_left_behind() {
    let world = agents();
    let fresh = Fresh::clone(&world, "fresh");
    world.commit("a", "1", "Work\n");
    let (headers, message) = world.head();
    fresh.take(&world.store("commit", format!("{headers}\nencoding X-UNKNOWN\n\n{message}").as_bytes()));
    fresh.commit("a", "2", "More work");
    let pushed = fresh.push(&["HEAD:refs/heads/main"]);
    pushed.refused("malformed-commit");
    fresh.follow(Person, &pushed, "make it again in UTF-8", &[]);
    fresh.push(&["HEAD:refs/heads/main"]).accepted();
}

/// Every line is one that git's client knows, and a command holds nothing that a shell would take for another.
#[test]
fn a_name_is_one_word() {
    let world =
        World::with(&format!("{}{ONE_APPROVAL}", people()).replace("refs/heads/main", "refs/heads/*main"), "sha1");
    std::fs::remove_file(world.server().join("hooks/pre-receive")).unwrap();
    world.install(&[]);
    let fresh = Fresh::clone(&world, "fresh");
    world.commit("a", "1", MARKED);
    fresh.take(&world.seal_head(CLAUDE));
    let pushed = fresh.push(&["HEAD:refs/heads/x;touch$IFS$(id)&main"]);
    pushed.refused("approval-missing");
    assert!(pushed.said.contains(" --for 'x;touch$IFS$(id)&main'"), "{}", pushed.said);
}

#[test]
fn many_findings_are_summed_up_by_agent_and_code() {
    let world = agents();
    let fresh = Fresh::clone(&world, "fresh");
    for number in 0..12 {
        fresh.commit("a", &number.to_string(), MARKED);
        fresh.commit("b", &number.to_string(), CODEX_MARKED);
    }
    for number in 0..10 {
        fresh.commit("c", &number.to_string(), "Work\n");
        let agent = Actor { id: ["a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9"][number], seed: 50 };
        let key = agent.key();
        world.git(&["fetch", "-q", fresh.dir.to_str().unwrap(), "HEAD"]);
        world.git(&["reset", "-q", "--hard", "FETCH_HEAD"]);
        fresh.take(&world.seal_head_by(&SealBy::honest(agent.id, &key)));
    }
    let pushed = fresh.push(&["HEAD:refs/heads/main"]);
    pushed.refused("unsealed-agent-commit");
    assert!(pushed.said.contains("34 findings in 34 commits"), "{}", pushed.said);
    let more =
        pushed.said.lines().find(|line| line.contains("and 24 more: ")).unwrap_or_else(|| panic!("{}", pushed.said));
    for part in [
        "7 [unsealed-agent-commit] of claude-code",
        "7 [unsealed-agent-commit] of codex",
        "1 [unknown-agent] of a",
        "4 [unknown-agent] of others",
    ] {
        assert!(more.contains(part), "{part}: {more}");
    }
    // Two agents take turns; each hint stands once, and a report is short enough to read.
    assert!(pushed.hints().iter().filter(|line| line.starts_with("countersign sign ")).count() == 2, "{}", pushed.said);
    assert!(pushed.said.contains("hint: as for "), "{}", pushed.said);
    assert!(pushed.said.lines().count() < 45, "{}", pushed.said);
    // The command below it lists them all.
    fresh.git(&["config", "countersign.policy", world.policy_path().to_str().unwrap()]);
    let [line] = pushed.commands("all of them are listed by")[..] else { panic!("{}", pushed.said) };
    let output = world.run(world.shell(&fresh.dir, line), None);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = json["refs"][0]["findings"].as_array().unwrap();
    assert_eq!((findings.len(), &findings[0]["agent"]), (34, &"claude-code".into()));
    assert!(findings[0]["hint"].as_str().unwrap().contains("\ncountersign sign "), "{}", findings[0]);
}

/// What enforcing would have refused is counted by code and rule also where more was found than is recorded.
#[test]
fn what_would_be_refused_is_counted_to_the_last() {
    for two_codes in [false, true] {
        let world = World::new(&format!("{AGENTS_EVERYWHERE}mode = \"observe\"\n"));
        std::fs::remove_file(world.server().join("hooks/pre-receive")).unwrap();
        world.install(&[]);
        for number in 0..25 {
            world.commit("a", &number.to_string(), MARKED);
        }
        if two_codes {
            world.commit("a", "last", "Work\n");
            world.seal_head(Actor { id: "newbie", seed: 41 });
        }
        world.push(&["HEAD:refs/heads/main"]).accepted();
        let server = world.server().display().to_string();
        let told = world.countersign(&["log", "show", "--would-refuse", "--server", &server]);
        let told = String::from_utf8(told.stdout).unwrap();
        let expected: &[&str] = if two_codes {
            &["25  unsealed-agent-commit\n", "1  unknown-agent\n", "26  all (policy.toml:"]
        } else {
            &["25  unsealed-agent-commit\n", "25  all (policy.toml:", "25  claude-code\n"]
        };
        assert!(!told.contains("at least"), "{told}");
        for part in expected {
            assert!(told.contains(part), "{part:?}: {told}");
        }
    }
}
