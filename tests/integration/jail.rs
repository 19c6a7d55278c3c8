//! A static binary in an empty file system with an empty environment, as a chrooted server or an uploaded environment has it.

use std::path::{Path, PathBuf};

use crate::world::{AGENTS_EVERYWHERE, CLAUDE, World, registry};

const MARKED: &str = "Work\n\nCo-Authored-By: Claude <noreply@anthropic.com>\n";

/// The program linked statically, which a test cannot make while it runs: `.ci/run` does, and says where.
fn static_binary() -> Option<PathBuf> {
    let path = std::env::var_os("COUNTERSIGN_STATIC").map(PathBuf::from);
    if path.is_none() {
        assert!(std::env::var_os("CI").is_none(), "COUNTERSIGN_STATIC names no program, and this is CI");
        #[allow(clippy::print_stderr)]
        {
            eprintln!("skipped: COUNTERSIGN_STATIC names no statically linked program; .ci/run builds one");
        }
    }
    path
}

/// Runs a program of a jail in its repository with these lines and this environment. Its exit code and what it said.
fn run_in(world: &World, jail: &Path, words: &[&str], environment: &[(&str, &str)], lines: &str) -> (i32, String) {
    let path = std::env::var_os("PATH").unwrap();
    let unshare = std::env::split_paths(&path).map(|path| path.join("unshare")).find(|path| path.is_file()).unwrap();
    let mut command = std::process::Command::new(unshare);
    command.env_clear().envs(environment.iter().copied());
    command.args(["--map-root-user", "--root"]).arg(jail).args(["--wd", "/repo.git"]).args(words);
    let output = world.run(command, Some(lines.as_bytes()));
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// A jail with the world's server repository, whose objects hold a marked commit and the same one sealed.
fn jail(world: &World) -> (PathBuf, String, String) {
    std::fs::remove_file(world.server().join("hooks/pre-receive")).unwrap();
    let marked = world.commit("a", "1", MARKED);
    world.push(&["HEAD:refs/stored/marked"]).accepted();
    let sealed = world.seal_head(CLAUDE);
    world.push(&["HEAD:refs/stored/sealed"]).accepted();
    let jail = world.path("jail");
    std::fs::create_dir(&jail).unwrap();
    (jail, marked, sealed)
}

fn line(new: &str) -> String {
    format!("{} {new} refs/heads/main\n", "0".repeat(new.len()))
}

#[test]
fn it_decides_in_an_empty_chroot_with_an_empty_environment() {
    let Some(program) = static_binary() else { return };
    for format in ["sha1", "sha256"] {
        let world = World::with(&format!("{}{AGENTS_EVERYWHERE}", registry()), format);
        let (jail, marked, sealed) = jail(&world);
        world.install(&[]);
        std::fs::copy(&program, jail.join("countersign")).unwrap();
        std::fs::copy(world.policy_path(), jail.join("policy.toml")).unwrap();
        std::fs::rename(world.server(), jail.join("repo.git")).unwrap();
        let words =
            ["/countersign", "hook", "pre-receive", "--policy", "/policy.toml", "--ledger", "countersign/ledger"];
        let (code, said) = run_in(&world, &jail, &words, &[], &line(&marked));
        assert_eq!(code, 1, "{said}");
        assert!(said.contains("[unsealed-agent-commit]"), "{said}");
        let (code, said) = run_in(&world, &jail, &words, &[], &line(&sealed));
        assert_eq!((code, said.as_str()), (0, ""));
    }
}

/// What is uploaded to a GitHub Enterprise Server, unpacked and run as its script is: by the kernel, in the environment.
#[test]
fn an_uploaded_environment_decides() {
    let Some(program) = static_binary() else { return };
    let policy = registry()
        .replace("repository = \"acme/payments\"\n", "")
        .replace("[people.bob]\n", "[people.bob]\naccounts = [\"bob\"]\n");
    let rules = AGENTS_EVERYWHERE.replace("identity", "submitters = [\"bob\"]\nidentity");
    let world = World::with(&format!("{policy}{rules}"), "sha1");
    let (jail, marked, sealed) = jail(&world);
    let (out, policy) = (world.path("out").display().to_string(), world.policy_path().display().to_string());
    let words = ["install", "--submitter", "ghes", "--policy", &policy, "--out", &out];
    let dynamic = world.countersign(&words);
    assert_eq!(dynamic.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&dynamic.stderr).contains("crt-static"), "{dynamic:?}");
    let mut command = world.command(program.to_str().unwrap(), &world.path(""));
    command.args(words);
    let written = world.run(command, None);
    assert!(written.status.success(), "{written:?}");

    let mut unpack = world.command("tar", &jail);
    unpack.args(["--extract", "--gzip", "--file", &format!("{out}/countersign-environment.tar.gz")]);
    assert!(world.run(unpack, None).status.success());
    let script = std::fs::read_to_string(format!("{out}/pre-receive")).unwrap();
    assert_eq!(script, "#!/usr/bin/countersign hook pre-receive --policy /etc/countersign/0.toml --submitter ghes\n");
    world.write_executable(&jail.join("pre-receive"), &script);
    std::fs::rename(world.server(), jail.join("repo.git")).unwrap();
    let bob = [("GITHUB_USER_LOGIN", "bob"), ("GITHUB_REPO_NAME", "Acme/Payments"), ("GITHUB_VIA", "")];
    let (code, said) = run_in(&world, &jail, &["/pre-receive"], &bob, &line(&marked));
    assert!(code == 1 && said.contains("[unsealed-agent-commit]"), "{code} {said}");
    let (code, said) = run_in(&world, &jail, &["/pre-receive"], &bob, &line(&sealed));
    assert_eq!((code, said.as_str()), (0, ""));
    let alice = [("GITHUB_USER_LOGIN", "alice"), ("GITHUB_REPO_NAME", "acme/payments")];
    let (code, said) = run_in(&world, &jail, &["/pre-receive"], &alice, &line(&sealed));
    assert!(code == 1 && said.contains("[submitter-unknown]"), "{code} {said}");
    let nameless = [("GITHUB_USER_LOGIN", "bob")];
    assert_eq!(run_in(&world, &jail, &["/pre-receive"], &nameless, &line(&sealed)).0, 2);
}
