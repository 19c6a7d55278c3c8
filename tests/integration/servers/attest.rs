//! Approvals given in a forge: events in the shapes that forges document, posted to the receiver of examples/servers/attest behind a real
//! web server, which asks a forge's API that is played here; and pushes of what was approved so.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use countersign::core::approval::{ApprovalPlace, Attested};
use serde_json::{Value, json};

use super::{Daemon, free_port, installed};
use crate::approvals::{CAROL, Draft, ProtectedServer, people};
use crate::world::{ALICE, Actor, BOB, CLAUDE, FORGE, Pushed, STRANGER, World, binary};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const TOKEN: &str = "token-that-may-only-read";
const REQUEST: &str = "acme/payments/-/merge_requests/17";

const OTHER: Actor = Actor { id: "other", seed: 31 };

/// Bob and carol have accounts in the forge, and so has an agent; main takes the forge's word.
fn policy(asks: &str) -> String {
    let account = |text: String, table: &str, name: &str| {
        assert!(text.contains(table), "{table}");
        text.replace(table, &format!("{table}accounts = [\"{name}\"]\n"))
    };
    let text = account(people(), "[people.bob]\n", "bob-r");
    let text = account(text, "[people.alice]\n", "alice-ng");
    let text = account(text, "[agents.claude-code]\n", "robot");
    let text = text.replace("[services.forge]\n", "[services.forge]\nattests = true\n");
    let other = format!("\n[services.other]\nowner = \"bob\"\nkeys = [\"{}\"]\nattests = true\n", OTHER.line());
    let rules = "\n[[rule]]\nname = \"branches\"\nrefs = [\"refs/heads/**\"]\nidentity = \"agents\"\n\n[[rule]]\nname = \"main\"\n\
         refs = [\"refs/heads/main\"]\nidentity = \"everyone\"\nforce-push = \"deny\"\ndelete = \"deny\"\n[rule.approvals]\n\
         for = \"everyone\"\nfrom = [\"maintainers\"]\n";
    format!("{text}{other}{rules}{asks}\n")
}

const LISTED: &str = "attested = [\"forge\"]";

/// A server with two commits of claude-code on the branch `retry`.
fn at_work(asks: &str) -> ProtectedServer {
    let setup = ProtectedServer::with(&policy(asks), "sha1");
    setup.agent("a.txt", "a\n", "Add a\n");
    setup.agent("b.txt", "b\n", "Add b\n");
    setup.push(&["work:refs/heads/retry"]).accepted();
    setup
}

/// Bob's approval of the branch, as the forge attests it.
fn attested(setup: &ProtectedServer) -> Draft {
    let mut draft = setup.draft("work", "refs/heads/main", BOB).signed_by(FORGE);
    let by = Attested { service: "forge".into(), account: "bob-r".into(), request: REQUEST.into() };
    draft.approval.attested = Some(by);
    placed(draft)
}

fn placed(mut draft: Draft) -> Draft {
    draft.place = ApprovalPlace::of(&draft.approval).unwrap();
    draft
}

fn spoiled(setup: &ProtectedServer, spoil: impl FnOnce(&mut Draft)) -> Draft {
    let mut draft = attested(setup);
    spoil(&mut draft);
    placed(draft)
}

fn by(draft: &mut Draft) -> &mut Attested {
    draft.approval.attested.as_mut().unwrap()
}

/// What the forge makes of the branch when somebody merges it by squashing.
fn squash(setup: &ProtectedServer) -> String {
    setup.git(&["checkout", "-q", "-B", "squashed", "origin/main"]);
    setup.git(&["merge", "-q", "--squash", "work"]);
    setup.git_with(&["commit", "-q", "-F", "-"], b"Retry (!17)\n");
    let squashed = setup.sign_head(FORGE);
    setup.git(&["checkout", "-q", "work"]);
    squashed
}

fn store(setup: &ProtectedServer, draft: &Draft) -> Pushed {
    setup.push(&[&setup.refspec(draft)])
}

#[test]
fn a_squash_that_the_forge_signs_and_attests_lands_and_nothing_made_up_does() {
    let setup = at_work(LISTED);
    let squashed = squash(&setup);
    setup.push_main(&squashed).refused("approval-missing");
    type Spoil = fn(&mut Draft);
    let made_up: [(&str, Spoil); 9] = [
        ("forged by a stranger", |draft| draft.signer = STRANGER),
        ("made by an agent", |draft| draft.signer = CLAUDE),
        ("with the person's key", |draft| draft.signer = ALICE),
        ("with another service's key", |draft| draft.signer = OTHER),
        ("of an agent's account", |draft| by(draft).account = "robot".into()),
        ("of nobody's account", |draft| by(draft).account = "bob-R".into()),
        ("of another person's account", |draft| by(draft).account = "alice-ng".into()),
        ("for an agent", |draft| (draft.approval.approver, by(draft).account) = ("codex".into(), "robot".into())),
        ("not said to be attested", |draft| draft.approval.attested = None),
    ];
    for (what, spoil) in made_up {
        let pushed = store(&setup, &spoiled(&setup, spoil));
        assert!(!pushed.ok && pushed.said.contains("approver-not-allowed"), "{what}: {}", pushed.said);
    }
    // In another's place, and for another repository.
    let mut misplaced = attested(&setup);
    misplaced.place.service = None;
    store(&setup, &misplaced).refused("approval-malformed");
    store(&setup, &spoiled(&setup, |draft| draft.approval.repository = "acme/other".into()))
        .refused("approval-malformed");
    // A service that the rule does not list may say what it likes.
    store(&setup, &spoiled(&setup, |draft| (draft.signer, by(draft).service) = (OTHER, "other".into()))).accepted();
    let refused = setup.push_main(&squashed);
    refused.refused("approver-not-allowed");
    assert!(refused.said.contains("takes nobody's approval at the word of other"), "{}", refused.said);
    // What carol, who has no account, is said to approve.
    let carol =
        spoiled(&setup, |draft| (draft.approval.approver, by(draft).account) = ("carol".into(), "carol".into()));
    store(&setup, &carol).refused("approver-not-allowed");

    store(&setup, &attested(&setup)).accepted();
    setup.push_main(&squashed).accepted();
    let log = setup.countersign(&["log", "show", "--server", setup.server().to_str().unwrap()]);
    let log = String::from_utf8(log.stdout).unwrap();
    assert!(log.contains("approved by bob (attested by forge)"), "{log}");
    let who = setup.countersign(&["show", &squashed, "--ledger", setup.ledger().to_str().unwrap()]);
    let who = String::from_utf8(who.stdout).unwrap();
    assert!(who.contains("approved by bob (attested by forge)"), "{who}");

    // It has landed, and lands once: after a revert the same squash needs another.
    setup.git(&["checkout", "-q", "-B", "again", "origin/main"]);
    let again = setup.git(&["log", "-1", "--format=%T", &squashed]);
    let before = setup.git(&["rev-parse", &format!("{squashed}^")]);
    setup.git(&["read-tree", "--reset", "-u", &before]);
    setup.git(&["commit", "-q", "-m", "Take it back"]);
    setup.sign_head(BOB);
    let reverted = setup.draft("HEAD", "refs/heads/main", CAROL);
    store(&setup, &reverted).accepted();
    setup.push_main("HEAD").accepted();
    let replayed = setup.git_with(&["commit-tree", &again, "-p", "HEAD"], b"Retry (!17)\n");
    setup.git(&["reset", "-q", "--hard", &replayed]);
    let replayed = setup.sign_head(FORGE);
    let refused = setup.push_main(&replayed);
    assert!(!refused.ok && refused.said.contains("has landed before"), "{}", refused.said);
}

#[test]
fn a_word_counts_only_as_the_rule_says() {
    let setup = at_work("");
    store(&setup, &attested(&setup)).accepted();
    let refused = setup.push_main("work");
    refused.refused("approver-not-allowed");
    let own = setup.draft("work", "refs/heads/main", BOB);
    store(&setup, &own).accepted();
    setup.push_main("work").accepted();

    // Alice, who owns the agent, is not independent, whoever says that she approved.
    let setup = at_work(&format!("{LISTED}\nindependent = true"));
    let alice =
        spoiled(&setup, |draft| (draft.approval.approver, by(draft).account) = ("alice".into(), "alice-ng".into()));
    store(&setup, &alice).accepted();
    let refused = setup.push_main("work");
    assert!(
        !refused.ok && refused.said.contains("alice (attested by forge) approved it and owns claude-code"),
        "{}",
        refused.said
    );
    store(&setup, &attested(&setup)).accepted();
    // What is taken back, by the forge, is not brought back by the record from before.
    let withdrawn = attested(&setup).withdrawn();
    let later = withdrawn.clone().at(crate::approvals::now() - 5);
    store(&setup, &later).accepted();
    let taken_back = || {
        let refused = setup.push_main("work");
        assert!(!refused.ok && refused.said.contains("bob (attested by forge) withdrew"), "{}", refused.said);
    };
    taken_back();
    store(&setup, &attested(&setup)).refused("approval-void");
    taken_back();
    // Who changes the branch after the approval has none.
    let again = attested(&setup).at(crate::approvals::now());
    store(&setup, &again).accepted();
    setup.agent("c.txt", "c\n", "Add c\n");
    assert!(!setup.push_main("work").ok);
    setup.push_main("work~1").accepted();
}

/// A forge's API, as it answers now; what it was asked; and a web server with the receiver.
struct Receiver {
    answer: Arc<Mutex<Value>>,
    asked: Arc<Mutex<Vec<String>>>,
    port: u16,
    _web: Daemon,
}

impl Receiver {
    fn start(setup: &ProtectedServer, forge: &str) -> Option<Self> {
        let programs = installed(&["lighttpd", "python3", "git"])?;
        let (answer, asked) = (Arc::new(Mutex::new(json!([]))), Arc::new(Mutex::new(Vec::new())));
        let api = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let api_port = api.local_addr().unwrap().port();
        let shared = (Arc::clone(&answer), Arc::clone(&asked));
        std::thread::spawn(move || api.incoming().flatten().for_each(|client| play(client, &shared.0, &shared.1)));
        let path = |name: &str| setup.path(name).display().to_string();
        for name in ["clones/acme", "state"] {
            std::fs::create_dir_all(setup.path(name)).unwrap();
        }
        let clone = path("clones/acme/payments.git");
        setup.git_in(&setup.path(""), &["clone", "-q", "--bare", setup.server().to_str().unwrap(), &clone]);
        setup.git_in(Path::new(&clone), &["config", "countersign.policy", setup.policy_path().to_str().unwrap()]);
        std::fs::write(setup.path("secret"), SECRET).unwrap();
        std::fs::write(setup.path("token"), TOKEN).unwrap();
        let lines = [
            format!("forge = {forge}"),
            "service = forge".to_owned(),
            format!("key = {}", setup.key_file(FORGE).display()),
            format!("secret = {}", path("secret")),
            format!("token = {}", path("token")),
            format!("api = http://127.0.0.1:{api_port}/api"),
            format!("clones = {}", path("clones")),
            format!("state = {}", path("state")),
            format!("countersign = {}", binary().display()),
        ];
        std::fs::write(setup.path("attest.ini"), format!("[attest]\n{}\n", lines.join("\n"))).unwrap();
        let (port, root) = (free_port(), path(""));
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/servers/attest");
        let guide = std::fs::read_to_string(example.join("README.md")).unwrap();
        let block = guide.split_once("```lighttpd\n").unwrap().1.split_once("```").unwrap().0;
        let block = block.replace("/usr/local/lib/countersign/receive", example.join("receive").to_str().unwrap());
        let block = block.replace("/etc/countersign/attest.ini", &path("attest.ini"));
        let config = format!(
            "server.document-root = \"{root}\"\nserver.bind = \"127.0.0.1\"\nserver.port = {port}\nserver.upload-dirs = (\"{root}/home\")\n\
             server.modules = ()\n{block}setenv.set-environment += (\"GIT_CONFIG_NOSYSTEM\" => \"1\", \"HOME\" => \"{root}/home\", \
             \"PATH\" => \"{}\")\n",
            std::env::var("PATH").unwrap(),
        );
        std::fs::write(setup.path("attest.conf"), config).unwrap();
        let mut command = Command::new(&programs[0]);
        command.arg("-D").arg("-f").arg(setup.path("attest.conf"));
        Some(Self { answer, asked, port, _web: Daemon::start(command, port) })
    }

    /// What the API answers from now on.
    fn answers(&self, value: Value) {
        *self.answer.lock().unwrap() = value;
    }

    /// Posts an event with these headers. Returns the status and what is said.
    fn post(&self, headers: &[(&str, &str)], body: &str) -> (u16, String) {
        let mut client = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let more: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!("POST /attest HTTP/1.0\r\nHost: localhost\r\nContent-Length: {}\r\n{more}\r\n", body.len());
        client.write_all(format!("{head}{body}").as_bytes()).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        let (head, said) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), said.to_owned())
    }
}

/// One request to the API: who has the token gets the answer, and a second page is empty.
fn play(mut client: TcpStream, answer: &Mutex<Value>, asked: &Mutex<Vec<String>>) {
    let mut lines = BufReader::new(client.try_clone().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    let headers: Vec<String> = lines.map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
    let known = headers.iter().any(|line| line.ends_with(TOKEN));
    let body = match known {
        false => "{}".to_owned(),
        true if first.contains("page=2") => "[]".to_owned(),
        true => answer.lock().unwrap().to_string(),
    };
    asked.lock().unwrap().push(first);
    let status = if known { "200 OK" } else { "401 Unauthorized" };
    let text =
        format!("HTTP/1.0 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let _ = client.write_all(text.as_bytes());
}

fn hmac(setup: &World, body: &str) -> String {
    let mut command = setup.command("openssl", &setup.path(""));
    command.args(["dgst", "-sha256", "-hmac", SECRET, "-r"]);
    let output = setup.run(command, Some(body.as_bytes()));
    String::from_utf8(output.stdout).unwrap().split(' ').next().unwrap().to_owned()
}

fn gitlab(action: &str, head: &str, user: &str, more: &[(&str, Value)]) -> String {
    let mut event = json!({
        "object_kind": "merge_request", "event_type": "merge_request", "user": {"id": 3, "username": user},
        "project": {"id": 1, "path_with_namespace": "Acme/payments"},
        "object_attributes": {"iid": 17, "target_branch": "main", "source_branch": "retry", "last_commit": {"id": head},
            "url": format!("https://gitlab.example.com/{REQUEST}"), "action": action, "system": false},
    });
    for (key, value) in more {
        event["object_attributes"][*key] = value.clone();
    }
    event.to_string()
}

fn approved_by(users: &[&str]) -> Value {
    let users: Vec<Value> = users.iter().map(|user| json!({"user": {"username": user}})).collect();
    json!({"iid": 17, "approved_by": users})
}

#[test]
fn gitlab_s_events_become_records() {
    let setup = at_work(LISTED);
    let Some(receiver) = Receiver::start(&setup, "gitlab") else { return };
    let token = ("X-Gitlab-Token", SECRET);
    let head = setup.git(&["rev-parse", "work"]);
    let squashed = squash(&setup);
    let approval = gitlab("approved", &head, "bob-r", &[]);
    let post = |id: &str, body: &str| receiver.post(&[token, ("Idempotency-Key", id)], body);

    // Not the forge's, and nothing is asked for it.
    for headers in [vec![], vec![("X-Gitlab-Token", "0123456789abcdef0123456789abcdeX")], vec![("X-Gitlab-Token", "")]]
    {
        let (status, said) = receiver.post(&headers, &approval);
        assert_eq!((status, said.as_str()), (401, "the event is not the forge's\n"));
    }
    assert!(receiver.asked.lock().unwrap().is_empty());

    // Malformed: one line each.
    let malformed = [
        ("{".to_owned(), 400),
        (approval.replace("\"iid\":17", "\"iid\":null"), 400),
        (approval.replace("Acme/payments\"", "../payments\""), 400),
        (approval.replace("Acme/payments\"", "acme/other\""), 404),
        (approval.replace(&head, "main"), 422),
        (approval.replace("\"username\":\"bob-r\"", "\"name\":\"bob-r\""), 422),
    ];
    receiver.answers(approved_by(&["bob-r"]));
    for (number, (body, expected)) in malformed.iter().enumerate() {
        let (status, said) = post(&format!("bad {number}"), body);
        assert_eq!((status, said.lines().count()), (*expected, 1), "{body}: {said}");
    }
    assert_eq!(post("push", r#"{"object_kind": "push"}"#).0, 200);

    // Counted for nothing: by an agent, by nobody, of a commit that no ref has, and by somebody who does not approve now.
    for (number, (body, why)) in [
        (gitlab("approved", &head, "robot", &[]), "does not approve"),
        (gitlab("approved", &head, "mallory", &[]), "does not approve"),
        (gitlab("approved", &"7".repeat(40), "bob-r", &[]), "moved since"),
    ]
    .iter()
    .enumerate()
    {
        let (status, said) = post(&format!("nothing {number}"), body);
        assert!(status == 200 && said.contains("Not attested: ") && said.contains(why), "{status} {said}");
    }
    receiver.answers(approved_by(&["robot", "mallory", "bob-r"]));
    for (user, why) in [("robot", "of agent claude-code"), ("mallory", "not one that the policy registers")] {
        let (status, said) = post(user, &gitlab("approval", &head, user, &[]));
        assert!(status == 200 && said.contains(why), "{status} {said}");
    }
    setup.push_main(&squashed).refused("approval-missing");

    let (status, said) = post("yes", &approval);
    assert!(status == 200 && said.contains("bob (attested by forge) approves 2 commits"), "{status} {said}");
    let asked = receiver.asked.lock().unwrap().last().cloned().unwrap();
    assert!(asked.starts_with("GET /api/projects/Acme%2Fpayments/merge_requests/17/approvals "), "{asked}");
    let listed = setup.countersign(&["approve", "--list", "--policy", setup.policy_path().to_str().unwrap()]);
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.contains(&format!("by bob (attested by forge as bob-r at {REQUEST})")), "{listed}");

    // The same again, by its id or by its body.
    assert_eq!(post("yes", &gitlab("unapproved", &head, "bob-r", &[])), (409, "the event came before\n".to_owned()));
    assert_eq!(post("other", &approval), (409, "the event came before\n".to_owned()));
    // Taken back; and an approval that is played again after that, changed so that it is not the same.
    receiver.answers(approved_by(&[]));
    let (status, said) = post("no", &gitlab("unapproved", &head, "bob-r", &[]));
    assert!(status == 200 && said.contains("withdraws the approval"), "{status} {said}");
    setup.push_main(&squashed).refused("approval-void");
    let (_, said) = post("again", &gitlab("approval", &head, "bob-r", &[]));
    assert!(said.contains("does not approve"), "{said}");
    setup.push_main(&squashed).refused("approval-void");

    // He approves again, and the branch moves.
    receiver.answers(approved_by(&["bob-r"]));
    let (_, said) = post("second", &gitlab("approval", &head, "bob-r", &[("assignee_id", json!(2))]));
    assert!(said.contains("approves 2 commits"), "{said}");
    setup.agent("c.txt", "c\n", "Add c\n");
    setup.push(&["work:refs/heads/retry"]).accepted();
    let moved = setup.git(&["rev-parse", "work"]);
    let (_, said) = post("moved", &gitlab("update", &moved, "robot", &[("oldrev", json!(head))]));
    assert!(said.contains("withdraws the approval"), "{said}");
    setup.push_main(&squashed).refused("approval-void");
    let (_, said) = post("third", &gitlab("approval", &moved, "bob-r", &[]));
    assert!(said.contains("approves 3 commits"), "{said}");
    // The forge resets approvals by itself, and whoever pushed is named.
    receiver.answers(approved_by(&["bob-r"]));
    let reset = [("system", json!(true)), ("system_action", json!("approvals_reset_on_push"))];
    let (_, said) = post("reset", &gitlab("unapproved", &moved, "robot", &reset));
    assert!(said.contains("withdraws the approval"), "{said}");
    setup.push_main("work").refused("approval-void");
    let (_, said) = post("fourth", &gitlab("approval", &moved, "bob-r", &[("assignee_id", json!(3))]));
    assert!(said.contains("approves 3 commits"), "{said}");
    setup.push_main("work").accepted();
}

#[test]
fn github_s_and_gitea_s_reviews_become_records() {
    for forge in ["github", "gitea"] {
        let setup = at_work(LISTED);
        let Some(receiver) = Receiver::start(&setup, forge) else { return };
        let head = setup.git(&["rev-parse", "work"]);
        let before = setup.git(&["rev-parse", "work~1"]);
        let url = format!("https://forge.example.com/Acme/payments/pull{}/17", if forge == "gitea" { "s" } else { "" });
        let event = |action: &str, kind: &str, commit: &str, id: u64| {
            let mut event = json!({
                "action": action, "number": 17, "repository": {"full_name": "Acme/payments"}, "sender": {"login": "bob-r"},
                "pull_request": {"number": 17, "html_url": url, "head": {"ref": "retry", "sha": head},
                    "base": {"ref": "main", "sha": before}, "updated_at": id},
            });
            if !kind.is_empty() {
                event["review"] = match forge {
                    "github" => json!({"id": id, "user": {"login": "bob-r"}, "state": kind, "commit_id": commit}),
                    _ => json!({"type": format!("pull_request_review_{kind}"), "content": ""}),
                };
            }
            event.to_string()
        };
        let review = |id: u64, state: &str, commit: &str, dismissed: bool| {
            let state = if dismissed && forge == "github" { "DISMISSED" } else { state };
            json!({"id": id, "user": {"login": "bob-r"}, "state": state, "commit_id": commit, "dismissed": dismissed})
        };
        let submitted = if forge == "github" { "submitted" } else { "reviewed" };
        let (signature, begins) =
            if forge == "github" { ("X-Hub-Signature-256", "sha256=") } else { ("X-Gitea-Signature", "") };
        let post = |body: &str| receiver.post(&[(signature, &format!("{begins}{}", hmac(&setup, body)))], body);

        let approval = event(submitted, "approved", &head, 1);
        let forged = format!("{begins}{}", "0".repeat(64));
        for headers in [vec![], vec![(signature, forged.as_str())]] {
            assert_eq!(receiver.post(&headers, &approval).0, 401);
        }
        receiver.answers(json!([review(1, "APPROVED", &before, false)]));
        let (status, said) = post(&approval);
        assert!(status == 200 && said.contains("Not attested: bob-r"), "of an older commit: {status} {said}");
        receiver.answers(json!([review(1, "APPROVED", &head, false)]));
        let (status, said) = post(&event(submitted, "approved", &head, 2));
        assert!(status == 200 && said.contains("bob (attested by forge) approves 2 commits"), "{status} {said}");
        assert_eq!(post(&event(submitted, "approved", &head, 2)).0, 409, "the same again");
        let asked = receiver.asked.lock().unwrap().last().cloned().unwrap();
        assert!(asked.starts_with("GET /api/repos/Acme/payments/pulls/17/reviews?"), "{asked}");

        // Somebody dismisses it. Gitea sends nothing, and it is known at the next event.
        receiver.answers(json!([review(1, "APPROVED", &head, true)]));
        let dismissed =
            if forge == "github" { event("dismissed", "dismissed", &head, 3) } else { event("edited", "", "", 3) };
        let (_, said) = post(&dismissed);
        assert!(said.contains("withdraws the approval"), "{said}");
        setup.push_main("work").refused("approval-void");
        receiver.answers(json!([review(1, "APPROVED", &head, true), review(2, "APPROVED", &head, false)]));
        assert!(post(&event(submitted, "approved", &head, 4)).1.contains("approves 2 commits"));
        // He asks for changes, and then approves.
        let asks = if forge == "github" {
            ("CHANGES_REQUESTED", "changes_requested")
        } else {
            ("REQUEST_CHANGES", "rejected")
        };
        receiver.answers(json!([review(2, "APPROVED", &head, false), review(3, asks.0, &head, false)]));
        assert!(post(&event(submitted, asks.1, &head, 5)).1.contains("withdraws the approval"));
        setup.push_main("work").refused("approval-void");
        receiver.answers(json!([review(3, asks.0, &head, false), review(4, "APPROVED", &head, false)]));
        assert!(post(&event(submitted, "approved", &head, 6)).1.contains("approves 2 commits"));
        setup.push_main("work").accepted();
    }
}

#[test]
fn a_service_attests_by_hand() {
    let setup = at_work(LISTED);
    let policy = setup.policy_path().display().to_string();
    let key = |actor: Actor| -> PathBuf { setup.key_file(actor) };
    let attest = |actor: Actor, account: &str, service: &str, more: &[&str]| {
        let key = key(actor).display().to_string();
        let words = ["approve", "--policy", &policy, "--attest", account, "--service", service, "--key", &key];
        let words = [&words[..], &["retry", "--for", "main", "--request", REQUEST], more].concat();
        let output = setup.countersign(&words);
        (String::from_utf8([output.stdout, output.stderr].concat()).unwrap(), output.status.code())
    };
    for (actor, account, service, why) in [
        (FORGE, "robot", "forge", "of agent claude-code, and only people approve"),
        (FORGE, "nobody", "forge", "not one that the policy registers"),
        (BOB, "bob-r", "forge", "not a key that the policy registers for service forge"),
        (FORGE, "bob-r", "other", "not a key that the policy registers for service other"),
        (OTHER, "bob-r", "other", "approved at the word of other, which the rule does not take"),
    ] {
        let (said, code) = attest(actor, account, service, &[]);
        assert!(code == Some(2) && said.contains(why), "{code:?} {said}");
    }
    let (said, code) = attest(FORGE, "bob-r", "forge", &[]);
    assert!(code == Some(0) && said.contains("bob (attested by forge) approves 2 commits"), "{code:?} {said}");
    let (said, code) = attest(FORGE, "bob-r", "forge", &["--withdraw"]);
    assert!(code == Some(0) && said.contains("withdraws the approval of 2 commits"), "{code:?} {said}");
    setup.push_main("work").refused("approval-void");
    let (said, code) = attest(FORGE, "bob-r", "forge", &[]);
    assert_eq!(code, Some(0), "{said}");
    // What is said of bob, bob takes back with a key of his own.
    let words = [
        "approve",
        "--policy",
        &policy,
        "--key",
        &key(BOB).display().to_string(),
        "retry",
        "--for",
        "main",
        "--withdraw",
    ];
    let mut command = setup.command("setsid", &setup.clone_dir());
    command.args(["--wait", binary().to_str().unwrap()]).args(words).arg("--yes");
    setup.git(&[
        "config",
        "--file",
        setup.path("home/.gitconfig").to_str().unwrap(),
        "countersign.approve.unattended",
        "true",
    ]);
    let output = setup.run(command, None);
    assert!(output.status.success(), "{output:?}");
    setup.push_main("work").refused("approval-void");
}
