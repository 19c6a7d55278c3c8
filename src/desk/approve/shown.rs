//! What the approver sees before signing. All of it comes from others, so all of it is escaped.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{BufRead as _, BufReader, IsTerminal as _, Write as _};
use std::process::{Command, Stdio};

use crate::core::approval::{Approval, Decision};
use crate::core::facts::CommitFacts;
use crate::core::policy::{Mode, Policy};
use crate::core::report::escape;
use crate::desk::approve::compose::{Work, signer};
use crate::desk::approve::key::Approver;
use crate::desk::approve::{ApprovalContext, list};
use crate::gate::examine::touches;
use crate::system::process::git;
use crate::system::{Failure, Result, print};

/// Who says what, with which key and until when.
pub(super) fn heading(approval: &Approval, approver: &Approver<'_>) -> String {
    let verb = if approval.decision == Decision::Approve { "approves" } else { "withdraws the approval of" };
    let count = approval.commits.len();
    format!(
        "{} {verb} {count} commit{} for {} of {}\nkey     {}\nexpires {}\n",
        approver.person.id,
        if count == 1 { "" } else { "s" },
        escape(approval.name.as_bytes(), 200),
        approval.repository,
        approver.public.fingerprint(),
        approval.expires,
    )
}

/// The whole text.
pub(super) fn text(
    context: &ApprovalContext,
    work: &Work,
    approval: &Approval,
    approver: &Approver<'_>,
) -> Result<String> {
    let mut text = heading(approval, approver);
    text += &sensitive(context, work, &approval.name);
    text += "\n";
    for commit in &work.commits {
        text += &format!(
            "{} {}\n        {}\n",
            commit.id.short(),
            escape(&commit.summary, 100),
            maker(&context.policy, commit)
        );
    }
    text += &format!("\n{}", diffstat(work)?);
    text += &asked(context, approval);
    text += "\nAny other commit, and any change to the content, message or order of these, voids it.\n";
    Ok(text)
}

/// The paths that rules of their own protect come first.
fn sensitive(context: &ApprovalContext, work: &Work, target: &str) -> String {
    let mut classes: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let rules =
        context.policy.rules().iter().filter(|rule| rule.matches_ref(target.as_bytes()) && rule.mode != Mode::Off);
    for rule in rules.filter(|rule| rule.is_path_rule()) {
        let paths = work
            .changes
            .iter()
            .filter(|change| touches(rule, change.as_difference()))
            .map(|change| escape(&change.path, 200));
        classes.entry(&rule.name).or_default().extend(paths);
    }
    let mut text = String::new();
    for (rule, paths) in classes.iter().filter(|(_, paths)| !paths.is_empty()) {
        text += &format!("\nsensitive, by rule \"{}\":\n", escape(rule.as_bytes(), 80));
        paths.iter().for_each(|path| text += &format!("  {path}\n"));
    }
    text
}

fn maker(policy: &Policy, commit: &CommitFacts) -> String {
    let author = escape(commit.author.as_bytes(), 100);
    let seals: Vec<String> = commit
        .seals
        .iter()
        .flatten()
        .map(|seal| match &seal.role {
            None => format!("sealed by {}", seal.agent),
            Some(role) => format!("{} as {role}", seal.agent),
        })
        .collect();
    if !seals.is_empty() {
        return format!("{author}, {}", seals.join(", "));
    }
    let signed = signer(policy, commit)
        .map_or_else(String::new, |signer| format!(", signed by {} {}", signer.kind.noun(), signer.id));
    match (commit.drafted.first(), commit.marks.first()) {
        (Some(agent), _) => format!("{author}{signed}, drafted by {agent}"),
        (None, Some(mark)) => {
            format!("{author}{signed}, NOT SEALED, though it bears the mark of {}", escape(mark.agent.as_bytes(), 80))
        }
        (None, None) => format!("{author}{signed}"),
    }
}

/// Nobody signs what could not be shown.
fn diffstat(work: &Work) -> Result<String> {
    let head = work.head.to_string();
    let base = match work.base {
        Some(base) => base.to_string(),
        None => git(&["hash-object", "-t", "tree", "--stdin"]).input(b"").line()?,
    };
    let arguments = [
        "-c",
        "core.quotePath=true",
        "diff",
        "--no-ext-diff",
        "--no-textconv",
        "--no-color",
        "--stat=100",
        &base,
        &head,
    ];
    let stat = git(&arguments).run()?;
    let lines = stat.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    Ok(lines.map(|line| escape(line, 200) + "\n").collect())
}

/// What the rules of the target ask, and who has approved.
fn asked(context: &ApprovalContext, approval: &Approval) -> String {
    let rules = context.policy.rules().iter();
    let asking = rules.filter(|rule| rule.mode != Mode::Off && rule.matches_ref(approval.name.as_bytes()));
    let mut text = String::new();
    for rule in asking {
        let Some(approvals) = &rule.approvals else { continue };
        text += &format!("\nrule \"{}\" ({}:{})\n", escape(rule.name.as_bytes(), 80), rule.at.file, rule.at.line);
        approvals.describe().iter().for_each(|sentence| text += &format!("  {sentence}\n"));
    }
    let others: Vec<String> = list::holding(context, &approval.name, approval.change.0)
        .into_iter()
        .filter(|person| *person != approval.approver)
        .collect();
    if text.is_empty() {
        text += "\nNo rule of this ref asks for approvals.\n";
    }
    if !others.is_empty() {
        text += &format!("Approved already by {}.\n", others.join(", "));
    }
    text
}

/// Prints the text, on a terminal through the pager that git would use.
pub(super) fn present(text: &str) -> Result<()> {
    let pager = git(&["var", "GIT_PAGER"]).line().unwrap_or_default();
    if !std::io::stdout().is_terminal() || pager.is_empty() || pager == "cat" {
        return print(text);
    }
    let mut command = Command::new("sh");
    command.args(["-c", &pager]).stdin(Stdio::piped());
    if std::env::var_os("LESS").is_none() {
        command.env("LESS", "FRX");
    }
    let Ok(mut child) = command.spawn() else { return print(text) };
    if let Some(mut input) = child.stdin.take() {
        // A reader who has seen enough closes the pager.
        let _ = input.write_all(text.as_bytes());
    }
    let ended = child.wait().map_err(|error| Failure::new(format!("the pager failed: {error}")))?;
    // The shell says so where there is no such pager (POSIX, 2.8.2).
    if matches!(ended.code(), Some(126 | 127)) { print(text) } else { Ok(()) }
}

/// Asks the person at the terminal whether to do this.
pub(super) fn confirmed(verb: &str) -> Result<bool> {
    let no_terminal = |_| {
        Failure::new("there is no terminal to ask on, so nothing is signed")
            .hint("run it in a terminal, or say --yes if what is printed above has been looked at")
    };
    let mut terminal = OpenOptions::new().read(true).write(true).open("/dev/tty").map_err(no_terminal)?;
    terminal.write_all(format!("{verb}? [y/N] ").as_bytes()).map_err(no_terminal)?;
    let mut answer = String::new();
    BufReader::new(terminal).read_line(&mut answer).map_err(no_terminal)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
