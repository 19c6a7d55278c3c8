//! What a person at a terminal gets, and a program does not.

use crate::world::{AGENTS_EVERYWHERE, World, binary};

/// Runs a line on a terminal of its own, with `home/.gitconfig` as the user's configuration. What the terminal shows.
fn on_terminal(world: &World, environment: &[(&str, &str)], line: &str) -> String {
    let mut command = world.command("script", &world.clone_dir());
    let line = line.replace("countersign", &binary().display().to_string());
    command.args(["-qec", &line, "/dev/null"]).env("SHELL", "/bin/sh").env("TERM", "xterm");
    command.envs(environment.iter().copied());
    let output = world.run(command, None);
    String::from_utf8_lossy(&output.stdout).replace("\r\n", "\n")
}

fn with_entries() -> World {
    let world = World::new(AGENTS_EVERYWHERE);
    std::fs::remove_file(world.server().join("hooks/pre-receive")).unwrap();
    world.install(&[]);
    for content in ["1", "2"] {
        world.commit("a", content, "By hand\n");
        world.push(&["HEAD:refs/heads/main"]).accepted();
    }
    world
}

fn lines(world: &World, more: &[&str]) -> Vec<String> {
    let server = world.server().display().to_string();
    let output = world.countersign(&[&["log", "show", "--format", "csv", "--server", &server], more].concat());
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn the_last_entries_and_the_newest_first() {
    let world = with_entries();
    let all = lines(&world, &[]);
    assert!(all.len() > 4, "{all:?}");
    assert_eq!(lines(&world, &["-n", "2"]), all[all.len() - 2..]);
    assert_eq!(lines(&world, &["-n", "0"]), Vec::<String>::new());
    assert_eq!(lines(&world, &["-n", "999"]), all);
    let reversed: Vec<String> = all.iter().rev().cloned().collect();
    assert_eq!(lines(&world, &["--reverse"]), reversed);
    assert_eq!(lines(&world, &["--reverse", "-n", "3"]), reversed[..3]);
    // Of those that a filter selects.
    let decided: Vec<String> = lines(&world, &["--ref", "main"]);
    assert_eq!(lines(&world, &["--ref", "main", "-n", "1"]), decided[decided.len() - 1..]);
}

/// The reader's own pager, and never one that the repository names.
#[test]
fn a_log_is_paged_on_a_terminal_by_what_the_reader_chose() {
    let world = with_entries();
    let log = "countersign log show --format csv --server ../server.git";
    let plain = lines(&world, &[]).len();
    for repository in [world.server(), world.clone_dir()] {
        world.git_in(&repository, &["config", "core.pager", "touch ran; cat"]);
        world.git_in(&repository, &["config", "pager.log", "touch ran; cat"]);
    }
    let pages = |shown: &str, mark: &str| shown.lines().filter(|line| line.starts_with(mark)).count();
    let shown = on_terminal(&world, &[("PAGER", "sed s/^/by-pager:/")], log);
    assert_eq!(pages(&shown, "by-pager:"), plain, "{shown}");
    let config = world.path("home/.gitconfig");
    let before = std::fs::read_to_string(&config).unwrap();
    std::fs::write(world.path("home/more"), "[core]\n\tpager = sed s/^/by-config:/\n").unwrap();
    std::fs::write(&config, format!("{before}[include]\n\tpath = more\n")).unwrap();
    let shown = on_terminal(&world, &[("PAGER", "sed s/^/by-pager:/")], log);
    assert_eq!(pages(&shown, "by-config:"), plain, "{shown}");
    let shown = on_terminal(&world, &[("GIT_PAGER", "echo less is $LESS; sed s/^/by-git-pager:/")], log);
    assert!(pages(&shown, "by-git-pager:") == plain && shown.contains("less is FRX"), "{shown}");
    for none in ["", "cat"] {
        let shown = on_terminal(&world, &[("GIT_PAGER", none)], log);
        assert_eq!(pages(&shown, "by-"), 0, "{shown}");
        assert_eq!(shown.lines().count(), plain, "{shown}");
    }
    // Who stops reading early is told nothing.
    let shown = on_terminal(&world, &[("GIT_PAGER", "true")], log);
    assert_eq!(shown, "");
    // No terminal, no pager.
    assert_eq!(lines(&world, &[]).len(), plain);
    for directory in [world.clone_dir(), world.server(), world.path("")] {
        assert!(!directory.join("ran").exists(), "a repository's pager ran");
    }
}

/// By what the server's hooks decide, from anywhere.
#[test]
fn who_stands_behind_a_commit_is_asked_of_a_server() {
    let world = with_entries();
    let (commit, server) = (world.git(&["rev-parse", "HEAD"]), world.server().display().to_string());
    let show = |words: &[&str]| {
        let mut command = world.command(binary().to_str().unwrap(), &world.path(""));
        command.args([&["show", "--server", &server], words].concat());
        let output = world.run(command, None);
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    for named in [commit.as_str(), "main", &commit[..10]] {
        let (code, said) = show(&[named]);
        assert!(code == Some(0) && said.starts_with(&format!("commit    {commit}\n")), "{said}");
        assert!(said.contains("refs/heads/main"), "its history: {said}");
    }
    let (code, said) = show(&["nothing"]);
    assert!(code == Some(2) && said.contains("names no commit"), "{said}");
    let mut command = world.command(binary().to_str().unwrap(), &world.path(""));
    command.args(["show", "--server", "home", "main"]);
    let said = String::from_utf8(world.run(command, None).stderr).unwrap();
    assert!(said.contains("is not a git repository") && said.contains("\nhint: countersign show --server"), "{said}");
}

/// Many repositories take a while.
#[test]
fn how_far_it_is_is_told_to_people_alone() {
    let world = World::new(AGENTS_EVERYWHERE);
    let policy = std::fs::read_to_string(world.policy_path()).unwrap();
    world.set_policy(&policy.lines().filter(|line| !line.starts_with("repository = ")).collect::<Vec<_>>().join("\n"));
    world.git_in(&world.path(""), &["init", "-q", "--bare", "--template=", "root/0.git"]);
    for number in 1..150 {
        let mut copy = world.command("cp", &world.path("root"));
        copy.args(["-a", "0.git", &format!("{number}.git")]);
        assert!(world.run(copy, None).status.success());
    }
    let line = "countersign install --server ../root --policy ../policy.toml";
    let shown = on_terminal(&world, &[], line);
    assert!(shown.contains(" of 150 repositories looked at"), "{shown}");
    let (root, policy) = (world.path("root").display().to_string(), world.policy_path().display().to_string());
    let quiet = world.countersign(&["install", "--server", &root, "--policy", &policy, "--dry-run"]);
    let said = String::from_utf8_lossy(&quiet.stderr).into_owned();
    assert!(quiet.status.success() && !said.contains("looked at") && !said.contains('\r'), "{said}");
    let doctor = on_terminal(&world, &[], "countersign doctor --server ../root");
    assert!(doctor.contains(" of 150 repositories"), "{doctor}");
}
