//! sshd, with git-shell: by the key of the session, by a forced command, by the environment of a key.

use std::path::{Path, PathBuf};

use super::{Daemon, MARKED, free_port, guide_line, installed, policy, story, submitters};
use crate::world::{ALICE, Actor, BOB, CLAUDE, Pushed, STRANGER, World};

/// A running sshd that lets in who is in a file.
pub struct Sshd {
    port: u16,
    _daemon: Daemon,
}

impl Sshd {
    /// `None` where sshd is not installed.
    pub fn start(world: &World, authorized_keys: &Path, home: &Path, settings: &str) -> Option<Self> {
        let programs = installed(&["sshd", "ssh-keygen", "git-shell", "ssh"])?;
        let host_key = world.path("host_key");
        let made = std::process::Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(&host_key)
            .status();
        assert!(made.unwrap().success());
        // Where sshd runs as root it wants this directory to lock itself into (sshd(8)).
        let _ = std::fs::create_dir("/run/sshd");
        let port = free_port();
        let config = format!(
            "ListenAddress 127.0.0.1\nPort {port}\nHostKey {}\nPidFile none\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n{settings}\n\
             SetEnv PATH={} HOME={} GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null\nLogLevel FATAL\n",
            host_key.display(),
            authorized_keys.display(),
            std::env::var("PATH").unwrap(),
            home.display(),
        );
        let file = world.path("sshd_config");
        std::fs::write(&file, config).unwrap();
        let mut command = std::process::Command::new(&programs[0]);
        command.args(["-D", "-e", "-f"]).arg(&file);
        Some(Self { port, _daemon: Daemon::start(command, port) })
    }

    pub fn url(&self, path: &str) -> String {
        let user = String::from_utf8(std::process::Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
        format!("ssh://{}@127.0.0.1:{}/{}", user.trim(), self.port, path.trim_start_matches('/'))
    }

    pub fn push(&self, world: &World, actor: Actor, refspecs: &[&str]) -> Pushed {
        let ssh = format!(
            "ssh -F /dev/null -o IdentitiesOnly=yes -o IdentityAgent=none -o StrictHostKeyChecking=no \
             -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -i '{}'",
            world.key_file(actor).display()
        );
        world.push_by(&[("GIT_SSH_COMMAND", ssh)], refspecs)
    }
}

/// A world behind sshd with these settings. `line` is each one's line in authorized_keys.
fn behind_sshd(format: &'static str, settings: &str, line: &dyn Fn(Actor) -> String) -> Option<(World, Sshd)> {
    let world = World::with(&policy(), format);
    std::fs::remove_file(world.server().join("hooks/pre-receive")).unwrap();
    world.install(&["--submitter", "ssh"]);
    let keys: Vec<String> = [ALICE, BOB, CLAUDE, STRANGER].into_iter().map(|actor| line(actor) + "\n").collect();
    let file: PathBuf = world.path("authorized_keys");
    std::fs::write(&file, keys.concat()).unwrap();
    let sshd = Sshd::start(&world, &file, &world.path("home"), settings)?;
    world.git(&["remote", "set-url", "origin", &sshd.url(world.server().to_str().unwrap())]);
    Some((world, sshd))
}

/// A line of the guide for alice, for somebody else.
fn line_for(begins: &str, actor: Actor) -> String {
    let line = guide_line("ssh.md", begins).replace("=alice", &format!("={}", actor.id));
    line.replace("ssh-ed25519 AAAA... alice", &actor.line())
}

const KEYED: &str = "restrict,command=\"exec git-shell";

#[test]
fn the_key_of_the_session_says_who_pushes() {
    for format in ["sha1", "sha256"] {
        let settings = guide_line("ssh.md", "ExposeAuthInfo");
        let keyed = |actor| line_for(KEYED, actor);
        let Some((world, sshd)) = behind_sshd(format, &settings, &keyed) else { return };
        let push = |actor: Actor, refspecs: &[&str]| sshd.push(&world, actor, refspecs);
        story(&world, &push);
        push(BOB, &["work:refs/heads/last"]).accepted();
        assert_eq!(submitters(&world, &world.server()), super::STORY);
        let stranger = push(STRANGER, &["work:refs/heads/stranger"]);
        stranger.refused("submitter-unknown");
        assert!(stranger.said.contains("nobody has registered the key SHA256:"), "{}", stranger.said);
    }
}

#[test]
fn a_forced_command_or_the_keys_line_names_the_account() {
    for (begins, settings) in [
        ("restrict,command=\"COUNTERSIGN_USER=alice", ""),
        ("restrict,environment=", "PermitUserEnvironment COUNTERSIGN_USER"),
    ] {
        assert!(super::guide("ssh.md").contains(settings));
        let line = |actor| line_for(begins, actor);
        let Some((world, sshd)) = behind_sshd("sha1", settings, &line) else { return };
        world.commit("a", "1", "By hand\n");
        sshd.push(&world, ALICE, &["HEAD:refs/heads/work"]).accepted();
        sshd.push(&world, STRANGER, &["HEAD:refs/heads/other"]).refused("submitter-unknown");
        world.commit("a", "2", MARKED);
        sshd.push(&world, CLAUDE, &["HEAD:refs/heads/work"]).refused("unsealed-agent-commit");
    }
}

/// Somebody who has a shell on the server, by ssh, makes up whose session it is.
#[test]
fn a_session_is_not_another_s() {
    let file = |world: &World| world.path("forged").display().to_string();
    let Some((world, sshd)) = behind_sshd("sha1", "ExposeAuthInfo yes", &|actor| line_for(KEYED, actor)) else {
        return;
    };
    std::fs::write(world.path("forged"), format!("publickey {}\n", ALICE.line())).unwrap();
    std::fs::set_permissions(world.path("forged"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let forged = format!("SSH_USER_AUTH={} git-shell -c \\\"$SSH_ORIGINAL_COMMAND\\\"; exit $?", file(&world));
    let line = format!("restrict,command=\"{forged}\" {}\n", STRANGER.line());
    std::fs::write(world.path("authorized_keys"), line).unwrap();
    world.commit("a", "1", "By hand\n");
    let pushed = sshd.push(&world, STRANGER, &["HEAD:refs/heads/work"]);
    pushed.refused("submitter-unknown");
    assert!(pushed.said.contains("SSH_USER_AUTH is not as the ssh session set it"), "{}", pushed.said);
}

/// A grant opens the session: sshd takes the certificate, and the gate knows whose it is, as far as it reaches.
#[test]
fn the_certificate_of_a_session_says_which_agent_pushes() {
    let Some((world, _sshd)) = behind_sshd("sha1", "ExposeAuthInfo yes", &|actor| line_for(KEYED, actor)) else {
        return;
    };
    let issued = policy().replace("[agents.claude-code]\n", "[agents.claude-code]\nissuers = [\"alice\"]\n");
    let rule = "[[rule]]\nname = \"agents\"\nrefs = [\"refs/heads/agent/**\"]\nsubmitters = [\"claude-code\"]\n";
    world.set_policy(&format!("{issued}\n{rule}"));
    let line = line_for("cert-authority,", ALICE) + "\n";
    std::fs::write(world.path("authorized_keys"), line).unwrap();
    let issuer = world.key_file(ALICE);
    let login = |name: &str, scope: &str, window: &str| {
        let file = world.path(name);
        let run = |arguments: &[&str]| {
            let mut make = world.command("ssh-keygen", &world.path(""));
            make.args(arguments);
            let output = world.run(make, None);
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        };
        let text = file.to_str().unwrap();
        run(&["-q", "-t", "ed25519", "-N", "", "-f", text]);
        let (option, public) = (format!("extension:scope@countersign={scope}"), format!("{text}.pub"));
        let names = ["-I", "claude-code", "-n", "claude-code", "-z", "7", "-V", window];
        let sign =
            [&["-q", "-s", issuer.to_str().unwrap()], &names[..], &["-O", "clear", "-O", &option, &public]].concat();
        run(&sign);
        format!(
            "ssh -F /dev/null -o IdentitiesOnly=yes -o IdentityAgent=none -o StrictHostKeyChecking=no \
             -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -i '{text}' -o CertificateFile='{text}-cert.pub'"
        )
    };
    let push = |ssh: &str, to: &str| world.push_by(&[("GIT_SSH_COMMAND", ssh.to_owned())], &[&format!("HEAD:{to}")]);
    world.commit("a", "1", "By hand\n");
    let good = login("good", r#"{"refs":["refs/heads/agent/a","refs/heads/free"]}"#, "-1m:+1h");
    push(&good, "refs/heads/agent/a").accepted();
    push(&good, "refs/heads/agent/b").refused("grant-out-of-scope");
    // Also where nobody asks who pushes.
    push(&good, "refs/heads/free").accepted();
    push(&good, "refs/heads/other").refused("grant-out-of-scope");
    world.push_by(&[("GIT_SSH_COMMAND", good)], &[":refs/heads/agent/a"]).accepted();
    // sshd lets it in for a month; the policy does not.
    let long = login("long", "{}", "-1m:+4w");
    push(&long, "refs/heads/agent/a").refused("submitter-unknown");
    assert!(!push(&login("late", "{}", "-2h:-1h"), "refs/heads/agent/a").ok, "sshd refuses it itself");
}
