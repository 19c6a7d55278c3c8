//! The hook itself: what it reads, what it needs, and what happens when nobody listens.

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output, Stdio};

use crate::attacks::MARKED;
use crate::world::{AGENTS_EVERYWHERE, CLAUDE, World, binary};

const NULL: &str = "0000000000000000000000000000000000000000";

impl World {
    /// Stores HEAD's objects in the server, where no ref leads to them.
    fn send_objects(&self) {
        let clone = self.clone_dir();
        self.git_in(&self.server(), &["fetch", "-q", clone.to_str().unwrap(), "HEAD"]);
    }

    /// The hook as git starts it in the server, with nothing in its environment.
    fn bare_hook(&self) -> Command {
        let mut command = Command::new(binary());
        command
            .current_dir(self.server())
            .env_clear()
            .args(["hook", "pre-receive", "--policy"])
            .arg(self.policy_path());
        command
    }

    /// What the hook says to this input.
    pub(super) fn ask_hook(&self, input: &[u8]) -> Output {
        self.run(self.bare_hook(), Some(input))
    }

    /// Has git run the hook through this shell line, in which `$HOOK` is the command.
    fn wrap_hook(&self, line: &str) {
        let hook = format!("'{}' hook pre-receive --policy '{}'", binary().display(), self.policy_path().display());
        let shim = format!("#!/bin/sh\n{}\n", line.replace("$HOOK", &hook));
        self.write_executable(&self.server().join("hooks/pre-receive"), &shim);
    }
}

/// Exit 2 and one error line that holds `words`.
#[track_caller]
fn could_not_decide(output: &Output, words: &str) {
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert_eq!(said.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{said}");
    assert!(said.contains(words), "{said}");
}

#[test]
fn input_that_is_no_push_is_refused() {
    let world = World::new(AGENTS_EVERYWHERE);
    let id = world.commit("file", "1", "Clean\n");
    world.send_objects();
    let good = format!("{NULL} {id} refs/heads/main\n");
    for (input, words) in [
        ("\n".to_owned(), "line 1"),
        (format!("{good}\n"), "line 2"),
        ("junk\n".to_owned(), "line 1"),
        (format!("{NULL} {id}\n"), "line 1"),
        (good.trim_end().to_owned(), "line 1"),
        (format!("{good}{}", good.trim_end()), "line 2"),
        (good.replace("refs/heads/", ""), "line 1"),
        (good.replace('\n', "\r\n"), "line 1"),
        (good.replace(' ', "  "), "line 1"),
        (good.replace(' ', "\t"), "line 1"),
        (good.replace("main", "a\0b"), "line 1"),
        (good.replace("main", "a b"), "line 1"),
        (good.replace(&id, &id.to_uppercase()), "line 1"),
        (good.replace(&id, id.split_at(12).0), "line 1"),
        (good.replace(&id, "HEAD"), "line 1"),
        (good.replace(&id, NULL), "line 1"),
        (good.repeat(2), "line 2"),
        (format!("{good}{0} {1} refs/heads/x\n", "0".repeat(64), "a".repeat(64)), "line 2"),
    ] {
        could_not_decide(&world.ask_hook(input.as_bytes()), words);
    }
    assert_eq!(world.ask_hook(good.as_bytes()).status.code(), Some(0));
    let missing = good.replace(&id, &"a".repeat(40));
    let output = world.ask_hook(missing.as_bytes());
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn arguments_that_are_none_are_refused() {
    let world = World::new(AGENTS_EVERYWHERE);
    let id = world.commit("file", "1", "Clean\n");
    world.send_objects();
    let policy = world.policy_path().display().to_string();
    let policy = policy.as_str();
    let absent = format!("{policy}.absent");
    let input = format!("{NULL} {id} refs/heads/main\n");
    let attacks: [&[&str]; 10] = [
        &["hook"],
        &["hook", "post-receive", "--policy", policy],
        &["hook", "pre-receive"],
        &["hook", "pre-receive", "--policy"],
        &["hook", "pre-receive", "--policy", ""],
        &["hook", "pre-receive", "--policy", "ref:main:policy.toml"],
        &["hook", "pre-receive", "--policy", policy, "--force"],
        &["hook", "pre-receive", "--policy", policy, "--repository", "../other"],
        &["hook", "pre-receive", "--policy", policy, "stray"],
        &["hook", "pre-receive", "--policy", &absent],
    ];
    for arguments in attacks {
        let mut command = Command::new(binary());
        command.current_dir(world.server()).env_clear().args(arguments);
        let output = world.run(command, Some(input.as_bytes()));
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains("error: ") || arguments == ["hook"], "{arguments:?}: {said}");
    }
    let update = |name: &str, old: &str, new: &str| {
        let mut command = Command::new(binary());
        let arguments = ["hook", "update", "--policy", policy, name, old, new];
        command.current_dir(world.server()).env_clear().args(arguments);
        world.run(command, None)
    };
    assert_eq!(update("refs/heads/main", NULL, &id).status.code(), Some(0));
    could_not_decide(&update("refs/heads/main", NULL, "junk"), "the hook's arguments");
    could_not_decide(&update("refs/heads/a\nb", NULL, &id), "the hook's arguments");
    could_not_decide(&update("main", NULL, &id), "the hook's arguments");
}

#[test]
fn a_decision_stands_when_nobody_listens() {
    let world = World::new(AGENTS_EVERYWHERE);
    let marked = world.commit("file", "1", MARKED);
    world.send_objects();
    let sealed = world.seal_head(CLAUDE);
    world.send_objects();
    let decide = |id: &str, stderr: Stdio| {
        let input = world.path("input");
        std::fs::write(&input, format!("{NULL} {id} refs/heads/main\n")).unwrap();
        let mut command = world.bare_hook();
        command.stdin(std::fs::File::open(input).unwrap()).stdout(Stdio::null()).stderr(stderr);
        command.status().unwrap().code()
    };
    let broken_pipe = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        Stdio::from(writer)
    };
    let full_disk = || Stdio::from(std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    let absent = "a".repeat(40);
    for (id, code) in [(marked.as_str(), 1), (&sealed, 0), (&absent, 2), ("junk", 2)] {
        assert_eq!(decide(id, broken_pipe()), Some(code), "{id}");
        assert_eq!(decide(id, full_disk()), Some(code), "{id}");
    }
    for closed in ["exec $HOOK 2>&-", "exec $HOOK >&- 2>&-", "exec $HOOK 2>/dev/full"] {
        world.wrap_hook(closed);
        assert!(!world.push(&[&format!("{marked}:refs/heads/main")]).ok, "{closed}");
        world.push_main().accepted();
        world.git_in(&world.server(), &["update-ref", "-d", "refs/heads/main"]);
    }
}

#[test]
fn a_hook_that_got_no_input_accepts_nothing() {
    let world = World::new(AGENTS_EVERYWHERE);
    world.commit("file", "1", MARKED);
    for line in ["exec $HOOK <&-", "exec $HOOK </dev/null", "cat >/dev/null; exec $HOOK", "read line; exec $HOOK"] {
        world.wrap_hook(line);
        let pushed = world.push_main();
        assert!(!pushed.ok && pushed.said.contains("error: standard input names no ref"), "{line}: {}", pushed.said);
    }
    could_not_decide(&world.ask_hook(b""), "no ref");
}

#[test]
fn the_hook_needs_nothing_of_its_environment_but_where_the_objects_are() {
    let world = World::new(AGENTS_EVERYWHERE);
    let kept = ["GIT_DIR", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_QUARANTINE_PATH"];
    let kept: Vec<String> = kept.iter().map(|name| format!("{name}=\"${name}\"")).collect();
    world.wrap_hook(&format!("exec env -i {} $HOOK", kept.join(" ")));
    world.commit("file", "1", MARKED);
    world.push_main().refused("unsealed-agent-commit");
    world.seal_head(CLAUDE);
    world.push_main().accepted();
}

#[test]
fn what_the_pusher_could_set_changes_nothing() {
    // Over ssh with AcceptEnv, or on a local path, a pusher's variables reach the hook.
    let world = World::new(AGENTS_EVERYWHERE);
    let marked = world.commit("file", "1", MARKED);
    let config = world.path("config");
    std::fs::write(&config, "[core]\n\tuseReplaceRefs = true\n[countersign]\n\tmode = off\n").unwrap();
    let mut command = world.command("git", &world.clone_dir());
    command
        .args(["push", "origin", &format!("{marked}:refs/heads/main")])
        .env("GIT_CONFIG_GLOBAL", &config)
        .env("GIT_REPLACE_REF_BASE", "refs/tags/")
        .env("GIT_SHALLOW_FILE", world.path("shallow"))
        .env("COUNTERSIGN_AGENT", "claude-code")
        .env("RUST_BACKTRACE", "full")
        .env("HOME", "/nonexistent")
        .env("TMPDIR", "/nonexistent");
    std::fs::write(world.path("shallow"), format!("{marked}\n")).unwrap();
    let output = world.run(command, None);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("[unsealed-agent-commit]"), "{said}");
}

#[test]
fn the_hook_starts_no_program() {
    let world = World::new(AGENTS_EVERYWHERE);
    let Some(log) = world.traced("process") else { return };
    let check = || {
        let trace = std::fs::read_to_string(&log).unwrap();
        let programs = trace.lines().filter(|line| line.contains("execve(") || line.contains("execveat(")).count();
        // The shell that runs the shim, and what it becomes.
        assert_eq!(programs, 2, "{trace}");
        let child = |line: &&str| {
            let fork = ["fork(", "clone(", "clone3("].iter().any(|call| line.contains(call));
            fork && !line.contains("CLONE_THREAD")
        };
        assert_eq!(trace.lines().filter(child).count(), 0, "{trace}");
    };
    world.commit("file", "1", MARKED);
    world.push_main().refused("unsealed-agent-commit");
    check();
    world.seal_head(CLAUDE);
    world.push_main().accepted();
    check();
}

#[test]
fn what_cannot_be_read_refuses() {
    let world = World::new(AGENTS_EVERYWHERE);
    world.commit("file", "1", "Clean\n");
    world.push_main().accepted();
    world.commit("file", "2", "Clean\n");
    let hook = world.server().join("hooks/pre-receive");
    // A policy that is a directory; a repository whose refs are elsewhere.
    std::fs::remove_file(world.policy_path()).unwrap();
    std::fs::create_dir(world.policy_path()).unwrap();
    world.push_main().refused("policy-invalid");
    std::fs::remove_dir(world.policy_path()).unwrap();
    world.set_policy(&format!("{}{AGENTS_EVERYWHERE}", crate::world::registry()));
    world.wrap_hook("kill -9 $$");
    assert!(!world.push_main().ok, "a killed hook refuses");
    world.wrap_hook("ulimit -n 3; exec $HOOK");
    assert!(!world.push_main().ok, "a hook that can open no file refuses");
    world.install_hook("pre-receive", "--chain /nonexistent/hook");
    let pushed = world.push_main();
    assert!(!pushed.ok && pushed.said.contains("cannot run the chained hook"), "{}", pushed.said);
    world.install_hook("pre-receive", "");
    assert_eq!(std::fs::metadata(hook).unwrap().permissions().mode() & 0o111, 0o111);
    world.push_main().accepted();
}
