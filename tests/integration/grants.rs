//! Grants by real pushes: certificates that stock ssh-keygen issues, seals that git commits carry, each attack beside its harmless twin.

use std::path::{Path, PathBuf};

use crate::world::{ALICE, Actor, BOB, CLAUDE, Pushed, World, registry};

/// Agents that live by grants: alice and bob issue for claude-code, and it for its sub-agent helper, which issues for scribe.
fn granting() -> String {
    let standing = format!("keys = [\"{}\"]\n\n[agents.codex]", CLAUDE.line());
    let issued = format!("issuers = [\"alice\", \"bob\"]\nmax-grant = \"4h\"\n{standing}");
    registry().replace(&standing, &issued)
        + "\n[agents.helper]\nowner = \"alice\"\nissuers = [\"claude-code\"]\n\n[agents.scribe]\nowner = \"bob\"\nissuers = [\"helper\"]\n"
}

const BRANCHES: &str = "
[[rule]]
name = \"branches\"
refs = [\"refs/heads/**\"]
identity = \"agents\"
";

/// A grant to have issued.
struct Wanted<'a> {
    name: &'a str,
    agent: &'a str,
    serial: u32,
    window: &'a str,
    scope: &'a str,
    /// The file of the key that issues it, and the certificate of that key where it is a grant's itself.
    issuer: PathBuf,
    parent: Option<PathBuf>,
}

impl World {
    /// The file of somebody's private key.
    fn private_key(&self, actor: Actor) -> PathBuf {
        self.key_of(&format!("keys/{}", actor.id), &actor.key().to_openssh(actor.id).unwrap(), &actor.line())
    }

    fn key_of(&self, name: &str, private: &str, public: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt as _;
        let file = self.path(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, private).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(file.with_extension("pub"), format!("{public}\n")).unwrap();
        file
    }

    fn wanted<'a>(&self, name: &'a str, scope: &'a str) -> Wanted<'a> {
        let issuer = self.private_key(ALICE);
        Wanted { name, agent: "claude-code", serial: 42, window: "-1m:+1h", scope, issuer, parent: None }
    }

    /// Makes a key and has ssh-keygen certify it. Returns the key's file, beside which the certificate lies.
    fn issue(&self, wanted: &Wanted<'_>) -> PathBuf {
        let file = self.path(&format!("keys/{}", wanted.name));
        let text = file.to_str().unwrap().to_owned();
        let serial = wanted.serial.to_string();
        let scope = format!("extension:scope@countersign={}", wanted.scope);
        let parent = wanted.parent.as_ref().map(|parent| {
            let line = std::fs::read_to_string(parent).unwrap();
            format!("extension:parent@countersign={}", line.split(' ').nth(1).unwrap())
        });
        let mut make = self.command("ssh-keygen", &self.path(""));
        make.args(["-q", "-t", "ed25519", "-N", "", "-f", &text]);
        assert!(self.run(make, None).status.success());
        let mut sign = self.command("ssh-keygen", &self.path(""));
        sign.args(["-q", "-s"]).arg(&wanted.issuer).args(["-I", wanted.agent, "-n", wanted.agent, "-z", &serial]);
        sign.args(["-V", wanted.window, "-O", "clear", "-O", &scope]);
        sign.args(parent.iter().flat_map(|parent| ["-O", parent])).arg(format!("{text}.pub"));
        let output = self.run(sign, None);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        file
    }

    /// Commits a file and has `countersign sign` seal it with a key, under the certificate beside it.
    fn sealed_by(&self, agent: &str, key: &Path, file: &str) -> String {
        self.commit(file, &format!("{file} {}\n", key.display()), &format!("Change {file}\n"));
        self.seal_with(agent, key);
        self.git(&["rev-parse", "HEAD"])
    }

    #[track_caller]
    fn seal_with(&self, agent: &str, key: &Path) {
        self.git(&["config", "countersign.repository", crate::world::REPOSITORY]);
        self.git(&["config", &format!("countersign.{agent}.key"), key.to_str().unwrap()]);
        let output = self.countersign(&["sign", "HEAD", "--agent", agent]);
        let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "{told}");
    }
}

/// A world under these rules with a base on main, and a branch to work on.
fn world(rules: &str) -> World {
    let world = World::with(&format!("{}{rules}", granting()), "sha1");
    std::fs::remove_file(world.server().join("hooks/pre-receive")).unwrap();
    world.install(&["--layout", "hooks"]);
    world.commit("base", "1", "Begin\n");
    world.push(&["HEAD:refs/heads/main"]).accepted();
    world.git(&["checkout", "-q", "-b", "work"]);
    world
}

const EVERYWHERE: &str = r#"{"refs":["refs/heads/**"]}"#;

/// What comes of one commit under a grant, pushed to a ref.
fn pushed(rules: &str, change: impl FnOnce(&World, &mut Wanted<'_>), file: &str, to: &str) -> Pushed {
    let world = world(rules);
    let mut wanted = world.wanted("task", EVERYWHERE);
    change(&world, &mut wanted);
    let agent = wanted.agent.to_owned();
    let key = world.issue(&wanted);
    world.sealed_by(&agent, &key, file);
    world.push(&[&format!("HEAD:{to}")])
}

#[test]
fn work_under_a_grant_passes_where_it_reaches() {
    let push = |scope: &'static str, to: &str| pushed(BRANCHES, |_, wanted| wanted.scope = scope, "src/pay.rs", to);
    push(EVERYWHERE, "refs/heads/work").accepted();
    push("{}", "refs/heads/work").accepted();
    let narrow = r#"{"repositories":["acme/*"],"task":"PAY-112","refs":["refs/heads/agent/*"],"paths":["src/**"]}"#;
    push(narrow, "refs/heads/agent/pay").accepted();
    push(narrow, "refs/heads/main").refused("grant-out-of-scope");
    push(r#"{"repositories":["acme/other"]}"#, "refs/heads/work").refused("grant-out-of-scope");
    push(r#"{"paths":["docs/**"]}"#, "refs/heads/work").refused("grant-out-of-scope");
    push(r#"{"paths":["Src/**"]}"#, "refs/heads/work").refused("grant-out-of-scope");
}

#[test]
fn a_grant_counts_within_its_window_whatever_date_the_commit_bears() {
    let push = |window: &'static str| pushed(BRANCHES, |_, wanted| wanted.window = window, "a", "refs/heads/work");
    push("-1h:+2h").accepted();
    // All commits of these tests are dated 2023.
    push("-3h:-1h").refused("grant-expired");
    push("+1h:+2h").refused("grant-expired");
    push("20231114000000Z:20231115000000Z").refused("grant-out-of-scope");
    push("-1h:+4h").refused("grant-out-of-scope");
    push("always:forever").refused("grant-out-of-scope");
}

#[test]
fn only_issuers_issue() {
    let push = |issuer: Actor| {
        pushed(BRANCHES, |world, wanted| wanted.issuer = world.private_key(issuer), "a", "refs/heads/work")
    };
    push(BOB).accepted();
    push(CLAUDE).refused("grant-unknown-issuer");
    push(crate::world::STRANGER).refused("grant-unknown-issuer");
    let named = |agent: &'static str| pushed(BRANCHES, |_, wanted| wanted.agent = agent, "a", "refs/heads/work");
    named("codex").refused("grant-unknown-issuer");
    named("nobody").refused("unknown-agent");
}

#[test]
fn a_revoked_grant_counts_for_nothing() {
    let world = world(BRANCHES);
    let key = world.issue(&world.wanted("task", EVERYWHERE));
    world.sealed_by("claude-code", &key, "a");
    world.set_policy(&format!("{}{BRANCHES}[revoked]\ngrants = [\"claude-code:42\"]\n", granting()));
    world.push(&["HEAD:refs/heads/work"]).refused("grant-revoked");
    // By a list of ssh-keygen's beside the policy, which names the certificate's authority and serial.
    world.set_policy(&format!("{}{BRANCHES}[revoked]\nkrl = \"revoked.krl\"\n", granting()));
    let list = |serial: &str| {
        std::fs::write(world.path("specification"), format!("serial: {serial}\n")).unwrap();
        let mut make = world.command("ssh-keygen", &world.path(""));
        make.args(["-q", "-k", "-f", "revoked.krl", "-s", "keys/alice.pub", "specification"]);
        assert!(world.run(make, None).status.success());
    };
    list("41-43");
    world.push(&["HEAD:refs/heads/work"]).refused("grant-revoked");
    list("43");
    world.push(&["HEAD:refs/heads/work"]).accepted();
}

#[test]
fn standing_keys_are_refused_where_agents_work_under_grants() {
    let rules = format!("{BRANCHES}standing = \"deny\"\ntasks = [\"PAY-*\"]\n");
    let world = world(&rules);
    world.commit("a", "1", "Change a\n");
    world.seal_head(CLAUDE);
    world.push(&["HEAD:refs/heads/work"]).refused("agent-not-allowed");
    let push = |scope: &'static str| pushed(&rules, |_, wanted| wanted.scope = scope, "a", "refs/heads/work");
    push(r#"{"task":"PAY-7"}"#).accepted();
    push(r#"{"task":"OPS-7"}"#).refused("grant-out-of-scope");
    push("{}").refused("grant-out-of-scope");
}

#[test]
fn a_seal_names_the_task_of_its_grant() {
    let world = world(BRANCHES);
    let key = world.issue(&world.wanted("task", r#"{"task":"PAY-112"}"#));
    world.commit("a", "1", "Change a\n");
    world.git(&["config", "countersign.claude-code.task", "PAY-113"]);
    world.seal_with("claude-code", &key);
    world.push(&["HEAD:refs/heads/work"]).refused("grant-out-of-scope");
    world.git(&["config", "countersign.claude-code.task", "PAY-112"]);
    world.git(&["commit", "-q", "--amend", "-m", "Change a"]);
    world.seal_with("claude-code", &key);
    world.push(&["HEAD:refs/heads/work"]).accepted();
}

#[test]
fn git_signs_under_a_grant_too() {
    let world = world(BRANCHES);
    let signed = |scope: &'static str, name: &'static str| {
        let key = world.issue(&world.wanted(name, scope));
        world.commit(name, "1", &format!("Change {name}\n"));
        let key = format!("user.signingkey={}-cert.pub", key.display());
        world.git(&["-c", "gpg.format=ssh", "-c", &key, "commit", "-q", "--amend", "--no-edit", "-S"]);
        assert!(world.head().0.contains("gpgsig"));
        world.push(&[&format!("HEAD:refs/heads/{name}")])
    };
    signed(EVERYWHERE, "good").accepted();
    signed(r#"{"refs":["refs/heads/other"]}"#, "bad").refused("grant-out-of-scope");
}

#[test]
fn what_an_agent_had_received_in_scope_it_takes_nowhere_else() {
    let world = world(BRANCHES);
    let key = world.issue(&world.wanted("task", r#"{"refs":["refs/heads/agent/*"]}"#));
    world.sealed_by("claude-code", &key, "a");
    world.push(&["HEAD:refs/heads/agent/a"]).accepted();
    // The rule has judged it there; nobody knows who pushes, so its refs bind wherever it goes.
    for to in ["refs/heads/main", "refs/heads/copy"] {
        world.push(&[&format!("HEAD:{to}")]).refused("grant-out-of-scope");
    }
    world.push(&["HEAD:refs/heads/agent/b"]).accepted();
}

#[test]
fn somebody_known_carries_it_on() {
    let accounts = granting().replace("[people.bob]\n", "[people.bob]\naccounts = [\"bob\"]\n");
    let accounts = accounts.replace("[agents.claude-code]\n", "[agents.claude-code]\naccounts = [\"claude\"]\n");
    let world = World::with(&format!("{accounts}{BRANCHES}"), "sha1");
    std::fs::remove_file(world.server().join("hooks/pre-receive")).unwrap();
    world.install(&["--submitter", "gitolite", "--layout", "hooks"]);
    let push = |who: &str, to: &str| {
        world.push_with(&[("GL_USER", who), ("GL_REPO", "acme/payments")], &[&format!("HEAD:{to}")])
    };
    world.commit("base", "1", "Begin\n");
    push("bob", "refs/heads/main").accepted();
    let key = world.issue(&world.wanted("task", r#"{"refs":["refs/heads/agent/*"]}"#));
    world.sealed_by("claude-code", &key, "a");
    push("bob", "refs/heads/main").refused("grant-out-of-scope");
    push("claude", "refs/heads/main").refused("grant-out-of-scope");
    push("claude", "refs/heads/agent/a").accepted();
    push("claude", "refs/heads/main").refused("grant-out-of-scope");
    push("bob", "refs/heads/main").accepted();
}

#[test]
fn a_pipeline_of_three_narrows_at_each_step() {
    let world = world(BRANCHES);
    let below = |name, agent, scope, parent: &Path| Wanted {
        agent,
        issuer: parent.to_owned(),
        parent: Some(PathBuf::from(format!("{}-cert.pub", parent.display()))),
        window: "-30s:+30m",
        ..world.wanted(name, scope)
    };
    let first = world.issue(&world.wanted("first", r#"{"refs":["refs/heads/agent/**"],"delegate":2}"#));
    let narrower = r#"{"refs":["refs/heads/agent/**"],"paths":["src/**"],"delegate":1}"#;
    let second = world.issue(&below("second", "helper", narrower, &first));
    let third =
        world.issue(&below("third", "scribe", r#"{"refs":["refs/heads/agent/a"],"paths":["src/*.md"]}"#, &second));
    world.sealed_by("claude-code", &first, "any");
    world.sealed_by("helper", &second, "src/a.rs");
    world.sealed_by("scribe", &third, "src/a.md");
    world.push(&["HEAD:refs/heads/agent/b"]).refused("grant-out-of-scope");
    world.push(&["HEAD:refs/heads/agent/a"]).accepted();

    // The same by one who reaches further than it was given.
    let wide = world.issue(&below("wide", "helper", r#"{"refs":["refs/**"]}"#, &first));
    world.sealed_by("helper", &wide, "src/b.rs");
    let pushed = world.push(&["HEAD:refs/heads/agent/a"]);
    pushed.refused("grant-out-of-scope");
    assert!(pushed.said.contains("refs \"refs/**\" cover"), "{}", pushed.said);
    world.git(&["reset", "-q", "--hard", "HEAD~1"]);
    let deep = world.issue(&below("deep", "scribe", r#"{"refs":["refs/heads/agent/a"],"paths":["src/*.md"]}"#, &third));
    world.sealed_by("scribe", &deep, "src/c.md");
    world.push(&["HEAD:refs/heads/agent/a"]).refused("grant-out-of-scope");
    world.git(&["reset", "-q", "--hard", "HEAD~1"]);
    // A sub-agent's work ends with the grant that it stands on.
    world.sealed_by("scribe", &third, "src/d.md");
    world.set_policy(&format!("{}{BRANCHES}[revoked]\ngrants = [\"claude-code:42\"]\n", granting()));
    world.push(&["HEAD:refs/heads/agent/a"]).refused("grant-revoked");
    world.set_policy(&format!("{}{BRANCHES}", granting()));
    world.push(&["HEAD:refs/heads/agent/a"]).accepted();
}

const COUNTED: &str = r#"{"repositories":["acme/payments"],"commits":2}"#;

#[test]
fn commits_are_counted_once_each() {
    let world = world(BRANCHES);
    let key = world.issue(&world.wanted("task", COUNTED));
    world.sealed_by("claude-code", &key, "a");
    world.push(&["HEAD:refs/heads/work"]).accepted();
    // The same commit on another ref is the same commit.
    world.push(&["HEAD:refs/heads/copy"]).accepted();
    world.sealed_by("claude-code", &key, "b");
    world.sealed_by("claude-code", &key, "c");
    let pushed = world.push(&["HEAD:refs/heads/work"]);
    pushed.refused("grant-out-of-scope");
    assert!(pushed.said.contains("commits are 2, 1 of them left, and it takes 1 more than that"), "{}", pushed.said);
    world.push(&["HEAD~1:refs/heads/work"]).accepted();
    world.push(&["HEAD:refs/heads/work"]).refused("grant-out-of-scope");
    world.git(&["reset", "-q", "--hard", "HEAD~1"]);
    // Two refs of one push add up, and so does what came before the log was closed.
    let rotated = world.countersign(&["ledger", "rotate", "--server", world.server().to_str().unwrap()]);
    assert!(rotated.status.success(), "{}", String::from_utf8_lossy(&rotated.stderr));
    world.sealed_by("claude-code", &key, "d");
    world.push(&["HEAD:refs/heads/more"]).refused("grant-out-of-scope");
}

#[test]
fn without_a_ledger_nothing_is_counted_and_nothing_passes() {
    let world = World::with(&format!("{}{BRANCHES}", granting()), "sha1");
    world.commit("base", "1", "Begin\n");
    let key = world.issue(&world.wanted("task", COUNTED));
    world.sealed_by("claude-code", &key, "a");
    let pushed = world.push(&["HEAD:refs/heads/work"]);
    pushed.refused("grant-out-of-scope");
    assert!(pushed.said.contains("no ledger counts them"), "{}", pushed.said);
}

#[test]
fn a_push_that_comes_to_nothing_gives_back_what_it_took() {
    let world = world(BRANCHES);
    let key = world.issue(&world.wanted("task", COUNTED));
    world.sealed_by("claude-code", &key, "a");
    world.sealed_by("claude-code", &key, "b");
    // Another hook refuses after ours has accepted.
    world.write_executable(&world.server().join("hooks/update"), "#!/bin/sh\nexit 1\n");
    assert!(!world.push(&["HEAD:refs/heads/work"]).ok);
    std::fs::remove_file(world.server().join("hooks/update")).unwrap();
    world.git(&["reset", "-q", "--hard", "HEAD~2"]);
    world.sealed_by("claude-code", &key, "c");
    world.sealed_by("claude-code", &key, "d");
    world.push(&["HEAD:refs/heads/work"]).accepted();
}

#[test]
fn of_two_pushes_at_once_one_takes_the_last() {
    let world = world(BRANCHES);
    let key = world.issue(&world.wanted("task", r#"{"repositories":["acme/payments"],"commits":1}"#));
    world.sealed_by("claude-code", &key, "a");
    world.git(&["branch", "first"]);
    world.git(&["reset", "-q", "--hard", "HEAD~1"]);
    world.sealed_by("claude-code", &key, "b");
    world.git(&["branch", "second"]);
    let pushed: Vec<Pushed> = std::thread::scope(|scope| {
        let world = &world;
        let push = |name: &'static str| scope.spawn(move || world.push(&[&format!("{name}:refs/heads/{name}")]));
        let both = [push("first"), push("second")];
        both.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let passed = pushed.iter().filter(|one| one.ok).count();
    assert_eq!(passed, 1, "{pushed:#?}");
    let refused = pushed.iter().find(|one| !one.ok).unwrap();
    assert!(refused.said.contains("claude-code:42"), "{}", refused.said);
}

#[test]
fn a_signed_push_identifies_the_agent_of_its_grant() {
    let rules = format!("{BRANCHES}submitters = [\"claude-code\"]\n");
    let world = World::with(&format!("{}{rules}", granting()), "sha1");
    std::fs::remove_file(world.server().join("hooks/pre-receive")).unwrap();
    world.install(&["--submitter", "push-cert", "--repository", crate::world::REPOSITORY, "--layout", "hooks"]);
    world.git_in(&world.server(), &["config", "receive.certNonceSeed", "seed"]);
    let push = |key: &Path, to: &str| {
        let mut command = world.command("git", &world.clone_dir());
        let signing = format!("user.signingkey={}-cert.pub", key.display());
        command.args(["-c", "gpg.format=ssh", "-c", &signing, "push", "--signed", "origin", &format!("HEAD:{to}")]);
        let output = world.run(command, None);
        Pushed { ok: output.status.success(), said: String::from_utf8_lossy(&output.stderr).into_owned() }
    };
    let key = world.issue(&world.wanted("task", r#"{"refs":["refs/heads/agent/*"]}"#));
    world.sealed_by("claude-code", &key, "a");
    push(&key, "refs/heads/agent/a").accepted();
    push(&key, "refs/heads/main").refused("grant-out-of-scope");
    let late = world.issue(&Wanted { window: "-2h:-1h", ..world.wanted("late", EVERYWHERE) });
    push(&late, "refs/heads/agent/b").refused("submitter-unknown");
    let strange = Wanted { issuer: world.private_key(crate::world::STRANGER), ..world.wanted("strange", EVERYWHERE) };
    push(&world.issue(&strange), "refs/heads/agent/b").refused("submitter-unknown");
    push(&key, "refs/heads/agent/b").accepted();
}

#[test]
fn who_issued_a_grant_is_not_independent_of_its_work() {
    let rules = "
[[rule]]
name = \"main\"
refs = [\"refs/heads/main\"]
identity = \"agents\"
force-push = \"deny\"
delete = \"deny\"
[rule.approvals]
from = [\"alice\", \"bob\"]
independent = true
";
    let world = world("");
    let base = world.git(&["rev-parse", "HEAD"]);
    world.set_policy(&format!("{}{rules}", granting()));
    // Alice owns the agent; bob issued the grant: neither is somebody else.
    let key = world.issue(&Wanted { issuer: world.private_key(BOB), ..world.wanted("task", EVERYWHERE) });
    world.sealed_by("claude-code", &key, "a");
    let approved = |by: Actor| {
        let file = world.private_key(by);
        world.git(&["config", "user.signingkey", file.to_str().unwrap()]);
        let range = format!("{base}..HEAD");
        let policy = world.policy_path().display().to_string();
        let words = ["approve", &range, "--for", "main", "--policy", &policy, "--key", file.to_str().unwrap()];
        let output = world.countersign(&words);
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    let told = approved(BOB);
    assert!(told.contains("issued the grant claude-code:42"), "{told}");
    world.push(&["HEAD:refs/heads/main"]).refused("approval-missing");
}

/// Runs `countersign grant issue` with alice's key. What it printed, and whether it issued.
fn issue_by_command(world: &World, words: &[&str]) -> (String, bool) {
    let (policy, key) = (world.policy_path().display().to_string(), world.private_key(ALICE).display().to_string());
    let more: &[&str] = if words.contains(&"--key") { &[] } else { &["--key", &key] };
    let output = world.countersign(&[&["grant", "issue", "--policy", &policy], words, more].concat());
    let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    (told, output.status.success())
}

/// The key's file that the command printed.
fn printed_key(told: &str) -> PathBuf {
    let line =
        told.lines().find(|line| line.starts_with("git config countersign.")).unwrap_or_else(|| panic!("{told}"));
    PathBuf::from(line.rsplit(' ').next().unwrap().trim_matches('\''))
}

#[test]
fn a_person_issues_a_grant_and_its_agent_one_for_its_own() {
    let world = world(BRANCHES);
    let words =
        ["claude-code", "--for", "2h", "--task", "PAY-112", "--ref", "agent/*", "--path", "src/**", "--delegate", "1"];
    let (told, issued) = issue_by_command(&world, &words);
    assert!(issued, "{told}");
    let key = printed_key(&told);
    world.sealed_by("claude-code", &key, "src/a");
    world.push(&["HEAD:refs/heads/main"]).refused("grant-out-of-scope");
    world.push(&["HEAD:refs/heads/agent/a"]).accepted();
    // ssh-keygen reads what was issued, and it ends when it was to.
    let mut list = world.command("ssh-keygen", &world.path(""));
    list.arg("-L").arg("-f").arg(format!("{}-cert.pub", key.display()));
    let listed = String::from_utf8(world.run(list, None).stdout).unwrap();
    assert!(listed.contains("Key ID: \"claude-code\"") && listed.contains("permit-pty"), "{listed}");

    let own = key.display().to_string();
    let below = ["helper", "--task", "PAY-112", "--ref", "agent/a", "--path", "src/**", "--key", &own];
    let (told, issued) = issue_by_command(&world, &below);
    assert!(issued, "{told}");
    world.sealed_by("helper", &printed_key(&told), "src/b");
    world.push(&["HEAD:refs/heads/agent/a"]).accepted();

    let wider = ["helper", "--task", "PAY-112", "--ref", "**", "--path", "src/**", "--key", &own];
    for (words, expected) in [
        (&wider[..], "it goes further than the certificate above it: refs"),
        (&["scribe", "--task", "PAY-112", "--ref", "agent/a", "--path", "src/**", "--key", &own], "does not list"),
        (&["codex"], "an admin adds issuers"),
        (&["nobody"], "no registered agent"),
        (&["claude-code", "--for", "5h"], "4 hours is the longest"),
        (&["claude-code", "--ref", "a?"], "has no meaning here"),
        (&["claude-code", "--ref", "agent/a", "--ref", "agent/a"], "1 to 32 different patterns"),
        (&["claude-code", "--commits", "0"], "not a number from 1"),
        (&["claude-code", "--key", "/nowhere"], "ssh-keygen did not sign"),
    ] {
        let before = std::fs::read_dir(key.parent().unwrap()).unwrap().count();
        let (told, issued) = issue_by_command(&world, words);
        assert!(!issued && told.contains(expected), "{words:?}: {told}");
        assert_eq!(std::fs::read_dir(key.parent().unwrap()).unwrap().count(), before, "nothing is half issued");
    }
}

#[test]
fn a_grant_is_issued_over_a_given_key_and_by_ssh_keygen() {
    let world = world(BRANCHES);
    let make = |name: &str, kind: &str| {
        let file = world.path(&format!("keys/{name}"));
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        let mut make = world.command("ssh-keygen", &world.path(""));
        make.args(["-q", "-t", kind, "-N", "", "-f"]).arg(&file);
        assert!(world.run(make, None).status.success());
        file
    };
    // A key that this program does not sign with itself: ssh-keygen does.
    let (issuer, own) = (make("issuer", "ecdsa"), make("own", "ed25519"));
    let line = std::fs::read_to_string(issuer.with_extension("pub")).unwrap();
    let registered =
        granting().replace(&format!("keys = [\"{}\"]", BOB.line()), &format!("keys = [\"{}\"]", line.trim()));
    world.set_policy(&format!("{registered}{BRANCHES}"));
    let (public, issuer) = (own.with_extension("pub").display().to_string(), issuer.display().to_string());
    let words = ["claude-code", "--ref", "work", "--public-key", &public, "--key", &issuer];
    let (told, issued) = issue_by_command(&world, &words);
    assert!(issued && told.contains("own-cert.pub"), "{told}");
    world.sealed_by("claude-code", &own, "a");
    world.push(&["HEAD:refs/heads/work"]).accepted();
    world.push(&["HEAD:refs/heads/other"]).refused("grant-out-of-scope");
}

#[test]
fn who_may_takes_a_grant_back_by_an_order() {
    let world = world(BRANCHES);
    let first = world.issue(&world.wanted("first", r#"{"refs":["refs/heads/**"],"delegate":1}"#));
    let below = Wanted {
        agent: "helper",
        issuer: first.clone(),
        parent: Some(PathBuf::from(format!("{}-cert.pub", first.display()))),
        window: "-30s:+30m",
        ..world.wanted("below", EVERYWHERE)
    };
    let below = world.issue(&below);
    world.sealed_by("claude-code", &first, "a");
    world.push(&["HEAD:refs/heads/a"]).accepted();
    // An order about another grant changes nothing for this one.
    crate::orders::ordered(&world, ALICE, &["grant", "revoke", "claude-code:41", "--because", "another", "--yes"]);
    world.sealed_by("helper", &below, "b");
    world.push(&["HEAD:refs/heads/a"]).accepted();
    crate::orders::ordered(
        &world,
        ALICE,
        &["grant", "revoke", "claude-code:42", "--because", "the task is done", "--yes"],
    );
    for (agent, key) in [("claude-code", &first), ("helper", &below)] {
        world.sealed_by(agent, key, "c");
        let pushed = world.push(&["HEAD:refs/heads/a"]);
        pushed.refused("grant-revoked");
        assert!(pushed.said.contains("alice took claude-code:42 back, because: the task is done"), "{}", pushed.said);
        world.git(&["reset", "-q", "--hard", "HEAD~1"]);
    }
    // Bob may issue for the agent, and this one he did not.
    let other = world.issue(&Wanted { serial: 43, ..world.wanted("other", EVERYWHERE) });
    crate::orders::ordered(&world, BOB, &["grant", "revoke", "claude-code:43", "--because", "no", "--yes"]);
    // Whoever is frozen works under no grant, nor through a sub-agent.
    world.sealed_by("claude-code", &other, "d");
    world.push(&["HEAD:refs/heads/b"]).accepted();
    crate::orders::ordered(&world, ALICE, &["freeze", "claude-code", "--because", "to look at it", "--yes"]);
    world.sealed_by("claude-code", &other, "e");
    world.push(&["HEAD:refs/heads/b"]).refused("agent-frozen");
}
