//! The editors of settings for a fuzzer; see [`crate::fuzzing`].

use super::{json, lines};

const PATH: [&str; 2] = ["env", "COUNTERSIGN_AGENT"];
const HOOKS: [&str; 2] = ["hooks", "PreToolUse"];
const ITEM: &str = "{ \"command\": \"countersign\" }";

/// The text of a file, in which each setting comes once, can be read again, and goes.
pub(crate) fn settings(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    // Each looks, whatever the others make of it.
    [in_json(text), in_list(text), in_toml(text), in_yaml(text)].contains(&true)
}

fn in_json(text: &str) -> bool {
    let Ok(with) = json::set(text, &PATH, "\"x\"") else { return false };
    assert_eq!(json::set(&with, &PATH, "\"x\"").as_deref(), Ok(with.as_str()), "set again, it changes");
    let without = json::unset(&with, &PATH, "\"x\"");
    let without = without.unwrap_or_else(|error| unreachable!("what was written is not read: {error}"));
    assert!(json::set(&without, &PATH, "\"y\"").is_ok(), "it is still set in {without:?}");
    true
}

fn in_list(text: &str) -> bool {
    let Ok(with) = json::set_item(text, &HOOKS, ITEM) else { return false };
    assert_eq!(json::set_item(&with, &HOOKS, ITEM).as_deref(), Ok(with.as_str()), "put there again, it changes");
    let without = json::unset_item(&with, &HOOKS, ITEM);
    let without = without.unwrap_or_else(|error| unreachable!("what was written is not read: {error}"));
    assert!(json::set_item(&without, &HOOKS, ITEM).is_ok(), "{without:?} cannot be written again");
    true
}

fn in_toml(text: &str) -> bool {
    let Ok(with) = lines::set_toml(text, "t", "k", "true") else { return false };
    assert_eq!(lines::set_toml(&with, "t", "k", "true").as_deref(), Ok(with.as_str()), "set again, it changes");
    let _ = lines::unset_toml(&with, "t", "k", "true");
    true
}

fn in_yaml(text: &str) -> bool {
    let Ok(with) = lines::set_yaml(text, "set-env", "A=b") else { return false };
    assert_eq!(lines::set_yaml(&with, "set-env", "A=b").as_deref(), Ok(with.as_str()), "set again, it changes");
    let _ = lines::unset_yaml(&with, "set-env", "A=b");
    true
}
