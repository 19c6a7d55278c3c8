//! git-http-backend(1) behind lighttpd, and behind nginx with fcgiwrap, with basic authentication.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Daemon, free_port, installed, policy, story, submitters};
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
        search.args(["-rlF", "--exclude=users"]);
        for secret in secrets() {
            assert!(!said.borrow().contains(&secret), "{}", said.borrow());
            search.args(["-e", &secret]);
        }
        let found = search.arg(".").output().unwrap();
        assert_eq!(found.status.code(), Some(1), "{}", String::from_utf8_lossy(&found.stdout));
    }
}

fn write(path: &Path, text: String) -> PathBuf {
    std::fs::write(path, text).unwrap();
    path.to_owned()
}

#[test]
fn lighttpd_says_who_pushes() {
    over(&|world, users, port| {
        let programs = installed(&["lighttpd", "git-http-backend"])?;
        let lines = [ALICE, BOB, CLAUDE].map(|actor| format!("{}:{PASSWORD}\n", actor.id));
        write(users, lines.concat());
        let config = format!(
            "server.document-root = \"{root}\"\nserver.bind = \"127.0.0.1\"\nserver.port = {port}\n\
             server.upload-dirs = (\"{root}/home\")\n\
             server.modules = (\"mod_auth\", \"mod_authn_file\", \"mod_alias\", \"mod_setenv\", \"mod_cgi\")\n\
             auth.backend = \"plain\"\nauth.backend.plain.userfile = \"{users}\"\n\
             auth.require = (\"/git/\" => (\"method\" => \"basic\", \"realm\" => \"git\", \"require\" => \"valid-user\"))\n\
             alias.url = (\"/git\" => \"{backend}\")\n\
             cgi.assign = (\"git-http-backend\" => \"\")\n\
             setenv.set-environment = (\"GIT_PROJECT_ROOT\" => \"{root}\", \"GIT_HTTP_EXPORT_ALL\" => \"1\",\n\
             \"GIT_CONFIG_NOSYSTEM\" => \"1\", \"HOME\" => \"{root}/home\", \"PATH\" => \"{path}\")\n",
            root = world.path("").display().to_string().trim_end_matches('/'),
            users = users.display(),
            backend = programs[1].display(),
            path = std::env::var("PATH").unwrap(),
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
        let programs = installed(&["nginx", "fcgiwrap", "git-http-backend"])?;
        let lines = [ALICE, BOB, CLAUDE].map(|actor| format!("{}:{{PLAIN}}{PASSWORD}\n", actor.id));
        write(users, lines.concat());
        let root = world.path("").display().to_string().trim_end_matches('/').to_owned();
        let temp: String = ["client_body", "fastcgi", "proxy", "scgi", "uwsgi"]
            .map(|kind| format!("{kind}_temp_path {root}/home/{kind};\n"))
            .concat();
        let user = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
        let config = format!(
            "daemon off;\nmaster_process off;\nuser {user};\npid {root}/nginx.pid;\nerror_log stderr crit;\nevents {{}}\n\
             http {{ access_log off;\n{temp}\
             server {{ listen 127.0.0.1:{port};\nlocation ~ ^/git(/.*) {{\n\
             auth_basic git; auth_basic_user_file {users}; client_max_body_size 0;\n\
             fastcgi_pass unix:{root}/fcgi.sock;\n\
             fastcgi_param SCRIPT_FILENAME {backend};\nfastcgi_param PATH_INFO $1;\n\
             fastcgi_param GIT_PROJECT_ROOT {root};\nfastcgi_param GIT_HTTP_EXPORT_ALL 1;\n\
             fastcgi_param GIT_CONFIG_NOSYSTEM 1;\nfastcgi_param HOME {root}/home;\n\
             fastcgi_param QUERY_STRING $query_string;\nfastcgi_param REQUEST_METHOD $request_method;\n\
             fastcgi_param CONTENT_TYPE $content_type;\nfastcgi_param CONTENT_LENGTH $content_length;\n\
             fastcgi_param REMOTE_USER $remote_user;\n}} }} }}\n",
            user = user.trim(),
            users = users.display(),
            backend = programs[2].display(),
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
