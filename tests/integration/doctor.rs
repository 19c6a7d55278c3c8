//! `doctor`: each way in which a gate can be off, and the canary.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::world::{AGENTS_EVERYWHERE, CLAUDE, World, registry};

const MARKED: &str = "Work\n\nCo-Authored-By: Claude <noreply@anthropic.com>\n";

fn installed(rules: &str) -> World {
    let world = World::new(rules);
    std::fs::remove_file(world.server().join("hooks/pre-receive")).unwrap();
    world.install(&[]);
    world
}

/// Its exit code and what it said.
fn doctor(world: &World, more: &[&str]) -> (Option<i32>, String) {
    let server = world.server().display().to_string();
    let output = world.countersign(&[&["doctor", "--server", &server], more].concat());
    (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[track_caller]
fn sound(world: &World) {
    let (code, said) = doctor(world, &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("was refused") && said.contains("1 repository: 0 errors"), "{said}");
}

#[track_caller]
fn sick(world: &World, check: &str) -> String {
    let (code, said) = doctor(world, &[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&format!("error: [{check}]")), "no {check}: {said}");
    let errors = said.lines().filter(|line| line.starts_with("error:")).count();
    assert_eq!(said.lines().filter(|line| line.starts_with("hint:")).count(), errors, "{said}");
    said
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_sound_server_is_sound_and_left_as_it_is() {
    for format in ["sha1", "sha256"] {
        let world = World::with(&format!("{}{AGENTS_EVERYWHERE}", registry()), format);
        std::fs::remove_file(world.server().join("hooks/pre-receive")).unwrap();
        world.install(&[]);
        world.commit("a", "1", "By hand\n");
        world.push(&["HEAD:refs/heads/main"]).accepted();
        let log = std::fs::read(world.ledger().join("log")).unwrap();
        let beside = std::fs::read_dir(world.path("")).unwrap().count();
        sound(&world);
        assert_eq!(std::fs::read(world.ledger().join("log")).unwrap(), log, "the canary is not on record");
        assert_eq!(std::fs::read_dir(world.path("")).unwrap().count(), beside, "and leaves nothing");
    }
}

/// Each way a hook can be off: what is done to it, and what doctor calls that. In each a forged push does get in.
#[test]
fn each_way_to_be_off_is_found() {
    type Harm = fn(&World, &Path);
    let harms: &[(&str, Harm)] = &[
        ("missing", |_, hook| std::fs::remove_file(hook).unwrap()),
        ("not-executable", |_, hook| set_mode(hook, 0o644)),
        ("dangling", |_, hook| {
            std::fs::remove_file(hook).unwrap();
            std::os::unix::fs::symlink("/nowhere", hook).unwrap();
        }),
        ("replaced", |world, hook| world.write_executable(hook, "#!/bin/sh\nexit 0\n")),
        ("replaced", |world, hook| {
            let text = std::fs::read_to_string(hook).unwrap().replace("exec ", "exit 0\nexec ");
            world.write_executable(hook, &text);
        }),
        ("replaced", |world, hook| {
            let text = std::fs::read_to_string(hook).unwrap().replace("\"$@\"", "\"$@\" || true").replace("exec ", "");
            world.write_executable(hook, &text);
        }),
        ("hooks-path", |world, _| {
            world.git_in(&world.server(), &["config", "core.hooksPath", "/dev/null"]);
        }),
        ("hooks-path", |world, _| {
            world.git_in(&world.path(""), &["config", "--global", "core.hooksPath", "/dev/null"]);
        }),
        ("observes", |world, _| {
            world.install(&["--observe"]);
        }),
        ("asks-nothing", |world, _| {
            let warn = AGENTS_EVERYWHERE.replace("identity", "mode = \"warn\"\nidentity");
            world.set_policy(&format!("{}{warn}", registry()));
        }),
        // Another program under the same path: no look at the hook tells it, only the canary.
        ("canary", |world, hook| {
            let other = world.path("program");
            world.write_executable(&other, "#!/bin/sh\nexit 0\n");
            let program = crate::world::binary().display().to_string();
            let text = std::fs::read_to_string(hook).unwrap().replace(&program, &other.display().to_string());
            world.write_executable(hook, &text);
        }),
    ];
    for (check, harm) in harms {
        let world = installed(AGENTS_EVERYWHERE);
        sound(&world);
        harm(&world, &world.server().join("hooks/pre-receive"));
        sick(&world, check);
        world.commit("a", "1", MARKED);
        world.push(&["HEAD:refs/heads/main"]).accepted();
    }
}

/// What keeps every push out, and what lets somebody change the rules.
#[test]
fn what_the_gate_rests_on_is_looked_at() {
    let world = installed(AGENTS_EVERYWHERE);
    set_mode(&world.policy_path(), 0o666);
    sick(&world, "open-policy");
    set_mode(&world.policy_path(), 0o644);
    set_mode(&world.ledger(), 0o707);
    sick(&world, "open-ledger");
    set_mode(&world.ledger(), 0o700);
    sound(&world);
    world.set_policy("version = 1\nnonsense = true\n");
    sick(&world, "policy");
    world.set_policy(&format!("{}{AGENTS_EVERYWHERE}", registry()));
    std::fs::rename(world.ledger(), world.path("aside")).unwrap();
    sick(&world, "ledger");
    std::fs::rename(world.path("aside"), world.ledger()).unwrap();
    sound(&world);

    world.commit("a", "1", MARKED);
    world.seal_head(CLAUDE);
    world.push(&["HEAD:refs/heads/main"]).accepted();
    let head = world.git(&["rev-parse", "HEAD"]);
    world.git_in(&world.server(), &["update-ref", "refs/heads/moved", &head]);
    let said = sick(&world, "unexplained");
    assert!(said.contains("1 ref moved with no decision"), "{said}");
    world.install(&["--baseline"]);
    sound(&world);

    let asks = AGENTS_EVERYWHERE.replace("identity", "submitters = [\"people\"]\nidentity");
    world.set_policy(&format!("{}{asks}", registry()));
    sick(&world, "submitter");
    let reviewed = registry().replace("owner = \"alice\"\n", "owner = \"alice\"\nreview-by = 2020-01-01\n");
    world.set_policy(&format!("{reviewed}{AGENTS_EVERYWHERE}"));
    world.git_in(&world.server(), &["update-ref", &format!("refs/replace/{head}"), &head]);
    let (code, said) = doctor(&world, &[]);
    assert!(said.contains("warning: [review]") && said.contains("warning: [replace-refs]"), "{said}");
    // The replace ref itself moved with no decision.
    assert_eq!(code, Some(1), "{said}");
}

/// Root can read and run everything; whom git runs as cannot, and git passes over a hook that it may not run.
#[test]
fn what_only_root_may_do_is_found() {
    if !rustix::process::geteuid().is_root() {
        assert!(std::env::var_os("CI").is_none(), "CI runs as root");
        #[allow(clippy::print_stderr)]
        {
            eprintln!("skipped: only root can give a repository to another user");
        }
        return;
    }
    let world = World::new(AGENTS_EVERYWHERE);
    // The place of the tests may be closed to others; what is installed lies where it says.
    let program = world.path("bin/countersign");
    std::fs::create_dir(world.path("bin")).unwrap();
    std::fs::copy(crate::world::binary(), &program).unwrap();
    set_mode(&world.path(""), 0o755);
    let owner = "65534:65534";
    let own = |path: &Path| {
        assert!(world.command("chown", path).args(["-R", owner, "."]).status().unwrap().success());
    };
    own(&world.server());
    // The place beside the repository is where the canary goes.
    let server = world.server().display().to_string();
    let (policy, hook) = (world.policy_path().display().to_string(), world.server().join("hooks/pre-receive"));
    std::fs::remove_file(&hook).unwrap();
    let run = |words: &[&str]| {
        let mut command = world.command(program.to_str().unwrap(), &world.path(""));
        command.args(words);
        let output = world.run(command, None);
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let install = ["install", "--server", &server, "--policy", &policy];
    let doctor = ["doctor", "--server", &server];
    let refused = |because: &str| {
        let (code, said) = run(&install);
        assert!(code == Some(2) && said.contains(because), "{said}");
        assert!(!hook.exists(), "nothing is half installed");
    };
    set_mode(&world.path("bin"), 0o700);
    refused("may not run");
    set_mode(&world.path("bin"), 0o755);
    set_mode(&world.policy_path(), 0o600);
    refused("may not read the policy");
    set_mode(&world.policy_path(), 0o644);
    let (code, said) = run(&install);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = run(&doctor);
    assert!(code == Some(0) && said.contains("was refused"), "{said}");

    let expect = |check: &str| {
        let (code, said) = run(&doctor);
        assert!(code == Some(1) && said.contains(&format!("error: [{check}]")), "{check}: {said}");
    };
    set_mode(&hook, 0o700);
    std::os::unix::fs::chown(&hook, Some(0), Some(0)).unwrap();
    expect("not-executable");
    set_mode(&hook, 0o755);
    set_mode(&world.path("bin"), 0o700);
    expect("no-program");
    set_mode(&world.path("bin"), 0o755);
    set_mode(&world.policy_path(), 0o600);
    expect("unreadable-policy");
    set_mode(&world.policy_path(), 0o644);
    std::os::unix::fs::chown(world.ledger(), Some(0), Some(0)).unwrap();
    expect("ledger");
    std::os::unix::fs::chown(world.ledger(), Some(65534), Some(65534)).unwrap();
    assert_eq!(run(&doctor).0, Some(0));
}

#[test]
fn two_of_one_name_are_told() {
    let world = installed(AGENTS_EVERYWHERE);
    let copy = world.path("copy.git");
    world.git_in(&world.path(""), &["init", "-q", "--bare", "-b", "main", "copy.git"]);
    let (server, copy) = (world.server().display().to_string(), copy.display().to_string());
    let policy = world.policy_path().display().to_string();
    assert!(world.countersign(&["install", "--server", &copy, "--policy", &policy]).status.success());
    let output = world.countersign(&["doctor", "--server", &server, &copy]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.contains("warning: [same-name]"), "{said}");
    assert!(said.contains("both called acme/payments"), "{said}");
}

#[test]
fn an_old_git_is_told() {
    let world = installed(AGENTS_EVERYWHERE);
    let mut command = world.command(crate::world::binary().to_str().unwrap(), &world.path(""));
    command.env("PATH", crate::install::git_of(&world, "2.10.5"));
    command.args(["doctor", "--server", world.server().to_str().unwrap()]);
    let output = world.run(command, None);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.code() == Some(1) && said.contains("[old-git] git: git 2.10 keeps no quarantine"), "{said}");
}

#[test]
fn programs_read_it_too() {
    let world = installed(AGENTS_EVERYWHERE);
    let (code, said) = doctor(&world, &["--format", "json"]);
    assert_eq!(code, Some(0));
    let report: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&report["schema"], &report["repositories"]), (&1.into(), &1.into()));
    assert_eq!(report["canaries"][0]["refused"], true, "{report}");
    assert!(report["policies"].as_object().unwrap().values().all(|digest| digest.as_str().unwrap().len() == 64));
    std::fs::remove_file(world.server().join("hooks/pre-receive")).unwrap();
    let (code, said) = doctor(&world, &["--format", "json"]);
    let report: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, &report["findings"][0]["check"]), (Some(1), &"missing".into()));
}

#[test]
fn a_clone_is_looked_at() {
    let world = World::new(AGENTS_EVERYWHERE);
    let policy = world.policy_path().display().to_string();
    world.git(&["config", "countersign.policy", &policy]);
    assert!(world.countersign(&["install"]).status.success());
    let look = || {
        let output = world.countersign(&["doctor"]);
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (code, said) = look();
    assert_eq!(code, Some(0), "{said}");
    let hook = world.clone_dir().join(".git/hooks/pre-push");
    set_mode(&hook, 0o644);
    assert!(look().1.contains("[not-executable]"));
    std::fs::remove_file(&hook).unwrap();
    let (code, said) = look();
    assert!(code == Some(1) && said.contains("[missing]"), "{said}");
    world.git(&["config", "core.hooksPath", "/dev/null"]);
    assert!(look().1.contains("[hooks-path]"));
}
