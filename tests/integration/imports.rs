//! Histories that are longer than what is known of commits at once: decided as short ones are, and recorded whole.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use countersign::core::digest::Digest;
use countersign::core::id::{Id, RepositoryName};
use countersign::core::seal::{self, BlockHead, Payload, Root, SealValue};

use crate::world::{AGENTS_EVERYWHERE, CLAUDE, REPOSITORY, World};

/// More commits than facts are kept of.
const COMMITS: usize = 16_000;

/// Each commit of so many is an agent's, and sealed.
const SEALED: usize = 100;

const AUTHOR: &str = "Alice Ng <alice@acme.dev> 1700000000 +0000";

/// Main with a long history of commits that change nothing, but for what `more` makes of the message and the files of one.
fn history(world: &World, more: impl Fn(usize) -> Option<(String, String)>) {
    let mut stream = String::new();
    for number in 0..COMMITS {
        let (message, files) = more(number).unwrap_or_else(|| {
            let plain = format!("Work {number}\n");
            (if number % SEALED == 0 { sealed(&plain, number) } else { plain }, String::new())
        });
        writeln!(stream, "commit refs/heads/main\nmark :{}\nauthor {AUTHOR}", number + 1).unwrap();
        writeln!(stream, "committer {AUTHOR}\ndata {}\n{message}{files}", message.len()).unwrap();
    }
    world.git_with(&["fast-import", "--quiet", "--force"], stream.as_bytes());
}

/// A message with claude-code's seal over a commit that changes nothing.
fn sealed(message: &str, number: usize) -> String {
    let agent = Id::parse(CLAUDE.id.as_bytes()).unwrap();
    let head = BlockHead { agent: &agent, role: None, model: None, session: None, task: None }.to_text();
    let above = format!("{message}\n{head}");
    let change = Digest::of(b"countersign-change-v1\0");
    let payload = Payload {
        repository: &RepositoryName::parse(REPOSITORY.as_bytes()).unwrap(),
        agent: &agent,
        role: None,
        change,
        author: AUTHOR.as_bytes(),
        merges: &[],
        root: if number == 0 { Root::Yes } else { Root::No },
        message: Digest::of(above.as_bytes()),
    };
    let signature = CLAUDE.key().sign(seal::NAMESPACE, &payload.to_bytes());
    let value = SealValue { change, message: Digest::of(above.as_bytes()), signature };
    format!("{above}{}", seal::seal_line(&value))
}

/// A world whose server was protected with the one command.
fn installed(rules: &str) -> World {
    let world = World::new(rules);
    std::fs::remove_file(world.server().join("hooks/pre-receive")).unwrap();
    world.install(&["--deadline", "600"]);
    world
}

/// The commits with what is received on `name`, as often as the ledger says so; and the bytes of its longest line.
fn received(world: &World, name: &str) -> (Vec<String>, usize) {
    let server = world.server().display().to_string();
    let output = world.countersign(&["log", "show", "--format", "json", "--server", &server]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut commits = Vec::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let updates = line["entry"]["updates"].as_array().into_iter().flatten();
        for update in updates.filter(|update| update["ref"] == name && update["outcome"] == "accepted") {
            let work = update["work"].as_array().into_iter().flatten();
            let of = |work: &serde_json::Value| work["commits"].as_array().cloned().unwrap_or_default();
            commits.extend(work.flat_map(of).map(|pair| pair[0].as_str().unwrap().to_owned()));
        }
    }
    let log = std::fs::read_to_string(world.ledger().join("log")).unwrap();
    (commits, log.lines().map(str::len).max().unwrap_or(0))
}

#[test]
fn a_long_history_is_decided_and_recorded_whole() {
    let world = installed(AGENTS_EVERYWHERE);
    history(&world, |_| None);
    // Tags of the same history come for nothing more than their own commits.
    for (tag, back) in [("v1", 10_000), ("v2", 5_000), ("v3", 0)] {
        world.git(&["tag", tag, &format!("main~{back}")]);
    }
    let before: BTreeSet<_> = files(&world);
    world.push(&["main", "v1", "v2", "v3"]).accepted();
    let (commits, longest) = received(&world, "refs/heads/main");
    let sealed: BTreeSet<String> =
        world.git(&["log", "--format=%H", "--grep=^Countersign-Seal:", "main"]).lines().map(str::to_owned).collect();
    assert_eq!((commits.len(), sealed.len()), (COMMITS / SEALED, COMMITS / SEALED));
    assert_eq!(commits.into_iter().collect::<BTreeSet<_>>(), sealed);
    assert!(longest < 1 << 20, "{longest}");
    let server = world.server().display().to_string();
    assert!(world.countersign(&["log", "verify", "--server", &server]).status.success());
    // What was kept until it was recorded had no name.
    let known = ["receipts-", "refs", "seen.", "offsets", "state", "log", "key", "lock", "compacting", "approvals"];
    for file in files(&world).difference(&before) {
        assert!(known.iter().any(|start| file.starts_with(start)), "{file}");
    }
    // What comes next is a push like any other.
    world.git(&["checkout", "-q", "main"]);
    world.commit("file", "1", "Work\n\nCo-Authored-By: Claude <noreply@anthropic.com>\n");
    world.push(&["main"]).refused("unsealed-agent-commit");
    world.seal_head(CLAUDE);
    world.push(&["main"]).accepted();
    // And so is a history on top of what is there.
    world.push(&["--force", "main~14000:refs/heads/other"]).accepted();
    world.push(&["main:refs/heads/other"]).accepted();
}

fn files(world: &World) -> BTreeSet<String> {
    let names = std::fs::read_dir(world.ledger()).unwrap();
    names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn one_commit_of_a_long_history_refuses_it() {
    let world = installed(AGENTS_EVERYWHERE);
    for place in [5, COMMITS / 2, COMMITS - 1] {
        let marked = "Work\n\nCo-Authored-By: Claude <noreply@anthropic.com>\n".to_owned();
        history(&world, |number| (number == place).then(|| (marked.clone(), String::new())));
        let id = world.git(&["rev-parse", "--short=7", &format!("main~{}", COMMITS - 1 - place)]);
        let pushed = world.push(&["main"]);
        pushed.refused("unsealed-agent-commit");
        assert!(pushed.said.contains(&id) && pushed.said.contains("1 finding in 16000 commits"), "{}", pushed.said);
    }
    assert_eq!(received(&world, "refs/heads/main").0, Vec::<String>::new());
}

/// People sign what touches the pipeline.
const PIPELINE: &str = r#"
[paths]
pipeline = ["ci/**"]

[[rule]]
name = "pipeline"
refs = ["refs/heads/**"]
paths = ["pipeline"]
identity = "everyone"
"#;

#[test]
fn a_rule_with_paths_looks_at_a_long_history() {
    let world = installed(&format!("{AGENTS_EVERYWHERE}{PIPELINE}"));
    let touches = |path: &'static str| {
        move |number: usize| {
            let file = format!("M 644 inline {path}\ndata 1\nx\n");
            (number == COMMITS - 1).then(|| ("Work\n".to_owned(), file))
        }
    };
    history(&world, touches("ci/build"));
    let pushed = world.push(&["main"]);
    pushed.refused("unsigned-commit");
    assert!(pushed.said.contains("ci/build"), "{}", pushed.said);
    history(&world, touches("doc/build"));
    world.push(&["main"]).accepted();
}

/// Bob approves what agents do.
const APPROVED: &str = r#"
[[rule]]
name = "main"
refs = ["refs/heads/main"]
identity = "agents"
force-push = "deny"
delete = "deny"

[rule.approvals]
from = ["bob"]
"#;

#[test]
fn approvals_are_not_counted_among_so_many_commits() {
    let world = installed(APPROVED);
    history(&world, |_| None);
    let pushed = world.push(&["main"]);
    pushed.refused("limit-exceeded");
    // Where nobody has to approve anything, nothing has to be counted.
    history(&world, |number| Some((format!("Work {number}\n"), String::new())));
    world.push(&["main"]).accepted();
}

#[test]
fn a_head_that_leads_nowhere_makes_no_history_new() {
    for head in ["refs/heads/main", "refs/heads/none"] {
        let world = installed(AGENTS_EVERYWHERE);
        world.git_in(&world.server(), &["symbolic-ref", "HEAD", head]);
        (0..5).for_each(|number| drop(world.commit("file", &number.to_string(), "Work\n")));
        world.push(&["HEAD:refs/heads/trunk"]).accepted();
        world.commit("file", "new", "Work\n");
        world.push(&["HEAD:refs/heads/topic", "HEAD~1:refs/heads/other"]).accepted();
        assert_eq!(judged(&world, "refs/heads/trunk"), [5]);
        assert_eq!((judged(&world, "refs/heads/topic"), judged(&world, "refs/heads/other")), (vec![1], vec![0]));
    }
}

/// How many commits were judged in each decision on a ref.
fn judged(world: &World, name: &str) -> Vec<u64> {
    let server = world.server().display().to_string();
    let output = world.countersign(&["log", "show", "--format", "json", "--server", &server]);
    let lines = String::from_utf8(output.stdout).unwrap();
    let entries = lines.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let updates = entries.flat_map(|line| line["entry"]["updates"].as_array().cloned().unwrap_or_default());
    updates.filter(|update| update["ref"] == name).map(|update| update["commits"].as_u64().unwrap()).collect()
}
