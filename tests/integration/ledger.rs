//! The ledger behind real pushes.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use countersign::core::canonical::{CanonicalOid, RefName, Sha256};
use countersign::core::commit::parse_trailers;
use countersign::core::decide::Timestamp;
use countersign::core::digest::Digest;
use countersign::core::id::RepositoryName;
use countersign::core::oid::Oid;
use countersign::core::ssh::PrivateKey;
use countersign::ledger::{Attempt, CurrentRefs, Ledger, LedgerError, Outcome, UpdateRecord, Witness, Work};

use crate::world::{AGENTS_EVERYWHERE, CLAUDE, REPOSITORY, World, registry};

const MARKED: &str = "Work\n\nCo-Authored-By: Claude <noreply@anthropic.com>\n";

/// A world whose server was protected with the one command.
fn installed(rules: &str, more: &[&str]) -> World {
    let world = World::new(rules);
    std::fs::remove_file(world.server().join("hooks/pre-receive")).unwrap();
    world.install(more);
    world
}

/// Runs `log`; what it printed, and its exit code.
fn log(world: &World, words: &[&str]) -> (String, Option<i32>) {
    let server = world.server().display().to_string();
    let output = world.countersign(&[&["log"], words, &["--server", &server]].concat());
    let said = [output.stdout, output.stderr].concat();
    (String::from_utf8(said).unwrap(), output.status.code())
}

fn verified(world: &World) {
    let (said, code) = log(world, &["verify"]);
    assert_eq!(code, Some(0), "{said}");
}

/// The kinds of entries, in order.
fn kinds(world: &World) -> Vec<String> {
    let (said, _) = log(world, &["show", "--format", "json"]);
    let kind = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["schema"], 1);
        line["entry"]["kind"].as_str().unwrap().to_owned()
    };
    // What every ledger has of its own is left out.
    said.lines().map(kind).filter(|kind| kind != "written by a newer version" && kind != "placed").collect()
}

#[test]
fn every_decision_is_on_record() {
    let world = installed(AGENTS_EVERYWHERE, &[]);
    let commit = world.commit("a", "1", MARKED);
    world.push(&["HEAD:refs/heads/main"]).refused("unsealed-agent-commit");
    world.seal_head(CLAUDE);
    world.push(&["HEAD:refs/heads/main"]).accepted();
    assert_eq!(kinds(&world), ["opened", "decided", "decided", "committed"]);
    verified(&world);
    let sealed = world.git(&["rev-parse", "HEAD"]);
    let (said, _) = log(&world, &["show"]);
    for expected in
        ["rejected", "unsealed-agent-commit", &commit[..7], "1 of claude-code", "committed #4: refs/heads/main"]
    {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    for (filter, lines) in [
        (vec!["--ref", "main"], 3),
        (vec!["--principal", "claude-code"], 2),
        (vec!["--principal", "alice"], 0),
        (vec!["--code", "unsealed-agent-commit"], 1),
        (vec!["--verdict", "accepted"], 1),
        (vec!["--verdict", "rejected"], 1),
        (vec!["--commit", &sealed], 1),
        (vec!["--since", "2020-01-01"], 6),
        (vec!["--until", "2020-01-01"], 0),
    ] {
        let (said, _) = log(&world, &[&["show", "--format", "json"], filter.as_slice()].concat());
        assert_eq!(said.lines().count(), lines, "{filter:?}: {said}");
    }
    let shown = world.command(crate::world::binary().to_str().unwrap(), &world.server());
    let mut shown = shown;
    shown.args(["show", &sealed]);
    let shown = String::from_utf8(world.run(shown, None).stdout).unwrap();
    assert!(shown.contains("work of claude-code") && shown.contains("on refs/heads/main"), "{shown}");
    let mode = |path: PathBuf| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(world.ledger()), 0o700);
    assert_eq!(mode(world.ledger().join("key")), 0o600);
    // Never the environment, never a secret.
    let text = std::fs::read_to_string(world.ledger().join("log")).unwrap();
    assert!(!text.contains("PATH=") && !text.contains("PRIVATE KEY"));
}

/// What can match nothing is mistyped, and no empty answer.
#[test]
fn a_filter_that_can_match_nothing_is_an_error() {
    let world = installed(AGENTS_EVERYWHERE, &[]);
    world.commit("a", "1", "By hand\n");
    world.push(&["HEAD:refs/heads/main"]).accepted();
    for (filter, why) in [
        (["--code", "bad-saal"], "did you mean bad-seal?"),
        (["--code", "nothing-like-it-at-all"], "there is no such finding code"),
        (["--ref", "mian"], "there is no ref refs/heads/mian"),
        (["--principal", "nobody"], "no policy in force knows nobody"),
    ] {
        let (said, code) = log(&world, &["show", filter[0], filter[1]]);
        assert!(code == Some(2) && said.contains(why), "{filter:?}: {said}");
    }
    // What is there, and has done nothing yet; and what is gone, and has.
    world.git_in(&world.server(), &["update-ref", "refs/heads/quiet", "main"]);
    for filter in [["--code", "bad-seal"], ["--code", "undecided"], ["--ref", "quiet"], ["--principal", "bob"]] {
        assert_eq!(log(&world, &["show", filter[0], filter[1]]), (String::new(), Some(0)), "{filter:?}");
    }
    world.git_in(&world.server(), &["update-ref", "-d", "refs/heads/main"]);
    let (said, code) = log(&world, &["show", "--ref", "main"]);
    assert!(code == Some(0) && said.contains("committed"), "{said}");
}

#[test]
fn every_line_names_its_repository() {
    let world = installed(AGENTS_EVERYWHERE, &[]);
    world.commit("a", "1", MARKED);
    world.push(&["HEAD:refs/heads/main"]).refused("unsealed-agent-commit");
    for format in ["text", "json", "jsonl", "csv", "cef", "ocsf"] {
        let (said, code) = log(&world, &["show", "--format", format]);
        assert!(code == Some(0) && said.lines().count() >= 2, "{said}");
        assert!(said.lines().all(|line| line.contains(REPOSITORY)), "{format}: {said}");
    }
    let (said, _) = log(&world, &["show", "--format", "csv", "--after", "2"]);
    assert!(said.ends_with(",unsealed-agent-commit\r\n") && said.lines().count() == 1, "{said}");
    assert_eq!(log(&world, &["show", "--after", "3"]), (String::new(), Some(0)));
}

/// A copy that was cut short verifies by itself, and not against what was kept of it.
#[test]
fn a_ledger_is_held_against_what_it_was() {
    let world = installed(AGENTS_EVERYWHERE, &[]);
    let root = || {
        let (said, _) = log(&world, &["verify"]);
        assert!(said.ends_with(": holds\n"), "{said}");
        said.lines().find_map(|line| line.split("root ").nth(1)).unwrap().to_owned()
    };
    world.commit("a", "1", "By hand\n");
    world.push(&["HEAD:refs/heads/main"]).accepted();
    let before = root();
    world.commit("a", "2", "By hand\n");
    world.push(&["HEAD:refs/heads/main"]).accepted();
    let other = root();
    let verify = |words: &[&str]| log(&world, &[&["verify"], words].concat());
    for (words, holds) in [
        (["--size", "5", "--root", &before], true),
        (["--size", "7", "--root", &other], true),
        (["--size", "7", "--root", &before], false),
        (["--size", "5", "--root", &other], false),
        (["--size", "8", "--root", &other], false),
    ] {
        let (said, code) = verify(&words);
        assert_eq!(code, Some(if holds { 0 } else { 1 }), "{words:?}: {said}");
        assert!(said.contains(if holds { ": holds\n" } else { ": does not hold\n" }), "{words:?}: {said}");
    }
    assert_eq!(verify(&["--root", &before]).1, Some(2), "a root is one of a size");
}

/// Entries with which a ledger begins: whose it is, the version of the format, and where it lies.
const BEGINNING: usize = 3;

/// What a collector gets in one round.
fn followed(world: &World, more: &[&str]) -> (Vec<String>, Option<i32>) {
    let (root, cursor) = (world.path("root").display().to_string(), world.path("cursor").display().to_string());
    let words = ["log", "follow", "--server", &root, "--cursor", &cursor, "--once"];
    let output = world.countersign(&[&words, more].concat());
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (said.lines().map(str::to_owned).collect(), output.status.code())
}

#[test]
fn a_collector_gets_every_entry_of_every_repository() {
    let world = crate::install::root(&["a.git", "b.git", "unprotected.git"]);
    let root = world.path("root").display().to_string();
    let install = || {
        let policy = world.policy_path().display().to_string();
        let words = ["install", "--server", &root, "--policy", &policy];
        assert!(world.countersign(&[&words[..], &["--exclude", "unprotected.git"]].concat()).status.success());
    };
    install();
    let (lines, code) = followed(&world, &[]);
    let opened =
        |name: &str| lines.iter().any(|line| line.contains(&format!("\"repository\":\"{name}\",\"number\":0")));
    assert!(code == Some(0) && lines.len() == 2 * BEGINNING && opened("a") && opened("b"), "{lines:?}");
    assert_eq!(followed(&world, &[]), (Vec::new(), Some(0)));
    world.commit("x", "1", "By hand\n");
    crate::install::push_to(&world, "b.git", "refs/heads/main").accepted();
    let (lines, _) = followed(&world, &["--format", "csv"]);
    let kinds: Vec<&str> = lines.iter().filter_map(|line| line.split(',').nth(3)).collect();
    assert!(kinds == ["decided", "committed"] && lines.iter().all(|line| line.contains(",b,")), "{lines:?}");
    // One that is made later is read from its beginning; one that is gone is no fault.
    world.git_in(&world.path(""), &["init", "-q", "--bare", "-b", "main", "root/c.git"]);
    install();
    std::fs::remove_dir_all(world.path("root/a.git")).unwrap();
    let (lines, code) = followed(&world, &[]);
    let new = lines.iter().filter(|line| line.contains("\"c\"")).count();
    assert!(code == Some(0) && lines.len() == BEGINNING && new == BEGINNING, "{lines:?}");
    // One whose ledger is another than it was is told, and the others go on.
    std::fs::remove_dir_all(world.path("root/b.git/countersign")).unwrap();
    install();
    crate::install::push_to(&world, "c.git", "refs/heads/main").accepted();
    let (lines, code) = followed(&world, &[]);
    let told = lines.iter().any(|line| line.starts_with("error: ") && line.contains("b.git"));
    assert!(code == Some(1) && told && lines.iter().filter(|line| line.contains("\"c\"")).count() == 2, "{lines:?}");
    // What cannot be read is no cursor, and none is begun in its place.
    std::fs::write(world.path("cursor"), "{").unwrap();
    assert_eq!(followed(&world, &[]).1, Some(2));
    assert_eq!(std::fs::read(world.path("cursor")).unwrap(), b"{");
}

/// Root reads with the eyes of each owner, and keeps one cursor for all.
#[test]
fn a_collector_of_root_gets_what_others_own() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let world = crate::install::root(&["a.git", "b.git"]);
    std::fs::set_permissions(world.path(""), PermissionsExt::from_mode(0o755)).unwrap();
    for (name, user) in [("a.git", "65534:65534"), ("b.git", "12345:12345")] {
        let mut chown = world.command("chown", &world.path("root"));
        chown.args(["-R", user, name]);
        assert!(world.run(chown, None).status.success());
    }
    let (ok, said) = crate::install::install_root(&world, &[]);
    assert!(ok, "{said}");
    let (lines, code) = followed(&world, &[]);
    assert!(code == Some(0) && lines.len() == 2 * BEGINNING, "{lines:?}");
    assert_eq!(followed(&world, &[]), (Vec::new(), Some(0)));
    std::fs::remove_file(world.path("cursor")).unwrap();
    assert_eq!(followed(&world, &["--format", "text"]).0.len(), 2 * BEGINNING);
}

#[test]
fn what_refs_share_is_written_once() {
    const REFS: usize = 200;
    let world = installed(AGENTS_EVERYWHERE, &[]);
    let commit = world.commit("a", "1", MARKED);
    let size = || std::fs::metadata(world.ledger().join("log")).unwrap().len();
    let names: Vec<String> = (0..REFS).map(|number| format!("HEAD:refs/heads/b{number:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let before = size();
    world.push(&names).refused("unsealed-agent-commit");
    // An update without its findings is about 300 bytes.
    let grown = size() - before;
    assert!(grown < 350 * u64::try_from(REFS).unwrap(), "{grown} bytes for {REFS} refs");
    verified(&world);
    let (said, _) = log(&world, &["show", "--code", "unsealed-agent-commit"]);
    assert_eq!(said.matches(&format!("unsealed-agent-commit {}", &commit[..7])).count(), 1, "{said}");
    for shown in ["refs/heads/b000", "refs/heads/b199", "and 1 more findings"] {
        assert!(said.contains(shown), "{shown}: {said}");
    }
    // The same work, sealed, is accepted on each of them, and received under each.
    world.seal_head(CLAUDE);
    world.push(&names).accepted();
    verified(&world);
    let (said, _) = log(&world, &["show", "--verdict", "accepted"]);
    assert_eq!(said.matches("1 of claude-code").count(), REFS);
}

#[test]
fn what_observed_refs_share_is_counted_for_each() {
    let world = installed(AGENTS_EVERYWHERE, &["--observe"]);
    world.commit("a", "1", MARKED);
    world.push(&["HEAD:refs/heads/one", "HEAD:refs/heads/two", "HEAD:refs/heads/three"]).accepted();
    let (said, _) = log(&world, &["show", "--would-refuse", "--format", "json"]);
    for part in ["\"would_refuse\":1", "\"unsealed-agent-commit\":3", "\"refs/heads/two\":1", "\"not_listed\":0"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn installing_again_keeps_the_ledger_and_uninstalling_leaves_it() {
    let world = installed(AGENTS_EVERYWHERE, &[]);
    world.commit("a", "1", "By hand\n");
    world.push(&["HEAD:refs/heads/main"]).accepted();
    let before = std::fs::read(world.ledger().join("log")).unwrap();
    assert!(world.install(&[]).contains("nothing changed"));
    assert_eq!(std::fs::read(world.ledger().join("log")).unwrap(), before);
    let server = world.server().display().to_string();
    let output = world.countersign(&["uninstall", "--server", &server]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("the ledger stays"));
    assert!(!world.server().join("hooks/post-receive").exists());
    verified(&world);
    let elsewhere = world.path("payments");
    std::fs::rename(world.ledger(), &elsewhere).unwrap();
    world.install(&["--ledger", elsewhere.to_str().unwrap()]);
    world.commit("a", "2", "By hand\n");
    world.push(&["HEAD:refs/heads/main"]).accepted();
    assert_eq!(
        kinds(&world),
        ["opened", "decided", "committed", "decided", "committed"],
        "the one that the hook names"
    );
    assert!(!world.ledger().exists());
}

#[test]
fn a_hook_that_was_off_for_one_push_is_reported_at_the_next() {
    let world = installed(AGENTS_EVERYWHERE, &["--reference-transaction"]);
    world.commit("a", "1", "By hand\n");
    world.push(&["HEAD:refs/heads/main"]).accepted();
    let switch = |mode: u32| {
        for hook in ["pre-receive", "post-receive", "reference-transaction"] {
            let path = world.server().join("hooks").join(hook);
            std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
        }
    };
    switch(0o644);
    world.commit("a", "2", MARKED);
    world.push(&["HEAD:refs/heads/main"]).accepted();
    world.push(&["HEAD:refs/heads/smuggled"]).accepted();
    switch(0o755);
    let (said, code) = log(&world, &["verify"]);
    assert!(code == Some(1) && said.contains("refs/heads/main is at"), "{said}");
    // The next push is to another ref altogether.
    world.git(&["checkout", "-q", "-b", "next", "HEAD~1"]);
    world.commit("b", "1", "By hand\n");
    let pushed = world.push(&["HEAD:refs/heads/next"]);
    pushed.accepted();
    for name in ["refs/heads/main", "refs/heads/smuggled"] {
        assert!(pushed.said.contains(&format!("{name} moved from")), "{}", pushed.said);
    }
    let (said, code) = log(&world, &["verify"]);
    assert!(code == Some(0) && said.contains("warning: refs/heads/main moved with no decision"), "{said}");
    world.commit("b", "2", "By hand\n");
    assert!(!world.push(&["HEAD:refs/heads/next"]).said.contains("moved from"), "once is enough");
    world.install(&["--reference-transaction", "--baseline"]);
    assert!(!log(&world, &["verify"]).0.contains("warning"));
}

#[test]
fn refs_that_an_admin_moves_are_recorded_as_it_happens() {
    let world = installed(AGENTS_EVERYWHERE, &["--reference-transaction"]);
    world.commit("a", "1", "By hand\n");
    world.push(&["HEAD:refs/heads/main", "HEAD:refs/heads/other"]).accepted();
    assert_eq!(kinds(&world), ["opened", "decided", "committed"], "the hook leaves pushes to post-receive");
    world.git_in(&world.server(), &["update-ref", "-d", "refs/heads/other"]);
    world.git_in(&world.server(), &["pack-refs", "--all"]);
    assert_eq!(kinds(&world)[3..], ["unexplained"]);
    verified(&world);
    let (said, _) = log(&world, &["show", "--ref", "other"]);
    assert!(said.contains("to nothing"), "{said}");
}

#[test]
fn out_of_band_moves_can_be_refused() {
    let rules = AGENTS_EVERYWHERE;
    let world = World::new(rules);
    world.set_policy(&format!(
        "{}{rules}",
        registry().replace("version = 1\n", "version = 1\nout-of-band = \"refuse\"\n")
    ));
    std::fs::remove_file(world.server().join("hooks/pre-receive")).unwrap();
    world.install(&[]);
    world.commit("a", "1", "By hand\n");
    world.push(&["HEAD:refs/heads/main"]).accepted();
    world.commit("a", "2", "By hand\n");
    world.push(&["HEAD:refs/heads/other"]).accepted();
    let move_main = || {
        let mut command = world.command("git", &world.server());
        command.args(["update-ref", "refs/heads/main", "refs/heads/other"]);
        world.run(command, None)
    };
    let refused = move_main();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("[ref-denied]"), "{said}");
    world.push(&["HEAD:refs/heads/main"]).accepted();
    // Behind the hook's back.
    let hook = world.server().join("hooks/reference-transaction");
    std::fs::set_permissions(&hook, PermissionsExt::from_mode(0o644)).unwrap();
    world.git_in(&world.server(), &["update-ref", "refs/heads/main", "refs/heads/other~1"]);
    std::fs::set_permissions(&hook, PermissionsExt::from_mode(0o755)).unwrap();
    world.commit("a", "3", "By hand\n");
    world.push(&["HEAD:refs/heads/main"]).refused("ref-denied");
    world.push(&["HEAD:refs/heads/other"]).accepted();
    world.install(&["--baseline"]);
    world.push(&["HEAD:refs/heads/main"]).accepted();
    verified(&world);
}

/// A mirror fetches what was decided elsewhere: it is on record, and nobody is warned of it.
#[test]
fn what_a_mirror_fetches_is_recorded_without_a_warning() {
    for word in ["mirror", "record"] {
        let world = World::new(AGENTS_EVERYWHERE);
        let line = format!("version = 1\nout-of-band = \"{word}\"\n");
        world.set_policy(&format!("{}{AGENTS_EVERYWHERE}", registry().replace("version = 1\n", &line)));
        std::fs::remove_file(world.server().join("hooks/pre-receive")).unwrap();
        world.install(&[]);
        let hook = world.server().join("hooks/reference-transaction");
        assert_eq!(hook.exists(), word == "mirror", "a fetch is seen as it happens");
        world.commit("a", "1", "By hand\n");
        world.push(&["HEAD:refs/heads/main"]).accepted();
        let clone = world.clone_dir().display().to_string();
        let fetch = || world.git_in(&world.server(), &["fetch", "-q", &clone, "+refs/heads/*:refs/heads/*"]);
        world.commit("a", "2", "By hand\n");
        world.git(&["branch", "fetched"]);
        fetch();
        // Where the hook was off, the next push sees it.
        world.commit("a", "3", "By hand\n");
        let aside = world.path("aside");
        if hook.exists() {
            std::fs::rename(&hook, &aside).unwrap();
        }
        fetch();
        world.commit("a", "4", "By hand\n");
        let said = world.push(&["HEAD:refs/heads/other"]).said;
        assert_eq!(said.contains("moved from"), word == "record", "{said}");
        assert_eq!(kinds(&world).contains(&"unexplained".to_owned()), word == "record");
        let (shown, _) = log(&world, &["show", "--ref", "fetched"]);
        assert!(shown.lines().count() > 0, "{shown}");
        verified(&world);
        if word == "mirror" {
            std::fs::rename(&aside, &hook).unwrap();
            let server = world.server().display().to_string();
            let doctor = world.countersign(&["doctor", "--server", &server]);
            assert_eq!(doctor.status.code(), Some(0), "{}", String::from_utf8_lossy(&doctor.stdout));
        }
    }
}

/// A server that refuses every move without a decision, with some refs that were pushed.
fn refusing(mode: &str) -> World {
    refuse_without_a_decision(World::new(AGENTS_EVERYWHERE), mode)
}

fn refuse_without_a_decision(world: World, mode: &str) -> World {
    let strict = registry().replace("version = 1\n", "version = 1\nout-of-band = \"refuse\"\n");
    let watched = "\n[[rule]]\nname = \"watched\"\nrefs = [\"refs/heads/**\"]\nforce-push = \"deny\"\n";
    world.set_policy(&format!("{strict}{AGENTS_EVERYWHERE}{watched}mode = \"{mode}\"\n"));
    std::fs::remove_file(world.server().join("hooks/pre-receive")).unwrap();
    world.install(&[]);
    for round in 0..3 {
        world.commit("a", &round.to_string(), "By hand\n");
        world.push(&["HEAD:refs/heads/main", &format!("HEAD:refs/heads/topic/{round}")]).accepted();
    }
    world.git(&["tag", "-a", "-m", "one", "v1"]);
    world.push(&["v1"]).accepted();
    world
}

#[test]
fn git_maintains_a_repository_that_refuses_moves_without_a_decision() {
    for mode in ["enforce", "warn", "observe"] {
        let world = refusing(mode);
        maintain(&world, mode);
        assert!(!world.server().join("refs/heads/main").exists(), "it is packed");
    }
}

/// In tables too, where upkeep moves no ref.
#[test]
fn git_maintains_tables_that_refuse_moves_without_a_decision() {
    for (mode, format) in [("enforce", "sha1"), ("observe", "sha256")] {
        let Some(world) = World::in_tables("", format) else { return };
        let world = refuse_without_a_decision(world, mode);
        maintain(&world, mode);
        for words in [["update-ref", "refs/heads/main", "main~1"], ["update-ref", "-d", "refs/heads/topic/1"]] {
            let mut moves = world.command("git", &world.server());
            moves.args(words);
            let output = world.run(moves, None);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!output.status.success() && said.contains("[ref-denied]"), "{said}");
        }
    }
}

fn maintain(world: &World, mode: &str) {
    let server = world.server();
    let refs = || world.git_in(&server, &["for-each-ref", "--format=%(refname) %(objectname)"]);
    let before = (refs(), kinds(world).len());
    for upkeep in [
        &["pack-refs", "--all"][..],
        &["pack-refs", "--all", "--no-prune"],
        &["gc", "--quiet"],
        &["gc", "--quiet", "--prune=now", "--aggressive"],
        &["maintenance", "run", "--task=pack-refs", "--task=gc"],
        &["maintenance", "run", "--auto"],
        &["reflog", "expire", "--all", "--expire=now", "--expire-unreachable=now"],
        &["prune", "--expire=now"],
        &["repack", "-adq"],
    ] {
        world.git_in(&server, upkeep);
        assert_eq!((refs(), kinds(world).len()), before, "{mode}: {upkeep:?}");
    }
    // Loose again, and then packed beside a value of before.
    world.commit("a", "more", "By hand\n");
    world.push(&["HEAD:refs/heads/main", ":refs/heads/topic/0"]).accepted();
    world.git_in(&server, &["-c", "gc.auto=1", "-c", "gc.autoDetach=false", "gc", "--auto", "--quiet"]);
    world.git_in(&server, &["pack-refs", "--all"]);
    assert!(!refs().contains("topic/0"));
    verified(world);
}

#[test]
fn a_deletion_is_no_upkeep() {
    let world = refusing("enforce");
    let server = world.server();
    let deletes = |name: &str| {
        let mut command = world.command("git", &server);
        command.args(["update-ref", "-d", name]);
        let output = world.run(command, None);
        assert!(!output.status.success(), "{name} was deleted");
        assert!(String::from_utf8_lossy(&output.stderr).contains("[ref-denied]"), "{output:?}");
    };
    deletes("refs/heads/main");
    // Packed and loose alike, as it is in the midst of a maintenance; and packed alone.
    world.git_in(&server, &["pack-refs", "--all", "--no-prune"]);
    assert!(server.join("refs/heads/main").exists());
    deletes("refs/heads/main");
    world.git_in(&server, &["pack-refs", "--all"]);
    deletes("refs/heads/main");
    assert_eq!(world.git_in(&server, &["rev-parse", "main"]), world.git(&["rev-parse", "HEAD"]));
}

/// Another process that works on the packed refs, or was killed over it.
#[test]
fn what_cannot_be_told_from_a_deletion_waits_and_is_then_refused() {
    let world = refusing("enforce");
    let server = world.server();
    world.git_in(&server, &["pack-refs", "--all", "--no-prune"]);
    std::fs::write(server.join("packed-refs.lock"), "").unwrap();
    let value = world.git_in(&server, &["rev-parse", "main"]);
    let words = |state: &str| {
        let mut command = world.command(server.join("hooks/reference-transaction").to_str().unwrap(), &server);
        command.arg(state).env("GIT_DIR", &server);
        let line = format!("{value} {} refs/heads/main\n", "0".repeat(40));
        world.run(command, Some(line.as_bytes()))
    };
    assert_eq!(words("prepared").status.code(), Some(1));
    std::fs::remove_file(server.join("packed-refs.lock")).unwrap();
    assert_eq!(words("prepared").status.code(), Some(0));
}

#[test]
fn a_push_that_another_hook_refuses_is_settled_later() {
    let world = World::new(AGENTS_EVERYWHERE);
    let theirs = world.server().join("hooks/pre-receive");
    world.write_executable(&theirs, "#!/bin/sh\nexit 1\n");
    world.install(&[]);
    world.commit("a", "1", "By hand\n");
    assert!(!world.push(&["HEAD:refs/heads/main"]).ok);
    world.write_executable(&world.server().join("hooks/pre-receive.before-countersign"), "#!/bin/sh\nexit 0\n");
    world.push(&["HEAD:refs/heads/main"]).accepted();
    assert_eq!(kinds(&world), ["opened", "decided", "aborted", "decided", "committed"]);
    // One of two refs fails in git itself, after the decision.
    world.git_in(&world.server(), &["config", "receive.denyDeletes", "true"]);
    let pushed = world.push(&["HEAD:refs/heads/new", ":refs/heads/main"]);
    assert!(!pushed.ok, "{}", pushed.said);
    assert_eq!(kinds(&world)[5..], ["decided", "committed", "aborted"]);
    verified(&world);
}

#[test]
fn eight_pushes_at_once_lose_nothing() {
    let world = installed(AGENTS_EVERYWHERE, &[]);
    world.commit("a", "0", "By hand\n");
    world.push(&["HEAD:refs/heads/main"]).accepted();
    std::thread::scope(|scope| {
        for number in 0..8 {
            let world = &world;
            scope.spawn(move || {
                for round in 0..3 {
                    let pushed = world.push(&[&format!("HEAD:refs/heads/{number}/{round}")]);
                    assert!(pushed.ok, "{}", pushed.said);
                }
            });
        }
    });
    let kinds = kinds(&world);
    for kind in ["decided", "committed"] {
        assert_eq!(kinds.iter().filter(|found| *found == kind).count(), 25, "{kind}: {kinds:?}");
    }
    assert_eq!(kinds.len(), 51, "{kinds:?}");
    verified(&world);
}

#[test]
fn a_ledger_that_does_not_verify_or_cannot_be_written_refuses() {
    let world = installed(AGENTS_EVERYWHERE, &[]);
    world.commit("a", "1", "By hand\n");
    world.push(&["HEAD:refs/heads/main"]).accepted();
    let log_file = world.ledger().join("log");
    let whole = std::fs::read(&log_file).unwrap();
    world.commit("a", "2", "By hand\n");
    let mut changed = whole.clone();
    let place = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 40;
    changed[place] ^= 1;
    for (bytes, why) in [(changed.as_slice(), "does not verify"), (&whole[..place - 40], "its end is gone"), (b"", "")]
    {
        std::fs::write(&log_file, bytes).unwrap();
        let pushed = world.push(&["HEAD:refs/heads/main"]);
        assert!(!pushed.ok && pushed.said.contains(why) && pushed.said.contains("hint:"), "{}", pushed.said);
        assert_ne!(log(&world, &["verify"]).1, Some(0), "{why}");
    }
    std::fs::write(&log_file, &whole).unwrap();
    // What a crash leaves of an entry is no obstacle, and is told.
    std::fs::write(&log_file, [whole.as_slice(), b"{\"entry\":{\"kind\":\"deci"].concat()).unwrap();
    let (said, code) = log(&world, &["verify"]);
    assert!(code == Some(1) && said.contains("what a crash left"), "{said}");
    world.push(&["HEAD:refs/heads/main"]).accepted();
    assert!(kinds(&world).contains(&"recovered".to_owned()));
    let key = world.ledger().join("key");
    std::fs::rename(&key, key.with_extension("gone")).unwrap();
    world.commit("a", "3", "By hand\n");
    let pushed = world.push(&["HEAD:refs/heads/main"]);
    assert!(!pushed.ok && pushed.said.contains("its key is gone"), "{}", pushed.said);
    std::fs::rename(key.with_extension("gone"), &key).unwrap();
    world.push(&["HEAD:refs/heads/main"]).accepted();
    verified(&world);
    let other = world.path("other.pub");
    std::fs::write(&other, CLAUDE.line()).unwrap();
    let (said, code) = log(&world, &["verify", "--key", other.to_str().unwrap()]);
    assert!(code == Some(1) && said.contains("another key"), "{said}");
}

/// The one ref of a ledger that is made by hand.
struct At(Option<Oid>);

impl CurrentRefs for At {
    fn packed_stamp(&self) -> Result<String, LedgerError> {
        Ok("none".to_owned())
    }
    fn loose(&self) -> Result<BTreeMap<Vec<u8>, Oid>, LedgerError> {
        Ok(BTreeMap::new())
    }
    fn each(&self, _: &mut dyn FnMut(&[u8], Oid)) -> Result<(), LedgerError> {
        Ok(())
    }
    fn value(&self, _: &[u8]) -> Result<Option<Oid>, LedgerError> {
        Ok(self.0)
    }
}

/// Makes the server's ledger as it would be if HEAD had landed on a branch, since deleted, at `then`.
fn received_at(world: &World, then: i64) {
    let head = Oid::parse(world.git(&["rev-parse", "HEAD"]).as_bytes()).unwrap();
    let raw = world.raw("commit", "HEAD");
    let message = raw.windows(2).position(|pair| pair == b"\n\n").map(|end| &raw[end + 2..]).unwrap();
    let digest = Digest::of(&parse_trailers(message).unwrap().blocks[0].claim.seal.signature);
    let name = RefName(b"refs/heads/gone".as_slice().into());
    let key = PrivateKey::from_seed(&[77; 32]).unwrap();
    let repository = RepositoryName::parse(REPOSITORY.as_bytes()).unwrap();
    let ledger = Ledger::create(&world.ledger(), &repository, key, Timestamp(then)).unwrap();
    let update = |old: Option<Oid>, new: Option<Oid>, work| UpdateRecord {
        name: name.clone(),
        old: old.map(CanonicalOid),
        new: new.map(CanonicalOid),
        commits: 1,
        outcome: Outcome::Accepted,
        findings: Vec::new(),
        left_out: None,
        approvals: Vec::new(),
        order: None,
        overrides: Vec::new(),
        work,
    };
    let work = Work {
        grant: Vec::new(),
        principal: "claude-code".into(),
        key: "SHA256:x".into(),
        commits: vec![(CanonicalOid(head), Sha256(digest))],
    };
    for (old, new, work) in [(None, Some(head), vec![work]), (Some(head), None, Vec::new())] {
        let attempt = Attempt {
            counted: Vec::new(),
            now: Timestamp(then),
            outcome: Outcome::Accepted,
            policy: None,
            submitter: None,
            error: None,
            freezes: None,
            updates: Box::new(vec![update(old, new, work)]),
            suspects: Vec::new(),
        };
        ledger.decide(attempt, &At(old)).unwrap();
        ledger
            .committed(
                Timestamp(then),
                &[(name.clone(), old.map(CanonicalOid), new.map(CanonicalOid))],
                Witness::PostReceive,
            )
            .unwrap();
    }
}

#[test]
fn work_received_in_time_stays_good_when_its_key_is_retired() {
    let world = World::new(AGENTS_EVERYWHERE);
    std::fs::remove_file(world.server().join("hooks/pre-receive")).unwrap();
    world.commit("a", "1", MARKED);
    world.seal_head(CLAUDE);
    received_at(&world, 1_600_000_000); // 2020-09-13
    let retired = |day: &str| {
        let fingerprint = CLAUDE.key().public().fingerprint().to_string();
        let more = format!("[retired]\nkeys = {{ \"{fingerprint}\" = {day} }}\n");
        world.set_policy(&format!("{}{more}{AGENTS_EVERYWHERE}", registry()));
    };
    retired("2020-09-12");
    world.install(&[]);
    world.push(&["HEAD:refs/heads/main"]).refused("agent-revoked");
    retired("2020-09-13");
    world.push(&["HEAD:refs/heads/main"]).accepted();
    world.commit("a", "2", MARKED);
    world.seal_head(CLAUDE);
    world.push(&["HEAD:refs/heads/main"]).refused("agent-revoked");
    verified(&world);
}

#[test]
fn work_received_before_the_review_date_stays_good() {
    let world = World::new(AGENTS_EVERYWHERE);
    std::fs::remove_file(world.server().join("hooks/pre-receive")).unwrap();
    world.commit("a", "1", MARKED);
    world.seal_head(CLAUDE);
    received_at(&world, 1_600_000_000);
    let reviewed = |day: &str| {
        let line = format!("[agents.claude-code]\nreview-by = {day}\n");
        world.set_policy(&format!("{}{AGENTS_EVERYWHERE}", registry().replace("[agents.claude-code]\n", &line)));
    };
    reviewed("2020-09-12");
    world.install(&[]);
    world.push(&["HEAD:refs/heads/main"]).refused("agent-suspended");
    reviewed("2020-09-13");
    world.push(&["HEAD:refs/heads/main"]).accepted();
    world.commit("a", "2", MARKED);
    world.seal_head(CLAUDE);
    world.push(&["HEAD:refs/heads/main"]).refused("agent-suspended");
}

#[test]
fn observing_refuses_nothing_and_tells_what_it_would_have() {
    let world = World::new(AGENTS_EVERYWHERE);
    std::fs::remove_file(world.server().join("hooks/pre-receive")).unwrap();
    world.install(&["--observe"]);
    world.commit("a", "1", "By hand\n");
    world.push(&["HEAD:refs/heads/main"]).accepted();
    world.commit("a", "2", MARKED);
    let pushed = world.push(&["HEAD:refs/heads/main"]);
    pushed.accepted();
    assert!(!pushed.said.contains("countersign"), "it is silent: {}", pushed.said);
    // A commit that has no reading, and a tree that git itself would not make.
    let raw = String::from_utf8(world.raw("commit", "HEAD")).unwrap();
    let broken = world.store("commit", raw.replacen("author ", "author X <x@x> 0 +0000\nauthor ", 1).as_bytes());
    world.push(&[&format!("{broken}:refs/heads/broken")]).accepted();
    std::fs::write(world.policy_path(), b"\xff not a policy").unwrap();
    world.commit("a", "3", MARKED);
    world.push(&["HEAD:refs/heads/main"]).accepted();
    std::fs::remove_file(world.policy_path()).unwrap();
    world.push(&["HEAD:refs/heads/again"]).accepted();
    let (said, code) = log(&world, &["show", "--would-refuse"]);
    assert_eq!(code, Some(0));
    for expected in [
        "4 of 5 accepted pushes would have been refused",
        "all (policy.toml:",
        "unsealed-agent-commit",
        "malformed-commit",
        "undecided",
        "claude-code",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    let (json, _) = log(&world, &["show", "--would-refuse", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["would_refuse"], &json["repository"]), (&4.into(), &REPOSITORY.into()));
    verified(&world);
    // Without its ledger it still refuses nothing.
    std::fs::remove_dir_all(world.ledger()).unwrap();
    world.push(&["HEAD:refs/heads/without"]).accepted();
}

#[test]
fn rules_that_observe_are_summed_up_too() {
    let world = installed(&AGENTS_EVERYWHERE.replace("identity", "mode = \"observe\"\nidentity"), &[]);
    world.commit("a", "1", MARKED);
    let pushed = world.push(&["HEAD:refs/heads/main"]);
    pushed.accepted();
    assert!(!pushed.said.contains("countersign"), "{}", pushed.said);
    let (said, _) = log(&world, &["show", "--would-refuse"]);
    assert!(said.contains("1 of 1 accepted pushes would have been refused"), "{said}");
}

/// However many findings a push has, the sum is of all of them.
#[test]
fn what_enforcing_would_refuse_is_summed_up_to_the_last_finding() {
    let rules = "[[rule]]\nname = \"sealed\"\nrefs = [\"refs/heads/**\"]\nidentity = \"agents\"\nmode = \"observe\"\n\
        [[rule]]\nname = \"signed\"\nrefs = [\"refs/heads/main\"]\nidentity = \"everyone\"\nmode = \"warn\"\n";
    let world = installed(rules, &[]);
    let tree = world.git(&["write-tree"]);
    let mut head = String::new();
    for number in 0..1_300 {
        let message = if number % 2 == 0 { MARKED } else { "By hand\n" };
        let parent = if head.is_empty() { String::new() } else { format!("parent {head}\n") };
        let who = "Alice <alice@acme.dev> 1700000000 +0000";
        let raw = format!("tree {tree}\n{parent}author {who}\ncommitter {who}\n\n{number} {message}");
        head = world.store("commit", raw.as_bytes());
    }
    world.push(&[&format!("{head}:refs/heads/main"), &format!("{head}:refs/heads/other")]).accepted();
    let (said, _) = log(&world, &["show", "--would-refuse"]);
    assert!(!said.contains("at least") && !said.contains("not listed"), "{said}");
    let (json, _) = log(&world, &["show", "--would-refuse", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    // Agents' commits under both rules on main and under one elsewhere, and the others where everyone signs.
    assert_eq!(json["by_code"], serde_json::json!({ "unsealed-agent-commit": 1950, "unsigned-commit": 650 }), "{said}");
    let sum = |key: &str| json[key].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum::<u64>();
    assert_eq!((sum("by_rule"), sum("by_who")), (2600, 2600), "{said}");
    let (said, _) = log(&world, &["show"]);
    assert!(said.contains("more findings: "), "{said}");
    verified(&world);
}

#[test]
fn a_repository_of_sha256_has_a_ledger_too() {
    let world = World::with(&format!("{}{AGENTS_EVERYWHERE}", registry()), "sha256");
    std::fs::remove_file(world.server().join("hooks/pre-receive")).unwrap();
    world.install(&["--reference-transaction"]);
    world.commit("a", "1", MARKED);
    world.seal_head(CLAUDE);
    world.push(&["HEAD:refs/heads/main", "HEAD:refs/heads/b"]).accepted();
    world.push(&[":refs/heads/b"]).accepted();
    world.git_in(&world.server(), &["gc", "-q"]);
    world.commit("a", "2", "By hand\n");
    assert!(!world.push(&["HEAD:refs/heads/main"]).said.contains("moved from"));
    assert_eq!(kinds(&world), ["opened", "decided", "committed", "decided", "committed", "decided", "committed"]);
    verified(&world);
}

#[test]
fn a_repository_with_refs_starts_from_them() {
    let world = World::new("");
    world.commit("a", "1", MARKED);
    for number in 0..300 {
        world.git(&["update-ref", &format!("refs/heads/old/{number}"), "HEAD"]);
    }
    world.push(&["refs/heads/old/*:refs/heads/old/*"]).accepted();
    std::fs::remove_file(world.server().join("hooks/pre-receive")).unwrap();
    world.install(&[]);
    assert_eq!(kinds(&world), ["opened", "refs"]);
    verified(&world);
    world.git_in(&world.server(), &["pack-refs", "--all"]);
    world.commit("a", "2", "By hand\n");
    assert!(!world.push(&["HEAD:refs/heads/main"]).said.contains("moved from"));
    world.git_in(&world.server(), &["update-ref", "-d", "refs/heads/old/17"]);
    world.commit("a", "3", "By hand\n");
    let said = world.push(&["HEAD:refs/heads/main"]).said;
    assert!(said.contains("refs/heads/old/17 moved from"), "{said}");
    verified(&world);
}

#[test]
fn what_is_left_of_a_ledger_is_not_made_anew() {
    let world = installed(AGENTS_EVERYWHERE, &[]);
    world.commit("a", "1", "By hand\n");
    world.push(&["HEAD:refs/heads/main"]).accepted();
    let directory = world.ledger();
    for file in ["log", "key"] {
        let aside = world.path(file);
        std::fs::rename(directory.join(file), &aside).unwrap();
        let pushed = world.push(&["HEAD:refs/heads/other"]);
        assert!(!pushed.ok && pushed.said.contains(&format!("its {file} is gone")), "{}", pushed.said);
        assert!(pushed.said.contains("restores the ledger from a backup"), "{}", pushed.said);
        let (server, policy) = (world.server().display().to_string(), world.policy_path().display().to_string());
        let again = world.countersign(&["install", "--server", &server, "--policy", &policy]);
        assert_eq!(again.status.code(), Some(2), "{}", String::from_utf8_lossy(&again.stdout));
        assert!(!directory.join(file).exists());
        std::fs::rename(aside, directory.join(file)).unwrap();
    }
    world.push(&["HEAD:refs/heads/other"]).accepted();
    // As the hint says: moved aside, a new one begins.
    std::fs::rename(directory.join("log"), world.path("lost")).unwrap();
    std::fs::rename(&directory, world.path("evidence")).unwrap();
    world.install(&["--baseline"]);
    world.push(&["HEAD:refs/heads/third"]).accepted();
    verified(&world);
}
