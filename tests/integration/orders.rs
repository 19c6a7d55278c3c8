//! Orders by real pushes: who may stop whom, what is stopped and what is not, on one repository and on all of a server; and an override,
//! which lands once.

use std::path::Path;
use std::process::Output;

use countersign::core::canonical::Time;
use countersign::core::decide::Timestamp;
use countersign::core::dsse::pre_authentication;
use countersign::core::id::Id;
use countersign::core::order::{Act, By, NAMESPACE, Order, OrderPlace, Scope, Topic, Whom, seal_envelope};

use crate::approvals::{CAROL, now, people};
use crate::install::{install_root, push_to, root};
use crate::world::{ALICE, Actor, BOB, CLAUDE, CODEX, Pushed, World, binary, registry};

const BRANCHES: &str = "[[rule]]\nname = \"branches\"\nrefs = [\"refs/heads/**\"]\nidentity = \"agents\"\n";

/// People and agents with accounts, and who may order what.
fn registered(orders: &str) -> String {
    let mut text = people();
    for (table, account) in [("people.alice", "alice"), ("people.bob", "bob"), ("agents.claude-code", "claude-bot")] {
        text = text.replacen(&format!("[{table}]\n"), &format!("[{table}]\naccounts = [\"{account}\"]\n"), 1);
    }
    text.replacen("version = 1\n", "version = 1\nname = \"acme\"\n", 1) + orders
}

/// A server over http under these rules, with a branch that has been pushed.
fn server(policy: &str, more: &[&str]) -> World {
    let world = World::with(policy, "sha1");
    std::fs::remove_file(world.server().join("hooks/pre-receive")).unwrap();
    world.install(&[&["--submitter", "http", "--layout", "hooks"], more].concat());
    world.commit("a", "1", "By hand\n");
    by(&world, "bob", &["HEAD:refs/heads/main"]).accepted();
    world
}

fn by(world: &World, account: &str, refspecs: &[&str]) -> Pushed {
    world.push_with(&[("REMOTE_USER", account)], refspecs)
}

/// Writes an actor's private key and returns the path of the file.
fn key_file(world: &World, actor: Actor) -> String {
    let path = world.path(&format!("home/{}", actor.id));
    std::fs::write(&path, actor.key().to_openssh(actor.id).unwrap().as_bytes()).unwrap();
    path.display().to_string()
}

/// Runs a command that orders, as an actor who pushes under their own name, where there is no terminal.
fn order(world: &World, actor: Actor, words: &[&str]) -> (String, Option<i32>) {
    let (policy, key) = (world.policy_path().display().to_string(), key_file(world, actor));
    let mut command = world.command("setsid", &world.clone_dir());
    command.args(["--wait", binary().to_str().unwrap()]).args(words);
    command.args(["--policy", &policy, "--key", &key]).env("REMOTE_USER", actor.id);
    let Output { stdout, stderr, status } = world.run(command, None);
    (String::from_utf8([stdout, stderr].concat()).unwrap(), status.code())
}

#[track_caller]
pub fn ordered(world: &World, actor: Actor, words: &[&str]) -> String {
    let (said, code) = order(world, actor, words);
    assert_eq!(code, Some(0), "{said}");
    said
}

/// A new commit on a branch of its own, sealed.
fn sealed(world: &World, actor: Actor, content: &str) -> String {
    world.commit("work", content, "Work\n");
    world.seal_head(actor)
}

#[test]
fn one_command_stops_an_agent_from_the_next_push_on() {
    let restricted = format!("{}{BRANCHES}submitters = [\"bob\", \"claude-code\"]\n", registered(""));
    let world = server(&restricted, &[]);
    let before = sealed(&world, CLAUDE, "before");
    by(&world, "claude-bot", &["HEAD:refs/heads/one"]).accepted();
    // An order is taken from whoever brings it, also where the rules let her push nothing else.
    by(&world, "alice", &["HEAD:refs/heads/hers"]).refused("submitter-not-allowed");
    let said = ordered(&world, ALICE, &["freeze", "claude-code", "--because", "it pushes everywhere", "--yes"]);
    for part in [
        "alice stops agent claude-code\nin      every repository under the policy acme\n",
        "ends    by another order\nbecause it pushes everywhere\n",
        "delivered to origin as refs/countersign/orders/freeze/agent/claude-code/person/alice",
    ] {
        assert!(said.contains(part), "{part} is not in:\n{said}");
    }
    let pushed = by(&world, "claude-bot", &["HEAD:refs/heads/two"]);
    pushed.refused("agent-frozen");
    assert!(
        pushed.said.contains("agent claude-code pushes, and alice froze agent claude-code at 20"),
        "{}",
        pushed.said
    );
    assert!(pushed.said.contains(": it pushes everywhere"), "{}", pushed.said);
    assert_eq!(pushed.commands("alice ends it"), ["countersign thaw claude-code --because TEXT"]);
    // What was received before goes where it may; what is new does not, by a seal or by a signature over the commit.
    by(&world, "bob", &[&format!("{before}:refs/heads/two")]).accepted();
    sealed(&world, CLAUDE, "after");
    by(&world, "bob", &["HEAD:refs/heads/three"]).refused("agent-frozen");
    by(&world, "bob", &["HEAD:refs/tags/anywhere"]).refused("agent-frozen");
    world.git(&["reset", "-q", "--hard", &before]);
    world.commit("work", "signed", "Work\n");
    world.sign_head(CLAUDE);
    by(&world, "bob", &["HEAD:refs/heads/three"]).refused("agent-frozen");
    world.git(&["reset", "-q", "--hard", &before]);
    sealed(&world, CODEX, "after");
    by(&world, "bob", &["HEAD:refs/heads/three"]).accepted();
    let shown = |words: &[&str]| {
        let policy = world.policy_path().display().to_string();
        admin(&world, &[words, &["--policy", &policy]].concat())
    };
    let frozen = "\nfrozen    alice froze agent claude-code at 20";
    assert!(shown(&["agent", "show", "claude-code"]).contains(frozen));
    assert!(shown(&["show", &before]).contains(frozen) && !shown(&["show", "HEAD"]).contains("frozen"));
    // Its own thaw ends it.
    ordered(&world, ALICE, &["thaw", "claude-code", "--because", "its settings are mended", "--yes"]);
    sealed(&world, CLAUDE, "again");
    by(&world, "claude-bot", &["HEAD:refs/heads/four"]).accepted();
    let agent = shown(&["agent", "show", "claude-code", "--server", world.server().to_str().unwrap()]);
    for part in ["owner     alice\n", "\nthawed    by alice at 20", "\nused      20"] {
        assert!(agent.contains(part), "{part}: {agent}");
    }
    let shown = world.countersign(&["log", "show", "--server", world.server().to_str().unwrap()]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("person/alice orders freeze agent/claude-code at "), "{shown}");
    assert!(shown.contains(": its settings are mended"), "{shown}");
}

#[test]
fn a_freeze_ends_by_its_own_time_and_reaches_back_where_it_says_so() {
    let world = server(&format!("{}{BRANCHES}", registered("")), &[]);
    let old = sealed(&world, CLAUDE, "old");
    by(&world, "bob", &["HEAD:refs/heads/one"]).accepted();
    let draft = Draft::freeze(ALICE, "claude-code");
    let since = Act::Freeze { whom: Whom::Agent(id("claude-code")), since: Some(Time(Timestamp(now() - 3600))) };
    draft.clone().act(since).push(&world).accepted();
    by(&world, "bob", &[&format!("{old}:refs/heads/two")]).refused("agent-frozen");
    // The ref that has it goes on.
    sealed(&world, CODEX, "next");
    by(&world, "bob", &["HEAD:refs/heads/one"]).accepted();
    let over = Draft::freeze(ALICE, "claude-code").issued(now() + 1).expires(now() + 3);
    over.push(&world).accepted();
    let mut turns = 0;
    while !by(&world, "bob", &[&format!("{old}:refs/heads/two")]).ok {
        std::thread::sleep(std::time::Duration::from_millis(300));
        turns += 1;
        assert!(turns < 60, "it is over");
    }
}

fn id(text: &str) -> Id {
    Id::parse(text.as_bytes()).unwrap()
}

/// An order that can be spoiled before it is signed.
#[derive(Clone)]
struct Draft {
    order: Order,
    signer: Actor,
    place: Option<OrderPlace>,
}

impl Draft {
    fn of(signer: Actor, act: Act) -> Self {
        let order = Order {
            scope: Scope::parse("acme/payments").unwrap(),
            act,
            by: By::Person(id(signer.id)),
            reason: "a test".into(),
            issued: Time(Timestamp(now())),
            expires: None,
        };
        Self { order, signer, place: None }
    }

    fn freeze(signer: Actor, agent: &str) -> Self {
        Self::of(signer, Act::Freeze { whom: Whom::Agent(id(agent)), since: None })
    }

    fn thaw(signer: Actor, agent: &str) -> Self {
        Self::of(signer, Act::Thaw { whom: Whom::Agent(id(agent)) })
    }

    fn act(mut self, act: Act) -> Self {
        self.order.act = act;
        self
    }

    fn by(mut self, by: By) -> Self {
        self.order.by = by;
        self
    }

    fn issued(mut self, issued: i64) -> Self {
        self.order.issued = Time(Timestamp(issued));
        self
    }

    fn expires(mut self, expires: i64) -> Self {
        self.order.expires = Some(Time(Timestamp(expires)));
        self
    }

    fn scope(mut self, scope: &str) -> Self {
        self.order.scope = Scope::parse(scope).unwrap();
        self
    }

    fn signed_by(mut self, signer: Actor) -> Self {
        self.signer = signer;
        self
    }

    fn envelope(&self) -> String {
        let statement = self.order.to_statement().unwrap();
        let signature = self.signer.key().sign(NAMESPACE, &pre_authentication(statement.as_bytes()));
        seal_envelope(&statement, &signature).unwrap()
    }

    fn refspec(&self, world: &World) -> String {
        let blob = world.git_with(&["hash-object", "-w", "--stdin"], self.envelope().as_bytes());
        format!("+{blob}:{}", self.place.clone().unwrap_or_else(|| self.order.place()))
    }

    fn push(&self, world: &World) -> Pushed {
        by(world, "bob", &[&self.refspec(world)])
    }
}

#[test]
fn each_forbidden_order_is_refused_beside_an_allowed_twin() {
    let lists = "[orders]\nfreeze-all = [\"alice\"]\nthaw = [\"carol\"]\nrevoke = [\"carol\"]\n";
    let world = server(&format!("{}{lists}{BRANCHES}", registered("")), &[]);
    let all = || Act::Freeze { whom: Whom::All, since: None };
    let revoke = |agent: &str| Act::Revoke { agent: id(agent), serial: 7 };
    let itself = |agent: &str| Draft::freeze(CLAUDE, agent).by(By::Agent(id("claude-code")));
    for (allowed, forbidden) in [
        (Draft::freeze(ALICE, "codex"), Draft::freeze(ALICE, "codex").signed_by(BOB).issued(now() + 1)),
        (itself("claude-code"), itself("codex")),
        (itself("claude-code").issued(now() + 1), Draft::thaw(CLAUDE, "claude-code").by(By::Agent(id("claude-code")))),
        (Draft::of(ALICE, all()), Draft::of(BOB, all())),
        // The agent's owner ends what it ordered itself, and nobody's else.
        (Draft::thaw(ALICE, "claude-code").issued(now() + 2), Draft::thaw(BOB, "claude-code")),
        (Draft::thaw(ALICE, "codex").issued(now() + 1), Draft::thaw(BOB, "codex")),
        (Draft::thaw(CAROL, "codex"), Draft::freeze(CAROL, "codex").scope("acme/other")),
        (Draft::of(BOB, revoke("codex")), Draft::of(BOB, revoke("claude-code"))),
        (Draft::of(CAROL, revoke("claude-code")), Draft::of(ALICE, revoke("codex"))),
        (Draft::freeze(BOB, "claude-code").scope("policy:acme"), Draft::freeze(BOB, "codex").scope("policy:other")),
        (Draft::freeze(CAROL, "codex").issued(now() + 5), Draft::freeze(CAROL, "claude-code").issued(now() + 3600)),
        (
            Draft::freeze(CAROL, "claude-code").issued(now() - 60).expires(now() + 3600),
            Draft::freeze(BOB, "codex").issued(now() - 60).expires(now() - 1),
        ),
    ] {
        allowed.push(&world).accepted();
        forbidden.push(&world).refused("order-malformed");
    }
    let freeze = Draft::freeze(BOB, "codex");
    freeze.push(&world).accepted();
    let place = freeze.order.place();
    // As old as the one that is there, or older; and in another's place.
    Draft { order: Order { reason: "another".into(), ..freeze.order.clone() }, ..freeze.clone() }
        .push(&world)
        .refused("order-malformed");
    freeze.clone().issued(now() - 100).push(&world).refused("order-malformed");
    let elsewhere = OrderPlace { topic: Topic::Freeze(Whom::All), by: By::Person(id("bob")) };
    Draft { place: Some(elsewhere), ..freeze.clone().issued(now() + 9) }.push(&world).refused("order-malformed");
    by(&world, "bob", &[&format!(":{place}")]).refused("delete-denied");
    let junk = world.git_with(&["hash-object", "-w", "--stdin"], b"{}");
    by(&world, "bob", &[&format!("+{junk}:{place}")]).refused("order-malformed");
    by(&world, "bob", &[&format!("+HEAD:{place}")]).refused("order-malformed");
    by(&world, "bob", &["HEAD:refs/countersign/orders/freeze/agent/codex"]).refused("ref-denied");
    by(&world, "bob", &["HEAD:refs/countersign/Orders/freeze/agent/codex/person/bob"]).refused("ref-denied");
    freeze.issued(now() + 9).push(&world).accepted();
}

/// An order more never accepts more: each of these pushes is refused before, and after any order but an override and a thaw.
#[test]
fn an_order_that_comes_with_work_counts_at_once() {
    let world = server(&format!("{}{BRANCHES}", registered("")), &[]);
    sealed(&world, CLAUDE, "work");
    let freeze = Draft::freeze(ALICE, "claude-code").refspec(&world);
    by(&world, "bob", &["HEAD:refs/heads/one", &freeze]).refused("agent-frozen");
    by(&world, "bob", &["HEAD:refs/heads/one"]).accepted();
}

#[test]
fn where_there_is_no_terminal_and_nobody_said_so_nothing_is_ordered() {
    let world = server(&format!("{}{BRANCHES}", registered("")), &[]);
    let freeze = ["freeze", "claude-code", "--because", "why"];
    let (said, code) = order(&world, ALICE, &freeze);
    assert!(code == Some(2) && said.contains("there is no terminal to ask on"), "{said}");
    let (said, code) = order(&world, ALICE, &["freeze", "claude-code", "--yes"]);
    assert!(code == Some(2) && said.contains("--because"), "{said}");
    let (said, code) = order(&world, ALICE, &["freeze", "claude-coda", "--because", "why", "--yes"]);
    assert!(code == Some(2) && said.contains("did you mean claude-code?"), "{said}");
    let (said, code) = order(&world, CODEX, &[&freeze[..], &["--yes"]].concat());
    assert!(code == Some(2) && said.contains("may freeze itself, and order nothing else"), "{said}");
    std::fs::remove_file(world.path("home/.gitconfig")).unwrap();
    let (said, code) = order(&world, ALICE, &[&freeze[..], &["--yes"]].concat());
    assert!(code == Some(2) && said.contains("--yes without a terminal is not allowed here"), "{said}");
    assert_eq!(world.git_in(&world.server(), &["for-each-ref", "refs/countersign/"]), "");
}

/// Signs a freeze of an agent to a file, for every repository under the policy.
fn to_file(world: &World, actor: Actor, words: &[&str]) -> String {
    let file = world.path(&format!("order-{}", words.join("-"))).display().to_string();
    ordered(world, actor, &[words, &["--because", "why", "--yes", "--out", &file]].concat());
    file
}

#[track_caller]
fn admin(world: &World, words: &[&str]) -> String {
    let output = world.countersign(words);
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{said}");
    said
}

#[test]
fn a_server_applies_an_order_everywhere_at_once_and_to_what_comes() {
    let world = root(&["a.git", "team/b.git", "team/c.git"]);
    let named = registry()
        .replace("version = 1\nrepository = \"acme/payments\"\n", "version = 1\nname = \"acme\"\nrepository = \"a\"\n");
    // The clone is one of a.git; the server's policy has no repository of its own.
    world.set_policy(&format!("{named}{BRANCHES}"));
    let file = to_file(&world, ALICE, &["freeze", "claude-code"]);
    world.set_policy(&format!("{}{BRANCHES}", named.replace("repository = \"a\"\n", "")));
    assert!(install_root(&world, &[]).0);
    let root = world.path("root").display().to_string();
    let base = world.commit("a", "1", "By hand\n");
    let mut turn = 0;
    let mut frozen = |path: &str| {
        // A seal is bound to the repository; whom it freezes is not.
        let repository = path.trim_end_matches(".git");
        turn += 1;
        world.git(&["reset", "-q", "--hard", &base]);
        world.commit("a", &turn.to_string(), "Work\n");
        let key = CLAUDE.key();
        world.seal_head_by(&crate::world::SealBy { repository, ..crate::world::SealBy::honest("claude-code", &key) });
        push_to(&world, path, &format!("refs/heads/turn-{turn}"))
    };
    frozen("a.git").accepted();
    let said = admin(&world, &["freeze", "--server", &root, "--order", &file]);
    assert!(said.contains("in force from the next hook on, in every repository under the policy acme"), "{said}");
    assert!(said.contains("(3 repositories below "), "{said}");
    for path in ["a.git", "team/b.git", "team/c.git"] {
        frozen(path).refused("agent-frozen");
    }
    // One that is made later, protected as the others are.
    world.git_in(&world.path(""), &["init", "-q", "--bare", "-b", "main", "root/team/later.git"]);
    assert!(install_root(&world, &[]).0);
    frozen("team/later.git").refused("agent-frozen");
    let log = admin(&world, &["log", "show", "--server", &world.path("root/a.git").display().to_string()]);
    assert!(log.contains("at the server, person/alice orders freeze agent/claude-code"), "{log}");
    // Who else could write it is nobody whose orders count.
    let store = world.path("root/.countersign/orders");
    let open = |mode: u32| {
        std::fs::set_permissions(&store, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    };
    open(0o777);
    frozen("a.git").accepted();
    let doctor = world.countersign(&["doctor", "--server", &root]);
    let doctor = String::from_utf8_lossy(&[doctor.stdout, doctor.stderr].concat()).into_owned();
    assert!(doctor.contains("error: [open-orders] ") && doctor.contains("chmod go-w"), "{doctor}");
    open(0o755);
    frozen("a.git").refused("agent-frozen");
    // The same order again is not later; an admin ends it, whoever ordered it.
    let again = world.countersign(&["freeze", "--server", &root, "--order", &file]);
    assert!(!again.status.success() && String::from_utf8_lossy(&again.stderr).contains("at the same time or later"));
    let said = admin(&world, &["thaw", "claude-code", "--server", &root, "--because", "mended"]);
    assert!(said.contains("thawed: agent claude-code, in 4 repositories below "), "{said}");
    for path in ["a.git", "team/b.git", "team/later.git"] {
        frozen(path).accepted();
    }
}

#[test]
fn one_repository_of_a_server_has_a_store_of_its_own() {
    let world = server(&format!("{}{BRANCHES}", registered("")), &[]);
    let file = to_file(&world, ALICE, &["freeze", "claude-code", "--here"]);
    let repository = world.server().display().to_string();
    let said = admin(&world, &["freeze", "--server", &repository, "--order", &file]);
    assert!(said.contains("in the repository acme/payments, which alone it is for"), "{said}");
    sealed(&world, CLAUDE, "work");
    by(&world, "bob", &["HEAD:refs/heads/one"]).refused("agent-frozen");
    // What was put there and cannot be read is no freeze that is over.
    let order = world.server().join("countersign/orders/freeze/agent/claude-code/person/alice");
    let text = std::fs::read_to_string(&order).unwrap();
    std::fs::write(&order, &text[1..]).unwrap();
    let pushed = by(&world, "bob", &["HEAD:refs/heads/one"]);
    assert!(!pushed.ok && pushed.said.contains("an admin puts it there again"), "{}", pushed.said);
    std::fs::write(&order, text).unwrap();
    admin(&world, &["thaw", "claude-code", "--server", &repository, "--because", "mended"]);
    by(&world, "bob", &["HEAD:refs/heads/one"]).accepted();
}

/// A hook that comes after ours stands for the time between the decision and the move of the refs.
#[test]
fn an_order_that_comes_between_the_decision_and_the_move_stops_it() {
    for (who, brings) in [("bob", CLAUDE), ("claude-bot", CODEX), ("bob", CODEX)] {
        let world = server(&format!("{}{BRANCHES}", registered("")), &[]);
        let repository = world.server().display().to_string();
        let file = to_file(&world, ALICE, &["freeze", "claude-code", "--here"]);
        std::fs::remove_file(world.server().join("hooks/pre-receive")).unwrap();
        let freeze = format!("'{}' freeze --server '{repository}' --order '{file}' >&2", binary().display());
        world.write_executable(&world.server().join("hooks/pre-receive"), &format!("#!/bin/sh\n{freeze}\n"));
        world.install(&["--submitter", "http", "--layout", "hooks", "--reference-transaction"]);
        sealed(&world, brings, "work");
        let pushed = by(&world, who, &["HEAD:refs/heads/one"]);
        let stopped = who == "claude-bot" || brings.id == CLAUDE.id;
        assert_eq!(pushed.ok, !stopped, "{}", pushed.said);
        assert_eq!(pushed.said.contains("[agent-frozen] refs/heads/one: "), stopped, "{}", pushed.said);
        let there = world.git_in(&world.server(), &["for-each-ref", "refs/heads/one"]);
        assert_eq!(there.is_empty(), stopped, "{there}");
    }
}

const MAIN: &str = "[[rule]]\nname = \"main\"\nrefs = [\"refs/heads/main\"]\nidentity = \"everyone\"\nforce-push = \"deny\"\ndelete = \"deny\"\n";
const GLASS: &str =
    "[override]\nfrom = [\"alice\", \"bob\", \"carol\"]\ncodes = [\"force-push-denied\", \"unsigned-commit\"]\n";

/// The command that a refusal prints, as its words.
fn glass(world: &World, codes: &[&str]) -> Vec<String> {
    let old = world.git_in(&world.server(), &["rev-parse", "main"]);
    let new = world.git(&["rev-parse", "HEAD"]);
    let words = ["override", "main", "--from", &old, "--to", &new, "--because", "payments are down", "--yes", "--code"];
    words.iter().chain(codes).map(|word| (*word).to_owned()).collect()
}

fn pass_over(world: &World, actor: Actor, words: &[String]) -> String {
    ordered(world, actor, &words.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn two_people_break_the_glass_once() {
    let world = server(&format!("{}{GLASS}{BRANCHES}", registered("")), &[]);
    world.set_policy(&format!("{}{GLASS}{MAIN}", registered("")));
    let before = world.git(&["rev-parse", "HEAD"]);
    world.commit("a", "2", "Turn it off\n");
    let push = || by(&world, "bob", &["+HEAD:refs/heads/main"]);
    push().refused("unsigned-commit");
    let words = glass(&world, &["unsigned-commit"]);
    let said = pass_over(&world, ALICE, &words);
    assert!(
        said.contains("alice accepts the move of refs/heads/main\nfrom    ")
            && said.contains("in spite of unsigned-commit"),
        "{said}"
    );
    let alone = push();
    alone.refused("override-invalid");
    assert!(alone.said.contains("unsigned-commit is passed over by alice, and it takes 2"), "{}", alone.said);
    pass_over(&world, BOB, &words);
    // Not another commit, nor another ref.
    let named = world.git(&["rev-parse", "HEAD"]);
    world.commit("a", "3", "Turn more off\n");
    push().refused("unsigned-commit");
    world.git(&["reset", "-q", "--hard", &named]);
    let landed = push();
    landed.accepted();
    for part in
        ["warning: [override] refs/heads/main: alice passes over unsigned-commit: payments are down", "bob passes over"]
    {
        assert!(landed.said.contains(part), "{part}: {}", landed.said);
    }
    // The next pushers are told, the log tells, and a doctor.
    world.git(&["checkout", "-q", "-b", "side", &before]);
    sealed(&world, CODEX, "next");
    let next = by(&world, "bob", &["HEAD:refs/heads/side"]);
    next.accepted();
    assert!(
        next.said.contains("refs/heads/main was moved at 20")
            && next.said.contains("alice (unsigned-commit): payments are down"),
        "{}",
        next.said
    );
    let server = world.server().display().to_string();
    let log = admin(&world, &["log", "show", "--server", &server, "--overrides"]);
    assert!(log.contains("override: alice passes over unsigned-commit: payments are down"), "{log}");
    assert!(!log.contains("refs/heads/side"), "{log}");
    let ocsf = admin(&world, &["log", "show", "--server", &server, "--overrides", "--format", "ocsf"]);
    assert!(ocsf.contains("\"severity_id\":5") && ocsf.contains("\"overridden\":\"alice bob\""), "{ocsf}");
    let doctor = world.countersign(&["doctor", "--server", &server]);
    let doctor = String::from_utf8_lossy(&[doctor.stdout, doctor.stderr].concat()).into_owned();
    assert!(
        doctor.contains("[override] ") && doctor.contains("alice (unsigned-commit): payments are down"),
        "{doctor}"
    );
    // Back, and again: the same move is refused though the hour has not passed.
    world.set_policy(&format!("{}{GLASS}", registered("")));
    by(&world, "bob", &[&format!("+{before}:refs/heads/main")]).accepted();
    world.set_policy(&format!("{}{GLASS}{MAIN}", registered("")));
    world.git(&["checkout", "-q", "-B", "again", &named]);
    let again = push();
    again.refused("unsigned-commit");
    assert!(!again.said.contains("[override] "), "{}", again.said);
    let shown = admin(&world, &["log", "verify", "--server", &server]);
    assert!(shown.contains("holds"), "{shown}");
}

#[test]
fn what_an_override_lets_in_counts_on_its_ref_alone() {
    let release = MAIN.replace("main", "release");
    let world = server(&format!("{}{GLASS}{BRANCHES}", registered("")), &[]);
    by(&world, "bob", &["HEAD:refs/heads/release"]).accepted();
    world.set_policy(&format!("{}{GLASS}{MAIN}{release}", registered("")));
    world.commit("a", "2", "Turn it off\n");
    let words = glass(&world, &["unsigned-commit"]);
    pass_over(&world, ALICE, &words);
    pass_over(&world, CAROL, &words);
    by(&world, "bob", &["HEAD:refs/heads/main"]).accepted();
    by(&world, "bob", &["HEAD:refs/heads/release"]).refused("unsigned-commit");
    // What comes on the ref itself stands on it; and an admin can take it for right.
    world.commit("b", "1", "On top\n");
    world.sign_head(ALICE);
    by(&world, "bob", &["HEAD:refs/heads/main"]).accepted();
    by(&world, "bob", &["HEAD:refs/heads/release"]).refused("unsigned-commit");
    admin(&world, &["ledger", "rotate", "--server", &world.server().display().to_string()]);
    by(&world, "bob", &["HEAD:refs/heads/release"]).refused("unsigned-commit");
    world.install(&["--submitter", "http", "--layout", "hooks", "--baseline"]);
    by(&world, "bob", &["HEAD:refs/heads/release"]).accepted();
}

#[test]
fn nobody_passes_over_what_no_policy_lets_them() {
    let world = server(&format!("{}{BRANCHES}", registered("")), &[]);
    world.set_policy(&format!("{}{MAIN}", registered("")));
    world.commit("a", "2", "Turn it off\n");
    let words = glass(&world, &["unsigned-commit"]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (said, code) = order(&world, ALICE, &words);
    assert!(code == Some(2) && said.contains("the policy lets nobody pass over unsigned-commit"), "{said}");
    let (said, code) = order(&world, ALICE, &[&words[..9], &["--code", "malformed-tree"]].concat());
    assert!(code == Some(2) && said.contains("that is never passed over"), "{said}");
    // Signed elsewhere, it is no order here.
    let value = |name: &str, directory: &Path| {
        let id = world.git_in(directory, &["rev-parse", name]);
        Some(countersign::core::canonical::CanonicalOid(countersign::core::oid::Oid::parse(id.as_bytes()).unwrap()))
    };
    let of = countersign::core::order::Move {
        name: "refs/heads/main".into(),
        old: value("main", &world.server()),
        new: value("HEAD", &world.clone_dir()),
        codes: vec!["unsigned-commit".into()],
    };
    for actor in [ALICE, BOB] {
        let draft = Draft::of(actor, Act::Override(of.clone())).expires(now() + 600);
        draft.push(&world).refused("order-malformed");
    }
    by(&world, "bob", &["HEAD:refs/heads/main"]).refused("unsigned-commit");
}

#[test]
fn a_grant_is_revoked_by_an_order() {
    let world = server(&format!("{}{BRANCHES}", registered("")), &[]);
    let said = ordered(&world, ALICE, &["grant", "revoke", "claude-code:42", "--because", "the task is done", "--yes"]);
    assert!(
        said.contains("alice revokes the grant claude-code:42") && said.contains("/revoke/claude-code/42/person/alice"),
        "{said}"
    );
    let said = ordered(&world, BOB, &["grant", "revoke", "codex", "--because", "all of them", "--yes"]);
    assert!(said.contains("/revoke/codex/all/person/bob"), "{said}");
    let policy = world.policy_path().display().to_string();
    let shown = admin(&world, &["agent", "show", "codex", "--policy", &policy]);
    assert!(shown.contains("\nrevoked   bob revoked every grant of codex up to 20"), "{shown}");
    let (said, code) = order(&world, BOB, &["grant", "revoke", "claude-code:42", "--because", "why", "--yes"]);
    assert!(code == Some(2) && said.contains("bob is neither the owner of claude-code"), "{said}");
    for (word, why) in
        [("claude-code:0", "a number from 1 on"), ("all:1", "of one agent"), ("claude-cod:1", "did you mean")]
    {
        let (said, code) = order(&world, ALICE, &["grant", "revoke", word, "--because", "why", "--yes"]);
        assert!(code == Some(2) && said.contains(why), "{word}: {said}");
    }
}
