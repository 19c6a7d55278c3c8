//! `doctor`: each way in which a gate can be off, and the canary.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::world::{AGENTS_EVERYWHERE, CLAUDE, World, binary, registry};

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
    let lines: Vec<&str> = said.lines().collect();
    let has_fix = |pair: &[&str]| !pair[0].starts_with("error:") || pair[1].starts_with("hint:");
    assert!(lines.windows(2).all(has_fix), "{said}");
    has_commands_alone(&said);
    said
}

/// A hint is a command, to be taken as it is, or words that hold none; a colon at their end announces one.
#[track_caller]
fn has_commands_alone(said: &str) {
    let programs =
        ["git ", "countersign ", "chmod ", "chown ", "setfacl ", "findmnt ", "sudo ", "cp ", "gitea ", "forgejo "];
    let hints: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("hint: ")).collect();
    for (number, hint) in hints.iter().enumerate() {
        let is_command = hint.starts_with('/') || programs.iter().any(|program| hint.starts_with(program));
        if is_command {
            assert!(!hint.contains(": ") && !hint.contains(", "), "words in a command, {hint:?}: {said}");
            continue;
        }
        let holds = programs.iter().any(|program| hint.contains(&format!(" {program}")) && !hint.contains("git runs"));
        assert!(!holds, "a command in words, {hint:?}: {said}");
        assert!(!hint.ends_with(':') || number + 1 < hints.len(), "nothing follows {hint:?}: {said}");
    }
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
        ("asks-nothing", |world, _| {
            let warn = AGENTS_EVERYWHERE.replace("identity", "mode = \"warn\"\nidentity");
            world.set_policy(&format!("{}{warn}", registry()));
        }),
        // What git's configuration says for this repository alone, and in bytes that are no text.
        ("hooks-path", |world, _| {
            let server = world.server().display().to_string();
            let global = format!("[includeIf \"gitdir:{server}\"]\n\tpath = {}\n", world.path("off").display());
            std::fs::write(world.path("home/.gitconfig"), global).unwrap();
            std::fs::write(world.path("off"), "[core]\n\thooksPath = /dev/null\n").unwrap();
        }),
        ("hooks-path", |world, _| {
            let mut config = std::fs::read(world.server().join("config")).unwrap();
            config.extend(b"[core]\n\thooksPath = /dev/null\n[gitweb]\n\towner = Andr\xe9\n");
            std::fs::write(world.server().join("config"), config).unwrap();
        }),
        ("ungoverned", |world, _| {
            let typo = AGENTS_EVERYWHERE.replace("refs/heads/**", "refs/head/**");
            world.set_policy(&format!("{}{typo}", registry()));
        }),
        ("unclear", |world, hook| {
            let text = std::fs::read_to_string(hook).unwrap().lines().last().unwrap().to_owned();
            world.write_executable(hook, &format!("#!/bin/sh\ntest -z \"$SKIP\" && exit 0\n{text}\n"));
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

/// The fixes of these are taken as they are printed, and make it sound again.
#[test]
fn fixes_run_as_printed() {
    type Harm = fn(&World);
    let harms: &[Harm] = &[
        |world| set_mode(&world.server().join("hooks/pre-receive"), 0o644),
        |world| set_mode(&world.policy_path(), 0o666),
        |world| drop(world.install(&["--observe"])),
        |world| std::fs::remove_file(world.server().join("hooks/post-receive")).unwrap(),
        |world| {
            let hook = world.server().join("hooks/reference-transaction");
            std::fs::copy(world.server().join("hooks/post-receive"), hook).unwrap();
        },
    ];
    for (number, harm) in harms.iter().enumerate() {
        let world = installed(AGENTS_EVERYWHERE);
        harm(&world);
        let (_, said) = doctor(&world, &[]);
        has_commands_alone(&said);
        let hints = said.lines().filter_map(|line| line.strip_prefix("hint: "));
        let fixes: Vec<&str> =
            hints.filter(|hint| ["chmod ", "countersign "].iter().any(|word| hint.starts_with(word))).collect();
        assert!(!fixes.is_empty(), "{number}: {said}");
        for fix in fixes {
            let fix = fix.replace("FILE", world.policy_path().to_str().unwrap());
            let output = world.run(world.shell(&world.path(""), &fix), None);
            assert!(output.status.success(), "{number}: {fix}: {output:?}");
        }
        sound(&world);
        assert!(!doctor(&world, &[]).1.contains("warning: ["), "{number}: {}", doctor(&world, &[]).1);
    }
}

/// What an admin has decided is told, and no fault.
#[test]
fn what_observes_is_told() {
    let world = installed(AGENTS_EVERYWHERE);
    world.install(&["--observe"]);
    let (code, said) = doctor(&world, &[]);
    assert!(code == Some(0) && said.contains("warning: [observes]") && !said.contains("canary: "), "{said}");
    has_commands_alone(&said);
}

/// A push reads the end of the ledger alone.
#[test]
fn a_changed_byte_in_the_middle_of_the_ledger_is_found() {
    let world = installed(AGENTS_EVERYWHERE);
    for round in 0..3 {
        world.commit("a", &round.to_string(), "By hand\n");
        world.push(&["HEAD:refs/heads/main"]).accepted();
    }
    sound(&world);
    let log = world.ledger().join("log");
    let whole = std::fs::read(&log).unwrap();
    let mut changed = whole.clone();
    let place = whole.windows(10).position(|bytes| bytes == b"refs/heads").unwrap();
    changed[place + 6] ^= 1;
    std::fs::write(&log, &changed).unwrap();
    assert!(sick(&world, "ledger").contains("nobody can trust"));
    std::fs::write(&log, &whole).unwrap();
    sound(&world);
}

/// A policy that asks who pushes, over ssh, needs an sshd that says with which key.
#[test]
fn an_sshd_that_tells_nobody_is_found() {
    let world = World::new(AGENTS_EVERYWHERE);
    let asks = AGENTS_EVERYWHERE.replace("identity", "submitters = [\"people\"]\nidentity");
    world.set_policy(&format!("{}{asks}", registry()));
    std::fs::remove_file(world.server().join("hooks/pre-receive")).unwrap();
    world.install(&["--submitter", "ssh"]);
    let config = world.path("sshd_config");
    let look = |text: &str| {
        std::fs::write(&config, text).unwrap();
        let (code, said) = doctor(&world, &["--sshd-config", config.to_str().unwrap()]);
        has_commands_alone(&said);
        (code, said)
    };
    let (code, said) = look("Port 22\n");
    assert!(code == Some(1) && said.contains("error: [submitter]") && said.contains("ExposeAuthInfo"), "{said}");
    let (code, said) = look("Port 22\nExposeAuthInfo yes\n");
    assert_eq!(code, Some(0), "{said}");
    // Where no rule asks, nothing is missing.
    world.set_policy(&format!("{}{AGENTS_EVERYWHERE}", registry()));
    let (code, said) = look("Port 22\n");
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn whoever_is_neither_gits_user_nor_root_is_told_one_thing() {
    if !is_root() {
        return;
    }
    let world = installed(AGENTS_EVERYWHERE);
    set_mode(&world.path(""), 0o755);
    let server = world.server().display().to_string();
    let mut command = world.command("setpriv", &world.path(""));
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--", binary().to_str().unwrap()]);
    command.args(["doctor", "--server", &server]);
    let output = world.run(command, None);
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let mut install = world.command("setpriv", &world.path(""));
    install.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--", binary().to_str().unwrap()]);
    install.args(["install", "--server", &server, "--policy", world.policy_path().to_str().unwrap()]);
    let refused = String::from_utf8_lossy(&world.run(install, None).stderr).into_owned();
    assert!(refused.ends_with("it belongs to root, and this must be run as that user or as root\n"), "{refused}");
    let expected = format!(
        "error: [wrong-user] {server}: 1 repository belongs to root: doctor must be run as root\n\
         hint: sudo countersign doctor --server {server}\n0 repositories: 1 error, 0 warnings\n"
    );
    assert_eq!(said, expected);
}

#[test]
fn what_is_no_repository_is_told_from_what_is() {
    let world = installed(AGENTS_EVERYWHERE);
    let look = |directory: &Path, words: &[&str]| {
        let mut command = world.command(binary().to_str().unwrap(), directory);
        command.arg("doctor").args(words).env("GIT_CEILING_DIRECTORIES", world.path(""));
        let output = world.run(command, None);
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        has_commands_alone(&said);
        (output.status.code(), said)
    };
    std::fs::create_dir(world.path("empty")).unwrap();
    for (directory, words, why, hint) in [
        (
            "",
            &["--server", "policy.toml"][..],
            "is a file, and leads to no repository",
            "give the path of a repository",
        ),
        ("", &["--server", "empty"], "none lies below it", "give the path of a repository"),
        ("", &["--server", "nowhere"], "nowhere: No such file", ""),
        ("empty", &[], "not a git repository", "countersign doctor --server ROOT"),
        ("server.git", &[], "a server's repository, and no clone", "countersign doctor --server ."),
    ] {
        let (code, said) = look(&world.path(directory), words);
        assert!(code == Some(2) && said.contains(why) && said.contains(hint), "{words:?}: {said}");
    }
    let (code, said) = look(&world.path(""), &["--server", "clone"]);
    assert!(code == Some(1) && said.contains("go into it:\nhint: countersign doctor\n"), "{said}");
}

/// Rules about paths alone have a canary too, which touches one of them.
#[test]
fn a_canary_finds_what_a_rule_is_about() {
    for (rules, name) in [
        (r#"paths = [".github/**", "ci/*.yml"]"#, "refs/heads/countersign-canary"),
        (r#"paths = ["a b/**/c"]"#, "refs/heads/countersign-canary"),
    ] {
        let world = installed(
            &AGENTS_EVERYWHERE.replace("identity = \"agents\"", &format!("{rules}\nidentity = \"everyone\"")),
        );
        let (code, said) = doctor(&world, &[]);
        assert!(code == Some(0) && said.contains(&format!("a forged commit to {name}")), "{said}");
        world.write_executable(&world.path("program"), "#!/bin/sh\nexit 0\n");
        let hook = world.server().join("hooks/pre-receive");
        let program = crate::world::binary().display().to_string();
        let text = std::fs::read_to_string(&hook).unwrap().replace(&program, world.path("program").to_str().unwrap());
        world.write_executable(&hook, &text);
        sick(&world, "canary");
    }
    // What a pattern excludes is no example of it.
    let excluded = AGENTS_EVERYWHERE.replace("\"refs/heads/**\"", "\"refs/heads/*\", \"!refs/heads/c*\"");
    let (code, said) = doctor(&installed(&excluded), &[]);
    assert!(code == Some(0) && said.contains("a forged commit to refs/heads/main "), "{said}");
}

/// Each way in which no push gets in: what is done, and what doctor calls it.
#[test]
fn each_way_to_refuse_everything_is_found() {
    type Harm = fn(&World, &Path);
    let harms: &[(&str, Harm)] = &[
        ("replaced", |world, hook| {
            let text = std::fs::read_to_string(hook).unwrap().replace('\n', "\r\n");
            world.write_executable(hook, &text);
        }),
        ("unreadable", |world, _| {
            let config = std::fs::read_to_string(world.server().join("config")).unwrap();
            std::fs::write(world.server().join("config"), config + "[core\n").unwrap();
        }),
        ("name", |world, _| {
            let policy = format!("{}{AGENTS_EVERYWHERE}", registry()).replace("acme/payments", "acme/other");
            world.set_policy(&policy);
        }),
        ("no-program", |world, hook| {
            let program = crate::world::binary().display().to_string();
            let text = std::fs::read_to_string(hook).unwrap().replace(&program, "/nowhere/countersign");
            world.write_executable(hook, &text);
        }),
        ("replaced", |world, _| {
            world.install(&["--reference-transaction"]);
            let watch = world.server().join("hooks/reference-transaction");
            let policy = world.policy_path().display().to_string();
            let text = std::fs::read_to_string(&watch).unwrap().replace(&policy, "/gone.toml");
            world.write_executable(&watch, &text);
        }),
        ("hidden", |world, _| {
            world.git_in(&world.server(), &["config", "receive.hideRefs", "refs/heads"]);
        }),
        ("replaced", |world, _| {
            world.install(&["--reference-transaction"]);
            let watch = world.server().join("hooks/reference-transaction");
            let text = std::fs::read_to_string(&watch).unwrap().replace(" \"$@\"", "");
            world.write_executable(&watch, &text);
        }),
        ("chain", |world, hook| {
            std::fs::remove_file(hook).unwrap();
            world.write_executable(hook, "#!/bin/sh\nexit 0\n");
            world.install(&[]);
            set_mode(&hook.with_file_name("pre-receive.before-countersign"), 0o644);
        }),
    ];
    for (check, harm) in harms {
        let world = installed(AGENTS_EVERYWHERE);
        harm(&world, &world.server().join("hooks/pre-receive"));
        sick(&world, check);
        world.commit("a", "1", "By hand\n");
        assert!(!world.push(&["HEAD:refs/heads/main"]).ok, "{check}: a push went in");
    }
}

/// Hooks that lie together for many repositories, where the configuration says, are the gate of each.
#[test]
fn hooks_that_lie_elsewhere_are_looked_at_there() {
    let policy = registry().replace("repository = \"acme/payments\"\n", "");
    let world = World::with(&format!("{policy}{AGENTS_EVERYWHERE}"), "sha1");
    std::fs::remove_file(world.server().join("hooks/pre-receive")).unwrap();
    let shared = world.path("shared");
    let words = format!("--policy {} --below {}", world.policy_path().display(), world.path("").display());
    for (hook, words) in [("pre-receive", words.as_str()), ("post-receive", "")] {
        let words = format!("{words} --ledger countersign/ledger");
        let text = format!("#!/bin/sh\nexec {} hook {hook} {words} \"$@\"\n", crate::world::binary().display());
        world.write_executable(&shared.join(hook), &text);
    }
    world.git_in(&world.path(""), &["config", "--global", "core.hooksPath", shared.to_str().unwrap()]);
    sound(&world);
    world.commit("a", "1", MARKED);
    world.push(&["HEAD:refs/heads/main"]).refused("unsealed-agent-commit");
    world.write_executable(&shared.join("pre-receive"), "#!/bin/sh\nexit 0\n");
    sick(&world, "replaced");
}

/// Root runs nothing that others can change: git runs what a repository's configuration names.
#[test]
fn root_runs_no_hook_of_others() {
    if !is_root() {
        return;
    }
    let world = installed(AGENTS_EVERYWHERE);
    let trace = world.path("trace");
    world.git_in(&world.server(), &["config", "core.alternateRefsCommand", &format!("touch {}; :", trace.display())]);
    set_mode(&world.server().join("config"), 0o666);
    let said = sick(&world, "ground");
    assert!(said.contains("everybody may write to") && !trace.exists(), "{said}");
}

/// What lies on the way to what root would run: who owns a directory there, or may write to it, could put something else in its place.
#[test]
fn root_is_not_led_by_who_can_change_the_way() {
    if !is_root() {
        return;
    }
    let world = installed(AGENTS_EVERYWHERE);
    let above = world.path("above");
    std::fs::create_dir(&above).unwrap();
    world.git_in(&above, &["init", "-q", "--bare", "-b", "main", "server.git"]);
    let server = above.join("server.git").display().to_string();
    world.countersign(&["install", "--server", &server, "--policy", world.policy_path().to_str().unwrap()]);
    let look = || {
        let output = world.countersign(&["doctor", "--server", &server]);
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    assert!(look().1.contains("was refused"), "{}", look().1);
    let canaries = || std::fs::read_dir(&above).unwrap().count();
    let own = |path: &Path, uid, gid| std::os::unix::fs::chown(path, Some(uid), Some(gid)).unwrap();
    // A directory above, the repository's own parts, and what is named from elsewhere.
    let ledger = above.join("server.git/countersign/ledger");
    for place in [above.clone(), above.join("server.git/hooks"), ledger, world.policy_path()] {
        let (mode, file) = (place.metadata().unwrap().permissions().mode() & 0o7777, place.is_file());
        own(&place, 65534, 0);
        let (code, said) = look();
        assert!(code == Some(1) && said.contains("error: [ground]"), "{}: {said}", place.display());
        assert!(!said.contains("canary: ") && canaries() == 1, "{}: {said}", place.display());
        own(&place, 0, 65534);
        assert!(look().1.contains("was refused"), "what only its owner may write to is firm: {}", look().1);
        let open = if file { 0o664 } else { 0o2775 };
        set_mode(&place, open);
        let (code, said) = look();
        let group =
            said.contains("error: [ground]") && said.contains("all of the group ") && said.contains("chmod g-w");
        assert!(code == Some(1) && group && !said.contains("canary: "), "{}: {said}", place.display());
        // The group of root holds root alone.
        own(&place, 0, 0);
        assert!(look().1.contains("was refused"), "{}", look().1);
        set_mode(&place, mode);
    }
    // In a place for everybody nobody can change what is root's, and nothing is tried.
    set_mode(&above, 0o1777);
    let (code, said) = look();
    assert!(code == Some(0) && said.contains("warning: [ground]") && !said.contains("canary: "), "{said}");
}

/// What the policy refuses past the hook needs a hook that watches.
#[test]
fn out_of_band_needs_somebody_who_watches() {
    let world = installed(AGENTS_EVERYWHERE);
    let strict = format!("{}{AGENTS_EVERYWHERE}", registry()).replacen(
        "version = 1\n",
        "version = 1\nout-of-band = \"refuse\"\n",
        1,
    );
    world.set_policy(&strict);
    sick(&world, "out-of-band");
    world.install(&[]);
    sound(&world);
}

/// Who pushes is told by signed pushes only where the server asks for them.
#[test]
fn signed_pushes_need_a_nonce() {
    let asks = AGENTS_EVERYWHERE.replace("identity", "submitters = [\"bob\"]\nidentity");
    let world = World::new(&asks);
    std::fs::remove_file(world.server().join("hooks/pre-receive")).unwrap();
    world.install(&["--submitter", "push-cert"]);
    let said = sick(&world, "submitter");
    assert!(said.contains("receive.certNonceSeed"), "{said}");
    world.git_in(&world.server(), &["config", "receive.certNonceSeed", "seed"]);
    sound(&world);
}

/// What a person has configured for pushes of their own is not the server's.
#[test]
fn a_canary_does_not_depend_on_who_looks() {
    let world = installed(AGENTS_EVERYWHERE);
    for (key, value) in [
        ("push.gpgSign", "true"),
        ("push.pushOption", "ci.skip"),
        ("protocol.file.allow", "never"),
        ("safe.bareRepository", "explicit"),
    ] {
        world.git_in(&world.path(""), &["config", "--global", key, value]);
    }
    sound(&world);
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
    set_mode(&world.server().join("hooks"), 0o777);
    sick(&world, "open-hook");
    set_mode(&world.server().join("hooks"), 0o1777);
    // Nobody can put another hook there; but root runs nothing from where others can write.
    let (code, said) = doctor(&world, &[]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(said.contains("[ground]"), rustix::process::geteuid().is_root(), "{said}");
    set_mode(&world.server().join("hooks"), 0o755);
    set_mode(&world.server().join("hooks/pre-receive"), 0o777);
    sick(&world, "open-hook");
    set_mode(&world.server().join("hooks/pre-receive"), 0o755);
    let people = world.path("people.toml");
    std::fs::write(&people, registry()).unwrap();
    let including = format!("version = 1\ninclude = [\"people.toml\"]\n{AGENTS_EVERYWHERE}");
    let people_only = registry().replace("version = 1\n", "");
    std::fs::write(&people, people_only.replace("repository = \"acme/payments\"\n", "")).unwrap();
    world.set_policy(&including);
    set_mode(&people, 0o666);
    sick(&world, "open-policy");
    set_mode(&people, 0o644);
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

/// What root does about others' repositories only root can try: its absence is a failure in CI, and visible elsewhere.
fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    assert!(root || std::env::var_os("CI").is_none(), "CI runs as root");
    if !root {
        #[allow(clippy::print_stderr)]
        {
            eprintln!("skipped: only root can give a repository to another user");
        }
    }
    root
}

/// Root can read and run everything; whom git runs as cannot, and git passes over a hook that it may not run.
#[test]
fn what_only_root_may_do_is_found() {
    if !is_root() {
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
    refused("Permission denied");
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
    expect("replaced");
    set_mode(&hook, 0o744);
    expect("not-executable");
    set_mode(&hook, 0o755);
    set_mode(&world.path("bin"), 0o700);
    expect("unreadable");
    set_mode(&world.path("bin"), 0o755);
    set_mode(&world.policy_path(), 0o600);
    expect("policy");
    set_mode(&world.policy_path(), 0o644);
    std::os::unix::fs::chown(world.ledger(), Some(0), Some(0)).unwrap();
    expect("ledger");
    std::os::unix::fs::chown(world.ledger(), Some(65534), Some(65534)).unwrap();
    assert_eq!(run(&doctor).0, Some(0));

    // What root runs writes nothing that the owner cannot: a push goes on as before, also where history is exempt.
    let (code, said) = run(&[&install[..], &["--baseline"]].concat());
    assert_eq!(code, Some(0), "{said}");
    assert!(
        run(&["log", "verify", "--server", &server]).1.contains("each signed by"),
        "{:?}",
        run(&["log", "verify", "--server", &server])
    );
    let found = world.command("find", &world.server()).args(["!", "-user", "65534"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "");
    // A key that root alone can read is held against the ledger all the same.
    let kept = world.path("kept.pub");
    std::fs::copy(world.ledger().join("key.pub"), &kept).unwrap();
    set_mode(&kept, 0o600);
    let verify = ["log", "verify", "--server", &server, "--key", kept.to_str().unwrap()];
    assert_eq!(run(&verify).0, Some(0), "{:?}", run(&verify));
    std::fs::write(&kept, format!("{}\n", CLAUDE.line())).unwrap();
    assert_eq!(run(&verify).0, Some(1), "{:?}", run(&verify));
    // Where the owner may not move refs, no push goes in.
    let heads = world.server().join("refs/heads");
    std::os::unix::fs::chown(&heads, Some(0), Some(0)).unwrap();
    expect("unreadable");
    std::os::unix::fs::chown(&heads, Some(65534), Some(65534)).unwrap();
    // What somebody else's link leads to stays as it is.
    let elsewhere = world.path("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    std::os::unix::fs::symlink(world.server(), elsewhere.join("x.git")).unwrap();
    std::os::unix::fs::lchown(elsewhere.join("x.git"), Some(12345), Some(12345)).unwrap();
    let (code, said) = run(&["uninstall", "--server", elsewhere.to_str().unwrap()]);
    assert!(code != Some(0) && hook.exists(), "{said}");
    let (code, said) = run(&["doctor", "--server", elsewhere.to_str().unwrap()]);
    assert!(code != Some(0), "{said}");
    // And it follows no link that the owner has laid: what it leads to stays root's.
    let secret = world.path("secret");
    std::fs::write(&secret, "secret\n").unwrap();
    set_mode(&secret, 0o600);
    let link = world.ledger().join("seen.0");
    let _ = std::fs::remove_file(&link);
    std::os::unix::fs::symlink(&secret, &link).unwrap();
    for words in [&install[..], &doctor, &["log", "verify", "--server", &server], &["uninstall", "--server", &server]] {
        run(words);
    }
    assert_eq!(std::fs::read_to_string(&secret).unwrap(), "secret\n");
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&secret.metadata().unwrap()), 0);
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
fn what_is_exempt_and_what_runs_are_looked_at() {
    let world = installed(AGENTS_EVERYWHERE);
    std::fs::remove_file(world.server().join("hooks/post-receive")).unwrap();
    let (code, said) = doctor(&world, &[]);
    assert!(code == Some(0) && said.contains("warning: [no-post-receive]"), "{said}");
    world.install(&["--baseline"]);
    sound(&world);
    let baseline = world.server().join("countersign/baseline");
    set_mode(&baseline, 0o666);
    sick(&world, "open-baseline");
    // What nobody can read, not even root.
    std::fs::remove_file(&baseline).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(&baseline).unwrap();
    sick(&world, "baseline");
    std::fs::remove_file(&baseline).unwrap();
    world.install(&["--baseline"]);
    let program = crate::world::binary().display().to_string();
    let other = world.path("program");
    world.write_executable(&other, &format!("#!/bin/sh\nexec {program} \"$@\"\n"));
    let hook = world.server().join("hooks/pre-receive");
    let text = std::fs::read_to_string(&hook).unwrap().replace(&program, &other.display().to_string());
    world.write_executable(&hook, &text);
    sound(&world);
    world.git_in(&world.server(), &["config", "core.sharedRepository", "group"]);
    let (_, said) = doctor(&world, &[]);
    assert!(said.contains("warning: [shared]"), "{said}");
    set_mode(&other, 0o777);
    sick(&world, "open-program");
}

/// Each check of the reference is brought about by a test.
#[test]
fn each_check_is_brought_about() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tests: String = ["doctor.rs", "install.rs", "orders.rs", "places.rs", "servers/gitolite.rs"]
        .map(|file| std::fs::read_to_string(root.join("tests/integration").join(file)).unwrap())
        .concat();
    let reference = std::fs::read_to_string(root.join("src/doctor/CHECKS.md")).unwrap();
    let checks = reference.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let is_told = |check: &&str| {
        let told = [format!("[{check}]"), format!("sick(&world, \"{check}\")"), format!("(\"{check}\", |")];
        told.iter().any(|told| tests.contains(told)) || tests.contains(&format!("expect(\"{check}\")"))
    };
    let (told, untold): (Vec<&str>, Vec<&str>) = checks.partition(is_told);
    assert!(told.len() > 30 && untold.is_empty(), "no test brings about {untold:?}");
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
    let key = world.path("key");
    let words = ["config", "countersign.claude-code.key", key.to_str().unwrap()];
    world.git(&words);
    assert!(look().1.contains("error: [key] countersign.claude-code.key"));
    std::fs::write(&key, "").unwrap();
    set_mode(&key, 0o640);
    assert!(look().1.contains("error: [open-key] countersign.claude-code.key"));
    set_mode(&key, 0o600);
    assert!(!look().1.contains("key]"));
    world.set_policy(&format!("{}{AGENTS_EVERYWHERE}", registry().replace("repository = \"acme/payments\"\n", "")));
    assert!(look().1.contains("error: [no-name]"));
    world.git(&["config", "countersign.repository", "acme/payments"]);
    assert!(!look().1.contains("[no-name]"));
    world.git(&["config", "--unset", "countersign.policy"]);
    assert!(look().1.contains("warning: [no-policy]"));
}

/// An agent that asks in its clone is told whether what it commits is sealed and will be accepted.
#[test]
fn an_agent_is_told_whether_it_can_seal() {
    let world = World::new(AGENTS_EVERYWHERE);
    assert!(world.countersign(&["install"]).status.success());
    let key = world.path("claude-code");
    std::fs::write(&key, CLAUDE.key().to_openssh("c").unwrap()).unwrap();
    set_mode(&key, 0o600);
    let policy = world.policy_path().display().to_string();
    world.git(&["config", "countersign.policy", &policy]);
    world.git(&["config", "countersign.claude-code.key", &key.display().to_string()]);
    let look = |variables: &[(&str, &str)], more: &[&str]| {
        let mut command = world.command(&binary().display().to_string(), &world.clone_dir());
        command.arg("doctor").args(more).envs(variables.iter().copied());
        let output = world.run(command, None);
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, said) = look(&[("CLAUDECODE", "1")], &[]);
    assert!(code == Some(0) && said.contains("at work: claude-code, by CLAUDECODE, with the key SHA256:"), "{said}");
    assert!(said.contains("seals for acme/payments"), "{said}");
    let (code, said) = look(&[("CLAUDECODE", "1")], &["--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, &json["desk"]["seals"], &json["desk"]["registered"]), (Some(0), &true.into(), &true.into()));
    let (code, said) = look(&[], &[]);
    assert!(code == Some(0) && said.contains("at work: a person, whose commits are left alone"), "{said}");
    for (variables, words) in [
        (&[("CODEX_CI", "1")][..], "this process is codex's, and this clone has no key for it"),
        (
            &[
                ("CLAUDECODE", "1"),
                ("GIT_CONFIG_COUNT", "1"),
                ("GIT_CONFIG_KEY_0", "countersign.claude-code.key"),
                ("GIT_CONFIG_VALUE_0", "~/none"),
            ],
            "cannot be used",
        ),
    ] {
        let (code, said) = look(variables, &[]);
        assert!(code == Some(1) && said.contains("error: [not-sealing]") && said.contains(words), "{said}");
    }
    world
        .set_policy(&std::fs::read_to_string(&policy).unwrap().replace(&CLAUDE.line(), &crate::world::STRANGER.line()));
    let (code, said) = look(&[("CLAUDECODE", "1")], &[]);
    assert!(code == Some(1) && said.contains("the policy does not register the key of claude-code"), "{said}");
    world.git(&["config", "countersign.repository", ""]);
    let (code, said) = look(&[("CLAUDECODE", "1")], &[]);
    assert!(code == Some(1) && said.contains("error: [no-name]"), "{said}");
}

/// What doctor says to run does run, for a kind of server with hooks elsewhere than such servers have them.
#[test]
fn the_command_that_installs_again_names_the_layout() {
    let world = World::new(AGENTS_EVERYWHERE);
    std::fs::remove_file(world.server().join("hooks/pre-receive")).unwrap();
    world.install(&["--submitter", "bitbucket", "--layout", "hooks", "--observe"]);
    let (_, said) = doctor(&world, &[]);
    let mut lines = said.lines().skip_while(|line| !line.contains("observes"));
    let fix = lines.find_map(|line| line.strip_prefix("hint: countersign ")).unwrap();
    let output = world.countersign(&fix.split(' ').collect::<Vec<_>>());
    assert!(output.status.success(), "{fix}: {output:?}");
    world.commit("a", "1", MARKED);
    world
        .push_with(&[("BB_PROJECT_KEY", "acme"), ("BB_REPO_SLUG", "payments")], &["HEAD:refs/heads/main"])
        .refused("unsealed-agent-commit");
}
