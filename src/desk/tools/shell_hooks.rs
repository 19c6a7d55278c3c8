//! What a tool runs before and after each command of its shell, where it has hooks of its own. Neither forbids anything: the one advises
//! against what would leave work unsealed, and puts git's hooks back where the tool has switched them off; the other seals what was
//! committed all the same.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Edit, Wanted, What};
use crate::core::id::Id;
use crate::core::oid::Oid;
use crate::desk::clone::{Local, common_dir};
use crate::desk::install::hooks_in_force;
use crate::system::process::{self, git};
use crate::system::{Exit, Failure, Result, disk, env, print, quote, stdin};

/// The words after `countersign desk` that the settings of tools name.
pub(super) const BEFORE: &str = "before-shell";
pub(super) const AFTER: &str = "after-shell";

/// What is read of a call of the shell: a command line is far below it.
const CALL: u64 = 4 << 20;

/// Whose hook it is.
pub(crate) struct ShellHook {
    /// The tool; earlier versions wrote this hook for Gemini CLI alone, and did not name it.
    pub(crate) tool: String,
    /// The agent's id in the policy.
    pub(crate) agent: Option<Id>,
}

/// How a tool's hooks are answered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dialect {
    /// `PreToolUse` and `PostToolUse`: <https://code.claude.com/docs/en/hooks>, which others have taken over.
    Claude,
    /// `BeforeTool` and `AfterTool`: <https://geminicli.com/docs/hooks/reference>.
    Gemini,
    /// `beforeShellExecution` and `afterShellExecution`: <https://cursor.com/docs/agent/hooks>.
    Cursor,
}

impl ShellHook {
    fn dialect(&self) -> Dialect {
        match self.tool.as_str() {
            "gemini-cli" => Dialect::Gemini,
            "cursor" => Dialect::Cursor,
            _ => Dialect::Claude,
        }
    }
}

/// The command of a hook, as the settings of a tool name it. The agent's id is a word that no shell changes.
pub(super) fn command(hook: &str, tool: &str, wanted: &Wanted) -> String {
    format!("countersign desk {hook} --tool {tool} --agent {}", wanted.agent)
}

/// Both hooks of a tool that has them as Claude Code does, for what it calls its shell.
pub(super) fn like_claude(file: &'static str, tool: &str, shell: &str, wanted: &Wanted) -> Vec<Edit> {
    let item = |path, hook| {
        let command = command(hook, tool, wanted);
        let hook = format!("{{ \"type\": \"command\", \"command\": \"{command}\" }}");
        Edit { file, what: What::JsonItem(path, format!("{{ \"matcher\": \"{shell}\", \"hooks\": [{hook}] }}")) }
    };
    vec![item(&["hooks", "PreToolUse"], BEFORE), item(&["hooks", "PostToolUse"], AFTER)]
}

/// The line that a tool is about to have its shell run.
fn line_of_call(call: &Value) -> Option<&str> {
    call.get("tool_input").unwrap_or(call).get("command")?.as_str()
}

/// Runs before a command of the shell. What cannot be made out stays as it is.
pub(crate) fn before_shell(hook: &ShellHook) -> Result {
    let call = read_call();
    let line = call.as_ref().and_then(line_of_call);
    if line.is_some() {
        note_head();
    }
    let advice = line.map(advice).unwrap_or_default();
    let answer = match (line, common_dir(), hook.dialect()) {
        (Some(line), Ok(common), Dialect::Gemini) => {
            let line = with_hooks(line, &hooks_in_force(&common)?);
            let mut answer =
                json!({ "hookSpecificOutput": { "hookEventName": "BeforeTool", "tool_input": { "command": line } } });
            if !advice.is_empty() {
                set(&mut answer, "systemMessage", advice.as_str().into());
            }
            answer
        }
        (Some(_), _, Dialect::Claude) => told("PreToolUse", &advice),
        (_, _, Dialect::Cursor) if advice.is_empty() => json!({ "permission": "allow" }),
        (_, _, Dialect::Cursor) => json!({ "permission": "allow", "agent_message": advice, "user_message": advice }),
        (None, ..) | (_, Err(_), Dialect::Gemini) => json!({}),
    };
    print(&format!("{answer}\n"))?;
    Ok(Exit::Accepted)
}

/// Runs after a command of the shell: seals what it committed and git's hooks did not.
pub(crate) fn after_shell(hook: &ShellHook) -> Result {
    let _ = read_call();
    let said = match head_before() {
        Some(before) => seal_since(&before, hook)?,
        None => String::new(),
    };
    let answer = match hook.dialect() {
        Dialect::Claude => told("PostToolUse", &said),
        Dialect::Gemini => told("AfterTool", &said),
        Dialect::Cursor => json!({}),
    };
    print(&format!("{answer}\n"))?;
    Ok(Exit::Accepted)
}

/// An answer that adds words to what the agent reads.
fn told(event: &str, words: &str) -> Value {
    if words.is_empty() {
        return json!({});
    }
    json!({ "hookSpecificOutput": { "hookEventName": event, "additionalContext": words } })
}

fn set(value: &mut Value, key: &str, to: Value) {
    if let Some(object) = value.as_object_mut() {
        object.insert(key.to_owned(), to);
    }
}

fn read_call() -> Option<Value> {
    let mut call = String::new();
    stdin().lock().take(CALL).read_to_string(&mut call).ok()?;
    serde_json::from_str(&call).ok()
}

/// What speaks against a command line; nothing where nothing does.
fn advice(line: &str) -> String {
    let folded = line.to_ascii_lowercase();
    let says = [
        (
            "--no-verify",
            "leave out --no-verify: it skips hooks that seal and check what you commit, and the server refuses what is not sealed",
        ),
        (
            "core.hookspath",
            "leave core.hooksPath as it is: without this clone's hooks nothing that you commit is sealed",
        ),
        (
            "countersign approve",
            "leave countersign approve to a person: an approval by whoever did the work counts for nothing",
        ),
    ];
    let words = says.iter().filter(|(part, _)| folded.contains(part)).map(|(_, words)| format!("countersign: {words}"));
    words.collect::<Vec<_>>().join("\n")
}

/// The command with what git calls its parameters (git.c), which outrank those of `GIT_CONFIG_COUNT`.
fn with_hooks(command: &str, hooks: &Path) -> String {
    let parameter = format!("'core.hookspath'={}", quote(&hooks.to_string_lossy()));
    format!("export GIT_CONFIG_PARAMETERS={}; {command}", quote(&parameter))
}

/// Where it is remembered what HEAD was before a command.
fn head_file() -> Option<PathBuf> {
    let local = Local::open().ok()?;
    Some(local.dir.git_dir.join("countersign").join("before-shell"))
}

/// The commit that is checked out; nothing where there is none yet.
fn head() -> String {
    git(&["rev-parse", "--verify", "--quiet", "HEAD^{commit}"]).line().unwrap_or_default()
}

/// Remembers it. Without that the hook afterwards does nothing.
fn note_head() {
    if let Some(file) = head_file() {
        let _ = file.parent().map(disk::create_dir_all);
        let _ = disk::write(file, head());
    }
}

fn head_before() -> Option<String> {
    let file = head_file()?;
    let before = disk::read_to_string(&file).ok()?;
    let _ = disk::remove_file(file);
    Some(before)
}

/// Seals what HEAD has gained, as `sign` does: what shows no agent's hand it leaves, and says so. Returns what it said.
fn seal_since(before: &str, hook: &ShellHook) -> Result<String> {
    if head() == before {
        return Ok(String::new());
    }
    let mut sign = process::command(env::current_exe().map_err(Failure::new)?);
    sign.arg("sign");
    if let Some(before) = Oid::parse(before.as_bytes()) {
        sign.arg(format!("{before}..HEAD"));
    }
    if let Some(agent) = &hook.agent {
        sign.args(["--agent", agent.as_str()]);
    }
    let done = sign.stdin(std::process::Stdio::null()).output().map_err(Failure::new)?;
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    let left = said.lines().filter(|line| !line.ends_with("nothing to rewrite")).map(str::to_owned);
    let sealed = String::from_utf8_lossy(&done.stdout).into_owned();
    Ok(left.chain(sealed.lines().map(|line| format!("sealed: {line}"))).collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_work_unsealed_is_advised_against() {
        for (line, told) in [
            ("git commit --no-verify -m x", "leave out --no-verify"),
            ("git -c core.HooksPath=/dev/null commit", "leave core.hooksPath"),
            ("cd a && countersign approve work --for main --yes", "leave countersign approve"),
        ] {
            assert!(advice(line).contains(told), "{line}");
        }
        for line in ["git commit -m verify", "git config core.hooks", "countersign check --for main"] {
            assert_eq!(advice(line), "", "{line}");
        }
        assert_eq!(advice("git commit --no-verify; git config core.hooksPath x").lines().count(), 2);
    }
}
