//! git-http-backend(1) behind lighttpd, and behind nginx with fcgiwrap, with basic authentication.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Daemon, free_port, guide_block, installed, policy, story, submitters};
use crate::world::{ALICE, Actor, BOB, CLAUDE, World};

/// The password of everybody, which nothing may hold afterwards.
const PASSWORD: &str = "correct-horse-7Q";

/// Its base64 with the user names, as the header has it.
fn secrets() -> Vec<String> {
    use base64ct::Encoding as _;
    let encoded = |actor: Actor| base64ct::Base64::encode_string(format!("{}:{PASSWORD}", actor.id).as_bytes());
    [ALICE, BOB, CLAUDE].into_iter().map(encoded).chain([PASSWORD.to_owned()]).collect()
}

/// Starts a web server with these users at a port; `None` where it is not installed.
type Start = dyn Fn(&World, &Path, u16) -> Option<Vec<Daemon>>;

/// The story, and then a look into every file and line for the password.
fn over(start: &Start) {
    for format in ["sha1", "sha256"] {
        let world = World::with(&policy(), format);
        std::fs::remove_file(world.server().join("hooks/pre-receive")).unwrap();
        world.install(&["--submitter", "http"]);
        world.git_in(&world.server(), &["config", "http.receivepack", "true"]);
        let port = free_port();
        let users = world.path("users");
        let Some(_daemons) = start(&world, &users, port) else { return };
        world.git(&["remote", "set-url", "origin", &format!("http://127.0.0.1:{port}/git/server.git")]);
        let ask = world.path("askpass");
        let said = std::cell::RefCell::new(String::new());
        let push = |actor: Actor, refspecs: &[&str]| {
            world.write_executable(
                &ask,
                "#!/bin/sh\ncase $1 in Username*) echo $ASK_USER;; *) echo $ASK_PASSWORD;; esac\n",
            );
            let variables = [
                ("GIT_ASKPASS", ask.display().to_string()),
                ("ASK_USER", actor.id.to_owned()),
                ("ASK_PASSWORD", PASSWORD.to_owned()),
            ];
            let pushed = world.push_by(&variables, refspecs);
            said.borrow_mut().push_str(&pushed.said);
            pushed
        };
        story(&world, &push);
        push(BOB, &["work:refs/heads/last"]).accepted();
        assert_eq!(submitters(&world, &world.server()), super::STORY);
        let stranger = Actor { id: "mallory", ..BOB };
        assert!(!push(stranger, &["work:refs/heads/stranger"]).ok, "an account without a password");

        let mut search = world.command("grep", &world.path(""));
        search.args(["-rlF"]);
        for secret in secrets() {
            assert!(!said.borrow().contains(&secret), "{}", said.borrow());
            search.args(["-e", &secret]);
        }
        let found = search.arg(".").output().unwrap();
        assert_eq!(found.status.code(), Some(1), "{}", String::from_utf8_lossy(&found.stdout));
    }
}

/// A configuration of the guide, for this root, these users and this program.
fn from_guide(language: &str, root: &str, users: &Path, backend: &Path) -> String {
    let block = guide_block("http.md", language).replace("/etc/git/users", users.to_str().unwrap());
    let block = block.replace("/srv/git", root).replace("unix:/run/fcgiwrap.socket", &format!("unix:{root}/fcgi.sock"));
    block.replace("/usr/lib/git-core/git-http-backend", backend.to_str().unwrap())
}

/// The users with their passwords, as the guide makes them.
fn users_file() -> String {
    let line = |actor: Actor| {
        let hashed = Command::new("openssl").args(["passwd", "-apr1", PASSWORD]).output().unwrap();
        format!("{}:{}", actor.id, String::from_utf8(hashed.stdout).unwrap())
    };
    [ALICE, BOB, CLAUDE].map(line).concat()
}

fn write(path: &Path, text: String) -> PathBuf {
    std::fs::write(path, text).unwrap();
    path.to_owned()
}

#[test]
fn lighttpd_says_who_pushes() {
    over(&|world, users, port| {
        let programs = installed(&["lighttpd", "git-http-backend", "openssl"])?;
        write(users, users_file());
        let root = world.path("").display().to_string().trim_end_matches('/').to_owned();
        // What the machine has besides, and then the guide.
        let config = format!(
            "server.document-root = \"{root}\"\nserver.bind = \"127.0.0.1\"\nserver.port = {port}\n\
             server.upload-dirs = (\"{root}/home\")\nserver.modules = ()\n{}\
             setenv.set-environment += (\"GIT_CONFIG_NOSYSTEM\" => \"1\", \"HOME\" => \"{root}/home\", \"PATH\" => \"{}\")\n",
            from_guide("lighttpd", &root, users, &programs[1]),
            std::env::var("PATH").unwrap(),
        );
        let config = write(&world.path("lighttpd.conf"), config);
        let mut command = Command::new(&programs[0]);
        command.arg("-D").arg("-f").arg(config);
        Some(vec![Daemon::start(command, port)])
    });
}

#[test]
fn nginx_with_fcgiwrap_says_who_pushes() {
    over(&|world, users, port| {
        let programs = installed(&["nginx", "fcgiwrap", "git-http-backend", "openssl"])?;
        write(users, users_file());
        let root = world.path("").display().to_string().trim_end_matches('/').to_owned();
        let temp: String = ["client_body", "fastcgi", "proxy", "scgi", "uwsgi"]
            .map(|kind| format!("{kind}_temp_path {root}/home/{kind};\n"))
            .concat();
        let user = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
        let config = format!(
            "daemon off;\nmaster_process off;\nuser {user};\npid {root}/nginx.pid;\nerror_log stderr crit;\nevents {{}}\n\
             http {{ access_log off;\n{temp}\
             server {{ listen 127.0.0.1:{port};\n{block}\n\
             fastcgi_param GIT_CONFIG_NOSYSTEM 1;\nfastcgi_param HOME {root}/home;\n}} }} }}\n",
            user = user.trim(),
            // The location of the guide, left open for what the test adds.
            block = from_guide("nginx", &root, users, &programs[2]).trim_end().trim_end_matches('}'),
        );
        let config = write(&world.path("nginx.conf"), config);
        let mut gateway = world.command(programs[1].to_str().unwrap(), &world.path(""));
        gateway.arg("-f").arg("-s").arg(format!("unix:{root}/fcgi.sock"));
        let gateway = Daemon(gateway.spawn().unwrap());
        let mut command = Command::new(&programs[0]);
        command.arg("-p").arg(&root).arg("-c").arg(config);
        // Nothing is asked of the gateway before its socket is there.
        while !world.path("fcgi.sock").exists() {
            std::thread::yield_now();
        }
        Some(vec![gateway, Daemon::start(command, port)])
    });
}
