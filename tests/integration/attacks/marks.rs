//! An agent's work that hides its marks from the gate and not from git, and what people write that only looks like a mark.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::attacks::{EVERYONE, MARKED};
use crate::world::{AGENTS_EVERYWHERE, ALICE, CLAUDE, World, registry};

impl World {
    /// Makes HEAD a commit with these headers and more of them, and this message.
    fn say(&self, headers: &str, more: &str, message: &[u8]) {
        let commit = self.store("commit", &[headers.as_bytes(), more.as_bytes(), b"\n\n", message].concat());
        self.git(&["reset", "-q", "--soft", &commit]);
    }

    /// A base on main, and the headers of a commit after it.
    fn work(&self) -> String {
        self.commit("file", "1", "Base\n");
        self.push_main().accepted();
        self.commit("file", "2", "Work\n");
        self.head().0
    }

    /// What git reads as the value of a trailer of HEAD, on one line.
    fn trailer(&self, key: &str) -> String {
        self.git(&["log", "-1", &format!("--format=%(trailers:key={key},unfold,valueonly)")])
    }
}

/// Each way to write a trailer is one that git reads; each twin is one that git does not.
#[test]
fn what_git_reads_as_a_trailer_is_found_however_it_is_written() {
    let world = World::new(AGENTS_EVERYWHERE);
    let headers = world.work();
    let padded = format!("Co-authored-by: Claude{}<noreply@anthropic.com>", " ".repeat(4096));
    for (position, written) in [
        "Co-authored-by: Claude <noreply@anthropic.com>",
        "Co-authored-by : Claude <noreply@anthropic.com>",
        "Co-authored-by \t: Claude <noreply@anthropic.com>",
        "Co-authored-by:Claude <noreply@anthropic.com>",
        "Co-authored-by: Claude\n <noreply@anthropic.com>",
        "Co-authored-by: Claude\n\t<noreply@anthropic.com>\n more",
        "Co-authored-by: Claude\n\r<noreply@anthropic.com>",
        "Co-authored-by: Claude < noreply@anthropic.com>",
        "Co-authored-by: Claude <noreply@anthropic.com\t>",
        "cO-aUTHORED-bY: Claude <NoReply@Anthropic.COM>",
        &padded,
    ]
    .into_iter()
    .enumerate()
    {
        world.say(&headers, "", format!("Work\n\n{written}\nSigned-off-by: A <a@x.dev>\n").as_bytes());
        let value = world.trailer("Co-authored-by").to_lowercase();
        let value: String = value.chars().filter(|character| !character.is_ascii_whitespace()).collect();
        assert!(value.contains("<noreply@anthropic.com>"), "git reads {value:?} in {written:?}");
        world.push(&[&format!("HEAD:refs/heads/attack-{position}")]).refused("unsealed-agent-commit");
    }
    for (position, prose) in [
        "Co authored-by: Claude <noreply@anthropic.com>",
        "Co-authored-by Claude: <noreply@anthropic.com>",
        "> Co-authored-by: Claude <noreply@anthropic.com>",
        "- Co-authored-by: Claude <noreply@anthropic.com>",
        "Co-authored-by: Ann <ann@anthropic.com>\n<noreply@anthropic.com>",
    ]
    .into_iter()
    .enumerate()
    {
        world.say(&headers, "", format!("Work\n\n{prose}\nSigned-off-by: A <a@x.dev>\n").as_bytes());
        assert!(!world.trailer("Co-authored-by").contains("<noreply@anthropic.com>"), "{prose:?}");
        world.push(&[&format!("HEAD:refs/heads/twin-{position}")]).accepted();
    }
}

#[test]
fn a_mark_anywhere_in_a_long_message_is_found() {
    let world = World::new(AGENTS_EVERYWHERE);
    let headers = world.work();
    let (lines, mark) = ("some words\n".repeat(40_000), "Co-authored-by: Claude <noreply@anthropic.com>\n");
    for (position, message) in [
        format!("Work\n\n{lines}\n{mark}\n{lines}"),
        format!("Work\n\n{}\r{mark}", "x".repeat(400_000)),
        format!("Work\n\n{} https://claude.ai/code/session_0 {}\n", "x".repeat(400_000), "y".repeat(400_000)),
    ]
    .into_iter()
    .enumerate()
    {
        world.say(&headers, "", message.as_bytes());
        world.push(&[&format!("HEAD:refs/heads/attack-{position}")]).refused("unsealed-agent-commit");
        world.say(
            &headers,
            "",
            message.replace("anthropic.com", "acme.dev").replace("claude.ai", "acme.dev").as_bytes(),
        );
        world.push(&[&format!("HEAD:refs/heads/twin-{position}")]).accepted();
    }
}

/// Encodings under the names that git takes, with a word in each: what git shows is what was meant.
const ENCODED: [(&str, &[u8], &str); 9] = [
    ("cp1251", b"\xcf\xf0\xe8\xe2\xe5\xf2", "\u{41f}\u{440}\u{438}\u{432}\u{435}\u{442}"),
    ("ISO-8859-5", b"\xbf\xe0\xd8\xd2\xd5\xe2", "\u{41f}\u{440}\u{438}\u{432}\u{435}\u{442}"),
    ("latin-1", b"f\xfcr", "f\u{fc}r"),
    ("ISO8859-1", b"f\xfcr", "f\u{fc}r"),
    ("EUC-JP", b"\xc3\xe6", "\u{4e2d}"),
    ("GBK", b"\xd6\xd0", "\u{4e2d}"),
    ("Shift_JIS", b"\x92\x86", "\u{4e2d}"),
    ("utf8", b"\xe4\xb8\xad", "\u{4e2d}"),
    ("UTF-8", b"\xe4\xb8\xad", "\u{4e2d}"),
];

#[test]
fn a_message_in_another_encoding_shows_its_marks() {
    let world = World::new(AGENTS_EVERYWHERE);
    let headers = world.work();
    for (position, (encoding, bytes, word)) in ENCODED.into_iter().enumerate() {
        let header = format!("\nencoding {encoding}");
        let say = |trailer: &[u8]| world.say(&headers, &header, &[bytes, b"\n\n", trailer, b"\n"].concat());
        say(b"Co-authored-by: Claude <noreply@anthropic.com>");
        assert_eq!(world.git(&["-c", "i18n.logOutputEncoding=UTF-8", "log", "-1", "--format=%s"]), word, "{encoding}");
        world.push(&[&format!("HEAD:refs/heads/attack-{position}")]).refused("unsealed-agent-commit");
        say(b"Signed-off-by: Ann <ann@acme.dev>");
        world.push(&[&format!("HEAD:refs/heads/twin-{position}")]).accepted();
    }
}

/// In UTF-7 `+AEMAbw-` is `Co`: git shows a trailer that no byte of the message spells.
#[test]
fn a_message_that_nobody_can_read_is_refused_where_marks_count() {
    let hidden = b"Work\n\n+AEMAbw--authored-by: Claude +ADw-noreply+AEA-anthropic.com+AD4-\n";
    for rules in [AGENTS_EVERYWHERE, EVERYONE] {
        let world = World::new(&rules.replace("refs/tags/**", "refs/tags/v*"));
        world.commit("file", "1", "Base\n");
        world.sign_head(ALICE);
        world.push_main().accepted();
        world.commit("file", "2", "Work\n");
        let (headers, _) = world.head();
        for encoding in ["UTF-7", "utf-16", "UCS-4", "IBM037", "no such"] {
            world.say(&headers, &format!("\nencoding {encoding}"), hidden);
            let pushed = world.push_main();
            pushed.refused("malformed-commit");
            assert!(pushed.said.contains("--baseline"), "{}", pushed.said);
        }
    }
    let world = World::new(&format!("{AGENTS_EVERYWHERE}marks = \"ignore\"\n"));
    let headers = world.work();
    world.say(&headers, "\nencoding UTF-7", hidden);
    world.push_main().accepted();
}

/// The two ways that the hint names: the commit made again by git, and history that an admin has fetched and exempts.
#[test]
fn what_nobody_can_read_is_made_again_or_exempted() {
    let world = World::new(AGENTS_EVERYWHERE);
    let headers = world.work();
    world.say(&headers, "\nencoding X-UNKNOWN", b"Work\n");
    let old = world.git(&["rev-parse", "HEAD"]);
    world.push_main().refused("malformed-commit");
    world.git(&["-c", "i18n.commitEncoding=UTF-8", "commit", "-q", "--amend", "--no-edit"]);
    assert!(!world.head().0.contains("encoding"));
    world.push_main().accepted();

    world.git(&["reset", "-q", "--hard", &old]);
    world.push(&["HEAD:refs/heads/imported"]).refused("malformed-commit");
    let clone = world.clone_dir();
    world.git_in(&world.server(), &["fetch", "-q", clone.to_str().unwrap(), &format!("{old}:refs/imports/old")]);
    world.set_policy(&format!("{}{AGENTS_EVERYWHERE}since = [\"{old}\"]\n", registry()));
    world.push(&["HEAD:refs/heads/imported"]).accepted();
}

/// `git merge --squash` of an agent's sealed commits by a person, as git does it.
#[test]
fn a_squash_of_sealed_commits_is_agents_work() {
    for rules in [AGENTS_EVERYWHERE, EVERYONE] {
        let world = World::new(rules);
        world.commit("file", "1", "Base\n");
        world.sign_head(ALICE);
        world.push_main().accepted();
        world.git(&["checkout", "-q", "-b", "work"]);
        for content in ["2", "3"] {
            world.commit("file", content, "Work\n\nWhy.\n");
            world.seal_head(CLAUDE);
        }
        world.push(&["HEAD:refs/heads/work"]).accepted();
        let squash = |message: Option<&str>| {
            world.git(&["checkout", "-q", "-B", "main", "origin/main"]);
            world.git(&["merge", "-q", "--squash", "work"]);
            match message {
                None => world.git(&["commit", "-q", "--no-edit"]),
                Some(message) => world.git(&["commit", "-q", "-m", message]),
            };
        };
        squash(None);
        let (_, message) = world.head();
        assert!(message.contains("\n    Countersign-Agent: claude-code\n    Countersign-Seal: v1 "), "{message}");
        world.sign_head(ALICE);
        let pushed = world.push_main();
        pushed.refused("unsealed-agent-commit");
        assert!(pushed.said.contains("Countersign-Agent: claude-code"), "{}", pushed.said);
        // Adopted, and sealed by the agent, it passes.
        squash(None);
        world.reword(&format!("{}\n\nCountersign-Drafted: claude-code\n", message.trim_end()));
        world.sign_head(ALICE);
        world.push(&["HEAD:refs/heads/adopted"]).accepted();
        squash(None);
        world.seal_head(CLAUDE);
        world.push(&["HEAD:refs/heads/sealed"]).accepted();
        // Anything less than a block is prose: what a person writes about seals.
        for prose in [
            "Explain seals\n\n    Countersign-Agent: claude-code\n\nopens a block.",
            "Explain seals\n\n    Countersign-Agent: claude-code\n    Countersign-Seal: v1 <change> <message> U1NI\n\nis one.",
        ] {
            squash(Some(prose));
            world.sign_head(ALICE);
            world.push(&["+HEAD:refs/heads/prose"]).accepted();
        }
    }
}

#[test]
fn what_a_person_says_no_to_is_no_mark() {
    let world = World::new(AGENTS_EVERYWHERE);
    let headers = world.work();
    for (position, line) in [
        "AI-Assisted: no",
        "AI-assisted: None",
        "AI-Assisted: N/A",
        "Claude-Session: none",
        "AI-Assisted: tool=x; agent-mode=no",
        "AI-assisted: some tool",
        "Assisted-by: Bob Roe <bob@acme.dev>",
        "aider: said so in the middle of a message",
    ]
    .into_iter()
    .enumerate()
    {
        world.say(&headers, "", format!("Work\n\n{line}\n").as_bytes());
        world.push(&[&format!("HEAD:refs/heads/twin-{position}")]).accepted();
    }
    for (position, message) in ["Work\n\nClaude-Session: none-1\n", "aider: Work\n", MARKED].into_iter().enumerate() {
        world.say(&headers, "", message.as_bytes());
        world.push(&[&format!("HEAD:refs/heads/attack-{position}")]).refused("unsealed-agent-commit");
    }
    world.set_policy(&format!("{}{AGENTS_EVERYWHERE}marks = \"any\"\n", registry()));
    for (position, line) in
        ["AI-assisted: some tool", "Assisted-by: Claude:opus", "Assisted-by: gemini"].into_iter().enumerate()
    {
        world.say(&headers, "", format!("Under any\n\n{line}\n").as_bytes());
        world.push(&[&format!("HEAD:refs/heads/any-{position}")]).refused("unsealed-agent-commit");
    }
    world.say(&headers, "", b"Work\n\nAssisted-by: Bob Roe <bob@acme.dev>\nAI-Assisted: no\n");
    world.push(&["HEAD:refs/heads/any-twin"]).accepted();
}

const OURS: &[u8] = b"Work\n\nAcme-Bot: 7\n";

/// A day before today, as a policy writes it.
fn days_ago(days: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() - Duration::from_secs(days * 86_400);
    let seconds = i64::try_from(now.as_secs()).unwrap();
    jiff::tz::TimeZone::UTC.to_datetime(jiff::Timestamp::from_second(seconds).unwrap()).date().to_string()
}

#[test]
fn a_policy_adds_marks_of_its_own_and_says_what_is_new_to_it() {
    let world = World::new(AGENTS_EVERYWHERE);
    let headers = world.work();
    world.say(&headers, "", OURS);
    world.push(&["HEAD:refs/heads/before"]).accepted();
    let with = |top: &str, rows: &str| {
        let text = registry().replace("version = 1\n", &format!("version = 1\n{top}\n"));
        world.set_policy(&format!("{text}{AGENTS_EVERYWHERE}"));
        std::fs::write(world.path("marks.tsv"), rows).unwrap();
    };
    let row = |day: &str| format!("trailer\t^acme-bot:\\s*\\S\tacme-bot\tours\t{day}\n");
    let file = "marks-file = \"marks.tsv\"";
    with(file, "trailer\t^acme-bot:\\s*\\S\tacme-bot\n");
    world.say(&headers, "", b"Work \n\nAcme-Bot: 7\n");
    world.push_main().refused("unsealed-agent-commit");
    // Until its month is over, a row that came after the policy's day warns.
    with(&format!("{file}\nmarks-date = {}", days_ago(60)), &row(&days_ago(2)));
    let pushed = world.push(&["HEAD:refs/heads/new"]);
    pushed.accepted();
    assert!(
        pushed.said.contains("warning: [unsealed-agent-commit]") && pushed.said.contains("counts from"),
        "{}",
        pushed.said
    );
    for (top, day) in [
        (format!("{file}\nmarks-date = {}", days_ago(60)), days_ago(40)),
        (format!("{file}\nmarks-date = {}", days_ago(1)), days_ago(2)),
        (file.to_owned(), days_ago(2)),
    ] {
        with(&top, &row(&day));
        world.say(&headers, "", format!("Work\n\nAcme-Bot: {top} {day}\n").replace('"', "").as_bytes());
        world.push_main().refused("unsealed-agent-commit");
    }
    // A policy that cannot be read decides nothing, and the line says why.
    with(file, "# ours\ntrailer\t(\tacme-bot\n");
    let pushed = world.push_main();
    assert!(!pushed.ok && pushed.said.contains("marks.tsv:2: the pattern does not compile"), "{}", pushed.said);
}

/// The rows of a policy in the repository are read from its own tree, and nobody changes them alone.
#[test]
fn rows_of_a_policy_in_the_repository_come_from_its_tree() {
    let rules = r#"
[[rule]]
name = "all"
refs = ["refs/heads/**"]
identity = "agents"

[[rule]]
name = "policy"
refs = ["refs/heads/main"]
identity = "everyone"
force-push = "deny"
delete = "deny"
[rule.approvals]
for = "everyone"
from = ["alice"]
"#;
    let world = World::new("");
    let policy = registry().replace("version = 1\n", "version = 1\nmarks-file = \"rows/marks.tsv\"\n") + rules;
    world.commit(".countersign/rows/marks.tsv", "trailer\t^acme-bot:\\s*\\S\tacme-bot\n", "Rows\n");
    world.commit(".countersign/policy.toml", &policy, "Policy\n");
    let clone = world.clone_dir();
    world.git_in(&world.server(), &["fetch", "-q", clone.to_str().unwrap(), "HEAD:refs/heads/main"]);
    let (server, place) = (world.server().display().to_string(), "ref:refs/heads/main:.countersign/policy.toml");
    let output = world.countersign(&["install", "--server", &server, "--policy", place]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    world.commit("file", "1", "Work\n");
    let (headers, _) = world.head();
    world.push(&["HEAD:refs/heads/twin"]).accepted();
    world.say(&headers, "", OURS);
    world.push(&["HEAD:refs/heads/attack"]).refused("unsealed-agent-commit");
    // Broken rows would leave the ref without a policy, and weaker ones need the approval that the policy asks for.
    world.back_to_main();
    world.commit(".countersign/rows/marks.tsv", "trailer\t(\tacme-bot\n", "Break it\n");
    let pushed = world.push_main();
    pushed.refused("policy-invalid");
    assert!(pushed.said.contains(".countersign/rows/marks.tsv:1"), "{}", pushed.said);
    world.back_to_main();
    world.commit(".countersign/rows/marks.tsv", "# none\n", "Weaken it\n");
    world.push_main().refused("approval-missing");
}

#[test]
fn a_mark_is_quoted_once_and_as_it_stands() {
    let world = World::new(AGENTS_EVERYWHERE);
    let headers = world.work();
    let footer = "\u{1f916} Generated with [Claude Code](https://claude.com/claude-code) \u{202e}\\ \"x\"";
    world.say(&headers, "", format!("Work\n\n{footer}\n").as_bytes());
    let pushed = world.push_main();
    pushed.refused("unsealed-agent-commit");
    let shown = "(\"\\u{1f916} Generated with [Claude Code](https://claude.com/claude-code) \\u{202e}\\\\ \"x\"\")";
    assert!(pushed.said.contains(shown), "{}", pushed.said);
    let policy = world.policy_path().display().to_string();
    let output = world.countersign(&["check", "--for", "main", "--policy", &policy, "--format", "json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let message = report["refs"][0]["findings"][0]["message"].as_str().unwrap();
    assert!(message.contains(&format!("(\"{footer}\")")), "{message}");
    let output = world.countersign(&["show", "HEAD"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("mark      of claude-code: \\u{1f916} Generated with"), "{said}");
    assert!(said.is_ascii(), "{said}");
}

#[test]
fn an_admin_sees_beforehand_what_marks_would_meet() {
    let world = World::new(AGENTS_EVERYWHERE);
    std::fs::remove_file(world.server().join("hooks/pre-receive")).unwrap();
    world.commit("file", "1", MARKED);
    world.commit("file", "2", MARKED);
    world.seal_head(CLAUDE);
    world.commit("file", "3", "Plain\n");
    world.commit("file", "4", "Help\n\nAI-assisted: x\n");
    world.push_main().accepted();
    world.commit("file", "5", "Odd\n\nExecuted-By: a/b\n");
    world.push(&["HEAD:refs/notes/odd"]).accepted();
    let (server, policy) = (world.server().display().to_string(), world.policy_path().display().to_string());
    let output = world.countersign(&["policy", "check", "--marks", "--server", &server, &policy]);
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success() && said.is_ascii(), "{said}");
    let short = |revision: &str| world.git(&["rev-parse", "--short=7", revision]);
    for line in [
        "5 commits, the last 1000 of each of 2 refs: 4 with marks of agents, 3 without seal or adoption".to_owned(),
        "agent claude-code: 2 commits, 1 without seal or adoption".to_owned(),
        "       2  trailer  ^co-authored-by:.*<noreply@anthropic\\.com>".to_owned(),
        "agent gastown: 1 commit, 1 without seal or adoption".to_owned(),
        "refused, work like 1 commit:".to_owned(),
        format!("    {} \"Add retry\" refs/heads/main: claude-code (rule \"all\", policy.toml:24)", short("HEAD~4")),
        "no rule asks, work like 2 commits:".to_owned(),
        format!("    {} \"Help\" refs/heads/main: disclosed-ai", short("HEAD~1")),
    ] {
        assert!(said.lines().any(|said| said == line), "{line:?} in\n{said}");
    }
    // In a clone, of the clone.
    let output = world.countersign(&["policy", "check", "--marks", &policy]);
    assert!(String::from_utf8(output.stdout).unwrap().contains("agent claude-code: 2 commits"));
}
