//! Many repositories below one directory, of which some are out of order, left out, or made later.

use std::collections::BTreeSet;
use std::path::Path;

use crate::install::{files, install_root, push_to, root};
use crate::world::{CLAUDE, World, binary};

const MARKED: &str = "Work\n\nCo-Authored-By: Claude <noreply@anthropic.com>\n";

/// Runs install on the whole root. Its exit code and what it said.
fn install(world: &World, more: &[&str]) -> (Option<i32>, String) {
    let (root, policy) = (world.path("root").display().to_string(), world.policy_path().display().to_string());
    let output = world.countersign(&[&["install", "--server", &root, "--policy", &policy], more].concat());
    (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

fn is_protected(world: &World, path: &str) -> bool {
    world.path("root").join(path).join("hooks/pre-receive").is_file()
}

/// Each way in which one repository cannot be protected.
#[test]
fn one_bad_repository_stops_no_other() {
    type Spoil = fn(&World, &Path);
    let reftable: Spoil = |world, bad| {
        world.git_in(bad, &["config", "core.repositoryFormatVersion", "1"]);
        world.git_in(bad, &["config", "extensions.refStorage", "reftable"]);
        std::fs::create_dir_all(bad.join("reftable")).unwrap();
    };
    let head: Spoil = |_, bad| std::fs::write(bad.join("HEAD"), "").unwrap();
    let hooks_path: Spoil = |world, bad| drop(world.git_in(bad, &["config", "core.hooksPath", "/elsewhere"]));
    let linked: Spoil = |_, bad| {
        std::fs::remove_dir_all(bad.join("hooks")).unwrap();
        std::os::unix::fs::symlink("../a.git/hooks", bad.join("hooks")).unwrap();
    };
    let own_name: Spoil =
        |world, bad| world.write_executable(&bad.join("hooks/pre-receive"), "#!/bin/sh\nrun-parts $0.d/\n");
    let ledger: Spoil = |_, bad| {
        std::fs::create_dir_all(bad.join("countersign")).unwrap();
        std::fs::write(bad.join("countersign/ledger"), "no directory").unwrap();
    };
    let long = format!("{}.git", "b".repeat(70));
    for (spoil, name, why) in [
        (reftable, "b.git", "reftable"),
        (head, "b.git", "b.git: "),
        (hooks_path, "b.git", "core.hooksPath"),
        (linked, "b.git", "is a link to"),
        (own_name, "b.git", "goes by its own name"),
        (ledger, "b.git", "b.git: "),
        (|_, _| {}, long.as_str(), "--repository NAME"),
    ] {
        let world = root(&["a.git", name, "c.git"]);
        spoil(&world, &world.path("root").join(name));
        let before = files(&world.path("root"));
        let (code, said) = install(&world, &["--all-or-nothing"]);
        assert!(code == Some(2) && said.contains(why), "{why}: {said}");
        if why != "b.git: " {
            assert_eq!(files(&world.path("root")), before, "{why}: {said}");
        }
        let (code, said) = install(&world, &["--dry-run"]);
        assert!(code == Some(1) && said.contains(why) || why == "b.git: ", "{why}: {said}");
        let (code, said) = install(&world, &[]);
        assert_eq!(code, Some(1), "{why}: {said}");
        let lines = || said.lines().filter(|line| line.starts_with("error: ") && line.contains(name));
        assert!(lines().count() == 1 && said.contains(why) && said.contains("\nhint: "), "{why}: {said}");
        assert!(
            said.ends_with("1 repository is not protected as was asked, and all others are: see above\n"),
            "{said}"
        );
        assert!(is_protected(&world, "a.git") && is_protected(&world, "c.git"), "{why}: {said}");
        world.commit("a", "1", MARKED);
        for good in ["a.git", "c.git"] {
            push_to(&world, good, "refs/heads/main").refused("unsealed-agent-commit");
        }
    }
}

/// A fault of what was asked, and not of one repository, is said once, and nothing is written.
#[test]
fn what_is_wrong_everywhere_is_said_once() {
    let world = root(&["a.git", "b.git", "c.git"]);
    let before = files(&world.path("root"));
    let policy = std::fs::read_to_string(world.policy_path()).unwrap();
    for (text, why) in [
        ("version = 1\nnonsense = true\n".to_owned(), "nonsense"),
        (policy.replace("version = 1\n", "version = 1\nrepository = \"acme/one\"\n"), "is for one repository"),
        (
            policy.replace("identity = \"agents\"", "identity = \"agents\"\nsubmitters = [\"people\"]"),
            "--submitter KIND",
        ),
    ] {
        world.set_policy(&text);
        let (code, said) = install(&world, &[]);
        assert!(code == Some(2) && said.matches(why).count() == 1, "{why}: {said}");
        assert_eq!(files(&world.path("root")), before, "{why}");
    }
}

#[test]
fn two_of_one_name_are_left_to_the_admin() {
    let world = root(&["a b.git", "a+b.git", "c.git"]);
    let (code, said) = install(&world, &[]);
    assert!(code == Some(1) && said.matches("would both be named a-b").count() == 2, "{said}");
    assert!(is_protected(&world, "c.git") && !is_protected(&world, "a b.git") && !is_protected(&world, "a+b.git"));
    // Who came first keeps the name, and goes on being served.
    let other = world.path("root/a+b.git");
    std::fs::rename(&other, world.path("aside")).unwrap();
    assert_eq!(install(&world, &[]).0, Some(0));
    std::fs::rename(world.path("aside"), &other).unwrap();
    let (code, said) = install(&world, &[]);
    assert!(code == Some(1) && said.matches("would both be named a-b").count() == 1, "{said}");
    assert!(said.contains("a b.git: already installed") && !is_protected(&world, "a+b.git"), "{said}");
}

#[test]
fn what_is_excluded_is_left_alone_and_not_missed() {
    let world = root(&["a.git", "mirrors/b.git", "mirrors/deep/c.git"]);
    let root = world.path("root").display().to_string();
    let (code, said) = install(&world, &["--exclude", "mirrors/**", "--exclude", "misstyped.git"]);
    assert!(code == Some(0) && said.contains("warning: --exclude misstyped.git"), "{said}");
    assert!(is_protected(&world, "a.git") && !is_protected(&world, "mirrors/b.git"), "{said}");
    let doctor = |more: &[&str]| world.countersign(&[&["doctor", "--server", &root], more].concat());
    let alone = doctor(&["--exclude", "mirrors"]);
    assert_eq!(alone.status.code(), Some(0), "{alone:?}");
    let missed = doctor(&[]);
    assert_eq!(String::from_utf8_lossy(&missed.stdout).matches("[missing]").count(), 2, "{missed:?}");
    let (code, said) = install(&world, &["--exclude", "a?"]);
    assert!(code == Some(2) && said.contains("no meaning here"), "{said}");
}

/// Git copies its template into what it makes: the first push is decided, and recorded.
#[test]
fn a_new_repository_is_protected_from_birth() {
    let world = root(&["a.git"]);
    let (ok, said) = install_root(&world, &[]);
    let template = world.path("root").canonicalize().unwrap().join(".countersign/template");
    let setting = format!("git config --global init.templateDir {}", template.display());
    assert!(ok && said.lines().any(|line| line == setting), "{said}");
    let mut command = world.shell(&world.path(""), &setting);
    command.env("GIT_CONFIG_NOSYSTEM", "1");
    assert!(world.run(command, None).status.success());
    assert!(!install_root(&world, &[]).1.contains("init.templateDir"), "it is set");

    world.git_in(&world.path(""), &["init", "-q", "--bare", "-b", "main", "root/new/born.git"]);
    world.commit("a", "1", MARKED);
    push_to(&world, "new/born.git", "refs/heads/main").refused("unsealed-agent-commit");
    world.reword(&world.sealed_message(
        "HEAD",
        MARKED,
        &crate::world::SealBy { repository: "new/born", ..crate::world::SealBy::honest(CLAUDE.id, &CLAUDE.key()) },
    ));
    push_to(&world, "new/born.git", "refs/heads/main").accepted();
    let born = world.path("root/new/born.git");
    assert!(born.join("countersign/ledger/log").is_file());
    let doctor = world.countersign(&["doctor", "--server", born.to_str().unwrap()]);
    assert_eq!(doctor.status.code(), Some(0), "{doctor:?}");
    // What is installed over it is the same, with its own name.
    let (ok, said) = install_root(&world, &[]);
    assert!(ok && said.contains("born.git: installed"), "{said}");
    assert!(std::fs::read_to_string(born.join("hooks/pre-receive")).unwrap().contains("--repository 'new/born'"));

    let root = world.path("root").display().to_string();
    assert!(world.countersign(&["uninstall", "--server", &root]).status.success());
    assert!(!template.exists() && !world.path("root/.countersign").exists());
}

/// The units and the line for cron run what a shell can run, and no words that the program does not know.
#[test]
fn the_timers_run_what_the_program_takes() {
    let timers = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/servers/timers");
    let world = root(&["a.git"]);
    let mut ran = BTreeSet::new();
    for name in ["countersign-install.service", "countersign-doctor.service", "countersign.cron"] {
        let text = std::fs::read_to_string(timers.join(name)).unwrap();
        let commands = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
            let (before, command) = line.split_once("/usr/local/bin/countersign ")?;
            (before.ends_with('=') || before.ends_with(" root ")).then_some(command)
        });
        for command in commands {
            let words = command.replace("/srv/git", world.path("root").to_str().unwrap());
            let words = words.replace("/etc/countersign/policy.toml", world.policy_path().to_str().unwrap());
            let words = words.replace("/run/", &format!("{}/", world.path("").display()));
            let line = format!("{} {words}", binary().display());
            let output = world.run(world.shell(&world.path(""), &line), None);
            assert!(output.status.success(), "{name}: {line}: {output:?}");
            ran.insert(words.split(' ').next().unwrap().to_owned());
        }
    }
    assert_eq!(ran, BTreeSet::from(["doctor".to_owned(), "install".to_owned()]));
    for unit in ["install", "doctor"] {
        let timer = std::fs::read_to_string(timers.join(format!("countersign-{unit}.timer"))).unwrap();
        assert!(timer.contains("[Timer]\n") && timer.contains("WantedBy=timers.target\n"));
    }
}
