//! Who pushed: each kind of server by its documented environment, and what is made up.

use crate::approvals::{ONE_APPROVAL, ProtectedServer};
use crate::world::{ALICE, BOB, CLAUDE, REPOSITORY, STRANGER, World, registry};

/// The registry, with what the server calls people; alice has an account that nobody has registered too.
fn accounts() -> String {
    let registry = registry().replace("[people.alice]\n", "[people.alice]\naccounts = [\"alice\"]\n");
    registry.replace("[people.bob]\n", "[people.bob]\naccounts = [\"bob\"]\n")
}

const BOB_ONLY: &str =
    "\n[[rule]]\nname = \"all\"\nrefs = [\"refs/heads/**\"]\nidentity = \"agents\"\nsubmitters = [\"bob\"]\n";

/// A server of a kind, under rules.
fn server(kind: &str, rules: &str) -> World {
    let world = World::with(&format!("{}{rules}", accounts()), "sha1");
    std::fs::remove_file(world.server().join("hooks/pre-receive")).unwrap();
    // Where the hook lies is another question: see the tests of install.
    world.install(&["--submitter", kind, "--layout", "hooks"]);
    world.commit("a", "1", "By hand\n");
    world
}

type Variables = &'static [(&'static str, &'static str)];

/// What each kind of server sets for a push of bob's, and the variable that names him.
const KINDS: &[(&str, &str, Variables)] = &[
    ("http", "REMOTE_USER", &[("GATEWAY_INTERFACE", "CGI/1.1"), ("AUTH_TYPE", "Basic")]),
    ("gitolite", "GL_USER", &[("GL_REPO", "acme/payments"), ("GL_BINDIR", "/usr/share/gitolite3")]),
    ("gitlab", "GL_USERNAME", &[("GL_ID", "user-7"), ("GL_PROTOCOL", "ssh"), ("GL_REPOSITORY", "project-1")]),
    (
        "gitea",
        "GITEA_PUSHER_NAME",
        &[
            ("GITEA_PUSHER_ID", "7"),
            ("GITEA_DEPLOY_KEY_ID", "0"),
            ("SSH_ORIGINAL_COMMAND", "git-receive-pack 'a/b.git'"),
        ],
    ),
    ("forgejo", "GITEA_PUSHER_NAME", &[("GITEA_PUSHER_ID", "7"), ("GITEA_IS_INTERNAL", "")]),
    ("ghes", "GITHUB_USER_LOGIN", &[("GITHUB_VIA", ""), ("GITHUB_REPO_NAME", "acme/payments")]),
    ("bitbucket", "BB_USER_NAME", &[("BB_HOOK_TRIGGER_ID", "push"), ("BB_IS_DRY_RUN", "false"), ("BB_USER_ID", "7")]),
];

#[test]
fn each_kind_of_server_names_who_pushes() {
    for (kind, variable, others) in KINDS {
        let world = server(kind, BOB_ONLY);
        let push = |who: &[(&str, &str)], refspecs: &[&str]| {
            let variables: Vec<_> = others.iter().copied().chain(who.iter().copied()).collect();
            world.push_with(&variables, refspecs)
        };
        let pushed = push(&[(variable, "alice")], &["HEAD:refs/heads/main"]);
        pushed.refused("submitter-not-allowed");
        assert!(pushed.said.contains("here only bob may push, and person alice pushes"), "{}", pushed.said);
        let told = pushed.said.lines().filter(|line| line.starts_with("remote: ") && line.contains("submitter"));
        let prefix = if *kind == "gitlab" { "remote: GL-HOOK-ERR: " } else { "remote: error: " };
        assert!(told.clone().count() > 0 && told.clone().all(|line| line.starts_with(prefix)), "{}", pushed.said);

        push(&[], &["HEAD:refs/heads/main"]).refused("submitter-unknown");
        push(&[(variable, "")], &["HEAD:refs/heads/main"]).refused("submitter-unknown");
        push(&[(variable, "Bob")], &["HEAD:refs/heads/main"]).refused("submitter-unknown");
        push(&[(variable, "bob\n")], &["HEAD:refs/heads/main"]).refused("submitter-unknown");
        let stranger = push(&[(variable, "mallory")], &["HEAD:refs/heads/main"]);
        stranger.refused("submitter-unknown");
        assert!(stranger.said.contains(r#"accounts = ["mallory"]"#), "{}", stranger.said);
        // What another kind of server would set says nothing here.
        let others: Vec<(&str, &str)> =
            KINDS.iter().map(|row| (row.1, "bob")).chain([("COUNTERSIGN_USER", "bob"), ("USER", "bob")]).collect();
        let others: Vec<_> = others.into_iter().filter(|(name, _)| name != variable).collect();
        push(&others, &["HEAD:refs/heads/main"]).refused("submitter-unknown");

        push(&[(variable, "bob")], &["HEAD:refs/heads/main"]).accepted();
        push(&[(variable, "bob")], &["HEAD:refs/heads/next"]).accepted();
        push(&[(variable, "alice")], &[":refs/heads/next"]).refused("submitter-not-allowed");
        push(&[(variable, "bob")], &[":refs/heads/next"]).accepted();
    }
}

#[test]
fn the_ledger_says_who_pushed() {
    let world = server("http", BOB_ONLY);
    for (account, said) in
        [("bob", "accepted from bob"), ("alice", "rejected from alice"), ("al", "rejected from account:al")]
    {
        world.commit("a", account, "By hand\n");
        world.push_with(&[("REMOTE_USER", account)], &["HEAD:refs/heads/main"]);
        let shown = world.countersign(&["log", "show", "--server", world.server().to_str().unwrap()]);
        let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
        assert!(shown.contains(said), "{said}: {shown}");
    }
    let mut show = world.command(crate::world::binary().to_str().unwrap(), &world.server());
    show.args(["show", "main"]);
    let shown = String::from_utf8(world.run(show, None).stdout).unwrap();
    assert!(shown.contains("\nsubmitted by bob\n"), "{shown}");
}

/// The password of a CGI request is in the environment of the hook, and nowhere else afterwards.
#[test]
fn no_secret_of_the_environment_is_printed_or_stored() {
    let world = server("http", BOB_ONLY);
    let secrets =
        [("REMOTE_USER", "alice"), ("HTTP_AUTHORIZATION", "Basic czNjcjN0OnMzY3IzdA=="), ("PASSWORD", "s3cr3t")];
    let pushed = world.push_with(&secrets, &["HEAD:refs/heads/main"]);
    pushed.refused("submitter-not-allowed");
    let found =
        world.command("grep", &world.server()).args(["-rl", "-e", "s3cr3t", "-e", "czNjcjN0", "."]).output().unwrap();
    assert_eq!(found.status.code(), Some(1), "{}", String::from_utf8_lossy(&found.stdout));
    assert!(!pushed.said.contains("s3cr3t") && !pushed.said.contains("czNjcjN0"), "{}", pushed.said);
}

#[test]
fn made_up_variables_are_no_ssh_session() {
    let world = server("ssh", &BOB_ONLY.replace("\"bob\"", "\"people\""));
    let file = world.path("auth");
    std::fs::write(&file, format!("publickey {}\n", BOB.line())).unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let file = file.display().to_string();
    // A program that calls itself sshd is none, where others than root could have put it.
    let anybodys = world.path("anybodys");
    std::fs::create_dir(&anybodys).unwrap();
    std::fs::set_permissions(&anybodys, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let fake = anybodys.join("sshd");
    std::fs::copy("/bin/sh", &fake).unwrap();
    for variables in [
        vec![],
        vec![("SSH_USER_AUTH", file.as_str())],
        vec![("COUNTERSIGN_USER", "bob")],
        vec![("SSH_USER_AUTH", file.as_str()), ("COUNTERSIGN_USER", "bob"), ("SSH_CONNECTION", "::1 1 ::1 22")],
        vec![("SSH_USER_AUTH", "/dev/stdin")],
    ] {
        world.push_with(&variables, &["HEAD:refs/heads/main"]).refused("submitter-unknown");
        let mut command = world.command(fake.to_str().unwrap(), &world.clone_dir());
        command.envs(variables).args(["-c", "git push origin HEAD:refs/heads/main; exit $?"]);
        let output = world.run(command, None);
        assert!(String::from_utf8_lossy(&output.stderr).contains("[submitter-unknown]"), "{output:?}");
    }
}

#[test]
fn without_a_kind_nobody_knows_who_pushes() {
    let world = World::with(&format!("{}{BOB_ONLY}", accounts()), "sha1");
    world.commit("a", "1", "By hand\n");
    let pushed = world.push_with(&[("REMOTE_USER", "bob")], &["HEAD:refs/heads/main"]);
    pushed.refused("submitter-unknown");
    assert!(pushed.said.contains("--submitter KIND"), "{}", pushed.said);
    let (server, policy) = (world.server().display().to_string(), world.policy_path().display().to_string());
    for more in [&[][..], &["--submitter", "none"]] {
        let output = world.countersign(&[&["install", "--server", &server, "--policy", &policy], more].concat());
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&output.stderr).contains("--submitter"), "{output:?}");
    }
    let output = world.countersign(&["install", "--server", &server, "--policy", &policy, "--submitter", "github"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn an_independent_approval_is_not_by_who_pushes() {
    let independent = ONE_APPROVAL.replace("from =", "independent = true\nfrom =");
    let rules = independent.replace("\"bob\"]", "\"bob\", \"alice\"]");
    let policy = format!(
        "{}{rules}",
        crate::approvals::people().replace("[people.bob]\n", "[people.bob]\naccounts = [\"bob\"]\n")
    );
    let setup = ProtectedServer::with(&policy, "sha1");
    let said = setup.install(&[]);
    assert!(said.contains("warning:") && said.contains("independent"), "{said}");
    setup.install(&["--submitter", "http"]);
    setup.agent("a.txt", "a\n", "Add a\n");
    let bobs = setup.refspec(&setup.draft("work", "refs/heads/main", BOB));
    setup.push_with(&[("REMOTE_USER", "bob")], &[&bobs]).accepted();
    let pushed = setup.push_with(&[("REMOTE_USER", "bob")], &["work:refs/heads/main"]);
    pushed.refused("not-distinct");
    assert!(pushed.said.contains("bob approved it and pushes it"), "{}", pushed.said);
    setup.push_with(&[("REMOTE_USER", "mallory")], &["work:refs/heads/main"]).refused("submitter-unknown");
    setup.push_with(&[], &["work:refs/heads/main"]).refused("submitter-unknown");
}

/// A forge that merges for somebody who clicks, with commits that it cannot sign.
#[test]
fn what_a_forge_does_for_somebody_is_its_service_s_and_theirs() {
    let rules = "\n[services.web]\nowner = \"bob\"\nunsigned = true\n\n[[rule]]\nname = \"main\"\nrefs = [\"refs/heads/main\"]\n\
        identity = \"everyone\"\nsubmitters = [\"bob\"]\nforce-push = \"deny\"\ndelete = \"deny\"\n";
    let world = server("gitlab", rules);
    let web = |who| [("GL_USERNAME", who), ("GL_PROTOCOL", "web")];
    let ssh = |who| [("GL_USERNAME", who), ("GL_PROTOCOL", "ssh")];
    world.sign_head(ALICE);
    world.push_with(&ssh("bob"), &["HEAD:refs/heads/main"]).accepted();
    world.git(&["checkout", "-q", "-b", "work"]);
    world.commit("b", "1", "By an agent\n");
    world.seal_head(CLAUDE);
    world.git(&["checkout", "-q", "main"]);
    world.git(&["merge", "-q", "--no-ff", "-m", "Merge work", "work"]);
    world.push_with(&ssh("bob"), &["HEAD:refs/heads/main"]).refused("unsigned-commit");
    world.push_with(&web("alice"), &["HEAD:refs/heads/main"]).refused("submitter-not-allowed");
    world.push_with(&web("bob"), &["HEAD:refs/heads/main"]).accepted();
    let shown = world.countersign(&["log", "show", "--server", world.server().to_str().unwrap()]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("from bob via web"), "{shown:?}");
    // A merge that brings in what nobody made, or that is more than a merge, is refused all the same.
    for (evil, unsigned) in [(false, true), (true, false)] {
        world.git(&["checkout", "-q", "-B", "more", "main"]);
        world.commit("c", "1", "By hand\n");
        if !unsigned {
            world.sign_head(BOB);
        }
        world.git(&["checkout", "-q", "-B", "merged", "main"]);
        world.git(&["merge", "-q", "--no-ff", "-m", "Merge more", "more"]);
        if evil {
            std::fs::write(world.clone_dir().join("b"), "evil").unwrap();
            world.git(&["commit", "-q", "-a", "--amend", "--no-edit"]);
        }
        let code = if evil { "unknown-signer" } else { "unsigned-commit" };
        world.push_with(&web("bob"), &["merged:refs/heads/main"]).refused(code);
    }
    // An edit in the pages is authored by the forge, as far as anybody can tell.
    world.git(&["checkout", "-q", "-B", "edit", "main"]);
    world.commit("d", "1", "Edit in the pages\n");
    world.push_with(&web("bob"), &["edit:refs/heads/main"]).refused("unknown-signer");
}

/// A forge can also move a ref to what somebody pushed before. That it moves the ref makes nothing of it the forge's.
#[test]
fn a_forge_that_moves_a_ref_made_nothing_of_what_was_there() {
    let rules = "\n[services.web]\nowner = \"bob\"\nunsigned = true\n\n[[rule]]\nname = \"main\"\nrefs = [\"refs/heads/main\"]\n\
        identity = \"agents\"\nservices = [\"web\"]\nforce-push = \"deny\"\ndelete = \"deny\"\n\
        [rule.approvals]\nfrom = [\"bob\"]\n";
    let world = server("gitlab", rules);
    let by = |protocol| [("GL_USERNAME", "bob"), ("GL_PROTOCOL", protocol)];
    world.push_with(&by("ssh"), &["HEAD:refs/heads/main"]).accepted();
    world.commit("b", "1", "Work\n\nCo-Authored-By: Claude <noreply@anthropic.com>\n");
    world.push_with(&by("ssh"), &["HEAD:refs/heads/lax"]).accepted();
    // A merge without a merge commit, in the pages; and the same of a draft that nobody has signed.
    world.push_with(&by("web"), &["HEAD:refs/heads/main"]).refused("unsealed-agent-commit");
    world.git(&["commit", "-q", "--amend", "-m", "Work", "-m", "Countersign-Drafted: claude-code"]);
    world.push_with(&by("ssh"), &["HEAD:refs/heads/lax-too"]).accepted();
    world.push_with(&by("web"), &["HEAD:refs/heads/main"]).refused("unsealed-agent-commit");
    // What it makes itself and the rule lists is its own.
    world.git(&["checkout", "-q", "-B", "edit", "origin/main"]);
    world.commit("c", "1", "Edit in the pages\n");
    world.push_with(&by("web"), &["HEAD:refs/heads/main"]).accepted();
}

/// Real `git push --signed`, with a nonce of the server's.
#[test]
fn a_signed_push_says_who_pushes() {
    let world = World::with(&format!("{}{BOB_ONLY}", accounts()), "sha1");
    world.git_in(&world.server(), &["config", "receive.certNonceSeed", "seed"]);
    std::fs::remove_file(world.server().join("hooks/pre-receive")).unwrap();
    world.install(&["--submitter", "push-cert"]);
    world.commit("a", "1", "By hand\n");
    for (name, actor) in [("bob", BOB), ("alice", ALICE), ("stranger", STRANGER)] {
        let file = world.path(name);
        std::fs::write(&file, actor.key().to_openssh(name).unwrap()).unwrap();
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        std::fs::write(file.with_extension("pub"), actor.line()).unwrap();
    }
    let push = |name: &str, refspecs: &[&str]| {
        let key = format!("user.signingKey={}", world.path(name).display());
        let mut command = world.command("git", &world.clone_dir());
        command.args(["-c", "gpg.format=ssh", "-c", &key, "push", "--signed=yes", "origin"]).args(refspecs);
        let output = world.run(command, None);
        crate::world::Pushed { ok: output.status.success(), said: String::from_utf8_lossy(&output.stderr).into_owned() }
    };
    world.push(&["HEAD:refs/heads/main"]).refused("submitter-unknown");
    push("stranger", &["HEAD:refs/heads/main"]).refused("submitter-unknown");
    push("alice", &["HEAD:refs/heads/main"]).refused("submitter-not-allowed");
    push("bob", &["HEAD:refs/heads/main", "HEAD:refs/heads/next"]).accepted();
    push("bob", &[":refs/heads/next"]).accepted();
    // Bob's own certificate, used again by somebody for another push.
    let certificate = world.git_in(&world.server(), &["rev-list", "--all", "--objects"]);
    assert!(!certificate.is_empty());
    let objects = world.git_in(&world.server(), &["cat-file", "--batch-check", "--batch-all-objects"]);
    let blobs = objects.lines().filter_map(|line| line.split_once(" blob ")).map(|(id, _)| id.to_owned());
    let read = |id: &String| world.git_in(&world.server(), &["cat-file", "blob", id]);
    let certificate = blobs.clone().find(|id| read(id).contains("refs/heads/next")).unwrap();
    let text = read(&certificate);
    let nonce = text.lines().find_map(|line| line.strip_prefix("nonce ")).unwrap().to_owned();
    world.commit("a", "2", "By hand\n");
    let variables = [
        ("GIT_PUSH_CERT", certificate.as_str()),
        ("GIT_PUSH_CERT_NONCE_STATUS", "OK"),
        ("GIT_PUSH_CERT_NONCE", nonce.as_str()),
        ("GIT_PUSH_CERT_STATUS", "G"),
    ];
    let pushed = world.push_with(&variables, &["HEAD:refs/heads/main"]);
    pushed.refused("submitter-unknown");
    assert!(pushed.said.contains("not about exactly the refs"), "{}", pushed.said);
    // Without a nonce nobody can tell an old certificate from a new one.
    world.git_in(&world.server(), &["config", "--unset", "receive.certNonceSeed"]);
    assert!(!push("bob", &["HEAD:refs/heads/main"]).ok);
    assert_eq!(REPOSITORY, "acme/payments");
}
