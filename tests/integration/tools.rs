//! `countersign desk`: the settings of coding agents come, do what they are for, and go.

use std::path::{Path, PathBuf};

use crate::client::{Desk, Person};
use crate::world::binary;

/// A tool, its file for a user, and what may stand there.
const FILES: [(&str, &str, &str); 9] = [
    ("claude-code", ".claude/settings.json", "{\n  \"model\": \"m\",\n  \"env\": {\n    \"X\": \"1\"\n  }\n}\n"),
    ("qwen-code", ".qwen/settings.json", "{\n    // mine\n    \"general\": {},\n}\n"),
    (
        "codex",
        ".codex/config.toml",
        "model = \"m\" # mine\n\n[shell_environment_policy]\n# why\ninherit = \"core\"\n\n[z]\na = 1\n",
    ),
    ("aider", ".aider.conf.yml", "# mine\nset-env:\n    - X=1\nauto-commits: true\n"),
    ("pi", ".pi/agent/settings.json", "{ \"theme\": \"dark\" }"),
    ("gemini-cli", ".gemini/settings.json", "{\n\t\"ui\": { \"theme\": \"x\" }\n}\n"),
    ("opencode", ".config/opencode/plugins/countersign.js", ""),
    (
        "cursor",
        ".cursor/hooks.json",
        "{\n  \"version\": 1,\n  \"hooks\": {\n    \"beforeShellExecution\": [\n      { \"command\": \"mine\" }\n    ]\n  }\n}\n",
    ),
    (
        "droid",
        ".factory/settings.json",
        "// mine\n{ \"hooks\": { \"PreToolUse\": [{ \"matcher\": \"Edit\", \"hooks\": [] }] } }\n",
    ),
];

fn run(desk: &Desk, words: &[&str]) -> (Option<i32>, String) {
    let output = desk.run(Person, &[&["countersign", "desk"][..], words].concat());
    (
        output.status.code(),
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)),
    )
}

fn place(desk: &Desk, file: &str, text: &str) -> PathBuf {
    let path = desk.world.path("home").join(file);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    if !text.is_empty() {
        std::fs::write(&path, text).unwrap();
    }
    path
}

#[test]
fn settings_come_once_and_go_byte_for_byte() {
    let desk = Desk::without_hooks();
    for (tool, file, text) in FILES {
        let path = place(&desk, file, text);
        let read = || std::fs::read_to_string(&path).ok();
        let before = read();
        let (code, said) = run(&desk, &["add", tool, "--dry-run"]);
        assert!(code == Some(0) && said.contains("\n+") && said.contains("@@"), "{tool}: {said}");
        assert_eq!(read(), before, "{tool}: nothing is written");
        let (code, said) = run(&desk, &["add", tool]);
        assert!(code == Some(0) && said.contains("wrote "), "{tool}: {said}");
        assert_eq!(said.contains("untested: "), ["cursor", "droid"].contains(&tool), "{tool}: {said}");
        let with = read().unwrap();
        for line in text.lines().filter(|line| line.contains("mine") || line.contains("why")) {
            assert!(with.contains(line), "{tool}: {with}");
        }
        let (_, said) = run(&desk, &["add", tool]);
        assert!(said.contains("has it already") && read().as_deref() == Some(&with), "{tool}: {said}");
        assert!(
            run(&desk, &["list"]).1.lines().any(|line| line.starts_with(tool) && line.contains("set up for this user"))
        );
        let (code, said) = run(&desk, &["remove", tool]);
        assert!(code == Some(0) && said.contains("restored "), "{tool}: {said}");
        assert_eq!(read(), before, "{tool}");
        assert!(run(&desk, &["remove", tool]).1.contains("nothing of countersign's is there"), "{tool}");
    }
}

/// What the user has written since stays.
#[test]
fn what_was_edited_since_stays() {
    let desk = Desk::without_hooks();
    for (tool, file, text) in FILES.into_iter().filter(|(_, _, text)| !text.is_empty()) {
        let path = place(&desk, file, text);
        assert_eq!(run(&desk, &["add", tool]).0, Some(0));
        let with = std::fs::read_to_string(&path).unwrap();
        let edited = match tool {
            "codex" => format!("{with}\n[mine]\nb = 2\n"),
            "aider" => format!("{with}dark-mode: true\n"),
            _ => with.replacen('{', "{\n  \"edited\": true,", 1),
        };
        std::fs::write(&path, &edited).unwrap();
        assert_eq!(run(&desk, &["remove", tool]).0, Some(0));
        let left = std::fs::read_to_string(&path).unwrap();
        assert!(!left.contains("COUNTERSIGN") && !left.contains("countersign"), "{tool}: {left}");
        let mine = ["edited", "[mine]", "dark-mode"].into_iter().find(|word| edited.contains(word)).unwrap();
        assert!(left.contains(mine), "{tool}: {left}");
        for line in text.lines().filter(|line| line.contains("mine")) {
            assert!(left.contains(line.trim()), "{tool}: {left}");
        }
    }
}

#[test]
fn a_file_that_is_none_of_its_kind_or_a_link_is_left() {
    let desk = Desk::without_hooks();
    for (tool, file, text) in [
        ("claude-code", ".claude/settings.json", "{ \"env\": "),
        ("claude-code", ".claude/settings.json", "{ \"env\": { \"COUNTERSIGN_AGENT\": \"other\" } }"),
        ("codex", ".codex/config.toml", "[a\n"),
        ("aider", ".aider.conf.yml", "set-env: [X=1]\n"),
    ] {
        let path = place(&desk, file, text);
        let (code, said) = run(&desk, &["add", tool]);
        assert!(code == Some(2) && said.contains("is left as it is"), "{tool}: {said}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }
    let path = place(&desk, ".pi/agent/settings.json", "");
    std::fs::write(desk.world.path("elsewhere.json"), "{}").unwrap();
    std::os::unix::fs::symlink(desk.world.path("elsewhere.json"), &path).unwrap();
    let (code, said) = run(&desk, &["add", "pi"]);
    assert!(code == Some(2) && said.contains("is a link"), "{said}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "{}");
    let (code, said) = run(&desk, &["add", "claude"]);
    assert!(code == Some(2) && said.contains("did you mean claude-code?"), "{said}");
}

/// A project's own settings lie in it, and an agent of another name is named.
#[test]
fn a_project_has_settings_of_its_own() {
    let desk = Desk::without_hooks();
    let (code, said) = run(&desk, &["add", "claude-code", "--project", "--agent", "alices-claude"]);
    assert!(
        code == Some(0) && said.contains("it has no key yet: countersign agent add alices-claude --user"),
        "{said}"
    );
    let path = desk.world.clone_dir().join(".claude/settings.json");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("{\n  \"env\": { \"COUNTERSIGN_AGENT\": \"alices-claude\" },\n  \"hooks\": { "), "{text}");
    assert!(text.contains("desk before-shell --tool claude-code --agent alices-claude"), "{text}");
    run(&desk, &["remove", "claude-code", "--project", "--agent", "alices-claude"]);
    assert!(!path.exists() && !desk.world.clone_dir().join(".claude").exists());
}

/// A tool that switches git's hooks off by its environment has them back in what its shell runs.
#[test]
fn hooks_that_a_tool_switches_off_run_again() {
    let desk = Desk::new();
    desk.world.git(&["config", "countersign.gemini-cli.key", &desk.world.path("claude-code").display().to_string()]);
    let mut command = desk.world.command(&binary().display().to_string(), &desk.world.clone_dir());
    command.args(["desk", "before-shell"]);
    let call = serde_json::json!({ "tool_name": "run_shell_command", "tool_input": { "command": "git commit -q --allow-empty -m Work" } });
    let output = desk.world.run(command, Some(call.to_string().as_bytes()));
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let line = answer["hookSpecificOutput"]["tool_input"]["command"].as_str().unwrap();
    let commit = |line: &str, directory: &Path| {
        let mut command = desk.world.shell(directory, line);
        command.env("GEMINI_CLI", "1").env("GIT_CONFIG_COUNT", "1");
        command.env("GIT_CONFIG_KEY_0", "core.hooksPath").env("GIT_CONFIG_VALUE_0", "");
        String::from_utf8(desk.world.run(command, None).stderr).unwrap()
    };
    let said = commit("git commit -q --allow-empty -m Work", &desk.world.clone_dir());
    assert_eq!(said, "", "without it no hook runs");
    let said = commit(line, &desk.world.clone_dir());
    assert!(said.contains("is sealed by gemini-cli"), "{said}");
    // What is no call of a shell stays as it is.
    let mut command = desk.world.command(&binary().display().to_string(), &desk.world.clone_dir());
    command.args(["desk", "before-shell"]);
    assert_eq!(desk.world.run(command, Some(b"{}")).stdout, b"{}\n");
}

/// What a tool runs around its shell advises, and seals what was committed past git's hooks.
#[test]
fn what_is_committed_past_the_hooks_is_sealed_after() {
    let desk = Desk::new();
    let hook = |name: &str, line: &str| -> serde_json::Value {
        let mut command = desk.world.command(&binary().display().to_string(), &desk.world.clone_dir());
        command.args(["desk", name, "--tool", "claude-code", "--agent", "claude-code"]);
        let call = serde_json::json!({ "tool_name": "Bash", "tool_input": { "command": line } });
        let output = desk.world.run(command, Some(call.to_string().as_bytes()));
        assert_eq!(output.status.code(), Some(0));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let words = |answer: &serde_json::Value| {
        answer["hookSpecificOutput"]["additionalContext"].as_str().unwrap_or_default().to_owned()
    };
    let commit = |message: &str| {
        let line = format!("git -c core.hooksPath=/dev/null commit -q --allow-empty -m '{message}'");
        let before = words(&hook("before-shell", &line));
        assert!(before.contains("leave core.hooksPath as it is") && !before.contains("--no-verify"), "{before}");
        desk.world.run(desk.world.shell(&desk.world.clone_dir(), &line), None);
        words(&hook("after-shell", &line))
    };
    let head = || desk.world.git(&["log", "-1", "--format=%B"]);
    let said = commit("Work\n\nCo-Authored-By: Claude <noreply@anthropic.com>");
    assert!(said.contains("sealed: ") && head().contains("Countersign-Agent: claude-code"), "{said}");
    // What shows no agent's hand may be a person's who was at work here too.
    let said = commit("Another");
    assert!(said.contains("it shows no agent's hand") && !head().contains("Countersign"), "{said}");
    // Nothing was committed, and a command that nobody began.
    assert_eq!(hook("before-shell", "ls"), serde_json::json!({}));
    assert_eq!(hook("after-shell", "ls"), serde_json::json!({}));
    assert_eq!(hook("after-shell", "ls"), serde_json::json!({}));
}
