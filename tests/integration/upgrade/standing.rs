//! Seals and keys: what was sealed before holds, and what was received in time stays good.

use super::{Earlier, said};
use crate::world::{Actor, CODEX};

const CODEX_NEW: Actor = Actor { id: "codex", seed: 13 };
const GEMINI: Actor = Actor { id: "gemini-cli", seed: 14 };
const CURSOR: Actor = Actor { id: "cursor", seed: 15 };

/// Authors' seals with and without a task, a model and trailers below; a pipeline's; an adopted commit; an agent's own signature; a
/// merge; a first commit.
#[test]
fn seals_of_every_kind_hold() {
    for state in ["file", "sha256"] {
        let earlier = Earlier::without_hooks(state);
        let (tip, first) = (earlier.git(&["rev-parse", "origin/seals"]), earlier.git(&["rev-parse", "origin/root"]));
        let commits = earlier.git(&["rev-list", &tip, &first, "^origin/main"]);
        assert_eq!(commits.lines().count(), 9, "{state}: {commits}");
        let mut lines = Vec::new();
        for commit in commits.lines() {
            let (text, code) = said(&earlier.countersign(&["show", commit]));
            assert_eq!(code, Some(0), "{state}: {text}");
            lines.extend(text.lines().map(str::to_owned).filter(|line| !line.starts_with("signed    no")));
        }
        let count = |start: &str, part: &str| {
            lines.iter().filter(|line| line.starts_with(start) && line.contains(part)).count()
        };
        assert_eq!((count("sealed", ""), count("sealed", ": holds, ")), (9, 9), "{state}: {lines:#?}");
        for (start, part) in [
            ("sealed", "by codex as reviewer"),
            ("sealed", "by claude-code as qa.second"),
            ("drafted", "by claude-code"),
            ("signed", "of person alice"),
            ("signed", "of agent codex"),
            ("", "task PAY-112"),
            ("", "model claude-opus-4-5"),
        ] {
            assert_eq!(count(start, part), 1, "{state}: {part}: {lines:#?}");
        }
        // Where no ref has them any more they are judged again.
        earlier.push(&[":refs/heads/seals", ":refs/heads/root"]).accepted();
        earlier.push(&[&format!("{tip}:refs/heads/again"), &format!("{first}:refs/heads/root")]).accepted();
        earlier.git(&["checkout", "-q", "-B", "spoilt", &tip]);
        std::fs::write(earlier.clone_dir().join("shared.txt"), "spoilt\n").unwrap();
        earlier.git(&["commit", "-q", "-a", "--amend", "--no-edit"]);
        earlier.push(&["HEAD:refs/heads/spoilt"]).refused("stale-seal");
        earlier.verified();
    }
}

#[test]
fn what_was_received_in_time_stays_good_and_what_comes_later_is_refused() {
    let earlier = Earlier::without_hooks("file");
    let rows = [
        (CODEX, Ok(()), "agent-revoked"),
        (GEMINI, Ok(()), "agent-suspended"),
        (CURSOR, Err("agent-revoked"), "agent-revoked"),
    ];
    for (agent, before, after) in rows {
        // Approved before the upgrade as well, for which it was received.
        earlier.picked(&format!("before-{}", agent.id));
        let pushed = earlier.push(&["HEAD:refs/heads/main"]);
        match before {
            Ok(()) => pushed.accepted(),
            Err(code) => pushed.refused(code),
        }
        earlier.branch("late", "origin/main");
        earlier.sealed("late.txt", agent);
        earlier.push(&["HEAD:refs/heads/late"]).refused(after);
    }
    // What a key that is revoked since had landed is on main, and nobody is locked out by it.
    earlier.by_hand("by-hand.txt").accepted();
    earlier.branch("new", "origin/main");
    earlier.sealed("new.txt", CODEX_NEW);
    earlier.push(&["HEAD:refs/heads/new"]).accepted();
    // A decision counts whole, also where one entry does not hold it.
    let continued = earlier.git(&["rev-parse", "origin/z-continued"]);
    let works =
        |entry: &serde_json::Value| entry["updates"].to_string().contains(&format!("\"{continued}\",\"sha256:"));
    let found: Vec<_> = earlier.entries().into_iter().filter(works).collect();
    assert!(found.len() == 1 && found[0]["kind"] == "continued", "{found:?}");
    earlier.push(&[":refs/heads/z-continued"]).accepted();
    earlier.push(&[&format!("{continued}:refs/heads/z-continued")]).accepted();
    earlier.verified();
}
