//! gitolite over sshd: one hook for all its repositories, also for those that it makes later.

use std::path::PathBuf;

use super::ssh::Sshd;
use super::{guide_line, installed, policy, story, submitters};
use crate::world::{ALICE, Actor, BOB, CLAUDE, World, binary};

struct Gitolite {
    world: World,
    home: PathBuf,
}

impl Gitolite {
    fn command(&self, program: &str, arguments: &[&str]) -> std::process::Output {
        let mut command = self.world.command(program, &self.home);
        command.env("HOME", &self.home).env("GIT_CONFIG_GLOBAL", "/dev/null").args(arguments);
        self.world.run(command, None)
    }

    #[track_caller]
    fn gitolite(&self, arguments: &[&str]) {
        let output = self.command("gitolite", arguments);
        assert!(output.status.success(), "gitolite {arguments:?}: {output:?}");
    }

    fn configure(&self, conf: &str) {
        let admin = "repo gitolite-admin\n    RW+ = admin\n";
        std::fs::write(self.home.join(".gitolite/conf/gitolite.conf"), format!("{admin}{conf}")).unwrap();
        self.gitolite(&["compile"]);
        self.gitolite(&["trigger", "POST_COMPILE"]);
    }

    fn repository(&self, name: &str) -> PathBuf {
        self.home.join("repositories").join(format!("{name}.git"))
    }
}

/// A gitolite with its users' keys, as its own setup makes it.
fn gitolite(format: &'static str) -> Option<Gitolite> {
    installed(&["gitolite", "sshd"])?;
    // One policy for all repositories names none of them.
    let policy = policy().replace("repository = \"acme/payments\"\n", "");
    let world = World::with(&policy, format);
    let home = world.path("gl");
    std::fs::create_dir_all(&home).unwrap();
    let server = Gitolite { world, home };
    let public = server.world.path("admin.pub");
    std::fs::write(&public, crate::world::FORGE.line()).unwrap();
    server.gitolite(&["setup", "-pk", public.to_str().unwrap()]);
    let rc = server.home.join(".gitolite.rc");
    let text = std::fs::read_to_string(&rc).unwrap();
    // The line of the guide is the one that gitolite ships, without its comment sign.
    let line = guide_line("gitolite.md", "LOCAL_CODE");
    let local = text.replace(&format!("# {line}"), &line);
    assert_ne!(local, text, "the line that gitolite ships is another");
    std::fs::write(&rc, local).unwrap();
    let keys = server.home.join(".gitolite/keydir");
    std::fs::create_dir_all(&keys).unwrap();
    for actor in [ALICE, BOB, CLAUDE] {
        std::fs::write(keys.join(format!("{}.pub", actor.id)), actor.line()).unwrap();
    }
    let admin = std::fs::read_to_string(&public).unwrap();
    std::fs::write(keys.join("admin.pub"), admin).unwrap();
    Some(server)
}

#[test]
fn gitolite_says_who_pushes() {
    for format in ["sha1", "sha256"] {
        let Some(server) = gitolite(format) else { return };
        let world = &server.world;
        // gitolite makes SHA-1 repositories; one that is there it takes as it is.
        let path = server.repository("acme/payments");
        world.git_in(
            &world.path(""),
            &["init", "-q", "--bare", "--object-format", format, "-b", "main", path.to_str().unwrap()],
        );
        server.configure("repo acme/..*\n    RW+ = @all\nrepo acme/payments\n    RW+ = @all\n");
        let root = server.home.join("repositories").display().to_string();
        let policy = world.policy_path().display().to_string();
        let words = ["install", "--server", &root, "--policy", &policy, "--submitter", "gitolite"];
        // gitolite would take away what lies in a repository itself.
        let own = path.join("hooks/pre-receive");
        world.write_executable(&own, "#!/bin/sh\nexit 1\n");
        let output = server.command(binary().to_str().unwrap(), &words);
        assert!(String::from_utf8_lossy(&output.stderr).contains("gitolite would remove"), "{output:?}");
        std::fs::remove_file(&own).unwrap();
        for said in ["installed", "nothing changed"] {
            let output = server.command(binary().to_str().unwrap(), &words);
            let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            assert!(output.status.success() && text.contains(said), "{text}");
        }
        let keys = server.home.join(".ssh/authorized_keys");
        let Some(sshd) = Sshd::start(world, &keys, &server.home, "") else { return };
        let to = |name: &str| world.git(&["remote", "set-url", "origin", &sshd.url(name)]);
        let push = |actor: Actor, refspecs: &[&str]| sshd.push(world, actor, refspecs);
        to("acme/payments");
        story(world, &push);
        push(BOB, &["work:refs/heads/last"]).accepted();
        assert_eq!(submitters(world, &path), super::STORY);
        if format == "sha256" {
            return;
        }
        let doctor = || {
            let output = server.command(binary().to_str().unwrap(), &["doctor", "--server", &root]);
            (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
        };
        let (code, said) = doctor();
        assert!(code == Some(0) && said.contains("was refused"), "{said}");
        // A repository that gitolite makes afterwards has the hook, a name and a ledger of its own at once.
        server.configure("repo acme/payments acme/new\n    RW+ = @all\n");
        to("acme/new");
        push(CLAUDE, &["work:refs/heads/work"]).refused("bad-seal");
        push(ALICE, &["main:refs/heads/main"]).accepted();
        assert!(server.repository("acme/new").join("countersign/ledger").exists());
        // Where the ledger is gone, nothing is accepted, and no new one begins.
        std::fs::remove_dir_all(server.repository("acme/new").join("countersign")).unwrap();
        assert!(!push(ALICE, &["main:refs/heads/again"]).ok);

        assert!(doctor().1.contains("[ledger]"), "{}", doctor().1);
        // What `option hook.pre-receive` does: the link leads to another hook.
        let hook = server.repository("acme/payments").join("hooks/pre-receive");
        std::fs::remove_file(&hook).unwrap();
        std::os::unix::fs::symlink("/bin/true", &hook).unwrap();
        assert!(doctor().1.contains("[replaced]"), "{}", doctor().1);

        let words = ["uninstall", "--server", &root, "--layout", "gitolite"];
        let output = server.command(binary().to_str().unwrap(), &words);
        assert!(output.status.success(), "{output:?}");
        push(CLAUDE, &["work:refs/heads/work"]).accepted();
        let left = server.repository("acme/new").join("hooks/pre-receive");
        assert!(left.symlink_metadata().is_err(), "no link of gitolite's leads nowhere");
    }
}
